//! End entities: issue, sign a request, renew, rotate.

use rustmq_pki::issuer::Issuer;
use rustmq_pki::key::Fingerprint;
use rustmq_pki::profile::{Profile, ProfileKind, Validity};
use rustmq_pki::request::CertificateRequest;
use rustmq_pki::role::Role;

use super::housekeeping::Swept;
use super::{Attempt, Authority, Prepared, Walk, WalkIssuer, Walked};
use crate::info::{CertificateRole, CertificateStatus};
use crate::outcome::{Issuance, Issued};
use crate::request::{
    Execution, IdempotencyKey, IssueRequest, RenewRequest, RenewalKey, RotateRequest, SignRequest,
};
use crate::signing::SigningKey;
use crate::store::{CertificateRow, Earlier, Repeatable, Subject, certificates, idempotency};
use crate::{Error, describe, names};

/// A request for an end entity, whatever way it came.
#[derive(Clone)]
struct LeafRequest {
    request: CertificateRequest,
    ca: String,
    role: Option<Role>,
    profile: Option<String>,
    validity: Validity,
    renews: Option<i64>,
    /// The certificate to supersede, and after how many days.
    supersede: Option<(i64, i64)>,
    idempotency: Option<IdempotencyKey>,
    execution: Execution,
}

impl Authority {
    pub(crate) async fn issue(&self, asked: IssueRequest) -> Result<Issuance, Error> {
        let attempt = Attempt {
            action: "certificate.issue",
            ca: Some(asked.ca.clone()),
            principal: Some(asked.principal.to_string()),
            serial: None,
        };
        let execution = asked.execution;
        self.audited(attempt, execution, async {
            let mut request = CertificateRequest::for_principal(asked.principal, asked.public_key)
                .with_sans(asked.sans);
            for (attribute, value) in &asked.attributes {
                request = request.with_attribute(*attribute, value)?;
            }
            self.issue_leaf(LeafRequest {
                request,
                ca: asked.ca,
                role: asked.role,
                profile: asked.profile,
                validity: asked.validity,
                renews: None,
                supersede: None,
                idempotency: asked.idempotency,
                execution,
            })
            .await
        })
        .await
    }

    pub(crate) async fn sign_request(&self, asked: SignRequest) -> Result<Issuance, Error> {
        let attempt = Attempt {
            action: "certificate.issue",
            ca: Some(asked.ca.clone()),
            principal: asked.principal.as_ref().map(ToString::to_string),
            serial: None,
        };
        let execution = asked.execution;
        self.audited(attempt, execution, async {
            let request = CertificateRequest::from_pkcs10_bytes(&asked.csr, asked.principal)?
                .with_sans(asked.sans);
            self.issue_leaf(LeafRequest {
                request,
                ca: asked.ca,
                role: asked.role,
                profile: asked.profile,
                validity: asked.validity,
                renews: None,
                supersede: None,
                idempotency: asked.idempotency,
                execution,
            })
            .await
        })
        .await
    }

    pub(crate) async fn renew(&self, asked: RenewRequest) -> Result<Issuance, Error> {
        let attempt = renewal_attempt(&asked);
        let execution = asked.execution;
        self.audited(attempt, execution, self.renew_leaf(asked, None)).await
    }

    pub(crate) async fn rotate(&self, asked: RotateRequest) -> Result<Issuance, Error> {
        let attempt = renewal_attempt(&asked.renewal);
        let execution = asked.renewal.execution;
        let days = asked.overlap_days;
        self.audited(attempt, execution, async {
            // Ten years: as long as any certificate of ours.
            if !(0..=3650).contains(&days) {
                return Err(Error::InvalidOverlap { days });
            }
            self.renew_leaf(asked.renewal, Some(days)).await
        })
        .await
    }

    async fn renew_leaf(
        &self,
        asked: RenewRequest,
        overlap_days: Option<i64>,
    ) -> Result<Issuance, Error> {
        let name = asked.certificate.clone();
        let old = self.store.read(move |c| names::find_end_entity(c, &name)).await?;
        let serial = || old.certificate.serial().to_string();
        let public_key = match asked.key {
            RenewalKey::New(key) => key,
            // A key that was compromised is refused where every key is: in the reservation.
            RenewalKey::Same => old.certificate.public_key()?,
        };
        let issuer = self.prepare(&old.ca_id).await?;
        let domain = issuer.ca.trust_domain();
        let request = CertificateRequest::renewing(&old.certificate, public_key, domain)
            .ok_or_else(|| Error::NotRenewable { serial: serial() })?;
        self.issue_leaf(LeafRequest {
            request,
            ca: old.ca_id.clone(),
            role: None,
            profile: Some(old.profile.clone()),
            validity: asked.validity,
            renews: Some(old.number),
            supersede: overlap_days.map(|days| (old.number, days)),
            idempotency: asked.idempotency,
            execution: asked.execution,
        })
        .await
    }

