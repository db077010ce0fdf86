//! What DER forbids although every reading of it is the same (X.690 11): the reader takes it, the
//! rules for a single certificate do not.

use std::fmt;

use rustmq_pki::der::{DerError, Reader, tag};
use rustmq_pki::oid;
use rustmq_pki::read::CertificateRef;

/// Where a certificate is BER, but not DER.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum EncodingFault {
    /// A field holds its default value, which DER leaves out.
    DefaultWritten {
        /// The field.
        field: &'static str,
    },
    /// A list of named bits has zeros at its end, which DER leaves out.
    TrailingZeroBits {
        /// The field.
        field: &'static str,
    },
    /// The members of a SET OF are not in the order of their encodings.
    UnsortedSet {
        /// Where the set is.
        field: &'static str,
    },
}

impl fmt::Display for EncodingFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::DefaultWritten { field } => {
                write!(f, "{field} is written out with its default value; X.690 11.5")
            }
            Self::TrailingZeroBits { field } => {
                write!(f, "{field} ends with bits that are zero; X.690 11.2.2")
            }
            Self::UnsortedSet { field } => {
                write!(f, "a set in {field} is not sorted; X.690 11.6")
            }
        }
    }
}

/// The first fault of a certificate, in the order of its fields.
pub(super) fn fault(view: &CertificateRef<'_>) -> Option<EncodingFault> {
    // What cannot be read is a fault of another kind, and another rule's.
    let version = || version(view).ok().flatten();
    let extensions = || extensions(view).ok().flatten();
    version()
        .or_else(|| unsorted("issuer", view.issuer.der))
        .or_else(|| unsorted("subject", view.subject.der))
        .or_else(extensions)
}

/// Version 1 is the default.
fn version(view: &CertificateRef<'_>) -> Result<Option<EncodingFault>, DerError> {
    let written = Reader::new(view.tbs).sequence()?.optional(tag::context_constructed(0))?;
    let first = written == Some(&[tag::INTEGER, 1, 0][..]);
    Ok(first.then_some(EncodingFault::DefaultWritten { field: "version" }))
}

fn extensions(view: &CertificateRef<'_>) -> Result<Option<EncodingFault>, DerError> {
    let mut fields = Reader::new(view.tbs).sequence()?;
    while !fields.is_empty() {
        let field = fields.any()?;
        if field.tag != tag::context_constructed(3) {
            continue;
        }
        let mut extensions = Reader::new(field.contents).sequence()?;
        while !extensions.is_empty() {
            if let Some(fault) = extension(&mut extensions.sequence()?)? {
                return Ok(Some(fault));
            }
        }
    }
    Ok(None)
}

fn extension(fields: &mut Reader<'_>) -> Result<Option<EncodingFault>, DerError> {
    let kind = fields.oid()?;
    if fields.optional(tag::BOOLEAN)? == Some(&[0]) {
        return Ok(Some(EncodingFault::DefaultWritten { field: "critical" }));
    }
    let value = Reader::new(fields.octet_string()?);
    let fault = match kind.as_bytes() {
        oid::BASIC_CONSTRAINTS => basic_constraints(value)?,
        oid::KEY_USAGE => key_usage(value)?,
        oid::NAME_CONSTRAINTS => minimum(value)?,
        oid::CRL_DISTRIBUTION_POINTS | oid::FRESHEST_CRL => reasons(value)?,
        _ => None,
    };
    Ok(fault.or_else(|| field_with_sets(kind.as_bytes()).and_then(|f| unsorted(f, value.rest()))))
}

fn basic_constraints(mut value: Reader<'_>) -> Result<Option<EncodingFault>, DerError> {
    let written = value.sequence()?.optional(tag::BOOLEAN)?;
    Ok((written == Some(&[0])).then_some(EncodingFault::DefaultWritten { field: "cA" }))
}

fn key_usage(mut value: Reader<'_>) -> Result<Option<EncodingFault>, DerError> {
    let padded = is_padded(value.contents(tag::BIT_STRING)?);
    Ok(padded.then_some(EncodingFault::TrailingZeroBits { field: "keyUsage" }))
}

/// Whether the last bit that is there is a zero: the count of unused bits is the first octet.
fn is_padded(bits: &[u8]) -> bool {
    match bits {
        [unused, .., last] => u32::from(*unused) != last.trailing_zeros(),
        [unused] => *unused != 0,
        [] => false,
    }
}

