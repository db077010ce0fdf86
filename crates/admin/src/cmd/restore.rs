//! `restore`: an authority from a backup.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use clap::Args;
use rustmq_ca::{
    CertificateManager, GivenCrl, MergedCrl, Origin, RestoreRequest, Restored, RevokedCa,
};
use rustmq_pki::key::Fingerprint;
use serde_json::{Value, json};

use crate::cmd::show::to_json;
use crate::error::CliError;
use crate::output::{Card, Report, count};
use crate::session::Session;

/// The CSV columns of a restored authority: keys of its JSON object.
const COLUMNS: &[&str] = &[
    "data_dir",
    "taken_at",
    "signed_by",
    "manifest_sha256",
    "origin_expected",
    "cas",
    "certificates",
    "audit_records",
    "profiles",
    "abandoned",
];

/// Largest revocation list that is read, in bytes. One with a million entries has 45 million.
const MAX_CRL: u64 = 64 << 20;

/// Restore a backup into a data directory that is empty or absent; all is verified before anything is
/// put in place.
///
/// Ids and passphrase are those of the backup. The archive's integrity is always proven; that it is of
/// your authority is proven by --expect-root alone.
#[derive(Debug, Args)]
pub(crate) struct Restore {
    /// The backup; `-` for standard input
    #[arg(long, short, value_name = "FILE")]
    input: PathBuf,
    /// SHA-256 of the root certificate that has to be above the CA that signed the backup; given
    /// several times, the others have to be in it, too
    #[arg(long, value_name = "SHA256", value_parser = fingerprint)]
    expect_root: Vec<Fingerprint>,
    /// Revocation lists of the authority's CAs that are later than the backup, PEM or DER: what they
    /// revoke is revoked in the restored authority, too
    #[arg(long, value_name = "FILE")]
    crl: Vec<PathBuf>,
}

/// A fingerprint as programs write it: hexadecimal, with or without colons.
fn fingerprint(text: &str) -> Result<Fingerprint, String> {
    let digits = text.replace(':', "");
    let is_hex = digits.len() == 64 && digits.bytes().all(|c| c.is_ascii_hexdigit());
    let mut octets = [0; 32];
    for (at, octet) in octets.iter_mut().enumerate() {
        let pair = digits.get(2 * at..2 * at + 2).filter(|_| is_hex);
        let parsed = pair.and_then(|pair| u8::from_str_radix(pair, 16).ok());
        *octet = parsed.ok_or("a SHA-256 fingerprint has 64 hexadecimal digits")?;
    }
    Ok(Fingerprint(octets))
}

impl Restore {
    /// Restores it.
    pub(crate) async fn run(&self, session: &Session) -> Result<Report, CliError> {
        let mut crls = Vec::new();
        for path in &self.crl {
            crls.extend(given_crls(path)?);
        }
        let request = RestoreRequest {
            archive: self.archive()?,
            expected_roots: self.expect_root.clone(),
            crls,
        };
        session.output.line("verifying the backup");
        let restored = CertificateManager::restore(&session.options()?, request).await?;
        Ok(report(&restored, session.data_dir()?, self.crl.is_empty()))
    }

    fn archive(&self) -> Result<Box<dyn Read + Send>, CliError> {
        if self.input == Path::new("-") {
            return Ok(Box::new(io::stdin()));
        }
        let unreadable = |error| CliError::Input { path: self.input.display().to_string(), error };
        let file = File::open(&self.input).map_err(unreadable)?;
        match file.metadata().map_err(unreadable)?.is_dir() {
            true => Err(unreadable(io::ErrorKind::IsADirectory.into())),
            false => Ok(Box::new(file)),
        }
    }
}

