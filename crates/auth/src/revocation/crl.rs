//! A revocation list, loaded: its header and the serial numbers that it lists.

use std::sync::OnceLock;

use rustmq_pki::der::tag;
use rustmq_pki::read::{
    CrlEntry, CrlRef, GeneralName, NameRef, ReadError, RevocationReason, SpkiRef,
};

use super::SerialSet;
use crate::error::Refusal;
use crate::path::names::same_name;
use crate::signature::{self, Dsa};

/// The bytes are no CRL that can be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CrlError {
    /// They are not a CRL.
    #[error("not a CRL: {0}")]
    Malformed(#[from] ReadError),
    /// An entry names its certificate's issuer by something else than one directory name.
    #[error("an entry's certificateIssuer is not a directory name (RFC 5280 5.3.3)")]
    CertificateIssuer,
}

/// The serial numbers that a list revokes for one issuer.
#[derive(Clone, Debug)]
struct Revoked {
    /// The name of the issuer; `None` for the signer of the list.
    issuer: Option<Box<[u8]>>,
    serials: SerialSet,
}

/// Serial numbers and reasons by issuer, while a list is read.
type Lists<'a> = Vec<(Option<&'a [u8]>, Vec<(&'a [u8], RevocationReason)>)>;

/// A CRL whose entries are kept as sets of serial numbers.
///
/// Its signature is verified once for a key, and remembered.
#[derive(Debug)]
pub struct Crl {
    der: Box<[u8]>,
    revoked: Vec<Revoked>,
    /// Whether an entry has a critical extension that is unknown: the list cannot be used then.
    unknown_critical: bool,
    /// The SubjectPublicKeyInfo that the signature was verified under.
    verified_under: OnceLock<Box<[u8]>>,
}

impl Crl {
    /// Loads a CRL; its signature is verified when it is first used.
    pub fn from_der(der: &[u8]) -> Result<Self, CrlError> {
        let crl = CrlRef::read(der)?;
        let mut unknown_critical = crl.known.unknown_critical.is_some();
        let mut lists: Lists<'_> = vec![(None, Vec::new())];
        let mut current = 0;
        for entry in crl.entries() {
            let entry = entry?;
            unknown_critical |= entry.unknown_critical.is_some();
            if let Some(issuer) = issuer_of(&entry)? {
                current = position(&mut lists, issuer.der);
            }
            let reason = entry.reason.unwrap_or(RevocationReason::Unspecified);
            lists[current].1.push((entry.serial.as_bytes(), reason));
        }
        let revoked = lists.into_iter().map(|(issuer, serials)| Revoked {
            issuer: issuer.map(Box::from),
            serials: SerialSet::new(serials),
        });
        let revoked = revoked.collect();
        let der = Box::from(der);
        Ok(Self { der, revoked, unknown_critical, verified_under: OnceLock::new() })
    }

    /// The list as it was loaded.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// How many certificates it lists.
    pub fn len(&self) -> usize {
        self.revoked.iter().map(|revoked| revoked.serials.len()).sum()
    }

    /// Whether it lists none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The header. It was read when the list was loaded, so that reading it again cannot fail.
    pub(crate) fn view(&self) -> Option<CrlRef<'_>> {
        CrlRef::read(&self.der).ok()
    }

    pub(crate) const fn has_unknown_critical(&self) -> bool {
        self.unknown_critical
    }

    /// Why the list revokes the certificate with this issuer and serial number, if it does.
    pub(crate) fn find(
        &self,
        signer: &NameRef<'_>,
        issuer: &NameRef<'_>,
        serial: &[u8],
    ) -> Option<RevocationReason> {
        self.revoked.iter().find_map(|revoked| {
            let same = match &revoked.issuer {
                None => same_name(signer, issuer),
                Some(der) => NameRef::from_der(der).is_ok_and(|name| same_name(&name, issuer)),
            };
            same.then(|| revoked.serials.find(serial)).flatten()
        })
    }

    /// Whether the signature is known to verify under `key`, so that checking it costs nothing.
    pub(crate) fn is_verified_under(&self, key: &SpkiRef<'_>) -> bool {
        self.verified_under.get().is_some_and(|verified| **verified == *key.der)
    }

    /// Verifies the signature under `key`; a DSA key may take its parameters from another.
    pub(crate) fn verify(
        &self,
        key: &SpkiRef<'_>,
        dsa: Dsa,
        parameters: Option<&SpkiRef<'_>>,
    ) -> Result<(), Refusal> {
        if self.is_verified_under(key) {
            return Ok(());
        }
        let Some(crl) = self.view() else {
            return Err(crate::error::Rule::SignatureInvalid.into());
        };
        if crl.signature_algorithm != crl.tbs_signature_algorithm {
            return Err(crate::error::Rule::SignatureAlgorithmMismatch.into());
        }
        let algorithm = &crl.signature_algorithm;
        signature::verify(algorithm, key, crl.tbs, crl.signature, dsa, parameters)?;
        // Another thread may have been first, with this key or, for a rolled key, another.
        let _ = self.verified_under.set(Box::from(key.der));
        Ok(())
    }
}

/// The issuer that an entry of an indirect CRL names for itself and those that follow.
fn issuer_of<'a>(entry: &CrlEntry<'a>) -> Result<Option<NameRef<'a>>, CrlError> {
    let Some(names) = entry.certificate_issuer else { return Ok(None) };
    let directory = names.iter().find_map(|name| match name {
        GeneralName::Directory(name) if name.der.first() == Some(&tag::SEQUENCE) => Some(name),
        _ => None,
    });
    directory.map(Some).ok_or(CrlError::CertificateIssuer)
}

fn position<'a>(lists: &mut Lists<'a>, issuer: &'a [u8]) -> usize {
    match lists.iter().position(|(held, _)| *held == Some(issuer)) {
        Some(at) => at,
        None => {
            lists.push((Some(issuer), Vec::new()));
            lists.len() - 1
        }
    }
}
