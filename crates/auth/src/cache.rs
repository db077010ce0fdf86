//! Verdicts that were reached before: good ones while they hold, refusals briefly.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rustmq_pki::time::UnixTime;

use crate::authentication::AuthContext;
use crate::error::Refusal;

/// The SHA-256 of a leaf's DER.
pub type Fingerprint = [u8; 32];

/// A fingerprint is random already: its first octets are the hash.
#[derive(Clone, Copy, Debug, Default)]
struct FirstOctets;

#[derive(Default)]
struct FirstOctetsHasher(u64);

impl Hasher for FirstOctetsHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        if let Some(first) = bytes.first_chunk::<8>() {
            self.0 = u64::from_le_bytes(*first);
        }
    }
}

impl BuildHasher for FirstOctets {
    type Hasher = FirstOctetsHasher;

    fn build_hasher(&self) -> FirstOctetsHasher {
        FirstOctetsHasher::default()
    }
}

/// A good verdict and the terms on which it holds.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    pub(crate) context: Arc<AuthContext>,
    /// The snapshot that it was reached under.
    pub(crate) snapshot: u64,
    pub(crate) from: UnixTime,
    pub(crate) until: UnixTime,
}

impl Verdict {
    fn holds(&self, snapshot: u64, now: UnixTime) -> bool {
        self.snapshot == snapshot && self.from <= now && now <= self.until
    }
}

type Shard = HashMap<Fingerprint, Verdict, FirstOctets>;

/// How many maps the good verdicts are spread over: an insertion copies one of them, and a look-up
/// should find their headers in the nearest cache.
const SHARDS: usize = 256;

/// The most verdicts of a shard: 64 Ki identities in all.
const SHARD_MOST: usize = 256;

/// The good verdicts. Readers take no lock and touch no counter that another reader touches.
#[derive(Debug)]
pub(crate) struct Verdicts {
    shards: Box<[ArcSwap<Shard>]>,
}

impl Default for Verdicts {
    fn default() -> Self {
        Self { shards: (0..SHARDS).map(|_| ArcSwap::default()).collect() }
    }
}

impl Verdicts {
    fn shard(&self, fingerprint: &Fingerprint) -> &ArcSwap<Shard> {
        // The last octets choose the shard, the first ones the place in it.
        let last = u16::from_le_bytes([fingerprint[30], fingerprint[31]]);
        &self.shards[usize::from(last) % SHARDS]
    }

    /// Shows the verdict on a leaf to `look`, if one holds.
    pub(crate) fn with<R>(
        &self,
        fingerprint: &Fingerprint,
        snapshot: u64,
        now: UnixTime,
        look: impl FnOnce(&Arc<AuthContext>) -> R,
    ) -> Option<R> {
        let shard = self.shard(fingerprint).load();
        let verdict = shard.get(fingerprint).filter(|verdict| verdict.holds(snapshot, now))?;
        Some(look(&verdict.context))
    }

    /// Remembers a verdict. A full shard first loses what no longer holds, then any one.
    pub(crate) fn insert(&self, fingerprint: Fingerprint, verdict: &Verdict, now: UnixTime) {
        self.shard(&fingerprint).rcu(|shard| {
            let mut next = (**shard).clone();
            if next.len() >= SHARD_MOST {
                next.retain(|_, held| held.holds(verdict.snapshot, now));
            }
            if next.len() >= SHARD_MOST {
                let any = next.keys().next().copied();
                any.map(|any| next.remove(&any));
            }
            next.insert(fingerprint, verdict.clone());
            next
        });
    }

    /// Forgets what does not hold any more.
    pub(crate) fn sweep(&self, snapshot: u64, now: UnixTime) {
        for shard in &self.shards {
            if shard.load().values().any(|verdict| !verdict.holds(snapshot, now)) {
                shard.rcu(|shard| {
                    let mut next = (**shard).clone();
                    next.retain(|_, verdict| verdict.holds(snapshot, now));
                    next
                });
            }
        }
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
