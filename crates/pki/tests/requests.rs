//! PKCS#10 requests: what is taken from them, what is overridden and what is refused.

#![allow(clippy::unwrap_used, reason = "test code")]

mod common;

use common::*;
use rustmq_pki::der::tag;
use rustmq_pki::encode::Encoder;
use rustmq_pki::key::software::SoftwareKey;
use rustmq_pki::key::{KeyType, Signer};
use rustmq_pki::name::Principal;
use rustmq_pki::oid;
use rustmq_pki::profile::{IssuedBy, Note, Profile, Validity};
use rustmq_pki::request::{CertificateRequest, RequestError};

/// An extension of a request: OID, criticality, value.
type Extension<'a> = (&'a [u8], bool, Vec<u8>);

/// A signed request with this common name and these extensions.
fn pkcs10(key: &SoftwareKey, common_name: &str, extensions: &[Extension<'_>]) -> Vec<u8> {
    let mut info = Encoder::default();
    info.nested(tag::SEQUENCE, |info| {
        info.unsigned(&[]).raw(&named(common_name).to_der()).raw(key.public_key().spki());
        info.nested(tag::context_constructed(0), |attributes| {
            attributes.nested(tag::SEQUENCE, |attribute| {
                attribute.oid(oid::EXTENSION_REQUEST).nested(tag::SET, |values| {
                    values.nested(tag::SEQUENCE, |list| {
                        for (oid, critical, value) in extensions {
                            list.nested(tag::SEQUENCE, |extension| {
                                extension.oid(oid);
                                if *critical {
                                    extension.boolean(true);
                                }
                                extension.value(tag::OCTET_STRING, value);
                            });
                        }
                    });
                });
            });
        });
    });
    signed(key, &info.into_bytes())
}

fn signed(key: &SoftwareKey, info: &[u8]) -> Vec<u8> {
    let signature = key.sign(info).unwrap();
    let mut request = Encoder::default();
    request.nested(tag::SEQUENCE, |request| {
        request.raw(info).raw(key.key_type().signature_algorithm());
        request.nested_bit_string(|bits| _ = bits.raw(&signature));
    });
    request.into_bytes()
}

fn encoded(write: impl FnOnce(&mut Encoder)) -> Vec<u8> {
    let mut encoder = Encoder::default();
    write(&mut encoder);
    encoder.into_bytes()
}

fn basic_constraints(ca: bool) -> Extension<'static> {
    let value = encoded(|e| {
        e.nested(tag::SEQUENCE, |basic| {
            if ca {
                basic.boolean(true);
            }
        });
    });
    (oid::BASIC_CONSTRAINTS, true, value)
}

fn key_usage(bits: u16) -> Extension<'static> {
    (oid::KEY_USAGE, true, encoded(|e| _ = e.named_bits(bits)))
}

fn purposes(list: &[&[u8]]) -> Extension<'static> {
    let value = encoded(|e| {
        e.nested(tag::SEQUENCE, |purposes| list.iter().for_each(|oid| _ = purposes.oid(oid)));
    });
    (oid::EXTENDED_KEY_USAGE, false, value)
}

fn sans(names: &[(u8, &[u8])]) -> Extension<'static> {
    let value = encoded(|e| {
        e.nested(tag::SEQUENCE, |list| {
            names.iter().for_each(|(form, name)| _ = list.value(*form, name));
        });
    });
    (oid::SUBJECT_ALT_NAME, false, value)
}

