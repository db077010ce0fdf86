//! The data directory: where it may lie, and who may read it.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::FlockOperation;

use crate::Error;

/// The name of a network file system on which neither locks nor fsync can be relied on.
///
/// The numbers are `f_type` of statfs(2), from linux/magic.h and the file systems' sources.
fn refused_file_system(magic: u64) -> Option<&'static str> {
    match magic {
        0x6969 => Some("NFS"),
        0x517b | 0xff53_4d42 | 0xfe53_4d42 => Some("SMB"),
        0x5346_414f | 0x6b41_4653 => Some("AFS"),
        0x00c3_6400 => Some("Ceph"),
        _ => None,
    }
}

/// Refuses a data directory on a network file system, whether it exists already or will be made.
pub(crate) fn check_file_system(data_dir: &Path) -> Result<(), Error> {
    let existing = data_dir.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
    let existing = if existing.as_os_str().is_empty() { Path::new(".") } else { existing };
    let stat = rustix::fs::statfs(existing).map_err(|errno| io_error(existing, errno.into()))?;
    #[expect(clippy::cast_sign_loss, reason = "a magic number is a bit pattern of 32 bits")]
    let magic = stat.f_type as u64 & 0xffff_ffff;
    match refused_file_system(magic) {
        Some(file_system) => {
            Err(Error::NetworkFileSystem { path: data_dir.to_owned(), file_system })
        }
        None => Ok(()),
    }
}

/// Makes the data directory, 0700. One that is there already and empty becomes 0700 too.
pub(super) fn create_directory(data_dir: &Path) -> Result<(), Error> {
    let is_new_or_empty = match data_dir.read_dir() {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => true,
        Err(error) => return Err(io_error(data_dir, error)),
    };
    if is_new_or_empty {
        let new: Vec<_> = data_dir.ancestors().take_while(|path| !path.exists()).collect();
        let made = DirBuilder::new().recursive(true).mode(0o700).create(data_dir);
        made.map_err(|error| io_error(data_dir, error))?;
        std::fs::set_permissions(data_dir, Permissions::from_mode(0o700))
            .map_err(|error| io_error(data_dir, error))?;
        new.into_iter().filter_map(Path::parent).try_for_each(sync_directory)?;
    }
    Ok(())
}

/// Makes the names in a directory durable: a new data directory's own is in the one above it.
pub(crate) fn sync_directory(directory: &Path) -> Result<(), Error> {
    let directory = if directory.as_os_str().is_empty() { Path::new(".") } else { directory };
    match File::open(directory).and_then(|directory| directory.sync_all()) {
        // One that may be written and not read: its names cannot be waited for.
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => Ok(()),
        result => result.map_err(|error| io_error(directory, error)),
    }
}

/// Makes a directory inside the data directory, 0700, unless it is there.
pub(super) fn create_inner_directory(path: &Path) -> Result<(), Error> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|error| io_error(path, error))
}

/// Opens a file for reading and writing, making it with mode 0600 when absent.
pub(super) fn open_private(path: &Path) -> Result<File, Error> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|error| io_error(path, error))
}

/// Waits for the exclusive lock of a file, which ends with the returned handle.
pub(super) fn lock(path: &Path) -> Result<File, Error> {
    let file = open_private(path)?;
    rustix::fs::flock(&file, FlockOperation::LockExclusive)
        .map_err(|errno| io_error(path, errno.into()))?;
    Ok(file)
}

/// The typed error of a file operation on `path`.
pub(crate) fn io_error(path: &Path, error: std::io::Error) -> Error {
    use std::io::ErrorKind as Kind;
    let path: PathBuf = path.to_owned();
    match error.kind() {
        Kind::ReadOnlyFilesystem | Kind::PermissionDenied => Error::ReadOnlyDataDirectory { path },
        Kind::StorageFull | Kind::QuotaExceeded => Error::DataDirectoryFull { path },
        _ => Error::Io { path, error },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn network_file_systems_are_refused_and_local_ones_are_not() {
        for (magic, name) in [
            (0x6969, Some("NFS")),
            (0xff53_4d42, Some("SMB")),
            (0xfe53_4d42, Some("SMB")),
            (0x5346_414f, Some("AFS")),
            (0x00c3_6400, Some("Ceph")),
            (0xef53, None),      // ext4
            (0x0102_1994, None), // tmpfs
            (0x794c_7630, None), // overlayfs
            (0x5846_5342, None), // XFS
        ] {
            assert_eq!(refused_file_system(magic), name, "{magic:#x}");
        }
    }

    #[test]
    fn a_new_directory_is_private_and_a_full_one_is_left_alone() {
        let temp = tempfile::tempdir().unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        let new = temp.path().join("a/b");
        create_directory(&new).unwrap();
        assert_eq!(mode(&new), 0o700);
        std::fs::set_permissions(&new, Permissions::from_mode(0o755)).unwrap();
        std::fs::write(new.join("file"), "x").unwrap();
        create_directory(&new).unwrap();
        assert_eq!(mode(&new), 0o755);
        let file = open_private(&new.join("private")).unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    }
}
