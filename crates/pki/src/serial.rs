//! Serial numbers of certificates.

use std::cell::RefCell;
use std::fmt;
use std::str::FromStr;

/// The serial number of a certificate: positive, at most 20 octets (RFC 5280 4.1.2.2).
///
/// Displays and parses as lower-case hexadecimal without separators.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SerialNumber {
    length: u8,
    octets: [u8; SerialNumber::MAX_OCTETS],
}

/// The octets or the text are no serial number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SerialError {
    /// Longer than RFC 5280 4.1.2.2 allows.
    #[error("a serial number has at most 20 octets")]
    TooLong,
    /// Zero, or no octets at all.
    #[error("a serial number is positive")]
    NotPositive,
    /// Text that is not hexadecimal.
    #[error("a serial number is written as hexadecimal digits without separators")]
    NotHex,
    /// The system's random source failed.
    #[error("the system's random source gave no bytes")]
    NoRandomness,
}

impl SerialNumber {
    /// The most octets that a serial number may have.
    pub const MAX_OCTETS: usize = 20;
    /// Octets of a generated serial number: 127 random bits, well past the 64 that public CAs need.
    const GENERATED: usize = 16;

    /// A serial number from the CSPRNG: 16 octets, the top bit clear so that it needs no padding.
    pub fn generate() -> Result<Self, SerialError> {
        loop {
            let mut octets: [u8; Self::GENERATED] = random_octets()?;
            octets[0] &= 0x7f;
            // All serials of ours have the same length; a leading zero octet is drawn again.
            if octets[0] != 0 {
                return Self::from_bytes(&octets);
            }
        }
    }

    /// A serial number that starts with `prefix` and ends in 16 octets from the CSPRNG. Numbers made
    /// here have 20 octets, so that none is ever one of [`SerialNumber::generate`].
    pub fn generate_in(prefix: SerialPrefix) -> Result<Self, SerialError> {
        let mut octets = [0; Self::MAX_OCTETS];
        octets[..SerialPrefix::OCTETS].copy_from_slice(&prefix.octets);
        octets[SerialPrefix::OCTETS..].copy_from_slice(&random_octets::<{ Self::GENERATED }>()?);
        Self::from_bytes(&octets)
    }

    /// As many numbers as [`Self::generate_in`] makes one of, in ascending order: an index of serial
    /// numbers takes them side by side. Of 65,536, one that lies between two known ones is still one
    /// of some 2^112.
    pub fn generate_many_in(prefix: SerialPrefix, count: usize) -> Result<Vec<Self>, SerialError> {
        let mut numbers: Vec<Self> =
            (0..count).map(|_| Self::generate_in(prefix)).collect::<Result<_, _>>()?;
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The prefix of a number of 20 octets; none of a shorter one.
    pub fn prefix(&self) -> Option<SerialPrefix> {
        let (octets, rest) = self.as_bytes().split_first_chunk()?;
        (rest.len() == Self::GENERATED).then_some(SerialPrefix { octets: *octets })
    }

    /// A serial number from the big-endian octets of its value; leading zeros are dropped.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SerialError> {
        let zeros = bytes.iter().take_while(|octet| **octet == 0).count();
        let bytes = &bytes[zeros..];
        if bytes.is_empty() {
            return Err(SerialError::NotPositive);
        }
        // Twenty octets hold the sign bit too, so 20 octets with the top bit set would need 21.
        if bytes.len() > Self::MAX_OCTETS || (bytes.len() == Self::MAX_OCTETS && bytes[0] >= 0x80) {
            return Err(SerialError::TooLong);
        }
        let mut octets = [0; Self::MAX_OCTETS];
        octets[..bytes.len()].copy_from_slice(bytes);
        Ok(Self { length: u8::try_from(bytes.len()).map_err(|_| SerialError::TooLong)?, octets })
    }

    /// The big-endian octets of the value, without leading zeros.
    pub fn as_bytes(&self) -> &[u8] {
        &self.octets[..usize::from(self.length)]
    }
}

/// The first four octets of serial numbers that are given out together, from the CSPRNG: they lie
/// side by side in an index of serial numbers, and are as hard to foresee as others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SerialPrefix {
    octets: [u8; SerialPrefix::OCTETS],
}

impl SerialPrefix {
    /// Its octets.
    pub const OCTETS: usize = 4;

    /// A new one: positive, and without a leading zero octet.
    pub fn generate() -> Result<Self, SerialError> {
        loop {
            let mut octets: [u8; Self::OCTETS] = random_octets()?;
            octets[0] &= 0x7f;
            if octets[0] != 0 {
                return Ok(Self { octets });
            }
        }
    }

    /// The octets.
    pub fn as_bytes(&self) -> &[u8; SerialPrefix::OCTETS] {
        &self.octets
    }
}

