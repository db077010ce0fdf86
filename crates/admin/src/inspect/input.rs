//! A file as a list of objects: PEM blocks one after the other, or DER.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustmq_pki::der::{Reader, tag};
use zeroize::Zeroizing;

use super::InspectError;
use crate::error::CliError;

/// Largest file that is read, in bytes: a CRL of a million entries has some 40 MB.
const MAX_FILE: u64 = 64 << 20;

/// The most objects of one file; a system's bundle of roots has some 150.
const MOST_OBJECTS: usize = 10_000;

/// The bytes of the file; zeroized when dropped, for it may hold a key.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, CliError> {
    let mut bytes = Zeroizing::new(Vec::new());
    let read = if path == Path::new("-") {
        io::stdin().lock().take(MAX_FILE + 1).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut bytes))
    };
    let error = match read {
        Ok(length) if length as u64 > MAX_FILE => {
            io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 64 MiB")
        }
        Ok(_) => return Ok(bytes),
        Err(error) => error,
    };
    Err(CliError::Input { path: path.display().to_string(), error })
}

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Certificate,
    Request,
    Crl,
    Ocsp,
    PrivateKey,
    PublicKey,
}

impl Kind {
    /// The kind in words.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Request => "certificate request",
            Self::Crl => "certificate revocation list",
            Self::Ocsp => "OCSP response",
            Self::PrivateKey => "private key",
            Self::PublicKey => "public key",
        }
    }

    /// The stable name, as in JSON output.
    pub(crate) const fn code(self) -> &'static str {
        match self {
            Self::Certificate => "certificate",
            Self::Request => "request",
            Self::Crl => "crl",
            Self::Ocsp => "ocsp_response",
            Self::PrivateKey => "private_key",
            Self::PublicKey => "public_key",
        }
    }

    fn of_label(label: &str) -> Option<Self> {
        Some(match label {
            "CERTIFICATE" | "X509 CERTIFICATE" => Self::Certificate,
            "CERTIFICATE REQUEST" | "NEW CERTIFICATE REQUEST" => Self::Request,
            "X509 CRL" => Self::Crl,
            "OCSP RESPONSE" => Self::Ocsp,
            "PUBLIC KEY" => Self::PublicKey,
            _ if label.ends_with("PRIVATE KEY") => Self::PrivateKey,
            _ => return None,
        })
    }
}

/// One thing that a file holds. The bytes are zeroized when dropped: they may be a key.
pub(crate) enum Item {
    /// An object that can be read.
    Object { kind: Kind, der: Zeroizing<Vec<u8>> },
    /// A private key in a form that is not read, such as one that is encrypted in the PEM way.
    HiddenKey { label: String },
    /// Something else.
    Broken(InspectError),
}

/// The objects of a file, in its order.
pub(crate) fn split(bytes: &[u8]) -> Vec<Item> {
    let mut items = match std::str::from_utf8(bytes) {
        Ok(text) if text.contains("-----BEGIN ") => pem_blocks(text),
        _ => der_values(bytes),
    };
    if items.is_empty() {
        items.push(Item::Broken(InspectError::Unknown));
    }
    items
}

fn pem_blocks(text: &str) -> Vec<Item> {
    let mut items = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("-----BEGIN ") {
        if items.len() == MOST_OBJECTS {
            break;
        }
        let line = 1 + text[..text.len() - rest.len() + at].matches('\n').count();
        let block = &rest[at..];
        let label = block["-----BEGIN ".len()..].split("-----").next().unwrap_or_default();
        let end = format!("-----END {label}-----");
        let length = block.find(&end).map_or(block.len(), |start| start + end.len());
        items.push(pem_block(&block[..length], label, line));
        rest = &block[length.min(block.len())..];
    }
    items
}

fn pem_block(block: &str, label: &str, line: usize) -> Item {
    // A label of a hostile file is shown, but no more of it than a line.
    let label: String = label.chars().take(64).collect();
    let kind = Kind::of_label(&label);
    match (kind, pem_rfc7468::decode_vec(block.as_bytes())) {
        (Some(kind), Ok((_, der))) => Item::Object { kind, der: Zeroizing::new(der) },
        (Some(Kind::PrivateKey), Err(_)) => Item::HiddenKey { label },
        (Some(_), Err(error)) => {
            Item::Broken(InspectError::Pem { label, line, why: error.to_string() })
        }
        (None, _) => Item::Broken(InspectError::Label { label }),
    }
}

fn der_values(bytes: &[u8]) -> Vec<Item> {
    let mut reader = Reader::new(bytes);
    let mut items = Vec::new();
    while !reader.is_empty() && items.len() < MOST_OBJECTS {
        let all = reader.rest();
        let Ok(value) = reader.any() else {
            // A value that is cut off or too long: its beginning still says what it was to be.
            items.push(object_or_unknown(all));
            break;
        };
        items.push(object_or_unknown(value.whole));
    }
    items
}

fn object_or_unknown(der: &[u8]) -> Item {
    match guess(der) {
        Some(kind) => Item::Object { kind, der: Zeroizing::new(der.to_vec()) },
        None => Item::Broken(InspectError::Unknown),
    }
}

/// The kind of a structure by its first fields, which are enough to tell the six apart.
fn guess(der: &[u8]) -> Option<Kind> {
    let mut fields = Reader::new(der).sequence().ok()?;
    let first = fields.any().ok()?;
    match first.tag {
        tag::ENUMERATED => Some(Kind::Ocsp),
        // Version, then algorithm or key (PKCS#8, SEC1), or the numbers of an RSA key (PKCS#1).
        tag::INTEGER => Some(Kind::PrivateKey),
        tag::SEQUENCE => match fields.peek()? {
            // EncryptedPrivateKeyInfo.
            tag::OCTET_STRING => Some(Kind::PrivateKey),
            tag::BIT_STRING => Some(Kind::PublicKey),
            tag::SEQUENCE => signed(first.contents),
            _ => None,
        },
        _ => None,
    }
}

/// Certificate, request or CRL: their first three tags differ.
fn signed(contents: &[u8]) -> Option<Kind> {
    let mut fields = Reader::new(contents);
    let first = fields.any().ok()?.tag;
    if first == tag::context_constructed(0) {
        return Some(Kind::Certificate);
    }
    if first == tag::SEQUENCE {
        return Some(Kind::Crl);
    }
    let (second, third) = (fields.any().ok()?, fields.any().ok()?);
    let fourth = fields.peek();
    match (first, second.tag, third.tag, fourth) {
        (
            tag::INTEGER,
            tag::SEQUENCE,
            tag::SEQUENCE,
            Some(tag::UTC_TIME | tag::GENERALIZED_TIME),
        ) => Some(Kind::Crl),
        (tag::INTEGER, tag::SEQUENCE, tag::SEQUENCE, Some(tag::SEQUENCE)) => {
            Some(Kind::Certificate)
        }
        (tag::INTEGER, tag::SEQUENCE, tag::SEQUENCE, _) => Some(Kind::Request),
        _ => None,
    }
}
