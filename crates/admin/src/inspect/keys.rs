//! Keys. Of a private key its type is told and nothing else.

use rustmq_pki::der::{Element, Reader, tag};
use rustmq_pki::key::Fingerprint;
use rustmq_pki::read::{AlgorithmRef, ReadError, SpkiRef};

use super::{Description, Kind, words};
use crate::output::Tone;

/// A private key in a PEM form that is not opened.
pub(super) fn hidden(label: &str) -> Description {
    let algorithm = label.strip_suffix("PRIVATE KEY").unwrap_or_default().trim();
    let algorithm = if algorithm.is_empty() { "unknown" } else { algorithm };
    of_type(&format!("{algorithm}, not readable here (encrypted or damaged)"))
}

/// A private key.
pub(super) fn private(der: &[u8]) -> Description {
    let key_type = key_type(der);
    of_type(key_type.as_deref().unwrap_or("of unknown form"))
}

fn of_type(key_type: &str) -> Description {
    let mut description = Description::new(Kind::PrivateKey, "private key");
    description.put("type", "key_type", key_type);
    description.say("note", "nothing else of a private key is shown", Tone::Faint);
    description
}

/// The type by the structure: PKCS#8, encrypted PKCS#8, SEC1 or PKCS#1.
fn key_type(der: &[u8]) -> Option<String> {
    let mut fields = Reader::new(der).sequence().ok()?;
    if fields.peek() == Some(tag::SEQUENCE) {
        return Some("encrypted (PKCS#8)".to_owned());
    }
    fields.integer().ok()?;
    match fields.peek()? {
        tag::SEQUENCE => {
            let algorithm = AlgorithmRef::read(&mut fields).ok()?;
            Some(format!("{} (PKCS#8)", words::key_algorithm(&algorithm)))
        }
        tag::OCTET_STRING => {
            fields.octet_string().ok()?;
            let curve = fields.optional_nested(tag::context_constructed(0)).ok()?;
            let curve = curve.and_then(|mut curve| curve.oid().ok());
            let name = curve.map_or_else(|| "elliptic curve".to_owned(), words::name);
            Some(format!("{name} (SEC1)"))
        }
        tag::INTEGER => Some("RSA (PKCS#1)".to_owned()),
        _ => None,
    }
}

/// A public key.
pub(super) fn public(der: &[u8]) -> Result<Description, ReadError> {
    let spki = SpkiRef::from_der(der)?;
    let mut description = Description::new(Kind::PublicKey, "public key");
    put(&mut description, &spki);
    Ok(description)
}

/// The lines about a public key.
pub(super) fn put(description: &mut Description, spki: &SpkiRef<'_>) {
    description.put("key", "key", words::key(spki));
    let fingerprint = Fingerprint::of(spki.der).to_string();
    description.put("key sha256", "key_fingerprint", fingerprint);
}
