//! A DER writer (X.690): what this crate issues is assembled with it, once per field, front to back.

use crate::der::tag;
use crate::time::UnixTime;

/// Bytes of DER being written.
#[derive(Clone, Debug, Default)]
pub struct Encoder {
    bytes: Vec<u8>,
}

impl Encoder {
    /// An empty encoder with room for `capacity` octets.
    pub fn with_capacity(capacity: usize) -> Self {
        Self { bytes: Vec::with_capacity(capacity) }
    }

    /// What was written.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// Appends octets that are DER already.
    pub fn raw(&mut self, der: &[u8]) -> &mut Self {
        self.bytes.extend_from_slice(der);
        self
    }

    /// Appends one value with its tag and length.
    pub fn value(&mut self, tag: u8, content: &[u8]) -> &mut Self {
        self.bytes.push(tag);
        push_length(&mut self.bytes, content.len());
        self.raw(content)
    }

    /// Appends a value whose content `write` writes.
    pub fn nested(&mut self, tag: u8, write: impl FnOnce(&mut Self)) -> &mut Self {
        self.bytes.push(tag);
        self.bytes.push(0);
        let start = self.bytes.len();
        write(self);
        self.close(start)
    }

    /// As [`Self::nested`], with the octet that says how many bits of the last one are unused: none.
    pub fn nested_bit_string(&mut self, write: impl FnOnce(&mut Self)) -> &mut Self {
        self.nested(tag::BIT_STRING, |content| {
            content.bytes.push(0);
            write(content);
        })
    }

    /// Sets the length octet before `start`, and makes room for more where one is too few.
    fn close(&mut self, start: usize) -> &mut Self {
        let length = self.bytes.len() - start;
        if let Ok(short) = u8::try_from(length)
            && short < 0x80
        {
            self.bytes[start - 1] = short;
        } else {
            // The length goes behind the content first, and then past it to its place.
            let end = self.bytes.len();
            push_length(&mut self.bytes, length);
            let mut header = [0; 1 + size_of::<usize>()];
            let header = &mut header[..self.bytes.len() - end];
            header.copy_from_slice(&self.bytes[end..]);
            self.bytes.copy_within(start..end, start - 1 + header.len());
            self.bytes[start - 1..start - 1 + header.len()].copy_from_slice(header);
            self.bytes.truncate(end - 1 + header.len());
        }
        self
    }

    /// OBJECT IDENTIFIER from its content octets.
    pub fn oid(&mut self, content: &[u8]) -> &mut Self {
        self.value(tag::OID, content)
    }

    /// BOOLEAN.
    pub fn boolean(&mut self, value: bool) -> &mut Self {
        self.value(tag::BOOLEAN, &[if value { 0xff } else { 0 }])
    }

    /// A non-negative INTEGER from its big-endian octets.
    pub fn unsigned(&mut self, octets: &[u8]) -> &mut Self {
        self.unsigned_tagged(tag::INTEGER, octets)
    }

    /// [`Self::unsigned`] under an implicit tag.
    pub fn unsigned_tagged(&mut self, tag: u8, octets: &[u8]) -> &mut Self {
        let zeros = octets.iter().take_while(|octet| **octet == 0).count();
        let octets = &octets[zeros..];
        self.bytes.push(tag);
        // A leading zero keeps a set top bit from reading as a sign, and zero itself is one octet.
        let pad = octets.first().is_none_or(|first| first & 0x80 != 0);
        push_length(&mut self.bytes, octets.len() + usize::from(pad));
        if pad {
            self.bytes.push(0);
        }
        self.raw(octets)
    }

    /// A time as RFC 5280 4.1.2.5 wants it: UTCTime through 2049, GeneralizedTime before 1950 and
    /// from 2050 on.
    pub fn time(&mut self, time: UnixTime) -> &mut Self {
        let civil = time.civil();
        let mut text = [0_u8; 15];
        let parts = [civil.month, civil.day, civil.hour, civil.minute, civil.second];
        for (pair, part) in text[4..14].chunks_exact_mut(2).zip(parts) {
            pair.copy_from_slice(&two_digits(part));
        }
        text[14] = b'Z';
        let year = u16::try_from(civil.year).unwrap_or(0).min(9999);
        let (century, of_century) = (year / 100, year % 100);
        text[..2].copy_from_slice(&two_digits(u8::try_from(century).unwrap_or(99)));
        text[2..4].copy_from_slice(&two_digits(u8::try_from(of_century).unwrap_or(99)));
        if (1950..2050).contains(&year) {
            self.value(tag::UTC_TIME, &text[2..])
        } else {
            self.value(tag::GENERALIZED_TIME, &text)
        }
    }

