//! Octets as lower-case hexadecimal without separators.

use std::fmt::{self, Write};

const DIGITS: &[u8; 16] = b"0123456789abcdef";

fn digits(octet: u8) -> [u8; 2] {
    [DIGITS[usize::from(octet >> 4)], DIGITS[usize::from(octet & 0x0f)]]
}

/// The digits of `octets`.
pub fn encode(octets: &[u8]) -> String {
    octets.iter().flat_map(|octet| digits(*octet).map(char::from)).collect()
}

/// Appends the digits of `octets` to a text in ASCII or UTF-8.
pub fn push(text: &mut Vec<u8>, octets: &[u8]) {
    let start = text.len();
    text.resize(start + 2 * octets.len(), 0);
    for (octet, pair) in octets.iter().zip(text[start..].as_chunks_mut().0) {
        *pair = digits(*octet);
    }
}

/// Writes the digits of `octets`, for a `Display`.
pub(crate) fn write(f: &mut fmt::Formatter<'_>, octets: &[u8]) -> fmt::Result {
    octets.iter().flat_map(|octet| digits(*octet)).try_for_each(|c| f.write_char(char::from(c)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_octet_has_its_two_digits() {
        for octet in 0..=u8::MAX {
            assert_eq!(encode(&[octet]), format!("{octet:02x}"));
        }
        let mut text = b"sha256 ".to_vec();
        push(&mut text, &[0x00, 0x0f, 0xf0, 0xa5]);
        assert_eq!(text, b"sha256 000ff0a5");
        push(&mut text, &[]);
        assert_eq!(text.len(), 15);
        assert_eq!(encode(&[]), "");
    }
}
