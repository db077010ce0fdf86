//! The one way to the time.

use rustmq_pki::time::UnixTime;

/// Tells the authority what time it is.
///
/// A product's `main` implements it over the system clock; tests set it by hand.
pub trait Clock: Send + Sync {
    /// The present, in whole seconds.
    fn now(&self) -> UnixTime;
}
