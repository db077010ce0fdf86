//! The public face of the authority.

use std::io::Write;
use std::sync::Arc;

use futures_core::Stream;
use rustmq_pki::certificate::Certificate;
use rustmq_pki::profile::Profile;

use crate::Error;
use crate::authority::{Authority, restoring};
use crate::backup::{BackupRequest, BackupSummary, RestoreRequest, Restored};
use crate::batch::{
    Batch, BatchRequest, BatchRevocation, BatchRevokeRequest, BatchRow, BatchStream, SLICE_ROWS,
};
use crate::checkpoint::{AnchoredVerdict, AuditCheckpoint};
use crate::info::{AbandonedSerial, AuditRecord, AuditVerdict, CaInfo, CaTree, CertificateInfo};
use crate::outcome::{
    AuditExport, Bundle, CaCreation, CrlPublication, ExportSummary, Issuance, PassphraseChange,
    Revocation,
};
use crate::pages::{AuditPages, CertificatePages, ListOrder};
use crate::request::{
    AuditFilter, CrlRefresh, Execution, IntermediateCaRequest, IssueRequest, ListFilter, Options,
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

    /// Opens a batch: finds its CA with the chain and its profile. Opens no key yet.
    pub async fn batch(&self, request: BatchRequest) -> Result<Batch, Error> {
        Batch::open(self.authority.clone(), request).await
    }

    /// Revokes a certificate or puts it on hold, and signs the CRL that says so.
    pub async fn revoke_certificate(&self, request: RevokeRequest) -> Result<Revocation, Error> {
        self.authority.revoke(request).await
    }

    /// Issues rows as they come and gives their certificates as they are durable, in slices of
    /// [`SLICE_ROWS`]. A job that was cut off is taken up again by the same rows in the same order:
    /// what was issued before comes again. Call it on a tokio runtime.
    pub fn issue_batch(
        &self,
        request: BatchRequest,
        rows: impl Stream<Item = BatchRow> + Send + 'static,
    ) -> BatchStream {
        self.issue_batch_in_slices(request, SLICE_ROWS, rows)
    }

    /// [`Self::issue_batch`] with slices of another size, which has to stay the same for a job.
    pub fn issue_batch_in_slices(
        &self,
        request: BatchRequest,
        slice: usize,
        rows: impl Stream<Item = BatchRow> + Send + 'static,
    ) -> BatchStream {
        BatchStream::start(self.clone(), request, slice, rows)
    }

    /// Revokes many certificates, in slices of one transaction and one audit record each, and signs
    /// one CRL of each CA at the end. Those revoked before are counted, so that a batch that was
    /// killed is repeated as it was.
    pub async fn revoke_batch(
        &self,
        request: BatchRevokeRequest,
    ) -> Result<BatchRevocation, Error> {
        self.authority.revoke_batch(request).await
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

    /// The same page by page, in bounded memory.
    pub async fn list_pages(
        &self,
        filter: ListFilter,
        order: ListOrder,
    ) -> Result<CertificatePages, Error> {
        CertificatePages::new(&self.authority, filter, order).await
    }

    /// The end entities' certificates that a filter lets through, by the numbers in their ids: 17 for
    /// `cert-17`. A million of them have 8 MB.
    pub async fn end_entities(&self, filter: ListFilter) -> Result<Vec<i64>, Error> {
        self.authority.end_entities(filter).await
    }

    /// The same without those that have a successor: an active certificate that renews them, or renews
    /// one that does.
    pub async fn without_successor(&self, filter: ListFilter) -> Result<Vec<i64>, Error> {
        self.authority.without_successor(filter).await
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

    /// Encrypts every CA key under a new passphrase and leaves no copy under the old one, or says why
    /// there may be some.
    pub async fn change_passphrase(&self) -> Result<PassphraseChange, Error> {
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

    /// Writes a backup: the store as it is at one moment, while others write, with the CA keys encrypted
    /// as they are, and the user's profiles; signed by one of its CAs. It needs as much room in the data
    /// directory as the store itself. A store that a restore would refuse is not backed up.
    pub async fn backup(
        &self,
        request: BackupRequest,
        output: Box<dyn Write + Send>,
    ) -> Result<BackupSummary, Error> {
        self.authority.backup(request, output).await
    }

    /// Restores a backup into the data directory of `options`, which has to be empty or absent. Ids
    /// and passphrase are those of the backup; no passphrase is asked for. All is verified before
    /// anything is put in place: after an error the directory is as it was.
    pub async fn restore(options: &Options, request: RestoreRequest) -> Result<Restored, Error> {
        restoring::restore(options, request).await
    }

    /// The newest audit records, the oldest of them first.
    pub async fn audit_list(&self, limit: u32) -> Result<Vec<AuditRecord>, Error> {
        self.authority.store.read(move |connection| audit::newest(connection, limit)).await
    }

    /// The newest `last` audit records that a filter lets through, page by page, in bounded memory.
    pub async fn audit_pages(&self, filter: AuditFilter, last: u32) -> Result<AuditPages, Error> {
        AuditPages::new(&self.authority.store, filter, last).await
    }

    /// Follows the audit chain from the first record to the last.
    pub async fn audit_verify(&self) -> Result<AuditVerdict, Error> {
        self.authority.store.read(audit::verify).await
    }

    /// Follows the audit chain and looks for the record that a checkpoint of this store names: none up
    /// to that one can be missing unnoticed. A chain that does not hold it has a fault.
    ///
    /// # Errors
    ///
    /// A checkpoint that was signed by no CA of this store.
    pub async fn audit_verify_anchored(
        &self,
        anchor: AuditCheckpoint,
    ) -> Result<AnchoredVerdict, Error> {
        self.authority.audit_verify_anchored(anchor).await
    }

    /// Signs how many audit records there are and the newest one's hash, to be kept outside. `ca`
    /// names the signer: none takes the newest CA that issues, a root only where there is no other.
    /// The record that announces the signature is the last that the checkpoint covers.
    pub async fn audit_checkpoint(&self, ca: Option<String>) -> Result<AuditCheckpoint, Error> {
        self.authority.audit_checkpoint(ca).await
    }

    /// Writes every audit record as one JSON object a line, that of a slice of a batch as one a row.
    pub async fn audit_export(&self, output: Box<dyn Write + Send>) -> Result<AuditExport, Error> {
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
