//! A certificate revocation list as a list of its fields.

use rustmq_pki::der::tag;
use rustmq_pki::time::UnixTime;

use super::certificate::{enclose, signature};
use super::{Extension, Key, Name, der};

/// An entry of a list.
#[derive(Clone, Debug)]
pub struct Revoked {
    /// The contents of the serial number's INTEGER.
    pub serial: Vec<u8>,
    /// When it was revoked.
    pub at: UnixTime,
    /// The extensions of the entry.
    pub extensions: Vec<Extension>,
}

/// The fields of a revocation list, written as they stand.
#[derive(Clone, Debug)]
pub struct Crl {
    /// The DER of the issuer's name.
    pub issuer: Vec<u8>,
    /// thisUpdate.
    pub this_update: UnixTime,
    /// nextUpdate, if present.
    pub next_update: Option<UnixTime>,
    /// The entries in order.
    pub revoked: Vec<Revoked>,
    /// The extensions in order.
    pub extensions: Vec<Extension>,
    /// Whether one bit of the signature is turned.
    pub signature_broken: bool,
    /// Octets after the end.
    pub trailing: Vec<u8>,
}

impl Crl {
    /// A complete list with cRLNumber 1 and no entry.
    #[expect(clippy::needless_pass_by_value, reason = "a test names each name once")]
    pub fn new(issuer: Name, this_update: UnixTime, next_update: UnixTime) -> Self {
        Self {
            issuer: issuer.der(),
            this_update,
            next_update: Some(next_update),
            revoked: Vec::new(),
            extensions: vec![Extension::crl_number(1)],
            signature_broken: false,
            trailing: Vec::new(),
        }
    }

    /// With an entry for this serial number.
    #[must_use]
    pub fn revoking(mut self, serial: &[u8]) -> Self {
        let entry =
            Revoked { serial: serial.to_vec(), at: self.this_update, extensions: Vec::new() };
        self.revoked.push(entry);
        self
    }

    fn to_be_signed(&self, key: &Key) -> Vec<u8> {
        der(|out| {
            out.nested(tag::SEQUENCE, |tbs| {
                tbs.value(tag::INTEGER, &[1]).raw(&key.algorithm()).raw(&self.issuer);
                tbs.time(self.this_update);
                if let Some(next) = self.next_update {
                    tbs.time(next);
                }
                if !self.revoked.is_empty() {
                    tbs.nested(tag::SEQUENCE, |list| {
                        self.revoked.iter().for_each(|entry| entry.write(list));
                    });
                }
                if !self.extensions.is_empty() {
                    tbs.nested(tag::context_constructed(0), |field| {
                        field.nested(tag::SEQUENCE, |list| {
                            self.extensions.iter().for_each(|extension| extension.write(list));
                        });
                    });
                }
            });
        })
    }

    /// The list, signed by `key`.
    pub fn sign(&self, key: &Key) -> Vec<u8> {
        let tbs = self.to_be_signed(key);
        let signature = signature(key, &tbs, self.signature_broken);
        let mut signed = enclose(&tbs, &key.algorithm(), signature);
        signed.extend_from_slice(&self.trailing);
        signed
    }
}

impl Revoked {
    fn write(&self, out: &mut rustmq_pki::encode::Encoder) {
        out.nested(tag::SEQUENCE, |entry| {
            entry.value(tag::INTEGER, &self.serial).time(self.at);
            if !self.extensions.is_empty() {
                entry.nested(tag::SEQUENCE, |list| {
                    self.extensions.iter().for_each(|extension| extension.write(list));
                });
            }
        });
    }
}
