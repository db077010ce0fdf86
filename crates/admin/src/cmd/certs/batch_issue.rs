//! `certs batch-issue`.

use std::path::PathBuf;

use clap::Args;
use rustmq_ca::batch::BatchRequest;
use rustmq_pki::key::KeyType;
use rustmq_pki::role::Role;

use crate::batch::checking::Unique;
use crate::batch::delivery::Output;
use crate::batch::input::{Input, InputFormat};
use crate::batch::issuer::Defaults;
use crate::batch::job::{Job, Writing, WrongRows};
use crate::batch::job_file;
use crate::batch::key_types::KeyTypes;
use crate::cli::DryRun;
use crate::cmd::validity;
use crate::error::CliError;
use crate::output::Report;
use crate::session::Session;
use crate::values;

/// Issue a certificate for each row of a file; killed, the same command goes on where it was.
#[derive(Debug, Args)]
pub(crate) struct BatchIssue {
    /// The rows: CSV with a header of principal, role, san, validity_days, csr, or JSON lines with
    /// these keys; - reads standard input
    #[arg(long, value_name = "FILE")]
    input: PathBuf,
    /// How the rows are written [default: by the name's end, else by the first character]
    #[arg(long, value_name = "FORMAT", value_enum)]
    input_format: Option<InputFormat>,
    /// The CA that issues: id, common name or beginning of its fingerprint
    #[arg(long, value_name = "CA")]
    ca_id: String,
    /// Role of the rows that name none
    #[arg(long, value_name = "ROLE", value_parser = values::role())]
    role: Option<Role>,
    /// Profile of the rows that name no role
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Days from now to the end of validity, for the rows that name none [default: the profile's]
    #[arg(long, value_name = "DAYS", allow_negative_numbers = true)]
    validity_days: Option<i64>,
    /// Type of the keys
    #[arg(long, value_name = "TYPE", value_parser = values::key_type(), default_value = "p256")]
    key_type: KeyType,
    #[command(flatten)]
    job: JobArgs,
    #[command(flatten)]
    dry_run: DryRun,
}

/// What batches that issue have in common.
#[derive(Debug, Args)]
pub(crate) struct JobArgs {
    /// Where certificates and keys go: a file of JSON lines (.ndjson), or a folder, with one in it
    /// for each principal
    #[arg(long, value_name = "PLACE")]
    output: PathBuf,
    /// Name of the job [default: made of the input, the CA and the output's place]
    #[arg(long, value_name = "NAME")]
    pub(crate) job: Option<String>,
    /// Say which rows are wrong, and issue the others
    #[arg(long)]
    pub(crate) skip_invalid: bool,
    /// Rows that are issued together
    #[arg(long, value_name = "N", default_value_t = 4096, value_parser = clap::value_parser!(u64).range(1..=65536))]
    pub(crate) rows_per_slice: u64,
}

impl JobArgs {
    /// The output. Refuses one in the data directory.
    pub(crate) fn output(&self, session: &Session) -> Result<Output, CliError> {
        let output = Output::new(&self.output)?;
        session.refuse_own(&self.output)?;
        Ok(output)
    }

    /// What happens when rows are wrong.
    pub(crate) fn wrong_rows(&self) -> WrongRows {
        if self.skip_invalid { WrongRows::Skip } else { WrongRows::Refuse }
    }
}

impl BatchIssue {
    /// Issues them.
    pub(crate) async fn run(&self, session: &Session) -> Result<Report, CliError> {
        let output = self.job.output(session)?;
        let input = Input::open(&self.input, &job_file::place(output.path()))?;
        let format = self.input_format.map_or_else(|| input.format(), Ok)?;
        let unique = match output {
            Output::Folders(..) => Unique::Principal,
            Output::Lines(_) => Unique::PrincipalAndRole(self.role),
        };
        let job = Job {
            command: "batch-issue",
            input,
            writing: Writing::Columns(format),
            output,
            name: self.job.job.clone(),
            request: BatchRequest {
                ca: self.ca_id.clone(),
                role: self.role,
                profile: self.profile.clone(),
                job: String::new(),
                execution: self.dry_run.execution(),
            },
            defaults: Defaults { validity: validity(self.validity_days) },
            key_types: KeyTypes::One(self.key_type),
            unique,
            wrong_rows: self.job.wrong_rows(),
            rows_per_slice: self.job.rows_per_slice,
            flags: self.flags(),
        };
        Ok(job.run(session, &session.writer()?).await?.report())
    }

    /// The flags that decide what is issued: the same command has the same.
    fn flags(&self) -> Vec<(String, String)> {
        let flags = [
            ("--role", self.role.map(|role| role.to_string())),
            ("--profile", self.profile.clone()),
            ("--validity-days", self.validity_days.map(|days| days.to_string())),
            ("--key-type", Some(self.key_type.to_string())),
        ];
        let given = flags.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        given.collect()
    }
}
