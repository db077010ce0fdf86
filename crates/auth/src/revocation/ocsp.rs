//! OCSP responses, given by the caller or stapled by the peer (RFC 6960, RFC 9654).

use aws_lc_rs::digest;
use rustmq_pki::oid;
use rustmq_pki::read::{
    CertStatus, KeyUsage, OcspRef, ReadError, ResponderId, RevocationReason, SingleResponse,
    SpkiRef,
};
use rustmq_pki::time::UnixTime;

use super::Unusable;
use super::check::{Status, Subject};
use crate::budget::Work;
use crate::certificate::Certificate;
use crate::error::{Detail, Refusal, Rule};
use crate::mtls::MtlsPolicy;
use crate::path::names::{same_name, weight};
use crate::path::search::Search;
use crate::signature::{self, Dsa};

/// An OCSP response that was read; its signature is verified when it is used.
#[derive(Clone, Debug)]
pub struct OcspResponse {
    der: Box<[u8]>,
}

impl OcspResponse {
    /// Reads an OCSPResponse, DER.
    pub fn from_der(der: &[u8]) -> Result<Self, ReadError> {
        OcspRef::read(der)?;
        Ok(Self { der: Box::from(der) })
    }

    /// The response as it was given.
    pub fn der(&self) -> &[u8] {
        &self.der
    }
}

/// The SubjectPublicKeyInfo of a responder.
type ResponderKey = Box<[u8]>;

/// A responder's key and what it says.
type Answers<'r> = (ResponderKey, Vec<SingleResponse<'r>>);

