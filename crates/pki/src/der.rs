//! Strict DER (X.690), read in place.
//!
//! [`Reader`] walks a byte slice and hands out slices of it: nothing is copied, nothing is allocated,
//! and there is no recursion, so that the depth of what a peer sends is the depth of the code that
//! reads it. What DER forbids is an error: indefinite or overlong lengths, padded integers, a TRUE
//! that is not 0xFF, bits beyond a bit string's end.

use crate::oid::Oid;
use crate::time::{Civil, UnixTime};

/// Identifier octets of the universal types that X.509 uses.
pub mod tag {
    /// BOOLEAN.
    pub const BOOLEAN: u8 = 0x01;
    /// INTEGER.
    pub const INTEGER: u8 = 0x02;
    /// BIT STRING.
    pub const BIT_STRING: u8 = 0x03;
    /// OCTET STRING.
    pub const OCTET_STRING: u8 = 0x04;
    /// NULL.
    pub const NULL: u8 = 0x05;
    /// OBJECT IDENTIFIER.
    pub const OID: u8 = 0x06;
    /// ENUMERATED.
    pub const ENUMERATED: u8 = 0x0a;
    /// UTF8String.
    pub const UTF8_STRING: u8 = 0x0c;
    /// NumericString.
    pub const NUMERIC_STRING: u8 = 0x12;
    /// PrintableString.
    pub const PRINTABLE_STRING: u8 = 0x13;
    /// TeletexString (T61String).
    pub const TELETEX_STRING: u8 = 0x14;
    /// IA5String.
    pub const IA5_STRING: u8 = 0x16;
    /// UTCTime.
    pub const UTC_TIME: u8 = 0x17;
    /// GeneralizedTime.
    pub const GENERALIZED_TIME: u8 = 0x18;
    /// VisibleString.
    pub const VISIBLE_STRING: u8 = 0x1a;
    /// UniversalString.
    pub const UNIVERSAL_STRING: u8 = 0x1c;
    /// BMPString.
    pub const BMP_STRING: u8 = 0x1e;
    /// SEQUENCE and SEQUENCE OF.
    pub const SEQUENCE: u8 = 0x30;
    /// SET and SET OF.
    pub const SET: u8 = 0x31;

    /// The identifier of a primitive context-specific `[number]`.
    pub const fn context(number: u8) -> u8 {
        0x80 | number
    }

    /// The identifier of a constructed context-specific `[number]`.
    pub const fn context_constructed(number: u8) -> u8 {
        0xa0 | number
    }
}

/// What is wrong with the bytes, as DER.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DerError {
    /// A length reaches beyond the data.
    #[error("the data ends inside a value")]
    Truncated,
    /// Bytes follow where the value should have ended.
    #[error("{count} unexpected bytes follow the end of the value")]
    TrailingData {
        /// How many bytes are left over.
        count: usize,
    },
    /// A length is indefinite, overlong or above four octets.
    #[error("a length is not in the shortest definite form that DER requires (X.690 10.1)")]
    Length,
    /// A tag number of 31 or more: X.509 has none.
    #[error("a tag number above 30, which no X.509 structure uses")]
    HighTag,
    /// Another type than the structure has here.
    #[error("expected a value with the tag 0x{expected:02x}, found the tag 0x{found:02x}")]
    Tag {
        /// The identifier octet that belongs here.
        expected: u8,
        /// The identifier octet that is here.
        found: u8,
    },
    /// The structure ends before a required value.
    #[error("a value with the tag 0x{expected:02x} is missing")]
    Missing {
        /// The identifier octet that belongs here.
        expected: u8,
    },
    /// A BOOLEAN that is neither 0x00 nor 0xFF (X.690 11.1).
    #[error("a BOOLEAN must be one octet, 0x00 or 0xFF")]
    Boolean,
    /// An INTEGER or ENUMERATED that is empty or padded (X.690 8.3.2).
    #[error("an INTEGER must be in its shortest form, and hold at least one octet")]
    Integer,
    /// An integer is outside the range that its field allows.
    #[error("an integer is outside the range of its field")]
    IntegerRange,
    /// A BIT STRING without its count of unused bits, or with unused bits set (X.690 11.2).
    #[error("a BIT STRING must begin with a count of unused bits below 8, and those bits be zero")]
    BitString,
    /// An OBJECT IDENTIFIER that is empty, padded or cut off (X.690 8.19).
    #[error("an OBJECT IDENTIFIER is empty, padded or cut off")]
    Oid,
    /// A time that is not `YYMMDDHHMMSSZ` or `YYYYMMDDHHMMSSZ`, or does not exist (RFC 5280 4.1.2.5).
    #[error("a time must be an existing date of the form YYMMDDHHMMSSZ or YYYYMMDDHHMMSSZ")]
    Time,
    /// A string in pieces, which DER wants whole (X.690 10.2).
    #[error(
        "a value with the tag 0x{found:02x} is a string in pieces; DER has it whole (X.690 10.2)"
    )]
    ConstructedString {
        /// The identifier octet that is here.
        found: u8,
    },
    /// A NULL with contents.
    #[error("a NULL must be empty")]
    Null,
    /// A list that must hold something holds nothing (SIZE (1..MAX)).
    #[error("a list that must hold at least one value is empty")]
    Empty,
    /// A CHOICE takes an alternative that its definition does not have.
    #[error("the tag 0x{found:02x} is none of the alternatives that are defined here")]
    Choice {
        /// The identifier octet that is here.
        found: u8,
    },
}

