//! `certs list`.

use clap::Args;
use rustmq_ca::{CertificatePages, CertificateRole, CertificateStatus, ListFilter, ListOrder};
use serde_json::{Map, Value};

use crate::cmd::show::{CERTIFICATE_COLUMNS, abandoned_table, certificate_table, to_json};
use crate::error::CliError;
use crate::output::{Report, Table};
use crate::session::Session;
use crate::values;

/// Shows certificates page by page, as JSON beside `others`, and `more` behind the table.
pub(super) async fn list(
    session: &Session,
    mut pages: CertificatePages,
    others: Map<String, Value>,
    more: Option<&Table>,
) -> Result<Report, CliError> {
    let now = session.now();
    let mut listing = session.output.listing("certificates", CERTIFICATE_COLUMNS, others);
    while listing.is_read()
        && let Some(page) = pages.next().await?
    {
        listing.page(page.iter().map(to_json), || certificate_table(&page, now))?;
    }
    listing.end(&certificate_table(&[], now), more)?;
    Ok(Report::silent())
}

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
        let mut others = Map::new();
        let mut abandoned = Vec::new();
        if self.is_whole() {
            abandoned = manager.abandoned().await?;
            others.insert("abandoned".to_owned(), to_json(&abandoned));
        }
        let pages = manager.list_pages(self.filter(), ListOrder::Issued).await?;
        let more = (!abandoned.is_empty()).then(|| abandoned_table(&abandoned));
        list(session, pages, others, more.as_ref()).await
    }
}
