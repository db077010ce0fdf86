//! The ways out: what would be right in place of what was asked.

use rustmq_ca::{BackupError, CaName, CheckpointError, Error, PassphraseError, SHORTEST_PREFIX};

use rustmq_pki::request::RequestError;

use super::CliError;
use crate::files::FileError;
use crate::files::key_file::KeyFileError;

/// What would be right, one line a way.
pub(super) fn of(error: &CliError) -> Vec<String> {
    let line = match error {
        CliError::Parser { help, .. } => return help.clone(),
        CliError::Authority(error) => return of_authority(error),
        CliError::Batch(error) => return error.help(),
        CliError::Passphrase(error) => return of_passphrase(error),
        CliError::Flags { instead, .. } => *instead,
        CliError::NoEffect { .. } => "leave it out",
        CliError::NoNewPassphrase => {
            "name it with --new-passphrase-file FILE or --new-passphrase-fd N"
        }
        CliError::NoDataDirectory => "name a directory with --data-dir or RUSTMQ_DATA_DIR",
        CliError::File(error) | CliError::Key(KeyFileError::File(error)) => return of_file(error),
        CliError::Key(KeyFileError::OtherType { path, .. }) => {
            let path = path.display();
            return vec![format!("give the old --key-type, or remove {path} to give that key up")];
        }
        CliError::Key(KeyFileError::NotPrivate { .. }) => {
            "a key that others can read is nobody's: remove the file, and a new key is made"
        }
        CliError::Incomplete { .. } => {
            return vec![
                "if that command had an --idempotency-key, run it again with the same key: it \
                 completes the folder"
                    .to_owned(),
                "otherwise give --force to begin anew, or another place; rustmq-admin certs list  \
                 shows what was issued"
                    .to_owned(),
            ];
        }
        CliError::NewerCrl { path, .. } => {
            return vec![
                format!(
                    "is this data directory restored, or a copy? restore takes that list over with \
                     --crl {path}"
                ),
                "to sign a list with the next number, leave --refresh-before out; --force replaces \
                 the file all the same"
                    .to_owned(),
            ];
        }
        CliError::KeyKept { path, error } if is_lost(error) => {
            let path = path.display();
            return vec![
                "put a backup of the data directory in its place".to_owned(),
                format!("a certificate may have been issued for the key that waits in {path}"),
            ];
        }
        CliError::KeyKept { path, .. } => {
            let path = path.display();
            return vec![format!(
                "run the same command again: it uses the key that waits in {path}"
            )];
        }
        CliError::Undelivered { id, key, .. } => {
            let fetch =
                format!("fetch it with  rustmq-admin certs export {id} --chain --output tls.crt");
            let key = key.as_ref().map(|path| format!("its key waits in {}", path.display()));
            return std::iter::once(fetch).chain(key).collect();
        }
        CliError::Migration(error) => return error.help(),
        CliError::Plan { .. } => "mend it, or write it anew: rustmq-admin migrate plan",
        CliError::Interrupted { .. } => {
            "run the same command again: what was recorded is found, the rest is done"
        }
        _ => return Vec::new(),
    };
    vec![line.to_owned()]
}

/// Whether no repetition helps: the store itself is damaged.
fn is_lost(error: &CliError) -> bool {
    matches!(
        error,
        CliError::Authority(
            Error::CorruptStore { .. } | Error::EmptyStore { .. } | Error::ForeignStore { .. }
        )
    )
}

fn of_authority(error: &Error) -> Vec<String> {
    let line = match error {
        Error::Passphrase(error) => return of_passphrase(error),
        Error::UnknownCa { name, nearest } => {
            let digits =
                name.len() < SHORTEST_PREFIX && name.chars().all(|c| c.is_ascii_hexdigit());
            let short = digits.then(|| {
                format!("the beginning of a fingerprint has {SHORTEST_PREFIX} digits or more")
            });
            let nearest = Some(named(nearest)).filter(|names| !names.is_empty());
            return nearest
                .map(|names| format!("nearest: {names}"))
                .into_iter()
                .chain(short)
                .collect();
        }
        Error::AmbiguousCa { candidates, .. } => {
            return vec![format!("it may be: {}", named(candidates))];
        }
        Error::MissingDataDirectory { .. } | Error::NoCa => {
            "rustmq-admin ca init --cn NAME  creates the first CA; another data directory is named \
             with --data-dir"
        }
        Error::UnreadableDataDirectory { .. } => {
            "run it as the user who owns the data directory, or name another with --data-dir"
        }
        Error::EmptyStore { .. } => {
            "rustmq-admin ca init --cn NAME  begins anew in it; if there were CAs, put a backup in \
             its place"
        }
        Error::UnknownProfile { known, .. } => {
            return vec![format!("there are: {}", known.join(", "))];
        }
        Error::UnknownCertificate { .. } => "rustmq-admin certs list  shows ids and serial numbers",
        Error::Request(RequestError::ForeignName { .. }) => {
            "leave --principal out, or have a request made without names and give them with --san"
        }
        Error::Gate(refusal) => return refusal.help().into_iter().collect(),
        Error::CorruptStore { .. } => "put a backup of the data directory in its place",
        other => return of_state(other),
    };
    vec![line.to_owned()]
}

