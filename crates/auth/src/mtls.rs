//! What mutual TLS asks of a peer beyond a valid path.

use rustmq_pki::oid;
use rustmq_pki::read::{GeneralName, KeyUsage, SpkiRef};

use crate::certificate::Certificate;
use crate::error::{Detail, Refusal, Rule};
use crate::path::Purpose;

/// The mTLS decision is a rule set and this policy, kept apart so that an enterprise's older root
/// still works while its peers must be modern: the extended key usage is present and right, the leaf
/// is no CA, its role is present and allowed, RSA keys have at least 2048 bits, and no signature uses
/// SHA-1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MtlsPolicy {
    /// The roles that may pass.
    pub allowed_roles: Vec<String>,
}

/// The roles of the product.
pub(crate) const ROLES: [&str; 4] = ["broker", "controller", "client", "admin"];

impl Default for MtlsPolicy {
    fn default() -> Self {
        Self { allowed_roles: ROLES.iter().map(|role| (*role).to_owned()).collect() }
    }
}

impl MtlsPolicy {
    /// What can be said of the leaf alone.
    pub(crate) fn check_leaf(
        &self,
        leaf: &Certificate<'_>,
        purpose: Purpose,
    ) -> Result<(), Refusal> {
        let signs = leaf.known.key_usage.is_some_and(|u| u.value.contains(KeyUsage::KEY_CERT_SIGN));
        if leaf.known.is_ca() || signs {
            return Err(Rule::MtlsLeafIsCa.into());
        }
        let Some(usage) = leaf.known.extended_key_usage else {
            return Err(Rule::MtlsEkuMissing.into());
        };
        // anyExtendedKeyUsage is not the purpose: it says nothing of what the key is for.
        let right = purpose.oid().is_none_or(|wanted| usage.value.iter().any(|oid| oid == wanted));
        if !right {
            return Err(Rule::PurposeNotAllowed.into());
        }
        self.check_role(leaf)
    }

    fn check_role(&self, leaf: &Certificate<'_>) -> Result<(), Refusal> {
        let role = role_of(leaf)?.ok_or(Rule::MtlsRoleMissing)?;
        if self.allowed_roles.iter().any(|allowed| allowed == role) {
            return Ok(());
        }
        Err(Refusal::new(Rule::MtlsRoleNotAllowed, Detail::Name(role.to_owned())))
    }

    /// What holds of every key of the path.
    pub(crate) fn check_key(spki: &SpkiRef<'_>) -> Result<(), Refusal> {
        let rsa =
            spki.algorithm.oid == oid::RSA_ENCRYPTION || spki.algorithm.oid == oid::RSASSA_PSS;
        match spki.rsa_bits() {
            Some(bits) if bits >= 2048 => Ok(()),
            None if !rsa => Ok(()),
            found => {
                let detail = Detail::Count { found: found.unwrap_or(0), limit: 2048 };
                Err(Refusal::new(Rule::MtlsKeyTooSmall, detail))
            }
        }
    }
}

/// The role that a certificate names in subjectDirectoryAttributes; two different ones, or one that
/// a SPIFFE id of the form `spiffe://<trust domain>/<role>/<principal>` contradicts, are refused.
pub(crate) fn role_of<'a>(leaf: &Certificate<'a>) -> Result<Option<&'a str>, Refusal> {
    let malformed = |error| Refusal::new(Rule::Malformed, Detail::Read(error));
    let roles = leaf.known.roles().map_err(malformed)?;
    let Some(first) = roles.first().copied() else { return Ok(None) };
    let ambiguous =
        roles.iter().any(|role| *role != first) || spiffe_roles(leaf).any(|role| role != first);
    if ambiguous {
        return Err(Refusal::new(Rule::MtlsRoleAmbiguous, Detail::Name(roles.join(" "))));
    }
    Ok(Some(first))
}

/// The role segments of SPIFFE ids that have our form: exactly two segments, the first a role.
fn spiffe_roles<'a>(leaf: &Certificate<'a>) -> impl Iterator<Item = &'a str> {
    leaf.known.alt_names().iter().filter_map(|name| {
        let GeneralName::Uri(uri) = name else { return None };
        let rest = std::str::from_utf8(uri).ok()?.strip_prefix("spiffe://")?;
        let mut segments = rest.split('/').skip(1);
        let (role, _principal) = (segments.next()?, segments.next()?);
        (segments.next().is_none() && ROLES.contains(&role)).then_some(role)
    })
}
