//! A deployment from elsewhere, read and judged: certificates and keys in a directory or an archive.
//!
//! Nothing is followed, unpacked or written, and of private keys only the public half is looked at.

mod archive;
mod collection;
mod finding;
mod graph;
mod judge;
mod pairs;
mod pem;
mod private_key;
mod source;
mod survey;

use std::path::Path;

use collection::Collection;
pub(crate) use finding::{Finding, Severity};
pub(crate) use judge::Terms;
pub(crate) use survey::{Survey, Surveyed};

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
