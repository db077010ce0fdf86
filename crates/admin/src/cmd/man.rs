//! `man`: the manual pages, from the same definition as the help.

use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory};
use clap_mangen::Man as Page;

use crate::cli::Cli;
use crate::error::CliError;
use crate::files::folder::{Content, Folder};
use crate::files::{Existing, FileError};
use crate::output::Report;
use crate::session::Session;

/// Write the manual pages.
#[derive(Debug, Args)]
pub(crate) struct Man {
    /// Folder for one page a command [default: the main page on standard output]
    #[arg(long, value_name = "DIR")]
    output_dir: Option<PathBuf>,
}

impl Man {
    /// Writes them.
    pub(crate) fn run(&self, session: &Session) -> Result<Report, CliError> {
        let mut command = Cli::command();
        command.build();
        let Some(dir) = &self.output_dir else {
            session.output.write(&page(&command, Path::new("-"))?)?;
            return Ok(Report::silent());
        };
        session.refuse_own(dir)?;
        let mut pages = Vec::new();
        collect(&command, "rustmq-admin", dir, &mut pages)?;
        // Pages are made from this program alone: newer ones take the place of older ones.
        let mut folder = Folder::new(dir, Existing::Replace);
        folder.make()?;
        folder.deliver(&pages)?;
        session.output.note(&format!("{} manual pages in {}", pages.len(), dir.display()));
        Ok(Report::silent())
    }
}

/// The page of `command` and those of the commands below it: `rustmq-admin-certs-issue.1`.
fn collect(
    command: &Command,
    name: &str,
    dir: &Path,
    pages: &mut Vec<Content>,
) -> Result<(), CliError> {
    let command = command.clone().display_name(name);
    pages.push(Content::new(format!("{name}.1"), page(&command, dir)?));
    for below in command.get_subcommands() {
        collect(below, &format!("{name}-{}", below.get_name()), dir, pages)?;
    }
    Ok(())
}

fn page(command: &Command, dir: &Path) -> Result<Vec<u8>, CliError> {
    let mut text = Vec::new();
    Page::new(command.clone()).render(&mut text).map_err(FileError::write(dir))?;
    Ok(text)
}
