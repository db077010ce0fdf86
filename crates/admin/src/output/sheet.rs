//! Labelled values of which each stands whole on a line, to be copied, and prose that is wrapped at
//! its words.

use super::style::{Appearance, Tone, visible};

/// The most columns that prose takes, and all that there are where no terminal says otherwise.
const WIDTH: usize = 80;

/// Labelled lines below a title.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sheet {
    title: Option<String>,
    entries: Vec<(&'static str, Entry, Tone)>,
}

#[derive(Clone, Debug)]
enum Entry {
    Value(String),
    Prose(String),
}

impl Sheet {
    /// A sheet below a title.
    pub(crate) fn titled(title: impl Into<String>) -> Self {
        Self { title: Some(title.into()), entries: Vec::new() }
    }

    /// Adds a value, which is never broken. An empty label continues the entry before.
    pub(crate) fn value(&mut self, label: &'static str, value: impl Into<String>, tone: Tone) {
        self.entries.push((label, Entry::Value(value.into()), tone));
    }

    /// Adds prose. What stands between two backticks is never broken.
    pub(crate) fn prose(&mut self, label: &'static str, prose: impl Into<String>, tone: Tone) {
        self.entries.push((label, Entry::Prose(prose.into()), tone));
    }

    /// The sheet as lines.
    pub(crate) fn render(&self, look: Appearance) -> String {
        let indent = if self.title.is_some() { "  " } else { "" };
        let label_width = self.entries.iter().map(|(label, ..)| label.len()).max().unwrap_or(0);
        let lead = indent.len() + label_width + 2;
        let room = look.columns.map_or(WIDTH, usize::from).min(WIDTH).saturating_sub(lead);
        let title = self.title.iter().map(|title| format!("{}\n", look.paint(Tone::Strong, title)));
        let mut text: String = title.collect();
        for (label, entry, tone) in &self.entries {
            let lines = match entry {
                Entry::Value(value) => vec![value.clone()],
                Entry::Prose(prose) => wrapped(&visible(prose), room),
            };
            for (nth, line) in lines.iter().enumerate() {
                let label = if nth == 0 { label } else { "" };
                let label = format!("{indent}{label:label_width$}  ");
                text.push_str(&look.paint(Tone::Faint, &label));
                text.push_str(&look.paint(*tone, line));
                text.push('\n');
            }
        }
        text
    }
}

/// Lines of at most `room` characters; a word that is longer has a line of its own.
fn wrapped(prose: &str, room: usize) -> Vec<String> {
    let mut quoted = false;
    let words = prose.split(|c: char| {
        quoted ^= c == '`';
        c == ' ' && !quoted
    });
    let mut lines: Vec<String> = Vec::new();
    for word in words {
        let length = word.chars().count() + 1;
        match lines.last_mut().filter(|line| line.chars().count() + length <= room) {
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_whole_and_prose_is_wrapped_at_words() {
        let mut sheet = Sheet::titled("Broker");
        let setting = "a_setting_that_is_longer_than_the_terminal = value";
        sheet.value("with", setting, Tone::Plain);
        sheet.prose("configure", "set `x = y`, and then add a user", Tone::Faint);
        for (columns, width) in [(Some(30), 30), (Some(200), 80), (None, 80)] {
            let text = sheet.render(Appearance { color: false, columns });
            assert!(text.lines().any(|line| line == format!("  with       {setting}")), "{text}");
            let mut prose = text.lines().filter(|line| !line.contains(setting));
            assert!(prose.all(|line| line.chars().count() <= width), "{text}");
            assert!(text.contains("`x = y`,"), "{text}");
        }
    }

    #[test]
    fn words_and_what_is_quoted() {
        assert_eq!(wrapped("ab cd ef", 5), ["ab cd", "ef"]);
        assert_eq!(wrapped("ab `cd ef` g", 5), ["ab", "`cd ef`", "g"]);
        assert_eq!(wrapped("abcdefgh", 5), ["abcdefgh"]);
    }
}
