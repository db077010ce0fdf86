//! What is refused, and that a refusal leaves nothing but its audit record.

use rustmq_ca::{
    CertificateManager, CertificateStatus, CrlRefresh, Error, ErrorKind, Execution, IdempotencyKey,
    IntermediateCaRequest, IssueRequest, ListFilter, NewCa, OpenMode, RekeyCaRequest,
    RenewCaRequest, RenewRequest, RenewalKey, RevokeRequest, RootCaRequest,
};
use rustmq_pki::crl::RevocationReason;
use rustmq_pki::key::PublicKey;
use rustmq_pki::name::{Principal, SubjectAltName};
use rustmq_pki::profile::Validity;
use rustmq_pki::role::Role;
use rustmq_testkit::{
    FixedPassphrase, NoPassphrase, TestCa, issue_request, named, new_key, options,
};
use std::sync::Arc;

fn client(principal: &str, key: &PublicKey) -> IssueRequest {
    issue_request("prod_ca_1", principal, Role::Client, key)
}

fn revoke(certificate: &str, reason: RevocationReason) -> RevokeRequest {
    RevokeRequest {
        certificate: certificate.to_owned(),
        reason,
        invalidity_date: None,
        execution: Execution::Commit,
    }
}

async fn refused(ca: &TestCa, request: IssueRequest) -> Error {
    let count = async || ca.manager.list(ListFilter::default()).await.expect("a list").len();
    let before = count().await;
    let error = ca.manager.issue_certificate(request).await.expect_err("a refusal");
    assert_eq!(count().await, before);
    let last = ca.manager.audit_list(1).await.expect("records").pop().expect("a record");
    assert_eq!(last.outcome, "refused");
    assert!(last.detail.starts_with(error.code()), "{} / {}", last.detail, error.code());
    error
}

#[tokio::test]
async fn a_key_has_one_holder() {
    let ca = TestCa::with_hierarchy().await;
    let key = new_key();
    let issued = ca.manager.issue_certificate(client("one@company.com", &key)).await.unwrap();
    let other = refused(&ca, client("two@company.com", &key)).await;
    assert!(
        matches!(&other, Error::KeyHeldByAnother { principal } if principal == "one@company.com")
    );
    ca.manager.issue_certificate(client("one@company.com", &key)).await.expect("its own key");
    let root_key = ca.manager.ca_chain("root_ca_1").await.unwrap()[0].public_key().unwrap();
    let of_ca = refused(&ca, client("three@company.com", &root_key)).await;
    assert!(matches!(&of_ca, Error::KeyOfCa { ca } if ca == "root_ca_1"), "{of_ca:?}");

    let id = issued.issued.unwrap().info().id.clone();
    ca.manager.revoke_certificate(revoke(&id, RevocationReason::KeyCompromise)).await.unwrap();
    let lost = refused(&ca, client("one@company.com", &key)).await;
    assert!(matches!(lost, Error::KeyCompromised { .. }), "{lost:?}");
    let same = RenewRequest {
        certificate: id,
        key: RenewalKey::Same,
        validity: Validity::Default,
        idempotency: None,
        execution: Execution::Commit,
    };
    let same = ca.manager.renew_certificate(same).await;
    assert!(matches!(same, Err(Error::KeyCompromised { .. })), "{same:?}");
}

#[tokio::test]
async fn refusals_of_the_gate_are_audited_and_teach() {
    let ca = TestCa::with_hierarchy().await;
    let broker = issue_request("prod_ca_1", "client@company.com", Role::Broker, &new_key());
    assert!(matches!(refused(&ca, broker).await, Error::Gate(_)));
    let unknown = IssueRequest { ca: "production".into(), ..client("a@b.example", &new_key()) };
    let Error::UnknownCa { nearest, .. } = refused(&ca, unknown).await else { panic!("unknown") };
    assert_eq!(nearest[0].id, "prod_ca_1");
    let negative =
        IssueRequest { validity: Validity::Days(-1), ..client("a@b.example", &new_key()) };
    assert_eq!(refused(&ca, negative).await.kind(), ErrorKind::Refused);
    let profile = Some("admin".to_owned());
    let disagreeing = IssueRequest { profile, ..client("a@b.example", &new_key()) };
    assert!(matches!(refused(&ca, disagreeing).await, Error::ProfileRole { .. }));
    let profile = Some("root-ca".to_owned());
    let a_ca = IssueRequest { profile, role: None, ..client("a@b.example", &new_key()) };
    assert!(matches!(refused(&ca, a_ca).await, Error::ProfileKind { .. }));
    let san = SubjectAltName::parse("dns:a.example").unwrap();
    let twice = IssueRequest { sans: vec![san.clone(), san], ..client("a@b.example", &new_key()) };
    assert!(matches!(refused(&ca, twice).await, Error::Gate(_)));
    assert_eq!(ca.manager.audit_verify().await.unwrap().fault, None);
}

