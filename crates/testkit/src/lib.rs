//! Fixtures for tests: a clock that is set by hand, a fixed passphrase, an authority in a temporary
//! directory.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};

use rustmq_ca::{
    Actor, CaInfo, CertificateManager, Clock, Execution, IntermediateCaRequest, IssueRequest,
    Issued, NewCa, OpenMode, Options, PassphraseError, PassphraseSource, RootCaRequest,
};
use rustmq_pki::key::software::SoftwareKey;
use rustmq_pki::key::{KeyType, PublicKey, Signer};
use rustmq_pki::name::{Attribute, DistinguishedName, Principal};
use rustmq_pki::profile::Validity;
use rustmq_pki::role::Role;
use rustmq_pki::time::UnixTime;
use secrecy::SecretString;
use tempfile::TempDir;

/// 2026-11-23T08:00:00Z, where a [`FakeClock`] starts.
pub const START: UnixTime = UnixTime::from_seconds(1_795_420_800);

/// A clock that stands still until it is moved. Clones show the same time.
#[derive(Clone, Debug)]
pub struct FakeClock {
    seconds: Arc<AtomicI64>,
}

impl Default for FakeClock {
    fn default() -> Self {
        Self::at(START)
    }
}

impl FakeClock {
    /// A clock that shows `time`.
    pub fn at(time: UnixTime) -> Self {
        Self { seconds: Arc::new(AtomicI64::new(time.seconds())) }
    }

    /// Moves it on (back, when negative).
    pub fn advance_seconds(&self, seconds: i64) {
        self.seconds.fetch_add(seconds, Ordering::SeqCst);
    }

    /// Moves it on by days of 86,400 seconds.
    pub fn advance_days(&self, days: i64) {
        self.advance_seconds(days * 86_400);
    }

    /// Sets it.
    pub fn set(&self, time: UnixTime) {
        self.seconds.store(time.seconds(), Ordering::SeqCst);
    }
}

impl Clock for FakeClock {
    fn now(&self) -> UnixTime {
        UnixTime::from_seconds(self.seconds.load(Ordering::SeqCst))
    }
}

/// A passphrase that is always at hand, and a count of how often it was asked for.
#[derive(Debug)]
pub struct FixedPassphrase {
    existing: SecretString,
    new: SecretString,
    asked: AtomicUsize,
}

impl FixedPassphrase {
    /// The same passphrase for old and new.
    pub fn new(passphrase: &str) -> Arc<Self> {
        Self::changing(passphrase, passphrase)
    }

    /// One to open with, another to change to.
    pub fn changing(existing: &str, new: &str) -> Arc<Self> {
        let (existing, new) = (SecretString::from(existing), SecretString::from(new));
        Arc::new(Self { existing, new, asked: AtomicUsize::new(0) })
    }

    /// How often either was asked for.
    pub fn times_asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl PassphraseSource for FixedPassphrase {
    fn existing(&self) -> Result<SecretString, PassphraseError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Ok(self.existing.clone())
    }

    fn new_passphrase(&self) -> Result<SecretString, PassphraseError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Ok(self.new.clone())
    }
}

/// A source that has none: what must not need a key must not ask.
#[derive(Clone, Copy, Debug)]
pub struct NoPassphrase;

impl PassphraseSource for NoPassphrase {
    fn existing(&self) -> Result<SecretString, PassphraseError> {
        Err(PassphraseError::Absent)
    }

    fn new_passphrase(&self) -> Result<SecretString, PassphraseError> {
        Err(PassphraseError::Absent)
    }
}

/// The passphrase of a [`TestCa`].
pub const PASSPHRASE: &str = "correct horse battery staple";

/// An authority in a temporary directory that goes with it.
pub struct TestCa {
    /// The authority.
    pub manager: CertificateManager,
    /// Its clock.
    pub clock: FakeClock,
    /// Its passphrase.
    pub passphrase: Arc<FixedPassphrase>,
    directory: TempDir,
}

impl TestCa {
    /// An empty authority.
    pub fn empty() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let clock = FakeClock::default();
        let passphrase = FixedPassphrase::new(PASSPHRASE);
        let data_dir = directory.path().join("data");
        let options = options(&data_dir, &clock, passphrase.clone()).mode(OpenMode::Create);
        let manager = CertificateManager::open(&options).expect("a new authority opens");
        Self { manager, clock, passphrase, directory }
    }

    /// An authority with the root `root_ca_1` and the intermediate `prod_ca_1`.
    pub async fn with_hierarchy() -> Self {
        let ca = Self::empty();
        ca.create_root("RustMQ Root CA").await;
        ca.create_intermediate("root_ca_1", "Production CA").await;
        ca
    }

    /// The authority and the directory apart, so that the one can be closed before the other goes.
    pub fn into_parts(self) -> (CertificateManager, TempDir) {
        (self.manager, self.directory)
    }

    /// Its data directory.
    pub fn data_dir(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// The temporary directory, for files that go with it.
    pub fn scratch(&self) -> &Path {
        self.directory.path()
    }

    /// Options to open the same directory once more, by the same clock and passphrase.
    pub fn options(&self) -> Options {
        options(&self.data_dir(), &self.clock, self.passphrase.clone())
    }

    /// Makes a P-256 root.
    pub async fn create_root(&self, common_name: &str) -> CaInfo {
        let request = RootCaRequest { ca: NewCa::new(named(common_name)) };
        let created = self.manager.generate_root_ca(request).await.expect("a root");
        created.ca.expect("no dry run")
    }

    /// Makes a P-256 intermediate.
    pub async fn create_intermediate(&self, parent: &str, common_name: &str) -> CaInfo {
        let request =
            IntermediateCaRequest { parent: parent.to_owned(), ca: NewCa::new(named(common_name)) };
        let created = self.manager.generate_intermediate_ca(request).await.expect("a CA");
        created.ca.expect("no dry run")
    }

    /// Issues by `prod_ca_1` for a new P-256 key.
    pub async fn issue(&self, principal: &str, role: Role) -> Issued {
        let request = issue_request("prod_ca_1", principal, role, &new_key());
        let issuance = self.manager.issue_certificate(request).await.expect("a certificate");
        issuance.issued.expect("no dry run")
    }
}

/// Options for a data directory.
pub fn options(
    data_dir: &Path,
    clock: &FakeClock,
    passphrase: Arc<dyn PassphraseSource>,
) -> Options {
    Options::new(data_dir, Arc::new(clock.clone()), passphrase, Actor::local("tester", 1000))
}

/// A name with this common name alone.
pub fn named(common_name: &str) -> DistinguishedName {
    let name = DistinguishedName::default().with(Attribute::CommonName, common_name);
    name.expect("a common name")
}

/// A new P-256 key's public half.
pub fn new_key() -> PublicKey {
    let key = SoftwareKey::generate(KeyType::P256).expect("a key");
    key.public_key().clone()
}

/// A plain request for an end entity.
pub fn issue_request(ca: &str, principal: &str, role: Role, key: &PublicKey) -> IssueRequest {
    IssueRequest {
        ca: ca.to_owned(),
        principal: Principal::parse(principal).expect("a principal"),
        public_key: key.clone(),
        role: Some(role),
        profile: None,
        sans: Vec::new(),
        attributes: Vec::new(),
        validity: Validity::Default,
        idempotency: None,
        execution: Execution::Commit,
    }
}
