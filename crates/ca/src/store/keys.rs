//! The encrypted keys of the CAs, and the passphrase that they share.

use std::time::Duration;

use rusqlite::{Connection, OptionalExtension, params};

use super::Store;
use super::fault::{BUSY_SECONDS, Fault, database_error};
use crate::Error;

/// The number of the passphrase that the CA keys are encrypted under; 0 before the first.
pub(crate) fn epoch(connection: &Connection) -> Result<i64, Fault> {
    let sql = "SELECT key_epoch FROM store WHERE id = 1";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

/// A CA's key, encrypted.
pub(crate) fn encrypted(connection: &Connection, authority: i64) -> Result<Option<Vec<u8>>, Fault> {
    let sql = "SELECT encrypted FROM authority_key WHERE authority = ?1";
    Ok(connection.prepare_cached(sql)?.query_row([authority], |row| row.get(0)).optional()?)
}

/// Every key, by CA.
pub(crate) fn all(connection: &Connection) -> Result<Vec<(i64, Vec<u8>)>, Fault> {
    let mut statement =
        connection.prepare("SELECT authority, encrypted FROM authority_key ORDER BY authority")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Stores a new CA's key, if the passphrase is still the one that it is encrypted under.
pub(super) fn insert(
    connection: &Connection,
    authority: i64,
    encrypted: &[u8],
    under: i64,
) -> Result<(), Fault> {
    if epoch(connection)? != under {
        return Err(Error::PassphraseChanged.into());
    }
    // The first key is stored under a passphrase that nobody had before.
    connection.execute(
        "UPDATE store SET key_epoch = key_epoch + 1 \
         WHERE id = 1 AND NOT EXISTS (SELECT 1 FROM authority_key)",
        [],
    )?;
    connection
        .prepare_cached("INSERT INTO authority_key (authority, encrypted) VALUES (?1, ?2)")?
        .execute(params![authority, encrypted])?;
    Ok(())
}

/// Puts re-encrypted keys in the place of the old ones, all or none.
pub(crate) fn replace(
    connection: &Connection,
    keys: &[(i64, Vec<u8>)],
    under: i64,
) -> Result<(), Fault> {
    let count: i64 =
        connection.query_row("SELECT count(*) FROM authority_key", [], |row| row.get(0))?;
    if epoch(connection)? != under || usize::try_from(count).ok() != Some(keys.len()) {
        return Err(Error::PassphraseChanged.into());
    }
    connection.execute("UPDATE store SET key_epoch = key_epoch + 1 WHERE id = 1", [])?;
    for (authority, encrypted) in keys {
        connection
            .prepare_cached("UPDATE authority_key SET encrypted = ?2 WHERE authority = ?1")?
            .execute(params![authority, encrypted])?;
    }
    Ok(())
}

/// How long the WAL waits to be cut, in seconds, while other processes read: longer than any look at the
/// store takes. A backup of a large one may take minutes, which nobody waits for.
const TRUNCATION_SECONDS: u64 = 10;

impl Store {
    /// Brings the WAL into the database and cuts it to nothing, so that no old page stays in it.
    pub(crate) async fn truncate_wal(&self) -> Result<(), Error> {
        let path = self.path().to_owned();
        self.alone(move |connection| {
            connection.busy_timeout(Duration::from_secs(TRUNCATION_SECONDS))?;
            let busy = connection
                .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0))
                .map_err(|error| database_error(&path, &error));
            connection.busy_timeout(Duration::from_secs(BUSY_SECONDS))?;
            match busy? {
                0 => Ok(()),
                _ => Err(Error::StoreBusy { path, seconds: TRUNCATION_SECONDS }.into()),
            }
        })
        .await
    }
}
