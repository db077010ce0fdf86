//! Subject alternative names (RFC 5280 4.2.1.6), valid by construction.

use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::der::tag;
use crate::encode::Encoder;

/// A DNS name in its ASCII form, lower case, without a final dot.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct DnsName(String);

/// An e-mail address: an ASCII local part, taken literally, and a DNS name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EmailAddress(String);

/// An absolute URI in ASCII (RFC 3986).
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Uri(String);

/// One subject alternative name.
///
/// Parses with `dns:`, `ip:`, `email:` or `uri:` in front, or takes the obvious; displays with
/// `DNS:`, `IP:`, `email:` or `URI:` in front.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SubjectAltName {
    /// dNSName.
    Dns(DnsName),
    /// iPAddress.
    Ip(IpAddr),
    /// rfc822Name.
    Email(EmailAddress),
    /// uniformResourceIdentifier.
    Uri(Uri),
}

/// The form of a subject alternative name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SanKind {
    /// dNSName.
    Dns,
    /// iPAddress.
    Ip,
    /// rfc822Name.
    Email,
    /// uniformResourceIdentifier.
    Uri,
}

impl SanKind {
    /// The name in words, with its article.
    pub const fn described(self) -> &'static str {
        match self {
            Self::Dns => "a DNS name",
            Self::Ip => "an IP address",
            Self::Email => "an e-mail address",
            Self::Uri => "a URI",
        }
    }

    /// The prefix that `--san` takes, without its colon.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Ip => "ip",
            Self::Email => "email",
            Self::Uri => "uri",
        }
    }
}

