//! Values of flags that are one of a list: the parser, the help and the completions know the list.

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use rustmq_ca::{CertificateRole, CertificateStatus};
use rustmq_pki::crl::RevocationReason;
use rustmq_pki::key::KeyType;
use rustmq_pki::role::Role;

/// `--role`.
pub(crate) fn role() -> impl TypedValueParser<Value = Role> {
    PossibleValuesParser::new(Role::ALL.map(Role::as_str)).try_map(|text| text.parse())
}

/// `--role` of a list, which has CAs and OCSP signers, too.
pub(crate) fn certificate_role() -> impl TypedValueParser<Value = CertificateRole> {
    let roles =
        ["broker", "controller", "client", "admin", "ocsp-signer", "root-ca", "intermediate-ca"];
    PossibleValuesParser::new(roles).try_map(|text| text.parse())
}

/// `--key-type`.
pub(crate) fn key_type() -> impl TypedValueParser<Value = KeyType> {
    PossibleValuesParser::new(KeyType::ALL.map(KeyType::as_str)).try_map(|text| text.parse())
}

/// `--status`.
pub(crate) fn status() -> impl TypedValueParser<Value = CertificateStatus> {
    PossibleValuesParser::new(["active", "expired", "on-hold", "revoked", "superseded"])
        .try_map(|text| text.parse())
}

/// `--reason`: with hyphens, or as RFC 5280 5.3.1 writes it.
pub(crate) fn reason() -> impl TypedValueParser<Value = RevocationReason> {
    const REASONS: [(&str, &str); 8] = [
        ("key-compromise", "keyCompromise"),
        ("ca-compromise", "cACompromise"),
        ("affiliation-changed", "affiliationChanged"),
        ("superseded", "superseded"),
        ("cessation-of-operation", "cessationOfOperation"),
        ("certificate-hold", "certificateHold"),
        ("privilege-withdrawn", "privilegeWithdrawn"),
        ("aa-compromise", "aACompromise"),
    ];
    let value = |(hyphens, camel)| PossibleValue::new(hyphens).alias(camel);
    PossibleValuesParser::new(
        std::iter::once(PossibleValue::new("unspecified")).chain(REASONS.map(value)),
    )
    .try_map(|text| text.parse())
}
