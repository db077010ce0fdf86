//! Where the passphrase of the CA keys comes from.

use secrecy::SecretString;

/// Asks whoever runs the authority for the passphrase of its CA keys.
///
/// Both calls may block (a prompt, a file): the authority calls them off the runtime's threads, at
/// most once a process for each kind, and only when a key is needed.
pub trait PassphraseSource: Send + Sync {
    /// The passphrase that the keys in the data directory are encrypted with.
    fn existing(&self) -> Result<SecretString, PassphraseError>;

    /// A passphrase for a data directory that has none yet, or the one to change to.
    fn new_passphrase(&self) -> Result<SecretString, PassphraseError>;
}

/// Why there is no passphrase.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PassphraseError {
    /// No source was named and there is no terminal to ask on.
    #[error("the CA keys need a passphrase, and none was given")]
    Absent,
    /// A passphrase of no characters.
    #[error("the passphrase is empty")]
    Empty,
    /// Typed twice, differently.
    #[error("the two passphrases differ")]
    Mismatch,
    /// More than one source was named.
    #[error("{first} and {second} both name a passphrase; give one")]
    TwoSources {
        /// One of the sources, as the user wrote it.
        first: String,
        /// The other.
        second: String,
    },
    /// The passphrase is not UTF-8 text.
    #[error("the passphrase from {origin} is not UTF-8 text")]
    NotText {
        /// The source, as the user wrote it.
        origin: String,
    },
    /// The source could not be read.
    #[error("the passphrase cannot be read from {origin}: {error}")]
    Unreadable {
        /// The source, as the user wrote it.
        origin: String,
        /// What the operating system said.
        error: std::io::Error,
    },
}
