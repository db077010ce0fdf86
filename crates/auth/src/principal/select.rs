//! The values that a rule finds in a certificate, each checked to be of its form.

use rustmq_pki::name::TrustDomain;
use rustmq_pki::oid;
use rustmq_pki::read::{Attribute, CertificateRef, GeneralName, KnownExtensions};

use super::{PrincipalError, PrincipalRule, text};
use crate::error::hex;
use crate::path::names::{DnsSyntax, is_dns_name, split_mailbox};

/// Every value, in the order of the certificate. One that is not of its form is an error: leaving it
/// out would let its neighbour speak for the peer.
pub(super) fn values(
    rule: PrincipalRule,
    certificate: &CertificateRef<'_>,
    known: &KnownExtensions<'_>,
) -> Result<Vec<String>, PrincipalError> {
    let values = match rule {
        PrincipalRule::SpiffeUri => spiffe_ids(known)?,
        PrincipalRule::SanEmail => of_form(rule, known, |name| match name {
            GeneralName::Rfc822(octets) => Some((octets, mailbox(octets))),
            _ => None,
        })?,
        PrincipalRule::SanDns => of_form(rule, known, |name| match name {
            GeneralName::Dns(octets) => Some((octets, dns_name(octets))),
            _ => None,
        })?,
        PrincipalRule::CommonName => common_names(certificate)?,
        PrincipalRule::DistinguishedName => subject(certificate)?,
    };
    values.iter().try_for_each(|value| text::check(rule, value))?;
    Ok(values)
}

/// The names of one form; each comes with what is wrong with it, if anything.
fn of_form<'a>(
    rule: PrincipalRule,
    known: &KnownExtensions<'a>,
    select: impl FnMut(GeneralName<'a>) -> Option<(&'a [u8], Option<&'static str>)>,
) -> Result<Vec<String>, PrincipalError> {
    let found = known.alt_names().iter().filter_map(select);
    found.map(|(octets, wrong)| ascii(rule, octets, wrong)).collect()
}

fn ascii(
    rule: PrincipalRule,
    octets: &[u8],
    wrong: Option<&'static str>,
) -> Result<String, PrincipalError> {
    let form = |why| PrincipalError::Form { rule, value: octets.escape_ascii().to_string(), why };
    match (wrong, std::str::from_utf8(octets)) {
        (None, Ok(text)) => Ok(text.to_owned()),
        (Some(why), _) => Err(form(why)),
        (None, Err(_)) => Err(form("it is not ASCII")),
    }
}

fn mailbox(octets: &[u8]) -> Option<&'static str> {
    split_mailbox(octets).is_none().then_some("write it like name@example.com")
}

fn dns_name(octets: &[u8]) -> Option<&'static str> {
    if octets.contains(&b'*') {
        return Some("a wildcard names many hosts and so nobody");
    }
    let valid = is_dns_name(octets, DnsSyntax::Lenient);
    (!valid).then_some("labels are letters, digits, '-' and '_', and the last is no number")
}

/// The SPIFFE id, if there is one. A validator must refuse a certificate with a second URI
/// (SPIFFE X509-SVID 2).
fn spiffe_ids(known: &KnownExtensions<'_>) -> Result<Vec<String>, PrincipalError> {
    let uris: Vec<&[u8]> = known
        .alt_names()
        .iter()
        .filter_map(|name| if let GeneralName::Uri(uri) = name { Some(uri) } else { None })
        .collect();
    let Some(id) = uris.iter().find(|uri| has_spiffe_scheme(uri)) else { return Ok(Vec::new()) };
    if uris.len() > 1 {
        return Err(PrincipalError::SeveralUris { found: uris.len() });
    }
    ascii(PrincipalRule::SpiffeUri, id, not_a_spiffe_id(id)).map(|id| vec![id])
}

/// Whether the scheme is `spiffe`, in whatever case: one that is not written in lower case is then
/// refused for its form, and not taken for some other URI.
pub(super) fn has_spiffe_scheme(uri: &[u8]) -> bool {
    uri.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case(b"spiffe:"))
}

/// What is wrong with a SPIFFE id of a workload (SPIFFE-ID 2, X509-SVID 3), if anything.
fn not_a_spiffe_id(uri: &[u8]) -> Option<&'static str> {
    let parsed = || std::str::from_utf8(uri).ok()?.strip_prefix("spiffe://");
    let Some(rest) = parsed() else {
        return Some("it does not begin with spiffe:// in lower case");
    };
    if rest.contains(['?', '#', '@', ':', '%']) {
        return Some("it has a query, a fragment, a user, a port or an escape");
    }
    let Some((domain, path)) = rest.split_once('/') else {
        return Some("it has no path, so that it names a trust domain and no peer");
    };
    if TrustDomain::parse(domain).is_err() {
        return Some("its trust domain is not of lower-case letters, digits, '.', '-' and '_'");
    }
    let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'_');
    let segment = |s: &str| !s.is_empty() && s != "." && s != ".." && s.bytes().all(plain);
    let good = path.split('/').all(segment);
    (!good).then_some("a segment of its path is empty, '.' or '..', or has another character")
}

fn common_names(certificate: &CertificateRef<'_>) -> Result<Vec<String>, PrincipalError> {
    let names = certificate.subject.values_of(oid::COMMON_NAME);
    names.map(|name| attribute_text(PrincipalRule::CommonName, &name)).collect()
}

fn attribute_text(rule: PrincipalRule, name: &Attribute<'_>) -> Result<String, PrincipalError> {
    // As many bytes of it as fit a line.
    const SHOWN: usize = 64;
    let text = name.text().map(std::borrow::Cow::into_owned);
    text.ok_or_else(|| PrincipalError::NotText {
        rule,
        hex: hex(&name.value[..name.value.len().min(SHOWN)]),
    })
}

/// The subject as RFC 4514 text. Its writer escapes what is not printed, so the attributes are
/// checked before: a name that hides something is nobody's, however it is written.
fn subject(certificate: &CertificateRef<'_>) -> Result<Vec<String>, PrincipalError> {
    let rule = PrincipalRule::DistinguishedName;
    let subject = certificate.subject;
    for attribute in subject.attributes() {
        text::check(rule, &attribute_text(rule, &attribute)?)?;
    }
    Ok(if subject.is_empty() { Vec::new() } else { vec![subject.to_string()] })
}
