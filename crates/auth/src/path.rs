//! Path validation: RFC 5280 section 6 with the policy graph of RFC 9618.

mod checks;
mod constraints;
mod encoding;
pub(crate) mod names;
mod policy;
pub(crate) mod rules;
pub(crate) mod search;
mod text;
mod webpki;

pub use encoding::EncodingFault;
pub use names::ReferenceName;
pub use policy::PolicyInputs;
pub use rules::RuleSet;

use rustmq_pki::oid;
use rustmq_pki::read::CertificateRef;
use rustmq_pki::time::UnixTime;

/// What the leaf's key is to be used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// A TLS server (id-kp-serverAuth).
    Server,
    /// A TLS client (id-kp-clientAuth).
    Client,
    /// Whatever it says.
    #[default]
    Any,
}

impl Purpose {
    /// The extended key usage that it needs.
    pub(crate) const fn oid(self) -> Option<&'static [u8]> {
        match self {
            Self::Server => Some(oid::SERVER_AUTH),
            Self::Client => Some(oid::CLIENT_AUTH),
            Self::Any => None,
        }
    }

    /// The name on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Client => "client",
            Self::Any => "any",
        }
    }
}

/// On what terms a path is sought.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// The time for which the question is asked.
    pub at: UnixTime,
    /// The rule set.
    pub rules: RuleSet,
    /// The purpose of the leaf.
    pub purpose: Purpose,
    /// The most intermediates that are not self-issued between leaf and anchor; none: 32 in all.
    pub max_depth: Option<usize>,
    /// The inputs of policy processing.
    pub policy: PolicyInputs,
}

/// The most certificates between leaf and anchor. Published hierarchies have up to four.
pub(crate) const MAX_INTERMEDIATES: usize = 32;

/// A path that was verified: each certificate is signed by the next, the last by the anchor, and
/// every rule that was asked for holds. Only the validator makes one.
#[derive(Clone, Debug)]
pub struct VerifiedPath<'a> {
    certificates: Vec<CertificateRef<'a>>,
    anchor: CertificateRef<'a>,
}

impl<'a> VerifiedPath<'a> {
    /// The line that vouches for a path: called by the search alone, after the last check.
    fn assertion(certificates: Vec<CertificateRef<'a>>, anchor: CertificateRef<'a>) -> Self {
        Self { certificates, anchor }
    }

    /// The certificate that the question was about.
    pub fn leaf(&self) -> &CertificateRef<'a> {
        &self.certificates[0]
    }

    /// The certificates from the leaf to the one that the anchor signed.
    pub fn certificates(&self) -> &[CertificateRef<'a>] {
        &self.certificates
    }

    /// The certificate in which the anchor's name and key came.
    pub const fn anchor(&self) -> &CertificateRef<'a> {
        &self.anchor
    }

    /// From when until when every certificate of the path is valid; the anchor is not counted.
    pub fn window(&self) -> (UnixTime, UnixTime) {
        self.certificates.iter().fold((UnixTime::MIN, UnixTime::MAX), |(from, to), certificate| {
            let validity = certificate.validity;
            (from.max(validity.not_before.at), to.min(validity.not_after.at))
        })
    }
}
