//! Where the certificates of a key or of a principal are.
//!
//! Both are found by 64 bits of a hash, and the certificate itself is asked whether it is the one. New
//! hashes stand in a small table (of a slice: in a sorted run of their own). From there they are
//! merged into longer runs, sorted and in bulk: a tree with random keys would cost a page or more a
//! certificate once it has outgrown the cache.

use std::ops::ControlFlow;

use rusqlite::{Connection, params};
use rustmq_pki::key::Fingerprint;

use super::fault::Fault;

mod chunk;
mod runs;

use chunk::Chunk;

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The holder of a public key.
    Key = 0,
    /// The certificates of a principal.
    Principal = 1,
}

impl Kind {
    const ALL: [Self; 2] = [Self::Key, Self::Principal];

    const fn code(self) -> i64 {
        self as i64
    }
}

/// One certificate under one hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Entry {
    pub(super) hash: u64,
    /// The certificate's number.
    pub(super) number: i64,
}

/// The hashes of certificates.
#[derive(Clone, Debug, Default)]
pub(super) struct Entries {
    pub(super) keys: Vec<Entry>,
    pub(super) principals: Vec<Entry>,
}

impl Entries {
    /// Room for so many certificates.
    pub(super) fn with_capacity(count: usize) -> Self {
        Self { keys: Vec::with_capacity(count), principals: Vec::with_capacity(count) }
    }

    /// Adds a certificate.
    pub(super) fn push(&mut self, number: i64, key_hash: &[u8; 32], principal: &str) {
        self.keys.push(Entry { hash: of_key(key_hash), number });
        self.principals.push(Entry { hash: of_principal(principal), number });
    }

    fn of(&self, kind: Kind) -> &[Entry] {
        match kind {
            Kind::Key => &self.keys,
            Kind::Principal => &self.principals,
        }
    }

    fn of_mut(&mut self, kind: Kind) -> &mut Vec<Entry> {
        match kind {
            Kind::Key => &mut self.keys,
            Kind::Principal => &mut self.principals,
        }
    }

    fn newest(&self) -> i64 {
        self.keys.iter().map(|entry| entry.number).max().unwrap_or(0)
    }
}

/// The hash of a key: the first octets of SHA-256 of its SubjectPublicKeyInfo.
pub(super) fn of_key(key_hash: &[u8; 32]) -> u64 {
    key_hash.first_chunk().map_or(0, |octets| u64::from_be_bytes(*octets))
}

/// The hash of a principal, apart from any other use of SHA-256.
pub(super) fn of_principal(principal: &str) -> u64 {
    const DOMAIN: &[u8] = b"RustMQ PKI principal 1 ";
    // A principal has at most 64 characters.
    let mut octets = [0; DOMAIN.len() + 256];
    let (domain, rest) = octets.split_at_mut(DOMAIN.len());
    domain.copy_from_slice(DOMAIN);
    let length = principal.len().min(rest.len());
    rest[..length].copy_from_slice(&principal.as_bytes()[..length]);
    of_key(Fingerprint::of(&octets[..DOMAIN.len() + length]).as_bytes())
}

/// SQLite's integers are signed: this keeps the order.
pub(super) const fn ordered(hash: u64) -> i64 {
    (hash ^ (1 << 63)).cast_signed()
}

/// From how many certificates on they become a run at once.
const RUN: usize = 512;

/// How many certificates may be complete since the last run before the small table becomes one.
const RECENT: i64 = 4096;

/// Adds certificates that have just become complete; `RECENT` of them make a run.
pub(super) fn add(connection: &Connection, mut entries: Entries) -> Result<(), Fault> {
    let newest = entries.newest();
    let covered = runs::newest(connection)?;
    if entries.keys.len() < RUN {
        for kind in Kind::ALL {
            for entry in entries.of(kind) {
                insert_recent(connection, kind, *entry)?;
            }
        }
        if newest - covered < RECENT {
            return Ok(());
        }
        entries = Entries::default();
    }
    drain_recent(connection, &mut entries)?;
    runs::write(connection, entries)
}

fn insert_recent(connection: &Connection, kind: Kind, entry: Entry) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT INTO lookup_recent (kind, hash, number) VALUES (?1, ?2, ?3)")?
        .execute([kind.code(), ordered(entry.hash), entry.number])?;
    Ok(())
}

/// Takes what the small table holds.
fn drain_recent(connection: &Connection, into: &mut Entries) -> Result<(), Fault> {
    for kind in Kind::ALL {
        recent(connection, kind, into.of_mut(kind))?;
    }
    connection.prepare_cached("DELETE FROM lookup_recent")?.execute([])?;
    Ok(())
}

