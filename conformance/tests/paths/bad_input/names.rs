//! Names that look like the one that is asked for, and names that nobody can have.

use rustmq_auth::ReferenceName;
use rustmq_conformance::forge::{Extension, GeneralName, Name};

use super::{Chain, Input, assert_codes};

/// Asks for a host of a leaf with these names.
fn asked(host: &str, names: &[GeneralName]) -> &'static str {
    let mut chain = Chain::new();
    chain.leaf.extensions[3] = Extension::subject_alt_name(names);
    let names = vec![ReferenceName::Dns(host.to_owned())];
    Input { names, ..chain.bytes() }.code()
}

fn dns(name: &str) -> [GeneralName; 1] {
    [GeneralName::Dns(name.to_owned())]
}

#[test]
fn certificates_with_other_names() {
    let host = "www.good.test";
    let rows = [
        ("a NUL", dns("www.good.test\0.bad.test")),
        ("a NUL at the end", dns("www.good.test\0")),
        ("a dot at the end", dns("www.good.test.")),
        ("a dot at the start", dns(".good.test")),
        ("a space", dns(" www.good.test")),
        ("a part of a label", dns("w*.good.test")),
        ("a wildcard inside", dns("www.*.test")),
        ("two wildcards", dns("*.*.test")),
        ("nothing but a wildcard", dns("*")),
        ("a wildcard for everything", dns("*.")),
        ("a wildcard label too high", dns("*.test")),
        ("an address that looks like it", [GeneralName::Ip(b"www.good.test".to_vec())]),
        ("a mailbox there", [GeneralName::Email("x@www.good.test".to_owned())]),
        ("a URI there", [GeneralName::Uri("https://www.good.test/".to_owned())]),
    ];
    let rows: Vec<_> =
        rows.iter().map(|(what, names)| (*what, asked(host, names), "name_mismatch")).collect();
    assert_codes(&rows);
    assert_codes(&[
        ("the name", asked(host, &dns("www.good.test")), "valid"),
        ("the name in capitals", asked(host, &dns("WWW.GOOD.TEST")), "valid"),
        ("a wildcard", asked(host, &dns("*.good.test")), "valid"),
        ("a wildcard for two labels", asked("a.b.good.test", &dns("*.good.test")), "name_mismatch"),
        ("a wildcard for none", asked("good.test", &dns("*.good.test")), "name_mismatch"),
    ]);
}

#[test]
fn the_common_name_is_no_host() {
    let mut chain = Chain::new();
    chain.leaf.subject = Name::cn("www.good.test").der();
    chain.leaf.extensions.remove(3);
    let names = vec![ReferenceName::Dns("www.good.test".to_owned())];
    assert_eq!(Input { names, ..chain.bytes() }.code(), "name_mismatch");
}

#[test]
fn names_that_can_never_match() {
    let ask = |name: ReferenceName| Input { names: vec![name], ..Chain::new().bytes() }.code();
    let hosts = ["", ".", "*", "*.good.test", "a..good.test", "www.good.test\0", "-a.test", "a b"];
    let too_long = format!("{}.test", "a".repeat(64));
    let mut rows: Vec<(&str, &str, &str)> = hosts
        .iter()
        .copied()
        .chain([too_long.as_str()])
        .map(|host| (host, ask(ReferenceName::Dns(host.to_owned())), "reference_name_invalid"))
        .collect();
    let address = |text: &str| ask(ReferenceName::Ip(text.to_owned()));
    let mailbox = |text: &str| ask(ReferenceName::Email(text.to_owned()));
    rows.extend([
        ("an address of five parts", address("10.0.0.0.1"), "reference_name_invalid"),
        ("an address in octal", address("010.0.0.1"), "reference_name_invalid"),
        ("a range", address("10.0.0.0/8"), "reference_name_invalid"),
        ("a mailbox without a host", mailbox("joe@"), "reference_name_invalid"),
        ("a mailbox without a mailbox", mailbox("good.test"), "reference_name_invalid"),
    ]);
    assert_codes(&rows);
}

/// Under a constraint of its form a name that is none cannot be judged, and is refused.
#[test]
fn malformed_names_under_constraints() {
    let code = |name: GeneralName, base: GeneralName| {
        Chain::spoiled(|c| {
            c.ca.extensions.push(Extension::name_constraints(&[], &[base.into()]));
            c.leaf.extensions[3] = Extension::subject_alt_name(&[name]);
        })
    };
    let other = || GeneralName::Dns("bad.test".to_owned());
    let text = |text: &str| text.to_owned();
    assert_codes(&[
        ("a NUL", code(GeneralName::Dns(text("a\0b.test")), other()), "name_malformed"),
        ("an empty label", code(GeneralName::Dns(text("a..test")), other()), "name_malformed"),
        ("an inner wildcard", code(GeneralName::Dns(text("a.*.test")), other()), "name_malformed"),
        (
            "an address of five octets",
            code(GeneralName::Ip(vec![1; 5]), GeneralName::Ip(vec![10, 0, 0, 0, 255, 0, 0, 0])),
            "name_malformed",
        ),
        (
            "a mailbox without a host",
            code(GeneralName::Email(text("joe")), GeneralName::Email(text("bad.test"))),
            "name_malformed",
        ),
        (
            "a URI without a host",
            code(GeneralName::Uri(text("urn:x:y")), GeneralName::Uri(text("bad.test"))),
            "name_malformed",
        ),
    ]);
}
