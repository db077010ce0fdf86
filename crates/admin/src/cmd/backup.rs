//! `backup`: the whole authority as one file.

use std::io::Write;

use clap::Args;
use rustmq_ca::BackupRequest;
use serde_json::json;

use crate::cmd::destination::Destination;
use crate::error::CliError;
use crate::files::{Existing, Mode, Staged};
use crate::output::{Card, Report, count, progress};
use crate::session::Session;

/// The CSV columns of a backup: keys of its JSON object.
const COLUMNS: &[&str] = &[
    "created_at",
    "signed_by",
    "manifest_sha256",
    "cas",
    "certificates",
    "audit_records",
    "profiles",
    "file",
];

/// Write the whole authority to one file, while it is in use: store, encrypted CA keys, profiles.
///
/// The file is signed by one of the CAs, and as secret as the data directory: who has it and the
/// passphrase has the CAs.
#[derive(Debug, Args)]
pub(crate) struct Backup {
    /// File to write (a tar, mode 0600); `-` for standard output
    #[arg(long, short, value_name = "FILE")]
    output: Destination,
    /// CA that signs: id, common name or beginning of its fingerprint [default: the newest that
    /// issues, a root only where there is no other]
    #[arg(long, value_name = "CA")]
    ca_id: Option<String>,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
}

impl Backup {
    /// Writes it.
    pub(crate) async fn run(&self, session: &Session) -> Result<Report, CliError> {
        let existing = Existing::by_force(self.force);
        self.output.check_free(existing, session)?;
        let request = BackupRequest { ca: self.ca_id.clone() };
        let Some(place) = self.output.file() else {
            session.output.refuse_binary_on_terminal()?;
            session.writer()?.backup(request, Box::new(std::io::stdout())).await?;
            return Ok(Report::silent());
        };
        let manager = session.writer()?;
        let (staged, file) = Staged::create(place, Mode::Private)?;
        let writer: Box<dyn Write + Send> = Box::new(progress::writing(session.output, file));
        let summary = manager.backup(request, writer).await?;
        staged.put(existing)?;
        let file = place.display().to_string();
        let holds = [
            count(summary.cas, "CA"),
            count(summary.certificates, "certificate"),
            count(summary.audit_records, "audit record"),
            count(summary.profiles, "profile"),
        ]
        .join(", ");
        let mut card = Card::new(["backup".to_owned(), format!("signed by {}", summary.signed_by)])
            .line("taken", summary.created_at.to_string())
            .line("holds", holds)
            .line("manifest", format!("sha256 {}", summary.manifest))
            .line("keys", "encrypted CA keys, under the passphrase of today");
        for root in &summary.roots {
            card = card.line("root", format!("sha256 {root}"));
        }
        let record = json!({
            "created_at": summary.created_at.to_string(), "signed_by": summary.signed_by,
            "manifest_sha256": summary.manifest.to_string(), "roots": summary.roots,
            "cas": summary.cas, "certificates": summary.certificates,
            "audit_records": summary.audit_records, "profiles": summary.profiles, "file": file,
        });
        Ok(Report::one(record, COLUMNS).card(card.line("file", file)))
    }
}
