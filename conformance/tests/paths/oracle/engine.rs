//! The engine under test, in this process.

use rustmq_auth::revocation::{Crl, OcspResponse, StatusPolicy};
use rustmq_auth::{PolicyInputs, Purpose, Question, ReferenceName, RuleSet, Terms};
use rustmq_pki::time::UnixTime;

use super::Verdict;
use crate::case::{self, Case, Reference, policy_oid};

/// The verdict under the rule set `pkix`; refusals begin with the stable code.
pub(crate) fn ask(case: &Case) -> Verdict {
    ask_with(case, RuleSet::Pkix, &[])
}

/// The same with a rule set and OCSP responses.
pub(crate) fn ask_with(case: &Case, rules: RuleSet, responses: &[Vec<u8>]) -> Verdict {
    let anchors: Vec<&[u8]> = case.anchors.iter().map(Vec::as_slice).collect();
    let untrusted: Vec<&[u8]> = case.intermediates.iter().map(Vec::as_slice).collect();
    let crls: Vec<Crl> = case.crls.iter().filter_map(|der| Crl::from_der(der).ok()).collect();
    let ocsp: Vec<OcspResponse> =
        responses.iter().filter_map(|der| OcspResponse::from_der(der).ok()).collect();
    let names: Vec<ReferenceName> = case.question.names.iter().map(reference).collect();
    let status =
        if case.question.revocation { StatusPolicy::Required } else { StatusPolicy::NotChecked };
    let question = Question {
        untrusted: &untrusted,
        crls: &crls,
        ocsp: &ocsp,
        status,
        terms: terms(&case.question, rules),
        names: &names,
        ..Question::new(&case.leaf, &anchors)
    };
    match question.ask().result {
        Ok(_) => Verdict::Valid,
        Err(refusal) => Verdict::Refused(format!("{}: {refusal}", refusal.rule.code())),
    }
}

fn terms(question: &case::Question, rules: RuleSet) -> Terms {
    Terms {
        at: UnixTime::from_seconds(question.at),
        rules,
        purpose: match question.purpose {
            case::Purpose::Any => Purpose::Any,
            case::Purpose::Server => Purpose::Server,
            case::Purpose::Client => Purpose::Client,
        },
        max_depth: question.max_depth,
        policy: PolicyInputs {
            acceptable: question.policy.policies.iter().map(|p| policy_oid(*p)).collect(),
            require_explicit: question.policy.require_explicit,
            inhibit_mapping: question.policy.inhibit_mapping,
            inhibit_any: question.policy.inhibit_any,
        },
    }
}

fn reference(name: &Reference) -> ReferenceName {
    match name {
        Reference::Dns(name) => ReferenceName::Dns(name.clone()),
        Reference::Ip(address) => ReferenceName::Ip(address.to_string()),
        Reference::Email(mailbox) => ReferenceName::Email(mailbox.clone()),
    }
}
