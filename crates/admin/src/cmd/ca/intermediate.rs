//! `ca intermediate`: a CA under another CA.

use clap::Args;
use rustmq_ca::IntermediateCaRequest;

use super::init::{NewCaArgs, created};
use crate::error::CliError;
use crate::output::Report;
use crate::session::Session;

/// Create a CA under another CA.
#[derive(Debug, Args)]
pub(crate) struct Intermediate {
    /// The CA that signs it: id, common name or beginning of its fingerprint
    #[arg(long, value_name = "CA")]
    parent_ca: String,
    #[command(flatten)]
    ca: NewCaArgs,
}

impl Intermediate {
    /// Creates the intermediate.
    pub(crate) async fn run(&self, session: &Session) -> Result<Report, CliError> {
        let request =
            IntermediateCaRequest { parent: self.parent_ca.clone(), ca: self.ca.request()? };
        let shown = self.ca.key_generation(session);
        let manager = session.writer_showing(&shown)?;
        let creation = manager.generate_intermediate_ca(request).await?;
        drop(shown);
        Ok(created(&creation, |id| {
            format!("rustmq-admin certs issue --principal broker-01 --role broker --ca-id {id}")
        }))
    }
}
