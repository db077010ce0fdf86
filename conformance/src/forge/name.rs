//! Distinguished names and general names, with any string type.

use rustmq_pki::der::tag;
use rustmq_pki::encode::Encoder;
use rustmq_pki::oid;

/// A distinguished name: relative names in order, each of one attribute.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(Vec<(Vec<u8>, u8, Vec<u8>)>);

impl Name {
    /// The empty name.
    pub fn empty() -> Self {
        Self::default()
    }

    /// A name of one common name.
    pub fn cn(text: &str) -> Self {
        Self::default().with(oid::COMMON_NAME, text)
    }

    /// With one more attribute, as a UTF8String.
    #[must_use]
    pub fn with(self, kind: &[u8], text: &str) -> Self {
        self.with_tagged(kind, tag::UTF8_STRING, text.as_bytes())
    }

    /// With one more attribute of any string type and content.
    #[must_use]
    pub fn with_tagged(mut self, kind: &[u8], string: u8, content: &[u8]) -> Self {
        self.0.push((kind.to_vec(), string, content.to_vec()));
        self
    }

    /// The DER of the name.
    pub fn der(&self) -> Vec<u8> {
        super::der(|out| {
            out.nested(tag::SEQUENCE, |rdns| {
                for (kind, string, content) in &self.0 {
                    rdns.nested(tag::SET, |rdn| {
                        rdn.nested(tag::SEQUENCE, |attribute| {
                            attribute.oid(kind).value(*string, content);
                        });
                    });
                }
            });
        })
    }
}

/// A GeneralName as it is written, whether or not it is a name of its form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GeneralName {
    /// dNSName.
    Dns(String),
    /// iPAddress: 4 or 16 octets in a name, 8 or 32 in a constraint.
    Ip(Vec<u8>),
    /// rfc822Name.
    Email(String),
    /// uniformResourceIdentifier.
    Uri(String),
    /// directoryName.
    Directory(Name),
    /// registeredID, from the contents of the object identifier.
    RegisteredId(Vec<u8>),
}

impl GeneralName {
    /// Writes the name with its tag.
    pub fn write(&self, out: &mut Encoder) {
        match self {
            Self::Email(text) => out.value(tag::context(1), text.as_bytes()),
            Self::Dns(text) => out.value(tag::context(2), text.as_bytes()),
            Self::Directory(name) => out.value(tag::context_constructed(4), &name.der()),
            Self::Uri(text) => out.value(tag::context(6), text.as_bytes()),
            Self::Ip(octets) => out.value(tag::context(7), octets),
            Self::RegisteredId(contents) => out.value(tag::context(8), contents),
        };
    }
}

/// A GeneralSubtree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subtree {
    /// The base.
    pub base: GeneralName,
    /// minimum, written unless it is 0.
    pub minimum: u8,
    /// maximum, if present.
    pub maximum: Option<u8>,
}

impl From<GeneralName> for Subtree {
    fn from(base: GeneralName) -> Self {
        Self { base, minimum: 0, maximum: None }
    }
}

impl Subtree {
    /// Writes the subtree.
    pub fn write(&self, out: &mut Encoder) {
        out.nested(tag::SEQUENCE, |subtree| {
            self.base.write(subtree);
            if self.minimum != 0 {
                subtree.value(tag::context(0), &[self.minimum]);
            }
            if let Some(maximum) = self.maximum {
                subtree.value(tag::context(1), &[maximum]);
            }
        });
    }
}
