//! Why a peer is refused: the rule, the certificate that breaks it, and what would satisfy it.

use std::fmt;
use std::sync::Arc;

use rustmq_pki::read::{CertificateRef, ReadError};
use rustmq_pki::time::UnixTime;

use crate::certificate::Certificate;

macro_rules! rules {
    ($($name:ident $code:literal $rfc:literal $says:literal $mend:literal;)*) => {
        /// A rule that a certificate, a path or a question can break. Each has a stable code, the
        /// section that states it, a sentence that says what is wrong and one that says what would
        /// be right.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Rule {
            $(#[doc = $says] #[doc = concat!("(", $rfc, ")")] $name,)*
        }

        impl Rule {
            /// Every rule, in the order of the table.
            pub const ALL: &[Self] = &[$(Self::$name,)*];

            /// The stable code, as in JSON output.
            pub const fn code(self) -> &'static str {
                match self { $(Self::$name => $code,)* }
            }

            /// The section that states the rule.
            pub const fn rfc(self) -> &'static str {
                match self { $(Self::$name => $rfc,)* }
            }

            /// What is wrong.
            pub const fn says(self) -> &'static str {
                match self { $(Self::$name => $says,)* }
            }

            /// What would be right.
            pub const fn remedy(self) -> &'static str {
                match self { $(Self::$name => $mend,)* }
            }
        }
    };
}

