//! Who asks.

use std::fmt;
use std::sync::Arc;

/// Who is accountable for an operation: it stands in the audit record of all that they do.
///
/// Embedded, that is the operating-system user; idempotency keys are scoped by it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor(Arc<str>);

impl Actor {
    /// The local operator: the user's name and number, as the operating system tells them.
    pub fn local(user: &str, uid: u32) -> Self {
        Self(format!("local:{user}({uid})").into())
    }

    /// As the audit record shows it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
