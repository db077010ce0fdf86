//! Distinguished names (RFC 5280 4.1.2.4) and their text (RFC 4514).

use std::borrow::Cow;
use std::fmt;

use crate::der::{DerError, Element, List, Reader, tag};
use crate::oid::{self, Oid};

/// A Name: a sequence of relative distinguished names.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct NameRef<'a> {
    /// The whole encoding. Names with the same bytes are the same; RFC 5280 7.1 says which others are.
    pub der: &'a [u8],
    /// The relative distinguished names, the most significant first.
    pub rdns: List<'a, Rdn<'a>>,
}

impl<'a> NameRef<'a> {
    /// Whether the name has no attribute.
    pub const fn is_empty(&self) -> bool {
        self.rdns.is_empty()
    }

    /// Reads a Name that stands alone.
    pub fn from_der(der: &'a [u8]) -> Result<Self, DerError> {
        let mut reader = Reader::new(der);
        let name = Self::read(&mut reader)?;
        reader.finish()?;
        Ok(name)
    }

    /// Every attribute, in the order of the encoding.
    pub fn attributes(&self) -> impl Iterator<Item = Attribute<'a>> {
        self.rdns.iter().flat_map(|rdn| rdn.attributes)
    }

    /// The values of one type of attribute, such as [`oid::COMMON_NAME`].
    pub fn values_of(&self, kind: &'static [u8]) -> impl Iterator<Item = Attribute<'a>> {
        self.attributes().filter(move |attribute| attribute.oid == kind)
    }
}

impl<'a> Element<'a> for NameRef<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DerError> {
        let whole = reader.element(tag::SEQUENCE)?;
        Ok(Self { der: whole.whole, rdns: List::from_contents_or_empty(whole.contents)? })
    }
}

/// A RelativeDistinguishedName: a set of one attribute, seldom more.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Rdn<'a> {
    /// The attributes.
    pub attributes: List<'a, Attribute<'a>>,
}

impl<'a> Element<'a> for Rdn<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DerError> {
        Ok(Self { attributes: List::from_contents(reader.contents(tag::SET)?)? })
    }

    fn read_again(reader: &mut Reader<'a>) -> Option<Self> {
        Some(Self { attributes: List::assume_checked(reader.any().ok()?.contents) })
    }
}

/// An AttributeTypeAndValue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Attribute<'a> {
    /// The type.
    pub oid: Oid<'a>,
    /// The identifier octet of the value, mostly of a string type.
    pub tag: u8,
    /// The contents of the value.
    pub value: &'a [u8],
    /// The value's whole encoding.
    pub der: &'a [u8],
}

impl<'a> Element<'a> for Attribute<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DerError> {
        let mut fields = reader.sequence()?;
        let oid = fields.oid()?;
        let value = fields.any()?;
        fields.finish()?;
        if is_constructed_string(value.tag) {
            // Readers do not agree on the text of such a one, and DER does not know it.
            return Err(DerError::ConstructedString { found: value.tag });
        }
        Ok(Self { oid, tag: value.tag, value: value.contents, der: value.whole })
    }

    fn read_again(reader: &mut Reader<'a>) -> Option<Self> {
        let mut fields = Reader::new(reader.any().ok()?.contents);
        let oid = Oid::assume_checked(fields.any().ok()?.contents);
        let value = fields.any().ok()?;
        Some(Self { oid, tag: value.tag, value: value.contents, der: value.whole })
    }
}

impl<'a> Attribute<'a> {
    /// The value as text, if it is of a string type and holds what that type allows. A
    /// TeletexString is read as Latin-1, as everyone writes it.
    pub fn text(&self) -> Option<Cow<'a, str>> {
        match self.tag {
            tag::UTF8_STRING => std::str::from_utf8(self.value).ok().map(Cow::Borrowed),
            tag::PRINTABLE_STRING | tag::IA5_STRING | tag::NUMERIC_STRING | tag::VISIBLE_STRING
                if self.value.is_ascii() =>
            {
                std::str::from_utf8(self.value).ok().map(Cow::Borrowed)
            }
            tag::TELETEX_STRING => {
                Some(Cow::Owned(self.value.iter().map(|byte| char::from(*byte)).collect()))
            }
            tag::BMP_STRING => bmp(self.value).map(Cow::Owned),
            tag::UNIVERSAL_STRING => universal(self.value).map(Cow::Owned),
            _ => None,
        }
    }
}

/// Whether a tag is that of a universal string type with the bit of a constructed value.
const fn is_constructed_string(tag: u8) -> bool {
    // Bit, octet and UTF8String; the string types from NumericString to BMPString, times among them.
    matches!(tag, 0x23 | 0x24 | 0x2c | 0x32..=0x3c | 0x3e)
}

