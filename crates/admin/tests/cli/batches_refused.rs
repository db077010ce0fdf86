//! What a batch refuses before it begins, and what a disk that fails leaves of one.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::process::{Command, Stdio};

use crate::batches::{ISSUE, issue, killed_at, lines, names};
use crate::workbench::{PASSPHRASE, Workbench};

fn clients(bench: &Workbench, count: usize) {
    let rows: String = (1..=count).map(|n| format!("app-{n},client\n")).collect();
    bench.write("fleet.csv", format!("principal,role\n{rows}"));
}

#[test]
fn a_job_file_that_others_can_read_keeps_its_keys() {
    let bench = Workbench::with_hierarchy();
    clients(&bench, 10);
    let arguments = issue("fleet.csv", "fleet.ndjson", &["--rows-per-slice", "4"]);
    assert!(killed_at(&bench, "rename", 3, &arguments));
    for name in ["fleet.ndjson.job", "fleet.ndjson"] {
        let path = bench.path(name);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        let run = bench.run(&arguments);
        run.refused(6, &["open to others", &format!("chmod 600 {name}"), "do not remove it"]);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    bench.ok(&arguments);
    assert_eq!(lines(&bench, "fleet.ndjson").len(), 10);
    fs::rename(bench.path("fleet.ndjson.job"), bench.path("moved")).unwrap();
    symlink("moved", bench.path("fleet.ndjson.job")).unwrap();
    let run = bench.run(&arguments);
    run.refused(6, &["fleet.ndjson.job is a link", "put the job file itself back"]);
    assert!(!run.stderr.contains("another --output"), "its keys would be left behind");
    fs::rename(bench.path("moved"), bench.path("fleet.ndjson.job")).unwrap();
    bench.ok(&arguments);
}

/// Runs the command while the `nth` such call of one of its threads fails. Whether it ended well.
fn with_fault(bench: &Workbench, call: &str, nth: u32, arguments: &[&str]) -> bool {
    let inject = format!("inject={call}:error=EIO:when={nth}");
    Command::new("strace")
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
        .expect("strace is installed (apt-get install strace)")
        .success()
}

#[test]
fn a_batch_is_repeated_after_a_disk_that_failed() {
    let bench = Workbench::with_hierarchy();
    clients(&bench, 5);
    for (call, at_least) in [("fsync", 6), ("fdatasync", 1)] {
        let mut faults = 0;
        for nth in 1..30 {
            let before = faults;
            for end in [".ndjson", ""] {
                let output = format!("{call}-{nth}{end}");
                let job = ["--rows-per-slice", "3", "--job", &output];
                let arguments = issue("fleet.csv", &output, &job);
                if with_fault(&bench, call, nth, &arguments) {
                    continue;
                }
                faults += 1;
                let again = bench.run(&arguments);
                assert_eq!(again.code, 0, "{call} {nth} {output}: {}", again.stderr);
                match end {
                    "" => assert_eq!(bench.files(&output).len(), 5),
                    _ => assert_eq!(lines(&bench, &output).len(), 5),
                }
            }
            if faults == before {
                break;
            }
        }
        assert!(faults >= at_least, "only {faults} of {call}");
    }
}

#[test]
fn a_place_that_cannot_be_written_is_told_by_a_dry_run_too() {
    let bench = Workbench::with_hierarchy();
    // Its rows are wrong, which would be told if they were read first.
    bench.write("fleet.csv", "principal,role\na,wizard\n");
    for output in ["no/such.ndjson", "no/such", "fleet.csv/x.ndjson"] {
        for more in [&["--dry-run"][..], &[]] {
            let said = format!("{output} cannot be written");
            bench.run(&issue("fleet.csv", output, more)).refused(6, &[&said]);
        }
    }
    assert_eq!(bench.files(""), ["fleet.csv"]);
}

#[test]
fn a_request_that_is_a_pipe_is_no_request() {
    let bench = Workbench::with_hierarchy();
    assert!(Command::new("mkfifo").arg(bench.path("pipe")).status().unwrap().success());
    bench.write("fleet.csv", "principal,role,csr\na,client,pipe\nb,client,/dev/zero\n");
    bench.run(&issue("fleet.csv", "fleet.ndjson", &[])).refused(
        1,
        &[
            "row 1 (line 2), csr: pipe cannot be read: it is no plain file",
            "row 2 (line 3), csr: /dev/zero cannot be read: it is no plain file",
        ],
    );
}

#[test]
fn every_wrong_row_is_reported_by_the_run_and_by_the_next() {
    let bench = Workbench::with_hierarchy();
    let role = |n| if n % 3 == 0 || n > 300 { "wizard" } else { "client" };
    let rows: String = (1..=340).map(|n| format!("p{n},{}\n", role(n))).collect();
    bench.write("fleet.csv", format!("principal,role\n{rows}"));
    let arguments = issue("fleet.csv", "fleet.ndjson", &["--skip-invalid"]);
    let run = bench.ok(&arguments);
    for said in ["and 40 more", "wrong: rows 301-340"] {
        assert!(run.stderr.contains(said), "{}", run.stderr);
    }
    let again = bench.json(&arguments);
    assert_eq!(again["skipped"], 140);
    let runs = again["wrong_row_runs"].as_array().unwrap();
    assert_eq!((&runs[0], runs.len()), (&serde_json::json!([3, 3]), 100));
    assert_eq!(runs[99], serde_json::json!([300, 340]));
    let refused = ["was begun by another batch", "--skip-invalid was given"];
    bench.run(&issue("fleet.csv", "fleet.ndjson", &[])).refused(6, &refused);
}

#[test]
fn a_renewal_into_the_folder_of_another_batch_says_whose_it_is() {
    let bench = Workbench::with_hierarchy();
    clients(&bench, 2);
    bench.write("list", "cert-3\n");
    let renew = ["certs", "batch-renew", "--ca-id", "prod_ca_1", "--output"];
    for output in ["fleet", "fleet.ndjson"] {
        let job = ["--job", output];
        bench.ok(&issue("fleet.csv", output, &job));
        bench
            .run(&[&renew[..], &[output]].concat())
            .refused(6, &["its command was batch-issue, and is batch-renew here"]);
    }
    bench.ok(&[&renew[..], &["new", "--input", "list"]].concat());
    bench.run(&[&renew[..], &["new"]].concat()).refused(6, &["its choice was a file"]);
}

#[test]
fn what_is_wrong_with_the_job_s_name_is_told_first() {
    let bench = Workbench::with_hierarchy();
    bench.write("fleet.csv", "principal,role\na,wizard\n");
    let long = "x".repeat(256);
    for name in ["", &long] {
        let run = bench.run(&issue("fleet.csv", "fleet.ndjson", &["--job", name]));
        run.refused(2, &["a job's name has 1 to 255 characters"]);
        assert!(!run.stderr.contains("row 1"), "{}", run.stderr);
    }
    let by = [&ISSUE[..2], &["--ca-id", "root_ca_1", "--input", "fleet.csv"]].concat();
    assert_eq!(bench.run(&[&by[..], &["--output", "fleet.ndjson"]].concat()).code, 1);
    bench.write("fleet.jsonl", "{\"principal\":\"a\",\"validity_days\":true}\n");
    let run = bench.run(&issue("fleet.jsonl", "fleet.ndjson", &["--role", "client"]));
    run.refused(1, &["validity_days: it is a truth value, not a number of days"]);
    bench.write("fleet.csv", "principal,role\na,wizard\nb,client\n");
    bench.ok(&issue("fleet.csv", "fleet.ndjson", &["--skip-invalid"]));
    let run = bench.ok(&issue("fleet.csv", "fleet.ndjson", &["--skip-invalid"]));
    assert!(run.stdout.contains("1 row that is wrong"), "{}", run.stdout);
    assert_eq!(names(&lines(&bench, "fleet.ndjson")), [(2, "b", "client")]);
    bench.write("fleet.csv", "principal,role\na,wizard\n");
    let run = bench.run(&issue("fleet.csv", "other.ndjson", &["--skip-invalid"]));
    run.refused(1, &["1 of 1 row is wrong, and nothing was issued"]);
    assert!(!run.stderr.contains("or issue the others"), "{}", run.stderr);
    let revoke = ["certs", "batch-revoke", "--ca-id", "prod_ca_1"];
    let run = bench.ok(&revoke);
    assert!(run.stdout.contains("1 certificate revoked"), "{}", run.stdout);
    assert!(run.stdout.contains("1 entry"), "{}", run.stdout);
    let again = bench.ok(&revoke);
    assert!(again.stdout.contains("1 was revoked already"), "{}", again.stdout);
    assert!(!again.stdout.contains("reason"), "{}", again.stdout);
}
