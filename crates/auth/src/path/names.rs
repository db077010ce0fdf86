//! Comparison of distinguished names (RFC 5280 7.1) and the forms of DNS names, mailboxes and URIs.

use std::convert::Infallible;
use std::net::IpAddr;

use rustmq_pki::oid::Oid;
use rustmq_pki::read::{Attribute, GeneralName, GeneralNames, NameRef, Rdn};

use super::text::{Comparable, is_plain, same_value};
use crate::budget::{Budget, Work};
use crate::error::Refusal;

/// Whether two names are the same: at once if their bytes are, else by RFC 5280 7.1.
pub(crate) fn same_name(a: &NameRef<'_>, b: &NameRef<'_>) -> bool {
    let Ok(same) = same(a, b, &mut Free);
    same
}

/// Whether two names are the same, where a peer says how many there are and how long.
pub(crate) fn same_name_within(
    a: &NameRef<'_>,
    b: &NameRef<'_>,
    budget: &mut Budget,
) -> Result<bool, Refusal> {
    same(a, b, budget)
}

/// Where a directory name lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lies {
    Within,
    Outside,
    /// Nobody can say: where they differ, a value that cannot be read as text stands against one of the
    /// same type of attribute.
    Unclear,
}

/// Where `name` lies of the subtree of `base`, in which its first names are those of `base`.
pub(crate) fn within_directory(
    name: &NameRef<'_>,
    base: &NameRef<'_>,
    budget: &mut Budget,
) -> Result<Lies, Refusal> {
    let mut lies = Lies::Within;
    let mut rdns = name.rdns.iter();
    for base in base.rdns.iter() {
        budget.pay(1)?;
        let Some(rdn) = rdns.next() else { return Ok(Lies::Outside) };
        if same_rdn(&rdn, &base, budget)? {
            continue;
        }
        if !is_unclear(&rdn, &base, budget)? {
            return Ok(Lies::Outside);
        }
        lies = Lies::Unclear;
    }
    Ok(lies)
}

