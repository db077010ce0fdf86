//! Name constraints that a CA of ours may carry (RFC 5280 4.2.1.10), and whether a name keeps to them.
//!
//! This is the issuing side: it answers for names that this crate constructed. Certificates from
//! elsewhere are judged by the path validator.

use std::fmt;
use std::net::IpAddr;

use crate::der::{DerError, tag};
use crate::encode::Encoder;
use crate::name::{DnsName, EmailAddress, SanKind, SubjectAltName, TrustDomain};
use crate::read::{GeneralName, NameConstraints as NameConstraintsRef};

/// One subtree of names. It exists only with a base that its form allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subtree(Base);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Base {
    /// This DNS name and all below it; the empty one holds all.
    Dns(String),
    /// Addresses of a network.
    Ip(IpNetwork),
    /// One mailbox, all of a host, or with a dot in front all of the hosts below it.
    Email(String),
    /// URIs of this host, or with a dot in front of the hosts below it.
    Uri(String),
}

/// A text that is no base of a name constraint.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no {form} name constraint: give {right}")]
pub struct SubtreeError {
    text: String,
    form: &'static str,
    right: &'static str,
}

/// An IP network: an address and a prefix length in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IpNetwork {
    address: IpAddr,
    prefix: u8,
}

impl IpNetwork {
    /// Reads `10.0.0.0/8` or `2001:db8::/32`; `None` where the prefix is too long for the address.
    pub fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let address: IpAddr = address.parse().ok()?;
        let prefix = prefix.parse().ok()?;
        let longest = if address.is_ipv4() { 32 } else { 128 };
        (prefix <= longest).then_some(Self { address, prefix })
    }

    /// Whether its address has bits beyond the prefix, as `10.0.0.1/8` does.
    fn has_host_bits(self) -> bool {
        let octets = self.to_octets();
        let (network, _) = octets.split_at(octets.len() / 2);
        match self.address {
            IpAddr::V4(address) => address.octets() != *network,
            IpAddr::V6(address) => address.octets() != *network,
        }
    }

    /// Whether all of `other` lies in it.
    fn holds(self, other: Self) -> bool {
        self.prefix <= other.prefix && self.contains(other.address)
    }

    /// Whether `address` lies in it; an address of the other family never does.
    pub fn contains(&self, address: IpAddr) -> bool {
        let equal = |a: &[u8], b: &[u8]| {
            let mask = self.mask(a.len());
            a.iter().zip(b).zip(mask).all(|((a, b), mask)| a & mask == b & mask)
        };
        match (self.address, address) {
            (IpAddr::V4(a), IpAddr::V4(b)) => equal(&a.octets(), &b.octets()),
            (IpAddr::V6(a), IpAddr::V6(b)) => equal(&a.octets(), &b.octets()),
            _ => false,
        }
    }

    fn mask(self, octets: usize) -> Vec<u8> {
        (0..octets)
            .map(|index| {
                let bits = usize::from(self.prefix).saturating_sub(8 * index).min(8);
                !(0xff_u8.checked_shr(u32::try_from(bits).unwrap_or(8)).unwrap_or(0))
            })
            .collect()
    }

    fn to_octets(self) -> Vec<u8> {
        let mut octets = match self.address {
            IpAddr::V4(address) => address.octets().to_vec(),
            IpAddr::V6(address) => address.octets().to_vec(),
        };
        let mask = self.mask(octets.len());
        octets.iter_mut().zip(&mask).for_each(|(octet, mask)| *octet &= mask);
        octets.extend(mask);
        octets
    }

    fn from_octets(octets: &[u8]) -> Option<Self> {
        let (address, mask) = octets.split_at(octets.len() / 2);
        let ones: u32 = mask.iter().map(|octet| octet.leading_ones()).sum();
        let network = Self {
            address: match octets.len() {
                8 => IpAddr::from(<[u8; 4]>::try_from(address).ok()?),
                32 => IpAddr::from(<[u8; 16]>::try_from(address).ok()?),
                _ => return None,
            },
            prefix: u8::try_from(ones).ok()?,
        };
        (network.mask(mask.len()) == mask).then_some(network)
    }
}

impl fmt::Display for IpNetwork {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// Permitted and excluded subtrees of one CA certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NameConstraints {
    /// Where a form occurs here, names of that form must lie in one of its subtrees.
    pub permitted: Vec<Subtree>,
    /// Names must lie in none of these.
    pub excluded: Vec<Subtree>,
}

/// A CA's name constraints that this authority cannot issue under.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConstraintsError {
    /// Broken DER.
    #[error("the name constraints are malformed: {0}")]
    Malformed(#[from] DerError),
    /// A form other than DNS, IP, e-mail and URI.
    #[error("the name constraints have a form other than DNS, IP, e-mail and URI")]
    UnsupportedForm,
}

