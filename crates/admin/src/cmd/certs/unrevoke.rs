//! `certs unrevoke`.

use clap::Args;

use super::revoke::{Plan, revoked};
use crate::cli::{CertificateName, DryRun};
use crate::error::CliError;
use crate::output::Report;
use crate::session::Session;

/// Release a certificate that is on hold.
#[derive(Debug, Args)]
pub(crate) struct Unrevoke {
    #[command(flatten)]
    certificate: CertificateName,
    #[command(flatten)]
    dry_run: DryRun,
}

impl Unrevoke {
    /// Releases it.
    pub(crate) async fn run(&self, session: &Session) -> Result<Report, CliError> {
        let execution = self.dry_run.execution();
        let manager = session.writer()?;
        let release = manager.release_certificate(&self.certificate.plain(), execution).await?;
        Ok(revoked(&release, Plan::Release, execution, session.now()))
    }
}