#[tokio::test]
async fn a_dry_run_judges_and_writes_nothing() {
    let ca = TestCa::with_hierarchy().await;
    let records = ca.manager.audit_list(1000).await.unwrap().len();
    let execution = Execution::DryRun;
    let fine = IssueRequest { execution, ..client("a@b.example", &new_key()) };
    let issuance = ca.manager.issue_certificate(fine.clone()).await.unwrap();
    assert!(issuance.issued.is_none());
    assert_eq!(issuance.planned.ca_id.as_deref(), Some("prod_ca_1"));
    assert_eq!(issuance.planned.not_after, rustmq_testkit::START.plus_days(90));
    let root_key = ca.manager.ca_chain("root_ca_1").await.unwrap()[0].public_key().unwrap();
    let of_ca = IssueRequest { execution, ..client("a@b.example", &root_key) };
    assert!(matches!(ca.manager.issue_certificate(of_ca).await, Err(Error::KeyOfCa { .. })));
    let new = NewCa { execution, ..NewCa::new(named("Second Root")) };
    let created = ca.manager.generate_root_ca(RootCaRequest { ca: new }).await.unwrap();
    assert!(created.ca.is_none());
    assert_eq!(ca.manager.audit_list(1000).await.unwrap().len(), records);
    assert_eq!(ca.manager.list_cas().await.unwrap().len(), 2);
}

#[tokio::test]
async fn an_idempotency_key_gives_the_first_answer_again() {
    let ca = TestCa::with_hierarchy().await;
    let key = new_key();
    let with = |request: IssueRequest, name: &str| IssueRequest {
        idempotency: Some(IdempotencyKey::new(name)),
        ..request
    };
    let first =
        ca.manager.issue_certificate(with(client("a@b.example", &key), "k1")).await.unwrap();
    let again =
        ca.manager.issue_certificate(with(client("a@b.example", &key), "k1")).await.unwrap();
    assert!(!first.replayed && again.replayed);
    let (first, again) = (first.issued.unwrap(), again.issued.unwrap());
    assert_eq!(first.certificate(), again.certificate());
    assert_eq!(first.chain(), again.chain());
    let other =
        ca.manager.issue_certificate(with(client("a@b.example", &key), "k2")).await.unwrap();
    assert_ne!(other.issued.unwrap().info().serial, first.info().serial);

    let different_key = with(client("a@b.example", &new_key()), "k1");
    assert!(matches!(refused(&ca, different_key).await, Error::IdempotencyMismatch { .. }));
    let longer = IssueRequest { validity: Validity::Days(10), ..client("a@b.example", &key) };
    assert!(matches!(refused(&ca, with(longer, "k1")).await, Error::IdempotencyMismatch { .. }));
    assert!(matches!(
        refused(&ca, with(client("a@b.example", &key), "")).await,
        Error::InvalidIdempotencyKey
    ));

    let job = IdempotencyKey { key: "k1".into(), job: "fleet".into() };
    let in_job = IssueRequest { idempotency: Some(job), ..client("a@b.example", &key) };
    assert!(!ca.manager.issue_certificate(in_job).await.unwrap().replayed, "jobs are apart");

    let superseded = revoke(&first.info().id, RevocationReason::Superseded);
    ca.manager.revoke_certificate(superseded).await.unwrap();
    let stale = refused(&ca, with(client("a@b.example", &key), "k1")).await;
    assert!(matches!(&stale, Error::IdempotencyStale { status, .. } if status == "superseded"));
    ca.clock.advance_days(91);
    let expired = refused(&ca, with(client("a@b.example", &key), "k2")).await;
    assert!(matches!(&expired, Error::IdempotencyStale { status, .. } if status == "expired"));
}