/// One value: its identifier octet, its contents and the whole of its encoding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tlv<'a> {
    /// The identifier octet.
    pub tag: u8,
    /// The octets after identifier and length.
    pub contents: &'a [u8],
    /// Identifier, length and contents.
    pub whole: &'a [u8],
}

/// A cursor over DER values.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// A reader of the values in `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    /// Whether everything is read.
    pub const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// What is not read yet.
    pub const fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// The identifier octet of the next value, if there is one.
    pub fn peek(&self) -> Option<u8> {
        self.rest.first().copied()
    }

    /// Ends the reading: anything left over is an error.
    pub fn finish(self) -> Result<(), DerError> {
        match self.rest.len() {
            0 => Ok(()),
            count => Err(DerError::TrailingData { count }),
        }
    }

    /// The next value, whatever its type.
    pub fn any(&mut self) -> Result<Tlv<'a>, DerError> {
        let (&tag, after_tag) = self.rest.split_first().ok_or(DerError::Truncated)?;
        if tag & 0x1f == 0x1f {
            return Err(DerError::HighTag);
        }
        let (&first, after_first) = after_tag.split_first().ok_or(DerError::Truncated)?;
        let (length, body) = if first < 0x80 {
            (usize::from(first), after_first)
        } else {
            long_length(usize::from(first & 0x7f), after_first)?
        };
        let contents = body.get(..length).ok_or(DerError::Truncated)?;
        let whole = &self.rest[..self.rest.len() - body.len() + length];
        self.rest = &body[length..];
        Ok(Tlv { tag, contents, whole })
    }

    /// The next value, which must have the identifier `tag`.
    pub fn element(&mut self, tag: u8) -> Result<Tlv<'a>, DerError> {
        match self.peek() {
            None => Err(DerError::Missing { expected: tag }),
            Some(found) if found != tag => Err(DerError::Tag { expected: tag, found }),
            Some(_) => self.any(),
        }
    }

    /// The contents of the next value, which must have the identifier `tag`.
    pub fn contents(&mut self, tag: u8) -> Result<&'a [u8], DerError> {
        Ok(self.element(tag)?.contents)
    }

    /// The contents of the next value if it has the identifier `tag`.
    pub fn optional(&mut self, tag: u8) -> Result<Option<&'a [u8]>, DerError> {
        if self.peek() == Some(tag) { self.any().map(|tlv| Some(tlv.contents)) } else { Ok(None) }
    }

    /// A reader of the contents of the next value, which must have the identifier `tag`.
    pub fn nested(&mut self, tag: u8) -> Result<Self, DerError> {
        self.contents(tag).map(Self::new)
    }

    /// A reader of the contents of the next value if it has the identifier `tag`.
    pub fn optional_nested(&mut self, tag: u8) -> Result<Option<Self>, DerError> {
        Ok(self.optional(tag)?.map(Self::new))
    }

    /// A reader of the contents of a SEQUENCE.
    pub fn sequence(&mut self) -> Result<Self, DerError> {
        self.nested(tag::SEQUENCE)
    }

    /// A BOOLEAN.
    pub fn boolean(&mut self) -> Result<bool, DerError> {
        boolean(self.contents(tag::BOOLEAN)?)
    }

    /// A BOOLEAN DEFAULT FALSE. An encoded FALSE is taken, although DER leaves it out: many CAs
    /// wrote it, and no two readings of it exist.
    pub fn boolean_or_false(&mut self) -> Result<bool, DerError> {
        self.optional(tag::BOOLEAN)?.map_or(Ok(false), boolean)
    }

    /// An INTEGER of any size.
    pub fn integer(&mut self) -> Result<Integer<'a>, DerError> {
        Integer::from_contents(self.contents(tag::INTEGER)?)
    }

    /// An ENUMERATED of one octet.
    pub fn enumerated(&mut self) -> Result<u8, DerError> {
        let value = Integer::from_contents(self.contents(tag::ENUMERATED)?)?;
        value.to_u64().and_then(|value| u8::try_from(value).ok()).ok_or(DerError::IntegerRange)
    }

    /// A BIT STRING.
    pub fn bit_string(&mut self) -> Result<BitString<'a>, DerError> {
        BitString::from_contents(self.contents(tag::BIT_STRING)?)
    }

    /// The contents of an OCTET STRING.
    pub fn octet_string(&mut self) -> Result<&'a [u8], DerError> {
        self.contents(tag::OCTET_STRING)
    }

    /// A NULL.
    pub fn null(&mut self) -> Result<(), DerError> {
        if self.contents(tag::NULL)?.is_empty() { Ok(()) } else { Err(DerError::Null) }
    }

    /// An OBJECT IDENTIFIER.
    pub fn oid(&mut self) -> Result<Oid<'a>, DerError> {
        Oid::from_contents(self.contents(tag::OID)?).ok_or(DerError::Oid)
    }

    /// A Time: UTCTime or GeneralizedTime (RFC 5280 4.1.2.5).
    pub fn time(&mut self) -> Result<Time, DerError> {
        let tlv = self.any()?;
        match tlv.tag {
            tag::UTC_TIME => Ok(Time { at: utc_time(tlv.contents)?, generalized: false }),
            tag::GENERALIZED_TIME => {
                Ok(Time { at: generalized_time(tlv.contents)?, generalized: true })
            }
            found => Err(DerError::Choice { found }),
        }
    }
}