/// The minimum of a subtree is 0 by default.
fn minimum(mut value: Reader<'_>) -> Result<Option<EncodingFault>, DerError> {
    let mut lists = value.sequence()?;
    while !lists.is_empty() {
        let mut subtrees = Reader::new(lists.any()?.contents);
        while !subtrees.is_empty() {
            let mut subtree = subtrees.sequence()?;
            subtree.any()?;
            if subtree.optional(tag::context(0))? == Some(&[0]) {
                return Ok(Some(EncodingFault::DefaultWritten { field: "minimum" }));
            }
        }
    }
    Ok(None)
}

fn reasons(mut value: Reader<'_>) -> Result<Option<EncodingFault>, DerError> {
    let mut points = value.sequence()?;
    while !points.is_empty() {
        let mut point = points.sequence()?;
        point.optional(tag::context_constructed(0))?;
        if point.optional(tag::context(1))?.is_some_and(is_padded) {
            return Ok(Some(EncodingFault::TrailingZeroBits { field: "reasons" }));
        }
    }
    Ok(None)
}

/// The extensions that hold names or attributes, and with them sets.
fn field_with_sets(kind: &[u8]) -> Option<&'static str> {
    Some(match kind {
        oid::SUBJECT_ALT_NAME => "subjectAltName",
        oid::ISSUER_ALT_NAME => "issuerAltName",
        oid::SUBJECT_DIRECTORY_ATTRIBUTES => "subjectDirectoryAttributes",
        oid::NAME_CONSTRAINTS => "nameConstraints",
        oid::AUTHORITY_KEY_IDENTIFIER => "authorityKeyIdentifier",
        oid::CRL_DISTRIBUTION_POINTS => "cRLDistributionPoints",
        oid::FRESHEST_CRL => "freshestCRL",
        oid::AUTHORITY_INFO_ACCESS => "authorityInfoAccess",
        oid::SUBJECT_INFO_ACCESS => "subjectInfoAccess",
        _ => return None,
    })
}

/// Looks at every SET of a structure, however deep: what is still to be read is kept in a list, so
/// that a hostile depth is no recursion, and each value is looked at once.
fn unsorted(field: &'static str, der: &[u8]) -> Option<EncodingFault> {
    const CONSTRUCTED: u8 = 0x20;
    let mut open = vec![Reader::new(der)];
    while let Some(mut values) = open.pop() {
        while let Ok(value) = values.any() {
            if value.tag == tag::SET && !is_sorted(value.contents) {
                return Some(EncodingFault::UnsortedSet { field });
            }
            if value.tag & CONSTRUCTED != 0 {
                open.push(Reader::new(value.contents));
            }
        }
    }
    None
}

/// No whole value is the beginning of another, so the order is that of the octets.
fn is_sorted(members: &[u8]) -> bool {
    let mut members = Reader::new(members);
    let mut last: &[u8] = &[];
    while let Ok(member) = members.any() {
        if member.whole < last {
            return false;
        }
        last = member.whole;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_at_the_end() {
        // keyCertSign and cRLSign: 0000011.
        assert!(!is_padded(&[1, 0x06]) && is_padded(&[0, 0x06]) && is_padded(&[1, 0x06, 0]));
        assert!(!is_padded(&[7, 0x80, 0x80]) && is_padded(&[0, 0x80, 0]));
        assert!(!is_padded(&[0]), "no bit at all");
        assert!(is_padded(&[0, 0]) && is_padded(&[7, 0]));
    }

    #[test]
    fn sets_at_any_depth() {
        let set = [0x31, 6, 2, 1, 1, 2, 1, 2];
        let wrong = [0x31, 6, 2, 1, 2, 2, 1, 1];
        let nested = |set: &[u8]| {
            let inner = [&[0xa4, 8][..], set].concat();
            [&[0x30, 10][..], &inner].concat()
        };
        assert_eq!(unsorted("subject", &nested(&set)), None);
        let found = Some(EncodingFault::UnsortedSet { field: "subject" });
        assert_eq!(unsorted("subject", &nested(&wrong)), found);
        assert!(is_sorted(&[]) && is_sorted(&[5, 0, 5, 0]));
        let deep: Vec<u8> = std::iter::repeat_n([0x30, 0x00], 1_000).flatten().collect();
        assert_eq!(unsorted("subject", &deep), None);
    }
}
