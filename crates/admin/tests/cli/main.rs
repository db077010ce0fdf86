//! The program as its users run it: arguments in; exit code, streams and files out.
#![expect(clippy::unwrap_used, reason = "what a test cannot go on without fails it")]

mod anchors;
mod authorities;
mod backup_crashes;
mod backups;
mod batch_inputs;
mod batch_rows;
mod batches;
mod batches_elsewhere;
mod batches_interrupted;
mod batches_of_folders;
mod batches_of_stored;
mod batches_refused;
mod batches_taken_up;
mod certificates;
mod command_line;
mod crashes;
mod delivery;
mod deployment;
mod formats;
mod interruption;
mod migrate;
mod outputs;
mod passphrase;
mod refusals;
mod scan;
mod specification;
mod validation;
mod workbench;
