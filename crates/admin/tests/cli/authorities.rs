//! `ca ...`: ids, hierarchy, files, renewal, revocation, retirement.

use std::fs;

use crate::workbench::{Run, Workbench, openssl, text};

fn under(bench: &Workbench, parent: &str, cn: &str, more: &[&str]) -> serde_json::Value {
    bench.json(&[&["ca", "intermediate", "--parent-ca", parent, "--cn", cn], more].concat())
}

#[test]
fn ids_are_short_and_predictable() {
    let bench = Workbench::new();
    let root = |cn: &str| bench.json(&["ca", "init", "--cn", cn])["id"].clone();
    assert_eq!(root("A"), "root_ca_1");
    assert_eq!(root("B"), "root_ca_2");
    for (cn, id) in [
        ("Production CA", "prod_ca_1"),
        ("Second Production CA", "prod_ca_2"),
        ("Staging CA", "staging_ca_1"),
        ("Development CA", "dev_ca_1"),
        ("Team CA", "intermediate_ca_1"),
    ] {
        assert_eq!(under(&bench, "root_ca_1", cn, &[])["id"], id);
    }
    assert_eq!(under(&bench, "root_ca_2", "Own", &["--id", "mine"])["id"], "mine");
}

#[test]
fn an_idempotency_key_makes_a_ca_once() {
    let bench = Workbench::new();
    let init = ["ca", "init", "--cn", "R", "--idempotency-key", "setup"];
    let first = bench.json(&init);
    let again = bench.json(&init);
    assert_eq!((&again["id"], &again["serial"]), (&first["id"], &first["serial"]));
    assert_eq!((&first["replayed"], &again["replayed"]), (&false.into(), &true.into()));
    let other = ["ca", "init", "--cn", "S", "--idempotency-key", "setup"];
    bench.run(&other).refused(1, &["setup", "another request"]);
    assert_eq!(bench.json(&["ca", "list"])["cas"].as_array().unwrap().len(), 1);
}

#[test]
fn a_ca_is_found_by_id_name_and_fingerprint() {
    let bench = Workbench::with_hierarchy();
    let by_id = bench.json(&["ca", "info", "prod_ca_1"]);
    let fingerprint = text(&by_id["fingerprint"]).to_owned();
    assert_eq!(by_id["common_name"], "Production CA");
    assert_eq!(by_id["parent_id"], "root_ca_1");
    assert_eq!(by_id["path_len"], 0);
    for name in ["Production CA", &fingerprint[..12], &fingerprint] {
        assert_eq!(bench.json(&["ca", "info", "--ca-id", name])["id"], "prod_ca_1", "{name}");
    }
}

#[test]
fn subjects_hold_what_was_asked_and_are_not_inherited() {
    let bench = Workbench::new();
    let flags = ["--org", "Org", "--org-unit", "Unit", "--country", "de", "--locality", "Ulm"];
    let root = bench.json(&[&["ca", "init", "--cn", "R"][..], &flags].concat());
    for part in ["CN=R", "O=Org", "OU=Unit", "C=DE", "L=Ulm"] {
        assert!(text(&root["subject"]).contains(part), "{part}: {}", root["subject"]);
    }
    assert_eq!(under(&bench, "root_ca_1", "Production CA", &[])["subject"], "CN=Production CA");
}

#[test]
fn every_key_type_makes_a_ca_that_issues() {
    let bench = Workbench::new();
    bench.ok(&["ca", "init", "--cn", "R", "--key-type", "p384"]);
    for (nth, key_type) in ["p256", "p521", "ed25519", "rsa-2048", "ml-dsa-44"].iter().enumerate() {
        let ca = under(&bench, "root_ca_1", &format!("CA {nth}"), &["--key-type", key_type]);
        assert_eq!(ca["key_type"], *key_type);
        let issue = ["certs", "issue", "--role", "client", "--ca-id", text(&ca["id"])];
        let principal = format!("app-{nth}");
        let issued = bench
            .json(&[&issue[..], &["--principal", &principal, "--key-type", key_type]].concat());
        assert_eq!(issued["key_type"], *key_type);
    }
}

#[test]
fn an_address_and_a_trust_domain_are_taken_from_the_issuer_and_said() {
    let bench = Workbench::new();
    let url = ["--base-url", "http://pki.example/x", "--trust-domain", "prod.example"];
    bench.ok(&[&["ca", "init", "--cn", "R"][..], &url].concat());
    let run =
        bench.ok(&["ca", "intermediate", "--parent-ca", "root_ca_1", "--cn", "Production CA"]);
    assert!(run.stderr.contains("http://pki.example/x"), "{}", run.stderr);
    let issued = bench.broker("broker-01");
    let sans: Vec<_> = issued["sans"].as_array().unwrap().iter().map(text).collect();
    assert_eq!(sans, ["DNS:broker-01", "URI:spiffe://prod.example/broker/broker-01"]);
    let leaf = bench.path("broker-01/tls.crt");
    let shown = openssl(&["x509", "-in", leaf.to_str().unwrap(), "-noout", "-text"]).unwrap();
    assert!(shown.contains("http://pki.example/x/crl/prod_ca_1.crl"), "{shown}");
    let none = under(&bench, "root_ca_1", "Bare", &["--base-url", "none"]);
    assert!(none["base_url"].is_null());
}

