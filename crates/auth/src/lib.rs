//! Decides who a TLS or QUIC peer is.
//!
//! One engine validates paths (RFC 5280 section 6, RFC 9618) and revocation (6.3) for a handshake and
//! for the command line alike. It reads no clock, no file and no network: a [`Question`] holds all
//! that the answer depends on.
//!
//! ```
//! use rustmq_auth::{Purpose, Question, ReferenceName, Terms};
//!
//! fn is_broker(leaf: &[u8], root: &[u8], now: rustmq_pki::time::UnixTime) -> bool {
//!     let names = [ReferenceName::Dns("broker-01.example".to_owned())];
//!     let terms = Terms { at: now, purpose: Purpose::Server, ..Terms::default() };
//!     Question { names: &names, terms, ..Question::new(leaf, &[root]) }.ask().result.is_ok()
//! }
//! ```

mod authentication;
mod budget;
mod cache;
mod certificate;
mod error;
mod facts;
mod findings;
mod issued;
mod key_form;
mod mtls;
mod path;
pub mod principal;
mod question;
mod report;
pub mod revocation;
#[cfg(feature = "rustls")]
pub mod rustls;
mod serial;
mod sessions;
mod signature;
mod snapshot;

pub use authentication::{AuthContext, AuthenticationManager, Refreshed};
pub use budget::Work;
pub use cache::Fingerprint;
pub use error::{Detail, Label, Refusal, Rule};
pub use findings::certificate_findings;
pub use issued::{is_weak_signature, same_name, verify_signature};
pub use key_form::KeyFault;
pub use mtls::MtlsPolicy;
pub use path::{EncodingFault, PolicyInputs, Purpose, ReferenceName, RuleSet, Terms, VerifiedPath};
pub use principal::{PrincipalMapping, PrincipalRule, RolePolicy};
pub use question::{Answer, Explanation, NotRevoked, Question, Skipped, Source, TriedPath};
pub use report::{Explain, Finding, LeftOut, Named, OnPath, Report, Tried, WorkDone};
pub use serial::SerialOctets;
pub use sessions::{SessionEnd, SessionHandle};
pub use snapshot::{AuthPolicy, CrlAlarm, KeptCrl, KeptReason, Snapshot, Trust, TrustError};
