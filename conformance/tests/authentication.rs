//! The authority's certificates, presented to the other half of the product: who is let in by
//! [`AuthenticationManager`], and the code by which everybody else is refused.

use rustls_pki_types::CertificateDer;
use rustmq_auth::{AuthenticationManager, Detail, Refusal, Trust};
use rustmq_ca::{CrlRefresh, Execution, IssueRequest, Issued, RevokeRequest};
use rustmq_conformance::forge::{self, Extension, KeyKind, Name};
use rustmq_pki::crl::RevocationReason;
use rustmq_pki::oid;
use rustmq_pki::profile::Validity;
use rustmq_pki::role::Role;
use rustmq_pki::time::UnixTime;
use rustmq_testkit::{START, TestCa, issue_request, new_key};

const BROKER: &str = "broker-01.example.com";
const CLIENT: &str = "client@company.com";
const ADMIN: &str = "alice@company.com";

type Chain = Vec<CertificateDer<'static>>;

/// What a peer sends: its certificate and every CA above it but the root.
fn chain(issued: &Issued) -> Chain {
    let intermediates = issued.chain().split_last().expect("a root ends the chain").1;
    let all = std::iter::once(issued.certificate()).chain(intermediates);
    all.map(|certificate| certificate.der().to_vec().into()).collect()
}

/// The authority's root and the newest CRL of each of its CAs.
async fn trust(ca: &TestCa) -> Trust {
    let mut crls = Vec::new();
    for id in ["root_ca_1", "prod_ca_1"] {
        let published = ca.manager.generate_crl(id, CrlRefresh::Stored).await.expect("a CRL");
        crls.push(published.crl.der().to_vec());
    }
    let root = ca.manager.ca_chain("root_ca_1").await.expect("the root").remove(0);
    Trust { anchors: vec![root.der().to_vec()], crls, ..Trust::default() }
}

/// Issues by the request that `change` makes of a plain one.
async fn issue(ca: &TestCa, plain: IssueRequest, change: impl FnOnce(&mut IssueRequest)) -> Issued {
    let mut request = plain;
    change(&mut request);
    let issuance = ca.manager.issue_certificate(request).await.expect("a certificate");
    issuance.issued.expect("no dry run")
}

fn client_request() -> IssueRequest {
    issue_request("prod_ca_1", CLIENT, Role::Client, &new_key())
}

