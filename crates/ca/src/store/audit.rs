//! The audit record: append-only, each record bound to the one before it by its hash.
//!
//! A record may speak of a slice: then it has a digest that commits to each row, and is shown as one
//! record a row.

mod rows;

use aws_lc_rs::digest::{Context, SHA256};
use rusqlite::{Connection, OptionalExtension, Row, params};
use rustmq_pki::hex;
use rustmq_pki::time::UnixTime;

use super::fault::Fault;
use super::{Store, time_at};
use crate::info::{AuditFault, AuditRecord, AuditVerdict};
use crate::request::AuditFilter;
use crate::{Actor, Error};

/// How far the clock may be behind the newest record, in seconds, before nothing is signed: more
/// than a time daemon steps, less than any validity.
const CLOCK_TOLERANCE: i64 = 300;

/// Separates these hashes from any other use of SHA-256, and names the form of the record.
const DOMAIN: &[u8] = b"RustMQ PKI audit record 1";

/// The same for records of a slice, which have one field more.
const SLICE_DOMAIN: &[u8] = b"RustMQ PKI audit record 2";

/// What a record says of an abandoned row.
const ABANDONED: &str = "its process ended before the certificate was complete";

/// How an attempt ended, or how far it came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Durable, the key not yet used.
    Reserved,
    /// Carried out.
    Done,
    /// Refused.
    Refused,
    /// Found unfinished after its process had ended.
    Abandoned,
}

impl Outcome {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Reserved => "reserved",
            Self::Done => "done",
            Self::Refused => "refused",
            Self::Abandoned => "abandoned",
        }
    }
}

/// A record to be appended.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) at: UnixTime,
    pub(crate) actor: Actor,
    pub(crate) action: &'static str,
    pub(crate) outcome: Outcome,
    pub(crate) ca: Option<String>,
    pub(crate) serial: Option<String>,
    pub(crate) principal: Option<String>,
    pub(crate) detail: String,
}

/// A record as it stands in the table.
struct StoredRecord {
    record: AuditRecord,
    latest: i64,
    slice: Option<i64>,
    previous: Vec<u8>,
    hash: Vec<u8>,
}

/// What a record's hash covers besides the previous hash.
struct Fields<'a> {
    number: i64,
    at: i64,
    latest: i64,
    actor: &'a str,
    action: &'a str,
    outcome: &'a str,
    ca: Option<&'a str>,
    serial: Option<&'a str>,
    principal: Option<&'a str>,
    detail: &'a str,
    slice: Option<i64>,
}

impl Fields<'_> {
    /// SHA-256 over the domain, the previous hash and each field behind its length. An absent field
    /// has the length 2^32 - 1, which no present one can have.
    fn hash(&self, previous: &[u8]) -> [u8; 32] {
        let mut context = Context::new(&SHA256);
        let mut framed = |field: Option<&[u8]>| {
            let length = field.map_or(u32::MAX, |f| u32::try_from(f.len()).unwrap_or(u32::MAX - 1));
            context.update(&length.to_be_bytes());
            context.update(field.unwrap_or_default());
        };
        framed(Some(if self.slice.is_some() { SLICE_DOMAIN } else { DOMAIN }));
        framed(Some(previous));
        for integer in [self.number, self.at, self.latest] {
            framed(Some(&integer.to_be_bytes()));
        }
        for text in [self.actor, self.action, self.outcome] {
            framed(Some(text.as_bytes()));
        }
        for text in [self.ca, self.serial, self.principal] {
            framed(text.map(str::as_bytes));
        }
        framed(Some(self.detail.as_bytes()));
        if let Some(slice) = self.slice {
            framed(Some(&slice.to_be_bytes()));
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(context.finish().as_ref());
        hash
    }
}

