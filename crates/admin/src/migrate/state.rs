//! How far a migration has come: a file in the output folder, written beside its place and renamed,
//! and a lock so that one process works on it at a time.

use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use rustmq_pki::certificate::Certificate;
use rustmq_pki::role::Role;
use rustmq_pki::time::UnixTime;
use serde::{Deserialize, Serialize};

use super::error::MigrationError;
use super::plan::NewHierarchy;
use crate::error::CliError;
use crate::files::{self, Existing, FileError, Mode};

/// The state's file.
const STATE: &str = "migration.json";

/// The lock's file.
const LOCK: &str = ".migration.lock";

/// What peers trust while and after the migration.
pub(crate) const BUNDLE: &str = "trust-bundle.pem";

/// The folder of the new certificates' folders.
pub(crate) const CERTIFICATES: &str = "certificates";

/// The folder of what was retired.
pub(crate) const RETIRED: &str = "retired";

/// Where the migration stands as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Stage {
    /// New certificates are being issued or verified.
    Applying,
    /// Every new certificate was verified; the old ones are in place.
    Verified,
    /// The old certificates are being moved aside.
    Retiring,
    /// They are moved.
    Retired,
    /// It is being undone.
    Undoing,
}

impl Stage {
    /// The stable name, as in JSON output.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Applying => "applying",
            Self::Verified => "verified",
            Self::Retiring => "retiring",
            Self::Retired => "retired",
            Self::Undoing => "undoing",
        }
    }
}

/// Where one principal stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Step {
    /// Its certificate is not issued yet, or that is not recorded yet.
    Planned,
    /// Its new certificate is in its folder.
    Issued,
    /// The validator accepted the new certificate.
    Verified,
    /// The old certificate is moved aside.
    Retired,
}

impl Step {
    /// The stable name, as in JSON output.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Issued => "issued",
            Self::Verified => "verified",
            Self::Retired => "retired",
        }
    }
}

/// The authority that issues.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct AuthorityState {
    /// SHA-256 of the root's certificate, lower-case hexadecimal.
    pub(crate) root_fingerprint: String,
    /// The issuing CA's id.
    pub(crate) ca: String,
    /// The ids of the CAs that were made, the root first.
    pub(crate) made: Vec<String>,
}

impl AuthorityState {
    /// Refuses the chain of another authority's CA of the same id.
    pub(crate) fn check_root(&self, chain: &[Certificate]) -> Result<(), MigrationError> {
        let root = chain.last().map(|root| root.fingerprint().to_string());
        match root.as_ref() == Some(&self.root_fingerprint) {
            true => Ok(()),
            false => Err(MigrationError::OtherDataDirectory { ca: self.ca.clone() }),
        }
    }
}

/// One certificate.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct EntryState {
    /// The old certificate's file.
    pub(crate) path: String,
    /// The old certificate.
    pub(crate) fingerprint: String,
    /// Whom both name.
    pub(crate) principal: String,
    /// What its owner may do.
    pub(crate) role: Role,
    /// The folder of the new files.
    pub(crate) folder: String,
    /// What was asked for.
    pub(crate) digest: String,
    /// How far it is.
    pub(crate) step: Step,
    /// The new certificate's id.
    pub(crate) id: Option<String>,
    /// Its serial number.
    pub(crate) serial: Option<String>,
    /// When it ends, RFC 3339.
    pub(crate) not_after: Option<String>,
    /// The ids of certificates that it had before, and that were lost or revoked.
    #[serde(default)]
    pub(crate) replaced: Vec<String>,
}

impl EntryState {
    /// Whether its new certificate was made, and is not in its folder any more.
    pub(crate) fn is_lost(&self, output: &Output) -> bool {
        let folder = output.folder(&self.folder);
        let is_there = |file: &str| folder.join(file).is_file();
        matches!(self.step, Step::Issued | Step::Verified)
            && !(is_there("tls.crt") && is_there("tls.key"))
    }
}

/// The whole state.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct State {
    version: u32,
    /// The job of every idempotency key: another migration has another, so that a certificate that was
    /// undone is not taken for its new one.
    pub(crate) job: String,
    /// When it was begun, RFC 3339.
    pub(crate) begun: String,
    /// The old deployment.
    pub(crate) from: PathBuf,
    /// A digest of the plan's deployment and authority.
    pub(crate) frame: String,
    /// The hierarchy that is made, if one is.
    pub(crate) new: Option<NewHierarchy>,
    /// Where it stands.
    pub(crate) stage: Stage,
    /// Who issues, once that is there.
    pub(crate) authority: Option<AuthorityState>,
    /// The certificates, as the plan has them.
    pub(crate) entries: Vec<EntryState>,
}