    /// GeneralizedTime whatever the year, as the invalidity date of a CRL entry wants it
    /// (RFC 5280 5.3.2).
    pub fn generalized_time(&mut self, time: UnixTime) -> &mut Self {
        let c = time.civil();
        let text = format!(
            "{:04}{:02}{:02}{:02}{:02}{:02}Z",
            c.year, c.month, c.day, c.hour, c.minute, c.second
        );
        self.value(tag::GENERALIZED_TIME, text.as_bytes())
    }

    /// BIT STRING of named bits: bit `n` of the ASN.1 definition is bit `n` of `bits`. Trailing zero
    /// bits are left out (X.690 11.2.2).
    pub fn named_bits(&mut self, bits: u16) -> &mut Self {
        let [first, second] = bits.reverse_bits().to_be_bytes();
        let octets: &[u8] = match (first, second) {
            (0, 0) => &[],
            (_, 0) => &[first],
            _ => &[first, second],
        };
        let unused = octets.last().map_or(0, |last| last.trailing_zeros());
        self.bytes.push(tag::BIT_STRING);
        push_length(&mut self.bytes, octets.len() + 1);
        self.bytes.push(u8::try_from(unused).unwrap_or(0));
        self.raw(octets)
    }
}

fn two_digits(n: u8) -> [u8; 2] {
    [b'0' + n / 10 % 10, b'0' + n % 10]
}

fn push_length(bytes: &mut Vec<u8>, length: usize) {
    match u8::try_from(length) {
        Ok(short) if short < 0x80 => bytes.push(short),
        _ => {
            let octets = length.to_be_bytes();
            let zeros = octets.iter().take_while(|octet| **octet == 0).count();
            let octets = &octets[zeros..];
            bytes.push(0x80 | u8::try_from(octets.len()).unwrap_or(8));
            bytes.extend_from_slice(octets);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encode(write: impl FnOnce(&mut Encoder)) -> Vec<u8> {
        let mut encoder = Encoder::default();
        write(&mut encoder);
        encoder.into_bytes()
    }

    #[test]
    fn lengths_are_minimal() {
        for (length, header) in [
            (0, vec![0x04, 0x00]),
            (127, vec![0x04, 0x7f]),
            (128, vec![0x04, 0x81, 0x80]),
            (256, vec![0x04, 0x82, 0x01, 0x00]),
            (65_536, vec![0x04, 0x83, 0x01, 0x00, 0x00]),
        ] {
            let content = vec![7; length];
            let flat = encode(|e| _ = e.value(tag::OCTET_STRING, &content));
            assert_eq!(flat[..header.len()], header);
            let nested = encode(|e| {
                e.nested(tag::OCTET_STRING, |inner| _ = inner.raw(&content));
            });
            assert_eq!(flat, nested);
        }
    }

    #[test]
    fn integers_are_minimal_and_positive() {
        assert_eq!(encode(|e| _ = e.unsigned(&[])), [2, 1, 0]);
        assert_eq!(encode(|e| _ = e.unsigned(&[0, 0, 1])), [2, 1, 1]);
        assert_eq!(encode(|e| _ = e.unsigned(&[0x80])), [2, 2, 0, 0x80]);
    }

    #[test]
    fn named_bits_drop_trailing_zeros() {
        // keyCertSign (5) and cRLSign (6), as every CA certificate has them.
        assert_eq!(encode(|e| _ = e.named_bits(0b110_0000)), [3, 2, 1, 6]);
        assert_eq!(encode(|e| _ = e.named_bits(1)), [3, 2, 7, 0x80]);
        assert_eq!(encode(|e| _ = e.named_bits(1 << 8)), [3, 3, 7, 0, 0x80]);
        assert_eq!(encode(|e| _ = e.named_bits(0)), [3, 1, 0]);
    }

    #[test]
    fn times_change_form_at_2050() {
        let at = |text: &str| {
            let time = text.parse().unwrap();
            encode(|e| _ = e.time(time))
        };
        assert_eq!(at("2049-12-31T23:59:59Z"), b"\x17\x0d491231235959Z");
        assert_eq!(at("2050-01-01T00:00:00Z"), b"\x18\x0f20500101000000Z");
        assert_eq!(at("9999-12-31T23:59:59Z"), b"\x18\x0f99991231235959Z");
        assert_eq!(at("1949-01-01T00:00:00Z"), b"\x18\x0f19490101000000Z");
    }
}
