//! The policy of mutual TLS beside the rule set.

use crate::issue::{Spec, dns, extension, now, purposes, role, sans, seq, tlv, uri};
use crate::{Chain, code, question};
use rustmq_auth::revocation::{Crl, StatusPolicy};
use rustmq_auth::{MtlsPolicy, Purpose, Question, Terms};
use rustmq_pki::oid;
use rustmq_pki::role::Role;

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
fn the_key_of_a_peer_signs() {
    let spec = |bits: &[u8]| {
        let usage = extension(oid::KEY_USAGE, true, &tlv(0x03, bits));
        Spec::leaf("broker-01.example").with(role("broker")).with(usage)
    };
    assert_eq!(client(&spec(&[0x07, 0x80])), "valid", "digitalSignature");
    assert_eq!(client(&spec(&[0x05, 0x20])), "mtls_key_usage", "keyEncipherment");
    assert_eq!(client(&spec(&[0x05, 0xa0])), "valid", "both");
}

#[test]
fn a_policy_is_critical_with_all_that_qualifies_it() {
    let spec = |qualifier: &[u8]| {
        let qualifier = seq(&[&crate::issue::oid(qualifier), &tlv(0x16, b"https://cps.example")]);
        let policy = seq(&[&crate::issue::oid(&[0x2a, 3, 4]), &seq(&[&qualifier])]);
        let policies = extension(oid::CERTIFICATE_POLICIES, true, &seq(&[&policy]));
        Spec::leaf("broker-01.example").with(role("broker")).with(policies)
    };
    assert_eq!(client(&spec(oid::QUALIFIER_CPS)), "valid");
    assert_eq!(client(&spec(&[0x2a, 3, 5])), "unknown_critical_extension");
}

#[test]
fn only_listed_roles_pass() {
    let policy = MtlsPolicy { allowed_roles: vec![Role::Broker], ..MtlsPolicy::default() };
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
    let mut shouted = Spec::leaf("").with(role("broker"));
    shouted.extensions[0] = sans(&[&dns("a.example"), &uri("SPIFFE://td.example/admin/b1")]);
    assert_eq!(client(&shouted), "role_ambiguous");
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

/// Whoever factors a short key shall not vouch for anybody with it.
#[test]
fn a_weak_signer_of_lists_revokes_and_vouches_for_nothing() {
    let blocks = include_str!("weak_signer.pem").split("-----BEGIN").skip(1);
    let pem = blocks.map(|block| format!("-----BEGIN{block}"));
    let der: Vec<Vec<u8>> =
        pem.map(|pem| pem_rfc7468::decode_vec(pem.trim().as_bytes()).unwrap().1).collect();
    let [root, signer, leaf, weak, revoking, strong] = &der[..] else { panic!("six blocks") };
    let says = |lists: &[&Vec<u8>], mtls: Option<&MtlsPolicy>| {
        let crls: Vec<Crl> = lists.iter().map(|der| Crl::from_der(der).unwrap()).collect();
        let (anchors, untrusted) = ([root.as_slice()], [signer.as_slice()]);
        let leaf = question(leaf, &untrusted, &anchors);
        code(&Question { crls: &crls, status: StatusPolicy::Required, mtls, ..leaf }.ask())
    };
    let policy = MtlsPolicy::default();
    assert_eq!(says(&[weak], None), "valid", "a path may rest on it");
    assert_eq!(says(&[weak], Some(&policy)), "revocation_unknown");
    assert_eq!(says(&[weak, strong], Some(&policy)), "valid");
    assert_eq!(says(&[revoking, strong], Some(&policy)), "revoked");
}
