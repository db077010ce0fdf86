//! Work on many values, on all cores and on none of the runtime's threads.

use std::num::NonZero;
use std::sync::{Arc, LazyLock};

use crate::Error;

static CORES: LazyLock<usize> =
    LazyLock::new(|| std::thread::available_parallelism().map_or(1, NonZero::get));

/// The fewest values that are worth a thread: handing work over costs some 10 us, a value takes a
/// few of them.
const PART: usize = 64;

/// Applies `work` to each value and its place. The results are in order; the first value that fails decides.
pub(crate) async fn in_parallel<T: Send + 'static, R: Send + 'static>(
    mut values: Vec<T>,
    work: impl Fn(usize, T) -> Result<R, Error> + Send + Sync + 'static,
) -> Result<Vec<R>, Error> {
    let work = Arc::new(work);
    let parts = CORES.min(values.len().div_ceil(PART)).max(1);
    let size = values.len().div_ceil(parts);
    let (mut tasks, mut first) = (Vec::with_capacity(parts), 0);
    while values.len() > size {
        let rest = values.split_off(size);
        tasks.push(start(first, values, work.clone()));
        (values, first) = (rest, first + size);
    }
    tasks.push(start(first, values, work));
    let mut results = Vec::new();
    for task in tasks {
        let part = task.await.map_err(|_| Error::Cancelled)??;
        if results.is_empty() {
            results = part;
        } else {
            results.extend(part);
        }
    }
    Ok(results)
}

fn start<T: Send + 'static, R: Send + 'static>(
    first: usize,
    values: Vec<T>,
    work: Arc<impl Fn(usize, T) -> Result<R, Error> + Send + Sync + 'static>,
) -> tokio::task::JoinHandle<Result<Vec<R>, Error>> {
    tokio::task::spawn_blocking(move || {
        (first..).zip(values).map(|(at, value)| work(at, value)).collect()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn results_are_in_order_and_the_first_failure_decides() {
        for count in [0_u64, 1, 63, 64, 65, 1000] {
            let work = |at, value: u64| Ok((at, 2 * value));
            let doubled = in_parallel((0..count).collect(), work).await.unwrap();
            let expected = (0..count).map(|value| 2 * value).enumerate();
            assert_eq!(doubled, expected.collect::<Vec<_>>());
        }
        let failed = in_parallel((0..1000_u64).collect(), |_, row| match row {
            300.. => Err(Error::BatchRow { row, error: Box::new(Error::NoPrincipal) }),
            _ => Ok(row),
        });
        assert!(matches!(failed.await, Err(Error::BatchRow { row: 300, .. })));
    }
}
