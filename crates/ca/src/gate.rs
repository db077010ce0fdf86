//! The only file in which a profile judges a request.

use rustmq_pki::lint::Linted;
use rustmq_pki::profile::{Note, Profile, Terms};
use rustmq_pki::time::UnixTime;

use crate::permit::Permit;
use crate::{Actor, Error};

/// A request that passed the gate and the lint.
#[derive(Debug)]
pub(crate) struct Passed {
    pub(crate) linted: Linted,
    pub(crate) notes: Vec<Note>,
    pub(crate) actor: Actor,
    /// The time that it was judged at.
    pub(crate) at: UnixTime,
}

/// Permit -> Admitted -> Linted.
pub(crate) fn pass(permit: Permit, profile: &Profile, terms: Terms<'_>) -> Result<Passed, Error> {
    let (request, actor) = permit.redeem();
    let mut admitted = profile.admit(request, terms)?;
    let notes = admitted.take_notes();
    let linted = admitted.lint()?;
    Ok(Passed { linted, notes, actor, at: terms.now })
}
