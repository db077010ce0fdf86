//! Reserve, sign, complete: what is signed was known before, and what leaves is known after.
//!
//! [`Store::reserve`] makes the serial number, the end, the digest of the to-be-signed bytes and the
//! audit record durable before the key is used. [`Store::complete`] makes the certificate durable
//! before anybody sees it, and succeeds only while the reservation is live. A reservation whose
//! process has ended is abandoned: a certificate with its serial number may exist somewhere, so the
//! number is listed, audited and on the CA's next CRL.

use rusqlite::{Connection, params};
use rustmq_pki::certificate::Certificate;
use rustmq_pki::issuer::ToBeSigned;
use rustmq_pki::time::UnixTime;

use super::abandon::{abandon_slice, abandon_where, live_instances};
use super::audit::{self, Entry, Outcome};
use super::authorities::{self, CaRow, NewCaRow};
use super::certificates::{self, CertificateRow, role_code};
use super::complete::complete;
use super::fault::Fault;
use super::idempotency::{self, Earlier, Repeatable};
use super::{Store, instances, key_holders, keys, stored_slices, to_its_end};
use crate::info::CertificateRole;
use crate::{Actor, Error};

/// Whose certificate it will be.
#[derive(Clone, Debug)]
pub(crate) enum Subject {
    /// An end entity with this key (SHA-256 of its SubjectPublicKeyInfo).
    EndEntity { key_hash: [u8; 32] },
    /// A CA that does not exist yet.
    NewCa(Box<NewCaRow>),
    /// A CA that gets a new certificate for its key.
    RenewedCa(i64),
}

/// Who signs, as the gate saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct IssuerVersion {
    pub(crate) number: i64,
    /// The certificate that the to-be-signed bytes were assembled from.
    pub(crate) certificate: i64,
}

/// What is about to be signed.
#[derive(Debug)]
pub(crate) struct Reservation {
    pub(crate) to_be_signed: ToBeSigned,
    /// None for a new root, which signs itself.
    pub(crate) issuer: Option<IssuerVersion>,
    pub(crate) subject: Subject,
    pub(crate) role: CertificateRole,
    pub(crate) principal: String,
    pub(crate) profile: String,
    /// The certificate that it renews.
    pub(crate) renews: Option<i64>,
    pub(crate) repeatable: Option<Repeatable>,
    pub(crate) now: UnixTime,
    pub(crate) actor: Actor,
}

/// A durable reservation: the only thing that a key is used for.
#[derive(Debug)]
pub(crate) struct Reserved {
    to_be_signed: ToBeSigned,
    ticket: Ticket,
}

impl Reserved {
    /// Gives the bytes to the signer. What comes back is completed with the ticket.
    pub(crate) fn redeem(self) -> (ToBeSigned, Ticket) {
        (self.to_be_signed, self.ticket)
    }
}

/// The right to complete one reservation. Dropped without, the reservation is abandoned.
pub(crate) struct Ticket {
    store: Store,
    reservation: i64,
    /// The highest number of a certificate whose key was compared.
    compared: i64,
    abandonment: Option<(UnixTime, Actor)>,
}

impl std::fmt::Debug for Ticket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Ticket({})", self.reservation)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        let Some((now, actor)) = self.abandonment.take() else { return };
        let Ok(writing) = self.store.writing() else { return };
        let reservation = self.reservation;
        // Where the store is closing, the end of this process says the same.
        drop(writing.writer.owe(move |connection| {
            abandon_where(connection, "number = ?1", reservation, now, &actor)
        }));
    }
}

/// What came of a reservation.
#[derive(Debug)]
pub(crate) enum ReserveOutcome {
    /// Sign it.
    Reserved(Box<Reserved>),
    /// The same request was carried out before: this is its certificate.
    Replayed(i64),
}

/// A signed certificate, and what becomes true with it.
#[derive(Debug)]
pub(crate) struct Completion {
    pub(crate) certificate: Certificate,
    /// The certificate that is to be superseded, and when.
    pub(crate) supersede: Option<(i64, UnixTime)>,
    pub(crate) now: UnixTime,
    pub(crate) actor: Actor,
}

