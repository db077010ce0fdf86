//! Certificate policies: the graph of RFC 9618, which replaces the tree of RFC 5280 6.1.

use rustmq_pki::der::List;
use rustmq_pki::oid::{self, Oid};
use rustmq_pki::read::PolicyMapping;

use crate::budget::{Budget, Work};
use crate::certificate::Certificate;
use crate::error::{Detail, Refusal, Rule};

/// The initial inputs to policy processing (RFC 5280 6.1.1 (c), (e), (f), (g)).
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct PolicyInputs {
    /// The acceptable policies, as the contents of their identifiers; empty for any.
    pub acceptable: Vec<Vec<u8>>,
    /// Whether the path must be valid for one of them.
    pub require_explicit: bool,
    /// Whether mappings are ignored.
    pub inhibit_mapping: bool,
    /// Whether anyPolicy is ignored.
    pub inhibit_any: bool,
}

struct Node<'a> {
    policy: Oid<'a>,
    /// The policies that satisfy this one in the next certificate.
    expected: Vec<Oid<'a>>,
    /// Indices into the level above.
    parents: Vec<usize>,
}

/// The nodes of one depth. Each policy has at most one: that is what makes it a graph, and its size
/// linear where the tree's was exponential.
type Level<'a> = Vec<Node<'a>>;

struct Graph<'a> {
    levels: Vec<Level<'a>>,
}

const ANY: &[u8] = oid::ANY_POLICY;

/// How many policies of a level are compared with one in the time of a comparison of names.
const COMPARED: usize = 8;

fn any_policy() -> Oid<'static> {
    Oid::from_contents(ANY).expect("the constant is an identifier")
}

/// The counters of RFC 5280 6.1.2 (d) to (f).
struct Counters {
    explicit_policy: u32,
    inhibit_any_policy: u32,
    policy_mapping: u32,
}

impl Counters {
    /// RFC 5280 6.1.4 (i) and (j).
    fn lower(&mut self, certificate: &Certificate<'_>) {
        if let Some(constraints) = certificate.known.policy_constraints {
            let lower = |counter: &mut u32, value: Option<u32>| {
                *counter = (*counter).min(value.unwrap_or(u32::MAX));
            };
            lower(&mut self.explicit_policy, constraints.value.require_explicit_policy);
            lower(&mut self.policy_mapping, constraints.value.inhibit_policy_mapping);
        }
        if let Some(skip) = certificate.known.inhibit_any_policy {
            self.inhibit_any_policy = self.inhibit_any_policy.min(skip.value);
        }
    }
}

/// Checks the policies of a path, given from the certificate below the anchor to the leaf. Where the
/// anchor is judged, what it demands of policies counts from the first certificate on (RFC 5937 3.2).
pub(crate) fn check<'a>(
    anchor: Option<&Certificate<'a>>,
    path: &[&Certificate<'a>],
    inputs: &PolicyInputs,
    budget: &mut Budget,
) -> Result<(), Refusal> {
    // RFC 5280 6.1.4 (a) is asked of those that issue the next certificate, so not of the leaf.
    let issuers = path.split_last().map_or(path, |(_, issuers)| issuers);
    for certificate in issuers {
        if maps_any_policy(certificate, budget)? {
            return Err(Rule::AnyPolicyMapped.into());
        }
    }
    // Without a demand for an explicit policy no outcome of the graph refuses the path.
    let demanded = inputs.require_explicit
        || anchor.into_iter().chain(path.iter().copied()).any(|certificate| {
            let constraints = certificate.known.policy_constraints;
            constraints.is_some_and(|c| c.value.require_explicit_policy.is_some())
        });
    if !demanded {
        return Ok(());
    }
    let mut processing = Processing::new(path.len(), inputs);
    if let Some(anchor) = anchor {
        processing.counters.lower(anchor);
    }
    processing.run(path, inputs, budget)
}

fn maps_any_policy(certificate: &Certificate<'_>, budget: &mut Budget) -> Result<bool, Refusal> {
    let Some(mappings) = certificate.known.policy_mappings else { return Ok(false) };
    budget.spend(Work::Names, 1 + walking(&mappings.value))?;
    Ok(mappings.value.iter().any(|mapping| mapping.issuer == ANY || mapping.subject == ANY))
}

/// What walking a list of mappings counts for in comparisons of names: an entry has 10 octets at
/// least, and takes as long as one.
const fn walking(mappings: &List<'_, PolicyMapping<'_>>) -> usize {
    mappings.contents().len() / 16
}

