//! `ca crl`: a CA's revocation list.

use clap::Args;
use rustmq_ca::{CrlPublication, CrlRefresh};

use crate::cli::CaName;
use crate::cmd::destination::{self, Destination};
use crate::cmd::show::crl_json;
use crate::cmd::unsigned;
use crate::error::CliError;
use crate::files::Existing;
use crate::output::{Card, Report, count};
use crate::session::Session;

/// The CSV columns of a CRL: keys of its JSON object.
const COLUMNS: &[&str] =
    &["ca_id", "number", "this_update", "next_update", "revoked", "signed", "file"];

/// Sign a CA's revocation list and write it to a file.
#[derive(Debug, Args)]
pub(crate) struct Crl {
    #[command(flatten)]
    ca: CaName,
    /// File to write, in place of an older list; `-` for standard output
    #[arg(long, short, value_name = "FILE")]
    output: Option<Destination>,
    /// Sign a new list only if the present one ends within so many days or lacks a revocation;
    /// otherwise write the present one, without needing the key
    #[arg(long, value_name = "DAYS")]
    refresh_before: Option<u16>,
    /// Replace the file even if it holds something else
    #[arg(long, requires = "output")]
    force: bool,
}

impl Crl {
    /// Signs and writes it.
    pub(crate) async fn run(&self, session: &Session) -> Result<Report, CliError> {
        let refresh = match self.refresh_before {
            Some(days) => CrlRefresh::Before { days: days.into() },
            None => CrlRefresh::Always,
        };
        let existing = Existing::by_force(self.force);
        if let Some(destination) = &self.output {
            destination.check(session)?;
        }
        let older = self.output.as_ref().and_then(Destination::older_crl);
        if let (Some(destination), None) = (&self.output, &older) {
            destination.check_free(existing, session)?;
        }
        let publication = session.writer()?.generate_crl(self.ca.as_str(), refresh).await?;
        if let Some(destination) = &self.output {
            let bytes = destination::crls(&[&publication.crl], session.encoding());
            let existing = destination.over_crl(older.as_deref(), &publication.crl, existing)?;
            destination.write(&bytes, existing, session.output)?;
            if destination.file().is_none() {
                return Ok(Report::silent());
            }
        }
        let file = self.output.as_ref().and_then(Destination::file);
        let file = file.map(|path| path.display().to_string());
        let mut record = crl_json(&publication);
        record["file"] = file.clone().into();
        let card = crl_card(&publication).maybe("file", file);
        let failure = publication.crl_failure.as_ref().map(unsigned);
        Ok(Report::one(record, COLUMNS).card(card).notes(failure))
    }
}

/// The card of a CRL.
pub(crate) fn crl_card(publication: &CrlPublication) -> Card {
    let CrlPublication { ca_id, crl, entries, signed, .. } = publication;
    let state = if *signed { "signed now" } else { "still good, not signed again" };
    Card::new([format!("CRL {}", crl.number()), format!("by {ca_id}"), state.to_owned()])
        .line("lists", count(*entries as u64, "revoked certificate"))
        .line("this update", crl.this_update().to_string())
        .line("next update", crl.next_update().to_string())
}
