//! A compact set of revoked serial numbers.

use std::hash::BuildHasher;

use foldhash::fast::RandomState;
use rustmq_pki::read::RevocationReason;

/// The octets of a serial number that RFC 5280 4.1.2.2 allows.
const SERIAL: usize = 20;

/// An entry: the magnitude, right-aligned, and an octet with the reason and the sign.
const ENTRY: usize = SERIAL + 1;

/// The sign in that octet.
const NEGATIVE: u8 = 0x80;

/// How many entries two groups are made for: at sixteen octets a group, 23.5 octets an entry.
const PER_TWO_GROUPS: usize = 13;

/// The most entries of a group that have a tag; some 4 in a hundred groups have more entries.
const TAGS: usize = 11;

/// Where the entries of a group stand, and an octet of the hash of each: from the lowest octet on, the
/// index of the first entry (4), the tags (11), and how many entries have one, with [`MORE`] (1).
///
/// The tags of a serial number that is not revoked say so, and this table fits a cache where the
/// entries do not. One that is revoked costs one read more.
#[derive(Clone, Copy, Debug)]
struct Group(u128);

/// Beside the tagged entries of a group there are others.
const MORE: u8 = 0x80;

/// A one in the place of each tag.
const EACH_TAG: u128 = (u128::MAX / 0xff) >> (8 * (16 - TAGS));

impl Group {
    fn new(first: u32, held: impl ExactSizeIterator<Item = u8>) -> Self {
        let more = if held.len() > TAGS { MORE } else { 0 };
        let (mut group, mut count) = (u128::from(first), 0_u8);
        for tag in held.take(TAGS) {
            group |= u128::from(tag) << (32 + 8 * count);
            count += 1;
        }
        Self(group | u128::from(count | more) << 120)
    }

    const fn first(self) -> usize {
        (self.0 & 0xffff_ffff) as usize
    }

    const fn tagged(self) -> u8 {
        (self.0 >> 120) as u8
    }

    const fn has_more(self) -> bool {
        self.tagged() & MORE != 0
    }

    /// A bit within the octet of each entry with this tag, and sometimes of others: an octet that is zero
    /// is told at once for all, and one that is one above it looks alike.
    const fn with_tag(self, tag: u8) -> u128 {
        let unlike = (self.0 >> 32) ^ (EACH_TAG * tag as u128);
        let alike = unlike.wrapping_sub(EACH_TAG) & !unlike & (EACH_TAG << 7);
        alike & ((1 << (8 * (self.tagged() & !MORE))) - 1)
    }
}

/// Revoked serial numbers and why: at most 24 octets each.
///
/// A keyed hash chooses the group, so that nobody can fill one.
#[derive(Clone, Debug)]
pub struct SerialSet {
    /// One more than are used: its first entry is the end of the last group's.
    groups: Box<[Group]>,
    /// Those of one group side by side.
    entries: Box<[[u8; ENTRY]]>,
    /// Serial numbers of more than 20 octets, which no conforming CA issues; sorted.
    longer: Vec<(Box<[u8]>, RevocationReason)>,
    hasher: RandomState,
}

/// A group, a tag and an entry.
type Placed = (usize, u8, [u8; ENTRY]);

impl SerialSet {
    /// Makes a set of the octets of serial numbers, as encoded, and reasons. Of several entries for one
    /// serial number the last that revokes counts: which of them is the newer no list says.
    ///
    /// # Panics
    ///
    /// If there are 2^32 of them: DER of four length octets holds a twentieth of that.
    pub fn new<'a>(revoked: impl IntoIterator<Item = (&'a [u8], RevocationReason)>) -> Self {
        let (mut entries, mut longer) = (Vec::new(), Vec::new());
        for (serial, reason) in revoked {
            match pack(serial) {
                Some(packed) => entries.push(entry(packed, reason)),
                None => longer.push((Box::from(serial), reason)),
            }
        }
        // The last of equal ones is found.
        longer.sort_by(|a: &(Box<[u8]>, _), b| (&a.0, revokes(a.1)).cmp(&(&b.0, revokes(b.1))));
        let hasher = RandomState::default();
        let groups = 2 * entries.len().div_ceil(PER_TWO_GROUPS);
        let mut placed: Vec<Placed> = Vec::with_capacity(entries.len());
        placed.extend(entries.into_iter().map(|entry| {
            let (group, tag) = place(&hasher, groups, &serial_of(&entry));
            (group, tag, entry)
        }));
        // Stable, so that the last of equal serial numbers stays the last.
        placed.sort_by(|a, b| {
            let rank = |placed: &Placed| reason_of(&placed.2).is_none_or(revokes);
            (a.0, serial_of(&a.2), rank(a)).cmp(&(b.0, serial_of(&b.2), rank(b)))
        });
        // `dedup_by` shows the later one first and drops it.
        placed.reverse();
        placed.dedup_by(|later, kept| serial_of(&later.2) == serial_of(&kept.2));
        placed.reverse();
        let groups = group(&placed, groups);
        let entries = placed.iter().map(|(_, _, entry)| *entry).collect();
        Self { groups, entries, longer, hasher }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.len() + self.longer.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The octets that the entries take.
    pub fn size(&self) -> usize {
        size_of_val(&*self.groups) + size_of_val(&*self.entries)
    }

    /// Why the serial number, as encoded, was revoked, if it was.
    pub fn find(&self, serial: &[u8]) -> Option<RevocationReason> {
        let Some(wanted) = pack(serial) else {
            let at = self.longer.partition_point(|(held, _)| **held <= *serial);
            let (held, reason) = self.longer.get(at.checked_sub(1)?)?;
            return (**held == *serial).then_some(*reason);
        };
        let (at, tag) = place(&self.hasher, self.groups.len() - 1, &wanted);
        let group = self.groups[at];
        let mut tagged = group.with_tag(tag);
        while tagged != 0 {
            let entry = &self.entries[group.first() + tagged.trailing_zeros() as usize / 8];
            if serial_of(entry) == wanted {
                return reason_of(entry);
            }
            tagged &= tagged - 1;
        }
        if !group.has_more() {
            return None;
        }
        let untagged = group.first() + TAGS..self.groups[at + 1].first();
        let mut untagged = self.entries[untagged].iter();
        untagged.find(|entry| serial_of(entry) == wanted).and_then(reason_of)
    }
}