impl StoredRecord {
    /// Whether it has the hash of a record that was written as `number`.
    fn was_written_as(&self, number: u64) -> bool {
        let record = &self.record;
        Fields {
            number: i64::try_from(number).unwrap_or(i64::MAX),
            at: record.at.seconds(),
            latest: self.latest,
            actor: &record.actor,
            action: &record.action,
            outcome: &record.outcome,
            ca: record.ca_id.as_deref(),
            serial: record.serial.as_deref(),
            principal: record.principal.as_deref(),
            detail: &record.detail,
            slice: self.slice,
        }
        .hash(&self.previous)
            == self.hash[..]
    }
}

/// The newest record's number and hash, and the newest time that anything was done at.
struct Head {
    number: i64,
    latest: i64,
    hash: Vec<u8>,
}

fn head(connection: &Connection) -> rusqlite::Result<Head> {
    let newest = connection
        .prepare_cached("SELECT number, latest, hash FROM audit ORDER BY number DESC LIMIT 1")?
        .query_row([], |row| {
            Ok(Head { number: row.get(0)?, latest: row.get(1)?, hash: row.get(2)? })
        })
        .optional()?;
    Ok(newest.unwrap_or(Head { number: 0, latest: i64::MIN, hash: vec![0; 32] }))
}

/// Appends a record in the transaction of what it records.
pub(crate) fn append(connection: &Connection, entry: &Entry) -> Result<(), Fault> {
    insert(connection, entry, None)
}

/// Appends a record of a slice, whose detail ends in the digest of its rows.
pub(super) fn append_slice(
    connection: &Connection,
    entry: &Entry,
    slice: i64,
) -> Result<(), Fault> {
    insert(connection, entry, Some(slice))
}

/// The newest time that anything was done at. A refusal did nothing: recorded under a clock that runs
/// years ahead, it must not keep the authority from signing until then.
fn latest(head: &Head, entry: &Entry) -> i64 {
    match entry.outcome {
        Outcome::Refused => head.latest,
        Outcome::Reserved | Outcome::Done | Outcome::Abandoned => {
            head.latest.max(entry.at.seconds())
        }
    }
}

fn insert(connection: &Connection, entry: &Entry, slice: Option<i64>) -> Result<(), Fault> {
    let head = head(connection)?;
    let fields = Fields {
        number: head.number + 1,
        at: entry.at.seconds(),
        latest: latest(&head, entry),
        actor: entry.actor.as_str(),
        action: entry.action,
        outcome: entry.outcome.as_str(),
        ca: entry.ca.as_deref(),
        serial: entry.serial.as_deref(),
        principal: entry.principal.as_deref(),
        detail: &entry.detail,
        slice,
    };
    connection
        .prepare_cached(
            "INSERT INTO audit (number, at, latest, actor, action, outcome, ca, serial, \
             principal, detail, previous, hash, slice) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
        )?
        .execute(params![
            fields.number,
            fields.at,
            fields.latest,
            fields.actor,
            fields.action,
            fields.outcome,
            fields.ca,
            fields.serial,
            fields.principal,
            fields.detail,
            head.hash,
            fields.hash(&head.hash),
            slice,
        ])?;
    Ok(())
}

/// How many records there are, and the hash of the newest, hexadecimal: 64 zeros before the first.
pub(crate) fn head_of(connection: &Connection) -> Result<(u64, String), Fault> {
    let head = head(connection)?;
    Ok((u64::try_from(head.number).unwrap_or(0), hex::encode(&head.hash)))
}

/// The hash of the record with this number, hexadecimal.
pub(crate) fn hash_of(connection: &Connection, number: u64) -> Result<Option<String>, Fault> {
    let Ok(number) = i64::try_from(number) else { return Ok(None) };
    let hash: Option<Vec<u8>> = connection
        .prepare_cached("SELECT hash FROM audit WHERE number = ?1")?
        .query_row([number], |row| row.get(0))
        .optional()?;
    Ok(hash.map(|hash| hex::encode(&hash)))
}

