//! The records of a CSV file, by the letter of RFC 4180 where cells are quoted.
//!
//! A reader that takes whatever comes would issue for the first half of a cell that was cut off, and
//! count rows behind a quotation mark that is not closed as one. So a mark where none may stand makes its
//! row wrong, and one that leaves open where rows end, the whole input. Beyond the RFC, lines may end
//! with a line feed or a carriage return alone, empty lines are none, and white space may stand around
//! a cell's quotation marks.

use std::io::{self, BufRead};

use super::input::{MAX_ROW, TOO_LONG};

/// What was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Record {
    /// Cells.
    Whole,
    /// A record that ends with its line and is none, and why.
    Wrong(&'static str),
    /// Nothing: there are no more.
    End,
}

/// A quotation mark that makes it unknown where rows end.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a cell opens with a quotation mark in line {line} and is not closed as it should be, so that the \
     rows after it cannot be told apart"
)]
pub(crate) struct OpenQuote {
    /// The line of the mark.
    pub(crate) line: u64,
}

impl OpenQuote {
    /// The mark that ended the reading of an input, if that is why.
    pub(crate) fn of(error: &io::Error) -> Option<u64> {
        error.get_ref()?.downcast_ref::<Self>().map(|open| open.line)
    }
}

const STRAY: &str = "a quotation mark stands in a cell that does not begin with one; put the whole cell \
                     in quotation marks, and write each mark in it twice";
const AFTER: &str =
    "text follows the quotation mark that closes a cell; write each mark in a cell twice";

/// Where in a cell the next octet stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// At its start, behind white space at most.
    #[default]
    Start,
    /// In one without quotation marks.
    Plain,
    /// Between quotation marks.
    Quoted,
    /// Behind a mark that closes the cell, unless it is the first of two.
    Mark,
    /// Behind one that closed it, and white space.
    Closed,
    /// Behind what makes the record wrong.
    Wrong,
}

/// Reads records.
pub(super) struct Records<R> {
    reader: R,
    record: Parser,
}

impl<R: BufRead> Records<R> {
    /// Reads from `reader`.
    pub(super) fn new(reader: R) -> Self {
        Self { reader, record: Parser::default() }
    }

    /// What it reads from.
    pub(super) fn reader(&self) -> &R {
        &self.reader
    }

    /// The line in which the record begins, 1 for the first.
    pub(super) fn line(&self) -> u64 {
        self.record.first_line + 1
    }

    /// The cells of the record.
    pub(super) fn cells(&self) -> impl ExactSizeIterator<Item = &[u8]> {
        let Parser { octets, ends, .. } = &self.record;
        let start = |nth: usize| nth.checked_sub(1).map_or(0, |before| ends[before]);
        (0..ends.len()).map(move |nth| &octets[start(nth)..ends[nth]])
    }

    /// Reads the next record.
    ///
    /// # Errors
    ///
    /// The operating system's, and [`OpenQuote`].
    pub(super) fn next(&mut self) -> io::Result<Record> {
        self.record.begin();
        loop {
            let buffer = self.reader.fill_buf()?;
            if buffer.is_empty() {
                return self.record.end_of_input();
            }
            // It can be consumed once nothing points into it.
            let mut taken = 0;
            let mut ended = false;
            while !ended && taken < buffer.len() {
                taken += self.record.take_run(&buffer[taken..]);
                if let Some(octet) = buffer.get(taken) {
                    ended = self.record.step(*octet)?;
                    taken += 1;
                }
            }
            self.reader.consume(taken);
            if ended {
                return Ok(self.record.read());
            }
        }
    }
}

/// A record as far as it was read.
#[derive(Default)]
struct Parser {
    octets: Vec<u8>,
    ends: Vec<usize>,
    place: Place,
    wrong: Option<&'static str>,
    /// Octets of the record, those that are not kept included.
    length: u64,
    /// Line feeds so far, before the record, and before the cell in quotation marks.
    line: u64,
    first_line: u64,
    open_line: u64,
    /// Whether the octet before was a carriage return that ended a record.
    is_after_return: bool,
}

impl Parser {
    fn begin(&mut self) {
        self.octets.clear();
        self.ends.clear();
        (self.place, self.wrong, self.length) = (Place::Start, None, 0);
        self.first_line = self.line;
    }

    fn read(&self) -> Record {
        self.wrong.map_or(Record::Whole, Record::Wrong)
    }

