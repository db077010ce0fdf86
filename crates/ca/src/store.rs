//! The embedded store: SQLite in one data directory, written by one thread.
//!
//! What a transaction decides on it reads inside itself, never from a cache: another process may
//! have written in between.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use rusqlite::Connection;
use rustmq_pki::time::UnixTime;

use crate::Error;
use crate::request::OpenMode;

mod abandon;
pub(crate) mod audit;
pub(crate) mod authorities;
pub(crate) mod certificates;
mod complete;
mod complete_slice;
pub(crate) mod counts;
pub(crate) mod crls;
mod fault;
mod filesystem;
pub(crate) mod idempotency;
mod instances;
pub(crate) mod key_holders;
pub(crate) mod keys;
mod lookup;
pub(crate) mod merge;
mod migrations;
mod open;
mod readers;
mod reserve;
pub(crate) mod revocations;
mod slice_rows;
pub(crate) mod slices;
mod snapshot;
pub(crate) mod standing;
pub(crate) mod stored_slices;
mod writer;

pub(crate) use audit::{Entry, Outcome};
pub(crate) use authorities::{CaRow, CaState, NewCaRow, NewId};
pub(crate) use certificates::{CertificateRow, Selection};
pub(crate) use complete_slice::{SignedRow, SignedSlice};
pub(crate) use crls::CrlTask;
pub(crate) use fault::Fault;
pub(crate) use filesystem::{check_file_system, io_error, sync_directory};
pub(crate) use idempotency::{Earlier, Repeatable};
pub(crate) use reserve::{
    Completed, Completion, IssuerVersion, Reservation, ReserveOutcome, Reserved, Subject, Ticket,
};
pub(crate) use revocations::Revoked;
pub(crate) use slices::{ReservedSlice, SliceOutcome, SliceRequest, SliceReservation, SliceRow};
pub(crate) use snapshot::{Snapshot, check_file};
pub(crate) use stored_slices::{EarlierSlice, StoredSlice};

use instances::Instance;
use readers::Readers;
use writer::Writer;

/// A handle on the store; cheap to clone.
#[derive(Clone)]
pub(crate) struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    readers: Readers,
    writing: OnceLock<Writing>,
    /// What a store that is made by its first write will be opened with.
    to_be_made: Mutex<Option<OpenStore>>,
}

/// What only a store opened for writing has.
struct Writing {
    writer: Writer,
    instance: Instance,
}

impl Writing {
    fn open(options: &OpenStore, path: &Path) -> Result<Self, Error> {
        let (opening, file) = (options.clone(), path.to_owned());
        let writer = Writer::start(file.clone(), move || open::for_writing(&opening, &file))?;
        let instance = Instance::new(&options.data_dir)?;
        Ok(Self { writer, instance })
    }
}

/// What the store is opened with.
#[derive(Clone, Debug)]
pub(crate) struct OpenStore {
    pub(crate) data_dir: PathBuf,
    pub(crate) mode: OpenMode,
    pub(crate) now: UnixTime,
    pub(crate) synchronous: &'static str,
}

impl Store {
    /// Opens the store of a data directory, making both where the mode says so.
    pub(crate) fn open(options: &OpenStore) -> Result<Self, Error> {
        filesystem::check_file_system(&options.data_dir)?;
        let path = options.data_dir.join(open::FILE);
        let writing = OnceLock::new();
        let mut to_be_made = None;
        let readers = match options.mode {
            OpenMode::Read => Readers::new(open::for_reading(&path)?, path.clone()),
            OpenMode::CreateOnWrite if !open::is_there(&path)? => {
                let create = OpenStore { mode: OpenMode::Create, ..options.clone() };
                to_be_made = Some(create);
                Readers::of_nothing(path.clone(), options.now)
            }
            OpenMode::Write | OpenMode::Create | OpenMode::CreateOnWrite => {
                // Nobody else has this cell yet.
                let _set = writing.set(Writing::open(options, &path)?);
                Readers::new(open::for_reading(&path)?, path.clone())
            }
        };
        let to_be_made = Mutex::new(to_be_made);
        Ok(Self { shared: Arc::new(Shared { path, readers, writing, to_be_made }) })
    }

    /// Makes a store that was to be made by its first write.
    async fn make(&self) -> Result<(), Error> {
        if self.shared.writing.get().is_some() {
            return Ok(());
        }
        let store = self.clone();
        blocking(move || {
            let shared = &store.shared;
            let mut to_be_made = shared.to_be_made.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(options) = to_be_made.as_ref() {
                // Whoever made it meanwhile took the options away.
                let _set = shared.writing.set(Writing::open(options, &shared.path)?);
                shared.readers.look_again();
                *to_be_made = None;
            }
            Ok(())
        })
        .await
    }

    /// The store's file.
    pub(crate) fn path(&self) -> &Path {
        &self.shared.path
    }

    /// Reads on a connection of its own, off the runtime's threads.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Error> {
        let store = self.clone();
        blocking(move || store.shared.readers.read(query)).await
    }

    /// The same on this thread, which has to be one that may block.
    pub(crate) fn read_now<T>(
        &self,
        query: impl FnOnce(&Connection) -> Result<T, Fault>,
    ) -> Result<T, Error> {
        self.shared.readers.read(query)
    }

    /// Writes in a savepoint of a transaction that other writes may share; returns once it is
    /// durable. Dropping the future does not undo a write that is queued.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Error> {
        self.make().await?;
        self.writing()?.writer.write(change).await
    }

    /// Runs with the writing connection outside any transaction.
    pub(crate) async fn alone<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Error> {
        self.make().await?;
        let store = self.path().to_owned();
        self.writing()?.writer.alone(work, store).await
    }

    /// Whether the store is made by its first write, and nothing was written yet.
    fn is_to_be_made(&self) -> bool {
        let to_be_made = self.shared.to_be_made.lock().unwrap_or_else(PoisonError::into_inner);
        to_be_made.is_some()
    }

    /// Whether the store is there and was opened for writing.
    pub(crate) fn is_writable(&self) -> bool {
        self.shared.writing.get().is_some()
    }

    fn writing(&self) -> Result<&Writing, Error> {
        self.shared.writing.get().ok_or(Error::OpenedForReading)
    }

    /// The id under whose lock this process reserves.
    fn instance(&self) -> Result<&Instance, Error> {
        Ok(&self.writing()?.instance)
    }
}

/// Runs `work` on the runtime's pool for blocking work.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    tokio::task::spawn_blocking(work).await.map_err(|_| Error::Cancelled)?
}

/// Runs deletions of what is no secret: freed pages are not overwritten, which would double the
/// writing.
fn freeing<T>(
    connection: &Connection,
    work: impl FnOnce() -> Result<T, Fault>,
) -> Result<T, Fault> {
    let set =
        |value: &str| connection.pragma_update_and_check(None, "secure_delete", value, |_| Ok(()));
    set("FAST")?;
    let result = work();
    set("ON")?;
    result
}

/// Runs work to its end even where nobody waits for it any more; what it gives is dropped then.
async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, Error>> + Send + 'static,
) -> Result<T, Error> {
    tokio::spawn(work).await.map_err(|_| Error::Cancelled)?
}

/// A time as the store writes it.
pub(crate) fn time_at(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<UnixTime> {
    row.get(column).map(UnixTime::from_seconds)
}

/// An optional time as the store writes it.
pub(crate) fn optional_time_at(
    row: &rusqlite::Row<'_>,
    column: usize,
) -> rusqlite::Result<Option<UnixTime>> {
    row.get::<_, Option<i64>>(column).map(|seconds| seconds.map(UnixTime::from_seconds))
}
