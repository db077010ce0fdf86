//! `certs export`: one certificate, or everything.

use std::io::Write;

use clap::Args;
use serde_json::json;

use crate::cli::{Encoding, plain_serial};
use crate::cmd::destination::{self, Destination};
use crate::cmd::show::to_json;
use crate::error::CliError;
use crate::files::{Existing, Mode, Staged};
use crate::output::{Card, Report, count, progress};
use crate::session::Session;

/// Write one certificate to a file, or everything but the private keys to an archive.
#[derive(Debug, Args)]
pub(crate) struct Export {
    #[command(flatten)]
    what: What,
    /// File to write; `-` for standard output
    #[arg(long, short, value_name = "FILE")]
    output: Destination,
    /// Add the certificates of the CAs above it, without the root
    #[arg(long, conflicts_with = "all")]
    chain: bool,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
}

/// One certificate, or everything.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct What {
    /// The certificate: id or serial number
    #[arg(value_name = "CERTIFICATE")]
    certificate: Option<String>,
    /// The same as a flag
    #[arg(long, value_name = "CERTIFICATE")]
    cert_id: Option<String>,
    /// Everything but private keys, as tar.gz: certificates, chains, CRLs, profiles, audit and a
    /// manifest with the SHA-256 of each file
    #[arg(long)]
    all: bool,
}

impl Export {
    /// Whether it writes certificates in an encoding of the user's choice.
    pub(crate) fn takes_encoding(&self) -> bool {
        !self.what.all
    }

    /// Writes it.
    pub(crate) async fn run(&self, session: &Session) -> Result<Report, CliError> {
        let existing = Existing::by_force(self.force);
        self.output.check_free(existing, session)?;
        match self.what.certificate.as_ref().or(self.what.cert_id.as_ref()) {
            Some(certificate) => self.one(session, certificate, existing).await,
            None => self.all(session, existing).await,
        }
    }

    async fn one(
        &self,
        session: &Session,
        name: &str,
        existing: Existing,
    ) -> Result<Report, CliError> {
        if self.chain && session.encoding() == Encoding::Der {
            return Err(CliError::DER_HOLDS_ONE);
        }
        let bundle = session.reader()?.bundle(&plain_serial(name)).await?;
        let mut certificates = vec![&bundle.certificate];
        if self.chain {
            certificates.extend(bundle.chain.split_last().map_or(&[][..], |(_root, cas)| cas));
        }
        let bytes = destination::certificates(&certificates, session.encoding());
        self.output.write(&bytes, existing, session.output)?;
        let Some(file) = self.output.file() else { return Ok(Report::silent()) };
        let info = &bundle.info;
        let record = json!({
            "id": info.id, "principal": info.principal, "serial": info.serial,
            "fingerprint": info.fingerprint, "certificates": certificates.len(), "file": file,
        });
        let columns = &["id", "principal", "serial", "fingerprint", "certificates", "file"];
        let card = Card::new([&info.principal, &info.id])
            .line("fingerprint", format!("sha256 {}", info.fingerprint))
            .line("file", file.display().to_string());
        Ok(Report::one(record, columns).card(card))
    }

    async fn all(&self, session: &Session, existing: Existing) -> Result<Report, CliError> {
        let manager = match session.reader() {
            // A backup of nothing is an empty archive, and a mistyped directory shall be noticed.
            Err(error) if error.is_missing_data_directory() => {
                session.output.note(&format!("{error}; the archive is empty"));
                session.archivist()?
            }
            manager => manager?,
        };
        let Some(place) = self.output.file() else {
            session.output.refuse_binary_on_terminal()?;
            manager.export_all(Box::new(std::io::stdout())).await?;
            return Ok(Report::silent());
        };
        let (staged, file) = Staged::create(place, Mode::Private)?;
        let writer: Box<dyn Write + Send> = Box::new(progress::writing(session.output, file));
        let summary = manager.export_all(writer).await?;
        staged.put(existing)?;
        let file = place.display().to_string();
        let holds = [
            count(summary.certificates, "certificate"),
            count(summary.crls, "CRL"),
            count(summary.audit_records, "audit record"),
            "no private keys".to_owned(),
        ]
        .join(", ");
        let card = Card::new(["exported"]).line("holds", holds).line("file", &file);
        let mut record = to_json(&summary);
        record["file"] = file.into();
        let columns = &["certificates", "crls", "audit_records", "audit_lines", "files", "file"];
        Ok(Report::one(record, columns).card(card))
    }
}
