//! Runs: written sorted, merged when they are many.

use std::iter::Peekable;

use rusqlite::{Connection, params};

use super::chunk::{self, Chunk};
use super::{Entries, Entry, Kind, ordered};
use crate::store::fault::Fault;

/// How many runs as they came stand beside the merged ones: a look-up reads each.
const FRESH: usize = 8;

/// The main run is written anew once an eighth of it has come in, and not for less than this many
/// entries: each entry is then written some eight times in a store's life, wherever it grows to.
const MERGE: usize = 32_768;
const MAIN_SHARE: usize = 8;

/// A run, without its entries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub(super) run: i64,
    level: i64,
    /// Of each kind.
    pub(super) entries: usize,
    newest: i64,
}

/// The highest certificate number in any run.
pub(super) fn newest(connection: &Connection) -> Result<i64, Fault> {
    let sql = "SELECT coalesce(max(newest), 0) FROM lookup_run";
    Ok(connection.prepare_cached(sql)?.query_row([], |row| row.get(0))?)
}

/// The runs that hold a certificate above `after`.
pub(super) fn since(connection: &Connection, after: i64) -> Result<Vec<Run>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT run, level, entries, newest FROM lookup_run WHERE newest > ?1 ORDER BY run DESC",
    )?;
    let rows = statement.query_map([after], |row| {
        Ok(Run {
            run: row.get(0)?,
            level: row.get(1)?,
            entries: usize::try_from(row.get::<_, i64>(2)?).unwrap_or(0),
            newest: row.get(3)?,
        })
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Writes a run, and merges where there are many.
pub(super) fn write(connection: &Connection, mut entries: Entries) -> Result<(), Fault> {
    if entries.keys.is_empty() {
        return Ok(());
    }
    let run = insert(connection, 0, entries.keys.len(), entries.newest())?;
    for kind in Kind::ALL {
        entries.of_mut(kind).sort_unstable();
        write_chunks(connection, run, kind, entries.of(kind).iter().map(|entry| Ok(*entry)))?;
    }
    merge_where_many(connection)
}

fn insert(connection: &Connection, level: i64, entries: usize, newest: i64) -> Result<i64, Fault> {
    connection
        .prepare_cached("INSERT INTO lookup_run (level, entries, newest) VALUES (?1, ?2, ?3)")?
        .execute(params![level, i64::try_from(entries).unwrap_or(i64::MAX), newest])?;
    Ok(connection.last_insert_rowid())
}

fn write_chunks(
    connection: &Connection,
    run: i64,
    kind: Kind,
    entries: impl Iterator<Item = Result<Entry, Fault>>,
) -> Result<(), Fault> {
    let mut statement = connection.prepare_cached(
        "INSERT INTO lookup_chunk (run, kind, first, entries) VALUES (?1, ?2, ?3, ?4)",
    )?;
    let (mut octets, mut first, mut held) = (Vec::new(), 0, 0);
    for entry in entries {
        let entry = entry?;
        if held == chunk::ENTRIES {
            statement.execute(params![run, kind.code(), first, octets])?;
            octets.clear();
            held = 0;
        }
        if held == 0 {
            first = ordered(entry.hash);
        }
        chunk::push(&mut octets, entry);
        held += 1;
    }
    if held > 0 {
        statement.execute(params![run, kind.code(), first, octets])?;
    }
    Ok(())
}

fn merge_where_many(connection: &Connection) -> Result<(), Fault> {
    let all = since(connection, -1)?;
    if all.iter().filter(|run| run.level == 0).count() < FRESH {
        return Ok(());
    }
    let (main, young): (Vec<_>, Vec<_>) = all.into_iter().partition(|run| run.level == 2);
    let incoming: usize = young.iter().map(|run| run.entries).sum();
    let main = main.first().copied();
    let main_entries = main.map_or(0, |main| main.entries);
    if incoming >= MERGE.max(main_entries / MAIN_SHARE) {
        merge(connection, &young, main, 2)
    } else {
        merge(connection, &young, None, 1)
    }
}

/// Merges the young runs, which fit in memory, with the main one, which need not.
fn merge(
    connection: &Connection,
    young: &[Run],
    main: Option<Run>,
    level: i64,
) -> Result<(), Fault> {
    let merged = || young.iter().chain(&main);
    let entries = merged().map(|run| run.entries).sum();
    let newest = merged().map(|run| run.newest).max().unwrap_or(0);
    let run = insert(connection, level, entries, newest)?;
    for kind in Kind::ALL {
        let mut fresh = Vec::with_capacity(young.iter().map(|run| run.entries).sum());
        for young in young {
            read_all(connection, young.run, kind, &mut fresh)?;
        }
        fresh.sort_unstable();
        match main {
            None => write_chunks(connection, run, kind, fresh.into_iter().map(Ok))?,
            Some(main) => merge_with(connection, run, kind, fresh, main.run)?,
        }
    }
    crate::store::freeing(connection, || merged().try_for_each(|run| remove(connection, run.run)))
}

fn read_all(
    connection: &Connection,
    run: i64,
    kind: Kind,
    into: &mut Vec<Entry>,
) -> Result<(), Fault> {
    let mut statement = connection.prepare_cached(CHUNKS)?;
    let mut rows = statement.query([run, kind.code()])?;
    while let Some(row) = rows.next()? {
        into.extend(Chunk::read(row.get_ref(0)?.as_blob()?).iter());
    }
    Ok(())
}

const CHUNKS: &str =
    "SELECT entries FROM lookup_chunk WHERE run = ?1 AND kind = ?2 ORDER BY first, number";

fn merge_with(
    connection: &Connection,
    run: i64,
    kind: Kind,
    fresh: Vec<Entry>,
    main: i64,
) -> Result<(), Fault> {
    let mut statement = connection.prepare_cached(CHUNKS)?;
    let chunks = statement.query_map([main, kind.code()], |row| {
        Ok(Chunk::read(row.get_ref(0)?.as_blob()?).iter().collect::<Vec<_>>())
    })?;
    let old = chunks.flat_map(|chunk| match chunk {
        Ok(entries) => Either::Entries(entries.into_iter()),
        Err(error) => Either::Failed(Some(error)),
    });
    let merged = Merged { fresh: fresh.into_iter().peekable(), old: old.peekable() };
    write_chunks(connection, run, kind, merged)
}

/// A chunk's entries, or why it could not be read.
enum Either {
    Entries(std::vec::IntoIter<Entry>),
    Failed(Option<rusqlite::Error>),
}

impl Iterator for Either {
    type Item = Result<Entry, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        match self {
            Self::Entries(entries) => entries.next().map(Ok),
            Self::Failed(error) => error.take().map(|error| Err(error.into())),
        }
    }
}

/// Two ascending sequences as one.
struct Merged<I: Iterator<Item = Result<Entry, Fault>>> {
    fresh: Peekable<std::vec::IntoIter<Entry>>,
    old: Peekable<I>,
}

impl<I: Iterator<Item = Result<Entry, Fault>>> Iterator for Merged<I> {
    type Item = Result<Entry, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        let fresh_first = match (self.fresh.peek(), self.old.peek()) {
            (Some(fresh), Some(Ok(old))) => fresh < old,
            (Some(_), None) => true,
            _ => false,
        };
        if fresh_first { self.fresh.next().map(Ok) } else { self.old.next() }
    }
}

fn remove(connection: &Connection, run: i64) -> Result<(), Fault> {
    connection.prepare_cached("DELETE FROM lookup_chunk WHERE run = ?1")?.execute([run])?;
    connection.prepare_cached("DELETE FROM lookup_run WHERE run = ?1")?.execute([run])?;
    Ok(())
}
