//! The last step: the old certificates and keys are moved aside, and peers trust the new root alone.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::Access;
use rustmq_pki::key::Fingerprint;

use super::apply::Run;
use super::error::MigrationError;
use super::plan::Plan;
use super::state::{RETIRED, Stage, Step};
use crate::error::CliError;
use crate::files::{self, Existing, FileError, Mode, Staged};
use crate::scan::{self, Kind, Survey, Surveyed, Terms};

/// What retiring did.
#[derive(Debug, Default)]
pub(crate) struct Moved {
    /// The files that were moved aside by this run.
    pub(crate) files: Vec<String>,
    /// What stays although it holds something old.
    pub(crate) notes: Vec<String>,
}

impl Run<'_> {
    /// Step 5, after every new certificate was verified once more.
    pub(crate) async fn retire(&mut self) -> Result<Moved, CliError> {
        if self.state.stage == Stage::Applying {
            return Err(MigrationError::NotApplied.into());
        }
        let manager = self.authority().await?;
        if self.state.stage == Stage::Verified {
            if self.state.entries.iter().any(|entry| entry.step < Step::Verified) {
                return Err(MigrationError::NotApplied.into());
            }
            self.verify(&manager).await?;
        }
        let root = self.root(&manager).await?;
        let survey = scan::scan(&self.plan.from, Terms::UNDATED)?;
        let kept = kept(self.plan, &survey);
        let files = self.retiring(&survey, &kept);
        files.iter().filter(|(_, whole)| *whole).try_for_each(|(file, _)| {
            let place = self.plan.from.join(file);
            check_movable(place.parent().unwrap_or(&self.plan.from))
        })?;
        if self.state.stage == Stage::Verified {
            // Once the first is moved there is no way back.
            self.state.stage = Stage::Retiring;
            self.output.save(&self.state)?;
        }
        let mut moved = self.move_aside(files)?;
        self.write_bundle(&root, |anchor| kept.anchors.contains(anchor))?;
        moved.notes.extend(kept.notes);
        moved.notes.extend(left_behind(&survey));
        for entry in &mut self.state.entries {
            entry.step = Step::Retired;
        }
        self.state.stage = Stage::Retired;
        self.output.save(&self.state)?;
        Ok(moved)
    }

    /// What lies in the old deployment now decides: a new certificate that was put in the place of
    /// an old one stays.
    fn retiring(&self, survey: &Survey, kept: &Kept<'_>) -> Vec<(String, bool)> {
        let replaced = self.plan.entries.iter().map(|entry| entry.fingerprint.as_str());
        let anchors = self.plan.anchors.iter().map(|anchor| anchor.fingerprint.as_str());
        let anchors = anchors.filter(|anchor| !kept.anchors.contains(anchor));
        let old: HashSet<&str> = replaced.chain(anchors).collect();
        files_of(survey, &old)
    }

    fn move_aside(&self, files: Vec<(String, bool)>) -> Result<Moved, CliError> {
        let mut moved = Moved::default();
        for (file, retired) in files {
            if !retired {
                moved.notes.push(format!("{file} stays: it holds something else, too"));
                continue;
            }
            let place = self.plan.from.join(&file);
            if !place.exists() {
                moved.notes.push(format!("{file} stays: its name is not Unicode"));
                continue;
            }
            move_file(&place, &self.output.path(RETIRED).join(&file))?;
            moved.files.push(file);
        }
        Ok(moved)
    }
}

/// What is not retired, because certificates that stay in use are trusted by it.
#[derive(Debug, Default)]
struct Kept<'a> {
    /// SHA-256 of the certificates.
    anchors: HashSet<&'a str>,
    notes: Vec<String>,
}

/// The anchors of what stays in use: of every end entity's certificate in the old deployment that
/// the plan does not replace.
fn kept<'s>(plan: &Plan, survey: &'s Survey) -> Kept<'s> {
    let replaced: HashSet<&str> =
        plan.entries.iter().map(|entry| entry.fingerprint.as_str()).collect();
    let anchors: HashSet<&str> =
        plan.anchors.iter().map(|anchor| anchor.fingerprint.as_str()).collect();
    let vouchers = Vouchers::of(survey);
    let mut kept = Kept::default();
    for left in survey
        .certificates
        .iter()
        .filter(|c| c.kind == Kind::EndEntity && !replaced.contains(c.fingerprint.as_str()))
    {
        let chain = vouchers.of_one(left).into_iter();
        let needed: Vec<_> = chain.filter(|c| anchors.contains(c.fingerprint.as_str())).collect();
        if needed.is_empty() {
            continue;
        }
        kept.anchors.extend(needed.iter().map(|anchor| anchor.fingerprint.as_str()));
        let file = |c: &Surveyed| c.places.first().map_or("", |place| &place.file).to_owned();
        let files =
            |all: &[&Surveyed]| all.iter().map(|c| file(c)).collect::<Vec<_>>().join(" and ");
        let left_out: Vec<_> = needed.iter().copied().filter(|c| is_left_out(plan, c)).collect();
        let bundle = match left_out.is_empty() {
            true => ", and in the bundle".to_owned(),
            false => format!(
                "; the plan leaves {} out of the bundle, so peers that trust the bundle alone may refuse it",
                files(&left_out),
            ),
        };
        kept.notes.push(format!(
            "{} ({}) is not replaced and needs {}: what it needs stays, with its key{bundle}",
            file(left),
            left.subject,
            files(&needed),
        ));
    }
    kept
}