fn is_unclear(a: &Rdn<'_>, b: &Rdn<'_>, budget: &mut Budget) -> Result<bool, Refusal> {
    for (one, other) in [(a, b), (b, a)] {
        for attribute in one.attributes.iter() {
            budget.pay(1 + attribute.value.len() / 32)?;
            if attribute.text().is_none() {
                budget.pay(other.attributes.contents().len() / 8)?;
                if other.attributes.iter().any(|against| against.oid == attribute.oid) {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}

/// What a walk over names is paid with, before it is made. One unit is some 20 ns.
trait Purse {
    type Empty;

    fn pay(&mut self, units: usize) -> Result<(), Self::Empty>;
}

impl Purse for Budget {
    type Empty = Refusal;

    fn pay(&mut self, units: usize) -> Result<(), Refusal> {
        self.spend(Work::Names, units)
    }
}

/// For names that nobody sends many of.
struct Free;

impl Purse for Free {
    type Empty = Infallible;

    fn pay(&mut self, _: usize) -> Result<(), Infallible> {
        Ok(())
    }
}

fn same<P: Purse>(a: &NameRef<'_>, b: &NameRef<'_>, purse: &mut P) -> Result<bool, P::Empty> {
    purse.pay(1 + memory(a.der, b.der))?;
    if a.der == b.der {
        return Ok(true);
    }
    let (mut left, mut right) = (a.rdns.iter(), b.rdns.iter());
    loop {
        match (left.next(), right.next()) {
            (None, None) => return Ok(true),
            (Some(left), Some(right)) if same_rdn(&left, &right, purse)? => purse.pay(1)?,
            _ => return Ok(false),
        }
    }
}

/// What comparing two encodings counts for: those of different lengths are not looked at.
const fn memory(a: &[u8], b: &[u8]) -> usize {
    if a.len() == b.len() { a.len() / 512 } else { 0 }
}

/// What the attributes of a name count for where all of them may be walked. See [`text_weight`].
pub(crate) fn weight(name: &NameRef<'_>) -> usize {
    name.attributes().map(|attribute| 1 + text_weight(is_plain(&attribute), &attribute)).sum()
}

/// What comparing a value's text counts for beside looking at the attribute: plain text takes up to
/// 2 ns an octet, other text, which has to be prepared, up to 200. 250,000 in all are 5 to 25 ms.
const fn text_weight(plain: bool, attribute: &Attribute<'_>) -> usize {
    if plain { attribute.value.len() / 32 } else { attribute.value.len() * 2 }
}

/// A relative distinguished name is a set: each attribute of one has an equal in the other, and
/// there are as many.
fn same_rdn<P: Purse>(a: &Rdn<'_>, b: &Rdn<'_>, purse: &mut P) -> Result<bool, P::Empty> {
    purse.pay(memory(a.attributes.contents(), b.attributes.contents()))?;
    if a.attributes.contents() == b.attributes.contents() {
        return Ok(true);
    }
    let (mut xs, mut ys) = (a.attributes.iter(), b.attributes.iter());
    if let (Some(x), Some(y), None, None) = (xs.next(), ys.next(), xs.next(), ys.next()) {
        return same_attribute(&x, &y, purse);
    }
    let counts = [a, b].map(|rdn| rdn.attributes.iter().count());
    purse.pay(counts[0] + counts[1])?;
    if counts[0] != counts[1] {
        return Ok(false);
    }
    // All of them are prepared, plain or not: 10 ns an octet for plain text.
    let prepared = |attribute: Attribute<'_>| match is_plain(&attribute) {
        true => 4 + attribute.value.len() / 2,
        false => 4 + text_weight(false, &attribute),
    };
    purse.pay([a, b].iter().flat_map(|rdn| rdn.attributes).map(prepared).sum())?;
    Ok(set_of(a) == set_of(b))
}

/// A name in octets that all its spellings share, and no other name: what [`same_name`] says of two
/// names is whether these are equal.
pub(crate) fn comparable_name(name: &NameRef<'_>) -> Box<[u8]> {
    let mut octets = Vec::with_capacity(name.der.len());
    let mut put = |field: &[u8]| {
        octets.extend_from_slice(&field.len().to_be_bytes());
        octets.extend_from_slice(field);
    };
    for rdn in name.rdns.iter() {
        // As in the comparison, how many there are counts for itself: equal ones stand in the set once.
        put(&rdn.attributes.iter().count().to_be_bytes());
        let set = set_of(&rdn);
        put(&set.len().to_be_bytes());
        for (oid, value) in set {
            put(oid.as_bytes());
            match value {
                Comparable::Text(text) => put(&[b"t", text.as_bytes()].concat()),
                Comparable::Other(der) => put(&[b"o", der].concat()),
            }
        }
    }
    octets.into_boxed_slice()
}

/// The attributes in an order that does not depend on how their values are written.
fn set_of<'a>(rdn: &Rdn<'a>) -> Vec<(Oid<'a>, Comparable<'a>)> {
    let comparable = |attribute: Attribute<'a>| (attribute.oid, Comparable::of(&attribute));
    let mut set: Vec<_> = rdn.attributes.iter().map(comparable).collect();
    set.sort_unstable();
    set.dedup();
    set
}

fn same_attribute<P: Purse>(
    a: &Attribute<'_>,
    b: &Attribute<'_>,
    purse: &mut P,
) -> Result<bool, P::Empty> {
    if a.oid != b.oid {
        return Ok(false);
    }
    let plain = is_plain(a) && is_plain(b);
    purse.pay(text_weight(plain, a) + text_weight(plain, b))?;
    Ok(same_value(a, b))
}

/// Whether `label` is one of a DNS name in preferred syntax (RFC 1034 3.5, RFC 1123 2.1).
fn is_ldh(label: &[u8], underscore: bool) -> bool {
    let plain = |c: &u8| c.is_ascii_alphanumeric() || *c == b'-' || (underscore && *c == b'_');
    (1..=63).contains(&label.len())
        && label.iter().all(plain)
        && label.first() != Some(&b'-')
        && label.last() != Some(&b'-')
}

/// How strictly the characters of a DNS name are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DnsSyntax {
    /// Letters, digits and hyphens, as RFC 5280 4.2.1.6 has it.
    Preferred,
    /// Underscores as well, which resolvers accept.
    Lenient,
}

/// Whether `name` is a DNS name without a wildcard; a last label of digits makes it an IP address.
pub(crate) fn is_dns_name(name: &[u8], syntax: DnsSyntax) -> bool {
    let underscore = syntax == DnsSyntax::Lenient;
    let mut labels = name.split(|byte| *byte == b'.');
    let last_is_number = name
        .rsplit(|byte| *byte == b'.')
        .next()
        .is_some_and(|last| last.iter().all(u8::is_ascii_digit));
    name.len() <= 253 && !last_is_number && labels.all(|label| is_ldh(label, underscore))
}

/// Splits `*.rest`; the wildcard is the whole leftmost label and nowhere else.
pub(crate) fn split_wildcard(name: &[u8]) -> (bool, &[u8]) {
    name.strip_prefix(b"*.").map_or((false, name), |rest| (true, rest))
}

/// Whether a DNS name of a certificate, `*` as its leftmost label or not, is one.
pub(crate) fn is_dns_pattern(name: &[u8], syntax: DnsSyntax) -> bool {
    is_dns_name(split_wildcard(name).1, syntax)
}

/// Whether the name of a certificate is the host that is asked for (RFC 9525 6.3): label by label,
/// case aside; a wildcard stands for exactly one label.
pub(crate) fn dns_matches(presented: &[u8], host: &[u8]) -> bool {
    let (wildcard, rest) = split_wildcard(presented);
    if !is_dns_name(rest, DnsSyntax::Lenient) {
        return false;
    }
    if !wildcard {
        return rest.eq_ignore_ascii_case(host);
    }
    let Some(dot) = host.iter().position(|byte| *byte == b'.') else { return false };
    host[dot + 1..].eq_ignore_ascii_case(rest)
}

/// A mailbox as (local part, host); `None` if it is none (RFC 5321 4.1.2).
pub(crate) fn split_mailbox(mailbox: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = mailbox.iter().rposition(|byte| *byte == b'@')?;
    let (local, host) = (&mailbox[..at], &mailbox[at + 1..]);
    let quoted = local.len() >= 2 && local.starts_with(b"\"") && local.ends_with(b"\"");
    let atom = |byte: &u8| byte.is_ascii_graphic() && !b"@\"(),:;<>[\\]".contains(byte);
    let dot_string = !local.is_empty()
        && local.split(|byte| *byte == b'.').all(|part| !part.is_empty() && part.iter().all(atom));
    let quotable =
        |inner: &[u8]| inner.iter().all(|byte| (b' '..=b'~').contains(byte) && *byte != b'"');
    let valid = dot_string || (quoted && quotable(&local[1..local.len() - 1]));
    (valid && is_dns_name(host, DnsSyntax::Lenient)).then_some((local, host))
}

/// The characters that a local part stands for: those of a quoted string without the quotes and the
/// backslashes of quoted pairs (RFC 5321 4.1.2).
pub(crate) fn unquoted(local: &[u8]) -> impl Iterator<Item = u8> {
    let inner = local.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\""));
    let mut octets = inner.unwrap_or(local).iter().copied();
    let quoted = inner.is_some();
    std::iter::from_fn(move || match octets.next() {
        Some(b'\\') if quoted => octets.next(),
        octet => octet,
    })
}

