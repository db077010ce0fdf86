//! One row of the input: the cells as they were written, and what they mean.

use std::borrow::Cow;
use std::fmt;

use rustmq_pki::name::{Principal, SubjectAltName};
use rustmq_pki::role::Role;

use super::csr::CsrFiles;
use super::row_errors::RowError;

/// A column of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Column {
    /// Whom the certificate is for.
    Principal,
    /// What it may do.
    Role,
    /// The names that peers check.
    San,
    /// Days from now to its end.
    ValidityDays,
    /// A PKCS#10 request.
    Csr,
    /// An id or serial number, in a list of certificates.
    Certificate,
    /// No column: the row as a whole.
    Row,
}

impl Column {
    /// The columns of a row of `batch-issue`.
    pub(crate) const ALL: [Self; 5] =
        [Self::Principal, Self::Role, Self::San, Self::ValidityDays, Self::Csr];

    /// The column's name in a header.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Principal => "principal",
            Self::Role => "role",
            Self::San => "san",
            Self::ValidityDays => "validity_days",
            Self::Csr => "csr",
            Self::Certificate => "certificate",
            Self::Row => "row",
        }
    }

    /// The column of this name.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|column| column.as_str() == name)
    }

    /// What is wrong with a name that no column has. One that is not a plain word is not cited: the file
    /// may be another than was meant, a key for example.
    pub(crate) fn unknown(name: &str) -> String {
        let plain = |c: char| c.is_ascii_alphanumeric() || " _-".contains(c);
        let columns = Self::names();
        match name.len() <= 24 && name.chars().all(plain) {
            true => format!("there is no column {name:?}; the columns are {columns}"),
            false => format!("it names a column that there is not; the columns are {columns}"),
        }
    }

    /// Every name, for a sentence.
    pub(crate) fn names() -> String {
        Self::ALL.map(Self::as_str).join(", ")
    }
}

impl fmt::Display for Column {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Where a row stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// 1 for the first row; a header is none.
    pub(crate) row: u64,
    /// 1 for the first line of the input; a quoted cell may have several.
    pub(crate) line: u64,
}

impl Place {
    /// What is wrong with a column of this row.
    pub(crate) fn error(self, column: Column, message: impl fmt::Display) -> RowError {
        RowError { place: self, column, message: message.to_string() }
    }
}

/// The cells of a row; an empty one is absent.
#[derive(Debug, Default)]
pub(crate) struct Cells<'a> {
    pub(crate) principal: Option<Cow<'a, str>>,
    pub(crate) role: Option<Cow<'a, str>>,
    pub(crate) sans: Sans<'a>,
    pub(crate) validity_days: Option<Cow<'a, str>>,
    pub(crate) csr: Option<Cow<'a, str>>,
}

/// Subject alternative names as they were written.
#[derive(Debug)]
pub(crate) enum Sans<'a> {
    /// In one text, split by `;`.
    Joined(Cow<'a, str>),
    /// One by one.
    List(Vec<String>),
}

impl Default for Sans<'_> {
    fn default() -> Self {
        Self::Joined(Cow::Borrowed(""))
    }
}

/// What a row asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    /// Where it stands.
    pub(crate) place: Place,
    /// Whom the certificate is for; none takes the common name of the request.
    pub(crate) principal: Option<Principal>,
    /// What it may do; none takes what the command line says.
    pub(crate) role: Option<Role>,
    /// The names that peers check.
    pub(crate) sans: Vec<SubjectAltName>,
    /// Days from now to its end.
    pub(crate) validity_days: Option<i64>,
    /// Whose key it certifies.
    pub(crate) key: KeySource,
}

/// Whose key a row's certificate is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeySource {
    /// A key that is made here.
    Made,
    /// The key of a PKCS#10 request, PEM or DER.
    Csr(Vec<u8>),
    /// A key that is made here, for a certificate with the subject and names of this one.
    Renews(String),
}

impl KeySource {
    /// Whether the key is made here.
    pub(crate) fn is_made(&self) -> bool {
        !matches!(self, Self::Csr(_))
    }
}

