//! `certs expiring`.

use clap::Args;
use rustmq_ca::{ListFilter, ListOrder};
use serde_json::Map;

use super::list::list;
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
        let filter =
            ListFilter { expiring_within_days: Some(self.within.into()), ..ListFilter::default() };
        let pages = session.reader()?.list_pages(filter, ListOrder::Ending).await?;
        let others = Map::from_iter([("within_days".to_owned(), self.within.into())]);
        list(session, pages, others, None).await
    }
}