/// A length of `octets` octets, which must need all of them, and the bytes after it.
fn long_length(octets: usize, bytes: &[u8]) -> Result<(usize, &[u8]), DerError> {
    // Four octets: 4 GiB, more than any structure that is read into memory.
    if octets == 0 || octets > 4 {
        return Err(DerError::Length);
    }
    let (length, body) = bytes.split_at_checked(octets).ok_or(DerError::Truncated)?;
    let value = length.iter().fold(0_usize, |value, octet| value << 8 | usize::from(*octet));
    if length[0] == 0 || value < 0x80 {
        return Err(DerError::Length);
    }
    Ok((value, body))
}

/// The encoding of a value with the identifier `tag` whose contents are `parts`, one after the other.
pub fn constructed(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut der = Vec::with_capacity(length + 6);
    der.push(tag);
    let octets = length.to_be_bytes();
    let used = octets.iter().position(|octet| *octet != 0).unwrap_or(octets.len() - 1);
    if length >= 0x80 {
        // At most eight octets: the cast keeps all of them.
        der.push(0x80 | u8::try_from(octets.len() - used).unwrap_or(0));
    }
    der.extend(&octets[used..]);
    parts.iter().for_each(|part| der.extend(*part));
    der
}

/// The contents of a BOOLEAN; also for an implicitly tagged one.
pub fn boolean(contents: &[u8]) -> Result<bool, DerError> {
    match contents {
        [0x00] => Ok(false),
        [0xff] => Ok(true),
        _ => Err(DerError::Boolean),
    }
}

/// An INTEGER of any size, as its octets: two's complement, big-endian, shortest form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Integer<'a>(&'a [u8]);

