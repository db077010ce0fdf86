//! `make bench`: each figure as a ratio of CPU time to a reference measured in the same run.
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
mod store;

use measure::Table;

fn main() {
    let mut table = Table::default();
    // `authority` leaves out what does not touch the store, `batch-command` all but the program.
    let only = std::env::args().nth(1).unwrap_or_default();
    if only.is_empty() {
        authentication::run(&mut table);
    }
    if only != "batch-command" {
        let raw = in_memory::run(&mut table);
        authority::run(&mut table, raw);
    }
    if only != "authority" {
        batch_command::run(&mut table);
    }
    println!("{table}");
    if table.has_failed() {
        std::process::exit(1);
    }
}
