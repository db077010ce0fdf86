//! The exit codes: one meaning each, listed in `--help` and in docs/exit-codes.md.

use std::process::ExitCode;

/// What a run ended with, for the shell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It was done, or there was nothing to do and the command said so.
    Ok,
    /// A rule forbids it: profile, path length, validity, state of a CA or of a certificate.
    Refused,
    /// The command line is wrong: unknown flag, flags that contradict each other, a malformed value.
    Usage,
    /// The CA, certificate, profile or input file that was named does not exist.
    NotFound,
    /// The passphrase is wrong, empty, or there is no way to ask for it.
    Passphrase,
    /// The data directory cannot be used: read-only, full, corrupt, newer, on a network file system.
    Store,
    /// A file could not be written, or would have been overwritten.
    Output,
    /// A defect of this program.
    Internal,
    /// Ended by Ctrl-C; the message says how to go on.
    Interrupted,
}

impl Exit {
    /// Every code, in the order of the documentation.
    pub(crate) const ALL: [Self; 9] = [
        Self::Ok,
        Self::Refused,
        Self::Usage,
        Self::NotFound,
        Self::Passphrase,
        Self::Store,
        Self::Output,
        Self::Internal,
        Self::Interrupted,
    ];

    /// The number that the shell sees.
    pub(crate) const fn number(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Refused => 1,
            Self::Usage => 2,
            Self::NotFound => 3,
            Self::Passphrase => 4,
            Self::Store => 5,
            Self::Output => 6,
            Self::Internal => 70,
            Self::Interrupted => 130,
        }
    }

    /// The line of `--help` for this code.
    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::Ok => "done",
            Self::Refused => "refused by a rule",
            Self::Usage => "wrong command line",
            Self::NotFound => "no such CA, certificate, profile or file",
            Self::Passphrase => "wrong or missing passphrase",
            Self::Store => "data directory unusable",
            Self::Output => "a file could not be written, or exists",
            Self::Internal => "defect of this program",
            Self::Interrupted => "interrupted",
        }
    }

    /// The paragraph at the end of `--help`.
    pub(crate) fn help() -> String {
        Self::ALL.iter().fold("Exit codes:\n".to_owned(), |text, exit| {
            format!("{text}  {:<4} {}\n", exit.number(), exit.meaning())
        })
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.number())
    }
}
