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
pub(super) const MOST_OBJECTS: usize = 10_000;

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
    let (mut rest, mut line) = (text, 1);
    while let Some(at) = rest.find("-----BEGIN ") {
        if items.len() == MOST_OBJECTS {
            items.push(Item::Broken(InspectError::TooMany));
            break;
        }
        let (before, block) = rest.split_at(at);
        line += before.matches('\n').count();
        let label = block["-----BEGIN ".len()..].split("-----").next().unwrap_or_default();
        // What follows a damaged BEGIN line is no label: it may be a key.
        let label = label.lines().next().unwrap_or_default();
        let end = format!("-----END {label}-----");
        let length = block.find(&end).map_or(block.len(), |start| start + end.len());
        let (block, after) = block.split_at(length);
        items.push(pem_block(block, label, line));
        line += block.matches('\n').count();
        rest = after;
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
    while !reader.is_empty() {
        if items.len() == MOST_OBJECTS {
            items.push(Item::Broken(InspectError::TooMany));
            break;
        }
        let all = reader.rest();
        let Ok(value) = reader.any() else {
            // What is cut off is handed on as it is: its reader says where it ends.
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

/// A value's identifier, its contents and what follows it, as far as they are there: to tell what a
/// structure was to be, it need not be whole.
fn begin(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[tag, first], rest) = bytes.split_first_chunk::<2>()?;
    let octets = if first < 0x80 { 0 } else { usize::from(first & 0x7f) };
    let (long, body) = rest.split_at_checked(octets).filter(|_| octets <= 4)?;
    let length = match octets {
        0 => usize::from(first),
        _ => long.iter().fold(0, |length, octet| length << 8 | usize::from(*octet)),
    };
    let (contents, after) = body.split_at(length.min(body.len()));
    Some((tag, contents, after))
}

/// The kind of a structure by its first fields, which are enough to tell the six apart.
fn guess(der: &[u8]) -> Option<Kind> {
    let (outer, fields, _) = begin(der)?;
    let (first, contents, after) = begin(fields)?;
    match (outer, first, after.first().copied()) {
        (tag::SEQUENCE, tag::ENUMERATED, _) => Some(Kind::Ocsp),
        // Version, then algorithm or key (PKCS#8, SEC1), or the numbers of an RSA key (PKCS#1).
        (tag::SEQUENCE, tag::INTEGER, Some(tag::SEQUENCE | tag::OCTET_STRING | tag::INTEGER))
            if matches!(contents, [0 | 1]) =>
        {
            Some(Kind::PrivateKey)
        }
        // EncryptedPrivateKeyInfo.
        (tag::SEQUENCE, tag::SEQUENCE, Some(tag::OCTET_STRING)) => Some(Kind::PrivateKey),
        (tag::SEQUENCE, tag::SEQUENCE, Some(tag::BIT_STRING)) => Some(Kind::PublicKey),
        (tag::SEQUENCE, tag::SEQUENCE, Some(tag::SEQUENCE) | None) => signed(contents),
        _ => None,
    }
}

/// Certificate, request or CRL: their first three tags differ.
fn signed(contents: &[u8]) -> Option<Kind> {
    let (first, _, rest) = begin(contents)?;
    match first {
        _ if first == tag::context_constructed(0) => return Some(Kind::Certificate),
        tag::SEQUENCE => return Some(Kind::Crl),
        tag::INTEGER => {}
        _ => return None,
    }
    let (second, _, rest) = begin(rest)?;
    let (third, _, rest) = begin(rest)?;
    match (second, third, rest.first().copied()) {
        (tag::SEQUENCE, tag::SEQUENCE, Some(tag::UTC_TIME | tag::GENERALIZED_TIME)) => {
            Some(Kind::Crl)
        }
        (tag::SEQUENCE, tag::SEQUENCE, Some(tag::SEQUENCE)) => Some(Kind::Certificate),
        (tag::SEQUENCE, tag::SEQUENCE, _) => Some(Kind::Request),
        _ => None,
    }
}
