//! Whether the certificates of a path are revoked (RFC 5280 6.3, RFC 6960).

mod check;
mod crl;
mod ocsp;
mod revoked;
mod serials;

pub use crl::{Crl, CrlError};
pub use ocsp::OcspResponse;
pub use serials::SerialSet;

pub(crate) use crl::number_order;

use rustmq_pki::time::UnixTime;

/// What to do about certificates whose status nothing tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StatusPolicy {
    /// Every certificate but the anchor needs a status; unknown is refused.
    #[default]
    Required,
    /// Status is not looked at. The answer says so.
    NotChecked,
}

/// Where the status of certificates is looked up, and how strictly.
#[derive(Clone, Copy, Debug, Default)]
pub struct Revocation<'r> {
    /// The revocation lists.
    pub crls: &'r [Crl],
    /// The OCSP responses, given or stapled.
    pub ocsp: &'r [OcspResponse],
    /// The nonce that the responses must repeat, if the caller sent one.
    pub nonce: Option<&'r [u8]>,
    /// What an unknown status means.
    pub policy: StatusPolicy,
    /// For how many seconds after nextUpdate a list still counts; 0 unless configured. It never
    /// stands in for a list that is absent, and an answer that used it says so.
    pub grace: i64,
}

impl Unusable {
    /// Whether what such a list revokes is revoked, although it proves nothing good: one that does not
    /// keep to the profile, one that does not say until when it holds, and one that has expired while no
    /// newer one took its place.
    pub(crate) const fn may_still_revoke(&self) -> bool {
        matches!(self, Self::Profile(_) | Self::NoNextUpdate | Self::Expired(_))
    }
}

/// Why a source of revocation status did not count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unusable {
    /// There is none of the certificate's issuer and scope.
    #[error("no CRL or OCSP response covers it")]
    Absent,
    /// It is from the future.
    #[error("thisUpdate {0} lies in the future")]
    NotYetValid(UnixTime),
    /// The OCSP response says that it was made in the future.
    #[error("producedAt {0} lies in the future")]
    NotYetProduced(UnixTime),
    /// It is too old.
    #[error("nextUpdate {0} has passed")]
    Expired(UnixTime),
    /// It does not say when the next one comes.
    #[error("nextUpdate is missing")]
    NoNextUpdate,
    /// It has a critical extension that is unknown.
    #[error("a critical extension is unknown")]
    UnknownCriticalExtension,
    /// The list does not keep to the profile of RFC 5280 section 5.
    #[error("the CRL breaks a rule: {0}")]
    Profile(&'static str),
    /// Nobody who may sign it did.
    #[error("its signature does not verify under a key that may sign it")]
    Signature,
    /// Its signer's own status hangs on it.
    #[error("its signer's own status depends on it")]
    Circular,
    /// The responder does not know the certificate.
    #[error("the OCSP responder does not know the certificate")]
    UnknownToResponder,
    /// The nonce is missing or another.
    #[error("the OCSP response does not repeat the nonce of the request (RFC 9654)")]
    Nonce,
    /// It speaks of some reasons for revocation only.
    #[error("not every reason for revocation is covered")]
    ReasonsNotCovered,
    /// A delta CRL without the complete CRL that it adds to.
    #[error("a delta CRL without its base")]
    DeltaWithoutBase,
}
