//! The files of `certs issue`: places, modes, `--force`, encodings, retries.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use crate::workbench::{Run, Workbench, openssl, text};

const ISSUE: [&str; 6] = ["certs", "issue", "--role", "client", "--ca-id", "prod_ca_1"];

fn issue(principal: &str) -> Vec<&str> {
    [&ISSUE[..], &["--principal", principal]].concat()
}

#[test]
fn the_private_key_is_the_owners_alone() {
    let bench = Workbench::with_hierarchy();
    bench.ok(&issue("app"));
    let mode = |name: &str| fs::metadata(bench.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("app/tls.key"), 0o600);
    assert_eq!(mode("app/tls.crt") & 0o400, 0o400);
    let key = fs::read_to_string(bench.path("app/tls.key")).unwrap();
    assert!(key.starts_with("-----BEGIN PRIVATE KEY-----"), "PKCS#8");
    let pems =
        |name: &str| fs::read_to_string(bench.path(name)).unwrap().matches("-----BEGIN").count();
    assert_eq!(
        [pems("app/tls.crt"), pems("app/ca.crt"), pems("app/root.crt"), pems("app/crl.pem")],
        [2, 2, 1, 2]
    );
}

#[test]
fn a_principal_names_its_folder_without_leaving_the_current_one() {
    let bench = Workbench::with_hierarchy();
    let issued = bench.json(&issue("caf\u{e9} 1"));
    assert_eq!(issued["directory"], "caf%C3%A9%201");
    assert!(bench.path("caf%C3%A9%201/tls.key").exists());
}

#[test]
fn nothing_is_overwritten_without_force() {
    let bench = Workbench::with_hierarchy();
    bench.ok(&issue("app"));
    let before = fs::read(bench.path("app/tls.key")).unwrap();
    let count = bench.certificates().len();
    bench.run(&issue("app")).refused(6, &["app/tls.crt exists", "--force"]);
    assert_eq!(bench.certificates().len(), count, "nothing was issued");
    assert_eq!(fs::read(bench.path("app/tls.key")).unwrap(), before);
    bench.ok(&[&issue("app")[..], &["--force"]].concat());
    assert_ne!(fs::read(bench.path("app/tls.key")).unwrap(), before);
    assert_eq!(bench.files("app").len(), 5, "nothing else is left there");
}

#[test]
fn a_link_in_the_way_is_not_followed() {
    let bench = Workbench::with_hierarchy();
    fs::create_dir(bench.path("app")).unwrap();
    let target = bench.write("target", "untouched");
    symlink(&target, bench.path("app/tls.key")).unwrap();
    bench.run(&issue("app")).refused(6, &["app/tls.key exists"]);
    bench.ok(&[&issue("app")[..], &["--force"]].concat());
    assert_eq!(fs::read_to_string(&target).unwrap(), "untouched");
    assert!(!fs::symlink_metadata(bench.path("app/tls.key")).unwrap().is_symlink());
}

#[test]
fn der_files_hold_one_object_each() {
    let bench = Workbench::with_hierarchy();
    bench.ok(&[&issue("app")[..], &["--encoding", "der"]].concat());
    assert_eq!(
        bench.files("app"),
        ["ca.crt", "crl-2.der", "crl.der", "root.crt", "tls.crt", "tls.key"]
    );
    let at = |name: &str| bench.path("app").join(name).display().to_string();
    let read =
        |kind: &str, name: &str| openssl(&[kind, "-inform", "DER", "-in", &at(name), "-noout"]);
    for name in ["tls.crt", "ca.crt", "root.crt"] {
        assert!(read("x509", name).is_some(), "{name}");
    }
    assert!(read("crl", "crl.der").is_some() && read("pkey", "tls.key").is_some());
}

#[test]
fn the_same_idempotency_key_gives_the_same_certificate() {
    let bench = Workbench::with_hierarchy();
    let repeat = [&issue("app")[..], &["--idempotency-key", "deploy-7"]].concat();
    let first = bench.json(&repeat);
    let key = fs::read(bench.path("app/tls.key")).unwrap();
    let again = bench.json(&repeat);
    assert_eq!((&again["serial"], &again["replayed"]), (&first["serial"], &true.into()));
    assert_eq!(fs::read(bench.path("app/tls.key")).unwrap(), key);
    fs::remove_file(bench.path("app/ca.crt")).unwrap();
    bench.ok(&repeat);
    assert!(bench.path("app/ca.crt").exists(), "what was missing is written again");
    let forced = bench.json(&[&repeat[..], &["--force"]].concat());
    assert_eq!((&forced["serial"], &forced["replayed"]), (&first["serial"], &true.into()));
    assert_eq!(fs::read(bench.path("app/tls.key")).unwrap(), key);
    let other = [&repeat[..], &["--validity-days", "3"]].concat();
    bench.run(&other).refused(1, &["deploy-7", "another request"]);
    bench.ok(&["certs", "revoke", text(&first["id"])]);
    bench.run(&repeat).refused(1, &["deploy-7", "revoked"]);
}

