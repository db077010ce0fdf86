//! A backup that was made by the program of schema version 1.

use std::io::Read;

use rusqlite::Connection;
use rustmq_ca::{ListFilter, Origin, RestoreRequest};
use rustmq_pki::certificate::Certificate;
use rustmq_pki::hex;
use rustmq_testkit::TestCa;
use serde_json::json;

use crate::fixture::{open, request, restore};
use crate::forged::{Forgery, key};

/// What `tests/migration.rs` tells of.
const STORE: &[u8] = include_bytes!("../version_1/store.tar.gz");

fn database() -> Vec<u8> {
    let mut tar = tar::Archive::new(flate2::read::GzDecoder::new(STORE));
    let mut entries = tar.entries().expect("an archive").map(|entry| entry.expect("a member"));
    let is_store =
        |entry: &tar::Entry<'_, _>| entry.path().is_ok_and(|path| path.ends_with("authority.db"));
    let mut bytes = Vec::new();
    let mut store = entries.find(is_store).expect("a store");
    store.read_to_end(&mut bytes).expect("its bytes");
    bytes
}

fn certificate(store: &Connection, number: i64) -> Certificate {
    let sql = "SELECT der FROM certificate WHERE number = ?1";
    let der: Vec<u8> = store.query_row(sql, [number], |row| row.get(0)).expect("a certificate");
    Certificate::from_der(&der).expect("well-formed")
}

#[tokio::test]
async fn a_store_of_version_1_is_restored_and_brought_up() {
    let ca = TestCa::with_hierarchy().await;
    let path = ca.scratch().join("version_1.db");
    std::fs::write(&path, database()).expect("a file");
    let store = Connection::open(&path).expect("a store");
    let (root, signer) = (certificate(&store, 1), certificate(&store, 2));
    let sql = "SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1";
    let (records, head): (i64, Vec<u8>) =
        store.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).expect("a head");
    let fingerprint = root.fingerprint().to_string();
    let archive = Forgery {
        pages: &|bytes| *bytes = database(),
        manifest: &|manifest| {
            let contents = &mut manifest["store"];
            contents["schema_version"] = 1.into();
            contents["audit"] = json!({"records": records, "head": hex::encode(&head)});
            contents["certificates"] = 4.into();
            contents["roots"] = json!([&fingerprint]);
            contents["cas"][0]["fingerprint"] = (&*fingerprint).into();
            contents["cas"][1]["fingerprint"] = signer.fingerprint().to_string().into();
        },
        signer: Some((key(&store), signer.clone())),
        ..Forgery::default()
    };
    let archive = archive.make(&ca).await;
    let target = ca.scratch().join("restored");
    let asked = RestoreRequest { expected_roots: vec![root.fingerprint()], ..request(&archive) };
    let restored = restore(&target, asked).await.expect("a whole archive of version 1");
    assert_eq!(restored.origin, Origin::Expected);
    let manager = open(&target);
    assert_eq!(manager.list(ListFilter::default()).await.expect("a list").len(), 4);
}
