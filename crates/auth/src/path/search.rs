//! The search for a path from a certificate to an anchor.
//!
//! Partial paths are tried in the order of their length, so that what a hostile bag adds below a good
//! path cannot hide it, and a certificate is followed only after its signature on the one below was
//! verified. Each signature is verified once, whatever the number of paths through it.

use std::collections::VecDeque;
use std::rc::Rc;

use rustmq_pki::oid;
use rustmq_pki::read::{NameRef, ReadError, SpkiRef};
use rustmq_pki::time::UnixTime;

use super::constraints::Constraints;
use super::names::same_name_within;
use super::rules::{Place, RuleSet, findings};
use super::{MAX_INTERMEDIATES, ReferenceName, Terms, VerifiedPath, checks, policy};
use crate::budget::{Budget, Work};
use crate::certificate::{Anchor, Certificate};
use crate::error::{Detail, Refusal, Rule};
use crate::facts::Facts;
use crate::mtls::MtlsPolicy;
use crate::principal::CasAbove;
use crate::revocation::Revocation;
use crate::signature::{self, Dsa};

/// What a question brings along: the certificate that it is about, first, and those that may help.
pub(crate) struct Bag<'a> {
    pub(crate) certificates: Vec<Certificate<'a>>,
    pub(crate) anchors: Vec<Anchor<'a>>,
    /// Why the extensions of an anchor could not be read, by its index.
    pub(crate) unreadable_anchors: Vec<(usize, ReadError)>,
}

/// A path as indices into the bag: from the target to the one below the anchor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) certificates: Vec<usize>,
    pub(crate) anchor: usize,
}

/// A path that was tried and why it failed.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) certificates: Vec<usize>,
    pub(crate) anchor: Option<usize>,
    pub(crate) refusal: Refusal,
}

impl Attempt {
    /// How much it says: revoked more than any other rule, that more than a wrong key, a wrong key more than a missing issuer, and
    /// then a path that reached an anchor more than one that did not.
    fn tells(&self) -> (u8, bool) {
        let rule = match self.refusal.rule {
            Rule::NoIssuer => 0,
            Rule::SignatureInvalid => 1,
            // Whatever else is not known, or takes too long to find out.
            Rule::Revoked => 3,
            _ => 2,
        };
        (rule, self.anchor.is_some())
    }
}

/// The most failed attempts that are remembered for the explanation.
const MAX_ATTEMPTS: usize = 64;

/// How many octets of a certificate are looked through in the time of a step: its lists of purposes
/// and policies, and all of it by the rule sets beyond `pkix`.
const OF_ONE_STEP: usize = 2_048;

/// What the path is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    /// To validate the certificate that the question is about.
    Leaf,
    /// To trust the signer of a CRL or an OCSP response: the same anchor must vouch for it (RFC 5280
    /// 6.3.3 (f)).
    StatusIssuer {
        /// The anchor of the certificate whose status is asked for.
        anchor: usize,
    },
}

/// One question in progress.
pub(crate) struct Search<'q, 'a> {
    pub(crate) bag: &'q Bag<'a>,
    pub(crate) terms: &'q Terms,
    pub(crate) names: &'q [ReferenceName],
    pub(crate) revocation: &'q Revocation<'q>,
    pub(crate) facts: Option<&'q Facts>,
    pub(crate) mtls: Option<&'q MtlsPolicy>,
    /// Whether a CRL counted only because of the grace period.
    pub(crate) grace_used: bool,
    /// From when until when the status holds that was found.
    pub(crate) status_window: (UnixTime, UnixTime),
    /// A key under which the leaf's signature was verified before.
    pub(crate) known_leaf_key: Option<&'q [u8]>,
    pub(crate) budget: Budget,
    pub(crate) attempts: Vec<Attempt>,
    /// How many others failed.
    pub(crate) untold: usize,
    /// The certificates whose status is being found out, so that a circle is seen.
    pub(crate) in_progress: Vec<usize>,
    /// Signatures that were verified or refused: the certificate below and the key.
    signatures: Vec<(usize, &'a [u8], bool)>,
    /// For each certificate, once asked for, those that may have issued it.
    issuers: Vec<Option<Rc<[usize]>>>,
}

/// A partial path: a certificate and the node below it.
struct Node {
    certificate: usize,
    below: Option<usize>,
    length: usize,
}

impl<'q, 'a> Search<'q, 'a> {
    pub(crate) fn new(
        bag: &'q Bag<'a>,
        terms: &'q Terms,
        names: &'q [ReferenceName],
        revocation: &'q Revocation<'q>,
        facts: Option<&'q Facts>,
    ) -> Self {
        Self {
            bag,
            terms,
            names,
            revocation,
            facts,
            mtls: None,
            grace_used: false,
            status_window: (UnixTime::MIN, UnixTime::MAX),
            known_leaf_key: None,
            budget: Budget::full(),
            attempts: Vec::new(),
            untold: 0,
            in_progress: Vec::new(),
            signatures: Vec::new(),
            issuers: Vec::new(),
        }
    }

