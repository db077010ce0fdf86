//! The second pass of a job: its slices issued and delivered, one after the other.
//!
//! Three things go on at once: the next slice is read and its keys are made, the present one is
//! issued, and the one before is written. A slice's keys are durable in the job file before the
//! slice is asked for, and leave it only when its output is durable; what a run that was killed left
//! is therefore asked for again with the same keys, and the authority gives the same certificates.

use std::sync::Arc;

use rustmq_ca::batch::{Batch, BatchRequest};
use rustmq_ca::{CertificateManager, ErrorKind};
use tokio::task::{JoinHandle, spawn_blocking};

use super::checking::Checked;
use super::delivery::{Certified, Common, Delivery, Output};
use super::error::BatchError;
use super::input::Input;
use super::issuer;
use super::job::Job;
use super::job_file::{self, Asked, Delivered, JobFile};
use super::keys::SliceKeys;
use super::slices::{Cut, Prepared, SliceError, Slices};
use super::summary::Summary;
use crate::cmd::unsigned;
use crate::error::CliError;
use crate::output::rate::Rate;
use crate::session::Session;

/// A job that is carried out.
pub(super) struct Run<'a> {
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
    pub(super) async fn begin(
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
        let key_types = (job.key_types, batch.clone());
        let slices = Slices::new(job.rows()?, what, cut, key_types, job.defaults);
        let crls = newest_crls(manager, &asked.ca_id).await?;
        let began = left.is_none();
        let file = match left {
            Some(left) => left,
            None => JobFile::create(&job_file::place(job.output.path()), asked)?,
        };
        let delivered = file.delivered;
        let chain = batch.chain();
        let common = Common {
            ca_id: &file.asked.ca_id,
            chain: &chain,
            crls: &crls,
            under_way: file.rows_under_way(),
        };
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
            SliceError::Authority(error) => error.into(),
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
        let crl_failure = self.batch.finish().await?.crl_failure;
        self.file.save(self.delivered, &[], true)?;
        let counts = (self.cut.rows - self.replayed, self.replayed);
        let (asked, elapsed) = (self.file.asked.clone(), self.rate.elapsed());
        let told = (checked.errors, checked.notes);
        let note = crl_failure.as_ref().map(unsigned);
        Ok(Summary::done(asked, output, counts, elapsed, told).with_note(note))
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
            other => {
                let done = (self.delivered.rows, self.cut.rows);
                BatchError::about_the_rest(other, done, output.path())
            }
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
pub(super) async fn newest_crls(
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
