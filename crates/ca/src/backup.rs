//! Backup and restore: the whole authority as one file, and back.
//!
//! The archive is a tar of four kinds of members, in this order: `manifest.json` says what the others
//! are and what the store holds; `manifest.sig` is the signature of one of the store's CAs over it;
//! `authority.db` is the store, its CA keys encrypted as they always are; `profiles/NAME.toml` are the
//! user's profiles. [`archive`] knows every octet of it, [`manifest`] what it says, [`survey`] what a
//! store holds, [`staging`] how a data directory comes into being whole, [`later`] what CRLs say that
//! are newer than the backup.

mod archive;
mod error;
mod later;
mod manifest;
mod pack;
mod staging;
mod survey;
mod unpack;

use std::io::Read;

use rustmq_pki::key::Fingerprint;
use rustmq_pki::time::UnixTime;

use crate::info::RevokedCa;
pub use error::BackupError;
pub use later::GivenCrl;
pub(crate) use later::revoked_by;
pub(crate) use pack::Packed;
pub(crate) use survey::{Survey, survey};
pub(crate) use unpack::Unpacked;

/// Asks for a backup.
#[derive(Clone, Debug, Default)]
pub struct BackupRequest {
    /// The CA that signs the manifest: id, common name or fingerprint prefix. None takes the newest
    /// that issues, a root only where there is no other.
    pub ca: Option<String>,
}

/// What a backup holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackupSummary {
    /// When it was made.
    pub created_at: UnixTime,
    /// The CA that signed its manifest.
    pub signed_by: String,
    /// SHA-256 of its manifest: names this backup, and stands in the audit record.
    pub manifest: Fingerprint,
    /// SHA-256 of each root's present certificate.
    pub roots: Vec<String>,
    /// How many CAs it holds.
    pub cas: u64,
    /// How many certificates, those of CAs among them.
    pub certificates: u64,
    /// How many audit records.
    pub audit_records: u64,
    /// How many profiles of the user's.
    pub profiles: u64,
}

/// Asks to restore a backup.
pub struct RestoreRequest {
    /// The archive. It is read once, from its beginning to its end.
    pub archive: Box<dyn Read + Send>,
    /// SHA-256 of the root that has to be above the CA that signed the archive, and of further roots
    /// that have to be in it. Empty: any.
    pub expected_roots: Vec<Fingerprint>,
    /// CRLs of the authority's that are later than the backup: what they revoke is revoked in the
    /// restored store, too.
    pub crls: Vec<GivenCrl>,
}

/// An authority that was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// When the backup was made.
    pub taken_at: UnixTime,
    /// The CA that signed its manifest.
    pub signed_by: String,
    /// SHA-256 of its manifest.
    pub manifest: Fingerprint,
    /// Its roots.
    pub roots: Vec<RestoredRoot>,
    /// Who vouches for it.
    pub origin: Origin,
    /// The CA that signed its manifest, or one above it, if it is revoked in the backup or by a list that
    /// was given.
    pub signer_revoked: Option<RevokedCa>,
    /// How many CAs it holds.
    pub cas: u64,
    /// How many certificates, those of CAs among them.
    pub certificates: u64,
    /// The id of the newest of them. The next one that is issued takes the id after it, which the
    /// authority may have given out since the backup.
    pub newest_certificate: Option<String>,
    /// How many audit records the backup holds.
    pub audit_records: u64,
    /// How many profiles of the user's.
    pub profiles: u64,
    /// Serial numbers that were being issued when the backup was made: a certificate may exist, so they
    /// are abandoned and will be on the next CRL.
    pub abandoned: u64,
    /// What each CRL added.
    pub crls: Vec<MergedCrl>,
    /// The CAs whose next CRL may say more than the newest that there is: all but those of which a later
    /// one was given that says all.
    pub crls_due: Vec<String>,
}

/// A root of a restored authority.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct RestoredRoot {
    /// Its id.
    pub id: String,
    /// Its common name.
    pub common_name: String,
    /// SHA-256 of its present certificate, hexadecimal.
    pub fingerprint: String,
}

/// Who vouches for an archive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// A CA under the root that the caller expects.
    Expected,
    /// The same, and it or a CA above it was revoked, for another reason than that its key is in other
    /// hands, or is on hold.
    Revoked,
    /// A CA in the archive itself: it is whole, and it may be anybody's.
    Unproven,
}

/// What a CRL added to a restored store.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct MergedCrl {
    /// As the caller named it.
    pub name: String,
    /// The CA that signed it.
    pub ca_id: String,
    /// Its number.
    pub number: u64,
    /// Whether it is later than the one in the backup. One that is not adds nothing.
    pub is_later: bool,
    /// Certificates of the store that are now revoked or on hold.
    pub revoked: u64,
    /// Serial numbers that the store does not know, kept on the CA's CRL until the CA itself ends.
    pub unknown: u64,
    /// Serial numbers on hold in the backup that it does not list: they were released since, and are
    /// still on hold here.
    pub released: Vec<String>,
}
