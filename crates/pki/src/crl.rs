//! Certificate revocation lists (RFC 5280 5), as an issuing CA makes them.

use std::fmt;
use std::str::FromStr;

use crate::certificate::pem;
use crate::der::tag;
use crate::encode::Encoder;
use crate::fields::{Criticality, extension};
use crate::key::KeyType;
use crate::oid;
use crate::read::{CrlRef, ReadError};
use crate::serial::SerialNumber;
use crate::time::UnixTime;

pub use crate::read::RevocationReason;

/// PEM label of a CRL (RFC 7468 6).
const X509_CRL: &str = "X509 CRL";

/// One entry: a certificate that is not to be trusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevokedCertificate {
    /// Its serial number.
    pub serial: SerialNumber,
    /// When it was revoked.
    pub revoked_at: UnixTime,
    /// Why; `None` and unspecified leave the reason code out (RFC 5280 5.3.1).
    pub reason: Option<RevocationReason>,
    /// When its key is known or suspected to have fallen into other hands (RFC 5280 5.3.2).
    pub invalidity_date: Option<UnixTime>,
}

/// What a CRL will say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CrlContents {
    /// The CRL number: larger than any before it of the same CA (RFC 5280 5.2.3).
    pub number: u64,
    /// The first second of its validity.
    pub this_update: UnixTime,
    /// When the next one will be there at the latest.
    pub next_update: UnixTime,
    /// The entries.
    pub revoked: Vec<RevokedCertificate>,
}

/// CRL contents that RFC 5280 does not allow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CrlContentsError {
    /// thisUpdate is not before nextUpdate, or a time has no GeneralizedTime.
    #[error("the CRL's times are out of order or out of the calendar (RFC 5280 5.1.2.4)")]
    Times,
    /// removeFromCRL on a complete CRL.
    #[error("removeFromCRL stands in delta CRLs only (RFC 5280 5.3.1)")]
    RemoveFromCrl,
}

impl CrlContents {
    /// Whether RFC 5280 allows them.
    pub(crate) fn check(&self) -> Result<(), CrlContentsError> {
        let in_calendar = |time: UnixTime| (UnixTime::MIN..=UnixTime::MAX).contains(&time);
        let entries_ok = self.revoked.iter().all(|entry| {
            in_calendar(entry.revoked_at) && entry.invalidity_date.is_none_or(in_calendar)
        });
        let updates_ok = in_calendar(self.this_update) && in_calendar(self.next_update);
        if !entries_ok || !updates_ok || self.this_update >= self.next_update {
            return Err(CrlContentsError::Times);
        }
        let removes =
            |entry: &RevokedCertificate| entry.reason == Some(RevocationReason::RemoveFromCrl);
        match self.revoked.iter().any(removes) {
            true => Err(CrlContentsError::RemoveFromCrl),
            false => Ok(()),
        }
    }

    /// The DER of the TBSCertList.
    pub(crate) fn to_be_signed(&self, key: KeyType, issuer: &[u8], key_id: &[u8]) -> Vec<u8> {
        // An entry takes some 45 octets.
        let mut encoder = Encoder::with_capacity(256 + issuer.len() + 48 * self.revoked.len());
        encoder.nested(tag::SEQUENCE, |tbs| {
            tbs.unsigned(&[1]); // v2
            tbs.raw(key.signature_algorithm()).raw(issuer);
            tbs.time(self.this_update).time(self.next_update);
            // RFC 5280 5.1.2.6: the list is absent where there is nothing to list.
            if !self.revoked.is_empty() {
                tbs.nested(tag::SEQUENCE, |list| {
                    self.revoked.iter().for_each(|entry| entry.encode(list));
                });
            }
            tbs.nested(tag::context_constructed(0), |explicit| {
                explicit.nested(tag::SEQUENCE, |extensions| {
                    extension(extensions, oid::AUTHORITY_KEY_IDENTIFIER, Criticality::Not, |v| {
                        v.nested(tag::SEQUENCE, |aki| _ = aki.value(tag::context(0), key_id));
                    });
                    extension(extensions, oid::CRL_NUMBER, Criticality::Not, |v| {
                        v.unsigned(&self.number.to_be_bytes());
                    });
                });
            });
        });
        encoder.into_bytes()
    }
}

