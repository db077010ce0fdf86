//! Reserve, sign, complete: what is signed was known before, and what leaves is known after.
//!
//! [`Store::reserve`] makes the serial number, the end, the digest of the to-be-signed bytes and the
//! audit record durable before the key is used. [`Store::complete`] makes the certificate durable
//! before anybody sees it, and succeeds only while the reservation is live. A reservation whose
//! process has ended is abandoned: a certificate with its serial number may exist somewhere, so the
//! number is listed, audited and on the CA's next CRL.

use rusqlite::{Connection, Row, params};
use rustmq_pki::certificate::Certificate;
use rustmq_pki::issuer::ToBeSigned;
use rustmq_pki::key::Fingerprint;
use rustmq_pki::serial::SerialNumber;
use rustmq_pki::time::UnixTime;

use super::audit::{self, Entry, Outcome};
use super::authorities::{self, CaRow, NewCaRow};
use super::certificates::{self, NewCertificate, role_code};
use super::fault::Fault;
use super::idempotency::{self, Earlier, Repeatable};
use super::{Store, counts, crls, instances, key_holders, keys, revocations, time_at};
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
    ca_id: String,
}

impl Reserved {
    /// The id that the CA got, where this is a new one's certificate; its issuer's otherwise.
    pub(crate) fn ca_id(&self) -> &str {
        &self.ca_id
    }

    /// Gives the bytes to the signer. What comes back is completed with the ticket.
    pub(crate) fn redeem(self) -> (ToBeSigned, Ticket) {
        (self.to_be_signed, self.ticket)
    }
}

/// The right to complete one reservation. Dropped without, the reservation is abandoned.
pub(crate) struct Ticket {
    store: Store,
    reservation: i64,
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
        drop(writing.writer.write_detached(move |connection| {
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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Completed {
    pub(crate) number: i64,
    /// The CA whose certificate it is, for a CA's.
    pub(crate) subject_authority: Option<i64>,
    /// Whether its issuer should sign a new CRL while its key is at hand.
    pub(crate) crl_due: bool,
}

impl Store {
    /// Makes a reservation durable.
    pub(crate) async fn reserve(&self, reservation: Reservation) -> Result<ReserveOutcome, Error> {
        let instance = self.instance()?.id().to_owned();
        let store = self.clone();
        let (outcome, reservation) = self
            .write(move |connection| {
                Ok((reserve(connection, &reservation, &instance)?, reservation))
            })
            .await?;
        Ok(match outcome {
            Inserted::Replayed(certificate) => ReserveOutcome::Replayed(certificate),
            Inserted::Row { number, ca_id } => ReserveOutcome::Reserved(Box::new(Reserved {
                to_be_signed: reservation.to_be_signed,
                ticket: Ticket {
                    store,
                    reservation: number,
                    abandonment: Some((reservation.now, reservation.actor)),
                },
                ca_id,
            })),
        })
    }

    /// Makes the certificate of a live reservation durable.
    pub(crate) async fn complete(
        &self,
        mut ticket: Ticket,
        completion: Completion,
    ) -> Result<Completed, Error> {
        let (instance, number) = (self.instance()?.id().to_owned(), ticket.reservation);
        let completed = self
            .write(move |connection| complete(connection, number, &instance, &completion))
            .await;
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
                    abandon_where(connection, "instance = ?1", id, now, &actor)?;
                    found = true;
                }
            }
            Ok(found)
        })
        .await
    }
}

enum Inserted {
    Row { number: i64, ca_id: String },
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
        Some(version) => Some(present_issuer(connection, version, reservation)?),
        None => None,
    };
    if let (Some(issuer), Some(repeatable)) = (&issuer, &reservation.repeatable) {
        let earlier =
            idempotency::look_up(connection, &reservation.actor, issuer.number, repeatable)?;
        if let Earlier::Certificate(number) = earlier {
            return Ok(Inserted::Replayed(number));
        }
    }
    let (subject_authority, new_id) = prepare_subject(connection, reservation)?;
    let authority = issuer.as_ref().map(|issuer| issuer.number).or(subject_authority).unwrap_or(0);
    let number = insert(connection, reservation, instance, authority, subject_authority)?;
    if let Some(repeatable) = &reservation.repeatable {
        idempotency::bind(connection, &reservation.actor, authority, repeatable, number)?;
    }
    let issuer_id = issuer.map(|issuer| issuer.id).or_else(|| new_id.clone()).unwrap_or_default();
    let tbs = &reservation.to_be_signed;
    let detail = format!("not after {}, tbs sha256 {}", tbs.not_after(), tbs.digest());
    audit::append(
        connection,
        &Entry {
            at: reservation.now,
            actor: reservation.actor.clone(),
            action: action(reservation.role),
            outcome: Outcome::Reserved,
            ca: Some(issuer_id.clone()),
            serial: Some(tbs.serial().to_string()),
            principal: Some(reservation.principal.clone()),
            detail,
        },
    )?;
    Ok(Inserted::Row { number, ca_id: new_id.unwrap_or(issuer_id) })
}

