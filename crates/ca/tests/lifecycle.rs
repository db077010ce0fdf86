//! The life of certificates, from the root to the last CRL that lists them.

use rustmq_ca::{
    CaStatus, CertificateManager, CertificateRole, CertificateStatus, CrlRefresh, Error, Execution,
    IdempotencyKey, IntermediateCaRequest, ListFilter, NewCa, RenewRequest, RenewalKey,
    RevokeRequest, RotateRequest,
};
use rustmq_pki::crl::RevocationReason;
use rustmq_pki::profile::Validity;
use rustmq_pki::read::CrlRef;
use rustmq_pki::role::Role;
use rustmq_testkit::{START, TestCa, issue_request, named, new_key};

fn revoke(certificate: &str, reason: RevocationReason) -> RevokeRequest {
    RevokeRequest {
        certificate: certificate.to_owned(),
        reason,
        invalidity_date: None,
        execution: Execution::Commit,
    }
}

fn renew(certificate: &str, key: RenewalKey) -> RenewRequest {
    RenewRequest {
        certificate: certificate.to_owned(),
        key,
        validity: Validity::Default,
        idempotency: None,
        execution: Execution::Commit,
    }
}

fn serials(crl: &[u8]) -> Vec<String> {
    let crl = CrlRef::read(crl).expect("a CRL");
    let hex = |octets: &[u8]| octets.iter().map(|o| format!("{o:02x}")).collect::<String>();
    crl.entries().map(|entry| hex(entry.expect("an entry").serial.magnitude())).collect()
}

#[tokio::test]
async fn test_generate_root_ca() {
    let ca = TestCa::empty();
    let root = ca.create_root("RustMQ Root CA").await;
    assert_eq!(root.id, "root_ca_1");
    assert_eq!((root.parent_id, root.status), (None, CaStatus::Active));
    let certificate = &root.certificate;
    assert_eq!(certificate.role, CertificateRole::RootCa);
    assert_eq!(certificate.issuer, certificate.subject);
    let chain = ca.manager.ca_chain("root_ca_1").await.unwrap();
    assert_eq!(chain.len(), 1);
    let view = chain[0].view();
    let key = chain[0].public_key().unwrap();
    assert!(key.verifies(view.signature_algorithm.der, view.tbs, view.signature));
    assert!(view.extensions.known().unwrap().is_ca());
    let crl = ca.manager.generate_crl("root_ca_1", CrlRefresh::Stored).await.unwrap();
    assert_eq!(crl.entries, 0);
    assert_eq!(ca.passphrase.times_asked(), 1);
}

#[tokio::test]
async fn test_generate_intermediate_ca() {
    let ca = TestCa::with_hierarchy().await;
    let chain = ca.manager.ca_chain("prod_ca_1").await.unwrap();
    assert_eq!(chain.len(), 2);
    let (own, root) = (chain[0].view(), &chain[1]);
    assert_eq!(own.issuer.der, root.view().subject.der);
    assert_ne!(own.issuer.der, own.subject.der);
    let key = root.public_key().unwrap();
    assert!(key.verifies(own.signature_algorithm.der, own.tbs, own.signature));
    let info = ca.manager.find_ca("Production CA").await.unwrap();
    assert_eq!((info.parent_id.as_deref(), info.path_len), (Some("root_ca_1"), Some(0)));
    let parent = "prod_ca_1".to_owned();
    let below = IntermediateCaRequest { parent, ca: NewCa::new(named("Team CA")) };
    let refused = ca.manager.generate_intermediate_ca(below).await;
    assert!(matches!(refused, Err(Error::Gate(_))), "{refused:?}");
    assert_eq!(ca.manager.list_cas().await.unwrap().len(), 2);
}

#[tokio::test]
async fn test_issue_client_certificate() {
    let ca = TestCa::with_hierarchy().await;
    let issued = ca.issue("client@company.com", Role::Client).await;
    let info = issued.info();
    assert_eq!(info.subject, "CN=client@company.com");
    assert_eq!(info.issuer, "CN=Production CA");
    assert_eq!(info.sans, ["email:client@company.com"]);
    assert_eq!(info.extended_key_usage, ["clientAuth"]);
    assert_eq!((info.role, info.status), (CertificateRole::Client, CertificateStatus::Active));
    let (view, issuer) = (issued.certificate().view(), issued.chain()[0].public_key().unwrap());
    assert!(issuer.verifies(view.signature_algorithm.der, view.tbs, view.signature));
    let stored = ca.manager.bundle(&info.serial).await.unwrap();
    assert_eq!(stored.certificate, *issued.certificate());
    assert_eq!(stored.info, *info);
    assert_eq!(stored.chain, issued.chain());
    assert_eq!(stored.crls.len(), 2);
}

