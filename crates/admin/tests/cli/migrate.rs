//! `migrate`: a faulty deployment replaced step by step, stopped anywhere, gone back from, retired.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::deployment::{CA, Deployment, LEAF};
use crate::workbench::{PASSPHRASE, Run, Workbench, openssl, text};

/// A faulty deployment `old` and a plan for it with every role.
fn planned() -> (Workbench, Deployment) {
    let bench = Workbench::new();
    let deployment = Deployment::faulty(&bench, "old");
    plan(&bench, &[]);
    (bench, deployment)
}

fn plan(bench: &Workbench, more: &[&str]) -> Run {
    let plan = ["migrate", "plan", "--from", "old", "--output", "plan.toml", "--force"];
    let roles = ["--role", "broker", "--match", "broker-*", "--role", "client", "--match", "*@*"];
    bench.ok(&[&plan[..], &roles, more].concat())
}

const APPLY: [&str; 6] = ["migrate", "apply", "--plan", "plan.toml", "--output", "new"];
const RETIRE: [&str; 7] =
    ["migrate", "apply", "--plan", "plan.toml", "--output", "new", "--retire"];
const UNDO: [&str; 4] = ["migrate", "undo", "--output", "new"];
const STATUS: [&str; 4] = ["migrate", "status", "--output", "new"];

/// The names and bytes of every file of a folder, as they are.
fn snapshot(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files: Vec<_> = fs::read_dir(dir)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.display().to_string(), fs::read(&path).unwrap()))
        .collect();
    files.sort();
    files
}

fn edit(bench: &Workbench, from: &str, to: &str) {
    let plan = fs::read_to_string(bench.path("plan.toml")).unwrap();
    assert!(plan.contains(from), "{from} is not in\n{plan}");
    bench.write("plan.toml", plan.replacen(from, to, 1));
}

/// Whether OpenSSL accepts a certificate with these anchors, each certificate's rules enforced.
fn accepted(bench: &Workbench, anchors: &str, chain: &str, leaf: &str) -> bool {
    let at = |name: &str| bench.path(name).display().to_string();
    let flags = ["verify", "-x509_strict", "-no-CApath", "-no-CAstore", "-CAfile"];
    let files = [&at(anchors)[..], "-untrusted", &at(chain)[..], &at(leaf)[..]].map(str::to_owned);
    let arguments: Vec<&str> = flags.into_iter().chain(files.iter().map(String::as_str)).collect();
    openssl(&arguments).is_some()
}

fn steps(object: &Value) -> Vec<&str> {
    object["certificates"].as_array().unwrap().iter().map(|c| text(&c["step"])).collect()
}

#[test]
fn a_plan_says_what_is_there_and_gives_no_role_by_itself() {
    let bench = Workbench::new();
    let deployment = Deployment::faulty(&bench, "old");
    // What an old certificate says of itself is no reason.
    deployment.key("boss");
    let boss = [
        LEAF,
        &["subjectAltName=URI:urn:rustmq:role:admin,DNS:boss.example.com,dirName:d", "[d]", "CN=x"],
    ]
    .concat();
    deployment.self_signed("boss", "/OU=admin/CN=admin", &boss);
    fs::write(deployment.path("more.p12"), "0").unwrap();
    // A system's store of roots is none of the deployment's.
    let store = Deployment::empty(&bench, "store");
    let mut roots = Vec::new();
    for nth in 0..9 {
        let name = format!("public-{nth}");
        store.key(&name);
        store.self_signed(&name, &format!("/CN={name}"), CA);
        roots.extend(fs::read(store.path(format!("{name}.pem"))).unwrap());
    }
    fs::write(deployment.path("ca-certificates.crt"), roots).unwrap();
    let before = snapshot(&deployment.path(""));
    let json = bench.json(&["migrate", "plan", "--from", "old", "--output", "plan.toml"]);
    assert_eq!(json["unassigned"], 3);
    assert!(text(&json["notes"][0]).contains("1 file could not be read"), "{json:#}");
    let plan = fs::read_to_string(bench.path("plan.toml")).unwrap();
    assert_eq!(plan.matches("role = \"\"").count(), 3, "{plan}");
    for line in [
        "root_cn = \"RustMQ Root CA\"",
        "principal = \"client@company.com\"",
        "sans = [\"DNS:broker-01.example.com\", \"IP:127.0.0.1\"]",
        "old_keys = [\"broker-01.key\"]",
        "subject = \"CN=Old Root\"",
        "# its name dn:CN=x is of a form that is not issued",
        "# its name uri:urn:rustmq:role:admin is left out: the role is for the reviewer to say",
        "sans = [\"DNS:boss.example.com\"]",
    ] {
        assert!(plan.contains(line), "{line} is not in\n{plan}");
    }
    assert!(!plan.contains("public-"), "{plan}");
    assert_eq!(snapshot(&deployment.path("")), before);
    assert!(!bench.data().exists());
    bench
        .run(&["migrate", "plan", "--from", "old", "--output", "plan.toml"])
        .refused(6, &["plan.toml exists"]);
}

