//! PEM files with several objects, taken apart for programs that read one.

use std::fs;
use std::path::{Path, PathBuf};

/// Writes every object of a PEM file into a file of its own beside it, and returns them in order.
///
/// # Panics
/// If the file cannot be read, or holds none.
pub fn split(file: &Path) -> Vec<PathBuf> {
    let parts = blocks(&fs::read_to_string(file).expect("a PEM file can be read"));
    assert!(!parts.is_empty(), "{}: no PEM block", file.display());
    let name = |nth: usize| PathBuf::from(format!("{}.{nth}.pem", file.display()));
    let written = parts.iter().enumerate().map(|(nth, text)| {
        fs::write(name(nth), text).expect("the folder is writable");
        name(nth)
    });
    written.collect()
}

/// The blocks of a PEM text, each from its BEGIN line to its END line.
pub fn blocks(text: &str) -> Vec<String> {
    let mut blocks = Vec::new();
    let mut current = String::new();
    for line in text.lines() {
        if line.starts_with("-----BEGIN ") {
            current.clear();
        }
        current.push_str(line);
        current.push('\n');
        if line.starts_with("-----END ") {
            blocks.push(std::mem::take(&mut current));
        }
    }
    blocks
}
