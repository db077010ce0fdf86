//! CAs: create, renew, rekey, retire.

use rustmq_pki::constraints::NameConstraints;
use rustmq_pki::issuer::StatusAddresses;
use rustmq_pki::key::software::SoftwareKey;
use rustmq_pki::key::{KeyType, PublicKey, Signer};
use rustmq_pki::name::{DistinguishedName, TrustDomain};
use rustmq_pki::profile::{Profile, ProfileKind, Validity};
use rustmq_pki::request::CertificateRequest;

use super::{Attempt, Authority, Prepared, Walk, WalkIssuer, Walked};
use crate::info::{CaInfo, CertificateRole};
use crate::outcome::{CaCreation, Planned};
use crate::request::{
    Execution, Inherited, IntermediateCaRequest, NewCa, RekeyCaRequest, RenewCaRequest,
    RootCaRequest,
};
use crate::signing::SigningKey;
use crate::store::{CaState, Entry, NewCaRow, NewId, Outcome, Subject, authorities, blocking};
use crate::{Error, names, query};

/// Days from one CRL to its nextUpdate.
const CRL_DAYS: i64 = 7;
const ROOT_CRL_DAYS: i64 = 365;

/// A CA that is to be, as creation and rekey have it in common.
struct Founding<'a> {
    parent: Option<&'a Prepared>,
    profile: Profile,
    request_of: Box<dyn Fn(PublicKey) -> Result<CertificateRequest, Error> + Send + Sync + 'a>,
    common_name: String,
    key_type: KeyType,
    id: NewId,
    validity: Validity,
    base_url: Option<String>,
    trust_domain: Option<TrustDomain>,
    crl_days: i64,
    execution: Execution,
}

impl Authority {
    pub(crate) async fn create_root(&self, asked: RootCaRequest) -> Result<CaCreation, Error> {
        let attempt = Attempt {
            action: "ca.issue",
            principal: asked.ca.subject.common_name().map(str::to_owned),
            ..Attempt::default()
        };
        self.audited(attempt, asked.ca.execution, self.create(None, asked.ca)).await
    }

    pub(crate) async fn create_intermediate(
        &self,
        asked: IntermediateCaRequest,
    ) -> Result<CaCreation, Error> {
        let attempt = Attempt {
            action: "ca.issue",
            ca: Some(asked.parent.clone()),
            principal: asked.ca.subject.common_name().map(str::to_owned),
            ..Attempt::default()
        };
        self.audited(attempt, asked.ca.execution, async {
            let parent = self.prepare(&asked.parent).await?;
            self.create(Some(&parent), asked.ca).await
        })
        .await
    }

    async fn create(&self, parent: Option<&Prepared>, new: NewCa) -> Result<CaCreation, Error> {
        let common_name = new.subject.common_name().ok_or(Error::NoCommonName)?.to_owned();
        let default = if parent.is_some() { "intermediate-ca" } else { "root-ca" };
        let profile = self.ca_profile(new.profile.as_deref().unwrap_or(default), parent)?;
        let id = new_id(new.id.clone(), parent.is_none(), &common_name)?;
        let base_url_inherited = new.base_url == Inherited::FromIssuer;
        let base_url = match &new.base_url {
            Inherited::FromIssuer => parent.and_then(|parent| parent.row.base_url.clone()),
            Inherited::Absent => None,
            Inherited::Own(url) => {
                // The id plays no part in whether the URL can stand in certificates.
                StatusAddresses::new(url, "id")?;
                Some(url.clone())
            }
        };
        let trust_domain_inherited = new.trust_domain == Inherited::FromIssuer;
        let trust_domain = match &new.trust_domain {
            Inherited::FromIssuer => parent.and_then(|parent| parent.row.trust_domain.clone()),
            Inherited::Absent => None,
            Inherited::Own(domain) => Some(domain.clone()),
        };
        let constraints = match (parent, &new.trust_domain) {
            (Some(_), Inherited::Own(domain)) => Some(NameConstraints::of_trust_domain(domain)),
            _ => None,
        };
        let (subject, path_len): (DistinguishedName, _) = (new.subject.clone(), new.path_len);
        let request_of = move |key: PublicKey| {
            let request = CertificateRequest::for_ca(subject.clone(), key).with_path_len(path_len);
            Ok(match &constraints {
                Some(constraints) => request.with_name_constraints(constraints.clone()),
                None => request,
            })
        };
        let crl_days = new
            .crl_days
            .map_or_else(|| if parent.is_some() { CRL_DAYS } else { ROOT_CRL_DAYS }, i64::from);
        let mut creation = self
            .found(Founding {
                parent,
                profile,
                request_of: Box::new(request_of),
                common_name,
                key_type: new.key_type,
                id,
                validity: new.validity,
                base_url,
                trust_domain,
                crl_days,
                execution: new.execution,
            })
            .await?;
        creation.base_url_inherited = base_url_inherited && creation.base_url.is_some();
        creation.trust_domain_inherited = trust_domain_inherited && creation.trust_domain.is_some();
        Ok(creation)
    }

