//! The files of a directory or an archive, one after the other, none of them followed or unpacked.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use zeroize::Zeroizing;

use super::finding::{Fault, Finding};
use super::{archive, gzip, packed};

/// Largest file that is read, in bytes: a system's bundle of roots has some 250,000.
pub(super) const MAX_FILE: u64 = 4 << 20;

/// How much of a file is read to see whether it may hold certificates or keys, in bytes: what
/// `openssl x509 -text` writes before the first of them has some 5,000.
const HEAD: u64 = 65_536;

/// The most files of one scan: two for each machine of a large fleet.
pub(super) const MOST_FILES: u64 = 200_000;

/// How deep directories may be nested; the system's own limit on paths allows some 2,000.
const DEEPEST: usize = 32;

/// Why there is nothing to scan.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    /// Missing, or not permitted.
    #[error("{0}")]
    Open(io::Error),
    /// A pipe, a device or a socket.
    #[error("it is neither a directory nor a regular file")]
    NoFile,
    /// Packed in another way.
    #[error("it is packed in a form that is not read: unpack it, or make a tar.gz of it")]
    OtherArchive,
    /// The archive ends in the middle.
    #[error("the archive is cut off: fetch it again")]
    Truncated,
    /// The archive is not what it begins as.
    #[error("the archive is damaged: it goes on with something that is no tar, or no gzip")]
    Damaged,
    /// Compressed, and of no use.
    #[error(
        "it is gzip, and holds neither a tar archive nor certificates or keys in PEM or DER: name what \
         you have them in"
    )]
    OtherGzip,
    /// It unpacks to more than any deployment has.
    #[error("the archive unpacks to more than {} MiB: scan a part of it", archive::MAX_UNPACKED >> 20)]
    Bomb,
    /// More files than are read.
    #[error("there are more than {MOST_FILES} files: scan a part of it")]
    TooManyFiles,
    /// More certificates than are compared.
    #[error(
        "there are more than {} certificates: scan a part of it",
        super::collection::MOST_CERTIFICATES
    )]
    TooManyCertificates,
}

/// What is scanned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// A directory, or a single file.
    Disk,
    /// An archive.
    Archive,
}

/// One file.
pub(super) struct Member {
    /// Its path below what is scanned.
    pub(super) name: String,
    /// Its permission bits.
    pub(super) mode: u32,
    /// Its bytes; zeroized when dropped, for it may hold a key.
    pub(super) bytes: Zeroizing<Vec<u8>>,
}

/// What the files are handed to.
pub(super) trait Take {
    /// A file that may hold certificates or keys.
    fn member(&mut self, member: &Member) -> Result<(), SourceError>;
    /// Something about a file or entry.
    fn finding(&mut self, finding: Finding);
    /// A file or entry that is not read.
    fn unread(&mut self, name: &str, fault: Fault) {
        self.finding(Finding::of_file(name, fault));
    }
}

/// What a file holds, as far as that is looked at.
pub(super) enum Content {
    /// Certificates or keys, perhaps.
    Bytes(Zeroizing<Vec<u8>>),
    /// Something that is not read, and said to be not.
    Unread(Fault),
    /// Nothing that a scan is about.
    Nothing,
}

/// Hands on the files of a directory, a tar or tar.gz archive, or the one file that `path` is.
pub(super) fn read(path: &Path, take: &mut impl Take) -> Result<Origin, SourceError> {
    let metadata = fs::metadata(path).map_err(SourceError::Open)?;
    if metadata.is_dir() {
        let root = path.canonicalize().map_err(SourceError::Open)?;
        Walk { root, files: 0, take }.directory(Path::new(""), 0)?;
        return Ok(Origin::Disk);
    }
    if !metadata.is_file() {
        return Err(SourceError::NoFile);
    }
    let mut file = File::open(path).map_err(SourceError::Open)?;
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let mode = metadata.mode() & 0o7777;
    let mut head = Vec::new();
    (&mut file).take(gzip::BLOCK as u64).read_to_end(&mut head).map_err(SourceError::Open)?;
    let whole = io::Cursor::new(head.clone()).chain(file);
    if head.starts_with(&gzip::MAGIC) {
        return gzip::read(&name, mode, whole, take);
    }
    if archive::is_tar(&head) {
        archive::read(whole, take)?;
        return Ok(Origin::Archive);
    }
    match content(&name, whole).map_err(SourceError::Open)? {
        Content::Bytes(bytes) => take.member(&Member { name, mode, bytes })?,
        Content::Unread(Fault::Archive) => return Err(SourceError::OtherArchive),
        Content::Unread(fault) => take.unread(&name, fault),
        Content::Nothing => {}
    }
    Ok(Origin::Disk)
}

