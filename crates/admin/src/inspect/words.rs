//! Names that people know for object identifiers, keys and algorithms.

use rustmq_pki::der::Reader;
use rustmq_pki::oid::{self, Oid};
use rustmq_pki::read::{AlgorithmRef, NameRef, SpkiRef};

/// A name as RFC 4514, or that it is empty.
pub(crate) fn name_or_empty(name: &NameRef<'_>) -> String {
    if name.is_empty() { "(empty)".to_owned() } else { name.to_string() }
}

/// The name of an algorithm, purpose, extension or policy; its dotted form if it has none here.
pub(crate) fn name(kind: Oid<'_>) -> String {
    known(kind).map_or_else(|| kind.to_string(), str::to_owned)
}

fn known(kind: Oid<'_>) -> Option<&'static str> {
    NAMES.iter().find(|(octets, _)| kind == *octets).map(|(_, name)| *name)
}

const NAMES: &[(&[u8], &str)] = &[
    (oid::SUBJECT_DIRECTORY_ATTRIBUTES, "subjectDirectoryAttributes"),
    (oid::SUBJECT_KEY_IDENTIFIER, "subjectKeyIdentifier"),
    (oid::KEY_USAGE, "keyUsage"),
    (oid::SUBJECT_ALT_NAME, "subjectAltName"),
    (oid::ISSUER_ALT_NAME, "issuerAltName"),
    (oid::BASIC_CONSTRAINTS, "basicConstraints"),
    (oid::CRL_NUMBER, "cRLNumber"),
    (oid::DELTA_CRL_INDICATOR, "deltaCRLIndicator"),
    (oid::ISSUING_DISTRIBUTION_POINT, "issuingDistributionPoint"),
    (oid::NAME_CONSTRAINTS, "nameConstraints"),
    (oid::CRL_DISTRIBUTION_POINTS, "cRLDistributionPoints"),
    (oid::CERTIFICATE_POLICIES, "certificatePolicies"),
    (oid::ANY_POLICY, "anyPolicy"),
    (oid::POLICY_MAPPINGS, "policyMappings"),
    (oid::AUTHORITY_KEY_IDENTIFIER, "authorityKeyIdentifier"),
    (oid::POLICY_CONSTRAINTS, "policyConstraints"),
    (oid::EXTENDED_KEY_USAGE, "extendedKeyUsage"),
    (oid::ANY_EXTENDED_KEY_USAGE, "anyExtendedKeyUsage"),
    (oid::FRESHEST_CRL, "freshestCRL"),
    (oid::INHIBIT_ANY_POLICY, "inhibitAnyPolicy"),
    (oid::AUTHORITY_INFO_ACCESS, "authorityInfoAccess"),
    (oid::SUBJECT_INFO_ACCESS, "subjectInfoAccess"),
    (oid::AD_OCSP, "OCSP"),
    (oid::AD_CA_ISSUERS, "caIssuers"),
    (oid::OCSP_NONCE, "nonce"),
    (oid::OCSP_NO_CHECK, "ocsp-nocheck"),
    (oid::TLS_FEATURE, "tlsFeature"),
    (oid::CT_POISON, "CT precertificate poison"),
    (oid::CT_SCTS, "CT signed certificate timestamps"),
    (oid::SERVER_AUTH, "serverAuth"),
    (oid::CLIENT_AUTH, "clientAuth"),
    (oid::CODE_SIGNING, "codeSigning"),
    (oid::EMAIL_PROTECTION, "emailProtection"),
    (oid::TIME_STAMPING, "timeStamping"),
    (oid::OCSP_SIGNING, "OCSPSigning"),
    (oid::EXTENSION_REQUEST, "extensionRequest"),
    (oid::CHALLENGE_PASSWORD, "challengePassword"),
    (oid::RSA_ENCRYPTION, "RSA"),
    (oid::MD2_WITH_RSA, "RSA with MD2"),
    (oid::MD5_WITH_RSA, "RSA with MD5"),
    (oid::SHA1_WITH_RSA, "RSA with SHA-1"),
    (oid::SHA256_WITH_RSA, "RSA with SHA-256"),
    (oid::SHA384_WITH_RSA, "RSA with SHA-384"),
    (oid::SHA512_WITH_RSA, "RSA with SHA-512"),
    (oid::RSASSA_PSS, "RSA-PSS"),
    (oid::EC_PUBLIC_KEY, "elliptic curve"),
    (oid::SECP256R1, "P-256"),
    (oid::SECP384R1, "P-384"),
    (oid::SECP521R1, "P-521"),
    (oid::ECDSA_WITH_SHA1, "ECDSA with SHA-1"),
    (oid::ECDSA_WITH_SHA256, "ECDSA with SHA-256"),
    (oid::ECDSA_WITH_SHA384, "ECDSA with SHA-384"),
    (oid::ECDSA_WITH_SHA512, "ECDSA with SHA-512"),
    (oid::ED25519, "Ed25519"),
    (oid::DSA, "DSA"),
    (oid::DSA_WITH_SHA1, "DSA with SHA-1"),
    (oid::ML_DSA_44, "ML-DSA-44"),
    (oid::ML_DSA_65, "ML-DSA-65"),
    (oid::ML_DSA_87, "ML-DSA-87"),
    (oid::SHA1, "SHA-1"),
    (oid::SHA256, "SHA-256"),
    (oid::SHA384, "SHA-384"),
    (oid::SHA512, "SHA-512"),
];

/// Algorithm and size of a key, such as `P-256` or `RSA, 2048 bits`.
pub(crate) fn key(spki: &SpkiRef<'_>) -> String {
    match spki.rsa_bits() {
        Some(bits) => format!("{}, {bits} bits", name(spki.algorithm.oid)),
        None => key_algorithm(&spki.algorithm),
    }
}

/// The curve of an elliptic-curve key, the name of any other algorithm.
pub(super) fn key_algorithm(algorithm: &AlgorithmRef<'_>) -> String {
    let curve = algorithm
        .parameters
        .filter(|_| algorithm.oid == oid::EC_PUBLIC_KEY)
        .and_then(|parameters| Reader::new(parameters.whole).oid().ok());
    curve.map_or_else(
        || name(algorithm.oid),
        |curve| match known(curve) {
            Some(known) => known.to_owned(),
            None => format!("elliptic curve {curve}"),
        },
    )
}
