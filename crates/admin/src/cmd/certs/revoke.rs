//! `certs revoke`.

use clap::Args;
use rustmq_ca::{CertificateStatus, Execution, Revocation, RevokeRequest};
use rustmq_pki::crl::RevocationReason;
use rustmq_pki::time::UnixTime;
use serde_json::{Value, json};

use crate::cli::{CertificateName, DryRun};
use crate::cmd::show::{CERTIFICATE_COLUMNS, crl_json, status_card, to_json};
use crate::cmd::unsigned;
use crate::error::CliError;
use crate::output::Report;
use crate::session::Session;
use crate::values;

/// Revoke a certificate or put it on hold, and sign the new revocation list.
#[derive(Debug, Args)]
pub(crate) struct Revoke {
    #[command(flatten)]
    certificate: CertificateName,
    /// Why (RFC 5280 5.3.1); certificate-hold can be released again
    #[arg(long, value_name = "REASON", value_parser = values::reason(), default_value = "unspecified")]
    reason: RevocationReason,
    /// Since when the key is in doubt, RFC 3339
    #[arg(long, value_name = "TIME")]
    invalidity_date: Option<UnixTime>,
    #[command(flatten)]
    dry_run: DryRun,
}

impl Revoke {
    /// Revokes it.
    pub(crate) async fn run(&self, session: &Session) -> Result<Report, CliError> {
        let execution = self.dry_run.execution();
        let request = RevokeRequest {
            certificate: self.certificate.plain(),
            reason: self.reason,
            invalidity_date: self.invalidity_date,
            execution,
        };
        let plan = Plan::Revoke(self.reason, self.invalidity_date);
        let revocation = session.writer()?.revoke_certificate(request).await?;
        Ok(revoked(&revocation, plan, execution, session.now()))
    }
}

/// What a dry run would have done to each certificate.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Plan {
    /// Revoke it, or put it on hold.
    Revoke(RevocationReason, Option<UnixTime>),
    /// Release it.
    Release,
}

impl Plan {
    fn status(self) -> CertificateStatus {
        match self {
            Self::Revoke(RevocationReason::CertificateHold, _) => CertificateStatus::OnHold,
            Self::Revoke(RevocationReason::Superseded, _) => CertificateStatus::Superseded,
            Self::Revoke(..) => CertificateStatus::Revoked,
            Self::Release => CertificateStatus::Active,
        }
    }

    fn to_json(self) -> Value {
        let (reason, date) = match self {
            Self::Revoke(reason, date) => (Some(reason.name()), date.map(|at| at.to_string())),
            Self::Release => (None, None),
        };
        json!({ "status": self.status().to_string(), "reason": reason, "invalidity_date": date })
    }

    /// In words, for people.
    fn shown(self) -> String {
        match self {
            Self::Revoke(reason, Some(at)) => {
                format!("{} ({}, invalid from {at})", self.status(), reason.name())
            }
            Self::Revoke(reason, None) => format!("{} ({})", self.status(), reason.name()),
            Self::Release => format!("{} again", self.status()),
        }
    }
}

/// The report on a revocation, a hold or a release of one certificate, done or planned.
pub(crate) fn revoked(
    revocation: &Revocation,
    plan: Plan,
    execution: Execution,
    now: UnixTime,
) -> Report {
    let record = revocation.certificates.first().map(to_json).unwrap_or_default();
    let plan = (execution == Execution::DryRun).then_some(plan);
    complete(Report::one(record, CERTIFICATE_COLUMNS), revocation, plan, now)
}

/// The same for a CA, which has several certificates after a renewal.
pub(crate) fn ca_revoked(
    revocation: &Revocation,
    plan: Plan,
    execution: Execution,
    now: UnixTime,
) -> Report {
    let plan = (execution == Execution::DryRun).then_some(plan);
    let records = revocation.certificates.iter().map(to_json).collect();
    let report = Report::many("certificates", records, CERTIFICATE_COLUMNS);
    complete(report, revocation, plan, now)
}

/// `plan` is there in a dry run.
fn complete(report: Report, revocation: &Revocation, plan: Option<Plan>, now: UnixTime) -> Report {
    let dry_run = plan.is_some();
    let note = dry_run.then(|| "dry run: nothing was done".to_owned());
    let crl = revocation.crl.as_ref();
    let listed = crl.map(|publication| {
        let crl = &publication.crl;
        format!("number {} by {}, until {}", crl.number(), publication.ca_id, crl.next_update())
    });
    let cards = revocation.certificates.iter();
    let planned = plan.map(Plan::shown);
    let cards = cards.map(|info| {
        status_card(info, now)
            .maybe("would become", planned.as_ref())
            .maybe("new CRL", listed.as_ref())
    });
    let report = cards.fold(report, Report::card);
    let report = match plan {
        Some(plan) => report.with("planned", plan.to_json()),
        None => report,
    };
    let report = report.with("dry_run", dry_run).with("crl", crl.map(crl_json)).notes(note);
    match crl {
        Some(crl) => {
            let ca = &crl.ca_id;
            report.notes(crl.crl_failure.as_ref().map(unsigned)).next(format!(
                "rustmq-admin ca crl --ca-id {ca} --refresh-before 1 --output {ca}.crl"
            ))
        }
        None => report,
    }
}
