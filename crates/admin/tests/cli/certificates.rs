//! `certs ...` after issuing: list, info, renew, rotate, revoke, sign, export.

use std::fs;

use crate::workbench::{Workbench, openssl, text};

fn ids(list: &serde_json::Value) -> Vec<&str> {
    list["certificates"].as_array().unwrap().iter().map(|c| text(&c["id"])).collect()
}

#[test]
fn the_list_is_narrowed_by_each_flag() {
    let bench = Workbench::with_hierarchy();
    let broker = bench.broker("broker-01");
    let client = ["certs", "issue", "--principal", "app", "--role", "client", "--ca-id"];
    let short = ["prod_ca_1", "--validity-days", "5"];
    let client = bench.json(&[&client[..], &short].concat());
    bench.ok(&["certs", "revoke", text(&broker["id"])]);
    let (broker, client) = (text(&broker["id"]), text(&client["id"]));
    let list = |flags: &[&str]| {
        let list = bench.json(&[&["certs", "list"], flags].concat());
        ids(&list).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(list(&["--principal", "app"]), [client]);
    assert_eq!(list(&["--role", "broker"]), [broker]);
    assert_eq!(list(&["--status", "revoked"]), [broker]);
    assert_eq!(list(&["--expiring-within", "6"]), [client]);
    assert!(list(&["--expiring-within", "4"]).is_empty());
    assert_eq!(list(&["--ca-id", "Production CA", "--role", "client"]), [client]);
    assert!(list(&["--ca-id", "root_ca_1", "--role", "client"]).is_empty());
    assert_eq!(list(&["--role", "intermediate-ca"]).len(), 1);
}

#[test]
fn info_finds_a_certificate_by_id_and_by_serial_number() {
    let bench = Workbench::with_hierarchy();
    let issued = bench.broker("broker-01");
    let by_id = bench.json(&["certs", "info", text(&issued["id"])]);
    let by_serial = bench.json(&["certs", "info", text(&issued["serial"])]);
    assert_eq!(by_id, by_serial);
    let pairs: Vec<_> = text(&issued["serial"]).as_bytes().chunks(2).collect();
    let colons = String::from_utf8(pairs.join(&b':')).unwrap().to_uppercase();
    assert_eq!(bench.json(&["certs", "info", &colons]), by_id, "as other programs write it");
    for key in ["id", "serial", "fingerprint", "not_before", "not_after", "sans", "role"] {
        assert_eq!(by_id[key], issued[key], "{key}");
    }
    let leaf = bench.path("broker-01/tls.crt");
    let leaf = leaf.to_str().unwrap();
    let serial = openssl(&["x509", "-in", leaf, "-noout", "-serial"]).unwrap();
    assert_eq!(serial.trim().to_lowercase(), format!("serial={}", text(&issued["serial"])));
    let sha256 = openssl(&["x509", "-in", leaf, "-noout", "-fingerprint", "-sha256"]).unwrap();
    let sha256 = sha256.trim().split('=').nth(1).unwrap().replace(':', "").to_lowercase();
    assert_eq!(sha256, text(&issued["fingerprint"]));
}

#[test]
fn a_renewal_has_a_new_key_and_leaves_the_old_certificate_alone() {
    let bench = Workbench::with_hierarchy();
    let old = bench.broker("broker-01");
    let before = fs::read(bench.path("broker-01/tls.crt")).unwrap();
    let renewed = bench.json(&["certs", "renew", text(&old["id"])]);
    assert_eq!(renewed["sans"], old["sans"]);
    assert_eq!(renewed["directory"], "broker-01~2");
    assert_ne!(renewed["serial"], old["serial"]);
    assert_eq!(fs::read(bench.path("broker-01/tls.crt")).unwrap(), before);
    let key = |dir: &str| fs::read(bench.path(dir).join("tls.key")).unwrap();
    assert_ne!(key("broker-01"), key("broker-01~2"));
    assert_eq!(bench.json(&["certs", "info", text(&old["id"])])["status"], "active");
}

#[test]
fn the_same_key_is_kept_when_asked_and_refused_after_a_compromise() {
    let bench = Workbench::with_hierarchy();
    let old = bench.broker("broker-01");
    let id = text(&old["id"]);
    bench.ok(&["certs", "renew", id, "--same-key", "--output-dir", "again"]);
    assert_eq!(bench.files("again"), ["ca.crt", "crl.pem", "root.crt", "tls.crt"]);
    let public = |dir: &str| {
        let leaf = bench.path(dir).join("tls.crt");
        openssl(&["x509", "-in", leaf.to_str().unwrap(), "-noout", "-pubkey"]).unwrap()
    };
    assert_eq!(public("broker-01"), public("again"));
    bench.ok(&["certs", "revoke", id, "--reason", "key-compromise"]);
    bench
        .run(&["certs", "renew", id, "--same-key", "--output-dir", "third"])
        .refused(1, &["keyCompromise"]);
    assert!(!bench.path("third").exists());
}

#[test]
fn a_rotation_supersedes_the_old_certificate_when_its_overlap_ends() {
    let bench = Workbench::with_hierarchy();
    let old = bench.broker("broker-01");
    let id = text(&old["id"]);
    let dry = bench.json(&["certs", "rotate", id, "--dry-run"]);
    assert_eq!(dry["dry_run"], true);
    assert!(dry["supersede_at"].is_string(), "{dry}");
    assert_eq!(bench.certificates().iter().filter(|c| c["role"] == "broker").count(), 1);
    let rotated = bench.json(&["certs", "rotate", id, "--overlap", "0"]);
    assert_eq!(rotated["renews"], *id);
    bench.ok(&["ca", "crl", "--ca-id", "prod_ca_1"]);
    assert_eq!(bench.json(&["certs", "info", id])["status"], "superseded");
    let later = bench.json(&["certs", "rotate", text(&rotated["id"])]);
    let waiting = bench.json(&["certs", "info", text(&rotated["id"])]);
    assert_eq!(waiting["status"], "active");
    assert!(waiting["supersede_at"].is_string());
    assert_eq!(later["status"], "active");
}

#[test]
fn a_hold_is_released_and_a_revocation_is_not() {
    let bench = Workbench::with_hierarchy();
    let issued = bench.broker("broker-01");
    let id = text(&issued["id"]);
    let dry = bench.json(&["certs", "revoke", id, "--dry-run"]);
    assert_eq!((&dry["dry_run"], &dry["status"]), (&true.into(), &"active".into()));
    let reason = ["--reason", "key-compromise", "--dry-run"];
    let dry = bench.json(&[&["certs", "revoke", id][..], &reason].concat())["planned"].clone();
    assert_eq!((&dry["status"], &dry["reason"]), (&"revoked".into(), &"keyCompromise".into()));
    let shown = bench.ok(&[&["certs", "revoke", id][..], &reason].concat()).stdout;
    assert!(shown.contains("revoked (keyCompromise)"), "{shown}");
    let shown = bench.ok(&[&["ca", "revoke", "prod_ca_1"][..], &reason].concat()).stdout;
    assert!(shown.contains("revoked (keyCompromise)"), "{shown}");
    let held = bench.json(&["certs", "revoke", id, "--reason", "certificate-hold"]);
    assert_eq!(held["status"], "on-hold");
    assert_eq!(held["crl"]["revoked"], 1);
    let released = bench.json(&["certs", "unrevoke", id]);
    assert_eq!(released["status"], "active");
    assert_eq!(released["crl"]["revoked"], 0);
    let when = "2026-01-01T00:00:00Z";
    let revoked = bench.json(&["certs", "revoke", id, "--invalidity-date", when]);
    assert_eq!(revoked["status"], "revoked");
    assert_eq!(revoked["invalidity_date"], when);
    bench.run(&["certs", "unrevoke", id]).refused(1, &["not on hold"]);
    bench.run(&["certs", "revoke", id]).refused(1, &["was revoked at"]);
}

#[test]
fn a_request_is_signed_for_its_own_key() {
    let bench = Workbench::with_hierarchy();
    let (key, csr) = (bench.path("own.key"), bench.path("own.csr"));
    let new = ["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"];
    let names = ["-subj", "/CN=app.example", "-addext", "subjectAltName=DNS:app.example"];
    let files = ["-keyout", key.to_str().unwrap(), "-out", csr.to_str().unwrap()];
    openssl(&[&new[..], &names, &files].concat()).unwrap();
    let sign = ["certs", "sign", "--csr", "own.csr", "--ca-id", "prod_ca_1", "--role", "client"];
    let signed = bench.json(&sign);
    assert_eq!((&signed["principal"], &signed["role"]), (&"app.example".into(), &"client".into()));
    assert_eq!(bench.files("app.example"), ["ca.crt", "crl.pem", "root.crt", "tls.crt"]);
    let leaf = bench.path("app.example/tls.crt");
    let certified = openssl(&["x509", "-in", leaf.to_str().unwrap(), "-noout", "-pubkey"]);
    assert_eq!(certified, openssl(&["pkey", "-in", key.to_str().unwrap(), "-pubout"]));
    let other = [&sign[..], &["--principal", "someone-else", "--output-dir", "x"]].concat();
    bench.run(&other).refused(1, &["app.example"]);
    assert!(!bench.path("x").exists());
}

#[test]
fn one_certificate_is_exported_with_or_without_its_chain() {
    let bench = Workbench::with_hierarchy();
    let issued = bench.broker("broker-01");
    let id = text(&issued["id"]);
    bench.ok(&["certs", "export", id, "--output", "one.crt"]);
    bench.ok(&["certs", "export", id, "--chain", "--output", "two.crt"]);
    let presented = fs::read_to_string(bench.path("broker-01/tls.crt")).unwrap();
    assert_eq!(fs::read_to_string(bench.path("two.crt")).unwrap(), presented);
    assert!(presented.starts_with(&fs::read_to_string(bench.path("one.crt")).unwrap()));
    bench.run(&["certs", "export", id, "--all", "-o", "x"]).refused(2, &[]);
}

#[test]
fn expiring_lists_the_nearest_end_first() {
    let bench = Workbench::with_hierarchy();
    for (principal, days) in [("app-20", "20"), ("app-2", "2"), ("app-80", "80")] {
        let issue = ["certs", "issue", "--role", "client", "--ca-id", "prod_ca_1"];
        let flags = ["--principal", principal, "--validity-days", days];
        bench.ok(&[&issue[..], &flags].concat());
    }
    let soon = bench.json(&["certs", "expiring"]);
    let names: Vec<_> =
        soon["certificates"].as_array().unwrap().iter().map(|c| text(&c["principal"])).collect();
    assert_eq!(names, ["app-2", "app-20"]);
    assert_eq!(ids(&bench.json(&["certs", "expiring", "--within", "3"])).len(), 1);
}

#[test]
fn the_start_of_validity_is_the_operators_choice() {
    let bench = Workbench::with_hierarchy();
    let issue =
        ["certs", "issue", "--principal", "app", "--role", "client", "--ca-id", "prod_ca_1"];
    let now = bench.json(&[&issue[..], &["--output-dir", "a", "--backdate-minutes", "0"]].concat());
    let now = bench.json(&["certs", "info", text(&now["id"])]);
    assert_eq!(now["not_before"], now["issued_at"]);
    let earlier = bench.json(&[&issue[..], &["--output-dir", "b"]].concat());
    let earlier = bench.json(&["certs", "info", text(&earlier["id"])]);
    assert!(text(&earlier["not_before"]) < text(&earlier["issued_at"]));
    let idle = bench.run(&["certs", "list", "--backdate-minutes", "0"]);
    assert_eq!(idle.code, 2, "{}", idle.stderr);
}
