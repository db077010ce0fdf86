//! The second half: a signed certificate becomes durable, if its reservation is still live.

use rusqlite::{Connection, Row, params};
use rustmq_pki::certificate::Certificate;
use rustmq_pki::key::Fingerprint;

use super::audit::{self, Entry, Outcome};
use super::authorities::{self, CaRow};
use super::certificates::{self, CertificateRow, role_at, role_code};
use super::fault::Fault;
use super::key_holders::{self, Claim};
use super::lookup::{self, Entries};
use super::reserve::{Completed, Completion, LiveReservation, action, check_renewable};
use super::{counts, crls, idempotency, revocations};
use crate::Error;
use crate::info::CertificateRole;

/// Takes the reservation and puts the certificate in its place.
pub(super) fn complete(
    connection: &Connection,
    live: &LiveReservation,
    completion: &Completion,
) -> Result<Completed, Fault> {
    let taken = take(connection, live, &completion.certificate)?;
    let issuer = check_authorities(connection, &taken)?;
    let key_hash = key_holders::key_hash_of(&completion.certificate);
    if taken.subject_authority.is_none() {
        let claim = Claim { key_hash: &key_hash, principal: &taken.principal };
        key_holders::check_since(connection, claim, live.compared)?;
    }
    let mut row = CertificateRow {
        number: 0,
        authority: taken.authority,
        subject_authority: taken.subject_authority,
        role: taken.role,
        principal: taken.principal,
        profile: taken.profile,
        issued_at: completion.now,
        renews: taken.renews,
        certificate: completion.certificate.clone(),
        revoked_at: None,
        reason: None,
        invalidity_date: None,
        supersede_at: None,
        ca_id: String::new(),
    };
    row.number = certificates::insert(connection, &row)?;
    let mut entries = Entries::default();
    entries.push(row.number, &key_hash, &row.principal);
    lookup::add(connection, entries)?;
    let key = (row.authority, role_code(row.role));
    counts::add_live(connection, key, row.certificate.not_after(), 1)?;
    idempotency::complete(connection, live.number, row.number)?;
    if let Some(authority) = row.subject_authority {
        authorities::set_certificate(connection, authority, row.number)?;
    }
    if let Some((superseded, due_at)) = completion.supersede {
        revocations::schedule(connection, superseded, due_at)?;
    }
    row.ca_id = issuer.map(|issuer| issuer.id).unwrap_or_default();
    audit::append(connection, &entry(&row, completion))?;
    let crl_due = crls::is_half_over(connection, row.authority, completion.now)?;
    Ok(Completed { row, crl_due })
}

/// The issuer. Refuses what is revoked since the reservation: a CA that issues, and one that is renewed.
fn check_authorities(connection: &Connection, taken: &Taken) -> Result<Option<CaRow>, Fault> {
    if let Some(subject) = taken.subject_authority {
        check_renewable(connection, subject)?;
    }
    let issuer = authorities::by_number(connection, taken.authority)?;
    if let Some(issuer) = &issuer {
        authorities::check_none_revoked(connection, issuer)?;
    }
    Ok(issuer)
}

fn entry(row: &CertificateRow, completion: &Completion) -> Entry {
    Entry {
        at: completion.now,
        actor: completion.actor.clone(),
        action: action(row.role),
        outcome: Outcome::Done,
        ca: Some(row.ca_id.clone()),
        serial: Some(row.certificate.serial().to_string()),
        principal: Some(row.principal.clone()),
        detail: format!("sha256 {}", row.certificate.fingerprint()),
    }
}

/// A live reservation's row, taken out of the table.
struct Taken {
    authority: i64,
    subject_authority: Option<i64>,
    role: CertificateRole,
    principal: String,
    profile: String,
    digest: Vec<u8>,
    renews: Option<i64>,
}

fn taken(row: &Row<'_>) -> rusqlite::Result<Taken> {
    Ok(Taken {
        authority: row.get(0)?,
        subject_authority: row.get(1)?,
        role: role_at(row, 2)?,
        principal: row.get(3)?,
        profile: row.get(4)?,
        digest: row.get(5)?,
        renews: row.get(6)?,
    })
}

/// Takes a reservation that is live, of this process, and for just these bytes.
fn take(
    connection: &Connection,
    live: &LiveReservation,
    certificate: &Certificate,
) -> Result<Taken, Fault> {
    let lost = || Error::ReservationLost { serial: certificate.serial().to_string() };
    let mut statement = connection.prepare_cached(
        "DELETE FROM reservation WHERE number = ?1 AND instance = ?2 AND serial = ?3 \
         AND abandoned_at IS NULL RETURNING authority, subject_authority, role, principal, \
         profile, digest, renews",
    )?;
    let serial = certificate.serial();
    let mut rows = statement.query(params![live.number, live.instance, serial.as_bytes()])?;
    let taken = rows.next()?.map(taken).transpose()?.ok_or_else(lost)?;
    // A RETURNING statement has done its work once it is stepped to its end.
    while rows.next()?.is_some() {}
    if Fingerprint::of(certificate.view().tbs).as_bytes() != taken.digest.as_slice() {
        return Err(lost().into());
    }
    Ok(taken)
}
