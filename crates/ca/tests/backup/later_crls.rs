//! CRLs that are later than the backup: what they revoke is revoked in what is restored.

use rustmq_ca::{
    BackupError, CertificateManager, CertificateStatus, CrlPublication, CrlRefresh, Error,
    Execution, GivenCrl, MergedCrl, RestoreRequest, RevokeRequest,
};
use rustmq_pki::crl::RevocationReason;
use rustmq_pki::role::Role;
use rustmq_testkit::{START, TestCa, issue_request, new_key};

use crate::fixture::{backup, names, open, request, restore};

async fn revoke(manager: &CertificateManager, id: &str, reason: RevocationReason) {
    let request = RevokeRequest {
        certificate: id.to_owned(),
        reason,
        invalidity_date: None,
        execution: Execution::Commit,
    };
    manager.revoke_certificate(request).await.expect("revoked");
}

async fn stored_crl(manager: &CertificateManager, ca: &str) -> CrlPublication {
    manager.generate_crl(ca, CrlRefresh::Stored).await.expect("a CRL")
}

fn given(crl: &CrlPublication) -> GivenCrl {
    GivenCrl { name: format!("{}.crl", crl.ca_id), der: crl.crl.der().to_vec() }
}

fn entries(crl: &CrlPublication) -> Vec<(String, Option<RevocationReason>)> {
    let view = rustmq_pki::read::CrlRef::read(crl.crl.der()).expect("a CRL");
    let entry = |entry: rustmq_pki::read::CrlEntry<'_>| {
        let serial: String =
            entry.serial.magnitude().iter().map(|octet| format!("{octet:02x}")).collect();
        (serial, entry.reason)
    };
    let mut entries: Vec<_> = view.entries().map(|e| entry(e.expect("an entry"))).collect();
    entries.sort_by(|one, other| one.0.cmp(&other.0));
    entries
}

/// cert-3 is good at the backup and revoked since, cert-4 on hold and revoked since, cert-5 on hold and
/// released since; a sixth is issued and revoked since.
#[tokio::test]
async fn later_revocations_are_merged_and_the_numbers_go_forward() {
    let ca = TestCa::with_hierarchy().await;
    for principal in ["a", "b", "c"] {
        ca.issue(&format!("{principal}@example.com"), Role::Client).await;
    }
    revoke(&ca.manager, "cert-4", RevocationReason::CertificateHold).await;
    revoke(&ca.manager, "cert-5", RevocationReason::CertificateHold).await;
    let archive = backup(&ca.manager).await;
    let early = stored_crl(&ca.manager, "prod_ca_1").await;
    revoke(&ca.manager, "cert-3", RevocationReason::KeyCompromise).await;
    revoke(&ca.manager, "cert-4", RevocationReason::Superseded).await;
    ca.manager.release_certificate("cert-5", Execution::Commit).await.expect("released");
    let unknown = ca.issue("d@example.com", Role::Client).await.info().serial.clone();
    revoke(&ca.manager, &unknown, RevocationReason::KeyCompromise).await;
    let late = stored_crl(&ca.manager, "prod_ca_1").await;
    assert_eq!(late.entries, 3);

    let target = ca.scratch().join("restored");
    let crls = vec![given(&late), given(&early)];
    let restored = restore(&target, RestoreRequest { crls, ..request(&archive) }).await;
    let restored = restored.expect("a whole archive");
    let [first, second] = &restored.crls[..] else { panic!("{:?}", restored.crls) };
    assert!(!first.is_later, "the backup has it");
    let MergedCrl { revoked, unknown: kept, released, is_later: true, .. } = second else {
        panic!("{second:?}")
    };
    assert_eq!((*revoked, *kept, released.len()), (2, 1, 1));
    let due = ["root_ca_1", "prod_ca_1"];
    assert_eq!(restored.crls_due, due, "the root's was not given, the hold is on no list yet");

    let manager = open(&target);
    let status = async |id: &str| manager.info(id).await.expect("a certificate");
    assert_eq!(status("cert-3").await.status, CertificateStatus::Revoked);
    assert_eq!(status("cert-3").await.revocation_reason.as_deref(), Some("keyCompromise"));
    assert_eq!(status("cert-4").await.status, CertificateStatus::Superseded);
    assert_eq!(status("cert-5").await.status, CertificateStatus::OnHold);
    assert_eq!(stored_crl(&manager, "prod_ca_1").await.crl.der(), late.crl.der());
    let counts = manager.find_ca("prod_ca_1").await.expect("a CA").counts;
    assert_eq!((counts[0].active, counts[0].revoked), (0, 3));
    let next = manager.generate_crl("prod_ca_1", CrlRefresh::Always).await.expect("a CRL");
    assert!(next.crl.number() > late.crl.number());
    let listed = entries(&next);
    assert_eq!(listed.len(), 4);
    for entry in entries(&late) {
        assert!(listed.contains(&entry), "{entry:?} is not in {listed:?}");
    }
    assert_eq!(manager.audit_verify().await.expect("a verdict").fault, None);
    let records = manager.audit_list(100).await.expect("records");
    let about = |serial: &str| {
        let mut about = records.iter().filter(|r| r.serial.as_deref() == Some(serial));
        about.any(|r| r.action == "certificate.revoke" && r.detail.contains("after the backup"))
    };
    assert!(about(&unknown));
}

