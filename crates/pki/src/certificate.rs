//! A certificate as an owned value.

use std::fmt;
use std::sync::OnceLock;

use crate::key::{Fingerprint, KeyError, PublicKey};
use crate::read::{CertificateRef, ReadError};
use crate::serial::{SerialError, SerialNumber};
use crate::time::UnixTime;

/// PEM label of a certificate (RFC 7468 5).
const CERTIFICATE: &str = "CERTIFICATE";

/// A well-formed X.509 certificate: its DER, and what is asked of it most.
#[derive(Clone)]
pub struct Certificate {
    der: Vec<u8>,
    serial: SerialNumber,
    not_before: UnixTime,
    not_after: UnixTime,
    /// Computed when it is first asked for: a batch asks three times.
    fingerprint: OnceLock<Fingerprint>,
}

impl PartialEq for Certificate {
    fn eq(&self, other: &Self) -> bool {
        self.der == other.der
    }
}

impl Eq for Certificate {}

/// Why bytes are no certificate.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// Not PEM with the label CERTIFICATE.
    #[error("this is no PEM certificate (-----BEGIN CERTIFICATE-----)")]
    NotPem,
    /// The DER is not that of a certificate.
    #[error("this is no well-formed certificate: {0}")]
    Malformed(#[from] ReadError),
    /// A serial number that is negative, zero or too long.
    #[error("its serial number is not usable: {0}")]
    Serial(#[from] SerialError),
}

impl Certificate {
    /// Reads DER; bytes after it are an error.
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        let view = CertificateRef::read(der)?;
        if view.serial.is_negative() {
            return Err(SerialError::NotPositive.into());
        }
        Ok(Self {
            serial: SerialNumber::from_bytes(view.serial.magnitude())?,
            not_before: view.validity.not_before.at,
            not_after: view.validity.not_after.at,
            der: der.to_vec(),
            fingerprint: OnceLock::new(),
        })
    }

    /// Reads one PEM certificate.
    pub fn from_pem(pem: &str) -> Result<Self, CertificateError> {
        match pem_rfc7468::decode_vec(pem.as_bytes()) {
            Ok((CERTIFICATE, der)) => Self::from_der(&der),
            _ => Err(CertificateError::NotPem),
        }
    }

    /// A certificate that was just assembled and signed here.
    pub(crate) fn assembled(
        der: Vec<u8>,
        serial: SerialNumber,
        (not_before, not_after): (UnixTime, UnixTime),
    ) -> Self {
        Self { der, serial, not_before, not_after, fingerprint: OnceLock::new() }
    }

    /// The DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The PEM, with a line feed at each line's end.
    pub fn to_pem(&self) -> String {
        pem(CERTIFICATE, &self.der)
    }

    /// Every field of it, read in place.
    #[expect(clippy::missing_panics_doc, reason = "the constructors read the same bytes")]
    pub fn view(&self) -> CertificateRef<'_> {
        CertificateRef::read(&self.der).expect("a Certificate is well-formed")
    }

    /// The serial number.
    pub fn serial(&self) -> SerialNumber {
        self.serial
    }

    /// SHA-256 of the DER.
    pub fn fingerprint(&self) -> Fingerprint {
        *self.fingerprint.get_or_init(|| Fingerprint::of(&self.der))
    }

    /// The first second of its validity.
    pub fn not_before(&self) -> UnixTime {
        self.not_before
    }

    /// The last second of its validity.
    pub fn not_after(&self) -> UnixTime {
        self.not_after
    }

    /// The public key, where it is of a supported type.
    pub fn public_key(&self) -> Result<PublicKey, KeyError> {
        PublicKey::from_spki(self.view().spki.der)
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Certificate(serial {}, sha256 {})", self.serial, self.fingerprint())
    }
}

/// `der` as PEM under `label`. Labels are constants of this crate, so encoding cannot fail.
pub(crate) fn pem(label: &str, der: &[u8]) -> String {
    pem_rfc7468::encode_string(label, pem_rfc7468::LineEnding::LF, der)
        .expect("a constant label and a size in memory")
}