    /// Finds a path for the leaf: the line of the whole decision.
    pub(crate) fn leaf_path(&mut self) -> Result<Path, Refusal> {
        self.check_names()?;
        if let Some(mtls) = self.mtls {
            let leaf = &self.bag.certificates[0];
            let result = mtls.check_leaf(leaf, self.terms.purpose);
            result.map_err(|refusal| refusal.of(leaf))?;
        }
        let path = self.find(0, Goal::Leaf)?;
        if self.terms.rules.judges_anchors() {
            let validity = self.bag.anchors[path.anchor].certificate.view.validity;
            self.holds_within(validity.not_before.at, validity.not_after.at);
        }
        self.learn(&path);
        Ok(path)
    }

    /// Remembers the signatures of the intermediates that were verified for this path.
    fn learn(&self, path: &Path) {
        let Some(facts) = self.facts else { return };
        facts.learn_key(&self.bag.certificates[0].view, self.key_at(path, 1));
        for (at, index) in path.certificates.iter().enumerate().skip(1) {
            let key = self.key_at(path, at + 1);
            let verified =
                self.signatures.iter().any(|(child, k, ok)| *ok && child == index && *k == key.der);
            if verified {
                facts.learn(&self.bag.certificates[*index].view, key);
            }
        }
    }

    /// The leaf is on every path, so that what is wrong with it alone is found before any search.
    fn check_leaf_rules(&self) -> Result<(), Refusal> {
        let found = findings(&self.bag.certificates[0], Place::Leaf, self.terms.rules);
        found.into_iter().next().map_or(Ok(()), Err)
    }

    /// The proof of what [`Search::leaf_path`] found.
    pub(crate) fn proof(&self, path: &Path) -> VerifiedPath<'a> {
        let views =
            path.certificates.iter().map(|index| self.bag.certificates[*index].view.clone());
        let anchor = self.bag.anchors[path.anchor].certificate.view.clone();
        VerifiedPath::assertion(views.collect(), anchor)
    }

    /// Every name that was asked for must be one of the leaf's; the common name never counts.
    fn check_names(&self) -> Result<(), Refusal> {
        let leaf = &self.bag.certificates[0];
        for name in self.names {
            if !name.can_match() {
                let detail = Detail::Name(name.to_string());
                return Err(Refusal::new(Rule::ReferenceNameInvalid, detail));
            }
            if !name.is_in(leaf.known.alt_names()) {
                let detail = Detail::Name(name.to_string());
                return Err(Refusal::new(Rule::NameMismatch, detail).of(leaf));
            }
        }
        Ok(())
    }

    /// Finds a path from the certificate `target` to an anchor.
    pub(crate) fn find(&mut self, target: usize, goal: Goal) -> Result<Path, Refusal> {
        let certificate = &self.bag.certificates[target];
        self.check_target(certificate, goal).map_err(|refusal| refusal.of(certificate))?;
        if goal == Goal::Leaf {
            self.check_leaf_rules()?;
            return self.search_from(target, goal).map_err(|refusal| self.telling(refusal));
        }
        // The search for a signer of status is no attempt at the leaf's path.
        let (attempts, untold) = (std::mem::take(&mut self.attempts), self.untold);
        let found = self.search_from(target, goal);
        (self.attempts, self.untold) = (attempts, untold);
        found
    }

    /// Revoked on one path says more than that the search came to no end on others.
    fn telling(&self, refusal: Refusal) -> Refusal {
        let revoked = |attempt: &&Attempt| attempt.refusal.rule == Rule::Revoked;
        match self.attempts.iter().find(revoked) {
            Some(attempt) if refusal.rule == Rule::BudgetExceeded => attempt.refusal.clone(),
            _ => refusal,
        }
    }

