//! Revocation, hold and release.

use rusqlite::{Connection, OptionalExtension, params};
use rustmq_pki::crl::RevocationReason;
use rustmq_pki::hex;
use rustmq_pki::key::Fingerprint;
use rustmq_pki::time::UnixTime;

use super::audit::{self, Entry, Outcome};
use super::certificates::{self, CertificateRow, role_code};
use super::fault::Fault;
use super::slice_rows::{Commits, CommittedRow, commitment};
use super::{authorities, counts, key_holders};
use crate::{Actor, Error};

/// What is to be revoked, by whom and why.
#[derive(Clone, Debug)]
pub(crate) struct Revoked {
    pub(crate) reason: RevocationReason,
    pub(crate) invalidity_date: Option<UnixTime>,
    pub(crate) now: UnixTime,
    pub(crate) actor: Actor,
}

/// A rotated certificate whose overlap is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Supersession {
    pub(crate) certificate: i64,
}

/// Refuses what cannot be revoked for this reason.
pub(crate) fn check_revocable(
    row: &CertificateRow,
    reason: RevocationReason,
    now: UnixTime,
) -> Result<(), Error> {
    let serial = row.certificate.serial().to_string();
    let on_hold = row.reason == Some(RevocationReason::CertificateHold);
    match row.revoked_at {
        // A hold may become a revocation, and no second hold.
        Some(_) if on_hold && reason != RevocationReason::CertificateHold => Ok(()),
        Some(at) => {
            let reason = row.reason.unwrap_or(RevocationReason::Unspecified).name().to_owned();
            Err(Error::AlreadyRevoked { serial, at, reason })
        }
        None if row.certificate.not_after() < now => {
            let not_after = row.certificate.not_after();
            Err(Error::CertificateExpired { serial, not_after })
        }
        None => Ok(()),
    }
}

/// Revokes a certificate or puts it on hold: it is on the next CRL of its CA.
pub(crate) fn revoke(connection: &Connection, number: i64, by: &Revoked) -> Result<(), Fault> {
    let row = existing(connection, number)?;
    check_revocable(&row, by.reason, by.now)?;
    set(connection, &row, by)?;
    authorities::bump_revision(connection, row.authority)?;
    audit::append(connection, &entry(&row, by, "certificate.revoke", by.reason.name()))
}

/// What became of a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RevokedSlice {
    pub(crate) revoked: u64,
    /// Revoked or ended since they were selected.
    pub(crate) passed_over: u64,
}

/// Revokes certificates of one CA under one record. Those that can no longer be revoked are passed
/// over.
pub(crate) fn revoke_many(
    connection: &Connection,
    numbers: &[i64],
    by: &Revoked,
) -> Result<RevokedSlice, Fault> {
    audit::check_clock(connection, by.now)?;
    let mut rows = Vec::with_capacity(numbers.len());
    for number in numbers {
        let row = existing(connection, *number)?;
        if check_revocable(&row, by.reason, by.now).is_ok() {
            set(connection, &row, by)?;
            rows.push(row);
        }
    }
    let passed_over = (numbers.len() - rows.len()) as u64;
    let outcome = RevokedSlice { revoked: rows.len() as u64, passed_over };
    let Some(first) = rows.first() else { return Ok(outcome) };
    authorities::bump_revision(connection, first.authority)?;
    let octets: Vec<u8> = rows.iter().flat_map(|row| row.number.to_be_bytes()).collect();
    connection
        .prepare_cached("INSERT INTO revoked_slice (certificates) VALUES (?1)")?
        .execute([octets])?;
    let slice = connection.last_insert_rowid();
    let committed = rows.iter().map(|row| CommittedRow {
        serial: row.certificate.serial(),
        not_after: row.certificate.not_after(),
        role: role_code(row.role),
        principal: &row.principal,
        key_hash: key_holders::key_hash_of(&row.certificate),
        digest: *row.certificate.fingerprint().as_bytes(),
    });
    let digest = hex::encode(&commitment(Commits::Revoked, committed));
    let detail = format!("{}, {} certificates, sha256 {digest}", by.reason.name(), rows.len());
    let entry =
        Entry { serial: None, principal: None, ..entry(first, by, "certificate.revoke", &detail) };
    audit::append_slice(connection, &entry, slice)?;
    Ok(outcome)
}

