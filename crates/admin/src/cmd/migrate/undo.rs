//! `migrate undo`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::error::CliError;
use crate::migrate::{self, MigrationError, Output};
use crate::output::{Card, Report, count};
use crate::session::Session;

/// Go back to before the first step, until the old certificates are retired: the new ones are revoked
/// (cessation of operation), and what apply wrote is removed.
#[derive(Debug, Args)]
pub(crate) struct Undo {
    /// The output folder of migrate apply
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
}

impl Undo {
    /// Undoes it.
    pub(crate) async fn run(&self, session: &Session) -> Result<Report, CliError> {
        if Output::to_read(&self.output).state()?.is_none() {
            Output::clear_after_undo(&self.output)?;
            return Err(MigrationError::NotBegun { output: self.output.clone() }.into());
        }
        let output = Output::to_write(&self.output)?;
        let undone = migrate::undo(session, &output).await?;
        let revoked = count(undone.revoked.len() as u64, "new certificate");
        let record = json!({ "undone": true, "revoked": undone.revoked });
        Ok(Report::one(record, &["undone", "revoked"])
            .card(Card::new(["undone"]).line("revoked", revoked))
            .notes(undone.notes))
    }
}