#[test]
fn roles_come_from_the_operator() {
    let bench = Workbench::new();
    Deployment::faulty(&bench, "old");
    bench.write(
        "roles.toml",
        "\"broker-*\" = \"broker\"\n\"client@*\" = \"client\"\n\"x*\" = \"admin\"\n",
    );
    let plan = ["migrate", "plan", "--from", "old", "--output", "plan.toml", "--force"];
    let mapped = [&plan[..], &["--role-map", "roles.toml"]].concat();
    let json = bench.json(&mapped);
    assert_eq!(json["unassigned"], 0);
    assert!(text(&json["notes"][0]).contains("no principal matches x*"), "{json:#}");
    let two = [&mapped[..], &["--role", "admin", "--match", "*"]].concat();
    bench.run(&two).refused(1, &["two roles, broker and admin"]);
    bench.run(&[&plan[..], &["--role", "admin"]].concat()).refused(2, &["--match"]);
    bench.write("roles.toml", "\"*\" = \"boss\"\n");
    bench.run(&mapped).refused(2, &["roles.toml", "boss"]);
}

#[test]
fn a_plan_goes_to_standard_output_and_an_empty_one_leads_nowhere() {
    let (bench, _) = planned();
    let arguments = ["migrate", "plan", "--from", "old", "--output", "-"];
    let run = bench.ok(&arguments);
    assert!(run.stdout.starts_with("# Plan of a migration"), "{}", run.stdout);
    assert!(!bench.path("-").exists());
    fs::create_dir(bench.path("empty")).unwrap();
    let run = bench.ok(&["migrate", "plan", "--from", "empty", "--output", "empty.toml"]);
    assert!(run.stderr.contains("no certificate to replace"), "{}", run.stderr);
    assert!(!run.stderr.contains("apply"), "{}", run.stderr);
}

/// A reviewer reads lines: a file's name adds none, and none that gives a role.
#[test]
fn a_name_of_a_file_adds_no_line_to_the_plan() {
    let bench = Workbench::new();
    let deployment = Deployment::sound(&bench, "old");
    let name = "app\nrole = \"admin\"\n.pem";
    fs::rename(deployment.path("app.pem"), deployment.path(name)).unwrap();
    let plan = ["migrate", "plan", "--from", "old", "--output", "plan.toml"];
    bench.ok(&[&plan[..], &["--role", "client", "--match", "*"]].concat());
    let text = fs::read_to_string(bench.path("plan.toml")).unwrap();
    assert!(!text.lines().any(|line| line == "role = \"admin\""), "{text}");
    bench.ok(&APPLY);
    bench.ok(&RETIRE);
    assert!(bench.path("new/retired").join(name).exists());
}

#[test]
fn what_killed_runs_left_beside_the_record_goes() {
    let (bench, _) = planned();
    fs::create_dir(bench.path("new")).unwrap();
    bench.write("new/.migration.json.999999999-0.new", "{");
    bench.write("new/.trust-bundle.pem.999999999-3.new", "-");
    bench.ok(&APPLY);
    let entries = fs::read_dir(bench.path("new")).unwrap();
    let left: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    assert!(!left.iter().any(|name| name.to_string_lossy().ends_with(".new")), "{left:?}");
}

#[test]
fn a_plan_with_an_empty_role_is_refused_by_name_and_line() {
    let bench = Workbench::new();
    Deployment::faulty(&bench, "old");
    bench.ok(&[
        "migrate",
        "plan",
        "--from",
        "old",
        "--output",
        "plan.toml",
        "--role",
        "broker",
        "--match",
        "broker-01",
    ]);
    let plan = fs::read_to_string(bench.path("plan.toml")).unwrap();
    let line = 1 + plan.lines().position(|line| line == "role = \"\"").unwrap();
    bench.run(&APPLY).refused(
        1,
        &[&format!("line {line}: the role of client@company.com (client.pem) is empty")],
    );
    assert!(!bench.data().exists() && !bench.path("new").exists(), "nothing was done");
    edit(&bench, "role = \"\"", "role = \"boss\"");
    bench.run(&APPLY).refused(1, &["\"boss\" is no role"]);
    edit(&bench, "role = \"boss\"", "role = \"client\"\nrole_of = 1");
    bench.run(&APPLY).refused(1, &["role_of"]);
}

