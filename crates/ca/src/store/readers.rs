//! Connections that only read, beside the one that writes.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;

use super::fault::Fault;
use super::open;
use crate::Error;

/// How many idle connections are kept. More readers at once open more; each costs its page cache.
const IDLE: usize = 4;

/// A pool of read-only connections.
pub(super) struct Readers {
    path: PathBuf,
    idle: Mutex<Vec<Connection>>,
}

impl Readers {
    pub(super) fn new(first: Connection, path: PathBuf) -> Self {
        Self { path, idle: Mutex::new(vec![first]) }
    }

    /// Runs a query in a read transaction, so that all of it sees the same state.
    pub(super) fn read<T>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T, Error> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut connection = match idle {
            Some(connection) => connection,
            None => open::for_reading(&self.path)?,
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
