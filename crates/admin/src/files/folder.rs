//! The folder into which a certificate is delivered with all that its user needs.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{Existing, FileError, Mode, Staged, check_free};

/// One file of a delivery.
#[derive(Debug)]
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
}

impl Folder {
    /// The folder `dir`; nothing is made yet.
    pub(crate) fn new(dir: &Path, existing: Existing) -> Self {
        Self { dir: dir.to_owned(), existing, made: Vec::new() }
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
            fs::create_dir(&dir).map_err(FileError::write(&dir))?;
            super::sync_parent(&dir)?;
            self.made.push(dir);
        }
        if self.dir.is_dir() {
            return Ok(());
        }
        let error = io::Error::from(io::ErrorKind::NotADirectory);
        Err(FileError::Write { path: self.dir.clone(), error })
    }

    /// Writes all files beside their places first, then gives them their names, so that a full disk
    /// leaves nothing half done.
    pub(crate) fn deliver(&self, files: &[Content]) -> Result<(), FileError> {
        let staged: Vec<_> = files
            .iter()
            .map(|file| Staged::new(&self.dir.join(&file.name), &file.bytes, Mode::Public))
            .collect::<Result<_, _>>()?;
        staged.into_iter().try_for_each(|file| file.put(self.existing))
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
