//! Ctrl-C: what is under way is finished, what is not begun is not begun, and the user hears how to
//! go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::CliError;

/// Whether the user asked to stop.
#[derive(Clone, Debug, Default)]
pub(crate) struct Interrupt(Arc<AtomicBool>);

impl Interrupt {
    /// The user asked to stop.
    pub(crate) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    /// Whether the user asked to stop.
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// A point at which a command may end: nothing is half done here.
    ///
    /// # Errors
    ///
    /// [`CliError::Interrupted`] with `state`, what was done so far, if the user asked to stop.
    pub(crate) fn checkpoint(&self, state: &'static str) -> Result<(), CliError> {
        if self.is_set() { Err(CliError::Interrupted { state }) } else { Ok(()) }
    }
}
