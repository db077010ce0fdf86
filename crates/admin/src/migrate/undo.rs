//! Back to before the first step: the new certificates are revoked, and what was written is removed.

use std::collections::HashSet;
use std::fs;

use rustmq_ca::batch::{BatchRevokeRequest, Selection};
use rustmq_ca::{
    CaInfo, CaStatus, CertificateInfo, CertificateManager, CertificateStatus, Execution,
    ListFilter, RevokeRequest,
};
use rustmq_pki::crl::RevocationReason;
use rustmq_pki::key::Signer;

use super::apply::mark_of;
use super::error::MigrationError;
use super::hierarchy;
use super::retire::nothing_is_moved;
use super::state::{
    AuthorityState, BUNDLE, CERTIFICATES, EntryState, Output, RETIRED, Stage, State, remove_written,
};
use crate::error::CliError;
use crate::files::key_file;
use crate::session::Session;

/// The files of a new certificate's folder.
const FILES: [&str; 5] = ["tls.crt", "ca.crt", "root.crt", "crl.pem", "tls.key"];

/// What an undo did.
#[derive(Debug, Default)]
pub(crate) struct Undone {
    /// The certificates that this run revoked, by id.
    pub(crate) revoked: Vec<String>,
    /// What stays, and why.
    pub(crate) notes: Vec<String>,
}

/// Undoes a migration, or goes on undoing it.
pub(crate) async fn undo(session: &Session, output: &Output) -> Result<Undone, CliError> {
    let mut state = output.begun()?;
    let is_retired = match state.stage {
        Stage::Retired => true,
        // It may have been stopped before the first file.
        Stage::Retiring => !nothing_is_moved(&output.path(RETIRED)),
        Stage::Applying | Stage::Verified | Stage::Undoing => false,
    };
    if is_retired {
        return Err(MigrationError::Retired.into());
    }
    let manager = match session.writer() {
        // It was stopped before anything was made.
        Err(error) if error.is_without_authority() && state.authority.is_none() => None,
        manager => Some(manager?),
    };
    state.stage = Stage::Undoing;
    output.save(&state)?;
    let mut undone = Undone::default();
    if let Some(manager) = manager {
        let mut certificates = HashSet::new();
        if let Some(authority) = &state.authority {
            known_authority(&manager, authority).await?;
            certificates = revoke(&manager, output, &state, &authority.ca, &mut undone).await?;
            revoke_replaced(&manager, &state, &mut certificates, &mut undone).await?;
        }
        let made = match &state.new {
            Some(new) => hierarchy::make(&manager, new, &state.job, Execution::DryRun).await?,
            None => Vec::new(),
        };
        end_authority(&manager, &made, &certificates, &mut undone).await?;
    }
    for entry in &state.entries {
        remove_folder(output, &state.job, entry, &mut undone)?;
    }
    // One that holds something else stays.
    let _not_empty = fs::remove_dir(output.path(CERTIFICATES));
    remove_written(&output.path(BUNDLE))?;
    output.forget()?;
    Ok(undone)
}

/// Refuses to work on another authority than the migration's.
async fn known_authority(
    manager: &CertificateManager,
    known: &AuthorityState,
) -> Result<(), CliError> {
    let chain = manager.ca_chain(&known.ca).await.unwrap_or_default();
    let root = chain.last().map(|root| root.fingerprint().to_string());
    if root.as_ref() == Some(&known.root_fingerprint) {
        return Ok(());
    }
    Err(MigrationError::OtherDataDirectory { ca: known.ca.clone() }.into())
}

/// Revokes every certificate of the migration, recorded or not, under one record and one list, and gives
/// the ids of all.
async fn revoke(
    manager: &CertificateManager,
    output: &Output,
    state: &State,
    ca: &str,
    undone: &mut Undone,
) -> Result<HashSet<String>, CliError> {
    let mut ids = Vec::new();
    for entry in &state.entries {
        let found = match &entry.id {
            Some(id) => Some(manager.info(id).await?),
            None => unrecorded(manager, output, state, ca, entry).await?,
        };
        let Some(info) = found else { continue };
        if matches!(info.status, CertificateStatus::Active | CertificateStatus::OnHold) {
            undone.revoked.push(info.id.clone());
        }
        ids.push(info.id);
    }
    // Those that a killed run revoked are among them: their list may not be signed yet.
    let request = BatchRevokeRequest {
        which: Selection::Certificates(ids.clone()),
        reason: RevocationReason::CessationOfOperation,
        invalidity_date: None,
        execution: Execution::Commit,
    };
    manager.revoke_batch(request).await?;
    Ok(ids.into_iter().collect())
}

