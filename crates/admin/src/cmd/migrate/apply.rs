//! `migrate apply`.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::status;
use crate::error::CliError;
use crate::migrate::{
    self, MigrationError, Moved, Output, Plan, RETIRED, Run, Stage, Standing, State,
};
use crate::output::Report;
use crate::session::Session;

/// Carry a plan out, or go on with it: every step can be repeated. The old certificates stay as they
/// are until --retire.
#[derive(Debug, Args)]
pub(crate) struct Apply {
    /// The reviewed plan
    #[arg(long, value_name = "FILE")]
    plan: PathBuf,
    /// Folder for the new certificates, the trust bundle and the record of the migration
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
    /// Move the old certificates and keys aside and trust the new root alone; cannot be undone
    #[arg(long)]
    retire: bool,
}

impl Apply {
    /// Applies.
    pub(crate) async fn run(&self, session: &Session) -> Result<Report, CliError> {
        session.refuse_own(&self.output)?;
        let plan = Plan::read(&self.plan)?;
        let begun = Output::to_read(&self.output).state()?;
        match &begun {
            None if self.retire => return Err(MigrationError::NotApplied.into()),
            Some(State { authority: Some(_), .. }) => {}
            // Nothing that could not go on is begun.
            _ => migrate::check(session, &plan).await?,
        }
        let output = migrate::prepare(session, &plan.from, &self.output)?;
        let mut run = Run::begin(session, &plan, &output)?;
        let moved = match (self.retire, run.state.stage) {
            (true, _) => run.retire().await?,
            // What was retired is not issued again.
            (false, Stage::Retiring | Stage::Retired) => Moved::default(),
            (false, _) => {
                run.apply().await?;
                Moved::default()
            }
        };
        let report = status::report(&output, &run.state, &Standing::default());
        if !self.retire {
            let next = format!(
                "install the folders and the trust bundle, see that peers connect, then  \
                 rustmq-admin migrate apply --plan {} --output {} --retire",
                self.plan.display(),
                self.output.display(),
            );
            return Ok(match run.state.stage {
                Stage::Retired => report,
                _ => report.next(next),
            });
        }
        let retired = output.path(RETIRED).display().to_string();
        let note = (!moved.files.is_empty()).then(|| {
            let files = crate::output::count(moved.files.len() as u64, "file");
            format!("{files} of the old deployment now in {retired}; remove them when nothing needs them")
        });
        Ok(report
            .with("moved", json!(moved.files))
            .with("retired_to", retired)
            .notes(note.into_iter().chain(moved.notes)))
    }
}
