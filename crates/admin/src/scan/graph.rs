//! Who signed whom: each certificate's issuer among the certificates that were found.

use std::collections::HashMap;

use rustmq_auth::{Rule, is_weak_signature, same_name, verify_signature};
use rustmq_pki::oid;
use rustmq_pki::read::{CertificateRef, KeyUsage, KnownExtensions};

use super::collection::FoundCertificate;

/// The most certificates of one name under whose keys a signature is tried, beside those whose key
/// identifier is the wanted one: renewed and rekeyed CAs share their name.
const MOST_ISSUERS: usize = 32;

/// How many signatures are verified in all: some for each certificate, where one or two are usual, and
/// some more for small collections. At 60 us each, the largest collection takes half a minute.
const VERIFICATIONS: usize = 10_000;
const VERIFICATIONS_EACH: usize = 4;

/// The most CAs whose names are compared in other encodings than their own.
const MOST_OTHER_ENCODINGS: usize = 256;

/// A certificate, read.
pub(super) struct Node<'a> {
    pub(super) view: CertificateRef<'a>,
    pub(super) known: KnownExtensions<'a>,
    pub(super) signer: Signer,
    /// How many of the others its key signed.
    pub(super) issued: usize,
}

/// Whose key made a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Signer {
    /// The certificate's own.
    Own,
    /// That of the certificate with this index.
    Other(usize),
    /// None of those that bear the issuer's name; whether it was the certificate's own.
    Stranger { by_own_key: bool },
    /// The algorithm is not known, or too weak to be asked.
    NotChecked,
    /// Nobody here bears the issuer's name.
    Absent,
}

impl Node<'_> {
    /// Whether it says that it is a CA.
    pub(super) fn is_ca(&self) -> bool {
        self.known.is_ca()
    }

    /// Whether keyUsage has keyCertSign.
    pub(super) fn may_sign(&self) -> bool {
        self.known.key_usage.is_some_and(|usage| usage.value.contains(KeyUsage::KEY_CERT_SIGN))
    }

    /// Whether it says so, may sign, or does.
    pub(super) fn acts_as_ca(&self) -> bool {
        self.is_ca() || self.may_sign() || self.issued > 0
    }

    /// Whether subject and issuer are one name.
    pub(super) fn is_self_issued(&self) -> bool {
        same_name(&self.view.subject, &self.view.issuer)
    }
}

/// The certificates by subject, and by subject and key identifier.
struct Issuers<'a> {
    by_name: HashMap<&'a [u8], Vec<usize>>,
    by_key: HashMap<(&'a [u8], &'a [u8]), Vec<usize>>,
    /// Some CAs, whose names are compared in other encodings.
    cas: Vec<usize>,
}