    /// One more attempt when another process changed the CA in between.
    async fn issue_leaf(&self, leaf: LeafRequest) -> Result<Issuance, Error> {
        let swept = match leaf.execution {
            Execution::Commit => self.keep_house().await?,
            Execution::DryRun => Swept::Nothing,
        };
        let mut issuance = match self.attempt_leaf(leaf.clone()).await {
            Err(Error::CaChanged { .. }) => {
                self.forget_prepared();
                self.attempt_leaf(leaf).await?
            }
            other => other?,
        };
        if swept == Swept::Something {
            let published = self.publish_outdated().await;
            issuance.crl_failure = issuance.crl_failure.or(published.err());
        }
        Ok(issuance)
    }

    async fn attempt_leaf(&self, leaf: LeafRequest) -> Result<Issuance, Error> {
        let issuer = self.prepare(&leaf.ca).await?;
        let profile = self.leaf_profile(leaf.role, leaf.profile.as_deref())?;
        let repeatable = repeatable(&leaf, &profile)?;
        if let Some(earlier) = self.earlier(&issuer, repeatable.as_ref()).await? {
            return self.replay(earlier, leaf.idempotency, &profile).await;
        }
        let supersede = leaf.supersede.map(|(old, days)| (old, self.now().plus_days(days)));
        let key_hash = *leaf.request.public_key().fingerprint().as_bytes();
        let walk = Walk {
            request: leaf.request,
            profile: &profile,
            role: leaf_role(&profile),
            subject: Subject::EndEntity { key_hash },
            validity: leaf.validity,
            issuer: WalkIssuer::Ca(&issuer),
            renews: leaf.renews,
            supersede,
            repeatable,
        };
        let supersede_at = supersede.map(|(_, at)| at);
        if leaf.execution == Execution::DryRun {
            let (planned, notes) = self.walk_dry(walk).await?;
            return Ok(Issuance {
                issued: None,
                planned,
                notes,
                replayed: false,
                supersede_at,
                crl_failure: None,
            });
        }
        let key = self.key_of(&issuer).await?;
        match self.walk(walk, &key).await? {
            Walked::Replayed(number) => self.replay(number, leaf.idempotency, &profile).await,
            Walked::Issued { issued, completed, notes, planned } => {
                let crl_failure = match completed.crl_due {
                    true => self.sign_crl(&issuer).await.err(),
                    false => None,
                };
                let issued = Some(*issued);
                Ok(Issuance { issued, planned, notes, replayed: false, supersede_at, crl_failure })
            }
        }
    }

    /// The key of a CA, opened if it is not yet.
    pub(super) async fn key_of(&self, issuer: &Prepared) -> Result<SigningKey, Error> {
        let signer = self.keys.signer(&issuer.row).await?;
        let key_type = signer.key_type();
        Ok(SigningKey::Ca(Issuer::new(issuer.ca.clone(), signer)?, key_type))
    }

    /// A CA with its key.
    pub(crate) async fn issuer_of(&self, issuer: &Prepared) -> Result<Issuer, Error> {
        let signer = self.keys.signer(&issuer.row).await?;
        Ok(Issuer::new(issuer.ca.clone(), signer)?)
    }

    async fn earlier(
        &self,
        issuer: &Prepared,
        repeatable: Option<&Repeatable>,
    ) -> Result<Option<i64>, Error> {
        let Some(repeatable) = repeatable.cloned() else { return Ok(None) };
        let (actor, number) = (self.actor.clone(), issuer.row.number);
        let earlier =
            self.store.read(move |c| idempotency::look_up(c, &actor, number, &repeatable)).await?;
        Ok(match earlier {
            Earlier::Certificate(number) => Some(number),
            Earlier::Nothing => None,
        })
    }

