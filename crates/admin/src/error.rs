//! Why a command was not carried out: one sentence, the ways out of it, and one exit code.

use std::io;
use std::path::PathBuf;

use rustmq_ca::{ErrorKind, PassphraseError};
use rustmq_pki::profile::ProfileError;

use crate::batch::BatchError;
use crate::exit::Exit;
use crate::files::FileError;
use crate::files::key_file::KeyFileError;
use crate::migrate::{MigrationError, PlanError};

mod help;

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The line cannot be parsed; the parser's own words.
    #[error("{message}")]
    Parser {
        /// The first line.
        message: String,
        /// The rest.
        help: Vec<String>,
    },
    /// A flag that would have no effect.
    #[error("{flag} has no effect on {command}")]
    NoEffect {
        /// The flag.
        flag: &'static str,
        /// The command.
        command: &'static str,
    },
    /// Flags that cannot stand together, or one without which another says nothing.
    #[error("{what}")]
    Flags {
        /// The sentence.
        what: &'static str,
        /// What would be right.
        instead: &'static str,
    },
    /// A name, address or domain that no certificate can have.
    #[error("{flag}: {error}")]
    Value {
        /// The flag.
        flag: &'static str,
        /// What is wrong with the value.
        error: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Neither flag nor variable nor home directory.
    #[error("there is no home directory to keep the authority's data in")]
    NoDataDirectory,
    /// The authority refused or failed.
    #[error(transparent)]
    Authority(#[from] rustmq_ca::Error),
    /// There is no passphrase.
    #[error(transparent)]
    Passphrase(#[from] PassphraseError),
    /// There is no passphrase to change to.
    #[error("there is no terminal to ask for the new passphrase on, and no source of it was named")]
    NoNewPassphrase,
    /// A file.
    #[error(transparent)]
    File(#[from] FileError),
    /// A private key's file.
    #[error(transparent)]
    Key(#[from] KeyFileError),
    /// A request, profile or certificate that was given is not there or cannot be read.
    #[error("{path} cannot be read: {error}")]
    Input {
        /// As the user wrote it.
        path: String,
        /// What the operating system said.
        error: io::Error,
    },
    /// The files of an issued certificate could not be written; the certificate exists.
    #[error("the certificate {id} was issued, and its files could not be written: {error}")]
    Undelivered {
        /// The certificate's id.
        id: String,
        /// Where its private key waits, if it does not have its name yet.
        key: Option<PathBuf>,
        /// What failed.
        error: Box<CliError>,
    },
    /// The folder holds a part of what a delivery writes.
    #[error("{error}; {} missing beside it, as an interrupted command leaves it", are(missing))]
    Incomplete {
        /// The names that are missing.
        missing: Vec<String>,
        /// Which name is taken.
        error: FileError,
    },
    /// The store failed while the authority was issuing, so a certificate may exist for the key.
    #[error("{error}")]
    KeyKept {
        /// The key's file.
        path: PathBuf,
        /// What failed.
        error: Box<CliError>,
    },
    /// The file holds a later list of the same CA: with an earlier one in its place, revocations would be
    /// taken back.
    #[error(
        "{path} holds the CRL {there} of this CA, and the newest of this data directory is {number}: \
         nothing was written"
    )]
    NewerCrl {
        /// The file.
        path: String,
        /// The number of the list in it.
        there: u64,
        /// The number of the list that was to take its place.
        number: u64,
    },
    /// What is to be validated, or judged by, is missing or is neither PEM nor DER.
    #[error("{path} cannot be used: {why}")]
    Unusable {
        /// As the user wrote it.
        path: String,
        /// What is wrong.
        why: String,
    },
    /// A profile file is none.
    #[error("{path} is no profile: {error}")]
    Profile {
        /// As the user wrote it.
        path: String,
        /// What is wrong with it.
        error: ProfileError,
    },
    /// The plan of a migration is none.
    #[error("{path} cannot be carried out: {error}")]
    Plan {
        /// As the user wrote it.
        path: String,
        /// What is wrong with it.
        error: PlanError,
    },
    /// A migration does not go on.
    #[error(transparent)]
    Migration(#[from] MigrationError),
    /// The user stopped it.
    #[error("interrupted: {state}")]
    Interrupted {
        /// What was done so far.
        state: &'static str,
    },
    /// A batch.
    #[error(transparent)]
    Batch(#[from] BatchError),
    /// Standard output failed.
    #[error("standard output cannot be written: {0}")]
    Stdout(io::Error),
    /// The process could not set itself up.
    #[error("the operating system refused what every run needs: {0}")]
    Runtime(io::Error),
    /// A blocking task ended without an answer.
    #[error("the key generation ended without a key")]
    Lost,
}

impl CliError {
    /// DER has no way to put two objects into one file.
    pub(crate) const DER_HOLDS_ONE: Self = Self::Flags {
        what: "a DER file holds one certificate, and --chain asks for several",
        instead: "leave --chain out, or write PEM",
    };

    /// A flag's value that cannot stand in a certificate.
    pub(crate) fn value(
        flag: &'static str,
        error: impl std::error::Error + Send + Sync + 'static,
    ) -> Self {
        Self::Value { flag, error: Box::new(error) }
    }

    /// The parser's error as sentence and help.
    pub(crate) fn from_parser(error: &clap::Error) -> Self {
        let text = error.render().to_string();
        let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
        let first = lines.next().unwrap_or("the command line is wrong");
        let message = first.strip_prefix("error: ").unwrap_or(first).to_owned();
        Self::Parser { message, help: lines.map(str::to_owned).collect() }
    }

    /// Tells Ctrl-C at the question for a passphrase from a terminal that cannot be read.
    #[must_use]
    pub(crate) fn settled(self) -> Self {
        use rustmq_ca::Error::Passphrase;
        match &self {
            Self::Authority(Passphrase(PassphraseError::Unreadable { error, .. }))
                if error.kind() == io::ErrorKind::Interrupted =>
            {
                Self::Interrupted { state: "no passphrase was given, and nothing was done" }
            }
            _ => self,
        }
    }

    /// Whether there is no data directory at all.
    pub(crate) fn is_missing_data_directory(&self) -> bool {
        use rustmq_ca::Error::MissingDataDirectory;
        matches!(self, Self::NoDataDirectory | Self::Authority(MissingDataDirectory { .. }))
    }

    /// Whether no CA can ever have been made in the data directory: it is missing, or making its store
    /// was interrupted.
    pub(crate) fn is_without_authority(&self) -> bool {
        use rustmq_ca::Error::EmptyStore;
        self.is_missing_data_directory() || matches!(self, Self::Authority(EmptyStore { .. }))
    }

    /// The exit code.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Parser { .. }
            | Self::NoEffect { .. }
            | Self::Flags { .. }
            | Self::Unusable { .. } => Exit::Usage,
            Self::Migration(MigrationError::NotBegun { .. }) => Exit::NotFound,
            Self::Value { .. } | Self::Profile { .. } | Self::Plan { .. } | Self::Migration(_) => {
                Exit::Refused
            }
            Self::KeyKept { error, .. } => error.exit(),
            Self::NoDataDirectory => Exit::Store,
            Self::Authority(error) => of_authority(error),
            Self::NoNewPassphrase => Exit::Passphrase,
            Self::Passphrase(error) => of_passphrase(error),
            Self::File(error) | Self::Incomplete { error, .. } => of_file(error),
            Self::Key(KeyFileError::File(error)) => of_file(error),
            Self::Key(KeyFileError::OtherType { .. } | KeyFileError::NotPrivate { .. }) => {
                Exit::Refused
            }
            Self::Key(KeyFileError::Key { .. }) | Self::Runtime(_) | Self::Lost => Exit::Internal,
            Self::Input { .. } => Exit::NotFound,
            Self::Undelivered { .. } | Self::NewerCrl { .. } | Self::Stdout(_) => Exit::Output,
            Self::Interrupted { .. } => Exit::Interrupted,
            Self::Batch(error) => error.exit(),
        }
    }

    /// A name for machines that stays as it is.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Parser { .. } => "usage",
            Self::NoEffect { .. } => "flag_without_effect",
            Self::Flags { .. } => "flags",
            Self::Value { .. } => "value",
            Self::NoDataDirectory => "no_data_directory",
            Self::Authority(rustmq_ca::Error::Passphrase(error)) | Self::Passphrase(error) => {
                passphrase_code(error)
            }
            Self::Authority(error) => error.code(),
            Self::NoNewPassphrase => "new_passphrase_missing",
            Self::File(error)
            | Self::Incomplete { error, .. }
            | Self::Key(KeyFileError::File(error)) => file_code(error),
            Self::Key(KeyFileError::OtherType { .. }) => "pending_key_type",
            Self::Key(KeyFileError::NotPrivate { .. }) => "key_not_private",
            Self::Key(KeyFileError::Key { .. }) => "key",
            Self::Input { .. } => "input",
            Self::Unusable { .. } => "unusable_input",
            Self::Undelivered { .. } => "undelivered",
            Self::NewerCrl { .. } => "newer_crl",
            Self::KeyKept { error, .. } => error.code(),
            Self::Profile { .. } => "profile",
            Self::Plan { .. } => "plan",
            Self::Migration(error) => error.code(),
            Self::Interrupted { .. } => "interrupted",
            Self::Batch(error) => error.code(),
            Self::Stdout(_) => "stdout",
            Self::Runtime(_) | Self::Lost => "internal",
        }
    }

    /// What would be right, one line a way.
    pub(crate) fn help(&self) -> Vec<String> {
        help::of(self)
    }
}

