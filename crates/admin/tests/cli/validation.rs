//! `certs validate`: names as they are given.

use serde_json::Value;

use crate::workbench::{Run, Workbench};

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