/// What to do about the state that something is in.
fn of_state(error: &Error) -> Vec<String> {
    let line = match error {
        Error::IsCaCertificate { ca, .. } => format!("for a CA:  rustmq-admin ca revoke {ca}"),
        Error::CaExpired { expired, .. } => format!("rustmq-admin ca renew {expired}"),
        Error::CaRetired { .. } | Error::CaRevoked { .. } => {
            "rustmq-admin ca tree  shows which CAs issue".to_owned()
        }
        Error::RevokedWithoutCrl { ca, .. } | Error::CrlNotSigned { ca, .. } => format!("rustmq-admin ca crl --ca-id {ca}"),
        Error::ProfileRole { .. } => "leave --role or --profile out".to_owned(),
        Error::IdempotencyMismatch { .. } => {
            "give another --idempotency-key for another certificate, or name the folder that holds \
             the private key of the first with --output-dir"
                .to_owned()
        }
        Error::IdempotencyStale { .. } => {
            "give another --idempotency-key for another certificate".to_owned()
        }
        Error::ClockBehind { .. } => {
            "set the clock right; if it is, something was done under a wrong one, and a backup from \
             before that is the way back (docs/backup.md)"
                .to_owned()
        }
        Error::Backup(BackupError::NotEmpty { .. }) => {
            "name another directory with --data-dir; nothing is ever restored over an authority"
                .to_owned()
        }
        Error::Backup(BackupError::OtherRoot { .. }) => {
            "nothing was restored: find the backup of your authority, or the fingerprint of this one"
                .to_owned()
        }
        Error::Backup(BackupError::CompromisedSigner { .. }) => {
            "restore a backup that another CA signed; to restore this one, leave --expect-root out and \
             compare the manifest's SHA-256 with one that was kept when it was made"
                .to_owned()
        }
        Error::SignerRevoked { others, .. } if others.is_empty() => return Vec::new(),
        Error::SignerRevoked { others, .. } => {
            format!("leave --ca-id out, or name one of: {}", others.join(", "))
        }
        Error::Checkpoint(CheckpointError::CompromisedSigner { .. }) => {
            "name one that was made before, or that another CA signed; without --anchor the chain alone \
             is verified"
                .to_owned()
        }
        Error::Checkpoint(_) => {
            "name the checkpoint of this data directory, or the data directory with --data-dir"
                .to_owned()
        }
        Error::StoreBusy { .. } | Error::CaChanged { .. } | Error::IdempotencyInProgress { .. } => {
            "run the same command again".to_owned()
        }
        Error::ProfileFile { path, .. } => {
            format!("rustmq-admin profile check {}", path.display())
        }
        _ => return Vec::new(),
    };
    vec![line]
}

fn named(cas: &[CaName]) -> String {
    let names = cas.iter().map(|ca| format!("{} ({})", ca.id, ca.common_name));
    names.collect::<Vec<_>>().join(", ")
}

fn of_passphrase(error: &PassphraseError) -> Vec<String> {
    let lines: &[&str] = match error {
        PassphraseError::Absent => &[
            "run the command on a terminal to be asked for it",
            "name a file with --passphrase-file FILE (chmod 600)",
            "name an open file descriptor with --passphrase-fd N",
            "under systemd:  LoadCredential=rustmq-ca-passphrase:FILE",
            "as a last choice, set the environment variable RUSTMQ_CA_PASSPHRASE",
        ],
        PassphraseError::TwoSources { .. } => {
            &["leave one of them out: which one counts must not be a guess"]
        }
        PassphraseError::Empty => &["there is no default and no empty passphrase; choose one"],
        _ => &[],
    };
    lines.iter().map(ToString::to_string).collect()
}

fn of_file(error: &FileError) -> Vec<String> {
    match error {
        FileError::Exists { .. } => {
            vec!["give --force to replace it, or another place".to_owned()]
        }
        FileError::InDataDirectory { .. } => vec!["name a place outside it".to_owned()],
        FileError::Busy { .. } => {
            vec!["let it finish, or name another folder with --output-dir".to_owned()]
        }
        _ => Vec::new(),
    }
}
