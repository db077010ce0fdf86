//! `rustmq-admin principal ...`: who a certificate makes its owner.

use std::io;
use std::path::PathBuf;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};
use rustmq_auth::principal::brokers::{self, BrokerView, Sees};
use rustmq_auth::principal::{
    MappingError, MappingExplanation, PrincipalMapping, PrincipalRule, RolePolicy,
};
use rustmq_pki::read::{CertificateRef, ReadError};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use crate::error::CliError;
use crate::inspect::{self, Item, Kind};
use crate::output::{Card, Report, Sheet, Tone};

/// Principals.
#[derive(Debug, Subcommand)]
pub(crate) enum Principal {
    /// Show what each rule makes of a certificate, and whom other brokers would see in it
    Explain(Explain),
}

impl Principal {
    /// Carries the command out.
    pub(crate) fn run(&self) -> Result<Report, CliError> {
        match self {
            Self::Explain(command) => command.run(),
        }
    }
}

/// Show what each rule makes of a certificate.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The certificate, PEM or DER; `-` for standard input
    #[arg(value_name = "CERT")]
    certificate: PathBuf,
    /// Only this rule; the exit code then says whether it yields a principal
    #[arg(long, value_name = "RULE", value_parser = rule())]
    rule: Option<PrincipalRule>,
    /// Take this domain off principals that lie in it; may be given again
    #[arg(long, value_name = "DOMAIN", value_parser = domain)]
    strip_domain: Vec<String>,
    /// Fold principals to lower case
    #[arg(long)]
    fold_case: bool,
    /// Refuse a certificate in which the rule yields more than one distinct value
    #[arg(long)]
    strict: bool,
}

fn rule() -> impl TypedValueParser<Value = PrincipalRule> {
    PossibleValuesParser::new(PrincipalRule::ALL.map(PrincipalRule::name))
        .try_map(|text| text.parse::<PrincipalRule>())
}

fn domain(text: &str) -> Result<String, MappingError> {
    // Any rule with names that have a domain will do: what a domain is, is the same to all.
    PrincipalMapping::new(PrincipalRule::SanDns).stripping_domain(text)?;
    Ok(text.to_owned())
}

/// The CSV columns: keys of a rule's or a broker's JSON object.
const COLUMNS: &[&str] = &["by", "setting", "principal", "values", "reason", "message"];

impl Explain {
    fn run(&self) -> Result<Report, CliError> {
        if self.rule == Some(PrincipalRule::DistinguishedName) && !self.strip_domain.is_empty() {
            return Err(CliError::Flags {
                what: "--strip-domain says nothing to --rule distinguished-name",
                instead: "a whole subject has no domain to take off: leave out one of the two",
            });
        }
        let der = self.der()?;
        let malformed = |error: ReadError| CliError::value("CERT", error);
        let view = CertificateRef::read(&der).map_err(malformed)?;
        let rules = self.rule.map_or_else(|| PrincipalRule::ALL.to_vec(), |rule| vec![rule]);
        let explained = rules
            .into_iter()
            .map(|rule| Ok((rule, self.mapping(rule)?.explain(&view))))
            .collect::<Result<Vec<_>, MappingError>>()
            .map_err(|error| CliError::value("--strip-domain", error))?;
        let seen = match self.rule {
            Some(_) => Vec::new(),
            None => brokers::views(&view).map_err(malformed)?,
        };
        let refused = self.rule.is_some() && explained.iter().any(|(_, e)| e.principal.is_err());
        let rule_records: Vec<_> = explained.iter().map(rule_record).collect();
        let broker_records: Vec<_> = seen.iter().map(broker_record).collect();
        let rows = rule_records.iter().chain(&broker_records).cloned().collect();
        let mut report = Report::many("rows", rows, COLUMNS)
            .replacing("rows", "rules", Value::Array(rule_records))
            .with("subject", view.subject.to_string())
            .with("role", role_record(&view))
            .refused(refused)
            .card(role_card(&view))
            .sheet(rule_sheet(&explained));
        if !seen.is_empty() {
            report = report.with("brokers", broker_records);
            report = seen.iter().map(broker_sheet).fold(report, Report::sheet);
        }
        Ok(report)
    }

