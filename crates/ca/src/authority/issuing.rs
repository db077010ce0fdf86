//! End entities: issue, sign a request, renew, rotate.

use rustmq_pki::crl::RevocationReason;
use rustmq_pki::issuer::Issuer;
use rustmq_pki::profile::{Profile, ProfileKind, Validity};
use rustmq_pki::request::CertificateRequest;
use rustmq_pki::role::Role;
use rustmq_pki::time::UnixTime;

use super::housekeeping::Swept;
use super::{Attempt, Authority, Prepared, Walk, WalkIssuer, Walked};
use crate::info::{CertificateRole, CertificateStatus};
use crate::outcome::{Issuance, Issued};
use crate::request::{
    Execution, IdempotencyKey, IssueRequest, RenewRequest, RenewalKey, RotateRequest, SignRequest,
};
use crate::signing::SigningKey;
use crate::store::{
    CertificateRow, Earlier, Repeatable, Subject, certificates, idempotency, revocations,
};
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
            principal: match &asked.principal {
                Some(principal) => Some(principal.to_string()),
                // What the request calls itself: it may be refused before that is proven.
                None => CertificateRequest::claimed_common_name(&asked.csr),
            },
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

    /// One more attempt where another process stood in the way.
    async fn issue_leaf(&self, leaf: LeafRequest) -> Result<Issuance, Error> {
        let execution = leaf.execution;
        let mut swept = self.keep_house_for(execution).await?;
        let mut issuance = match self.attempt_leaf(leaf.clone()).await {
            Err(Error::CaChanged { .. }) => {
                self.forget_prepared();
                self.attempt_leaf(leaf).await?
            }
            other => other?,
        };
        // Without an overlap the old certificate is superseded at once.
        let now = self.now();
        if execution == Execution::Commit && issuance.supersede_at.is_some_and(|at| at <= now) {
            // The new certificate is durable: what fails now is told beside it.
            match self.sweep(now).await {
                Ok(superseded) => swept = superseded,
                Err(error) => issuance.crl_failure = issuance.crl_failure.or(Some(error)),
            }
        }
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
        if let Some(earlier) = self.earlier(issuer.row.number, repeatable.as_ref()).await? {
            return self.replay(earlier, &leaf, &profile).await;
        }
        let supersede = match leaf.supersede {
            Some((old, days)) => self.supersession(old, self.now().plus_days(days)).await?,
            None => None,
        };
        let key_hash = *leaf.request.public_key().fingerprint().as_bytes();
        let walk = Walk {
            request: leaf.request.clone(),
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
        self.judge_before_opening(&issuer, &walk).await?;
        let key = self.key_of(&issuer).await?;
        match self.walk(walk, &key).await? {
            Walked::Replayed(number) => self.replay(number, &leaf, &profile).await,
            Walked::Issued(walked) => {
                let crl_failure = match walked.completed.crl_due {
                    true => self.sign_crl(&issuer).await.err(),
                    false => None,
                };
                Ok(Issuance {
                    issued: Some(walked.issued),
                    planned: walked.planned,
                    notes: walked.notes,
                    replayed: false,
                    supersede_at,
                    crl_failure,
                })
            }
        }
    }

    /// Goes through every check first where the key is still to be opened: nobody is asked for a
    /// passphrase for what is refused. An open key costs nothing, so the walk itself judges then.
    pub(super) async fn judge_before_opening(
        &self,
        issuer: &Prepared,
        walk: &Walk<'_>,
    ) -> Result<(), Error> {
        if !self.keys.is_open(issuer.row.number) {
            self.walk_dry(walk.clone()).await?;
        }
        Ok(())
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

    /// The certificate that a repeated request got before. `issuer` is 0 for a new root. Where the
    /// request is under way, the process that had it may have ended: what dead processes left is
    /// settled then, in a dry run too, and the request looked up again. That of a live one is left alone.
    pub(super) async fn earlier(
        &self,
        issuer: i64,
        repeatable: Option<&Repeatable>,
    ) -> Result<Option<i64>, Error> {
        let Some(repeatable) = repeatable else { return Ok(None) };
        match self.look_up(issuer, repeatable.clone()).await {
            Err(Error::IdempotencyInProgress { .. }) if self.store.is_writable() => {
                // No more than that: what else is due is for a command that signs the lists for it.
                self.store.abandon_dead(self.now(), self.actor.clone()).await?;
                self.look_up(issuer, repeatable.clone()).await
            }
            found => found,
        }
    }

    async fn look_up(&self, issuer: i64, request: Repeatable) -> Result<Option<i64>, Error> {
        let actor = self.actor.clone();
        let earlier =
            self.store.read(move |c| idempotency::look_up(c, &actor, issuer, &request)).await?;
        Ok(match earlier {
            Earlier::Certificate(number) => Some(number),
            Earlier::Nothing => None,
        })
    }

    /// The certificate of an earlier request, if it is still good.
    pub(super) async fn earlier_row(
        &self,
        number: i64,
        key: Option<&IdempotencyKey>,
    ) -> Result<CertificateRow, Error> {
        let row = self
            .store
            .read(move |connection| certificates::by_number(connection, number))
            .await?
            .ok_or_else(|| Error::UnknownCertificate { name: describe::certificate_id(number) })?;
        match row.status(self.now()) {
            CertificateStatus::Active => Ok(row),
            status => Err(Error::IdempotencyStale {
                key: key.map(|key| key.key.clone()).unwrap_or_default(),
                serial: row.certificate.serial().to_string(),
                status: status.to_string(),
            }),
        }
    }

    /// The answer that a repeated request got before.
    async fn replay(
        &self,
        number: i64,
        leaf: &LeafRequest,
        profile: &Profile,
    ) -> Result<Issuance, Error> {
        let row = self.earlier_row(number, leaf.idempotency.as_ref()).await?;
        let issuer = self.prepare(&row.ca_id).await?;
        let planned = WalkIssuer::Ca(&issuer).planned(profile, row.certificate.not_after());
        // A renewal promises none, even where a rotation of the same certificate did.
        let supersede_at = match leaf.supersede {
            Some(_) => self.supersession_of(&row).await?,
            None => None,
        };
        let info = describe::certificate(&row, self.now());
        let issued = Some(Issued::new(info, row.certificate, issuer.chain.clone()));
        let notes = Vec::new();
        Ok(Issuance { issued, planned, notes, replayed: true, supersede_at, crl_failure: None })
    }

    /// The supersession of a certificate at `due_at`; none of one that has ended, or will have by then.
    async fn supersession(
        &self,
        old: i64,
        due_at: UnixTime,
    ) -> Result<Option<(i64, UnixTime)>, Error> {
        let row = self.store.read(move |c| certificates::by_number(c, old)).await?;
        let stands = |row: CertificateRow| {
            revocations::check_revocable(&row, RevocationReason::Superseded, due_at).is_ok()
        };
        Ok(row.is_some_and(stands).then_some((old, due_at)))
    }

    /// When the certificate that `row` renews will be superseded.
    async fn supersession_of(&self, row: &CertificateRow) -> Result<Option<UnixTime>, Error> {
        let Some(old) = row.renews else { return Ok(None) };
        let old =
            self.store.read(move |connection| certificates::by_number(connection, old)).await?;
        Ok(old.and_then(|old| old.supersede_at))
    }

    /// The profile by role, by name, or by both where they agree.
    pub(super) fn leaf_profile(
        &self,
        role: Option<Role>,
        name: Option<&str>,
    ) -> Result<Profile, Error> {
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

pub(super) fn leaf_role(profile: &Profile) -> CertificateRole {
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

/// All that a request asks for; the profile's version and the key are part of it.
fn repeatable(leaf: &LeafRequest, profile: &Profile) -> Result<Option<Repeatable>, Error> {
    let (superseded, overlap) = leaf.supersede.unwrap_or((0, 0));
    let numbers = [days_of(leaf.validity), leaf.renews.unwrap_or(0), superseded, overlap];
    let numbers = numbers.map(i64::to_be_bytes);
    let subject = leaf.request.subject().to_der();
    let version = profile.version();
    let mut fields: Vec<&[u8]> = vec![
        b"end entity",
        &subject,
        leaf.request.public_key().spki(),
        profile.name().as_bytes(),
        version.as_bytes(),
    ];
    fields.extend(numbers.iter().map(|number| number.as_slice()));
    let sans: Vec<String> = leaf.request.sans().iter().map(ToString::to_string).collect();
    fields.extend(sans.iter().map(|san| san.as_bytes()));
    Repeatable::new(leaf.idempotency.as_ref(), &fields)
}

/// A validity as a field of a repeatable request.
pub(super) const fn days_of(validity: Validity) -> i64 {
    match validity {
        Validity::Default => i64::MIN,
        Validity::Days(days) => days,
    }
}
