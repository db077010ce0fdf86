//! What a decision rests on, as one immutable, numbered value.

use rustmq_pki::read::{CertificateRef, ReadError, SpkiRef};
use rustmq_pki::time::UnixTime;

use crate::certificate::Certificate;
use crate::mtls::MtlsPolicy;
use crate::path::{PolicyInputs, RuleSet};
use crate::principal::{CaKey, ExtensionTrust, PrincipalMapping, PrincipalRule};
use crate::revocation::{Crl, CrlError, StatusPolicy, number_order};
use crate::signature::Dsa;

/// The rules of an [`AuthenticationManager`](crate::AuthenticationManager). What a certificate must be
/// for is none of them: who connects is a client, and whom one connects to a server.
#[derive(Clone, Debug)]
pub struct AuthPolicy {
    /// The rule set; `pkix` unless the hierarchy is one's own.
    pub rules: RuleSet,
    /// What mutual TLS asks for beside.
    pub mtls: MtlsPolicy,
    /// The most intermediates that are not self-issued; none: 32 in all.
    pub max_depth: Option<usize>,
    /// The inputs of policy processing.
    pub policy: PolicyInputs,
    /// Whether an unknown revocation status refuses.
    pub status: StatusPolicy,
    /// For how many seconds after nextUpdate a CRL still counts.
    pub grace: i64,
    /// Which name is the principal.
    pub principal: PrincipalMapping,
}

impl Default for AuthPolicy {
    /// `pkix` and the mTLS policy, status required, no grace, the common name.
    fn default() -> Self {
        Self {
            rules: RuleSet::Pkix,
            mtls: MtlsPolicy::default(),
            max_depth: None,
            policy: PolicyInputs::default(),
            status: StatusPolicy::Required,
            grace: 0,
            principal: PrincipalMapping::new(PrincipalRule::CommonName).strict(),
        }
    }
}

/// What trust is made of: certificates and lists as DER, and the policy.
#[derive(Clone, Debug, Default)]
pub struct Trust {
    /// The roots of one's own authorities: what certificates below them say of their role is believed.
    /// An intermediate is no anchor: it would outlive its own revocation.
    pub anchors: Vec<Vec<u8>>,
    /// The roots of other authorities, of the enterprise perhaps. Their certificates have a role only by
    /// a rule of the policy, whatever they say of themselves.
    pub other_anchors: Vec<Vec<u8>>,
    /// Intermediates that peers need not send.
    pub intermediates: Vec<Vec<u8>>,
    /// Revocation lists.
    pub crls: Vec<Vec<u8>>,
    /// The rules.
    pub policy: AuthPolicy,
}

impl Trust {
    /// The rules, in which "every issuer" is every one below one's own anchors.
    fn effective_policy(&self) -> AuthPolicy {
        let mut policy = self.policy.clone();
        let believed = &mut policy.mtls.roles.extension;
        if !self.other_anchors.is_empty() && *believed == ExtensionTrust::EveryIssuer {
            let keys = self.anchors.iter().filter_map(|der| CaKey::of_certificate(der).ok());
            *believed = ExtensionTrust::Below(keys.collect());
        }
        policy
    }
}

/// Trust that cannot be used; nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrustError {
    /// There is no anchor.
    #[error("no trust anchor is given: give at least one root certificate")]
    NoAnchor,
    /// An anchor or intermediate cannot be read.
    #[error("certificate {index} of the {list} cannot be read: {source}")]
    Malformed {
        /// `anchors`, `other anchors` or `intermediates`.
        list: &'static str,
        /// Where in the list.
        index: usize,
        /// What is wrong.
        source: ReadError,
    },
    /// An anchor is not self-issued, or an anchor or intermediate is no CA.
    #[error("certificate {index} of the {list}, {subject}, is not {wanted}")]
    Kind {
        /// `anchors`, `other anchors` or `intermediates`.
        list: &'static str,
        /// Where in the list.
        index: usize,
        /// Its subject.
        subject: String,
        /// What belongs there.
        wanted: &'static str,
    },
    /// A CRL cannot be read.
    #[error("CRL {index} cannot be used: {source}")]
    Crl {
        /// Where in the list.
        index: usize,
        /// What is wrong.
        source: CrlError,
    },
}

/// Anchors, intermediates, CRLs and policy under one number.
#[derive(Debug)]
pub struct Snapshot {
    number: u64,
    anchors: Vec<Box<[u8]>>,
    intermediates: Vec<Box<[u8]>>,
    crls: Vec<Crl>,
    policy: AuthPolicy,
}

/// A CRL of a new trust that was not taken, because the one that is held is better.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptCrl {
    /// The issuer, as RFC 4514.
    pub issuer: String,
    /// Why the new one was not taken.
    pub reason: KeptReason,
}