    fn end_of_input(&mut self) -> io::Result<Record> {
        if self.place == Place::Quoted {
            return Err(self.open_quote());
        }
        if self.length == 0 {
            return Ok(Record::End);
        }
        self.ends.push(self.octets.len());
        Ok(self.read())
    }

    /// Takes the next octet; says whether it ends the record.
    fn step(&mut self, octet: u8) -> io::Result<bool> {
        let is_second = std::mem::take(&mut self.is_after_return) && octet == b'\n';
        self.line += u64::from(octet == b'\n');
        if is_second {
            // The carriage return before it ended the record.
            self.first_line = self.line;
            return Ok(false);
        }
        if matches!(octet, b'\n' | b'\r') && self.place != Place::Quoted {
            return Ok(self.end_of_line(octet));
        }
        self.length += 1;
        if self.length > MAX_ROW {
            self.is_wrong(TOO_LONG)?;
            self.octets.clear();
        }
        self.take(octet).map(|()| false)
    }

    /// Takes the octets that come next and neither end a cell nor count lines, all at once; says how
    /// many there were.
    fn take_run(&mut self, octets: &[u8]) -> usize {
        // One that makes the record too long is for `step` to judge.
        let room = usize::try_from(MAX_ROW - self.length.min(MAX_ROW)).unwrap_or(usize::MAX);
        let octets = &octets[..octets.len().min(room)];
        let stops = |octet: &u8| match self.place {
            Place::Start | Place::Plain => matches!(octet, b',' | b'"' | b'\n' | b'\r'),
            Place::Quoted => matches!(octet, b'"' | b'\n'),
            Place::Mark | Place::Closed | Place::Wrong => true,
        };
        let run = octets.iter().position(stops).unwrap_or(octets.len());
        let run = if self.is_after_return { &[] } else { &octets[..run] };
        if self.place == Place::Start && !run.iter().all(|octet| matches!(octet, b' ' | b'\t')) {
            self.place = Place::Plain;
        }
        self.octets.extend_from_slice(run);
        self.length += run.len() as u64;
        run.len()
    }

    fn take(&mut self, octet: u8) -> io::Result<()> {
        match (self.place, octet) {
            (Place::Start | Place::Plain | Place::Mark | Place::Closed, b',') => {
                self.ends.push(self.octets.len());
                self.place = Place::Start;
            }
            (Place::Start, b'"') => {
                self.octets.truncate(self.ends.last().copied().unwrap_or(0));
                (self.place, self.open_line) = (Place::Quoted, self.line);
            }
            (Place::Quoted, b'"') => self.place = Place::Mark,
            (Place::Mark, b'"') => {
                self.octets.push(octet);
                self.place = Place::Quoted;
            }
            (Place::Mark | Place::Closed, b' ' | b'\t') => self.place = Place::Closed,
            (Place::Mark | Place::Closed, _) => return self.is_wrong(AFTER),
            (Place::Plain, b'"') => return self.is_wrong(STRAY),
            (Place::Start, b' ' | b'\t') | (Place::Quoted | Place::Plain, _) => {
                self.octets.push(octet);
            }
            (Place::Start, _) => {
                self.octets.push(octet);
                self.place = Place::Plain;
            }
            (Place::Wrong, _) => {}
        }
        Ok(())
    }

    /// A line ends where no cell is open: an empty one is no record.
    fn end_of_line(&mut self, octet: u8) -> bool {
        self.is_after_return = octet == b'\r';
        if self.length == 0 {
            self.first_line = self.line;
            return false;
        }
        self.ends.push(self.octets.len());
        true
    }

    /// A record that is wrong in its only line ends with it; where one of several lines ends, nobody
    /// knows.
    fn is_wrong(&mut self, why: &'static str) -> io::Result<()> {
        if self.line > self.first_line {
            return Err(self.open_quote());
        }
        if self.place != Place::Quoted {
            self.place = Place::Wrong;
        }
        self.wrong.get_or_insert(why);
        Ok(())
    }

