//! A data directory to measure on: a root, a CA under it, and as many certificates as are wanted.

use std::sync::Arc;

use rustmq_ca::batch::{Batch, BatchRequest, BatchRow, RowKey, SLICE_ROWS};
use rustmq_ca::{
    Actor, CertificateManager, Clock, CrlRefresh, Execution, IntermediateCaRequest, IssueRequest,
    NewCa, OpenMode, Options, PassphraseError, PassphraseSource, RevokeRequest, RootCaRequest,
};
use rustmq_pki::crl::RevocationReason;
use rustmq_pki::key::software::SoftwareKey;
use rustmq_pki::key::{KeyType, Signer};
use rustmq_pki::name::{Attribute, DistinguishedName, Principal};
use rustmq_pki::profile::Validity;
use rustmq_pki::role::Role;
use rustmq_pki::time::UnixTime;
use secrecy::SecretString;
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::JoinSet;

/// Requests under way at once where they are not batches.
pub(crate) const CONCURRENCY: usize = 64;

/// A data directory with a root and one CA under it.
pub(crate) struct Store {
    directory: TempDir,
    manager: CertificateManager,
    ca: String,
    serials: Vec<String>,
    issued: usize,
    slices: u64,
    /// Of so many certificates of a batch, one is kept to look up and to revoke.
    sample: usize,
    looked_up: usize,
}

impl Store {
    pub(crate) fn new(runtime: &Runtime, sample: usize) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let manager = open(&directory, OpenMode::Create);
        let named = |name| {
            NewCa::new(DistinguishedName::default().with(Attribute::CommonName, name).unwrap())
        };
        let ca = runtime.block_on(async {
            let root = RootCaRequest { ca: named("Bench Root CA") };
            let root = manager.generate_root_ca(root).await.unwrap().ca.unwrap();
            let ca = named("Bench Production CA");
            let request = IntermediateCaRequest { parent: root.id, ca };
            manager.generate_intermediate_ca(request).await.unwrap().ca.unwrap().id
        });
        Self {
            directory,
            manager,
            ca,
            serials: Vec::new(),
            issued: 0,
            slices: 0,
            sample,
            looked_up: 0,
        }
    }

    /// Closes the data directory and opens it again: what a checkpoint owes is paid.
    pub(crate) fn reopen(&mut self) {
        // Two writers at once would leave the checkpoint to the last of them.
        let reader = open(&self.directory, OpenMode::Read);
        self.manager = reader;
        self.manager = open(&self.directory, OpenMode::Write);
    }

    /// Issues in slices until so many certificates are stored.
    pub(crate) fn fill(&mut self, runtime: &Runtime, count: usize) {
        let batch = self.batch(runtime);
        while self.issued < count {
            let rows = self.rows((count - self.issued).min(SLICE_ROWS));
            self.issue_slice(runtime, &batch, rows);
        }
        runtime.block_on(batch.finish()).unwrap();
    }

    pub(crate) fn batch(&self, runtime: &Runtime) -> Batch {
        let request = BatchRequest {
            ca: self.ca.clone(),
            role: Some(Role::Broker),
            profile: None,
            job: "bench".to_owned(),
            execution: Execution::Commit,
        };
        runtime.block_on(self.manager.batch(request)).unwrap()
    }

    /// Rows with new keys.
    pub(crate) fn rows(&mut self, count: usize) -> Vec<BatchRow> {
        (0..count)
            .map(|_| {
                let key = SoftwareKey::generate(KeyType::P256).unwrap();
                self.row(RowKey::PublicKey(key.public_key().clone()))
            })
            .collect()
    }

    /// The principal of the row that comes after so many others.
    pub(crate) fn name_after(&self, others: usize) -> String {
        format!("broker-{}.example.com", self.issued + 1 + others)
    }

    /// Rows for PKCS#10 requests, each for the principal of its row.
    pub(crate) fn csr_rows(&mut self, csrs: Vec<Vec<u8>>) -> Vec<BatchRow> {
        csrs.into_iter().map(|csr| self.row(RowKey::Csr(csr))).collect()
    }

    fn row(&mut self, subject: RowKey) -> BatchRow {
        let principal = self.name_after(0);
        self.issued += 1;
        BatchRow {
            row: self.issued as u64,
            principal: Some(Principal::parse(&principal).unwrap()),
            role: None,
            profile: None,
            sans: Vec::new(),
            validity: Validity::Default,
            subject,
        }
    }

    /// Issues the next slice; all of its certificates are new.
    pub(crate) fn issue_slice(&mut self, runtime: &Runtime, batch: &Batch, rows: Vec<BatchRow>) {
        let count = rows.len();
        let issued = runtime.block_on(batch.issue_slice(self.slices, rows)).unwrap();
        assert!(issued.len() == count && issued.iter().all(|issued| !issued.replayed));
        self.slices += 1;
        let some = issued.iter().step_by(self.sample);
        self.serials.extend(some.map(|issued| issued.certificate.serial().to_string()));
    }

    /// Issues `count` certificates, at most [`CONCURRENCY`] of them at a time.
    pub(crate) fn issue_at_once(&mut self, runtime: &Runtime, count: usize) {
        runtime.block_on(async {
            let mut under_way = JoinSet::new();
            for _ in 0..count {
                if under_way.len() == CONCURRENCY {
                    self.serials.push(under_way.join_next().await.unwrap().unwrap());
                }
                self.issued += 1;
                under_way.spawn(issue(self.manager.clone(), self.ca.clone(), self.issued));
            }
            while let Some(serial) = under_way.join_next().await {
                self.serials.push(serial.unwrap());
            }
        });
    }

    pub(crate) fn revoke_some(&mut self, runtime: &Runtime, count: usize) {
        for _ in 0..count {
            let certificate = self.serials.pop().unwrap();
            let request = RevokeRequest {
                certificate,
                reason: RevocationReason::Superseded,
                invalidity_date: None,
                execution: Execution::Commit,
            };
            let revocation = runtime.block_on(self.manager.revoke_certificate(request)).unwrap();
            assert!(revocation.crl.is_some_and(|crl| crl.signed));
        }
    }

    pub(crate) fn look_up(&mut self, runtime: &Runtime) {
        // A stride that shares no factor with the count visits them all, in no order of theirs.
        self.looked_up = (self.looked_up + 7919) % self.serials.len();
        let serial = self.serials[self.looked_up].clone();
        let info = runtime.block_on(self.manager.info(&serial)).unwrap();
        assert_eq!(info.serial, serial);
    }

    /// Opens the data directory as a new process would, and answers a first question.
    pub(crate) fn start_up(&mut self, runtime: &Runtime) {
        let manager = open(&self.directory, OpenMode::Write);
        let crl = runtime.block_on(manager.generate_crl(&self.ca, CrlRefresh::Stored)).unwrap();
        assert!(crl.entries >= 100);
    }
}

