//! Other people's TLS libraries as clients: each makes one connection and hands back what the server
//! said.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::judges::{Judge, pinned, require, require_command};
use crate::openssl::openssl;
use crate::process::{Output, run};
use crate::product::Issued;
use crate::{build, go, java};

/// A program that connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// `openssl s_client`, TLS 1.3.
    OpenSsl,
    /// `openssl s_client`, TLS 1.2.
    OpenSslTls12,
    /// Go's `crypto/tls`.
    Go,
    /// Java's `SSLSocket`, with its key and certificates in PKCS#12.
    Java,
    /// Python's `ssl`.
    Python,
    /// Node's `tls`.
    Node,
}

/// A connection to make.
#[derive(Clone, Copy, Debug)]
pub struct Visit<'v> {
    /// The server's port on 127.0.0.1.
    pub port: u16,
    /// The DNS name that the server must have.
    pub name: &'v str,
    /// The file of the client's trust anchor.
    pub root: &'v Path,
    /// What the client shows of itself, if anything.
    pub identity: Option<&'v Issued>,
}

/// Java opens no PKCS#12 without one; it guards a key that lives as long as a test.
const PASSWORD: &str = "rustmq-test";

impl Client {
    /// Whether the client is here; otherwise as [`require`].
    ///
    /// # Panics
    /// As [`require`].
    pub fn is_here(self) -> bool {
        match self {
            Self::OpenSsl | Self::OpenSslTls12 => require(Judge::OpenSsl),
            Self::Go => require(Judge::Go),
            Self::Java => require(Judge::Java) && require(Judge::OpenSsl),
            Self::Python => require(Judge::Python),
            Self::Node => require_command("node"),
        }
    }

    /// Connects, and prints on standard output whatever the server says until it closes. The programs
    /// give up by themselves; `s_client`, which does not, ends when its server does.
    ///
    /// # Panics
    /// If the program cannot be built or started.
    pub fn visit(self, visit: &Visit<'_>) -> Output {
        let mut command = match self {
            Self::OpenSsl => return run(&mut s_client(visit, "-tls1_3")),
            Self::OpenSslTls12 => return run(&mut s_client(visit, "-tls1_2")),
            Self::Java => return run(&mut java_client(visit)),
            Self::Go => Command::new(go::program("go-client", "./client")),
            Self::Python => script(&pinned("python"), "python/client.py"),
            Self::Node => script(Path::new("node"), "node/client.js"),
        };
        command.args(["--port", &visit.port.to_string(), "--name", visit.name]);
        command.arg("--root").arg(visit.root);
        if let Some(issued) = visit.identity {
            command.arg("--cert").arg(issued.file("tls.crt"));
            command.arg("--key").arg(issued.file("tls.key"));
        }
        run(&mut command)
    }
}

fn script(interpreter: &Path, file: &str) -> Command {
    let mut command = Command::new(interpreter);
    command.arg(build::source(file));
    command
}

fn s_client(visit: &Visit<'_>, version: &str) -> Command {
    let mut command = Command::new("openssl");
    command.args(["s_client", "-quiet", version, "-connect"]);
    command.arg(format!("127.0.0.1:{}", visit.port)).args(["-servername", visit.name]);
    command.args(["-verify_return_error", "-verify_hostname", visit.name]);
    command.args(["-no-CApath", "-no-CAstore", "-CAfile"]).arg(visit.root);
    if let Some(issued) = visit.identity {
        command.arg("-cert").arg(issued.file("tls.crt"));
        command.arg("-key").arg(issued.file("tls.key"));
        command.arg("-cert_chain").arg(issued.file("ca.crt"));
    }
    command
}

fn java_client(visit: &Visit<'_>) -> Command {
    let mut command = java::program("java-client", "Client");
    command.args(["-port", &visit.port.to_string(), "-name", visit.name]);
    command.arg("-root").arg(visit.root);
    if let Some(issued) = visit.identity {
        command.arg("-p12").arg(pkcs12(issued)).args(["-password", PASSWORD]);
    }
    command
}

/// Key and chain as OpenSSL packs them.
fn pkcs12(issued: &Issued) -> PathBuf {
    let (packed, chain) = (issued.file("java.p12"), issued.file("tls.crt"));
    let key = issued.file("tls.key");
    let words = ["pkcs12", "-export", "-passout"].map(PathBuf::from);
    let password = PathBuf::from(format!("pass:{PASSWORD}"));
    let files = [("-in", &chain), ("-inkey", &key), ("-out", &packed)];
    let files = files.into_iter().flat_map(|(flag, file)| [PathBuf::from(flag), file.clone()]);
    openssl(words.into_iter().chain([password]).chain(files)).expect_success("openssl pkcs12");
    packed
}
