//! Input that no conforming CA or peer makes, and the reason that it is refused with.

use crate::issue::{
    Holder, Spec, dns, extension, name, now, oid as oid_der, purposes, sans, seq, tlv,
};
use crate::{Chain, code, question};
use rustmq_auth::{Question, ReferenceName, Rule, RuleSet, Terms, certificate_findings};
use rustmq_pki::oid;
use rustmq_pki::time::UnixTime;

/// Asks about a leaf under the intermediate of a chain.
fn leaf_code(spec: &Spec, terms: Terms, names: &[ReferenceName]) -> &'static str {
    let chain = Chain::with_leaf(spec);
    let anchors = [chain.root_der.as_slice()];
    let untrusted = [chain.intermediate_der.as_slice()];
    let question = Question { terms, names, ..question(&chain.leaf_der, &untrusted, &anchors) };
    code(&question.ask())
}

fn at(at: UnixTime) -> Terms {
    Terms { at, ..Terms::default() }
}

#[test]
fn bytes_that_are_no_certificate() {
    let chain = Chain::new();
    let anchors = [chain.root_der.as_slice()];
    let asked = |leaf: &[u8]| code(&question(leaf, &[], &anchors).ask());
    assert_eq!(asked(&[]), "malformed");
    assert_eq!(asked(&[0x30, 0x80, 0, 0]), "malformed");
    let mut longer = chain.leaf_der.clone();
    longer.push(0);
    assert_eq!(asked(&longer), "malformed");
    assert_eq!(asked(&vec![0x30; 1 << 20]), "certificate_too_large");
    let twice = Spec::leaf("a.example").with(sans(&[&dns("b.example")]));
    assert_eq!(leaf_code(&twice, at(now()), &[]), "malformed");
}

#[test]
fn malformed_helpers_are_skipped_and_explained() {
    let chain = Chain::new();
    let anchors = [&b"junk"[..], &chain.root_der];
    let untrusted = [&b"junk"[..], &chain.intermediate_der];
    let answer = question(&chain.leaf_der, &untrusted, &anchors).ask();
    assert_eq!(code(&answer), "valid");
    assert_eq!(answer.explanation.skipped.len(), 2);
    let none = [&b"junk"[..]];
    assert_eq!(code(&question(&chain.leaf_der, &[], &none).ask()), "no_trust_anchor");
}

#[test]
fn ten_thousand_certificates() {
    let chain = Chain::new();
    let untrusted = vec![chain.intermediate_der.as_slice(); 10_000];
    let anchors = [chain.root_der.as_slice()];
    let answer = question(&chain.leaf_der, &untrusted, &anchors).ask();
    assert_eq!(code(&answer), "too_many_certificates");
}

#[test]
fn an_anchor_that_is_a_leaf() {
    let chain = Chain::new();
    let impostor = Holder::new("broker-01");
    let anchor = chain.intermediate.issue(&impostor, &Spec::leaf("broker-01.example"));
    let leaf = impostor.issue(&Holder::new("peer"), &Spec::leaf("a.example"));
    assert_eq!(code(&question(&leaf, &[], &[&anchor]).ask()), "anchor_not_ca");
}

#[test]
fn a_leaf_that_signed_a_certificate() {
    let chain = Chain::new();
    let impostor = Holder::new("impostor");
    let not_ca = chain.root.issue(&impostor, &Spec::leaf("impostor.example"));
    let leaf = impostor.issue(&Holder::new("peer"), &Spec::leaf("a.example"));
    let (untrusted, anchors) = ([not_ca.as_slice()], [chain.root_der.as_slice()]);
    assert_eq!(code(&question(&leaf, &untrusted, &anchors).ask()), "not_a_ca");
}

#[test]
fn dates() {
    let spec = || Spec::leaf("a.example");
    assert_eq!(leaf_code(&spec(), at(now().plus_days(101)), &[]), "expired");
    assert_eq!(leaf_code(&spec(), at(now().plus_days(-101)), &[]), "not_yet_valid");
    // A clock before 1970, and certificates of that time.
    let before = UnixTime::from_seconds(-1);
    assert_eq!(leaf_code(&spec(), at(before), &[]), "not_yet_valid");
    let chain = Chain::new();
    let old = Spec::leaf("a.example").valid(before.plus_days(-1), before.plus_days(1));
    let leaf = chain.root.issue(&Holder::new("peer"), &old);
    let anchors = [chain.root_der.as_slice()];
    let question = Question { terms: at(before), ..question(&leaf, &[], &anchors) };
    assert_eq!(code(&question.ask()), "valid");
}

#[test]
fn critical_extensions_that_nobody_knows() {
    let spec = Spec::leaf("a.example").with(extension(&[0x2a, 0x03, 0x04], true, &[0x05, 0x00]));
    assert_eq!(leaf_code(&spec, at(now()), &[]), "unknown_critical_extension");
}

