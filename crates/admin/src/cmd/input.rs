//! Files that a command reads.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::error::CliError;

/// Largest input that is read, in bytes: a request with an ML-DSA-87 key has 8,000, a profile a few
/// hundred.
const MAX_INPUT: u64 = 1 << 20;

/// The bytes of a file, or of standard input for `-`.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        io::stdin().lock().take(MAX_INPUT + 1).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(MAX_INPUT + 1).read_to_end(&mut bytes))
    };
    let result = match read {
        Ok(length) if length as u64 > MAX_INPUT => {
            Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 1 MiB"))
        }
        Ok(_) => Ok(bytes),
        Err(error) => Err(error),
    };
    result.map_err(|error| CliError::Input { path: path.display().to_string(), error })
}

/// The text of a file.
pub(crate) fn text(path: &Path) -> Result<String, CliError> {
    String::from_utf8(bytes(path)?).map_err(|_| CliError::Input {
        path: path.display().to_string(),
        error: io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"),
    })
}
