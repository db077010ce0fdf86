//! CRLs: numbers given out, and the newest of each CA.

use rusqlite::{Connection, OptionalExtension, Row, params};
use rustmq_pki::crl::{CertificateRevocationList, RevocationReason, RevokedCertificate};
use rustmq_pki::key::Fingerprint;
use rustmq_pki::serial::SerialNumber;
use rustmq_pki::time::{DAY, UnixTime};

use super::audit::{self, Entry, Outcome};
use super::authorities::{self, CaRow};
use super::fault::Fault;
use super::{optional_time_at, time_at};
use crate::{Actor, Error};

/// How many numbers of a restored store belong to each second. Each is given out in a transaction of its
/// own, and no disk takes a million of those in a second. 2^20 keeps them below 2^53, which programs that
/// read JSON count to, until the year 2242.
const RESTORED_NUMBERS_A_SECOND: i64 = 1 << 20;

/// Numbers of a store that was never restored are below, those of one that was are above: the seconds of
/// the next 30,000 years.
const RESTORED: i64 = 1 << 40;

/// A CRL whose number is durable and which is now to be signed.
#[derive(Debug)]
pub(crate) struct CrlTask {
    pub(crate) number: u64,
    pub(crate) revoked: Vec<RevokedCertificate>,
    authority: i64,
    ca_id: String,
    revision: i64,
    /// The last row that was read; later ones are not on this CRL.
    last_row: i64,
}

/// The newest CRL of a CA.
#[derive(Clone, Debug)]
pub(crate) struct StoredCrl {
    pub(crate) crl: CertificateRevocationList,
    pub(crate) entries: usize,
}

/// Gives out the next number and reads what the CRL will say.
pub(crate) fn reserve(
    connection: &Connection,
    authority: &CaRow,
    now: UnixTime,
    actor: &Actor,
) -> Result<CrlTask, Fault> {
    audit::check_clock(connection, now)?;
    let (last, revision): (i64, i64) = connection
        .prepare_cached("SELECT crl_number, revision FROM authority WHERE number = ?1")?
        .query_row([authority.number], |row| Ok((row.get(0)?, row.get(1)?)))?;
    // Never back, and a time that people can read while no more lists are signed than seconds pass.
    let number = (last + 1).max(now.seconds());
    connection
        .prepare_cached("UPDATE authority SET crl_number = ?2 WHERE number = ?1")?
        .execute([authority.number, number])?;
    let (revoked, last_row) = entries(connection, authority.number)?;
    let detail = format!("number {number}, {}", entries_in_words(revoked.len()));
    let ca_id = authority.id.clone();
    audit::append(connection, &entry(&ca_id, Outcome::Reserved, now, actor, detail))?;
    let number = u64::try_from(number).unwrap_or(0);
    Ok(CrlTask { number, revoked, authority: authority.number, ca_id, revision, last_row })
}

/// Puts the next number of every CA above whatever the store gave out after the copy was made from which
/// it is restored at `now`. That store ran ahead of its clock by as many lists as it had signed beyond one
/// a second; or it had itself been restored, earlier than now, and its numbers began at those of that
/// second. If the copy was made after that, they begin a day after the copy's, whatever the clocks say.
pub(crate) fn skip_lost_numbers(connection: &Connection, now: UnixTime) -> Result<(), Fault> {
    let last = now.seconds().max(0).saturating_mul(RESTORED_NUMBERS_A_SECOND);
    let day = DAY * RESTORED_NUMBERS_A_SECOND;
    connection.execute(
        "UPDATE authority SET crl_number = max(?1, crl_number + iif(crl_number < ?2, 0, ?3))",
        [last, RESTORED, day],
    )?;
    Ok(())
}

/// Makes every CA's newest list one that does not say all: what the store gave out after the copy was made
/// may list more. Whoever publishes it again would take revocations back.
pub(crate) fn outdate_all(connection: &Connection) -> Result<(), Fault> {
    connection.execute("UPDATE authority SET revision = revision + 1", [])?;
    Ok(())
}

fn entries_in_words(count: usize) -> String {
    match count {
        1 => "1 entry".to_owned(),
        many => format!("{many} entries"),
    }
}

fn entry(ca: &str, outcome: Outcome, now: UnixTime, actor: &Actor, detail: String) -> Entry {
    Entry {
        at: now,
        actor: actor.clone(),
        action: "crl.sign",
        outcome,
        ca: Some(ca.to_owned()),
        serial: None,
        principal: None,
        detail,
    }
}

fn entries(
    connection: &Connection,
    authority: i64,
) -> Result<(Vec<RevokedCertificate>, i64), Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT serial, revoked_at, reason, invalidity_date, number FROM revocation \
         INDEXED BY revocation_on_crl WHERE authority = ?1 AND off_crl = 0",
    )?;
    let mut rows = statement.query([authority])?;
    let (mut revoked, mut last_row) = (Vec::new(), 0);
    while let Some(row) = rows.next()? {
        revoked.push(revoked_certificate(row)?);
        last_row = last_row.max(row.get(4)?);
    }
    Ok((revoked, last_row))
}

fn revoked_certificate(row: &Row<'_>) -> rusqlite::Result<RevokedCertificate> {
    let serial = SerialNumber::from_bytes(row.get_ref(0)?.as_blob()?).map_err(|error| {
        let kind = rusqlite::types::Type::Blob;
        rusqlite::Error::FromSqlConversionFailure(0, kind, Box::new(error))
    })?;
    let reason: Option<u8> = row.get(2)?;
    Ok(RevokedCertificate {
        serial,
        revoked_at: time_at(row, 1)?,
        reason: reason.and_then(RevocationReason::from_code),
        invalidity_date: optional_time_at(row, 3)?,
    })
}

