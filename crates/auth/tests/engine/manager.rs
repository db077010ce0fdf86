//! The manager: caching, refresh, sessions, principals.

use std::sync::Arc;

use crate::issue::{Holder, Spec, dns, now, role, sans, tlv};
use crate::precedence::{authority, subject};
use crate::{Chain, question};
use rustls_pki_types::CertificateDer;
use rustmq_auth::{
    AuthPolicy, AuthenticationManager, KeptReason, PrincipalMapping, PrincipalRule, Question,
    RuleSet, SessionEnd, Terms, Trust, TrustError,
};
use rustmq_pki::role::Role;
use rustmq_pki::time::UnixTime;

fn days(days: i64) -> UnixTime {
    now().plus_days(days)
}

fn chain_of(chain: &Chain) -> Vec<CertificateDer<'static>> {
    [&chain.leaf_der, &chain.intermediate_der].map(|der| der.clone().into()).to_vec()
}

fn trust(chain: &Chain, number: u8, revoked: &[&[u8]]) -> Trust {
    Trust {
        anchors: vec![chain.root_der.clone()],
        crls: vec![
            chain.root.crl(number, days(-2), days(2), &[]),
            chain.intermediate.crl(number, days(-2), days(2), revoked),
        ],
        ..Trust::default()
    }
}

fn client() -> Chain {
    Chain::with_leaf(&Spec::leaf("app.example").with(role("client")))
}

fn code(manager: &AuthenticationManager, chain: &Chain, at: UnixTime) -> &'static str {
    manager.authenticate(&chain_of(chain), at).map_or_else(|refusal| refusal.rule.code(), |_| "ok")
}

#[test]
fn a_peer_is_who_its_certificate_says() {
    let chain = client();
    let manager = AuthenticationManager::new(&trust(&chain, 1, &[]), now()).unwrap();
    let context = manager.authenticate(&chain_of(&chain), now()).unwrap();
    assert_eq!((&*context.principal, context.role), ("broker-01", Role::Client));
    assert_eq!((context.issuer(), context.serial_hex().as_str()), ("CN=Intermediate", "42"));
    assert_eq!(context.not_after, days(100));
    assert_eq!(context.path.len(), 2);
    let known = manager.with_known(&context.fingerprint, now(), |known| known.principal.clone());
    assert_eq!(known.as_deref(), Some("broker-01"));
    let again = manager.authenticate(&chain_of(&chain), now()).unwrap();
    assert!(Arc::ptr_eq(&context, &again), "the verdict is reused");
    assert_eq!(manager.authenticate(&[], now()).unwrap_err().rule.code(), "empty_chain");
    let window = manager.prove_certificate_chain(&chain_of(&chain), now(), |p| p.window());
    assert_eq!(window.unwrap(), (days(-2), days(2)), "the lists bound it");
}

#[test]
fn a_verdict_holds_no_longer_than_what_proved_it() {
    let chain = client();
    let manager = AuthenticationManager::new(&trust(&chain, 1, &[]), now()).unwrap();
    assert_eq!(code(&manager, &chain, now()), "ok");
    assert_eq!(code(&manager, &chain, days(2)), "ok");
    assert_eq!(code(&manager, &chain, days(2).plus_seconds(1)), "revocation_unknown");
    let fingerprint = manager.authenticate(&chain_of(&chain), now()).unwrap().fingerprint;
    assert!(manager.with_known(&fingerprint, days(3), |_| ()).is_none());
}

/// Where an anchor's own dates count, what was proved by it ends with it.
#[test]
fn a_verdict_ends_with_an_anchor_that_is_judged() {
    let [root, ca] = ["Root", "Intermediate"].map(Holder::new);
    let ends = days(50);
    let root_der = root.issue(&root, &Spec::ca().valid(days(-50), ends).with(subject(1)));
    let ca_der = root.issue(&ca, &Spec::ca().with(subject(2)).with(authority(1)));
    let leaf = Spec::leaf("a.example").with(authority(2));
    let leaf = ca.issue(&Holder::new("a"), &leaf);
    let until = |rules| {
        let terms = Terms { at: now(), rules, ..Terms::default() };
        let (anchors, untrusted) = ([root_der.as_slice()], [ca_der.as_slice()]);
        let question = Question { terms, ..question(&leaf, &untrusted, &anchors) };
        question.ask().result.unwrap().window().1
    };
    assert_eq!(until(RuleSet::Rfc5280), ends);
    assert_eq!(until(RuleSet::Pkix), days(100));
}

#[test]
fn a_refusal_is_remembered_briefly_and_not_beyond_a_refresh() {
    let chain = client();
    let revoked = trust(&chain, 1, &[&[0x42]]);
    let manager = AuthenticationManager::new(&revoked, now()).unwrap();
    assert_eq!(code(&manager, &chain, now()), "revoked");
    assert_eq!(code(&manager, &chain, now().plus_seconds(1)), "revoked");
    manager.refresh(&trust(&chain, 2, &[]), now()).unwrap();
    assert_eq!(code(&manager, &chain, now()), "ok");
}

