//! Live connections and the certificates that they rest on.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

use rustls_pki_types::CertificateDer;
use rustmq_pki::time::UnixTime;

use crate::authentication::{Above, AuthContext};
use crate::cache::Fingerprint;
use crate::error::{Refusal, Rule};
use crate::path::Purpose;

/// Why a session was ended.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SessionEnd {
    /// Its certificate, or one above it, expired.
    #[error("the certificate of the session, or one above it, has expired")]
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
    leaf: Box<[u8]>,
    /// Whose path the session rests on.
    context: Arc<AuthContext>,
    /// Which certificates of that path the peer brings along, by their place: the others it owes to a
    /// snapshot, and stands without them when the next one lacks them.
    brought: u64,
    state: Mutex<State>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Session {
    /// Whether the certificate of the path at this place above the leaf comes with the peer. A path has
    /// 32 of them at most.
    const fn brings(&self, place: usize) -> bool {
        self.brought & 1 << (place % 64) != 0
    }

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

type Shard = Mutex<HashMap<u64, Arc<Session>>>;

#[derive(Debug)]
struct Registry {
    shards: Box<[Shard]>,
    next: AtomicU64,
}

/// All live connections.
#[derive(Clone, Debug)]
pub(crate) struct Sessions(Arc<Registry>);

impl Default for Sessions {
    fn default() -> Self {
        let shards = (0..SHARDS).map(|_| Shard::default()).collect();
        Self(Arc::new(Registry { shards, next: AtomicU64::new(0) }))
    }
}

impl Registry {
    fn shard(&self, id: u64) -> &Shard {
        &self.shards[usize::try_from(id % SHARDS as u64).unwrap_or(0)]
    }
}

impl Sessions {
    /// `known` says which certificates the snapshot has.
    pub(crate) fn register(
        &self,
        chain: &[CertificateDer<'_>],
        context: &Arc<AuthContext>,
        known: impl Fn(&[u8]) -> bool,
    ) -> SessionHandle {
        let leaf = chain.first().map_or(Box::default(), |leaf| leaf.as_ref().into());
        // A verdict may rest on what another connection of the same peer sent.
        let brings = |der: &[u8]| chain.iter().skip(1).any(|sent| **sent == *der) || !known(der);
        let places = context.above.certificates.iter().enumerate();
        let brought = places
            .filter(|(_, der)| brings(der))
            .fold(0, |brought, (place, _)| brought | 1 << (place % 64));
        let id = self.0.next.fetch_add(1, Ordering::Relaxed);
        let context = Arc::clone(context);
        let session = Arc::new(Session { leaf, context, brought, state: Mutex::default() });
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
        let expired = |session: &&Arc<Session>| session.context.path_until < now;
        let mut ended = 0;
        for shard in &self.0.shards {
            let sessions = Self::shard(shard);
            let ends = sessions.iter().filter(expired);
            ended += ends.filter(|session| session.end(SessionEnd::Expired)).count();
        }
        ended
    }

    /// Asks of every session whether it still stands: first of those for which `listed` says that a
    /// CRL has their serial number, of whichever issuer. `recheck` takes a chain and what was proven of it.
    pub(crate) fn recheck(
        &self,
        listed: impl Fn(&[u8]) -> bool,
        recheck: &mut impl FnMut(&[CertificateDer<'_>], &AuthContext) -> Result<(), Refusal>,
    ) -> usize {
        let all: Vec<_> = self.0.shards.iter().flat_map(Self::shard).collect();
        let (first, later): (Vec<_>, Vec<_>) =
            all.into_iter().partition(|session| listed(&session.context.serial));
        // Sessions of one certificate, path and side share the answer.
        let mut answers: HashMap<(Fingerprint, *const Above, u64, Purpose), Option<SessionEnd>> =
            HashMap::new();
        let mut ended = 0;
        for session in first.iter().chain(&later) {
            let above = Arc::as_ptr(&session.context.above);
            let context = &session.context;
            let key = (context.fingerprint, above, session.brought, context.purpose());
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
        recheck: &mut impl FnMut(&[CertificateDer<'_>], &AuthContext) -> Result<(), Refusal>,
    ) -> Option<SessionEnd> {
        let above = &session.context.above;
        let brought = above.certificates.iter().enumerate();
        let brought = brought.filter(|(place, _)| session.brings(*place)).map(|(_, der)| der);
        let chain: Vec<CertificateDer<'_>> =
            [&session.leaf].into_iter().chain(brought).map(|der| (&**der).into()).collect();
        let refusal = recheck(&chain, &session.context).err()?;
        match refusal.rule {
            // A list that is missing for a while ends no session: it is refused at the next handshake.
            Rule::RevocationUnknown => None,
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
        recheck: &mut impl FnMut(&[CertificateDer<'_>], &AuthContext) -> Result<(), Refusal>,
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

#[cfg(test)]
mod tests {
    use super::*;

    /// A peer below one intermediate.
    fn context() -> Arc<AuthContext> {
        let above = Above { certificates: Box::new([b"CA"[..].into()]), ..Above::default() };
        Arc::new(AuthContext {
            fingerprint: [7; 32],
            window: (UnixTime::MIN, UnixTime::MAX),
            snapshot: 1,
            not_after: UnixTime::MAX,
            principal: "app".into(),
            role: rustmq_pki::role::Role::Client,
            serial: [1_u8][..].into(),
            path: Arc::new([]),
            above: Arc::new(above),
            path_until: UnixTime::MAX,
            beside: None,
        })
    }

    /// The chain that is asked about for a session whose peer sent this one.
    fn kept(sent: &[&'static [u8]], known: &[&[u8]]) -> Vec<Vec<u8>> {
        let chain: Vec<_> = sent.iter().map(|der| CertificateDer::from(*der)).collect();
        let sessions = Sessions::default();
        let handle = sessions.register(&chain, &context(), |der| known.contains(&der));
        let mut kept = Vec::new();
        handle.recheck(&mut |chain, _| {
            kept = chain.iter().map(|der| der.to_vec()).collect();
            Ok(())
        });
        kept
    }

    #[test]
    fn a_session_keeps_the_path_and_nothing_else_of_what_was_sent() {
        assert_eq!(kept(&[b"leaf", b"junk", b"CA", b"more"], &[]), [&b"leaf"[..], b"CA"]);
        assert_eq!(kept(&[b"leaf", b"junk"], &[]), [&b"leaf"[..], b"CA"], "proven before");
    }

    #[test]
    fn what_the_snapshot_gave_is_asked_of_the_next_one() {
        assert_eq!(kept(&[b"leaf"], &[b"CA"]), [&b"leaf"[..]]);
        assert_eq!(kept(&[b"leaf", b"CA"], &[b"CA"]), [&b"leaf"[..], b"CA"]);
    }
}
