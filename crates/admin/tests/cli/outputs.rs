//! Where a command's output may lie: anywhere but in the data directory, whatever leads there.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::deployment::Deployment;
use crate::workbench::{Workbench, openssl};

/// Every command that writes to a place that its line names, up to that place.
const WRITERS: &[(&str, &str)] = &[
    ("ca export", "ca export root_ca_1 --force --output"),
    ("ca crl", "ca crl root_ca_1 --force --output"),
    ("ca crl", "ca crl root_ca_1 --output"),
    ("certs export", "certs export cert-3 --force --output"),
    ("certs export", "certs export --all --force --output"),
    ("certs issue", "certs issue --principal b --role client --ca-id prod_ca_1 --output-dir"),
    (
        "certs issue",
        "certs issue --principal b --role client --ca-id prod_ca_1 --force --output-dir",
    ),
    (
        "certs issue",
        "certs issue --principal b --role client --ca-id prod_ca_1 --dry-run --output-dir",
    ),
    ("certs sign", "certs sign --csr own.csr --role client --ca-id prod_ca_1 --output-dir"),
    ("certs renew", "certs renew cert-3 --output-dir"),
    ("certs renew", "certs renew cert-3 --same-key --dry-run --output-dir"),
    ("certs rotate", "certs rotate cert-3 --force --output-dir"),
    ("certs batch-issue", "certs batch-issue --input fleet.csv --ca-id prod_ca_1 --output"),
    ("certs batch-renew", "certs batch-renew --ca-id prod_ca_1 --output"),
    ("certs batch-renew", "certs batch-renew --input list --ca-id prod_ca_1 --dry-run --output"),
    ("audit export", "audit export --force --output"),
    ("audit checkpoint", "audit checkpoint --force --output"),
    ("backup", "backup --force --output"),
    ("backup", "backup --output"),
    ("migrate plan", "migrate plan --from old --force --output"),
    ("migrate apply", "migrate apply --plan plan.toml --output"),
    ("man", "man --output-dir"),
];

/// Those that read what another wrote there, or take it back.
const READERS: [&str; 2] = ["migrate status", "migrate undo"];

/// An authority with a certificate, and what the commands read.
fn bench() -> Workbench {
    let bench = Workbench::with_hierarchy();
    bench.broker("broker-01");
    Deployment::faulty(&bench, "old");
    let roles = ["--role", "broker", "--match", "broker-*", "--role", "client", "--match", "*@*"];
    let plan = ["migrate", "plan", "--from", "old", "--output", "plan.toml"];
    bench.ok(&[&plan[..], &roles].concat());
    bench.write("fleet.csv", "principal,role\napp,client\n");
    bench.write("list", "cert-3\n");
    let [key, csr] = ["own.key", "own.csr"].map(|name| bench.path(name).display().to_string());
    let new = ["req", "-newkey", "ed25519", "-nodes", "-subj", "/CN=own"];
    openssl(&[&new[..], &["-keyout", &key, "-out", &csr]].concat()).unwrap();
    bench
}

/// Names and bytes of all that lies in a folder.
fn content(dir: &Path) -> Vec<(String, Vec<u8>)> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        match path.is_dir() {
            true => found.extend(content(&path)),
            false => found.push((path.display().to_string(), fs::read(&path).unwrap_or_default())),
        }
        found.push((path.display().to_string(), Vec::new()));
    }
    found.sort();
    found
}

#[test]
fn every_command_that_names_an_output_is_in_the_table() {
    let bench = Workbench::new();
    bench.ok(&["man", "--output-dir", "man"]);
    let mut with_output = BTreeSet::new();
    for page in bench.files("man") {
        let text = fs::read_to_string(bench.path("man").join(&page)).unwrap();
        if text.contains("\\-\\-output") {
            let name = page.strip_prefix("rustmq-admin-").unwrap().strip_suffix(".1").unwrap();
            with_output.insert(name.to_owned());
        }
    }
    let listed = WRITERS.iter().map(|(name, _)| *name).chain(READERS);
    assert_eq!(with_output, listed.map(|name| name.replace(' ', "-")).collect());
}

#[test]
fn nothing_is_written_into_the_data_directory() {
    let bench = bench();
    let data = bench.data().display().to_string();
    symlink("../data", bench.path("link")).unwrap();
    symlink("../data/new", bench.path("dangling")).unwrap();
    symlink("../data/authority.db", bench.path("store")).unwrap();
    fs::create_dir(bench.path("elsewhere")).unwrap();
    symlink(bench.path("elsewhere"), bench.data().join("leads-out")).unwrap();
    fs::hard_link(bench.data().join("authority.db"), bench.path("linked.db")).unwrap();
    let before = (content(&bench.path("")), content(&bench.data()));
    let places = [
        data.clone(),
        format!("{data}/authority.db"),
        format!("{data}/profiles/new"),
        format!("{data}/leads-out"),
        "../data/x".to_owned(),
        "./old/../../data/x".to_owned(),
        "not/yet/../../../data/x".to_owned(),
        "link/x/y".to_owned(),
        "link/instances/../x".to_owned(),
        "dangling".to_owned(),
        "store".to_owned(),
        "linked.db".to_owned(),
    ];
    for (_, line) in WRITERS {
        for place in &places {
            let arguments: Vec<&str> = line.split(' ').chain([place.as_str()]).collect();
            let said = format!("{place} lies within the data directory");
            bench.run(&arguments).refused(1, &[&said, "name a place outside it"]);
        }
    }
    assert!((content(&bench.path("")), content(&bench.data())) == before, "nothing was written");
}

/// The folder that nobody named: one after the principal, in the working directory.
#[test]
fn the_folder_named_after_the_principal_is_judged_too() {
    let bench = bench();
    let issue = ["certs", "issue", "--role", "client", "--ca-id", "prod_ca_1", "--principal"];
    let renew = ["certs", "renew", "cert-3"];
    for arguments in [[&issue[..], &["app"]].concat(), renew.to_vec()] {
        let mut command = bench.command(&arguments);
        let run = crate::workbench::Run::of(command.current_dir(bench.data()));
        run.refused(1, &["lies within the data directory"]);
    }
    let mut command = bench.command(&[&issue[..], &["data"]].concat());
    let run = crate::workbench::Run::of(command.current_dir(bench.path("..")));
    run.refused(1, &["data lies within the data directory"]);
}

#[test]
fn what_only_begins_like_the_data_directory_is_a_place_like_any_other() {
    let bench = bench();
    let data = bench.data().display().to_string();
    symlink(bench.path(""), bench.data().join("out")).unwrap();
    for place in [
        format!("{data}/../root.pem"),
        format!("{data}-root.pem"),
        format!("{data}/out/root.pem"),
        "link/../root.pem/../other.pem".to_owned(),
    ] {
        // The kernel does not take a step back from what is not there.
        let code = if place.starts_with("link") { 6 } else { 0 };
        let run = bench.run(&["ca", "export", "root_ca_1", "--output", &place]);
        assert_eq!(run.code, code, "{place}: {}", run.stderr);
    }
    let new = format!("{data}/../new5");
    bench.ok(&["migrate", "apply", "--plan", "plan.toml", "--output", &new]);
}
