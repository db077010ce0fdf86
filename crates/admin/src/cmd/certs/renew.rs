//! `certs renew`, and what `certs rotate` shares with it.

use std::path::Path;

use clap::Args;
use rustmq_ca::{CertificateManager, Execution, Issuance, RenewRequest, RenewalKey};
use rustmq_pki::key::KeyType;
use rustmq_pki::name::Principal;

use super::delivery::{Delivery, DeliveryArgs, holds, key_in};
use super::issue::{rehearse, rehearsed};
use crate::cli::{CertificateName, DryRun, RepeatArgs};
use crate::cmd::validity;
use crate::error::CliError;
use crate::output::Report;
use crate::session::Session;
use crate::values;

/// Issue a new certificate with the subject and names of an old one, which stays valid.
#[derive(Debug, Args)]
pub(crate) struct Renew {
    #[command(flatten)]
    renewal: RenewalArgs,
}

/// What a renewal and a rotation have in common.
#[derive(Debug, Args)]
pub(crate) struct RenewalArgs {
    #[command(flatten)]
    certificate: CertificateName,
    /// Keep the key of the old certificate, instead of making a new one
    #[arg(long, conflicts_with = "key_type")]
    same_key: bool,
    /// Type of the new key [default: the old key's]
    #[arg(long, value_name = "TYPE", value_parser = values::key_type())]
    key_type: Option<KeyType>,
    /// Days from now to the end of validity [default: the profile's]
    #[arg(long, value_name = "DAYS", allow_negative_numbers = true)]
    validity_days: Option<i64>,
    #[command(flatten)]
    repeat: RepeatArgs,
    #[command(flatten)]
    delivery: DeliveryArgs,
    #[command(flatten)]
    dry_run: DryRun,
}

impl Renew {
    /// Renews it.
    pub(crate) async fn run(&self, session: &Session) -> Result<Report, CliError> {
        let renew = |manager: CertificateManager, request| async move {
            manager.renew_certificate(request).await
        };
        self.renewal.run(session, renew).await
    }
}

impl RenewalArgs {
    fn request(&self, key: RenewalKey, execution: Execution) -> RenewRequest {
        RenewRequest {
            certificate: self.certificate.plain(),
            key,
            validity: validity(self.validity_days),
            idempotency: self.repeat.request(),
            execution,
        }
    }

    /// Asks by `ask` and delivers into a folder that does not disturb the old certificate's.
    pub(crate) async fn run<A>(
        &self,
        session: &Session,
        ask: impl Fn(CertificateManager, RenewRequest) -> A,
    ) -> Result<Report, CliError>
    where
        A: Future<Output = Result<Issuance, rustmq_ca::Error>>,
    {
        self.delivery.check(session)?;
        let manager = session.writer()?;
        let old = manager.info(&self.certificate.plain()).await?;
        let mark = self.repeat.mark();
        let folder_name = Principal::of_issued(&old.principal).map_or(old.id, |p| p.folder_name());
        let mark = mark.as_deref();
        if self.same_key {
            let same = |execution| ask(manager.clone(), self.request(RenewalKey::Same, execution));
            if self.dry_run.dry_run {
                return Ok(rehearsed(&same(Execution::DryRun).await?));
            }
            // Only a repeated command needs to know: without a mark nothing was issued before.
            let earlier = match mark {
                Some(_) => same(Execution::DryRun).await.ok().and_then(|judged| judged.issued),
                None => None,
            };
            let filled = async |dir: &Path| {
                earlier.as_ref().is_some_and(|issued| holds(dir, issued.certificate()))
            };
            let folder = self.delivery.next_folder(&folder_name, (mark, session), filled).await?;
            let delivery = Delivery::new(session, &manager, folder);
            return Ok(delivery.without_key(mark, same).await?.report());
        }
        let key_type = match self.key_type {
            Some(key_type) => key_type,
            None => old.key_type.parse().map_err(|e| CliError::value("--key-type", e))?,
        };
        let with_key =
            |key, execution| ask(manager.clone(), self.request(RenewalKey::New(key), execution));
        if self.dry_run.dry_run {
            return rehearse(key_type, with_key).await;
        }
        // The key in the folder is part of the request: only the folder of the earlier run replays.
        let filled = async |dir: &Path| {
            let Some(key) = key_in(dir) else { return false };
            match with_key(key, Execution::DryRun).await {
                Ok(judged) => judged.replayed,
                Err(error) => matches!(error, rustmq_ca::Error::IdempotencyStale { .. }),
            }
        };
        let folder = self.delivery.next_folder(&folder_name, (mark, session), filled).await?;
        let delivery = Delivery::new(session, &manager, folder);
        Ok(delivery.with_key(key_type, mark, with_key).await?.report())
    }
}
