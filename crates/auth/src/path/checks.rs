//! What is checked of each certificate as the search reaches it.

use rustmq_pki::oid;
use rustmq_pki::read::KeyUsage;

use super::Terms;
use crate::certificate::{Anchor, Certificate};
use crate::error::{Detail, Refusal, Rule};
use crate::key_form::key_fault;
use crate::signature::is_weak;

/// What holds of every certificate of a path: dates, algorithms, extensions, purpose.
pub(super) fn certificate(certificate: &Certificate<'_>, terms: &Terms) -> Result<(), Refusal> {
    let view = &certificate.view;
    if view.signature_algorithm != view.tbs_signature_algorithm {
        return Err(Rule::SignatureAlgorithmMismatch.into());
    }
    validity(certificate, terms)?;
    extensions(certificate)?;
    purpose(certificate, terms)?;
    key(certificate)
}

/// The form of the key, also of the leaf's: its issuer vouches for it.
pub(super) fn key(certificate: &Certificate<'_>) -> Result<(), Refusal> {
    match key_fault(&certificate.view.spki) {
        Some(fault) => Err(Refusal::new(Rule::KeyMalformed, Detail::Key(fault))),
        None => Ok(()),
    }
}

fn validity(certificate: &Certificate<'_>, terms: &Terms) -> Result<(), Refusal> {
    let validity = certificate.view.validity;
    let now = terms.at;
    if now < validity.not_before.at {
        let limit = validity.not_before.at;
        return Err(Refusal::new(Rule::NotYetValid, Detail::Time { now, limit }));
    }
    if now > validity.not_after.at {
        let limit = validity.not_after.at;
        return Err(Refusal::new(Rule::Expired, Detail::Time { now, limit }));
    }
    Ok(())
}

/// Every extension that this crate reads it also obeys, so that only unknown ones are left.
fn extensions(certificate: &Certificate<'_>) -> Result<(), Refusal> {
    match certificate.known.unknown_critical {
        Some(oid) => {
            Err(Refusal::new(Rule::UnknownCriticalExtension, Detail::Oid(oid.to_string())))
        }
        None => qualifiers(certificate),
    }
}

/// An extended key usage limits the leaf and, in a CA, everything below it.
fn purpose(certificate: &Certificate<'_>, terms: &Terms) -> Result<(), Refusal> {
    let (Some(wanted), Some(usage)) = (terms.purpose.oid(), certificate.known.extended_key_usage)
    else {
        return Ok(());
    };
    let allows = usage.value.iter().any(|oid| oid == wanted || oid == oid::ANY_EXTENDED_KEY_USAGE);
    if allows {
        return Ok(());
    }
    let found: Vec<_> = usage.value.iter().take(8).map(|oid| oid.to_string()).collect();
    Err(Refusal::new(Rule::PurposeNotAllowed, Detail::Oid(found.join(" "))))
}

/// A policy of which only some qualifiers are understood is not understood (RFC 5280 4.2.1.4).
fn qualifiers(certificate: &Certificate<'_>) -> Result<(), Refusal> {
    let Some(policies) = certificate.known.policies.filter(|policies| policies.critical) else {
        return Ok(());
    };
    let known = [oid::QUALIFIER_CPS, oid::QUALIFIER_USER_NOTICE];
    let mut found = policies.value.iter().flat_map(|policy| policy.qualifier_types());
    match found.find(|kind| !known.iter().any(|known| kind == known)) {
        Some(kind) => {
            Err(Refusal::new(Rule::UnknownCriticalExtension, Detail::Oid(kind.to_string())))
        }
        None => Ok(()),
    }
}

/// What holds of a certificate that signed another (RFC 5280 6.1.4 (k) to (n)); `below` counts the
/// intermediates under it that are not self-issued.
pub(super) fn issuer(certificate: &Certificate<'_>, below: usize) -> Result<(), Refusal> {
    let known = &certificate.known;
    if !known.is_ca() {
        return Err(Rule::NotCa.into());
    }
    let usage = known.key_usage.map(|usage| usage.value);
    if usage.is_some_and(|usage| !usage.contains(KeyUsage::KEY_CERT_SIGN)) {
        return Err(Rule::NoCertSign.into());
    }
    path_length(certificate, below)
}

/// RFC 5280 4.2.1.9.
fn path_length(certificate: &Certificate<'_>, below: usize) -> Result<(), Refusal> {
    let limit = certificate.known.basic_constraints.and_then(|c| c.value.path_len);
    match limit.and_then(|limit| usize::try_from(limit).ok()) {
        Some(limit) if below > limit => {
            Err(Refusal::new(Rule::PathTooLong, Detail::Count { found: below, limit }))
        }
        _ => Ok(()),
    }
}

/// An anchor that says itself that it is an end entity is one that was configured by mistake.
pub(super) fn declares_end_entity(anchor: &Anchor<'_>) -> bool {
    let known = &anchor.certificate.known;
    match known.basic_constraints {
        Some(constraints) => !constraints.value.ca,
        // keyCertSign says that it is a CA, whatever else the key is for.
        None => match known.key_usage {
            Some(usage) => !usage.value.contains(KeyUsage::KEY_CERT_SIGN),
            None => known.extended_key_usage.is_some(),
        },
    }
}

/// What the rule sets beyond `pkix` want of an anchor's certificate.
pub(super) fn anchor(anchor: &Anchor<'_>, below: usize, terms: &Terms) -> Result<(), Refusal> {
    let certificate = &anchor.certificate;
    let view = &certificate.view;
    if view.signature_algorithm != view.tbs_signature_algorithm {
        return Err(Rule::SignatureAlgorithmMismatch.into());
    }
    validity(certificate, terms)?;
    extensions(certificate)?;
    purpose(certificate, terms)?;
    path_length(certificate, below)
}

/// SHA-1 and older, which no rule set accepts but for id-dsa-with-sha1 under `pkix`.
pub(super) fn has_weak_signature(certificate: &Certificate<'_>) -> bool {
    is_weak(&certificate.view.signature_algorithm)
}
