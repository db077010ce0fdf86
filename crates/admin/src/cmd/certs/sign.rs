//! `certs sign`.

use std::path::PathBuf;

use clap::Args;
use rustmq_ca::SignRequest;
use rustmq_pki::name::Principal;
use rustmq_pki::request::CertificateRequest;
use rustmq_pki::role::Role;

use super::delivery::{Delivery, DeliveryArgs};
use super::issue::rehearsed;
use crate::cli::{DryRun, RepeatArgs};
use crate::cmd::{input, parse_principal, parse_sans, validity};
use crate::error::CliError;
use crate::output::Report;
use crate::session::Session;
use crate::values;

/// Issue a certificate for a PKCS#10 request.
#[derive(Debug, Args)]
pub(crate) struct Sign {
    /// The request, PEM or DER; `-` for standard input
    #[arg(long, value_name = "FILE")]
    csr: PathBuf,
    /// The CA that issues it: id, common name or beginning of its fingerprint
    #[arg(long, value_name = "CA")]
    ca_id: String,
    /// What it may do; picks the profile of that name
    #[arg(long, value_name = "ROLE", value_parser = values::role(), required_unless_present = "profile")]
    role: Option<Role>,
    /// Whom the certificate is for [default: the request's common name]
    #[arg(long, value_name = "NAME")]
    principal: Option<String>,
    /// Profile, in place of the role's
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// A name besides the request's: dns:NAME, ip:ADDRESS, email:ADDRESS
    #[arg(long, value_name = "NAME")]
    san: Vec<String>,
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

impl Sign {
    /// Signs it.
    pub(crate) async fn run(&self, session: &Session) -> Result<Report, CliError> {
        self.delivery.check(session)?;
        let csr = input::bytes(&self.csr)?;
        let principal = self.principal.as_deref().map(parse_principal).transpose()?;
        // The request names the folder. One that cannot be taken names none, and the authority, which
        // records refusals, says why.
        let named = CertificateRequest::from_pkcs10_bytes(&csr, principal.clone()).ok();
        let folder_name = named.as_ref().and_then(CertificateRequest::principal);
        let folder_name = folder_name.map(Principal::folder_name);
        let manager = session.writer()?;
        let sans = parse_sans(&self.san)?;
        let ask = |execution| {
            manager.sign_request(SignRequest {
                ca: self.ca_id.clone(),
                csr: csr.clone(),
                principal: principal.clone(),
                role: self.role,
                profile: self.profile.clone(),
                sans: sans.clone(),
                validity: validity(self.validity_days),
                idempotency: self.repeat.request(),
                execution,
            })
        };
        let Some(folder_name) = folder_name.filter(|_| !self.dry_run.dry_run) else {
            return Ok(rehearsed(&ask(self.dry_run.execution()).await?));
        };
        let mark = self.repeat.mark();
        let folder = self.delivery.folder(&folder_name, session)?;
        let delivery = Delivery::new(session, &manager, folder);
        Ok(delivery.without_key(mark.as_deref(), ask).await?.report())
    }
}