#[tokio::test]
async fn a_ca_is_made_once_for_one_idempotency_key() {
    let ca = TestCa::empty();
    let new = |name: &str| NewCa {
        idempotency: Some(IdempotencyKey::new("k")),
        ..NewCa::new(named(name))
    };
    let root =
        async |name: &str| ca.manager.generate_root_ca(RootCaRequest { ca: new(name) }).await;
    let first = root("RustMQ Root CA").await.unwrap();
    let again = root("RustMQ Root CA").await.unwrap();
    assert!(!first.replayed && again.replayed);
    let id = first.ca.unwrap().certificate.serial;
    assert_eq!(again.ca.unwrap().certificate.serial, id);
    assert!(matches!(root("Another CA").await, Err(Error::IdempotencyMismatch { .. })));
    let intermediate = async || {
        let parent = "root_ca_1".to_owned();
        let request = IntermediateCaRequest { parent, ca: new("Production CA") };
        ca.manager.generate_intermediate_ca(request).await.unwrap()
    };
    assert!(!intermediate().await.replayed);
    assert!(intermediate().await.replayed);
    let renewal = async || {
        let request = RenewCaRequest {
            ca: "prod_ca_1".into(),
            validity: Validity::Default,
            idempotency: Some(IdempotencyKey::new("renewal")),
            execution: Execution::Commit,
        };
        ca.manager.renew_ca(request).await.unwrap()
    };
    let (first, again) = (renewal().await, renewal().await);
    assert!(!first.replayed && again.replayed);
    assert_eq!(first.ca.unwrap().certificate, again.ca.unwrap().certificate);
    assert_eq!(ca.manager.list_cas().await.unwrap().len(), 2);
}

#[tokio::test]
async fn a_clock_that_was_set_back_signs_nothing() {
    let ca = TestCa::with_hierarchy().await;
    ca.clock.advance_days(1);
    ca.issue("now@b.example", Role::Client).await;
    ca.clock.advance_seconds(-300);
    ca.issue("a@b.example", Role::Client).await;
    ca.clock.advance_seconds(-1);
    let behind = refused(&ca, client("b@b.example", &new_key())).await;
    assert!(matches!(behind, Error::ClockBehind { .. }), "{behind:?}");
    // The refusal's own record is older than the newest: it does not move the limit.
    let still = refused(&ca, client("b@b.example", &new_key())).await;
    assert!(matches!(still, Error::ClockBehind { .. }), "{still:?}");
    let crl = ca.manager.generate_crl("prod_ca_1", CrlRefresh::Always).await;
    assert!(matches!(crl, Err(Error::ClockBehind { .. })), "{crl:?}");
    let revocation =
        ca.manager.revoke_certificate(revoke("cert-3", RevocationReason::Superseded)).await;
    assert!(matches!(revocation, Err(Error::ClockBehind { .. })), "{revocation:?}");
    assert_eq!(ca.manager.info("cert-3").await.unwrap().status, CertificateStatus::Active);
    ca.clock.advance_seconds(301);
    ca.issue("b@b.example", Role::Client).await;
    assert_eq!(ca.manager.audit_verify().await.unwrap().fault, None);
}

/// A machine whose clock battery is empty, say: what it was refused then must not count as done.
#[tokio::test]
async fn what_was_refused_under_a_clock_that_ran_ahead_keeps_nothing_from_being_signed() {
    let ca = TestCa::with_hierarchy().await;
    let leaf = ca.issue("a@b.example", Role::Client).await.info().id.clone();
    ca.clock.advance_days(7000);
    let unknown = issue_request("nope", "b@b.example", Role::Client, &new_key());
    assert!(matches!(refused(&ca, unknown).await, Error::UnknownCa { .. }));
    ca.clock.advance_days(-7000);
    ca.issue("c@b.example", Role::Client).await;
    ca.manager.revoke_certificate(revoke(&leaf, RevocationReason::Superseded)).await.unwrap();
    ca.manager.generate_crl("prod_ca_1", CrlRefresh::Always).await.expect("a list");
    assert_eq!(ca.manager.audit_verify().await.unwrap().fault, None);
}

