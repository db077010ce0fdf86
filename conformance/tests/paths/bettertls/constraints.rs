//! Every combination of names in a leaf and constraints above it.

use std::net::IpAddr;

use rustmq_auth::RuleSet;
use rustmq_conformance::forge::{Extension, GeneralName, Name, Subtree};
use rustmq_pki::oid;

use super::{Entity, Wrong, certificate, question};
use crate::case::{Case, Reference};
use crate::oracle::{Verdict, engine, webpki};

const ROOT: Entity = Entity(0);
const CA: Entity = Entity(1);
const LEAF: Entity = Entity(2);

/// Which of two worlds a name or a constraint belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Good,
    Bad,
}

const CHOICES: [Option<Side>; 3] = [None, Some(Side::Good), Some(Side::Bad)];

/// A form of names that constraints know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    Dns,
    Ip,
    Directory,
}

const FORMS: [Form; 3] = [Form::Dns, Form::Ip, Form::Directory];

/// The names of a leaf; its subject is of the organization of `subject`.
#[derive(Clone, Copy, Debug)]
struct Names {
    common_name: Option<Side>,
    dns: Option<Side>,
    ip: Option<Side>,
    subject: Side,
}

/// What is permitted and what is excluded.
type Limit = (Option<Side>, Option<Side>);

/// The limits of each form.
type Limits = [Limit; 3];

fn host(side: Side) -> &'static str {
    if side == Side::Good { "www.good.test" } else { "www.bad.test" }
}

fn address(side: Side) -> [u8; 4] {
    if side == Side::Good { [10, 0, 0, 1] } else { [192, 168, 0, 1] }
}

fn organization(side: Side) -> Name {
    Name::empty().with(oid::ORGANIZATION, if side == Side::Good { "Good" } else { "Bad" })
}

/// The base that holds the names of one side: the domain, a range, the organization.
fn base(form: Form, side: Side) -> Subtree {
    let name = match (form, side) {
        (Form::Dns, Side::Good) => GeneralName::Dns("good.test".to_owned()),
        (Form::Dns, Side::Bad) => GeneralName::Dns("bad.test".to_owned()),
        (Form::Ip, Side::Good) => GeneralName::Ip(vec![10, 0, 0, 0, 255, 0, 0, 0]),
        (Form::Ip, Side::Bad) => GeneralName::Ip(vec![192, 168, 0, 0, 255, 255, 0, 0]),
        (Form::Directory, side) => GeneralName::Directory(organization(side)),
    };
    name.into()
}

fn leaf(names: Names) -> Vec<u8> {
    let mut leaf = certificate(CA, LEAF, false);
    let mut subject = organization(names.subject);
    if let Some(side) = names.common_name {
        subject = subject.with(oid::COMMON_NAME, host(side));
    }
    leaf.subject = subject.der();
    let mut list = Vec::new();
    list.extend(names.dns.map(|side| GeneralName::Dns(host(side).to_owned())));
    list.extend(names.ip.map(|side| GeneralName::Ip(address(side).to_vec())));
    if !list.is_empty() {
        leaf.extensions.push(Extension::subject_alt_name(&list));
    }
    leaf.sign(CA.key())
}

fn constrained(issuer: Entity, subject: Entity, limits: &Limits) -> Vec<u8> {
    let subtrees = |pick: fn(&Limit) -> Option<Side>| -> Vec<Subtree> {
        let pairs = FORMS.iter().zip(limits);
        pairs.filter_map(|(form, limit)| pick(limit).map(|side| base(*form, side))).collect()
    };
    let mut ca = certificate(issuer, subject, true);
    let (permitted, excluded) = (subtrees(|limit| limit.0), subtrees(|limit| limit.1));
    if !permitted.is_empty() || !excluded.is_empty() {
        ca.extensions.push(Extension::name_constraints(&permitted, &excluded));
    }
    ca.sign(issuer.key())
}

/// Every leaf, without those in which nothing is of interest.
fn leaves() -> Vec<Names> {
    let mut all = Vec::new();
    for common_name in CHOICES {
        for dns in CHOICES {
            for ip in CHOICES {
                for subject in [Side::Good, Side::Bad] {
                    all.push(Names { common_name, dns, ip, subject });
                }
            }
        }
    }
    all
}

