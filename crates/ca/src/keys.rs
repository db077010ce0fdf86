//! Where signers come from: encrypted keys in the store, opened once a process and only when needed.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use rustmq_pki::key::software::SoftwareKey;
use rustmq_pki::key::{KeyError, Signer};
use secrecy::SecretString;

use crate::store::{CaRow, Store, blocking, keys as ca_keys};
use crate::{Error, PassphraseSource};

/// The CA keys of one data directory.
#[derive(Clone)]
pub(crate) struct Keys {
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    source: Arc<dyn PassphraseSource>,
    /// Held while a passphrase is asked for and a key derived from it, on blocking threads only.
    passphrase: Mutex<Option<Known>>,
    /// Opened signers by CA; held for a look only.
    signers: Mutex<HashMap<i64, Arc<dyn Signer>>>,
    #[cfg(feature = "fault-injection")]
    faults: crate::faults::Faults,
}

/// A passphrase that this process has, and its number: another process may have changed it since.
struct Known {
    passphrase: SecretString,
    epoch: i64,
}

/// A new CA key, already encrypted.
pub(crate) struct NewKey {
    pub(crate) signer: Arc<dyn Signer>,
    pub(crate) encrypted: Vec<u8>,
    /// What `store.key_epoch` was: storing the key fails when it has changed.
    pub(crate) epoch: i64,
    /// What it will be.
    next_epoch: i64,
    passphrase: SecretString,
}

impl Keys {
    pub(crate) fn new(options: &crate::Options, store: Store) -> Self {
        Self {
            shared: Arc::new(Shared {
                store,
                source: options.passphrase.clone(),
                passphrase: Mutex::new(None),
                signers: Mutex::new(HashMap::new()),
                #[cfg(feature = "fault-injection")]
                faults: options.faults.clone(),
            }),
        }
    }

    /// The signer of a CA.
    pub(crate) async fn signer(&self, ca: &CaRow) -> Result<Arc<dyn Signer>, Error> {
        let number = ca.number;
        if let Some(signer) = self.opened().get(&number) {
            return Ok(signer.clone());
        }
        let (encrypted, epoch) = self
            .shared
            .store
            .read(move |connection| {
                Ok((ca_keys::encrypted(connection, number)?, ca_keys::epoch(connection)?))
            })
            .await?;
        let encrypted = encrypted.ok_or_else(|| Error::KeyMissing { ca: ca.id.clone() })?;
        let keys = self.clone();
        blocking(move || {
            let mut known = keys.passphrase();
            // Those who waited for the lock find what the first of them opened.
            if let Some(signer) = keys.opened().get(&number) {
                return Ok(signer.clone());
            }
            let key = keys.open(&mut known, &encrypted, epoch)?;
            let signer = keys.wrap(Arc::new(key));
            keys.opened().insert(number, signer.clone());
            Ok(signer)
        })
        .await
    }

    /// Encrypts a new CA's key. The passphrase is asked for now, so that nothing is reserved yet when
    /// it is wrong.
    pub(crate) async fn protect(&self, key: SoftwareKey) -> Result<NewKey, Error> {
        let (epoch, known) = self
            .shared
            .store
            .read(|connection| Ok((ca_keys::epoch(connection)?, ca_keys::all(connection)?)))
            .await?;
        let keys = self.clone();
        blocking(move || {
            let passphrase = match known.first() {
                // The new key gets the passphrase of the others: prove that this is it.
                Some((_, encrypted)) => keys.proven_passphrase(encrypted, epoch)?,
                None => keys.shared.source.new_passphrase()?,
            };
            let encrypted = key.to_encrypted_pkcs8(&passphrase)?;
            let next_epoch = if known.is_empty() { epoch + 1 } else { epoch };
            let signer = keys.wrap(Arc::new(key));
            Ok(NewKey { signer, encrypted, epoch, next_epoch, passphrase })
        })
        .await
    }

    /// Keeps the key of a CA that is now complete, and the passphrase that it is stored under.
    pub(crate) fn keep(&self, ca: i64, key: NewKey) {
        self.opened().insert(ca, key.signer);
        self.adopt(key.passphrase, key.next_epoch);
    }

