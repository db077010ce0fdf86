//! Names, constraints, policies, usages and path lengths.

use super::{Focus, Making};
use crate::case::{PolicyInputs, Purpose, Question, Reference};
use crate::random::Random;
use crate::world::{Cert, Constraint, Dn, Eku, Policies, San};

const HOSTS: [&str; 8] = [
    "acme.test",
    "www.acme.test",
    "api.eu.acme.test",
    "*.acme.test",
    "bolt.test",
    "www.notacme.test",
    "xn--bcher-kva.acme.test",
    "WWW.Acme.Test",
];

const ADDRESSES: [&str; 5] = ["10.0.0.1", "10.1.2.3", "192.168.7.7", "2001:db8::1", "2001:db9::2"];

/// The names of a leaf.
pub(crate) fn sans(random: &mut Random) -> Vec<San> {
    (0..random.below(4)).map(|_| san(random)).collect()
}

fn san(random: &mut Random) -> San {
    let host = |random: &mut Random| random.pick(&HOSTS).replace("*.", "star.");
    match random.below(10) {
        0..=4 => San::Dns((*random.pick(&HOSTS)).to_owned()),
        5 | 6 => San::Ip(random.pick(&ADDRESSES).parse().expect("an address")),
        7 => San::Email {
            local: (*random.pick(&["joe", "Joe", "a.b"])).to_owned(),
            host: host(random),
        },
        8 => San::Uri(host(random)),
        _ => San::Directory(Dn::new(random.pick::<&str>(&["Acme", "Bolt"]), "Someone")),
    }
}

/// The names that are asked for: mostly the leaf's own.
pub(crate) fn references(random: &mut Random, sans: &[San]) -> Vec<Reference> {
    if !random.chance(50) {
        return Vec::new();
    }
    if random.chance(10) || sans.is_empty() {
        let name = *random.pick(&["www.acme.test", "acme.test", "a.b.acme.test", "other.test"]);
        return vec![Reference::Dns(name.to_owned())];
    }
    let count = 1 + random.below(2);
    (0..count).filter_map(|_| reference(random, sans)).collect()
}

fn reference(random: &mut Random, sans: &[San]) -> Option<Reference> {
    match random.pick(sans) {
        San::Dns(name) => Some(Reference::Dns(name.replace('*', "any"))),
        San::Ip(address) => Some(Reference::Ip(*address)),
        San::Email { local, host } => Some(Reference::Email(format!("{local}@{host}"))),
        San::Uri(_) | San::Directory(_) => None,
    }
}

/// Adds features to the main line, and what goes with them to the question.
pub(crate) fn add(making: &mut Making, question: &mut Question) {
    if making.random.chance(making.focus.percent(Focus::Policies, 40)) {
        policies(making, question);
    }
    if making.random.chance(making.focus.percent(Focus::Constraints, 45)) {
        for _ in 0..=making.random.below(2) {
            constraints(making);
        }
    }
    if making.random.chance(8) {
        idle_in_leaf(making);
    }
    if making.focus == Focus::Everything {
        usages(making, question.purpose);
        path_lengths(making);
    } else {
        question.names.clear();
    }
}

fn constraints(making: &mut Making) {
    let leaf = making.line.len() - 1;
    // Of the anchor now and then: those that take name and key only do not see it.
    let at =
        if leaf == 1 || making.random.chance(6) { 0 } else { 1 + making.random.below(leaf - 1) };
    let names = making.line[leaf].sans.clone();
    let random = &mut making.random;
    let mut permitted = Vec::new();
    let mut excluded = Vec::new();
    for _ in 0..=random.below(3) {
        match random.below(10) {
            // What one of the leaf's names lies in, so that the path may hold.
            0..=6 => permitted.extend(around(random, &names)),
            7 => permitted.push(any(random)),
            _ => excluded.push(any(random)),
        }
    }
    let own = &mut making.line[at].constraints;
    own.critical = making.random.chance(80);
    own.permitted.append(&mut permitted);
    own.excluded.append(&mut excluded);
}

