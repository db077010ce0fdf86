//! `certs issue` killed at every sync and every rename: whatever is left, the same command again
//! delivers one certificate with its key, and nothing else of it is in the store.

use std::process::{Command, Stdio};

use crate::workbench::{PASSPHRASE, Workbench, openssl, text};

fn issue(principal: &str) -> Vec<&str> {
    let repeat = ["--idempotency-key", principal, "--principal", principal];
    [&["certs", "issue", "--role", "client", "--ca-id", "prod_ca_1"][..], &repeat].concat()
}

/// Runs the command under strace, which kills it as it enters the `nth` such call of one of its
/// threads. Whether it was killed.
fn killed_at(bench: &Workbench, call: &str, nth: u32, arguments: &[&str]) -> bool {
    let trace = ["-e", &format!("trace={call}")].map(str::to_owned);
    let inject = ["-e", &format!("inject={call}:signal=KILL:when={nth}")].map(str::to_owned);
    let status = Command::new("strace")
        .args(["-f", "-o", "/dev/null"])
        .args(trace)
        .args(inject)
        .arg(assert_cmd::cargo::cargo_bin("rustmq-admin"))
        .args(arguments)
        .env_clear()
        .env("RUSTMQ_DATA_DIR", bench.data())
        .env("RUSTMQ_CA_PASSPHRASE", PASSPHRASE)
        .current_dir(bench.path(""))
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .expect("strace is installed (apt-get install strace)");
    !status.success()
}

#[test]
fn the_same_command_again_completes_what_a_kill_left() {
    let bench = Workbench::with_hierarchy();
    // How many of each call a thread makes; beyond that the command ends unharmed.
    for (call, calls) in [("fsync", 1..=10), ("renameat2", 1..=5)] {
        for nth in calls {
            let principal = format!("app-{call}-{nth}");
            let arguments = issue(&principal);
            assert!(killed_at(&bench, call, nth, &arguments), "{principal}: nothing was injected");
            let again = bench.json(&arguments);
            let at = |name: &str| bench.path(&principal).join(name).display().to_string();
            assert_eq!(
                openssl(&["x509", "-in", &at("tls.crt"), "-noout", "-pubkey"]),
                openssl(&["pkey", "-in", &at("tls.key"), "-pubout"]),
                "{principal}"
            );
            let list = bench.json(&["certs", "list", "--principal", &principal]);
            let list = list["certificates"].as_array().unwrap();
            assert_eq!(list.len(), 1, "{principal}: {list:?}");
            assert_eq!(list[0]["serial"], again["serial"]);
        }
    }
    assert_eq!(bench.json(&["audit", "verify"])["valid"], true);
    let abandoned = bench.json(&["certs", "list"])["abandoned"].clone();
    for serial in abandoned.as_array().unwrap() {
        assert!(text(&serial["principal"]).starts_with("app-"), "{serial}");
    }
}

/// `--force` gives the key its name first: whenever it is killed, the certificate's own key is there.
#[test]
fn a_killed_replacement_leaves_the_key_of_the_certificate_that_lies_there() {
    let bench = Workbench::with_hierarchy();
    bench.ok(&issue("app"));
    let at = |name: &str| bench.path("app").join(name).display().to_string();
    let public = |key: &str| openssl(&["pkey", "-in", &at(key), "-pubout"]);
    let renew = ["certs", "renew", "cert-3", "--output-dir", "app", "--force"];
    for nth in [2, 2, 1, 3, 4, 5] {
        assert!(killed_at(&bench, "rename", nth, &renew), "{nth}: nothing was injected");
        let certified = openssl(&["x509", "-in", &at("tls.crt"), "-noout", "-pubkey"]);
        let keys = ["tls.key", "tls.key.old"]
            .into_iter()
            .filter(|key| bench.path("app").join(key).exists());
        assert!(keys.map(public).any(|key| key == certified), "{nth}: the key is lost");
    }
    bench.ok(&renew);
    let certified = openssl(&["x509", "-in", &at("tls.crt"), "-noout", "-pubkey"]);
    assert_eq!(public("tls.key"), certified);
    assert!(!bench.path("app/tls.key.old").exists());
}
