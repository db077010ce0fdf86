//! Who holds which public key.
//!
//! A certificate binds its key to its principal. What is being issued is checked twice: when it is
//! reserved, and once more, against what became complete since, when it is completed. So of two
//! processes that certify one key for two principals at once, one is refused.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use rusqlite::{Connection, OptionalExtension, params};
use rustmq_pki::certificate::Certificate;
use rustmq_pki::key::Fingerprint;
use rustmq_pki::time::UnixTime;

use super::fault::Fault;
use super::lookup::{self, Kind};
use super::{authorities, optional_time_at};
use crate::Error;

/// A key, and for whom it is to be certified.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claim<'a> {
    pub(super) key_hash: &'a [u8; 32],
    pub(super) principal: &'a str,
}

/// Refuses a key that is a CA's, that was compromised, or that another principal holds.
pub(crate) fn check(
    connection: &Connection,
    key_hash: &[u8; 32],
    principal: &str,
) -> Result<(), Fault> {
    if let Some(ca) = authorities::id_of_key(connection, key_hash)? {
        return Err(Error::KeyOfCa { ca }.into());
    }
    check_since(connection, Claim { key_hash, principal }, 0)
}

/// The refusals of [`check`] that certificates above the number `after` give, and those of marks.
pub(super) fn check_since(
    connection: &Connection,
    claim: Claim<'_>,
    after: i64,
) -> Result<(), Fault> {
    check_mark(connection, claim)?;
    let mut held_by = None;
    lookup::find(connection, Kind::Key, lookup::of_key(claim.key_hash), after, |number| {
        held_by = holder(connection, number, claim.key_hash)?;
        Ok(if held_by.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    })?;
    judge(claim, held_by)
}

fn judge(claim: Claim<'_>, held_by: Option<String>) -> Result<(), Fault> {
    match held_by {
        Some(holder) if holder != claim.principal => {
            Err(Error::KeyHeldByAnother { principal: holder }.into())
        }
        _ => Ok(()),
    }
}

/// The principal of a certificate, if it is for just this key.
fn holder(
    connection: &Connection,
    number: i64,
    key_hash: &[u8; 32],
) -> Result<Option<String>, Fault> {
    let mut statement =
        connection.prepare_cached("SELECT principal, der FROM certificate WHERE number = ?1")?;
    let mut rows = statement.query([number])?;
    let Some(row) = rows.next()? else { return Ok(None) };
    let has_key = Certificate::from_der(row.get_ref(1)?.as_blob()?)
        .is_ok_and(|certificate| key_hash_of(&certificate) == *key_hash);
    Ok(if has_key { Some(row.get(0)?) } else { None })
}

/// SHA-256 of a certificate's SubjectPublicKeyInfo.
pub(super) fn key_hash_of(certificate: &Certificate) -> [u8; 32] {
    *Fingerprint::of(certificate.view().spki.der).as_bytes()
}

fn check_mark(connection: &Connection, claim: Claim<'_>) -> Result<(), Fault> {
    let mark = connection
        .prepare_cached("SELECT principal, compromised_at FROM key_mark WHERE key_hash = ?1")?
        .query_row([claim.key_hash], |row| {
            Ok((row.get::<_, String>(0)?, optional_time_at(row, 1)?))
        })
        .optional()?;
    match mark {
        Some((_, Some(at))) => Err(Error::KeyCompromised { at }.into()),
        Some((holder, None)) => judge(claim, Some(holder)),
        None => Ok(()),
    }
}

/// [`check`] for many keys at once. Each refusal is told to `refused` by the claim's place, and ends the
/// checks where that says so; a claim may be refused for several reasons.
pub(super) fn check_many(
    connection: &Connection,
    claims: &[Claim<'_>],
    after: i64,
    mut refused: impl FnMut(usize, Box<Error>) -> Result<(), Fault>,
) -> Result<(), Fault> {
    let mut tell = |at: usize, judged: Result<(), Fault>| match judged {
        Err(Fault::Refused(error)) => refused(at, error),
        judged => judged,
    };
    let authorities = authorities::ids_by_key(connection)?;
    let marked = connection.prepare_cached("SELECT 1 FROM key_mark")?.exists([])?;
    let mut order: Vec<(u64, usize)> =
        claims.iter().enumerate().map(|(at, c)| (lookup::of_key(c.key_hash), at)).collect();
    order.sort_unstable();
    let doubled = claimed_twice(claims, &order);
    for (at, claim) in claims.iter().enumerate() {
        if let Some(ca) = authorities.get(claim.key_hash) {
            tell(at, Err(Error::KeyOfCa { ca: ca.clone() }.into()))?;
        }
        if marked {
            tell(at, check_mark(connection, *claim))?;
        }
        if let Some(first) = doubled.get(&at) {
            let principal = claims[*first].principal.into();
            tell(at, Err(Error::KeyHeldByAnother { principal }.into()))?;
        }
    }
    let hashes: Vec<u64> = order.iter().map(|(hash, _)| *hash).collect();
    lookup::find_many(connection, Kind::Key, &hashes, after, |place, number| {
        let at = order[place].1;
        let held_by = holder(connection, number, claims[at].key_hash)?;
        tell(at, judge(claims[at], held_by))
    })
}

/// The claims whose key an earlier one has for another principal, each with the first that has it.
/// `order` is that of the keys' hashes, and of the claims where these are the same.
fn claimed_twice(claims: &[Claim<'_>], order: &[(u64, usize)]) -> BTreeMap<usize, usize> {
    let mut doubled = BTreeMap::new();
    for same in order.chunk_by(|(one, _), (next, _)| one == next).filter(|same| same.len() > 1) {
        for (nth, (_, at)) in same.iter().enumerate() {
            let has_key =
                |(_, first): &&(u64, usize)| claims[*first].key_hash == claims[*at].key_hash;
            if let Some((_, first)) = same[..nth].iter().find(has_key)
                && claims[*first].principal != claims[*at].principal
            {
                doubled.insert(*at, *first);
            }
        }
    }
    doubled
}

/// The key is lost for good.
pub(super) fn compromise(
    connection: &Connection,
    key_hash: &[u8; 32],
    principal: &str,
    at: UnixTime,
) -> Result<(), Fault> {
    connection
        .prepare_cached(
            "INSERT INTO key_mark (key_hash, principal, compromised_at) VALUES (?1, ?2, ?3) \
             ON CONFLICT DO UPDATE SET compromised_at = coalesce(compromised_at, ?3)",
        )?
        .execute(params![key_hash, principal, at.seconds()])?;
    Ok(())
}

/// A certificate for the key may have been signed and will never be complete: the key stays with its
/// principal, unless it has another holder already.
pub(super) fn abandon(connection: &Connection, claim: Claim<'_>) -> Result<(), Fault> {
    match check_since(connection, claim, 0) {
        Ok(()) => {}
        Err(Fault::Refused(_)) => return Ok(()),
        Err(fault) => return Err(fault),
    }
    connection
        .prepare_cached("INSERT OR IGNORE INTO key_mark (key_hash, principal) VALUES (?1, ?2)")?
        .execute(params![claim.key_hash, claim.principal])?;
    Ok(())
}