/// The lists in a file: one in DER, any number in PEM.
fn given_crls(path: &Path) -> Result<Vec<GivenCrl>, CliError> {
    let name = path.display().to_string();
    let unreadable = |error| CliError::Input { path: name.clone(), error };
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(unreadable)?;
    file.take(MAX_CRL + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_CRL {
        return Err(unreadable(io::Error::new(
            io::ErrorKind::FileTooLarge,
            "it is larger than 64 MiB",
        )));
    }
    let unusable = |why: &str| CliError::Unusable { path: name.clone(), why: why.to_owned() };
    let text = match std::str::from_utf8(&bytes) {
        Ok(text) if text.contains("-----BEGIN ") => text,
        _ => return Ok(vec![GivenCrl { name, der: bytes }]),
    };
    let mut crls = Vec::new();
    for block in text.split_inclusive("-----END X509 CRL-----") {
        let Some(begin) = block.find("-----BEGIN ") else { continue };
        match pem_rfc7468::decode_vec(&block.as_bytes()[begin..]) {
            Ok(("X509 CRL", der)) => crls.push(GivenCrl { name: name.clone(), der }),
            _ => return Err(unusable("it holds PEM that is no X509 CRL")),
        }
    }
    Ok(crls)
}

fn report(restored: &Restored, data_dir: &Path, without_crls: bool) -> Report {
    let data_dir = data_dir.display().to_string();
    let expected = restored.origin == Origin::Expected;
    let mut record = json!({
        "data_dir": data_dir, "taken_at": restored.taken_at.to_string(),
        "signed_by": restored.signed_by, "manifest_sha256": restored.manifest.to_string(),
        "origin_expected": expected, "cas": restored.cas, "certificates": restored.certificates,
        "newest_certificate": restored.newest_certificate,
        "audit_records": restored.audit_records, "profiles": restored.profiles,
        "abandoned": restored.abandoned, "crls_due": restored.crls_due,
    });
    record["roots"] = to_json(&restored.roots);
    record["signer_revoked"] = to_json(&restored.signer_revoked);
    record["crls"] = Value::Array(restored.crls.iter().map(to_json).collect());
    let next = match restored.crls_due.first() {
        Some(ca) => format!("rustmq-admin ca crl --ca-id {ca} --output {ca}.crl"),
        None => "rustmq-admin ca tree".to_owned(),
    };
    Report::one(record, COLUMNS)
        .card(card(restored, data_dir))
        .notes(notes(restored, without_crls))
        .next(next)
}

fn card(restored: &Restored, data_dir: String) -> Card {
    let holds = [
        count(restored.cas, "CA"),
        count(restored.certificates, "certificate"),
        count(restored.audit_records, "audit record"),
        count(restored.profiles, "profile"),
    ]
    .join(", ");
    let mut card = Card::new(["restored".to_owned(), format!("backup of {}", restored.taken_at)]);
    for root in &restored.roots {
        card = card
            .line("root", format!("{} ({})", root.common_name, root.id))
            .line("fingerprint", format!("sha256 {}", root.fingerprint));
    }
    let origin = match restored.origin {
        Origin::Expected => format!("{}, under the expected root", restored.signed_by),
        Origin::Revoked => format!("{}, under the expected root, and revoked", restored.signed_by),
        Origin::Unproven => format!("{}, whose root nobody vouched for", restored.signed_by),
    };
    card = card
        .line("signed by", origin)
        .line("manifest", format!("sha256 {}", restored.manifest))
        .line("holds", holds);
    for crl in &restored.crls {
        card = card.line("merged", merged(crl));
    }
    card.line("restored to", data_dir)
}

fn merged(crl: &MergedCrl) -> String {
    let MergedCrl { ca_id, number, revoked, unknown, .. } = crl;
    match crl.is_later {
        false => format!("CRL {number} of {ca_id}: not later than the one in the backup"),
        true => format!(
            "CRL {number} of {ca_id}: {revoked} revoked, {unknown} unknown here and kept on its list"
        ),
    }
}

/// What the signature of a revoked CA is worth.
fn signer_note(restored: &Restored, revoked: &RevokedCa) -> String {
    let signer = &restored.signed_by;
    let worth = match revoked.is_compromised() {
        true => {
            "whoever has that key could have made it: compare the manifest's SHA-256 with one that was \
                 kept when the backup was made"
        }
        false => "its signature does not prove the origin as that of a good CA would",
    };
    format!("the backup was signed by {signer}, and {revoked}; {worth}")
}

/// What may be missing, and what is not proven.
fn notes(restored: &Restored, without_crls: bool) -> Vec<String> {
    let mut notes = Vec::new();
    if restored.origin == Origin::Unproven {
        notes.push(
            "the backup's integrity is proven, and not its origin: compare the root's fingerprint, or \
             restore with --expect-root SHA256"
                .to_owned(),
        );
    }
    notes.extend(restored.signer_revoked.as_ref().map(|revoked| signer_note(restored, revoked)));
    let newest = restored.newest_certificate.as_deref().unwrap_or("none");
    notes.push(format!(
        "what happened after {} is not in it: certificates issued since are unknown here, and ids after \
         {newest} will be given out again; serial numbers are random and will not",
        restored.taken_at
    ));
    notes.push(match without_crls {
        true => "revocations since are not in it either: restore with --crl FILE for the newest list of \
                 each CA, or revoke again"
            .to_owned(),
        false => "the lists given count; revocations of CAs whose list was not given may be missing"
            .to_owned(),
    });
    if restored.abandoned > 0 {
        notes.push(format!(
            "{} being given out when the backup was made: abandoned, and on the next list",
            match restored.abandoned {
                1 => "1 serial number was".to_owned(),
                many => format!("{many} serial numbers were"),
            }
        ));
    }
    let released: Vec<_> = restored.crls.iter().flat_map(|crl| crl.released.clone()).collect();
    if !released.is_empty() {
        notes.push(format!(
            "on hold in the backup and on no list given, so released since; still on hold here \
             (certs unrevoke): {}",
            released.join(", ")
        ));
    }
    if !restored.crls_due.is_empty() {
        notes.push(format!(
            "of {} a newer list may exist, or the newest here does not say all: sign the next with ca crl",
            restored.crls_due.join(", ")
        ));
    }
    notes
}
