//! Bags that were made to cost time, and junk beside a good path.

use crate::issue::{
    Holder, Spec, extension, name, now, oid as oid_der, purposes, role, sans, seq, time, tlv, uri,
};
use crate::{Chain, code, question};
use rustls_pki_types::CertificateDer;
use rustmq_auth::revocation::{Crl, StatusPolicy};
use rustmq_auth::{AuthenticationManager, Question, Refusal, Trust};
use rustmq_pki::oid;
use std::sync::Arc;

/// Every CA certifies every other: `count * (count - 1)` certificates, and no anchor among them.
fn mesh(count: usize) -> (Vec<Holder>, Vec<Vec<u8>>) {
    mesh_of(count, Spec::ca)
}

fn mesh_of(count: usize, spec: impl Fn() -> Spec) -> (Vec<Holder>, Vec<Vec<u8>>) {
    let holders: Vec<_> = (0..count).map(|number| Holder::new(&format!("CA {number}"))).collect();
    let mut certificates = Vec::new();
    for issuer in &holders {
        for subject in holders.iter().filter(|subject| subject.name != issuer.name) {
            certificates.push(issuer.issue(subject, &spec()));
        }
    }
    (holders, certificates)
}

#[test]
fn fifty_cross_signed_certificates_end_with_the_budget() {
    let (holders, certificates) = mesh(8);
    assert!(certificates.len() > 50);
    let leaf = holders[0].issue(&Holder::new("peer"), &Spec::leaf("a.example"));
    let root = Holder::new("Root").self_signed();
    let untrusted: Vec<&[u8]> = certificates.iter().map(Vec::as_slice).collect();
    let anchors = [root.as_slice()];
    let answer = question(&leaf, &untrusted, &anchors).ask();
    assert_eq!(code(&answer), "budget_exceeded");
    let [signatures, steps, names, _] = answer.explanation.work;
    assert_eq!(steps, 5_000, "the documented number of partial paths");
    // Each signature once: the leaf's under one key, each of the 56 under its issuer's.
    assert!(signatures <= 57, "{signatures} signatures");
    assert!(names <= 250_000);
}

#[test]
fn a_good_path_is_found_in_the_middle_of_the_mesh() {
    let (holders, mut certificates) = mesh(8);
    let root = Holder::new("Root");
    let leaf = holders[0].issue(&Holder::new("peer"), &Spec::leaf("a.example"));
    certificates.push(root.issue(&holders[7], &Spec::ca()));
    let root = root.self_signed();
    let untrusted: Vec<&[u8]> = certificates.iter().map(Vec::as_slice).collect();
    let anchors = [root.as_slice()];
    let answer = question(&leaf, &untrusted, &anchors).ask();
    assert_eq!(code(&answer), "valid");
}

/// 400 certificates with the name and the key identifier of the good intermediate.
#[test]
fn junk_neither_evicts_nor_refuses_a_good_path() {
    let chain = Chain::new();
    let forger = Holder::new("Root");
    let ski = extension(oid::SUBJECT_KEY_IDENTIFIER, false, &tlv(0x04, &[7; 20]));
    let mut junk: Vec<_> = (0..200)
        .map(|_| forger.issue(&Holder::new("Intermediate"), &Spec::ca().with(ski.clone())))
        .collect();
    // The right key under a wrong signature: it verifies the leaf, and the root does not verify it.
    junk.extend(
        (0..200)
            .map(|_| Holder::new("Root").issue(&chain.intermediate, &Spec::ca().with(ski.clone()))),
    );
    junk.push(chain.intermediate_der.clone());
    let untrusted: Vec<&[u8]> = junk.iter().map(Vec::as_slice).collect();
    let anchors = [chain.root_der.as_slice()];
    assert_eq!(code(&question(&chain.leaf_der, &untrusted, &anchors).ask()), "valid");
}

