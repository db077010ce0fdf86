//! The public face of the authority.

use std::io::Write;
use std::sync::Arc;

use rustmq_pki::certificate::Certificate;
use rustmq_pki::profile::Profile;

use crate::Error;
use crate::authority::Authority;
use crate::info::{AbandonedSerial, AuditRecord, AuditVerdict, CaInfo, CaTree, CertificateInfo};
use crate::outcome::{Bundle, CaCreation, CrlPublication, ExportSummary, Issuance, Revocation};
use crate::request::{
    CrlRefresh, Execution, IntermediateCaRequest, IssueRequest, ListFilter, Options,
    RekeyCaRequest, RenewCaRequest, RenewRequest, RevokeRequest, RootCaRequest, RotateRequest,
    SignRequest,
};
use crate::store::{audit, certificates};

/// A certificate authority in one data directory. Cheap to clone.
///
/// The asynchronous methods run on any tokio runtime and block none of its threads. A method whose
/// future is dropped leaves a consistent store: a certificate that was being issued is complete, or
/// its serial number is abandoned. Every refusal is in the audit record.
#[derive(Clone)]
pub struct CertificateManager {
    authority: Arc<Authority>,
}

impl CertificateManager {
    /// Opens a data directory. Blocks for some milliseconds; opens no key.
    pub fn open(options: &Options) -> Result<Self, Error> {
        Ok(Self { authority: Arc::new(Authority::open(options)?) })
    }

    /// Makes a self-signed CA and its first CRL.
    pub async fn generate_root_ca(&self, request: RootCaRequest) -> Result<CaCreation, Error> {
        self.authority.create_root(request).await
    }

    /// Makes a CA under another, its first CRL, and its issuer's next one.
    pub async fn generate_intermediate_ca(
        &self,
        request: IntermediateCaRequest,
    ) -> Result<CaCreation, Error> {
        self.authority.create_intermediate(request).await
    }

    /// Gives a CA a new certificate for its key, name and id.
    pub async fn renew_ca(&self, request: RenewCaRequest) -> Result<CaCreation, Error> {
        self.authority.renew_ca(request).await
    }

    /// Makes a CA with the name and issuer of another, a new key and the next id.
    pub async fn rekey_ca(&self, request: RekeyCaRequest) -> Result<CaCreation, Error> {
        self.authority.rekey_ca(request).await
    }

    /// Revokes a CA's certificates or puts them on hold; its issuer's CRL says so at once.
    pub async fn revoke_ca(&self, request: RevokeRequest) -> Result<Revocation, Error> {
        self.authority.revoke_ca(request).await
    }

    /// Releases a CA from hold.
    pub async fn release_ca(&self, ca: &str, execution: Execution) -> Result<Revocation, Error> {
        self.authority.release_ca(ca, execution).await
    }

    /// Ends a CA's issuing; its CRLs go on.
    pub async fn retire_ca(&self, ca: &str, execution: Execution) -> Result<CaInfo, Error> {
        self.authority.retire_ca(ca, execution).await
    }

    /// Issues a certificate for a public key.
    pub async fn issue_certificate(&self, request: IssueRequest) -> Result<Issuance, Error> {
        self.authority.issue(request).await
    }

    /// Issues a certificate for a PKCS#10 request.
    pub async fn sign_request(&self, request: SignRequest) -> Result<Issuance, Error> {
        self.authority.sign_request(request).await
    }

    /// Issues a certificate with the subject and names of an old one, which stays as it is.
    pub async fn renew_certificate(&self, request: RenewRequest) -> Result<Issuance, Error> {
        self.authority.renew(request).await
    }

    /// Renews, and has the old certificate superseded when the overlap is over.
    pub async fn rotate_certificate(&self, request: RotateRequest) -> Result<Issuance, Error> {
        self.authority.rotate(request).await
    }

    /// Revokes a certificate or puts it on hold, and signs the CRL that says so.
    pub async fn revoke_certificate(&self, request: RevokeRequest) -> Result<Revocation, Error> {
        self.authority.revoke(request).await
    }

    /// Releases a certificate from hold, and signs the CRL that no longer lists it.
    pub async fn release_certificate(
        &self,
        certificate: &str,
        execution: Execution,
    ) -> Result<Revocation, Error> {
        self.authority.release(certificate, execution).await
    }

