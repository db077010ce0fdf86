//! The authority: every certificate walks one line.
//!
//! Permit -> Admitted -> Linted -> Reserved -> signed -> Issued. Each value is made from the one
//! before it and from nothing else, so no step can be left out.

use std::collections::HashMap;
use std::future::Future;
use std::sync::atomic::AtomicI64;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use rustmq_pki::certificate::Certificate;
use rustmq_pki::issuer::{IssuingCa, StatusAddresses};
use rustmq_pki::profile::{IssuedBy, Note, Profile, Terms, Validity};
use rustmq_pki::request::CertificateRequest;
use rustmq_pki::serial::SerialNumber;
use rustmq_pki::time::UnixTime;

use crate::batch::SLICE_ROWS;
use crate::error::ErrorKind;
use crate::gate::Passed;
use crate::info::CertificateRole;
use crate::keys::Keys;
use crate::outcome::{Issued, Planned};
use crate::permit::Permit;
use crate::profiles::Profiles;
use crate::request::{Execution, Options};
use crate::signing::{self, SigningKey};
use crate::store::{
    CaRow, Completed, Completion, Entry, Fault, IssuerVersion, OpenStore, Outcome, Repeatable,
    Reservation, ReserveOutcome, Store, Subject, audit, authorities, certificates, key_holders,
};
use crate::{Actor, Clock, Error, describe, gate, names};

mod attesting;
mod backing_up;
pub(crate) mod batch;
mod founding;
mod hierarchy;
mod housekeeping;
mod issuing;
mod passphrase;
pub(crate) mod restoring;
mod revoking;
mod revoking_many;

/// One opened data directory.
pub(crate) struct Authority {
    pub(crate) store: Store,
    pub(crate) keys: Keys,
    pub(crate) profiles: Profiles,
    pub(crate) actor: Actor,
    pub(crate) backdate_seconds: i64,
    /// Certificates revoked in one transaction.
    revocation_slice: usize,
    clock: Arc<dyn Clock>,
    /// CAs ready to issue, by id. What they allow is checked again in the reservation.
    prepared: Mutex<HashMap<String, Prepared>>,
    /// When leftovers were last looked for, in seconds.
    kept_house_at: AtomicI64,
}

/// A CA as the gate needs it.
#[derive(Clone)]
pub(crate) struct Prepared {
    pub(crate) row: CaRow,
    pub(crate) ca: Arc<IssuingCa>,
    /// Its certificate first, its root's last.
    pub(crate) chain: Arc<[Certificate]>,
}

/// A request on its way through the line.
#[derive(Clone)]
struct Walk<'a> {
    request: CertificateRequest,
    profile: &'a Profile,
    role: CertificateRole,
    subject: Subject,
    validity: Validity,
    issuer: WalkIssuer<'a>,
    renews: Option<i64>,
    supersede: Option<(i64, UnixTime)>,
    repeatable: Option<Repeatable>,
}