#[test]
fn export_writes_one_certificate_or_the_chain() {
    let bench = Workbench::with_hierarchy();
    bench.ok(&["ca", "export", "--ca-id", "prod_ca_1", "--output", "ca.crt"]);
    bench.ok(&["ca", "export", "prod_ca_1", "--chain", "-o", "chain.crt"]);
    bench.ok(&["--encoding", "der", "ca", "export", "prod_ca_1", "-o", "ca.der"]);
    let count = |name: &str| {
        let pem = fs::read_to_string(bench.path(name)).unwrap();
        pem.matches("BEGIN CERTIFICATE").count()
    };
    assert_eq!((count("ca.crt"), count("chain.crt")), (1, 2));
    assert_eq!(fs::read(bench.path("ca.der")).unwrap()[0], 0x30);
    let piped = bench.ok(&["ca", "export", "prod_ca_1", "--output", "-"]);
    assert_eq!(piped.stdout, fs::read_to_string(bench.path("ca.crt")).unwrap());
    bench
        .run(&["ca", "export", "prod_ca_1", "-o", "ca.crt"])
        .refused(6, &["ca.crt exists", "--force"]);
    bench.ok(&["ca", "export", "prod_ca_1", "-o", "ca.crt", "--force"]);
    bench
        .run(&["ca", "export", "prod_ca_1", "--chain", "--encoding", "der", "-o", "x"])
        .refused(2, &["a DER file holds one certificate"]);
}

#[test]
fn a_crl_takes_the_place_of_an_older_one_and_of_nothing_else() {
    let bench = Workbench::with_hierarchy();
    let crl = |more: &[&str]| {
        bench.json(&[&["ca", "crl", "--ca-id", "prod_ca_1", "--output", "prod.crl"], more].concat())
    };
    let first = crl(&[])["number"].as_u64().unwrap();
    let second = crl(&[])["number"].as_u64().unwrap();
    assert!(second > first);
    let kept = crl(&["--refresh-before", "1"]);
    assert_eq!((kept["number"].as_u64(), &kept["signed"]), (Some(second), &false.into()));
    let renewed = crl(&["--refresh-before", "30"]);
    assert!(renewed["number"].as_u64().unwrap() > second);
    bench.write("precious.txt", "not a CRL");
    let onto = ["ca", "crl", "--ca-id", "prod_ca_1", "--output", "precious.txt"];
    bench.run(&onto).refused(6, &["precious.txt exists"]);
    assert_eq!(fs::read_to_string(bench.path("precious.txt")).unwrap(), "not a CRL");
    let other = ["ca", "crl", "--ca-id", "root_ca_1", "--output", "prod.crl"];
    bench.run(&other).refused(6, &["prod.crl exists"]);
    bench.ok(&[&other[..], &["--force"]].concat());
    bench.ok(&["ca", "crl", "root_ca_1", "--output", "prod.crl", "--encoding", "der"]);
    bench.ok(&["ca", "crl", "root_ca_1", "--output", "prod.crl"]);
}

#[test]
fn an_unchanged_list_is_written_without_the_passphrase() {
    let bench = Workbench::with_hierarchy();
    bench.broker("broker-01");
    let mut command = bench.bare();
    command.args(["ca", "crl", "--ca-id", "prod_ca_1", "--refresh-before", "1", "--output", "c"]);
    let run = Run::of(&mut command);
    assert_eq!(run.code, 0, "{}", run.stderr);
}

#[test]
fn the_tree_draws_hierarchy_counts_and_what_is_left() {
    let bench = Workbench::with_hierarchy();
    under(&bench, "root_ca_1", "Staging CA", &["--validity-days", "10"]);
    bench.broker("broker-01");
    bench.broker("broker-02");
    let tree = bench.ok(&["ca", "tree"]).stdout;
    let lines: Vec<_> = tree.lines().collect();
    assert!(lines[0].starts_with("RustMQ Root CA (root_ca_1)"), "{tree}");
    assert!(lines[0].contains("10 y left"), "{tree}");
    assert!(lines[1].starts_with("├── Production CA (prod_ca_1)"), "{tree}");
    assert!(lines[1].contains("2 active"), "{tree}");
    assert!(lines[2].starts_with("│   └── broker"), "{tree}");
    assert!(lines[2].ends_with('2'), "{tree}");
    assert!(lines[3].starts_with("└── Staging CA (staging_ca_1)"), "{tree}");
    let json = bench.json(&["ca", "tree"]);
    assert_eq!(json["roots"][0]["id"], "root_ca_1");
    let prod = &json["roots"][0]["children"][0];
    assert_eq!(prod["id"], "prod_ca_1");
    let info = bench.json(&["ca", "info", "prod_ca_1"]);
    for key in info.as_object().unwrap().keys() {
        assert_eq!(prod[key], info[key], "{key}");
    }
}

