//! What an idempotency key stands for.

use rusqlite::{Connection, OptionalExtension, params};

use rustmq_pki::key::Fingerprint;

use super::fault::Fault;
use crate::request::IdempotencyKey;
use crate::{Actor, Error};

/// A request that can be repeated: its key, and the digest of all that it asks for.
#[derive(Clone, Debug)]
pub(crate) struct Repeatable {
    pub(crate) key: IdempotencyKey,
    pub(crate) digest: [u8; 32],
}

impl Repeatable {
    /// A key and what is asked for under it, field by field; `None` without a key.
    pub(crate) fn new(
        key: Option<&IdempotencyKey>,
        fields: &[&[u8]],
    ) -> Result<Option<Self>, Error> {
        let Some(key) = key.cloned() else { return Ok(None) };
        if key.key.is_empty() || key.key.chars().count() > 255 {
            return Err(Error::InvalidIdempotencyKey);
        }
        let mut framed = b"RustMQ PKI request 1".to_vec();
        for field in fields {
            framed.extend_from_slice(&(field.len() as u64).to_be_bytes());
            framed.extend_from_slice(field);
        }
        Ok(Some(Self { key, digest: *Fingerprint::of(&framed).as_bytes() }))
    }
}

/// What the store knows of an idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Earlier {
    /// Nothing, or an attempt that was abandoned: carry the request out.
    Nothing,
    /// The certificate of the first request.
    Certificate(i64),
}

/// Looks a key up: refuses another request's, and one whose first request is under way.
pub(crate) fn look_up(
    connection: &Connection,
    actor: &Actor,
    authority: i64,
    request: &Repeatable,
) -> Result<Earlier, Fault> {
    let row = connection
        .prepare_cached(
            "SELECT i.digest, i.certificate, r.abandoned_at IS NULL FROM idempotency i \
             LEFT JOIN reservation r ON r.number = i.reservation \
             WHERE i.actor = ?1 AND i.authority = ?2 AND i.job = ?3 AND i.key = ?4",
        )?
        .query_row(params![actor.as_str(), authority, request.key.job, request.key.key], |row| {
            Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Option<i64>>(1)?, row.get(2)?))
        })
        .optional()?;
    let key = request.key.key.clone();
    match row {
        None => Ok(Earlier::Nothing),
        Some((digest, _, _)) if digest != request.digest => {
            Err(Error::IdempotencyMismatch { key }.into())
        }
        Some((_, Some(certificate), _)) => Ok(Earlier::Certificate(certificate)),
        Some((_, None, true)) => Err(Error::IdempotencyInProgress { key }.into()),
        Some((_, None, false)) => Ok(Earlier::Nothing),
    }
}

/// Binds the key to a reservation, in place of one that was abandoned.
pub(super) fn bind(
    connection: &Connection,
    actor: &Actor,
    authority: i64,
    request: &Repeatable,
    reservation: i64,
) -> Result<(), Fault> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO idempotency (actor, authority, job, key, digest, reservation) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
        )?
        .execute(params![
            actor.as_str(),
            authority,
            request.key.job,
            request.key.key,
            request.digest,
            reservation,
        ])?;
    Ok(())
}

/// The reservation's certificate is complete.
pub(super) fn complete(
    connection: &Connection,
    reservation: i64,
    certificate: i64,
) -> Result<(), Fault> {
    connection
        .prepare_cached(
            "UPDATE idempotency SET certificate = ?2 WHERE reservation = ?1 AND certificate IS NULL",
        )?
        .execute([reservation, certificate])?;
    Ok(())
}
