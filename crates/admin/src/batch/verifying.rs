//! Whether the folders of a batch are there, as it left them: each certificate with the CAs that issued
//! it, and each key that was made for one.
//!
//! A finished batch is asked so before it is called that, and one that is taken up before it goes on.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustmq_ca::CertificateManager;
use rustmq_ca::batch::Batch;
use rustmq_pki::key::Signer;
use serde_json::json;
use tokio::task::spawn_blocking;

use super::delivery::{Certified, Naming};
use super::error::BatchError;
use super::folders::{KEY, LEAF, folder_name, places};
use super::issuer;
use super::issuing_cas::IssuingCas;
use super::job_file::JobFile;
use super::keys::on_all_cores;
use super::row_errors::RowSet;
use crate::error::CliError;
use crate::files::FileError;
use crate::files::key_file::{self, KeyFileError};
use crate::output::rate::Rate;
use crate::session::Session;

/// How many files are named. Whoever sees twenty knows what was removed.
const NAMED: u64 = 20;

/// What is wrong with the files of a folder that hold CAs.
const OTHER_ISSUERS: &str = "does not have the authority's issuing CAs behind its certificate";
const OTHER_CAS: &str = "does not hold the authority's CA certificates";

/// A file that is not as it was left.
#[derive(Debug, PartialEq, Eq)]
struct Difference {
    file: PathBuf,
    what: &'static str,
}

impl Difference {
    /// Whether it is about CA certificates, of which the authority may have had others before.
    fn is_of_cas(&self) -> bool {
        [OTHER_ISSUERS, OTHER_CAS].contains(&self.what)
    }
}

/// What folders are compared by.
#[derive(Clone, Copy)]
pub(super) struct Expected<'a> {
    /// The job.
    pub(super) left: &'a JobFile,
    /// Its slices.
    pub(super) batch: &'a Batch,
    /// Where the folders lie, and what they are called.
    pub(super) dir: &'a Path,
    pub(super) naming: Naming,
    /// Rows that brought a request: no key was made for them.
    pub(super) brought: &'a RowSet,
}

/// Compares the folders with the store, each once: those that are recorded as delivered, which have to
/// be there, and those of slices under way, which may be.
///
/// # Errors
///
/// [`BatchError::FoldersChanged`], after each file was named.
pub(super) async fn verify(
    session: &Session,
    manager: &CertificateManager,
    expected: Expected<'_>,
) -> Result<(), CliError> {
    let Expected { left, batch, dir, .. } = expected;
    let (mut cas, mut files, mut compared) = (IssuingCas::of_today(&batch.chain()), 0, 0);
    let progress = (0, Some(left.delivered.rows));
    let mut rate = Rate::new(session.output, session.stopwatch, "comparing", progress);
    for slice in 0..left.delivered.slices + left.under_way.len() as u64 {
        session.interrupt.checkpoint("the output was not compared to its end")?;
        let is_recorded = slice < left.delivered.slices;
        let issued = match batch.issued_slice(slice).await? {
            Some(issued) => issued,
            None if !is_recorded => break,
            None => {
                let (path, rows) = (left.path().to_owned(), left.delivered.rows);
                return Err(BatchError::UnknownToStore { path, rows }.into());
            }
        };
        let rows: Arc<[_]> = issued.into_iter().filter_map(issuer::certified).collect();
        let mut found = compare_all(&rows, &cas, expected, is_recorded).await?;
        if found.iter().any(Difference::is_of_cas) && cas.look_up_earlier(manager).await? {
            found = compare_all(&rows, &cas, expected, is_recorded).await?;
        }
        for Difference { file, what } in found {
            files += 1;
            if files <= NAMED {
                let file = file.display().to_string();
                let record = json!({ "file": file, "message": what });
                session.output.finding(&format!("{file} {what}"), &record);
            }
        }
        compared += rows.len() as u64;
        rate.set(compared);
    }
    match files {
        0 => Ok(()),
        _ => Err(BatchError::FoldersChanged { path: dir.to_owned(), files }.into()),
    }
}

