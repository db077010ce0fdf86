//! What a store holds, and whether it is one that an authority can go on with.

use std::collections::HashMap;

use rusqlite::Connection;
use rustmq_pki::certificate::Certificate;
use rustmq_pki::crl::CertificateRevocationList;
use rustmq_pki::issuer::IssuingCa;
use rustmq_pki::key::{Fingerprint, PublicKey};
use rustmq_pki::read::CrlRef;

use super::BackupError;
use super::manifest::{ArchivedCa, AuditHead, Contents};
use crate::attestation::{Attestation, MAX_CHAIN};
use crate::info::CertificateRole;
use crate::store::{CaRow, CertificateRow, Fault, audit, authorities, certificates, crls, keys};
use crate::{Error, describe};

/// A store whose audit chain is whole, whose CAs have their keys, and whose CA certificates are all ones
/// that a CA may have, signed by the CAs above them up to roots that sign themselves.
#[derive(Debug)]
pub(crate) struct Survey {
    pub(crate) contents: Contents,
    pub(crate) cas: Vec<SurveyedCa>,
    /// The id of the newest certificate.
    pub(crate) newest: Option<String>,
}

/// A CA of a surveyed store.
#[derive(Debug)]
pub(crate) struct SurveyedCa {
    pub(crate) row: CaRow,
    pub(crate) key: PublicKey,
    /// Newest first.
    pub(crate) certificates: Vec<Certificate>,
    /// The number of the root above it, or its own.
    root: i64,
}

/// Surveys a store of this schema version.
pub(crate) fn survey(connection: &Connection, schema_version: i64) -> Result<Survey, Fault> {
    let verdict = audit::verify(connection)?;
    if let Some(fault) = verdict.fault {
        return Err(refused(BackupError::Audit(fault)));
    }
    let (records, head) = audit::head_of(connection)?;
    let cas = surveyed_cas(connection)?;
    let (certificates, newest) = certificates::extent(connection)?;
    let fingerprint = |ca: &SurveyedCa| ca.certificates[0].fingerprint().to_string();
    let ids: HashMap<i64, &str> = cas.iter().map(|ca| (ca.row.number, &*ca.row.id)).collect();
    let archived = |ca: &SurveyedCa| ArchivedCa {
        id: ca.row.id.clone(),
        common_name: ca.row.common_name.clone(),
        parent_id: ca.row.parent.and_then(|parent| ids.get(&parent)).map(ToString::to_string),
        fingerprint: fingerprint(ca),
    };
    let contents = Contents {
        schema_version,
        audit: AuditHead { records, head },
        certificates,
        roots: cas.iter().filter(|ca| ca.row.is_root()).map(fingerprint).collect(),
        cas: cas.iter().map(archived).collect(),
    };
    Ok(Survey { contents, newest: newest.map(describe::certificate_id), cas })
}

fn refused(error: BackupError) -> Fault {
    Error::from(error).into()
}

/// Every CA, those above before those below: a CA's number is larger than that of its parent.
fn surveyed_cas(connection: &Connection) -> Result<Vec<SurveyedCa>, Fault> {
    let mut hierarchy = Hierarchy::default();
    for row in authorities::all(connection)? {
        let own = certificates::of_authority(connection, row.number)?;
        let own: Vec<_> = own.into_iter().map(|row| row.certificate).collect();
        hierarchy.add(row, own).map_err(refused)?;
    }
    for ca in &hierarchy.cas {
        check_entry(connection, ca)?;
    }
    Ok(hierarchy.cas)
}

/// CAs whose every certificate is one that a CA may have in its place.
#[derive(Default)]
struct Hierarchy {
    cas: Vec<SurveyedCa>,
    /// Where each stands in the list, by its number.
    places: HashMap<i64, usize>,
}

impl Hierarchy {
    /// Adds a CA with its certificates, newest first.
    fn add(&mut self, row: CaRow, own: Vec<Certificate>) -> Result<(), BackupError> {
        let unsigned = |serial: String| BackupError::Hierarchy { ca_id: row.id.clone(), serial };
        let key = own.first().and_then(|newest| newest.public_key().ok());
        let key = key.ok_or_else(|| unsigned("(none)".to_owned()))?;
        let above = self.parent_of(&row);
        let signer = match row.parent {
            None => &key,
            Some(_) => &above.ok_or_else(|| unsigned("(none)".to_owned()))?.key,
        };
        let path = self.path_above(&row)?;
        for certificate in &own {
            let serial = || certificate.serial().to_string();
            if certificate.public_key().ok().as_ref() != Some(&key) || !signed(certificate, signer)
            {
                return Err(unsigned(serial()));
            }
            // Signed by a CA is what every end entity's certificate is, too.
            IssuingCa::new(certificate.clone(), &path).map_err(|error| BackupError::NotACa {
                ca_id: row.id.clone(),
                serial: serial(),
                error,
            })?;
        }
        let root = above.map_or(row.number, |above| above.root);
        self.places.insert(row.number, self.cas.len());
        self.cas.push(SurveyedCa { key, certificates: own, root, row });
        Ok(())
    }

