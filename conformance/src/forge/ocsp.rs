//! An OCSP response as a list of its fields (RFC 6960 4.2.1).

use rustmq_pki::der::tag;
use rustmq_pki::oid;
use rustmq_pki::time::UnixTime;

use super::certificate::{enclose, signature};
use super::{Key, Name, der};

/// id-pkix-ocsp-basic.
const BASIC: &[u8] = b"\x2b\x06\x01\x05\x05\x07\x30\x01\x01";

/// The fields of a successful response about one certificate, written as they stand.
#[derive(Clone, Debug)]
pub struct OcspResponse {
    /// The issuer of the certificate, as the CertID hashes it.
    pub issuer: Name,
    /// The octets of the issuer's public key, as the CertID hashes them.
    pub issuer_key: Vec<u8>,
    /// The contents of the serial number's INTEGER.
    pub serial: Vec<u8>,
    /// Whether it says `revoked`.
    pub revoked: bool,
    /// thisUpdate and producedAt.
    pub this_update: UnixTime,
    /// nextUpdate.
    pub next_update: UnixTime,
    /// Who answers: a distinguished name.
    pub responder: Name,
    /// Certificates that go with the answer.
    pub certificates: Vec<Vec<u8>>,
    /// Whether one bit of the signature is turned.
    pub signature_broken: bool,
}

impl OcspResponse {
    fn cert_id(&self) -> Vec<u8> {
        let hash = |octets: &[u8]| rustmq_pki::key::Fingerprint::of(octets).0;
        der(|out| {
            out.nested(tag::SEQUENCE, |id| {
                id.nested(tag::SEQUENCE, |algorithm| _ = algorithm.oid(oid::SHA256));
                id.value(tag::OCTET_STRING, &hash(&self.issuer.der()));
                id.value(tag::OCTET_STRING, &hash(&self.issuer_key));
                id.value(tag::INTEGER, &self.serial);
            });
        })
    }

    fn single(&self) -> Vec<u8> {
        der(|out| {
            out.nested(tag::SEQUENCE, |single| {
                single.raw(&self.cert_id());
                if self.revoked {
                    single.nested(tag::context_constructed(1), |info| {
                        info.generalized_time(self.this_update);
                    });
                } else {
                    single.value(tag::context(0), &[]);
                }
                single.generalized_time(self.this_update);
                single.nested(tag::context_constructed(0), |next| {
                    next.generalized_time(self.next_update);
                });
            });
        })
    }

    /// The response, signed by `key`.
    pub fn sign(&self, key: &Key) -> Vec<u8> {
        let data = der(|out| {
            out.nested(tag::SEQUENCE, |data| {
                data.value(tag::context_constructed(1), &self.responder.der());
                data.generalized_time(self.this_update);
                data.nested(tag::SEQUENCE, |list| _ = list.raw(&self.single()));
            });
        });
        let signature = signature(key, &data, self.signature_broken);
        let mut basic = enclose(&data, &key.algorithm(), signature);
        if !self.certificates.is_empty() {
            basic = self.with_certificates(&basic);
        }
        der(|out| {
            out.nested(tag::SEQUENCE, |response| {
                response.value(tag::ENUMERATED, &[0]);
                response.nested(tag::context_constructed(0), |bytes| {
                    bytes.nested(tag::SEQUENCE, |bytes| {
                        bytes.oid(BASIC).value(tag::OCTET_STRING, &basic);
                    });
                });
            });
        })
    }

    /// `basic` with the certificates after its signature.
    fn with_certificates(&self, basic: &[u8]) -> Vec<u8> {
        let mut reader = rustmq_pki::der::Reader::new(basic);
        let content = reader.any().map(|all| all.contents.to_vec()).unwrap_or_default();
        der(|out| {
            out.nested(tag::SEQUENCE, |response| {
                response.raw(&content).nested(tag::context_constructed(0), |field| {
                    field.nested(tag::SEQUENCE, |list| {
                        self.certificates.iter().for_each(|der| _ = list.raw(der));
                    });
                });
            });
        })
    }
}
