//! A compact set of revoked serial numbers.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use rustmq_pki::read::RevocationReason;

/// The octets of a serial number that RFC 5280 4.1.2.2 allows.
const SERIAL: usize = 20;

/// An entry: the magnitude, right-aligned, and an octet with the reason and the sign.
const ENTRY: usize = SERIAL + 1;

/// How many entries a bucket has room for: three and an octet of state fill a cache line.
const PER_BUCKET: usize = 3;

/// One cache line of entries.
#[derive(Clone, Debug)]
#[repr(align(64))]
struct Bucket {
    entries: [[u8; ENTRY]; PER_BUCKET],
    /// How many entries are there; [`OVERFLOWED`] once one found no room.
    state: u8,
}

/// An entry whose place this bucket is stands in a later one.
const OVERFLOWED: u8 = 0x80;

impl Bucket {
    const EMPTY: Self = Self { entries: [[0; ENTRY]; PER_BUCKET], state: 0 };

    fn held(&self) -> &[[u8; ENTRY]] {
        &self.entries[..usize::from(self.state & !OVERFLOWED)]
    }

    const fn has_overflowed(&self) -> bool {
        self.state & OVERFLOWED != 0
    }
}

/// Revoked serial numbers and why: at most 24 octets each, found in one cache line or those after it.
///
/// A keyed hash chooses the bucket. It is a fast one: the serial numbers are those of a CA that is
/// trusted, not an attacker's choice.
#[derive(Clone, Debug)]
pub struct SerialSet {
    buckets: Box<[Bucket]>,
    held: usize,
    /// Serial numbers of more than 20 octets, which no conforming CA issues; sorted.
    longer: Vec<(Box<[u8]>, RevocationReason)>,
    hasher: RandomState,
}

impl SerialSet {
    /// Makes a set of the octets of serial numbers, as encoded, and reasons. Of two entries for one
    /// serial number the last counts.
    pub fn new<'a>(revoked: impl IntoIterator<Item = (&'a [u8], RevocationReason)>) -> Self {
        let (mut entries, mut longer) = (Vec::new(), Vec::new());
        for (serial, reason) in revoked {
            match pack(serial, reason) {
                Some(entry) => entries.push(entry),
                None => longer.push((Box::from(serial), reason)),
            }
        }
        longer.sort_by(|a: &(Box<[u8]>, _), b| a.0.cmp(&b.0));
        // Eight entries to three lines are 24 octets each, and leave one place in nine free.
        let buckets = (entries.len() * 3 / 8).max(entries.len() / PER_BUCKET + 1);
        let mut set = Self {
            buckets: vec![Bucket::EMPTY; buckets].into(),
            held: 0,
            longer,
            hasher: RandomState::default(),
        };
        entries.into_iter().for_each(|entry| set.insert(entry));
        set
    }

    fn insert(&mut self, entry: [u8; ENTRY]) {
        if let Some((bucket, place)) = self.place_of(&entry) {
            self.buckets[bucket].entries[place] = entry;
            return;
        }
        let mut at = self.home(&entry);
        while self.buckets[at].held().len() == PER_BUCKET {
            self.buckets[at].state |= OVERFLOWED;
            at = self.after(at);
        }
        let bucket = &mut self.buckets[at];
        let place = bucket.held().len();
        bucket.entries[place] = entry;
        bucket.state += 1;
        self.held += 1;
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.held + self.longer.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The octets that the entries take.
    pub fn size(&self) -> usize {
        self.buckets.len() * size_of::<Bucket>()
    }

    /// Why the serial number, as encoded, was revoked, if it was.
    pub fn find(&self, serial: &[u8]) -> Option<RevocationReason> {
        let Some(wanted) = pack(serial, RevocationReason::Unspecified) else {
            let at = self.longer.partition_point(|(held, _)| **held <= *serial);
            let (held, reason) = self.longer.get(at.checked_sub(1)?)?;
            return (**held == *serial).then_some(*reason);
        };
        let (bucket, place) = self.place_of(&wanted)?;
        RevocationReason::from_code(self.buckets[bucket].entries[place][SERIAL] & 0x0f)
    }

    /// Bucket and place of an entry with this serial number. There is always a bucket with room, so
    /// the walk ends.
    fn place_of(&self, wanted: &[u8; ENTRY]) -> Option<(usize, usize)> {
        let mut at = self.home(wanted);
        loop {
            let bucket = &self.buckets[at];
            if let Some(place) = bucket.held().iter().position(|held| same_serial(held, wanted)) {
                return Some((at, place));
            }
            if !bucket.has_overflowed() {
                return None;
            }
            at = self.after(at);
        }
    }

    fn home(&self, entry: &[u8; ENTRY]) -> usize {
        let hash = self.hasher.hash_one(&entry[..SERIAL]);
        // The high half of a product maps a hash to a bucket without a division.
        let product = u128::from(hash) * self.buckets.len() as u128;
        usize::try_from(product >> 64).unwrap_or(0)
    }

    const fn after(&self, at: usize) -> usize {
        if at + 1 == self.buckets.len() { 0 } else { at + 1 }
    }
}

