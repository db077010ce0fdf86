//! What can go wrong inside a transaction, and its typed error.

use std::path::Path;

use rusqlite::ErrorCode;

use crate::Error;

/// How long a transaction waits for another process, in seconds: far longer than the longest
/// transaction of ours (a batch's slice takes well under one second).
pub(super) const BUSY_SECONDS: u64 = 30;

/// Inside a transaction: a refusal by the rules, or the database's own error.
#[derive(Debug)]
pub(crate) enum Fault {
    /// The rules say no; the transaction's savepoint is rolled back.
    Refused(Box<Error>),
    /// The database failed.
    Database(rusqlite::Error),
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Refused(Box::new(error))
    }
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Database(error)
    }
}

impl From<rusqlite::types::FromSqlError> for Fault {
    fn from(error: rusqlite::types::FromSqlError) -> Self {
        Self::Database(error.into())
    }
}

impl Fault {
    /// The error that leaves the store.
    pub(super) fn into_error(self, store: &Path) -> Error {
        match self {
            Self::Refused(error) => *error,
            Self::Database(error) => database_error(store, &error),
        }
    }
}

/// The typed error of a database error on the store's file.
pub(super) fn database_error(store: &Path, error: &rusqlite::Error) -> Error {
    let path = store.to_owned();
    let directory = || store.parent().unwrap_or(store).to_owned();
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            Error::CorruptStore { path, detail: error.to_string() }
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => {
            Error::ReadOnlyDataDirectory { path: directory() }
        }
        // The index of the WAL lies in a file of its own, which has to grow too.
        Some(ErrorCode::SystemIoFailure) if is_index_growth(error) => {
            Error::DataDirectoryFull { path: directory() }
        }
        Some(ErrorCode::DiskFull) => Error::DataDirectoryFull { path: directory() },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Error::StoreBusy { path, seconds: BUSY_SECONDS }
        }
        _ => Error::Store { path, detail: error.to_string() },
    }
}

fn is_index_growth(error: &rusqlite::Error) -> bool {
    let code = error.sqlite_error().map(|error| error.extended_code);
    code == Some(rusqlite::ffi::SQLITE_IOERR_SHMSIZE)
}