impl<'a> Search<'_, 'a> {
    /// Whether an OCSP response says that the certificate is good; revoked refuses it, and whatever
    /// else a response says leaves the question open. Of one responder the newest response counts, as
    /// it may take back a hold; of several responders the one that says revoked.
    pub(super) fn ocsp_says_good(
        &mut self,
        subject: &Subject<'_>,
        status: &mut Status<'_>,
    ) -> Result<bool, Refusal> {
        let mut newest: Vec<(ResponderKey, SingleResponse<'_>)> = Vec::new();
        for response in self.revocation.ocsp {
            let Ok(view) = OcspRef::read(&response.der) else { continue };
            let Some((key, answers)) = self.usable(subject, &view, status)? else { continue };
            for single in answers {
                let rank =
                    |single: &SingleResponse<'_>| (single.this_update, gravity(&single.status));
                match newest.iter_mut().find(|(held, _)| *held == key) {
                    Some((_, held)) if rank(held) < rank(&single) => *held = single,
                    Some(_) => {}
                    None => newest.push((key.clone(), single)),
                }
            }
        }
        newest.sort_by_key(|(_, single)| std::cmp::Reverse(gravity(&single.status)));
        let mut good = false;
        for (_, single) in newest {
            match single.status {
                CertStatus::Good => {
                    self.rests_on(single.this_update, single.next_update);
                    good = true;
                }
                CertStatus::Revoked { reason, .. } => {
                    let reason = reason.unwrap_or(RevocationReason::Unspecified);
                    if self.has_expired(&single) {
                        let latest = status.was_revoked.map_or(UnixTime::MIN, |(at, _)| at);
                        status.was_revoked = Some((latest.max(single.this_update), reason));
                        continue;
                    }
                    return Err(Refusal::new(Rule::Revoked, Detail::Revocation(reason)));
                }
                CertStatus::Unknown => status.nearest = Unusable::UnknownToResponder,
            }
        }
        Ok(good)
    }

    /// The responder's key, and the single responses about the certificate that may be used: its serial
    /// number, the hashes of its issuer, the dates, and a responder that may answer.
    fn usable<'r>(
        &mut self,
        subject: &Subject<'_>,
        view: &OcspRef<'r>,
        status: &mut Status<'_>,
    ) -> Result<Option<Answers<'r>>, Refusal> {
        let (_, key, _) = self.issuer_of(subject);
        let certificate = &subject.certificate.view;
        let mut issuer = IssuerHashes::of(certificate.issuer.der, key.key);
        let mut usable = Vec::new();
        for single in view.responses {
            self.budget.spend(Work::Names, 1)?;
            let same = single.serial == certificate.serial && issuer.are_in(&single);
            if !same {
                continue;
            }
            match self.check_response(view, &single) {
                Ok(()) => usable.push(single),
                Err(unusable) => status.nearest = unusable,
            }
        }
        if usable.is_empty() {
            return Ok(None);
        }
        match self.check_responder(subject, view)? {
            Ok(key) => {
                let weak = SpkiRef::from_der(&key).map_or(true, |key| is_weak(&key));
                if self.mtls.is_some() && weak {
                    // It does not vouch for a peer, but what it revokes is revoked.
                    usable.retain(|single| matches!(single.status, CertStatus::Revoked { .. }));
                }
                Ok(Some((key, usable)))
            }
            Err(unusable) => {
                status.nearest = unusable;
                Ok(None)
            }
        }
    }

    fn check_response(
        &mut self,
        view: &OcspRef<'_>,
        single: &SingleResponse<'_>,
    ) -> Result<(), Unusable> {
        let now = self.terms.at;
        if single.this_update > now {
            self.holds_before(single.this_update);
            return Err(Unusable::NotYetValid(single.this_update));
        }
        if view.produced_at > now {
            self.holds_before(view.produced_at);
            return Err(Unusable::NotYetProduced(view.produced_at));
        }
        // Without it newer information is there at any time (RFC 6960 2.4), which cannot make good
        // what was revoked.
        let revoked = matches!(single.status, CertStatus::Revoked { .. });
        let stated = single.next_update.or(revoked.then_some(UnixTime::MAX));
        let next_update = stated.ok_or(Unusable::NoNextUpdate)?;
        if self.has_expired(single) && !revoked {
            return Err(Unusable::Expired(next_update));
        }
        let unknown = |e: rustmq_pki::read::Extension<'_>| e.critical && e.oid != oid::OCSP_NONCE;
        if single.has_critical_extension || view.extensions.iter().any(unknown) {
            return Err(Unusable::UnknownCriticalExtension);
        }
        if self.revocation.nonce.is_some_and(|nonce| !repeats(view, nonce)) {
            return Err(Unusable::Nonce);
        }
        self.grace_used |= next_update < now && !self.has_expired(single);
        Ok(())
    }

    /// Whether the time until which a response holds has passed, with the grace period.
    fn has_expired(&self, single: &SingleResponse<'_>) -> bool {
        let until = |next: UnixTime| next.plus_seconds(self.revocation.grace);
        single.next_update.is_some_and(|next| until(next) < self.terms.at)
    }

    /// The key of the responder, which by RFC 6960 4.2.2.2 is the CA itself, or one to which the same CA
    /// issued a certificate with id-kp-OCSPSigning.
    fn check_responder(
        &mut self,
        subject: &Subject<'_>,
        view: &OcspRef<'_>,
    ) -> Result<Result<ResponderKey, Unusable>, Refusal> {
        let (name, key, _) = self.issuer_of(subject);
        let by_issuer = match view.responder {
            ResponderId::Name(responder) => same_name(&responder, &name),
            ResponderId::KeyHash(hash) => is_key_hash(&key, hash),
        };
        if by_issuer && self.signs(view, &key)? {
            return Ok(Ok(key.der.into()));
        }
        for responder in view.certificates() {
            let by_name = match view.responder {
                ResponderId::Name(name) => weight(&name) + weight(&responder.subject),
                ResponderId::KeyHash(_) => 0,
            };
            self.budget.spend(Work::Names, 1 + by_name + weight(&responder.issuer))?;
            let Ok(known) = responder.extensions.known() else { continue };
            let responder = Certificate::new(responder, known);
            let named = match view.responder {
                ResponderId::Name(name) => same_name(&name, &responder.view.subject),
                ResponderId::KeyHash(hash) => is_key_hash(&responder.view.spki, hash),
            };
            if named
                && self.is_delegate(subject, &responder)?
                && self.signs(view, &responder.view.spki)?
            {
                let status = self.check_delegate_status(subject, &responder)?;
                return Ok(status.map(|()| responder.view.spki.der.into()));
            }
        }
        Ok(Err(Unusable::Signature))
    }

    fn signs(&mut self, view: &OcspRef<'_>, key: &SpkiRef<'_>) -> Result<bool, Refusal> {
        self.budget.spend(Work::Signatures, signature::cost(key))?;
        let algorithm = &view.signature_algorithm;
        Ok(signature::verify(algorithm, key, view.tbs, view.signature, Dsa::Refused, None).is_ok())
    }

    /// Whether the CA of the certificate in question issued this one, directly, for OCSP.
    fn is_delegate(
        &mut self,
        subject: &Subject<'_>,
        responder: &Certificate<'_>,
    ) -> Result<bool, Refusal> {
        let view = &responder.view;
        let (name, key, _) = self.issuer_of(subject);
        let purpose = responder
            .known
            .extended_key_usage
            .is_some_and(|usage| usage.value.iter().any(|purpose| purpose == oid::OCSP_SIGNING));
        let usage = responder
            .known
            .key_usage
            .is_none_or(|usage| usage.value.contains(KeyUsage::DIGITAL_SIGNATURE));
        let plain = responder.known.unknown_critical.is_none()
            && view.signature_algorithm == view.tbs_signature_algorithm
            && view.validity.contains(self.terms.at);
        if !purpose || !usage || !plain || !same_name(&view.issuer, &name) {
            return Ok(false);
        }
        self.budget.spend(Work::Signatures, signature::cost(&key))?;
        let algorithm = &view.signature_algorithm;
        let signature = view.signature;
        Ok(signature::verify(algorithm, &key, view.tbs, signature, Dsa::Refused, None).is_ok())
    }

    /// RFC 6960 4.2.2.2.1: id-pkix-ocsp-nocheck, or a CRL that says that the responder is good.
    fn check_delegate_status(
        &mut self,
        subject: &Subject<'_>,
        responder: &Certificate<'_>,
    ) -> Result<Result<(), Unusable>, Refusal> {
        let validity = responder.view.validity;
        self.holds_within(validity.not_before.at, validity.not_after.at);
        if responder.known.ocsp_no_check.is_some() {
            return Ok(Ok(()));
        }
        let asked = Subject { certificate: responder, path: subject.path, at: subject.at };
        match self.status_by_crl(&asked, &mut Status::open()) {
            Ok(()) => Ok(Ok(())),
            Err(refusal) if refusal.rule == Rule::BudgetExceeded => Err(refusal),
            Err(_) => Ok(Err(Unusable::Signature)),
        }
    }
}

