//! Several processes on one data directory, and what a dead one leaves.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use rustmq_ca::faults::{Faults, SignerWatch};
use rustmq_ca::{
    CaCreation, CertificateManager, CrlRefresh, Error, Execution, IdempotencyKey,
    IntermediateCaRequest, IssueRequest, ListFilter, NewCa, OpenMode, RekeyCaRequest,
    RenewCaRequest,
};
use rustmq_pki::key::{KeyType, PublicKey, SignError, Signer};
use rustmq_pki::profile::Validity;
use rustmq_pki::role::Role;
use rustmq_testkit::{
    FakeClock, FixedPassphrase, PASSPHRASE, TestCa, issue_request, named, new_key, options,
};

use super::child::{self, Child, MANY, Operation};
use super::{batches, fixture};

fn child<'a>(operation: Operation, data_dir: &'a Path, markers: &'a Path) -> Child<'a> {
    Child {
        operation,
        data_dir,
        markers,
        without_fsync: false,
        die_at_signature: false,
        under: &[],
    }
}

fn opened(data_dir: &Path) -> CertificateManager {
    let source = FixedPassphrase::new(PASSPHRASE);
    CertificateManager::open(&options(data_dir, &FakeClock::default(), source)).expect("opens")
}

#[tokio::test]
async fn three_processes_issue_at_once() {
    let temp = tempfile::tempdir().unwrap();
    let ca = TestCa::with_hierarchy().await;
    let data_dir = ca.data_dir();
    let start = || child(Operation::IssueMany, &data_dir, temp.path()).start();
    let children = [start(), start()];
    let mut serials = HashSet::new();
    for _ in 0..MANY {
        assert!(
            serials.insert(ca.issue("own@b.example", Role::Client).await.info().serial.clone())
        );
    }
    for child in children {
        let output = child.wait_with_output().unwrap();
        let acknowledged = child::acknowledged(&output).unwrap_or_else(|| panic!("{output:?}"));
        assert!(acknowledged.split(' ').all(|serial| serials.insert(serial.to_owned())));
    }
    assert_eq!(serials.len(), 3 * MANY);
    let listed = ca.manager.list(ListFilter::default()).await.unwrap();
    assert_eq!(listed.len(), 2 + 3 * MANY);
    assert!(serials.iter().all(|serial| listed.iter().any(|info| info.serial == *serial)));
    assert_eq!(ca.manager.audit_verify().await.unwrap().fault, None);
    assert!(ca.manager.abandoned().await.unwrap().is_empty());
    let tree = ca.manager.ca_tree().await.unwrap();
    assert_eq!(tree[0].children[0].ca.counts[0].active, 3 * MANY as u64);
}

#[tokio::test]
async fn two_roots_at_once_are_two_whole_roots_or_one_is_refused() {
    for _ in 0..5 {
        let temp = tempfile::tempdir().unwrap();
        let data_dir = temp.path().join("data");
        let children = [(); 2].map(|()| child(Operation::Root, &data_dir, temp.path()).start());
        let outputs = children.map(|child| child.wait_with_output().unwrap());
        let mut ids: Vec<_> = outputs.iter().filter_map(child::acknowledged).collect();
        ids.sort();
        let refusals: Vec<_> = outputs.iter().filter_map(child::refused).collect();
        assert_eq!(ids.len() + refusals.len(), 2, "{outputs:?}");
        assert!(refusals.iter().all(|code| code == "passphrase_changed"), "{refusals:?}");
        assert_eq!(ids, ["root_ca_1", "root_ca_2"][..ids.len()]);
        let manager = opened(&data_dir);
        let cas = manager.list_cas().await.unwrap();
        assert_eq!(cas.iter().map(|ca| ca.id.clone()).collect::<Vec<_>>(), ids);
        for id in ids {
            manager.generate_crl(&id, CrlRefresh::Always).await.expect("its key opens");
        }
        assert_eq!(manager.audit_verify().await.unwrap().fault, None);
    }
}