/// Runs the same command eight times at once.
fn eight_at_once(bench: &Workbench, arguments: &[&str]) -> Vec<Run> {
    std::thread::scope(|scope| {
        let runs: Vec<_> = (0..8).map(|_| scope.spawn(|| bench.run(arguments))).collect();
        runs.into_iter().map(|run| run.join().unwrap()).collect()
    })
}

#[test]
fn commands_into_one_folder_go_one_after_the_other() {
    let bench = Workbench::with_hierarchy();
    let before = bench.certificates().len();
    let runs = eight_at_once(&bench, &issue("same"));
    assert_eq!(runs.iter().filter(|run| run.code == 0).count(), 1, "{runs:?}");
    for run in runs.iter().filter(|run| run.code != 0) {
        run.refused(6, &["same/tls.crt exists"]);
    }
    assert_eq!(bench.certificates().len(), before + 1);
    let repeat = [&issue("again")[..], &["--idempotency-key", "k"]].concat();
    let runs = eight_at_once(&bench, &repeat);
    assert!(runs.iter().all(|run| run.code == 0), "{runs:?}");
    assert_eq!(bench.certificates().len(), before + 2);
    assert_eq!(bench.files("again"), ["ca.crt", "crl.pem", "root.crt", "tls.crt", "tls.key"]);
}

/// Runs a renewal twice: the second run finds the folder of the first and issues nothing.
#[track_caller]
fn replays(bench: &Workbench, arguments: &[&str]) -> serde_json::Value {
    let first = bench.json(arguments);
    let (issued, files) = (bench.certificates().len(), bench.files(""));
    let again = bench.json(arguments);
    assert_eq!((&again["serial"], &again["replayed"]), (&first["serial"], &true.into()));
    assert_eq!(again["directory"], first["directory"]);
    assert_eq!((bench.certificates().len(), bench.files("")), (issued, files), "{arguments:?}");
    first
}

#[test]
fn a_renewal_and_a_rotation_can_be_repeated() {
    let bench = Workbench::with_hierarchy();
    let old = bench.json(&issue("app"));
    let id = text(&old["id"]);
    let renewed = replays(&bench, &["certs", "renew", id, "--idempotency-key", "r1"]);
    assert_eq!(renewed["directory"], "app~2");
    let same = ["certs", "renew", id, "--same-key", "--idempotency-key", "r2"];
    assert_eq!(replays(&bench, &same)["directory"], "app~3");
    let rotated = replays(&bench, &["certs", "rotate", id, "--idempotency-key", "r3"]);
    assert_eq!(rotated["directory"], "app~4");
    // The first is found between the others.
    replays(&bench, &["certs", "renew", id, "--idempotency-key", "r1"]);
    bench.ok(&["certs", "revoke", text(&renewed["id"])]);
    bench.run(&["certs", "renew", id, "--idempotency-key", "r1"]).refused(1, &["r1", "revoked"]);
    assert_eq!(bench.files(""), ["app", "app~2", "app~3", "app~4"]);
}

#[test]
fn a_signed_request_and_a_renewal_with_the_same_key_replay_in_place() {
    let bench = Workbench::with_hierarchy();
    let (key, csr) = (bench.path("q.key"), bench.path("q.csr"));
    let made = openssl(&[
        "req",
        "-new",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        "/CN=q",
        "-keyout",
        key.to_str().unwrap(),
        "-out",
        csr.to_str().unwrap(),
    ]);
    assert!(made.is_some());
    let sign = ["certs", "sign", "--csr", "q.csr", "--ca-id", "prod_ca_1", "--role", "client"];
    let sign = [&sign[..], &["--idempotency-key", "s"]].concat();
    let signed = replays(&bench, &sign);
    fs::remove_file(bench.path("q/crl.pem")).unwrap();
    bench.ok(&sign);
    assert!(bench.path("q/crl.pem").exists(), "what was missing is written again");
    let renew = ["certs", "renew", text(&signed["id"]), "--same-key", "--output-dir", "v5"];
    replays(&bench, &[&renew[..], &["--idempotency-key", "v5"]].concat());
    // Another certificate's folder is not taken for the earlier run's.
    let elsewhere = [&sign[..], &["--output-dir", "v5"]].concat();
    bench.run(&elsewhere).refused(6, &["v5/tls.crt exists"]);
}