/// Why this chain is refused; the caches of `authenticate` say the same as the bare validation.
fn refusal(manager: &AuthenticationManager, chain: &[CertificateDer<'_>], at: UnixTime) -> Refusal {
    let bare = manager.validate_certificate_chain(chain, at);
    let refusal = bare.expect_err("the chain is refused");
    for _cold_then_cached in 0..2 {
        let answer = manager.authenticate(chain, at);
        assert_eq!(answer.expect_err("the peer is refused"), refusal);
    }
    refusal
}

fn code(
    manager: &AuthenticationManager,
    chain: &[CertificateDer<'_>],
    at: UnixTime,
) -> &'static str {
    refusal(manager, chain, at).rule.code()
}

/// Asserts that a chain is accepted, and whose it is.
fn accepted(
    manager: &AuthenticationManager,
    issued: &Issued,
    (principal, role): (&str, Role),
    at: UnixTime,
) {
    let chain = chain(issued);
    let depth =
        manager.prove_certificate_chain(&chain, at, |proof| proof.path().certificates().len());
    let context = manager.authenticate(&chain, at).expect("the peer is let in");
    assert_eq!((&*context.principal, context.role), (principal, role));
    // The leaf and its CA; the context has the CA and the root.
    assert_eq!((depth, context.path.len()), (Ok(2), 2));
    assert_eq!(context.serial_hex(), issued.info().serial);
    assert_eq!(context.issuer(), "CN=Production CA");
    assert_eq!(context.not_after, issued.certificate().not_after());
}

async fn manager_of(ca: &TestCa) -> AuthenticationManager {
    AuthenticationManager::new(&trust(ca).await, START).expect("the trust is usable")
}

#[tokio::test]
async fn test_certificate_chain_validation() {
    let ca = TestCa::with_hierarchy().await;
    let manager = manager_of(&ca).await;
    let client = ca.issue(CLIENT, Role::Client).await;
    accepted(&manager, &client, (CLIENT, Role::Client), START);
    accepted(&manager, &ca.issue(BROKER, Role::Broker).await, (BROKER, Role::Broker), START);
    accepted(&manager, &ca.issue(ADMIN, Role::Admin).await, (ADMIN, Role::Admin), START);

    strangers_are_refused(&manager, &client).await;
    altered_chains_are_refused(&manager, &ca.issue(CLIENT, Role::Client).await);
    wrong_certificates_are_refused(&ca, &manager).await;
    revocation_is_kept(&ca, &manager, &client).await;
    times_are_kept(&ca, &manager).await;
}

/// Self-signed, and of roots that are not trusted: one with other names, one that has the same.
async fn strangers_are_refused(manager: &AuthenticationManager, client: &Issued) {
    assert_eq!(code(manager, &[self_signed(client).into()], START), "no_path_to_anchor");
    let twin = TestCa::with_hierarchy().await;
    let same_names = chain(&twin.issue(CLIENT, Role::Client).await);
    assert_eq!(code(manager, &same_names, START), "signature_invalid");
    // Its leaf above the trusted CA of the same name.
    let trusted = chain(client).remove(1);
    assert_eq!(code(manager, &[same_names[0].clone(), trusted], START), "signature_invalid");

    let other = TestCa::empty();
    other.create_root("Other Root CA").await;
    other.create_intermediate("root_ca_1", "Production CA").await;
    let stranger = chain(&other.issue(CLIENT, Role::Client).await);
    assert_eq!(code(manager, &stranger, START), "no_path_to_anchor");
    let own = manager_of(&other).await;
    assert!(own.authenticate(&stranger, START).is_ok(), "its own root vouches for it");
}

/// A client's certificate with all that the issued one says, its role too, but signed by itself.
fn self_signed(issued: &Issued) -> Vec<u8> {
    let key = forge::key(KeyKind::P256, 0);
    let name = Name::cn(CLIENT);
    let mut certificate = forge::Certificate::new(name.clone(), name, key.spki());
    let of_keys = [oid::AUTHORITY_KEY_IDENTIFIER, oid::SUBJECT_KEY_IDENTIFIER];
    let copied = issued.certificate().view().extensions;
    let copied = copied.iter().filter(|extension| !of_keys.contains(&extension.oid.as_bytes()));
    certificate.extensions = copied
        .map(|one| Extension::new(one.oid.as_bytes(), one.value.to_vec()).critical_if(one.critical))
        .collect();
    certificate.sign(key)
}

/// Nothing, too little, and bytes that are not the issued ones; of a client that comes for the first
/// time.
fn altered_chains_are_refused(manager: &AuthenticationManager, client: &Issued) {
    assert_eq!(code(manager, &[], START), "empty_chain");
    let whole = chain(client);
    let missing = refusal(manager, &whole[..1], START);
    assert_eq!(missing.rule.code(), "no_path_to_anchor");
    assert_eq!(missing.certificate.expect("a culprit").subject, format!("CN={CLIENT}"));

    let signature = altered(&whole, |der| *der.last_mut().expect("an octet") ^= 1);
    assert_eq!(code(manager, &signature, START), "signature_invalid");
    let principal = altered(&whole, |der| {
        let at = der.windows(CLIENT.len()).position(|part| part == CLIENT.as_bytes());
        der[at.expect("its principal")] = b'k';
    });
    assert_eq!(code(manager, &principal, START), "signature_invalid");
    let cut = altered(&whole, |der| der.truncate(der.len() - 1));
    assert_eq!(code(manager, &cut, START), "malformed");

    accepted(manager, client, (CLIENT, Role::Client), START);
    // What was proven stands under the same snapshot, whatever comes along with the leaf.
    assert!(manager.authenticate(&whole[..1], START).is_ok());
    assert!(manager.validate_certificate_chain(&whole[..1], START).is_err());
}

/// The chain with its leaf changed.
fn altered(chain: &[CertificateDer<'_>], change: impl FnOnce(&mut Vec<u8>)) -> Chain {
    let mut leaf = chain[0].to_vec();
    change(&mut leaf);
    let above = chain[1..].iter().map(|der| der.clone().into_owned());
    std::iter::once(leaf.into()).chain(above).collect()
}

/// Certificates of this authority that are no client's.
async fn wrong_certificates_are_refused(ca: &TestCa, manager: &AuthenticationManager) {
    let cas = ca.manager.ca_chain("prod_ca_1").await.expect("the CA and its root");
    let intermediate: CertificateDer<'_> = cas[0].der().into();
    assert_eq!(code(manager, &[intermediate], START), "mtls_leaf_is_ca");
    assert_eq!(code(manager, &[cas[1].der().into()], START), "mtls_leaf_is_ca");

    let profiles = ca.data_dir().join("profiles");
    std::fs::create_dir(&profiles).expect("the data directory is writable");
    let broker = ca.manager.profile("broker").expect("a built-in profile").to_toml();
    let server = broker.replace("\"serverAuth\", \"clientAuth\"", "\"serverAuth\"");
    assert_ne!(server, broker, "the profile names its purposes");
    std::fs::write(profiles.join("server.toml"), server).expect("the folder is writable");
    let plain = issue_request("prod_ca_1", BROKER, Role::Broker, &new_key());
    let server = issue(ca, plain, |request| request.profile = Some("server".to_owned())).await;
    assert_eq!(server.info().extended_key_usage, ["serverAuth"]);
    assert_eq!(code(manager, &chain(&server), START), "purpose_not_allowed");

    let signer = issue(ca, client_request(), |request| {
        (request.role, request.profile) = (None, Some("ocsp-signer".to_owned()));
    });
    assert_eq!(code(manager, &chain(&signer.await), START), "purpose_not_allowed");
}

/// Before notBefore and after notAfter, with lists that are current at the time of the question.
async fn times_are_kept(ca: &TestCa, manager: &AuthenticationManager) {
    let short = issue(ca, client_request(), |request| request.validity = Validity::Days(1)).await;
    let (from, until) = (short.certificate().not_before(), short.certificate().not_after());
    accepted(manager, &short, (CLIENT, Role::Client), until);
    let expired = refusal(manager, &chain(&short), until.plus_seconds(1));
    assert_eq!(expired.rule.code(), "expired");
    assert_eq!(expired.detail, Detail::Time { now: until.plus_seconds(1), limit: until });
    assert!(from <= START, "it was valid from the start");

    ca.clock.advance_days(2);
    let later = ca.issue(CLIENT, Role::Client).await;
    let from = later.certificate().not_before();
    accepted(manager, &later, (CLIENT, Role::Client), from);
    let early = refusal(manager, &chain(&later), from.plus_seconds(-1));
    assert_eq!(early.rule.code(), "not_yet_valid");
    assert_eq!(early.detail, Detail::Time { now: from.plus_seconds(-1), limit: from });
}

/// A revocation counts from the refresh that brings the list, for the one certificate alone.
async fn revocation_is_kept(ca: &TestCa, manager: &AuthenticationManager, fallen: &Issued) {
    let other = ca.issue(CLIENT, Role::Client).await;
    let request = RevokeRequest {
        certificate: fallen.info().id.clone(),
        reason: RevocationReason::KeyCompromise,
        invalidity_date: None,
        execution: Execution::Commit,
    };
    ca.manager.revoke_certificate(request).await.expect("a revocation");
    accepted(manager, fallen, (CLIENT, Role::Client), START);

    let refreshed = manager.refresh(&trust(ca).await, START).expect("the trust is usable");
    assert_eq!((refreshed.snapshot, refreshed.kept), (2, Vec::new()));
    let revoked = refusal(manager, &chain(fallen), START);
    assert_eq!(revoked.rule.code(), "revoked");
    assert_eq!(revoked.detail.to_string(), "keyCompromise");
    assert_eq!(revoked.certificate.expect("a culprit").serial, fallen.info().serial);
    accepted(manager, &other, (CLIENT, Role::Client), START);
}

/// Peers need not send an intermediate that the server has; without any list nobody's status is known.
#[tokio::test]
async fn a_known_intermediate_need_not_be_sent_and_an_unknown_status_refuses() {
    let ca = TestCa::with_hierarchy().await;
    let client = chain(&ca.issue(CLIENT, Role::Client).await);
    let mut known = trust(&ca).await;
    let intermediate = ca.manager.ca_chain("prod_ca_1").await.expect("the CA").remove(0);
    known.intermediates.push(intermediate.der().to_vec());
    let manager = AuthenticationManager::new(&known, START).expect("the trust is usable");
    let context = manager.authenticate(&client[..1], START).expect("the peer is let in");
    assert_eq!((&*context.principal, context.role), (CLIENT, Role::Client));

    let listless = Trust { crls: Vec::new(), ..known };
    let manager = AuthenticationManager::new(&listless, START).expect("the trust is usable");
    assert_eq!(code(&manager, &client, START), "revocation_unknown");
}
