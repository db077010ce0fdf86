//! The steps of a migration up to the verified new certificates. Each finds out what an earlier run
//! did, so that the same command goes on where one was stopped.

use std::fs;
use std::path::Path;

use rustmq_ca::{CertificateManager, CrlRefresh, Execution, IdempotencyKey, IssueRequest};
use rustmq_pki::certificate::Certificate;
use rustmq_pki::key::PublicKey;
use rustmq_pki::profile::Validity;
use rustmq_pki::serial::SerialNumber;

use super::accept::{self, Judge};
use super::error::MigrationError;
use super::hierarchy;
use super::judge::{self, Samples};
use super::plan::{AuthorityPlan, Entry, Plan};
use super::state::{AuthorityState, BUNDLE, EntryState, Output, Stage, State, Step};
use crate::cmd::certs::delivery::Delivery;
use crate::error::CliError;
use crate::files::folder::Folder;
use crate::files::{self, Existing, FileError, key_file};
use crate::output::progress;
use crate::scan;
use crate::session::Session;

/// How many certificates are issued or verified from one record of the state to the next. A run that
/// was stopped finds those since the last record by their idempotency keys.
const SLICE: usize = 64;

/// Days before its end from which a CRL is signed anew, for the judge and for the new folders.
const CRL_DAYS: i64 = 1;

/// What a run has in hand.
pub(crate) struct Run<'a> {
    /// The flags and surroundings.
    pub(crate) session: &'a Session,
    /// The plan.
    pub(crate) plan: &'a Plan,
    /// The output folder.
    pub(crate) output: &'a Output,
    /// How far it is.
    pub(crate) state: State,
}

impl<'a> Run<'a> {
    /// Begins a migration, or takes one up.
    pub(crate) fn begin(
        session: &'a Session,
        plan: &'a Plan,
        output: &'a Output,
    ) -> Result<Self, CliError> {
        let frame = plan.frame();
        let state = match output.state()? {
            None => {
                let job = SerialNumber::generate().map_err(|_| CliError::Lost)?;
                let job = format!("migrate-{job}");
                let new = match &plan.authority {
                    AuthorityPlan::New(new) => Some(new.clone()),
                    AuthorityPlan::Existing { .. } => None,
                };
                State::new(job, plan.from.clone(), frame, new, session.now())
            }
            Some(state) if state.stage == Stage::Undoing => {
                return Err(MigrationError::Undoing.into());
            }
            Some(state) if state.frame != frame => {
                return Err(MigrationError::OtherAuthorityPlanned.into());
            }
            Some(state) => state,
        };
        let mut run = Self { session, plan, output, state };
        run.state.entries = run.entries()?;
        output.save(&run.state)?;
        Ok(run)
    }

    /// The plan's entries with what is known of each.
    fn entries(&self) -> Result<Vec<EntryState>, MigrationError> {
        let mut known: std::collections::HashMap<&str, &EntryState> =
            self.state.entries.iter().map(|entry| (entry.fingerprint.as_str(), entry)).collect();
        let mut entries = Vec::with_capacity(self.plan.entries.len());
        for entry in &self.plan.entries {
            let digest = entry.digest();
            match known.remove(entry.fingerprint.as_str()).filter(|earlier| self.is_asked(earlier))
            {
                Some(earlier) if earlier.digest != digest => return Err(changed(earlier)),
                Some(earlier) => entries.push(earlier.clone()),
                None => entries.push(planned(entry, digest)),
            }
        }
        match known.into_values().find(|left| self.is_asked(left)) {
            Some(left) => Err(changed(left)),
            None => Ok(entries),
        }
    }

    /// Whether a certificate was issued for an entry, or may have been: the key is on the disk before
    /// it is asked for.
    fn is_asked(&self, entry: &EntryState) -> bool {
        let place = self.output.folder(&entry.folder).join("tls.key");
        let mark = mark_of(&self.state.job, &entry.digest);
        let waiting = key_file::waiting_place(&place, Some(&mark));
        entry.step != Step::Planned || place.exists() || waiting.exists()
    }

    /// Steps 1 to 4.
    pub(crate) async fn apply(&mut self) -> Result<(), CliError> {
        let manager = self.authority().await?;
        self.rehearse(&manager).await?;
        self.refresh_lists(&manager).await?;
        let root = self.root(&manager).await?;
        self.write_bundle(&root, |_| true)?;
        self.issue(&manager).await?;
        self.verify(&manager).await?;
        self.state.stage = Stage::Verified;
        self.output.save(&self.state)
    }

    /// Signs the lists of the issuing CA and those above it that are about to end.
    async fn refresh_lists(&self, manager: &CertificateManager) -> Result<(), CliError> {
        let mut next = Some(self.ca()?.to_owned());
        while let Some(ca) = next {
            manager.generate_crl(&ca, CrlRefresh::Before { days: CRL_DAYS }).await?;
            next = manager.find_ca(&ca).await?.parent_id;
        }
        Ok(())
    }

