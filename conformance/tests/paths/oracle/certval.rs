//! certval, built and run in a workspace of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Verdict, batch};
use crate::case::Case;

/// The verdicts in the order of the cases, `None` for those that certval cannot be asked; none at
/// all if it cannot be built.
///
/// # Panics
/// If it was built and does not answer.
pub(crate) fn ask(cases: &[Case]) -> Option<Vec<Option<Verdict>>> {
    let program = build()?;
    Some(batch::run(&program, cases).iter().map(|answer| read(answer)).collect())
}

fn read(answer: &str) -> Option<Verdict> {
    if answer.starts_with("skipped ") { None } else { Some(batch::verdict(answer)) }
}

/// The program. Cargo builds it anew only if something changed, and says why if it cannot.
fn build() -> Option<PathBuf> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("certval/Cargo.toml");
    // Beside the folder for temporary files, which is `tmp` in Cargo's own.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("certval");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--quiet", "--locked", "--manifest-path"])
        .arg(&manifest)
        .arg("--target-dir")
        .arg(&target)
        .env_remove("RUSTFLAGS")
        .status()
        .is_ok_and(|status| status.success());
    built.then(|| target.join("debug/certval-judge"))
}
