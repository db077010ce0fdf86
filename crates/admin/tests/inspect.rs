//! `certs inspect` and `principal explain` as a user runs them: no data directory, no passphrase.

#![allow(clippy::unwrap_used, reason = "a test may")]

use assert_cmd::Command;
use rustmq_pki::key::KeyType;
use rustmq_pki::key::software::SoftwareKey;
use serde_json::Value;

const CERTIFICATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../pki/testdata/certificate.der");

fn run(arguments: &[&str], input: &[u8]) -> (i32, String, String) {
    let output = Command::cargo_bin("rustmq-admin")
        .unwrap()
        .env_clear()
        .args(arguments)
        .write_stdin(input)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_certificate_from_a_file_and_from_standard_input() {
    let (code, by_file, errors) = run(&["certs", "inspect", CERTIFICATE, "--format", "json"], b"");
    assert_eq!((code, errors.as_str()), (0, ""));
    let bytes = std::fs::read(CERTIFICATE).unwrap();
    let (_, by_stdin, _) = run(&["--format", "json", "certs", "inspect", "-"], &bytes);
    assert_eq!(by_file, by_stdin);
    assert_eq!(json(&by_file)["objects"][0]["kind"], "certificate");
    let (code, table, _) = run(&["certs", "inspect", CERTIFICATE], b"");
    assert_eq!(code, 0);
    for words in ["basicConstraints, critical", "a CA", "uri:urn:rustmq:role:broker", "1.2.3.4.5.6"]
    {
        assert!(table.contains(words), "{words}: {table}");
    }
    let (_, csv, _) = run(&["certs", "inspect", CERTIFICATE, "--format", "csv"], b"");
    assert_eq!(csv.lines().count(), 2);
}

#[test]
fn a_private_key_does_not_appear_in_any_format() {
    let key = SoftwareKey::generate(KeyType::P256).unwrap();
    let pem = key.to_pkcs8_pem().unwrap();
    let secret: String = pem.lines().nth(1).unwrap().to_owned();
    for format in ["table", "json", "csv"] {
        let (code, shown, errors) =
            run(&["certs", "inspect", "-", "--format", format], pem.as_bytes());
        assert_eq!(code, 0);
        assert!(shown.contains("P-256 (PKCS#8)"), "{shown}");
        assert!(!shown.contains(&secret) && !errors.contains(&secret));
    }
}

#[test]
fn what_cannot_be_read_is_refused_and_said() {
    let (code, shown, _) = run(&["certs", "inspect", "-", "--format", "json"], b"no certificate");
    assert_eq!((code, &json(&shown)["objects"][0]["code"]), (1, &"unknown_content".into()));
    let (code, shown, errors) = run(&["certs", "inspect", "/nonexistent.pem"], b"");
    assert_eq!((code, shown.as_str()), (3, ""));
    assert!(errors.contains("/nonexistent.pem"), "{errors}");
}

#[test]
fn each_rule_and_each_broker_is_explained() {
    let explain = |more: &[&str]| {
        let arguments = [&["principal", "explain", CERTIFICATE, "--format", "json"], more].concat();
        let (code, shown, _) = run(&arguments, b"");
        (code, json(&shown))
    };
    let (code, all) = explain(&[]);
    assert_eq!((code, all["rules"].as_array().unwrap().len()), (0, 5));
    assert_eq!(all["role"]["role"], "broker");
    let named = |name: &str| {
        let brokers = all["brokers"].as_array().unwrap();
        brokers.iter().find(|broker| broker["by"] == name).unwrap().clone()
    };
    assert_eq!(named("NATS")["principal"], "a@example.com");
    assert!(named("Redis")["principal"].is_null());
    let (code, one) = explain(&["--rule", "san-email", "--strip-domain", "example.com"]);
    assert_eq!((code, &one["rules"][0]["principal"]), (0, &"a".into()));
    // The sample's common name begins with a space, which no principal may.
    let (code, none) = explain(&["--rule", "common-name"]);
    assert_eq!((code, &none["rules"][0]["reason"]), (1, &"principal_invalid".into()));
    for domain in ["*.x", "", ".", "a b"] {
        let arguments = ["principal", "explain", CERTIFICATE, "--strip-domain", domain];
        let (code, shown, errors) = run(&arguments, b"");
        assert_eq!((code, shown.as_str()), (2, ""), "{domain:?}");
        assert!(errors.contains("--strip-domain"), "{errors}");
    }
    let (code, _, errors) = run(
        &[
            "principal",
            "explain",
            CERTIFICATE,
            "--rule",
            "distinguished-name",
            "--strip-domain",
            "x",
        ],
        b"",
    );
    assert_eq!(code, 2, "{errors}");
    let (code, ..) = run(&["principal", "explain", CERTIFICATE, "--rule", "cn"], b"");
    assert_eq!(code, 2);
}

#[test]
fn settings_of_brokers_stand_whole_on_lines_of_80_columns() {
    let (code, shown, _) = run(&["principal", "explain", CERTIFICATE], b"");
    assert_eq!(code, 0);
    let settings = [
        "ssl_cert_login_from = subject_alternative_name",
        "ssl_cert_login_san_type = email",
        "use_identity_as_username true",
        "ssl.principal.mapping.rules=DEFAULT",
        "hostssl ... cert clientname=DN map=mtls",
        "spiffe://example/broker/b1",
    ];
    for setting in settings {
        let alone = |line: &str| line.trim_start().trim_start_matches("with ").trim() == setting;
        assert!(shown.lines().any(alone), "{setting}: {shown}");
    }
    for quoted in ["`auth_mechanisms.1 = EXTERNAL`", "`etcdctl user add NAME --no-password`"] {
        assert!(shown.lines().any(|line| line.contains(quoted)), "{quoted}: {shown}");
    }
    let widest = shown.lines().map(|line| line.chars().count()).max();
    assert!(widest <= Some(80), "{shown}");
}
