//! Batches: many certificates of one CA, slice by slice.
//!
//! A job is cut into slices. A slice is issued whole: one transaction reserves all of its serial
//! numbers, its rows are signed on all cores, and one transaction completes it. Asked for again with
//! the same rows, a slice gives the certificates that it got before, from the store; so a job that was
//! killed anywhere is taken up again by asking for its slices in order. A slice whose process died
//! between the two transactions is abandoned like a single certificate: its serial numbers are listed,
//! audited and on the next CRL, and its rows may be issued again, with the same keys.

mod stream;

use std::sync::Arc;

use rustmq_pki::certificate::Certificate;
use rustmq_pki::crl::RevocationReason;
use rustmq_pki::key::{KeyType, PublicKey};
use rustmq_pki::name::{Principal, SubjectAltName};
use rustmq_pki::profile::{Note, Validity};
use rustmq_pki::role::Role;
use rustmq_pki::time::UnixTime;

use crate::Error;
use crate::authority::Authority;
use crate::authority::batch::Job;
use crate::info::{CertificateRole, CertificateStatus};
use crate::outcome::CrlPublication;
use crate::request::{Execution, ListFilter, RenewalKey};

pub use stream::BatchStream;

/// How many rows a slice has where nobody says: two commits cost little then, and a slice that has to
/// be issued again is a tenth of a second's work.
pub const SLICE_ROWS: usize = 4096;

/// The most rows of a slice: each takes some 2 kB of memory on its way.
pub const MOST_SLICE_ROWS: usize = 65_536;

/// What the rows of a batch have in common.
#[derive(Clone, Debug)]
pub struct BatchRequest {
    /// The issuing CA: id, common name or fingerprint prefix.
    pub ca: String,
    /// The role of rows that state none.
    pub role: Option<Role>,
    /// The profile of rows that state neither a profile nor a role.
    pub profile: Option<String>,
    /// 1 to 255 characters that stay the same when the job is taken up again. Slices are scoped by
    /// actor, CA and job.
    pub job: String,
    /// Carry it out or only judge it.
    pub execution: Execution,
}

/// One certificate that is asked for.
#[derive(Clone, Debug)]
pub struct BatchRow {
    /// The caller's number of the row: it comes back with the certificate and in errors.
    pub row: u64,
    /// Whom it names. None for a certificate request, whose common name it takes then, and for a
    /// renewal, which keeps its subject.
    pub principal: Option<Principal>,
    /// The role; none takes the batch's.
    pub role: Option<Role>,
    /// The profile; none takes that of the row's role, or the batch's.
    pub profile: Option<String>,
    /// What it may be called besides. A renewal keeps its names, and these are added.
    pub sans: Vec<SubjectAltName>,
    /// How long.
    pub validity: Validity,
    /// The key, and what proves that its holder asks.
    pub subject: RowKey,
}

/// The key of a row.
#[derive(Clone, Debug)]
pub enum RowKey {
    /// The public half of a key that the caller holds.
    PublicKey(PublicKey),
    /// A PKCS#10 request, PEM or DER.
    Csr(Vec<u8>),
    /// A new certificate with the subject and names of an old one of the same CA, which stays as it
    /// is. Without a role or profile of its own the row keeps the old certificate's profile.
    Renews {
        /// The old certificate: id or serial number.
        certificate: String,
        /// The key of the new one.
        key: RenewalKey,
    },
}

/// A row that passed the gate and the lint.
#[derive(Clone, Debug)]
pub struct CheckedRow {
    pub(crate) row: u64,
    pub(crate) notes: Vec<Note>,
    pub(crate) key_hash: [u8; 32],
    pub(crate) principal: String,
}

impl CheckedRow {
    /// The caller's number of the row.
    pub fn row(&self) -> u64 {
        self.row
    }

    /// What its requester should know of the certificate.
    pub fn notes(&self) -> &[Note] {
        &self.notes
    }
}

/// A certificate of a batch. It is durable and audited.
#[derive(Clone, Debug)]
pub struct BatchIssued {
    /// The caller's number of the row.
    pub row: u64,
    /// The number in its id: 17 for `cert-17`. Those of a slice follow each other.
    pub number: i64,
    /// Whom it names.
    pub principal: String,
    /// What it is for.
    pub role: CertificateRole,
    /// The certificate. Its chain is the batch's.
    pub certificate: Certificate,
    /// Whether it was issued by an earlier request for the same slice.
    pub replayed: bool,
    /// What became of it since: one that is issued now is active.
    pub status: CertificateStatus,
}

/// Asks to revoke many certificates, or to put them on hold.
#[derive(Clone, Debug)]
pub struct BatchRevokeRequest {
    /// Which. Certificates of CAs are left out.
    pub which: Selection,
    /// Why; certificateHold can be released.
    pub reason: RevocationReason,
    /// Since when the keys are in doubt (RFC 5280 5.3.2).
    pub invalidity_date: Option<UnixTime>,
    /// Carry it out or only judge it.
    pub execution: Execution,
}

