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
    for line in der.chunks(OCTETS) {
        push_line(out, line);
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

/// Base64 (RFC 4648 4) of at most 48 octets.
fn push_line(out: &mut Vec<u8>, octets: &[u8]) {
    let mut whole = [0; OCTETS];
    whole[..octets.len()].copy_from_slice(octets);
    let mut letters = sextets(&whole);
    for letter in &mut letters {
        *letter = letter_of(*letter);
    }
    let padding = (3 - octets.len() % 3) % 3;
    let length = (octets.len() + padding) / 3 * 4;
    out.extend_from_slice(&letters[..length - padding]);
    out.extend_from_slice(&b"=="[..padding]);
}

fn sextets(octets: &[u8; OCTETS]) -> [u8; LETTERS] {
    let mut sextets = [0; LETTERS];
    for (three, four) in octets.chunks_exact(3).zip(sextets.chunks_exact_mut(4)) {
        four[0] = three[0] >> 2;
        four[1] = (three[0] & 0x03) << 4 | three[1] >> 4;
        four[2] = (three[1] & 0x0f) << 2 | three[2] >> 6;
        four[3] = three[2] & 0x3f;
    }
    sextets
}

/// The letter of a sextet: each comparison moves on to the next of the alphabet's five ranges.
fn letter_of(sextet: u8) -> u8 {
    let past = |last: u8| u8::from(sextet > last);
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
