//! What comes back is the authority, and it goes on.

use rustmq_ca::{
    BackupError, BackupRequest, CrlRefresh, Error, ListFilter, Origin, RestoreRequest,
};
use rustmq_pki::key::Fingerprint;
use rustmq_pki::role::Role;
use rustmq_testkit::{TestCa, issue_request, new_key};

use crate::fixture::{Collected, backup, names, open, request, restore, without_triggers};

fn fingerprint(hex: &str) -> Fingerprint {
    let octet = |at: usize| u8::from_str_radix(&hex[2 * at..2 * at + 2], 16).expect("hexadecimal");
    Fingerprint(std::array::from_fn(octet))
}

/// How many copies of the store lie about.
fn snapshots(ca: &TestCa) -> usize {
    let names = names(&ca.data_dir().join("instances"));
    names.iter().filter(|name| name.ends_with(".snapshot")).count()
}

#[tokio::test]
async fn what_is_restored_goes_on_with_its_ids_its_profiles_and_its_passphrase() {
    let ca = TestCa::with_hierarchy().await;
    let issued = ca.issue("broker-01", Role::Broker).await;
    let profiles = ca.data_dir().join("profiles");
    std::fs::create_dir(&profiles).expect("a folder");
    let own = ca.manager.profile("client").expect("built in").to_toml();
    std::fs::write(profiles.join("sensor.toml"), own).expect("a file");
    let archive = backup(&ca.manager).await;
    let target = ca.scratch().join("restored");
    let restored = restore(&target, request(&archive)).await.expect("a whole archive");
    assert_eq!((restored.certificates, restored.cas, restored.profiles), (3, 2, 1));
    assert_eq!(restored.origin, Origin::Unproven);
    assert_eq!(restored.newest_certificate.as_deref(), Some("cert-3"));
    assert_eq!((restored.crls_due.len(), restored.abandoned), (2, 0), "{restored:?}");
    let manager = open(&target);
    let found = manager.info(&issued.info().serial).await.expect("it came back");
    assert_eq!(&found, issued.info());
    assert_eq!(manager.profile("sensor").expect("it came back").name(), "sensor");
    let verdict = manager.audit_verify().await.expect("a verdict");
    assert_eq!((verdict.fault, verdict.records), (None, restored.audit_records + 1));
    let last = manager.audit_list(1).await.expect("records").remove(0);
    assert_eq!((&*last.action, &*last.outcome), ("store.restore", "done"));
    assert!(last.detail.contains(&restored.manifest.to_string()), "{}", last.detail);
    let next = issue_request("prod_ca_1", "broker-02", Role::Broker, &new_key());
    let next =
        manager.issue_certificate(next).await.expect("it issues").issued.expect("no dry run");
    assert_eq!(next.info().id, "cert-4");
    assert_eq!(next.chain()[0], issued.chain()[0]);
}

#[tokio::test]
async fn a_backup_is_announced_and_recorded_with_its_manifest() {
    let ca = TestCa::with_hierarchy().await;
    let output = Collected::default();
    let made = ca.manager.backup(BackupRequest::default(), Box::new(output)).await.expect("made");
    assert_eq!(made.signed_by, "prod_ca_1");
    let records = ca.manager.audit_list(2).await.expect("records");
    let said: Vec<_> = records.iter().map(|r| (&*r.action, &*r.outcome)).collect();
    assert_eq!(said, [("store.backup", "reserved"), ("store.backup", "done")]);
    assert!(records[1].detail.contains(&made.manifest.to_string()), "{}", records[1].detail);
    assert_eq!(snapshots(&ca), 0, "no copy stays");
}

#[tokio::test]
async fn the_expected_root_is_above_the_signer_or_nothing_is_restored() {
    let ca = TestCa::with_hierarchy().await;
    let root = ca.manager.find_ca("root_ca_1").await.expect("a root").certificate.fingerprint;
    let other = ca.create_root("Other").await.certificate.fingerprint;
    let archive = backup(&ca.manager).await;
    let target = ca.scratch().join("restored");
    let expecting = |roots: &[&str]| {
        let expected_roots = roots.iter().map(|hex| fingerprint(hex)).collect();
        restore(&target, RestoreRequest { expected_roots, ..request(&archive) })
    };
    for refused in [&[other.as_str()][..], &[&"00".repeat(32)], &[&root, &"00".repeat(32)]] {
        let error = expecting(refused).await.expect_err("another root");
        assert!(matches!(error, Error::Backup(BackupError::OtherRoot { .. })), "{error}");
        assert!(!target.exists());
    }
    let restored = expecting(&[&root, &other]).await.expect("both are in it");
    assert_eq!(restored.origin, Origin::Expected);
}

