//! Path building and name constraints in the shape of the public BetterTLS suites: graphs of CAs of
//! which some edges are bad, and every combination of names and constraints. What is expected
//! follows from how a case was put together, not from a validator.

mod building;
mod constraints;

use rustmq_conformance::forge::{
    Aki, Certificate, Extension, GeneralName, KeyKind, Name, key, usage,
};
use rustmq_pki::oid;

use crate::case::{Case, PolicyInputs, Purpose, Question, Reference};
use crate::generate::NOW;

/// Somebody with a name and a key: the number of the key, which is the name's too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Entity(usize);

impl Entity {
    fn name(self) -> Name {
        Name::empty()
            .with(oid::ORGANIZATION, "Better")
            .with(oid::COMMON_NAME, &format!("Entity {}", self.0))
    }

    fn key(self) -> &'static rustmq_conformance::forge::Key {
        key(KeyKind::P256, 5_000 + self.0)
    }
}

/// A certificate as RFC 5280 section 4 wants it, of a CA or of a leaf.
fn certificate(issuer: Entity, subject: Entity, ca: bool) -> Certificate {
    let mut made = Certificate::new(issuer.name(), subject.name(), subject.key().spki());
    let usages = if ca { usage::KEY_CERT_SIGN | usage::CRL_SIGN } else { usage::DIGITAL_SIGNATURE };
    let aki = Aki { key_id: Some(issuer.key().id()), issuer: None };
    made.extensions = vec![
        Extension::basic_constraints(ca, None),
        Extension::key_usage(usages),
        Extension::subject_key_id(&subject.key().id()),
        Extension::authority_key_id(&aki),
    ];
    if !ca {
        made.extensions.push(Extension::extended_key_usage(&[oid::SERVER_AUTH]));
    }
    made
}

fn question(name: Reference) -> Question {
    Question {
        at: NOW,
        purpose: Purpose::Server,
        names: vec![name],
        policy: PolicyInputs::default(),
        max_depth: None,
        revocation: false,
    }
}

/// Cases whose answer was not the expected one, in words.
#[derive(Default)]
struct Wrong {
    asked: usize,
    wrong: Vec<String>,
}

impl Wrong {
    fn check(&mut self, case: &Case, expected: bool, found: &crate::oracle::Verdict) {
        self.asked += 1;
        if found.is_valid() != expected {
            let folder = if self.wrong.len() < 5 { case.dump() } else { "-".into() };
            self.wrong.push(format!(
                "{}: expected {expected}, found {found:?}, see {}\n",
                case.id,
                folder.display()
            ));
        }
    }

    /// Every answer was right, and there were as many as there should be.
    fn none_of(self, at_least: usize) {
        let shown: String = self.wrong.iter().take(10).map(String::as_str).collect();
        assert!(self.wrong.is_empty(), "{} of {} wrong:\n{shown}", self.wrong.len(), self.asked);
        assert!(self.asked >= at_least, "{} cases are fewer than {at_least}", self.asked);
    }
}

/// A leaf for `www.good.test`.
fn plain_leaf(issuer: Entity, subject: Entity) -> Certificate {
    let mut leaf = certificate(issuer, subject, false);
    let names = [GeneralName::Dns("www.good.test".to_owned())];
    leaf.extensions.push(Extension::subject_alt_name(&names));
    leaf
}
