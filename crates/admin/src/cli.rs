//! The command line as one definition: parsing, help, man pages and completions come from here.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use rustmq_ca::{Execution, IdempotencyKey};

use crate::cmd;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::Report;
use crate::session::Session;

/// Runs a certificate authority for RustMQ: roots, intermediates, certificates, revocation, audit.
#[derive(Debug, Parser)]
#[command(
    name = "rustmq-admin",
    version,
    propagate_version = true,
    disable_help_subcommand = true,
    after_help = Exit::help(),
    max_term_width = 110
)]
pub(crate) struct Cli {
    /// The flags that stand anywhere on the line.
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    /// What to do.
    #[command(subcommand)]
    pub(crate) noun: Noun,
}

/// The flags that stand anywhere on the line.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct GlobalArgs {
    /// Directory of the authority's store [env: RUSTMQ_DATA_DIR] [default: the XDG data directory]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// File whose content is the passphrase of the CA keys; read when a CA key is needed
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) passphrase_file: Option<PathBuf>,
    /// Open file descriptor to read the passphrase of the CA keys from
    #[arg(long, global = true, value_name = "N", conflicts_with = "passphrase_file")]
    pub(crate) passphrase_fd: Option<u32>,
    /// How results are shown
    #[arg(long, global = true, value_name = "FORMAT", value_enum)]
    pub(crate) format: Option<Format>,
    /// When to colour: auto is on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_name = "WHEN", value_enum, default_value_t)]
    pub(crate) color: ColorWhen,
    /// Encoding of the certificate, CRL and key files that are written [default: pem]
    #[arg(long, global = true, value_name = "ENCODING", value_enum)]
    pub(crate) encoding: Option<Encoding>,
    /// Minutes by which what is signed becomes valid before now, for peers whose clocks are slow
    /// [default: 5]
    #[arg(long, global = true, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=1440))]
    pub(crate) backdate_minutes: Option<u16>,
}

/// How results are shown on standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// For people: fitted to the terminal
    #[default]
    Table,
    /// One JSON object with stable keys
    Json,
    /// One header line, one line a record (RFC 4180)
    Csv,
}

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum ColorWhen {
    /// On a terminal, unless NO_COLOR is set
    #[default]
    Auto,
    /// Always
    Always,
    /// Never
    Never,
}

/// Encoding of files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Encoding {
    /// Text (RFC 7468)
    #[default]
    Pem,
    /// Binary; one object a file
    Der,
}

/// What a command is about.
#[derive(Debug, Subcommand)]
pub(crate) enum Noun {
    /// Certificate authorities: make, show, publish, retire
    #[command(subcommand)]
    Ca(cmd::ca::Ca),
    /// Certificates of brokers, controllers, clients and administrators
    #[command(subcommand)]
    Certs(cmd::certs::Certs),
    /// Replace a deployment from elsewhere, step by step
    #[command(subcommand)]
    Migrate(cmd::migrate::Migrate),
    /// Principals: who a certificate makes its owner, here and for other brokers
    #[command(subcommand)]
    Principal(cmd::principal::Principal),
    /// Profiles: what a certificate of a kind may contain
    #[command(subcommand)]
    Profile(cmd::profile::Profile),
    /// The record of everything the authority did or refused
    #[command(subcommand)]
    Audit(cmd::audit::Audit),
    /// Write the whole authority to one signed file, while it is in use
    Backup(cmd::backup::Backup),
    /// Restore a backup into an empty or absent data directory
    Restore(cmd::restore::Restore),
    /// Print the completions of a shell
    Completions(cmd::completions::Completions),
    /// Write the manual pages
    Man(cmd::man::Man),
}

/// Names a CA, either way.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct CaName {
    /// The CA: id, common name or beginning of its fingerprint
    #[arg(value_name = "CA")]
    ca: Option<String>,
    /// The same as a flag
    #[arg(long, value_name = "CA")]
    ca_id: Option<String>,
}

impl CaName {
    /// The name as given.
    pub(crate) fn as_str(&self) -> &str {
        self.ca.as_deref().or(self.ca_id.as_deref()).unwrap_or_default()
    }
}

/// Names a certificate, either way.
#[derive(Clone, Debug, Args)]
#[group(required = true, multiple = false)]
pub(crate) struct CertificateName {
    /// The certificate: id or serial number
    #[arg(value_name = "CERTIFICATE")]
    certificate: Option<String>,
    /// The same as a flag
    #[arg(long, value_name = "CERTIFICATE")]
    cert_id: Option<String>,
}

impl CertificateName {
    /// The name as given; the colons in which other programs write serial numbers are taken out.
    pub(crate) fn plain(&self) -> String {
        plain_serial(self.certificate.as_deref().or(self.cert_id.as_deref()).unwrap_or_default())
    }
}

