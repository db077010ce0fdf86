//! Where a batch delivers to: a file of lines, or a folder of folders.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, Mode as Permissions, OFlags};
use rustmq_pki::certificate::Certificate;
use rustmq_pki::crl::CertificateRevocationList;
use rustmq_pki::role::Role;

use super::error::BatchError;
use super::folders::{Folders, Shared};
use super::job_file::Delivered;
use super::keys::SliceKeys;
use super::line::LineWriter;
use super::lines_file::{self, LinesFile};
use crate::error::CliError;
use crate::files::{FileError, Mode, Staged};

/// A certificate that is durable in the store, on its way out.
#[derive(Debug)]
pub(crate) struct Certified {
    /// The row of the input, 1 for the first.
    pub(crate) row: u64,
    /// Whom it names.
    pub(crate) principal: String,
    /// What it is for.
    pub(crate) role: Role,
    /// Its number in the store.
    pub(crate) number: i64,
    /// The certificate.
    pub(crate) certificate: Certificate,
}

/// `--output` by its name: what ends with `.ndjson` or `.jsonl` is a file.
#[derive(Clone, Debug)]
pub(crate) enum Output {
    /// A file of lines.
    Lines(PathBuf),
    /// A folder a principal.
    Folders(PathBuf, Naming),
}

/// What the folder of a principal is called that has one already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    /// A principal has one folder.
    Once,
    /// `NAME~2`, `NAME~3`, ...
    Numbered,
}

/// What every certificate of the batch has in common.
pub(crate) struct Common<'a> {
    /// The issuing CA's id.
    pub(crate) ca_id: &'a str,
    /// Its certificate and those above it, the root last.
    pub(crate) chain: &'a [Certificate],
    /// The newest CRL of each.
    pub(crate) crls: &'a [CertificateRevocationList],
    /// Rows that may stand behind what was delivered: their keys are in the job file.
    pub(crate) under_way: u64,
}

impl Output {
    /// The output that a path means.
    ///
    /// # Errors
    ///
    /// Standard output, a terminal or another device: private keys go into files.
    pub(crate) fn new(path: &Path) -> Result<Self, CliError> {
        let other = fs::metadata(path).is_ok_and(|found| !found.is_file() && !found.is_dir());
        if path == Path::new("-") || other || path.file_name().is_none() {
            return Err(BatchError::NoFile { path: path.to_owned() }.into());
        }
        let extension = path.extension().and_then(|extension| extension.to_str());
        let is_file = matches!(extension, Some("ndjson" | "jsonl"));
        let path = path.to_owned();
        Ok(if is_file { Self::Lines(path) } else { Self::Folders(path, Naming::Once) })
    }

    /// The same with another rule for principals that have a folder already.
    #[must_use]
    pub(crate) fn naming(self, naming: Naming) -> Self {
        match self {
            Self::Folders(path, _) => Self::Folders(path, naming),
            lines @ Self::Lines(_) => lines,
        }
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Lines(path) | Self::Folders(path, _) => path,
        }
    }

    /// Refuses what is there already, unless it is an empty folder for folders, and a place that
    /// nothing can be written to.
    pub(crate) fn check_free(&self) -> Result<(), CliError> {
        let parent = self.path().parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        let can_write = rustix::fs::access(parent, Access::WRITE_OK | Access::EXEC_OK);
        let can_write = can_write.and_then(|()| match parent.is_dir() {
            true => Ok(()),
            false => Err(rustix::io::Errno::NOTDIR),
        });
        can_write.map_err(|error| FileError::write(self.path())(error.into()))?;
        self.check_takes_files(parent)?;
        let taken = match self {
            Self::Lines(path) => fs::symlink_metadata(path).is_ok(),
            Self::Folders(path, _) => match fs::read_dir(path) {
                Ok(mut entries) => entries.next().is_some(),
                Err(_) => fs::symlink_metadata(path).is_ok(),
            },
        };
        match taken {
            true => Err(BatchError::ForeignOutput { path: self.path().to_owned() }.into()),
            false => Ok(()),
        }
    }

    /// Refuses a folder that takes no files although its mode says so, as /proc does.
    fn check_takes_files(&self, parent: &Path) -> Result<(), CliError> {
        let flags = OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC;
        let unnamed = rustix::fs::open(parent, flags, Permissions::RUSR | Permissions::WUSR);
        if unnamed.is_err() {
            // Not every file system has files without a name: one with a name is made, and goes again.
            Staged::create(self.path(), Mode::Private)?;
        }
        Ok(())
    }

    /// Refuses an output that is not as its finished job left it.
    pub(crate) fn verify(&self, delivered: Delivered) -> Result<(), CliError> {
        match self {
            Self::Lines(path) => lines_file::verify(path, delivered),
            Self::Folders(path, _) if path.is_dir() => Ok(()),
            Self::Folders(path, _) => Err(BatchError::OutputChanged {
                path: path.clone(),
                what: "is gone, and with it the private keys that stood there",
            }
            .into()),
        }
    }

    /// Refuses what [`Self::open`] would refuse to go on with.
    pub(crate) fn inspect(&self, delivered: Delivered, under_way: u64) -> Result<(), CliError> {
        let is_missing = fs::symlink_metadata(self.path()).is_err();
        match self {
            _ if delivered.slices == 0 && is_missing => Ok(()),
            Self::Lines(path) => lines_file::inspect(path, (delivered, under_way)).map(drop),
            Self::Folders(..) => self.verify(delivered),
        }
    }

    /// Removes it if it holds nothing: nothing was issued for it.
    pub(crate) fn remove_empty(&self) {
        // One that cannot be removed is empty, and taken for an output that was not begun.
        let _left = match self {
            Self::Lines(path) if fs::metadata(path).is_ok_and(|file| file.len() == 0) => {
                fs::remove_file(path)
            }
            Self::Lines(_) => Ok(()),
            Self::Folders(path, _) => fs::remove_dir(path),
        };
    }

    /// Opens it: to begin, or to go on after what was `delivered`.
    pub(crate) fn open(
        &self,
        delivered: Option<Delivered>,
        common: &Common<'_>,
    ) -> Result<Delivery, CliError> {
        // A run that ended before the first slice may not have made it.
        let is_missing = || fs::symlink_metadata(self.path()).is_err();
        let before = delivered.filter(|delivered| delivered.slices > 0 || !is_missing());
        Ok(match self {
            Self::Lines(path) => {
                let writer = LineWriter::new(common.ca_id, common.chain);
                Delivery::Lines(Box::new(match before {
                    None => LinesFile::create(path, writer)?,
                    Some(delivered) => {
                        LinesFile::resume(path, writer, (delivered, common.under_way))?
                    }
                }))
            }
            Self::Folders(path, naming) => {
                let shared = Shared::new(common.chain, common.crls);
                Delivery::Folders(Box::new(match before {
                    None => Folders::create(path, shared, *naming)?,
                    Some(delivered) => Folders::resume(path, (shared, *naming), delivered)?,
                }))
            }
        })
    }
}

/// An output that certificates are delivered into.
pub(crate) enum Delivery {
    /// A file of lines.
    Lines(Box<LinesFile>),
    /// A folder a principal.
    Folders(Box<Folders>),
}

impl Delivery {
    /// Delivers a slice durably; says how far the output came.
    pub(crate) fn deliver(
        &mut self,
        slice: &[Certified],
        keys: &SliceKeys,
    ) -> Result<Delivered, CliError> {
        match self {
            Self::Lines(lines) => lines.deliver(slice, keys),
            Self::Folders(folders) => folders.deliver(slice, keys),
        }
    }
}
