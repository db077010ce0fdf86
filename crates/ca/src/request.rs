//! What callers ask of the authority.

use std::path::PathBuf;
use std::sync::Arc;

use rustmq_pki::crl::RevocationReason;
use rustmq_pki::key::{KeyType, PublicKey};
use rustmq_pki::name::{Attribute, DistinguishedName, Principal, SubjectAltName, TrustDomain};
use rustmq_pki::profile::Validity;
use rustmq_pki::role::Role;
use rustmq_pki::time::UnixTime;

use crate::info::{AuditRecord, CertificateRole, CertificateStatus};
use crate::{Actor, Clock, PassphraseSource};

/// How to open a data directory.
#[derive(Clone)]
pub struct Options {
    /// The data directory. It holds the store, the instance locks and the user's profiles.
    pub data_dir: PathBuf,
    /// The only clock that is asked.
    pub clock: Arc<dyn Clock>,
    /// Asked once, when a CA key is first needed.
    pub passphrase: Arc<dyn PassphraseSource>,
    /// Who is accountable for what is done.
    pub actor: Actor,
    /// What may be done.
    pub mode: OpenMode,
    /// How far notBefore and thisUpdate lie in the past, for peers whose clocks are behind: seconds.
    pub backdate_seconds: i64,
    #[cfg(feature = "fault-injection")]
    pub(crate) faults: crate::faults::Faults,
}

impl Options {
    /// Minutes by which clocks of a fleet commonly differ, and the default of `backdate_seconds`.
    pub const BACKDATE_SECONDS: i64 = 300;

    /// Opens `data_dir` for writing.
    pub fn new(
        data_dir: impl Into<PathBuf>,
        clock: Arc<dyn Clock>,
        passphrase: Arc<dyn PassphraseSource>,
        actor: Actor,
    ) -> Self {
        Self {
            data_dir: data_dir.into(),
            clock,
            passphrase,
            actor,
            mode: OpenMode::Write,
            backdate_seconds: Self::BACKDATE_SECONDS,
            #[cfg(feature = "fault-injection")]
            faults: crate::faults::Faults::default(),
        }
    }

    /// The same with another mode.
    #[must_use]
    pub fn mode(mut self, mode: OpenMode) -> Self {
        self.mode = mode;
        self
    }
}

/// What an opened data directory is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// Nothing is written; a missing directory is an error.
    Read,
    /// Reads and writes; a missing directory is an error.
    Write,
    /// Reads and writes; the directory and the store are made when absent.
    Create,
    /// The same, but they are made by the first write: what is only judged, or refused before it was
    /// written down, leaves nothing.
    CreateOnWrite,
}

/// Makes a retry give the first answer again: the same key and request give the same certificate.
///
/// Keys are scoped by actor, CA and job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    /// 1 to 255 characters of the caller's choice.
    pub key: String,
    /// The job that the request belongs to; empty for none.
    pub job: String,
}

impl IdempotencyKey {
    /// A key outside any job.
    pub fn new(key: impl Into<String>) -> Self {
        Self { key: key.into(), job: String::new() }
    }
}

/// Whether the request is carried out or only judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Execution {
    /// Carry it out.
    #[default]
    Commit,
    /// Go through every check up to the first write, write nothing, open no key.
    DryRun,
}

/// A base URL or trust domain for a new CA.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Inherited<T> {
    /// As its issuer has it; none for a root.
    #[default]
    FromIssuer,
    /// None.
    Absent,
    /// This.
    Own(T),
}

/// What a new root and a new intermediate have in common.
#[derive(Clone, Debug)]
pub struct NewCa {
    /// The subject; it has a common name.
    pub subject: DistinguishedName,
    /// The type of its key, made by the authority.
    pub key_type: KeyType,
    /// Its id; none takes the next one of its kind.
    pub id: Option<String>,
    /// The profile; none takes `root-ca` or `intermediate-ca`.
    pub profile: Option<String>,
    /// How long.
    pub validity: Validity,
    /// How many CAs may follow below it; none for the profile's own limit.
    pub path_len: Option<u8>,
    /// Where its certificates will say that status is found.
    pub base_url: Inherited<String>,
    /// The SPIFFE trust domain of its certificates.
    pub trust_domain: Inherited<TrustDomain>,
    /// Days from one CRL to its nextUpdate; none for 365 for a root and 7 for another CA.
    pub crl_days: Option<u16>,
    /// Makes a retry safe.
    pub idempotency: Option<IdempotencyKey>,
    /// Carry it out or only judge it.
    pub execution: Execution,
}

impl NewCa {
    /// A CA with the defaults of its profile.
    pub fn new(subject: DistinguishedName) -> Self {
        Self {
            subject,
            key_type: KeyType::P256,
            id: None,
            profile: None,
            validity: Validity::Default,
            path_len: None,
            base_url: Inherited::FromIssuer,
            trust_domain: Inherited::FromIssuer,
            crl_days: None,
            idempotency: None,
            execution: Execution::Commit,
        }
    }
}

/// Asks for a root.
#[derive(Clone, Debug)]
pub struct RootCaRequest {
    /// The CA.
    pub ca: NewCa,
}

/// Asks for a CA under another.
#[derive(Clone, Debug)]
pub struct IntermediateCaRequest {
    /// The issuer: id, common name or fingerprint prefix.
    pub parent: String,
    /// The CA.
    pub ca: NewCa,
}

