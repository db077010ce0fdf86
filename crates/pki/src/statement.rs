//! Statements that a CA signs beside certificates and CRLs: short text that says what it is.
//!
//! Everything that X.509 has signed is DER and begins with the tag of a SEQUENCE, 0x30. The bytes that
//! are signed here begin with `RustMQ PKI ` and the name of the statement's kind, so that a signature
//! over one can never be shown as a signature over the other, nor one kind of statement as another.

use std::fmt::{self, Display, Write};

use crate::key::{PublicKey, SignError, Signer};

/// What is stated. Names are never given a new meaning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StatementKind {
    /// How far an audit record had come.
    AuditCheckpoint,
    /// What a backup holds.
    BackupManifest,
}

impl StatementKind {
    /// Every kind.
    pub const ALL: [Self; 2] = [Self::AuditCheckpoint, Self::BackupManifest];

    /// The first line of the signed bytes: the domain that separates one kind from another.
    pub const fn domain(self) -> &'static str {
        match self {
            Self::AuditCheckpoint => "RustMQ PKI audit checkpoint 1",
            Self::BackupManifest => "RustMQ PKI backup manifest 1",
        }
    }
}

/// A statement: its domain, then one line `name value` a fact, each ended by a line feed.
#[derive(Clone, PartialEq, Eq)]
pub struct Statement {
    text: String,
}

impl Statement {
    /// A statement of this kind without facts.
    pub fn new(kind: StatementKind) -> Self {
        Self { text: format!("{}\n", kind.domain()) }
    }

    /// The same with one more fact. A control character or backslash in the value is escaped as in a
    /// Rust string, so that no value can look like the line after it.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: impl Display) -> Self {
        self.text.push_str(name);
        self.text.push(' ');
        let mut line = Line { text: &mut self.text };
        // Writing to a string fails only if the value's own Display does; what it wrote stands.
        let _as_far_as_it_goes = write!(line, "{value}");
        self.text.push('\n');
        self
    }

    /// The bytes that are signed.
    pub fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// Signs it.
    pub fn sign(&self, signer: &dyn Signer) -> Result<Vec<u8>, SignError> {
        signer.sign(self.as_bytes())
    }

    /// Whether this is a signature over it by this key, with the algorithm that the key's type has.
    pub fn is_signed_by(&self, key: &PublicKey, signature: &[u8]) -> bool {
        key.verifies(key.key_type().signature_algorithm(), self.as_bytes(), signature)
    }
}

impl fmt::Debug for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

struct Line<'a> {
    text: &'a mut String,
}

impl Write for Line<'_> {
    fn write_str(&mut self, value: &str) -> fmt::Result {
        for c in value.chars() {
            match c.is_control() || c == '\\' {
                true => self.text.extend(c.escape_default()),
                false => self.text.push(c),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::key::KeyType;
    use crate::key::software::SoftwareKey;

    #[test]
    fn a_value_stays_on_its_line() {
        let plain = |value: &str| Statement::new(StatementKind::AuditCheckpoint).with("ca", value);
        let forged = plain("a\nrecords 9");
        assert_eq!(forged.as_bytes(), b"RustMQ PKI audit checkpoint 1\nca a\\nrecords 9\n");
        assert_ne!(forged, plain("a\\nrecords 9"));
        assert_ne!(forged, plain("a").with("records", 9));
    }

    #[test]
    fn a_signature_holds_for_its_key_and_its_kind_alone() {
        for key_type in [KeyType::P256, KeyType::Ed25519, KeyType::MlDsa44] {
            let key = SoftwareKey::generate(key_type).unwrap();
            let statement = |kind| Statement::new(kind).with("records", 1);
            let signed = statement(StatementKind::AuditCheckpoint).sign(&key).unwrap();
            for kind in StatementKind::ALL {
                let holds = statement(kind).is_signed_by(key.public_key(), &signed);
                assert_eq!(holds, kind == StatementKind::AuditCheckpoint, "{key_type}");
            }
            let other = SoftwareKey::generate(key_type).unwrap();
            let statement = statement(StatementKind::AuditCheckpoint);
            assert!(!statement.is_signed_by(other.public_key(), &signed));
        }
    }

    #[test]
    fn no_statement_begins_like_der() {
        for kind in StatementKind::ALL {
            assert!(Statement::new(kind).as_bytes().starts_with(b"RustMQ PKI "));
        }
    }
}
