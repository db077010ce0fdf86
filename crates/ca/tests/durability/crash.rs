//! SIGKILL before every fsync and every write of issue, revoke and CRL.
//!
//! After each, the store is opened again: nothing that was acknowledged is lost, nothing that was
//! signed is unknown, no number went back, the audit chain is whole, and OpenSSL accepts what is
//! issued from what is left.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustmq_ca::{AuditRecord, CertificateManager, CertificateStatus, CrlRefresh};
use rustmq_pki::role::Role;
use rustmq_testkit::{
    FakeClock, FixedPassphrase, PASSPHRASE, START, issue_request, new_key, options,
};

use super::child::{self, Child, Operation, SIGNING};
use super::fixture;

/// Runs of one operation at a time: the machine's cores are shared.
const WORKERS: usize = 2;

/// By how many writes runs differ: a signature may be an octet longer, and a page more be written.
const SLACK: usize = 4;

/// The operations that are killed here.
const SWEPT: [Operation; 3] = [Operation::Issue, Operation::Revoke, Operation::Crl];

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
    let template = fixture::template(temp.path());
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
            (_, Some(number)) => {
                assert_eq!(newest.crl.number().to_string(), number);
            }
        }
        let crl = manager.generate_crl("prod_ca_1", CrlRefresh::Always).await.expect("a CRL");
        assert!(crl.crl.number() > newest.crl.number(), "CRL numbers go forward");
        let records = manager.audit_list(10_000).await.expect("records");
        let verdict = manager.audit_verify().await.expect("a verdict");
        assert_eq!((verdict.fault, verdict.records), (None, records.len() as u64));
        check_records(&records, &run.signed_digests());
        check_abandoned(&manager, &records, crl.entries).await;
        check_by_openssl(&manager, run).await;
    });
}

/// Each serial number reserved was completed or abandoned, once; each signature was announced; CRL
/// numbers only grow.
fn check_records(records: &[AuditRecord], signed: &[String]) {
    let mut open: HashMap<&str, usize> = HashMap::new();
    let (mut seen, mut numbers) = (HashSet::new(), Vec::new());
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
            ("crl.sign", "reserved", _) if record.ca_id.as_deref() == Some("prod_ca_1") => {
                let number = record.detail.split([' ', ',']).nth(1).expect("number N");
                numbers.push(number.parse::<u64>().expect("a number"));
            }
            _ => {}
        }
    }
    assert!(open.is_empty(), "reserved and neither complete nor abandoned: {open:?}");
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    let announced = |digest: &&String| {
        records.iter().any(|r| r.outcome == "reserved" && r.detail.ends_with(digest.as_str()))
    };
    let unannounced = signed.iter().filter(|digest| !announced(digest)).count();
    // What is signed without a digest in the record is a CRL, whose number is in it.
    assert!(unannounced <= numbers.len(), "{unannounced} signatures that no record announces");
}

async fn check_abandoned(manager: &CertificateManager, records: &[AuditRecord], listed: usize) {
    let abandoned = manager.abandoned().await.expect("a list");
    let recorded = records.iter().filter(|record| record.outcome == "abandoned").count();
    assert_eq!(abandoned.len(), recorded);
    let revoked = manager.info("cert-3").await.expect("a certificate").revoked_at.is_some();
    assert_eq!(listed, abandoned.len() + usize::from(revoked));
}

async fn check_by_openssl(manager: &CertificateManager, run: &Run) {
    let (at, scratch) = (START.plus_seconds(120), run.markers.parent().expect("a parent"));
    let request = issue_request("prod_ca_1", "next@company.com", Role::Client, &new_key());
    let issued = manager.issue_certificate(request).await.expect("the authority goes on").issued;
    let id = issued.expect("no dry run").info().id.clone();
    fixture::judged(manager, &id, at, scratch).await.expect("OpenSSL accepts it");
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
    sweep(Operation::Issue, "pwrite64", 40);
}

#[test]
fn revoke_survives_a_kill_at_every_fsync() {
    sweep(Operation::Revoke, "fsync", 3);
}

#[test]
fn revoke_survives_a_kill_at_every_write() {
    sweep(Operation::Revoke, "pwrite64", 40);
}

#[test]
fn crl_survives_a_kill_at_every_fsync() {
    sweep(Operation::Crl, "fsync", 3);
}

#[test]
fn crl_survives_a_kill_at_every_write() {
    sweep(Operation::Crl, "pwrite64", 10);
}