/// Certificates of end entities.
#[derive(Clone, Debug)]
pub enum Selection {
    /// Those that a filter lets through.
    Filter(ListFilter),
    /// These: ids or serial numbers. One that is not there refuses all.
    Certificates(Vec<String>),
    /// All that a CA issued: id, common name or fingerprint prefix.
    Ca(String),
}

/// What became of a batch of revocations.
#[derive(Debug, Default)]
pub struct BatchRevocation {
    /// Revoked or put on hold now (in a dry run: that would be).
    pub revoked: u64,
    /// Left as they are: revoked before, or on hold where a hold is asked for.
    pub already_revoked: u64,
    /// Left as they are: their validity is over.
    pub expired: u64,
    /// The CRLs that say so, one a CA; none in a dry run.
    pub crls: Vec<CrlPublication>,
    /// Why another CA's CRL, which was due too, was not signed.
    pub crl_failure: Option<Error>,
}

/// What there is to say at the end of a batch.
#[derive(Debug)]
pub struct BatchSummary {
    /// The CRL of the issuing CA, where one was due.
    pub crl: Option<CrlPublication>,
    /// Why another CA's CRL, which was due too, was not signed.
    pub crl_failure: Option<Error>,
}

/// An opened batch; cheap to clone. Slices may be asked for one after the other or several at a time.
#[derive(Clone, Debug)]
pub struct Batch {
    job: Arc<Job>,
}

impl Batch {
    pub(crate) async fn open(
        authority: Arc<Authority>,
        request: BatchRequest,
    ) -> Result<Self, Error> {
        Ok(Self { job: Arc::new(Job::open(authority, request).await?) })
    }

    /// The gate and the lint for one row; nothing is signed or written. Costs a microsecond or two (a
    /// certificate request: the verification of its signature; a renewal: a look-up of the old
    /// certificate), and may be called from many threads. Whether its key may be certified for its
    /// principal is judged by [`Self::check_keys`], and again when the slice is issued.
    pub fn check(&self, row: &BatchRow) -> Result<CheckedRow, Error> {
        self.job.check(row)
    }

    /// [`Self::check`] for a row whose key is made when it is issued, so that the store has nothing to
    /// say of it: its notes alone. The row has a key of the same type.
    pub fn judge(&self, row: BatchRow) -> Result<Vec<Note>, Error> {
        self.job.judge(row)
    }

    /// Whether the CA may issue, and what the store has against the keys of these rows: each row that
    /// is refused, and why. Costs one pass over the rows, however many are refused.
    pub async fn check_keys(
        &self,
        rows: impl IntoIterator<Item = CheckedRow>,
    ) -> Result<Vec<(u64, Error)>, Error> {
        self.job.check_keys(rows.into_iter().collect()).await
    }

    /// The type of the key that a certificate which is to be renewed has: id or serial number. It is
    /// looked up on this thread.
    pub fn key_type_of(&self, certificate: &str) -> Result<KeyType, Error> {
        self.job.key_type_of(certificate)
    }

    /// Issues a slice, or gives back what it got before: all of its rows, in their order, or none. A
    /// dry run goes through every check and gives nothing.
    ///
    /// A row that is refused is told by [`Error::BatchRow`]; other rows than before under the same
    /// job and index are refused ([`Error::IdempotencyMismatch`]). Dropping the future leaves the
    /// slice complete or abandoned.
    pub async fn issue_slice(
        &self,
        index: u64,
        rows: Vec<BatchRow>,
    ) -> Result<Vec<BatchIssued>, Error> {
        self.job.issue_slice(index, rows).await
    }

    /// The certificates of a slice that is complete, with the row numbers that they were asked for
    /// under; `None` for one that is not.
    pub async fn issued_slice(&self, index: u64) -> Result<Option<Vec<BatchIssued>>, Error> {
        self.job.issued_slice(index).await
    }

    /// The row numbers that a complete slice was asked for under; `None` for one that is not complete.
    pub async fn issued_rows(&self, index: u64) -> Result<Option<Vec<u64>>, Error> {
        self.job.issued_rows(index).await
    }

    /// The CAs above every certificate of the batch: the issuing one first, the root last.
    pub fn chain(&self) -> Arc<[Certificate]> {
        self.job.chain()
    }

    /// The id of the issuing CA.
    pub fn ca_id(&self) -> String {
        self.job.ca_id()
    }

    /// Ends the batch: signs the CRLs that are due. Certificates are durable without it.
    pub async fn finish(self) -> Result<BatchSummary, Error> {
        self.job.finish().await
    }
}