impl NameConstraints {
    /// URIs within one trust domain only.
    pub fn of_trust_domain(domain: &TrustDomain) -> Self {
        let base = Subtree(Base::Uri(domain.as_str().to_owned()));
        Self { permitted: vec![base], excluded: Vec::new() }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.permitted.is_empty() && self.excluded.is_empty()
    }

    /// Whether `san` keeps to them. Where URIs are constrained, one without a plain host name is
    /// outside (RFC 5280 4.2.1.10), and a wildcard is outside where a name that it stands for is
    /// excluded.
    pub fn allow(&self, san: &SubjectAltName) -> bool {
        let of_form = |trees: &[Subtree]| trees.iter().any(|tree| tree.kind() == san.kind());
        let constrained = of_form(&self.permitted) || of_form(&self.excluded);
        if let SubjectAltName::Uri(uri) = san
            && constrained
            && uri_host(uri.as_str()).is_none()
        {
            return false;
        }
        let permitted =
            !of_form(&self.permitted) || self.permitted.iter().any(|tree| tree.contains(san));
        permitted && !self.excluded.iter().any(|tree| tree.meets(san))
    }

    /// These constraints with `inner` below them: a form that both permit is permitted as `inner`
    /// says, which must lie within; what either excludes is excluded. The error is the subtree that
    /// reaches beyond.
    pub(crate) fn narrowed_by(&self, inner: Self) -> Result<Self, Subtree> {
        let own = |kind| self.permitted.iter().filter(move |tree| tree.kind() == kind);
        let beyond = inner.permitted.iter().find(|tree| {
            own(tree.kind()).next().is_some() && !own(tree.kind()).any(|outer| outer.holds(tree))
        });
        if let Some(tree) = beyond {
            return Err(tree.clone());
        }
        let replaced = |tree: &Subtree| inner.permitted.iter().any(|i| i.kind() == tree.kind());
        let mut permitted: Vec<_> =
            self.permitted.iter().filter(|tree| !replaced(tree)).cloned().collect();
        permitted.extend(inner.permitted);
        let mut excluded = self.excluded.clone();
        excluded.extend(inner.excluded.into_iter().filter(|tree| !self.excluded.contains(tree)));
        Ok(Self { permitted, excluded })
    }

    /// Reads the extension's view.
    pub fn from_view(view: &NameConstraintsRef<'_>) -> Result<Self, ConstraintsError> {
        let subtrees = |list: Option<crate::der::List<'_, _>>| {
            list.map_or_else(
                || Ok(Vec::new()),
                |list| {
                    list.iter()
                        .map(|subtree: crate::read::GeneralSubtree<'_>| {
                            Subtree::from_view(&subtree.base)
                                .ok_or(ConstraintsError::UnsupportedForm)
                        })
                        .collect()
                },
            )
        };
        Ok(Self { permitted: subtrees(view.permitted)?, excluded: subtrees(view.excluded)? })
    }

    /// Writes the extension's value.
    pub(crate) fn encode(&self, value: &mut Encoder) {
        value.nested(tag::SEQUENCE, |constraints| {
            for (number, subtrees) in [(0, &self.permitted), (1, &self.excluded)] {
                if !subtrees.is_empty() {
                    constraints.nested(tag::context_constructed(number), |list| {
                        subtrees.iter().for_each(|tree| {
                            list.nested(tag::SEQUENCE, |base| tree.encode(base));
                        });
                    });
                }
            }
        });
    }
}

impl Subtree {
    /// Reads a base as users write it: a domain, a network, a mailbox or host, a URI's host.
    pub fn parse(kind: SanKind, text: &str) -> Result<Self, SubtreeError> {
        let error = |form, right| SubtreeError { text: text.to_owned(), form, right };
        let host = |text: &str| {
            let name = text.strip_prefix('.').unwrap_or(text);
            DnsName::parse(name).is_ok_and(|name| !name.is_wildcard())
        };
        let lower = text.to_ascii_lowercase();
        match kind {
            SanKind::Dns if host(text) => Ok(Self(Base::Dns(lower))),
            SanKind::Dns => Err(error("DNS", "a domain such as example.com")),
            SanKind::Ip => IpNetwork::parse(text)
                .filter(|network| !network.has_host_bits())
                .map(|network| Self(Base::Ip(network)))
                .ok_or_else(|| error("IP", "a network such as 10.0.0.0/8")),
            SanKind::Email if text.contains('@') => EmailAddress::parse(text)
                .map(|address| Self(Base::Email(address.as_str().to_owned())))
                .map_err(|_| error("e-mail", "a mailbox such as ops@example.com")),
            SanKind::Email if host(text) => Ok(Self(Base::Email(lower))),
            SanKind::Email => Err(error("e-mail", "a mailbox, a host or a domain")),
            SanKind::Uri if host(text) => Ok(Self(Base::Uri(lower))),
            SanKind::Uri => {
                Err(error("URI", "a host such as example.com, without scheme and port"))
            }
        }
    }

