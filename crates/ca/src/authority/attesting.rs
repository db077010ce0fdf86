//! What a CA's key signs beside certificates and CRLs: checkpoints of the audit record, manifests of
//! backups.

use std::sync::Arc;

use rusqlite::Connection;
use rustmq_pki::certificate::Certificate;
use rustmq_pki::key::Signer;
use rustmq_pki::statement::{Statement, StatementKind};
use rustmq_pki::time::UnixTime;

use super::{Attempt, Authority, Prepared, prepare};
use crate::attestation::Attestation;
use crate::checkpoint::{AnchoredVerdict, AuditCheckpoint};
use crate::info::{AuditFault, CaStatus};
use crate::query::describe_ca;
use crate::request::Execution;
use crate::signing;
use crate::store::{CaRow, Entry, Fault, Outcome, audit, authorities, standing};
use crate::{Error, names};

/// A CA with its key at hand, for statements.
pub(super) struct Attestor {
    pub(super) prepared: Prepared,
    signer: Arc<dyn Signer>,
}

impl Attestor {
    pub(super) fn ca_id(&self) -> &str {
        &self.prepared.row.id
    }

    pub(super) fn certificate(&self) -> &Certificate {
        self.prepared.ca.certificate()
    }

    /// A statement of this kind, begun with this signer.
    pub(super) fn begin(&self, kind: StatementKind) -> Statement {
        Attestation::statement(kind, self.ca_id(), self.certificate())
    }

    pub(super) async fn attest(&self, statement: Statement) -> Result<Attestation, Error> {
        let signature = signing::sign_statement(self.signer.clone(), statement).await?;
        let chain = self.prepared.chain.to_vec();
        // The chain begins with the certificate that the CA issues by.
        Attestation::new(self.ca_id().to_owned(), chain, signature)
            .map_err(|_| Error::KeyMissing { ca: self.ca_id().to_owned() })
    }
}

impl Authority {
    /// The CA that signs a statement, its key opened: the one that is named, or the fittest.
    pub(super) async fn attestor(&self, ca: Option<String>) -> Result<Attestor, Error> {
        let now = self.now();
        let prepared = self
            .store
            .read(move |connection| {
                let row = match ca {
                    Some(name) => named(connection, &name, now)?,
                    None => ranked(connection, now)?.into_iter().next().ok_or(Error::NoCa)?,
                };
                prepare(connection, row)
            })
            .await?;
        let signer = self.keys.signer(&prepared.row).await?;
        // The same check as before any other use of the key.
        self.issuer_of(&prepared).await?;
        Ok(Attestor { prepared, signer })
    }

    /// `audit checkpoint`: what announces the signature is the last record that it covers.
    pub(crate) async fn audit_checkpoint(
        &self,
        ca: Option<String>,
    ) -> Result<AuditCheckpoint, Error> {
        let attempt = Attempt { action: "audit.checkpoint", ca: ca.clone(), ..Attempt::default() };
        self.audited(attempt, Execution::Commit, async {
            let attestor = self.attestor(ca).await?;
            let now = self.now();
            let entry = self.announcement(&attestor, "audit.checkpoint", now);
            let (records, head) = self.announce(&attestor, entry).await?;
            let begun = attestor.begin(StatementKind::AuditCheckpoint);
            let statement = AuditCheckpoint::unsigned(begun, records, &head, now);
            let attestation = attestor.attest(statement).await?;
            Ok(AuditCheckpoint::signed(records, head, now, attestation))
        })
        .await
    }

    /// The record that is durable before a statement is signed.
    pub(super) fn announcement(
        &self,
        attestor: &Attestor,
        action: &'static str,
        now: UnixTime,
    ) -> Entry {
        Entry {
            at: now,
            actor: self.actor.clone(),
            action,
            outcome: Outcome::Reserved,
            ca: Some(attestor.ca_id().to_owned()),
            serial: None,
            principal: None,
            detail: format!("signed by sha256 {}", attestor.certificate().fingerprint()),
        }
    }

