//! The rows of the CAs.

use std::collections::HashMap;

use rusqlite::{Connection, OptionalExtension, Row, params};
use rustmq_pki::crl::RevocationReason;
use rustmq_pki::name::TrustDomain;
use rustmq_pki::time::UnixTime;

use super::audit::{self, Entry};
use super::fault::Fault;
use super::time_at;
use crate::Error;

/// How far a CA has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CaState {
    /// Its own certificate is reserved.
    Pending,
    /// It issues, as far as its certificates allow.
    Active,
    /// It signs CRLs and nothing else.
    Retired,
}

/// A CA as the store knows it.
#[derive(Clone, Debug)]
pub(crate) struct CaRow {
    pub(crate) number: i64,
    pub(crate) id: String,
    pub(crate) parent: Option<i64>,
    pub(crate) state: CaState,
    pub(crate) common_name: String,
    /// The number of its present certificate.
    pub(crate) certificate: i64,
    pub(crate) base_url: Option<String>,
    pub(crate) trust_domain: Option<TrustDomain>,
    pub(crate) crl_days: i64,
    pub(crate) profile: String,
}

impl CaRow {
    pub(crate) fn is_root(&self) -> bool {
        self.parent.is_none()
    }
}

/// A CA that is about to be.
#[derive(Clone, Debug)]
pub(crate) struct NewCaRow {
    /// The id asked for, or the prefix of the next one.
    pub(crate) id: NewId,
    pub(crate) parent: Option<i64>,
    pub(crate) common_name: String,
    pub(crate) key_hash: [u8; 32],
    pub(crate) encrypted_key: Vec<u8>,
    /// The passphrase's number that the key is encrypted under.
    pub(crate) key_epoch: i64,
    pub(crate) base_url: Option<String>,
    pub(crate) trust_domain: Option<TrustDomain>,
    pub(crate) crl_days: i64,
}

/// Which id a new CA gets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum NewId {
    /// This one.
    Chosen(String),
    /// The prefix and the number after the last.
    Next(&'static str),
}

const COLUMNS: &str = "number, id, parent, state, common_name, certificate, base_url, \
                       trust_domain, crl_days, profile";

fn authority(row: &Row<'_>) -> rusqlite::Result<CaRow> {
    let state: String = row.get(3)?;
    let trust_domain: Option<String> = row.get(7)?;
    Ok(CaRow {
        number: row.get(0)?,
        id: row.get(1)?,
        parent: row.get(2)?,
        state: match state.as_str() {
            "active" => CaState::Active,
            "retired" => CaState::Retired,
            _ => CaState::Pending,
        },
        common_name: row.get(4)?,
        certificate: row.get::<_, Option<i64>>(5)?.unwrap_or(0),
        base_url: row.get(6)?,
        trust_domain: trust_domain.and_then(|text| TrustDomain::parse(&text).ok()),
        crl_days: row.get(8)?,
        profile: row.get(9)?,
    })
}

/// The CA with this number, unless it was abandoned.
pub(crate) fn by_number(connection: &Connection, number: i64) -> Result<Option<CaRow>, Fault> {
    let sql = format!("SELECT {COLUMNS} FROM authority WHERE number = ?1 AND state <> 'abandoned'");
    Ok(connection.prepare_cached(&sql)?.query_row([number], authority).optional()?)
}

/// The CA with this id and a certificate.
pub(crate) fn by_id(connection: &Connection, id: &str) -> Result<Option<CaRow>, Fault> {
    let sql = format!("SELECT {COLUMNS} FROM authority WHERE id = ?1 AND certificate IS NOT NULL");
    Ok(connection.prepare_cached(&sql)?.query_row([id], authority).optional()?)
}

