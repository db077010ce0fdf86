//! Why the gate refuses a request.

use crate::constraints::Subtree;
use crate::key::KeyType;
use crate::name::{SanKind, SubjectAltName};
use crate::time::UnixTime;

/// A rule that a request broke at the gate. Displays as one sentence; [`Refusal::help`] says what
/// would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// A CA's request at an end entity's profile, or the reverse.
    #[error("the profile {profile} is not for {subject}")]
    WrongKind {
        /// The profile.
        profile: String,
        /// What the request is for.
        subject: &'static str,
    },
    /// A key type that the profile does not list.
    #[error("the profile {profile} does not take {key_type} keys")]
    KeyType {
        /// The profile.
        profile: String,
        /// What was asked for.
        key_type: KeyType,
        /// What the profile lists.
        allowed: Vec<KeyType>,
    },
    /// A principal outside the profile's patterns.
    #[error("the profile {profile} does not take the principal {principal:?}")]
    Principal {
        /// The profile.
        profile: String,
        /// What was asked for.
        principal: String,
        /// What the profile lists.
        patterns: Vec<String>,
    },
    /// A server without a name that its clients could look for.
    #[error(
        "a {profile} certificate needs a DNS name or an IP address, and {principal:?} is {described}"
    )]
    ServerWithoutName {
        /// The profile.
        profile: String,
        /// The principal.
        principal: String,
        /// What the principal is instead.
        described: &'static str,
    },
    /// A name of a form that the profile does not list.
    #[error("the profile {profile} does not take {} as subject alternative name: {san}", san.kind().described())]
    SanKind {
        /// The profile.
        profile: String,
        /// What was asked for.
        san: SubjectAltName,
        /// What the profile lists.
        allowed: Vec<SanKind>,
    },
    /// A name outside the profile's patterns.
    #[error("the profile {profile} does not take the name {san}")]
    SanPattern {
        /// The profile.
        profile: String,
        /// What was asked for.
        san: SubjectAltName,
        /// What the profile lists for this form.
        patterns: Vec<String>,
    },
    /// A name twice.
    #[error("the subject alternative name {0} is given twice")]
    SanTwice(SubjectAltName),
    /// More names than a certificate of ours holds.
    #[error("{0} subject alternative names are given; at most 100 are taken")]
    TooManySans(usize),
    /// A SPIFFE identity was asked for.
    #[error(
        "{0} is a SPIFFE identity: those come from the CA's trust domain, role and principal only"
    )]
    SpiffeIdAsked(SubjectAltName),
    /// A second URI.
    #[error("a certificate has at most one URI, and two would stand here: {0} and {1}")]
    SecondUri(SubjectAltName, SubjectAltName),
    /// A name outside the name constraints of the CA or of one above it.
    #[error("{0} lies outside the name constraints of the issuing CA (RFC 5280 4.2.1.10)")]
    NameConstraints(SubjectAltName),
    /// The issuer's own name: who relies on names could not tell the two apart.
    #[error("the subject {0} is the issuer's own name, which only the issuer itself has")]
    SubjectIsIssuer(String),
    /// Name constraints that would permit what the profile's or the issuer's do not.
    #[error("the name constraint {0} permits names that the profile or a CA above does not")]
    WiderConstraints(Subtree),
    /// An extendedKeyUsage wider than the profile's.
    #[error(
        "the request asks for the extended key usage {oid}, which profile {profile} does not give"
    )]
    ExtendedKeyUsage {
        /// The profile.
        profile: String,
        /// Dotted decimals.
        oid: String,
    },
    /// Zero or fewer days.
    #[error("a validity of {0} days is none: give 1 or more")]
    ValidityNotPositive(i64),
    /// Past the year 9999.
    #[error("a validity of {0} days ends after the year 9999, which X.509 cannot write")]
    ValidityBeyondCalendar(i64),
    /// More than the profile's most.
    #[error("a validity of {days} days is more than the {most} that the profile {profile} allows")]
    ValidityBeyondProfile {
        /// The profile.
        profile: String,
        /// What was asked for.
        days: i64,
        /// The most allowed.
        most: u32,
    },
    /// Past the end of the issuer, or of a CA above it.
    #[error(
        "the certificate would be valid until {not_after}, but its issuer only until {issuer}, by its \
         own end or that of a CA above it"
    )]
    ValidityBeyondIssuer {
        /// What was asked for.
        not_after: UnixTime,
        /// The last second of the issuer and of all CAs above it.
        issuer: UnixTime,
    },
    /// The default would have to be shortened by more than half.
    #[error(
        "the issuer, or a CA above it, ends on {issuer}, so that less than half of the profile's {days} \
         days would be left"
    )]
    IssuerEndsTooSoon {
        /// The last second of the issuer and of all CAs above it.
        issuer: UnixTime,
        /// The profile's default.
        days: u32,
    },
    /// The issuer, or a CA above it, is no longer valid.
    #[error("the issuing CA, or one above it, expired on {0}")]
    IssuerExpired(UnixTime),
    /// The issuer is not valid yet.
    #[error("the issuing CA is not valid before {0}")]
    IssuerNotYetValid(UnixTime),
    /// The issuer may not sign CAs, or not with so long a path below.
    #[error("{issuer:?} may not sign this CA: its path length is {limit} (RFC 5280 4.2.1.9)")]
    PathLength {
        /// The issuing CA's common name.
        issuer: String,
        /// Its path length.
        limit: u8,
    },
    /// A wildcard as a client's identity helps nobody but an impostor.
    #[error("{0} is a wildcard, which only a server certificate may have")]
    WildcardWithoutServer(SubjectAltName),
}

