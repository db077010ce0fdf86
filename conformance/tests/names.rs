//! Names and addresses of all kinds in what is issued, as other people's programs read them.

use rustmq_conformance::{Chain, Issued, Judge, Product, Purpose, SampleKey, Verdict, require};

/// Where lists and issuers are to be found; nothing is fetched from there.
const BASE: &str = "--base-url http://pki.example/";

/// A root and an intermediate with these further flags on both.
fn hierarchy(more: &str) -> Product {
    let product = Product::empty();
    let create = |line: String| product.ok(line.split(' '));
    create(format!("ca init --cn Root --org Org --country DE {more}"));
    create(format!("ca intermediate --parent-ca root_ca_1 --cn Production {more}"));
    product
}

fn broker(product: &Product, principal: &str, names: &[&str]) -> Issued {
    let flags: Vec<&str> = names.iter().flat_map(|name| ["--san", name]).collect();
    product.issue(principal, "broker", SampleKey::P256, &flags)
}

fn served_as(issued: &Issued, host: &str) -> Chain {
    issued.chain(Purpose::Server(host.to_owned()))
}

/// Asserts a verdict of every one of these judges that is here.
fn expect(judges: impl IntoIterator<Item = Judge>, chain: &Chain, accepted: bool) {
    for judge in judges.into_iter().filter(|judge| require(*judge)) {
        let verdict = judge.verify(chain);
        assert_eq!(verdict == Verdict::Accepted, accepted, "{judge:?}: {verdict:?}");
    }
}

fn everybody() -> impl Iterator<Item = Judge> {
    Judge::OF_PATHS.into_iter().chain([Judge::Pkilint])
}

#[test]
fn status_addresses_and_many_names_are_judged() {
    let product = hierarchy(BASE);
    let names = ["dns:broker-01.example.com", "dns:b1", "ip:192.0.2.1", "ip:2001:db8::1"];
    let issued = broker(&product, "broker-01", &names);
    expect(everybody(), &served_as(&issued, "broker-01.example.com"), true);
    expect(Judge::OF_PATHS, &served_as(&issued, "broker-01"), false);
}

#[test]
fn names_beyond_ascii_are_judged() {
    let product = hierarchy(BASE);
    let issued = broker(&product, "Zo\u{eb}", &["dns:b\u{fc}cher.example"]);
    expect(everybody(), &served_as(&issued, "xn--bcher-kva.example"), true);
}

/// A wildcard stands for one label. RFC 5280 leaves wildcards to those who use them, and pkilint's
/// reading of its name syntax has no room for them, so it is not asked.
#[test]
fn a_wildcard_is_one_label_to_everybody() {
    let product = hierarchy(BASE);
    let issued = broker(&product, "fleet", &["dns:*.brokers.example.com"]);
    expect(Judge::OF_PATHS, &served_as(&issued, "b1.brokers.example.com"), true);
    expect(Judge::OF_PATHS, &served_as(&issued, "brokers.example.com"), false);
    expect(Judge::OF_PATHS, &served_as(&issued, "rack.b1.brokers.example.com"), false);
}

/// A single-label host name and a workload identity are pkilint's two false positives, and the reason
/// why they are on its list.
#[test]
fn fleet_names_are_judged() {
    let product = hierarchy("--trust-domain fleet.example");
    let chain = served_as(&broker(&product, "broker-01", &[]), "broker-01");
    expect(everybody().filter(|judge| *judge != Judge::Python), &chain, true);
    // Python's library implements constraints on DNS names and addresses alone, and refuses a critical
    // constraint on URIs once a URI meets it, as RFC 5280 4.2.1.10 demands of it.
    if require(Judge::Python) {
        let Verdict::Refused(reason) = Judge::Python.verify(&chain) else {
            panic!("Python's library learnt constraints on URIs: expect its acceptance");
        };
        assert!(reason.contains("unsupported name constraint"), "{reason}");
    }
}

/// Its common name, with a blank in it, is all that such a client is called.
#[test]
fn a_client_without_alternative_names_is_judged() {
    let product = hierarchy(BASE);
    let client = product.issue("app 7", "client", SampleKey::P256, &["--org", "Org"]);
    expect(everybody(), &client.chain(Purpose::Client), true);
}
