//! What the runners of the public suites share: rows of exceptions, and the comparison.

use std::collections::BTreeMap;

use serde::Deserialize;

/// A case on which the validator rightly disagrees with its suite.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    id: String,
    expected: String,
    actual: String,
    #[expect(dead_code, reason = "for the reader of the row")]
    section: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Rows {
    rows: Vec<Row>,
}

/// The outcomes of a suite, held against what it expects.
pub(crate) struct Comparison {
    exceptions: BTreeMap<String, Row>,
    wrong: Vec<String>,
    agreed: usize,
}

pub(crate) const fn word(valid: bool) -> &'static str {
    if valid { "valid" } else { "invalid" }
}

impl Comparison {
    /// A comparison with the rows of an exceptions file.
    pub(crate) fn new(exceptions: &str) -> Self {
        let rows: Rows = toml::from_str(exceptions).expect("the exceptions are well-formed");
        assert!(rows.rows.len() <= 4, "at most four exceptions");
        let exceptions = rows.rows.into_iter().map(|row| (row.id.clone(), row)).collect();
        Self { exceptions, wrong: Vec::new(), agreed: 0 }
    }

    /// Takes one case.
    pub(crate) fn take(&mut self, id: &str, expected: bool, actual: bool, reason: &str) {
        let row = self.exceptions.remove(id);
        let allowed = match &row {
            Some(row) => {
                assert_eq!(row.expected, word(expected), "{id}: the suite has changed its mind");
                row.actual == word(actual) && actual != expected
            }
            None => actual == expected,
        };
        if allowed {
            self.agreed += 1;
        } else {
            let (expected, actual) = (word(expected), word(actual));
            let note = if row.is_some() { " [remove its row]" } else { "" };
            self.wrong.push(format!("{id}: expected {expected}, got {actual} ({reason}){note}"));
        }
    }

    /// Ends the comparison: every case as expected, and no row without a case.
    pub(crate) fn finish(self, at_least: usize) {
        assert!(self.wrong.is_empty(), "{} disagree:\n{}", self.wrong.len(), self.wrong.join("\n"));
        let unused: Vec<_> = self.exceptions.keys().collect();
        assert!(unused.is_empty(), "rows without a case: {unused:?}");
        assert!(self.agreed >= at_least, "only {} cases were run", self.agreed);
    }
}
