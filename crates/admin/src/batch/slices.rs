//! The second pass: the rows again, a slice at a time, each with its key.

use std::sync::Arc;

use rustmq_ca::batch::{Batch, BatchRow};
use rustmq_pki::key::{KeyError, KeyType};

use super::issuer::{self, Defaults};
use super::key_types::KeyTypes;
use super::keys::{SliceKeys, on_all_cores};
use super::row::Row;
use super::row_errors::RowSet;
use super::rows::{Next, Rows};

/// Reads slices.
pub(crate) struct Slices {
    rows: Rows,
    /// What the first pass found.
    digest: [u8; 32],
    skipped: RowSet,
    /// How the rows are cut.
    cut: Cut,
    /// What the keys are.
    key_types: KeyTypes,
    /// Where certificates that are renewed are looked up.
    batch: Batch,
    defaults: Defaults,
}

/// How rows are cut into slices.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cut {
    /// How many rows are issued.
    pub(crate) rows: u64,
    /// How many are in a slice.
    pub(crate) rows_per_slice: u64,
}

impl Cut {
    /// How many slices there are.
    pub(crate) fn slices(self) -> u64 {
        self.rows.div_ceil(self.rows_per_slice)
    }

    /// How many rows a slice has.
    pub(crate) fn rows_in(self, slice: u64) -> u64 {
        let before = slice.saturating_mul(self.rows_per_slice);
        self.rows.saturating_sub(before).min(self.rows_per_slice)
    }
}

/// A slice that can be asked for.
pub(crate) struct Prepared {
    /// Its rows.
    pub(crate) rows: Vec<BatchRow>,
    /// Their private keys.
    pub(crate) keys: Arc<SliceKeys>,
}

/// Why a slice could not be prepared.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SliceError {
    /// The input cannot be read on.
    #[error(transparent)]
    Input(#[from] std::io::Error),
    /// The rows are no longer those that were checked.
    #[error("the input changed")]
    Changed,
    /// A key could not be made, or one that was left cannot be read.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// A certificate that is to be renewed could not be looked up.
    #[error(transparent)]
    Authority(#[from] rustmq_ca::Error),
}

impl Slices {
    /// The good rows of an input that was checked.
    pub(crate) fn new(
        rows: Rows,
        (digest, skipped): ([u8; 32], RowSet),
        cut: Cut,
        (key_types, batch): (KeyTypes, Batch),
        defaults: Defaults,
    ) -> Self {
        Self { rows, digest, skipped, cut, key_types, batch, defaults }
    }

    /// Passes over a slice that is delivered.
    pub(crate) fn skip(&mut self, slice: u64) -> Result<(), SliceError> {
        self.read(slice).map(drop)
    }

    /// Reads a slice and gives it keys: those that an earlier run left, or new ones.
    pub(crate) fn prepare(
        &mut self,
        slice: u64,
        left: Option<Arc<SliceKeys>>,
    ) -> Result<Prepared, SliceError> {
        let rows = self.read(slice)?;
        let (keys, public_keys) = match left {
            None => {
                let (keys, public_keys) = SliceKeys::make(slice, &rows, self.types(&rows)?)?;
                (Arc::new(keys), public_keys)
            }
            Some(keys) => {
                let public_keys = keys.public_keys()?;
                (keys, public_keys)
            }
        };
        if public_keys.len() != rows.len() {
            return Err(SliceError::Changed);
        }
        let requests = rows.into_iter().zip(public_keys);
        let requests = requests.map(|(row, key)| issuer::request(row, key, self.defaults));
        let rows = requests.collect::<Option<Vec<_>>>().ok_or(SliceError::Changed)?;
        Ok(Prepared { rows, keys })
    }

    /// The types of the keys that are to be made.
    fn types(&self, rows: &[Row]) -> Result<Vec<KeyType>, rustmq_ca::Error> {
        if let KeyTypes::One(key_type) = self.key_types {
            return Ok(vec![key_type; rows.iter().filter(|row| row.key.is_made()).count()]);
        }
        let made: Vec<&Row> = rows.iter().filter(|row| row.key.is_made()).collect();
        let types = on_all_cores(made, |row| self.key_types.of(&self.batch, row));
        types.into_iter().collect()
    }

    fn read(&mut self, slice: u64) -> Result<Vec<Row>, SliceError> {
        let expected = usize::try_from(self.cut.rows_in(slice)).unwrap_or(0);
        let mut rows = Vec::with_capacity(expected);
        while rows.len() < expected {
            match self.rows.next()? {
                Next::Row(row) if !self.skipped.contains(row.place.row) => rows.push(row),
                Next::Row(_) => {}
                Next::Wrong(errors) => {
                    let known = errors.iter().all(|e| self.skipped.contains(e.place.row));
                    known.then_some(()).ok_or(SliceError::Changed)?;
                }
                Next::End => return Err(SliceError::Changed),
            }
        }
        if slice + 1 == self.cut.slices() {
            self.finish()?;
        }
        Ok(rows)
    }

    /// Reads on to the end, so that the last slice is issued only if the whole input is as it was.
    fn finish(&mut self) -> Result<(), SliceError> {
        loop {
            match self.rows.next()? {
                Next::Row(row) if !self.skipped.contains(row.place.row) => break,
                Next::End if self.rows.digest() == self.digest => return Ok(()),
                Next::End => break,
                Next::Row(_) | Next::Wrong(_) => {}
            }
        }
        Err(SliceError::Changed)
    }
}
