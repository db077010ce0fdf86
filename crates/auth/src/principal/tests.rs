use proptest::prelude::*;
use rustmq_pki::der::tag;
use rustmq_pki::oid;
use rustmq_pki::read::CertificateRef;
use rustmq_pki::role::Role;

use super::testing::Draft;
use super::*;

fn explained(draft: &Draft, mapping: &PrincipalMapping) -> MappingExplanation {
    let der = draft.build();
    mapping.explain(&CertificateRef::read(&der).unwrap())
}

fn mapped(draft: &Draft, mapping: &PrincipalMapping) -> Result<String, PrincipalError> {
    explained(draft, mapping).principal.map(|principal| principal.to_string())
}

fn by(rule: PrincipalRule) -> PrincipalMapping {
    PrincipalMapping::new(rule)
}

const CN: PrincipalRule = PrincipalRule::CommonName;
const EMAIL: PrincipalRule = PrincipalRule::SanEmail;
const DNS: PrincipalRule = PrincipalRule::SanDns;
const SPIFFE: PrincipalRule = PrincipalRule::SpiffeUri;
const DN: PrincipalRule = PrincipalRule::DistinguishedName;

#[test]
fn each_rule_takes_its_own_field() {
    let draft = Draft::default()
        .ou("a,b")
        .cn("app")
        .dns("app.example.com")
        .email("App@example.com")
        .uri("spiffe://example.com/client/app");
    assert_eq!(mapped(&draft, &by(SPIFFE)).unwrap(), "spiffe://example.com/client/app");
    assert_eq!(mapped(&draft, &by(EMAIL)).unwrap(), "App@example.com");
    assert_eq!(mapped(&draft, &by(DNS)).unwrap(), "app.example.com");
    assert_eq!(mapped(&draft, &by(CN)).unwrap(), "app");
    assert_eq!(mapped(&draft, &by(DN)).unwrap(), r"CN=app,OU=a\,b");
}

#[test]
fn no_rule_falls_back_to_another_field() {
    for rule in [SPIFFE, EMAIL, DNS] {
        let error = mapped(&Draft::default().cn("app.example.com"), &by(rule)).unwrap_err();
        assert_eq!(error, PrincipalError::Missing { rule });
        assert_eq!(error.code(), "principal_missing");
    }
    for rule in [CN, DN] {
        let error = mapped(&Draft::default().dns("app.example.com"), &by(rule)).unwrap_err();
        assert_eq!(error, PrincipalError::Missing { rule });
    }
}

#[test]
fn strict_refuses_what_differs_and_nothing_else() {
    let two = Draft::default().dns("a.example").dns("b.example");
    assert_eq!(mapped(&two, &by(DNS)).unwrap(), "a.example");
    let error = mapped(&two, &by(DNS).strict()).unwrap_err();
    let values = vec!["a.example".to_owned(), "b.example".to_owned()];
    assert_eq!(error, PrincipalError::Ambiguous { rule: DNS, values: values.clone() });
    assert_eq!(error.code(), "principal_ambiguous");
    assert_eq!(explained(&two, &by(DNS).strict()).values, values);
    let alike = Draft::default().dns("a.example").dns("A.Example");
    assert!(mapped(&alike, &by(DNS).strict()).is_err());
    assert_eq!(mapped(&alike, &by(DNS).strict().folding_case()).unwrap(), "a.example");
    let stripped = by(EMAIL).stripping_domain("x.example").unwrap();
    let stripped = stripped.stripping_domain("y.example").unwrap().strict();
    let mailboxes = Draft::default().email("a@x.example").email("a@y.example");
    assert_eq!(mapped(&mailboxes, &stripped).unwrap(), "a");
}

#[test]
fn of_two_common_names_the_last_is_the_most_specific() {
    let draft = Draft::default().cn("group").cn("app");
    assert_eq!(mapped(&draft, &by(CN)).unwrap(), "app");
    assert!(matches!(
        mapped(&draft, &by(CN).strict()),
        Err(PrincipalError::Ambiguous { rule: CN, .. })
    ));
}

