//! A deployment from elsewhere, read and judged: certificates and keys in a directory or an archive.
//!
//! Nothing is followed, unpacked or written, and of private keys only the public half is looked at.

mod archive;
mod collection;
mod finding;
mod graph;
mod gzip;
mod judge;
mod packed;
mod pairs;
mod pem;
mod private_key;
mod source;
mod survey;

use std::path::Path;

use collection::Collection;
pub(crate) use finding::{Finding, Severity};
pub(crate) use judge::Terms;
pub(crate) use survey::{Kind, Survey, Surveyed};

use rustmq_pki::key::Fingerprint;

use crate::error::CliError;

/// Reads and judges what lies in a directory, an archive or a file.
///
/// # Errors
///
/// What is not there, damaged, or larger than any deployment is.
pub(crate) fn scan(path: &Path, terms: Terms) -> Result<Survey, CliError> {
    let mut collection = Collection::default();
    let origin = source::read(path, &mut collection).map_err(|error| CliError::Unusable {
        path: path.display().to_string(),
        why: error.to_string(),
    })?;
    Ok(judge::judge(collection, origin, terms))
}

/// The certificate with this SHA-256 fingerprint in a file, if it is there.
pub(crate) fn certificate_in(file: &Path, fingerprint: &str) -> Option<Vec<u8>> {
    let mut collection = Collection::default();
    source::read(file, &mut collection).ok()?;
    let mut found = collection.certificates.into_iter().map(|found| found.der);
    found.find(|der| Fingerprint::of(der).to_string() == fingerprint)
}

/// A certificate as PEM (RFC 7468).
pub(crate) fn to_pem(der: &[u8]) -> String {
    // The label is a constant, and no certificate that was read is too long for memory.
    pem_rfc7468::encode_string("CERTIFICATE", pem_rfc7468::LineEnding::LF, der).unwrap_or_default()
}
