//! x509-limbo, from the file that `LIMBO_JSON` names; its licence does not allow a copy here.

mod suite;

use std::io::Write;

use rustmq_auth::revocation::{Crl, StatusPolicy};
use rustmq_auth::{Purpose, Question, ReferenceName, RuleSet, Terms};
use serde::Deserialize;

#[derive(Deserialize)]
struct Limbo {
    testcases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    validation_kind: String,
    trusted_certs: Vec<String>,
    untrusted_intermediates: Vec<String>,
    peer_certificate: String,
    validation_time: Option<String>,
    expected_result: String,
    expected_peer_name: Option<Name>,
    expected_peer_names: Option<Vec<Name>>,
    max_chain_depth: Option<usize>,
    crls: Option<Vec<String>>,
}

#[derive(Clone, Deserialize)]
struct Name {
    kind: String,
    value: String,
}

impl Name {
    fn reference(self) -> ReferenceName {
        match self.kind.as_str() {
            "DNS" => ReferenceName::Dns(self.value),
            "IP" => ReferenceName::Ip(self.value),
            _ => ReferenceName::Email(self.value),
        }
    }
}

fn der(pem: &[String]) -> Vec<Vec<u8>> {
    pem.iter().map(|pem| pem_rfc7468::decode_vec(pem.trim().as_bytes()).expect("PEM").1).collect()
}

fn slices(der: &[Vec<u8>]) -> Vec<&[u8]> {
    der.iter().map(Vec::as_slice).collect()
}

/// A case without a time is asked at this one, at which its real certificates were valid or long
/// expired alike.
const TODAY: &str = "2026-11-23T00:00:00Z";

impl Case {
    fn rules(&self) -> RuleSet {
        match self.id.split("::").next() {
            Some("webpki" | "online") => RuleSet::WebPki,
            Some("bettertls") => RuleSet::Pkix,
            _ => RuleSet::Rfc5280,
        }
    }

    fn ask(&self) -> Result<(), String> {
        let leaf = der(std::slice::from_ref(&self.peer_certificate));
        let (anchors, untrusted) = (der(&self.trusted_certs), der(&self.untrusted_intermediates));
        let (anchors, untrusted) = (slices(&anchors), slices(&untrusted));
        let lists = der(self.crls.as_deref().unwrap_or(&[]));
        let crls: Vec<_> = lists.iter().filter_map(|der| Crl::from_der(der).ok()).collect();
        let names = self.expected_peer_name.iter().chain(self.expected_peer_names.iter().flatten());
        let names: Vec<_> = names.cloned().map(Name::reference).collect();
        let status =
            if lists.is_empty() { StatusPolicy::NotChecked } else { StatusPolicy::Required };
        let question = Question {
            untrusted: &untrusted,
            crls: &crls,
            status,
            names: &names,
            terms: Terms {
                at: self.validation_time.as_deref().unwrap_or(TODAY).parse().expect("a time"),
                rules: self.rules(),
                purpose: match self.validation_kind.as_str() {
                    "CLIENT" => Purpose::Client,
                    _ => Purpose::Server,
                },
                max_depth: self.max_chain_depth,
                ..Terms::default()
            },
            ..Question::new(&leaf[0], &anchors)
        };
        question.ask().result.map(|_| ()).map_err(|refusal| refusal.rule.code().to_owned())
    }
}

#[test]
fn limbo() {
    let Some(path) = std::env::var_os("LIMBO_JSON") else {
        // Straight to the stream: the test harness would swallow it.
        let skip = "SKIPPED limbo: LIMBO_JSON does not name x509-limbo's limbo.json";
        writeln!(std::io::stderr(), "{skip}").expect("standard error is open");
        return;
    };
    let text = std::fs::read_to_string(&path).expect("LIMBO_JSON names a file");
    let suite: Limbo = serde_json::from_str(&text).expect("limbo's format");
    let exceptions = include_str!("../../../conformance/exceptions/limbo.toml");
    let mut comparison = suite::Comparison::new(exceptions);
    for case in &suite.testcases {
        let result = case.ask();
        let reason = result.as_ref().err().map_or("", String::as_str);
        comparison.take(&case.id, case.expected_result == "SUCCESS", result.is_ok(), reason);
    }
    comparison.finish(suite.testcases.len().min(98));
}