    fn open_quote(&self) -> io::Error {
        let line = self.open_line + 1;
        io::Error::new(io::ErrorKind::InvalidData, OpenQuote { line })
    }
}

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use proptest::prelude::*;

    use super::*;

    type Cells = Result<Vec<String>, &'static str>;

    /// What is read, with a buffer so small that everything falls on its edge.
    fn read(text: &str) -> Result<Vec<(u64, Cells)>, u64> {
        read_by(3, text)
    }

    fn read_by(octets: usize, text: &str) -> Result<Vec<(u64, Cells)>, u64> {
        let mut records = Records::new(BufReader::with_capacity(octets, text.as_bytes()));
        let mut read = Vec::new();
        loop {
            let cells = match records.next().map_err(|error| OpenQuote::of(&error).unwrap())? {
                Record::End => return Ok(read),
                Record::Wrong(why) => Err(why),
                Record::Whole => {
                    Ok(records.cells().map(|c| String::from_utf8(c.to_vec()).unwrap()).collect())
                }
            };
            read.push((records.line(), cells));
        }
    }

    fn cells(cells: &[&str]) -> Cells {
        Ok(cells.iter().map(|cell| (*cell).to_owned()).collect())
    }

    #[test]
    fn lines_and_quotation_marks_by_the_rfc() {
        let text = "a,b\r\n\r\n\"c\",\"d,\"\"\r\n\"\"e\" , \"f\"\n\n ,g h\rlast,";
        let read = read(text).unwrap();
        assert_eq!(read[0], (1, cells(&["a", "b"])));
        assert_eq!(read[1], (3, cells(&["c", "d,\"\r\n\"e", "f"])));
        assert_eq!(read[2], (6, cells(&[" ", "g h"])));
        assert_eq!(read[3].1, cells(&["last", ""]));
        assert_eq!(read.len(), 4);
    }

    #[test]
    fn a_mark_where_none_may_stand_makes_its_line_wrong_and_no_other() {
        for (row, why) in [
            ("\"ab\"c", AFTER),
            ("a\"x", STRAY),
            ("a,b\"\"", STRAY),
            ("\"a\" \"b\"", AFTER),
            ("\"a\"b,\"c", AFTER),
        ] {
            let read = read(&format!("one\n{row}\nthree\n")).unwrap();
            assert_eq!(
                read,
                [(1, cells(&["one"])), (2, Err(why)), (3, cells(&["three"]))],
                "{row}"
            );
        }
    }

    #[test]
    fn where_rows_end_unknown_nothing_is_read_on() {
        assert_eq!(read("a\nb,\"c"), Err(2), "the end of the input");
        assert_eq!(read("a\n\"b\nc\nd"), Err(2));
        assert_eq!(read("a\n\"b\nc\n\"d\"\ne\n"), Err(2), "closed by the mark of a later row");
        let long = "x,y\n".repeat(1 << 19);
        assert_eq!(read(&format!("a\n\"b\n{long}\"\n")), Err(2));
    }

    #[test]
    fn a_line_that_is_too_long_is_passed_over() {
        let most = usize::try_from(MAX_ROW).unwrap();
        for (row, is_good) in [
            ("x".repeat(most), true),
            ("x".repeat(most + 1), false),
            (format!("\"{}\"", "x".repeat(most)), false),
            (",".repeat(3 * most), false),
        ] {
            let read = read(&format!("{row}\nlast\n")).unwrap();
            assert_eq!(read[0].1.is_ok(), is_good);
            assert!(is_good || read[0].1 == Err(TOO_LONG));
            assert_eq!(read[1], (2, cells(&["last"])));
        }
    }

    proptest! {
        #[test]
        fn what_is_written_by_the_rfc_is_read_back(
            rows in prop::collection::vec(prop::collection::vec("[a,\"\r\n ;]{1,6}", 1..4), 1..5)
        ) {
            let quoted = |cell: &String| format!("\"{}\"", cell.replace('"', "\"\""));
            let line = |row: &Vec<String>| row.iter().map(quoted).collect::<Vec<_>>().join(",");
            let text = rows.iter().map(line).collect::<Vec<_>>().join("\r\n");
            let read: Vec<_> = read(&text).unwrap().into_iter().map(|(_, row)| row).collect();
            prop_assert_eq!(read, rows.into_iter().map(Ok).collect::<Vec<_>>());
        }

        #[test]
        fn octets_say_the_same_one_by_one_and_in_runs(text in "[ab \t,,\"\"\r\n\n;]{0,40}") {
            let one_by_one = read_by(1, &text);
            prop_assert_eq!(read_by(5, &text), one_by_one.clone());
            prop_assert_eq!(read_by(4096, &text), one_by_one);
        }
    }
}