fn recent(connection: &Connection, kind: Kind, into: &mut Vec<Entry>) -> Result<(), Fault> {
    let mut statement = connection
        .prepare_cached("SELECT hash, number FROM lookup_recent WHERE kind = ?1 ORDER BY hash")?;
    let mut rows = statement.query([kind.code()])?;
    while let Some(row) = rows.next()? {
        let hash: i64 = row.get(0)?;
        into.push(Entry { hash: hash.cast_unsigned() ^ (1 << 63), number: row.get(1)? });
    }
    Ok(())
}

/// Calls `each` with the number of every certificate under `hash` above `after`, until it breaks.
pub(super) fn find(
    connection: &Connection,
    kind: Kind,
    hash: u64,
    after: i64,
    mut each: impl FnMut(i64) -> Result<ControlFlow<()>, Fault>,
) -> Result<(), Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT number FROM lookup_recent WHERE kind = ?1 AND hash = ?2 AND number > ?3",
    )?;
    let mut rows = statement.query([kind.code(), ordered(hash), after])?;
    while let Some(row) = rows.next()? {
        if each(row.get(0)?)?.is_break() {
            return Ok(());
        }
    }
    for run in runs::since(connection, after)? {
        let found = find_in_run(connection, run.run, kind, hash, |number| {
            if number > after { each(number) } else { Ok(ControlFlow::Continue(())) }
        })?;
        if found.is_break() {
            return Ok(());
        }
    }
    Ok(())
}

