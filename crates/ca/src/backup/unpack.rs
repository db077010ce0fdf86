//! Reading an archive into a directory in the making.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{BufReader, Read};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use rustmq_pki::key::Fingerprint;
use rustmq_pki::time::UnixTime;

use super::archive::ArchiveReader;
use super::manifest::{
    Contents, MANIFEST, MAX_MANIFEST, MAX_SIGNATURE, Manifest, Member, SIGNATURE, STORE,
    read_signature,
};
use super::staging::Staging;
use super::survey::Survey;
use super::{BackupError, Origin};
use crate::Error;
use crate::attestation::Attestation;
use crate::store::{check_file, check_file_system, io_error, sync_directory};

/// What is read at a time, in octets.
const BUFFER: usize = 1 << 16;

/// An archive whose files are on the disk and as its manifest says, the manifest as it was signed, and
/// the store a whole database. Whose it is, and what it holds, shows the survey.
#[derive(Debug)]
pub(crate) struct Unpacked {
    staging: Staging,
    manifest: Manifest,
    attestation: Attestation,
    /// SHA-256 of the manifest.
    pub(crate) digest: Fingerprint,
    pub(crate) taken_at: UnixTime,
}

impl Unpacked {
    /// Unpacks beside a data directory that is empty or absent. Blocks. Dropped, it leaves nothing.
    pub(crate) fn new(archive: Box<dyn Read + Send>, data_dir: &Path) -> Result<Self, Error> {
        check_file_system(data_dir)?;
        let staging = Staging::new(data_dir)?;
        let mut reader = ArchiveReader::new(BufReader::with_capacity(BUFFER, archive));
        let first = reader.first(MANIFEST, MAX_MANIFEST)?;
        let manifest = Manifest::read(&first.bytes)?;
        // `read` has seen to it that there is one.
        let at = manifest.created_at().unwrap_or(UnixTime::MIN);
        let bytes = first.check(at)?;
        let signature = reader.sized(SIGNATURE, MAX_SIGNATURE, at)?;
        let attestation = read_signature(&signature, &bytes)?;
        for member in &manifest.members {
            unpack(&mut reader, member, at, staging.path())?;
        }
        reader.finish()?;
        sync_all(staging.path())?;
        let digest = Fingerprint::of(&bytes);
        let unpacked = Self { staging, manifest, attestation, digest, taken_at: at };
        unpacked.check_store()?;
        Ok(unpacked)
    }

    fn check_store(&self) -> Result<(), Error> {
        let version =
            check_file(&self.staging.path().join(STORE)).map_err(|error| match error {
                Error::CorruptStore { detail, .. } | Error::Store { detail, .. } => {
                    BackupError::Store { detail }.into()
                }
                Error::ForeignStore { .. } => {
                    let detail = "it is a database of another program".to_owned();
                    Error::from(BackupError::Store { detail })
                }
                Error::NewerStore { found, supported, .. } => {
                    BackupError::NewerStore { found, supported }.into()
                }
                other => other,
            })?;
        match version == self.schema_version() {
            true => Ok(()),
            false => Err(BackupError::Disagrees { what: "schema version" }.into()),
        }
    }

    /// Where the data directory is in the making.
    pub(crate) fn path(&self) -> &Path {
        self.staging.path()
    }

    /// The version that the store had when it was archived.
    pub(crate) fn schema_version(&self) -> i64 {
        self.manifest.store.schema_version
    }

    /// The id of the CA that signed.
    pub(crate) fn signed_by(&self) -> &str {
        self.attestation.ca_id()
    }

    /// How many profiles there are.
    pub(crate) fn profiles(&self) -> u64 {
        self.manifest.members.len().saturating_sub(1) as u64
    }

    /// Refuses a store that is not the one that was signed for, a signer that is no CA of it, and one
    /// under no root that the caller expects.
    pub(crate) fn check_origin(
        &self,
        survey: &Survey,
        expected: &[Fingerprint],
    ) -> Result<Origin, BackupError> {
        if let Some(what) = difference(&survey.contents, &self.manifest.store) {
            return Err(BackupError::Disagrees { what });
        }
        let roots = survey.vouched_by(&self.attestation).ok_or(BackupError::ForeignSigner)?;
        let Some(first) = expected.first() else { return Ok(Origin::Unproven) };
        let other = |expected: &Fingerprint| BackupError::OtherRoot {
            expected: expected.to_string(),
            found: self.manifest.store.roots.clone(),
        };
        if !expected.iter().any(|expected| roots.contains(&expected.to_string())) {
            return Err(other(first));
        }
        match expected.iter().find(|expected| !survey.has_root(expected)) {
            Some(missing) => Err(other(missing)),
            None => Ok(Origin::Expected),
        }
    }

    /// Gives the data directory its name. Blocks.
    pub(crate) fn put(self) -> Result<(), Error> {
        self.staging.put()
    }
}

fn unpack<R: Read>(
    reader: &mut ArchiveReader<R>,
    member: &Member,
    at: UnixTime,
    into: &Path,
) -> Result<(), Error> {
    let path = into.join(&member.path);
    let failed = |error| io_error(&path, error);
    if let Some(folder) = path.parent() {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
        made.map_err(failed)?;
    }
    let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path);
    let mut file = opened.map_err(failed)?;
    let digest = reader.member(&member.path, member.size, at, &mut file)?.map_err(failed)?;
    if digest.to_string() != member.sha256 {
        return Err(BackupError::Altered { member: member.path.clone() }.into());
    }
    file.sync_all().map_err(failed)
}

/// Makes the names of what was unpacked durable.
fn sync_all(directory: &Path) -> Result<(), Error> {
    let entries = directory.read_dir().map_err(|error| io_error(directory, error))?;
    for entry in entries {
        let path = entry.map_err(|error| io_error(directory, error))?.path();
        if path.is_dir() {
            sync_directory(&path)?;
        }
    }
    File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|error| io_error(directory, error))
}

fn difference(store: &Contents, manifest: &Contents) -> Option<&'static str> {
    let differs = [
        ("audit record", store.audit != manifest.audit),
        ("number of certificates", store.certificates != manifest.certificates),
        ("list of roots", store.roots != manifest.roots),
        ("list of CAs", store.cas != manifest.cas),
    ];
    differs.into_iter().find_map(|(what, differs)| differs.then_some(what))
}
