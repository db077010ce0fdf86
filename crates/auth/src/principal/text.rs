//! What a principal's text may be, and how its case is folded.

use rustmq_pki::name::is_hidden;
use unicode_normalization::{UnicodeNormalization, is_nfc};
use unicode_security::confusable_detection::skeleton;
use unicode_security::mixed_script::AugmentedScriptSet;

use super::{PrincipalError, PrincipalRule};

/// The longest principal, in bytes. SPIFFE ids have at most 2048 (SPIFFE-ID 2.3), and so has
/// whatever else a broker would keep as a user's name.
const LONGEST: usize = 2048;

/// Checks what holds of every principal, whatever the rule.
pub(super) fn check(rule: PrincipalRule, value: &str) -> Result<(), PrincipalError> {
    if value.len() > LONGEST {
        return Err(PrincipalError::TooLong { rule, found: value.len(), limit: LONGEST });
    }
    if value.is_empty() || value.trim() != value {
        return Err(PrincipalError::Blank { rule });
    }
    if let Some(c) = value.chars().find(|c| c.is_control() || is_hidden(*c)) {
        return Err(PrincipalError::Invisible { rule, code: u32::from(c) });
    }
    if value.is_ascii() {
        return Ok(());
    }
    if !is_nfc(value) {
        return Err(PrincipalError::NotNormalized { value: value.to_owned() });
    }
    match words(value).find(|word| AugmentedScriptSet::for_str(word).is_empty()) {
        Some(word) => Err(PrincipalError::MixedScripts { word: word.to_owned() }),
        None => Ok(()),
    }
}

/// The stretches between ASCII punctuation: scripts may differ from one to the next, as they do in
/// `broker-\u{6771}\u{4eac}`, but not within.
fn words(value: &str) -> impl Iterator<Item = &str> {
    value
        .split(|c: char| c.is_ascii() && !c.is_ascii_alphanumeric())
        .filter(|word| !word.is_empty())
}

/// Refuses what is not safe to rewrite: compatibility forms (the Kelvin sign folds to `k`), and words
/// of other scripts that read like ASCII.
pub(super) fn check_unambiguous(value: &str) -> Result<(), PrincipalError> {
    if value.is_ascii() {
        return Ok(());
    }
    let confusable =
        |like: String| Err(PrincipalError::Confusable { value: value.to_owned(), like });
    let compatible: String = value.nfkc().collect();
    if compatible != value {
        return confusable(compatible);
    }
    for word in words(value).filter(|word| !word.is_ascii()) {
        let like: String = skeleton(word).collect();
        if like.is_ascii() {
            return confusable(like);
        }
    }
    Ok(())
}

/// Lower case, character by character, so that the result does not depend on a letter's place: the
/// final sigma is written as any other.
pub(super) fn folded(value: &str) -> String {
    if value.is_ascii() {
        return value.to_ascii_lowercase();
    }
    let lower = value.chars().flat_map(char::to_lowercase);
    lower.map(|c| if c == '\u{3c2}' { '\u{3c3}' } else { c }).nfc().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn checked(value: &str) -> Result<(), PrincipalError> {
        check(PrincipalRule::CommonName, value)
    }

    #[test]
    fn plain_names_of_any_one_script_pass() {
        for good in ["broker-01", "Zo\u{eb}", "\u{43c}\u{43e}\u{441}\u{43a}\u{432}\u{430}"] {
            assert_eq!(checked(good), Ok(()), "{good}");
            assert_eq!(check_unambiguous(good), Ok(()), "{good}");
        }
        assert_eq!(checked("broker-\u{6771}\u{4eac}"), Ok(()));
    }

    #[test]
    fn a_word_of_two_scripts_does_not() {
        // A Cyrillic a among Latin letters.
        let error = checked("x.b\u{430}nk").unwrap_err();
        assert_eq!(error, PrincipalError::MixedScripts { word: "b\u{430}nk".to_owned() });
    }

    #[test]
    fn what_does_not_show_is_refused_by_its_number() {
        let hidden =
            ['\0', '\n', '\u{7f}', '\u{200b}', '\u{202e}', '\u{feff}', '\u{ad}', '\u{1d173}'];
        let spaces = ['\t', '\u{a0}', '\u{1680}', '\u{2003}', '\u{202f}', '\u{205f}', '\u{3000}'];
        for hidden in hidden.into_iter().chain(spaces) {
            let error = checked(&format!("a{hidden}b")).unwrap_err();
            let code = u32::from(hidden);
            assert_eq!(error, PrincipalError::Invisible { rule: PrincipalRule::CommonName, code });
        }
    }

    #[test]
    fn what_folding_would_confuse_is_refused() {
        for (value, like) in [
            ("\u{212a}afka", "Kafka"),
            ("\u{ff21}dmin", "Admin"),
            // Cyrillic throughout, and all of it like Latin.
            ("\u{441}\u{43e}\u{441}\u{43e}", "coco"),
        ] {
            let error = check_unambiguous(value).unwrap_err();
            let expected = PrincipalError::Confusable { value: value.into(), like: like.into() };
            assert_eq!(error, expected);
        }
    }

    proptest! {
        #[test]
        fn folding_again_changes_nothing(value in "\\PC{1,24}") {
            if checked(&value).is_ok() && check_unambiguous(&value).is_ok() {
                let once = folded(&value);
                prop_assert_eq!(folded(&once), once);
            }
        }

        #[test]
        fn nothing_outside_of_ascii_folds_into_it(value in "\\PC{1,12}") {
            if !value.is_ascii() && checked(&value).is_ok() && check_unambiguous(&value).is_ok() {
                prop_assert!(!folded(&value).is_ascii(), "{value:?}");
            }
        }
    }
}