    fn search_from(&mut self, target: usize, goal: Goal) -> Result<Path, Refusal> {
        let mut nodes = vec![Node { certificate: target, below: None, length: 1 }];
        let mut queue = VecDeque::from([0]);
        while let Some(at) = queue.pop_front() {
            let certificate = &self.bag.certificates[nodes[at].certificate];
            self.budget.spend(Work::Steps, 1 + certificate.view.der.len() / OF_ONE_STEP)?;
            let below = chain(&nodes, at);
            if let Err(refusal) = self.check_link(&below, goal) {
                self.refuse(below, None, refusal)?;
                continue;
            }
            if let Some(path) = self.try_anchors(&below, goal)? {
                return Ok(path);
            }
            self.extend(&mut nodes, &mut queue, at, below)?;
        }
        Err(self.best_refusal(target))
    }

    fn check_target(&self, certificate: &Certificate<'a>, goal: Goal) -> Result<(), Refusal> {
        match goal {
            Goal::Leaf => checks::certificate(certificate, self.terms),
            Goal::StatusIssuer { .. } => checks::certificate(certificate, &self.status_terms()),
        }
    }

    /// The terms on which a signer of revocation status is trusted: the same time and rules, no
    /// purpose and no policy (RFC 5280 6.3.3 (f)).
    pub(crate) fn status_terms(&self) -> Terms {
        Terms { at: self.terms.at, rules: self.terms.rules, ..Terms::default() }
    }

    /// Checks the topmost certificate of a partial path as the issuer of the one below.
    fn check_link(&mut self, chain: &[usize], goal: Goal) -> Result<(), Refusal> {
        let [.., below, top] = chain else { return Ok(()) };
        let issuer = &self.bag.certificates[*top];
        let intermediates = self.intermediates_below(chain)?;
        let check = || {
            self.check_target(issuer, goal)?;
            checks::issuer(issuer, intermediates)
        };
        check().map_err(|refusal| refusal.of(issuer))?;
        if signature::inherits_parameters(&issuer.view.spki) {
            // Its parameters come from above: verified when the path is complete.
            return Ok(());
        }
        self.check_signature(*below, &issuer.view.spki, None)
    }

    /// How many certificates between the leaf and the top of `chain` count for a path length.
    fn intermediates_below(&mut self, chain: &[usize]) -> Result<usize, Refusal> {
        let inner = chain.get(1..chain.len().saturating_sub(1)).unwrap_or(&[]);
        self.count_not_self_issued(inner)
    }

    fn count_not_self_issued(&mut self, chain: &[usize]) -> Result<usize, Refusal> {
        let mut count = 0;
        for index in chain {
            let certificate = &self.bag.certificates[*index];
            count += usize::from(!certificate.is_self_issued_within(&mut self.budget)?);
        }
        Ok(count)
    }

    /// Verifies the signature of a certificate by a key, once.
    fn check_signature(
        &mut self,
        child: usize,
        key: &SpkiRef<'a>,
        inherited: Option<&SpkiRef<'a>>,
    ) -> Result<(), Refusal> {
        let certificate = &self.bag.certificates[child];
        let view = &certificate.view;
        let known = self.signatures.iter().find(|(c, k, _)| *c == child && *k == key.der);
        if let Some((_, _, valid)) = known {
            return if *valid {
                Ok(())
            } else {
                Err(Refusal::from(Rule::SignatureInvalid).of(certificate))
            };
        }
        if child == 0 && self.known_leaf_key == Some(key.der) {
            return Ok(());
        }
        // The leaf's own signature is no fact: a leaf that was seen has a verdict.
        if child != 0 && self.facts.is_some_and(|facts| facts.knows(view, key)) {
            return Ok(());
        }
        let dsa = self.dsa();
        self.budget.spend(Work::Signatures, signature::cost(key))?;
        let algorithm = &view.signature_algorithm;
        let known = self.facts.and_then(|facts| facts.verify(view, key));
        let result = known.unwrap_or_else(|| {
            signature::verify(algorithm, key, view.tbs, view.signature, dsa, inherited)
        });
        self.signatures.push((child, key.der, result.is_ok()));
        result.map_err(|refusal| refusal.of(certificate))
    }

    /// DSA is verified for path validation alone: no peer of mTLS has it (its signatures use SHA-1), so
    /// that none shall make anyone work with its numbers.
    pub(crate) fn dsa(&self) -> Dsa {
        match (self.terms.rules, self.mtls) {
            (RuleSet::Pkix, None) => Dsa::Verified,
            _ => Dsa::Refused,
        }
    }

