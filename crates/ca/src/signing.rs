//! The only file in which the authority's keys are used.

use std::sync::Arc;

use rustmq_pki::certificate::Certificate;
use rustmq_pki::crl::{CertificateRevocationList, CrlContents};
use rustmq_pki::issuer::{IssueError, Issuer, ToBeSigned, sign_root};
use rustmq_pki::key::{KeyType, Signer};
use rustmq_pki::statement::Statement;

use crate::Error;
use crate::parallel::in_parallel;
use crate::store::{Reserved, ReservedSlice, SignedRow, SignedSlice, Ticket, blocking};

/// Who signs.
#[derive(Clone)]
pub(crate) enum SigningKey {
    /// A new root, its own certificate.
    Root(Arc<dyn Signer>),
    /// A CA with a certificate, and the type of its key.
    Ca(Issuer, KeyType),
}

impl SigningKey {
    fn sign(&self, certificate: ToBeSigned) -> Result<Certificate, IssueError> {
        match self {
            Self::Root(signer) => sign_root(certificate, &**signer),
            Self::Ca(issuer, _) => issuer.sign(certificate),
        }
    }

    /// Whether a signature takes less than a task may keep a runtime's thread: some 0.1 ms.
    fn is_quick(&self) -> bool {
        let key_type = match self {
            Self::Root(signer) => signer.key_type(),
            Self::Ca(_, key_type) => *key_type,
        };
        matches!(key_type, KeyType::P256 | KeyType::P384 | KeyType::Ed25519)
    }
}

/// Signs what was reserved.
pub(crate) async fn sign(
    reserved: Reserved,
    key: &SigningKey,
) -> Result<(Certificate, Ticket), Error> {
    let (to_be_signed, ticket) = reserved.redeem();
    if key.is_quick() {
        return Ok((key.sign(to_be_signed)?, ticket));
    }
    let key = key.clone();
    let certificate = blocking(move || Ok(key.sign(to_be_signed)?)).await?;
    Ok((certificate, ticket))
}

/// Signs every row of a slice, on all cores.
pub(crate) async fn sign_slice(
    reserved: ReservedSlice,
    key: &SigningKey,
) -> Result<SignedSlice, Error> {
    let (rows, ticket) = reserved.redeem();
    let key = key.clone();
    let rows = in_parallel(rows, move |_, row| {
        let certificate = key.sign(row.to_be_signed)?;
        Ok(SignedRow {
            certificate: hashed(certificate),
            key_hash: row.key_hash,
            role: row.role,
            principal: row.principal,
            profile: row.profile,
            renews: row.renews,
            row: row.row,
        })
    })
    .await?;
    Ok(SignedSlice { rows, ticket })
}

/// A certificate that knows its fingerprint, so that the one thread that writes need not make it.
fn hashed(certificate: Certificate) -> Certificate {
    certificate.fingerprint();
    certificate
}

/// Signs a CRL whose number is durable.
pub(crate) async fn sign_crl(
    issuer: Issuer,
    contents: CrlContents,
) -> Result<CertificateRevocationList, Error> {
    blocking(move || Ok(issuer.sign_crl(&contents)?)).await
}

/// Signs a statement that the audit record has announced.
pub(crate) async fn sign_statement(
    signer: Arc<dyn Signer>,
    statement: Statement,
) -> Result<Vec<u8>, Error> {
    blocking(move || Ok(statement.sign(&*signer).map_err(IssueError::from)?)).await
}
