//! What is under way, on standard error: a moving line on a terminal, a plain line elsewhere.

use std::fs::File;
use std::io::{self, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use rustmq_pki::key::KeyType;

use super::Output;

/// How often a spinner turns.
const TICK: Duration = Duration::from_millis(100);

/// Something that is under way; gone from the terminal when dropped.
#[derive(Debug)]
pub(crate) struct Progress(Option<ProgressBar>);

impl Progress {
    /// A second handle of the same.
    pub(crate) fn shared(&self) -> UnderWay {
        UnderWay(self.0.clone())
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.0 {
            bar.finish_and_clear();
        }
    }
}

/// What a question on the terminal has to keep off it meanwhile.
#[derive(Clone, Debug, Default)]
pub(crate) struct UnderWay(Option<ProgressBar>);

impl UnderWay {
    /// Carries `question` out while nothing moves on the terminal.
    pub(crate) fn pause<T>(&self, question: impl FnOnce() -> T) -> T {
        match &self.0 {
            Some(bar) if !bar.is_finished() => bar.suspend(question),
            _ => question(),
        }
    }
}

/// Shows that a key is made, where that takes long enough to wonder: RSA takes up to seconds.
pub(crate) fn key_generation(output: Output, key_type: KeyType) -> Progress {
    match key_type {
        KeyType::Rsa3072 | KeyType::Rsa4096 => {
            spin(output, &format!("making an {key_type} key"), "{spinner} {msg} {elapsed}")
        }
        _ => Progress(None),
    }
}

/// A writer that shows how much has been written.
pub(crate) fn writing(output: Output, file: File) -> impl Write + Send + 'static {
    let progress = spin(output, "writing the archive", "{spinner} {msg} {bytes} {elapsed}");
    Counted { file, progress }
}

fn spin(output: Output, what: &str, template: &str) -> Progress {
    if !output.shows_progress() {
        output.line(what);
        return Progress(None);
    }
    let bar = ProgressBar::new_spinner().with_message(what.to_owned());
    // The templates above are constants; one that did not parse would leave the default look.
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.enable_steady_tick(TICK);
    Progress(Some(bar))
}

struct Counted {
    file: File,
    progress: Progress,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        if let Some(bar) = &self.progress.0 {
            bar.inc(written as u64);
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
