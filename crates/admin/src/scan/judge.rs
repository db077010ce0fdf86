//! What is wrong with each certificate and key of a collection.

use std::collections::{HashMap, HashSet};

use rustmq_auth::is_weak_signature;
use rustmq_pki::der::Reader;
use rustmq_pki::hex;
use rustmq_pki::oid;
use rustmq_pki::read::Validity;
use rustmq_pki::time::{DAY, UnixTime};

use super::collection::{Collection, FoundCertificate, FoundKey};
use super::finding::{Fault, Finding, Subject};
use super::graph::{self, Node, Signer};
use super::source::Origin;
use super::survey::{self, Kind, Surveyed};
use super::{Survey, pairs};
use crate::inspect::words;

/// On what terms a deployment is judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Terms {
    /// The time for which it is asked.
    pub(crate) at: UnixTime,
    /// Days before its end from which a certificate is found to expire soon; none for
    /// [`SOON`], or a third of its lifetime if that is less.
    pub(crate) expiring_within: Option<i64>,
}

/// Days before its end from which a certificate of a year or more is found to expire soon.
pub(crate) const SOON: i64 = 30;

impl Terms {
    /// For what only asks what is there.
    pub(crate) const UNDATED: Self =
        Self { at: UnixTime::from_seconds(0), expiring_within: Some(0) };

    fn is_soon(&self, validity: &Validity) -> bool {
        let (not_before, not_after) = (validity.not_before.at, validity.not_after.at);
        let left = not_after.seconds().saturating_sub(self.at.seconds());
        let lifetime = not_after.seconds().saturating_sub(not_before.seconds());
        match self.expiring_within {
            Some(days) => not_after <= self.at.plus_days(days),
            None => left <= (SOON * DAY).min(lifetime / 3),
        }
    }
}

/// NIST curves with less than 128 bits of strength: P-192 and P-224.
const WEAK_CURVES: [&[u8]; 2] =
    [&[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x01], &[0x2b, 0x81, 0x04, 0x00, 0x21]];

/// Judges a collection.
pub(super) fn judge(mut collection: Collection, origin: Origin, terms: Terms) -> Survey {
    let nodes = graph::build(&collection.certificates);
    let stored = stored(&nodes, &collection.certificates);
    let is_root = |node: &Node<'_>| node.is_ca() && node.signer == Signer::Own;
    let roots =
        nodes.iter().zip(&stored).filter(|(node, stored)| is_root(node) && !**stored).count();
    let mut findings = Vec::new();
    for ((node, found), stored) in nodes.iter().zip(&collection.certificates).zip(&stored) {
        // What lies in a trust store has no reason to have signed anything here.
        let roots = if *stored { 0 } else { roots };
        let faults = faults(node, roots, terms);
        findings.extend(faults.into_iter().map(|fault| about(node, found, fault)));
    }
    findings.extend(shared_keys(&nodes, &collection.certificates));
    let ends: Vec<bool> = nodes.iter().map(|node| !node.acts_as_ca()).collect();
    let mut mismatches = pairs::mismatches(&collection, &ends);
    findings.append(&mut mismatches);
    findings.extend(exposed_keys(&collection, origin));
    let keys = survey::key_files(&collection.keys);
    let certificates: Vec<Surveyed> = nodes
        .iter()
        .zip(&collection.certificates)
        .zip(&stored)
        .map(|((node, found), stored)| Surveyed::of(&nodes, node, found, &keys, *stored))
        .collect();
    findings.append(&mut collection.findings);
    findings.sort_by(|a, b| {
        let rank = |f: &Finding| (f.fault.severity(), f.fault.code());
        rank(a).cmp(&rank(b)).then_with(|| a.file.cmp(&b.file))
    });
    let loose_keys = loose_keys(&nodes, &collection);
    let (files, keys) = (collection.files, collection.keys.len());
    Survey { files, keys, loose_keys, certificates, findings }
}

