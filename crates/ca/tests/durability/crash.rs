//! SIGKILL before every fsync and every write of issue, revoke, CRL, a new intermediate CA, and of
//! batches of 64 rows in 4 slices.
//!
//! After each, the store is opened again: nothing that was acknowledged is lost, nothing that was
//! signed is unknown, no number went back, the audit chain is whole, and OpenSSL accepts what is
//! issued from what is left.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustmq_ca::{
    AuditRecord, CertificateInfo, CertificateManager, CertificateStatus, CrlPublication,
    CrlRefresh, ListFilter,
};
use rustmq_pki::role::Role;
use rustmq_testkit::{
    FakeClock, FixedPassphrase, PASSPHRASE, START, issue_request, new_key, options,
};

use super::child::{self, Child, Operation, SIGNING};
use super::{batches, fixture};

/// Runs of one operation at a time: the machine's cores are shared.
const WORKERS: usize = 2;

/// By how many writes runs differ: a signature may be an octet longer, and a page more be written.
const SLACK: usize = 4;

/// The operations that are killed here.
const SWEPT: [Operation; 6] = [
    Operation::Issue,
    Operation::Revoke,
    Operation::Crl,
    Operation::Intermediate,
    Operation::Batch,
    Operation::RevokeBatch,
];

struct Run {
    data_dir: PathBuf,
    markers: PathBuf,
    trace: PathBuf,
}

impl Run {
    fn prepare(template: &Path, directory: &Path) -> Self {
        let markers = directory.join("markers");
        fs::create_dir_all(&markers).unwrap_or_else(|e| panic!("{}: {e}", markers.display()));
        let data_dir = directory.join("data");
        fixture::copy_directory(template, &data_dir);
        Self { data_dir, markers, trace: directory.join("trace") }
    }

    fn strace(&self, operation: Operation, inject: &[&str]) -> std::process::Output {
        let trace = self.trace.to_str().expect("a UTF-8 path");
        let mut under = vec!["strace", "-f", "-o", trace, "-e"];
        under.push("trace=fsync,fdatasync,pwrite64");
        under.extend(inject);
        let (data_dir, markers) = (&self.data_dir, &self.markers);
        Child {
            operation,
            data_dir,
            markers,
            without_fsync: false,
            die_at_signature: false,
            under: &under,
        }
        .run()
    }

    fn was_killed(&self) -> bool {
        let trace = fs::read_to_string(&self.trace).expect("a trace");
        trace.contains("killed by SIGKILL")
    }

    fn signed_digests(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.markers).expect("markers");
        let names = entries.map(|e| e.expect("a marker").file_name().into_string().expect("ASCII"));
        names.filter_map(|name| name.strip_prefix(SIGNING).map(str::to_owned)).collect()
    }
}

/// How many calls of each kind an undisturbed run makes.
fn count_calls(template: &Path, directory: &Path, operation: Operation, call: &str) -> usize {
    let run = Run::prepare(template, &directory.join(format!("count-{call}")));
    let output = run.strace(operation, &[]);
    assert!(child::acknowledged(&output).is_some(), "{output:?}");
    let trace = fs::read_to_string(&run.trace).expect("a trace");
    assert!(!trace.contains("fdatasync("), "a call that no injection covers");
    let lines: Vec<_> = trace.lines().filter(|l| l.contains(&format!(" {call}("))).collect();
    let threads: HashSet<_> = lines.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!(threads.len(), 1, "strace counts the calls of each thread apart");
    lines.len()
}

fn sweep(operation: Operation, call: &str, fewest: usize) {
    let temp = tempfile::tempdir().expect("a directory");
    let template = match operation {
        Operation::RevokeBatch => fixture::template_with_batch(temp.path()),
        _ => fixture::template(temp.path()),
    };
    let calls = count_calls(&template, temp.path(), operation, call);
    assert!(calls >= fewest, "{operation:?} makes {calls} calls of {call}");
    let slack = if call == "fsync" { 0 } else { SLACK };
    let (next, killed) = (AtomicUsize::new(1), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::SeqCst);
                    if at > calls {
                        return;
                    }
                    let run = Run::prepare(&template, &temp.path().join(format!("run-{at}")));
                    let inject = format!("inject={call}:signal=KILL:when={at}");
                    let output = run.strace(operation, &["-e", &inject]);
                    if run.was_killed() {
                        killed.fetch_add(1, Ordering::SeqCst);
                    } else {
                        assert!(at + slack > calls, "{call} {at} of {calls} not reached");
                    }
                    judge(operation, &run, child::acknowledged(&output), at);
                    fs::remove_dir_all(run.data_dir.parent().expect("a parent")).expect("removed");
                }
            });
        }
    });
    let killed = killed.load(Ordering::SeqCst);
    assert!(killed + slack >= calls, "{killed} of {calls} injections fired");
}