/// Local parts are compared as they are, hosts case aside (RFC 5280 7.5).
pub(crate) fn mailbox_matches(presented: &[u8], asked: &[u8]) -> bool {
    match (split_mailbox(presented), split_mailbox(asked)) {
        (Some((local, host)), Some((asked_local, asked_host))) => {
            local == asked_local && host.eq_ignore_ascii_case(asked_host)
        }
        _ => false,
    }
}

/// The host of a URI's authority; `None` without one, and where the authority is not what RFC 3986
/// 3.2 has: readers do not agree on where the host of such a one is.
pub(crate) fn uri_host(uri: &[u8]) -> Option<&[u8]> {
    let colon = uri.iter().position(|byte| *byte == b':')?;
    let authority = uri[colon + 1..].strip_prefix(b"//")?;
    let end = authority.iter().position(|byte| b"/?#".contains(byte)).unwrap_or(authority.len());
    let authority = &authority[..end];
    let (user, rest) = match authority.iter().position(|byte| *byte == b'@') {
        Some(at) => (&authority[..at], &authority[at + 1..]),
        None => (&[][..], authority),
    };
    let (host, port) = if rest.starts_with(b"[") {
        rest.split_at(rest.iter().position(|byte| *byte == b']')? + 1)
    } else {
        rest.split_at(rest.iter().position(|byte| *byte == b':').unwrap_or(rest.len()))
    };
    let literal = host.starts_with(b"[");
    let port_is_number = port.iter().skip(1).all(u8::is_ascii_digit);
    let good = is_uri_text(user, b":")
        && (literal || is_uri_text(host, b""))
        && (port.is_empty() || port.starts_with(b":") && port_is_number);
    (good && !host.is_empty()).then_some(host)
}

