//! PEM (RFC 7468) onto a byte buffer, a line of 48 octets at a time.
//!
//! What is encoded may be a private key, so no branch and no table look-up depends on it. The compiler
//! turns the arithmetic on 64 letters into vector instructions: it is as fast as a table, too.

/// Octets in a line of PEM, and the letters that they make.
const OCTETS: usize = 48;
const LETTERS: usize = 64;

/// Appends `der` as PEM under `label`; each line ends with `end`, which is a line feed, or the two
/// characters that stand for one in a JSON string.
pub(crate) fn push(out: &mut Vec<u8>, label: &str, der: &[u8], end: &[u8]) {
    push_boundary(out, b"-----BEGIN ", label, end);
    let (lines, last) = der.as_chunks::<OCTETS>();
    for line in lines {
        out.extend_from_slice(&letters(line));
        out.extend_from_slice(end);
    }
    if !last.is_empty() {
        push_last(out, last);
        out.extend_from_slice(end);
    }
    push_boundary(out, b"-----END ", label, end);
}

fn push_boundary(out: &mut Vec<u8>, words: &[u8], label: &str, end: &[u8]) {
    out.extend_from_slice(words);
    out.extend_from_slice(label.as_bytes());
    out.extend_from_slice(b"-----");
    out.extend_from_slice(end);
}

/// Base64 (RFC 4648 4) of less than a line, with its padding.
fn push_last(out: &mut Vec<u8>, octets: &[u8]) {
    let mut whole = [0; OCTETS];
    whole[..octets.len()].copy_from_slice(octets);
    let padding = (3 - octets.len() % 3) % 3;
    let length = (octets.len() + padding) / 3 * 4;
    out.extend_from_slice(&letters(&whole)[..length - padding]);
    out.extend_from_slice(&b"=="[..padding]);
}

/// Base64 of a line.
fn letters(octets: &[u8; OCTETS]) -> [u8; LETTERS] {
    let mut letters = [0; LETTERS];
    for (six, eight) in octets.as_chunks().0.iter().zip(letters.as_chunks_mut().0) {
        *eight = sextets(*six);
    }
    letters.map(letter_of)
}

/// Six octets as eight sextets: halves move apart until each has an octet of its own.
fn sextets([a, b, c, d, e, f]: [u8; 6]) -> [u8; 8] {
    let bits = u64::from_be_bytes([0, 0, a, b, c, d, e, f]);
    let bits = bits & 0x00ff_ffff | (bits & 0xffff_ff00_0000) << 8;
    let bits = bits & 0x0000_0fff_0000_0fff | (bits & 0x00ff_f000_00ff_f000) << 4;
    let bits = bits & 0x003f_003f_003f_003f | (bits & 0x0fc0_0fc0_0fc0_0fc0) << 2;
    bits.to_be_bytes()
}

/// The letter of a sextet: each comparison moves on to the next of the alphabet's five ranges.
fn letter_of(sextet: u8) -> u8 {
    // A sextet has no sign bit, and signed octets are compared in one instruction.
    let past = |last: i8| u8::from(sextet.cast_signed() > last);
    (sextet + b'A')
        .wrapping_add(past(25) * 6)
        .wrapping_sub(past(51) * 75)
        .wrapping_sub(past(61) * 15)
        .wrapping_add(past(62) * 3)
}

#[cfg(test)]
mod tests {
    use pem_rfc7468::LineEnding;

    use super::*;

    #[test]
    fn every_length_is_what_another_encoder_writes() {
        let der: Vec<u8> = (0..200_u8).map(|n| n.wrapping_mul(151)).collect();
        for length in 1..der.len() {
            let mut ours = Vec::new();
            push(&mut ours, "PRIVATE KEY", &der[..length], b"\n");
            let theirs =
                pem_rfc7468::encode_string("PRIVATE KEY", LineEnding::LF, &der[..length]).unwrap();
            assert_eq!(String::from_utf8(ours).unwrap(), theirs, "{length} octets");
        }
    }

    #[test]
    fn each_letter_of_the_alphabet_has_its_place() {
        let alphabet: String = (0..64).map(|sextet| char::from(letter_of(sextet))).collect();
        let expected = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        assert_eq!(alphabet, expected);
    }
}
