//! The whole decision: who is this peer?

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use aws_lc_rs::digest;
use rustls_pki_types::CertificateDer;
use rustmq_pki::role::Role;
use rustmq_pki::time::UnixTime;

use crate::cache::{Fingerprint, Refusals, Verdicts};
use crate::certificate::Certificate;
use crate::error::{Label, Refusal, Rule, hex};
use crate::facts::Facts;
use crate::path::{Purpose, ReferenceName, Terms, VerifiedPath};
use crate::principal::{CasAbove, keys_above};
use crate::question::{Known, MAX_CERTIFICATES, NotRevoked, Question};
use crate::revocation::OcspResponse;
use crate::serial::SerialOctets;
use crate::sessions::{SessionHandle, Sessions};
use crate::snapshot::{KeptCrl, Snapshot, Trust, TrustError};

/// Who a peer is, as its certificate proves it.
///
/// In the order of its fields in memory: a look-up of a known peer reads the first two cache lines.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[repr(C)]
pub struct AuthContext {
    /// The SHA-256 of the leaf's DER.
    pub fingerprint: Fingerprint,
    /// From when until when the verdict holds.
    pub(crate) window: (UnixTime, UnixTime),
    /// The number of the snapshot under which it was proven.
    pub snapshot: u64,
    /// The last second of the leaf's validity.
    pub not_after: UnixTime,
    /// The name, by the configured rule.
    pub principal: Box<str>,
    /// The role.
    pub role: Role,
    /// The octets of the serial number, as encoded.
    pub serial: SerialOctets,
    /// The certificates above the leaf, the anchor last; shared by all leaves of one CA.
    pub path: Arc<[Label]>,
    /// Those certificates themselves, shared too.
    pub(crate) above: Arc<Above>,
    /// The last second in which every certificate of the path is valid.
    pub(crate) path_until: UnixTime,
    /// Stands for what the verdict depends on beside the leaf: a server's name and staple.
    pub(crate) beside: Option<Box<Fingerprint>>,
}

/// What lies above the leaves of one CA.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Above {
    /// The certificates between leaf and anchor, DER, the issuer's first.
    pub(crate) certificates: Box<[Box<[u8]>]>,
    /// The SubjectPublicKeyInfo of the issuing CA.
    pub(crate) issuer_key: Box<[u8]>,
}

impl AuthContext {
    /// Whether the verdict holds now, under the snapshot with this number.
    pub(crate) fn holds(&self, snapshot: u64, now: UnixTime) -> bool {
        let (from, until) = self.window;
        self.snapshot == snapshot && from <= now && now <= until
    }

    /// What the peer was asked for: what stands beside a leaf is a server's name.
    pub(crate) const fn purpose(&self) -> Purpose {
        if self.beside.is_some() { Purpose::Server } else { Purpose::Client }
    }

    /// The name of the issuing CA, as RFC 4514.
    pub fn issuer(&self) -> &str {
        self.path.first().map_or("", |label| &label.subject)
    }

    /// The serial number in lower-case hexadecimal.
    pub fn serial_hex(&self) -> String {
        hex(self.serial.strip_prefix(&[0]).unwrap_or(&self.serial))
    }
}

/// Decides who peers are: for a TLS handshake, a QUIC handshake and the command line alike.
///
/// It reads no clock and no network: `now` is an argument, and [`refresh`](Self::refresh) brings
/// anchors, intermediates, CRLs and policy.
#[derive(Debug)]
pub struct AuthenticationManager {
    snapshot: ArcSwap<Snapshot>,
    /// Its number, which is all of it that a known peer needs.
    number: AtomicU64,
    verdicts: Verdicts,
    refusals: Refusals,
    facts: Facts,
    sessions: Sessions,
    /// The upper parts of paths, one for each CA, shared by the contexts of its leaves.
    paths: Mutex<Vec<KnownPath>>,
    /// Held by a refresh, so that snapshots are numbered one after the other.
    refreshing: Mutex<()>,
}

/// The labels of the certificates above a leaf, and those without the anchor themselves.
type SharedPath = (Arc<[Label]>, Arc<Above>);

/// A path above a leaf: what is shared of it, and the anchor, by which it is found again too.
#[derive(Debug)]
struct KnownPath {
    anchor: Box<[u8]>,
    shared: SharedPath,
}

/// The most distinct upper parts of paths that are shared; a fleet has a few dozen.
const MOST_PATHS: usize = 256;

/// What a refresh did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refreshed {
    /// The number of the new snapshot.
    pub snapshot: u64,
    /// CRLs that were kept, because what was offered instead is worse.
    pub kept: Vec<KeptCrl>,
    /// How many sessions were ended.
    pub ended: usize,
}

