//! `certs validate`: the validator's verdict on one certificate.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use rustmq_auth::revocation::{Crl, OcspResponse, StatusPolicy};
use rustmq_auth::{
    Explain, MtlsPolicy, Named, PolicyInputs, Purpose, Question, ReferenceName, Report as Verdict,
    Rule, RuleSet, Skipped, Source, Terms,
};
use rustmq_pki::oid::parse_dotted;
use rustmq_pki::role::Role;
use rustmq_pki::time::UnixTime;

use super::material::{self, Material};
use crate::cmd::show::to_json;
use crate::error::CliError;
use crate::inspect::Kind;
use crate::output::{Card, Report, Tone};
use crate::session::Session;
use crate::values;

/// The CSV columns of a verdict: keys of its JSON object.
const COLUMNS: &[&str] = &["valid", "reason", "rfc", "message", "revocation"];

/// Validate a certificate against trust anchors, or against this authority where none are given.
#[derive(Debug, Args)]
pub(crate) struct Validate {
    /// The certificate, PEM or DER; further ones in the file help to build the path; `-` for
    /// standard input
    #[arg(long, value_name = "FILE")]
    cert_file: PathBuf,
    /// Trust anchors, PEM or DER [default: this authority's roots, CAs and revocations]
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Certificates that may help to build the path
    #[arg(long, value_name = "FILE", requires = "ca_file")]
    untrusted_file: Option<PathBuf>,
    /// Revocation lists; every certificate but the anchor then needs a status
    #[arg(long, value_name = "FILE", requires = "ca_file")]
    crl_file: Option<PathBuf>,
    /// OCSP responses; every certificate but the anchor then needs a status
    #[arg(long, value_name = "FILE", requires = "ca_file")]
    ocsp_file: Option<PathBuf>,
    /// Time at which it has to be valid, RFC 3339 [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<UnixTime>,
    /// What it is to be used for
    #[arg(long, value_name = "PURPOSE", value_enum, default_value_t)]
    purpose: PurposeFlag,
    /// Host name that it must have
    #[arg(long, value_name = "NAME", allow_hyphen_values = true)]
    hostname: Vec<OsString>,
    /// IP address that it must have
    #[arg(long, value_name = "ADDRESS", allow_hyphen_values = true)]
    ip: Vec<OsString>,
    /// E-mail address that it must have
    #[arg(long, value_name = "ADDRESS", allow_hyphen_values = true)]
    email: Vec<OsString>,
    /// Most intermediates between the certificate and the anchor
    #[arg(long, value_name = "N")]
    max_depth: Option<usize>,
    /// Policy that the path must allow [default: any]
    #[arg(long, value_name = "OID", value_parser = policy)]
    policy: Vec<PolicyOid>,
    /// Require a policy to be valid for the whole path (RFC 5280 6.1.1 (e))
    #[arg(long)]
    require_explicit_policy: bool,
    /// Inhibit policy mapping (RFC 5280 6.1.1 (f))
    #[arg(long)]
    inhibit_policy_mapping: bool,
    /// Give anyPolicy no meaning (RFC 5280 6.1.1 (g))
    #[arg(long)]
    inhibit_any_policy: bool,
    /// Rules: pkix is RFC 5280 section 6, rfc5280 adds section 4, webpki adds the CA/Browser rules
    #[arg(long, value_name = "RULES", value_enum, default_value_t)]
    rules: RulesFlag,
    /// Ask also what mutual TLS asks for: purpose and role stated, no CA, no weak key; needs
    /// --purpose server or client
    #[arg(long)]
    mtls: bool,
    /// Role that mutual TLS lets in [default: any]
    #[arg(long, value_name = "ROLE", value_parser = values::role(), requires = "mtls")]
    allow_role: Vec<Role>,
    /// List every path that was tried, and the work that it took
    #[arg(long)]
    explain: bool,
}

/// The content octets of a policy's OID.
#[derive(Clone, Debug)]
struct PolicyOid(Vec<u8>);

fn policy(text: &str) -> Result<PolicyOid, &'static str> {
    parse_dotted(text).map(PolicyOid).ok_or("a policy is an OID such as 2.16.840.1.101.3.2.1.48.1")
}

/// What the certificate is to be used for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum PurposeFlag {
    /// TLS servers
    Server,
    /// TLS clients
    Client,
    /// Anything
    #[default]
    Any,
}

