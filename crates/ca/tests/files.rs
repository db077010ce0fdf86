//! The data directory: who may read it, what it refuses, what does not stay in it.

use std::fs;
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use rustmq_ca::{
    AuditFault, CertificateManager, Error, Execution, NewCa, OpenMode, PassphraseError,
    PassphraseSource, RootCaRequest,
};
use rustmq_pki::key::Fingerprint;
use rustmq_pki::profile::Validity;
use rustmq_pki::role::Role;
use rustmq_testkit::{
    FakeClock, FixedPassphrase, NoPassphrase, PASSPHRASE, TestCa, named, options,
};
use secrecy::SecretString;

fn open(data_dir: &Path, mode: OpenMode) -> Result<CertificateManager, Error> {
    let clock = FakeClock::default();
    CertificateManager::open(&options(data_dir, &clock, Arc::new(NoPassphrase)).mode(mode))
}

fn error_of(result: Result<CertificateManager, Error>) -> Error {
    match result {
        Ok(_) => panic!("it opened"),
        Err(error) => error,
    }
}

/// Every file below a directory.
fn files(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("a directory") {
        let path = entry.expect("an entry").path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

#[tokio::test]
async fn all_files_are_private() {
    let ca = TestCa::with_hierarchy().await;
    let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(&ca.data_dir()), 0o700);
    let files = files(&ca.data_dir());
    assert!(files.iter().any(|path| path.ends_with("authority.db-wal")));
    for path in files {
        assert_eq!(mode(&path), 0o600, "{}", path.display());
    }
}

#[test]
fn a_missing_directory_is_made_only_on_request() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a/b");
    for mode in [OpenMode::Read, OpenMode::Write] {
        let error = error_of(open(&path, mode));
        assert!(matches!(error, Error::MissingDataDirectory { .. }), "{error:?}");
        assert!(!temp.path().join("a").exists());
    }
    drop(open(&path, OpenMode::Create).unwrap());
    drop(open(&path, OpenMode::Read).unwrap());
}

fn root(common_name: &str) -> RootCaRequest {
    RootCaRequest { ca: NewCa::new(named(common_name)) }
}

#[tokio::test]
async fn a_store_that_is_made_by_its_first_write_is_not_made_by_a_refusal() {
    let temp = tempfile::tempdir().unwrap();
    let path = temp.path().join("a/b");
    let open = |passphrase: Arc<dyn PassphraseSource>| {
        let options = options(&path, &FakeClock::default(), passphrase);
        CertificateManager::open(&options.mode(OpenMode::CreateOnWrite)).unwrap()
    };
    let mut dry = root("Root");
    dry.ca.execution = Execution::DryRun;
    open(Arc::new(NoPassphrase)).generate_root_ca(dry).await.unwrap();
    let mut ended = root("Root");
    ended.ca.validity = Validity::Days(0);
    let refused = open(Arc::new(NoPassphrase)).generate_root_ca(ended).await;
    assert!(matches!(refused, Err(Error::Gate(_))), "judged before the passphrase: {refused:?}");
    assert!(open(Arc::new(NoPassphrase)).generate_root_ca(root("Root")).await.is_err());
    assert!(!temp.path().join("a").exists());
    let manager = open(FixedPassphrase::new(PASSPHRASE));
    manager.generate_root_ca(root("Root")).await.unwrap();
    assert_eq!(manager.list_cas().await.unwrap().len(), 1);
    let mut taken = root("Root");
    taken.ca.id = Some("root_ca_1".to_owned());
    assert!(manager.generate_root_ca(taken).await.is_err());
    let newest = manager.audit_list(1).await.unwrap();
    assert_eq!(newest[0].outcome, "refused", "once there is a store, it records");
}

/// Says that it is asked for the passphrase of a new data directory, and gives it when told to.
struct Late {
    asked: Sender<()>,
    go_on: Mutex<Receiver<()>>,
}

impl PassphraseSource for Late {
    fn existing(&self) -> Result<SecretString, PassphraseError> {
        FixedPassphrase::new(PASSPHRASE).existing()
    }

    fn new_passphrase(&self) -> Result<SecretString, PassphraseError> {
        self.asked.send(()).expect("the test listens");
        self.go_on.lock().expect("nobody else holds it").recv().expect("the test says when");
        self.existing()
    }
}

