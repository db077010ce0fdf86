//! Graphs of CAs in which some certificates are bad: a path is found exactly when the good ones
//! still lead from the anchor to the leaf.

use std::collections::BTreeMap;

use rustmq_conformance::forge::{Certificate, Extension, GeneralName, KeyKind, algorithm, key};
use rustmq_pki::oid;
use rustmq_pki::time::UnixTime;

use super::{Entity, Wrong, certificate, plain_leaf, question};
use crate::case::{Case, Reference};
use crate::generate::NOW;
use crate::oracle::{Verdict, engine, webpki};
use crate::random::Random;

/// Certificates as (issuer, subject). Entity 0 is the anchor; `LEAF` has one certificate or more.
struct Graph {
    name: &'static str,
    edges: &'static [(usize, usize)],
}

const LEAF: usize = 99;

const GRAPHS: [Graph; 8] = [
    Graph { name: "linear", edges: &[(0, 1), (1, 2), (2, LEAF)] },
    Graph { name: "two certificates of one CA", edges: &[(0, 1), (0, 1), (1, LEAF)] },
    Graph { name: "fork", edges: &[(0, 1), (0, 2), (1, 3), (2, 3), (3, LEAF)] },
    Graph {
        name: "figure eight",
        edges: &[(0, 1), (0, 2), (1, 3), (2, 3), (3, 4), (3, 5), (4, 6), (5, 6), (6, LEAF)],
    },
    // 1 and 2 are roots that others trust; 3 is the bridge that certifies both and is certified.
    Graph {
        name: "bridge",
        edges: &[(0, 3), (3, 1), (3, 2), (1, 3), (2, 3), (1, 4), (2, 5), (4, LEAF)],
    },
    Graph { name: "mutual", edges: &[(0, 1), (0, 2), (1, 2), (2, 1), (1, 3), (2, 3), (3, LEAF)] },
    Graph { name: "cycle", edges: &[(1, 2), (2, 3), (3, 1), (0, 1), (3, LEAF)] },
    Graph {
        name: "mesh",
        edges: &[
            (0, 1),
            (1, 2),
            (2, 1),
            (1, 3),
            (3, 1),
            (2, 3),
            (3, 2),
            (2, 4),
            (4, 2),
            (3, 4),
            (4, 3),
            (4, LEAF),
        ],
    },
];

/// What is wrong with a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Bad {
    Expired,
    NotYetValid,
    NameConstraints,
    Purpose,
    NoBasicConstraints,
    NoCa,
    Sha1,
    WrongKey,
    UnknownCritical,
}

const REASONS: [Bad; 9] = [
    Bad::Expired,
    Bad::NotYetValid,
    Bad::NameConstraints,
    Bad::Purpose,
    Bad::NoBasicConstraints,
    Bad::NoCa,
    Bad::Sha1,
    Bad::WrongKey,
    Bad::UnknownCritical,
];

fn without(certificate: &mut Certificate, kind: &[u8]) {
    certificate.extensions.retain(|extension| extension.oid != kind);
}

fn spoil(made: &mut Certificate, bad: Bad) {
    let at = UnixTime::from_seconds(NOW);
    match bad {
        Bad::Expired => _ = made.valid(at.plus_days(-100), at.plus_days(-1)),
        Bad::NotYetValid => _ = made.valid(at.plus_days(1), at.plus_days(100)),
        Bad::NameConstraints => {
            let other = GeneralName::Dns("bad.test".to_owned()).into();
            made.extensions.push(Extension::name_constraints(&[other], &[]));
        }
        Bad::Purpose => {
            without(made, oid::EXTENDED_KEY_USAGE);
            made.extensions.push(Extension::extended_key_usage(&[oid::CLIENT_AUTH]));
        }
        Bad::NoBasicConstraints => without(made, oid::BASIC_CONSTRAINTS),
        Bad::NoCa => {
            without(made, oid::BASIC_CONSTRAINTS);
            made.extensions.push(Extension::basic_constraints(false, None));
        }
        Bad::Sha1 => {
            made.inner_algorithm = Some(algorithm::ECDSA_WITH_SHA1.to_vec());
            made.outer_algorithm = Some(algorithm::ECDSA_WITH_SHA1.to_vec());
        }
        Bad::WrongKey => {}
        Bad::UnknownCritical => made.extensions.push(Extension::unknown()),
    }
}

