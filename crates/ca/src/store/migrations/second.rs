//! From version 1 to version 2: keys and principals move from trees with random keys to sorted runs.

use rusqlite::{Connection, params};
use rustmq_pki::certificate::Certificate;

use super::super::fault::Fault;
use super::super::key_holders;
use super::super::lookup::{self, Entries, Kind};

/// How many certificates are read at a time: some 3 MB of hashes, and few merges.
const AT_ONCE: usize = 65_536;

pub(super) fn carry_over(connection: &Connection) -> Result<(), Fault> {
    index_certificates(connection)?;
    mark_other_keys(connection)?;
    connection.execute_batch("DROP TABLE key_holder")?;
    Ok(())
}

fn index_certificates(connection: &Connection) -> Result<(), Fault> {
    let mut statement =
        connection.prepare("SELECT number, principal, der FROM certificate ORDER BY number")?;
    let mut rows = statement.query([])?;
    let mut entries = Entries::default();
    while let Some(row) = rows.next()? {
        let number: i64 = row.get(0)?;
        let certificate = Certificate::from_der(row.get_ref(2)?.as_blob()?).map_err(|error| {
            rusqlite::Error::FromSqlConversionFailure(
                2,
                rusqlite::types::Type::Blob,
                Box::new(error),
            )
        })?;
        let key_hash = key_holders::key_hash_of(&certificate);
        entries.push(number, &key_hash, row.get_ref(1)?.as_str()?);
        if entries.keys.len() == AT_ONCE {
            lookup::add(connection, std::mem::take(&mut entries))?;
        }
    }
    lookup::add(connection, entries)
}

/// Keeps what no certificate says: that a key was compromised, and whose a key is whose certificate
/// was never complete.
fn mark_other_keys(connection: &Connection) -> Result<(), Fault> {
    let mut statement = connection
        .prepare("SELECT key_hash, principal, compromised_at FROM key_holder ORDER BY key_hash")?;
    let mut rows = statement.query([])?;
    let mut held = Vec::new();
    while let Some(row) = rows.next()? {
        held.push(Held {
            key_hash: row.get(0)?,
            principal: row.get(1)?,
            compromised_at: row.get(2)?,
        });
        if held.len() == AT_ONCE {
            mark(connection, &std::mem::take(&mut held))?;
        }
    }
    mark(connection, &held)
}

struct Held {
    key_hash: [u8; 32],
    principal: String,
    compromised_at: Option<i64>,
}

fn mark(connection: &Connection, held: &[Held]) -> Result<(), Fault> {
    let hashes: Vec<u64> = held.iter().map(|held| lookup::of_key(&held.key_hash)).collect();
    let mut certified = vec![false; held.len()];
    lookup::find_many(connection, Kind::Key, &hashes, 0, |at, _| {
        certified[at] = true;
        Ok(())
    })?;
    for (held, certified) in held.iter().zip(certified) {
        if !certified || held.compromised_at.is_some() {
            connection
                .prepare_cached("INSERT INTO key_mark VALUES (?1, ?2, ?3)")?
                .execute(params![held.key_hash, held.principal, held.compromised_at])?;
        }
    }
    Ok(())
}
