//! Batches on disks that are full or failing, and two of them at once.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use rustmq_ca::{CertificateManager, CrlRefresh, ListFilter};
use rustmq_testkit::{FakeClock, FixedPassphrase, PASSPHRASE, TestCa, options};

use super::batches;
use super::child::{self, Child, Operation};
use super::fixture;

/// Runs at a time: the machine's cores are shared.
const WORKERS: usize = 2;

fn child<'a>(
    operation: Operation,
    data_dir: &'a Path,
    markers: &'a Path,
    under: &'a [&'a str],
) -> Child<'a> {
    Child { operation, data_dir, markers, without_fsync: false, die_at_signature: false, under }
}

fn opened(data_dir: &Path) -> CertificateManager {
    let source = FixedPassphrase::new(PASSPHRASE);
    CertificateManager::open(&options(data_dir, &FakeClock::default(), source)).expect("opens")
}

/// After a fault the job is taken up again, nothing is lost and the record is whole.
fn check(data_dir: &Path, markers: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let manager = opened(data_dir);
        batches::take_up(&manager, markers).await;
        let crl = manager.generate_crl("prod_ca_1", CrlRefresh::Always).await.expect("a CRL");
        let abandoned = manager.abandoned().await.expect("a list");
        assert_eq!(crl.entries, abandoned.len());
        assert!(abandoned.len().is_multiple_of(batches::SIZE), "slices are abandoned whole");
        assert_eq!(manager.audit_verify().await.expect("a verdict").fault, None);
    });
}

/// One run with a fault from the given call on. Returns what the child said, or nothing where it made
/// fewer calls.
fn run(template: &Path, directory: PathBuf, call: &str, error: &str, at: usize) -> Option<Told> {
    let (data_dir, markers) = (directory.join("data"), directory.join("markers"));
    fs::create_dir_all(&markers).expect("a directory");
    fixture::copy_directory(template, &data_dir);
    let trace = directory.join("trace");
    let inject = format!("inject={call}:error={error}:when={at}+");
    let traced = format!("trace={call}");
    let trace_path = trace.to_str().expect("UTF-8");
    let under = ["strace", "-f", "-o", trace_path, "-e", &traced, "-e", &inject];
    let output = child(Operation::HalfBatch, &data_dir, &markers, &under).run();
    let reached = fs::read_to_string(&trace).expect("a trace").contains("(INJECTED)");
    if reached {
        check(&data_dir, &markers);
    }
    fs::remove_dir_all(directory).expect("removed");
    reached.then(|| match (child::refused(&output), child::acknowledged(&output)) {
        (Some(code), None) => Told::Refused(code),
        (None, Some(_)) => Told::Acknowledged,
        (_, _) => panic!("{call} {at}: {output:?}"),
    })
}

enum Told {
    Refused(String),
    /// Past the last completion only the checkpoint at the end meets the fault.
    Acknowledged,
}

/// A fault at each call in turn. Returns how often it was told.
fn sweep(call: &str, error: &str, codes: &[&str]) -> usize {
    let temp = tempfile::tempdir().expect("a directory");
    let template = fixture::template(temp.path());
    let (next, told) = (AtomicUsize::new(1), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..WORKERS {
            scope.spawn(|| {
                loop {
                    let at = next.fetch_add(1, Ordering::SeqCst);
                    let directory = temp.path().join(format!("run-{at}"));
                    match run(&template, directory, call, error, at) {
                        None => return,
                        Some(Told::Acknowledged) => {}
                        Some(Told::Refused(said)) => {
                            assert!(codes.contains(&&*said), "{call} {at}: {said}");
                            told.fetch_add(1, Ordering::SeqCst);
                        }
                    }
                }
            });
        }
    });
    told.load(Ordering::SeqCst)
}

#[test]
fn a_full_disk_stops_a_batch_at_every_write_and_harms_nothing() {
    let told = sweep("pwrite64", "ENOSPC", &["data_directory_full"]);
    assert!(told > 60, "{told} writes met the full disk");
}

#[test]
fn a_failing_disk_stops_a_batch_at_every_write_and_harms_nothing() {
    // Where the index of the WAL cannot grow, SQLite does not tell why.
    let told = sweep("pwrite64", "EIO", &["store", "data_directory_full"]);
    assert!(told > 60, "{told} writes met the failing disk");
}

#[test]
fn a_failing_fsync_stops_a_batch() {
    let told = sweep("fsync", "EIO", &["store"]);
    assert!(told > 3, "{told} calls failed");
}

#[tokio::test]
async fn two_processes_run_batches_on_one_store() {
    let temp = tempfile::tempdir().expect("a directory");
    let ca = TestCa::with_hierarchy().await;
    let data_dir = ca.data_dir();
    let start = || child(Operation::OwnBatch, &data_dir, temp.path(), &[]).start();
    let children = [start(), start()];
    let markers = temp.path().join("own");
    let own = batches::issue(&ca.manager, "job", batches::SLICES, &markers).await;
    let own = own.expect("a batch");
    let mut serials: Vec<_> = own.split(' ').map(str::to_owned).collect();
    for child in children {
        let output = child.wait_with_output().expect("it ends");
        let acknowledged = child::acknowledged(&output).unwrap_or_else(|| panic!("{output:?}"));
        serials.extend(acknowledged.split(' ').map(str::to_owned));
    }
    let listed = ca.manager.list(ListFilter::default()).await.expect("a list");
    assert_eq!(listed.len(), 2 + 3 * 64);
    for serial in &serials {
        assert_eq!(listed.iter().filter(|info| info.serial == *serial).count(), 1);
    }
    // The certificates of a slice follow each other, whoever wrote between.
    for slice in serials.chunks(batches::SIZE) {
        let place = |serial: &String| listed.iter().position(|info| info.serial == *serial);
        let places: Vec<_> = slice.iter().filter_map(place).collect();
        assert!(places.windows(2).all(|pair| pair[0] + 1 == pair[1]), "{places:?}");
    }
    assert_eq!(ca.manager.audit_verify().await.expect("a verdict").fault, None);
    assert!(ca.manager.abandoned().await.expect("a list").is_empty());
    let tree = ca.manager.ca_tree().await.expect("a tree");
    assert_eq!(tree[0].children[0].ca.counts[0].active, 3 * 64);
}
