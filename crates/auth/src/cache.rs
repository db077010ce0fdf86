//! Verdicts that were reached before: good ones while they hold, refusals briefly.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
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

/// Where a leaf's verdicts are and how they are told from their neighbours. A fingerprint is random
/// octets already.
///
/// A verdict stands in the first of two sets that has room: sets that are filled at random have eight
/// verdicts long before the table is full, two of them seldom both.
struct Place {
    chunk: usize,
    sets: [usize; 2],
    tag: u32,
}

impl Place {
    fn of(leaf: &Fingerprint) -> Self {
        let [a, b, c, d, e, f, g, ..] = *leaf;
        Self {
            chunk: usize::from(a) % CHUNKS,
            sets: [b, g].map(|octet| usize::from(octet) % SETS),
            tag: u32::from_le_bytes([c, d, e, f]) | 1,
        }
    }
}

impl Verdicts {
    /// Shows the verdict on this leaf, with just this beside it, to `look`, if one holds.
    pub(crate) fn with<R>(
        &self,
        leaf: &Fingerprint,
        beside: Option<&Fingerprint>,
        snapshot: u64,
        now: UnixTime,
        look: impl FnOnce(&Arc<AuthContext>) -> R,
    ) -> Option<R> {
        let place = Place::of(leaf);
        let chunk = self.chunks.0[place.chunk].get()?;
        let with_tag = |tag: &AtomicU32| tag.load(Ordering::Acquire) == place.tag;
        let places =
            place.sets.iter().flat_map(|set| chunk[*set].tags.iter().zip(&chunk[*set].places));
        for (_, held) in places.filter(|(tag, _)| with_tag(tag)) {
            let verdict = held.load();
            // Another verdict may have taken the place since the tag was read.
            let same = |verdict: &&Arc<AuthContext>| {
                verdict.fingerprint == *leaf && verdict.beside.as_deref() == beside
            };
            if let Some(verdict) = verdict.as_ref().filter(same) {
                return verdict.holds(snapshot, now).then(|| look(verdict));
            }
        }
        None
    }

    /// Remembers a verdict. Full sets first lose what no longer holds, then any one.
    pub(crate) fn insert(&self, verdict: &Arc<AuthContext>, now: UnixTime) {
        let place = Place::of(&verdict.fingerprint);
        let chunk = self.chunks.0[place.chunk]
            .get_or_init(|| std::iter::repeat_with(Set::default).take(SETS).collect());
        let _alone = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let sets = place.sets.map(|set| &chunk[set]);
        let find = |wanted: &dyn Fn(Option<&AuthContext>) -> bool| {
            let way = |set: &Set| set.places.iter().position(|held| wanted(held.load().as_deref()));
            sets.iter().find_map(|set| Some((*set, way(set)?)))
        };
        let same = |held: &AuthContext| {
            held.fingerprint == verdict.fingerprint && held.beside == verdict.beside
        };
        let (set, way) = find(&|held| held.is_some_and(same))
            .or_else(|| find(&|held| held.is_none()))
            .or_else(|| find(&|held| held.is_some_and(|held| !held.holds(verdict.snapshot, now))))
            .unwrap_or_else(|| {
                let beside = verdict.beside.as_ref().map_or(0, |beside| beside[0]);
                (sets[0], usize::from(verdict.fingerprint[31] ^ beside) % WAYS)
            });
        set.tags[way].store(0, Ordering::Release);
        set.places[way].store(Some(Arc::clone(verdict)));
        set.tags[way].store(place.tag, Ordering::Release);
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

/// The most refusals that are remembered. Each has four texts of 1 KiB at most, so that what strangers
/// can have remembered of them is 17 MiB.
const REFUSALS_MOST: usize = 4_096;

struct Refused {
    refusal: Refusal,
    snapshot: u64,
    at: UnixTime,
}

/// Refusals by the whole chain, apart from the good verdicts, so that refused peers evict nobody.
#[derive(Default)]
pub(crate) struct Refusals {
    held: Mutex<HashMap<Fingerprint, Refused>>,
    /// How many there are, so that nobody hashes a chain to look for it among none.
    count: AtomicUsize,
}

impl Refusals {
    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    /// The refusal of a chain, if it is fresh.
    pub(crate) fn find(
        &self,
        chain: &Fingerprint,
        snapshot: u64,
        now: UnixTime,
    ) -> Option<Refusal> {
        let held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.get(chain).filter(|held| held.is_fresh(snapshot, now)).map(|held| held.refusal.clone())
    }

    /// Remembers a refusal; when there are too many, all are forgotten.
    pub(crate) fn insert(&self, chain: Fingerprint, refusal: Refusal, snapshot: u64, at: UnixTime) {
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        if held.len() >= REFUSALS_MOST {
            held.clear();
        }
        held.insert(chain, Refused { refusal, snapshot, at });
        self.count.store(held.len(), Ordering::Release);
    }

    /// Forgets what is not fresh any more.
    pub(crate) fn sweep(&self, snapshot: u64, now: UnixTime) {
        if self.is_empty() {
            return;
        }
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        held.retain(|_, held| held.is_fresh(snapshot, now));
        self.count.store(held.len(), Ordering::Release);
    }
}

impl Refused {
    fn is_fresh(&self, snapshot: u64, now: UnixTime) -> bool {
        let age = now.seconds().saturating_sub(self.at.seconds());
        self.snapshot == snapshot && (0..REFUSAL_SECONDS).contains(&age)
    }
}

impl std::fmt::Debug for Refusals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Refusals").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use rustmq_pki::role::Role;

    use super::*;
    use crate::authentication::sha256;

    fn verdict(number: u32) -> Arc<AuthContext> {
        Arc::new(AuthContext {
            fingerprint: sha256(&number.to_be_bytes()),
            window: (UnixTime::MIN, UnixTime::MAX),
            snapshot: 1,
            not_after: UnixTime::MAX,
            principal: "app".into(),
            role: Role::Client,
            serial: [1_u8][..].into(),
            path: Arc::new([]),
            above: Arc::default(),
            path_until: UnixTime::MAX,
            beside: None,
        })
    }

    /// A quarter of the table: at random, some sets would be full by then.
    #[test]
    fn a_table_that_is_far_from_full_forgets_nobody() {
        let verdicts = Verdicts::default();
        let peers: Vec<_> = (0..16_384).map(verdict).collect();
        let now = UnixTime::default();
        peers.iter().for_each(|peer| verdicts.insert(peer, now));
        let known = |peer: &Arc<AuthContext>| {
            verdicts.with(&peer.fingerprint, None, 1, now, |held| Arc::ptr_eq(held, peer))
        };
        assert!(peers.iter().all(|peer| known(peer) == Some(true)));
        let first: Vec<_> = peers.iter().map(|peer| Place::of(&peer.fingerprint)).collect();
        let mut held = [[0; SETS]; CHUNKS];
        first.iter().for_each(|place| held[place.chunk][place.sets[0]] += 1);
        assert!(held.as_flattened().iter().any(|held| *held > WAYS), "no set was ever full");
    }
}
