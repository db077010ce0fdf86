//! pkilint, which reads certificates, links of a chain and revocation lists against RFC 5280.

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::build;
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
    verify_together(&[chain])
}

/// Lints several chains as one, and what they share only once.
pub fn verify_together(chains: &[&Chain]) -> Verdict {
    let mut seen = HashSet::new();
    let mut jobs: Vec<Job<'_>> = chains.iter().flat_map(|chain| jobs_of(chain)).collect();
    jobs.retain(|job| {
        let texts = job.files.iter().map(|file| fs::read(file).expect("the file can be read"));
        seen.insert(texts.collect::<Vec<_>>())
    });
    let findings = lint(&jobs);
    if findings.is_empty() { Verdict::Accepted } else { Verdict::Refused(format!("{findings:#?}")) }
}

fn jobs_of(chain: &Chain) -> Vec<Job<'_>> {
    let leaf = [chain.leaf.as_path()].into_iter();
    let certificates: Vec<&Path> = leaf.chain(chain.authorities()).collect();
    let alone = certificates.iter().map(|file| certificate(file));
    let links = certificates.windows(2).map(|link| signed_by(link[1], link[0]));
    alone.chain(links).chain(chain.crls.iter().map(|file| list(file))).collect()
}

/// What is wrong with a certificate.
pub fn lint_certificate(file: &Path) -> Vec<Finding> {
    lint(&[certificate(file)])
}

/// What is wrong between an issuer and what it signed: names, key identifiers, policies, signature.
/// A name that is not copied octet by octet is only a notice to pkilint, and so is a signature that it
/// cannot check, which is ML-DSA's; the first is an error here.
pub fn lint_link(issuer: &Path, subject: &Path) -> Vec<Finding> {
    lint(&[signed_by(issuer, subject)])
}

/// What is wrong with a revocation list.
pub fn lint_list(file: &Path) -> Vec<Finding> {
    lint(&[list(file)])
}

/// One command line of pkilint.
struct Job<'a> {
    program: &'static str,
    flags: &'static [&'static str],
    files: Vec<&'a Path>,
}

fn certificate(file: &Path) -> Job<'_> {
    Job { program: "lint_pkix_cert", flags: &["-s", "WARNING"], files: vec![file] }
}

fn signed_by<'a>(issuer: &'a Path, subject: &'a Path) -> Job<'a> {
    let program = "lint_pkix_signer_signee_cert_chain";
    Job { program, flags: &["-s", "NOTICE"], files: vec![issuer, subject] }
}

fn list(file: &Path) -> Job<'_> {
    let flags = &["-t", "CRL", "-p", "PKIX", "-s", "WARNING"];
    Job { program: "lint_crl", flags, files: vec![file] }
}

fn lint(jobs: &[Job<'_>]) -> Vec<Finding> {
    let mut command = Command::new(pinned("python"));
    command.arg(build::source("python").join("lint.py"));
    for (nth, job) in jobs.iter().enumerate() {
        command.args((nth > 0).then_some("--next"));
        command.args([job.program, "lint", "-f", "JSON"]).args(job.flags).args(&job.files);
    }
    let output = run(&mut command).expect_success("lint.py").stdout;
    assert_eq!(output.lines().count(), jobs.len(), "one report a command: {output}");
    let all = output.lines().flat_map(|line| {
        read(line).unwrap_or_else(|| panic!("a report without findings that count: {line}"))
    });
    all.filter(|finding| !is_excused(finding)).collect()
}

/// Whether a finding says nothing against its object: pkilint could not check a signature, or is wrong.
fn is_excused(finding: &Finding) -> bool {
    finding.code == "pkix.unsupported_algorithm" || is_false_positive(finding)
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

/// The findings of a report, of which the exit code has to count as many.
fn read(line: &str) -> Option<Vec<Finding>> {
    let answer: Value = serde_json::from_str(line).ok()?;
    let mut findings = Vec::new();
    for result in answer["report"]["results"].as_array()? {
        for description in result["finding_descriptions"].as_array()? {
            findings.push(Finding {
                node: result["node_path"].as_str()?.to_owned(),
                code: description["code"].as_str()?.to_owned(),
                message: description["message"].as_str().unwrap_or_default().to_owned(),
            });
        }
    }
    let counted = answer["code"].as_u64()?;
    (usize::try_from(counted).ok()? == findings.len()).then_some(findings)
}
