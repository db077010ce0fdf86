//! `ca list`: every CA.

use clap::Args;
use rustmq_ca::{CaInfo, CaStatus};
use rustmq_pki::time::UnixTime;

use crate::cmd::show::{CA_COLUMNS, ca_record, end_tone};
use crate::error::CliError;
use crate::output::{Report, Table, Tone, day, time_left};
use crate::session::Session;

/// List the CAs.
#[derive(Debug, Args)]
pub(crate) struct List {}

impl List {
    /// Lists them.
    pub(crate) async fn run(&self, session: &Session) -> Result<Report, CliError> {
        let cas = session.reader()?.list_cas().await?;
        let records = cas.iter().map(ca_record).collect();
        Ok(Report::many("cas", records, CA_COLUMNS).table(table(&cas, session.now())))
    }
}

fn table(cas: &[CaInfo], now: UnixTime) -> Table {
    let header = ["id", "common name", "under", "status", "key", "ends", "left", "CRL until"];
    let mut table = Table::new(&header, "no CAs: rustmq-admin ca init creates the first");
    for ca in cas {
        let tone = if ca.status == CaStatus::Active { Tone::Good } else { Tone::Bad };
        let end = ca.certificate.not_after;
        table.push(vec![
            (ca.id.clone(), Tone::Strong),
            (ca.common_name.clone(), Tone::Plain),
            (ca.parent_id.clone().unwrap_or_default(), Tone::Plain),
            (ca.status.to_string(), tone),
            (ca.certificate.key_type.clone(), Tone::Plain),
            (day(end), Tone::Plain),
            (time_left(now, end), end_tone(now, end)),
            (ca.crl_next_update.map(day).unwrap_or_default(), Tone::Plain),
        ]);
    }
    table
}
