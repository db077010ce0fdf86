//! pkilint finds what breaks RFC 5280, and is deaf to its two false positives only.

use std::path::{Path, PathBuf};

use rustmq_conformance::pkilint::{Finding, lint_certificate, lint_link, lint_list};
use rustmq_conformance::samples::{Authority, break_signature};
use rustmq_conformance::{Judge, SampleKey, Samples, Verdict, require};
use tempfile::TempDir;

/// A root that signs whatever a section of `samples.cnf` asks for.
struct Bench {
    root: Authority,
    folder: TempDir,
}

impl Bench {
    /// The bench, if both programs are here.
    fn set_up() -> Option<Self> {
        if !require(Judge::Pkilint) || !require(Judge::OpenSsl) {
            return None;
        }
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let root = Authority::create(folder.path(), "root", SampleKey::P256);
        root.sign_itself("Sample Root");
        Some(Self { root, folder })
    }

    fn sign(&self, subject: &str, section: &str) -> PathBuf {
        let path = self.folder.path().join(format!("{section}.crt"));
        self.root.sign(self.root.key(), subject, section, &path);
        path
    }
}

fn codes(findings: &[Finding]) -> Vec<&str> {
    findings.iter().map(|finding| finding.code.as_str()).collect()
}

#[test]
fn accepts_good_chains() {
    if !require(Judge::Pkilint) || !require(Judge::OpenSsl) {
        return;
    }
    let samples = Samples::mint(SampleKey::P256);
    assert_eq!(Judge::Pkilint.verify(&samples.server()), Verdict::Accepted);
    assert_eq!(Judge::Pkilint.verify(&samples.client()), Verdict::Accepted);
}

#[test]
fn finds_an_authority_with_optional_constraints() {
    let Some(bench) = Bench::set_up() else { return };
    let findings = lint_certificate(&bench.sign("Loose CA", "loose_authority"));
    assert_eq!(codes(&findings), ["pkix.basic_constraints_extension_not_critical"]);
}

#[test]
fn finds_a_missing_authority_key_identifier() {
    let Some(bench) = Bench::set_up() else { return };
    let findings = lint_certificate(&bench.sign("client@company.com", "nameless_issuer"));
    assert_eq!(codes(&findings), ["pkix.authority_key_identifier_extension_absent"]);
}

#[test]
fn finds_a_name_that_is_none() {
    let Some(bench) = Bench::set_up() else { return };
    let findings = lint_certificate(&bench.sign("any", "crooked_name"));
    assert_eq!(codes(&findings), ["pkix.invalid_domain_name_syntax"]);
}

#[test]
fn lets_fleet_names_pass() {
    let Some(bench) = Bench::set_up() else { return };
    assert_eq!(lint_certificate(&bench.sign("broker-01", "fleet_names")), []);
}

#[test]
fn finds_a_link_between_strangers() {
    let Some(bench) = Bench::set_up() else { return };
    let other = Authority::create(bench.folder.path(), "other", SampleKey::P256);
    other.sign_itself("Other Root");
    let client = bench.sign("client@company.com", "client");
    assert_eq!(lint_link(bench.root.certificate(), &client), []);
    let findings = lint_link(other.certificate(), &client);
    assert!(codes(&findings).contains(&"pkix.issuer_and_subject_dn_not_binary_equal"));
    assert!(codes(&findings).contains(&"pkix.signature_verification_failed"));
}

#[test]
fn finds_a_broken_signature() {
    let Some(bench) = Bench::set_up() else { return };
    let client = bench.sign("client@company.com", "client");
    let broken = bench.folder.path().join("broken.crt");
    break_signature(&client, &broken);
    let findings = lint_link(bench.root.certificate(), &broken);
    assert_eq!(codes(&findings), ["pkix.signature_verification_failed"]);
}

#[test]
fn finds_a_list_that_names_no_key() {
    let Some(bench) = Bench::set_up() else { return };
    let list = |name: &str, more: &[&str]| {
        let path = bench.folder.path().join(name);
        bench.root.list(more, &path);
        lint_list(Path::new(&path))
    };
    assert_eq!(list("good.crl", &[]), []);
    let findings = list("nameless.crl", &["-crlexts", "nameless_list"]);
    assert_eq!(codes(&findings), ["pkix.authority_key_identifier_missing"]);
}
