//! Object identifiers: of any size, compared as their encoded octets.

use std::fmt;

/// An OBJECT IDENTIFIER as the octets of its contents. Arcs may have any size.
///
/// Displays as dotted decimals, beyond 128 octets as its length. Compares with the constants of this module: `oid == oid::COMMON_NAME`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Oid<'a>(&'a [u8]);

impl<'a> Oid<'a> {
    /// The identifier with these contents; `None` if they are empty, cut off, or an arc is padded.
    pub fn from_contents(contents: &'a [u8]) -> Option<Self> {
        // Whether the next octet begins an arc.
        let mut begins = true;
        for octet in contents {
            if begins && *octet == 0x80 {
                return None;
            }
            begins = octet & 0x80 == 0;
        }
        (begins && !contents.is_empty()).then_some(Self(contents))
    }

    /// Contents that [`Self::from_contents`] has checked.
    pub(crate) const fn assume_checked(contents: &'a [u8]) -> Self {
        Self(contents)
    }

    /// The octets of the contents.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }
}

impl PartialEq<&[u8]> for Oid<'_> {
    fn eq(&self, other: &&[u8]) -> bool {
        self.0 == *other
    }
}

impl PartialEq<[u8]> for Oid<'_> {
    fn eq(&self, other: &[u8]) -> bool {
        self.0 == other
    }
}

impl fmt::Debug for Oid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Longest content octets that are shown as decimals. The work grows with the square of the length,
/// and an identifier that anybody registered has some 20 octets.
const LONGEST_SHOWN: usize = 128;

impl fmt::Display for Oid<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.len() > LONGEST_SHOWN {
            return write!(f, "an OID of {} octets", self.0.len());
        }
        let mut arcs = self.0.split_inclusive(|octet| octet & 0x80 == 0);
        let first = arcs.next().unwrap_or(&[0]);
        write_first_arcs(first, f)?;
        for arc in arcs {
            f.write_str(".")?;
            write_decimal(&base_128_digits(arc), f)?;
        }
        Ok(())
    }
}

/// The first subidentifier holds two arcs: 40 * first + second, where the first is 0, 1 or 2.
fn write_first_arcs(octets: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match octets {
        [octet @ 0..=79] => write!(f, "{}.{}", octet / 40, octet % 40),
        _ => {
            f.write_str("2.")?;
            write_decimal(&minus_80(base_128_digits(octets)), f)
        }
    }
}

/// Base-10^9 limbs, least significant first, of a base-128 number: no arc is too large to show.
fn base_128_digits(octets: &[u8]) -> Vec<u32> {
    const BASE: u64 = 1_000_000_000;
    let mut limbs = vec![0_u32];
    for octet in octets {
        let mut carry = u64::from(octet & 0x7f);
        for limb in &mut limbs {
            let value = u64::from(*limb) * 128 + carry;
            *limb = u32::try_from(value % BASE).unwrap_or(0);
            carry = value / BASE;
        }
        if carry > 0 {
            limbs.push(u32::try_from(carry).unwrap_or(0));
        }
    }
    limbs
}

fn minus_80(mut limbs: Vec<u32>) -> Vec<u32> {
    let mut borrow = 80;
    for limb in &mut limbs {
        if *limb >= borrow {
            *limb -= borrow;
            break;
        }
        *limb = *limb + 1_000_000_000 - borrow;
        borrow = 1;
    }
    while limbs.len() > 1 && limbs.last() == Some(&0) {
        limbs.pop();
    }
    limbs
}

fn write_decimal(limbs: &[u32], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let mut limbs = limbs.iter().rev();
    write!(f, "{}", limbs.next().unwrap_or(&0))?;
    limbs.try_for_each(|limb| write!(f, "{limb:09}"))
}

