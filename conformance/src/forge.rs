//! Certificates and revocation lists with any field wrong on request.
//!
//! The authority's own issuing line refuses to write most of what a validator has to refuse, so
//! that tests of the validator need a writer without rules. Everything here is data that is
//! written as it stands: a negative serial number, a date in the wrong form, an extension twice.
//!
//! ```
//! use rustmq_conformance::forge::{Certificate, Extension, KeyKind, Name, key};
//!
//! let ca = key(KeyKind::P256, 0);
//! let leaf = key(KeyKind::P256, 1);
//! let mut certificate = Certificate::new(Name::cn("A CA"), Name::cn("A leaf"), leaf.spki());
//! certificate.serial = vec![0xff];
//! certificate.extensions.push(Extension::basic_constraints(false, None));
//! let der = certificate.sign(ca);
//! assert_eq!(der[0], 0x30);
//! ```

mod certificate;
mod crl;
mod extension;
mod keys;
mod name;
mod ocsp;

pub use certificate::{Certificate, Version};
pub use crl::{Crl, Revoked};
pub use extension::{Aki, Extension, usage};
pub use keys::{Key, KeyKind, algorithm, key};
pub use name::{GeneralName, Name, Subtree};
pub use ocsp::OcspResponse;

use rustmq_pki::encode::Encoder;

/// The DER that `write` writes.
pub fn der(write: impl FnOnce(&mut Encoder)) -> Vec<u8> {
    let mut encoder = Encoder::default();
    write(&mut encoder);
    encoder.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustmq_pki::read::{CertificateRef, CrlRef};
    use rustmq_pki::time::UnixTime;

    #[test]
    fn what_is_forged_without_a_fault_reads_back() {
        let ca = key(KeyKind::P256, 0);
        let mut certificate =
            Certificate::new(Name::cn("ca"), Name::cn("leaf"), key(KeyKind::Ed25519, 0).spki());
        certificate.extensions = vec![
            Extension::basic_constraints(true, Some(3)),
            Extension::name_constraints(&[GeneralName::Dns("a.test".into()).into()], &[]),
            Extension::policy_constraints(Some(0), None),
            Extension::authority_key_id(&Aki {
                key_id: Some(ca.id()),
                issuer: Some((Name::cn("root"), vec![7])),
            }),
        ];
        let der = certificate.sign(ca);
        let view = CertificateRef::read(&der).unwrap();
        let known = view.extensions.known().unwrap();
        assert_eq!(known.basic_constraints.unwrap().value.path_len, Some(3));
        assert_eq!(known.policy_constraints.unwrap().value.require_explicit_policy, Some(0));
        let public = rustmq_pki::key::PublicKey::from_spki(&ca.spki()).unwrap();
        let algorithm = view.signature_algorithm.der;
        assert!(public.verifies(algorithm, view.tbs, view.signature));

        certificate.signature_broken = true;
        let der = certificate.sign(ca);
        let view = CertificateRef::read(&der).unwrap();
        assert!(!public.verifies(algorithm, view.tbs, view.signature));

        let at = UnixTime::from_seconds(0);
        let crl = Crl::new(Name::cn("ca"), at, at.plus_days(7)).revoking(&[1]).sign(ca);
        assert_eq!(CrlRef::read(&crl).unwrap().entries().count(), 1);
    }

    #[test]
    fn faults_reach_the_bytes() {
        let ca = key(KeyKind::P256, 0);
        let mut certificate = Certificate::new(Name::cn("ca"), Name::cn("leaf"), ca.spki());
        certificate.extensions = vec![Extension::unknown(), Extension::unknown()];
        assert!(CertificateRef::read(&certificate.sign(ca)).is_err());
        certificate.extensions.clear();
        certificate.trailing = vec![0];
        assert!(CertificateRef::read(&certificate.sign(ca)).is_err());
    }
}
