//! Rows that name certificates: an id or a serial number a line.

use std::io::{self, BufReader};

use super::input::{BUFFER, Digesting, InputLine, TOO_LONG, read_line};
use super::row::{Column, KeySource, Place, Row};
use super::rows::Next;
use crate::cli::plain_serial;

/// Longest id or serial number that is taken: 20 octets with colons have 59 characters.
const LONGEST: usize = 64;

/// A reader of such a list.
pub(crate) struct ListRows {
    reader: BufReader<Digesting>,
    line: Vec<u8>,
    place: Place,
}

impl ListRows {
    /// Reads from the start of `reader`.
    pub(crate) fn new(reader: Digesting) -> Self {
        let reader = BufReader::with_capacity(BUFFER, reader);
        Self { reader, line: Vec::new(), place: Place::default() }
    }

    /// The next row; empty lines, and lines that start with `#`, are none.
    pub(crate) fn next(&mut self) -> io::Result<Next> {
        loop {
            let read = read_line(&mut self.reader, &mut self.line)?;
            self.place.line += 1;
            match read {
                InputLine::End => return Ok(Next::End),
                InputLine::TooLong => {
                    self.place.row += 1;
                    return Ok(Next::Wrong(vec![self.place.error(Column::Row, TOO_LONG)]));
                }
                InputLine::Read => {}
            }
            let text = self.line.trim_ascii();
            if !text.is_empty() && !text.starts_with(b"#") {
                break;
            }
        }
        self.place.row += 1;
        let place = self.place;
        let text = std::str::from_utf8(self.line.trim_ascii()).ok();
        let Some(name) = text.filter(|text| text.len() <= LONGEST).map(plain_serial) else {
            let what = "it is no certificate's id such as cert-17, and no serial number";
            return Ok(Next::Wrong(vec![place.error(Column::Certificate, what)]));
        };
        Ok(Next::Row(Row {
            place,
            principal: None,
            role: None,
            sans: Vec::new(),
            validity_days: None,
            key: KeySource::Renews(name),
        }))
    }

    /// The digest of what was read.
    pub(crate) fn digest(&self) -> [u8; 32] {
        self.reader.get_ref().digest()
    }
}
