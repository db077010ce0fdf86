//! A batch as a job: killed anywhere, repeated, meddled with.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use rustmq_pki::certificate::Certificate;
use rustmq_pki::key::Signer;
use rustmq_pki::key::software::SoftwareKey;
use serde_json::Value;

use crate::workbench::{PASSPHRASE, Run, Workbench, text};

/// The command without its places.
pub(crate) const ISSUE: [&str; 4] = ["certs", "batch-issue", "--ca-id", "prod_ca_1"];

/// `certs batch-issue` from `input` to `output` by `prod_ca_1`.
pub(crate) fn issue<'a>(input: &'a str, output: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    [&ISSUE[..], &["--input", input, "--output", output], more].concat()
}

/// The lines of an output; each certificate's key, where there is one, is its own.
#[track_caller]
pub(crate) fn lines(bench: &Workbench, output: &str) -> Vec<Value> {
    let text = fs::read_to_string(bench.path(output)).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "the last line is whole");
    text.lines().map(|line| whole(serde_json::from_str(line).unwrap())).collect()
}

#[track_caller]
fn whole(line: Value) -> Value {
    let pem = text(&line["certificate"]);
    let end = pem.find("-----END CERTIFICATE-----\n").unwrap() + 26;
    let certificate = Certificate::from_pem(&pem[..end]).unwrap();
    assert_eq!(text(&line["serial"]), certificate.serial().to_string());
    if let Some(key) = line.get("key") {
        let key = SoftwareKey::from_pkcs8_pem(text(key)).unwrap();
        assert_eq!(key.public_key(), &certificate.public_key().unwrap(), "{}", line["row"]);
    }
    line
}

/// Row, principal and role of each line.
pub(crate) fn names(lines: &[Value]) -> Vec<(u64, &str, &str)> {
    let name = |line| {
        let line: &Value = line;
        (line["row"].as_u64().unwrap(), text(&line["principal"]), text(&line["role"]))
    };
    lines.iter().map(name).collect()
}

/// Writes an input with so many clients.
fn clients(bench: &Workbench, name: &str, count: usize) {
    let rows: String = (1..=count).map(|n| format!("app-{n},client\n")).collect();
    bench.write(name, format!("principal,role\n{rows}"));
}

