//! The lines of the specification, as written, in this order, in an empty data directory.

use std::fs;

use crate::workbench::{Workbench, openssl, text};

const LINES: [&[&str]; 4] = [
    &["ca", "init", "--cn", "RustMQ Root CA", "--org", "YourOrg"],
    &["ca", "intermediate", "--parent-ca", "root_ca_1", "--cn", "Production CA"],
    &["certs", "issue", "--principal", "broker-01", "--role", "broker", "--ca-id", "prod_ca_1"],
    &["certs", "export", "--all", "--output", "certificates-backup.tar.gz"],
];

#[test]
fn the_four_lines_run_as_written() {
    let bench = Workbench::new();
    for line in LINES {
        bench.ok(line);
    }
    assert_eq!(bench.files("broker-01"), ["ca.crt", "crl.pem", "root.crt", "tls.crt", "tls.key"]);
    let archive = fs::read(bench.path("certificates-backup.tar.gz")).unwrap();
    assert!(archive.starts_with(&[0x1f, 0x8b]), "it is gzip");
}

#[test]
fn what_they_say_names_the_result_and_the_next_step() {
    let bench = Workbench::new();
    let root = bench.ok(LINES[0]);
    assert!(root.stdout.starts_with("root_ca_1  RustMQ Root CA\n"), "{}", root.stdout);
    assert!(root.stdout.contains("CN=RustMQ Root CA"), "{}", root.stdout);
    assert!(root.stdout.contains("none: its certificates will carry no CRL"), "{}", root.stdout);
    assert!(root.stderr.contains("Next: rustmq-admin ca intermediate --parent-ca root_ca_1"));
    let intermediate = bench.ok(LINES[1]);
    assert!(intermediate.stdout.starts_with("prod_ca_1  Production CA\n"));
    assert!(!intermediate.stdout.contains("YourOrg\n"), "the organisation is not inherited");
    let broker = bench.ok(LINES[2]);
    assert!(broker.stdout.contains("DNS:broker-01   (taken from the principal)"));
    assert!(broker.stdout.contains("serverAuth, clientAuth"), "{}", broker.stdout);
    assert!(broker.stdout.contains("broker-01/tls.crt  tls.key (0600)  ca.crt  root.crt  crl.pem"));
}

#[test]
fn openssl_accepts_the_chain_and_sees_the_names() {
    let bench = Workbench::new();
    bench.ok(LINES[0]);
    bench.ok(&["ca", "intermediate", "--parent-ca", "root_ca_1", "--cn", "RustMQ Intermediate CA"]);
    let ca = ["--ca-id", "intermediate_ca_1", "--output-dir", "client"];
    let issue = ["certs", "issue", "--principal", "client@company.com", "--role", "client"];
    let issued = bench.json(&[&issue[..], &ca].concat());
    assert_eq!(issued["sans"][0], "email:client@company.com");
    let at = |name: &str| bench.path("client").join(name).display().to_string();
    let (root, chain, crl, leaf) = (at("root.crt"), at("ca.crt"), at("crl.pem"), at("tls.crt"));
    let flags =
        ["verify", "-x509_strict", "-crl_check_all", "-CAfile", &root, "-untrusted", &chain];
    let verdict = openssl(&[&flags[..], &["-CRLfile", &crl, &leaf]].concat());
    assert_eq!(verdict.unwrap(), format!("{leaf}: OK\n"));
    // Versions differ in the spaces around the equals sign.
    let names = openssl(&["x509", "-in", &leaf, "-noout", "-issuer", "-subject"]).unwrap();
    let names = names.replace(" = ", "=");
    assert_eq!(names, "issuer=CN=RustMQ Intermediate CA\nsubject=CN=client@company.com\n");
    let key = openssl(&["pkey", "-in", &at("tls.key"), "-pubout"]).unwrap();
    assert_eq!(openssl(&["x509", "-in", &leaf, "-noout", "-pubkey"]).unwrap(), key);
    assert_eq!(text(&issued["files"]["tls.crt"]), "client/tls.crt");
}

#[test]
fn openssl_honours_a_revocation() {
    let bench = Workbench::with_hierarchy();
    let id = bench.broker("broker-01")["id"].as_str().unwrap().to_owned();
    bench.ok(&["certs", "revoke", &id, "--reason", "keyCompromise"]);
    bench.ok(&["ca", "crl", "--ca-id", "prod_ca_1", "--output", "prod.crl"]);
    let at = |name: &str| bench.path(name).display().to_string();
    let (root, chain, crl, leaf) =
        (at("broker-01/root.crt"), at("broker-01/ca.crt"), at("prod.crl"), at("broker-01/tls.crt"));
    let verify = ["verify", "-x509_strict", "-CAfile", &root, "-untrusted", &chain];
    assert!(openssl(&[&verify[..], &[&leaf]].concat()).is_some(), "without CRLs it still stands");
    let checked = [&verify[..], &["-crl_check", "-CRLfile", &crl, &leaf]].concat();
    let output = std::process::Command::new("openssl").args(&checked).output().unwrap();
    assert!(!output.status.success());
    assert!(String::from_utf8(output.stderr).unwrap().contains("certificate revoked"));
}

#[test]
fn an_empty_store_exports_an_empty_archive() {
    let bench = Workbench::new();
    let run = bench.ok(LINES[3]);
    assert!(bench.path("certificates-backup.tar.gz").exists());
    assert!(run.stderr.contains("no authority"), "a mistyped directory is noticed: {}", run.stderr);
}

#[test]
fn a_root_publishes_its_list_straight_after_it_was_made() {
    let bench = Workbench::new();
    bench.ok(LINES[0]);
    bench.ok(&["ca", "crl", "--ca-id", "root_ca_1", "--output", "root.crl"]);
    bench.ok(&["ca", "export", "--ca-id", "root_ca_1", "--output", "root.crt"]);
    let (crl, root) = (bench.path("root.crl"), bench.path("root.crt"));
    let crl = ["crl", "-in", crl.to_str().unwrap(), "-noout", "-verify", "-CAfile"];
    assert!(openssl(&[&crl[..], &[root.to_str().unwrap()]].concat()).is_some());
}
