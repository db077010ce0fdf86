//! Slices: certificates that are reserved, signed and completed together. This is the first half.
//!
//! The same line as for one certificate (`reserve.rs`), with one row in the table of slices, one
//! digest over all rows in each audit record, and one transaction a step.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, params};
use rustmq_pki::hex;
use rustmq_pki::issuer::ToBeSigned;
use rustmq_pki::serial::SerialPrefix;
use rustmq_pki::time::UnixTime;

use super::abandon::abandon_slice;
use super::audit::{self, Entry, Outcome};
use super::certificates::{self, role_code};
use super::fault::Fault;
use super::key_holders::{self, Claim};
use super::reserve::{IssuerVersion, action, present_issuer};
use super::slice_rows::{self, Commits, CommittedRow};
use super::stored_slices::{EarlierSlice, StoredSlice, is_free, look_up, name};
use super::{CaRow, Store, authorities, to_its_end};
use crate::info::CertificateRole;
use crate::{Actor, Error};

/// A slice of a job, and all that is asked for in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SliceRequest {
    pub(crate) job: String,
    /// Which slice of the job.
    pub(crate) ordinal: i64,
    pub(crate) digest: [u8; 32],
    /// What the caller calls its rows, as `stored_slices::pack_row_numbers` writes it.
    pub(crate) row_numbers: Vec<u8>,
}

/// One row that is about to be signed.
#[derive(Debug)]
pub(crate) struct SliceRow {
    pub(crate) to_be_signed: ToBeSigned,
    /// SHA-256 of all that it asks for.
    pub(crate) asked: [u8; 32],
    pub(crate) key_hash: [u8; 32],
    pub(crate) role: CertificateRole,
    pub(crate) principal: String,
    pub(crate) profile: Arc<str>,
    /// The certificate that it renews.
    pub(crate) renews: Option<i64>,
    /// What the caller calls it.
    pub(crate) row: u64,
}

impl SliceRow {
    fn committed(&self) -> CommittedRow<'_> {
        CommittedRow {
            serial: self.to_be_signed.serial(),
            not_after: self.to_be_signed.not_after(),
            role: role_code(self.role),
            principal: &self.principal,
            key_hash: self.key_hash,
            digest: *self.to_be_signed.digest().as_bytes(),
        }
    }
}

/// What is about to be signed.
#[derive(Debug)]
pub(crate) struct SliceReservation {
    pub(crate) rows: Vec<SliceRow>,
    /// The prefix that all serial numbers of it have.
    pub(crate) prefix: SerialPrefix,
    pub(crate) issuer: IssuerVersion,
    pub(crate) request: SliceRequest,
    pub(crate) now: UnixTime,
    pub(crate) actor: Actor,
}

/// A durable reservation of a slice: what a key is used for.
#[derive(Debug)]
pub(crate) struct ReservedSlice {
    rows: Vec<SliceRow>,
    ticket: SliceTicket,
}

impl ReservedSlice {
    /// Gives the rows to the signer. What comes back is completed with the ticket.
    pub(crate) fn redeem(self) -> (Vec<SliceRow>, SliceTicket) {
        (self.rows, self.ticket)
    }
}

/// The right to complete one slice. Dropped without, the slice is abandoned.
pub(crate) struct SliceTicket {
    store: Store,
    pub(super) slice: i64,
    /// The highest number of a certificate whose key was compared.
    pub(super) compared: i64,
    pub(super) authority: i64,
    pub(super) ca_id: String,
    pub(super) abandonment: Option<(UnixTime, Actor)>,
}

impl std::fmt::Debug for SliceTicket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SliceTicket({})", self.slice)
    }
}

impl Drop for SliceTicket {
    fn drop(&mut self) {
        let Some((now, actor)) = self.abandonment.take() else { return };
        let Ok(writing) = self.store.writing() else { return };
        let slice = self.slice;
        // Where the store is closing, the end of this process says the same.
        drop(writing.writer.owe(move |connection| abandon_slice(connection, slice, now, &actor)));
    }
}

/// What came of a slice's reservation.
#[derive(Debug)]
pub(crate) enum SliceOutcome {
    /// Sign it.
    Reserved(Box<ReservedSlice>),
    /// The same slice was carried out before.
    Replayed(StoredSlice),
}

impl Store {
    /// Makes the reservation of a slice durable. Dropping the future abandons it.
    pub(crate) async fn reserve_slice(
        &self,
        reservation: SliceReservation,
    ) -> Result<SliceOutcome, Error> {
        let store = self.clone();
        to_its_end(async move { store.reserve_slice_to_its_end(reservation).await }).await
    }

    async fn reserve_slice_to_its_end(
        &self,
        reservation: SliceReservation,
    ) -> Result<SliceOutcome, Error> {
        let instance = self.instance()?.id().to_owned();
        let store = self.clone();
        let (outcome, reservation) = self
            .write(move |connection| {
                Ok((reserve(connection, &reservation, &instance)?, reservation))
            })
            .await?;
        Ok(match outcome {
            Inserted::Replayed(slice) => SliceOutcome::Replayed(slice),
            Inserted::Slice { slice, compared, ca_id } => {
                SliceOutcome::Reserved(Box::new(ReservedSlice {
                    rows: reservation.rows,
                    ticket: SliceTicket {
                        store,
                        slice,
                        compared,
                        authority: reservation.issuer.number,
                        ca_id,
                        abandonment: Some((reservation.now, reservation.actor)),
                    },
                }))
            }
        })
    }
}

