//! Whether the new certificates are still good, as the authority says.

use std::collections::HashMap;

use rustmq_ca::{CertificateManager, CertificateStatus};

use super::accept::serial_in;
use super::state::{AuthorityState, Output, State, Step};
use crate::error::CliError;
use crate::session::Session;

/// The new certificates that are not good any more, by their folders.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    ended: HashMap<String, CertificateStatus>,
    /// Why nothing is known.
    pub(crate) note: Option<String>,
}

impl Standing {
    /// Asks the authority about what lies in the folders. Where the data directory is not at hand, or is
    /// another one than the migration began with, nothing is known.
    pub(crate) async fn ask(session: &Session, output: &Output, state: &State) -> Self {
        let Some(authority) = &state.authority else { return Self::default() };
        let asked = async {
            let manager = session.reader()?;
            of_authority(&manager, authority, output, state).await
        };
        match asked.await {
            Ok(ended) => Self { ended, note: None },
            Err(error) => {
                let note = format!("whether any was revoked since is not known: {error}");
                Self { ended: HashMap::new(), note: Some(note) }
            }
        }
    }

    /// What became of the certificate in a folder, if it is not good any more.
    pub(crate) fn of(&self, folder: &str) -> Option<CertificateStatus> {
        self.ended.get(folder).copied()
    }
}

async fn of_authority(
    manager: &CertificateManager,
    authority: &AuthorityState,
    output: &Output,
    state: &State,
) -> Result<HashMap<String, CertificateStatus>, CliError> {
    authority.check_root(&manager.ca_chain(&authority.ca).await?)?;
    let mut ended = HashMap::new();
    let made = state.entries.iter().filter(|e| matches!(e.step, Step::Issued | Step::Verified));
    for entry in made {
        // One that was put in the place of a lost or revoked one counts, recorded or not.
        let serial = serial_in(&output.folder(&entry.folder)).or_else(|| entry.serial.clone());
        let Some(serial) = serial else { continue };
        match manager.info(&serial).await {
            Ok(info) if info.status != CertificateStatus::Active => {
                ended.insert(entry.folder.clone(), info.status);
            }
            // What the authority does not know is none of its own, and apply says so.
            Ok(_) | Err(rustmq_ca::Error::UnknownCertificate { .. }) => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(ended)
}
