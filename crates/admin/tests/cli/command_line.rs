//! Help, completions and manual pages, all from one definition; and the profiles.

use std::fs;

use crate::workbench::{Workbench, text};

#[test]
fn help_lists_the_commands_and_the_exit_codes() {
    let bench = Workbench::new();
    let help = bench.ok(&["--help"]).stdout;
    for part in ["ca ", "certs", "profile", "audit", "completions", "man ", "130  interrupted"] {
        assert!(help.contains(part), "{part}: {help}");
    }
    assert!(bench.ok(&["--version"]).stdout.starts_with("rustmq-admin 0.1"));
    assert_eq!(bench.run(&[]).code, 2);
    assert_eq!(bench.run(&["certs", "frobnicate"]).code, 2);
}

#[test]
fn completions_know_commands_flags_and_values() {
    let bench = Workbench::new();
    let complete = |shell: &str, words: &[&str]| {
        let script = bench.ok(&["completions", shell]).stdout;
        for word in words {
            assert!(script.contains(word), "{shell}: {word}");
        }
    };
    for shell in ["bash", "zsh", "fish"] {
        complete(shell, &["intermediate", "idempotency-key", "ml-dsa-87", "key-compromise"]);
    }
    for shell in ["elvish", "powershell"] {
        complete(shell, &["intermediate", "idempotency-key"]);
    }
    let check = bench.write("completions.bash", bench.ok(&["completions", "bash"]).stdout);
    let status = std::process::Command::new("bash").arg("-n").arg(check).status().unwrap();
    assert!(status.success());
}

#[test]
fn there_is_a_manual_page_for_every_command() {
    let bench = Workbench::new();
    bench.ok(&["man", "--output-dir", "man"]);
    let pages = bench.files("man");
    for page in ["rustmq-admin.1", "rustmq-admin-ca-init.1", "rustmq-admin-certs-issue.1"] {
        assert!(pages.contains(&page.to_owned()), "{page}: {pages:?}");
    }
    let issue = fs::read_to_string(bench.path("man/rustmq-admin-certs-issue.1")).unwrap();
    assert!(issue.contains(".TH rustmq-admin-certs-issue 1"), "{issue}");
    assert!(issue.contains("idempotency"), "{issue}");
    assert!(bench.ok(&["man"]).stdout.contains(".TH rustmq-admin 1"));
}

#[test]
fn key_types_go_by_all_their_names() {
    let bench = Workbench::new();
    for (name, shown) in [
        ("P-256", "p256"),
        ("secp256r1", "p256"),
        ("prime256v1", "p256"),
        ("SECP384R1", "p384"),
        ("RSA-2048", "rsa-2048"),
        ("rsa2048", "rsa-2048"),
        ("Ed25519", "ed25519"),
        ("ML_DSA_65", "ml-dsa-65"),
    ] {
        let id = format!("ca_{shown}_{}", name.len());
        let made = bench.json(&["ca", "init", "--cn", name, "--id", &id, "--key-type", name]);
        assert_eq!(made["key_type"], shown, "{name}");
    }
    bench
        .run(&["ca", "init", "--cn", "R", "--key-type", "secp256k1"])
        .refused(2, &["secp256k1", "p256, p384, p521, ed25519, rsa-2048"]);
}

#[test]
fn profiles_are_listed_shown_and_checked() {
    let bench = Workbench::new();
    let list = bench.json(&["profile", "list"]);
    let names: Vec<_> =
        list["profiles"].as_array().unwrap().iter().map(|p| text(&p["name"])).collect();
    assert!(names.contains(&"broker") && names.contains(&"ocsp-signer"), "{names:?}");
    assert!(!bench.data().exists(), "looking makes no directory");
    bench.write("edge.toml", bench.ok(&["profile", "show", "client"]).stdout);
    let checked = bench.json(&["profile", "check", "edge.toml"]);
    assert_eq!((&checked["name"], &checked["role"]), (&"edge".into(), &"client".into()));
    bench.write("bad.toml", "kind = \"end-entity\"\nvalidity_dayz = 3\n");
    bench.run(&["profile", "check", "bad.toml"]).refused(1, &["bad.toml", "validity_dayz"]);
    let bad = bench.run(&["profile", "check", "bad.toml"]).stderr;
    assert!(bad.contains(", column 1: unknown field") && !bad.contains("u{a}"), "{bad}");
    bench.run(&["profile", "check", "none.toml"]).refused(3, &["none.toml cannot be read"]);
}

#[test]
fn the_documented_profile_is_good_and_its_patterns_hold() {
    let bench = Workbench::with_hierarchy();
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/profiles.md");
    let docs = fs::read_to_string(docs).unwrap();
    let example = docs.split("```toml\n").nth(1).unwrap().split("```").next().unwrap();
    bench.write("sensor.toml", example);
    bench.ok(&["profile", "check", "sensor.toml"]);
    fs::create_dir_all(bench.data().join("profiles")).unwrap();
    fs::copy(bench.path("sensor.toml"), bench.data().join("profiles/sensor.toml")).unwrap();
    let issue = ["certs", "issue", "--profile", "sensor", "--ca-id", "prod_ca_1", "--principal"];
    let with = |flags: &[&'static str]| [&issue[..], flags].concat();
    bench.ok(&with(&["sensor-17", "--san", "a.sensors.example", "--san", "10.20.3.4"]));
    bench.run(&with(&["pump-1"])).refused(1, &["sensor", "sensor-*"]);
    bench.run(&with(&["sensor-18", "--san", "10.21.0.1"])).refused(1, &["10.20.0.0/16"]);
    bench.run(&with(&["sensor-19", "--validity-days", "15"])).refused(1, &["15", "14"]);
    bench.run(&with(&["sensor-20", "--key-type", "p384"])).refused(1, &["p256, ed25519"]);
}

#[test]
fn the_documented_commands_and_flags_are_there() {
    let bench = Workbench::new();
    let docs = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/cli.md");
    let docs = fs::read_to_string(docs).unwrap();
    bench.ok(&["man", "--output-dir", "man"]);
    let pages: String = bench
        .files("man")
        .iter()
        .map(|page| fs::read_to_string(bench.path("man").join(page)).unwrap())
        .collect();
    let pages = pages.replace("\\-", "-");
    let flags = docs.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-'));
    let flags: std::collections::BTreeSet<_> =
        flags.filter(|word| word.starts_with("--") && !word.ends_with('-')).collect();
    assert!(flags.len() > 40, "{flags:?}");
    for flag in flags {
        assert!(pages.contains(flag), "{flag} is documented and not there");
    }
}

#[test]
fn a_profile_in_the_data_directory_is_used() {
    let bench = Workbench::with_hierarchy();
    let profiles = bench.data().join("profiles");
    fs::create_dir_all(&profiles).unwrap();
    let toml = bench.ok(&["profile", "show", "client"]).stdout;
    let toml = toml.replace("validity_days = 90", "validity_days = 2");
    fs::write(profiles.join("edge.toml"), toml).unwrap();
    let issue = ["certs", "issue", "--principal", "app", "--profile", "edge"];
    let issued = bench.json(&[&issue[..], &["--ca-id", "prod_ca_1"]].concat());
    assert_eq!((&issued["profile"], &issued["role"]), (&"edge".into(), &"client".into()));
    let list = bench.json(&["profile", "list"]);
    let edge = list["profiles"].as_array().unwrap().iter().find(|p| p["name"] == "edge").unwrap();
    assert_eq!((&edge["source"], &edge["validity_days"]), (&"file".into(), &2.into()));
}