/// Asks for an end-entity certificate for a public key.
#[derive(Clone, Debug)]
pub struct IssueRequest {
    /// The issuing CA: id, common name or fingerprint prefix.
    pub ca: String,
    /// Whom it names.
    pub principal: Principal,
    /// The caller's public key; the private one never comes here.
    pub public_key: PublicKey,
    /// The role; with no profile, the profile of that name.
    pub role: Option<Role>,
    /// The profile; its role must be `role` where both are given.
    pub profile: Option<String>,
    /// What it may be called besides; empty takes what the profile derives from the principal.
    pub sans: Vec<SubjectAltName>,
    /// Attributes of the subject besides the common name; empty for none.
    pub attributes: Vec<(Attribute, String)>,
    /// How long.
    pub validity: Validity,
    /// Makes a retry safe.
    pub idempotency: Option<IdempotencyKey>,
    /// Carry it out or only judge it.
    pub execution: Execution,
}

/// Asks for an end-entity certificate by PKCS#10.
#[derive(Clone, Debug)]
pub struct SignRequest {
    /// The issuing CA: id, common name or fingerprint prefix.
    pub ca: String,
    /// The request, PEM or DER.
    pub csr: Vec<u8>,
    /// Whom it names; none takes the request's common name.
    pub principal: Option<Principal>,
    /// The role; with no profile, the profile of that name.
    pub role: Option<Role>,
    /// The profile.
    pub profile: Option<String>,
    /// SANs besides the request's.
    pub sans: Vec<SubjectAltName>,
    /// How long.
    pub validity: Validity,
    /// Makes a retry safe.
    pub idempotency: Option<IdempotencyKey>,
    /// Carry it out or only judge it.
    pub execution: Execution,
}

/// The key of a renewed certificate.
#[derive(Clone, Debug)]
pub enum RenewalKey {
    /// A new one.
    New(PublicKey),
    /// The old one; refused when it was revoked for keyCompromise.
    Same,
}

/// Asks for a new certificate with the subject and SANs of an old one, which stays as it is.
#[derive(Clone, Debug)]
pub struct RenewRequest {
    /// The old certificate: id or serial number.
    pub certificate: String,
    /// Its key.
    pub key: RenewalKey,
    /// How long.
    pub validity: Validity,
    /// Makes a retry safe.
    pub idempotency: Option<IdempotencyKey>,
    /// Carry it out or only judge it.
    pub execution: Execution,
}

/// Asks for a renewal after which the old certificate is superseded.
#[derive(Clone, Debug)]
pub struct RotateRequest {
    /// The renewal.
    pub renewal: RenewRequest,
    /// Days until the old certificate is revoked as superseded, 0 to 3650.
    pub overlap_days: i64,
}

impl RotateRequest {
    /// The overlap where none is asked for, in days.
    pub const OVERLAP_DAYS: i64 = 7;
}

/// Asks to revoke a certificate, or to put it on hold.
#[derive(Clone, Debug)]
pub struct RevokeRequest {
    /// The certificate: id or serial number. For a CA: id, common name or fingerprint prefix.
    pub certificate: String,
    /// Why; certificateHold can be released.
    pub reason: RevocationReason,
    /// Since when the key is in doubt (RFC 5280 5.3.2).
    pub invalidity_date: Option<UnixTime>,
    /// Carry it out or only judge it.
    pub execution: Execution,
}

/// Asks for a new certificate of a CA: same subject, key and id.
#[derive(Clone, Debug)]
pub struct RenewCaRequest {
    /// The CA: id, common name or fingerprint prefix.
    pub ca: String,
    /// How long.
    pub validity: Validity,
    /// Makes a retry safe.
    pub idempotency: Option<IdempotencyKey>,
    /// Carry it out or only judge it.
    pub execution: Execution,
}

/// Asks for a new CA with the subject and issuer of an old one, a new key and the next id.
#[derive(Clone, Debug)]
pub struct RekeyCaRequest {
    /// The old CA: id, common name or fingerprint prefix.
    pub ca: String,
    /// The type of the new key; none for the old one's.
    pub key_type: Option<KeyType>,
    /// The new CA's id; none takes the next one of its kind.
    pub id: Option<String>,
    /// How long.
    pub validity: Validity,
    /// Makes a retry safe.
    pub idempotency: Option<IdempotencyKey>,
    /// Carry it out or only judge it.
    pub execution: Execution,
}

/// Which certificates to list; empty lists all.
#[derive(Clone, Debug, Default)]
pub struct ListFilter {
    /// Those of this principal.
    pub principal: Option<String>,
    /// Those of this role.
    pub role: Option<CertificateRole>,
    /// Those with this status now.
    pub status: Option<CertificateStatus>,
    /// Those that this CA issued: id, common name or fingerprint prefix.
    pub ca: Option<String>,
    /// Active ones that end within so many days.
    pub expiring_within_days: Option<i64>,
}

/// Which audit records to list; empty lists all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuditFilter {
    /// Those about this certificate's serial number.
    pub serial: Option<String>,
    /// Those about the CA with this id.
    pub ca_id: Option<String>,
    /// Those about this principal.
    pub principal: Option<String>,
}

impl AuditFilter {
    /// Whether it lets a record through.
    pub(crate) fn passes(&self, record: &AuditRecord) -> bool {
        let is =
            |wanted: &Option<String>, found: &Option<String>| wanted.is_none() || wanted == found;
        is(&self.serial, &record.serial)
            && is(&self.ca_id, &record.ca_id)
            && is(&self.principal, &record.principal)
    }
}

/// When to sign a new CRL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrlRefresh {
    /// Now.
    Always,
    /// Only if something was revoked since, none stands yet, or nextUpdate is nearer than this many
    /// days.
    Before {
        /// Days to nextUpdate.
        days: i64,
    },
    /// Never: the newest as it stands, without opening a key.
    Stored,
}
