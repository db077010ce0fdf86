//! `ca export`: a CA's certificate as a file.

use clap::Args;
use serde_json::json;

use crate::cli::{CaName, Encoding};
use crate::cmd::destination::{self, Destination};
use crate::error::CliError;
use crate::files::Existing;
use crate::output::{Card, Report};
use crate::session::Session;

/// Write a CA's certificate to a file.
#[derive(Debug, Args)]
pub(crate) struct Export {
    #[command(flatten)]
    ca: CaName,
    /// File to write; `-` for standard output
    #[arg(long, short, value_name = "FILE")]
    output: Destination,
    /// Add the certificates of the CAs above it, the root last
    #[arg(long)]
    chain: bool,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
}

impl Export {
    /// Writes it.
    pub(crate) async fn run(&self, session: &Session) -> Result<Report, CliError> {
        let existing = Existing::by_force(self.force);
        if self.chain && session.encoding() == Encoding::Der {
            return Err(CliError::DER_HOLDS_ONE);
        }
        self.output.check_free(existing)?;
        let manager = session.reader()?;
        let ca = manager.find_ca(self.ca.as_str()).await?;
        let chain = manager.ca_chain(&ca.id).await?;
        let count = if self.chain { chain.len() } else { 1 };
        let certificates: Vec<_> = chain.iter().take(count).collect();
        let bytes = destination::certificates(&certificates, session.encoding());
        self.output.write(&bytes, existing, session.output)?;
        let Some(file) = self.output.file() else { return Ok(Report::silent()) };
        let file = file.display().to_string();
        let fingerprint = &ca.certificate.fingerprint;
        let record = json!({
            "id": ca.id, "common_name": ca.common_name, "serial": ca.certificate.serial,
            "fingerprint": fingerprint, "certificates": certificates.len(), "file": file,
        });
        let columns = &["id", "common_name", "serial", "fingerprint", "certificates", "file"];
        let card = Card::new([&ca.id, &ca.common_name])
            .line("fingerprint", format!("sha256 {fingerprint}"))
            .line(
                "file",
                format!(
                    "{file} ({})",
                    crate::output::count(certificates.len() as u64, "certificate")
                ),
            );
        Ok(Report::one(record, columns).card(card))
    }
}