/// The group of a serial number and its tag; the only group of an empty set is the one past the end.
fn place(hasher: &RandomState, groups: usize, serial: &Packed) -> (usize, u8) {
    let hash = hasher.hash_one((serial.1, serial.0));
    // The high half of a product maps a hash to a group without a division.
    let product = u128::from(hash) * groups as u128;
    let [tag, ..] = hash.to_le_bytes();
    (usize::try_from(product >> 64).unwrap_or(0), tag)
}

/// The index of an entry.
fn index(entry: usize) -> u32 {
    u32::try_from(entry).expect("fewer serial numbers than 2^32")
}

/// The groups of entries in the order of their groups, and the one past the end.
fn group(placed: &[Placed], count: usize) -> Box<[Group]> {
    let mut groups = Vec::with_capacity(count + 1);
    let mut first = 0;
    for at in 0..=count {
        let held = placed[first..].iter().take_while(|(group, ..)| *group == at).count();
        let tags = placed[first..first + held].iter().map(|(_, tag, _)| *tag);
        let group = Group::new(index(first), tags);
        groups.push(group);
        first += held;
    }
    groups.into()
}

/// A serial number of up to 20 octets: the first four, the others, and the sign. In words, so that a
/// look-up is short enough for a processor to begin the next one while it waits for memory.
type Packed = (u32, u128, u8);

/// The serial number; `None` if it is longer.
fn pack(serial: &[u8]) -> Option<Packed> {
    let negative = serial.first().is_some_and(|first| first & 0x80 != 0);
    let magnitude = match serial {
        [0, rest @ ..] => rest,
        all => all,
    };
    let (above, sign) = if negative { (u32::MAX, NEGATIVE) } else { (0, 0) };
    let high =
        |octets: &[u8]| octets.iter().fold(above, |high, octet| high << 8 | u32::from(*octet));
    match magnitude.split_last_chunk() {
        Some((first, last)) if first.len() <= SERIAL - 16 => {
            Some((high(first), u128::from_be_bytes(*last), sign))
        }
        Some(_) => None,
        None => {
            let above = if negative { u128::MAX } else { 0 };
            let low = magnitude.iter().fold(above, |low, octet| low << 8 | u128::from(*octet));
            Some((high(&[]), low, sign))
        }
    }
}

fn entry((high, low, sign): Packed, reason: RevocationReason) -> [u8; ENTRY] {
    let mut entry = [0; ENTRY];
    entry[..SERIAL - 16].copy_from_slice(&high.to_be_bytes());
    entry[SERIAL - 16..SERIAL].copy_from_slice(&low.to_be_bytes());
    entry[SERIAL] = reason.code() | sign;
    entry
}

fn serial_of(entry: &[u8; ENTRY]) -> Packed {
    let [a, b, c, d, low @ .., state] = entry;
    (u32::from_be_bytes([*a, *b, *c, *d]), u128::from_be_bytes(*low), state & NEGATIVE)
}

/// Whether an entry with this reason revokes, which removeFromCRL does not.
fn revokes(reason: RevocationReason) -> bool {
    reason != RevocationReason::RemoveFromCrl
}

fn reason_of(entry: &[u8; ENTRY]) -> Option<RevocationReason> {
    RevocationReason::from_code(entry[SERIAL] & !NEGATIVE)
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
        let other = |serial: &[u8; 17]| [&serial[..4], &[0x12; 13]].concat();
        assert!(serials.iter().all(|serial| set.find(&other(serial)).is_none()));
        let untagged = set.groups.iter().filter(|group| group.has_more()).count();
        assert!(untagged > 0, "no group has an entry without a tag");
    }

    #[test]
    fn one_serial_number_many_times_is_one_entry() {
        let reasons = [REASON, RevocationReason::Superseded];
        let set = SerialSet::new((0..100_001).map(|at| (&[7_u8][..], reasons[at % 2])));
        assert_eq!((set.len(), set.find(&[7])), (1, Some(REASON)));
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
