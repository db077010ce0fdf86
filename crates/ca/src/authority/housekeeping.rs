//! What the next command carries out: leftovers of dead processes, rotations whose overlap is over,
//! CRLs that are due.

use std::sync::atomic::Ordering;

use rustmq_pki::crl::CrlContents;
use rustmq_pki::time::UnixTime;

use super::{Authority, Prepared, prepare};
use crate::Error;
use crate::outcome::CrlPublication;
use crate::request::{CrlRefresh, Execution};
use crate::signing;
use crate::store::{CaRow, CrlTask, authorities, crls, revocations};

/// How often one process looks for leftovers, in seconds: a look costs two reads.
const INTERVAL: i64 = 60;

/// How many supersessions one transaction carries out: its CRL takes longer than they do.
const SUPERSESSIONS: i64 = 1000;

/// Whether leftovers were found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Swept {
    Nothing,
    Something,
}

impl Authority {
    /// Abandons what dead processes left and supersedes what is due; looks again after a minute at
    /// the earliest. Where that changed anything, CRLs are outdated: the caller signs what it can of
    /// them once it has opened its key.
    pub(super) async fn keep_house(&self) -> Result<Swept, Error> {
        let now = self.now();
        let last = self.kept_house_at.load(Ordering::Relaxed);
        if (last..last.saturating_add(INTERVAL)).contains(&now.seconds()) {
            return Ok(Swept::Nothing);
        }
        let swept = self.sweep(now).await?;
        self.kept_house_at.store(now.seconds(), Ordering::Relaxed);
        Ok(swept)
    }

    /// The same, unless nothing is to be written.
    pub(super) async fn keep_house_for(&self, execution: Execution) -> Result<Swept, Error> {
        match execution {
            Execution::Commit => self.keep_house().await,
            Execution::DryRun => Ok(Swept::Nothing),
        }
    }

    /// The same now.
    pub(super) async fn sweep(&self, now: UnixTime) -> Result<Swept, Error> {
        let mut swept = match self.store.abandon_dead(now, self.actor.clone()).await? {
            true => Swept::Something,
            false => Swept::Nothing,
        };
        loop {
            let due = self.store.read(move |c| revocations::due(c, now, SUPERSESSIONS)).await?;
            if due.is_empty() {
                return Ok(swept);
            }
            swept = Swept::Something;
            let actor = self.actor.clone();
            self.store
                .write(move |connection| {
                    for supersession in due {
                        revocations::supersede(connection, supersession, now, &actor)?;
                    }
                    Ok(())
                })
                .await?;
        }
    }

    /// Signs the CRLs that do not say what they should, of issuing CAs and of CAs whose key is open:
    /// a root's key is not opened for this. One that cannot be signed keeps no other from it: all are
    /// tried, and the first failure names its CA. It is none of what the caller was asked for.
    pub(super) async fn publish_outdated(&self) -> Result<(), Error> {
        let mut failure = None;
        for row in self.store.read(crls::outdated).await? {
            if self.keys.is_open(row.number) || (!row.is_root() && self.keys.is_unlocked()) {
                let ca = row.id.clone();
                if let Err(error) = self.publish(row).await {
                    let error = Box::new(error);
                    failure = failure.or(Some(Error::CrlNotSigned { ca, error }));
                }
            }
        }
        failure.map_or(Ok(()), Err)
    }

    async fn publish(&self, row: CaRow) -> Result<(), Error> {
        let prepared = self.store.read(move |connection| prepare(connection, row)).await?;
        self.sign_crl(&prepared).await.map(drop)
    }

    /// Signs a CRL of a CA: the number is durable before, the CRL after.
    pub(crate) async fn sign_crl(&self, prepared: &Prepared) -> Result<CrlPublication, Error> {
        let issuer = self.issuer_of(prepared).await?;
        let (row, now, actor) = (prepared.row.clone(), self.now(), self.actor.clone());
        let task = self
            .store
            .write(move |connection| crls::reserve(connection, &row, now, &actor))
            .await?;
        self.finish_crl(prepared, issuer, task, now).await
    }

    /// Signs and stores a CRL whose number is durable.
    pub(super) async fn finish_crl(
        &self,
        prepared: &Prepared,
        issuer: rustmq_pki::issuer::Issuer,
        task: CrlTask,
        now: UnixTime,
    ) -> Result<CrlPublication, Error> {
        let contents = CrlContents {
            number: task.number,
            this_update: now.plus_seconds(-self.backdate_seconds),
            next_update: now.plus_days(prepared.row.crl_days),
            revoked: task.revoked.clone(),
        };
        let crl = signing::sign_crl(issuer, contents).await?;
        let (signed, actor) = (crl.clone(), self.actor.clone());
        let entries = task.revoked.len();
        self.store
            .write(move |connection| crls::complete(connection, &task, &signed, now, &actor))
            .await?;
        let ca_id = prepared.row.id.clone();
        Ok(CrlPublication { ca_id, crl, entries, signed: true, crl_failure: None })
    }

    /// `ca crl`: signs a new CRL or gives the newest, as the caller wants it.
    pub(crate) async fn crl(
        &self,
        name: &str,
        refresh: CrlRefresh,
    ) -> Result<CrlPublication, Error> {
        if refresh != CrlRefresh::Stored {
            self.sweep(self.now()).await?;
        }
        let prepared = self.prepare(name).await?;
        let (number, now) = (prepared.row.number, self.now());
        let due = match refresh {
            CrlRefresh::Always => true,
            CrlRefresh::Stored => false,
            CrlRefresh::Before { days } => {
                self.store.read(move |c| crls::is_due(c, number, now.plus_days(days))).await?
            }
        };
        if due {
            let publication = self.sign_crl(&prepared).await?;
            let crl_failure = self.publish_outdated().await.err();
            return Ok(CrlPublication { crl_failure, ..publication });
        }
        let stored = self.store.read(move |connection| crls::stored(connection, number)).await?;
        let stored = stored.ok_or_else(|| Error::NoCrl { ca: prepared.row.id.clone() })?;
        let ca_id = prepared.row.id.clone();
        let (crl, entries) = (stored.crl, stored.entries);
        Ok(CrlPublication { ca_id, crl, entries, signed: false, crl_failure: None })
    }

    /// The row of a CA as it is now.
    pub(super) async fn row(&self, number: i64) -> Result<CaRow, Error> {
        self.store
            .read(move |connection| authorities::by_number(connection, number))
            .await?
            .ok_or(Error::NoCa)
    }
}
