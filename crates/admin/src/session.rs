//! One run of the program: the flags and the surroundings that every command shares.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustmq_ca::{Actor, CertificateManager, Clock, OpenMode, Options, PassphraseSource};
use rustmq_pki::profile::Profile;
use rustmq_pki::time::UnixTime;

use crate::cli::{Encoding, GlobalArgs};
use crate::environment::Environment;
use crate::error::CliError;
use crate::files::{FileError, own};
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::output::progress::Progress;
use crate::output::rate::Stopwatch;
use crate::passphrase::{Passphrases, Source};

/// What a command may use.
pub(crate) struct Session {
    encoding: Encoding,
    backdate_seconds: i64,
    format_given: bool,
    data_dir: Option<PathBuf>,
    source: Source,
    can_prompt: bool,
    actor: Actor,
    clock: Arc<dyn Clock>,
    /// Where results and messages go.
    pub(crate) output: Output,
    /// Whether the user asked to stop.
    pub(crate) interrupt: Interrupt,
    /// The time since the process began.
    pub(crate) stopwatch: Stopwatch,
}

impl Session {
    /// A run with these flags in these surroundings.
    ///
    /// # Errors
    ///
    /// Two sources of the passphrase.
    pub(crate) fn new(
        args: &GlobalArgs,
        environment: Environment,
        output: Output,
        clock: impl Clock + 'static,
        interrupt: Interrupt,
    ) -> Result<Self, CliError> {
        Ok(Self {
            encoding: args.encoding.unwrap_or_default(),
            backdate_seconds: args
                .backdate_minutes
                .map_or(Options::BACKDATE_SECONDS, |minutes| i64::from(minutes) * 60),
            format_given: args.format.is_some(),
            data_dir: environment.data_dir(args.data_dir.as_ref()),
            source: Source::choose(args, &environment)?,
            can_prompt: environment.can_prompt,
            actor: environment.actor,
            clock: Arc::new(clock),
            output,
            interrupt,
            stopwatch: environment.stopwatch,
        })
    }

    /// The present.
    pub(crate) fn now(&self) -> UnixTime {
        self.clock.now()
    }

    /// The encoding of files.
    pub(crate) fn encoding(&self) -> Encoding {
        self.encoding
    }

    /// Whether `--format` stands on the line.
    pub(crate) fn format_given(&self) -> bool {
        self.format_given
    }

    /// The data directory.
    ///
    /// # Errors
    ///
    /// [`CliError::NoDataDirectory`] without the flag, its variable and a home directory.
    pub(crate) fn data_dir(&self) -> Result<&Path, CliError> {
        self.data_dir.as_deref().ok_or(CliError::NoDataDirectory)
    }

    /// Refuses an output in the data directory. A run that knows of none writes where it likes.
    pub(crate) fn refuse_own(&self, output: &Path) -> Result<(), FileError> {
        self.data_dir.as_deref().map_or(Ok(()), |data| own::refuse(output, data))
    }

    /// The authority, to look at: needs no passphrase.
    pub(crate) fn reader(&self) -> Result<CertificateManager, CliError> {
        self.open(OpenMode::Read, self.passphrases()?)
    }

    /// The authority, to work with.
    pub(crate) fn writer(&self) -> Result<CertificateManager, CliError> {
        self.open(OpenMode::Write, self.passphrases()?)
    }

    /// The authority, made by its first write if there is none: a first CA that is refused, or only
    /// judged, leaves not even an empty store behind.
    pub(crate) fn creator(&self, shown: &Progress) -> Result<CertificateManager, CliError> {
        self.open(OpenMode::CreateOnWrite, self.passphrases()?.pausing(shown.shared()))
    }

    /// The authority, to make a CA's key with, which `shown` tells of.
    pub(crate) fn writer_showing(&self, shown: &Progress) -> Result<CertificateManager, CliError> {
        self.open(OpenMode::Write, self.passphrases()?.pausing(shown.shared()))
    }

    /// The authority, made if there is none, to be written down as it is: needs no passphrase.
    pub(crate) fn archivist(&self) -> Result<CertificateManager, CliError> {
        self.open(OpenMode::Create, self.passphrases()?)
    }

    /// The profiles: those of the data directory, or the built-in ones where there is none yet.
    pub(crate) fn profiles(&self) -> Result<Vec<Result<Profile, rustmq_ca::Error>>, CliError> {
        match self.reader() {
            Ok(manager) => Ok(manager.each_profile()?),
            Err(error) if error.is_missing_data_directory() => {
                Ok(Profile::BUILTIN.into_iter().filter_map(Profile::builtin).map(Ok).collect())
            }
            Err(error) => Err(error),
        }
    }

    /// The profile of this name.
    pub(crate) fn profile(&self, name: &str) -> Result<Profile, CliError> {
        match (self.reader(), Profile::builtin(name)) {
            (Ok(manager), _) => Ok(manager.profile(name)?),
            (Err(error), Some(builtin)) if error.is_missing_data_directory() => Ok(builtin),
            (Err(error), _) => Err(error),
        }
    }

    /// The authority with a passphrase to change to.
    pub(crate) fn changer(&self, new: Option<Source>) -> Result<CertificateManager, CliError> {
        if new.is_none() && !self.can_prompt {
            return Err(CliError::NoNewPassphrase);
        }
        let passphrases = self.passphrases()?.changing_to(new.unwrap_or(Source::Prompt));
        self.open(OpenMode::Write, passphrases)
    }

    fn passphrases(&self) -> Result<Passphrases, CliError> {
        Ok(Passphrases::new(self.source.clone(), self.data_dir()?, self.output))
    }

    fn open(
        &self,
        mode: OpenMode,
        passphrase: impl PassphraseSource + 'static,
    ) -> Result<CertificateManager, CliError> {
        Ok(CertificateManager::open(&self.options_with(passphrase)?.mode(mode))?)
    }

    /// With what an authority is opened, or restored.
    pub(crate) fn options(&self) -> Result<Options, CliError> {
        self.options_with(self.passphrases()?)
    }

    fn options_with(
        &self,
        passphrase: impl PassphraseSource + 'static,
    ) -> Result<Options, CliError> {
        let (clock, actor) = (self.clock.clone(), self.actor.clone());
        let mut options = Options::new(self.data_dir()?, clock, Arc::new(passphrase), actor);
        options.backdate_seconds = self.backdate_seconds;
        Ok(options)
    }
}