#[tokio::test]
async fn a_dead_process_leaves_its_serial_on_the_next_crl() {
    let temp = tempfile::tempdir().unwrap();
    let data_dir = fixture_copy(temp.path()).await;
    let dying = Child { die_at_signature: true, ..child(Operation::Issue, &data_dir, temp.path()) };
    assert_eq!(child::acknowledged(&dying.run()), None);
    let manager = opened(&data_dir);
    let crl = manager.generate_crl("prod_ca_1", CrlRefresh::Always).await.unwrap();
    let abandoned = manager.abandoned().await.unwrap();
    assert_eq!((abandoned.len(), crl.entries), (1, 1));
    assert_eq!(abandoned[0].principal, "client@company.com");
    let serial = &abandoned[0].serial;
    let told = manager.info(serial).await;
    assert!(matches!(&told, Err(Error::AbandonedSerial { serial: told, .. }) if told == serial));
    let view = rustmq_pki::read::CrlRef::read(crl.crl.der()).unwrap();
    let entry = view.entries().next().unwrap().unwrap();
    assert_eq!(entry.reason, None, "no reason is known");
}

#[tokio::test]
async fn a_dead_cas_serial_waits_for_its_issuers_key_and_its_id_is_free_again() {
    let temp = tempfile::tempdir().unwrap();
    let data_dir = fixture_copy(temp.path()).await;
    let intermediate = child(Operation::Intermediate, &data_dir, temp.path());
    let dying = Child { die_at_signature: true, ..intermediate };
    assert_eq!(child::acknowledged(&dying.run()), None);
    let manager = opened(&data_dir);
    let root_crl = async || manager.generate_crl("root_ca_1", CrlRefresh::Stored).await.unwrap();
    let before = root_crl().await;
    let request = issue_request("prod_ca_1", "a@b.example", Role::Client, &new_key());
    manager.issue_certificate(request).await.unwrap();
    assert_eq!(manager.abandoned().await.unwrap()[0].ca_id.as_deref(), Some("root_ca_1"));
    assert_eq!(root_crl().await.crl, before.crl, "the root's key stays closed");
    assert!(manager.find_ca("Staging CA").await.is_err());
    drop(manager);

    let again = child(Operation::Intermediate, &data_dir, temp.path()).run();
    assert_eq!(child::acknowledged(&again).as_deref(), Some("staging_ca_1"), "{again:?}");
    let manager = opened(&data_dir);
    let after = manager.generate_crl("root_ca_1", CrlRefresh::Stored).await.unwrap();
    assert_eq!((before.entries, after.entries), (0, 1));
    assert_eq!(manager.audit_verify().await.unwrap().fault, None);
}

/// A copy of the usual template, made off the runtime, which it starts itself.
async fn fixture_copy(directory: &Path) -> std::path::PathBuf {
    let directory = directory.to_owned();
    let made = tokio::task::spawn_blocking(move || fixture::template(&directory));
    made.await.expect("a template")
}

/// Tells when it is about to sign, and waits to be let go.
struct Stopping {
    reached: mpsc::Sender<()>,
    go_on: Arc<Mutex<mpsc::Receiver<()>>>,
}

struct StoppingSigner {
    signer: Arc<dyn Signer>,
    reached: Mutex<mpsc::Sender<()>>,
    go_on: Arc<Mutex<mpsc::Receiver<()>>>,
}

impl SignerWatch for Stopping {
    fn watch(&self, signer: Arc<dyn Signer>) -> Arc<dyn Signer> {
        let reached = Mutex::new(self.reached.clone());
        Arc::new(StoppingSigner { signer, reached, go_on: self.go_on.clone() })
    }
}

impl Signer for StoppingSigner {
    fn public_key(&self) -> &PublicKey {
        self.signer.public_key()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let reached = self.reached.lock().unwrap_or_else(PoisonError::into_inner).send(());
        reached.expect("the test waits");
        self.go_on.lock().unwrap_or_else(PoisonError::into_inner).recv().expect("the test goes on");
        self.signer.sign(message)
    }
}

