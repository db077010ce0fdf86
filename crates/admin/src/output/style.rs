//! Colour, width, and what may reach a terminal at all.

use std::fmt::Write as _;

use owo_colors::{OwoColorize, Style};

/// How a stream is written: with colour or without, fitted to a width or not at all.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Appearance {
    /// ANSI colours.
    pub(crate) color: bool,
    /// Columns to fit tables into; `None` leaves lines whole, for other programs to read.
    pub(crate) columns: Option<u16>,
}

/// What a piece of text means; the colour follows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it is.
    #[default]
    Plain,
    /// A name that the rest is about.
    Strong,
    /// Labels and remarks.
    Faint,
    /// In order.
    Good,
    /// Needs attention soon.
    Warning,
    /// Wrong, or revoked.
    Bad,
}

impl Appearance {
    /// `text` in `tone`, made harmless by [`visible`].
    pub(crate) fn paint(self, tone: Tone, text: &str) -> String {
        let text = visible(text);
        let style = match tone {
            Tone::Plain => return text,
            Tone::Strong => Style::new().bold(),
            Tone::Faint => Style::new().dimmed(),
            Tone::Good => Style::new().green(),
            Tone::Warning => Style::new().yellow(),
            Tone::Bad => Style::new().red(),
        };
        if self.color && !text.is_empty() { text.style(style).to_string() } else { text }
    }
}

/// `text` with every control character and every character that reorders or hides others (Unicode
/// bidirectional controls, zero-width ones) written as `\u{..}`: names in certificates and requests are
/// other people's input, and a terminal obeys what it is sent.
pub(crate) fn visible(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if is_treacherous(c) {
            // Writing to a String cannot fail.
            let _always_ok = write!(shown, "{}", c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// A JSON text with the same characters escaped in its strings; outside of strings there are none but
/// the ends of lines.
pub(crate) fn visible_json(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        if c != '\n' && is_treacherous(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                // Writing to a String cannot fail.
                let _always_ok = write!(shown, "\\u{unit:04x}");
            }
        } else {
            shown.push(c);
        }
    }
    shown
}

/// Whether a terminal obeys a character, or it reorders or hides others.
pub(crate) fn is_treacherous(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_do_not_reach_the_terminal() {
        assert_eq!(visible("a\u{1b}[31mb\n"), "a\\u{1b}[31mb\\u{a}");
        assert_eq!(visible("ab\u{202e}c"), "ab\\u{202e}c");
        assert_eq!(visible("Gr\u{fc}n"), "Gr\u{fc}n");
    }

    #[test]
    fn json_stays_the_same_value() {
        let value = serde_json::json!({"a": "b\n\u{9b}31m\u{202e}c\u{7f}"});
        let shown = visible_json(&format!("{value:#}\n"));
        assert!(shown.chars().all(|c| c == '\n' || !is_treacherous(c)), "{shown:?}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }

    #[test]
    fn colour_only_when_asked() {
        let plain = Appearance { color: false, columns: None };
        assert_eq!(plain.paint(Tone::Bad, "revoked"), "revoked");
        let colourful = Appearance { color: true, columns: None };
        assert_eq!(colourful.paint(Tone::Bad, "revoked"), "\u{1b}[31mrevoked\u{1b}[0m");
        assert_eq!(colourful.paint(Tone::Plain, "revoked"), "revoked");
    }
}
