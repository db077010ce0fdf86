//! Rows as CSV (RFC 4180) with a header.

use std::borrow::Cow;
use std::io::{self, BufReader};

use super::csr::CsrFiles;
use super::csv_records::{Record, Records};
use super::input::{BUFFER, Digesting, Input};
use super::row::{Cells, Column, Place, Sans, read};
use super::rows::{Next, header_error};
use crate::error::CliError;

/// A reader of CSV.
pub(crate) struct CsvRows {
    records: Records<BufReader<Digesting>>,
    /// The columns in the header's order.
    columns: Vec<Column>,
    row: u64,
}

impl CsvRows {
    /// Reads the header.
    pub(crate) fn new(input: &Input) -> Result<Self, CliError> {
        let mut records = Records::new(BufReader::with_capacity(BUFFER, input.rewind()?));
        let columns = match records.next().map_err(|error| input.error(error))? {
            Record::Wrong(why) => Err(format!("the header: {why}")),
            Record::Whole | Record::End => header_columns(records.cells()),
        };
        let columns = columns.map_err(|what| header_error(input, what))?;
        Ok(Self { records, columns, row: 0 })
    }

    /// The next row.
    pub(crate) fn next(&mut self, files: &mut CsrFiles) -> io::Result<Next> {
        let record = self.records.next()?;
        if record == Record::End {
            return Ok(Next::End);
        }
        self.row += 1;
        let place = Place { row: self.row, line: self.records.line() };
        if let Record::Wrong(why) = record {
            return Ok(Next::Wrong(vec![place.error(Column::Row, why)]));
        }
        let mut errors = Vec::new();
        let row = match self.cells(place, &mut errors) {
            Some(cells) => read(place, &cells, files, &mut errors),
            None => None,
        };
        Ok(row.map_or(Next::Wrong(errors), Next::Row))
    }

    /// The digest of what was read.
    pub(crate) fn digest(&self) -> [u8; 32] {
        self.records.reader().get_ref().digest()
    }

    fn cells(
        &self,
        place: Place,
        errors: &mut Vec<super::row_errors::RowError>,
    ) -> Option<Cells<'_>> {
        let (found, expected) = (self.records.cells().len(), self.columns.len());
        if found != expected {
            let what = format!(
                "it has {found} cells, and the header has {expected}; put a cell with a comma in quotation marks"
            );
            errors.push(place.error(Column::Row, what));
            return None;
        }
        let mut cells = Cells::default();
        for (column, cell) in self.columns.iter().zip(self.records.cells()) {
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
fn header_columns<'a>(header: impl Iterator<Item = &'a [u8]>) -> Result<Vec<Column>, String> {
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
