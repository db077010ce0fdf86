//! Rows as CSV (RFC 4180) with a header.

use std::borrow::Cow;
use std::io;

use csv::{ByteRecord, Reader, ReaderBuilder};

use super::csr::CsrFiles;
use super::input::{BUFFER, Digesting, Input};
use super::row::{Cells, Column, Place, Sans, read};
use super::rows::{Next, header_error};
use crate::error::CliError;

/// A reader of CSV.
pub(crate) struct CsvRows {
    reader: Reader<Digesting>,
    /// The columns in the header's order.
    columns: Vec<Column>,
    record: ByteRecord,
    row: u64,
}

impl CsvRows {
    /// Reads the header.
    pub(crate) fn new(input: &Input) -> Result<Self, CliError> {
        let mut digesting = input.rewind()?;
        digesting.allow_row();
        // Rows that are too long or too short are told by number, not as the end of the input.
        let mut builder = ReaderBuilder::new();
        let mut reader = builder.flexible(true).buffer_capacity(BUFFER).from_reader(digesting);
        let header = reader.byte_headers().map_err(|error| input.error(as_io(error)))?.clone();
        let columns = header_columns(&header).map_err(|what| header_error(input, what))?;
        Ok(Self { reader, columns, record: ByteRecord::new(), row: 0 })
    }

    /// The next row.
    pub(crate) fn next(&mut self, files: &mut CsrFiles) -> io::Result<Next> {
        self.reader.get_mut().allow_row();
        if !self.reader.read_byte_record(&mut self.record).map_err(as_io)? {
            return Ok(Next::End);
        }
        self.row += 1;
        let line = self.record.position().map_or(0, csv::Position::line);
        let place = Place { row: self.row, line };
        let mut errors = Vec::new();
        let row = match self.cells(place, &mut errors) {
            Some(cells) => read(place, &cells, files, &mut errors),
            None => None,
        };
        Ok(row.map_or(Next::Wrong(errors), Next::Row))
    }

    /// The digest of what was read.
    pub(crate) fn digest(&self) -> [u8; 32] {
        self.reader.get_ref().digest()
    }

    fn cells(
        &self,
        place: Place,
        errors: &mut Vec<super::row_errors::RowError>,
    ) -> Option<Cells<'_>> {
        let (found, expected) = (self.record.len(), self.columns.len());
        if found != expected {
            let what = format!(
                "it has {found} cells, and the header has {expected}; put a cell with a comma in quotation marks"
            );
            errors.push(place.error(Column::Row, what));
            return None;
        }
        let mut cells = Cells::default();
        for (column, cell) in self.columns.iter().zip(&self.record) {
            let Ok(text) = std::str::from_utf8(cell) else {
                errors.push(place.error(*column, "it is not UTF-8 text"));
                continue;
            };
            let text = text.trim();
            let cell = (!text.is_empty()).then_some(Cow::Borrowed(text));
            match column {
                Column::Principal => cells.principal = cell,
                Column::Role => cells.role = cell,
                Column::San => cells.sans = Sans::Joined(cell.unwrap_or_default()),
                Column::ValidityDays => cells.validity_days = cell,
                _ => cells.csr = cell,
            }
        }
        errors.is_empty().then_some(cells)
    }
}

/// The columns that a header names.
fn header_columns(header: &ByteRecord) -> Result<Vec<Column>, String> {
    let mut columns = Vec::new();
    for name in header {
        let name = String::from_utf8_lossy(name);
        let name = name.trim();
        let column = Column::named(name).ok_or_else(|| Column::unknown(name))?;
        if columns.contains(&column) {
            return Err(format!("the column {column} stands in the header twice"));
        }
        columns.push(column);
    }
    if columns.contains(&Column::Principal) || columns.contains(&Column::Csr) {
        return Ok(columns);
    }
    Err(format!(
        "its first line is no header with a principal or a csr; the columns are {}",
        Column::names()
    ))
}

/// A CSV error as what the file system or the row's length made of it: nothing else ends a flexible
/// reader of octets.
fn as_io(error: csv::Error) -> io::Error {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error,
        other => io::Error::new(io::ErrorKind::InvalidData, format!("{other:?}")),
    }
}
