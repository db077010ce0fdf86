//! Revoke, hold, release: the CRL that says so is signed in the same operation.

use rustmq_pki::crl::RevocationReason;

use super::{Attempt, Authority, Prepared};
use crate::outcome::Revocation;
use crate::request::{Execution, RevokeRequest};
use crate::store::{CertificateRow, Revoked, certificates, crls, revocations};
use crate::{Error, describe, names};

/// What is done to certificates of one issuer.
#[derive(Clone, Debug)]
enum Change {
    Revoke(Revoked),
    Release,
}

impl Authority {
    pub(crate) async fn revoke(&self, asked: RevokeRequest) -> Result<Revocation, Error> {
        let attempt = Attempt {
            action: "certificate.revoke",
            serial: Some(asked.certificate.clone()),
            ..Attempt::default()
        };
        let execution = asked.execution;
        self.audited(attempt, execution, async {
            let name = asked.certificate.clone();
            let change = self.revocation(&asked)?;
            self.keep_house_for(execution).await?;
            let row = self.store.read(move |c| names::find_end_entity(c, &name)).await?;
            self.change(vec![row], change, execution).await
        })
        .await
    }

    pub(crate) async fn release(
        &self,
        certificate: &str,
        execution: Execution,
    ) -> Result<Revocation, Error> {
        let attempt = Attempt {
            action: "certificate.release",
            serial: Some(certificate.to_owned()),
            ..Attempt::default()
        };
        self.audited(attempt, execution, async {
            let name = certificate.to_owned();
            self.keep_house_for(execution).await?;
            let row = self.store.read(move |c| names::find_end_entity(c, &name)).await?;
            self.change(vec![row], Change::Release, execution).await
        })
        .await
    }

    pub(crate) async fn revoke_ca(&self, asked: RevokeRequest) -> Result<Revocation, Error> {
        let attempt = Attempt {
            action: "ca.revoke",
            ca: Some(asked.certificate.clone()),
            ..Attempt::default()
        };
        let execution = asked.execution;
        self.audited(attempt, execution, async {
            let change = self.revocation(&asked)?;
            self.keep_house_for(execution).await?;
            let rows = self.certificates_of_ca(&asked.certificate).await?;
            let now = self.now();
            let rows = rows
                .into_iter()
                // An older certificate of a renewed CA may have ended or be revoked: the present one
                // comes first and decides.
                .enumerate()
                .filter(|(at, row)| {
                    *at == 0 || revocations::check_revocable(row, asked.reason, now).is_ok()
                })
                .map(|(_, row)| row)
                .collect();
            self.change(rows, change, execution).await
        })
        .await
    }

    pub(crate) async fn release_ca(
        &self,
        ca: &str,
        execution: Execution,
    ) -> Result<Revocation, Error> {
        let attempt =
            Attempt { action: "ca.release", ca: Some(ca.to_owned()), ..Attempt::default() };
        self.audited(attempt, execution, async {
            self.keep_house_for(execution).await?;
            let rows = self.certificates_of_ca(ca).await?;
            let rows = rows
                .into_iter()
                .enumerate()
                .filter(|(at, row)| *at == 0 || revocations::check_releasable(row).is_ok())
                .map(|(_, row)| row)
                .collect();
            self.change(rows, Change::Release, execution).await
        })
        .await
    }

    /// The certificates of a CA under another, newest first.
    async fn certificates_of_ca(&self, ca: &str) -> Result<Vec<CertificateRow>, Error> {
        let name = ca.to_owned();
        self.store
            .read(move |connection| {
                let ca = names::find_ca(connection, &name)?;
                if ca.is_root() {
                    return Err(Error::RootCannotBeRevoked { ca: ca.id }.into());
                }
                certificates::of_authority(connection, ca.number)
            })
            .await
    }

    fn revocation(&self, asked: &RevokeRequest) -> Result<Change, Error> {
        self.revoked_by(asked).map(Change::Revoke)
    }

    /// Refuses reasons and dates that no revocation has.
    pub(super) fn revoked_by(&self, asked: &RevokeRequest) -> Result<Revoked, Error> {
        let now = self.now();
        if asked.reason == RevocationReason::RemoveFromCrl {
            return Err(Error::ReasonNotAllowed { reason: asked.reason.name().to_owned() });
        }
        if let Some(date) = asked.invalidity_date.filter(|date| *date > now) {
            return Err(Error::InvalidityDateAhead { date });
        }
        Ok(Revoked {
            reason: asked.reason,
            invalidity_date: asked.invalidity_date,
            now,
            actor: self.actor.clone(),
        })
    }

    /// Changes the status of certificates of one issuer and signs its CRL.
    async fn change(
        &self,
        rows: Vec<CertificateRow>,
        change: Change,
        execution: Execution,
    ) -> Result<Revocation, Error> {
        let now = self.now();
        for row in &rows {
            match &change {
                Change::Revoke(by) => revocations::check_revocable(row, by.reason, now)?,
                Change::Release => revocations::check_releasable(row)?,
            }
        }
        let Some(first) = rows.first() else { return Err(Error::NoCa) };
        let prepared = self.prepare(&first.ca_id).await?;
        let numbers: Vec<i64> = rows.iter().map(|row| row.number).collect();
        if execution == Execution::DryRun {
            let certificates = rows.iter().map(|row| describe::certificate(row, now)).collect();
            return Ok(Revocation { certificates, crl: None });
        }
        self.commit_change(&prepared, numbers, change).await
    }

    async fn commit_change(
        &self,
        prepared: &Prepared,
        numbers: Vec<i64>,
        change: Change,
    ) -> Result<Revocation, Error> {
        // The key first: a wrong passphrase leaves nothing behind.
        let issuer = self.issuer_of(prepared).await?;
        let (now, actor, row) = (self.now(), self.actor.clone(), prepared.row.clone());
        let (rows, task) = self
            .store
            .write(move |connection| {
                let mut changed = Vec::with_capacity(numbers.len());
                for number in &numbers {
                    match &change {
                        Change::Revoke(by) => revocations::revoke(connection, *number, by)?,
                        Change::Release => revocations::release(connection, *number, now, &actor)?,
                    }
                    changed.extend(certificates::by_number(connection, *number)?);
                }
                Ok((changed, crls::reserve(connection, &row, now, &actor)?))
            })
            .await?;
        let certificates: Vec<_> = rows.iter().map(|row| describe::certificate(row, now)).collect();
        let published = match self.finish_crl(prepared, issuer, task, now).await {
            Ok(publication) => self.publish_outdated().await.map(|()| publication),
            Err(error) => Err(error),
        };
        match published {
            Ok(publication) => Ok(Revocation { certificates, crl: Some(publication) }),
            Err(error) => Err(Error::RevokedWithoutCrl {
                serial: certificates
                    .iter()
                    .map(|c| c.serial.clone())
                    .collect::<Vec<_>>()
                    .join(", "),
                ca: prepared.row.id.clone(),
                error: Box::new(error),
            }),
        }
    }
}
