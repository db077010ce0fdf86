//! An output of one JSON line a certificate.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::delivery::Certified;
use super::error::BatchError;
use super::job_file::Delivered;
use super::keys::SliceKeys;
use super::line::{LINE_START, Line, LineWriter};
use crate::error::CliError;
use crate::files::{FileError, no_follow, sync_parent};

/// Octets that are written at once. A line with an RSA-4096 chain and key has less than 16 KiB; the
/// buffer never grows, so that no copy of a key is left behind.
const CHUNK: usize = 256 * 1024;
const LONGEST_LINE: usize = 64 * 1024;

/// The file, and how far it came.
pub(crate) struct LinesFile {
    file: File,
    path: PathBuf,
    writer: LineWriter,
    buffer: Zeroizing<Vec<u8>>,
    delivered: Delivered,
}

impl LinesFile {
    /// Makes the file, which must not be there.
    pub(crate) fn create(path: &Path, writer: LineWriter) -> Result<Self, CliError> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create_new(true).mode(0o600).custom_flags(no_follow());
        let file = match options.open(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(BatchError::ForeignOutput { path: path.to_owned() }.into());
            }
            result => result.map_err(FileError::write(path))?,
        };
        sync_parent(path).inspect_err(|_| {
            // One that stays would be taken for somebody else's: it was not begun.
            let _left = fs::remove_file(path);
        })?;
        Ok(Self::new(file, path, writer, Delivered::default()))
    }

    /// Goes on with the file: what is durable is as it was written, and what came after it, torn or
    /// whole, is cut off, as long as it is no more than the rows that were under way.
    pub(crate) fn resume(
        path: &Path,
        writer: LineWriter,
        (delivered, under_way): (Delivered, u64),
    ) -> Result<Self, CliError> {
        let mut file = inspect(path, (delivered, under_way))?;
        let cut = |file: &mut File| {
            file.set_len(delivered.bytes)?;
            file.seek(SeekFrom::End(0)).map(drop)
        };
        cut(&mut file).map_err(FileError::write(path))?;
        Ok(Self::new(file, path, writer, delivered))
    }

    fn new(file: File, path: &Path, writer: LineWriter, delivered: Delivered) -> Self {
        let buffer = Zeroizing::new(Vec::with_capacity(CHUNK + LONGEST_LINE));
        Self { file, path: path.to_owned(), writer, buffer, delivered }
    }

    /// Appends the lines of a slice and makes them durable.
    pub(crate) fn deliver(
        &mut self,
        slice: &[Certified],
        keys: &SliceKeys,
    ) -> Result<Delivered, CliError> {
        self.append(slice, keys).map_err(FileError::write(&self.path))?;
        self.delivered.slices += 1;
        self.delivered.rows += slice.len() as u64;
        Ok(self.delivered)
    }

    fn append(&mut self, slice: &[Certified], keys: &SliceKeys) -> io::Result<()> {
        for (nth, certified) in slice.iter().enumerate() {
            let line = Line {
                row: certified.row,
                principal: &certified.principal,
                role: certified.role,
                number: certified.number,
                certificate: &certified.certificate,
                key: keys.get(nth),
            };
            self.writer.push(&mut self.buffer, &line);
            if self.buffer.len() >= CHUNK {
                self.flush()?;
            }
        }
        self.flush()?;
        self.file.sync_data()
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_all(&self.buffer)?;
        self.delivered.bytes += self.buffer.len() as u64;
        let mut hasher = crc32fast::Hasher::new_with_initial(self.delivered.crc32);
        hasher.update(&self.buffer);
        self.delivered.crc32 = hasher.finalize();
        self.buffer.clear();
        Ok(())
    }
}

/// Whether the output of a finished job is as the job left it.
pub(crate) fn verify(path: &Path, delivered: Delivered) -> Result<(), CliError> {
    let mut file = open(path)?;
    check(&mut file, path, delivered)?;
    match file.metadata().map_err(FileError::read(path))?.len() == delivered.bytes {
        true => Ok(()),
        false => Err(changed(path, "has lines that its batch did not write")),
    }
}

fn open(path: &Path) -> Result<File, CliError> {
    let mut options = OpenOptions::new();
    match options.read(true).write(true).custom_flags(no_follow()).open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(changed(path, "is gone, and with it the private keys that stood there"))
        }
        result => Ok(result.map_err(FileError::write(path))?),
    }
}

