//! The rows of records that speak of a slice.

use rusqlite::{Connection, OptionalExtension};
use rustmq_pki::key::Fingerprint;

use super::hex;
use crate::info::AuditRecord;
use crate::store::certificates::{self, CertificateRow};
use crate::store::fault::Fault;
use crate::store::slice_rows::{self, Commits, ReservedRow, commitment};

/// What a record commits to, as it is found now.
enum Found {
    /// Reserved, and never complete so far.
    Reserved(Vec<ReservedRow>),
    /// Certificates, in order. One that is missing leaves the rest.
    Certificates(Vec<CertificateRow>),
}

fn found(connection: &Connection, record: &AuditRecord, slice: i64) -> Result<Found, Fault> {
    if record.action == "certificate.revoke" {
        let sql = "SELECT certificates FROM revoked_slice WHERE number = ?1";
        let octets: Option<Vec<u8>> =
            connection.prepare_cached(sql)?.query_row([slice], |row| row.get(0)).optional()?;
        let octets = octets.unwrap_or_default();
        let numbers = octets.as_chunks().0.iter().map(|octets| i64::from_be_bytes(*octets));
        return Ok(Found::Certificates(rows(connection, numbers)?));
    }
    if let Some(rows) = slice_rows::of_slice(connection, slice)? {
        return Ok(Found::Reserved(rows));
    }
    let place: Option<(i64, i64)> = connection
        .prepare_cached("SELECT first, count FROM slice WHERE number = ?1 AND first IS NOT NULL")?
        .query_row([slice], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (first, count) = place.unwrap_or_default();
    Ok(Found::Certificates(rows(connection, first..first + count)?))
}

fn rows(
    connection: &Connection,
    numbers: impl Iterator<Item = i64>,
) -> Result<Vec<CertificateRow>, Fault> {
    let found = numbers.map(|number| certificates::by_number(connection, number));
    Ok(found.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
}

fn tbs_digest(row: &CertificateRow) -> [u8; 32] {
    *Fingerprint::of(row.certificate.view().tbs).as_bytes()
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
    let items: Vec<Vec<u8>> = match found(connection, record, slice)? {
        Found::Reserved(rows) => rows.iter().map(|row| row.digest.to_vec()).collect(),
        Found::Certificates(rows) => rows.iter().map(|row| item(commits, row)).collect(),
    };
    let digest = commitment(commits, items.len(), items.iter().map(Vec::as_slice));
    Ok(record.detail.ends_with(&hex(&digest)))
}

fn item(commits: Commits, row: &CertificateRow) -> Vec<u8> {
    match commits {
        Commits::Reserved => tbs_digest(row).to_vec(),
        Commits::Issued => row.certificate.fingerprint().as_bytes().to_vec(),
        Commits::Revoked => row.certificate.serial().as_bytes().to_vec(),
    }
}

/// A record of a slice as one record a row, which differ in what each says of its row.
pub(super) fn expand(
    connection: &Connection,
    record: &AuditRecord,
    slice: i64,
) -> Result<Vec<AuditRecord>, Fault> {
    let row = |at: usize, serial: String, principal: String, detail: String| AuditRecord {
        row: Some(at as u64),
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
                let detail = detail(record, &found);
                row(at, found.certificate.serial().to_string(), found.principal, detail)
            })
            .collect(),
    })
}

fn detail(record: &AuditRecord, row: &CertificateRow) -> String {
    match (record.action.as_str(), record.outcome.as_str()) {
        ("certificate.revoke", _) => record.detail.split(',').next().unwrap_or_default().to_owned(),
        (_, "done") => format!("sha256 {}", row.certificate.fingerprint()),
        _ => announced(row.certificate.not_after(), &tbs_digest(row)),
    }
}

fn announced(not_after: rustmq_pki::time::UnixTime, digest: &[u8; 32]) -> String {
    format!("not after {not_after}, tbs sha256 {}", hex(digest))
}