/// Why a CRL was not replaced.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptReason {
    /// The new one has a lower number; of those with the same or with none, it is the older.
    LowerNumber,
    /// The new one's signature verifies under no known CA.
    Signature,
    /// The new one is absent, expired or from the future.
    NotCurrent,
    /// The new one is a delta to a complete list that is not there.
    BaseMissing,
}

impl Snapshot {
    /// The number: each refresh has a higher one.
    pub const fn number(&self) -> u64 {
        self.number
    }

    /// The rules.
    pub const fn policy(&self) -> &AuthPolicy {
        &self.policy
    }

    /// The revocation lists.
    pub fn crls(&self) -> &[Crl] {
        &self.crls
    }

    pub(crate) fn anchors(&self) -> Vec<&[u8]> {
        self.anchors.iter().map(AsRef::as_ref).collect()
    }

    pub(crate) fn intermediates(&self) -> impl Iterator<Item = &[u8]> {
        self.intermediates.iter().map(AsRef::as_ref)
    }

    /// Makes a snapshot; CRLs of `earlier` that are better than their successors are kept.
    pub(crate) fn new(
        number: u64,
        trust: &Trust,
        earlier: Option<&Self>,
        now: UnixTime,
    ) -> Result<(Self, Vec<KeptCrl>), TrustError> {
        if trust.anchors.is_empty() && trust.other_anchors.is_empty() {
            return Err(TrustError::NoAnchor);
        }
        for (index, der) in trust.anchors.iter().enumerate() {
            check_ca("anchors", index, der)?;
        }
        for (index, der) in trust.other_anchors.iter().enumerate() {
            check_ca("other anchors", index, der)?;
        }
        for (index, der) in trust.intermediates.iter().enumerate() {
            check_ca("intermediates", index, der)?;
        }
        let mut snapshot = Self {
            number,
            anchors: trust
                .anchors
                .iter()
                .chain(&trust.other_anchors)
                .map(|der| der.as_slice().into())
                .collect(),
            intermediates: trust.intermediates.iter().map(|der| der.as_slice().into()).collect(),
            crls: Vec::new(),
            policy: trust.effective_policy(),
        };
        let mut crls = Vec::new();
        for (index, der) in trust.crls.iter().enumerate() {
            let crl = Crl::from_der(der).map_err(|source| TrustError::Crl { index, source })?;
            snapshot.verify(&crl);
            crls.push(crl);
        }
        let kept = snapshot.take_crls(crls, earlier.map_or(&[], |earlier| &earlier.crls), now);
        Ok((snapshot, kept))
    }

    /// Verifies a CRL under the CAs that are known, so that no question has to.
    fn verify(&self, crl: &Crl) {
        let known = self.anchors.iter().chain(&self.intermediates);
        for certificate in known.filter_map(|der| CertificateRef::read(der).ok()) {
            if crl.is_by(&certificate.subject) && crl.verify(&certificate.spki, Dsa::Refused, None)
            {
                crl.settle(&certificate.spki);
                return;
            }
        }
    }

    /// Takes new CRLs; for each scope the number only rises, and a usable list is never replaced by
    /// an unusable one or by none. What is held goes at its nextUpdate at the latest; a delta, which
    /// goes on to revoke beside an older complete list, when a later list has taken its place.
    fn take_crls(&mut self, new: Vec<Crl>, held: &[Crl], now: UnixTime) -> Vec<KeptCrl> {
        let mut kept = Vec::new();
        let fresh = new.len();
        self.crls = new;
        let (deltas, complete): (Vec<_>, Vec<_>) =
            held.iter().partition(|old| old.delta_base().is_some());
        for old in complete.into_iter().chain(deltas) {
            if !is_current(old, now) && !self.goes_on_revoking(old) {
                continue;
            }
            let successors = self.crls[..fresh].iter().enumerate();
            let successor = successors
                .filter(|(_, crl)| same_scope(crl, old))
                .max_by(|(_, a), (_, b)| a.by_age(b))
                .map(|(at, _)| at);
            let reason = match successor {
                None => Some(KeptReason::NotCurrent),
                Some(at) => self.why_keep(old, &self.crls[at], now),
            };
            let Some(reason) = reason else { continue };
            kept.push(KeptCrl { issuer: old.issuer(), reason });
            match successor {
                Some(at) if !self.stays_beside(&self.crls[at], old, reason) => {
                    self.crls[at] = old.clone();
                }
                Some(_) if reason == KeptReason::Signature => {
                    let held = |crl: &Crl| crl.is_of_series(old) && crl.by_age(old).is_ge();
                    if !self.crls.iter().any(held) {
                        self.crls.push(old.clone());
                    }
                }
                _ => self.crls.push(old.clone()),
            }
        }
        kept
    }

