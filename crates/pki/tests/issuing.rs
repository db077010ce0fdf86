//! What is issued, read back from its DER.

mod common;

use common::*;
use rustmq_pki::certificate::Certificate;
use rustmq_pki::constraints::{NameConstraints, Subtree};
use rustmq_pki::crl::{CrlContents, RevocationReason, RevokedCertificate};
use rustmq_pki::issuer::{IssueError, IssuingCa, IssuingCaError};
use rustmq_pki::key::KeyType;
use rustmq_pki::name::{SanKind, TrustDomain};
use rustmq_pki::oid;
use rustmq_pki::read::{CrlRef, KeyUsage};
use rustmq_pki::serial::SerialNumber;
use x509_cert::der::Decode;

const FAST: [KeyType; 7] = [
    KeyType::P256,
    KeyType::P384,
    KeyType::P521,
    KeyType::Ed25519,
    KeyType::MlDsa44,
    KeyType::MlDsa65,
    KeyType::MlDsa87,
];

#[test]
fn a_chain_of_each_key_type_verifies_and_names_its_issuer() {
    for key_type in FAST.into_iter().chain([KeyType::Rsa2048]) {
        let Hierarchy { root, intermediate } = hierarchy(key_type, Options::default());
        let leaf = sign(&intermediate, admit(&intermediate, "broker", "b.example", &[]).unwrap());
        let chain = [&leaf, intermediate.ca().certificate(), root.ca().certificate()];
        for (certificate, issuer) in chain.iter().zip(chain[1..].iter().chain([&chain[2]])) {
            let view = certificate.view();
            let issuer_key = issuer.public_key().unwrap();
            assert!(
                issuer_key.verifies(view.signature_algorithm.der, view.tbs, view.signature),
                "{key_type}"
            );
            assert_eq!(view.issuer.der, issuer.view().subject.der);
            let known = view.extensions.known().unwrap();
            assert_eq!(
                known.authority_key_id.unwrap().value.key_id,
                issuer.view().extensions.known().unwrap().subject_key_id.map(|id| id.value)
            );
            // A parser that nobody here wrote reads it too.
            x509_cert::Certificate::from_der(certificate.der()).unwrap();
        }
    }
}

#[test]
fn a_broker_certificate_holds_what_its_profile_says() {
    let options = Options {
        base_url: Some("http://pki.example/"),
        trust_domain: Some("example.org"),
        ..Options::default()
    };
    let Hierarchy { intermediate, .. } = hierarchy(KeyType::P256, options);
    let leaf = sign(&intermediate, admit(&intermediate, "broker", "b-1", &["10.0.0.7"]).unwrap());
    let view = leaf.view();
    let known = view.extensions.known().unwrap();
    assert_eq!(view.subject.to_string(), "CN=b-1");
    assert_eq!(leaf.not_before().to_string(), "2026-11-23T11:55:00Z");
    assert_eq!(leaf.not_after().to_string(), "2027-11-23T12:00:00Z");
    let usage = known.key_usage.as_ref().unwrap();
    assert!(usage.critical && usage.value == KeyUsage::DIGITAL_SIGNATURE);
    let purposes: Vec<_> =
        known.extended_key_usage.as_ref().unwrap().value.iter().map(|p| p.as_bytes()).collect();
    assert_eq!(purposes, [oid::SERVER_AUTH, oid::CLIENT_AUTH]);
    let names: Vec<_> = known.alt_names().iter().map(|name| name.to_string()).collect();
    assert_eq!(names, ["ip:10.0.0.7", "uri:spiffe://example.org/broker/b-1"]);
    assert!(!known.subject_alt_name.as_ref().unwrap().critical);
    assert_eq!(known.roles().unwrap(), ["broker"]);
    assert!(!known.directory_attributes.as_ref().unwrap().critical);
    assert!(known.basic_constraints.is_none() && known.unknown_critical.is_none());
    let der = leaf.der();
    for address in [
        "http://pki.example/crl/int_1.crl",
        "http://pki.example/ocsp/int_1",
        "http://pki.example/ca/int_1.crt",
    ] {
        assert!(der.windows(address.len()).any(|w| w == address.as_bytes()), "{address}");
    }
}

#[test]
fn a_ca_certificate_is_constrained_and_marked_critical() {
    let domain = TrustDomain::parse("example.org").unwrap();
    let options = Options {
        constraints: NameConstraints::of_trust_domain(&domain),
        path_len: Some(2),
        ..Options::default()
    };
    let Hierarchy { root, intermediate } = hierarchy(KeyType::P256, options);
    let view = intermediate.ca().certificate().view();
    let known = view.extensions.known().unwrap();
    let basic = known.basic_constraints.unwrap();
    assert!(basic.critical && basic.value.ca && basic.value.path_len == Some(2));
    let constraints = known.name_constraints.unwrap();
    assert!(constraints.critical);
    let permitted: Vec<_> =
        constraints.value.permitted.unwrap().iter().map(|tree| tree.base.to_string()).collect();
    assert_eq!(permitted, ["uri:example.org"]);
    let usage = known.key_usage.unwrap();
    assert!(usage.critical);
    assert_eq!(usage.value.bits(), KeyUsage::KEY_CERT_SIGN.bits() | KeyUsage::CRL_SIGN.bits());
    assert!(known.extended_key_usage.is_none());
    assert_eq!(root.ca().path_len(), None);
    assert_eq!(intermediate.ca().path_len(), Some(2));
}

