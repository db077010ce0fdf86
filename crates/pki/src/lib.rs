//! X.509 objects and the keys that sign them.
//!
//! This crate reads no clock, opens no file and knows no database or network, so that all of it can
//! be reviewed, fuzzed and replayed: what it decides depends on its arguments alone.

pub mod certificate;
pub mod constraints;
pub mod crl;
pub mod der;
pub mod encode;
mod fields;
pub mod hex;
pub mod issuer;
pub mod key;
pub mod lint;
pub mod name;
pub mod oid;
pub mod profile;
pub mod read;
pub mod request;
pub mod role;
pub mod serial;
pub mod statement;
pub mod time;

pub use fields::Purpose;
