//! Bad input: each a clear error that says what, where and what would be right, and nothing written.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::workbench::{Run, Workbench, openssl, text};

const ISSUE: [&str; 4] = ["certs", "issue", "--ca-id", "prod_ca_1"];

/// Runs `certs issue` with these flags and expects a refusal that leaves neither file nor certificate.
#[track_caller]
fn issue_refused(bench: &Workbench, flags: &[&str], code: i32, texts: &[&str]) {
    let (files, certificates) = (bench.files(""), bench.certificates().len());
    bench.run(&[&ISSUE, flags].concat()).refused(code, texts);
    assert_eq!(bench.files(""), files, "nothing is written");
    assert_eq!(bench.certificates().len(), certificates, "nothing is issued");
}

#[test]
fn names_that_there_are_not() {
    let bench = Workbench::with_hierarchy();
    let app = ["--principal", "app"];
    let with = |flags: &[&'static str]| [&app[..], flags].concat();
    issue_refused(&bench, &with(&["--role", "wizard"]), 2, &["wizard", "broker, controller"]);
    issue_refused(&bench, &with(&["--profile", "none"]), 3, &["there is no profile", "broker"]);
    issue_refused(
        &bench,
        &with(&["--role", "broker", "--profile", "client"]),
        2,
        &["the profile \"client\" is for"],
    );
    bench
        .run(&[
            "certs",
            "issue",
            "--principal",
            "b2.example",
            "--role",
            "broker",
            "--ca-id",
            "production",
        ])
        .refused(3, &["no CA is called \"production\"", "nearest: prod_ca_1 (Production CA)"]);
    bench.run(&["certs", "list", "--format", "yaml"]).refused(2, &["yaml", "table, json, csv"]);
    bench.run(&["certs", "info", "cert-999"]).refused(3, &["there is no certificate"]);
    bench.run(&["profile", "show", "wizard"]).refused(3, &["there is no profile"]);
}

#[test]
fn principals_that_no_certificate_can_have() {
    let bench = Workbench::with_hierarchy();
    let long = "x".repeat(65);
    for (principal, why) in [
        ("", "the principal is empty"),
        ("../x", "the principal"),
        ("a/b", "the principal has a '/'"),
        ("-rf", "starts with '-'"),
        (".hidden", "starts with '.'"),
        ("a\u{7}b", "control character"),
        (&long, "65 characters"),
    ] {
        let principal = format!("--principal={principal}");
        issue_refused(&bench, &[&principal, "--role", "client"], 1, &[why]);
    }
}

#[test]
fn names_that_do_not_fit_the_profile() {
    let bench = Workbench::with_hierarchy();
    issue_refused(
        &bench,
        &["--principal", "client@company.com", "--role", "broker"],
        1,
        &["a broker certificate needs a DNS name", "--san dns:", "--role client"],
    );
    let broker = ["--principal", "b", "--role", "broker", "--san"];
    for (san, why) in [
        ("300.1.1.1", "not an IP address"),
        ("ip:300.1.1.1", "not an IP address"),
        ("dns:a..b", "not a DNS name"),
        ("email:a@b.example", "e-mail"),
        ("uri:spiffe://x/y", "URI"),
    ] {
        issue_refused(&bench, &[&broker[..], &[san]].concat(), 1, &[why]);
    }
    let twice = [&broker[..], &["dns:a", "--san", "A"]].concat();
    issue_refused(&bench, &twice, 1, &["given twice"]);
}

#[test]
fn keys_that_are_too_weak_or_not_the_profiles() {
    let bench = Workbench::with_hierarchy();
    let app = ["--principal", "app", "--role", "client"];
    let with = |flags: &[&'static str]| [&app[..], flags].concat();
    issue_refused(&bench, &with(&["--key-type", "rsa-1024"]), 2, &["rsa-1024", "rsa-2048"]);
    issue_refused(&bench, &with(&["--key-size", "4096"]), 2, &["--key-size"]);
    fs::create_dir_all(bench.data().join("profiles")).unwrap();
    let toml = "kind = \"end-entity\"\nrole = \"client\"\nvalidity_days = 1\nkeys = [\"ed25519\"]\n\
                key_usage = [\"digitalSignature\"]\nextended_key_usage = [\"clientAuth\"]\n";
    fs::write(bench.data().join("profiles/edge.toml"), toml).unwrap();
    let edge = ["--principal", "app", "--profile", "edge"];
    issue_refused(&bench, &edge, 1, &["does not take p256 keys", "ed25519"]);
}

#[test]
fn validity_that_is_none_or_outlives_the_issuer() {
    let bench = Workbench::with_hierarchy();
    let app = ["--principal", "app", "--role", "client", "--validity-days"];
    for (days, why) in [
        ("0", "0 days"),
        ("-5", "-5 days"),
        ("36500", "its issuer only until"),
        ("99999999", "9999"),
    ] {
        issue_refused(&bench, &[&app[..], &[days]].concat(), 1, &[why]);
    }
    issue_refused(&bench, &[&app[..], &["ten"]].concat(), 2, &["ten"]);
}

#[test]
fn a_short_issuer_shortens_a_default_and_says_both_dates() {
    let bench = Workbench::with_hierarchy();
    let staging = ["ca", "intermediate", "--parent-ca", "root_ca_1", "--cn", "Staging CA"];
    bench.ok(&[&staging[..], &["--validity-days", "60"]].concat());
    let issue = |role: &str| {
        let ca = ["--ca-id", "staging_ca_1", "--output-dir", role];
        bench.run(&[&["certs", "issue", "--principal", "b1", "--role", role][..], &ca].concat())
    };
    let shortened = issue("client");
    assert_eq!(shortened.code, 0, "{}", shortened.stderr);
    let end = bench.json(&["ca", "info", "staging_ca_1"])["not_after"].clone();
    assert!(shortened.stderr.contains(text(&end)), "{}", shortened.stderr);
    assert!(shortened.stderr.contains("instead of"), "{}", shortened.stderr);
    // 60 of 365 days are less than half.
    issue("broker").refused(1, &["ca renew"]);
}

#[test]
fn cas_that_may_not_sign() {
    let bench = Workbench::with_hierarchy();
    bench.run(&["ca", "intermediate", "--parent-ca", "prod_ca_1", "--cn", "Team CA"]).refused(
        1,
        &["\"Production CA\" may not sign", "path length is 0", "RFC 5280 4.2.1.9", "--path-len 1"],
    );
    let issued = bench.broker("broker-01");
    let leaf = text(&issued["fingerprint"]);
    bench
        .run(&["certs", "issue", "--principal", "x", "--role", "client", "--ca-id", &leaf[..16]])
        .refused(3, &["no CA is called"]);
    bench.run(&["ca", "init", "--cn", "R", "--id", "root_ca_1"]).refused(1, &["taken"]);
    bench.run(&["ca", "init", "--cn", "R", "--id", "../x"]).refused(2, &["is no CA id"]);
    bench.run(&["ca", "init", "--cn", ""]).refused(1, &["--cn: CN is empty"]);
    bench.run(&["ca", "init", "--cn", "R", "--country", "Germany"]).refused(1, &["--country"]);
    bench.run(&["ca", "init", "--cn", "R", "--base-url", "ftp://x"]).refused(2, &["base URL"]);
    assert_eq!(bench.json(&["ca", "list"])["cas"].as_array().unwrap().len(), 2);
}

#[test]
fn requests_that_cannot_be_signed() {
    let bench = Workbench::with_hierarchy();
    let sign = |file: &str| {
        let flags = ["--ca-id", "prod_ca_1", "--role", "client", "--output-dir", "out"];
        bench.run(&[&["certs", "sign", "--csr", file][..], &flags].concat())
    };
    sign("missing.csr").refused(3, &["missing.csr cannot be read"]);
    bench.write("text.csr", "not a request");
    sign("text.csr").refused(1, &["PEM"]);
    let refused_to = |principal: &str| {
        let newest = bench.json(&["audit", "list", "--last", "1"])["records"][0].clone();
        assert_eq!(
            (&newest["outcome"], &newest["principal"]),
            (&"refused".into(), &principal.into())
        );
    };
    let md5 = bench.path("md5.csr");
    let made = openssl(&[
        "req",
        "-new",
        "-newkey",
        "rsa:2048",
        "-md5",
        "-nodes",
        "-subj",
        "/CN=old-tool",
        "-keyout",
        "/dev/null",
        "-out",
        md5.to_str().unwrap(),
    ]);
    assert!(made.is_some());
    sign("md5.csr").refused(1, &["signed with MD5 (md5WithRSAEncryption)", "SHA-256"]);
    refused_to("old-tool");
    let twice = fs::read_to_string(&md5).unwrap().repeat(2);
    bench.write("twice.csr", twice);
    sign("twice.csr").refused(1, &["follows the request's END line"]);
    bench.write("noise.csr", [0x30, 0x03, 0x02, 0x01]);
    sign("noise.csr").refused(1, &["PKCS#10"]);
    let made = openssl(&[
        "req",
        "-new",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:P-256",
        "-nodes",
        "-subj",
        "/CN=alice",
        "-addext",
        "subjectAltName=email:alice@company.com",
        "-keyout",
        "/dev/null",
        "-out",
        bench.path("alice.csr").to_str().unwrap(),
    ]);
    assert!(made.is_some());
    let as_bob = ["certs", "sign", "--csr", "alice.csr", "--principal", "bob", "--role", "client"];
    bench
        .run(&[&as_bob[..], &["--ca-id", "prod_ca_1", "--output-dir", "out"]].concat())
        .refused(1, &["\"alice\"", "email:alice@company.com", "\"bob\"", "--san"]);
    assert!(!bench.path("out").exists());
}

#[test]
fn a_first_ca_that_is_refused_or_only_judged_founds_nothing() {
    let bench = Workbench::new();
    let init = ["ca", "init", "--cn", "R"];
    let with = |flags: &[&'static str]| [&init[..], flags].concat();
    for (flags, code) in [
        (["--validity-days", "0"], 1),
        (["--id", "BAD"], 2),
        (["--profile", "nope"], 3),
        (["--crl-days", "0"], 2),
    ] {
        bench.run(&with(&flags)).refused(code, &[]);
        assert!(!bench.data().exists(), "{flags:?}");
    }
    Run::of(bench.bare().args(init)).refused(4, &["--passphrase-file"]);
    assert!(!bench.data().exists());
    // A dry run needs no passphrase, as every other.
    let dry = Run::of(bench.bare().args(with(&["--dry-run"])));
    assert_eq!(dry.code, 0, "{}", dry.stderr);
    assert!(!bench.data().exists());
    bench.run(&["ca", "list"]).refused(5, &["there is no authority in"]);
    bench.ok(&init);
    bench.run(&with(&["--validity-days", "0"])).refused(1, &["0 days"]);
    let records = bench.json(&["audit", "list", "--last", "1"])["records"].clone();
    assert_eq!(records[0]["outcome"], "refused", "once there is a store, it records");
}

/// Runs the program as a user who may not enter the data directory.
#[test]
fn a_directory_that_may_not_be_read_is_not_taken_for_an_empty_one() {
    use std::os::unix::process::CommandExt;
    let bench = Workbench::new();
    bench.ok(&["ca", "init", "--cn", "R"]);
    fs::set_permissions(bench.data(), fs::Permissions::from_mode(0o000)).unwrap();
    let mut program = std::process::Command::new(assert_cmd::cargo::cargo_bin("rustmq-admin"));
    program.args(["ca", "list"]).env_clear().env("RUSTMQ_DATA_DIR", bench.data());
    if rustix::process::geteuid().is_root() {
        // Nobody: root may enter everything.
        program.uid(65534).gid(65534);
    }
    let run = Run::from(program.output().unwrap());
    fs::set_permissions(bench.data(), fs::Permissions::from_mode(0o700)).unwrap();
    run.refused(5, &["cannot be read by this user", "--data-dir"]);
    assert!(!run.stderr.contains("ca init"), "{}", run.stderr);
}

#[test]
fn data_directories_that_cannot_be_used() {
    let bench = Workbench::new();
    bench.run(&["certs", "list"]).refused(5, &["there is no authority in", "ca init"]);
    assert!(!bench.data().exists(), "looking makes no directory");
    bench.ok(&["ca", "init", "--cn", "R"]);
    let file = bench.write("file", "");
    let empty = bench.data().join("empty");
    fs::create_dir(&empty).unwrap();
    fs::write(empty.join("authority.db"), "").unwrap();
    let mut on_empty = bench.command(&["ca", "list"]);
    Run::of(on_empty.env("RUSTMQ_DATA_DIR", &empty)).refused(5, &["is empty", "backup"]);
    let mut onto_a_file = bench.command(&["ca", "list"]);
    Run::of(onto_a_file.env("RUSTMQ_DATA_DIR", &file)).refused(5, &["file"]);
}

/// The database in the data directory.
fn store_file(bench: &Workbench) -> std::path::PathBuf {
    let files = fs::read_dir(bench.data()).unwrap().map(|entry| entry.unwrap().path());
    let database = |path: &std::path::PathBuf| {
        path.is_file() && fs::read(path).unwrap().starts_with(b"SQLite format 3")
    };
    files.filter(|path| path.is_file()).find(database).unwrap()
}

#[test]
fn a_damaged_store_is_named() {
    let bench = Workbench::new();
    bench.ok(&["ca", "init", "--cn", "R"]);
    let store = store_file(&bench);
    let mut bytes = fs::read(&store).unwrap();
    bytes[..4096].fill(0x5a);
    fs::write(&store, bytes).unwrap();
    let run = bench.run(&["ca", "list"]);
    run.refused(5, &["store"]);
    let mode = fs::metadata(&store).unwrap().permissions().mode();
    assert_eq!(mode & 0o077, 0, "the store is the owner's alone");
}

#[test]
fn a_store_of_a_newer_version_is_left_alone() {
    let bench = Workbench::new();
    bench.ok(&["ca", "init", "--cn", "R"]);
    let store = store_file(&bench);
    let mut bytes = fs::read(&store).unwrap();
    // The user version of an SQLite file: four octets at offset 60.
    bytes[60..64].copy_from_slice(&999_u32.to_be_bytes());
    fs::write(&store, &bytes).unwrap();
    bench.run(&["ca", "init", "--cn", "S"]).refused(5, &["999", "newer"]);
    assert_eq!(fs::read(&store).unwrap(), bytes);
}

#[test]
fn a_passphrase_that_is_missing_leaves_nothing_behind() {
    let bench = Workbench::with_hierarchy();
    let issue = ["--principal", "app", "--role", "client"];
    Run::of(bench.bare().args(ISSUE).args(issue)).refused(4, &["--passphrase-file"]);
    assert!(!bench.path("app").exists());
}

#[test]
fn the_beginning_of_a_fingerprint_is_long_enough() {
    let bench = Workbench::with_hierarchy();
    let root = bench.json(&["ca", "info", "root_ca_1"]);
    let fingerprint = text(&root["fingerprint"]);
    bench.run(&["ca", "info", &fingerprint[..4]]).refused(3, &["nearest:", "6 digits or more"]);
    assert_eq!(bench.json(&["ca", "info", &fingerprint[..6]])["id"], "root_ca_1");
}

#[test]
fn a_broken_profile_hides_no_other_and_has_one_code() {
    let bench = Workbench::with_hierarchy();
    fs::create_dir_all(bench.data().join("profiles")).unwrap();
    let file = bench.data().join("profiles/edge.toml");
    fs::write(&file, "color = 1\n").unwrap();
    let list = bench.run(&["profile", "list", "--format", "json"]);
    let listed: serde_json::Value = serde_json::from_str(&list.stdout).unwrap();
    assert_eq!(list.code, 1);
    assert!(listed["profiles"].as_array().unwrap().len() > 4);
    assert!(text(&listed["notes"][0]).contains("edge.toml: line 1, column 1: unknown field"));
    bench.run(&["profile", "check", file.to_str().unwrap()]).refused(1, &["unknown field"]);
    let edge = ["certs", "issue", "--principal", "a", "--profile", "edge", "--ca-id", "prod_ca_1"];
    bench.run(&edge).refused(1, &["unknown field", "profile check"]);
}

#[test]
fn an_archive_that_cannot_be_written_is_not_the_stores_fault() {
    let bench = Workbench::with_hierarchy();
    let mut export = std::process::Command::new(assert_cmd::cargo::cargo_bin("rustmq-admin"));
    export.args(["certs", "export", "--all", "--output", "-"]).env_clear();
    export.env("RUSTMQ_DATA_DIR", bench.data());
    export.stdout(fs::OpenOptions::new().write(true).open("/dev/full").unwrap());
    Run::from(export.output().unwrap()).refused(6, &["the archive cannot be written"]);
}

#[test]
fn two_roots_made_at_once_have_their_own_ids() {
    let bench = Workbench::new();
    let start = |cn: &str| {
        let program = std::process::Command::new(assert_cmd::cargo::cargo_bin("rustmq-admin"))
            .args(["ca", "init", "--cn", cn])
            .env_clear()
            .env("RUSTMQ_DATA_DIR", bench.data())
            .env("RUSTMQ_CA_PASSPHRASE", crate::workbench::PASSPHRASE)
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn();
        program.unwrap()
    };
    let (one, two) = (start("One"), start("Two"));
    let runs = [one, two].map(|child| Run::from(child.wait_with_output().unwrap()));
    let done = runs.iter().filter(|run| run.code == 0).count();
    assert_eq!(done, 2, "{runs:?}");
    let cas = bench.json(&["ca", "list"])["cas"].as_array().unwrap().clone();
    assert_eq!(cas.len(), done);
    for ca in cas {
        bench.ok(&["ca", "crl", "--ca-id", text(&ca["id"])]);
    }
    bench.ok(&["audit", "verify"]);
}

#[test]
fn flags_without_effect() {
    let bench = Workbench::with_hierarchy();
    for arguments in [
        &["certs", "list", "--encoding", "der"][..],
        &["ca", "tree", "--encoding", "pem"],
        &["certs", "export", "--all", "-o", "x", "--encoding", "der"],
        &["completions", "bash", "--format", "csv"],
        &["man", "--encoding", "pem"],
        &["ca", "export", "prod_ca_1", "--output", "-", "--format", "csv"],
        &["ca", "crl", "prod_ca_1", "--output", "-", "--format", "csv"],
    ] {
        bench.run(arguments).refused(2, &["has no effect"]);
    }
    bench.run(&["ca", "renew", "prod_ca_1", "--key-type", "p384"]).refused(2, &["--rekey"]);
    bench.run(&["certs", "renew", "x", "--same-key", "--key-type", "p384"]).refused(2, &[]);
    bench.run(&["certs", "list", "--job", "x"]).refused(2, &["--job"]);
}
