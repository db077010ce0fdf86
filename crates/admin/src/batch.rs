//! Batches: a file of rows in, certificates and keys out, by a job that can be killed and taken up.
//!
//! - `input.rs`, `rows.rs`, `csv_records.rs`, `csv_rows.rs`, `json_rows.rs`, `list_rows.rs`: what is
//!   read, a row at a time. `row.rs` and `csr.rs`: what its cells mean. `row_errors.rs`: what is wrong with them.
//! - `keys.rs`, `job_file.rs`: private keys, on the disk before their certificates are asked for, and
//!   gone once their lines are durable.
//! - `checking.rs`: the first pass, in which every row is checked. `slices.rs`: the second, in which
//!   rows get keys. `issuer.rs`: the authority as both see it. `job.rs`: all of it in its order, and
//!   `run.rs` the second pass. `taking_up.rs`: what an earlier run was killed over comes first, once
//!   `same_store.rs` has found that the authority is the one that the job was begun with.
//!   `verifying.rs`: whether the folders of a finished job are there.
//!   `chosen_list.rs`: what a filter chose for a job.
//! - `delivery.rs`, `lines_file.rs`, `line.rs`, `pem.rs`, `folders.rs`: what is written.

pub(crate) mod checking;
pub(crate) mod chosen_list;
mod csr;
mod csv_records;
mod csv_rows;
pub(crate) mod delivery;
mod error;
#[cfg(test)]
mod fixture;
mod folders;
pub(crate) mod input;
pub(crate) mod issuer;
mod issuing_cas;
pub(crate) mod job;
pub(crate) mod job_file;
mod json_rows;
pub(crate) mod key_types;
pub(crate) mod keys;
mod line;
mod lines_file;
mod list_rows;
mod pem;
pub(crate) mod row;
pub(crate) mod row_errors;
mod row_notes;
pub(crate) mod rows;
mod run;
mod same_store;
mod slices;
pub(crate) mod summary;
mod taking_up;
mod verifying;

pub(crate) use error::BatchError;
