//! The thread that writes: changes that wait together become durable together, and what is owed is not
//! forgotten when it fails.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError, mpsc};
use std::thread::JoinHandle;

use rusqlite::{Connection, Transaction, TransactionBehavior};
use tokio::sync::oneshot;

use super::fault::{Fault, database_error};
use super::{filesystem, migrations};
use crate::Error;

/// The most changes in one transaction. Each is a few pages; past some hundreds the fsync is a small
/// part of the time, and the first to come should not wait for more.
const GROUP: usize = 256;

/// A queued piece of work.
enum Job {
    /// Shares a transaction with others.
    Change(Box<dyn Change>),
    /// Has to be done, and nobody waits for it.
    Owed(Owed),
    /// Has the connection to itself.
    Alone(Box<dyn FnOnce(&mut Connection) + Send>),
}

/// A change that has to become durable sooner or later: one that fails is tried again before whatever
/// is written next.
type Owed = Box<dyn Fn(&Connection) -> Result<(), Fault> + Send>;

/// A change whose result waits for the commit.
trait Change: Send {
    /// Fails only when the whole transaction has.
    fn run(&mut self, connection: &Connection) -> Result<(), Fault>;
    fn finish(self: Box<Self>, store: &Path, commit: Result<(), &Fault>);
}

struct Pending<T, F> {
    change: Option<F>,
    result: Option<Result<T, Fault>>,
    reply: oneshot::Sender<Result<T, Error>>,
}

impl<T, F> Change for Pending<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T, Fault> + Send,
{
    /// Runs the change in a savepoint: its refusal does not undo the others'.
    fn run(&mut self, connection: &Connection) -> Result<(), Fault> {
        let Some(change) = self.change.take() else { return Ok(()) };
        execute(connection, "SAVEPOINT change")?;
        let result = change(connection);
        if connection.is_autocommit() {
            // A full or failing disk: the database gave up the transaction, savepoints and all.
            return Err(result.err().unwrap_or_else(|| Error::StoreClosed.into()));
        }
        if result.is_err() {
            execute(connection, "ROLLBACK TO change")?;
        }
        self.result = Some(result);
        execute(connection, "RELEASE change")?;
        Ok(())
    }

    fn finish(self: Box<Self>, store: &Path, commit: Result<(), &Fault>) {
        let result = match (self.result, commit) {
            // A refusal stands whether or not the others' changes were committed.
            (Some(Err(fault)), _) => Err(fault.into_error(store)),
            (_, Err(fault)) => Err(shared_error(store, fault)),
            (Some(Ok(value)), Ok(())) => Ok(value),
            (None, Ok(())) => Err(Error::StoreClosed),
        };
        // A caller that has gone away wants no answer; what it asked for is done all the same.
        drop(self.reply.send(result));
    }
}

fn execute(connection: &Connection, sql: &str) -> rusqlite::Result<()> {
    connection.prepare_cached(sql)?.execute([])?;
    Ok(())
}

/// The error of a failed commit, for each who shared it.
fn shared_error(store: &Path, fault: &Fault) -> Error {
    match fault {
        Fault::Database(error) => database_error(store, error),
        Fault::Refused(error) => match error.as_ref() {
            Error::NewerStore { path, found, supported } => {
                Error::NewerStore { path: path.clone(), found: *found, supported: *supported }
            }
            other => Error::Store { path: store.to_owned(), detail: other.to_string() },
        },
    }
}