    /// The first certificate of the file.
    fn der(&self) -> Result<Zeroizing<Vec<u8>>, CliError> {
        let items = inspect::split(&inspect::read(&self.certificate)?);
        let first = items.into_iter().find_map(|item| match item {
            Item::Object { kind: Kind::Certificate, der } => Some(der),
            _ => None,
        });
        first.ok_or_else(|| CliError::Input {
            path: self.certificate.display().to_string(),
            error: io::Error::new(io::ErrorKind::InvalidData, "it holds no certificate"),
        })
    }

    fn mapping(&self, rule: PrincipalRule) -> Result<PrincipalMapping, MappingError> {
        let mapping = PrincipalMapping::new(rule);
        let mapping = if self.fold_case { mapping.folding_case() } else { mapping };
        let mapping = if self.strict { mapping.strict() } else { mapping };
        // A whole subject has no domain: among all rules it stays as it is, named alone it is refused.
        if rule == PrincipalRule::DistinguishedName && self.rule.is_none() {
            return Ok(mapping);
        }
        self.strip_domain.iter().try_fold(mapping, |mapping, d| mapping.stripping_domain(d))
    }
}

fn rule_record((rule, explained): &(PrincipalRule, MappingExplanation)) -> Value {
    let error = explained.principal.as_ref().err();
    json!({
        "by": rule.name(),
        "principal": explained.principal.as_ref().ok().map(|principal| principal.as_str()),
        "values": explained.values,
        "reason": error.map(|error| error.code()),
        "message": error.map(ToString::to_string),
    })
}

fn broker_record(view: &BrokerView) -> Value {
    let (values, message) = match &view.sees {
        Sees::Users(users) => (users.clone(), None),
        Sees::Nobody(why) => (Vec::new(), Some(*why)),
    };
    json!({
        "by": view.broker.name(),
        "setting": view.setting,
        "principal": values.first(),
        "values": values,
        "message": message,
        "configure": view.configure,
    })
}

fn role_record(view: &CertificateRef<'_>) -> Value {
    match RolePolicy::default().explain(view) {
        Ok(role) => json!({ "role": role.map(|assigned| assigned.role.as_str()), "reason": null }),
        Err(error) => {
            json!({ "role": null, "reason": error.code(), "message": error.to_string() })
        }
    }
}

fn role_card(view: &CertificateRef<'_>) -> Card {
    let (role, tone) = match RolePolicy::default().explain(view) {
        Ok(Some(assigned)) => (assigned.role.to_string(), Tone::Good),
        Ok(None) => ("none: the certificate names no role".to_owned(), Tone::Faint),
        Err(error) => (error.to_string(), Tone::Bad),
    };
    let subject = view.subject.to_string();
    let subject = if subject.is_empty() { "(empty subject)".to_owned() } else { subject };
    Card::new([subject]).line("issuer", view.issuer.to_string()).toned("role", role, tone)
}

fn rule_sheet(explained: &[(PrincipalRule, MappingExplanation)]) -> Sheet {
    let mut sheet = Sheet::default();
    for (rule, explained) in explained {
        let others = explained.values.len().saturating_sub(1);
        match &explained.principal {
            Ok(principal) if others == 0 => {
                sheet.value(rule.name(), principal.to_string(), Tone::Good);
            }
            Ok(principal) => {
                sheet.value(rule.name(), principal.to_string(), Tone::Warning);
                sheet.prose("", format!("one of {}; --strict refuses it", others + 1), Tone::Faint);
            }
            Err(error) => sheet.prose(rule.name(), format!("none: {error}"), Tone::Faint),
        }
    }
    sheet
}

fn broker_sheet(view: &BrokerView) -> Sheet {
    let mut sheet = Sheet::titled(view.broker.name());
    let lines = |label, nth| if nth == 0 { label } else { "" };
    for (nth, setting) in view.setting.split(", ").enumerate() {
        sheet.value(lines("with", nth), setting, Tone::Plain);
    }
    match &view.sees {
        Sees::Users(users) => {
            for (nth, user) in users.iter().enumerate() {
                sheet.value(lines("sees", nth), user, Tone::Good);
            }
        }
        Sees::Nobody(why) => sheet.prose("sees", format!("nobody: {why}"), Tone::Faint),
    }
    sheet.prose("configure", view.configure, Tone::Faint);
    sheet
}
