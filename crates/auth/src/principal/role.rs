//! The role of a peer: from our extension, or from a rule for the certificates of other CAs.

use std::fmt;

use aws_lc_rs::digest;
use rustmq_pki::oid;
use rustmq_pki::read::{CertificateRef, GeneralName, KnownExtensions, ReadError};
use rustmq_pki::role::Role;

use super::{MappingError, RoleError};
use crate::error::hex;
use crate::path::VerifiedPath;
use crate::path::names::{DnsSyntax, dns_matches, is_dns_pattern, is_uri, split_mailbox};
use crate::question::NotRevoked;

/// Where a role came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoleSource {
    /// The attribute `role` of subjectDirectoryAttributes (RFC 5755 4.4.5).
    Extension,
    /// The rule at this place of [`RolePolicy`], counted from 0.
    Rule(usize),
}

/// A role and where it came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AssignedRole {
    /// The role.
    pub role: Role,
    /// Where it came from.
    pub source: RoleSource,
}

/// A CA by its key: the SHA-256 of its SubjectPublicKeyInfo. A CA may give another any name, its own
/// and that of a CA elsewhere; nobody gets the key of another.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CaKey([u8; 32]);

impl CaKey {
    /// The key in the certificate of the CA, DER.
    ///
    /// # Errors
    ///
    /// Bytes that are no certificate.
    pub fn of_certificate(der: &[u8]) -> Result<Self, ReadError> {
        Ok(Self::of_spki(CertificateRef::read(der)?.spki.der))
    }

    /// The key whose SubjectPublicKeyInfo has this SHA-256.
    pub const fn from_sha256(digest: [u8; 32]) -> Self {
        Self(digest)
    }

    pub(crate) fn of_spki(spki: &[u8]) -> Self {
        let mut key = [0; 32];
        key.copy_from_slice(digest::digest(&digest::SHA256, spki).as_ref());
        Self(key)
    }
}

/// Lower-case hexadecimal.
impl fmt::Display for CaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

impl fmt::Debug for CaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CaKey({self})")
    }
}

/// Whose certificates may name their own role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ExtensionTrust {
    /// Those of every CA that a path leads to. In a [`Trust`](crate::Trust) with anchors of other
    /// authorities beside one's own: those below one's own.
    #[default]
    EveryIssuer,
    /// Those on whose path a CA, the anchor or one below it, has one of these keys. The extension of
    /// others is as if it were absent.
    Below(Vec<CaKey>),
}

/// The CAs above a leaf, as far as its path is known.
#[derive(Clone, Copy)]
pub(crate) enum CasAbove<'p> {
    /// The SubjectPublicKeyInfo of each.
    Keys(&'p [&'p [u8]]),
    /// Nobody has verified a path, and no CA is taken for its issuer.
    Unknown,
}

impl CasAbove<'_> {
    fn include(self, wanted: &[CaKey]) -> bool {
        let Self::Keys(keys) = self else { return false };
        keys.iter().any(|spki| wanted.contains(&CaKey::of_spki(spki)))
    }
}

/// What a role rule asks of a certificate. Text is compared as it is, case included, but for DNS
/// names and the hosts of mailboxes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition(Test);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    Subject(String),
    Unit(String),
    Dns(String),
    Email(String),
    Uri(String),
}

impl Condition {
    /// The subject is this one, as RFC 4514 text.
    pub fn subject(name: impl Into<String>) -> Self {
        Self(Test::Subject(name.into()))
    }

    /// An organizationalUnitName of the subject is this one.
    pub fn organizational_unit(unit: impl Into<String>) -> Self {
        Self(Test::Unit(unit.into()))
    }

    /// A DNS name of subjectAltName is this one; `*.` in front stands for exactly one label.
    pub fn san_dns(pattern: &str) -> Result<Self, MappingError> {
        if is_dns_pattern(pattern.as_bytes(), DnsSyntax::Lenient) {
            return Ok(Self(Test::Dns(pattern.to_owned())));
        }
        Err(wrong(pattern, "DNS names", "write b1.example.com or *.example.com"))
    }

