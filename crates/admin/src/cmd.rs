//! The commands: one file a noun, one file a verb.

use rustmq_ca::Planned;
use rustmq_pki::name::{Principal, SubjectAltName};
use rustmq_pki::profile::{Note, Validity};

use crate::error::CliError;
use crate::output::{Card, Report};

pub(crate) mod audit;
pub(crate) mod backup;
pub(crate) mod ca;
pub(crate) mod certs;
pub(crate) mod completions;
pub(crate) mod destination;
pub(crate) mod input;
pub(crate) mod man;
pub(crate) mod migrate;
pub(crate) mod principal;
pub(crate) mod profile;
pub(crate) mod restore;
pub(crate) mod show;
pub(crate) mod subject;

/// `--validity-days` as the authority takes it.
pub(crate) fn validity(days: Option<i64>) -> Validity {
    days.map_or(Validity::Default, Validity::Days)
}

/// `--principal`.
pub(crate) fn parse_principal(text: &str) -> Result<Principal, CliError> {
    Principal::parse(text).map_err(|error| CliError::value("--principal", error))
}

/// Every `--san`.
pub(crate) fn parse_sans(texts: &[String]) -> Result<Vec<SubjectAltName>, CliError> {
    let parse = |text: &String| SubjectAltName::parse(text);
    let sans = texts.iter().map(parse).collect::<Result<_, _>>();
    sans.map_err(|error| CliError::value("--san", error))
}

/// What a dry run would have issued.
pub(crate) fn planned(planned: &Planned) -> Report {
    let not_after = planned.not_after.to_string();
    let record = serde_json::json!({
        "dry_run": true,
        "ca_id": planned.ca_id,
        "profile": planned.profile,
        "not_after": not_after,
    });
    let card = Card::new(["dry run: it would be issued; nothing was done"])
        .maybe("by", planned.ca_id.as_ref())
        .line("profile", &planned.profile)
        .line("not after", not_after);
    Report::one(record, &["dry_run", "ca_id", "profile", "not_after"]).card(card)
}

/// What the operator should know about an issuance: what the gate noted, and a CRL that was due and
/// could not be signed.
pub(crate) fn notes(notes: &[Note], crl_failure: Option<&rustmq_ca::Error>) -> Vec<String> {
    notes.iter().map(ToString::to_string).chain(crl_failure.map(unsigned)).collect()
}

/// That a CRL which was due could not be signed, beside what was asked for and done.
pub(crate) fn unsigned(failure: &rustmq_ca::Error) -> String {
    match failure {
        rustmq_ca::Error::CrlNotSigned { .. } => failure.to_string(),
        other => format!("a CRL that was due was not signed: {other}"),
    }
}
