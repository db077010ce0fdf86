//! Name constraints that a CA of ours may carry (RFC 5280 4.2.1.10), and whether a name keeps to them.
//!
//! This is the issuing side: it answers for names that this crate constructed. Certificates from
//! elsewhere are judged by the path validator.

use std::fmt;
use std::net::IpAddr;

use crate::der::{DerError, tag};
use crate::encode::Encoder;
use crate::name::{SanKind, SubjectAltName, TrustDomain};
use crate::read::{GeneralName, NameConstraints as NameConstraintsRef};

/// One subtree of names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Subtree {
    /// This DNS name and all below it.
    Dns(String),
    /// Addresses of a network.
    Ip(IpNetwork),
    /// One mailbox, all of a host, or with a dot in front all of the hosts below it.
    Email(String),
    /// URIs of this host, or with a dot in front of the hosts below it.
    Uri(String),
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
        Self { permitted: vec![Subtree::Uri(domain.as_str().to_owned())], excluded: Vec::new() }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.permitted.is_empty() && self.excluded.is_empty()
    }

    /// Whether `san` keeps to them.
    pub fn allow(&self, san: &SubjectAltName) -> bool {
        let mut same_form =
            self.permitted.iter().filter(|tree| tree.kind() == san.kind()).peekable();
        let permitted = same_form.peek().is_none() || same_form.any(|tree| tree.contains(san));
        permitted && !self.excluded.iter().any(|tree| tree.contains(san))
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
    const fn kind(&self) -> SanKind {
        match self {
            Self::Dns(_) => SanKind::Dns,
            Self::Ip(_) => SanKind::Ip,
            Self::Email(_) => SanKind::Email,
            Self::Uri(_) => SanKind::Uri,
        }
    }

    fn from_view(base: &GeneralName<'_>) -> Option<Self> {
        let text = |octets: &[u8]| std::str::from_utf8(octets).ok().map(str::to_ascii_lowercase);
        match base {
            GeneralName::Dns(octets) => text(octets).map(Self::Dns),
            GeneralName::Rfc822(octets) => {
                std::str::from_utf8(octets).ok().map(|text| Self::Email(text.to_owned()))
            }
            GeneralName::Uri(octets) => text(octets).map(Self::Uri),
            GeneralName::Ip(octets) => IpNetwork::from_octets(octets).map(Self::Ip),
            _ => None,
        }
    }

    fn contains(&self, san: &SubjectAltName) -> bool {
        match (self, san) {
            (Self::Dns(base), SubjectAltName::Dns(name)) => is_at_or_below(name.as_str(), base),
            (Self::Ip(network), SubjectAltName::Ip(address)) => network.contains(*address),
            (Self::Email(base), SubjectAltName::Email(address)) => match base.rsplit_once('@') {
                Some((local, host)) => address
                    .as_str()
                    .rsplit_once('@')
                    .is_some_and(|(l, h)| l == local && h.eq_ignore_ascii_case(host)),
                None => address
                    .as_str()
                    .rsplit_once('@')
                    .is_some_and(|(_, host)| host_matches(host, &base.to_ascii_lowercase())),
            },
            (Self::Uri(base), SubjectAltName::Uri(uri)) => {
                uri_host(uri.as_str()).is_some_and(|host| host_matches(&host, base))
            }
            _ => false,
        }
    }

    fn encode(&self, base: &mut Encoder) {
        match self {
            Self::Email(text) => base.value(tag::context(1), text.as_bytes()),
            Self::Dns(text) => base.value(tag::context(2), text.as_bytes()),
            Self::Uri(text) => base.value(tag::context(6), text.as_bytes()),
            Self::Ip(network) => base.value(tag::context(7), &network.to_octets()),
        };
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

fn uri_host(uri: &str) -> Option<String> {
    let (_, rest) = uri.split_once("://")?;
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let host = host.split_once(':').map_or(host, |(host, _)| host);
    (!host.is_empty() && !host.starts_with('[')).then(|| host.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn san(text: &str) -> SubjectAltName {
        SubjectAltName::parse(text).unwrap()
    }

    #[test]
    fn names_in_and_out_of_subtrees() {
        let constraints = NameConstraints {
            permitted: vec![
                Subtree::Dns("example.com".into()),
                Subtree::Ip(IpNetwork::parse("10.0.0.0/9").unwrap()),
                Subtree::Email("example.com".into()),
                Subtree::Uri("example.org".into()),
            ],
            excluded: vec![Subtree::Dns("secret.example.com".into())],
        };
        for inside in [
            "example.com",
            "a.b.example.com",
            "*.example.com",
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
        ] {
            assert!(!constraints.allow(&san(outside)), "{outside}");
        }
        assert!(NameConstraints::default().allow(&san("anything.example")));
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
