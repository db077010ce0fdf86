//! The rows of certificates. What they say of a certificate beside its DER only finds it again.

use std::collections::HashSet;
use std::ops::ControlFlow;

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};
use rustmq_pki::certificate::Certificate;
use rustmq_pki::crl::RevocationReason;
use rustmq_pki::hex;
use rustmq_pki::serial::SerialNumber;
use rustmq_pki::time::UnixTime;

use super::fault::Fault;
use super::lookup::{self, Kind};
use super::{optional_time_at, slice_rows, stored_slices, time_at};
use crate::info::{AbandonedSerial, CertificateRole, CertificateStatus};
use crate::pages::ListOrder;

/// A certificate and what became of it.
#[derive(Clone, Debug)]
pub(crate) struct CertificateRow {
    pub(crate) number: i64,
    pub(crate) authority: i64,
    pub(crate) subject_authority: Option<i64>,
    pub(crate) role: CertificateRole,
    pub(crate) principal: String,
    pub(crate) profile: String,
    pub(crate) issued_at: UnixTime,
    pub(crate) renews: Option<i64>,
    pub(crate) certificate: Certificate,
    pub(crate) revoked_at: Option<UnixTime>,
    pub(crate) reason: Option<RevocationReason>,
    pub(crate) invalidity_date: Option<UnixTime>,
    pub(crate) supersede_at: Option<UnixTime>,
    /// The id of the CA that issued it.
    pub(crate) ca_id: String,
}

impl CertificateRow {
    /// Whether it is good at `now`.
    pub(crate) fn status(&self, now: UnixTime) -> CertificateStatus {
        match (self.revoked_at, self.reason) {
            (Some(_), Some(RevocationReason::CertificateHold)) => CertificateStatus::OnHold,
            (Some(_), Some(RevocationReason::Superseded)) => CertificateStatus::Superseded,
            (Some(_), _) => CertificateStatus::Revoked,
            (None, _) if self.certificate.not_after() < now => CertificateStatus::Expired,
            (None, _) => CertificateStatus::Active,
        }
    }
}

/// The number under which a role is stored. Numbers are never given a new meaning.
pub(super) const fn role_code(role: CertificateRole) -> i64 {
    match role {
        CertificateRole::RootCa => 1,
        CertificateRole::IntermediateCa => 2,
        CertificateRole::Broker => 3,
        CertificateRole::Controller => 4,
        CertificateRole::Client => 5,
        CertificateRole::Admin => 6,
        CertificateRole::OcspSigner => 7,
    }
}

/// The role of a stored number.
pub(super) fn role_of_code(code: i64) -> Option<CertificateRole> {
    [
        CertificateRole::RootCa,
        CertificateRole::IntermediateCa,
        CertificateRole::Broker,
        CertificateRole::Controller,
        CertificateRole::Client,
        CertificateRole::Admin,
        CertificateRole::OcspSigner,
    ]
    .into_iter()
    .find(|role| role_code(*role) == code)
}

/// The role in a column; a number of no role is a damaged store.
pub(super) fn role_at(row: &Row<'_>, column: usize) -> rusqlite::Result<CertificateRole> {
    let code = row.get(column)?;
    role_of_code(code).ok_or(rusqlite::Error::IntegralValueOutOfRange(column, code))
}

/// A stored DER that cannot be read is a damaged store.
fn certificate_at(row: &Row<'_>, column: usize) -> rusqlite::Result<Certificate> {
    let der = row.get_ref(column)?.as_blob()?;
    Certificate::from_der(der).map_err(|error| {
        let kind = rusqlite::types::Type::Blob;
        rusqlite::Error::FromSqlConversionFailure(column, kind, Box::new(error))
    })
}

