//! A copy of the store as it is at one moment, made while others write.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use rusqlite::Connection;

use super::fault::{Fault, database_error};
use super::filesystem::{io_error, open_private};
use super::{Store, instances, migrations, open};
use crate::Error;

/// Ends the names of snapshots. They stand beside the locks of the processes that make them.
const SUFFIX: &str = ".snapshot";

/// Tells the snapshots of one open store apart.
static COUNT: AtomicU64 = AtomicU64::new(0);

/// A copy of the store. Dropped, it is removed.
#[derive(Debug)]
pub(crate) struct Snapshot {
    path: PathBuf,
}

impl Snapshot {
    /// Its file.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Asks the copy.
    pub(crate) fn read<T>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T, Error> {
        let connection =
            open::open_immutable(&self.path).map_err(|error| database_error(&self.path, &error))?;
        query(&connection).map_err(|fault| fault.into_error(&self.path))
    }
}

impl Drop for Snapshot {
    fn drop(&mut self) {
        // What cannot be removed now is removed by the next snapshot of another process.
        drop(fs::remove_file(&self.path));
        let mut journal = self.path.as_os_str().to_owned();
        journal.push("-journal");
        drop(fs::remove_file(journal));
    }
}

impl Store {
    /// Copies the store as it is in one read transaction: those who write go on, and nobody waits.
    /// What is deleted or empty is not copied. Blocks.
    pub(crate) fn snapshot(&self) -> Result<Snapshot, Error> {
        let (store, instance) = (self.path(), self.instance()?);
        sweep(instance.directory())?;
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = instance.directory().join(format!("{}-{count}{SUFFIX}", instance.id()));
        // Made here, so that nobody else can read it; the database fills a file that is empty.
        drop(open_private(&path)?);
        let snapshot = Snapshot { path };
        copy(store, &snapshot.path)?;
        Ok(snapshot)
    }
}

fn copy(store: &Path, into: &Path) -> Result<(), Error> {
    let failed = |error| database_error(store, &error);
    let connection = open::for_reading(store)?;
    // The connection is read-only by its flags; query_only would refuse to write the copy, too.
    connection.execute_batch("PRAGMA query_only = OFF;").map_err(failed)?;
    let name = into.to_str().ok_or_else(|| {
        io_error(into, std::io::Error::other("a database's path has to be UTF-8"))
    })?;
    connection.execute("VACUUM INTO ?1", [name]).map_err(failed)?;
    Ok(())
}

/// Removes what processes that were killed left behind.
fn sweep(directory: &Path) -> Result<(), Error> {
    let entries = directory.read_dir().map_err(|error| io_error(directory, error))?;
    for entry in entries {
        let entry = entry.map_err(|error| io_error(directory, error))?;
        let name = entry.file_name();
        let name = name.to_str().and_then(|name| name.split_once('-'));
        // A journal of the copy ends in more than the suffix.
        if let Some((id, rest)) = name
            && rest.contains(SUFFIX)
            && instances::is_dead(directory, id)?
        {
            drop(fs::remove_file(entry.path()));
        }
    }
    Ok(())
}

/// Checks a store's file that nobody has open: that it is one of a version that is known here, that its
/// schema is exactly that version's, and that pages, indexes and references hold together. Returns its schema version. Blocks; reads all of
/// it.
pub(crate) fn check_file(store: &Path) -> Result<i64, Error> {
    let connection = open::open_immutable(store).map_err(|error| database_error(store, &error))?;
    let checked = check(&connection, store);
    checked.map_err(|fault| fault.into_error(store))
}

fn check(connection: &Connection, store: &Path) -> Result<i64, Fault> {
    let version = migrations::known_version(connection, store)?;
    // First: what follows evaluates conditions that stand in the schema.
    migrations::check_schema(connection, version, store)?;
    let damaged = |detail: String| Error::CorruptStore { path: store.to_owned(), detail };
    let verdict: String =
        connection.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(damaged(verdict).into());
    }
    let mut references = connection.prepare("PRAGMA foreign_key_check")?;
    let mut dangling = references.query([])?;
    match dangling.next()? {
        None => Ok(version),
        Some(row) => {
            let table: String = row.get(0)?;
            Err(damaged(format!("a row of the table {table} refers to one that is not there"))
                .into())
        }
    }
}
