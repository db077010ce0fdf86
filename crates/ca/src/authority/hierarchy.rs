//! CAs that are there: renew, retire, publish.

use rustmq_pki::name::TrustDomain;
use rustmq_pki::profile::{Profile, Validity};
use rustmq_pki::request::CertificateRequest;

use super::issuing::days_of;
use super::{Attempt, Authority, Prepared, Walk, WalkIssuer, Walked, WalkedThrough};
use crate::info::{CaInfo, CertificateRole};
use crate::outcome::{CaCreation, Planned};
use crate::request::{Execution, RenewCaRequest};
use crate::signing::SigningKey;
use crate::store::{CaState, Entry, Outcome, Repeatable, Subject, authorities};
use crate::{Error, names, query};

impl Authority {
    pub(crate) async fn renew_ca(&self, asked: RenewCaRequest) -> Result<CaCreation, Error> {
        let attempt =
            Attempt { action: "ca.renew", ca: Some(asked.ca.clone()), ..Attempt::default() };
        self.audited(attempt, asked.execution, self.renew_ca_certificate(asked)).await
    }

    async fn renew_ca_certificate(&self, asked: RenewCaRequest) -> Result<CaCreation, Error> {
        let old = self.prepare(&asked.ca).await?;
        let (number, now) = (old.row.number, self.now());
        let parent = self.parent_of(&old).await?;
        let profile = self.profiles.find(&old.row.profile)?;
        let issuer = parent.as_ref().map_or(WalkIssuer::SameRoot(&old), WalkIssuer::Ca);
        let days = days_of(asked.validity).to_be_bytes();
        let fields: [&[u8]; 3] = [b"ca renewal", &number.to_be_bytes(), &days];
        let repeatable = Repeatable::new(asked.idempotency.as_ref(), &fields)?;
        let (base_url, trust_domain) = (old.row.base_url.clone(), old.row.trust_domain.clone());
        let scope = parent.as_ref().map_or(number, |parent| parent.row.number);
        if let Some(earlier) = self.earlier(scope, repeatable.as_ref()).await? {
            let row = self.earlier_row(earlier, asked.idempotency.as_ref()).await?;
            let planned = issuer.planned(&profile, row.certificate.not_after());
            let ca = Some(self.ca_info(number).await?);
            let replayed = creation(ca, planned, Vec::new(), base_url, trust_domain, None);
            return Ok(CaCreation { replayed: true, ..replayed });
        }
        let row = self.row(number).await?;
        self.store.read(move |c| authorities::check_not_revoked(c, &row)).await?;
        let walk = renewal(&old, &profile, issuer, asked.validity, repeatable)?;
        if asked.execution == Execution::DryRun {
            let (planned, notes) = self.walk_dry(walk).await?;
            return Ok(creation(None, planned, notes, base_url, trust_domain, None));
        }
        self.keep_house().await?;
        self.judge_before_opening(parent.as_ref().unwrap_or(&old), &walk).await?;
        let key = match &parent {
            Some(parent) => self.key_of(parent).await?,
            None => SigningKey::Root(self.keys.signer(&old.row).await?),
        };
        let Walked::Issued(walked) = self.walk(walk, &key).await? else {
            return Err(Error::CaChanged { ca: old.row.id });
        };
        let WalkedThrough { notes, planned, .. } = *walked;
        self.forget_prepared();
        let crl_failure = match parent.as_ref() {
            Some(parent) => self.publish_parent(parent).await.err(),
            None => self.publish_after(number, None).await.err(),
        };
        let ca = Some(query::ca_info(self, number, now).await?);
        Ok(creation(ca, planned, notes, base_url, trust_domain, crl_failure))
    }

    /// The CA above another; none above a root.
    pub(super) async fn parent_of(&self, ca: &Prepared) -> Result<Option<Prepared>, Error> {
        match ca.row.parent {
            Some(parent) => Ok(Some(self.prepare(&self.row(parent).await?.id).await?)),
            None => Ok(None),
        }
    }

    /// The CRL of a CA, and of the one above it, whose key is open now.
    pub(super) async fn publish_after(
        &self,
        number: i64,
        parent: Option<&Prepared>,
    ) -> Result<(), Error> {
        let row = self.row(number).await?;
        let prepared = self.prepare(&row.id).await?;
        self.sign_crl(&prepared).await?;
        match parent {
            Some(parent) => self.publish_parent(parent).await,
            None => self.publish_outdated().await,
        }
    }

    /// An issuer's CRL: a root's whenever its key is open, another CA's when it is due.
    async fn publish_parent(&self, parent: &Prepared) -> Result<(), Error> {
        if parent.row.is_root() {
            self.sign_crl(parent).await?;
        }
        self.publish_outdated().await
    }

    pub(crate) async fn retire_ca(&self, ca: &str, execution: Execution) -> Result<CaInfo, Error> {
        let attempt =
            Attempt { action: "ca.retire", ca: Some(ca.to_owned()), ..Attempt::default() };
        self.audited(attempt, execution, async {
            let name = ca.to_owned();
            let row = self.store.read(move |c| names::find_ca(c, &name)).await?;
            if row.state == CaState::Retired {
                return Err(Error::CaRetired { ca: row.id });
            }
            let number = row.number;
            if execution == Execution::Commit {
                self.keep_house().await?;
                let entry = Entry {
                    at: self.now(),
                    actor: self.actor.clone(),
                    action: "ca.retire",
                    outcome: Outcome::Done,
                    ca: Some(row.id),
                    serial: None,
                    principal: None,
                    detail: String::new(),
                };
                self.store.write(move |c| authorities::retire(c, number, &entry)).await?;
                self.forget_prepared();
            }
            self.ca_info(number).await
        })
        .await
    }

    /// A CA as it is now.
    pub(super) async fn ca_info(&self, number: i64) -> Result<CaInfo, Error> {
        query::ca_info(self, number, self.now()).await
    }
}

/// The walk to a CA's next certificate: same subject, key and constraints.
fn renewal<'a>(
    old: &'a Prepared,
    profile: &'a Profile,
    issuer: WalkIssuer<'a>,
    validity: Validity,
    repeatable: Option<Repeatable>,
) -> Result<Walk<'a>, Error> {
    let certificate = old.ca.certificate();
    let request = CertificateRequest::renewing(certificate, certificate.public_key()?, None)
        .ok_or_else(|| Error::NotRenewable { serial: certificate.serial().to_string() })?;
    Ok(Walk {
        request,
        profile,
        role: ca_role(old.row.is_root()),
        subject: Subject::RenewedCa(old.row.number),
        validity,
        issuer,
        renews: Some(old.row.certificate),
        supersede: None,
        repeatable,
    })
}

/// What is told of a CA's creation or renewal.
pub(super) fn creation(
    ca: Option<CaInfo>,
    planned: Planned,
    notes: Vec<rustmq_pki::profile::Note>,
    base_url: Option<String>,
    trust_domain: Option<TrustDomain>,
    crl_failure: Option<Error>,
) -> CaCreation {
    CaCreation {
        ca,
        planned,
        notes,
        replayed: false,
        base_url,
        base_url_inherited: false,
        trust_domain: trust_domain.map(|domain| domain.to_string()),
        trust_domain_inherited: false,
        crl_failure,
    }
}

/// The role of a CA's certificate.
pub(super) const fn ca_role(is_root: bool) -> CertificateRole {
    if is_root { CertificateRole::RootCa } else { CertificateRole::IntermediateCa }
}