    /// Tries to end the path at each anchor that has the right name.
    fn try_anchors(&mut self, chain: &[usize], goal: Goal) -> Result<Option<Path>, Refusal> {
        let Some(top) = chain.last() else { return Ok(None) };
        let bag = self.bag;
        let issuer = &bag.certificates[*top].view.issuer;
        for (index, anchor) in bag.anchors.iter().enumerate() {
            let wanted = match goal {
                Goal::Leaf => true,
                Goal::StatusIssuer { anchor } => anchor == index,
            };
            if !wanted || !self.same(&anchor.name, issuer)? {
                continue;
            }
            let path = Path { certificates: chain.to_vec(), anchor: index };
            match self.complete(&path, goal) {
                Ok(()) => return Ok(Some(path)),
                Err(refusal) => self.refuse(path.certificates, Some(index), refusal)?,
            }
        }
        Ok(None)
    }

    /// Adds the partial paths that are one certificate longer.
    fn extend(
        &mut self,
        nodes: &mut Vec<Node>,
        queue: &mut VecDeque<usize>,
        at: usize,
        chain: Vec<usize>,
    ) -> Result<(), Refusal> {
        let length = nodes[at].length + 1;
        let top = &self.bag.certificates[nodes[at].certificate];
        if length > MAX_INTERMEDIATES + 1 {
            let detail = Detail::Count { found: length - 1, limit: MAX_INTERMEDIATES };
            let refusal = Refusal::new(Rule::DepthExceeded, detail).of(top);
            return self.refuse(chain, None, refusal);
        }
        let candidates = self.candidates(&chain)?;
        if candidates.is_empty() {
            return self.refuse(chain, None, Refusal::from(Rule::NoIssuer).of(top));
        }
        for certificate in candidates {
            queue.push_back(nodes.len());
            nodes.push(Node { certificate, below: Some(at), length });
        }
        Ok(())
    }

    /// The certificates that may have issued the top of `chain`. A name and key that the path holds
    /// already would be a loop.
    fn candidates(&mut self, chain: &[usize]) -> Result<Vec<usize>, Refusal> {
        let Some(top) = chain.last() else { return Ok(Vec::new()) };
        let issuers = self.issuers_of(*top)?;
        let mut candidates = Vec::with_capacity(issuers.len());
        for candidate in issuers.iter() {
            if !self.holds(chain, *candidate)? {
                candidates.push(*candidate);
            }
        }
        Ok(candidates)
    }