    fn ca(&self) -> Result<&str, CliError> {
        self.state.authority.as_ref().map(|a| a.ca.as_str()).ok_or(CliError::Lost)
    }

    /// Step 1: the hierarchy, made or found.
    pub(crate) async fn authority(&mut self) -> Result<CertificateManager, CliError> {
        let (manager, ca, made) = match (&self.state.authority, &self.plan.authority) {
            (Some(authority), _) => {
                (self.session.writer()?, authority.ca.clone(), authority.made.clone())
            }
            (None, AuthorityPlan::Existing { ca }) => {
                let manager = self.session.writer()?;
                let ca = manager.find_ca(ca).await?.id;
                (manager, ca, Vec::new())
            }
            (None, AuthorityPlan::New(new)) => {
                let shown = progress::key_generation(self.session.output, new.key_type);
                let manager = self.session.creator(&shown)?;
                let job = &self.state.job;
                let made = hierarchy::make(&manager, new, job, Execution::Commit).await?;
                (manager, made.last().cloned().unwrap_or_default(), made)
            }
        };
        let chain = match manager.ca_chain(&ca).await {
            Err(rustmq_ca::Error::UnknownCa { .. } | rustmq_ca::Error::NoCa) => Vec::new(),
            chain => chain?,
        };
        let root = chain.last().map(|root| root.fingerprint().to_string()).unwrap_or_default();
        let found = AuthorityState { root_fingerprint: root, ca, made };
        match &self.state.authority {
            Some(known) if *known != found => {
                return Err(MigrationError::OtherDataDirectory { ca: found.ca }.into());
            }
            Some(_) => {}
            None => {
                self.state.authority = Some(found);
                self.output.save(&self.state)?;
            }
        }
        Ok(manager)
    }

    fn idempotency(&self, key: &str) -> IdempotencyKey {
        IdempotencyKey { key: key.to_owned(), job: self.state.job.clone() }
    }

    /// The root above the issuing CA.
    pub(crate) async fn root(&self, manager: &CertificateManager) -> Result<Certificate, CliError> {
        let chain = manager.ca_chain(self.ca()?).await?;
        chain.into_iter().last().ok_or(CliError::Lost)
    }

    /// Step 2: what peers trust. Until the old certificates are retired it is all of the old anchors,
    /// then those that are still needed.
    pub(crate) fn write_bundle(
        &self,
        root: &Certificate,
        needed: impl Fn(&str) -> bool,
    ) -> Result<(), CliError> {
        let mut bundle = root.to_pem();
        let anchors = self.plan.anchors.iter().filter(|anchor| anchor.in_bundle);
        for anchor in anchors.filter(|anchor| needed(&anchor.fingerprint)) {
            let der = judge::certificate(self.plan, anchor)?;
            bundle.push_str(&scan::to_pem(&der));
        }
        self.output.write(BUNDLE, bundle.as_bytes())
    }

    /// Asks for every certificate with a key that is thrown away, so that a refusal comes before the
    /// first is issued.
    async fn rehearse(&self, manager: &CertificateManager) -> Result<(), CliError> {
        let (mut samples, mut refused) = (Samples::default(), Vec::new());
        for (entry, known) in self.plan.entries.iter().zip(&self.state.entries) {
            if known.step != Step::Planned {
                continue;
            }
            let key = samples.of(entry.key_type).await?;
            let mut request = self.request(self.ca()?, entry, key, Execution::DryRun);
            // The key that waits for the certificate is another one.
            request.idempotency = None;
            match manager.issue_certificate(request).await {
                Ok(_) => {}
                Err(error) if error.kind() == rustmq_ca::ErrorKind::Refused => {
                    refused.push((entry, error));
                }
                Err(error) => return Err(error.into()),
            }
        }
        judge::refuse(self.session, self.plan, refused)
    }

    fn request(
        &self,
        ca: &str,
        entry: &Entry,
        public_key: PublicKey,
        execution: Execution,
    ) -> IssueRequest {
        IssueRequest {
            ca: ca.to_owned(),
            principal: entry.principal.clone(),
            public_key,
            role: Some(entry.role),
            profile: entry.profile.clone(),
            sans: entry.sans.clone(),
            attributes: Vec::new(),
            validity: Validity::Default,
            idempotency: Some(self.idempotency(&entry.digest())),
            execution,
        }
    }

    /// Step 3: a new certificate and key for each entry.
    async fn issue(&mut self, manager: &CertificateManager) -> Result<(), CliError> {
        let mut since = 0;
        for nth in 0..self.plan.entries.len() {
            if self.state.entries[nth].step != Step::Planned {
                continue;
            }
            let issued = self.issue_one(manager, nth).await;
            since += 1;
            if issued.is_err() || since == SLICE {
                self.output.save(&self.state)?;
                let all = self.plan.entries.len();
                self.session.output.line(&format!("issued {} of {all}", nth + 1));
                since = 0;
            }
            issued?;
        }
        self.output.save(&self.state)
    }

