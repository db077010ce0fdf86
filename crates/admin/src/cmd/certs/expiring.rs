//! `certs expiring`.

use clap::Args;

use crate::cmd::show::{CERTIFICATE_COLUMNS, certificate_table, to_json};
use crate::error::CliError;
use crate::output::Report;
use crate::session::Session;

/// List active certificates that end soon.
#[derive(Debug, Args)]
pub(crate) struct Expiring {
    /// Within so many days
    #[arg(long, visible_alias = "days", value_name = "DAYS", default_value_t = 30)]
    within: u16,
}

impl Expiring {
    /// Lists them, those that end first at the top.
    pub(crate) async fn run(&self, session: &Session) -> Result<Report, CliError> {
        let mut certificates = session.reader()?.expiring(self.within.into()).await?;
        certificates.sort_by_key(|info| info.not_after);
        let records = certificates.iter().map(to_json).collect();
        Ok(Report::many("certificates", records, CERTIFICATE_COLUMNS)
            .with("within_days", self.within)
            .table(certificate_table(&certificates, session.now())))
    }
}
