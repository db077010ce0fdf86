//! The certificate authority: hierarchy, issuing, renewal, revocation, audit, and the store under
//! them.

mod actor;
mod authority;
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
mod passphrase;
mod permit;
mod profiles;
mod query;
mod request;
mod signing;
mod store;
mod transfer;

pub use actor::Actor;
pub use clock::Clock;
pub use error::{CaName, Error, ErrorKind};
pub use info::{
    AbandonedSerial, AuditFault, AuditRecord, AuditVerdict, CaInfo, CaStatus, CaTree,
    CertificateInfo, CertificateRole, CertificateStatus, RoleCount,
};
pub use manager::CertificateManager;
pub use outcome::{
    Bundle, CaCreation, CrlPublication, ExportSummary, Issuance, Issued, Planned, Revocation,
};
pub use passphrase::{PassphraseError, PassphraseSource};
pub use request::{
    CrlRefresh, Execution, IdempotencyKey, Inherited, IntermediateCaRequest, IssueRequest,
    ListFilter, NewCa, OpenMode, Options, RekeyCaRequest, RenewCaRequest, RenewRequest, RenewalKey,
    RevokeRequest, RootCaRequest, RotateRequest, SignRequest,
};
