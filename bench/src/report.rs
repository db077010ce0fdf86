//! The figures as a document: a table, how they were measured, and a plot.

use std::fmt::Write as _;
use std::path::Path;
use std::{fs, io};

use crate::measure::Table;

/// Writes `benchmarks.md` and `benchmarks.svg` into a folder.
pub(crate) fn write(table: &Table, folder: &Path) -> io::Result<()> {
    fs::write(folder.join("benchmarks.svg"), svg(table.plotted()))?;
    fs::write(folder.join("benchmarks.md"), markdown(table))
}

fn markdown(table: &Table) -> String {
    let mut rows = String::new();
    for row in table.rows() {
        // Writing to a String does not fail.
        let _ = writeln!(
            rows,
            "| {} | {:.3} | {} | {} |",
            row.name(),
            row.ratio(),
            row.target(),
            row.note()
        );
    }
    let machine = machine();
    format!(
        "# Benchmarks\n\n\
         This page is written by the benchmark itself (`make bench-docs`); `make bench` prints the same table \
         without\nwriting it. Figures are of one run on {machine}.\n\n\
         ![Certificates a second of CPU time, by way of issuing](benchmarks.svg)\n\n\
         ## Method\n\n\
         Each figure is a ratio of CPU time to a reference that was measured in the same run, in turns with it, so \
         that the\nmachine's speed and its neighbours cancel out: \"raw keygen + sign\" is a P-256 key pair and one \
         signature by\naws-lc-rs, \"verification\" one P-256 verification. Of in-process work it is the median of \
         several rounds; of\nprograms it is user and system time of the process and all that it starts. Every \
         measured piece of work asserts\nthat it succeeded; what the programs issued is verified by `openssl \
         verify`. A row without a target is a peer or a\nreference; a target that was missed is marked. In the \
         plot, bars are certificates a second of CPU time on a\nlogarithmic scale; \"raw\" is what no issuer can \
         pass.\n\n\
         ## Figures\n\n\
         | figure | ratio | target | measured |\n|---|---:|---|---|\n{rows}"
    )
}

/// The processor and how many of it, as Linux says.
fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")?.split(": ").nth(1));
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{cores} virtual cores of {}", model.unwrap_or("an unknown processor"))
}

/// Height of a bar with the space below it.
const LINE: usize = 26;
/// Where the bars begin, and how long a tenfold rate makes them.
const LEFT: f64 = 330.0;
const DECADE: f64 = 95.0;

fn svg(plotted: &[(&'static str, f64)]) -> String {
    let height = plotted.len() * LINE + 50;
    let mut bars = String::new();
    for (at, (name, microseconds)) in plotted.iter().enumerate() {
        let rate = 1e6 / microseconds;
        let length = rate.log10().max(0.0) * DECADE;
        let top = at * LINE + 10;
        let (text, end) = (top + 14, LEFT + length + 6.0);
        let (name, color) = match name.trim().strip_prefix("peer: ") {
            Some(peer) => (peer, "#9aa5b1"),
            None => (name.trim(), "#2f6fb0"),
        };
        let _ = writeln!(
            bars,
            "<text x=\"{}\" y=\"{text}\" text-anchor=\"end\">{name}</text>\n\
             <rect x=\"{LEFT}\" y=\"{top}\" width=\"{length:.1}\" height=\"18\" fill=\"{color}\"/>\n\
             <text x=\"{end:.1}\" y=\"{text}\">{}</text>",
            LEFT - 8.0,
            grouped(rate),
        );
    }
    let axis = (0..=5_i32).fold(String::new(), |mut axis, power| {
        let x = LEFT + f64::from(power) * DECADE;
        let bottom = height - 32;
        let _ = writeln!(
            axis,
            "<line x1=\"{x}\" y1=\"4\" x2=\"{x}\" y2=\"{bottom}\" stroke=\"#d5dae0\"/>\n\
             <text x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            height - 14,
            grouped(10_f64.powi(power)),
        );
        axis
    });
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 900 {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <title>Certificates a second of CPU time</title>\n\
         <rect width=\"900\" height=\"{height}\" fill=\"white\"/>\n{axis}{bars}</svg>\n"
    )
}

/// A rate in digits, in groups of three.
fn grouped(rate: f64) -> String {
    let digits = format!("{rate:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}
