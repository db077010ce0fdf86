//! What time and renewal do to certificates, as other people's programs see it.

use rustmq_conformance::{
    Chain, Issued, Judge, Product, Purpose, SampleKey, Verdict, require, require_command,
};

const BROKER: &str = "broker-01.example.com";

fn server(issued: &Issued) -> Chain {
    issued.chain(Purpose::Server(BROKER.to_owned()))
}

/// Asserts that every judge at hand accepts these chains.
fn all_accept(chains: &[&Chain], what: &str) {
    for judge in Judge::OF_PATHS.into_iter().filter(|judge| require(*judge)) {
        for verdict in judge.verify_all(chains) {
            assert_eq!(verdict, Verdict::Accepted, "{judge:?} on {what}");
        }
    }
}

#[test]
fn a_renewed_certificate_and_its_predecessor_both_hold() {
    let product = Product::with_hierarchy(SampleKey::P256);
    let old = product.issue(BROKER, "broker", SampleKey::P256, &[]);
    let new = product.deliver("renewed", ["certs", "renew", &old.id]);
    assert_ne!(old.serial, new.serial);
    all_accept(&[&server(&old), &server(&new)], "a renewal");
}

#[test]
fn a_rotation_without_overlap_ends_the_old_certificate() {
    let product = Product::with_hierarchy(SampleKey::P256);
    let old = product.issue(BROKER, "broker", SampleKey::P256, &[]);
    let new = product.deliver("rotated", ["certs", "rotate", &old.id, "--overlap", "0"]);
    let crls = vec![product.list_of("root_ca_1"), product.list_of("prod_ca_1")];
    let now = |issued: &Issued| Chain { crls: crls.clone(), ..server(issued) };
    all_accept(&[&now(&new)], "a rotation");
    for judge in Judge::OF_PATHS.into_iter().filter(|judge| require(*judge)) {
        let verdict = judge.verify(&now(&old));
        assert!(
            matches!(verdict, Verdict::Refused(_)),
            "{judge:?} accepted the rotated certificate"
        );
    }
}

/// RFC 5280 knows an authority by its name and key, so a new certificate for both changes nothing for
/// what it has signed.
#[test]
fn a_renewed_authority_vouches_for_its_old_certificates() {
    let product = Product::with_hierarchy(SampleKey::P256);
    let broker = product.issue(BROKER, "broker", SampleKey::P256, &[]);
    let before = product.certificate_of("prod_ca_1");
    let before = std::fs::read(before).expect("the exported certificate");
    product.ok(["ca", "renew", "--ca-id", "prod_ca_1"]);
    let renewed = product.certificate_of("prod_ca_1");
    assert_ne!(before, std::fs::read(&renewed).expect("the exported certificate"));
    let chain = Chain { issuers: vec![renewed], ..server(&broker) };
    all_accept(&[&chain, &server(&broker)], "a renewed authority");
}

/// The hierarchy is made two years ago by the clock of `faketime`; its lists are of today.
#[test]
fn an_expired_certificate_is_refused() {
    if !require_command("faketime") {
        return;
    }
    let product = Product::empty();
    let ago = |line: &str| {
        product.run_at("2 years ago", line.split(' ')).expect_success(line);
    };
    ago("ca init --cn Root");
    ago("ca intermediate --parent-ca root_ca_1 --cn Production");
    ago("certs issue --principal broker-01.example.com --role broker --ca-id prod_ca_1");
    let old = product.found(BROKER);
    let new = product.issue(BROKER, "broker", SampleKey::P256, &[]);
    let crls = vec![product.list_of("root_ca_1"), product.list_of("prod_ca_1")];
    let today = |issued: &Issued| Chain { crls: crls.clone(), ..server(issued) };
    let expired = today(&old);
    all_accept(&[&today(&new)], "an old hierarchy");
    for judge in Judge::OF_PATHS.into_iter().filter(|judge| require(*judge)) {
        let verdict = judge.verify(&expired);
        assert!(matches!(verdict, Verdict::Refused(_)), "{judge:?} accepted what has expired");
    }
}
