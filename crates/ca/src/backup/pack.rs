//! Making an archive.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use rustmq_pki::key::Fingerprint;
use rustmq_pki::statement::Statement;
use rustmq_pki::time::UnixTime;

use super::archive::{self, ArchiveWriter};
use super::manifest::{
    FORMAT, MANIFEST, MAX_PROFILE, Manifest, Member, SIGNATURE, STORE, signature_bytes, statement,
};
use super::survey::survey;
use super::{BackupError, BackupSummary};
use crate::Error;
use crate::attestation::Attestation;
use crate::profiles::Profiles;
use crate::store::{Snapshot, Store, check_file, io_error};

/// All that an archive will hold, its manifest not yet signed.
pub(crate) struct Packed {
    snapshot: Snapshot,
    profiles: Vec<(String, Vec<u8>)>,
    manifest: Manifest,
    bytes: Vec<u8>,
    created_at: UnixTime,
}

impl Packed {
    /// Takes a snapshot of a live store, and checks of it what a restore would check. Blocks.
    pub(crate) fn new(store: &Store, profiles: &Profiles, now: UnixTime) -> Result<Self, Error> {
        let profiles = read_profiles(profiles)?;
        let snapshot = store.snapshot()?;
        let version = check_file(snapshot.path())?;
        let surveyed = snapshot.read(|connection| survey(connection, version))?;
        let failed = |error| io_error(snapshot.path(), error);
        let mut file = File::open(snapshot.path()).map_err(failed)?;
        let (size, sha256) = archive::copy(&mut file, &mut io::sink()).map_err(failed)?;
        let store = Member { path: STORE.to_owned(), size, sha256: sha256.to_string() };
        let members = std::iter::once(store).chain(profiles.iter().map(|(path, bytes)| Member {
            path: path.clone(),
            size: bytes.len() as u64,
            sha256: Fingerprint::of(bytes).to_string(),
        }));
        let manifest = Manifest {
            format: FORMAT.to_owned(),
            created_at: now.to_string(),
            store: surveyed.contents,
            members: members.collect(),
        };
        let bytes = manifest.to_bytes();
        // What could not be read back is not written.
        Manifest::read(&bytes)?;
        Ok(Self { snapshot, profiles, manifest, bytes, created_at: now })
    }

    /// What is to be signed.
    pub(crate) fn statement(&self, begun: Statement) -> Statement {
        statement(begun, &self.bytes)
    }

    /// Writes the archive. Blocks; holds no more of the store in memory than a chunk.
    pub(crate) fn write(
        self,
        attestation: &Attestation,
        output: Box<dyn Write + Send>,
    ) -> Result<BackupSummary, Error> {
        self.write_members(attestation, output).map_err(Error::Archive)?;
        let store = self.manifest.store;
        Ok(BackupSummary {
            created_at: self.created_at,
            signed_by: attestation.ca_id().to_owned(),
            manifest: Fingerprint::of(&self.bytes),
            roots: store.roots,
            cas: store.cas.len() as u64,
            certificates: store.certificates,
            audit_records: store.audit.records,
            profiles: self.profiles.len() as u64,
        })
    }

    fn write_members(
        &self,
        attestation: &Attestation,
        output: Box<dyn Write + Send>,
    ) -> io::Result<()> {
        let mut writer = ArchiveWriter::new(output, self.created_at);
        writer.add(MANIFEST, self.bytes.len() as u64, &mut &self.bytes[..])?;
        let signature = signature_bytes(attestation);
        writer.add(SIGNATURE, signature.len() as u64, &mut &signature[..])?;
        let mut store = File::open(self.snapshot.path())?;
        let size = self.manifest.members.first().map_or(0, |store| store.size);
        writer.add(STORE, size, &mut store)?;
        for (path, bytes) in &self.profiles {
            writer.add(path, bytes.len() as u64, &mut &bytes[..])?;
        }
        writer.finish()
    }
}

fn read_profiles(profiles: &Profiles) -> Result<Vec<(String, Vec<u8>)>, Error> {
    profiles
        .files()?
        .into_iter()
        .map(|(path, file)| Ok((path.clone(), read(&path, &file)?)))
        .collect()
}

fn read(path: &str, file: &Path) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let opened = File::open(file).map_err(|error| io_error(file, error))?;
    let read = opened.take(MAX_PROFILE + 1).read_to_end(&mut bytes);
    read.map_err(|error| io_error(file, error))?;
    let refuse = |why| BackupError::Profile { path: file.to_owned(), why };
    if bytes.len() as u64 > MAX_PROFILE {
        return Err(refuse("it is larger than 1 MiB").into());
    }
    match archive::has_room_for(path) {
        true => Ok(bytes),
        false => Err(refuse("its name is too long").into()),
    }
}