impl<'a> Issuers<'a> {
    fn of(nodes: &[Node<'a>]) -> Self {
        let mut issuers = Self { by_name: HashMap::new(), by_key: HashMap::new(), cas: Vec::new() };
        for (index, node) in nodes.iter().enumerate() {
            let name = node.view.subject.der;
            issuers.by_name.entry(name).or_default().push(index);
            if let Some(key) = node.known.subject_key_id {
                issuers.by_key.entry((name, key.value)).or_default().push(index);
            }
            if (node.is_ca() || node.may_sign()) && issuers.cas.len() < MOST_OTHER_ENCODINGS {
                issuers.cas.push(index);
            }
        }
        issuers
    }

    /// Those that may have signed a certificate, the likeliest first.
    fn named(&self, nodes: &[Node<'a>], index: usize) -> Vec<usize> {
        let (node, name) = (&nodes[index], nodes[index].view.issuer.der);
        let mut named = Vec::new();
        if let Some(key) = node.known.authority_key_id.and_then(|id| id.value.key_id) {
            let wanted = self.by_key.get(&(name, key)).into_iter().flatten();
            named.extend(wanted.take(MOST_ISSUERS));
        }
        if node.is_self_issued() && !named.contains(&index) {
            named.push(index);
        }
        match self.by_name.get(name) {
            Some(others) => {
                let others = others.iter().take(MOST_ISSUERS).copied();
                let others: Vec<_> = others.filter(|other| !named.contains(other)).collect();
                named.extend(others);
            }
            None => named.extend(self.cas.iter().copied().filter(|ca| {
                *ca != index && same_name(&nodes[*ca].view.subject, &node.view.issuer)
            })),
        }
        named
    }
}

/// Reads the certificates and finds who signed each.
pub(super) fn build(found: &[FoundCertificate]) -> Vec<Node<'_>> {
    let mut nodes: Vec<Node<'_>> = found.iter().filter_map(|found| node(&found.der)).collect();
    let issuers = Issuers::of(&nodes);
    let mut budget = VERIFICATIONS + VERIFICATIONS_EACH * nodes.len();
    let signers: Vec<Signer> = (0..nodes.len())
        .map(|index| signer(&nodes, index, &issuers.named(&nodes, index), &mut budget))
        .collect();
    for (index, signer) in signers.into_iter().enumerate() {
        if let Signer::Other(issuer) = signer {
            nodes[issuer].issued += 1;
        }
        nodes[index].signer = signer;
    }
    count_by_key(&mut nodes);
    nodes
}

/// A CA that was renewed with its key has several certificates, and what one of them signed the others
/// did, too.
fn count_by_key(nodes: &mut [Node<'_>]) {
    let mut issued: HashMap<(&[u8], &[u8]), usize> = HashMap::new();
    for node in nodes.iter() {
        *issued.entry((node.view.spki.der, node.view.subject.der)).or_default() += node.issued;
    }
    for node in nodes {
        let key = (node.view.spki.der, node.view.subject.der);
        node.issued = issued.get(&key).copied().unwrap_or_default();
    }
}

fn node(der: &[u8]) -> Option<Node<'_>> {
    let view = CertificateRef::read(der).ok()?;
    let known = view.extensions.known().ok()?;
    Some(Node { view, known, signer: Signer::Absent, issued: 0 })
}

fn signer(nodes: &[Node<'_>], index: usize, named: &[usize], budget: &mut usize) -> Signer {
    let node = &nodes[index];
    if is_weak_signature(&node.view.signature_algorithm) {
        // It is not verified, since it proves nothing; of a self-issued one the name is believed.
        return match named {
            [] => Signer::Absent,
            named if named.contains(&index) => Signer::Own,
            _ => Signer::NotChecked,
        };
    }
    let mut judged = Judged::Nobody;
    for candidate in named.iter().copied() {
        if *budget == 0 {
            return Signer::NotChecked;
        }
        *budget -= 1;
        match verify(node, &nodes[candidate]) {
            Judged::Signed if candidate == index || same_key(node, &nodes[candidate]) => {
                return Signer::Own;
            }
            Judged::Signed => return Signer::Other(candidate),
            Judged::NotSigned => judged = Judged::NotSigned,
            other if judged == Judged::Nobody => judged = other,
            _ => {}
        }
    }
    match judged {
        Judged::Nobody => Signer::Absent,
        Judged::NotKnown => Signer::NotChecked,
        _ => Signer::Stranger { by_own_key: verify(node, node) == Judged::Signed },
    }
}

fn same_key(one: &Node<'_>, other: &Node<'_>) -> bool {
    one.view.spki.der == other.view.spki.der
}

/// What a verification says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Judged {
    Nobody,
    Signed,
    NotSigned,
    NotKnown,
}

fn verify(node: &Node<'_>, issuer: &Node<'_>) -> Judged {
    match verify_signature(&node.view, &issuer.view.spki) {
        Ok(()) => Judged::Signed,
        Err(refusal) if refusal.rule == Rule::SignatureInvalid => Judged::NotSigned,
        // An algorithm that is known and does not fit a key that is known was not used with it.
        Err(_) if knows_algorithm(node) && knows_key(issuer) => Judged::NotSigned,
        Err(_) => Judged::NotKnown,
    }
}

fn knows_algorithm(node: &Node<'_>) -> bool {
    [
        oid::SHA256_WITH_RSA,
        oid::SHA384_WITH_RSA,
        oid::SHA512_WITH_RSA,
        oid::ECDSA_WITH_SHA256,
        oid::ECDSA_WITH_SHA384,
        oid::ECDSA_WITH_SHA512,
        oid::ED25519,
        oid::ML_DSA_44,
        oid::ML_DSA_65,
        oid::ML_DSA_87,
    ]
    .contains(&node.view.signature_algorithm.oid.as_bytes())
}

fn knows_key(node: &Node<'_>) -> bool {
    let key = &node.view.spki.algorithm;
    let curve = key.parameters.and_then(|p| rustmq_pki::der::Reader::new(p.whole).oid().ok());
    match key.oid.as_bytes() {
        oid::RSA_ENCRYPTION => node.view.spki.rsa_bits().is_some_and(|bits| bits >= 2048),
        oid::EC_PUBLIC_KEY => curve.is_some_and(|curve| {
            [oid::SECP256R1, oid::SECP384R1, oid::SECP521R1].contains(&curve.as_bytes())
        }),
        other => [oid::ED25519, oid::ML_DSA_44, oid::ML_DSA_65, oid::ML_DSA_87].contains(&other),
    }
}
