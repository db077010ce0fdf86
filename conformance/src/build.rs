//! Judges that are compiled: once, whichever test process comes first.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

/// The top of the repository.
pub(crate) fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a crate lies in a workspace").to_owned()
}

/// Where Cargo builds.
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| workspace().join("target"), PathBuf::from)
}

/// The folder of a judge's source.
pub(crate) fn source(name: &str) -> PathBuf {
    workspace().join("conformance/judges").join(name)
}

/// Fills a folder that is named after the digest of `file`, unless that was done before.
///
/// The test runner starts a process a test, so the first one holds a lock on the folder's parent
/// while it builds, and a build that was cut short leaves nothing under the final name.
///
/// # Panics
/// If the folder cannot be made; `build` panics by itself if it fails.
pub(crate) fn once(name: &str, file: &Path, build: impl FnOnce(&Path)) -> PathBuf {
    let parent = target().join("judges");
    fs::create_dir_all(&parent).expect("target/judges can be made");
    let lock = File::create(parent.join(format!("{name}.lock"))).expect("the lock can be made");
    lock.lock().expect("the lock can be taken");

    let folder = parent.join(format!("{name}-{:016x}", digest(file)));
    if !folder.exists() {
        let fresh = parent.join(format!("{name}.partial"));
        let _nothing_there = fs::remove_dir_all(&fresh);
        fs::create_dir_all(&fresh).expect("a folder for the build can be made");
        build(&fresh);
        fs::rename(&fresh, &folder).expect("the build can be named");
    }
    folder
}

fn digest(file: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    fs::read(file).expect("the judge's source can be read").hash(&mut hasher);
    hasher.finish()
}