#[test]
fn a_retired_ca_signs_lists_and_nothing_else() {
    let bench = Workbench::with_hierarchy();
    let dry = bench.json(&["ca", "retire", "prod_ca_1", "--dry-run"]);
    assert_eq!(dry["dry_run"], true);
    bench.broker("broker-01");
    bench.ok(&["ca", "retire", "prod_ca_1"]);
    assert_eq!(bench.json(&["ca", "info", "prod_ca_1"])["status"], "retired");
    bench
        .run(&["certs", "issue", "--principal", "b2", "--role", "broker", "--ca-id", "prod_ca_1"])
        .refused(1, &["prod_ca_1 is retired"]);
    assert!(!bench.path("b2").exists());
    bench.ok(&["ca", "crl", "--ca-id", "prod_ca_1", "--output", "prod.crl"]);
}

#[test]
fn a_revoked_ca_stands_on_its_issuers_list_and_issues_no_more() {
    let bench = Workbench::with_hierarchy();
    bench.json(&["ca", "revoke", "prod_ca_1", "--dry-run"]);
    assert_eq!(bench.json(&["ca", "info", "prod_ca_1"])["status"], "active");
    let revoked = bench.json(&["ca", "revoke", "prod_ca_1", "--reason", "ca-compromise"]);
    assert_eq!(revoked["crl"]["ca_id"], "root_ca_1");
    assert_eq!(revoked["crl"]["revoked"], 1);
    assert_eq!(revoked["certificates"][0]["status"], "revoked");
    bench
        .run(&["certs", "issue", "--principal", "b2", "--role", "broker", "--ca-id", "prod_ca_1"])
        .refused(1, &["prod_ca_1", "revoked"]);
    bench.run(&["ca", "revoke", "root_ca_1"]).refused(1, &["root_ca_1 is a root"]);
}

#[test]
fn renewing_keeps_id_and_key_and_rekeying_makes_a_successor() {
    let bench = Workbench::with_hierarchy();
    bench.broker("broker-01");
    let before = bench.json(&["ca", "info", "prod_ca_1"]);
    let renewed = bench.json(&["ca", "renew", "prod_ca_1"]);
    assert_eq!(renewed["id"], "prod_ca_1");
    assert_ne!(renewed["serial"], before["serial"]);
    let (ca, leaf) = (bench.path("renewed.crt"), bench.path("broker-01/tls.crt"));
    bench.ok(&["ca", "export", "prod_ca_1", "--output", "renewed.crt"]);
    let root = bench.path("broker-01/root.crt");
    let verify = ["verify", "-x509_strict", "-CAfile", root.to_str().unwrap(), "-untrusted"];
    let files = [ca.to_str().unwrap(), leaf.to_str().unwrap()];
    assert!(openssl(&[&verify[..], &files].concat()).is_some(), "old leaves stand on the new one");
    assert_eq!(bench.json(&["ca", "renew", "prod_ca_1", "--rekey"])["id"], "prod_ca_2");
    bench.run(&["ca", "renew", "prod_ca_1", "--id", "x"]).refused(2, &["--rekey"]);
}

/// One octet of another CA's stored key has changed, and its list is due.
#[test]
fn a_list_is_written_whatever_becomes_of_another_cas() {
    let bench = Workbench::with_hierarchy();
    under(&bench, "root_ca_1", "Staging CA", &[]);
    bench.broker("b1.example");
    let store = rusqlite::Connection::open(bench.data().join("authority.db")).unwrap();
    let key = "cast(substr(encrypted, 1, length(encrypted) - 1) || x'00' AS BLOB)";
    let damage = format!("UPDATE authority_key SET encrypted = {key} WHERE authority = 3");
    assert_eq!(store.execute(&damage, []).unwrap(), 1);
    store.execute("UPDATE authority SET revision = revision + 1 WHERE number = 3", []).unwrap();
    drop(store);
    let told = |run: &Run| assert!(run.stderr.contains("staging_ca_1"), "{}", run.stderr);
    told(&bench.ok(&["ca", "crl", "prod_ca_1", "--output", "prod.crl"]));
    assert!(bench.path("prod.crl").exists());
    let revoked = bench.ok(&["certs", "revoke", "cert-4"]);
    told(&revoked);
    assert!(revoked.stdout.contains("by prod_ca_1"), "{}", revoked.stdout);
    told(&bench.ok(&["certs", "batch-revoke", "--ca-id", "prod_ca_1"]));
}