#[tokio::test]
async fn a_ca_that_may_not_issue_does_not() {
    let ca = TestCa::with_hierarchy().await;
    ca.create_intermediate("root_ca_1", "Staging CA").await;
    ca.create_intermediate("root_ca_1", "Some CA").await;
    let by = |id: &str| issue_request(id, "a@b.example", Role::Client, &new_key());

    ca.manager.retire_ca("staging_ca_1", Execution::Commit).await.unwrap();
    assert!(matches!(refused(&ca, by("staging_ca_1")).await, Error::CaRetired { .. }));
    ca.manager.generate_crl("staging_ca_1", CrlRefresh::Always).await.expect("its CRLs go on");
    let twice = ca.manager.retire_ca("staging_ca_1", Execution::Commit).await;
    assert!(matches!(twice, Err(Error::CaRetired { .. })), "{twice:?}");

    let hold = revoke("intermediate_ca_1", RevocationReason::CertificateHold);
    let held = ca.manager.revoke_ca(hold).await.unwrap();
    assert_eq!(held.crl.unwrap().ca_id, "root_ca_1");
    assert!(matches!(refused(&ca, by("intermediate_ca_1")).await, Error::CaRevoked { .. }));
    ca.manager.release_ca("intermediate_ca_1", Execution::Commit).await.unwrap();
    ca.manager.issue_certificate(by("intermediate_ca_1")).await.expect("it was released");
    let gone = revoke("intermediate_ca_1", RevocationReason::CaCompromise);
    ca.manager.revoke_ca(gone).await.unwrap();
    assert!(matches!(refused(&ca, by("intermediate_ca_1")).await, Error::CaRevoked { .. }));
    let renewal = RenewCaRequest {
        ca: "intermediate_ca_1".into(),
        validity: Validity::Default,
        idempotency: None,
        execution: Execution::Commit,
    };
    let renewal = ca.manager.renew_ca(renewal).await;
    assert!(matches!(renewal, Err(Error::CaRevoked { .. })), "{renewal:?}");
    let root = ca.manager.revoke_ca(revoke("root_ca_1", RevocationReason::KeyCompromise)).await;
    assert!(matches!(root, Err(Error::RootCannotBeRevoked { .. })), "{root:?}");

    ca.clock.advance_days(1826);
    assert!(matches!(
        refused(&ca, by("prod_ca_1")).await,
        Error::CaExpired { .. } | Error::Gate(_)
    ));
}

#[tokio::test]
async fn a_ca_certificate_is_no_end_entitys() {
    let ca = TestCa::with_hierarchy().await;
    let serial = ca.manager.find_ca("prod_ca_1").await.unwrap().certificate.serial;
    let refused =
        ca.manager.revoke_certificate(revoke(&serial, RevocationReason::Superseded)).await;
    assert!(matches!(&refused, Err(Error::IsCaCertificate { ca, .. }) if ca == "prod_ca_1"));
    for unknown in ["cert-99", "cert-0", "ffff", "no such thing", ""] {
        let refused = ca.manager.info(unknown).await;
        assert!(matches!(refused, Err(Error::UnknownCertificate { .. })), "{unknown:?}");
    }
}

