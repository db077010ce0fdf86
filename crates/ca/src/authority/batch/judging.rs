//! The rows of a slice before anything is signed: what each asks for, the gate and the lint.

use std::fmt::Write;
use std::sync::{Arc, PoisonError};

use rustmq_pki::key::{Fingerprint, KeyType};
use rustmq_pki::lint::Linted;
use rustmq_pki::profile::{IssuedBy, Note, Profile, Terms};
use rustmq_pki::request::CertificateRequest;
use rustmq_pki::role::Role;
use rustmq_pki::serial::{SerialNumber, SerialPrefix};
use rustmq_pki::time::UnixTime;

use super::Job;
use crate::authority::Prepared;
use crate::authority::issuing::{days_of, leaf_role};
use crate::batch::{BatchRow, CheckedRow, RowKey};
use crate::info::CertificateRole;
use crate::parallel::in_parallel;
use crate::permit::Permit;
use crate::request::RenewalKey;
use crate::store::{SliceRow, slices};
use crate::{Error, gate, names};

/// What rows of one role and profile become.
pub(super) struct Shape {
    asked: (Option<Role>, Option<String>),
    profile: Profile,
    name: Arc<str>,
    version: Fingerprint,
    role: CertificateRole,
}

/// A row that passed the gate and the lint.
struct PassedRow {
    linted: Linted,
    notes: Vec<Note>,
    shape: Arc<Shape>,
    key_hash: [u8; 32],
    principal: String,
    renews: Option<i64>,
    /// SHA-256 of all that it asks for.
    digest: [u8; 32],
}

/// What a row asks for, ready for the gate.
struct AskedRow {
    request: CertificateRequest,
    shape: Arc<Shape>,
    renews: Option<i64>,
}

/// What is the same for each row of a slice.
pub(super) struct SliceTerms {
    pub(super) issuer: Prepared,
    pub(super) now: UnixTime,
}

impl Job {
    pub(crate) fn check(&self, row: &BatchRow) -> Result<CheckedRow, Error> {
        let terms = SliceTerms { issuer: self.issuer(), now: self.authority.now() };
        let PassedRow { notes, key_hash, principal, .. } = self.pass(row.clone(), &terms)?;
        Ok(CheckedRow { row: row.row, notes, key_hash, principal })
    }

    pub(crate) async fn check_keys(
        &self,
        rows: Vec<CheckedRow>,
    ) -> Result<Vec<(u64, Error)>, Error> {
        let (issuer, now) = (self.issuer().row, self.authority.now());
        let (numbers, claims): (Vec<_>, Vec<_>) =
            rows.into_iter().map(|row| (row.row, (row.key_hash, row.principal))).unzip();
        let read = self.authority.store.read(move |c| slices::refusals(c, &issuer, &claims, now));
        Ok(read.await?.into_iter().map(|(at, error)| (numbers[at], *error)).collect())
    }

    pub(crate) fn key_type_of(&self, certificate: &str) -> Result<KeyType, Error> {
        let old = self.authority.store.read_now(|c| names::find_end_entity(c, certificate))?;
        Ok(old.certificate.public_key()?.key_type())
    }

    /// The shape of a row. Its role wins over the batch's, and over the batch's profile.
    pub(super) fn shape(
        &self,
        role: Option<Role>,
        profile: Option<&str>,
    ) -> Result<Arc<Shape>, Error> {
        let known = self.shapes.read().unwrap_or_else(PoisonError::into_inner);
        let is_it =
            |shape: &&Arc<Shape>| shape.asked.0 == role && shape.asked.1.as_deref() == profile;
        if let Some(shape) = known.iter().find(is_it) {
            return Ok(shape.clone());
        }
        drop(known);
        let found = match (role, profile) {
            (None, None) => {
                self.authority.leaf_profile(self.request.role, self.request.profile.as_deref())?
            }
            (role, profile) => self.authority.leaf_profile(role, profile)?,
        };
        let shape = Arc::new(Shape {
            asked: (role, profile.map(str::to_owned)),
            name: found.name().into(),
            version: found.version(),
            role: leaf_role(&found),
            profile: found,
        });
        self.shapes.write().unwrap_or_else(PoisonError::into_inner).push(shape.clone());
        Ok(shape)
    }

    /// Permit -> Admitted -> Linted.
    fn pass(&self, row: BatchRow, terms: &SliceTerms) -> Result<PassedRow, Error> {
        let validity = row.validity;
        let AskedRow { request, shape, renews } = self.ask(row, terms)?;
        let digest = digest_of(&request, &shape, days_of(validity), renews);
        let key_hash = *request.public_key().fingerprint().as_bytes();
        let principal = request.subject().common_name().unwrap_or_default().to_owned();
        let permit = Permit::local_operator(request, self.authority.actor.clone());
        let terms = Terms {
            issued_by: IssuedBy::Ca(&terms.issuer.ca),
            now: terms.now,
            backdate_seconds: self.authority.backdate_seconds,
            validity,
        };
        let passed = gate::pass(permit, &shape.profile, terms)?;
        Ok(PassedRow {
            linted: passed.linted,
            notes: passed.notes,
            shape,
            key_hash,
            principal,
            renews,
            digest,
        })
    }

