//! The folder into which a certificate is delivered with all that its user needs.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use super::{Existing, FileError, Mode, Staged, check_free};

/// One file of a delivery.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    /// Its name in the folder.
    pub(crate) name: String,
    /// Its bytes.
    pub(crate) bytes: Vec<u8>,
}

impl Content {
    /// A file of this name.
    pub(crate) fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { name: name.into(), bytes: bytes.into() }
    }
}

/// A folder that files are delivered into.
#[derive(Debug)]
pub(crate) struct Folder {
    dir: PathBuf,
    existing: Existing,
    /// The directories that were made for it, outermost first.
    made: Vec<PathBuf>,
    /// Held while this command writes there: no other takes its pending key for a leftover.
    lock: Option<File>,
}

impl Folder {
    /// The folder `dir`; nothing is made yet.
    pub(crate) fn new(dir: &Path, existing: Existing) -> Self {
        Self { dir: dir.to_owned(), existing, made: Vec::new(), lock: None }
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        &self.dir
    }

    /// What happens to files that are in the way.
    pub(crate) fn existing(&self) -> Existing {
        self.existing
    }

    /// Refuses if one of these names is taken and shall not be replaced.
    pub(crate) fn check_free<'a>(
        &self,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Result<(), FileError> {
        names.into_iter().try_for_each(|name| check_free(&self.dir.join(name), self.existing))
    }

    /// Makes the folder and what is missing above it.
    pub(crate) fn make(&mut self) -> Result<(), FileError> {
        let missing: Vec<_> = self
            .dir
            .ancestors()
            .take_while(|dir| !dir.as_os_str().is_empty() && fs::symlink_metadata(dir).is_err())
            .map(Path::to_owned)
            .collect();
        for dir in missing.into_iter().rev() {
            match fs::create_dir(&dir) {
                // Another command made it meanwhile, and it is that one's.
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists && dir.is_dir() => {
                    continue;
                }
                result => result.map_err(FileError::write(&dir))?,
            }
            super::sync_parent(&dir)?;
            self.made.push(dir);
        }
        if self.dir.is_dir() {
            return Ok(());
        }
        let error = io::Error::from(io::ErrorKind::NotADirectory);
        Err(FileError::Write { path: self.dir.clone(), error })
    }

    /// Makes the folder and takes it for this command alone. `false` while another command has it. A
    /// file system that cannot lock a directory (NFS) keeps nobody out.
    pub(crate) fn take(&mut self) -> Result<bool, FileError> {
        self.make()?;
        let dir = match File::open(&self.dir) {
            Ok(dir) => dir,
            // Whoever waited for it was refused, and it is gone: the next attempt makes it again.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(FileError::write(&self.dir)(error)),
        };
        match rustix::fs::flock(&dir, FlockOperation::NonBlockingLockExclusive) {
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(false),
            Err(_cannot_lock) => return Ok(true),
            Ok(()) => {}
        }
        let is_still_there = match (dir.metadata(), fs::metadata(&self.dir)) {
            (Ok(locked), Ok(named)) => (locked.dev(), locked.ino()) == (named.dev(), named.ino()),
            _ => false,
        };
        self.lock = Some(dir).filter(|_| is_still_there);
        Ok(is_still_there)
    }

