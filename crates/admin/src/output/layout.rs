//! The two shapes in which people read results: a card about one thing and a table about many.

use comfy_table::{
    Attribute, Cell, Color, ColumnConstraint, ContentArrangement, Table as Grid, Width, presets,
};

use super::style::{Appearance, Tone, visible};

/// Width of a card's labels, so that the values of all cards stand in one column.
const LABEL: usize = 13;

/// One thing: a title line and labelled values.
#[derive(Clone, Debug, Default)]
pub(crate) struct Card {
    title: Vec<String>,
    lines: Vec<(&'static str, String, Tone)>,
}

impl Card {
    /// A card whose title is made of `title`'s parts; the first is the name.
    pub(crate) fn new<T: Into<String>>(title: impl IntoIterator<Item = T>) -> Self {
        Self { title: title.into_iter().map(Into::into).collect(), lines: Vec::new() }
    }

    /// Adds a labelled value.
    #[must_use]
    pub(crate) fn line(self, label: &'static str, value: impl Into<String>) -> Self {
        self.toned(label, value, Tone::Plain)
    }

    /// Adds a labelled value with a tone.
    #[must_use]
    pub(crate) fn toned(
        mut self,
        label: &'static str,
        value: impl Into<String>,
        tone: Tone,
    ) -> Self {
        self.lines.push((label, value.into(), tone));
        self
    }

    /// Adds a labelled value if there is one.
    #[must_use]
    pub(crate) fn maybe(self, label: &'static str, value: Option<impl Into<String>>) -> Self {
        match value {
            Some(value) => self.line(label, value),
            None => self,
        }
    }

    /// The card as lines.
    pub(crate) fn render(&self, look: Appearance) -> String {
        let mut text = String::new();
        for (nth, part) in self.title.iter().enumerate() {
            let tone = if nth == 0 { Tone::Strong } else { Tone::Plain };
            text.push_str(if nth == 0 { "" } else { "  " });
            text.push_str(&look.paint(tone, part));
        }
        for (label, value, tone) in &self.lines {
            text.push_str("\n  ");
            text.push_str(&look.paint(Tone::Faint, &format!("{label:LABEL$}")));
            text.push_str(&look.paint(*tone, value));
        }
        text.push('\n');
        text
    }
}

/// Columns between two columns of a table.
const GAP: u16 = 2;

/// From this many digits on, a hexadecimal number may be shortened in a table.
const LONG: usize = 24;

/// Many things of one kind: a header and a row each.
#[derive(Clone, Debug, Default)]
pub(crate) struct Table {
    header: Vec<&'static str>,
    rows: Vec<Vec<(String, Tone)>>,
    /// Shown instead of a table without rows.
    empty: &'static str,
}

impl Table {
    /// A table with these columns; `empty` is said when there is no row.
    pub(crate) fn new(header: &[&'static str], empty: &'static str) -> Self {
        Self { header: header.to_vec(), rows: Vec::new(), empty }
    }

    /// Adds a row of as many cells as there are columns.
    pub(crate) fn push(&mut self, row: Vec<(String, Tone)>) {
        self.rows.push(row);
    }

    /// The table as lines, fitted to the width when there is one.
    pub(crate) fn render(&self, look: Appearance) -> String {
        if self.rows.is_empty() {
            return format!("{}\n", look.paint(Tone::Faint, self.empty));
        }
        let mut grid = Grid::new();
        grid.load_style(presets::NOTHING).force_no_tty();
        match look.columns {
            Some(columns) => {
                grid.set_width(columns).set_content_arrangement(ContentArrangement::Dynamic)
            }
            None => grid.set_content_arrangement(ContentArrangement::Disabled),
        };
        if look.color {
            grid.enforce_styling();
        }
        grid.set_header(self.header.iter().map(|name| cell(name, Tone::Faint)));
        let rows = self.fitted(look.columns);
        for row in &rows {
            grid.add_row(row.iter().map(|(text, tone)| cell(text, *tone)));
        }
        let words = self.longest_words(&rows);
        let whole = |columns: u16| words.iter().map(|word| word + GAP).sum::<u16>() <= columns;
        let keep_words = look.columns.is_some_and(whole);
        for (column, word) in grid.column_iter_mut().zip(words) {
            column.set_padding((0, GAP));
            if keep_words {
                // A name may be wrapped between its words; a date or an id that is cut is another.
                column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(word + GAP)));
            }
        }
        grid.lines().map(|line| format!("{}\n", line.trim_end())).collect()
    }
}

