//! GeneralName in all its forms (RFC 5280 4.2.1.6).

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use super::NameRef;
use crate::der::{DerError, Element, List, Reader, Tlv, tag};
use crate::oid::Oid;

/// Names of any form, at least one.
pub type GeneralNames<'a> = List<'a, GeneralName<'a>>;

/// A GeneralName. Strings are the octets as encoded: whether they are ASCII, and a name of their
/// form, is for the validator to say.
#[derive(Clone, Copy, Debug)]
pub enum GeneralName<'a> {
    /// A name of a form that an identifier names.
    Other {
        /// The form.
        kind: Oid<'a>,
        /// The encoded value.
        value: &'a [u8],
    },
    /// An RFC 822 mailbox.
    Rfc822(&'a [u8]),
    /// A DNS name.
    Dns(&'a [u8]),
    /// An X.400 address, as encoded.
    X400(&'a [u8]),
    /// A distinguished name.
    Directory(NameRef<'a>),
    /// An EDI party name, as encoded.
    EdiParty(&'a [u8]),
    /// A URI.
    Uri(&'a [u8]),
    /// An IP address of 4 or 16 octets; 8 or 32 in a name constraint.
    Ip(&'a [u8]),
    /// A registered identifier.
    RegisteredId(Oid<'a>),
}

impl<'a> Element<'a> for GeneralName<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DerError> {
        Self::from_tlv(reader.any()?)
    }
}

impl<'a> GeneralName<'a> {
    fn from_tlv(tlv: Tlv<'a>) -> Result<Self, DerError> {
        match tlv.tag {
            0xa0 => other_name(tlv.contents),
            0x81 => Ok(Self::Rfc822(tlv.contents)),
            0x82 => Ok(Self::Dns(tlv.contents)),
            0xa3 => Ok(Self::X400(tlv.contents)),
            // Name is a CHOICE, so its tag is explicit.
            0xa4 => NameRef::from_der(tlv.contents).map(Self::Directory),
            0xa5 => Ok(Self::EdiParty(tlv.contents)),
            0x86 => Ok(Self::Uri(tlv.contents)),
            0x87 => Ok(Self::Ip(tlv.contents)),
            0x88 => Oid::from_contents(tlv.contents).map(Self::RegisteredId).ok_or(DerError::Oid),
            found => Err(DerError::Choice { found }),
        }
    }
}

fn other_name(contents: &[u8]) -> Result<GeneralName<'_>, DerError> {
    let mut fields = Reader::new(contents);
    let kind = fields.oid()?;
    let value = fields.contents(tag::context_constructed(0))?;
    fields.finish()?;
    Ok(GeneralName::Other { kind, value })
}

/// `dns:`, `ip:`, `email:`, `uri:`, `dn:`, `other:` and so on; octets that are not printable ASCII
/// are shown as `\xNN`.
impl fmt::Display for GeneralName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Other { kind, .. } => write!(f, "other:{kind}"),
            Self::Rfc822(text) => write!(f, "email:{}", text.escape_ascii()),
            Self::Dns(text) => write!(f, "dns:{}", text.escape_ascii()),
            Self::X400(_) => f.write_str("x400"),
            Self::Directory(name) => write!(f, "dn:{name}"),
            Self::EdiParty(_) => f.write_str("edi"),
            Self::Uri(text) => write!(f, "uri:{}", text.escape_ascii()),
            Self::Ip(octets) => write_ip(octets, f),
            Self::RegisteredId(oid) => write!(f, "rid:{oid}"),
        }
    }
}

fn write_ip(octets: &[u8], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if let Ok(octets) = <[u8; 4]>::try_from(octets) {
        return write!(f, "ip:{}", Ipv4Addr::from(octets));
    }
    if let Ok(octets) = <[u8; 16]>::try_from(octets) {
        return write!(f, "ip:{}", Ipv6Addr::from(octets));
    }
    match octets.len() {
        8 | 32 => {
            let (address, mask) = octets.split_at(octets.len() / 2);
            write_ip(address, f)?;
            f.write_str("/")?;
            let ones: u32 = mask.iter().map(|octet| octet.leading_ones()).sum();
            write!(f, "{ones}")
        }
        _ => write!(f, "ip:{}", octets.escape_ascii()),
    }
}
