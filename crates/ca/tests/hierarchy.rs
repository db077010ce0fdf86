//! What CAs inherit, what their certificates say of them, and keys of several kinds.

use rustmq_ca::{
    CertificateRole, Error, Execution, Inherited, IntermediateCaRequest, IssueRequest, NewCa,
    RenewCaRequest, RootCaRequest,
};
use rustmq_pki::certificate::Certificate;
use rustmq_pki::key::KeyType;
use rustmq_pki::name::{SubjectAltName, TrustDomain};
use rustmq_pki::profile::Validity;
use rustmq_pki::role::Role;
use rustmq_testkit::{START, TestCa, issue_request, named, new_key};

fn under(parent: &str, ca: NewCa) -> IntermediateCaRequest {
    IntermediateCaRequest { parent: parent.to_owned(), ca }
}

async fn leaf(ca: &TestCa, by: &str, principal: &str) -> Certificate {
    let request = issue_request(by, principal, Role::Client, &new_key());
    let issuance = ca.manager.issue_certificate(request).await.expect("a certificate");
    issuance.issued.expect("no dry run").certificate().clone()
}

fn has(certificate: &Certificate, text: &str) -> bool {
    certificate.der().windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn an_intermediate_takes_its_issuers_base_url_and_trust_domain_unless_told_otherwise() {
    let ca = TestCa::empty();
    let domain = TrustDomain::parse("fleet.example").unwrap();
    let root = NewCa {
        base_url: Inherited::Own("http://pki.example/x".to_owned()),
        trust_domain: Inherited::Own(domain.clone()),
        ..NewCa::new(named("RustMQ Root CA"))
    };
    let created = ca.manager.generate_root_ca(RootCaRequest { ca: root }).await.unwrap();
    assert!(!created.base_url_inherited && !created.trust_domain_inherited);

    let plain = NewCa::new(named("Production CA"));
    let created = ca.manager.generate_intermediate_ca(under("root_ca_1", plain)).await.unwrap();
    assert!(created.base_url_inherited && created.trust_domain_inherited);
    let info = created.ca.unwrap();
    assert_eq!(info.base_url.as_deref(), Some("http://pki.example/x"));
    assert_eq!(info.trust_domain.as_deref(), Some("fleet.example"));
    let chain = ca.manager.ca_chain("prod_ca_1").await.unwrap();
    assert!(has(&chain[0], "http://pki.example/x/crl/root_ca_1.crl"));
    let certificate = leaf(&ca, "prod_ca_1", "app-1").await;
    assert!(has(&certificate, "http://pki.example/x/crl/prod_ca_1.crl"));
    assert!(has(&certificate, "http://pki.example/x/ca/prod_ca_1.crt"));
    assert!(has(&certificate, "spiffe://fleet.example/client/app-1"));

    let without = NewCa {
        base_url: Inherited::Absent,
        trust_domain: Inherited::Absent,
        ..NewCa::new(named("Staging CA"))
    };
    let created = ca.manager.generate_intermediate_ca(under("root_ca_1", without)).await.unwrap();
    assert_eq!((created.base_url, created.trust_domain), (None, None));
    let certificate = leaf(&ca, "staging_ca_1", "app-2").await;
    assert!(!has(&certificate, "http://") && !has(&certificate, "spiffe://"));

    let own = NewCa {
        trust_domain: Inherited::Own(TrustDomain::parse("dev.example").unwrap()),
        ..NewCa::new(named("Development CA"))
    };
    ca.manager.generate_intermediate_ca(under("root_ca_1", own)).await.unwrap();
    let chain = ca.manager.ca_chain("dev_ca_1").await.unwrap();
    let constraints = chain[0].view().extensions.known().unwrap().name_constraints;
    assert!(constraints.expect("its own trust domain").critical);
    assert!(has(&leaf(&ca, "dev_ca_1", "app-3").await, "spiffe://dev.example/client/app-3"));
    let uri = SubjectAltName::parse(&format!("uri:spiffe://{domain}/admin/root")).unwrap();
    let forged = IssueRequest {
        sans: vec![uri],
        ..issue_request("prod_ca_1", "app-4", Role::Client, &new_key())
    };
    let refused = ca.manager.issue_certificate(forged).await;
    assert!(matches!(refused, Err(Error::Gate(_))), "{refused:?}");

    let broken = NewCa {
        base_url: Inherited::Own("ftp://pki.example".to_owned()),
        ..NewCa::new(named("Broken CA"))
    };
    let refused = ca.manager.generate_intermediate_ca(under("root_ca_1", broken)).await;
    assert!(matches!(refused, Err(Error::BaseUrl(_))), "{refused:?}");
}

#[tokio::test]
async fn a_path_of_several_cas_as_deep_as_its_lengths_allow() {
    let ca = TestCa::empty();
    ca.create_root("RustMQ Root CA").await;
    let first = NewCa { path_len: Some(1), ..NewCa::new(named("First CA")) };
    ca.manager.generate_intermediate_ca(under("root_ca_1", first)).await.unwrap();
    let second = NewCa::new(named("Second CA"));
    ca.manager.generate_intermediate_ca(under("First CA", second)).await.unwrap();
    let third = NewCa::new(named("Third CA"));
    let refused = ca.manager.generate_intermediate_ca(under("Second CA", third)).await;
    assert!(matches!(refused, Err(Error::Gate(_))), "{refused:?}");
    let tree = ca.manager.ca_tree().await.unwrap();
    assert_eq!(tree[0].children[0].children[0].ca.common_name, "Second CA");
    let request = issue_request("Second CA", "a@b.example", Role::Client, &new_key());
    let issued = ca.manager.issue_certificate(request).await.unwrap().issued.unwrap();
    assert_eq!(issued.chain().len(), 3);
    let bundle = ca.manager.bundle(&issued.info().id).await.unwrap();
    assert_eq!(bundle.crls.len(), 3);
}

#[tokio::test]
async fn no_certificate_outlives_a_ca_above_its_issuer() {
    let ca = TestCa::with_hierarchy().await;
    let renew = async |validity| {
        let request = RenewCaRequest {
            ca: "root_ca_1".to_owned(),
            validity,
            idempotency: None,
            execution: Execution::Commit,
        };
        ca.manager.renew_ca(request).await.expect("renewed");
    };
    let end = async |validity| {
        let request = issue_request("prod_ca_1", "a@b.example", Role::Client, &new_key());
        let request = IssueRequest { validity, ..request };
        let issued = ca.manager.issue_certificate(request).await?.issued.expect("no dry run");
        Ok::<_, Error>(issued.certificate().not_after())
    };
    renew(Validity::Days(60)).await;
    let shortened = end(Validity::Default).await.expect("more than half of 90 days");
    assert_eq!(shortened, START.plus_days(60));
    for (validity, code) in [
        (Validity::Days(61), "validity_beyond_issuer"),
        (Validity::Days(60), "issued"),
        (Validity::Days(5), "issued"),
    ] {
        assert_eq!(end(validity).await.map_or_else(|error| error.code(), |_| "issued"), code);
    }
    renew(Validity::Days(10)).await;
    let refused = end(Validity::Default).await.expect_err("less than half of 90 days");
    assert_eq!(refused.code(), "issuer_ends_too_soon");
    renew(Validity::Default).await;
    assert_eq!(end(Validity::Default).await.expect("issued"), START.plus_days(90));
}

#[tokio::test]
async fn cas_with_keys_of_several_kinds_sign_certificates_and_crls() {
    for key_type in [KeyType::P384, KeyType::Ed25519, KeyType::Rsa2048, KeyType::MlDsa44] {
        let ca = TestCa::empty();
        let root = NewCa { key_type, ..NewCa::new(named("RustMQ Root CA")) };
        ca.manager.generate_root_ca(RootCaRequest { ca: root }).await.unwrap();
        let new = NewCa { key_type, ..NewCa::new(named("Production CA")) };
        ca.manager.generate_intermediate_ca(under("root_ca_1", new)).await.unwrap();
        let request = issue_request("prod_ca_1", "a@b.example", Role::Client, &new_key());
        let issued = ca.manager.issue_certificate(request).await.unwrap().issued.unwrap();
        let (view, issuer) = (issued.certificate().view(), &issued.chain()[0]);
        let key = issuer.public_key().unwrap();
        assert_eq!(key.key_type(), key_type);
        assert!(key.verifies(view.signature_algorithm.der, view.tbs, view.signature));
        let bundle = ca.manager.bundle(&issued.info().id).await.unwrap();
        let crl = rustmq_pki::read::CrlRef::read(bundle.crls[0].der()).unwrap();
        assert!(key.verifies(crl.signature_algorithm.der, crl.tbs, crl.signature));
    }
}

#[tokio::test]
async fn a_profile_of_the_users_counts_and_an_ocsp_signer_has_no_role() {
    let ca = TestCa::with_hierarchy().await;
    let signer = IssueRequest {
        role: None,
        profile: Some("ocsp-signer".to_owned()),
        ..issue_request("prod_ca_1", "ocsp-1", Role::Client, &new_key())
    };
    let issued = ca.manager.issue_certificate(signer).await.unwrap().issued.unwrap();
    assert_eq!(issued.info().role, CertificateRole::OcspSigner);
    assert_eq!(issued.info().extended_key_usage, ["OCSPSigning"]);

    let profiles = ca.data_dir().join("profiles");
    std::fs::create_dir(&profiles).unwrap();
    let short = ca.manager.profile("client").unwrap().to_toml();
    let short = short.replace("validity_days = 90", "validity_days = 1");
    std::fs::write(profiles.join("short.toml"), short).unwrap();
    let request = IssueRequest {
        profile: Some("short".to_owned()),
        ..issue_request("prod_ca_1", "a@b.example", Role::Client, &new_key())
    };
    let issued = ca.manager.issue_certificate(request).await.unwrap().issued.unwrap();
    assert_eq!(issued.info().profile, "short");
    assert_eq!(issued.info().not_after, rustmq_testkit::START.plus_days(1));
}

/// Refusals and certificates that share transactions: a refusal undoes nobody else's work.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refusals_among_many_at_once_undo_nothing() {
    let ca = TestCa::with_hierarchy().await;
    let taken = new_key();
    let first = issue_request("prod_ca_1", "holder@b.example", Role::Client, &taken);
    ca.manager.issue_certificate(first).await.unwrap();
    let tasks: Vec<_> = (0..60)
        .map(|at| {
            let (manager, taken) = (ca.manager.clone(), taken.clone());
            tokio::spawn(async move {
                let key = if at % 3 == 0 { taken } else { new_key() };
                let principal = format!("client-{at}@b.example");
                let request = issue_request("prod_ca_1", &principal, Role::Client, &key);
                (at, manager.issue_certificate(request).await)
            })
        })
        .collect();
    let mut issued = 1;
    for task in tasks {
        match task.await.unwrap() {
            (at, Err(Error::KeyHeldByAnother { .. })) => assert_eq!(at % 3, 0),
            (at, result) => {
                assert_ne!(at % 3, 0);
                let id = result.unwrap().issued.unwrap().info().id.clone();
                ca.manager.info(&id).await.expect("it is there");
                issued += 1;
            }
        }
    }
    assert_eq!(issued, 41);
    assert_eq!(ca.manager.ca_tree().await.unwrap()[0].children[0].ca.counts[0].active, issued);
    let records = ca.manager.audit_list(10_000).await.unwrap();
    assert_eq!(records.iter().filter(|record| record.outcome == "refused").count(), 20);
    assert_eq!(ca.manager.audit_verify().await.unwrap().fault, None);
}
