//! Profiles: what a certificate of each role may contain, and the gate that every request passes.

mod builtin;
mod file;
mod gate;
mod refusal;

use std::collections::BTreeMap;

use crate::constraints::NameConstraints;
use crate::fields::{Fields, Purpose};
use crate::issuer::IssuingCa;
use crate::key::{Fingerprint, KeyType};
use crate::lint::{LintError, Linted};
use crate::name::{SanKind, SubjectAltName};
use crate::role::Role;
use crate::time::UnixTime;

pub use file::ProfileError;
pub(crate) use gate::MAX_SANS;
pub use refusal::Refusal;

/// What certificates of one kind may contain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    name: String,
    kind: ProfileKind,
    /// Bit `n` of the ASN.1 definition is bit `n` here.
    key_usage: u16,
    extended_key_usage: Vec<Purpose>,
    validity_days: u32,
    max_validity_days: Option<u32>,
    keys: Vec<KeyType>,
    san: Vec<SanKind>,
    principal_patterns: Vec<String>,
    san_patterns: BTreeMap<SanKind, Vec<String>>,
    crl_distribution_points: bool,
    authority_info_access: bool,
    /// Dotted decimals.
    policies: Vec<String>,
    ocsp_no_check: bool,
}

/// Whom a profile is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProfileKind {
    /// Self-signed CAs.
    RootCa {
        /// How many CA certificates may follow; `None` for any number.
        path_len: Option<u8>,
    },
    /// CAs under another.
    IntermediateCa {
        /// How many CA certificates may follow, where the request does not say.
        path_len: Option<u8>,
        /// Constraints that every CA of this profile gets.
        constraints: NameConstraints,
    },
    /// Peers with a role.
    EndEntity(Role),
    /// OCSP responders (RFC 6960 4.2.2.2), which are no peers and have no role.
    OcspResponder,
}

/// How long a certificate is to be valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// As long as the profile says, shortened where the issuer ends earlier.
    Default,
    /// This many days from now, or not at all.
    Days(i64),
}

/// Who signs.
#[derive(Clone, Copy, Debug)]
pub enum IssuedBy<'a> {
    /// The subject itself: a root.
    Itself,
    /// This CA.
    Ca(&'a IssuingCa),
}

/// The circumstances of a request.
#[derive(Clone, Copy, Debug)]
pub struct Terms<'a> {
    /// Who signs.
    pub issued_by: IssuedBy<'a>,
    /// The time.
    pub now: UnixTime,
    /// How many seconds before `now` the certificate becomes valid, for peers whose clocks are slow.
    pub backdate_seconds: i64,
    /// How long it is to be valid.
    pub validity: Validity,
}

/// Something that the requester should know about what was admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Note {
    /// No subject alternative name was asked for, so the principal became one.
    SanFromPrincipal(SubjectAltName),
    /// The issuer, or a CA above it, ends before the profile's default validity would.
    ShortenedToIssuer {
        /// The last second by default.
        default: UnixTime,
        /// The last second that it has instead: that of the CA that ends first.
        not_after: UnixTime,
    },
    /// Something in the PKCS#10 request that the certificate will not have, in words.
    Overridden(String),
    /// Something that the certificate will have beyond what the PKCS#10 request asked for, in words.
    Added(String),
    /// The issuing CA publishes no status, so the certificate says nowhere where to ask.
    NoStatusAddresses,
}

impl std::fmt::Display for Note {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::SanFromPrincipal(san) => write!(f, "{san} was taken from the principal"),
            Self::ShortenedToIssuer { default, not_after } => {
                write!(
                    f,
                    "valid until {not_after}, when the issuer or a CA above it ends, instead of {default}"
                )
            }
            Self::Overridden(what) => write!(f, "left out, as the profile decides: {what}"),
            Self::Added(what) => write!(f, "as the profile gives, beyond what was asked: {what}"),
            Self::NoStatusAddresses => f.write_str(
                "no CRL or OCSP address: the issuing CA has no base URL, and none can be added to \
                 certificates later",
            ),
        }
    }
}

/// A request that passed the gate, as the fields of the certificate that it will be.
#[derive(Clone, Debug)]
pub struct Admitted {
    fields: Fields,
    notes: Vec<Note>,
}

impl Admitted {
    /// What the requester should know.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }

    /// The notes, for a caller who is about to lint the rest.
    pub fn take_notes(&mut self) -> Vec<Note> {
        std::mem::take(&mut self.notes)
    }

    /// Checks the rules of RFC 5280 over the final fields.
    pub fn lint(self) -> Result<Linted, LintError> {
        Linted::check(self)
    }

    pub(crate) fn into_fields(self) -> Fields {
        self.fields
    }
}

impl Profile {
    /// The profile's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whom it is for.
    pub fn kind(&self) -> &ProfileKind {
        &self.kind
    }

    /// The role that its certificates state.
    pub fn role(&self) -> Option<Role> {
        match self.kind {
            ProfileKind::EndEntity(role) => Some(role),
            _ => None,
        }
    }

    /// Whether its certificates are CAs'.
    pub fn is_ca(&self) -> bool {
        matches!(self.kind, ProfileKind::RootCa { .. } | ProfileKind::IntermediateCa { .. })
    }

    /// Whether its certificates serve TLS, so that clients look for a name in them.
    pub fn is_server(&self) -> bool {
        self.extended_key_usage.contains(&Purpose::ServerAuth)
    }

    /// Days of validity where the request does not say.
    pub fn validity_days(&self) -> u32 {
        self.validity_days
    }

    /// Key types that it admits.
    pub fn keys(&self) -> &[KeyType] {
        &self.keys
    }

    /// A digest of all that it says: two profiles with the same version admit the same.
    pub fn version(&self) -> Fingerprint {
        Fingerprint::of(self.to_toml().as_bytes())
    }
}