#[test]
fn serial_numbers_are_a_rule_of_section_4() {
    let spec = || Spec::leaf("a.example").serial(&[0xff]);
    assert_eq!(leaf_code(&spec(), at(now()), &[]), "valid");
    let strict = Terms { rules: RuleSet::Rfc5280, ..at(now()) };
    assert_eq!(leaf_code(&spec(), strict, &[]), "serial_negative");
}

/// Asks about a leaf of this name under a CA that excludes the directory name `Acme`.
fn excluded_code(subject: &str) -> &'static str {
    let (root, ca) = (Holder::new("Root"), Holder::new("Intermediate"));
    let base = tlv(0x30, &tlv(0xa4, &name("Acme")));
    let constraints = tlv(0x30, &tlv(0xa1, &base));
    let limited = Spec::ca().with(extension(oid::NAME_CONSTRAINTS, true, &constraints));
    let (root_der, ca_der) = (root.self_signed(), root.issue(&ca, &limited));
    let leaf = ca.issue(&Holder::new(subject), &Spec::leaf("a.example"));
    code(&question(&leaf, &[&ca_der], &[&root_der]).ask())
}

#[test]
fn characters_that_cannot_be_seen_do_not_leave_an_excluded_subtree() {
    assert_eq!(excluded_code("Acmes"), "valid");
    for hidden in
        ["Ac\u{ad}me", "ACME\0", "Ac\u{200b}me", "\u{feff}acme", "Ac\u{7}me", "Acme\u{7f}"]
    {
        assert_eq!(excluded_code(hidden), "name_excluded", "{hidden:?}");
    }
}

/// What `rfc5280` says of the encoding of a certificate; `pkix` must take it.
fn encoding_fault(spec: &Spec, issuer: Option<&[u8]>) -> String {
    let root = Holder::new("Root");
    let named = name("Root");
    let leaf = root.issue_as(issuer.unwrap_or(&named), &Holder::new("peer"), spec);
    if issuer.is_none() {
        assert_eq!(code(&question(&leaf, &[], &[&root.self_signed()]).ask()), "valid");
    }
    for rules in [RuleSet::Pkix, RuleSet::WebPki] {
        let findings = certificate_findings(&leaf, rules).unwrap();
        let found = findings.iter().any(|refusal| refusal.rule == Rule::NotDer);
        assert!(!found || rules == RuleSet::WebPki);
    }
    let findings = certificate_findings(&leaf, RuleSet::Rfc5280).unwrap();
    let fault = findings.iter().find(|refusal| refusal.rule == Rule::NotDer);
    fault.map_or_else(|| "der".to_owned(), |refusal| refusal.detail.to_string())
}

#[test]
fn what_is_ber_and_not_der_is_a_rule_of_section_4() {
    let spec = || Spec::leaf("a.example");
    let fault = |extension: Vec<u8>| encoding_fault(&spec().with(extension), None);
    assert_eq!(encoding_fault(&spec(), None), "der");
    let no_ca = tlv(0x30, &[0x01, 0x01, 0x00]);
    let expected = "cA is written out with its default value; X.690 11.5";
    assert_eq!(fault(extension(oid::BASIC_CONSTRAINTS, true, &no_ca)), expected);
    let usage = |bits: &[u8]| fault(extension(oid::KEY_USAGE, true, &tlv(0x03, bits)));
    assert_eq!(usage(&[7, 0x80]), "der");
    let expected = "keyUsage ends with bits that are zero; X.690 11.2.2";
    assert_eq!(usage(&[7, 0x80, 0x00]), expected);
    assert_eq!(usage(&[0, 0x80]), expected);
    let critical = [tlv(0x06, &[0x2a, 3]), vec![0x01, 0x01, 0x00], tlv(0x04, &[5, 0])].concat();
    let expected = "critical is written out with its default value; X.690 11.5";
    assert_eq!(fault(tlv(0x30, &critical)), expected);
    // Members in the order of their lengths, and the other way round.
    let short = &name("a")[4..];
    let long = &name("bb")[4..];
    let set = |members: &[&[u8]]| tlv(0x30, &tlv(0x31, &members.concat()));
    assert_eq!(encoding_fault(&spec(), Some(&set(&[short, long]))), "der");
    let expected = "a set in issuer is not sorted; X.690 11.6";
    assert_eq!(encoding_fault(&spec(), Some(&set(&[long, short]))), expected);
    let directory = |name: Vec<u8>| {
        let names = sans(&[&tlv(0xa4, &name)]);
        let mut spec = spec();
        spec.extensions[0] = names;
        encoding_fault(&spec, None)
    };
    assert_eq!(directory(set(&[short, long])), "der");
    let expected = "a set in subjectAltName is not sorted; X.690 11.6";
    assert_eq!(directory(set(&[long, short])), expected);
}

