//! What an earlier run was killed over: slices that the store has and the output has not.
//!
//! They are delivered before any row is judged again. Their certificates exist, and the only other copy
//! of their keys is the job file: that a CA was retired or a profile changed since is no reason to keep
//! them back. What was revoked or has ended since is delivered, too, and said: the output says what
//! was issued, and revocation lists what became of it.

use std::collections::HashMap;

use rustmq_ca::batch::{Batch, BatchIssued};
use rustmq_ca::{CertificateManager, Execution};
use rustmq_pki::key::PublicKey;
use tokio::task::spawn_blocking;

use super::checking::IssuedRows;
use super::delivery::{Common, Delivery, Output};
use super::error::BatchError;
use super::job::{self, Job};
use super::job_file::{Delivered, JobFile};
use super::keys::SliceKeys;
use super::row::KeySource;
use super::row_notes::RowNotes;
use super::{csr, issuer, run, same_store};
use crate::error::CliError;
use crate::session::Session;

/// What was found, and delivered.
#[derive(Debug, Default)]
pub(super) struct TakenUp {
    /// The rows that are issued.
    pub(super) issued: IssuedRows,
    /// Certificates that were delivered now.
    pub(super) delivered: u64,
    /// What became of these since.
    pub(super) notes: RowNotes,
    /// Whether every row is delivered.
    pub(super) is_all: bool,
}

/// Delivers the slices that are complete in the store, with the keys that the job file holds.
pub(super) async fn deliver(
    job: &Job,
    session: &Session,
    manager: &CertificateManager,
    left: &mut JobFile,
    ca_id: &str,
) -> Result<TakenUp, CliError> {
    let batch = job::stored(manager, left, ca_id).await?;
    let issued = same_store::delivered(&batch, left).await?;
    if let Output::Folders(..) = job.output {
        let (_, brought) = job.recognise(left, ca_id)?;
        job.output.inspect(left.delivered, left.rows_under_way())?;
        job.verify_folders(session, manager, (&batch, left, &brought)).await?;
    }
    let mut taken = TakenUp { issued, ..TakenUp::default() };
    if job.request.execution == Execution::DryRun {
        job.output.inspect(left.delivered, left.rows_under_way())?;
        return Ok(taken);
    }
    let waiting = complete(&batch, left).await?;
    let slices = left.delivered.slices + waiting.len() as u64;
    taken.is_all = slices == left.cut().slices();
    if waiting.is_empty() && !taken.is_all {
        return Ok(taken);
    }
    let requested = recognise(job, left, ca_id, &waiting)?;
    if !waiting.is_empty() {
        let crls = run::newest_crls(manager, ca_id).await?;
        let chain = batch.chain();
        let under_way = left.rows_under_way();
        let waiting = are_for(waiting, left, &requested).await?;
        let common = Common { ca_id, chain: &chain, crls: &crls, under_way };
        let delivery = job.output.open(Some(left.delivered), &common)?;
        deliver_all(left, delivery, waiting, &mut taken).await?;
    } else {
        // All was delivered before; it is done if it is still there.
        job.output.verify(left.delivered)?;
    }
    Ok(taken)
}

/// The slices behind the output's end that are complete and whose keys are here.
async fn complete(batch: &Batch, left: &JobFile) -> Result<Vec<Vec<BatchIssued>>, CliError> {
    let mut slices = Vec::new();
    for (slice, keys) in (left.delivered.slices..).zip(&left.under_way) {
        match batch.issued_slice(slice).await? {
            Some(issued) if keys.slice() == slice => slices.push(issued),
            _ => break,
        }
    }
    Ok(slices)
}