    pub(crate) async fn rekey_ca(&self, asked: RekeyCaRequest) -> Result<CaCreation, Error> {
        let attempt =
            Attempt { action: "ca.rekey", ca: Some(asked.ca.clone()), ..Attempt::default() };
        self.audited(attempt, asked.execution, async {
            let old = self.prepare(&asked.ca).await?;
            let parent = match old.row.parent {
                Some(parent) => Some(self.prepare(&self.row(parent).await?.id).await?),
                None => None,
            };
            let certificate = old.ca.certificate();
            let key_type = match asked.key_type {
                Some(key_type) => key_type,
                None => certificate.public_key()?.key_type(),
            };
            let not_renewable = || Error::NotRenewable { serial: certificate.serial().to_string() };
            self.found(Founding {
                parent: parent.as_ref(),
                profile: self.profiles.find(&old.row.profile)?,
                request_of: Box::new(move |key| {
                    CertificateRequest::renewing(certificate, key, None).ok_or_else(not_renewable)
                }),
                common_name: old.row.common_name.clone(),
                key_type,
                id: new_id(asked.id, old.row.is_root(), &old.row.common_name)?,
                validity: asked.validity,
                base_url: old.row.base_url.clone(),
                trust_domain: old.row.trust_domain.clone(),
                crl_days: old.row.crl_days,
                execution: asked.execution,
            })
            .await
        })
        .await
    }

    /// Makes a CA: key, certificate, first CRL, and its issuer's CRL while that key is open.
    async fn found(&self, founding: Founding<'_>) -> Result<CaCreation, Error> {
        if founding.execution == Execution::DryRun {
            return self.found_dry(founding).await;
        }
        self.keep_house().await?;
        // The issuer's key first: it proves the passphrase before a key is made under it.
        let issuing = match founding.parent {
            Some(parent) => Some(self.key_of(parent).await?),
            None => None,
        };
        let new_key = self.keys.create(founding.key_type).await?;
        let signer = new_key.signer.clone();
        let row = NewCaRow {
            id: founding.id,
            parent: founding.parent.map(|parent| parent.row.number),
            common_name: founding.common_name,
            key_hash: *signer.public_key().fingerprint().as_bytes(),
            encrypted_key: new_key.encrypted.clone(),
            key_epoch: new_key.epoch,
            base_url: founding.base_url.clone(),
            trust_domain: founding.trust_domain.clone(),
            crl_days: founding.crl_days,
        };
        let walk = Walk {
            request: (founding.request_of)(signer.public_key().clone())?,
            profile: &founding.profile,
            role: ca_role(founding.parent.is_none()),
            subject: Subject::NewCa(Box::new(row)),
            validity: founding.validity,
            issuer: founding.parent.map_or(WalkIssuer::NewRoot, WalkIssuer::Ca),
            renews: None,
            supersede: None,
            repeatable: None,
        };
        let key = issuing.unwrap_or_else(|| SigningKey::Root(signer.clone()));
        let Walked::Issued { completed, notes, planned, .. } = self.walk(walk, &key).await? else {
            // Only an idempotency key replays, and a CA has none.
            return Err(Error::NoCa);
        };
        let number = completed.subject_authority.unwrap_or_default();
        self.keys.keep(number, new_key);
        let crl_failure = self.publish_after(number, founding.parent).await.err();
        let ca = Some(self.ca_info(number).await?);
        Ok(creation(ca, planned, notes, founding.base_url, founding.trust_domain, crl_failure))
    }

    /// The same up to the reservation, with a key that nobody keeps.
    async fn found_dry(&self, founding: Founding<'_>) -> Result<CaCreation, Error> {
        let key_type = founding.key_type;
        let key = blocking(move || Ok(SoftwareKey::generate(key_type)?)).await?;
        let walk = Walk {
            request: (founding.request_of)(key.public_key().clone())?,
            profile: &founding.profile,
            role: ca_role(founding.parent.is_none()),
            // No row is looked at in a dry run: any CA's number stands for one to come.
            subject: Subject::RenewedCa(0),
            validity: founding.validity,
            issuer: founding.parent.map_or(WalkIssuer::NewRoot, WalkIssuer::Ca),
            renews: None,
            supersede: None,
            repeatable: None,
        };
        let (planned, notes) = self.walk_dry(walk).await?;
        if let NewId::Chosen(id) = founding.id {
            let taken = self.store.read({
                let id = id.clone();
                move |connection| authorities::by_id(connection, &id)
            });
            if taken.await?.is_some() {
                return Err(Error::CaIdTaken { id });
            }
        }
        Ok(creation(None, planned, notes, founding.base_url, founding.trust_domain, None))
    }

