//! Files that appear whole or not at all.
//!
//! Every file is written beside its place under a name that did not exist, synced to the disk, and
//! renamed. A rename never follows a symbolic link and, unless it was asked to replace, never covers an
//! existing file.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FlockOperation, OFlags, RenameFlags, flock, renameat_with};
use rustix::process::Pid;

pub(crate) mod folder;
pub(crate) mod key_file;

/// What happens to a file that is in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Existing {
    /// It stays, and the command is refused.
    Keep,
    /// It is replaced (`--force`).
    Replace,
}

impl Existing {
    /// By the flag `--force`.
    pub(crate) fn by_force(force: bool) -> Self {
        if force { Self::Replace } else { Self::Keep }
    }
}

/// Who may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Everyone whom the process's umask lets: certificates and CRLs.
    Public,
    /// The owner alone: private keys.
    Private,
}

/// Why a file was not written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    /// Something of that name is there.
    #[error("{} exists and is not overwritten", path.display())]
    Exists {
        /// The place that is taken.
        path: PathBuf,
    },
    /// The operating system refused.
    #[error("{} cannot be written: {error}", path.display())]
    Write {
        /// The file that was to be written.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
    /// Another command writes into the folder.
    #[error("another command has been writing into {} for {seconds} seconds", path.display())]
    Busy {
        /// The folder.
        path: PathBuf,
        /// How long this one waited.
        seconds: u64,
    },
    /// The operating system refused, or the file is not what it should be.
    #[error("{} cannot be read: {error}", path.display())]
    Read {
        /// The file that was to be read.
        path: PathBuf,
        /// What the operating system said.
        error: io::Error,
    },
}

impl FileError {
    pub(crate) fn write(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |error| Self::Write { path, error }
    }

    pub(crate) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        |error| Self::Read { path, error }
    }
}

/// A file that is written beside its place. Dropped, it is removed.
#[derive(Debug)]
pub(crate) struct Staged {
    /// The file once more, for the sync.
    synced: File,
    beside: PathBuf,
    place: PathBuf,
    placed: bool,
}

impl Staged {
    /// Opens a file beside `place` to be written piece by piece.
    pub(crate) fn create(place: &Path, mode: Mode) -> Result<(Self, File), FileError> {
        let (file, beside) = create_beside(place, mode).map_err(FileError::write(place))?;
        let synced = file.try_clone().map_err(FileError::write(place))?;
        Ok((Self { synced, beside, place: place.to_owned(), placed: false }, file))
    }

    /// Writes `bytes` beside `place`.
    pub(crate) fn new(place: &Path, bytes: &[u8], mode: Mode) -> Result<Self, FileError> {
        let (staged, mut file) = Self::create(place, mode)?;
        file.write_all(bytes).map_err(FileError::write(place))?;
        Ok(staged)
    }

    /// Gives the file its name, durably.
    pub(crate) fn put(mut self, existing: Existing) -> Result<(), FileError> {
        self.synced.sync_all().map_err(FileError::write(&self.place))?;
        match rename(&self.beside, &self.place, existing) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(FileError::Exists { path: self.place.clone() });
            }
            result => result.map_err(FileError::write(&self.place))?,
        }
        self.placed = true;
        sync_parent(&self.place)
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        if !self.placed {
            // A file that cannot be removed is left under a name that nothing reads.
            let _left = fs::remove_file(&self.beside);
        }
    }
}

/// Writes `bytes` to `place` as a whole.
pub(crate) fn write(
    place: &Path,
    bytes: &[u8],
    mode: Mode,
    existing: Existing,
) -> Result<(), FileError> {
    check_free(place, existing)?;
    Staged::new(place, bytes, mode)?.put(existing)
}

/// Refuses early what [`Staged::put`] would refuse late: a place that is taken, or a directory.
pub(crate) fn check_free(place: &Path, existing: Existing) -> Result<(), FileError> {
    match fs::symlink_metadata(place) {
        Ok(found) if existing == Existing::Keep || found.is_dir() => {
            Err(FileError::Exists { path: place.to_owned() })
        }
        _ => Ok(()),
    }
}

