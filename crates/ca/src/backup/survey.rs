//! What a store holds, and whether it is one that an authority can go on with.

use std::collections::HashMap;

use rusqlite::Connection;
use rustmq_pki::certificate::Certificate;
use rustmq_pki::key::{Fingerprint, PublicKey};

use super::BackupError;
use super::manifest::{ArchivedCa, AuditHead, Contents};
use crate::attestation::Attestation;
use crate::store::{CaRow, Fault, audit, authorities, certificates, keys};
use crate::{Error, describe};

/// A store whose audit chain is whole, whose CAs have their keys, and whose CA certificates are signed
/// by the CAs above them up to roots that sign themselves.
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
    let mut cas: Vec<SurveyedCa> = Vec::new();
    for row in authorities::all(connection)? {
        let own: Vec<_> = certificates::of_authority(connection, row.number)?
            .into_iter()
            .map(|row| row.certificate)
            .collect();
        let unsigned =
            |serial: String| refused(BackupError::Hierarchy { ca_id: row.id.clone(), serial });
        let key = own.first().and_then(|newest| newest.public_key().ok());
        let key = key.ok_or_else(|| unsigned("(none)".to_owned()))?;
        let above = cas.iter().find(|ca| Some(ca.row.number) == row.parent);
        let signer = match row.parent {
            None => &key,
            Some(_) => &above.ok_or_else(|| unsigned("(none)".to_owned()))?.key,
        };
        for certificate in &own {
            if certificate.public_key().ok().as_ref() != Some(&key) || !signed(certificate, signer)
            {
                return Err(unsigned(certificate.serial().to_string()));
            }
        }
        if keys::encrypted(connection, row.number)?.is_none() {
            return Err(refused(BackupError::KeyMissing { ca_id: row.id }));
        }
        let root = above.map_or(row.number, |above| above.root);
        cas.push(SurveyedCa { key, certificates: own, root, row });
    }
    Ok(cas)
}

fn signed(certificate: &Certificate, by: &PublicKey) -> bool {
    let view = certificate.view();
    by.verifies(view.signature_algorithm.der, view.tbs, view.signature)
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
