//! From a request to the files of a certificate: the same steps for issuing, signing and renewing.
//!
//! The order is what makes a crash harmless: check that every place is free; write the private key
//! beside its place and sync it; ask the authority; give the key and then the other files their names.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use rustmq_ca::{Bundle, CertificateInfo, CertificateManager, ErrorKind, Execution, Issuance};
use rustmq_pki::certificate::Certificate;
use rustmq_pki::key::{KeyType, PublicKey, Signer};
use rustmq_pki::profile::Note;
use serde_json::{Map, Value};

use crate::cli::Encoding;
use crate::cmd::destination::{certificates, crls};
use crate::cmd::notes;
use crate::cmd::show::{CERTIFICATE_COLUMNS, issued_card, to_json};
use crate::error::CliError;
use crate::files::folder::{Content, Folder};
use crate::files::key_file::{self, PendingKey};
use crate::files::{Existing, FileError, sync_parent};
use crate::output::{Report, progress};
use crate::session::Session;

/// The private key's file.
const KEY: &str = "tls.key";

/// Where the key waits that `--force` replaces, until its certificate is replaced, too.
const OLD_KEY: &str = "tls.key.old";

/// The file that begins with the certificate itself.
const LEAF: &str = "tls.crt";

/// How long a command waits for another that writes into the same folder: issuing takes well under
/// a second, so this is time to type a passphrase.
const WAIT_SECONDS: u64 = 30;
const ATTEMPTS_A_SECOND: u64 = 50;

/// Where the files of a certificate go.
#[derive(Debug, Args)]
pub(crate) struct DeliveryArgs {
    /// Folder for the files [default: one named after the principal]
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
    /// Replace files that exist
    #[arg(long)]
    force: bool,
}

impl DeliveryArgs {
    /// Refuses a folder in the data directory, where one is named.
    pub(crate) fn check(&self, session: &Session) -> Result<(), FileError> {
        self.output_dir.as_deref().map_or(Ok(()), |dir| session.refuse_own(dir))
    }

    /// The folder for a principal's first certificate: named after it. Refuses one in the data
    /// directory.
    pub(crate) fn folder(&self, folder_name: &str, session: &Session) -> Result<Folder, FileError> {
        let dir = self.output_dir.clone().unwrap_or_else(|| PathBuf::from(folder_name));
        session.refuse_own(&dir)?;
        Ok(Folder::new(&dir, Existing::by_force(self.force)))
    }

    /// The folder for a further certificate: the first of `name`, `name~2`, `name~3`, ... that is free,
    /// or that an earlier run of a repeated command filled (no principal's folder name has a `~`).
    pub(crate) async fn next_folder(
        &self,
        folder_name: &str,
        (mark, session): (Option<&str>, &Session),
        filled_before: impl AsyncFn(&Path) -> bool,
    ) -> Result<Folder, FileError> {
        if self.output_dir.is_some() || self.force {
            return self.folder(folder_name, session);
        }
        let numbered = (2..=u32::MAX).map(|nth| format!("{folder_name}~{nth}"));
        for name in std::iter::once(folder_name.to_owned()).chain(numbered) {
            let dir = Path::new(&name);
            let waiting = key_file::waiting_place(&dir.join(KEY), mark);
            let free = !dir.join(LEAF).exists() && !dir.join(KEY).exists();
            if free || waiting.exists() || mark.is_some() && filled_before(dir).await {
                return self.folder(&name, session);
            }
        }
        self.folder(folder_name, session)
    }
}

/// The public half of the private key that lies in a folder, if one can be read there.
pub(crate) fn key_in(dir: &Path) -> Option<PublicKey> {
    Some(key_file::read(&dir.join(KEY)).ok()?.public_key().clone())
}

/// Whether the leaf's file in a folder begins with this certificate, PEM or DER.
pub(crate) fn holds(dir: &Path, certificate: &Certificate) -> bool {
    let der = fs::read(dir.join(LEAF)).ok().and_then(|bytes| first_der(&bytes));
    der.is_some_and(|der| der == certificate.der())
}

/// Keeps the key of the certificate that is about to be replaced until that one is: a command that is
/// killed between the two names leaves the old certificate beside the new key. What a killed one set
/// aside stays, unless it is the key in the folder that goes with the certificate there.
fn set_aside(dir: &Path) -> Result<(), FileError> {
    let (key, old) = (dir.join(KEY), dir.join(OLD_KEY));
    let is_set_aside = fs::symlink_metadata(&old).is_ok();
    if fs::symlink_metadata(&key).is_err() || is_set_aside && !is_pair(dir) {
        return Ok(());
    }
    if is_set_aside {
        fs::remove_file(&old).map_err(FileError::write(&old))?;
    }
    // A file system without hard links: the key goes, and is there under the other name meanwhile.
    let kept = fs::hard_link(&key, &old).or_else(|_| fs::rename(&key, &old));
    kept.map_err(FileError::write(&old))?;
    sync_parent(&old)
}

