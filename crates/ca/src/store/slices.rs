//! Slices: certificates that are reserved, signed and completed together.
//!
//! The same line as for one certificate (`reserve.rs`), with one row in the table of slices, one
//! digest over all rows in each audit record, and one transaction a step.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, OptionalExtension, params};
use rustmq_pki::certificate::Certificate;
use rustmq_pki::issuer::ToBeSigned;
use rustmq_pki::key::Fingerprint;
use rustmq_pki::serial::SerialPrefix;
use rustmq_pki::time::{DAY, UnixTime};

use super::abandon::abandon_slice;
use super::audit::{self, Entry, Outcome};
use super::certificates::{self, CertificateRow, role_code};
use super::fault::Fault;
use super::key_holders::{self, Claim};
use super::lookup::{self, Entries};
use super::reserve::{IssuerVersion, action, present_issuer};
use super::slice_rows::{self, Commits, ReservedRow};
use super::{CaRow, Store, authorities, counts, crls, to_its_end};
use crate::info::CertificateRole;
use crate::{Actor, Error};

/// A slice of a job, and all that is asked for in it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct SliceRequest {
    pub(crate) job: String,
    /// Which slice of the job.
    pub(crate) ordinal: i64,
    pub(crate) digest: [u8; 32],
    /// What the caller calls its rows, as [`pack_row_numbers`] writes it.
    pub(crate) row_numbers: Vec<u8>,
}

/// One row that is about to be signed.
#[derive(Debug)]
pub(crate) struct SliceRow {
    pub(crate) to_be_signed: ToBeSigned,
    /// SHA-256 of the bytes to be signed.
    pub(crate) digest: Fingerprint,
    pub(crate) key_hash: [u8; 32],
    pub(crate) role: CertificateRole,
    pub(crate) principal: String,
    pub(crate) profile: Arc<str>,
    /// The certificate that it renews.
    pub(crate) renews: Option<i64>,
    /// What the caller calls it.
    pub(crate) row: u64,
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
    slice: i64,
    /// The highest number of a certificate whose key was compared.
    compared: i64,
    authority: i64,
    ca_id: String,
    abandonment: Option<(UnixTime, Actor)>,
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
        drop(
            writing
                .writer
                .write_detached(move |connection| abandon_slice(connection, slice, now, &actor)),
        );
    }
}

/// One row that was signed.
#[derive(Debug)]
pub(crate) struct SignedRow {
    pub(crate) certificate: Certificate,
    /// SHA-256 of its DER.
    pub(crate) fingerprint: Fingerprint,
    pub(crate) key_hash: [u8; 32],
    pub(crate) role: CertificateRole,
    pub(crate) principal: String,
    pub(crate) profile: Arc<str>,
    pub(crate) renews: Option<i64>,
    pub(crate) row: u64,
}

/// A slice as it was signed, not yet durable.
#[derive(Debug)]
pub(crate) struct SignedSlice {
    pub(crate) rows: Vec<SignedRow>,
    pub(crate) ticket: SliceTicket,
}

/// What came of a slice's reservation.
#[derive(Debug)]
pub(crate) enum SliceOutcome {
    /// Sign it.
    Reserved(Box<ReservedSlice>),
    /// The same slice was carried out before.
    Replayed(StoredSlice),
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

/// A slice that is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredSlice {
    pub(crate) digest: Vec<u8>,
    pub(crate) first: i64,
    pub(crate) count: i64,
    pub(crate) row_numbers: Vec<u8>,
}

/// What the store knows of a slice of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EarlierSlice {
    /// Nothing, or an attempt that was abandoned: carry it out.
    Nothing,
    /// Reserved by a process that is alive, as far as anybody knows.
    UnderWay,
    /// Its certificates.
    Complete(StoredSlice),
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

enum Inserted {
    Slice { slice: i64, compared: i64, ca_id: String },
    Replayed(StoredSlice),
}

/// Looks a slice of a job up.
pub(crate) fn look_up(
    connection: &Connection,
    actor: &Actor,
    authority: i64,
    job: &str,
    ordinal: i64,
) -> Result<EarlierSlice, Fault> {
    let found = connection
        .prepare_cached(
            "SELECT request, first, count, row_numbers FROM slice WHERE actor = ?1 \
             AND authority = ?2 AND job = ?3 AND ordinal = ?4 AND abandoned_at IS NULL",
        )?
        .query_row(params![actor.as_str(), authority, job, ordinal], |row| {
            let Some(first) = row.get(1)? else { return Ok(EarlierSlice::UnderWay) };
            Ok(EarlierSlice::Complete(StoredSlice {
                digest: row.get(0)?,
                first,
                count: row.get(2)?,
                row_numbers: row.get(3)?,
            }))
        })
        .optional()?;
    Ok(found.unwrap_or(EarlierSlice::Nothing))
}