/// A certificate that may leave.
#[derive(Clone, Debug)]
pub(crate) struct Completed {
    /// As it is stored.
    pub(crate) row: CertificateRow,
    /// Whether its issuer should sign a new CRL while its key is at hand.
    pub(crate) crl_due: bool,
}

impl Store {
    /// Makes a reservation durable. Dropping the future abandons it.
    pub(crate) async fn reserve(&self, reservation: Reservation) -> Result<ReserveOutcome, Error> {
        let store = self.clone();
        to_its_end(async move { store.reserve_to_its_end(reservation).await }).await
    }

    async fn reserve_to_its_end(&self, reservation: Reservation) -> Result<ReserveOutcome, Error> {
        self.make().await?;
        let instance = self.instance()?.id().to_owned();
        let store = self.clone();
        let (outcome, reservation) = self
            .write(move |connection| {
                Ok((reserve(connection, &reservation, &instance)?, reservation))
            })
            .await?;
        Ok(match outcome {
            Inserted::Replayed(certificate) => ReserveOutcome::Replayed(certificate),
            Inserted::Row { number, compared } => ReserveOutcome::Reserved(Box::new(Reserved {
                to_be_signed: reservation.to_be_signed,
                ticket: Ticket {
                    store,
                    reservation: number,
                    compared,
                    abandonment: Some((reservation.now, reservation.actor)),
                },
            })),
        })
    }

    /// Makes the certificate of a live reservation durable.
    pub(crate) async fn complete(
        &self,
        mut ticket: Ticket,
        completion: Completion,
    ) -> Result<Completed, Error> {
        let live = LiveReservation {
            number: ticket.reservation,
            instance: self.instance()?.id().to_owned(),
            compared: ticket.compared,
        };
        let completed =
            self.write(move |connection| complete(connection, &live, &completion)).await;
        // A reservation that was lost is abandoned already; after any other failure the ticket sees
        // to it.
        if matches!(completed, Ok(_) | Err(Error::ReservationLost { .. })) {
            ticket.abandonment = None;
        }
        completed
    }

    /// Abandons the live reservations of processes that have ended, and tells whether there were
    /// any. Cheap when there are none.
    pub(crate) async fn abandon_dead(&self, now: UnixTime, actor: Actor) -> Result<bool, Error> {
        if self.is_to_be_made() {
            return Ok(false);
        }
        let own = self.instance()?.id().to_owned();
        let directory = self.instance()?.directory().to_owned();
        let live = self.read(live_instances).await?;
        if live.iter().all(|id| *id == own) {
            return Ok(false);
        }
        self.write(move |connection| {
            let mut found = false;
            for id in live_instances(connection)? {
                if id != own && instances::is_dead(&directory, &id)? {
                    for slice in stored_slices::live_of(connection, &id)? {
                        abandon_slice(connection, slice, now, &actor)?;
                    }
                    abandon_where(connection, "instance = ?1", id, now, &actor)?;
                    found = true;
                }
            }
            Ok(found)
        })
        .await
    }
}

/// Which reservation is to be completed.
pub(super) struct LiveReservation {
    pub(super) number: i64,
    pub(super) instance: String,
    pub(super) compared: i64,
}

enum Inserted {
    Row { number: i64, compared: i64 },
    Replayed(i64),
}

/// The checks that need the present state, and the rows. All of it is one transaction.
fn reserve(
    connection: &Connection,
    reservation: &Reservation,
    instance: &str,
) -> Result<Inserted, Fault> {
    audit::check_clock(connection, reservation.now)?;
    let issuer = match reservation.issuer {
        Some(version) => {
            let renews_itself = matches!(reservation.subject, Subject::RenewedCa(number) if number == version.number);
            Some(present_issuer(connection, version, reservation.now, renews_itself)?)
        }
        None => None,
    };
    let scope = issuer.as_ref().map_or(0, |issuer| issuer.number);
    if let Some(repeatable) = &reservation.repeatable {
        let earlier = idempotency::look_up(connection, &reservation.actor, scope, repeatable)?;
        if let Earlier::Certificate(number) = earlier {
            return Ok(Inserted::Replayed(number));
        }
    }
    let (subject_authority, new_id) = prepare_subject(connection, reservation)?;
    let authority = issuer.as_ref().map(|issuer| issuer.number).or(subject_authority).unwrap_or(0);
    let number = insert(connection, reservation, instance, authority, subject_authority)?;
    if let Some(repeatable) = &reservation.repeatable {
        idempotency::bind(connection, &reservation.actor, scope, repeatable, number)?;
    }
    let issuer_id = issuer.map(|issuer| issuer.id).or(new_id);
    let tbs = &reservation.to_be_signed;
    let detail = format!("not after {}, tbs sha256 {}", tbs.not_after(), tbs.digest());
    audit::append(
        connection,
        &Entry {
            at: reservation.now,
            actor: reservation.actor.clone(),
            action: action(reservation.role),
            outcome: Outcome::Reserved,
            ca: issuer_id,
            serial: Some(tbs.serial().to_string()),
            principal: Some(reservation.principal.clone()),
            detail,
        },
    )?;
    Ok(Inserted::Row { number, compared: certificates::newest(connection)? })
}

