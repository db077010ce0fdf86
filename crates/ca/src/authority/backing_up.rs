//! Backup of a live authority.

use std::io::Write;

use rustmq_pki::statement::StatementKind;

use super::{Attempt, Authority};
use crate::Error;
use crate::backup::{BackupRequest, BackupSummary, Packed};
use crate::request::Execution;
use crate::store::{Outcome, blocking};

/// What the audit record calls it.
const ACTION: &str = "store.backup";

impl Authority {
    /// `backup`: announced, copied, signed, written, recorded.
    pub(crate) async fn backup(
        &self,
        request: BackupRequest,
        output: Box<dyn Write + Send>,
    ) -> Result<BackupSummary, Error> {
        let attempt = Attempt { action: ACTION, ca: request.ca.clone(), ..Attempt::default() };
        self.audited(attempt, Execution::Commit, async {
            // The key first: a wrong passphrase leaves nothing behind.
            let attestor = self.attestor(request.ca).await?;
            let now = self.now();
            let announced = self.announcement(&attestor, ACTION, now);
            let mut done = announced.clone();
            self.announce(&attestor, announced).await?;
            let (store, profiles) = (self.store.clone(), self.profiles.clone());
            let packed = blocking(move || Packed::new(&store, &profiles, now)).await?;
            let statement = packed.statement(attestor.begin(StatementKind::BackupManifest));
            let attestation = attestor.attest(statement).await?;
            let summary = blocking(move || packed.write(&attestation, output)).await?;
            done.outcome = Outcome::Done;
            done.at = self.now();
            done.detail = format!(
                "manifest sha256 {}, certificates: {}, audit records: {}",
                summary.manifest, summary.certificates, summary.audit_records
            );
            self.store.record(done).await?;
            Ok(summary)
        })
        .await
    }
}
