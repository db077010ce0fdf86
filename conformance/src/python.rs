//! Python's `cryptography`, through `judges/python/judge.py`.

use std::process::Command;

use crate::build;
use crate::chain::{Chain, Verdict};
use crate::judges::pinned;
use crate::process::run;

/// The library's path builder, or for Ed25519, which it refuses as the web has no use for it, the
/// library's parser and signature checks alone.
///
/// # Panics
/// If the program gives no verdict.
pub fn verify(chain: &Chain) -> Verdict {
    let mut command = Command::new(pinned("python"));
    command.arg(build::source("python").join("judge.py")).args(chain.flags("--"));
    Verdict::from_answer(&run(&mut command).expect_success("judge.py").stdout)
}
