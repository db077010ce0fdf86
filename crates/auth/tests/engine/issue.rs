//! Certificates, CRLs and OCSP responses made for the tests, wrong ones too: every field is given.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair};
use rustmq_pki::oid;
use rustmq_pki::time::UnixTime;

/// One DER value.
pub(crate) fn tlv(tag: u8, contents: &[u8]) -> Vec<u8> {
    let length = contents.len().to_be_bytes();
    let octets = &length[length.iter().position(|octet| *octet != 0).unwrap_or(length.len() - 1)..];
    let mut der = vec![tag];
    if contents.len() >= 0x80 {
        der.push(0x80 | u8::try_from(octets.len()).unwrap());
    }
    der.extend(octets);
    der.extend(contents);
    der
}

pub(crate) fn seq(parts: &[&[u8]]) -> Vec<u8> {
    tlv(0x30, &parts.concat())
}

pub(crate) fn oid(contents: &[u8]) -> Vec<u8> {
    tlv(0x06, contents)
}

/// A name of one common name.
pub(crate) fn name(common_name: &str) -> Vec<u8> {
    let attribute = seq(&[&oid(oid::COMMON_NAME), &tlv(0x0c, common_name.as_bytes())]);
    seq(&[&tlv(0x31, &attribute)])
}

pub(crate) fn time(at: UnixTime) -> Vec<u8> {
    let c = at.civil();
    let text = format!(
        "{:04}{:02}{:02}{:02}{:02}{:02}Z",
        c.year, c.month, c.day, c.hour, c.minute, c.second
    );
    if c.year < 2050 { tlv(0x17, &text.as_bytes()[2..]) } else { tlv(0x18, text.as_bytes()) }
}

pub(crate) fn general_time(at: UnixTime) -> Vec<u8> {
    let c = at.civil();
    let text = format!(
        "{:04}{:02}{:02}{:02}{:02}{:02}Z",
        c.year, c.month, c.day, c.hour, c.minute, c.second
    );
    tlv(0x18, text.as_bytes())
}

pub(crate) fn extension(oid_contents: &[u8], critical: bool, value: &[u8]) -> Vec<u8> {
    let critical: &[u8] = if critical { &[0x01, 0x01, 0xff] } else { &[] };
    seq(&[&oid(oid_contents), critical, &tlv(0x04, value)])
}

/// An ECDSA key and the name of its holder.
pub(crate) struct Holder {
    pub(crate) name: String,
    pub(crate) key: EcdsaKeyPair,
}

/// What a certificate shall hold; [`Spec::leaf`] and [`Spec::ca`] give what is usual.
pub(crate) struct Spec {
    pub(crate) serial: Vec<u8>,
    pub(crate) not_before: UnixTime,
    pub(crate) not_after: UnixTime,
    pub(crate) extensions: Vec<Vec<u8>>,
}

/// The middle of every test certificate's life.
pub(crate) fn now() -> UnixTime {
    "2026-06-01T00:00:00Z".parse().unwrap()
}

pub(crate) fn sans(names: &[&[u8]]) -> Vec<u8> {
    extension(oid::SUBJECT_ALT_NAME, false, &tlv(0x30, &names.concat()))
}

pub(crate) fn dns(name: &str) -> Vec<u8> {
    tlv(0x82, name.as_bytes())
}

pub(crate) fn uri(name: &str) -> Vec<u8> {
    tlv(0x86, name.as_bytes())
}

pub(crate) fn purposes(purposes: &[&[u8]]) -> Vec<u8> {
    let list: Vec<u8> = purposes.iter().flat_map(|purpose| oid(purpose)).collect();
    extension(oid::EXTENDED_KEY_USAGE, false, &tlv(0x30, &list))
}

/// The role extension of a peer of the product.
pub(crate) fn role(role: &str) -> Vec<u8> {
    let name = tlv(0xa1, &uri(&format!("urn:rustmq:role:{role}")));
    let attribute = seq(&[&oid(oid::ROLE), &tlv(0x31, &seq(&[&name]))]);
    extension(oid::SUBJECT_DIRECTORY_ATTRIBUTES, false, &seq(&[&attribute]))
}

impl Spec {
    fn new(extensions: Vec<Vec<u8>>) -> Self {
        Self {
            serial: vec![0x42],
            not_before: now().plus_days(-100),
            not_after: now().plus_days(100),
            extensions,
        }
    }

    /// An end entity for both purposes with one DNS name.
    pub(crate) fn leaf(host: &str) -> Self {
        let both = purposes(&[oid::SERVER_AUTH, oid::CLIENT_AUTH]);
        Self::new(vec![sans(&[&dns(host)]), both])
    }

    pub(crate) fn ca() -> Self {
        let ca = extension(oid::BASIC_CONSTRAINTS, true, &seq(&[&[0x01, 0x01, 0xff]]));
        let usage = extension(oid::KEY_USAGE, true, &[0x03, 0x02, 0x01, 0x06]);
        Self::new(vec![ca, usage])
    }

    pub(crate) fn with(mut self, extension: Vec<u8>) -> Self {
        self.extensions.push(extension);
        self
    }

    pub(crate) fn serial(mut self, serial: &[u8]) -> Self {
        self.serial = serial.to_vec();
        self
    }

