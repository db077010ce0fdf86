//! `ca renew`: a new certificate for a CA, or a successor with a new key.

use clap::Args;
use rustmq_ca::{RekeyCaRequest, RenewCaRequest};
use rustmq_pki::key::KeyType;

use super::init::created;
use crate::cli::{CaName, DryRun, RepeatArgs};
use crate::cmd::validity;
use crate::error::CliError;
use crate::output::Report;
use crate::output::progress::{self, Progress};
use crate::session::Session;
use crate::values;

/// Give a CA a new certificate with the same subject, key and id; what it issued stays valid.
#[derive(Debug, Args)]
pub(crate) struct Renew {
    #[command(flatten)]
    ca: CaName,
    /// Days from now to the end of validity [default: the profile's]
    #[arg(long, value_name = "DAYS", allow_negative_numbers = true)]
    validity_days: Option<i64>,
    /// Make a successor instead: same subject, a new key and the next id
    #[arg(long)]
    rekey: bool,
    /// Type of the successor's key [default: the old key's]
    #[arg(long, value_name = "TYPE", value_parser = values::key_type(), requires = "rekey")]
    key_type: Option<KeyType>,
    /// Id of the successor [default: the next of its kind]
    #[arg(long, value_name = "ID", requires = "rekey")]
    id: Option<String>,
    #[command(flatten)]
    repeat: RepeatArgs,
    #[command(flatten)]
    dry_run: DryRun,
}

impl Renew {
    /// Shows that the successor's key is made, where that takes long.
    async fn key_generation(&self, session: &Session) -> Result<Progress, CliError> {
        let key_type = match self.key_type {
            Some(key_type) => Some(key_type),
            None => {
                // One that is not found is said, and recorded, by the command itself.
                let old = session.reader()?.find_ca(self.ca.as_str()).await.ok();
                old.and_then(|old| old.certificate.key_type.parse().ok())
            }
        };
        let key_type = key_type.unwrap_or(KeyType::P256);
        Ok(progress::key_generation(session.output, key_type))
    }

    /// Renews it.
    pub(crate) async fn run(&self, session: &Session) -> Result<Report, CliError> {
        let shown = match self.rekey {
            true => Some(self.key_generation(session).await?),
            false => None,
        };
        let manager = match &shown {
            Some(shown) => session.writer_showing(shown)?,
            None => session.writer()?,
        };
        let ca = self.ca.as_str().to_owned();
        let validity = validity(self.validity_days);
        let (idempotency, execution) = (self.repeat.request(), self.dry_run.execution());
        let creation = if self.rekey {
            let (key_type, id) = (self.key_type, self.id.clone());
            manager
                .rekey_ca(RekeyCaRequest { ca, key_type, id, validity, idempotency, execution })
                .await?
        } else {
            manager.renew_ca(RenewCaRequest { ca, validity, idempotency, execution }).await?
        };
        drop(shown);
        Ok(created(&creation, |id| {
            format!("rustmq-admin ca export --ca-id {id} --output {id}.crt")
        }))
    }
}
