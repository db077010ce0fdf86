//! `certs rotate`.

use clap::Args;
use rustmq_ca::{CertificateManager, RotateRequest};

use super::renew::RenewalArgs;
use crate::error::CliError;
use crate::output::Report;
use crate::session::Session;

/// Renew, and supersede the old certificate after an overlap.
#[derive(Debug, Args)]
pub(crate) struct Rotate {
    #[command(flatten)]
    renewal: RenewalArgs,
    /// Days until the old certificate is revoked as superseded, by the next command that writes
    #[arg(long, value_name = "DAYS", default_value_t = RotateRequest::OVERLAP_DAYS, allow_negative_numbers = true)]
    overlap: i64,
}

impl Rotate {
    /// Rotates it.
    pub(crate) async fn run(&self, session: &Session) -> Result<Report, CliError> {
        let overlap_days = self.overlap;
        let rotate = |manager: CertificateManager, renewal| async move {
            manager.rotate_certificate(RotateRequest { renewal, overlap_days }).await
        };
        self.renewal.run(session, rotate).await
    }
}
