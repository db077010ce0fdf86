//! A certificate as a list of its fields.

use rustmq_pki::der::tag;
use rustmq_pki::time::UnixTime;

use super::{Extension, Key, Name, der};

/// The version field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// Left out, which means version 1.
    Absent,
    /// Written as this number: 2 is version 3.
    Number(u8),
}

/// The fields of a certificate, written as they stand.
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The version.
    pub version: Version,
    /// The contents of the serial number's INTEGER.
    pub serial: Vec<u8>,
    /// The AlgorithmIdentifier inside of the signed bytes; none: that of the signing key.
    pub inner_algorithm: Option<Vec<u8>>,
    /// The AlgorithmIdentifier outside of the signed bytes; none: that of the signing key.
    pub outer_algorithm: Option<Vec<u8>>,
    /// The DER of the issuer's name.
    pub issuer: Vec<u8>,
    /// The DER of notBefore.
    pub not_before: Vec<u8>,
    /// The DER of notAfter.
    pub not_after: Vec<u8>,
    /// The DER of the subject's name.
    pub subject: Vec<u8>,
    /// The SubjectPublicKeyInfo.
    pub spki: Vec<u8>,
    /// The extensions in order; none at all leaves the field out.
    pub extensions: Vec<Extension>,
    /// Whether one bit of the signature is turned.
    pub signature_broken: bool,
    /// Octets after the end.
    pub trailing: Vec<u8>,
}

impl Certificate {
    /// A certificate of version 3 with serial number 1, valid from 2020 to 2040, without
    /// extensions.
    #[expect(clippy::needless_pass_by_value, reason = "a test names each name once")]
    pub fn new(issuer: Name, subject: Name, spki: Vec<u8>) -> Self {
        let time = |seconds| der(|out| _ = out.time(UnixTime::from_seconds(seconds)));
        Self {
            version: Version::Number(2),
            serial: vec![1],
            inner_algorithm: None,
            outer_algorithm: None,
            issuer: issuer.der(),
            not_before: time(1_577_836_800),
            not_after: time(2_208_988_800),
            subject: subject.der(),
            spki,
            extensions: Vec::new(),
            signature_broken: false,
            trailing: Vec::new(),
        }
    }

    /// Sets the dates, each in the form that its year asks for.
    pub fn valid(&mut self, not_before: UnixTime, not_after: UnixTime) -> &mut Self {
        self.not_before = der(|out| _ = out.time(not_before));
        self.not_after = der(|out| _ = out.time(not_after));
        self
    }

    /// The bytes that are signed.
    pub fn to_be_signed(&self, key: &Key) -> Vec<u8> {
        der(|out| {
            out.nested(tag::SEQUENCE, |tbs| {
                if let Version::Number(number) = self.version {
                    tbs.nested(tag::context_constructed(0), |version| {
                        version.value(tag::INTEGER, &[number]);
                    });
                }
                tbs.value(tag::INTEGER, &self.serial);
                tbs.raw(&self.inner_algorithm.clone().unwrap_or_else(|| key.algorithm()));
                tbs.raw(&self.issuer);
                tbs.nested(tag::SEQUENCE, |validity| {
                    validity.raw(&self.not_before).raw(&self.not_after);
                });
                tbs.raw(&self.subject).raw(&self.spki);
                if !self.extensions.is_empty() {
                    tbs.nested(tag::context_constructed(3), |field| {
                        field.nested(tag::SEQUENCE, |list| {
                            self.extensions.iter().for_each(|extension| extension.write(list));
                        });
                    });
                }
            });
        })
    }

    /// The certificate, signed by `key`.
    pub fn sign(&self, key: &Key) -> Vec<u8> {
        let tbs = self.to_be_signed(key);
        let algorithm = self.outer_algorithm.clone().unwrap_or_else(|| key.algorithm());
        let mut signed = enclose(&tbs, &algorithm, signature(key, &tbs, self.signature_broken));
        signed.extend_from_slice(&self.trailing);
        signed
    }
}

/// The signature of `key` over `tbs`, or one that is a bit off.
///
/// The turned bit lies in the middle, where a signature of any kind stays well-formed.
pub(super) fn signature(key: &Key, tbs: &[u8], broken: bool) -> Vec<u8> {
    let mut signature = key.sign(tbs);
    if broken {
        let middle = signature.len() / 4;
        signature[middle] ^= 1;
    }
    signature
}

/// SEQUENCE { signed bytes, algorithm, signature }.
#[expect(clippy::needless_pass_by_value, reason = "the signature is made for this call")]
pub(super) fn enclose(tbs: &[u8], algorithm: &[u8], signature: Vec<u8>) -> Vec<u8> {
    der(|out| {
        out.nested(tag::SEQUENCE, |signed| {
            signed.raw(tbs).raw(algorithm);
            signed.nested_bit_string(|bits| _ = bits.raw(&signature));
        });
    })
}
