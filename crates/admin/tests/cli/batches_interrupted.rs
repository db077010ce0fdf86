//! Ctrl-C in a batch, and a second process on the same one.

use std::fs::{self, File};
use std::io::Read;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::batches::{issue, lines};
use crate::workbench::{PASSPHRASE, Workbench};

/// Writes an input with so many clients.
fn clients(bench: &Workbench, count: usize) {
    let rows: String = (1..=count).map(|n| format!("app-{n},client\n")).collect();
    bench.write("fleet.csv", format!("principal,role\n{rows}"));
}

#[test]
fn ctrl_c_ends_after_the_slice_and_the_same_command_goes_on() {
    const ROWS: usize = 600;
    let bench = Workbench::with_hierarchy();
    clients(&bench, ROWS);
    let arguments = issue("fleet.csv", "fleet.ndjson", &["--rows-per-slice", "2"]);
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("rustmq-admin"))
        .args(&arguments)
        .env_clear()
        .env("RUSTMQ_DATA_DIR", bench.data())
        .env("RUSTMQ_CA_PASSPHRASE", PASSPHRASE)
        .current_dir(bench.path(""))
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Three hundred slices are to come when the first line is there.
    while fs::metadata(bench.path("fleet.ndjson")).map_or(0, |file| file.len()) == 0 {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it wrote a line");
        std::thread::yield_now();
    }
    let id = i32::try_from(child.id()).unwrap();
    kill_process(Pid::from_raw(id).unwrap(), Signal::INT).unwrap();
    let mut said = String::new();
    child.stderr.as_mut().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{said}");
    let done = lines(&bench, "fleet.ndjson").len();
    assert!(done < ROWS && done.is_multiple_of(2), "{done}");
    assert!(
        said.contains(&format!("stopped after {done} certificates of {ROWS}, all durable")),
        "{said}"
    );
    assert!(said.contains("run the same command again to go on"), "{said}");
    let job = fs::read(bench.path("fleet.ndjson.job")).unwrap();
    assert!(job.len() < 1000, "no keys stay in the job file");
    let rest = bench.json(&arguments);
    assert_eq!((&rest["replayed"], &rest["issued"]), (&done.into(), &(ROWS - done).into()));
    let rows: Vec<_> =
        lines(&bench, "fleet.ndjson").iter().map(|line| line["row"].as_u64().unwrap()).collect();
    assert_eq!(rows, (1..=ROWS as u64).collect::<Vec<_>>());
}

#[test]
fn a_second_process_on_the_same_job_is_refused() {
    let bench = Workbench::with_hierarchy();
    clients(&bench, 3);
    let arguments = issue("fleet.csv", "fleet.ndjson", &[]);
    bench.ok(&arguments);
    let before = fs::read(bench.path("fleet.ndjson")).unwrap();
    let job = File::open(bench.path("fleet.ndjson.job")).unwrap();
    job.try_lock().unwrap();
    bench.run(&arguments).refused(6, &["another process is running the batch"]);
    assert!(fs::read(bench.path("fleet.ndjson")).unwrap() == before);
    drop(job);
    bench.ok(&arguments);
}
