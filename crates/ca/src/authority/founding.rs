//! New CAs: roots, intermediates, and the successors of CAs that get a new key.

use rustmq_pki::constraints::NameConstraints;
use rustmq_pki::issuer::StatusAddresses;
use rustmq_pki::key::software::SoftwareKey;
use rustmq_pki::key::{KeyType, PublicKey, Signer};
use rustmq_pki::name::TrustDomain;
use rustmq_pki::profile::{Profile, ProfileKind, Validity};
use rustmq_pki::request::CertificateRequest;

use super::hierarchy::{ca_role, creation};
use super::issuing::days_of;
use super::{Attempt, Authority, Prepared, Walk, WalkIssuer, Walked, WalkedThrough};
use crate::outcome::CaCreation;
use crate::request::{
    Execution, IdempotencyKey, Inherited, IntermediateCaRequest, NewCa, RekeyCaRequest,
    RootCaRequest,
};
use crate::signing::SigningKey;
use crate::store::{NewCaRow, NewId, Repeatable, Subject, authorities, blocking, keys};
use crate::{Error, names};

/// Days from one CRL to its nextUpdate.
const CRL_DAYS: i64 = 7;
const ROOT_CRL_DAYS: i64 = 365;

/// Ten years: a CRL that stands longer than its CA tells nothing.
const MAX_CRL_DAYS: i64 = 3650;