/// Unreserved characters, sub-delimiters and percent-encoded octets (RFC 3986 3.2.1, 3.2.2), and
/// those of `more`.
fn is_uri_text(text: &[u8], more: &[u8]) -> bool {
    let literal = |byte: &u8| {
        byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=".contains(byte) || more.contains(byte)
    };
    let mut parts = text.split(|byte| *byte == b'%');
    parts.next().is_none_or(|first| first.iter().all(literal))
        && parts.all(|part| match part {
            [high, low, rest @ ..] => {
                high.is_ascii_hexdigit() && low.is_ascii_hexdigit() && rest.iter().all(literal)
            }
            _ => false,
        })
}

/// Whether `uri` is a URI with a scheme (RFC 3986 3, RFC 5280 4.2.1.6).
pub(crate) fn is_uri(uri: &[u8]) -> bool {
    let Some(colon) = uri.iter().position(|byte| *byte == b':') else { return false };
    let (scheme, rest) = (&uri[..colon], &uri[colon + 1..]);
    let up_to = |text: &'_ [u8], ends: &[u8]| {
        text.iter().position(|byte| ends.contains(byte)).unwrap_or(text.len())
    };
    let (before, fragment) = rest.split_at(up_to(rest, b"#"));
    let (authority, path) = match before.strip_prefix(b"//") {
        Some(authority) => authority.split_at(up_to(authority, b"/?")),
        None => (&[][..], before),
    };
    scheme.first().is_some_and(u8::is_ascii_alphabetic)
        && scheme.iter().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(byte))
        && !rest.is_empty()
        && is_uri_text(authority, b":@[]")
        && is_uri_text(path, b":@/?")
        && is_uri_text(fragment.get(1..).unwrap_or(&[]), b":@/?")
}

/// A name that the caller expects the peer to have, as it was given.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ReferenceName {
    /// A DNS name.
    Dns(String),
    /// An IP address as text.
    Ip(String),
    /// A mailbox.
    Email(String),
    /// A URI, such as a SPIFFE id; compared octet by octet.
    Uri(String),
}

impl std::fmt::Display for ReferenceName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (kind, name) = match self {
            Self::Dns(name) => ("dns", name),
            Self::Ip(name) => ("ip", name),
            Self::Email(name) => ("email", name),
            Self::Uri(name) => ("uri", name),
        };
        write!(f, "{kind}:{}", name.escape_debug())
    }
}