impl<'a> Integer<'a> {
    /// Checks the contents of an INTEGER; also of an implicitly tagged one.
    pub fn from_contents(contents: &'a [u8]) -> Result<Self, DerError> {
        match contents {
            [] => Err(DerError::Integer),
            [0x00, second, ..] if second & 0x80 == 0 => Err(DerError::Integer),
            [0xff, second, ..] if second & 0x80 != 0 => Err(DerError::Integer),
            _ => Ok(Self(contents)),
        }
    }

    /// The octets as encoded.
    pub const fn as_bytes(&self) -> &'a [u8] {
        self.0
    }

    /// Whether the value is below zero.
    pub const fn is_negative(&self) -> bool {
        self.0[0] & 0x80 != 0
    }

    /// Whether the value is zero.
    pub const fn is_zero(&self) -> bool {
        matches!(self.0, [0])
    }

    /// The octets without the zero that keeps a positive value positive.
    pub const fn magnitude(&self) -> &'a [u8] {
        match self.0 {
            [0, rest @ ..] if !rest.is_empty() => rest,
            all => all,
        }
    }

    /// The value, if it is not negative and below 2^64.
    pub fn to_u64(&self) -> Option<u64> {
        let magnitude = self.magnitude();
        if self.is_negative() || magnitude.len() > 8 {
            return None;
        }
        Some(magnitude.iter().fold(0, |value, octet| value << 8 | u64::from(*octet)))
    }
}

/// A BIT STRING.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BitString<'a> {
    unused: u8,
    bytes: &'a [u8],
}

impl<'a> BitString<'a> {
    /// Checks the contents of a BIT STRING; also of an implicitly tagged one.
    pub fn from_contents(contents: &'a [u8]) -> Result<Self, DerError> {
        let (&unused, bytes) = contents.split_first().ok_or(DerError::BitString)?;
        let padding = 1_u8.checked_shl(u32::from(unused)).unwrap_or(0).wrapping_sub(1);
        match bytes.last() {
            _ if unused > 7 => Err(DerError::BitString),
            None if unused != 0 => Err(DerError::BitString),
            Some(last) if last & padding != 0 => Err(DerError::BitString),
            _ => Ok(Self { unused, bytes }),
        }
    }

    /// The octets, if the string is a whole number of them, as keys and signatures are.
    pub fn octets(&self) -> Result<&'a [u8], DerError> {
        if self.unused == 0 { Ok(self.bytes) } else { Err(DerError::BitString) }
    }

    /// Named bits: bit `n` of the ASN.1 definition is bit `n` of the result. Bits from 16 on are
    /// left out: no list of named bits in X.509 is as long.
    pub fn named_bits(&self) -> u16 {
        self.bytes
            .iter()
            .take(2)
            .enumerate()
            .fold(0, |bits, (index, byte)| bits | u16::from(byte.reverse_bits()) << (8 * index))
    }
}

/// A point in time and how it was encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time {
    /// The time.
    pub at: UnixTime,
    /// Whether it was a GeneralizedTime (else UTCTime): RFC 5280 4.1.2.5 wants UTCTime up to 2049.
    pub generalized: bool,
}

fn two_digits(bytes: &[u8]) -> Option<u8> {
    match bytes {
        [tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => Some((tens - b'0') * 10 + (ones - b'0')),
        _ => None,
    }
}

fn date_time(year: i16, rest: &[u8]) -> Option<UnixTime> {
    let (digits, zone) = rest.split_at_checked(10)?;
    if zone != b"Z" {
        return None;
    }
    UnixTime::from_civil(Civil {
        year,
        month: two_digits(&digits[..2])?,
        day: two_digits(&digits[2..4])?,
        hour: two_digits(&digits[4..6])?,
        minute: two_digits(&digits[6..8])?,
        second: two_digits(&digits[8..10])?,
    })
}

/// The contents of a UTCTime `YYMMDDHHMMSSZ`: 50 to 99 are 1950 to 1999 (RFC 5280 4.1.2.5.1).
pub fn utc_time(contents: &[u8]) -> Result<UnixTime, DerError> {
    let parse = || {
        let (year, rest) = contents.split_at_checked(2)?;
        let year = i16::from(two_digits(year)?);
        date_time(if year >= 50 { 1900 + year } else { 2000 + year }, rest)
    };
    parse().ok_or(DerError::Time)
}

/// The contents of a GeneralizedTime `YYYYMMDDHHMMSSZ` (RFC 5280 4.1.2.5.2: no fraction).
pub fn generalized_time(contents: &[u8]) -> Result<UnixTime, DerError> {
    let parse = || {
        let (year, rest) = contents.split_at_checked(4)?;
        let century = i16::from(two_digits(&year[..2])?);
        date_time(century * 100 + i16::from(two_digits(&year[2..])?), rest)
    };
    parse().ok_or(DerError::Time)
}

/// A value that reads itself from a [`Reader`].
pub trait Element<'a>: Sized {
    /// Reads one value.
    fn read(reader: &mut Reader<'a>) -> Result<Self, DerError>;

    /// Reads a value that [`Self::read`] has read before, so that nothing need be checked again.
    fn read_again(reader: &mut Reader<'a>) -> Option<Self> {
        Self::read(reader).ok()
    }
}

/// A SEQUENCE OF or SET OF whose every element was read once without an error, so that walking it
/// again cannot fail.
#[derive(Debug)]
pub struct List<'a, T> {
    contents: &'a [u8],
    element: std::marker::PhantomData<fn() -> T>,
}

