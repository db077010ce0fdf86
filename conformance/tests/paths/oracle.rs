//! Those who are asked: the engine under test, and the others.

pub mod openssl;
pub mod webpki;

/// What a judge says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    Valid,
    /// In the judge's own words.
    Refused(String),
}

impl Verdict {
    pub fn is_valid(&self) -> bool {
        *self == Self::Valid
    }
}