/// Whether the key in a folder is that of the certificate there.
fn is_pair(dir: &Path) -> bool {
    let leaf = fs::read(dir.join(LEAF)).ok().and_then(|bytes| first_der(&bytes));
    let leaf = leaf.and_then(|der| Certificate::from_der(&der).ok()?.public_key().ok());
    leaf.zip(key_in(dir)).is_some_and(|(leaf, key)| leaf.spki() == key.spki())
}

/// The DER of the first certificate in a file, PEM or DER.
fn first_der(bytes: &[u8]) -> Option<Vec<u8>> {
    let end = b"-----END CERTIFICATE-----";
    match bytes.windows(end.len()).position(|window| window == end) {
        Some(at) => pem_rfc7468::decode_vec(&bytes[..at + end.len()]).ok().map(|(_, der)| der),
        None => Some(bytes.to_vec()),
    }
}

/// A delivery under way.
pub(crate) struct Delivery<'a> {
    session: &'a Session,
    manager: &'a CertificateManager,
    folder: Folder,
}

/// What was issued and where it lies.
pub(crate) struct Delivered {
    issuance: Issuance,
    bundle: Bundle,
    dir: PathBuf,
    files: Vec<String>,
    notes: Vec<String>,
}

impl<'a> Delivery<'a> {
    /// A delivery into `folder`.
    pub(crate) fn new(
        session: &'a Session,
        manager: &'a CertificateManager,
        folder: Folder,
    ) -> Self {
        Self { session, manager, folder }
    }

    /// Asks for a certificate whose private key is not ours to write.
    pub(crate) async fn without_key<A>(
        mut self,
        mark: Option<&str>,
        ask: impl Fn(Execution) -> A,
    ) -> Result<Delivered, CliError>
    where
        A: Future<Output = Result<Issuance, rustmq_ca::Error>>,
    {
        let asked = self.ask_without_key(mark, &ask).await;
        self.leave(asked)
    }

    async fn ask_without_key<A>(
        &mut self,
        mark: Option<&str>,
        ask: &impl Fn(Execution) -> A,
    ) -> Result<Delivered, CliError>
    where
        A: Future<Output = Result<Issuance, rustmq_ca::Error>>,
    {
        self.enter().await?;
        if mark.is_some()
            && let Some(delivered) = self.without_key_before(ask).await?
        {
            return Ok(delivered);
        }
        self.check_free(names(self.session.encoding()))?;
        self.session.interrupt.checkpoint(NOTHING_ISSUED)?;
        let issuance = ask(Execution::Commit).await?;
        let bundle = self.bundle(&issuance, None).await?;
        let contents = contents(&bundle, self.session.encoding());
        let placed = self.folder.deliver(&contents);
        placed.map_err(|error| undelivered(&bundle.info.id, None, error.into()))?;
        Ok(self.delivered(issuance, bundle, contents))
    }

    /// Makes a key, asks for its certificate, and delivers both.
    pub(crate) async fn with_key<A>(
        mut self,
        key_type: KeyType,
        mark: Option<&str>,
        ask: impl Fn(PublicKey, Execution) -> A,
    ) -> Result<Delivered, CliError>
    where
        A: Future<Output = Result<Issuance, rustmq_ca::Error>>,
    {
        let asked = self.ask_with_key(key_type, mark, &ask).await;
        self.leave(asked)
    }

    async fn ask_with_key<A>(
        &mut self,
        key_type: KeyType,
        mark: Option<&str>,
        ask: &impl Fn(PublicKey, Execution) -> A,
    ) -> Result<Delivered, CliError>
    where
        A: Future<Output = Result<Issuance, rustmq_ca::Error>>,
    {
        self.enter().await?;
        if let Some(delivered) = self.delivered_before(mark, ask).await? {
            return Ok(delivered);
        }
        self.check_free(names(self.session.encoding()).into_iter().chain([KEY]))?;
        self.session.interrupt.checkpoint(NOTHING_ISSUED)?;
        let pending = self.pending_key(key_type, mark).await?;
        let public_key = pending.public_key().clone();
        // A store that cannot be read says so before anything is asked of it: nothing was issued, and
        // no key has to wait.
        if let Err(error) = ask(public_key.clone(), Execution::DryRun).await
            && error.kind() == ErrorKind::Store
        {
            pending.discard();
            return Err(error.into());
        }
        let asked = match self.session.interrupt.checkpoint(NOTHING_ISSUED) {
            Ok(()) => ask(public_key, Execution::Commit).await.map_err(CliError::from),
            Err(interrupted) => Err(interrupted),
        };
        match asked {
            Ok(issuance) => self.deliver(issuance, pending).await,
            Err(error) => Err(give_up(pending, error)),
        }
    }