impl AuthenticationManager {
    /// Makes one that trusts `trust`.
    pub fn new(trust: &Trust, now: UnixTime) -> Result<Self, TrustError> {
        let (snapshot, _) = Snapshot::new(1, trust, None, now)?;
        Ok(Self {
            number: AtomicU64::new(snapshot.number()),
            snapshot: ArcSwap::from_pointee(snapshot),
            verdicts: Verdicts::default(),
            refusals: Refusals::default(),
            facts: Facts::default(),
            sessions: Sessions::default(),
            paths: Mutex::default(),
            refreshing: Mutex::default(),
        })
    }

    /// The snapshot that decisions rest on now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.snapshot.load_full()
    }

    /// Validates the chain that a client sent, the leaf first: its path and its revocation, by the rule
    /// set and the mTLS policy. Nothing is cached.
    pub fn validate_certificate_chain(
        &self,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Refusal> {
        self.prove_certificate_chain(chain, now, |_| ())
    }

    /// [`Self::validate_certificate_chain`], of which `look` sees the proof.
    pub fn prove_certificate_chain<R>(
        &self,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
        look: impl FnOnce(&NotRevoked<'_>) -> R,
    ) -> Result<R, Refusal> {
        let snapshot = self.snapshot.load();
        self.prove(&snapshot, chain, &Peer::CLIENT, now, |proof, _| Ok(look(proof)))
    }

    /// Authenticates the client that sent this chain: its certificate must be one for clients
    /// (id-kp-clientAuth, RFC 5280 4.2.1.12).
    ///
    /// A chain that was proven before, under this snapshot and while what proved it holds, costs a
    /// SHA-256 of the leaf and a look-up. Called after every handshake, also a resumed one: resumption
    /// skips the verifier, and the peer may have been revoked since.
    pub fn authenticate(
        &self,
        chain: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<Arc<AuthContext>, Refusal> {
        let Some(leaf) = chain.first() else { return Err(Rule::EmptyChain.into()) };
        self.authenticate_peer(chain, sha256(leaf), None, &Peer::CLIENT, now)
    }

    /// Authenticates the server that is expected to have the name `name`, and that stapled the OCSP
    /// response `staple` (empty if none). One that cannot be read is as good as none. Its certificate
    /// must be one for servers (id-kp-serverAuth, RFC 5280 4.2.1.12): that of a client is none, whatever
    /// it is called.
    pub fn authenticate_server(
        &self,
        chain: &[CertificateDer<'_>],
        name: &ReferenceName,
        staple: &[u8],
        now: UnixTime,
    ) -> Result<Arc<AuthContext>, Refusal> {
        let Some(leaf) = chain.first() else { return Err(Rule::EmptyChain.into()) };
        let beside = framed_digest([name.to_string().as_bytes(), staple]);
        let staples: Vec<_> = OcspResponse::from_der(staple).into_iter().collect();
        let names = std::slice::from_ref(name);
        let peer = Peer { purpose: Purpose::Server, names, staples: &staples, leaf_key: None };
        self.authenticate_peer(chain, sha256(leaf), Some(&beside), &peer, now)
    }

    /// `beside` stands for everything of the peer that the answer depends on beside the chain.
    fn authenticate_peer(
        &self,
        chain: &[CertificateDer<'_>],
        leaf: Fingerprint,
        beside: Option<&Fingerprint>,
        peer: &Peer<'_>,
        now: UnixTime,
    ) -> Result<Arc<AuthContext>, Refusal> {
        let number = self.number.load(Ordering::Acquire);
        if let Some(context) = self.verdicts.with(&leaf, beside, number, now, Arc::clone) {
            return Ok(context);
        }
        let snapshot = self.snapshot.load();
        let whole = || {
            let beside = beside.map_or(&[][..], |beside| beside);
            let certificates = chain.iter().skip(1).map(AsRef::as_ref);
            framed_digest([beside, &leaf].into_iter().chain(certificates))
        };
        if !self.refusals.is_empty()
            && let Some(refusal) = self.refusals.find(&whole(), snapshot.number(), now)
        {
            return Err(refusal);
        }
        let result = self.decide(&snapshot, chain, (leaf, beside), peer, now);
        if let Err(refusal) = &result {
            self.refusals.insert(whole(), refusal.clone(), snapshot.number(), now);
        }
        result
    }

    /// Shows `look` the peer with this leaf fingerprint, if it was authenticated before and the
    /// verdict holds; touches nothing that another thread writes.
    pub fn with_known<R>(
        &self,
        fingerprint: &Fingerprint,
        now: UnixTime,
        look: impl FnOnce(&AuthContext) -> R,
    ) -> Option<R> {
        let number = self.number.load(Ordering::Acquire);
        self.verdicts.with(fingerprint, None, number, now, |context| look(context))
    }

    /// Proves path and status, then lets `conclude` see the proof.
    fn prove<R>(
        &self,
        snapshot: &Snapshot,
        chain: &[CertificateDer<'_>],
        peer: &Peer<'_>,
        now: UnixTime,
        conclude: impl FnOnce(&NotRevoked<'_>, &Certificate<'_>) -> Result<R, Refusal>,
    ) -> Result<R, Refusal> {
        let Some((leaf, sent)) = chain.split_first() else { return Err(Rule::EmptyChain.into()) };
        if sent.len() > MAX_CERTIFICATES {
            return Err(Rule::TooManyCertificates.into());
        }
        let known = snapshot.intermediates().filter(|der| sent.iter().all(|sent| **sent != **der));
        let untrusted: Vec<&[u8]> = sent.iter().map(AsRef::as_ref).chain(known).collect();
        let anchors = snapshot.anchors();
        let question = Question {
            untrusted: &untrusted,
            names: peer.names,
            ocsp: peer.staples,
            ..Self::question(snapshot, leaf, &anchors, (peer.purpose, now))
        };
        let known = Known { facts: Some(&self.facts), leaf_key: peer.leaf_key, hasty: true };
        let (answer, leaf) = question.ask_with(known);
        let proof = answer.result?;
        // Only a refusal comes without.
        let leaf = leaf.ok_or(Rule::Malformed)?;
        conclude(&proof, &leaf)
    }

    fn question<'q>(
        snapshot: &'q Snapshot,
        leaf: &'q [u8],
        anchors: &'q [&'q [u8]],
        (purpose, now): (Purpose, UnixTime),
    ) -> Question<'q> {
        let policy = snapshot.policy();
        let terms = Terms {
            at: now,
            rules: policy.rules,
            purpose,
            max_depth: policy.max_depth,
            policy: policy.policy.clone(),
        };
        Question {
            crls: snapshot.crls(),
            status: policy.status,
            grace: policy.grace,
            terms,
            mtls: Some(&policy.mtls),
            ..Question::new(leaf, anchors)
        }
    }

    fn decide(
        &self,
        snapshot: &Snapshot,
        chain: &[CertificateDer<'_>],
        (fingerprint, beside): (Fingerprint, Option<&Fingerprint>),
        peer: &Peer<'_>,
        now: UnixTime,
    ) -> Result<Arc<AuthContext>, Refusal> {
        self.prove(snapshot, chain, peer, now, |proof, leaf| {
            let policy = snapshot.policy();
            let at_fault = |refusal: Refusal| refusal.of(leaf);
            let principal = policy.principal.principal_of(leaf);
            let principal = principal.map_err(|error| at_fault(Refusal::from(error)))?;
            let cas = keys_above(proof.path());
            let role = policy.mtls.role_of(leaf, CasAbove::Keys(&cas)).map_err(at_fault)?;
            let (path, above) = self.shared_path(proof.path());
            let context = Arc::new(AuthContext {
                fingerprint,
                beside: beside.copied().map(Box::new),
                window: proof.window(),
                principal: principal.as_str().into(),
                role,
                serial: leaf.view.serial.as_bytes().into(),
                not_after: leaf.view.validity.not_after.at,
                path_until: proof.path().window().1,
                path,
                above,
                snapshot: snapshot.number(),
            });
            self.verdicts.insert(&context, now);
            Ok(context)
        })
    }

    /// The labels of the path above the leaf and its certificates, the same allocations for the same
    /// CA.
    fn shared_path(&self, path: &VerifiedPath<'_>) -> SharedPath {
        let above = || path.certificates().iter().skip(1);
        let same = |held: &&KnownPath| {
            let certificates = held.shared.1.certificates.iter().map(AsRef::as_ref);
            *held.anchor == *path.anchor().der && certificates.eq(above().map(|view| view.der))
        };
        let mut paths = self.paths.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = paths.iter().find(same) {
            return held.shared.clone();
        }
        if paths.len() >= MOST_PATHS {
            paths.clear();
        }
        let labels: Vec<Label> = above().chain([path.anchor()]).map(Label::of).collect();
        let above = Above {
            certificates: above().map(|view| view.der.into()).collect(),
            issuer_key: path.certificates().get(1).unwrap_or(path.anchor()).spki.der.into(),
        };
        let shared: SharedPath = (labels.into(), Arc::new(above));
        paths.push(KnownPath { anchor: path.anchor().der.into(), shared: shared.clone() });
        shared
    }

    /// Takes new trust. Readers go on with the old snapshot until the new one is whole; then every
    /// session is asked whether it still stands.
    pub fn refresh(&self, trust: &Trust, now: UnixTime) -> Result<Refreshed, TrustError> {
        let _one_at_a_time = self.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        let earlier = self.snapshot.load_full();
        let number = earlier.number() + 1;
        let (snapshot, kept) = Snapshot::new(number, trust, Some(&earlier), now)?;
        self.snapshot.store(Arc::new(snapshot));
        self.number.store(number, Ordering::Release);
        let ended = self.recheck_sessions(now);
        self.verdicts.sweep(number, now);
        Ok(Refreshed { snapshot: number, kept, ended })
    }

    /// Ends the sessions on whose path a certificate has expired, and forgets verdicts that no longer hold.
    /// Returns how many sessions were ended. To be called about once a second.
    pub fn tick(&self, now: UnixTime) -> usize {
        let number = self.number.load(Ordering::Acquire);
        self.verdicts.sweep(number, now);
        self.refusals.sweep(number, now);
        self.sessions.expire(now)
    }

    /// Registers a live connection of the peer that sent this chain and was authenticated as `context`.
    /// The handle is told when the certificate or one above it expires, is revoked or its CA is withdrawn.
    ///
    /// The session rests on the path that was proven: what else the peer sent is not kept, and where
    /// another path would hold for longer, the peer may connect anew.
    pub fn register(
        &self,
        chain: &[CertificateDer<'_>],
        context: &Arc<AuthContext>,
        now: UnixTime,
    ) -> SessionHandle {
        let snapshot = self.snapshot.load();
        let known = |der: &[u8]| snapshot.intermediates().any(|known| known == der);
        let handle = self.sessions.register(chain, context, known);
        // A refresh between the authentication and this line did not see the session; one after it does.
        if self.snapshot.load().number() != context.snapshot {
            self.recheck_session(&handle, now);
        }
        handle
    }

    /// How many sessions are registered.
    pub fn live_sessions(&self) -> usize {
        self.sessions.len()
    }

    fn recheck_sessions(&self, now: UnixTime) -> usize {
        let snapshot = self.snapshot.load_full();
        // First those whose serial number a list holds: they are to be told at once.
        let listed = |serial: &[u8]| snapshot.crls().iter().any(|crl| crl.lists(serial));
        self.sessions.recheck(listed, &mut |chain, was| self.stands(&snapshot, chain, was, now))
    }

    fn recheck_session(&self, handle: &SessionHandle, now: UnixTime) {
        let snapshot = self.snapshot.load_full();
        handle.recheck(&mut |chain, was| self.stands(&snapshot, chain, was, now));
    }

    /// Whether a chain of which this was proven would still be accepted; the signature on its leaf is
    /// known.
    fn stands(
        &self,
        snapshot: &Snapshot,
        chain: &[CertificateDer<'_>],
        was: &AuthContext,
        now: UnixTime,
    ) -> Result<(), Refusal> {
        let leaf_key = Some(&*was.above.issuer_key);
        let peer = Peer { purpose: was.purpose(), leaf_key, ..Peer::CLIENT };
        self.prove(snapshot, chain, &peer, now, |_, _| Ok(()))
    }
}

/// What is known of a peer beside its chain.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer<'p> {
    /// What it uses its certificate for.
    pub(crate) purpose: Purpose,
    /// The names that it must have.
    pub(crate) names: &'p [ReferenceName],
    /// The OCSP responses that it stapled.
    pub(crate) staples: &'p [OcspResponse],
    /// The key under which its leaf's signature was verified before.
    pub(crate) leaf_key: Option<&'p [u8]>,
}

impl Peer<'_> {
    /// A client of which nothing else is known.
    const CLIENT: Self =
        Self { purpose: Purpose::Client, names: &[], staples: &[], leaf_key: None };
}

/// The SHA-256 of some bytes.
pub(crate) fn sha256(bytes: &[u8]) -> Fingerprint {
    let mut fingerprint = Fingerprint::default();
    fingerprint.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    fingerprint
}

/// The SHA-256 of several values, each framed by its length, so that no two lists look alike.
fn framed_digest<'d>(values: impl IntoIterator<Item = &'d [u8]>) -> Fingerprint {
    let mut context = digest::Context::new(&digest::SHA256);
    for value in values {
        context.update(&(value.len() as u64).to_be_bytes());
        context.update(value);
    }
    let mut fingerprint = Fingerprint::default();
    fingerprint.copy_from_slice(context.finish().as_ref());
    fingerprint
}
