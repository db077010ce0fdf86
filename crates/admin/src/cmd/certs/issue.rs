//! `certs issue`.

use clap::Args;
use rustmq_ca::{Execution, Issuance, IssueRequest};
use rustmq_pki::key::software::SoftwareKey;
use rustmq_pki::key::{KeyType, PublicKey, Signer};
use rustmq_pki::role::Role;

use super::delivery::{Delivery, DeliveryArgs};
use crate::cli::{DryRun, OrganizationArgs, RepeatArgs};
use crate::cmd::subject::attributes;
use crate::cmd::{notes, parse_principal, parse_sans, planned, validity};
use crate::error::CliError;
use crate::output::Report;
use crate::session::Session;
use crate::values;

/// Make a key and issue a certificate for it, into a folder named after the principal.
#[derive(Debug, Args)]
pub(crate) struct Issue {
    /// Whom the certificate is for: the common name, and the name of the folder
    #[arg(long, value_name = "NAME")]
    principal: String,
    /// What it may do; picks the profile of that name
    #[arg(long, value_name = "ROLE", value_parser = values::role(), required_unless_present = "profile")]
    role: Option<Role>,
    /// The CA that issues it: id, common name or beginning of its fingerprint
    #[arg(long, value_name = "CA")]
    ca_id: String,
    /// Profile, in place of the role's
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// A name that peers check: dns:NAME, ip:ADDRESS, email:ADDRESS, or one of these without prefix
    /// [default: the principal, where it is such a name]
    #[arg(long, value_name = "NAME")]
    san: Vec<String>,
    /// Type of the key
    #[arg(long, value_name = "TYPE", value_parser = values::key_type(), default_value = "p256")]
    key_type: KeyType,
    /// Days from now to the end of validity [default: the profile's]
    #[arg(long, value_name = "DAYS", allow_negative_numbers = true)]
    validity_days: Option<i64>,
    #[command(flatten)]
    organization: OrganizationArgs,
    #[command(flatten)]
    repeat: RepeatArgs,
    #[command(flatten)]
    delivery: DeliveryArgs,
    #[command(flatten)]
    dry_run: DryRun,
}

impl Issue {
    /// Issues it.
    pub(crate) async fn run(&self, session: &Session) -> Result<Report, CliError> {
        let principal = parse_principal(&self.principal)?;
        let folder = self.delivery.folder(&principal.folder_name(), session)?;
        let sans = parse_sans(&self.san)?;
        let attributes = attributes(&self.organization)?;
        let manager = session.writer()?;
        let ask = |public_key, execution| {
            manager.issue_certificate(IssueRequest {
                ca: self.ca_id.clone(),
                principal: principal.clone(),
                public_key,
                role: self.role,
                profile: self.profile.clone(),
                sans: sans.clone(),
                attributes: attributes.clone(),
                validity: validity(self.validity_days),
                idempotency: self.repeat.request(),
                execution,
            })
        };
        if self.dry_run.dry_run {
            return rehearse(self.key_type, ask).await;
        }
        let mark = self.repeat.mark();
        let delivery = Delivery::new(session, &manager, folder);
        Ok(delivery.with_key(self.key_type, mark.as_deref(), ask).await?.report())
    }
}

/// Asks with a key that is thrown away, and says what would have been issued.
pub(crate) async fn rehearse<A>(
    key_type: KeyType,
    ask: impl Fn(PublicKey, Execution) -> A,
) -> Result<Report, CliError>
where
    A: Future<Output = Result<Issuance, rustmq_ca::Error>>,
{
    let make = move || SoftwareKey::generate(key_type).map(|key| key.public_key().clone());
    let key = tokio::task::spawn_blocking(make).await.ok().and_then(Result::ok);
    let issuance = ask(key.ok_or(CliError::Lost)?, Execution::DryRun).await?;
    Ok(rehearsed(&issuance))
}

/// The report of a dry run.
pub(crate) fn rehearsed(issuance: &Issuance) -> Report {
    let report = planned(&issuance.planned).notes(notes(&issuance.notes, None));
    let Some(at) = issuance.supersede_at.map(|at| at.to_string()) else { return report };
    let note = format!("the old certificate would be superseded at {at}");
    report.with("supersede_at", at).notes([note])
}
