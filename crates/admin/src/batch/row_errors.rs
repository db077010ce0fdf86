//! What is wrong with the rows of an input: all of it is counted, the first of it is kept.

use std::fmt;

use serde_json::{Value, json};

use super::row::{Column, Place};
use crate::output::{Output, grouped};

/// How many errors are kept to be shown. Whoever mends a hundred sees the pattern of the rest.
const MOST: usize = 100;

/// Runs of wrong rows that are told in a line.
const RUNS_IN_LINE: usize = 16;

/// What is wrong with one column of one row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RowError {
    /// Where the row stands.
    pub(crate) place: Place,
    /// The column.
    pub(crate) column: Column,
    /// One sentence, with what would be right.
    pub(crate) message: String,
}

impl RowError {
    /// The same for machines.
    pub(crate) fn to_json(&self) -> Value {
        json!({
            "row": self.place.row,
            "line": self.place.line,
            "column": self.column.as_str(),
            "message": self.message,
        })
    }
}

impl fmt::Display for RowError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { row, line } = self.place;
        write!(f, "row {row} (line {line}), {}: {}", self.column, self.message)
    }
}

/// The errors of all rows.
#[derive(Debug, Default)]
pub(crate) struct RowErrors {
    kept: Vec<RowError>,
    errors: u64,
    /// The wrong rows, a bit each.
    rows: RowSet,
}

impl RowErrors {
    /// Adds the errors of a row.
    pub(crate) fn extend(&mut self, errors: impl IntoIterator<Item = RowError>) {
        for error in errors {
            self.errors += 1;
            self.rows.insert(error.place.row);
            // What the store has against a key is found behind what is wrong with later rows.
            let at = self.kept.partition_point(|kept| kept.place.row <= error.place.row);
            if at < MOST {
                self.kept.insert(at, error);
                self.kept.truncate(MOST);
            }
        }
    }

    /// The first of them, in the order of the rows.
    pub(crate) fn kept(&self) -> &[RowError] {
        &self.kept
    }

    /// How many there are beyond those that were kept.
    pub(crate) fn further(&self) -> u64 {
        self.errors - self.kept.len() as u64
    }

    /// Tells all: the first in words, of the other rows the numbers.
    pub(crate) fn tell(&self, output: Output) {
        self.kept().iter().for_each(|error| output.finding(&error.to_string(), &error.to_json()));
        if self.further() > 0 {
            output.line(&format!("and {} more", grouped(self.further())));
        }
        for runs in self.unnamed().chunks(RUNS_IN_LINE) {
            output.finding(&format!("rows {}", in_words(runs)), &json!({ "rows": runs }));
        }
    }

    /// Rows that are known to be wrong; why was told by an earlier run.
    pub(crate) fn known(rows: RowSet) -> Self {
        Self { rows, ..Self::default() }
    }

    /// The wrong rows of which no error was kept, as runs.
    pub(crate) fn unnamed(&self) -> Vec<[u64; 2]> {
        let named = |row| self.kept.iter().any(|error| error.place.row == row);
        runs(self.rows.iter().filter(|row| !named(*row)))
    }

    /// The rows that are wrong.
    pub(crate) fn rows(&self) -> &RowSet {
        &self.rows
    }
}

/// A set of row numbers: an octet for eight rows up to the last of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct RowSet {
    bits: Vec<u64>,
    count: u64,
}

impl RowSet {
    fn place(row: u64) -> (usize, u64) {
        // More rows than fit in memory as bits cannot be read to their end.
        (usize::try_from(row / 64).unwrap_or(usize::MAX), 1 << (row % 64))
    }

    /// Adds a row.
    pub(crate) fn insert(&mut self, row: u64) {
        let (word, bit) = Self::place(row);
        if self.bits.len() <= word {
            self.bits.resize(word + 1, 0);
        }
        self.count += u64::from(self.bits[word] & bit == 0);
        self.bits[word] |= bit;
    }

    /// The rows in it, in their order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u64> {
        let words = (0..).step_by(64).zip(&self.bits);
        words.flat_map(|(first, word)| {
            (0..64).filter(move |bit| word >> bit & 1 == 1).map(move |bit| first + bit)
        })
    }

    /// The same as runs: first and last.
    pub(crate) fn runs(&self) -> Vec<[u64; 2]> {
        runs(self.iter())
    }

    /// Whether the row is in it.
    pub(crate) fn contains(&self, row: u64) -> bool {
        let (word, bit) = Self::place(row);
        self.bits.get(word).is_some_and(|bits| bits & bit != 0)
    }

    /// How many rows are in it.
    pub(crate) fn len(&self) -> u64 {
        self.count
    }

    /// A check value of which rows are in it.
    pub(crate) fn crc32(&self) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        self.bits.iter().for_each(|word| hasher.update(&word.to_le_bytes()));
        hasher.finalize()
    }
}

fn runs(rows: impl Iterator<Item = u64>) -> Vec<[u64; 2]> {
    let mut runs: Vec<[u64; 2]> = Vec::new();
    for row in rows {
        match runs.last_mut() {
            Some([_, last]) if *last + 1 == row => *last = row,
            _ => runs.push([row, row]),
        }
    }
    runs
}

/// `7, 101-250`.
pub(crate) fn in_words(runs: &[[u64; 2]]) -> String {
    let words = runs.iter().map(|[first, last]| match first == last {
        true => first.to_string(),
        false => format!("{first}-{last}"),
    });
    words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_stand_in_the_order_of_the_rows_however_they_were_found() {
        let mut errors = RowErrors::default();
        for row in (1..=120).rev() {
            let place = Place { row, line: row + 1 };
            errors.extend([place.error(Column::Role, "wrong"), place.error(Column::San, "wrong")]);
        }
        let kept: Vec<_> = errors.kept().iter().map(|e| (e.place.row, e.column)).collect();
        assert_eq!(kept[..3], [(1, Column::Role), (1, Column::San), (2, Column::Role)]);
        assert_eq!((kept.len(), kept[99]), (100, (50, Column::San)));
    }

    #[test]
    fn all_errors_are_counted_and_the_first_kept() {
        let mut errors = RowErrors::default();
        for row in 1..=300 {
            let place = Place { row, line: row + 1 };
            let wrong = |column| place.error(column, "wrong");
            errors.extend([wrong(Column::Role), wrong(Column::San)]);
        }
        assert_eq!((errors.kept().len(), errors.further(), errors.rows().len()), (100, 500, 300));
        assert_eq!(errors.kept()[2].to_string(), "row 2 (line 3), role: wrong");
        assert_eq!(errors.unnamed(), [[51, 300]]);
        assert_eq!(errors.rows().runs(), [[1, 300]]);
        errors.extend([Place { row: 302, line: 9 }.error(Column::San, "wrong")]);
        assert_eq!(errors.kept().len(), 100, "the first by row");
        assert_eq!(in_words(&errors.unnamed()), "51-300, 302");
        assert!(errors.rows().contains(300));
        assert!(!errors.rows().contains(0) && !errors.rows().contains(301));
    }
}