/// Whether the plan says that peers are not to trust an anchor by the bundle.
fn is_left_out(plan: &Plan, needed: &Surveyed) -> bool {
    let mut anchors = plan.anchors.iter();
    anchors.any(|anchor| anchor.fingerprint == needed.fingerprint && !anchor.in_bundle)
}

/// The certificates of a deployment by key and by name.
struct Vouchers<'a> {
    by_key: HashMap<&'a Fingerprint, Vec<&'a Surveyed>>,
    by_name: HashMap<&'a str, Vec<&'a Surveyed>>,
}

impl<'a> Vouchers<'a> {
    fn of(survey: &'a Survey) -> Self {
        let mut vouchers = Self { by_key: HashMap::new(), by_name: HashMap::new() };
        for certificate in &survey.certificates {
            vouchers.by_key.entry(&certificate.key).or_default().push(certificate);
            vouchers.by_name.entry(&certificate.subject).or_default().push(certificate);
        }
        vouchers
    }

    /// What a certificate is trusted by: itself, those who signed it, one above the other, and every
    /// other certificate of their keys. Where that could not be verified, those who bear its issuer's
    /// name.
    fn of_one(&self, certificate: &'a Surveyed) -> Vec<&'a Surveyed> {
        let mut chain = vec![certificate];
        let mut next = 0;
        while let Some(link) = chain.get(next).copied() {
            let above = match &link.signed_by {
                Some(signer) => self.by_key.get(signer),
                None if link.unchecked => self.by_name.get(link.issuer.as_str()),
                None => None,
            };
            for other in above.into_iter().flatten() {
                if chain.iter().all(|known| known.fingerprint != other.fingerprint) {
                    chain.push(other);
                }
            }
            next += 1;
        }
        chain
    }
}

/// The most files of one kind that a note names.
const MOST_NAMED: usize = 20;

/// What stays since nobody knows whether it is old: what was not opened, and keys that were not.
fn left_behind(survey: &Survey) -> impl Iterator<Item = String> {
    let keys = survey.loose_keys.iter().map(String::as_str).collect();
    let unread = survey.findings.iter().filter(|finding| finding.fault.is_unread());
    let unread = unread.map(|finding| finding.file.as_str()).collect();
    let note = |mut files: Vec<&str>, what: &str| {
        files.sort_unstable();
        files.dedup();
        let named = files.iter().take(MOST_NAMED).copied().collect::<Vec<_>>().join(", ");
        let more = match files.len().saturating_sub(MOST_NAMED) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        (!files.is_empty()).then(|| format!("not moved, for {what}: {named}{more}"))
    };
    let keys = note(keys, "a key that is encrypted or fits no certificate there may be in use");
    let unread = note(unread, "what was not opened or followed may be in use");
    keys.into_iter().chain(unread)
}

/// The files with something old, and whether they hold nothing else.
fn files_of(survey: &Survey, old: &HashSet<&str>) -> Vec<(String, bool)> {
    let mut files: HashMap<&str, [bool; 2]> = HashMap::new();
    for certificate in &survey.certificates {
        let is_old = old.contains(certificate.fingerprint.as_str());
        let places = certificate.places.iter().map(|place| place.file.as_str());
        for file in places.chain(certificate.key_files.iter().map(String::as_str)) {
            files.entry(file).or_default()[usize::from(!is_old)] = true;
        }
    }
    let mut files: Vec<_> = files
        .into_iter()
        .filter(|(_, [old, _])| *old)
        .map(|(file, [_, others])| (file.to_owned(), !others))
        .collect();
    files.sort();
    files
}

/// Whether files can be taken out of a folder.
fn check_movable(folder: &Path) -> Result<(), FileError> {
    let access = rustix::fs::access(folder, Access::WRITE_OK | Access::EXEC_OK);
    access.map_err(|errno| FileError::write(folder)(errno.into()))
}

/// Whether any file was moved; folders that were made for one are removed if none was.
pub(super) fn nothing_is_moved(retired: &Path) -> bool {
    let Ok(entries) = fs::read_dir(retired) else { return !retired.exists() };
    let mut empty = true;
    for entry in entries {
        let folder = entry.ok().filter(|e| e.file_type().is_ok_and(|kind| kind.is_dir()));
        empty &= folder.is_some_and(|folder| nothing_is_moved(&folder.path()));
    }
    empty && fs::remove_dir(retired).is_ok()
}

/// Moves a file to a place on this or another file system; a copy of an interrupted run is replaced.
fn move_file(from: &Path, to: &Path) -> Result<(), FileError> {
    make_parents(to)?;
    match fs::rename(from, to) {
        Err(error) if error.kind() == io::ErrorKind::CrossesDevices => {
            let (staged, mut file) = Staged::create(to, Mode::Private)?;
            let mut source = File::open(from).map_err(FileError::read(from))?;
            io::copy(&mut source, &mut file).map_err(FileError::write(to))?;
            staged.put(Existing::Replace)?;
            fs::remove_file(from).map_err(FileError::write(from))?;
        }
        result => result.map_err(FileError::write(to))?,
    }
    files::sync_parent(to)?;
    files::sync_parent(from)
}

fn make_parents(place: &Path) -> Result<(), FileError> {
    let missing: Vec<PathBuf> = place
        .ancestors()
        .skip(1)
        .take_while(|dir| !dir.as_os_str().is_empty() && !dir.exists())
        .map(Path::to_owned)
        .collect();
    for dir in missing.into_iter().rev() {
        fs::create_dir(&dir).map_err(FileError::write(&dir))?;
        files::sync_parent(&dir)?;
    }
    Ok(())
}
