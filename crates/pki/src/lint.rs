//! The rules of RFC 5280 over a certificate's final fields, before anything is signed.

use crate::fields::{Fields, Kind, Purpose};
use crate::issuer::ToBeSigned;
use crate::key::KeyType;
use crate::name::{SanKind, SubjectAltName};
use crate::profile::Admitted;
use crate::read::KeyUsage;
use crate::serial::SerialNumber;
use crate::time::UnixTime;

/// Fields that broke no rule: only these can become a certificate.
#[derive(Debug)]
pub struct Linted {
    fields: Fields,
}

/// A certificate that would break a rule. It is never signed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the certificate would break a rule of {rfc}: {rule}")]
pub struct LintError {
    /// What is wrong, in words.
    pub rule: &'static str,
    /// The section that says so.
    pub rfc: &'static str,
}

impl Linted {
    /// Checks every rule; the first that is broken is the error.
    pub(crate) fn check(admitted: Admitted) -> Result<Self, LintError> {
        let fields = admitted.into_fields();
        RULES.iter().try_for_each(|(broken, rfc, rule)| match broken(&fields) {
            true => Err(LintError { rule, rfc }),
            false => Ok(()),
        })?;
        Ok(Self { fields })
    }

    /// The bytes that the issuer will sign, under `serial`.
    pub fn to_be_signed(self, serial: SerialNumber) -> ToBeSigned {
        ToBeSigned::new(self.fields, serial)
    }

    /// The last second of the certificate's validity.
    pub fn not_after(&self) -> UnixTime {
        self.fields.not_after
    }
}

type Rule = (fn(&Fields) -> bool, &'static str, &'static str);

/// Each says when it is broken.
const RULES: [Rule; 20] = [
    (validity_is_empty, "RFC 5280 4.1.2.5", "notAfter lies before notBefore"),
    (validity_leaves_calendar, "RFC 5280 4.1.2.5", "a date lies outside the years 0 to 9999"),
    (outlives_issuer, "RFC 5280 6.1.3", "it would be valid after its issuer no longer is"),
    (issuer_has_no_name, "RFC 5280 4.1.2.4", "the issuer's name is empty"),
    (ca_has_no_name, "RFC 5280 4.1.2.6", "a CA's subject is empty"),
    (has_no_name_at_all, "RFC 5280 4.1.2.6", "the subject is empty and there is no SAN"),
    (is_named_as_issuer, "RFC 5280 4.1.2.6", "subject and issuer have the same name"),
    (policy_repeats, "RFC 5280 4.2.1.4", "a certificate policy stands there twice"),
    (server_has_no_name, "RFC 9525 6.3", "serverAuth without a DNS name or an IP address"),
    (san_repeats, "RFC 5280 4.2.1.6", "a subject alternative name stands there twice"),
    (path_is_too_long, "RFC 5280 4.2.1.9", "the issuer's path length allows no further CA"),
    (ca_lacks_cert_sign, "RFC 5280 4.2.1.3", "a CA certificate lacks keyCertSign or cRLSign"),
    (leaf_may_sign_certificates, "RFC 5280 4.2.1.3", "an end entity has keyCertSign or cRLSign"),
    (usage_does_not_fit_key, "RFC 5280 4.2.1.3", "keyUsage does not fit the key's algorithm"),
    (usage_is_empty, "RFC 5280 4.2.1.3", "keyUsage has no bit set"),
    (leaf_lacks_purpose, "RFC 5280 4.2.1.12", "an end entity has no extendedKeyUsage"),
    (purpose_does_not_fit_usage, "RFC 5280 4.2.1.12", "extendedKeyUsage and keyUsage disagree"),
    (no_check_without_responder, "RFC 6960 4.2.2.2.1", "ocsp-nocheck on no OCSP responder"),
    (leaves_name_constraints, "RFC 5280 4.2.1.10", "a name lies outside an issuer's constraints"),
    (spiffe_id_disagrees, "SPIFFE X509-SVID 2", "more than one URI, or one of another role"),
];

fn validity_is_empty(f: &Fields) -> bool {
    f.not_before > f.not_after
}

fn validity_leaves_calendar(f: &Fields) -> bool {
    f.not_before < UnixTime::MIN || f.not_after > UnixTime::MAX
}

