//! A tar archive from elsewhere: its entries are read in place, and nothing is written anywhere.

use std::cell::Cell;
use std::io::{self, Read};

use super::finding::{Fault, Finding};
use super::source::{MOST_FILES, Member, SourceError, Take, content};

/// The most bytes that an archive unpacks to, those of entries that are not read included. 100,000
/// certificates and keys have some 200 million.
pub(super) const MAX_UNPACKED: u64 = 512 << 20;

/// A reader that fails after so many bytes, so that a small file cannot unpack to an endless one, and
/// that tells whether its end was reached.
struct Bounded<'e, R> {
    inner: R,
    left: u64,
    ended: &'e Cell<bool>,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.ended.set(self.ended.get() || count == 0 && !buffer.is_empty());
        self.left = self.left.checked_sub(count as u64).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(count)
    }
}

/// Hands on the entries of a tar.
pub(super) fn read(unpacked: impl Read, take: &mut impl Take) -> Result<(), SourceError> {
    let ended = Cell::new(false);
    let bounded = Bounded { inner: unpacked, left: MAX_UNPACKED, ended: &ended };
    entries(bounded, take).map_err(|error| match error {
        // What was looked for lies behind the end.
        SourceError::Damaged(_) if ended.get() => SourceError::Truncated,
        error => error,
    })
}

fn entries(unpacked: impl Read, take: &mut impl Take) -> Result<(), SourceError> {
    let mut archive = tar::Archive::new(unpacked);
    let mut count = 0;
    for entry in archive.entries().map_err(damaged)? {
        count += 1;
        if count > MOST_FILES {
            return Err(SourceError::TooManyFiles);
        }
        self::entry(entry.map_err(damaged)?, take)?;
    }
    // What follows the tar is unpacked, too: only its end tells whether the file is whole.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(damaged)?;
    Ok(())
}

fn entry(entry: tar::Entry<'_, impl Read>, take: &mut impl Take) -> Result<(), SourceError> {
    let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
    if escapes(&name) {
        take.finding(Finding::of_file(&name, Fault::EscapingName));
    }
    let kind = entry.header().entry_type();
    if kind.is_symlink() || kind.is_hard_link() {
        take.finding(Finding::of_file(name, Fault::Link));
        return Ok(());
    }
    if !(kind.is_file() || kind.is_contiguous() || kind.is_gnu_sparse()) {
        return Ok(());
    }
    let mode = entry.header().mode().map_err(damaged)? & 0o7777;
    match content(&name, entry, take).map_err(damaged)? {
        Some(bytes) => take.member(&Member { name, mode, bytes }),
        None => Ok(()),
    }
}

/// Whether an entry would be unpacked outside of the folder that was meant.
fn escapes(name: &str) -> bool {
    name.starts_with('/') || name.split('/').any(|part| part == "..")
}

fn damaged(error: io::Error) -> SourceError {
    match error.kind() {
        io::ErrorKind::FileTooLarge => SourceError::Bomb,
        io::ErrorKind::UnexpectedEof => SourceError::Truncated,
        _ => SourceError::Damaged(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_leave_the_folder() {
        for name in ["/etc/passwd", "../x", "a/../../x", "a/.."] {
            assert!(escapes(name), "{name}");
        }
        for name in ["a", "./a", "a..b/c", "..a"] {
            assert!(!escapes(name), "{name}");
        }
    }

    #[test]
    fn a_bound_is_a_bound() {
        let ended = Cell::new(false);
        let mut bounded = Bounded { inner: io::repeat(0), left: 1 << 20, ended: &ended };
        let copied = io::copy(&mut bounded, &mut io::sink());
        assert_eq!(copied.unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert!(!ended.get());
        let mut short = Bounded { inner: &[0_u8; 8][..], left: 8, ended: &ended };
        assert_eq!(io::copy(&mut short, &mut io::sink()).unwrap(), 8);
        assert!(ended.get());
    }
}
