//! Python's `cryptography`, through `judges/python/judge.py`.

use std::path::Path;
use std::process::Command;

use crate::build;
use crate::chain::{Chain, Verdict};
use crate::judges::pinned;
use crate::process::run;

/// The library's path builder, or for Ed25519, which it refuses as the web has no use for it, the
/// library's parser and signature checks alone; one run for all chains.
///
/// # Panics
/// If the program gives no verdict.
pub fn verify_all(chains: &[&Chain]) -> Vec<Verdict> {
    let mut command = Command::new(pinned("python"));
    command.arg(build::source("python").join("judge.py")).args(Chain::flags_of(chains, "--"));
    let output = run(&mut command).expect_success("judge.py");
    Verdict::from_answer(&output.stdout, chains.len())
}

/// Whether an unencrypted PKCS#8 key is the one that a certificate is for.
///
/// # Panics
/// If either cannot be read.
pub fn key_fits(key: &Path, certificate: &Path) -> bool {
    let mut command = Command::new(pinned("python"));
    command.arg(build::source("python").join("key.py")).arg(key).arg(certificate);
    run(&mut command).expect_success("key.py").stdout.trim() == "FITS"
}
