//! `rustmq-admin migrate ...`

use clap::Subcommand;

use crate::error::CliError;
use crate::output::Report;
use crate::session::Session;

mod apply;
mod plan;
mod status;
mod undo;

/// Migrations.
#[derive(Debug, Subcommand)]
pub(crate) enum Migrate {
    /// Read a deployment, and write a plan for a person to review
    Plan(plan::Plan),
    /// Carry a plan out, or go on with it; the old certificates stay until --retire
    Apply(apply::Apply),
    /// Show how far each principal has come
    Status(status::Status),
    /// Go back: revoke the new certificates and remove what was written
    Undo(undo::Undo),
}

impl Migrate {
    /// Whether it may sign a certificate or a CRL.
    pub(crate) fn signs(&self) -> bool {
        matches!(self, Self::Apply(_) | Self::Undo(_))
    }

    /// Carries the command out.
    pub(crate) async fn run(&self, session: &Session) -> Result<Report, CliError> {
        match self {
            Self::Plan(command) => command.run(session),
            Self::Apply(command) => command.run(session).await,
            Self::Status(command) => command.run(session).await,
            Self::Undo(command) => command.run(session).await,
        }
    }
}
