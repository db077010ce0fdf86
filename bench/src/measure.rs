//! CPU time, and the table of figures.

use std::fmt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// CPU time of all threads of this process so far.
pub(crate) fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// CPU microseconds of one piece of work, done on all cores at once: what a batch that keeps all of
/// them busy is compared with, since two threads of one core slow each other down.
pub(crate) fn on_all_cores(repetitions: u32, work: &(dyn Fn() + Sync)) -> f64 {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let each = repetitions / u32::try_from(threads).unwrap_or(1);
    let start = cpu_time();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| (0..each).for_each(|_| work()));
        }
    });
    let done = f64::from(each) * f64::from(u32::try_from(threads).unwrap_or(1));
    (cpu_time() - start).as_secs_f64() * 1e6 / done
}

/// User and system time, in seconds, of a bash script and all that it starts in `folder`; `None` where
/// it fails, because a program is not here.
pub(crate) fn cpu_of_script(script: &str, folder: &Path) -> Option<f64> {
    let script = format!("TIMEFORMAT='%U %S'\ntime (\n{script}\n)");
    let output = Command::new("bash").args(["-c", &script]).current_dir(folder).output().ok()?;
    let times = String::from_utf8_lossy(&output.stderr);
    let times = times.lines().next_back().filter(|_| output.status.success())?;
    times.split(' ').map(|time| time.parse::<f64>().ok()).sum()
}

/// Measures several pieces of work in turns, so that a change of the machine's speed meets all of
/// them alike, and returns each one's median CPU microseconds for one repetition.
pub(crate) fn in_turns(rounds: usize, repetitions: u32, work: &mut [&mut dyn FnMut()]) -> Vec<f64> {
    work.iter_mut().for_each(|work| work());
    let mut times = vec![Vec::with_capacity(rounds); work.len()];
    for _ in 0..rounds {
        for (work, times) in work.iter_mut().zip(&mut times) {
            let start = cpu_time();
            (0..repetitions).for_each(|_| work());
            times.push((cpu_time() - start).as_secs_f64() * 1e6 / f64::from(repetitions));
        }
    }
    times.into_iter().map(median).collect()
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Whether a figure has to be at least or at most its target.
#[derive(Clone, Copy)]
pub(crate) enum Target {
    /// The ratio must not be smaller.
    AtLeast(f64),
    /// The ratio must not be larger.
    AtMost(f64),
    /// There is no target: the figure is there to compare with.
    Peer,
}

/// One figure.
pub(crate) struct Row {
    name: &'static str,
    ratio: f64,
    detail: String,
    target: Target,
}

/// The figures so far.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
    /// Ways of issuing, with the CPU microseconds of a certificate.
    plotted: Vec<(&'static str, f64)>,
}

impl Table {
    /// Adds a figure; `detail` says what was divided by what.
    pub(crate) fn add(&mut self, name: &'static str, ratio: f64, detail: String, target: Target) {
        self.rows.push(Row { name, ratio, detail, target });
    }

    /// Adds a bar to the plot: a way of issuing, and the CPU microseconds of a certificate.
    pub(crate) fn plot(&mut self, name: &'static str, microseconds: f64) {
        self.plotted.push((name, microseconds));
    }

    /// The figures, in the order in which they were measured.
    pub(crate) fn rows(&self) -> &[Row] {
        &self.rows
    }

    /// Ways of issuing, with the CPU microseconds of a certificate.
    pub(crate) fn plotted(&self) -> &[(&'static str, f64)] {
        &self.plotted
    }

    /// Whether a figure missed its target.
    pub(crate) fn has_failed(&self) -> bool {
        self.rows.iter().any(|row| !row.holds())
    }
}

impl Row {
    /// What was measured.
    pub(crate) const fn name(&self) -> &'static str {
        self.name
    }

    /// The ratio to the reference.
    pub(crate) const fn ratio(&self) -> f64 {
        self.ratio
    }

    /// What the ratio has to be.
    pub(crate) fn target(&self) -> String {
        match self.target {
            Target::AtLeast(limit) => format!(">= {limit:.2}"),
            Target::AtMost(limit) => format!("<= {limit:.2}"),
            Target::Peer => "peer".to_owned(),
        }
    }

    /// What was divided by what, and whether the target was missed.
    pub(crate) fn note(&self) -> String {
        format!("{}{}", self.detail, if self.holds() { "" } else { "  MISSED" })
    }

    fn holds(&self) -> bool {
        match self.target {
            Target::AtLeast(limit) => self.ratio >= limit,
            Target::AtMost(limit) => self.ratio <= limit,
            Target::Peer => true,
        }
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{:<44} {:>7}  {:<9} reference", "figure", "ratio", "target")?;
        for row in &self.rows {
            writeln!(f, "{:<44} {:>7.3}  {:<9} {}", row.name, row.ratio, row.target(), row.note())?;
        }
        Ok(())
    }
}