    /// A mailbox of subjectAltName is this one; `@example.com` stands for every one at that host.
    pub fn san_email(pattern: &str) -> Result<Self, MappingError> {
        let mailbox = if pattern.starts_with('@') { format!("x{pattern}") } else { pattern.into() };
        if split_mailbox(mailbox.as_bytes()).is_some() {
            return Ok(Self(Test::Email(pattern.to_owned())));
        }
        Err(wrong(pattern, "mailboxes", "write app@example.com or @example.com"))
    }

    /// A URI of subjectAltName is this one; a final `/` stands for every one that begins so and has
    /// plain segments after it.
    pub fn san_uri(pattern: &str) -> Result<Self, MappingError> {
        let authority = pattern.split_once("://").is_some_and(|(_, rest)| rest.contains('/'));
        if is_uri(pattern.as_bytes()) && (authority || !pattern.ends_with('/')) {
            return Ok(Self(Test::Uri(pattern.to_owned())));
        }
        Err(wrong(pattern, "URIs", "write spiffe://example.com/ns/app or spiffe://example.com/ns/"))
    }

    fn holds(&self, certificate: &CertificateRef<'_>, known: &KnownExtensions<'_>) -> bool {
        let any_name = |test: &dyn Fn(&GeneralName<'_>) -> bool| {
            known.alt_names().iter().any(|name| test(&name))
        };
        match &self.0 {
            Test::Subject(name) => certificate.subject.to_string() == *name,
            Test::Unit(unit) => certificate
                .subject
                .values_of(oid::ORGANIZATIONAL_UNIT)
                .any(|attribute| attribute.text().is_some_and(|text| text == *unit)),
            Test::Dns(pattern) => any_name(
                &|name| matches!(name, GeneralName::Dns(dns) if dns_in(pattern.as_bytes(), dns)),
            ),
            Test::Email(pattern) => any_name(
                &|name| matches!(name, GeneralName::Rfc822(mailbox) if email_in(pattern, mailbox)),
            ),
            Test::Uri(pattern) => any_name(
                &|name| matches!(name, GeneralName::Uri(uri) if uri_in(pattern.as_bytes(), uri)),
            ),
        }
    }
}

fn wrong(pattern: &str, of: &'static str, why: &'static str) -> MappingError {
    MappingError::Pattern { pattern: pattern.to_owned(), of, why }
}

/// A wildcard in the certificate is no name of a host, so it is in no pattern.
fn dns_in(pattern: &[u8], name: &[u8]) -> bool {
    !name.contains(&b'*') && dns_matches(pattern, name)
}

fn email_in(pattern: &str, mailbox: &[u8]) -> bool {
    let Some((local, host)) = split_mailbox(mailbox) else { return false };
    let Some((wanted_local, wanted_host)) = pattern.rsplit_once('@') else { return false };
    host.eq_ignore_ascii_case(wanted_host.as_bytes())
        && (wanted_local.is_empty() || wanted_local.as_bytes() == local)
}

fn uri_in(pattern: &[u8], uri: &[u8]) -> bool {
    if !pattern.ends_with(b"/") {
        return uri == pattern;
    }
    // A path with dots or escapes may mean another place than it begins with.
    let plain = |c: &u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'_');
    let segment = |s: &[u8]| !s.is_empty() && s != b"." && s != b".." && s.iter().all(plain);
    uri.strip_prefix(pattern).is_some_and(|rest| rest.split(|byte| *byte == b'/').all(segment))
}

/// A role for the certificates below one CA that fulfil every condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleRule {
    role: Role,
    below: CaKey,
    conditions: Vec<Condition>,
}

impl RoleRule {
    /// A rule that gives `role` to the certificates on whose path a CA, the anchor or one below it, has
    /// this key. Every rule names a CA: another that is trusted too could certify any other name.
    pub const fn new(role: Role, below: CaKey) -> Self {
        Self { role, below, conditions: Vec::new() }
    }

    /// Asks for a condition as well.
    #[must_use]
    pub fn and(mut self, condition: Condition) -> Self {
        self.conditions.push(condition);
        self
    }
}

/// How a certificate's role is found. The default: from our extension, and by no rule.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RolePolicy {
    /// Whose certificates may name their own role.
    pub extension: ExtensionTrust,
    /// Rules for certificates without our extension; the first that holds counts.
    pub rules: Vec<RoleRule>,
}

