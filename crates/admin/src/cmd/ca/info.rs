//! `ca info`: one CA.

use clap::Args;
use rustmq_ca::CaInfo;

use crate::cli::CaName;
use crate::cmd::show::{CA_COLUMNS, ca_card, ca_record};
use crate::error::CliError;
use crate::output::{Card, Report, count};
use crate::session::Session;

/// Show one CA.
#[derive(Debug, Args)]
pub(crate) struct Info {
    #[command(flatten)]
    ca: CaName,
}

impl Info {
    /// Shows it.
    pub(crate) async fn run(&self, session: &Session) -> Result<Report, CliError> {
        let ca = session.reader()?.find_ca(self.ca.as_str()).await?;
        Ok(Report::one(ca_record(&ca), CA_COLUMNS).card(card(&ca)))
    }
}

fn card(ca: &CaInfo) -> Card {
    let card = ca_card(ca).maybe("CRL", crl(ca));
    let issued = ca.counts.iter().filter(|of| of.active + of.revoked > 0);
    issued.fold(card, |card, of| {
        let text = format!(
            "{} active, {} ending within 14 days, {} revoked",
            count(of.active, &format!("{} certificate", of.role)),
            of.expiring,
            of.revoked
        );
        card.line("issued", text)
    })
}

fn crl(ca: &CaInfo) -> Option<String> {
    let (number, signed, until) = (ca.crl_number?, ca.crl_this_update?, ca.crl_next_update?);
    Some(format!("number {number}, of {signed}, good until {until}"))
}