/// Why a text is no subject alternative name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SanError {
    /// Not a DNS name.
    #[error("{text:?} is not a DNS name: {why}")]
    Dns {
        /// What was given.
        text: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Not an IP address.
    #[error("{0:?} is not an IP address: write four numbers of 0 to 255 (192.0.2.7), or IPv6")]
    Ip(String),
    /// Not an e-mail address.
    #[error("{text:?} is not an e-mail address: {why}")]
    Email {
        /// What was given.
        text: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Not a URI.
    #[error("{0:?} is not an absolute URI in ASCII, such as spiffe://example.org/client/app")]
    Uri(String),
}

impl DnsName {
    /// Checks `text`, maps an internationalized name to A-labels (IDNA), and folds case. A wildcard
    /// may stand only as the whole leftmost label; a last label of digits is an IP address, or a
    /// mistake, but never DNS.
    pub fn parse(text: &str) -> Result<Self, SanError> {
        let fail = |why| SanError::Dns { text: text.to_owned(), why };
        let (wildcard, name) = match text.strip_prefix("*.") {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let name = if name.is_ascii() {
            name.to_ascii_lowercase()
        } else {
            idna::domain_to_ascii_strict(name)
                .map_err(|_| fail("it cannot be written in A-labels (IDNA)"))?
        };
        check_labels(&name).map_err(fail)?;
        let name = if wildcard { format!("*.{name}") } else { name };
        // The limit of a name without its root dot (RFC 1035 2.3.4).
        if name.len() > 253 {
            return Err(fail("it is longer than 253 octets"));
        }
        Ok(Self(name))
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether its leftmost label is `*`.
    pub fn is_wildcard(&self) -> bool {
        self.0.starts_with("*.")
    }
}

/// Whether a name has nothing but labels of letters, digits and inner hyphens, starts none with `xn--`
/// and ends in a letter, so that one look at each octet is enough: most names are such.
fn is_plain(name: &[u8]) -> bool {
    let (mut length, mut before) = (0, b'.');
    for octet in name {
        match octet {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' => length += 1,
            // Two of them in a row may be those of an A-label.
            b'-' if before != b'.' && before != b'-' => length += 1,
            b'.' if before != b'.' && before != b'-' => length = 0,
            _ => return false,
        }
        if length > 63 {
            return false;
        }
        before = *octet;
    }
    before.is_ascii_alphabetic()
}

fn check_labels(name: &str) -> Result<(), &'static str> {
    if is_plain(name.as_bytes()) {
        return Ok(());
    }
    check_labels_of_any(name)
}

fn check_labels_of_any(name: &str) -> Result<(), &'static str> {
    if name.is_empty() {
        return Err("it is empty");
    }
    if name.ends_with('.') {
        return Err("leave out the final dot");
    }
    for label in name.split('.') {
        match label.as_bytes() {
            [] => return Err("two dots stand side by side, or one in front"),
            long if long.len() > 63 => return Err("a label is longer than 63 octets"),
            [b'-', ..] | [.., b'-'] => return Err("a label starts or ends with '-'"),
            octets => {
                // The underscore is no host name character, but names of services have it.
                let allowed = |c: &u8| c.is_ascii_alphanumeric() || matches!(c, b'-' | b'_');
                if octets.contains(&b'*') {
                    return Err("'*' may stand only as the whole leftmost label");
                }
                if !octets.iter().all(allowed) {
                    return Err("a label has characters other than letters, digits, '-' and '_'");
                }
            }
        }
        if label.starts_with("xn--") && !is_a_label(label) {
            return Err("a label that starts with xn-- is not a valid A-label (IDNA)");
        }
    }
    if name.rsplit('.').next().is_some_and(|last| last.bytes().all(|c| c.is_ascii_digit())) {
        return Err("its last label is a number, as in an IP address");
    }
    Ok(())
}

fn is_a_label(label: &str) -> bool {
    let (unicode, valid) = idna::domain_to_unicode(label);
    valid.is_ok() && idna::domain_to_ascii_strict(&unicode).is_ok_and(|again| again == label)
}

impl EmailAddress {
    /// Checks `text`: a local part of the characters of RFC 5321's dot-string, at most 64 octets,
    /// and a DNS name, which is folded to lower case and A-labels.
    pub fn parse(text: &str) -> Result<Self, SanError> {
        let fail = |why| SanError::Email { text: text.to_owned(), why };
        let (local, domain) = text.rsplit_once('@').ok_or_else(|| fail("it has no '@'"))?;
        let atext = |c: u8| c.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&c);
        if !local.is_ascii() {
            return Err(fail("its local part has characters other than ASCII (RFC 5280 4.2.1.6)"));
        }
        // ub-emailaddress-length of RFC 5280 A.1.
        if text.len() > 255 {
            return Err(fail("it is longer than 255 octets"));
        }
        if local.len() > 64 || !local.split('.').all(|a| !a.is_empty() && a.bytes().all(atext)) {
            return Err(fail("its local part is empty, too long or has a character out of place"));
        }
        let domain = DnsName::parse(domain)
            .ok()
            .filter(|domain| !domain.is_wildcard())
            .ok_or_else(|| fail("what follows the '@' is not a DNS name"))?;
        Ok(Self(format!("{local}@{}", domain.as_str())))
    }

    /// The address.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Uri {
    /// Checks that `text` is an absolute URI: a scheme, a colon, and characters of RFC 3986.
    pub fn parse(text: &str) -> Result<Self, SanError> {
        let fail = || SanError::Uri(text.to_owned());
        let (scheme, rest) = text.split_once(':').ok_or_else(fail)?;
        let scheme_ok = scheme.starts_with(|c: char| c.is_ascii_alphabetic())
            && scheme.bytes().all(|c| c.is_ascii_alphanumeric() || b"+-.".contains(&c));
        let allowed = |c: u8| c.is_ascii_alphanumeric() || b"-._~:/?#[]@!$&'()*+,;=%".contains(&c);
        let authority_ok = rest.strip_prefix("//").is_none_or(|authority| {
            let end = authority.find(['/', '?', '#']).unwrap_or(authority.len());
            let host = authority[..end].rsplit('@').next().unwrap_or_default();
            !host.is_empty() && !host.starts_with(':')
        });
        let escapes_ok = rest.split('%').skip(1).all(|after| {
            after.len() >= 2 && after.bytes().take(2).all(|digit| digit.is_ascii_hexdigit())
        });
        // RFC 5280 sets no limit; 2048 octets is what SPIFFE and browsers keep to.
        let fits = !rest.is_empty() && text.len() <= 2048;
        let characters_ok = rest.bytes().all(allowed) && escapes_ok;
        if !scheme_ok || !fits || !authority_ok || !characters_ok {
            return Err(fail());
        }
        Ok(Self(text.to_owned()))
    }

    /// Whether its scheme is `spiffe`, in whatever case.
    pub fn is_spiffe(&self) -> bool {
        self.0.split(':').next().is_some_and(|scheme| scheme.eq_ignore_ascii_case("spiffe"))
    }

    /// A URI that the caller assembled from checked parts.
    pub(super) fn from_checked(text: String) -> Self {
        Self(text)
    }

    /// The URI.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl SubjectAltName {
    /// Parses with or without a prefix. Without one it takes an IP address for that, what has an `@`
    /// for an e-mail address, what has `://` for a URI, and the rest for a DNS name.
    pub fn parse(text: &str) -> Result<Self, SanError> {
        if let Some((prefix, value)) = text.split_once(':') {
            let is = |kind: SanKind| prefix.eq_ignore_ascii_case(kind.prefix());
            if is(SanKind::Dns) {
                return DnsName::parse(value).map(Self::Dns);
            } else if is(SanKind::Ip) {
                return parse_ip(value).map(Self::Ip);
            } else if is(SanKind::Email) {
                return EmailAddress::parse(value).map(Self::Email);
            } else if is(SanKind::Uri) {
                return Uri::parse(value).map(Self::Uri);
            }
        }
        if let Ok(address) = parse_ip(text) {
            return Ok(Self::Ip(address));
        }
        if text.contains("://") {
            return Uri::parse(text).map(Self::Uri);
        }
        if text.contains('@') {
            return EmailAddress::parse(text).map(Self::Email);
        }
        let like_ip = !text.is_empty() && text.bytes().all(|c| c.is_ascii_digit() || c == b'.');
        if like_ip || text.matches(':').count() > 1 {
            return Err(SanError::Ip(text.to_owned()));
        }
        DnsName::parse(text).map(Self::Dns)
    }

    /// Which form it has.
    pub const fn kind(&self) -> SanKind {
        match self {
            Self::Dns(_) => SanKind::Dns,
            Self::Ip(_) => SanKind::Ip,
            Self::Email(_) => SanKind::Email,
            Self::Uri(_) => SanKind::Uri,
        }
    }

    /// The value without its prefix.
    pub fn value(&self) -> String {
        match self {
            Self::Dns(DnsName(text)) | Self::Email(EmailAddress(text)) | Self::Uri(Uri(text)) => {
                text.clone()
            }
            Self::Ip(address) => address.to_string(),
        }
    }

    /// Writes the GeneralName.
    pub fn encode(&self, names: &mut Encoder) {
        match self {
            Self::Email(EmailAddress(text)) => names.value(tag::context(1), text.as_bytes()),
            Self::Dns(DnsName(text)) => names.value(tag::context(2), text.as_bytes()),
            Self::Uri(Uri(text)) => names.value(tag::context(6), text.as_bytes()),
            Self::Ip(IpAddr::V4(address)) => names.value(tag::context(7), &address.octets()),
            Self::Ip(IpAddr::V6(address)) => names.value(tag::context(7), &address.octets()),
        };
    }
}