/// Refuses to sign by a clock that was set back: it would issue into the past and take what has
/// ended for good.
pub(crate) fn check_clock(connection: &Connection, now: UnixTime) -> Result<(), Fault> {
    let newest = UnixTime::from_seconds(head(connection)?.latest);
    if now.plus_seconds(CLOCK_TOLERANCE) < newest {
        return Err(Error::ClockBehind { now, newest }.into());
    }
    Ok(())
}

const COLUMNS: &str = "number, at, latest, actor, action, outcome, ca, serial, principal, detail, \
                       hash, previous, slice";

fn stored_record(row: &Row<'_>) -> rusqlite::Result<StoredRecord> {
    let hash: Vec<u8> = row.get(10)?;
    Ok(StoredRecord {
        record: AuditRecord {
            number: u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0),
            row: None,
            at: time_at(row, 1)?,
            actor: row.get(3)?,
            action: row.get(4)?,
            outcome: row.get(5)?,
            ca_id: row.get(6)?,
            serial: row.get(7)?,
            principal: row.get(8)?,
            detail: row.get(9)?,
            hash: hex::encode(&hash),
        },
        latest: row.get(2)?,
        previous: row.get(11)?,
        slice: row.get(12)?,
        hash,
    })
}

/// Follows the chain from the first record and names the first that does not follow.
pub(crate) fn verify(connection: &Connection) -> Result<AuditVerdict, Fault> {
    let mut statement =
        connection.prepare(&format!("SELECT {COLUMNS} FROM audit ORDER BY number"))?;
    let mut rows = statement.query([])?;
    let mut verdict = AuditVerdict { records: 0, head: None, fault: None };
    let mut previous = vec![0; 32];
    while let Some(row) = rows.next()? {
        let stored = stored_record(row)?;
        let expected = verdict.records + 1;
        let follows = stored.record.number == expected && stored.previous == previous;
        if !follows || !stored.was_written_as(expected) {
            verdict.fault = Some(name_fault(connection, &stored, expected)?);
            return Ok(verdict);
        }
        if let Some(slice) = stored.slice
            && !rows::agree(connection, &stored.record, slice)?
        {
            verdict.fault = Some(AuditFault::Rows { number: expected });
            return Ok(verdict);
        }
        verdict.records = expected;
        verdict.head = Some(stored.record.hash);
        previous = stored.hash;
    }
    Ok(verdict)
}

/// Which fault it is that `stored` is no record `expected` behind the one before it.
fn name_fault(
    connection: &Connection,
    stored: &StoredRecord,
    expected: u64,
) -> Result<AuditFault, Fault> {
    let number = stored.record.number;
    if number > expected {
        return Ok(AuditFault::Dropped { number: expected });
    }
    if stored.was_written_as(number) {
        // Whole in itself, but it followed another record than the one that stands there now.
        return Ok(AuditFault::Edited { number: expected - 1 });
    }
    // Numbers are what the file says: one that is beyond the count of records was not given out here.
    let count: i64 = connection.query_row("SELECT count(*) FROM audit", [], |row| row.get(0))?;
    let last = u64::try_from(head(connection)?.number.min(count)).unwrap_or(0);
    // A moved record is whole under its old number. Numbers closed up over a gap look the same, but
    // for the predecessor, which is gone.
    match (1..=last.saturating_add(1)).find(|old| stored.was_written_as(*old)) {
        None => Ok(AuditFault::Edited { number }),
        Some(written_as) if stands(connection, &stored.previous)? || written_as == 1 => {
            Ok(AuditFault::Reordered { number, written_as })
        }
        Some(written_as) => Ok(AuditFault::Dropped { number: written_as - 1 }),
    }
}

fn stands(connection: &Connection, hash: &[u8]) -> rusqlite::Result<bool> {
    connection.prepare("SELECT 1 FROM audit WHERE hash = ?1")?.exists([hash])
}

/// Calls `each` with the records after `after`, oldest first.
pub(crate) fn visit(
    connection: &Connection,
    after: u64,
    mut each: impl FnMut(AuditRecord) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut statement = connection
        .prepare(&format!("SELECT {COLUMNS} FROM audit WHERE number > ?1 ORDER BY number"))?;
    let mut rows = statement.query([i64::try_from(after).unwrap_or(i64::MAX)])?;
    while let Some(row) = rows.next()? {
        shown(connection, stored_record(row)?)?.into_iter().try_for_each(&mut each)?;
    }
    Ok(())
}

