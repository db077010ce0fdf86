//! The specification's own check of a signed chain, and the files that a certificate comes with.

use std::fs;

use rustmq_conformance::openssl::openssl;
use rustmq_conformance::product::is_private;
use rustmq_conformance::python::key_fits;
use rustmq_conformance::{Judge, Output, Product, SampleKey, pem, require, run};

/// The three files of the specification's commands, under its names.
fn specified() -> Product {
    let product = Product::empty();
    product.ok(["ca", "init", "--cn", "RustMQ Root CA", "--org", "YourOrg"]);
    let parent = ["ca", "intermediate", "--parent-ca", "root_ca_1"];
    product.ok(parent.into_iter().chain(["--cn", "RustMQ Intermediate CA"]));
    let ca = "intermediate_ca_1";
    let issued = product.issue_under(ca, "client@company.com", "client", SampleKey::P256, &[]);
    let copy = |from, to| fs::copy(from, product.path(to)).map(drop);
    copy(product.certificate_of("root_ca_1"), "root-ca.pem").expect("copied");
    copy(product.certificate_of(ca), "intermediate-ca.pem").expect("copied");
    copy(pem::split(&issued.file("tls.crt"))[0].clone(), "client-cert.pem").expect("copied");
    product
}

/// Runs one of the specification's command lines as it is written.
fn shell(product: &Product, line: &str) -> Output {
    let mut words = line.split(' ');
    let mut command = std::process::Command::new(words.next().unwrap_or_default());
    run(command.args(words).current_dir(product.path("")))
}

#[test]
fn the_specified_openssl_commands_give_the_specified_verdicts() {
    if !require(Judge::OpenSsl) {
        return;
    }
    let product = specified();
    let says = |line: &str, expected: &str| {
        let output = shell(&product, line).expect_success(line);
        assert_eq!(output.stdout.trim(), expected, "{line}");
    };
    let intermediate = "openssl verify -CAfile root-ca.pem intermediate-ca.pem";
    says(intermediate, "intermediate-ca.pem: OK");
    let client = "-CAfile root-ca.pem -untrusted intermediate-ca.pem client-cert.pem";
    says(&format!("openssl verify {client}"), "client-cert.pem: OK");
    says(&format!("openssl verify -verbose {client}"), "client-cert.pem: OK");
}

#[test]
fn the_specified_values_of_issuer_and_subject() {
    if !require(Judge::OpenSsl) {
        return;
    }
    let product = specified();
    let line = "openssl x509 -in client-cert.pem -noout -issuer -subject";
    // OpenSSL's versions differ in the blanks around `=`; nothing else may differ.
    let shown = shell(&product, line).expect_success(line).stdout.replace(" = ", "=");
    assert_eq!(shown, "issuer=CN=RustMQ Intermediate CA\nsubject=CN=client@company.com\n");
}

#[test]
fn the_specified_commands_refuse_a_broken_chain() {
    if !require(Judge::OpenSsl) {
        return;
    }
    let product = specified();
    let whole = product.path("client-cert.pem");
    rustmq_conformance::samples::break_signature(&whole, &product.path("broken.pem"));
    let chain = "-CAfile root-ca.pem -untrusted intermediate-ca.pem broken.pem";
    assert!(!shell(&product, &format!("openssl verify {chain}")).success);
    assert!(!shell(&product, "openssl verify -CAfile root-ca.pem client-cert.pem").success);
}

#[test]
fn a_certificate_comes_with_its_key_chain_and_lists() {
    let product = Product::with_hierarchy(SampleKey::P256);
    let issued = product.issue("client@company.com", "client", SampleKey::P256, &[]);
    let read = |path| pem::blocks(&fs::read_to_string(path).expect("a PEM file"));
    let only = |path| {
        let mut blocks = read(path);
        assert_eq!(blocks.len(), 1);
        blocks.remove(0)
    };
    let (issuer, root) =
        (only(product.certificate_of("prod_ca_1")), only(product.certificate_of("root_ca_1")));

    let presented = read(issued.file("tls.crt"));
    assert_eq!(presented.len(), 2, "the leaf, then the issuing CA");
    assert_eq!(presented[1], issuer);
    assert_eq!(read(issued.file("ca.crt")), [issuer, root.clone()], "issuing CA and root");
    assert_eq!(read(issued.file("root.crt")), [root]);
    assert_eq!(read(issued.file("crl.pem")).len(), 2, "the list of every CA in the chain");
    assert!(is_private(&issued.file("tls.key")));
}

#[test]
fn openssl_reads_the_private_key_and_finds_it_in_the_certificate() {
    if !require(Judge::OpenSsl) {
        return;
    }
    let kinds = SampleKey::ALL.into_iter().filter(|kind| Judge::OpenSsl.knows(*kind));
    let product = Product::with_hierarchy(SampleKey::P256);
    for kind in kinds {
        let principal = format!("{}@company.com", kind.name());
        let issued = product.issue(&principal, "client", kind, &[]);
        let file = |name: &str| issued.file(name).display().to_string();
        let of_key = openssl(["pkey", "-pubout", "-in", &file("tls.key")]);
        let of_certificate = openssl(["x509", "-pubkey", "-noout", "-in", &file("tls.crt")]);
        let expected = of_key.expect_success("openssl pkey").stdout;
        assert_eq!(of_certificate.expect_success("openssl x509").stdout, expected, "{kind:?}");
        let check = openssl(["pkey", "-check", "-noout", "-in", &file("tls.key")]);
        if !matches!(kind, SampleKey::Ed25519) {
            check.expect_success("openssl pkey -check");
        }
    }
}

/// OpenSSL 3.0 has no ML-DSA; Python's library reads those keys too (RFC 9881 section 6).
#[test]
fn python_reads_the_private_key_and_finds_it_in_the_certificate() {
    if !require(Judge::Python) {
        return;
    }
    let product = Product::with_hierarchy(SampleKey::P256);
    let mut stranger = None;
    for kind in SampleKey::ALL {
        let principal = format!("{}@company.com", kind.name());
        let issued = product.issue(&principal, "client", kind, &[]);
        let certificate = issued.file("tls.crt");
        assert!(key_fits(&issued.file("tls.key"), &certificate), "{kind:?}");
        if let Some(other) = stranger.replace(issued.file("tls.key")) {
            assert!(!key_fits(&other, &certificate), "another's key fits {kind:?}");
        }
    }
}

/// So that a serial number from anybody's tool can be pasted into `certs revoke`.
#[test]
fn serial_numbers_are_shown_as_openssl_shows_them() {
    if !require(Judge::OpenSsl) {
        return;
    }
    let product = Product::with_hierarchy(SampleKey::P256);
    let issued = product.issue("client@company.com", "client", SampleKey::P256, &[]);
    let file = issued.file("tls.crt").display().to_string();
    let shown = openssl(["x509", "-serial", "-noout", "-in", &file]).stdout;
    assert_eq!(shown.trim().to_lowercase(), format!("serial={}", issued.serial));
}