fn reason_at(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<RevocationReason>> {
    let code: Option<u8> = row.get(column)?;
    Ok(code.and_then(RevocationReason::from_code))
}

const SELECT: &str = "SELECT c.number, c.authority, c.subject_authority, c.role, c.principal, \
    c.profile, c.issued_at, c.renews, c.der, r.revoked_at, r.reason, r.invalidity_date, s.due_at, \
    a.id FROM certificate c LEFT JOIN revocation r ON r.certificate = c.number \
    LEFT JOIN supersession s ON s.certificate = c.number \
    LEFT JOIN authority a ON a.number = c.authority";

fn certificate_row(row: &Row<'_>) -> rusqlite::Result<CertificateRow> {
    Ok(CertificateRow {
        number: row.get(0)?,
        authority: row.get(1)?,
        subject_authority: row.get(2)?,
        role: role_at(row, 3)?,
        principal: row.get(4)?,
        profile: row.get(5)?,
        issued_at: time_at(row, 6)?,
        renews: row.get(7)?,
        certificate: certificate_at(row, 8)?,
        revoked_at: optional_time_at(row, 9)?,
        reason: reason_at(row, 10)?,
        invalidity_date: optional_time_at(row, 11)?,
        supersede_at: optional_time_at(row, 12)?,
        ca_id: row.get(13)?,
    })
}

/// The certificate with this number.
pub(crate) fn by_number(
    connection: &Connection,
    number: i64,
) -> Result<Option<CertificateRow>, Fault> {
    let sql = format!("{SELECT} WHERE c.number = ?1");
    Ok(connection.prepare_cached(&sql)?.query_row([number], certificate_row).optional()?)
}

/// The certificate with this serial number.
pub(crate) fn by_serial(
    connection: &Connection,
    serial: &SerialNumber,
) -> Result<Option<CertificateRow>, Fault> {
    let sql = format!("{SELECT} WHERE c.serial = ?1");
    let mut statement = connection.prepare_cached(&sql)?;
    Ok(statement.query_row([serial.as_bytes()], certificate_row).optional()?)
}

/// Every certificate of a CA, newest first: a renewed CA has several.
pub(crate) fn of_authority(
    connection: &Connection,
    subject_authority: i64,
) -> Result<Vec<CertificateRow>, Fault> {
    let sql = format!("{SELECT} WHERE c.subject_authority = ?1 ORDER BY c.number DESC");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map([subject_authority], certificate_row)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Which rows to visit, in the order of issuing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selection {
    pub(crate) principal: Option<String>,
    pub(crate) authority: Option<i64>,
    pub(crate) role: Option<CertificateRole>,
    /// notAfter not before the first and not after the second.
    pub(crate) ends_within: Option<(UnixTime, UnixTime)>,
    /// Only those in the table of revocations.
    pub(crate) revoked: bool,
    /// Only those with a higher number.
    pub(crate) after: i64,
}

impl Selection {
    /// What SQL asks of a row, but for its number and its principal.
    fn conditions(&self) -> (Vec<&'static str>, Vec<Value>) {
        let (mut conditions, mut values) = (Vec::new(), Vec::new());
        if let Some(authority) = self.authority {
            conditions.push("c.authority = ?");
            values.push(authority.into());
        }
        if let Some(role) = self.role {
            conditions.push("c.role = ?");
            values.push(role_code(role).into());
        }
        if let Some((from, to)) = self.ends_within {
            conditions.push("c.not_after BETWEEN ? AND ?");
            values.extend([from.seconds().into(), to.seconds().into()]);
        }
        if self.revoked {
            conditions.push("r.number IS NOT NULL");
        }
        (conditions, values)
    }
}

/// Calls `each` with the selected rows.
pub(crate) fn visit(
    connection: &Connection,
    selection: &Selection,
    mut each: impl FnMut(CertificateRow) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let (mut conditions, mut values) = selection.conditions();
    let Some(principal) = &selection.principal else {
        conditions.push(if selection.after > 0 { "c.number > ?" } else { "1" });
        values.extend((selection.after > 0).then(|| Value::from(selection.after)));
        return visit_where(connection, &conditions.join(" AND "), values, &mut each);
    };
    conditions.extend(["c.number = ?", "c.principal = ?"]);
    let conditions = conditions.join(" AND ");
    for number in numbers_of_principal(connection, principal, selection.after)? {
        let mut values = values.clone();
        values.extend([number.into(), principal.clone().into()]);
        visit_where(connection, &conditions, values, &mut each)?;
    }
    Ok(())
}

/// The certificates that an active one renews, or one that renews such a one.
pub(crate) fn with_successor(
    connection: &Connection,
    now: UnixTime,
) -> Result<HashSet<i64>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT c.number, c.renews, r.number IS NULL AND c.not_after >= ?1 FROM certificate c \
         LEFT JOIN revocation r ON r.certificate = c.number WHERE c.renews IS NOT NULL \
         ORDER BY c.number DESC",
    )?;
    let mut renewed = HashSet::new();
    let mut rows = statement.query([now.seconds()])?;
    // A successor has the higher number: what became of it is known by now.
    while let Some(row) = rows.next()? {
        let (number, renews, is_active): (i64, i64, bool) = (row.get(0)?, row.get(1)?, row.get(2)?);
        if is_active || renewed.contains(&number) {
            renewed.insert(renews);
        }
    }
    Ok(renewed)
}