#[tokio::test]
async fn a_hierarchy_that_is_not_signed_is_neither_backed_up_nor_restored() {
    let (ca, genuine) = (TestCa::with_hierarchy().await, TestCa::with_hierarchy().await);
    let chain = genuine.manager.ca_chain("root_ca_1").await.expect("a chain");
    // The root that everybody knows, above an intermediate that it never signed.
    let store = rusqlite::Connection::open(ca.data_dir().join("authority.db")).expect("a store");
    let sql = "UPDATE certificate SET der = ?1 WHERE number = 1";
    without_triggers(&store, || {
        store.execute(sql, [chain[0].der()]).expect("a forged root");
    });
    let output = Box::new(Collected::default());
    let error = ca.manager.backup(BackupRequest::default(), output).await.expect_err("forged");
    assert!(matches!(error, Error::Backup(BackupError::Hierarchy { .. })), "{error}");
}

#[tokio::test]
async fn a_broken_audit_chain_is_not_backed_up() {
    let ca = TestCa::with_hierarchy().await;
    let store = rusqlite::Connection::open(ca.data_dir().join("authority.db")).expect("a store");
    without_triggers(&store, || {
        let sql = "UPDATE audit SET detail = 'x' WHERE number = 2";
        store.execute_batch(sql).expect("an edited record");
    });
    let output = Box::new(Collected::default());
    let error = ca.manager.backup(BackupRequest::default(), output).await.expect_err("broken");
    assert!(matches!(error, Error::Backup(BackupError::Audit(_))), "{error}");
}

/// Backups of a store that is being written to: each is of one moment, and goes on by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_in_use_is_backed_up_as_of_one_moment() {
    let ca = TestCa::with_hierarchy().await;
    let writer = ca.manager.clone();
    let (stop, mut stopped) = tokio::sync::watch::channel(false);
    let issuing = tokio::spawn(async move {
        let mut issued = 0;
        while !*stopped.borrow_and_update() {
            let request = issue_request("prod_ca_1", "app@example.com", Role::Client, &new_key());
            writer.issue_certificate(request).await.expect("the writer goes on");
            issued += 1;
        }
        issued
    });
    let mut counts = Vec::new();
    for at in 0..4 {
        let archive = backup(&ca.manager).await;
        let target = ca.scratch().join(format!("restored-{at}"));
        let restored = restore(&target, request(&archive)).await.expect("a whole archive");
        let manager = open(&target);
        assert_eq!(manager.audit_verify().await.expect("a verdict").fault, None);
        let all = manager.list(ListFilter::default()).await.expect("a list");
        assert_eq!(all.len() as u64, restored.certificates);
        let abandoned = manager.abandoned().await.expect("a list");
        assert_eq!(abandoned.len() as u64, restored.abandoned);
        let crl = manager.generate_crl("prod_ca_1", CrlRefresh::Always).await.expect("a CRL");
        assert_eq!(crl.entries as u64, restored.abandoned, "what was being issued is revoked");
        counts.push(restored.certificates);
    }
    stop.send(true).expect("the writer listens");
    let issued = issuing.await.expect("no panic");
    assert!(counts.is_sorted() && counts[3] > counts[0], "{counts:?} while {issued} were issued");
}

#[tokio::test]
async fn what_a_killed_backup_left_is_removed() {
    let ca = TestCa::with_hierarchy().await;
    let name = "instances/0123456789abcdef0123456789abcdef-0.snapshot";
    std::fs::write(ca.data_dir().join(name), "half a store").expect("a file");
    assert_eq!(snapshots(&ca), 1);
    backup(&ca.manager).await;
    assert_eq!(snapshots(&ca), 0);
}

#[tokio::test]
async fn only_an_empty_or_absent_directory_is_taken() {
    let ca = TestCa::with_hierarchy().await;
    let archive = backup(&ca.manager).await;
    let (full, empty) = (ca.scratch().join("full"), ca.scratch().join("empty"));
    std::fs::create_dir(&full).expect("a folder");
    std::fs::create_dir(&empty).expect("a folder");
    std::fs::write(full.join("mine"), "").expect("a file");
    for taken in [full.as_path(), &full.join("mine"), &ca.data_dir()] {
        let error = restore(taken, request(&archive)).await.expect_err("it is taken");
        assert!(matches!(error, Error::Backup(BackupError::NotEmpty { .. })), "{error}");
    }
    assert_eq!(names(&full), ["mine"]);
    restore(&empty, request(&archive)).await.expect("an empty directory");
    restore(&ca.scratch().join("a/b/absent"), request(&archive)).await.expect("an absent one");
}