/// The rules that it is judged by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum RulesFlag {
    /// Path validation of RFC 5280 section 6, and nothing more
    #[default]
    Pkix,
    /// The certificate rules of RFC 5280 section 4, too
    Rfc5280,
    /// The rules of the CA/Browser forum, too
    Webpki,
}

impl Validate {
    /// Asks the validator.
    pub(crate) async fn run(&self, session: &Session) -> Result<Report, CliError> {
        if self.mtls && self.purpose == PurposeFlag::Any {
            return Err(CliError::Flags {
                what: "--mtls asks for a purpose",
                instead: "add --purpose client for a peer that connects, --purpose server for one \
                          that accepts",
            });
        }
        let mut candidates = material::read(&self.cert_file, Kind::Certificate)?.into_iter();
        let leaf = candidates.next().unwrap_or_else(|| Ok(Vec::new()));
        let mut material = match &self.ca_file {
            Some(anchors) => self.given(anchors)?,
            None => Material::of_authority(session).await?,
        };
        let more = material.whole(&self.cert_file, candidates);
        material.untrusted.extend(more);
        let (leaf, damage) = match leaf {
            Ok(der) => (der, None),
            Err(damage) => (Vec::new(), Some(damage)),
        };
        let (mut verdict, skipped) = self.ask(&leaf, &material, session.now());
        if let Some(damage) = damage.filter(|_| verdict.reason == Some(Rule::Malformed.code())) {
            verdict.message = Some(format!("{} ({damage})", Rule::Malformed.says()));
        }
        if !self.explain {
            material.notes.extend(skipped);
        }
        Ok(report(&verdict, material.notes))
    }

    fn given(&self, anchors: &Path) -> Result<Material, CliError> {
        let mut material = Material { status: StatusPolicy::NotChecked, ..Material::default() };
        let mut objects = |path: Option<&Path>, kind| {
            let Some(path) = path else { return Ok(Vec::new()) };
            Ok::<_, CliError>(material.whole(path, material::read(path, kind)?))
        };
        let anchors = objects(Some(anchors), Kind::Certificate)?;
        let untrusted = objects(self.untrusted_file.as_deref(), Kind::Certificate)?;
        let crls = objects(self.crl_file.as_deref(), Kind::Crl)?;
        let responses = objects(self.ocsp_file.as_deref(), Kind::Ocsp)?;
        (material.anchors, material.untrusted) = (anchors, untrusted);
        for der in crls {
            match Crl::from_der(&der) {
                Ok(crl) => material.crls.push(crl),
                Err(error) => material.notes.push(format!("a CRL was left out: {error}")),
            }
        }
        for der in responses {
            match OcspResponse::from_der(&der) {
                Ok(response) => material.ocsp.push(response),
                Err(error) => {
                    material.notes.push(format!("an OCSP response was left out: {error}"));
                }
            }
        }
        if self.crl_file.is_some() || self.ocsp_file.is_some() {
            material.status = StatusPolicy::Required;
        }
        Ok(material)
    }

    /// The verdict, and what was left out to reach it.
    fn ask(&self, leaf: &[u8], material: &Material, now: UnixTime) -> (Verdict, Vec<String>) {
        let anchors: Vec<&[u8]> = material.anchors.iter().map(Vec::as_slice).collect();
        let untrusted: Vec<&[u8]> = material.untrusted.iter().map(Vec::as_slice).collect();
        let names = self.names();
        let mtls = self.mtls.then(|| self.mtls_policy());
        let question = Question {
            untrusted: &untrusted,
            crls: &material.crls,
            ocsp: &material.ocsp,
            status: material.status,
            grace: material.grace,
            terms: self.terms(now),
            names: &names,
            mtls: mtls.as_ref(),
            ..Question::new(leaf, &anchors)
        };
        let answer = question.ask();
        let skipped = answer.explanation.skipped.iter().map(left_out).collect();
        (Verdict::new(&answer, self.explain, material.status), skipped)
    }

    fn terms(&self, now: UnixTime) -> Terms {
        Terms {
            at: self.at.unwrap_or(now),
            rules: match self.rules {
                RulesFlag::Pkix => RuleSet::Pkix,
                RulesFlag::Rfc5280 => RuleSet::Rfc5280,
                RulesFlag::Webpki => RuleSet::WebPki,
            },
            purpose: match self.purpose {
                PurposeFlag::Server => Purpose::Server,
                PurposeFlag::Client => Purpose::Client,
                PurposeFlag::Any => Purpose::Any,
            },
            max_depth: self.max_depth,
            policy: PolicyInputs {
                acceptable: self.policy.iter().map(|policy| policy.0.clone()).collect(),
                require_explicit: self.require_explicit_policy,
                inhibit_mapping: self.inhibit_policy_mapping,
                inhibit_any: self.inhibit_any_policy,
            },
        }
    }

