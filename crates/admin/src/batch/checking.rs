//! The first pass: every row is read and checked before the first is signed.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher};

use rustmq_ca::batch::{Batch, BatchRow, CheckedRow};
use rustmq_pki::role::Role;
use tokio::runtime::Handle;

use super::csr;
use super::issuer::{self, Defaults, Passed};
use super::key_types::{KeyTypes, Samples};
use super::keys::on_all_cores;
use super::row::{Column, KeySource, Place, Row};
use super::row_errors::{RowError, RowErrors, RowSet};
use super::row_notes::RowNotes;
use super::rows::{Next, Rows};

/// Rows that are checked at a time.
const CHUNK: usize = 4096;

/// What the first pass found.
#[derive(Debug)]
pub(crate) struct Checked {
    /// How many rows there are, good or wrong.
    pub(crate) rows: u64,
    /// What is wrong with them.
    pub(crate) errors: RowErrors,
    /// What is to be known of the others.
    pub(crate) notes: RowNotes,
    /// The digest of the input.
    pub(crate) digest: [u8; 32],
}

/// Which rows of one batch get in each other's way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unique {
    /// Those with the same principal: it names a folder.
    Principal,
    /// Those with the same principal and role: the same certificate twice.
    PrincipalAndRole(Option<Role>),
}

/// Why the pass came to no end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CheckError {
    /// The input cannot be read on.
    #[error(transparent)]
    Input(#[from] std::io::Error),
    /// No row can be judged.
    #[error(transparent)]
    Authority(#[from] rustmq_ca::Error),
    /// The user asked to stop.
    #[error("interrupted")]
    Stopped,
}

/// Checks rows.
pub(crate) struct Checker {
    batch: Batch,
    samples: Samples,
    defaults: Defaults,
    seen: Seen,
    /// Rows that are issued already.
    issued: IssuedRows,
}

impl Checker {
    /// Checks by the rules of `batch`.
    pub(crate) fn new(
        batch: Batch,
        key_types: KeyTypes,
        defaults: Defaults,
        unique: Unique,
        issued: IssuedRows,
    ) -> Self {
        let samples = Samples::new(key_types);
        Self { batch, samples, defaults, seen: Seen::new(unique), issued }
    }

    /// Checks all rows; `going_on` is told after each chunk how many there were so far, and says
    /// whether to go on.
    pub(crate) fn check(
        mut self,
        mut rows: Rows,
        mut going_on: impl FnMut(u64, u64) -> bool,
    ) -> Result<Checked, CheckError> {
        // A CA that may not issue is told before anything is said of rows.
        self.refused_keys(Vec::new())?;
        let (mut count, mut errors, mut notes) = (0, RowErrors::default(), RowNotes::default());
        loop {
            let (chunk, ended) = self.read(&mut rows)?;
            count += chunk.len() as u64;
            self.judge(chunk, &mut errors, &mut notes)?;
            if !going_on(count, errors.rows().len()) {
                return Err(CheckError::Stopped);
            }
            if ended {
                return Ok(Checked { rows: count, errors, notes, digest: rows.digest() });
            }
        }
    }

    fn read(&mut self, rows: &mut Rows) -> Result<(Vec<Parsed>, bool), CheckError> {
        let mut chunk = Vec::with_capacity(CHUNK);
        while chunk.len() < CHUNK {
            chunk.push(match rows.next()? {
                Next::End => return Ok((chunk, true)),
                Next::Wrong(errors) => Parsed::Wrong(errors),
                Next::Row(row) => match (self.seen.before(&row), self.issued.of(row.place.row)) {
                    (_, Some(Before::Issued)) => Parsed::Issued,
                    (Some(error), _) => Parsed::Wrong(vec![error]),
                    (None, before) => self.parsed(row, before)?,
                },
            });
        }
        Ok((chunk, false))
    }

    fn parsed(&mut self, row: Row, before: Option<Before>) -> Result<Parsed, rustmq_ca::Error> {
        let place = row.place;
        let key = match row.key.is_made() {
            true => Some(self.samples.of(&self.batch, &row)?),
            false => None,
        };
        // A row whose key is made has the sample.
        Ok(match issuer::request(row, key, self.defaults) {
            Some(request) => Parsed::Row { place, request, before },
            None => Parsed::Wrong(Vec::new()),
        })
    }

    fn judge(
        &self,
        chunk: Vec<Parsed>,
        errors: &mut RowErrors,
        notes: &mut RowNotes,
    ) -> Result<(), CheckError> {
        let verdicts = on_all_cores(chunk, |parsed| -> Result<Verdict, rustmq_ca::Error> {
            Ok(match parsed {
                Parsed::Row { place, request, before } => {
                    Verdict::Row(place, before, issuer::check(&self.batch, place, request)?)
                }
                Parsed::Wrong(wrong) => Verdict::Wrong(wrong),
                Parsed::Issued => Verdict::Issued,
            })
        });
        let mut requests = Vec::new();
        for verdict in verdicts {
            match verdict? {
                Verdict::Wrong(wrong) => errors.extend(wrong),
                Verdict::Row(_, _, Err(error)) => errors.extend([error]),
                Verdict::Row(place, Some(Before::PassedOver), Ok(_)) => {
                    errors.extend([place.error(Column::Row, WAS_WRONG)]);
                }
                Verdict::Row(place, _, Ok(Passed::Noted(noted))) => notes.add(place.row, &noted),
                Verdict::Row(place, _, Ok(Passed::Checked(checked))) => {
                    notes.add(place.row, checked.notes());
                    requests.push((place, checked));
                }
                Verdict::Issued => {}
            }
        }
        let places: HashMap<u64, Place> =
            requests.iter().map(|(place, _)| (place.row, *place)).collect();
        let checked = requests.into_iter().map(|(_, checked)| checked).collect();
        for (row, error) in self.refused_keys(checked)? {
            errors.extend(places.get(&row).map(|place| place.error(Column::Csr, &error)));
        }
        Ok(())
    }

    /// Asks the store whether the keys that were brought may be certified: one that is another
    /// principal's, or was compromised, is told here and not in the middle of the job.
    fn refused_keys(
        &self,
        rows: Vec<CheckedRow>,
    ) -> Result<Vec<(u64, rustmq_ca::Error)>, rustmq_ca::Error> {
        Handle::current().block_on(self.batch.check_keys(rows))
    }
}

/// What is said of a row that was wrong when the batch began, and would be good now.
const WAS_WRONG: &str = "it was wrong when this batch began, and later rows have been issued since; \
                         issue it by a batch of its own";

/// A row of a chunk.
enum Parsed {
    Row {
        place: Place,
        request: BatchRow,
        before: Option<Before>,
    },
    Wrong(Vec<RowError>),
    /// By an earlier run: it is not judged by the rules of today.
    Issued,
}

/// A row of a chunk that was judged.
enum Verdict {
    Row(Place, Option<Before>, Result<Passed, RowError>),
    Wrong(Vec<RowError>),
    Issued,
}

/// What an earlier run did with a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Before {
    /// It has its certificate.
    Issued,
    /// It was wrong then.
    PassedOver,
}

