//! From a deployment made elsewhere to this authority, step by step: a reviewed plan, a new hierarchy
//! beside the old one, a trust bundle with both, new certificates that the validator accepts, and only
//! then the end of the old ones.

mod accept;
mod apply;
mod draft;
mod error;
mod hierarchy;
mod judge;
mod plan;
mod retire;
mod roles;
mod standing;
mod state;
mod undo;

pub(crate) use apply::{Run, prepare};
pub(crate) use draft::Draft;
pub(crate) use error::{MigrationError, PlanError};
pub(crate) use judge::check;
pub(crate) use plan::{AuthorityPlan, NewHierarchy, Plan};
pub(crate) use retire::Moved;
pub(crate) use roles::RoleRules;
pub(crate) use standing::Standing;
pub(crate) use state::{BUNDLE, EntryState, Output, RETIRED, Stage, State};
pub(crate) use undo::undo;