rules! {
    EmptyChain "empty_chain" "RFC 8446 4.4.2" "the peer sent no certificate" "send the certificate and its intermediates";
    TooManyCertificates "too_many_certificates" "RFC 5280 6.1" "more certificates than one question may hold" "send only the certificates between the leaf and the anchor";
    CertificateTooLarge "certificate_too_large" "RFC 5280 4.1" "the certificate is larger than any that is read" "issue it with fewer names or policies";
    Malformed "malformed" "RFC 5280 4.1" "the certificate is not DER of the form that the standard gives" "issue it anew; no byte of it may be changed afterwards";
    NoAnchor "no_trust_anchor" "RFC 5280 6.1.1" "no trust anchor was given that can be read" "give the root certificates to trust";
    NoIssuer "no_path_to_anchor" "RFC 5280 6.1" "no certificate of its issuer leads to a trust anchor" "send the missing intermediate, or trust the root that issued it";
    AnchorNotCa "anchor_not_ca" "RFC 5280 4.2.1.9" "the trust anchor is the certificate of an end entity" "trust the certificate of the CA";
    SignatureInvalid "signature_invalid" "RFC 5280 6.1.3" "the signature does not verify under the issuer's key" "send the issuer certificate whose key signed it, or issue it anew";
    SignatureAlgorithmUnsupported "signature_algorithm_unsupported" "RFC 5280 4.1.1.2" "the signature algorithm is unknown or does not fit the issuer's key" "sign with RSA PKCS#1 or PSS, ECDSA on P-256, P-384 or P-521, Ed25519 or ML-DSA";
    SignatureAlgorithmWeak "signature_algorithm_weak" "RFC 9155" "the signature uses MD2, MD5 or SHA-1" "sign with SHA-256 or better";
    SignatureAlgorithmMismatch "signature_algorithm_mismatch" "RFC 5280 4.1.1.2" "the signature algorithms inside and outside of the signed bytes differ" "issue it with the same algorithm in both places";
    KeyMalformed "key_malformed" "RFC 5280 4.1.2.7" "the public key is not of the form that its algorithm has" "issue it with a key in the form that the standard gives";
    NotYetValid "not_yet_valid" "RFC 5280 6.1.3" "the certificate is not valid yet" "wait until its notBefore, or set the clock right";
    Expired "expired" "RFC 5280 6.1.3" "the certificate has expired" "renew it";
    NotCa "not_a_ca" "RFC 5280 6.1.4" "it signed a certificate, but basicConstraints does not make it a CA" "have a CA sign the certificate";
    NoCertSign "key_cert_sign_missing" "RFC 5280 6.1.4" "it signed a certificate, but its keyUsage lacks keyCertSign" "issue the CA certificate with keyCertSign";
    PathTooLong "path_length_exceeded" "RFC 5280 6.1.4" "more intermediates follow it than its pathLenConstraint allows" "issue under a CA that is nearer to the anchor, or with a larger path length";
    DepthExceeded "max_depth_exceeded" "RFC 5280 6.1" "more intermediates than the caller allows" "raise the depth, or issue nearer to the anchor";
    UnknownCriticalExtension "unknown_critical_extension" "RFC 5280 4.2" "a critical extension is unknown" "issue it without the extension, or not critical";
    PurposeNotAllowed "purpose_not_allowed" "RFC 5280 4.2.1.12" "extendedKeyUsage does not allow the purpose" "issue it with the extended key usage of the purpose";
    NameNotPermitted "name_not_permitted" "RFC 5280 4.2.1.10" "a name lies outside of what a CA's name constraints permit" "issue it with names that the CA may certify";
    NameExcluded "name_excluded" "RFC 5280 4.2.1.10" "a name lies in what a CA's name constraints exclude" "issue it with names that the CA may certify";
    NameConstraintUnsupported "name_constraint_unsupported" "RFC 5280 4.2.1.10" "a name has a form that a critical name constraint limits and that is not known here" "constrain DNS, IP, email, URI or directory names only";
    NameConstraintMalformed "name_constraint_malformed" "RFC 5280 4.2.1.10" "a name constraint is not a name or range of its form" "issue the CA certificate with a constraint of the form that the standard gives";
    NameMalformed "name_malformed" "RFC 5280 4.2.1.6" "a name that a constraint limits is not a name of its form" "issue it with a name that is one";
    PolicyNotAllowed "policy_not_satisfied" "RFC 5280 6.1.5" "a certificate policy is required, and none is valid for the whole path" "issue every certificate of the path with an acceptable policy";
    AnyPolicyMapped "any_policy_mapped" "RFC 5280 6.1.4" "policyMappings maps anyPolicy" "map named policies only";
    NameMismatch "name_mismatch" "RFC 9525 6" "no subjectAltName matches the name that was asked for" "issue it with that name as a subjectAltName; the common name does not count";
    ReferenceNameInvalid "reference_name_invalid" "RFC 9525 6.1" "the name that was asked for can never match" "ask for a DNS name, an IP address or a mailbox";
    BudgetExceeded "budget_exceeded" "RFC 5280 6.1" "the search for a path took more work than is allowed" "send fewer certificates and names";
    RevocationUnknown "revocation_unknown" "RFC 5280 6.3" "nothing that is usable says whether it is revoked" "give a current CRL or OCSP response of its issuer";
    Revoked "revoked" "RFC 5280 6.3" "it is revoked" "issue a new certificate with a new key";

    NotDer "not_der" "RFC 5280 4.1" "the certificate can be read, but is not encoded as DER" "issue it anew with DER, which has one encoding for each value";
    SerialNegative "serial_negative" "RFC 5280 4.1.2.2" "the serial number is negative" "issue it with a positive serial number";
    SerialZero "serial_zero" "RFC 5280 4.1.2.2" "the serial number is zero" "issue it with a positive serial number";
    SerialTooLong "serial_too_long" "RFC 5280 4.1.2.2" "the serial number has more than 20 octets" "issue it with a shorter serial number";
    IssuerEmpty "issuer_empty" "RFC 5280 4.1.2.4" "the issuer name is empty" "issue it under a CA with a name";
    CaSubjectEmpty "ca_subject_empty" "RFC 5280 4.1.2.6" "a CA has an empty subject" "issue the CA certificate with a name";
    TimeEncoding "time_encoding" "RFC 5280 4.1.2.5" "a date before 2050 is a GeneralizedTime" "encode dates through 2049 as UTCTime";
    UniqueIds "unique_identifiers" "RFC 5280 4.1.2.8" "it has a unique identifier" "issue it without";
    AkiCritical "aki_critical" "RFC 5280 4.2.1.1" "authorityKeyIdentifier is critical" "issue it with the extension not critical";
    AkiMissing "aki_missing" "RFC 5280 4.2.1.1" "authorityKeyIdentifier with a key identifier is missing" "issue it with the extension";
    AkiIncomplete "aki_incomplete" "RFC 5280 4.2.1.1" "authorityKeyIdentifier has one of issuer and serial number without the other" "issue it with both or neither";
    SkiCritical "ski_critical" "RFC 5280 4.2.1.2" "subjectKeyIdentifier is critical" "issue it with the extension not critical";
    SkiMissing "ski_missing" "RFC 5280 4.2.1.2" "a CA has no subjectKeyIdentifier" "issue the CA certificate with the extension";
    KeyUsageMissing "key_usage_missing" "RFC 5280 4.2.1.3" "a CA has no keyUsage" "issue the CA certificate with keyCertSign and cRLSign";
    KeyUsageEmpty "key_usage_empty" "RFC 5280 4.2.1.3" "keyUsage has no bit set" "issue it with the uses that it has, or without the extension";
    KeyUsageCertSignWithoutCa "key_cert_sign_without_ca" "RFC 5280 4.2.1.9" "keyCertSign is set, but it is no CA" "issue it without keyCertSign";
    PolicyRepeated "policy_repeated" "RFC 5280 4.2.1.4" "a certificate policy occurs twice" "issue it with each policy once";
    SanMissing "san_missing" "RFC 5280 4.1.2.6" "subject and subjectAltName are both empty" "issue it with a name";
    SanNotCritical "san_not_critical" "RFC 5280 4.2.1.6" "the subject is empty, but subjectAltName is not critical" "issue it with the extension critical";
    SanMalformed "san_malformed" "RFC 5280 4.2.1.6" "a subjectAltName is not a name of its form" "issue it with a DNS name, IP address, mailbox or URI that is one";
    DirectoryAttributesCritical "directory_attributes_critical" "RFC 5280 4.2.1.8" "subjectDirectoryAttributes is critical" "issue it with the extension not critical";
    BasicConstraintsMissing "basic_constraints_missing" "RFC 5280 4.2.1.9" "a CA has no basicConstraints" "issue the CA certificate with the extension";
    BasicConstraintsNotCritical "basic_constraints_not_critical" "RFC 5280 4.2.1.9" "a CA's basicConstraints is not critical" "issue the CA certificate with the extension critical";
    PathLenWithoutCa "path_length_without_ca" "RFC 5280 4.2.1.9" "pathLenConstraint is present, but it is no CA" "issue it without the path length";
    NameConstraintsInLeaf "name_constraints_without_ca" "RFC 5280 4.2.1.10" "nameConstraints is present, but it is no CA" "issue it without the extension";
    NameConstraintsNotCritical "name_constraints_not_critical" "RFC 5280 4.2.1.10" "nameConstraints is not critical" "issue the CA certificate with the extension critical";
    NameConstraintsEmpty "name_constraints_empty" "RFC 5280 4.2.1.10" "nameConstraints neither permits nor excludes anything" "issue the CA certificate with a constraint or without the extension";
    PolicyConstraintsNotCritical "policy_constraints_not_critical" "RFC 5280 4.2.1.11" "policyConstraints is not critical" "issue the CA certificate with the extension critical";
    PolicyConstraintsEmpty "policy_constraints_empty" "RFC 5280 4.2.1.11" "policyConstraints is empty" "issue the CA certificate with a constraint or without the extension";
    DistributionPointEmpty "distribution_point_empty" "RFC 5280 4.2.1.13" "a CRL distribution point has neither a name nor a CRL issuer" "issue it with an address";
    InhibitAnyPolicyNotCritical "inhibit_any_policy_not_critical" "RFC 5280 4.2.1.14" "inhibitAnyPolicy is not critical" "issue the CA certificate with the extension critical";
    FreshestCrlCritical "freshest_crl_critical" "RFC 5280 4.2.1.15" "freshestCRL is critical" "issue it with the extension not critical";
    InfoAccessCritical "info_access_critical" "RFC 5280 4.2.2.1" "authorityInfoAccess or subjectInfoAccess is critical" "issue it with the extension not critical";

    VersionNot3 "version_not_3" "CA/B BR 7.1.1" "it is not of version 3" "issue it as version 3";
    KeyForbidden "key_forbidden" "CA/B BR 6.1.5" "the key is of a kind or size that is not allowed" "use RSA of at least 2048 bits in whole octets, P-256, P-384 or P-521";
    SignatureForbidden "signature_forbidden" "CA/B BR 7.1.3.2" "the signature algorithm is not one that is allowed" "sign with RSA or with ECDSA on a NIST curve";
    AkiFormForbidden "aki_form_forbidden" "CA/B BR 7.1.2.11.1" "authorityKeyIdentifier names an issuer or serial number, or no key" "issue it with the key identifier alone";
    RootAkiMismatch "root_aki_mismatch" "CA/B BR 7.1.2.1.3" "a root's authorityKeyIdentifier is not its own subjectKeyIdentifier" "issue the root with the same identifier in both";
    RootHasEku "root_has_eku" "CA/B BR 7.1.2.1.2" "a root has extendedKeyUsage" "issue the root without the extension";
    EkuMissing "eku_missing" "CA/B BR 7.1.2.7.6" "the leaf has no extendedKeyUsage" "issue it with the extended key usage of the purpose";
    EkuAny "eku_any" "CA/B BR 7.1.2.7.10" "the leaf has anyExtendedKeyUsage" "issue it with the extended key usage of the purpose";
    EkuForbidden "eku_forbidden" "CA/B BR 7.1.2.7.10" "a server's certificate has a purpose that does not go with it" "issue a certificate of its own for the other purpose";
    KeyUsageCrlSignWithoutCa "crl_sign_without_ca" "CA/B BR 7.1.2.7.11" "cRLSign is set, but it is no CA" "issue it without cRLSign";
    EkuCritical "eku_critical" "CA/B BR 7.1.2.7.6" "the leaf's extendedKeyUsage is critical" "issue it with the extension not critical";
    LeafIsCa "leaf_is_ca" "CA/B BR 7.1.2.7.8" "the leaf is a CA" "use the certificate of an end entity";
    SanRequired "san_required" "CA/B BR 7.1.2.7.12" "the leaf has no subjectAltName" "issue it with its names as subjectAltName";
    SanCritical "san_critical" "CA/B BR 7.1.2.7.12" "subjectAltName is critical, but the subject is not empty" "issue it with the extension not critical";
    SanFormForbidden "san_form_forbidden" "CA/B BR 7.1.2.7.12" "a subjectAltName is neither a DNS name nor an IP address" "issue it with DNS names and IP addresses only";
    WildcardForbidden "wildcard_forbidden" "CA/B BR 3.2.2.6" "a wildcard is not the whole leftmost label above at least two others" "issue it for the names that are meant";
    CommonNameNotInSan "common_name_not_in_san" "CA/B BR 7.1.4.3" "the common name is not the same, character for character, as a subjectAltName" "issue it with the name in both, or without a common name";
    InfoAccessForm "info_access_form" "CA/B BR 7.1.2.7.7" "authorityInfoAccess holds something else than the URI of OCSP or of the issuer" "issue it with http URIs";

    MtlsEkuMissing "mtls_eku_missing" "RFC 5280 4.2.1.12" "mTLS needs extendedKeyUsage, and there is none" "issue it with clientAuth for clients, serverAuth for servers";
    MtlsKeyUsage "mtls_key_usage" "RFC 8446 4.4.2.2" "the key signs the handshake of mTLS, and keyUsage lacks digitalSignature" "issue it with digitalSignature";
    MtlsLeafIsCa "mtls_leaf_is_ca" "RFC 5280 4.2.1.9" "a CA certificate is not a peer of mTLS" "issue an end-entity certificate for the peer";
    MtlsRoleMissing "role_missing" "RFC 5755 4.4.5" "the certificate names no role" "issue it with --role, or configure a role for its issuer";
    MtlsRoleNotAllowed "role_not_allowed" "RFC 5755 4.4.5" "the role is not among those that are allowed here" "use a certificate of an allowed role";
    MtlsRoleAmbiguous "role_ambiguous" "RFC 5755 4.4.5" "the certificate names more than one role, or disagrees with its SPIFFE path" "issue it with one role";
    MtlsKeyTooSmall "key_too_small" "NIST SP 800-131A" "an RSA key of the path has fewer than 2048 bits" "use RSA of at least 2048 bits or P-256";
    MtlsWeakSignature "weak_signature" "RFC 9155" "a signature of the path uses SHA-1" "issue the certificate anew with SHA-256 or better";
    PrincipalMissing "principal_missing" "RFC 9525 2" "the configured rule yields no principal" "issue it with the name that the rule takes, or configure another rule";
    PrincipalAmbiguous "principal_ambiguous" "RFC 9525 2" "the configured rule yields more than one principal" "issue it with one such name";
    PrincipalInvalid "principal_invalid" "RFC 8264 4" "the principal has control characters, mixed scripts or a length that is not allowed" "issue it with a plain name";
}