/// What errors call a slice.
pub(crate) fn name(job: &str, ordinal: i64) -> String {
    format!("{job}, slice {ordinal}")
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

fn check_keys(connection: &Connection, rows: &[SliceRow]) -> Result<(), Fault> {
    let claims: Vec<_> = rows
        .iter()
        .map(|row| Claim { key_hash: &row.key_hash, principal: &row.principal })
        .collect();
    key_holders::check_many(connection, &claims, 0, |at, fault| of_row(rows[at].row, fault))
}

/// The refusal of one row.
fn of_row(row: u64, fault: Fault) -> Fault {
    match fault {
        Fault::Refused(error) => Error::BatchRow { row, error }.into(),
        database @ Fault::Database(_) => database,
    }
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
        slice_rows::push(
            &mut octets,
            &ReservedRow {
                serial: row.to_be_signed.serial(),
                not_after: row.to_be_signed.not_after(),
                role: row.role,
                key_hash: row.key_hash,
                digest: *row.digest.as_bytes(),
                principal: row.principal.clone(),
            },
        );
    }
    connection
        .prepare_cached("INSERT INTO slice_rows (slice, rows) VALUES (?1, ?2)")?
        .execute(params![slice, octets])?;
    Ok(slice)
}

/// Whether no serial number starts with the prefix and is as long as those of slices.
pub(crate) fn is_free(connection: &Connection, prefix: SerialPrefix) -> Result<bool, Fault> {
    let prefix = prefix.as_bytes();
    let reserved =
        connection.prepare_cached("SELECT 1 FROM slice WHERE prefix = ?1")?.exists([prefix])?;
    let issued = connection
        .prepare_cached(
            "SELECT 1 FROM certificate WHERE serial BETWEEN ?1 AND ?2 AND length(serial) = 20",
        )?
        .exists([prefix.to_vec(), [&prefix[..], &[0xff; 16]].concat()])?;
    Ok(!reserved && !issued)
}