#[tokio::test]
async fn test_certificate_lifecycle_integration() {
    let ca = TestCa::with_hierarchy().await;
    let first = ca.issue("broker-01.example.com", Role::Broker).await;
    let request = renew(&first.info().id, RenewalKey::New(new_key()));
    let renewed = ca.manager.renew_certificate(request).await.unwrap().issued.unwrap();
    assert_eq!(renewed.info().subject, first.info().subject);
    assert_eq!(renewed.info().sans, first.info().sans);
    assert_eq!(renewed.info().renews.as_deref(), Some(first.info().id.as_str()));
    assert_ne!(renewed.info().serial, first.info().serial);
    let status = async |id: &str| ca.manager.info(id).await.unwrap().status;
    assert_eq!(status(&first.info().id).await, CertificateStatus::Active);

    let renewal = renew(&renewed.info().id, RenewalKey::Same);
    let request = RotateRequest { renewal, overlap_days: RotateRequest::OVERLAP_DAYS };
    let rotated = ca.manager.rotate_certificate(request).await.unwrap();
    assert_eq!(rotated.supersede_at, Some(START.plus_days(7)));
    ca.clock.advance_days(6);
    ca.manager.generate_crl("prod_ca_1", CrlRefresh::Always).await.unwrap();
    assert_eq!(status(&renewed.info().id).await, CertificateStatus::Active);
    ca.clock.advance_days(1);
    let crl = ca.manager.generate_crl("prod_ca_1", CrlRefresh::Always).await.unwrap();
    assert_eq!(status(&renewed.info().id).await, CertificateStatus::Superseded);
    assert_eq!(serials(crl.crl.der()), [renewed.info().serial.clone()]);

    let on_hold = revoke(&first.info().serial, RevocationReason::CertificateHold);
    ca.manager.revoke_certificate(on_hold).await.unwrap();
    assert_eq!(status(&first.info().id).await, CertificateStatus::OnHold);
    ca.manager.release_certificate(&first.info().id, Execution::Commit).await.unwrap();
    assert_eq!(status(&first.info().id).await, CertificateStatus::Active);
    let compromised = revoke(&first.info().id, RevocationReason::KeyCompromise);
    let revocation = ca.manager.revoke_certificate(compromised.clone()).await.unwrap();
    assert_eq!(serials(revocation.crl.unwrap().crl.der()).len(), 2);
    let twice = ca.manager.revoke_certificate(compromised).await;
    assert!(matches!(twice, Err(Error::AlreadyRevoked { .. })), "{twice:?}");
    let public_key = first.certificate().public_key().unwrap();
    let again = issue_request("prod_ca_1", "broker-01.example.com", Role::Broker, &public_key);
    let refused = ca.manager.issue_certificate(again).await;
    assert!(matches!(refused, Err(Error::KeyCompromised { .. })), "{refused:?}");

    let brokers = ListFilter { role: Some(CertificateRole::Broker), ..ListFilter::default() };
    assert_eq!(ca.manager.list(brokers).await.unwrap().len(), 3);
    let verdict = ca.manager.audit_verify().await.unwrap();
    assert_eq!(verdict.fault, None);
    assert_eq!(verdict.records, ca.manager.audit_list(1000).await.unwrap().len() as u64);
}

#[tokio::test]
async fn a_revoked_certificate_leaves_the_crl_after_one_past_its_end() {
    let ca = TestCa::with_hierarchy().await;
    let issued = ca.issue("client@company.com", Role::Client).await;
    let superseded = revoke(&issued.info().id, RevocationReason::Superseded);
    ca.manager.revoke_certificate(superseded).await.unwrap();
    let listed = async || {
        let crl = ca.manager.generate_crl("prod_ca_1", CrlRefresh::Always).await.unwrap();
        serials(crl.crl.der()).len()
    };
    ca.clock.advance_days(89);
    assert_eq!(listed().await, 1);
    ca.clock.advance_days(2);
    assert_eq!(listed().await, 1, "the first CRL past its end");
    assert_eq!(listed().await, 0, "the second");
}

#[tokio::test]
async fn a_due_supersession_is_carried_out_by_the_next_writing_command() {
    let ca = TestCa::with_hierarchy().await;
    ca.create_intermediate("root_ca_1", "Staging CA").await;
    let old = ca.issue("client@company.com", Role::Client).await;
    let renewal = renew(&old.info().id, RenewalKey::New(new_key()));
    let request = RotateRequest { renewal, overlap_days: 1 };
    ca.manager.rotate_certificate(request).await.unwrap();
    let stored =
        async |ca_id: &str| ca.manager.generate_crl(ca_id, CrlRefresh::Stored).await.unwrap().crl;
    let (before, root_before) = (stored("prod_ca_1").await, stored("root_ca_1").await);
    ca.clock.advance_days(1);
    // By another CA, in another process: the root's key is not opened for it.
    let manager = CertificateManager::open(&ca.options()).unwrap();
    let request = issue_request("staging_ca_1", "other@company.com", Role::Client, &new_key());
    let issuance = manager.issue_certificate(request).await.unwrap();
    assert!(issuance.crl_failure.is_none());
    let status = ca.manager.info(&old.info().id).await.unwrap().status;
    assert_eq!(status, CertificateStatus::Superseded);
    let after = stored("prod_ca_1").await;
    assert!(after.number() > before.number());
    let signed = ca.manager.audit_list(1).await.unwrap().remove(0);
    assert!(signed.detail.contains(", 1 entry, sha256 "), "{}", signed.detail);
    assert_eq!(serials(after.der()), [old.info().serial.clone()]);
    assert_eq!(stored("root_ca_1").await, root_before);
}