#[tokio::test]
async fn a_renewed_ca_keeps_key_and_id_and_a_rekeyed_one_gets_the_next() {
    let ca = TestCa::with_hierarchy().await;
    let leaf = ca.issue("a@b.example", Role::Client).await;
    let before = ca.manager.ca_chain("prod_ca_1").await.unwrap();
    ca.clock.advance_days(100);
    for name in ["prod_ca_1", "root_ca_1"] {
        let renewal = RenewCaRequest {
            ca: name.into(),
            validity: Validity::Default,
            idempotency: None,
            execution: Execution::Commit,
        };
        let renewed = ca.manager.renew_ca(renewal).await.unwrap().ca.unwrap();
        assert_eq!(renewed.id, name);
    }
    let after = ca.manager.ca_chain("prod_ca_1").await.unwrap();
    for (old, new) in before.iter().zip(&after) {
        assert_eq!(old.view().subject.der, new.view().subject.der);
        assert_eq!(old.view().spki.der, new.view().spki.der);
        assert_ne!(old.serial(), new.serial());
        assert!(new.not_after() > old.not_after());
    }
    let issued = ca.issue("a@b.example", Role::Client).await;
    assert_eq!(issued.chain(), after);
    assert_eq!(issued.info().issuer, leaf.info().issuer);

    let rekey = RekeyCaRequest {
        ca: "prod_ca_1".into(),
        key_type: None,
        id: None,
        validity: Validity::Default,
        idempotency: None,
        execution: Execution::Commit,
    };
    let rekeyed = ca.manager.rekey_ca(rekey).await.unwrap().ca.unwrap();
    assert_eq!(
        (rekeyed.id.as_str(), rekeyed.parent_id.as_deref()),
        ("prod_ca_2", Some("root_ca_1"))
    );
    let chain = ca.manager.ca_chain("prod_ca_2").await.unwrap();
    assert_eq!(chain[0].view().subject.der, after[0].view().subject.der);
    assert_ne!(chain[0].view().spki.der, after[0].view().spki.der);
    let name = ca.manager.find_ca("Production CA").await;
    assert!(matches!(&name, Err(Error::AmbiguousCa { candidates, .. }) if candidates.len() == 2));

    // Revoking a renewed CA takes all of its certificates down.
    let gone =
        ca.manager.revoke_ca(revoke("prod_ca_1", RevocationReason::CaCompromise)).await.unwrap();
    assert_eq!(gone.certificates.len(), 2);
    assert_eq!(gone.crl.unwrap().entries, 2);
}

#[tokio::test]
async fn ids_are_predictable_and_chosen_ones_are_stepped_over() {
    let ca = TestCa::with_hierarchy().await;
    let new = |name: &str, id: Option<&str>| IntermediateCaRequest {
        parent: "root_ca_1".into(),
        ca: NewCa { id: id.map(str::to_owned), ..NewCa::new(named(name)) },
    };
    let id = async |request| {
        let created = ca.manager.generate_intermediate_ca(request).await;
        created.map(|creation| creation.ca.unwrap().id)
    };
    assert_eq!(id(new("Development CA", None)).await.unwrap(), "dev_ca_1");
    assert_eq!(id(new("X", Some("dev_ca_2"))).await.unwrap(), "dev_ca_2");
    assert_eq!(id(new("Development CA", None)).await.unwrap(), "dev_ca_3");
    assert!(matches!(id(new("X", Some("dev_ca_2"))).await, Err(Error::CaIdTaken { .. })));
    assert!(matches!(id(new("X", Some("../x"))).await, Err(Error::InvalidCaId { .. })));
    let fingerprint = ca.manager.find_ca("dev_ca_3").await.unwrap().certificate.fingerprint;
    assert_eq!(ca.manager.find_ca(&fingerprint[..12]).await.unwrap().id, "dev_ca_3");
}

#[tokio::test]
async fn a_request_is_judged_before_a_passphrase_is_asked_for() {
    let ca = TestCa::with_hierarchy().await;
    ca.clock.advance_days(1);
    ca.issue("first@b.example", Role::Client).await;
    let source = FixedPassphrase::new(rustmq_testkit::PASSPHRASE);
    let open = options(&ca.data_dir(), &ca.clock, source.clone());
    let manager = CertificateManager::open(&open).unwrap();
    let mut ended = client("a@b.example", &new_key());
    ended.validity = Validity::Days(0);
    let refused = manager.issue_certificate(ended).await;
    assert!(matches!(refused, Err(Error::Gate(_))), "{refused:?}");
    let team =
        IntermediateCaRequest { parent: "prod_ca_1".to_owned(), ca: NewCa::new(named("Team CA")) };
    assert!(matches!(manager.generate_intermediate_ca(team).await, Err(Error::Gate(_))));
    let long = RenewCaRequest {
        ca: "prod_ca_1".to_owned(),
        validity: Validity::Days(36_500),
        idempotency: None,
        execution: Execution::Commit,
    };
    assert!(matches!(manager.renew_ca(long).await, Err(Error::Gate(_))));
    ca.clock.advance_seconds(-3600);
    let behind = manager.issue_certificate(client("a@b.example", &new_key())).await;
    assert!(matches!(behind, Err(Error::ClockBehind { .. })), "{behind:?}");
    assert_eq!(source.times_asked(), 0);
    let newest = ca.manager.audit_list(4).await.unwrap();
    assert!(newest.iter().all(|record| record.outcome == "refused"), "{newest:?}");
}