#[tokio::test]
async fn the_second_of_two_first_roots_is_made_under_the_passphrase_of_the_first() {
    let temp = tempfile::tempdir().unwrap();
    let open = |passphrase: Arc<dyn PassphraseSource>| {
        let options = options(temp.path(), &FakeClock::default(), passphrase);
        CertificateManager::open(&options.mode(OpenMode::CreateOnWrite)).unwrap()
    };
    let ((asked, is_asked), (tell, go_on)) = (channel(), channel());
    let late = open(Arc::new(Late { asked, go_on: Mutex::new(go_on) }));
    let second = tokio::spawn(async move { late.generate_root_ca(root("Second")).await });
    tokio::task::spawn_blocking(move || is_asked.recv()).await.unwrap().unwrap();
    let first = open(FixedPassphrase::new(PASSPHRASE));
    first.generate_root_ca(root("First")).await.unwrap();
    tell.send(()).unwrap();
    let second = second.await.unwrap().unwrap();
    assert_eq!(second.ca.unwrap().id, "root_ca_2");
}

#[test]
fn a_foreign_damaged_or_newer_store_is_named() {
    let temp = tempfile::tempdir().unwrap();
    let store = temp.path().join("authority.db");
    fs::write(&store, "").unwrap();
    for mode in [OpenMode::Read, OpenMode::Write] {
        let error = error_of(open(temp.path(), mode));
        assert!(matches!(error, Error::EmptyStore { .. }), "{error:?}");
    }
    fs::remove_file(&store).unwrap();
    for mode in [OpenMode::Read, OpenMode::Write, OpenMode::Create] {
        fs::write(
            &store,
            "this is no database, and longer than a header of one hundred octets. ".repeat(20),
        )
        .unwrap();
        let error = error_of(open(temp.path(), mode));
        assert!(matches!(error, Error::CorruptStore { .. }), "{error:?}");
        fs::remove_file(&store).unwrap();

        Connection::open(&store).unwrap().execute_batch("CREATE TABLE other (x)").unwrap();
        let error = error_of(open(temp.path(), mode));
        assert!(matches!(error, Error::ForeignStore { .. }), "{error:?}");
        fs::remove_file(&store).unwrap();

        drop(open(temp.path(), OpenMode::Create).unwrap());
        Connection::open(&store).unwrap().pragma_update(None, "user_version", 1000).unwrap();
        let error = error_of(open(temp.path(), mode));
        assert!(matches!(error, Error::NewerStore { found: 1000, .. }), "{error:?}");
        fs::remove_file(&store).unwrap();
    }
}

#[tokio::test]
async fn a_store_that_is_newer_since_it_was_opened_takes_no_writes() {
    let ca = TestCa::with_hierarchy().await;
    let store = ca.data_dir().join("authority.db");
    Connection::open(&store).unwrap().pragma_update(None, "user_version", 1000).unwrap();
    let request = RootCaRequest { ca: NewCa::new(named("Second")) };
    let refused = ca.manager.generate_root_ca(request).await;
    assert!(matches!(refused, Err(Error::NewerStore { found: 1000, .. })), "{refused:?}");
}

#[tokio::test]
async fn a_damaged_page_is_told_as_such() {
    let ca = TestCa::with_hierarchy().await;
    ca.issue("a@b.example", Role::Client).await;
    let store = ca.data_dir().join("authority.db");
    let clock = ca.clock.clone();
    let (manager, directory) = ca.into_parts();
    drop(manager);
    let mut file = fs::OpenOptions::new().read(true).write(true).open(&store).unwrap();
    let length = file.metadata().unwrap().len();
    // All but the first page, which says that this is a store.
    file.seek(SeekFrom::Start(8192)).unwrap();
    file.write_all(&vec![0x5a; usize::try_from(length - 8192).unwrap()]).unwrap();
    let opened = CertificateManager::open(&options(
        store.parent().unwrap(),
        &clock,
        FixedPassphrase::new(PASSPHRASE),
    ));
    let error = match opened {
        Err(error) => error,
        Ok(manager) => manager.list_cas().await.expect_err("a damaged store"),
    };
    assert!(matches!(error, Error::CorruptStore { .. }), "{error:?}");
    drop(directory);
}

/// Every octet of every file of the data directory.
fn contents(data_dir: &Path) -> Vec<u8> {
    files(data_dir).iter().flat_map(|path| fs::read(path).expect("a file")).collect()
}

fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|window| window == needle)
}

