//! `ca retire`: no more certificates, CRLs go on.

use clap::Args;
use rustmq_ca::Execution;

use crate::cli::{CaName, DryRun};
use crate::cmd::show::{CA_COLUMNS, ca_card, ca_record};
use crate::error::CliError;
use crate::output::Report;
use crate::session::Session;

/// Stop a CA from issuing; its revocation lists go on.
#[derive(Debug, Args)]
pub(crate) struct Retire {
    #[command(flatten)]
    ca: CaName,
    #[command(flatten)]
    dry_run: DryRun,
}

impl Retire {
    /// Retires it.
    pub(crate) async fn run(&self, session: &Session) -> Result<Report, CliError> {
        let execution = self.dry_run.execution();
        let ca = session.writer()?.retire_ca(self.ca.as_str(), execution).await?;
        let dry_run = execution == Execution::DryRun;
        let note =
            dry_run.then(|| format!("dry run: {} would be retired; nothing was done", ca.id));
        Ok(Report::one(ca_record(&ca), CA_COLUMNS)
            .with("dry_run", dry_run)
            .card(ca_card(&ca))
            .notes(note))
    }
}