const fn action(role: CertificateRole) -> &'static str {
    match role {
        CertificateRole::RootCa | CertificateRole::IntermediateCa => "ca.issue",
        _ => "certificate.issue",
    }
}

/// The issuer as it is now: it has to be the one that the gate saw, and still allowed to issue.
fn present_issuer(
    connection: &Connection,
    version: IssuerVersion,
    reservation: &Reservation,
) -> Result<CaRow, Fault> {
    let issuer = authorities::by_number(connection, version.number)?.ok_or_else(|| {
        Error::UnknownCa { name: version.number.to_string(), nearest: Vec::new() }
    })?;
    let renews_itself =
        matches!(reservation.subject, Subject::RenewedCa(number) if number == issuer.number);
    if !renews_itself {
        authorities::check_may_issue(connection, &issuer, reservation.now)?;
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
            key_holders::bind(connection, key_hash, &reservation.principal)?;
            Ok((None, None))
        }
        Subject::RenewedCa(number) => Ok((Some(*number), None)),
        Subject::NewCa(new) => {
            let now = reservation.now;
            let (number, id) =
                authorities::insert_pending(connection, new, &reservation.profile, now)?;
            keys::insert(connection, number, &new.encrypted_key, new.key_epoch)?;
            Ok((Some(number), Some(id)))
        }
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
    connection
        .prepare_cached(
            "INSERT INTO reservation (serial, instance, authority, subject_authority, role, \
             principal, profile, not_after, digest, renews, reserved_at) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
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
        ])?;
    Ok(connection.last_insert_rowid())
}

/// A live reservation's row, taken out of the table.
struct Taken {
    authority: i64,
    subject_authority: Option<i64>,
    role: i64,
    principal: String,
    profile: String,
    digest: Vec<u8>,
    renews: Option<i64>,
}

fn taken(row: &Row<'_>) -> rusqlite::Result<Taken> {
    Ok(Taken {
        authority: row.get(0)?,
        subject_authority: row.get(1)?,
        role: row.get(2)?,
        principal: row.get(3)?,
        profile: row.get(4)?,
        digest: row.get(5)?,
        renews: row.get(6)?,
    })
}

fn complete(
    connection: &Connection,
    number: i64,
    instance: &str,
    completion: &Completion,
) -> Result<Completed, Fault> {
    let certificate = &completion.certificate;
    let taken = take(connection, number, instance, certificate)?;
    let certificate_number = certificates::insert(
        connection,
        &NewCertificate {
            authority: taken.authority,
            subject_authority: taken.subject_authority,
            role: taken.role,
            principal: &taken.principal,
            profile: &taken.profile,
            issued_at: completion.now,
            renews: taken.renews,
            certificate,
        },
    )?;
    let key = (taken.authority, taken.role);
    counts::add_live(connection, key, certificate.not_after(), 1)?;
    idempotency::complete(connection, number, certificate_number)?;
    if let Some(authority) = taken.subject_authority {
        authorities::set_certificate(connection, authority, certificate_number)?;
    }
    if let Some((superseded, due_at)) = completion.supersede {
        revocations::schedule(connection, superseded, due_at)?;
    }
    append_completion(connection, &taken, completion)?;
    // Half of the usual seven days: an issuer in daily use never lets its CRL run out.
    let horizon = completion.now.plus_days(3);
    let crl_due = crls::is_due(connection, taken.authority, horizon)?;
    Ok(Completed {
        number: certificate_number,
        subject_authority: taken.subject_authority,
        crl_due,
    })
}

/// Takes a reservation that is live, of this process, and for just these bytes.
fn take(
    connection: &Connection,
    number: i64,
    instance: &str,
    certificate: &Certificate,
) -> Result<Taken, Fault> {
    let lost = || Error::ReservationLost { serial: certificate.serial().to_string() };
    let mut statement = connection.prepare_cached(
        "DELETE FROM reservation WHERE number = ?1 AND instance = ?2 AND serial = ?3 \
         AND abandoned_at IS NULL RETURNING authority, subject_authority, role, principal, \
         profile, digest, renews",
    )?;
    let serial = certificate.serial();
    let mut rows = statement.query(params![number, instance, serial.as_bytes()])?;
    let taken = rows.next()?.map(taken).transpose()?.ok_or_else(lost)?;
    // A RETURNING statement does its work as it is stepped to its end.
    while rows.next()?.is_some() {}
    if Fingerprint::of(certificate.view().tbs).as_bytes() != taken.digest.as_slice() {
        return Err(lost().into());
    }
    Ok(taken)
}