#[test]
fn a_refresh_revokes_at_once() {
    let chain = client();
    let manager = AuthenticationManager::new(&trust(&chain, 1, &[]), now()).unwrap();
    assert_eq!(code(&manager, &chain, now()), "ok");
    let refreshed = manager.refresh(&trust(&chain, 2, &[&[0x42]]), now()).unwrap();
    assert_eq!((refreshed.snapshot, refreshed.kept.len()), (2, 0));
    assert_eq!(code(&manager, &chain, now()), "revoked");
}

#[test]
fn a_worse_list_does_not_replace_a_better_one() {
    let chain = client();
    let manager = AuthenticationManager::new(&trust(&chain, 5, &[&[0x42]]), now()).unwrap();
    let kept = |trust: &Trust| {
        let kept = manager.refresh(trust, now()).unwrap().kept;
        kept.into_iter().map(|kept| kept.reason).collect::<Vec<_>>()
    };
    let lower = trust(&chain, 4, &[]);
    assert_eq!(kept(&lower), [KeptReason::LowerNumber; 2]);
    assert_eq!(code(&manager, &chain, now()), "revoked");
    let none = Trust { crls: Vec::new(), ..lower.clone() };
    assert_eq!(kept(&none), [KeptReason::NotCurrent; 2]);
    let forger = Holder::new("Intermediate");
    let forged = Trust {
        crls: vec![
            chain.root.crl(6, days(-1), days(1), &[]),
            forger.crl(6, days(-1), days(1), &[]),
        ],
        intermediates: vec![chain.intermediate_der.clone()],
        ..lower
    };
    // With the intermediate known, lists are verified as they are loaded.
    manager
        .refresh(
            &Trust { intermediates: forged.intermediates.clone(), ..trust(&chain, 5, &[&[0x42]]) },
            now(),
        )
        .unwrap();
    assert_eq!(kept(&forged), [KeptReason::Signature]);
    assert_eq!(code(&manager, &chain, now()), "revoked");
}

#[test]
fn trust_that_cannot_be_used_changes_nothing() {
    let chain = client();
    let manager = AuthenticationManager::new(&trust(&chain, 1, &[]), now()).unwrap();
    let with = |anchors: Vec<Vec<u8>>| Trust { anchors, ..trust(&chain, 2, &[]) };
    let refused = |anchors| manager.refresh(&with(anchors), now()).unwrap_err();
    assert_eq!(refused(Vec::new()), TrustError::NoAnchor);
    assert!(matches!(refused(vec![vec![0x30]]), TrustError::Malformed { .. }));
    assert!(matches!(refused(vec![chain.intermediate_der.clone()]), TrustError::Kind { .. }));
    assert!(matches!(refused(vec![chain.leaf_der.clone()]), TrustError::Kind { .. }));
    assert_eq!(manager.snapshot().number(), 1);
    assert_eq!(code(&manager, &chain, now()), "ok");
}

#[test]
fn the_alarm_is_at_half_of_a_list_s_lifetime() {
    let chain = client();
    let manager = AuthenticationManager::new(&trust(&chain, 1, &[]), now()).unwrap();
    let alarms = |at| manager.snapshot().crls_to_renew(at).len();
    assert_eq!(alarms(now().plus_seconds(-1)), 0);
    assert_eq!(alarms(now()), 2);
}

#[test]
fn sessions_end_with_their_certificates() {
    let (revoked, other) = (client(), client());
    let mut both = trust(&revoked, 1, &[]);
    let others = trust(&other, 1, &[]);
    both.anchors.extend(others.anchors.clone());
    both.crls.extend(others.crls.clone());
    let manager = AuthenticationManager::new(&both, now()).unwrap();
    let open = |chain: &Chain| {
        let der = chain_of(chain);
        let context = manager.authenticate(&der, now()).unwrap();
        manager.register(&der, &context, now())
    };
    let (first, second) = (open(&revoked), open(&other));
    assert_eq!((first.ended(), manager.live_sessions()), (None, 2));
    let mut next = trust(&revoked, 2, &[&[0x42]]);
    next.anchors.extend(others.anchors);
    next.crls.extend(others.crls);
    assert_eq!(manager.refresh(&next, now()).unwrap().ended, 1);
    assert!(matches!(first.ended(), Some(SessionEnd::Revoked(_))));
    assert_eq!(second.ended(), None);
    let withdrawn = trust(&revoked, 3, &[]);
    assert_eq!(manager.refresh(&withdrawn, now()).unwrap().ended, 1);
    assert!(matches!(second.ended(), Some(SessionEnd::Withdrawn(_))));
    drop(first);
    assert_eq!(manager.live_sessions(), 1);
}

