//! How many certificates there are, kept as they come and go.

use rusqlite::{Connection, params};
use rustmq_pki::time::{DAY, UnixTime};

use super::certificates::role_at;
use super::fault::Fault;
use crate::info::CertificateRole;

/// The certificates of one CA and role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) role: CertificateRole,
    pub(crate) active: i64,
    pub(crate) expiring: i64,
    pub(crate) revoked: i64,
}

/// One more (or less, by -1) certificate that is not revoked.
pub(super) fn add_live(
    connection: &Connection,
    (authority, role): (i64, i64),
    not_after: UnixTime,
    by: i64,
) -> Result<(), Fault> {
    connection
        .prepare_cached(
            "INSERT INTO live_count (authority, role, day, count) VALUES (?1, ?2, ?3, ?4) \
             ON CONFLICT DO UPDATE SET count = count + ?4",
        )?
        .execute(params![authority, role, not_after.seconds().div_euclid(DAY), by])?;
    Ok(())
}

/// One more (or less, by -1) certificate that is revoked or on hold.
pub(super) fn add_revoked(
    connection: &Connection,
    (authority, role): (i64, i64),
    by: i64,
) -> Result<(), Fault> {
    connection
        .prepare_cached(
            "INSERT INTO revoked_count (authority, role, count) VALUES (?1, ?2, ?3) \
             ON CONFLICT DO UPDATE SET count = count + ?3",
        )?
        .execute(params![authority, role, by])?;
    Ok(())
}

/// The counts of a CA by role: a sum over days, and over the certificates that end today.
pub(crate) fn of(
    connection: &Connection,
    authority: i64,
    now: UnixTime,
    expiring_days: i64,
) -> Result<Vec<Counts>, Fault> {
    let today = now.seconds().div_euclid(DAY);
    let mut statement = connection.prepare_cached(
        "SELECT role, sum(CASE WHEN day >= ?2 THEN count ELSE 0 END), \
         sum(CASE WHEN day >= ?2 AND day < ?3 THEN count ELSE 0 END), \
         (SELECT count FROM revoked_count v WHERE v.authority = l.authority AND v.role = l.role) \
         FROM live_count l WHERE authority = ?1 GROUP BY role ORDER BY role",
    )?;
    let rows = statement.query_map(params![authority, today, today + expiring_days], |row| {
        Ok(Counts {
            role: role_at(row, 0)?,
            active: row.get(1)?,
            expiring: row.get(2)?,
            revoked: row.get::<_, Option<i64>>(3)?.unwrap_or(0),
        })
    })?;
    let mut counts = rows.collect::<rusqlite::Result<Vec<_>>>()?;
    for count in &mut counts {
        let ended = ended_today(connection, authority, count.role, now)?;
        count.active -= ended;
        count.expiring -= ended;
    }
    Ok(counts)
}

/// Certificates not revoked whose last second lies between midnight and now.
fn ended_today(
    connection: &Connection,
    authority: i64,
    role: CertificateRole,
    now: UnixTime,
) -> Result<i64, Fault> {
    let midnight = now.seconds().div_euclid(DAY) * DAY;
    let mut statement = connection.prepare_cached(
        "SELECT count(*) FROM certificate c INDEXED BY certificate_not_after \
         LEFT JOIN revocation r ON r.certificate = c.number \
         WHERE c.not_after >= ?3 AND c.not_after < ?4 AND c.authority = ?1 AND c.role = ?2 \
         AND r.number IS NULL",
    )?;
    let role = super::certificates::role_code(role);
    Ok(statement.query_row(params![authority, role, midnight, now.seconds()], |row| row.get(0))?)
}
