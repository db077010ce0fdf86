//! The rules of the CA/Browser Forum's Baseline Requirements that a relying party can see.

use rustmq_pki::oid::{self, Oid};
use rustmq_pki::read::{Attribute, GeneralName, GeneralNames, KeyUsage, SpkiRef};

use super::names::{DnsSyntax, is_dns_name, split_wildcard};
use super::rules::{Findings, Place, is_v3};
use crate::error::{Detail, Rule};
use crate::signature::named_curve;

/// What the Baseline Requirements say of one certificate.
pub(super) fn findings(f: &mut Findings<'_, '_>) {
    f.find(!is_v3(f.view()), Rule::VersionNot3);
    f.find(!is_allowed_key(&f.view().spki), Rule::KeyForbidden);
    key_identifiers(f);
    info_access(f);
    match f.place {
        Place::Leaf => leaf(f),
        Place::Anchor => {
            f.find(f.known().extended_key_usage.is_some(), Rule::RootHasEku);
            f.find(
                !is_allowed_signature(f.view().signature_algorithm.oid),
                Rule::SignatureForbidden,
            );
        }
        Place::Intermediate => {}
    }
}

/// 7.1.3.2, and SHA-1 for the self-signatures of roots, which nobody relies on.
fn is_allowed_signature(algorithm: Oid<'_>) -> bool {
    matches!(
        algorithm.as_bytes(),
        oid::SHA1_WITH_RSA
            | oid::SHA256_WITH_RSA
            | oid::SHA384_WITH_RSA
            | oid::SHA512_WITH_RSA
            | oid::RSASSA_PSS
            | oid::ECDSA_WITH_SHA256
            | oid::ECDSA_WITH_SHA384
            | oid::ECDSA_WITH_SHA512
    )
}

/// 6.1.5: RSA of at least 2048 bits in whole octets with an odd exponent, or a NIST curve by name.
fn is_allowed_key(spki: &SpkiRef<'_>) -> bool {
    match spki.algorithm.oid.as_bytes() {
        oid::RSA_ENCRYPTION => {
            let odd = spki.rsa().is_ok_and(|(_, exponent)| {
                let octets = exponent.magnitude();
                octets.last().is_some_and(|last| last & 1 == 1) && octets != [1]
            });
            odd && spki.rsa_bits().is_some_and(|bits| bits >= 2048 && bits % 8 == 0)
        }
        oid::EC_PUBLIC_KEY => {
            matches!(named_curve(spki), Some(oid::SECP256R1 | oid::SECP384R1 | oid::SECP521R1))
        }
        _ => false,
    }
}

/// 7.1.2.1.3 and 7.1.2.11.1: the key identifier alone, and a root's is its own.
fn key_identifiers(f: &mut Findings<'_, '_>) {
    let Some(aki) = f.known().authority_key_id.map(|aki| aki.value) else { return };
    let other = aki.cert_issuer.is_some() || aki.cert_serial.is_some();
    f.find(other || aki.key_id.is_none(), Rule::AkiFormForbidden);
    if f.place == Place::Anchor && f.certificate.is_self_issued() {
        let own = f.known().subject_key_id.map(|ski| ski.value);
        f.find(aki.key_id.is_some() && aki.key_id != own, Rule::RootAkiMismatch);
    }
}

/// 7.1.2.7.7: OCSP and caIssuers, each a URI.
fn info_access(f: &mut Findings<'_, '_>) {
    let access = f.known().authority_info_access.into_iter().flat_map(|access| access.value);
    let bad = access.into_iter().find(|access| {
        let known = access.method == oid::AD_OCSP || access.method == oid::AD_CA_ISSUERS;
        !known || !matches!(access.location, GeneralName::Uri(_))
    });
    if let Some(access) = bad {
        f.find_in(Rule::InfoAccessForm, Detail::Name(access.location.to_string()));
    }
}

