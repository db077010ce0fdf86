//! `certs batch-renew`.

use std::fs::{self, File};
use std::path::Path;

use clap::Args;
use rustmq_ca::batch::BatchRequest;
use rustmq_ca::{CertificateManager, CertificateStatus, ListFilter};
use rustmq_pki::key::KeyType;

use super::batch_issue::JobArgs;
use super::chosen::{FilterArgs, list_place};
use crate::batch::BatchError;
use crate::batch::checking::Unique;
use crate::batch::chosen_list::Claim;
use crate::batch::delivery::{Naming, Output};
use crate::batch::input::Input;
use crate::batch::issuer::Defaults;
use crate::batch::job::{Job, Writing};
use crate::batch::job_file::{self, JobFile};
use crate::batch::key_types::KeyTypes;
use crate::cli::DryRun;
use crate::cmd::validity;
use crate::error::CliError;
use crate::output::Report;
use crate::session::Session;
use crate::values;

/// Issue new certificates with new keys for many old ones, which stay valid; killed, the same command
/// goes on where it was.
#[derive(Debug, Args)]
pub(crate) struct BatchRenew {
    /// The CA whose certificates are renewed, and that issues: id, common name or beginning of its
    /// fingerprint
    #[arg(long, value_name = "CA")]
    ca_id: String,
    #[command(flatten)]
    filter: FilterArgs,
    /// Days from now to the end of validity [default: the profile's]
    #[arg(long, value_name = "DAYS", allow_negative_numbers = true)]
    validity_days: Option<i64>,
    /// Type of the new keys [default: each old key's]
    #[arg(long, value_name = "TYPE", value_parser = values::key_type())]
    key_type: Option<KeyType>,
    #[command(flatten)]
    job: JobArgs,
    #[command(flatten)]
    dry_run: DryRun,
}

impl BatchRenew {
    /// Renews them.
    pub(crate) async fn run(&self, session: &Session) -> Result<Report, CliError> {
        let output = self.job.output(session)?;
        let manager = session.writer()?;
        // The list is held until the job has ended.
        let (input, _held) = match &self.filter.input {
            Some(path) => (Input::open(path, &job_file::place(output.path()))?, None),
            None => self.chosen(&manager, &output).await?,
        };
        let job = Job {
            command: "batch-renew",
            input,
            writing: Writing::Certificates,
            output: output.naming(Naming::Numbered),
            name: self.job.job.clone(),
            request: BatchRequest {
                ca: self.ca_id.clone(),
                role: None,
                profile: None,
                job: String::new(),
                execution: self.dry_run.execution(),
            },
            defaults: Defaults { validity: validity(self.validity_days) },
            key_types: self.key_type.map_or(KeyTypes::AsBefore, KeyTypes::One),
            unique: Unique::PrincipalAndRole(None),
            wrong_rows: self.job.wrong_rows(),
            rows_per_slice: self.job.rows_per_slice,
            flags: self.flags(),
        };
        Ok(job.run(session, &manager).await?.report())
    }

    /// The certificates that the filter lets through: as they were when the job began.
    async fn chosen(
        &self,
        manager: &CertificateManager,
        output: &Output,
    ) -> Result<(Input, Option<File>), CliError> {
        let (job, list) = (job_file::place(output.path()), list_place(output.path()));
        let is_begun = fs::symlink_metadata(&job).is_ok();
        if !is_begun {
            output.check_free()?;
        }
        let claim = if is_begun { None } else { Claim::new(&list, &job)? };
        let Some(claim) = claim else {
            if fs::symlink_metadata(&list).is_err() {
                begun_otherwise(&job)?;
            }
            return Ok((Input::open(&list, &job)?, None));
        };
        let active = (!self.filter.has_status()).then_some(CertificateStatus::Active);
        let filter = self.filter.filter(Some(&self.ca_id));
        let filter = ListFilter { status: filter.status.or(active), ..filter };
        let numbers = manager.without_successor(filter).await?;
        if numbers.is_empty() {
            return Err(BatchError::NoneChosen.into());
        }
        let lines: String = numbers.iter().map(|number| format!("cert-{number}\n")).collect();
        if self.dry_run.dry_run {
            return Ok((Input::of_text(&lines, &job)?, None));
        }
        let held = claim.write(&lines)?;
        Ok((Input::open(&list, &job)?, Some(held)))
    }

    /// The flags that decide what is issued: the same command has the same.
    fn flags(&self) -> Vec<(String, String)> {
        let mut flags = self.filter.flags();
        let days = self.validity_days.map(|days| ("--validity-days".to_owned(), days.to_string()));
        flags.extend(days);
        let key_type =
            self.key_type.map(|key_type| ("--key-type".to_owned(), key_type.to_string()));
        flags.extend(key_type);
        flags
    }
}

/// Refuses a job that has no list of what a filter chose: it was begun by another command.
fn begun_otherwise(job: &Path) -> Result<(), CliError> {
    let Some(left) = JobFile::find(job)? else { return Ok(()) };
    let (what, before, now) = match left.asked.command.as_str() {
        "batch-renew" => ("choice", "a file", "a filter"),
        other => ("command", other, "batch-renew"),
    };
    let (path, before, now) = (job.to_owned(), before.to_owned(), now.to_owned());
    Err(BatchError::OtherJob { path, what, before, now }.into())
}