/// Whether a place that need not exist yet lies within `folder`, or is it, whatever links lead there.
pub(crate) fn lies_within(place: &Path, folder: &Path) -> bool {
    match (resolved(place), resolved(folder)) {
        (Some(place), Some(folder)) => place.starts_with(folder),
        _ => false,
    }
}

/// The path without links, as far as it exists, and the rest of it.
fn resolved(path: &Path) -> Option<PathBuf> {
    let path = std::path::absolute(path).ok()?;
    let found = |known: &Path| Some((known.canonicalize().ok()?, known.to_owned()));
    let (found, known) = path.ancestors().find_map(found)?;
    Some(found.join(path.strip_prefix(known).ok()?))
}

/// Creates a file beside `place` that did not exist: O_EXCL refuses links, dangling ones too.
fn create_beside(place: &Path, mode: Mode) -> io::Result<(File, PathBuf)> {
    let name = place.file_name().ok_or_else(|| io::Error::other("it names no file"))?;
    // A leftover of a killed process may have the same number: the next name is tried, a hundred
    // times, which is more than one process ever stages.
    for attempt in 0..100 {
        let mut beside = std::ffi::OsString::from(".");
        beside.push(name);
        beside.push(format!(".{}-{attempt}.new", std::process::id()));
        let beside = place.with_file_name(beside);
        let mut options = OpenOptions::new();
        options.write(true).create_new(true).custom_flags(no_follow());
        options.mode(if mode == Mode::Private { 0o600 } else { 0o666 });
        match options.open(&beside) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
            Ok(file) => {
                // Held until it has its name. Whoever took it for a leftover before it was held has
                // removed it; a file system that cannot lock keeps nobody out.
                let _cannot_lock = flock(&file, FlockOperation::LockExclusive);
                if fs::symlink_metadata(&beside).is_ok() {
                    return Ok((file, beside));
                }
            }
        }
    }
    Err(io::Error::other("a hundred unfinished files of that name are in the way"))
}

/// Whether `found` is a file that a process which has ended began to write beside one of `names`, or
/// beside a key that waits there.
fn is_unfinished(found: &str, names: &[&str]) -> bool {
    let Some(name) = unfinished(found) else { return false };
    let ours = |known: &&str| {
        name.strip_prefix(*known)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(".pending"))
    };
    names.iter().any(ours)
}

/// Whether `found` is a name that [`create_beside`] gives beside `name`, whichever process has it.
pub(crate) fn is_beside(found: &str, name: &str) -> bool {
    beside(found).is_some_and(|(of, _)| of == name)
}

/// The name beside which `found` is written and the process that does, if it is a name that
/// [`create_beside`] gives.
fn beside(found: &str) -> Option<(&str, Pid)> {
    let middle = found.strip_prefix('.')?.strip_suffix(".new")?;
    let (name, number) = middle.rsplit_once('.')?;
    let (process, attempt) = number.split_once('-')?;
    attempt.parse::<u32>().ok()?;
    Some((name, Pid::from_raw(process.parse().ok()?)?))
}

/// The name beside which `found` was being written by a process that has ended.
fn unfinished(found: &str) -> Option<&str> {
    let (name, process) = beside(found)?;
    let is_gone = rustix::process::test_kill_process(process) == Err(rustix::io::Errno::SRCH);
    is_gone.then_some(name)
}

/// What the first octets of a backup are: the name of its first member. CA keys are in it.
const BACKUP: &[u8] = b"manifest.json\0";

/// Removes what killed processes left unfinished beside `place`, and backups beside any other: each has
/// another name, and what is left of one is as secret as a whole one.
pub(crate) fn sweep_beside(place: &Path) {
    let directory = place.parent().filter(|parent| !parent.as_os_str().is_empty());
    let Ok(entries) = fs::read_dir(directory.unwrap_or(Path::new("."))) else { return };
    for entry in entries.flatten() {
        let found = entry.file_name();
        let Some(name) = found.to_str().and_then(unfinished) else { continue };
        let is_meant = place.file_name().is_some_and(|place| place == name);
        let mut options = OpenOptions::new();
        let opened =
            options.read(true).custom_flags(no_follow() | non_blocking()).open(entry.path());
        let Ok(file) = opened else { continue };
        // Processes of another container have other numbers, and hold what they write all the same.
        if (is_meant || is_backup(&file))
            && flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok()
        {
            // One that cannot be removed lies under a name that nothing reads.
            let _left = fs::remove_file(entry.path());
        }
    }
}