/// The contents of the identifier written as dotted decimals such as `2.5.29.32.0`, with arcs of up
/// to 128 bits; `None` if the text is not such an identifier.
pub fn parse_dotted(text: &str) -> Option<Vec<u8>> {
    let mut arcs = text.split('.').map(|arc| {
        let digits = !arc.is_empty() && arc.bytes().all(|byte| byte.is_ascii_digit());
        let padded = arc.len() > 1 && arc.starts_with('0');
        (digits && !padded).then(|| arc.parse::<u128>().ok()).flatten()
    });
    let (first, second) = (arcs.next()??, arcs.next()??);
    if first > 2 || (first < 2 && second > 39) {
        return None;
    }
    let mut contents = Vec::new();
    push_base_128(&mut contents, second.checked_add(first * 40)?);
    for arc in arcs {
        push_base_128(&mut contents, arc?);
    }
    Some(contents)
}

fn push_base_128(contents: &mut Vec<u8>, value: u128) {
    let groups = (128 - value.leading_zeros()).div_ceil(7).max(1);
    for group in (0..groups).rev() {
        let low = u8::try_from(value >> (7 * group) & 0x7f).unwrap_or(0);
        contents.push(if group == 0 { low } else { low | 0x80 });
    }
}

macro_rules! oids {
    ($($(#[$doc:meta])* $name:ident = $bytes:expr;)*) => {
        $($(#[$doc])* pub const $name: &[u8] = &$bytes;)*
    };
}

oids! {
    /// commonName 2.5.4.3.
    COMMON_NAME = [0x55, 4, 3];
    /// surname 2.5.4.4.
    SURNAME = [0x55, 4, 4];
    /// serialNumber 2.5.4.5.
    SERIAL_NUMBER = [0x55, 4, 5];
    /// countryName 2.5.4.6.
    COUNTRY = [0x55, 4, 6];
    /// localityName 2.5.4.7.
    LOCALITY = [0x55, 4, 7];
    /// stateOrProvinceName 2.5.4.8.
    STATE = [0x55, 4, 8];
    /// streetAddress 2.5.4.9.
    STREET = [0x55, 4, 9];
    /// organizationName 2.5.4.10.
    ORGANIZATION = [0x55, 4, 10];
    /// organizationalUnitName 2.5.4.11.
    ORGANIZATIONAL_UNIT = [0x55, 4, 11];
    /// title 2.5.4.12.
    TITLE = [0x55, 4, 12];
    /// givenName 2.5.4.42.
    GIVEN_NAME = [0x55, 4, 42];
    /// role 2.5.4.72 (RFC 5755 4.4.5).
    ROLE = [0x55, 4, 72];
    /// organizationIdentifier 2.5.4.97.
    ORGANIZATION_IDENTIFIER = [0x55, 4, 97];
    /// userId 0.9.2342.19200300.100.1.1.
    USER_ID = [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 1];
    /// domainComponent 0.9.2342.19200300.100.1.25.
    DOMAIN_COMPONENT = [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25];
    /// emailAddress 1.2.840.113549.1.9.1.
    EMAIL_ADDRESS = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1];
    /// extensionRequest 1.2.840.113549.1.9.14.
    EXTENSION_REQUEST = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 14];
    /// challengePassword 1.2.840.113549.1.9.7.
    CHALLENGE_PASSWORD = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 7];

    /// subjectDirectoryAttributes 2.5.29.9.
    SUBJECT_DIRECTORY_ATTRIBUTES = [0x55, 29, 9];
    /// subjectKeyIdentifier 2.5.29.14.
    SUBJECT_KEY_IDENTIFIER = [0x55, 29, 14];
    /// keyUsage 2.5.29.15.
    KEY_USAGE = [0x55, 29, 15];
    /// subjectAltName 2.5.29.17.
    SUBJECT_ALT_NAME = [0x55, 29, 17];
    /// issuerAltName 2.5.29.18.
    ISSUER_ALT_NAME = [0x55, 29, 18];
    /// basicConstraints 2.5.29.19.
    BASIC_CONSTRAINTS = [0x55, 29, 19];
    /// cRLNumber 2.5.29.20.
    CRL_NUMBER = [0x55, 29, 20];
    /// reasonCode 2.5.29.21.
    REASON_CODE = [0x55, 29, 21];
    /// invalidityDate 2.5.29.24.
    INVALIDITY_DATE = [0x55, 29, 24];
    /// deltaCRLIndicator 2.5.29.27.
    DELTA_CRL_INDICATOR = [0x55, 29, 27];
    /// issuingDistributionPoint 2.5.29.28.
    ISSUING_DISTRIBUTION_POINT = [0x55, 29, 28];
    /// certificateIssuer 2.5.29.29.
    CERTIFICATE_ISSUER = [0x55, 29, 29];
    /// nameConstraints 2.5.29.30.
    NAME_CONSTRAINTS = [0x55, 29, 30];
    /// cRLDistributionPoints 2.5.29.31.
    CRL_DISTRIBUTION_POINTS = [0x55, 29, 31];
    /// certificatePolicies 2.5.29.32.
    CERTIFICATE_POLICIES = [0x55, 29, 32];
    /// anyPolicy 2.5.29.32.0.
    ANY_POLICY = [0x55, 29, 32, 0];
    /// policyMappings 2.5.29.33.
    POLICY_MAPPINGS = [0x55, 29, 33];
    /// authorityKeyIdentifier 2.5.29.35.
    AUTHORITY_KEY_IDENTIFIER = [0x55, 29, 35];
    /// policyConstraints 2.5.29.36.
    POLICY_CONSTRAINTS = [0x55, 29, 36];
    /// extKeyUsage 2.5.29.37.
    EXTENDED_KEY_USAGE = [0x55, 29, 37];
    /// anyExtendedKeyUsage 2.5.29.37.0.
    ANY_EXTENDED_KEY_USAGE = [0x55, 29, 37, 0];
    /// freshestCRL 2.5.29.46.
    FRESHEST_CRL = [0x55, 29, 46];
    /// inhibitAnyPolicy 2.5.29.54.
    INHIBIT_ANY_POLICY = [0x55, 29, 54];
    /// authorityInfoAccess 1.3.6.1.5.5.7.1.1.
    AUTHORITY_INFO_ACCESS = [0x2b, 6, 1, 5, 5, 7, 1, 1];
    /// subjectInfoAccess 1.3.6.1.5.5.7.1.11.
    SUBJECT_INFO_ACCESS = [0x2b, 6, 1, 5, 5, 7, 1, 11];
    /// id-ad-ocsp 1.3.6.1.5.5.7.48.1; also id-pkix-ocsp.
    AD_OCSP = [0x2b, 6, 1, 5, 5, 7, 48, 1];
    /// id-pkix-ocsp-basic 1.3.6.1.5.5.7.48.1.1.
    OCSP_BASIC = [0x2b, 6, 1, 5, 5, 7, 48, 1, 1];
    /// id-pkix-ocsp-nonce 1.3.6.1.5.5.7.48.1.2.
    OCSP_NONCE = [0x2b, 6, 1, 5, 5, 7, 48, 1, 2];
    /// id-pkix-ocsp-nocheck 1.3.6.1.5.5.7.48.1.5.
    OCSP_NO_CHECK = [0x2b, 6, 1, 5, 5, 7, 48, 1, 5];
    /// id-ad-caIssuers 1.3.6.1.5.5.7.48.2.
    AD_CA_ISSUERS = [0x2b, 6, 1, 5, 5, 7, 48, 2];
    /// id-qt-cps 1.3.6.1.5.5.7.2.1.
    QUALIFIER_CPS = [0x2b, 6, 1, 5, 5, 7, 2, 1];
    /// id-qt-unotice 1.3.6.1.5.5.7.2.2.
    QUALIFIER_USER_NOTICE = [0x2b, 6, 1, 5, 5, 7, 2, 2];
    /// id-kp-serverAuth 1.3.6.1.5.5.7.3.1.
    SERVER_AUTH = [0x2b, 6, 1, 5, 5, 7, 3, 1];
    /// id-kp-clientAuth 1.3.6.1.5.5.7.3.2.
    CLIENT_AUTH = [0x2b, 6, 1, 5, 5, 7, 3, 2];
    /// id-kp-codeSigning 1.3.6.1.5.5.7.3.3.
    CODE_SIGNING = [0x2b, 6, 1, 5, 5, 7, 3, 3];
    /// id-kp-emailProtection 1.3.6.1.5.5.7.3.4.
    EMAIL_PROTECTION = [0x2b, 6, 1, 5, 5, 7, 3, 4];
    /// id-kp-timeStamping 1.3.6.1.5.5.7.3.8.
    TIME_STAMPING = [0x2b, 6, 1, 5, 5, 7, 3, 8];
    /// id-kp-OCSPSigning 1.3.6.1.5.5.7.3.9.
    OCSP_SIGNING = [0x2b, 6, 1, 5, 5, 7, 3, 9];
    /// TLS feature 1.3.6.1.5.5.7.1.24 (RFC 7633).
    TLS_FEATURE = [0x2b, 6, 1, 5, 5, 7, 1, 24];
    /// SmtpUTF8Mailbox 1.3.6.1.5.5.7.8.9 (RFC 9598).
    SMTP_UTF8_MAILBOX = [0x2b, 6, 1, 5, 5, 7, 8, 9];
    /// Certificate transparency poison 1.3.6.1.4.1.11129.2.4.3 (RFC 6962 3.1).
    CT_POISON = [0x2b, 6, 1, 4, 1, 0xd6, 0x79, 2, 4, 3];
    /// Certificate transparency SCT list 1.3.6.1.4.1.11129.2.4.2 (RFC 6962 3.3).
    CT_SCTS = [0x2b, 6, 1, 4, 1, 0xd6, 0x79, 2, 4, 2];

    /// rsaEncryption 1.2.840.113549.1.1.1.
    RSA_ENCRYPTION = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 1];
    /// md2WithRSAEncryption 1.2.840.113549.1.1.2.
    MD2_WITH_RSA = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 2];
    /// md5WithRSAEncryption 1.2.840.113549.1.1.4.
    MD5_WITH_RSA = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 4];
    /// sha1WithRSAEncryption 1.2.840.113549.1.1.5.
    SHA1_WITH_RSA = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 5];
    /// id-mgf1 1.2.840.113549.1.1.8.
    MGF1 = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 8];
    /// id-RSASSA-PSS 1.2.840.113549.1.1.10.
    RSASSA_PSS = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 10];
    /// sha256WithRSAEncryption 1.2.840.113549.1.1.11.
    SHA256_WITH_RSA = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11];
    /// sha384WithRSAEncryption 1.2.840.113549.1.1.12.
    SHA384_WITH_RSA = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 12];
    /// sha512WithRSAEncryption 1.2.840.113549.1.1.13.
    SHA512_WITH_RSA = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 13];
    /// id-ecPublicKey 1.2.840.10045.2.1.
    EC_PUBLIC_KEY = [0x2a, 0x86, 0x48, 0xce, 0x3d, 2, 1];
    /// secp256r1 1.2.840.10045.3.1.7.
    SECP256R1 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 3, 1, 7];
    /// secp384r1 1.3.132.0.34.
    SECP384R1 = [0x2b, 0x81, 0x04, 0, 34];
    /// secp521r1 1.3.132.0.35.
    SECP521R1 = [0x2b, 0x81, 0x04, 0, 35];
    /// ecdsa-with-SHA1 1.2.840.10045.4.1.
    ECDSA_WITH_SHA1 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 1];
    /// ecdsa-with-SHA256 1.2.840.10045.4.3.2.
    ECDSA_WITH_SHA256 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 2];
    /// ecdsa-with-SHA384 1.2.840.10045.4.3.3.
    ECDSA_WITH_SHA384 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 3];
    /// ecdsa-with-SHA512 1.2.840.10045.4.3.4.
    ECDSA_WITH_SHA512 = [0x2a, 0x86, 0x48, 0xce, 0x3d, 4, 3, 4];
    /// id-Ed25519 1.3.101.112.
    ED25519 = [0x2b, 101, 112];
    /// id-dsa 1.2.840.10040.4.1.
    DSA = [0x2a, 0x86, 0x48, 0xce, 0x38, 4, 1];
    /// id-dsa-with-sha1 1.2.840.10040.4.3.
    DSA_WITH_SHA1 = [0x2a, 0x86, 0x48, 0xce, 0x38, 4, 3];
    /// id-ml-dsa-44 2.16.840.1.101.3.4.3.17 (RFC 9881).
    ML_DSA_44 = [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, 17];
    /// id-ml-dsa-65 2.16.840.1.101.3.4.3.18 (RFC 9881).
    ML_DSA_65 = [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, 18];
    /// id-ml-dsa-87 2.16.840.1.101.3.4.3.19 (RFC 9881).
    ML_DSA_87 = [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 3, 19];
    /// id-sha1 1.3.14.3.2.26.
    SHA1 = [0x2b, 14, 3, 2, 26];
    /// id-sha256 2.16.840.1.101.3.4.2.1.
    SHA256 = [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 1];
    /// id-sha384 2.16.840.1.101.3.4.2.2.
    SHA384 = [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 2];
    /// id-sha512 2.16.840.1.101.3.4.2.3.
    SHA512 = [0x60, 0x86, 0x48, 1, 0x65, 3, 4, 2, 3];
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn constants_have_the_dotted_form_of_their_names() {
        for (contents, dotted) in [
            (COMMON_NAME, "2.5.4.3"),
            (DOMAIN_COMPONENT, "0.9.2342.19200300.100.1.25"),
            (EMAIL_ADDRESS, "1.2.840.113549.1.9.1"),
            (OCSP_NO_CHECK, "1.3.6.1.5.5.7.48.1.5"),
            (CT_POISON, "1.3.6.1.4.1.11129.2.4.3"),
            (SECP521R1, "1.3.132.0.35"),
            (ECDSA_WITH_SHA384, "1.2.840.10045.4.3.3"),
            (DSA_WITH_SHA1, "1.2.840.10040.4.3"),
            (ED25519, "1.3.101.112"),
            (ML_DSA_65, "2.16.840.1.101.3.4.3.18"),
            (SHA512_WITH_RSA, "1.2.840.113549.1.1.13"),
        ] {
            assert_eq!(Oid::from_contents(contents).unwrap().to_string(), dotted);
            assert_eq!(parse_dotted(dotted).unwrap(), contents);
        }
    }

    #[test]
    fn arcs_of_any_size_are_shown() {
        // 2.25.UUID: a UUID is an arc of 128 bits.
        let dotted = "2.25.340282366920938463463374607431768211455";
        let contents = parse_dotted(dotted).unwrap();
        assert_eq!(Oid::from_contents(&contents).unwrap().to_string(), dotted);
        // An arc of 2^140, beyond any machine integer.
        let mut contents = vec![0x55, 0x81];
        contents.extend([0x80; 19]);
        contents.push(0x00);
        assert_eq!(
            Oid::from_contents(&contents).unwrap().to_string(),
            "2.5.1393796574908163946345982392040522594123776"
        );
    }

    #[test]
    fn malformed_identifiers() {
        for bad in [&[][..], &[0x80, 1], &[0x55, 0x80, 1], &[0x55, 0x81]] {
            assert!(Oid::from_contents(bad).is_none(), "{bad:?}");
        }
        for bad in ["", "1", "3.1", "1.40", "1.2.", "1..2", "1.2.03", "1.2.x", "1.+2"] {
            assert!(parse_dotted(bad).is_none(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn dotted_and_encoded_are_inverse(
            first in 0_u8..3, second in 0_u8..40, arcs in proptest::collection::vec(any::<u128>(), 0..5)
        ) {
            let dotted = arcs.iter().fold(format!("{first}.{second}"), |d, arc| format!("{d}.{arc}"));
            let contents = parse_dotted(&dotted).unwrap();
            prop_assert_eq!(Oid::from_contents(&contents).unwrap().to_string(), dotted);
        }
    }
}
