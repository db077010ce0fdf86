//! CRLs that are newer than a backup.

use std::fmt::Display;

use rustmq_pki::crl::{CertificateRevocationList, RevocationReason, RevokedCertificate};
use rustmq_pki::read::{CrlEntry, CrlRef};
use rustmq_pki::serial::SerialNumber;
use rustmq_pki::time::UnixTime;

use super::BackupError;
use super::survey::{Survey, SurveyedCa};
use crate::info::RevokedCa;
use crate::store::merge::LaterCrl;

/// The largest CRL number that leaves room for those after it: those of today are below 2^51.
const LARGEST_NUMBER: u64 = 1 << 62;

/// A CRL as a caller gives it.
#[derive(Clone, Debug)]
pub struct GivenCrl {
    /// How messages call it: its file's name.
    pub name: String,
    /// The DER.
    pub der: Vec<u8>,
}

impl GivenCrl {
    fn unusable(&self, detail: &dyn Display) -> BackupError {
        BackupError::NotACrl { name: self.name.clone(), detail: detail.to_string() }
    }

    /// Reads it and finds the CA that signed it.
    pub(crate) fn read(&self, survey: &Survey) -> Result<LaterCrl, BackupError> {
        let view = CrlRef::read(&self.der).map_err(|error| self.unusable(&error))?;
        let known = &view.known;
        if known.delta_base.is_some()
            || known.distribution_point.is_some()
            || known.unknown_critical.is_some()
        {
            return Err(
                self.unusable(&"it is a delta or a partial list, or has what is not known here")
            );
        }
        let ca = survey.cas.iter().find(|ca| ca.signed(&view)).ok_or_else(|| {
            BackupError::ForeignCrl { name: self.name.clone(), issuer: view.issuer.to_string() }
        })?;
        let crl = CertificateRevocationList::from_der(&self.der)
            .map_err(|error| self.unusable(&error))?;
        if crl.number() > LARGEST_NUMBER {
            return Err(self.unusable(&"no number could follow its own"));
        }
        let revoked = view
            .entries()
            .map(|entry| self.entry(&entry.map_err(|error| self.unusable(&error))?))
            .collect::<Result<Vec<_>, _>>()?;
        let ends = ca.certificates.iter().map(|c| c.not_after()).max();
        Ok(LaterCrl {
            authority: ca.row.number,
            ca_id: ca.row.id.clone(),
            ends: ends.unwrap_or(UnixTime::MAX),
            crl,
            revoked,
        })
    }

    fn entry(&self, entry: &CrlEntry<'_>) -> Result<RevokedCertificate, BackupError> {
        let is_plain = entry.certificate_issuer.is_none()
            && entry.unknown_critical.is_none()
            && !entry.serial.is_negative()
            && entry.reason != Some(RevocationReason::RemoveFromCrl);
        if !is_plain {
            return Err(self.unusable(&"an entry is none of a complete list"));
        }
        let serial = SerialNumber::from_bytes(entry.serial.magnitude());
        Ok(RevokedCertificate {
            serial: serial.map_err(|error| self.unusable(&error))?,
            revoked_at: entry.revoked_at,
            reason: entry.reason,
            invalidity_date: entry.invalidity_date,
        })
    }
}

/// The CAs of a path that a list revokes, whatever the store says of itself: it may be a forged one, with a
/// list of its own that claims to be later. A hold may be over; what the store says of that counts.
pub(crate) fn revoked_by(lists: &[(String, LaterCrl)], path: &[&SurveyedCa]) -> Vec<RevokedCa> {
    let hold = Some(RevocationReason::CertificateHold);
    let mut found = Vec::new();
    for ca in path {
        let of_issuer = lists.iter().filter(|(_, list)| Some(list.authority) == ca.row.parent);
        let entries = of_issuer.flat_map(|(_, list)| &list.revoked);
        let of_ca = |entry: &&RevokedCertificate| {
            entry.reason != hold && ca.certificates.iter().any(|c| c.serial() == entry.serial)
        };
        found.extend(entries.filter(of_ca).map(|entry| RevokedCa {
            ca_id: ca.row.id.clone(),
            reason: entry.reason.unwrap_or(RevocationReason::Unspecified),
            revoked_at: entry.revoked_at,
            invalidity_date: entry.invalidity_date,
        }));
    }
    found
}