impl State {
    /// A migration that begins.
    pub(crate) fn new(
        job: String,
        from: PathBuf,
        frame: String,
        new: Option<NewHierarchy>,
        now: UnixTime,
    ) -> Self {
        Self {
            version: 1,
            job,
            begun: now.to_string(),
            from,
            frame,
            new,
            stage: Stage::Applying,
            authority: None,
            entries: Vec::new(),
        }
    }
}

/// An output folder.
#[derive(Debug)]
pub(crate) struct Output {
    dir: PathBuf,
    /// Held until it is dropped.
    _lock: Option<File>,
}

impl Output {
    /// The folder to look at.
    pub(crate) fn to_read(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), _lock: None }
    }

    /// The folder to work in, for this process alone.
    pub(crate) fn to_write(dir: &Path) -> Result<Self, CliError> {
        let place = dir.join(LOCK);
        let lock = File::options().create(true).truncate(false).write(true).open(&place);
        let lock = lock.map_err(FileError::write(&place))?;
        match lock.try_lock() {
            Ok(()) => {
                // What a killed run was writing, nobody is writing any more.
                [STATE, BUNDLE].iter().try_for_each(|name| remove_unfinished(&dir.join(name)))?;
                Ok(Self { dir: dir.to_owned(), _lock: Some(lock) })
            }
            Err(TryLockError::WouldBlock) => {
                Err(MigrationError::Busy { output: dir.to_owned() }.into())
            }
            Err(TryLockError::Error(error)) => Err(FileError::Write { path: place, error }.into()),
        }
    }

    /// A place in it.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.join(name)
    }

    /// The folder of a new certificate.
    pub(crate) fn folder(&self, folder: &str) -> PathBuf {
        self.dir.join(CERTIFICATES).join(folder)
    }

    /// The state, if a migration was begun here.
    pub(crate) fn state(&self) -> Result<Option<State>, CliError> {
        let path = self.path(STATE);
        let bytes = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            result => result.map_err(FileError::read(&path))?,
        };
        match serde_json::from_slice(&bytes) {
            Ok(state) => Ok(Some(state)),
            Err(error) => Err(MigrationError::State { path, error }.into()),
        }
    }

    /// The state of a migration that was begun.
    pub(crate) fn begun(&self) -> Result<State, CliError> {
        let state = self.state()?;
        state.ok_or_else(|| MigrationError::NotBegun { output: self.dir.clone() }.into())
    }

    /// Makes the state durable.
    pub(crate) fn save(&self, state: &State) -> Result<(), CliError> {
        let mut bytes = serde_json::to_vec_pretty(state).unwrap_or_default();
        bytes.push(b'\n');
        Ok(files::write(&self.path(STATE), &bytes, Mode::Private, Existing::Replace)?)
    }

    /// Writes a file unless it is there already.
    pub(crate) fn write(&self, name: &str, bytes: &[u8]) -> Result<(), CliError> {
        let place = self.path(name);
        if fs::read(&place).is_ok_and(|present| present == bytes) {
            return Ok(());
        }
        Ok(files::write(&place, bytes, Mode::Public, Existing::Replace)?)
    }

    /// Removes the state and the lock: the migration was undone.
    pub(crate) fn forget(&self) -> Result<(), CliError> {
        remove_written(&self.path(STATE))?;
        // Nothing hangs on whether these are gone: a folder that holds something else stays.
        let _gone = fs::remove_file(self.path(LOCK));
        let _not_empty = fs::remove_dir(&self.dir);
        Ok(())
    }

    /// Removes what an undo that was killed at its very end left: a lock without a state.
    pub(crate) fn clear_after_undo(dir: &Path) -> Result<(), CliError> {
        match dir.join(LOCK).exists() {
            true => Self::to_write(dir)?.forget(),
            false => Ok(()),
        }
    }
}

/// Removes a file, and what a killed process left of it beside its place.
pub(crate) fn remove_written(path: &Path) -> Result<(), FileError> {
    remove_unfinished(path)?;
    remove(path)
}

/// Removes what a killed process left of a file beside its place (`.NAME.PROCESS-N.new`).
fn remove_unfinished(path: &Path) -> Result<(), FileError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.parent().and_then(|folder| fs::read_dir(folder).ok());
    for entry in beside.into_iter().flatten().filter_map(Result::ok) {
        let found = entry.file_name();
        if files::is_beside(&found.to_string_lossy(), &name) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

/// Removes a file that may be gone already, durably.
fn remove(path: &Path) -> Result<(), FileError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        result => {
            result.map_err(FileError::write(path))?;
            files::sync_parent(path)
        }
    }
}
