//! `rustmq-admin ca ...`

use clap::Subcommand;

use crate::error::CliError;
use crate::output::Report;
use crate::session::Session;

mod crl;
mod export;
mod info;
mod init;
mod intermediate;
mod list;
mod passphrase;
mod renew;
mod retire;
mod revoke;
mod tree;

/// Certificate authorities.
#[derive(Debug, Subcommand)]
pub(crate) enum Ca {
    /// Create a root CA, and the data directory if there is none
    Init(init::Init),
    /// Create a CA under another CA
    Intermediate(intermediate::Intermediate),
    /// List the CAs
    List(list::List),
    /// Show one CA
    Info(info::Info),
    /// Draw the hierarchy with what is left of each CA and what it issued
    Tree(tree::Tree),
    /// Write a CA's certificate to a file
    Export(export::Export),
    /// Sign a CA's revocation list and write it to a file
    Crl(crl::Crl),
    /// Give a CA a new certificate, or with --rekey a successor with a new key
    Renew(renew::Renew),
    /// Revoke a CA's certificate, put it on hold or release it
    Revoke(revoke::Revoke),
    /// Change the passphrase that encrypts the CA keys
    Passphrase(passphrase::Passphrase),
    /// Stop a CA from issuing; its revocation lists go on
    Retire(retire::Retire),
}

impl Ca {
    /// Whether it writes certificates or CRLs in an encoding of the user's choice.
    pub(crate) fn takes_encoding(&self) -> bool {
        matches!(self, Self::Export(_) | Self::Crl(_))
    }

    /// Whether it may sign a certificate or a CRL.
    pub(crate) fn signs(&self) -> bool {
        use Ca::{Crl, Init, Intermediate, Renew, Revoke};
        matches!(self, Init(_) | Intermediate(_) | Crl(_) | Renew(_) | Revoke(_))
    }

    /// Carries the command out.
    pub(crate) async fn run(&self, session: &Session) -> Result<Report, CliError> {
        match self {
            Self::Init(command) => command.run(session).await,
            Self::Intermediate(command) => command.run(session).await,
            Self::List(command) => command.run(session).await,
            Self::Info(command) => command.run(session).await,
            Self::Tree(command) => command.run(session).await,
            Self::Export(command) => command.run(session).await,
            Self::Crl(command) => command.run(session).await,
            Self::Renew(command) => command.run(session).await,
            Self::Revoke(command) => command.run(session).await,
            Self::Passphrase(command) => command.run(session).await,
            Self::Retire(command) => command.run(session).await,
        }
    }
}