/// Reads the cells; what is wrong with them goes to `errors`, column by column.
pub(crate) fn read(
    place: Place,
    cells: &Cells<'_>,
    files: &mut CsrFiles,
    errors: &mut Vec<RowError>,
) -> Option<Row> {
    let before = errors.len();
    let mut take = |column, message: &dyn fmt::Display| errors.push(place.error(column, message));
    let principal = cells
        .principal
        .as_deref()
        .map(Principal::parse)
        .and_then(|parsed| parsed.map_err(|error| take(Column::Principal, &error)).ok());
    if cells.principal.is_none() && cells.csr.is_none() {
        take(Column::Principal, &"it is empty; only a row with a csr can do without");
    }
    let role = cells.role.as_deref().map(str::parse::<Role>);
    let role = role.and_then(|role| role.map_err(|error| take(Column::Role, &error)).ok());
    let sans = match &cells.sans {
        Sans::Joined(text) => read_sans(text.split(';').map(str::trim), &mut take),
        Sans::List(list) => read_sans(list.iter().map(|san| san.trim()), &mut take),
    };
    let validity_days = cells.validity_days.as_deref().and_then(|text| {
        let wrong = |_| take(Column::ValidityDays, &NoNumber(text));
        text.parse::<i64>().map_err(wrong).ok()
    });
    let key = match cells.csr.as_deref().map(|cell| files.read(cell)) {
        None => KeySource::Made,
        Some(Ok(csr)) => KeySource::Csr(csr),
        Some(Err(error)) => {
            take(Column::Csr, &error);
            KeySource::Made
        }
    };
    let row = Row { place, principal, role, sans, validity_days, key };
    (errors.len() == before).then_some(row)
}

fn read_sans<'a>(
    texts: impl Iterator<Item = &'a str>,
    take: &mut impl FnMut(Column, &dyn fmt::Display),
) -> Vec<SubjectAltName> {
    let mut sans = Vec::new();
    for text in texts.filter(|text| !text.is_empty()) {
        match SubjectAltName::parse(text) {
            Ok(san) => sans.push(san),
            Err(error) => take(Column::San, &error),
        }
    }
    sans
}

/// A number of days that is none.
struct NoNumber<'a>(&'a str);

impl fmt::Display for NoNumber<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} is no number of days; write a whole one such as 90", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells<'a>(principal: &'a str, role: &'a str, san: &'a str, days: &'a str) -> Cells<'a> {
        let some = |text: &'a str| Some(Cow::Borrowed(text)).filter(|text| !text.is_empty());
        Cells {
            principal: some(principal),
            role: some(role),
            sans: Sans::Joined(Cow::Borrowed(san)),
            validity_days: some(days),
            csr: None,
        }
    }

    #[test]
    fn good_cells_become_a_row() {
        let place = Place { row: 3, line: 4 };
        let mut errors = Vec::new();
        let cells = cells("b1", "broker", "dns:b1.example; 10.0.0.1 ;", "90");
        let row = read(place, &cells, &mut CsrFiles::default(), &mut errors).unwrap();
        assert_eq!(errors, []);
        let sans: Vec<_> = row.sans.iter().map(ToString::to_string).collect();
        assert_eq!(sans, ["DNS:b1.example", "IP:10.0.0.1"]);
        assert_eq!((row.role, row.validity_days), (Some(Role::Broker), Some(90)));
        assert_eq!(row.principal.unwrap().as_str(), "b1");
    }

    #[test]
    fn each_wrong_cell_is_named_by_its_column() {
        let place = Place { row: 3, line: 4 };
        let mut errors = Vec::new();
        let cells = cells("../b1", "wizard", "dns:a..b;300.1.1.1", "ten");
        assert_eq!(read(place, &cells, &mut CsrFiles::default(), &mut errors), None);
        let columns: Vec<_> = errors.iter().map(|error| error.column.as_str()).collect();
        assert_eq!(columns, ["principal", "role", "san", "san", "validity_days"]);
        assert!(errors.iter().all(|error| error.place == place));
    }
}
