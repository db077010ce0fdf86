//! The authority on its store: durable, audited issuing, and growth with the number of stored
//! certificates.

use std::sync::Arc;

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

use crate::measure::{Table, Target, in_turns};

/// Certificates in the smaller and in the larger store.
const SMALL: usize = 10_000;
const LARGE: usize = 100_000;
/// Requests under way at once while a store is filled.
const CONCURRENCY: usize = 64;

/// Measures and adds the rows.
pub(crate) fn run(table: &mut Table, raw: f64) {
    let runtime = Runtime::new().unwrap();
    let mut small = Store::new(&runtime);
    let mut large = Store::new(&runtime);
    durable(table, raw, &runtime, &mut small);
    small.fill(&runtime, SMALL);
    large.fill(&runtime, LARGE);
    growth(table, &runtime, &mut small, &mut large);
}

fn durable(table: &mut Table, raw: f64, runtime: &Runtime, store: &mut Store) {
    let cell = std::cell::RefCell::new(store);
    let times = in_turns(
        9,
        4,
        &mut [
            &mut || {
                for _ in 0..CONCURRENCY {
                    cell.borrow_mut().issue_at_once(runtime, 1);
                }
            },
            &mut || cell.borrow_mut().issue_at_once(runtime, CONCURRENCY),
        ],
    );
    let mut row = |name, time: f64| {
        #[expect(clippy::cast_precision_loss, reason = "64 is exact")]
        let one = time / CONCURRENCY as f64;
        let detail = format!("raw keygen + sign {raw:.1} us / {one:.1} us of CPU");
        table.add(name, raw / one, detail, Target::Peer);
        table.plot(name, one);
    };
    row("durable, audited issuing, one at a time", times[0]);
    row("durable, audited issuing, 64 at once", times[1]);
}

/// One operation on a store.
type Work = fn(&mut Store, &Runtime);

fn growth(table: &mut Table, runtime: &Runtime, small: &mut Store, large: &mut Store) {
    small.revoke_some(runtime, 100);
    large.revoke_some(runtime, 100);
    let stores = [std::cell::RefCell::new(small), std::cell::RefCell::new(large)];
    let works: [(&str, u32, Work); 4] = [
        ("growth 10,000 to 100,000: look-up", 100, Store::look_up),
        ("growth 10,000 to 100,000: issue", 20, |store, runtime| store.issue_at_once(runtime, 1)),
        ("growth 10,000 to 100,000: revoke", 4, |store, runtime| store.revoke_some(runtime, 1)),
        ("growth 10,000 to 100,000: start-up", 10, Store::start_up),
    ];
    for (name, repetitions, work) in works {
        let times = in_turns(
            15,
            repetitions,
            &mut [&mut || work(&mut stores[0].borrow_mut(), runtime), &mut || {
                work(&mut stores[1].borrow_mut(), runtime);
            }],
        );
        let detail = format!("{:.0} us / {:.0} us", times[1], times[0]);
        table.add(name, times[1] / times[0], detail, Target::AtMost(1.3));
    }
}

/// A data directory with a root and one CA under it.
struct Store {
    directory: TempDir,
    manager: CertificateManager,
    ca: String,
    serials: Vec<String>,
    issued: usize,
    looked_up: usize,
}

impl Store {
    fn new(runtime: &Runtime) -> Self {
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
        Self { directory, manager, ca, serials: Vec::new(), issued: 0, looked_up: 0 }
    }

    fn fill(&mut self, runtime: &Runtime, count: usize) {
        while self.issued < count {
            let batch = (count - self.issued).min(4096);
            self.issue_at_once(runtime, batch);
        }
    }

    /// Issues `count` certificates, at most [`CONCURRENCY`] of them at a time.
    fn issue_at_once(&mut self, runtime: &Runtime, count: usize) {
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

    fn revoke_some(&mut self, runtime: &Runtime, count: usize) {
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

    fn look_up(&mut self, runtime: &Runtime) {
        // A stride that shares no factor with the count visits them all, in no order of theirs.
        self.looked_up = (self.looked_up + 7919) % self.serials.len();
        let serial = self.serials[self.looked_up].clone();
        let info = runtime.block_on(self.manager.info(&serial)).unwrap();
        assert_eq!(info.serial, serial);
    }

    /// Opens the data directory as a new process would, and answers a first question.
    fn start_up(&mut self, runtime: &Runtime) {
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
