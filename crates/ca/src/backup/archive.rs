//! The archive: a tar whose every octet is known beforehand or covered by a digest.
//!
//! A member's header follows from its name, its size and the manifest's time, the padding and the end
//! are zeros. So the reader does not judge what it finds; it compares. Links, devices, other owners,
//! long names, gaps and further members all fail the same comparison.

use std::io::{self, ErrorKind, Read, Write};

use aws_lc_rs::digest::{Context, SHA256};
use rustmq_pki::key::Fingerprint;
use rustmq_pki::time::UnixTime;
use tar::{EntryType, Header};

use super::BackupError;

/// The unit of a tar, in octets.
const BLOCK: usize = 512;
/// A tar ends with two blocks of zeros.
const END: usize = 2 * BLOCK;
/// What is read and written at a time, in octets.
const CHUNK: usize = 1 << 16;

/// The header of a member; none for a name that has no room in it.
fn header(path: &str, size: u64, at: UnixTime) -> Option<Header> {
    let mut header = Header::new_gnu();
    header.set_path(path).ok()?;
    header.set_size(size);
    header.set_mode(0o600);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(u64::try_from(at.seconds()).unwrap_or(0));
    header.set_entry_type(EntryType::Regular);
    header.set_cksum();
    Some(header)
}

fn padding(size: u64) -> usize {
    let over = usize::try_from(size % BLOCK as u64).unwrap_or(0);
    (BLOCK - over) % BLOCK
}