fn read(extensions: &[Extension<'_>]) -> Result<CertificateRequest, RequestError> {
    let key = SoftwareKey::generate(KeyType::P256).unwrap();
    CertificateRequest::from_pkcs10(&pkcs10(&key, "app-1", extensions), None)
}

#[test]
fn what_a_plain_request_says_is_taken() {
    let request = read(&[
        basic_constraints(false),
        key_usage(1),
        purposes(&[oid::CLIENT_AUTH]),
        sans(&[(0x82, b"App.example"), (0x87, &[10, 0, 0, 1])]),
        (oid::SUBJECT_KEY_IDENTIFIER, false, encoded(|e| _ = e.value(tag::OCTET_STRING, &[1; 20]))),
    ])
    .unwrap();
    assert_eq!(request.principal().unwrap().as_str(), "app-1");
    let names: Vec<_> = request.sans().iter().map(ToString::to_string).collect();
    assert_eq!(names, ["DNS:app.example", "IP:10.0.0.1"]);
    let ca = hierarchy(KeyType::P256, Options::default()).intermediate;
    let terms = terms(IssuedBy::Ca(ca.ca()), Validity::Default);
    let admitted = Profile::builtin("client").unwrap().admit(request, terms).unwrap();
    assert!(!admitted.notes().iter().any(|note| matches!(note, Note::Overridden(_))));
}

#[test]
fn what_the_profile_overrides_is_reported() {
    let ca = hierarchy(KeyType::P256, Options::default()).intermediate;
    let request = read(&[key_usage(0b111), (oid::TLS_FEATURE, false, vec![0x30, 0])]).unwrap();
    let terms = terms(IssuedBy::Ca(ca.ca()), Validity::Default);
    let admitted = Profile::builtin("client").unwrap().admit(request, terms).unwrap();
    let overridden: Vec<_> = admitted
        .notes()
        .iter()
        .filter_map(|note| match note {
            Note::Overridden(what) => Some(what.as_str()),
            _ => None,
        })
        .collect();
    assert_eq!(overridden, ["extension 1.3.6.1.5.5.7.1.24", "keyUsage beyond the profile's"]);
}

#[test]
fn another_principal_overrides_the_common_name() {
    let key = SoftwareKey::generate(KeyType::P256).unwrap();
    let principal = Principal::parse("other").unwrap();
    let request =
        CertificateRequest::from_pkcs10(&pkcs10(&key, "app-1", &[]), Some(principal)).unwrap();
    assert_eq!(request.subject().to_string(), "CN=other");
}

#[test]
fn names_that_one_asked_for_do_not_go_into_anothers_certificate() {
    let key = SoftwareKey::generate(KeyType::P256).unwrap();
    let read = |common_name: &str, names: &[(u8, &[u8])], principal: &str| {
        let principal = Principal::parse(principal).unwrap();
        CertificateRequest::from_pkcs10(&pkcs10(&key, common_name, &[sans(names)]), Some(principal))
    };
    let foreign = read("alice", &[(0x81, b"alice@x.example")], "bob").unwrap_err();
    assert_eq!(
        foreign,
        RequestError::ForeignName {
            common_name: "alice".to_owned(),
            name: "email:alice@x.example".to_owned(),
            principal: "bob".to_owned(),
        }
    );
    assert!(read("alice", &[(0x81, b"alice@x.example")], "alice").is_ok());
    assert!(read("placeholder", &[(0x82, b"b-1.example")], "b-1.example").is_ok());
}

#[test]
fn requests_that_are_refused_by_name() {
    let ca = key_usage(1 << 5);
    assert_eq!(read(&[basic_constraints(true)]).unwrap_err(), RequestError::Ca);
    assert_eq!(read(&[ca]).unwrap_err(), RequestError::CaKeyUsage("keyCertSign"));
    assert_eq!(read(&[key_usage(1 << 6)]).unwrap_err(), RequestError::CaKeyUsage("cRLSign"));
    let policy = (oid::CERTIFICATE_POLICIES, true, vec![0x30, 4, 0x30, 2, 6, 0]);
    assert!(read(&[policy]).is_err());
    let unknown = (&[0x2a, 3, 4][..], true, vec![5, 0]);
    assert_eq!(read(&[unknown]).unwrap_err(), RequestError::CriticalExtension("1.2.3.4".into()));
    let directory = encoded(|e| _ = e.value(0xa4, &named("x").to_der()));
    let forms = sans(&[(0xa4, &directory[2..])]);
    assert_eq!(read(&[forms]).unwrap_err(), RequestError::NameForm("directoryName"));
    assert!(matches!(read(&[sans(&[(0x82, b"a b")])]), Err(RequestError::Name(_))));
    assert!(matches!(read(&[sans(&[(0x87, &[1, 2, 3])])]), Err(RequestError::Name(_))));
}

#[test]
fn a_wider_purpose_is_refused_at_the_gate() {
    let ca = hierarchy(KeyType::P256, Options::default()).intermediate;
    let request = read(&[purposes(&[oid::CLIENT_AUTH, oid::SERVER_AUTH])]).unwrap();
    let terms = terms(IssuedBy::Ca(ca.ca()), Validity::Default);
    let refusal = Profile::builtin("client").unwrap().admit(request, terms).unwrap_err();
    assert_eq!(refusal.code(), "extended_key_usage");
    assert!(refusal.to_string().contains("1.3.6.1.5.5.7.3.1"));
}

#[test]
fn possession_is_proven_or_nothing_is() {
    let key = SoftwareKey::generate(KeyType::P256).unwrap();
    let other = SoftwareKey::generate(KeyType::P256).unwrap();
    let mine = pkcs10(&key, "app-1", &[]);
    let view = rustmq_pki::read::RequestRef::read(&mine).unwrap();
    let stolen = signed(&other, view.info);
    let error = CertificateRequest::from_pkcs10(&stolen, None).unwrap_err();
    assert_eq!(error, RequestError::ProofOfPossession);
    let mut trailing = mine.clone();
    trailing.push(0);
    assert!(matches!(
        CertificateRequest::from_pkcs10(&trailing, None),
        Err(RequestError::Malformed(_))
    ));
    assert_eq!(
        CertificateRequest::from_pkcs10_bytes(b"-----BEGIN JUNK-----", None).unwrap_err(),
        RequestError::NotPem
    );
    // Every single-bit change ends in an error, never in a panic or in another request.
    for at in 0..mine.len() {
        let mut changed = mine.clone();
        changed[at] ^= 1;
        assert!(CertificateRequest::from_pkcs10(&changed, None).is_err(), "octet {at}");
    }
}

#[test]
fn what_is_wrong_with_a_request_is_said_by_its_name() {
    let key = SoftwareKey::generate(KeyType::P256).unwrap();
    let der = pkcs10(&key, "app-1", &[]);
    let pem = pem_rfc7468::encode_string("CERTIFICATE REQUEST", pem_rfc7468::LineEnding::LF, &der);
    let pem = pem.unwrap();
    let read = |text: &str| CertificateRequest::from_pkcs10_bytes(text.as_bytes(), None);
    assert!(read(&pem).is_ok());
    for after in ["more text\n", pem.as_str()] {
        assert_eq!(read(&format!("{pem}{after}")).unwrap_err(), RequestError::TrailingText);
    }
    let broken = pem.replace("-----END", "----END");
    assert_eq!(read(&broken).unwrap_err(), RequestError::NotPem);
    // ecdsa-with-SHA1 in place of ecdsa-with-SHA256.
    let sha256 = key.key_type().signature_algorithm();
    let at = der.windows(sha256.len()).rposition(|window| window == sha256).unwrap();
    let sha1 = [0x30, 0x09, 6, 7, 0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1];
    let request = rustmq_pki::read::RequestRef::read(&der).unwrap();
    let weak = encoded(|e| {
        e.nested(tag::SEQUENCE, |e| {
            _ = e.raw(request.info).raw(&sha1).raw(&der[at + sha256.len()..]);
        });
    });
    let refused = CertificateRequest::from_pkcs10(&weak, None).unwrap_err();
    assert_eq!(refused, RequestError::SignatureAlgorithm("SHA-1 (ecdsa-with-SHA1)".to_owned()));
    assert_eq!(CertificateRequest::claimed_common_name(&weak).as_deref(), Some("app-1"));
    assert_eq!(CertificateRequest::claimed_common_name(pem.as_bytes()).as_deref(), Some("app-1"));
    assert_eq!(CertificateRequest::claimed_common_name(b"junk"), None);
}

#[test]
fn renewing_keeps_subject_and_names() {
    let ca = hierarchy(
        KeyType::P256,
        Options { trust_domain: Some("example.org"), ..Options::default() },
    )
    .intermediate;
    let old = sign(&ca, admit(&ca, "broker", "b-1", &["10.0.0.7", "b.example"]).unwrap());
    let fresh = key(KeyType::Ed25519).public_key().clone();
    let request = CertificateRequest::renewing(&old, fresh, ca.ca().trust_domain()).unwrap();
    let terms = terms(IssuedBy::Ca(ca.ca()), Validity::Default);
    let new = sign(&ca, Profile::builtin("broker").unwrap().admit(request, terms).unwrap());
    let (old, new) = (old.view(), new.view());
    assert_eq!(old.subject.der, new.subject.der);
    let value = |view: &rustmq_pki::read::CertificateRef<'_>| {
        view.extensions.find(oid::SUBJECT_ALT_NAME).unwrap().value.to_vec()
    };
    assert_eq!(value(&old), value(&new));
    assert_ne!(old.spki.der, new.spki.der);
}
