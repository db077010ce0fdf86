//! Certificates with a field that is wrong.

use rustmq_conformance::forge::{
    Extension, GeneralName, KeyKind, Name, Subtree, Version, algorithm, der, key, usage,
};
use rustmq_pki::der::tag;
use rustmq_pki::oid;
use rustmq_pki::time::UnixTime;

use super::{Chain, Input, assert_codes, root_key};
use crate::generate::NOW;

#[test]
fn versions_serials_and_algorithms() {
    let both = |algorithm: &'static [u8]| {
        Chain::spoiled(|c| {
            c.leaf.inner_algorithm = Some(algorithm.to_vec());
            c.leaf.outer_algorithm = Some(algorithm.to_vec());
        })
    };
    let inner = |c: &mut Chain| c.leaf.inner_algorithm = Some(key(KeyKind::Ed25519, 0).algorithm());
    let v1_ca = |c: &mut Chain| {
        c.ca.version = Version::Absent;
        c.ca.extensions.clear();
    };
    assert_codes(&[
        ("version 7", Chain::spoiled(|c| c.leaf.version = Version::Number(6)), "malformed"),
        (
            "extensions in version 1",
            Chain::spoiled(|c| c.leaf.version = Version::Absent),
            "malformed",
        ),
        ("a CA of version 1", Chain::spoiled(v1_ca), "not_a_ca"),
        ("an empty serial", Chain::spoiled(|c| c.leaf.serial = Vec::new()), "malformed"),
        ("a padded serial", Chain::spoiled(|c| c.leaf.serial = vec![0, 1]), "malformed"),
        ("a negative serial", Chain::judged(|c| c.leaf.serial = vec![0xff]), "serial_negative"),
        ("serial zero", Chain::judged(|c| c.leaf.serial = vec![0]), "serial_zero"),
        ("21 octets", Chain::judged(|c| c.leaf.serial = vec![1; 21]), "serial_too_long"),
        ("MD5", both(algorithm::MD5_WITH_RSA), "signature_algorithm_weak"),
        ("RSA with SHA-1", both(algorithm::SHA1_WITH_RSA), "signature_algorithm_weak"),
        ("ECDSA with SHA-1", both(algorithm::ECDSA_WITH_SHA1), "signature_algorithm_weak"),
        ("unknown", both(algorithm::UNKNOWN), "signature_algorithm_unsupported"),
        ("two algorithms", Chain::spoiled(inner), "signature_algorithm_mismatch"),
    ]);
}

#[test]
fn extensions() {
    let push = |extension: Extension| Chain::spoiled(|c| c.leaf.extensions.push(extension));
    let on_ca = |extension: Extension| Chain::spoiled(|c| c.ca.extensions.push(extension));
    let twice = Extension::key_usage(usage::DIGITAL_SIGNATURE);
    let many = |c: &mut Chain| {
        for number in 0..=64 {
            let kind = [b"\x2b\x06\x01\x04\x01\x86\x8d\x1f\x63".as_slice(), &[number]].concat();
            c.leaf.extensions.push(Extension::new(&kind, vec![5, 0]));
        }
    };
    let garbage = |kind: &[u8]| Extension::new(kind, vec![0x30, 0x05, 1]);
    let negative = Extension::new(oid::BASIC_CONSTRAINTS, vec![0x30, 6, 1, 1, 0xff, 2, 1, 0xff]);
    let instead = |extension: Extension| Chain::spoiled(|c| c.ca.extensions[0] = extension);
    assert_codes(&[
        ("one twice", push(twice), "malformed"),
        ("65 and more", Chain::spoiled(many), "malformed"),
        ("unknown and critical", push(Extension::unknown()), "unknown_critical_extension"),
        ("the same in a CA", on_ca(Extension::unknown()), "unknown_critical_extension"),
        ("a broken policy list", push(garbage(oid::CERTIFICATE_POLICIES)), "malformed"),
        ("a negative path length", instead(negative), "no_path_to_anchor"),
        ("no CA", instead(Extension::basic_constraints(false, None)), "not_a_ca"),
    ]);
}