impl RevokedCertificate {
    fn encode(&self, list: &mut Encoder) {
        let reason = self.reason.filter(|reason| *reason != RevocationReason::Unspecified);
        list.nested(tag::SEQUENCE, |entry| {
            entry.unsigned(self.serial.as_bytes()).time(self.revoked_at);
            if reason.is_none() && self.invalidity_date.is_none() {
                return;
            }
            entry.nested(tag::SEQUENCE, |extensions| {
                if let Some(reason) = reason {
                    extension(extensions, oid::REASON_CODE, Criticality::Not, |value| {
                        value.value(tag::ENUMERATED, &[reason.code()]);
                    });
                }
                if let Some(date) = self.invalidity_date {
                    extension(extensions, oid::INVALIDITY_DATE, Criticality::Not, |value| {
                        value.generalized_time(date);
                    });
                }
            });
        });
    }
}

/// A signed CRL.
#[derive(Clone, PartialEq, Eq)]
pub struct CertificateRevocationList {
    der: Vec<u8>,
    number: u64,
    this_update: UnixTime,
    next_update: UnixTime,
}

/// Why bytes are no CRL of ours.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CrlError {
    /// Broken DER.
    #[error("this is no well-formed CRL: {0}")]
    Malformed(#[from] ReadError),
    /// Without the fields that RFC 5280 5.1.2.5 and 5.2.3 want.
    #[error("the CRL has no nextUpdate, or no number that fits 64 bits")]
    Incomplete,
}

impl CertificateRevocationList {
    /// Reads DER; bytes after it are an error.
    pub fn from_der(der: &[u8]) -> Result<Self, CrlError> {
        let view = CrlRef::read(der)?;
        let (number, _) = view.known.number.ok_or(CrlError::Incomplete)?;
        Ok(Self {
            number: number.to_u64().ok_or(CrlError::Incomplete)?,
            this_update: view.this_update.at,
            next_update: view.next_update.ok_or(CrlError::Incomplete)?.at,
            der: der.to_vec(),
        })
    }

    pub(crate) fn assembled(der: Vec<u8>, contents: &CrlContents) -> Self {
        let CrlContents { number, this_update, next_update, .. } = *contents;
        Self { der, number, this_update, next_update }
    }

    /// The DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The PEM, with a line feed at each line's end.
    pub fn to_pem(&self) -> String {
        pem(X509_CRL, &self.der)
    }

    /// The CRL number.
    pub fn number(&self) -> u64 {
        self.number
    }

    /// The first second of its validity.
    pub fn this_update(&self) -> UnixTime {
        self.this_update
    }

    /// When the next one will be there at the latest.
    pub fn next_update(&self) -> UnixTime {
        self.next_update
    }
}

impl fmt::Debug for CertificateRevocationList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CertificateRevocationList(number {}, {} octets)", self.number, self.der.len())
    }
}

/// No reason that an operator may give has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no revocation reason {0:?}: give unspecified, key-compromise, ca-compromise, \
     affiliation-changed, superseded, cessation-of-operation, certificate-hold, \
     privilege-withdrawn or aa-compromise"
)]
pub struct UnknownReason(pub String);

impl FromStr for RevocationReason {
    type Err = UnknownReason;

    /// Takes `key-compromise` and `keyCompromise` alike. `removeFromCRL` is no reason to revoke: it
    /// stands in delta CRLs only.
    fn from_str(text: &str) -> Result<Self, UnknownReason> {
        let plain = |name: &str| name.replace(['-', '_'], "").to_ascii_lowercase();
        (0..=10)
            .filter_map(Self::from_code)
            .filter(|reason| *reason != Self::RemoveFromCrl)
            .find(|reason| plain(reason.name()) == plain(text))
            .ok_or_else(|| UnknownReason(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_by_both_spellings() {
        for (text, code) in [
            ("key-compromise", 1),
            ("keyCompromise", 1),
            ("cACompromise", 2),
            ("ca-compromise", 2),
            ("aa-compromise", 10),
            ("unspecified", 0),
            ("certificate-hold", 6),
        ] {
            assert_eq!(text.parse::<RevocationReason>().unwrap().code(), code, "{text}");
        }
        assert!("removeFromCRL".parse::<RevocationReason>().is_err());
        assert!("whim".parse::<RevocationReason>().is_err());
    }
}
