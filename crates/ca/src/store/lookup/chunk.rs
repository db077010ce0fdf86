//! Entries as they stand in a chunk of a run.

use super::Entry;

/// Octets of an entry: 8 of its hash, 6 of its certificate's number.
const ENTRY: usize = 14;

/// How many entries a chunk holds at most: two chunks fill a page of 8 KiB.
pub(super) const ENTRIES: usize = 280;

/// A chunk's entries, ascending, in place.
#[derive(Clone, Copy)]
pub(super) struct Chunk<'a> {
    entries: &'a [[u8; ENTRY]],
}

impl<'a> Chunk<'a> {
    /// Reads a chunk's octets.
    pub(super) fn read(octets: &'a [u8]) -> Self {
        Self { entries: octets.as_chunks().0 }
    }

    /// Its entries.
    pub(super) fn iter(self) -> impl Iterator<Item = Entry> + use<'a> {
        self.entries.iter().map(|entry| Entry { hash: hash(entry), number: number(entry) })
    }

    /// The first and the last hash.
    pub(super) fn bounds(self) -> Option<(u64, u64)> {
        Some((hash(self.entries.first()?), hash(self.entries.last()?)))
    }

    /// The certificates under one hash.
    pub(super) fn numbers_of(self, wanted: u64) -> impl Iterator<Item = i64> + use<'a> {
        let from = self.entries.partition_point(|entry| hash(entry) < wanted);
        self.entries[from..].iter().take_while(move |entry| hash(entry) == wanted).map(number)
    }
}

fn hash(entry: &[u8; ENTRY]) -> u64 {
    entry.first_chunk().map_or(0, |octets| u64::from_be_bytes(*octets))
}

fn number(entry: &[u8; ENTRY]) -> i64 {
    entry[8..].iter().fold(0, |number, octet| number << 8 | i64::from(*octet))
}

/// Appends an entry's octets.
pub(super) fn push(octets: &mut Vec<u8>, entry: Entry) {
    octets.extend_from_slice(&entry.hash.to_be_bytes());
    octets.extend_from_slice(&entry.number.to_be_bytes()[2..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_read_back() {
        let entries = [(0, 1), (7, 1 << 40), (7, (1 << 47) - 1), (u64::MAX, 3)]
            .map(|(hash, number)| Entry { hash, number });
        let mut octets = Vec::new();
        entries.iter().for_each(|entry| push(&mut octets, *entry));
        let chunk = Chunk::read(&octets);
        assert_eq!(chunk.iter().collect::<Vec<_>>(), entries);
        assert_eq!(chunk.bounds(), Some((0, u64::MAX)));
        assert_eq!(chunk.numbers_of(7).collect::<Vec<_>>(), [1 << 40, (1 << 47) - 1]);
        assert_eq!(chunk.numbers_of(8).count(), 0);
    }
}
