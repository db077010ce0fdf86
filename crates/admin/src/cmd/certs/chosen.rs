//! Which certificates a batch is about: by a filter, or by a list.

use std::path::PathBuf;

use clap::Args;
use rustmq_ca::{CertificateManager, CertificateRole, CertificateStatus, ListFilter};

use crate::batch::input::Input;
use crate::batch::row::{Column, KeySource, Place};
use crate::batch::row_errors::RowErrors;
use crate::batch::rows::{Next, Rows};
use crate::batch::{BatchError, job_file};
use crate::error::CliError;
use crate::session::Session;
use crate::values;

/// What chooses certificates beside their CA.
#[derive(Debug, Args)]
pub(crate) struct FilterArgs {
    /// Those of this role
    #[arg(long, value_name = "ROLE", value_parser = values::certificate_role(), conflicts_with = "input")]
    role: Option<CertificateRole>,
    /// Those with this status
    #[arg(long, value_name = "STATUS", value_parser = values::status(), conflicts_with = "input")]
    status: Option<CertificateStatus>,
    /// Active ones that end within so many days
    #[arg(long, value_name = "DAYS", conflicts_with = "input")]
    expiring_within: Option<u16>,
    /// Those that a file lists: an id or a serial number a line; - reads standard input
    #[arg(long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
}

impl FilterArgs {
    /// The filter, for certificates of this CA.
    pub(crate) fn filter(&self, ca: Option<&str>) -> ListFilter {
        ListFilter {
            principal: None,
            role: self.role,
            status: self.status,
            ca: ca.map(str::to_owned),
            expiring_within_days: self.expiring_within.map(i64::from),
        }
    }

    /// Whether a status is asked for, one way or the other.
    pub(crate) fn has_status(&self) -> bool {
        self.status.is_some() || self.expiring_within.is_some()
    }

    /// The flags as they were given.
    pub(crate) fn flags(&self) -> Vec<(String, String)> {
        let flags = [
            ("--role", self.role.map(|role| role.to_string())),
            ("--status", self.status.map(|status| status.to_string())),
            ("--expiring-within", self.expiring_within.map(|days| days.to_string())),
        ];
        let given = flags.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?)));
        given.collect()
    }
}

/// Every certificate that a list names, as far as its lines say.
///
/// # Errors
///
/// A line that has not the form of a name; those that name no certificate are told with it, like wrong
/// rows.
pub(crate) async fn listed(
    input: &Input,
    session: &Session,
    manager: &CertificateManager,
) -> Result<Vec<Listed>, CliError> {
    let mut rows = Rows::listed(input)?;
    let (mut names, mut errors) = (Vec::new(), RowErrors::default());
    let mut count = 0;
    loop {
        match rows.next().map_err(|error| input.error(error))? {
            Next::Row(row) => match row.key {
                KeySource::Renews(name) => names.push(Listed { place: row.place, name }),
                KeySource::Made | KeySource::Csr(_) => {}
            },
            Next::Wrong(wrong) => errors.extend(wrong),
            Next::End => break,
        }
        count += 1;
    }
    if errors.rows().len() > 0 {
        refuse_unknown(session, manager, (&names, count), errors).await?;
    }
    match names.is_empty() {
        true => Err(BatchError::NoRows { input: input.name().to_owned() }.into()),
        false => Ok(names),
    }
}

/// A line of a list.
#[derive(Clone, Debug)]
pub(crate) struct Listed {
    /// Where it stands.
    place: Place,
    /// An id or a serial number.
    pub(crate) name: String,
}

/// Tells every line that names no certificate of the authority's, as far as there is one.
pub(crate) async fn unknown(
    session: &Session,
    manager: &CertificateManager,
    listed: &[Listed],
) -> Result<(), CliError> {
    let count = listed.len() as u64;
    refuse_unknown(session, manager, (listed, count), RowErrors::default()).await
}

/// The same of a list with so many lines, of which some are known to be wrong.
async fn refuse_unknown(
    session: &Session,
    manager: &CertificateManager,
    (listed, count): (&[Listed], u64),
    mut errors: RowErrors,
) -> Result<(), CliError> {
    for Listed { place, name } in listed {
        match manager.info(name).await {
            Err(error @ rustmq_ca::Error::UnknownCertificate { .. }) => {
                errors.extend([place.error(Column::Certificate, error)]);
            }
            result => drop(result?),
        }
    }
    errors.tell(session.output);
    match errors.rows().len() {
        0 => Ok(()),
        wrong => Err(BatchError::WrongList { wrong, rows: count }.into()),
    }
}

/// Where the list of a filter's certificates stands while its job runs: the certificates that the job
/// issues would pass the filter, too.
pub(crate) fn list_place(output: &std::path::Path) -> PathBuf {
    let mut name = job_file::place(output).into_os_string();
    name.push(".list");
    PathBuf::from(name)
}
