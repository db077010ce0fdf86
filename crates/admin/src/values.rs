//! Values of flags that are one of a list: the parser, the help and the completions know the list.

use std::ffi::OsStr;

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Arg, Command};
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

/// `--key-type`: the names that are shown, and every other that [`KeyType`] understands.
pub(crate) fn key_type() -> impl TypedValueParser<Value = KeyType> {
    KeyTypeParser
}

#[derive(Clone, Copy, Debug)]
struct KeyTypeParser;

impl TypedValueParser for KeyTypeParser {
    type Value = KeyType;

    fn parse_ref(
        &self,
        command: &Command,
        argument: Option<&Arg>,
        value: &OsStr,
    ) -> Result<KeyType, clap::Error> {
        let understood = value.to_str().and_then(|text| text.parse().ok());
        let listed = PossibleValuesParser::new(KeyType::ALL.map(KeyType::as_str));
        match understood {
            Some(key_type) => Ok(key_type),
            // The list's parser says what there is.
            None => listed.try_map(|text| text.parse()).parse_ref(command, argument, value),
        }
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(KeyType::ALL.iter().map(|key_type| PossibleValue::new(key_type.as_str()))))
    }
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
