//! Hierarchies from a seed: a main line from an anchor to the leaf, features that mostly fit
//! together, now and then a fault, and other certificates that lead astray or around.

mod decoys;
mod features;

use rustmq_conformance::forge::{KeyKind, usage};

use crate::case::{PolicyInputs, Purpose, Question};
use crate::random::Random;
use crate::world::{
    CA_USAGE, Cert, Constraints, Dn, Identifier, KeyId, Policies, San, Spelling, World,
};

/// 2026-11-23T12:00:00Z: the time of every question.
pub(crate) const NOW: i64 = 1_795_435_200;
const DAY: i64 = 86_400;

/// What a world is about. A world about everything seldom gets far enough for the last checks to
/// decide.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Focus {
    Everything,
    Policies,
    Constraints,
    Status,
}

impl Focus {
    /// How likely a feature is: as given in a world about everything, sure where the world is about
    /// it, and absent elsewhere.
    fn percent(self, feature: Self, otherwise: usize) -> usize {
        match self {
            Self::Everything => otherwise,
            own if own == feature => 100,
            _ => 0,
        }
    }
}

/// What is being made.
struct Making {
    random: Random,
    focus: Focus,
    /// The main line: the anchor, the intermediates, the leaf.
    line: Vec<Cert>,
    decoys: Vec<Cert>,
    other_anchors: Vec<Cert>,
    serial: u16,
    keys: usize,
    rsa_keys: usize,
}

/// The world of a seed.
pub(crate) fn world(seed: u64) -> World {
    let mut random = Random::new(seed);
    let focus = match random.below(8) {
        0 => Focus::Policies,
        1 => Focus::Constraints,
        2 => Focus::Status,
        _ => Focus::Everything,
    };
    let mut making = Making {
        random,
        focus,
        line: Vec::new(),
        decoys: Vec::new(),
        other_anchors: Vec::new(),
        serial: 0,
        keys: 0,
        rsa_keys: 0,
    };
    making.line();
    let mut question = making.question();
    features::add(&mut making, &mut question);
    let percent = if focus == Focus::Everything { 35 } else { 5 };
    if making.random.chance(percent) {
        making.fault();
    }
    let lists = if question.revocation { decoys::lists(&mut making) } else { Vec::new() };
    decoys::add(&mut making);
    making.finish(seed, question, lists)
}

impl Making {
    fn fresh_key(&mut self) -> KeyId {
        self.keys += 1;
        match self.random.below(20) {
            0..=15 => KeyId(KeyKind::P256, self.keys),
            16..=18 => KeyId(KeyKind::Ed25519, self.keys),
            // The pool has four, and a key that is used twice would be no fresh one.
            _ if self.rsa_keys < 4 => {
                self.rsa_keys += 1;
                KeyId(KeyKind::Rsa2048, self.rsa_keys)
            }
            _ => KeyId(KeyKind::P256, self.keys),
        }
    }

    /// A certificate without constraints, policies or names.
    fn certificate(&mut self, subject: &Dn, key: KeyId, issuer: &Dn, signed_by: KeyId) -> Cert {
        self.serial += 1;
        Cert {
            subject: subject.clone(),
            issuer: issuer.clone(),
            issuer_spelling: Spelling::Plain,
            key,
            signed_by,
            signature_broken: false,
            serial: self.serial,
            not_before: NOW - 400 * DAY,
            not_after: NOW + 400 * DAY,
            ca: Some(true),
            path_len: None,
            key_usage: Some(CA_USAGE),
            ekus: Vec::new(),
            ski: Identifier::Right,
            aki: Identifier::Right,
            sans: Vec::new(),
            constraints: Constraints::default(),
            policies: Policies::default(),
            unknown_critical: false,
        }
    }

