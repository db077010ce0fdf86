//! Slices in the store: what the audit record commits to of each row, and what becomes of a slice that
//! is given up.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::{Connection, params};
use rustmq_ca::batch::{BatchRequest, BatchRevokeRequest, BatchRow, RowKey, Selection};
use rustmq_ca::faults::{Faults, SignerWatch};
use rustmq_ca::{AuditFault, CertificateManager, CrlRefresh, Error, Execution};
use rustmq_pki::crl::RevocationReason;
use rustmq_pki::key::{PublicKey, SignError, Signer};
use rustmq_pki::name::Principal;
use rustmq_pki::profile::Validity;
use rustmq_pki::role::Role;
use rustmq_testkit::{TestCa, issue_request, new_key};

/// Rows of a slice here.
const SIZE: u64 = 16;

/// Signers that fail as long as they are told to.
#[derive(Clone, Default)]
struct Failing(Arc<AtomicBool>);

impl Failing {
    fn set(&self, fails: bool) {
        self.0.store(fails, Ordering::SeqCst);
    }
}

impl SignerWatch for Failing {
    fn watch(&self, signer: Arc<dyn Signer>) -> Arc<dyn Signer> {
        Arc::new(FailingSigner { signer, failing: self.clone() })
    }
}

struct FailingSigner {
    signer: Arc<dyn Signer>,
    failing: Failing,
}

impl Signer for FailingSigner {
    fn public_key(&self) -> &PublicKey {
        self.signer.public_key()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        match self.failing.0.load(Ordering::SeqCst) {
            true => Err(SignError::Crypto),
            false => self.signer.sign(message),
        }
    }
}

/// A second process's authority on the same directory, whose signers fail when they are told to.
fn failing(ca: &TestCa) -> (CertificateManager, Failing) {
    let failing = Failing::default();
    let faults = Faults { watch: Some(Arc::new(failing.clone())), ..Faults::default() };
    let manager = CertificateManager::open(&ca.options().with_faults(faults)).expect("it opens");
    (manager, failing)
}

fn request(job: &str) -> BatchRequest {
    BatchRequest {
        ca: "prod_ca_1".to_owned(),
        role: Some(Role::Client),
        profile: None,
        job: job.to_owned(),
        execution: Execution::Commit,
    }
}

fn rows() -> Vec<BatchRow> {
    let row = |row| BatchRow {
        row,
        principal: Some(Principal::parse(&format!("client-{row}")).expect("a principal")),
        role: None,
        profile: None,
        sans: Vec::new(),
        validity: Validity::Default,
        subject: RowKey::PublicKey(new_key()),
    };
    (0..SIZE).map(row).collect()
}

async fn issue(manager: &CertificateManager, principal: &str) -> Result<(), Error> {
    let request = issue_request("prod_ca_1", principal, Role::Client, &new_key());
    manager.issue_certificate(request).await.map(drop)
}

fn database(data_dir: &Path) -> Connection {
    Connection::open(data_dir.join("authority.db")).expect("the store")
}

/// The record that `audit verify` names.
async fn fault(ca: &TestCa) -> Option<AuditFault> {
    ca.manager.audit_verify().await.expect("a verdict").fault
}

/// The number of the newest record with this outcome.
async fn newest(ca: &TestCa, outcome: &str) -> u64 {
    let records = ca.manager.audit_list(1000).await.expect("records");
    let found = records.iter().rev().find(|record| record.outcome == outcome);
    found.expect("a record").number
}

