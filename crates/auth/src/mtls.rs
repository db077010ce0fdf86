//! What mutual TLS asks of a peer beyond a valid path.

use rustmq_pki::oid;
use rustmq_pki::read::{KeyUsage, Known, SpkiRef};
use rustmq_pki::role::Role;

use crate::certificate::Certificate;
use crate::error::{Detail, Refusal, Rule};
use crate::path::Purpose;
use crate::principal::{CasAbove, RolePolicy};

/// The mTLS decision is a rule set and this policy, kept apart so that an enterprise's older root
/// still works while its peers must be modern: the extended key usage is present and right, the key
/// may sign, the leaf is no CA, its role is present and allowed, RSA keys have at least 2048 bits, and no signature uses
/// SHA-1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MtlsPolicy {
    /// The roles that may pass.
    pub allowed_roles: Vec<Role>,
    /// How a certificate's role is found.
    pub roles: RolePolicy,
}

impl Default for MtlsPolicy {
    fn default() -> Self {
        Self { allowed_roles: Role::ALL.to_vec(), roles: RolePolicy::default() }
    }
}

impl MtlsPolicy {
    /// What can be said of the leaf alone: its role too, where that does not depend on its path.
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
        let signs = |usage: Known<KeyUsage>| usage.value.contains(KeyUsage::DIGITAL_SIGNATURE);
        if !leaf.known.key_usage.is_none_or(signs) {
            return Err(Rule::MtlsKeyUsage.into());
        }
        if self.roles.asks_for_path() { Ok(()) } else { self.check_role(leaf, CasAbove::Unknown) }
    }

    /// Whether the role that a leaf has below these CAs is one that may pass.
    pub(crate) fn check_role(
        &self,
        leaf: &Certificate<'_>,
        above: CasAbove<'_>,
    ) -> Result<(), Refusal> {
        let role = self.role_of(leaf, above)?;
        if self.allowed_roles.contains(&role) {
            return Ok(());
        }
        Err(Refusal::new(Rule::MtlsRoleNotAllowed, Detail::Name(role.to_string())))
    }

    /// The role of a leaf; one without a role is refused.
    pub(crate) fn role_of(
        &self,
        leaf: &Certificate<'_>,
        above: CasAbove<'_>,
    ) -> Result<Role, Refusal> {
        let assigned = self.roles.role_of(&leaf.view, &leaf.known, above)?;
        Ok(assigned.ok_or(Rule::MtlsRoleMissing)?.role)
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