impl<T> Clone for List<'_, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for List<'_, T> {}

impl<'a, T: Element<'a>> List<'a, T> {
    /// A list of no elements.
    pub const fn empty() -> Self {
        Self { contents: &[], element: std::marker::PhantomData }
    }

    /// Checks the contents of the SEQUENCE OF or SET OF. An empty one is an error: X.509 writes
    /// SIZE (1..MAX) nearly everywhere.
    pub fn from_contents(contents: &'a [u8]) -> Result<Self, DerError> {
        if contents.is_empty() {
            return Err(DerError::Empty);
        }
        Self::from_contents_or_empty(contents)
    }

    /// Checks the contents of a SEQUENCE OF or SET OF that may be empty.
    pub fn from_contents_or_empty(contents: &'a [u8]) -> Result<Self, DerError> {
        let mut reader = Reader::new(contents);
        while !reader.is_empty() {
            T::read(&mut reader)?;
        }
        Ok(Self { contents, element: std::marker::PhantomData })
    }

    /// A list whose every element the caller has read.
    pub(crate) const fn assume_checked(contents: &'a [u8]) -> Self {
        Self { contents, element: std::marker::PhantomData }
    }

    /// Whether there is no element.
    pub const fn is_empty(&self) -> bool {
        self.contents.is_empty()
    }

    /// The encoded elements.
    pub const fn contents(&self) -> &'a [u8] {
        self.contents
    }

    /// The elements in their order.
    pub fn iter(&self) -> Elements<'a, T> {
        Elements { reader: Reader::new(self.contents), element: std::marker::PhantomData }
    }
}

impl<'a, T: Element<'a>> IntoIterator for List<'a, T> {
    type Item = T;
    type IntoIter = Elements<'a, T>;

    fn into_iter(self) -> Elements<'a, T> {
        self.iter()
    }
}

/// The elements of a [`List`].
#[derive(Clone, Debug)]
pub struct Elements<'a, T> {
    reader: Reader<'a>,
    element: std::marker::PhantomData<fn() -> T>,
}

impl<'a, T: Element<'a>> Iterator for Elements<'a, T> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        if self.reader.is_empty() { None } else { T::read_again(&mut self.reader) }
    }
}

impl<'a> Element<'a> for Oid<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DerError> {
        reader.oid()
    }
}

