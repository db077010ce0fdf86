//! What a restored authority issues, and what its CAs sign beside certificates, as other people's
//! programs see it.

use std::fs;
use std::path::Path;
use std::process::Command;

use rustmq_conformance::{Judge, Product, Purpose, SampleKey, Verdict, require, require_command};
use serde_json::Value;

const BROKER: &str = "broker-01.example.com";

#[test]
fn judges_accept_what_a_restored_authority_issues() {
    for key in [SampleKey::P256, SampleKey::Rsa3072] {
        let product = Product::with_hierarchy(key);
        let before = product.issue(BROKER, "broker", key, &[]);
        product.ok(["backup", "--output", "authority.tar"]);
        product.ok(["--data-dir", "restored", "restore", "--input", "authority.tar"]);
        let issue = ["--data-dir", "restored", "certs", "issue", "--principal", BROKER, "--role"];
        let issue = issue.into_iter().chain(["broker", "--ca-id", "prod_ca_1"]);
        let after = product.deliver("after", issue.chain(["--key-type", key.name()]));
        let purpose = || Purpose::Server(BROKER.to_owned());
        let chains = [&before, &after].map(|issued| {
            let mut chain = issued.chain(purpose());
            // The root that peers have trusted all along.
            chain.root = before.file("root.crt");
            chain
        });
        let chains: Vec<_> = chains.iter().collect();
        for judge in Judge::OF_PATHS.into_iter().filter(|judge| require(*judge)) {
            for verdict in judge.verify_all(&chains) {
                assert_eq!(verdict, Verdict::Accepted, "{judge:?} on {key:?}");
            }
        }
    }
}

/// `openssl dgst` on the bytes that the documents say are signed.
fn openssl_agrees(product: &Product, text: &str, signature: &Value) -> bool {
    fs::write(product.path("statement"), text).expect("the folder is writable");
    fs::write(product.path("value"), signature["value"].as_str().expect("base64")).expect("a file");
    fs::write(product.path("signer.crt"), signature["chain"][0].as_str().expect("PEM"))
        .expect("a file");
    let script = "base64 -d value > value.bin && openssl x509 -in signer.crt -noout -pubkey > key.pem && \
                  openssl dgst -sha256 -verify key.pem -signature value.bin statement";
    let folder = product.path("");
    let status = Command::new("sh").args(["-c", script]).current_dir(folder).output();
    status.expect("a shell").status.success()
}

fn json(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).expect("a file")).expect("JSON")
}

#[test]
fn openssl_verifies_checkpoints_and_manifests() {
    if !require_command("openssl") {
        return;
    }
    let product = Product::with_hierarchy(SampleKey::P256);
    product.ok(["audit", "checkpoint", "--output", "anchor.json"]);
    let anchor = json(&product.path("anchor.json"));
    let text = |value: &Value| value.as_str().expect("a string").to_owned();
    let signature = &anchor["signature"];
    let begin = |domain: &str, signature: &Value| {
        format!(
            "{domain}\nca {}\nsigner {}\n",
            text(&signature["ca_id"]),
            text(&signature["signer"])
        )
    };
    let begun = begin("RustMQ PKI audit checkpoint 1", signature);
    let said = |records: u64| {
        format!(
            "{begun}records {records}\nhead {}\nat {}\n",
            text(&anchor["head"]),
            text(&anchor["at"])
        )
    };
    let records = anchor["records"].as_u64().expect("a number");
    assert!(openssl_agrees(&product, &said(records), signature));
    assert!(!openssl_agrees(&product, &said(records + 1), signature));

    product.ok(["backup", "--output", "authority.tar"]);
    let script = "tar xf authority.tar manifest.json manifest.sig && sha256sum manifest.json";
    let output = Command::new("sh").args(["-c", script]).current_dir(product.path("")).output();
    let output = output.expect("a shell");
    let digest = String::from_utf8(output.stdout).expect("ASCII");
    let digest = digest.split(' ').next().expect("a digest");
    let signature = json(&product.path("manifest.sig"));
    let begun = begin("RustMQ PKI backup manifest 1", &signature);
    assert!(openssl_agrees(&product, &format!("{begun}manifest-sha256 {digest}\n"), &signature));
    assert!(!openssl_agrees(&product, &begun, &signature));
}
