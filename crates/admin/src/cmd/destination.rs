//! `--output`: a file, or standard output.

use std::fs;
use std::path::{Path, PathBuf};

use rustmq_pki::certificate::Certificate;
use rustmq_pki::crl::CertificateRevocationList;
use rustmq_pki::read::CrlRef;

use crate::cli::Encoding;
use crate::error::CliError;
use crate::files::{self, Existing, Mode};
use crate::output::Output;
use crate::session::Session;

/// Where a single file goes.
#[derive(Clone, Debug)]
pub(crate) enum Destination {
    /// Standard output (`-`).
    Stdout,
    /// This file.
    File(PathBuf),
}

impl std::str::FromStr for Destination {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(if text == "-" { Self::Stdout } else { Self::File(PathBuf::from(text)) })
    }
}

impl Destination {
    /// The file, if it is one.
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Self::Stdout => None,
            Self::File(path) => Some(path),
        }
    }

    /// Refuses a place in the data directory, and `--format` where the file itself is the output.
    pub(crate) fn check(&self, session: &Session) -> Result<(), CliError> {
        match self.file() {
            None if session.format_given() => {
                Err(CliError::NoEffect { flag: "--format", command: "--output -" })
            }
            None => Ok(()),
            Some(path) => Ok(session.refuse_own(path)?),
        }
    }

    /// The same, and refuses early a place that is taken. What killed commands left there goes.
    pub(crate) fn check_free(&self, existing: Existing, session: &Session) -> Result<(), CliError> {
        self.check(session)?;
        let Some(path) = self.file() else { return Ok(()) };
        files::check_free(path, existing)?;
        files::sweep_beside(path);
        Ok(())
    }

    /// The DER of the CRL in this place, if there is one.
    pub(crate) fn older_crl(&self) -> Option<Vec<u8>> {
        let bytes = fs::read(self.file()?).ok()?;
        let der = match pem_rfc7468::decode_vec(bytes.trim_ascii_end()) {
            Ok(("X509 CRL", der)) => der,
            _ => bytes,
        };
        CrlRef::read(&der).is_ok().then_some(der)
    }

    /// What a CRL does to the one in this place: a newer one takes the place of an older one of the same
    /// CA, and of nothing else.
    pub(crate) fn over_crl(
        &self,
        older: Option<&[u8]>,
        crl: &CertificateRevocationList,
        existing: Existing,
    ) -> Result<Existing, CliError> {
        let older = older.filter(|older| of_one_ca(older, crl.der()));
        let older = older.and_then(|der| CertificateRevocationList::from_der(der).ok());
        match (older, self.file()) {
            (Some(there), Some(path))
                if there.number() > crl.number() && existing != Existing::Replace =>
            {
                let (path, number) = (path.display().to_string(), crl.number());
                Err(CliError::NewerCrl { path, there: there.number(), number })
            }
            (Some(_), _) => Ok(Existing::Replace),
            (None, _) => Ok(existing),
        }
    }

    /// Writes the bytes there.
    pub(crate) fn write(
        &self,
        bytes: &[u8],
        existing: Existing,
        output: Output,
    ) -> Result<(), CliError> {
        match self {
            Self::Stdout => output.write(bytes),
            Self::File(path) => Ok(files::write(path, bytes, Mode::Public, existing)?),
        }
    }
}

/// Whether two CRLs are one CA's: the same issuer, and the same key.
fn of_one_ca(one: &[u8], other: &[u8]) -> bool {
    let ca = |der| {
        let crl = CrlRef::read(der).ok()?;
        let key = crl.known.authority_key_id?.key_id?.to_vec();
        Some((crl.issuer.der.to_vec(), key))
    };
    ca(one).is_some_and(|one| Some(one) == ca(other))
}

/// Certificates as one file. DER holds one.
pub(crate) fn certificates(certificates: &[&Certificate], encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Pem => certificates.iter().map(|c| c.to_pem()).collect::<String>().into_bytes(),
        Encoding::Der => certificates.iter().flat_map(|c| c.der().to_vec()).collect(),
    }
}

/// CRLs as one file. DER holds one.
pub(crate) fn crls(crls: &[&CertificateRevocationList], encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Pem => crls.iter().map(|crl| crl.to_pem()).collect::<String>().into_bytes(),
        Encoding::Der => crls.iter().flat_map(|crl| crl.der().to_vec()).collect(),
    }
}