    fn organization(&mut self) -> &'static str {
        if self.random.chance(80) { "Acme" } else { "Bolt" }
    }

    fn line(&mut self) {
        let key = self.fresh_key();
        let name = Dn::new(self.organization(), "CA 0");
        let anchor = self.certificate(&name, key, &name, key);
        self.line.push(anchor);
        let intermediates = match self.focus {
            // Policies take three certificates to become interesting.
            Focus::Policies => 2 + self.random.below(3),
            _ => self.random.below(5),
        };
        for level in 1..=intermediates {
            let above = self.line[level - 1].clone();
            let key = self.fresh_key();
            let rollover = level > 1 && self.random.chance(20);
            let name = if rollover {
                above.subject.clone()
            } else {
                Dn::new(self.organization(), &format!("CA {level}"))
            };
            let mut certificate = self.certificate(&name, key, &above.subject, above.key);
            if self.random.chance(if self.focus == Focus::Constraints { 50 } else { 10 }) {
                certificate.sans = features::sans(&mut self.random);
            }
            self.line.push(certificate);
        }
        self.leaf();
    }

    fn leaf(&mut self) {
        let above = self.line[self.line.len() - 1].clone();
        let key = self.fresh_key();
        let organization = self.organization();
        let empty = self.random.chance(10);
        let name = if empty { Dn::default() } else { Dn::new(organization, "The leaf") };
        let mut leaf = self.certificate(&name, key, &above.subject, above.key);
        leaf.ca = self.random.chance(70).then_some(false);
        leaf.key_usage = self.random.chance(70).then_some(usage::DIGITAL_SIGNATURE);
        leaf.sans = features::sans(&mut self.random);
        if leaf.sans.is_empty() && empty {
            leaf.sans.push(San::Dns("www.acme.test".to_owned()));
        }
        self.line.push(leaf);
    }

    fn question(&mut self) -> Question {
        let purpose = *self.random.pick(&[Purpose::Any, Purpose::Server, Purpose::Client]);
        Question {
            at: NOW,
            purpose,
            names: features::references(&mut self.random, &self.line[self.line.len() - 1].sans),
            policy: PolicyInputs::default(),
            max_depth: self.max_depth(),
            revocation: self.random.chance(self.focus.percent(Focus::Status, 30)),
        }
    }

    /// A limit now and then; where a self-issued intermediate is not to be counted, just enough.
    fn max_depth(&mut self) -> Option<usize> {
        let intermediates = &self.line[1..self.line.len() - 1];
        let counted = intermediates.iter().filter(|held| !held.is_self_issued()).count();
        if counted < intermediates.len() && self.random.chance(25) {
            return Some(counted);
        }
        self.random.chance(5).then(|| self.random.below(4))
    }

    /// One thing goes wrong somewhere on the main line.
    fn fault(&mut self) {
        let at = self.random.below(self.line.len());
        let leaf = at + 1 == self.line.len();
        let kind = self.random.below(14);
        let other_key = self.fresh_key();
        let certificate = &mut self.line[at];
        match kind {
            0 => certificate.not_after = NOW - 1,
            1 => certificate.not_before = NOW + 1,
            2 => certificate.not_after = NOW,
            3 => certificate.not_before = NOW,
            4 if at > 0 => certificate.signature_broken = true,
            5 if at > 0 => certificate.signed_by = other_key,
            6 if !leaf => certificate.ca = Some(false),
            7 if !leaf => certificate.ca = None,
            8 if !leaf => certificate.key_usage = Some(usage::CRL_SIGN),
            9 if !leaf && at > 0 => certificate.key_usage = Some(usage::KEY_CERT_SIGN),
            10 => certificate.unknown_critical = true,
            11 if at > 0 => certificate.aki = Identifier::Wrong,
            12 if at > 0 => certificate.issuer_spelling = Spelling::Shouted,
            13 if leaf => certificate.ca = Some(true),
            _ => {
                certificate.ski = *self.random.pick(&[Identifier::Wrong, Identifier::Absent]);
                certificate.aki = *self.random.pick(&[Identifier::Right, Identifier::Absent]);
            }
        }
    }

    fn finish(mut self, seed: u64, question: Question, lists: Vec<crate::world::List>) -> World {
        let leaf = self.line.pop().expect("the line ends with the leaf");
        let anchor = self.line.remove(0);
        let mut others = self.line;
        others.append(&mut self.decoys);
        self.random.shuffle(&mut others);
        let mut anchors = self.other_anchors;
        anchors.push(anchor);
        self.random.shuffle(&mut anchors);
        others.insert(0, leaf);
        World { seed, certificates: others, anchors, lists, question }
    }
}
