//! A question and its answer: everything that the decision depends on goes in, nothing else does.

use std::sync::Arc;

use rustmq_pki::read::ReadError;
use rustmq_pki::time::UnixTime;

use crate::certificate::{Anchor, Certificate};
use crate::error::{Detail, Label, Refusal, Rule};
use crate::facts::Facts;
use crate::mtls::MtlsPolicy;
use crate::path::search::{Attempt, Bag, Path, Search};
use crate::path::{ReferenceName, RuleSet, Terms, VerifiedPath};
use crate::revocation::{Crl, OcspResponse, Revocation, StatusPolicy};

/// The most certificates of one question, anchors and those that the peer sent alike. Published
/// bundles of every intermediate that browsers know have some 2,000.
pub(crate) const MAX_CERTIFICATES: usize = 4_096;

/// Is this certificate good for this purpose, on these terms?
#[derive(Clone, Debug)]
pub struct Question<'q> {
    /// The certificate in question, DER.
    pub leaf: &'q [u8],
    /// Certificates that may help to build a path, DER; malformed ones are skipped.
    pub untrusted: &'q [&'q [u8]],
    /// The certificates of the trust anchors, DER; malformed ones are skipped.
    pub anchors: &'q [&'q [u8]],
    /// Revocation lists.
    pub crls: &'q [Crl],
    /// OCSP responses, given or stapled.
    pub ocsp: &'q [OcspResponse],
    /// The nonce that they must repeat, if one was sent.
    pub nonce: Option<&'q [u8]>,
    /// Whether every certificate but the anchor needs a status.
    pub status: StatusPolicy,
    /// For how many seconds after nextUpdate a CRL still counts.
    pub grace: i64,
    /// Time, rules, purpose, depth and policy.
    pub terms: Terms,
    /// The names that the leaf must have, all of them.
    pub names: &'q [ReferenceName],
    /// What mutual TLS asks for beside.
    pub mtls: Option<&'q MtlsPolicy>,
}

impl<'q> Question<'q> {
    /// A question about `leaf` with these anchors, at 1970, with no revocation checked: the caller
    /// sets the rest.
    pub fn new(leaf: &'q [u8], anchors: &'q [&'q [u8]]) -> Self {
        Self {
            leaf,
            untrusted: &[],
            anchors,
            crls: &[],
            ocsp: &[],
            nonce: None,
            status: StatusPolicy::NotChecked,
            grace: 0,
            terms: Terms::default(),
            names: &[],
            mtls: None,
        }
    }

    /// Answers. The work is bounded whatever the certificates are.
    pub fn ask(&self) -> Answer<'q> {
        self.ask_with(Known::default()).0
    }

    /// Answers with the help of what earlier questions found out about signatures. Beside the answer
    /// comes the leaf as it was read, unless what was to be read refused.
    pub(crate) fn ask_with(&self, known: Known<'_>) -> (Answer<'q>, Option<Certificate<'q>>) {
        let mut skipped = Vec::new();
        let mut bag = match self.read(&mut skipped) {
            Ok(bag) => bag,
            Err(refusal) => return (Answer::refused(refusal, skipped), None),
        };
        let revocation = Revocation {
            crls: self.crls,
            ocsp: self.ocsp,
            nonce: self.nonce,
            policy: self.status,
            grace: self.grace,
        };
        let mut search = Search::new(&bag, &self.terms, self.names, &revocation, known.facts);
        search.mtls = self.mtls;
        search.known_leaf_key = known.leaf_key;
        let found = search.leaf_path();
        let result = match &found {
            Ok(path) => {
                let status = (self.status, search.grace_used, search.status_window);
                Ok(NotRevoked::assertion(search.proof(path), status))
            }
            Err(refusal) => Err(refusal.clone()),
        };
        let warnings = match &found {
            Ok(path) if !known.hasty => self.warnings(&search, path),
            _ => Vec::new(),
        };
        let tried = if known.hasty { &[][..] } else { &search.attempts };
        let explanation = Explanation::of(&search, tried, skipped);
        let leaf = bag.certificates.swap_remove(0);
        (Answer { result, warnings, explanation }, Some(leaf))
    }

    /// Under mTLS with the lenient rule set, what section 4 of RFC 5280 would say.
    fn warnings(&self, search: &Search<'_, '_>, path: &Path) -> Vec<Refusal> {
        if self.mtls.is_some() && self.terms.rules == RuleSet::Pkix {
            search.findings_under(path, RuleSet::Rfc5280)
        } else {
            Vec::new()
        }
    }