#[test]
fn name_constraints() {
    let constrained = |subtree: Subtree| {
        Chain::spoiled(|c| c.ca.extensions.push(Extension::name_constraints(&[subtree], &[])))
    };
    let plain = |name: GeneralName| constrained(name.into());
    let good = || GeneralName::Dns("good.test".to_owned());
    let registered = GeneralName::RegisteredId(vec![0x2a, 3]);
    let same_form = Chain::spoiled(|c| {
        let subtree = registered.clone().into();
        c.ca.extensions.push(Extension::name_constraints(&[subtree], &[]));
        c.leaf.extensions[3] = Extension::subject_alt_name(std::slice::from_ref(&registered));
    });
    assert_codes(&[
        (
            "a range of five octets",
            plain(GeneralName::Ip(vec![10; 5])),
            "name_constraint_malformed",
        ),
        (
            "a mask with holes",
            plain(GeneralName::Ip(vec![10, 0, 0, 0, 255, 0, 255, 0])),
            "name_constraint_malformed",
        ),
        (
            "a minimum",
            constrained(Subtree { base: good(), minimum: 1, maximum: None }),
            "name_constraint_malformed",
        ),
        (
            "a maximum",
            constrained(Subtree { base: good(), minimum: 0, maximum: Some(9) }),
            "name_constraint_malformed",
        ),
        ("an unknown form", same_form, "name_constraint_unsupported"),
        ("another domain", plain(GeneralName::Dns("bad.test".to_owned())), "name_not_permitted"),
    ]);
}

#[test]
fn anchors() {
    let leaf = |c: &mut Chain| c.root.extensions = vec![Extension::basic_constraints(false, None)];
    let chain = Chain::new();
    let by_leaf = Input { anchors: vec![chain.bytes().leaf], ..chain.bytes() };
    let stranger = Input {
        anchors: vec![Chain::new().ca.sign(root_key())],
        untrusted: Vec::new(),
        ..chain.bytes()
    };
    assert_codes(&[
        ("a root that is no CA", Chain::spoiled(leaf), "anchor_not_ca"),
        ("the leaf itself", by_leaf.code(), "no_path_to_anchor"),
        ("an intermediate", stranger.code(), "valid"),
    ]);
}

/// A Time of any form.
fn time(form: u8, text: &str) -> Vec<u8> {
    der(|out| _ = out.value(form, text.as_bytes()))
}

#[test]
fn dates() {
    let after = |time: Vec<u8>| Chain::spoiled(|c| c.leaf.not_after = time);
    let between = |from: i64, to: i64, at: i64| {
        let mut chain = Chain::new();
        let (from, to) = (UnixTime::from_seconds(from), UnixTime::from_seconds(to));
        for certificate in [&mut chain.root, &mut chain.ca, &mut chain.leaf] {
            certificate.valid(from, to);
        }
        Input { at: Some(at), ..chain.bytes() }.code()
    };
    let before_1970 = Input { at: Some(-1), ..Chain::new().bytes() }.code();
    let year_zero = Input { at: Some(i64::MIN), ..Chain::new().bytes() }.code();
    let end_of_time = Input { at: Some(i64::MAX), ..Chain::new().bytes() }.code();
    assert_codes(&[
        ("no seconds", after(time(tag::UTC_TIME, "4001010000Z")), "malformed"),
        ("an offset", after(time(tag::UTC_TIME, "400101000000+0100")), "malformed"),
        ("no zone", after(time(tag::UTC_TIME, "400101000000")), "malformed"),
        ("a fraction", after(time(tag::GENERALIZED_TIME, "20600101000000.5Z")), "malformed"),
        ("a month too many", after(time(tag::UTC_TIME, "401301000000Z")), "malformed"),
        ("30 February", after(time(tag::UTC_TIME, "400230000000Z")), "malformed"),
        ("text", after(time(tag::UTF8_STRING, "400101000000Z")), "malformed"),
        ("after its end", between(0, NOW - 1, NOW), "expired"),
        ("before its start", between(NOW + 1, NOW + 2, NOW), "not_yet_valid"),
        ("at its last second", between(NOW, NOW, NOW), "valid"),
        ("a clock of 1969", before_1970, "not_yet_valid"),
        ("a clock before all years", year_zero, "not_yet_valid"),
        ("a clock after all years", end_of_time, "expired"),
        ("valid in 1965", between(-200_000_000, -100_000_000, -150_000_000), "valid"),
    ]);
}

#[test]
fn paths_that_are_too_long() {
    let mut input = Chain::new().bytes();
    input.untrusted.clear();
    let count = 40;
    for level in 0..count {
        let issuer = if level == 0 { "Root".to_owned() } else { format!("CA {level}") };
        let subject =
            if level + 1 == count { "CA".to_owned() } else { format!("CA {}", level + 1) };
        let (signer, own) = match (level, level + 1 == count) {
            (0, _) => (root_key(), key(KeyKind::P256, 7_100)),
            (_, true) => (key(KeyKind::P256, 7_099 + level), super::ca_key()),
            _ => (key(KeyKind::P256, 7_099 + level), key(KeyKind::P256, 7_100 + level)),
        };
        let mut ca = rustmq_conformance::forge::Certificate::new(
            Name::cn(&issuer),
            Name::cn(&subject),
            own.spki(),
        );
        ca.extensions = super::ca_extensions(own, signer);
        input.untrusted.push(ca.sign(signer));
    }
    assert_eq!(input.code(), "max_depth_exceeded");
}
