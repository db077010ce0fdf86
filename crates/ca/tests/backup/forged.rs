//! Archives of an attacker who knows the format, has an authority of their own, and signs whatever they
//! like with its keys.

use std::io::{self, Read};

use base64ct::{Base64, Encoding};
use rusqlite::Connection;
use rustmq_ca::{BackupError, Error, RestoreRequest};
use rustmq_pki::certificate::Certificate;
use rustmq_pki::key::Fingerprint;
use rustmq_pki::key::software::SoftwareKey;
use rustmq_pki::statement::{Statement, StatementKind};
use rustmq_testkit::{PASSPHRASE, TestCa};
use secrecy::SecretString;
use serde_json::{Value, json};

use crate::fixture::{backup, names, request, restore, without_triggers};

/// The members of an archive, by name.
type Members = Vec<(String, Vec<u8>)>;

fn members(archive: &[u8]) -> (u64, Members) {
    let mut tar = tar::Archive::new(archive);
    let mut at = 0;
    let read = |entry: io::Result<tar::Entry<'_, &[u8]>>| {
        let (mut entry, mut bytes) = (entry.expect("a member"), Vec::new());
        at = entry.header().mtime().expect("a time");
        entry.read_to_end(&mut bytes).expect("its bytes");
        (entry.path().expect("a path").display().to_string(), bytes)
    };
    let members = tar.entries().expect("a tar").map(read).collect();
    (at, members)
}

fn archive(at: u64, members: &Members) -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for (name, bytes) in members {
        let mut header = tar::Header::new_gnu();
        header.set_path(name).expect("a short name");
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(at);
        header.set_entry_type(tar::EntryType::Regular);
        header.set_cksum();
        builder.append(&header, &bytes[..]).expect("a member");
    }
    builder.into_inner().expect("a tar")
}

/// The key of `prod_ca_1`, as somebody opens it who has the passphrase.
pub(crate) fn key(store: &Connection) -> SoftwareKey {
    let sql = "SELECT k.encrypted FROM authority_key k JOIN authority a ON a.number = k.authority \
               WHERE a.id = 'prod_ca_1'";
    let encrypted: Vec<u8> = store.query_row(sql, [], |row| row.get(0)).expect("a key");
    SoftwareKey::from_encrypted_pkcs8(&encrypted, &SecretString::from(PASSPHRASE)).expect("opened")
}

/// What the attacker changes; digests and signature follow.
pub(crate) struct Forgery<'a> {
    pub(crate) store: &'a dyn Fn(&Connection),
    pub(crate) pages: &'a dyn Fn(&mut Vec<u8>),
    pub(crate) manifest: &'a dyn Fn(&mut Value),
    /// Signs in place of the attacker's own CA.
    pub(crate) signer: Option<(SoftwareKey, Certificate)>,
    /// The CA that is said to sign, where it is not the one of the backup.
    pub(crate) ca_id: Option<&'a str>,
}

impl Default for Forgery<'_> {
    fn default() -> Self {
        Self { store: &|_| (), pages: &|_| (), manifest: &|_| (), signer: None, ca_id: None }
    }
}

impl Forgery<'_> {
    pub(crate) async fn make(self, ca: &TestCa) -> Vec<u8> {
        let (at, mut members) = members(&backup(&ca.manager).await);
        let path = ca.scratch().join("forged.db");
        std::fs::write(&path, &members[2].1).expect("a file");
        let store = Connection::open(&path).expect("a store");
        (self.store)(&store);
        let own = key(&store);
        drop(store);
        members[2].1 = std::fs::read(&path).expect("a file");
        std::fs::remove_file(&path).expect("removed");
        (self.pages)(&mut members[2].1);

        let mut manifest: Value = serde_json::from_slice(&members[0].1).expect("JSON");
        manifest["members"][0]["size"] = members[2].1.len().into();
        manifest["members"][0]["sha256"] = Fingerprint::of(&members[2].1).to_string().into();
        (self.manifest)(&mut manifest);
        members[0].1 = manifest.to_string().into_bytes();

        let mut signature: Value = serde_json::from_slice(&members[1].1).expect("JSON");
        if let Some(ca_id) = self.ca_id {
            signature["ca_id"] = ca_id.into();
        }
        let key = match self.signer {
            Some((key, certificate)) => {
                signature["signer"] = certificate.fingerprint().to_string().into();
                signature["chain"] = json!([certificate.to_pem()]);
                key
            }
            None => own,
        };
        let statement = Statement::new(StatementKind::BackupManifest)
            .with("ca", signature["ca_id"].as_str().expect("an id"))
            .with("signer", signature["signer"].as_str().expect("a fingerprint"))
            .with("manifest-sha256", Fingerprint::of(&members[0].1));
        let value = Base64::encode_string(&statement.sign(&key).expect("signed"));
        // The order in which it is written.
        members[1].1 = format!(
            "{{\n  \"ca_id\": {},\n  \"signer\": {},\n  \"value\": \"{value}\",\n  \"chain\": {}\n}}\n",
            signature["ca_id"],
            signature["signer"],
            serde_json::to_string_pretty(&signature["chain"]).expect("JSON").replace('\n', "\n  "),
        )
        .into_bytes();
        archive(at, &members)
    }
}

pub(crate) async fn refused(
    ca: &TestCa,
    archive: &[u8],
    expected_roots: Vec<Fingerprint>,
) -> BackupError {
    let target = ca.scratch().join("restored");
    let error = restore(&target, RestoreRequest { expected_roots, ..request(archive) }).await;
    assert_eq!(names(ca.scratch()), ["data"], "nothing is left");
    match error.expect_err("it is forged") {
        Error::Backup(error) => error,
        other => panic!("{other}"),
    }
}

