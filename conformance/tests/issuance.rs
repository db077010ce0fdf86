//! What `rustmq-admin` issues, judged for every kind of key by every program that knows it.

use std::path::{Path, PathBuf};

use rustmq_conformance::samples::break_signature;
use rustmq_conformance::{
    Chain, Issued, Judge, Product, Purpose, SampleKey, Verdict, pkilint, require,
};

const BROKER: &str = "broker-01.example.com";
const CONTROLLER: &str = "controller-1.example.com";

/// A root, an intermediate and one certificate of every role, with one kind of key throughout.
struct Fleet {
    product: Product,
    broker: Issued,
    controller: Issued,
    client: Issued,
    admin: Issued,
}

impl Fleet {
    fn issue(key: SampleKey) -> Self {
        let product = Product::with_hierarchy(key);
        let broker_name = format!("dns:{BROKER}");
        Self {
            broker: product.issue("broker-01", "broker", key, &["--san", &broker_name]),
            controller: product.issue(CONTROLLER, "controller", key, &[]),
            client: product.issue("client@company.com", "client", key, &[]),
            admin: product.issue("ops-admin", "admin", key, &[]),
            product,
        }
    }

    /// Every certificate for everything that its role may do.
    fn chains(&self) -> Vec<Chain> {
        vec![
            self.broker.chain(Purpose::Server(BROKER.to_owned())),
            self.broker.chain(Purpose::Client),
            self.controller.chain(Purpose::Server(CONTROLLER.to_owned())),
            self.controller.chain(Purpose::Client),
            self.client.chain(Purpose::Client),
            self.admin.chain(Purpose::Client),
        ]
    }

    /// Chains with one thing wrong each, and what it is.
    fn planted(&self) -> Vec<(&'static str, Chain)> {
        let good = || self.broker.chain(Purpose::Server(BROKER.to_owned()));
        let leaf = Chain { leaf: self.broken("leaf", &good().leaf), ..good() };
        let issuers = vec![self.broken("issuer", &good().issuers[0])];
        let mut lists = good().crls;
        lists[0] = self.broken("list", &lists[0]);
        let client_as_server = self.client.chain(Purpose::Server(BROKER.to_owned()));
        let other_host = self.broker.chain(Purpose::Server("broker-02.example.com".to_owned()));
        vec![
            ("a broken signature of the leaf", leaf),
            ("a broken signature of the intermediate", Chain { issuers, ..good() }),
            ("a broken signature of a list", Chain { crls: lists, ..good() }),
            ("a client's certificate shown by a server", client_as_server),
            ("another host's name", other_host),
        ]
    }

    fn broken(&self, name: &str, original: &Path) -> PathBuf {
        let copy = self.product.path(&format!("broken-{name}.pem"));
        break_signature(original, &copy);
        copy
    }
}

/// Issues a fleet and asks every judge.
fn is_judged(key: SampleKey) {
    let fleet = Fleet::issue(key);
    let good = fleet.chains();
    let good: Vec<&Chain> = good.iter().collect();
    let planted = fleet.planted();
    let bad: Vec<&Chain> = planted.iter().map(|(_, chain)| chain).collect();
    for judge in Judge::OF_PATHS.into_iter().filter(|judge| judge.knows(key)) {
        if !require(judge) {
            continue;
        }
        for (chain, verdict) in good.iter().zip(judge.verify_all(&good)) {
            assert_eq!(verdict, Verdict::Accepted, "{judge:?} on {chain:?}");
        }
        for ((fault, _), verdict) in planted.iter().zip(judge.verify_all(&bad)) {
            assert!(matches!(verdict, Verdict::Refused(_)), "{judge:?} accepted {fault}");
        }
    }
    if require(Judge::Pkilint) {
        assert_eq!(pkilint::verify_together(&good), Verdict::Accepted, "pkilint on {key:?}");
    }
}

#[test]
fn p256_is_judged() {
    is_judged(SampleKey::P256);
}

#[test]
fn p384_is_judged() {
    is_judged(SampleKey::P384);
}

#[test]
fn p521_is_judged() {
    is_judged(SampleKey::P521);
}

#[test]
fn ed25519_is_judged() {
    is_judged(SampleKey::Ed25519);
}

#[test]
fn rsa_2048_is_judged() {
    is_judged(SampleKey::Rsa2048);
}

#[test]
fn rsa_3072_is_judged() {
    is_judged(SampleKey::Rsa3072);
}

#[test]
fn rsa_4096_is_judged() {
    is_judged(SampleKey::Rsa4096);
}

#[test]
fn ml_dsa_44_is_judged() {
    is_judged(SampleKey::MlDsa44);
}

#[test]
fn ml_dsa_65_is_judged() {
    is_judged(SampleKey::MlDsa65);
}

#[test]
fn ml_dsa_87_is_judged() {
    is_judged(SampleKey::MlDsa87);
}

/// Two authorities that call themselves the same do not vouch for each other.
fn strangers_are_refused(key: SampleKey) {
    let server = || Purpose::Server(BROKER.to_owned());
    let issue = || {
        let product = Product::with_hierarchy(key);
        let issued = product.issue(BROKER, "broker", key, &[]);
        (issued.chain(server()), product)
    };
    let (ours, _ours_kept) = issue();
    let (theirs, _theirs_kept) = issue();
    let mixed = [
        ("another root", Chain { root: theirs.root.clone(), ..ours.clone() }),
        ("another intermediate", Chain { issuers: theirs.issuers.clone(), ..ours.clone() }),
        ("another authority's lists", Chain { crls: theirs.crls, ..ours.clone() }),
    ];
    for judge in Judge::OF_PATHS.into_iter().filter(|judge| judge.knows(key)) {
        if !require(judge) {
            continue;
        }
        assert_eq!(judge.verify(&ours), Verdict::Accepted, "{judge:?}");
        for (what, chain) in &mixed {
            let verdict = judge.verify(chain);
            assert!(matches!(verdict, Verdict::Refused(_)), "{judge:?} accepted {what}");
        }
    }
}

#[test]
fn strangers_of_the_same_name_are_refused() {
    strangers_are_refused(SampleKey::P256);
}

#[test]
fn ml_dsa_strangers_of_the_same_name_are_refused() {
    strangers_are_refused(SampleKey::MlDsa65);
}

/// The hierarchies that users grow: keys of several kinds, and an intermediate under another.
#[test]
fn a_deep_hierarchy_of_mixed_keys_is_judged() {
    let product = Product::empty();
    let create = |line: &str| product.ok(line.split(' '));
    create("ca init --cn Root --key-type rsa-3072");
    create("ca intermediate --parent-ca root_ca_1 --cn Region --key-type p384 --path-len 1");
    create("ca intermediate --parent-ca intermediate_ca_1 --cn Cell --key-type ed25519");
    let broker = product.issue_under("intermediate_ca_2", BROKER, "broker", SampleKey::P256, &[]);
    let chain = broker.chain(Purpose::Server(BROKER.to_owned()));
    assert_eq!((chain.issuers.len(), chain.crls.len()), (2, 3));
    for judge in Judge::OF_PATHS.into_iter().chain([Judge::Pkilint]) {
        if require(judge) {
            assert_eq!(judge.verify(&chain), Verdict::Accepted, "{judge:?}");
        }
    }
}