/// The serial number in 20 octets and its sign beside the reason; `None` if it is longer.
fn pack(serial: &[u8], reason: RevocationReason) -> Option<[u8; ENTRY]> {
    let negative = serial.first().is_some_and(|first| first & 0x80 != 0);
    let magnitude = match serial {
        [0, rest @ ..] => rest,
        all => all,
    };
    let mut entry = [if negative { 0xff } else { 0 }; ENTRY];
    entry[SERIAL.checked_sub(magnitude.len())?..SERIAL].copy_from_slice(magnitude);
    entry[SERIAL] = reason.code() | if negative { 0x80 } else { 0 };
    Some(entry)
}

fn same_serial(a: &[u8; ENTRY], b: &[u8; ENTRY]) -> bool {
    a[..SERIAL] == b[..SERIAL] && a[SERIAL] & 0x80 == b[SERIAL] & 0x80
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap;

    const REASON: RevocationReason = RevocationReason::KeyCompromise;

    #[test]
    fn sign_and_length_distinguish() {
        let long = [1_u8; 21];
        let set = SerialSet::new([(&[0x00, 0xff][..], REASON), (&[0x05], REASON), (&long, REASON)]);
        assert_eq!(set.find(&[0x00, 0xff]), Some(REASON));
        assert_eq!(set.find(&[0xff]), None, "minus one is not 255");
        assert_eq!(set.find(&[5]), Some(REASON));
        assert_eq!(set.find(&long), Some(REASON));
        assert_eq!(set.find(&[1; 22]), None);
        assert_eq!(set.len(), 3);
        assert!(SerialSet::new([]).find(&[1]).is_none());
    }

    #[test]
    fn the_size_of_an_entry() {
        let serials: Vec<[u8; 17]> = (0_u32..10_000)
            .map(|number| {
                let mut serial = [0x11; 17];
                serial[..4].copy_from_slice(&(number | 1 << 30).to_be_bytes());
                serial
            })
            .collect();
        let set = SerialSet::new(serials.iter().map(|serial| (&serial[..], REASON)));
        assert!(set.size() <= 24 * set.len(), "{} octets", set.size());
        assert!(serials.iter().all(|serial| set.find(serial) == Some(REASON)));
    }

    proptest! {
        #[test]
        fn finds_what_a_map_finds(
            revoked in prop::collection::vec((prop::collection::vec(any::<u8>(), 1..23), 0_u8..7), 0..50),
            other in prop::collection::vec(any::<u8>(), 1..23)
        ) {
            // Shortest form, as every serial number that the reader hands out is.
            let shortest = |serial: &[u8]| rustmq_pki::der::Integer::from_contents(serial).is_ok();
            let revoked: Vec<_> = revoked.into_iter().filter(|(serial, _)| shortest(serial)).collect();
            let reason = |code: u8| RevocationReason::from_code(code).unwrap();
            let set = SerialSet::new(revoked.iter().map(|(s, code)| (&s[..], reason(*code))));
            let map: HashMap<_, _> = revoked.iter().map(|(s, code)| (s.clone(), *code)).collect();
            for serial in revoked.iter().map(|(serial, _)| serial).chain([&other]) {
                if shortest(serial) {
                    let expected = map.get(serial).map(|code| reason(*code));
                    prop_assert_eq!(set.find(serial), expected);
                }
            }
        }
    }
}
