//! Running a program to its end.

use std::process::{Command, Stdio};

/// What a program said before it ended.
#[derive(Clone, Debug)]
pub struct Output {
    /// Whether it ended with code 0.
    pub success: bool,
    /// Its exit code, if no signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// Standard output, then standard error.
    pub fn text(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// The output of a program that had to succeed.
    ///
    /// # Panics
    /// If it did not, with what it said.
    pub fn expect_success(self, what: &str) -> Self {
        assert!(self.success, "{what}: exit code {:?}\n{}", self.code, self.text());
        self
    }
}

/// Runs a program with an empty standard input, and in English.
///
/// # Panics
/// If it cannot be started.
pub fn run(command: &mut Command) -> Output {
    let done = command
        .stdin(Stdio::null())
        .env("LC_ALL", "C.UTF-8")
        .output()
        .unwrap_or_else(|error| panic!("cannot start {command:?}: {error}"));
    Output {
        success: done.status.success(),
        code: done.status.code(),
        stdout: String::from_utf8_lossy(&done.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&done.stderr).into_owned(),
    }
}
