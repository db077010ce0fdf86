//! Connections that only read, beside the one that writes.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;
use rustmq_pki::time::UnixTime;

use super::fault::Fault;
use super::open;
use crate::Error;

/// How many idle connections are kept. More readers at once open more; each costs its page cache.
const IDLE: usize = 4;

/// A pool of read-only connections.
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
    /// Since when there is nothing to read: the store is made by its first write.
    nothing_since: Mutex<Option<UnixTime>>,
}

impl Readers {
    pub(super) fn new(first: Connection, path: PathBuf) -> Self {
        Self { path, idle: Mutex::new(vec![first]), nothing_since: Mutex::new(None) }
    }

    /// Readers of a store that is not there: each sees an empty one.
    pub(super) fn of_nothing(path: PathBuf, now: UnixTime) -> Self {
        Self { path, idle: Mutex::default(), nothing_since: Mutex::new(Some(now)) }
    }

    /// The store has been made: from now on it is read.
    pub(super) fn look_again(&self) {
        *self.nothing_since.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn open(&self) -> Result<Connection, Error> {
        let nothing_since = *self.nothing_since.lock().unwrap_or_else(PoisonError::into_inner);
        match nothing_since {
            Some(now) => open::nothing(&self.path, now),
            None => open::for_reading(&self.path),
        }
    }

    /// Runs a query in a read transaction, so that all of it sees the same state.
    pub(super) fn read<T>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T, Error> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => self.open()?,
        };
        let result = in_transaction(&mut connection, query);
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        if idle.len() < IDLE {
            idle.push(connection);
        }
        result.map_err(|fault| fault.into_error(&self.path))
    }
}

fn in_transaction<T>(
    connection: &mut Connection,
    query: impl FnOnce(&Connection) -> Result<T, Fault>,
) -> Result<T, Fault> {
    let transaction = connection.transaction()?;
    query(&transaction)
}
