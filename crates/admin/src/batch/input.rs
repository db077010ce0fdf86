//! The input of a batch: read twice, and the same both times.
//!
//! The first pass checks every row, the second issues. In between, others may change the file, so both
//! passes make its digest.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{Context, SHA256};
use clap::ValueEnum;

use super::csv_records::OpenQuote;
use super::error::BatchError;
use crate::error::CliError;
use crate::files::no_follow;

/// Longest row, in bytes: a hundred SANs of 253 characters and a request have less than a tenth of it.
pub(crate) const MAX_ROW: u64 = 1 << 20;

/// What is said of a longer one.
pub(crate) const TOO_LONG: &str = "it is longer than 1 MiB, which no row is";

/// What a text in UTF-8 may begin with, and is no part of.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Octets that are read from the file at once.
pub(crate) const BUFFER: usize = 1 << 16;

/// How the rows are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum InputFormat {
    /// A header, then a line a row (RFC 4180)
    Csv,
    /// A JSON object a line
    JsonLines,
}

/// An input that can be read from its start again.
#[derive(Debug)]
pub(crate) struct Input {
    file: File,
    path: PathBuf,
    name: String,
}

impl Input {
    /// Opens a file. Standard input (`-`), and what else cannot be read twice, is copied into a file
    /// without a name in the folder of `beside`.
    pub(crate) fn open(path: &Path, beside: &Path) -> Result<Self, CliError> {
        let is_stdin = path == Path::new("-");
        let name = if is_stdin { "standard input".to_owned() } else { path.display().to_string() };
        let opened = match is_stdin {
            true => spool(io::stdin().lock(), beside),
            false => File::open(path).and_then(|file| match file.metadata()?.is_file() {
                true => Ok(file),
                false => spool(file, beside),
            }),
        };
        let path = if is_stdin { PathBuf::new() } else { path.to_owned() };
        let file = opened.map_err(|error| CliError::Input { path: name.clone(), error })?;
        Ok(Self { file, path, name })
    }

    /// A text that stands in no file of its own.
    pub(crate) fn of_text(text: &str, beside: &Path) -> Result<Self, CliError> {
        let name = "the list of certificates".to_owned();
        match spool(text.as_bytes(), beside) {
            Ok(file) => Ok(Self { file, path: PathBuf::new(), name }),
            Err(error) => Err(CliError::Input { path: name, error }),
        }
    }

    /// As the user wrote it.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The file's path; empty for standard input.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// A reader from the start, behind a byte order mark.
    pub(crate) fn rewind(&self) -> Result<Digesting, CliError> {
        let start = || {
            let mut file = self.file.try_clone()?;
            file.rewind()?;
            let mut mark = Vec::with_capacity(BYTE_ORDER_MARK.len());
            (&file).take(BYTE_ORDER_MARK.len() as u64).read_to_end(&mut mark)?;
            let mut digest = Context::new(&SHA256);
            match mark == BYTE_ORDER_MARK {
                true => digest.update(&mark),
                false => file.rewind()?,
            }
            Ok(Digesting { file, digest })
        };
        start().map_err(|error| self.error(error))
    }

    /// How it is written: by the name's end, else by its first character.
    pub(crate) fn format(&self) -> Result<InputFormat, CliError> {
        let extension = self.path.extension().and_then(|extension| extension.to_str());
        match extension.map(str::to_ascii_lowercase).as_deref() {
            Some("csv") => return Ok(InputFormat::Csv),
            Some("ndjson" | "jsonl") => return Ok(InputFormat::JsonLines),
            _ => {}
        }
        let first = BufReader::new(self.rewind()?)
            .bytes()
            .find(|byte| !byte.as_ref().is_ok_and(|byte| byte.is_ascii_whitespace()));
        match first.transpose().map_err(|error| self.error(error))? {
            Some(b'{') => Ok(InputFormat::JsonLines),
            _ => Ok(InputFormat::Csv),
        }
    }

    /// An error of reading it.
    pub(crate) fn error(&self, error: io::Error) -> CliError {
        match OpenQuote::of(&error) {
            Some(line) => BatchError::OpenQuote { input: self.name.clone(), line }.into(),
            None => CliError::Input { path: self.name.clone(), error },
        }
    }
}

/// Copies a stream into a file that has no name any more: a process that is killed leaves none.
fn spool(mut from: impl Read, beside: &Path) -> io::Result<File> {
    let mut name = std::ffi::OsString::from(".");
    name.push(beside.file_name().unwrap_or_default());
    name.push(format!(".{}.input", std::process::id()));
    let place = beside.with_file_name(name);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create_new(true).mode(0o600).custom_flags(no_follow());
    let mut file = options.open(&place)?;
    fs::remove_file(&place)?;
    io::copy(&mut from, &mut file)?;
    Ok(file)
}

/// A reader that makes the digest of what it reads.
pub(crate) struct Digesting {
    file: File,
    digest: Context,
}

impl Digesting {
    /// The digest of what was read: of the whole file at its end.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let digest = self.digest.clone().finish();
        // SHA-256 has 32 octets.
        <[u8; 32]>::try_from(digest.as_ref()).unwrap_or_default()
    }
}

impl Read for Digesting {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.file.read(buffer)?;
        self.digest.update(&buffer[..length]);
        Ok(length)
    }
}

/// A line of an input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum InputLine {
    /// One that was read.
    Read,
    /// One that is longer than any row, and was passed over.
    TooLong,
    /// None: the input is at its end.
    End,
}

/// Reads a line.
pub(crate) fn read_line(
    reader: &mut BufReader<Digesting>,
    line: &mut Vec<u8>,
) -> io::Result<InputLine> {
    line.clear();
    // The line feed is no part of it.
    if reader.take(MAX_ROW + 1).read_until(b'\n', line)? == 0 {
        return Ok(InputLine::End);
    }
    if line.ends_with(b"\n") || line.len() as u64 <= MAX_ROW {
        return Ok(InputLine::Read);
    }
    reader.skip_until(b'\n')?;
    Ok(InputLine::TooLong)
}
