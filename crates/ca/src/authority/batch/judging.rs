//! The rows of a slice before anything is signed: what each asks for, the gate and the lint.

use std::io::Write;
use std::sync::{Arc, PoisonError};

use rustmq_pki::key::{Fingerprint, KeyType};
use rustmq_pki::profile::{IssuedBy, Note, Profile, Terms, Validity};
use rustmq_pki::request::CertificateRequest;
use rustmq_pki::role::Role;
use rustmq_pki::serial::{SerialNumber, SerialPrefix};
use rustmq_pki::time::UnixTime;

use super::Job;
use crate::authority::Prepared;
use crate::authority::issuing::{days_of, leaf_role};
use crate::batch::{BatchRow, CheckedRow, RowKey};
use crate::gate::{self, Passed};
use crate::info::CertificateRole;
use crate::parallel::in_parallel;
use crate::permit::Permit;
use crate::request::RenewalKey;
use crate::store::{SliceRow, slices};
use crate::{Error, names};

/// What rows of one role and profile become.
pub(super) struct Shape {
    asked: (Option<Role>, Option<String>),
    profile: Profile,
    name: Arc<str>,
    version: Fingerprint,
    role: CertificateRole,
}

/// What a row asks for, ready for the gate.
struct AskedRow {
    request: CertificateRequest,
    shape: Arc<Shape>,
    validity: Validity,
    renews: Option<i64>,
}

impl AskedRow {
    fn key_hash(&self) -> [u8; 32] {
        *self.request.public_key().fingerprint().as_bytes()
    }

    fn principal(&self) -> String {
        self.request.subject().common_name().unwrap_or_default().to_owned()
    }
}

/// What is the same for each row of a slice.
pub(super) struct SliceTerms {
    pub(super) issuer: Arc<Prepared>,
    pub(super) now: UnixTime,
}

impl Job {
    pub(crate) fn check(&self, row: &BatchRow) -> Result<CheckedRow, Error> {
        let terms = self.present_terms();
        let asked = self.ask(row.clone(), &terms)?;
        let (key_hash, principal) = (asked.key_hash(), asked.principal());
        let Passed { notes, .. } =
            self.pass(asked.request, &asked.shape, asked.validity, &terms)?;
        Ok(CheckedRow { row: row.row, notes, key_hash, principal })
    }

    pub(crate) fn judge(&self, row: BatchRow) -> Result<Vec<Note>, Error> {
        let terms = self.present_terms();
        let AskedRow { request, shape, validity, .. } = self.ask(row, &terms)?;
        Ok(self.pass(request, &shape, validity, &terms)?.notes)
    }

    fn present_terms(&self) -> SliceTerms {
        SliceTerms { issuer: self.issuer(), now: self.authority.now() }
    }

    pub(crate) async fn check_keys(
        &self,
        rows: Vec<CheckedRow>,
    ) -> Result<Vec<(u64, Error)>, Error> {
        let (issuer, now) = (self.issuer(), self.authority.now());
        let (numbers, claims): (Vec<_>, Vec<_>) =
            rows.into_iter().map(|row| (row.row, (row.key_hash, row.principal))).unzip();
        let read =
            self.authority.store.read(move |c| slices::refusals(c, &issuer.row, &claims, now));
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
    fn pass(
        &self,
        request: CertificateRequest,
        shape: &Shape,
        validity: Validity,
        terms: &SliceTerms,
    ) -> Result<Passed, Error> {
        let permit = Permit::local_operator(request, self.authority.actor.clone());
        let terms = Terms {
            issued_by: IssuedBy::Ca(&terms.issuer.ca),
            now: terms.now,
            backdate_seconds: self.authority.backdate_seconds,
            validity,
        };
        gate::pass(permit, &shape.profile, terms)
    }

    fn ask(&self, row: BatchRow, terms: &SliceTerms) -> Result<AskedRow, Error> {
        let validity = row.validity;
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
        Ok(AskedRow { request: request.with_sans(row.sans), shape, validity, renews })
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
        let serials = SerialNumber::generate_many_in(prefix, rows.len())?;
        let rows = in_parallel(rows, move |at, row: BatchRow| {
            let number = row.row;
            let refused = |error| Error::BatchRow { row: number, error: Box::new(error) };
            job.lint_row(row, serials[at], &terms).map_err(refused)
        })
        .await?;
        let mut octets = b"RustMQ PKI slice request 1".to_vec();
        octets.reserve(rows.len() * 32);
        rows.iter().for_each(|row| octets.extend_from_slice(&row.asked));
        Ok((rows, *Fingerprint::of(&octets).as_bytes()))
    }

    fn lint_row(
        &self,
        row: BatchRow,
        serial: SerialNumber,
        terms: &SliceTerms,
    ) -> Result<SliceRow, Error> {
        let number = row.row;
        let asked = self.ask(row, terms)?;
        let (key_hash, principal) = (asked.key_hash(), asked.principal());
        let digest = digest_of(&asked);
        let AskedRow { request, shape, validity, renews } = asked;
        let passed = self.pass(request, &shape, validity, terms)?;
        Ok(SliceRow {
            to_be_signed: passed.linted.to_be_signed(serial),
            asked: digest,
            key_hash,
            role: shape.role,
            principal,
            profile: shape.name.clone(),
            renews,
            row: number,
        })
    }
}

/// All that a row asks for: SHA-256 over each field behind its length.
fn digest_of(asked: &AskedRow) -> [u8; 32] {
    let AskedRow { request, shape, validity, renews } = asked;
    let mut framed = Vec::with_capacity(512);
    let mut field = |octets: &[u8]| {
        framed.extend_from_slice(&(octets.len() as u64).to_be_bytes());
        framed.extend_from_slice(octets);
    };
    field(&request.subject().to_der());
    field(request.public_key().spki());
    field(shape.name.as_bytes());
    field(shape.version.as_bytes());
    field(&days_of(*validity).to_be_bytes());
    field(&renews.unwrap_or(0).to_be_bytes());
    for san in request.sans() {
        let start = framed.len() + 8;
        // Writing to a vector cannot fail.
        _ = write!(framed, "00000000{san}");
        let length = (framed.len() - start) as u64;
        framed[start - 8..start].copy_from_slice(&length.to_be_bytes());
    }
    *Fingerprint::of(&framed).as_bytes()
}
