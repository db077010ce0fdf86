use super::*;
use crate::der::Reader;
use crate::oid;
use crate::time::UnixTime;
use proptest::prelude::*;

/// Made by OpenSSL: every extension that is known, and a critical one that is not.
const CERTIFICATE: &[u8] = include_bytes!("../../testdata/certificate.der");
const REQUEST: &[u8] = include_bytes!("../../testdata/request.der");
const CRL: &[u8] = include_bytes!("../../testdata/crl.der");

fn certificate() -> CertificateRef<'static> {
    CertificateRef::read(CERTIFICATE).unwrap()
}

#[test]
fn the_fields_of_a_certificate() {
    let certificate = certificate();
    assert_eq!(certificate.version, Version::V3);
    assert_eq!(certificate.serial.as_bytes(), [0x00, 0xff, 0x01]);
    assert_eq!(certificate.subject.to_string(), r"CN=\ broker\+01,O=Example\, Inc.,C=DE");
    assert!(certificate.is_self_issued());
    assert_eq!(certificate.signature_algorithm.oid, oid::ECDSA_WITH_SHA256);
    assert_eq!(certificate.signature_algorithm, certificate.tbs_signature_algorithm);
    assert_eq!(certificate.spki.algorithm.oid, oid::EC_PUBLIC_KEY);
    assert_eq!(certificate.spki.key.len(), 65);
    let validity = certificate.validity;
    assert_eq!(validity.not_before.at.plus_days(3650), validity.not_after.at);
    assert!(validity.contains(validity.not_after.at));
    assert!(!validity.contains(validity.not_after.at.plus_seconds(1)));
    let names: Vec<_> = certificate.subject.values_of(oid::ORGANIZATION).collect();
    assert_eq!(names[0].text().unwrap(), "Example, Inc.");
}

#[test]
fn the_constraints_of_a_certificate() {
    let known = certificate().extensions.known().unwrap();
    let constraints = known.basic_constraints.unwrap();
    assert!(constraints.critical && constraints.value.ca);
    assert_eq!(constraints.value.path_len, Some(3));
    let usage = known.key_usage.unwrap().value;
    assert!(usage.contains(KeyUsage::KEY_CERT_SIGN) && usage.contains(KeyUsage::CRL_SIGN));
    assert!(!usage.contains(KeyUsage::DIGITAL_SIGNATURE));
    let purposes: Vec<_> = known.extended_key_usage.unwrap().value.iter().collect();
    assert!(purposes[0] == oid::SERVER_AUTH && purposes[1] == oid::CLIENT_AUTH);
    let names = known.name_constraints.unwrap().value;
    let permitted: Vec<_> = names.permitted.unwrap().iter().map(|t| t.base.to_string()).collect();
    assert_eq!(permitted, ["dns:.example.com", "ip:10.0.0.0/8"]);
    assert_eq!(
        names.excluded.unwrap().iter().next().unwrap().base.to_string(),
        "email:bad.example"
    );
    assert_eq!(known.unknown_critical.unwrap().to_string(), "1.2.3.4.5.6");
    assert!(known.ocsp_no_check.is_some());
}

#[test]
fn the_policies_of_a_certificate() {
    let known = certificate().extensions.known().unwrap();
    let policies: Vec<_> = known.policies.unwrap().value.iter().map(|p| p.policy).collect();
    assert_eq!(policies[0].to_string(), "1.2.3.4");
    assert!(policies[1] == oid::ANY_POLICY);
    let mapping = known.policy_mappings.unwrap().value.iter().next().unwrap();
    assert_eq!(format!("{} {}", mapping.issuer, mapping.subject), "1.2.3.4 1.2.3.5");
    let constraints = known.policy_constraints.unwrap().value;
    assert_eq!(constraints.require_explicit_policy, Some(2));
    assert_eq!(constraints.inhibit_policy_mapping, Some(1));
    assert_eq!(known.inhibit_any_policy.unwrap().value, 4);
}

#[test]
fn the_names_and_addresses_of_a_certificate() {
    let known = certificate().extensions.known().unwrap();
    let names: Vec<_> = known.alt_names().iter().map(|name| name.to_string()).collect();
    let expected = [
        "dns:broker-01.example",
        "ip:192.0.2.1",
        "ip:2001:db8::1",
        "email:a@example.com",
        "uri:spiffe://example/broker/b1",
        r"dn:CN=\ broker\+01,O=Example\, Inc.,C=DE",
        "other:1.2.3.4",
        "rid:1.2.3.4",
    ];
    assert_eq!(names, expected);
    assert_eq!(known.roles().unwrap(), ["broker"]);
    let point = known.crl_distribution_points.unwrap().value.iter().next().unwrap();
    assert_eq!(point.reasons.unwrap().bits(), 1 << 1 | 1 << 2);
    assert!(point.crl_issuer.is_some());
    let Some(DistributionPointName::Full(full)) = point.name else { panic!("a full name") };
    assert_eq!(full.iter().next().unwrap().to_string(), "uri:http://c.example/x.crl");
    let access: Vec<_> = known.authority_info_access.unwrap().value.iter().collect();
    assert!(access[0].method == oid::AD_OCSP && access[1].method == oid::AD_CA_ISSUERS);
    assert_eq!(known.subject_key_id.unwrap().value.len(), 20);
    let authority = known.authority_key_id.unwrap().value;
    assert_eq!(authority.cert_serial, Some(certificate().serial));
    assert_eq!(authority.cert_issuer.unwrap().iter().count(), 1);
}