/// A P-521 signature takes too long for a runtime's thread, so the caller waits for another, and can
/// stop waiting.
#[tokio::test]
async fn a_caller_that_goes_away_leaves_an_abandoned_serial() {
    let ca = TestCa::empty();
    ca.create_root("RustMQ Root CA").await;
    let slow = NewCa { key_type: KeyType::P521, ..NewCa::new(named("Production CA")) };
    let request = IntermediateCaRequest { parent: "root_ca_1".to_owned(), ca: slow };
    ca.manager.generate_intermediate_ca(request).await.unwrap();
    let (reached, has_reached) = mpsc::channel();
    let (let_go, go_on) = mpsc::channel();
    let watch = Arc::new(Stopping { reached, go_on: Arc::new(Mutex::new(go_on)) });
    let faults = Faults { watch: Some(watch), ..Faults::default() };
    let manager = CertificateManager::open(&ca.options().with_faults(faults)).unwrap();
    let issuing = tokio::spawn({
        let manager = manager.clone();
        let request = issue_request("prod_ca_1", "gone@b.example", Role::Client, &new_key());
        async move { manager.issue_certificate(request).await.map(drop) }
    });
    let reached = tokio::task::spawn_blocking(move || has_reached.recv());
    reached.await.unwrap().expect("it gets to its signature");
    issuing.abort();
    assert!(issuing.await.expect_err("aborted").is_cancelled());
    let_go.send(()).expect("the signer waits");
    let own = issue_request("prod_ca_1", "here@b.example", Role::Client, &new_key());
    ca.manager.issue_certificate(own).await.unwrap();
    drop(manager);
    let crl = ca.manager.generate_crl("prod_ca_1", CrlRefresh::Always).await.unwrap();
    let abandoned = ca.manager.abandoned().await.unwrap();
    assert_eq!((abandoned.len(), crl.entries), (1, 1));
    assert_eq!(abandoned[0].principal, "gone@b.example");
}

/// Has one authority stop before its signature on `request` while `meanwhile` works on the same
/// directory.
fn stopped_at_the_signature(
    data_dir: &Path,
    request: IssueRequest,
    meanwhile: impl AsyncFnOnce(CertificateManager),
) -> Result<String, Error> {
    let issue = async move |manager: CertificateManager| {
        let issued = manager.issue_certificate(request).await?.issued;
        Ok(issued.expect("no dry run").info().serial.clone())
    };
    stopped_while(data_dir, issue, meanwhile)
}

/// The same with any work that signs once.
fn stopped_while(
    data_dir: &Path,
    work: impl AsyncFnOnce(CertificateManager) -> Result<String, Error> + Send,
    meanwhile: impl AsyncFnOnce(CertificateManager),
) -> Result<String, Error> {
    let (reached, has_reached) = mpsc::channel();
    let (let_go, go_on) = mpsc::channel();
    let watch = Arc::new(Stopping { reached, go_on: Arc::new(Mutex::new(go_on)) });
    let faults = Faults { watch: Some(watch), ..Faults::default() };
    let source = FixedPassphrase::new(PASSPHRASE);
    let stopping = options(data_dir, &FakeClock::default(), source).with_faults(faults);
    let runtime = || tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    std::thread::scope(|scope| {
        let issuing = scope.spawn(|| {
            runtime().block_on(async {
                work(CertificateManager::open(&stopping.mode(OpenMode::Write))?).await
            })
        });
        has_reached.recv().expect("it gets to its signature");
        runtime().block_on(meanwhile(opened(data_dir)));
        let_go.send(()).expect("it waits");
        issuing.join().expect("no panic")
    })
}

fn slow_request() -> IssueRequest {
    issue_request("prod_ca_1", "slow@b.example", Role::Client, &new_key())
}

/// Somebody removes the lock of a process that only seems to be dead.
fn declare_dead(data_dir: &Path) {
    for entry in fs::read_dir(data_dir.join("instances")).expect("a directory") {
        fs::remove_file(entry.expect("an entry").path()).expect("removed");
    }
}

#[test]
fn a_repeated_request_waits_for_a_live_process_and_not_for_a_dead_one() {
    let temp = tempfile::tempdir().unwrap();
    let data_dir = fixture::template(temp.path());
    let idempotency = Some(IdempotencyKey::new("k"));
    let request = IssueRequest { idempotency, ..slow_request() };
    let repeated = request.clone();
    let outcome = stopped_at_the_signature(&data_dir, request, async |manager| {
        let live = manager.issue_certificate(repeated.clone()).await;
        assert!(matches!(live, Err(Error::IdempotencyInProgress { .. })), "{live:?}");
        declare_dead(&data_dir);
        let issuance = manager.issue_certificate(repeated).await.expect("the first is dead");
        assert!(issuance.issued.is_some() && !issuance.replayed);
    });
    assert!(matches!(outcome, Err(Error::ReservationLost { .. })), "{outcome:?}");
}

