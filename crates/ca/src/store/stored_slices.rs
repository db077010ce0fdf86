//! What the store knows of slices: of a job's, of those under way, of abandoned ones.

use rusqlite::{Connection, OptionalExtension, params};
use rustmq_pki::serial::SerialPrefix;
use rustmq_pki::time::UnixTime;

use super::authorities;
use super::certificates::{self, CertificateRow};
use super::fault::Fault;
use crate::{Actor, Error};

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
