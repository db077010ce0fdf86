//! What a peer is in a message-broker fleet.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The role that an end-entity certificate states.
///
/// It stands in a non-critical subjectDirectoryAttributes extension (RFC 5280 4.2.1.8) as the
/// attribute `role` (2.5.4.72) of RFC 5755 4.4.5, whose role name is the URI of [`Role::uri`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A message broker: serves clients and connects to its peers.
    Broker,
    /// A controller of the cluster.
    Controller,
    /// An application that produces or consumes.
    Client,
    /// An operator.
    Admin,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Broker, Self::Controller, Self::Client, Self::Admin];

    /// The role's name: lower case, as it is typed and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Broker => "broker",
            Self::Controller => "controller",
            Self::Client => "client",
            Self::Admin => "admin",
        }
    }

    /// The URI that names the role in a certificate.
    pub const fn uri(self) -> &'static str {
        match self {
            Self::Broker => "urn:rustmq:role:broker",
            Self::Controller => "urn:rustmq:role:controller",
            Self::Client => "urn:rustmq:role:client",
            Self::Admin => "urn:rustmq:role:admin",
        }
    }

    /// The role that `uri` names in a certificate.
    pub fn from_uri(uri: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.uri() == uri)
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// No role has this name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no role {0:?}: a role is broker, controller, client or admin")]
pub struct UnknownRole(pub String);

impl FromStr for Role {
    type Err = UnknownRole;

    fn from_str(text: &str) -> Result<Self, UnknownRole> {
        Self::ALL
            .into_iter()
            .find(|role| role.as_str() == text)
            .ok_or_else(|| UnknownRole(text.to_owned()))
    }
}