#[test]
fn an_ocsp_signer_is_no_peer() {
    let Hierarchy { intermediate, .. } = hierarchy(KeyType::P256, Options::default());
    let leaf = sign(&intermediate, admit(&intermediate, "ocsp-signer", "ocsp", &[]).unwrap());
    let view = leaf.view();
    let known = view.extensions.known().unwrap();
    assert!(known.ocsp_no_check.is_some() && known.directory_attributes.is_none());
    assert!(known.roles().unwrap().is_empty());
}

#[test]
fn what_was_prepared_for_one_ca_is_not_signed_by_another() {
    let a = hierarchy(KeyType::P256, Options::default()).intermediate;
    let b = hierarchy(KeyType::P256, Options::default()).intermediate;
    let linted = admit(&a, "client", "app", &[]).unwrap().lint().unwrap();
    let tbs = linted.to_be_signed(SerialNumber::generate().unwrap());
    assert!(matches!(b.sign(tbs), Err(IssueError::WrongIssuer)));
}

#[test]
fn a_crl_reads_back() {
    let Hierarchy { intermediate, .. } = hierarchy(KeyType::P256, Options::default());
    let serials: Vec<_> = (0..3).map(|_| SerialNumber::generate().unwrap()).collect();
    let entry = |index: usize, reason, invalidity_date| RevokedCertificate {
        serial: serials[index],
        revoked_at: now(),
        reason,
        invalidity_date,
    };
    let contents = CrlContents {
        number: 1_795_392_000,
        this_update: now().plus_seconds(-300),
        next_update: now().plus_days(7),
        revoked: vec![
            entry(0, Some(RevocationReason::KeyCompromise), Some(now().plus_days(-3))),
            entry(1, Some(RevocationReason::Unspecified), None),
            entry(2, None, None),
        ],
    };
    let crl = intermediate.sign_crl(&contents).unwrap();
    let view = CrlRef::read(crl.der()).unwrap();
    let key = intermediate.ca().certificate().public_key().unwrap();
    assert!(key.verifies(view.signature_algorithm.der, view.tbs, view.signature));
    assert_eq!(view.known.number.unwrap().0.to_u64(), Some(1_795_392_000));
    assert!(view.known.authority_key_id.is_some());
    let entries: Vec<_> = view.entries().map(Result::unwrap).collect();
    assert_eq!(entries.len(), 3);
    assert_eq!(entries[0].reason, Some(RevocationReason::KeyCompromise));
    assert_eq!(entries[0].invalidity_date, Some(now().plus_days(-3)));
    assert_eq!((entries[1].reason, entries[2].reason), (None, None));
    assert_eq!(entries[1].serial.magnitude(), serials[1].as_bytes());
    let empty = intermediate.sign_crl(&CrlContents { revoked: Vec::new(), ..contents }).unwrap();
    assert_eq!(CrlRef::read(empty.der()).unwrap().entries().count(), 0);
}

/// Below a CA of the same name that gives less: whoever signs is not asked here.
#[test]
fn a_ca_certificate_that_goes_beyond_those_above_does_not_issue() {
    let permitting = |domain| NameConstraints {
        permitted: vec![Subtree::parse(SanKind::Dns, domain).unwrap()],
        excluded: Vec::new(),
    };
    let below = |constraints: NameConstraints| -> Certificate {
        let options = Options { path_len: Some(1), ..Options::default() };
        let Hierarchy { root, intermediate: ca } = hierarchy(KeyType::P256, options);
        let above = [root.ca().certificate().clone()];
        let options = Options { constraints, days: Some(900), ..Options::default() };
        intermediate(&ca, &above, KeyType::P256, options).ca().certificate().clone()
    };
    let under = |certificate: &Certificate, path_len, constraints| {
        let options = Options { path_len, constraints, ..Options::default() };
        let Hierarchy { root, intermediate: ca } = hierarchy(KeyType::P256, options);
        let above = [ca.ca().certificate().clone(), root.ca().certificate().clone()];
        IssuingCa::new(certificate.clone(), &above).map(|ca| ca.path_len())
    };
    let (plain, wide) = (below(NameConstraints::default()), below(permitting("example.org")));
    let none = NameConstraints::default;
    assert_eq!(under(&plain, Some(1), none()), Ok(Some(0)));
    assert_eq!(under(&plain, Some(0), none()), Err(IssuingCaError::PathLength));
    assert_eq!(under(&plain, Some(1), permitting("example.com")), Ok(Some(0)));
    assert_eq!(under(&wide, Some(1), permitting("example.org")), Ok(Some(0)));
    let outside = Subtree::parse(SanKind::Dns, "example.org").unwrap();
    let wider = under(&wide, Some(1), permitting("example.com"));
    assert_eq!(wider, Err(IssuingCaError::WiderConstraints(outside)));
}
