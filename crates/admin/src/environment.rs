//! What the process was given from outside. `main` fills it; nothing else looks.

use std::ffi::OsString;
use std::path::PathBuf;

use rustmq_ca::Actor;
use secrecy::SecretSlice;

use crate::output::rate::Stopwatch;

/// Environment variables, terminals and the operating-system user, read once at the start.
#[derive(Debug)]
pub(crate) struct Environment {
    /// `RUSTMQ_DATA_DIR`.
    pub(crate) data_dir: Option<OsString>,
    /// `XDG_DATA_HOME`.
    pub(crate) xdg_data_home: Option<OsString>,
    /// `HOME`.
    pub(crate) home: Option<OsString>,
    /// `NO_COLOR` is set and not empty (no-color.org), or `TERM` is `dumb`.
    pub(crate) no_color: bool,
    /// `CREDENTIALS_DIRECTORY`, where systemd puts a unit's credentials.
    pub(crate) credentials_directory: Option<OsString>,
    /// `RUSTMQ_CA_PASSPHRASE`.
    pub(crate) passphrase: Option<SecretSlice<u8>>,
    /// Standard input and standard error are terminals, so a question can be asked.
    pub(crate) can_prompt: bool,
    /// Standard output is a terminal.
    pub(crate) stdout_is_terminal: bool,
    /// Standard error is a terminal.
    pub(crate) stderr_is_terminal: bool,
    /// Columns of the terminal on standard output, if it is one.
    pub(crate) columns: Option<u16>,
    /// The operating-system user, for the audit.
    pub(crate) actor: Actor,
    /// The time since the process began, to measure rates with.
    pub(crate) stopwatch: Stopwatch,
}

impl Environment {
    /// The data directory by `--data-dir`, `RUSTMQ_DATA_DIR`, `XDG_DATA_HOME`, `HOME`, in this order;
    /// an empty or (for the XDG ones) relative value counts as absent (XDG Base Directory 0.8).
    pub(crate) fn data_dir(&self, flag: Option<&PathBuf>) -> Option<PathBuf> {
        let set = |value: &Option<OsString>| {
            value.as_ref().filter(|value| !value.is_empty()).map(PathBuf::from)
        };
        flag.cloned()
            .or_else(|| set(&self.data_dir))
            .or_else(|| {
                let xdg = set(&self.xdg_data_home).filter(|path| path.is_absolute());
                xdg.map(|path| path.join("rustmq"))
            })
            .or_else(|| set(&self.home).map(|home| home.join(".local/share/rustmq")))
    }
}