/// A CA that is to be, as creation and rekey have it in common.
struct Founding<'a> {
    parent: Option<&'a Prepared>,
    profile: Profile,
    request_of: Box<dyn Fn(PublicKey) -> Result<CertificateRequest, Error> + Send + Sync + 'a>,
    key_type: KeyType,
    validity: Validity,
    id: NewId,
    common_name: String,
    base_url: Option<String>,
    trust_domain: Option<TrustDomain>,
    crl_days: i64,
    idempotency: Option<IdempotencyKey>,
    repeatable: Option<Repeatable>,
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
        let base_url = inherit(&new.base_url, parent.and_then(|ca| ca.row.base_url.as_ref()));
        if let Some(url) = &base_url {
            // The id plays no part in whether the URL can stand in certificates.
            StatusAddresses::new(url, "id")?;
        }
        let trust_domain =
            inherit(&new.trust_domain, parent.and_then(|ca| ca.row.trust_domain.as_ref()));
        let founding = Founding {
            parent,
            id: new_id(new.id.clone(), parent.is_none(), &common_name)?,
            crl_days: crl_days(&new, parent.is_none())?,
            repeatable: repeatable(&new, &profile)?,
            request_of: request_of(parent, &new),
            profile,
            key_type: new.key_type,
            validity: new.validity,
            common_name,
            base_url,
            trust_domain,
            idempotency: new.idempotency.clone(),
            execution: new.execution,
        };
        let mut creation = self.found(founding).await?;
        creation.base_url_inherited =
            new.base_url == Inherited::FromIssuer && creation.base_url.is_some();
        creation.trust_domain_inherited =
            new.trust_domain == Inherited::FromIssuer && creation.trust_domain.is_some();
        Ok(creation)
    }

    pub(crate) async fn rekey_ca(&self, asked: RekeyCaRequest) -> Result<CaCreation, Error> {
        let attempt =
            Attempt { action: "ca.rekey", ca: Some(asked.ca.clone()), ..Attempt::default() };
        self.audited(attempt, asked.execution, async {
            let old = self.prepare(&asked.ca).await?;
            let parent = self.parent_of(&old).await?;
            let certificate = old.ca.certificate();
            let key_type = match asked.key_type {
                Some(key_type) => key_type,
                None => certificate.public_key()?.key_type(),
            };
            let not_renewable = || Error::NotRenewable { serial: certificate.serial().to_string() };
            let (number, days) = (old.row.number.to_be_bytes(), days_of(asked.validity));
            let id = asked.id.clone().unwrap_or_default();
            let fields: [&[u8]; 5] = [
                b"rekey",
                &number,
                key_type.as_str().as_bytes(),
                id.as_bytes(),
                &days.to_be_bytes(),
            ];
            self.found(Founding {
                parent: parent.as_ref(),
                profile: self.profiles.find(&old.row.profile)?,
                request_of: Box::new(move |key| {
                    CertificateRequest::renewing(certificate, key, None).ok_or_else(not_renewable)
                }),
                key_type,
                validity: asked.validity,
                id: new_id(asked.id, old.row.is_root(), &old.row.common_name)?,
                common_name: old.row.common_name.clone(),
                base_url: old.row.base_url.clone(),
                trust_domain: old.row.trust_domain.clone(),
                crl_days: old.row.crl_days,
                repeatable: Repeatable::new(asked.idempotency.as_ref(), &fields)?,
                idempotency: asked.idempotency,
                execution: asked.execution,
            })
            .await
        })
        .await
    }

    /// Makes a CA. Where another process made the first one meanwhile, its passphrase is the data
    /// directory's, and the second attempt is made under that.
    async fn found(&self, founding: Founding<'_>) -> Result<CaCreation, Error> {
        let epoch = self.store.read(keys::epoch).await?;
        match self.attempt_founding(&founding).await {
            Err(Error::PassphraseChanged) if epoch == 0 => self.attempt_founding(&founding).await,
            other => other,
        }
    }

    /// Key, certificate, first CRL, and the issuer's CRL while its key is open.
    async fn attempt_founding(&self, founding: &Founding<'_>) -> Result<CaCreation, Error> {
        let scope = founding.parent.map_or(0, |parent| parent.row.number);
        if let Some(number) = self.earlier(scope, founding.repeatable.as_ref()).await? {
            return self.replay_ca(number, founding).await;
        }
        let key_type = founding.key_type;
        let key = blocking(move || Ok(SoftwareKey::generate(key_type)?)).await?;
        // Judged before the passphrase is asked for: a refusal costs nobody a prompt.
        let judged = self.judge_founding(founding, key.public_key()).await?;
        if founding.execution == Execution::DryRun {
            return Ok(judged);
        }
        self.keep_house().await?;
        // The issuer's key first: it proves the passphrase before another is stored under it.
        let issuing = match founding.parent {
            Some(parent) => Some(self.key_of(parent).await?),
            None => None,
        };
        let new_key = self.keys.protect(key).await?;
        let row = NewCaRow {
            id: founding.id.clone(),
            parent: founding.parent.map(|parent| parent.row.number),
            common_name: founding.common_name.clone(),
            key_hash: *new_key.signer.public_key().fingerprint().as_bytes(),
            encrypted_key: new_key.encrypted.clone(),
            key_epoch: new_key.epoch,
            base_url: founding.base_url.clone(),
            trust_domain: founding.trust_domain.clone(),
            crl_days: founding.crl_days,
        };
        let subject = Subject::NewCa(Box::new(row));
        let walk = founding.walk(new_key.signer.public_key(), subject)?;
        let key = issuing.unwrap_or_else(|| SigningKey::Root(new_key.signer.clone()));
        let walked = match self.walk(walk, &key).await? {
            Walked::Issued(walked) => walked,
            Walked::Replayed(number) => return self.replay_ca(number, founding).await,
        };
        let number = walked.completed.row.subject_authority.unwrap_or_default();
        self.keys.keep(number, new_key);
        let crl_failure = self.publish_after(number, founding.parent).await.err();
        let ca = Some(self.ca_info(number).await?);
        let WalkedThrough { notes, planned, .. } = *walked;
        let (base_url, trust_domain) = (founding.base_url.clone(), founding.trust_domain.clone());
        Ok(creation(ca, planned, notes, base_url, trust_domain, crl_failure))
    }

    /// The same up to the reservation.
    async fn judge_founding(
        &self,
        founding: &Founding<'_>,
        key: &PublicKey,
    ) -> Result<CaCreation, Error> {
        // No row is looked at in a dry run: any CA's number stands for one to come.
        let walk = founding.walk(key, Subject::RenewedCa(0))?;
        let (planned, notes) = self.walk_dry(walk).await?;
        if let NewId::Chosen(id) = founding.id.clone() {
            let wanted = id.clone();
            let taken = self.store.read(move |c| authorities::by_id(c, &wanted)).await?;
            if taken.is_some() {
                return Err(Error::CaIdTaken { id });
            }
        }
        let (base_url, trust_domain) = (founding.base_url.clone(), founding.trust_domain.clone());
        Ok(creation(None, planned, notes, base_url, trust_domain, None))
    }

    /// The CA of an earlier request with the same idempotency key.
    async fn replay_ca(&self, number: i64, founding: &Founding<'_>) -> Result<CaCreation, Error> {
        let row = self.earlier_row(number, founding.idempotency.as_ref()).await?;
        let issuer = founding.parent.map_or(WalkIssuer::NewRoot, WalkIssuer::Ca);
        let planned = issuer.planned(&founding.profile, row.certificate.not_after());
        let ca = Some(self.ca_info(row.subject_authority.unwrap_or_default()).await?);
        let (base_url, trust_domain) = (founding.base_url.clone(), founding.trust_domain.clone());
        let replayed = creation(ca, planned, Vec::new(), base_url, trust_domain, None);
        Ok(CaCreation { replayed: true, ..replayed })
    }

    /// A CA profile that fits: a root's without an issuer, an intermediate's with one.
    fn ca_profile(&self, name: &str, parent: Option<&Prepared>) -> Result<Profile, Error> {
        let profile = self.profiles.find(name)?;
        let asked = if parent.is_some() { "an intermediate CA" } else { "a root CA" };
        let is_for = match (profile.kind(), parent) {
            (ProfileKind::RootCa { .. }, None) | (ProfileKind::IntermediateCa { .. }, Some(_)) => {
                return Ok(profile);
            }
            (ProfileKind::RootCa { .. }, Some(_)) => "root CAs",
            (ProfileKind::IntermediateCa { .. }, None) => "intermediate CAs",
            (ProfileKind::EndEntity(_), _) => "end entities",
            (ProfileKind::OcspResponder, _) => "OCSP signers",
        };
        Err(Error::ProfileKind { profile: name.to_owned(), is_for, asked })
    }
}

