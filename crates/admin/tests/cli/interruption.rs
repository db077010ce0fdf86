//! Ctrl-C and kill: what is left is consistent, and the user hears how to go on.

use std::io::Read;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::workbench::{PASSPHRASE, Workbench, openssl};

/// Starts an issuing that takes a second or more, for its RSA key.
fn start(bench: &Workbench) -> Child {
    let issue = ["certs", "issue", "--principal", "app", "--role", "client", "--ca-id"];
    Command::new(assert_cmd::cargo::cargo_bin("rustmq-admin"))
        .args([&issue[..], &["prod_ca_1", "--key-type", "rsa-4096"]].concat())
        .env_clear()
        .env("RUSTMQ_DATA_DIR", bench.data())
        .env("RUSTMQ_CA_PASSPHRASE", PASSPHRASE)
        .current_dir(bench.path(""))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Reads standard error until it says that the key is being made.
fn wait_for_key_generation(child: &mut Child) -> String {
    let mut said = String::new();
    let mut byte = [0];
    let stderr = child.stderr.as_mut().unwrap();
    while !said.contains("making an rsa-4096 key") {
        assert_eq!(stderr.read(&mut byte).unwrap(), 1, "it ended: {said}");
        said.push(byte[0].into());
    }
    said
}

fn send(child: &Child, signal: Signal) {
    let id = i32::try_from(child.id()).unwrap();
    kill_process(Pid::from_raw(id).unwrap(), signal).unwrap();
}

#[test]
fn ctrl_c_before_the_certificate_leaves_nothing_and_says_so() {
    let bench = Workbench::with_hierarchy();
    let count = bench.certificates().len();
    let mut child = start(&bench);
    let mut said = wait_for_key_generation(&mut child);
    send(&child, Signal::INT);
    child.stderr.as_mut().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130), "{said}");
    assert!(said.contains("error: interrupted: nothing was issued"), "{said}");
    assert!(said.contains("run the same command again"), "{said}");
    assert_eq!(bench.certificates().len(), count);
    assert!(!bench.path("app").exists(), "no folder and no key is left");
}

#[test]
fn a_killed_command_is_simply_repeated() {
    let bench = Workbench::with_hierarchy();
    let mut child = start(&bench);
    wait_for_key_generation(&mut child);
    send(&child, Signal::KILL);
    child.wait().unwrap();
    let issue = ["certs", "issue", "--principal", "app", "--role", "client", "--ca-id"];
    bench.ok(&[&issue[..], &["prod_ca_1"]].concat());
    let (leaf, key) = (bench.path("app/tls.crt"), bench.path("app/tls.key"));
    assert_eq!(
        openssl(&["x509", "-in", leaf.to_str().unwrap(), "-noout", "-pubkey"]),
        openssl(&["pkey", "-in", key.to_str().unwrap(), "-pubout"])
    );
}
