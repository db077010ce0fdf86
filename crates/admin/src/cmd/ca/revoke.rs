//! `ca revoke`: a CA's certificate onto the list of the CA above it.

use clap::Args;
use rustmq_ca::RevokeRequest;
use rustmq_pki::crl::RevocationReason;
use rustmq_pki::time::UnixTime;

use crate::cli::{CaName, DryRun};
use crate::cmd::certs::revoke::{Plan, ca_revoked};
use crate::error::CliError;
use crate::output::Report;
use crate::session::Session;
use crate::values;

/// Revoke a CA's certificate, put it on hold or release it.
#[derive(Debug, Args)]
pub(crate) struct Revoke {
    #[command(flatten)]
    ca: CaName,
    /// Why (RFC 5280 5.3.1); certificate-hold can be released again
    #[arg(long, value_name = "REASON", value_parser = values::reason(), default_value = "unspecified")]
    reason: RevocationReason,
    /// Since when the key is in doubt, RFC 3339
    #[arg(long, value_name = "TIME")]
    invalidity_date: Option<UnixTime>,
    /// Release a CA that is on hold
    #[arg(long, conflicts_with_all = ["reason", "invalidity_date"])]
    release: bool,
    #[command(flatten)]
    dry_run: DryRun,
}

impl Revoke {
    /// Revokes or releases it.
    pub(crate) async fn run(&self, session: &Session) -> Result<Report, CliError> {
        let manager = session.writer()?;
        let execution = self.dry_run.execution();
        let revocation = if self.release {
            manager.release_ca(self.ca.as_str(), execution).await?
        } else {
            let request = RevokeRequest {
                certificate: self.ca.as_str().to_owned(),
                reason: self.reason,
                invalidity_date: self.invalidity_date,
                execution,
            };
            manager.revoke_ca(request).await?
        };
        let plan = match self.release {
            true => Plan::Release,
            false => Plan::Revoke(self.reason, self.invalidity_date),
        };
        Ok(ca_revoked(&revocation, plan, execution, session.now()))
    }
}