impl Founding<'_> {
    /// The walk to the CA's first certificate.
    fn walk(&self, key: &PublicKey, subject: Subject) -> Result<Walk<'_>, Error> {
        Ok(Walk {
            request: (self.request_of)(key.clone())?,
            profile: &self.profile,
            role: ca_role(self.parent.is_none()),
            subject,
            validity: self.validity,
            issuer: self.parent.map_or(WalkIssuer::NewRoot, WalkIssuer::Ca),
            renews: None,
            supersede: None,
            repeatable: self.repeatable.clone(),
        })
    }
}

/// What a new CA has of its issuer, or of its own.
fn inherit<T: Clone>(asked: &Inherited<T>, issuers: Option<&T>) -> Option<T> {
    match asked {
        Inherited::FromIssuer => issuers.cloned(),
        Inherited::Absent => None,
        Inherited::Own(own) => Some(own.clone()),
    }
}

/// The request for a new CA's certificate, once its key is there. A trust domain of an
/// intermediate's own constrains what is below it.
fn request_of<'a>(
    parent: Option<&Prepared>,
    new: &NewCa,
) -> Box<dyn Fn(PublicKey) -> Result<CertificateRequest, Error> + Send + Sync + 'a> {
    let constraints = match (parent, &new.trust_domain) {
        (Some(_), Inherited::Own(domain)) => Some(NameConstraints::of_trust_domain(domain)),
        _ => None,
    };
    let (subject, path_len) = (new.subject.clone(), new.path_len);
    Box::new(move |key| {
        let request = CertificateRequest::for_ca(subject.clone(), key).with_path_len(path_len);
        Ok(match &constraints {
            Some(constraints) => request.with_name_constraints(constraints.clone()),
            None => request,
        })
    })
}

fn crl_days(new: &NewCa, is_root: bool) -> Result<i64, Error> {
    let default = if is_root { ROOT_CRL_DAYS } else { CRL_DAYS };
    let days = new.crl_days.map_or(default, i64::from);
    match (1..=MAX_CRL_DAYS).contains(&days) {
        true => Ok(days),
        false => Err(Error::InvalidCrlDays { days }),
    }
}

/// All that a request for a new CA asks for; the profile's version is part of it.
fn repeatable(new: &NewCa, profile: &Profile) -> Result<Option<Repeatable>, Error> {
    let own = format!("{:?} {:?} {:?}", new.base_url, new.trust_domain, new.path_len);
    let days = [days_of(new.validity), new.crl_days.map_or(0, i64::from)].map(i64::to_be_bytes);
    let version = profile.version();
    let fields: [&[u8]; 9] = [
        b"ca",
        &new.subject.to_der(),
        new.key_type.as_str().as_bytes(),
        new.id.as_deref().unwrap_or_default().as_bytes(),
        profile.name().as_bytes(),
        version.as_bytes(),
        own.as_bytes(),
        &days[0],
        &days[1],
    ];
    Repeatable::new(new.idempotency.as_ref(), &fields)
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
