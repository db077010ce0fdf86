//! `ca passphrase`: another passphrase for the CA keys.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::error::CliError;
use crate::output::{Card, Report, count};
use crate::passphrase::Source;
use crate::session::Session;

/// Change the passphrase that encrypts the CA keys; no old copy stays in the data directory.
#[derive(Debug, Args)]
pub(crate) struct Passphrase {
    /// File whose content is the new passphrase
    #[arg(long, value_name = "FILE")]
    new_passphrase_file: Option<PathBuf>,
    /// Open file descriptor to read the new passphrase from
    #[arg(long, value_name = "N", conflicts_with = "new_passphrase_file")]
    new_passphrase_fd: Option<u32>,
}

impl Passphrase {
    /// Changes it.
    pub(crate) async fn run(&self, session: &Session) -> Result<Report, CliError> {
        let new = Source::from_flags(
            ("--new-passphrase-file", self.new_passphrase_file.as_deref()),
            ("--new-passphrase-fd", self.new_passphrase_fd),
        );
        let keys = session.changer(new)?.change_passphrase().await?;
        let encrypted = count(keys as u64, "CA key");
        let card = Card::new(["passphrase changed"])
            .line("encrypted", format!("{encrypted}, anew"))
            .line("backups", "older copies of the data directory still open with the old one");
        Ok(Report::one(json!({ "keys": keys }), &["keys"]).card(card))
    }
}