impl ReferenceName {
    /// Whether any certificate could match: a DNS name of well-formed labels, an IP address, a
    /// mailbox, a URI.
    pub fn can_match(&self) -> bool {
        match self {
            Self::Dns(name) => is_dns_name(name.as_bytes(), DnsSyntax::Lenient),
            Self::Ip(address) => address.parse::<IpAddr>().is_ok(),
            Self::Email(mailbox) => split_mailbox(mailbox.as_bytes()).is_some(),
            Self::Uri(uri) => is_uri(uri.as_bytes()),
        }
    }

    /// Whether one of the certificate's alternative names is this name.
    pub(crate) fn is_in(&self, names: GeneralNames<'_>) -> bool {
        match self {
            Self::Dns(host) => names.iter().any(|name| {
                matches!(name, GeneralName::Dns(presented) if dns_matches(presented, host.as_bytes()))
            }),
            Self::Email(mailbox) => names.iter().any(|name| {
                matches!(name, GeneralName::Rfc822(presented)
                    if mailbox_matches(presented, mailbox.as_bytes()))
            }),
            Self::Uri(uri) => names
                .iter()
                .any(|name| matches!(name, GeneralName::Uri(presented) if presented == uri.as_bytes())),
            Self::Ip(address) => address.parse().is_ok_and(|address| has_address(names, address)),
        }
    }
}