    /// Whether a path holds the same name and key: the same CA, whoever signed its certificate.
    fn holds(&mut self, chain: &[usize], candidate: usize) -> Result<bool, Refusal> {
        let candidate = &self.bag.certificates[candidate].view;
        for held in chain {
            let held = &self.bag.certificates[*held].view;
            if held.spki.der == candidate.spki.der
                && self.same(&held.subject, &candidate.subject)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn same(&mut self, a: &NameRef<'_>, b: &NameRef<'_>) -> Result<bool, Refusal> {
        same_name_within(a, b, &mut self.budget)
    }

    /// The certificates with the name of a certificate's issuer: those with the right key identifier
    /// first, those with another last. Found once for each certificate, however many paths reach it.
    fn issuers_of(&mut self, child: usize) -> Result<Rc<[usize]>, Refusal> {
        if let Some(Some(issuers)) = self.issuers.get(child) {
            return Ok(Rc::clone(issuers));
        }
        let bag = self.bag;
        let certificate = &bag.certificates[child];
        let wanted = certificate.known.authority_key_id.and_then(|aki| aki.value.key_id);
        let mut found: Vec<(u8, usize)> = Vec::new();
        for (index, candidate) in bag.certificates.iter().enumerate() {
            if self.same(&candidate.view.subject, &certificate.view.issuer)? {
                let held = candidate.known.subject_key_id.map(|ski| ski.value);
                found.push((key_rank(wanted, held), index));
            }
        }
        found.sort_unstable();
        let issuers: Rc<[usize]> = found.into_iter().map(|(_, index)| index).collect();
        if self.issuers.is_empty() {
            self.issuers.resize(bag.certificates.len(), None);
        }
        self.issuers[child] = Some(Rc::clone(&issuers));
        Ok(issuers)
    }

    /// Remembers a failed attempt; a spent budget ends the whole search.
    fn refuse(
        &mut self,
        certificates: Vec<usize>,
        anchor: Option<usize>,
        refusal: Refusal,
    ) -> Result<(), Refusal> {
        if refusal.rule == Rule::BudgetExceeded {
            return Err(refusal);
        }
        let attempt = Attempt { certificates, anchor, refusal };
        if self.attempts.len() < MAX_ATTEMPTS {
            self.attempts.push(attempt);
            return Ok(());
        }
        self.untold += 1;
        // The last place is for the one that says most of those that find no other.
        if let Some(last) = self.attempts.last_mut()
            && last.tells() < attempt.tells()
        {
            *last = attempt;
        }
        Ok(())
    }

    /// Of all failures the one that says most.
    fn best_refusal(&self, target: usize) -> Refusal {
        // Of equals the first is the shortest path, and `max_by_key` takes the last.
        let best = self.attempts.iter().rev().max_by_key(|attempt| attempt.tells());
        let target = &self.bag.certificates[target];
        best.map_or_else(|| Refusal::from(Rule::NoIssuer).of(target), |best| best.refusal.clone())
    }

    /// Everything that can be judged of a whole path only.
    fn complete(&mut self, path: &Path, goal: Goal) -> Result<(), Refusal> {
        let bag = self.bag;
        let anchor = &bag.anchors[path.anchor];
        self.check_anchor(path).map_err(|refusal| refusal.of(&anchor.certificate))?;
        if let Some(top) = path.certificates.last() {
            self.check_signature(*top, &anchor.spki, None)?;
        }
        self.check_inherited_signatures(path)?;
        let leaf_terms = self.terms;
        let status_terms = self.status_terms();
        let terms = if goal == Goal::Leaf { leaf_terms } else { &status_terms };
        self.check_depth(path, terms)?;
        self.check_name_constraints(path)?;
        let down: Vec<_> =
            path.certificates.iter().rev().map(|index| &bag.certificates[*index]).collect();
        let judged = self.terms.rules.judges_anchors().then_some(&anchor.certificate);
        policy::check(judged, &down, &terms.policy, &mut self.budget)?;
        self.check_rules(path)?;
        if self.mtls.is_some() && goal == Goal::Leaf {
            self.check_strength(path)?;
            self.check_role(path)?;
        }
        self.check_revocation(path)
    }

    /// What [`MtlsPolicy`] wants of every key and signature of a path, the leaf's or that of a signer of
    /// status.
    pub(crate) fn check_strength(&self, path: &Path) -> Result<(), Refusal> {
        for index in &path.certificates {
            let certificate = &self.bag.certificates[*index];
            if checks::has_weak_signature(certificate) {
                return Err(Refusal::from(Rule::MtlsWeakSignature).of(certificate));
            }
            MtlsPolicy::check_key(&certificate.view.spki)
                .map_err(|refusal| refusal.of(certificate))?;
        }
        let anchor = &self.bag.anchors[path.anchor];
        MtlsPolicy::check_key(&anchor.spki).map_err(|r| r.of(&anchor.certificate))
    }

    /// Below other CAs the leaf may have another role, or none.
    fn check_role(&self, path: &Path) -> Result<(), Refusal> {
        let Some(mtls) = self.mtls.filter(|mtls| mtls.roles.asks_for_path()) else { return Ok(()) };
        let leaf = &self.bag.certificates[path.certificates[0]];
        let keys: Vec<_> =
            (1..=path.certificates.len()).map(|at| self.key_at(path, at).der).collect();
        mtls.check_role(leaf, CasAbove::Keys(&keys)).map_err(|refusal| refusal.of(leaf))
    }

    fn check_anchor(&mut self, path: &Path) -> Result<(), Refusal> {
        let anchor = &self.bag.anchors[path.anchor];
        let unreadable = self.bag.unreadable_anchors.iter().find(|(i, _)| *i == path.anchor);
        if !self.terms.rules.judges_anchors() {
            let leaf = unreadable.is_none() && checks::declares_end_entity(anchor);
            return if leaf {
                Err(Rule::AnchorNotCa.into())
            } else {
                checks::key(&anchor.certificate)
            };
        }
        if let Some((_, error)) = unreadable {
            return Err(Refusal::new(Rule::Malformed, Detail::Read(error.clone())));
        }
        let below = self.count_not_self_issued(&path.certificates[1..])?;
        checks::anchor(anchor, below, self.terms)?;
        checks::key(&anchor.certificate)
    }

    /// The signatures by DSA keys without parameters, which could not be verified earlier.
    fn check_inherited_signatures(&mut self, path: &Path) -> Result<(), Refusal> {
        for at in 1..path.certificates.len() {
            let key = self.key_at(path, at);
            if signature::inherits_parameters(key) {
                let source = self.parameters_above(path, at);
                self.check_signature(path.certificates[at - 1], key, source)?;
            }
        }
        Ok(())
    }

    /// The key of a certificate of the path; past its end, the anchor's.
    pub(crate) fn key_at(&self, path: &Path, at: usize) -> &'q SpkiRef<'a> {
        let bag = self.bag;
        match path.certificates.get(at) {
            Some(index) => &bag.certificates[*index].view.spki,
            None => &bag.anchors[path.anchor].spki,
        }
    }

    /// The nearest DSA key above `at` that has parameters, if only DSA keys lie between (RFC 3279
    /// 2.3.2).
    pub(crate) fn parameters_above(&self, path: &Path, at: usize) -> Option<&'q SpkiRef<'a>> {
        (at + 1..=path.certificates.len())
            .map(|at| self.key_at(path, at))
            .take_while(|spki| spki.algorithm.oid == oid::DSA)
            .find(|spki| !signature::inherits_parameters(spki))
    }

    fn check_depth(&mut self, path: &Path, terms: &Terms) -> Result<(), Refusal> {
        let found = self.count_not_self_issued(&path.certificates[1..])?;
        match terms.max_depth {
            Some(limit) if found > limit => {
                Err(Refusal::new(Rule::DepthExceeded, Detail::Count { found, limit }))
            }
            _ => Ok(()),
        }
    }

    /// RFC 5280 6.1.3 (b), (c): from the anchor down; self-issued intermediates are exempt.
    fn check_name_constraints(&mut self, path: &Path) -> Result<(), Refusal> {
        let bag = self.bag;
        let mut constraints = Constraints::default();
        let anchor = &bag.anchors[path.anchor].certificate;
        if self.terms.rules.judges_anchors()
            && let Some(own) = anchor.known.name_constraints
        {
            constraints.add(own, &mut self.budget).map_err(|r| r.of(anchor))?;
        }
        for (at, index) in path.certificates.iter().enumerate().rev() {
            let certificate = &bag.certificates[*index];
            let at_fault = |refusal: Refusal| refusal.of(certificate);
            if at == 0 || !certificate.is_self_issued() {
                constraints.check(certificate, &mut self.budget).map_err(at_fault)?;
            }
            if let Some(own) = certificate.known.name_constraints.filter(|_| at > 0) {
                constraints.add(own, &mut self.budget).map_err(at_fault)?;
            }
        }
        Ok(())
    }

    /// The rules for single certificates, of the certificates of this path only.
    fn check_rules(&mut self, path: &Path) -> Result<(), Refusal> {
        if self.terms.rules != RuleSet::Pkix {
            let certificates = path.certificates.iter().map(|index| &self.bag.certificates[*index]);
            let octets: usize = certificates.map(|certificate| certificate.view.der.len()).sum();
            self.budget.spend(Work::Steps, octets / OF_ONE_STEP)?;
        }
        let found = self.findings_under(path, self.terms.rules);
        found.into_iter().next().map_or(Ok(()), Err)
    }

    /// What a rule set finds in the certificates of a path, leaf first.
    pub(crate) fn findings_under(&self, path: &Path, rules: RuleSet) -> Vec<Refusal> {
        if rules == RuleSet::Pkix {
            return Vec::new();
        }
        let places = path.certificates.iter().enumerate().map(|(at, index)| {
            let place = if at == 0 { Place::Leaf } else { Place::Intermediate };
            (&self.bag.certificates[*index], place)
        });
        let anchor = (&self.bag.anchors[path.anchor].certificate, Place::Anchor);
        places
            .chain([anchor])
            .flat_map(|(certificate, place)| findings(certificate, place, rules))
            .collect()
    }
}

/// How well a key identifier fits the one that is wanted; smaller is better.
fn key_rank(wanted: Option<&[u8]>, held: Option<&[u8]>) -> u8 {
    match (wanted, held) {
        (Some(wanted), Some(held)) if wanted == held => 0,
        (Some(_), Some(_)) => 2,
        _ => 1,
    }
}

/// The certificates of a partial path, the target first.
fn chain(nodes: &[Node], at: usize) -> Vec<usize> {
    let mut chain = Vec::with_capacity(nodes[at].length);
    let mut next = Some(at);
    while let Some(node) = next {
        chain.push(nodes[node].certificate);
        next = nodes[node].below;
    }
    chain.reverse();
    chain
}