#[test]
fn a_long_chain_is_refused_by_its_length() {
    let holders: Vec<_> = (0..40).map(|number| Holder::new(&format!("CA {number}"))).collect();
    let certificates: Vec<_> =
        holders.windows(2).map(|pair| pair[0].issue(&pair[1], &Spec::ca())).collect();
    let leaf = holders[39].issue(&Holder::new("peer"), &Spec::leaf("a.example"));
    let root = holders[0].self_signed();
    let untrusted: Vec<&[u8]> = certificates.iter().map(Vec::as_slice).collect();
    let anchors = [root.as_slice()];
    assert_eq!(code(&question(&leaf, &untrusted, &anchors).ask()), "max_depth_exceeded");
}

#[test]
fn many_names_against_many_constraints_end_with_the_budget() {
    let (root, intermediate) = (Holder::new("Root"), Holder::new("Intermediate"));
    let host = |number: usize| tlv(0x82, format!("h{number}.example").as_bytes());
    let subtrees: Vec<u8> = (0..1_000).flat_map(|number| tlv(0x30, &host(number))).collect();
    let constraints = tlv(0x30, &tlv(0xa0, &subtrees));
    let spec = Spec::ca().with(extension(oid::NAME_CONSTRAINTS, true, &constraints));
    let intermediate_der = root.issue(&intermediate, &spec);
    let names: Vec<u8> = (0..1_000).flat_map(host).collect();
    let mut spec = Spec::leaf("h1.example");
    spec.extensions[0] = extension(oid::SUBJECT_ALT_NAME, false, &tlv(0x30, &names));
    let leaf = intermediate.issue(&Holder::new("peer"), &spec);
    let root = root.self_signed();
    let (untrusted, anchors) = ([intermediate_der.as_slice()], [root.as_slice()]);
    assert_eq!(code(&question(&leaf, &untrusted, &anchors).ask()), "budget_exceeded");
}

#[test]
fn long_names_count_for_more_than_short_ones() {
    // Each name differs from each constraint in its last letter only, and has to be folded.
    let directory = |last: String| tlv(0xa4, &name(&("\u{e4}".repeat(400) + &last)));
    let verdict = |constraints: usize, names: usize| {
        let base = |n| tlv(0x30, &directory(format!("base {n}")));
        let subtrees: Vec<u8> = (0..constraints).flat_map(base).collect();
        let excluded = tlv(0x30, &tlv(0xa1, &subtrees));
        let (root, ca) = (Holder::new("Root"), Holder::new("CA"));
        let limited = Spec::ca().with(extension(oid::NAME_CONSTRAINTS, true, &excluded));
        let mut spec = Spec::leaf("a.example");
        spec.extensions[0] =
            sans(&[&(0..names).flat_map(|n| directory(format!("name {n}"))).collect::<Vec<u8>>()]);
        let (root_der, ca_der) = (root.self_signed(), root.issue(&ca, &limited));
        let leaf = ca.issue(&Holder::new("peer"), &spec);
        code(&question(&leaf, &[&ca_der], &[&root_der]).ask())
    };
    assert_eq!(verdict(5, 10), "valid");
    assert_eq!(verdict(10, 10), "budget_exceeded");
}

#[test]
fn names_of_a_bag_count_by_their_length_too() {
    let long = |last: String| "\u{e4}".repeat(100) + &last;
    let verdict = |junk: usize| {
        let (root, ca) = (Holder::new("Root"), Holder::new(&long("CA".to_owned())));
        let (root_der, ca_der) = (root.self_signed(), root.issue(&ca, &Spec::ca()));
        let leaf = ca.issue(&Holder::new("peer"), &Spec::leaf("a.example"));
        let other = |n| root.issue(&Holder::new(&long(format!("no {n}"))), &Spec::ca());
        let junk: Vec<Vec<u8>> = (0..junk).map(other).collect();
        let untrusted: Vec<&[u8]> = junk.iter().chain([&ca_der]).map(Vec::as_slice).collect();
        code(&question(&leaf, &untrusted, &[&root_der]).ask())
    };
    assert_eq!(verdict(50), "valid");
    assert_eq!(verdict(400), "budget_exceeded");
}