/// Refuses another job than the one that was begun; gives the keys that the waiting rows brought, each
/// as its SubjectPublicKeyInfo.
fn recognise(
    job: &Job,
    left: &JobFile,
    ca_id: &str,
    waiting: &[Vec<BatchIssued>],
) -> Result<HashMap<u64, Vec<u8>>, CliError> {
    let mut requested = HashMap::new();
    for (issued, keys) in waiting.iter().zip(&left.under_way) {
        let brought = issued.iter().enumerate().filter(|(nth, _)| keys.get(*nth).is_none());
        requested.extend(brought.map(|(_, issued)| (issued.row, Vec::new())));
    }
    let digest = job.read_all(|row| {
        if let (KeySource::Csr(csr), Some(key)) = (&row.key, requested.get_mut(&row.place.row)) {
            *key = csr::named_key(csr).map(|(_, key)| key).unwrap_or_default();
        }
    })?;
    job::same(left, &job.asked_again(left, ca_id, digest))?;
    Ok(requested)
}

async fn deliver_all(
    left: &mut JobFile,
    mut delivery: Delivery,
    waiting: Vec<(Vec<BatchIssued>, SliceKeys)>,
    taken: &mut TakenUp,
) -> Result<(), CliError> {
    let (mut waiting, rest) = (waiting.into_iter(), std::mem::take(&mut left.under_way));
    while let Some((issued, keys)) = waiting.next() {
        for issued in &issued {
            taken.issued.insert(issued.row);
            taken.notes.since(issued);
        }
        taken.delivered += issued.len() as u64;
        let delivered;
        (delivery, delivered) = write(delivery, issued, keys).await?;
        let keys = waiting.as_slice().iter().map(|(_, keys)| keys).chain(&rest);
        left.save(delivered, &keys.collect::<Vec<_>>(), false)?;
    }
    left.under_way = rest;
    Ok(())
}

/// The waiting slices with their keys from the job file. Refuses certificates for other keys than
/// those: another batch has had the same job's name. Nothing of the output was touched by then.
async fn are_for(
    waiting: Vec<Vec<BatchIssued>>,
    left: &mut JobFile,
    requested: &HashMap<u64, Vec<u8>>,
) -> Result<Vec<(Vec<BatchIssued>, SliceKeys)>, CliError> {
    let rest = left.under_way.split_off(waiting.len());
    let keys = std::mem::replace(&mut left.under_way, rest);
    let mut slices = Vec::with_capacity(keys.len());
    for (issued, keys) in waiting.into_iter().zip(keys) {
        let read = spawn_blocking(move || (keys.public_keys(), keys));
        let (public_keys, keys) = read.await.map_err(|_| BatchError::Lost)?;
        let public_keys = public_keys.map_err(rustmq_ca::Error::from)?;
        if !is_for(&issued, &public_keys, requested) {
            let job = left.asked.job.clone();
            let key = format!("{job}, slice {}", keys.slice());
            let error = Box::new(rustmq_ca::Error::IdempotencyMismatch { key });
            return Err(BatchError::IssuedBefore { job, error }.into());
        }
        slices.push((issued, keys));
    }
    Ok(slices)
}

fn is_for(
    issued: &[BatchIssued],
    public_keys: &[Option<PublicKey>],
    requested: &HashMap<u64, Vec<u8>>,
) -> bool {
    let is_for = |(issued, key): (&BatchIssued, &Option<PublicKey>)| {
        let key = key.as_ref().map(PublicKey::spki);
        let key = key.or_else(|| requested.get(&issued.row).map(Vec::as_slice));
        key == Some(issued.certificate.view().spki.der)
    };
    issued.len() == public_keys.len() && issued.iter().zip(public_keys).all(is_for)
}

async fn write(
    mut delivery: Delivery,
    issued: Vec<BatchIssued>,
    keys: SliceKeys,
) -> Result<(Delivery, Delivered), CliError> {
    let certified = issued.into_iter().map(issuer::certified).collect::<Option<Vec<_>>>();
    let certified = certified.ok_or(BatchError::Lost)?;
    let write = move || {
        let delivered = delivery.deliver(&certified, &keys);
        (delivery, delivered)
    };
    let (delivery, delivered) = spawn_blocking(write).await.map_err(|_| BatchError::Lost)?;
    Ok((delivery, delivered?))
}
