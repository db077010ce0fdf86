//! The gate, rule by rule.

mod common;

use common::*;
use proptest::prelude::*;
use rustmq_pki::constraints::{NameConstraints, Subtree};
use rustmq_pki::key::{KeyType, Signer};
use rustmq_pki::name::{Principal, SanKind, SubjectAltName};
use rustmq_pki::profile::{IssuedBy, Note, Profile, Refusal, Validity};
use rustmq_pki::request::CertificateRequest;
use rustmq_pki::role::Role;

fn code(result: Result<rustmq_pki::profile::Admitted, Refusal>) -> &'static str {
    result.map_or_else(|refusal| refusal.code(), |_| "admitted")
}

#[test]
fn names_by_profile() {
    let h = hierarchy(
        KeyType::P256,
        Options { trust_domain: Some("example.org"), ..Options::default() },
    );
    let ca = &h.intermediate;
    for (profile, principal, sans, expected) in [
        ("broker", "b.example", &[][..], "admitted"),
        ("broker", "10.0.0.1", &[], "admitted"),
        ("broker", "client@company.com", &[], "server_name_missing"),
        ("broker", "client@company.com", &["dns:b.example"], "admitted"),
        ("controller", "not a host", &[], "server_name_missing"),
        ("broker", "b", &["email:x@y.example"], "san_kind_not_allowed"),
        ("broker", "b", &["dns:b.example", "b.example"], "san_twice"),
        ("broker", "b", &["*.example.com"], "admitted"),
        ("client", "app", &["*.example.com"], "wildcard_without_server"),
        ("client", "app", &["uri:https://x.example/"], "san_kind_not_allowed"),
        ("client", "app", &["uri:spiffe://example.org/admin/root"], "spiffe_id_asked"),
        ("client", "app", &["uri:SPIFFE://Example.org:1/client/app"], "spiffe_id_asked"),
        ("client", "x:y z", &[], "admitted"),
        ("root-ca", "app", &[], "profile_kind"),
    ] {
        assert_eq!(code(admit(ca, profile, principal, sans)), expected, "{profile} {principal}");
    }
}