#[test]
fn plain_names_of_any_length_cost_little() {
    // Above 127 octets a length is no ASCII.
    let long = |last: String| format!("{}{last}", "organisational-unit-".repeat(10));
    let (root, ca) = (Holder::new("Root"), Holder::new(&long("CA".to_owned())));
    let (root_der, ca_der) = (root.self_signed(), root.issue(&ca, &Spec::ca()));
    let leaf = ca.issue(&Holder::new("peer"), &Spec::leaf("a.example"));
    let other = |n| root.issue(&Holder::new(&long(format!("no {n}"))), &Spec::ca());
    let others: Vec<Vec<u8>> = (0..400).map(other).collect();
    let untrusted: Vec<&[u8]> = others.iter().chain([&ca_der]).map(Vec::as_slice).collect();
    assert_eq!(code(&question(&leaf, &untrusted, &[&root_der]).ask()), "valid");
}

/// A leaf with a subject of 40 kB that triples when it is shown, and 70 CAs of its issuer's name none
/// of which signed it.
fn flight_of_long_names() -> Vec<Vec<u8>> {
    let issuer = Holder::new("n");
    let leaf = Spec::leaf("a.example").with(role("client"));
    let leaf = issuer.issue(&Holder::new(&"\u{1}".repeat(40_000)), &leaf);
    std::iter::once(leaf).chain((0..70).map(|_| Holder::new("n").self_signed())).collect()
}

#[test]
fn a_certificate_is_put_in_words_once_however_many_paths_fail() {
    let flight = flight_of_long_names();
    let untrusted: Vec<&[u8]> = flight[1..].iter().map(Vec::as_slice).collect();
    let root = Holder::new("Root").self_signed();
    let anchors = [root.as_slice()];
    let answer = question(&flight[0], &untrusted, &anchors).ask();
    let tried = &answer.explanation.tried;
    assert_eq!((code(&answer), tried.len()), ("signature_invalid", 64));
    let label = answer.result.as_ref().unwrap_err().certificate.as_ref().unwrap();
    for path in tried {
        let at_fault = path.refusal.certificate.as_ref().unwrap();
        assert!(Arc::ptr_eq(at_fault, label) && Arc::ptr_eq(&path.certificates[0], label));
    }
}

#[test]
fn a_refusal_that_is_remembered_has_little_text() {
    let flight: Vec<CertificateDer<'_>> =
        flight_of_long_names().into_iter().map(CertificateDer::from).collect();
    let trust = Trust { anchors: vec![Holder::new("Root").self_signed()], ..Trust::default() };
    let manager = AuthenticationManager::new(&trust, now()).unwrap();
    let refusals = [(); 2].map(|()| manager.authenticate(&flight, now()).unwrap_err());
    let words = |refusal: &Refusal| refusal.certificate.clone().unwrap();
    let [first, again] = refusals.each_ref().map(words);
    assert!(Arc::ptr_eq(&first, &again), "the second is the one that was remembered");
    assert!(first.subject.starts_with("CN=\\01\\01") && first.subject.ends_with(" [cut]"));
    let text = [&first.subject, &first.issuer, &first.serial].map(String::len);
    assert!(text.iter().sum::<usize>() < 1_100 && refusals[0].to_string().len() < 100, "{text:?}");
}

/// A name of many attributes, the last of which is `last`.
fn attributes(count: usize, last: &str) -> Vec<u8> {
    let attribute =
        |value: &str| tlv(0x31, &seq(&[&oid_der(oid::COMMON_NAME), &tlv(0x0c, value.as_bytes())]));
    let first = attribute("a").repeat(count - 1);
    seq(&[&first, &attribute(last)])
}

/// The answer for a leaf with this subjectAltName below a CA that excludes these subtrees, and what
/// comparing names took.
fn under_constraints(excluded: &[Vec<u8>], names: &[Vec<u8>]) -> (&'static str, u32) {
    let subtrees: Vec<u8> = excluded.iter().flat_map(|base| tlv(0x30, base)).collect();
    let constraints = tlv(0x30, &tlv(0xa1, &subtrees));
    let (root, ca) = (Holder::new("Root"), Holder::new("CA"));
    let limited = Spec::ca().with(extension(oid::NAME_CONSTRAINTS, true, &constraints));
    let mut spec = Spec::leaf("a.example");
    spec.extensions[0] = sans(&[&names.concat()]);
    let (root_der, ca_der) = (root.self_signed(), root.issue(&ca, &limited));
    let leaf = ca.issue(&Holder::new("peer"), &spec);
    let (untrusted, anchors) = ([ca_der.as_slice()], [root_der.as_slice()]);
    let answer = question(&leaf, &untrusted, &anchors).ask();
    (code(&answer), answer.explanation.work[2])
}

