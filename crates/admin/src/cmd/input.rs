//! Files that a command reads.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::error::CliError;

/// Largest input that is read, in bytes: a request with an ML-DSA-87 key has 8,000, a profile a few
/// hundred.
const MAX_INPUT: u64 = 1 << 20;

/// Largest list of things that is read, in bytes: the plan of a migration has some 500 an entry.
const MAX_LIST: u64 = 128 << 20;

/// The bytes of a file, or of standard input for `-`.
pub(crate) fn bytes(path: &Path) -> Result<Vec<u8>, CliError> {
    bytes_up_to(path, MAX_INPUT)
}

fn bytes_up_to(path: &Path, limit: u64) -> Result<Vec<u8>, CliError> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        io::stdin().lock().take(limit + 1).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes))
    };
    let result = match read {
        Ok(length) if length as u64 > limit => {
            let why = format!("it is larger than {} MiB", limit >> 20);
            Err(io::Error::new(io::ErrorKind::FileTooLarge, why))
        }
        Ok(_) => Ok(bytes),
        Err(error) => Err(error),
    };
    result.map_err(|error| CliError::Input { path: path.display().to_string(), error })
}

/// The text of a file.
pub(crate) fn text(path: &Path) -> Result<String, CliError> {
    utf8(path, bytes(path)?)
}

/// The text of a file that lists many things.
pub(crate) fn large_text(path: &Path) -> Result<String, CliError> {
    utf8(path, bytes_up_to(path, MAX_LIST)?)
}

fn utf8(path: &Path, bytes: Vec<u8>) -> Result<String, CliError> {
    String::from_utf8(bytes).map_err(|_| CliError::Input {
        path: path.display().to_string(),
        error: io::Error::new(io::ErrorKind::InvalidData, "it is not UTF-8 text"),
    })
}

/// What is wrong with TOML, and where. The parser's own form shows the line, which is a secret if the
/// file is a key.
pub(crate) fn toml_error(error: &toml::de::Error, text: &str) -> String {
    let words = error.message().replace('\n', ", ");
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else { return words };
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    format!("line {line}, column {column}: {words}")
}
