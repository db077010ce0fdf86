//! Name constraints: those of each certificate are asked of every certificate below it.

use std::net::IpAddr;

use super::{Fault, Path, is_under};
use crate::dialect::{Dialect, Rule};
use crate::world::{Cert, Constraint, Constraints, Dn, San};

/// RFC 5280 6.1.3 (b) and (c). What the certificates of a path permit is what each of them permits.
pub(crate) fn check(path: &Path<'_>, dialect: &Dialect) -> Result<(), Fault> {
    let of_anchor = (dialect.has(Rule::WebpkiAnchorConstraints)
        || dialect.has(Rule::OpenSslAnchorsJudged))
    .then_some(path.anchor);
    let issuers = of_anchor
        .into_iter()
        .map(|anchor| (0, anchor))
        .chain(path.certificates.iter().enumerate().map(|(at, issuer)| (at + 1, *issuer)));
    for (below, issuer) in issuers {
        let leaf = path.certificates.len() - 1;
        if below > leaf {
            break;
        }
        for (at, certificate) in path.certificates.iter().enumerate().skip(below) {
            let exempt = certificate.is_self_issued()
                && at < leaf
                && !dialect.has(Rule::WebpkiConstraintsOfSelfIssued);
            if !exempt {
                certificate_under(certificate, &issuer.constraints, dialect)?;
            }
        }
    }
    Ok(())
}

fn certificate_under(
    certificate: &Cert,
    constraints: &Constraints,
    dialect: &Dialect,
) -> Result<(), Fault> {
    let mut names = certificate.sans.clone();
    if certificate.subject != Dn::default() || dialect.has(Rule::WebpkiNoDirectoryConstraints) {
        names.push(San::Directory(certificate.subject.clone()));
    }
    names.iter().try_for_each(|name| name_under(name, constraints, dialect))
}

fn name_under(name: &San, constraints: &Constraints, dialect: &Dialect) -> Result<(), Fault> {
    let permitted = relations(name, &constraints.permitted, dialect)?;
    let excluded = relations(name, &constraints.excluded, dialect)?;
    if refused_outright(name, dialect) && (!permitted.is_empty() || !excluded.is_empty()) {
        return Err(Fault::Refused("a name constraint of a form that the dialect does not know"));
    }
    if excluded.contains(&true) {
        return Err(Fault::Refused("a name is excluded"));
    }
    if !permitted.is_empty() && !permitted.contains(&true) {
        return Err(Fault::Refused("a name is not permitted"));
    }
    Ok(())
}

fn refused_outright(name: &San, dialect: &Dialect) -> bool {
    match name {
        San::Directory(_) => dialect.has(Rule::WebpkiNoDirectoryConstraints),
        San::Uri(_) => dialect.has(Rule::WebpkiNoUriConstraints),
        San::Email { .. } => dialect.has(Rule::WebpkiNoEmailConstraints),
        San::Dns(_) | San::Ip(_) => false,
    }
}

/// For each constraint of the name's form, whether the name lies in it.
fn relations(name: &San, bases: &[Constraint], _: &Dialect) -> Result<Vec<bool>, Fault> {
    bases.iter().filter_map(|base| is_within(name, base).transpose()).collect()
}

/// Whether a name lies in a constraint; `None` if the constraint is of another form.
fn is_within(name: &San, base: &Constraint) -> Result<Option<bool>, Fault> {
    Ok(Some(match (name, base) {
        (San::Dns(name), Constraint::Dns(base)) => dns(name, base)?,
        (San::Ip(address), Constraint::Ip(base, prefix)) => ip(*address, *base, *prefix),
        (San::Email { local, host }, base) => match base {
            Constraint::Mailbox { local: l, host: h } => local == l && host.eq_ignore_ascii_case(h),
            Constraint::EmailHost(h) => host.eq_ignore_ascii_case(h),
            Constraint::EmailDomain(domain) => below(host, domain),
            _ => return Ok(None),
        },
        (San::Uri(host), Constraint::UriHost(h)) => host.eq_ignore_ascii_case(h),
        (San::Uri(host), Constraint::UriDomain(domain)) => below(host, domain),
        (San::Directory(name), Constraint::Directory(base)) => is_under(name, base),
        _ => return Ok(None),
    }))
}

/// Whether a host lies below a domain, not at it.
fn below(host: &str, domain: &str) -> bool {
    host.to_ascii_lowercase().ends_with(&format!(".{}", domain.to_ascii_lowercase()))
}

/// The name itself and every name that adds labels to it.
fn dns(name: &str, base: &str) -> Result<bool, Fault> {
    let within = base.is_empty() || name.eq_ignore_ascii_case(base) || below(name, base);
    let domain = name.strip_prefix("*.");
    match domain {
        // `*.a.test` has names inside and outside of `x.a.test`.
        Some(domain) if !within && below(base, domain) => {
            Err(Fault::Open("a wildcard name lies in a constraint in part"))
        }
        _ => Ok(within),
    }
}

fn ip(address: IpAddr, base: IpAddr, prefix: u8) -> bool {
    let shared = |a: &[u8], b: &[u8]| {
        (0..usize::from(prefix)).all(|bit| {
            let mask = 0x80 >> (bit % 8);
            a[bit / 8] & mask == b[bit / 8] & mask
        })
    };
    match (address, base) {
        (IpAddr::V4(a), IpAddr::V4(b)) => shared(&a.octets(), &b.octets()),
        (IpAddr::V6(a), IpAddr::V6(b)) => shared(&a.octets(), &b.octets()),
        // An address of the other family is of the same form, and in no range of this one.
        _ => false,
    }
}
