//! Which name of a certificate is the peer's: by one configured rule.

use rustmq_pki::oid;
use rustmq_pki::read::GeneralName;

use crate::certificate::Certificate;
use crate::error::{Detail, Refusal, Rule};

/// Where the principal is taken from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PrincipalSource {
    /// The `spiffe://` URI of subjectAltName, whole.
    SpiffeUri,
    /// The mailbox of subjectAltName.
    Email,
    /// The DNS name of subjectAltName.
    Dns,
    /// The common name of the subject.
    #[default]
    CommonName,
    /// The whole subject, as RFC 4514.
    DistinguishedName,
}

impl PrincipalSource {
    /// Every source.
    pub const ALL: [Self; 5] =
        [Self::SpiffeUri, Self::Email, Self::Dns, Self::CommonName, Self::DistinguishedName];

    /// The name in configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SpiffeUri => "spiffe",
            Self::Email => "email",
            Self::Dns => "dns",
            Self::CommonName => "cn",
            Self::DistinguishedName => "dn",
        }
    }
}

/// The one rule by which a certificate yields a principal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PrincipalRule {
    /// Where it is taken from.
    pub source: PrincipalSource,
    /// Whether it is folded to lower case.
    pub fold_case: bool,
    /// Domains that are cut off the end, `.domain` of a DNS name and `@domain` of a mailbox or common
    /// name; no other is.
    pub strip_domains: Vec<String>,
}

/// The longest principal, in octets: a SPIFFE id has at most 2048, a DN of ours some 200.
const LONGEST: usize = 2_048;

impl PrincipalRule {
    /// The principal of a certificate; none, and more than one distinct, are refused.
    pub(crate) fn principal(&self, leaf: &Certificate<'_>) -> Result<Box<str>, Refusal> {
        let mut values = self.values(leaf);
        values.sort_unstable();
        values.dedup();
        match values.as_slice() {
            [] => Err(Rule::PrincipalMissing.into()),
            [one] => check(one).map(|()| one.as_str().into()),
            several => {
                let detail = Detail::Name(several.join(" "));
                Err(Refusal::new(Rule::PrincipalAmbiguous, detail))
            }
        }
    }

    /// Every value that the rule finds, after folding and stripping.
    pub(crate) fn values(&self, leaf: &Certificate<'_>) -> Vec<String> {
        self.raw(leaf).into_iter().map(|value| self.shape(value)).collect()
    }

    fn raw(&self, leaf: &Certificate<'_>) -> Vec<String> {
        let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
        let names = leaf.known.alt_names().iter();
        match self.source {
            PrincipalSource::SpiffeUri => names
                .filter_map(|name| match name {
                    GeneralName::Uri(uri) if uri.starts_with(b"spiffe://") => Some(text(uri)),
                    _ => None,
                })
                .collect(),
            PrincipalSource::Email => names
                .filter_map(|name| match name {
                    GeneralName::Rfc822(mailbox) => Some(text(mailbox)),
                    _ => None,
                })
                .collect(),
            PrincipalSource::Dns => names
                .filter_map(|name| match name {
                    GeneralName::Dns(dns) => Some(text(dns)),
                    _ => None,
                })
                .collect(),
            PrincipalSource::CommonName => common_names(leaf),
            PrincipalSource::DistinguishedName if leaf.view.subject.is_empty() => Vec::new(),
            PrincipalSource::DistinguishedName => vec![leaf.view.subject.to_string()],
        }
    }

    fn shape(&self, value: String) -> String {
        let value = if self.fold_case { value.to_lowercase() } else { value };
        for domain in &self.strip_domains {
            let stripped = value
                .len()
                .checked_sub(domain.len() + 1)
                .filter(|at| *at > 0 && value.is_char_boundary(*at))
                .filter(|at| matches!(value.as_bytes()[*at], b'.' | b'@'))
                .filter(|at| value[at + 1..].eq_ignore_ascii_case(domain));
            if let Some(at) = stripped {
                return value[..at].to_owned();
            }
        }
        value
    }
}

/// A common name that is not text is kept as its octets, so that it is refused and not overlooked.
fn common_names(leaf: &Certificate<'_>) -> Vec<String> {
    let text = |attribute: rustmq_pki::read::Attribute<'_>| {
        attribute.text().map_or("\u{fffd}".to_owned(), |text| text.into_owned())
    };
    leaf.view.subject.values_of(oid::COMMON_NAME).map(text).collect()
}

/// A principal ends up in access rules and logs: no control characters, no mixture of scripts that
/// look alike, no surrounding spaces, no wildcard.
fn check(principal: &str) -> Result<(), Refusal> {
    let bad = principal.is_empty()
        || principal.len() > LONGEST
        || principal.chars().any(|c| c.is_control() || c == '\u{fffd}' || is_invisible(c))
        || principal.trim() != principal
        || principal.starts_with("*.")
        || mixes_scripts(principal);
    if bad {
        let shown: String = principal.chars().take(64).flat_map(char::escape_default).collect();
        return Err(Refusal::new(Rule::PrincipalInvalid, Detail::Name(shown)));
    }
    Ok(())
}

/// Characters without a glyph, and those that change the direction of text.
const fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// Latin, Greek, Cyrillic and Armenian letters look alike; a name uses one of them (UTS 39 5.2).
fn mixes_scripts(text: &str) -> bool {
    let script = |c: char| match c {
        'A'..='Z' | 'a'..='z' | '\u{c0}'..='\u{24f}' | '\u{1e00}'..='\u{1eff}' => 1,
        '\u{370}'..='\u{3ff}' | '\u{1f00}'..='\u{1fff}' => 2,
        '\u{400}'..='\u{52f}' | '\u{1c80}'..='\u{1c8f}' => 4,
        '\u{530}'..='\u{58f}' => 8,
        '\u{13a0}'..='\u{13ff}' => 16,
        _ => 0_u8,
    };
    text.chars().map(script).fold(0, |all, one| all | one).count_ones() > 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(fold_case: bool, strip: &[&str]) -> PrincipalRule {
        let strip_domains = strip.iter().map(|domain| (*domain).to_owned()).collect();
        PrincipalRule { source: PrincipalSource::Dns, fold_case, strip_domains }
    }

    #[test]
    fn only_listed_domains_are_stripped() {
        let shape = |rule: &PrincipalRule, value: &str| rule.shape(value.to_owned());
        let strip = rule(false, &["example.com"]);
        assert_eq!(shape(&strip, "b1.example.com"), "b1");
        assert_eq!(shape(&strip, "u@Example.com"), "u");
        assert_eq!(shape(&strip, "b1.example.org"), "b1.example.org");
        assert_eq!(shape(&strip, "badexample.com"), "badexample.com");
        assert_eq!(shape(&strip, ".example.com"), ".example.com");
        assert_eq!(shape(&rule(true, &[]), "B1.Example"), "b1.example");
    }

    #[test]
    fn names_that_deceive() {
        for bad in ["", "a\0b", "a\u{202e}b", " a", "\u{430}dmin", "*.example", "a\u{200b}"] {
            assert!(check(bad).is_err(), "{bad:?}");
        }
        for good in ["admin", "\u{430}\u{434}", "Jürgen Müller", "spiffe://td/broker/b1"] {
            assert!(check(good).is_ok(), "{good:?}");
        }
    }
}
