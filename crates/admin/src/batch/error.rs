//! Why a batch was not carried out, or not to its end.

use std::path::{Path, PathBuf};

use rustmq_ca::ErrorKind;

use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{count, grouped};

/// Why a batch was not carried out, or not to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BatchError {
    /// The first line names no columns of ours.
    #[error("{input}: {what}")]
    Header {
        /// As the user wrote it.
        input: String,
        /// What is wrong with the header.
        what: String,
    },
    /// A quotation mark that makes it unknown where rows end.
    #[error(
        "{input}: a cell opens with a quotation mark in line {line} and is not closed as it should be, \
         so that the rows after it cannot be told apart"
    )]
    OpenQuote {
        /// As the user wrote it.
        input: String,
        /// The line of the mark.
        line: u64,
    },
    /// Nothing to do, which is hardly meant.
    #[error("{input} has no rows")]
    NoRows {
        /// As the user wrote it.
        input: String,
    },
    /// A filter that lets nothing through.
    #[error("no certificate is chosen: none passes the filter")]
    NoneChosen,
    /// Lines that name no certificates.
    #[error("{} of {} {} wrong, and nothing was revoked", grouped(*wrong), count(*rows, "line"), if *wrong == 1 { "is" } else { "are" })]
    WrongList {
        /// How many.
        wrong: u64,
        /// Of how many.
        rows: u64,
    },
    /// Rows that cannot be issued.
    #[error("{} of {} {} wrong, and {}", grouped(*wrong), count(*rows, "row"), if *wrong == 1 { "is" } else { "are" }, so_far(*issued))]
    WrongRows {
        /// How many.
        wrong: u64,
        /// Of how many.
        rows: u64,
        /// How many certificates earlier runs issued.
        issued: u64,
        /// Whether the others would have been issued.
        skips: bool,
    },
    /// Rows are refused, and those before them stand in the output.
    #[error("{error}; {} of {} in {} before that, all durable", count(*done, "certificate"), grouped(*rows), output.display())]
    RestRefused {
        /// Certificates that stand in the output.
        done: u64,
        /// How many there will be.
        rows: u64,
        /// `--output`.
        output: PathBuf,
        /// Why the rest is refused.
        error: Box<CliError>,
    },
    /// Files of a batch's folders are not as it left them.
    #[error("{} is not as its batch left it: {} missing or altered", path.display(), if *files == 1 { "1 file is".to_owned() } else { format!("{} files are", grouped(*files)) })]
    FoldersChanged {
        /// `--output`.
        path: PathBuf,
        /// How many files.
        files: u64,
    },
    /// A path that is no place for private keys.
    #[error("{} is neither a file nor a folder, and private keys go nowhere else", path.display())]
    NoFile {
        /// `--output`.
        path: PathBuf,
    },
    /// Something is there that no batch of ours began.
    #[error("{} exists, and no batch that can be taken up wrote it", path.display())]
    ForeignOutput {
        /// `--output`.
        path: PathBuf,
    },
    /// The output's job was begun with something else.
    #[error("{} was begun by another batch: its {what} was {before}, and is {now} here", path.display())]
    OtherJob {
        /// The job file.
        path: PathBuf,
        /// What is different.
        what: &'static str,
        /// As the job file has it.
        before: String,
        /// As this command has it.
        now: String,
    },
    /// The store does not have what the output holds.
    #[error(
        "{} has delivered {}, and not all of them are in this store: it is another one, or an older copy",
        path.display(), count(*rows, "certificate")
    )]
    UnknownToStore {
        /// The job file.
        path: PathBuf,
        /// How many certificates stand in the output.
        rows: u64,
    },
    /// The store has slices that the job file knows nothing of.
    #[error("{} is older than its output: the store has issued more of this batch since", path.display())]
    OldJobFile {
        /// The job file.
        path: PathBuf,
    },
    /// Another process works on the same output.
    #[error("another process is running the batch of {}", path.display())]
    Running {
        /// The job file.
        path: PathBuf,
    },
    /// A file with private keys can be read or was made by somebody else.
    #[error("{} belongs to another user, or is open to others, and it is a place for private keys", path.display())]
    NotPrivate {
        /// The job file, or the output.
        path: PathBuf,
    },
    /// The job file is not what was written.
    #[error("{} is no job file of this program, or is damaged", path.display())]
    DamagedJob {
        /// The job file.
        path: PathBuf,
    },
    /// A link stands in the job file's place.
    #[error("{} is a link, and links are not followed: the job file may have been moved", path.display())]
    LinkedJob {
        /// The job file.
        path: PathBuf,
    },
    /// The output is not as the job left it.
    #[error("{} {what}", path.display())]
    OutputChanged {
        /// The output, or a folder in it.
        path: PathBuf,
        /// What happened to it.
        what: &'static str,
    },
    /// The input was read twice, and was another the second time.
    #[error("{input} changed while it was read")]
    InputChanged {
        /// As the user wrote it.
        input: String,
    },
    /// The store has certificates of the job, and the output that had their keys is gone.
    #[error("the job {job:?} has issued certificates before, for other keys or rows: {error}")]
    IssuedBefore {
        /// The job's name.
        job: String,
        /// What the authority said.
        error: Box<rustmq_ca::Error>,
    },
    /// Ctrl-C.
    #[error("stopped after {} of {}, all durable", count(*done, "certificate"), grouped(*rows))]
    Stopped {
        /// Certificates that stand in the output.
        done: u64,
        /// How many there will be.
        rows: u64,
    },
    /// A thread ended without an answer.
    #[error("a part of the batch ended without an answer")]
    Lost,
}

