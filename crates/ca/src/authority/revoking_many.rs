//! Many certificates revoked together: slice by slice, one CRL of each CA at the end.

use std::collections::{BTreeMap, BTreeSet};

use super::{Attempt, Authority, Prepared};
use crate::batch::{BatchRevocation, BatchRevokeRequest, Selection};
use crate::outcome::CrlPublication;
use crate::request::{Execution, ListFilter, RevokeRequest};
use crate::store::{CertificateRow, Fault, Revoked, certificates, crls, revocations};
use crate::{Error, names, query};

/// The certificates to revoke: their numbers, ascending, by the number of their CA.
#[derive(Debug, Default)]
struct Selected {
    by_ca: BTreeMap<i64, Vec<i64>>,
    counts: BatchRevocation,
}

impl Selected {
    fn add(&mut self, row: &CertificateRow, by: &Revoked) {
        if row.subject_authority.is_some() {
            return;
        }
        match revocations::check_revocable(row, by.reason, by.now) {
            Ok(()) => self.by_ca.entry(row.authority).or_default().push(row.number),
            Err(Error::CertificateExpired { .. }) => self.counts.expired += 1,
            // One without a CRL that says so is met when a killed batch is repeated.
            Err(_) => {
                self.by_ca.entry(row.authority).or_default();
                self.counts.already_revoked += 1;
            }
        }
    }
}

impl Authority {
    pub(crate) async fn revoke_batch(
        &self,
        asked: BatchRevokeRequest,
    ) -> Result<BatchRevocation, Error> {
        let attempt = Attempt { action: "certificate.revoke", ..Attempt::default() };
        let execution = asked.execution;
        self.audited(attempt, execution, async {
            let by = self.revoked_by(&RevokeRequest {
                certificate: String::new(),
                reason: asked.reason,
                invalidity_date: asked.invalidity_date,
                execution,
            })?;
            self.keep_house_for(execution).await?;
            let (which, criterion) = (asked.which, by.clone());
            let selection = which.clone();
            let selected = self.store.read(move |c| select(c, selection, &criterion)).await?;
            if execution == Execution::DryRun {
                let revoked = selected.by_ca.values().map(|numbers| numbers.len() as u64).sum();
                return Ok(BatchRevocation { revoked, ..selected.counts });
            }
            // The keys first: a wrong passphrase leaves nothing behind.
            self.issuers_of(&selected).await?;
            // Somebody may have typed that passphrase for minutes, and others have issued meanwhile.
            let criterion = Revoked { now: self.now(), ..by.clone() };
            let selected = self.store.read(move |c| select(c, which, &criterion)).await?;
            self.revoke_selected(selected, by).await
        })
        .await
    }

    /// The CAs of what was selected, their keys open.
    async fn issuers_of(&self, selected: &Selected) -> Result<Vec<Prepared>, Error> {
        let mut cas = Vec::with_capacity(selected.by_ca.len());
        for number in selected.by_ca.keys() {
            let prepared = self.prepare(&self.row(*number).await?.id).await?;
            self.issuer_of(&prepared).await?;
            cas.push(prepared);
        }
        Ok(cas)
    }

    async fn revoke_selected(
        &self,
        selected: Selected,
        by: Revoked,
    ) -> Result<BatchRevocation, Error> {
        let cas = self.issuers_of(&selected).await?;
        let mut outcome = selected.counts;
        for numbers in selected.by_ca.into_values() {
            for slice in numbers.chunks(self.revocation_slice) {
                // A long run must not fall behind the records of other processes.
                let by = Revoked { now: self.now(), ..by.clone() };
                let slice = slice.to_vec();
                let done =
                    self.store.write(move |c| revocations::revoke_many(c, &slice, &by)).await?;
                outcome.revoked += done.revoked;
                outcome.already_revoked += done.passed_over;
            }
        }
        for prepared in cas {
            match self.sign_crl_where_due(&prepared).await {
                Ok(publication) => outcome.crls.extend(publication),
                Err(error) => {
                    return Err(Error::RevokedWithoutCrl {
                        serial: match outcome.revoked {
                            1 => "1 certificate".to_owned(),
                            many => format!("{many} certificates"),
                        },
                        ca: prepared.row.id,
                        error: Box::new(error),
                    });
                }
            }
        }
        outcome.crl_failure = self.publish_outdated().await.err();
        Ok(outcome)
    }

    async fn sign_crl_where_due(
        &self,
        prepared: &Prepared,
    ) -> Result<Option<CrlPublication>, Error> {
        let (number, now) = (prepared.row.number, self.now());
        match self.store.read(move |c| crls::is_due(c, number, now)).await? {
            true => self.sign_crl(prepared).await.map(Some),
            false => Ok(None),
        }
    }
}

fn select(
    connection: &rusqlite::Connection,
    which: Selection,
    by: &Revoked,
) -> Result<Selected, Fault> {
    let mut selected = Selected::default();
    let filter = match which {
        Selection::Filter(filter) => filter,
        Selection::Ca(ca) => ListFilter { ca: Some(ca), ..ListFilter::default() },
        Selection::Certificates(names) => {
            let mut found = BTreeSet::new();
            for name in names {
                let row = names::find_end_entity(connection, &name)?;
                if found.insert(row.number) {
                    selected.add(&row, by);
                }
            }
            return Ok(selected);
        }
    };
    let now = by.now;
    let (selection, status) = query::selection(connection, filter, now)?;
    certificates::visit(connection, &selection, |row| {
        if status.is_none_or(|status| row.status(now) == status) {
            selected.add(&row, by);
        }
        Ok(())
    })?;
    Ok(selected)
}
