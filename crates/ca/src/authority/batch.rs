//! Slices of certificates on the one line.

mod judging;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use rustmq_pki::certificate::Certificate;
use rustmq_pki::serial::SerialPrefix;
use rustmq_pki::time::UnixTime;

use super::housekeeping::Swept;
use super::{Attempt, Authority, Prepared};
use crate::Error;
use crate::batch::{BatchIssued, BatchRequest, BatchRow, BatchSummary, MOST_SLICE_ROWS};
use crate::info::CertificateStatus;
use crate::request::Execution;
use crate::signing::{self, SigningKey};
use crate::store::{
    EarlierSlice, IssuerVersion, ReservedSlice, SliceOutcome, SliceRequest, SliceReservation,
    SliceRow, StoredSlice, crls, slices, stored_slices,
};
use judging::{Shape, SliceTerms};

/// How often a slice that is under way is looked at, each time behind what this process has queued:
/// one that was given up a moment ago is told to the store within one or two.
const LOOKS: usize = 10;

/// A batch as the authority carries it out.
pub(crate) struct Job {
    authority: Arc<Authority>,
    request: BatchRequest,
    /// Replaced where another process gave the CA a new certificate.
    issuer: RwLock<Arc<Prepared>>,
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
            issuer: RwLock::new(Arc::new(issuer)),
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

    fn issuer(&self) -> Arc<Prepared> {
        self.issuer.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn chain(&self) -> Arc<[Certificate]> {
        self.issuer().chain.clone()
    }

    pub(crate) fn ca_id(&self) -> String {
        self.issuer().row.id.clone()
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
            *self.issuer.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(issuer);
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
        let row_numbers = stored_slices::pack_row_numbers(rows.iter().map(|row| row.row));
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
            self.check_slice(&issuer, rows, now).await?;
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
                principal: signed.principal,
                role: signed.role,
                certificate: signed.certificate,
                replayed: false,
                status: CertificateStatus::Active,
            })
            .collect())
    }

    /// What became of the slice before. One that is under way is looked at again once what dead
    /// processes left is abandoned, and what this one has queued is written.
    async fn earlier(&self, ordinal: i64) -> Result<EarlierSlice, Error> {
        let authority = &self.authority;
        let found = authority.store.read(self.look_up(ordinal)).await?;
        if found != EarlierSlice::UnderWay || !authority.store.is_writable() {
            return Ok(found);
        }
        authority.store.abandon_dead(authority.now(), authority.actor.clone()).await?;
        for _ in 0..LOOKS {
            let found = authority.store.write(self.look_up(ordinal)).await?;
            if found != EarlierSlice::UnderWay {
                return Ok(found);
            }
        }
        Err(Error::IdempotencyInProgress { key: stored_slices::name(&self.request.job, ordinal) })
    }

    fn look_up(
        &self,
        ordinal: i64,
    ) -> impl FnOnce(&rusqlite::Connection) -> Result<EarlierSlice, crate::store::Fault> + Send + 'static
    {
        let (actor, ca) = (self.authority.actor.clone(), self.issuer().row.number);
        let job = self.request.job.clone();
        move |connection| stored_slices::look_up(connection, &actor, ca, &job, ordinal)
    }

    /// A prefix that no serial number of the store has.
    async fn free_prefix(&self) -> Result<SerialPrefix, Error> {
        loop {
            let prefix = SerialPrefix::generate()?;
            if self.authority.store.read(move |c| stored_slices::is_free(c, prefix)).await? {
                return Ok(prefix);
            }
        }
    }

    async fn check_slice(
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
            let key = stored_slices::name(&self.request.job, ordinal);
            return Err(Error::IdempotencyMismatch { key });
        }
        // The rows as they are called now.
        self.stored(StoredSlice { row_numbers, ..stored }).await
    }

    async fn stored(&self, stored: StoredSlice) -> Result<Vec<BatchIssued>, Error> {
        let found = stored.clone();
        let rows =
            self.authority.store.read(move |c| stored_slices::certificates_of(c, &found)).await?;
        let numbers = stored_slices::unpack_row_numbers(&stored.row_numbers);
        let now = self.authority.now();
        Ok(numbers
            .zip(rows)
            .map(|(row, found)| BatchIssued {
                row,
                number: found.number,
                status: found.status(now),
                principal: found.principal,
                role: found.role,
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

    pub(crate) async fn issued_rows(&self, index: u64) -> Result<Option<Vec<u64>>, Error> {
        let ordinal = i64::try_from(index).unwrap_or(i64::MAX);
        Ok(match self.authority.store.read(self.look_up(ordinal)).await? {
            EarlierSlice::Complete(stored) => {
                Some(stored_slices::unpack_row_numbers(&stored.row_numbers).collect())
            }
            EarlierSlice::Nothing | EarlierSlice::UnderWay => None,
        })
    }

    /// A batch whose slices were all complete before has not been told so by the last of them.
    async fn is_crl_half_over(&self) -> Result<bool, Error> {
        if self.request.execution == Execution::DryRun {
            return Ok(false);
        }
        let (authority, now) = (self.issuer().row.number, self.authority.now());
        self.authority.store.read(move |c| crls::is_half_over(c, authority, now)).await
    }

    pub(crate) async fn finish(&self) -> Result<BatchSummary, Error> {
        let crl = match self.crl_due.load(Ordering::Relaxed) || self.is_crl_half_over().await? {
            true => Some(self.authority.sign_crl(&self.issuer()).await?),
            false => None,
        };
        let crl_failure = match crl.is_some() || self.swept == Swept::Something {
            true => self.authority.publish_outdated().await.err(),
            false => None,
        };
        Ok(BatchSummary { crl, crl_failure })
    }
}