#[test]
fn each_step_is_done_once_and_the_old_files_stay() {
    let (bench, deployment) = planned();
    let before = snapshot(&deployment.path(""));
    let first = bench.json(&APPLY);
    assert_eq!((text(&first["stage"]), steps(&first)), ("verified", vec!["verified"; 2]));
    assert_eq!(snapshot(&deployment.path("")), before);
    let certificates = bench.certificates().len();
    assert_eq!(certificates, 4, "root, intermediate and two new ones");
    // Old and new are accepted with the bundle, side by side.
    let new = "new/certificates/broker-01/tls.crt";
    assert!(accepted(&bench, "new/trust-bundle.pem", new, new));
    assert!(accepted(&bench, "new/trust-bundle.pem", "old/client.pem", "old/client.pem"));
    assert!(accepted(&bench, "new/certificates/broker-01/root.crt", new, new));
    let name =
        ["x509", "-in", &bench.path(new).display().to_string(), "-noout", "-ext", "subjectAltName"]
            .map(str::to_owned);
    let name = openssl(&name.each_ref().map(String::as_str)).unwrap();
    assert!(
        name.contains("DNS:broker-01.example.com") && name.contains("IP Address:127.0.0.1"),
        "{name}"
    );
    // The new key is new.
    let public = |file: &str| {
        openssl(&["pkey", "-in", bench.path(file).to_str().unwrap(), "-pubout"]).unwrap()
    };
    assert_ne!(public("new/certificates/broker-01/tls.key"), public("old/broker-01.key"));
    let files = snapshot(&bench.path("new/certificates/broker-01"));
    let again = bench.json(&APPLY);
    assert_eq!(again, first);
    assert_eq!(bench.certificates().len(), certificates);
    assert_eq!(snapshot(&bench.path("new/certificates/broker-01")), files);
    assert_eq!(bench.json(&STATUS)["certificates"], first["certificates"]);
    let table = bench.ok(&STATUS).stdout;
    assert!(table.contains("client@company.com") && table.contains("verified: "), "{table}");
}

#[test]
fn an_existing_authority_issues_if_the_plan_names_it() {
    let bench = Workbench::with_hierarchy();
    Deployment::faulty(&bench, "old");
    plan(&bench, &["--ca-id", "prod_ca_1"]);
    let applied = bench.json(&APPLY);
    assert_eq!(
        (text(&applied["ca_id"]), &applied["made_cas"]),
        ("prod_ca_1", &serde_json::json!([]))
    );
    let signed = |bench: &Workbench| {
        let audit = bench.json(&["audit", "list", "--last", "1000"]);
        let records = audit["records"].as_array().unwrap().clone();
        let is_crl = |r: &&Value| r["action"] == "crl.sign" && r["outcome"] == "done";
        records.iter().filter(is_crl).count()
    };
    let before = signed(&bench);
    assert_eq!(bench.json(&UNDO)["revoked"].as_array().unwrap().len(), 2);
    assert_eq!(signed(&bench), before + 1, "one list says that both are revoked");
    assert_eq!(
        bench.json(&["ca", "info", "prod_ca_1"])["status"],
        "active",
        "it was not made here"
    );
}

#[test]
fn retiring_moves_the_old_and_trusts_the_new_alone() {
    let (bench, deployment) = planned();
    bench.run(&RETIRE).refused(1, &["run migrate apply without --retire first"]);
    bench.ok(&APPLY);
    // One certificate was installed in the place of the old one; another shares a file with a stranger.
    fs::copy(
        bench.path("new/certificates/client@company.com/tls.crt"),
        deployment.path("client.pem"),
    )
    .unwrap();
    fs::copy(
        bench.path("new/certificates/client@company.com/tls.key"),
        deployment.path("client.key"),
    )
    .unwrap();
    let retired = bench.json(&RETIRE);
    assert_eq!((text(&retired["stage"]), steps(&retired)), ("retired", vec!["retired"; 2]));
    assert_eq!(bench.files("old"), ["client.key", "client.pem"], "what is new stays");
    let moved = [
        "broker-01.key",
        "broker-01.pem",
        "intermediate.key",
        "intermediate.pem",
        "root.key",
        "root.pem",
    ];
    assert_eq!(bench.files("new/retired"), moved);
    assert_eq!(retired["moved"], serde_json::json!(moved));
    let new = "new/certificates/broker-01/tls.crt";
    assert!(accepted(&bench, "new/trust-bundle.pem", new, new));
    let old = "new/retired/broker-01.pem";
    assert!(!accepted(&bench, "new/trust-bundle.pem", old, old));
    let bundle = fs::read_to_string(bench.path("new/trust-bundle.pem")).unwrap();
    assert_eq!(bundle.matches("BEGIN").count(), 1);
    // It can be repeated, and not taken back.
    let again = bench.json(&RETIRE);
    assert_eq!(again["moved"], serde_json::json!([]));
    assert_eq!(text(&bench.json(&APPLY)["stage"]), "retired");
    assert!(!bench.ok(&APPLY).stderr.contains("--retire"), "there is no next step");
    bench
        .run(&UNDO)
        .refused(1, &["the old certificates are retired, so that there is nothing to go back to"]);
    assert_eq!(bench.certificates().iter().filter(|c| c["status"] == "active").count(), 4);
    bench.ok(&["certs", "scan", "new/certificates"]);
}

#[test]
fn a_file_with_something_else_in_it_stays() {
    let (bench, deployment) = planned();
    edit(&bench, "action = \"replace\"", "action = \"skip\"");
    let [broker, client] =
        ["broker-01.pem", "client.pem"].map(|file| fs::read(deployment.path(file)).unwrap());
    fs::write(deployment.path("client.pem"), [client, broker].concat()).unwrap();
    bench.ok(&APPLY);
    let retired = bench.json(&RETIRE);
    assert!(retired["notes"].to_string().contains("client.pem stays: "), "{retired:#}");
    assert!(deployment.path("client.pem").exists());
    assert!(bench.path("new/retired/client.key").exists());
}