fn judge(operation: Operation, run: &Run, acknowledged: Option<String>, at: usize) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let clock = FakeClock::default();
        clock.advance_seconds(60);
        let passphrase = FixedPassphrase::new(PASSPHRASE);
        let manager = CertificateManager::open(&options(&run.data_dir, &clock, passphrase))
            .unwrap_or_else(|error| panic!("{operation:?} killed at {at}: {error}"));
        let newest = manager.generate_crl("prod_ca_1", CrlRefresh::Stored).await.expect("a CRL");
        match (operation, acknowledged) {
            (_, None) => {}
            (other, Some(_)) if !SWEPT.contains(&other) => panic!("{other:?} is not swept"),
            (Operation::Issue, Some(serial)) => {
                let info = manager.info(&serial).await.expect("what was acknowledged is known");
                assert_eq!(info.status, CertificateStatus::Active);
            }
            (Operation::Revoke, Some(number)) => {
                assert_eq!(newest.crl.number().to_string(), number);
                let info = manager.info("cert-3").await.expect("a certificate");
                assert_eq!(info.status, CertificateStatus::Revoked);
            }
            (Operation::Batch, Some(_)) => {}
            (Operation::Intermediate, Some(id)) => {
                manager.find_ca(&id).await.expect("what was acknowledged is known");
            }
            (_, Some(number)) => {
                assert_eq!(newest.crl.number().to_string(), number);
            }
        }
        let crl = manager.generate_crl("prod_ca_1", CrlRefresh::Always).await.expect("a CRL");
        assert!(crl.crl.number() > newest.crl.number(), "CRL numbers go forward");
        let records = manager.audit_list(10_000).await.expect("records");
        let verdict = manager.audit_verify().await.expect("a verdict");
        let numbers: HashSet<_> = records.iter().map(|record| record.number).collect();
        assert_eq!((verdict.fault, verdict.records), (None, numbers.len() as u64));
        check_records(&records, &run.signed_digests());
        let mut crls = vec![crl];
        if operation == Operation::Intermediate {
            crls.push(manager.generate_crl("root_ca_1", CrlRefresh::Always).await.expect("a CRL"));
        }
        check_abandoned(&manager, &records, &crls).await;
        match operation {
            Operation::Batch => batches::take_up(&manager, &run.markers).await,
            Operation::RevokeBatch => {
                let rest = batches::revoke_all(&manager).await.expect("the batch goes on");
                assert_eq!(rest.revoked + rest.already_revoked, 65, "64 rows and cert-3");
                let verdict = manager.audit_verify().await.expect("a verdict");
                assert_eq!(verdict.fault, None);
            }
            _ => {}
        }
        check_by_openssl(&manager, run).await;
    });
}

/// Each serial number reserved was completed or abandoned, once; each signature was announced; CRL
/// numbers only grow.
fn check_records(records: &[AuditRecord], signed: &[String]) {
    let mut open: HashMap<&str, usize> = HashMap::new();
    let (mut seen, mut numbers) = (HashSet::new(), HashMap::<_, Vec<u64>>::new());
    for record in records {
        let serial = record.serial.as_deref();
        match (record.action.as_str(), record.outcome.as_str(), serial) {
            ("certificate.issue" | "ca.issue", "reserved", Some(serial)) => {
                assert!(seen.insert(serial), "{serial} was given out twice");
                open.insert(serial, 1);
            }
            ("certificate.issue" | "ca.issue", _, Some(serial)) => {
                assert_eq!(open.remove(serial), Some(1), "{serial} ended without a reservation");
            }
            ("crl.sign", "reserved", _) => {
                let number = record.detail.split([' ', ',']).nth(1).expect("number N");
                let of_ca = numbers.entry(record.ca_id.as_deref()).or_default();
                of_ca.push(number.parse().expect("a number"));
            }
            _ => {}
        }
    }
    assert!(open.is_empty(), "reserved and neither complete nor abandoned: {open:?}");
    for numbers in numbers.values() {
        assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    }
    let announced = |digest: &&String| {
        records.iter().any(|r| r.outcome == "reserved" && r.detail.ends_with(digest.as_str()))
    };
    let unannounced = signed.iter().filter(|digest| !announced(digest)).count();
    // What is signed without a digest in the record is a CRL, whose number is in it.
    let crls: usize = numbers.values().map(Vec::len).sum();
    assert!(unannounced <= crls, "{unannounced} signatures that no record announces");
}

