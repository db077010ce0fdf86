//! Backups in memory, and places to restore them to.

use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use rustmq_ca::{BackupRequest, CertificateManager, Error, RestoreRequest, Restored};
use rustmq_testkit::{FakeClock, FixedPassphrase, NoPassphrase, PASSPHRASE, START, options};

/// Collects what is written.
#[derive(Clone, Default)]
pub(crate) struct Collected(pub(crate) Arc<Mutex<Vec<u8>>>);

impl Write for Collected {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(crate) async fn backup(manager: &CertificateManager) -> Vec<u8> {
    let output = Collected::default();
    let made = manager.backup(BackupRequest::default(), Box::new(output.clone())).await;
    made.expect("a backup");
    output.0.lock().expect("no panic").clone()
}

pub(crate) fn request(archive: &[u8]) -> RestoreRequest {
    RestoreRequest {
        archive: Box::new(io::Cursor::new(archive.to_vec())),
        expected_roots: Vec::new(),
        crls: Vec::new(),
    }
}

/// Restores a minute after the clock's start, without a passphrase at hand.
pub(crate) async fn restore(data_dir: &Path, request: RestoreRequest) -> Result<Restored, Error> {
    let clock = FakeClock::at(START.plus_seconds(60));
    CertificateManager::restore(&options(data_dir, &clock, Arc::new(NoPassphrase)), request).await
}

pub(crate) fn open(data_dir: &Path) -> CertificateManager {
    let clock = FakeClock::at(START.plus_seconds(60));
    let passphrase = FixedPassphrase::new(PASSPHRASE);
    CertificateManager::open(&options(data_dir, &clock, passphrase)).expect("a whole store")
}

pub(crate) fn names(directory: &Path) -> Vec<String> {
    let entries = directory.read_dir().expect("a directory");
    entries.map(|e| e.expect("an entry").file_name().into_string().expect("UTF-8")).collect()
}

/// Changes a store as somebody does who leaves no trace in its schema.
pub(crate) fn without_triggers(store: &Connection, change: impl FnOnce()) {
    let sql = "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'";
    let mut statement = store.prepare(sql).expect("a schema");
    let triggers = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
    let triggers: Vec<(String, String)> =
        triggers.and_then(Iterator::collect).expect("names and texts");
    for (name, _) in &triggers {
        store.execute_batch(&format!("DROP TRIGGER {name}")).expect("dropped");
    }
    change();
    for (_, sql) in &triggers {
        store.execute_batch(sql).expect("made again");
    }
}
