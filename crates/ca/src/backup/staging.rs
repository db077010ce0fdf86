//! A data directory in the making: whole before it has its name, gone when it is dropped before.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, FlockOperation, RenameFlags, flock, renameat_with};

use super::BackupError;
use super::manifest::STORE;
use crate::Error;
use crate::store::{io_error, sync_directory};

/// What a restored data directory holds beside the store.
const OTHERS: [&str; 3] = ["profiles", "instances", "open.lock"];

/// How the name of a directory in the making begins that stands in its target.
const INSIDE: &str = ".restore-";

/// A directory in which a data directory is prepared. It is locked while its process lives.
#[derive(Debug)]
pub(super) struct Staging {
    path: PathBuf,
    target: PathBuf,
    place: Place,
    /// Directories above the target that were made for it, the innermost first.
    made: Vec<PathBuf>,
    /// What was moved from inside the target to its place there: it goes with the rest.
    moved: Vec<PathBuf>,
    placed: bool,
    _locked: File,
}

/// Where it stands until then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// Beside the target: one rename puts all in place.
    Beside,
    /// In the target, where nothing can be made beside it or it is a mount point: the store is moved
    /// last, and without it there is no authority.
    Inside,
}

impl Staging {
    /// Makes one for a data directory that is empty or absent, and removes what killed processes left.
    pub(super) fn new(data_dir: &Path) -> Result<Self, Error> {
        let target = match data_dir.canonicalize() {
            Ok(target) => target,
            Err(error) if error.kind() == ErrorKind::NotFound => data_dir.to_owned(),
            Err(error) => return Err(io_error(data_dir, error)),
        };
        let exists = target.exists();
        if exists {
            check_empty(&target)?;
        }
        let parent = parent(&target).to_owned();
        let mut above = Above(make_above(&parent)?);
        let prefix = match target.file_name() {
            Some(name) => format!(".{}.restore-", name.to_string_lossy()),
            None => INSIDE.to_owned(),
        };
        let beside = match exists && is_mount_point(&target, &parent) {
            true => Err(ErrorKind::PermissionDenied.into()),
            false => prepare(&parent, &prefix, Place::Beside),
        };
        let (path, locked, place) = match beside {
            Ok((path, locked)) => (path, locked, Place::Beside),
            Err(error) if exists && refuses(&error) => {
                let inside = prepare(&target, INSIDE, Place::Inside);
                let (path, locked) = inside.map_err(|error| io_error(&target, error))?;
                (path, locked, Place::Inside)
            }
            Err(error) => return Err(io_error(&parent, error)),
        };
        let made = std::mem::take(&mut above.0);
        let moved = Vec::new();
        Ok(Self { path, target, place, made, moved, placed: false, _locked: locked })
    }

    #[cfg(test)]
    fn inside(path: PathBuf, target: PathBuf, locked: File) -> Self {
        let (place, made, moved) = (Place::Inside, Vec::new(), Vec::new());
        Self { path, target, place, made, moved, placed: false, _locked: locked }
    }

    /// Where the data directory is prepared.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts it in place, durably. What is in it has to be on the disk, and its files closed.
    pub(super) fn put(mut self) -> Result<(), Error> {
        sync_directory(&self.path)?;
        match self.place {
            Place::Beside => {
                // An empty directory gives way to the rename, any other does not.
                fs::rename(&self.path, &self.target).map_err(|error| match error.kind() {
                    ErrorKind::DirectoryNotEmpty
                    | ErrorKind::NotADirectory
                    | ErrorKind::AlreadyExists => not_empty(&self.target),
                    _ => io_error(&self.target, error),
                })?;
                self.placed = true;
                sync_directory(parent(&self.target))?;
            }
            Place::Inside => {
                // As for every data directory. One that is not ours keeps its mode; what is in it is
                // the owner's alone all the same.
                drop(fs::set_permissions(&self.target, Permissions::from_mode(0o700)));
                for name in OTHERS.into_iter().chain([STORE]) {
                    self.move_up(name)?;
                }
                self.placed = true;
                // Empty now; left behind, it only costs its name.
                drop(fs::remove_dir(&self.path));
                sync_directory(&self.target)?;
            }
        }
        self.made.drain(..).try_for_each(|made| sync_directory(parent(&made)))
    }

