//! `certs info`.

use clap::Args;

use crate::cli::CertificateName;
use crate::cmd::show::{CERTIFICATE_COLUMNS, certificate_card, to_json};
use crate::error::CliError;
use crate::output::Report;
use crate::session::Session;

/// Show one certificate.
#[derive(Debug, Args)]
pub(crate) struct Info {
    #[command(flatten)]
    certificate: CertificateName,
}

impl Info {
    /// Shows it.
    pub(crate) async fn run(&self, session: &Session) -> Result<Report, CliError> {
        let info = session.reader()?.info(self.certificate.as_str()).await?;
        Ok(Report::one(to_json(&info), CERTIFICATE_COLUMNS)
            .card(certificate_card(&info, session.now())))
    }
}
