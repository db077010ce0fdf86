//! The store's schema, version by version.

mod second;

use std::path::Path;

use rusqlite::{Connection, TransactionBehavior};
use rustmq_pki::time::UnixTime;

use super::fault::{Fault, database_error};
use crate::Error;

/// "RMQ1": tells the store from other programs' databases (`application_id`).
const APPLICATION_ID: i64 = 0x524d_5131;

/// What brings a store from one version to the next: its schema, then what stands in it.
struct Step {
    schema: &'static str,
    carry_over: fn(&Connection) -> Result<(), Fault>,
}

/// The steps from each schema version to the next; the first makes version 1. Their text does not change
/// any more, comments included: it stands in every store, and [`check_schema`] compares it.
const STEPS: &[Step] = &[
    Step { schema: include_str!("schema.sql"), carry_over: |_| Ok(()) },
    Step { schema: include_str!("schema_2.sql"), carry_over: second::carry_over },
];

/// The schema version that this program writes.
#[expect(clippy::cast_possible_wrap, reason = "a handful of steps")]
pub(super) const SCHEMA_VERSION: i64 = STEPS.len() as i64;

/// Which store a file holds.
enum Found {
    Nothing,
    Version(i64),
}

fn pragma(connection: &Connection, name: &str) -> rusqlite::Result<i64> {
    connection.pragma_query_value(None, name, |row| row.get(0))
}

fn identify(connection: &Connection, store: &Path) -> Result<Found, Fault> {
    let application = pragma(connection, "application_id")?;
    let version = pragma(connection, "user_version")?;
    let objects: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application == 0 && version == 0 && objects == 0 {
        return Ok(Found::Nothing);
    }
    if application != APPLICATION_ID {
        return Err(Error::ForeignStore { path: store.to_owned() }.into());
    }
    check_version(version, store)?;
    Ok(Found::Version(version))
}

fn check_version(found: i64, store: &Path) -> Result<(), Fault> {
    if found > SCHEMA_VERSION {
        let path = store.to_owned();
        return Err(Error::NewerStore { path, found, supported: SCHEMA_VERSION }.into());
    }
    Ok(())
}

/// Brings the store to this program's version; two processes that do it at once do it once.
pub(super) fn migrate(
    connection: &mut Connection,
    store: &Path,
    now: UnixTime,
) -> Result<(), Fault> {
    if matches!(identify(connection, store)?, Found::Version(SCHEMA_VERSION)) {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let from = match identify(&transaction, store)? {
        Found::Nothing => {
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            0
        }
        Found::Version(version) => version,
    };
    for step in STEPS.iter().skip(usize::try_from(from).unwrap_or(0)) {
        transaction.execute_batch(step.schema)?;
        (step.carry_over)(&transaction)?;
    }
    transaction
        .execute("INSERT OR IGNORE INTO store (id, created_at) VALUES (1, ?1)", [now.seconds()])?;
    transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    transaction.commit()?;
    Ok(())
}

/// The schema version of a store that this program can bring up to its own.
pub(super) fn known_version(connection: &Connection, store: &Path) -> Result<i64, Fault> {
    match identify(connection, store)? {
        Found::Version(version) => Ok(version),
        Found::Nothing => Err(Error::ForeignStore { path: store.to_owned() }.into()),
    }
}

/// Refuses a store whose tables, indexes, triggers and views are not exactly those of its version: a
/// trigger that somebody added would run with every command. Evaluates nothing of them.
pub(super) fn check_schema(
    connection: &Connection,
    version: i64,
    store: &Path,
) -> Result<(), Fault> {
    let fresh = Connection::open_in_memory()?;
    for step in STEPS.iter().take(usize::try_from(version).unwrap_or(0)) {
        fresh.execute_batch(step.schema)?;
        (step.carry_over)(&fresh)?;
    }
    let (expected, found) = (objects(&fresh)?, objects(connection)?);
    if expected == found {
        return Ok(());
    }
    let extra = found.iter().find(|object| !expected.contains(object));
    let other = extra.or_else(|| expected.iter().find(|object| !found.contains(object)));
    let named = |[kind, name, ..]: &[String; 4]| format!("the {kind} {name} differs");
    let what = other.map_or_else(|| "something stands there twice".to_owned(), named);
    let detail = format!("its schema is not that of version {version}: {what}");
    Err(Error::CorruptStore { path: store.to_owned(), detail }.into())
}

/// Type, name, table and SQL of all that a schema holds, sorted.
fn objects(connection: &Connection) -> rusqlite::Result<Vec<[String; 4]>> {
    let mut statement = connection.prepare(
        "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema ORDER BY 1, 2, 3, 4",
    )?;
    let rows =
        statement.query_map([], |row| Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?]))?;
    rows.collect()
}

/// For a store that is only read: it has to have this program's version.
pub(super) fn check(connection: &Connection, store: &Path) -> Result<(), Error> {
    match identify(connection, store) {
        Ok(Found::Version(SCHEMA_VERSION)) => Ok(()),
        Ok(Found::Version(version)) => Err(Error::Store {
            path: store.to_owned(),
            detail: format!("schema version {version} needs a writing command to bring it up"),
        }),
        Ok(Found::Nothing) => Err(Error::EmptyStore { path: store.to_owned() }),
        Err(fault) => Err(fault.into_error(store)),
    }
}

/// Inside a write transaction: another process may have brought the store to a later version.
pub(super) fn check_in_transaction(connection: &Connection, store: &Path) -> Result<(), Error> {
    let version = pragma(connection, "user_version").map_err(|e| database_error(store, &e))?;
    check_version(version, store).map_err(|fault| fault.into_error(store))
}