/// What goes with the rule: the values that were compared.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Detail {
    /// Nothing more is to be said.
    None,
    /// The time of the validation and the limit that it passed.
    Time {
        /// When the question was asked for.
        now: UnixTime,
        /// The limit.
        limit: UnixTime,
    },
    /// An object identifier, as dotted decimals.
    Oid(String),
    /// A name that is at fault.
    Name(String),
    /// A number above its limit.
    Count {
        /// What was found.
        found: usize,
        /// What is allowed.
        limit: usize,
    },
    /// What the reader says of the bytes.
    Read(ReadError),
    /// Where it is not DER.
    Encoding(crate::path::EncodingFault),
    /// What is wrong with a key.
    Key(crate::key_form::KeyFault),
    /// Which part of the budget was used up.
    Budget(crate::budget::Work),
    /// Why a certificate is revoked.
    Revocation(rustmq_pki::read::RevocationReason),
    /// Why the nearest source of revocation did not help.
    Source(crate::revocation::Unusable),
}

impl Detail {
    /// With text that is bounded, wherever it came from.
    fn bounded(self) -> Self {
        match self {
            Self::Oid(text) if text.len() > LONGEST_TEXT => Self::Oid(clipped(text)),
            Self::Name(text) if text.len() > LONGEST_TEXT => Self::Name(clipped(text)),
            other => other,
        }
    }
}

