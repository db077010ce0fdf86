//! A report about many things that is written while it is read: a page is all that is held.

use serde_json::{Map, Value};

use super::layout::Table;
use super::style::visible_json;
use super::{Output, csv};
use crate::cli::Format;
use crate::error::CliError;

/// A list on its way to standard output. The whole looks as [`super::Report`] would show it, but that in a
/// table a column may become wider from one page to the next; on a terminal each page has its header.
pub(crate) struct Listing {
    output: Output,
    /// What the JSON object calls the list.
    name: &'static str,
    columns: &'static [&'static str],
    /// What else is in the JSON object.
    others: Map<String, Value>,
    pages: u64,
    /// How wide the columns of the table are so far.
    widths: Vec<u16>,
    /// Nobody reads any more.
    closed: bool,
}

impl Listing {
    pub(super) fn new(
        output: Output,
        name: &'static str,
        columns: &'static [&'static str],
        others: Map<String, Value>,
    ) -> Self {
        Self { output, name, columns, others, pages: 0, widths: Vec::new(), closed: false }
    }

    /// Whether somebody still reads.
    pub(crate) fn is_read(&self) -> bool {
        !self.closed
    }

    /// Writes a page: its records as JSON, and its table for people.
    pub(crate) fn page(
        &mut self,
        records: impl Iterator<Item = Value>,
        table: impl FnOnce() -> Table,
    ) -> Result<(), CliError> {
        let text = match self.output.format {
            Format::Table => self.table(&table()),
            Format::Json => self.json(records),
            Format::Csv => self.csv(&records.collect::<Vec<_>>())?,
        };
        self.pages += 1;
        self.write(&text)
    }

    /// Ends the list. Without a page, `empty` is what people are shown; `more` follows the table.
    pub(crate) fn end(mut self, empty: &Table, more: Option<&Table>) -> Result<(), CliError> {
        let text = match self.output.format {
            Format::Table => {
                let first =
                    if self.pages == 0 { empty.render(self.output.stdout) } else { String::new() };
                let more = more.map(|more| format!("\n{}", more.render(self.output.stdout)));
                first + &more.unwrap_or_default()
            }
            Format::Json => {
                let begun = if self.pages == 0 { self.opening() } else { "\n  ".to_owned() };
                begun + "]" + &self.closing()
            }
            Format::Csv if self.pages == 0 => self.csv(&[])?,
            Format::Csv => String::new(),
        };
        self.write(&text)
    }

    fn table(&mut self, table: &Table) -> String {
        let look = self.output.stdout;
        if look.columns.is_none() {
            return table.render_next(look, &mut self.widths);
        }
        let gap = if self.pages == 0 { "" } else { "\n" };
        format!("{gap}{}", table.render(look))
    }

    fn csv(&self, records: &[Value]) -> Result<String, CliError> {
        let text = match self.pages {
            0 => csv::render(self.columns, records),
            _ => csv::lines(self.columns, records),
        };
        text.map_err(|error| CliError::Stdout(std::io::Error::other(error)))
    }

    fn json(&self, records: impl Iterator<Item = Value>) -> String {
        let mut text = if self.pages == 0 { self.opening() } else { String::new() };
        for (nth, record) in records.enumerate() {
            text.push_str(if self.pages == 0 && nth == 0 { "\n    " } else { ",\n    " });
            text.push_str(&format!("{record:#}").replace('\n', "\n    "));
        }
        visible_json(&text)
    }

    /// The JSON object up to the first element of the list. Keys stand in the order of a map's.
    fn opening(&self) -> String {
        let before = self.others.iter().filter(|(key, _)| key.as_str() < self.name);
        let before: String = before.map(|(key, value)| member(key, value) + ",").collect();
        format!("{{{before}\n  {}: [", Value::from(self.name))
    }

    /// The JSON object behind the list.
    fn closing(&self) -> String {
        let after = self.others.iter().filter(|(key, _)| key.as_str() >= self.name);
        let after: String =
            after.map(|(key, value)| ",".to_owned() + &member(key, value)).collect();
        after + "\n}\n"
    }

    fn write(&mut self, text: &str) -> Result<(), CliError> {
        if !self.closed {
            self.closed = !self.output.write_on(text.as_bytes())?;
        }
        Ok(())
    }
}

fn member(key: &str, value: &Value) -> String {
    let value = visible_json(&format!("{value:#}"));
    format!("\n  {}: {}", Value::from(key), value.replace('\n', "\n  "))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::output::{Appearance, Report, Tone};

    const COLUMNS: &[&str] = &["id", "sans"];

    fn output(format: Format) -> Output {
        Output {
            format,
            stdout: Appearance::default(),
            stderr: Appearance::default(),
            progress: false,
            stdout_is_terminal: false,
        }
    }

    fn records() -> Vec<Value> {
        let sans = ["DNS:a\nb\u{9b}\u{202e}"];
        let record = |n: u32| json!({"id": format!("cert-{n}"), "sans": sans, "none": null});
        (0..5).map(record).collect()
    }

    fn table(records: &[Value]) -> Table {
        let mut table = Table::new(&["id", "role"], "no certificates");
        for record in records {
            let id = record["id"].as_str().unwrap().to_owned();
            table.push(vec![(id, Tone::Plain), ("client".to_owned(), Tone::Plain)]);
        }
        table
    }

    /// What a listing writes in pages of this many.
    fn listed(format: Format, records: &[Value], page: usize, others: &Value) -> String {
        let others = others.as_object().unwrap().clone();
        let mut listing = Listing::new(output(format), "certificates", COLUMNS, others);
        let mut text = String::new();
        for page in records.chunks(page) {
            text += &match format {
                Format::Table => listing.table(&table(page)),
                Format::Json => listing.json(page.iter().cloned()),
                Format::Csv => listing.csv(page).unwrap(),
            };
            listing.pages += 1;
        }
        match format {
            Format::Json if listing.pages == 0 => {
                text + &listing.opening() + "]" + &listing.closing()
            }
            Format::Json => text + "\n  ]" + &listing.closing(),
            _ => text,
        }
    }

    #[test]
    fn pages_together_are_what_a_report_shows() {
        let others = json!({"abandoned": [{"serial": "01\u{9b}"}], "within_days": 30});
        for (records, others) in
            [(records(), others.clone()), (Vec::new(), others), (records(), json!({}))]
        {
            let report = Report::many("certificates", records.clone(), COLUMNS);
            let report = others
                .as_object()
                .unwrap()
                .iter()
                .fold(report, |report, (key, value)| report.with(key, value.clone()));
            let whole = output(Format::Json).json(&report);
            for page in [1, 2, 5] {
                assert_eq!(listed(Format::Json, &records, page, &others), whole);
            }
        }
        let whole = csv::render(COLUMNS, &records()).unwrap();
        assert_eq!(listed(Format::Csv, &records(), 2, &json!({})), whole);
        let whole = table(&records()).render(Appearance::default());
        assert_eq!(listed(Format::Table, &records(), 2, &json!({})), whole);
    }
}
