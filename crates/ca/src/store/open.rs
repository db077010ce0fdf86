//! Opening the store's file.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::fault::{BUSY_SECONDS, database_error};
use super::instances::OPEN_LOCK;
use super::{OpenStore, filesystem, migrations};
use crate::Error;
use crate::request::OpenMode;

/// The store's file in the data directory.
pub(super) const FILE: &str = "authority.db";

fn missing(data_dir: &Path) -> Error {
    Error::MissingDataDirectory { path: data_dir.to_owned() }
}

/// A connection that writes: WAL, every commit on disk before it returns, old content overwritten.
pub(super) fn for_writing(options: &OpenStore, store: &Path) -> Result<Connection, Error> {
    match options.mode {
        OpenMode::Create => filesystem::create_directory(&options.data_dir)?,
        _ if store.exists() => {}
        _ => return Err(missing(&options.data_dir)),
    }
    // Switching a new file to WAL does not wait for another process that does the same.
    let _lock = filesystem::lock(&options.data_dir.join(OPEN_LOCK))?;
    // Made here, so that its mode is ours and not the umask's; WAL and index files take it over.
    drop(filesystem::open_private(store)?);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let open = || -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(store, flags)?;
        connection.busy_timeout(Duration::from_secs(BUSY_SECONDS))?;
        connection.set_prepared_statement_cache_capacity(128);
        // 8 KiB pages and a checkpoint of 4000 pages (32 MB) instead of 1000: fewer, longer writes. A
        // later one gained batches nothing, and a WAL that grows makes each single commit dearer.
        // One that a large merge has stretched is cut to 64 MB again.
        connection.execute_batch(
            "PRAGMA page_size = 8192; PRAGMA journal_mode = WAL; PRAGMA secure_delete = ON; \
             PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = 4000; \
             PRAGMA journal_size_limit = 67108864; \
             PRAGMA cache_size = -32768; PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;",
        )?;
        connection.pragma_update(None, "synchronous", options.synchronous)?;
        Ok(connection)
    };
    let mut connection = open().map_err(|error| database_error(store, &error))?;
    migrations::migrate(&mut connection, store, options.now)
        .map_err(|fault| fault.into_error(store))?;
    Ok(connection)
}

/// A connection that only reads.
pub(super) fn for_reading(store: &Path) -> Result<Connection, Error> {
    if !store.exists() {
        return Err(missing(store.parent().unwrap_or(store)));
    }
    let connection = match open_read_only(store) {
        // A directory that cannot be written holds no index of the WAL. Without a WAL the file
        // alone is the whole store, and nobody can change it.
        Err(error) if cannot_make_index(&error) && has_no_wal(store) => open_immutable(store),
        other => other,
    };
    let connection = connection.map_err(|error| database_error(store, &error))?;
    migrations::check(&connection, store)?;
    Ok(connection)
}

fn open_read_only(store: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    prepare_reader(Connection::open_with_flags(store, flags)?)
}

fn open_immutable(store: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_URI;
    let mut uri = String::from("file:");
    for byte in store.as_os_str().as_encoded_bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'/' | b'.' | b'_' | b'-' => {
                uri.push(char::from(*byte));
            }
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    prepare_reader(Connection::open_with_flags(uri, flags)?)
}

fn prepare_reader(connection: Connection) -> rusqlite::Result<Connection> {
    connection.busy_timeout(Duration::from_secs(BUSY_SECONDS))?;
    connection.set_prepared_statement_cache_capacity(64);
    // 4 MiB hold the inner pages of trees with millions of rows beside the leaves that pass through.
    connection.execute_batch(
        "PRAGMA query_only = ON; PRAGMA trusted_schema = OFF; PRAGMA cache_size = -4096;",
    )?;
    // The first query opens the file, its WAL and the index of that.
    connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get::<_, i64>(0))?;
    Ok(connection)
}

fn cannot_make_index(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{CannotOpen, ReadOnly};
    matches!(error.sqlite_error_code(), Some(CannotOpen | ReadOnly))
}

/// No WAL, or one that nothing was written to.
fn has_no_wal(store: &Path) -> bool {
    let mut name = store.as_os_str().to_owned();
    name.push("-wal");
    Path::new(&name).metadata().map_or(true, |wal| wal.len() == 0)
}