fn has_address(names: GeneralNames<'_>, address: IpAddr) -> bool {
    let is = |octets: &[u8]| match address {
        IpAddr::V4(address) => octets == address.octets(),
        IpAddr::V6(address) => octets == address.octets(),
    };
    names.iter().any(|name| matches!(name, GeneralName::Ip(octets) if is(octets)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustmq_pki::der::{constructed, tag};
    use rustmq_pki::oid;

    /// A name of one set of organisational units.
    fn set(values: impl Iterator<Item = String>) -> Vec<u8> {
        let attribute = |value: String| {
            let oid = constructed(tag::OID, &[oid::ORGANIZATIONAL_UNIT]);
            let value = constructed(tag::UTF8_STRING, &[value.as_bytes()]);
            constructed(tag::SEQUENCE, &[&oid, &value])
        };
        let attributes: Vec<u8> = values.flat_map(attribute).collect();
        constructed(tag::SEQUENCE, &[&constructed(tag::SET, &[&attributes])])
    }

    #[test]
    fn sets_of_any_size_are_compared_without_regard_to_order() {
        let same = |a: &[u8], b: &[u8]| {
            let (a, b) = (NameRef::from_der(a).unwrap(), NameRef::from_der(b).unwrap());
            let budget = &mut Budget::full();
            let lies = within_directory(&a, &b, budget).unwrap();
            assert_eq!(same_name(&a, &b), lies == Lies::Within);
            assert_eq!(same_name(&a, &b), comparable_name(&a) == comparable_name(&b));
            same_name(&a, &b)
        };
        for size in [2, 16, 17, 300] {
            let upper = set((0..size).map(|n| format!("Unit {n}")));
            let lower = set((0..size).rev().map(|n| format!("unit  {n}")));
            assert!(same(&upper, &lower), "{size}");
            let other = set((1..=size).map(|n| format!("unit {n}")));
            assert!(!same(&upper, &other), "{size}");
            let more = set((0..=size).map(|n| format!("unit {n}")));
            assert!(!same(&upper, &more), "{size}");
        }
        let twice = |a: &str, b: &str, c: &str| set([a, b, c].map(str::to_owned).into_iter());
        assert!(!same(&twice("a", "A", "b"), &twice("a", "b", "c")));
    }

    #[test]
    fn a_wildcard_stands_for_one_whole_label() {
        let matches =
            |presented: &str, host: &str| dns_matches(presented.as_bytes(), host.as_bytes());
        assert!(matches("*.Example.com", "a.example.COM"));
        assert!(!matches("*.example.com", "example.com"));
        assert!(!matches("*.example.com", "a.b.example.com"));
        assert!(!matches("a*.example.com", "ab.example.com"));
        assert!(!matches("a.*.example.com", "a.b.example.com"));
        assert!(!matches("*", "localhost"));
        assert!(!matches("*.", "a."));
        assert!(matches("localhost", "LOCALHOST"));
        assert!(matches("foo_bar.example.com", "foo_bar.example.com"));
    }

    #[test]
    fn dns_names() {
        let is = |name: &str, syntax| is_dns_name(name.as_bytes(), syntax);
        assert!(is("xn--628h.example.com", DnsSyntax::Preferred));
        assert!(!is("foo_bar.example.com", DnsSyntax::Preferred));
        for bad in ["", ".", "a..b", ".a", "a.", "-a.b", "192.0.2.1", "a b", "ä.example", "a\0.b"]
        {
            assert!(!is(bad, DnsSyntax::Lenient), "{bad}");
        }
        assert!(!is(&"a".repeat(64), DnsSyntax::Lenient));
    }

    #[test]
    fn mailboxes() {
        let matches = |a: &str, b: &str| mailbox_matches(a.as_bytes(), b.as_bytes());
        assert!(matches("User@Example.com", "User@example.com"));
        assert!(!matches("user@example.com", "User@example.com"));
        assert!(matches("*@example.com", "*@example.com"));
        assert!(!matches("*@example.com", "user@example.com"));
        assert!(matches("\"a b\"@example.com", "\"a b\"@example.com"));
        for bad in ["a", "a@", "@b", "a@b@c.d", "a b@c.d", "a..b@c.d", "\"a@c.d"] {
            assert!(split_mailbox(bad.as_bytes()).is_none(), "{bad}");
        }
    }

    #[test]
    fn hosts_of_uris() {
        let host = |uri: &str| uri_host(uri.as_bytes()).map(|h| h.escape_ascii().to_string());
        assert_eq!(host("spiffe://td.example/broker/b1").unwrap(), "td.example");
        assert_eq!(host("https://user:pw@h.example:8443?x#y").unwrap(), "h.example");
        assert_eq!(host("https://h.example:/").unwrap(), "h.example");
        assert_eq!(host("https://a%40b:%2f@h.example").unwrap(), "h.example");
        assert_eq!(host("http://[::1]:80/").unwrap(), "[::1]");
        for bad in [
            "http://:80/",
            "http://a@@h/",
            "http://a@b@h/",
            "http://h:x/",
            "http://h:8:8/",
            "http://a b@h/",
            "http://a\\@h/",
            "http://a%4@h/",
            "http://[::1]x/",
            "http://[::1/",
            "http://\u{e4}@h/",
        ] {
            assert_eq!(host(bad), None, "{bad}");
        }
        assert_eq!(host("urn:rustmq:role:broker"), None);
        assert_eq!(host("http:///x"), None);
        assert!(is_uri(b"urn:x") && !is_uri(b"x") && !is_uri(b"http:") && !is_uri(b"h:a b"));
        for good in
            ["http://h", "http://[::1]:8/", "h:/a?b/c?d#e?f", "h:%5B", "urn:a:b@c", "h://u:p@h"]
        {
            assert!(is_uri(good.as_bytes()), "{good}");
        }
        for bad in
            ["h://h/%zz", "h://h/%5", "h://h/#a#b", "h://h/[x]", "h:a[0]", "h://h/?[", "1h:x"]
        {
            assert!(!is_uri(bad.as_bytes()), "{bad}");
        }
    }

    #[test]
    fn names_that_can_never_match() {
        assert!(!ReferenceName::Dns("*.example.com".to_owned()).can_match());
        assert!(!ReferenceName::Dns("192.0.2.1".to_owned()).can_match());
        assert!(!ReferenceName::Ip("192.0.2.256".to_owned()).can_match());
        assert!(ReferenceName::Email("*@example.com".to_owned()).can_match());
    }
}
