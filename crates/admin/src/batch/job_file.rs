//! The job file: how far a batch came, and the private keys of what is under way.
//!
//! It lies beside the output and is the owner's alone. Each new state is a new file that takes the
//! old one's name, so what stands there is always whole, and keys whose lines are durable are gone
//! with the file that held them. The process that runs the job holds a lock on it: the next state is
//! locked before it has its name, so there is no moment in which a second process could come in.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::error::BatchError;
use super::keys::SliceKeys;
use super::slices::Cut;
use crate::error::CliError;
use crate::files::{self, Existing, FileError, Mode, Staged, no_follow};

/// What the first line of a job file says first.
const FORMAT: &str = "rustmq-batch-1";

/// What the batch was asked for: a command that is to go on with it asks for the same.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    /// `batch-issue` or `batch-renew`.
    pub(crate) command: String,
    /// The scope of its slices in the store.
    pub(crate) job: String,
    /// SHA-256 of the input, hexadecimal.
    pub(crate) input: String,
    /// The issuing CA's id.
    pub(crate) ca_id: String,
    /// SHA-256 of the issuing CA's SubjectPublicKeyInfo, hexadecimal.
    pub(crate) ca_key: String,
    /// The flags that decide what is issued, by name.
    pub(crate) flags: Vec<(String, String)>,
    /// Rows in a slice.
    pub(crate) rows_per_slice: u64,
    /// How many certificates there will be.
    pub(crate) rows: u64,
    /// Rows that are left out because they are wrong.
    pub(crate) skipped: u64,
    /// A check value of which these are.
    pub(crate) skipped_crc32: u32,
}

/// How far the output came; all of it is durable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Delivered {
    /// Slices.
    pub(crate) slices: u64,
    /// Certificates.
    pub(crate) rows: u64,
    /// Length of the output file.
    pub(crate) bytes: u64,
    /// CRC-32 of the output file.
    pub(crate) crc32: u32,
}

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    format: String,
    finished: bool,
    asked: Asked,
    delivered: Delivered,
    /// Slices whose keys follow the line, with how many rows each has.
    keys: Vec<(u64, u64)>,
}

/// An open job file, locked.
#[derive(Debug)]
pub(crate) struct JobFile {
    path: PathBuf,
    /// Holds the lock.
    _locked: File,
    /// What was asked for.
    pub(crate) asked: Asked,
    /// How far it came.
    pub(crate) delivered: Delivered,
    /// Whether all is done.
    pub(crate) finished: bool,
    /// The keys of slices that are not delivered yet, in the order of the slices.
    pub(crate) under_way: Vec<SliceKeys>,
}

/// Where the job file of an output lies.
pub(crate) fn place(output: &Path) -> PathBuf {
    let mut name = output.file_name().unwrap_or_default().to_owned();
    name.push(".job");
    output.with_file_name(name)
}

impl JobFile {
    /// The job file that an earlier run left, if there is one.
    pub(crate) fn find(path: &Path) -> Result<Option<Self>, CliError> {
        if fs::symlink_metadata(path).is_err() {
            return Ok(None);
        }
        loop {
            let mut locked = open_own(path)?;
            lock(&locked, path)?;
            // The state may have been replaced between opening and locking.
            let same = fs::symlink_metadata(path)
                .and_then(|named| Ok(named.ino() == locked.metadata()?.ino()));
            if same.map_err(FileError::read(path))? {
                remove_unfinished(path);
                return read(&mut locked, path).map(|(head, keys)| {
                    Some(Self {
                        path: path.to_owned(),
                        _locked: locked,
                        asked: head.asked,
                        delivered: head.delivered,
                        finished: head.finished,
                        under_way: keys,
                    })
                });
            }
        }
    }