fn visit_where(
    connection: &Connection,
    conditions: &str,
    values: Vec<Value>,
    each: &mut impl FnMut(CertificateRow) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let sql = format!("{SELECT} WHERE {conditions} ORDER BY c.number");
    let mut statement = connection.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    while let Some(row) = rows.next()? {
        each(certificate_row(row)?)?;
    }
    Ok(())
}

/// The numbers of the selected rows in this order. A million have 8 MB.
pub(crate) fn select(
    connection: &Connection,
    selection: &Selection,
    order: ListOrder,
) -> Result<Vec<i64>, Fault> {
    let (mut conditions, mut values) = selection.conditions();
    let order = match order {
        ListOrder::Issued => "c.number",
        ListOrder::Ending => "c.not_after, c.number",
    };
    let mut found = Vec::new();
    let mut collect = |conditions: &[&str], values: Vec<Value>| -> Result<(), Fault> {
        let conditions = conditions.join(" AND ");
        let sql = format!(
            "SELECT c.number FROM certificate c \
             LEFT JOIN revocation r ON r.certificate = c.number \
             WHERE {conditions} ORDER BY {order}"
        );
        let mut statement = connection.prepare_cached(&sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        while let Some(row) = rows.next()? {
            found.push(row.get(0)?);
        }
        Ok(())
    };
    let Some(principal) = &selection.principal else {
        conditions.push("c.number > ?");
        values.push(selection.after.into());
        collect(&conditions, values)?;
        return Ok(found);
    };
    // As many numbers as one principal has certificates, and now and then another's of the same hash.
    conditions.extend(["c.principal = ?", "c.number IN (SELECT value FROM json_each(?))"]);
    let candidates = numbers_of_principal(connection, principal, selection.after)?;
    let candidates: Vec<_> = candidates.iter().map(ToString::to_string).collect();
    values.extend([principal.clone().into(), format!("[{}]", candidates.join(",")).into()]);
    collect(&conditions, values)?;
    Ok(found)
}

/// The numbers of the certificates that may be a principal's, ascending.
fn numbers_of_principal(
    connection: &Connection,
    principal: &str,
    after: i64,
) -> Result<Vec<i64>, Fault> {
    let mut numbers = Vec::new();
    let hash = lookup::of_principal(principal);
    lookup::find(connection, Kind::Principal, hash, after, |number| {
        numbers.push(number);
        Ok(ControlFlow::Continue(()))
    })?;
    numbers.sort_unstable();
    Ok(numbers)
}

/// The highest number of a certificate.
pub(super) fn newest(connection: &Connection) -> Result<i64, Fault> {
    let sql = "SELECT coalesce(max(number), 0) FROM certificate";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

/// How many values [`insert_sql`] takes for a certificate.
pub(super) const COLUMNS: usize = 12;

/// Adds so many certificates, each under its number, or under the next one where that is NULL. One
/// statement for several finds the places of the next ones where those of the last are.
pub(super) fn insert_sql(count: usize) -> String {
    let values = ["(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"].repeat(count).join(", ");
    format!(
        "INSERT INTO certificate (number, serial, authority, subject_authority, role, principal, \
         profile, not_before, not_after, issued_at, renews, der) VALUES {values}"
    )
}

/// Adds a certificate and returns its number.
pub(super) fn insert(connection: &Connection, row: &CertificateRow) -> Result<i64, Fault> {
    let certificate = &row.certificate;
    connection.prepare_cached(&insert_sql(1))?.execute(params![
        None::<i64>,
        certificate.serial().as_bytes(),
        row.authority,
        row.subject_authority,
        role_code(row.role),
        row.principal,
        row.profile,
        certificate.not_before().seconds(),
        certificate.not_after().seconds(),
        row.issued_at.seconds(),
        row.renews,
        certificate.der(),
    ])?;
    Ok(connection.last_insert_rowid())
}

/// Whether a certificate with this serial number is complete.
pub(super) fn has_serial(connection: &Connection, serial: &[u8]) -> rusqlite::Result<bool> {
    connection.prepare_cached("SELECT 1 FROM certificate WHERE serial = ?1")?.exists([serial])
}

/// How many certificates there are, and the number of the newest.
pub(crate) fn extent(connection: &Connection) -> Result<(u64, Option<i64>), Fault> {
    let sql = "SELECT count(*), max(number) FROM certificate";
    let (count, newest) = connection
        .query_row(sql, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?)))?;
    Ok((u64::try_from(count).unwrap_or(0), newest))
}

