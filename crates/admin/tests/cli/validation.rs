//! `certs validate`: names and files as they are given, and the document that lists its reasons.

use std::collections::BTreeSet;
use std::fs;

use rustmq_auth::Rule;
use serde_json::Value;

use crate::workbench::{Run, Workbench, text};

/// An authority and a client with these names beside its principal's; its files are in `app`.
fn with_client(names: &[&str]) -> Workbench {
    let bench = Workbench::with_hierarchy();
    let mut issue =
        vec!["certs", "issue", "--principal", "app", "--role", "client", "--ca-id", "prod_ca_1"];
    names.iter().for_each(|name| issue.extend(["--san", *name]));
    bench.ok(&issue);
    bench
}

fn validate(bench: &Workbench, cert: &str, more: &[&str]) -> Run {
    let command = ["certs", "validate", "--cert-file", cert, "--ca-file", "app/root.crt"];
    bench.run(&[&command[..], &["--format", "json"], more].concat())
}

/// The verdict: the exit code that goes with it, and one JSON object.
fn verdict(bench: &Workbench, cert: &str, more: &[&str]) -> (i32, Value) {
    let run = validate(bench, cert, more);
    let object = serde_json::from_str(&run.stdout).unwrap_or_else(|e| panic!("{e}: {run:?}"));
    (run.code, object)
}

fn reason(bench: &Workbench, more: &[&str]) -> (i32, Value) {
    let (code, verdict) = verdict(bench, "app/tls.crt", more);
    (code, verdict["reason"].clone())
}

#[test]
fn names_that_begin_with_a_hyphen_are_taken_as_given() {
    let bench = with_client(&["email:-x@example.com", "dns:a.example.com"]);
    assert_eq!(reason(&bench, &["--email", "-x@example.com"]), (0, Value::Null));
    assert_eq!(reason(&bench, &["--email=-x@example.com"]), (0, Value::Null));
    assert_eq!(reason(&bench, &["--email", "--x@example.com"]), (1, "name_mismatch".into()));
    for (flag, name) in [("--hostname", "-a.example.com"), ("--hostname", "-"), ("--ip", "-1")] {
        let refused = (1, "reference_name_invalid".into());
        assert_eq!(reason(&bench, &[flag, name]), refused, "{flag} {name}");
    }
    assert_eq!(validate(&bench, "app/tls.crt", &["--hostname"]).code, 2, "no name at all");
}

/// A name that is no text can be no certificate's: that is an answer, and no usage error.
#[test]
fn names_that_are_no_text_are_refused_with_a_verdict() {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    let bench = with_client(&["email:x@example.com", "dns:a.example.com"]);
    for (flag, name) in [("--hostname", &b"a\xffb"[..]), ("--email", b"x\xff@example.com")] {
        for joined in [false, true] {
            let mut command = bench.command(&["certs", "validate", "--format", "json"]);
            command.args(["--cert-file", "app/tls.crt", "--ca-file", "app/root.crt"]);
            match joined {
                true => command.arg(OsStr::from_bytes(&[flag.as_bytes(), b"=", name].concat())),
                false => command.arg(flag).arg(OsStr::from_bytes(name)),
            };
            let run = Run::of(&mut command);
            let verdict: Value = serde_json::from_str(&run.stdout).unwrap();
            let refused = (run.code, &verdict["reason"]);
            assert_eq!(refused, (1, &"reference_name_invalid".into()), "{flag} {}", run.stderr);
        }
    }
    let mut command = bench.command(&["certs", "validate", "--format", "json", "--ip"]);
    command.arg(OsStr::from_bytes(b"\xff")).args(["--cert-file", "app/tls.crt"]);
    assert_eq!(Run::of(&mut command).code, 1);
}

#[test]
fn pem_is_read_as_inspect_reads_it() {
    let bench = with_client(&[]);
    let leaf = fs::read_to_string(bench.path("app/tls.crt")).unwrap();
    bench.write("bom.pem", format!("\u{feff}{leaf}"));
    assert_eq!(verdict(&bench, "bom.pem", &[]).0, 0);
    for (name, damaged, why) in [
        ("cut.pem", leaf[..400].to_owned(), "it has no END line"),
        ("letters.pem", leaf.replacen("MI", "M!", 1), "invalid Base64"),
    ] {
        bench.write(name, format!("text\n{damaged}"));
        let (code, verdict) = verdict(&bench, name, &[]);
        assert_eq!((code, &verdict["reason"]), (1, &"malformed".into()));
        let message = text(&verdict["message"]);
        let place = "line 2: the PEM block CERTIFICATE is damaged";
        assert!(message.contains(place) && message.contains(why), "{message}");
        let inspected = bench.run(&["certs", "inspect", name]);
        assert_eq!(inspected.code, 1);
        let says = inspected.stdout.lines().find(|line| line.contains(place)).unwrap();
        assert!(message.contains(says), "{message} against {says}");
    }
    bench.write("no.pem", "no certificate");
    for name in ["no.pem", "absent.pem"] {
        let run = validate(&bench, name, &[]);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{name}");
        assert!(run.stderr.contains(&format!("{name} cannot be used")), "{}", run.stderr);
    }
}