    /// Makes the folder and waits until no other command writes into it.
    async fn enter(&mut self) -> Result<(), CliError> {
        for attempt in 0..WAIT_SECONDS * ATTEMPTS_A_SECOND {
            if self.folder.take()? {
                self.folder.sweep(names(self.session.encoding()).into_iter().chain([KEY]));
                return Ok(());
            }
            if attempt == ATTEMPTS_A_SECOND {
                let dir = self.folder.path().display();
                self.session.output.line(&format!("waiting for another command to leave {dir}"));
            }
            self.session.interrupt.checkpoint(NOTHING_ISSUED)?;
            tokio::time::sleep(Duration::from_millis(1000 / ATTEMPTS_A_SECOND)).await;
        }
        let path = self.folder.path().to_owned();
        Err(FileError::Busy { path, seconds: WAIT_SECONDS }.into())
    }

    /// Refuses a folder in which one of these names is taken, and says which are missing beside it: an
    /// interrupted command leaves some.
    fn check_free<'n>(
        &self,
        names: impl IntoIterator<Item = &'n str> + Clone,
    ) -> Result<(), CliError> {
        let Err(taken) = self.folder.check_free(names.clone()) else { return Ok(()) };
        let missing: Vec<_> = names
            .into_iter()
            .filter(|name| fs::symlink_metadata(self.folder.path().join(name)).is_err())
            .map(str::to_owned)
            .collect();
        match missing.is_empty() {
            true => Err(taken.into()),
            false => Err(CliError::Incomplete { missing, error: taken }),
        }
    }

    /// Of a command that was refused, not even an empty folder stays.
    fn leave(mut self, asked: Result<Delivered, CliError>) -> Result<Delivered, CliError> {
        if asked.is_err() {
            self.folder.unmake();
        }
        asked
    }

    /// The delivery of an earlier run with the same idempotency key: its key has its name already, and
    /// the authority, asked with that key, gives the same certificate again. What is there stays,
    /// unless it shall be replaced.
    async fn delivered_before<A>(
        &self,
        mark: Option<&str>,
        ask: &impl Fn(PublicKey, Execution) -> A,
    ) -> Result<Option<Delivered>, CliError>
    where
        A: Future<Output = Result<Issuance, rustmq_ca::Error>>,
    {
        let place = self.folder.path().join(KEY);
        let waits = key_file::waiting_place(&place, mark).exists();
        if mark.is_none() || waits || !place.exists() {
            return Ok(None);
        }
        // A key that cannot be read, or is for something else, is in the way: that is said later.
        let Ok(key) = key_file::read(&place) else { return Ok(None) };
        let public_key = key.public_key().clone();
        let keep = self.folder.existing() == Existing::Keep;
        match ask(public_key.clone(), Execution::DryRun).await {
            Ok(judged) if judged.replayed => {}
            Err(error) if keep && is_about_repeating(&error) => return Err(error.into()),
            _ => return Ok(None),
        }
        let issuance = ask(public_key, Execution::Commit).await?;
        let mut delivered = self.deliver_again(issuance).await?;
        delivered.files.insert(1, KEY.to_owned());
        Ok(Some(delivered))
    }

    /// The same where the key is not ours: the certificate's own file tells whether the folder is that
    /// of the earlier run.
    async fn without_key_before<A>(
        &self,
        ask: &impl Fn(Execution) -> A,
    ) -> Result<Option<Delivered>, CliError>
    where
        A: Future<Output = Result<Issuance, rustmq_ca::Error>>,
    {
        let earlier = match ask(Execution::DryRun).await {
            Ok(judged) if judged.replayed => judged.issued,
            Err(error) if is_about_repeating(&error) => return Err(error.into()),
            // A refusal is left to the request itself, so that it is recorded.
            _ => None,
        };
        let Some(earlier) = earlier else { return Ok(None) };
        if self.folder.existing() == Existing::Keep
            && !holds(self.folder.path(), earlier.certificate())
        {
            self.check_free(names(self.session.encoding()))?;
        }
        let issuance = ask(Execution::Commit).await?;
        Ok(Some(self.deliver_again(issuance).await?))
    }

    /// Writes what is missing of a certificate that was issued before. What is there stays, unless it
    /// shall be replaced.
    async fn deliver_again(&self, issuance: Issuance) -> Result<Delivered, CliError> {
        let keep = self.folder.existing() == Existing::Keep;
        let bundle = self.bundle(&issuance, None).await?;
        let contents = contents(&bundle, self.session.encoding());
        let written = |file: &&Content| !keep || !self.folder.path().join(&file.name).exists();
        let written: Vec<_> = contents.iter().filter(written).cloned().collect();
        let placed = self.folder.deliver(&written);
        placed.map_err(|error| undelivered(&bundle.info.id, None, error.into()))?;
        Ok(self.delivered(issuance, bundle, contents))
    }

    /// The certificate with the chain and the CRLs that stand beside it.
    async fn bundle(
        &self,
        issuance: &Issuance,
        pending: Option<&PendingKey>,
    ) -> Result<Bundle, CliError> {
        // A dry run has no certificate, and no delivery is made of one.
        let id = &issuance.issued.as_ref().ok_or(CliError::Lost)?.info().id;
        let bundle = self.manager.bundle(id).await;
        bundle.map_err(|error| undelivered(id, pending, error.into()))
    }

    async fn pending_key(
        &self,
        key_type: KeyType,
        mark: Option<&str>,
    ) -> Result<PendingKey, CliError> {
        let place = self.folder.path().join(KEY);
        let encoding = self.session.encoding();
        let mark = mark.map(str::to_owned);
        let _shown = progress::key_generation(self.session.output, key_type);
        let make = move || PendingKey::find_or_make(&place, key_type, encoding, mark.as_deref());
        // RSA takes seconds, and Ctrl-C shall be heard meanwhile.
        Ok(tokio::task::spawn_blocking(make).await.map_err(|_| CliError::Lost)??)
    }

    async fn deliver(
        &self,
        issuance: Issuance,
        pending: PendingKey,
    ) -> Result<Delivered, CliError> {
        let bundle = self.bundle(&issuance, Some(&pending)).await?;
        let id = &bundle.info.id;
        let contents = contents(&bundle, self.session.encoding());
        // All is on the disk before the first name changes: with --force, an old key goes last.
        let staged = match self.folder.stage(&contents) {
            Ok(staged) => staged,
            Err(error) => return Err(undelivered(id, Some(&pending), error.into())),
        };
        let note = pending.was_found().then(|| {
            let waiting = pending.waiting().display();
            format!("the key that an interrupted command left in {waiting} was used")
        });
        let existing = self.folder.existing();
        if existing == Existing::Replace {
            let aside = set_aside(self.folder.path());
            aside.map_err(|error| undelivered(id, Some(&pending), error.into()))?;
        }
        pending.put(existing).map_err(|error| undelivered(id, None, error.into()))?;
        let placed = staged.into_iter().try_for_each(|file| file.put(existing));
        placed.map_err(|error| undelivered(id, None, error.into()))?;
        // One that cannot be removed is the owner's alone, as it was.
        let _left = fs::remove_file(self.folder.path().join(OLD_KEY));
        let mut delivered = self.delivered(issuance, bundle, contents);
        delivered.files.insert(1, KEY.to_owned());
        delivered.notes.extend(note);
        Ok(delivered)
    }

    fn delivered(&self, issuance: Issuance, bundle: Bundle, files: Vec<Content>) -> Delivered {
        let files = files.into_iter().map(|file| file.name).collect();
        let dir = self.folder.path().to_owned();
        Delivered { issuance, bundle, dir, files, notes: Vec::new() }
    }
}

