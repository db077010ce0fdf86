//! A job from its rows to its output: check all, then issue and deliver slice by slice.
//!
//! Three things go on at once: the next slice is read and its keys are made, the present one is
//! issued, and the one before is written. A slice's keys are durable in the job file before the
//! slice is asked for, and leave it only when its output is durable; what a run that was killed left
//! is therefore asked for again with the same keys, and the authority gives the same certificates.

use std::sync::Arc;

use rustmq_ca::batch::{Batch, BatchRequest};
use rustmq_ca::{CertificateManager, ErrorKind, Execution};
use rustmq_pki::key::software::SoftwareKey;
use rustmq_pki::key::{Fingerprint, KeyType, Signer};
use tokio::task::{JoinHandle, spawn_blocking};

use super::checking::{CheckError, Checked, Checker, Unique};
use super::delivery::{Certified, Common, Delivery, Output};
use super::error::BatchError;
use super::input::{Input, InputFormat};
use super::issuer::{self, Defaults};
use super::job_file::{self, Asked, Delivered, JobFile};
use super::keys::SliceKeys;
use super::rows::Rows;
use super::slices::{Cut, Prepared, SliceError, Slices};
use super::summary::Summary;
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
    /// The type of the keys that are made.
    pub(crate) key_type: KeyType,
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
        let left = JobFile::find(&job_file::place(self.output.path()))?;
        match left {
            Some(_) => {}
            None => self.output.check_free()?,
        }
        let ca = manager.find_ca(&self.request.ca).await?;
        if let Some(left) = left.as_ref().filter(|left| left.finished) {
            return self.finished(left, ca.id);
        }
        let checked = self.check(session, manager).await?;
        self.tell(session, &checked)?;
        let asked = self.asked(ca.id, &checked, left.as_ref());
        if self.request.execution == Execution::DryRun {
            return Ok(Summary::rehearsed(asked, self.output.path(), checked.errors));
        }
        let file = match left {
            None => None,
            Some(left) => {
                same(&left, &asked)?;
                Some(left)
            }
        };
        Run::begin(self, session, manager, (asked, checked), file).await
    }

    /// A finished job does nothing, as long as it is the one that is meant.
    fn finished(&self, left: &JobFile, ca_id: String) -> Result<Summary, CliError> {
        let mut rows = self.rows()?;
        while rows.next().map_err(|error| self.input.error(error))? != super::rows::Next::End {}
        let mut asked = left.asked.clone();
        asked.command = self.command.to_owned();
        asked.ca_id = ca_id;
        asked.input = hexadecimal(rows.digest());
        asked.flags.clone_from(&self.flags);
        asked.rows_per_slice = self.rows_per_slice;
        if let Some(name) = &self.name {
            asked.job.clone_from(name);
        }
        same(left, &asked)?;
        self.output.verify(left.delivered)?;
        Ok(Summary::finished(asked, self.output.path()))
    }

    fn rows(&self) -> Result<Rows, CliError> {
        match self.writing {
            Writing::Columns(format) => Rows::of(&self.input, format),
            Writing::Certificates => Rows::listed(&self.input),
        }
    }

    /// The first pass, on threads of its own: Ctrl-C is heard meanwhile.
    async fn check(
        &self,
        session: &Session,
        manager: &CertificateManager,
    ) -> Result<Checked, CliError> {
        // A job's name is made of what this pass finds; no slice is asked for in it.
        let job = "check".to_owned();
        let request = BatchRequest { execution: Execution::DryRun, job, ..self.request.clone() };
        let batch = Arc::new(manager.batch(request).await?);
        let (key_type, interrupt) = (self.key_type, session.interrupt.clone());
        let (defaults, unique, rows) = (self.defaults, self.unique, self.rows()?);
        let mut rate = Rate::new(session.output, session.stopwatch, "checking", (0, None));
        let check = move || {
            let sample = SoftwareKey::generate(key_type).map_err(rustmq_ca::Error::from)?;
            let checker = Checker::new(batch, sample.public_key().clone(), defaults, unique);
            checker.check(rows, |rows, _| {
                rate.set(rows);
                !interrupt.is_set()
            })
        };
        let checked = spawn_blocking(check).await.map_err(|_| BatchError::Lost)?;
        checked.map_err(|error| match error {
            CheckError::Input(error) => self.input.error(error),
            CheckError::Authority(error) => error.into(),
            CheckError::Stopped => CliError::Interrupted { state: "nothing was issued" },
        })
    }

    /// Says what the first pass found; ends the command if nothing may be issued.
    fn tell(&self, session: &Session, checked: &Checked) -> Result<(), CliError> {
        let Checked { rows, errors, .. } = checked;
        let wrong = errors.rows().len();
        errors.kept().iter().for_each(|e| session.output.finding(&e.to_string(), &e.to_json()));
        if errors.further() > 0 {
            session.output.line(&format!("and {} more", grouped(errors.further())));
        }
        let checked = format!("checked {}, {} wrong", count(*rows, "row"), grouped(wrong));
        session.output.line(&checked);
        match self.wrong_rows {
            _ if *rows == 0 => {
                Err(BatchError::NoRows { input: self.input.name().to_owned() }.into())
            }
            WrongRows::Skip if wrong < *rows => Ok(()),
            _ if wrong > 0 => Err(BatchError::WrongRows { wrong, rows: *rows }.into()),
            _ => Ok(()),
        }
    }

    fn asked(&self, ca_id: String, checked: &Checked, left: Option<&JobFile>) -> Asked {
        let input = hexadecimal(checked.digest);
        let job = self
            .name
            .clone()
            // A folder that was moved with its job file keeps its job.
            .or_else(|| left.map(|left| left.asked.job.clone()))
            .unwrap_or_else(|| default_name(&input, &ca_id, &self.output));
        let wrong = checked.errors.rows();
        Asked {
            command: self.command.to_owned(),
            job,
            input,
            ca_id,
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

fn hexadecimal(digest: [u8; 32]) -> String {
    Fingerprint(digest).to_string()
}

/// Refuses to go on with a job that was begun with something else.
fn same(left: &JobFile, now: &Asked) -> Result<(), CliError> {
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

/// The second pass.
struct Run<'a> {
    session: &'a Session,
    input: Input,
    batch: Batch,
    file: JobFile,
    /// Whether this run began the job.
    began: bool,
    cut: Cut,
    delivered: Delivered,
    /// Keys that an earlier run left in the job file.
    inherited: Vec<Arc<SliceKeys>>,
    /// Whether a slice was asked for, and whether the first one was refused.
    asked_for: bool,
    refused: bool,
    /// Certificates that earlier runs issued: in the output already, or given again by the store.
    replayed: u64,
    rate: Rate,
}

/// A slice that is written while the next one is issued.
type Delivering = JoinHandle<(Delivery, Result<Delivered, CliError>)>;
type Preparing = JoinHandle<(Slices, Result<Prepared, SliceError>)>;

impl<'a> Run<'a> {
    async fn begin(
        job: Job,
        session: &'a Session,
        manager: &CertificateManager,
        (asked, checked): (Asked, Checked),
        left: Option<JobFile>,
    ) -> Result<Summary, CliError> {
        let request = BatchRequest { job: asked.job.clone(), ..job.request.clone() };
        let batch = manager.batch(request).await?;
        let cut = Cut { rows: asked.rows, rows_per_slice: asked.rows_per_slice };
        let what = (checked.digest, checked.errors.rows().clone());
        let slices = Slices::new(job.rows()?, what, cut, (job.key_type, job.defaults));
        let crls = newest_crls(manager, &asked.ca_id).await?;
        let began = left.is_none();
        let file = match left {
            Some(left) => left,
            None => JobFile::create(&job_file::place(job.output.path()), asked)?,
        };
        let delivered = file.delivered;
        let chain = batch.chain();
        let common = Common { ca_id: &file.asked.ca_id, chain: &chain, crls: &crls };
        let delivery = job.output.open((!began).then_some(delivered), &common);
        let delivery = match delivery {
            Ok(delivery) => delivery,
            Err(error) if began => {
                file.remove();
                return Err(error);
            }
            Err(error) => return Err(error),
        };
        let progress = (delivered.rows, Some(cut.rows));
        let rate = Rate::new(session.output, session.stopwatch, "issuing", progress);
        let input = job.input;
        let mut run = Self {
            session,
            input,
            batch,
            file,
            began,
            cut,
            delivered,
            inherited: Vec::new(),
            asked_for: false,
            refused: false,
            replayed: delivered.rows,
            rate,
        };
        match run.issue(slices, delivery).await {
            Ok(()) => run.finish(job.output.path(), checked).await,
            Err(error) => Err(run.give_up(error, &job.output)),
        }
    }

    /// Issues and delivers all slices that are left.
    async fn issue(&mut self, slices: Slices, delivery: Delivery) -> Result<(), CliError> {
        self.inherited =
            std::mem::take(&mut self.file.under_way).into_iter().map(Arc::new).collect();
        let first = self.delivered.slices;
        let mut preparing = Some(prepare(slices, 0..first, first, self.left(first)));
        let mut delivering: Option<Delivering> = Some(idle(delivery, self.delivered));
        let mut before: Option<Arc<SliceKeys>> = None;
        for slice in first..self.cut.slices() {
            let Some(prepared) = preparing.take() else { break };
            let (slices, prepared) = prepared.await.map_err(|_| BatchError::Lost)?;
            let prepared = match prepared {
                Ok(prepared) => prepared,
                Err(error) => {
                    // The slice before is issued: its lines come first.
                    self.delivered_by(&mut delivering).await?;
                    return Err(self.slice_error(error));
                }
            };
            if slice + 1 < self.cut.slices() {
                let left = self.left(slice + 1);
                preparing = Some(prepare(slices, 0..0, slice + 1, left));
            }
            let mut keys: Vec<&SliceKeys> =
                before.as_deref().into_iter().chain([&*prepared.keys]).collect();
            let left = self.still_left(slice + 1);
            keys.extend(left.iter().map(|keys| &**keys));
            self.file.save(self.delivered, &keys, false)?;
            self.asked_for = true;
            let certified = self.certify(slice, prepared.rows).await;
            let delivery = self.delivered_by(&mut delivering).await?;
            let certified = certified?;
            let keys = Arc::clone(&prepared.keys);
            delivering = Some(deliver(delivery, certified, keys));
            before = Some(prepared.keys);
            if self.session.interrupt.is_set() {
                break;
            }
        }
        self.delivered_by(&mut delivering).await.map(drop)
    }

    /// The keys that an earlier run made for a slice.
    fn left(&self, slice: u64) -> Option<Arc<SliceKeys>> {
        self.inherited.iter().find(|keys| keys.slice() == slice).map(Arc::clone)
    }

    /// The keys that an earlier run made for slices from `first` on: they may be certified already, so
    /// that no save may lose them.
    fn still_left(&self, first: u64) -> Vec<Arc<SliceKeys>> {
        self.inherited.iter().filter(|keys| keys.slice() >= first).map(Arc::clone).collect()
    }

    async fn certify(
        &mut self,
        slice: u64,
        rows: Vec<rustmq_ca::batch::BatchRow>,
    ) -> Result<Vec<Certified>, CliError> {
        let issued = match self.batch.issue_slice(slice, rows).await {
            Ok(issued) => issued,
            Err(error) => {
                self.refused = slice == 0;
                return Err(error.into());
            }
        };
        self.replayed += issued.iter().filter(|issued| issued.replayed).count() as u64;
        let certified = issued.into_iter().map(issuer::certified).collect::<Option<Vec<_>>>();
        Ok(certified.ok_or(BatchError::Lost)?)
    }

    /// Waits until the slice before is durable in the output.
    async fn delivered_by(
        &mut self,
        delivering: &mut Option<Delivering>,
    ) -> Result<Delivery, CliError> {
        let delivering = delivering.take().ok_or(BatchError::Lost)?;
        let (delivery, delivered) = delivering.await.map_err(|_| BatchError::Lost)?;
        self.delivered = delivered?;
        self.rate.set(self.delivered.rows);
        Ok(delivery)
    }

    fn slice_error(&self, error: SliceError) -> CliError {
        match error {
            SliceError::Input(error) => self.input.error(error),
            SliceError::Changed => {
                BatchError::InputChanged { input: self.input.name().to_owned() }.into()
            }
            SliceError::Key(error) => rustmq_ca::Error::from(error).into(),
        }
    }

    /// All is delivered, or the user asked to stop: no keys stay in the job file but those of slices
    /// that an earlier run may have issued.
    async fn finish(
        mut self,
        output: &std::path::Path,
        checked: Checked,
    ) -> Result<Summary, CliError> {
        let finished = self.delivered.slices == self.cut.slices();
        if !finished {
            let left = self.still_left(self.delivered.slices);
            let keys: Vec<&SliceKeys> = left.iter().map(|keys| &**keys).collect();
            self.file.save(self.delivered, &keys, false)?;
            let done = self.delivered.rows;
            return Err(BatchError::Stopped { done, rows: self.cut.rows }.into());
        }
        self.batch.finish().await?;
        self.file.save(self.delivered, &[], true)?;
        let counts = (self.cut.rows - self.replayed, self.replayed);
        let (asked, elapsed) = (self.file.asked.clone(), self.rate.elapsed());
        Ok(Summary::done(asked, output, counts, elapsed, checked.errors))
    }

    /// What this run began and could certainly not do leaves nothing behind.
    fn give_up(self, error: CliError, output: &Output) -> CliError {
        let certain = match &error {
            CliError::Authority(error) => {
                !matches!(error.kind(), ErrorKind::Store | ErrorKind::Conflict)
            }
            CliError::Batch(BatchError::InputChanged { .. }) => true,
            _ => false,
        };
        let job = self.file.asked.job.clone();
        let nothing_issued = self.delivered.slices == 0 && (!self.asked_for || self.refused);
        if self.began && certain && nothing_issued {
            output.remove_empty();
            self.file.remove();
        }
        match error {
            CliError::Authority(error @ rustmq_ca::Error::IdempotencyMismatch { .. }) => {
                BatchError::IssuedBefore { job, error: Box::new(error) }.into()
            }
            other => other,
        }
    }
}

fn prepare(
    mut slices: Slices,
    skipped: std::ops::Range<u64>,
    slice: u64,
    left: Option<Arc<SliceKeys>>,
) -> Preparing {
    spawn_blocking(move || {
        for slice in skipped {
            if let Err(error) = slices.skip(slice) {
                return (slices, Err(error));
            }
        }
        let prepared = slices.prepare(slice, left);
        (slices, prepared)
    })
}

fn deliver(mut delivery: Delivery, certified: Vec<Certified>, keys: Arc<SliceKeys>) -> Delivering {
    spawn_blocking(move || {
        let delivered = delivery.deliver(&certified, &keys);
        (delivery, delivered)
    })
}

/// Before the first slice there is nothing to wait for.
fn idle(delivery: Delivery, delivered: Delivered) -> Delivering {
    tokio::spawn(std::future::ready((delivery, Ok(delivered))))
}

/// The newest CRL of a CA and of those above it, where there is one.
async fn newest_crls(
    manager: &CertificateManager,
    ca_id: &str,
) -> Result<Vec<rustmq_pki::crl::CertificateRevocationList>, CliError> {
    use rustmq_ca::CrlRefresh::Stored;
    let (mut crls, mut link) = (Vec::new(), Some(ca_id.to_owned()));
    while let Some(ca) = link {
        match manager.generate_crl(&ca, Stored).await {
            Ok(publication) => crls.push(publication.crl),
            Err(rustmq_ca::Error::NoCrl { .. }) => {}
            Err(error) => return Err(error.into()),
        }
        link = manager.find_ca(&ca).await?.parent_id;
    }
    Ok(crls)
}