struct Processing<'a> {
    counters: Counters,
    graph: Option<Graph<'a>>,
}

impl<'a> Processing<'a> {
    fn new(length: usize, inputs: &PolicyInputs) -> Self {
        let never = u32::try_from(length).unwrap_or(u32::MAX).saturating_add(1);
        let unless = |now| if now { 0 } else { never };
        let root = Node { policy: any_policy(), expected: vec![any_policy()], parents: Vec::new() };
        Self {
            counters: Counters {
                explicit_policy: unless(inputs.require_explicit),
                inhibit_any_policy: unless(inputs.inhibit_any),
                policy_mapping: unless(inputs.inhibit_mapping),
            },
            graph: Some(Graph { levels: vec![vec![root]] }),
        }
    }

    fn run(
        mut self,
        path: &[&Certificate<'a>],
        inputs: &PolicyInputs,
        budget: &mut Budget,
    ) -> Result<(), Refusal> {
        for (index, certificate) in path.iter().enumerate() {
            let last = index + 1 == path.len();
            self.take_policies(certificate, last, budget)?;
            if self.counters.explicit_policy == 0 && self.graph.is_none() {
                return Err(not_allowed(inputs).of(certificate));
            }
            if !last {
                self.take_mappings(certificate, budget)?;
                self.prepare_for_next(certificate);
            }
        }
        self.wrap_up(path.last().copied(), inputs)
    }

    /// RFC 9618 5.2: 6.1.3 (d) and (e).
    fn take_policies(
        &mut self,
        certificate: &Certificate<'a>,
        last: bool,
        budget: &mut Budget,
    ) -> Result<(), Refusal> {
        let (Some(graph), Some(policies)) = (&mut self.graph, certificate.known.policies) else {
            self.graph = None;
            return Ok(());
        };
        let Some(above) = graph.levels.last() else { return Ok(()) };
        let mut level = Level::new();
        let mut has_any = false;
        for policy in policies.value.iter().map(|information| information.policy) {
            budget.spend(Work::Names, 1 + level.len() / COMPARED)?;
            if policy == ANY {
                has_any = true;
            } else if !level.iter().any(|node| node.policy == policy) {
                add_named(&mut level, above, policy, budget)?;
            }
        }
        let any_counts =
            self.counters.inhibit_any_policy > 0 || (!last && certificate.is_self_issued());
        if has_any && any_counts {
            add_expected(&mut level, above, budget)?;
        }
        if level.is_empty() {
            self.graph = None;
        } else {
            graph.levels.push(level);
        }
        Ok(())
    }

    /// RFC 9618 5.3: 6.1.4 (b).
    fn take_mappings(
        &mut self,
        certificate: &Certificate<'a>,
        budget: &mut Budget,
    ) -> Result<(), Refusal> {
        let (Some(graph), Some(mappings)) = (&mut self.graph, certificate.known.policy_mappings)
        else {
            return Ok(());
        };
        let depth = graph.levels.len() - 1;
        // The whole list is walked for each.
        let walk = walking(&mappings.value);
        for issuer in mappings.value.iter().map(|mapping| mapping.issuer) {
            budget.spend(Work::Names, 1 + walk + graph.levels[depth].len() / COMPARED)?;
            if self.counters.policy_mapping == 0 {
                graph.levels[depth].retain(|node| node.policy != issuer);
                continue;
            }
            let domain = mappings.value.iter().filter(|mapping| mapping.issuer == issuer);
            let expected: Vec<_> = domain.map(|mapping| mapping.subject).collect();
            budget.spend(Work::Policies, expected.len())?;
            graph.map(depth, issuer, expected);
        }
        if graph.levels[depth].is_empty() {
            self.graph = None;
        }
        Ok(())
    }

    /// RFC 5280 6.1.4 (h) to (j).
    fn prepare_for_next(&mut self, certificate: &Certificate<'a>) {
        let counters = &mut self.counters;
        if !certificate.is_self_issued() {
            counters.explicit_policy = counters.explicit_policy.saturating_sub(1);
            counters.policy_mapping = counters.policy_mapping.saturating_sub(1);
            counters.inhibit_any_policy = counters.inhibit_any_policy.saturating_sub(1);
        }
        counters.lower(certificate);
    }

    /// RFC 5280 6.1.5 (a), (b) and RFC 9618 5.4 for (g).
    fn wrap_up(self, leaf: Option<&Certificate<'a>>, inputs: &PolicyInputs) -> Result<(), Refusal> {
        let Some(leaf) = leaf else { return Ok(()) };
        let constraints = leaf.known.policy_constraints.map(|constraints| constraints.value);
        let required = constraints.and_then(|c| c.require_explicit_policy) == Some(0);
        let explicit_policy =
            if required { 0 } else { self.counters.explicit_policy.saturating_sub(1) };
        let satisfied = self.graph.is_some_and(|graph| graph.satisfies(&inputs.acceptable));
        if explicit_policy > 0 || satisfied {
            return Ok(());
        }
        Err(not_allowed(inputs).of(leaf))
    }
}

fn not_allowed(inputs: &PolicyInputs) -> Refusal {
    let acceptable: Vec<String> = inputs
        .acceptable
        .iter()
        .filter_map(|policy| Oid::from_contents(policy).map(|oid| oid.to_string()))
        .collect();
    let wanted = if acceptable.is_empty() { "any".to_owned() } else { acceptable.join(" ") };
    Refusal::new(Rule::PolicyNotAllowed, Detail::Oid(wanted))
}

/// 6.1.3 (d) (1): a policy below every node that expects it, or else below anyPolicy.
fn add_named<'a>(
    level: &mut Level<'a>,
    above: &Level<'a>,
    policy: Oid<'a>,
    budget: &mut Budget,
) -> Result<(), Refusal> {
    budget.spend(Work::Policies, above.len() + 1)?;
    let mut parents = indices(above, |node| node.expected.contains(&policy));
    if parents.is_empty() {
        parents = indices(above, |node| node.policy == ANY);
    }
    if !parents.is_empty() {
        level.push(Node { policy, expected: vec![policy], parents });
    }
    Ok(())
}

