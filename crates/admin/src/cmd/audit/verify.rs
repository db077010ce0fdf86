//! `audit verify`: whether the record is whole, and how far that is proven.

use std::path::{Path, PathBuf};

use clap::Args;
use rustmq_ca::{AnchoredVerdict, AuditCheckpoint, CheckpointError, Error, RevokedCa};

use crate::cmd::input;
use crate::cmd::show::to_json;
use crate::error::CliError;
use crate::output::{Card, Report, Tone, count};
use crate::session::Session;

/// Check that no record was edited, dropped or moved; with --anchor, that none was cut off the end.
#[derive(Debug, Args)]
pub(crate) struct Verify {
    /// Checkpoint of this record, from `audit checkpoint`: no record that it covers may be missing
    #[arg(long, value_name = "FILE")]
    anchor: Option<PathBuf>,
}

/// The CSV columns of a verdict: keys of its JSON object. A fault is its object, the revoked signer its id.
const COLUMNS: &[&str] = &["records", "head", "fault", "valid", "anchored", "signer_revoked"];

/// What is said of a chain that is whole when nothing shows where it should end.
const UNPROVEN: &str = "that no record was cut off the end is not proven: keep a checkpoint (rustmq-admin audit \
     checkpoint --output FILE) on another machine, and verify with --anchor FILE";

impl Verify {
    /// Verifies.
    pub(crate) async fn run(&self, session: &Session) -> Result<Report, CliError> {
        let anchor = self.anchor.as_deref().map(checkpoint).transpose()?;
        let manager = session.reader()?;
        let at = anchor.as_ref().map(AuditCheckpoint::at);
        let (verdict, anchored, revoked) = match anchor {
            None => (manager.audit_verify().await?, None, None),
            Some(anchor) => {
                let AnchoredVerdict { verdict, anchored, signer_revoked } =
                    manager.audit_verify_anchored(anchor).await?;
                (verdict, Some(anchored), signer_revoked)
            }
        };
        let whole = verdict.fault.is_none();
        let (word, tone) = if whole { ("whole", Tone::Good) } else { ("broken", Tone::Bad) };
        let proven = match (anchored, at) {
            (Some(number), Some(at)) => format!("up to record {number}, by the checkpoint of {at}"),
            _ => "no: no checkpoint was given".to_owned(),
        };
        let card = Card::new(["audit"])
            .toned("chain", word, tone)
            .maybe("fault", verdict.fault.as_ref().map(ToString::to_string))
            .line("records", count(verdict.records, "record"))
            .maybe("head", verdict.head.as_ref())
            .maybe("end proven", whole.then_some(proven));
        let unproven = whole && anchored.is_none();
        let mut record = to_json(&verdict);
        record["valid"] = whole.into();
        record["anchored"] = anchored.filter(|_| whole).into();
        record["signer_revoked"] = to_json(&revoked.as_ref().map(|ca| &ca.ca_id));
        Ok(Report::one(record, COLUMNS)
            .with("signer_revoked", to_json(&revoked))
            .card(card)
            .notes(revoked.as_ref().map(signer_note))
            .notes(unproven.then(|| UNPROVEN.to_owned()))
            .refused(!whole))
    }
}

/// What a checkpoint is worth whose signer was revoked since.
fn signer_note(revoked: &RevokedCa) -> String {
    let worth = match revoked.is_compromised() {
        true => {
            "the checkpoint bears an earlier date, and counts only if its file was kept where whoever \
                 has that key could not replace it"
        }
        false => "the checkpoint counts all the same; make the next one, which another CA signs",
    };
    format!("of the CAs that vouch for the checkpoint, {revoked}: {worth}")
}

/// Reads a checkpoint. A file that is none is a mistake on the command line; one that was altered is
/// refused.
fn checkpoint(path: &Path) -> Result<AuditCheckpoint, CliError> {
    AuditCheckpoint::from_json(&input::bytes(path)?).map_err(|error| match error {
        CheckpointError::Malformed { .. } => {
            CliError::Unusable { path: path.display().to_string(), why: error.to_string() }
        }
        other => Error::from(other).into(),
    })
}
