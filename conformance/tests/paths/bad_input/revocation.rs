//! Lists and responses that must not count.

use rustmq_conformance::forge::{Certificate, Crl, Extension, Key, Name, OcspResponse};
use rustmq_pki::oid;
use rustmq_pki::time::UnixTime;

use super::{Chain, Input, assert_codes, ca_key, leaf_key, root_key};
use crate::generate::NOW;

fn days(days: i64) -> UnixTime {
    UnixTime::from_seconds(NOW).plus_days(days)
}

fn list(issuer: &str) -> Crl {
    Crl::new(Name::cn(issuer), days(-1), days(1))
}

/// The root's list is good; the CA's is this one.
fn with_list(list: &Crl, signer: &Key) -> &'static str {
    let root = self::list("Root").sign(root_key());
    Input { crls: Some(vec![root, list.sign(signer)]), ..Chain::new().bytes() }.code()
}

fn changed(change: impl FnOnce(&mut Crl)) -> &'static str {
    let mut list = list("CA");
    change(&mut list);
    with_list(&list, ca_key())
}

#[test]
fn lists() {
    let unknown = "revocation_unknown";
    let delta = Extension::new(oid::DELTA_CRL_INDICATOR, vec![2, 1, 1]).critical();
    let other = [list("Root").sign(root_key()), list("Other").sign(ca_key())].to_vec();
    let other = Input { crls: Some(other), ..Chain::new().bytes() }.code();
    let none = Input { crls: Some(Vec::new()), ..Chain::new().bytes() }.code();
    let only_leaf = Input { crls: Some(vec![list("CA").sign(ca_key())]), ..Chain::new().bytes() };
    assert_codes(&[
        ("good", changed(|_| ()), "valid"),
        ("none", none, unknown),
        ("of another issuer", other, unknown),
        ("of the leaf's issuer only", only_leaf.code(), unknown),
        ("signed by somebody else", with_list(&list("CA"), leaf_key()), unknown),
        ("a broken signature", changed(|l| l.signature_broken = true), unknown),
        ("from the future", changed(|l| l.this_update = days(1)), unknown),
        ("expired", changed(|l| l.next_update = Some(days(-1))), unknown),
        ("without nextUpdate", changed(|l| l.next_update = None), unknown),
        ("an octet after the end", changed(|l| l.trailing = vec![0]), unknown),
        ("a critical unknown", changed(|l| l.extensions.push(Extension::unknown())), unknown),
        ("a delta without its base", changed(|l| l.extensions.push(delta)), unknown),
        ("an extension twice", changed(|l| l.extensions.push(Extension::crl_number(2))), unknown),
        ("that revokes the leaf", with_list(&list("CA").revoking(&[3]), ca_key()), "revoked"),
    ]);
    let root = list("Root").revoking(&[2]).sign(root_key());
    let lists = vec![root, list("CA").sign(ca_key())];
    let above = Input { crls: Some(lists), ..Chain::new().bytes() };
    assert_eq!(above.code(), "revoked");
}

#[test]
fn a_ca_without_crl_sign_signs_no_list() {
    let mut chain = Chain::new();
    chain.ca.extensions[1] = Extension::key_usage(rustmq_conformance::forge::usage::KEY_CERT_SIGN);
    let lists = vec![list("Root").sign(root_key()), list("CA").sign(ca_key())];
    assert_eq!(Input { crls: Some(lists), ..chain.bytes() }.code(), "revocation_unknown");
}

/// Every single octet of a list that revokes the leaf may be another one: it is never valid then.
#[test]
fn no_octet_of_a_list_makes_a_revoked_leaf_valid() {
    let root = list("Root").sign(root_key());
    let good = list("CA").revoking(&[3]).sign(ca_key());
    let chain = Chain::new().bytes();
    let mut input = Input { crls: Some(vec![root, good.clone()]), ..chain };
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1;
        let lists = input.crls.as_mut().expect("they were just given");
        lists[1] = bad;
        assert_ne!(input.code(), "valid", "octet {at}");
    }
}

fn response(issuer: &str, issuer_key: &Key, serial: &[u8]) -> OcspResponse {
    OcspResponse {
        issuer: Name::cn(issuer),
        issuer_key: issuer_key.octets(),
        serial: serial.to_vec(),
        revoked: false,
        this_update: days(-1),
        next_update: days(1),
        responder: Name::cn(issuer),
        certificates: Vec::new(),
        signature_broken: false,
    }
}

/// The root's response about the CA is good; the CA's about the leaf is this one.
fn answered(change: impl FnOnce(&mut OcspResponse), signer: &Key) -> &'static str {
    let above = response("Root", root_key(), &[2]).sign(root_key());
    let mut about = response("CA", ca_key(), &[3]);
    change(&mut about);
    Input { ocsp: vec![above, about.sign(signer)], ..Chain::new().bytes() }.code()
}

/// A responder with a certificate of `signer`.
fn delegated(signer: &Key, purposes: &[&[u8]]) -> Vec<u8> {
    let mut made = Certificate::new(Name::cn("CA"), Name::cn("Responder"), leaf_key().spki());
    made.serial = vec![4];
    made.extensions = vec![
        Extension::extended_key_usage(purposes),
        Extension::new(oid::OCSP_NO_CHECK, vec![5, 0]),
    ];
    made.sign(signer)
}

#[test]
fn responses() {
    let unknown = "revocation_unknown";
    let by_responder = |certificate: Vec<u8>| {
        answered(
            |r| {
                r.responder = Name::cn("Responder");
                r.certificates = vec![certificate];
            },
            leaf_key(),
        )
    };
    assert_codes(&[
        ("good", answered(|_| (), ca_key()), "valid"),
        ("of another serial", answered(|r| r.serial = vec![9], ca_key()), unknown),
        ("of another issuer's name", answered(|r| r.issuer = Name::cn("X"), ca_key()), unknown),
        ("of another issuer's key", answered(|r| r.issuer_key = vec![4; 65], ca_key()), unknown),
        ("signed by somebody else", answered(|_| (), leaf_key()), unknown),
        ("a broken signature", answered(|r| r.signature_broken = true, ca_key()), unknown),
        ("from the future", answered(|r| r.this_update = days(1), ca_key()), unknown),
        ("expired", answered(|r| r.next_update = days(-1), ca_key()), unknown),
        ("revoked", answered(|r| r.revoked = true, ca_key()), "revoked"),
        ("a responder of the CA", by_responder(delegated(ca_key(), &[oid::OCSP_SIGNING])), "valid"),
        ("without its purpose", by_responder(delegated(ca_key(), &[oid::SERVER_AUTH])), unknown),
        ("of another CA", by_responder(delegated(root_key(), &[oid::OCSP_SIGNING])), unknown),
    ]);
    let junk = Input { ocsp: vec![vec![0x30, 0]], ..Chain::new().bytes() };
    assert_eq!(junk.code(), unknown);
}
