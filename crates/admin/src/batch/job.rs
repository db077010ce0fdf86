//! A job from its rows to its output: find what an earlier run left, check all, then have it issued and
//! delivered.

use std::time::Duration;

use rustmq_ca::batch::{Batch, BatchRequest, BatchSummary};
use rustmq_ca::{CertificateManager, Execution};
use rustmq_pki::hex;
use rustmq_pki::key::Fingerprint;
use tokio::task::spawn_blocking;

use super::checking::{CheckError, Checked, Checker, IssuedRows, Unique};
use super::delivery::Output;
use super::error::BatchError;
use super::input::{Input, InputFormat};
use super::issuer::Defaults;
use super::job_file::{self, Asked, JobFile};
use super::key_types::KeyTypes;
use super::row::Row;
use super::row_errors::{RowErrors, RowSet};
use super::rows::{Next, Rows};
use super::run::Run;
use super::same_store::{self, IssuingCa};
use super::summary::Summary;
use super::taking_up::{self, TakenUp};
use super::verifying::{self, Expected};
use crate::cmd::unsigned;
use crate::error::CliError;
use crate::output::rate::Rate;
use crate::output::{count, grouped};
use crate::session::Session;

/// What a command asks for.
pub(crate) struct Job {
    /// `batch-issue` or `batch-renew`.
    pub(crate) command: &'static str,
    /// The rows.
    pub(crate) input: Input,
    /// How they are written.
    pub(crate) writing: Writing,
    /// Where certificates and keys go.
    pub(crate) output: Output,
    /// `--job`.
    pub(crate) name: Option<String>,
    /// What the authority is told about all rows; the job's name is added.
    pub(crate) request: BatchRequest,
    /// What rows have that say nothing of it.
    pub(crate) defaults: Defaults,
    /// The types of the keys that are made.
    pub(crate) key_types: KeyTypes,
    /// Which rows get in each other's way.
    pub(crate) unique: Unique,
    /// What happens when rows are wrong.
    pub(crate) wrong_rows: WrongRows,
    /// Rows in a slice.
    pub(crate) rows_per_slice: u64,
    /// The flags that decide what is issued, by name.
    pub(crate) flags: Vec<(String, String)>,
}

/// How rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writing {
    /// Columns.
    Columns(InputFormat),
    /// The id or serial number of a certificate.
    Certificates,
}

/// What happens when rows are wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WrongRows {
    /// Nothing is issued.
    Refuse,
    /// The others are issued.
    Skip,
}

impl Job {
    /// Carries it out, or goes on with it, or finds that it is done.
    pub(crate) async fn run(
        self,
        session: &Session,
        manager: &CertificateManager,
    ) -> Result<Summary, CliError> {
        if self.name.as_ref().is_some_and(|name| !(1..=255).contains(&name.chars().count())) {
            // The authority would say so after all rows were checked.
            return Err(rustmq_ca::Error::InvalidJob.into());
        }
        let left = JobFile::find(&job_file::place(self.output.path()))?;
        if left.is_none() {
            self.output.check_free()?;
        }
        let ca = IssuingCa::find(manager, &self.request.ca).await?;
        if let Some(left) = &left {
            ca.has_begun(left)?;
            self.still_skips(left)?;
        }
        match left {
            Some(left) if left.finished => self.finished(session, manager, &left, &ca.id).await,
            Some(left) => self.take_up(session, manager, left, ca).await,
            None => self.issue(session, manager, (ca, None), TakenUp::default()).await,
        }
    }

    /// Rows that were left out are left out by a flag, which the same command has.
    fn still_skips(&self, left: &JobFile) -> Result<(), CliError> {
        if left.asked.skipped == 0 || self.wrong_rows == WrongRows::Skip {
            return Ok(());
        }
        let (path, what) = (left.path().to_owned(), "--skip-invalid");
        let (before, now) = ("given".to_owned(), "not given".to_owned());
        Err(BatchError::OtherJob { path, what, before, now }.into())
    }

    /// Goes on with a job: what is issued is delivered first, and then the rest is checked by the rules
    /// of today.
    async fn take_up(
        self,
        session: &Session,
        manager: &CertificateManager,
        mut left: JobFile,
        ca: IssuingCa,
    ) -> Result<Summary, CliError> {
        let taken = taking_up::deliver(&self, session, manager, &mut left, &ca.id).await?;
        if taken.delivered > 0 {
            let delivered = count(taken.delivered, "certificate");
            session.output.line(&format!("delivered {delivered} that an earlier run had issued"));
        }
        taken.notes.lines().for_each(|line| session.output.note(&line));
        if taken.is_all {
            left.save(left.delivered, &[], true)?;
            let ended = self.end(manager, &left).await;
            let failure = ended.map_or_else(Some, |summary| summary.crl_failure);
            failure.iter().for_each(|failure| session.output.note(&unsigned(failure)));
            let (rows, asked) = (left.asked.rows, left.asked.clone());
            let wrong = taken.issued.others(rows + asked.skipped);
            let told = (RowErrors::known(wrong), taken.notes);
            let output = self.output.path();
            return Ok(Summary::done(asked, output, (0, rows), Duration::ZERO, told));
        }
        let (done, output) = ((left.delivered.rows, left.asked.rows), self.output.clone());
        let issued = self.issue(session, manager, (ca, Some(left)), taken).await;
        issued.map_err(|error| BatchError::about_the_rest(error, done, output.path()))
    }