impl RolePolicy {
    /// Whether the role of a certificate depends on the CAs above it.
    pub(crate) fn asks_for_path(&self) -> bool {
        self.extension != ExtensionTrust::EveryIssuer || !self.rules.is_empty()
    }

    /// The role of a certificate: by its extension where there is one that is believed, else by the
    /// first rule that holds, else none.
    pub(crate) fn role_of(
        &self,
        certificate: &CertificateRef<'_>,
        known: &KnownExtensions<'_>,
        above: CasAbove<'_>,
    ) -> Result<Option<AssignedRole>, RoleError> {
        let believed = match &self.extension {
            ExtensionTrust::EveryIssuer => true,
            ExtensionTrust::Below(keys) => above.include(keys),
        };
        if believed && let Some(role) = extension_role(known)? {
            return Ok(Some(AssignedRole { role, source: RoleSource::Extension }));
        }
        let holds = |rule: &RoleRule| {
            above.include(&[rule.below])
                && rule.conditions.iter().all(|c| c.holds(certificate, known))
        };
        let first = self.rules.iter().position(holds);
        Ok(first.map(|at| AssignedRole { role: self.rules[at].role, source: RoleSource::Rule(at) }))
    }

    /// The role of a peer whose path was verified.
    ///
    /// # Errors
    ///
    /// The extension names no role of ours, several, or another than the SPIFFE id.
    pub fn role(&self, peer: &NotRevoked<'_>) -> Result<Option<AssignedRole>, RoleError> {
        let leaf = peer.path().leaf();
        let keys = keys_above(peer.path());
        self.role_of(leaf, &leaf.extensions.known()?, CasAbove::Keys(&keys))
    }

    /// The role of a certificate that nobody has verified, for showing to people: as if it came from no
    /// CA in particular, so that only [`ExtensionTrust::EveryIssuer`] gives one.
    pub fn explain(
        &self,
        certificate: &CertificateRef<'_>,
    ) -> Result<Option<AssignedRole>, RoleError> {
        self.role_of(certificate, &certificate.extensions.known()?, CasAbove::Unknown)
    }
}

/// The keys of the CAs of a path, the issuer's first.
pub(crate) fn keys_above<'p>(path: &'p VerifiedPath<'_>) -> Vec<&'p [u8]> {
    let above = path.certificates().iter().skip(1).chain([path.anchor()]);
    above.map(|certificate| certificate.spki.der).collect()
}

/// The role that the extension names; it must be one of ours, only one, and no SPIFFE id may say
/// another.
fn extension_role(known: &KnownExtensions<'_>) -> Result<Option<Role>, RoleError> {
    let named = known.roles()?;
    let Some(first) = named.first() else { return Ok(None) };
    if named.iter().any(|name| name != first) {
        return Err(RoleError::Several(named.into_iter().map(str::to_owned).collect()));
    }
    let role = first.parse().map_err(|_| RoleError::Unknown((*first).to_owned()))?;
    match spiffe_roles(known).find(|(of_path, _)| *of_path != role) {
        Some((_, uri)) => Err(RoleError::Spiffe { role, uri: uri.to_owned() }),
        None => Ok(Some(role)),
    }
}

/// The SPIFFE ids whose path begins with one of our roles, as `spiffe://<trust domain>/<role>/<principal>`
/// does, with their roles. Whatever follows and however it is written, it can be read as that role; any
/// other first segment says nothing of it.
fn spiffe_roles<'a>(known: &KnownExtensions<'a>) -> impl Iterator<Item = (Role, &'a str)> {
    known.alt_names().iter().filter_map(|name| {
        let GeneralName::Uri(uri) = name else { return None };
        let uri = std::str::from_utf8(uri).ok()?;
        // The scheme's case does not matter (RFC 3986 3.1): nobody shall read another role here.
        let (scheme, rest) = uri.split_once("://")?;
        let (_, path) = rest.split_once('/').filter(|_| scheme.eq_ignore_ascii_case("spiffe"))?;
        let first = path.trim_start_matches('/').split(['/', '?', '#']).next()?;
        let role = Role::ALL.into_iter().find(|role| role.as_str().eq_ignore_ascii_case(first))?;
        Some((role, uri))
    })
}
