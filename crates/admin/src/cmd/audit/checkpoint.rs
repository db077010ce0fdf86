//! `audit checkpoint`: a signed statement of how far the record has come, to be kept elsewhere.

use clap::Args;
use serde_json::json;

use crate::cmd::destination::Destination;
use crate::error::CliError;
use crate::files::Existing;
use crate::output::{Card, Report, count};
use crate::session::Session;

/// The CSV columns of a checkpoint: keys of its JSON object.
const COLUMNS: &[&str] = &["records", "head", "at", "ca_id", "signer", "file"];

/// Sign how many records there are and the newest one's hash; kept elsewhere, it shows later whether
/// records were cut off the end.
#[derive(Debug, Args)]
pub(crate) struct Checkpoint {
    /// File to write; `-` for standard output
    #[arg(long, short, value_name = "FILE")]
    output: Destination,
    /// CA that signs: id, common name or beginning of its fingerprint [default: the newest that
    /// issues, a root only where there is no other]
    #[arg(long, value_name = "CA")]
    ca_id: Option<String>,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
}

impl Checkpoint {
    /// Signs and writes it.
    pub(crate) async fn run(&self, session: &Session) -> Result<Report, CliError> {
        let existing = Existing::by_force(self.force);
        self.output.check_free(existing, session)?;
        let checkpoint = session.writer()?.audit_checkpoint(self.ca_id.clone()).await?;
        self.output.write(checkpoint.to_json().as_bytes(), existing, session.output)?;
        let Some(file) = self.output.file() else { return Ok(Report::silent()) };
        let file = file.display().to_string();
        let signed = checkpoint.attestation();
        let signer = signed.signer().fingerprint().to_string();
        let card = Card::new(["checkpoint".to_owned(), format!("by {}", signed.ca_id())])
            .line("covers", count(checkpoint.records(), "record"))
            .line("head", checkpoint.head())
            .line("at", checkpoint.at().to_string())
            .line("signer", format!("sha256 {signer}"))
            .line("file", &file);
        let record = json!({
            "records": checkpoint.records(), "head": checkpoint.head(),
            "at": checkpoint.at().to_string(), "ca_id": signed.ca_id(), "signer": signer,
            "file": file,
        });
        let verify = format!("rustmq-admin audit verify --anchor {file}");
        Ok(Report::one(record, COLUMNS)
            .card(card)
            .next(format!("keep {file} on another machine; later  {verify}")))
    }
}
