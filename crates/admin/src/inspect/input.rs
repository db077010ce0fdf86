//! A file as a list of objects: PEM blocks one after the other, or DER.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustmq_pki::der::{Reader, tag};
use zeroize::Zeroizing;

use super::InspectError;
use super::pem::{self, Block};
use crate::error::CliError;

/// Largest file that is read, in bytes: a CRL of a million entries has some 40 MB.
const MAX_FILE: u64 = 64 << 20;

/// The most objects of one file; a system's bundle of roots has some 150.
pub(super) const MOST_OBJECTS: usize = 10_000;

/// The bytes of the file; zeroized when dropped, for it may hold a key.
pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, CliError> {
    bytes(path).map_err(|error| CliError::Input { path: path.display().to_string(), error })
}

/// The bytes of the file, or of standard input for `-`.
pub(crate) fn bytes(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    let mut bytes = Zeroizing::new(Vec::new());
    let length = if path == Path::new("-") {
        io::stdin().lock().take(MAX_FILE + 1).read_to_end(&mut bytes)?
    } else {
        File::open(path)?.take(MAX_FILE + 1).read_to_end(&mut bytes)?
    };
    match length as u64 > MAX_FILE {
        true => Err(io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 64 MiB")),
        false => Ok(bytes),
    }
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

    /// The label of its PEM blocks (RFC 7468 4), as it is written today.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::Certificate => "CERTIFICATE",
            Self::Request => "CERTIFICATE REQUEST",
            Self::Crl => "X509 CRL",
            Self::Ocsp => "OCSP RESPONSE",
            Self::PrivateKey => "PRIVATE KEY",
            Self::PublicKey => "PUBLIC KEY",
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
    let mut items = pem_items(bytes).unwrap_or_else(|| der_values(bytes));
    if items.is_empty() {
        items.push(Item::Broken(InspectError::Unknown));
    }
    items
}

/// The blocks of a PEM file that are of one kind, or what is wrong with them; `None` if the file has
/// no block of any kind.
pub(crate) fn pem_objects(
    bytes: &[u8],
    kind: Kind,
) -> Option<Vec<Result<Zeroizing<Vec<u8>>, InspectError>>> {
    let of_kind = |block: &Block| Kind::of_label(&block.label) == Some(kind);
    let read = |block: Block| block.der.map_err(|why| damaged(block.label, block.line, why));
    pem::is_pem(bytes).then(|| pem::blocks(bytes).filter(of_kind).map(read).collect())
}

fn damaged(label: String, line: usize, why: String) -> InspectError {
    InspectError::Pem { label, line, why }
}

fn pem_items(bytes: &[u8]) -> Option<Vec<Item>> {
    if !pem::is_pem(bytes) {
        return None;
    }
    let mut items: Vec<_> = pem::blocks(bytes).take(MOST_OBJECTS + 1).map(pem_item).collect();
    if items.len() > MOST_OBJECTS {
        items.truncate(MOST_OBJECTS);
        items.push(Item::Broken(InspectError::TooMany));
    }
    Some(items)
}

fn pem_item(block: Block) -> Item {
    let Block { label, line, der } = block;
    match (Kind::of_label(&label), der) {
        (Some(kind), Ok(der)) => Item::Object { kind, der },
        (Some(Kind::PrivateKey), Err(_)) => Item::HiddenKey { label },
        (Some(_), Err(why)) => Item::Broken(damaged(label, line, why)),
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