/// Who issues what walks.
#[derive(Clone, Copy)]
enum WalkIssuer<'a> {
    /// A new root signs itself.
    NewRoot,
    /// A root renews its own certificate.
    SameRoot(&'a Prepared),
    /// A CA signs another's.
    Ca(&'a Prepared),
}

/// What came of a walk.
enum Walked {
    Issued(Box<WalkedThrough>),
    Replayed(i64),
}

/// A walk that came to its end.
struct WalkedThrough {
    issued: Issued,
    completed: Completed,
    notes: Vec<Note>,
    planned: Planned,
}

/// The most characters of an error or a name in a record: ten times the longest that is plain.
const REFUSAL_CHARACTERS: usize = 2000;

/// What is asked, for the audit record of a refusal.
#[derive(Clone, Debug, Default)]
struct Attempt {
    action: &'static str,
    ca: Option<String>,
    serial: Option<String>,
    principal: Option<String>,
}

impl Attempt {
    /// The record of its refusal. What a caller wrote stands in it as far as it has the form of what
    /// the field is for, and within bounds: a refused request must not fill the disk.
    fn refused(self, error: &Error, at: UnixTime, actor: Actor) -> Entry {
        let bounded = |text: String| text.chars().take(REFUSAL_CHARACTERS).collect::<String>();
        Entry {
            at,
            actor,
            action: self.action,
            outcome: Outcome::Refused,
            ca: self.ca.filter(|name| names::is_ca_id(name)),
            serial: self.serial.filter(|name| name.parse::<SerialNumber>().is_ok()),
            principal: self.principal.map(bounded),
            detail: bounded(format!("{}: {error}", error.code())),
        }
    }
}

impl Authority {
    pub(crate) fn open(options: &Options) -> Result<Self, Error> {
        let store = Store::open(&OpenStore {
            data_dir: options.data_dir.clone(),
            mode: options.mode,
            now: options.clock.now(),
            synchronous: synchronous(options),
        })?;
        Ok(Self {
            keys: Keys::new(options, store.clone()),
            store,
            profiles: Profiles::new(&options.data_dir),
            actor: options.actor.clone(),
            backdate_seconds: options.backdate_seconds,
            revocation_slice: revocation_slice(options),
            clock: options.clock.clone(),
            prepared: Mutex::new(HashMap::new()),
            kept_house_at: AtomicI64::new(i64::MIN),
        })
    }

    pub(crate) fn now(&self) -> UnixTime {
        self.clock.now()
    }

    /// Records the refusal of an attempt, in a transaction of its own. What the store or the
    /// operating system cannot do is no refusal.
    async fn audited<T>(
        &self,
        attempt: Attempt,
        execution: Execution,
        work: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let result = work.await;
        if let Err(error) = &result
            && execution == Execution::Commit
            && self.store.is_writable()
            && !matches!(error.kind(), ErrorKind::Store | ErrorKind::Conflict)
        {
            let entry = attempt.refused(error, self.now(), self.actor.clone());
            self.store.record(entry).await?;
        }
        result
    }

    /// The CA that a name means, ready to issue.
    pub(crate) async fn prepare(&self, name: &str) -> Result<Prepared, Error> {
        if let Some(prepared) = self.prepared().get(name) {
            return Ok(prepared.clone());
        }
        let wanted = name.to_owned();
        let prepared = self
            .store
            .read(move |connection| prepare(connection, names::find_ca(connection, &wanted)?))
            .await?;
        self.prepared().insert(prepared.row.id.clone(), prepared.clone());
        Ok(prepared)
    }

    /// Forgets what was prepared: a CA got a new certificate.
    pub(crate) fn forget_prepared(&self) {
        self.prepared().clear();
    }

    fn prepared(&self) -> std::sync::MutexGuard<'_, HashMap<String, Prepared>> {
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn terms<'a>(&self, issued_by: IssuedBy<'a>, validity: Validity) -> Terms<'a> {
        Terms { issued_by, now: self.now(), backdate_seconds: self.backdate_seconds, validity }
    }

    /// The line.
    async fn walk(&self, walk: Walk<'_>, key: &SigningKey) -> Result<Walked, Error> {
        let (issuer, supersede) = (walk.issuer, walk.supersede);
        let (passed, planned, principal) =
            self.pass(walk.request, walk.profile, issuer, walk.validity)?;
        let (notes, actor, now) = (passed.notes, passed.actor, passed.at);
        let reservation = Reservation {
            to_be_signed: passed.linted.to_be_signed(SerialNumber::generate()?),
            issuer: issuer.version(),
            subject: walk.subject,
            role: walk.role,
            principal,
            profile: walk.profile.name().to_owned(),
            renews: walk.renews,
            repeatable: walk.repeatable,
            now,
            actor: actor.clone(),
        };
        let reserved = match self.store.reserve(reservation).await? {
            ReserveOutcome::Reserved(reserved) => *reserved,
            ReserveOutcome::Replayed(number) => return Ok(Walked::Replayed(number)),
        };
        let (certificate, ticket) = signing::sign(reserved, key).await?;
        let completion = Completion { certificate, supersede, now, actor };
        let completed = self.store.complete(ticket, completion).await?;
        let info = describe::certificate(&completed.row, now);
        let certificate = completed.row.certificate.clone();
        let issued = Issued::new(info, certificate, issuer.chain());
        Ok(Walked::Issued(Box::new(WalkedThrough { issued, completed, notes, planned })))
    }

    /// Permit -> Admitted -> Linted, and what that means for the caller.
    fn pass(
        &self,
        request: CertificateRequest,
        profile: &Profile,
        issuer: WalkIssuer<'_>,
        validity: Validity,
    ) -> Result<(Passed, Planned, String), Error> {
        let principal = request.subject().common_name().unwrap_or_default().to_owned();
        let permit = Permit::local_operator(request, self.actor.clone());
        let terms = self.terms(issuer.issued_by(), validity);
        let passed = gate::pass(permit, profile, terms)?;
        let planned = issuer.planned(profile, passed.linted.not_after());
        Ok((passed, planned, principal))
    }

    /// The line up to the reservation: what a dry run tells.
    async fn walk_dry(&self, walk: Walk<'_>) -> Result<(Planned, Vec<Note>), Error> {
        let (passed, planned, principal) =
            self.pass(walk.request, walk.profile, walk.issuer, walk.validity)?;
        let now = passed.at;
        let issuer = match walk.issuer {
            WalkIssuer::Ca(prepared) => Some(prepared.row.clone()),
            WalkIssuer::NewRoot | WalkIssuer::SameRoot(_) => None,
        };
        let subject = walk.subject;
        self.store
            .read(move |connection| {
                audit::check_clock(connection, now)?;
                if let Some(issuer) = &issuer {
                    authorities::check_may_issue(connection, issuer, now)?;
                }
                match subject {
                    Subject::EndEntity { key_hash } => {
                        key_holders::check(connection, &key_hash, &principal)
                    }
                    Subject::NewCa(_) | Subject::RenewedCa(_) => Ok(()),
                }
            })
            .await?;
        Ok((planned, passed.notes))
    }
}