    pub(crate) fn valid(mut self, from: UnixTime, to: UnixTime) -> Self {
        (self.not_before, self.not_after) = (from, to);
        self
    }
}

fn ecdsa_with_sha256() -> Vec<u8> {
    seq(&[&oid(oid::ECDSA_WITH_SHA256)])
}

impl Holder {
    pub(crate) fn new(name: &str) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        Self { name: name.to_owned(), key }
    }

    pub(crate) fn spki(&self) -> Vec<u8> {
        let algorithm = seq(&[&oid(oid::EC_PUBLIC_KEY), &oid(oid::SECP256R1)]);
        let key = [&[0][..], self.key.public_key().as_ref()].concat();
        seq(&[&algorithm, &tlv(0x03, &key)])
    }

    /// Signs to-be-signed bytes as certificates, CRLs and OCSP responses are signed.
    pub(crate) fn sign(&self, tbs: &[u8], after: &[u8]) -> Vec<u8> {
        let signature = self.key.sign(&SystemRandom::new(), tbs).unwrap();
        let bits = [&[0][..], signature.as_ref()].concat();
        seq(&[tbs, &ecdsa_with_sha256(), &tlv(0x03, &bits), after])
    }

    /// A certificate of this holder for another.
    pub(crate) fn issue(&self, subject: &Self, spec: &Spec) -> Vec<u8> {
        self.issue_as(&name(&self.name), subject, spec)
    }

    /// A certificate signed by this holder that names another issuer.
    pub(crate) fn issue_as(&self, issuer: &[u8], subject: &Self, spec: &Spec) -> Vec<u8> {
        self.certify(issuer, (&subject.name, &subject.spki()), spec)
    }

    /// A certificate signed by this holder for any name and key.
    pub(crate) fn certify(
        &self,
        issuer: &[u8],
        (subject, spki): (&str, &[u8]),
        spec: &Spec,
    ) -> Vec<u8> {
        let extensions = tlv(0xa3, &tlv(0x30, &spec.extensions.concat()));
        let validity = seq(&[&time(spec.not_before), &time(spec.not_after)]);
        let tbs = seq(&[
            &tlv(0xa0, &[0x02, 0x01, 0x02]),
            &tlv(0x02, &spec.serial),
            &ecdsa_with_sha256(),
            issuer,
            &validity,
            &name(subject),
            spki,
            &extensions,
        ]);
        self.sign(&tbs, &[])
    }

    pub(crate) fn self_signed(&self) -> Vec<u8> {
        self.issue(self, &Spec::ca())
    }

    /// A complete CRL of this holder with these serial numbers and number.
    pub(crate) fn crl(
        &self,
        number: u8,
        from: UnixTime,
        to: UnixTime,
        serials: &[&[u8]],
    ) -> Vec<u8> {
        let entries: Vec<u8> =
            serials.iter().flat_map(|serial| seq(&[&tlv(0x02, serial), &time(from)])).collect();
        let entries = if entries.is_empty() { Vec::new() } else { tlv(0x30, &entries) };
        let number = extension(oid::CRL_NUMBER, false, &tlv(0x02, &[number]));
        let tbs = seq(&[
            &[0x02, 0x01, 0x01],
            &ecdsa_with_sha256(),
            &name(&self.name),
            &time(from),
            &time(to),
            &entries,
            &tlv(0xa0, &tlv(0x30, &number)),
        ]);
        self.sign(&tbs, &[])
    }
}

/// An OCSP response: `status` is the encoded certStatus.
pub(crate) struct Ocsp<'a> {
    pub(crate) issuer: &'a Holder,
    pub(crate) responder: &'a Holder,
    pub(crate) serial: &'a [u8],
    pub(crate) status: &'a [u8],
    pub(crate) from: UnixTime,
    pub(crate) until: UnixTime,
    pub(crate) nonce: Option<&'a [u8]>,
    /// The responder's certificate, if it is another than the issuer.
    pub(crate) certificate: Option<&'a [u8]>,
}

impl Ocsp<'_> {
    pub(crate) fn der(&self) -> Vec<u8> {
        let hash = |data: &[u8]| {
            let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, data);
            tlv(0x04, hash.as_ref())
        };
        let id = seq(&[
            &seq(&[&oid(oid::SHA256)]),
            &hash(&name(&self.issuer.name)),
            &hash(self.issuer.key.public_key().as_ref()),
            &tlv(0x02, self.serial),
        ]);
        let (from, until) = (general_time(self.from), general_time(self.until));
        let single = seq(&[&id, self.status, &from, &tlv(0xa0, &until)]);
        let extensions = self.nonce.map_or(Vec::new(), |nonce| {
            let nonce = extension(oid::OCSP_NONCE, false, &tlv(0x04, nonce));
            tlv(0xa1, &tlv(0x30, &nonce))
        });
        let responder = tlv(0xa1, &name(&self.responder.name));
        let data = seq(&[&responder, &from, &tlv(0x30, &single), &extensions]);
        let certificates = self.certificate.map_or(Vec::new(), |der| tlv(0xa0, &tlv(0x30, der)));
        let basic = self.responder.sign(&data, &certificates);
        let bytes = seq(&[&oid(oid::OCSP_BASIC), &tlv(0x04, &basic)]);
        seq(&[&[0x0a, 0x01, 0x00], &tlv(0xa0, &bytes)])
    }
}