/// An IPv6 address with a zone, and an IPv4 address written inside IPv6, have no place in a
/// certificate; the library refuses the first, and the second stays what was written.
fn parse_ip(text: &str) -> Result<IpAddr, SanError> {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']')).unwrap_or(text);
    bare.parse().map_err(|_| SanError::Ip(text.to_owned()))
}

impl fmt::Display for SubjectAltName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Dns(DnsName(text)) => write!(f, "DNS:{text}"),
            Self::Ip(address) => write!(f, "IP:{address}"),
            Self::Email(EmailAddress(text)) => write!(f, "email:{text}"),
            Self::Uri(Uri(text)) => write!(f, "URI:{text}"),
        }
    }
}

impl std::str::FromStr for SubjectAltName {
    type Err = SanError;

    fn from_str(text: &str) -> Result<Self, SanError> {
        Self::parse(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn shown(text: &str) -> String {
        SubjectAltName::parse(text).map_or_else(|e| format!("error: {e}"), |san| san.to_string())
    }

    #[test]
    fn the_obvious_is_taken() {
        assert_eq!(shown("broker-01"), "DNS:broker-01");
        assert_eq!(shown("*.Example.COM"), "DNS:*.example.com");
        assert_eq!(shown("10.0.0.7"), "IP:10.0.0.7");
        assert_eq!(shown("2001:db8::7"), "IP:2001:db8::7");
        assert_eq!(shown("[2001:db8::7]"), "IP:2001:db8::7");
        assert_eq!(shown("ops@Example.com"), "email:ops@example.com");
        assert_eq!(shown("https://example.com/x"), "URI:https://example.com/x");
        assert_eq!(shown("uri:urn:x:y"), "URI:urn:x:y");
        assert_eq!(shown("DNS:a.b"), "DNS:a.b");
        assert_eq!(shown("dns:bücher.example"), "DNS:xn--bcher-kva.example");
    }

    #[test]
    fn what_is_no_name() {
        for bad in [
            "",
            "300.1.1.1",
            "1.2.3",
            "dns:10.0.0.1",
            "dns:a.1",
            "a..b",
            ".a",
            "a.",
            "-a",
            "a-",
            "a.*.b",
            "*",
            "*.",
            "f*.example.com",
            "dns:*.*.example.com",
            "a b",
            "a\0b",
            "ip:host",
            "ip:10.0.0.1/8",
            "ip:fe80::1%eth0",
            "email:x",
            "a@",
            "@b",
            "a@b@",
            "a..b@c",
            "email:a@*.b",
            "ö@example.com",
            "uri:relative",
            "uri:1x:y",
            "uri:http://",
            "uri:https://@/",
            "uri:https://:80/",
            "uri:x:%zz",
            "uri:spiffe:///x",
            "uri:x:a b",
            "dns:xn--a",
            "dns:xn--zzzzzz--",
        ] {
            assert!(SubjectAltName::parse(bad).is_err(), "{bad:?} gave {}", shown(bad));
        }
        assert!(shown(&format!("dns:{}.x", "a".repeat(64))).contains("63 octets"));
        assert!(shown("300.1.1.1").contains("IP address"));
    }

    proptest! {
        #[test]
        fn plain_names_break_no_rule(name in "[a-z0-9.x-]{0,12}|(xn--)?[a-z0-9]{60,66}") {
            if is_plain(name.as_bytes()) {
                prop_assert_eq!(check_labels_of_any(&name), Ok(()));
            }
        }

        #[test]
        fn what_is_shown_parses_to_itself(text in "[a-z0-9.:@*/_-]{1,30}") {
            if let Ok(san) = SubjectAltName::parse(&text) {
                prop_assert_eq!(SubjectAltName::parse(&san.to_string()), Ok(san));
            }
        }
    }
}
