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

    /// Refuses early a place that is taken.
    pub(crate) fn check_free(&self, existing: Existing) -> Result<(), CliError> {
        self.file().map_or(Ok(()), |path| Ok(files::check_free(path, existing)?))
    }

    /// Refuses early a place that is taken by anything but a CRL: a newer CRL takes the place of an
    /// older one, and of nothing else.
    pub(crate) fn check_crl(&self, existing: Existing) -> Result<Existing, CliError> {
        let older = self.file().and_then(|path| fs::read(path).ok());
        if older.is_some_and(|bytes| is_crl(&bytes)) {
            return Ok(Existing::Replace);
        }
        self.check_free(existing).map(|()| existing)
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

fn is_crl(bytes: &[u8]) -> bool {
    bytes.starts_with(b"-----BEGIN X509 CRL-----") || CrlRef::read(bytes).is_ok()
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
