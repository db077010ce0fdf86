//! CRLs and OCSP responses beyond what PKITS asks of them.

use crate::issue::{Holder, Ocsp, Spec, extension, name, now, purposes};
use crate::{Chain, code, question};
use aws_lc_rs::signature::KeyPair;
use rustmq_auth::Question;
use rustmq_auth::revocation::{Crl, OcspResponse, StatusPolicy};
use rustmq_pki::oid;
use rustmq_pki::read::CrlRef;
use rustmq_pki::time::UnixTime;

const GOOD: &[u8] = &[0x80, 0x00];
const UNKNOWN: &[u8] = &[0x82, 0x00];

fn crl(der: &[u8]) -> Crl {
    Crl::from_der(der).unwrap()
}

fn asked(chain: &Chain, crls: &[Crl], ocsp: &[OcspResponse], grace: i64) -> (&'static str, bool) {
    let anchors = [chain.root_der.as_slice()];
    let untrusted = [chain.intermediate_der.as_slice()];
    let question = Question {
        crls,
        ocsp,
        grace,
        status: StatusPolicy::Required,
        ..question(&chain.leaf_der, &untrusted, &anchors)
    };
    let answer = question.ask();
    (code(&answer), answer.result.is_ok_and(|proof| proof.used_grace()))
}

fn days(days: i64) -> UnixTime {
    now().plus_days(days)
}

#[test]
fn every_certificate_but_the_anchor_needs_a_status() {
    let chain = Chain::new();
    let root = || crl(&chain.root.crl(1, days(-1), days(1), &[]));
    let leaf = |serials: &[&[u8]]| crl(&chain.intermediate.crl(1, days(-1), days(1), serials));
    assert_eq!(asked(&chain, &[root(), leaf(&[])], &[], 0).0, "valid");
    assert_eq!(asked(&chain, &[root()], &[], 0).0, "revocation_unknown");
    assert_eq!(asked(&chain, &[], &[], 0).0, "revocation_unknown");
    assert_eq!(asked(&chain, &[root(), leaf(&[&[0x42]])], &[], 0).0, "revoked");
    assert_eq!(asked(&chain, &[root(), leaf(&[&[0x43]])], &[], 0).0, "valid");
    let intermediate = crl(&chain.root.crl(1, days(-1), days(1), &[&[0x21]]));
    assert_eq!(asked(&chain, &[intermediate, leaf(&[])], &[], 0).0, "revoked");
}

#[test]
fn lists_that_do_not_count() {
    let chain = Chain::new();
    let root = || crl(&chain.root.crl(1, days(-1), days(1), &[]));
    let with = |leaf: Vec<u8>| asked(&chain, &[root(), crl(&leaf)], &[], 0).0;
    let by = &chain.intermediate;
    assert_eq!(with(by.crl(1, days(1), days(2), &[])), "revocation_unknown", "from the future");
    assert_eq!(with(by.crl(1, days(-2), days(-1), &[])), "revocation_unknown", "expired");
    let other = Holder::new("Intermediate");
    assert_eq!(with(other.crl(1, days(-1), days(1), &[])), "revocation_unknown", "another key");
    let other = Holder::new("Other");
    assert_eq!(with(other.crl(1, days(-1), days(1), &[])), "revocation_unknown", "another issuer");
}

#[test]
fn grace_is_off_unless_asked_for_and_visible_when_used() {
    let chain = Chain::new();
    let hour = 3_600;
    let lists = || {
        let old = now().plus_seconds(-hour);
        [
            crl(&chain.root.crl(1, days(-1), days(1), &[])),
            crl(&chain.intermediate.crl(1, days(-2), old, &[])),
        ]
    };
    assert_eq!(asked(&chain, &lists(), &[], 0), ("revocation_unknown", false));
    assert_eq!(asked(&chain, &lists(), &[], hour), ("valid", true));
    assert_eq!(asked(&chain, &lists(), &[], hour - 1), ("revocation_unknown", false));
    let absent = [crl(&chain.root.crl(1, days(-1), days(1), &[]))];
    assert_eq!(asked(&chain, &absent, &[], i64::MAX), ("revocation_unknown", false));
}