    /// The form of the names in it.
    pub const fn kind(&self) -> SanKind {
        match self.0 {
            Base::Dns(_) => SanKind::Dns,
            Base::Ip(_) => SanKind::Ip,
            Base::Email(_) => SanKind::Email,
            Base::Uri(_) => SanKind::Uri,
        }
    }

    /// The base as [`Self::parse`] reads it.
    pub fn base(&self) -> String {
        match &self.0 {
            Base::Dns(text) | Base::Email(text) | Base::Uri(text) => text.clone(),
            Base::Ip(network) => network.to_string(),
        }
    }

    fn from_view(base: &GeneralName<'_>) -> Option<Self> {
        let text = |octets: &[u8]| {
            std::str::from_utf8(octets).ok().filter(|text| text.is_ascii()).map(str::to_owned)
        };
        let base = match base {
            GeneralName::Dns(octets) => Base::Dns(text(octets)?.to_ascii_lowercase()),
            GeneralName::Rfc822(octets) => Base::Email(text(octets)?),
            GeneralName::Uri(octets) => Base::Uri(text(octets)?.to_ascii_lowercase()),
            GeneralName::Ip(octets) => Base::Ip(IpNetwork::from_octets(octets)?),
            _ => return None,
        };
        Some(Self(base))
    }

    fn contains(&self, san: &SubjectAltName) -> bool {
        match (&self.0, san) {
            (Base::Dns(base), SubjectAltName::Dns(name)) => is_at_or_below(name.as_str(), base),
            (Base::Ip(network), SubjectAltName::Ip(address)) => network.contains(*address),
            (Base::Email(base), SubjectAltName::Email(address)) => {
                mailbox_matches(address.as_str(), base)
            }
            (Base::Uri(base), SubjectAltName::Uri(uri)) => {
                uri_host(uri.as_str()).is_some_and(|host| host_matches(&host, base))
            }
            _ => false,
        }
    }

    /// Whether a name that `san` stands for lies in it: `*.example.com` meets `a.example.com`.
    fn meets(&self, san: &SubjectAltName) -> bool {
        let stands_for_base = match (&self.0, san) {
            (Base::Dns(base), SubjectAltName::Dns(name)) => {
                name.as_str().strip_prefix('*').is_some_and(|parent| {
                    base.strip_suffix(parent).is_some_and(|label| !label.contains('.'))
                })
            }
            _ => false,
        };
        stands_for_base || self.contains(san)
    }

    /// Whether every name in `inner` lies in it.
    fn holds(&self, inner: &Self) -> bool {
        match (&self.0, &inner.0) {
            (Base::Dns(outer), Base::Dns(inner)) => is_at_or_below(inner, outer),
            (Base::Ip(outer), Base::Ip(inner)) => outer.holds(*inner),
            (Base::Email(outer), Base::Email(inner)) if inner.contains('@') => {
                mailbox_matches(inner, outer)
            }
            (Base::Email(outer), Base::Email(inner)) | (Base::Uri(outer), Base::Uri(inner)) => {
                inner == outer || (outer.starts_with('.') && inner.ends_with(outer.as_str()))
            }
            _ => false,
        }
    }

    fn encode(&self, base: &mut Encoder) {
        match &self.0 {
            Base::Email(text) => base.value(tag::context(1), text.as_bytes()),
            Base::Dns(text) => base.value(tag::context(2), text.as_bytes()),
            Base::Uri(text) => base.value(tag::context(6), text.as_bytes()),
            Base::Ip(network) => base.value(tag::context(7), &network.to_octets()),
        };
    }
}

impl fmt::Display for Subtree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind().prefix(), self.base())
    }
}

/// The local part is compared as it is (RFC 5280 7.5), the host without regard to case.
fn mailbox_matches(address: &str, base: &str) -> bool {
    let Some((local, host)) = address.rsplit_once('@') else { return false };
    match base.rsplit_once('@') {
        Some((l, h)) => l == local && h.eq_ignore_ascii_case(host),
        None => host_matches(&host.to_ascii_lowercase(), &base.to_ascii_lowercase()),
    }
}

/// A DNS constraint holds the name itself and every name made by adding labels to its left; the empty
/// one holds all names.
fn is_at_or_below(name: &str, base: &str) -> bool {
    base.is_empty()
        || name == base
        || name.strip_suffix(base).is_some_and(|rest| rest.ends_with('.') || base.starts_with('.'))
}

/// Hosts of e-mail and URI constraints: exact, or with a dot in front all below it but not itself.
fn host_matches(host: &str, base: &str) -> bool {
    if base.starts_with('.') {
        host.ends_with(base) && host.len() > base.len()
    } else {
        host == base
    }
}

