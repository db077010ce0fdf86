//! What was reserved for each row of a slice, and the digests that commit to all of them.

use aws_lc_rs::digest::{Context, SHA256};
use rusqlite::{Connection, OptionalExtension};
use rustmq_pki::serial::{SerialNumber, SerialPrefix};
use rustmq_pki::time::UnixTime;

use super::certificates::{role_code, role_of_code};
use super::fault::Fault;
use crate::Error;
use crate::info::CertificateRole;

/// What stands of one row before its certificate is complete.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReservedRow {
    pub(super) serial: SerialNumber,
    pub(super) not_after: UnixTime,
    pub(super) role: CertificateRole,
    pub(super) key_hash: [u8; 32],
    /// SHA-256 of the to-be-signed bytes.
    pub(super) digest: [u8; 32],
    pub(super) principal: String,
}

/// Appends a row's octets. The prefix of its serial number stands in the slice.
pub(super) fn push(octets: &mut Vec<u8>, row: &ReservedRow) {
    octets.extend_from_slice(&row.serial.as_bytes()[SerialPrefix::OCTETS..]);
    octets.extend_from_slice(&row.not_after.seconds().to_be_bytes());
    octets.extend_from_slice(&role_code(row.role).to_be_bytes()[7..]);
    octets.extend_from_slice(&row.key_hash);
    octets.extend_from_slice(&row.digest);
    let length = u16::try_from(row.principal.len()).unwrap_or(u16::MAX);
    octets.extend_from_slice(&length.to_be_bytes());
    octets.extend_from_slice(&row.principal.as_bytes()[..usize::from(length)]);
}

/// Reads a slice's rows.
fn parse(prefix: &[u8], mut octets: &[u8]) -> Option<Vec<ReservedRow>> {
    let mut rows = Vec::new();
    while !octets.is_empty() {
        let serial = [prefix, take::<16>(&mut octets)?].concat();
        let not_after = UnixTime::from_seconds(i64::from_be_bytes(*take(&mut octets)?));
        let [role] = *take(&mut octets)?;
        let (key_hash, digest) = (*take(&mut octets)?, *take(&mut octets)?);
        let length = usize::from(u16::from_be_bytes(*take(&mut octets)?));
        let (principal, rest) = octets.split_at_checked(length)?;
        octets = rest;
        rows.push(ReservedRow {
            serial: SerialNumber::from_bytes(&serial).ok()?,
            not_after,
            role: role_of_code(i64::from(role))?,
            key_hash,
            digest,
            principal: String::from_utf8(principal.to_vec()).ok()?,
        });
    }
    Some(rows)
}

fn take<'a, const LENGTH: usize>(octets: &mut &'a [u8]) -> Option<&'a [u8; LENGTH]> {
    let (taken, rest) = octets.split_first_chunk()?;
    *octets = rest;
    Some(taken)
}

/// The rows of a slice that is under way or abandoned; `None` for one that is complete.
pub(super) fn of_slice(
    connection: &Connection,
    slice: i64,
) -> Result<Option<Vec<ReservedRow>>, Fault> {
    let found = connection
        .prepare_cached(
            "SELECT s.prefix, r.rows FROM slice s JOIN slice_rows r ON r.slice = s.number \
             WHERE s.number = ?1",
        )?
        .query_row([slice], |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Vec<u8>>(1)?)))
        .optional()?;
    let Some((prefix, octets)) = found else { return Ok(None) };
    let rows = parse(&prefix, &octets).ok_or_else(|| Error::CorruptStore {
        path: connection.path().unwrap_or_default().into(),
        detail: format!("the rows of slice {slice} cannot be read"),
    })?;
    Ok(Some(rows))
}

/// What a digest over a slice's rows commits to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Commits {
    /// SHA-256 of the to-be-signed bytes of each row.
    Reserved,
    /// SHA-256 of the DER of each certificate.
    Issued,
    /// The serial number of each certificate.
    Revoked,
}

/// A digest over what each row of a slice is, in order.
pub(super) fn commitment<'a>(
    commits: Commits,
    count: usize,
    rows: impl Iterator<Item = &'a [u8]>,
) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(match commits {
        Commits::Reserved => b"RustMQ PKI slice 1 reserved",
        Commits::Issued => b"RustMQ PKI slice 1 issued  ",
        Commits::Revoked => b"RustMQ PKI slice 1 revoked ",
    });
    context.update(&(count as u64).to_be_bytes());
    for row in rows {
        // Serial numbers have at most 20 octets, digests 32.
        context.update(&[u8::try_from(row.len()).unwrap_or(u8::MAX)]);
        context.update(row);
    }
    let mut digest = [0; 32];
    digest.copy_from_slice(context.finish().as_ref());
    digest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_read_back_and_a_cut_one_does_not() {
        let prefix = SerialPrefix::generate().unwrap();
        let row = |principal: &str| ReservedRow {
            serial: SerialNumber::generate_in(prefix).unwrap(),
            not_after: UnixTime::from_seconds(1_800_000_000),
            role: CertificateRole::Client,
            key_hash: [7; 32],
            digest: [9; 32],
            principal: principal.to_owned(),
        };
        let rows = vec![row("a@b.example"), row(&"\u{10ffff}".repeat(64)), row("c")];
        let mut octets = Vec::new();
        rows.iter().for_each(|row| push(&mut octets, row));
        assert_eq!(parse(prefix.as_bytes(), &octets), Some(rows));
        assert_eq!(parse(prefix.as_bytes(), &octets[..octets.len() - 1]), None);
    }

    #[test]
    fn a_commitment_depends_on_each_row_and_their_order() {
        let of = |rows: &[&[u8]]| commitment(Commits::Revoked, rows.len(), rows.iter().copied());
        let (one, other) = (&[1_u8, 2][..], &[3_u8][..]);
        assert_eq!(of(&[one, other]), of(&[one, other]));
        assert_ne!(of(&[one, other]), of(&[other, one]));
        assert_ne!(of(&[&[1], &[2, 3]]), of(&[one, other]));
        assert_ne!(commitment(Commits::Issued, 1, [one].into_iter()), of(&[one]));
    }
}
