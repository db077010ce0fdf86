//! Other people's programs, asked what they think of a chain.
//!
//! The certificates, chains and revocation lists that RustMQ PKI issues are judged here by OpenSSL,
//! GnuTLS, Java, Go, Python `cryptography` and pkilint. `scripts/setup.sh test` installs them. A
//! judge that cannot fail is no judge, so every one of them is shown planted-bad samples too, which
//! [`samples`] makes with OpenSSL's command line and, for ML-DSA, with Python. What the server side
//! lets in is tried by [`Client`]s of five TLS libraries.
//!
//! ```no_run
//! use rustmq_conformance::{Judge, Samples, SampleKey, Verdict, require};
//!
//! if require(Judge::Go) {
//!     let samples = Samples::mint(SampleKey::P256);
//!     assert_eq!(Judge::Go.verify(&samples.server()), Verdict::Accepted);
//! }
//! ```

mod build;
mod chain;
mod clients;
pub mod forge;
pub mod gnutls;
pub mod go;
pub mod java;
mod judges;
pub mod openssl;
pub mod pem;
pub mod pkilint;
mod process;
pub mod product;
pub mod python;
pub mod samples;

pub use chain::{Chain, Purpose, Verdict};
pub use clients::{Client, Visit};
pub use judges::{Judge, require, require_command, skip, tell};
pub use process::{Output, run};
pub use product::{Issued, Product};
pub use samples::{Fault, SampleKey, Samples};