/// Asks with a CRL for the intermediate and an OCSP response for the leaf.
fn ocsp(chain: &Chain, response: &Ocsp<'_>) -> &'static str {
    let root = crl(&chain.root.crl(1, days(-1), days(1), &[]));
    let response = OcspResponse::from_der(&response.der()).unwrap();
    asked(chain, &[root], &[response], 0).0
}

fn by_issuer<'a>(chain: &'a Chain, status: &'a [u8]) -> Ocsp<'a> {
    Ocsp {
        issuer: &chain.intermediate,
        responder: &chain.intermediate,
        serial: &[0x42],
        status,
        from: days(-1),
        until: days(1),
        nonce: None,
        certificate: None,
    }
}

#[test]
fn responses_of_the_issuer() {
    let chain = Chain::new();
    assert_eq!(ocsp(&chain, &by_issuer(&chain, GOOD)), "valid");
    assert_eq!(ocsp(&chain, &by_issuer(&chain, UNKNOWN)), "revocation_unknown");
    let since = crate::issue::general_time(days(-1));
    let revoked = crate::issue::tlv(0xa1, &since);
    assert_eq!(ocsp(&chain, &by_issuer(&chain, &revoked)), "revoked");
    let other = Ocsp { serial: &[0x43], ..by_issuer(&chain, GOOD) };
    assert_eq!(ocsp(&chain, &other), "revocation_unknown", "another serial number");
    let expired = Ocsp { until: now().plus_seconds(-1), ..by_issuer(&chain, GOOD) };
    assert_eq!(ocsp(&chain, &expired), "revocation_unknown");
    let impostor = Holder::new("Intermediate");
    let forged = Ocsp { responder: &impostor, ..by_issuer(&chain, GOOD) };
    assert_eq!(ocsp(&chain, &forged), "revocation_unknown");
}

#[test]
fn delegated_responders() {
    let chain = Chain::new();
    let responder = Holder::new("Responder");
    let no_check = extension(oid::OCSP_NO_CHECK, false, &[0x05, 0x00]);
    let spec = |purpose: &[u8]| {
        let mut spec = Spec::leaf("ocsp.example");
        spec.extensions[1] = purposes(&[purpose]);
        spec
    };
    let with = |by: &Holder, spec: &Spec| {
        let certificate = by.issue(&responder, spec);
        let response = Ocsp {
            responder: &responder,
            certificate: Some(&certificate),
            ..by_issuer(&chain, GOOD)
        };
        ocsp(&chain, &response)
    };
    let signing = || spec(oid::OCSP_SIGNING);
    assert_eq!(with(&chain.intermediate, &signing().with(no_check.clone())), "valid");
    let unchecked = with(&chain.intermediate, &signing());
    assert_eq!(unchecked, "revocation_unknown", "neither nocheck nor a CRL for the responder");
    let wrong_purpose = spec(oid::SERVER_AUTH).with(no_check.clone());
    assert_eq!(with(&chain.intermediate, &wrong_purpose), "revocation_unknown");
    assert_eq!(with(&chain.root, &signing().with(no_check)), "revocation_unknown", "another CA");
}

#[test]
fn the_nonce_must_be_repeated() {
    let chain = Chain::new();
    let response = Ocsp { nonce: Some(b"0123456789abcdef"), ..by_issuer(&chain, GOOD) };
    let responses = [OcspResponse::from_der(&response.der()).unwrap()];
    let crls = [crl(&chain.root.crl(1, days(-1), days(1), &[]))];
    let anchors = [chain.root_der.as_slice()];
    let untrusted = [chain.intermediate_der.as_slice()];
    let with = |nonce: &[u8]| {
        let question = Question {
            crls: &crls,
            ocsp: &responses,
            nonce: Some(nonce),
            status: StatusPolicy::Required,
            ..question(&chain.leaf_der, &untrusted, &anchors)
        };
        code(&question.ask())
    };
    assert_eq!(with(b"0123456789abcdef"), "valid");
    assert_eq!(with(b"another"), "revocation_unknown");
}

#[test]
fn the_newest_list_decides_in_whatever_order() {
    let chain = Chain::new();
    let root = crl(&chain.root.crl(1, days(-1), days(1), &[]));
    let leaf = |number, from, serials: &[&[u8]]| {
        crl(&chain.intermediate.crl(number, days(from), days(1), serials))
    };
    let with = |first: &Crl, second: &Crl| {
        let both = [root.clone(), first.clone(), second.clone()];
        let turned = [second.clone(), first.clone(), root.clone()];
        let result = asked(&chain, &both, &[], 0).0;
        assert_eq!(asked(&chain, &turned, &[], 0).0, result, "the order of the lists");
        result
    };
    let (clean, revoking) = (leaf(1, -2, &[]), leaf(1, -2, &[&[0x42]]));
    assert_eq!(with(&clean, &leaf(2, -1, &[&[0x42]])), "revoked");
    assert_eq!(with(&revoking, &leaf(2, -1, &[])), "valid", "released from hold");
    assert_eq!(
        with(&clean, &leaf(2, -2, &[&[0x42]])),
        "revoked",
        "the number counts before the date"
    );
    assert_eq!(with(&clean, &revoking), "revoked", "the same number and date");
    let future = crl(&chain.intermediate.crl(3, days(1), days(2), &[]));
    assert_eq!(with(&future, &revoking), "revoked", "a newer one that cannot be used yet");
}

#[test]
fn revoked_by_one_source_is_revoked() {
    let chain = Chain::new();
    let root = crl(&chain.root.crl(1, days(-1), days(1), &[]));
    let revoking = crl(&chain.intermediate.crl(1, days(-1), days(1), &[&[0x42]]));
    let since = crate::issue::general_time(days(-1));
    let revoked = crate::issue::tlv(0xa1, &since);
    let response =
        |status: &[u8]| OcspResponse::from_der(&by_issuer(&chain, status).der()).unwrap();
    let with = |crls: &[Crl], responses: &[OcspResponse]| asked(&chain, crls, responses, 0).0;
    let (good, bad) = (response(GOOD), response(&revoked));
    assert_eq!(with(std::slice::from_ref(&root), std::slice::from_ref(&good)), "valid");
    assert_eq!(with(&[root.clone(), revoking], std::slice::from_ref(&good)), "revoked");
    assert_eq!(with(std::slice::from_ref(&root), &[good.clone(), bad.clone()]), "revoked");
    assert_eq!(with(&[root], &[bad, good]), "revoked");
}

#[test]
fn a_namesake_with_another_key_revokes_and_vouches_for_nothing() {
    let chain = Chain::new();
    let namesake = Holder::new("Intermediate");
    let namesake_der = chain.root.issue(&namesake, &Spec::ca().serial(&[0x22]));
    let root = crl(&chain.root.crl(1, days(-1), days(1), &[]));
    let with = |crls: &[Crl]| {
        let anchors = [chain.root_der.as_slice()];
        let untrusted = [chain.intermediate_der.as_slice(), namesake_der.as_slice()];
        let question = Question {
            crls,
            status: StatusPolicy::Required,
            ..question(&chain.leaf_der, &untrusted, &anchors)
        };
        code(&question.ask())
    };
    let own = crl(&chain.intermediate.crl(1, days(-1), days(1), &[]));
    let clean = crl(&namesake.crl(2, days(-1), days(1), &[]));
    let revoking = crl(&namesake.crl(2, days(-1), days(1), &[&[0x42]]));
    assert_eq!(with(&[root.clone(), clean.clone()]), "revocation_unknown");
    assert_eq!(with(&[root.clone(), revoking]), "revoked");
    assert_eq!(with(&[clean, own.clone(), root.clone()]), "valid");
    assert_eq!(with(&[root, own]), "valid");
}

/// Another P-256 key under which the signature of a list verifies: any signature has one.
fn other_key_of(list: &[u8], signer: &Holder) -> Vec<u8> {
    use p256::ecdsa::{RecoveryId, Signature, VerifyingKey};
    let view = CrlRef::read(list).unwrap();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, view.tbs);
    let signature = Signature::from_der(view.signature).unwrap();
    let recovered = [0, 1].map(|id| {
        let id = RecoveryId::from_byte(id).unwrap();
        let key = VerifyingKey::recover_from_prehash(digest.as_ref(), &signature, id).unwrap();
        key.to_sec1_point(false).as_bytes().to_vec()
    });
    recovered.into_iter().find(|key| key != signer.key.public_key().as_ref()).unwrap()
}