/// Certificates that were made, by edge and fault.
#[derive(Default)]
struct Made(BTreeMap<(usize, usize, usize, Option<Bad>), Vec<u8>>);

impl Made {
    fn edge(&mut self, number: usize, (from, to): (usize, usize), bad: Option<Bad>) -> Vec<u8> {
        let make = || {
            let (issuer, subject) = (Entity(from + 10), Entity(to + 10));
            let leaf = to == LEAF;
            let mut made = match leaf {
                true => plain_leaf(issuer, subject),
                false => certificate(issuer, subject, true),
            };
            made.serial = vec![u8::try_from(number + 1).expect("graphs are small")];
            if let Some(bad) = bad {
                spoil(&mut made, bad);
            }
            let signer =
                if bad == Some(Bad::WrongKey) { key(KeyKind::P256, 4_999) } else { issuer.key() };
            made.sign(signer)
        };
        self.0.entry((number, from, to, bad)).or_insert_with(make).clone()
    }
}

/// Whether good edges lead from the anchor to the leaf.
fn leads(graph: &Graph, good: impl Fn(usize) -> bool) -> bool {
    let mut reached = vec![0];
    let mut at = 0;
    while at < reached.len() {
        let from = reached[at];
        for (number, (issuer, subject)) in graph.edges.iter().enumerate() {
            if *issuer == from && good(number) && !reached.contains(subject) {
                reached.push(*subject);
            }
        }
        at += 1;
    }
    reached.contains(&LEAF)
}

/// Some faults do not spoil a leaf, to which they do not apply.
fn spoils(graph: &Graph, edge: usize, bad: Bad) -> bool {
    let leaf = graph.edges[edge].1 == LEAF;
    !(leaf && matches!(bad, Bad::NameConstraints | Bad::NoBasicConstraints | Bad::NoCa))
}

fn case(graph: &Graph, made: &mut Made, faults: &[Option<Bad>], id: String) -> Case {
    let mut intermediates = Vec::new();
    let mut leaf = Vec::new();
    for (number, edge) in graph.edges.iter().enumerate() {
        let der = made.edge(number, *edge, faults[number]);
        if edge.1 == LEAF {
            leaf = der;
        } else {
            intermediates.push(der);
        }
    }
    let anchor = certificate(Entity(10), Entity(10), true).sign(Entity(10).key());
    Case {
        id,
        leaf,
        intermediates,
        anchors: vec![anchor],
        crls: Vec::new(),
        question: question(Reference::Dns("www.good.test".to_owned())),
    }
}

/// Every set of bad edges of a graph, each edge for a reason of its own.
fn each(mut judge: impl FnMut(&Case, bool)) {
    for graph in &GRAPHS {
        let mut made = Made::default();
        let mut random = Random::new(7);
        // Of a large graph every third set is enough.
        let step = if graph.edges.len() > 9 { 3 } else { 1 };
        for set in (0_u32..1 << graph.edges.len()).step_by(step) {
            // Each set with one reason for all, in turn, and once with a mixture.
            let one = REASONS[set as usize % REASONS.len()];
            for mixed in [false, true] {
                let mut pick = || if mixed { *random.pick(&REASONS) } else { one };
                let faults: Vec<Option<Bad>> = (0..graph.edges.len())
                    .map(|edge| (set & 1 << edge != 0).then(&mut pick))
                    .collect();
                let id = format!("building-{}-{set:x}-{mixed}", graph.name).replace(' ', "-");
                let mut case = case(graph, &mut made, &faults, id);
                random.shuffle(&mut case.intermediates);
                let good = |edge: usize| faults[edge].is_none_or(|bad| !spoils(graph, edge, bad));
                judge(&case, leads(graph, good));
            }
        }
    }
}

#[test]
fn good_certificates_are_found_among_bad_ones() {
    let mut wrong = Wrong::default();
    each(|case, expected| wrong.check(case, expected, &engine::ask(case)));
    wrong.none_of(4_000);
}

/// webpki builds paths well: a check of the expectations.
#[test]
fn webpki_finds_the_same() {
    let mut wrong = Wrong::default();
    each(|case, expected| {
        let found = webpki::ask(case).unwrap_or(Verdict::Valid);
        let gave_up = found == Verdict::Refused("MaximumSignatureChecksExceeded".to_owned());
        wrong.check(case, expected && !gave_up, &found);
    });
    wrong.none_of(4_000);
}
