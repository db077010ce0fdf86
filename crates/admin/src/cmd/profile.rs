//! `rustmq-admin profile ...`: what a certificate of a kind may contain.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use rustmq_pki::key::KeyType;
use rustmq_pki::profile::{Profile as PkiProfile, ProfileKind};
use rustmq_pki::role::Role;
use serde_json::{Value, json};

use crate::cmd::input;
use crate::error::CliError;
use crate::output::{Card, Report, Table, Tone, count};
use crate::session::Session;

/// Profiles.
#[derive(Debug, Subcommand)]
pub(crate) enum Profile {
    /// List the built-in profiles and those in the data directory
    List(List),
    /// Print a profile as TOML, ready to be changed and kept under another name
    Show(Show),
    /// Check a profile file before it is put into the data directory
    Check(Check),
}

impl Profile {
    /// Carries the command out.
    pub(crate) fn run(&self, session: &Session) -> Result<Report, CliError> {
        match self {
            Self::List(command) => command.run(session),
            Self::Show(command) => command.run(session),
            Self::Check(command) => command.run(),
        }
    }
}

/// List the built-in profiles and those in the data directory.
#[derive(Debug, Args)]
pub(crate) struct List {}

/// Print a profile as TOML.
#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The profile's name
    #[arg(value_name = "PROFILE")]
    name: String,
}

/// Check a profile file before it is put into the data directory.
#[derive(Debug, Args)]
pub(crate) struct Check {
    /// The file; its name without `.toml` becomes the profile's
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

impl List {
    fn run(&self, session: &Session) -> Result<Report, CliError> {
        let (mut profiles, mut broken) = (Vec::new(), Vec::new());
        for profile in session.profiles()? {
            match profile {
                Ok(profile) => profiles.push(profile),
                Err(error) => broken.push(error.to_string()),
            }
        }
        let mut table = Table::new(&["profile", "for", "valid for", "keys", "source"], "");
        for profile in &profiles {
            let keys = profile.keys();
            let every = keys.len() == KeyType::ALL.len();
            table.push(vec![
                (profile.name().to_owned(), Tone::Strong),
                (purpose(profile).to_owned(), Tone::Plain),
                (count(profile.validity_days().into(), "day"), Tone::Plain),
                (if every { "all".to_owned() } else { key_names(profile).join(", ") }, Tone::Plain),
                (source(profile).to_owned(), Tone::Faint),
            ]);
        }
        let records = profiles.iter().map(record).collect();
        let bad = !broken.is_empty();
        Ok(Report::many("profiles", records, COLUMNS).table(table).notes(broken).refused(bad))
    }
}

impl Show {
    fn run(&self, session: &Session) -> Result<Report, CliError> {
        let profile = session.profile(&self.name)?;
        let toml = profile.to_toml();
        let lines = toml.lines().map(|line| vec![(line.to_owned(), Tone::Plain)]).collect();
        let report = Report::one(record(&profile), COLUMNS).with("toml", toml).lines(lines);
        Ok(match session.data_dir() {
            Ok(dir) => report.next(format!(
                "keep it as {}/NAME.toml, change it, use it with --profile NAME",
                dir.join("profiles").display()
            )),
            Err(_) => report,
        })
    }
}

impl Check {
    fn run(&self) -> Result<Report, CliError> {
        let text = input::text(&self.file)?;
        let name = self.file.file_stem().unwrap_or_default().to_string_lossy();
        let profile = PkiProfile::from_toml(&name, &text)
            .map_err(|error| CliError::Profile { path: self.file.display().to_string(), error })?;
        let card = Card::new([profile.name(), "is a good profile"])
            .line("for", purpose(&profile))
            .line("valid for", count(profile.validity_days().into(), "day"))
            .line("keys", key_names(&profile).join(", "))
            .line("version", profile.version().to_string());
        Ok(Report::one(record(&profile), COLUMNS).card(card))
    }
}

/// The CSV columns of a profile: keys of its JSON object.
const COLUMNS: &[&str] = &["name", "for", "validity_days", "keys", "source", "version"];

fn record(profile: &PkiProfile) -> Value {
    json!({
        "name": profile.name(),
        "for": purpose(profile),
        "role": profile.role().map(Role::as_str),
        "validity_days": profile.validity_days(),
        "keys": key_names(profile),
        "source": source(profile),
        "version": profile.version().to_string(),
    })
}

/// Whom its certificates are for.
fn purpose(profile: &PkiProfile) -> &'static str {
    match profile.kind() {
        ProfileKind::RootCa { .. } => "root CAs",
        ProfileKind::IntermediateCa { .. } => "intermediate CAs",
        ProfileKind::EndEntity(role) => role.as_str(),
        ProfileKind::OcspResponder => "OCSP responders",
    }
}

fn source(profile: &PkiProfile) -> &'static str {
    let same = |builtin: PkiProfile| builtin.version() == profile.version();
    if PkiProfile::builtin(profile.name()).is_some_and(same) { "built in" } else { "file" }
}

fn key_names(profile: &PkiProfile) -> Vec<&'static str> {
    profile.keys().iter().map(|key| key.as_str()).collect()
}
