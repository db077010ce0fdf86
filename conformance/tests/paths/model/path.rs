//! One path, judged whole.

use super::{Fault, Path, constraints, policies, status};
use crate::dialect::{Dialect, Rule};
use crate::world::{Cert, Eku, World};
use rustmq_conformance::forge::usage;

pub(crate) fn check(world: &World, dialect: &Dialect, path: &Path<'_>) -> Result<(), Fault> {
    let refused = |holds: bool, why| if holds { Ok(()) } else { Err(Fault::Refused(why)) };
    // Beyond RFC 5280: whoever trusts the certificate of an end entity as an anchor erred.
    let leaf_anchor = path.anchor.ca == Some(false)
        || (path.anchor.ca.is_none() && path.anchor.key_usage == Some(usage::CRL_SIGN));
    refused(
        !leaf_anchor
            || dialect.has(Rule::WebpkiAnchorMayBeALeaf)
            || dialect.has(Rule::CertvalAnchorMayBeALeaf),
        "the anchor says that it is no CA",
    )?;
    if dialect.has(Rule::OpenSslAnchorsJudged) {
        judge_anchor(world, dialect, path)?;
    }
    let (leaf, issuers) = path.certificates.split_last().expect("a path has a leaf");
    for certificate in &path.certificates {
        basics(world, dialect, certificate)?;
    }
    for (at, issuer) in issuers.iter().enumerate() {
        may_issue(dialect, issuer, &issuers[at + 1..])?;
    }
    refused(!(dialect.has(Rule::WebpkiLeafIsNoCa) && leaf.ca == Some(true)), "the leaf is a CA")?;
    refused(depth(world, dialect, issuers), "the path is deeper than the caller allows")?;
    constraints::check(path, dialect)?;
    let known = !dialect.has(Rule::WebpkiNoPolicies);
    refused(!known || policies::hold(path, &world.question.policy, dialect), "no policy is valid")?;
    status::check(world, dialect, path)
}

/// What is asked of every certificate.
fn basics(world: &World, dialect: &Dialect, certificate: &Cert) -> Result<(), Fault> {
    let refused = |holds: bool, why| if holds { Ok(()) } else { Err(Fault::Refused(why)) };
    let at = world.question.at;
    refused(certificate.not_before <= at, "a certificate is not valid yet")?;
    let end = certificate.not_after - i64::from(dialect.has(Rule::OpenSslEndsBefore));
    refused(at <= end, "a certificate has expired")?;
    let unknown = certificate.unknown_critical
        || (dialect.has(Rule::WebpkiPolicyExtensionsUnknown)
            && certificate.policies.critical_extension());
    refused(!unknown, "a critical extension is unknown")?;
    refused(purpose(world, dialect, certificate), "the purpose is not allowed")
}

fn purpose(world: &World, dialect: &Dialect, certificate: &Cert) -> bool {
    let Some(wanted) = Eku::of(world.question.purpose) else { return true };
    let strict = [Rule::WebpkiNoAnyEku, Rule::OpenSslNoAnyEku, Rule::CertvalNoAnyEku];
    let any = !strict.iter().any(|rule| dialect.has(*rule));
    certificate.ekus.is_empty()
        || certificate.ekus.iter().any(|eku| *eku == wanted || (any && *eku == Eku::Any))
}

/// RFC 5280 6.1.4 (k) to (n).
fn may_issue(dialect: &Dialect, issuer: &Cert, below: &[&Cert]) -> Result<(), Fault> {
    let refused = |holds: bool, why| if holds { Ok(()) } else { Err(Fault::Refused(why)) };
    let signs = issuer.key_usage.is_none_or(|bits| bits & usage::KEY_CERT_SIGN != 0);
    refused(issuer.ca == Some(true), "an issuer is no CA")?;
    refused(signs || dialect.has(Rule::WebpkiNoKeyCertSign), "an issuer lacks keyCertSign")?;
    let counted = below.iter().filter(|certificate| {
        dialect.has(Rule::WebpkiCountsSelfIssued) || !certificate.is_self_issued()
    });
    let longest = issuer.ca.and(issuer.path_len).map_or(usize::MAX, usize::from);
    refused(counted.count() <= longest, "the path is longer than an issuer allows")
}

fn depth(world: &World, dialect: &Dialect, issuers: &[&Cert]) -> bool {
    if dialect.has(Rule::WebpkiNoDepth) {
        return true;
    }
    let all = dialect.has(Rule::OpenSslDepthCountsSelfIssued);
    let counted = issuers.iter().filter(|issuer| all || !issuer.is_self_issued());
    world.question.max_depth.is_none_or(|limit| counted.count() <= limit)
}

/// An anchor as if it were the first certificate of the path. (Its name constraints are asked with
/// the others.) Of an anchor keyCertSign says enough.
fn judge_anchor(world: &World, dialect: &Dialect, path: &Path<'_>) -> Result<(), Fault> {
    basics(world, dialect, path.anchor)?;
    let issuers = &path.certificates[..path.certificates.len() - 1];
    let mut anchor = path.anchor.clone();
    if anchor.ca.is_none() {
        anchor.path_len = None;
        anchor.ca = Some(true);
    }
    may_issue(dialect, &anchor, issuers)
}