fn leaf(f: &mut Findings<'_, '_>) {
    let known = f.known();
    f.find(known.is_ca(), Rule::LeafIsCa);
    match known.extended_key_usage {
        None => f.find(true, Rule::EkuMissing),
        Some(usage) => {
            let any = usage.value.iter().any(|purpose| purpose == oid::ANY_EXTENDED_KEY_USAGE);
            f.find(any, Rule::EkuAny);
            let is_server = usage.value.iter().any(|purpose| purpose == oid::SERVER_AUTH);
            let other = usage.value.iter().find(|purpose| is_forbidden_beside_server(*purpose));
            if let Some(purpose) = other.filter(|_| is_server) {
                f.find_in(Rule::EkuForbidden, Detail::Oid(purpose.to_string()));
            }
            f.find(usage.critical, Rule::EkuCritical);
        }
    }
    let signs_crls = known.key_usage.is_some_and(|usage| usage.value.contains(KeyUsage::CRL_SIGN));
    f.find(signs_crls && !known.is_ca(), Rule::KeyUsageCrlSignWithoutCa);
    let Some(names) = known.subject_alt_name else {
        f.find(true, Rule::SanRequired);
        return;
    };
    f.find(names.critical && !f.view().subject.is_empty(), Rule::SanCritical);
    for name in names.value {
        judge_name(f, name);
    }
    if !names.value.iter().all(|name| is_internal(&name)) {
        common_names(f, names.value);
    }
}

/// 7.1.2.7.10: what a TLS server's certificate must not be good for as well.
fn is_forbidden_beside_server(purpose: Oid<'_>) -> bool {
    matches!(
        purpose.as_bytes(),
        oid::CODE_SIGNING | oid::EMAIL_PROTECTION | oid::TIME_STAMPING | oid::OCSP_SIGNING
    )
}

/// 7.1.4.3 is about names that a public CA may certify.
fn common_names(f: &mut Findings<'_, '_>, names: GeneralNames<'_>) {
    for common_name in f.view().subject.values_of(oid::COMMON_NAME) {
        if !is_in(&common_name, names) {
            f.find_in(Rule::CommonNameNotInSan, Detail::Name(common_name.to_string()));
        }
    }
}

/// Names that mean something on one's own machine only.
fn is_internal(name: &GeneralName<'_>) -> bool {
    match name {
        GeneralName::Dns(dns) => dns.eq_ignore_ascii_case(b"localhost"),
        GeneralName::Ip([127, _, _, _] | [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]) => true,
        _ => false,
    }
}

fn judge_name(f: &mut Findings<'_, '_>, name: GeneralName<'_>) {
    match name {
        GeneralName::Dns(dns) if dns.contains(&b'*') && !is_allowed_wildcard(dns) => {
            f.find_in(Rule::WildcardForbidden, Detail::Name(name.to_string()));
        }
        GeneralName::Dns(_) | GeneralName::Ip(_) => {}
        _ => f.find_in(Rule::SanFormForbidden, Detail::Name(name.to_string())),
    }
}

/// `*.` before at least two labels: a single one is a top-level domain, which is a public suffix.
fn is_allowed_wildcard(name: &[u8]) -> bool {
    name.strip_prefix(b"*.")
        .is_some_and(|rest| rest.contains(&b'.') && is_dns_name(rest, DnsSyntax::Preferred))
}

/// 7.1.4.3: a DNS name character for character, an IPv4 address in dotted decimals, an IPv6 address
/// as RFC 5952 writes it. The domain of a wildcard counts: deployed certificates have it so.
fn is_in(common_name: &Attribute<'_>, names: GeneralNames<'_>) -> bool {
    let Some(text) = common_name.text() else { return false };
    names.iter().any(|name| match name {
        GeneralName::Dns(dns) => split_wildcard(dns).1 == text.as_bytes() || dns == text.as_bytes(),
        GeneralName::Ip(octets) => address_text(octets).is_some_and(|address| address == text),
        _ => false,
    })
}

fn address_text(octets: &[u8]) -> Option<String> {
    if let Ok(octets) = <[u8; 4]>::try_from(octets) {
        return Some(std::net::Ipv4Addr::from(octets).to_string());
    }
    let octets = <[u8; 16]>::try_from(octets).ok()?;
    let address = std::net::Ipv6Addr::from(octets);
    Some(address.to_string())
}