/// The handle of the writing thread.
pub(super) struct Writer {
    queue: Mutex<Option<mpsc::Sender<Job>>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread, which opens its connection itself: all that is written to the store is
    /// written by it.
    pub(super) fn start(
        store: PathBuf,
        open: impl FnOnce() -> Result<Connection, Error> + Send + 'static,
    ) -> Result<Self, Error> {
        let (queue, jobs) = mpsc::channel();
        let (opened, outcome) = mpsc::sync_channel(1);
        let path = store.clone();
        let thread = std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || match open() {
                // The opener waits for one of the two.
                Ok(connection) if opened.send(Ok(())).is_ok() => {
                    write_all(connection, &store, &jobs);
                }
                Ok(_) => {}
                Err(error) => drop(opened.send(Err(error))),
            })
            .map_err(|error| filesystem::io_error(&path, error))?;
        outcome.recv().map_err(|_| Error::StoreClosed)??;
        Ok(Self { queue: Mutex::new(Some(queue)), thread: Some(thread) })
    }

    /// Queues a change and waits until it is durable.
    pub(super) async fn write<T: Send + 'static>(
        &self,
        change: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let pending = Pending { change: Some(change), result: None, reply };
        self.send(Job::Change(Box::new(pending)))?;
        answer.await.map_err(|_| Error::StoreClosed)?
    }

    /// Queues a change that nobody waits for. Where it fails, on a full disk for instance, it is
    /// tried again before each later write until it is durable or the store is closed.
    pub(super) fn owe(
        &self,
        change: impl Fn(&Connection) -> Result<(), Fault> + Send + 'static,
    ) -> Result<(), Error> {
        self.send(Job::Owed(Box::new(change)))
    }

    /// Queues work that needs the connection outside a transaction.
    pub(super) async fn alone<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, Fault> + Send + 'static,
        store: PathBuf,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        self.send(Job::Alone(Box::new(move |connection| {
            let result = work(connection).map_err(|fault| fault.into_error(&store));
            drop(reply.send(result));
        })))?;
        answer.await.map_err(|_| Error::StoreClosed)?
    }

    fn send(&self, job: Job) -> Result<(), Error> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = queue.as_ref().map(|queue| queue.send(job));
        if matches!(sent, Some(Ok(()))) { Ok(()) } else { Err(Error::StoreClosed) }
    }
}

impl Drop for Writer {
    /// Waits for the queued work, so that the store is whole and closed when its handle is gone.
    fn drop(&mut self) {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = self.thread.take() {
            // A panic in the thread was reported there; there is nobody left to tell.
            drop(thread.join());
        }
    }
}

fn write_all(mut connection: Connection, store: &Path, jobs: &mpsc::Receiver<Job>) {
    let mut owed = Vec::new();
    let mut next = jobs.recv().ok();
    while let Some(job) = next.take() {
        match job {
            Job::Owed(change) => {
                owed.push(change);
                settle(&mut connection, store, &mut owed);
            }
            Job::Alone(work) => {
                settle(&mut connection, store, &mut owed);
                work(&mut connection);
            }
            Job::Change(first) => {
                settle(&mut connection, store, &mut owed);
                let mut group = vec![first];
                let commit = write_group(&mut connection, store, &mut group, || {
                    match jobs.try_recv().ok()? {
                        Job::Change(change) => Some(change),
                        other => {
                            next = Some(other);
                            None
                        }
                    }
                });
                for change in group {
                    change.finish(store, commit.as_ref().map(|_| ()));
                }
            }
        }
        if next.is_none() {
            next = jobs.recv().ok();
        }
    }
}

/// Tries what is owed, each in a transaction of its own: what the disk has no room for stays owed, and
/// keeps nothing smaller from being written.
fn settle(connection: &mut Connection, store: &Path, owed: &mut Vec<Owed>) {
    owed.retain(|change| {
        let mut settle = || -> Result<(), Fault> {
            let transaction = begin(connection, store)?;
            change(&transaction)?;
            Ok(transaction.commit()?)
        };
        settle().is_err()
    });
}

fn begin<'a>(connection: &'a mut Connection, store: &Path) -> Result<Transaction<'a>, Fault> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    migrations::check_in_transaction(&transaction, store)?;
    Ok(transaction)
}

/// Runs one transaction with the first change and all that wait, and makes it durable.
fn write_group(
    connection: &mut Connection,
    store: &Path,
    group: &mut Vec<Box<dyn Change>>,
    mut waiting: impl FnMut() -> Option<Box<dyn Change>>,
) -> Result<(), Fault> {
    let transaction = begin(connection, store)?;
    for at in 0..GROUP {
        if at == group.len() {
            match waiting() {
                Some(change) => group.push(change),
                None => break,
            }
        }
        group[at].run(&transaction)?;
    }
    transaction.commit()?;
    Ok(())
}
