//! What an archive holds, as its first member says it.

use rustmq_pki::key::Fingerprint;
use rustmq_pki::statement::{Statement, StatementKind};
use rustmq_pki::time::UnixTime;
use serde::{Deserialize, Serialize};

use super::BackupError;
use crate::attestation::Attestation;
use crate::profiles;

/// The first member.
pub(crate) const MANIFEST: &str = "manifest.json";
/// The second: who signed the first.
pub(crate) const SIGNATURE: &str = "manifest.sig";
/// The third: the store.
pub(crate) const STORE: &str = "authority.db";
/// Names the form of the archive.
pub(crate) const FORMAT: &str = "rustmq-pki backup 1";

/// Largest manifest, in octets: 10,000 members take 2 MB.
pub(crate) const MAX_MANIFEST: u64 = 4 << 20;
/// Largest signature member, in octets: a chain of ten ML-DSA-87 certificates takes 0.1 MB.
pub(crate) const MAX_SIGNATURE: u64 = 1 << 20;
/// Largest profile, in octets: those that are built in have some hundred.
pub(crate) const MAX_PROFILE: u64 = 1 << 20;
/// The most members beside manifest and signature.
const MAX_MEMBERS: usize = 10_000;

/// What an archive holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    pub(crate) format: String,
    /// RFC 3339.
    pub(crate) created_at: String,
    pub(crate) store: Contents,
    pub(crate) members: Vec<Member>,
}

/// What the store in it holds, read from the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Contents {
    pub(crate) schema_version: i64,
    pub(crate) audit: AuditHead,
    pub(crate) certificates: u64,
    /// SHA-256 of each root's present certificate.
    pub(crate) roots: Vec<String>,
    pub(crate) cas: Vec<ArchivedCa>,
}

/// How far the audit record has come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AuditHead {
    pub(crate) records: u64,
    pub(crate) head: String,
}

/// A CA in the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ArchivedCa {
    pub(crate) id: String,
    pub(crate) common_name: String,
    pub(crate) parent_id: Option<String>,
    /// SHA-256 of its present certificate.
    pub(crate) fingerprint: String,
}

/// A file in the archive.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Member {
    pub(crate) path: String,
    pub(crate) size: u64,
    pub(crate) sha256: String,
}

impl Manifest {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        // Numbers, strings and lists of them: there is nothing that could fail.
        let mut bytes = serde_json::to_vec_pretty(self).unwrap_or_default();
        bytes.push(b'\n');
        bytes
    }

    /// Reads a manifest whose every field can be followed.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, BackupError> {
        let malformed = |detail: String| BackupError::NotABackup { detail };
        let manifest: Self =
            serde_json::from_slice(bytes).map_err(|error| malformed(error.to_string()))?;
        if manifest.format != FORMAT {
            return Err(BackupError::OtherFormat { found: manifest.format, known: FORMAT });
        }
        manifest.created_at().ok_or_else(|| malformed("its time is no time".to_owned()))?;
        match manifest.members.split_first() {
            Some((store, profiles)) if store.path == STORE && profiles.len() < MAX_MEMBERS => {
                profiles.iter().try_for_each(check_profile).map_err(malformed)?;
            }
            _ => return Err(malformed(format!("it does not begin with {STORE}"))),
        }
        Ok(manifest)
    }

    /// When it was made; none if the text is no time, or another one when written again.
    pub(crate) fn created_at(&self) -> Option<UnixTime> {
        let at: UnixTime = self.created_at.parse().ok()?;
        (at.to_string() == self.created_at).then_some(at)
    }
}

fn check_profile(member: &Member) -> Result<(), String> {
    match profiles::archived_name(&member.path) {
        Some(_) if member.size <= MAX_PROFILE => Ok(()),
        Some(_) => Err(format!("{} has {} octets", member.path, member.size)),
        None => Err(format!("{:?} is no member of a backup", member.path)),
    }
}

/// What is signed of a manifest with these bytes.
pub(crate) fn statement(begun: Statement, manifest: &[u8]) -> Statement {
    begun.with("manifest-sha256", Fingerprint::of(manifest))
}

/// The signature as a member.
pub(crate) fn signature_bytes(attestation: &Attestation) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(attestation).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// Reads the signature of a manifest and checks that it holds. Whose signature it is shows the store.
pub(crate) fn read_signature(bytes: &[u8], manifest: &[u8]) -> Result<Attestation, BackupError> {
    let altered = || BackupError::Altered { member: SIGNATURE.to_owned() };
    let attestation: Attestation = serde_json::from_slice(bytes).map_err(|_| altered())?;
    if signature_bytes(&attestation) != bytes {
        return Err(altered());
    }
    let begun = attestation.begin(StatementKind::BackupManifest);
    match attestation.holds_for(&statement(begun, manifest)) {
        true => Ok(attestation),
        false => Err(BackupError::Signature { ca_id: attestation.ca_id().to_owned() }),
    }
}
