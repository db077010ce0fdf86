//! SPIFFE trust domains and the identities in them.

use std::fmt;

use super::{DnsName, Principal, Uri};
use crate::role::Role;

/// A SPIFFE trust domain, such as `example.org`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TrustDomain(String);

/// Why a text is no trust domain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a SPIFFE trust domain: a host name of lower-case letters, digits, '.', '-' and '_', \
     such as example.org"
)]
pub struct TrustDomainError(String);

impl TrustDomain {
    /// Checks and takes `text`, with or without `spiffe://` in front.
    pub fn parse(text: &str) -> Result<Self, TrustDomainError> {
        let name = text.strip_prefix("spiffe://").unwrap_or(text);
        let allowed =
            |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'.' | b'-' | b'_');
        let labels = name.split('.').all(|label| !label.is_empty());
        let is_host = DnsName::parse(name).is_ok_and(|name| !name.is_wildcard());
        if name.len() > 255 || !labels || !is_host || !name.bytes().all(allowed) {
            return Err(TrustDomainError(text.to_owned()));
        }
        Ok(Self(name.to_owned()))
    }

    /// The domain's name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The identity of a principal in its role, `spiffe://<trust domain>/<role>/<principal>`; `None`
    /// where the principal is no valid path segment.
    pub fn spiffe_id(&self, role: Role, principal: &Principal) -> Option<Uri> {
        let allowed = |c: u8| c.is_ascii_alphanumeric() || matches!(c, b'.' | b'-' | b'_');
        let segment = principal.as_str();
        (segment.bytes().all(allowed) && segment != "." && segment != "..")
            .then(|| Uri::from_checked(format!("spiffe://{}/{role}/{segment}", self.0)))
    }

    /// Whether `uri` lies in this trust domain, in whatever case and with whatever port or path.
    pub fn contains(&self, uri: &Uri) -> bool {
        let text = uri.as_str().to_ascii_lowercase();
        let Some(rest) = text.strip_prefix("spiffe://") else { return false };
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let authority = &rest[..end];
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        let host = host.split_once(':').map_or(host, |(host, _)| host);
        host == self.0
    }
}

impl fmt::Display for TrustDomain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn identities() {
        let domain = TrustDomain::parse("spiffe://example.org").unwrap();
        let id = |p: &str| domain.spiffe_id(Role::Broker, &Principal::parse(p).unwrap());
        assert_eq!(id("b-1.x").unwrap().as_str(), "spiffe://example.org/broker/b-1.x");
        assert_eq!(id("client@company.com"), None);
        assert_eq!(id("Zoë"), None);
        for bad in ["", "Example.org", "a/b", "a:1", "a..b", ".a", &"x".repeat(256)] {
            assert!(TrustDomain::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn membership_ignores_case_port_and_user() {
        let domain = TrustDomain::parse("example.org").unwrap();
        let uri = |text: &str| Uri::parse(text).unwrap();
        for inside in
            ["spiffe://example.org/x", "SPIFFE://Example.ORG", "spiffe://u@example.org:1/"]
        {
            assert!(domain.contains(&uri(inside)), "{inside}");
        }
        for outside in
            ["spiffe://example.org.evil/x", "https://example.org/", "spiffe://x/example.org"]
        {
            assert!(!domain.contains(&uri(outside)), "{outside}");
        }
    }
}
