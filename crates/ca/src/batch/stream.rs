//! A batch as a stream of rows in and of certificates out.

use std::collections::VecDeque;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::{Batch, BatchIssued, BatchRequest, BatchRow};
use crate::{CertificateManager, Error};

/// How many slices are under way at once: one is signed while the other waits for the disk.
const UNDER_WAY: usize = 2;

/// Certificates in the order of their rows, each once it is durable. The first error is the last item.
///
/// No more rows are taken than two slices beyond what was read from here. Dropped, it takes no more
/// rows; slices that are under way end complete or abandoned.
#[derive(Debug)]
pub struct BatchStream {
    issued: mpsc::Receiver<Result<BatchIssued, Error>>,
}

impl BatchStream {
    /// Starts on the runtime that it is called on.
    pub(crate) fn start(
        manager: CertificateManager,
        request: BatchRequest,
        slice: usize,
        rows: impl Stream<Item = BatchRow> + Send + 'static,
    ) -> Self {
        // What is read from here frees room for more: one slice may wait to be read.
        let (issued, receiver) = mpsc::channel(slice.max(1));
        tokio::spawn(async move {
            if let Err(error) = issue_all(manager, request, slice.max(1), rows, &issued).await {
                // Nobody reads any more: there is nobody left to tell.
                drop(issued.send(Err(error)).await);
            }
        });
        Self { issued: receiver }
    }

    /// The next certificate; none after the last.
    pub async fn next(&mut self) -> Option<Result<BatchIssued, Error>> {
        self.issued.recv().await
    }
}

impl Stream for BatchStream {
    type Item = Result<BatchIssued, Error>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.issued.poll_recv(context)
    }
}

async fn issue_all(
    manager: CertificateManager,
    request: BatchRequest,
    size: usize,
    rows: impl Stream<Item = BatchRow>,
    issued: &mpsc::Sender<Result<BatchIssued, Error>>,
) -> Result<(), Error> {
    let batch = Arc::new(manager.batch(request).await?);
    let mut rows = pin!(rows);
    let mut under_way = VecDeque::new();
    let (mut slice, mut index, mut ended) = (Vec::new(), 0, false);
    while !(ended && under_way.is_empty()) {
        tokio::select! {
            biased;
            () = issued.closed() => return Ok(()),
            finished = oldest(&mut under_way), if !under_way.is_empty() => {
                under_way.pop_front();
                for certificate in finished? {
                    if issued.send(Ok(certificate)).await.is_err() {
                        return Ok(());
                    }
                }
            }
            more = fill(rows.as_mut(), &mut slice, size), if !ended && under_way.len() < UNDER_WAY => {
                ended = more == More::No;
                if !slice.is_empty() {
                    under_way.push_back(start(&batch, index, std::mem::take(&mut slice)));
                    index += 1;
                }
            }
        }
    }
    batch.job.finish().await.map(drop)
}

fn start(
    batch: &Arc<Batch>,
    index: u64,
    rows: Vec<BatchRow>,
) -> JoinHandle<Result<Vec<BatchIssued>, Error>> {
    let batch = batch.clone();
    tokio::spawn(async move { batch.issue_slice(index, rows).await })
}

async fn oldest(
    under_way: &mut VecDeque<JoinHandle<Result<Vec<BatchIssued>, Error>>>,
) -> Result<Vec<BatchIssued>, Error> {
    match under_way.front_mut() {
        Some(task) => task.await.map_err(|_| Error::Cancelled)?,
        None => Ok(Vec::new()),
    }
}

/// Whether rows may follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum More {
    Yes,
    No,
}

/// Takes rows until the slice is full or there are no more. Dropped in between, it keeps what it took.
async fn fill(
    mut rows: Pin<&mut impl Stream<Item = BatchRow>>,
    slice: &mut Vec<BatchRow>,
    size: usize,
) -> More {
    while slice.len() < size {
        match std::future::poll_fn(|context| rows.as_mut().poll_next(context)).await {
            Some(row) => slice.push(row),
            None => return More::No,
        }
    }
    More::Yes
}
