//! One certificate in memory: key, gate, lint and signature, against the raw key and signature.

use std::hint::black_box;
use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
use rustmq_pki::certificate::Certificate;
use rustmq_pki::issuer::{Issuer, IssuingCa, sign_root};
use rustmq_pki::key::software::SoftwareKey;
use rustmq_pki::key::{KeyType, Signer};
use rustmq_pki::name::{Attribute, DistinguishedName, Principal};
use rustmq_pki::profile::{IssuedBy, Profile, Terms, Validity};
use rustmq_pki::request::CertificateRequest;
use rustmq_pki::serial::SerialNumber;
use rustmq_pki::time::UnixTime;

use crate::measure::{Table, Target, in_turns};

mod x509_cert_builder;

const NOW: UnixTime = UnixTime::from_seconds(1_795_392_000);

/// Measures and adds the rows; returns the CPU microseconds of the raw key and signature.
pub(crate) fn run(table: &mut Table) -> f64 {
    let issuer = root();
    let profile = Profile::builtin("broker").unwrap();
    let signing = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let message = [7; 450];
    let mut rcgen = RcgenPeer::new();
    let mut builder = x509_cert_builder::Peer::new();
    let times = in_turns(
        15,
        400,
        &mut [
            &mut || {
                let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
                black_box(key);
                let signature = signing.sign(&SystemRandom::new(), &message).unwrap();
                assert!(signature.as_ref().len() > 60);
            },
            &mut || assert!(issue(&issuer, &profile).der().len() > 400),
            &mut || assert!(rcgen.issue() > 300),
            &mut || assert!(builder.issue() > 300),
        ],
    );
    check(&issue(&issuer, &profile), &issuer);
    let raw = times[0];
    let detail = |time: f64| format!("raw keygen + sign {raw:.1} us / {time:.1} us");
    for (name, time) in [
        ("raw P-256 keygen + sign", times[0]),
        ("in memory, gate and lint", times[1]),
        ("  peer: rcgen, in memory", times[2]),
        ("  peer: x509-cert builder, in memory", times[3]),
    ] {
        table.plot(name, time);
    }
    let mut row = |name, time, target| table.add(name, raw / time, detail(time), target);
    row("one certificate in memory, gate and lint", times[1], Target::AtLeast(0.90));
    row("  the same by rcgen, no gate, no lint", times[2], Target::Peer);
    row("  the same by the x509-cert builder", times[3], Target::Peer);
    raw
}

/// What was measured was a certificate: it verifies under its issuer's key.
fn check(certificate: &Certificate, issuer: &Issuer) {
    let view = certificate.view();
    let key = issuer.ca().certificate().public_key().unwrap();
    assert!(key.verifies(view.signature_algorithm.der, view.tbs, view.signature));
}

fn issue(issuer: &Issuer, profile: &Profile) -> Certificate {
    let key = SoftwareKey::generate(KeyType::P256).unwrap();
    let principal = Principal::parse("broker-01.example.com").unwrap();
    let request = CertificateRequest::for_principal(principal, key.public_key().clone());
    let terms = Terms {
        issued_by: IssuedBy::Ca(issuer.ca()),
        now: NOW,
        backdate_seconds: 300,
        validity: Validity::Default,
    };
    let linted = profile.admit(request, terms).unwrap().lint().unwrap();
    issuer.sign(linted.to_be_signed(SerialNumber::generate().unwrap())).unwrap()
}

fn root() -> Issuer {
    let signer = Arc::new(SoftwareKey::generate(KeyType::P256).unwrap());
    let name = DistinguishedName::default().with(Attribute::CommonName, "Bench Root CA").unwrap();
    let request = CertificateRequest::for_ca(name, signer.public_key().clone());
    let terms = Terms {
        issued_by: IssuedBy::Itself,
        now: NOW,
        backdate_seconds: 300,
        validity: Validity::Default,
    };
    let linted =
        Profile::builtin("root-ca").unwrap().admit(request, terms).unwrap().lint().unwrap();
    let tbs = linted.to_be_signed(SerialNumber::generate().unwrap());
    let certificate = sign_root(tbs, &*signer).unwrap();
    Issuer::new(Arc::new(IssuingCa::new(certificate, &[]).unwrap()), signer).unwrap()
}

/// The same work by rcgen: a key, and a certificate with the same extensions as far as it knows them.
struct RcgenPeer {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl RcgenPeer {
    fn new() -> Self {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params = rcgen::CertificateParams::default();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.distinguished_name.push(rcgen::DnType::CommonName, "Bench Root CA");
        Self { issuer: rcgen::Issuer::new(params, key) }
    }

    fn issue(&mut self) -> usize {
        let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256).unwrap();
        let mut params =
            rcgen::CertificateParams::new(vec!["broker-01.example.com".to_owned()]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, "broker-01.example.com");
        params.key_usages = vec![rcgen::KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![
            rcgen::ExtendedKeyUsagePurpose::ServerAuth,
            rcgen::ExtendedKeyUsagePurpose::ClientAuth,
        ];
        params.use_authority_key_identifier_extension = true;
        params.signed_by(&key, &self.issuer).unwrap().der().len()
    }
}
