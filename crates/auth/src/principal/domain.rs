//! Domains that are taken off the end of a principal.

use super::{MappingError, PrincipalRule};
use crate::path::names::{DnsSyntax, is_dns_name};

/// A domain whose names are shortened, in lower case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Domain(String);

impl Domain {
    /// Checks and takes `text`.
    pub(super) fn parse(text: &str) -> Result<Self, MappingError> {
        if !is_dns_name(text.as_bytes(), DnsSyntax::Lenient) {
            return Err(MappingError::Domain(text.to_owned()));
        }
        Ok(Self(text.to_ascii_lowercase()))
    }

    fn is(&self, text: &str) -> bool {
        self.0.eq_ignore_ascii_case(text)
    }

    /// What stands before this domain and the separator in front of it; `None` if `value` does not
    /// end so, or nothing is left.
    fn taken_off<'v>(&self, value: &'v str, separator: char) -> Option<&'v str> {
        let at = value.len().checked_sub(self.0.len())?;
        let (rest, end) = value.split_at_checked(at)?;
        let rest = rest.strip_suffix(separator)?;
        (self.is(end) && !rest.is_empty()).then_some(rest)
    }
}

/// `value` without the longest of `domains` that it lies in, or as it is.
pub(super) fn strip<'v>(rule: PrincipalRule, value: &'v str, domains: &[Domain]) -> &'v str {
    let shortened = domains.iter().filter_map(|domain| match rule {
        PrincipalRule::SpiffeUri => {
            let (host, path) = value.strip_prefix("spiffe://")?.split_once('/')?;
            domain.is(host).then_some(path)
        }
        PrincipalRule::SanEmail => domain.taken_off(value, '@'),
        PrincipalRule::SanDns => domain.taken_off(value, '.'),
        // A common name may be a mailbox or a host name: only one of the two at a time.
        PrincipalRule::CommonName if value.contains('@') => domain.taken_off(value, '@'),
        PrincipalRule::CommonName => domain.taken_off(value, '.'),
        PrincipalRule::DistinguishedName => None,
    });
    shortened.min_by_key(|rest| rest.len()).unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn stripped(rule: PrincipalRule, value: &str) -> &str {
        let domains = ["example.com", "prod.Example.com"].map(|text| Domain::parse(text).unwrap());
        strip(rule, value, &domains)
    }

    #[test]
    fn only_listed_domains_are_taken_off_and_the_longest_first() {
        use PrincipalRule::{CommonName, SanDns, SanEmail, SpiffeUri};
        assert_eq!(stripped(SanEmail, "a@EXAMPLE.com"), "a");
        assert_eq!(stripped(SanEmail, "a@other.example.com"), "a@other.example.com");
        assert_eq!(stripped(SanEmail, "a@example.com.evil"), "a@example.com.evil");
        assert_eq!(stripped(SanEmail, "a@evilexample.com"), "a@evilexample.com");
        assert_eq!(stripped(SanDns, "b1.prod.example.com"), "b1");
        assert_eq!(stripped(SanDns, "b1.test.example.com"), "b1.test");
        assert_eq!(stripped(SanDns, "example.com"), "example.com");
        assert_eq!(stripped(CommonName, "b1.example.com"), "b1");
        assert_eq!(stripped(CommonName, "a@b.example.com"), "a@b.example.com");
        assert_eq!(stripped(SpiffeUri, "spiffe://example.com/client/a"), "client/a");
        assert_eq!(stripped(SpiffeUri, "spiffe://x/example.com"), "spiffe://x/example.com");
    }

    #[test]
    fn what_is_no_domain() {
        for bad in ["", ".", "*.example.com", "a b", "\u{e4}.example", "@example.com", "192.0.2.1"]
        {
            assert_eq!(Domain::parse(bad), Err(MappingError::Domain(bad.to_owned())));
        }
    }

    proptest! {
        #[test]
        fn what_is_left_is_a_part_of_what_was_there(value in "\\PC{0,40}") {
            for rule in PrincipalRule::ALL {
                let rest = stripped(rule, &value);
                prop_assert!(value.contains(rest));
                prop_assert_eq!(rest.is_empty(), value.is_empty());
            }
        }
    }
}