impl fmt::Display for Detail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => Ok(()),
            Self::Time { now, limit } => write!(f, "at {now}, limit {limit}"),
            Self::Oid(oid) => f.write_str(oid),
            Self::Name(name) => f.write_str(name),
            Self::Count { found, limit } => write!(f, "{found}, where {limit} are allowed"),
            Self::Read(error) => error.fmt(f),
            Self::Encoding(fault) => fault.fmt(f),
            Self::Key(fault) => fault.fmt(f),
            Self::Budget(work) => work.fmt(f),
            Self::Revocation(reason) => f.write_str(reason.name()),
            Self::Source(unusable) => unusable.fmt(f),
        }
    }
}

/// The most octets of a text that comes out of a certificate, before the mark that it was cut. A name
/// of an organisation in all its parts has some 200; and thousands of refusals are remembered.
const LONGEST_TEXT: usize = 1_024;

/// What stands at the end of a text that was cut.
const CUT: &str = " [cut]";

/// A value as text of at most [`LONGEST_TEXT`] octets and the mark. What comes after them is not even
/// formatted: whoever sends a certificate of a megabyte must not decide how much is written of it.
pub(crate) fn clipped(value: impl fmt::Display) -> String {
    use fmt::Write;
    let mut text = Clipped::default();
    // The only error is that the rest was cut off.
    let _ = write!(text, "{value}");
    text.text
}

