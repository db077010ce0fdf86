//! Comparison of attribute values: caseIgnoreMatch (RFC 4517 4.2.11) after the preparation of
//! RFC 4518, as RFC 5280 7.1 asks for.

use rustmq_pki::der::tag;
use rustmq_pki::read::Attribute;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Whether two values of one type of attribute are the same. What is no text is compared by its
/// bytes.
pub(super) fn same_value(a: &Attribute<'_>, b: &Attribute<'_>) -> bool {
    if a.der == b.der {
        return true;
    }
    if is_plain(a) && is_plain(b) {
        return same_words(a.value, b.value);
    }
    match (a.text(), b.text()) {
        (Some(a), Some(b)) => prepared(&a) == prepared(&b),
        _ => false,
    }
}

/// What two values have in common exactly if they are the same.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Comparable<'a> {
    /// Prepared text.
    Text(String),
    /// The encoding of what is no text.
    Other(&'a [u8]),
}

impl<'a> Comparable<'a> {
    pub(super) fn of(attribute: &Attribute<'a>) -> Self {
        attribute.text().map_or(Self::Other(attribute.der), |text| Self::Text(prepared(&text)))
    }
}

/// Whether the value is of a type in which an ASCII character is one octet, and has only printable
/// ones: those need no preparation but for case and spaces.
pub(super) fn is_plain(attribute: &Attribute<'_>) -> bool {
    const TYPES: [u8; 5] = [
        tag::UTF8_STRING,
        tag::PRINTABLE_STRING,
        tag::IA5_STRING,
        tag::NUMERIC_STRING,
        tag::VISIBLE_STRING,
    ];
    // Without an early end the loop is one over whole words of the machine.
    let other = |found: bool, byte: &u8| found | !(b' '..=b'~').contains(byte);
    TYPES.contains(&attribute.tag) && !attribute.value.iter().fold(false, other)
}

fn plain_words(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    text.split(|byte| *byte == b' ').filter(|word| !word.is_empty())
}

/// Word by word, case aside.
fn same_words(a: &[u8], b: &[u8]) -> bool {
    let (mut a, mut b) = (plain_words(a), plain_words(b));
    loop {
        match (a.next(), b.next()) {
            (None, None) => return true,
            (Some(a), Some(b)) if a.eq_ignore_ascii_case(b) => {}
            _ => return false,
        }
    }
}

/// The steps of RFC 4518 section 2. Folding may undo a normal form, so it is applied on both sides
/// of the folding.
fn prepared(text: &str) -> String {
    let mapped = text.chars().filter_map(mapped);
    if text.is_ascii() {
        return spaced(mapped.map(|c| c.to_ascii_lowercase()));
    }
    spaced(mapped.nfkc().flat_map(folded).nfkc())
}

/// RFC 4518 2.2: white space becomes a space, and what only controls its neighbours nothing. The
/// standard lists the format characters of Unicode 3.2; these are those of today, with the
/// variation selectors, which it names as well.
fn mapped(c: char) -> Option<char> {
    match c {
        ' '..='~' => Some(c),
        '\t'..='\r' | '\u{85}' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' => Some(' '),
        '\u{2028}' | '\u{2029}' | '\u{202f}' | '\u{205f}' | '\u{3000}' => Some(' '),
        '\0'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{ad}' | '\u{34f}' => None,
        '\u{600}'..='\u{605}' | '\u{61c}' | '\u{6dd}' | '\u{70f}' => None,
        '\u{890}' | '\u{891}' | '\u{8e2}' | '\u{1806}' | '\u{180b}'..='\u{180f}' => None,
        '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' => None,
        '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{fff9}'..='\u{fffc}' => None,
        '\u{110bd}' | '\u{110cd}' | '\u{13430}'..='\u{1343f}' => None,
        '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' => None,
        '\u{e0000}'..='\u{e0fff}' => None,
        _ => Some(c),
    }
}

/// RFC 3454 B.2: by way of the capital, so that sharp s and `ss`, and both small sigmas, are the
/// same. The dotless i stays apart, although its capital is that of the dotted one.
fn folded(c: char) -> impl Iterator<Item = char> {
    let dotless = c == '\u{131}';
    let by_capital = |c: char| {
        let small = c.to_lowercase();
        small.flat_map(char::to_uppercase).flat_map(char::to_lowercase)
    };
    let other = (!dotless).then_some(c).into_iter().flat_map(by_capital);
    dotless.then_some(c).into_iter().chain(other)
}

