//! What a batch issues, as OpenSSL sees it: every certificate under the chain of its own line, and
//! every key with its certificate.

use std::fs;
use std::path::Path;
use std::process::Command;

use rustmq_conformance::{Product, SampleKey};
use serde_json::Value;

/// Rows of each batch: more than three slices of them.
const ROWS: usize = 50;

#[test]
fn openssl_accepts_every_certificate_of_a_batch_with_its_key() {
    let product = Product::with_hierarchy(SampleKey::P256);
    let rows = (1..=ROWS).map(|n| match n % 3 {
        0 => format!("app-{n}@example.com,client,\n"),
        1 => format!("broker-{n}.example.com,broker,10.0.0.{n}\n"),
        _ => format!("controller {n},controller,dns:c{n}.example.com;dns:c{n}.example.net\n"),
    });
    let csv = format!("principal,role,san\n{}", rows.collect::<String>());
    fs::write(product.path("fleet.csv"), csv).expect("the folder is writable");
    let root = product.certificate_of("root_ca_1");
    for key in ["p256", "ed25519", "rsa-2048"] {
        let output = format!("{key}.ndjson");
        let places = ["--input", "fleet.csv", "--output", &output, "--key-type", key];
        let fixed = ["certs", "batch-issue", "--ca-id", "prod_ca_1", "--rows-per-slice", "16"];
        product.ok(fixed.into_iter().chain(places));
        let text = fs::read_to_string(product.path(&output)).expect("the output");
        let lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
        assert_eq!(lines.len(), ROWS, "{key}");
        lines.iter().for_each(|line| is_good(&product, &root, line));
    }
}

/// Verifies one line, and that the judge refuses the certificate without the chain of its line.
fn is_good(product: &Product, root: &Path, line: &Value) {
    let write = |name: &str, key: &str| {
        let path = product.path(name);
        fs::write(&path, line[key].as_str().expect("a documented key")).expect("writable");
        path
    };
    let (chain, key) = (write("line.crt", "certificate"), write("line.key", "key"));
    let purpose = match line["role"].as_str() {
        Some("client") => "sslclient",
        _ => "sslserver",
    };
    let verify = |extra: &[&Path]| {
        let mut command = Command::new("openssl");
        command.args(["verify", "-x509_strict", "-purpose", purpose, "-CAfile"]).arg(root);
        command.arg("-untrusted").args(extra).arg(&chain);
        command.output().expect("OpenSSL runs").status.success()
    };
    assert!(verify(&[&chain]), "{line}");
    assert!(!verify(&[root]), "without its issuer it has no path: {line}");
    let public = |arguments: &[&str], file: &Path| {
        let output = Command::new("openssl").args(arguments).arg("-in").arg(file).output();
        let output = output.expect("OpenSSL runs");
        assert!(output.status.success(), "{line}");
        output.stdout
    };
    assert_eq!(public(&["x509", "-noout", "-pubkey"], &chain), public(&["pkey", "-pubout"], &key));
}
