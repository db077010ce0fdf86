//! Everything that reaches standard output and standard error passes here.
//!
//! Standard output carries the result and nothing else; notes, hints, warnings and progress go to
//! standard error.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use crate::cli::{ColorWhen, Format};
use crate::environment::Environment;
use crate::error::CliError;

mod csv;
mod layout;
mod listing;
pub(crate) mod progress;
pub(crate) mod rate;
mod sheet;
mod style;
mod words;

pub(crate) use layout::{Card, Table};
pub(crate) use listing::Listing;
pub(crate) use sheet::Sheet;
pub(crate) use style::{Appearance, Tone, is_treacherous, visible};
pub(crate) use words::{count, date_span, day, grouped, time_left};

/// What a command found or did, in every form in which it can be shown.
#[derive(Debug, Default)]
pub(crate) struct Report {
    json: Map<String, Value>,
    columns: &'static [&'static str],
    records: Vec<Value>,
    blocks: Vec<Block>,
    next: Option<String>,
    notes: Vec<String>,
    /// Notes that people read elsewhere in the result.
    shown_notes: Vec<String>,
    refused: bool,
    silent: bool,
}

#[derive(Debug)]
enum Block {
    Card(Card),
    Table(Table),
    Sheet(Sheet),
    Lines(Vec<Vec<(String, Tone)>>),
}

impl Report {
    /// A report about one thing: `object` is its JSON object and its CSV record.
    pub(crate) fn one(object: Value, columns: &'static [&'static str]) -> Self {
        let json = object.as_object().cloned().unwrap_or_default();
        Self { json, columns, records: vec![object], ..Self::default() }
    }

    /// A report about many things: the JSON object holds them under `name`.
    pub(crate) fn many(
        name: &'static str,
        records: Vec<Value>,
        columns: &'static [&'static str],
    ) -> Self {
        let json = Map::from_iter([(name.to_owned(), Value::Array(records.clone()))]);
        Self { json, columns, records, ..Self::default() }
    }

    /// Adds a value to the JSON object.
    #[must_use]
    pub(crate) fn with(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.json.insert(key.to_owned(), value.into());
        self
    }

    /// Adds a card for people.
    #[must_use]
    pub(crate) fn card(mut self, card: Card) -> Self {
        self.blocks.push(Block::Card(card));
        self
    }

    /// Adds a table for people.
    #[must_use]
    pub(crate) fn table(mut self, table: Table) -> Self {
        self.blocks.push(Block::Table(table));
        self
    }

    /// Adds a sheet for people.
    #[must_use]
    pub(crate) fn sheet(mut self, sheet: Sheet) -> Self {
        self.blocks.push(Block::Sheet(sheet));
        self
    }

    /// Adds lines of toned pieces for people.
    #[must_use]
    pub(crate) fn lines(mut self, lines: Vec<Vec<(String, Tone)>>) -> Self {
        self.blocks.push(Block::Lines(lines));
        self
    }

    /// Names the next step, for people.
    #[must_use]
    pub(crate) fn next(mut self, command: impl Into<String>) -> Self {
        self.next = Some(command.into());
        self
    }

    /// Adds what the user should know: shortened, guessed, overridden.
    #[must_use]
    pub(crate) fn notes(mut self, notes: impl IntoIterator<Item = String>) -> Self {
        self.notes.extend(notes);
        self
    }

    /// Adds what the cards say already: for JSON alone.
    #[must_use]
    pub(crate) fn shown_notes(mut self, notes: impl IntoIterator<Item = String>) -> Self {
        self.shown_notes.extend(notes);
        self
    }

    /// The result is shown, and it is a refusal: the exit code is that of a refusal.
    #[must_use]
    pub(crate) fn refused(mut self, refused: bool) -> Self {
        self.refused = refused;
        self
    }

    /// A report that says nothing: the result went to standard output as a file.
    pub(crate) fn silent() -> Self {
        Self { silent: true, ..Self::default() }
    }

    /// Puts another value into the JSON object in place of `old`.
    #[must_use]
    pub(crate) fn replacing(mut self, old: &str, key: &str, value: Value) -> Self {
        self.json.remove(old);
        self.with(key, value)
    }

    /// Whether the result is a refusal.
    pub(crate) fn is_refused(&self) -> bool {
        self.refused
    }

    fn text(&self, look: Appearance) -> String {
        let blocks = self.blocks.iter().map(|block| match block {
            Block::Card(card) => card.render(look),
            Block::Table(table) => table.render(look),
            Block::Sheet(sheet) => sheet.render(look),
            Block::Lines(lines) => lines.iter().map(|line| paint_line(look, line)).collect(),
        });
        blocks.collect::<Vec<String>>().join("\n")
    }
}

fn paint_line(look: Appearance, line: &[(String, Tone)]) -> String {
    let painted: String = line.iter().map(|(text, tone)| look.paint(*tone, text)).collect();
    format!("{}\n", painted.trim_end())
}

/// Where results and messages go, and how they look there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    format: Format,
    stdout: Appearance,
    stderr: Appearance,
    progress: bool,
    stdout_is_terminal: bool,
}