    /// The certificate of an earlier request with the same key, if it is still good.
    async fn replay(
        &self,
        number: i64,
        idempotency: Option<IdempotencyKey>,
        profile: &Profile,
    ) -> Result<Issuance, Error> {
        let row = self
            .store
            .read(move |connection| certificates::by_number(connection, number))
            .await?
            .ok_or_else(|| Error::UnknownCertificate { name: describe::certificate_id(number) })?;
        let status = row.status(self.now());
        if status != CertificateStatus::Active {
            return Err(Error::IdempotencyStale {
                key: idempotency.map(|idempotency| idempotency.key).unwrap_or_default(),
                serial: row.certificate.serial().to_string(),
                status: status.to_string(),
            });
        }
        let issuer = self.prepare(&row.ca_id).await?;
        let planned = WalkIssuer::Ca(&issuer).planned(profile, row.certificate.not_after());
        let supersede_at = self.supersession_of(&row).await?;
        let info = describe::certificate(&row, self.now());
        let issued = Some(Issued::new(info, row.certificate, issuer.chain.clone()));
        let notes = Vec::new();
        Ok(Issuance { issued, planned, notes, replayed: true, supersede_at, crl_failure: None })
    }

    /// When the certificate that `row` renews will be superseded.
    async fn supersession_of(
        &self,
        row: &CertificateRow,
    ) -> Result<Option<rustmq_pki::time::UnixTime>, Error> {
        let Some(old) = row.renews else { return Ok(None) };
        let old =
            self.store.read(move |connection| certificates::by_number(connection, old)).await?;
        Ok(old.and_then(|old| old.supersede_at))
    }

    /// The profile by role, by name, or by both where they agree.
    fn leaf_profile(&self, role: Option<Role>, name: Option<&str>) -> Result<Profile, Error> {
        let wanted = name.map(str::to_owned).or_else(|| role.map(|role| role.to_string()));
        let profile = self.profiles.find(&wanted.ok_or(Error::NoProfile)?)?;
        if profile.is_ca() {
            return Err(Error::ProfileKind {
                profile: profile.name().to_owned(),
                is_for: "CAs",
                asked: "an end entity",
            });
        }
        match (role, profile.role()) {
            (Some(role), stated) if stated != Some(role) => Err(Error::ProfileRole {
                profile: profile.name().to_owned(),
                profile_role: stated.map_or_else(|| "no role".to_owned(), |r| r.to_string()),
                role: role.to_string(),
            }),
            _ => Ok(profile),
        }
    }
}

fn renewal_attempt(asked: &RenewRequest) -> Attempt {
    Attempt {
        action: "certificate.renew",
        serial: Some(asked.certificate.clone()),
        ..Attempt::default()
    }
}

fn leaf_role(profile: &Profile) -> CertificateRole {
    match profile.kind() {
        ProfileKind::RootCa { .. } => CertificateRole::RootCa,
        ProfileKind::IntermediateCa { .. } => CertificateRole::IntermediateCa,
        ProfileKind::OcspResponder => CertificateRole::OcspSigner,
        ProfileKind::EndEntity(Role::Broker) => CertificateRole::Broker,
        ProfileKind::EndEntity(Role::Controller) => CertificateRole::Controller,
        ProfileKind::EndEntity(Role::Client) => CertificateRole::Client,
        ProfileKind::EndEntity(Role::Admin) => CertificateRole::Admin,
    }
}

/// The digest of all that a request asks for; the profile's version and the key are part of it.
fn repeatable(leaf: &LeafRequest, profile: &Profile) -> Result<Option<Repeatable>, Error> {
    let Some(key) = leaf.idempotency.clone() else { return Ok(None) };
    if key.key.is_empty() || key.key.chars().count() > 255 {
        return Err(Error::InvalidIdempotencyKey);
    }
    let mut framed = Vec::new();
    let mut field = |octets: &[u8]| {
        framed.extend_from_slice(&(octets.len() as u64).to_be_bytes());
        framed.extend_from_slice(octets);
    };
    field(b"RustMQ PKI request 1");
    field(&leaf.request.subject().to_der());
    field(leaf.request.public_key().spki());
    field(profile.name().as_bytes());
    field(profile.version().as_bytes());
    let days = match leaf.validity {
        Validity::Default => i64::MIN,
        Validity::Days(days) => days,
    };
    let (superseded, overlap) = leaf.supersede.unwrap_or((0, 0));
    for number in [days, leaf.renews.unwrap_or(0), superseded, overlap] {
        field(&number.to_be_bytes());
    }
    for san in leaf.request.sans() {
        field(san.to_string().as_bytes());
    }
    Ok(Some(Repeatable { key, digest: *Fingerprint::of(&framed).as_bytes() }))
}
