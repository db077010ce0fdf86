//! Which processes are alive: each holds the lock of a file of its own while it runs.
//!
//! The operating system gives the lock back when the process ends, however it ends, and nobody else
//! can hold it before. So a reservation is dead exactly when the lock of its instance can be had.

use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use super::filesystem::{self, io_error};
use crate::Error;

const DIRECTORY: &str = "instances";

/// Held while a store is opened for writing.
pub(super) const OPEN_LOCK: &str = "open.lock";

/// This process, as far as one open store goes.
pub(super) struct Instance {
    id: String,
    path: PathBuf,
    directory: PathBuf,
    _locked: File,
}

impl Instance {
    /// Takes a new random id and its lock, and sweeps away the files of processes that were killed.
    pub(super) fn new(data_dir: &Path) -> Result<Self, Error> {
        let directory = data_dir.join(DIRECTORY);
        filesystem::create_inner_directory(&directory)?;
        // Nobody sweeps between the making of a file and the taking of its lock.
        let _opening = filesystem::lock(&data_dir.join(OPEN_LOCK))?;
        sweep(&directory)?;
        let mut octets = [0; 16];
        aws_lc_rs::rand::fill(&mut octets).map_err(|_| Error::NoRandomness)?;
        let id = rustmq_pki::hex::encode(&octets);
        let path = lock_file(&directory, &id);
        let locked = filesystem::lock(&path)?;
        Ok(Self { id, path, directory, _locked: locked })
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn directory(&self) -> &Path {
        &self.directory
    }
}

impl Drop for Instance {
    /// The file goes first: while it is there it is locked. Left behind, it only costs its name.
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.path));
    }
}

fn lock_file(directory: &Path, id: &str) -> PathBuf {
    directory.join(format!("{id}.lock"))
}

/// Whether the process that held the instance's lock has ended.
pub(super) fn is_dead(directory: &Path, id: &str) -> Result<bool, Error> {
    let path = lock_file(directory, id);
    let file = match OpenOptions::new().read(true).write(true).open(&path) {
        Ok(file) => file,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(io_error(&path, error)),
    };
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(true),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(false),
        Err(errno) => Err(io_error(&path, errno.into())),
    }
}

/// Removes the files that nobody holds. A reservation whose instance has no file is dead all the same.
fn sweep(directory: &Path) -> Result<(), Error> {
    let entries = directory.read_dir().map_err(|error| io_error(directory, error))?;
    for entry in entries {
        let name = entry.map_err(|error| io_error(directory, error))?.file_name();
        let id = name.to_str().and_then(|name| name.strip_suffix(".lock"));
        if let Some(id) = id
            && is_dead(directory, id)?
        {
            drop(std::fs::remove_file(lock_file(directory, id)));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instance_is_alive_until_it_ends() {
        let temp = tempfile::tempdir().unwrap();
        let (one, two) = (Instance::new(temp.path()).unwrap(), Instance::new(temp.path()).unwrap());
        assert_ne!(one.id(), two.id());
        assert!(!is_dead(one.directory(), two.id()).unwrap());
        let gone = two.id().to_owned();
        drop(two);
        assert!(is_dead(one.directory(), &gone).unwrap());
        assert!(!is_dead(one.directory(), one.id()).unwrap());
    }

    #[test]
    fn a_file_without_its_process_is_dead() {
        let temp = tempfile::tempdir().unwrap();
        let alive = Instance::new(temp.path()).unwrap();
        let left_behind = lock_file(alive.directory(), "left-behind");
        std::fs::write(&left_behind, "").unwrap();
        assert!(is_dead(alive.directory(), "left-behind").unwrap());
        let next = Instance::new(temp.path()).unwrap();
        assert!(!left_behind.exists());
        assert!(!is_dead(next.directory(), alive.id()).unwrap());
    }
}