fn find_in_run(
    connection: &Connection,
    run: i64,
    kind: Kind,
    hash: u64,
    mut each: impl FnMut(i64) -> Result<ControlFlow<()>, Fault>,
) -> Result<ControlFlow<()>, Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT first, entries FROM lookup_chunk WHERE run = ?1 AND kind = ?2 AND first <= ?3 \
         ORDER BY first DESC",
    )?;
    let mut rows = statement.query([run, kind.code(), ordered(hash)])?;
    while let Some(row) = rows.next()? {
        let chunk = Chunk::read(row.get_ref(1)?.as_blob()?);
        for number in chunk.numbers_of(hash) {
            if each(number)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        // A hash of many certificates may start in the chunk before.
        if row.get::<_, i64>(0)? < ordered(hash) {
            break;
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// A run that is this many times longer than what is looked for is read where it is looked for, a
/// shorter one from end to end: measured, a step through a chunk costs a fifth of a look-up, and a
/// chunk holds 280 entries.
const SPARSE: usize = 1400;

/// Looks many hashes up at once, in ascending order: calls `each` with the place of the hash in
/// `hashes` and the number of a certificate above `after` under it.
pub(super) fn find_many(
    connection: &Connection,
    kind: Kind,
    hashes: &[u64],
    after: i64,
    mut each: impl FnMut(usize, i64) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut found = |at: usize, number: i64| if number > after { each(at, number) } else { Ok(()) };
    let mut fresh = Vec::new();
    recent(connection, kind, &mut fresh)?;
    for entry in fresh {
        for at in places(hashes, entry.hash) {
            found(at, entry.number)?;
        }
    }
    for run in runs::since(connection, after)? {
        if run.entries / SPARSE > hashes.len() {
            for (at, hash) in hashes.iter().enumerate() {
                let all = |number| found(at, number).map(ControlFlow::Continue);
                // It never breaks.
                _ = find_in_run(connection, run.run, kind, *hash, all)?;
            }
        } else {
            scan(connection, run.run, kind, hashes, &mut found)?;
        }
    }
    Ok(())
}

/// The places of equal hashes in an ascending list.
fn places(hashes: &[u64], hash: u64) -> std::ops::Range<usize> {
    let from = hashes.partition_point(|other| *other < hash);
    from..from + hashes[from..].partition_point(|other| *other == hash)
}

/// Reads a run from end to end beside the ascending hashes.
fn scan(
    connection: &Connection,
    run: i64,
    kind: Kind,
    hashes: &[u64],
    found: &mut impl FnMut(usize, i64) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut statement = connection.prepare_cached(
        "SELECT entries FROM lookup_chunk WHERE run = ?1 AND kind = ?2 ORDER BY first",
    )?;
    let mut rows = statement.query(params![run, kind.code()])?;
    while let Some(row) = rows.next()? {
        let chunk = Chunk::read(row.get_ref(0)?.as_blob()?);
        let Some((first, last)) = chunk.bounds() else { continue };
        let from = hashes.partition_point(|hash| *hash < first);
        let within = hashes[from..].partition_point(|hash| *hash <= last);
        for (at, hash) in hashes.iter().enumerate().skip(from).take(within) {
            for number in chunk.numbers_of(*hash) {
                found(at, number)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    /// A database with the tables of look-ups and nothing else.
    fn database() -> Connection {
        let connection = Connection::open_in_memory().expect("memory");
        let schema = include_str!("schema_2.sql");
        for statement in schema.split_inclusive(';').filter(|text| text.contains(" lookup_")) {
            connection.execute_batch(statement).expect("a table");
        }
        connection
    }

    /// What the tables should say.
    #[derive(Default)]
    struct Model {
        numbers: BTreeMap<(usize, u64), Vec<i64>>,
        newest: i64,
    }

    impl Model {
        /// Adds certificates whose hashes come round every `round` numbers.
        fn add(&mut self, connection: &Connection, count: i64, round: i64) {
            let mut entries = Entries::default();
            for number in self.newest + 1..=self.newest + count {
                let spread = |round: i64| {
                    (number % round).cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15)
                };
                let (key, principal) = (spread(i64::MAX), spread(round));
                entries.keys.push(Entry { hash: key, number });
                entries.principals.push(Entry { hash: principal, number });
                self.numbers.entry((0, key)).or_default().push(number);
                self.numbers.entry((1, principal)).or_default().push(number);
            }
            self.newest += count;
            add(connection, entries).expect("added");
        }

        fn check(&self, connection: &Connection, step: usize) {
            for kind in Kind::ALL {
                let of_kind = self.numbers.iter().filter(|((of, _), _)| *of == kind as usize);
                let hashes: Vec<u64> = of_kind.clone().map(|((_, hash), _)| *hash).collect();
                let mut many = vec![Vec::new(); hashes.len()];
                let after = self.newest / 3;
                find_many(connection, kind, &hashes, after, |at, number| {
                    many[at].push(number);
                    Ok(())
                })
                .expect("found");
                for (at, ((_, hash), numbers)) in of_kind.enumerate() {
                    let late: Vec<_> = numbers.iter().copied().filter(|n| *n > after).collect();
                    many[at].sort_unstable();
                    assert_eq!(many[at], late);
                    if at % step == 0 {
                        assert_eq!(found(connection, kind, *hash, 0), *numbers);
                        assert!(found(connection, kind, hash ^ 1, 0).is_empty());
                    }
                }
            }
        }
    }

    fn found(connection: &Connection, kind: Kind, hash: u64, after: i64) -> Vec<i64> {
        let mut numbers = Vec::new();
        find(connection, kind, hash, after, |number| {
            numbers.push(number);
            Ok(ControlFlow::Continue(()))
        })
        .expect("found");
        numbers.sort_unstable();
        numbers
    }

    fn levels(connection: &Connection) -> Vec<i64> {
        let sql = "SELECT level FROM lookup_run ORDER BY run";
        let mut statement = connection.prepare(sql).expect("a statement");
        statement.query_map([], |row| row.get(0)).expect("rows").map(|l| l.expect("one")).collect()
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

        #[test]
        fn look_ups_agree_with_a_map(
            steps in prop::collection::vec((1_i64..1500, 1_i64..700), 1..24),
        ) {
            let (connection, mut model) = (database(), Model::default());
            for (count, round) in steps {
                model.add(&connection, count, round);
            }
            model.check(&connection, 97);
        }
    }

    #[test]
    fn runs_are_merged_into_the_main_one_and_stay_few() {
        let (connection, mut model) = (database(), Model::default());
        let mut seen = std::collections::BTreeSet::new();
        for at in 0..60 {
            // A hash of 5000 certificates fills many chunks.
            model.add(&connection, if at % 3 == 0 { 100 } else { 2500 }, 20);
            let levels = levels(&connection);
            assert!(levels.len() <= 10, "{levels:?}");
            seen.extend(levels);
        }
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), [0, 1, 2]);
        model.check(&connection, 9973);
        assert!(found(&connection, Kind::Principal, 0, 0).len() > 5000);
    }

    #[test]
    fn single_certificates_become_a_run_in_the_end() {
        let (connection, mut model) = (database(), Model::default());
        for _ in 0..RECENT {
            model.add(&connection, 1, 50);
        }
        let recent = "SELECT count(*) FROM lookup_recent";
        let recent: i64 = connection.query_row(recent, [], |row| row.get(0)).expect("a count");
        assert_eq!((recent, levels(&connection)), (0, vec![0]));
        model.check(&connection, 97);
    }
}