    /// A CA's CRL: a new one, the newest, or whichever `refresh` asks for.
    pub async fn generate_crl(
        &self,
        ca: &str,
        refresh: CrlRefresh,
    ) -> Result<CrlPublication, Error> {
        self.authority.crl(ca, refresh).await
    }

    /// The CA that an id, a common name or a fingerprint prefix means.
    pub async fn find_ca(&self, name: &str) -> Result<CaInfo, Error> {
        self.authority.find_ca(name).await
    }

    /// Every CA, the oldest first.
    pub async fn list_cas(&self) -> Result<Vec<CaInfo>, Error> {
        self.authority.list_cas().await
    }

    /// The roots with all that is below them.
    pub async fn ca_tree(&self) -> Result<Vec<CaTree>, Error> {
        self.authority.ca_tree().await
    }

    /// A CA's certificate and those above it, its root's last.
    pub async fn ca_chain(&self, ca: &str) -> Result<Vec<Certificate>, Error> {
        self.authority.ca_chain(ca).await
    }

    /// The certificates that a filter lets through, in the order of issuing.
    pub async fn list(&self, filter: ListFilter) -> Result<Vec<CertificateInfo>, Error> {
        self.authority.list(filter).await
    }

    /// The active certificates that end within so many days.
    pub async fn expiring(&self, days: i64) -> Result<Vec<CertificateInfo>, Error> {
        let filter = ListFilter { expiring_within_days: Some(days), ..ListFilter::default() };
        self.authority.list(filter).await
    }

    /// The serial numbers that were abandoned, the oldest first.
    pub async fn abandoned(&self) -> Result<Vec<AbandonedSerial>, Error> {
        self.authority.store.read(|connection| certificates::abandoned(connection, None)).await
    }

    /// One certificate, by id or serial number.
    pub async fn info(&self, certificate: &str) -> Result<CertificateInfo, Error> {
        self.authority.info(certificate).await
    }

    /// One certificate with its chain and the CRLs of that.
    pub async fn bundle(&self, certificate: &str) -> Result<Bundle, Error> {
        self.authority.bundle(certificate).await
    }

    /// Encrypts every CA key under a new passphrase and leaves no copy under the old one. Returns
    /// how many keys there are.
    pub async fn change_passphrase(&self) -> Result<usize, Error> {
        self.authority.change_passphrase().await
    }

    /// Goes through a change of passphrase up to the write: the old one opens every key, and there is
    /// a new one. Returns how many keys there are.
    pub async fn rehearse_passphrase_change(&self) -> Result<usize, Error> {
        self.authority.rehearse_passphrase_change().await
    }

    /// Writes a tar.gz of certificates, chains, CRLs, profiles and audit records, with a manifest
    /// and without private keys.
    pub async fn export_all(&self, output: Box<dyn Write + Send>) -> Result<ExportSummary, Error> {
        self.authority.export_all(output).await
    }

    /// The newest audit records, the oldest of them first.
    pub async fn audit_list(&self, limit: u32) -> Result<Vec<AuditRecord>, Error> {
        self.authority.store.read(move |connection| audit::newest(connection, limit)).await
    }

    /// Follows the audit chain from the first record to the last.
    pub async fn audit_verify(&self) -> Result<AuditVerdict, Error> {
        self.authority.store.read(audit::verify).await
    }

    /// Writes every audit record as one JSON object a line. Returns how many.
    pub async fn audit_export(&self, output: Box<dyn Write + Send>) -> Result<u64, Error> {
        self.authority.audit_export(output).await
    }

    /// The profiles of the data directory: the built-in ones, then the user's.
    pub fn profiles(&self) -> Result<Vec<Profile>, Error> {
        let names = self.authority.profiles.names()?;
        names.iter().map(|name| self.authority.profiles.find(name)).collect()
    }

    /// The same, one by one: a user's file that is no profile does not hide the others.
    pub fn each_profile(&self) -> Result<Vec<Result<Profile, Error>>, Error> {
        let names = self.authority.profiles.names()?;
        Ok(names.iter().map(|name| self.authority.profiles.find(name)).collect())
    }

    /// The profile with this name.
    pub fn profile(&self, name: &str) -> Result<Profile, Error> {
        self.authority.profiles.find(name)
    }
}
