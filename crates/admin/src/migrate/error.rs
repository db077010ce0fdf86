//! Why a migration does not go on.

use std::io;
use std::path::PathBuf;

use rustmq_auth::Rule;
use rustmq_pki::name::{PrincipalError, SanError};
use rustmq_pki::role::Role;

/// What is wrong with a plan, and where.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PlanError {
    /// Not the TOML of a plan.
    #[error("{0}")]
    Toml(String),
    /// Of another version of this program.
    #[error("it is of version {0}, and this program reads version 1")]
    Version(u32),
    /// Neither an existing CA nor names for new ones, or both.
    #[error("line {line}: [authority] has either ca_id, or root_cn and intermediate_cn")]
    Authority {
        /// Where the section begins.
        line: usize,
    },
    /// The reviewer has not said what the principal may do.
    #[error(
        "line {line}: the role of {principal} ({path}) is empty: write broker, controller, client or admin"
    )]
    EmptyRole {
        /// Where it stands.
        line: usize,
        /// The principal.
        principal: String,
        /// The old certificate.
        path: String,
    },
    /// No role.
    #[error("line {line}: {role:?} is no role: write broker, controller, client or admin")]
    UnknownRole {
        /// Where it stands.
        line: usize,
        /// What stands there.
        role: String,
    },
    /// No principal.
    #[error("line {line}: the principal of {path}: {error}")]
    Principal {
        /// Where the entry begins.
        line: usize,
        /// The old certificate.
        path: String,
        /// What is wrong.
        error: PrincipalError,
    },
    /// No name.
    #[error("line {line}: a name of {principal}: {error}")]
    San {
        /// Where the entry begins.
        line: usize,
        /// The principal.
        principal: String,
        /// What is wrong.
        error: SanError,
    },
    /// No folder of its own.
    #[error("line {line}: {folder:?} cannot be the folder: each entry has a plain name of its own")]
    Folder {
        /// Where the entry begins.
        line: usize,
        /// What stands there.
        folder: String,
    },
    /// Two entries for one certificate.
    #[error("line {line}: the certificate {fingerprint} stands in the plan twice")]
    Twice {
        /// Where the second begins.
        line: usize,
        /// The old certificate.
        fingerprint: String,
    },
}

/// Why a migration does not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MigrationError {
    /// Two patterns match.
    #[error("the patterns give {principal} two roles, {one} and {other}")]
    TwoRoles {
        /// The principal.
        principal: String,
        /// One of the roles.
        one: Role,
        /// The other.
        other: Role,
    },
    /// The old deployment would be changed by what is written.
    #[error("{} lies within the old deployment, which stays as it is until it is retired", output.display())]
    OutputWithin {
        /// The output folder.
        output: PathBuf,
    },
    /// Another process holds the output folder.
    #[error("another rustmq-admin migrate is at work in {}", output.display())]
    Busy {
        /// The output folder.
        output: PathBuf,
    },
    /// There is nothing to tell or to undo.
    #[error("no migration was begun in {}", output.display())]
    NotBegun {
        /// The output folder.
        output: PathBuf,
    },
    /// The state cannot be understood.
    #[error("{} is damaged or of another version: {error}", path.display())]
    State {
        /// The state's file.
        path: PathBuf,
        /// What is wrong.
        error: serde_json::Error,
    },
    /// The plan was edited after the hierarchy was made.
    #[error(
        "the plan names another authority or deployment than the one that the migration began with"
    )]
    OtherAuthorityPlanned,
    /// The data directory has another CA of that name, or none.
    #[error(
        "the data directory is not the one that the migration began with: {ca} has another root"
    )]
    OtherDataDirectory {
        /// The CA.
        ca: String,
    },
    /// The plan was edited after the certificate was issued.
    #[error(
        "the plan was changed for {principal} ({path}), whose new certificate was asked for already"
    )]
    EntryChanged {
        /// The principal.
        principal: String,
        /// The old certificate.
        path: String,
    },
    /// The plan's deployment is somewhere else by now.
    #[error("the old deployment {} is not there", from.display())]
    NoDeployment {
        /// Where the plan says that it is.
        from: PathBuf,
    },
    /// An old CA's file is not what it was.
    #[error("{path} no longer holds the CA certificate {fingerprint}")]
    AnchorChanged {
        /// The file.
        path: String,
        /// The certificate.
        fingerprint: String,
    },
    /// The gate refuses entries; nothing was issued.
    #[error(
        "{refused} of {entries} certificates would be refused, and none was issued; the first is {principal} ({path}): {error}"
    )]
    Refused {
        /// How many.
        refused: usize,
        /// Of how many.
        entries: usize,
        /// The first.
        principal: String,
        /// Its old certificate.
        path: String,
        /// Why.
        error: Box<rustmq_ca::Error>,
    },
    /// New certificates are not good.
    #[error("{}, and nothing old was touched{}", not_accepted(refused), why(refused))]
    NotAccepted {
        /// Which; there is one.
        refused: Vec<Unaccepted>,
    },
    /// The old certificates are gone.
    #[error(
        "the old certificates are retired, so that there is nothing to go back to; revoke single new ones with certs revoke"
    )]
    Retired,
    /// An undo was begun.
    #[error("an undo was begun here and is not complete")]
    Undoing,
    /// The certificates are not yet verified.
    #[error(
        "the migration has not come to the point at which the old certificates can go: run migrate apply without --retire first"
    )]
    NotApplied,
}