#[tokio::test]
async fn keys_are_opened_once_and_only_when_needed() {
    let ca = TestCa::with_hierarchy().await;
    let issued = ca.issue("a@b.example", Role::Client).await;
    let none = options(&ca.data_dir(), &ca.clock, Arc::new(NoPassphrase));
    let reader = CertificateManager::open(&none.clone().mode(OpenMode::Read)).unwrap();
    reader.list(ListFilter::default()).await.unwrap();
    reader.info(&issued.info().serial).await.unwrap();
    reader.ca_tree().await.unwrap();
    reader.bundle(&issued.info().id).await.unwrap();
    reader.audit_verify().await.unwrap();
    reader.generate_crl("root_ca_1", CrlRefresh::Stored).await.unwrap();
    reader.export_all(Box::new(std::io::sink())).await.unwrap();
    let write = reader.issue_certificate(client("c@b.example", &new_key())).await;
    assert!(matches!(write, Err(Error::OpenedForReading)), "{write:?}");

    let source = FixedPassphrase::new(rustmq_testkit::PASSPHRASE);
    let again = options(&ca.data_dir(), &ca.clock, source.clone());
    let writer = CertificateManager::open(&again).unwrap();
    assert_eq!(source.times_asked(), 0);
    for principal in ["c@b.example", "d@b.example"] {
        writer.issue_certificate(client(principal, &new_key())).await.unwrap();
    }
    assert_eq!(source.times_asked(), 1);

    let wrong = options(&ca.data_dir(), &ca.clock, FixedPassphrase::new("wrong"));
    let writer = CertificateManager::open(&wrong).unwrap();
    let before = writer.audit_list(1000).await.unwrap().len();
    let refused = writer.issue_certificate(client("e@b.example", &new_key())).await;
    assert!(matches!(refused, Err(Error::WrongPassphrase)), "{refused:?}");
    let second_root = RootCaRequest { ca: NewCa::new(named("Second")) };
    let refused = writer.generate_root_ca(second_root).await;
    assert!(matches!(refused, Err(Error::WrongPassphrase)), "{refused:?}");
    assert_eq!(writer.audit_list(1000).await.unwrap().len(), before + 2, "one record each");
    assert_eq!(writer.list_cas().await.unwrap().len(), 2);
}

#[tokio::test]
async fn many_at_once_each_get_their_own() {
    let ca = TestCa::with_hierarchy().await;
    let tasks: Vec<_> = (0..64)
        .map(|at| {
            let manager = ca.manager.clone();
            tokio::spawn(async move {
                let request = IssueRequest {
                    principal: Principal::parse(&format!("client-{at}@b.example")).unwrap(),
                    ..client("x@b.example", &new_key())
                };
                manager.issue_certificate(request).await.unwrap().issued.unwrap()
            })
        })
        .collect();
    let mut ids = std::collections::HashSet::new();
    for (at, task) in tasks.into_iter().enumerate() {
        let issued = task.await.unwrap();
        assert_eq!(issued.info().principal, format!("client-{at}@b.example"));
        assert!(ids.insert(issued.info().id.clone()));
        assert_eq!(ca.manager.info(&issued.info().id).await.unwrap(), *issued.info());
    }
    let tree = ca.manager.ca_tree().await.unwrap();
    assert_eq!(tree[0].children[0].ca.counts[0].active, 64);
}
