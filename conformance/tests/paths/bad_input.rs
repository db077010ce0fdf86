//! What must be refused, each with its stable reason; never a panic, and never more work than the
//! budget, whatever the input.

mod bytes;
mod certificates;
mod names;
mod revocation;

use rustmq_auth::revocation::{Crl, OcspResponse, StatusPolicy};
use rustmq_auth::{Purpose, Question, ReferenceName, RuleSet, Terms};
use rustmq_conformance::forge::{
    Aki, Certificate, Extension, GeneralName, Key, KeyKind, Name, key, usage,
};
use rustmq_pki::oid;
use rustmq_pki::time::UnixTime;

use crate::generate::NOW;

/// A chain of three that is valid, to be spoiled.
struct Chain {
    root: Certificate,
    ca: Certificate,
    leaf: Certificate,
}

fn root_key() -> &'static Key {
    key(KeyKind::P256, 7_000)
}

fn ca_key() -> &'static Key {
    key(KeyKind::P256, 7_001)
}

fn leaf_key() -> &'static Key {
    key(KeyKind::P256, 7_002)
}

fn ca_extensions(own: &Key, issuer: &Key) -> Vec<Extension> {
    let aki = Aki { key_id: Some(issuer.id()), issuer: None };
    vec![
        Extension::basic_constraints(true, None),
        Extension::key_usage(usage::KEY_CERT_SIGN | usage::CRL_SIGN),
        Extension::subject_key_id(&own.id()),
        Extension::authority_key_id(&aki),
    ]
}

impl Chain {
    fn new() -> Self {
        let mut root = Certificate::new(Name::cn("Root"), Name::cn("Root"), root_key().spki());
        root.extensions = ca_extensions(root_key(), root_key());
        let mut ca = Certificate::new(Name::cn("Root"), Name::cn("CA"), ca_key().spki());
        ca.serial = vec![2];
        ca.extensions = ca_extensions(ca_key(), root_key());
        let mut leaf = Certificate::new(Name::cn("CA"), Name::cn("leaf"), leaf_key().spki());
        leaf.serial = vec![3];
        let aki = Aki { key_id: Some(ca_key().id()), issuer: None };
        leaf.extensions = vec![
            Extension::authority_key_id(&aki),
            Extension::key_usage(usage::DIGITAL_SIGNATURE),
            Extension::extended_key_usage(&[oid::SERVER_AUTH, oid::CLIENT_AUTH]),
            Extension::subject_alt_name(&[GeneralName::Dns("www.good.test".to_owned())]),
        ];
        Self { root, ca, leaf }
    }

    fn bytes(&self) -> Input {
        Input {
            leaf: self.leaf.sign(ca_key()),
            untrusted: vec![self.ca.sign(root_key())],
            anchors: vec![self.root.sign(root_key())],
            ..Input::default()
        }
    }

    /// The code under `pkix` after `change`.
    fn spoiled(change: impl FnOnce(&mut Self)) -> &'static str {
        let mut chain = Self::new();
        change(&mut chain);
        chain.bytes().code()
    }

    /// The code under `rfc5280` after `change`.
    fn judged(change: impl FnOnce(&mut Self)) -> &'static str {
        let mut chain = Self::new();
        change(&mut chain);
        Input { rules: RuleSet::Rfc5280, ..chain.bytes() }.code()
    }
}

/// Everything that the engine is given.
#[derive(Default)]
struct Input {
    leaf: Vec<u8>,
    untrusted: Vec<Vec<u8>>,
    anchors: Vec<Vec<u8>>,
    /// What can be read of the lists that were given; `None`: nobody asks for a status.
    crls: Option<Vec<Vec<u8>>>,
    ocsp: Vec<Vec<u8>>,
    names: Vec<ReferenceName>,
    rules: RuleSet,
    at: Option<i64>,
}

/// What one question may cost (signatures, partial paths, names, policies). The numbers are the
/// engine's documented budget, written down a second time so that raising it is a decision.
const MOST_WORK: [u32; 4] = [512, 5_000, 250_000, 4_096];

impl Input {
    /// The stable code of the refusal, or `valid`; the work is within the budget in any case.
    fn code(&self) -> &'static str {
        let anchors: Vec<&[u8]> = self.anchors.iter().map(Vec::as_slice).collect();
        let untrusted: Vec<&[u8]> = self.untrusted.iter().map(Vec::as_slice).collect();
        let lists = self.crls.iter().flatten();
        let crls: Vec<Crl> = lists.filter_map(|der| Crl::from_der(der).ok()).collect();
        let responses = self.ocsp.iter();
        let ocsp: Vec<_> = responses.filter_map(|der| OcspResponse::from_der(der).ok()).collect();
        let asked = self.crls.is_some() || !self.ocsp.is_empty();
        let question = Question {
            untrusted: &untrusted,
            crls: &crls,
            ocsp: &ocsp,
            status: if asked { StatusPolicy::Required } else { StatusPolicy::NotChecked },
            names: &self.names,
            terms: Terms {
                at: UnixTime::from_seconds(self.at.unwrap_or(NOW)),
                rules: self.rules,
                purpose: Purpose::Server,
                ..Terms::default()
            },
            ..Question::new(&self.leaf, &anchors)
        };
        let answer = question.ask();
        let work = answer.explanation.work;
        assert!(work.iter().zip(MOST_WORK).all(|(done, most)| *done <= most), "{work:?}");
        answer.result.map_or_else(|refusal| refusal.rule.code(), |_| "valid")
    }
}

/// Compares the codes of a table with those that are expected.
fn assert_codes(rows: &[(&str, &str, &str)]) {
    let wrong: Vec<_> = rows
        .iter()
        .filter(|(_, found, expected)| found != expected)
        .map(|(what, found, expected)| format!("{what}: {found}, not {expected}\n"))
        .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.concat());
}

#[test]
fn the_chain_is_valid_before_it_is_spoiled() {
    assert_eq!(Chain::spoiled(|_| ()), "valid");
    assert_eq!(Chain::judged(|_| ()), "valid");
}
