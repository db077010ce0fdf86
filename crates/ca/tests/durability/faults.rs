//! Disks that are full, read-only or failing, and how often the disk is waited for.

use std::fs;
use std::path::{Path, PathBuf};

use rustmq_ca::{CertificateManager, CrlRefresh, ListFilter};
use rustmq_pki::role::Role;
use rustmq_testkit::{FakeClock, FixedPassphrase, PASSPHRASE, issue_request, new_key, options};

use super::child::{self, Child, Operation};
use super::fixture;

/// Runs an operation on a copy of the template under strace. Returns what it said, the copy and the
/// trace.
fn traced(
    template: &Path,
    directory: &Path,
    operation: Operation,
    arguments: &[&str],
) -> (std::process::Output, PathBuf, String) {
    let data_dir = directory.join("data");
    fs::create_dir_all(directory).expect("a directory");
    fixture::copy_directory(template, &data_dir);
    let trace = directory.join("trace");
    let mut under = vec!["strace", "-f", "-o", trace.to_str().expect("UTF-8")];
    under.extend(arguments);
    let output = Child {
        operation,
        data_dir: &data_dir,
        markers: directory,
        without_fsync: false,
        die_at_signature: false,
        under: &under,
    }
    .run();
    (output, data_dir, fs::read_to_string(&trace).expect("a trace"))
}

async fn check_whole(data_dir: &Path) {
    let source = FixedPassphrase::new(PASSPHRASE);
    let manager = CertificateManager::open(&options(data_dir, &FakeClock::default(), source));
    let manager = manager.expect("it opens once there is room");
    manager.generate_crl("prod_ca_1", CrlRefresh::Always).await.expect("a CRL");
    let request = issue_request("prod_ca_1", "next@b.example", Role::Client, &new_key());
    manager.issue_certificate(request).await.expect("the authority goes on");
    assert_eq!(manager.audit_verify().await.expect("a verdict").fault, None);
    let records = manager.audit_list(10_000).await.expect("records");
    let count = |outcome: &str| {
        let issues = records.iter().filter(|record| record.action == "certificate.issue");
        issues.filter(|record| record.outcome == outcome).count()
    };
    assert_eq!(count("reserved"), count("done") + count("abandoned"));
    let listed = manager.list(ListFilter::default()).await.expect("a list");
    assert_eq!(count("done"), listed.len() - 2, "all but the CAs'");
}

#[test]
fn a_full_disk_is_told_at_every_write_and_harms_nothing() {
    let temp = tempfile::tempdir().expect("a directory");
    let template = fixture::template(temp.path());
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    let (mut at, mut told) = (0, 0);
    loop {
        at += 1;
        let inject = format!("inject=pwrite64:error=ENOSPC:when={at}+");
        let directory = temp.path().join(format!("run-{at}"));
        let arguments = ["-e", "trace=pwrite64", "-e", &inject];
        let (output, data_dir, trace) = traced(&template, &directory, Operation::Issue, &arguments);
        if !trace.contains("(INJECTED)") {
            break;
        }
        // Past the completion only the checkpoint at the end meets the full disk.
        match (child::refused(&output), child::acknowledged(&output)) {
            (Some(code), None) => {
                assert_eq!(code, "data_directory_full", "write {at}: {output:?}");
                told += 1;
            }
            (None, Some(_)) => {}
            (_, _) => panic!("write {at}: {output:?}"),
        }
        runtime.block_on(check_whole(&data_dir));
        fs::remove_dir_all(directory).expect("removed");
    }
    assert!(told > 20, "{told} of {at} writes met the full disk");
}

#[test]
fn a_failing_fsync_acknowledges_nothing() {
    let temp = tempfile::tempdir().expect("a directory");
    let template = fixture::template(temp.path());
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    for at in 1..=3 {
        let inject = format!("inject=fsync:error=EIO:when={at}+");
        let directory = temp.path().join(format!("run-{at}"));
        let arguments = ["-e", "trace=fsync", "-e", &inject];
        let (output, data_dir, trace) = traced(&template, &directory, Operation::Issue, &arguments);
        assert!(trace.contains("(INJECTED)"));
        assert_eq!(child::refused(&output).as_deref(), Some("store"), "fsync {at}: {output:?}");
        runtime.block_on(check_whole(&data_dir));
    }
}

#[test]
fn a_read_only_directory_is_told_by_writers_and_read_by_readers() {
    let temp = tempfile::tempdir().expect("a directory");
    let template = fixture::template(temp.path());
    // What a read-only file system answers, whoever asks: permissions do not hold for root.
    let run = |name: &str, operation, file: &str| {
        let directory = temp.path().join(name);
        let path = directory.join("data").join(file);
        let path = path.to_str().expect("UTF-8");
        let inject = "inject=openat:error=EROFS";
        let arguments = ["-e", "trace=openat", "-P", path, "-e", inject];
        traced(&template, &directory, operation, &arguments)
    };
    let (output, data_dir, _) = run("write", Operation::Issue, "open.lock");
    assert_eq!(child::refused(&output).as_deref(), Some("read_only_data_directory"));
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(check_whole(&data_dir));
    let (output, _, trace) = run("read", Operation::List, "authority.db-shm");
    assert!(trace.contains("(INJECTED)"), "{trace}");
    assert_eq!(child::acknowledged(&output).as_deref(), Some("3"), "{output:?}");
}

#[test]
fn certificates_issued_at_once_share_their_fsyncs() {
    let temp = tempfile::tempdir().expect("a directory");
    let template = fixture::template(temp.path());
    let directory = temp.path().join("run");
    let arguments = ["-e", "trace=fsync"];
    let (output, _, trace) = traced(&template, &directory, Operation::IssueAtOnce, &arguments);
    assert_eq!(child::acknowledged(&output).as_deref(), Some("64"));
    let fsyncs = trace.lines().filter(|line| line.contains("fsync(")).count();
    // One at a time they would be 128.
    assert!(fsyncs < 32, "{fsyncs} fsyncs");
}
