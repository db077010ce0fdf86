//! Whether the authority is the one that a job was begun with, and knows what the job has delivered.
//!
//! This is asked before the output is touched. What stands in an output is cut off behind the end that
//! the job file knows, so a job file that is older than its output, or a store that is older than both,
//! would cost private keys that stand nowhere else.

use rustmq_ca::CertificateManager;
use rustmq_ca::batch::Batch;
use rustmq_pki::key::Fingerprint;

use super::checking::IssuedRows;
use super::error::BatchError;
use super::job_file::JobFile;
use crate::error::CliError;

/// The CA that issues.
#[derive(Clone, Debug)]
pub(super) struct IssuingCa {
    /// Its id.
    pub(super) id: String,
    /// SHA-256 of its SubjectPublicKeyInfo, hexadecimal: a renewal keeps it, and no other authority has
    /// it.
    pub(super) key: String,
}

impl IssuingCa {
    /// Looks it up: id, common name or beginning of its fingerprint.
    pub(super) async fn find(manager: &CertificateManager, name: &str) -> Result<Self, CliError> {
        let id = manager.find_ca(name).await?.id;
        let chain = manager.ca_chain(&id).await?;
        let own = chain.first().ok_or(BatchError::Lost)?;
        Ok(Self { id, key: Fingerprint::of(own.view().spki.der).to_string() })
    }

    /// Refuses a job that another CA began, be it one of the same name.
    pub(super) fn has_begun(&self, left: &JobFile) -> Result<(), CliError> {
        let before = &left.asked;
        let differences = [
            ("CA", &before.ca_id, &self.id),
            ("SHA-256 of the CA's key", &before.ca_key, &self.key),
        ];
        match differences.into_iter().find(|(_, before, now)| before != now) {
            None => Ok(()),
            Some((what, before, now)) => {
                let (path, before, now) = (left.path().to_owned(), before.clone(), now.clone());
                Err(BatchError::OtherJob { path, what, before, now }.into())
            }
        }
    }
}

/// The rows that the output holds, as the store knows them.
///
/// # Errors
///
/// A slice that is delivered and that the store does not have; one that it has and the job file does
/// not know of.
pub(super) async fn delivered(batch: &Batch, left: &JobFile) -> Result<IssuedRows, CliError> {
    let mut known = IssuedRows::default();
    for slice in 0..left.delivered.slices {
        let rows = batch.issued_rows(slice).await?;
        let rows = rows.filter(|rows| rows.len() as u64 == left.cut().rows_in(slice));
        let Some(rows) = rows else {
            let (path, rows) = (left.path().to_owned(), left.delivered.rows);
            return Err(BatchError::UnknownToStore { path, rows }.into());
        };
        rows.into_iter().for_each(|row| known.insert(row));
    }
    // Slices are asked for in order, and each once its keys are in the job file.
    let next = left.delivered.slices + left.under_way.len() as u64;
    if next < left.cut().slices() && batch.issued_rows(next).await?.is_some() {
        return Err(BatchError::OldJobFile { path: left.path().to_owned() }.into());
    }
    Ok(known)
}
