//! The passphrase of the CA keys.

use super::{Attempt, Authority};
use crate::Error;
use crate::keys::Reencrypted;
use crate::outcome::PassphraseChange;
use crate::request::Execution;
use crate::store::{Entry, Outcome, audit, keys as ca_keys};

impl Authority {
    /// Opens every CA key and takes the new passphrase, and stores nothing. Returns how many keys
    /// there are.
    pub(crate) async fn rehearse_passphrase_change(&self) -> Result<usize, Error> {
        Ok(self.keys.reencrypt().await?.keys.len())
    }

    /// Encrypts every CA key anew, all in one transaction, and then sees to it that no page of the
    /// database or its WAL holds a key under the old passphrase. Where that fails, the passphrase is
    /// changed all the same: it is told beside the outcome.
    pub(crate) async fn change_passphrase(&self) -> Result<PassphraseChange, Error> {
        let attempt = Attempt { action: "ca.passphrase", ..Attempt::default() };
        self.audited(attempt, Execution::Commit, async {
            let Reencrypted { keys: encrypted, epoch, passphrase } = self.keys.reencrypt().await?;
            let keys = encrypted.len();
            let entry = Entry {
                at: self.now(),
                actor: self.actor.clone(),
                action: "ca.passphrase",
                outcome: Outcome::Done,
                ca: None,
                serial: None,
                principal: None,
                detail: format!("{keys} keys encrypted anew"),
            };
            self.store
                .write(move |connection| {
                    ca_keys::replace(connection, &encrypted, epoch)?;
                    audit::append(connection, &entry)
                })
                .await?;
            self.keys.adopt(passphrase, epoch + 1);
            let old_copies = self.store.truncate_wal().await.err();
            Ok(PassphraseChange { keys, old_copies })
        })
        .await
    }
}
