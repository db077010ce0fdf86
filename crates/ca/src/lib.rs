//! The certificate authority: hierarchy, issuing, renewal, revocation, audit, and the store under
//! them.
//!
//! [`CertificateManager`] is the whole of it. It opens a data directory, which holds an SQLite
//! database, the locks of the processes that use it, and the user's profiles; several processes may
//! have the same directory open.
//!
//! # How a certificate comes about
//!
//! Each step is a value that only the step before it can make (`authority.rs` is the line):
//!
//! - `permit.rs`: who asks may ask. Embedded, that is the local operator.
//! - `gate.rs`: the one call of a profile's gate and of the lint.
//! - `store/reserve.rs`: serial number, end, digest of the to-be-signed bytes and audit record are on
//!   the disk.
//! - `signing.rs`: the one use of a CA's key.
//! - `store/complete.rs`: the certificate is on the disk. Only now does it leave, as [`Issued`].
//!
//! A process that dies in between leaves a reservation. The next one sees by the operating system's
//! lock that its owner is dead, and abandons it: a certificate with that serial number may exist, so
//! the number is audited, listed and on the CA's next CRL.
//!
//! A batch walks the same line with many values at once: `store/slices.rs` reserves and completes a
//! slice in one transaction each, and its rows are signed on all cores (`parallel.rs`). [`batch`] is
//! what callers see of it.
//!
//! # Where things are
//!
//! - `manager.rs`: the public face. `request.rs`, `outcome.rs`, `info.rs`, `error.rs`: its values.
//! - `authority/`: new CAs, CAs that are there, end entities, revocation, housekeeping with CRLs.
//! - `keys.rs`: encrypted CA keys, opened once a process and only when needed.
//! - `store/`: one writing thread with group commit, read-only connections beside it, one file a
//!   table or rule; `store/audit.rs` is the hash chain, `store/lookup.rs` finds certificates by key and
//!   by principal.
//! - `query.rs`, `names.rs`, `describe.rs`: what is read. `transfer.rs`: what is exported.
//! - `checkpoint.rs`, `attestation.rs`: how far the audit record had come, signed, to be kept outside.
//! - `backup/`: the whole authority as one signed file, and back; `store/merge.rs` takes over CRLs that
//!   are later than a backup.
//!
//! # Example
//!
//! ```
//! use rustmq_ca::{IntermediateCaRequest, NewCa, RootCaRequest};
//! use rustmq_pki::role::Role;
//! use rustmq_testkit::{TestCa, issue_request, named, new_key};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().build()?;
//! # runtime.block_on(async {
//! let test = TestCa::empty(); // CertificateManager::open in a temporary directory
//! let ca = &test.manager;
//! let root = NewCa::new(named("RustMQ Root CA"));
//! ca.generate_root_ca(RootCaRequest { ca: root }).await?;
//! let (parent, new) = ("root_ca_1".to_owned(), NewCa::new(named("Production CA")));
//! ca.generate_intermediate_ca(IntermediateCaRequest { parent, ca: new }).await?;
//!
//! let request = issue_request("prod_ca_1", "broker-01", Role::Broker, &new_key());
//! let issued = ca.issue_certificate(request).await?.issued.expect("not a dry run");
//! assert_eq!(issued.info().subject, "CN=broker-01");
//! assert_eq!(issued.chain().len(), 2);
//! # Ok::<(), rustmq_ca::Error>(()) })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod actor;
mod attestation;
mod authority;
mod backup;
pub mod batch;
mod checkpoint;
mod clock;
mod describe;
mod error;
#[cfg(feature = "fault-injection")]
pub mod faults;
mod gate;
pub mod info;
mod keys;
mod manager;
mod names;
mod outcome;
mod pages;
mod parallel;
mod passphrase;
mod permit;
mod profiles;
mod query;
mod request;
mod signing;
mod store;
mod transfer;

pub use actor::Actor;
pub use attestation::Attestation;
pub use backup::{
    BackupError, BackupRequest, BackupSummary, GivenCrl, MergedCrl, Origin, RestoreRequest,
    Restored, RestoredRoot,
};
pub use checkpoint::{AnchoredVerdict, AuditCheckpoint, CheckpointError};
pub use clock::Clock;
pub use error::{CaName, Error, ErrorKind};
pub use info::{
    AbandonedSerial, AuditFault, AuditRecord, AuditVerdict, CaInfo, CaStatus, CaTree,
    CertificateInfo, CertificateRole, CertificateStatus, RevokedCa, RoleCount,
};
pub use manager::CertificateManager;
pub use names::SHORTEST_PREFIX;
pub use outcome::{
    AuditExport, Bundle, CaCreation, CrlPublication, ExportSummary, Issuance, Issued,
    PassphraseChange, Planned, Revocation,
};
pub use pages::{AuditPages, CertificatePages, ListOrder, PAGE_ROWS};
pub use passphrase::{PassphraseError, PassphraseSource};
pub use request::{
    AuditFilter, CrlRefresh, Execution, IdempotencyKey, Inherited, IntermediateCaRequest,
    IssueRequest, ListFilter, NewCa, OpenMode, Options, RekeyCaRequest, RenewCaRequest,
    RenewRequest, RenewalKey, RevokeRequest, RootCaRequest, RotateRequest, SignRequest,
};
