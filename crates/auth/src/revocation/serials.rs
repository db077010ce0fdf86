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

/// Where the entries of a group stand, and an octet of the hash of each.
///
/// The tags of a serial number that is not revoked say so, and this table fits a cache where the
/// entries do not. One that is revoked costs one read more.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(16))]
struct Group {
    first: u32,
    tags: [u8; TAGS],
    /// How many entries have a tag; [`MORE`] if others have none.
    tagged: u8,
}

/// Beside the tagged entries of a group there are others.
const MORE: u8 = 0x80;

impl Group {
    /// A bit for each entry with this tag.
    fn with_tag(&self, tag: u8) -> u32 {
        let mut found = 0;
        for (at, held) in self.tags.iter().enumerate() {
            found |= u32::from(*held == tag) << at;
        }
        found & ((1 << (self.tagged & !MORE)) - 1)
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
            match pack(serial, reason) {
                Some(entry) => entries.push(entry),
                None => longer.push((Box::from(serial), reason)),
            }
        }
        // The last of equal ones is found.
        longer.sort_by(|a: &(Box<[u8]>, _), b| (&a.0, revokes(a.1)).cmp(&(&b.0, revokes(b.1))));
        let hasher = RandomState::default();
        let groups = 2 * entries.len().div_ceil(PER_TWO_GROUPS);
        let mut placed: Vec<Placed> = Vec::with_capacity(entries.len());
        placed.extend(entries.into_iter().map(|entry| {
            let (group, tag) = place(&hasher, groups, &entry);
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
        let Some(wanted) = pack(serial, RevocationReason::Unspecified) else {
            let at = self.longer.partition_point(|(held, _)| **held <= *serial);
            let (held, reason) = self.longer.get(at.checked_sub(1)?)?;
            return (**held == *serial).then_some(*reason);
        };
        let (at, tag) = place(&self.hasher, self.groups.len() - 1, &wanted);
        let group = &self.groups[at];
        let same = |entry: &&[u8; ENTRY]| serial_of(entry) == serial_of(&wanted);
        let mut tagged = group.with_tag(tag);
        while tagged != 0 {
            let entry = &self.entries[(group.first + tagged.trailing_zeros()) as usize];
            if same(&entry) {
                return reason_of(entry);
            }
            tagged &= tagged - 1;
        }
        if group.tagged & MORE == 0 {
            return None;
        }
        let untagged = group.first as usize + TAGS..self.groups[at + 1].first as usize;
        self.entries[untagged].iter().find(same).and_then(reason_of)
    }
}

/// The group of an entry and its tag; the only group of an empty set is the one past the end.
fn place(hasher: &RandomState, groups: usize, entry: &[u8; ENTRY]) -> (usize, u8) {
    let hash = hasher.hash_one(&entry[..SERIAL]);
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
        let mut group = Group { first: index(first), tags: [0; TAGS], tagged: 0 };
        for ((_, tag, _), place) in placed[first..first + held].iter().zip(&mut group.tags) {
            *place = *tag;
            group.tagged += 1;
        }
        if held > TAGS {
            group.tagged |= MORE;
        }
        groups.push(group);
        first += held;
    }
    groups.into()
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
    entry[SERIAL] = reason.code() | if negative { NEGATIVE } else { 0 };
    Some(entry)
}

/// Magnitude and sign, without the reason.
fn serial_of(entry: &[u8; ENTRY]) -> (&[u8; SERIAL], u8) {
    let [serial @ .., state] = entry;
    (serial, state & NEGATIVE)
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
        let untagged = set.groups.iter().filter(|group| group.tagged & MORE != 0).count();
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