impl Refusal {
    /// A stable code for machines.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::WrongKind { .. } => "profile_kind",
            Self::KeyType { .. } => "key_type_not_allowed",
            Self::Principal { .. } => "principal_not_allowed",
            Self::ServerWithoutName { .. } => "server_name_missing",
            Self::SanKind { .. } => "san_kind_not_allowed",
            Self::SanPattern { .. } => "san_not_allowed",
            Self::SanTwice(_) => "san_twice",
            Self::TooManySans(_) => "too_many_sans",
            Self::SpiffeIdAsked(_) => "spiffe_id_asked",
            Self::SubjectIsIssuer(_) => "subject_is_issuer",
            Self::WiderConstraints(_) => "wider_constraints",
            Self::SecondUri(..) => "second_uri",
            Self::NameConstraints(_) => "name_constraints",
            Self::ExtendedKeyUsage { .. } => "extended_key_usage",
            Self::ValidityNotPositive(_) => "validity_not_positive",
            Self::ValidityBeyondCalendar(_) => "validity_beyond_calendar",
            Self::ValidityBeyondProfile { .. } => "validity_beyond_profile",
            Self::ValidityBeyondIssuer { .. } => "validity_beyond_issuer",
            Self::IssuerEndsTooSoon { .. } => "issuer_ends_too_soon",
            Self::IssuerExpired(_) => "issuer_expired",
            Self::IssuerNotYetValid(_) => "issuer_not_yet_valid",
            Self::PathLength { .. } => "path_length",
            Self::WildcardWithoutServer(_) => "wildcard_without_server",
        }
    }

    /// What would be right, where there is something to say.
    pub fn help(&self) -> Option<String> {
        let list = |items: &[String]| items.join(", ");
        Some(match self {
            Self::KeyType { allowed, .. } => {
                let names: Vec<_> = allowed.iter().map(|key| key.to_string()).collect();
                format!("it takes {}", list(&names))
            }
            Self::Principal { patterns, .. } | Self::SanPattern { patterns, .. } => {
                format!("it takes {}", list(patterns))
            }
            Self::ServerWithoutName { .. } => {
                "give one with --san, for example  --san dns:broker-01.example.com; for an \
                 application use  --role client"
                    .to_owned()
            }
            Self::SanKind { allowed, .. } if allowed.is_empty() => {
                "it takes none: leave --san out".to_owned()
            }
            Self::SanKind { allowed, .. } => {
                let kinds: Vec<_> = allowed.iter().map(|k| k.described().to_owned()).collect();
                format!("it takes {}", list(&kinds))
            }
            Self::ValidityBeyondIssuer { issuer, .. } => {
                format!(
                    "give fewer days, so that it ends by {issuer}, or renew the CA that ends first"
                )
            }
            Self::IssuerEndsTooSoon { .. } | Self::IssuerExpired(_) => {
                "renew the CA that ends first (ca tree, ca renew), or issue under another"
                    .to_owned()
            }
            Self::PathLength { .. } => {
                "create it under a CA higher up, or issue a new intermediate with --path-len 1"
                    .to_owned()
            }
            _ => return None,
        })
    }
}