fn bmp(value: &[u8]) -> Option<String> {
    let (units, []) = value.as_chunks::<2>() else { return None };
    char::decode_utf16(units.iter().map(|unit| u16::from_be_bytes(*unit)))
        .collect::<Result<_, _>>()
        .ok()
}

fn universal(value: &[u8]) -> Option<String> {
    let (units, []) = value.as_chunks::<4>() else { return None };
    units.iter().map(|unit| char::from_u32(u32::from_be_bytes(*unit))).collect()
}

/// The nine short names of RFC 4514 section 3; every other type is shown as dotted decimals.
fn short_name(kind: Oid<'_>) -> Option<&'static str> {
    let names: [(&[u8], &str); 9] = [
        (oid::COMMON_NAME, "CN"),
        (oid::LOCALITY, "L"),
        (oid::STATE, "ST"),
        (oid::ORGANIZATION, "O"),
        (oid::ORGANIZATIONAL_UNIT, "OU"),
        (oid::COUNTRY, "C"),
        (oid::STREET, "STREET"),
        (oid::DOMAIN_COMPONENT, "DC"),
        (oid::USER_ID, "UID"),
    ];
    names.iter().find(|(known, _)| kind == *known).map(|(_, name)| *name)
}

/// RFC 4514: the last relative distinguished name first, `,` between them, `+` within one.
impl fmt::Display for NameRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rdns: Vec<_> = self.rdns.iter().collect();
        for (index, rdn) in rdns.iter().rev().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            for (index, attribute) in rdn.attributes.iter().enumerate() {
                if index > 0 {
                    f.write_str("+")?;
                }
                write!(f, "{attribute}")?;
            }
        }
        Ok(())
    }
}

/// RFC 4514 2.3: `CN=value`, or `1.2.3=#hex` for a type without a short name.
impl fmt::Display for Attribute<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (short_name(self.oid), self.text()) {
            (Some(name), Some(text)) => {
                write!(f, "{name}=")?;
                write_escaped(&text, f)
            }
            (name, _) => {
                match name {
                    Some(name) => write!(f, "{name}=#")?,
                    None => write!(f, "{}=#", self.oid)?,
                }
                crate::hex::write(f, self.der)
            }
        }
    }
}

/// RFC 4514 2.4: what must be escaped, and control characters too, so that a terminal is safe.
fn write_escaped(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    let last = text.chars().count().saturating_sub(1);
    for (index, c) in text.chars().enumerate() {
        match c {
            '"' | '+' | ',' | ';' | '<' | '>' | '\\' => write!(f, "\\{c}")?,
            ' ' if index == 0 || index == last => f.write_str("\\ ")?,
            '#' if index == 0 => f.write_str("\\#")?,
            c if c.is_control() => {
                let mut utf8 = [0; 4];
                for byte in c.encode_utf8(&mut utf8).bytes() {
                    write!(f, "\\{byte:02x}")?;
                }
            }
            c => write!(f, "{c}")?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::der::constructed;

    /// A name of one organization, the value with this tag.
    fn organization(tag: u8, contents: &[u8]) -> Vec<u8> {
        let oid = constructed(tag::OID, &[oid::ORGANIZATION]);
        let attribute = constructed(tag::SEQUENCE, &[&oid, &constructed(tag, &[contents])]);
        constructed(tag::SEQUENCE, &[&constructed(tag::SET, &[&attribute])])
    }

    #[test]
    fn a_string_is_whole() {
        let pieces = |tag| [constructed(tag, &[b"Ac"]), constructed(tag, &[b"me"])].concat();
        let strings = [
            tag::UTF8_STRING,
            tag::NUMERIC_STRING,
            tag::PRINTABLE_STRING,
            tag::TELETEX_STRING,
            tag::IA5_STRING,
            tag::VISIBLE_STRING,
            tag::UNIVERSAL_STRING,
            tag::BMP_STRING,
            tag::OCTET_STRING,
            tag::BIT_STRING,
        ];
        for primitive in strings {
            assert!(NameRef::from_der(&organization(primitive, b"\0Acme")).is_ok());
            let found = primitive | 0x20;
            let name = organization(found, &pieces(primitive));
            let error = NameRef::from_der(&name).unwrap_err();
            assert_eq!(error, DerError::ConstructedString { found });
        }
        assert!(NameRef::from_der(&organization(tag::SEQUENCE, &pieces(tag::UTF8_STRING))).is_ok());
    }
}
