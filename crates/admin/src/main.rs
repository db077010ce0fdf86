//! `rustmq-admin`: the certificate authority of RustMQ PKI on the command line.
//!
//! This file alone touches the outside: it reads the clock, the environment, the terminals and the
//! operating-system user, hands them to the commands as values, and turns an outcome into an exit code.

use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal};
use std::os::unix::ffi::OsStringExt;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use clap::{CommandFactory, FromArgMatches};
use rustmq_ca::{Actor, Clock};
use rustmq_pki::time::UnixTime;
use secrecy::SecretSlice;

use crate::cli::{Cli, ColorWhen, Format};
use crate::environment::Environment;
use crate::error::CliError;
use crate::exit::Exit;
use crate::interrupt::Interrupt;
use crate::output::Output;
use crate::session::Session;

mod batch;
mod cli;
mod cmd;
mod environment;
mod error;
mod exit;
mod files;
mod inspect;
mod interrupt;
mod migrate;
mod output;
mod passphrase;
mod scan;
mod session;
mod terminal;
mod values;

fn main() -> ExitCode {
    let environment = environment();
    let arguments: Vec<OsString> = env::args_os().collect();
    let exit = match parse(&arguments, &environment) {
        Ok(cli) => run(&cli, environment),
        Err(exit) => exit,
    };
    exit.into()
}

fn run(cli: &Cli, environment: Environment) -> Exit {
    let output = Output::new(cli.global.format.unwrap_or_default(), cli.global.color, &environment);
    match execute(cli, environment, output) {
        Ok(exit) => exit,
        Err(error) => {
            let error = error.settled();
            output.error(&error);
            error.exit()
        }
    }
}

fn execute(cli: &Cli, environment: Environment, output: Output) -> Result<Exit, CliError> {
    cli.refuse_flags_without_effect()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .map_err(CliError::Runtime)?;
    let interrupt = Interrupt::default();
    let session = Session::new(&cli.global, environment, output, SystemClock, interrupt.clone())?;
    let report = runtime.block_on(async {
        tokio::select! {
            // Polled first, so that it listens before anything is begun.
            biased;
            error = interrupted(&interrupt, output) => Err(error),
            report = cli.noun.run(&session) => report,
        }
    });
    // A blocking call that was given up on (a second Ctrl-C) shall not hold the process.
    runtime.shutdown_background();
    let report = report?;
    output.show(&report)?;
    Ok(if report.is_refused() { Exit::Refused } else { Exit::Ok })
}

/// The first Ctrl-C lets what is under way finish; the second ends the wait.
async fn interrupted(interrupt: &Interrupt, output: Output) -> CliError {
    if tokio::signal::ctrl_c().await.is_err() {
        return std::future::pending().await;
    }
    interrupt.set();
    output.note("finishing what is under way; Ctrl-C again stops at once");
    match tokio::signal::ctrl_c().await {
        Ok(()) => CliError::Interrupted { state: "the command was stopped in the middle" },
        Err(_) => std::future::pending().await,
    }
}

/// The command line as a value; usage errors, `--help` and `--version` are answered here.
fn parse(arguments: &[OsString], environment: &Environment) -> Result<Cli, Exit> {
    let color = flag_value(arguments, "--color");
    let choice = match color.as_deref() {
        Some("always") => clap::ColorChoice::Always,
        Some("never") => clap::ColorChoice::Never,
        _ => clap::ColorChoice::Auto,
    };
    let parsed = Cli::command()
        .color(choice)
        .try_get_matches_from(arguments)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    parsed.map_err(|error| {
        let json = flag_value(arguments, "--format").as_deref() == Some("json");
        if error.use_stderr() && json {
            let output = Output::new(Format::Json, ColorWhen::Never, environment);
            output.error(&CliError::from_parser(&error));
        } else {
            // A closed stream leaves nobody to tell.
            let _nobody_left = error.print();
        }
        if error.use_stderr() { Exit::Usage } else { Exit::Ok }
    })
}

/// The value of a global flag on a line that may not parse.
fn flag_value(arguments: &[OsString], flag: &str) -> Option<String> {
    let mut arguments = arguments.iter().map(|argument| argument.to_string_lossy());
    while let Some(argument) = arguments.next() {
        if argument == flag {
            return arguments.next().map(Into::into);
        }
        if let Some(value) = argument.strip_prefix(flag).and_then(|rest| rest.strip_prefix('=')) {
            return Some(value.to_owned());
        }
    }
    None
}

fn environment() -> Environment {
    let stdout_is_terminal = io::stdout().is_terminal();
    let stderr_is_terminal = io::stderr().is_terminal();
    let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
    let columns = rustix::termios::tcgetwinsize(io::stdout()).ok().map(|size| size.ws_col);
    Environment {
        data_dir: env::var_os("RUSTMQ_DATA_DIR"),
        xdg_data_home: env::var_os("XDG_DATA_HOME"),
        home: env::var_os("HOME"),
        no_color: set("NO_COLOR").is_some() || set("TERM").is_some_and(|term| term == "dumb"),
        credentials_directory: set("CREDENTIALS_DIRECTORY"),
        passphrase: env::var_os(passphrase::VARIABLE)
            .map(|value| SecretSlice::from(value.into_vec())),
        can_prompt: io::stdin().is_terminal() && stderr_is_terminal,
        stdout_is_terminal,
        stderr_is_terminal,
        columns: columns.filter(|columns| *columns > 0),
        actor: actor(),
        stopwatch,
    }
}

/// The time since it was first asked for.
#[expect(clippy::disallowed_methods, reason = "rates are measured, and no result depends on them")]
fn stopwatch() -> Duration {
    static BEGAN: OnceLock<Instant> = OnceLock::new();
    BEGAN.get_or_init(Instant::now).elapsed()
}

/// The operating-system user by number, with the name that the system's user list has for it. The
/// variables `USER` and `LOGNAME` say what anyone wrote into them.
fn actor() -> Actor {
    let uid = rustix::process::getuid().as_raw();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(uid)).then_some(name)
    });
    Actor::local(name.unwrap_or("unknown"), uid)
}

/// The system's clock.
#[derive(Clone, Copy, Debug)]
struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    fn now(&self) -> UnixTime {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        let seconds = match since {
            Ok(after) => i64::try_from(after.as_secs()).unwrap_or(i64::MAX),
            // Before 1970, floored.
            Err(before) => -i64::try_from(before.duration().as_secs()).unwrap_or(i64::MAX) - 1,
        };
        UnixTime::from_seconds(seconds)
    }
}
