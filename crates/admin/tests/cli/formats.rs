//! What programs read: JSON with stable keys, CSV, streams kept apart.

use serde_json::Value;

use crate::workbench::{Run, Workbench, text};

fn keys(value: &Value) -> Vec<&str> {
    value.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn an_issued_certificate_as_json() {
    let bench = Workbench::with_hierarchy();
    let issued = bench.broker("broker-01");
    for key in [
        "ca_id",
        "directory",
        "extended_key_usage",
        "files",
        "fingerprint",
        "id",
        "issued_at",
        "issuer",
        "key_type",
        "not_after",
        "not_before",
        "notes",
        "principal",
        "profile",
        "replayed",
        "revoked_at",
        "role",
        "sans",
        "serial",
        "status",
        "subject",
    ] {
        assert!(keys(&issued).contains(&key), "{key}: {issued:#}");
    }
    assert_eq!(keys(&issued["files"]), ["ca.crt", "crl.pem", "root.crt", "tls.crt", "tls.key"]);
    let hex = |key: &str| text(&issued[key]).bytes().all(|c| b"0123456789abcdef".contains(&c));
    assert!(hex("serial") && hex("fingerprint"));
    assert_eq!(text(&issued["fingerprint"]).len(), 64);
    assert!(text(&issued["not_after"]).ends_with('Z'));
    assert!(!issued.to_string().contains("PRIVATE KEY"));
}

#[test]
fn an_empty_list_is_still_an_object() {
    let bench = Workbench::new();
    bench.ok(&["ca", "init", "--cn", "R"]);
    let list = bench.json(&["certs", "list", "--role", "broker"]);
    assert_eq!(list, serde_json::json!({ "certificates": [] }));
    assert!(keys(&bench.json(&["certs", "list"])).contains(&"abandoned"));
}

#[test]
fn csv_has_a_header_and_one_line_a_record() {
    let bench = Workbench::with_hierarchy();
    bench.broker("broker-01");
    bench.broker("broker-02");
    let csv = bench.ok(&["certs", "list", "--role", "broker", "--format", "csv"]).stdout;
    let lines: Vec<_> = csv.lines().collect();
    assert_eq!(lines.len(), 3);
    assert!(lines[0].starts_with("id,principal,role,status,ca_id,serial,fingerprint,"));
    assert!(lines[1].contains(",broker-01,broker,active,prod_ca_1,"));
}

#[test]
fn global_flags_stand_anywhere_on_the_line() {
    let bench = Workbench::with_hierarchy();
    let front = bench.ok(&["--format", "json", "ca", "list"]);
    let middle = bench.ok(&["ca", "--format", "json", "list"]);
    assert_eq!(front.stdout, middle.stdout);
    let cas: Value = serde_json::from_str(&front.stdout).unwrap();
    assert_eq!(cas["cas"].as_array().unwrap().len(), 2);
}

#[test]
fn an_error_as_json_is_one_object_on_standard_error() {
    let bench = Workbench::with_hierarchy();
    let run = bench.run(&["ca", "info", "production", "--format", "json"]);
    assert_eq!((run.code, run.stdout.as_str()), (3, ""));
    let error: Value = serde_json::from_str(&run.stderr).unwrap();
    assert_eq!(keys(&error["error"]), ["code", "help", "message"]);
    assert_eq!(error["error"]["code"], "unknown_ca");
    assert!(text(&error["error"]["help"][0]).contains("prod_ca_1 (Production CA)"));
    let usage = bench.run(&["ca", "info", "--format", "json"]);
    assert_eq!(usage.code, 2);
    let error: Value = serde_json::from_str(&usage.stderr).unwrap();
    assert_eq!(error["error"]["code"], "usage");
}

#[test]
fn whatever_json_output_says_on_either_stream_is_json() {
    let bench = Workbench::new();
    bench.write("pass", "secret");
    let mut init = bench.bare();
    let file = ["--passphrase-file", "pass", "--format", "json"];
    let run = Run::of(init.args(["ca", "init", "--cn", "R"]).args(file));
    assert_eq!(run.code, 0, "{}", run.stderr);
    serde_json::from_str::<Value>(&run.stdout).unwrap();
    for line in run.stderr.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        assert!(text(&line["note"]).contains("readable by others"));
    }
}

#[test]
fn colour_is_for_terminals_unless_it_is_asked_for() {
    let bench = Workbench::with_hierarchy();
    let tree = |flags: &[&str]| bench.ok(&[&["ca", "tree"], flags].concat()).stdout;
    assert!(!tree(&[]).contains('\u{1b}'));
    assert!(tree(&["--color", "always"]).contains('\u{1b}'));
    assert!(
        !bench
            .ok(&["ca", "tree", "--format", "json", "--color", "always"])
            .stdout
            .contains('\u{1b}')
    );
}

