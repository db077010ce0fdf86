//! An answer as one JSON object.

use aws_lc_rs::digest;
use rustmq_pki::read::CertificateRef;
use serde::Serialize;

use crate::Rule;
use crate::error::{Label, Refusal, hex};
use crate::question::{Answer, Source};
use crate::revocation::StatusPolicy;

/// The answer in the form that `certs validate --format json` prints: stable keys, one object.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Whether the certificate is good.
    pub valid: bool,
    /// The stable code of the rule that refused it.
    pub reason: Option<&'static str>,
    /// The refusal in words.
    pub message: Option<String>,
    /// The section that states the rule.
    pub rfc: Option<&'static str>,
    /// What would satisfy it.
    pub remedy: Option<&'static str>,
    /// The certificate at fault; the leaf of a good path.
    pub certificate: Option<Named>,
    /// The good path, leaf first, anchor last.
    pub path: Vec<OnPath>,
    /// `not_checked`, `good`, `good_in_grace`, `revoked`, `unknown` or `not_reached`.
    pub revocation: &'static str,
    /// What does not refuse but should be mended.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Finding>,
    /// Every path that was tried in vain, and what was left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explain: Option<Explain>,
}

/// A certificate by name.
#[derive(Clone, Debug, Serialize)]
pub struct Named {
    /// The subject, as RFC 4514.
    pub subject: String,
    /// The issuer, as RFC 4514.
    pub issuer: String,
    /// The serial number in hexadecimal.
    pub serial: String,
}

impl From<&Label> for Named {
    fn from(label: &Label) -> Self {
        let Label { subject, issuer, serial } = label.clone();
        Self { subject, issuer, serial }
    }
}

/// A certificate of a good path.
#[derive(Clone, Debug, Serialize)]
pub struct OnPath {
    /// Its names.
    #[serde(flatten)]
    pub named: Named,
    /// The SHA-256 of its DER in hexadecimal.
    pub fingerprint: String,
    /// The first second of its validity, RFC 3339.
    pub not_before: String,
    /// The last second of its validity, RFC 3339.
    pub not_after: String,
}

impl OnPath {
    fn of(certificate: &CertificateRef<'_>) -> Self {
        Self {
            named: Named::from(&Label::of(certificate)),
            fingerprint: hex(digest::digest(&digest::SHA256, certificate.der).as_ref()),
            not_before: certificate.validity.not_before.at.to_string(),
            not_after: certificate.validity.not_after.at.to_string(),
        }
    }
}

/// A broken rule.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// The stable code.
    pub reason: &'static str,
    /// In words.
    pub message: String,
    /// The section.
    pub rfc: &'static str,
    /// The certificate.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Named>,
}

impl From<&Refusal> for Finding {
    fn from(refusal: &Refusal) -> Self {
        Self {
            reason: refusal.rule.code(),
            message: refusal.to_string(),
            rfc: refusal.rule.rfc(),
            certificate: refusal.certificate.as_deref().map(Named::from),
        }
    }
}

/// How the answer came about.
#[derive(Clone, Debug, Serialize)]
pub struct Explain {
    /// The paths that failed, in the order of the search, up to 64.
    pub tried: Vec<Tried>,
    /// How many others failed.
    pub tried_more: usize,
    /// What could not be read.
    pub skipped: Vec<LeftOut>,
    /// The work done.
    pub work: WorkDone,
}

/// A path that failed.
#[derive(Clone, Debug, Serialize)]
pub struct Tried {
    /// The subjects, leaf first.
    pub path: Vec<String>,
    /// Whether an anchor was reached.
    pub reached_anchor: bool,
    /// Why it failed.
    #[serde(flatten)]
    pub finding: Finding,
}

/// A certificate that could not be read.
#[derive(Clone, Debug, Serialize)]
pub struct LeftOut {
    /// `untrusted` or `anchor`.
    pub source: &'static str,
    /// Where in its file, from 0.
    pub index: usize,
    /// Why.
    #[serde(flatten)]
    pub finding: Finding,
}

/// How much of the budget was used.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct WorkDone {
    /// Signature verifications.
    pub signatures: u32,
    /// Partial paths.
    pub partial_paths: u32,
    /// Comparisons of names.
    pub name_comparisons: u32,
    /// Nodes of the policy graph.
    pub policy_nodes: u32,
}

impl Report {
    /// The report of an answer; `explain` adds how it came about.
    pub fn new(answer: &Answer<'_>, explain: bool, status: StatusPolicy) -> Self {
        let warnings = answer.warnings.iter().map(Finding::from).collect();
        let explain = explain.then(|| Explain::of(answer));
        match &answer.result {
            Ok(proof) => {
                let path = proof.path();
                let certificates = path.certificates().iter().chain([path.anchor()]);
                Self {
                    valid: true,
                    reason: None,
                    message: None,
                    rfc: None,
                    remedy: None,
                    certificate: Some(Named::from(&Label::of(path.leaf()))),
                    path: certificates.map(OnPath::of).collect(),
                    revocation: good(proof.status(), proof.used_grace()),
                    warnings,
                    explain,
                }
            }
            Err(refusal) => Self {
                valid: false,
                reason: Some(refusal.rule.code()),
                message: Some(refusal.to_string()),
                rfc: Some(refusal.rule.rfc()),
                remedy: Some(refusal.rule.remedy()),
                certificate: refusal.certificate.as_deref().map(Named::from),
                path: Vec::new(),
                revocation: refused(refusal.rule, status),
                warnings,
                explain,
            },
        }
    }
}

const fn good(status: StatusPolicy, grace: bool) -> &'static str {
    match (status, grace) {
        (StatusPolicy::NotChecked, _) => "not_checked",
        (StatusPolicy::Required, false) => "good",
        (StatusPolicy::Required, true) => "good_in_grace",
    }
}

const fn refused(rule: Rule, status: StatusPolicy) -> &'static str {
    match (status, rule) {
        (StatusPolicy::NotChecked, _) => "not_checked",
        (_, Rule::Revoked) => "revoked",
        (_, Rule::RevocationUnknown) => "unknown",
        _ => "not_reached",
    }
}

impl Explain {
    fn of(answer: &Answer<'_>) -> Self {
        let explanation = &answer.explanation;
        let tried = explanation.tried.iter().map(|tried| Tried {
            path: tried.certificates.iter().map(|label| label.subject.clone()).collect(),
            reached_anchor: tried.reached_anchor,
            finding: Finding::from(&tried.refusal),
        });
        let skipped = explanation.skipped.iter().map(|skipped| LeftOut {
            source: match skipped.source {
                Source::Untrusted => "untrusted",
                Source::Anchor => "anchor",
            },
            index: skipped.index,
            finding: Finding::from(&skipped.refusal),
        });
        let [signatures, partial_paths, name_comparisons, policy_nodes] = explanation.work;
        Self {
            tried: tried.collect(),
            tried_more: explanation.untold,
            skipped: skipped.collect(),
            work: WorkDone { signatures, partial_paths, name_comparisons, policy_nodes },
        }
    }
}
