//! A program that takes many cases on standard input and answers each with a line.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use super::Verdict;
use crate::case::Case;

/// The answers in the order of the cases, without the name of the case.
pub(crate) fn run(program: &Path, cases: &[Case]) -> Vec<String> {
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
    assert!(output.status.success(), "{} failed: {:?}", program.display(), output.status);
    let answers = String::from_utf8(output.stdout).expect("answers are text");
    let answers: Vec<_> = answers.lines().zip(cases).map(|(line, case)| own(line, case)).collect();
    assert_eq!(answers.len(), cases.len(), "an answer for every case");
    answers
}

fn own(line: &str, case: &Case) -> String {
    let answer = line.strip_prefix(&format!("{} ", case.id));
    answer.unwrap_or_else(|| panic!("{line} is no answer to {}", case.id)).to_owned()
}

/// `valid` or `refused WHY`.
pub(crate) fn verdict(answer: &str) -> Verdict {
    match answer.split_once(' ') {
        None if answer == "valid" => Verdict::Valid,
        Some(("refused", why)) => Verdict::Refused(why.to_owned()),
        _ => panic!("no verdict: {answer}"),
    }
}
