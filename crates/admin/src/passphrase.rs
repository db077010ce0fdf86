//! Where the passphrase of the CA keys comes from.
//!
//! One of: `--passphrase-file`, `--passphrase-fd`, a systemd credential, `RUSTMQ_CA_PASSPHRASE`, or a
//! question on the terminal. Two at once are a mistake that would go unnoticed until the wrong one is
//! changed, so they are refused before anything is done. Nothing is read until a CA key is needed.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustmq_ca::{PassphraseError, PassphraseSource};
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use zeroize::Zeroizing;

use crate::cli::GlobalArgs;
use crate::environment::Environment;
use crate::output::Output;
use crate::output::progress::UnderWay;
use crate::terminal::{self, MAX_PASSPHRASE, PromptError};

/// Name of the systemd credential (`LoadCredential=`, `SetCredentialEncrypted=`).
const CREDENTIAL: &str = "rustmq-ca-passphrase";
/// The last choice: the environment of a process is readable by its user's other processes.
pub(crate) const VARIABLE: &str = "RUSTMQ_CA_PASSPHRASE";

/// One place that a passphrase comes from.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// A file, named by the flag in front.
    File { flag: &'static str, path: PathBuf },
    /// An inherited file descriptor, named by the flag in front.
    Descriptor { flag: &'static str, number: u32 },
    /// A systemd credential.
    Credential(PathBuf),
    /// The environment variable's value.
    Variable(SecretSlice<u8>),
    /// The terminal.
    Prompt,
    /// Nowhere.
    Absent,
}

impl Source {
    /// The one source of the passphrase of the existing keys.
    ///
    /// # Errors
    ///
    /// [`PassphraseError::TwoSources`] if more than one is given.
    pub(crate) fn choose(args: &GlobalArgs, env: &Environment) -> Result<Self, PassphraseError> {
        let flag = Self::from_flags(
            ("--passphrase-file", args.passphrase_file.as_deref()),
            ("--passphrase-fd", args.passphrase_fd),
        );
        let credential = env.credentials_directory.as_ref().map(PathBuf::from);
        let credential = credential.map(|dir| dir.join(CREDENTIAL)).filter(|path| path.exists());
        let variable = env.passphrase.clone().map(Self::Variable);
        let mut given = [flag, credential.map(Self::Credential), variable].into_iter().flatten();
        match (given.next(), given.next()) {
            (Some(first), Some(second)) => {
                Err(PassphraseError::TwoSources { first: first.name(), second: second.name() })
            }
            (Some(source), None) => Ok(source),
            (None, _) if env.can_prompt => Ok(Self::Prompt),
            (None, _) => Ok(Self::Absent),
        }
    }

    /// The source that a pair of flags names; the parser has refused both at once.
    pub(crate) fn from_flags(
        (file_flag, file): (&'static str, Option<&Path>),
        (descriptor_flag, descriptor): (&'static str, Option<u32>),
    ) -> Option<Self> {
        let file = file.map(|path| Self::File { flag: file_flag, path: path.to_owned() });
        file.or_else(|| descriptor.map(|number| Self::Descriptor { flag: descriptor_flag, number }))
    }

    /// The source as the user wrote it.
    fn name(&self) -> String {
        match self {
            Self::File { flag, path } => format!("{flag} {}", path.display()),
            Self::Descriptor { flag, number } => format!("{flag} {number}"),
            Self::Credential(path) => format!("the systemd credential {}", path.display()),
            Self::Variable(_) => VARIABLE.to_owned(),
            Self::Prompt | Self::Absent => "the terminal".to_owned(),
        }
    }

    /// Reads the passphrase without asking anyone; `None` means that somebody must be asked.
    fn read(&self, output: Output) -> Option<Result<SecretString, PassphraseError>> {
        let origin = self.name();
        let bytes = match self {
            Self::File { path, .. } => read_file(path, output),
            Self::Credential(path) => read_limited(path),
            // The descriptor is opened again through /proc: a number from the command line cannot be
            // taken over soundly without unsafe code.
            Self::Descriptor { number, .. } => {
                read_limited(&PathBuf::from(format!("/proc/self/fd/{number}")))
            }
            Self::Variable(value) => Ok(Zeroizing::new(value.expose_secret().to_vec())),
            Self::Prompt | Self::Absent => return None,
        };
        Some(bytes.map_err(|error| unreadable(&origin, error)).and_then(|b| accept(&b, &origin)))
    }
}

fn unreadable(origin: &str, error: io::Error) -> PassphraseError {
    PassphraseError::Unreadable { origin: origin.to_owned(), error }
}

fn read_file(path: &Path, output: Output) -> io::Result<Zeroizing<Vec<u8>>> {
    // Group and others, reading: a passphrase file is worth as much as the keys.
    if fs::metadata(path)?.mode() & 0o044 != 0 {
        let path = path.display();
        output
            .note(&format!("the passphrase file {path} is readable by others (chmod 600 {path})"));
    }
    read_limited(path)
}

fn read_limited(path: &Path) -> io::Result<Zeroizing<Vec<u8>>> {
    // Two more than the longest passphrase: its newline, and one to notice that it is too long.
    let mut bytes = Zeroizing::new(Vec::with_capacity(MAX_PASSPHRASE + 2));
    File::open(path)?.take(MAX_PASSPHRASE as u64 + 2).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// The bytes as a passphrase: one trailing newline is dropped, nothing else.
fn accept(bytes: &[u8], origin: &str) -> Result<SecretString, PassphraseError> {
    let bytes = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    if bytes.len() > MAX_PASSPHRASE {
        let too_long = format!("it is longer than {MAX_PASSPHRASE} bytes");
        return Err(unreadable(origin, io::Error::new(io::ErrorKind::InvalidData, too_long)));
    }
    match std::str::from_utf8(bytes) {
        Ok("") => Err(PassphraseError::Empty),
        Ok(text) => Ok(SecretString::from(text)),
        Err(_) => Err(PassphraseError::NotText { origin: origin.to_owned() }),
    }
}

/// The sources of one run: of the passphrase that the keys have, and of one that they shall have.
#[derive(Debug)]
pub(crate) struct Passphrases {
    existing: Source,
    new: Source,
    data_dir: PathBuf,
    output: Output,
    under_way: UnderWay,
}

impl Passphrases {
    /// The same source for existing keys and for the first key of a data directory.
    pub(crate) fn new(source: Source, data_dir: &Path, output: Output) -> Self {
        let (data_dir, under_way) = (data_dir.to_owned(), UnderWay::default());
        Self { existing: source.clone(), new: source, data_dir, output, under_way }
    }

    /// Asks without being disturbed by what is shown meanwhile.
    #[must_use]
    pub(crate) fn pausing(self, under_way: UnderWay) -> Self {
        Self { under_way, ..self }
    }

    /// Takes the passphrase to change to from a source of its own.
    #[must_use]
    pub(crate) fn changing_to(self, new: Source) -> Self {
        Self { new, ..self }
    }

    fn ask(&self, question: &str) -> Result<SecretString, PassphraseError> {
        let answer =
            self.under_way.pause(|| terminal::ask_secret(question)).map_err(
                |error| match error {
                    PromptError::Io(error) => unreadable("the terminal", error),
                    PromptError::Interrupted => unreadable(
                        "the terminal",
                        io::Error::new(io::ErrorKind::Interrupted, error),
                    ),
                    PromptError::NotText => {
                        PassphraseError::NotText { origin: "the terminal".to_owned() }
                    }
                    other => unreadable("the terminal", io::Error::other(other)),
                },
            )?;
        if answer.expose_secret().is_empty() { Err(PassphraseError::Empty) } else { Ok(answer) }
    }
}

impl PassphraseSource for Passphrases {
    fn existing(&self) -> Result<SecretString, PassphraseError> {
        match self.existing.read(self.output) {
            Some(result) => result,
            None if matches!(self.existing, Source::Absent) => Err(PassphraseError::Absent),
            None => self.ask(&format!("Passphrase of the CA keys in {}:", self.data_dir.display())),
        }
    }

    fn new_passphrase(&self) -> Result<SecretString, PassphraseError> {
        match self.new.read(self.output) {
            Some(result) => return result,
            None if matches!(self.new, Source::Absent) => return Err(PassphraseError::Absent),
            None => {}
        }
        let dir = self.data_dir.display();
        let first = self.ask(&format!("New passphrase for the CA keys in {dir}:"))?;
        let again = self.ask("Again:")?;
        if first.expose_secret() == again.expose_secret() {
            Ok(first)
        } else {
            Err(PassphraseError::Mismatch)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_trailing_newline_is_dropped_and_nothing_else() {
        let accepted = |bytes: &[u8]| accept(bytes, "test").map(|s| s.expose_secret().to_owned());
        assert_eq!(accepted(b"secret\n").unwrap(), "secret");
        assert_eq!(accepted(b" secret \n\n").unwrap(), " secret \n");
        assert_eq!(accepted(b"secret").unwrap(), "secret");
        assert!(matches!(accepted(b"\n"), Err(PassphraseError::Empty)));
        assert!(matches!(accepted(b""), Err(PassphraseError::Empty)));
        assert!(matches!(accepted(b"\xff"), Err(PassphraseError::NotText { .. })));
        assert!(accepted(&[b'x'; MAX_PASSPHRASE]).is_ok());
        assert!(accepted(&[b'x'; MAX_PASSPHRASE + 1]).is_err());
    }
}
