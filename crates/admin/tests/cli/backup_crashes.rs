//! `backup` and `restore` killed at every sync, write and rename: no half archive under its name, no
//! half authority in its directory, and the same command again succeeds.
//!
//! A killed process leaves the system's caches as they are, so what differs from one kill to the next
//! is which calls were made. strace counts the calls of each thread apart; where several threads make
//! the same call, naming the file that it concerns tells them apart.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::workbench::{PASSPHRASE, Run, Workbench};

/// The most calls of a kind that one thread makes; far above what is counted.
const MOST: u32 = 400;

/// Kills the command as it enters the `nth` such call of one of its threads, on `path` if one is named.
/// Whether it was killed.
fn killed_at(
    bench: &Workbench,
    call: &str,
    path: Option<&Path>,
    nth: u32,
    arguments: &[&str],
) -> bool {
    let mut strace = Command::new("strace");
    strace.args(["-f", "-o", "/dev/null", "-e", &format!("trace={call}")]);
    strace.args(["-e", &format!("inject={call}:signal=KILL:when={nth}")]);
    if let Some(path) = path {
        strace.arg("-P").arg(path);
    }
    let status = strace
        .arg(assert_cmd::cargo::cargo_bin("rustmq-admin"))
        .args(arguments)
        .env_clear()
        .env("RUSTMQ_DATA_DIR", bench.data())
        .env("RUSTMQ_CA_PASSPHRASE", PASSPHRASE)
        .current_dir(bench.path(""))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("strace is installed (apt-get install strace)");
    !status.success()
}

/// Calls `judge` after each kill, until the command ends unharmed. How many there were.
fn sweep(
    bench: &Workbench,
    (call, path): (&str, Option<&Path>),
    arguments: &[&str],
    mut judge: impl FnMut(&str),
) -> u32 {
    for nth in 1..MOST {
        if !killed_at(bench, call, path, nth, arguments) {
            return nth - 1;
        }
        judge(&format!("{call} {nth}"));
    }
    panic!("{call}: more than {MOST} calls");
}

fn restore(bench: &Workbench, data: &str) -> Run {
    bench.run(&["--data-dir", data, "restore", "--input", "b.tar"])
}

/// The archive restores; the place is as it was before.
fn check_archive(bench: &Workbench, at: &str) {
    let run = restore(bench, "check");
    assert_eq!(run.code, 0, "{at}: {}", run.stderr);
    fs::remove_dir_all(bench.path("check")).unwrap();
}

#[test]
fn a_killed_backup_leaves_no_half_archive_and_is_simply_repeated() {
    let bench = Workbench::with_hierarchy();
    let wal = bench.data().join("authority.db-wal");
    for (call, path, fewest) in [
        ("fsync", None, 2),
        ("fsync", Some(wal.as_path()), 2),
        ("pwrite64", None, 10),
        ("pwrite64", Some(&wal), 4),
        ("write", None, 8),
        ("renameat2", None, 1),
        ("unlink", None, 1),
    ] {
        let archive = bench.path("b.tar");
        let kills = sweep(&bench, (call, path), &["backup", "--output", "b.tar"], |at| {
            if archive.exists() {
                check_archive(&bench, at);
                fs::remove_file(&archive).unwrap();
            }
        });
        assert!(kills >= fewest, "{call}: {kills} kills");
        check_archive(&bench, call);
        fs::remove_file(&archive).unwrap();
    }
    bench.ok(&["backup", "--output", "b.tar"]);
    assert!(!bench.data().join("snapshots").exists(), "copies of killed processes are removed");
    assert_eq!(bench.json(&["audit", "verify"])["valid"], true);
    bench.broker("broker-01");
}

#[test]
fn a_killed_restore_leaves_no_half_authority_and_is_simply_repeated() {
    let bench = Workbench::with_hierarchy();
    let folder = bench.data().join("profiles");
    fs::create_dir(&folder).unwrap();
    let profile = bench.ok(&["profile", "show", "client"]).stdout;
    fs::write(folder.join("sensor.toml"), profile).unwrap();
    bench.ok(&["backup", "--output", "b.tar"]);
    for (call, fewest) in
        [("fsync", 8), ("pwrite64", 8), ("write", 4), ("rename", 1), ("mkdir", 2), ("unlink", 1)]
    {
        let arguments = ["--data-dir", "new", "restore", "--input", "b.tar"];
        let target = bench.path("new");
        let kills = sweep(&bench, (call, None), &arguments, |at| {
            if target.exists() {
                let run = bench.json(&["--data-dir", "new", "audit", "list", "--last", "1"]);
                assert_eq!(run["records"][0]["action"], "store.restore", "{at}");
                let verdict = bench.json(&["--data-dir", "new", "audit", "verify"]);
                assert_eq!(verdict["valid"], true, "{at}");
                bench.ok(&["--data-dir", "new", "profile", "show", "sensor"]);
                fs::remove_dir_all(&target).unwrap();
            }
        });
        assert!(kills >= fewest, "{call}: {kills} kills");
        // The last run was not killed.
        let issue =
            ["--data-dir", "new", "certs", "issue", "--principal", call, "--role", "client"];
        bench.ok(&[&issue[..], &["--ca-id", "prod_ca_1"]].concat());
        fs::remove_dir_all(&target).unwrap();
        fs::remove_dir_all(bench.path(call)).unwrap();
    }
    assert_eq!(bench.files(""), ["b.tar"], "what killed processes left is removed");
}