/// Without the right that lets root write everywhere, where root runs the test.
fn unprivileged(bench: &Workbench, arguments: &[&str]) -> Run {
    let program = assert_cmd::cargo::cargo_bin("rustmq-admin");
    let command = match rustix::process::geteuid().is_root() {
        true => {
            let mut command = Command::new("setpriv");
            command.args(["--bounding-set", "-dac_override"]).arg(program);
            command
        }
        false => Command::new(program),
    };
    let mut command = command;
    command
        .args(arguments)
        .env_clear()
        .env("RUSTMQ_DATA_DIR", bench.data())
        .env("RUSTMQ_CA_PASSPHRASE", PASSPHRASE)
        .current_dir(bench.path(""));
    Run::from(command.output().unwrap())
}

#[test]
fn a_retire_that_can_move_nothing_changes_nothing() {
    let (bench, deployment) = planned();
    bench.ok(&APPLY);
    let bundle = fs::read(bench.path("new/trust-bundle.pem")).unwrap();
    deployment.mode("", 0o555);
    let run = unprivileged(&bench, &RETIRE);
    deployment.mode("", 0o755);
    run.refused(6, &["old cannot be written: Permission denied"]);
    assert_eq!(fs::read(bench.path("new/trust-bundle.pem")).unwrap(), bundle);
    assert_eq!(text(&bench.json(&STATUS)["stage"]), "verified");
    // One that was stopped before the first file can be gone back from, too.
    let state = fs::read_to_string(bench.path("new/migration.json")).unwrap();
    let state = state.replace("\"stage\": \"verified\"", "\"stage\": \"retiring\"");
    bench.write("new/migration.json", state);
    fs::create_dir_all(bench.path("new/retired/admin")).unwrap();
    bench.ok(&UNDO);
    assert!(!bench.path("new").exists());
    assert_eq!(bench.files("old").len(), 8);
}

#[test]
fn what_nobody_knows_the_owner_of_stays_and_is_named() {
    let (bench, deployment) = planned();
    let at = |name: &str| deployment.path(name).display().to_string();
    let encrypt = ["pkcs8", "-topk8", "-passout", "pass:x", "-in"];
    let made = openssl(&[&encrypt[..], &[&at("client.key"), "-out", &at("locked.key")]].concat());
    assert!(made.is_some());
    fs::rename(deployment.path("locked.key"), deployment.path("client.key")).unwrap();
    fs::write(deployment.path("store.p12"), "0").unwrap();
    std::os::unix::fs::symlink("client.pem", deployment.path("link.pem")).unwrap();
    bench.ok(&APPLY);
    let notes = bench.json(&RETIRE)["notes"].to_string();
    for left in ["in use: client.key", "in use: link.pem, store.p12"] {
        assert!(notes.contains(left), "{left} is not in {notes}");
    }
    assert_eq!(bench.files("old"), ["client.key", "link.pem", "store.p12"]);
}

/// What the plan leaves in use is trusted after retiring as before: by its CAs, and their bundle.
#[test]
fn anchors_of_what_is_skipped_are_kept_and_named() {
    let bench = Workbench::new();
    let deployment = Deployment::sound(&bench, "old");
    deployment.key("other");
    deployment.self_signed("other", "/CN=Other Root", CA);
    deployment.key("int");
    deployment.signed("int", "/CN=Old Int", "root", CA);
    deployment.key("keep");
    deployment.signed("keep", "/CN=keep", "int", LEAF);
    bench.ok(&[
        "migrate",
        "plan",
        "--from",
        "old",
        "--output",
        "plan.toml",
        "--role",
        "client",
        "--match",
        "*",
    ]);
    let plan = fs::read_to_string(bench.path("plan.toml")).unwrap();
    let (before, after) = plan.split_at(plan.find("path = \"keep.pem\"").unwrap());
    let plan = format!("{before}{}", after.replacen("\"replace\"", "\"skip\"", 1));
    bench.write("plan.toml", plan);
    bench.ok(&APPLY);
    let retired = bench.json(&RETIRE);
    let notes = retired["notes"].to_string();
    assert!(
        notes.contains("keep.pem (CN=keep) is not replaced and needs int.pem and root.pem"),
        "{notes}"
    );
    let kept =
        ["int.key", "int.pem", "keep.key", "keep.pem", "root.key", "root.pem"].map(str::to_owned);
    assert_eq!(bench.files("old"), kept);
    let bundle = "new/trust-bundle.pem";
    assert!(accepted(&bench, bundle, "old/int.pem", "old/keep.pem"));
    let replaced = "new/retired/app.pem";
    assert!(accepted(&bench, bundle, replaced, replaced), "the same root vouches for it");
    let other = "new/retired/other.pem";
    assert!(!accepted(&bench, bundle, other, other));
    assert!(notes.contains("stays, with its key, and in the bundle"), "{notes}");
}