/// For each of the names a constraint that it lies in.
fn around(random: &mut Random, names: &[San]) -> Vec<Constraint> {
    let mut bases: Vec<_> = names.iter().map(|name| one_around(random, name)).collect();
    if random.chance(15) {
        bases.push(Constraint::Directory(Dn::organization("Acme")));
    }
    bases
}

fn one_around(random: &mut Random, name: &San) -> Constraint {
    let parent = |host: &str| host.split_once('.').map_or("test", |(_, rest)| rest).to_owned();
    let host = |host: &str| host.trim_start_matches("*.").to_owned();
    match name {
        San::Dns(name) if random.chance(50) => Constraint::Dns(host(name)),
        San::Dns(name) => Constraint::Dns(parent(name)),
        San::Ip(address) => Constraint::Ip(*address, *random.pick(&[8, 16, 24, 32])),
        San::Email { local, host } => match random.below(3) {
            0 => Constraint::Mailbox { local: local.clone(), host: host.clone() },
            1 => Constraint::EmailHost(host.clone()),
            _ => Constraint::EmailDomain(parent(host)),
        },
        San::Uri(name) if random.chance(50) => Constraint::UriHost(name.clone()),
        San::Uri(name) => Constraint::UriDomain(parent(name)),
        San::Directory(name) => Constraint::Directory(Dn(name.0[..1].to_vec())),
    }
}

fn any(random: &mut Random) -> Constraint {
    let name = san(random);
    match random.below(20) {
        0 => Constraint::Dns(String::new()),
        1 => Constraint::Directory(Dn::organization("Bolt")),
        2 => Constraint::Directory(Dn::organization("Acme")),
        _ => one_around(random, &name),
    }
}

fn policies(making: &mut Making, question: &mut Question) {
    let random = &mut making.random;
    let ordinary = random.chance(30);
    for at in 1..making.line.len() {
        let leaf = at + 1 == making.line.len();
        let own = &mut making.line[at].policies;
        *own = if ordinary {
            Policies { policies: vec![1], ..Policies::default() }
        } else {
            extensions(random, leaf)
        };
    }
    let mapped = making.line.len() > 4 && random.chance(12);
    if mapped {
        mapped_under_any(&mut making.line);
    }
    let wanted = &mut question.policy;
    if random.chance(40) {
        wanted.policies = (0..=random.below(2)).map(|_| policy(random)).collect();
    }
    wanted.require_explicit = random.chance(50);
    wanted.inhibit_mapping = random.chance(10);
    wanted.inhibit_any = random.chance(10);
    if any_in_self_issued(&mut making.line, random) {
        wanted.inhibit_any = true;
        wanted.require_explicit = true;
    }
    if explicit_after_self_issued(&mut making.line, random) {
        *wanted = PolicyInputs::default();
    }
    if mapped && random.chance(40) {
        wanted.inhibit_any = true;
        making.line[3].policies.policies = vec![3];
    }
}

/// Extensions that mean something in a CA only: RFC 5280 6.1.4 never looks at those of the leaf.
fn idle_in_leaf(making: &mut Making) {
    let random = &mut making.random;
    let leaf = making.line.last_mut().expect("the line ends with the leaf");
    match random.below(4) {
        0 => leaf.policies.mappings = vec![(*random.pick(&[0, 1]), *random.pick(&[0, 1, 2]))],
        1 => leaf.policies.inhibit_any = Some(0),
        2 => leaf.policies.inhibit_mapping = Some(0),
        _ => leaf.constraints.permitted = vec![any(random)],
    }
}

/// anyPolicy where it counts although it is inhibited: in a self-issued intermediate (RFC 5280 6.1.3
/// (d) (2)). Returns whether it was put there.
fn any_in_self_issued(line: &mut [Cert], random: &mut Random) -> bool {
    let last = line.len() - 1;
    let Some(at) = (1..last).find(|at| line[*at].is_self_issued()) else { return false };
    if !random.chance(40) {
        return false;
    }
    for (level, cert) in line.iter_mut().enumerate().skip(1) {
        let policy = if level == at { 0 } else { 1 };
        cert.policies = Policies { policies: vec![policy], ..Policies::default() };
    }
    true
}