async fn issue(manager: CertificateManager, ca: String, number: usize) -> String {
    let key = SoftwareKey::generate(KeyType::P256).unwrap();
    let request = IssueRequest {
        ca,
        principal: Principal::parse(&format!("broker-{number}.example.com")).unwrap(),
        public_key: key.public_key().clone(),
        role: Some(Role::Broker),
        profile: None,
        sans: Vec::new(),
        attributes: Vec::new(),
        validity: Validity::Default,
        idempotency: None,
        execution: Execution::Commit,
    };
    let issuance = manager.issue_certificate(request).await.unwrap();
    issuance.issued.unwrap().info().serial.clone()
}

fn open(directory: &TempDir, mode: OpenMode) -> CertificateManager {
    let options = Options::new(
        directory.path(),
        Arc::new(FixedClock),
        Arc::new(FixedPassphrase),
        Actor::local("bench", 0),
    );
    CertificateManager::open(&options.mode(mode)).unwrap()
}

struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> UnixTime {
        UnixTime::from_seconds(1_795_392_000)
    }
}

struct FixedPassphrase;

impl PassphraseSource for FixedPassphrase {
    fn existing(&self) -> Result<SecretString, PassphraseError> {
        Ok(SecretString::from("bench"))
    }

    fn new_passphrase(&self) -> Result<SecretString, PassphraseError> {
        self.existing()
    }
}
