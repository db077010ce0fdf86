//! An output of a folder a principal, as `certs issue` makes it.
//!
//! A slice's folders are written under names that nobody looks for, synced together, and then given
//! their names: a folder that is there is whole.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with, syncfs};
use rustmq_pki::certificate::Certificate;
use rustmq_pki::crl::CertificateRevocationList;
use rustmq_pki::name::Principal;
use zeroize::Zeroizing;

use super::delivery::{Certified, Naming};
use super::error::BatchError;
use super::job_file::Delivered;
use super::keys::{SliceKeys, on_all_cores};
use super::pem;
use crate::error::CliError;
use crate::files::{FileError, no_follow, sync_parent};

/// The leaf's file.
pub(super) const LEAF: &str = "tls.crt";

/// The private key's file.
pub(super) const KEY: &str = "tls.key";

/// What stands in every folder alike.
pub(crate) struct Shared {
    /// The issuing CAs without the root, behind each leaf.
    issuers: Vec<u8>,
    /// `ca.crt`, `root.crt`, `crl.pem`.
    files: [(&'static str, Vec<u8>); 3],
}

impl Shared {
    /// The files for certificates under `chain`, the root last, with the CRLs of its CAs.
    pub(crate) fn new(chain: &[Certificate], crls: &[CertificateRevocationList]) -> Self {
        let joined = |cas: &[Certificate]| {
            cas.iter().map(Certificate::to_pem).collect::<String>().into_bytes()
        };
        let last = chain.len().saturating_sub(1);
        let lists = crls.iter().map(CertificateRevocationList::to_pem).collect::<String>();
        Self {
            issuers: joined(&chain[..last]),
            files: [
                ("ca.crt", joined(chain)),
                ("root.crt", joined(&chain[last..])),
                ("crl.pem", lists.into_bytes()),
            ],
        }
    }
}

/// The folder of folders, and how far it came.
pub(crate) struct Folders {
    dir: PathBuf,
    shared: Shared,
    naming: Naming,
    delivered: Delivered,
}

impl Folders {
    /// Makes the folder, or takes one that is empty.
    pub(crate) fn create(dir: &Path, shared: Shared, naming: Naming) -> Result<Self, CliError> {
        match fs::create_dir(dir) {
            // One that stays is empty, and is taken.
            Ok(()) => sync_parent(dir)?,
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && is_empty(dir) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(BatchError::ForeignOutput { path: dir.to_owned() }.into());
            }
            Err(error) => return Err(FileError::write(dir)(error).into()),
        }
        Ok(Self { dir: dir.to_owned(), shared, naming, delivered: Delivered::default() })
    }

    /// Goes on with it.
    pub(crate) fn resume(
        dir: &Path,
        (shared, naming): (Shared, Naming),
        delivered: Delivered,
    ) -> Result<Self, CliError> {
        if !dir.is_dir() {
            return Err(changed(dir, "is gone, and with it the private keys that stood there"));
        }
        Ok(Self { dir: dir.to_owned(), shared, naming, delivered })
    }

    /// Writes the folders of a slice and makes them durable.
    pub(crate) fn deliver(
        &mut self,
        slice: &[Certified],
        keys: &SliceKeys,
    ) -> Result<Delivered, CliError> {
        let places: Vec<_> = slice.iter().enumerate().collect();
        let written = on_all_cores(places, |(nth, certified)| self.write(certified, keys.get(nth)));
        let written = written.into_iter().collect::<Result<Vec<_>, _>>()?;
        let sync = || syncfs(File::open(&self.dir)?).map_err(io::Error::from);
        sync().map_err(FileError::write(&self.dir))?;
        for (unfinished, name) in written.into_iter().flatten() {
            self.put(&unfinished, &name)?;
        }
        sync().map_err(FileError::write(&self.dir))?;
        self.delivered.slices += 1;
        self.delivered.rows += slice.len() as u64;
        Ok(self.delivered)
    }

    /// Writes a folder under its unfinished name, unless an earlier run gave it its own already.
    fn write(
        &self,
        certified: &Certified,
        key: Option<&[u8]>,
    ) -> Result<Option<(PathBuf, String)>, CliError> {
        let name = folder_name(&certified.principal);
        let own = certified.certificate.to_pem().into_bytes();
        for place in self.places(&name).take_while(|place| fs::symlink_metadata(place).is_ok()) {
            // What follows it there are the issuers of that day.
            if fs::read(place.join(LEAF)).is_ok_and(|there| there.starts_with(&own)) {
                return Ok(None);
            }
            if self.naming == Naming::Once {
                return Err(changed(&place, "is there, and this batch did not write it"));
            }
        }
        let unfinished = self.dir.join(format!(".row-{}.new", certified.row));
        let write = || {
            // What a killed run left of it is written anew.
            match fs::remove_dir_all(&unfinished) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
            DirBuilder::new().mode(0o777).create(&unfinished)?;
            let leaf = [&own[..], &self.shared.issuers].concat();
            write_file(&unfinished.join(LEAF), &leaf, 0o666)?;
            if let Some(key) = key {
                let mut pem = Zeroizing::new(Vec::with_capacity(2 * key.len() + 128));
                pem::push(&mut pem, "PRIVATE KEY", key, b"\n");
                write_file(&unfinished.join(KEY), &pem, 0o600)?;
            }
            let mut shared = self.shared.files.iter();
            shared.try_for_each(|(name, bytes)| write_file(&unfinished.join(name), bytes, 0o666))
        };
        write().map_err(FileError::write(&unfinished))?;
        Ok(Some((unfinished, name)))
    }

    /// Where a folder of this name may lie.
    fn places(&self, name: &str) -> impl Iterator<Item = PathBuf> {
        places(&self.dir, self.naming, name)
    }

    /// Gives a folder the first of its names that is free.
    fn put(&self, unfinished: &Path, name: &str) -> Result<(), CliError> {
        for place in self.places(name) {
            match put(unfinished, &place) {
                Err(error) if is_taken(&error) && self.naming == Naming::Numbered => {}
                result => return result.map_err(|error| FileError::write(&place)(error).into()),
            }
        }
        Err(BatchError::Lost.into())
    }
}

/// Where in `dir` a folder of this name may lie.
pub(super) fn places(dir: &Path, naming: Naming, name: &str) -> impl Iterator<Item = PathBuf> {
    let last = if naming == Naming::Once { 1 } else { u32::MAX };
    let numbered = (2..=last).map(move |nth| format!("~{nth}"));
    let (dir, name) = (dir.to_owned(), name.to_owned());
    std::iter::once(String::new()).chain(numbered).map(move |end| dir.join(name.clone() + &end))
}

/// The folder of a principal, by the rule of `certs issue`.
pub(super) fn folder_name(principal: &str) -> String {
    // The authority certified it, so it is one.
    Principal::of_issued(principal).map_or_else(|_| principal.to_owned(), |p| p.folder_name())
}

fn write_file(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode).custom_flags(no_follow());
    options.open(path)?.write_all(bytes)
}

