//! PEM as it is found elsewhere: text around it, lines of any length, indented, old headers.

use base64ct::{Base64, Encoding};
use zeroize::Zeroizing;

/// The most blocks of one file; a system's bundle of roots has some 150.
const MOST_BLOCKS: usize = 10_000;

/// The most blocks without an end of one file: each costs a search to the end of it.
const MOST_ENDLESS: usize = 16;

/// What begins every block.
const BEGIN: &str = "-----BEGIN ";

/// One block.
pub(super) struct Block<'a> {
    /// Its label, such as `CERTIFICATE`.
    pub(super) label: &'a str,
    /// What it holds.
    pub(super) content: Content,
}

/// What a block holds.
pub(super) enum Content {
    /// Bytes; zeroized when dropped, for they may be a key.
    Der(Zeroizing<Vec<u8>>),
    /// Encrypted in the manner of OpenSSL's traditional keys (`Proc-Type: 4,ENCRYPTED`).
    Encrypted,
    /// There is nothing.
    Damaged {
        /// Why.
        why: &'static str,
        /// Whether there is a line such as a block has, so that something is lost.
        holds_lines: bool,
    },
}

/// Whether there is PEM in the text.
pub(super) fn is_in(text: &str) -> bool {
    text.contains(BEGIN)
}

/// The blocks of a text, in its order.
pub(super) fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut blocks = Vec::new();
    let (mut rest, mut endless) = (text, 0);
    while let Some(at) = rest.find(BEGIN) {
        rest = &rest[at + BEGIN.len()..];
        let Some((label, body)) = rest.split_once("-----") else { break };
        // A label is a word or a few on the same line.
        if label.len() > 64 || label.contains('\n') {
            continue;
        }
        if blocks.len() == MOST_BLOCKS || endless == MOST_ENDLESS {
            blocks.push(Block { label, content: damaged("more blocks than are read", "") });
            break;
        }
        let end = format!("-----END {label}-----");
        let Some((body, after)) = body.split_once(&end) else {
            // What follows up to the next block is its own.
            let body = body.split_once(BEGIN).map_or(body, |(body, _)| body);
            blocks.push(Block { label, content: damaged("its END line is missing", body) });
            endless += 1;
            continue;
        };
        blocks.push(Block { label, content: content(body) });
        rest = after;
    }
    blocks
}

fn content(body: &str) -> Content {
    if body.contains("Proc-Type: 4,ENCRYPTED") {
        return Content::Encrypted;
    }
    let unescaped = unescaped(body);
    let mut base64 = Zeroizing::new(String::with_capacity(body.len()));
    for line in unescaped.lines().filter(|line| !line.contains(':')) {
        base64.extend(line.chars().filter(|c| !c.is_whitespace()));
    }
    match Base64::decode_vec(&base64) {
        Ok(der) => Content::Der(Zeroizing::new(der)),
        Err(_) => damaged("it is not Base64", body),
    }
}

/// The line ends of a text within a text, as JSON and shell variables have them, taken for line ends;
/// neither PEM nor Base64 has a backslash.
fn unescaped(body: &str) -> Zeroizing<String> {
    let mut text = Zeroizing::new(String::with_capacity(body.len()));
    let mut rest = body.chars();
    while let Some(c) = rest.next() {
        text.push(match (c, rest.as_str().chars().next()) {
            ('\\', Some('n' | 'r')) => {
                rest.next();
                '\n'
            }
            ('\\', Some('/')) => continue,
            _ => c,
        });
    }
    text
}

/// How long a line of Base64 is that no script and no sentence has between the lines about a block;
/// each but the last of a block has 64 characters (RFC 7468), or 76.
const LONG_LINE: usize = 40;

fn damaged(why: &'static str, body: &str) -> Content {
    let is_base64 = |c: &char| c.is_ascii_alphanumeric() || "+/=".contains(*c);
    let body = unescaped(body);
    // Words have spaces between them, and addresses colons.
    let mut lines = body.lines().map(str::trim).filter(|line| !line.contains([' ', ':']));
    let holds_lines = lines.any(|line| line.chars().filter(is_base64).count() >= LONG_LINE);
    Content::Damaged { why, holds_lines }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn der(content: &Content) -> Option<&[u8]> {
        match content {
            Content::Der(der) => Some(der),
            _ => None,
        }
    }

    #[test]
    fn text_around_long_lines_and_indentation_are_taken() {
        let text = "Certificate:\n  Data\n-----BEGIN CERTIFICATE-----\r\n  AQID\r\n  BAUG\r\n-----END \
                    CERTIFICATE-----\nbetween\n-----BEGIN X-----AQ==-----END X-----";
        let found = blocks(text);
        assert_eq!(der(&found[0].content), Some(&[1, 2, 3, 4, 5, 6][..]));
        assert_eq!((found[1].label, der(&found[1].content)), ("X", Some(&[1][..])));
        assert_eq!(found.len(), 2);
    }

    #[test]
    fn what_is_damaged_or_encrypted_is_said() {
        let damaged = |text| matches!(blocks(text)[0].content, Content::Damaged { .. });
        assert!(damaged("-----BEGIN A-----\nAQ==\n"));
        assert!(damaged("-----BEGIN A-----\n%%%%\n-----END A-----"));
        let encrypted =
            "-----BEGIN A-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: X,00\n\nAQ==\n-----END A-----";
        assert!(matches!(blocks(encrypted)[0].content, Content::Encrypted));
        assert!(blocks("-----BEGIN A\n-----").is_empty());
    }
}
