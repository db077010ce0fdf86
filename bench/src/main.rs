//! `make bench`: each figure as a ratio of CPU time to a reference measured in the same run.
//!
//! With arguments, only the areas that they name: `authentication`, `in-memory`, `authority`,
//! `batch-command`, `peers`.
//! `--write DIR` writes the table and a plot there as well.
//!
//! The machine's speed cancels out of a ratio, and CPU time does not count the neighbours' work. Every
//! measured closure asserts that its work succeeded: a fast failure is no result.

#![expect(clippy::print_stdout, reason = "the table is the program's output")]
#![expect(clippy::unwrap_used, reason = "a benchmark that cannot do its work must stop")]

mod authentication;
mod authority;
mod batch;
mod batch_command;
mod in_memory;
mod measure;
mod peers;
mod report;
mod store;

use measure::Table;

fn main() {
    let mut areas: Vec<String> = std::env::args().skip(1).collect();
    let written = areas.iter().position(|area| area == "--write").map(|at| {
        areas.remove(at);
        std::path::PathBuf::from(areas.remove(at))
    });
    let wanted = |area: &str| areas.is_empty() || areas.iter().any(|named| named == area);
    let mut table = Table::default();
    if wanted("authentication") {
        authentication::run(&mut table);
    }
    if ["in-memory", "authority", "batch-command", "peers"].into_iter().any(wanted) {
        let raw = in_memory::run(&mut table);
        if wanted("authority") {
            authority::run(&mut table, raw);
        }
        if wanted("batch-command") {
            batch_command::run(&mut table);
        }
        if wanted("peers") {
            peers::run(&mut table, raw);
        }
    }
    println!("{table}");
    if let Some(folder) = written {
        report::write(&table, &folder).unwrap();
    }
    if table.has_failed() {
        std::process::exit(1);
    }
}