/// Revokes those in whose place others were put, too.
async fn revoke_replaced(
    manager: &CertificateManager,
    state: &State,
    certificates: &mut HashSet<String>,
    undone: &mut Undone,
) -> Result<(), CliError> {
    for id in state.entries.iter().flat_map(|entry| &entry.replaced) {
        certificates.insert(id.clone());
        let info = manager.info(id).await?;
        if matches!(info.status, CertificateStatus::Active | CertificateStatus::OnHold) {
            let request = RevokeRequest {
                certificate: id.clone(),
                reason: RevocationReason::CessationOfOperation,
                invalidity_date: None,
                execution: Execution::Commit,
            };
            manager.revoke_certificate(request).await?;
            undone.revoked.push(id.clone());
        }
    }
    Ok(())
}

/// The certificate for the key that waits in an entry's folder: a run that was killed may have been
/// given one without recording it. Without a key, none was asked for.
async fn unrecorded(
    manager: &CertificateManager,
    output: &Output,
    state: &State,
    ca: &str,
    entry: &EntryState,
) -> Result<Option<CertificateInfo>, CliError> {
    let place = output.folder(&entry.folder).join("tls.key");
    let waiting = key_file::waiting_place(&place, Some(&mark_of(&state.job, &entry.digest)));
    let Some(key) = [place, waiting].iter().find_map(|path| key_file::read(path).ok()) else {
        return Ok(None);
    };
    let filter = ListFilter {
        principal: Some(entry.principal.clone()),
        ca: Some(ca.to_owned()),
        ..ListFilter::default()
    };
    for info in manager.list(filter).await? {
        let certificate = manager.bundle(&info.id).await?.certificate;
        if certificate.public_key().is_ok_and(|own| own == *key.public_key()) {
            return Ok(Some(info));
        }
    }
    Ok(None)
}

/// Ends the CAs that were made for the migration, unless somebody uses them for something else.
async fn end_authority(
    manager: &CertificateManager,
    made: &[String],
    certificates: &HashSet<String>,
    undone: &mut Undone,
) -> Result<(), CliError> {
    let Some((root, below)) = made.split_first() else { return Ok(()) };
    let cas = manager.list_cas().await?;
    let is_other = |ca: &CaInfo| {
        let below_root = ca.parent_id.as_ref() == Some(root) && !below.contains(&ca.id);
        below_root && ca.status == CaStatus::Active
    };
    let mut others = cas.iter().any(is_other);
    for ca in below {
        let filter = ListFilter {
            ca: Some(ca.clone()),
            status: Some(CertificateStatus::Active),
            ..ListFilter::default()
        };
        let active = manager.list(filter).await?;
        others |= active.iter().any(|info| !certificates.contains(&info.id));
    }
    if others {
        undone.notes.push(format!("{} stay: they issued other certificates", made.join(" and ")));
        return Ok(());
    }
    for ca in below {
        if manager.find_ca(ca).await?.status != CaStatus::Active {
            continue;
        }
        manager
            .revoke_ca(RevokeRequest {
                certificate: ca.clone(),
                reason: RevocationReason::CessationOfOperation,
                invalidity_date: None,
                execution: Execution::Commit,
            })
            .await?;
    }
    if manager.find_ca(root).await?.status == CaStatus::Active {
        manager.retire_ca(root, Execution::Commit).await?;
    }
    undone.notes.push(format!("the CAs that were made have ended: {}", made.join(", ")));
    Ok(())
}

fn remove_folder(
    output: &Output,
    job: &str,
    entry: &EntryState,
    undone: &mut Undone,
) -> Result<(), CliError> {
    let folder = output.folder(&entry.folder);
    let waiting =
        key_file::waiting_place(&folder.join("tls.key"), Some(&mark_of(job, &entry.digest)));
    for path in FILES.map(|file| folder.join(file)).iter().chain([&waiting]) {
        remove_written(path)?;
    }
    if fs::remove_dir(&folder).is_err() && folder.exists() {
        undone.notes.push(format!("{} stays: it holds other files", folder.display()));
    }
    Ok(())
}