/// The host of a URI, where it is a plain DNS name: neither an address nor escaped, without a final
/// dot.
fn uri_host(uri: &str) -> Option<String> {
    let (_, rest) = uri.split_once("://")?;
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = host.split_once(':').map_or(host, |(host, _)| host);
    DnsName::parse(host).ok().map(|name| name.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn san(text: &str) -> SubjectAltName {
        SubjectAltName::parse(text).unwrap()
    }

    fn tree(kind: SanKind, text: &str) -> Subtree {
        Subtree::parse(kind, text).unwrap()
    }

    #[test]
    fn bases_that_no_name_could_meet_are_refused() {
        for (kind, text) in [
            (SanKind::Dns, "https:example.com"),
            (SanKind::Dns, "*.example.com"),
            (SanKind::Dns, ""),
            (SanKind::Dns, "a..b"),
            (SanKind::Ip, "10.0.0.1/8"),
            (SanKind::Ip, "10.0.0.0"),
            (SanKind::Email, "@"),
            (SanKind::Uri, "example.org:8443"),
            (SanKind::Uri, "spiffe://example.org"),
        ] {
            assert!(Subtree::parse(kind, text).is_err(), "{text}");
        }
        assert_eq!(tree(SanKind::Email, "CEO@X.com").base(), "CEO@x.com");
    }

    #[test]
    fn constraints_below_constraints_only_narrow() {
        let outer = NameConstraints {
            permitted: vec![tree(SanKind::Dns, "example.com"), tree(SanKind::Ip, "10.0.0.0/8")],
            excluded: vec![tree(SanKind::Dns, "x.example.com")],
        };
        let permitting = |kind, text| NameConstraints {
            permitted: vec![tree(kind, text)],
            excluded: Vec::new(),
        };
        let narrowed = outer.narrowed_by(permitting(SanKind::Dns, "team.example.com")).unwrap();
        assert!(narrowed.allow(&san("a.team.example.com")));
        assert!(!narrowed.allow(&san("a.example.com")) && !narrowed.allow(&san("11.0.0.1")));
        assert!(outer.narrowed_by(permitting(SanKind::Dns, "example.org")).is_err());
        assert!(outer.narrowed_by(permitting(SanKind::Ip, "10.0.0.0/7")).is_err());
        assert!(outer.narrowed_by(permitting(SanKind::Uri, "example.org")).is_ok());
    }

    #[test]
    fn names_in_and_out_of_subtrees() {
        let constraints = NameConstraints {
            permitted: vec![
                tree(SanKind::Dns, "example.com"),
                tree(SanKind::Ip, "10.0.0.0/9"),
                tree(SanKind::Email, "example.com"),
                tree(SanKind::Uri, "example.org"),
            ],
            excluded: vec![tree(SanKind::Dns, "secret.example.com")],
        };
        for inside in [
            "example.com",
            "a.b.example.com",
            "*.a.example.com",
            "10.127.255.255",
            "x@example.com",
            "spiffe://example.org/client/x",
        ] {
            assert!(constraints.allow(&san(inside)), "{inside}");
        }
        for outside in [
            "notexample.com",
            "com",
            "a.secret.example.com",
            "10.128.0.0",
            "2001:db8::1",
            "x@sub.example.com",
            "spiffe://sub.example.org/x",
            "uri:urn:x:y",
            "https://10.0.0.1/",
            "https://example.org./",
            "https://ex%61mple.org/",
        ] {
            assert!(!constraints.allow(&san(outside)), "{outside}");
        }
        assert!(NameConstraints::default().allow(&san("anything.example")));
        // It stands for secret.example.com, too.
        let excluded = NameConstraints { permitted: Vec::new(), ..constraints };
        assert!(!excluded.allow(&san("*.example.com")));
        assert!(excluded.allow(&san("*.other.example.com")));
    }

    #[test]
    fn networks() {
        for (network, inside, outside) in [
            ("10.0.0.0/8", "10.255.0.1", "11.0.0.0"),
            ("0.0.0.0/0", "255.1.1.1", "::1"),
            ("192.0.2.7/32", "192.0.2.7", "192.0.2.6"),
            ("2001:db8::/33", "2001:db8:7fff::1", "2001:db8:8000::1"),
        ] {
            let network = IpNetwork::parse(network).unwrap();
            assert!(network.contains(inside.parse().unwrap()), "{network}");
            assert!(!network.contains(outside.parse().unwrap()), "{network}");
            let again = IpNetwork::from_octets(&network.to_octets()).unwrap();
            assert!(again.contains(inside.parse().unwrap()) && again.prefix == network.prefix);
        }
        assert!(IpNetwork::parse("10.0.0.0/33").is_none());
        assert!(IpNetwork::from_octets(&[10, 0, 0, 0, 255, 0, 255, 0]).is_none());
    }
}
