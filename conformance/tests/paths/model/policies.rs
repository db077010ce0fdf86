//! Policies (RFC 5280 6.1.2 to 6.1.5), without a tree.
//!
//! Of the tree only its deepest level matters, and of each node there: its policy, what it expects
//! next, and under which policies of the top-most domain it stands (the first policy below
//! anyPolicy on the way down to it). The last is what the wanted policies are compared with.

use std::collections::{BTreeMap, BTreeSet};

use super::Path;
use crate::case::PolicyInputs;
use crate::dialect::{Dialect, Rule};
use crate::world::Cert;

const ANY: u8 = 0;

/// A node of the deepest level.
#[derive(Clone, Default)]
struct Node {
    expected: BTreeSet<u8>,
    authorities: BTreeSet<u8>,
    /// Mapped by a certificate that has the policy by anyPolicy only.
    mapped_any: bool,
}

type Level = BTreeMap<u8, Node>;

struct State {
    /// Empty: the tree is NULL.
    level: Level,
    explicit: usize,
    mapping: usize,
    any: usize,
}

/// Whether the path has a policy where one is required.
pub(crate) fn hold(path: &Path<'_>, inputs: &PolicyInputs, dialect: &Dialect) -> bool {
    let count = path.certificates.len();
    let start = |now: bool| if now { 0 } else { count + 1 };
    let top = Node { expected: [ANY].into(), ..Node::default() };
    let mut state = State {
        level: [(ANY, top)].into(),
        explicit: start(inputs.require_explicit),
        mapping: start(inputs.inhibit_mapping),
        any: start(inputs.inhibit_any),
    };
    for (at, certificate) in path.certificates.iter().enumerate() {
        let last = at + 1 == count;
        let any_counts = state.any > 0 || (!last && certificate.is_self_issued());
        state.level = descend(&state.level, certificate, any_counts, dialect);
        if state.level.is_empty() && state.explicit == 0 {
            return false;
        }
        if !last && !prepare(&mut state, certificate, dialect) {
            return false;
        }
    }
    let leaf = path.certificates[count - 1];
    if dialect.has(Rule::OpenSslMappingsWithPolicies) && maps_any(leaf, dialect) {
        return false;
    }
    state.explicit = state.explicit.saturating_sub(1);
    if leaf.policies.require_explicit == Some(0) {
        state.explicit = 0;
    }
    state.explicit > 0 || satisfied(&state.level, &inputs.policies)
}

/// 6.1.3 (d) and (e).
fn descend(level: &Level, certificate: &Cert, any_counts: bool, dialect: &Dialect) -> Level {
    let policies = &certificate.policies;
    let mut stated: BTreeSet<u8> = policies.policies.iter().copied().collect();
    if dialect.has(Rule::OpenSslMapsInhibitedAny) && stated.contains(&ANY) && !any_counts {
        stated.extend(policies.mappings.iter().map(|(from, _)| *from));
    }
    let mut next = Level::new();
    for policy in stated.iter().copied().filter(|policy| *policy != ANY) {
        let parents: Vec<_> =
            level.values().filter(|node| node.expected.contains(&policy)).collect();
        let authorities: BTreeSet<u8> = if !parents.is_empty() {
            parents.iter().flat_map(|node| node.authorities.clone()).collect()
        } else if level.contains_key(&ANY) {
            [policy].into()
        } else {
            continue;
        };
        next.insert(policy, Node { expected: [policy].into(), authorities, mapped_any: false });
    }
    if stated.contains(&ANY) && any_counts {
        for (policy, node) in level {
            for policy in unmatched(*policy, node, &stated, dialect) {
                let child = next.entry(policy).or_default();
                child.expected = [policy].into();
                child.authorities.extend(&node.authorities);
            }
        }
    }
    next
}

/// What a node expects and the certificate has by anyPolicy only.
fn unmatched(policy: u8, node: &Node, stated: &BTreeSet<u8>, dialect: &Dialect) -> Vec<u8> {
    let missing = |expected: &u8| !stated.contains(expected) || *expected == ANY;
    let unmatched: Vec<u8> = node.expected.iter().copied().filter(missing).collect();
    if !node.mapped_any || !dialect.has(Rule::OpenSslForgetsMappings) {
        return unmatched;
    }
    if unmatched.len() == node.expected.len() { vec![policy] } else { Vec::new() }
}

/// 6.1.4 (a).
fn maps_any(certificate: &Cert, dialect: &Dialect) -> bool {
    let own = &certificate.policies;
    let unread = dialect.has(Rule::OpenSslMappingsWithPolicies) && own.policies.is_empty();
    !unread && own.mappings.iter().any(|(from, to)| *from == ANY || *to == ANY)
}

/// 6.1.4 (a), (b), (h), (i) and (j).
fn prepare(state: &mut State, certificate: &Cert, dialect: &Dialect) -> bool {
    let policies = &certificate.policies;
    if maps_any(certificate, dialect) {
        return false;
    }
    let sources: BTreeSet<u8> = policies.mappings.iter().map(|(from, _)| *from).collect();
    for from in sources {
        let targets = policies.mappings.iter().filter(|pair| pair.0 == from).map(|pair| pair.1);
        if state.mapping == 0 {
            state.level.remove(&from);
        } else if let Some(node) = state.level.get_mut(&from) {
            node.expected = targets.collect();
            node.mapped_any = !policies.policies.contains(&from);
        } else if state.level.contains_key(&ANY) {
            let node =
                Node { expected: targets.collect(), authorities: [from].into(), mapped_any: true };
            state.level.insert(from, node);
        }
    }
    if !certificate.is_self_issued() {
        for counter in [&mut state.explicit, &mut state.mapping, &mut state.any] {
            *counter = counter.saturating_sub(1);
        }
    }
    let lower = |counter: &mut usize, limit: Option<u8>| {
        *counter = limit.map_or(*counter, |limit| (*counter).min(usize::from(limit)));
    };
    lower(&mut state.explicit, policies.require_explicit);
    lower(&mut state.mapping, policies.inhibit_mapping);
    lower(&mut state.any, policies.inhibit_any);
    true
}

/// 6.1.5 (g): what is left of the tree for the policies that are wanted.
fn satisfied(level: &Level, wanted: &[u8]) -> bool {
    let any_wanted = wanted.is_empty() || wanted.contains(&ANY);
    level.iter().any(|(policy, node)| {
        any_wanted || *policy == ANY || node.authorities.iter().any(|root| wanted.contains(root))
    })
}