/// Runs the command under strace, which kills it as it enters the `nth` such call of one of its
/// threads. Whether it was killed.
pub(crate) fn killed_at(bench: &Workbench, call: &str, nth: u32, arguments: &[&str]) -> bool {
    let inject = format!("inject={call}:signal=KILL:when={nth}");
    let status = Command::new("strace")
        .args(["-f", "-o", "/dev/null", "-e", &format!("trace={call}"), "-e", &inject])
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

/// Every row once in the output, with its key; every certificate of the job in the output.
#[track_caller]
fn is_complete(bench: &Workbench, output: &str, count: usize, prefix: &str) {
    let lines = lines(bench, output);
    let rows: Vec<_> = lines.iter().map(|line| line["row"].as_u64().unwrap()).collect();
    assert_eq!(rows, (1..=count as u64).collect::<Vec<_>>());
    assert!(lines.iter().all(|line| line["key"].is_string()));
    let mut stored: Vec<_> = bench
        .certificates()
        .iter()
        .filter(|info| text(&info["principal"]).starts_with(prefix))
        .map(|info| text(&info["serial"]).to_owned())
        .collect();
    let mut delivered: Vec<_> = lines.iter().map(|line| text(&line["serial"]).to_owned()).collect();
    stored.sort();
    delivered.sort();
    assert!(stored == delivered, "{} in the store, {} delivered", stored.len(), delivered.len());
}

/// Rows and slices of the jobs that are killed.
const ROWS: usize = 10;
const SLICE: [&str; 2] = ["--rows-per-slice", "4"];

#[test]
fn the_same_command_again_completes_what_a_kill_left() {
    let bench = Workbench::with_hierarchy();
    // A thread makes up to 150 of the last: a sample of them; the store has a sweep of its own.
    for (call, step, at_least) in [
        ("fsync", 2, 4),
        ("fdatasync", 1, 1),
        ("rename", 1, 4),
        ("write", 7, 2),
        ("pwrite64", 25, 4),
    ] {
        let mut kills = 0;
        for nth in (1..200).step_by(step) {
            let (prefix, output) = (format!("{call}-{nth}-"), format!("{call}-{nth}.ndjson"));
            let rows: String = (1..=ROWS).map(|n| format!("{prefix}{n},client\n")).collect();
            bench.write("fleet.csv", format!("principal,role\n{rows}"));
            let arguments = issue("fleet.csv", &output, &SLICE);
            if !killed_at(&bench, call, nth, &arguments) {
                break;
            }
            kills += 1;
            let again = bench.json(&arguments);
            assert_eq!(
                again["issued"].as_u64().unwrap() + again["replayed"].as_u64().unwrap(),
                ROWS as u64,
                "{call} {nth}"
            );
            is_complete(&bench, &output, ROWS, &prefix);
        }
        assert!(kills >= at_least, "only {kills} of {call}");
    }
    assert_eq!(bench.json(&["audit", "verify"])["valid"], true);
    let left: Vec<_> = bench.files("").into_iter().filter(|name| name.ends_with(".new")).collect();
    assert_eq!(left, [""; 0], "no unfinished file is left, which may hold keys");
}

#[test]
fn a_job_that_is_killed_again_while_it_is_taken_up_loses_no_key() {
    let bench = Workbench::with_hierarchy();
    let mut twice = 0;
    for first in 2..=4 {
        for second in 1..=3 {
            let (prefix, output) =
                (format!("app-{first}-{second}-"), format!("{first}-{second}.ndjson"));
            let rows: String = (1..=ROWS).map(|n| format!("{prefix}{n},client\n")).collect();
            bench.write("fleet.csv", format!("principal,role\n{rows}"));
            let arguments = issue("fleet.csv", &output, &SLICE);
            assert!(killed_at(&bench, "rename", first, &arguments));
            twice += u32::from(killed_at(&bench, "rename", second, &arguments));
            bench.ok(&arguments);
            is_complete(&bench, &output, ROWS, &prefix);
        }
    }
    assert!(twice >= 4, "killed a second time {twice} times");
}

#[test]
fn a_finished_job_is_of_one_ca() {
    let bench = Workbench::with_hierarchy();
    clients(&bench, "fleet.csv", 2);
    let arguments = issue("fleet.csv", "fleet.ndjson", &[]);
    bench.ok(&arguments);
    let other =
        ["ca", "intermediate", "--parent-ca", "root_ca_1", "--cn", "Other", "--id", "other"];
    bench.ok(&other);
    let mut arguments = arguments;
    let at = arguments.iter().position(|argument| *argument == "--ca-id").unwrap();
    arguments[at + 1] = "other";
    bench.run(&arguments).refused(6, &["CA"]);
}

#[test]
fn folders_are_completed_after_a_kill() {
    let bench = Workbench::with_hierarchy();
    for (call, at_least) in [("syncfs", 2), ("renameat2", 2), ("mkdir", 2)] {
        let mut kills = 0;
        for nth in 1..50 {
            let (input, output) = (format!("{call}-{nth}.csv"), format!("{call}-{nth}"));
            clients(&bench, &input, 6);
            let job = ["--rows-per-slice", "3", "--job", &output];
            let arguments = issue(&input, &output, &job);
            if !killed_at(&bench, call, nth, &arguments) {
                break;
            }
            kills += 1;
            bench.ok(&arguments);
            assert_eq!(bench.files(&output).len(), 6, "{:?}", bench.files(&output));
            for folder in bench.files(&output) {
                let at = |name: &str| bench.path(&output).join(&folder).join(name);
                let pem = fs::read_to_string(at("tls.crt")).unwrap();
                let end = pem.find("-----END CERTIFICATE-----\n").unwrap() + 26;
                let leaf = Certificate::from_pem(&pem[..end]).unwrap();
                let key = fs::read_to_string(at("tls.key")).unwrap();
                let key = SoftwareKey::from_pkcs8_pem(&key).unwrap();
                assert_eq!(key.public_key(), &leaf.public_key().unwrap(), "{folder}");
            }
        }
        assert!(kills >= at_least, "only {kills} of {call}");
    }
}

/// Leaves a job of three slices, all written, of which the job file knows the first to be durable: the
/// state that is never named is that of the finished job.
fn interrupted(bench: &Workbench) -> Vec<&'static str> {
    clients(bench, "fleet.csv", ROWS);
    let arguments = issue("fleet.csv", "fleet.ndjson", &SLICE);
    assert!(killed_at(bench, "rename", 4, &arguments), "a state for each slice, and the last");
    assert_eq!(lines(bench, "fleet.ndjson").len(), ROWS);
    arguments
}

#[test]
fn a_torn_line_is_cut_off() {
    let bench = Workbench::with_hierarchy();
    let arguments = interrupted(&bench);
    let mut torn = fs::read(bench.path("fleet.ndjson")).unwrap();
    torn.extend_from_slice(b"{\"row\":9,\"principal\":\"ap");
    fs::write(bench.path("fleet.ndjson"), torn).unwrap();
    bench.ok(&arguments);
    is_complete(&bench, "fleet.ndjson", ROWS, "app-");
}