    /// Ends a job all of whose rows are issued, as the run that issued the last of them would have.
    async fn end(
        &self,
        manager: &CertificateManager,
        left: &JobFile,
    ) -> Result<BatchSummary, rustmq_ca::Error> {
        let (ca, job) = (left.asked.ca_id.clone(), left.asked.job.clone());
        let (role, profile, execution) = (None, None, Execution::Commit);
        let request = BatchRequest { ca, role, profile, job, execution };
        manager.batch(request).await?.finish().await
    }

    /// Checks all rows that are not issued yet, then issues them.
    async fn issue(
        self,
        session: &Session,
        manager: &CertificateManager,
        (ca, left): (IssuingCa, Option<JobFile>),
        taken: TakenUp,
    ) -> Result<Summary, CliError> {
        let done = left.as_ref().map(|left| (left.delivered.rows, left.asked.rows));
        let mut checked = self.check(session, manager, (taken.issued, done)).await?;
        self.tell(session, &checked, left.as_ref().map_or(0, |left| left.delivered.rows))?;
        let mut notes = taken.notes;
        notes.extend(std::mem::take(&mut checked.notes));
        checked.notes = notes;
        let asked = self.asked(ca, &checked, left.as_ref());
        if let Some(left) = &left {
            same(left, &asked)?;
        }
        if self.request.execution == Execution::DryRun {
            return Ok(Summary::rehearsed(asked, self.output.path(), checked));
        }
        Run::begin(self, session, manager, (asked, checked), left).await
    }

    /// A finished job does nothing, as long as it is the one that is meant, and its output is there.
    async fn finished(
        &self,
        session: &Session,
        manager: &CertificateManager,
        left: &JobFile,
        ca_id: &str,
    ) -> Result<Summary, CliError> {
        let (asked, brought) = self.recognise(left, ca_id)?;
        let batch = stored(manager, left, ca_id).await?;
        let issued = same_store::delivered(&batch, left).await?;
        self.output.verify(left.delivered)?;
        self.verify_folders(session, manager, (&batch, left, &brought)).await?;
        let wrong = RowErrors::known(issued.others(asked.rows + asked.skipped));
        Ok(Summary::finished(asked, self.output.path(), wrong))
    }

    /// What this command asks for, and the rows that brought a request.
    ///
    /// # Errors
    ///
    /// A job that was begun with something else.
    pub(super) fn recognise(
        &self,
        left: &JobFile,
        ca_id: &str,
    ) -> Result<(Asked, RowSet), CliError> {
        let mut brought = RowSet::default();
        let digest = self.read_all(|row| {
            if !row.key.is_made() {
                brought.insert(row.place.row);
            }
        })?;
        let asked = self.asked_again(left, ca_id, digest);
        same(left, &asked)?;
        Ok((asked, brought))
    }

    /// Refuses folders that are not as the job left them. A file was looked at as a whole by then.
    pub(super) async fn verify_folders(
        &self,
        session: &Session,
        manager: &CertificateManager,
        (batch, left, brought): (&Batch, &JobFile, &RowSet),
    ) -> Result<(), CliError> {
        let Output::Folders(dir, naming) = &self.output else { return Ok(()) };
        let expected = Expected { left, batch, dir, naming: *naming, brought };
        verifying::verify(session, manager, expected).await
    }

    /// Reads the input to its end without judging it; gives its digest.
    pub(super) fn read_all(&self, mut each: impl FnMut(&Row)) -> Result<[u8; 32], CliError> {
        let mut rows = self.rows()?;
        loop {
            match rows.next().map_err(|error| self.input.error(error))? {
                Next::Row(row) => each(&row),
                Next::Wrong(_) => {}
                Next::End => return Ok(rows.digest()),
            }
        }
    }

    /// What this command asks for, as far as it is known without judging rows: the rest is as before.
    pub(super) fn asked_again(&self, left: &JobFile, ca_id: &str, digest: [u8; 32]) -> Asked {
        let mut asked = left.asked.clone();
        asked.command = self.command.to_owned();
        asked.ca_id = ca_id.to_owned();
        asked.input = hex::encode(&digest);
        asked.flags.clone_from(&self.flags);
        asked.rows_per_slice = self.rows_per_slice;
        if let Some(name) = &self.name {
            asked.job.clone_from(name);
        }
        asked
    }

    pub(super) fn rows(&self) -> Result<Rows, CliError> {
        match self.writing {
            Writing::Columns(format) => Rows::of(&self.input, format),
            Writing::Certificates => Rows::listed(&self.input),
        }
    }

