//! How much work one question may cause.

use crate::error::{Detail, Refusal, Rule};

/// A kind of work that a peer's input drives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum Work {
    /// Verifying a signature; a slow one counts for several of P-256.
    #[error("signature verifications that take as long as {} of P-256", Budget::SIGNATURES)]
    Signatures,
    /// Looking at a certificate as the next one of a partial path.
    #[error("{} partial paths", Budget::STEPS)]
    Steps,
    /// Comparing two names, or a name and a constraint; and looking for a policy in a list.
    #[error("{} comparisons of names", Budget::NAMES)]
    Names,
    /// Making a node of the policy graph.
    #[error("{} policy nodes", Budget::POLICIES)]
    Policies,
}

/// What is left of the work that one question may cause.
///
/// The worst case is the sum of the four: on a present-day core about 20 ms for P-256.
#[derive(Clone, Debug)]
pub(crate) struct Budget {
    signatures: u32,
    steps: u32,
    names: u32,
    policies: u32,
}

impl Budget {
    /// A TLS peer can send 64 KiB of certificates, some 200 of 300 octets: each may cost a
    /// verification, and so may a second level of them. 512 P-256 verifications are 19 ms.
    pub(crate) const SIGNATURES: u32 = 512;
    /// A step without a new signature is a microsecond or two; one to a certificate of several 2 KiB counts
    /// for as many. 7 CAs that all certify each other (42
    /// certificates) make 13,692 partial paths; no honest hierarchy comes near 5,000.
    pub(crate) const STEPS: u32 = 5_000;
    /// A comparison of short names is some 20 ns. 250,000 are 500 names against 500 constraints. What is
    /// long counts for several: each attribute that is walked, and text by its length.
    pub(crate) const NAMES: u32 = 250_000;
    /// The largest published hierarchies map some dozens of policies.
    pub(crate) const POLICIES: u32 = 4_096;

    pub(crate) const fn full() -> Self {
        Self {
            signatures: Self::SIGNATURES,
            steps: Self::STEPS,
            names: Self::NAMES,
            policies: Self::POLICIES,
        }
    }

    /// Takes `amount` of one kind of work, or refuses.
    pub(crate) fn spend(&mut self, work: Work, amount: usize) -> Result<(), Refusal> {
        let left = match work {
            Work::Signatures => &mut self.signatures,
            Work::Steps => &mut self.steps,
            Work::Names => &mut self.names,
            Work::Policies => &mut self.policies,
        };
        let rest = u32::try_from(amount).ok().and_then(|amount| left.checked_sub(amount));
        *left = rest.unwrap_or(0);
        match rest {
            Some(_) => Ok(()),
            None => Err(Refusal::new(Rule::BudgetExceeded, Detail::Budget(work))),
        }
    }

    /// How much of each kind was done: signatures, steps, names, policies.
    pub(crate) const fn spent(&self) -> [u32; 4] {
        [
            Self::SIGNATURES - self.signatures,
            Self::STEPS - self.steps,
            Self::NAMES - self.names,
            Self::POLICIES - self.policies,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_unit_may_be_spent_and_no_more() {
        let mut budget = Budget::full();
        budget.spend(Work::Steps, Budget::STEPS as usize).unwrap();
        let refusal = budget.spend(Work::Steps, 1).unwrap_err();
        assert_eq!(refusal.detail, Detail::Budget(Work::Steps));
        assert!(budget.spend(Work::Names, usize::MAX).is_err());
        budget.spend(Work::Policies, 1).unwrap();
        assert_eq!(budget.spent()[3], 1);
    }
}