/// The state in which a checkpoint may end a delivery.
const NOTHING_ISSUED: &str = "nothing was issued";

/// Leaves nothing behind if the authority certainly issued nothing, and the key if it may have.
fn give_up(pending: PendingKey, error: CliError) -> CliError {
    if may_have_issued(&error) {
        let path = pending.waiting().to_owned();
        return CliError::KeyKept { path, error: Box::new(error) };
    }
    pending.discard();
    error
}

/// Whether a certificate may exist although the authority returned an error: the store failed, and
/// how far it came is not known.
fn may_have_issued(error: &CliError) -> bool {
    match error {
        CliError::Authority(error) => {
            matches!(error.kind(), ErrorKind::Store | ErrorKind::Conflict)
        }
        _ => false,
    }
}

/// Whether the authority speaks of the idempotency key, and not of the request.
fn is_about_repeating(error: &rustmq_ca::Error) -> bool {
    use rustmq_ca::Error::{IdempotencyInProgress, IdempotencyMismatch, IdempotencyStale};
    matches!(
        error,
        IdempotencyInProgress { .. } | IdempotencyMismatch { .. } | IdempotencyStale { .. }
    )
}

fn undelivered(id: &str, pending: Option<&PendingKey>, error: CliError) -> CliError {
    let key = pending.map(|pending| pending.waiting().to_owned());
    CliError::Undelivered { id: id.to_owned(), key, error: Box::new(error) }
}

