//! RFC 5280 section 6 over ideas instead of bytes, as plainly as it can be said: every path is
//! enumerated, and each is judged whole. It shares no line with the engine, reads no DER, verifies
//! no signature (it knows who signed what), has no budget and is slow.
//!
//! Where the standard leaves the answer open, the answer is [`Answer::Open`] with the reason.

mod constraints;
mod path;
mod policies;
mod status;

use crate::case::Reference;
use crate::dialect::{Dialect, Rule};
use crate::world::{Cert, Dn, San, Spelling, World};

/// What the standard says of a case.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Valid,
    /// Refused, with what is wrong on the path that came furthest.
    Refused(&'static str),
    /// The standard does not say.
    Open(&'static str),
}

/// Why one path does not hold.
pub(crate) enum Fault {
    Refused(&'static str),
    Open(&'static str),
}

/// A path from the certificate below the anchor down to the leaf.
pub(crate) struct Path<'w> {
    pub(crate) anchor: &'w Cert,
    pub(crate) certificates: Vec<&'w Cert>,
}

/// How many paths are enumerated before a case is left open.
const MAX_PATHS: usize = 2_000;

/// Judges a world.
pub(crate) fn judge(world: &World, dialect: &Dialect) -> Answer {
    let leaf = &world.certificates[0];
    if let Some(answer) = names(world, leaf) {
        return answer;
    }
    let mut found = Vec::new();
    enumerate(world, dialect, &mut vec![leaf], &mut found);
    if found.len() >= MAX_PATHS {
        return Answer::Open("more paths than are enumerated");
    }
    let mut answer = Answer::Refused("no path leads to an anchor");
    for path in &found {
        match path::check(world, dialect, path) {
            Ok(()) => return Answer::Valid,
            Err(Fault::Open(why)) => answer = Answer::Open(why),
            Err(Fault::Refused(why)) if !matches!(answer, Answer::Open(_)) => {
                answer = Answer::Refused(why);
            }
            Err(Fault::Refused(_)) => {}
        }
    }
    answer
}

/// What the model says of each path.
pub(crate) fn explain(world: &World, dialect: &Dialect) -> String {
    let mut found = Vec::new();
    enumerate(world, dialect, &mut vec![&world.certificates[0]], &mut found);
    let describe = |path: &Path<'_>| {
        let serials: Vec<_> = path.certificates.iter().map(|held| held.serial).collect();
        let says = match path::check(world, dialect, path) {
            Ok(()) => "valid",
            Err(Fault::Refused(why) | Fault::Open(why)) => why,
        };
        format!("    {} {serials:?}: {says}\n", path.anchor.serial)
    };
    found.iter().map(describe).collect()
}

/// Whether a certificate names this one as its issuer and was signed by its key.
pub(crate) fn issued(issuer: &Cert, child: &Cert, dialect: &Dialect) -> bool {
    names_issuer(issuer, child, dialect) && child.signed_by == issuer.key && !child.signature_broken
}

/// Whether a certificate may be looked for under the name of this one.
pub(crate) fn names_issuer(issuer: &Cert, child: &Cert, dialect: &Dialect) -> bool {
    let spelled =
        child.issuer_spelling == Spelling::Plain || !dialect.has(Rule::WebpkiNamesByOctets);
    let identified = !dialect.has(Rule::OpenSslAkiDecides) || identifiers_agree(issuer, child);
    issuer.subject == child.issuer && spelled && identified
}

fn identifiers_agree(issuer: &Cert, child: &Cert) -> bool {
    use crate::world::Identifier::{Absent, Right, Wrong};
    match (issuer.ski, child.aki) {
        (Absent, _) | (_, Absent) | (Wrong, Wrong) => true,
        (Right, Right) => issuer.key == child.signed_by,
        _ => false,
    }
}

/// Every path of certificates that issued each other, in which no name and key occurs twice.
fn enumerate<'w>(
    world: &'w World,
    dialect: &Dialect,
    up: &mut Vec<&'w Cert>,
    found: &mut Vec<Path<'w>>,
) {
    let top = *up.last().expect("a path begins with the leaf");
    for anchor in world.anchors.iter().filter(|anchor| issued(anchor, top, dialect)) {
        let certificates = up.iter().rev().copied().collect();
        found.push(Path { anchor, certificates });
    }
    if found.len() >= MAX_PATHS {
        return;
    }
    for next in world.certificates.iter().filter(|next| issued(next, top, dialect)) {
        if up.iter().any(|held| held.subject == next.subject && held.key == next.key) {
            continue;
        }
        up.push(next);
        enumerate(world, dialect, up, found);
        up.pop();
    }
}

/// Every name that was asked for must be in the leaf's subjectAltName (RFC 9525 6).
fn names(world: &World, leaf: &Cert) -> Option<Answer> {
    let matches = |name: &Reference| leaf.sans.iter().any(|san| matches_san(name, san));
    let missing = world.question.names.iter().any(|name| !matches(name));
    missing.then_some(Answer::Refused("a name that was asked for is missing"))
}

fn matches_san(name: &Reference, san: &San) -> bool {
    match (name, san) {
        (Reference::Ip(asked), San::Ip(address)) => asked == address,
        (Reference::Email(asked), San::Email { local, host }) => {
            asked.rsplit_once('@').is_some_and(|(l, h)| l == local && h.eq_ignore_ascii_case(host))
        }
        (Reference::Dns(asked), San::Dns(name)) => matches_dns(asked, name),
        _ => false,
    }
}

/// A wildcard is the whole first label and stands for exactly one label.
fn matches_dns(asked: &str, name: &str) -> bool {
    match (name.strip_prefix("*."), asked.split_once('.')) {
        (Some(domain), Some((_, parent))) => parent.eq_ignore_ascii_case(domain),
        (Some(_), None) => false,
        (None, _) => asked.eq_ignore_ascii_case(name),
    }
}

/// Whether a judge that follows one issuer only may miss a path: some certificate that can be
/// reached has more than one candidate above it.
pub(crate) fn is_ambiguous(world: &World, dialect: &Dialect) -> bool {
    let candidates = |child: &Cert| {
        let above = world.anchors.iter().chain(&world.certificates);
        above.filter(|issuer| names_issuer(issuer, child, dialect)).count()
    };
    world.certificates.iter().any(|child| candidates(child) > 1)
}

/// Whether a distinguished name lies under a base (RFC 5280 4.2.1.10: its first relative names).
pub(crate) fn is_under(name: &Dn, base: &Dn) -> bool {
    name.0.len() >= base.0.len() && name.0.iter().zip(&base.0).all(|(a, b)| a == b)
}
