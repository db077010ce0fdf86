//! The private keys of a slice: made on all cores, kept as one block until their lines are durable.

use std::fmt;
use std::num::NonZero;
use std::thread;

use rustmq_pki::key::software::SoftwareKey;
use rustmq_pki::key::{KeyError, KeyType, PublicKey};
use tokio::runtime::Handle;
use zeroize::Zeroizing;

use super::row::Row;

/// The private keys of a slice as PKCS#8, in the order of its rows; a row that brought a request has
/// an empty one.
pub(crate) struct SliceKeys {
    slice: u64,
    ends: Vec<usize>,
    octets: Zeroizing<Vec<u8>>,
}

/// Shows no octet of a key.
impl fmt::Debug for SliceKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("SliceKeys");
        shown.field("slice", &self.slice).field("keys", &self.len()).finish_non_exhaustive()
    }
}

/// Public keys in the order of the rows.
pub(crate) type PublicKeys = Vec<Option<PublicKey>>;

impl SliceKeys {
    /// Makes a key for each row that brought none, of the types given for these.
    pub(crate) fn make(
        slice: u64,
        rows: &[Row],
        key_types: Vec<KeyType>,
    ) -> Result<(Self, PublicKeys), KeyError> {
        let made = generate_on_all_cores(key_types)?;
        // Reserved at once: a buffer that grows leaves copies of keys behind.
        let length = made.iter().map(|(_, pkcs8)| pkcs8.len()).sum();
        let mut keys = Self::with_capacity(slice, rows.len(), length);
        let mut public_keys = Vec::with_capacity(rows.len());
        let mut made = made.into_iter();
        for row in rows {
            let pair = if row.key.is_made() { made.next() } else { None };
            let (public_key, pkcs8) = pair.unzip();
            keys.push(pkcs8.as_ref().map_or(&[], |pkcs8| pkcs8.as_slice()));
            public_keys.push(public_key);
        }
        Ok((keys, public_keys))
    }

    /// A slice without keys so far, and room for them.
    pub(crate) fn with_capacity(slice: u64, count: usize, length: usize) -> Self {
        let octets = Zeroizing::new(Vec::with_capacity(length));
        Self { slice, ends: Vec::with_capacity(count), octets }
    }

    /// Adds the next row's key.
    pub(crate) fn push(&mut self, pkcs8: &[u8]) {
        self.octets.extend_from_slice(pkcs8);
        self.ends.push(self.octets.len());
    }

    /// The slice's number.
    pub(crate) fn slice(&self) -> u64 {
        self.slice
    }

    /// How many rows the slice has.
    pub(crate) fn len(&self) -> usize {
        self.ends.len()
    }

    /// How many octets all keys have.
    pub(crate) fn octets(&self) -> usize {
        self.octets.len()
    }

    /// The key of the slice's `nth` row as PKCS#8.
    pub(crate) fn get(&self, nth: usize) -> Option<&[u8]> {
        let start = nth.checked_sub(1).map_or(Some(0), |before| self.ends.get(before).copied())?;
        let pkcs8 = self.octets.get(start..*self.ends.get(nth)?)?;
        (!pkcs8.is_empty()).then_some(pkcs8)
    }

    /// The public halves, read from the private ones.
    pub(crate) fn public_keys(&self) -> Result<PublicKeys, KeyError> {
        let read = on_all_cores((0..self.len()).collect(), |nth| {
            let key = self.get(nth).map(SoftwareKey::from_pkcs8).transpose()?;
            Ok(key.map(SoftwareKey::into_public_key))
        });
        read.into_iter().collect()
    }
}

/// A public key, and its private key as PKCS#8.
type Pair = (PublicKey, Zeroizing<Vec<u8>>);

