//! `backup` and `restore` killed at every sync, write and rename, and on a disk that fails: no half
//! archive under its name, no half authority in its directory, and the same command again succeeds.
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

/// What strace does to the `nth` such call of a thread, on `path` if one is named.
#[derive(Clone, Copy)]
struct Harm<'a> {
    call: &'a str,
    path: Option<&'a Path>,
    /// `signal=KILL` or `error=ENOSPC`.
    what: &'a str,
}

/// Runs the command and harms it. Its exit code (-1 for a kill), if it met the harm.
fn harmed(bench: &Workbench, harm: Harm<'_>, nth: u32, arguments: &[&str]) -> Option<i32> {
    let Harm { call, path, what } = harm;
    let trace = bench.path("../trace");
    let mut strace = Command::new("strace");
    strace.args(["-f", "-o", trace.to_str().unwrap(), "-e", &format!("trace={call}")]);
    strace.args(["-e", &format!("inject={call}:{what}:when={nth}")]);
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
    let trace = fs::read_to_string(&trace).unwrap();
    let met = trace.contains("(INJECTED)") || trace.contains("killed by SIGKILL");
    met.then(|| status.code().unwrap_or(-1))
}

/// Calls `judge` with the exit code after each harm, until the command ends without having met it. How
/// many there were.
fn sweep(
    bench: &Workbench,
    harm: Harm<'_>,
    arguments: &[&str],
    mut judge: impl FnMut(&str, i32),
) -> u32 {
    for nth in 1..MOST {
        let at = format!("{} at {} {nth}", harm.what, harm.call);
        match harmed(bench, harm, nth, arguments) {
            None => return nth - 1,
            Some(code) => judge(&at, code),
        }
    }
    panic!("{}: more than {MOST} calls", harm.call);
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
        let harm = Harm { call, path, what: "signal=KILL" };
        let kills = sweep(&bench, harm, &["backup", "--output", "b.tar"], |at, _| {
            if archive.exists() {
                check_archive(&bench, at);
                fs::remove_file(&archive).unwrap();
            }
        });
        assert!(kills >= fewest, "{call}: {kills} kills");
        check_archive(&bench, call);
        fs::remove_file(&archive).unwrap();
    }
    let parts = |name: &String| name.starts_with('.') && name.ends_with(".new");
    assert!(!bench.files("").iter().any(parts), "{:?}", bench.files(""));
    bench.ok(&["backup", "--output", "b.tar"]);
    let left = fs::read_dir(bench.data().join("instances")).unwrap();
    assert_eq!(left.count(), 0, "copies of killed processes are removed");
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
        let harm = Harm { call, path: None, what: "signal=KILL" };
        let kills = sweep(&bench, harm, &arguments, |at, _| {
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

/// A full disk and one that fails: the command says so, or what it made is whole.
#[test]
fn a_disk_that_fails_leaves_nothing_half_done() {
    let bench = Workbench::with_hierarchy();
    let (archive, target) = (bench.path("b.tar"), bench.path("new"));
    for (call, what) in
        [("pwrite64", "error=ENOSPC"), ("pwrite64", "error=EIO"), ("fsync", "error=EIO")]
    {
        let harm = Harm { call, path: None, what };
        sweep(&bench, harm, &["backup", "--output", "b.tar"], |at, code| {
            assert!(matches!(code, 0 | 5 | 6), "{at}: exit code {code}");
            assert!(archive.exists() || code != 0, "{at}: nothing was written");
            if archive.exists() {
                check_archive(&bench, at);
                fs::remove_file(&archive).unwrap();
            }
        });
        assert_eq!(bench.files(""), ["b.tar"], "{call}: the run that met no harm");
        let arguments = ["--data-dir", "new", "restore", "--input", "b.tar"];
        sweep(&bench, harm, &arguments, |at, code| {
            assert!(matches!(code, 0 | 5 | 6), "{at}: exit code {code}");
            assert!(target.exists() || code != 0, "{at}: nothing was restored");
            if target.exists() {
                let verdict = bench.json(&["--data-dir", "new", "audit", "verify"]);
                assert_eq!(verdict["valid"], true, "{at}");
                fs::remove_dir_all(&target).unwrap();
            }
            assert_eq!(bench.files(""), ["b.tar"], "{at}: nothing is left beside it");
        });
        fs::remove_dir_all(&target).unwrap();
        fs::remove_file(&archive).unwrap();
    }
    assert_eq!(bench.json(&["audit", "verify"])["valid"], true);
}

/// No file may grow past a limit, as when the disk is full: writes that SQLite does not make fail, too.
#[test]
fn a_file_that_cannot_grow_leaves_nothing_half_done() {
    let bench = Workbench::with_hierarchy();
    bench.ok(&["backup", "--output", "b.tar"]);
    let limited = |kib: u32, arguments: &str| {
        let program = assert_cmd::cargo::cargo_bin("rustmq-admin");
        let script =
            format!("trap '' XFSZ; ulimit -f {kib}; exec {} {arguments}", program.display());
        let mut command = assert_cmd::Command::new("bash");
        command.args(["-c", &script]).current_dir(bench.path("")).env_clear();
        command.env("RUSTMQ_DATA_DIR", bench.data()).env("RUSTMQ_CA_PASSPHRASE", PASSPHRASE);
        Run::of(&mut command)
    };
    for kib in [1, 2, 16, 100, 200] {
        let run = limited(kib, "--data-dir new restore --input b.tar");
        assert_eq!(run.code, 5, "{kib} KiB: {}", run.stderr);
        assert_eq!(bench.files(""), ["b.tar"], "{kib} KiB");
    }
    // The copy of the store has room, and the archive is larger than that.
    let size = fs::metadata(bench.path("b.tar")).unwrap().len();
    let run = limited(u32::try_from(size / 1024).unwrap() - 2, "backup --output c.tar");
    assert_eq!(run.code, 6, "{}", run.stderr);
    assert_eq!(bench.files(""), ["b.tar"]);
}