/// A sub-CA certifies such a key under the name of another CA, and shows a peer of its own below it.
#[test]
fn a_key_made_to_fit_a_list_and_trusted_takes_the_list_from_nobody() {
    let chain = Chain::new();
    let evil = Holder::new("Evil CA");
    let list = chain.intermediate.crl(1, days(-1), days(1), &[]);
    let mut spki = chain.intermediate.spki();
    let key = spki.len() - 65;
    spki[key..].copy_from_slice(&other_key_of(&list, &chain.intermediate));
    let fitting = evil.certify(&name("Evil CA"), ("Intermediate", &spki), &Spec::ca());
    let below = Holder::new("Intermediate");
    let below_der = evil.issue(&below, &Spec::ca().serial(&[0x23]));
    let peer = below.issue(&Holder::new("peer"), &Spec::leaf("peer.example"));
    let evil_der = chain.root.issue(&evil, &Spec::ca().serial(&[0x22]));
    let lists = [
        crl(&chain.root.crl(1, days(-1), days(1), &[])),
        crl(&evil.crl(1, days(-1), days(1), &[])),
        crl(&list),
    ];
    let anchors = [chain.root_der.as_slice()];
    let ask = |leaf: &[u8], untrusted: &[&[u8]]| {
        let question = question(leaf, untrusted, &anchors);
        code(&Question { crls: &lists, status: StatusPolicy::Required, ..question }.ask())
    };
    ask(&peer, &[&below_der, &fitting, &evil_der]);
    ask(
        &chain.intermediate.issue(&Holder::new("x"), &Spec::leaf("x.example")),
        &[&fitting, &evil_der],
    );
    assert_eq!(ask(&chain.leaf_der, &[&chain.intermediate_der]), "valid");
}