#[test]
fn each_attribute_that_is_walked_counts() {
    let name = [tlv(0xa4, &attributes(200, "z"))];
    let same_start = |count| vec![tlv(0xa4, &attributes(100, "b")); count];
    let (verdict, names) = under_constraints(&same_start(100), &name);
    assert_eq!(verdict, "valid");
    assert!(names >= 100 * 100, "{names}");
    let names = vec![name[0].clone(); 10];
    assert_eq!(under_constraints(&same_start(300), &names).0, "budget_exceeded");
}

#[test]
fn an_attribute_that_is_not_walked_does_not_count() {
    let name = [tlv(0xa4, &attributes(5_000, "z"))];
    let other_start = vec![tlv(0xa4, &attributes(1, "b")); 1_000];
    let (verdict, names) = under_constraints(&other_start, &name);
    assert_eq!(verdict, "valid");
    assert!(names < 30_000, "{names}");
}

#[test]
fn a_certificate_of_a_thousand_names_is_good_below_fifty_constraints() {
    let dns = |number: usize| tlv(0x82, format!("host-{number}.department.example").as_bytes());
    let excluded: Vec<_> =
        (0..50).map(|n| tlv(0x82, format!("excluded-{n}.example.com").as_bytes())).collect();
    let names: Vec<_> = (0..1_000).map(dns).collect();
    assert_eq!(under_constraints(&excluded, &names).0, "valid");
}

#[test]
fn a_good_ca_is_found_among_five_hundred_of_its_name() {
    let chain = Chain::new();
    let mut bag: Vec<_> = (0..499).map(|_| Holder::new("Intermediate").self_signed()).collect();
    bag.push(chain.intermediate_der.clone());
    let untrusted: Vec<&[u8]> = bag.iter().map(Vec::as_slice).collect();
    let anchors = [chain.root_der.as_slice()];
    let answer = question(&chain.leaf_der, &untrusted, &anchors).ask();
    assert_eq!(code(&answer), "valid");
}

#[test]
fn finding_out_whether_a_long_name_is_its_own_issuer_counts() {
    let root = Holder::new("Root");
    let names = |length: usize| {
        let [lower, upper] =
            ["lower", "upper"].map(|l| Holder::new(&("\u{e4}".repeat(length) + l)));
        let [low, up] = [upper.issue(&lower, &Spec::ca()), root.issue(&upper, &Spec::ca())];
        let leaf = lower.issue(&Holder::new("peer"), &Spec::leaf("a.example"));
        let root = root.self_signed();
        let (untrusted, anchors) = ([low.as_slice(), up.as_slice()], [root.as_slice()]);
        let answer = question(&leaf, &untrusted, &anchors).ask();
        assert_eq!(code(&answer), "valid");
        answer.explanation.work[2]
    };
    // For each letter looking for issuers counts 32, and what is to be found out of both CAs 12.
    let (short, long) = (names(10), names(1_000));
    assert!(long - short >= 44 * 990, "{short} {long}");
}

#[test]
fn large_certificates_are_visited_less_often() {
    let failed = |purposes_of_a_ca: usize| {
        let list = vec![oid::CLIENT_AUTH; purposes_of_a_ca];
        let (holders, certificates) = mesh_of(8, || Spec::ca().with(purposes(&list)));
        let leaf = holders[0].issue(&Holder::new("peer"), &Spec::leaf("a.example"));
        let root = Holder::new("Root").self_signed();
        let untrusted: Vec<&[u8]> = certificates.iter().map(Vec::as_slice).collect();
        let anchors = [root.as_slice()];
        let answer = question(&leaf, &untrusted, &anchors).ask();
        assert_eq!(code(&answer), "budget_exceeded");
        answer.explanation.tried.len() + answer.explanation.untold
    };
    assert!(failed(1_000) * 4 < failed(1));
}