/// Copies to the end and tells size and digest.
pub(super) fn copy(from: &mut dyn Read, to: &mut dyn Write) -> io::Result<(u64, Fingerprint)> {
    let (mut digest, mut size, mut chunk) = (Context::new(&SHA256), 0, vec![0; CHUNK]);
    loop {
        let read = match from.read(&mut chunk) {
            Ok(0) => break,
            Ok(read) => &chunk[..read],
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        digest.update(read);
        to.write_all(read)?;
        size += read.len() as u64;
    }
    let mut octets = [0; 32];
    octets.copy_from_slice(digest.finish().as_ref());
    Ok((size, Fingerprint(octets)))
}

/// Writes an archive, member by member.
pub(super) struct ArchiveWriter<W> {
    output: W,
    at: UnixTime,
}

impl<W: Write> ArchiveWriter<W> {
    pub(super) fn new(output: W, at: UnixTime) -> Self {
        Self { output, at }
    }

    /// Adds a member of this size.
    pub(super) fn add(&mut self, path: &str, size: u64, from: &mut dyn Read) -> io::Result<()> {
        let long = || io::Error::new(ErrorKind::InvalidInput, "the name is too long for a tar");
        let header = header(path, size, self.at).ok_or_else(long)?;
        self.output.write_all(header.as_bytes())?;
        let (written, _) = copy(&mut from.take(size), &mut self.output)?;
        if written != size {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        self.output.write_all(&[0; BLOCK][..padding(size)])
    }

    pub(super) fn finish(mut self) -> io::Result<()> {
        self.output.write_all(&[0; END])?;
        self.output.flush()
    }
}

/// Whether a member of this name can be archived.
pub(super) fn has_room_for(path: &str) -> bool {
    header(path, 0, UnixTime::from_seconds(0)).is_some()
}

/// Reads an archive in the order in which it was written.
pub(super) struct ArchiveReader<R> {
    input: R,
}

impl<R: Read> ArchiveReader<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input }
    }

    /// The first member, whose time and size nothing says yet. [`Unchecked::check`] follows when it
    /// does.
    pub(super) fn first(&mut self, path: &str, largest: u64) -> Result<Unchecked, BackupError> {
        let mut found = [0; BLOCK];
        self.read_exact(&mut found, path)?;
        let header = Header::from_byte_slice(&found);
        let size = header.size().ok().filter(|size| *size <= largest);
        match size {
            Some(size) if header.path_bytes() == path.as_bytes() => {
                let bytes = self.small(path, size)?;
                Ok(Unchecked { header: found, path: path.to_owned(), bytes })
            }
            _ => Err(BackupError::NotABackup { detail: format!("it does not begin with {path}") }),
        }
    }

    /// A small member of unknown size.
    pub(super) fn sized(
        &mut self,
        path: &str,
        largest: u64,
        at: UnixTime,
    ) -> Result<Vec<u8>, BackupError> {
        let mut found = [0; BLOCK];
        self.read_exact(&mut found, path)?;
        let size = Header::from_byte_slice(&found).size().unwrap_or(u64::MAX);
        check(&found, path, size.min(largest), at)?;
        self.small(path, size)
    }

    /// A member of known size, to be written elsewhere. Returns the digest of what was written.
    pub(super) fn member(
        &mut self,
        path: &str,
        size: u64,
        at: UnixTime,
        to: &mut dyn Write,
    ) -> Result<io::Result<Fingerprint>, BackupError> {
        let mut found = [0; BLOCK];
        self.read_exact(&mut found, path)?;
        check(&found, path, size, at)?;
        let mut from = Telling { input: (&mut self.input).take(size), failed: None };
        let copied = copy(&mut from, to);
        if let Some(error) = from.failed.take() {
            return Err(BackupError::Read(error));
        }
        match copied {
            Err(error) => Ok(Err(error)),
            Ok((copied, _)) if copied < size => {
                Err(BackupError::Truncated { member: path.to_owned() })
            }
            Ok((_, digest)) => {
                self.zeros(padding(size), path)?;
                Ok(Ok(digest))
            }
        }
    }

    /// The end, and nothing behind it.
    pub(super) fn finish(mut self) -> Result<(), BackupError> {
        let mut found = [0; BLOCK];
        self.read_exact(&mut found, "its end")?;
        if found != [0; BLOCK] {
            let found = describe(Header::from_byte_slice(&found));
            return Err(BackupError::UnexpectedMember { found, expected: "its end".to_owned() });
        }
        self.zeros(END - BLOCK, "its end")?;
        match self.input.read(&mut [0]) {
            Ok(0) => Ok(()),
            Ok(_) => Err(BackupError::Trailing),
            Err(error) => Err(BackupError::Read(error)),
        }
    }

    fn small(&mut self, path: &str, size: u64) -> Result<Vec<u8>, BackupError> {
        let mut bytes = vec![0; usize::try_from(size).unwrap_or(0)];
        self.read_exact(&mut bytes, path)?;
        self.zeros(padding(size), path)?;
        Ok(bytes)
    }

    fn zeros(&mut self, count: usize, member: &str) -> Result<(), BackupError> {
        let mut found = vec![0; count];
        self.read_exact(&mut found, member)?;
        match found.iter().all(|octet| *octet == 0) {
            true => Ok(()),
            false => Err(BackupError::Altered { member: member.to_owned() }),
        }
    }

    fn read_exact(&mut self, buffer: &mut [u8], member: &str) -> Result<(), BackupError> {
        self.input.read_exact(buffer).map_err(|error| match error.kind() {
            ErrorKind::UnexpectedEof => BackupError::Truncated { member: member.to_owned() },
            _ => BackupError::Read(error),
        })
    }
}

/// The first member, its header not yet compared.
pub(super) struct Unchecked {
    header: [u8; BLOCK],
    path: String,
    pub(super) bytes: Vec<u8>,
}

impl Unchecked {
    pub(super) fn check(self, at: UnixTime) -> Result<Vec<u8>, BackupError> {
        check(&self.header, &self.path, self.bytes.len() as u64, at)?;
        Ok(self.bytes)
    }
}

/// Keeps apart what the input and what the output failed with.
struct Telling<R> {
    input: R,
    failed: Option<io::Error>,
}

impl<R: Read> Read for Telling<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.input.read(buffer).map_err(|error| {
            let kind = error.kind();
            if kind != ErrorKind::Interrupted {
                self.failed = Some(error);
            }
            kind.into()
        })
    }
}

fn check(found: &[u8; BLOCK], path: &str, size: u64, at: UnixTime) -> Result<(), BackupError> {
    let expected = header(path, size, at);
    if expected.is_some_and(|expected| expected.as_bytes() == found) {
        return Ok(());
    }
    let header = Header::from_byte_slice(found);
    let is_plain = header.entry_type() == EntryType::Regular;
    if is_plain && header.path_bytes() == path.as_bytes() {
        return Err(BackupError::Altered { member: format!("the header of {path}") });
    }
    let found = describe(header);
    Err(BackupError::UnexpectedMember { found, expected: path.to_owned() })
}

