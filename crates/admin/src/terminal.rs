//! Asking for a secret on a terminal without showing it.

use std::io::{self, BufRead, Write};

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use secrecy::SecretString;
use zeroize::Zeroizing;

/// Longest passphrase that is taken, in bytes: far beyond what anyone types, and small enough that a
/// wrong file (a disk image, a device) is refused at once.
pub(crate) const MAX_PASSPHRASE: usize = 4096;

/// Why no secret came from the terminal.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PromptError {
    /// Ctrl-C or Ctrl-D.
    #[error("no passphrase was given: interrupted")]
    Interrupted,
    /// More than [`MAX_PASSPHRASE`] bytes.
    #[error("the passphrase is longer than {MAX_PASSPHRASE} bytes")]
    TooLong,
    /// Bytes that are no text.
    #[error("the passphrase is not UTF-8 text")]
    NotText,
    /// The terminal failed.
    #[error("the terminal cannot be read: {0}")]
    Io(#[from] io::Error),
}

/// Asks `question` on standard error and reads one line from standard input without echo.
///
/// The terminal's own handling of Ctrl-C is off while the line is typed, so that the echo is switched
/// on again whatever key is pressed.
pub(crate) fn ask_secret(question: &str) -> Result<SecretString, PromptError> {
    // Silence comes first: what is typed once the question stands is neither shown nor thrown away.
    let silent = SilentTerminal::new()?;
    let mut stderr = io::stderr().lock();
    write!(stderr, "{question} ")?;
    stderr.flush()?;
    let stdin = io::stdin().lock();
    let line = read_line(stdin);
    drop(silent);
    writeln!(stderr)?;
    line
}

/// The terminal with echo, line editing and signals off; as it was before when dropped.
struct SilentTerminal {
    before: Termios,
}

impl SilentTerminal {
    fn new() -> Result<Self, io::Error> {
        let before = tcgetattr(io::stdin())?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG);
        tcsetattr(io::stdin(), OptionalActions::Flush, &silent)?;
        Ok(Self { before })
    }
}

impl Drop for SilentTerminal {
    fn drop(&mut self) {
        // Nothing can be done about a terminal that went away.
        let _gone = tcsetattr(io::stdin(), OptionalActions::Now, &self.before);
    }
}

/// One line with the editing keys that people use blind: backspace, Ctrl-U, Ctrl-C, Ctrl-D.
fn read_line(input: impl BufRead) -> Result<SecretString, PromptError> {
    let mut line = Zeroizing::new(Vec::with_capacity(MAX_PASSPHRASE));
    for byte in input.bytes() {
        match byte? {
            b'\n' | b'\r' => return finish(&line),
            0x03 | 0x04 => return Err(PromptError::Interrupted),
            0x15 => line.clear(),
            0x08 | 0x7f => drop_last_character(&mut line),
            _ if line.len() == MAX_PASSPHRASE => return Err(PromptError::TooLong),
            other => line.push(other),
        }
    }
    if line.is_empty() { Err(PromptError::Interrupted) } else { finish(&line) }
}

fn finish(line: &[u8]) -> Result<SecretString, PromptError> {
    std::str::from_utf8(line).map(SecretString::from).map_err(|_| PromptError::NotText)
}

/// Removes the last UTF-8 character, not its last byte.
fn drop_last_character(line: &mut Vec<u8>) {
    while line.pop().is_some_and(|byte| byte & 0b1100_0000 == 0b1000_0000) {}
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn typed(keys: &[u8]) -> Result<String, PromptError> {
        read_line(keys).map(|line| line.expose_secret().to_owned())
    }

    #[test]
    fn editing_keys() {
        assert_eq!(typed(b"secret\n").unwrap(), "secret");
        assert_eq!(typed(b"wrong\x15right\r").unwrap(), "right");
        assert_eq!(typed("gr\u{fc}\x7fu\u{df}\n".as_bytes()).unwrap(), "gru\u{df}");
        assert_eq!(typed(b"\x7f\x7fab\x08c\n").unwrap(), "ac");
        assert_eq!(typed(b"ends without newline").unwrap(), "ends without newline");
    }

    #[test]
    fn what_is_no_passphrase() {
        assert!(matches!(typed(b"half\x03"), Err(PromptError::Interrupted)));
        assert!(matches!(typed(b""), Err(PromptError::Interrupted)));
        assert!(matches!(typed(b"\xff\xfe\n"), Err(PromptError::NotText)));
        assert!(matches!(typed(&[b'x'; MAX_PASSPHRASE + 1]), Err(PromptError::TooLong)));
    }
}