/// Draws from a 4 KiB pool of the thread's own: the CSPRNG costs 0.3 us a call.
fn random_octets<const LENGTH: usize>() -> Result<[u8; LENGTH], SerialError> {
    const POOL: usize = 4096;
    thread_local! {
        static RANDOM: RefCell<(Vec<u8>, u32)> = const { RefCell::new((Vec::new(), 0)) };
    }
    RANDOM.with_borrow_mut(|(pool, process)| {
        // A forked child must not draw its parent's numbers.
        if pool.len() < LENGTH || *process != std::process::id() {
            pool.resize(POOL, 0);
            aws_lc_rs::rand::fill(pool).map_err(|_| {
                pool.clear();
                SerialError::NoRandomness
            })?;
            *process = std::process::id();
        }
        let rest = pool.len() - LENGTH;
        let mut octets = [0; LENGTH];
        octets.copy_from_slice(&pool[rest..]);
        pool.truncate(rest);
        Ok(octets)
    })
}

impl fmt::Display for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        crate::hex::write(f, self.as_bytes())
    }
}

impl fmt::Debug for SerialNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SerialNumber({self})")
    }
}

impl FromStr for SerialNumber {
    type Err = SerialError;

    fn from_str(text: &str) -> Result<Self, SerialError> {
        if text.len() > 2 * (Self::MAX_OCTETS + 1) {
            return Err(SerialError::TooLong);
        }
        let digits = text
            .chars()
            .map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()))
            .collect::<Option<Vec<u8>>>()
            .filter(|digits| !digits.is_empty())
            .ok_or(SerialError::NotHex)?;
        let octets: Vec<u8> = digits
            .rchunks(2)
            .rev()
            .map(|pair| pair.iter().fold(0, |octet, digit| octet << 4 | digit))
            .collect();
        Self::from_bytes(&octets)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashSet;

    #[test]
    fn generated_serials_are_distinct_and_of_one_length() {
        let serials: HashSet<_> = (0..2000).map(|_| SerialNumber::generate().unwrap()).collect();
        assert_eq!(serials.len(), 2000);
        assert!(serials.iter().all(|s| s.as_bytes().len() == 16 && s.as_bytes()[0] < 0x80));
    }

    #[test]
    fn numbers_of_one_prefix_lie_side_by_side_and_differ_from_single_ones() {
        let prefix = SerialPrefix::generate().unwrap();
        let serials: HashSet<_> =
            (0..2000).map(|_| SerialNumber::generate_in(prefix).unwrap()).collect();
        assert_eq!(serials.len(), 2000);
        for serial in &serials {
            assert_eq!(serial.as_bytes().len(), SerialNumber::MAX_OCTETS);
            assert!((1..0x80).contains(&serial.as_bytes()[0]));
            assert_eq!(serial.prefix(), Some(prefix));
        }
        let ends: HashSet<_> = serials.iter().map(|s| s.as_bytes()[4]).collect();
        assert!(ends.len() > 200, "the octet behind the prefix takes every value");
        assert_eq!(SerialNumber::generate().unwrap().prefix(), None);
    }

    #[test]
    fn numbers_that_are_made_together_ascend() {
        let prefix = SerialPrefix::generate().unwrap();
        let numbers = SerialNumber::generate_many_in(prefix, 1000).unwrap();
        assert_eq!(numbers.len(), 1000);
        assert!(numbers.is_sorted_by(|one, next| one.as_bytes() < next.as_bytes()));
        assert!(numbers.iter().all(|number| number.prefix() == Some(prefix)));
        assert!(SerialNumber::generate_many_in(prefix, 0).unwrap().is_empty());
    }

    #[test]
    fn limits() {
        assert_eq!(SerialNumber::from_bytes(&[]), Err(SerialError::NotPositive));
        assert_eq!(SerialNumber::from_bytes(&[0, 0]), Err(SerialError::NotPositive));
        assert_eq!(SerialNumber::from_bytes(&[0x80; 20]), Err(SerialError::TooLong));
        assert_eq!(SerialNumber::from_bytes(&[1; 21]), Err(SerialError::TooLong));
        assert!(SerialNumber::from_bytes(&[0x7f; 20]).is_ok());
        assert_eq!("".parse::<SerialNumber>(), Err(SerialError::NotHex));
        assert_eq!("12:34".parse::<SerialNumber>(), Err(SerialError::NotHex));
        assert_eq!("f".parse::<SerialNumber>().unwrap().to_string(), "0f");
    }

    proptest! {
        #[test]
        fn text_reads_back(octets in proptest::collection::vec(any::<u8>(), 1..20)) {
            if let Ok(serial) = SerialNumber::from_bytes(&octets) {
                prop_assert_eq!(serial.to_string().parse::<SerialNumber>(), Ok(serial));
            }
        }
    }
}