#[test]
fn damaged_blocks_beside_good_ones_are_left_out_and_named() {
    let bench = with_client(&[]);
    let read = |name: &str| fs::read_to_string(bench.path(name)).unwrap();
    let (root, list) = (read("app/root.crt"), read("app/crl.pem"));
    bench.write("app/root.crt", format!("{}\n{root}", &root[..200]));
    bench.write("lists.pem", format!("{list}{}", &list[..200]));
    let (code, verdict) = verdict(&bench, "app/tls.crt", &["--crl-file", "lists.pem"]);
    assert_eq!((code, &verdict["revocation"]), (0, &"good".into()), "{verdict:#}");
    let notes: Vec<_> = verdict["notes"].as_array().unwrap().iter().map(text).collect();
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes[0].starts_with("app/root.crt, line 1: the PEM block CERTIFICATE"), "{notes:?}");
    assert!(notes[1].starts_with("lists.pem, line "), "{notes:?}");
}

fn document() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/validation.md");
    fs::read_to_string(path).unwrap()
}

/// The row of the document's table for a rule.
fn row(rule: Rule) -> String {
    let escaped = |text: &str| text.replace('|', "\\|");
    let (says, mend) = (escaped(rule.says()), escaped(rule.remedy()));
    format!("| `{}` | {} | {says} | {mend} |", rule.code(), rule.rfc())
}

#[test]
fn the_document_lists_every_reason_and_no_other() {
    let document = document();
    let section = document.split("\n## Reasons\n").nth(1).expect("the section");
    let section = section.split("\n## ").next().unwrap();
    let rows: BTreeSet<_> =
        section.lines().filter(|line| line.starts_with("| `")).map(str::to_owned).collect();
    let rules: BTreeSet<_> = Rule::ALL.iter().map(|rule| row(*rule)).collect();
    let missing: Vec<_> = rules.difference(&rows).cloned().collect();
    assert!(missing.is_empty(), "add to docs/validation.md:\n{}", missing.join("\n"));
    let unknown: Vec<_> = rows.difference(&rules).cloned().collect();
    assert!(unknown.is_empty(), "take out of docs/validation.md:\n{}", unknown.join("\n"));
}

/// Every key of an object and of what it holds, as `path.subject`.
fn keys(value: &Value, above: &str, found: &mut BTreeSet<String>) {
    if let Value::Array(list) = value {
        list.iter().for_each(|element| keys(element, above, found));
    }
    for (key, value) in value.as_object().into_iter().flatten() {
        let name = if above.is_empty() { key.clone() } else { format!("{above}.{key}") };
        keys(value, &name, found);
        found.insert(name);
    }
}

#[test]
fn the_document_lists_every_key_and_flag() {
    let bench = with_client(&["dns:a.example.com"]);
    let root = fs::read_to_string(bench.path("app/root.crt")).unwrap();
    let junk = "-----BEGIN CERTIFICATE-----\nAAEC\n-----END CERTIFICATE-----\n";
    bench.write("app/root.crt", format!("{junk}{}\n{root}", &root[..200]));
    let mut found = BTreeSet::new();
    let mtls = ["--mtls", "--purpose", "client", "--explain"];
    let wrong = ["--max-depth", "0", "--explain"];
    for more in [&[][..], &mtls, &wrong, &["--hostname", "b.example.com"]] {
        keys(&verdict(&bench, "app/tls.crt", more).1, "", &mut found);
    }
    let document = document();
    for key in &found {
        assert!(document.contains(&format!("`{key}`")), "{key} is in no document");
    }
    for key in ["explain.tried.path", "explain.skipped.index", "path.not_after", "notes"] {
        assert!(found.contains(key), "{key} was not shown: {found:?}");
    }
    let help = bench.ok(&["certs", "validate", "--help"]).stdout;
    let flags = help.split_once("Options:").unwrap().1.split_whitespace();
    let own = document.split("\n## Flags\n").nth(1).unwrap().split("\n## ").next().unwrap();
    let shared =
        ["data-dir", "passphrase", "format", "color", "help", "backdate", "encoding", "version"];
    for flag in flags.filter(|word| word.starts_with("--")) {
        if !shared.iter().any(|name| flag[2..].starts_with(name)) {
            assert!(own.contains(&format!("`{flag}")), "{flag} is in no document");
        }
    }
}