    fn move_up(&mut self, name: &str) -> Result<(), Error> {
        let (from, to) = (self.path.join(name), self.target.join(name));
        if !from.exists() {
            return Ok(());
        }
        if name == STORE {
            sync_directory(&self.target)?;
        }
        match renameat_with(CWD, &from, CWD, &to, RenameFlags::NOREPLACE) {
            Ok(()) => {
                self.moved.push(to);
                Ok(())
            }
            Err(rustix::io::Errno::EXIST) => Err(not_empty(&self.target)),
            Err(errno) => Err(io_error(&to, errno.into())),
        }
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        if self.placed {
            return;
        }
        // What cannot be removed now is removed by the next restore.
        drop(self.moved.iter().try_for_each(|moved| remove_any(moved)));
        drop(fs::remove_dir_all(&self.path));
        drop(Above(std::mem::take(&mut self.made)));
    }
}

/// Directories that were made, to be removed again if they are empty.
struct Above(Vec<PathBuf>);

impl Drop for Above {
    fn drop(&mut self) {
        for made in &self.0 {
            drop(fs::remove_dir(made));
        }
    }
}

fn parent(path: &Path) -> &Path {
    match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) => Path::new("."),
        None => Path::new("/"),
    }
}

fn not_empty(path: &Path) -> Error {
    BackupError::NotEmpty { path: path.to_owned() }.into()
}

/// Refuses a directory that holds anything but what an interrupted restore left in it.
fn check_empty(target: &Path) -> Result<(), Error> {
    let failed = |error| io_error(target, error);
    if !target.is_dir() {
        return Err(not_empty(target));
    }
    let _held = hold(target).map_err(failed)?;
    sweep(target, INSIDE, Place::Inside).map_err(failed)?;
    match target.read_dir().map_err(failed)?.next() {
        None => Ok(()),
        Some(_) => Err(not_empty(target)),
    }
}

/// Makes the directories above, the innermost first.
fn make_above(parent: &Path) -> Result<Vec<PathBuf>, Error> {
    let missing = |path: &&Path| !path.as_os_str().is_empty() && !path.exists();
    let made: Vec<_> = parent.ancestors().take_while(missing).map(Path::to_owned).collect();
    let mut builder = DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(parent).map_err(|error| io_error(parent, error))?;
    Ok(made)
}

fn is_mount_point(target: &Path, parent: &Path) -> bool {
    let device = |path: &Path| path.metadata().map(|found| found.dev()).ok();
    device(target) != device(parent)
}

fn refuses(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem)
}

/// Makes a directory with the lock that says that its process lives.
fn prepare(holder: &Path, prefix: &str, place: Place) -> io::Result<(PathBuf, File)> {
    let _held = hold(holder)?;
    sweep(holder, prefix, place)?;
    let mut octets = [0; 8];
    let random = aws_lc_rs::rand::fill(&mut octets);
    random.map_err(|_| io::Error::other("the system's random source gave no bytes"))?;
    let id = rustmq_pki::hex::encode(&octets);
    let path = holder.join(format!("{prefix}{id}"));
    DirBuilder::new().mode(0o700).create(&path)?;
    let locked = File::open(&path)?;
    flock(&locked, FlockOperation::LockExclusive)?;
    Ok((path, locked))
}

/// While this is held, nobody else sweeps between the making of a directory and the taking of its lock.
fn hold(holder: &Path) -> io::Result<File> {
    let held = File::open(holder)?;
    flock(&held, FlockOperation::LockExclusive)?;
    Ok(held)
}

/// Removes the directories of killed processes. The caller holds `holder`.
fn sweep(holder: &Path, prefix: &str, place: Place) -> io::Result<()> {
    for entry in holder.read_dir()? {
        let entry = entry?;
        let is_ours = entry.file_name().to_str().is_some_and(|name| name.starts_with(prefix));
        if is_ours && entry.file_type()?.is_dir() && is_dead(&entry.path()) {
            remove_left(&entry.path(), holder, place)?;
        }
    }
    Ok(())
}

fn is_dead(directory: &Path) -> bool {
    let Ok(directory) = File::open(directory) else { return false };
    flock(&directory, FlockOperation::NonBlockingLockExclusive).is_ok()
}

/// Removes what a killed process left. Where it stands in its target and the store is still in it, what
/// was moved before the store goes with it: that is what stands in it no more.
fn remove_left(path: &Path, target: &Path, place: Place) -> io::Result<()> {
    if place == Place::Inside && path.join(STORE).exists() && !target.join(STORE).exists() {
        for name in OTHERS.into_iter().filter(|name| !path.join(name).exists()) {
            remove_any(&target.join(name))?;
        }
    }
    fs::remove_dir_all(path)
}