/// What the refusals below stand on: left alone, a forged archive is a good one.
#[tokio::test]
async fn an_archive_that_is_only_written_anew_is_restored() {
    let ca = TestCa::with_hierarchy().await;
    let archive = Forgery::default().make(&ca).await;
    restore(&ca.scratch().join("restored"), request(&archive)).await.expect("a whole archive");
}

#[tokio::test]
async fn a_root_that_everybody_knows_vouches_for_nobody_it_did_not_sign() {
    let (ca, genuine) = (TestCa::with_hierarchy().await, TestCa::with_hierarchy().await);
    let root = genuine.manager.ca_chain("root_ca_1").await.expect("a chain").remove(0);
    let forgery = Forgery {
        store: &|store| {
            let sql = "UPDATE certificate SET der = ?1, serial = ?2 WHERE number = 1";
            without_triggers(store, || {
                store.execute(sql, (root.der(), root.serial().as_bytes())).expect("a forged root");
            });
        },
        manifest: &|manifest| {
            let fingerprint = root.fingerprint().to_string();
            manifest["store"]["roots"][0] = fingerprint.clone().into();
            manifest["store"]["cas"][0]["fingerprint"] = fingerprint.into();
        },
        ..Forgery::default()
    };
    let archive = forgery.make(&ca).await;
    let error = refused(&ca, &archive, vec![root.fingerprint()]).await;
    assert!(
        matches!(&error, BackupError::Hierarchy { ca_id, .. } if ca_id == "prod_ca_1"),
        "{error}"
    );
}

#[tokio::test]
async fn a_signer_of_another_authority_is_refused() {
    let (ca, other) = (TestCa::with_hierarchy().await, TestCa::with_hierarchy().await);
    let store = Connection::open(other.data_dir().join("authority.db")).expect("a store");
    let certificate = other.manager.ca_chain("prod_ca_1").await.expect("a chain").remove(0);
    let forgery = Forgery { signer: Some((key(&store), certificate)), ..Forgery::default() };
    let archive = forgery.make(&ca).await;
    let error = refused(&ca, &archive, Vec::new()).await;
    assert!(matches!(error, BackupError::ForeignSigner), "{error}");
}

#[tokio::test]
async fn a_store_that_does_not_hold_together_is_refused() {
    let ca = TestCa::with_hierarchy().await;
    let sql = |batch: &'static str| {
        move |store: &Connection| {
            without_triggers(store, || store.execute_batch(batch).expect("what is wanted"));
        }
    };
    let made = async |store: &dyn Fn(&Connection), manifest: &dyn Fn(&mut Value)| {
        let archive = Forgery { store, manifest, ..Forgery::default() }.make(&ca).await;
        refused(&ca, &archive, Vec::new()).await
    };
    let edited = sql("UPDATE audit SET actor = 'x' WHERE number = 3");
    let error = made(&edited, &|_| ()).await;
    assert!(matches!(error, BackupError::Audit(_)), "{error}");
    let error = made(&sql("PRAGMA user_version = 99"), &|_| ()).await;
    assert!(matches!(error, BackupError::NewerStore { found: 99, .. }), "{error}");
    let error = made(&sql("PRAGMA application_id = 1"), &|_| ()).await;
    assert!(matches!(error, BackupError::Store { .. }), "{error}");
    let dangling = "PRAGMA foreign_keys = OFF; UPDATE authority_key SET authority = 77 \
                    WHERE authority = 1";
    let error = made(&sql(dangling), &|_| ()).await;
    assert!(matches!(error, BackupError::Store { .. }), "{error}");
    let shorter = |manifest: &mut Value| manifest["store"]["audit"]["records"] = 1.into();
    let error = made(&|_| (), &shorter).await;
    assert!(matches!(error, BackupError::Disagrees { what: "audit record" }), "{error}");
    let other = |manifest: &mut Value| manifest["store"]["schema_version"] = 0.into();
    let error = made(&|_| (), &other).await;
    assert!(matches!(error, BackupError::Disagrees { what: "schema version" }), "{error}");
    let pages = |bytes: &mut Vec<u8>| bytes[8192..16_384].fill(0xff);
    let archive = Forgery { pages: &pages, ..Forgery::default() }.make(&ca).await;
    let error = refused(&ca, &archive, Vec::new()).await;
    assert!(matches!(error, BackupError::Store { .. }), "{error}");
}

#[tokio::test]
async fn a_manifest_with_other_members_is_refused() {
    let ca = TestCa::with_hierarchy().await;
    for path in [
        "../x.toml",
        "/x.toml",
        "profiles/../x.toml",
        "profiles/a/b.toml",
        "authority.db",
        "open.lock",
    ] {
        let more = |manifest: &mut Value| {
            let member =
                json!({"path": path, "size": 0, "sha256": Fingerprint::of(b"").to_string()});
            manifest["members"].as_array_mut().expect("a list").push(member);
        };
        let archive = Forgery { manifest: &more, ..Forgery::default() }.make(&ca).await;
        let error = refused(&ca, &archive, Vec::new()).await;
        assert!(matches!(error, BackupError::NotABackup { .. }), "{path}: {error}");
    }
    let format = |manifest: &mut Value| manifest["format"] = "rustmq-pki backup 2".into();
    let archive = Forgery { manifest: &format, ..Forgery::default() }.make(&ca).await;
    let error = refused(&ca, &archive, Vec::new()).await;
    assert!(matches!(error, BackupError::OtherFormat { .. }), "{error}");
}