    fn ask(&self, row: BatchRow, terms: &SliceTerms) -> Result<AskedRow, Error> {
        let shape = || self.shape(row.role, row.profile.as_deref());
        let (request, shape, renews) = match row.subject {
            RowKey::PublicKey(key) => {
                let principal = row.principal.ok_or(Error::NoPrincipal)?;
                (CertificateRequest::for_principal(principal, key), shape()?, None)
            }
            RowKey::Csr(csr) => {
                let request = CertificateRequest::from_pkcs10_bytes(&csr, row.principal)?;
                (request, shape()?, None)
            }
            RowKey::Renews { certificate, key } => {
                self.renewal(&certificate, key, (row.role, row.profile.as_deref()), terms)?
            }
        };
        Ok(AskedRow { request: request.with_sans(row.sans), shape, renews })
    }

    fn renewal(
        &self,
        name: &str,
        key: RenewalKey,
        (role, profile): (Option<Role>, Option<&str>),
        terms: &SliceTerms,
    ) -> Result<(CertificateRequest, Arc<Shape>, Option<i64>), Error> {
        let old = self.authority.store.read_now(|c| names::find_end_entity(c, name))?;
        let serial = || old.certificate.serial().to_string();
        let issuer = &terms.issuer;
        if old.authority != issuer.row.number {
            let (issued_by, ca) = (old.ca_id.clone(), issuer.row.id.clone());
            return Err(Error::IssuedByAnother { serial: serial(), issued_by, ca });
        }
        let public_key = match key {
            RenewalKey::New(key) => key,
            RenewalKey::Same => old.certificate.public_key()?,
        };
        let domain = issuer.ca.trust_domain();
        let request = CertificateRequest::renewing(&old.certificate, public_key, domain)
            .ok_or_else(|| Error::NotRenewable { serial: serial() })?;
        let shape = match (role, profile) {
            (None, None) => self.shape(None, Some(&old.profile))?,
            (role, profile) => self.shape(role, profile)?,
        };
        Ok((request, shape, Some(old.number)))
    }

    /// Every row through the gate and the lint, and as the bytes that will be signed.
    pub(super) async fn lint_rows(
        self: &Arc<Self>,
        rows: Vec<BatchRow>,
        terms: Arc<SliceTerms>,
        prefix: SerialPrefix,
    ) -> Result<(Vec<SliceRow>, [u8; 32]), Error> {
        let job = self.clone();
        let passed = in_parallel(rows, move |row| {
            let number = row.row;
            let refused = |error| Error::BatchRow { row: number, error: Box::new(error) };
            let passed = job.pass(row, &terms).map_err(refused)?;
            let to_be_signed = passed.linted.to_be_signed(SerialNumber::generate_in(prefix)?);
            let row = SliceRow {
                digest: to_be_signed.digest(),
                to_be_signed,
                key_hash: passed.key_hash,
                role: passed.shape.role,
                principal: passed.principal,
                profile: passed.shape.name.clone(),
                renews: passed.renews,
                row: number,
            };
            Ok((row, passed.digest))
        })
        .await?;
        let mut octets = b"RustMQ PKI slice request 1".to_vec();
        let mut rows = Vec::with_capacity(passed.len());
        for (row, digest) in passed {
            octets.extend_from_slice(&digest);
            rows.push(row);
        }
        Ok((rows, *Fingerprint::of(&octets).as_bytes()))
    }
}

/// All that a row asks for: SHA-256 over each field behind its length.
fn digest_of(
    request: &CertificateRequest,
    shape: &Shape,
    days: i64,
    renews: Option<i64>,
) -> [u8; 32] {
    let mut framed = Vec::with_capacity(384);
    let mut field = |octets: &[u8]| {
        framed.extend_from_slice(&(octets.len() as u64).to_be_bytes());
        framed.extend_from_slice(octets);
    };
    field(&request.subject().to_der());
    field(request.public_key().spki());
    field(shape.name.as_bytes());
    field(shape.version.as_bytes());
    field(&days.to_be_bytes());
    field(&renews.unwrap_or(0).to_be_bytes());
    let mut text = String::new();
    for san in request.sans() {
        text.clear();
        // Writing to a String cannot fail.
        _ = write!(text, "{san}");
        field(text.as_bytes());
    }
    *Fingerprint::of(&framed).as_bytes()
}
