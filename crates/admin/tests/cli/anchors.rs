//! `audit checkpoint` and `audit verify --anchor`: a tail that was cut off is noticed, and nothing but
//! this store's own checkpoint is believed.

use std::fs;

use serde_json::Value;

use crate::workbench::{Run, Workbench, text};

/// Cuts the last `count` records off the audit, as somebody with access to the file might.
fn cut(bench: &Workbench, count: u32) {
    let store = rusqlite::Connection::open(bench.data().join("authority.db")).unwrap();
    store.execute_batch("DROP TRIGGER audit_stays").unwrap();
    let cut = "DELETE FROM audit WHERE number > (SELECT max(number) - ?1 FROM audit)";
    assert_eq!(store.execute(cut, [count]).unwrap(), count as usize);
}

fn anchored(bench: &Workbench) -> Run {
    bench.run(&["audit", "verify", "--anchor", "anchor.json"])
}

fn anchor(bench: &Workbench) -> Value {
    serde_json::from_slice(&fs::read(bench.path("anchor.json")).unwrap()).unwrap()
}

#[test]
fn without_an_anchor_the_end_is_said_to_be_unproven() {
    let bench = Workbench::with_hierarchy();
    let run = bench.ok(&["audit", "verify"]);
    assert!(run.stdout.contains("whole"), "{}", run.stdout);
    assert!(run.stderr.contains("is not proven"), "{}", run.stderr);
    cut(&bench, 2);
    let run = bench.ok(&["audit", "verify"]);
    assert!(run.stderr.contains("is not proven"), "{}", run.stderr);
    assert_eq!(bench.json(&["audit", "verify"])["anchored"], Value::Null);
}

#[test]
fn one_record_cut_off_the_end_is_noticed() {
    let bench = Workbench::with_hierarchy();
    let made = bench.json(&["audit", "checkpoint", "--output", "anchor.json"]);
    assert_eq!(made["ca_id"], "prod_ca_1", "a root's key is left alone");
    let verdict = bench.json(&["audit", "verify", "--anchor", "anchor.json"]);
    assert_eq!((&verdict["valid"], &verdict["anchored"]), (&true.into(), &made["records"]));
    assert_eq!(verdict["records"], made["records"], "it covers the record that announces it");
    let csv = bench.ok(&["audit", "verify", "--anchor", "anchor.json", "--format", "csv"]).stdout;
    let (header, line) = csv.trim_end().split_once('\n').unwrap();
    assert_eq!(header, "records,head,fault,valid,anchored,signer_revoked");
    assert!(line.ends_with(&format!(",,true,{},", made["records"])), "{line}");
    cut(&bench, 1);
    let run = anchored(&bench);
    assert_eq!(run.code, 1, "{}{}", run.stdout, run.stderr);
    let lost = format!("the checkpoint covers {} records", made["records"]);
    assert!(run.stdout.contains(&lost), "{}", run.stdout);
    bench.ok(&["audit", "verify"]);
}

#[test]
fn a_chain_that_went_on_differently_is_noticed() {
    let bench = Workbench::with_hierarchy();
    let made = bench.json(&["audit", "checkpoint", "--output", "anchor.json"]);
    cut(&bench, 3);
    // Long enough again, and whole.
    bench.broker("broker-01");
    bench.broker("broker-02");
    let run = anchored(&bench);
    assert_eq!(run.code, 1);
    let sentence = format!("record {} is not the one", made["records"]);
    assert!(run.stdout.contains(&sentence), "{}", run.stdout);
}

#[test]
fn later_records_do_not_outdate_a_checkpoint_and_renewal_of_its_signer_does_not_either() {
    let bench = Workbench::with_hierarchy();
    bench.ok(&["audit", "checkpoint", "-o", "anchor.json", "--ca-id", "root_ca_1"]);
    assert_eq!(anchor(&bench)["signature"]["ca_id"], "root_ca_1");
    bench.ok(&["ca", "renew", "root_ca_1"]);
    bench.broker("broker-01");
    assert_eq!(anchored(&bench).code, 0);
}

