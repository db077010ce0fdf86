//! A hierarchy in memory.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    reason = "test code of which each file uses its own part"
)]

use std::sync::Arc;

use rustmq_pki::certificate::Certificate;
use rustmq_pki::constraints::NameConstraints;
use rustmq_pki::issuer::{Issuer, IssuingCa, StatusAddresses, sign_root};
use rustmq_pki::key::software::SoftwareKey;
use rustmq_pki::key::{KeyType, Signer};
use rustmq_pki::name::{Attribute, DistinguishedName, Principal, SubjectAltName, TrustDomain};
use rustmq_pki::profile::{Admitted, IssuedBy, Profile, Refusal, Terms, Validity};
use rustmq_pki::request::CertificateRequest;
use rustmq_pki::serial::SerialNumber;
use rustmq_pki::time::UnixTime;

pub fn now() -> UnixTime {
    "2026-11-23T12:00:00Z".parse().unwrap()
}

pub fn terms(issued_by: IssuedBy<'_>, validity: Validity) -> Terms<'_> {
    Terms { issued_by, now: now(), backdate_seconds: 300, validity }
}

pub fn named(common_name: &str) -> DistinguishedName {
    DistinguishedName::default().with(Attribute::CommonName, common_name).unwrap()
}

pub fn key(key_type: KeyType) -> Arc<SoftwareKey> {
    Arc::new(SoftwareKey::generate(key_type).unwrap())
}

/// A root, and a CA under it.
pub struct Hierarchy {
    pub root: Issuer,
    pub intermediate: Issuer,
}

/// How the intermediate differs from the plainest.
#[derive(Default)]
pub struct Options {
    pub base_url: Option<&'static str>,
    pub trust_domain: Option<&'static str>,
    pub constraints: NameConstraints,
    pub path_len: Option<u8>,
    pub days: Option<i64>,
}

pub fn root(key_type: KeyType) -> Issuer {
    let signer = key(key_type);
    let request = CertificateRequest::for_ca(named("Test Root CA"), signer.public_key().clone());
    let admitted = Profile::builtin("root-ca")
        .unwrap()
        .admit(request, terms(IssuedBy::Itself, Validity::Default))
        .unwrap();
    let tbs = admitted.lint().unwrap().to_be_signed(SerialNumber::generate().unwrap());
    let certificate = sign_root(tbs, &*signer).unwrap();
    Issuer::new(Arc::new(IssuingCa::new(certificate, &[]).unwrap()), signer).unwrap()
}

pub fn hierarchy(key_type: KeyType, options: Options) -> Hierarchy {
    let root = root(key_type);
    let intermediate = intermediate(&root, &[], key_type, options);
    Hierarchy { root, intermediate }
}

pub fn intermediate(
    issuer: &Issuer,
    above: &[Certificate],
    key_type: KeyType,
    options: Options,
) -> Issuer {
    let signer = key(key_type);
    // Each level has a name of its own: a CA is never named as its issuer.
    let name = named(&format!("Test Intermediate CA {}", above.len() + 1));
    let request = CertificateRequest::for_ca(name, signer.public_key().clone())
        .with_path_len(options.path_len)
        .with_name_constraints(options.constraints);
    let validity = options.days.map_or(Validity::Default, Validity::Days);
    let admitted = Profile::builtin("intermediate-ca")
        .unwrap()
        .admit(request, terms(IssuedBy::Ca(issuer.ca()), validity))
        .unwrap();
    let certificate = sign(issuer, admitted);
    let mut chain = vec![issuer.ca().certificate().clone()];
    chain.extend_from_slice(above);
    let ca = IssuingCa::new(certificate, &chain)
        .unwrap()
        .with_status(options.base_url.map(|url| StatusAddresses::new(url, "int_1").unwrap()))
        .with_trust_domain(options.trust_domain.map(|name| TrustDomain::parse(name).unwrap()));
    Issuer::new(Arc::new(ca), signer).unwrap()
}

pub fn sign(issuer: &Issuer, admitted: Admitted) -> Certificate {
    let tbs = admitted.lint().unwrap().to_be_signed(SerialNumber::generate().unwrap());
    issuer.sign(tbs).unwrap()
}

pub fn request(principal: &str, sans: &[&str]) -> CertificateRequest {
    let key = key(KeyType::P256);
    CertificateRequest::for_principal(
        Principal::parse(principal).unwrap(),
        key.public_key().clone(),
    )
    .with_sans(sans.iter().map(|san| SubjectAltName::parse(san).unwrap()))
}

pub fn admit(
    issuer: &Issuer,
    profile: &str,
    principal: &str,
    sans: &[&str],
) -> Result<Admitted, Refusal> {
    Profile::builtin(profile)
        .unwrap()
        .admit(request(principal, sans), terms(IssuedBy::Ca(issuer.ca()), Validity::Default))
}
