//! Rows that name certificates: an id or a serial number a line.

use std::io::{self, BufReader};

use super::input::{BUFFER, Digesting, InputLine, TOO_LONG, read_line};
use super::row::{Column, KeySource, Place, Row};
use super::rows::Next;
use crate::cli::plain_serial;

/// Whether this has the form of a certificate's id, or of a serial number of up to 20 octets.
fn is_name(text: &str) -> bool {
    let (digits, of, most): (_, fn(&u8) -> bool, _) = match text.strip_prefix("cert-") {
        Some(number) => (number, u8::is_ascii_digit, 19),
        None => (text, u8::is_ascii_hexdigit, 40),
    };
    (1..=most).contains(&digits.len()) && digits.bytes().all(|digit| of(&digit))
}

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
        // Nothing else is taken, and so nothing else is shown: it may be a file of another kind, a key.
        let Some(name) = text.map(plain_serial).filter(|name| is_name(name)) else {
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
