//! What the files of a deployment hold: each certificate once, with every place where it lies, and
//! the private keys.

use std::collections::HashMap;

use rustmq_pki::der::Reader;
use rustmq_pki::key::Fingerprint;
use rustmq_pki::read::CertificateRef;
use zeroize::Zeroizing;

use super::finding::{Fault, Finding};
use super::pem::{self, Content};
use super::private_key::PrivateKey;
use super::source::{Member, SourceError, Take, is_named_for_it};
use crate::inspect::{Item, Kind, split};

/// The most different certificates that are compared with each other.
pub(super) const MOST_CERTIFICATES: usize = 100_000;

/// Where a certificate lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    /// The file.
    pub(crate) file: String,
    /// How many certificates stand before it in the file.
    pub(crate) position: usize,
}

/// A certificate that can be read.
#[derive(Clone, Debug)]
pub(crate) struct FoundCertificate {
    /// Its DER.
    pub(crate) der: Vec<u8>,
    /// Where it lies; at least once.
    pub(crate) places: Vec<Place>,
}

/// A private key, of which no more is kept than its public half.
#[derive(Clone, Debug)]
pub(crate) struct FoundKey {
    /// The file.
    pub(crate) file: String,
    /// The permission bits of the file.
    pub(crate) mode: u32,
    /// What is known of it.
    pub(crate) key: PrivateKey,
}

/// All that was found.
#[derive(Debug, Default)]
pub(crate) struct Collection {
    /// The certificates, in the order of their files.
    pub(crate) certificates: Vec<FoundCertificate>,
    /// The private keys.
    pub(crate) keys: Vec<FoundKey>,
    /// What could not be read, or was not.
    pub(crate) findings: Vec<Finding>,
    /// How many files hold something.
    pub(crate) files: usize,
    known: HashMap<[u8; 32], usize>,
}

/// One object of a file.
enum Object {
    Certificate(Vec<u8>),
    Key(PrivateKey),
    Other,
    /// A bundle that is not opened.
    Closed,
    Broken(String),
    /// PEM that holds something, and is damaged.
    Damaged(String),
}

impl Take for Collection {
    fn member(&mut self, member: &Member) -> Result<(), SourceError> {
        let objects = objects(&member.bytes);
        let is_whole = |object: &Object| !matches!(object, Object::Broken(_) | Object::Damaged(_));
        let holds = objects.iter().any(is_whole);
        self.files += usize::from(holds);
        let mut position = 0;
        for object in objects {
            match object {
                Object::Certificate(der) => {
                    self.certificate(der, Place { file: member.name.clone(), position })?;
                    position += 1;
                }
                Object::Key(key) => {
                    let (file, mode) = (member.name.clone(), member.mode);
                    self.keys.push(FoundKey { file, mode, key });
                }
                Object::Other => {}
                Object::Closed => self.unread(&member.name, Fault::Keystore),
                Object::Damaged(why) => {
                    self.finding(Finding::of_file(&member.name, Fault::Unreadable { why }));
                }
                // A file of another kind may begin as DER does; one that is named for it should hold it.
                Object::Broken(why) if holds || is_named_for_it(&member.name) => {
                    self.finding(Finding::of_file(&member.name, Fault::Unreadable { why }));
                }
                Object::Broken(_) => {}
            }
        }
        Ok(())
    }

    fn finding(&mut self, finding: Finding) {
        self.findings.push(finding);
    }
}

impl Collection {
    fn certificate(&mut self, der: Vec<u8>, place: Place) -> Result<(), SourceError> {
        let view = CertificateRef::read(&der);
        if let Err(error) = view.and_then(|view| view.extensions.known().map(drop)) {
            let why = format!("no well-formed certificate: {error}");
            self.finding(Finding::of_file(place.file, Fault::Unreadable { why }));
            return Ok(());
        }
        let next = self.certificates.len();
        let index = *self.known.entry(Fingerprint::of(&der).0).or_insert(next);
        if index < next {
            self.certificates[index].places.push(place);
            return Ok(());
        }
        if next == MOST_CERTIFICATES {
            return Err(SourceError::TooManyCertificates);
        }
        self.certificates.push(FoundCertificate { der, places: vec![place] });
        Ok(())
    }
}

fn objects(bytes: &[u8]) -> Vec<Object> {
    let is_der = bytes.first() == Some(&0x30) && Reader::new(bytes).any().is_ok();
    // Text before and after PEM may be in any encoding; only the blocks count, and they are ASCII.
    let text = Zeroizing::new(String::from_utf8_lossy(bytes).into_owned());
    if pem::is_in(&text) && !is_der {
        return pem::blocks(&text).into_iter().map(of_block).collect();
    }
    split(bytes).into_iter().map(of_item).collect()
}

fn of_block(block: pem::Block<'_>) -> Object {
    let text = |why: &str| format!("the PEM block {}: {why}", block.label);
    let broken = |why: &str| Object::Broken(text(why));
    let is_key = block.label.ends_with("PRIVATE KEY");
    match block.content {
        // Scripts and texts have the lines about it and nothing between them.
        Content::Damaged { why, holds_lines: true } => Object::Damaged(text(why)),
        Content::Damaged { why, holds_lines: false } => broken(why),
        Content::Encrypted if is_key => Object::Key(PrivateKey::ENCRYPTED),
        Content::Encrypted => Object::Other,
        Content::Der(der) if block.label == "OPENSSH PRIVATE KEY" => {
            Object::Key(PrivateKey::of_openssh(&der))
        }
        Content::Der(der) if is_key => match PrivateKey::read(&der) {
            Some(key) => Object::Key(key),
            None => broken("no private key of a known form"),
        },
        Content::Der(der) => match block.label {
            "CERTIFICATE" | "X509 CERTIFICATE" => Object::Certificate(der.to_vec()),
            // OpenSSL's own form: the certificate, then what it is trusted for.
            "TRUSTED CERTIFICATE" => {
                let first = Reader::new(&der).any().map(|value| value.whole);
                Object::Certificate(first.unwrap_or(&der).to_vec())
            }
            "PKCS7" | "CMS" => Object::Closed,
            _ => Object::Other,
        },
    }
}

fn of_item(item: Item) -> Object {
    match item {
        Item::Object { kind: Kind::Certificate, der } => Object::Certificate(der.to_vec()),
        Item::Object { kind: Kind::PrivateKey, der } => match PrivateKey::read(&der) {
            Some(key) => Object::Key(key),
            None => Object::Broken("no private key of a known form".to_owned()),
        },
        Item::Object { .. } => Object::Other,
        Item::HiddenKey { .. } => Object::Key(PrivateKey::ENCRYPTED),
        Item::Broken(error) => Object::Broken(error.to_string()),
    }
}