/// The most certificates that a refusal names; whoever sees twenty knows what happened.
pub(super) const MOST_NAMED: usize = 20;

/// A new certificate that is not accepted.
#[derive(Debug)]
pub(crate) struct Unaccepted {
    /// The principal.
    pub(super) principal: String,
    /// Why.
    pub(super) why: NotAccepted,
    /// Its id.
    pub(super) id: String,
    /// Its folder.
    pub(super) folder: PathBuf,
}

impl Unaccepted {
    /// What would be right.
    fn help(&self) -> String {
        let Self { why, id, folder, .. } = self;
        let restore = if why.is_for_good() { "" } else { "restore its files, or " };
        let folder = folder.display();
        format!(
            "{restore}have it made anew:  rustmq-admin certs renew {id} --output-dir {folder} --force"
        )
    }
}

fn not_accepted(refused: &[Unaccepted]) -> String {
    match refused {
        [one] => format!("the new certificate of {} was not accepted", one.principal),
        several => format!("{} new certificates were not accepted", several.len()),
    }
}

fn why(refused: &[Unaccepted]) -> String {
    match refused {
        [one] => format!(": {}", one.why),
        _ => String::new(),
    }
}

/// Why a new certificate is not accepted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotAccepted {
    /// A file is missing or unreadable.
    #[error("{}: {error}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        error: io::Error,
    },
    /// The validator refuses it.
    #[error("{0}")]
    Refused(rustmq_auth::Refusal),
    /// It names somebody else.
    #[error("it names {found}")]
    Principal {
        /// Whom it names.
        found: String,
    },
    /// It has another role.
    #[error("its role is {found}")]
    Role {
        /// The role.
        found: Role,
    },
    /// A name is missing.
    #[error("it lacks the name {0}")]
    Name(String),
    /// Its key is another one.
    #[error("its private key does not fit")]
    Key,
}

impl NotAccepted {
    /// Whether no files that were there before would be accepted.
    fn is_for_good(&self) -> bool {
        matches!(self, Self::Refused(refusal) if [Rule::Revoked, Rule::Expired].contains(&refusal.rule))
    }
}

impl MigrationError {
    /// The stable code, as in JSON output.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::TwoRoles { .. } => "two_roles",
            Self::OutputWithin { .. } => "output_within_deployment",
            Self::Busy { .. } => "migration_busy",
            Self::NotBegun { .. } => "migration_not_begun",
            Self::State { .. } => "migration_state",
            Self::OtherAuthorityPlanned => "other_authority_planned",
            Self::OtherDataDirectory { .. } => "other_data_directory",
            Self::EntryChanged { .. } => "entry_changed",
            Self::NoDeployment { .. } => "no_deployment",
            Self::AnchorChanged { .. } => "anchor_changed",
            Self::Refused { .. } => "entries_refused",
            Self::NotAccepted { .. } => "not_accepted",
            Self::Retired => "migration_retired",
            Self::Undoing => "migration_undoing",
            Self::NotApplied => "migration_not_applied",
        }
    }

    /// What would be right.
    pub(crate) fn help(&self) -> Vec<String> {
        let line = match self {
            Self::TwoRoles { .. } => "let one of the patterns match",
            Self::OutputWithin { .. } => "name a folder beside it with --output",
            Self::Busy { .. } => "wait until it has ended",
            Self::NotBegun { .. } => "rustmq-admin migrate apply  begins one",
            Self::OtherAuthorityPlanned | Self::EntryChanged { .. } => {
                "take the change back, or go back first: rustmq-admin migrate undo"
            }
            Self::OtherDataDirectory { .. } => "name it with --data-dir",
            Self::NoDeployment { .. } => {
                "put it back, or write a plan for where it is: rustmq-admin migrate plan"
            }
            Self::AnchorChanged { .. } => {
                "write the plan anew: rustmq-admin migrate plan; or set in_bundle = false"
            }
            Self::Refused { .. } => "mend these entries of the plan and run the same command again",
            Self::NotAccepted { refused } => {
                let again =
                    "then run the same command again; or go back: rustmq-admin migrate undo";
                let ways = refused.iter().take(MOST_NAMED).map(Unaccepted::help);
                return ways.chain([again.to_owned()]).collect();
            }
            Self::Undoing => "run migrate undo again: it goes on where it stopped",
            Self::State { .. } | Self::Retired | Self::NotApplied => return Vec::new(),
        };
        vec![line.to_owned()]
    }
}