/// 6.1.3 (d) (2): anyPolicy stands for every policy that is expected and not named.
fn add_expected<'a>(
    level: &mut Level<'a>,
    above: &Level<'a>,
    budget: &mut Budget,
) -> Result<(), Refusal> {
    let named = level.len();
    for (index, parent) in above.iter().enumerate() {
        budget.spend(Work::Policies, parent.expected.len())?;
        for policy in &parent.expected {
            match level.iter_mut().position(|node| node.policy == *policy) {
                Some(at) if at < named => {}
                Some(at) => level[at].parents.push(index),
                None => level.push(Node {
                    policy: *policy,
                    expected: vec![*policy],
                    parents: vec![index],
                }),
            }
        }
    }
    Ok(())
}

fn indices<'a>(level: &Level<'a>, wanted: impl Fn(&Node<'a>) -> bool) -> Vec<usize> {
    level.iter().enumerate().filter(|(_, node)| wanted(node)).map(|(index, _)| index).collect()
}

impl<'a> Graph<'a> {
    /// 6.1.4 (b) (1): `issuer` expects the policies that it is mapped to; if only anyPolicy is
    /// there, it gets a node of its own beside it.
    fn map(&mut self, depth: usize, issuer: Oid<'a>, expected: Vec<Oid<'a>>) {
        let level = &mut self.levels[depth];
        if let Some(node) = level.iter_mut().find(|node| node.policy == issuer) {
            node.expected = expected;
            return;
        }
        let parents = level.iter().find(|node| node.policy == ANY).map(|node| node.parents.clone());
        if let Some(parents) = parents {
            level.push(Node { policy: issuer, expected, parents });
        }
    }

    /// Whether the intersection with the acceptable policies (none: any) is not empty.
    ///
    /// The policies in the authority's own terms are those whose parent is anyPolicy and that reach
    /// the leaf; anyPolicy at the leaf stands for all.
    fn satisfies(&self, acceptable: &[Vec<u8>]) -> bool {
        let Some(leaf) = self.levels.last() else { return false };
        let any = acceptable.is_empty() || acceptable.iter().any(|policy| policy == ANY);
        if any || leaf.iter().any(|node| node.policy == ANY) {
            return !leaf.is_empty();
        }
        let mut reached: Vec<bool> = vec![true; leaf.len()];
        for depth in (1..self.levels.len()).rev() {
            let mut above = vec![false; self.levels[depth - 1].len()];
            for node in self.levels[depth].iter().zip(&reached).filter(|(_, r)| **r).map(|(n, _)| n)
            {
                let from_any = |parent: &usize| self.levels[depth - 1][*parent].policy == ANY;
                let wanted = acceptable.iter().any(|policy| policy == node.policy.as_bytes());
                if wanted && node.policy != ANY && node.parents.iter().any(from_any) {
                    return true;
                }
                node.parents.iter().for_each(|parent| above[*parent] = true);
            }
            reached = above;
        }
        false
    }
}