#[test]
fn a_key_made_to_fit_a_list_does_not_take_the_list_from_its_issuer() {
    let root = Holder::new("Root");
    let (old, new) = (Holder::new("Issuing"), Holder::new("Issuing"));
    let [old_der, new_der] = [&old, &new].map(|ca| root.issue(ca, &Spec::ca().serial(&[0x21])));
    let list = new.crl(2, days(-1), days(1), &[]);
    let lists = [
        crl(&root.crl(1, days(-1), days(1), &[])),
        crl(&old.crl(1, days(-1), days(1), &[])),
        crl(&list),
    ];
    // Whoever signed it: the search asks for a path only after the key.
    let forger = Holder::new("Issuing");
    let mut forged = forger.self_signed();
    let key = forger.key.public_key().as_ref();
    let at = forged.windows(key.len()).position(|window| window == key).unwrap();
    forged[at..at + key.len()].copy_from_slice(&other_key_of(&list, &new));

    let root_der = root.self_signed();
    let anchors = [root_der.as_slice()];
    let ask = |ca: &Holder, untrusted: &[&[u8]]| {
        let leaf = ca.issue(&Holder::new("leaf"), &Spec::leaf("leaf.example"));
        let question =
            Question { status: StatusPolicy::Required, ..question(&leaf, untrusted, &anchors) };
        code(&Question { crls: &lists, ..question }.ask())
    };
    assert_eq!(ask(&old, &[&old_der, &forged]), "valid");
    assert_eq!(ask(&new, &[&new_der]), "valid");
}