/// A CA with a policy that is mapped to each of many others, and a leaf with the first of them.
fn under_mappings(count: u16) -> (&'static str, u32) {
    let policy = |number: u16| {
        let [high, low] = ((number + 128) << 1).to_be_bytes();
        [0x2a, 3, 0x80 | high, low >> 1]
    };
    let stated = |policies: &[[u8; 4]]| {
        let list: Vec<u8> = policies.iter().flat_map(|p| seq(&[&oid_der(p)])).collect();
        extension(oid::CERTIFICATE_POLICIES, false, &tlv(0x30, &list))
    };
    let mapping = |number| seq(&[&oid_der(&policy(number)), &oid_der(&policy(number + 1))]);
    let mappings: Vec<u8> = (1..=count).flat_map(mapping).collect();
    let mappings = extension(oid::POLICY_MAPPINGS, true, &tlv(0x30, &mappings));
    let (root, ca) = (Holder::new("Root"), Holder::new("CA"));
    let ca_der = root.issue(&ca, &Spec::ca().with(stated(&[policy(1)])).with(mappings));
    let leaf = Spec::leaf("a.example").with(stated(&[policy(2)]));
    let (leaf, root) = (ca.issue(&Holder::new("peer"), &leaf), root.self_signed());
    let (untrusted, anchors) = ([ca_der.as_slice()], [root.as_slice()]);
    let mut question = question(&leaf, &untrusted, &anchors);
    question.terms.policy.require_explicit = true;
    let answer = question.ask();
    (code(&answer), answer.explanation.work[3])
}

#[test]
fn mappings_count_by_the_length_of_their_list() {
    assert_eq!(under_mappings(100).0, "valid");
    let (verdict, nodes) = under_mappings(3_000);
    assert_eq!(verdict, "budget_exceeded");
    assert!(nodes < 300, "{nodes} of the list were looked for");
}

/// A list of the root for one part of its certificates.
fn part(root: &Holder, number: usize) -> Crl {
    let place = tlv(0xa0, &tlv(0xa0, &uri(&format!("http://crl.example/{number}"))));
    let extensions = [
        extension(oid::CRL_NUMBER, false, &tlv(0x02, &[1])),
        extension(oid::ISSUING_DISTRIBUTION_POINT, true, &seq(&[&place])),
    ];
    let tbs = seq(&[
        &[0x02, 0x01, 0x01],
        &seq(&[&oid_der(oid::ECDSA_WITH_SHA256)]),
        &name(&root.name),
        &time(now().plus_days(-1)),
        &time(now().plus_days(1)),
        &tlv(0xa0, &tlv(0x30, &extensions.concat())),
    ]);
    Crl::from_der(&root.sign(&tbs, &[])).unwrap()
}

/// Each point of the certificate, and each of its names, is compared with each list.
#[test]
fn distribution_points_cost_what_is_compared() {
    let root = Holder::new("Root");
    let crls: Vec<_> = (0..40).map(|number| part(&root, number)).collect();
    let root_der = root.self_signed();
    let asked = |points: usize, names: &[String]| {
        let names: Vec<u8> = names.iter().flat_map(|name| uri(name)).collect();
        let point = seq(&[&tlv(0xa0, &tlv(0xa0, &names))]);
        let points =
            extension(oid::CRL_DISTRIBUTION_POINTS, false, &tlv(0x30, &point.repeat(points)));
        let leaf = root.issue(&Holder::new("peer"), &Spec::leaf("a.example").with(points));
        let anchors = [root_der.as_slice()];
        let status = StatusPolicy::Required;
        let question = Question { crls: &crls, status, ..question(&leaf, &[], &anchors) };
        let answer = question.ask();
        (code(&answer), answer.explanation.work[2])
    };
    let (plain, work) = asked(1, &["http://crl.example/39".to_owned()]);
    assert!(plain == "valid" && work < 2_000, "{plain}, {work} comparisons");
    assert_eq!(asked(5_000, &["x".to_owned()]).0, "budget_exceeded");
    assert_eq!(asked(1, &vec!["x".to_owned(); 15_000]).0, "budget_exceeded");
}