/// Stores a signed CRL, unless another process has stored a later one meanwhile.
///
/// Certificates whose end this CRL lies behind leave the next one (RFC 5280 3.3).
pub(crate) fn complete(
    connection: &Connection,
    task: &CrlTask,
    crl: &CertificateRevocationList,
    now: UnixTime,
    actor: &Actor,
) -> Result<(), Fault> {
    let number = i64::try_from(task.number).unwrap_or(i64::MAX);
    connection
        .prepare_cached(
            "INSERT INTO crl (authority, number, revision, this_update, next_update, entries, der) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (authority) DO UPDATE SET \
             number = excluded.number, revision = excluded.revision, \
             this_update = excluded.this_update, next_update = excluded.next_update, \
             entries = excluded.entries, der = excluded.der WHERE excluded.number > crl.number",
        )?
        .execute(params![
            task.authority,
            number,
            task.revision,
            crl.this_update().seconds(),
            crl.next_update().seconds(),
            i64::try_from(task.revoked.len()).unwrap_or(i64::MAX),
            crl.der(),
        ])?;
    connection
        .prepare_cached(
            "UPDATE revocation SET off_crl = 1 WHERE authority = ?1 AND off_crl = 0 \
             AND number <= ?2 AND not_after < ?3",
        )?
        .execute([task.authority, task.last_row, crl.this_update().seconds()])?;
    let digest = Fingerprint::of(crl.der());
    let entries = entries_in_words(task.revoked.len());
    let detail = format!("number {number}, {entries}, sha256 {digest}");
    audit::append(connection, &entry(&task.ca_id, Outcome::Done, now, actor, detail))
}

/// Makes a CRL that was signed before this store was restored the newest, with its number as the last
/// given out. What it lists, the store lists too.
pub(super) fn adopt(
    connection: &Connection,
    authority: i64,
    crl: &CertificateRevocationList,
    entries: usize,
) -> Result<(), Fault> {
    let number = i64::try_from(crl.number()).unwrap_or(i64::MAX);
    connection
        .prepare_cached(
            "INSERT INTO crl (authority, number, revision, this_update, next_update, entries, der) \
             SELECT number, ?2, revision, ?3, ?4, ?5, ?6 FROM authority WHERE number = ?1 \
             ON CONFLICT (authority) DO UPDATE SET \
             number = excluded.number, revision = excluded.revision, \
             this_update = excluded.this_update, next_update = excluded.next_update, \
             entries = excluded.entries, der = excluded.der WHERE excluded.number > crl.number",
        )?
        .execute(params![
            authority,
            number,
            crl.this_update().seconds(),
            crl.next_update().seconds(),
            i64::try_from(entries).unwrap_or(i64::MAX),
            crl.der(),
        ])?;
    connection
        .prepare_cached("UPDATE authority SET crl_number = max(crl_number, ?2) WHERE number = ?1")?
        .execute([authority, number])?;
    Ok(())
}

/// The newest CRL of a CA.
pub(crate) fn stored(connection: &Connection, authority: i64) -> Result<Option<StoredCrl>, Fault> {
    let row = connection
        .prepare_cached("SELECT der, entries FROM crl WHERE authority = ?1")?
        .query_row([authority], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, i64>(1)?)))
        .optional()?;
    let Some((der, entries)) = row else { return Ok(None) };
    let crl = CertificateRevocationList::from_der(&der).map_err(|error| Error::CorruptStore {
        path: connection.path().unwrap_or_default().into(),
        detail: error.to_string(),
    })?;
    Ok(Some(StoredCrl { crl, entries: usize::try_from(entries).unwrap_or(0) }))
}

/// Whether a CA needs a new CRL: none yet, something changed, or nextUpdate comes before `horizon`.
pub(crate) fn is_due(
    connection: &Connection,
    authority: i64,
    horizon: UnixTime,
) -> Result<bool, Fault> {
    let due = connection
        .prepare_cached(
            "SELECT c.number IS NULL OR a.revision > c.revision OR c.next_update <= ?2 \
             FROM authority a LEFT JOIN crl c ON c.authority = a.number WHERE a.number = ?1",
        )?
        .query_row([authority, horizon.seconds()], |row| row.get(0))
        .optional()?;
    Ok(due.unwrap_or(false))
}

/// Whether a CA needs a new CRL while its key is open: none yet, something changed, or half of the
/// newest one's time is over. An issuer in daily use never lets its CRL run out.
pub(crate) fn is_half_over(
    connection: &Connection,
    authority: i64,
    now: UnixTime,
) -> Result<bool, Fault> {
    let due = connection
        .prepare_cached(
            "SELECT c.number IS NULL OR a.revision > c.revision \
             OR 2 * (c.next_update - ?2) <= c.next_update - c.this_update \
             FROM authority a LEFT JOIN crl c ON c.authority = a.number WHERE a.number = ?1",
        )?
        .query_row([authority, now.seconds()], |row| row.get(0))
        .optional()?;
    Ok(due.unwrap_or(false))
}

/// The CAs whose newest CRL does not say what it should.
pub(crate) fn outdated(connection: &Connection) -> Result<Vec<CaRow>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT a.number FROM authority a LEFT JOIN crl c ON c.authority = a.number \
         WHERE a.certificate IS NOT NULL AND a.revision > coalesce(c.revision, -1) \
         ORDER BY a.number",
    )?;
    let numbers =
        statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
    let mut found = Vec::new();
    for number in numbers {
        found.extend(authorities::by_number(connection, number)?);
    }
    Ok(found)
}
