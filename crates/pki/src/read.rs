//! Borrowed views of certificates, CRLs and requests.
//!
//! A view is made from DER in one pass, holds slices of it, and copies and allocates nothing. What
//! is cheap and always needed is read at once; extensions are read by [`Extensions::known`], CRL
//! entries by an iterator. A view says what the bytes hold, not whether that is right: signatures,
//! dates, names and policy are the validator's business.
//!
//! ```
//! use rustmq_pki::read::CertificateRef;
//!
//! fn subject(der: &[u8]) -> Result<String, rustmq_pki::read::ReadError> {
//!     let certificate = CertificateRef::read(der)?;
//!     let known = certificate.extensions.known()?;
//!     let is_ca = known.basic_constraints.is_some_and(|constraints| constraints.value.ca);
//!     Ok(format!("{} (CA: {is_ca})", certificate.subject))
//! }
//! ```

mod certificate;
mod crl;
mod extensions;
mod general_name;
mod known;
mod name;
mod ocsp;
mod request;

pub use certificate::{AlgorithmRef, CertificateRef, SpkiRef, Validity, Version};
pub use crl::{
    CrlEntries, CrlEntry, CrlExtensions, CrlRef, IssuingDistributionPoint, RevocationReason,
};
pub use extensions::{
    AccessDescription, AuthorityKeyIdentifier, BasicConstraints, DirectoryAttribute,
    DistributionPoint, DistributionPointName, Extension, Extensions, GeneralSubtree, KeyUsage,
    NameConstraints, PolicyConstraints, PolicyInformation, PolicyMapping, ROLE_URN_PREFIX,
    ReasonFlags, role_names,
};
pub use general_name::{GeneralName, GeneralNames};
pub use known::{Known, KnownExtensions};
pub use name::{Attribute, NameRef, Rdn};
pub use ocsp::{CertStatus, OcspRef, ResponderId, SingleResponse};
pub use request::{RequestAttribute, RequestRef};

use crate::der::DerError;

/// The bytes are not the structure that they should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// A field is malformed.
    #[error("{field}: {source}")]
    Field {
        /// The field, as the standard's ASN.1 names it.
        field: &'static str,
        /// What is wrong with its bytes.
        source: DerError,
    },
    /// The version is none that the standard defines.
    #[error("version: {found} is not a version that this structure has")]
    Version {
        /// The encoded number (0 is v1); `u64::MAX` if it does not fit.
        found: u64,
    },
    /// An extension occurs twice (RFC 5280 4.2).
    #[error("the extension {oid} occurs more than once (RFC 5280 4.2 allows one)")]
    DuplicateExtension {
        /// The extension's identifier, as dotted decimals.
        oid: String,
    },
    /// More extensions than [`MAX_EXTENSIONS`].
    #[error("more than {MAX_EXTENSIONS} extensions")]
    TooManyExtensions,
    /// An OCSP response that says why it says nothing (RFC 6960 4.2.1).
    #[error("responseStatus: the responder answered with the error {status}")]
    OcspStatus {
        /// The code: 1 malformedRequest, 2 internalError, 3 tryLater, 5 sigRequired, 6 unauthorized.
        status: u8,
    },
    /// More bytes than the structure may have here.
    #[error("{found} bytes, where at most {limit} are read")]
    TooLarge {
        /// The size of the input in bytes.
        found: usize,
        /// The limit in bytes.
        limit: usize,
    },
}

/// The most extensions of one certificate, CRL or CRL entry. Published certificates hold up to 20;
/// the search for duplicates is quadratic, and at 64 takes some microseconds.
pub const MAX_EXTENSIONS: usize = 64;

/// The largest certificate or request that is read, in bytes. An ML-DSA-87 certificate has 8 kB, one
/// with 2,000 names some 100 kB.
pub const MAX_CERTIFICATE_SIZE: usize = 512 * 1024;

/// Says which field an error is in.
trait InField<T> {
    fn field(self, field: &'static str) -> Result<T, ReadError>;
}

impl<T> InField<T> for Result<T, DerError> {
    fn field(self, field: &'static str) -> Result<T, ReadError> {
        self.map_err(|source| ReadError::Field { field, source })
    }
}

fn within(der: &[u8], limit: usize) -> Result<(), ReadError> {
    if der.len() > limit {
        return Err(ReadError::TooLarge { found: der.len(), limit });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