    fn parent_of(&self, row: &CaRow) -> Option<&SurveyedCa> {
        self.places.get(&row.parent?).map(|place| &self.cas[*place])
    }

    /// The present certificates of the CAs above one, the nearest first. What signs a backup shows them
    /// all, and no more than it can show are followed: each CA of a forged archive may be below the one
    /// before it.
    fn path_above(&self, row: &CaRow) -> Result<Vec<Certificate>, BackupError> {
        let above = std::iter::successors(self.parent_of(row), |ca| self.parent_of(&ca.row));
        let path: Vec<_> = above.take(MAX_CHAIN).map(|ca| ca.certificates[0].clone()).collect();
        match path.len() < MAX_CHAIN {
            true => Ok(path),
            false => Err(unfit(row, "it is more than 63 levels below its root")),
        }
    }
}

fn unfit(row: &CaRow, what: &'static str) -> BackupError {
    BackupError::Unfit { ca_id: row.id.clone(), what }
}

/// Checks what the store says of a CA beside its certificates, and what it will issue and publish by.
fn check_entry(connection: &Connection, ca: &SurveyedCa) -> Result<(), Fault> {
    let row = &ca.row;
    let own = certificates::of_authority(connection, row.number)?;
    let issuer = row.parent.unwrap_or(row.number);
    let is_present = own.first().is_some_and(|newest| newest.number == row.certificate);
    let holder = authorities::id_of_key(connection, ca.key.fingerprint().as_bytes())?;
    let role = match row.is_root() {
        true => CertificateRole::RootCa,
        false => CertificateRole::IntermediateCa,
    };
    let is_stated = |own: &CertificateRow| own.authority == issuer && own.role == role;
    let crl = crls::stored(connection, row.number)?;
    let what = if !is_present {
        "its present certificate is not its newest"
    } else if !own.iter().all(is_stated) {
        "a certificate stands under another issuer or role"
    } else if holder.as_ref() != Some(&row.id) {
        "its key is not the one that is stated"
    } else if crl.is_some_and(|stored| !ca.signed_list(&stored.crl)) {
        "its revocation list is not one that it signed"
    } else if keys::encrypted(connection, row.number)?.is_none() {
        return Err(refused(BackupError::KeyMissing { ca_id: row.id.clone() }));
    } else {
        return Ok(());
    };
    Err(refused(unfit(row, what)))
}

fn signed(certificate: &Certificate, by: &PublicKey) -> bool {
    let view = certificate.view();
    by.verifies(view.signature_algorithm.der, view.tbs, view.signature)
}

impl SurveyedCa {
    /// Whether it signed a list: RFC 5280 6.3.3 (f), (g), the CA's name and the CA's key.
    pub(super) fn signed(&self, crl: &CrlRef<'_>) -> bool {
        let algorithm = crl.signature_algorithm.der;
        self.certificates.iter().any(|c| c.view().subject.der == crl.issuer.der)
            && crl.tbs_signature_algorithm.der == algorithm
            && self.key.verifies(algorithm, crl.tbs, crl.signature)
    }

    fn signed_list(&self, crl: &CertificateRevocationList) -> bool {
        CrlRef::read(crl.der()).is_ok_and(|view| self.signed(&view))
    }
}

impl Survey {
    /// The fingerprints of every certificate of the root above the CA that signed, if one of this
    /// store's did, and if the certificates shown with the signature are the store's own.
    pub(crate) fn vouched_by(&self, attestation: &Attestation) -> Option<Vec<String>> {
        let signer = self.cas.iter().find(|ca| {
            ca.row.id == attestation.ca_id() && ca.certificates.contains(attestation.signer())
        })?;
        let known = |certificate: &Certificate| {
            self.cas.iter().any(|ca| ca.certificates.contains(certificate))
        };
        if !attestation.chain().iter().all(known) {
            return None;
        }
        let root = self.cas.iter().find(|ca| ca.row.number == signer.root)?;
        Some(root.certificates.iter().map(|c| c.fingerprint().to_string()).collect())
    }

    /// The CA with this id and those above it, up to its root.
    pub(crate) fn path(&self, ca_id: &str) -> Vec<&SurveyedCa> {
        let first = self.cas.iter().find(|ca| ca.row.id == ca_id);
        let above = |ca: &&SurveyedCa| {
            let parent = ca.row.parent?;
            self.cas.iter().find(|ca| ca.row.number == parent)
        };
        std::iter::successors(first, above).collect()
    }

    /// Whether a root of the store has this certificate, or had it before it was renewed.
    pub(crate) fn has_root(&self, fingerprint: &Fingerprint) -> bool {
        let roots = self.cas.iter().filter(|ca| ca.row.is_root());
        roots.flat_map(|ca| &ca.certificates).any(|c| c.fingerprint() == *fingerprint)
    }
}
