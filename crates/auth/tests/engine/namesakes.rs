//! CAs of one name: who may say what of whose certificates.

use rustmq_auth::Question;
use rustmq_auth::revocation::{Crl, StatusPolicy};
use rustmq_pki::oid;

use crate::issue::{Holder, Spec, extension};
use crate::precedence::{COMPROMISE, List, authority, subject};
use crate::{Chain, code, question};

/// The key identifier that the genuine issuer has.
const GENUINE: u8 = 7;
/// The number of a forger's list: higher than any.
const HIGH: u8 = 100;

/// What the lists, in both orders, say of a leaf.
fn asked(leaf: &[u8], root: &[u8], untrusted: &[Vec<u8>], lists: &[&List<'_>]) -> &'static str {
    let anchors = [root];
    let untrusted: Vec<&[u8]> = untrusted.iter().map(Vec::as_slice).collect();
    let ask = |crls: &[Crl]| {
        let leaf = question(leaf, &untrusted, &anchors);
        code(&Question { crls, status: StatusPolicy::Required, ..leaf }.ask())
    };
    let mut crls: Vec<Crl> = lists.iter().map(|list| list.crl()).collect();
    let result = ask(&crls);
    crls.reverse();
    assert_eq!(ask(&crls), result, "the order of the lists");
    result
}

fn list<'a>(signer: &'a Holder, number: u8, key: u8, entries: &'a [(u8, u8)]) -> List<'a> {
    List { key_id: Some(key), ..List::of(signer, number, entries) }
}

/// A sub-CA makes a CA of another's name, and that a second key for itself, which claims to be the
/// other's.
#[test]
fn a_key_that_a_namesake_issued_for_itself_vouches_for_nothing() {
    let chain = Chain::new();
    let root = &chain.root;
    let evil = Holder::new("Evil CA");
    let [first, second] = [0, 1].map(|_| Holder::new("Intermediate"));
    let untrusted = [
        chain.intermediate_der.clone(),
        root.issue(&evil, &Spec::ca().serial(&[0x22])),
        evil.issue(&first, &Spec::ca().serial(&[0x23])),
        first.issue(&second, &Spec::ca().serial(&[0x24]).with(subject(GENUINE))),
    ];
    let revoking = [(0x42, COMPROMISE)];
    let says = |genuine: Option<&[(u8, u8)]>| {
        let of_cas = [List::of(root, 1, &[]), List::of(&evil, 1, &[]), List::of(&first, 1, &[])];
        let genuine = genuine.map(|entries| list(&chain.intermediate, 5, GENUINE, entries));
        let forged = list(&second, HIGH, GENUINE, &[]);
        let lists: Vec<&List<'_>> = of_cas.iter().chain(&genuine).chain([&forged]).collect();
        asked(&chain.leaf_der, &chain.root_der, &untrusted, &lists)
    };
    assert_eq!(says(None), "revocation_unknown");
    assert_eq!(says(Some(&[])), "valid");
    assert_eq!(says(Some(&revoking)), "revoked");
}

/// A CA that is revoked makes a CA of its issuer's name, whose list does not know it.
#[test]
fn a_ca_does_not_vouch_for_itself_by_what_it_issued() {
    let (root, revoked) = (Holder::new("Root"), Holder::new("Revoked CA"));
    let [first, second] = [0, 1].map(|_| Holder::new("Root"));
    let root_der = root.self_signed();
    let untrusted = [
        root.issue(&revoked, &Spec::ca().serial(&[0x21])),
        revoked.issue(&first, &Spec::ca().serial(&[0x22])),
        first.issue(&second, &Spec::ca().serial(&[0x23]).with(subject(GENUINE))),
    ];
    let leaf = revoked.issue(&Holder::new("leaf"), &Spec::leaf("leaf.example"));
    let revoking = [(0x21, COMPROMISE)];
    let says = |genuine: Option<&[(u8, u8)]>| {
        let of_cas = [List::of(&revoked, 1, &[]), List::of(&first, 1, &[])];
        let genuine = genuine.map(|entries| list(&root, 5, GENUINE, entries));
        let forged = list(&second, HIGH, GENUINE, &[]);
        let lists: Vec<&List<'_>> = of_cas.iter().chain(&genuine).chain([&forged]).collect();
        asked(&leaf, &root_der, &untrusted, &lists)
    };
    assert_eq!(says(None), "revocation_unknown");
    assert_eq!(says(Some(&[])), "valid");
    assert_eq!(says(Some(&revoking)), "revoked");
}

/// After a rollover both keys sign lists, and the new one still names the old key.
#[test]
fn what_a_list_says_of_its_key_hides_no_other_list() {
    let [old, new] = [0, 1].map(|_| Holder::new("Root"));
    let old_der = old.issue(&old, &Spec::ca().with(subject(GENUINE)));
    let untrusted = [old.issue(&new, &Spec::ca().serial(&[0x21]).with(authority(GENUINE)))];
    let leaf = new.issue(&Holder::new("leaf"), &Spec::leaf("leaf.example"));
    let by_old = list(&old, 9, GENUINE, &[]);
    let by_new = |entries| list(&new, 3, GENUINE, entries);
    let says = |lists: &[&List<'_>]| asked(&leaf, &old_der, &untrusted, lists);
    assert_eq!(says(&[&by_old]), "valid", "one CA");
    assert_eq!(says(&[&by_old, &by_new(&[])]), "valid");
    assert_eq!(says(&[&by_old, &by_new(&[(0x42, COMPROMISE)])]), "revoked");
}

/// A CA that signs no lists itself has them signed by a key that its own issuer names.
#[test]
fn only_the_issuer_of_a_ca_appoints_another_key_for_its_lists() {
    let chain = Chain::new();
    let (root, evil) = (&chain.root, Holder::new("Evil CA"));
    let signs_lists = Holder::new("Intermediate");
    let mut silent = Spec::ca().serial(&[0x21]);
    silent.extensions[1] = extension(oid::KEY_USAGE, true, &[0x03, 0x02, 0x02, 0x04]);
    let ca = root.issue(&chain.intermediate, &silent);
    let spec = || Spec::ca().serial(&[0x22]);
    let evil_der = root.issue(&evil, &Spec::ca().serial(&[0x23]));
    let says = |signer: Vec<u8>, entries| {
        let untrusted = [ca.clone(), signer, evil_der.clone()];
        let lists = [List::of(root, 1, &[]), List::of(&evil, 1, &[])];
        let list = List::of(&signs_lists, 1, entries);
        let lists: Vec<&List<'_>> = lists.iter().chain([&list]).collect();
        asked(&chain.leaf_der, &chain.root_der, &untrusted, &lists)
    };
    assert_eq!(says(root.issue(&signs_lists, &spec()), &[]), "valid");
    assert_eq!(says(chain.intermediate.issue(&signs_lists, &spec()), &[]), "valid");
    assert_eq!(says(evil.issue(&signs_lists, &spec()), &[]), "revocation_unknown");
    let revoking = [(0x42, COMPROMISE)];
    assert_eq!(says(root.issue(&signs_lists, &spec()), &revoking), "revoked");
    assert_eq!(says(evil.issue(&signs_lists, &spec()), &revoking), "revoked");
}