    pub(crate) async fn renew_ca(&self, asked: RenewCaRequest) -> Result<CaCreation, Error> {
        let attempt =
            Attempt { action: "ca.renew", ca: Some(asked.ca.clone()), ..Attempt::default() };
        self.audited(attempt, asked.execution, self.renew_ca_certificate(asked)).await
    }

    async fn renew_ca_certificate(&self, asked: RenewCaRequest) -> Result<CaCreation, Error> {
        let old = self.prepare(&asked.ca).await?;
        let (number, now) = (old.row.number, self.now());
        let row = self.row(number).await?;
        self.store.read(move |c| authorities::check_not_revoked(c, &row)).await?;
        let parent = match old.row.parent {
            Some(parent) => Some(self.prepare(&self.row(parent).await?.id).await?),
            None => None,
        };
        let profile = self.profiles.find(&old.row.profile)?;
        let certificate = old.ca.certificate();
        let request = CertificateRequest::renewing(certificate, certificate.public_key()?, None)
            .ok_or_else(|| Error::NotRenewable { serial: certificate.serial().to_string() })?;
        let walk = Walk {
            request,
            profile: &profile,
            role: ca_role(old.row.is_root()),
            subject: Subject::RenewedCa(number),
            validity: asked.validity,
            issuer: parent.as_ref().map_or(WalkIssuer::SameRoot(&old), WalkIssuer::Ca),
            renews: Some(old.row.certificate),
            supersede: None,
            repeatable: None,
        };
        let (base_url, trust_domain) = (old.row.base_url.clone(), old.row.trust_domain.clone());
        if asked.execution == Execution::DryRun {
            let (planned, notes) = self.walk_dry(walk).await?;
            return Ok(creation(None, planned, notes, base_url, trust_domain, None));
        }
        self.keep_house().await?;
        let key = match &parent {
            Some(parent) => self.key_of(parent).await?,
            None => SigningKey::Root(self.keys.signer(&old.row).await?),
        };
        let Walked::Issued { notes, planned, .. } = self.walk(walk, &key).await? else {
            return Err(Error::CaChanged { ca: old.row.id });
        };
        self.forget_prepared();
        let crl_failure = match parent.as_ref() {
            Some(parent) => self.publish_parent(parent).await.err(),
            None => self.publish_after(number, None).await.err(),
        };
        let ca = Some(query::ca_info(self, number, now).await?);
        Ok(creation(ca, planned, notes, base_url, trust_domain, crl_failure))
    }

    /// The CRL of a CA, and of the one above it, whose key is open now.
    async fn publish_after(&self, number: i64, parent: Option<&Prepared>) -> Result<(), Error> {
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

    async fn ca_info(&self, number: i64) -> Result<CaInfo, Error> {
        query::ca_info(self, number, self.now()).await
    }

    /// A CA profile that fits: a root's without an issuer, an intermediate's with one.
    fn ca_profile(&self, name: &str, parent: Option<&Prepared>) -> Result<Profile, Error> {
        let profile = self.profiles.find(name)?;
        let is_for = match profile.kind() {
            ProfileKind::RootCa { .. } => "root CAs",
            ProfileKind::IntermediateCa { .. } => "intermediate CAs",
            ProfileKind::EndEntity(_) => "end entities",
            ProfileKind::OcspResponder => "OCSP signers",
        };
        let (fits, asked) = match (profile.kind(), parent) {
            (ProfileKind::RootCa { .. }, None) => (true, "a root CA"),
            (ProfileKind::IntermediateCa { .. }, Some(_)) => (true, "an intermediate CA"),
            (_, None) => (false, "a root CA"),
            (_, Some(_)) => (false, "an intermediate CA"),
        };
        match fits {
            true => Ok(profile),
            false => Err(Error::ProfileKind { profile: name.to_owned(), is_for, asked }),
        }
    }
}

fn creation(
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
        base_url,
        base_url_inherited: false,
        trust_domain: trust_domain.map(|domain| domain.to_string()),
        trust_domain_inherited: false,
        crl_failure,
    }
}

const fn ca_role(is_root: bool) -> CertificateRole {
    if is_root { CertificateRole::RootCa } else { CertificateRole::IntermediateCa }
}

/// The id asked for, or the next of the kind that the common name tells.
fn new_id(asked: Option<String>, is_root: bool, common_name: &str) -> Result<NewId, Error> {
    match asked {
        Some(id) if names::is_ca_id(&id) => Ok(NewId::Chosen(id)),
        Some(id) => Err(Error::InvalidCaId { id }),
        None if is_root => Ok(NewId::Next("root_ca")),
        None => Ok(NewId::Next(names::intermediate_prefix(common_name))),
    }
}
