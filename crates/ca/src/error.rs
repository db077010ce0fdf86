//! Every way in which the authority says no.

use std::path::PathBuf;

use rustmq_pki::issuer::{BaseUrlError, IssueError, IssuingCaError};
use rustmq_pki::key::KeyError;
use rustmq_pki::lint::LintError;
use rustmq_pki::name::DistinguishedNameError;
use rustmq_pki::profile::{ProfileError, Refusal};
use rustmq_pki::request::RequestError;
use rustmq_pki::serial::SerialError;
use rustmq_pki::time::UnixTime;

use crate::backup::BackupError;
use crate::checkpoint::CheckpointError;
use crate::info::RevokedCa;
use crate::passphrase::PassphraseError;

/// Why an operation was not carried out. Nothing was written but the audit record of the refusal.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    // The data directory.
    /// There is no data directory at the path, and the operation does not make one.
    #[error("there is no authority in {}: no CA was ever created there", path.display())]
    MissingDataDirectory {
        /// The data directory.
        path: PathBuf,
    },
    /// The data directory may not be searched by this user, or the store in it not be read.
    #[error("{} cannot be read by this user: whether an authority is there is not known", path.display())]
    UnreadableDataDirectory {
        /// The data directory or the store's file.
        path: PathBuf,
    },
    /// The store's file has no content.
    #[error(
        "the store {} is empty: making it was interrupted, or what it held was lost", path.display()
    )]
    EmptyStore {
        /// The store's file.
        path: PathBuf,
    },
    /// The data directory or a file in it cannot be written.
    #[error("{} cannot be written: the data directory is read-only for this user", path.display())]
    ReadOnlyDataDirectory {
        /// The data directory, or the file in it.
        path: PathBuf,
    },
    /// The file system holds no more.
    #[error("{} cannot be written: the file system of the data directory is full", path.display())]
    DataDirectoryFull {
        /// The data directory, or the file in it.
        path: PathBuf,
    },
    /// Locks or fsync mean nothing there.
    #[error(
        "the data directory {} lies on {file_system}, where file locks and fsync do not hold; \
         put it on a local file system", path.display()
    )]
    NetworkFileSystem {
        /// The data directory.
        path: PathBuf,
        /// NFS, SMB, AFS or Ceph.
        file_system: &'static str,
    },
    /// The store's file is damaged or no database at all.
    #[error("the store {} is damaged: {detail}", path.display())]
    CorruptStore {
        /// The store's file.
        path: PathBuf,
        /// What was found.
        detail: String,
    },
    /// Another program's database.
    #[error("{} is a database of another program", path.display())]
    ForeignStore {
        /// The store's file.
        path: PathBuf,
    },
    /// A later version of this program wrote the store.
    #[error(
        "the store {} has schema version {found}, and this program knows versions up to \
         {supported}; use the newer program", path.display()
    )]
    NewerStore {
        /// The store's file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The newest that this program knows.
        supported: i64,
    },
    /// Another process held the store for longer than the busy timeout.
    #[error("another process kept the store {} locked for {seconds} seconds", path.display())]
    StoreBusy {
        /// The store's file.
        path: PathBuf,
        /// How long was waited.
        seconds: u64,
    },
    /// The operation writes, and the store was opened for reading.
    #[error("the store was opened for reading only")]
    OpenedForReading,
    /// The operating system refused a file operation.
    #[error("{}: {error}", path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// What it said.
        error: std::io::Error,
    },
    /// The database refused in a way that has no better name.
    #[error("the store {} failed: {detail}", path.display())]
    Store {
        /// The store's file.
        path: PathBuf,
        /// What the database said.
        detail: String,
    },
    /// The thread that writes has ended, or the process is shutting down.
    #[error("the store is closed")]
    StoreClosed,

    // CAs.
    /// The store holds no CA at all.
    #[error("there is no CA yet")]
    NoCa,
    /// No CA has this id, common name or fingerprint.
    #[error("no CA is called {name:?}")]
    UnknownCa {
        /// As the user wrote it.
        name: String,
        /// The CAs whose names are nearest, best first, at most three.
        nearest: Vec<CaName>,
    },
    /// A common name or a fingerprint prefix of several CAs.
    #[error("{name:?} may be any of {} CAs; name one by its id", candidates.len())]
    AmbiguousCa {
        /// As the user wrote it.
        name: String,
        /// Those that it may be.
        candidates: Vec<CaName>,
    },
    /// The id is in use; ids are never used again.
    #[error("the CA id {id:?} is taken")]
    CaIdTaken {
        /// The id asked for.
        id: String,
    },
    /// The id has characters or a length that an id cannot have.
    #[error(
        "{id:?} is no CA id: 1 to 64 characters of a-z, 0-9, '_' and '-', starting with a letter"
    )]
    InvalidCaId {
        /// The id asked for.
        id: String,
    },
    /// The CA was retired: it signs CRLs and nothing else.
    #[error("{ca} is retired: it issues no more certificates, and its CRLs go on")]
    CaRetired {
        /// The CA's id.
        ca: String,
    },
    /// The CA has not signed a CRL yet.
    #[error("{ca} has no CRL yet")]
    NoCrl {
        /// The CA's id.
        ca: String,
    },
    /// The CA, or one above it, is revoked or on hold.
    #[error("{ca} may not issue: the certificate of {revoked} is revoked or on hold")]
    CaRevoked {
        /// The CA asked to issue.
        ca: String,
        /// It, or the CA above it that is revoked.
        revoked: String,
    },
    /// The CA, or one above it, is revoked or on hold: nobody should believe what it vouches for.
    #[error("{ca} signs no backups and no checkpoints any more: {revoked}")]
    SignerRevoked {
        /// The CA asked to sign.
        ca: String,
        /// It, or the CA above it that is revoked.
        revoked: Box<RevokedCa>,
        /// The CAs that may sign.
        others: Vec<String>,
    },
    /// The CA's certificate, or one above it, has run out.
    #[error("{ca} may not issue: the certificate of {expired} ended at {not_after}")]
    CaExpired {
        /// The CA asked to issue.
        ca: String,
        /// It, or the CA above it that ended.
        expired: String,
        /// When.
        not_after: UnixTime,
    },
    /// A root stands on no CRL but its own, which nobody may believe afterwards.
    #[error("{ca} is a root: no CRL can revoke it")]
    RootCannotBeRevoked {
        /// The root's id.
        ca: String,
    },
    /// Another process changed the CA while the certificate was prepared.
    #[error("{ca} changed while the certificate was prepared; try again")]
    CaChanged {
        /// The CA's id.
        ca: String,
    },
    /// The certificate of a CA, where an end entity's is meant.
    #[error("{serial} is the certificate of the CA {ca}")]
    IsCaCertificate {
        /// The certificate's serial number.
        serial: String,
        /// The CA's id.
        ca: String,
    },
    /// The base URL for CRLs, issuers and OCSP is none.
    #[error(transparent)]
    BaseUrl(#[from] BaseUrlError),
    /// A CRL's time that makes no sense.
    #[error("a CRL stands 1 to 3650 days, and {days} is not")]
    InvalidCrlDays {
        /// The days asked for.
        days: i64,
    },
    /// A CA's subject has no common name.
    #[error("a CA needs a common name")]
    NoCommonName,
    /// A subject attribute that cannot stand in a certificate.
    #[error(transparent)]
    Subject(#[from] DistinguishedNameError),
    /// A stored CA certificate that cannot issue.
    #[error("the certificate of {ca} cannot issue: {error}")]
    NotAnIssuer {
        /// The CA's id.
        ca: String,
        /// Why.
        error: IssuingCaError,
    },

    // The gate.
    /// The profile does not admit the request.
    #[error(transparent)]
    Gate(#[from] Refusal),
    /// The certificate would break a rule of RFC 5280.
    #[error(transparent)]
    Lint(#[from] LintError),
    /// The PKCS#10 request cannot be taken.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// A user's profile that does not hold together.
    #[error("the profile {}: {error}", path.display())]
    ProfileFile {
        /// The profile's file.
        path: PathBuf,
        /// What is wrong with it.
        error: ProfileError,
    },
    /// The subject or names of the old certificate are none that this authority issues.
    #[error("the certificate {serial} has a subject or names that cannot be issued again")]
    NotRenewable {
        /// Its serial number.
        serial: String,
    },
    /// No profile has this name.
    #[error("there is no profile {name:?}")]
    UnknownProfile {
        /// As the user wrote it.
        name: String,
        /// The profiles that there are.
        known: Vec<String>,
    },
    /// The profile states another role than the one asked for.
    #[error("the profile {profile:?} is for {profile_role}, not for {role}")]
    ProfileRole {
        /// The profile's name.
        profile: String,
        /// What the profile is for.
        profile_role: String,
        /// The role asked for.
        role: String,
    },
    /// A CA profile for an end entity, or the other way round.
    #[error("the profile {profile:?} is for {is_for}, and this is {asked}")]
    ProfileKind {
        /// The profile's name.
        profile: String,
        /// What the profile is for.
        is_for: &'static str,
        /// What was asked for.
        asked: &'static str,
    },
    /// Neither a role nor a profile was named.
    #[error("a certificate needs a role or a profile")]
    NoProfile,

    // Keys.
    /// The store has no key for the CA.
    #[error("the store holds no key of {ca}")]
    KeyMissing {
        /// The CA's id.
        ca: String,
    },
    /// A key that cannot be used.
    #[error(transparent)]
    Key(KeyError),
    /// The signature could not be made.
    #[error(transparent)]
    Sign(#[from] IssueError),
    /// No serial number could be made.
    #[error(transparent)]
    Serial(#[from] SerialError),
    /// No passphrase could be had.
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    /// The passphrase does not open the CA keys.
    #[error("the passphrase does not open the CA keys of this data directory")]
    WrongPassphrase,
    /// Another process changed the passphrase at the same time.
    #[error(
        "the passphrase of the data directory was changed meanwhile; try again with the new one"
    )]
    PassphraseChanged,
    /// There is no CA key, so there is no passphrase to change.
    #[error("the data directory holds no CA key, so it has no passphrase yet")]
    NoPassphrase,
    /// The public key belongs to one of this authority's CAs.
    #[error("this is the public key of the CA {ca}")]
    KeyOfCa {
        /// The CA's id.
        ca: String,
    },
    /// The public key was revoked for keyCompromise.
    #[error("this public key was revoked for keyCompromise at {at}; make a new one")]
    KeyCompromised {
        /// When it was revoked.
        at: UnixTime,
    },
    /// The public key was certified for another principal.
    #[error("this public key was certified for {principal:?}; a key has one holder")]
    KeyHeldByAnother {
        /// Its holder.
        principal: String,
    },

    // Certificates.
    /// No certificate has this id or serial number.
    #[error("there is no certificate {name:?}")]
    UnknownCertificate {
        /// As the user wrote it.
        name: String,
    },
    /// The serial number was given out by a process that died before the certificate was complete.
    #[error(
        "the serial number {serial} was abandoned at {at}: the process that was issuing to \
         {principal:?} ended before the certificate was complete"
    )]
    AbandonedSerial {
        /// The serial number.
        serial: String,
        /// Whom it was meant for.
        principal: String,
        /// When it was found abandoned.
        at: UnixTime,
    },
    /// Revoked before.
    #[error("the certificate {serial} was revoked at {at} ({reason})")]
    AlreadyRevoked {
        /// The certificate's serial number.
        serial: String,
        /// When.
        at: UnixTime,
        /// Why, by the name of RFC 5280 5.3.1.
        reason: String,
    },
    /// Only a hold can be released.
    #[error("the certificate {serial} is not on hold")]
    NotOnHold {
        /// The certificate's serial number.
        serial: String,
    },
    /// The certificate ran out.
    #[error("the certificate {serial} ended at {not_after}")]
    CertificateExpired {
        /// The certificate's serial number.
        serial: String,
        /// When.
        not_after: UnixTime,
    },
    /// `removeFromCRL` is said by releasing a hold; it is no reason to revoke (RFC 5280 5.3.1).
    #[error("{reason} is no reason to revoke a certificate")]
    ReasonNotAllowed {
        /// The reason asked for.
        reason: String,
    },
    /// The invalidity date lies in the future.
    #[error("the key cannot have become invalid at {date}, which is yet to come")]
    InvalidityDateAhead {
        /// The date asked for.
        date: UnixTime,
    },
    /// An overlap below zero or past the old certificate's end.
    #[error("an overlap is 0 to 3650 days, and {days} is not")]
    InvalidOverlap {
        /// The overlap asked for.
        days: i64,
    },

    // Batches.
    /// One row of a batch cannot be issued.
    #[error("row {row}: {error}")]
    BatchRow {
        /// The caller's number of the row.
        row: u64,
        /// Why.
        error: Box<Error>,
    },
    /// A row with a public key alone names nobody.
    #[error("a row needs a principal, or a certificate request that has one")]
    NoPrincipal,
    /// A renewal whose old certificate another CA issued.
    #[error("the certificate {serial} was issued by {issued_by}, and this batch is for {ca}")]
    IssuedByAnother {
        /// The old certificate's serial number.
        serial: String,
        /// The CA that issued it.
        issued_by: String,
        /// The batch's CA.
        ca: String,
    },
    /// A slice of no rows or of too many.
    #[error("a slice of a batch has 1 to {most} rows, and {rows} are not")]
    SliceSize {
        /// The rows given.
        rows: usize,
        /// The most that there may be.
        most: usize,
    },
    /// A job's name of no or too many characters.
    #[error("a job's name has 1 to 255 characters")]
    InvalidJob,

    // Idempotency.
    /// The key was used for another request.
    #[error("the idempotency key {key:?} was used for another request")]
    IdempotencyMismatch {
        /// The key.
        key: String,
    },
    /// The first request with this key is still under way.
    #[error("the request with the idempotency key {key:?} is still being carried out")]
    IdempotencyInProgress {
        /// The key.
        key: String,
    },
    /// The key's certificate is no good any more.
    #[error("the certificate {serial} of the idempotency key {key:?} is {status}")]
    IdempotencyStale {
        /// The key.
        key: String,
        /// The certificate's serial number.
        serial: String,
        /// Why it is no answer: expired, revoked, on hold.
        status: String,
    },
    /// An idempotency key of no or too many characters.
    #[error("an idempotency key has 1 to 255 characters")]
    InvalidIdempotencyKey,

    // Time and order.
    /// The clock was set back.
    #[error(
        "the clock says {now}, and the newest that the audit record says was done is of {newest}: \
         nothing is signed while the clock is more than 5 minutes behind"
    )]
    ClockBehind {
        /// What the clock says.
        now: UnixTime,
        /// The newest record of something that was done.
        newest: UnixTime,
    },
    /// The reservation was found abandoned before the certificate was complete.
    #[error("the reservation of the serial number {serial} is no longer live")]
    ReservationLost {
        /// The serial number.
        serial: String,
    },
    /// The system's random source failed.
    #[error("the system's random source gave no bytes")]
    NoRandomness,
    /// The revocation is durable, and the CRL that says so is still to be signed.
    #[error(
        "{serial} {} revoked, and the CRL of {ca} could not be signed: {error}; the next `ca crl` \
         signs it", if serial.ends_with(" certificates") { "are" } else { "is" }
    )]
    RevokedWithoutCrl {
        /// What was revoked: a serial number, a CA's id, or how many certificates.
        serial: String,
        /// The CA whose CRL is to come.
        ca: String,
        /// Why it was not signed.
        error: Box<Error>,
    },
    /// A CRL that is due beside what was asked for, and was not signed.
    #[error("the CRL of {ca}, which is due, could not be signed: {error}")]
    CrlNotSigned {
        /// The CA whose CRL is to come.
        ca: String,
        /// Why it was not signed.
        error: Box<Error>,
    },
    /// The archive could not be written.
    #[error("the archive cannot be written: {0}")]
    Archive(std::io::Error),
    /// A backup that is not made or not restored.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// A checkpoint that proves nothing about this store's audit record.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// A blocking task ended without an answer.
    #[error("the runtime ended the operation before it was done")]
    Cancelled,
}

