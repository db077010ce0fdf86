//! Reservations that are given up: a certificate with the serial number may exist somewhere.

use rusqlite::{Connection, params};
use rustmq_pki::hex;
use rustmq_pki::serial::SerialNumber;
use rustmq_pki::time::UnixTime;

use super::audit::{self, Entry, Outcome};
use super::certificates;
use super::fault::Fault;
use super::key_holders::{self, Claim};
use super::reserve::action;
use super::slice_rows::{self, Commits, ReservedRow};
use super::{authorities, stored_slices, time_at};
use crate::Actor;
use crate::info::CertificateRole;

/// The processes that live reservations name.
pub(super) fn live_instances(connection: &Connection) -> Result<Vec<String>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT instance FROM reservation WHERE abandoned_at IS NULL UNION \
             SELECT instance FROM slice WHERE abandoned_at IS NULL AND first IS NULL",
    )?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// A reservation that is given up.
struct Abandoned {
    number: i64,
    serial: Vec<u8>,
    authority: i64,
    subject_authority: Option<i64>,
    role: i64,
    principal: String,
    not_after: UnixTime,
    key_hash: Option<[u8; 32]>,
}

/// Gives up the live reservations that `condition` selects.
pub(super) fn abandon_where(
    connection: &Connection,
    condition: &str,
    value: impl rusqlite::ToSql,
    now: UnixTime,
    actor: &Actor,
) -> Result<(), Fault> {
    let sql = format!(
        "SELECT number, serial, authority, subject_authority, role, principal, not_after, \
         key_hash FROM reservation WHERE {condition} AND abandoned_at IS NULL ORDER BY number"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map([value], |row| {
        Ok(Abandoned {
            number: row.get(0)?,
            serial: row.get(1)?,
            authority: row.get(2)?,
            subject_authority: row.get(3)?,
            role: row.get(4)?,
            principal: row.get(5)?,
            not_after: time_at(row, 6)?,
            key_hash: row.get(7)?,
        })
    })?;
    for abandoned in rows.collect::<rusqlite::Result<Vec<_>>>()? {
        abandon(connection, &abandoned, now, actor)?;
    }
    Ok(())
}

fn abandon(
    connection: &Connection,
    abandoned: &Abandoned,
    now: UnixTime,
    actor: &Actor,
) -> Result<(), Fault> {
    connection
        .prepare_cached("UPDATE reservation SET abandoned_at = ?2 WHERE number = ?1")?
        .execute([abandoned.number, now.seconds()])?;
    let ca = authorities::by_number(connection, abandoned.authority)?.map(|issuer| issuer.id);
    if let Some(subject) = abandoned.subject_authority {
        forget_new_authority(connection, subject)?;
    }
    if authorities::by_number(connection, abandoned.authority)?.is_some() {
        list(connection, abandoned.authority, &abandoned.serial, abandoned.not_after, now)?;
        authorities::bump_revision(connection, abandoned.authority)?;
    }
    if let Some(key_hash) = &abandoned.key_hash {
        key_holders::abandon(connection, Claim { key_hash, principal: &abandoned.principal })?;
    }
    let serial = SerialNumber::from_bytes(&abandoned.serial).map(|serial| serial.to_string());
    let role = certificates::role_of_code(abandoned.role).unwrap_or(CertificateRole::Client);
    audit::append(
        connection,
        &Entry {
            at: now,
            actor: actor.clone(),
            action: action(role),
            outcome: Outcome::Abandoned,
            ca,
            serial: serial.ok(),
            principal: Some(abandoned.principal.clone()),
            detail: "its process ended before the certificate was complete".to_owned(),
        },
    )
}

/// Gives up a live slice: every one of its serial numbers.
pub(super) fn abandon_slice(
    connection: &Connection,
    slice: i64,
    now: UnixTime,
    actor: &Actor,
) -> Result<(), Fault> {
    let mut statement = connection.prepare_cached(
        "UPDATE slice SET abandoned_at = ?2 WHERE number = ?1 AND abandoned_at IS NULL \
         AND first IS NULL RETURNING authority",
    )?;
    let found = statement
        .query_map([slice, now.seconds()], |row| row.get(0))?
        .collect::<Result<Vec<_>, _>>()?;
    let Some(authority) = found.first().copied() else { return Ok(()) };
    let rows = slice_rows::of_slice(connection, slice)?.unwrap_or_default();
    for row in &rows {
        list(connection, authority, row.serial.as_bytes(), row.not_after, now)?;
        let claim = Claim { key_hash: &row.key_hash, principal: &row.principal };
        key_holders::abandon(connection, claim)?;
    }
    authorities::bump_revision(connection, authority)?;
    let committed = rows.iter().map(ReservedRow::committed);
    let digest = slice_rows::commitment(Commits::Reserved, committed);
    let digest = hex::encode(&digest);
    let entry = Entry {
        at: now,
        actor: actor.clone(),
        action: action(CertificateRole::Client),
        outcome: Outcome::Abandoned,
        ca: stored_slices::ca_id(connection, authority)?,
        serial: None,
        principal: None,
        detail: format!("{} certificates were not complete, tbs sha256 {digest}", rows.len()),
    };
    audit::append_slice(connection, &entry, slice)
}

/// A CA that never got a certificate is none. One that has some keeps them.
fn forget_new_authority(connection: &Connection, subject: i64) -> Result<(), Fault> {
    let pending = authorities::by_number(connection, subject)?
        .is_some_and(|ca| ca.state == authorities::CaState::Pending);
    if pending {
        authorities::abandon(connection, subject)?;
    }
    Ok(())
}

/// Puts an abandoned serial number on the next CRL: no reason code, revoked when found.
fn list(
    connection: &Connection,
    authority: i64,
    serial: &[u8],
    not_after: UnixTime,
    now: UnixTime,
) -> Result<(), Fault> {
    connection
        .prepare_cached(
            "INSERT INTO revocation (authority, serial, revoked_at, not_after) \
             VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![authority, serial, now.seconds(), not_after.seconds()])?;
    Ok(())
}