    /// Removes what killed processes left unfinished beside the places of these names. For a folder
    /// that was taken: no other command is writing them.
    pub(crate) fn sweep<'a>(&self, names: impl IntoIterator<Item = &'a str>) {
        if self.lock.is_none() {
            return;
        }
        let names: Vec<_> = names.into_iter().collect();
        let Ok(entries) = fs::read_dir(&self.dir) else { return };
        for entry in entries.flatten() {
            let found = entry.file_name();
            if found.to_str().is_some_and(|found| super::is_unfinished(found, &names)) {
                // One that cannot be removed lies under a name that nothing reads.
                let _left = fs::remove_file(entry.path());
            }
        }
    }

    /// Writes all files beside their places, so that a full disk leaves what was there before.
    pub(crate) fn stage(&self, files: &[Content]) -> Result<Vec<Staged>, FileError> {
        let stage =
            |file: &Content| Staged::new(&self.dir.join(&file.name), &file.bytes, Mode::Public);
        files.iter().map(stage).collect()
    }

    /// Writes all files beside their places, then gives them their names.
    pub(crate) fn deliver(&self, files: &[Content]) -> Result<(), FileError> {
        self.stage(files)?.into_iter().try_for_each(|file| file.put(self.existing))
    }

    /// Removes the directories that were made, as long as they are empty: for a command that was
    /// refused after all.
    pub(crate) fn unmake(&mut self) {
        for dir in self.made.drain(..).rev() {
            // One that holds something by now stays.
            let _not_empty = fs::remove_dir(dir);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_directories_go_again_unless_used() {
        let root = tempfile::tempdir().unwrap();
        let mut folder = Folder::new(&root.path().join("a/b"), Existing::Keep);
        folder.make().unwrap();
        fs::write(root.path().join("a/kept"), b"").unwrap();
        folder.unmake();
        assert!(!root.path().join("a/b").exists());
        assert!(root.path().join("a/kept").exists());
    }

    #[test]
    fn commands_that_make_one_folder_at_once_all_find_it_made() {
        for _ in 0..50 {
            let root = tempfile::tempdir().unwrap();
            let dir = root.path().join("a/b/c");
            let made = std::thread::scope(|scope| {
                let make = || Folder::new(&dir, Existing::Keep).make();
                let threads = [(); 4].map(|()| scope.spawn(make));
                threads.map(|thread| thread.join().unwrap())
            });
            assert!(made.iter().all(Result::is_ok), "{made:?}");
        }
    }

    #[test]
    fn what_killed_processes_left_unfinished_goes() {
        let root = tempfile::tempdir().unwrap();
        let stays = [".tls.crt.1-0.new~", ".other.1-0.new", ".tls.crt.me.new", "tls.crt"];
        let goes = [".tls.crt.999999999-0.new", ".tls.key.pending.999999999-3.new"];
        let alive = format!(".tls.crt.{}-0.new", std::process::id());
        for name in stays.into_iter().chain(goes).chain([alive.as_str()]) {
            fs::write(root.path().join(name), b"").unwrap();
        }
        let mut folder = Folder::new(root.path(), Existing::Keep);
        assert!(folder.take().unwrap());
        folder.sweep(["tls.crt", "tls.key"]);
        assert!(goes.iter().all(|name| !root.path().join(name).exists()));
        assert!(stays.iter().all(|name| root.path().join(name).exists()));
        assert!(root.path().join(&alive).exists());
    }

    #[test]
    fn a_folder_is_one_commands_at_a_time() {
        let root = tempfile::tempdir().unwrap();
        let new = || Folder::new(&root.path().join("app"), Existing::Keep);
        let (mut one, mut other) = (new(), new());
        assert!(one.take().unwrap());
        assert!(!other.take().unwrap(), "taken");
        // The first was refused: the folder that the other waits for is gone.
        one.unmake();
        drop(one);
        assert!(other.take().unwrap());
        assert!(root.path().join("app").exists());
    }

    #[test]
    fn a_delivery_that_meets_a_taken_name_is_refused_before_it_starts() {
        let root = tempfile::tempdir().unwrap();
        fs::write(root.path().join("tls.crt"), b"old").unwrap();
        let folder = Folder::new(root.path(), Existing::Keep);
        assert!(folder.check_free(["ca.crt", "tls.crt"]).is_err());
        assert!(folder.check_free(["ca.crt"]).is_ok());
        let replacing = Folder::new(root.path(), Existing::Replace);
        replacing.check_free(["tls.crt"]).unwrap();
        replacing.deliver(&[Content::new("tls.crt", *b"new")]).unwrap();
        assert_eq!(fs::read(root.path().join("tls.crt")).unwrap(), b"new");
    }
}
