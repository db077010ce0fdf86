//! Names of subjects. A value that exists is valid: its constructor checked it.

mod distinguished;
mod san;
mod spiffe;

use std::fmt;

use unicode_normalization::is_nfc;

pub use distinguished::{Attribute, DistinguishedName, DistinguishedNameError};
pub use san::{DnsName, EmailAddress, SanError, SanKind, SubjectAltName, Uri};
pub use spiffe::{TrustDomain, TrustDomainError};

/// Who a certificate is for: the common name of its subject.
///
/// 1 to 64 characters (RFC 5280 ub-common-name) in Unicode normalization form C, without control
/// characters, `/` and `\`, and with neither `.` nor `-` in front, so that it can neither climb out
/// of a folder nor read as an option. What name comparison drops (RFC 5280 7.1, RFC 4518) is refused
/// too, so that two principals never compare equal by it: white space in front, behind, doubled or other
/// than U+0020, and characters that show nothing ([`is_hidden`]).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Principal(String);

/// Why a text is no principal.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PrincipalError {
    /// No character at all.
    #[error("the principal is empty: it is the name that the certificate is for")]
    Empty,
    /// More than 64 characters.
    #[error("the principal has {0} characters; at most 64 fit in a common name (RFC 5280 A.1)")]
    TooLong(usize),
    /// A control character, shown by its code.
    #[error("the principal has the control character U+{0:04X}; use printable characters")]
    Control(u32),
    /// `/` or `\`.
    #[error("the principal has a {0:?}; it may not, since it also names a folder")]
    Separator(char),
    /// `.` or `-` in front.
    #[error("the principal starts with {0:?}; start it with a letter or a digit")]
    Leading(char),
    /// White space in front or behind, which RFC 5280 7.1 would compare away.
    #[error("the principal starts or ends with white space")]
    OuterSpace,
    /// Two spaces side by side, which RFC 5280 7.1 compares as one.
    #[error("the principal has two spaces side by side; write one")]
    DoubleSpace,
    /// A character that shows nothing or reads as a space, or changes the direction of what follows.
    #[error("the principal has U+{0:04X}, which is invisible or an unusual space; leave it out")]
    Invisible(u32),
    /// Not in normalization form C.
    #[error("the principal is not in Unicode normalization form C: write {0:?}")]
    NotNormalized(String),
}

impl Principal {
    /// The most characters of a principal.
    pub const MAX_CHARACTERS: usize = 64;

    /// Checks and takes `text`.
    pub fn parse(text: &str) -> Result<Self, PrincipalError> {
        match is_plain(text) {
            true => Ok(Self(text.to_owned())),
            false => Self::parse_any(text, is_hidden),
        }
    }

    /// The principal of a certificate that was issued. It may have characters that [`Principal::parse`]
    /// refuses, but did not always: what was issued under it can still be found and renewed.
    pub fn of_issued(text: &str) -> Result<Self, PrincipalError> {
        Self::parse_any(text, was_always_hidden)
    }

