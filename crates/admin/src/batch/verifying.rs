//! Whether the folders of a finished batch are there, as it left them: each certificate, and each key
//! that was made for one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustmq_ca::batch::Batch;
use rustmq_pki::key::Signer;
use serde_json::json;
use tokio::task::spawn_blocking;

use super::delivery::{Certified, Naming};
use super::error::BatchError;
use super::folders::{KEY, LEAF, folder_name, places};
use super::issuer;
use super::job_file::JobFile;
use super::keys::on_all_cores;
use super::row_errors::RowSet;
use crate::error::CliError;
use crate::files::FileError;
use crate::files::key_file::{self, KeyFileError};
use crate::session::Session;

/// How many files are named. Whoever sees twenty knows what was removed.
const NAMED: u64 = 20;

/// What stands beside leaf and key in each folder.
const BESIDE: [&str; 2] = ["ca.crt", "root.crt"];

/// A file that is not as it was left.
#[derive(Debug, PartialEq, Eq)]
struct Difference {
    file: PathBuf,
    what: &'static str,
}

/// Compares the folders in `dir` with the store. Rows of `brought` brought a request, and no key was
/// made for them.
///
/// # Errors
///
/// [`BatchError::FoldersChanged`], after each file was named.
pub(super) async fn verify(
    session: &Session,
    batch: &Batch,
    left: &JobFile,
    (dir, naming): (&Path, Naming),
    brought: &RowSet,
) -> Result<(), CliError> {
    let mut files = 0;
    for slice in 0..left.delivered.slices {
        session.interrupt.checkpoint("the output was not compared to its end")?;
        let Some(issued) = batch.issued_slice(slice).await? else {
            let (path, rows) = (left.path().to_owned(), left.delivered.rows);
            return Err(BatchError::UnknownToStore { path, rows }.into());
        };
        let with_key = |row| !brought.contains(row);
        let rows = issued.into_iter().filter_map(issuer::certified);
        let rows: Vec<_> = rows.map(|certified| (with_key(certified.row), certified)).collect();
        let place = dir.to_owned();
        let compare = move || {
            on_all_cores(rows, |(with_key, certified)| {
                compare(&place, naming, &certified, with_key)
            })
        };
        let found = spawn_blocking(compare).await.map_err(|_| BatchError::Lost)?;
        for Difference { file, what } in found.into_iter().flatten() {
            files += 1;
            if files <= NAMED {
                let file = file.display().to_string();
                let record = json!({ "file": file, "message": what });
                session.output.finding(&format!("{file} {what}"), &record);
            }
        }
    }
    match files {
        0 => Ok(()),
        _ => Err(BatchError::FoldersChanged { path: dir.to_owned(), files }.into()),
    }
}

/// What is wrong with the folder of a certificate.
fn compare(dir: &Path, naming: Naming, certified: &Certified, with_key: bool) -> Vec<Difference> {
    let name = folder_name(&certified.principal);
    let own = certified.certificate.to_pem().into_bytes();
    let is_own =
        |place: &PathBuf| fs::read(place.join(LEAF)).is_ok_and(|there| there.starts_with(&own));
    let mut there = places(dir, naming, &name).take_while(|place| place.exists());
    let Some(place) = there.find(is_own) else {
        let file = dir.join(&name).join(LEAF);
        let what = match (naming, file.exists()) {
            (Naming::Numbered, _) => "or a numbered one beside it has lost its certificate",
            (Naming::Once, true) => "is another certificate than was issued",
            (Naming::Once, false) => "is missing",
        };
        return vec![Difference { file, what }];
    };
    let missing = BESIDE.iter().map(|name| place.join(name)).filter(|file| !file.exists());
    let missing = missing.map(|file| Difference { file, what: "is missing" });
    let key = with_key.then(|| compare_key(&place.join(KEY), certified)).flatten();
    missing.chain(key).collect()
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