    fn read(&self, skipped: &mut Vec<Skipped>) -> Result<Bag<'q>, Refusal> {
        let found = self.untrusted.len() + self.anchors.len();
        if found > MAX_CERTIFICATES {
            let detail = Detail::Count { found, limit: MAX_CERTIFICATES };
            return Err(Refusal::new(Rule::TooManyCertificates, detail));
        }
        let mut certificates = Vec::with_capacity(self.untrusted.len() + 1);
        certificates.push(Certificate::read(self.leaf)?);
        for (index, der) in self.untrusted.iter().enumerate() {
            match Certificate::read(der) {
                Ok(certificate) => certificates.push(certificate),
                Err(refusal) => skipped.push(Skipped { source: Source::Untrusted, index, refusal }),
            }
        }
        let mut unreadable_anchors: Vec<(usize, ReadError)> = Vec::new();
        let mut anchors = Vec::with_capacity(self.anchors.len());
        for (index, der) in self.anchors.iter().enumerate() {
            match Anchor::read(der) {
                Ok((anchor, error)) => {
                    unreadable_anchors.extend(error.map(|error| (anchors.len(), error)));
                    anchors.push(anchor);
                }
                Err(refusal) => skipped.push(Skipped { source: Source::Anchor, index, refusal }),
            }
        }
        if anchors.is_empty() {
            return Err(Rule::NoAnchor.into());
        }
        Ok(Bag { certificates, anchors, unreadable_anchors })
    }
}

/// What is known from before about signatures.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Known<'k> {
    /// Facts about intermediates.
    pub(crate) facts: Option<&'k Facts>,
    /// The SubjectPublicKeyInfo under which the leaf's signature was verified.
    pub(crate) leaf_key: Option<&'k [u8]>,
    /// Whether nobody will read warnings and the paths that failed: a handshake shows them to no one.
    pub(crate) hasty: bool,
}

/// A verified path none of whose certificates is revoked, as far as the question asked for it. Only
/// the validator makes one.
#[derive(Clone, Debug)]
pub struct NotRevoked<'a> {
    path: VerifiedPath<'a>,
    status: StatusPolicy,
    grace_used: bool,
    status_window: (UnixTime, UnixTime),
}

impl<'a> NotRevoked<'a> {
    /// The line that vouches for an answer: called by [`Question::ask`] alone.
    fn assertion(
        path: VerifiedPath<'a>,
        (status, grace_used, status_window): (StatusPolicy, bool, (UnixTime, UnixTime)),
    ) -> Self {
        Self { path, status, grace_used, status_window }
    }

    /// The path.
    pub const fn path(&self) -> &VerifiedPath<'a> {
        &self.path
    }

    /// Whether revocation was looked at.
    pub const fn status(&self) -> StatusPolicy {
        self.status
    }

    /// Whether a list counted only because of the grace period after its nextUpdate.
    pub const fn used_grace(&self) -> bool {
        self.grace_used
    }

    /// From when until when the answer holds: while every certificate of the path is valid and
    /// every source of status counts, the grace period included.
    pub fn window(&self) -> (UnixTime, UnixTime) {
        let (from, until) = self.path.window();
        (from.max(self.status_window.0), until.min(self.status_window.1))
    }
}

/// Where a certificate came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// The certificates that may help.
    Untrusted,
    /// The anchors.
    Anchor,
}

/// A certificate that could not be read and was left out.
#[derive(Clone, Debug)]
pub struct Skipped {
    /// Which list it was in.
    pub source: Source,
    /// Where in the list.
    pub index: usize,
    /// Why.
    pub refusal: Refusal,
}

/// A path that was tried in vain.
#[derive(Clone, Debug)]
pub struct TriedPath {
    /// The certificates, the leaf first; the anchor last, if one was reached.
    pub certificates: Vec<Arc<Label>>,
    /// Whether an anchor was reached.
    pub reached_anchor: bool,
    /// Why it failed.
    pub refusal: Refusal,
}

/// How the answer came about.
#[derive(Clone, Debug, Default)]
pub struct Explanation {
    /// The paths that failed, in the order of the search, up to 64: the first, and of all others the one
    /// that says most.
    pub tried: Vec<TriedPath>,
    /// How many others failed.
    pub untold: usize,
    /// What could not be read.
    pub skipped: Vec<Skipped>,
    /// The work done: signature verifications, partial paths, comparisons of names, policy nodes.
    pub work: [u32; 4],
}

impl Explanation {
    fn of(search: &Search<'_, '_>, tried: &[Attempt], skipped: Vec<Skipped>) -> Self {
        let tried = tried.iter().map(|attempt| tried_path(search.bag, attempt)).collect();
        Self { tried, untold: search.untold, skipped, work: search.budget.spent() }
    }
}

fn tried_path(bag: &Bag<'_>, attempt: &Attempt) -> TriedPath {
    let certificates = attempt.certificates.iter().map(|index| &bag.certificates[*index]);
    let anchor = attempt.anchor.map(|index| &bag.anchors[index].certificate);
    TriedPath {
        certificates: certificates.chain(anchor).map(|c| Arc::clone(c.label())).collect(),
        reached_anchor: attempt.anchor.is_some(),
        refusal: attempt.refusal.clone(),
    }
}

/// The answer to a question.
#[derive(Clone, Debug)]
pub struct Answer<'a> {
    /// The proof, or the refusal that says most.
    pub result: Result<NotRevoked<'a>, Refusal>,
    /// What does not refuse but should be mended.
    pub warnings: Vec<Refusal>,
    /// How it came about.
    pub explanation: Explanation,
}

impl Answer<'_> {
    fn refused(refusal: Refusal, skipped: Vec<Skipped>) -> Self {
        let explanation = Explanation { skipped, ..Explanation::default() };
        Self { result: Err(refusal), warnings: Vec::new(), explanation }
    }
}
