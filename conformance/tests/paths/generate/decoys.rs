//! Certificates beside the main line, and revocation lists.

use super::{DAY, Making, NOW};
use crate::world::{Cert, Dn, Identifier, List, Scope, Spelling};

/// Adds up to six other certificates and up to two other anchors.
pub(crate) fn add(making: &mut Making) {
    if making.random.chance(40) {
        other_anchor(making);
    }
    for _ in 0..making.random.below(7) {
        decoy(making);
    }
    if making.random.chance(25) {
        let at = making.random.below(making.line.len());
        let kinds = [Identifier::Absent, Identifier::Right];
        making.line[at].ski = *making.random.pick(&kinds);
        making.line[at].aki = *making.random.pick(&kinds);
    }
}

/// An anchor that has nothing to do with the main line, or has its anchor's name.
fn other_anchor(making: &mut Making) {
    let key = making.fresh_key();
    let same_name = making.random.chance(30);
    let name =
        if same_name { making.line[0].subject.clone() } else { Dn::new("Acme", "Other root") };
    let anchor = making.certificate(&name, key, &name, key);
    making.other_anchors.push(anchor);
}

fn decoy(making: &mut Making) {
    let leaf = making.line.len() - 1;
    let at = making.random.below(leaf);
    let model = making.line[at].clone();
    let decoy = match making.random.below(9) {
        0 => Cert { not_after: NOW - DAY, serial: next_serial(making), ..model },
        // The same once more, which may lack what is wrong with the first.
        1 => renewed(making, &model),
        2 => other_key(making, &model),
        3 => cross(making, &model),
        4 => loop_back(making, at),
        5 => rollover(making, &model),
        6 => unrelated(making),
        7 => Cert { path_len: Some(0), serial: next_serial(making), ..model },
        _ => Cert { signature_broken: true, serial: next_serial(making), ..model },
    };
    making.decoys.push(decoy);
}

fn next_serial(making: &mut Making) -> u16 {
    making.serial += 1;
    making.serial
}

fn renewed(making: &mut Making, model: &Cert) -> Cert {
    let mut again = making.certificate(&model.subject, model.key, &model.issuer, model.signed_by);
    again.policies = model.policies.clone();
    again
}

/// The name of a CA with a key that it does not have, from the same issuer.
fn other_key(making: &mut Making, model: &Cert) -> Cert {
    let key = making.fresh_key();
    let mut other = making.certificate(&model.subject, key, &model.issuer, model.signed_by);
    other.ski = *making.random.pick(&[Identifier::Right, Identifier::Absent]);
    other
}

/// Name and key of a CA, certified by another anchor or by another CA of the line.
fn cross(making: &mut Making, model: &Cert) -> Cert {
    let issuer = if making.other_anchors.is_empty() || making.random.chance(40) {
        let at = making.random.below(making.line.len() - 1);
        making.line[at].clone()
    } else {
        let anchors = making.other_anchors.len();
        making.other_anchors[making.random.below(anchors)].clone()
    };
    let mut cross = making.certificate(&model.subject, model.key, &issuer.subject, issuer.key);
    cross.policies = model.policies.clone();
    cross
}

/// A CA of the line, certified by one below it.
fn loop_back(making: &mut Making, at: usize) -> Cert {
    let below = at + making.random.below(making.line.len() - 1 - at);
    let (upper, lower) = (making.line[at].clone(), making.line[below].clone());
    making.certificate(&upper.subject, upper.key, &lower.subject, lower.key)
}

/// A new key of a CA, signed by its old one, and of no use to the leaf.
fn rollover(making: &mut Making, model: &Cert) -> Cert {
    let key = making.fresh_key();
    making.certificate(&model.subject, key, &model.subject, model.key)
}

fn unrelated(making: &mut Making) -> Cert {
    let (key, signer) = (making.fresh_key(), making.fresh_key());
    making.certificate(&Dn::new("Bolt", "Nobody"), key, &Dn::new("Bolt", "Nowhere"), signer)
}

/// A list of every CA of the line, with a fault now and then.
pub(crate) fn lists(making: &mut Making) -> Vec<List> {
    let mut lists = Vec::new();
    for at in 0..making.line.len() - 1 {
        let issuer = making.line[at].clone();
        let below = making.line[at + 1].clone();
        let mut list = List {
            issuer: issuer.subject,
            signed_by: issuer.key,
            signature_broken: false,
            this_update: NOW - DAY,
            next_update: NOW + DAY,
            revoked: vec![9000],
            scope: Scope::Everything,
        };
        match making.random.below(30) {
            0..=2 => list.revoked.push(below.serial),
            3 => list.next_update = NOW - 1,
            4 => list.this_update = NOW + 1,
            5 => list.signed_by = making.fresh_key(),
            6 => list.signature_broken = true,
            7 => continue,
            8 => lists.push(List { next_update: NOW - 1, ..list.clone() }),
            9 => list.next_update = NOW,
            11..=13 => {
                list.scope = *making.random.pick(&[Scope::Users, Scope::Authorities]);
            }
            14 => {
                // One for each: together they speak of everything.
                lists.push(List { scope: Scope::Authorities, ..list.clone() });
                list.scope = Scope::Users;
            }
            10 => list.issuer = Dn::new("Acme", "Somebody else"),
            _ => {}
        }
        lists.push(list);
    }
    making.random.shuffle(&mut lists);
    let shouted = making.line.iter().any(|cert| cert.issuer_spelling == Spelling::Shouted);
    if !shouted && making.random.chance(10) {
        lists.clear();
    }
    lists
}