    /// Begins a job.
    pub(crate) fn create(path: &Path, asked: Asked) -> Result<Self, CliError> {
        let head = Head {
            format: FORMAT.to_owned(),
            finished: false,
            asked,
            delivered: Delivered::default(),
            keys: Vec::new(),
        };
        let locked = match write(path, &head, &[], Existing::Keep) {
            Err(CliError::File(FileError::Exists { .. })) => {
                return Err(BatchError::Running { path: path.to_owned() }.into());
            }
            result => result?,
        };
        remove_unfinished(path);
        Ok(Self {
            path: path.to_owned(),
            _locked: locked,
            asked: head.asked,
            delivered: head.delivered,
            finished: false,
            under_way: Vec::new(),
        })
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// How its rows are cut into slices.
    pub(crate) fn cut(&self) -> Cut {
        Cut { rows: self.asked.rows, rows_per_slice: self.asked.rows_per_slice }
    }

    /// How many rows are under way, by the keys that it holds for them.
    pub(crate) fn rows_under_way(&self) -> u64 {
        self.under_way.iter().map(|keys| keys.len() as u64).sum()
    }

    /// Makes the next state durable: how far the output came, and the keys of what is under way.
    pub(crate) fn save(
        &mut self,
        delivered: Delivered,
        keys: &[&SliceKeys],
        finished: bool,
    ) -> Result<(), CliError> {
        let counted = keys.iter().map(|keys| (keys.slice(), keys.len() as u64)).collect();
        let head = Head {
            format: FORMAT.to_owned(),
            finished,
            asked: self.asked.clone(),
            delivered,
            keys: counted,
        };
        self._locked = write(&self.path, &head, keys, Existing::Replace)?;
        (self.delivered, self.finished) = (delivered, finished);
        Ok(())
    }

    /// Removes it: nothing was begun.
    pub(crate) fn remove(self) {
        // One that stays says that nothing was delivered, and is taken up.
        let _left = fs::remove_file(&self.path);
    }
}

/// Opens a file that is the user's own and nobody else's to read.
fn open_own(path: &Path) -> Result<File, CliError> {
    let not_private = || BatchError::NotPrivate { path: path.to_owned() };
    let no_job = || BatchError::DamagedJob { path: path.to_owned() };
    let mut options = OpenOptions::new();
    // A pipe that nobody writes into would keep us waiting.
    options.read(true).custom_flags(no_follow() | OFlags::NONBLOCK.bits().cast_signed());
    let file = match options.open(path) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            return Err(not_private().into());
        }
        Err(error) if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
            return Err(BatchError::LinkedJob { path: path.to_owned() }.into());
        }
        result => result.map_err(FileError::read(path))?,
    };
    let metadata = file.metadata().map_err(FileError::read(path))?;
    if !metadata.is_file() {
        return Err(no_job().into());
    }
    let owner = rustix::process::geteuid().as_raw();
    match metadata.uid() == owner && metadata.mode() & 0o077 == 0 {
        true => Ok(file),
        false => Err(not_private().into()),
    }
}

fn lock(file: &File, path: &Path) -> Result<(), CliError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(BatchError::Running { path: path.to_owned() }.into()),
        Err(TryLockError::Error(error)) => Err(FileError::read(path)(error).into()),
    }
}

/// Removes states that a killed process had not given their name yet: they hold keys.
fn remove_unfinished(path: &Path) {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let Ok(entries) = fs::read_dir(folder.unwrap_or(Path::new("."))) else { return };
    for entry in entries.flatten() {
        let file = entry.file_name();
        if files::is_beside(&file.to_string_lossy(), &name) {
            // One that cannot be removed is in nobody's way.
            let _left = fs::remove_file(entry.path());
        }
    }
}

/// Writes a state and gives it the job file's name; returns it locked.
fn write(
    path: &Path,
    head: &Head,
    keys: &[&SliceKeys],
    existing: Existing,
) -> Result<File, CliError> {
    let bytes = encode(head, keys).ok_or(BatchError::Lost)?;
    let (staged, mut file) = Staged::create(path, Mode::Private)?;
    lock(&file, path)?;
    file.write_all(&bytes).map_err(FileError::write(path))?;
    staged.put(existing)?;
    Ok(file)
}

/// The head as a line of JSON, then each key with its length, then a check value of all.
fn encode(head: &Head, keys: &[&SliceKeys]) -> Option<Zeroizing<Vec<u8>>> {
    let mut line = serde_json::to_vec(head).ok()?;
    line.push(b'\n');
    let length: usize = keys.iter().map(|keys| keys.octets() + 4 * keys.len()).sum();
    // Reserved at once: a buffer that grows leaves copies of keys behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(line.len() + length + 4));
    bytes.extend_from_slice(&line);
    for keys in keys {
        for nth in 0..keys.len() {
            let pkcs8 = keys.get(nth).unwrap_or_default();
            bytes.extend_from_slice(&u32::try_from(pkcs8.len()).ok()?.to_le_bytes());
            bytes.extend_from_slice(pkcs8);
        }
    }
    let check = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&check.to_le_bytes());
    Some(bytes)
}

fn read(file: &mut File, path: &Path) -> Result<(Head, Vec<SliceKeys>), CliError> {
    let length = file.metadata().map_or(0, |metadata| metadata.len());
    let capacity = usize::try_from(length).unwrap_or(0).saturating_add(1);
    let mut bytes = Zeroizing::new(Vec::with_capacity(capacity));
    file.read_to_end(&mut bytes).map_err(FileError::read(path))?;
    decode(&bytes).ok_or_else(|| BatchError::DamagedJob { path: path.to_owned() }.into())
}

