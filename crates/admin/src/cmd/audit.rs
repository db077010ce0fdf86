//! `rustmq-admin audit ...`: the record of everything the authority did or refused.

use clap::{Args, Subcommand};
use rustmq_ca::{AuditExport, AuditFilter, AuditRecord};
use serde_json::{Map, json};

use crate::cli::plain_serial;
use crate::cmd::destination::Destination;
use crate::cmd::show::to_json;
use crate::error::CliError;
use crate::files::{Existing, Mode, Staged};
use crate::output::{Card, Report, Table, Tone, count};
use crate::session::Session;

mod checkpoint;
mod verify;

/// The CSV columns of an audit record: keys of its JSON object.
const COLUMNS: &[&str] = &[
    "number",
    "at",
    "actor",
    "action",
    "outcome",
    "ca_id",
    "serial",
    "principal",
    "detail",
    "hash",
];

/// The audit.
#[derive(Debug, Subcommand)]
pub(crate) enum Audit {
    /// List audit records
    List(List),
    /// Check that no record was edited, dropped or moved; exit 1 names the first that was
    Verify(verify::Verify),
    /// Sign how far the record has come, to show later that its end was not cut off
    Checkpoint(checkpoint::Checkpoint),
    /// Write all records as newline-delimited JSON
    Export(Export),
}

impl Audit {
    /// Carries the command out.
    pub(crate) async fn run(&self, session: &Session) -> Result<Report, CliError> {
        match self {
            Self::List(command) => command.run(session).await,
            Self::Verify(command) => command.run(session).await,
            Self::Checkpoint(command) => command.run(session).await,
            Self::Export(command) => command.run(session).await,
        }
    }
}

/// List audit records, oldest first.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// The last so many records
    #[arg(long, value_name = "N", default_value_t = 100)]
    last: u32,
    /// Those about this certificate's serial number
    #[arg(long, value_name = "SERIAL")]
    serial: Option<String>,
    /// Those about the CA with this id
    #[arg(long, value_name = "ID")]
    ca_id: Option<String>,
    /// Those about this principal
    #[arg(long, value_name = "NAME")]
    principal: Option<String>,
}

/// Write all records as newline-delimited JSON.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// File to write; `-` for standard output
    #[arg(long, short, value_name = "FILE")]
    output: Destination,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
}

impl List {
    async fn run(&self, session: &Session) -> Result<Report, CliError> {
        let filter = AuditFilter {
            serial: self.serial.as_deref().map(plain_serial),
            ca_id: self.ca_id.clone(),
            principal: self.principal.clone(),
        };
        let mut pages = session.reader()?.audit_pages(filter, self.last).await?;
        let mut listing = session.output.listing("records", COLUMNS, Map::new());
        while listing.is_read()
            && let Some(page) = pages.next().await?
        {
            listing.page(page.iter().map(to_json), || table(&page))?;
        }
        listing.end(&table(&[]), None)?;
        Ok(Report::silent())
    }
}

fn table(records: &[AuditRecord]) -> Table {
    let header = ["no.", "time", "who", "what", "outcome", "ca", "serial", "principal", "detail"];
    let mut table = Table::new(&header, "no records");
    for record in records {
        let tone = if record.outcome == "refused" { Tone::Warning } else { Tone::Plain };
        let optional = |value: &Option<String>| (value.clone().unwrap_or_default(), Tone::Plain);
        table.push(vec![
            (record.number.to_string(), Tone::Strong),
            (record.at.to_string(), Tone::Plain),
            (record.actor.clone(), Tone::Plain),
            (record.action.clone(), Tone::Plain),
            (record.outcome.clone(), tone),
            optional(&record.ca_id),
            optional(&record.serial),
            optional(&record.principal),
            (record.detail.clone(), Tone::Faint),
        ]);
    }
    table
}

impl Export {
    async fn run(&self, session: &Session) -> Result<Report, CliError> {
        let existing = Existing::by_force(self.force);
        self.output.check_free(existing, session)?;
        let manager = session.reader()?;
        let Some(place) = self.output.file() else {
            manager.audit_export(Box::new(std::io::stdout())).await?;
            return Ok(Report::silent());
        };
        let (staged, file) = Staged::create(place, Mode::Private)?;
        let AuditExport { records, lines } = manager.audit_export(Box::new(file)).await?;
        staged.put(existing)?;
        let file = place.display().to_string();
        let card = Card::new(["exported"])
            .line("records", count(records, "record"))
            .line("lines", format!("{}, one for each row of a batch", count(lines, "line")))
            .line("file", &file);
        let record = json!({ "records": records, "lines": lines, "file": file });
        Ok(Report::one(record, &["records", "lines", "file"]).card(card))
    }
}