impl From<KeyError> for Error {
    fn from(error: KeyError) -> Self {
        match error {
            KeyError::WrongPassphrase => Self::WrongPassphrase,
            other => Self::Key(other),
        }
    }
}

/// A CA as an error names it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct CaName {
    /// The CA's id.
    pub id: String,
    /// Its common name.
    pub common_name: String,
}

/// Whose matter an error is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    /// The request cannot be meant as it stands: mend the command.
    Usage,
    /// The authority refuses the request by its rules.
    Refused,
    /// What the request names is not there.
    NotFound,
    /// No passphrase, or not the right one.
    Passphrase,
    /// The data directory, its file system or its database.
    Store,
    /// Something else holds what is needed; the same request may succeed later.
    Conflict,
}

impl Error {
    /// A name for machines that stays as it is: snake case, one a variant.
    pub fn code(&self) -> &'static str {
        self.classification().0
    }

    /// Whose matter it is.
    pub fn kind(&self) -> ErrorKind {
        self.classification().1
    }

    fn classification(&self) -> (&'static str, ErrorKind) {
        use ErrorKind::{Conflict, NotFound, Passphrase, Refused, Store, Usage};
        match self {
            Self::MissingDataDirectory { .. } => ("missing_data_directory", Store),
            Self::UnreadableDataDirectory { .. } => ("unreadable_data_directory", Store),
            Self::EmptyStore { .. } => ("empty_store", Store),
            Self::ReadOnlyDataDirectory { .. } => ("read_only_data_directory", Store),
            Self::DataDirectoryFull { .. } => ("data_directory_full", Store),
            Self::NetworkFileSystem { .. } => ("network_file_system", Store),
            Self::CorruptStore { .. } => ("corrupt_store", Store),
            Self::ForeignStore { .. } => ("foreign_store", Store),
            Self::NewerStore { .. } => ("newer_store", Store),
            Self::StoreBusy { .. } => ("store_busy", Conflict),
            Self::OpenedForReading => ("opened_for_reading", Usage),
            Self::Io { .. } => ("io", Store),
            Self::Store { .. } => ("store", Store),
            Self::StoreClosed => ("store_closed", Store),
            Self::NoCa => ("no_ca", NotFound),
            Self::UnknownCa { .. } => ("unknown_ca", NotFound),
            Self::AmbiguousCa { .. } => ("ambiguous_ca", Usage),
            Self::CaIdTaken { .. } => ("ca_id_taken", Refused),
            Self::InvalidCaId { .. } => ("invalid_ca_id", Usage),
            Self::CaRetired { .. } => ("ca_retired", Refused),
            Self::NoCrl { .. } => ("no_crl", NotFound),
            Self::CaRevoked { .. } => ("ca_revoked", Refused),
            Self::SignerRevoked { .. } => ("signer_revoked", Refused),
            Self::CaExpired { .. } => ("ca_expired", Refused),
            Self::RootCannotBeRevoked { .. } => ("root_cannot_be_revoked", Refused),
            Self::CaChanged { .. } => ("ca_changed", Conflict),
            Self::IsCaCertificate { .. } => ("is_ca_certificate", Usage),
            Self::BaseUrl(_) => ("invalid_base_url", Usage),
            Self::InvalidCrlDays { .. } => ("invalid_crl_days", Usage),
            Self::NoCommonName => ("no_common_name", Usage),
            Self::Subject(_) => ("invalid_subject", Usage),
            Self::NotAnIssuer { .. } => ("not_an_issuer", Refused),
            Self::Gate(refusal) => (refusal.code(), Refused),
            Self::Lint(_) => ("lint", Refused),
            Self::Request(_) => ("invalid_request", Refused),
            Self::ProfileFile { .. } => ("invalid_profile", Refused),
            Self::NotRenewable { .. } => ("not_renewable", Refused),
            Self::KeyMissing { .. } => ("key_missing", Store),
            Self::Key(_) => ("invalid_key", Refused),
            Self::Sign(_) => ("sign", Store),
            Self::Serial(_) => ("serial", Store),
            Self::RevokedWithoutCrl { .. } => ("revoked_without_crl", Store),
            Self::CrlNotSigned { .. } => ("crl_not_signed", Store),
            Self::UnknownProfile { .. } => ("unknown_profile", NotFound),
            Self::ProfileRole { .. } => ("profile_role", Usage),
            Self::ProfileKind { .. } => ("profile_kind", Usage),
            Self::NoProfile => ("no_profile", Usage),
            Self::Passphrase(_) => ("passphrase", Passphrase),
            Self::WrongPassphrase => ("wrong_passphrase", Passphrase),
            Self::PassphraseChanged => ("passphrase_changed", Conflict),
            Self::NoPassphrase => ("no_passphrase", Refused),
            Self::KeyOfCa { .. } => ("key_of_ca", Refused),
            Self::KeyCompromised { .. } => ("key_compromised", Refused),
            Self::KeyHeldByAnother { .. } => ("key_held_by_another", Refused),
            Self::UnknownCertificate { .. } => ("unknown_certificate", NotFound),
            Self::AbandonedSerial { .. } => ("abandoned_serial", Refused),
            Self::AlreadyRevoked { .. } => ("already_revoked", Refused),
            Self::NotOnHold { .. } => ("not_on_hold", Refused),
            Self::CertificateExpired { .. } => ("certificate_expired", Refused),
            Self::ReasonNotAllowed { .. } => ("reason_not_allowed", Usage),
            Self::InvalidityDateAhead { .. } => ("invalidity_date_ahead", Usage),
            Self::InvalidOverlap { .. } => ("invalid_overlap", Usage),
            Self::IdempotencyMismatch { .. } => ("idempotency_mismatch", Refused),
            Self::IdempotencyInProgress { .. } => ("idempotency_in_progress", Conflict),
            Self::IdempotencyStale { .. } => ("idempotency_stale", Refused),
            Self::BatchRow { error, .. } => error.classification(),
            Self::NoPrincipal => ("no_principal", Usage),
            Self::IssuedByAnother { .. } => ("issued_by_another", Refused),
            Self::SliceSize { .. } => ("slice_size", Usage),
            Self::InvalidJob => ("invalid_job", Usage),
            Self::InvalidIdempotencyKey => ("invalid_idempotency_key", Usage),
            Self::ClockBehind { .. } => ("clock_behind", Refused),
            Self::ReservationLost { .. } => ("reservation_lost", Conflict),
            Self::NoRandomness => ("no_randomness", Store),
            Self::Archive(_) => ("archive", Store),
            Self::Backup(error) => (error.code(), error.kind()),
            Self::Checkpoint(error) => match error {
                CheckpointError::Malformed { .. } => ("not_a_checkpoint", Usage),
                CheckpointError::Signature { .. } => ("checkpoint_altered", Refused),
                CheckpointError::ForeignSigner { .. } => ("checkpoint_foreign", Refused),
                CheckpointError::CompromisedSigner { .. } => ("checkpoint_compromised", Refused),
            },
            Self::Cancelled => ("cancelled", Conflict),
        }
    }
}
