//! `certs list`.

use clap::Args;
use rustmq_ca::{CertificateRole, CertificateStatus, ListFilter};

use crate::cmd::show::{CERTIFICATE_COLUMNS, abandoned_table, certificate_table, to_json};
use crate::error::CliError;
use crate::output::Report;
use crate::session::Session;
use crate::values;

/// List certificates.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Those of this principal
    #[arg(long, value_name = "NAME")]
    principal: Option<String>,
    /// Those of this role
    #[arg(long, value_name = "ROLE", value_parser = values::certificate_role())]
    role: Option<CertificateRole>,
    /// Those with this status
    #[arg(long, value_name = "STATUS", value_parser = values::status())]
    status: Option<CertificateStatus>,
    /// Those that this CA issued
    #[arg(long, value_name = "CA")]
    ca_id: Option<String>,
    /// Active ones that end within so many days
    #[arg(long, value_name = "DAYS")]
    expiring_within: Option<u16>,
}

impl List {
    fn filter(&self) -> ListFilter {
        ListFilter {
            principal: self.principal.clone(),
            role: self.role,
            status: self.status,
            ca: self.ca_id.clone(),
            expiring_within_days: self.expiring_within.map(i64::from),
        }
    }

    /// Whether nothing narrows the list down, so that abandoned serial numbers belong to it.
    fn is_whole(&self) -> bool {
        let Self { principal, role, status, ca_id, expiring_within } = self;
        (principal, role, status, ca_id, expiring_within) == (&None, &None, &None, &None, &None)
    }

    /// Lists them.
    pub(crate) async fn run(&self, session: &Session) -> Result<Report, CliError> {
        let manager = session.reader()?;
        let certificates = manager.list(self.filter()).await?;
        let records = certificates.iter().map(to_json).collect();
        let report = Report::many("certificates", records, CERTIFICATE_COLUMNS)
            .table(certificate_table(&certificates, session.now()));
        if !self.is_whole() {
            return Ok(report);
        }
        let abandoned = manager.abandoned().await?;
        let report = report.with("abandoned", to_json(&abandoned));
        if abandoned.is_empty() {
            Ok(report)
        } else {
            Ok(report.table(abandoned_table(&abandoned)))
        }
    }
}