/// A serial number as it is shown here: lower case, without separators. Ids have neither colons nor
/// capitals.
pub(crate) fn plain_serial(text: &str) -> String {
    text.replace(':', "").to_ascii_lowercase()
}

/// Attributes of a subject beside its common name (RFC 5280 4.1.2.6).
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct OrganizationArgs {
    /// Organisation (O) of the subject
    #[arg(long, value_name = "NAME")]
    pub(crate) org: Option<String>,
    /// Organisational unit (OU) of the subject
    #[arg(long, value_name = "NAME")]
    pub(crate) org_unit: Option<String>,
    /// Country (C) of the subject, two letters of ISO 3166
    #[arg(long, value_name = "CC")]
    pub(crate) country: Option<String>,
    /// State or province (ST) of the subject
    #[arg(long, value_name = "NAME")]
    pub(crate) state: Option<String>,
    /// Locality (L) of the subject
    #[arg(long, value_name = "NAME")]
    pub(crate) locality: Option<String>,
}

/// The flag of every command that destroys.
#[derive(Clone, Copy, Debug, Args)]
pub(crate) struct DryRun {
    /// Say what would be done, and do nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

impl DryRun {
    /// As the authority takes it.
    pub(crate) fn execution(self) -> Execution {
        if self.dry_run { Execution::DryRun } else { Execution::Commit }
    }
}

impl Cli {
    /// A flag that is accepted has an effect: one that would have none is a usage error. The passphrase
    /// flags say where a passphrase is to be found should a CA key be needed, and the data directory
    /// where the store is should it be opened, so these stand on every line.
    pub(crate) fn refuse_flags_without_effect(&self) -> Result<(), CliError> {
        let (command, files, results) = self.noun.described();
        let refuse = |flag| Err(CliError::NoEffect { flag, command });
        if self.global.encoding.is_some() && !files {
            return refuse("--encoding");
        }
        if self.global.backdate_minutes.is_some() && !self.noun.signs() {
            return refuse("--backdate-minutes");
        }
        if self.global.format.is_some() && !results {
            return refuse("--format");
        }
        Ok(())
    }
}

impl Noun {
    /// The command's name, whether it writes certificate files in an encoding of the user's choice,
    /// and whether it shows results.
    fn described(&self) -> (&'static str, bool, bool) {
        match self {
            Self::Ca(command) => ("this ca command", command.takes_encoding(), true),
            Self::Certs(command) => ("this certs command", command.takes_encoding(), true),
            Self::Migrate(_) => ("migrate", false, true),
            Self::Principal(_) => ("principal", false, true),
            Self::Profile(_) => ("profile", false, true),
            Self::Audit(_) => ("audit", false, true),
            Self::Backup(_) => ("backup", false, true),
            Self::Restore(_) => ("restore", false, true),
            Self::Completions(_) => ("completions", false, false),
            Self::Man(_) => ("man", false, false),
        }
    }

    /// Whether it may sign certificates or CRLs.
    fn signs(&self) -> bool {
        match self {
            Self::Ca(command) => command.signs(),
            Self::Certs(command) => command.signs(),
            Self::Migrate(command) => command.signs(),
            _ => false,
        }
    }

    /// Carries the command out.
    pub(crate) async fn run(&self, session: &Session) -> Result<Report, CliError> {
        match self {
            Self::Ca(command) => command.run(session).await,
            Self::Certs(command) => command.run(session).await,
            Self::Migrate(command) => command.run(session).await,
            Self::Principal(command) => command.run(),
            Self::Profile(command) => command.run(session),
            Self::Audit(command) => command.run(session).await,
            Self::Backup(command) => command.run(session).await,
            Self::Restore(command) => command.run(session).await,
            Self::Completions(command) => command.run(session),
            Self::Man(command) => command.run(session),
        }
    }
}

/// What makes a command safe to repeat.
#[derive(Debug, Args)]
pub(crate) struct RepeatArgs {
    /// Repeating the command with the same key gives the same result, not another
    #[arg(long, value_name = "KEY")]
    pub(crate) idempotency_key: Option<String>,
    /// Job to which the idempotency key belongs
    #[arg(long, value_name = "NAME", requires = "idempotency_key")]
    job: Option<String>,
}

impl RepeatArgs {
    /// The idempotency key as the authority takes it.
    pub(crate) fn request(&self) -> Option<IdempotencyKey> {
        let key = self.idempotency_key.clone()?;
        Some(IdempotencyKey { key, job: self.job.clone().unwrap_or_default() })
    }

    /// What marks the pending key's file: key and job, so that two jobs do not meet.
    pub(crate) fn mark(&self) -> Option<String> {
        let key = self.idempotency_key.as_ref()?;
        Some(format!("{}\0{key}", self.job.as_deref().unwrap_or_default()))
    }
}
