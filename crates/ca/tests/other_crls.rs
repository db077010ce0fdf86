//! CRLs that are due beside what was asked for: one that cannot be signed keeps nothing else waiting.

use std::sync::Arc;

use rusqlite::Connection;
use rustmq_ca::batch::{BatchRequest, BatchRevokeRequest, Selection};
use rustmq_ca::{CertificateManager, CrlRefresh, Error, Execution, RevokeRequest};
use rustmq_pki::crl::RevocationReason;
use rustmq_pki::role::Role;
use rustmq_testkit::{FixedPassphrase, PASSPHRASE, TestCa, issue_request, new_key, options};

/// `prod_ca_1`, `staging_ca_1` and `dev_ca_1`; the lists of the latter two are due, and the key of
/// staging does not open. A new process's authority, and its passphrase.
async fn broken() -> (TestCa, CertificateManager, Arc<FixedPassphrase>) {
    let ca = TestCa::with_hierarchy().await;
    ca.create_intermediate("root_ca_1", "Staging CA").await;
    ca.create_intermediate("root_ca_1", "Development CA").await;
    ca.issue("first@b.example", Role::Client).await;
    ca.issue("second@b.example", Role::Client).await;
    damage(&ca);
    let passphrase = FixedPassphrase::new(PASSPHRASE);
    let options = options(&ca.data_dir(), &ca.clock, passphrase.clone());
    let manager = CertificateManager::open(&options).expect("it opens");
    (ca, manager, passphrase)
}

fn damage(ca: &TestCa) {
    let store = Connection::open(ca.data_dir().join("authority.db")).expect("a store");
    let mut key: Vec<u8> = store
        .query_row("SELECT encrypted FROM authority_key WHERE authority = 3", [], |row| row.get(0))
        .expect("a key");
    *key.last_mut().expect("an octet") ^= 1;
    let put = "UPDATE authority_key SET encrypted = ?1 WHERE authority = 3";
    assert_eq!(store.execute(put, [key]).expect("another key"), 1);
    let due = "UPDATE authority SET revision = revision + 1 WHERE number > 2";
    assert_eq!(store.execute(due, []).expect("a list that is due"), 2);
}

fn is_stagings(failure: Option<&Error>) -> bool {
    matches!(failure, Some(Error::CrlNotSigned { ca, .. }) if ca == "staging_ca_1")
}

async fn number(ca: &TestCa, id: &str) -> u64 {
    ca.manager.generate_crl(id, CrlRefresh::Stored).await.expect("a list").crl.number()
}

#[tokio::test]
async fn the_list_asked_for_is_given_and_those_that_can_be_are_signed_with_it() {
    let (ca, manager, passphrase) = broken().await;
    let (staging, dev) = (number(&ca, "staging_ca_1").await, number(&ca, "dev_ca_1").await);
    let published = manager.generate_crl("prod_ca_1", CrlRefresh::Always).await.expect("a list");
    assert!(published.signed && is_stagings(published.crl_failure.as_ref()));
    assert_eq!(number(&ca, "staging_ca_1").await, staging);
    assert!(number(&ca, "dev_ca_1").await > dev);
    assert_eq!(passphrase.times_asked(), 1, "it has opened another key");
    // Asked for itself, it says so.
    let own = manager.generate_crl("staging_ca_1", CrlRefresh::Always).await;
    assert!(matches!(own, Err(Error::WrongPassphrase | Error::Key(_))), "{own:?}");
}

#[tokio::test]
async fn a_revocation_is_published_whatever_becomes_of_other_lists() {
    let (_ca, manager, _) = broken().await;
    let request = RevokeRequest {
        certificate: "cert-5".to_owned(),
        reason: RevocationReason::KeyCompromise,
        invalidity_date: None,
        execution: Execution::Commit,
    };
    let published = manager.revoke_certificate(request).await.expect("revoked").crl.unwrap();
    assert_eq!((&*published.ca_id, published.entries), ("prod_ca_1", 1));
    assert!(is_stagings(published.crl_failure.as_ref()));

    let request = BatchRevokeRequest {
        which: Selection::Ca("prod_ca_1".to_owned()),
        reason: RevocationReason::Superseded,
        invalidity_date: None,
        execution: Execution::Commit,
    };
    let revoked = manager.revoke_batch(request).await.expect("revoked");
    assert_eq!((revoked.revoked, revoked.crls.len()), (1, 1));
    assert!(is_stagings(revoked.crl_failure.as_ref()));
}

#[tokio::test]
async fn what_is_issued_is_delivered_whatever_becomes_of_other_lists() {
    let (ca, manager, _) = broken().await;
    ca.clock.advance_days(4);
    let request = issue_request("prod_ca_1", "third@b.example", Role::Client, &new_key());
    manager.issue_certificate(request).await.expect("a certificate").issued.expect("no dry run");
    ca.clock.advance_days(4);
    let request = BatchRequest {
        ca: "prod_ca_1".to_owned(),
        role: Some(Role::Client),
        profile: None,
        job: "job".to_owned(),
        execution: Execution::Commit,
    };
    let summary = manager.batch(request).await.expect("a batch").finish().await.expect("its end");
    assert_eq!(summary.crl.expect("it was due").ca_id, "prod_ca_1");
    assert!(is_stagings(summary.crl_failure.as_ref()));
}