#[test]
fn common_names_of_every_string_type() {
    let cn = |tag, value: &[u8]| {
        mapped(&Draft::default().attribute(oid::COMMON_NAME, tag, value), &by(CN))
    };
    assert_eq!(cn(tag::UTF8_STRING, "Zo\u{eb}".as_bytes()).unwrap(), "Zo\u{eb}");
    assert_eq!(cn(tag::BMP_STRING, &[0, b'Z', 0, b'o', 0, 0xeb]).unwrap(), "Zo\u{eb}");
    assert_eq!(cn(tag::TELETEX_STRING, b"Zo\xeb").unwrap(), "Zo\u{eb}");
    assert_eq!(cn(tag::PRINTABLE_STRING, b"app").unwrap(), "app");
    let not_text = PrincipalError::NotText { rule: CN, hex: "ff".to_owned() };
    assert_eq!(cn(tag::UTF8_STRING, &[0xff]), Err(not_text));
    assert!(matches!(cn(tag::BMP_STRING, &[0xd8, 0]), Err(PrincipalError::NotText { .. })));
    assert!(matches!(cn(tag::INTEGER, &[1]), Err(PrincipalError::NotText { .. })));
    assert_eq!(cn(tag::UTF8_STRING, b" app"), Err(PrincipalError::Blank { rule: CN }));
    assert_eq!(cn(tag::UTF8_STRING, b""), Err(PrincipalError::Blank { rule: CN }));
}

#[test]
fn a_zero_octet_is_refused_wherever_it_is() {
    let invisible = |rule| Err(PrincipalError::Invisible { rule, code: 0 });
    assert_eq!(mapped(&Draft::default().cn("admin\0.x"), &by(CN)), invisible(CN));
    assert_eq!(mapped(&Draft::default().ou("a\0").cn("b"), &by(DN)), invisible(DN));
    for (draft, rule) in [
        (Draft::default().dns("admin\0.example"), DNS),
        (Draft::default().email("admin\0@example.com"), EMAIL),
        (Draft::default().uri("spiffe://example.com/a\0b"), SPIFFE),
    ] {
        let error = mapped(&draft, &by(rule)).unwrap_err();
        assert!(matches!(error, PrincipalError::Form { .. }), "{error}");
        assert_eq!(error.code(), "principal_invalid");
    }
}

#[test]
fn one_bad_name_spoils_the_certificate() {
    let draft = Draft::default().dns("good.example").dns("bad..example");
    assert!(matches!(mapped(&draft, &by(DNS)), Err(PrincipalError::Form { .. })));
    let wildcard = Draft::default().dns("*.example.com");
    assert!(matches!(mapped(&wildcard, &by(DNS)), Err(PrincipalError::Form { .. })));
}

#[test]
fn spiffe_ids_of_odd_forms() {
    for odd in [
        "spiffe://example.com",
        "spiffe://example.com/",
        "spiffe://example.com/a/",
        "spiffe://example.com//a",
        "spiffe://example.com/./a",
        "spiffe://example.com/a/..",
        "spiffe://example.com:443/a",
        "spiffe://user@example.com/a",
        "spiffe://example.com/a?b",
        "spiffe://example.com/a#b",
        "spiffe://example.com/%61",
        "spiffe://Example.com/a",
        "SPIFFE://example.com/a",
        "spiffe:/example.com/a",
        "spiffe:///a",
    ] {
        let error = mapped(&Draft::default().uri(odd), &by(SPIFFE)).unwrap_err();
        assert!(matches!(error, PrincipalError::Form { .. }), "{odd}: {error}");
    }
    let two = Draft::default().uri("spiffe://example.com/a").uri("https://example.com/");
    assert_eq!(mapped(&two, &by(SPIFFE)), Err(PrincipalError::SeveralUris { found: 2 }));
    let other = Draft::default().uri("https://example.com/").uri("urn:x:y");
    assert_eq!(mapped(&other, &by(SPIFFE)), Err(PrincipalError::Missing { rule: SPIFFE }));
}

#[test]
fn look_alikes_are_refused_where_the_value_is_rewritten() {
    let cyrillic = Draft::default().cn("\u{441}\u{43e}\u{441}\u{43e}");
    assert!(mapped(&cyrillic, &by(CN)).is_ok());
    let error = mapped(&cyrillic, &by(CN).folding_case()).unwrap_err();
    assert!(matches!(error, PrincipalError::Confusable { .. }), "{error}");
    let stripping = by(CN).stripping_domain("example.com").unwrap();
    let domain = Draft::default().cn("\u{441}\u{43e}\u{441}\u{43e}.example.com");
    assert!(matches!(mapped(&domain, &stripping), Err(PrincipalError::Confusable { .. })));
    let mixed = Draft::default().cn("b\u{430}nk");
    assert!(matches!(mapped(&mixed, &by(CN)), Err(PrincipalError::MixedScripts { .. })));
    let decomposed = Draft::default().cn("Zoe\u{308}");
    assert!(matches!(mapped(&decomposed, &by(CN)), Err(PrincipalError::NotNormalized { .. })));
}