#[test]
fn a_rule_set_with_section_4_refuses_what_is_not_der() {
    let no_ca = extension(oid::BASIC_CONSTRAINTS, true, &tlv(0x30, &[0x01, 0x01, 0x00]));
    let spec = Spec::leaf("a.example").with(no_ca);
    assert_eq!(leaf_code(&spec, at(now()), &[]), "valid");
    for rules in [RuleSet::Rfc5280, RuleSet::WebPki] {
        let strict = Terms { rules, ..at(now()) };
        assert_eq!(leaf_code(&spec, strict, &[]), "not_der");
    }
}

#[test]
fn names_that_are_asked_for() {
    let spec = || {
        let mut spec = Spec::leaf("");
        let names: [&[u8]; 5] = [
            &dns("*.example.com"),
            &dns("a\0.example.org"),
            &dns("w*.example.net"),
            &tlv(0x87, &[192, 0, 2, 1]),
            &tlv(0x81, b"*@example.com"),
        ];
        spec.extensions[0] = sans(&names);
        spec
    };
    let asked = |name: ReferenceName| leaf_code(&spec(), at(now()), &[name]);
    let dns = |name: &str| ReferenceName::Dns(name.to_owned());
    assert_eq!(asked(dns("b.EXAMPLE.com")), "valid");
    assert_eq!(asked(dns("example.com")), "name_mismatch");
    assert_eq!(asked(dns("a")), "name_mismatch");
    assert_eq!(asked(dns("broker-01")), "name_mismatch");
    assert_eq!(asked(dns("a\0.example.org")), "reference_name_invalid");
    assert_eq!(asked(dns("*.example.com")), "reference_name_invalid");
    assert_eq!(asked(dns("192.0.2.1")), "reference_name_invalid");
    assert_eq!(asked(dns("ww.example.net")), "name_mismatch");
    assert_eq!(asked(ReferenceName::Ip("192.0.2.1".to_owned())), "valid");
    assert_eq!(asked(ReferenceName::Ip("::ffff:192.0.2.1".to_owned())), "name_mismatch");
    assert_eq!(asked(ReferenceName::Email("*@example.com".to_owned())), "valid");
    assert_eq!(asked(ReferenceName::Email("a@example.com".to_owned())), "name_mismatch");
    let both = [dns("b.example.com"), dns("c.example.org")];
    assert_eq!(leaf_code(&spec(), at(now()), &both), "name_mismatch");
}

#[test]
fn algorithms() {
    let chain = Chain::new();
    let anchors = [chain.root_der.as_slice()];
    let replaced = |algorithm: &[u8]| {
        let position = |der: &[u8]| der.windows(8).position(|w| w == oid::ECDSA_WITH_SHA256);
        let mut leaf = chain.root.issue(&Holder::new("peer"), &Spec::leaf("a.example"));
        while let Some(at) = position(&leaf) {
            leaf[at..at + 8].copy_from_slice(algorithm);
        }
        code(&question(&leaf, &[], &anchors).ask())
    };
    // The same length as ecdsa-with-SHA256, so that the lengths still fit.
    assert_eq!(
        replaced(&[0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 9]),
        "signature_algorithm_unsupported"
    );
    assert_eq!(replaced(oid::ECDSA_WITH_SHA384), "signature_invalid");
}

fn webpki_findings(spec: &Spec) -> Vec<&'static str> {
    let chain = Chain::with_leaf(spec);
    let found = rustmq_auth::certificate_findings(&chain.leaf_der, RuleSet::WebPki).unwrap();
    found.iter().map(|refusal| refusal.rule.code()).collect()
}

#[test]
fn a_web_server_is_nothing_else() {
    let with = |purposes_of: &[&[u8]]| {
        let mut spec = Spec::leaf("a.example");
        spec.extensions[1] = purposes(purposes_of);
        webpki_findings(&spec)
    };
    assert!(!with(&[oid::SERVER_AUTH, oid::CLIENT_AUTH]).contains(&"eku_forbidden"));
    assert!(with(&[oid::SERVER_AUTH, oid::CODE_SIGNING]).contains(&"eku_forbidden"));
    assert!(with(&[oid::SERVER_AUTH, oid::OCSP_SIGNING]).contains(&"eku_forbidden"));
    assert!(!with(&[oid::CLIENT_AUTH, oid::EMAIL_PROTECTION]).contains(&"eku_forbidden"));
    let crl_sign = extension(oid::KEY_USAGE, true, &[0x03, 0x02, 0x01, 0x82]);
    assert!(
        webpki_findings(&Spec::leaf("a.example").with(crl_sign)).contains(&"crl_sign_without_ca")
    );
}