/// No policy at all, and one required just after the end of the path or at its end, if self-issued
/// intermediates are not counted (RFC 5280 6.1.4 (h)). Returns whether it was put there.
fn explicit_after_self_issued(line: &mut [Cert], random: &mut Random) -> bool {
    let last = line.len() - 1;
    if !(2..last).any(|at| line[at].is_self_issued()) || !random.chance(30) {
        return false;
    }
    let counted = line[2..last].iter().filter(|cert| !cert.is_self_issued()).count();
    line.iter_mut().for_each(|cert| cert.policies = Policies::default());
    let skip = counted + 1 + random.below(2);
    line[1].policies.require_explicit = Some(u8::try_from(skip).expect("paths are short"));
    true
}

/// A policy that is mapped where it stands by anyPolicy only, and met by anyPolicy only: too rare to
/// be left to chance.
fn mapped_under_any(line: &mut [Cert]) {
    let of = |policies: &[u8]| Policies { policies: policies.to_vec(), ..Policies::default() };
    line[1].policies = of(&[1]);
    line[2].policies = Policies { mappings: vec![(1, 3)], ..of(&[0]) };
    line[3].policies = of(&[0]);
    line[4].policies = of(&[3]);
}

/// 1 more often than the others, so that paths have something in common.
fn policy(random: &mut Random) -> u8 {
    *random.pick(&[1, 1, 1, 2, 2, 3, 4])
}

fn extensions(random: &mut Random, leaf: bool) -> Policies {
    let mut own = Policies { critical: random.chance(60), ..Policies::default() };
    if random.chance(35) {
        own.policies.push(0);
    }
    for _ in 0..random.below(4) {
        let policy = policy(random);
        if !own.policies.contains(&policy) {
            own.policies.push(policy);
        }
    }
    if own.policies.is_empty() && random.chance(70) {
        own.policies.push(1);
    }
    if !leaf && random.chance(40) {
        own.mappings = mappings(random);
    }
    let skip = |random: &mut Random| Some(u8::try_from(random.below(3)).expect("below 3"));
    if random.chance(12) {
        own.require_explicit = skip(random);
    }
    if !leaf && random.chance(10) {
        own.inhibit_mapping = skip(random);
    }
    if !leaf && random.chance(10) {
        own.inhibit_any = skip(random);
    }
    own
}

fn mappings(random: &mut Random) -> Vec<(u8, u8)> {
    let count = 1 + random.below(3);
    let mut pairs: Vec<_> = (0..count).map(|_| (policy(random), policy(random))).collect();
    if random.chance(4) {
        pairs.push((*random.pick(&[0, 1]), 0));
    }
    pairs.dedup();
    pairs
}

fn usages(making: &mut Making, purpose: Purpose) {
    let random = &mut making.random;
    let count = making.line.len();
    for (at, certificate) in making.line.iter_mut().enumerate() {
        let leaf = at + 1 == count;
        if !random.chance(if leaf { 60 } else { 15 }) || (at == 0 && random.chance(80)) {
            continue;
        }
        certificate.ekus = match Eku::of(purpose) {
            Some(wanted) if random.chance(85) => vec![wanted, Eku::CodeSigning],
            _ => vec![*random.pick(&[Eku::Server, Eku::Client, Eku::CodeSigning, Eku::Any])],
        };
    }
}

fn path_lengths(making: &mut Making) {
    let count = making.line.len();
    for at in 0..count - 1 {
        if making.random.chance(25) && (at > 0 || making.random.chance(30)) {
            // Intermediates below, self-issued ones among them: sometimes one too few.
            let below = count - 2 - at;
            let slack = making.random.below(3);
            let length = (below + slack).saturating_sub(1);
            making.line[at].path_len = Some(u8::try_from(length).expect("paths are short"));
        }
    }
}