fn outlives_issuer(f: &Fields) -> bool {
    f.not_after > f.issuer.not_after
}

fn issuer_has_no_name(f: &Fields) -> bool {
    // An empty Name is a SEQUENCE of nothing.
    f.issuer.name.len() <= 2
}

fn ca_has_no_name(f: &Fields) -> bool {
    f.is_ca() && f.subject.is_empty()
}

fn has_no_name_at_all(f: &Fields) -> bool {
    f.subject.is_empty() && f.sans.is_empty()
}

fn is_named_as_issuer(f: &Fields) -> bool {
    !f.issuer.match_key.is_empty() && f.subject.matches(&f.issuer.match_key)
}

fn policy_repeats(f: &Fields) -> bool {
    f.policies.iter().enumerate().any(|(index, policy)| f.policies[..index].contains(policy))
}

fn server_has_no_name(f: &Fields) -> bool {
    let is_host = |san: &SubjectAltName| matches!(san.kind(), SanKind::Dns | SanKind::Ip);
    f.extended_key_usage.contains(&Purpose::ServerAuth) && !f.sans.iter().any(is_host)
}

fn san_repeats(f: &Fields) -> bool {
    f.sans.iter().enumerate().any(|(index, san)| f.sans[..index].contains(san))
}

fn path_is_too_long(f: &Fields) -> bool {
    match (&f.kind, f.issuer.path_len) {
        (Kind::Ca { .. }, Some(0)) => true,
        (Kind::Ca { path_len: Some(own), .. }, Some(left)) => *own >= left,
        _ => false,
    }
}

fn has_usage(f: &Fields, usage: KeyUsage) -> bool {
    f.key_usage & usage.bits() != 0
}

fn ca_lacks_cert_sign(f: &Fields) -> bool {
    f.is_ca() && !(has_usage(f, KeyUsage::KEY_CERT_SIGN) && has_usage(f, KeyUsage::CRL_SIGN))
}

fn leaf_may_sign_certificates(f: &Fields) -> bool {
    !f.is_ca() && (has_usage(f, KeyUsage::KEY_CERT_SIGN) || has_usage(f, KeyUsage::CRL_SIGN))
}

/// Only RSA enciphers keys, and none of our key types agrees on them but the NIST curves.
fn usage_does_not_fit_key(f: &Fields) -> bool {
    let rsa =
        matches!(f.public_key.key_type(), KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096);
    let curve = matches!(f.public_key.key_type(), KeyType::P256 | KeyType::P384 | KeyType::P521);
    let enciphers =
        has_usage(f, KeyUsage::KEY_ENCIPHERMENT) || has_usage(f, KeyUsage::DATA_ENCIPHERMENT);
    (enciphers && !rsa) || (has_usage(f, KeyUsage::KEY_AGREEMENT) && !curve)
}

fn usage_is_empty(f: &Fields) -> bool {
    f.key_usage == 0
}

fn leaf_lacks_purpose(f: &Fields) -> bool {
    !f.is_ca() && f.extended_key_usage.is_empty()
}

fn purpose_does_not_fit_usage(f: &Fields) -> bool {
    !f.extended_key_usage.is_empty() && !has_usage(f, KeyUsage::DIGITAL_SIGNATURE)
}

fn no_check_without_responder(f: &Fields) -> bool {
    f.ocsp_no_check && !f.extended_key_usage.contains(&Purpose::OcspSigning)
}

fn leaves_name_constraints(f: &Fields) -> bool {
    f.sans.iter().any(|san| f.issuer.constraints.iter().any(|c| !c.allow(san)))
}

fn spiffe_id_disagrees(f: &Fields) -> bool {
    let mut uris = f.sans.iter().filter_map(|san| match san {
        SubjectAltName::Uri(uri) => Some(uri.as_str()),
        _ => None,
    });
    let (Some(uri), more) = (uris.next(), uris.next()) else { return false };
    let Kind::EndEntity { role } = f.kind else { return true };
    let is_spiffe = uri.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("spiffe:"));
    let path = uri.strip_prefix("spiffe://").and_then(|rest| rest.split_once('/'));
    let first = path.and_then(|(_, path)| path.split('/').next());
    let of_other_role = is_spiffe && (role.is_none() || first != role.map(|role| role.as_str()));
    more.is_some() || of_other_role
}