/// The plan may leave an old CA out of the bundle although something that stays needs it.
#[test]
fn a_note_says_that_the_plan_leaves_a_needed_anchor_out_of_the_bundle() {
    let bench = Workbench::new();
    Deployment::sound(&bench, "old");
    plan(&bench, &["--role", "client", "--match", "app"]);
    let plan = fs::read_to_string(bench.path("plan.toml")).unwrap();
    let (before, after) = plan.split_at(plan.find("path = \"app.pem\"").unwrap());
    let plan = format!("{before}{}", after.replacen("\"replace\"", "\"skip\"", 1));
    assert!(plan.contains("in_bundle = true"), "{plan}");
    bench.write("plan.toml", plan.replace("in_bundle = true", "in_bundle = false"));
    bench.ok(&APPLY);
    let notes = bench.json(&RETIRE)["notes"].to_string();
    let said = "what it needs stays, with its key; the plan leaves root.pem out of the bundle";
    assert!(notes.contains(said) && !notes.contains("and in the bundle"), "{notes}");
    assert!(!accepted(&bench, "new/trust-bundle.pem", "old/app.pem", "old/app.pem"));
}

/// Status asks the authority, where it is at hand; apply names each that is not accepted.
#[test]
fn what_was_revoked_since_is_shown_and_all_of_it_is_named() {
    let (bench, _) = planned();
    let first = bench.json(&APPLY);
    let [one, two] = [0, 1].map(|nth| text(&first["certificates"][nth]["id"]).to_owned());
    bench.ok(&["certs", "revoke", &one]);
    let status = bench.json(&STATUS);
    assert_eq!(steps(&status), ["revoked", "verified"]);
    assert!(bench.ok(&STATUS).stdout.contains("1 of 2 new certificates is revoked or has ended"));
    bench.ok(&["certs", "revoke", &two, "--reason", "certificate-hold"]);
    assert_eq!(steps(&bench.json(&STATUS)), ["revoked", "on-hold"]);
    bench.ok(&["certs", "unrevoke", &two]);
    fs::remove_file(bench.path("new/certificates/client@company.com/tls.key")).unwrap();
    assert_eq!(steps(&bench.json(&STATUS)), ["revoked", "lost"]);
    for arguments in [&RETIRE[..], &APPLY] {
        let run = bench.run(arguments);
        run.refused(
            1,
            &[
                "2 new certificates were not accepted",
                "broker-01: ",
                "client@company.com: ",
                &format!("have it made anew:  rustmq-admin certs renew {one} "),
                &format!(
                    "restore its files, or have it made anew:  rustmq-admin certs renew {two} "
                ),
            ],
        );
        let restored =
            format!("restore its files, or have it made anew:  rustmq-admin certs renew {one}");
        assert!(!run.stderr.contains(&restored), "a revoked one is not good again");
        if arguments == RETIRE {
            assert_eq!(steps(&bench.json(&STATUS)), ["revoked", "lost"]);
            let state = fs::read_to_string(bench.path("new/migration.json")).unwrap();
            let state = state.replace("\"issued\"", "\"verified\"");
            bench.write("new/migration.json", state.replace("\"applying\"", "\"verified\""));
        }
    }
    // Without the data directory it says what is recorded, and that it could not ask.
    let mut elsewhere =
        bench.command(&[&STATUS[..], &["--format", "json", "--data-dir", "none"]].concat());
    let run = Run::of(&mut elsewhere);
    let status: Value = serde_json::from_str(&run.stdout).unwrap();
    assert_eq!((run.code, steps(&status)), (0, vec!["issued", "lost"]));
    assert!(text(&status["notes"][0]).contains("is not known"), "{status:#}");
}

#[test]
fn undo_goes_back_and_a_new_run_begins_afresh() {
    let (bench, deployment) = planned();
    let before = snapshot(&deployment.path(""));
    let first = bench.json(&APPLY);
    bench.write("new/notes.txt", "mine");
    let undone = bench.json(&UNDO);
    assert_eq!(undone["revoked"].as_array().unwrap().len(), 2);
    assert_eq!(bench.files("new"), ["notes.txt"], "what apply did not write stays");
    assert_eq!(snapshot(&deployment.path("")), before);
    let revoked = bench.json(&["certs", "info", text(&first["certificates"][0]["id"])]);
    assert_eq!(text(&revoked["revocation_reason"]), "cessationOfOperation");
    assert_eq!(bench.json(&["ca", "info", "prod_ca_1"])["status"], "revoked");
    assert_eq!(bench.json(&["ca", "info", "root_ca_1"])["status"], "retired");
    bench.run(&UNDO).refused(3, &["no migration was begun"]);
    bench.run(&STATUS).refused(3, &["no migration was begun"]);
    let second = bench.json(&APPLY);
    assert_eq!(text(&second["stage"]), "verified");
    assert_ne!(second["certificates"][0]["serial"], first["certificates"][0]["serial"]);
    assert_eq!(text(&second["ca_id"]), "prod_ca_2");
    assert_eq!(bench.json(&["audit", "verify"])["valid"], true);
}

#[test]
fn cas_that_issued_something_else_outlive_an_undo() {
    let (bench, _) = planned();
    bench.ok(&APPLY);
    bench.broker("another");
    let undone = bench.json(&UNDO);
    assert!(
        text(&undone["notes"][0]).contains("stay: they issued other certificates"),
        "{undone:#}"
    );
    assert_eq!(bench.json(&["ca", "info", "prod_ca_1"])["status"], "active");
}

