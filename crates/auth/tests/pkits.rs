//! NIST's Public Key Interoperability Test Suite, whole, under the rule set `pkix`.

mod suite;

use std::collections::HashMap;

use base64ct::{Base64, Encoding};
use rustmq_auth::revocation::{Crl, StatusPolicy};
use rustmq_auth::{PolicyInputs, Question, RuleSet, Terms};
use rustmq_pki::oid::{ANY_POLICY, parse_dotted};
use rustmq_pki::time::UnixTime;
use serde::Deserialize;

#[derive(Deserialize)]
struct Pkits {
    default_time: String,
    cert_dir: String,
    crl_dir: String,
    files: HashMap<String, String>,
    testcases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    id: String,
    path: Vec<String>,
    extra_certs: Vec<String>,
    crls: Vec<String>,
    inputs: Inputs,
    expected: String,
}

#[derive(Deserialize)]
struct Inputs {
    initial_policy_set: Vec<String>,
    initial_explicit_policy: bool,
    initial_policy_mapping_inhibit: bool,
    initial_inhibit_any_policy: bool,
}

impl Pkits {
    fn load() -> Self {
        let text = include_str!("../../../conformance/data/pkits.json");
        serde_json::from_str(text).expect("the suite is well-formed")
    }

    fn file(&self, folder: &str, name: &str) -> Vec<u8> {
        Base64::decode_vec(&self.files[&format!("{folder}/{name}")]).expect("base64")
    }

    fn ask(&self, case: &Case, rules: RuleSet) -> Result<(), String> {
        let certificate = |name: &String| self.file(&self.cert_dir, name);
        let (anchor, path) = case.path.split_first().expect("a path has an anchor");
        let (leaf, intermediates) = path.split_last().expect("a path has a leaf");
        let anchor = certificate(anchor);
        let leaf = certificate(leaf);
        let untrusted: Vec<_> =
            intermediates.iter().chain(&case.extra_certs).map(certificate).collect();
        let untrusted: Vec<&[u8]> = untrusted.iter().map(Vec::as_slice).collect();
        let crls = case.crls.iter().map(|name| self.file(&self.crl_dir, name));
        let crls: Vec<_> = crls.filter_map(|der| Crl::from_der(&der).ok()).collect();
        let anchors = [anchor.as_slice()];
        let question = Question {
            untrusted: &untrusted,
            crls: &crls,
            status: StatusPolicy::Required,
            terms: self.terms(&case.inputs, rules),
            ..Question::new(&leaf, &anchors)
        };
        question.ask().result.map(|_| ()).map_err(|refusal| refusal.rule.code().to_owned())
    }

    fn terms(&self, inputs: &Inputs, rules: RuleSet) -> Terms {
        let policies = inputs.initial_policy_set.iter();
        let acceptable = policies.map(|policy| parse_dotted(policy).expect("an OID"));
        Terms {
            at: self.default_time.parse::<UnixTime>().expect("a time"),
            rules,
            policy: PolicyInputs {
                acceptable: acceptable.filter(|policy| policy != ANY_POLICY).collect(),
                require_explicit: inputs.initial_explicit_policy,
                inhibit_mapping: inputs.initial_policy_mapping_inhibit,
                inhibit_any: inputs.initial_inhibit_any_policy,
            },
            ..Terms::default()
        }
    }
}

#[test]
fn pkits_whole() {
    let suite = Pkits::load();
    let exceptions = include_str!("../../../conformance/exceptions/pkits.toml");
    let mut comparison = suite::Comparison::new(exceptions);
    for case in &suite.testcases {
        let result = suite.ask(case, RuleSet::Pkix);
        let reason = result.as_ref().err().map_or("", String::as_str);
        comparison.take(&case.id, case.expected == "valid", result.is_ok(), reason);
    }
    comparison.finish(249);
}

/// A CRL issuer whose own status hangs on the CRL that it signed: RFC 5280 does not say, PKITS holds
/// it valid, and the stricter rule sets do not.
#[test]
fn a_circle_of_crl_issuers_is_accepted_under_pkix_only() {
    let suite = Pkits::load();
    let case = suite.testcases.iter().find(|case| case.id == "4.14.30").expect("the case");
    assert_eq!(suite.ask(case, RuleSet::Pkix), Ok(()));
    assert!(suite.ask(case, RuleSet::Rfc5280).is_err());
}