/// `tls.key is`, `ca.crt, root.crt are`.
fn are(names: &[String]) -> String {
    format!("{} {}", names.join(", "), if names.len() == 1 { "is" } else { "are" })
}

fn of_authority(error: &rustmq_ca::Error) -> Exit {
    if let rustmq_ca::Error::Passphrase(error) = error {
        return of_passphrase(error);
    }
    // What the library was writing is the file that the command line names: the place that is full or
    // read-only is not the store's.
    if let rustmq_ca::Error::Archive(_) = error {
        return Exit::Output;
    }
    match error.kind() {
        ErrorKind::Usage => Exit::Usage,
        ErrorKind::Refused | ErrorKind::Conflict => Exit::Refused,
        ErrorKind::NotFound => Exit::NotFound,
        ErrorKind::Passphrase => Exit::Passphrase,
        ErrorKind::Store => Exit::Store,
    }
}

fn of_passphrase(error: &PassphraseError) -> Exit {
    match error {
        PassphraseError::TwoSources { .. } => Exit::Usage,
        _ => Exit::Passphrase,
    }
}

fn of_file(error: &FileError) -> Exit {
    match error {
        FileError::Read { .. } => Exit::NotFound,
        FileError::InDataDirectory { .. } => Exit::Refused,
        FileError::Exists { .. } | FileError::Write { .. } | FileError::Busy { .. } => Exit::Output,
    }
}

fn passphrase_code(error: &PassphraseError) -> &'static str {
    match error {
        PassphraseError::TwoSources { .. } => "two_passphrase_sources",
        PassphraseError::Absent => "passphrase_missing",
        PassphraseError::Empty => "passphrase_empty",
        _ => "passphrase",
    }
}

fn file_code(error: &FileError) -> &'static str {
    match error {
        FileError::Exists { .. } => "file_exists",
        FileError::InDataDirectory { .. } => "output_within_data_directory",
        FileError::Busy { .. } => "folder_busy",
        FileError::Write { .. } => "file_write",
        FileError::Read { .. } => "file_read",
    }
}
