//! A batch of folders, taken up or finished, whose folders were meddled with.

use std::fs;
use std::path::Path;

use crate::batches::{issue, killed_at};
use crate::workbench::Workbench;

/// Rows of the job; a slice has one, so that most folders are delivered before the last is begun.
const ROWS: usize = 10;

/// A job that is killed as its ninth slice is to be asked for, and the command that goes on with it.
fn killed(bench: &Workbench) -> Vec<&'static str> {
    let rows: String = (1..=ROWS).map(|n| format!("app-{n},client\n")).collect();
    bench.write("fleet.csv", format!("principal,role\n{rows}"));
    let arguments = issue("fleet.csv", "fleet", &["--rows-per-slice", "1"]);
    assert!(killed_at(bench, "rename", 9, &arguments));
    let job = fs::read(bench.path("fleet.job")).unwrap();
    let head = String::from_utf8_lossy(&job[..job.iter().position(|b| *b == b'\n').unwrap()]);
    assert!(head.contains("\"finished\":false") && head.contains("\"slices\":6"), "{head}");
    assert!(bench.path("fleet/app-7").exists(), "it is there, and not recorded");
    arguments
}

/// Runs the command while something else lies at a place.
#[track_caller]
fn refused_without(bench: &Workbench, arguments: &[&str], place: &str, said: &[&str]) {
    let (place, aside) = (bench.path("fleet").join(place), bench.path("aside"));
    fs::rename(&place, &aside).unwrap();
    let (before, issued) = (bench.files("fleet"), bench.certificates().len());
    bench.run(arguments).refused(6, said);
    assert_eq!(bench.files("fleet"), before, "nothing is delivered");
    assert_eq!(bench.certificates().len(), issued, "nothing is issued");
    fs::rename(aside, place).unwrap();
}

/// Runs the command while a file of the output is another one.
#[track_caller]
fn refused_with(bench: &Workbench, arguments: &[&str], file: &Path, bytes: &[u8], said: &str) {
    let before = fs::read(file).unwrap();
    fs::write(file, bytes).unwrap();
    let issued = bench.certificates().len();
    let one = "1 file is missing or altered";
    bench.run(arguments).refused(6, &[said, one]);
    assert_eq!(bench.certificates().len(), issued, "nothing is issued");
    fs::write(file, before).unwrap();
}

#[test]
fn a_job_does_not_go_on_over_folders_that_were_meddled_with() {
    let bench = Workbench::with_hierarchy();
    let arguments = killed(&bench);
    let at = |name: &str| bench.path("fleet").join(name);
    let said = ["fleet/app-3/tls.crt is missing", "1 file is missing or altered"];
    refused_without(&bench, &arguments, "app-3", &said);
    refused_without(&bench, &arguments, "app-1/tls.key", &["fleet/app-1/tls.key is missing"]);
    refused_without(&bench, &arguments, "app-2/root.crt", &["fleet/app-2/root.crt is missing"]);
    let dry_run = [&arguments[..], &["--dry-run"]].concat();
    refused_without(&bench, &dry_run, "app-1", &["fleet/app-1/tls.crt is missing"]);
    let other = |name: &str| fs::read(at(name)).unwrap();
    let said = "fleet/app-4/tls.key is the key of another certificate";
    refused_with(&bench, &arguments, &at("app-4/tls.key"), &other("app-5/tls.key"), said);
    let said = "fleet/app-4/tls.crt is another certificate";
    refused_with(&bench, &arguments, &at("app-4/tls.crt"), &other("app-5/tls.crt"), said);
    // What was given its name and not recorded is looked at, too, where it is there.
    let said = "fleet/app-7/tls.key is the key of another certificate";
    refused_with(&bench, &arguments, &at("app-7/tls.key"), &other("app-5/tls.key"), said);
    fs::rename(at("app-7"), bench.path("app-7")).unwrap();
    fs::rename(bench.path("fleet"), bench.path("moved")).unwrap();
    bench.run(&arguments).refused(6, &["fleet is gone"]);
    fs::rename(bench.path("moved"), bench.path("fleet")).unwrap();
    bench.ok(&arguments);
    assert_eq!(bench.files("fleet").len(), ROWS);
    bench.ok(&arguments);
}

#[test]
fn another_input_is_told_before_the_folders_are_compared_with_it() {
    let bench = Workbench::with_hierarchy();
    let arguments = killed(&bench);
    fs::rename(bench.path("fleet/app-1"), bench.path("aside")).unwrap();
    bench.write("fleet.csv", "principal,role\nother,client\n");
    bench.run(&arguments).refused(6, &["was begun by another batch: its input's SHA-256"]);
}

#[test]
fn the_issuers_in_the_folders_are_compared_with_the_authority_s() {
    let bench = Workbench::with_hierarchy();
    let other = Workbench::with_hierarchy();
    other.ok(&["ca", "export", "root_ca_1", "--output", "root.crt"]);
    other.ok(&["ca", "export", "prod_ca_1", "--chain", "--output", "ca.crt"]);
    let [root, chain] = ["root.crt", "ca.crt"].map(|name| fs::read(other.path(name)).unwrap());
    let arguments = killed(&bench);
    let check = |arguments: &[&str]| {
        let at = |name: &str| bench.path("fleet/app-2").join(name);
        let said = "does not hold the authority's CA certificates";
        refused_with(&bench, arguments, &at("root.crt"), &root, &format!("root.crt {said}"));
        refused_with(&bench, arguments, &at("ca.crt"), &chain, &format!("ca.crt {said}"));
        let own = fs::read(at("ca.crt")).unwrap();
        refused_with(&bench, arguments, &at("root.crt"), &own, &format!("root.crt {said}"));
        let whole = fs::read_to_string(at("tls.crt")).unwrap();
        let end = whole.find("END CERTIFICATE-----\n").unwrap() + 21;
        let (leaf, issuers) = whole.split_at(end);
        assert!(issuers.starts_with("-----BEGIN"));
        let foreign = [leaf.as_bytes(), &chain[..chain.len() - root.len()]].concat();
        let twice = format!("{whole}{issuers}");
        for altered in [leaf.as_bytes(), &foreign, twice.as_bytes()] {
            let said = "tls.crt does not have the authority's issuing CAs behind its certificate";
            refused_with(&bench, arguments, &at("tls.crt"), altered, said);
        }
    };
    check(&arguments);
    bench.ok(&arguments);
    check(&arguments);
}

/// A renewed CA has another certificate, and its old one is the authority's, too.
#[test]
fn a_ca_that_was_renewed_since_alters_nothing() {
    let bench = Workbench::with_hierarchy();
    let arguments = killed(&bench);
    bench.ok(&["ca", "renew", "prod_ca_1"]);
    bench.ok(&arguments);
    let chain = |name: &str| fs::read(bench.path("fleet").join(name).join("ca.crt")).unwrap();
    assert_ne!(chain("app-1"), chain("app-10"), "it was renewed in between");
    bench.ok(&["ca", "renew", "root_ca_1"]);
    bench.ok(&arguments);
    let mixed = bench.path("fleet/app-1/tls.crt");
    let other = fs::read(bench.path("fleet/app-10/root.crt")).unwrap();
    let own = fs::read(&mixed).unwrap();
    let said = "does not have the authority's issuing CAs";
    refused_with(&bench, &arguments, &mixed, &[own, other].concat(), said);
}
