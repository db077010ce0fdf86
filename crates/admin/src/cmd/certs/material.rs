//! What `certs validate` judges with: anchors, intermediates, revocation lists and OCSP responses.

use std::path::Path;

use rustmq_auth::revocation::{Crl, OcspResponse, StatusPolicy};
use rustmq_ca::{CaStatus, CertificateManager, CertificateRole, CrlRefresh, Error};

use crate::error::CliError;
use crate::inspect::{self, InspectError, Kind};
use crate::session::Session;

/// What beside the certificate goes into the question.
#[derive(Default)]
pub(super) struct Material {
    pub(super) anchors: Vec<Vec<u8>>,
    pub(super) untrusted: Vec<Vec<u8>>,
    pub(super) crls: Vec<Crl>,
    pub(super) ocsp: Vec<OcspResponse>,
    pub(super) status: StatusPolicy,
    /// Seconds after its nextUpdate for which a CRL still counts.
    pub(super) grace: i64,
    pub(super) notes: Vec<String>,
}

impl Material {
    /// The authority's own: its roots are the anchors, its CAs the intermediates. Its newest CRLs hold
    /// every revocation, since each revocation signs one, so they count past their nextUpdate; the
    /// verdict says where that was so.
    pub(super) async fn of_authority(session: &Session) -> Result<Self, CliError> {
        let manager = session.reader()?;
        let mut material =
            Self { status: StatusPolicy::Required, grace: i64::MAX, ..Self::default() };
        for ca in manager.list_cas().await? {
            if ca.status == CaStatus::Revoked {
                continue;
            }
            let Some(certificate) = manager.ca_chain(&ca.id).await?.into_iter().next() else {
                continue;
            };
            let der = certificate.der().to_vec();
            match ca.certificate.role {
                CertificateRole::RootCa => material.anchors.push(der),
                _ => material.untrusted.push(der),
            }
            if let Some(crl) = stored_crl(&manager, &ca.id).await? {
                material.crls.push(crl);
            }
        }
        Ok(material)
    }
}

async fn stored_crl(manager: &CertificateManager, ca: &str) -> Result<Option<Crl>, CliError> {
    match manager.generate_crl(ca, CrlRefresh::Stored).await {
        Ok(publication) => Ok(Crl::from_der(publication.crl.der()).ok()),
        Err(Error::NoCrl { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// What a file holds: the DER of each object, or what is wrong with its PEM.
pub(super) type Objects = Vec<Result<Vec<u8>, InspectError>>;

/// Each PEM block of the kind, or the whole file where it is DER.
///
/// # Errors
///
/// A file that is missing, unreadable, or holds neither.
pub(super) fn read(path: &Path, kind: Kind) -> Result<Objects, CliError> {
    let unusable = |why: String| CliError::Unusable { path: path.display().to_string(), why };
    let bytes = inspect::bytes(path).map_err(|error| unusable(error.to_string()))?;
    let blocks = inspect::pem_objects(&bytes, kind).unwrap_or_default();
    if !blocks.is_empty() {
        return Ok(blocks.into_iter().map(|block| block.map(|der| der.to_vec())).collect());
    }
    // DER of all three starts with a SEQUENCE.
    if bytes.first() == Some(&0x30) {
        return Ok(vec![Ok(bytes.to_vec())]);
    }
    Err(unusable(format!("it holds neither PEM ({}) nor DER", kind.label())))
}

impl Material {
    /// Those of the objects that could be decoded; a note says which could not.
    pub(super) fn whole(
        &mut self,
        path: &Path,
        objects: impl IntoIterator<Item = Result<Vec<u8>, InspectError>>,
    ) -> Vec<Vec<u8>> {
        let mut note = |damage| {
            self.notes.push(format!("{}, {damage} (left out)", path.display()));
        };
        let whole = |object: Result<_, _>| object.map_err(&mut note).ok();
        objects.into_iter().filter_map(whole).collect()
    }
}
