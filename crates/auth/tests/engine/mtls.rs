//! The policy of mutual TLS beside the rule set.

use crate::issue::{Spec, dns, now, purposes, role, sans, uri};
use crate::{Chain, code, question};
use rustmq_auth::{MtlsPolicy, Purpose, Question, Terms};
use rustmq_pki::oid;

fn asked(spec: &Spec, policy: &MtlsPolicy, purpose: Purpose) -> (&'static str, usize) {
    let chain = Chain::with_leaf(spec);
    let anchors = [chain.root_der.as_slice()];
    let untrusted = [chain.intermediate_der.as_slice()];
    let question = Question {
        mtls: Some(policy),
        terms: Terms { at: now(), purpose, ..Terms::default() },
        ..question(&chain.leaf_der, &untrusted, &anchors)
    };
    let answer = question.ask();
    (code(&answer), answer.warnings.len())
}

fn client(spec: &Spec) -> &'static str {
    asked(spec, &MtlsPolicy::default(), Purpose::Client).0
}

#[test]
fn a_peer_needs_purpose_and_role() {
    let spec = || Spec::leaf("broker-01.example");
    assert_eq!(client(&spec().with(role("broker"))), "valid");
    assert_eq!(client(&spec()), "role_missing");
    assert_eq!(client(&spec().with(role("wizard"))), "role_not_allowed");
    let mut server_only = spec().with(role("broker"));
    server_only.extensions[1] = purposes(&[oid::SERVER_AUTH]);
    assert_eq!(client(&server_only), "purpose_not_allowed");
    let mut any = spec().with(role("broker"));
    any.extensions[1] = purposes(&[oid::ANY_EXTENDED_KEY_USAGE]);
    assert_eq!(client(&any), "purpose_not_allowed");
    let mut none = spec().with(role("broker"));
    none.extensions.remove(1);
    assert_eq!(client(&none), "mtls_eku_missing");
    assert_eq!(client(&Spec::ca().with(role("broker"))), "mtls_leaf_is_ca");
}

#[test]
fn only_listed_roles_pass() {
    let policy = MtlsPolicy { allowed_roles: vec!["broker".to_owned()], ..MtlsPolicy::default() };
    let spec = |name| Spec::leaf("a.example").with(role(name));
    assert_eq!(asked(&spec("broker"), &policy, Purpose::Server).0, "valid");
    assert_eq!(asked(&spec("client"), &policy, Purpose::Server).0, "role_not_allowed");
}

#[test]
fn a_role_agrees_with_the_spiffe_path() {
    let spec = |path: &str| {
        let mut spec = Spec::leaf("").with(role("broker"));
        spec.extensions[0] =
            sans(&[&dns("a.example"), &uri(&format!("spiffe://td.example/{path}"))]);
        spec
    };
    assert_eq!(client(&spec("broker/b1")), "valid");
    assert_eq!(client(&spec("client/b1")), "role_ambiguous");
    assert_eq!(client(&spec("ns/default/sa/web")), "valid", "a path of another form says no role");
}

#[test]
fn section_4_is_a_warning() {
    let (code, warnings) = asked(
        &Spec::leaf("a.example").with(role("client")),
        &MtlsPolicy::default(),
        Purpose::Client,
    );
    assert_eq!(code, "valid");
    // The test certificates have no key identifiers: one each on leaf, intermediate and root at least.
    assert!(warnings >= 3, "{warnings}");
}
