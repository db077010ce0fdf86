//! The rows of an input, one after the other, whatever it is written in.

use super::csr::CsrFiles;
use super::csv_rows::CsvRows;
use super::input::{Input, InputFormat};
use super::json_rows::JsonRows;
use super::list_rows::ListRows;
use super::row::Row;
use super::row_errors::RowError;
use crate::batch::BatchError;
use crate::error::CliError;

/// What comes next in an input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// A row.
    Row(Row),
    /// A row with errors.
    Wrong(Vec<RowError>),
    /// Nothing.
    End,
}

/// Rows as they are read.
pub(crate) struct Rows {
    reader: Reader,
    files: CsrFiles,
}

enum Reader {
    Csv(Box<CsvRows>),
    Json(Box<JsonRows>),
    List(Box<ListRows>),
}

impl Rows {
    /// The rows of `input` from its start.
    pub(crate) fn of(input: &Input, format: InputFormat) -> Result<Self, CliError> {
        let reader = match format {
            InputFormat::Csv => Reader::Csv(Box::new(CsvRows::new(input)?)),
            InputFormat::JsonLines => Reader::Json(Box::new(JsonRows::new(input.rewind()?))),
        };
        Ok(Self { reader, files: CsrFiles::beside(input.path()) })
    }

    /// The certificates that `input` lists, a line each.
    pub(crate) fn listed(input: &Input) -> Result<Self, CliError> {
        let reader = Reader::List(Box::new(ListRows::new(input.rewind()?)));
        Ok(Self { reader, files: CsrFiles::default() })
    }

    /// The next row.
    ///
    /// # Errors
    ///
    /// Where the input cannot be read on: the operating system refused, or a row has no end.
    pub(crate) fn next(&mut self) -> std::io::Result<Next> {
        match &mut self.reader {
            Reader::Csv(rows) => rows.next(&mut self.files),
            Reader::Json(rows) => rows.next(&mut self.files),
            Reader::List(rows) => rows.next(),
        }
    }

    /// The digest of all that was read, the files that rows name included: that of the whole input
    /// once the end was reached.
    pub(crate) fn digest(&self) -> [u8; 32] {
        let own = match &self.reader {
            Reader::Csv(rows) => rows.digest(),
            Reader::Json(rows) => rows.digest(),
            Reader::List(rows) => rows.digest(),
        };
        match self.files.digest() {
            None => own,
            Some(files) => *rustmq_pki::key::Fingerprint::of(&[own, files].concat()).as_bytes(),
        }
    }
}

/// The header of a CSV that is none.
pub(crate) fn header_error(input: &Input, what: String) -> CliError {
    BatchError::Header { input: input.name().to_owned(), what }.into()
}
