//! Slices of certificates on the one line.

use std::fmt::Write;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use rustmq_pki::certificate::Certificate;
use rustmq_pki::key::Fingerprint;
use rustmq_pki::lint::Linted;
use rustmq_pki::profile::{IssuedBy, Profile, Terms};
use rustmq_pki::request::CertificateRequest;
use rustmq_pki::role::Role;
use rustmq_pki::serial::{SerialNumber, SerialPrefix};
use rustmq_pki::time::UnixTime;

use super::housekeeping::Swept;
use super::issuing::{days_of, leaf_role};
use super::{Attempt, Authority, Prepared};
use crate::batch::{BatchIssued, BatchRequest, BatchRow, BatchSummary, MOST_SLICE_ROWS, RowKey};
use crate::info::CertificateRole;
use crate::parallel::in_parallel;
use crate::permit::Permit;
use crate::request::{Execution, RenewalKey};
use crate::signing::{self, SigningKey};
use crate::store::slices;
use crate::store::{
    EarlierSlice, IssuerVersion, ReservedSlice, SliceOutcome, SliceRequest, SliceReservation,
    SliceRow, StoredSlice,
};
use crate::{Error, gate, names};

/// How often a slice that is under way is looked at, each time behind what this process has queued:
/// one that was given up a moment ago is told to the store within one or two.
const LOOKS: usize = 10;

/// A batch as the authority carries it out.
pub(crate) struct Job {
    authority: Arc<Authority>,
    request: BatchRequest,
    /// Replaced where another process gave the CA a new certificate.
    issuer: RwLock<Prepared>,
    /// The profiles that rows have asked for so far, read once a job.
    shapes: RwLock<Vec<Arc<Shape>>>,
    key: tokio::sync::OnceCell<SigningKey>,
    swept: Swept,
    crl_due: AtomicBool,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job").field("request", &self.request).finish_non_exhaustive()
    }
}

/// What rows of one role and profile become.
struct Shape {
    asked: (Option<Role>, Option<String>),
    profile: Profile,
    name: Arc<str>,
    version: Fingerprint,
    role: CertificateRole,
}

/// A row that passed the gate and the lint.
struct PassedRow {
    linted: Linted,
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
struct SliceTerms {
    issuer: Prepared,
    now: UnixTime,
}

impl Job {
    pub(crate) async fn open(
        authority: Arc<Authority>,
        request: BatchRequest,
    ) -> Result<Self, Error> {
        if request.job.is_empty() || request.job.chars().count() > 255 {
            return Err(Error::InvalidJob);
        }
        let swept = authority.keep_house_for(request.execution).await?;
        let issuer = authority.prepare(&request.ca).await?;
        let job = Self {
            authority,
            issuer: RwLock::new(issuer),
            shapes: RwLock::default(),
            key: tokio::sync::OnceCell::new(),
            swept,
            crl_due: AtomicBool::new(false),
            request,
        };
        if job.request.role.is_some() || job.request.profile.is_some() {
            job.shape(None, None)?;
        }
        Ok(job)
    }