impl Output {
    /// The output for these flags on these streams.
    pub(crate) fn new(format: Format, color: ColorWhen, environment: &Environment) -> Self {
        let colored = |is_terminal: bool| match color {
            ColorWhen::Always => true,
            ColorWhen::Never => false,
            ColorWhen::Auto => is_terminal && !environment.no_color,
        };
        let columns = environment.columns.filter(|_| environment.stdout_is_terminal);
        Self {
            format,
            stdout: Appearance { color: colored(environment.stdout_is_terminal), columns },
            stderr: Appearance { color: colored(environment.stderr_is_terminal), columns: None },
            progress: environment.stderr_is_terminal,
            stdout_is_terminal: environment.stdout_is_terminal,
        }
    }

    /// Columns that the result is fitted to; `None` where it is not shown on a terminal.
    pub(crate) fn columns(self) -> Option<u16> {
        self.stdout.columns
    }

    /// Whether standard error is a terminal on which a bar can move.
    pub(crate) fn shows_progress(self) -> bool {
        self.progress
    }

    /// Refuses to send an archive where it would be taken for keystrokes and colours.
    pub(crate) fn refuse_binary_on_terminal(self) -> Result<(), CliError> {
        if !self.stdout_is_terminal {
            return Ok(());
        }
        Err(CliError::Flags {
            what: "standard output is a terminal, and an archive is not text",
            instead: "name a file with --output, or send it on with a pipe",
        })
    }

    /// Writes the report: result to standard output, the rest to standard error.
    pub(crate) fn show(self, report: &Report) -> Result<(), CliError> {
        if report.silent {
            return Ok(());
        }
        let text = match self.format {
            Format::Table => report.text(self.stdout),
            Format::Json => self.json(report),
            Format::Csv => csv::render(report.columns, &report.records)
                .map_err(|e| CliError::Stdout(io::Error::other(e)))?,
        };
        self.write(text.as_bytes())?;
        if self.format == Format::Json {
            // The object has them.
            return Ok(());
        }
        for note in &report.notes {
            self.note(note);
        }
        if let (Some(next), Format::Table) = (&report.next, self.format) {
            self.say(&format!("{} {}", self.stderr.paint(Tone::Faint, "Next:"), next));
        }
        Ok(())
    }

    fn json(self, report: &Report) -> String {
        let mut object = report.json.clone();
        let notes: Vec<_> = report.shown_notes.iter().chain(&report.notes).collect();
        if !notes.is_empty() {
            object.insert("notes".to_owned(), json!(notes));
        }
        style::visible_json(&format!("{:#}\n", Value::Object(object)))
    }

    /// Writes bytes to standard output; a reader that went away (`| head`) is no error.
    pub(crate) fn write(self, bytes: &[u8]) -> Result<(), CliError> {
        self.write_on(bytes).map(drop)
    }

    /// The same, and whether the reader is still there.
    fn write_on(self, bytes: &[u8]) -> Result<bool, CliError> {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Ok(false),
            result => result.map(|()| true).map_err(CliError::Stdout),
        }
    }

    /// A report about many things, written while it is read: the JSON object holds them under `name`,
    /// beside `others`.
    pub(crate) fn listing(
        self,
        name: &'static str,
        columns: &'static [&'static str],
        others: Map<String, Value>,
    ) -> Listing {
        Listing::new(self, name, columns, others)
    }

    /// Says what is under way, plainly.
    pub(crate) fn line(self, text: &str) {
        match self.format {
            Format::Json => self.say_json(&json!({ "progress": text })),
            _ => self.say(&style::visible(text)),
        }
    }

    /// Says what the user should know although all went well.
    pub(crate) fn note(self, text: &str) {
        if self.format == Format::Json {
            return self.say_json(&json!({ "note": text }));
        }
        let label = self.stderr.paint(Tone::Warning, "note:");
        self.say(&format!("{label} {}", style::visible(text)));
    }

    /// Says what is wrong with a part of the input; the error that ends the command comes later.
    pub(crate) fn finding(self, text: &str, record: &Value) {
        if self.format == Format::Json {
            return self.say_json(&json!({ "finding": record }));
        }
        self.say(&format!("{} {}", self.stderr.paint(Tone::Bad, "wrong:"), style::visible(text)));
    }

    /// Says why nothing was done, and what would be right.
    pub(crate) fn error(self, error: &CliError) {
        let help = error.help();
        if self.format == Format::Json {
            let error = json!({"code": error.code(), "message": error.to_string(), "help": help});
            self.say_json(&json!({ "error": error }));
            return;
        }
        let label = self.stderr.paint(Tone::Bad, "error:");
        self.say(&format!("{label} {}", style::visible(&error.to_string())));
        for line in help {
            let label = self.stderr.paint(Tone::Good, "help:");
            self.say(&format!("  {label} {}", style::visible(&line)));
        }
    }

    fn say_json(self, object: &Value) {
        self.say(&style::visible_json(&object.to_string()));
    }

    /// Writes a line to standard error. If that fails there is nobody left to tell.
    fn say(self, line: &str) {
        let _nobody_left = writeln!(io::stderr().lock(), "{line}");
    }
}
