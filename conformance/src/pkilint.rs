//! pkilint, which reads certificates, links of a chain and revocation lists against RFC 5280.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::chain::{Chain, Verdict};
use crate::judges::pinned;
use crate::process::run;

/// One thing that pkilint objects to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Where in the object.
    pub node: String,
    /// Which rule, for example `pkix.invalid_uri_syntax`.
    pub code: String,
    /// In words; some rules have none.
    pub message: String,
}

/// Lints every certificate, every link and every list of a chain. It knows nothing of dates, host
/// names or revocation.
pub fn verify(chain: &Chain) -> Verdict {
    let mut findings = lint_certificate(&chain.leaf);
    let mut subject = chain.leaf.as_path();
    for issuer in chain.authorities() {
        findings.extend(lint_certificate(issuer));
        findings.extend(lint_link(issuer, subject));
        subject = issuer;
    }
    findings.extend(chain.crls.iter().flat_map(|list| lint_list(list)));
    if findings.is_empty() { Verdict::Accepted } else { Verdict::Refused(format!("{findings:#?}")) }
}

/// What is wrong with a certificate.
pub fn lint_certificate(file: &Path) -> Vec<Finding> {
    lint("lint_pkix_cert", &["lint", "-s", "WARNING"], &[file])
}

/// What is wrong between an issuer and what it signed: names, key identifiers, policies, signature.
/// A name that is not copied octet by octet is only a notice to pkilint, and so is a signature that it
/// cannot check, which is ML-DSA's; the first is an error here.
pub fn lint_link(issuer: &Path, subject: &Path) -> Vec<Finding> {
    let program = "lint_pkix_signer_signee_cert_chain";
    let mut findings = lint(program, &["lint", "-s", "NOTICE"], &[issuer, subject]);
    findings.retain(|finding| finding.code != "pkix.unsupported_algorithm");
    findings
}

/// What is wrong with a revocation list.
pub fn lint_list(file: &Path) -> Vec<Finding> {
    lint("lint_crl", &["lint", "-t", "CRL", "-p", "PKIX", "-s", "WARNING"], &[file])
}

fn lint(program: &str, arguments: &[&str], files: &[&Path]) -> Vec<Finding> {
    let mut command = Command::new(pinned(program));
    command.args(arguments).args(["-f", "JSON"]).args(files.iter().map(|file| file.as_os_str()));
    let output = run(&mut command);
    let findings = read(&output.stdout)
        .unwrap_or_else(|| panic!("{program} {:?}: {}", OsStr::new(files[0]), output.text()));
    let counted = usize::try_from(output.code.unwrap_or(-1)).ok();
    assert_eq!(counted, Some(findings.len().min(255)), "the exit code counts: {}", output.text());
    findings.into_iter().filter(|finding| !is_false_positive(finding)).collect()
}

/// pkilint takes a URI without a web scheme and a DNS name of one label for syntax errors. RFC 5280
/// 4.2.1.6 allows both, and workload identities and host names of private networks need them.
fn is_false_positive(finding: &Finding) -> bool {
    let value = finding.message.split('"').nth(1).unwrap_or_default();
    match finding.code.as_str() {
        "pkix.invalid_uri_syntax" => value.starts_with("spiffe://"),
        "pkix.invalid_domain_name_syntax" => {
            !value.is_empty() && value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        }
        _ => false,
    }
}

fn read(json: &str) -> Option<Vec<Finding>> {
    let report: Value = serde_json::from_str(json).ok()?;
    let mut findings = Vec::new();
    for result in report["results"].as_array()? {
        for description in result["finding_descriptions"].as_array()? {
            findings.push(Finding {
                node: result["node_path"].as_str()?.to_owned(),
                code: description["code"].as_str()?.to_owned(),
                message: description["message"].as_str().unwrap_or_default().to_owned(),
            });
        }
    }
    Some(findings)
}
