//! CAs that issue. This is the only file that signs certificates and CRLs.

use std::fmt;
use std::sync::Arc;

use crate::certificate::Certificate;
use crate::constraints::{ConstraintsError, NameConstraints, Subtree};
use crate::crl::{CertificateRevocationList, CrlContents, CrlContentsError};
use crate::der::tag;
use crate::encode::Encoder;
use crate::fields::{AccessAddresses, Fields, IssuerFields};
use crate::key::{Fingerprint, KeyError, PublicKey, SignError, Signer};
use crate::name::{DistinguishedName, SanError, TrustDomain, Uri};
use crate::read::{KeyUsage, ReadError};
use crate::serial::SerialNumber;
use crate::time::UnixTime;

/// Where the status of a CA's certificates is published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusAddresses {
    pub(crate) crl: String,
    pub(crate) access: AccessAddresses,
}

/// A base URL that cannot stand in certificates.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BaseUrlError {
    /// Not a URI at all.
    #[error(transparent)]
    NotAUri(#[from] SanError),
    /// Neither http nor https, with a query or fragment, or for a CA id that no URL can hold.
    #[error("{0:?} is no base URL: give http://host/path, without query and fragment")]
    Unusable(String),
}

impl StatusAddresses {
    /// The addresses below `base_url` for the CA called `ca_id`: its CRL at `crl/<id>.crl`, its
    /// certificate at `ca/<id>.crt`, its OCSP responder at `ocsp/<id>`.
    pub fn new(base_url: &str, ca_id: &str) -> Result<Self, BaseUrlError> {
        let base = Uri::parse(base_url)?;
        let base = base.as_str().trim_end_matches('/');
        let lower = base.to_ascii_lowercase();
        let is_http = lower.starts_with("http://") || lower.starts_with("https://");
        let plain = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_' | b'.');
        if !is_http || base.contains(['?', '#']) || !ca_id.bytes().all(plain) {
            return Err(BaseUrlError::Unusable(base_url.to_owned()));
        }
        Ok(Self {
            crl: format!("{base}/crl/{ca_id}.crl"),
            access: AccessAddresses {
                ocsp: format!("{base}/ocsp/{ca_id}"),
                ca_issuers: format!("{base}/ca/{ca_id}.crt"),
            },
        })
    }
}

/// A CA certificate, and what the gate needs to know to issue under it. It holds no key.
#[derive(Clone, Debug)]
pub struct IssuingCa {
    certificate: Certificate,
    public_key: PublicKey,
    /// Shared with everything that is being issued.
    fields: Arc<IssuerFields>,
    status: Option<StatusAddresses>,
    trust_domain: Option<TrustDomain>,
}