    /// Encrypts every key under a new passphrase. Returns the keys and the passphrase's number that
    /// they were encrypted under before; [`Keys::adopt`] follows once they are stored.
    pub(crate) async fn reencrypt(&self) -> Result<Reencrypted, Error> {
        let (epoch, known) = self
            .shared
            .store
            .read(|connection| Ok((ca_keys::epoch(connection)?, ca_keys::all(connection)?)))
            .await?;
        if known.is_empty() {
            return Err(Error::NoPassphrase);
        }
        let keys = self.clone();
        blocking(move || {
            let mut opened = Vec::with_capacity(known.len());
            for (ca, encrypted) in &known {
                opened.push((*ca, keys.open(&mut keys.passphrase(), encrypted, epoch)?));
            }
            let passphrase = keys.shared.source.new_passphrase()?;
            let encrypted = opened
                .iter()
                .map(|(ca, key)| Ok((*ca, key.to_encrypted_pkcs8(&passphrase)?)))
                .collect::<Result<Vec<_>, KeyError>>()?;
            Ok(Reencrypted { keys: encrypted, epoch, passphrase })
        })
        .await
    }

    /// From now on this is the passphrase, by this number.
    pub(crate) fn adopt(&self, passphrase: SecretString, epoch: i64) {
        *self.passphrase() = Some(Known { passphrase, epoch });
    }

    /// Whether a CA's key is open in this process.
    pub(crate) fn is_open(&self, ca: i64) -> bool {
        self.opened().contains_key(&ca)
    }

    /// Whether this process has the passphrase already.
    pub(crate) fn is_unlocked(&self) -> bool {
        !self.opened().is_empty()
    }

    fn opened(&self) -> std::sync::MutexGuard<'_, HashMap<i64, Arc<dyn Signer>>> {
        self.shared.signers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn passphrase(&self) -> std::sync::MutexGuard<'_, Option<Known>> {
        self.shared.passphrase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Opens one key with the passphrase of this number, asking for it if this process does not
    /// have it.
    fn open(
        &self,
        known: &mut Option<Known>,
        encrypted: &[u8],
        epoch: i64,
    ) -> Result<SoftwareKey, Error> {
        if let Some(proven) = known.as_ref().filter(|known| known.epoch == epoch) {
            // It has opened another key: where this one is damaged, asking again helps nobody.
            return Ok(SoftwareKey::from_encrypted_pkcs8(encrypted, &proven.passphrase)?);
        }
        *known = None;
        let passphrase = self.shared.source.existing()?;
        // A passphrase that opens nothing is not kept: the next attempt asks again.
        let key = SoftwareKey::from_encrypted_pkcs8(encrypted, &passphrase)?;
        *known = Some(Known { passphrase, epoch });
        Ok(key)
    }

    /// The passphrase, proven on one key unless it was before.
    fn proven_passphrase(&self, encrypted: &[u8], epoch: i64) -> Result<SecretString, Error> {
        let mut known = self.passphrase();
        if known.as_ref().is_none_or(|known| known.epoch != epoch) {
            self.open(&mut known, encrypted, epoch)?;
        }
        known.as_ref().map(|known| known.passphrase.clone()).ok_or(Error::WrongPassphrase)
    }

    #[cfg(feature = "fault-injection")]
    fn wrap(&self, signer: Arc<dyn Signer>) -> Arc<dyn Signer> {
        self.shared.faults.wrap(signer)
    }

    #[cfg(not(feature = "fault-injection"))]
    #[expect(clippy::unused_self, reason = "the same call with and without fault injection")]
    fn wrap(&self, signer: Arc<dyn Signer>) -> Arc<dyn Signer> {
        signer
    }
}

/// Every CA key under a new passphrase, not yet stored.
pub(crate) struct Reencrypted {
    pub(crate) keys: Vec<(i64, Vec<u8>)>,
    pub(crate) epoch: i64,
    pub(crate) passphrase: SecretString,
}
