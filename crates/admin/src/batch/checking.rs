//! The first pass: every row is read and checked before the first is signed.

use std::collections::HashMap;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;

use rustmq_ca::batch::{BatchRow, RowKey};
use rustmq_pki::key::PublicKey;
use rustmq_pki::role::Role;
use tokio::runtime::Handle;

use super::csr;
use super::issuer::{self, Defaults, SharedBatch};
use super::keys::on_all_cores;
use super::row::{Column, KeySource, Place, Row};
use super::row_errors::{RowError, RowErrors};
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
    batch: SharedBatch,
    /// Stands for the keys that will be made: the rules for keys know types only.
    sample: PublicKey,
    defaults: Defaults,
    seen: Seen,
}

impl Checker {
    /// Checks by the rules of `batch`.
    pub(crate) fn new(
        batch: SharedBatch,
        sample: PublicKey,
        defaults: Defaults,
        unique: Unique,
    ) -> Self {
        Self { batch, sample, defaults, seen: Seen::new(unique) }
    }

    /// Checks all rows; `going_on` is told after each chunk how many there were so far, and says
    /// whether to go on.
    pub(crate) fn check(
        mut self,
        mut rows: Rows,
        mut going_on: impl FnMut(u64, u64) -> bool,
    ) -> Result<Checked, CheckError> {
        let (mut count, mut errors) = (0, RowErrors::default());
        loop {
            let (chunk, ended) = self.read(&mut rows)?;
            count += chunk.len() as u64;
            self.judge(chunk, &mut errors)?;
            if !going_on(count, errors.rows().len()) {
                return Err(CheckError::Stopped);
            }
            if ended {
                return Ok(Checked { rows: count, errors, digest: rows.digest() });
            }
        }
    }

    fn read(&mut self, rows: &mut Rows) -> std::io::Result<(Vec<Parsed>, bool)> {
        let mut chunk = Vec::with_capacity(CHUNK);
        while chunk.len() < CHUNK {
            chunk.push(match rows.next()? {
                Next::End => return Ok((chunk, true)),
                Next::Wrong(errors) => Parsed::Wrong(errors),
                Next::Row(row) => match self.seen.before(&row) {
                    Some(error) => Parsed::Wrong(vec![error]),
                    None => self.parsed(row),
                },
            });
        }
        Ok((chunk, false))
    }

    fn parsed(&self, row: Row) -> Parsed {
        let (place, key) = (row.place, row.key.is_made().then(|| self.sample.clone()));
        // A row whose key is made has the sample.
        match issuer::request(row, key, self.defaults) {
            Some(request) => Parsed::Row(place, request),
            None => Parsed::Wrong(Vec::new()),
        }
    }

    fn judge(&self, chunk: Vec<Parsed>, errors: &mut RowErrors) -> Result<(), CheckError> {
        let verdicts = on_all_cores(&chunk, |parsed| match parsed {
            Parsed::Row(place, row) => issuer::check(&self.batch, *place, row),
            Parsed::Wrong(_) => Ok(None),
        });
        let mut requests = Vec::new();
        for (parsed, verdict) in chunk.into_iter().zip(verdicts) {
            match (parsed, verdict?) {
                (Parsed::Wrong(wrong), _) => errors.extend(wrong),
                (Parsed::Row(..), Some(error)) => errors.extend([error]),
                (Parsed::Row(place, row), None) if matches!(row.subject, RowKey::Csr(_)) => {
                    requests.push((place, row));
                }
                (Parsed::Row(..), None) => {}
            }
        }
        self.judge_keys(requests, errors)
    }

    /// Asks the store whether the keys that were brought may be certified: one that is another
    /// principal's, or was compromised, is told here and not in the middle of the job.
    fn judge_keys(
        &self,
        mut requests: Vec<(Place, BatchRow)>,
        errors: &mut RowErrors,
    ) -> Result<(), CheckError> {
        while !requests.is_empty() {
            let rows = requests.iter().map(|(_, row)| row.clone()).collect();
            // The batch of this pass is a dry run: the slice's number means nothing.
            let judged = Handle::current().block_on(self.batch.issue_slice(0, rows));
            let (number, error) = match judged {
                Ok(_) => return Ok(()),
                Err(rustmq_ca::Error::BatchRow { row, error }) => (row, error),
                Err(error) => return Err(error.into()),
            };
            let at = requests.iter().position(|(place, _)| place.row == number);
            let Some(at) = at else { return Err((*error).into()) };
            let (place, _) = requests.swap_remove(at);
            errors.extend([place.error(Column::Csr, &error)]);
        }
        Ok(())
    }
}

/// A row of a chunk.
enum Parsed {
    Row(Place, BatchRow),
    Wrong(Vec<RowError>),
}

/// Where each principal and each key of a request stood first: some 30 octets a row, by keyed 64-bit
/// hashes. That two of a million rows have the same by chance happens once in thirty million inputs,
/// and is then told as a row that stands twice.
struct Seen {
    unique: Unique,
    state: RandomState,
    rows: HashMap<u64, u64>,
    /// Keys of requests: the row, and the hash of whom it names.
    keys: HashMap<u64, (u64, u64)>,
}

impl Seen {
    fn new(unique: Unique) -> Self {
        Self { unique, state: RandomState::new(), rows: HashMap::new(), keys: HashMap::new() }
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
