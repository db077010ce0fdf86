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
pub(super) fn push(octets: &mut Vec<u8>, row: &CommittedRow<'_>) {
    octets.extend_from_slice(&row.serial.as_bytes()[SerialPrefix::OCTETS..]);
    octets.extend_from_slice(&row.not_after.seconds().to_be_bytes());
    octets.extend_from_slice(&row.role.to_be_bytes()[7..]);
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
    /// Rows that are about to be signed.
    Reserved,
    /// Certificates that became complete.
    Issued,
    /// Certificates that were revoked.
    Revoked,
}

/// One row as a record commits to it: all that is shown of it or kept beside its certificate, and a
/// digest of the rest.
#[derive(Clone, Copy, Debug)]
pub(super) struct CommittedRow<'a> {
    pub(super) serial: SerialNumber,
    pub(super) not_after: UnixTime,
    /// The code of its role.
    pub(super) role: i64,
    pub(super) principal: &'a str,
    pub(super) key_hash: [u8; 32],
    /// SHA-256 of the to-be-signed bytes of what is reserved, else of the certificate's DER.
    pub(super) digest: [u8; 32],
}

impl CommittedRow<'_> {
    fn push(&self, octets: &mut Vec<u8>) {
        // Serial numbers have at most 20 octets, principals 256; the rest is as long in every row.
        for field in [self.serial.as_bytes(), self.principal.as_bytes()] {
            octets.extend_from_slice(&(field.len() as u64).to_be_bytes());
            octets.extend_from_slice(field);
        }
        octets.extend_from_slice(&self.not_after.seconds().to_be_bytes());
        octets.extend_from_slice(&self.role.to_be_bytes());
        octets.extend_from_slice(&self.key_hash);
        octets.extend_from_slice(&self.digest);
    }
}

impl ReservedRow {
    /// The row as the record of its reservation commits to it.
    pub(super) fn committed(&self) -> CommittedRow<'_> {
        CommittedRow {
            serial: self.serial,
            not_after: self.not_after,
            role: role_code(self.role),
            principal: &self.principal,
            key_hash: self.key_hash,
            digest: self.digest,
        }
    }
}

/// A digest over what each row of a slice is, in order.
pub(super) fn commitment<'a>(
    commits: Commits,
    rows: impl ExactSizeIterator<Item = CommittedRow<'a>>,
) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(match commits {
        Commits::Reserved => b"RustMQ PKI slice 2 reserved",
        Commits::Issued => b"RustMQ PKI slice 2 issued  ",
        Commits::Revoked => b"RustMQ PKI slice 2 revoked ",
    });
    context.update(&(rows.len() as u64).to_be_bytes());
    let mut octets = Vec::with_capacity(256);
    for row in rows {
        octets.clear();
        row.push(&mut octets);
        context.update(&octets);
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
        rows.iter().for_each(|row| push(&mut octets, &row.committed()));
        assert_eq!(parse(prefix.as_bytes(), &octets), Some(rows));
        assert_eq!(parse(prefix.as_bytes(), &octets[..octets.len() - 1]), None);
    }

    #[test]
    fn a_commitment_depends_on_each_field_of_each_row_and_their_order() {
        let serial = |octets: &[u8]| SerialNumber::from_bytes(octets).unwrap();
        let row = |octets: &[u8], principal| CommittedRow {
            serial: serial(octets),
            not_after: UnixTime::from_seconds(1_800_000_000),
            role: 5,
            principal,
            key_hash: [7; 32],
            digest: [9; 32],
        };
        let of = |rows: &[CommittedRow<'_>]| commitment(Commits::Issued, rows.iter().copied());
        let (one, other) = (row(&[1, 2], "a"), row(&[3], "b"));
        let whole = of(&[one, other]);
        assert_eq!(of(&[one, other]), whole);
        let later = UnixTime::from_seconds(1_800_000_001);
        for changed in [
            CommittedRow { serial: serial(&[4]), ..other },
            CommittedRow { not_after: later, ..other },
            CommittedRow { role: 6, ..other },
            CommittedRow { principal: "c", ..other },
            CommittedRow { key_hash: [8; 32], ..other },
            CommittedRow { digest: [8; 32], ..other },
        ] {
            assert_ne!(of(&[one, changed]), whole, "{changed:?}");
        }
        assert_ne!(of(&[other, one]), whole);
        assert_ne!(of(&[one]), whole);
        assert_ne!(commitment(Commits::Revoked, [one, other].into_iter()), whole);
    }
}