#[test]
fn cas_outlive_an_undo_for_a_certificate_that_is_on_hold() {
    let (bench, _) = planned();
    bench.ok(&APPLY);
    let another = bench.broker("another");
    bench.ok(&["certs", "revoke", text(&another["id"]), "--reason", "certificate-hold"]);
    let undone = bench.json(&UNDO);
    let note = text(&undone["notes"][0]);
    assert!(note.contains("stay: they issued other certificates"), "{undone:#}");
    assert_eq!(bench.json(&["ca", "info", "prod_ca_1"])["status"], "active");
}

#[test]
fn what_the_gate_refuses_is_named_before_anything_is_issued() {
    let (bench, _) = planned();
    edit(&bench, "role = \"client\"", "role = \"broker\"");
    let refused = bench.run(&APPLY);
    refused.refused(1, &["1 of 2", "client@company.com (client.pem)", "e-mail"]);
    assert!(!bench.data().exists() && !bench.path("new").exists(), "nothing was made");
    // Each is named, those of a wrong profile too.
    edit(&bench, "profile = \"\"", "profile = \"controller\"");
    bench.run(&APPLY).refused(
        1,
        &["2 of 2", "wrong: broker-01 (broker-01.pem)", "wrong: client@company.com (client.pem)"],
    );
    edit(&bench, "profile = \"controller\"", "profile = \"absent\"");
    bench.run(&APPLY).refused(1, &["2 of 2", "absent"]);
    edit(&bench, "profile = \"absent\"", "profile = \"\"");
    edit(
        &bench,
        "principal = \"client@company.com\"\nsans = [\"email:client@company.com\"]\nrole = \"broker\"",
        "principal = \"client@company.com\"\nsans = [\"email:client@company.com\"]\nrole = \"client\"",
    );
    assert_eq!(text(&bench.json(&APPLY)["stage"]), "verified");
}

#[test]
fn a_deployment_that_is_not_as_planned_is_refused_before_anything_is_made() {
    let (bench, deployment) = planned();
    let away = bench.path("away");
    fs::rename(deployment.path(""), &away).unwrap();
    bench.run(&APPLY).refused(1, &["the old deployment", "old is not there"]);
    fs::rename(&away, deployment.path("")).unwrap();
    fs::copy(deployment.path("client.pem"), deployment.path("root.pem")).unwrap();
    bench.run(&APPLY).refused(1, &["root.pem no longer holds the CA certificate"]);
    assert!(!bench.data().exists() && !bench.path("new").exists(), "nothing was made");
}

#[test]
fn uris_are_left_to_the_ca_and_the_reviewer() {
    let bench = Workbench::new();
    let deployment = Deployment::sound(&bench, "old");
    let names = ["subjectAltName=DNS:app.example.com,URI:spiffe://old.example/app,URI:https://a/b"];
    deployment.signed("app", "/CN=app", "root", &[LEAF, &names].concat());
    bench.ok(&[
        "migrate",
        "plan",
        "--from",
        "old",
        "--output",
        "plan.toml",
        "--role",
        "client",
        "--match",
        "*",
    ]);
    let plan = fs::read_to_string(bench.path("plan.toml")).unwrap();
    for line in [
        "# its name uri:spiffe://old.example/app is left out: a SPIFFE identity comes from",
        "# its name uri:https://a/b is left out: no profile takes a URI",
        "sans = [\"DNS:app.example.com\"]",
    ] {
        assert!(plan.contains(line), "{line} is not in\n{plan}");
    }
    assert_eq!(text(&bench.json(&APPLY)["stage"]), "verified");
}

#[test]
fn changes_after_the_fact_are_refused() {
    let (bench, deployment) = planned();
    bench.ok(&APPLY);
    edit(&bench, "\"IP:127.0.0.1\"", "\"IP:127.0.0.2\"");
    bench.run(&APPLY).refused(1, &["the plan was changed for broker-01 (broker-01.pem)"]);
    // Nor where a killed run did not come to record what it was given.
    let state = fs::read_to_string(bench.path("new/migration.json")).unwrap();
    bench.write(
        "new/migration.json",
        state.replace("\"step\": \"verified\"", "\"step\": \"planned\""),
    );
    bench.run(&APPLY).refused(1, &["the plan was changed for broker-01 (broker-01.pem)"]);
    edit(&bench, "\"IP:127.0.0.2\"", "\"IP:127.0.0.1\"");
    let before = bench.certificates().len();
    assert_eq!(steps(&bench.json(&APPLY)), ["verified"; 2]);
    assert_eq!(bench.certificates().len(), before);
    edit(&bench, "root_cn = \"RustMQ Root CA\"", "root_cn = \"Another Root\"");
    bench.run(&APPLY).refused(1, &["another authority"]);
    edit(&bench, "Another Root", "RustMQ Root CA");
    fs::write(deployment.path("root.pem"), fs::read(deployment.path("client.pem")).unwrap())
        .unwrap();
    bench.run(&APPLY).refused(1, &["root.pem no longer holds the CA certificate"]);
    edit(&bench, "subject = \"CN=Old Root\"", "subject = \"CN=old\"");
    let other = bench.data().with_file_name("other");
    let mut elsewhere = bench.command(&["ca", "init", "--cn", "x", "--data-dir"]);
    assert_eq!(Run::of(elsewhere.arg(&other)).code, 0);
    let mut elsewhere = bench.command(&UNDO);
    Run::of(elsewhere.arg("--data-dir").arg(&other))
        .refused(1, &["not the one that the migration began with"]);
}

