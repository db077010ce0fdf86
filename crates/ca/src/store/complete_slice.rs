//! The second half for a slice: its certificates become durable, if its reservation is still live.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, Statement, params};
use rustmq_pki::certificate::Certificate;
use rustmq_pki::hex;
use rustmq_pki::time::{DAY, UnixTime};

use super::audit::{self, Entry, Outcome};
use super::certificates::{self, role_code};
use super::fault::Fault;
use super::key_holders::{self, Claim};
use super::lookup::{self, Entries};
use super::reserve::action;
use super::slice_rows::{self, Commits, CommittedRow};
use super::slices::SliceTicket;
use super::{Store, authorities, counts, crls};
use crate::info::CertificateRole;
use crate::{Actor, Error};

/// One row that was signed.
#[derive(Debug)]
pub(crate) struct SignedRow {
    pub(crate) certificate: Certificate,
    pub(crate) key_hash: [u8; 32],
    pub(crate) role: CertificateRole,
    pub(crate) principal: String,
    pub(crate) profile: Arc<str>,
    pub(crate) renews: Option<i64>,
    pub(crate) row: u64,
}

impl SignedRow {
    fn committed(&self) -> CommittedRow<'_> {
        CommittedRow {
            serial: self.certificate.serial(),
            not_after: self.certificate.not_after(),
            role: role_code(self.role),
            principal: &self.principal,
            key_hash: self.key_hash,
            digest: *self.certificate.fingerprint().as_bytes(),
        }
    }
}

/// A slice as it was signed, not yet durable.
#[derive(Debug)]
pub(crate) struct SignedSlice {
    pub(crate) rows: Vec<SignedRow>,
    pub(crate) ticket: SliceTicket,
}

/// A slice whose certificates may leave.
#[derive(Debug)]
pub(crate) struct CompletedSlice {
    pub(crate) rows: Vec<SignedRow>,
    /// The number of its first certificate.
    pub(crate) first: i64,
    /// Whether its issuer should sign a new CRL while its key is at hand.
    pub(crate) crl_due: bool,
}

impl Store {
    /// Makes the certificates of a live slice durable.
    pub(crate) async fn complete_slice(
        &self,
        signed: SignedSlice,
        now: UnixTime,
        actor: Actor,
    ) -> Result<CompletedSlice, Error> {
        let instance = self.instance()?.id().to_owned();
        let SignedSlice { rows, mut ticket } = signed;
        let step = CompletionStep {
            slice: ticket.slice,
            compared: ticket.compared,
            authority: ticket.authority,
            ca_id: ticket.ca_id.clone(),
            instance,
            now,
            actor,
        };
        let completed = self.write(move |connection| complete(connection, &step, rows)).await;
        if matches!(completed, Ok(_) | Err(Error::ReservationLost { .. })) {
            ticket.abandonment = None;
        }
        completed
    }
}

/// What the second transaction of a slice needs besides the certificates.
struct CompletionStep {
    slice: i64,
    compared: i64,
    authority: i64,
    ca_id: String,
    instance: String,
    now: UnixTime,
    actor: Actor,
}

fn complete(
    connection: &Connection,
    step: &CompletionStep,
    rows: Vec<SignedRow>,
) -> Result<CompletedSlice, Fault> {
    let newest = certificates::newest(connection)?;
    let first = newest + 1;
    take(connection, step, first, &rows)?;
    // The CA, or one above it, may have been revoked since the reservation.
    if let Some(issuer) = authorities::by_number(connection, step.authority)? {
        authorities::check_none_revoked(connection, &issuer)?;
    }
    // A key may have been marked as compromised or another's since, without a new certificate.
    let claims: Vec<_> = rows
        .iter()
        .map(|row| Claim { key_hash: &row.key_hash, principal: &row.principal })
        .collect();
    key_holders::check_many(connection, &claims, step.compared, |at, error| {
        Err(Error::BatchRow { row: rows[at].row, error }.into())
    })?;
    insert_certificates(connection, step, first, &rows)?;
    let digest = slice_rows::commitment(Commits::Issued, rows.iter().map(SignedRow::committed));
    let entry = Entry {
        at: step.now,
        actor: step.actor.clone(),
        action: action(CertificateRole::Client),
        outcome: Outcome::Done,
        ca: Some(step.ca_id.clone()),
        serial: None,
        principal: None,
        detail: format!("{} certificates, sha256 {}", rows.len(), hex::encode(&digest)),
    };
    audit::append_slice(connection, &entry, step.slice)?;
    let crl_due = crls::is_half_over(connection, step.authority, step.now)?;
    Ok(CompletedSlice { rows, first, crl_due })
}