fn check(file: &mut File, path: &Path, delivered: Delivered) -> Result<(), CliError> {
    let metadata = file.metadata().map_err(FileError::read(path))?;
    let owner = rustix::process::geteuid().as_raw();
    if !metadata.is_file() {
        return Err(changed(path, "is no file any more"));
    }
    if metadata.uid() != owner || metadata.mode() & 0o077 != 0 {
        return Err(BatchError::NotPrivate { path: path.to_owned() }.into());
    }
    if metadata.len() < delivered.bytes {
        return Err(changed(path, "is shorter than its batch left it"));
    }
    let crc32 = crc32_of(file, delivered.bytes).map_err(FileError::read(path))?;
    // Where nothing is durable yet, what is there shall at least look like ours before it is cut off.
    let is_ours = delivered.bytes > 0 || starts_like_ours(file).map_err(FileError::read(path))?;
    match crc32 == delivered.crc32 && is_ours {
        true => Ok(()),
        false => Err(changed(path, "is not as its batch left it")),
    }
}

/// Opens an output to go on with it, once it was found to be as its job left it.
pub(crate) fn inspect(
    path: &Path,
    (delivered, under_way): (Delivered, u64),
) -> Result<File, CliError> {
    let mut file = open(path)?;
    check(&mut file, path, delivered)?;
    if lines_after(&mut file, delivered.bytes).map_err(FileError::read(path))? > under_way {
        return Err(changed(
            path,
            "has more lines than its batch knows of, and they may have keys",
        ));
    }
    Ok(file)
}

fn starts_like_ours(file: &mut File) -> io::Result<bool> {
    file.rewind()?;
    let mut start = Vec::new();
    file.take(LINE_START.len() as u64).read_to_end(&mut start)?;
    Ok(LINE_START.starts_with(&start))
}

/// How many lines end after so many octets.
fn lines_after(file: &mut File, length: u64) -> io::Result<u64> {
    file.seek(SeekFrom::Start(length))?;
    let (mut lines, mut buffer) = (0, Zeroizing::new(vec![0; CHUNK]));
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(lines),
            read => lines += buffer[..read].iter().filter(|byte| **byte == b'\n').count() as u64,
        }
    }
}

fn crc32_of(file: &mut File, length: u64) -> io::Result<u32> {
    file.rewind()?;
    let mut reader = file.take(length);
    let mut hasher = crc32fast::Hasher::new();
    let mut buffer = Zeroizing::new(vec![0; CHUNK]);
    loop {
        match reader.read(&mut buffer)? {
            0 => return Ok(hasher.finalize()),
            read => hasher.update(&buffer[..read]),
        }
    }
}

fn changed(path: &Path, what: &'static str) -> CliError {
    BatchError::OutputChanged { path: path.to_owned(), what }.into()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::batch::fixture;

    fn writer() -> LineWriter {
        LineWriter::new("prod_ca_1", &[])
    }

    #[test]
    fn a_torn_line_is_cut_off_and_the_rest_goes_on() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fleet.ndjson");
        let (slice, keys) = fixture::slice(0, 3);
        let mut lines = LinesFile::create(&path, writer()).unwrap();
        let first = lines.deliver(&slice, &keys).unwrap();
        assert_eq!((first.slices, first.rows), (1, 3));
        lines.deliver(&slice, &keys).unwrap();
        drop(lines);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let whole = fs::read(&path).unwrap();
        // The second slice was not acknowledged, and its last line is torn.
        fs::write(&path, &whole[..whole.len() - 10]).unwrap();
        let error = LinesFile::resume(&path, writer(), (first, 1)).map(drop).unwrap_err();
        assert!(error.to_string().contains("more lines than its batch knows of"), "{error}");
        let mut lines = LinesFile::resume(&path, writer(), (first, 3)).unwrap();
        let second = lines.deliver(&slice, &keys).unwrap();
        assert!(fs::read(&path).unwrap() == whole);
        verify(&path, second).unwrap();
        assert!(verify(&path, first).is_err(), "there is more than the job wrote");
    }

    #[test]
    fn what_is_not_as_it_was_left_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fleet.ndjson");
        let (slice, keys) = fixture::slice(0, 2);
        let delivered = LinesFile::create(&path, writer()).unwrap().deliver(&slice, &keys).unwrap();
        let whole = fs::read(&path).unwrap();
        let refused = |what: &str| {
            let error = LinesFile::resume(&path, writer(), (delivered, 0)).map(drop).unwrap_err();
            assert!(error.to_string().contains(what), "{error}");
        };
        fs::write(&path, &whole[1..]).unwrap();
        refused("is shorter");
        let mut other = whole.clone();
        other[5] ^= 1;
        fs::write(&path, &other).unwrap();
        refused("is not as its batch left it");
        fs::write(&path, &whole).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        refused("open to others");
        fs::remove_file(&path).unwrap();
        refused("is gone");
        fs::write(&path, b"a diary").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        assert!(LinesFile::resume(&path, writer(), (Delivered::default(), 0)).is_err());
        fs::write(&path, b"").unwrap();
        assert!(LinesFile::create(&path, writer()).is_err());
    }
}
