use proptest::prelude::*;
use rustmq_pki::key::software::SoftwareKey;
use rustmq_pki::key::{KeyType, Signer};

use super::*;

const CERTIFICATE: &[u8] = include_bytes!("../../../pki/testdata/certificate.der");
const REQUEST: &[u8] = include_bytes!("../../../pki/testdata/request.der");
const CRL: &[u8] = include_bytes!("../../../pki/testdata/crl.der");

fn terms() -> Terms {
    Terms { now: "2026-11-23T12:00:00Z".parse().unwrap(), entries: 20 }
}

fn described(bytes: &[u8]) -> Vec<Result<Value, InspectError>> {
    let items = split(bytes);
    items.iter().map(|item| describe(item, terms()).map(|d| d.json())).collect()
}

fn only(bytes: &[u8]) -> Value {
    let mut all = described(bytes);
    assert_eq!(all.len(), 1);
    all.remove(0).unwrap()
}

fn pem(label: &str, der: &[u8]) -> String {
    pem_rfc7468::encode_string(label, pem_rfc7468::LineEnding::LF, der).unwrap()
}

fn extension<'v>(object: &'v Value, name: &str) -> &'v Value {
    let all = object["extensions"].as_array().unwrap();
    all.iter().find(|extension| extension["name"] == name).unwrap()
}

#[test]
fn every_extension_of_a_certificate_is_told() {
    let certificate = only(CERTIFICATE);
    assert_eq!(certificate["kind"], "certificate");
    assert_eq!(certificate["serial"], "ff01");
    assert_eq!(certificate["key"], "P-256");
    assert_eq!(certificate["self_signed"], true);
    let basic = extension(&certificate, "basicConstraints");
    assert_eq!(basic["critical"], true);
    assert_eq!(basic["value"], json!(["a CA", "at most 3 more levels of CAs may follow"]));
    assert_eq!(extension(&certificate, "keyUsage")["value"], json!(["keyCertSign, cRLSign"]));
    let unknown = extension(&certificate, "1.2.3.4.5.6");
    assert_eq!(unknown["value"], json!([]));
    assert!(!unknown["hex"].as_str().unwrap().is_empty());
    let role = extension(&certificate, "subjectDirectoryAttributes");
    assert_eq!(role["value"][0], "role uri:urn:rustmq:role:broker");
    let all = certificate["extensions"].as_array().unwrap();
    assert!(all.iter().all(|extension| extension["error"].is_null()), "{all:?}");
    assert_eq!(certificate["rules"]["mtls"][0]["reason"], "mtls_leaf_is_ca");
}

#[test]
fn a_request_proves_possession_or_does_not() {
    assert_eq!(only(REQUEST)["proof_of_possession"], true);
    let mut forged = REQUEST.to_vec();
    let at = forged.windows(7).position(|window| window == b"Example").unwrap();
    forged[at] ^= 1;
    assert_eq!(only(&forged)["proof_of_possession"], false);
}

#[test]
fn a_revocation_list_and_how_much_of_it_is_shown() {
    let crl = only(CRL);
    assert_eq!((&crl["kind"], &crl["revoked_count"]), (&json!("crl"), &json!(2)));
    assert_eq!(crl["revoked"][1]["serial"], "80ff");
    assert_eq!(crl["revoked"][1]["reason"], "keyCompromise");
    let few = Terms { entries: 1, ..terms() };
    let shown = describe(&split(CRL)[0], few).unwrap();
    assert_eq!(shown.json()["revoked"].as_array().unwrap().len(), 1);
    assert!(shown.lines().iter().any(|(_, text, _)| text.starts_with("and 1 more")));
}

#[test]
fn bundles_show_each_object_in_order() {
    let text = format!(
        "some words\n{}{}{}",
        pem("CERTIFICATE", CERTIFICATE),
        pem("X509 CRL", CRL),
        pem("CERTIFICATE REQUEST", REQUEST)
    );
    let all: Vec<_> = described(text.as_bytes()).into_iter().map(Result::unwrap).collect();
    let kinds: Vec<_> = all.iter().map(|object| object["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["certificate", "crl", "request"]);
    assert_eq!(described(&[CERTIFICATE, CRL].concat()).len(), 2);
}

#[test]
fn a_private_key_is_named_and_not_shown() {
    let key = SoftwareKey::generate(KeyType::P256).unwrap();
    let der = key.to_pkcs8().unwrap();
    for bytes in [der.to_vec(), pem("PRIVATE KEY", &der).into_bytes()] {
        let shown = only(&bytes);
        assert_eq!(shown["kind"], "private_key");
        assert_eq!(shown["key_type"], "P-256 (PKCS#8)");
        assert_eq!(shown.as_object().unwrap().len(), 2, "nothing else: {shown}");
    }
    let traditional = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n";
    assert!(only(traditional.as_bytes())["key_type"].as_str().unwrap().starts_with("RSA"));
    assert_eq!(only(key.public_key().spki())["key"], "P-256");
}

#[test]
fn what_is_wrong_and_where() {
    let error = |bytes: &[u8]| described(bytes).remove(0).unwrap_err();
    assert_eq!(error(b""), InspectError::Unknown);
    assert_eq!(error(b"hello"), InspectError::Unknown);
    assert_eq!(error(b"\x30\x80\x00\x00"), InspectError::Unknown);
    let damaged = "one\n-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n";
    assert!(matches!(error(damaged.as_bytes()), InspectError::Pem { line: 2, .. }));
    let other = pem("DH PARAMETERS", &[0x30, 0]);
    assert!(matches!(error(other.as_bytes()), InspectError::Label { .. }));
    let short = pem("CERTIFICATE", &CERTIFICATE[..100]);
    let text = error(short.as_bytes()).to_string();
    assert!(text.starts_with("no well-formed certificate: Certificate: "), "{text}");
}

proptest! {
    #[test]
    fn random_octets_never_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        described(&bytes);
    }

    #[test]
    fn random_structures_never_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        for label in ["CERTIFICATE", "X509 CRL", "OCSP RESPONSE", "PRIVATE KEY", "PUBLIC KEY"] {
            described(pem(label, &bytes).as_bytes());
        }
    }

    #[test]
    fn a_flipped_bit_never_makes_it_panic(
        which in 0_usize..3, at in any::<prop::sample::Index>(), bit in 0_u8..8
    ) {
        let mut der = [CERTIFICATE, REQUEST, CRL][which].to_vec();
        let at = at.index(der.len());
        der[at] ^= 1 << bit;
        for item in &split(&der) {
            if let Ok(description) = describe(item, terms()) {
                let _ = (description.title(), description.extension_lines());
            }
        }
    }
}