/// RFC 4518 2.6.1: one space between words and none at the ends. A space that bears a combining mark
/// counts as a letter.
fn spaced(chars: impl Iterator<Item = char>) -> String {
    let mut text = String::new();
    let mut chars = chars.peekable();
    let mut gap = false;
    while let Some(c) = chars.next() {
        if c == ' ' && !chars.peek().is_some_and(|next| is_combining_mark(*next)) {
            gap = true;
            continue;
        }
        if gap && !text.is_empty() {
            text.push(' ');
        }
        gap = false;
        text.push(c);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rustmq_pki::der::constructed;
    use rustmq_pki::oid;
    use rustmq_pki::read::NameRef;

    fn same(a: &str, b: &str) -> bool {
        same_as((tag::UTF8_STRING, a.as_bytes()), (tag::UTF8_STRING, b.as_bytes()))
    }

    fn same_as(a: (u8, &[u8]), b: (u8, &[u8])) -> bool {
        let [a, b] = [a, b].map(|(tag, value)| {
            let oid = constructed(tag::OID, &[oid::ORGANIZATION]);
            let attribute = constructed(tag::SEQUENCE, &[&oid, &constructed(tag, &[value])]);
            constructed(tag::SEQUENCE, &[&constructed(tag::SET, &[&attribute])])
        });
        let [a, b] = [&a, &b].map(|der| NameRef::from_der(der).unwrap());
        let (a, b) = (a.attributes().next().unwrap(), b.attributes().next().unwrap());
        let same = same_value(&a, &b);
        assert_eq!(same, Comparable::of(&a) == Comparable::of(&b), "{a} {b}");
        same
    }

    #[test]
    fn spaces_case_and_form_do_not_distinguish_names() {
        assert!(same("  Good  CA ", "good ca"));
        assert!(same("Good\tCA", "good\u{a0}\u{2003}ca"));
        assert!(same("\u{c4}", "\u{e4}"));
        assert!(same("\u{ff21}b", "ab"), "a full-width letter");
        assert!(!same("Good CA", "GoodCA"));
        assert!(!same("a", "ab"));
    }

    #[test]
    fn what_only_controls_its_neighbours_does_not_distinguish_names() {
        let nothing = [
            '\0',
            '\u{7}',
            '\u{1f}',
            '\u{7f}',
            '\u{84}',
            '\u{86}',
            '\u{9f}',
            '\u{ad}',
            '\u{34f}',
            '\u{61c}',
            '\u{6dd}',
            '\u{70f}',
            '\u{1806}',
            '\u{180b}',
            '\u{180e}',
            '\u{200b}',
            '\u{200c}',
            '\u{200d}',
            '\u{200f}',
            '\u{202a}',
            '\u{202e}',
            '\u{2060}',
            '\u{2063}',
            '\u{2066}',
            '\u{2069}',
            '\u{206a}',
            '\u{206f}',
            '\u{fe00}',
            '\u{fe0f}',
            '\u{feff}',
            '\u{fff9}',
            '\u{fffc}',
            '\u{1d173}',
            '\u{1d17a}',
            '\u{e0001}',
            '\u{e0020}',
            '\u{e007f}',
            '\u{e0100}',
        ];
        for c in nothing {
            assert!(same(&format!("Ac{c}me"), "acme"), "U+{:04X}", u32::from(c));
            assert!(same(&format!("{c}Acme{c}"), "acme"), "U+{:04X}", u32::from(c));
        }
        for c in ['\t', '\n', '\u{b}', '\u{c}', '\r', '\u{85}', '\u{2028}', '\u{2029}', '\u{3000}']
        {
            assert!(same(&format!("Ac{c}me"), "ac me"), "U+{:04X}", u32::from(c));
        }
    }

    /// Otherwise two principals could be one name.
    #[test]
    fn no_principal_has_what_is_dropped_or_made_a_space() {
        for c in ('\0'..=char::MAX).filter(|c| *c != ' ' && mapped(*c) != Some(*c)) {
            assert!(c.is_control() || rustmq_pki::name::is_hidden(c), "U+{:04X}", u32::from(c));
        }
    }

    #[test]
    fn case_is_folded_and_not_only_lowered() {
        assert!(same("Stra\u{df}e", "STRASSE") && same("STRA\u{1e9e}E", "strasse"));
        assert!(same("\u{3a3}\u{3c2}", "\u{3c3}\u{3c3}"), "the final sigma");
        assert!(same("\u{130}", "i\u{307}"), "the dotted capital");
        assert!(!same("\u{131}", "i") && !same("\u{131}", "I"), "the dotless letter");
        assert!(same("\u{212a}", "k"), "the Kelvin sign");
        assert!(same("a\u{200d}\u{308}", "\u{e4}"), "composed over what is left out");
    }

    #[test]
    fn a_space_that_bears_a_mark_is_no_space() {
        assert!(same("a  \u{308}b", "a \u{a8}b"));
        assert!(!same("a\u{a8}b", "a \u{a8}b"));
    }

    #[test]
    fn the_type_of_the_string_does_not_distinguish_names() {
        let utf8 = (tag::UTF8_STRING, "Z\u{eb}".as_bytes());
        assert!(same_as(utf8, (tag::TELETEX_STRING, b"z\xcb")));
        assert!(same_as(utf8, (tag::BMP_STRING, &[0, b'z', 0, 0xcb])));
        assert!(same_as(utf8, (tag::UNIVERSAL_STRING, &[0, 0, 0, b'z', 0, 0, 0, 0xcb])));
        assert!(same_as((tag::PRINTABLE_STRING, b"a"), (tag::BMP_STRING, &[0, b'A'])));
        assert!(!same_as((tag::OCTET_STRING, b"a"), (tag::OCTET_STRING, b"A")));
        assert!(!same_as((tag::UTF8_STRING, b"\xff"), (tag::UTF8_STRING, b"\xfe")));
    }

    proptest! {
        /// The short way for plain text says what the long way says.
        #[test]
        fn both_ways_agree(a in "[ -~]{0,6}", b in "[ -~]{0,6}") {
            prop_assert_eq!(same_words(a.as_bytes(), b.as_bytes()), prepared(&a) == prepared(&b));
            let upper = format!(" {} ", a.to_ascii_uppercase());
            prop_assert!(same(&a, &upper));
        }

        #[test]
        fn what_is_prepared_stays(text in "\\PC{0,8}") {
            let once = prepared(&text);
            prop_assert_eq!(prepared(&once), once);
        }
    }
}
