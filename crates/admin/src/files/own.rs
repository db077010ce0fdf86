//! Where no output may lie: in the data directory.
//!
//! What stands there are the CA keys, and nothing but the store writes there. A file that took the
//! store's place would cost the whole authority.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use super::FileError;

/// How many links a path may lead through: as many as Linux follows (path_resolution(7)).
const MAX_LINKS: u32 = 40;

/// Refuses an output that lies within the data directory, or is one of its files under another name.
/// What is not there yet is judged by where it would be made.
///
/// # Errors
///
/// [`FileError::InDataDirectory`], and links that lead in a circle.
pub(crate) fn refuse(output: &Path, data: &Path) -> Result<(), FileError> {
    // A data directory whose links lead nowhere is no store's.
    let Ok(own) = resolve(data) else { return Ok(()) };
    let own = Directory { id: fs::metadata(&own).ok().as_ref().map(id), path: own };
    let leads_to = resolve(output).map_err(FileError::write(output))?;
    // A link is replaced where it stands, whatever it leads to.
    let stands = standing(output).map_err(FileError::write(output))?;
    match own.has(&leads_to) || own.has(&stands) || own.holds(&leads_to) {
        true => Err(FileError::InDataDirectory { path: output.to_owned() }),
        false => Ok(()),
    }
}

/// The data directory.
struct Directory {
    path: PathBuf,
    id: Option<(u64, u64)>,
}

impl Directory {
    /// Whether a resolved place is this directory or lies below it: by its name, and by what stands
    /// there, since a directory that is mounted twice has two names.
    fn has(&self, place: &Path) -> bool {
        place.ancestors().any(|above| {
            above == self.path
                || self.id.is_some() && fs::metadata(above).ok().as_ref().map(id) == self.id
        })
    }

    /// Whether a file is one of those in this directory, by a hard link or by a link that stands here.
    fn holds(&self, place: &Path) -> bool {
        let Some(found) = fs::metadata(place).ok().filter(Metadata::is_file) else { return false };
        let Ok(entries) = fs::read_dir(&self.path) else { return false };
        let mut files = entries.flatten().filter_map(|entry| fs::metadata(entry.path()).ok());
        files.any(|own| id(&own) == id(&found))
    }
}

/// What tells a file from every other: device and inode.
fn id(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

/// The place in its resolved folder, the last name as it is.
fn standing(path: &Path) -> io::Result<PathBuf> {
    match (path.parent(), path.file_name()) {
        (Some(folder), Some(name)) if folder.as_os_str().is_empty() => {
            Ok(resolve(Path::new("."))?.join(name))
        }
        (Some(folder), Some(name)) => Ok(resolve(folder)?.join(name)),
        _ => resolve(path),
    }
}

/// The absolute path without links and `..`. What is not there is taken for directories that will be
/// made, so that a `..` after one leads back to where it would stand.
fn resolve(path: &Path) -> io::Result<PathBuf> {
    let mut left = parts(&std::path::absolute(path)?);
    let (mut resolved, mut links) = (PathBuf::from("/"), 0);
    while let Some(part) = left.pop() {
        if part == ".." {
            resolved.pop();
            continue;
        }
        let next = resolved.join(&part);
        let Ok(target) = fs::read_link(&next) else {
            resolved = next;
            continue;
        };
        links += 1;
        if links > MAX_LINKS {
            return Err(rustix::io::Errno::LOOP.into());
        }
        if target.is_absolute() {
            resolved = PathBuf::from("/");
        }
        left.extend(parts(&target));
    }
    Ok(resolved)
}

/// The names of a path, the last one first.
fn parts(path: &Path) -> Vec<OsString> {
    let names = path.components().rev();
    let names = names.filter(|name| matches!(name, Component::Normal(_) | Component::ParentDir));
    names.map(|name| name.as_os_str().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    fn is_refused(output: &Path, data: &Path) -> bool {
        matches!(refuse(output, data), Err(FileError::InDataDirectory { .. }))
    }

    #[test]
    fn a_place_is_judged_by_where_it_is() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        fs::create_dir_all(at("data/sub")).unwrap();
        fs::create_dir(at("work")).unwrap();
        fs::write(at("data/store"), b"").unwrap();
        fs::hard_link(at("data/store"), at("work/hard")).unwrap();
        symlink("../data", at("work/link")).unwrap();
        symlink("link", at("work/link-to-link")).unwrap();
        symlink("../data/new", at("work/dangling")).unwrap();
        symlink(at("work"), at("data/out")).unwrap();
        for inside in [
            "data",
            "data/",
            "data/new/er",
            "work/../data",
            "new/../data/x",
            "work/link",
            "work/link-to-link/x",
            "work/dangling/x",
            "work/hard",
            "data/out",
            "work/link/sub/..",
        ] {
            assert!(is_refused(&at(inside), &at("data")), "{inside}");
            assert!(is_refused(&at(inside), &at("work/link")), "{inside}");
        }
        for outside in
            ["data2", "data/../new", "work/x", "work/link/../x", "data/out/x", ".", "data/.."]
        {
            assert!(refuse(&at(outside), &at("data")).is_ok(), "{outside}");
        }
    }

    #[test]
    fn a_data_directory_that_is_not_there_yet_is_judged_by_its_name() {
        let root = tempfile::tempdir().unwrap();
        let at = |path: &str| root.path().join(path);
        symlink("nowhere", at("link")).unwrap();
        assert!(is_refused(&at("nowhere/x"), &at("nowhere")));
        assert!(is_refused(&at("link/x"), &at("nowhere")));
        assert!(is_refused(&at("nowhere/x"), &at("link")));
        assert!(refuse(&at("x"), &at("nowhere")).is_ok());
    }

    #[test]
    fn links_in_a_circle_end_the_search() {
        let root = tempfile::tempdir().unwrap();
        symlink("b", root.path().join("a")).unwrap();
        symlink("a", root.path().join("b")).unwrap();
        let refused = refuse(&root.path().join("a/x"), root.path().join("data").as_path());
        assert!(matches!(refused, Err(FileError::Write { .. })));
    }
}
