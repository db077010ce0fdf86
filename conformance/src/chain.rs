//! What a judge is shown, and what it says.

use std::path::{Path, PathBuf};

/// A certificate with all that is needed to judge it; every file holds one PEM object.
#[derive(Clone, Debug)]
pub struct Chain {
    /// The certificate that is judged.
    pub leaf: PathBuf,
    /// The authorities between leaf and root, the leaf's issuer first.
    pub issuers: Vec<PathBuf>,
    /// The trust anchor.
    pub root: PathBuf,
    /// A revocation list of every authority in the chain; with none, nobody asks about revocation.
    pub crls: Vec<PathBuf>,
    /// What the leaf is shown for.
    pub purpose: Purpose,
}

/// The side of a TLS connection that shows the leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A server under this DNS name.
    Server(String),
    /// A client, of whom no name is expected.
    Client,
}

impl Purpose {
    /// `server` or `client`, as the judges' command lines have it.
    pub fn side(&self) -> &'static str {
        match self {
            Self::Server(_) => "server",
            Self::Client => "client",
        }
    }

    /// The DNS name that the leaf must have.
    pub fn hostname(&self) -> Option<&str> {
        match self {
            Self::Server(name) => Some(name),
            Self::Client => None,
        }
    }
}

/// What a judge says of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The chain holds.
    Accepted,
    /// It does not, in the judge's own words.
    Refused(String),
}

impl Verdict {
    /// Reads one line for each chain, `OK` or `REFUSED: reason`: the answer of the judges in `judges/`.
    ///
    /// # Panics
    /// On anything else: a judge that crashed gave no verdict.
    pub(crate) fn from_answer(answer: &str, chains: usize) -> Vec<Self> {
        let verdict = |line: &str| match line.split_once("REFUSED:") {
            Some(("", reason)) => Self::Refused(reason.trim().to_owned()),
            None if line == "OK" => Self::Accepted,
            _ => panic!("no verdict: {answer}"),
        };
        let verdicts: Vec<Self> = answer.lines().map(verdict).collect();
        assert_eq!(verdicts.len(), chains, "one verdict a chain: {answer}");
        verdicts
    }
}

impl Chain {
    /// The authorities from the leaf's issuer to the root.
    pub fn authorities(&self) -> impl Iterator<Item = &Path> {
        self.issuers.iter().chain([&self.root]).map(PathBuf::as_path)
    }

    /// Several chains as flags, with a flag `next` between them.
    pub(crate) fn flags_of(chains: &[&Self], dash: &str) -> Vec<String> {
        let mut flags = Vec::new();
        for chain in chains {
            if !flags.is_empty() {
                flags.push(format!("{dash}next"));
            }
            flags.extend(chain.flags(dash));
        }
        flags
    }

    /// The chain as flags, each written behind `dash`: root, leaf, issuers, lists, purpose, host.
    pub(crate) fn flags(&self, dash: &str) -> Vec<String> {
        let file = |flag: &str, path: &Path| [format!("{dash}{flag}"), path.display().to_string()];
        let mut flags: Vec<String> = file("root", &self.root).into();
        flags.extend(file("leaf", &self.leaf));
        flags.extend(self.issuers.iter().flat_map(|path| file("issuer", path)));
        flags.extend(self.crls.iter().flat_map(|path| file("crl", path)));
        flags.extend([format!("{dash}purpose"), self.purpose.side().to_owned()]);
        if let Some(name) = self.purpose.hostname() {
            flags.extend([format!("{dash}host"), name.to_owned()]);
        }
        flags
    }
}