#[test]
fn an_idempotency_key_does_not_reuse_the_key_of_another_certificate() {
    let bench = Workbench::with_hierarchy();
    let first = bench.json(&issue("app"));
    let key = fs::read(bench.path("app/tls.key")).unwrap();
    let repeat = ["--output-dir", "app", "--idempotency-key", "k"];
    bench.run(&[&issue("app")[..], &repeat].concat()).refused(6, &["app/tls.crt exists"]);
    bench.run(&[&issue("other")[..], &repeat].concat()).refused(6, &["app/tls.crt exists"]);
    let forced = bench.json(&[&issue("app")[..], &repeat, &["--force"]].concat());
    assert_ne!(forced["serial"], first["serial"]);
    assert_ne!(fs::read(bench.path("app/tls.key")).unwrap(), key);
}

#[test]
fn a_key_that_an_interrupted_command_left_is_used() {
    let bench = Workbench::with_hierarchy();
    let repeat = [&issue("app")[..], &["--idempotency-key", "deploy-7"]].concat();
    bench.ok(&repeat);
    // As a crash after the certificate was recorded and before its files had their names leaves it.
    let waiting = ["tls.key.pending-", &mark("deploy-7")].concat();
    fs::rename(bench.path("app/tls.key"), bench.path("app").join(&waiting)).unwrap();
    for file in ["tls.crt", "ca.crt", "root.crt", "crl.pem"] {
        fs::remove_file(bench.path("app").join(file)).unwrap();
    }
    let again = bench.json(&repeat);
    assert_eq!(again["replayed"], true);
    assert_eq!(bench.files("app"), ["ca.crt", "crl.pem", "root.crt", "tls.crt", "tls.key"]);
    let (leaf, key) = (bench.path("app/tls.crt"), bench.path("app/tls.key"));
    assert_eq!(
        openssl(&["x509", "-in", leaf.to_str().unwrap(), "-noout", "-pubkey"]),
        openssl(&["pkey", "-in", key.to_str().unwrap(), "-pubout"])
    );
}

/// The mark of an idempotency key without a job: the first 16 digits of SHA-256 over a zero octet and
/// the key.
fn mark(key: &str) -> String {
    rustmq_pki::key::Fingerprint::of(format!("\0{key}").as_bytes()).to_string()[..16].to_owned()
}

#[test]
fn an_incomplete_folder_is_named_as_such() {
    let bench = Workbench::with_hierarchy();
    let repeat = [&issue("app")[..], &["--idempotency-key", "k"]].concat();
    bench.ok(&repeat);
    // As a kill between the certificate and the last of its files leaves it.
    fs::rename(bench.path("app/crl.pem"), bench.path("app/.crl.pem.999999999-0.new")).unwrap();
    bench.run(&issue("app")).refused(6, &["app/tls.crt exists", "crl.pem is missing", "--force"]);
    bench.ok(&repeat);
    assert_eq!(bench.files("app"), ["ca.crt", "crl.pem", "root.crt", "tls.crt", "tls.key"]);
}

#[test]
fn a_damaged_store_leaves_no_key_waiting() {
    let bench = Workbench::with_hierarchy();
    let store = bench.data().join("authority.db");
    let mut bytes = fs::read(&store).unwrap();
    // All but the first page, which holds the header.
    bytes[8192..].fill(0x5a);
    fs::write(&store, bytes).unwrap();
    bench.run(&issue("app")).refused(5, &["is damaged", "backup"]);
    assert!(!bench.path("app").exists());
}

#[test]
fn a_dry_run_writes_nothing() {
    let bench = Workbench::with_hierarchy();
    let count = bench.certificates().len();
    let dry = bench.json(&[&issue("app")[..], &["--dry-run"]].concat());
    assert_eq!((&dry["dry_run"], &dry["profile"]), (&true.into(), &"client".into()));
    assert!(!bench.path("app").exists());
    assert_eq!(bench.certificates().len(), count);
}

#[test]
fn a_folder_that_cannot_be_written_is_said_before_anything_is_issued() {
    let bench = Workbench::with_hierarchy();
    bench.write("app", "a file, not a folder");
    let count = bench.certificates().len();
    bench.run(&issue("app")).refused(6, &["app"]);
    assert_eq!(bench.certificates().len(), count);
}