    fn issuer(&self) -> Prepared {
        self.issuer.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn chain(&self) -> Arc<[Certificate]> {
        self.issuer().chain
    }

    pub(crate) fn ca_id(&self) -> String {
        self.issuer().row.id
    }

    pub(crate) fn check(&self, row: &BatchRow) -> Result<(), Error> {
        let terms = SliceTerms { issuer: self.issuer(), now: self.authority.now() };
        self.pass(row.clone(), &terms).map(drop)
    }

    /// The shape of a row. Its role wins over the batch's, and over the batch's profile.
    fn shape(&self, role: Option<Role>, profile: Option<&str>) -> Result<Arc<Shape>, Error> {
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
        Ok(PassedRow { linted: passed.linted, shape, key_hash, principal, renews, digest })
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

    pub(crate) async fn issue_slice(
        self: &Arc<Self>,
        index: u64,
        rows: Vec<BatchRow>,
    ) -> Result<Vec<BatchIssued>, Error> {
        let attempt =
            Attempt { action: "certificate.issue", ca: Some(self.ca_id()), ..Attempt::default() };
        let execution = self.request.execution;
        let issued = self.authority.audited(attempt, execution, self.attempt(index, rows)).await;
        if matches!(issued, Err(Error::CaChanged { .. })) {
            // The next attempt sees the CA as it is now.
            self.authority.forget_prepared();
            let issuer = self.authority.prepare(&self.ca_id()).await?;
            *self.issuer.write().unwrap_or_else(PoisonError::into_inner) = issuer;
        }
        issued
    }

    async fn attempt(
        self: &Arc<Self>,
        index: u64,
        rows: Vec<BatchRow>,
    ) -> Result<Vec<BatchIssued>, Error> {
        if rows.is_empty() || rows.len() > MOST_SLICE_ROWS {
            return Err(Error::SliceSize { rows: rows.len(), most: MOST_SLICE_ROWS });
        }
        let ordinal = i64::try_from(index).unwrap_or(i64::MAX);
        let (now, issuer) = (self.authority.now(), self.issuer());
        let row_numbers = slices::pack_row_numbers(rows.iter().map(|row| row.row));
        // A dry run belongs to no job.
        let earlier = match self.request.execution {
            Execution::DryRun => EarlierSlice::Nothing,
            Execution::Commit => self.earlier(ordinal).await?,
        };
        let prefix = self.free_prefix().await?;
        let terms = Arc::new(SliceTerms { issuer: issuer.clone(), now });
        let (rows, digest) = self.lint_rows(rows, terms, prefix).await?;
        if let EarlierSlice::Complete(stored) = earlier {
            return self.replay(stored, &digest, ordinal, row_numbers).await;
        }
        if self.request.execution == Execution::DryRun {
            self.check_keys(&issuer, rows, now).await?;
            return Ok(Vec::new());
        }
        let request = SliceRequest {
            job: self.request.job.clone(),
            ordinal,
            digest,
            row_numbers: row_numbers.clone(),
        };
        let reservation = SliceReservation {
            rows,
            prefix,
            issuer: IssuerVersion {
                number: issuer.row.number,
                certificate: issuer.row.certificate,
            },
            request,
            now,
            actor: self.authority.actor.clone(),
        };
        // The key first: a wrong passphrase leaves nothing behind.
        let key = self.key.get_or_try_init(|| self.authority.key_of(&issuer)).await?;
        match self.authority.store.reserve_slice(reservation).await? {
            SliceOutcome::Reserved(reserved) => self.sign_and_complete(*reserved, key).await,
            SliceOutcome::Replayed(stored) => {
                self.replay(stored, &digest, ordinal, row_numbers).await
            }
        }
    }

    async fn sign_and_complete(
        &self,
        reserved: ReservedSlice,
        key: &SigningKey,
    ) -> Result<Vec<BatchIssued>, Error> {
        let signed = signing::sign_slice(reserved, key).await?;
        let (now, actor) = (self.authority.now(), self.authority.actor.clone());
        let completed = self.authority.store.complete_slice(signed, now, actor).await?;
        if completed.crl_due {
            self.crl_due.store(true, Ordering::Relaxed);
        }
        let rows = (completed.first..).zip(completed.rows);
        Ok(rows
            .map(|(number, signed)| BatchIssued {
                row: signed.row,
                number,
                certificate: signed.certificate,
                replayed: false,
            })
            .collect())
    }

    /// Every row through the gate and the lint, and as the bytes that will be signed.
    async fn lint_rows(
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

    /// What became of the slice before. One that is under way is looked at again once what dead
    /// processes left is abandoned, and what this one has queued is written.
    async fn earlier(&self, ordinal: i64) -> Result<EarlierSlice, Error> {
        let authority = &self.authority;
        let found = authority.store.read(self.look_up(ordinal)).await?;
        if found != EarlierSlice::UnderWay || !authority.store.is_writable() {
            return Ok(found);
        }
        authority.sweep(authority.now()).await?;
        for _ in 0..LOOKS {
            let found = authority.store.write(self.look_up(ordinal)).await?;
            if found != EarlierSlice::UnderWay {
                return Ok(found);
            }
        }
        Err(Error::IdempotencyInProgress { key: slices::name(&self.request.job, ordinal) })
    }

    fn look_up(
        &self,
        ordinal: i64,
    ) -> impl FnOnce(&rusqlite::Connection) -> Result<EarlierSlice, crate::store::Fault> + Send + 'static
    {
        let (actor, ca) = (self.authority.actor.clone(), self.issuer().row.number);
        let job = self.request.job.clone();
        move |connection| slices::look_up(connection, &actor, ca, &job, ordinal)
    }

    /// A prefix that no serial number of the store has.
    async fn free_prefix(&self) -> Result<SerialPrefix, Error> {
        loop {
            let prefix = SerialPrefix::generate()?;
            if self.authority.store.read(move |c| slices::is_free(c, prefix)).await? {
                return Ok(prefix);
            }
        }
    }

    async fn check_keys(
        &self,
        issuer: &Prepared,
        rows: Vec<SliceRow>,
        now: UnixTime,
    ) -> Result<(), Error> {
        let issuer = issuer.row.clone();
        self.authority
            .store
            .read(move |connection| slices::check(connection, &issuer, &rows, now))
            .await
    }

    async fn replay(
        &self,
        stored: StoredSlice,
        digest: &[u8; 32],
        ordinal: i64,
        row_numbers: Vec<u8>,
    ) -> Result<Vec<BatchIssued>, Error> {
        if stored.digest != digest {
            let key = slices::name(&self.request.job, ordinal);
            return Err(Error::IdempotencyMismatch { key });
        }
        // The rows as they are called now.
        self.stored(StoredSlice { row_numbers, ..stored }).await
    }

    async fn stored(&self, stored: StoredSlice) -> Result<Vec<BatchIssued>, Error> {
        let found = stored.clone();
        let rows = self.authority.store.read(move |c| slices::certificates_of(c, &found)).await?;
        let numbers = slices::unpack_row_numbers(&stored.row_numbers);
        Ok(numbers
            .zip(rows)
            .map(|(row, found)| BatchIssued {
                row,
                number: found.number,
                certificate: found.certificate,
                replayed: true,
            })
            .collect())
    }

    pub(crate) async fn issued_slice(&self, index: u64) -> Result<Option<Vec<BatchIssued>>, Error> {
        let ordinal = i64::try_from(index).unwrap_or(i64::MAX);
        match self.authority.store.read(self.look_up(ordinal)).await? {
            EarlierSlice::Complete(stored) => self.stored(stored).await.map(Some),
            EarlierSlice::Nothing | EarlierSlice::UnderWay => Ok(None),
        }
    }

    pub(crate) async fn finish(&self) -> Result<BatchSummary, Error> {
        let crl = match self.crl_due.load(Ordering::Relaxed) {
            true => Some(self.authority.sign_crl(&self.issuer()).await?),
            false => None,
        };
        if crl.is_some() || self.swept == Swept::Something {
            self.authority.publish_outdated().await?;
        }
        Ok(BatchSummary { crl })
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
