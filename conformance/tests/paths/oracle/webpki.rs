//! rustls-webpki, in this process.

use std::time::Duration;

use rustls_pki_types::{CertificateDer, ServerName, TrustAnchor, UnixTime};
use webpki::{
    ALL_VERIFICATION_ALGS, BorrowedCertRevocationList, CertRevocationList, EndEntityCert, Error,
    ExpirationPolicy, ExtendedKeyUsageValidator, KeyPurposeIdIter, KeyUsage, RevocationCheckDepth,
    RevocationOptionsBuilder, UnknownStatusPolicy, anchor_from_trusted_cert,
};

use super::Verdict;
use crate::case::{Case, Purpose, Question, Reference};

/// The verdict; `None` where webpki has no way to be asked.
pub(crate) fn ask(case: &Case) -> Option<Verdict> {
    let email = |name: &Reference| matches!(name, Reference::Email(_));
    if case.question.names.iter().any(email) || case.question.at < 0 {
        return None;
    }
    Some(match verify(case) {
        Ok(()) => Verdict::Valid,
        Err(error) => Verdict::Refused(format!("{error:?}")),
    })
}

/// The purpose, if present: webpki refuses a leaf of another one.
struct Usage(Purpose);

impl ExtendedKeyUsageValidator for Usage {
    fn validate(&self, iter: KeyPurposeIdIter<'_, '_>) -> Result<(), Error> {
        match self.0 {
            Purpose::Any => {
                iter.for_each(drop);
                Ok(())
            }
            Purpose::Server => KeyUsage::server_auth().validate(iter),
            Purpose::Client => KeyUsage::client_auth().validate(iter),
        }
    }
}

fn verify(case: &Case) -> Result<(), Error> {
    let leaf = CertificateDer::from(case.leaf.as_slice());
    let leaf = EndEntityCert::try_from(&leaf)?;
    let roots: Vec<CertificateDer<'_>> =
        case.anchors.iter().map(|der| der.as_slice().into()).collect();
    let anchors: Vec<TrustAnchor<'_>> =
        roots.iter().filter_map(|der| anchor_from_trusted_cert(der).ok()).collect();
    let intermediates: Vec<CertificateDer<'_>> =
        case.intermediates.iter().map(|der| der.as_slice().into()).collect();
    let lists: Vec<CertRevocationList<'_>> = case
        .crls
        .iter()
        .filter_map(|der| BorrowedCertRevocationList::from_der(der).ok().map(Into::into))
        .collect();
    let lists: Vec<_> = lists.iter().collect();
    let revocation = match RevocationOptionsBuilder::new(&lists) {
        Ok(builder) if case.question.revocation => Some(
            builder
                .with_depth(RevocationCheckDepth::Chain)
                .with_status_policy(UnknownStatusPolicy::Deny)
                .with_expiration_policy(ExpirationPolicy::Enforce)
                .build(),
        ),
        _ if case.question.revocation => return Err(Error::UnknownRevocationStatus),
        _ => None,
    };
    let at = Duration::from_secs(u64::try_from(case.question.at).unwrap_or(0));
    leaf.verify_for_usage(
        ALL_VERIFICATION_ALGS,
        &anchors,
        &intermediates,
        UnixTime::since_unix_epoch(at),
        Usage(case.question.purpose),
        revocation,
        None,
    )?;
    names(&leaf, &case.question)
}

fn names(leaf: &EndEntityCert<'_>, question: &Question) -> Result<(), Error> {
    question.names.iter().try_for_each(|name| {
        let name = match name {
            Reference::Dns(name) => {
                ServerName::try_from(name.as_str()).map_err(|_| Error::MalformedDnsIdentifier)?
            }
            Reference::Ip(address) => ServerName::from(*address),
            Reference::Email(_) => return Ok(()),
        };
        leaf.verify_is_valid_for_subject_name(&name)
    })
}
