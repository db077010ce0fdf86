//! Verdicts that were reached before: good ones while they hold, refusals briefly.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arc_swap::ArcSwapOption;
use rustmq_pki::time::UnixTime;

use crate::authentication::AuthContext;
use crate::error::Refusal;

/// The SHA-256 of a leaf's DER.
pub type Fingerprint = [u8; 32];

/// How many verdicts share a set: their tags fill half a cache line.
const WAYS: usize = 8;

/// How many sets there are in a chunk, which is made when its first verdict comes: a manager that
/// knows few peers is small.
const SETS: usize = 128;

/// How many chunks there are: room for 64 Ki verdicts.
const CHUNKS: usize = 64;

/// Some peers with neighbouring keys.
struct Set {
    /// 0 where there is no verdict. Apart from the verdicts, so that a look-up reads one of them.
    tags: [AtomicU32; WAYS],
    places: [ArcSwapOption<AuthContext>; WAYS],
}

impl Default for Set {
    fn default() -> Self {
        Self { tags: Default::default(), places: [const { ArcSwapOption::const_empty() }; WAYS] }
    }
}

/// The good verdicts, in a table of bounded size. Readers take no lock and touch no counter that
/// another reader touches.
#[derive(Default)]
pub(crate) struct Verdicts {
    chunks: Chunks,
    /// Held by whoever writes.
    writing: Mutex<()>,
}

struct Chunks([OnceLock<Box<[Set]>>; CHUNKS]);

impl Default for Chunks {
    fn default() -> Self {
        Self([const { OnceLock::new() }; CHUNKS])
    }
}

/// Where a key's verdict is and how it is told from its neighbours. A key is random octets already.
struct Place {
    chunk: usize,
    set: usize,
    tag: u32,
}

impl Place {
    fn of(key: &Fingerprint) -> Self {
        let [a, b, c, d, e, f, ..] = *key;
        Self {
            chunk: usize::from(a) % CHUNKS,
            set: usize::from(b) % SETS,
            tag: u32::from_le_bytes([c, d, e, f]) | 1,
        }
    }
}

impl Verdicts {
    /// Shows the verdict with this key to `look`, if one holds.
    pub(crate) fn with<R>(
        &self,
        key: &Fingerprint,
        snapshot: u64,
        now: UnixTime,
        look: impl FnOnce(&Arc<AuthContext>) -> R,
    ) -> Option<R> {
        let place = Place::of(key);
        let set = &self.chunks.0[place.chunk].get()?[place.set];
        let with_tag = |tag: &AtomicU32| tag.load(Ordering::Acquire) == place.tag;
        for (_, held) in set.tags.iter().zip(&set.places).filter(|(tag, _)| with_tag(tag)) {
            let verdict = held.load();
            // Another verdict may have taken the place since the tag was read.
            if let Some(verdict) = verdict.as_ref().filter(|verdict| verdict.key == *key) {
                return verdict.holds(snapshot, now).then(|| look(verdict));
            }
        }
        None
    }

    /// Remembers a verdict. A full set first loses what no longer holds, then any one.
    pub(crate) fn insert(&self, verdict: &Arc<AuthContext>, now: UnixTime) {
        let place = Place::of(&verdict.key);
        let chunk = self.chunks.0[place.chunk]
            .get_or_init(|| std::iter::repeat_with(Set::default).take(SETS).collect());
        let Set { tags, places } = &chunk[place.set];
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let find = |wanted: &dyn Fn(&AuthContext) -> bool| {
            places.iter().position(|held| held.load().as_ref().is_some_and(|held| wanted(held)))
        };
        let way = find(&|held| held.key == verdict.key)
            .or_else(|| places.iter().position(|held| held.load().is_none()))
            .or_else(|| find(&|held| !held.holds(verdict.snapshot, now)))
            .unwrap_or(usize::from(verdict.key[31]) % WAYS);
        tags[way].store(0, Ordering::Release);
        places[way].store(Some(Arc::clone(verdict)));
        tags[way].store(place.tag, Ordering::Release);
    }

    /// Forgets what does not hold any more.
    pub(crate) fn sweep(&self, snapshot: u64, now: UnixTime) {
        let sets = self.chunks.0.iter().filter_map(OnceLock::get).flatten();
        let held = sets.flat_map(|set| set.tags.iter().zip(&set.places));
        for (tag, place) in held.filter(|(tag, _)| tag.load(Ordering::Acquire) != 0) {
            let over = |place: &ArcSwapOption<AuthContext>| {
                place.load().as_ref().is_some_and(|verdict| !verdict.holds(snapshot, now))
            };
            if over(place) {
                let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
                // An insertion may have been faster.
                if over(place) {
                    tag.store(0, Ordering::Release);
                    place.store(None);
                }
            }
        }
    }
}

impl std::fmt::Debug for Verdicts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Verdicts").finish_non_exhaustive()
    }
}

/// For how many seconds a refusal is remembered: long enough that a peer that tries again and again
/// costs a hash, short enough that a mended cause is seen soon.
const REFUSAL_SECONDS: i64 = 5;

/// The most refusals that are remembered.
const REFUSALS_MOST: usize = 4_096;

struct Refused {
    refusal: Refusal,
    snapshot: u64,
    at: UnixTime,
}

/// Refusals by the whole chain, apart from the good verdicts, so that refused peers evict nobody.
#[derive(Default)]
pub(crate) struct Refusals(Mutex<HashMap<Fingerprint, Refused>>);

impl Refusals {
    /// The refusal of a chain, if it is fresh.
    pub(crate) fn find(
        &self,
        chain: &Fingerprint,
        snapshot: u64,
        now: UnixTime,
    ) -> Option<Refusal> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let refused = held.get(chain)?;
        let age = now.seconds().saturating_sub(refused.at.seconds());
        let fresh = refused.snapshot == snapshot && (0..REFUSAL_SECONDS).contains(&age);
        fresh.then(|| refused.refusal.clone())
    }

    /// Remembers a refusal; when there are too many, all are forgotten.
    pub(crate) fn insert(&self, chain: Fingerprint, refusal: Refusal, snapshot: u64, at: UnixTime) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= REFUSALS_MOST {
            held.clear();
        }
        held.insert(chain, Refused { refusal, snapshot, at });
    }
}

impl std::fmt::Debug for Refusals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Refusals").finish_non_exhaustive()
    }
}