/// What is wrong with the folders of a slice, on all cores.
async fn compare_all(
    rows: &Arc<[Certified]>,
    cas: &IssuingCas,
    expected: Expected<'_>,
    is_recorded: bool,
) -> Result<Vec<Difference>, CliError> {
    let with_key = |certified: &Certified| !expected.brought.contains(certified.row);
    let with_key: Vec<bool> = rows.iter().map(with_key).collect();
    let (dir, naming) = (expected.dir.to_owned(), expected.naming);
    let (rows, cas) = (Arc::clone(rows), cas.clone());
    let compare = move || {
        let rows: Vec<_> = rows.iter().zip(with_key).collect();
        on_all_cores(rows, |(certified, with_key)| match find(&dir, naming, certified) {
            Ok((place, leaf)) => compare(&place, &leaf, &cas, (certified, with_key)),
            Err(missing) if is_recorded => vec![missing],
            Err(_) => Vec::new(),
        })
    };
    let found = spawn_blocking(compare).await.map_err(|_| BatchError::Lost)?;
    Ok(found.into_iter().flatten().collect())
}

/// The folder of a certificate, and what its first file holds behind the certificate.
fn find(
    dir: &Path,
    naming: Naming,
    certified: &Certified,
) -> Result<(PathBuf, Vec<u8>), Difference> {
    let name = folder_name(&certified.principal);
    let own = certified.certificate.to_pem().into_bytes();
    let own_place = |place: PathBuf| {
        let behind = fs::read(place.join(LEAF)).ok()?.strip_prefix(&own[..])?.to_vec();
        Some((place, behind))
    };
    let mut there = places(dir, naming, &name).take_while(|place| place.exists());
    there.find_map(own_place).ok_or_else(|| {
        let file = dir.join(&name).join(LEAF);
        let what = match (naming, file.exists()) {
            (Naming::Numbered, _) => "or a numbered one beside it has lost its certificate",
            (Naming::Once, true) => "is another certificate than was issued",
            (Naming::Once, false) => "is missing",
        };
        Difference { file, what }
    })
}

/// What is wrong with the folder of a certificate, of which `behind` follows in its file.
fn compare(
    place: &Path,
    behind: &[u8],
    cas: &IssuingCas,
    (certified, with_key): (&Certified, bool),
) -> Vec<Difference> {
    let leaf = (!cas.are_issuers(behind))
        .then(|| Difference { file: place.join(LEAF), what: OTHER_ISSUERS });
    let beside = |name: &str, is_right: &dyn Fn(&[u8]) -> bool| {
        let file = place.join(name);
        let what = match fs::read(&file) {
            Ok(bytes) if is_right(&bytes) => return None,
            Ok(_) => OTHER_CAS,
            Err(error) if error.kind() == io::ErrorKind::NotFound => "is missing",
            Err(_) => "cannot be read",
        };
        Some(Difference { file, what })
    };
    let chain = beside("ca.crt", &|bytes| cas.are_chain(bytes));
    let root = beside("root.crt", &|bytes| cas.are_root(bytes));
    let key = with_key.then(|| compare_key(&place.join(KEY), certified)).flatten();
    leaf.into_iter().chain(chain).chain(root).chain(key).collect()
}

fn compare_key(file: &Path, certified: &Certified) -> Option<Difference> {
    let what = match key_file::read(file) {
        Ok(key) if Ok(key.public_key()) == certified.certificate.public_key().as_ref() => {
            return None;
        }
        Ok(_) => "is the key of another certificate",
        Err(KeyFileError::File(FileError::Read { error, .. }))
            if error.kind() == io::ErrorKind::NotFound =>
        {
            "is missing, and cannot be brought back: it stood here and nowhere else"
        }
        Err(KeyFileError::NotPrivate { .. }) => "belongs to another user, or is open to others",
        Err(_) => "cannot be read as a private key",
    };
    Some(Difference { file: file.to_owned(), what })
}
