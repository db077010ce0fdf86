//! `ca passphrase`: another passphrase for the CA keys.

use std::path::PathBuf;

use clap::Args;
use rustmq_ca::PassphraseChange;
use serde_json::json;

use crate::cli::DryRun;
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
    #[command(flatten)]
    dry_run: DryRun,
}

impl Passphrase {
    /// Changes it.
    pub(crate) async fn run(&self, session: &Session) -> Result<Report, CliError> {
        let new = Source::from_flags(
            ("--new-passphrase-file", self.new_passphrase_file.as_deref()),
            ("--new-passphrase-fd", self.new_passphrase_fd),
        );
        let manager = session.changer(new)?;
        if self.dry_run.dry_run {
            let keys = manager.rehearse_passphrase_change().await?;
            let card = Card::new(["dry run: the passphrase would be changed; nothing was done"])
                .line("encrypted", format!("{}, anew", count(keys as u64, "CA key")));
            let record = json!({ "keys": keys, "dry_run": true, "old_copies": false });
            return Ok(Report::one(record, &["keys", "dry_run"]).card(card));
        }
        let PassphraseChange { keys, old_copies } = manager.change_passphrase().await?;
        let encrypted = count(keys as u64, "CA key");
        let card = Card::new(["passphrase changed"])
            .line("encrypted", format!("{encrypted}, anew"))
            .line("backups", "older copies of the data directory still open with the old one");
        let record = json!({ "keys": keys, "dry_run": false, "old_copies": old_copies.is_some() });
        let note = old_copies.map(|error| {
            format!(
                "the passphrase is changed, but copies of the keys under the old one may be left in \
                 the data directory: {error}; once no other process uses the directory, any command \
                 that writes there, such as `ca crl`, removes them"
            )
        });
        Ok(Report::one(record, &["keys", "dry_run"]).card(card).notes(note))
    }
}