/// What a CA is asked for under an idempotency key.
#[derive(Clone, Copy, Debug)]
enum OfACa {
    Found,
    Renew,
    Rekey,
}

impl OfACa {
    async fn ask(
        self,
        manager: &CertificateManager,
        execution: Execution,
    ) -> Result<CaCreation, Error> {
        let (ca, validity) = ("prod_ca_1".to_owned(), Validity::Default);
        let idempotency = Some(IdempotencyKey::new("k"));
        match self {
            Self::Found => {
                let new = NewCa { idempotency, execution, ..NewCa::new(named("Staging CA")) };
                let request = IntermediateCaRequest { parent: "root_ca_1".to_owned(), ca: new };
                manager.generate_intermediate_ca(request).await
            }
            Self::Renew => {
                manager.renew_ca(RenewCaRequest { ca, validity, idempotency, execution }).await
            }
            Self::Rekey => {
                let (key_type, id) = (None, None);
                let request = RekeyCaRequest { ca, key_type, id, validity, idempotency, execution };
                manager.rekey_ca(request).await
            }
        }
    }
}

/// As for certificates: only a live process is waited for, by whoever asks again or only whether.
#[test]
fn a_repeated_request_of_a_ca_does_not_wait_for_a_dead_process() {
    for asked in [OfACa::Found, OfACa::Renew, OfACa::Rekey] {
        for again in [Execution::DryRun, Execution::Commit] {
            let temp = tempfile::tempdir().unwrap();
            let data_dir = fixture::template(temp.path());
            let first = async move |manager: CertificateManager| {
                asked.ask(&manager, Execution::Commit).await.map(|_| String::new())
            };
            let outcome = stopped_while(&data_dir, first, async |manager| {
                let live = asked.ask(&manager, again).await;
                assert!(matches!(live, Err(Error::IdempotencyInProgress { .. })), "{live:?}");
                declare_dead(&data_dir);
                let creation = asked.ask(&opened(&data_dir), again).await;
                let creation = creation.unwrap_or_else(|error| panic!("{asked:?}: {error}"));
                assert_eq!(
                    (creation.ca.is_some(), creation.replayed),
                    (again == Execution::Commit, false)
                );
                assert_eq!(manager.abandoned().await.unwrap().len(), 1);
            });
            assert!(matches!(outcome, Err(Error::ReservationLost { .. })), "{outcome:?}");
        }
    }
}

#[test]
fn a_live_reservation_is_left_alone() {
    let temp = tempfile::tempdir().unwrap();
    let data_dir = fixture::template(temp.path());
    let serial = stopped_at_the_signature(&data_dir, slow_request(), async |manager| {
        let crl = manager.generate_crl("prod_ca_1", CrlRefresh::Always).await.unwrap();
        assert_eq!(crl.entries, 0);
        assert!(manager.abandoned().await.unwrap().is_empty());
    });
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let info = runtime.block_on(async { opened(&data_dir).info(&serial.unwrap()).await });
    assert_eq!(info.unwrap().principal, "slow@b.example");
}

#[test]
fn a_reservation_that_was_abandoned_cannot_be_completed() {
    let temp = tempfile::tempdir().unwrap();
    let data_dir = fixture::template(temp.path());
    let outcome = stopped_at_the_signature(&data_dir, slow_request(), async |manager| {
        declare_dead(&data_dir);
        let crl = manager.generate_crl("prod_ca_1", CrlRefresh::Always).await.unwrap();
        assert_eq!(crl.entries, 1);
    });
    assert!(matches!(outcome, Err(Error::ReservationLost { .. })), "{outcome:?}");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let manager = opened(&data_dir);
        assert_eq!(manager.abandoned().await.unwrap().len(), 1);
        assert_eq!(manager.list(ListFilter::default()).await.unwrap().len(), 3);
    });
}

