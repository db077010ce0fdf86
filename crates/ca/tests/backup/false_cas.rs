//! Archives of an attacker who has one end entity's key, or who can write the store and has no key: what
//! stands as a CA is one, and nothing stands in the schema that the program did not put there.

use rusqlite::Connection;
use rustmq_ca::{BackupError, BackupRequest, CrlRefresh, Error};
use rustmq_pki::certificate::Certificate;
use rustmq_pki::issuer::IssuingCaError;
use rustmq_pki::key::software::SoftwareKey;
use rustmq_pki::key::{KeyType, Signer};
use rustmq_pki::role::Role;
use rustmq_testkit::{TestCa, issue_request};
use serde_json::json;

use crate::fixture::{Collected, without_triggers};
use crate::forged::{Forgery, refused};

/// Runs with every revocation, and undoes it.
const FORGETS: &str = "CREATE TRIGGER z AFTER INSERT ON revocation \
                       BEGIN DELETE FROM revocation WHERE number = new.number; END";

/// An authority that issued cert-3 to somebody who has its key.
async fn with_leaf() -> (TestCa, SoftwareKey, Certificate) {
    let ca = TestCa::with_hierarchy().await;
    let key = SoftwareKey::generate(KeyType::P256).expect("a key");
    let request = issue_request("prod_ca_1", "mallory", Role::Client, key.public_key());
    let issued = ca.manager.issue_certificate(request).await.expect("a certificate");
    let certificate = issued.issued.expect("no dry run").certificate().clone();
    (ca, key, certificate)
}

/// Enters cert-3 as the certificate of a CA.
fn promote(store: &Connection, leaf: &Certificate) {
    let key_hash = leaf.public_key().expect("a key").fingerprint();
    let sql = "INSERT INTO authority (number, id, parent, state, common_name, key_hash, certificate, \
               profile, crl_days, created_at) \
               VALUES (3, 'dev_ca_1', 2, 'active', 'mallory', ?1, 3, 'intermediate-ca', 7, 0)";
    store.execute(sql, [key_hash.as_bytes()]).expect("an entry");
    let entered = "UPDATE certificate SET subject_authority = 3, role = 2 WHERE number = 3; \
                   INSERT INTO authority_key VALUES (3, x'00');";
    store.execute_batch(entered).expect("a CA's certificate");
}

#[tokio::test]
async fn the_key_of_an_end_entity_signs_no_backup() {
    let (ca, key, leaf) = with_leaf().await;
    let root = ca.manager.ca_chain("root_ca_1").await.expect("a chain").remove(0);
    let forgery = Forgery {
        store: &|store| without_triggers(store, || promote(store, &leaf)),
        manifest: &|manifest| {
            let entry = json!({
                "id": "dev_ca_1",
                "common_name": "mallory",
                "parent_id": "prod_ca_1",
                "fingerprint": leaf.fingerprint().to_string(),
            });
            manifest["store"]["cas"].as_array_mut().expect("a list").push(entry);
        },
        signer: Some((key, leaf.clone())),
        ca_id: Some("dev_ca_1"),
        ..Forgery::default()
    };
    let archive = forgery.make(&ca).await;
    for expected in [vec![root.fingerprint()], Vec::new()] {
        let error = refused(&ca, &archive, expected).await;
        assert!(
            matches!(&error, BackupError::NotACa { ca_id, error: IssuingCaError::NotACa, .. } if ca_id == "dev_ca_1"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn a_schema_that_is_not_the_programs_is_neither_restored_nor_backed_up() {
    for change in [
        FORGETS,
        "DROP TRIGGER audit_is",
        "CREATE VIEW z AS SELECT * FROM revocation",
        "CREATE TABLE z (x)",
        "CREATE INDEX z ON audit (at)",
        "DROP INDEX certificate_not_after",
        "ALTER TABLE revocation ADD COLUMN z INTEGER AS (reason + 1)",
    ] {
        let ca = TestCa::with_hierarchy().await;
        let changed = |store: &Connection| store.execute_batch(change).expect("another schema");
        let archive = Forgery { store: &changed, ..Forgery::default() }.make(&ca).await;
        let error = refused(&ca, &archive, Vec::new()).await;
        assert!(
            matches!(&error, BackupError::Store { detail } if detail.contains("schema")),
            "{change}: {error}"
        );
    }
    let ca = TestCa::with_hierarchy().await;
    let store = Connection::open(ca.data_dir().join("authority.db")).expect("a store");
    store.execute_batch(FORGETS).expect("a trigger");
    let output = Box::new(Collected::default());
    let error = ca.manager.backup(BackupRequest::default(), output).await.expect_err("a trigger");
    assert!(matches!(error, Error::CorruptStore { .. }), "{error}");
}

/// What the attacker's own CA can sign for, and what does not fit the certificates.
#[tokio::test]
async fn entries_of_cas_that_do_not_fit_their_certificates_are_refused() {
    let other = TestCa::with_hierarchy().await;
    let foreign = other.manager.generate_crl("prod_ca_1", CrlRefresh::Always).await.expect("a CRL");
    let foreign = format!("UPDATE crl SET der = x'{}' WHERE authority = 2", hex(foreign.crl.der()));
    for (change, what) in [
        ("UPDATE authority SET certificate = 3 WHERE number = 2", "newest"),
        ("UPDATE certificate SET authority = 2 WHERE number = 2", "issuer or role"),
        ("UPDATE certificate SET role = 5 WHERE number = 2", "issuer or role"),
        ("UPDATE authority SET key_hash = x'00' WHERE number = 1", "its key"),
        (&foreign, "revocation list"),
    ] {
        let (ca, ..) = with_leaf().await;
        let changed = |store: &Connection| {
            without_triggers(store, || store.execute_batch(change).expect("another entry"));
        };
        let archive = Forgery { store: &changed, ..Forgery::default() }.make(&ca).await;
        let error = refused(&ca, &archive, Vec::new()).await;
        assert!(
            matches!(&error, BackupError::Unfit { what: found, .. } if found.contains(what)),
            "{change}: {error}"
        );
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// A root, and more CAs below it in a row than any signer could show.
#[tokio::test]
async fn a_hierarchy_without_end_is_not_followed() {
    let ca = TestCa::with_hierarchy().await;
    let row = "INSERT INTO authority (number, id, parent, state, common_name, key_hash, certificate, \
               profile, crl_days, created_at) SELECT ?1, 'ca_' || ?1, iif(?1 = 3, 1, ?1 - 1), state, common_name, \
               randomblob(32), ?1, profile, 7, 0 FROM authority WHERE number = 1";
    let certificate = "INSERT INTO certificate SELECT ?1, randomblob(16), 1, ?1, role, principal, \
                       profile, not_before, not_after, issued_at, NULL, der FROM certificate \
                       WHERE number = 1";
    let forgery = Forgery {
        store: &|store| {
            for number in 3..=70 {
                store.execute(row, [number]).expect("a CA");
                store.execute(certificate, [number]).expect("its certificate");
            }
        },
        ..Forgery::default()
    };
    let archive = forgery.make(&ca).await;
    let error = refused(&ca, &archive, Vec::new()).await;
    assert!(
        matches!(&error, BackupError::Unfit { what, .. } if what.contains("levels")),
        "{error}"
    );
}
