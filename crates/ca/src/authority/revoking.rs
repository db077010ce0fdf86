//! Revoke, hold, release: the CRL that says so is signed in the same operation.

use rusqlite::Connection;
use rustmq_pki::crl::RevocationReason;
use rustmq_pki::time::UnixTime;

use super::{Attempt, Authority, Prepared};
use crate::outcome::{CrlPublication, Revocation};
use crate::request::{Execution, RevokeRequest};
use crate::store::{CertificateRow, Fault, Revoked, certificates, crls, revocations};
use crate::{Error, describe, names};

/// What is done to certificates of one issuer.
#[derive(Clone, Debug)]
enum Change {
    Revoke(Revoked),
    Release,
}

impl Change {
    /// Refuses a certificate that cannot be changed so.
    fn check(&self, row: &CertificateRow, now: UnixTime) -> Result<(), Error> {
        match self {
            Self::Revoke(by) => revocations::check_revocable(row, by.reason, now),
            Self::Release => revocations::check_releasable(row),
        }
    }
}

/// Whose status changes.
#[derive(Clone, Copy, Debug)]
enum Target {
    /// An end entity's certificate, by its number.
    Certificate(i64),
    /// Every certificate of a CA, by the CA's number.
    Ca(i64),
}

impl Target {
    /// The certificates that change, as they are in this transaction: a CA may have got another since it
    /// was last looked at. An older one of a renewed CA may have ended or be revoked and is left alone
    /// then; the present one comes first and decides.
    fn certificates(
        self,
        connection: &Connection,
        change: &Change,
        now: UnixTime,
    ) -> Result<Vec<CertificateRow>, Fault> {
        let mut rows: Vec<_> = match self {
            Self::Certificate(number) => {
                certificates::by_number(connection, number)?.into_iter().collect()
            }
            Self::Ca(number) => certificates::of_authority(connection, number)?,
        };
        let present = rows.first().ok_or(Error::NoCa)?;
        change.check(present, now)?;
        rows.retain(|row| change.check(row, now).is_ok());
        Ok(rows)
    }
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
            self.change(Target::Certificate(row.number), change, execution).await
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
            self.change(Target::Certificate(row.number), Change::Release, execution).await
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
            let target = self.subordinate(&asked.certificate).await?;
            self.change(target, change, execution).await
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
            let target = self.subordinate(ca).await?;
            self.change(target, Change::Release, execution).await
        })
        .await
    }

    /// A CA under another.
    async fn subordinate(&self, ca: &str) -> Result<Target, Error> {
        let name = ca.to_owned();
        self.store
            .read(move |connection| {
                let ca = names::find_ca(connection, &name)?;
                match ca.is_root() {
                    true => Err(Error::RootCannotBeRevoked { ca: ca.id }.into()),
                    false => Ok(Target::Ca(ca.number)),
                }
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
        target: Target,
        change: Change,
        execution: Execution,
    ) -> Result<Revocation, Error> {
        let (now, judged) = (self.now(), change.clone());
        let rows = self.store.read(move |c| target.certificates(c, &judged, now)).await?;
        let Some(first) = rows.first() else { return Err(Error::NoCa) };
        let prepared = self.prepare(&first.ca_id).await?;
        if execution == Execution::DryRun {
            let certificates = rows.iter().map(|row| describe::certificate(row, now)).collect();
            return Ok(Revocation { certificates, crl: None });
        }
        self.commit_change(&prepared, target, change).await
    }

    async fn commit_change(
        &self,
        prepared: &Prepared,
        target: Target,
        change: Change,
    ) -> Result<Revocation, Error> {
        // The key first: a wrong passphrase leaves nothing behind.
        let issuer = self.issuer_of(prepared).await?;
        let (now, actor, row) = (self.now(), self.actor.clone(), prepared.row.clone());
        let (rows, task) = self
            .store
            .write(move |connection| {
                let mut changed = Vec::new();
                for CertificateRow { number, .. } in
                    target.certificates(connection, &change, now)?
                {
                    match &change {
                        Change::Revoke(by) => revocations::revoke(connection, number, by)?,
                        Change::Release => revocations::release(connection, number, now, &actor)?,
                    }
                    changed.extend(certificates::by_number(connection, number)?);
                }
                Ok((changed, crls::reserve(connection, &row, now, &actor)?))
            })
            .await?;
        let certificates: Vec<_> = rows.iter().map(|row| describe::certificate(row, now)).collect();
        match self.finish_crl(prepared, issuer, task, now).await {
            Ok(publication) => {
                let crl_failure = self.publish_outdated().await.err();
                let publication = CrlPublication { crl_failure, ..publication };
                Ok(Revocation { certificates, crl: Some(publication) })
            }
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
