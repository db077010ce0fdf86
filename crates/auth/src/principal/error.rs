//! Why a certificate yields no principal or no role, and why a configuration is none.

use rustmq_pki::read::ReadError;
use rustmq_pki::role::Role;

use super::PrincipalRule;
use crate::error::{Detail, Refusal, Rule};

/// Why a certificate yields no principal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PrincipalError {
    /// The certificate does not have the field.
    #[error("the certificate has no {}, which the rule {rule} takes", rule.field())]
    Missing {
        /// The rule.
        rule: PrincipalRule,
    },
    /// Several values that differ.
    #[error("the rule {rule} yields {} different principals: {}", values.len(), shown(values))]
    Ambiguous {
        /// The rule.
        rule: PrincipalRule,
        /// The values, in the certificate's order.
        values: Vec<String>,
    },
    /// More than one URI (SPIFFE X509-SVID 2: exactly one).
    #[error(
        "the certificate has {found} URIs in subjectAltName; a SPIFFE certificate has exactly one"
    )]
    SeveralUris {
        /// How many.
        found: usize,
    },
    /// More distinct values than are compared.
    #[error("the certificate has more than {limit} different values that the rule takes")]
    TooMany {
        /// The limit.
        limit: usize,
    },
    /// Bytes that are no text of their type.
    #[error("the {} is not text of its type: its bytes are {hex}", rule.field())]
    NotText {
        /// The rule.
        rule: PrincipalRule,
        /// The bytes, at most 64 of them.
        hex: String,
    },
    /// No value at all.
    #[error("the {} is empty or begins or ends with white space", rule.field())]
    Blank {
        /// The rule.
        rule: PrincipalRule,
    },
    /// A control character, one that reorders or hides its neighbours, or a space other than U+0020.
    #[error("the {} has the character U+{code:04X}, which is not printed or an unusual space", rule.field())]
    Invisible {
        /// The rule.
        rule: PrincipalRule,
        /// The character's number.
        code: u32,
    },
    /// Longer than a principal may be.
    #[error("the {} has {found} bytes, where at most {limit} are taken", rule.field())]
    TooLong {
        /// The rule.
        rule: PrincipalRule,
        /// Its bytes.
        found: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// Not of the form of a DNS name, mailbox or SPIFFE id.
    #[error("{value:?} is not a {}: {why}", rule.field())]
    Form {
        /// The rule.
        rule: PrincipalRule,
        /// The value, its bytes escaped.
        value: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Letters of several scripts in one word.
    #[error("the word {word:?} mixes scripts, so that it may be read as another name (UTS 39)")]
    MixedScripts {
        /// The word.
        word: String,
    },
    /// Not in normalization form C.
    #[error("{value:?} is not in Unicode normalization form C")]
    NotNormalized {
        /// The value.
        value: String,
    },
    /// A value that folding case or taking a domain off could turn into somebody else's name.
    #[error(
        "{value:?} reads like {like:?}, and case folding or domain strip must not confuse them"
    )]
    Confusable {
        /// The value.
        value: String,
        /// What it reads like.
        like: String,
    },
    /// The certificate's extensions cannot be read.
    #[error("the certificate's extensions cannot be read: {0}")]
    Read(#[from] ReadError),
}

impl PrincipalError {
    /// The rule that is broken, with its stable code.
    pub const fn rule(&self) -> Rule {
        match self {
            Self::Missing { .. } => Rule::PrincipalMissing,
            Self::Ambiguous { .. } | Self::SeveralUris { .. } | Self::TooMany { .. } => {
                Rule::PrincipalAmbiguous
            }
            Self::Read(_) => Rule::Malformed,
            _ => Rule::PrincipalInvalid,
        }
    }

    /// The stable code, as in JSON output.
    pub const fn code(&self) -> &'static str {
        self.rule().code()
    }
}

impl From<PrincipalError> for Refusal {
    fn from(error: PrincipalError) -> Self {
        Self::new(error.rule(), Detail::Name(error.to_string()))
    }
}

/// Why a certificate's role is refused. A certificate without a role is no error here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RoleError {
    /// A role that is none of ours.
    #[error("the certificate names the role {0:?}; a role is broker, controller, client or admin")]
    Unknown(String),
    /// More than one role.
    #[error("the certificate names several roles: {}", shown(.0))]
    Several(Vec<String>),
    /// The extension and the SPIFFE id disagree.
    #[error("the certificate names the role {role}, and its SPIFFE id {uri} says another")]
    Spiffe {
        /// The role of the extension.
        role: Role,
        /// The SPIFFE id.
        uri: String,
    },
    /// The certificate's extensions cannot be read.
    #[error("the certificate's extensions cannot be read: {0}")]
    Read(#[from] ReadError),
}

impl RoleError {
    /// The rule that is broken, with its stable code.
    pub const fn rule(&self) -> Rule {
        match self {
            Self::Unknown(_) => Rule::MtlsRoleNotAllowed,
            Self::Several(_) | Self::Spiffe { .. } => Rule::MtlsRoleAmbiguous,
            Self::Read(_) => Rule::Malformed,
        }
    }

    /// The stable code, as in JSON output.
    pub const fn code(&self) -> &'static str {
        self.rule().code()
    }
}

impl From<RoleError> for Refusal {
    fn from(error: RoleError) -> Self {
        Self::new(error.rule(), Detail::Name(error.to_string()))
    }
}

/// Why a rule or an option is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MappingError {
    /// No rule of this name.
    #[error(
        "there is no principal rule {0:?}: a rule is spiffe-uri, san-email, san-dns, common-name or \
         distinguished-name"
    )]
    UnknownRule(String),
    /// Not a domain.
    #[error("{0:?} is no domain to take off: write it like example.com, without a wildcard")]
    Domain(String),
    /// A distinguished name has no domain.
    #[error("the rule distinguished-name yields no name with a domain to take off")]
    NothingToStrip,
    /// A pattern that no certificate can match, or one that would match by accident.
    #[error("{pattern:?} is no pattern for {of}: {why}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// What it is a pattern for.
        of: &'static str,
        /// What would be right.
        why: &'static str,
    },
}

/// The first few values; a certificate may have hundreds.
fn shown(values: &[String]) -> String {
    const FEW: usize = 4;
    let few: Vec<_> = values.iter().take(FEW).map(|value| format!("{value:?}")).collect();
    let more = values.len().saturating_sub(FEW);
    if more == 0 { few.join(", ") } else { format!("{} and {more} more", few.join(", ")) }
}