/// Makes keys, a share on each core. The threads are the runtime's and stay: a new one would have to
/// seed a random generator of its own first, which costs more than a hundred keys.
fn generate_on_all_cores(mut key_types: Vec<KeyType>) -> Result<Vec<Pair>, KeyError> {
    let Ok(runtime) = Handle::try_current() else { return generate(&key_types) };
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let share = key_types.len() / cores;
    let mut others = Vec::with_capacity(cores);
    for _ in 1..cores {
        let types = key_types.split_off(key_types.len() - share);
        others.push(runtime.spawn_blocking(move || generate(&types)));
    }
    let mut pairs = generate(&key_types)?;
    for other in others.into_iter().rev() {
        pairs.extend(runtime.block_on(other).map_err(|_| KeyError::Crypto)??);
    }
    Ok(pairs)
}

fn generate(key_types: &[KeyType]) -> Result<Vec<Pair>, KeyError> {
    let make = |key_type: &KeyType| {
        let key = SoftwareKey::generate(*key_type)?;
        let pkcs8 = key.to_pkcs8()?;
        Ok((key.into_public_key(), pkcs8))
    };
    key_types.iter().map(make).collect()
}

/// Does `work` for each of `items`, a share on each core; the answers stand in the items' order.
pub(crate) fn on_all_cores<T: Send, U: Send>(
    mut items: Vec<T>,
    work: impl Fn(T) -> U + Sync,
) -> Vec<U> {
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let share = items.len().div_ceil(cores).max(1);
    let mut shares = Vec::with_capacity(cores);
    while items.len() > share {
        shares.push(items.split_off(items.len() - share));
    }
    let work = &work;
    thread::scope(|scope| {
        let start =
            |share: Vec<T>| scope.spawn(move || share.into_iter().map(work).collect::<Vec<_>>());
        let others: Vec<_> = shares.into_iter().map(start).collect();
        let mut answers: Vec<U> = items.into_iter().map(work).collect();
        for other in others.into_iter().rev() {
            match other.join() {
                Ok(share) => answers.extend(share),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        answers
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::row::{KeySource, Place};

    fn row(number: u64, key: KeySource) -> Row {
        let place = Place { row: number, line: number + 1 };
        Row { place, principal: None, role: None, sans: Vec::new(), validity_days: None, key }
    }

    #[test]
    fn each_row_without_a_request_has_a_key_of_its_own() {
        let rows: Vec<_> = (1..=9)
            .map(|n| row(n, if n % 3 == 0 { KeySource::Csr(vec![0x30]) } else { KeySource::Made }))
            .collect();
        let types = (0..6).map(|n| if n % 2 == 0 { KeyType::P256 } else { KeyType::Ed25519 });
        let types: Vec<_> = types.collect();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (keys, public_keys) = {
            let types = types.clone();
            let rows = rows.clone();
            let made = runtime.handle().spawn_blocking(move || SliceKeys::make(4, &rows, types));
            runtime.block_on(made).unwrap().unwrap()
        };
        let made: Vec<_> = public_keys.iter().flatten().map(PublicKey::key_type).collect();
        assert_eq!(made, types, "each of its row's type");
        assert_eq!((keys.slice(), keys.len(), public_keys.len()), (4, 9, 9));
        for (nth, row) in rows.iter().enumerate() {
            assert_eq!(keys.get(nth).is_some(), row.key.is_made());
        }
        assert_eq!(keys.get(9), None);
        assert_eq!(keys.public_keys().unwrap(), public_keys, "read back in the same order");
        let mut distinct: Vec<_> = (0..9).filter_map(|nth| keys.get(nth)).collect();
        distinct.sort();
        distinct.dedup();
        assert_eq!(distinct.len(), 6);
    }

    #[test]
    fn debug_shows_no_octet_of_a_key() {
        let mut keys = SliceKeys::with_capacity(7, 2, 4);
        keys.push(&[201, 202]);
        keys.push(&[203, 204]);
        assert_eq!(format!("{keys:?}"), "SliceKeys { slice: 7, keys: 2, .. }");
    }

    #[test]
    fn shares_keep_the_order_whatever_their_size() {
        for count in [0, 1, 2, 3, 7, 100] {
            let items: Vec<u32> = (0..count).collect();
            assert_eq!(on_all_cores(items.clone(), |n| n), items);
        }
    }
}