#[test]
fn many_names_cost_a_bounded_amount_of_work() {
    let many = (0..=MOST_VALUES).fold(Draft::default(), |d, n| d.dns(&format!("h{n}.example")));
    let error = mapped(&many, &by(DNS)).unwrap_err();
    assert_eq!(error, PrincipalError::TooMany { limit: MOST_VALUES });
    let same = (0..=MOST_VALUES).fold(Draft::default(), |d, _| d.dns("h.example"));
    assert_eq!(mapped(&same, &by(DNS).strict()).unwrap(), "h.example");
}

fn role_of(draft: &Draft, policy: &RolePolicy) -> Result<Option<AssignedRole>, RoleError> {
    let der = draft.build();
    policy.explain(&CertificateRef::read(&der).unwrap())
}

#[test]
fn the_extension_names_the_role() {
    let policy = RolePolicy::default();
    assert_eq!(role_of(&Draft::default().cn("a"), &policy), Ok(None));
    let broker = Draft::default().cn("a").role("broker");
    let expected = AssignedRole { role: Role::Broker, source: RoleSource::Extension };
    assert_eq!(role_of(&broker, &policy), Ok(Some(expected)));
    let unknown = Draft::default().role("root");
    assert_eq!(role_of(&unknown, &policy), Err(RoleError::Unknown("root".to_owned())));
    let several = Draft::default().role("client").role("admin");
    assert!(matches!(role_of(&several, &policy), Err(RoleError::Several(_))));
    let twice = Draft::default().role("client").role("client");
    assert_eq!(role_of(&twice, &policy).unwrap().unwrap().role, Role::Client);
}

#[test]
fn the_role_agrees_with_the_spiffe_path() {
    let policy = RolePolicy::default();
    let with = |uri: &str| role_of(&Draft::default().role("client").uri(uri), &policy);
    assert!(with("spiffe://example.com/client/a").unwrap().is_some());
    assert!(with("spiffe://example.com/ns/x/sa/admin").unwrap().is_some());
    let others = ["", "/", "/clients/a", "/client/admin", "/Client/a", "/client", "/x/admin"];
    for uri in others.map(|path| format!("spiffe://example.com{path}")) {
        assert!(with(&uri).unwrap().is_some(), "{uri}");
    }
    for uri in ["spiffe://admin/a", "https://example.com/admin/a", "spiffe:/admin/a"] {
        assert!(with(uri).unwrap().is_some(), "{uri}");
    }
    for path in
        ["admin/a", "admin", "admin/", "admin/x/y", "/admin/x", "Admin/x", "ADMIN?x", "broker#x"]
    {
        let error = with(&format!("spiffe://example.com/{path}")).unwrap_err();
        assert_eq!(error.code(), "role_ambiguous", "{path}");
        assert!(matches!(error, RoleError::Spiffe { role: Role::Client, .. }));
    }
}

#[test]
fn rules_give_roles_to_certificates_of_other_authorities() {
    let (ours, another) = (CaKey::of_spki(b"our key"), CaKey::of_spki(b"another key"));
    let rule = |role, condition| RoleRule::new(role, another).and(condition);
    let policy = RolePolicy {
        extension: ExtensionTrust::Below(vec![ours]),
        rules: vec![
            rule(Role::Broker, Condition::organizational_unit("brokers")),
            rule(Role::Controller, Condition::san_dns("*.ctl.example").unwrap()),
            rule(Role::Client, Condition::san_email("@example.com").unwrap()),
            rule(Role::Admin, Condition::san_uri("spiffe://x.example/ops/").unwrap()),
            rule(Role::Admin, Condition::subject("CN=root,OU=ops")),
        ],
    };
    let below = |draft: &Draft, keys: &[&[u8]]| {
        let der = draft.build();
        let leaf = CertificateRef::read(&der).unwrap();
        policy.role_of(&leaf, &leaf.extensions.known().unwrap(), CasAbove::Keys(keys)).unwrap()
    };
    let by_rule = |draft: Draft| {
        let unlike: [&[&[u8]]; 2] = [&[b"third key"], &[]];
        assert!(unlike.iter().all(|keys| below(&draft, keys).is_none()), "only below that CA");
        assert_eq!(role_of(&draft, &policy), Ok(None), "nor below nobody knows whom");
        below(&draft, &[b"sub-CA", b"another key"]).map(|assigned| match assigned.source {
            RoleSource::Rule(at) => (assigned.role, at),
            RoleSource::Extension => panic!("the extension of another CA is not believed"),
        })
    };
    assert_eq!(by_rule(Draft::default().ou("brokers")), Some((Role::Broker, 0)));
    assert_eq!(by_rule(Draft::default().ou("Brokers").role("admin")), None);
    assert_eq!(by_rule(Draft::default().dns("c1.CTL.example")), Some((Role::Controller, 1)));
    assert_eq!(by_rule(Draft::default().dns("a.c1.ctl.example")), None);
    assert_eq!(by_rule(Draft::default().dns("*.ctl.example")), None);
    assert_eq!(by_rule(Draft::default().email("a@Example.com")), Some((Role::Client, 2)));
    assert_eq!(by_rule(Draft::default().email("a@sub.example.com")), None);
    assert_eq!(by_rule(Draft::default().uri("spiffe://x.example/ops/a")), Some((Role::Admin, 3)));
    assert_eq!(by_rule(Draft::default().uri("spiffe://x.example/ops/../a")), None);
    assert_eq!(by_rule(Draft::default().uri("spiffe://x.example/ops")), None);
    assert_eq!(by_rule(Draft::default().ou("ops").cn("root")), Some((Role::Admin, 4)));
    let own = below(&Draft::default().role("broker"), &[b"sub-CA", b"our key"]).unwrap();
    assert_eq!((own.role, own.source), (Role::Broker, RoleSource::Extension));
}