#[derive(Default)]
struct Clipped {
    text: String,
    cut: bool,
}

impl fmt::Write for Clipped {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        let room = LONGEST_TEXT - self.text.len().min(LONGEST_TEXT);
        if part.len() <= room && !self.cut {
            self.text.push_str(part);
            return Ok(());
        }
        if !self.cut {
            self.cut = true;
            self.text.push_str(&part[..part.floor_char_boundary(room)]);
            self.text.push_str(CUT);
        }
        Err(fmt::Error)
    }
}

/// A certificate in words: what an operator needs to find it. A text of more than 1,024 octets is
/// cut there, and ends in ` [cut]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// The subject, as RFC 4514.
    pub subject: String,
    /// The issuer, as RFC 4514.
    pub issuer: String,
    /// The serial number in lower-case hexadecimal.
    pub serial: String,
}

impl Label {
    pub(crate) fn of(certificate: &CertificateRef<'_>) -> Self {
        Self {
            subject: clipped(certificate.subject),
            issuer: clipped(certificate.issuer),
            serial: clipped(Hex(certificate.serial.magnitude())),
        }
    }
}

/// Lower-case hexadecimal without separators.
pub(crate) fn hex(bytes: &[u8]) -> String {
    Hex(bytes).to_string()
}

struct Hex<'b>(&'b [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// A refusal: which rule is broken, by which certificate, and the values at fault.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The rule.
    pub rule: Rule,
    /// The values at fault.
    pub detail: Detail,
    /// The certificate; `None` where the question itself is at fault.
    pub certificate: Option<Arc<Label>>,
}