#[test]
fn a_request() {
    let request = RequestRef::read(REQUEST).unwrap();
    assert_eq!(request.subject.der, certificate().subject.der);
    assert_eq!(request.spki.der, certificate().spki.der);
    let known = request.extensions.known().unwrap();
    assert_eq!(known.alt_names().iter().count(), 8);
    assert!(!known.is_ca());
    assert!(matches!(RequestRef::read(&REQUEST[..40]), Err(ReadError::Field { .. })));
}

#[test]
fn a_revocation_list() {
    let crl = CrlRef::read(CRL).unwrap();
    assert!(crl.is_v2);
    assert_eq!(crl.issuer.der, certificate().subject.der);
    assert_eq!(crl.known.number.unwrap().0.to_u64(), Some(0x1001));
    assert!(!crl.known.number.unwrap().1);
    let point = crl.known.distribution_point.unwrap();
    assert!(point.indirect && !point.only_ca_certs);
    assert_eq!(point.only_some_reasons.unwrap().bits(), 1 << 1);
    let entries: Vec<_> = crl.entries().map(Result::unwrap).collect();
    assert_eq!((entries[0].reason, entries[0].serial.to_u64()), (None, Some(5)));
    assert_eq!(entries[1].serial.magnitude(), [0x80, 0xff]);
    assert_eq!(entries[1].reason, Some(RevocationReason::KeyCompromise));
    let date: UnixTime = "2025-01-01T00:00:00Z".parse().unwrap();
    assert_eq!(entries[1].invalidity_date, Some(date));
    assert_eq!(entries.len(), 2);
}

#[test]
fn a_list_without_its_entries_has_the_same_header() {
    let crl = CrlRef::read(CRL).unwrap();
    let header = crl.without_entries();
    let alone = CrlRef::read(&header).unwrap();
    assert_eq!(alone.entries().count(), 0);
    assert_eq!((alone.issuer.der, alone.this_update), (crl.issuer.der, crl.this_update));
    assert_eq!((alone.next_update, alone.signature), (crl.next_update, crl.signature));
    assert_eq!(alone.known.number, crl.known.number);
}

#[test]
fn an_extension_that_occurs_twice() {
    let one = [0x30, 0x0a, 0x06, 0x03, 0x55, 29, 14, 0x04, 0x03, 0x04, 0x01, 0xaa];
    let twice = [one, one].concat();
    assert!(Extensions::from_contents(&one).is_ok());
    let error = Extensions::from_contents(&twice).unwrap_err();
    assert_eq!(error, ReadError::DuplicateExtension { oid: "2.5.29.14".to_owned() });
}

#[test]
fn trailing_bytes_and_size() {
    let mut longer = CERTIFICATE.to_vec();
    longer.push(0);
    assert!(matches!(
        CertificateRef::read(&longer),
        Err(ReadError::Field { source: crate::der::DerError::TrailingData { count: 1 }, .. })
    ));
    let huge = vec![0; MAX_CERTIFICATE_SIZE + 1];
    assert!(matches!(CertificateRef::read(&huge), Err(ReadError::TooLarge { .. })));
}

#[test]
fn text_of_every_string_type() {
    let text = |tag: u8, value: &[u8]| {
        let mut der =
            vec![0x30, 0, 0x06, 0x03, 0x55, 4, 3, tag, u8::try_from(value.len()).unwrap()];
        der.extend(value);
        der[1] = u8::try_from(der.len() - 2).unwrap();
        let attribute: Attribute<'_> = crate::der::Element::read(&mut Reader::new(&der)).unwrap();
        attribute.text().map(|text| text.into_owned())
    };
    assert_eq!(text(0x0c, "ä".as_bytes()).unwrap(), "ä");
    assert_eq!(text(0x0c, &[0xff]), None);
    assert_eq!(text(0x13, &[0xe4]), None);
    assert_eq!(text(0x14, &[0xe4]).unwrap(), "ä");
    assert_eq!(text(0x1e, &[0, 0xe4]).unwrap(), "ä");
    assert_eq!(text(0x1e, &[0xe4]), None);
    assert_eq!(text(0x1c, &[0, 0, 0, 0xe4]).unwrap(), "ä");
    assert_eq!(text(0x02, &[1]), None);
}

/// Reads everything that can be read from `der`, whatever it is.
fn read_all(der: &[u8]) {
    if let Ok(certificate) = CertificateRef::read(der) {
        let _ = (certificate.subject.to_string(), certificate.spki.rsa_bits());
        if let Ok(known) = certificate.extensions.known() {
            let _ = known.alt_names().iter().map(|name| name.to_string()).collect::<Vec<_>>();
            let _ = known.roles();
        }
    }
    if let Ok(crl) = CrlRef::read(der) {
        let _ = crl.entries().count();
    }
    let _ = RequestRef::read(der).map(|request| request.extensions.known().is_ok());
}

proptest! {
    #[test]
    fn no_change_of_a_byte_makes_a_reader_panic(
        which in 0_usize..3, at in any::<prop::sample::Index>(), byte in any::<u8>()
    ) {
        let mut der = [CERTIFICATE, REQUEST, CRL][which].to_vec();
        let at = at.index(der.len());
        der[at] = byte;
        read_all(&der);
        read_all(&der[..at]);
    }
}
