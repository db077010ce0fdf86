//! Rows as JSON lines: an object each, with the columns of the CSV as keys.

use std::borrow::Cow;
use std::fmt;
use std::io::{self, BufReader};

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::csr::CsrFiles;
use super::input::{BUFFER, Digesting, InputLine, TOO_LONG, read_line};
use super::row::{Cells, Column, Place, Sans, read};
use super::row_errors::RowError;
use super::rows::Next;

/// A reader of JSON lines.
pub(crate) struct JsonRows {
    reader: BufReader<Digesting>,
    line: Vec<u8>,
    place: Place,
}

impl JsonRows {
    /// Reads from the start of `reader`.
    pub(crate) fn new(reader: Digesting) -> Self {
        let reader = BufReader::with_capacity(BUFFER, reader);
        Self { reader, line: Vec::new(), place: Place::default() }
    }

    /// The next row; empty lines are none.
    pub(crate) fn next(&mut self, files: &mut CsrFiles) -> io::Result<Next> {
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
            if !self.line.trim_ascii().is_empty() {
                break;
            }
        }
        self.place.row += 1;
        let mut errors = Vec::new();
        let row = object(self.place, self.line.trim_ascii(), &mut errors);
        let row = match &row {
            Some(object) if errors.is_empty() => {
                read(self.place, &object.cells, files, &mut errors)
            }
            _ => None,
        };
        Ok(row.map_or(Next::Wrong(errors), Next::Row))
    }

    /// The digest of what was read.
    pub(crate) fn digest(&self) -> [u8; 32] {
        self.reader.get_ref().digest()
    }
}

fn object<'a>(place: Place, line: &'a [u8], errors: &mut Vec<RowError>) -> Option<Object<'a>> {
    match serde_json::from_slice::<Object<'_>>(line) {
        Ok(object) => {
            errors.extend(object.wrong.iter().map(|(column, what)| place.error(*column, what)));
            Some(object)
        }
        Err(error) => {
            // The sentence ends with the place in the line, of which there is one.
            let (sentence, at) =
                (error.to_string(), format!(" at line 1 column {}", error.column()));
            let sentence = sentence.strip_suffix(&at).unwrap_or(&sentence);
            let what = format!("{sentence} (character {} of the line)", error.column());
            errors.push(place.error(Column::Row, what));
            None
        }
    }
}

/// A row's object: cells, and columns whose values are of another kind than theirs.
struct Object<'a> {
    cells: Cells<'a>,
    wrong: Vec<(Column, String)>,
}

impl<'de: 'a, 'a> Deserialize<'de> for Object<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(ObjectVisitor(std::marker::PhantomData))
    }
}

struct ObjectVisitor<'a>(std::marker::PhantomData<&'a ()>);

impl<'de: 'a, 'a> Visitor<'de> for ObjectVisitor<'a> {
    type Value = Object<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object such as {\"principal\":\"app\",\"role\":\"client\"}")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Object<'a>, A::Error> {
        let mut object = Object { cells: Cells::default(), wrong: Vec::new() };
        let mut seen = Vec::new();
        while let Some(name) = map.next_key::<Cow<'_, str>>()? {
            let column =
                Column::named(&name).ok_or_else(|| A::Error::custom(Column::unknown(&name)))?;
            if seen.contains(&column) {
                return Err(A::Error::custom(format!("the column {column} stands here twice")));
            }
            seen.push(column);
            object.take(column, map.next_value()?);
        }
        Ok(object)
    }
}

impl<'a> Object<'a> {
    fn take(&mut self, column: Column, value: Cell<'a>) {
        let cells = &mut self.cells;
        let text = |cell: Cow<'a, str>| match cell {
            Cow::Borrowed(text) => Some(Cow::Borrowed(text.trim())),
            Cow::Owned(text) => Some(Cow::Owned(text.trim().to_owned())),
        };
        let place = match (column, value) {
            (_, Cell::Absent) => return,
            (Column::San, Cell::List(list)) => return cells.sans = Sans::List(list),
            (Column::San, Cell::Text(text)) => return cells.sans = Sans::Joined(text),
            (Column::ValidityDays, Cell::Number(days)) => {
                return cells.validity_days = Some(Cow::Owned(days.to_string()));
            }
            (_, Cell::Text(cell)) => (text(cell).filter(|text| !text.is_empty()), column),
            (column, other) => {
                return self.wrong.push((
                    column,
                    format!("it is {}, not {}", other.described(), wanted(column)),
                ));
            }
        };
        match place {
            (cell, Column::Principal) => cells.principal = cell,
            (cell, Column::Role) => cells.role = cell,
            (cell, Column::ValidityDays) => cells.validity_days = cell,
            (cell, _) => cells.csr = cell,
        }
    }
}

/// What a column holds.
const fn wanted(column: Column) -> &'static str {
    match column {
        Column::ValidityDays => "a number of days",
        Column::San => "a text or a list of texts",
        _ => "a text",
    }
}

/// A value of any kind, so that a wrong one is told by its column.
enum Cell<'a> {
    Absent,
    Text(Cow<'a, str>),
    Number(i64),
    List(Vec<String>),
    Other(&'static str),
}

impl Cell<'_> {
    const fn described(&self) -> &'static str {
        match self {
            Self::Absent => "null",
            Self::Text(_) => "a text",
            Self::Number(_) => "a number",
            Self::List(_) => "a list",
            Self::Other(kind) => kind,
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Cell<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(CellVisitor(std::marker::PhantomData))
    }
}

struct CellVisitor<'a>(std::marker::PhantomData<&'a ()>);

impl<'de: 'a, 'a> Visitor<'de> for CellVisitor<'a> {
    type Value = Cell<'a>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E>(self) -> Result<Cell<'a>, E> {
        Ok(Cell::Absent)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Cell<'a>, E> {
        Ok(Cell::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Cell<'a>, E> {
        Ok(Cell::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Cell<'a>, E> {
        Ok(Cell::Number(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Cell<'a>, E> {
        Ok(i64::try_from(number).map_or(Cell::Other("a number that is too large"), Cell::Number))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Cell<'a>, E> {
        Ok(Cell::Other("a number that is not whole"))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Cell<'a>, E> {
        Ok(Cell::Other("a truth value"))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Cell<'a>, A::Error> {
        let mut texts = Vec::new();
        while let Some(value) = list.next_element::<Cell<'_>>()? {
            match value {
                Cell::Text(text) => texts.push(text.into_owned()),
                _ => {
                    while list.next_element::<IgnoredAny>()?.is_some() {}
                    return Ok(Cell::Other("a list with something that is no text"));
                }
            }
        }
        Ok(Cell::List(texts))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Cell<'a>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Cell::Other("an object"))
    }
}