/// Every pair of limits on two forms at a time.
fn all_limits() -> Vec<Limits> {
    let pairs: Vec<_> =
        CHOICES.iter().flat_map(|p| CHOICES.iter().map(move |e| (*p, *e))).collect();
    let mut all: Vec<Limits> = Vec::new();
    for free in 0..3 {
        for one in &pairs {
            for other in &pairs {
                let mut limits = [*one, *other, *other];
                limits[2] = (None, None);
                limits.swap(2, free);
                if !all.contains(&limits) {
                    all.push(limits);
                }
            }
        }
    }
    all
}

/// Whether a name of one side may stand under the limits of its form.
fn allowed(side: Side, (permitted, excluded): Limit) -> bool {
    permitted.is_none_or(|permitted| permitted == side) && excluded != Some(side)
}

/// What RFC 5280 4.2.1.10 says: every subjectAltName and the subject; never the common name.
fn within(names: Names, limits: &Limits) -> bool {
    names.dns.is_none_or(|side| allowed(side, limits[0]))
        && names.ip.is_none_or(|side| allowed(side, limits[1]))
        && allowed(names.subject, limits[2])
}

/// The questions that are asked of each leaf, and whether its names answer them.
fn questions(names: Names) -> [(Reference, bool); 2] {
    let dns = Reference::Dns(host(Side::Good).to_owned());
    let ip = Reference::Ip(IpAddr::from(address(Side::Good)));
    [(dns, names.dns == Some(Side::Good)), (ip, names.ip == Some(Side::Good))]
}

fn each(ca: &[Vec<u8>], root: &[Vec<u8>], mut judge: impl FnMut(&Case, Names, usize, bool)) {
    let leaves: Vec<_> = leaves().into_iter().map(|names| (names, leaf(names))).collect();
    let count = ca.len().max(root.len());
    for at in 0..count {
        for (names, leaf) in &leaves {
            for (number, (reference, named)) in questions(*names).into_iter().enumerate() {
                let case = Case {
                    id: format!("constraints-{at}-{names:?}-{number}").replace(' ', ""),
                    leaf: leaf.clone(),
                    intermediates: vec![ca[at.min(ca.len() - 1)].clone()],
                    anchors: vec![root[at.min(root.len() - 1)].clone()],
                    crls: Vec::new(),
                    question: question(reference),
                };
                judge(&case, *names, at, named);
            }
        }
    }
}

/// The CA has a subject of its own organization, which constraints of an anchor hold for as well.
const FREE: Limits = [(None, None); 3];

#[test]
fn constraints_of_an_intermediate() {
    let limits = all_limits();
    let cas: Vec<_> = limits.iter().map(|limits| constrained(ROOT, CA, limits)).collect();
    let root = [constrained(ROOT, ROOT, &FREE)];
    let mut wrong = Wrong::default();
    each(&cas, &root, |case, names, at, named| {
        wrong.check(case, named && within(names, &limits[at]), &engine::ask(case));
    });
    wrong.none_of(20_000);
}

/// An anchor is name and key to path validation; the stricter rule sets look at its certificate.
#[test]
fn constraints_of_an_anchor() {
    let limits: Vec<_> = all_limits().into_iter().filter(|limits| limits[2] == FREE[2]).collect();
    let ca = [constrained(ROOT, CA, &FREE)];
    let roots: Vec<_> = limits.iter().map(|limits| constrained(ROOT, ROOT, limits)).collect();
    let (mut pkix, mut rfc5280) = (Wrong::default(), Wrong::default());
    each(&ca, &roots, |case, names, at, named| {
        pkix.check(case, named, &engine::ask(case));
        let expected = named && within(names, &limits[at]);
        rfc5280.check(case, expected, &engine::ask_with(case, RuleSet::Rfc5280, &[]));
    });
    pkix.none_of(5_000);
    rfc5280.none_of(5_000);
}

/// Where no directory name is limited, webpki knows all that is asked here: a check of the
/// expectations.
#[test]
fn webpki_expects_the_same() {
    let limits: Vec<_> = all_limits().into_iter().filter(|limits| limits[2] == FREE[2]).collect();
    let cas: Vec<_> = limits.iter().map(|limits| constrained(ROOT, CA, limits)).collect();
    let root = [constrained(ROOT, ROOT, &FREE)];
    let mut wrong = Wrong::default();
    each(&cas, &root, |case, names, at, named| {
        let found = webpki::ask(case).unwrap_or(Verdict::Valid);
        wrong.check(case, named && within(names, &limits[at]), &found);
    });
    wrong.none_of(5_000);
}