/// Of two processes that certify one key for two principals at once, the later is refused.
#[test]
fn a_key_has_one_holder_whichever_process_certifies_it() {
    let temp = tempfile::tempdir().unwrap();
    let data_dir = fixture::template(temp.path());
    let key = new_key();
    let slow = issue_request("prod_ca_1", "slow@b.example", Role::Client, &key);
    let quick = issue_request("prod_ca_1", "quick@b.example", Role::Client, &key);
    let outcome = stopped_at_the_signature(&data_dir, slow.clone(), async |manager| {
        manager.issue_certificate(quick.clone()).await.expect("nobody holds the key yet");
    });
    let held_by = |outcome: &Result<_, Error>| match outcome {
        Err(Error::KeyHeldByAnother { principal }) => principal.clone(),
        _ => String::new(),
    };
    assert_eq!(held_by(&outcome), "quick@b.example");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let manager = opened(&data_dir);
        let crl = manager.generate_crl("prod_ca_1", CrlRefresh::Always).await.unwrap();
        let abandoned = manager.abandoned().await.unwrap();
        assert_eq!((abandoned.len(), crl.entries), (1, 1), "what was signed is on the CRL");
        assert_eq!(abandoned[0].principal, "slow@b.example");
        assert!(manager.issue_certificate(quick).await.is_ok(), "the holder keeps its key");
        let again = manager.issue_certificate(slow).await.map(|_| String::new());
        assert_eq!(held_by(&again), "quick@b.example");
        assert_eq!(manager.audit_verify().await.unwrap().fault, None);
    });
}

/// A key whose certificate may have been signed stays with its principal.
#[test]
fn the_key_of_an_abandoned_reservation_keeps_its_principal() {
    let temp = tempfile::tempdir().unwrap();
    let data_dir = fixture::template(temp.path());
    let key = new_key();
    let slow = issue_request("prod_ca_1", "slow@b.example", Role::Client, &key);
    let other = issue_request("prod_ca_1", "other@b.example", Role::Client, &key);
    let outcome = stopped_at_the_signature(&data_dir, slow.clone(), async |manager| {
        declare_dead(&data_dir);
        manager.generate_crl("prod_ca_1", CrlRefresh::Always).await.unwrap();
        let refused = manager.issue_certificate(other).await;
        assert!(matches!(refused, Err(Error::KeyHeldByAnother { .. })), "{refused:?}");
        manager.issue_certificate(slow).await.expect("its own principal");
    });
    assert!(matches!(outcome, Err(Error::ReservationLost { .. })), "{outcome:?}");
}

/// The same for a row of a batch: its slice is abandoned, and told which row it was.
#[test]
fn a_slice_whose_key_another_process_certified_meanwhile_is_refused() {
    let temp = tempfile::tempdir().unwrap();
    let data_dir = fixture::template(temp.path());
    let key = new_key();
    let row = batches::row(7, "slow@b.example", &key);
    let slice = async move |manager: CertificateManager| {
        let batch = manager.batch(batches::request("job")).await?;
        batch.issue_slice(0, vec![row]).await.map(|_| String::new())
    };
    let outcome = stopped_while(&data_dir, slice, async |manager| {
        let quick = issue_request("prod_ca_1", "quick@b.example", Role::Client, &key);
        manager.issue_certificate(quick).await.expect("nobody holds the key yet");
    });
    let error = outcome.unwrap_err();
    assert_eq!(error.code(), "key_held_by_another");
    assert!(matches!(error, Error::BatchRow { row: 7, .. }), "{error}");
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let manager = opened(&data_dir);
        let crl = manager.generate_crl("prod_ca_1", CrlRefresh::Always).await.unwrap();
        let abandoned = manager.abandoned().await.unwrap();
        assert_eq!((abandoned.len(), crl.entries), (1, 1));
        assert_eq!(abandoned[0].principal, "slow@b.example");
        let batch = manager.batch(batches::request("job")).await.unwrap();
        let other = batches::row(7, "slow@b.example", &new_key());
        let issued = batch.issue_slice(0, vec![other]).await.expect("the slice is free again");
        assert!(!issued[0].replayed);
        assert_eq!(manager.audit_verify().await.unwrap().fault, None);
    });
}
