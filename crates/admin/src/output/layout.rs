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

/// Columns that hold names which people chose, of any length.
const NAMES: [&str; 4] = ["principal", "common name", "meant for", "profile"];

/// What is left of a name's column on a narrow terminal, in characters.
const SHORTEST_NAME: u16 = 12;

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

    /// A page of a longer table, for programs: columns are as wide as on the pages before, `widths`, or
    /// wider. The first page has the header.
    pub(crate) fn render_next(&self, look: Appearance, widths: &mut Vec<u16>) -> String {
        let is_first = widths.is_empty();
        if is_first {
            widths.extend(self.header.iter().map(|header| length(header)));
        }
        for row in &self.rows {
            for (width, (text, _)) in widths.iter_mut().zip(row) {
                *width = length(&visible(text)).max(*width);
            }
        }
        let header = self.header.iter().map(|name| ((*name).to_owned(), Tone::Faint)).collect();
        let header: Option<Vec<_>> = is_first.then_some(header);
        let last = widths.len().saturating_sub(1);
        let line = |row: &Vec<(String, Tone)>| {
            let mut line = String::new();
            for (nth, ((text, tone), width)) in row.iter().zip(&*widths).enumerate() {
                let shown = visible(text);
                let width = if nth == last { 0 } else { width + GAP };
                let padding = usize::from(width.saturating_sub(length(&shown)));
                line.push_str(&look.paint(*tone, &shown));
                line.push_str(&" ".repeat(padding));
            }
            format!("{}\n", line.trim_end())
        };
        header.iter().chain(&self.rows).map(line).collect()
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
        let least = self.least_widths(&rows, look.columns);
        if look.columns.is_some_and(|columns| together(&least) > columns) {
            return match self.without_serials().filter(|table| table.fits(look.columns)) {
                Some(narrower) => narrower.render(look),
                None => self.stacked(look),
            };
        }
        for row in &rows {
            grid.add_row(row.iter().map(|(text, tone)| cell(text, *tone)));
        }
        let last = least.len() - 1;
        for (nth, column) in grid.column_iter_mut().enumerate() {
            let gap = if nth == last { 0 } else { GAP };
            column.set_padding((0, gap));
            if look.columns.is_some() {
                let least = Width::Fixed(least[nth] + gap);
                column.set_constraint(ColumnConstraint::LowerBoundary(least));
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
        let natural = (0..self.header.len()).map(|nth| widest(nth).max(length(self.header[nth])));
        if columns.is_some_and(|columns| together(&natural.collect::<Vec<_>>()) > columns) {
            for (text, _) in rows.iter_mut().flatten() {
                if is_long_number(text) {
                    *text = format!("{}...{}", &text[..6], &text[text.len() - 4..]);
                }
            }
        }
        rows
    }

    /// How narrow each column may become: as its longest word, for a date or an id that is cut is
    /// another. Only names of people's choice are cut where there is no room otherwise.
    fn least_widths(&self, rows: &[Vec<(String, Tone)>], columns: Option<u16>) -> Vec<u16> {
        let mut least = self.longest_words(rows);
        let excess = columns.map_or(0, |columns| together(&least).saturating_sub(columns));
        let name = self.header.iter().position(|header| NAMES.contains(header));
        if let Some(name) = name.filter(|name| least[*name] > SHORTEST_NAME) {
            least[name] = least[name].saturating_sub(excess).max(SHORTEST_NAME);
        }
        least
    }

    /// The table without its column of serial numbers, unless that is what the rows are known by.
    fn without_serials(&self) -> Option<Self> {
        let serials = |nth: usize| {
            let mut cells = self.rows.iter().filter_map(|row| row.get(nth));
            cells.any(|(text, _)| is_long_number(text))
        };
        let nth = (1..self.header.len()).find(|nth| serials(*nth))?;
        let mut narrower = self.clone();
        narrower.header.remove(nth);
        narrower.rows.iter_mut().for_each(|row| drop(row.remove(nth)));
        Some(narrower)
    }

    fn fits(&self, columns: Option<u16>) -> bool {
        let least = self.least_widths(&self.fitted(columns), columns);
        columns.is_none_or(|columns| together(&least) <= columns)
    }

    /// One field a line, for a terminal that is too narrow for columns.
    fn stacked(&self, look: Appearance) -> String {
        let label = self.header.iter().map(|header| length(header)).max().unwrap_or(0) + GAP;
        let room = usize::from(look.columns.unwrap_or(u16::MAX).saturating_sub(label).max(1));
        let mut blocks = Vec::new();
        for row in &self.rows {
            let mut block = String::new();
            let fields = self.header.iter().zip(row).filter(|(_, cell)| !cell.0.is_empty());
            for (header, (text, tone)) in fields {
                let shown: Vec<char> = visible(text).chars().collect();
                for (nth, part) in shown.chunks(room).enumerate() {
                    let name = if nth == 0 { header } else { "" };
                    let lead = format!("{name:width$}", width = usize::from(label));
                    block.push_str(&look.paint(Tone::Faint, &lead));
                    block.push_str(&look.paint(*tone, &part.iter().collect::<String>()));
                    block.push('\n');
                }
            }
            blocks.push(block);
        }
        blocks.join("\n")
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

/// Columns of a terminal that columns of these widths take, with the gaps between them.
fn together(widths: &[u16]) -> u16 {
    widths.iter().map(|width| width + GAP).sum::<u16>().saturating_sub(GAP)
}

fn is_long_number(text: &str) -> bool {
    text.len() >= LONG && text.bytes().all(|octet| octet.is_ascii_hexdigit())
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
        let serials = [(30, "7f7f7f7f"), (40, ""), (60, "7f7f7f...7f7f"), (80, "7f7f7f...7f7f")];
        for (columns, serial) in serials {
            let text = at(columns);
            assert_eq!(text.contains("7f"), !serial.is_empty(), "{text}");
            for whole in ["prod_ca_1", "2036-11-20", serial] {
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