#[tokio::test]
async fn a_changed_passphrase_leaves_no_key_under_the_old_one() {
    let ca = TestCa::with_hierarchy().await;
    let store = ca.data_dir().join("authority.db");
    let keys: Vec<Vec<u8>> = {
        let connection = Connection::open(&store).unwrap();
        let mut statement = connection.prepare("SELECT encrypted FROM authority_key").unwrap();
        let rows = statement.query_map([], |row| row.get(0)).unwrap();
        rows.map(Result::unwrap).collect()
    };
    assert_eq!(keys.len(), 2);
    // The salt and the encrypted octets of each: 64 from the middle and the end.
    let traces: Vec<&[u8]> =
        keys.iter().flat_map(|key| [&key[40..104], &key[key.len() - 64..]]).collect();
    let before = contents(&ca.data_dir());
    assert!(traces.iter().all(|trace| holds(&before, trace)), "the test looks at the right place");

    let changing = FixedPassphrase::changing(PASSPHRASE, "another passphrase");
    let other = CertificateManager::open(&options(&ca.data_dir(), &ca.clock, changing)).unwrap();
    let changed = other.change_passphrase().await.unwrap();
    assert!(changed.keys == 2 && changed.old_copies.is_none(), "{changed:?}");
    let after = contents(&ca.data_dir());
    assert!(!traces.iter().any(|trace| holds(&after, trace)), "an old copy is left");

    let fresh = |passphrase: &str| {
        let source = FixedPassphrase::new(passphrase);
        CertificateManager::open(&options(&ca.data_dir(), &ca.clock, source)).unwrap()
    };
    let crl = async |manager: CertificateManager| {
        manager.generate_crl("root_ca_1", rustmq_ca::CrlRefresh::Always).await
    };
    assert!(matches!(crl(fresh(PASSPHRASE)).await, Err(Error::WrongPassphrase)));
    crl(fresh("another passphrase")).await.expect("the new one opens");
    // The first process still has the keys open, and its passphrase is out of date.
    let root = RootCaRequest { ca: NewCa::new(named("Third Root")) };
    let stale = ca.manager.generate_root_ca(root).await;
    assert!(stale.is_err(), "two passphrases in one data directory: {stale:?}");
}

/// What is done is not called failed: the old passphrase opens nothing any more.
#[tokio::test]
async fn a_passphrase_is_changed_although_another_process_keeps_reading() {
    let ca = TestCa::with_hierarchy().await;
    let reader = Connection::open(ca.data_dir().join("authority.db")).unwrap();
    reader.execute_batch("BEGIN; SELECT count(*) FROM authority;").unwrap();
    let old: Vec<u8> = reader
        .query_row("SELECT encrypted FROM authority_key WHERE authority = 2", [], |row| row.get(0))
        .unwrap();
    let trace = &old[old.len() - 64..];
    let changing = FixedPassphrase::changing(PASSPHRASE, "another passphrase");
    let other = CertificateManager::open(&options(&ca.data_dir(), &ca.clock, changing)).unwrap();
    let changed = other.change_passphrase().await.expect("it is changed");
    assert_eq!(changed.keys, 2);
    assert!(matches!(changed.old_copies, Some(Error::StoreBusy { .. })), "{changed:?}");
    assert!(holds(&contents(&ca.data_dir()), trace), "the reader still sees it");

    // Once all have closed the store, whoever writes next takes the log with it.
    drop((reader, other));
    let (clock, path) = (ca.clock.clone(), ca.data_dir());
    let (manager, directory) = ca.into_parts();
    drop(manager);
    let source = FixedPassphrase::new("another passphrase");
    let fresh = CertificateManager::open(&options(&path, &clock, source)).unwrap();
    let list = fresh.generate_crl("prod_ca_1", rustmq_ca::CrlRefresh::Always).await;
    list.expect("the new passphrase opens");
    drop(fresh);
    assert!(!holds(&contents(&path), trace), "an old copy is left");
    drop(directory);
}

/// A writer whose octets the test reads afterwards.
#[derive(Clone, Default)]
struct Shared(Arc<Mutex<Vec<u8>>>);