#[test]
fn a_new_certificate_that_is_not_accepted_stops_everything() {
    let (bench, deployment) = planned();
    bench.ok(&APPLY);
    let (leaf, other) =
        ("new/certificates/broker-01/tls.crt", "new/certificates/client@company.com/tls.crt");
    let sound = fs::read(bench.path(leaf)).unwrap();
    fs::copy(bench.path(other), bench.path(leaf)).unwrap();
    bench
        .run(&RETIRE)
        .refused(1, &["the new certificate of broker-01 was not accepted", "client@company.com"]);
    bench.run(&APPLY).refused(1, &["broker-01 was not accepted"]);
    assert_eq!(bench.files("old").len(), 8, "nothing was moved");
    assert_eq!(steps(&bench.json(&STATUS))[0], "issued");
    bench.run(&RETIRE).refused(1, &["run migrate apply without --retire first"]);
    bench.write(leaf, sound);
    bench.ok(&APPLY);
    // One that was revoked meanwhile is not accepted either.
    let id = text(&bench.json(&STATUS)["certificates"][0]["id"]).to_owned();
    bench.ok(&["certs", "revoke", &id]);
    bench.run(&RETIRE).refused(1, &["revoked"]);
    assert!(deployment.path("broker-01.pem").exists());
}

/// One that is lost or revoked does not hold up the others: the help says the command that mends it.
#[test]
fn what_is_lost_or_revoked_is_made_anew() {
    let (bench, _) = planned();
    let first = bench.json(&APPLY);
    let folder = "new/certificates/broker-01";
    fs::remove_dir_all(bench.path(folder)).unwrap();
    let status = bench.json(&STATUS);
    assert_eq!(steps(&status), ["lost", "verified"]);
    assert!(bench.ok(&STATUS).stdout.contains("1 of 2 new certificates lost"));
    let [lost, revoked] = [0, 1].map(|nth| text(&first["certificates"][nth]["id"]).to_owned());
    let renew = format!("certs renew {lost} --output-dir {folder} --force");
    bench.run(&APPLY).refused(1, &[&renew]);
    bench.ok(&renew.split(' ').collect::<Vec<_>>());
    bench.ok(&["certs", "revoke", &revoked]);
    let renew =
        format!("certs renew {revoked} --output-dir new/certificates/client@company.com --force");
    bench.run(&APPLY).refused(1, &["revoked", &renew]);
    bench.ok(&renew.split(' ').collect::<Vec<_>>());
    let second = bench.json(&APPLY);
    assert_eq!(steps(&second), ["verified"; 2]);
    assert_ne!(second["certificates"][0]["id"], first["certificates"][0]["id"]);
    assert_eq!(bench.json(&UNDO)["revoked"].as_array().unwrap().len(), 3, "the lost one, too");
    let active = |c: &&Value| c["status"] == "active" && c["role"] != "root-ca";
    assert_eq!(bench.certificates().iter().filter(active).count(), 0);
}

/// The help for a lost one says to renew it, or to go back: one who does both leaves nothing behind.
#[test]
fn undo_revokes_what_was_put_in_the_place_of_the_new_since() {
    let (bench, _) = planned();
    let first = bench.json(&APPLY);
    let [broker, client] = ["broker-01", "client@company.com"].map(|name| {
        let folder = format!("new/certificates/{name}");
        (folder.clone(), ["--output-dir".to_owned(), folder, "--force".to_owned()])
    });
    let mut id = text(&first["certificates"][0]["id"]).to_owned();
    fs::remove_dir_all(bench.path(&broker.0)).unwrap();
    for _ in 0..2 {
        let [flag, folder, force] = &broker.1;
        id = text(&bench.json(&["certs", "renew", &id, flag, folder, force])["id"]).to_owned();
    }
    // Neither the record nor a renewal leads to this one.
    let [flag, folder, force] = &client.1;
    let issue = ["certs", "issue", "--principal", "client@company.com", "--role", "client"];
    bench.ok(&[&issue[..], &["--ca-id", "prod_ca_1", flag, folder, force]].concat());
    let undone = bench.json(&UNDO);
    assert_eq!(undone["revoked"].as_array().unwrap().len(), 5, "{undone:#}");
    let active = |c: &&Value| c["status"] == "active" && c["role"] != "root-ca";
    assert_eq!(bench.certificates().iter().filter(active).count(), 0);
    assert_eq!(bench.json(&["ca", "info", "root_ca_1"])["status"], "retired");
    assert!(!bench.path("new").exists());
}

