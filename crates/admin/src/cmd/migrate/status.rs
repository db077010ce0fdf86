//! `migrate status`, and the report that `migrate apply` ends with.

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use crate::error::CliError;
use crate::migrate::{BUNDLE, EntryState, Output, Stage, Standing, State};
use crate::output::{Report, Table, Tone, count};
use crate::session::Session;

/// Show how far each principal has come, and where the data directory is at hand, what was revoked since.
#[derive(Debug, Args)]
pub(crate) struct Status {
    /// The output folder of migrate apply
    #[arg(long, short, value_name = "DIR")]
    output: PathBuf,
}

/// The CSV columns: keys of an entry's JSON object.
const COLUMNS: &[&str] =
    &["principal", "role", "step", "path", "fingerprint", "id", "serial", "not_after", "folder"];

impl Status {
    /// Shows it.
    pub(crate) async fn run(&self, session: &Session) -> Result<Report, CliError> {
        let output = Output::to_read(&self.output);
        let state = output.begun()?;
        let mut standing = Standing::ask(session, &output, &state).await;
        let note = standing.note.take();
        Ok(report(&output, &state, &standing).notes(note))
    }
}

/// How far a migration is.
pub(super) fn report(output: &Output, state: &State, standing: &Standing) -> Report {
    let records: Vec<_> = state
        .entries
        .iter()
        .map(|entry| {
            json!({
                "principal": entry.principal,
                "role": entry.role,
                "step": step(output, standing, entry),
                "path": entry.path,
                "fingerprint": entry.fingerprint,
                "id": entry.id,
                "serial": entry.serial,
                "not_after": entry.not_after,
                "folder": output.folder(&entry.folder),
            })
        })
        .collect();
    let authority = state.authority.as_ref();
    let bundle = output.path(BUNDLE);
    let bundle = bundle.exists().then(|| bundle.display().to_string());
    let lost = state.entries.iter().filter(|entry| entry.is_lost(output)).count();
    let is_ended =
        |entry: &&EntryState| !entry.is_lost(output) && standing.of(&entry.folder).is_some();
    let ended = state.entries.iter().filter(is_ended).count();
    let (summary, tone) = match lost + ended {
        0 => (in_words(state), tone(state.stage)),
        _ => (bad_in_words(lost, ended, state), Tone::Warning),
    };
    let summary = format!("{}: {summary}", state.stage.as_str());
    let report = Report::many("certificates", records, COLUMNS)
        .with("stage", state.stage.as_str())
        .with("begun", state.begun.as_str())
        .with("from", json!(state.from))
        .with("ca_id", authority.map(|authority| authority.ca.as_str()))
        .with("made_cas", json!(authority.map(|authority| &authority.made)))
        .with("trust_bundle", bundle.clone())
        .table(table(output, standing, state))
        .lines(vec![vec![(summary, tone)]]);
    match bundle {
        Some(bundle) => report
            .lines(vec![vec![("trust bundle  ".to_owned(), Tone::Faint), (bundle, Tone::Plain)]]),
        None => report,
    }
}

/// How far a certificate is: one whose files are gone is lost, and one that was revoked is revoked,
/// whatever was recorded.
fn step(output: &Output, standing: &Standing, entry: &EntryState) -> &'static str {
    if entry.is_lost(output) {
        return "lost";
    }
    standing.of(&entry.folder).map_or(entry.step.as_str(), |status| status.as_str())
}

fn bad_in_words(lost: usize, ended: usize, state: &State) -> String {
    let all = count(state.entries.len() as u64, "new certificate");
    let lost = (lost > 0).then(|| format!("{lost} of {all} lost from their folders"));
    let is = if ended == 1 { "is revoked or has ended" } else { "are revoked or have ended" };
    let ended = (ended > 0).then(|| format!("{ended} of {all} {is}"));
    let bad = lost.into_iter().chain(ended).collect::<Vec<_>>().join(", ");
    format!("{bad}; migrate apply says what to do about each")
}

fn in_words(state: &State) -> String {
    let all = count(state.entries.len() as u64, "new certificate");
    match state.stage {
        Stage::Applying => format!("{all} to come; run migrate apply again to go on"),
        Stage::Verified => format!("the validator accepted {all}; the old ones are in place"),
        Stage::Retiring => "the old certificates are being moved; run it again to go on".to_owned(),
        Stage::Retired => format!("{all}; the old ones are moved aside"),
        Stage::Undoing => "run migrate undo again to go on".to_owned(),
    }
}

fn tone(stage: Stage) -> Tone {
    match stage {
        Stage::Verified | Stage::Retired => Tone::Good,
        Stage::Applying | Stage::Retiring | Stage::Undoing => Tone::Warning,
    }
}

fn table(output: &Output, standing: &Standing, state: &State) -> Table {
    let header = ["principal", "role", "step", "old certificate", "new id", "ends", "folder"];
    let mut table = Table::new(&header, "no certificates to replace");
    for entry in &state.entries {
        let ends = entry.not_after.as_deref().unwrap_or_default();
        table.push(vec![
            (entry.principal.clone(), Tone::Strong),
            (entry.role.to_string(), Tone::Plain),
            (step(output, standing, entry).to_owned(), Tone::Plain),
            (entry.path.clone(), Tone::Plain),
            (entry.id.clone().unwrap_or_default(), Tone::Plain),
            (ends.split('T').next().unwrap_or_default().to_owned(), Tone::Plain),
            (entry.folder.clone(), Tone::Plain),
        ]);
    }
    table
}