/// What a file holds that may hold certificates or keys.
pub(super) fn content(name: &str, mut reader: impl Read) -> io::Result<Content> {
    let mut bytes = Zeroizing::new(Vec::new());
    reader.by_ref().take(HEAD).read_to_end(&mut bytes)?;
    if let Some(fault) = packed::closed(name, &bytes) {
        return Ok(Content::Unread(fault));
    }
    let begins = bytes.windows(11).any(|window| window == b"-----BEGIN ");
    if !begins && bytes.first() != Some(&0x30) && !is_named_for_it(name) {
        return Ok(Content::Nothing);
    }
    reader.take(MAX_FILE + 1 - HEAD).read_to_end(&mut bytes)?;
    Ok(match bytes.len() as u64 > MAX_FILE {
        false => Content::Bytes(bytes),
        true if is_named_for_it(name) => Content::Unread(Fault::TooLarge { limit: MAX_FILE }),
        true => Content::Nothing,
    })
}

/// What a file's name ends with, that of a compressed one before `.gz`.
pub(super) fn extension(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or_default();
    let last = last.strip_suffix(".gz").unwrap_or(last);
    last.rsplit_once('.').map(|(_, end)| end.to_ascii_lowercase()).unwrap_or_default()
}

/// Whether a file's name says that it holds certificates or keys.
pub(super) fn is_named_for_it(name: &str) -> bool {
    ["pem", "crt", "cer", "cert", "der", "key", "p8", "pk8"].contains(&extension(name).as_str())
}

/// A walk through a directory. Links are not followed, so that it ends, and ends here.
struct Walk<'t, T> {
    root: PathBuf,
    files: u64,
    take: &'t mut T,
}

impl<T: Take> Walk<'_, T> {
    fn directory(&mut self, below: &Path, depth: usize) -> Result<(), SourceError> {
        let shown = below.to_string_lossy().into_owned();
        let listed =
            fs::read_dir(self.root.join(below)).and_then(Iterator::collect::<io::Result<Vec<_>>>);
        let mut entries = match listed {
            Ok(entries) => entries,
            Err(error) if depth == 0 => return Err(SourceError::Open(error)),
            Err(error) => {
                self.unreadable(shown, &error);
                return Ok(());
            }
        };
        entries.sort_by_key(fs::DirEntry::file_name);
        for entry in entries {
            let place = below.join(entry.file_name());
            let name = place.to_string_lossy().into_owned();
            match entry.file_type() {
                Err(error) => self.unreadable(name, &error),
                Ok(kind) if kind.is_symlink() => {
                    self.take.finding(Finding::of_file(name, Fault::Link));
                }
                Ok(kind) if kind.is_dir() && depth < DEEPEST => {
                    self.directory(&place, depth + 1)?;
                }
                Ok(kind) if kind.is_dir() => {
                    let why = format!("directories are nested deeper than {DEEPEST}");
                    self.take.finding(Finding::of_file(name, Fault::Unreadable { why }));
                }
                Ok(kind) if kind.is_file() => self.file(name, &place)?,
                // Sockets, pipes and devices hold nothing.
                Ok(_) => {}
            }
        }
        Ok(())
    }

    fn file(&mut self, name: String, place: &Path) -> Result<(), SourceError> {
        self.files += 1;
        if self.files > MOST_FILES {
            return Err(SourceError::TooManyFiles);
        }
        let opened = open(&self.root.join(place))
            .and_then(|(file, mode)| content(&name, file).map(|content| (content, mode)));
        match opened {
            Ok((Content::Bytes(bytes), mode)) => {
                return self.take.member(&Member { name, mode, bytes });
            }
            Ok((Content::Unread(fault), _)) => self.take.unread(&name, fault),
            Ok((Content::Nothing, _)) => {}
            Err(error) => self.unreadable(name, &error),
        }
        Ok(())
    }

    fn unreadable(&mut self, name: String, error: &io::Error) {
        let why = error.to_string();
        self.take.finding(Finding::of_file(name, Fault::Unreadable { why }));
    }
}

/// Opens a regular file; what was put in its place meanwhile is neither followed nor waited for.
fn open(path: &Path) -> io::Result<(File, u32)> {
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits().cast_signed();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    Ok((file, metadata.mode() & 0o7777))
}
