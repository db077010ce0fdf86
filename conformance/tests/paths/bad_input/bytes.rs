//! Bytes that are no certificate, or none that anybody signed.

use rustmq_conformance::forge::{Certificate, KeyKind, Name, key};

use super::{Chain, Input, assert_codes, ca_key, root_key};

fn with_leaf(leaf: Vec<u8>) -> &'static str {
    Input { leaf, ..Chain::new().bytes() }.code()
}

/// The certificate with an indefinite length, as BER allows and DER does not.
fn indefinite(der: &[u8]) -> Vec<u8> {
    [&[0x30, 0x80], &der[4..], &[0, 0]].concat()
}

/// The certificate with a length of three octets where two are enough.
fn long_length(der: &[u8]) -> Vec<u8> {
    [&[0x30, 0x83, 0], &der[2..]].concat()
}

#[test]
fn what_is_no_certificate() {
    let good = Chain::new().bytes().leaf;
    assert_eq!(good[..2], [0x30, 0x82], "the length takes two octets");
    assert_codes(&[
        ("nothing", with_leaf(Vec::new()), "malformed"),
        ("a NULL", with_leaf(vec![5, 0]), "malformed"),
        ("text", with_leaf(b"-----BEGIN CERTIFICATE-----".to_vec()), "malformed"),
        ("an octet too many", with_leaf([&good[..], &[0]].concat()), "malformed"),
        ("two certificates", with_leaf([&good[..], &good[..]].concat()), "malformed"),
        ("an indefinite length", with_leaf(indefinite(&good)), "malformed"),
        ("an overlong length", with_leaf(long_length(&good)), "malformed"),
        (
            "a length beyond memory",
            with_leaf(b"\x30\x88\x7f\xff\xff\xff\xff\xff\xff\xff".to_vec()),
            "malformed",
        ),
        ("only opening brackets", with_leaf([0x30, 0x80].repeat(50_000)), "malformed"),
    ]);
}

#[test]
fn sizes_and_counts() {
    let large = |chain: &mut Chain| {
        let text = "x".repeat(1 << 20);
        chain.leaf.subject = Name::cn(&text).der();
    };
    let many = |count: usize| {
        let mut input = Chain::new().bytes();
        input.untrusted = vec![input.untrusted[0].clone(); count];
        input.code()
    };
    let no_anchor = Input { anchors: Vec::new(), ..Chain::new().bytes() };
    let junk_anchor = Input { anchors: vec![vec![0; 64]], ..Chain::new().bytes() };
    assert_codes(&[
        ("a certificate of one megabyte", Chain::spoiled(large), "certificate_too_large"),
        ("10,000 certificates", many(10_000), "too_many_certificates"),
        ("1,000 copies of the right one", many(1_000), "valid"),
        ("no anchor", no_anchor.code(), "no_trust_anchor"),
        ("an anchor that cannot be read", junk_anchor.code(), "no_trust_anchor"),
    ]);
}

/// 4,000 certificates of the issuer's name, each of another key, before the right one.
#[test]
fn junk_of_the_right_name_is_tried_within_the_budget() {
    let mut input = Chain::new().bytes();
    let right = input.untrusted.remove(0);
    let mut junk = Certificate::new(Name::cn("Nowhere"), Name::cn("CA"), root_key().spki());
    junk.extensions = super::ca_extensions(root_key(), root_key());
    for serial in 0..4_000_u16 {
        junk.serial = [vec![1], serial.to_be_bytes().to_vec()].concat();
        input.untrusted.push(junk.sign(root_key()));
    }
    input.untrusted.push(right);
    assert_eq!(input.code(), "valid");
    input.untrusted.pop();
    assert_ne!(input.code(), "valid");
}

/// 300 lookalikes with the issuer's name and key identifier and other keys: more than fit into a TLS
/// handshake, and each costs a signature.
#[test]
fn lookalikes_do_not_hide_the_issuer() {
    let mut input = Chain::new().bytes();
    let mut look = Chain::new().ca;
    for number in 0..300_u16 {
        look.spki = key(KeyKind::P256, 8_000 + usize::from(number)).spki();
        look.serial = [vec![2], number.to_be_bytes().to_vec()].concat();
        input.untrusted.insert(0, look.sign(root_key()));
    }
    assert_eq!(input.code(), "valid");
}

/// No octet of a certificate or list can be another one, and none can be missing at the end.
#[test]
fn every_octet_counts() {
    let chain = Chain::new();
    let good = chain.bytes();
    for at in 0..good.leaf.len() {
        for turned in [1_u8, 0x80] {
            let mut leaf = good.leaf.clone();
            leaf[at] ^= turned;
            assert_ne!(with_leaf(leaf), "valid", "octet {at} of the leaf");
        }
        assert_eq!(with_leaf(good.leaf[..at].to_vec()), "malformed", "cut at {at}");
    }
    for at in 0..good.untrusted[0].len() {
        let mut input = Chain::new().bytes();
        input.untrusted[0] = good.untrusted[0].clone();
        input.untrusted[0][at] ^= 1;
        input.leaf.clone_from(&good.leaf);
        assert_ne!(input.code(), "valid", "octet {at} of the intermediate");
    }
}

#[test]
fn signatures() {
    assert_codes(&[
        ("a turned bit", Chain::spoiled(|c| c.leaf.signature_broken = true), "signature_invalid"),
        ("one above", Chain::spoiled(|c| c.ca.signature_broken = true), "signature_invalid"),
    ]);
    let chain = Chain::new();
    let own = Input { leaf: chain.leaf.sign(super::leaf_key()), ..chain.bytes() };
    assert_eq!(own.code(), "signature_invalid");
    let other = Input { leaf: chain.leaf.sign(ca_key()), untrusted: Vec::new(), ..chain.bytes() };
    assert_eq!(other.code(), "no_path_to_anchor");
}
