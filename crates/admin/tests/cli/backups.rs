//! `backup` and `restore` as their users run them.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::Value;

use crate::workbench::{PASSPHRASE, Run, Workbench, openssl, text};

/// Runs `restore` into `data` beside the working directory's files, without a passphrase.
fn restore(bench: &Workbench, data: &str, more: &[&str]) -> Run {
    let mut command = bench.bare();
    command.args(["--data-dir", data, "restore", "--input", "b.tar"]).args(more);
    Run::of(&mut command)
}

fn json(run: &Run) -> Value {
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    serde_json::from_str(&run.stdout).unwrap()
}

#[test]
fn a_backup_is_restored_without_a_passphrase_and_issues_with_it() {
    let bench = Workbench::with_hierarchy();
    let old = bench.broker("broker-01");
    let made = bench.json(&["backup", "--output", "b.tar"]);
    assert_eq!((&made["signed_by"], &made["certificates"]), (&"prod_ca_1".into(), &3.into()));
    let mode = fs::metadata(bench.path("b.tar")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(bench.files(""), ["b.tar", "broker-01"], "nothing else is left");

    let restored = json(&restore(&bench, "new", &["--format", "json"]));
    assert_eq!(restored["roots"][0]["fingerprint"], made["roots"][0]);
    assert_eq!(restored["manifest_sha256"], made["manifest_sha256"]);
    assert_eq!(
        (&restored["origin_expected"], &restored["certificates"]),
        (&false.into(), &3.into())
    );
    let found = bench.json(&["--data-dir", "new", "certs", "info", text(&old["serial"])]);
    assert_eq!(found["fingerprint"], old["fingerprint"]);
    let issue = ["--data-dir", "new", "certs", "issue", "--principal", "broker-02", "--role"];
    bench.ok(&[&issue[..], &["broker", "--ca-id", "prod_ca_1"]].concat());
    let at = |name: &str| bench.path(name).display().to_string();
    // The old root vouches for the new certificate, the new list for the old one.
    for (root, leaf) in
        [("broker-01/root.crt", "broker-02/tls.crt"), ("broker-02/root.crt", "broker-01/tls.crt")]
    {
        let verify = ["verify", "-x509_strict", "-crl_check_all", "-CAfile"];
        let files = [
            &at(root),
            "-untrusted",
            &at("broker-02/ca.crt"),
            "-CRLfile",
            &at("broker-02/crl.pem"),
            &at(leaf),
        ];
        assert!(openssl(&[&verify[..], &files].concat()).is_some(), "{leaf}");
    }
}

#[test]
fn what_is_proven_and_what_may_be_missing_is_said() {
    let bench = Workbench::with_hierarchy();
    bench.ok(&["backup", "--output", "b.tar"]);
    let run = restore(&bench, "one", &[]);
    for part in ["integrity is proven, and not its origin", "ids after cert-2", "--crl FILE"] {
        assert!(run.stderr.contains(part), "{part}: {}", run.stderr);
    }
    let root = text(&bench.json(&["ca", "info", "root_ca_1"])["fingerprint"]).to_owned();
    assert!(run.stdout.contains(&format!("sha256 {root}")), "{}", run.stdout);
    // As OpenSSL writes it.
    let pairs: Vec<_> = (0..32).map(|at| root[2 * at..2 * at + 2].to_uppercase()).collect();
    let run = restore(&bench, "two", &["--expect-root", &pairs.join(":")]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    assert!(!run.stderr.contains("origin"), "{}", run.stderr);
    assert!(run.stdout.contains("under the expected root"), "{}", run.stdout);
}

#[test]
fn a_published_list_is_not_replaced_by_one_of_before() {
    let bench = Workbench::with_hierarchy();
    bench.broker("broker-01");
    bench.ok(&["backup", "--output", "b.tar"]);
    fs::create_dir(bench.path("copy")).unwrap();
    let store = |data: &str| bench.path(data).join("authority.db");
    bench.ok(&["certs", "revoke", "cert-3", "--reason", "key-compromise"]);
    let daily = ["ca", "crl", "prod_ca_1", "--refresh-before", "3", "--output", "prod.crl"];
    let lost = bench.json(&daily);
    assert_eq!(lost["revoked"], 1);
    let published = fs::read(bench.path("prod.crl")).unwrap();

    // A bare copy of the store knows nothing of what came after it.
    let mut archive = tar::Archive::new(fs::File::open(bench.path("b.tar")).unwrap());
    let mut members = archive.entries().unwrap().map(Result::unwrap);
    let mut member = members.find(|m| m.path().unwrap().ends_with("authority.db")).unwrap();
    member.unpack(store("copy")).unwrap();
    let here = |data| [&["--data-dir", data], &daily[..]].concat();
    bench.run(&here("copy")).refused(6, &["prod.crl holds the CRL", "--crl prod.crl"]);
    assert_eq!(fs::read(bench.path("prod.crl")).unwrap(), published);

    assert_eq!(restore(&bench, "new", &[]).code, 0);
    let next = bench.json(&here("new"));
    assert_eq!((&next["signed"], &next["revoked"]), (&true.into(), &0.into()));
    assert!(next["number"].as_u64() > lost["number"].as_u64());
}

#[test]
fn refusals_have_their_codes_and_leave_nothing() {
    let bench = Workbench::with_hierarchy();
    bench.ok(&["backup", "--output", "b.tar"]);
    restore(&bench, "new", &["--expect-root", &"ab".repeat(32)])
        .refused(1, &["is of another authority", "abab"]);
    restore(&bench, "new", &["--expect-root", "abc"]).refused(2, &["64 hexadecimal digits"]);
    restore(&bench, "new", &["--crl", "none.crl"]).refused(3, &["none.crl cannot be read"]);
    bench.write("no.crl", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    restore(&bench, "new", &["--crl", "no.crl"]).refused(2, &["no.crl cannot be used"]);
    bench.write("no.crl", "hello");
    restore(&bench, "new", &["--crl", "no.crl"]).refused(1, &["no.crl is no complete CRL"]);
    let data = bench.data().display().to_string();
    restore(&bench, &data, &[]).refused(5, &["is not empty"]);
    let whole = fs::read(bench.path("b.tar")).unwrap();
    bench.write("b.tar", &whole[..whole.len() / 2]);
    restore(&bench, "new", &[]).refused(1, &["the archive is truncated"]);
    let mut altered = whole.clone();
    altered[whole.len() / 2] ^= 1;
    bench.write("b.tar", &altered);
    restore(&bench, "new", &[]).refused(1, &["authority.db is not as it was written"]);
    bench.write("b.tar", "hello");
    restore(&bench, "new", &[]).refused(1, &["truncated"]);
    bench.write("b.tar", [b'x'; 4096]);
    restore(&bench, "new", &[]).refused(1, &["is no backup of an authority"]);
    fs::remove_file(bench.path("b.tar")).unwrap();
    restore(&bench, "new", &[]).refused(3, &["b.tar cannot be read"]);
    fs::create_dir(bench.path("b.tar")).unwrap();
    restore(&bench, "new", &[]).refused(3, &["b.tar cannot be read"]);
    assert_eq!(bench.files(""), ["b.tar", "no.crl"], "nothing is left of any of them");
}

#[test]
fn a_backup_needs_a_key_and_overwrites_nothing() {
    let bench = Workbench::with_hierarchy();
    let mut command = bench.bare();
    command.args(["backup", "--output", "b.tar"]);
    Run::of(&mut command).refused(4, &["passphrase"]);
    let mut command = bench.bare();
    command.env("RUSTMQ_CA_PASSPHRASE", "wrong").args(["backup", "--output", "b.tar"]);
    Run::of(&mut command).refused(4, &["passphrase"]);
    assert_eq!(bench.files(""), [""; 0]);
    bench.write("b.tar", "precious");
    bench.run(&["backup", "--output", "b.tar"]).refused(6, &["b.tar exists", "--force"]);
    assert_eq!(fs::read(bench.path("b.tar")).unwrap(), b"precious");
    bench.ok(&["backup", "--output", "b.tar", "--force", "--ca-id", "root_ca_1"]);
    assert_eq!(json(&restore(&bench, "new", &["--format", "json"]))["signed_by"], "root_ca_1");
    bench.run(&["backup", "--output", "no/such/b.tar"]).refused(6, &["no/such"]);
    bench.run(&["backup", "--output", "/dev/full/b.tar"]).refused(6, &["/dev/full"]);
    Workbench::new().run(&["backup", "--output", "b.tar"]).refused(5, &["no authority"]);
}

#[test]
fn a_backup_goes_through_a_pipe() {
    let bench = Workbench::with_hierarchy();
    let mut command = bench.command(&["backup", "--output", "-"]);
    let output = command.output().unwrap();
    assert!(output.status.success());
    let mut command = bench.bare();
    command.args(["--data-dir", "new", "restore", "--input", "-"]).write_stdin(output.stdout);
    assert_eq!(Run::of(&mut command).code, 0);
    bench.ok(&["--data-dir", "new", "audit", "verify"]);
    let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let status = std::process::Command::new(assert_cmd::cargo::cargo_bin("rustmq-admin"))
        .args(["backup", "--output", "-"])
        .env("RUSTMQ_DATA_DIR", bench.data())
        .env("RUSTMQ_CA_PASSPHRASE", PASSPHRASE)
        .stdout(full)
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.code(), Some(6), "an archive that was not written is no success");
}

#[test]
fn later_lists_are_merged_from_files_of_any_form() {
    let bench = Workbench::with_hierarchy();
    let old = bench.broker("broker-01");
    bench.ok(&["backup", "--output", "b.tar"]);
    bench.ok(&["certs", "revoke", text(&old["id"]), "--reason", "key-compromise"]);
    let unknown = bench.broker("broker-02");
    bench.ok(&["certs", "revoke", text(&unknown["id"])]);
    let crl = |ca: &str, encoding: &str, file: &str| {
        bench.json(&["ca", "crl", ca, "--output", file, "--encoding", encoding])
    };
    let late = crl("prod_ca_1", "der", "prod.der");
    crl("prod_ca_1", "pem", "prod.pem");
    crl("root_ca_1", "pem", "root.pem");
    let both = ["prod.pem", "root.pem"].map(|name| fs::read_to_string(bench.path(name)).unwrap());
    bench.write("both.pem", both.concat());
    for (data, file, lists) in [("one", "prod.der", 1), ("two", "both.pem", 2)] {
        let restored = json(&restore(&bench, data, &["--format", "json", "--crl", file]));
        let merged = restored["crls"].as_array().unwrap();
        assert_eq!(merged.len(), lists, "{file}");
        let of_prod = merged.iter().find(|crl| crl["ca_id"] == "prod_ca_1").unwrap();
        assert_eq!((&of_prod["revoked"], &of_prod["unknown"]), (&1.into(), &1.into()), "{of_prod}");
        let status = bench.json(&["--data-dir", data, "certs", "info", text(&old["serial"])]);
        assert_eq!(status["status"], "revoked");
        let next = bench.json(&["--data-dir", data, "ca", "crl", "prod_ca_1"]);
        assert!(next["number"].as_u64() > late["number"].as_u64(), "{next}");
        assert_eq!(next["revoked"], 2);
    }
}

#[test]
fn a_signer_that_was_revoked_since_is_named_and_proves_no_origin() {
    for (reason, code) in [("key-compromise", 1), ("cessation-of-operation", 0)] {
        let bench = Workbench::with_hierarchy();
        let staging = ["ca", "intermediate", "--parent-ca", "root_ca_1", "--cn", "Staging CA"];
        bench.ok(&staging);
        let root = text(&bench.json(&["ca", "info", "root_ca_1"])["fingerprint"]).to_owned();
        bench.ok(&["backup", "--output", "b.tar", "--ca-id", "staging_ca_1"]);
        bench.ok(&["ca", "revoke", "staging_ca_1", "--reason", reason]);
        bench.ok(&["ca", "crl", "root_ca_1", "--output", "root.crl"]);
        let run = restore(&bench, "one", &["--expect-root", &root, "--crl", "root.crl"]);
        if code == 1 {
            run.refused(1, &["staging_ca_1 was revoked", "keyCompromise", "another CA signed"]);
            assert!(!bench.path("one").exists());
        } else {
            assert_eq!(run.code, 0, "{}", run.stderr);
            assert!(run.stdout.contains("under the expected root, and revoked"), "{}", run.stdout);
            assert!(run.stderr.contains("staging_ca_1 was revoked"), "{}", run.stderr);
        }
        let run = restore(&bench, "two", &["--crl", "root.crl"]);
        assert!(run.stderr.contains("staging_ca_1 was revoked"), "{}", run.stderr);
        let more = ["--crl", "root.crl", "--format", "json"];
        let restored = json(&restore(&bench, "three", &more));
        assert_eq!(restored["origin_expected"], false);
        assert_eq!(restored["signer_revoked"]["ca_id"], "staging_ca_1");
        bench
            .run(&["backup", "--output", "c.tar", "--ca-id", "staging_ca_1"])
            .refused(1, &["signs no backups", "name one of: prod_ca_1, root_ca_1"]);
        assert!(!bench.path("c.tar").exists());
        assert_eq!(bench.json(&["backup", "--output", "c.tar"])["signed_by"], "prod_ca_1");
    }
}

#[test]
fn a_checkpoint_tells_a_restored_store_from_the_one_that_went_on() {
    let bench = Workbench::with_hierarchy();
    bench.ok(&["audit", "checkpoint", "--output", "before.json"]);
    bench.ok(&["backup", "--output", "b.tar"]);
    bench.broker("broker-01");
    bench.ok(&["audit", "checkpoint", "--output", "after.json"]);
    assert_eq!(restore(&bench, "new", &[]).code, 0);
    let verify =
        |anchor: &str| bench.run(&["--data-dir", "new", "audit", "verify", "--anchor", anchor]);
    assert_eq!(verify("before.json").code, 0);
    let after = verify("after.json");
    assert_eq!(after.code, 1);
    assert!(after.stdout.contains("the end of the audit record was lost"), "{}", after.stdout);
}