/// What the audit record calls the issuing of a certificate.
pub(super) const fn action(role: CertificateRole) -> &'static str {
    match role {
        CertificateRole::RootCa | CertificateRole::IntermediateCa => "ca.issue",
        _ => "certificate.issue",
    }
}

/// The issuer as it is now: it has to be the one that the gate saw, and still allowed to issue.
pub(super) fn present_issuer(
    connection: &Connection,
    version: IssuerVersion,
    now: UnixTime,
    renews_itself: bool,
) -> Result<CaRow, Fault> {
    let issuer = authorities::by_number(connection, version.number)?.ok_or_else(|| {
        Error::UnknownCa { name: version.number.to_string(), nearest: Vec::new() }
    })?;
    if !renews_itself {
        authorities::check_may_issue(connection, &issuer, now)?;
    }
    if issuer.certificate != version.certificate {
        return Err(Error::CaChanged { ca: issuer.id }.into());
    }
    Ok(issuer)
}

/// Checks the subject's key and makes the row of a new CA. Returns the CA's number and a new one's
/// id.
fn prepare_subject(
    connection: &Connection,
    reservation: &Reservation,
) -> Result<(Option<i64>, Option<String>), Fault> {
    match &reservation.subject {
        Subject::EndEntity { key_hash } => {
            key_holders::check(connection, key_hash, &reservation.principal)?;
            Ok((None, None))
        }
        Subject::RenewedCa(number) => {
            check_renewable(connection, *number)?;
            Ok((Some(*number), None))
        }
        Subject::NewCa(new) => {
            let now = reservation.now;
            let (number, id) =
                authorities::insert_pending(connection, new, &reservation.profile, now)?;
            keys::insert(connection, number, &new.encrypted_key, new.key_epoch)?;
            Ok((Some(number), Some(id)))
        }
    }
}

/// Refuses a new certificate for the key of a CA that is revoked or on hold. Asked when it is reserved
/// and when it is completed: a revocation in between knows nothing of it.
pub(super) fn check_renewable(connection: &Connection, number: i64) -> Result<(), Fault> {
    match authorities::by_number(connection, number)? {
        Some(ca) => authorities::check_not_revoked(connection, &ca),
        None => Ok(()),
    }
}

fn insert(
    connection: &Connection,
    reservation: &Reservation,
    instance: &str,
    authority: i64,
    subject_authority: Option<i64>,
) -> Result<i64, Fault> {
    let tbs = &reservation.to_be_signed;
    let serial = tbs.serial();
    if certificates::has_serial(connection, serial.as_bytes())? {
        // 127 random bits met twice: the random source is broken, and nothing should be signed.
        return Err(Error::NoRandomness.into());
    }
    let key_hash = match &reservation.subject {
        Subject::EndEntity { key_hash } => Some(key_hash),
        Subject::NewCa(_) | Subject::RenewedCa(_) => None,
    };
    connection
        .prepare_cached(
            "INSERT INTO reservation (serial, instance, authority, subject_authority, role, \
             principal, profile, not_after, digest, renews, reserved_at, key_hash) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        )?
        .execute(params![
            serial.as_bytes(),
            instance,
            authority,
            subject_authority,
            role_code(reservation.role),
            reservation.principal,
            reservation.profile,
            tbs.not_after().seconds(),
            tbs.digest().as_bytes(),
            reservation.renews,
            reservation.now.seconds(),
            key_hash,
        ])?;
    Ok(connection.last_insert_rowid())
}
