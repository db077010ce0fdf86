//! Taking over what a later CRL of a CA says: the store was restored from before it was signed.

use std::collections::{HashMap, HashSet};

use rusqlite::{Connection, params};
use rustmq_pki::crl::{CertificateRevocationList, RevocationReason, RevokedCertificate};
use rustmq_pki::key::Fingerprint;
use rustmq_pki::time::UnixTime;

use super::audit::{self, Entry, Outcome};
use super::certificates::{self, CertificateRow, role_code};
use super::fault::Fault;
use super::{authorities, counts, crls, key_holders};
use crate::Actor;

/// A complete CRL that a CA of this store has signed.
#[derive(Debug)]
pub(crate) struct LaterCrl {
    pub(crate) authority: i64,
    pub(crate) ca_id: String,
    /// The end of whatever the CA issued that this store does not know: its own.
    pub(crate) ends: UnixTime,
    pub(crate) crl: CertificateRevocationList,
    pub(crate) revoked: Vec<RevokedCertificate>,
}

/// What a CRL added.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Merged {
    /// Whether it is later than the store's own. One that is not adds nothing.
    pub(crate) is_later: bool,
    /// Certificates of the store that are now revoked or on hold.
    pub(crate) revoked: u64,
    /// Serial numbers that the store does not know, kept for its next CRL.
    pub(crate) unknown: u64,
    /// Serial numbers on hold here that the CRL does not list: released since.
    pub(crate) released: Vec<String>,
}

/// A serial number that is off, as the store has it.
struct Known {
    number: i64,
    reason: Option<RevocationReason>,
    is_on_crl: bool,
}

/// Takes over what a CRL says, in one transaction with the records of it. Nothing is released by it.
pub(crate) fn merge(
    connection: &Connection,
    later: &LaterCrl,
    now: UnixTime,
    actor: &Actor,
) -> Result<Merged, Fault> {
    let stored = crls::stored(connection, later.authority)?;
    if stored.is_some_and(|stored| stored.crl.number() >= later.crl.number()) {
        return Ok(Merged::default());
    }
    let known = known(connection, later.authority)?;
    let mut merging = Merging { connection, later, now, actor, merged: Merged::default() };
    merging.merged.is_later = true;
    for entry in &later.revoked {
        merging.take(entry, known.get(entry.serial.as_bytes()))?;
    }
    merging.finish(&known)
}

fn known(connection: &Connection, authority: i64) -> Result<HashMap<Vec<u8>, Known>, Fault> {
    let mut statement = connection
        .prepare("SELECT serial, number, reason, off_crl FROM revocation WHERE authority = ?1")?;
    let rows = statement.query_map([authority], |row| {
        let reason: Option<u8> = row.get(2)?;
        let reason = reason.and_then(RevocationReason::from_code);
        let known = Known { number: row.get(1)?, reason, is_on_crl: !row.get::<_, bool>(3)? };
        Ok((row.get(0)?, known))
    })?;
    Ok(rows.collect::<rusqlite::Result<_>>()?)
}

struct Merging<'a> {
    connection: &'a Connection,
    later: &'a LaterCrl,
    now: UnixTime,
    actor: &'a Actor,
    merged: Merged,
}

