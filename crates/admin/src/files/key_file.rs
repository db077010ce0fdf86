//! The private key of a certificate that is being issued.
//!
//! The key is on the disk before the authority is asked, beside its place, so that no crash leaves a
//! certificate without its key. Whoever repeats the command finds it there again.

use std::fs::{self, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustmq_pki::key::software::SoftwareKey;
use rustmq_pki::key::{Fingerprint, KeyError, KeyType, PublicKey, Signer};
use zeroize::Zeroizing;

use super::{Existing, FileError, Mode, Staged, no_follow, rename, sync_parent};
use crate::cli::Encoding;

/// Largest file that is read as a private key, in bytes; an RSA-4096 key in PEM has 3,300, an expanded
/// ML-DSA-87 key 7,000.
const MAX_KEY_FILE: u64 = 65_536;

/// Why there is no private key.
#[derive(Debug, thiserror::Error)]
pub(crate) enum KeyFileError {
    /// Reading or writing the file.
    #[error(transparent)]
    File(#[from] FileError),
    /// Making or decoding the key.
    #[error("{}: {error}", path.display())]
    Key {
        /// The key's file.
        path: PathBuf,
        /// What is wrong with the key.
        error: KeyError,
    },
    /// The file can be read or was made by somebody else.
    #[error("{} belongs to another user or is open to others", path.display())]
    NotPrivate {
        /// The key's file.
        path: PathBuf,
    },
    /// An interrupted command left a key of another type.
    #[error("an interrupted command left the {found} key {}, and {wanted} is asked for", path.display())]
    OtherType {
        /// The key's file.
        path: PathBuf,
        /// Its type.
        found: KeyType,
        /// The type asked for.
        wanted: KeyType,
    },
}

/// A private key that waits beside its place for its certificate.
#[derive(Debug)]
pub(crate) struct PendingKey {
    public_key: PublicKey,
    waiting: PathBuf,
    place: PathBuf,
    found: bool,
}

impl PendingKey {
    /// The key that an interrupted command left for `place`, or a new one, written and synced.
    ///
    /// `mark` stands for the idempotency key: a repeated command finds its own key and no other.
    pub(crate) fn find_or_make(
        place: &Path,
        key_type: KeyType,
        encoding: Encoding,
        mark: Option<&str>,
    ) -> Result<Self, KeyFileError> {
        let waiting = waiting_place(place, mark);
        let left = find(&waiting, key_type)?;
        let found = left.is_some();
        let key = match left {
            Some(key) => key,
            None => generate(&waiting, key_type)?,
        };
        // One that was found is written again, too: this command may want another encoding.
        let bytes = encode(&key, encoding).map_err(key_error(&waiting))?;
        let existing = if found { Existing::Replace } else { Existing::Keep };
        Staged::new(&waiting, &bytes, Mode::Private)?.put(existing)?;
        let public_key = key.public_key().clone();
        Ok(Self { public_key, waiting, place: place.to_owned(), found })
    }

    /// The key that the certificate is for.
    pub(crate) fn public_key(&self) -> &PublicKey {
        &self.public_key
    }

    /// Where it waits.
    pub(crate) fn waiting(&self) -> &Path {
        &self.waiting
    }

    /// Whether an interrupted command had left it.
    pub(crate) fn was_found(&self) -> bool {
        self.found
    }

    /// Gives the key its name.
    pub(crate) fn put(self, existing: Existing) -> Result<(), KeyFileError> {
        match rename(&self.waiting, &self.place, existing) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                return Err(FileError::Exists { path: self.place }.into());
            }
            result => result.map_err(FileError::write(&self.place))?,
        }
        Ok(sync_parent(&self.place)?)
    }

    /// Removes the key, unless an earlier command left it: no certificate was asked for with it.
    pub(crate) fn discard(self) {
        if !self.found {
            // One that cannot be removed is a key without any certificate.
            let _left = fs::remove_file(&self.waiting);
        }
    }
}

/// Reads a private key file that is the user's own, PEM or DER.
pub(crate) fn read(path: &Path) -> Result<SoftwareKey, KeyFileError> {
    let reading = FileError::read;
    let mut options = OpenOptions::new();
    let file = options.read(true).custom_flags(no_follow()).open(path).map_err(reading(path))?;
    let metadata = file.metadata().map_err(reading(path))?;
    let owner = rustix::process::geteuid().as_raw();
    if metadata.uid() != owner || metadata.mode() & 0o077 != 0 {
        return Err(KeyFileError::NotPrivate { path: path.to_owned() });
    }
    let mut bytes = Zeroizing::new(Vec::new());
    file.take(MAX_KEY_FILE).read_to_end(&mut bytes).map_err(reading(path))?;
    decode(&bytes).map_err(key_error(path))
}

