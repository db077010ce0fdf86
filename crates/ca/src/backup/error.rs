//! Why a backup is not made, or not restored.

use std::io;
use std::path::PathBuf;

use rustmq_pki::issuer::IssuingCaError;

use crate::error::ErrorKind;
use crate::info::{AuditFault, RevokedCa};

/// What is wrong with an archive, with what it is to be restored to, or with a CRL given beside it.
/// Nothing was put in place.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// The archive cannot be read.
    #[error("the archive cannot be read: {0}")]
    Read(io::Error),
    /// Another file, or a manifest that says nothing that could be followed.
    #[error("the archive is no backup of an authority: {detail}")]
    NotABackup {
        /// What is wrong with it.
        detail: String,
    },
    /// A later form of archive.
    #[error("the archive has the format {found:?}, and this program reads {known:?}")]
    OtherFormat {
        /// Its format.
        found: String,
        /// The one that is read.
        known: &'static str,
    },
    /// It ends too early.
    #[error("the archive is truncated: it ends within {member}")]
    Truncated {
        /// The member, or what belongs there.
        member: String,
    },
    /// A member is not what was written.
    #[error("the archive is damaged or was altered: {member} is not as it was written")]
    Altered {
        /// The member.
        member: String,
    },
    /// Something that no backup holds.
    #[error("the archive was altered: it holds {found}, where {expected} belongs")]
    UnexpectedMember {
        /// What stands there: a link, a device, a path that leads elsewhere, another file.
        found: String,
        /// What belongs there.
        expected: String,
    },
    /// Bytes behind the end.
    #[error("the archive was altered: bytes follow its end")]
    Trailing,
    /// The manifest is not what was signed.
    #[error("the archive was altered: the signature of {ca_id} does not hold for its manifest")]
    Signature {
        /// The CA that is said to have signed.
        ca_id: String,
    },
    /// The manifest was signed by a key that is no CA's of the store in the archive.
    #[error("the archive was altered: its manifest was signed by no CA of the store in it")]
    ForeignSigner,
    /// The store's file does not hold together.
    #[error("the store in the archive is damaged: {detail}")]
    Store {
        /// What the database found.
        detail: String,
    },
    /// A later version of this program wrote the store.
    #[error(
        "the store in the archive has schema version {found}, and this program knows versions up to \
         {supported}; use the newer program"
    )]
    NewerStore {
        /// Its schema version.
        found: i64,
        /// The newest that this program knows.
        supported: i64,
    },
    /// The audit chain is broken.
    #[error("the audit record is broken: {0}")]
    Audit(AuditFault),
    /// A CA's certificate that the CA above it did not sign.
    #[error("the certificate {serial} of {ca_id} is not signed by the CA above it")]
    Hierarchy {
        /// The CA's id.
        ca_id: String,
        /// The certificate's serial number.
        serial: String,
    },
    /// A certificate that stands as a CA's and is none, or not one at that place.
    #[error(
        "the certificate {serial}, which stands as one of {ca_id}, cannot be a CA's there: {error}"
    )]
    NotACa {
        /// The CA's id.
        ca_id: String,
        /// The certificate's serial number.
        serial: String,
        /// The rule that it breaks.
        error: IssuingCaError,
    },
    /// What the store says of a CA is not what its certificates and its key say.
    #[error("what the store says of {ca_id} does not fit its certificates: {what}")]
    Unfit {
        /// The CA's id.
        ca_id: String,
        /// What does not fit.
        what: &'static str,
    },
    /// A CA without its key.
    #[error("the store holds no key of {ca_id}")]
    KeyMissing {
        /// The CA's id.
        ca_id: String,
    },
    /// The store is not the one that the manifest describes.
    #[error("the archive was altered: its store has another {what} than its manifest")]
    Disagrees {
        /// What differs.
        what: &'static str,
    },
    /// A file of the user's is too large or has too long a name to be archived.
    #[error("{} cannot be archived: {why}", path.display())]
    Profile {
        /// The file.
        path: PathBuf,
        /// Why.
        why: &'static str,
    },
    /// The root is another one than the caller expects.
    #[error(
        "the archive is of another authority: no root with the SHA-256 {expected} vouches for it; its \
         roots: {}", found.join(", ")
    )]
    OtherRoot {
        /// The fingerprint expected.
        expected: String,
        /// Those of the archive's roots.
        found: Vec<String>,
    },
    /// The root is the one that the caller expects, and the key of the signer, or of a CA above it, is in
    /// other hands: anybody may have made the archive.
    #[error(
        "nothing proves that the archive is of your authority: {ca_id} signed it, and {revoked}; \
         whoever has that key could have made it"
    )]
    CompromisedSigner {
        /// The CA that signed the manifest.
        ca_id: String,
        /// It, or the CA above it whose key is in other hands.
        revoked: RevokedCa,
    },
    /// Something stands where the authority is to be restored.
    #[error("{} is not empty: an authority is restored into a directory that is empty or absent", path.display())]
    NotEmpty {
        /// The data directory.
        path: PathBuf,
    },
    /// A CRL that cannot be read, or is not the complete list of one CA.
    #[error("{name} is no complete CRL of a CA: {detail}")]
    NotACrl {
        /// As the caller named it.
        name: String,
        /// What is wrong with it.
        detail: String,
    },
    /// A CRL that none of the store's CAs signed.
    #[error("{name} is not a CRL of this authority: none of its CAs signed it (issuer {issuer})")]
    ForeignCrl {
        /// As the caller named it.
        name: String,
        /// Its issuer's name.
        issuer: String,
    },
}

impl BackupError {
    /// A name for machines that stays as it is.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Read(_) => "backup_unreadable",
            Self::NotABackup { .. } => "not_a_backup",
            Self::OtherFormat { .. } => "backup_format",
            Self::Truncated { .. } => "backup_truncated",
            Self::Altered { .. }
            | Self::UnexpectedMember { .. }
            | Self::Trailing
            | Self::Signature { .. }
            | Self::ForeignSigner
            | Self::Disagrees { .. } => "backup_altered",
            Self::Store { .. }
            | Self::KeyMissing { .. }
            | Self::Hierarchy { .. }
            | Self::NotACa { .. }
            | Self::Unfit { .. } => "backup_store_damaged",
            Self::NewerStore { .. } => "backup_newer",
            Self::Audit(_) => "audit_broken",
            Self::Profile { .. } => "profile_not_archivable",
            Self::OtherRoot { .. } => "other_root",
            Self::CompromisedSigner { .. } => "signer_compromised",
            Self::NotEmpty { .. } => "data_directory_not_empty",
            Self::NotACrl { .. } => "invalid_crl",
            Self::ForeignCrl { .. } => "foreign_crl",
        }
    }

    /// Whose matter it is.
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Read(_) => ErrorKind::NotFound,
            Self::NotEmpty { .. } => ErrorKind::Store,
            _ => ErrorKind::Refused,
        }
    }
}
