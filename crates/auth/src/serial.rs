//! The serial number of a peer's certificate, kept where the rest of the peer is.

use std::fmt;
use std::ops::Deref;

/// The octets of a serial number that RFC 5280 4.1.2.2 allows, and the leading zero of a positive one.
const INLINE: usize = 21;

/// The octets of a serial number, as encoded. Up to 21 of them take no allocation of their own.
#[derive(Clone)]
pub struct SerialOctets(Octets);

#[derive(Clone)]
enum Octets {
    Short(u8, [u8; INLINE]),
    /// No conforming CA issues it.
    Long(Box<[u8]>),
}

impl From<&[u8]> for SerialOctets {
    fn from(serial: &[u8]) -> Self {
        let mut octets = [0; INLINE];
        match (u8::try_from(serial.len()), octets.get_mut(..serial.len())) {
            (Ok(length), Some(place)) => {
                place.copy_from_slice(serial);
                Self(Octets::Short(length, octets))
            }
            _ => Self(Octets::Long(serial.into())),
        }
    }
}

impl Deref for SerialOctets {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Octets::Short(length, octets) => &octets[..usize::from(*length)],
            Octets::Long(octets) => octets,
        }
    }
}

impl PartialEq for SerialOctets {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for SerialOctets {}

impl fmt::Debug for SerialOctets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::error::hex(self))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn octets_of_any_length_come_back() {
        for length in [0, 1, 20, 21, 22, 300] {
            let octets: Vec<u8> =
                (0..length).map(|at: usize| u8::try_from(at % 251).unwrap()).collect();
            assert_eq!(*SerialOctets::from(&octets[..]), octets[..]);
        }
        assert_eq!(size_of::<SerialOctets>(), 24);
    }
}