enum Inserted {
    Slice { slice: i64, compared: i64, ca_id: String },
    Replayed(StoredSlice),
}

fn reserve(
    connection: &Connection,
    reservation: &SliceReservation,
    instance: &str,
) -> Result<Inserted, Fault> {
    audit::check_clock(connection, reservation.now)?;
    let issuer = present_issuer(connection, reservation.issuer, reservation.now, false)?;
    let SliceRequest { job, ordinal, digest, .. } = &reservation.request;
    let key = || name(job, *ordinal);
    match look_up(connection, &reservation.actor, issuer.number, job, *ordinal)? {
        EarlierSlice::Nothing => {}
        EarlierSlice::UnderWay => return Err(Error::IdempotencyInProgress { key: key() }.into()),
        EarlierSlice::Complete(earlier) if earlier.digest != digest => {
            return Err(Error::IdempotencyMismatch { key: key() }.into());
        }
        EarlierSlice::Complete(earlier) => return Ok(Inserted::Replayed(earlier)),
    }
    check_keys(connection, &reservation.rows)?;
    let slice = insert(connection, reservation, instance)?;
    announce(connection, reservation, slice, &issuer.id)?;
    let compared = certificates::newest(connection)?;
    Ok(Inserted::Slice { slice, compared, ca_id: issuer.id })
}

/// The checks of a reservation alone, for a dry run.
pub(crate) fn check(
    connection: &Connection,
    issuer: &CaRow,
    rows: &[SliceRow],
    now: UnixTime,
) -> Result<(), Fault> {
    authorities::check_may_issue(connection, issuer, now)?;
    check_keys(connection, rows)
}

/// What the store has against keys and the principals that claim them: one refusal for each that has
/// any, by its place. Refuses all where the CA may not issue any more.
pub(crate) fn refusals(
    connection: &Connection,
    issuer: &CaRow,
    claims: &[([u8; 32], String)],
    now: UnixTime,
) -> Result<BTreeMap<usize, Box<Error>>, Fault> {
    let present = authorities::by_number(connection, issuer.number)?;
    authorities::check_may_issue(connection, present.as_ref().unwrap_or(issuer), now)?;
    let claims: Vec<_> =
        claims.iter().map(|(key_hash, principal)| Claim { key_hash, principal }).collect();
    let mut refused = BTreeMap::new();
    key_holders::check_many(connection, &claims, 0, |at, error| {
        refused.entry(at).or_insert(error);
        Ok(())
    })?;
    Ok(refused)
}

fn check_keys(connection: &Connection, rows: &[SliceRow]) -> Result<(), Fault> {
    let claims: Vec<_> = rows
        .iter()
        .map(|row| Claim { key_hash: &row.key_hash, principal: &row.principal })
        .collect();
    key_holders::check_many(connection, &claims, 0, |at, error| {
        Err(Error::BatchRow { row: rows[at].row, error }.into())
    })
}

fn insert(
    connection: &Connection,
    reservation: &SliceReservation,
    instance: &str,
) -> Result<i64, Fault> {
    if !is_free(connection, reservation.prefix)? {
        // It was drawn free a moment ago, and 31 random bits met: the random source is broken.
        return Err(Error::NoRandomness.into());
    }
    let request = &reservation.request;
    connection
        .prepare_cached(
            "INSERT INTO slice (instance, authority, actor, job, ordinal, request, row_numbers, \
             prefix, count, reserved_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        )?
        .execute(params![
            instance,
            reservation.issuer.number,
            reservation.actor.as_str(),
            request.job,
            request.ordinal,
            request.digest,
            request.row_numbers,
            reservation.prefix.as_bytes(),
            i64::try_from(reservation.rows.len()).unwrap_or(i64::MAX),
            reservation.now.seconds(),
        ])?;
    let slice = connection.last_insert_rowid();
    // A row takes some 120 octets.
    let mut octets = Vec::with_capacity(reservation.rows.len() * 128);
    for row in &reservation.rows {
        slice_rows::push(&mut octets, &row.committed());
    }
    connection
        .prepare_cached("INSERT INTO slice_rows (slice, rows) VALUES (?1, ?2)")?
        .execute(params![slice, octets])?;
    Ok(slice)
}

fn announce(
    connection: &Connection,
    reservation: &SliceReservation,
    slice: i64,
    ca_id: &str,
) -> Result<(), Fault> {
    let rows = &reservation.rows;
    let digest = slice_rows::commitment(Commits::Reserved, rows.iter().map(SliceRow::committed));
    let entry = Entry {
        at: reservation.now,
        actor: reservation.actor.clone(),
        action: action(CertificateRole::Client),
        outcome: Outcome::Reserved,
        ca: Some(ca_id.to_owned()),
        serial: None,
        principal: None,
        detail: format!("{} certificates, tbs sha256 {}", rows.len(), hex::encode(&digest)),
    };
    audit::append_slice(connection, &entry, slice)
}