impl<'a> Element<'a> for Tlv<'a> {
    fn read(reader: &mut Reader<'a>) -> Result<Self, DerError> {
        reader.any()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_are_shortest_and_definite() {
        let any = |bytes: &[u8]| Reader::new(bytes).any().map(|tlv| tlv.contents.len());
        assert_eq!(any(&[0x04, 0x01, 0xaa]), Ok(1));
        assert_eq!(any(&[0x04, 0x81, 0x01, 0xaa]), Err(DerError::Length));
        assert_eq!(any(&[0x30, 0x80, 0x00, 0x00]), Err(DerError::Length));
        assert_eq!(any(&[0x04, 0x82, 0x00, 0x80]), Err(DerError::Length));
        assert_eq!(any(&[0x04, 0x85, 1, 0, 0, 0, 0]), Err(DerError::Length));
        assert_eq!(any(&[0x04, 0x02, 0xaa]), Err(DerError::Truncated));
        assert_eq!(any(&[0x1f, 0x01, 0xaa]), Err(DerError::HighTag));
        assert_eq!(any(&[0x04]), Err(DerError::Truncated));
        let mut long = vec![0x04, 0x81, 0x80];
        long.extend([0; 128]);
        assert_eq!(any(&long), Ok(128));
    }

    #[test]
    fn what_is_constructed_is_read() {
        for length in [0, 1, 0x7f, 0x80, 0xff, 0x100, 0xffff, 0x1_0000] {
            let contents = vec![7; length];
            let der =
                constructed(tag::OCTET_STRING, &[&contents[..length / 2], &contents[length / 2..]]);
            let mut reader = Reader::new(&der);
            assert_eq!(reader.octet_string(), Ok(&contents[..]), "{length}");
            assert_eq!(reader.finish(), Ok(()));
        }
    }

    #[test]
    fn integers() {
        let integer = |contents: &'static [u8]| Integer::from_contents(contents);
        assert_eq!(integer(&[]), Err(DerError::Integer));
        assert_eq!(integer(&[0, 1]), Err(DerError::Integer));
        assert_eq!(integer(&[0xff, 0x80]), Err(DerError::Integer));
        assert!(integer(&[0x80]).unwrap().is_negative());
        assert_eq!(integer(&[0x80]).unwrap().to_u64(), None);
        assert_eq!(integer(&[0, 0x80]).unwrap().to_u64(), Some(128));
        assert!(integer(&[0]).unwrap().is_zero());
        assert_eq!(integer(&[1, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap().to_u64(), None);
    }

    #[test]
    fn booleans_and_bits() {
        assert_eq!(boolean(&[0x01]), Err(DerError::Boolean));
        assert_eq!(boolean(&[0xff]), Ok(true));
        let bits = |contents: &'static [u8]| BitString::from_contents(contents);
        // keyCertSign and cRLSign are bits 5 and 6.
        assert_eq!(bits(&[1, 0x06]).unwrap().named_bits(), 1 << 5 | 1 << 6);
        // decipherOnly is bit 8, in the second octet.
        assert_eq!(bits(&[7, 0x80, 0x80]).unwrap().named_bits(), 1 | 1 << 8);
        assert_eq!(bits(&[1, 0x07]), Err(DerError::BitString));
        assert_eq!(bits(&[8, 0]), Err(DerError::BitString));
        assert_eq!(bits(&[1]), Err(DerError::BitString));
        assert_eq!(bits(&[]), Err(DerError::BitString));
        assert_eq!(bits(&[0]).unwrap().octets(), Ok(&[][..]));
    }

    #[test]
    fn times() {
        let seconds = |time: Result<UnixTime, DerError>| time.map(UnixTime::seconds);
        assert_eq!(seconds(utc_time(b"700101000000Z")), Ok(0));
        assert_eq!(utc_time(b"491231235959Z").unwrap().civil().year, 2049);
        assert_eq!(utc_time(b"500101000000Z").unwrap().civil().year, 1950);
        assert_eq!(generalized_time(b"99991231235959Z"), Ok(UnixTime::MAX));
        for bad in
            ["7001010000Z", "700101000000", "700101000000+0000", "701301000000Z", "7001010a0000Z"]
        {
            assert_eq!(utc_time(bad.as_bytes()), Err(DerError::Time), "{bad}");
        }
        assert_eq!(generalized_time(b"20200101000000.5Z"), Err(DerError::Time));
        assert_eq!(generalized_time(b"20230229000000Z"), Err(DerError::Time));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut reader = Reader::new(&bytes);
            while let Ok(tlv) = reader.any() {
                let _ = Integer::from_contents(tlv.contents);
                let _ = BitString::from_contents(tlv.contents).map(|bits| bits.named_bits());
                let _ = utc_time(tlv.contents).is_ok() | generalized_time(tlv.contents).is_ok();
                if let Some(oid) = Oid::from_contents(tlv.contents) {
                    let _ = oid.to_string();
                }
            }
        }
    }
}