    fn parse_any(text: &str, is_hidden: impl Fn(char) -> bool) -> Result<Self, PrincipalError> {
        let characters = text.chars().count();
        if characters > Self::MAX_CHARACTERS {
            return Err(PrincipalError::TooLong(characters));
        }
        let first = text.chars().next().ok_or(PrincipalError::Empty)?;
        if let Some(control) = text.chars().find(|c| c.is_control()) {
            return Err(PrincipalError::Control(u32::from(control)));
        }
        if let Some(separator) = text.chars().find(|c| matches!(c, '/' | '\\')) {
            return Err(PrincipalError::Separator(separator));
        }
        if matches!(first, '.' | '-') {
            return Err(PrincipalError::Leading(first));
        }
        if text.trim() != text {
            return Err(PrincipalError::OuterSpace);
        }
        if text.contains("  ") {
            return Err(PrincipalError::DoubleSpace);
        }
        if let Some(invisible) = text.chars().find(|c| is_hidden(*c)) {
            return Err(PrincipalError::Invisible(u32::from(invisible)));
        }
        if !text.is_ascii() && !is_nfc(text) {
            use unicode_normalization::UnicodeNormalization;
            return Err(PrincipalError::NotNormalized(text.nfc().collect()));
        }
        Ok(Self(text.to_owned()))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name of a folder for this principal: octets outside `A-Za-z0-9._@+-` as `%XX`. One that
    /// file systems would not take (255 octets, with room for an addition) is cut, and ends in 16
    /// digits of the SHA-256 of the whole.
    pub fn folder_name(&self) -> String {
        const LONGEST: usize = 200;
        let mut name = self.percent_encoded();
        if name.len() > LONGEST {
            let digest = crate::key::Fingerprint::of(self.0.as_bytes()).to_string();
            name.truncate(LONGEST);
            name = format!("{name}-{}", &digest[..16]);
        }
        name
    }

    fn percent_encoded(&self) -> String {
        let plain = |octet: u8| {
            octet.is_ascii_alphanumeric() || matches!(octet, b'.' | b'_' | b'@' | b'+' | b'-')
        };
        self.0.bytes().fold(String::with_capacity(self.0.len()), |mut name, octet| {
            if plain(octet) {
                name.push(char::from(octet));
            } else {
                name.push_str(&format!("%{octet:02X}"));
            }
            name
        })
    }
}

/// Whether a text has only letters, digits and signs that no rule speaks of, so that one look at each
/// is enough: most names of a fleet are such.
fn is_plain(text: &str) -> bool {
    let plain = |octet: &u8| octet.is_ascii_graphic() && !matches!(octet, b'/' | b'\\');
    let octets = text.as_bytes();
    octets.len() <= Principal::MAX_CHARACTERS
        && !matches!(octets, [] | [b'.' | b'-', ..])
        && octets.iter().all(plain)
}

/// Whether a character beside the controls has no place in the name of a principal, because two names
/// that differ in it look the same: white space other than U+0020, everything that name comparison drops
/// (RFC 4518 2.2, in today's Unicode), fillers and blanks, and what has no form of its own (private use,
/// the specials, planes 14 to 16).
pub const fn is_hidden(c: char) -> bool {
    c.is_whitespace() && c != ' '
        || was_always_hidden(c)
        || matches!(
            c,
            '\u{34f}' | '\u{600}'..='\u{605}' | '\u{6dd}' | '\u{70f}' | '\u{890}' | '\u{891}' | '\u{8e2}'
                | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{1806}'
                | '\u{180b}'..='\u{180f}' | '\u{2800}' | '\u{3164}' | '\u{e000}'..='\u{f8ff}'
                | '\u{fe00}'..='\u{fe0f}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffd}' | '\u{110bd}'
                | '\u{110cd}' | '\u{13430}'..='\u{1343f}' | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{10ffff}'
        )
}

/// Format characters, line and paragraph separators, and tags: no principal was ever issued with one.
const fn was_always_hidden(c: char) -> bool {
    matches!(
        c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}'
    )
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl std::str::FromStr for Principal {
    type Err = PrincipalError;

    fn from_str(text: &str) -> Result<Self, PrincipalError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_grammar_of_principals() {
        for good in ["broker-01", "client@company.com", "Zoë", "a b", "x", "%", &"é".repeat(64)] {
            assert!(Principal::parse(good).is_ok(), "{good}");
        }
        let error = |text: &str| Principal::parse(text).unwrap_err();
        assert_eq!(error(""), PrincipalError::Empty);
        assert_eq!(error(&"x".repeat(65)), PrincipalError::TooLong(65));
        assert_eq!(error("a\0b"), PrincipalError::Control(0));
        assert_eq!(error("a\nb"), PrincipalError::Control(10));
        assert_eq!(error("a/b"), PrincipalError::Separator('/'));
        assert_eq!(error("a\\b"), PrincipalError::Separator('\\'));
        assert_eq!(error("../x"), PrincipalError::Separator('/'));
        assert_eq!(error(".."), PrincipalError::Leading('.'));
        assert_eq!(error("-x"), PrincipalError::Leading('-'));
        assert_eq!(error(" x"), PrincipalError::OuterSpace);
        assert_eq!(error("a  b"), PrincipalError::DoubleSpace);
        assert_eq!(error("ad\u{202e}nim"), PrincipalError::Invisible(0x202e));
        let hidden = [
            '\u{34f}',
            '\u{115f}',
            '\u{1160}',
            '\u{1806}',
            '\u{180b}',
            '\u{180f}',
            '\u{3164}',
            '\u{fe00}',
            '\u{fe0f}',
            '\u{ffa0}',
            '\u{fffc}',
            '\u{1d173}',
            '\u{1d17a}',
            '\u{e0100}',
            '\u{e01ef}',
        ];
        let spaces = ['\u{a0}', '\u{1680}', '\u{2003}', '\u{202f}', '\u{205f}', '\u{3000}'];
        for c in hidden.into_iter().chain(spaces) {
            let name = format!("a{c}b");
            assert_eq!(error(&name), PrincipalError::Invisible(u32::from(c)));
            assert!(
                Principal::of_issued(&name).is_ok_and(|issued| issued.as_str() == name),
                "{name:?}"
            );
        }
        assert!(Principal::of_issued("ad\u{202e}nim").is_err(), "never was one");
        // e with a combining diaeresis, of which form C has one character.
        assert_eq!(error("Zoe\u{308}"), PrincipalError::NotNormalized("Zoë".into()));
    }

    #[test]
    fn long_folder_names_are_cut_and_stay_distinct() {
        let [a, b] = ["é", "è"].map(|c| Principal::parse(&c.repeat(64)).unwrap().folder_name());
        assert!(a.len() <= 217 && b.len() <= 217 && a != b);
    }

    proptest! {
        #[test]
        fn plain_names_break_no_rule(text in "[ -~]{0,66}|[a-z.-]{1,70}") {
            if is_plain(&text) {
                prop_assert_eq!(Principal::parse_any(&text, is_hidden), Ok(Principal(text)));
            }
        }

        #[test]
        fn folder_names_are_plain_and_distinct(a in "\\PC{1,20}", b in "\\PC{1,20}") {
            if let (Ok(a), Ok(b)) = (Principal::parse(&a), Principal::parse(&b)) {
                let name = a.folder_name();
                prop_assert!(name.bytes().all(|c| c.is_ascii_graphic() && c != b'/'));
                prop_assert!(!name.starts_with('.') && !name.starts_with('-'));
                prop_assert_eq!(a == b, a.folder_name() == b.folder_name());
            }
        }
    }
}