    /// Makes the announcement durable; gives the number of records then, and the last one's hash. Refuses
    /// a signer that was revoked since its key was asked for.
    pub(super) async fn announce(
        &self,
        attestor: &Attestor,
        announcement: Entry,
    ) -> Result<(u64, String), Error> {
        let (signer, now) = (attestor.prepared.row.number, announcement.at);
        self.store
            .write(move |connection| {
                audit::check_clock(connection, now)?;
                let signer = authorities::by_number(connection, signer)?.ok_or(Error::NoCa)?;
                check_believed(connection, &signer, now)?;
                audit::append(connection, &announcement)?;
                audit::head_of(connection)
            })
            .await
    }

    /// `audit verify --anchor`.
    pub(crate) async fn audit_verify_anchored(
        &self,
        anchor: AuditCheckpoint,
    ) -> Result<AnchoredVerdict, Error> {
        self.store.read(move |connection| verify_anchored(connection, &anchor)).await
    }
}

fn verify_anchored(
    connection: &Connection,
    anchor: &AuditCheckpoint,
) -> Result<AnchoredVerdict, Fault> {
    let key = anchor.attestation().key().fingerprint();
    let Some(ca) = authorities::id_of_key(connection, key.as_bytes())? else {
        return Err(Error::from(anchor.foreign()).into());
    };
    let signer_revoked = match authorities::by_id(connection, &ca)? {
        Some(ca) => standing::revoked_above(connection, &ca)?,
        None => None,
    };
    let mut verdict = audit::verify(connection)?;
    let number = anchor.records();
    if verdict.fault.is_none() {
        if let Some(worthless) = signer_revoked.as_ref().and_then(|ca| anchor.compromised(ca)) {
            return Err(Error::from(worthless).into());
        }
        verdict.fault = match audit::hash_of(connection, number)? {
            None => Some(AuditFault::TailLost { anchored: number, records: verdict.records }),
            Some(hash) if hash != anchor.head() => Some(AuditFault::Diverged { number }),
            Some(_) => None,
        };
    }
    Ok(AnchoredVerdict { verdict, anchored: number, signer_revoked })
}

/// The CA with this name, unless nobody should believe it any more.
fn named(connection: &Connection, name: &str, now: UnixTime) -> Result<CaRow, Fault> {
    let row = names::find_ca(connection, name)?;
    check_believed(connection, &row, now)?;
    Ok(row)
}

/// Refuses a CA that is revoked or below one that is, and names those that may sign instead.
fn check_believed(connection: &Connection, signer: &CaRow, now: UnixTime) -> Result<(), Fault> {
    let Some(revoked) = standing::revoked_above(connection, signer)? else { return Ok(()) };
    let others = ranked(connection, now)?.into_iter().map(|other| other.id).collect();
    Err(Error::SignerRevoked { ca: signer.id.clone(), revoked: Box::new(revoked), others }.into())
}

/// The CAs that may sign a statement, the fittest first: the newest that issues, a root only where there
/// is no other, and one that issues no more only where none does. An intermediate's key is the one at
/// hand; a root's is better left alone. One that is revoked, or is below one that is, signs nothing.
fn ranked(connection: &Connection, now: UnixTime) -> Result<Vec<CaRow>, Fault> {
    let mut ranked = Vec::new();
    for row in authorities::all(connection)? {
        let rank = match (describe_ca(connection, &row, now)?.status, row.is_root()) {
            (CaStatus::Active, false) => 4,
            (CaStatus::Active, true) => 3,
            (CaStatus::Retired, _) => 2,
            (CaStatus::Expired, _) => 1,
            (CaStatus::OnHold | CaStatus::Revoked, _) => continue,
        };
        if standing::revoked_above(connection, &row)?.is_none() {
            ranked.push((rank, row.number, row));
        }
    }
    ranked.sort_by_key(|(rank, number, _)| std::cmp::Reverse((*rank, *number)));
    Ok(ranked.into_iter().map(|(_, _, row)| row).collect())
}