fn put(unfinished: &Path, place: &Path) -> io::Result<()> {
    match renameat_with(CWD, unfinished, CWD, place, RenameFlags::NOREPLACE) {
        // A file system without that flag: a rename replaces no folder that holds something.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => fs::rename(unfinished, place),
        result => Ok(result?),
    }
}

fn is_taken(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::AlreadyExists | io::ErrorKind::DirectoryNotEmpty)
}

fn is_empty(dir: &Path) -> bool {
    fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_none())
}

fn changed(path: &Path, what: &'static str) -> CliError {
    BatchError::OutputChanged { path: path.to_owned(), what }.into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use rustmq_pki::key::software::SoftwareKey;

    use super::*;
    use crate::batch::fixture;

    #[test]
    fn a_slice_that_was_half_written_is_written_again() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("fleet");
        let (slice, keys) = fixture::slice(0, 3);
        let chain = fixture::chain().1;
        let shared = || Shared::new(&chain, &[]);
        let mut folders = Folders::create(&dir, shared(), Naming::Once).unwrap();
        let before = folders.delivered;
        folders.deliver(&slice, &keys).unwrap();
        let names = ["app-0", "app-1", "app-2"];
        // As if the run had been killed between two renames.
        fs::rename(dir.join(names[1]), dir.join(".row-2.new")).unwrap();
        fs::remove_file(dir.join(".row-2.new/tls.key")).unwrap();
        let mut folders = Folders::resume(&dir, (shared(), Naming::Once), before).unwrap();
        folders.deliver(&slice, &keys).unwrap();
        assert_eq!(fs::read_dir(&dir).unwrap().count(), 3);
        for (nth, name) in names.into_iter().enumerate() {
            let key = dir.join(name).join("tls.key");
            assert_eq!(fs::metadata(&key).unwrap().permissions().mode() & 0o777, 0o600);
            let key = SoftwareKey::from_pkcs8_pem(&fs::read_to_string(key).unwrap()).unwrap();
            assert_eq!(&key.to_pkcs8().unwrap()[..], keys.get(nth).unwrap());
            let leaf = fs::read_to_string(dir.join(name).join(LEAF)).unwrap();
            assert!(leaf.starts_with(&slice[nth].certificate.to_pem()));
            assert!(dir.join(name).join("root.crt").exists());
        }
    }

    #[test]
    fn a_folder_that_is_not_ours_is_refused() {
        let root = tempfile::tempdir().unwrap();
        let dir = root.path().join("fleet");
        let chain = fixture::chain().1;
        let shared = || Shared::new(&chain, &[]);
        fs::create_dir(&dir).unwrap();
        let mut folders = Folders::create(&dir, shared(), Naming::Once).unwrap();
        fs::create_dir(dir.join("app-1")).unwrap();
        assert!(Folders::create(&dir, shared(), Naming::Once).is_err(), "it holds something");
        let (slice, keys) = fixture::slice(0, 3);
        assert!(folders.deliver(&slice, &keys).is_err());
        assert!(!dir.join("app-0").exists(), "nothing of the slice is named");
    }
}