#[test]
fn names_that_would_command_a_terminal_are_shown_as_they_are() {
    let bench = Workbench::new();
    bench.ok(&["ca", "init", "--cn", "a\u{202e}b"]);
    let list = bench.ok(&["ca", "list", "--color", "never"]).stdout;
    assert!(list.contains("a\\u{202e}b"), "{list}");
}

#[test]
fn the_audit_names_who_did_what() {
    let bench = Workbench::with_hierarchy();
    let issued = bench.broker("broker-01");
    bench.run(&[
        "certs",
        "issue",
        "--principal",
        "x@y.example",
        "--role",
        "broker",
        "--ca-id",
        "prod_ca_1",
    ]);
    let records = bench.json(&["audit", "list"]);
    let records = records["records"].as_array().unwrap();
    assert!(records.iter().any(|r| r["serial"] == issued["serial"] && r["outcome"] == "done"));
    let refused = records.iter().find(|r| r["outcome"] == "refused").unwrap();
    assert_eq!(refused["principal"], "x@y.example");
    let verdict = bench.json(&["audit", "verify"]);
    assert_eq!(verdict["valid"], true);
    bench.ok(&["audit", "export", "--output", "audit.ndjson"]);
    let exported = std::fs::read_to_string(bench.path("audit.ndjson")).unwrap();
    assert_eq!(exported.lines().count(), records.len());
    let last = bench.json(&["audit", "list", "--last", "1"]);
    assert_eq!(last["records"].as_array().unwrap().len(), 1);
}

#[test]
fn records_of_the_audit_and_the_rows_that_they_are_shown_as_are_told_apart() {
    let bench = Workbench::with_hierarchy();
    let rows: String = (0..3).map(|n| format!("app-{n}@example.com,client\n")).collect();
    bench.write("fleet.csv", format!("principal,role\n{rows}"));
    let batch = ["certs", "batch-issue", "--input", "fleet.csv", "--ca-id", "prod_ca_1"];
    bench.ok(&[&batch[..], &["--output", "fleet.ndjson"]].concat());
    let exported = bench.json(&["audit", "export", "--output", "audit.ndjson"]);
    let verified = bench.json(&["audit", "verify"]);
    assert_eq!(exported["records"], verified["records"]);
    let lines = std::fs::read_to_string(bench.path("audit.ndjson")).unwrap();
    assert_eq!(exported["lines"], lines.lines().count());
    // One record announced three certificates, one says that they were issued.
    let records = verified["records"].as_u64().unwrap();
    assert_eq!(exported["lines"], records + 2 * 2);
    let all = bench.json(&["certs", "export", "--all", "--output", "all.tar.gz"]);
    assert_eq!(
        (&all["audit_records"], &all["audit_lines"]),
        (&exported["records"], &exported["lines"])
    );
    let listed = bench.json(&["audit", "list"]);
    let listed = listed["records"].as_array().unwrap();
    for outcome in ["reserved", "done"] {
        let rows: Vec<_> = listed
            .iter()
            .filter(|record| record["outcome"] == outcome)
            .filter_map(|record| record["row"].as_u64())
            .collect();
        assert_eq!(rows, [1, 2, 3], "{outcome}");
    }
}

#[test]
fn what_is_looked_at_needs_no_passphrase() {
    let bench = Workbench::with_hierarchy();
    let id = text(&bench.broker("broker-01")["id"]).to_owned();
    for arguments in [
        &["ca", "list"][..],
        &["ca", "tree"],
        &["ca", "info", "root_ca_1"],
        &["ca", "export", "root_ca_1", "--output", "-"],
        &["certs", "list"],
        &["certs", "info", &id],
        &["certs", "export", &id, "--output", "-"],
        &["certs", "export", "--all", "--output", "all.tar.gz"],
        &["certs", "expiring"],
        &["audit", "list"],
        &["audit", "verify"],
        &["profile", "list"],
    ] {
        let run = Run::of(bench.bare().args(arguments));
        assert_eq!(run.code, 0, "{arguments:?}: {}", run.stderr);
    }
}

#[test]
fn a_ca_key_that_takes_long_to_make_is_told_of() {
    let bench = Workbench::new();
    let init = ["ca", "init", "--cn", "R", "--key-type", "rsa-3072"];
    let told = "making an rsa-3072 key";
    assert!(bench.ok(&init).stderr.contains(told));
    let below = ["ca", "intermediate", "--parent-ca", "root_ca_1", "--cn", "I"];
    let run = bench.ok(&[&below[..], &["--key-type", "rsa-3072", "--format", "json"]].concat());
    assert!(run.stderr.contains(&format!("{{\"progress\":\"{told}\"}}")), "{}", run.stderr);
    assert!(bench.ok(&["ca", "renew", "root_ca_1", "--rekey"]).stderr.contains(told));
    assert!(!bench.ok(&["ca", "renew", "root_ca_1"]).stderr.contains(told), "no key is made");
}
