//! A store of schema version 1, as the program of that time wrote it, is brought up with all that it
//! knows.
//!
//! `version_1/store.tar.gz` holds its database and three requests. `held` was issued as cert-3, under
//! an idempotency key; `lost` as cert-4, and revoked for keyCompromise; the process that signed `left`
//! was killed between reservation and completion. Its passphrase is that of the other tests.

use std::fs;
use std::path::Path;

use rustmq_ca::{
    Actor, CertificateManager, CertificateStatus, CrlRefresh, Error, Execution, IdempotencyKey,
    ListFilter, OpenMode, SignRequest,
};
use rustmq_pki::name::Principal;
use rustmq_pki::profile::Validity;
use rustmq_pki::role::Role;
use rustmq_testkit::{FakeClock, FixedPassphrase, PASSPHRASE, START, options};

const STORE: &[u8] = include_bytes!("version_1/store.tar.gz");

fn unpack(directory: &Path) {
    tar::Archive::new(flate2::read::GzDecoder::new(STORE)).unpack(directory).expect("an archive");
}

fn open(directory: &Path, mode: OpenMode) -> Result<CertificateManager, Error> {
    // The store was written on the evening of the day that the clock starts on.
    let clock = FakeClock::at(START.plus_days(1));
    let mut options = options(directory, &clock, FixedPassphrase::new(PASSPHRASE));
    options.actor = Actor::local("root", 0);
    CertificateManager::open(&options.mode(mode))
}

fn sign(directory: &Path, name: &str, principal: Option<&str>) -> SignRequest {
    SignRequest {
        ca: "prod_ca_1".to_owned(),
        csr: fs::read(directory.join(format!("{name}.csr"))).expect("a request"),
        principal: principal.map(|text| Principal::parse(text).expect("a principal")),
        role: Some(Role::Client),
        profile: None,
        sans: Vec::new(),
        validity: Validity::Default,
        idempotency: None,
        execution: Execution::Commit,
    }
}

#[tokio::test]
async fn a_store_of_version_1_keeps_what_it_knows() {
    let temp = tempfile::tempdir().unwrap();
    unpack(temp.path());
    let reading = open(temp.path(), OpenMode::Read).map(drop).unwrap_err();
    assert!(reading.to_string().contains("needs a writing command"), "{reading}");
    let manager = open(temp.path(), OpenMode::Write).unwrap();
    assert_eq!(manager.list(ListFilter::default()).await.unwrap().len(), 4);
    for (id, principal, status) in [
        ("cert-2", "Production CA", CertificateStatus::Active),
        ("cert-3", "held@b.example", CertificateStatus::Active),
        ("cert-4", "lost@b.example", CertificateStatus::Revoked),
    ] {
        let filter = ListFilter { principal: Some(principal.to_owned()), ..ListFilter::default() };
        let found = manager.list(filter).await.unwrap();
        assert_eq!(found.len(), 1, "{principal}");
        assert_eq!((&*found[0].id, found[0].status), (id, status));
    }
    let refused = async |name, principal| {
        let result = manager.sign_request(sign(temp.path(), name, principal)).await;
        result.map(drop).unwrap_err().code()
    };
    assert_eq!(refused("held", Some("other@b.example")).await, "key_held_by_another");
    assert_eq!(refused("lost", None).await, "key_compromised");
    assert_eq!(refused("left", Some("other@b.example")).await, "key_held_by_another");
    let key = Some(IdempotencyKey::new("held"));
    let again = SignRequest { idempotency: key, ..sign(temp.path(), "held", None) };
    assert!(manager.sign_request(sign(temp.path(), "left", None)).await.unwrap().issued.is_some());
    let again = manager.sign_request(again).await;
    assert!(
        again.as_ref().is_ok_and(|again| again.replayed)
            || matches!(again, Err(Error::IdempotencyMismatch { .. })),
        "a key stays bound: {again:?}"
    );
    let crl = manager.generate_crl("prod_ca_1", CrlRefresh::Always).await.unwrap();
    let abandoned = manager.abandoned().await.unwrap();
    assert_eq!((abandoned.len(), crl.entries), (1, 2), "the dead reservation, and cert-4");
    assert_eq!(abandoned[0].principal, "left@b.example");
    assert_eq!(manager.audit_verify().await.unwrap().fault, None);
}

#[tokio::test]
async fn a_large_store_of_version_1_is_brought_up_in_bounded_steps() {
    const MANY: i64 = 70_000;
    let temp = tempfile::tempdir().unwrap();
    unpack(temp.path());
    let connection = rusqlite::Connection::open(temp.path().join("authority.db")).unwrap();
    connection
        .execute_batch(&format!(
            "WITH RECURSIVE n (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM n WHERE n < {MANY})
             INSERT INTO certificate (serial, authority, role, principal, profile, not_before,
                                      not_after, issued_at, der)
             SELECT randomblob(16), authority, role, 'copy ' || n, profile, not_before,
                    not_after, issued_at, der FROM certificate, n WHERE number = 3;"
        ))
        .unwrap();
    drop(connection);
    let manager = open(temp.path(), OpenMode::Write).unwrap();
    for n in [1, 4097, 65_531, 65_533, MANY] {
        let principal = Some(format!("copy {n}"));
        let filter = ListFilter { principal, ..ListFilter::default() };
        assert_eq!(manager.list(filter).await.unwrap().len(), 1, "{n}");
    }
}
