//! The list of what a filter chose, written once for a job: a second process does not replace it while
//! the first checks the rows, when no job file says yet that a job is running.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::error::BatchError;
use crate::error::CliError;
use crate::files::{Existing, FileError, Mode, Staged, no_follow};

/// The right to write a list.
#[derive(Debug)]
pub(crate) struct Claim {
    list: PathBuf,
    job: PathBuf,
    /// What a run left that ended before its job began, locked.
    leftover: Option<File>,
}

impl Claim {
    /// Claims the place of a list. None where a job has its list already.
    ///
    /// # Errors
    ///
    /// [`BatchError::Running`] while another process holds the list.
    pub(crate) fn new(list: &Path, job: &Path) -> Result<Option<Self>, CliError> {
        loop {
            let leftover = open(list)?;
            if let Some(leftover) = &leftover
                && !hold(leftover, list, job)?
            {
                continue;
            }
            // Whoever held it may have begun its job meanwhile.
            if fs::symlink_metadata(job).is_ok() {
                return Ok(None);
            }
            let (list, job) = (list.to_owned(), job.to_owned());
            return Ok(Some(Self { list, job, leftover }));
        }
    }

    /// Writes the list durably. Nobody else writes one there until the answer is dropped.
    pub(crate) fn write(self, lines: &str) -> Result<File, CliError> {
        let existing = Existing::by_force(self.leftover.is_some());
        let (staged, mut file) = Staged::create(&self.list, Mode::Private)?;
        lock(&file, &self.list, &self.job)?;
        file.write_all(lines.as_bytes()).map_err(FileError::write(&self.list))?;
        match staged.put(existing) {
            Err(FileError::Exists { .. }) => Err(BatchError::Running { path: self.job }.into()),
            result => Ok(result.map(|()| file)?),
        }
    }
}

fn open(list: &Path) -> Result<Option<File>, CliError> {
    // A pipe that nobody writes into would keep us waiting.
    let flags = no_follow() | OFlags::NONBLOCK.bits().cast_signed();
    match OpenOptions::new().read(true).custom_flags(flags).open(list) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        result => Ok(Some(result.map_err(FileError::read(list))?)),
    }
}

/// Locks a list; whether it is still the one of that name.
fn hold(file: &File, list: &Path, job: &Path) -> Result<bool, CliError> {
    lock(file, list, job)?;
    let own = file.metadata().map_err(FileError::read(list))?;
    Ok(fs::symlink_metadata(list).is_ok_and(|named| named.ino() == own.ino()))
}

fn lock(file: &File, list: &Path, job: &Path) -> Result<(), CliError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(BatchError::Running { path: job.to_owned() }.into()),
        Err(TryLockError::Error(error)) => Err(FileError::read(list)(error).into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_one_process_s_until_it_ends_and_a_job_s_for_good() {
        let dir = tempfile::tempdir().unwrap();
        let (list, job) = (dir.path().join("a.job.list"), dir.path().join("a.job"));
        let claim = || Claim::new(&list, &job);
        let is_running = |result: Result<(), CliError>| {
            matches!(result, Err(CliError::Batch(BatchError::Running { .. })))
        };
        let late = claim().unwrap().unwrap();
        let held = claim().unwrap().unwrap().write("cert-1\n").unwrap();
        assert!(is_running(claim().map(drop)));
        assert!(is_running(late.write("cert-2\n").map(drop)), "it claimed when none was there");
        assert_eq!(fs::read(&list).unwrap(), b"cert-1\n");
        drop(held);
        let held = claim().unwrap().unwrap().write("cert-3\n").unwrap();
        assert!(is_running(claim().map(drop)), "one that took a leftover's place, too");
        assert_eq!(fs::read(&list).unwrap(), b"cert-3\n");
        drop(held);
        fs::write(&job, b"").unwrap();
        assert!(claim().unwrap().is_none());
    }
}
