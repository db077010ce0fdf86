//! What the rules say of one certificate by itself, without a path.

use crate::certificate::Certificate;
use crate::error::Refusal;
use crate::mtls::MtlsPolicy;
use crate::path::rules::{Place, findings};
use crate::path::{Purpose, RuleSet};

/// The rules of a rule set that a certificate breaks by itself; none under [`RuleSet::Pkix`], which
/// judges paths alone. A CA is judged as an intermediate, a self-issued one as an anchor, any other
/// certificate as a leaf.
///
/// # Errors
///
/// Bytes that are no certificate, or an extension that cannot be read.
pub fn certificate_findings(der: &[u8], rules: RuleSet) -> Result<Vec<Refusal>, Refusal> {
    let certificate = Certificate::read(der)?;
    let place = match (certificate.known.is_ca(), certificate.is_self_issued()) {
        (false, _) => Place::Leaf,
        (true, false) => Place::Intermediate,
        (true, true) => Place::Anchor,
    };
    Ok(findings(&certificate, place, rules))
}

impl MtlsPolicy {
    /// Whether a certificate could be that of a peer, as far as it can be seen without its path.
    ///
    /// # Errors
    ///
    /// The first rule that it breaks.
    pub fn judge_leaf(&self, der: &[u8], purpose: Purpose) -> Result<(), Refusal> {
        let leaf = Certificate::read(der)?;
        self.check_leaf(&leaf, purpose)
            .and_then(|()| Self::check_key(&leaf.view.spki))
            .map_err(|refusal| refusal.of(&leaf))
    }
}