#[test]
fn the_output_may_not_lie_in_the_old_deployment() {
    let (bench, _) = planned();
    let inside = ["migrate", "apply", "--plan", "plan.toml", "--output", "old/new"];
    bench.run(&inside).refused(1, &["old/new lies within the old deployment"]);
    assert!(!bench.path("old/new").exists());
    let data = bench.data().display().to_string();
    for place in [data.clone(), format!("{data}/new")] {
        let inside = ["migrate", "apply", "--plan", "plan.toml", "--output", &place];
        bench.run(&inside).refused(1, &["lies within the data directory"]);
    }
    assert!(!bench.data().exists());
    fs::create_dir(bench.data()).unwrap();
    std::os::unix::fs::symlink(bench.data(), bench.path("link")).unwrap();
    for place in ["link", "link/new", "link/new/er"] {
        let inside = ["migrate", "apply", "--plan", "plan.toml", "--output", place];
        bench.run(&inside).refused(1, &["lies within the data directory"]);
    }
    assert_eq!(fs::read_dir(bench.data()).unwrap().count(), 0);
    bench
        .run(&["migrate", "plan", "--from", "plan.toml", "--output", "x"])
        .refused(2, &["no directory"]);
    bench.run(&["migrate", "plan", "--from", "absent", "--output", "x"]).refused(2, &["absent"]);
}

/// Runs a command that is killed as one of its threads enters the `nth` such call. Whether it was.
fn killed_at(bench: &Workbench, call: &str, nth: u32, arguments: &[&str]) -> bool {
    let status = Command::new("strace")
        .args(["-f", "-o", "/dev/null", "-e", &format!("trace={call}")])
        .args(["-e", &format!("inject={call}:signal=KILL:when={nth}")])
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

/// Every call of a kind that a run makes, as a killed run of each: until one ends unharmed.
fn at_every(call: &str, mut killed: impl FnMut(u32) -> bool) {
    let mut nth = 1;
    while killed(nth) {
        // strace counts calls by thread; no run makes more than this.
        assert!(nth < 200, "{call}: it never ends");
        nth += 1;
    }
    assert!(call == "renameat2" || nth > 3, "{call}: only {nth} were injected");
}

#[test]
fn an_apply_that_is_killed_again_and_again_issues_each_once() {
    for call in ["fsync", "renameat2", "rename"] {
        let (bench, deployment) = planned();
        let before = snapshot(&deployment.path(""));
        // Each run comes a little further than the one before it.
        at_every(call, |nth| killed_at(&bench, call, nth, &APPLY));
        let done = bench.json(&APPLY);
        assert_eq!((text(&done["stage"]), steps(&done)), ("verified", vec!["verified"; 2]));
        let all = bench.certificates();
        let active = all.iter().filter(|c| c["status"] == "active").count();
        assert_eq!(active, 4, "{call}: {all:#?}");
        assert_eq!(snapshot(&deployment.path("")), before);
        at_every(call, |nth| killed_at(&bench, call, nth, &RETIRE));
        assert_eq!(text(&bench.json(&RETIRE)["stage"]), "retired");
        assert_eq!(bench.files("new/retired").len(), 8);
        assert_eq!(bench.json(&["audit", "verify"])["valid"], true);
    }
}

#[test]
fn an_undo_finds_what_a_killed_apply_left_and_can_be_killed_itself() {
    for nth in [1, 4, 12, 18, 22, 26, 30, 34] {
        let (bench, deployment) = planned();
        let before = snapshot(&deployment.path(""));
        killed_at(&bench, "fsync", nth, &APPLY);
        if !bench.path("new/migration.json").exists() {
            bench.run(&UNDO).refused(3, &["no migration was begun"]);
            continue;
        }
        for at in 1..=4 {
            killed_at(&bench, "fsync", 3 * at, &UNDO);
        }
        let run = bench.run(&UNDO);
        assert!([0, 3].contains(&run.code), "{nth}: {}", run.stderr);
        assert!(!bench.path("new/migration.json").exists());
        assert!(!bench.path("new").exists(), "{nth}: half-written files are removed, too");
        assert_eq!(snapshot(&deployment.path("")), before);
        if bench.data().exists() && bench.run(&["ca", "list"]).code == 0 {
            let left = bench.certificates();
            let left = left.iter().filter(|c| c["status"] == "active" && c["role"] != "root-ca");
            assert_eq!(left.count(), 0, "{nth}: nothing that was issued is still good");
        }
    }
}

/// Wherever a first apply is killed, one undo is enough: what it had under way is settled by that.
#[test]
fn one_undo_goes_back_from_wherever_an_apply_was_killed() {
    for nth in 7..=16 {
        let (bench, _) = planned();
        killed_at(&bench, "fsync", nth, &APPLY);
        if bench.path("new/migration.json").exists() {
            bench.ok(&UNDO);
        }
        assert!(!bench.path("new/migration.json").exists());
        if bench.data().exists() && bench.run(&["ca", "list"]).code == 0 {
            let active = |c: &&Value| c["status"] == "active" && c["role"] != "root-ca";
            assert_eq!(bench.certificates().iter().filter(active).count(), 0, "{nth}");
            assert_eq!(bench.json(&["audit", "verify"])["valid"], true);
        }
    }
}