    /// Whether an expired delta has revocations that no later list of the new ones may lack.
    fn goes_on_revoking(&self, old: &Crl) -> bool {
        let is_later = |crl: &Crl| old.is_outdated_by(crl);
        old.delta_base().is_some() && !self.crls.iter().any(is_later)
    }

    /// Why a held list is not simply replaced by its successor.
    fn why_keep(&self, old: &Crl, new: &Crl, now: UnixTime) -> Option<KeptReason> {
        let reason = why_keep(old, new, now);
        let lost = || self.has_base_of(old) && !self.has_base_of(new);
        reason.or_else(|| lost().then_some(KeptReason::BaseMissing))
    }

    /// Whether there is a complete list that a delta can be taken with; a complete list needs none.
    fn has_base_of(&self, crl: &Crl) -> bool {
        let Some(needed) = crl.delta_base() else { return true };
        self.crls.iter().any(|base| {
            base.delta_base().is_none()
                && base.has_scope_of(crl)
                && base.number().is_some_and(|number| number_order(needed, number).is_le())
        })
    }

    /// Whether a new list stays although the old one is kept.
    fn stays_beside(&self, new: &Crl, old: &Crl, reason: KeptReason) -> bool {
        match reason {
            // It may know of revocations that the old one does not.
            KeptReason::LowerNumber => new.is_unnumbered_after(old),
            KeptReason::NotCurrent => new.by_age(old).is_gt(),
            // Its key may be one that peers will send a certificate for: it is asked first, and the
            // old one answers as long as nothing vouches for it.
            KeptReason::Signature | KeptReason::BaseMissing => true,
        }
    }

    /// CRLs that have passed half of their lifetime: it is time to fetch their successors.
    pub fn crls_to_renew(&self, now: UnixTime) -> Vec<CrlAlarm> {
        self.crls.iter().filter_map(|crl| CrlAlarm::of(crl, now)).collect()
    }
}

/// A CRL that has passed half of its lifetime.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrlAlarm {
    /// The issuer, as RFC 4514.
    pub issuer: String,
    /// When the successor is due; what has passed is expired.
    pub next_update: UnixTime,
}

impl CrlAlarm {
    fn of(crl: &Crl, now: UnixTime) -> Option<Self> {
        let (from, until) = (crl.this_update(), crl.next_update()?);
        let half = from.plus_seconds(until.seconds().saturating_sub(from.seconds()) / 2);
        (now >= half).then(|| Self { issuer: crl.issuer(), next_update: until })
    }
}

fn why_keep(old: &Crl, new: &Crl, now: UnixTime) -> Option<KeptReason> {
    let keys = old.verified_keys();
    let mut keys = keys.iter().filter_map(|key| SpkiRef::from_der(key).ok()).peekable();
    if keys.peek().is_some() && !new.is_verified() {
        let Some(key) = keys.find(|key| new.verify(key, Dsa::Refused, None)) else {
            return Some(KeptReason::Signature);
        };
        if old.is_settled() {
            new.settle(&key);
        }
    }
    if !is_current(new, now) {
        return Some(KeptReason::NotCurrent);
    }
    new.by_age(old).is_lt().then_some(KeptReason::LowerNumber)
}

fn is_current(crl: &Crl, now: UnixTime) -> bool {
    crl.this_update() <= now && crl.next_update().is_some_and(|next| now <= next)
}

/// The same issuer, distribution point and kind, and the same key where both name theirs.
fn same_scope(crl: &Crl, old: &Crl) -> bool {
    crl.has_scope_of(old)
        && crl.delta_base().is_some() == old.delta_base().is_some()
        && (!crl.is_verified() || !old.is_verified() || crl.has_key_of(old))
}

fn check_ca(list: &'static str, index: usize, der: &[u8]) -> Result<(), TrustError> {
    let malformed = |source| TrustError::Malformed { list, index, source };
    let view = CertificateRef::read(der).map_err(malformed)?;
    let known = view.extensions.known().map_err(malformed)?;
    let certificate = Certificate::new(view, known);
    // A version 1 root has no extension that could make it a CA; its own name in both places must do.
    let is_root = certificate.is_self_issued();
    let old = certificate.view.extensions.is_empty() && is_root;
    let wanted = match list {
        "anchors" | "other anchors" if !is_root => Some("a self-issued root"),
        _ if !certificate.known.is_ca() && !old => Some("a CA"),
        _ => None,
    };
    let subject = certificate.view.subject.to_string();
    wanted.map_or(Ok(()), |wanted| Err(TrustError::Kind { list, index, subject, wanted }))
}
