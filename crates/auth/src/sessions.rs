//! Live connections and the certificates that they rest on.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::{Context, Poll, Waker};

use rustls_pki_types::CertificateDer;
use rustmq_pki::time::UnixTime;

use crate::authentication::AuthContext;
use crate::cache::Fingerprint;
use crate::error::{Refusal, Rule};

/// Why a session was ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionEnd {
    /// Its certificate expired.
    #[error("the certificate of the session has expired")]
    Expired,
    /// Its certificate, or one above it, was revoked.
    #[error("the certificate of the session is revoked: {0}")]
    Revoked(Refusal),
    /// Under the new snapshot no path leads to an anchor, or a rule refuses it.
    #[error("the certificate of the session is not trusted any more: {0}")]
    Withdrawn(Refusal),
}

#[derive(Debug, Default)]
struct State {
    end: Option<SessionEnd>,
    waker: Option<Waker>,
}

/// One live connection.
#[derive(Debug)]
struct Session {
    /// The chain that it sent, the leaf first; the part above the leaf is shared by its CA's peers.
    leaf: Box<[u8]>,
    above: Arc<[Box<[u8]>]>,
    context: Arc<AuthContext>,
    state: Mutex<State>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Session {
    fn end(&self, end: SessionEnd) -> bool {
        let mut state = lock(&self.state);
        if state.end.is_some() {
            return false;
        }
        state.end = Some(end);
        let waker = state.waker.take();
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
        true
    }
}

/// How many maps the sessions are spread over, so that registering one seldom waits for another.
const SHARDS: usize = 64;

/// The certificates above a leaf, as long as a session holds them.
type SharedAbove = Weak<[Box<[u8]>]>;

type Shard = Mutex<HashMap<u64, Arc<Session>>>;

#[derive(Debug)]
struct Registry {
    shards: Box<[Shard]>,
    next: AtomicU64,
    /// The upper parts of chains, shared.
    above: Mutex<Vec<SharedAbove>>,
}

/// All live connections.
#[derive(Clone, Debug)]
pub(crate) struct Sessions(Arc<Registry>);

impl Default for Sessions {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| Shard::default()).collect();
        Self(Arc::new(Registry { shards, next: AtomicU64::new(0), above: Mutex::default() }))
    }
}

impl Registry {
    fn shard(&self, id: u64) -> &Shard {
        &self.shards[usize::try_from(id % SHARDS as u64).unwrap_or(0)]
    }