/// Takes a slice that is live and of this process.
fn take(
    connection: &Connection,
    step: &CompletionStep,
    first: i64,
    rows: &[SignedRow],
) -> Result<(), Fault> {
    let taken = connection
        .prepare_cached(
            "UPDATE slice SET first = ?3 WHERE number = ?1 AND instance = ?2 \
             AND abandoned_at IS NULL AND first IS NULL",
        )?
        .execute(params![step.slice, step.instance, first])?;
    if taken != 1 {
        let serial = rows.first().map(|row| row.certificate.serial().to_string());
        return Err(Error::ReservationLost { serial: serial.unwrap_or_default() }.into());
    }
    super::freeing(connection, || {
        connection
            .prepare_cached("DELETE FROM slice_rows WHERE slice = ?1")?
            .execute([step.slice])?;
        Ok(())
    })
}

/// How many certificates are added by one statement.
const TOGETHER: usize = 64;

fn insert_certificates(
    connection: &Connection,
    step: &CompletionStep,
    first: i64,
    rows: &[SignedRow],
) -> Result<(), Fault> {
    let mut entries = Entries::with_capacity(rows.len());
    let mut ends: BTreeMap<(i64, i64), i64> = BTreeMap::new();
    let mut number = first;
    for rows in rows.chunks(TOGETHER) {
        let mut insert = connection.prepare_cached(&certificates::insert_sql(rows.len()))?;
        for (row, place) in rows.iter().zip((1..).step_by(certificates::COLUMNS)) {
            bind(&mut insert, place, step, number, row)?;
            entries.push(number, &row.key_hash, &row.principal);
            let day = row.certificate.not_after().seconds().div_euclid(DAY);
            *ends.entry((role_code(row.role), day)).or_default() += 1;
            number += 1;
        }
        insert.raw_execute()?;
    }
    for ((role, day), count) in ends {
        let end = UnixTime::from_seconds(day * DAY);
        counts::add_live(connection, (step.authority, role), end, count)?;
    }
    lookup::add(connection, entries)
}

/// Binds the columns of a certificate from `place` on.
fn bind(
    insert: &mut Statement<'_>,
    place: usize,
    step: &CompletionStep,
    number: i64,
    row: &SignedRow,
) -> rusqlite::Result<()> {
    let certificate = &row.certificate;
    insert.raw_bind_parameter(place, number)?;
    insert.raw_bind_parameter(place + 1, certificate.serial().as_bytes())?;
    insert.raw_bind_parameter(place + 2, step.authority)?;
    insert.raw_bind_parameter(place + 3, None::<i64>)?;
    insert.raw_bind_parameter(place + 4, role_code(row.role))?;
    insert.raw_bind_parameter(place + 5, &row.principal)?;
    insert.raw_bind_parameter(place + 6, &*row.profile)?;
    insert.raw_bind_parameter(place + 7, certificate.not_before().seconds())?;
    insert.raw_bind_parameter(place + 8, certificate.not_after().seconds())?;
    insert.raw_bind_parameter(place + 9, step.now.seconds())?;
    insert.raw_bind_parameter(place + 10, row.renews)?;
    insert.raw_bind_parameter(place + 11, certificate.der())
}
