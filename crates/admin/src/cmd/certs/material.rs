//! What `certs validate` judges with: anchors, intermediates, revocation lists and OCSP responses.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustmq_auth::revocation::{Crl, OcspResponse, StatusPolicy};
use rustmq_ca::{CaStatus, CertificateManager, CertificateRole, CrlRefresh, Error};

use crate::error::CliError;
use crate::session::Session;

/// Largest file that is read, in bytes. A CRL with a million entries has 45 million.
const MAX_FILE: u64 = 64 << 20;

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

/// What a file is expected to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// X.509 certificates.
    Certificate,
    /// Revocation lists.
    Crl,
    /// OCSP responses.
    Ocsp,
}

impl Kind {
    const fn label(self) -> &'static str {
        match self {
            Self::Certificate => "CERTIFICATE",
            Self::Crl => "X509 CRL",
            Self::Ocsp => "OCSP RESPONSE",
        }
    }
}

/// The DER of each PEM block of the kind, or the whole file where it is DER. A block that is no
/// Base64 is no DER either: it stays as an empty one, which the validator refuses or skips by name.
///
/// # Errors
///
/// A file that is missing, unreadable, or holds neither.
pub(super) fn read(path: &Path, kind: Kind) -> Result<Vec<Vec<u8>>, CliError> {
    let unusable = |why: String| CliError::Unusable { path: path.display().to_string(), why };
    let bytes = bytes(path).map_err(|error| unusable(error.to_string()))?;
    let blocks = pem_blocks(&bytes, kind);
    if !blocks.is_empty() {
        return Ok(blocks);
    }
    // DER of all three starts with a SEQUENCE.
    if bytes.first() == Some(&0x30) {
        return Ok(vec![bytes]);
    }
    Err(unusable(format!("it holds neither PEM ({}) nor DER", kind.label())))
}

fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let length = if path == Path::new("-") {
        io::stdin().lock().take(MAX_FILE + 1).read_to_end(&mut bytes)?
    } else {
        File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?
    };
    match length as u64 > MAX_FILE {
        true => Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 64 MiB")),
        false => Ok(bytes),
    }
}

fn pem_blocks(bytes: &[u8], kind: Kind) -> Vec<Vec<u8>> {
    // RFC 7468 5.1: parsers may take the older label of certificates for the present one.
    let text = String::from_utf8_lossy(bytes).replace(" X509 CERTIFICATE-", " CERTIFICATE-");
    let label = kind.label();
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let mut blocks = Vec::new();
    let mut block: Option<String> = None;
    for line in text.lines().map(str::trim) {
        if line == begin {
            block = Some(String::new());
        } else if line == end {
            let body = block.take().unwrap_or_default();
            blocks.push(decoded(&begin, &body, &end));
        } else if let Some(block) = &mut block {
            block.push_str(line);
        }
    }
    // A block that was cut off stands for something that cannot be read.
    blocks.extend(block.map(|_| Vec::new()));
    blocks
}

/// Lines of any length are taken: the body is wrapped anew before the strict decoder sees it.
fn decoded(begin: &str, body: &str, end: &str) -> Vec<u8> {
    let mut pem = format!("{begin}\n");
    let mut rest = body;
    while !rest.is_empty() {
        let at = rest.char_indices().nth(64).map_or(rest.len(), |(at, _)| at);
        let (line, more) = rest.split_at(at);
        pem.push_str(line);
        pem.push('\n');
        rest = more;
    }
    pem.push_str(end);
    pem.push('\n');
    pem_rfc7468::decode_vec(pem.as_bytes()).map_or_else(|_| Vec::new(), |(_, der)| der)
}