fn is_backup(mut file: &File) -> bool {
    let mut first = [0; BACKUP.len()];
    file.read_exact(&mut first).is_ok() && first == BACKUP
}

/// O_NOFOLLOW as the standard library's options take it.
pub(crate) fn no_follow() -> i32 {
    OFlags::NOFOLLOW.bits().cast_signed()
}

/// O_NONBLOCK: a pipe of that name is not waited for.
fn non_blocking() -> i32 {
    OFlags::NONBLOCK.bits().cast_signed()
}

fn rename(from: &Path, to: &Path, existing: Existing) -> io::Result<()> {
    if existing == Existing::Replace {
        return fs::rename(from, to);
    }
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // A file system without that flag: a hard link refuses a taken name just as well.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        result => Ok(result?),
    }
}

/// Makes a name in `place`'s directory durable.
pub(crate) fn sync_parent(place: &Path) -> Result<(), FileError> {
    let parent = match place.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    File::open(parent).and_then(|dir| dir.sync_all()).map_err(FileError::write(place))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    #[test]
    fn a_taken_name_is_refused_and_stays_as_it_was() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("a");
        write(&place, b"first", Mode::Public, Existing::Keep).unwrap();
        let refused = write(&place, b"second", Mode::Public, Existing::Keep);
        assert!(matches!(refused, Err(FileError::Exists { .. })));
        assert_eq!(fs::read(&place).unwrap(), b"first");
        let staged = Staged::new(&place, b"third", Mode::Public).unwrap();
        assert!(staged.put(Existing::Keep).is_err(), "the rename itself refuses, too");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing is left beside it");
        write(&place, b"fourth", Mode::Public, Existing::Replace).unwrap();
        assert_eq!(fs::read(&place).unwrap(), b"fourth");
    }

    #[test]
    fn a_link_is_replaced_and_never_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (target, link) = (dir.path().join("target"), dir.path().join("link"));
        fs::write(&target, b"untouched").unwrap();
        symlink(&target, &link).unwrap();
        assert!(write(&link, b"key", Mode::Private, Existing::Keep).is_err());
        write(&link, b"key", Mode::Private, Existing::Replace).unwrap();
        assert_eq!(fs::read(&target).unwrap(), b"untouched");
        assert!(!fs::symlink_metadata(&link).unwrap().is_symlink());
    }

    #[test]
    fn what_killed_processes_left_of_this_file_and_of_any_backup_goes() {
        let dir = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: &[u8]| fs::write(dir.path().join(name), bytes).unwrap();
        let backup = [BACKUP, &[0; 1000]].concat();
        put(".today.tar.999999999-0.new", b"begun");
        put(".yesterday.tar.999999999-0.new", &backup);
        let held = ".held.tar.999999999-0.new";
        let alive = format!(".alive.tar.{}-0.new", std::process::id());
        let stay = [held, &alive, ".yesterday.tar", ".yesterday.tar.x-0.new", "today.tar"];
        stay.iter().for_each(|name| put(name, &backup));
        put(".crl.pem.999999999-0.new", b"-----BEGIN");
        let holder = File::open(dir.path().join(held)).unwrap();
        flock(&holder, FlockOperation::LockExclusive).unwrap();
        sweep_beside(&dir.path().join("today.tar"));
        let left = fs::read_dir(dir.path()).unwrap();
        let mut left: Vec<_> =
            left.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        let mut expected = [&stay[..], &[".crl.pem.999999999-0.new"]].concat();
        left.sort();
        expected.sort_unstable();
        assert_eq!(left, expected);
    }

    #[test]
    fn what_is_being_written_is_nobodys_leftover() {
        let dir = tempfile::tempdir().unwrap();
        let (staged, file) = Staged::create(&dir.path().join("a"), Mode::Private).unwrap();
        drop(file);
        let other = File::open(&staged.beside).unwrap();
        assert!(flock(&other, FlockOperation::NonBlockingLockExclusive).is_err(), "it is held");
    }

    #[test]
    fn private_files_are_the_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("key");
        write(&place, b"key", Mode::Private, Existing::Keep).unwrap();
        assert_eq!(fs::metadata(&place).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
