//! `certs batch-revoke`.

use std::collections::HashSet;

use clap::{ArgGroup, Args};
use rustmq_ca::batch::{BatchRevocation, BatchRevokeRequest, Selection};
use rustmq_ca::{CertificateInfo, CertificateManager, Execution};
use rustmq_pki::crl::RevocationReason;
use rustmq_pki::time::UnixTime;
use serde_json::{Value, json};

use super::chosen::{FilterArgs, Listed, listed, unknown};
use crate::batch::input::Input;
use crate::cli::DryRun;
use crate::cmd::show::{certificate_table, crl_json, to_json};
use crate::cmd::unsigned;
use crate::error::CliError;
use crate::output::{Card, Report, count, grouped};
use crate::session::Session;
use crate::values;

/// How many of the certificates a dry run shows.
const SHOWN: usize = 20;

/// The CSV columns of a batch of revocations.
const COLUMNS: &[&str] = &["revoked", "already_revoked", "expired", "reason", "dry_run"];

/// Revoke many certificates, or put them on hold, and sign the new revocation lists.
#[derive(Debug, Args)]
#[command(group = ArgGroup::new("which")
    .args(["ca_id", "role", "status", "expiring_within", "input"])
    .required(true)
    .multiple(true))]
pub(crate) struct BatchRevoke {
    /// Those that this CA issued: id, common name or beginning of its fingerprint
    #[arg(long, value_name = "CA", conflicts_with = "input")]
    ca_id: Option<String>,
    #[command(flatten)]
    filter: FilterArgs,
    /// Why (RFC 5280 5.3.1); certificate-hold can be released again
    #[arg(long, value_name = "REASON", value_parser = values::reason(), default_value = "unspecified")]
    reason: RevocationReason,
    /// Since when the keys are in doubt, RFC 3339
    #[arg(long, value_name = "TIME")]
    invalidity_date: Option<UnixTime>,
    #[command(flatten)]
    dry_run: DryRun,
}

impl BatchRevoke {
    /// Revokes them.
    pub(crate) async fn run(&self, session: &Session) -> Result<Report, CliError> {
        let manager = session.writer()?;
        let execution = self.dry_run.execution();
        let listed = self.listed(session, &manager).await?;
        let which = match &listed {
            Some(listed) => {
                Selection::Certificates(listed.iter().map(|line| line.name.clone()).collect())
            }
            None => Selection::Filter(self.filter.filter(self.ca_id.as_deref())),
        };
        match self.revoke(&manager, which, execution).await {
            Ok((revocation, shown)) => Ok(self.report(&revocation, &shown, session.now())),
            Err(error) => {
                // All of the lines are told, and not the first alone.
                let is_unknown = matches!(error, rustmq_ca::Error::UnknownCertificate { .. });
                if let Some(listed) = listed.filter(|_| is_unknown) {
                    unknown(session, &manager, &listed).await?;
                }
                Err(error.into())
            }
        }
    }

    async fn revoke(
        &self,
        manager: &CertificateManager,
        which: Selection,
        execution: Execution,
    ) -> Result<(BatchRevocation, Vec<CertificateInfo>), rustmq_ca::Error> {
        let shown = match execution {
            Execution::DryRun => first(manager, &which).await?,
            Execution::Commit => Vec::new(),
        };
        let (reason, invalidity_date) = (self.reason, self.invalidity_date);
        let request = BatchRevokeRequest { which, reason, invalidity_date, execution };
        Ok((manager.revoke_batch(request).await?, shown))
    }

    async fn listed(
        &self,
        session: &Session,
        manager: &CertificateManager,
    ) -> Result<Option<Vec<Listed>>, CliError> {
        let Some(path) = &self.filter.input else { return Ok(None) };
        // Standard input has nothing to lie beside: it is copied into the data directory's folder.
        let input = Input::open(path, &session.data_dir()?.join("batch-revoke"))?;
        listed(&input, session, manager).await.map(Some)
    }

    fn report(
        &self,
        revocation: &BatchRevocation,
        shown: &[CertificateInfo],
        now: UnixTime,
    ) -> Report {
        let BatchRevocation { revoked, already_revoked, expired, crls, crl_failure } = revocation;
        let dry_run = self.dry_run.dry_run;
        let record = json!({
            "revoked": revoked,
            "already_revoked": already_revoked,
            "expired": expired,
            "reason": self.reason.name(),
            "dry_run": dry_run,
        });
        let title = match dry_run {
            true => format!("dry run: {} would be revoked", count(*revoked, "certificate")),
            false => format!("{} revoked", count(*revoked, "certificate")),
        };
        let some = |number: &u64, one: &str, many: &str| match number {
            0 => None,
            1 => Some(format!("1 {one}")),
            _ => Some(format!("{} {many}", grouped(*number))),
        };
        let (was, is) = ("was revoked already", "is over and stays as it is");
        let (were, are) = ("were revoked already", "are over and stay as they are");
        let card = Card::new([title])
            .maybe("reason", Some(self.reason.name()).filter(|_| *revoked > 0))
            .maybe("before", some(already_revoked, was, were))
            .maybe("expired", some(expired, is, are));
        let card = crls.iter().fold(card, |card, publication| {
            let (crl, ca) = (&publication.crl, &publication.ca_id);
            let entries = match publication.entries {
                1 => "1 entry".to_owned(),
                entries => format!("{} entries", grouped(entries as u64)),
            };
            card.line("new CRL", format!("number {} by {ca}, {entries}", crl.number()))
        });
        let report = Report::one(record, COLUMNS)
            .with("crls", crls.iter().map(crl_json).collect::<Vec<Value>>())
            .card(card)
            .notes(crl_failure.as_ref().map(unsigned));
        let report = match crls.first() {
            Some(publication) => {
                let ca = &publication.ca_id;
                report.next(format!(
                    "rustmq-admin ca crl --ca-id {ca} --refresh-before 1 --output {ca}.crl"
                ))
            }
            None => report,
        };
        if !dry_run {
            return report;
        }
        let report = report.with("first", shown.iter().map(to_json).collect::<Vec<Value>>());
        report.table(certificate_table(shown, now))
    }
}

/// The first certificates that are meant, each once.
async fn first(
    manager: &CertificateManager,
    which: &Selection,
) -> Result<Vec<CertificateInfo>, rustmq_ca::Error> {
    let names = match which {
        Selection::Filter(filter) => {
            let numbers = manager.end_entities(filter.clone()).await?;
            numbers.iter().take(SHOWN).map(|number| format!("cert-{number}")).collect()
        }
        Selection::Certificates(names) => names.clone(),
        Selection::Ca(_) => Vec::new(),
    };
    let (mut shown, mut seen): (Vec<CertificateInfo>, _) = (Vec::new(), HashSet::new());
    for name in names.iter().filter(|name| seen.insert(*name)) {
        if shown.len() == SHOWN {
            break;
        }
        // An id and a serial number may name the same one.
        let info = manager.info(name).await?;
        if shown.iter().all(|known| known.id != info.id) {
            shown.push(info);
        }
    }
    Ok(shown)
}
