//! The engine on certificates made for the purpose: hostile bags, bad input, revocation, mTLS.

#![expect(clippy::unwrap_used, reason = "a test that cannot make its input has failed")]

#[path = "engine/bad_input.rs"]
mod bad_input;
#[path = "engine/handshake.rs"]
mod handshake;
#[path = "engine/hostile.rs"]
mod hostile;
#[path = "engine/issue.rs"]
mod issue;
#[path = "engine/manager.rs"]
mod manager;
#[path = "engine/mtls.rs"]
mod mtls;
#[path = "engine/namesakes.rs"]
mod namesakes;
#[path = "engine/network.rs"]
mod network;
#[path = "engine/precedence.rs"]
mod precedence;
#[path = "engine/revocation.rs"]
mod revocation;
#[path = "engine/roles.rs"]
mod roles;

use issue::{Holder, Spec, now};
use rustmq_auth::{Answer, Question, Terms};

/// Asks about a leaf on the usual terms.
fn question<'q>(
    leaf: &'q [u8],
    untrusted: &'q [&'q [u8]],
    anchors: &'q [&'q [u8]],
) -> Question<'q> {
    let terms = Terms { at: now(), ..Terms::default() };
    Question { untrusted, terms, ..Question::new(leaf, anchors) }
}

/// The stable code of the refusal; `valid` if there is none.
fn code(answer: &Answer<'_>) -> &'static str {
    answer.result.as_ref().err().map_or("valid", |refusal| refusal.rule.code())
}

/// Root, intermediate and leaf with their certificates.
struct Chain {
    root: Holder,
    intermediate: Holder,
    root_der: Vec<u8>,
    intermediate_der: Vec<u8>,
    leaf_der: Vec<u8>,
}

impl Chain {
    fn new() -> Self {
        Self::with_leaf(&Spec::leaf("broker-01.example"))
    }

    fn with_leaf(leaf: &Spec) -> Self {
        let (root, intermediate) = (Holder::new("Root"), Holder::new("Intermediate"));
        let root_der = root.self_signed();
        let intermediate_der = root.issue(&intermediate, &Spec::ca().serial(&[0x21]));
        let leaf_der = intermediate.issue(&Holder::new("broker-01"), leaf);
        Self { root, intermediate, root_der, intermediate_der, leaf_der }
    }
}

#[test]
fn a_chain_is_valid_with_its_intermediate_and_not_without() {
    let chain = Chain::new();
    let anchors = [chain.root_der.as_slice()];
    let untrusted = [chain.intermediate_der.as_slice()];
    let answer = question(&chain.leaf_der, &untrusted, &anchors).ask();
    let proof = answer.result.expect("valid");
    assert_eq!(proof.path().certificates().len(), 2);
    assert_eq!(proof.path().anchor().der, chain.root_der);
    let answer = question(&chain.leaf_der, &[], &anchors).ask();
    assert_eq!(code(&answer), "no_path_to_anchor");
    assert_eq!(answer.explanation.tried.len(), 1);
}
