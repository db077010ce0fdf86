//! Who holds which public key.

use rusqlite::{Connection, OptionalExtension, params};
use rustmq_pki::time::UnixTime;

use super::fault::Fault;
use super::{authorities, optional_time_at};
use crate::Error;

/// Refuses a key that is a CA's, that was compromised, or that another principal holds; binds it to
/// this one otherwise.
pub(super) fn bind(
    connection: &Connection,
    key_hash: &[u8; 32],
    principal: &str,
) -> Result<(), Fault> {
    check(connection, key_hash, principal)?;
    connection
        .prepare_cached("INSERT OR IGNORE INTO key_holder (key_hash, principal) VALUES (?1, ?2)")?
        .execute(params![key_hash, principal])?;
    Ok(())
}

/// The refusals of [`bind`] alone.
pub(crate) fn check(
    connection: &Connection,
    key_hash: &[u8; 32],
    principal: &str,
) -> Result<(), Fault> {
    if let Some(ca) = authorities::id_of_key(connection, key_hash)? {
        return Err(Error::KeyOfCa { ca }.into());
    }
    let holder = connection
        .prepare_cached("SELECT principal, compromised_at FROM key_holder WHERE key_hash = ?1")?
        .query_row([key_hash], |row| Ok((row.get::<_, String>(0)?, optional_time_at(row, 1)?)))
        .optional()?;
    match holder {
        Some((_, Some(at))) => Err(Error::KeyCompromised { at }.into()),
        Some((holder, None)) if holder != principal => {
            Err(Error::KeyHeldByAnother { principal: holder }.into())
        }
        _ => Ok(()),
    }
}

/// The key is lost for good.
pub(super) fn compromise(
    connection: &Connection,
    key_hash: &[u8; 32],
    at: UnixTime,
) -> Result<(), Fault> {
    connection
        .prepare_cached(
            "UPDATE key_holder SET compromised_at = ?2 \
             WHERE key_hash = ?1 AND compromised_at IS NULL",
        )?
        .execute(params![key_hash, at.seconds()])?;
    Ok(())
}
