//! `certs rotate`.

use std::cell::Cell;

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
        let superseded = Cell::new(true);
        let rotate = |manager: CertificateManager, renewal| {
            let superseded = &superseded;
            async move {
                let rotation = RotateRequest { renewal, overlap_days };
                let issuance = manager.rotate_certificate(rotation).await?;
                superseded.set(issuance.supersede_at.is_some());
                Ok(issuance)
            }
        };
        let report = self.renewal.run(session, rotate).await?;
        let note = (!superseded.get()).then(|| {
            "the old certificate has ended, or will have before the overlap is over: there is \
             nothing to supersede"
                .to_owned()
        });
        Ok(report.notes(note))
    }
}
