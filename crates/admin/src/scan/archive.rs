//! A tar archive from elsewhere: its entries are read in place, and nothing is written anywhere.

use std::cell::Cell;
use std::io::{self, Read};

use super::finding::{Fault, Finding};
use super::gzip::BLOCK;
use super::source::{Content, MOST_FILES, Member, SourceError, Take, content};

/// The most bytes that an archive unpacks to, those of entries that are not read included. 100,000
/// certificates and keys have some 200 million.
pub(super) const MAX_UNPACKED: u64 = 512 << 20;

/// The most bytes of the headers and long names before an entry, which are held in memory: a system's
/// longest path has 4,096.
const MAX_HEADERS: u64 = 1 << 20;

/// A reader that fails after so many bytes, so that a small file cannot unpack to an endless one, and
/// that tells whether its end was reached.
struct Bounded<'e, R> {
    inner: R,
    left: u64,
    /// How much is read until it is set anew.
    quota: &'e Cell<u64>,
    ended: &'e Cell<bool>,
}

impl<R: Read> Read for Bounded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.ended.set(self.ended.get() || count == 0 && !buffer.is_empty());
        let quota = self.quota.get().checked_sub(count as u64);
        self.quota.set(quota.ok_or(io::ErrorKind::InvalidData)?);
        self.left = self.left.checked_sub(count as u64).ok_or(io::ErrorKind::FileTooLarge)?;
        Ok(count)
    }
}

/// Whether a file that begins with these octets is a tar: by its checksum, which the oldest form has,
/// too, or by the mark of later ones. An empty one begins with zeros.
pub(super) fn is_tar(head: &[u8]) -> bool {
    if head.len() < BLOCK {
        return false;
    }
    let header = tar::Header::from_byte_slice(&head[..BLOCK]);
    let (checksum, sum) = (header.cksum(), [&head[..148], &head[156..512]].concat());
    // The field itself counts as eight spaces.
    let sum = sum.into_iter().map(u32::from).sum::<u32>() + 8 * u32::from(b' ');
    checksum.is_ok_and(|checksum| checksum == sum)
        || &head[257..262] == b"ustar"
        || head[..BLOCK].iter().all(|octet| *octet == 0)
}

/// Hands on the entries of a tar.
pub(super) fn read(unpacked: impl Read, take: &mut impl Take) -> Result<(), SourceError> {
    let ended = Cell::new(false);
    let quota = Cell::new(u64::MAX);
    let bounded = Bounded { inner: unpacked, left: MAX_UNPACKED, quota: &quota, ended: &ended };
    entries(bounded, &quota, take).map_err(|error| match error {
        // What was looked for lies behind the end.
        SourceError::Damaged if ended.get() => SourceError::Truncated,
        error => error,
    })
}

/// Reads one compressed file within the bound of an archive.
pub(super) fn bounded<R: Read, T>(
    unpacked: R,
    read: impl FnOnce(&mut dyn Read) -> io::Result<T>,
) -> Result<T, SourceError> {
    let (ended, quota) = (Cell::new(false), Cell::new(u64::MAX));
    read(&mut Bounded { inner: unpacked, left: MAX_UNPACKED, quota: &quota, ended: &ended })
        .map_err(damaged)
}

fn entries(
    unpacked: impl Read,
    quota: &Cell<u64>,
    take: &mut impl Take,
) -> Result<(), SourceError> {
    let mut archive = tar::Archive::new(unpacked);
    let mut entries = archive.entries().map_err(damaged)?;
    let (mut count, mut unread) = (0, 0);
    loop {
        quota.set(MAX_HEADERS + unread);
        let Some(entry) = entries.next() else { break };
        let mut entry = entry.map_err(damaged)?;
        quota.set(u64::MAX);
        count += 1;
        if count > MOST_FILES {
            return Err(SourceError::TooManyFiles);
        }
        self::entry(&mut entry, take)?;
        // Between entries come headers and names alone; a sparse one is as long as it says it is.
        unread = match entry.header().entry_type().is_gnu_sparse() {
            true => entry.header().entry_size().map_err(damaged)?,
            false => io::copy(&mut entry, &mut io::sink()).map(|_| 0).map_err(damaged)?,
        };
    }
    quota.set(u64::MAX);
    // What follows the tar is unpacked, too: only its end tells whether the file is whole.
    io::copy(&mut archive.into_inner(), &mut io::sink()).map_err(damaged)?;
    Ok(())
}

fn entry(entry: &mut tar::Entry<'_, impl Read>, take: &mut impl Take) -> Result<(), SourceError> {
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
    match content(&name, entry).map_err(damaged)? {
        Content::Bytes(bytes) => take.member(&Member { name, mode, bytes })?,
        Content::Unread(fault) => take.unread(&name, fault),
        Content::Nothing => {}
    }
    Ok(())
}

/// Whether an entry would be unpacked outside of the folder that was meant.
fn escapes(name: &str) -> bool {
    name.starts_with('/') || name.split('/').any(|part| part == "..")
}

/// What became of an archive. What a reader of tar says is not passed on: it cites the octets that it
/// took for a header, and those may be a key's.
pub(super) fn damaged(error: io::Error) -> SourceError {
    match error.kind() {
        io::ErrorKind::FileTooLarge => SourceError::Bomb,
        io::ErrorKind::UnexpectedEof => SourceError::Truncated,
        _ if error.raw_os_error().is_some() => SourceError::Open(error),
        _ => SourceError::Damaged,
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
        let (ended, quota) = (Cell::new(false), Cell::new(u64::MAX));
        let mut bounded =
            Bounded { inner: io::repeat(0), left: 1 << 20, quota: &quota, ended: &ended };
        let copied = io::copy(&mut bounded, &mut io::sink());
        assert_eq!(copied.unwrap_err().kind(), io::ErrorKind::FileTooLarge);
        assert!(!ended.get());
        let mut short = Bounded { inner: &[0_u8; 8][..], left: 8, quota: &quota, ended: &ended };
        assert_eq!(io::copy(&mut short, &mut io::sink()).unwrap(), 8);
        assert!(ended.get());
        quota.set(7);
        let mut short = Bounded { inner: &[0_u8; 8][..], left: 8, quota: &quota, ended: &ended };
        let copied = io::copy(&mut short, &mut io::sink());
        assert_eq!(copied.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
