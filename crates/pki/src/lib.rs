//! X.509 objects and the keys that sign them.
//!
//! This crate reads no clock, opens no file and knows no database or network, so that all of it can
//! be reviewed, fuzzed and replayed: what it decides depends on its arguments alone.

pub mod der;
pub mod encode;
pub mod key;
pub mod name;
pub mod oid;
pub mod read;
pub mod role;
pub mod serial;
pub mod time;
