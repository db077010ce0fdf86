//! Long work on standard error: how much is done, how fast, how long it will take.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::{Output, grouped};

/// How often a plain line is written where no bar can move.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// A stopwatch: the time since some moment before the work began.
pub(crate) type Stopwatch = fn() -> Duration;

/// Work that is under way; its bar is gone from the terminal when dropped.
#[derive(Debug)]
pub(crate) struct Rate {
    output: Output,
    stopwatch: Stopwatch,
    what: &'static str,
    bar: Option<ProgressBar>,
    total: Option<u64>,
    /// What was done before, by an earlier run.
    before: u64,
    began: Duration,
    said: Duration,
}

impl Drop for Rate {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}

impl Rate {
    /// Begins to show `what`, of which `before` is done.
    pub(crate) fn new(
        output: Output,
        stopwatch: Stopwatch,
        what: &'static str,
        (before, total): (u64, Option<u64>),
    ) -> Self {
        let bar = output.shows_progress().then(|| {
            let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
            let template = match total {
                Some(_) => "{prefix:9} {bar:24} {msg}",
                None => "{prefix:9} {spinner} {msg}",
            };
            // The templates are constants; one that did not parse would leave the default look.
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.with_prefix(what)
        });
        let now = stopwatch();
        Self { output, stopwatch, what, bar, total, before, began: now, said: now }
    }

    /// So much is done by now.
    pub(crate) fn set(&mut self, done: u64) {
        let now = (self.stopwatch)();
        let text = words(done, self.before, self.total, now.saturating_sub(self.began));
        if let Some(bar) = &self.bar {
            bar.set_position(done);
            bar.set_message(text);
        } else if now.saturating_sub(self.said) >= LINE_EVERY {
            self.said = now;
            self.output.line(&format!("{} {text}", self.what));
        }
    }

    /// How long it has taken.
    pub(crate) fn elapsed(&self) -> Duration {
        (self.stopwatch)().saturating_sub(self.began)
    }
}

/// `614,203 of 1,000,000 rows, 61,800/s, 6 s left`.
fn words(done: u64, before: u64, total: Option<u64>, elapsed: Duration) -> String {
    let rate = per_second(done.saturating_sub(before), elapsed);
    let speed = format!("{}/s", grouped(rate));
    match total {
        None => format!("{} rows, {speed}", grouped(done)),
        Some(total) => {
            let left = match rate {
                0 => String::new(),
                rate => format!(", {} left", span(total.saturating_sub(done).div_ceil(rate))),
            };
            format!("{} of {} rows, {speed}{left}", grouped(done), grouped(total))
        }
    }
}

/// How many a second, floored.
pub(crate) fn per_second(count: u64, elapsed: Duration) -> u64 {
    let milliseconds = elapsed.as_millis().max(1);
    u64::try_from(u128::from(count) * 1000 / milliseconds).unwrap_or(u64::MAX)
}

fn span(seconds: u64) -> String {
    match seconds {
        ..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_follows_from_the_rate_of_this_run() {
        let elapsed = Duration::from_secs(10);
        assert_eq!(
            words(614_203, 0, Some(1_000_000), elapsed),
            "614,203 of 1,000,000 rows, 61,420/s, 7 s left"
        );
        let resumed = words(614_203, 604_203, Some(1_000_000), elapsed);
        assert_eq!(resumed, "614,203 of 1,000,000 rows, 1,000/s, 6 min left");
        assert_eq!(words(0, 0, Some(10), elapsed), "0 of 10 rows, 0/s");
        assert_eq!(words(4096, 0, None, elapsed), "4,096 rows, 409/s");
    }
}
