//! The rows of records that speak of a slice.

use rusqlite::{Connection, OptionalExtension, Row};
use rustmq_pki::certificate::Certificate;
use rustmq_pki::hex;
use rustmq_pki::key::Fingerprint;

use crate::batch::MOST_SLICE_ROWS;
use crate::info::AuditRecord;
use crate::store::fault::Fault;
use crate::store::key_holders::key_hash_of;
use crate::store::slice_rows::{self, Commits, CommittedRow, ReservedRow, commitment};

/// What a record commits to, as it is found now.
enum Found {
    /// Reserved, and never complete so far.
    Reserved(Vec<ReservedRow>),
    /// Certificates, in order. One that is missing or cannot be read leaves the rest.
    Certificates(Vec<CertificateFound>),
}

/// A certificate with the columns that tell of it.
struct CertificateFound {
    role: i64,
    principal: String,
    certificate: Certificate,
    /// Whether it is found under its own serial number and ends.
    is_in_place: bool,
}

impl CertificateFound {
    /// The certificate in this row, if it is one.
    fn read(row: &Row<'_>) -> rusqlite::Result<Option<Self>> {
        let Ok(certificate) = Certificate::from_der(row.get_ref(0)?.as_blob()?) else {
            return Ok(None);
        };
        let ends = [certificate.not_before(), certificate.not_after()].map(|end| end.seconds());
        let is_in_place = row.get_ref(1)?.as_blob()? == certificate.serial().as_bytes()
            && ends == [row.get::<_, i64>(2)?, row.get::<_, i64>(3)?];
        let (role, principal) = (row.get(4)?, row.get(5)?);
        Ok(Some(Self { role, principal, certificate, is_in_place }))
    }

    fn committed(&self, commits: Commits) -> CommittedRow<'_> {
        let certificate = &self.certificate;
        CommittedRow {
            serial: certificate.serial(),
            not_after: certificate.not_after(),
            role: self.role,
            principal: &self.principal,
            key_hash: key_hash_of(certificate),
            digest: match commits {
                Commits::Reserved => tbs_digest(certificate),
                Commits::Issued | Commits::Revoked => *certificate.fingerprint().as_bytes(),
            },
        }
    }
}

fn found(connection: &Connection, record: &AuditRecord, slice: i64) -> Result<Found, Fault> {
    if record.action == "certificate.revoke" {
        let sql = "SELECT certificates FROM revoked_slice WHERE number = ?1";
        let octets: Option<Vec<u8>> =
            connection.prepare_cached(sql)?.query_row([slice], |row| row.get(0)).optional()?;
        let octets = octets.unwrap_or_default();
        let numbers = octets.as_chunks().0.iter().map(|octets| i64::from_be_bytes(*octets));
        return Ok(Found::Certificates(certificates(connection, numbers)?));
    }
    if let Some(rows) = slice_rows::of_slice(connection, slice)? {
        return Ok(Found::Reserved(rows));
    }
    let place: Option<(i64, i64)> = connection
        .prepare_cached("SELECT first, count FROM slice WHERE number = ?1 AND first IS NOT NULL")?
        .query_row([slice], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    // No slice has more rows; a number that says so was not written by this program.
    let whole =
        |(_, count): &(i64, i64)| usize::try_from(*count).is_ok_and(|n| n <= MOST_SLICE_ROWS);
    let (first, count) = place.filter(whole).unwrap_or_default();
    Ok(Found::Certificates(certificates(connection, first..first.saturating_add(count))?))
}

fn certificates(
    connection: &Connection,
    numbers: impl Iterator<Item = i64>,
) -> Result<Vec<CertificateFound>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT der, serial, not_before, not_after, role, principal FROM certificate \
         WHERE number = ?1",
    )?;
    let mut found = Vec::new();
    for number in numbers {
        let row = statement.query_row([number], CertificateFound::read).optional()?;
        found.extend(row.flatten());
    }
    Ok(found)
}

fn tbs_digest(certificate: &Certificate) -> [u8; 32] {
    *Fingerprint::of(certificate.view().tbs).as_bytes()
}

/// Whether the digest in a record is that of the rows as they are stored now.
pub(super) fn agree(
    connection: &Connection,
    record: &AuditRecord,
    slice: i64,
) -> Result<bool, Fault> {
    let commits = match (record.action.as_str(), record.outcome.as_str()) {
        ("certificate.revoke", _) => Commits::Revoked,
        (_, "done") => Commits::Issued,
        _ => Commits::Reserved,
    };
    let digest = match found(connection, record, slice) {
        Ok(Found::Reserved(rows)) => commitment(commits, rows.iter().map(ReservedRow::committed)),
        Ok(Found::Certificates(rows)) if rows.iter().all(|row| row.is_in_place) => {
            commitment(commits, rows.iter().map(|row| row.committed(commits)))
        }
        // Rows that cannot be read are not those that were written.
        Ok(Found::Certificates(_)) | Err(Fault::Refused(_)) => return Ok(false),
        Err(fault) => return Err(fault),
    };
    Ok(record.detail.ends_with(&hex::encode(&digest)))
}

/// A record of a slice as one record a row, which differ in what each says of its row.
pub(super) fn expand(
    connection: &Connection,
    record: &AuditRecord,
    slice: i64,
) -> Result<Vec<AuditRecord>, Fault> {
    let row = |at: usize, serial: String, principal: String, detail: String| AuditRecord {
        row: Some(at as u64 + 1),
        serial: Some(serial),
        principal: Some(principal),
        detail,
        ..record.clone()
    };
    Ok(match found(connection, record, slice)? {
        Found::Reserved(rows) => rows
            .into_iter()
            .enumerate()
            .map(|(at, reserved)| {
                let detail = match record.outcome.as_str() {
                    "abandoned" => super::ABANDONED.to_owned(),
                    _ => announced(reserved.not_after, &reserved.digest),
                };
                row(at, reserved.serial.to_string(), reserved.principal, detail)
            })
            .collect(),
        Found::Certificates(rows) => rows
            .into_iter()
            .enumerate()
            .map(|(at, found)| {
                let detail = detail(record, &found.certificate);
                row(at, found.certificate.serial().to_string(), found.principal, detail)
            })
            .collect(),
    })
}

fn detail(record: &AuditRecord, certificate: &Certificate) -> String {
    match (record.action.as_str(), record.outcome.as_str()) {
        ("certificate.revoke", _) => record.detail.split(',').next().unwrap_or_default().to_owned(),
        (_, "done") => format!("sha256 {}", certificate.fingerprint()),
        _ => announced(certificate.not_after(), &tbs_digest(certificate)),
    }
}

fn announced(not_after: rustmq_pki::time::UnixTime, digest: &[u8; 32]) -> String {
    format!("not after {not_after}, tbs sha256 {}", hex::encode(digest))
}