impl Merging<'_> {
    fn take(&mut self, entry: &RevokedCertificate, known: Option<&Known>) -> Result<(), Fault> {
        let hold = Some(RevocationReason::CertificateHold);
        let row = certificates::by_serial(self.connection, &entry.serial)?
            .filter(|row| row.authority == self.later.authority);
        match known {
            Some(known) if known.reason == hold && entry.reason != hold => {
                self.end_hold(known, entry)?;
            }
            Some(known)
                if known.reason.is_none() && entry.reason != hold && stated(entry).is_some() =>
            {
                self.give_reason(known, entry)?;
            }
            Some(_) => return Ok(()),
            None => self.insert(entry, row.as_ref())?,
        }
        if let Some(row) = &row {
            self.follow(entry, row)?;
            self.merged.revoked += 1;
        } else {
            self.compromise_reserved(entry)?;
            self.merged.unknown += 1;
        }
        self.record(entry, row.as_ref())
    }

    fn insert(
        &self,
        entry: &RevokedCertificate,
        row: Option<&CertificateRow>,
    ) -> Result<(), Fault> {
        self.connection
            .prepare_cached(
                "INSERT INTO revocation (certificate, authority, serial, revoked_at, reason, \
                 invalidity_date, not_after) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                row.map(|row| row.number),
                self.later.authority,
                entry.serial.as_bytes(),
                entry.revoked_at.seconds(),
                stated(entry),
                entry.invalidity_date.map(UnixTime::seconds),
                row.map_or(self.later.ends, |row| row.certificate.not_after()).seconds(),
            ])?;
        if let Some(row) = row {
            let key = (row.authority, role_code(row.role));
            counts::add_live(self.connection, key, row.certificate.not_after(), -1)?;
            counts::add_revoked(self.connection, key, 1)?;
        }
        Ok(())
    }

    /// The date of the hold stays: since then the certificate is not to be trusted.
    fn end_hold(&self, known: &Known, entry: &RevokedCertificate) -> Result<(), Fault> {
        self.connection
            .prepare_cached(
                "UPDATE revocation SET reason = ?2, invalidity_date = ?3 WHERE number = ?1",
            )?
            .execute(params![
                known.number,
                stated(entry),
                entry.invalidity_date.map(UnixTime::seconds),
            ])?;
        Ok(())
    }

    /// A serial number that was being given out at the backup stands here as abandoned, for no reason. Its
    /// certificate was completed since, and revoked for one.
    fn give_reason(&self, known: &Known, entry: &RevokedCertificate) -> Result<(), Fault> {
        self.connection
            .prepare_cached(
                "UPDATE revocation SET reason = ?2, revoked_at = ?3, invalidity_date = ?4 \
                 WHERE number = ?1",
            )?
            .execute(params![
                known.number,
                stated(entry),
                entry.revoked_at.seconds(),
                entry.invalidity_date.map(UnixTime::seconds),
            ])?;
        Ok(())
    }

    /// The key of a certificate that the store knows from its reservation only.
    fn compromise_reserved(&self, entry: &RevokedCertificate) -> Result<(), Fault> {
        if entry.reason != Some(RevocationReason::KeyCompromise) {
            return Ok(());
        }
        let reserved = certificates::reserved_key(self.connection, &entry.serial)?;
        let Some((key_hash, principal)) = reserved else { return Ok(()) };
        key_holders::compromise(self.connection, &key_hash, &principal, entry.revoked_at)
    }

    /// What else is true of a certificate that is revoked.
    fn follow(&self, entry: &RevokedCertificate, row: &CertificateRow) -> Result<(), Fault> {
        if entry.reason == Some(RevocationReason::KeyCompromise) {
            let key_hash = Fingerprint::of(row.certificate.view().spki.der);
            let (principal, at) = (&row.principal, entry.revoked_at);
            key_holders::compromise(self.connection, key_hash.as_bytes(), principal, at)?;
        }
        if entry.reason != Some(RevocationReason::CertificateHold) {
            self.connection
                .prepare_cached("DELETE FROM supersession WHERE certificate = ?1")?
                .execute([row.number])?;
        }
        Ok(())
    }

    fn record(
        &self,
        entry: &RevokedCertificate,
        row: Option<&CertificateRow>,
    ) -> Result<(), Fault> {
        let reason = entry.reason.unwrap_or(RevocationReason::Unspecified).name();
        let by = format!("{reason} at {}, by CRL {}", entry.revoked_at, self.later.crl.number());
        let detail = match row {
            Some(_) => by,
            None => format!("{by}; issued after the backup"),
        };
        let principal = row.map(|row| row.principal.clone());
        let serial = Some(entry.serial.to_string());
        let entry = self.entry("certificate.revoke", serial, principal, detail);
        audit::append(self.connection, &entry)
    }

    fn entry(
        &self,
        action: &'static str,
        serial: Option<String>,
        principal: Option<String>,
        detail: String,
    ) -> Entry {
        Entry {
            at: self.now,
            actor: self.actor.clone(),
            action,
            outcome: Outcome::Done,
            ca: Some(self.later.ca_id.clone()),
            serial,
            principal,
            detail,
        }
    }

    /// The CRL becomes the newest that the store has; its number is given out. Where the store lists
    /// what the CRL does not, the next one is due.
    fn finish(mut self, known: &HashMap<Vec<u8>, Known>) -> Result<Merged, Fault> {
        let later = self.later;
        let listed: HashSet<&[u8]> = later.revoked.iter().map(|e| e.serial.as_bytes()).collect();
        let missing = || {
            known
                .iter()
                .filter(|(serial, known)| known.is_on_crl && !listed.contains(serial.as_slice()))
        };
        let hold = Some(RevocationReason::CertificateHold);
        for (serial, _) in missing().filter(|(_, known)| known.reason == hold) {
            self.merged.released.push(rustmq_pki::hex::encode(serial));
        }
        self.merged.released.sort();
        crls::adopt(self.connection, later.authority, &later.crl, later.revoked.len())?;
        if missing().next().is_some() {
            authorities::bump_revision(self.connection, later.authority)?;
        }
        let digest = Fingerprint::of(later.crl.der());
        let Merged { revoked, unknown, .. } = self.merged;
        let detail = format!(
            "number {}, sha256 {digest}: {revoked} revoked, {unknown} that the store does not know",
            later.crl.number()
        );
        audit::append(self.connection, &self.entry("crl.merge", None, None, detail))?;
        Ok(self.merged)
    }
}

/// RFC 5280 5.3.1: unspecified is not said.
fn stated(entry: &RevokedCertificate) -> Option<u8> {
    let stated = entry.reason.filter(|reason| *reason != RevocationReason::Unspecified);
    stated.map(RevocationReason::code)
}
