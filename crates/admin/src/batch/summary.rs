//! What a batch did, as a report.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::checking::Checked;
use super::job_file::{self, Asked};
use super::row_errors::{RowError, RowErrors};
use super::row_notes::RowNotes;
use crate::output::rate::per_second;
use crate::output::{Card, Report, count, grouped};

/// The CSV columns of a batch.
const COLUMNS: &[&str] = &[
    "job", "ca_id", "output", "rows", "issued", "replayed", "skipped", "seconds", "rate", "dry_run",
];

/// What a batch did.
pub(crate) struct Summary {
    asked: Asked,
    output: PathBuf,
    outcome: Outcome,
    wrong: RowErrors,
    notes: RowNotes,
    note: Option<String>,
}

enum Outcome {
    /// Nothing: it was asked what would be done.
    Rehearsed,
    /// Nothing: it was done before.
    Finished,
    /// So many were issued now, and so many by earlier runs of the same job.
    Done { issued: u64, replayed: u64, elapsed: Duration },
}

impl Summary {
    /// A dry run that found nothing in the way.
    pub(crate) fn rehearsed(asked: Asked, output: &Path, checked: Checked) -> Self {
        let Checked { errors: wrong, notes, .. } = checked;
        Self {
            asked,
            output: output.to_owned(),
            outcome: Outcome::Rehearsed,
            wrong,
            notes,
            note: None,
        }
    }

    /// A job that was done before.
    pub(crate) fn finished(asked: Asked, output: &Path, wrong: RowErrors) -> Self {
        let notes = RowNotes::default();
        Self {
            asked,
            output: output.to_owned(),
            outcome: Outcome::Finished,
            wrong,
            notes,
            note: None,
        }
    }

    /// A job that is done now.
    pub(crate) fn done(
        asked: Asked,
        output: &Path,
        (issued, replayed): (u64, u64),
        elapsed: Duration,
        (wrong, notes): (RowErrors, RowNotes),
    ) -> Self {
        let outcome = Outcome::Done { issued, replayed, elapsed };
        Self { asked, output: output.to_owned(), outcome, wrong, notes, note: None }
    }

    /// The same, with a thing to say about the job as a whole.
    pub(crate) fn with_note(mut self, note: Option<String>) -> Self {
        self.note = self.note.or(note);
        self
    }

    fn counts(&self) -> (u64, u64, Duration) {
        match self.outcome {
            Outcome::Rehearsed => (0, 0, Duration::ZERO),
            Outcome::Finished => (0, self.asked.rows, Duration::ZERO),
            Outcome::Done { issued, replayed, elapsed } => (issued, replayed, elapsed),
        }
    }

    /// The report.
    pub(crate) fn report(&self) -> Report {
        let (issued, replayed, elapsed) = self.counts();
        let output = self.output.display().to_string();
        let record = json!({
            "job": self.asked.job,
            "ca_id": self.asked.ca_id,
            "output": output,
            "job_file": job_file::place(&self.output).display().to_string(),
            "rows": self.asked.rows + self.asked.skipped,
            "issued": issued,
            "replayed": replayed,
            "skipped": self.asked.skipped,
            "seconds": milliseconds(elapsed),
            "rate": per_second(issued, elapsed),
            "dry_run": matches!(self.outcome, Outcome::Rehearsed),
        });
        let wrong: Vec<Value> = self.wrong.kept().iter().map(RowError::to_json).collect();
        Report::one(record, COLUMNS)
            .with("wrong_rows", wrong)
            .with("wrong_row_runs", self.wrong.rows().runs())
            .with("row_notes", self.notes.to_json())
            .card(self.card())
            .notes(self.note())
            .notes(self.note.clone())
    }

    fn card(&self) -> Card {
        let (issued, replayed, elapsed) = self.counts();
        let skipped = Some(self.asked.skipped).filter(|skipped| *skipped > 0);
        let are = |skipped| if skipped == 1 { "is" } else { "are" };
        let skipped =
            skipped.map(|rows| format!("{} that {} wrong", count(rows, "row"), are(rows)));
        let by = format!("by {}", self.asked.ca_id);
        let card = match self.outcome {
            Outcome::Rehearsed => {
                let rows = count(self.asked.rows, "certificate");
                Card::new([format!("dry run: {rows} would be issued; nothing was done"), by])
            }
            Outcome::Finished => Card::new([self.output.display().to_string(), by])
                .line("issued", format!("{}, by an earlier run", grouped(replayed))),
            Outcome::Done { .. } => {
                let rate = grouped(per_second(issued, elapsed));
                let took = format!("{} in {} s, {rate}/s", grouped(issued), milliseconds(elapsed));
                let before = Some(replayed).filter(|replayed| *replayed > 0);
                Card::new([self.output.display().to_string(), by])
                    .line("issued", took)
                    .maybe("before", before.map(|n| format!("{}, by an earlier run", grouped(n))))
            }
        };
        card.maybe("skipped", skipped).line("job", &self.asked.job)
    }

    fn note(&self) -> Option<String> {
        match self.outcome {
            Outcome::Finished => Some(
                "this batch is finished: its output stands there, and nothing was done".to_owned(),
            ),
            _ => None,
        }
    }
}

/// Seconds with three decimals.
fn milliseconds(elapsed: Duration) -> f64 {
    (elapsed.as_secs_f64() * 1000.0).round() / 1000.0
}