    fn names(&self) -> Vec<ReferenceName> {
        // What is no text becomes text that is no name: the validator says that it can match nothing.
        let text = |name: &OsString| name.to_string_lossy().into_owned();
        let hosts = self.hostname.iter().map(text).map(ReferenceName::Dns);
        let addresses = self.ip.iter().map(text).map(ReferenceName::Ip);
        let mailboxes = self.email.iter().map(text).map(ReferenceName::Email);
        hosts.chain(addresses).chain(mailboxes).collect()
    }

    fn mtls_policy(&self) -> MtlsPolicy {
        if self.allow_role.is_empty() {
            return MtlsPolicy::default();
        }
        MtlsPolicy { allowed_roles: self.allow_role.clone(), ..MtlsPolicy::default() }
    }
}

/// A certificate of a file that could not be read: the rest is judged without it.
fn left_out(skipped: &Skipped) -> String {
    let list = match skipped.source {
        Source::Untrusted => "intermediates",
        Source::Anchor => "anchors",
    };
    let at = skipped.index + 1;
    format!("certificate {at} of the {list} was left out: {}", skipped.refusal)
}

fn report(verdict: &Verdict, notes: Vec<String>) -> Report {
    let json = to_json(verdict);
    let card = if verdict.valid { accepted(verdict) } else { refused(verdict) };
    let explained = verdict.explain.as_ref().map_or_else(Vec::new, explanation);
    let warnings = verdict.warnings.iter().map(|w| format!("{} ({})", w.message, w.rfc));
    Report::one(json, COLUMNS)
        .card(card)
        .lines(explained)
        .notes(notes.into_iter().chain(warnings))
        .refused(!verdict.valid)
}

fn accepted(verdict: &Verdict) -> Card {
    let path: Vec<_> = verdict.path.iter().map(|step| step.named.subject.as_str()).collect();
    let until = verdict.path.iter().map(|step| step.not_after.as_str()).min();
    Card::new(["valid"])
        .maybe("certificate", verdict.certificate.as_ref().map(named))
        .line("path", path.join(" <- "))
        .maybe("valid until", until)
        .line("revocation", in_words(verdict.revocation))
}

fn refused(verdict: &Verdict) -> Card {
    let message = verdict.message.clone().unwrap_or_default();
    let mut card = Card::new([format!("refused: {message}")]);
    if let Some(rfc) = verdict.rfc {
        card = card.line("rule", format!("{rfc} ({})", verdict.reason.unwrap_or_default()));
    }
    card.maybe("certificate", verdict.certificate.as_ref().map(named))
        .line("revocation", in_words(verdict.revocation))
        .maybe("to mend", verdict.remedy)
}

fn named(certificate: &Named) -> String {
    let Named { subject, issuer, serial } = certificate;
    format!("{subject}, serial {serial}, by {issuer}")
}

fn in_words(revocation: &str) -> &str {
    match revocation {
        "not_checked" => "not checked: no CRL and no OCSP response was given",
        "good_in_grace" => "good, by a CRL that is past its nextUpdate",
        "not_reached" => "not reached",
        other => other,
    }
}

fn explanation(explain: &Explain) -> Vec<Vec<(String, Tone)>> {
    let line = |label: &str, text: String| {
        vec![(format!("  {label:13}"), Tone::Faint), (text, Tone::Plain)]
    };
    let tried = explain.tried.iter().map(|tried| {
        line("path tried", format!("{}: {}", tried.path.join(" <- "), tried.finding.message))
    });
    let more = (explain.tried_more > 0)
        .then(|| line("paths tried", format!("{} others, which say no more", explain.tried_more)));
    let skipped = explain.skipped.iter().map(|left_out| {
        let place = format!("{} {}", left_out.source, left_out.index + 1);
        line("left out", format!("{place}: {}", left_out.finding.message))
    });
    let work = &explain.work;
    let work = line(
        "work",
        format!(
            "{} signatures, {} partial paths, {} name comparisons, {} policy nodes",
            work.signatures, work.partial_paths, work.name_comparisons, work.policy_nodes
        ),
    );
    tried.chain(more).chain(skipped).chain([work]).collect()
}
