//! Certificates and keys for tests, without a store.

use std::sync::Arc;

use rustmq_pki::certificate::Certificate;
use rustmq_pki::issuer::{Issuer, IssuingCa, sign_root};
use rustmq_pki::key::software::SoftwareKey;
use rustmq_pki::key::{KeyType, Signer};
use rustmq_pki::name::{Attribute, DistinguishedName, Principal};
use rustmq_pki::profile::{IssuedBy, Profile, Terms, Validity};
use rustmq_pki::request::CertificateRequest;
use rustmq_pki::role::Role;
use rustmq_pki::serial::SerialNumber;
use rustmq_pki::time::UnixTime;

use super::delivery::Certified;
use super::keys::SliceKeys;

fn terms(issued_by: IssuedBy<'_>) -> Terms<'_> {
    let now = UnixTime::from_seconds(1_795_392_000);
    Terms { issued_by, now, backdate_seconds: 300, validity: Validity::Default }
}

fn key() -> SoftwareKey {
    SoftwareKey::generate(KeyType::P256).unwrap()
}

fn ca_request(name: &str, key: &SoftwareKey) -> CertificateRequest {
    let name = DistinguishedName::default().with(Attribute::CommonName, name).unwrap();
    CertificateRequest::for_ca(name, key.public_key().clone())
}

fn issue(issuer: &Issuer, profile: &str, request: CertificateRequest) -> Certificate {
    let profile = Profile::builtin(profile).unwrap();
    let linted = profile.admit(request, terms(IssuedBy::Ca(issuer.ca()))).unwrap().lint().unwrap();
    issuer.sign(linted.to_be_signed(SerialNumber::generate().unwrap())).unwrap()
}

/// An issuer under a root, and the root.
fn hierarchy() -> (Issuer, Certificate) {
    let root_key = Arc::new(key());
    let profile = Profile::builtin("root-ca").unwrap();
    let linted = profile
        .admit(ca_request("Root CA", &root_key), terms(IssuedBy::Itself))
        .unwrap()
        .lint()
        .unwrap();
    let root = sign_root(linted.to_be_signed(SerialNumber::generate().unwrap()), &*root_key);
    let root = root.unwrap();
    let issuer = Issuer::new(Arc::new(IssuingCa::new(root.clone(), &[]).unwrap()), root_key);
    let ca_key = Arc::new(key());
    let ca = issue(&issuer.unwrap(), "intermediate-ca", ca_request("Production CA", &ca_key));
    let issuing = IssuingCa::new(ca, std::slice::from_ref(&root)).unwrap();
    (Issuer::new(Arc::new(issuing), ca_key).unwrap(), root)
}

fn leaf(issuer: &Issuer, principal: &str, key: &SoftwareKey) -> Certificate {
    let principal = Principal::parse(principal).unwrap();
    let request = CertificateRequest::for_principal(principal, key.public_key().clone());
    issue(issuer, "client", request)
}

/// A leaf, and its issuer and the root.
pub(crate) fn chain() -> (Certificate, Vec<Certificate>) {
    let (issuer, root) = hierarchy();
    let leaf = leaf(&issuer, "app", &key());
    (leaf, vec![issuer.ca().certificate().clone(), root])
}

/// The certificates `app-0`, `app-1`, ... of a slice with their keys.
pub(crate) fn slice(slice: u64, count: usize) -> (Vec<Certified>, SliceKeys) {
    let (issuer, _) = hierarchy();
    let mut keys = SliceKeys::with_capacity(slice, count, 0);
    let certify = |nth: usize| {
        let (key, principal) = (key(), format!("app-{nth}"));
        keys.push(&key.to_pkcs8().unwrap());
        let certificate = leaf(&issuer, &principal, &key);
        let number = i64::try_from(nth).unwrap() + 3;
        Certified { row: nth as u64 + 1, principal, role: Role::Client, number, certificate }
    };
    let certified = (0..count).map(certify).collect();
    (certified, keys)
}
