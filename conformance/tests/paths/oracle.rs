//! Those who are asked: the engine under test, and the others.

pub(crate) mod batch;
pub(crate) mod certval;
pub(crate) mod engine;
pub(crate) mod openssl;
pub(crate) mod webpki;

/// What a judge says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Valid,
    /// In the judge's own words.
    Refused(String),
}

impl Verdict {
    pub(crate) fn is_valid(&self) -> bool {
        *self == Self::Valid
    }
}