impl Table {
    /// The rows, with long serial numbers shortened where the table would not fit otherwise: ids name
    /// certificates just as well.
    fn fitted(&self, columns: Option<u16>) -> Vec<Vec<(String, Tone)>> {
        let mut rows = self.rows.clone();
        let widest = |nth: usize| {
            let cells = self.rows.iter().filter_map(|row| row.get(nth));
            cells.map(|(text, _)| length(text)).max().unwrap_or(0)
        };
        let natural =
            (0..self.header.len()).map(|nth| widest(nth).max(length(self.header[nth])) + GAP);
        if columns.is_some_and(|columns| natural.sum::<u16>() > columns) {
            for (text, _) in rows.iter_mut().flatten() {
                if text.len() >= LONG && text.bytes().all(|octet| octet.is_ascii_hexdigit()) {
                    *text = format!("{}...{}", &text[..6], &text[text.len() - 4..]);
                }
            }
        }
        rows
    }

    /// The longest word of each column, in characters.
    fn longest_words(&self, rows: &[Vec<(String, Tone)>]) -> Vec<u16> {
        let of_column = |(nth, header): (usize, &&'static str)| {
            let cells = rows.iter().filter_map(|row| row.get(nth)).map(|(text, _)| text.as_str());
            let words = cells.chain([*header]).flat_map(str::split_whitespace);
            words.map(length).max().unwrap_or(0)
        };
        self.header.iter().enumerate().map(of_column).collect()
    }
}

/// Characters; no terminal has more columns than fit.
fn length(text: &str) -> u16 {
    u16::try_from(text.chars().count()).unwrap_or(u16::MAX / 16)
}

fn cell(text: &str, tone: Tone) -> Cell {
    let cell = Cell::new(visible(text));
    match tone {
        Tone::Plain => cell,
        Tone::Strong => cell.add_attribute(Attribute::Bold),
        Tone::Faint => cell.add_attribute(Attribute::Dim),
        Tone::Good => cell.fg(Color::DarkGreen),
        Tone::Warning => cell.fg(Color::DarkYellow),
        Tone::Bad => cell.fg(Color::DarkRed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new(&["id", "principal"], "none");
        table.push(vec![
            ("0193".to_owned(), Tone::Strong),
            ("a-rather-long-principal.example".to_owned(), Tone::Plain),
        ]);
        table
    }

    #[test]
    fn a_table_for_programs_keeps_each_record_on_one_line() {
        let text = table().render(Appearance { color: false, columns: None });
        assert_eq!(text, "id    principal\n0193  a-rather-long-principal.example\n");
    }

    #[test]
    fn a_table_on_a_terminal_fits_its_width() {
        let text = table().render(Appearance { color: false, columns: Some(24) });
        assert!(text.lines().all(|line| line.chars().count() <= 24), "{text}");
        assert!(text.lines().count() > 2, "the long name is wrapped: {text}");
    }

    #[test]
    fn dates_and_serial_numbers_are_not_cut_where_there_is_room_for_them() {
        let mut table = Table::new(&["id", "common name", "ends", "left", "serial"], "none");
        table.push(
            ["prod_ca_1", "RustMQ Production CA", "2036-11-20", "10 y left", &"7f".repeat(16)]
                .map(|text| (text.to_owned(), Tone::Plain))
                .to_vec(),
        );
        let at = |columns| table.render(Appearance { color: false, columns: Some(columns) });
        assert!(at(100).contains(&"7f".repeat(16)), "{}", at(100));
        for columns in [60, 70, 80] {
            let text = at(columns);
            for whole in ["prod_ca_1", "2036-11-20", "7f7f7f...7f7f"] {
                assert!(text.contains(whole), "{columns}: {whole} is cut in\n{text}");
            }
            let fits = |line: &str| line.chars().count() <= usize::from(columns);
            assert!(text.lines().all(fits), "{columns}\n{text}");
        }
    }

    #[test]
    fn cards_align_their_values() {
        let card = Card::new(["root_ca_1", "Root"]).line("subject", "CN=Root").line("key", "P-256");
        let text = card.render(Appearance::default());
        assert_eq!(text, "root_ca_1  Root\n  subject      CN=Root\n  key          P-256\n");
    }
}