fn decode(bytes: &[u8]) -> Result<SoftwareKey, KeyError> {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.starts_with("-----BEGIN") => SoftwareKey::from_pkcs8_pem(text),
        _ => SoftwareKey::from_pkcs8(bytes),
    }
}

fn encode(key: &SoftwareKey, encoding: Encoding) -> Result<Zeroizing<Vec<u8>>, KeyError> {
    match encoding {
        Encoding::Pem => Ok(Zeroizing::new(key.to_pkcs8_pem()?.as_bytes().to_vec())),
        Encoding::Der => key.to_pkcs8(),
    }
}

/// Where the key of `place` waits. `mark` sets the keys of different idempotency keys apart.
pub(crate) fn waiting_place(place: &Path, mark: Option<&str>) -> PathBuf {
    let mut name = place.file_name().unwrap_or_default().to_owned();
    name.push(".pending");
    if let Some(mark) = mark {
        name.push(format!("-{:.16}", Fingerprint::of(mark.as_bytes()).to_string()));
    }
    place.with_file_name(name)
}

fn find(waiting: &Path, wanted: KeyType) -> Result<Option<SoftwareKey>, KeyFileError> {
    if fs::symlink_metadata(waiting).is_err() {
        return Ok(None);
    }
    let key = read(waiting)?;
    let found = key.key_type();
    if found == wanted {
        return Ok(Some(key));
    }
    Err(KeyFileError::OtherType { path: waiting.to_owned(), found, wanted })
}

fn generate(path: &Path, key_type: KeyType) -> Result<SoftwareKey, KeyFileError> {
    SoftwareKey::generate(key_type).map_err(key_error(path))
}

fn key_error(path: &Path) -> impl FnOnce(KeyError) -> KeyFileError {
    let path = path.to_owned();
    |error| KeyFileError::Key { path, error }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn pending(place: &Path, key_type: KeyType, idempotency: Option<&str>) -> PendingKey {
        PendingKey::find_or_make(place, key_type, Encoding::Pem, idempotency).unwrap()
    }

    #[test]
    fn a_repeated_command_finds_its_own_key_and_no_other() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("tls.key");
        let first = pending(&place, KeyType::P256, Some("deploy-1"));
        let again = pending(&place, KeyType::P256, Some("deploy-1"));
        let other = pending(&place, KeyType::P256, Some("deploy-2"));
        assert_eq!(first.public_key().spki(), again.public_key().spki());
        assert!(!first.was_found() && again.was_found() && !other.was_found());
        assert_ne!(first.public_key().spki(), other.public_key().spki());
        let mode = fs::metadata(again.waiting()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let expected = again.public_key().clone();
        again.put(Existing::Keep).unwrap();
        assert_eq!(read(&place).unwrap().public_key().spki(), expected.spki());
    }

    #[test]
    fn a_key_of_another_type_or_owner_is_not_taken() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("tls.key");
        let waiting = pending(&place, KeyType::P256, None).waiting().to_owned();
        let other = PendingKey::find_or_make(&place, KeyType::Ed25519, Encoding::Pem, None);
        assert!(matches!(other, Err(KeyFileError::OtherType { .. })));
        fs::set_permissions(&waiting, fs::Permissions::from_mode(0o640)).unwrap();
        let open = PendingKey::find_or_make(&place, KeyType::P256, Encoding::Pem, None);
        assert!(matches!(open, Err(KeyFileError::NotPrivate { .. })));
    }

    #[test]
    fn a_planted_link_is_not_followed() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("tls.key");
        let elsewhere = dir.path().join("elsewhere");
        symlink(&elsewhere, waiting_place(&place, None)).unwrap();
        assert!(PendingKey::find_or_make(&place, KeyType::P256, Encoding::Pem, None).is_err());
        assert!(!elsewhere.exists());
    }

    #[test]
    fn der_and_pem_hold_the_same_key() {
        let dir = tempfile::tempdir().unwrap();
        let place = dir.path().join("tls.key");
        let pem = pending(&place, KeyType::Ed25519, None);
        let der = PendingKey::find_or_make(&place, KeyType::Ed25519, Encoding::Der, None).unwrap();
        assert_eq!(pem.public_key().spki(), der.public_key().spki());
        assert!(!fs::read(der.waiting()).unwrap().starts_with(b"-----"));
        der.discard();
        assert!(pem.waiting().exists(), "an earlier command's key is not thrown away");
        pem.discard();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
