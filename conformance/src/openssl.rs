//! OpenSSL's command line.

use std::path::Path;
use std::process::Command;

use crate::chain::{Chain, Purpose, Verdict};
use crate::process::{Output, run};

mod server;

pub use server::Server;

/// The `openssl` command with the system's own trust anchors out of the way.
pub fn openssl<A: AsRef<std::ffi::OsStr>>(arguments: impl IntoIterator<Item = A>) -> Output {
    run(Command::new("openssl").args(arguments))
}

/// `openssl verify` as strict as it gets: RFC 5280's rules for every certificate, a list for every
/// issuer, the purpose, and the host name.
///
/// # Panics
/// If the exit code and the words disagree.
pub fn verify(chain: &Chain) -> Verdict {
    let mut command = Command::new("openssl");
    command.args(["verify", "-x509_strict", "-no-CApath", "-no-CAstore"]);
    command.arg("-CAfile").arg(&chain.root);
    for issuer in &chain.issuers {
        command.arg("-untrusted").arg(issuer);
    }
    if !chain.crls.is_empty() {
        command.arg("-crl_check_all");
    }
    for list in &chain.crls {
        command.arg("-CRLfile").arg(list);
    }
    match &chain.purpose {
        Purpose::Server(name) => {
            command.args(["-purpose", "sslserver", "-verify_hostname", name]);
        }
        Purpose::Client => {
            command.args(["-purpose", "sslclient"]);
        }
    }
    read(&chain.leaf, &run(command.arg(&chain.leaf)))
}

fn read(leaf: &Path, output: &Output) -> Verdict {
    let accepted = output.stdout.trim() == format!("{}: OK", leaf.display());
    assert_eq!(accepted, output.success, "exit code and words disagree: {}", output.text());
    if accepted { Verdict::Accepted } else { Verdict::Refused(output.text()) }
}