#[test]
fn patterns_that_are_none() {
    for bad in ["*", "a.*.example", "192.0.2.1", ""] {
        assert!(matches!(Condition::san_dns(bad), Err(MappingError::Pattern { .. })), "{bad}");
    }
    for bad in ["example.com", "@", "a b@c.d"] {
        assert!(matches!(Condition::san_email(bad), Err(MappingError::Pattern { .. })), "{bad}");
    }
    for bad in ["spiffe://", "x/", "no uri"] {
        assert!(matches!(Condition::san_uri(bad), Err(MappingError::Pattern { .. })), "{bad}");
    }
    assert_eq!(by(DN).stripping_domain("example.com"), Err(MappingError::NothingToStrip));
    assert!("cn".parse::<PrincipalRule>().is_err());
}

/// Undoes the escapes of RFC 4514 2.4 in the value of one `CN=`.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'\\' => bytes.extend(rest.next()),
            plain => bytes.push(plain),
        }
    }
    String::from_utf8(bytes).unwrap()
}

proptest! {
    #[test]
    fn a_subject_reads_back_from_its_text(value in "\\PC{1,30}") {
        if let Ok(dn) = mapped(&Draft::default().cn(&value), &by(DN)) {
            prop_assert_eq!(unescaped(dn.strip_prefix("CN=").unwrap()), value);
        }
    }

    #[test]
    fn different_subjects_have_different_texts(
        a in prop::collection::vec("[a,+=\\\\# \"]{1,5}", 1..4),
        b in prop::collection::vec("[a,+=\\\\# \"]{1,5}", 1..4),
    ) {
        let draft = |values: &[String]| values.iter().fold(Draft::default(), |d, v| d.ou(v));
        let (left, right) = (mapped(&draft(&a), &by(DN)), mapped(&draft(&b), &by(DN)));
        if let (Ok(left), Ok(right)) = (left, right) {
            prop_assert_eq!(a == b, left == right);
        }
    }

    #[test]
    fn strict_is_no_more_than_a_refusal(
        names in prop::collection::vec("[aAb]{1,2}\\.(example|EXAMPLE)", 0..4), fold in any::<bool>()
    ) {
        let draft = names.iter().fold(Draft::default(), |d, name| d.dns(name));
        let mapping = if fold { by(DNS).folding_case() } else { by(DNS) };
        let (lax, strict) = (mapped(&draft, &mapping), mapped(&draft, &mapping.clone().strict()));
        let values = explained(&draft, &mapping).values;
        prop_assert_eq!(strict.is_ok(), values.len() == 1);
        prop_assert_eq!(lax.is_ok(), !values.is_empty());
        if let Ok(strict) = strict {
            prop_assert_eq!(lax.unwrap(), strict);
        }
    }

    #[test]
    fn no_octets_make_it_panic_and_what_comes_out_is_clean(
        form in prop::sample::select(vec![1_u8, 2, 6]), octets in prop::collection::vec(any::<u8>(), 0..40)
    ) {
        let draft = Draft::default()
            .name(form, &octets)
            .attribute(oid::COMMON_NAME, tag::UTF8_STRING, &octets);
        for rule in PrincipalRule::ALL {
            if let Ok(name) = mapped(&draft, &by(rule).folding_case().strict()) {
                prop_assert!(!name.is_empty() && !name.chars().any(char::is_control));
                prop_assert_eq!(name.trim(), &name);
            }
        }
    }
}