#[test]
fn the_common_name_is_one_of_the_names() {
    // The holder's common name is "broker-01".
    let with = |name: &str| webpki_findings(&Spec::leaf(name)).contains(&"common_name_not_in_san");
    assert!(with("broker-02.example"));
    assert!(with("intranet"), "a single label is a name like any other");
    assert!(!with("broker-01"));
    assert!(!with("localhost"));
}

/// Of each certificate of the path, the leaf among them; whether a point is on its curve is not asked of
/// a leaf under `pkix`.
#[test]
fn a_key_is_of_the_form_that_its_algorithm_has() {
    let root = Holder::new("Root");
    let root_der = root.self_signed();
    let asked = |spki: &[u8], rules| {
        let leaf = root.certify(&name("Root"), ("peer", spki), &Spec::leaf("a.example"));
        let anchors = [root_der.as_slice()];
        let terms = Terms { at: now(), rules, ..Terms::default() };
        code(&Question { terms, ..question(&leaf, &[], &anchors) }.ask())
    };
    let good = Holder::new("peer").spki();
    let point = good.len() - 65;
    let with = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut spki = good.clone();
        change(&mut spki);
        spki
    };
    let hybrid = with(&|spki| spki[point] = 6);
    let off_curve = with(&|spki| spki[point + 64] ^= 1);
    assert_eq!(asked(&good, RuleSet::Pkix), "valid");
    assert_eq!(asked(&hybrid, RuleSet::Pkix), "key_malformed");
    assert_eq!(asked(&off_curve, RuleSet::Pkix), "valid");
    for rules in [RuleSet::Rfc5280, RuleSet::WebPki] {
        assert_eq!(asked(&off_curve, rules), "key_malformed");
        assert_ne!(asked(&good, rules), "key_malformed");
    }
    let algorithm = seq(&[&oid_der(oid::ED25519)]);
    let identity = [&[0, 1][..], &[0; 31]].concat();
    let anyone = seq(&[&algorithm, &tlv(0x03, &identity)]);
    let ca = root.certify(&name("Root"), ("CA", &anyone), &Spec::ca());
    let leaf = Holder::new("CA").issue(&Holder::new("peer"), &Spec::leaf("a.example"));
    let anchors = [root_der.as_slice()];
    assert_eq!(code(&question(&leaf, &[&ca], &anchors).ask()), "key_malformed");
}

/// An anchor that is judged limits policies as a CA below it would (RFC 5937 3.2).
#[test]
fn what_an_anchor_demands_of_policies_counts_where_it_is_judged() {
    let root = Holder::new("Root");
    let ski = extension(oid::SUBJECT_KEY_IDENTIFIER, false, &tlv(0x04, &[7; 20]));
    let aki = extension(oid::AUTHORITY_KEY_IDENTIFIER, false, &seq(&[&tlv(0x80, &[7; 20])]));
    let policy = |policy: &[u8]| {
        extension(oid::CERTIFICATE_POLICIES, false, &seq(&[&seq(&[&oid_der(policy)])]))
    };
    let explicit = extension(oid::POLICY_CONSTRAINTS, true, &seq(&[&tlv(0x80, &[0])]));
    let no_any = extension(oid::INHIBIT_ANY_POLICY, true, &tlv(0x02, &[0]));
    let any = policy(&[0x55, 0x1d, 0x20, 0x00]);
    let asked = |of_root: &[&[u8]], of_leaf: &[u8], rules| {
        let ca = of_root.iter().fold(Spec::ca().with(ski.clone()), |ca, e| ca.with(e.to_vec()));
        let root_der = root.issue(&root, &ca);
        let spec = Spec::leaf("a.example").with(aki.clone());
        let spec = if of_leaf.is_empty() { spec } else { spec.with(of_leaf.to_vec()) };
        let leaf = root.issue(&Holder::new("peer"), &spec);
        let anchors = [root_der.as_slice()];
        let terms = Terms { at: now(), rules, ..Terms::default() };
        code(&Question { terms, ..question(&leaf, &[], &anchors) }.ask())
    };
    let judged = |of_root: &[&[u8]], of_leaf: &[u8]| asked(of_root, of_leaf, RuleSet::Rfc5280);
    assert_eq!(judged(&[], &[]), "valid");
    assert_eq!(judged(&[&explicit], &[]), "policy_not_satisfied");
    assert_eq!(judged(&[&explicit], &policy(&[0x2a, 3])), "valid");
    assert_eq!(judged(&[&explicit], &any), "valid");
    assert_eq!(judged(&[&explicit, &no_any], &any), "policy_not_satisfied");
    assert_eq!(asked(&[&explicit, &no_any], &[], RuleSet::Pkix), "valid");
}
