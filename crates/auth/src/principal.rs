//! Who a peer is: a principal by one configured rule, and a role.
//!
//! A [`PrincipalMapping`] names the one field of a certificate that counts. It never falls back to
//! another field: a certificate without that field has no principal, and is refused. The functions
//! here look at a certificate alone; whether it may be believed is for path and revocation to say.
//!
//! ```
//! use rustmq_auth::principal::{PrincipalMapping, PrincipalRule};
//!
//! let mapping = PrincipalMapping::new(PrincipalRule::SanEmail)
//!     .stripping_domain("example.com")?
//!     .strict();
//! assert_eq!(mapping.rule().name(), "san-email");
//! # Ok::<(), rustmq_auth::principal::MappingError>(())
//! ```

pub mod brokers;
mod domain;
mod error;
mod role;
mod select;
#[cfg(test)]
pub(crate) mod testing;
mod text;

pub use error::{MappingError, PrincipalError, RoleError};
pub use role::{AssignedRole, CaKey, Condition, ExtensionTrust, RolePolicy, RoleRule, RoleSource};
pub(crate) use role::{CasAbove, keys_above};

use std::fmt;
use std::str::FromStr;

use rustmq_pki::read::{CertificateRef, KnownExtensions};

use crate::certificate::Certificate;
use crate::question::NotRevoked;
use domain::Domain;

/// Which field of the certificate is the principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PrincipalRule {
    /// The one URI of subjectAltName, which is a SPIFFE id.
    SpiffeUri,
    /// An rfc822Name of subjectAltName.
    SanEmail,
    /// A dNSName of subjectAltName; wildcards are no one's name.
    SanDns,
    /// A commonName of the subject; of several the last, which is the most specific.
    CommonName,
    /// The whole subject, as RFC 4514 writes it.
    DistinguishedName,
}

impl PrincipalRule {
    /// Every rule.
    pub const ALL: [Self; 5] =
        [Self::SpiffeUri, Self::SanEmail, Self::SanDns, Self::CommonName, Self::DistinguishedName];

    /// The rule's name, as it is typed and shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SpiffeUri => "spiffe-uri",
            Self::SanEmail => "san-email",
            Self::SanDns => "san-dns",
            Self::CommonName => "common-name",
            Self::DistinguishedName => "distinguished-name",
        }
    }

    /// The field in words.
    pub const fn field(self) -> &'static str {
        match self {
            Self::SpiffeUri => "SPIFFE URI in subjectAltName",
            Self::SanEmail => "e-mail address in subjectAltName",
            Self::SanDns => "DNS name in subjectAltName",
            Self::CommonName => "common name in the subject",
            Self::DistinguishedName => "subject",
        }
    }
}

impl fmt::Display for PrincipalRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for PrincipalRule {
    type Err = MappingError;

    fn from_str(text: &str) -> Result<Self, MappingError> {
        let named = Self::ALL.into_iter().find(|rule| rule.name() == text);
        named.ok_or_else(|| MappingError::UnknownRule(text.to_owned()))
    }
}

/// Whether case distinguishes principals.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Case {
    /// It does: the value is taken as it is.
    #[default]
    Kept,
    /// It does not: the value is folded to lower case.
    Folded,
}

/// What happens when the rule yields several values that differ.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Several {
    /// The first counts (of common names the last).
    #[default]
    TakeOne,
    /// The certificate is refused.
    Refuse,
}

/// How a certificate's principal is found: one rule and its options.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrincipalMapping {
    rule: PrincipalRule,
    case: Case,
    domains: Vec<Domain>,
    several: Several,
}

impl PrincipalMapping {
    /// The rule with all options off: values as they are, the first of several.
    pub const fn new(rule: PrincipalRule) -> Self {
        Self { rule, case: Case::Kept, domains: Vec::new(), several: Several::TakeOne }
    }

    /// Folds principals to lower case. Values that folding could make equal to another name in more
    /// than case (compatibility forms, look-alikes of ASCII) are refused from then on.
    #[must_use]
    pub const fn folding_case(mut self) -> Self {
        self.case = Case::Folded;
        self
    }

    /// Takes `domain` off the end of principals that lie in it: `a@example.com` and
    /// `a.example.com` become `a`, `spiffe://example.com/client/a` becomes `client/a`. Other domains
    /// stay; of several listed ones the longest that fits counts. Who lists two domains says that
    /// the same name in both is the same peer.
    ///
    /// # Errors
    ///
    /// A text that is no domain, and the rule [`PrincipalRule::DistinguishedName`], which has none.
    pub fn stripping_domain(mut self, domain: &str) -> Result<Self, MappingError> {
        if self.rule == PrincipalRule::DistinguishedName {
            return Err(MappingError::NothingToStrip);
        }
        self.domains.push(Domain::parse(domain)?);
        Ok(self)
    }