fn announce(
    connection: &Connection,
    reservation: &SliceReservation,
    slice: i64,
    ca_id: &str,
) -> Result<(), Fault> {
    let rows = &reservation.rows;
    let digests = rows.iter().map(|row| row.digest.as_bytes().as_slice());
    let digest = slice_rows::commitment(Commits::Reserved, rows.len(), digests);
    let entry = Entry {
        at: reservation.now,
        actor: reservation.actor.clone(),
        action: action(CertificateRole::Client),
        outcome: Outcome::Reserved,
        ca: Some(ca_id.to_owned()),
        serial: None,
        principal: None,
        detail: format!("{} certificates, tbs sha256 {}", rows.len(), audit::hex(&digest)),
    };
    audit::append_slice(connection, &entry, slice)
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
    // A key may have been marked as compromised or another's since, without a new certificate.
    let claims: Vec<_> = rows
        .iter()
        .map(|row| Claim { key_hash: &row.key_hash, principal: &row.principal })
        .collect();
    key_holders::check_many(connection, &claims, step.compared, |at, fault| {
        of_row(rows[at].row, fault)
    })?;
    insert_certificates(connection, step, first, &rows)?;
    let fingerprints = rows.iter().map(|row| row.fingerprint.as_bytes().as_slice());
    let digest = slice_rows::commitment(Commits::Issued, rows.len(), fingerprints);
    let entry = Entry {
        at: step.now,
        actor: step.actor.clone(),
        action: action(CertificateRole::Client),
        outcome: Outcome::Done,
        ca: Some(step.ca_id.clone()),
        serial: None,
        principal: None,
        detail: format!("{} certificates, sha256 {}", rows.len(), audit::hex(&digest)),
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

fn insert_certificates(
    connection: &Connection,
    step: &CompletionStep,
    first: i64,
    rows: &[SignedRow],
) -> Result<(), Fault> {
    let mut insert = connection.prepare_cached(certificates::INSERT)?;
    let mut entries = Entries::with_capacity(rows.len());
    let mut ends: BTreeMap<(i64, i64), i64> = BTreeMap::new();
    for (number, row) in (first..).zip(rows) {
        let certificate = &row.certificate;
        let not_after = certificate.not_after().seconds();
        insert.execute(params![
            number,
            certificate.serial().as_bytes(),
            step.authority,
            None::<i64>,
            role_code(row.role),
            row.principal,
            &*row.profile,
            certificate.not_before().seconds(),
            not_after,
            step.now.seconds(),
            row.renews,
            certificate.der(),
        ])?;
        entries.push(number, &row.key_hash, &row.principal);
        *ends.entry((role_code(row.role), not_after.div_euclid(DAY))).or_default() += 1;
    }
    for ((role, day), count) in ends {
        let end = UnixTime::from_seconds(day * DAY);
        counts::add_live(connection, (step.authority, role), end, count)?;
    }
    lookup::add(connection, entries)
}

/// The certificates of a slice that is complete.
pub(crate) fn certificates_of(
    connection: &Connection,
    slice: &StoredSlice,
) -> Result<Vec<CertificateRow>, Fault> {
    (slice.first..slice.first + slice.count)
        .map(|number| {
            certificates::by_number(connection, number)?.ok_or_else(|| {
                Error::UnknownCertificate { name: crate::describe::certificate_id(number) }.into()
            })
        })
        .collect()
}

/// The live slices of an instance.
pub(super) fn live_of(connection: &Connection, instance: &str) -> Result<Vec<i64>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT number FROM slice WHERE instance = ?1 AND abandoned_at IS NULL \
         AND first IS NULL ORDER BY number",
    )?;
    let rows = statement.query_map([instance], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Row numbers as runs: first and count, 8 octets each.
pub(crate) fn pack_row_numbers(rows: impl Iterator<Item = u64>) -> Vec<u8> {
    let mut runs: Vec<(u64, u64)> = Vec::new();
    for row in rows {
        match runs.last_mut() {
            Some((first, count)) if first.checked_add(*count) == Some(row) => *count += 1,
            _ => runs.push((row, 1)),
        }
    }
    runs.iter()
        .flat_map(|(first, count)| [first.to_be_bytes(), count.to_be_bytes()].concat())
        .collect()
}

/// The row numbers again.
pub(crate) fn unpack_row_numbers(octets: &[u8]) -> impl Iterator<Item = u64> {
    octets.as_chunks::<16>().0.iter().flat_map(|run| {
        let (first, count) = run.split_at(8);
        let number =
            |octets: &[u8]| octets.iter().fold(0_u64, |n, octet| n << 8 | u64::from(*octet));
        let first = number(first);
        (0..number(count)).map(move |at| first.wrapping_add(at))
    })
}

/// What an abandoned slice is known by.
pub(super) struct AbandonedSlice {
    pub(super) number: i64,
    pub(super) authority: i64,
    pub(super) reserved_at: UnixTime,
    pub(super) abandoned_at: UnixTime,
}

/// The abandoned slices, oldest first; all, or the one with this prefix.
pub(super) fn abandoned(
    connection: &Connection,
    prefix: Option<SerialPrefix>,
) -> Result<Vec<AbandonedSlice>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT number, authority, reserved_at, abandoned_at FROM slice \
         WHERE abandoned_at IS NOT NULL AND (?1 IS NULL OR prefix = ?1) ORDER BY number",
    )?;
    let prefix = prefix.as_ref().map(SerialPrefix::as_bytes);
    let rows = statement.query_map([prefix], |row| {
        Ok(AbandonedSlice {
            number: row.get(0)?,
            authority: row.get(1)?,
            reserved_at: super::time_at(row, 2)?,
            abandoned_at: super::time_at(row, 3)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The CA of a slice as errors and records call it.
pub(super) fn ca_id(connection: &Connection, authority: i64) -> Result<Option<String>, Fault> {
    Ok(authorities::by_number(connection, authority)?.map(|ca| ca.id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn row_numbers_read_back() {
        for rows in [vec![], vec![0, 1, 2], vec![5], vec![0, 2, 3, 9, 8, u64::MAX]] {
            let packed = pack_row_numbers(rows.iter().copied());
            assert_eq!(unpack_row_numbers(&packed).collect::<Vec<_>>(), rows);
        }
        assert_eq!(pack_row_numbers(10..4106).len(), 16);
    }
}