#[test]
fn what_was_altered_or_is_of_another_store_is_refused() {
    let bench = Workbench::with_hierarchy();
    bench.ok(&["audit", "checkpoint", "--output", "anchor.json"]);
    let good = anchor(&bench);
    let changed = |change: &dyn Fn(&mut Value)| {
        let mut anchor = good.clone();
        change(&mut anchor);
        bench.write("anchor.json", anchor.to_string());
        anchored(&bench)
    };
    assert_eq!(changed(&|_| ()).code, 0);
    changed(&|a| a["records"] = 1.into()).refused(1, &["was altered", "prod_ca_1"]);
    changed(&|a| a["head"] = "0".repeat(64).into()).refused(1, &["was altered"]);
    changed(&|a| a["at"] = "2026-01-01T00:00:00Z".into()).refused(1, &["was altered"]);
    changed(&|a| a["signature"]["ca_id"] = "root_ca_1".into()).refused(1, &["was altered"]);
    changed(&|a| a["signature"]["value"] = "AAAA".into()).refused(1, &["was altered"]);
    changed(&|a| a["format"] = "rustmq-pki audit checkpoint 2".into())
        .refused(2, &["is no audit checkpoint", "checkpoint 2"]);
    changed(&|a| a["more"] = 1.into()).refused(2, &["is no audit checkpoint"]);
    changed(&|a| a["signature"]["chain"] = Value::Array(Vec::new()))
        .refused(2, &["is no audit checkpoint"]);
    bench.write("anchor.json", "-----BEGIN CERTIFICATE-----");
    anchored(&bench).refused(2, &["anchor.json cannot be used", "is no audit checkpoint"]);
    fs::remove_file(bench.path("anchor.json")).unwrap();
    anchored(&bench).refused(3, &["anchor.json cannot be read"]);

    let other = Workbench::with_hierarchy();
    other.ok(&["audit", "checkpoint", "--output", "anchor.json"]);
    bench.write("anchor.json", fs::read(other.path("anchor.json")).unwrap());
    anchored(&bench).refused(1, &["is of another authority", "prod_ca_1"]);
}

#[test]
fn the_revocation_of_its_signer_is_said_and_one_made_after_a_compromise_proves_nothing() {
    let bench = Workbench::with_hierarchy();
    let made = bench.json(&["audit", "checkpoint", "--output", "anchor.json"]);
    bench.ok(&["ca", "revoke", "prod_ca_1", "--reason", "superseded"]);
    let run = anchored(&bench);
    assert_eq!(run.code, 0, "{}{}", run.stdout, run.stderr);
    assert!(run.stderr.contains("prod_ca_1 was revoked at"), "{}", run.stderr);
    let verdict = bench.json(&["audit", "verify", "--anchor", "anchor.json"]);
    assert_eq!(verdict["anchored"], made["records"]);
    assert_eq!(verdict["signer_revoked"]["reason"], "superseded");
    bench
        .run(&["audit", "checkpoint", "--output", "x", "--ca-id", "prod_ca_1"])
        .refused(1, &["prod_ca_1 signs no backups and no checkpoints", "root_ca_1"]);

    let bench = Workbench::with_hierarchy();
    bench.ok(&["audit", "checkpoint", "--output", "anchor.json"]);
    let revoke = ["ca", "revoke", "prod_ca_1", "--reason", "key-compromise", "--invalidity-date"];
    bench.ok(&[&revoke[..], &["2026-01-01T00:00:00Z"]].concat());
    anchored(&bench).refused(1, &["the checkpoint proves nothing", "prod_ca_1", "in doubt since"]);
    bench.ok(&["audit", "verify"]);
}

#[test]
fn a_checkpoint_needs_a_key_and_overwrites_nothing() {
    let bench = Workbench::with_hierarchy();
    let mut command = bench.bare();
    command.args(["audit", "checkpoint", "--output", "anchor.json"]);
    Run::of(&mut command).refused(4, &["passphrase"]);
    assert!(!bench.path("anchor.json").exists());
    bench.ok(&["audit", "checkpoint", "--output", "anchor.json"]);
    bench
        .run(&["audit", "checkpoint", "--output", "anchor.json"])
        .refused(6, &["anchor.json exists"]);
    bench.ok(&["audit", "checkpoint", "--output", "anchor.json", "--force"]);
    bench
        .run(&["audit", "checkpoint", "--output", "x", "--ca-id", "nobody"])
        .refused(3, &["no CA is called"]);
    let piped = bench.ok(&["audit", "checkpoint", "--output", "-"]);
    assert!(serde_json::from_str::<Value>(&piped.stdout).is_ok());
    let empty = Workbench::new();
    empty.run(&["audit", "checkpoint", "--output", "x"]).refused(5, &["no authority"]);
    let said =
        text(&bench.json(&["audit", "list", "--last", "1"])["records"][0]["action"]).to_owned();
    assert_eq!(said, "audit.checkpoint");
}