#[tokio::test]
async fn the_record_commits_to_all_that_stands_of_a_reserved_row() {
    let ca = TestCa::with_hierarchy().await;
    let (manager, failing) = failing(&ca);
    failing.set(true);
    let batch = manager.batch(request("job")).await.unwrap();
    batch.issue_slice(0, rows()).await.unwrap_err();
    failing.set(false);
    issue(&manager, "next").await.unwrap();
    let number = newest(&ca, "abandoned").await - 1;
    assert_eq!(fault(&ca).await, None);
    let database = database(&ca.data_dir());
    let read = "SELECT slice, rows FROM slice_rows";
    let (slice, octets): (i64, Vec<u8>) =
        database.query_row(read, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    let write = |octets: &[u8]| {
        let sql = "UPDATE slice_rows SET rows = ?2 WHERE slice = ?1";
        assert_eq!(database.execute(sql, params![slice, octets]).unwrap(), 1);
    };
    // The first row's serial number, end, role, key, digest and principal.
    for at in [0, 23, 24, 25, 57, 91] {
        let mut changed = octets.clone();
        changed[at] ^= 1;
        write(&changed);
        let found = fault(&ca).await;
        assert!(
            matches!(found, Some(AuditFault::Rows { number: named, .. }) if named == number),
            "{at}: {found:?}"
        );
    }
    for changed in [&octets[..octets.len() - 1], &[]] {
        write(changed);
        assert!(matches!(fault(&ca).await, Some(AuditFault::Rows { .. })));
    }
    write(&octets);
    assert_eq!(fault(&ca).await, None);
}

#[tokio::test]
async fn the_record_commits_to_what_a_certificate_is_found_by() {
    let ca = TestCa::with_hierarchy().await;
    let batch = ca.manager.batch(request("job")).await.unwrap();
    let issued = batch.issue_slice(0, rows()).await.unwrap();
    let first = newest(&ca, "reserved").await;
    ca.issue("single", Role::Client).await;
    let single = format!("cert-{}", issued[0].number + i64::try_from(SIZE).unwrap());
    let revoke = BatchRevokeRequest {
        which: Selection::Certificates(vec![single.clone()]),
        reason: RevocationReason::Superseded,
        invalidity_date: None,
        execution: Execution::Commit,
    };
    assert_eq!(ca.manager.revoke_batch(revoke).await.unwrap().revoked, 1);
    let records = ca.manager.audit_list(1000).await.unwrap();
    let revoked = records.iter().find(|record| record.action == "certificate.revoke").unwrap();
    assert_eq!(fault(&ca).await, None);
    let database = database(&ca.data_dir());
    database.execute_batch("DROP TRIGGER certificate_is").unwrap();
    for (number, named) in [(issued[5].number, first), (issued[15].number + 1, revoked.number)] {
        for (column, value) in [
            ("principal", "'other'"),
            ("serial", "randomblob(20)"),
            ("not_before", "not_before + 1"),
            ("not_after", "not_after + 1"),
            ("role", "6"),
            ("der", "(SELECT der FROM certificate WHERE number = 1)"),
        ] {
            let keep = format!(
                "CREATE TEMP TABLE kept AS SELECT {column} AS was FROM certificate WHERE number = {number}"
            );
            database.execute_batch(&keep).unwrap();
            let set = |value: &str| {
                let sql =
                    format!("UPDATE certificate SET {column} = {value} WHERE number = {number}");
                assert_eq!(database.execute(&sql, []).unwrap(), 1);
            };
            set(value);
            let found = fault(&ca).await;
            assert!(
                matches!(found, Some(AuditFault::Rows { number, .. }) if number == named),
                "{column} of cert-{number}: {found:?}"
            );
            set("(SELECT was FROM kept)");
            database.execute_batch("DROP TABLE kept").unwrap();
        }
        assert_eq!(fault(&ca).await, None);
    }
}

/// Makes every change of `table` that abandons something fail, as a full disk does.
fn refuse_abandoning(database: &Connection, table: &str) {
    let sql = format!(
        "CREATE TRIGGER no_room BEFORE UPDATE OF abandoned_at ON {table} \
         BEGIN SELECT RAISE(ABORT, 'no room'); END"
    );
    database.execute_batch(&sql).expect("a trigger");
}

#[tokio::test]
async fn an_abandonment_that_fails_is_tried_again_before_the_next_write() {
    for (table, count) in [("slice", 16), ("reservation", 1)] {
        let ca = TestCa::with_hierarchy().await;
        let (manager, failing) = failing(&ca);
        let database = database(&ca.data_dir());
        refuse_abandoning(&database, table);
        failing.set(true);
        match table {
            "slice" => {
                let batch = manager.batch(request("job")).await.unwrap();
                drop(batch.issue_slice(0, rows()).await.unwrap_err());
            }
            _ => drop(issue(&manager, "given up").await.unwrap_err()),
        }
        failing.set(false);
        issue(&manager, "meanwhile").await.unwrap();
        assert!(manager.abandoned().await.unwrap().is_empty(), "there was no room");
        database.execute_batch("DROP TRIGGER no_room").unwrap();
        issue(&manager, "next").await.unwrap();
        let abandoned = manager.abandoned().await.unwrap();
        assert_eq!(abandoned.len(), count, "{table}");
        let crl = manager.generate_crl("prod_ca_1", CrlRefresh::Always).await.unwrap();
        assert_eq!(crl.entries, count);
        let records = manager.audit_list(1000).await.unwrap();
        let told = records.iter().filter(|record| record.outcome == "abandoned").count();
        assert_eq!(told, count, "once each");
        assert_eq!(manager.audit_verify().await.unwrap().fault, None);
    }
}