#[test]
fn a_session_expires_and_wakes_who_waits_for_it() {
    let chain = client();
    let manager = AuthenticationManager::new(&trust(&chain, 1, &[]), now()).unwrap();
    let der = chain_of(&chain);
    let context = manager.authenticate(&der, now()).unwrap();
    let handle = manager.register(&der, &context, now());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let end = runtime.block_on(async {
        let waiting = tokio::spawn(handle);
        tokio::task::yield_now().await;
        assert_eq!(manager.tick(days(100)), 0, "the last second is valid");
        assert_eq!(manager.tick(days(100).plus_seconds(1)), 1);
        waiting.await.unwrap()
    });
    assert_eq!(end, SessionEnd::Expired);
}

#[test]
fn a_session_that_was_registered_late_is_asked_again() {
    let chain = client();
    let manager = AuthenticationManager::new(&trust(&chain, 1, &[]), now()).unwrap();
    let der = chain_of(&chain);
    let context = manager.authenticate(&der, now()).unwrap();
    manager.refresh(&trust(&chain, 2, &[&[0x42]]), now()).unwrap();
    let handle = manager.register(&der, &context, now());
    assert!(matches!(handle.ended(), Some(SessionEnd::Revoked(_))));
}

#[test]
fn one_rule_yields_the_principal() {
    let mut spec = Spec::leaf("").with(role("client"));
    let names: [&[u8]; 3] = [&dns("App.example"), &dns("b.example"), &tlv(0x81, b"u@example.com")];
    spec.extensions[0] = sans(&names);
    let chain = Chain::with_leaf(&spec);
    let with = |rule, fold_case: bool| {
        let mapping = PrincipalMapping::new(rule).strict();
        let principal = if fold_case { mapping.folding_case() } else { mapping };
        let policy = AuthPolicy { principal, ..AuthPolicy::default() };
        let trust = Trust { policy, ..trust(&chain, 1, &[]) };
        let manager = AuthenticationManager::new(&trust, now()).unwrap();
        manager
            .authenticate(&chain_of(&chain), now())
            .map_or_else(|refusal| refusal.rule.code().to_owned(), |c| c.principal.to_string())
    };
    assert_eq!(with(PrincipalRule::CommonName, false), "broker-01");
    assert_eq!(with(PrincipalRule::SanEmail, false), "u@example.com");
    assert_eq!(with(PrincipalRule::SanDns, false), "principal_ambiguous");
    assert_eq!(with(PrincipalRule::SpiffeUri, false), "principal_missing");
    assert_eq!(with(PrincipalRule::DistinguishedName, true), "cn=broker-01");
}

#[test]
fn a_session_stands_on_what_its_peer_brings() {
    let chain = client();
    let known =
        Trust { intermediates: vec![chain.intermediate_der.clone()], ..trust(&chain, 1, &[]) };
    let manager = AuthenticationManager::new(&known, now()).unwrap();
    let open = |sent: &[CertificateDer<'_>]| {
        let context = manager.authenticate(sent, now()).unwrap();
        manager.register(sent, &context, now())
    };
    let whole = chain_of(&chain);
    let (brings, owes) = (open(&whole), open(&whole[..1]));
    assert_eq!(manager.refresh(&trust(&chain, 2, &[]), now()).unwrap().ended, 1);
    assert_eq!(brings.ended(), None);
    assert!(matches!(owes.ended(), Some(SessionEnd::Withdrawn(_))));
}

#[test]
fn a_session_ends_with_the_first_certificate_of_its_path() {
    let mut chain = client();
    let spec = Spec::ca().serial(&[0x21]).valid(days(-100), days(1));
    chain.intermediate_der = chain.root.issue(&chain.intermediate, &spec);
    let manager = AuthenticationManager::new(&trust(&chain, 1, &[]), now()).unwrap();
    let der = chain_of(&chain);
    let context = manager.authenticate(&der, now()).unwrap();
    let handle = manager.register(&der, &context, now());
    assert_eq!((manager.tick(days(1)), code(&manager, &chain, days(1))), (0, "ok"));
    let after = days(1).plus_seconds(1);
    assert_eq!((manager.tick(after), code(&manager, &chain, after)), (1, "expired"));
    assert_eq!(handle.ended(), Some(SessionEnd::Expired));
}

/// That there is news of a peer's revocation is for a refresh to see to: no session ends for want of it.
#[test]
fn a_session_outlives_the_lists_that_it_was_proven_with() {
    let chain = client();
    let manager = AuthenticationManager::new(&trust(&chain, 1, &[]), now()).unwrap();
    let der = chain_of(&chain);
    let context = manager.authenticate(&der, now()).unwrap();
    let handle = manager.register(&der, &context, now());
    assert_eq!((manager.tick(days(3)), code(&manager, &chain, days(3))), (0, "revocation_unknown"));
    assert_eq!(handle.ended(), None);
}
