//! `rustmq-admin certs ...`

use clap::Subcommand;

use crate::error::CliError;
use crate::output::Report;
use crate::session::Session;

mod batch_issue;
mod batch_renew;
mod batch_revoke;
mod chosen;
pub(crate) mod delivery;
mod expiring;
mod export;
mod info;
mod inspect;
mod issue;
mod list;
mod material;
mod renew;
pub(crate) mod revoke;
mod rotate;
mod scan;
mod sign;
mod unrevoke;
mod validate;

/// Certificates.
#[derive(Debug, Subcommand)]
pub(crate) enum Certs {
    /// Make a key and issue a certificate for it, into a folder named after the principal
    Issue(issue::Issue),
    /// Issue a certificate for a PKCS#10 request
    Sign(sign::Sign),
    /// Issue a certificate for each row of a file
    BatchIssue(batch_issue::BatchIssue),
    /// Issue new certificates for many old ones, which stay valid
    BatchRenew(batch_renew::BatchRenew),
    /// Revoke many certificates, or put them on hold, and sign the new revocation lists
    BatchRevoke(batch_revoke::BatchRevoke),
    /// List certificates
    List(list::List),
    /// Show one certificate
    Info(info::Info),
    /// Say in words what a file holds: certificates, requests, CRLs, OCSP responses
    Inspect(inspect::Inspect),
    /// Issue a new certificate with the subject and names of an old one, which stays valid
    Renew(renew::Renew),
    /// Renew, and supersede the old certificate after an overlap
    Rotate(rotate::Rotate),
    /// Revoke a certificate or put it on hold, and sign the new revocation list
    Revoke(revoke::Revoke),
    /// Release a certificate that is on hold
    Unrevoke(unrevoke::Unrevoke),
    /// Write one certificate to a file, or everything but the private keys to an archive
    Export(export::Export),
    /// List active certificates that end soon
    Expiring(expiring::Expiring),
    /// Read a deployment from elsewhere, and say what is wrong with its certificates and keys
    Scan(scan::Scan),
    /// Validate a certificate against trust anchors, or against this authority
    Validate(Box<validate::Validate>),
}

impl Certs {
    /// Whether it writes certificates in an encoding of the user's choice.
    pub(crate) fn takes_encoding(&self) -> bool {
        match self {
            Self::Issue(_) | Self::Sign(_) | Self::Renew(_) | Self::Rotate(_) => true,
            Self::Export(command) => command.takes_encoding(),
            _ => false,
        }
    }

    /// Whether it may sign a certificate or a CRL.
    pub(crate) fn signs(&self) -> bool {
        use Certs::{Issue, Renew, Revoke, Rotate, Sign, Unrevoke};
        let one =
            matches!(self, Issue(_) | Sign(_) | Renew(_) | Rotate(_) | Revoke(_) | Unrevoke(_));
        one || matches!(self, Self::BatchIssue(_) | Self::BatchRenew(_) | Self::BatchRevoke(_))
    }

    /// Carries the command out.
    pub(crate) async fn run(&self, session: &Session) -> Result<Report, CliError> {
        match self {
            Self::Issue(command) => command.run(session).await,
            Self::Sign(command) => command.run(session).await,
            Self::BatchIssue(command) => command.run(session).await,
            Self::BatchRenew(command) => command.run(session).await,
            Self::BatchRevoke(command) => command.run(session).await,
            Self::List(command) => command.run(session).await,
            Self::Info(command) => command.run(session).await,
            Self::Inspect(command) => command.run(session),
            Self::Renew(command) => command.run(session).await,
            Self::Rotate(command) => command.run(session).await,
            Self::Revoke(command) => command.run(session).await,
            Self::Unrevoke(command) => command.run(session).await,
            Self::Export(command) => command.run(session).await,
            Self::Expiring(command) => command.run(session).await,
            Self::Scan(command) => command.run(session),
            Self::Validate(command) => command.run(session).await,
        }
    }
}