    /// The first pass, on threads of its own: Ctrl-C is heard meanwhile. `done`: how many certificates of
    /// how many an earlier run delivered.
    async fn check(
        &self,
        session: &Session,
        manager: &CertificateManager,
        (issued, done): (IssuedRows, Option<(u64, u64)>),
    ) -> Result<Checked, CliError> {
        // A job's name is made of what this pass finds; no slice is asked for in it.
        let job = "check".to_owned();
        let request = BatchRequest { execution: Execution::DryRun, job, ..self.request.clone() };
        let batch = manager.batch(request).await?;
        let (key_types, interrupt) = (self.key_types, session.interrupt.clone());
        let (defaults, unique, rows) = (self.defaults, self.unique, self.rows()?);
        let mut rate = Rate::new(session.output, session.stopwatch, "checking", (0, None));
        let check = move || {
            let checker = Checker::new(batch, key_types, defaults, unique, issued);
            checker.check(rows, |rows, _| {
                rate.set(rows);
                !interrupt.is_set()
            })
        };
        let checked = spawn_blocking(check).await.map_err(|_| BatchError::Lost)?;
        checked.map_err(|error| match error {
            CheckError::Input(error) => self.input.error(error),
            CheckError::Authority(error) => error.into(),
            CheckError::Stopped => match done {
                Some((done, rows)) => BatchError::Stopped { done, rows }.into(),
                None => CliError::Interrupted { state: "nothing was issued" },
            },
        })
    }

    /// Says what the first pass found; ends the command if nothing may be issued.
    fn tell(&self, session: &Session, checked: &Checked, issued: u64) -> Result<(), CliError> {
        let Checked { rows, errors, notes, .. } = checked;
        let wrong = errors.rows().len();
        errors.tell(session.output);
        let checked = format!("checked {}, {} wrong", count(*rows, "row"), grouped(wrong));
        session.output.line(&checked);
        if *rows == 0 {
            return Err(BatchError::NoRows { input: self.input.name().to_owned() }.into());
        }
        let is_enough = match self.wrong_rows {
            WrongRows::Skip => wrong < *rows,
            WrongRows::Refuse => wrong == 0,
        };
        if !is_enough {
            let skips = self.wrong_rows == WrongRows::Skip;
            return Err(BatchError::WrongRows { wrong, rows: *rows, issued, skips }.into());
        }
        notes.lines().for_each(|line| session.output.note(&line));
        Ok(())
    }

    fn asked(&self, ca: IssuingCa, checked: &Checked, left: Option<&JobFile>) -> Asked {
        let input = hex::encode(&checked.digest);
        let job = self
            .name
            .clone()
            // A folder that was moved with its job file keeps its job.
            .or_else(|| left.map(|left| left.asked.job.clone()))
            .unwrap_or_else(|| default_name(&input, &ca.id, &self.output));
        let wrong = checked.errors.rows();
        Asked {
            command: self.command.to_owned(),
            job,
            input,
            ca_id: ca.id,
            ca_key: ca.key,
            flags: self.flags.clone(),
            rows_per_slice: self.rows_per_slice,
            rows: checked.rows - wrong.len(),
            skipped: wrong.len(),
            skipped_crc32: wrong.crc32(),
        }
    }
}

/// What a job is called that nobody gave a name.
fn default_name(input: &str, ca_id: &str, output: &Output) -> String {
    let place = std::path::absolute(output.path()).unwrap_or_else(|_| output.path().to_owned());
    let text = format!("{input}\n{ca_id}\n{}", place.display());
    format!("{:.32}", Fingerprint::of(text.as_bytes()).to_string())
}

/// A job's slices as they are stored: nothing is asked of the rules, which may be others by now.
pub(super) async fn stored(
    manager: &CertificateManager,
    left: &JobFile,
    ca_id: &str,
) -> Result<Batch, CliError> {
    let (ca, job) = (ca_id.to_owned(), left.asked.job.clone());
    let (role, profile, execution) = (None, None, Execution::DryRun);
    Ok(manager.batch(BatchRequest { ca, role, profile, job, execution }).await?)
}

/// Refuses to go on with a job that was begun with something else.
pub(super) fn same(left: &JobFile, now: &Asked) -> Result<(), CliError> {
    let before = &left.asked;
    let flags = |asked: &Asked| {
        let flags = asked.flags.iter().map(|(name, value)| format!("{name} {value}"));
        format!("\"{}\"", flags.collect::<Vec<_>>().join(" "))
    };
    let skipped = |asked: &Asked| format!("{} of {} rows", asked.skipped, asked.rows);
    let differences = [
        ("command", before.command.clone(), now.command.clone()),
        ("--job", before.job.clone(), now.job.clone()),
        ("CA", before.ca_id.clone(), now.ca_id.clone()),
        ("input's SHA-256", before.input.clone(), now.input.clone()),
        ("flags", flags(before), flags(now)),
        ("--rows-per-slice", before.rows_per_slice.to_string(), now.rows_per_slice.to_string()),
        ("wrong rows", skipped(before), skipped(now)),
        ("set of wrong rows", before.skipped_crc32.to_string(), now.skipped_crc32.to_string()),
    ];
    match differences.into_iter().find(|(_, before, now)| before != now) {
        None => Ok(()),
        Some((what, before, now)) => {
            let path = left.path().to_owned();
            Err(BatchError::OtherJob { path, what, before, now }.into())
        }
    }
}
