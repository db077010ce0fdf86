//! Before anything is made: whether the old deployment is as the plan has it, and which of the plan's
//! entries would be refused whoever issued.

use std::collections::HashMap;

use rustmq_ca::Error;
use rustmq_pki::key::software::SoftwareKey;
use rustmq_pki::key::{KeyType, PublicKey, Signer};
use rustmq_pki::profile::Profile;
use rustmq_pki::request::CertificateRequest;
use serde_json::json;

use super::error::MigrationError;
use super::plan::{AnchorPlan, Entry, Plan};
use crate::error::CliError;
use crate::scan;
use crate::session::Session;

/// An entry, and why there will be no certificate for it.
pub(super) type Refused<'a> = (&'a Entry, Error);

/// Public keys of each type, whose private halves are thrown away.
#[derive(Default)]
pub(super) struct Samples(HashMap<KeyType, PublicKey>);

impl Samples {
    /// The key of this type.
    pub(super) async fn of(&mut self, key_type: KeyType) -> Result<PublicKey, CliError> {
        if let Some(key) = self.0.get(&key_type) {
            return Ok(key.clone());
        }
        let make = move || SoftwareKey::generate(key_type).map(|key| key.public_key().clone());
        let key = tokio::task::spawn_blocking(make).await.ok().and_then(Result::ok);
        let key = key.ok_or(CliError::Lost)?;
        self.0.insert(key_type, key.clone());
        Ok(key)
    }
}

/// Refuses a plan whose deployment is not there, or is another one than it was, and one with entries
/// that no CA would issue.
pub(crate) async fn check(session: &Session, plan: &Plan) -> Result<(), CliError> {
    for anchor in plan.anchors.iter().filter(|anchor| anchor.in_bundle) {
        certificate(plan, anchor)?;
    }
    let (mut samples, mut refused) = (Samples::default(), Vec::new());
    for entry in &plan.entries {
        let key = samples.of(entry.key_type).await?;
        if let Err(error) = judge(session, entry, key)? {
            refused.push((entry, error));
        }
    }
    refuse(session, plan, refused)
}

/// The certificate of an anchor, as it lies in the old deployment.
pub(super) fn certificate(plan: &Plan, anchor: &AnchorPlan) -> Result<Vec<u8>, MigrationError> {
    if !plan.from.is_dir() {
        return Err(MigrationError::NoDeployment { from: plan.from.clone() });
    }
    let der = scan::certificate_in(&plan.from.join(&anchor.path), &anchor.fingerprint);
    der.ok_or_else(|| MigrationError::AnchorChanged {
        path: anchor.path.clone(),
        fingerprint: anchor.fingerprint.clone(),
    })
}

fn judge(session: &Session, entry: &Entry, key: PublicKey) -> Result<Result<(), Error>, CliError> {
    let name = entry.profile.clone().unwrap_or_else(|| entry.role.to_string());
    let profile = match Profile::builtin(&name).map_or_else(|| session.profile(&name), Ok) {
        Err(CliError::Authority(
            error @ (Error::UnknownProfile { .. } | Error::ProfileFile { .. }),
        )) => return Ok(Err(error)),
        // There is nothing to read a profile of the user's with yet: the authority will judge by it.
        Err(error) if error.is_without_authority() => {
            let file = format!("profiles/{name}.toml");
            let is_there = session.data_dir().is_ok_and(|dir| dir.join(file).exists());
            let known = Profile::BUILTIN.map(str::to_owned).to_vec();
            return Ok(if is_there { Ok(()) } else { Err(Error::UnknownProfile { name, known }) });
        }
        profile => profile?,
    };
    let request = CertificateRequest::for_principal(entry.principal.clone(), key)
        .with_sans(entry.sans.clone());
    let judged = profile.judge_alone(&request).map_err(Error::from);
    Ok(match profile.role() {
        Some(role) if role != entry.role => Err(Error::ProfileRole {
            profile: profile.name().to_owned(),
            profile_role: role.to_string(),
            role: entry.role.to_string(),
        }),
        _ => judged,
    })
}

/// Names every entry that is refused; the error that ends the command counts them.
pub(super) fn refuse(
    session: &Session,
    plan: &Plan,
    refused: Vec<Refused<'_>>,
) -> Result<(), CliError> {
    if refused.len() > 1 {
        for (entry, error) in &refused {
            let (principal, path) = (entry.principal.as_str(), &entry.path);
            let message = error.to_string();
            let record = json!({ "principal": principal, "path": path, "message": message });
            session.output.finding(&format!("{principal} ({path}): {message}"), &record);
        }
    }
    let (count, entries) = (refused.len(), plan.entries.len());
    let Some((entry, error)) = refused.into_iter().next() else { return Ok(()) };
    Err(MigrationError::Refused {
        refused: count,
        entries,
        principal: entry.principal.to_string(),
        path: entry.path.clone(),
        error: Box::new(error),
    }
    .into())
}
