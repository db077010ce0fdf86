//! Checkpoints of the audit record: signed, kept outside, so that a lost tail is noticed.
//!
//! The hash chain alone shows that no record before another was changed. Whoever cuts records off its
//! end leaves a shorter chain that is whole. A checkpoint says how many records there were and what
//! the newest one's hash was; a store whose chain does not hold that record any more has lost it.

use rustmq_pki::statement::{Statement, StatementKind};
use rustmq_pki::time::UnixTime;
use serde::{Deserialize, Serialize};

use crate::attestation::Attestation;
use crate::info::{AuditVerdict, RevokedCa};

/// Names the form of the file.
const FORMAT: &str = "rustmq-pki audit checkpoint 1";

/// How far an audit record had come, signed by one of its CAs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct AuditCheckpoint {
    records: u64,
    head: String,
    at: UnixTime,
    attestation: Attestation,
}

/// The same as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    format: String,
    records: u64,
    head: String,
    at: String,
    signature: Attestation,
}

/// Why a file proves nothing about an audit record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CheckpointError {
    /// Not a checkpoint at all, or one of a form that this version does not know.
    #[error("it is no audit checkpoint: {detail}")]
    Malformed {
        /// What is wrong with it.
        detail: String,
    },
    /// The signature is not one over what the checkpoint says.
    #[error("the checkpoint was altered: the signature of {ca_id} does not hold for what it says")]
    Signature {
        /// The CA that is said to have signed.
        ca_id: String,
    },
    /// The signer is no CA of this store.
    #[error(
        "the checkpoint is of another authority: it was signed by {ca_id} (sha256 {signer}), and no \
         CA of this store has that key"
    )]
    ForeignSigner {
        /// The CA that is said to have signed.
        ca_id: String,
        /// SHA-256 of its certificate.
        signer: String,
    },
    /// The signer's key, or that of a CA above it, was in other hands when it was made.
    #[error(
        "the checkpoint proves nothing: it was signed by {ca_id} at {at}, and {revoked}; whoever has \
         that key could have made it"
    )]
    CompromisedSigner {
        /// The CA that signed.
        ca_id: String,
        /// When.
        at: UnixTime,
        /// It, or the CA above it whose key is in other hands.
        revoked: RevokedCa,
    },
}

/// What `verify` found with a checkpoint beside the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnchoredVerdict {
    /// What the chain itself shows, and whether it holds the record that the checkpoint names.
    pub verdict: AuditVerdict,
    /// No record up to this one is missing, if there is no fault; later ones are not covered.
    pub anchored: u64,
    /// The signer, or a CA above it, if it was revoked since. Where its key is in other hands, the
    /// checkpoint counts as far as nobody could replace the file since.
    pub signer_revoked: Option<RevokedCa>,
}

impl AuditCheckpoint {
    /// How many records there were: the number of the newest.
    pub fn records(&self) -> u64 {
        self.records
    }

    /// The hash of the newest record, hexadecimal.
    pub fn head(&self) -> &str {
        &self.head
    }

    /// When it was made.
    pub fn at(&self) -> UnixTime {
        self.at
    }

    /// Who signed it.
    pub fn attestation(&self) -> &Attestation {
        &self.attestation
    }

    /// Reads a file's bytes and checks that its signature holds for what it says. Whose signature it
    /// is shows the store.
    pub fn from_json(bytes: &[u8]) -> Result<Self, CheckpointError> {
        let checkpoint: Self = serde_json::from_slice(bytes)
            .map_err(|error| CheckpointError::Malformed { detail: error.to_string() })?;
        match checkpoint.attestation.holds_for(&checkpoint.statement()) {
            true => Ok(checkpoint),
            false => {
                let ca_id = checkpoint.attestation.ca_id().to_owned();
                Err(CheckpointError::Signature { ca_id })
            }
        }
    }

    /// The file's content: one JSON object.
    pub fn to_json(&self) -> String {
        // Numbers, strings and lists of them: there is nothing that could fail.
        let mut text = serde_json::to_string_pretty(self).unwrap_or_default();
        text.push('\n');
        text
    }

    /// What is to be signed before there is a checkpoint.
    pub(crate) fn unsigned(begun: Statement, records: u64, head: &str, at: UnixTime) -> Statement {
        begun.with("records", records).with("head", head).with("at", at)
    }

    pub(crate) fn signed(
        records: u64,
        head: String,
        at: UnixTime,
        attestation: Attestation,
    ) -> Self {
        Self { records, head, at, attestation }
    }

    fn statement(&self) -> Statement {
        let begun = self.attestation.begin(StatementKind::AuditCheckpoint);
        Self::unsigned(begun, self.records, &self.head, self.at)
    }

    /// That the signer's key is no CA's of the store.
    pub(crate) fn foreign(&self) -> CheckpointError {
        CheckpointError::ForeignSigner {
            ca_id: self.attestation.ca_id().to_owned(),
            signer: self.attestation.signer().fingerprint().to_string(),
        }
    }

    /// That it was made when the signer's key was in other hands already.
    pub(crate) fn compromised(&self, revoked: &RevokedCa) -> Option<CheckpointError> {
        let made_late = revoked.is_compromised() && self.at > revoked.untrusted_since();
        made_late.then(|| CheckpointError::CompromisedSigner {
            ca_id: self.attestation.ca_id().to_owned(),
            at: self.at,
            revoked: revoked.clone(),
        })
    }
}

impl From<AuditCheckpoint> for Written {
    fn from(checkpoint: AuditCheckpoint) -> Self {
        Self {
            format: FORMAT.to_owned(),
            records: checkpoint.records,
            head: checkpoint.head,
            at: checkpoint.at.to_string(),
            signature: checkpoint.attestation,
        }
    }
}

impl TryFrom<Written> for AuditCheckpoint {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        if written.format != FORMAT {
            return Err(format!("its format is {:?}, and not {FORMAT:?}", written.format));
        }
        let digit = |c: u8| matches!(c, b'0'..=b'9' | b'a'..=b'f');
        if written.head.len() != 64 || !written.head.bytes().all(digit) {
            return Err("its head is no SHA-256 in lower-case hexadecimal".to_owned());
        }
        let at: UnixTime = written.at.parse().map_err(|error| format!("{error}"))?;
        if at.to_string() != written.at {
            return Err(format!("its time is not written as {at}"));
        }
        let (records, head) = (written.records, written.head);
        Ok(Self { records, head, at, attestation: written.signature })
    }
}
