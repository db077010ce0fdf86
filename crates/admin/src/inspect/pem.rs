//! The PEM blocks of a file (RFC 7468), one by one: what is damaged is named and its neighbours are
//! read.

use rustmq_pki::der::tag;
use zeroize::Zeroizing;

const BEGIN: &str = "-----BEGIN ";

/// Characters of a line as the strict decoder wants them.
const WIDTH: usize = 64;

/// One block. The bytes are zeroized when dropped: they may be a key.
pub(crate) struct Block {
    /// The label, of a hostile file no more of it than a line.
    pub(crate) label: String,
    /// The line of its BEGIN, from 1.
    pub(crate) line: usize,
    /// What it holds, or what is wrong with it.
    pub(crate) der: Result<Zeroizing<Vec<u8>>, String>,
}

/// Whether the file has a block, whole or not. What begins as DER and is no text is DER, whatever
/// stands in it.
pub(crate) fn is_pem(bytes: &[u8]) -> bool {
    let der = bytes.first() == Some(&tag::SEQUENCE) && std::str::from_utf8(bytes).is_err();
    !der && bytes.windows(BEGIN.len()).any(|window| window == BEGIN.as_bytes())
}

/// The blocks of a file in its order. What stands between them is no matter: a byte order mark,
/// letters of another encoding.
pub(crate) fn blocks(bytes: &[u8]) -> impl Iterator<Item = Block> {
    let mut lines = 0;
    bytes.utf8_chunks().flat_map(move |chunk| {
        let before = lines;
        lines += chunk.valid().matches('\n').count();
        text_blocks(chunk.valid()).map(move |found| Block { line: before + found.line, ..found })
    })
}

fn text_blocks(text: &str) -> impl Iterator<Item = Block> {
    let (mut rest, mut line) = (text, 1);
    std::iter::from_fn(move || {
        let (before, block) = rest.split_at(rest.find(BEGIN)?);
        line += before.matches('\n').count();
        let (block, after) = block.split_at(end_of(block));
        let found = Block { line, ..read(block) };
        line += block.matches('\n').count();
        rest = after;
        Some(found)
    })
}

/// Where the block ends: after its END line, or where another begins without there having been one.
fn end_of(block: &str) -> usize {
    let next = block[BEGIN.len()..].find(BEGIN).map_or(block.len(), |at| at + BEGIN.len());
    let end = format!("-----END {}-----", label(block));
    block[..next].find(&end).map_or(next, |at| at + end.len())
}

/// What stands between BEGIN and the hyphens, of which a damaged line may have too few.
fn label(block: &str) -> &str {
    let line = block[BEGIN.len()..].lines().next().unwrap_or_default();
    line.split("-----").next().unwrap_or_default().trim_end().trim_end_matches('-')
}

fn read(block: &str) -> Block {
    let label = label(block);
    let end = format!("-----END {label}-----");
    let body = block[BEGIN.len() + label.len()..].strip_prefix("-----");
    let der = match body.map(|body| body.strip_suffix(end.as_str())) {
        None => Err("its BEGIN line does not end with five hyphens".to_owned()),
        Some(None) => Err("it has no END line".to_owned()),
        Some(Some(body)) => decoded(label, body, &end),
    };
    Block { label: label.chars().take(WIDTH).collect(), line: 0, der }
}

/// Lines of any length are taken: the body is wrapped anew before the strict decoder sees it.
fn decoded(label: &str, body: &str, end: &str) -> Result<Zeroizing<Vec<u8>>, String> {
    // Never grows, so that no copy of a key stays behind.
    let mut pem = Zeroizing::new(String::with_capacity(2 * body.len() + 2 * label.len() + 64));
    pem.push_str(BEGIN);
    pem.push_str(label);
    pem.push_str("-----");
    let white = |c: &char| matches!(c, ' ' | '\t' | '\r' | '\n');
    for (index, c) in body.chars().filter(|c| !white(c)).enumerate() {
        if index % WIDTH == 0 {
            pem.push('\n');
        }
        pem.push(c);
    }
    pem.push('\n');
    pem.push_str(end);
    pem.push('\n');
    let decoded = pem_rfc7468::decode_vec(pem.as_bytes());
    decoded.map(|(_, der)| Zeroizing::new(der)).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(text: &str) -> Vec<(String, usize, Result<Vec<u8>, String>)> {
        blocks(text.as_bytes()).map(|b| (b.label, b.line, b.der.map(|der| der.to_vec()))).collect()
    }

    fn only(text: &str) -> Result<Vec<u8>, String> {
        let mut all = read_all(text);
        assert_eq!(all.len(), 1, "{text}");
        all.remove(0).2
    }

    #[test]
    fn marks_spaces_and_lines_of_any_length_do_no_harm() {
        let whole = "-----BEGIN A B-----\nAAEC\nAwQF\n-----END A B-----\n";
        assert_eq!(only(whole).unwrap(), [0, 1, 2, 3, 4, 5]);
        assert_eq!(only(&format!("\u{feff}{whole}")).unwrap(), [0, 1, 2, 3, 4, 5]);
        assert_eq!(only(&whole.replace('\n', "\r\n")).unwrap(), [0, 1, 2, 3, 4, 5]);
        assert_eq!(only(&whole.replace('\n', " \n\n ")).unwrap(), [0, 1, 2, 3, 4, 5]);
        let long = format!("-----BEGIN A-----\n{}\n-----END A-----", "AAAA".repeat(100));
        assert_eq!(only(&long).unwrap(), [0; 300]);
    }

    #[test]
    fn letters_of_another_encoding_stand_between_blocks_and_der_is_der() {
        let good = "\n-----BEGIN A-----\nAAEC\n-----END A-----\n";
        let latin = [b"Z\xfcrich", good.as_bytes(), b"M\xfcnchen", good.as_bytes()].concat();
        let all: Vec<_> = blocks(&latin).map(|b| (b.line, b.der.is_ok())).collect();
        assert!(is_pem(&latin));
        assert_eq!(all, [(2, true), (6, true)]);
        assert!(!is_pem(&[&[0x30, 0x82, 1, 0xff], good.as_bytes()].concat()));
    }

    #[test]
    fn a_damaged_block_is_named_and_its_neighbours_are_read() {
        let good = "-----BEGIN A-----\nAAEC\n-----END A-----\n";
        let cut = "-----BEGIN A-----\nAAEC\n";
        let all =
            read_all(&format!("{cut}{good}text\n-----BEGIN A-----\n!!!!\n-----END A-----\n{cut}"));
        let lines: Vec<_> = all.iter().map(|(_, line, _)| *line).collect();
        assert_eq!(lines, [1, 3, 7, 10]);
        assert_eq!(all[0].2, Err("it has no END line".to_owned()));
        assert_eq!(all[1].2, Ok(vec![0, 1, 2]));
        assert!(all[2].2.as_ref().unwrap_err().contains("Base64"), "{:?}", all[2].2);
        assert_eq!(all[3].2, Err("it has no END line".to_owned()));
        for cut in ["-----BEGIN ", "-----BEGIN A", "-----BEGIN A--", "-----BEGIN A\nAAEC"] {
            assert_eq!(only(cut), Err("its BEGIN line does not end with five hyphens".to_owned()));
        }
        assert_eq!(
            only("-----BEGIN A-----\nAAEC\n-----END B-----"),
            Err("it has no END line".to_owned())
        );
    }
}