impl<'a> WalkIssuer<'a> {
    fn issued_by(self) -> IssuedBy<'a> {
        match self {
            Self::NewRoot | Self::SameRoot(_) => IssuedBy::Itself,
            Self::Ca(prepared) => IssuedBy::Ca(&prepared.ca),
        }
    }

    fn version(self) -> Option<IssuerVersion> {
        match self {
            Self::NewRoot => None,
            Self::SameRoot(prepared) | Self::Ca(prepared) => Some(IssuerVersion {
                number: prepared.row.number,
                certificate: prepared.row.certificate,
            }),
        }
    }

    fn id(self) -> Option<&'a str> {
        match self {
            Self::NewRoot => None,
            Self::SameRoot(prepared) | Self::Ca(prepared) => Some(&prepared.row.id),
        }
    }

    fn chain(self) -> Arc<[Certificate]> {
        match self {
            Self::NewRoot | Self::SameRoot(_) => Arc::new([]),
            Self::Ca(prepared) => prepared.chain.clone(),
        }
    }

    fn planned(self, profile: &Profile, not_after: UnixTime) -> Planned {
        let ca_id = self.id().map(str::to_owned);
        Planned { ca_id, profile: profile.name().to_owned(), not_after }
    }
}

/// Reads a CA's certificate and those above it.
pub(crate) fn prepare(connection: &Connection, row: CaRow) -> Result<Prepared, Fault> {
    let mut chain = Vec::new();
    let mut link = Some(row.clone());
    while let Some(ca) = link {
        let found = certificates::by_number(connection, ca.certificate)?;
        chain.extend(found.map(|row| row.certificate));
        link = match ca.parent {
            Some(parent) => authorities::by_number(connection, parent)?,
            None => None,
        };
    }
    let id = row.id.clone();
    let unusable = |error| Error::NotAnIssuer { ca: id.clone(), error };
    let Some((own, above)) = chain.split_first() else {
        return Err(Error::KeyMissing { ca: row.id }.into());
    };
    let status = match &row.base_url {
        Some(url) => Some(StatusAddresses::new(url, &row.id).map_err(Error::from)?),
        None => None,
    };
    let ca = IssuingCa::new(own.clone(), above)
        .map_err(unusable)?
        .with_status(status)
        .with_trust_domain(row.trust_domain.clone());
    Ok(Prepared { row, ca: Arc::new(ca), chain: chain.into() })
}

#[cfg(feature = "fault-injection")]
fn revocation_slice(options: &Options) -> usize {
    options.faults.slice_rows.unwrap_or(SLICE_ROWS)
}

#[cfg(not(feature = "fault-injection"))]
fn revocation_slice(_options: &Options) -> usize {
    SLICE_ROWS
}

#[cfg(feature = "fault-injection")]
fn synchronous(options: &Options) -> &'static str {
    if options.faults.without_fsync { "OFF" } else { "FULL" }
}

#[cfg(not(feature = "fault-injection"))]
fn synchronous(_options: &Options) -> &'static str {
    "FULL"
}