/// Writes down that a certificate is revoked.
fn set(connection: &Connection, row: &CertificateRow, by: &Revoked) -> Result<(), Fault> {
    let number = row.number;
    let key = (row.authority, role_code(row.role));
    // RFC 5280 5.3.1: unspecified is not said.
    let stated = (by.reason != RevocationReason::Unspecified).then(|| by.reason.code());
    let invalidity_date = by.invalidity_date.map(UnixTime::seconds);
    if row.revoked_at.is_some() {
        // The date of the hold stays: since then the certificate is not to be trusted.
        connection
            .prepare_cached(
                "UPDATE revocation SET reason = ?2, invalidity_date = ?3 WHERE certificate = ?1",
            )?
            .execute(params![number, stated, invalidity_date])?;
    } else {
        connection
            .prepare_cached(
                "INSERT INTO revocation (certificate, authority, serial, revoked_at, reason, \
                 invalidity_date, not_after) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                number,
                row.authority,
                row.certificate.serial().as_bytes(),
                by.now.seconds(),
                stated,
                invalidity_date,
                row.certificate.not_after().seconds(),
            ])?;
        counts::add_live(connection, key, row.certificate.not_after(), -1)?;
        counts::add_revoked(connection, key, 1)?;
    }
    if by.reason == RevocationReason::KeyCompromise {
        let key_hash = Fingerprint::of(row.certificate.view().spki.der);
        key_holders::compromise(connection, key_hash.as_bytes(), &row.principal, by.now)?;
    }
    forget_supersession(connection, number, by.reason)
}

/// A certificate that is revoked for good needs no supersession any more.
fn forget_supersession(
    connection: &Connection,
    number: i64,
    reason: RevocationReason,
) -> Result<(), Fault> {
    if reason != RevocationReason::CertificateHold {
        connection
            .prepare_cached("DELETE FROM supersession WHERE certificate = ?1")?
            .execute([number])?;
    }
    Ok(())
}

/// Refuses to release what is not on hold.
pub(crate) fn check_releasable(row: &CertificateRow) -> Result<(), Error> {
    match row.reason {
        Some(RevocationReason::CertificateHold) => Ok(()),
        _ => Err(Error::NotOnHold { serial: row.certificate.serial().to_string() }),
    }
}

/// Releases a hold: the next CRL does not list the certificate.
pub(crate) fn release(
    connection: &Connection,
    number: i64,
    now: UnixTime,
    actor: &Actor,
) -> Result<(), Fault> {
    let row = existing(connection, number)?;
    check_releasable(&row)?;
    let key = (row.authority, role_code(row.role));
    connection
        .prepare_cached("DELETE FROM revocation WHERE certificate = ?1")?
        .execute([number])?;
    counts::add_live(connection, key, row.certificate.not_after(), 1)?;
    counts::add_revoked(connection, key, -1)?;
    authorities::bump_revision(connection, row.authority)?;
    let by = Revoked {
        reason: RevocationReason::RemoveFromCrl,
        invalidity_date: None,
        now,
        actor: actor.clone(),
    };
    audit::append(connection, &entry(&row, &by, "certificate.release", ""))
}

fn existing(connection: &Connection, number: i64) -> Result<CertificateRow, Fault> {
    let row = certificates::by_number(connection, number)?;
    row.ok_or_else(|| Error::UnknownCertificate { name: format!("cert-{number}") }.into())
}

fn entry(row: &CertificateRow, by: &Revoked, action: &'static str, detail: &str) -> Entry {
    Entry {
        at: by.now,
        actor: by.actor.clone(),
        action,
        outcome: Outcome::Done,
        ca: Some(row.ca_id.clone()),
        serial: Some(row.certificate.serial().to_string()),
        principal: Some(row.principal.clone()),
        detail: detail.to_owned(),
    }
}

/// Rotated certificates whose overlap is over, the longest overdue first.
pub(crate) fn due(
    connection: &Connection,
    now: UnixTime,
    limit: i64,
) -> Result<Vec<Supersession>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT certificate FROM supersession WHERE due_at <= ?1 ORDER BY due_at LIMIT ?2",
    )?;
    let rows = statement
        .query_map([now.seconds(), limit], |row| Ok(Supersession { certificate: row.get(0)? }))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Carries out a due supersession; returns the CA whose CRL changes. One that expired or was
/// released or revoked meanwhile is only forgotten.
pub(crate) fn supersede(
    connection: &Connection,
    due: Supersession,
    now: UnixTime,
    actor: &Actor,
) -> Result<Option<i64>, Fault> {
    let still_due = connection
        .prepare_cached("SELECT due_at <= ?2 FROM supersession WHERE certificate = ?1")?
        .query_row([due.certificate, now.seconds()], |row| row.get::<_, bool>(0))
        .optional()?;
    if still_due != Some(true) {
        return Ok(None);
    }
    let row = existing(connection, due.certificate)?;
    let by = Revoked {
        reason: RevocationReason::Superseded,
        invalidity_date: None,
        now,
        actor: actor.clone(),
    };
    if check_revocable(&row, by.reason, now).is_err() {
        forget_supersession(connection, due.certificate, by.reason)?;
        return Ok(None);
    }
    revoke(connection, due.certificate, &by)?;
    Ok(Some(row.authority))
}

/// Has a certificate superseded at `due_at`.
pub(super) fn schedule(
    connection: &Connection,
    certificate: i64,
    due_at: UnixTime,
) -> Result<(), Fault> {
    connection
        .prepare_cached(
            "INSERT INTO supersession (certificate, due_at) VALUES (?1, ?2) \
             ON CONFLICT DO UPDATE SET due_at = min(due_at, ?2)",
        )?
        .execute([certificate, due_at.seconds()])?;
    Ok(())
}