fn append_completion(
    connection: &Connection,
    taken: &Taken,
    completion: &Completion,
) -> Result<(), Fault> {
    let ca = authorities::by_number(connection, taken.authority)?.map(|issuer| issuer.id);
    let role = certificates::role_of_code(taken.role).unwrap_or(CertificateRole::Client);
    audit::append(
        connection,
        &Entry {
            at: completion.now,
            actor: completion.actor.clone(),
            action: action(role),
            outcome: Outcome::Done,
            ca,
            serial: Some(completion.certificate.serial().to_string()),
            principal: Some(taken.principal.clone()),
            detail: format!("sha256 {}", completion.certificate.fingerprint()),
        },
    )
}

fn live_instances(connection: &Connection) -> Result<Vec<String>, Fault> {
    let mut statement = connection
        .prepare_cached("SELECT DISTINCT instance FROM reservation WHERE abandoned_at IS NULL")?;
    let rows = statement.query_map([], |row| row.get(0))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// A reservation that is given up.
struct Abandoned {
    number: i64,
    serial: Vec<u8>,
    authority: i64,
    subject_authority: Option<i64>,
    role: i64,
    principal: String,
    not_after: UnixTime,
}

/// Gives up the live reservations that `condition` selects.
fn abandon_where(
    connection: &Connection,
    condition: &str,
    value: impl rusqlite::ToSql,
    now: UnixTime,
    actor: &Actor,
) -> Result<(), Fault> {
    let sql = format!(
        "SELECT number, serial, authority, subject_authority, role, principal, not_after \
         FROM reservation WHERE {condition} AND abandoned_at IS NULL ORDER BY number"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map([value], |row| {
        Ok(Abandoned {
            number: row.get(0)?,
            serial: row.get(1)?,
            authority: row.get(2)?,
            subject_authority: row.get(3)?,
            role: row.get(4)?,
            principal: row.get(5)?,
            not_after: time_at(row, 6)?,
        })
    })?;
    for abandoned in rows.collect::<rusqlite::Result<Vec<_>>>()? {
        abandon(connection, &abandoned, now, actor)?;
    }
    Ok(())
}

fn abandon(
    connection: &Connection,
    abandoned: &Abandoned,
    now: UnixTime,
    actor: &Actor,
) -> Result<(), Fault> {
    connection
        .prepare_cached("UPDATE reservation SET abandoned_at = ?2 WHERE number = ?1")?
        .execute([abandoned.number, now.seconds()])?;
    let ca = authorities::by_number(connection, abandoned.authority)?.map(|issuer| issuer.id);
    if let Some(subject) = abandoned.subject_authority {
        forget_new_authority(connection, subject)?;
    }
    if authorities::by_number(connection, abandoned.authority)?.is_some() {
        list(connection, abandoned, now)?;
    }
    let serial = SerialNumber::from_bytes(&abandoned.serial).map(|serial| serial.to_string());
    let role = certificates::role_of_code(abandoned.role).unwrap_or(CertificateRole::Client);
    audit::append(
        connection,
        &Entry {
            at: now,
            actor: actor.clone(),
            action: action(role),
            outcome: Outcome::Abandoned,
            ca,
            serial: serial.ok(),
            principal: Some(abandoned.principal.clone()),
            detail: "its process ended before the certificate was complete".to_owned(),
        },
    )
}

/// A CA that never got a certificate is none. One that has some keeps them.
fn forget_new_authority(connection: &Connection, subject: i64) -> Result<(), Fault> {
    let pending = authorities::by_number(connection, subject)?
        .is_some_and(|ca| ca.state == authorities::CaState::Pending);
    if pending {
        authorities::abandon(connection, subject)?;
    }
    Ok(())
}

/// Puts an abandoned serial number on the next CRL: no reason code, revoked when found.
fn list(connection: &Connection, abandoned: &Abandoned, now: UnixTime) -> Result<(), Fault> {
    connection
        .prepare_cached(
            "INSERT INTO revocation (authority, serial, revoked_at, not_after) \
             VALUES (?1, ?2, ?3, ?4)",
        )?
        .execute(params![
            abandoned.authority,
            abandoned.serial,
            now.seconds(),
            abandoned.not_after.seconds(),
        ])?;
    authorities::bump_revision(connection, abandoned.authority)
}