impl Refusal {
    pub(crate) fn new(rule: Rule, detail: Detail) -> Self {
        Self { rule, detail: detail.bounded(), certificate: None }
    }

    /// The refusal of this certificate. A search refuses one certificate again and again: they share
    /// its label.
    pub(crate) fn of(self, certificate: &Certificate<'_>) -> Self {
        self.labelled(Arc::clone(certificate.label()))
    }

    pub(crate) fn labelled(mut self, label: Arc<Label>) -> Self {
        self.certificate = Some(label);
        self
    }
}

impl From<Rule> for Refusal {
    fn from(rule: Rule) -> Self {
        Self::new(rule, Detail::None)
    }
}

/// `what is wrong (values)`; the certificate and the section are fields of their own.
impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.rule.says())?;
        if self.detail != Detail::None {
            write!(f, " ({})", self.detail)?;
        }
        Ok(())
    }
}

impl std::error::Error for Refusal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_whole_up_to_its_limit_and_cut_between_characters_beyond() {
        let whole = "a".repeat(LONGEST_TEXT);
        assert_eq!(clipped(&whole), whole);
        assert_eq!(clipped(format!("{whole}b")), format!("{whole}{CUT}"));
        let odd = format!("a{}", "\u{e4}".repeat(LONGEST_TEXT));
        let cut = clipped(&odd);
        assert_eq!(cut.strip_suffix(CUT).map(str::len), Some(LONGEST_TEXT - 1));
        assert!(odd.starts_with(cut.trim_end_matches(CUT)));
    }

    #[test]
    fn what_goes_with_a_refusal_is_bounded_too() {
        let long = "x".repeat(1 << 20);
        for detail in [Detail::Name(long.clone()), Detail::Oid(long)] {
            let shown = Refusal::new(Rule::NameExcluded, detail).to_string();
            assert!(shown.len() < LONGEST_TEXT + 100, "{}", shown.len());
        }
    }

    #[test]
    fn codes_are_stable_names_and_each_occurs_once() {
        let mut codes: Vec<_> = Rule::ALL.iter().map(|rule| rule.code()).collect();
        assert!(
            codes.iter().all(|code| code.bytes().all(|b| b == b'_' || b.is_ascii_alphanumeric()))
        );
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Rule::ALL.len());
    }
}