impl Write for Shared {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("not poisoned").extend_from_slice(octets);
        Ok(octets.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

async fn exported(manager: &CertificateManager) -> Vec<(String, Vec<u8>)> {
    let output = Shared::default();
    manager.export_all(Box::new(output.clone())).await.expect("an export");
    let octets = output.0.lock().expect("not poisoned").clone();
    let mut archive = tar::Archive::new(flate2::read::GzDecoder::new(octets.as_slice()));
    let entries = archive.entries().expect("a tar");
    entries
        .map(|entry| {
            let mut entry = entry.expect("an entry");
            let path = entry.path().expect("a path").to_string_lossy().into_owned();
            let mut contents = Vec::new();
            entry.read_to_end(&mut contents).expect("its contents");
            (path, contents)
        })
        .collect()
}

#[tokio::test]
async fn an_export_has_everything_but_keys_and_says_what() {
    let ca = TestCa::with_hierarchy().await;
    ca.issue("a@b.example", Role::Client).await;
    let files = exported(&ca.manager).await;
    let (last, manifest) = files.last().unwrap();
    assert_eq!(last, "manifest.json");
    let manifest: serde_json::Value = serde_json::from_slice(manifest).unwrap();
    let listed = manifest["files"].as_array().unwrap();
    assert_eq!(listed.len(), files.len() - 1);
    for (entry, (path, contents)) in listed.iter().zip(&files) {
        assert_eq!(entry["path"], path.as_str());
        assert_eq!(entry["sha256"], Fingerprint::of(contents).to_string());
    }
    let has = |name: &str| files.iter().any(|(path, _)| path == name);
    for name in [
        "certificates/cert-1.pem",
        "certificates/cert-3.pem",
        "chains/prod_ca_1.pem",
        "crls/root_ca_1.pem",
        "profiles/broker.toml",
        "audit.ndjson",
    ] {
        assert!(has(name), "{name}");
    }
    for (path, contents) in &files {
        assert!(!holds(contents, b"PRIVATE KEY"), "{path}");
    }
}

#[tokio::test]
async fn an_empty_store_exports_an_empty_archive() {
    let ca = TestCa::empty();
    let files = exported(&ca.manager).await;
    assert_eq!(files.len(), 1);
    let manifest: serde_json::Value = serde_json::from_slice(&files[0].1).unwrap();
    assert_eq!(manifest["files"].as_array().unwrap().len(), 0);
}

/// The fault that `verify` finds after `edit` was made behind the store's back.
async fn fault_after(edit: &str) -> Option<AuditFault> {
    let ca = TestCa::with_hierarchy().await;
    ca.issue("a@b.example", Role::Client).await;
    let connection = Connection::open(ca.data_dir().join("authority.db")).expect("it works");
    let refused = connection.execute_batch("DELETE FROM audit WHERE number = 3");
    assert!(refused.expect_err("a trigger").to_string().contains("append-only"));
    connection.execute_batch("DROP TRIGGER audit_is; DROP TRIGGER audit_stays;").expect("it works");
    connection.execute_batch(edit).expect("it works");
    ca.manager.audit_verify().await.expect("it works").fault
}

#[tokio::test]
async fn verify_names_the_record_that_was_edited_dropped_or_moved() {
    assert_eq!(fault_after("").await, None);
    let edited = "UPDATE audit SET actor = 'nobody' WHERE number = 5";
    assert_eq!(fault_after(edited).await, Some(AuditFault::Edited { number: 5 }));
    let later = "UPDATE audit SET at = at + 1, latest = latest + 1 WHERE number = 1";
    assert_eq!(fault_after(later).await, Some(AuditFault::Edited { number: 1 }));
    let dropped = "DELETE FROM audit WHERE number = 4";
    assert_eq!(fault_after(dropped).await, Some(AuditFault::Dropped { number: 4 }));
    let closed_up = "DELETE FROM audit WHERE number = 4; \
                     UPDATE audit SET number = number - 1 WHERE number > 4";
    assert_eq!(fault_after(closed_up).await, Some(AuditFault::Dropped { number: 4 }));
    let first = "DELETE FROM audit WHERE number = 1";
    assert_eq!(fault_after(first).await, Some(AuditFault::Dropped { number: 1 }));
    let swapped = "UPDATE audit SET number = -3 WHERE number = 3; \
                   UPDATE audit SET number = 3 WHERE number = 6; \
                   UPDATE audit SET number = 6 WHERE number = -3";
    let moved = Some(AuditFault::Reordered { number: 3, written_as: 6 });
    assert_eq!(fault_after(swapped).await, moved);
    // A number that nobody could count to.
    let far = "UPDATE audit SET number = 9223372036854775806 \
               WHERE number = (SELECT max(number) FROM audit); \
               UPDATE audit SET detail = 'x' WHERE number = 2";
    assert_eq!(fault_after(far).await, Some(AuditFault::Edited { number: 2 }));
    let hash = "UPDATE audit SET hash = zeroblob(32) WHERE number = 5";
    assert_eq!(fault_after(hash).await, Some(AuditFault::Edited { number: 5 }));
}

#[test]
fn what_was_signed_cannot_be_forgotten_by_sql() {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let ca = TestCa::with_hierarchy().await;
        let connection = Connection::open(ca.data_dir().join("authority.db")).unwrap();
        for sql in ["DELETE FROM certificate", "UPDATE certificate SET principal = 'x'"] {
            assert!(connection.execute_batch(sql).is_err(), "{sql}");
        }
    });
}