fn is_weak(key: &SpkiRef<'_>) -> bool {
    MtlsPolicy::check_key(key).is_err()
}

/// Of two answers of one moment the graver counts.
const fn gravity(status: &CertStatus) -> u8 {
    match status {
        CertStatus::Good => 0,
        CertStatus::Unknown => 1,
        CertStatus::Revoked { .. } => 2,
    }
}

/// The nonce is an OCTET STRING within the extension's value.
fn repeats(view: &OcspRef<'_>, nonce: &[u8]) -> bool {
    let value = view.nonce().map(rustmq_pki::der::Reader::new);
    value.is_some_and(|mut reader| reader.octet_string().is_ok_and(|found| found == nonce))
}

fn is_key_hash(key: &SpkiRef<'_>, hash: &[u8]) -> bool {
    digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, key.key).as_ref() == hash
}

/// The hashes of an issuer's name and key, each made once: a response may ask for them in every answer.
struct IssuerHashes<'a> {
    hashed: [&'a [u8]; 2],
    known: Vec<(&'static digest::Algorithm, [digest::Digest; 2])>,
}

impl<'a> IssuerHashes<'a> {
    const fn of(name: &'a [u8], key: &'a [u8]) -> Self {
        Self { hashed: [name, key], known: Vec::new() }
    }

    /// Whether an answer is about a certificate of this issuer.
    ///
    /// SHA-1 is the identifier's hash in most responses; nothing hangs on its collisions, because the
    /// serial number and the signature are compared too.
    fn are_in(&mut self, single: &SingleResponse<'_>) -> bool {
        let algorithm = match single.hash.oid.as_bytes() {
            oid::SHA1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            oid::SHA256 => &digest::SHA256,
            oid::SHA384 => &digest::SHA384,
            oid::SHA512 => &digest::SHA512,
            _ => return false,
        };
        let [name, key] = self.by(algorithm);
        name.as_ref() == single.issuer_name_hash && key.as_ref() == single.issuer_key_hash
    }

    fn by(&mut self, algorithm: &'static digest::Algorithm) -> &[digest::Digest; 2] {
        let held = self.known.iter().position(|(held, _)| *held == algorithm);
        let at = held.unwrap_or_else(|| {
            let digests = self.hashed.map(|octets| digest::digest(algorithm, octets));
            self.known.push((algorithm, digests));
            self.known.len() - 1
        });
        &self.known[at].1
    }
}
