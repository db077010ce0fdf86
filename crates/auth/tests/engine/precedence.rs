//! Which of several sources of status counts.

use crate::issue::{
    Holder, Ocsp, Spec, extension, general_time, name, now, oid as der_oid, purposes, role, seq,
    time, tlv,
};
use crate::{Chain, code, question};
use rustls_pki_types::CertificateDer;
use rustmq_auth::revocation::{Crl, OcspResponse, StatusPolicy};
use rustmq_auth::{AuthenticationManager, KeptReason, Question, Rule, TriedPath, Trust};
use rustmq_pki::oid;
use rustmq_pki::time::UnixTime;

const HOLD: u8 = 6;
pub(crate) const COMPROMISE: u8 = 1;
const REMOVE: u8 = 8;
/// No nextUpdate.
const NEVER: i64 = i64::MAX;

fn days(days: i64) -> UnixTime {
    now().plus_days(days)
}

/// A list of which every field is given; [`List::of`] gives what is usual.
pub(crate) struct List<'a> {
    pub(crate) signer: &'a Holder,
    pub(crate) number: Option<u8>,
    pub(crate) delta_base: Option<u8>,
    pub(crate) key_id: Option<u8>,
    /// Whether it is an indirect list, whose entries after the first name its signer as their issuer,
    /// behind another name that it has.
    pub(crate) indirect: bool,
    /// The days of thisUpdate and nextUpdate; [`NEVER`] leaves nextUpdate out.
    pub(crate) between: (i64, i64),
    pub(crate) entries: &'a [(u8, u8)],
}

impl<'a> List<'a> {
    pub(crate) fn of(signer: &'a Holder, number: u8, entries: &'a [(u8, u8)]) -> Self {
        let (number, delta_base, key_id) = (Some(number), None, None);
        Self { signer, number, delta_base, key_id, indirect: false, between: (-1, 1), entries }
    }

    fn between(self, from: i64, to: i64) -> Self {
        Self { between: (from, to), ..self }
    }

    fn der(&self, version: &[u8]) -> Vec<u8> {
        let issuer =
            seq(&[&tlv(0xa4, &name("Another name")), &tlv(0xa4, &name(&self.signer.name))]);
        let issuer = extension(oid::CERTIFICATE_ISSUER, true, &issuer);
        let entry = |(nth, (serial, reason)): (usize, &(u8, u8))| {
            let reason = extension(oid::REASON_CODE, false, &tlv(0x0a, &[*reason]));
            let issuer = if self.indirect && nth > 0 { issuer.as_slice() } else { &[] };
            seq(&[&tlv(0x02, &[*serial]), &time(days(-1)), &seq(&[&reason, issuer])])
        };
        let entries: Vec<u8> = self.entries.iter().enumerate().flat_map(entry).collect();
        let entries = if entries.is_empty() { Vec::new() } else { tlv(0x30, &entries) };
        let next_update = match self.between.1 {
            NEVER => Vec::new(),
            day => time(days(day)),
        };
        let integer = |kind, critical, value: Option<u8>| {
            value.map(|value| extension(kind, critical, &tlv(0x02, &[value])))
        };
        let extensions = [
            integer(oid::CRL_NUMBER, false, self.number),
            integer(oid::DELTA_CRL_INDICATOR, true, self.delta_base),
            self.key_id.map(authority),
            self.indirect.then(|| {
                extension(oid::ISSUING_DISTRIBUTION_POINT, true, &seq(&[&tlv(0x84, &[0xff])]))
            }),
        ];
        let extensions: Vec<u8> = extensions.into_iter().flatten().flatten().collect();
        let extensions =
            if extensions.is_empty() { extensions } else { tlv(0xa0, &tlv(0x30, &extensions)) };
        let tbs = seq(&[
            version,
            &seq(&[&der_oid(oid::ECDSA_WITH_SHA256)]),
            &name(&self.signer.name),
            &time(days(self.between.0)),
            &next_update,
            &entries,
            &extensions,
        ]);
        self.signer.sign(&tbs, &[])
    }

    pub(crate) fn crl(&self) -> Crl {
        Crl::from_der(&self.der(&[0x02, 0x01, 0x01])).unwrap()
    }
}

