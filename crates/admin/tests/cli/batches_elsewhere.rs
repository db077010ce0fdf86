//! A batch that is taken up under another authority, an older copy of its own, or with an older job file:
//! refused before its output is touched.

use std::fs;
use std::path::Path;

use crate::batches::{issue, killed_at, lines};
use crate::workbench::Workbench;

/// Rows of the jobs; a slice has four.
const ROWS: usize = 10;

fn fleet(bench: &Workbench, output: &str) -> Vec<String> {
    let rows: String = (1..=ROWS).map(|n| format!("app-{n},client\n")).collect();
    bench.write("fleet.csv", format!("principal,role\n{rows}"));
    let arguments = issue("fleet.csv", output, &["--rows-per-slice", "4"]);
    arguments.into_iter().map(str::to_owned).collect()
}

fn of(arguments: &[String]) -> Vec<&str> {
    arguments.iter().map(String::as_str).collect()
}

/// Copies a data directory as it is.
fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let place = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &place),
            false => drop(fs::copy(entry.path(), place).unwrap()),
        }
    }
}

/// The command is refused under `--data-dir`, and nothing becomes another.
#[track_caller]
fn refused(bench: &Workbench, arguments: &[&str], data: Option<&str>, said: &str) {
    let output = bench.path("fleet.ndjson");
    let before = (fs::read(&output).unwrap(), fs::read(bench.path("fleet.ndjson.job")).unwrap());
    let data: Vec<&str> = data.into_iter().flat_map(|data| ["--data-dir", data]).collect();
    for more in [&[][..], &["--dry-run"]] {
        bench.run(&[&data, arguments, more].concat()).refused(6, &[said]);
    }
    let after = (fs::read(&output).unwrap(), fs::read(bench.path("fleet.ndjson.job")).unwrap());
    assert!(before == after, "output and job file stay as they are");
}

#[test]
fn another_authority_s_ca_of_the_same_name_does_not_go_on() {
    let bench = Workbench::with_hierarchy();
    let other = |arguments: &[&str]| {
        bench.ok(&[&["--data-dir", "other"][..], arguments].concat());
    };
    other(&["ca", "init", "--cn", "RustMQ Root CA", "--org", "YourOrg"]);
    other(&["ca", "intermediate", "--parent-ca", "root_ca_1", "--cn", "Production CA"]);
    let arguments = fleet(&bench, "fleet.ndjson");
    let arguments = of(&arguments);
    let said = "its SHA-256 of the CA's key was ";
    assert!(killed_at(&bench, "rename", 3, &arguments));
    refused(&bench, &arguments, Some("other"), said);
    bench.ok(&["ca", "renew", "prod_ca_1"]);
    assert_eq!(bench.json(&arguments)["rows"], ROWS, "a renewal keeps the key");
    refused(&bench, &arguments, Some("other"), said);
}

#[test]
fn an_older_copy_of_the_store_does_not_go_on() {
    let bench = Workbench::with_hierarchy();
    copy(&bench.data(), &bench.path("older"));
    let arguments = fleet(&bench, "fleet.ndjson");
    let arguments = of(&arguments);
    let said = "not all of them are in this store";
    assert!(killed_at(&bench, "rename", 4, &arguments));
    refused(&bench, &arguments, Some("older"), said);
    bench.ok(&arguments);
    refused(&bench, &arguments, Some("older"), said);
    bench.ok(&arguments);
    let folders: Vec<_> =
        arguments.iter().map(|a| if *a == "fleet.ndjson" { "fleet" } else { a }).collect();
    bench.ok(&folders);
    bench.run(&[&["--data-dir", "older"], &folders[..]].concat()).refused(6, &[said]);
    bench.ok(&folders);
}

#[test]
fn an_older_job_file_costs_no_line() {
    for nth in [2, 3] {
        let bench = Workbench::with_hierarchy();
        let arguments = fleet(&bench, "fleet.ndjson");
        let arguments = of(&arguments);
        assert!(killed_at(&bench, "rename", nth, &arguments));
        let old = fs::read(bench.path("fleet.ndjson.job")).unwrap();
        copy(&bench.data(), &bench.path("older"));
        bench.ok(&arguments);
        let new = fs::read(bench.path("fleet.ndjson.job")).unwrap();
        fs::write(bench.path("fleet.ndjson.job"), &old).unwrap();
        refused(&bench, &arguments, None, "fleet.ndjson.job is older than its output");
        refused(&bench, &arguments[..], Some("older"), "has more lines than its batch knows of");
        fs::write(bench.path("fleet.ndjson.job"), new).unwrap();
        bench.ok(&arguments);
        assert_eq!(lines(&bench, "fleet.ndjson").len(), ROWS);
    }
}