#[tokio::test]
async fn a_rotation_of_what_has_ended_promises_no_supersession() {
    let ca = TestCa::with_hierarchy().await;
    let old = ca.issue("client@company.com", Role::Client).await;
    let rotation = |days| RotateRequest {
        renewal: renew(&old.info().id, RenewalKey::New(new_key())),
        overlap_days: days,
    };
    // Its 90 days are over before the overlap is.
    let late = ca.manager.rotate_certificate(rotation(91)).await.unwrap();
    assert_eq!(late.supersede_at, None);
    let cessation = revoke(&old.info().id, RevocationReason::CessationOfOperation);
    ca.manager.revoke_certificate(cessation).await.unwrap();
    let rotated = ca.manager.rotate_certificate(rotation(7)).await.unwrap();
    assert!(rotated.issued.is_some());
    assert_eq!(rotated.supersede_at, None);
    assert_eq!(ca.manager.info(&old.info().id).await.unwrap().supersede_at, None);
}

#[tokio::test]
async fn a_repeated_renewal_promises_nothing_that_a_rotation_did() {
    let ca = TestCa::with_hierarchy().await;
    let old = ca.issue("client@company.com", Role::Client).await;
    let mut renewal = renew(&old.info().id, RenewalKey::New(new_key()));
    renewal.idempotency = Some(IdempotencyKey::new("renew"));
    ca.manager.renew_certificate(renewal.clone()).await.unwrap();
    let mut rotation = RotateRequest {
        renewal: renew(&old.info().id, RenewalKey::New(new_key())),
        overlap_days: 7,
    };
    rotation.renewal.idempotency = Some(IdempotencyKey::new("rotate"));
    ca.manager.rotate_certificate(rotation.clone()).await.unwrap();
    let again = ca.manager.renew_certificate(renewal).await.unwrap();
    assert_eq!((again.replayed, again.supersede_at), (true, None));
    let again = ca.manager.rotate_certificate(rotation).await.unwrap();
    assert_eq!((again.replayed, again.supersede_at), (true, Some(START.plus_days(7))));
}

#[tokio::test]
async fn a_rotation_without_overlap_supersedes_at_once() {
    let ca = TestCa::with_hierarchy().await;
    let old = ca.issue("client@company.com", Role::Client).await;
    let renewal = renew(&old.info().id, RenewalKey::New(new_key()));
    let request = RotateRequest { renewal, overlap_days: 0 };
    let rotated = ca.manager.rotate_certificate(request).await.unwrap();
    assert!(rotated.crl_failure.is_none());
    let status = ca.manager.info(&old.info().id).await.unwrap().status;
    assert_eq!(status, CertificateStatus::Superseded);
    let crl = ca.manager.generate_crl("prod_ca_1", CrlRefresh::Stored).await.unwrap();
    assert_eq!(serials(crl.crl.der()), [old.info().serial.clone()]);
}

#[tokio::test]
async fn an_issuer_in_use_renews_its_crl_by_itself() {
    let ca = TestCa::with_hierarchy().await;
    let number = async || {
        ca.manager.generate_crl("prod_ca_1", CrlRefresh::Stored).await.unwrap().crl.number()
    };
    let first = number().await;
    ca.clock.advance_days(3);
    ca.issue("a@b.example", Role::Client).await;
    assert_eq!(number().await, first);
    ca.clock.advance_days(1);
    ca.issue("b@b.example", Role::Client).await;
    assert!(number().await > first, "half of its seven days are over");
}

#[tokio::test]
async fn the_tree_counts_what_is_active_expiring_and_revoked() {
    let ca = TestCa::with_hierarchy().await;
    let first = ca.issue("a@b.example", Role::Client).await;
    for principal in ["b@b.example", "c@b.example"] {
        ca.issue(principal, Role::Client).await;
    }
    ca.issue("broker-01.example.com", Role::Broker).await;
    let superseded = revoke(&first.info().id, RevocationReason::Superseded);
    ca.manager.revoke_certificate(superseded).await.unwrap();
    let counts = async || {
        let counts = ca.manager.find_ca("prod_ca_1").await.unwrap().counts;
        counts.iter().map(|c| (c.role, c.active, c.expiring, c.revoked)).collect::<Vec<_>>()
    };
    let (broker, client) = (CertificateRole::Broker, CertificateRole::Client);
    assert_eq!(counts().await, [(broker, 1, 0, 0), (client, 2, 0, 1)]);
    ca.clock.advance_days(80);
    assert_eq!(counts().await, [(broker, 1, 0, 0), (client, 2, 2, 1)]);
    // Their last second, and the one after it.
    ca.clock.set(first.info().not_after);
    assert_eq!(counts().await, [(broker, 1, 0, 0), (client, 2, 2, 1)]);
    ca.clock.advance_seconds(1);
    assert_eq!(counts().await, [(broker, 1, 0, 0), (client, 0, 0, 1)]);
}
