//! What a file holds, in words: certificates, requests, CRLs, OCSP responses; of keys only that they
//! are there.

mod extensions;
mod input;
mod keys;
mod objects;
mod pem;
mod status;
pub(crate) mod words;

use rustmq_pki::read::ReadError;
use rustmq_pki::time::UnixTime;
use serde_json::{Map, Value, json};

use crate::output::Tone;
use extensions::ExtensionWords;
pub(crate) use input::{Item, Kind, bytes, pem_objects, read, split};

/// How an object is described.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// The present, for what is valid and what is late.
    pub(crate) now: UnixTime,
    /// How many revoked certificates or answers of one object are listed.
    pub(crate) entries: usize,
}

/// Why an object is not described: what it should be, and where it is not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InspectError {
    /// A damaged PEM block.
    #[error("line {line}: the PEM block {label} is damaged: {why}")]
    Pem {
        /// The label.
        label: String,
        /// The line of its BEGIN, from 1.
        line: usize,
        /// What is wrong.
        why: String,
    },
    /// A PEM block of a kind that is not described.
    #[error("the PEM block {label} is no certificate, request, CRL, OCSP response or key")]
    Label {
        /// The label.
        label: String,
    },
    /// More objects than are read from one file.
    #[error("more than {} objects: split the file", input::MOST_OBJECTS)]
    TooMany,
    /// DER of none of the kinds, or no DER.
    #[error("neither PEM nor the DER of a certificate, request, CRL, OCSP response or key")]
    Unknown,
    /// The structure is not what its kind should be.
    #[error("no well-formed {kind}: {error}")]
    Malformed {
        /// What it would have been.
        kind: &'static str,
        /// Where it is not, and why.
        error: ReadError,
    },
}

impl InspectError {
    /// The stable code, as in JSON output.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::Pem { .. } => "pem_damaged",
            Self::Label { .. } => "pem_label",
            Self::TooMany => "too_many_objects",
            Self::Unknown => "unknown_content",
            Self::Malformed { .. } => "malformed",
        }
    }
}

/// An object in words.
#[derive(Debug)]
pub(crate) struct Description {
    kind: Kind,
    title: String,
    lines: Vec<(&'static str, String, Tone)>,
    extensions: Vec<ExtensionWords>,
    json: Map<String, Value>,
}

impl Description {
    fn new(kind: Kind, title: impl Into<String>) -> Self {
        let json = Map::from_iter([("kind".to_owned(), json!(kind.code()))]);
        Self { kind, title: title.into(), lines: Vec::new(), extensions: Vec::new(), json }
    }

    /// A value for people and, under `key`, for machines.
    fn put(&mut self, label: &'static str, key: &str, value: impl Into<String>) {
        let value = value.into();
        self.json.insert(key.to_owned(), json!(value));
        self.say(label, value, Tone::Plain);
    }

    /// A value for people alone.
    fn say(&mut self, label: &'static str, value: impl Into<String>, tone: Tone) {
        self.lines.push((label, value.into(), tone));
    }

    /// A value for machines alone.
    fn set(&mut self, key: &str, value: impl Into<Value>) {
        self.json.insert(key.to_owned(), value.into());
    }

    fn extensions(&mut self, extensions: Vec<ExtensionWords>) {
        let records: Vec<_> = extensions.iter().map(ExtensionWords::json).collect();
        self.json.insert("extensions".to_owned(), json!(records));
        self.extensions = extensions;
    }

    /// The title's parts.
    pub(crate) fn title(&self) -> Vec<String> {
        let mut title = vec![self.title.clone(), self.kind.words().to_owned()];
        title.dedup();
        title
    }

    /// The labelled values.
    pub(crate) fn lines(&self) -> &[(&'static str, String, Tone)] {
        &self.lines
    }

    /// The extensions as lines: a name, then what it says.
    pub(crate) fn extension_lines(&self) -> Vec<Vec<(String, Tone)>> {
        self.extensions.iter().flat_map(ExtensionWords::lines).collect()
    }

    /// The object for machines.
    pub(crate) fn json(&self) -> Value {
        Value::Object(self.json.clone())
    }
}

/// Describes what an item holds.
pub(crate) fn describe(item: &Item, terms: Terms) -> Result<Description, InspectError> {
    let (kind, der) = match item {
        Item::Object { kind, der } => (*kind, der),
        Item::HiddenKey { label } => return Ok(keys::hidden(label)),
        Item::Broken(error) => return Err(error.clone()),
    };
    let described = match kind {
        Kind::Certificate => objects::certificate(der, terms),
        Kind::Request => objects::request(der),
        Kind::Crl => status::crl(der, terms),
        Kind::Ocsp => status::ocsp(der, terms),
        Kind::PrivateKey => Ok(keys::private(der)),
        Kind::PublicKey => keys::public(der),
    };
    described.map_err(|error| InspectError::Malformed { kind: kind.words(), error })
}

#[cfg(test)]
mod tests;
