//! GnuTLS's `certtool`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::chain::{Chain, Purpose, Verdict};
use crate::process::run;

/// `certtool --verify` with the lists, the purpose and the host name, and `certtool --verify-crl` of
/// every list, because the first takes a list on trust.
///
/// # Panics
/// If `certtool` says nothing that can be read as a verdict.
pub fn verify(chain: &Chain) -> Verdict {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    match chain.crls.iter().find_map(|list| refusal_of_list(list, chain)) {
        Some(reason) => Verdict::Refused(format!("revocation list: {reason}")),
        None => verify_path(chain, &folder),
    }
}

fn verify_path(chain: &Chain, folder: &TempDir) -> Verdict {
    let issuers = chain.issuers.iter().map(PathBuf::as_path);
    let presented = join(folder, "chain.pem", [chain.leaf.as_path()].into_iter().chain(issuers));
    let mut command = certtool();
    command.arg("--verify").arg("--infile").arg(presented);
    command.arg("--load-ca-certificate").arg(&chain.root);
    if !chain.crls.is_empty() {
        // Of several --load-crl only the last counts; one file may hold several lists.
        let lists = join(folder, "lists.pem", chain.crls.iter().map(PathBuf::as_path));
        command.arg("--load-crl").arg(lists);
    }
    match &chain.purpose {
        Purpose::Server(name) => {
            command.args(["--verify-purpose", "1.3.6.1.5.5.7.3.1", "--verify-hostname", name]);
        }
        Purpose::Client => {
            command.args(["--verify-purpose", "1.3.6.1.5.5.7.3.2"]);
        }
    }
    read(&run(&mut command).stdout, "Chain verification output:")
}

/// Why no authority of the chain vouches for the list; `certtool` tries one authority a run.
fn refusal_of_list(list: &Path, chain: &Chain) -> Option<String> {
    let mut last = None;
    for authority in chain.authorities() {
        let mut command = certtool();
        command.arg("--verify-crl").arg("--infile").arg(list);
        command.arg("--load-ca-certificate").arg(authority);
        match read(&run(&mut command).stdout, "Verification output:") {
            Verdict::Accepted => return None,
            Verdict::Refused(reason) => last = Some(reason),
        }
    }
    last
}

fn certtool() -> Command {
    let mut command = Command::new("certtool");
    // Weak keys and hashes are refused only under a profile; medium is what TLS will use.
    command.args(["--verify-profile", "medium"]);
    command
}

/// The words decide: the exit code is 0 for some refusals too.
fn read(output: &str, label: &str) -> Verdict {
    let words = output.lines().find_map(|line| line.strip_prefix(label)).map(str::trim);
    match words {
        Some("Verified. The certificate is trusted.") => Verdict::Accepted,
        Some(reason) if reason.starts_with("Not verified.") => Verdict::Refused(reason.to_owned()),
        _ => panic!("certtool gave no verdict: {output}"),
    }
}

fn join<'a>(folder: &TempDir, name: &str, files: impl IntoIterator<Item = &'a Path>) -> PathBuf {
    let path = folder.path().join(name);
    let texts = files.into_iter().map(|file| fs::read_to_string(file).expect("a PEM file"));
    fs::write(&path, texts.collect::<String>()).expect("the temporary folder is writable");
    path
}