/// The names that every delivery takes beside the key's.
fn names(encoding: Encoding) -> [&'static str; 4] {
    match encoding {
        Encoding::Pem => [LEAF, "ca.crt", "root.crt", "crl.pem"],
        Encoding::Der => [LEAF, "ca.crt", "root.crt", "crl.der"],
    }
}

/// The files of a certificate. PEM puts chains into one file; DER holds one object a file, so further
/// CAs and CRLs are numbered.
fn contents(bundle: &Bundle, encoding: Encoding) -> Vec<Content> {
    let chain: Vec<_> = bundle.chain.iter().collect();
    let Some((root, issuing)) = chain.split_last() else { return Vec::new() };
    let leaf = std::iter::once(&bundle.certificate);
    match encoding {
        Encoding::Pem => {
            let presented: Vec<_> = leaf.chain(issuing.iter().copied()).collect();
            let lists: Vec<_> = bundle.crls.iter().collect();
            vec![
                Content::new(LEAF, certificates(&presented, encoding)),
                Content::new("ca.crt", certificates(&chain, encoding)),
                Content::new("root.crt", certificates(&[*root], encoding)),
                Content::new("crl.pem", crls(&lists, encoding)),
            ]
        }
        Encoding::Der => {
            let cas = if issuing.is_empty() { &chain } else { issuing };
            let mut files = vec![Content::new(LEAF, bundle.certificate.der())];
            files.extend(numbered("ca", "crt", cas.iter().map(|ca| ca.der().to_vec())));
            files.push(Content::new("root.crt", root.der()));
            files.extend(numbered("crl", "der", bundle.crls.iter().map(|crl| crl.der().to_vec())));
            files
        }
    }
}

/// `ca.crt`, `ca-2.crt`, `ca-3.crt`, ...
fn numbered(
    stem: &str,
    extension: &str,
    objects: impl Iterator<Item = Vec<u8>>,
) -> impl Iterator<Item = Content> {
    objects.enumerate().map(move |(nth, der)| {
        let number = if nth == 0 { String::new() } else { format!("-{}", nth + 1) };
        Content::new(format!("{stem}{number}.{extension}"), der)
    })
}

impl Delivered {
    /// The certificate, as it is in the store.
    pub(crate) fn info(&self) -> &CertificateInfo {
        &self.bundle.info
    }

    /// The report: what the certificate holds and where its files lie.
    pub(crate) fn report(self) -> Report {
        let info = &self.bundle.info;
        let guessed = |note: &Note| matches!(note, Note::SanFromPrincipal(_));
        let (taken, others): (Vec<_>, Vec<_>) =
            self.issuance.notes.iter().cloned().partition(guessed);
        let path = |name: &String| self.dir.join(name).display().to_string();
        let files: Map<String, Value> =
            self.files.iter().map(|name| (name.clone(), path(name).into())).collect();
        let listed = self.files.iter().map(|name| match name.as_str() {
            KEY => "tls.key (0600)".to_owned(),
            other => other.to_owned(),
        });
        let listed = listed.collect::<Vec<_>>().join("  ");
        let card = issued_card(info, taken.is_empty())
            .maybe("old one", self.issuance.supersede_at.map(|at| format!("superseded at {at}")))
            .line("files", format!("{}/{listed}", self.dir.display()));
        let replayed = self.issuance.replayed.then(|| {
            "this certificate was issued before under the same idempotency key".to_owned()
        });
        Report::one(to_json(info), CERTIFICATE_COLUMNS)
            .with("directory", self.dir.display().to_string())
            .with("files", files)
            .with("replayed", self.issuance.replayed)
            .card(card)
            .shown_notes(notes(&taken, None))
            .notes(notes(&others, self.issuance.crl_failure.as_ref()))
            .notes(self.notes.clone())
            .notes(replayed)
    }
}