    async fn issue_one(
        &mut self,
        manager: &CertificateManager,
        nth: usize,
    ) -> Result<(), CliError> {
        let entry = &self.plan.entries[nth];
        let mark = mark(&self.state.job, entry);
        let folder = Folder::new(&self.output.folder(&entry.folder), Existing::Keep);
        let ca = self.ca()?;
        let ask =
            |key, execution| manager.issue_certificate(self.request(ca, entry, key, execution));
        let delivery = Delivery::new(self.session, manager, folder);
        let delivered = delivery.with_key(entry.key_type, Some(&mark), ask).await?;
        let info = delivered.info();
        let known = &mut self.state.entries[nth];
        known.step = Step::Issued;
        known.id = Some(info.id.clone());
        known.serial = Some(info.serial.clone());
        known.not_after = Some(info.not_after.to_string());
        Ok(())
    }

    /// Step 4: the validator on every new certificate, those of earlier runs too.
    pub(crate) async fn verify(&mut self, manager: &CertificateManager) -> Result<(), CliError> {
        // The first certificate's bundle has the chain and the lists of every other one, too.
        let Some(judge) = self.judge(manager).await? else { return Ok(()) };
        for nth in 0..self.plan.entries.len() {
            self.session.interrupt.checkpoint("some new certificates are not verified yet")?;
            let entry = &self.plan.entries[nth];
            let judged = judge.judge(&self.output.folder(&entry.folder), entry);
            if let Err(why) = judged {
                self.state.entries[nth].step = Step::Issued;
                self.state.stage = Stage::Applying;
                self.output.save(&self.state)?;
                return Err(MigrationError::NotAccepted {
                    principal: entry.principal.to_string(),
                    why,
                    id: self.state.entries[nth].id.clone().unwrap_or_default(),
                    folder: self.output.folder(&entry.folder),
                }
                .into());
            }
            self.take_up(manager, nth).await?;
            let step = &mut self.state.entries[nth].step;
            *step = (*step).max(Step::Verified);
        }
        self.output.save(&self.state)
    }

    /// Records a certificate that was put in the place of a lost or revoked one.
    async fn take_up(&mut self, manager: &CertificateManager, nth: usize) -> Result<(), CliError> {
        let entry = &mut self.state.entries[nth];
        let found = accept::serial_in(&self.output.folder(&entry.folder));
        let Some(serial) = found.filter(|found| entry.serial.as_ref() != Some(found)) else {
            return Ok(());
        };
        let info = manager.info(&serial).await?;
        if entry.id.as_ref() != Some(&info.id) {
            entry.replaced.extend(entry.id.replace(info.id));
            entry.serial = Some(info.serial);
            entry.not_after = Some(info.not_after.to_string());
        }
        Ok(())
    }

    async fn judge(&self, manager: &CertificateManager) -> Result<Option<Judge>, CliError> {
        if self.state.entries.is_empty() {
            return Ok(None);
        }
        let id = self.state.entries.iter().find_map(|entry| entry.id.as_deref());
        let id = id.ok_or(CliError::Lost)?;
        self.refresh_lists(manager).await?;
        let bundle = manager.bundle(id).await?;
        Judge::new(&bundle, self.session.now()).map(Some).ok_or(CliError::Lost)
    }
}

/// What marks a pending key's file.
pub(super) fn mark(job: &str, entry: &Entry) -> String {
    mark_of(job, &entry.digest())
}

/// The same by what the state knows.
pub(super) fn mark_of(job: &str, digest: &str) -> String {
    format!("{job}\0{digest}")
}

fn changed(earlier: &EntryState) -> MigrationError {
    MigrationError::EntryChanged {
        principal: earlier.principal.clone(),
        path: earlier.path.clone(),
    }
}

fn planned(entry: &Entry, digest: String) -> EntryState {
    EntryState {
        path: entry.path.clone(),
        fingerprint: entry.fingerprint.clone(),
        principal: entry.principal.to_string(),
        role: entry.role,
        folder: entry.folder.clone(),
        digest,
        step: Step::Planned,
        id: None,
        serial: None,
        not_after: None,
        replaced: Vec::new(),
    }
}

/// Makes the output folder, and refuses one in the old deployment, which would be scanned with it, and
/// one in the data directory, which is the store's alone.
pub(crate) fn prepare(session: &Session, from: &Path, dir: &Path) -> Result<Output, CliError> {
    if files::lies_within(dir, session.data_dir()?) {
        return Err(MigrationError::OutputInData { output: dir.to_owned() }.into());
    }
    let mut folder = Folder::new(dir, Existing::Keep);
    folder.make()?;
    let refuse = || MigrationError::OutputWithin { output: dir.to_owned() };
    if let (Ok(old), Ok(new)) = (from.canonicalize(), dir.canonicalize())
        && new.starts_with(&old)
    {
        folder.unmake();
        return Err(refuse().into());
    }
    let output = Output::to_write(dir)?;
    let certificates = output.path(super::state::CERTIFICATES);
    fs::create_dir_all(&certificates).map_err(FileError::write(&certificates))?;
    Ok(output)
}