/// The abandoned serial numbers, oldest first; all, or the one given.
pub(crate) fn abandoned(
    connection: &Connection,
    serial: Option<&SerialNumber>,
) -> Result<Vec<AbandonedSerial>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT v.serial, a.id, v.principal, v.role, v.not_after, v.reserved_at, v.abandoned_at \
         FROM reservation v JOIN authority a ON a.number = v.authority \
         WHERE v.abandoned_at IS NOT NULL AND (?1 IS NULL OR v.serial = ?1) ORDER BY v.number",
    )?;
    let rows = statement.query_map([serial.map(SerialNumber::as_bytes)], |row| {
        let octets: Vec<u8> = row.get(0)?;
        Ok(AbandonedSerial {
            serial: hex::encode(&octets),
            ca_id: row.get(1)?,
            principal: row.get(2)?,
            role: role_at(row, 3)?,
            not_after: time_at(row, 4)?,
            reserved_at: time_at(row, 5)?,
            abandoned_at: time_at(row, 6)?,
        })
    })?;
    let mut found = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    abandoned_in_slices(connection, serial, &mut found)?;
    Ok(found)
}

fn abandoned_in_slices(
    connection: &Connection,
    serial: Option<&SerialNumber>,
    found: &mut Vec<AbandonedSerial>,
) -> Result<(), Fault> {
    let prefix = serial.map(SerialNumber::prefix);
    if prefix == Some(None) {
        return Ok(());
    }
    for slice in stored_slices::abandoned(connection, prefix.flatten())? {
        let ca_id = stored_slices::ca_id(connection, slice.authority)?;
        for row in slice_rows::of_slice(connection, slice.number)?.unwrap_or_default() {
            if serial.is_none_or(|serial| *serial == row.serial) {
                found.push(AbandonedSerial {
                    serial: row.serial.to_string(),
                    ca_id: ca_id.clone(),
                    principal: row.principal,
                    role: row.role,
                    not_after: row.not_after,
                    reserved_at: slice.reserved_at,
                    abandoned_at: slice.abandoned_at,
                });
            }
        }
    }
    Ok(())
}

/// The key and the principal that a serial number was given out for whose certificate is not complete.
pub(super) fn reserved_key(
    connection: &Connection,
    serial: &SerialNumber,
) -> Result<Option<([u8; 32], String)>, Fault> {
    let sql = "SELECT key_hash, principal FROM reservation WHERE serial = ?1 \
               AND key_hash IS NOT NULL";
    let single = connection
        .prepare_cached(sql)?
        .query_row([serial.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let Some(prefix) = serial.prefix().filter(|_| single.is_none()) else { return Ok(single) };
    for slice in stored_slices::abandoned(connection, Some(prefix))? {
        let rows = slice_rows::of_slice(connection, slice.number)?.unwrap_or_default();
        if let Some(row) = rows.into_iter().find(|row| row.serial == *serial) {
            return Ok(Some((row.key_hash, row.principal)));
        }
    }
    Ok(None)
}