/// The rows that earlier runs of the job came by.
#[derive(Debug, Default)]
pub(crate) struct IssuedRows {
    rows: RowSet,
    last: u64,
}

impl IssuedRows {
    /// Adds a row that is issued.
    pub(crate) fn insert(&mut self, row: u64) {
        self.rows.insert(row);
        self.last = self.last.max(row);
    }

    /// The other ones of so many rows.
    pub(crate) fn others(&self, count: u64) -> RowSet {
        let mut others = RowSet::default();
        (1..=count).filter(|row| !self.rows.contains(*row)).for_each(|row| others.insert(row));
        others
    }

    /// What became of a row; nothing so far of one behind the last that was issued.
    fn of(&self, row: u64) -> Option<Before> {
        match row <= self.last {
            true if self.rows.contains(row) => Some(Before::Issued),
            true => Some(Before::PassedOver),
            false => None,
        }
    }
}

/// Where each principal and each key of a request stood first: some 30 octets a row, by keyed 64-bit
/// hashes. That two of a million rows have the same by chance happens once in thirty million inputs,
/// and is then told as a row that stands twice.
struct Seen {
    unique: Unique,
    state: RandomState,
    rows: ByHash<u64>,
    /// Keys of requests: the row, and the hash of whom it names.
    keys: ByHash<(u64, u64)>,
}

/// Found by hashes that are keyed already, and not hashed again.
type ByHash<T> = HashMap<u64, T, BuildHasherDefault<Hashed>>;

/// The hasher of what is a hash.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, octets: &[u8]) {
        octets.iter().for_each(|octet| self.0 = self.0.rotate_left(8) ^ u64::from(*octet));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

impl Seen {
    fn new(unique: Unique) -> Self {
        Self { unique, state: RandomState::new(), rows: ByHash::default(), keys: ByHash::default() }
    }

    /// What is wrong with a row beside those before it.
    fn before(&mut self, row: &Row) -> Option<RowError> {
        let requested = match &row.key {
            KeySource::Csr(csr) => Some(csr::named_key(csr)?),
            _ => None,
        };
        let (name, column) = match (&row.principal, &row.key, &requested) {
            (_, KeySource::Renews(certificate), _) => (certificate.as_str(), Column::Certificate),
            (Some(principal), _, _) => (principal.as_str(), Column::Principal),
            (None, _, Some((name, _))) => (name.as_str(), Column::Csr),
            (None, _, None) => return None,
        };
        match (self.named_before(row, name), &requested) {
            (Some(what), _) => Some(row.place.error(column, what)),
            (None, Some((_, key))) => self.key_before(row, name, key),
            (None, None) => None,
        }
    }

    fn named_before(&mut self, row: &Row, name: &str) -> Option<String> {
        let role = match self.unique {
            Unique::Principal => None,
            Unique::PrincipalAndRole(default) => row.role.or(default),
        };
        let first = *self.rows.entry(self.state.hash_one((name, role))).or_insert(row.place.row);
        let what = match (&row.key, self.unique) {
            (KeySource::Renews(_), _) => "certificate",
            (_, Unique::Principal) => "principal, which names its folder,",
            (_, Unique::PrincipalAndRole(_)) => "principal with the same role",
        };
        (first != row.place.row).then(|| format!("the same {what} stands in row {first}"))
    }

    fn key_before(&mut self, row: &Row, name: &str, key: &[u8]) -> Option<RowError> {
        let holder = self.state.hash_one(name);
        let here = (row.place.row, holder);
        let (first, before) = *self.keys.entry(self.state.hash_one(key)).or_insert(here);
        (before != holder).then(|| {
            let what = format!(
                "the key of this request stands in row {first}, for another principal; a key has \
                 one holder"
            );
            row.place.error(Column::Csr, what)
        })
    }
}