/// The newest `limit` records, oldest first. Each row of a slice counts as one.
pub(crate) fn newest(connection: &Connection, limit: u32) -> Result<Vec<AuditRecord>, Fault> {
    let mut statement = connection
        .prepare(&format!("SELECT {COLUMNS} FROM audit ORDER BY number DESC LIMIT ?1"))?;
    let mut rows = statement.query([limit])?;
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut records = Vec::new();
    while records.len() < limit
        && let Some(row) = rows.next()?
    {
        records.extend(shown(connection, stored_record(row)?)?.into_iter().rev());
    }
    records.truncate(limit);
    records.reverse();
    Ok(records)
}

/// A record, or a row of one that speaks of a slice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    number: i64,
    /// Which of what is shown of it, from 0.
    at: usize,
}

/// Where the newest `count` records begin that pass, and how many there are. Each row of a slice counts
/// as one.
pub(crate) fn begin_of(
    connection: &Connection,
    filter: &AuditFilter,
    count: u32,
) -> Result<(Option<Place>, u64), Fault> {
    let mut statement =
        connection.prepare(&format!("SELECT {COLUMNS} FROM audit ORDER BY number DESC"))?;
    let mut rows = statement.query([])?;
    let (mut begin, mut found) = (None, 0);
    while found < u64::from(count)
        && let Some(row) = rows.next()?
    {
        let number = row.get(0)?;
        let shown = passing(connection, stored_record(row)?, filter)?;
        for (at, _) in shown.into_iter().rev() {
            if found < u64::from(count) {
                (begin, found) = (Some(Place { number, at }), found + 1);
            }
        }
    }
    Ok((begin, found))
}

/// The records that pass from a place on, oldest first: `most`, and the rest of the last one's slice. Where
/// the next ones begin, if there are more.
pub(crate) fn page(
    connection: &Connection,
    from: Place,
    filter: &AuditFilter,
    most: usize,
) -> Result<(Vec<AuditRecord>, Option<Place>), Fault> {
    let mut statement = connection
        .prepare(&format!("SELECT {COLUMNS} FROM audit WHERE number >= ?1 ORDER BY number"))?;
    let mut rows = statement.query([from.number])?;
    let mut page = Vec::new();
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0)?;
        if page.len() >= most {
            return Ok((page, Some(Place { number, at: 0 })));
        }
        let skipped = if number == from.number { from.at } else { 0 };
        let shown = passing(connection, stored_record(row)?, filter)?;
        page.extend(shown.into_iter().filter(|(at, _)| *at >= skipped).map(|(_, record)| record));
    }
    Ok((page, None))
}

/// What is shown of a record and passes, each with its place in it.
fn passing(
    connection: &Connection,
    stored: StoredRecord,
    filter: &AuditFilter,
) -> Result<Vec<(usize, AuditRecord)>, Fault> {
    // All rows of a slice are of one CA: those of another need not be read.
    if filter.ca_id.is_some() && filter.ca_id != stored.record.ca_id {
        return Ok(Vec::new());
    }
    let shown = shown(connection, stored)?.into_iter().enumerate();
    Ok(shown.filter(|(_, record)| filter.passes(record)).collect())
}

/// A record as it is shown: that of a slice row by row.
fn shown(connection: &Connection, stored: StoredRecord) -> Result<Vec<AuditRecord>, Fault> {
    match stored.slice {
        None => Ok(vec![stored.record]),
        Some(slice) => rows::expand(connection, &stored.record, slice),
    }
}

impl Store {
    /// Appends a record of something that changed nothing else.
    pub(crate) async fn record(&self, entry: Entry) -> Result<(), Error> {
        self.write(move |connection| append(connection, &entry)).await
    }
}