    /// Refuses a certificate in which the rule yields more than one distinct value.
    #[must_use]
    pub const fn strict(mut self) -> Self {
        self.several = Several::Refuse;
        self
    }

    /// The rule.
    pub const fn rule(&self) -> PrincipalRule {
        self.rule
    }

    /// Whether a value is changed before it becomes a principal.
    fn rewrites(&self) -> bool {
        self.case == Case::Folded || !self.domains.is_empty()
    }

    /// Every distinct principal that the rule yields, in the certificate's order.
    pub(crate) fn candidates(
        &self,
        certificate: &CertificateRef<'_>,
        known: &KnownExtensions<'_>,
    ) -> Result<Vec<PeerPrincipal>, PrincipalError> {
        let mut principals: Vec<PeerPrincipal> = Vec::new();
        for value in select::values(self.rule, certificate, known)? {
            let principal = self.rewrite(&value)?;
            if principals.contains(&principal) {
                continue;
            }
            if principals.len() == MOST_VALUES {
                return Err(PrincipalError::TooMany { limit: MOST_VALUES });
            }
            principals.push(principal);
        }
        Ok(principals)
    }

    /// The principal of a peer whose path was verified.
    ///
    /// # Errors
    ///
    /// The rule yields nothing, a value that is no name, or, if it is strict, several.
    pub fn principal(&self, peer: &NotRevoked<'_>) -> Result<PeerPrincipal, PrincipalError> {
        let leaf = peer.path().leaf();
        self.choose(self.candidates(leaf, &leaf.extensions.known()?)?)
    }

    /// The principal of a leaf whose path was verified.
    pub(crate) fn principal_of(
        &self,
        leaf: &Certificate<'_>,
    ) -> Result<PeerPrincipal, PrincipalError> {
        self.choose(self.candidates(&leaf.view, &leaf.known)?)
    }

    fn choose(&self, mut found: Vec<PeerPrincipal>) -> Result<PeerPrincipal, PrincipalError> {
        if found.len() > 1 && self.several == Several::Refuse {
            let values = found.into_iter().map(|principal| principal.0).collect();
            return Err(PrincipalError::Ambiguous { rule: self.rule, values });
        }
        let chosen = match self.rule {
            PrincipalRule::CommonName => found.pop(),
            _ if found.is_empty() => None,
            _ => Some(found.swap_remove(0)),
        };
        chosen.ok_or(PrincipalError::Missing { rule: self.rule })
    }

    fn rewrite(&self, value: &str) -> Result<PeerPrincipal, PrincipalError> {
        if self.rewrites() {
            text::check_unambiguous(value)?;
        }
        let value = domain::strip(self.rule, value, &self.domains);
        Ok(PeerPrincipal(match self.case {
            Case::Kept => value.to_owned(),
            Case::Folded => text::folded(value),
        }))
    }

    /// What the rule makes of one certificate, without believing it: every value, and the principal
    /// or why there is none. For showing to people; a peer is authenticated by a verified path.
    pub fn explain(&self, certificate: &CertificateRef<'_>) -> MappingExplanation {
        let found = certificate
            .extensions
            .known()
            .map_err(PrincipalError::from)
            .and_then(|known| self.candidates(certificate, &known));
        match found {
            Ok(found) => MappingExplanation {
                values: found.iter().map(|principal| principal.0.clone()).collect(),
                principal: self.choose(found),
            },
            Err(error) => MappingExplanation { values: Vec::new(), principal: Err(error) },
        }
    }
}

/// The most distinct values that are compared with each other. Certificates with 100 names are in
/// use; the comparison is quadratic.
const MOST_VALUES: usize = 256;

/// A principal that a mapping made: not empty, in Unicode normalization form C, without control and
/// invisible characters, each word of one script.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerPrincipal(String);

impl PeerPrincipal {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for PeerPrincipal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// What a mapping makes of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingExplanation {
    /// Every distinct value, folded and stripped, in the certificate's order; empty if one of them
    /// is refused.
    pub values: Vec<String>,
    /// The principal, or why there is none.
    pub principal: Result<PeerPrincipal, PrincipalError>,
}

#[cfg(test)]
mod tests;