#[test]
fn the_principal_becomes_a_name_where_it_must() {
    let ca = hierarchy(KeyType::P256, Options::default()).intermediate;
    let names = |profile, principal: &str, sans: &[&str]| {
        let certificate = sign(&ca, admit(&ca, profile, principal, sans).unwrap());
        let view = certificate.view();
        let known = view.extensions.known().unwrap();
        known.alt_names().iter().map(|name| name.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names("broker", "broker-01", &[]), ["dns:broker-01"]);
    assert_eq!(names("broker", "2001:db8::1", &[]), ["ip:2001:db8::1"]);
    assert_eq!(names("broker", "broker-01", &["b.example"]), ["dns:b.example"]);
    assert_eq!(names("client", "client@company.com", &[]), ["email:client@company.com"]);
    assert_eq!(names("client", "app", &[]), [""; 0]);
}

#[test]
fn validity_against_the_issuer() {
    let options = Options { days: Some(200), ..Options::default() };
    let ca = hierarchy(KeyType::P256, options).intermediate;
    let days = |profile: &str, validity| {
        let profile = Profile::builtin(profile).unwrap();
        profile.admit(request("x.example", &[]), terms(IssuedBy::Ca(ca.ca()), validity))
    };
    assert_eq!(code(days("client", Validity::Days(0))), "validity_not_positive");
    assert_eq!(code(days("client", Validity::Days(-1))), "validity_not_positive");
    assert_eq!(code(days("client", Validity::Days(201))), "validity_beyond_issuer");
    assert_eq!(code(days("client", Validity::Days(200))), "admitted");
    assert_eq!(code(days("client", Validity::Days(i64::MAX))), "validity_beyond_calendar");
    // The broker's 365 days are shortened to 200, and say so.
    let admitted = days("broker", Validity::Default).unwrap();
    let shortened = |note: &Note| matches!(note, Note::ShortenedToIssuer { .. });
    assert_eq!(admitted.notes().iter().filter(|note| shortened(note)).count(), 1);
    assert_eq!(admitted.lint().unwrap().not_after(), ca.ca().certificate().not_after());
    let options = Options { days: Some(182), ..Options::default() };
    let short = hierarchy(KeyType::P256, options).intermediate;
    assert_eq!(code(admit(&short, "broker", "b.example", &[])), "issuer_ends_too_soon");
}

#[test]
fn an_issuer_out_of_its_time_issues_nothing() {
    let ca = hierarchy(KeyType::P256, Options::default()).intermediate;
    let at = |days| {
        let mut terms = terms(IssuedBy::Ca(ca.ca()), Validity::Days(1));
        terms.now = terms.now.plus_days(days);
        code(Profile::builtin("client").unwrap().admit(request("app", &[]), terms))
    };
    assert_eq!(at(0), "admitted");
    assert_eq!(at(-1), "issuer_not_yet_valid");
    assert_eq!(at(1826), "issuer_expired");
}

#[test]
fn path_length_holds_at_any_depth() {
    let top = root(KeyType::P256);
    let two =
        intermediate(&top, &[], KeyType::P256, Options { path_len: Some(2), ..Options::default() });
    let profile = Profile::builtin("intermediate-ca").unwrap();
    let ask = |issuer: &rustmq_pki::issuer::Issuer, path_len| {
        let request =
            CertificateRequest::for_ca(named("Team CA"), key(KeyType::P256).public_key().clone())
                .with_path_len(path_len);
        code(profile.admit(request, terms(IssuedBy::Ca(issuer.ca()), Validity::Days(30))))
    };
    assert_eq!(ask(&two, Some(1)), "admitted");
    assert_eq!(ask(&two, Some(2)), "path_length");
    let above = [top.ca().certificate().clone()];
    let one = intermediate(
        &two,
        &above,
        KeyType::P256,
        Options { path_len: Some(1), days: Some(99), ..Options::default() },
    );
    assert_eq!(one.ca().path_len(), Some(1));
    assert_eq!(ask(&one, None), "admitted");
    let zero = intermediate(
        &one,
        &[two.ca().certificate().clone(), top.ca().certificate().clone()],
        KeyType::P256,
        Options { days: Some(50), ..Options::default() },
    );
    assert_eq!(ask(&zero, None), "path_length");
}

#[test]
fn name_constraints_of_any_ca_above_hold() {
    let constraints = NameConstraints {
        permitted: vec![Subtree::parse(SanKind::Dns, "example.com").unwrap()],
        excluded: Vec::new(),
    };
    let options = Options { constraints, path_len: Some(1), days: Some(900), ..Options::default() };
    let h = hierarchy(KeyType::P256, options);
    let above = [h.root.ca().certificate().clone()];
    let below = intermediate(
        &h.intermediate,
        &above,
        KeyType::P256,
        Options { days: Some(800), ..Options::default() },
    );
    assert_eq!(code(admit(&below, "broker", "b.example.com", &[])), "admitted");
    assert_eq!(code(admit(&below, "broker", "b.example.org", &[])), "name_constraints");
}

#[test]
fn profiles_of_a_users_own() {
    let ca = hierarchy(KeyType::P256, Options::default()).intermediate;
    let profile = Profile::from_toml(
        "edge",
        r#"
        kind = "end-entity"
        role = "broker"
        extended_key_usage = ["serverAuth"]
        validity_days = 10
        max_validity_days = 20
        keys = ["p256"]
        san = ["dns", "ip"]
        policies = ["1.3.6.1.4.1.99999.1"]
        [patterns]
        principal = ["edge-*"]
        dns = ["*.edge.example.com"]
        ip = ["10.0.0.0/8"]
        "#,
    )
    .unwrap();
    let ask = |principal: &str, sans: &[&str], validity| {
        let request = request(principal, sans);
        code(profile.admit(request, terms(IssuedBy::Ca(ca.ca()), validity)))
    };
    assert_eq!(ask("edge-1", &["a.edge.example.com", "10.1.2.3"], Validity::Default), "admitted");
    assert_eq!(ask("core-1", &["a.edge.example.com"], Validity::Default), "principal_not_allowed");
    assert_eq!(ask("edge-1", &["a.example.com"], Validity::Default), "san_not_allowed");
    assert_eq!(ask("edge-1", &["11.0.0.1"], Validity::Default), "san_not_allowed");
    assert_eq!(ask("edge-1", &["10.0.0.1"], Validity::Days(21)), "validity_beyond_profile");
    // The principal as a name passes the same patterns.
    assert_eq!(ask("edge-1", &[], Validity::Default), "san_not_allowed");
    let rsa = CertificateRequest::for_principal(
        Principal::parse("edge-1").unwrap(),
        key(KeyType::Ed25519).public_key().clone(),
    );
    let refused = profile.admit(rsa, terms(IssuedBy::Ca(ca.ca()), Validity::Default));
    assert_eq!(code(refused), "key_type_not_allowed");
}

#[test]
fn profile_files_that_make_no_sense() {
    let refused = |text: &str| Profile::from_toml("mine", text).unwrap_err().to_string();
    let base = "kind = \"end-entity\"\nrole = \"client\"\nextended_key_usage = [\"clientAuth\"]\n";
    assert!(refused(&format!("{base}validity_days = 1\nvalidty = 2")).contains("validty"));
    assert!(refused(&format!("{base}validity_days = 0")).contains("validity_days"));
    assert!(refused(base).contains("validity_days"));
    assert!(refused("kind = \"end-entity\"\nvalidity_days = 1").contains("role"));
    let with = |line: &str| refused(&format!("{base}validity_days = 5\n{line}"));
    assert!(with("key_usage = [\"keyCertSign\"]").contains("only a CA"));
    assert!(with("path_len = 1").contains("path_len"));
    assert!(with("keys = [\"rsa-1024\"]").contains("rsa-1024"));
    assert!(with("policies = [\"x\"]").contains("policies"));
    assert!(with("[patterns]\ndns = [\"*\"]").contains("no effect"));
    assert!(with("max_validity_days = 4").contains("max_validity_days"));
    let unknown = refused(&format!("{base}validity_days = 1\ncolor = 1"));
    let line = base.matches('\n').count() + 2;
    assert!(unknown.starts_with(&format!("line {line}, column 1: unknown field")), "{unknown}");
    let broken = refused("kind = \"end-entity\"\n  role = \n");
    assert!(broken.starts_with("line 2, column ") && !broken.contains('\n'), "{broken}");
    let taken = Profile::from_toml("broker", &format!("{base}validity_days = 1")).unwrap_err();
    assert!(taken.to_string().contains("built-in"));
}

#[test]
fn built_in_profiles_survive_their_own_toml() {
    for name in Profile::BUILTIN {
        let profile = Profile::builtin(name).unwrap();
        let again = Profile::from_toml("copy", &profile.to_toml()).unwrap();
        assert_eq!(again.to_toml(), profile.to_toml(), "{name}");
        assert_eq!(again.version(), profile.version());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever names are asked for, what is admitted has only allowed kinds, at most one URI, none
    /// of the trust domain but the principal's own, no name twice, and passes the lint.
    #[test]
    fn what_is_admitted_keeps_the_rules(
        role in prop::sample::select(Role::ALL.to_vec()),
        principal in "[a-z@. ]{1,12}",
        sans in prop::collection::vec(
            prop::sample::select(vec![
                "dns:a.example", "dns:*.example", "ip:10.0.0.1", "email:a@b.example",
                "uri:spiffe://example.org/client/a", "uri:https://x.example/", "dns:a.example",
            ]), 0..4),
        days in -1_i64..2000,
    ) {
        let ca = hierarchy(
            KeyType::P256,
            Options { trust_domain: Some("example.org"), ..Options::default() },
        ).intermediate;
        let Ok(principal) = Principal::parse(&principal) else { return Ok(()) };
        let asked = CertificateRequest::for_principal(
            principal.clone(),
            key(KeyType::P256).public_key().clone(),
        ).with_sans(sans.iter().map(|san| SubjectAltName::parse(san).unwrap()));
        let profile = Profile::builtin(role.as_str()).unwrap();
        let terms = terms(IssuedBy::Ca(ca.ca()), Validity::Days(days));
        let Ok(admitted) = profile.admit(asked, terms) else { return Ok(()) };
        let certificate = sign(&ca, admitted);
        let view = certificate.view();
        let known = view.extensions.known().unwrap();
        let names: Vec<_> = known.alt_names().iter().map(|name| name.to_string()).collect();
        let uris: Vec<_> = names.iter().filter(|name| name.starts_with("uri:")).collect();
        let own = format!("uri:spiffe://example.org/{role}/{principal}");
        prop_assert!(uris.len() <= 1 && uris.iter().all(|uri| **uri == own));
        let mut distinct = names.clone();
        distinct.sort();
        distinct.dedup();
        prop_assert_eq!(distinct.len(), names.len());
        let server = matches!(role, Role::Broker | Role::Controller);
        prop_assert!(!server || names.iter().any(|n| n.starts_with("dns:") || n.starts_with("ip:")));
        prop_assert!(!server || !names.iter().any(|n| n.starts_with("email:")));
        prop_assert_eq!(known.roles().unwrap(), [role.as_str()]);
        prop_assert!(certificate.not_after() <= ca.ca().certificate().not_after());
        prop_assert!(days >= 1);
    }
}

#[test]
fn nobody_is_named_as_the_issuer() {
    let ca = hierarchy(KeyType::P256, Options::default()).intermediate;
    assert_eq!(code(admit(&ca, "client", "TEST Intermediate ca 1", &[])), "subject_is_issuer");
}