#[tokio::test]
async fn a_list_that_says_all_needs_no_new_one_and_ca_certificates_are_merged_too() {
    let ca = TestCa::with_hierarchy().await;
    let archive = backup(&ca.manager).await;
    let request_of_ca = RevokeRequest {
        certificate: "prod_ca_1".to_owned(),
        reason: RevocationReason::CaCompromise,
        invalidity_date: None,
        execution: Execution::Commit,
    };
    ca.manager.revoke_ca(request_of_ca).await.expect("revoked");
    let crls = vec![given(&stored_crl(&ca.manager, "root_ca_1").await)];
    let target = ca.scratch().join("restored");
    let restored = restore(&target, RestoreRequest { crls, ..request(&archive) }).await;
    assert_eq!(restored.expect("a whole archive").crls_due, ["prod_ca_1"], "it was not given");
    let manager = open(&target);
    let next = issue_request("prod_ca_1", "broker-02", Role::Broker, &new_key());
    let error = manager.issue_certificate(next).await.expect_err("it is revoked");
    assert!(matches!(error, Error::CaRevoked { .. }), "{error}");
}

/// Reserved at the backup, completed and revoked since: the backup has the number and the key, and the list
/// the reason.
#[tokio::test]
async fn what_was_being_issued_takes_its_reason_from_a_later_list() {
    let ca = TestCa::with_hierarchy().await;
    let (serial, key) = ([0x42; 16], new_key());
    let store = rusqlite::Connection::open(ca.data_dir().join("authority.db")).expect("a store");
    let sql = "INSERT INTO reservation (serial, instance, authority, role, principal, profile, \
               not_after, digest, reserved_at, key_hash) \
               VALUES (?1, 'dead', 2, 5, 'a@example.com', 'client', ?2, zeroblob(32), ?3, ?4)";
    let (end, now) = (START.plus_days(90).seconds(), START.seconds());
    store.execute(sql, (serial, end, now, key.fingerprint().as_bytes())).expect("a reservation");
    let archive = backup(&ca.manager).await;
    ca.manager.generate_crl("prod_ca_1", CrlRefresh::Always).await.expect("a CRL");
    let at = START.plus_seconds(7);
    let sql = "DELETE FROM revocation WHERE serial = ?1";
    store.execute(sql, [serial]).expect("no abandoned serial number");
    let sql = "INSERT INTO revocation (authority, serial, revoked_at, reason, not_after) \
               VALUES (2, ?1, ?2, 1, ?3)";
    store.execute(sql, (serial, at.seconds(), end)).expect("a revocation");
    let late = ca.manager.generate_crl("prod_ca_1", CrlRefresh::Always).await.expect("a CRL");
    assert_eq!(entries(&late), [("42".repeat(16), Some(RevocationReason::KeyCompromise))]);

    let target = ca.scratch().join("restored");
    let asked = RestoreRequest { crls: vec![given(&late)], ..request(&archive) };
    let restored = restore(&target, asked).await.expect("a whole archive");
    assert_eq!((restored.abandoned, restored.crls[0].unknown), (1, 1));
    let manager = open(&target);
    let next = manager.generate_crl("prod_ca_1", CrlRefresh::Always).await.expect("a CRL");
    assert_eq!(entries(&next), entries(&late));
    let again = issue_request("prod_ca_1", "a@example.com", Role::Client, &key);
    let error = manager.issue_certificate(again).await.expect_err("a compromised key");
    assert!(matches!(error, Error::KeyCompromised { at: since } if since == at), "{error}");
}

/// A list from before the backup was not published last: its place has one that says more.
#[tokio::test]
async fn a_list_of_the_backup_is_not_given_out_again() {
    let ca = TestCa::with_hierarchy().await;
    ca.issue("a@example.com", Role::Client).await;
    let archive = backup(&ca.manager).await;
    revoke(&ca.manager, "cert-3", RevocationReason::KeyCompromise).await;
    let lost = stored_crl(&ca.manager, "prod_ca_1").await;
    let target = ca.scratch().join("restored");
    let restored = restore(&target, request(&archive)).await.expect("a whole archive");
    assert_eq!(restored.crls_due, ["root_ca_1", "prod_ca_1"]);
    let manager = open(&target);
    let daily = CrlRefresh::Before { days: 3 };
    let next = manager.generate_crl("prod_ca_1", daily).await.expect("a CRL");
    assert!(next.signed && next.crl.number() > lost.crl.number(), "{}", next.crl.number());
    let kept = manager.generate_crl("prod_ca_1", daily).await.expect("a CRL");
    assert!(!kept.signed && kept.crl.der() == next.crl.der());
}

#[tokio::test]
async fn a_list_of_another_authority_or_none_at_all_refuses_the_whole() {
    let (ca, other) = (TestCa::with_hierarchy().await, TestCa::with_hierarchy().await);
    let archive = backup(&ca.manager).await;
    let foreign = given(&stored_crl(&other.manager, "prod_ca_1").await);
    let mut altered = given(&stored_crl(&ca.manager, "prod_ca_1").await);
    let last = altered.der.len() - 1;
    altered.der[last] ^= 1;
    let none = GivenCrl { name: "x".to_owned(), der: b"no CRL".to_vec() };
    let target = ca.scratch().join("restored");
    for crl in [foreign, altered, none] {
        let crls = vec![crl];
        let error = restore(&target, RestoreRequest { crls, ..request(&archive) }).await;
        let error = error.expect_err("no list of this authority");
        use BackupError::{ForeignCrl, NotACrl};
        assert!(matches!(error, Error::Backup(ForeignCrl { .. } | NotACrl { .. })), "{error}");
        assert_eq!(names(ca.scratch()), ["data"], "nothing is left");
    }
}
