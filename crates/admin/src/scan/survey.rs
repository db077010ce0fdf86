//! The outcome of a scan: what is there, and what is wrong with it.

use std::collections::HashMap;

use rustmq_pki::hex;
use rustmq_pki::key::{Fingerprint, KeyType, PublicKey};
use rustmq_pki::oid;
use rustmq_pki::time::UnixTime;
use serde_json::{Value, json};

use super::collection::{FoundCertificate, FoundKey, Place};
use super::finding::Finding;
use super::graph::{Node, Signer};
use super::judge;
use crate::inspect::words;

/// What was found.
#[derive(Debug)]
pub(crate) struct Survey {
    /// How many files hold something.
    pub(crate) files: usize,
    /// How many private keys there are.
    pub(crate) keys: usize,
    /// The files of keys that are none of these certificates', or encrypted, so that nobody knows.
    pub(crate) loose_keys: Vec<String>,
    /// The certificates.
    pub(crate) certificates: Vec<Surveyed>,
    /// What is wrong, the gravest first.
    pub(crate) findings: Vec<Finding>,
}

/// What a certificate is, by what it says and does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A CA that its own key signed.
    Root,
    /// Another CA.
    Intermediate,
    /// No CA.
    EndEntity,
}

impl Kind {
    /// The stable name, as in JSON output.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Intermediate => "intermediate",
            Self::EndEntity => "end_entity",
        }
    }
}

/// One certificate.
#[derive(Clone, Debug)]
pub(crate) struct Surveyed {
    /// What it is.
    pub(crate) kind: Kind,
    /// Whether its own key signed it.
    pub(crate) self_signed: bool,
    /// Whether it is a CA that signed nothing here and lies in nothing but stores of many roots.
    pub(crate) in_store: bool,
    /// RFC 4514.
    pub(crate) subject: String,
    /// RFC 4514.
    pub(crate) issuer: String,
    /// SHA-256 of its public key and its name.
    pub(crate) key: Fingerprint,
    /// The same of whoever signed it, if that is another one that is here.
    pub(crate) signed_by: Option<Fingerprint>,
    /// Whether somebody of its issuer's name is here, and it was not verified that they signed it.
    pub(crate) unchecked: bool,
    /// Lower-case hexadecimal.
    pub(crate) serial: String,
    /// SHA-256 of its DER, lower-case hexadecimal.
    pub(crate) fingerprint: String,
    /// The last second of its validity.
    pub(crate) not_after: UnixTime,
    /// The last common name of its subject.
    pub(crate) common_name: Option<String>,
    /// Its names, as `dns:x`, `ip:y` and so on.
    pub(crate) sans: Vec<String>,
    /// The type of its key, if it is one that is certified here.
    pub(crate) key_type: Option<KeyType>,
    /// Where it lies; at least once.
    pub(crate) places: Vec<Place>,
    /// The files of its private key.
    pub(crate) key_files: Vec<String>,
}

/// The most files of one private key that are named; a key has a few copies at most.
const MOST_KEY_FILES: usize = 64;

/// The files of private keys, by the octets of their public halves.
pub(super) type KeyFiles<'k> = HashMap<&'k [u8], Vec<&'k str>>;

/// Sorts the private keys that can be read.
pub(super) fn key_files(keys: &[FoundKey]) -> KeyFiles<'_> {
    let mut files = KeyFiles::new();
    for key in keys {
        if let Some(public) = &key.key.public {
            let held = files.entry(public.as_slice()).or_default();
            if held.last() != Some(&key.file.as_str()) && held.len() < MOST_KEY_FILES {
                held.push(&key.file);
            }
        }
    }
    files
}

fn identity(node: &Node<'_>) -> Fingerprint {
    Fingerprint::of(&[node.view.spki.der, node.view.subject.der].concat())
}

impl Surveyed {
    pub(super) fn of(
        nodes: &[Node<'_>],
        node: &Node<'_>,
        found: &FoundCertificate,
        keys: &KeyFiles<'_>,
        in_store: bool,
    ) -> Self {
        let view = &node.view;
        let names = view.subject.values_of(oid::COMMON_NAME);
        let key_files = keys.get(view.spki.key).into_iter().flatten();
        let signer = match node.signer {
            Signer::Other(index) => nodes.get(index),
            _ => None,
        };
        Self {
            key: identity(node),
            signed_by: signer.map(identity),
            unchecked: node.signer == Signer::NotChecked,
            kind: judge::kind(node),
            self_signed: node.signer == Signer::Own,
            in_store,
            subject: words::name_or_empty(&view.subject),
            issuer: words::name_or_empty(&view.issuer),
            serial: hex::encode(view.serial.magnitude()),
            fingerprint: Fingerprint::of(&found.der).to_string(),
            not_after: view.validity.not_after.at,
            common_name: names.last().and_then(|name| name.text().map(|text| text.into_owned())),
            sans: node.known.alt_names().iter().map(|name| name.to_string()).collect(),
            key_type: PublicKey::from_spki(view.spki.der).ok().map(|key| key.key_type()),
            places: found.places.clone(),
            key_files: key_files.map(|file| (*file).to_owned()).collect(),
        }
    }

    /// The object for machines.
    pub(crate) fn json(&self) -> Value {
        let files: Vec<&str> = self.places.iter().map(|place| place.file.as_str()).collect();
        json!({
            "kind": self.kind.as_str(),
            "subject": self.subject,
            "issuer": self.issuer,
            "serial": self.serial,
            "fingerprint": self.fingerprint,
            "not_after": self.not_after.to_string(),
            "self_signed": self.self_signed,
            "common_name": self.common_name,
            "key_type": self.key_type,
            "sans": self.sans,
            "files": files,
            "key_files": self.key_files,
        })
    }
}
