//! OpenSSL's `X509_verify_cert`, many cases in one process of a small C program.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use super::Verdict;
use crate::case::Case;

/// The verdicts in the order of the cases; `None` if there is no compiler or no OpenSSL to build
/// with, which is said.
pub(crate) fn ask(cases: &[Case]) -> Option<Vec<Verdict>> {
    let program = build()?;
    let mut child = Command::new(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program was just built");
    let mut input = child.stdin.take().expect("it was asked for");
    let texts: Vec<String> = cases.iter().map(Case::to_text).collect();
    let feeder = std::thread::spawn(move || {
        for text in texts {
            input.write_all(text.as_bytes()).expect("the program reads every case");
        }
    });
    let output = child.wait_with_output().expect("the program ends");
    feeder.join().expect("every case was written");
    assert!(output.status.success(), "the OpenSSL judge failed: {:?}", output.status);
    let answers = String::from_utf8(output.stdout).expect("answers are text");
    let verdicts: Vec<_> =
        answers.lines().zip(cases).map(|(line, case)| read(line, case)).collect();
    assert_eq!(verdicts.len(), cases.len(), "an answer for every case");
    Some(verdicts)
}

/// `ID valid` or `ID refused WHY`.
fn read(line: &str, case: &Case) -> Verdict {
    let rest = line.strip_prefix(&format!("{} ", case.id)).expect("answers come in order");
    match rest.split_once(' ') {
        None if rest == "valid" => Verdict::Valid,
        Some(("refused", why)) => Verdict::Refused(why.to_owned()),
        _ => panic!("no verdict: {line}"),
    }
}

/// The program, built once a process into Cargo's folder for temporary files.
fn build() -> Option<PathBuf> {
    let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("judges/openssl/verify.c");
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("it can be written to");
    let program = folder.keep().join("openssl-verify");
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
            assert!(text.contains("openssl/"), "judges/openssl/verify.c does not build:\n{text}");
            None
        }
        Err(_) => None,
    }
}