fn so_far(issued: u64) -> String {
    match issued {
        0 => "nothing was issued".to_owned(),
        _ => format!("no more were issued than the {} in the output", count(issued, "certificate")),
    }
}

impl BatchError {
    /// The error of a job of which a part is delivered already: a refusal is about the rest.
    pub(crate) fn about_the_rest(
        error: CliError,
        (done, rows): (u64, u64),
        output: &Path,
    ) -> CliError {
        match &error {
            CliError::Authority(refusal) if done > 0 && refusal.kind() == ErrorKind::Refused => {
                let (output, error) = (output.to_owned(), Box::new(error));
                Self::RestRefused { done, rows, output, error }.into()
            }
            _ => error,
        }
    }

    /// The exit code.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Header { .. }
            | Self::OpenQuote { .. }
            | Self::NoRows { .. }
            | Self::NoneChosen
            | Self::WrongList { .. }
            | Self::WrongRows { .. }
            | Self::InputChanged { .. }
            | Self::IssuedBefore { .. } => Exit::Refused,
            Self::NoFile { .. }
            | Self::ForeignOutput { .. }
            | Self::OtherJob { .. }
            | Self::UnknownToStore { .. }
            | Self::OldJobFile { .. }
            | Self::Running { .. }
            | Self::NotPrivate { .. }
            | Self::DamagedJob { .. }
            | Self::LinkedJob { .. }
            | Self::OutputChanged { .. }
            | Self::FoldersChanged { .. } => Exit::Output,
            Self::RestRefused { error, .. } => error.exit(),
            Self::Stopped { .. } => Exit::Interrupted,
            Self::Lost => Exit::Internal,
        }
    }

    /// A name for machines that stays as it is.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Self::Header { .. } => "batch_header",
            Self::OpenQuote { .. } => "batch_open_quote",
            Self::NoRows { .. } => "batch_without_rows",
            Self::NoneChosen => "batch_without_rows",
            Self::WrongList { .. } | Self::WrongRows { .. } => "batch_rows",
            Self::NoFile { .. } => "batch_output_kind",
            Self::ForeignOutput { .. } => "file_exists",
            Self::OtherJob { .. } => "batch_of_another_job",
            Self::UnknownToStore { .. } => "batch_unknown_to_store",
            Self::OldJobFile { .. } => "batch_old_job_file",
            Self::Running { .. } => "batch_running",
            Self::NotPrivate { .. } => "batch_not_private",
            Self::DamagedJob { .. } | Self::LinkedJob { .. } => "batch_job_file",
            Self::OutputChanged { .. } | Self::FoldersChanged { .. } => "batch_output_changed",
            Self::RestRefused { error, .. } => error.code(),
            Self::InputChanged { .. } => "batch_input_changed",
            Self::IssuedBefore { .. } => "batch_issued_before",
            Self::Stopped { .. } => "interrupted",
            Self::Lost => "internal",
        }
    }

    /// What would be right.
    pub(crate) fn help(&self) -> Vec<String> {
        let line = match self {
            Self::OpenQuote { .. } => {
                "is the file cut off? a cell that begins with a quotation mark ends with one, and each \
                 mark in it is written twice"
            }
            Self::WrongRows { issued: 0, skips: true, .. } => "mend them",
            Self::WrongRows { issued: 0, .. } => {
                "mend them, or issue the others with --skip-invalid"
            }
            Self::WrongRows { .. } => {
                "they passed when this batch began, so a profile or a CA is another now: once it is \
                 as it was, the same command goes on with them; or issue them by a batch of their own"
            }
            Self::RestRefused { error, .. } => {
                let mut help = error.help();
                help.push("once that is mended, the same command goes on with the rest".to_owned());
                return help;
            }
            Self::FoldersChanged { .. } => {
                "put them back as they were, and run the same command again: certs export and ca export \
                 write certificates again; private keys stood there and nowhere else, so issue anew \
                 what has lost its key, with another --output and another --job"
            }
            Self::NoFile { .. } => {
                "name a file that ends with .ndjson, or a folder that does not exist yet"
            }
            Self::ForeignOutput { .. } => "name another place with --output",
            Self::OtherJob { path, .. } => {
                let path = path.display();
                return vec![
                    "name another place with --output for another batch".to_owned(),
                    format!("to go on with the one that was begun, run its command again ({path})"),
                ];
            }
            Self::UnknownToStore { .. } => {
                "name the data directory that it was begun in with --data-dir, and the same --actor; \
                 where that is lost, issue by a batch of its own, with another --output and --job"
            }
            Self::OldJobFile { .. } => {
                "bring the newest job file back; where it is lost, keep the output, whose lines are \
                 whole, and issue the rows that it lacks by a batch of their own"
            }
            Self::Running { .. } => {
                "wait for it to end; the same command then says that it is done"
            }
            Self::NotPrivate { path } => {
                return vec![format!(
                    "if it is yours: chmod 600 {}, and the same command goes on; do not remove it, since \
                     its private keys stand nowhere else",
                    path.display()
                )];
            }
            Self::DamagedJob { .. } => "name another place with --output, and another --job",
            Self::LinkedJob { .. } => {
                "put the job file itself back in its place, and the same command goes on: private keys \
                 of what is under way stand there and nowhere else"
            }
            Self::OutputChanged { .. } => {
                "bring it and its job file back as they were, or begin anew with another --output and another --job"
            }
            Self::InputChanged { .. } => "run the command again once nobody writes to it",
            Self::IssuedBefore { .. } => {
                "give another --job NAME to issue other certificates; certs list shows those that \
                 were issued"
            }
            Self::Stopped { .. } => "run the same command again to go on where it stopped",
            Self::NoneChosen => "certs list  shows which there are",
            Self::WrongList { .. } => "a line holds one id, such as cert-17, or one serial number",
            Self::Header { .. } | Self::NoRows { .. } | Self::Lost => return Vec::new(),
        };
        vec![line.to_owned()]
    }
}