/// Removes a directory with all that is in it, or a file; neither has to be there.
fn remove_any(path: &Path) -> io::Result<()> {
    match path.is_dir() {
        true => fs::remove_dir_all(path),
        false => {
            drop(fs::remove_file(path));
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(directory: &Path) -> Vec<String> {
        let entries = directory.read_dir().unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn fill(staging: &Staging) {
        fs::write(staging.path().join(STORE), "store").unwrap();
        fs::create_dir(staging.path().join("profiles")).unwrap();
    }

    #[test]
    fn it_takes_an_absent_or_empty_place_and_no_other() {
        let temp = tempfile::tempdir().unwrap();
        for name in ["absent", "a/b/absent", "empty"] {
            let target = temp.path().join(name);
            if name == "empty" {
                fs::create_dir(&target).unwrap();
            }
            let staging = Staging::new(&target).unwrap();
            fill(&staging);
            staging.put().unwrap();
            assert_eq!(names(&target), [STORE, "profiles"], "{name}");
            assert!(Staging::new(&target).is_err(), "{name} is taken");
        }
        assert_eq!(names(temp.path()), ["a", "absent", "empty"]);
    }

    #[test]
    fn dropped_it_leaves_nothing() {
        let temp = tempfile::tempdir().unwrap();
        let staging = Staging::new(&temp.path().join("a/b/data")).unwrap();
        fill(&staging);
        drop(staging);
        assert!(names(temp.path()).is_empty());
    }

    #[test]
    fn what_came_meanwhile_stays() {
        let temp = tempfile::tempdir().unwrap();
        let target = temp.path().join("data");
        let staging = Staging::new(&target).unwrap();
        fill(&staging);
        fs::create_dir(&target).unwrap();
        fs::write(target.join("mine"), "").unwrap();
        assert!(staging.put().is_err());
        assert_eq!(names(&target), ["mine"]);
        assert_eq!(names(temp.path()), ["data"]);
    }

    #[test]
    fn what_a_killed_process_left_goes_and_what_a_live_one_has_stays() {
        let temp = tempfile::tempdir().unwrap();
        let target = temp.path().join("data");
        fs::create_dir(temp.path().join(".data.restore-dead")).unwrap();
        let live = Staging::new(&target).unwrap();
        let other = Staging::new(&target).unwrap();
        assert_eq!(names(temp.path()).len(), 2);
        drop((live, other));
        assert!(names(temp.path()).is_empty());
    }

    #[test]
    fn inside_a_place_of_its_own_the_store_comes_last() {
        let temp = tempfile::tempdir().unwrap();
        let (path, locked) = prepare(temp.path(), INSIDE, Place::Inside).unwrap();
        let staging = Staging::inside(path, temp.path().to_owned(), locked);
        fill(&staging);
        staging.put().unwrap();
        assert_eq!(names(temp.path()), [STORE, "profiles"]);
    }

    #[test]
    fn what_others_put_beside_its_moves_stays() {
        for theirs in ["profiles", "instances"] {
            for is_put in [true, false] {
                let temp = tempfile::tempdir().unwrap();
                let (path, locked) = prepare(temp.path(), INSIDE, Place::Inside).unwrap();
                let staging = Staging::inside(path, temp.path().to_owned(), locked);
                fill(&staging);
                fs::create_dir(staging.path().join("instances")).unwrap();
                fs::create_dir(temp.path().join(theirs)).unwrap();
                fs::write(temp.path().join(theirs).join("theirs"), "").unwrap();
                match is_put {
                    true => assert!(staging.put().is_err()),
                    false => drop(staging),
                }
                assert_eq!(names(temp.path()), [theirs], "put: {is_put}");
                assert_eq!(names(&temp.path().join(theirs)), ["theirs"]);
            }
        }
    }

    #[test]
    fn what_a_killed_process_had_not_moved_is_anothers() {
        let temp = tempfile::tempdir().unwrap();
        let dead = temp.path().join(".restore-dead");
        fs::create_dir_all(dead.join("profiles")).unwrap();
        fs::write(dead.join(STORE), "").unwrap();
        fs::create_dir(temp.path().join("profiles")).unwrap();
        fs::create_dir(temp.path().join("instances")).unwrap();
        assert!(check_empty(temp.path()).is_err());
        assert_eq!(names(temp.path()), ["profiles"], "what it had moved went with it");
    }

    #[test]
    fn killed_between_its_moves_it_is_taken_back() {
        let temp = tempfile::tempdir().unwrap();
        let dead = temp.path().join(".restore-dead");
        fs::create_dir_all(temp.path().join("profiles/sub")).unwrap();
        fs::create_dir(&dead).unwrap();
        fs::write(dead.join(STORE), "").unwrap();
        check_empty(temp.path()).unwrap();
        assert!(names(temp.path()).is_empty());
    }
}
