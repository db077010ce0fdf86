//! `certs scan`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::Args;
use rustmq_pki::time::UnixTime;
use serde_json::json;

use crate::error::CliError;
use crate::output::{Report, Table, Tone, count};
use crate::scan::{self, Finding, Severity, Survey, Surveyed, Terms};
use crate::session::Session;

/// Read a deployment from elsewhere, and say what is wrong with its certificates and keys.
#[derive(Debug, Args)]
pub(crate) struct Scan {
    /// A directory, an archive (tar or tar.gz) or a file; nothing is unpacked or changed
    #[arg(value_name = "DIR|ARCHIVE")]
    path: PathBuf,
    /// Time at which the certificates have to be valid, RFC 3339 [default: now]
    #[arg(long, value_name = "TIME")]
    at: Option<UnixTime>,
    /// Days before its end from which a certificate is found to expire soon [default: 30, or a third of
    /// its lifetime if that is less]
    #[arg(long, value_name = "DAYS")]
    expiring_within: Option<u16>,
}

impl Scan {
    /// Scans. With a finding of severity error the exit code is that of a refusal.
    pub(crate) fn run(&self, session: &Session) -> Result<Report, CliError> {
        let at = self.at.unwrap_or_else(|| session.now());
        let terms = Terms { at, expiring_within: self.expiring_within.map(i64::from) };
        Ok(report(&scan::scan(&self.path, terms)?))
    }
}

fn tally(survey: &Survey, severity: Severity) -> usize {
    survey.findings.iter().filter(|finding| finding.fault.severity() == severity).count()
}

fn report(survey: &Survey) -> Report {
    let [errors, warnings, infos] =
        [Severity::Error, Severity::Warning, Severity::Info].map(|of| tally(survey, of));
    let records = survey.findings.iter().map(Finding::json).collect();
    let certificates: Vec<_> = survey.certificates.iter().map(Surveyed::json).collect();
    let counts = json!({
        "files": survey.files, "certificates": survey.certificates.len(), "keys": survey.keys,
        "errors": errors, "warnings": warnings, "infos": infos,
    });
    let empty = survey.certificates.is_empty() && survey.keys == 0;
    let note = empty.then(|| "no certificate and no private key was found there".to_owned());
    let report = Report::many("findings", records, Finding::COLUMNS)
        .with("counts", counts)
        .with("certificates", certificates)
        .lines(vec![summary(survey, [errors, warnings, infos])])
        .notes(note)
        .refused(errors > 0);
    if survey.findings.is_empty() {
        return report;
    }
    report.table(remedies(&survey.findings)).table(table(&survey.findings))
}

fn summary(survey: &Survey, [errors, warnings, infos]: [usize; 3]) -> Vec<(String, Tone)> {
    let count = |number: usize, noun| count(number as u64, noun);
    let held = format!(
        "{} in {}, {}: ",
        count(survey.certificates.len(), "certificate"),
        count(survey.files, "file"),
        count(survey.keys, "private key")
    );
    let (found, tone) = match (errors, warnings, infos) {
        (0, 0, 0) => ("nothing to find fault with".to_owned(), Tone::Good),
        (0, 0, infos) => (count(infos, "remark"), Tone::Plain),
        (0, warnings, _) => (count(warnings, "warning"), Tone::Warning),
        (errors, warnings, _) => {
            (format!("{}, {}", count(errors, "error"), count(warnings, "warning")), Tone::Bad)
        }
    };
    vec![(held, Tone::Plain), (found, tone)]
}

fn tone(finding: &Finding) -> Tone {
    match finding.fault.severity() {
        Severity::Error => Tone::Bad,
        Severity::Warning => Tone::Warning,
        Severity::Info => Tone::Faint,
    }
}

/// What to do, once for each kind of finding, the gravest first.
fn remedies(findings: &[Finding]) -> Table {
    let mut kinds: BTreeMap<(Severity, &str), (&Finding, u64)> = BTreeMap::new();
    for finding in findings {
        let key = (finding.fault.severity(), finding.fault.code());
        kinds.entry(key).or_insert((finding, 0)).1 += 1;
    }
    let mut table = Table::new(&["severity", "finding", "found", "what to do"], "");
    for ((severity, code), (finding, found)) in kinds {
        table.push(vec![
            (severity.as_str().to_owned(), tone(finding)),
            (code.to_owned(), Tone::Strong),
            (count(found, "time"), Tone::Plain),
            (finding.fault.remedy().to_owned(), Tone::Plain),
        ]);
    }
    table
}

fn table(findings: &[Finding]) -> Table {
    let mut table = Table::new(&["finding", "file", "certificate", "what is wrong"], "");
    for finding in findings {
        let certificate = finding.certificate.as_ref();
        let named = certificate.map(|c| format!("{}, serial {}", c.subject, c.serial));
        let more = match finding.also_in.len() {
            0 => String::new(),
            others => format!(" and {others} more"),
        };
        table.push(vec![
            (finding.fault.code().to_owned(), tone(finding)),
            (format!("{}{more}", finding.file), Tone::Plain),
            (named.unwrap_or_default(), Tone::Plain),
            (finding.fault.to_string(), Tone::Plain),
        ]);
    }
    table
}