fn decode(bytes: &[u8]) -> Option<(Head, Vec<SliceKeys>)> {
    let (bytes, check) = bytes.split_last_chunk::<4>()?;
    if crc32fast::hash(bytes) != u32::from_le_bytes(*check) {
        return None;
    }
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (line, mut rest) = (&bytes[..end], &bytes[end + 1..]);
    let head: Head =
        serde_json::from_slice(line).ok().filter(|head: &Head| head.format == FORMAT)?;
    let mut slices = Vec::new();
    for (slice, count) in &head.keys {
        let mut keys = SliceKeys::with_capacity(*slice, 0, rest.len());
        for _ in 0..*count {
            let (length, after) = rest.split_first_chunk::<4>()?;
            let length = usize::try_from(u32::from_le_bytes(*length)).ok()?;
            keys.push(after.get(..length)?);
            rest = &after[length..];
        }
        slices.push(keys);
    }
    rest.is_empty().then_some((head, slices))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn asked() -> Asked {
        Asked {
            command: "batch-issue".to_owned(),
            job: "job".to_owned(),
            input: "00".to_owned(),
            ca_id: "prod_ca_1".to_owned(),
            ca_key: "17".to_owned(),
            flags: vec![("--role".to_owned(), "broker".to_owned())],
            rows_per_slice: 16,
            rows: 40,
            skipped: 1,
            skipped_crc32: 7,
        }
    }

    fn keys(slice: u64, keys: &[&[u8]]) -> SliceKeys {
        let mut block = SliceKeys::with_capacity(slice, keys.len(), 0);
        keys.iter().for_each(|key| block.push(key));
        block
    }

    #[test]
    fn a_state_reads_back_and_the_next_one_has_no_trace_of_its_keys() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fleet.ndjson.job");
        assert!(JobFile::find(&path).unwrap().is_none());
        let mut job = JobFile::create(&path, asked()).unwrap();
        let delivered = Delivered { slices: 1, rows: 16, bytes: 99, crc32: 3 };
        let (one, two) = (keys(1, &[b"first key", b"", b"third"]), keys(2, &[b"fourth"]));
        job.save(delivered, &[&one, &two], false).unwrap();
        drop(job);
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let mut job = JobFile::find(&path).unwrap().unwrap();
        assert_eq!((&job.asked, job.delivered, job.finished), (&asked(), delivered, false));
        assert_eq!(job.under_way.len(), 2);
        assert_eq!((job.under_way[0].slice(), job.under_way[0].len()), (1, 3));
        assert_eq!(job.under_way[0].get(0), Some(&b"first key"[..]));
        assert_eq!(
            (job.under_way[0].get(1), job.under_way[1].get(0)),
            (None, Some(&b"fourth"[..]))
        );
        job.save(delivered, &[], true).unwrap();
        assert!(!fs::read(&path).unwrap().windows(5).any(|bytes| bytes == b"third"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing lies beside it");
    }

    #[test]
    fn a_second_process_is_kept_out_in_every_state() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fleet.job");
        let running = |result: Result<_, CliError>| {
            matches!(result, Err(CliError::Batch(BatchError::Running { .. })))
        };
        let mut job = JobFile::create(&path, asked()).unwrap();
        assert!(running(JobFile::find(&path).map(drop)));
        assert!(running(JobFile::create(&path, asked()).map(drop)));
        job.save(Delivered::default(), &[], false).unwrap();
        assert!(running(JobFile::find(&path).map(drop)));
        drop(job);
        assert!(JobFile::find(&path).unwrap().is_some());
    }

    #[test]
    fn a_damaged_or_open_job_file_is_not_believed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fleet.job");
        let mut job = JobFile::create(&path, asked()).unwrap();
        job.save(Delivered::default(), &[&keys(0, &[b"key"])], false).unwrap();
        drop(job);
        let whole = fs::read(&path).unwrap();
        for at in [0, whole.len() / 2, whole.len() - 1] {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            fs::write(&path, &damaged).unwrap();
            let found = JobFile::find(&path);
            assert!(matches!(found, Err(CliError::Batch(BatchError::DamagedJob { .. }))), "{at}");
        }
        fs::write(&path, &whole).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert!(matches!(
            JobFile::find(&path),
            Err(CliError::Batch(BatchError::NotPrivate { .. }))
        ));
    }

    #[test]
    fn what_a_killed_process_had_not_named_is_removed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fleet.job");
        drop(JobFile::create(&path, asked()).unwrap());
        fs::write(dir.path().join(".fleet.job.4711-0.new"), b"keys").unwrap();
        // Files that others write, of which one is called like this job and more.
        let others = [".fleet.job.more.4711-0.new", ".other.job.4711-0.new"];
        for other in others {
            fs::write(dir.path().join(other), b"another's").unwrap();
        }
        JobFile::find(&path).unwrap().unwrap();
        let entries = fs::read_dir(dir.path()).unwrap().flatten();
        let mut left: Vec<_> = entries.map(|e| e.file_name().into_string().unwrap()).collect();
        left.sort();
        assert_eq!(left, [others[0], others[1], "fleet.job"]);
    }
}