/// What a header that does not belong there says of itself.
fn describe(header: &Header) -> String {
    let name = String::from_utf8_lossy(&header.path_bytes()).into_owned();
    let kind = match header.entry_type() {
        _ if header.as_bytes() == &[0; BLOCK] => return "the end".to_owned(),
        // What is no header may be anything, a key among it, and is not cited.
        _ if !is_sound(header) => return "something that is no entry of a tar".to_owned(),
        EntryType::Symlink => "the symbolic link",
        EntryType::Link => "the hard link",
        EntryType::Char | EntryType::Block => "the device",
        EntryType::Fifo => "the pipe",
        EntryType::Directory => "the directory",
        EntryType::Regular if name.starts_with('/') => "the absolute path",
        EntryType::Regular if name.split('/').any(|part| part == "..") => {
            "a path that leads out of it,"
        }
        EntryType::Regular => "the file",
        _ => "an entry that is no file,",
    };
    format!("{kind} {name:?}")
}

/// Whether a header's checksum is its own.
fn is_sound(header: &Header) -> bool {
    let mut summed = header.clone();
    summed.set_cksum();
    matches!((header.cksum(), summed.cksum()), (Ok(found), Ok(sum)) if found == sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: UnixTime = UnixTime::from_seconds(1_795_420_800);

    fn archive() -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = ArchiveWriter::new(&mut bytes, AT);
        writer.add("one", 3, &mut &b"abc"[..]).unwrap();
        writer.add("two", 512, &mut &[7; 512][..]).unwrap();
        writer.finish().unwrap();
        bytes
    }

    fn read(bytes: &[u8]) -> Result<(), BackupError> {
        let mut reader = ArchiveReader::new(bytes);
        let first = reader.first("one", 10)?.check(AT)?;
        let mut second = Vec::new();
        let digest = reader.member("two", 512, AT, &mut second)?.map_err(BackupError::Read)?;
        reader.finish()?;
        let whole = first == b"abc" && digest == Fingerprint::of(&[7; 512]);
        if whole { Ok(()) } else { Err(BackupError::Altered { member: String::new() }) }
    }

    #[test]
    fn no_octet_can_change_and_none_can_come_or_go() {
        let bytes = archive();
        read(&bytes).unwrap();
        for at in 0..bytes.len() {
            for bit in [1, 0x80] {
                let mut changed = bytes.clone();
                changed[at] ^= bit;
                assert!(read(&changed).is_err(), "octet {at}");
            }
            assert!(read(&bytes[..at]).is_err(), "cut at {at}");
        }
        assert!(matches!(read(&[&bytes[..], &[0]].concat()), Err(BackupError::Trailing)));
    }

    #[test]
    fn tar_reads_it() {
        let bytes = archive();
        let mut tar = tar::Archive::new(&bytes[..]);
        let names: Vec<_> = tar
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().display().to_string())
            .collect();
        assert_eq!(names, ["one", "two"]);
    }

    #[test]
    fn what_stands_in_place_of_a_member_is_named() {
        let mut second = archive()[1024..1536].to_vec();
        let mut named = |change: &dyn Fn(&mut Header)| {
            let mut header = Header::from_byte_slice(&second).clone();
            change(&mut header);
            header.set_cksum();
            second.copy_from_slice(header.as_bytes());
            let bytes = [&archive()[..1024], &second, &archive()[1536..]].concat();
            read(&bytes).unwrap_err().to_string()
        };
        let link = named(&|header| header.set_entry_type(EntryType::Symlink));
        assert!(link.contains("the symbolic link \"two\", where two belongs"), "{link}");
        let device = named(&|header| header.set_entry_type(EntryType::Char));
        assert!(device.contains("the device \"two\""), "{device}");
        let up = named(&|header| {
            header.set_entry_type(EntryType::Regular);
            header.as_gnu_mut().unwrap().name[..6].copy_from_slice(b"../two");
        });
        assert!(up.contains("leads out of it, \"../two\""), "{up}");
        let absolute = named(&|header| {
            header.as_gnu_mut().unwrap().name[..6].copy_from_slice(b"/aatwo");
        });
        assert!(absolute.contains("the absolute path \"/aatwo\""), "{absolute}");
    }
}