#[test]
fn a_finished_job_does_nothing_and_says_so() {
    let bench = Workbench::with_hierarchy();
    clients(&bench, "fleet.csv", ROWS);
    let arguments = issue("fleet.csv", "fleet.ndjson", &[]);
    bench.ok(&arguments);
    let before = fs::read(bench.path("fleet.ndjson")).unwrap();
    let count = bench.certificates().len();
    let again = bench.ok(&arguments);
    assert!(again.stderr.contains("this batch is finished"), "{}", again.stderr);
    let again = bench.json(&arguments);
    assert_eq!((&again["issued"], &again["replayed"]), (&0.into(), &ROWS.into()));
    assert!(fs::read(bench.path("fleet.ndjson")).unwrap() == before);
    assert_eq!(bench.certificates().len(), count);
    // Another job is not taken for it.
    let other = |more: &[&'static str], what: &str| {
        let run = bench.run(&issue("fleet.csv", "fleet.ndjson", more));
        run.refused(6, &["was begun by another batch", what, "--output"]);
    };
    other(&["--key-type", "ed25519"], "flags");
    other(&["--job", "mine"], "--job");
    clients(&bench, "fleet.csv", ROWS + 1);
    other(&[], "input's SHA-256");
}

#[test]
fn an_output_that_is_not_the_job_s_is_refused_and_stays() {
    let bench = Workbench::with_hierarchy();
    clients(&bench, "fleet.csv", 2);
    let count = bench.certificates().len();
    bench.write("diary.ndjson", "dear diary\n");
    fs::create_dir(bench.path("full")).unwrap();
    bench.write("full/file", "x");
    for output in ["diary.ndjson", "full"] {
        bench.run(&issue("fleet.csv", output, &[])).refused(6, &["exists", "--output"]);
    }
    for output in ["/dev/null", "-", "/dev/stdout"] {
        bench.run(&issue("fleet.csv", output, &[])).refused(6, &["neither a file nor a folder"]);
    }
    assert_eq!(fs::read_to_string(bench.path("diary.ndjson")).unwrap(), "dear diary\n");
    assert_eq!(bench.certificates().len(), count);
    fs::create_dir(bench.path("empty")).unwrap();
    bench.ok(&issue("fleet.csv", "empty", &[]));
}

#[test]
fn an_output_that_changed_in_between_is_refused() {
    let bench = Workbench::with_hierarchy();
    let arguments = interrupted(&bench);
    let path = bench.path("fleet.ndjson");
    let whole = fs::read(&path).unwrap();
    let refused = |bytes: &[u8], said: &str| {
        fs::write(&path, bytes).unwrap();
        bench.run(&arguments).refused(6, &[said, "begin anew with another --output"]);
        assert!(fs::read(&path).unwrap() == bytes, "it stays as it is");
    };
    let mut changed = whole.clone();
    changed[40] ^= 1;
    refused(&changed, "is not as its batch left it");
    refused(&whole[..100], "is shorter than its batch left it");
    fs::remove_file(&path).unwrap();
    bench.run(&arguments).refused(6, &["is gone, and with it the private keys"]);
    fs::write(&path, &whole).unwrap();
    bench.run(&arguments).refused(6, &["or is open to others"]);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    bench.ok(&arguments);
    is_complete(&bench, "fleet.ndjson", ROWS, "app-");
}

#[test]
fn a_job_whose_output_was_removed_is_not_issued_twice_unseen() {
    let bench = Workbench::with_hierarchy();
    clients(&bench, "fleet.csv", 3);
    let arguments = issue("fleet.csv", "fleet.ndjson", &[]);
    bench.ok(&arguments);
    fs::remove_file(bench.path("fleet.ndjson")).unwrap();
    bench.run(&arguments).refused(6, &["is gone, and with it the private keys"]);
    fs::remove_file(bench.path("fleet.ndjson.job")).unwrap();
    bench.run(&arguments).refused(1, &["has issued certificates before", "--job NAME"]);
    assert_eq!(bench.files(""), ["fleet.csv"], "nothing is left of the refused run");
    bench.ok(&[&arguments[..], &["--job", "anew"]].concat());
}

#[test]
fn a_refused_job_leaves_nothing() {
    let bench = Workbench::with_hierarchy();
    clients(&bench, "fleet.csv", 3);
    for output in ["fleet.ndjson", "fleet"] {
        let mut command = bench.bare();
        command.args(issue("fleet.csv", output, &[])).env("RUSTMQ_CA_PASSPHRASE", "wrong");
        Run::of(&mut command).refused(4, &["the passphrase does not open"]);
        assert_eq!(bench.files(""), ["fleet.csv"]);
    }
}
