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

use super::accept;
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
    let (mut ids, mut known) = (Vec::new(), HashSet::new());
    for entry in &state.entries {
        for info in all_of(manager, output, state, ca, entry).await? {
            if !known.insert(info.id.clone()) {
                continue;
            }
            if matches!(info.status, CertificateStatus::Active | CertificateStatus::OnHold) {
                undone.revoked.push(info.id.clone());
            }
            ids.push(info.id);
        }
    }
    // Those that a killed run revoked are among them: their list may not be signed yet.
    let request = BatchRevokeRequest {
        which: Selection::Certificates(ids),
        reason: RevocationReason::CessationOfOperation,
        invalidity_date: None,
        execution: Execution::Commit,
    };
    manager.revoke_batch(request).await?;
    Ok(known)
}

/// An entry's certificates: the recorded one and those before it, the one in the folder, whose key is
/// about to be removed, and whatever renews one of them, as the help for a lost one advises.
async fn all_of(
    manager: &CertificateManager,
    output: &Output,
    state: &State,
    ca: &str,
    entry: &EntryState,
) -> Result<Vec<CertificateInfo>, CliError> {
    let mut found = Vec::new();
    match &entry.id {
        Some(id) => found.push(manager.info(id).await?),
        None => found.extend(unrecorded(manager, output, state, ca, entry).await?),
    }
    for id in &entry.replaced {
        found.push(manager.info(id).await?);
    }
    found.extend(delivered(manager, output, entry).await?);
    if !found.is_empty() {
        add_successors(manager, &entry.principal, &mut found).await?;
    }
    Ok(found)
}

/// The certificate that lies in an entry's folder with its key, whoever put it there.
async fn delivered(
    manager: &CertificateManager,
    output: &Output,
    entry: &EntryState,
) -> Result<Option<CertificateInfo>, CliError> {
    let folder = output.folder(&entry.folder);
    let Some(serial) = accept::serial_with_key(&folder) else { return Ok(None) };
    match manager.info(&serial).await {
        // Another authority's, and not ours to revoke.
        Err(rustmq_ca::Error::UnknownCertificate { .. }) => Ok(None),
        info => Ok(Some(info?)),
    }
}

/// Adds what renews one of the certificates of a principal, or renews what does. A renewal has its
/// principal, and a higher number.
async fn add_successors(
    manager: &CertificateManager,
    principal: &str,
    found: &mut Vec<CertificateInfo>,
) -> Result<(), CliError> {
    let mut ids: HashSet<String> = found.iter().map(|info| info.id.clone()).collect();
    let filter = ListFilter { principal: Some(principal.to_owned()), ..ListFilter::default() };
    for info in manager.list(filter).await? {
        let is_successor = info.renews.as_ref().is_some_and(|old| ids.contains(old));
        if is_successor && ids.insert(info.id.clone()) {
            found.push(info);
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
        // One that is on hold may be released.
        for status in [CertificateStatus::Active, CertificateStatus::OnHold] {
            let (ca, status) = (Some(ca.clone()), Some(status));
            let usable = manager.list(ListFilter { ca, status, ..ListFilter::default() }).await?;
            others |= usable.iter().any(|info| !certificates.contains(&info.id));
        }
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
