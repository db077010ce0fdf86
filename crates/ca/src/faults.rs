//! What a test may do to an authority: weaken its durability, watch its signer.

use std::fmt;
use std::sync::Arc;

use rustmq_pki::key::Signer;

use crate::Options;

/// Puts a signer of the test's in front of each of the authority's.
pub trait SignerWatch: Send + Sync {
    /// The signer to use in place of `signer`.
    fn watch(&self, signer: Arc<dyn Signer>) -> Arc<dyn Signer>;
}

/// Deviations from what ships.
#[derive(Clone, Default)]
pub struct Faults {
    /// Commits without fsync: a crash of the machine loses acknowledged work.
    pub without_fsync: bool,
    /// Rows of a slice of revocations, instead of [`crate::batch::SLICE_ROWS`].
    pub slice_rows: Option<usize>,
    /// Stands in front of every signer.
    pub watch: Option<Arc<dyn SignerWatch>>,
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").field("without_fsync", &self.without_fsync).finish_non_exhaustive()
    }
}

impl Faults {
    pub(crate) fn wrap(&self, signer: Arc<dyn Signer>) -> Arc<dyn Signer> {
        match &self.watch {
            Some(watch) => watch.watch(signer),
            None => signer,
        }
    }
}

impl Options {
    /// The same with deviations from what ships.
    #[must_use]
    pub fn with_faults(mut self, faults: Faults) -> Self {
        self.faults = faults;
        self
    }
}
