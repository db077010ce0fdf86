//! Revocation by complete lists (RFC 5280 6.3).

use super::{Fault, Path};
use crate::dialect::{Dialect, Rule};
use crate::world::{Cert, Identifier, List, Scope, Spelling, World};
use rustmq_conformance::forge::usage;

/// Every certificate but the anchor needs a status, and the status is not `revoked`.
pub(crate) fn check(world: &World, dialect: &Dialect, path: &Path<'_>) -> Result<(), Fault> {
    if !world.question.revocation {
        return Ok(());
    }
    let mut issuer = path.anchor;
    for certificate in &path.certificates {
        if dialect.has(Rule::WebpkiFirstListOnly) {
            first_list(world, dialect, certificate, issuer)?;
        } else {
            any_list(world, dialect, certificate, issuer)?;
        }
        issuer = certificate;
    }
    if dialect.has(Rule::OpenSslAnchorsJudged) && path.anchor.is_self_issued() {
        any_list(world, dialect, path.anchor, path.anchor)?;
    }
    Ok(())
}

fn signs_lists(issuer: &Cert) -> bool {
    issuer.key_usage.is_none_or(|bits| bits & usage::CRL_SIGN != 0)
}

/// One usable list decides; lists under another key of the same name leave it open, because their
/// signer may have a path of its own.
fn any_list(
    world: &World,
    dialect: &Dialect,
    certificate: &Cert,
    issuer: &Cert,
) -> Result<(), Fault> {
    let at = world.question.at;
    let last = at + i64::from(dialect.has(Rule::OpenSslEndsBefore));
    let of_name = || {
        let speaks =
            |list: &&List| list.issuer == certificate.issuer && list.scope.covers(certificate);
        world.lists.iter().filter(speaks)
    };
    let (own, other): (Vec<&List>, Vec<&List>) =
        of_name().partition(|list| list.signed_by == issuer.key);
    let revokes = |list: &&List| list.revoked.contains(&certificate.serial);
    let mut usable = own.iter().filter(|list| {
        !list.signature_broken
            && list.this_update <= at
            && last <= list.next_update
            && signs_lists(issuer)
            && !(dialect.has(Rule::OpenSslAkiDecides) && issuer.ski == Identifier::Wrong)
    });
    let Some(list) = usable.next() else {
        let foreign = other.iter().any(|list| !list.signature_broken);
        return Err(if foreign {
            Fault::Open("only a list under another key of the issuer's name is there")
        } else {
            Fault::Refused("the revocation status is unknown")
        });
    };
    let says = revokes(list);
    if usable.any(|list| revokes(list) != says) || other.iter().any(|list| revokes(list) != says) {
        return Err(Fault::Open("lists contradict each other"));
    }
    if says { Err(Fault::Refused("a certificate is revoked")) } else { Ok(()) }
}

/// The first list of the issuer's name, whoever signed it.
fn first_list(
    world: &World,
    dialect: &Dialect,
    certificate: &Cert,
    issuer: &Cert,
) -> Result<(), Fault> {
    let at = world.question.at;
    let last = at + i64::from(dialect.has(Rule::WebpkiListsEndBefore));
    let first = world.lists.iter().find(|list| {
        list.issuer == certificate.issuer
            && (list.scope == Scope::Everything || !dialect.has(Rule::WebpkiScopedListsUnread))
            && list.scope.covers(certificate)
            && certificate.issuer_spelling == Spelling::Plain
    });
    let usable = first.filter(|list| {
        list.signed_by == issuer.key
            && !list.signature_broken
            && (list.this_update <= at || dialect.has(Rule::WebpkiListsFromTheFuture))
            && last <= list.next_update
            && signs_lists(issuer)
    });
    match usable {
        None => Err(Fault::Refused("the revocation status is unknown")),
        Some(list) if list.revoked.contains(&certificate.serial) => {
            Err(Fault::Refused("a certificate is revoked"))
        }
        Some(_) => Ok(()),
    }
}