/// Every CA with a certificate, oldest first.
pub(crate) fn all(connection: &Connection) -> Result<Vec<CaRow>, Fault> {
    let sql =
        format!("SELECT {COLUMNS} FROM authority WHERE certificate IS NOT NULL ORDER BY number");
    let mut statement = connection.prepare_cached(&sql)?;
    let rows = statement.query_map([], authority)?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// The CA whose key this is.
pub(crate) fn id_of_key(
    connection: &Connection,
    key_hash: &[u8; 32],
) -> Result<Option<String>, Fault> {
    let id = connection
        .prepare_cached("SELECT coalesce(id, '(abandoned)') FROM authority WHERE key_hash = ?1")?
        .query_row([key_hash], |row| row.get(0))
        .optional()?;
    Ok(id)
}

/// The CAs by the hashes of their keys.
pub(super) fn ids_by_key(connection: &Connection) -> Result<HashMap<[u8; 32], String>, Fault> {
    let mut statement =
        connection.prepare_cached("SELECT key_hash, coalesce(id, '(abandoned)') FROM authority")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

/// Adds a CA whose certificate is being reserved. Returns its number and its id.
pub(super) fn insert_pending(
    connection: &Connection,
    new: &NewCaRow,
    profile: &str,
    now: UnixTime,
) -> Result<(i64, String), Fault> {
    let (id, prefix, ordinal) = match &new.id {
        NewId::Chosen(id) => (id.clone(), None, None),
        NewId::Next(prefix) => {
            let ordinal = next_ordinal(connection, prefix)?;
            (format!("{prefix}_{ordinal}"), Some(*prefix), Some(ordinal))
        }
    };
    let taken =
        connection.prepare_cached("SELECT 1 FROM authority WHERE id = ?1")?.exists([&id])?;
    if taken {
        return Err(Error::CaIdTaken { id }.into());
    }
    connection
        .prepare_cached(
            "INSERT INTO authority (id, prefix, ordinal, parent, state, common_name, key_hash, \
             profile, base_url, trust_domain, crl_days, created_at) \
             VALUES (?1, ?2, ?3, ?4, 'pending', ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
        )?
        .execute(params![
            id,
            prefix,
            ordinal,
            new.parent,
            new.common_name,
            new.key_hash,
            profile,
            new.base_url,
            new.trust_domain.as_ref().map(TrustDomain::as_str),
            new.crl_days,
            now.seconds(),
        ])?;
    Ok((connection.last_insert_rowid(), id))
}

/// The number after the last of this prefix, stepping over ids that somebody chose.
fn next_ordinal(connection: &Connection, prefix: &str) -> Result<i64, Fault> {
    let mut ordinal: i64 = connection
        .prepare_cached("SELECT coalesce(max(ordinal), 0) FROM authority WHERE prefix = ?1")?
        .query_row([prefix], |row| row.get(0))?;
    let mut taken = connection.prepare_cached("SELECT 1 FROM authority WHERE id = ?1")?;
    loop {
        ordinal += 1;
        if !taken.exists([format!("{prefix}_{ordinal}")])? {
            return Ok(ordinal);
        }
    }
}

/// Its certificate is complete: the first one makes the CA active.
pub(super) fn set_certificate(
    connection: &Connection,
    number: i64,
    certificate: i64,
) -> Result<(), Fault> {
    connection
        .prepare_cached(
            "UPDATE authority SET certificate = ?2, \
             state = CASE state WHEN 'pending' THEN 'active' ELSE state END WHERE number = ?1",
        )?
        .execute([number, certificate])?;
    Ok(())
}

/// Its certificate will never be complete: the id is free again, the key is gone.
pub(super) fn abandon(connection: &Connection, number: i64) -> Result<(), Fault> {
    connection
        .prepare_cached(
            "UPDATE authority SET id = NULL, prefix = NULL, ordinal = NULL, state = 'abandoned' \
             WHERE number = ?1",
        )?
        .execute([number])?;
    connection
        .prepare_cached("DELETE FROM authority_key WHERE authority = ?1")?
        .execute([number])?;
    Ok(())
}

/// No more issuing.
pub(crate) fn retire(connection: &Connection, number: i64, entry: &Entry) -> Result<(), Fault> {
    let changed = connection
        .prepare_cached(
            "UPDATE authority SET state = 'retired' WHERE number = ?1 AND state = 'active'",
        )?
        .execute([number])?;
    if changed == 0 {
        return Err(Error::CaRetired { ca: entry.ca.clone().unwrap_or_default() }.into());
    }
    audit::append(connection, entry)
}

/// What its next CRL says has changed.
pub(super) fn bump_revision(connection: &Connection, number: i64) -> Result<(), Fault> {
    connection
        .prepare_cached("UPDATE authority SET revision = revision + 1 WHERE number = ?1")?
        .execute([number])?;
    Ok(())
}

/// Refuses a CA that may not issue now: retired, expired or revoked, itself or any above it.
pub(crate) fn check_may_issue(
    connection: &Connection,
    authority: &CaRow,
    now: UnixTime,
) -> Result<(), Fault> {
    if authority.state == CaState::Retired {
        return Err(Error::CaRetired { ca: authority.id.clone() }.into());
    }
    let mut at = Some(authority.clone());
    while let Some(link) = at {
        check_link_not_revoked(connection, authority, &link)?;
        check_not_ended(connection, authority, &link, now)?;
        at = parent_of(connection, &link)?;
    }
    Ok(())
}

/// Refuses a CA that is revoked or on hold: a new certificate needs a new key.
pub(crate) fn check_not_revoked(connection: &Connection, ca: &CaRow) -> Result<(), Fault> {
    check_link_not_revoked(connection, ca, ca)
}

/// Refuses a CA that is revoked or on hold, or is below one that is.
pub(super) fn check_none_revoked(connection: &Connection, authority: &CaRow) -> Result<(), Fault> {
    let mut at = Some(authority.clone());
    while let Some(link) = at {
        check_link_not_revoked(connection, authority, &link)?;
        at = parent_of(connection, &link)?;
    }
    Ok(())
}

fn parent_of(connection: &Connection, ca: &CaRow) -> Result<Option<CaRow>, Fault> {
    match ca.parent {
        Some(parent) => by_number(connection, parent),
        None => Ok(None),
    }
}

fn check_link_not_revoked(
    connection: &Connection,
    authority: &CaRow,
    link: &CaRow,
) -> Result<(), Fault> {
    let (ca, revoked) = (authority.id.clone(), link.id.clone());
    let on_list = connection
        .prepare_cached("SELECT 1 FROM revocation WHERE certificate = ?1")?
        .exists([link.certificate])?;
    match on_list || is_key_lost(connection, link)? {
        true => Err(Error::CaRevoked { ca, revoked }.into()),
        false => Ok(()),
    }
}

/// Whether a CA's key fell into other hands, whichever of its certificates was revoked for that: it is
/// the key of all of them.
pub(crate) fn is_key_lost(connection: &Connection, ca: &CaRow) -> Result<bool, Fault> {
    let [key, above] = [RevocationReason::KeyCompromise, RevocationReason::CaCompromise];
    let lost = connection
        .prepare_cached(
            "SELECT 1 FROM certificate c JOIN revocation r ON r.certificate = c.number \
             WHERE c.subject_authority = ?1 AND r.reason IN (?2, ?3)",
        )?
        .exists([ca.number, key.code().into(), above.code().into()])?;
    Ok(lost)
}

fn check_not_ended(
    connection: &Connection,
    authority: &CaRow,
    link: &CaRow,
    now: UnixTime,
) -> Result<(), Fault> {
    let not_after = connection
        .prepare_cached("SELECT not_after FROM certificate WHERE number = ?1")?
        .query_row([link.certificate], |row| time_at(row, 0))?;
    if not_after < now {
        let ca = authority.id.clone();
        return Err(Error::CaExpired { ca, expired: link.id.clone(), not_after }.into());
    }
    Ok(())
}