    /// The same allocation for the same certificates above a leaf.
    fn share(&self, chain: &[CertificateDer<'_>]) -> Arc<[Box<[u8]>]> {
        let same = |held: &Arc<[Box<[u8]>]>| {
            held.len() == chain.len() && held.iter().zip(chain).all(|(a, b)| **a == **b)
        };
        let mut above = lock(&self.above);
        if let Some(held) = above.iter().filter_map(Weak::upgrade).find(same) {
            return held;
        }
        above.retain(|held| held.strong_count() > 0);
        let shared: Arc<[Box<[u8]>]> = chain.iter().map(|der| Box::from(der.as_ref())).collect();
        above.push(Arc::downgrade(&shared));
        shared
    }
}

impl Sessions {
    pub(crate) fn register(
        &self,
        chain: &[CertificateDer<'_>],
        context: &Arc<AuthContext>,
    ) -> SessionHandle {
        let (leaf, above) = match chain.split_first() {
            Some((leaf, above)) => (leaf.as_ref().into(), self.0.share(above)),
            None => (Box::default(), Arc::from([])),
        };
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        let context = Arc::clone(context);
        let session = Arc::new(Session { leaf, above, context, state: Mutex::default() });
        lock(self.0.shard(id)).insert(id, Arc::clone(&session));
        SessionHandle { id, session, registry: Arc::clone(&self.0) }
    }

    pub(crate) fn len(&self) -> usize {
        self.0.shards.iter().map(|shard| lock(shard).len()).sum()
    }

    /// The sessions of one shard; the lock is held for the copying only.
    fn shard(shard: &Shard) -> Vec<Arc<Session>> {
        lock(shard).values().cloned().collect()
    }

    /// Ends what has expired.
    pub(crate) fn expire(&self, now: UnixTime) -> usize {
        let expired = |session: &&Arc<Session>| session.context.not_after < now;
        let mut ended = 0;
        for shard in &self.0.shards {
            let sessions = Self::shard(shard);
            let ends = sessions.iter().filter(expired);
            ended += ends.filter(|session| session.end(SessionEnd::Expired)).count();
        }
        ended
    }

    /// Asks of every session whether it still stands: first of those for which `listed` says that a
    /// CRL has their serial number, of whichever issuer. `recheck` takes a chain and the key that signed its leaf.
    pub(crate) fn recheck(
        &self,
        listed: impl Fn(&[u8]) -> bool,
        recheck: &mut impl FnMut(&[CertificateDer<'_>], &[u8]) -> Result<(), Refusal>,
    ) -> usize {
        let all: Vec<_> = self.0.shards.iter().flat_map(Self::shard).collect();
        let (first, later): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|session| listed(&session.context.serial));
        // Sessions of one certificate and chain share the answer.
        let mut answers: HashMap<(Fingerprint, *const Box<[u8]>), Option<SessionEnd>> =
            HashMap::new();
        let mut ended = 0;
        for session in first.iter().chain(&later) {
            let key = (session.context.fingerprint, session.above.as_ptr());
            let answer = answers.entry(key).or_insert_with(|| Self::judge(session, recheck));
            if let Some(end) = answer {
                ended += usize::from(session.end(end.clone()));
            }
        }
        ended
    }

    /// Why a session must end, if it must.
    fn judge(
        session: &Session,
        recheck: &mut impl FnMut(&[CertificateDer<'_>], &[u8]) -> Result<(), Refusal>,
    ) -> Option<SessionEnd> {
        let leaf = [&session.leaf];
        let chain: Vec<CertificateDer<'_>> = leaf
            .into_iter()
            .chain(session.above.iter())
            .map(|der| CertificateDer::from(&**der))
            .collect();
        let refusal = recheck(&chain, &session.context.issuer_key).err()?;
        match refusal.rule {
            // A list that is missing for a while ends no session: it is refused at the next handshake.
            Rule::RevocationUnknown | Rule::BudgetExceeded => None,
            Rule::Expired => Some(SessionEnd::Expired),
            Rule::Revoked => Some(SessionEnd::Revoked(refusal)),
            _ => Some(SessionEnd::Withdrawn(refusal)),
        }
    }
}

/// A live connection's registration; dropping it ends the registration.
///
/// It is a future of the reason for which the connection must be closed: `select!` on it beside the
/// connection's own work.
#[derive(Debug)]
pub struct SessionHandle {
    id: u64,
    session: Arc<Session>,
    registry: Arc<Registry>,
}

impl SessionHandle {
    /// Why the session was ended, if it was.
    pub fn ended(&self) -> Option<SessionEnd> {
        lock(&self.session.state).end.clone()
    }

    pub(crate) fn recheck(
        &self,
        recheck: &mut impl FnMut(&[CertificateDer<'_>], &[u8]) -> Result<(), Refusal>,
    ) {
        if let Some(end) = Sessions::judge(&self.session, recheck) {
            self.session.end(end);
        }
    }

    /// Who the peer is.
    pub fn context(&self) -> &Arc<AuthContext> {
        &self.session.context
    }
}

impl Future for SessionHandle {
    type Output = SessionEnd;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<SessionEnd> {
        let mut state = lock(&self.session.state);
        match &state.end {
            Some(end) => Poll::Ready(end.clone()),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Drop for SessionHandle {
    fn drop(&mut self) {
        lock(self.registry.shard(self.id)).remove(&self.id);
    }
}
