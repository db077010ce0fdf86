//! What operations give back.

use std::sync::Arc;

use rustmq_pki::certificate::Certificate;
use rustmq_pki::crl::CertificateRevocationList;
use rustmq_pki::profile::Note;
use rustmq_pki::time::UnixTime;

use crate::Error;
use crate::info::{CaInfo, CertificateInfo};

/// A certificate that is durable, audited and may leave.
#[derive(Clone, Debug)]
pub struct Issued {
    info: CertificateInfo,
    certificate: Certificate,
    chain: Arc<[Certificate]>,
}

impl Issued {
    pub(crate) fn new(
        info: CertificateInfo,
        certificate: Certificate,
        chain: Arc<[Certificate]>,
    ) -> Self {
        Self { info, certificate, chain }
    }

    /// What it says, read back from its DER.
    pub fn info(&self) -> &CertificateInfo {
        &self.info
    }

    /// The certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The CAs above it: the one that issued it first, the root last.
    pub fn chain(&self) -> &[Certificate] {
        &self.chain
    }
}

/// What became of a request for an end entity's certificate.
#[derive(Debug)]
pub struct Issuance {
    /// The certificate; none in a dry run.
    pub issued: Option<Issued>,
    /// What would be issued, or was.
    pub planned: Planned,
    /// What the requester should know.
    pub notes: Vec<Note>,
    /// Whether an idempotency key gave the certificate of an earlier request.
    pub replayed: bool,
    /// When the certificate that this one rotates out will be superseded; none for a renewal, and for
    /// the rotation of one that has ended, or will have by then.
    pub supersede_at: Option<UnixTime>,
    /// Why the issuing CA's CRL, which was due, was not signed.
    pub crl_failure: Option<Error>,
}

/// What the gate decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// The issuing CA's id; none for a root.
    pub ca_id: Option<String>,
    /// The profile's name.
    pub profile: String,
    /// The last second of validity.
    pub not_after: UnixTime,
}

/// What became of a request for a CA's certificate.
#[derive(Debug)]
pub struct CaCreation {
    /// The CA; none in a dry run.
    pub ca: Option<CaInfo>,
    /// What would be issued, or was.
    pub planned: Planned,
    /// What the operator should know.
    pub notes: Vec<Note>,
    /// Whether an idempotency key gave the CA of an earlier request.
    pub replayed: bool,
    /// Where its certificates will say that status is found.
    pub base_url: Option<String>,
    /// Whether that is its issuer's, taken over.
    pub base_url_inherited: bool,
    /// The trust domain of its certificates.
    pub trust_domain: Option<String>,
    /// Whether that is its issuer's, taken over.
    pub trust_domain_inherited: bool,
    /// Why a CRL that was due was not signed.
    pub crl_failure: Option<Error>,
}

/// A certificate with all that stands beside it in files.
#[derive(Clone, Debug)]
pub struct Bundle {
    /// What it says.
    pub info: CertificateInfo,
    /// The certificate.
    pub certificate: Certificate,
    /// The CAs above it: the one that issued it first, the root last.
    pub chain: Vec<Certificate>,
    /// The newest CRL of each CA in the chain that has one, in the chain's order.
    pub crls: Vec<CertificateRevocationList>,
}

/// What became of a revocation, a hold or a release.
#[derive(Debug)]
pub struct Revocation {
    /// The certificates, as they are now (or, in a dry run, still are): several for a CA that was
    /// renewed.
    pub certificates: Vec<CertificateInfo>,
    /// The CRL that says so; none in a dry run.
    pub crl: Option<CrlPublication>,
}

/// A CA's newest CRL.
#[derive(Debug)]
pub struct CrlPublication {
    /// The CA.
    pub ca_id: String,
    /// The CRL.
    pub crl: CertificateRevocationList,
    /// How many entries it has.
    pub entries: usize,
    /// Whether it was signed just now.
    pub signed: bool,
    /// Why another CA's CRL, which was due too, was not signed.
    pub crl_failure: Option<Error>,
}

/// Another passphrase for the CA keys.
#[derive(Debug)]
pub struct PassphraseChange {
    /// How many keys were encrypted anew.
    pub keys: usize,
    /// Why the store's write-ahead log may still hold keys under the old passphrase, until every process
    /// that has the store open has closed it and one opens it once more to write.
    pub old_copies: Option<Error>,
}

/// What an archive holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct ExportSummary {
    /// Files besides the manifest.
    pub files: u64,
    /// End-entity and CA certificates.
    pub certificates: u64,
    /// CRLs.
    pub crls: u64,
    /// Audit records.
    pub audit_records: u64,
    /// Lines that show them: those of a slice of a batch have one for each of its rows.
    pub audit_lines: u64,
}

/// How much of the audit was written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct AuditExport {
    /// Records of the chain.
    pub records: u64,
    /// Lines that show them: those of a slice of a batch have one for each of its rows.
    pub lines: u64,
}

impl AuditExport {
    /// Counts a line, of the record with this number.
    pub(crate) fn add(self, number: u64, last: u64) -> Self {
        Self { records: self.records + u64::from(number != last), lines: self.lines + 1 }
    }
}
