//! `certs inspect`.

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use crate::error::CliError;
use crate::inspect::{self, Description, InspectError, Item, Terms};
use crate::output::{Card, Report, Tone};
use crate::session::Session;

/// Say in words what a file holds: certificates, requests, CRLs, OCSP responses, PEM or DER.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// The file, or `-` for standard input
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// How many revoked certificates or answers of one object are listed
    #[arg(long, value_name = "N", default_value_t = 20)]
    entries: usize,
}

/// The CSV columns of an object: keys of its JSON object.
const COLUMNS: &[&str] = &[
    "kind",
    "subject",
    "issuer",
    "serial",
    "not_before",
    "not_after",
    "validity",
    "key",
    "key_type",
    "signature_algorithm",
    "fingerprint",
    "this_update",
    "next_update",
    "error",
];

impl Inspect {
    /// Describes the file. What cannot be read is described as such, and the exit code is that of a
    /// refusal.
    pub(crate) fn run(&self, session: &Session) -> Result<Report, CliError> {
        let bytes = inspect::read(&self.file)?;
        let terms = Terms { now: session.now(), entries: self.entries };
        Ok(report(&inspect::split(&bytes), terms))
    }
}

fn report(items: &[Item], terms: Terms) -> Report {
    let described: Vec<_> = items.iter().map(|item| inspect::describe(item, terms)).collect();
    let records = described.iter().map(|result| match result {
        Ok(description) => description.json(),
        Err(error) => broken(error),
    });
    let refused = described.iter().any(Result::is_err);
    let report = Report::many("objects", records.collect(), COLUMNS).refused(refused);
    described.iter().fold(report, |report, result| match result {
        Ok(description) => shown(report, description),
        Err(error) => report.lines(vec![vec![(error.to_string(), Tone::Bad)]]),
    })
}

fn shown(report: Report, description: &Description) -> Report {
    let card = description
        .lines()
        .iter()
        .fold(Card::new(description.title()), |card, (label, value, tone)| {
            card.toned(label, value.clone(), *tone)
        });
    let extensions = description.extension_lines();
    let report = report.card(card);
    if extensions.is_empty() { report } else { report.lines(extensions) }
}

fn broken(error: &InspectError) -> Value {
    json!({ "kind": "unreadable", "code": error.code(), "error": error.to_string() })
}