pub(crate) fn authority(key: u8) -> Vec<u8> {
    extension(oid::AUTHORITY_KEY_IDENTIFIER, false, &seq(&[&tlv(0x80, &[key])]))
}

pub(crate) fn subject(key: u8) -> Vec<u8> {
    extension(oid::SUBJECT_KEY_IDENTIFIER, false, &tlv(0x04, &[key]))
}

/// What the lists, in both orders, and the responses say of the leaf, which has the serial number 0x42.
fn asked(chain: &Chain, lists: &[&List<'_>], ocsp: &[OcspResponse]) -> &'static str {
    let anchors = [chain.root_der.as_slice()];
    let untrusted = [chain.intermediate_der.as_slice()];
    let ask = |crls: &[Crl]| {
        let leaf = question(&chain.leaf_der, &untrusted, &anchors);
        code(&Question { crls, ocsp, status: StatusPolicy::Required, ..leaf }.ask())
    };
    let mut crls = vec![List::of(&chain.root, 1, &[]).crl()];
    crls.extend(lists.iter().map(|list| list.crl()));
    let result = ask(&crls);
    crls.reverse();
    assert_eq!(ask(&crls), result, "the order of the lists");
    result
}

#[test]
fn a_removal_takes_nothing_back_within_one_list() {
    let chain = Chain::new();
    let by = &chain.intermediate;
    for entries in [[(0x42, COMPROMISE), (0x42, REMOVE)], [(0x42, REMOVE), (0x42, COMPROMISE)]] {
        assert_eq!(asked(&chain, &[&List::of(by, 1, &entries)], &[]), "revoked");
        let delta = List { delta_base: Some(1), ..List::of(by, 2, &entries) };
        assert_eq!(asked(&chain, &[&List::of(by, 1, &[]), &delta], &[]), "revoked");
    }
}

/// Entries of the signer's own, and entries that name it as their issuer, are kept apart.
#[test]
fn what_revokes_counts_under_whichever_name_an_issuer_stands() {
    let chain = Chain::new();
    for entries in [[(0x42, COMPROMISE), (0x42, REMOVE)], [(0x42, REMOVE), (0x42, COMPROMISE)]] {
        let list = List { indirect: true, ..List::of(&chain.intermediate, 1, &entries) };
        assert_eq!(asked(&chain, &[&list], &[]), "revoked");
    }
    let unrelated = [(0x41, COMPROMISE), (0x43, COMPROMISE)];
    let list = List { indirect: true, ..List::of(&chain.intermediate, 1, &unrelated) };
    assert_eq!(asked(&chain, &[&list], &[]), "valid");
}

#[test]
fn a_delta_is_newer_than_its_base() {
    let chain = Chain::new();
    let by = &chain.intermediate;
    let base = List::of(by, 2, &[(0x42, HOLD)]);
    let delta = |number| List { delta_base: Some(1), ..List::of(by, number, &[(0x42, REMOVE)]) };
    assert_eq!(asked(&chain, &[&base, &delta(3)], &[]), "valid");
    assert_eq!(asked(&chain, &[&base, &delta(2)], &[]), "revoked");
    let compromised = List::of(by, 2, &[(0x42, COMPROMISE)]);
    assert_eq!(asked(&chain, &[&compromised, &delta(3)], &[]), "revoked", "no end but of a hold");
}

/// They rise for each scope apart.
#[test]
fn numbers_of_two_scopes_are_not_compared() {
    let chain = Chain::new();
    let whole = List::of(&chain.intermediate, 100, &[]).between(-5, 1);
    let part = |from| {
        let part = List::of(&chain.intermediate, 7, &[(0x42, COMPROMISE)]).between(from, 1);
        List { delta_base: Some(6), indirect: true, ..part }
    };
    assert_eq!(asked(&chain, &[&whole, &part(-2)], &[]), "revoked");
    assert_eq!(asked(&chain, &[&whole, &part(-6)], &[]), "valid");
}

#[test]
fn a_number_below_zero_is_not_above_others() {
    let chain = Chain::new();
    let by = &chain.intermediate;
    let below = List::of(by, 0xff, &[]).between(-9, 1);
    assert_eq!(asked(&chain, &[&below, &List::of(by, 2, &[(0x42, COMPROMISE)])], &[]), "revoked");
    assert_eq!(asked(&chain, &[&below, &List::of(by, 2, &[])], &[]), "valid");
    assert_eq!(asked(&chain, &[&below], &[]), "revocation_unknown");
}

#[test]
fn a_list_that_ends_at_no_time_revokes_and_vouches_for_nothing() {
    let chain = Chain::new();
    let by = &chain.intermediate;
    let endless = |entries| List::of(by, 2, entries).between(-1, NEVER);
    let older = List::of(by, 1, &[]).between(-2, 1);
    assert_eq!(asked(&chain, &[&endless(&[(0x42, COMPROMISE)]), &older], &[]), "revoked");
    assert_eq!(asked(&chain, &[&endless(&[]), &older], &[]), "valid");
    assert_eq!(asked(&chain, &[&endless(&[])], &[]), "revocation_unknown");
}

/// A cross-certificate whose root has no list comes first or last.
#[test]
fn revoked_on_one_path_is_what_is_told() {
    let chain = Chain::new();
    let another = Holder::new("Another root");
    let cross = another.issue(&chain.intermediate, &Spec::ca().serial(&[0x22]));
    let another_der = another.self_signed();
    let crls = [
        List::of(&chain.root, 1, &[]).crl(),
        List::of(&chain.intermediate, 1, &[(0x42, COMPROMISE)]).crl(),
    ];
    let mut anchors = [chain.root_der.as_slice(), &another_der];
    let mut untrusted = [chain.intermediate_der.as_slice(), &cross];
    for _ in 0..2 {
        let leaf = question(&chain.leaf_der, &untrusted, &anchors);
        let question = Question { crls: &crls, status: StatusPolicy::Required, ..leaf };
        assert_eq!(code(&question.ask()), "revoked");
        anchors.reverse();
        untrusted.reverse();
    }
}

/// One that cannot be taken with a complete list proves nothing good and takes nothing back.
#[test]
fn what_a_delta_revokes_is_revoked_until_a_later_list_says_otherwise() {
    let chain = Chain::new();
    let by = &chain.intermediate;
    let base = List::of(by, 10, &[]).between(-5, 1);
    let delta = |number, base, entries, to| {
        let list = List { delta_base: Some(base), ..List::of(by, number, entries) };
        list.between(-4, to)
    };
    const REVOKED: &[(u8, u8)] = &[(0x42, COMPROMISE)];
    let expired = delta(12, 10, REVOKED, -1);
    assert_eq!(asked(&chain, &[&base, &expired], &[]), "revoked");
    assert_eq!(asked(&chain, &[&base, &delta(12, 10, &[], -1)], &[]), "valid");
    assert_eq!(asked(&chain, &[&base, &expired, &delta(13, 10, &[], 1)], &[]), "valid");
    assert_eq!(asked(&chain, &[&base, &expired, &delta(11, 10, &[], 1)], &[]), "revoked");
    assert_eq!(asked(&chain, &[&List::of(by, 12, &[]), &expired], &[]), "valid");
    let ahead = |entries| delta(21, 20, entries, 1);
    assert_eq!(asked(&chain, &[&base, &ahead(REVOKED)], &[]), "revoked");
    assert_eq!(asked(&chain, &[&base, &ahead(&[])], &[]), "valid");
    let held = List::of(by, 10, &[(0x42, HOLD)]);
    assert_eq!(asked(&chain, &[&held, &ahead(&[(0x42, REMOVE)])], &[]), "revoked");
    let bare = |from| List { number: None, ..List::of(by, 0, &[]) }.between(from, 1);
    assert_eq!(asked(&chain, &[&bare(-5), &ahead(REVOKED)], &[]), "revoked");
    assert_eq!(asked(&chain, &[&bare(-3), &ahead(REVOKED)], &[]), "valid");
    assert_eq!(asked(&chain, &[&ahead(&[])], &[]), "revocation_unknown");
}

#[test]
fn a_list_without_a_number_is_asked_beside_one_with() {
    let chain = Chain::new();
    let by = &chain.intermediate;
    let numbered = List::of(by, 9, &[]).between(-3, 1);
    let bare = |entries| List { number: None, ..List::of(by, 0, entries) };
    assert_eq!(asked(&chain, &[&numbered, &bare(&[(0x42, COMPROMISE)])], &[]), "revoked");
    assert_eq!(asked(&chain, &[&numbered, &bare(&[])], &[]), "valid");
}

#[test]
fn what_an_expired_list_revokes_is_revoked_until_a_newer_one_says_otherwise() {
    let chain = Chain::new();
    let by = &chain.intermediate;
    let expired = |number, entries| List::of(by, number, entries).between(-2, -1);
    let current = List::of(by, 6, &[]).between(-3, 1);
    assert_eq!(asked(&chain, &[&expired(9, &[(0x42, HOLD)]), &current], &[]), "revoked");
    assert_eq!(asked(&chain, &[&expired(9, &[]), &current], &[]), "valid");
    assert_eq!(asked(&chain, &[&expired(5, &[(0x42, HOLD)]), &current], &[]), "valid");
    assert_eq!(asked(&chain, &[&expired(9, &[])], &[]), "revocation_unknown");
}

/// By number neither is the newer one, but the list of the later date knows what has ended since.
#[test]
fn an_expired_list_without_a_number_gives_way_to_a_later_one_with() {
    let chain = Chain::new();
    let by = &chain.intermediate;
    let expired = List { number: None, ..List::of(by, 0, &[(0x42, HOLD)]).between(-4, -2) };
    assert_eq!(asked(&chain, &[&expired, &List::of(by, 6, &[]).between(-3, 1)], &[]), "valid");
    assert_eq!(asked(&chain, &[&expired, &List::of(by, 6, &[]).between(-5, 1)], &[]), "revoked");
}

#[test]
fn version_1_has_no_extensions() {
    let holder = Holder::new("Intermediate");
    let bare = List { number: None, ..List::of(&holder, 0, &[]) };
    assert!(Crl::from_der(&bare.der(&[])).is_ok());
    assert!(Crl::from_der(&List::of(&holder, 1, &[]).der(&[])).is_err());
    let with_reason = List { number: None, ..List::of(&holder, 0, &[(0x42, HOLD)]) };
    assert!(Crl::from_der(&with_reason.der(&[])).is_err());
}

#[test]
fn of_two_responders_the_one_that_says_revoked_counts() {
    let chain = Chain::new();
    let delegate = Holder::new("Responder");
    let mut spec = Spec::leaf("ocsp.example");
    spec.extensions[1] = purposes(&[oid::OCSP_SIGNING]);
    let spec = spec.with(extension(oid::OCSP_NO_CHECK, false, &[0x05, 0x00]));
    let certificate = chain.intermediate.issue(&delegate, &spec);
    let response = |responder, certificate, status: &[u8], from| {
        let der = Ocsp {
            issuer: &chain.intermediate,
            responder,
            serial: &[0x42],
            status,
            from: days(from),
            until: days(1),
            nonce: None,
            certificate,
        };
        OcspResponse::from_der(&der.der()).unwrap()
    };
    let revoked = tlv(0xa1, &general_time(days(-3)));
    let own = |status: &[u8], from| response(&chain.intermediate, None, status, from);
    let other = |status: &[u8], from| response(&delegate, Some(&certificate), status, from);
    let good: &[u8] = &[0x80, 0x00];
    assert_eq!(asked(&chain, &[], &[own(&revoked, -2), own(good, -1)]), "valid", "a hold ended");
    assert_eq!(asked(&chain, &[], &[own(&revoked, -2), other(good, -1)]), "revoked");
    assert_eq!(asked(&chain, &[], &[other(good, -1), own(&revoked, -2)]), "revoked");
    assert_eq!(asked(&chain, &[], &[other(good, -1), own(good, -2)]), "valid");
}

#[test]
fn what_an_expired_response_revokes_is_revoked_until_a_later_list_says_otherwise() {
    let chain = Chain::new();
    let by = &chain.intermediate;
    let response = |status: &[u8], from, until| {
        let der = Ocsp {
            issuer: by,
            responder: by,
            serial: &[0x42],
            status,
            from: days(from),
            until: days(until),
            nonce: None,
            certificate: None,
        };
        OcspResponse::from_der(&der.der()).unwrap()
    };
    let since = tlv(0xa1, &general_time(days(-4)));
    let expired = || response(&since, -3, -1);
    let list = |from| List::of(by, 1, &[]).between(from, 1);
    assert_eq!(asked(&chain, &[], &[expired()]), "revoked");
    assert_eq!(asked(&chain, &[&list(-4)], &[expired()]), "revoked");
    assert_eq!(asked(&chain, &[&list(-2)], &[expired()]), "valid");
    assert_eq!(asked(&chain, &[], &[expired(), response(&[0x80, 0x00], -2, 1)]), "valid");
    assert_eq!(asked(&chain, &[], &[response(&[0x80, 0x00], -3, -1)]), "revocation_unknown");
}

/// One name, and keys of which each certifies the next; each signs its own list.
#[test]
fn keys_of_one_ca_may_follow_one_another() {
    const KEYS: u8 = 12;
    let keys: Vec<Holder> = (0..KEYS).map(|_| Holder::new("Rolling CA")).collect();
    let certify = |key: u8| {
        let at = usize::from(key);
        let spec = Spec::ca().serial(&[key + 1]).with(subject(key));
        keys[at.saturating_sub(1)].issue(&keys[at], &spec.with(authority(key.saturating_sub(1))))
    };
    let certificates: Vec<Vec<u8>> = (0..KEYS).map(certify).collect();
    let lists = |entries| {
        let list = |key: u8| {
            let signer = &keys[usize::from(key)];
            List { key_id: Some(key), ..List::of(signer, 1, entries) }.crl()
        };
        (0..KEYS).map(list).collect::<Vec<_>>()
    };
    let last = KEYS - 1;
    let leaf = keys[usize::from(last)]
        .issue(&Holder::new("leaf"), &Spec::leaf("leaf.example").with(authority(last)));
    let anchors = [certificates[0].as_slice()];
    let untrusted: Vec<&[u8]> = certificates[1..].iter().map(Vec::as_slice).collect();
    let ask = |crls: &[Crl]| {
        let question = Question {
            crls,
            status: StatusPolicy::Required,
            ..question(&leaf, &untrusted, &anchors)
        };
        let answer = question.ask();
        (code(&answer), answer.explanation)
    };
    assert_eq!(ask(&lists(&[])).0, "valid");
    // The path that is revoked is found after more paths with wrong keys than are told.
    let (refused, explanation) = ask(&lists(&[(0x42, COMPROMISE)]));
    assert_eq!(refused, "revoked");
    assert!(explanation.untold > 0, "{} paths", explanation.tried.len());
    let says = |tried: &TriedPath| tried.refusal.rule == Rule::Revoked;
    assert!(explanation.tried.iter().any(says));
}

/// Two CAs of one name whose lists do not say by which key they are signed.
#[test]
fn a_delta_goes_with_a_base_by_the_same_key() {
    let chain = Chain::new();
    let namesake = Holder::new("Intermediate");
    let namesake_der = chain.root.issue(&namesake, &Spec::ca().serial(&[0x22]));
    let base = List::of(&chain.intermediate, 1, &[(0x42, HOLD)]);
    let delta = |by| List { delta_base: Some(1), ..List::of(by, 2, &[(0x42, REMOVE)]) }.crl();
    let ask = |delta: Crl| {
        let crls = [List::of(&chain.root, 1, &[]).crl(), base.crl(), delta];
        let untrusted = [chain.intermediate_der.as_slice(), namesake_der.as_slice()];
        let anchors = [chain.root_der.as_slice()];
        let leaf = question(&chain.leaf_der, &untrusted, &anchors);
        code(&Question { crls: &crls, status: StatusPolicy::Required, ..leaf }.ask())
    };
    assert_eq!(ask(delta(&chain.intermediate)), "valid");
    assert_eq!(ask(delta(&namesake)), "revoked");
}

#[test]
fn a_refresh_takes_no_older_list_without_a_number() {
    let chain = Chain::with_leaf(&Spec::leaf("a.example").with(role("client")));
    let trust = |from, entries| {
        let bare = List { number: None, ..List::of(&chain.intermediate, 0, entries) };
        let lists = [List::of(&chain.root, 1, &[]), bare.between(from, 1)];
        Trust {
            anchors: vec![chain.root_der.clone()],
            intermediates: vec![chain.intermediate_der.clone()],
            crls: lists.iter().map(|list| list.der(&[0x02, 0x01, 0x01])).collect(),
            ..Trust::default()
        }
    };
    let peer = [CertificateDer::from(chain.leaf_der.as_slice())];
    let manager = AuthenticationManager::new(&trust(-1, &[(0x42, COMPROMISE)]), now()).unwrap();
    let verdict = || manager.validate_certificate_chain(&peer, now()).map_err(|r| r.rule);
    assert_eq!(verdict(), Err(Rule::Revoked));
    let refreshed = manager.refresh(&trust(-2, &[]), now()).unwrap();
    assert_eq!((refreshed.kept.len(), verdict()), (1, Err(Rule::Revoked)));
    manager.refresh(&trust(0, &[]), now()).unwrap();
    assert_eq!(verdict(), Ok(()));
}

/// What a manager says of the leaf after each of several refreshes, given the lists of the intermediate
/// and the day.
fn refreshed(chain: &Chain, steps: &[(i64, &[&List<'_>])]) -> Vec<(Vec<KeptReason>, &'static str)> {
    let root = List::of(&chain.root, 1, &[]).between(-9, 9);
    let trust = |lists: &[&List<'_>]| Trust {
        anchors: vec![chain.root_der.clone()],
        intermediates: vec![chain.intermediate_der.clone()],
        crls: lists.iter().chain([&&root]).map(|list| list.der(&[0x02, 0x01, 0x01])).collect(),
        ..Trust::default()
    };
    let peer = [CertificateDer::from(chain.leaf_der.as_slice())];
    let manager = AuthenticationManager::new(&trust(steps[0].1), days(steps[0].0)).unwrap();
    let step = |(day, lists): &(i64, &[&List<'_>])| {
        let kept = manager.refresh(&trust(lists), days(*day)).unwrap().kept;
        let verdict = manager.validate_certificate_chain(&peer, days(*day));
        let verdict = verdict.map_or_else(|refusal| refusal.rule.code(), |_| "valid");
        (kept.into_iter().map(|kept| kept.reason).collect(), verdict)
    };
    steps.iter().map(step).collect()
}

/// A refresh that brings less than there was takes no revocation back.
#[test]
fn a_refresh_keeps_what_no_later_list_takes_back() {
    use KeptReason::{BaseMissing, NotCurrent};
    let chain = Chain::with_leaf(&Spec::leaf("a.example").with(role("client")));
    let by = &chain.intermediate;
    let revoked = [(0x42, COMPROMISE)];
    let list = |number, entries| List::of(by, number, entries).between(-3, 5);
    let delta = |number, base, entries, to| {
        List { delta_base: Some(base), ..List::of(by, number, entries) }.between(-3, to)
    };
    let (first, second) = (list(10, &[]), list(20, &[]));
    let (revoking, ahead) = (delta(15, 10, &revoked, 5), delta(21, 20, &[], 5));
    let steps: &[(i64, &[&List<'_>])] =
        &[(0, &[&first, &revoking]), (0, &[&first, &ahead]), (0, &[&second, &ahead])];
    let expected = [(vec![], "revoked"), (vec![BaseMissing], "revoked"), (vec![], "valid")];
    assert_eq!(refreshed(&chain, steps), expected);

    let brief = delta(15, 10, &revoked, 1);
    let steps: &[(i64, &[&List<'_>])] =
        &[(0, &[&first, &brief]), (2, &[&first]), (2, &[&first]), (2, &[&second])];
    let kept = || (vec![NotCurrent], "revoked");
    assert_eq!(refreshed(&chain, steps), [(vec![], "revoked"), kept(), kept(), (vec![], "valid")]);

    let over = list(20, &revoked).between(-3, 1);
    let steps: &[(i64, &[&List<'_>])] = &[(0, &[&first]), (2, &[&over])];
    assert_eq!(refreshed(&chain, steps), [(vec![], "valid"), kept()]);

    let bare = List { number: None, ..list(0, &revoked) }.between(-2, 5);
    let steps: &[(i64, &[&List<'_>])] = &[(0, &[&first, &bare]), (0, &[])];
    let kept = (vec![NotCurrent; 2], "revoked");
    assert_eq!(refreshed(&chain, steps), [(vec![], "revoked"), kept]);
}