/// Every abandoned serial number is recorded and on its CA's CRL, with nothing else but what was
/// revoked.
async fn check_abandoned(
    manager: &CertificateManager,
    records: &[AuditRecord],
    crls: &[CrlPublication],
) {
    let abandoned = manager.abandoned().await.expect("a list");
    let recorded = records.iter().filter(|record| record.outcome == "abandoned").count();
    assert_eq!(abandoned.len(), recorded);
    let listed = manager.list(ListFilter::default()).await.expect("a list");
    for crl in crls {
        let is_of_ca = |ca: &Option<String>| ca.as_ref() == Some(&crl.ca_id);
        let of_ca = abandoned.iter().filter(|serial| is_of_ca(&serial.ca_id)).count();
        let is_revoked =
            |info: &&CertificateInfo| info.ca_id == crl.ca_id && info.revoked_at.is_some();
        let revoked = listed.iter().filter(is_revoked).count();
        assert_eq!(crl.entries, of_ca + revoked, "{}", crl.ca_id);
    }
}

async fn check_by_openssl(manager: &CertificateManager, run: &Run) {
    let (at, scratch) = (START.plus_seconds(120), run.markers.parent().expect("a parent"));
    let request = issue_request("prod_ca_1", "next@company.com", Role::Client, &new_key());
    let issued = manager.issue_certificate(request).await.expect("the authority goes on").issued;
    let id = issued.expect("no dry run").info().id.clone();
    fixture::judged(manager, &id, at, scratch).await.expect("OpenSSL accepts it");
    if manager.find_ca("staging_ca_1").await.is_ok() {
        let request = issue_request("staging_ca_1", "a@company.com", Role::Client, &new_key());
        let issued = manager.issue_certificate(request).await.expect("a whole CA").issued;
        let id = issued.expect("no dry run").info().id.clone();
        fixture::judged(manager, &id, at, scratch).await.expect("OpenSSL accepts it");
    }
    let old = manager.info("cert-3").await.expect("a certificate");
    let verdict = fixture::judged(manager, "cert-3", at, scratch).await;
    match old.status {
        CertificateStatus::Active => verdict.expect("OpenSSL accepts it"),
        _ => assert!(verdict.expect_err("OpenSSL refuses it").contains("certificate revoked")),
    }
}

#[test]
fn issue_survives_a_kill_at_every_fsync() {
    sweep(Operation::Issue, "fsync", 3);
}

#[test]
fn issue_survives_a_kill_at_every_write() {
    sweep(Operation::Issue, "pwrite64", 25);
}

#[test]
fn revoke_survives_a_kill_at_every_fsync() {
    sweep(Operation::Revoke, "fsync", 3);
}

#[test]
fn revoke_survives_a_kill_at_every_write() {
    sweep(Operation::Revoke, "pwrite64", 25);
}

#[test]
fn crl_survives_a_kill_at_every_fsync() {
    sweep(Operation::Crl, "fsync", 3);
}

#[test]
fn crl_survives_a_kill_at_every_write() {
    sweep(Operation::Crl, "pwrite64", 10);
}

#[test]
fn a_new_ca_survives_a_kill_at_every_fsync() {
    sweep(Operation::Intermediate, "fsync", 7);
}

#[test]
fn a_new_ca_survives_a_kill_at_every_write() {
    sweep(Operation::Intermediate, "pwrite64", 60);
}

#[test]
fn a_batch_survives_a_kill_at_every_fsync() {
    sweep(Operation::Batch, "fsync", 8);
}

#[test]
fn a_batch_survives_a_kill_at_every_write() {
    sweep(Operation::Batch, "pwrite64", 150);
}

#[test]
fn a_revoked_batch_survives_a_kill_at_every_fsync() {
    sweep(Operation::RevokeBatch, "fsync", 6);
}

#[test]
fn a_revoked_batch_survives_a_kill_at_every_write() {
    sweep(Operation::RevokeBatch, "pwrite64", 60);
}
