//! `validate certs validate --cert-file LEAF --ca-file ROOTS ...`: the engine on a command line of its
//! own, for the conformance suites.

use std::fs;
use std::io::Write;
use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use rustmq_auth::revocation::{Crl, OcspResponse, StatusPolicy};
use rustmq_auth::{
    MtlsPolicy, PolicyInputs, Purpose, Question, ReferenceName, Report, RuleSet, Terms,
};
use rustmq_pki::oid::parse_dotted;
use rustmq_pki::time::UnixTime;

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    noun: Noun,
}

#[derive(Subcommand)]
enum Noun {
    #[command(subcommand)]
    Certs(Verb),
}

#[derive(Subcommand)]
enum Verb {
    Validate(Box<Validate>),
}

#[derive(Clone, Copy, ValueEnum)]
enum PurposeFlag {
    Server,
    Client,
    Any,
}

#[derive(Clone, Copy, ValueEnum)]
enum RulesFlag {
    Pkix,
    Rfc5280,
    Webpki,
}

#[derive(Parser)]
struct Validate {
    #[arg(long)]
    cert_file: String,
    #[arg(long)]
    ca_file: String,
    #[arg(long)]
    untrusted_file: Option<String>,
    #[arg(long)]
    crl_file: Option<String>,
    #[arg(long)]
    ocsp_file: Option<String>,
    #[arg(long)]
    at: Option<UnixTime>,
    #[arg(long, value_enum, default_value = "any")]
    purpose: PurposeFlag,
    #[arg(long)]
    hostname: Vec<String>,
    #[arg(long)]
    ip: Vec<String>,
    #[arg(long)]
    email: Vec<String>,
    #[arg(long)]
    max_depth: Option<usize>,
    #[arg(long)]
    policy: Vec<String>,
    #[arg(long)]
    require_explicit_policy: bool,
    #[arg(long)]
    inhibit_policy_mapping: bool,
    #[arg(long)]
    inhibit_any_policy: bool,
    #[arg(long, value_enum, default_value = "pkix")]
    rules: RulesFlag,
    #[arg(long)]
    mtls: bool,
    #[arg(long)]
    explain: bool,
    #[arg(long)]
    format: Option<String>,
}

/// The DER of every PEM block, or the whole file.
fn read(path: &str) -> Result<Vec<Vec<u8>>, String> {
    let bytes = fs::read(path).map_err(|error| format!("{path}: {error}"))?;
    if !bytes.windows(11).any(|window| window == b"-----BEGIN ") {
        return Ok(vec![bytes]);
    }
    let text = String::from_utf8_lossy(&bytes);
    let mut blocks = Vec::new();
    let mut block = String::new();
    for line in text.lines() {
        if line.starts_with("-----BEGIN ") {
            block.clear();
        }
        block.push_str(line.trim_end());
        block.push('\n');
        if line.starts_with("-----END ") {
            let (_, der) =
                pem_rfc7468::decode_vec(block.as_bytes()).map_err(|e| format!("{path}: {e}"))?;
            blocks.push(der);
        }
    }
    Ok(blocks)
}

fn optional(path: Option<&str>) -> Result<Vec<Vec<u8>>, String> {
    path.map_or(Ok(Vec::new()), read)
}

fn terms(arguments: &Validate) -> Result<Terms, String> {
    let acceptable = arguments
        .policy
        .iter()
        .map(|policy| parse_dotted(policy).ok_or_else(|| format!("{policy} is no OID")))
        .collect::<Result<_, _>>()?;
    Ok(Terms {
        at: arguments.at.unwrap_or_else(now),
        rules: match arguments.rules {
            RulesFlag::Pkix => RuleSet::Pkix,
            RulesFlag::Rfc5280 => RuleSet::Rfc5280,
            RulesFlag::Webpki => RuleSet::WebPki,
        },
        purpose: match arguments.purpose {
            PurposeFlag::Server => Purpose::Server,
            PurposeFlag::Client => Purpose::Client,
            PurposeFlag::Any => Purpose::Any,
        },
        max_depth: arguments.max_depth,
        policy: PolicyInputs {
            acceptable,
            require_explicit: arguments.require_explicit_policy,
            inhibit_mapping: arguments.inhibit_policy_mapping,
            inhibit_any: arguments.inhibit_any_policy,
        },
    })
}

#[expect(clippy::disallowed_methods, reason = "the command line is where the clock is read")]
fn now() -> UnixTime {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let seconds = since.map_or(0, |since| i64::try_from(since.as_secs()).unwrap_or(0));
    UnixTime::from_seconds(seconds)
}

fn names(arguments: &Validate) -> Vec<ReferenceName> {
    let hosts = arguments.hostname.iter().cloned().map(ReferenceName::Dns);
    let addresses = arguments.ip.iter().cloned().map(ReferenceName::Ip);
    let mailboxes = arguments.email.iter().cloned().map(ReferenceName::Email);
    hosts.chain(addresses).chain(mailboxes).collect()
}

fn validate(arguments: &Validate) -> Result<Report, String> {
    let leaf = read(&arguments.cert_file)?;
    let roots = read(&arguments.ca_file)?;
    let untrusted = optional(arguments.untrusted_file.as_deref())?;
    let crls: Vec<Crl> = optional(arguments.crl_file.as_deref())?
        .iter()
        .filter_map(|der| Crl::from_der(der).ok())
        .collect();
    let ocsp: Vec<OcspResponse> = optional(arguments.ocsp_file.as_deref())?
        .iter()
        .filter_map(|der| OcspResponse::from_der(der).ok())
        .collect();
    let anchors: Vec<&[u8]> = roots.iter().map(Vec::as_slice).collect();
    let untrusted: Vec<&[u8]> = untrusted.iter().map(Vec::as_slice).collect();
    let names = names(arguments);
    let mtls = arguments.mtls.then(MtlsPolicy::default);
    let status = match (&arguments.crl_file, &arguments.ocsp_file) {
        (None, None) => StatusPolicy::NotChecked,
        _ => StatusPolicy::Required,
    };
    let question = Question {
        untrusted: &untrusted,
        crls: &crls,
        ocsp: &ocsp,
        status,
        terms: terms(arguments)?,
        names: &names,
        mtls: mtls.as_ref(),
        ..Question::new(leaf.first().ok_or("no certificate")?, &anchors)
    };
    Ok(Report::new(&question.ask(), arguments.explain, status))
}

fn main() -> ExitCode {
    let Noun::Certs(Verb::Validate(arguments)) = Cli::parse().noun;
    match validate(&arguments) {
        Ok(report) => {
            let text = serde_json::to_string(&report).expect("a report is JSON");
            writeln!(std::io::stdout(), "{text}").expect("standard output is open");
            if report.valid { ExitCode::SUCCESS } else { ExitCode::from(1) }
        }
        Err(message) => {
            writeln!(std::io::stderr(), "{message}").expect("standard error is open");
            ExitCode::from(2)
        }
    }
}
