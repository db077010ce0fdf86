//! OpenSSL's `X509_verify_cert`, many cases in one process of a small C program.

use std::path::PathBuf;
use std::process::Command;

use super::{Verdict, batch};
use crate::case::Case;

/// The verdicts in the order of the cases; `None` if there is no compiler or no OpenSSL to build
/// with.
///
/// # Panics
/// If the program does not build for another reason, or does not answer.
pub(crate) fn ask(cases: &[Case]) -> Option<Vec<Verdict>> {
    let folder = tempfile::tempdir().expect("the temporary folder is writable");
    let program = build(folder.path().join("openssl-verify"))?;
    Some(batch::run(&program, cases).iter().map(|answer| batch::verdict(answer)).collect())
}

fn build(program: PathBuf) -> Option<PathBuf> {
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("judges/openssl/verify.c");
    let built = Command::new("cc")
        .args(["-O1", "-Wall", "-Werror", "-o"])
        .arg(&program)
        .arg(&source)
        .arg("-lcrypto")
        .output();
    match built {
        Ok(output) if output.status.success() => Some(program),
        Ok(output) => {
            let text = String::from_utf8_lossy(&output.stderr).into_owned();
            let absent = text.contains("openssl/") || text.contains("-lcrypto");
            assert!(absent, "judges/openssl/verify.c does not build:\n{text}");
            None
        }
        Err(_) => None,
    }
}