fn loose_keys(nodes: &[Node<'_>], collection: &Collection) -> Vec<String> {
    let known: HashSet<&[u8]> = nodes.iter().map(|node| node.view.spki.key).collect();
    let is_known = |key: &FoundKey| key.key.public.as_deref().is_some_and(|k| known.contains(k));
    let loose = collection.keys.iter().filter(|key| !is_known(key));
    loose.map(|key| key.file.clone()).collect()
}

/// How many certificates a file has at most that is a chain or the anchors of one deployment; a system's
/// store of roots has some 150.
const LARGEST_CHAIN: usize = 8;

/// Which CAs signed nothing here and lie in nothing but stores of many roots.
fn stored(nodes: &[Node<'_>], found: &[FoundCertificate]) -> Vec<bool> {
    let mut sizes: HashMap<&str, usize> = HashMap::new();
    for place in found.iter().flat_map(|found| &found.places) {
        *sizes.entry(&place.file).or_default() += 1;
    }
    let is_store = |file: &str| sizes.get(file).is_some_and(|size| *size > LARGEST_CHAIN);
    let in_stores =
        |found: &FoundCertificate| found.places.iter().all(|place| is_store(&place.file));
    nodes
        .iter()
        .zip(found)
        .map(|(node, found)| node.is_ca() && node.issued == 0 && in_stores(found))
        .collect()
}

pub(super) fn kind(node: &Node<'_>) -> Kind {
    match (node.acts_as_ca(), node.signer) {
        (true, Signer::Own) => Kind::Root,
        (true, _) => Kind::Intermediate,
        (false, _) => Kind::EndEntity,
    }
}

fn about(node: &Node<'_>, found: &FoundCertificate, fault: Fault) -> Finding {
    let mut files: Vec<String> = found.places.iter().map(|place| place.file.clone()).collect();
    files.dedup();
    let file = files.remove(0);
    let view = &node.view;
    let subject = Subject {
        subject: words::name_or_empty(&view.subject),
        serial: hex::encode(view.serial.magnitude()),
        fingerprint: rustmq_pki::key::Fingerprint::of(&found.der).to_string(),
    };
    Finding { fault, file, also_in: files, certificate: Some(subject) }
}

fn faults(node: &Node<'_>, roots: usize, terms: Terms) -> Vec<Fault> {
    let mut faults = Vec::new();
    faults.extend(signature_fault(node, roots));
    if node.acts_as_ca() && !node.is_ca() {
        faults.push(Fault::CaWithoutFlag { issued: node.issued });
    }
    faults.extend(identifier_faults(node));
    faults.extend(weak_key(node).map(|key| Fault::WeakKey { key }));
    let algorithm = &node.view.signature_algorithm;
    if is_weak_signature(algorithm) {
        let own = node.is_ca() && node.signer == Signer::Own;
        faults.push(Fault::WeakSignature { algorithm: words::name(algorithm.oid), own });
    }
    faults.extend(time_fault(node, terms));
    faults
}

fn signature_fault(node: &Node<'_>, roots: usize) -> Option<Fault> {
    let issuer = || words::name_or_empty(&node.view.issuer);
    match node.signer {
        Signer::Own if !node.acts_as_ca() => Some(Fault::SelfSignedEndEntity),
        Signer::Own if node.is_ca() && node.issued == 0 && roots > 1 => {
            Some(Fault::UnconnectedCa { roots })
        }
        Signer::Stranger { by_own_key } => {
            Some(Fault::NotSignedByIssuer { issuer: issuer(), by_own_key })
        }
        Signer::NotChecked if !is_weak_signature(&node.view.signature_algorithm) => {
            let algorithm = words::name(node.view.signature_algorithm.oid);
            Some(Fault::SignatureNotChecked { algorithm })
        }
        Signer::Absent => Some(Fault::IssuerNotFound { issuer: issuer() }),
        _ => None,
    }
}

/// RFC 5280 4.2.1.1 excuses what is self-signed, 4.2.1.2 end entities.
fn identifier_faults(node: &Node<'_>) -> impl Iterator<Item = Fault> {
    let has_authority = node.known.authority_key_id.is_some_and(|id| id.value.key_id.is_some());
    let lacks_authority = !has_authority && !node.is_self_issued();
    let lacks_own = node.known.subject_key_id.is_none() && node.is_ca();
    let authority = lacks_authority.then_some(Fault::MissingAuthorityKeyId);
    authority.into_iter().chain(lacks_own.then_some(Fault::MissingSubjectKeyId))
}

fn weak_key(node: &Node<'_>) -> Option<String> {
    let spki = &node.view.spki;
    let curve = spki.algorithm.parameters.and_then(|p| Reader::new(p.whole).oid().ok());
    let weak = match spki.algorithm.oid.as_bytes() {
        oid::RSA_ENCRYPTION | oid::RSASSA_PSS => spki.rsa_bits().is_none_or(|bits| bits < 2048),
        oid::EC_PUBLIC_KEY => curve.is_some_and(|curve| WEAK_CURVES.contains(&curve.as_bytes())),
        other => other == oid::DSA,
    };
    weak.then(|| words::key(spki))
}

fn time_fault(node: &Node<'_>, terms: Terms) -> Option<Fault> {
    let validity = &node.view.validity;
    let (not_before, not_after) = (validity.not_before.at, validity.not_after.at);
    if terms.at > not_after {
        Some(Fault::Expired { not_after })
    } else if terms.at < not_before {
        Some(Fault::NotYetValid { not_before })
    } else if terms.is_soon(validity) {
        Some(Fault::ExpiresSoon { not_after })
    } else {
        None
    }
}

/// One finding for each key that stands under several names, at the first of them.
fn shared_keys(nodes: &[Node<'_>], found: &[FoundCertificate]) -> Vec<Finding> {
    let mut holders: HashMap<&[u8], Vec<usize>> = HashMap::new();
    let mut seen = HashSet::new();
    for (index, node) in nodes.iter().enumerate() {
        if seen.insert((node.view.spki.der, node.view.subject.der)) {
            holders.entry(node.view.spki.der).or_default().push(index);
        }
    }
    let mut shared: Vec<_> = holders.into_values().filter(|held| held.len() > 1).collect();
    shared.sort_unstable();
    shared
        .into_iter()
        .map(|held| {
            // Three say enough, and a line has room for them.
            let others = held[1..].iter().take(3);
            let names = others.map(|index| words::name_or_empty(&nodes[*index].view.subject));
            let mut others = names.collect::<Vec<_>>().join(" and ");
            if held.len() > 4 {
                others.push_str(&format!(" and {} more", held.len() - 4));
            }
            about(&nodes[held[0]], &found[held[0]], Fault::SharedKey { others })
        })
        .collect()
}

fn exposed_keys(collection: &Collection, origin: Origin) -> Vec<Finding> {
    let mut findings = Vec::new();
    for key in &collection.keys {
        let encrypted = key.key.encrypted;
        if key.mode & 0o077 != 0 {
            let fault = Fault::OpenKey { mode: key.mode, encrypted };
            findings.push(Finding::of_file(&key.file, fault));
        }
        if origin == Origin::Archive && !encrypted {
            findings.push(Finding::of_file(&key.file, Fault::ArchivedKey));
        }
    }
    findings.dedup();
    findings
}