/// Why a certificate cannot issue others.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IssuingCaError {
    /// An extension is broken.
    #[error("the CA certificate is malformed: {0}")]
    Malformed(#[from] ReadError),
    /// No basicConstraints with CA:TRUE, or no keyCertSign and cRLSign.
    #[error("the certificate is not a CA's: it lacks CA:TRUE, keyCertSign or cRLSign")]
    NotACa,
    /// The certificates above do not lead to a self-issued root.
    #[error("the CA certificates do not form a chain up to a root")]
    BrokenChain,
    /// A key of a type that we do not sign with.
    #[error("the CA's key is not usable: {0}")]
    Key(#[from] KeyError),
    /// Name constraints that the gate could not keep.
    #[error(transparent)]
    Constraints(#[from] ConstraintsError),
    /// More CA certificates in a row than one above allows (RFC 5280 4.2.1.9).
    #[error("it stands below a CA whose path length allows no CA there")]
    PathLength,
    /// Name constraints that allow what one above does not (RFC 5280 4.2.1.10).
    #[error("its name constraints allow {0}, which those of a CA above do not")]
    WiderConstraints(Subtree),
}

impl IssuingCa {
    /// Takes a CA certificate and those above it, the nearest first, whose constraints hold too.
    pub fn new(certificate: Certificate, above: &[Certificate]) -> Result<Self, IssuingCaError> {
        let public_key = certificate.public_key()?;
        check_links(&certificate, above)?;
        let mut limits = Limits::default();
        for issuer in above.iter().rev().chain([&certificate]) {
            limits.pass(issuer)?;
        }
        let Limits { path_len, constraints, not_after } = limits;
        let view = certificate.view();
        let known = view.extensions.known()?;
        let key_id = known
            .subject_key_id
            .map_or_else(|| public_key.key_id().to_vec(), |id| id.value.to_vec());
        let fields = Arc::new(IssuerFields {
            name: view.subject.der.to_vec(),
            key_id,
            key_type: public_key.key_type(),
            not_before: certificate.not_before(),
            not_after: not_after.unwrap_or_else(|| certificate.not_after()),
            path_len: path_len.map(|left| u8::try_from(left).unwrap_or(u8::MAX)),
            constraints,
            match_key: DistinguishedName::from_view(&view.subject)
                .map(|name| name.match_key())
                .unwrap_or_default(),
        });
        Ok(Self { certificate, public_key, fields, status: None, trust_domain: None })
    }

    /// Sets where the status of what it issues will be found.
    #[must_use]
    pub fn with_status(mut self, status: Option<StatusAddresses>) -> Self {
        self.status = status;
        self
    }

    /// Sets the trust domain of the identities that it issues.
    #[must_use]
    pub fn with_trust_domain(mut self, trust_domain: Option<TrustDomain>) -> Self {
        self.trust_domain = trust_domain;
        self
    }

    /// Its certificate.
    pub fn certificate(&self) -> &Certificate {
        &self.certificate
    }

    /// The trust domain of the identities that it issues.
    pub fn trust_domain(&self) -> Option<&TrustDomain> {
        self.trust_domain.as_ref()
    }

    /// Where the status of what it issues is found.
    pub fn status(&self) -> Option<&StatusAddresses> {
        self.status.as_ref()
    }

    /// How many CA certificates may follow it in a path; `None` for any number.
    pub fn path_len(&self) -> Option<u8> {
        self.fields.path_len
    }

    pub(crate) fn fields(&self) -> &Arc<IssuerFields> {
        &self.fields
    }
}

/// What the CA certificates of a path, from its root on, leave to those that follow.
#[derive(Default)]
struct Limits {
    /// How many CA certificates may follow; none for any number.
    path_len: Option<u32>,
    constraints: Vec<NameConstraints>,
    /// The first end: a root that was renewed for less time than it had ends before those below it.
    not_after: Option<UnixTime>,
}

impl Limits {
    /// Takes in the next certificate, if it is a CA's and keeps to them.
    fn pass(&mut self, certificate: &Certificate) -> Result<(), IssuingCaError> {
        let known = certificate.view().extensions.known()?;
        let usage = known.key_usage.as_ref().map(|usage| usage.value);
        let signs = usage.is_none_or(|usage| {
            usage.contains(KeyUsage::KEY_CERT_SIGN) && usage.contains(KeyUsage::CRL_SIGN)
        });
        if !known.is_ca() || !signs {
            return Err(IssuingCaError::NotACa);
        }
        let end = certificate.not_after();
        self.not_after = Some(self.not_after.map_or(end, |earlier| earlier.min(end)));
        let left = match self.path_len {
            Some(left) => Some(left.checked_sub(1).ok_or(IssuingCaError::PathLength)?),
            None => None,
        };
        let own = known.basic_constraints.and_then(|basic| basic.value.path_len);
        self.path_len = [left, own].into_iter().flatten().min();
        if let Some(view) = known.name_constraints {
            let own = NameConstraints::from_view(&view.value)?;
            for above in &self.constraints {
                above.narrowed_by(own.clone()).map_err(IssuingCaError::WiderConstraints)?;
            }
            self.constraints.push(own);
        }
        Ok(())
    }
}

/// Each is named by the one below it, and the last by itself: a chain with a gap would lose the
/// path length and the constraints of the CA that is missing.
fn check_links(certificate: &Certificate, above: &[Certificate]) -> Result<(), IssuingCaError> {
    let mut below = certificate;
    for issuer in above.iter().chain(above.last().or(Some(certificate))) {
        if below.view().issuer.der != issuer.view().subject.der {
            return Err(IssuingCaError::BrokenChain);
        }
        below = issuer;
    }
    Ok(())
}

/// The DER of a TBSCertificate that passed the gate and the lint, for one issuer's key. It is not
/// cloned, so that one set of prepared bytes is signed once.
pub struct ToBeSigned {
    bytes: Vec<u8>,
    /// SHA-256 of the bytes: a record commits to it, and most keys sign it.
    digest: Fingerprint,
    serial: SerialNumber,
    not_before: UnixTime,
    not_after: UnixTime,
    issuer: Arc<IssuerFields>,
}

impl ToBeSigned {
    pub(crate) fn new(fields: Fields, serial: SerialNumber) -> Self {
        let bytes = fields.to_be_signed(&serial);
        Self {
            digest: Fingerprint::of(&bytes),
            bytes,
            serial,
            not_before: fields.not_before,
            not_after: fields.not_after,
            issuer: fields.issuer,
        }
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// SHA-256 of the bytes.
    pub fn digest(&self) -> Fingerprint {
        self.digest
    }

    /// The serial number in it.
    pub fn serial(&self) -> SerialNumber {
        self.serial
    }

    /// The last second of validity in it.
    pub fn not_after(&self) -> UnixTime {
        self.not_after
    }
}

impl fmt::Debug for ToBeSigned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ToBeSigned(serial {}, {} octets)", self.serial, self.bytes.len())
    }
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub enum IssueError {
    /// The certificate was assembled for another CA's key.
    #[error("the certificate was prepared for another CA's key")]
    WrongIssuer,
    /// The key given is not that of the CA's certificate.
    #[error("the key is not that of the CA's certificate")]
    WrongKey,
    /// A CRL that would break a rule.
    #[error(transparent)]
    Crl(#[from] CrlContentsError),
    /// The signer failed.
    #[error(transparent)]
    Sign(#[from] SignError),
}

/// A CA with its key at hand.
#[derive(Clone)]
pub struct Issuer {
    ca: Arc<IssuingCa>,
    signer: Arc<dyn Signer>,
}

impl Issuer {
    /// Joins a CA and its key.
    pub fn new(ca: Arc<IssuingCa>, signer: Arc<dyn Signer>) -> Result<Self, IssueError> {
        match signer.public_key() == &ca.public_key {
            true => Ok(Self { ca, signer }),
            false => Err(IssueError::WrongKey),
        }
    }

    /// The CA.
    pub fn ca(&self) -> &Arc<IssuingCa> {
        &self.ca
    }

    /// Signs a certificate that was prepared for this CA. It takes the value, so that one set of
    /// prepared bytes is signed once.
    pub fn sign(&self, certificate: ToBeSigned) -> Result<Certificate, IssueError> {
        match certificate.issuer.key_id == self.ca.fields.key_id {
            true => seal_certificate(certificate, &*self.signer),
            false => Err(IssueError::WrongIssuer),
        }
    }

    /// Signs a CRL of this CA (RFC 5280 5).
    pub fn sign_crl(&self, crl: &CrlContents) -> Result<CertificateRevocationList, IssueError> {
        crl.check()?;
        let fields = &self.ca.fields;
        let tbs = crl.to_be_signed(fields.key_type, &fields.name, &fields.key_id);
        let der = assemble(&tbs, &self.signer.sign(&tbs)?, &*self.signer);
        Ok(CertificateRevocationList::assembled(der, crl))
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer").field("ca", &self.ca.certificate).finish_non_exhaustive()
    }
}

/// Signs a root's own certificate with the key that is in it.
pub fn sign_root(certificate: ToBeSigned, signer: &dyn Signer) -> Result<Certificate, IssueError> {
    match certificate.issuer.key_id == signer.public_key().key_id() {
        true => seal_certificate(certificate, signer),
        false => Err(IssueError::WrongIssuer),
    }
}

fn seal_certificate(tbs: ToBeSigned, signer: &dyn Signer) -> Result<Certificate, IssueError> {
    let ToBeSigned { bytes, digest, serial, not_before, not_after, .. } = tbs;
    let der = assemble(&bytes, &signer.sign_hashed(&bytes, &digest)?, signer);
    Ok(Certificate::assembled(der, serial, (not_before, not_after)))
}

/// `SEQUENCE { tbs, signatureAlgorithm, signatureValue }`.
fn assemble(tbs: &[u8], signature: &[u8], signer: &dyn Signer) -> Vec<u8> {
    let mut encoder = Encoder::with_capacity(tbs.len() + signature.len() + 40);
    encoder.nested(tag::SEQUENCE, |signed| {
        signed.raw(tbs).raw(signer.public_key().key_type().signature_algorithm());
        signed.nested_bit_string(|bits| _ = bits.raw(signature));
    });
    encoder.into_bytes()
}
