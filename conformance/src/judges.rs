//! The judges: where they are, what they know, and what to do where one is missing.

use std::env;
use std::fs::OpenOptions;
use std::io::Write;
use std::path::PathBuf;

use crate::chain::{Chain, Verdict};
use crate::{SampleKey, build, gnutls, go, java, openssl, pkilint, python};

/// A program that judges chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Judge {
    /// `openssl verify -x509_strict`.
    OpenSsl,
    /// `certtool --verify`.
    GnuTls,
    /// The trust manager of Java's TLS.
    Java,
    /// Go's `crypto/x509`.
    Go,
    /// Python's `cryptography`.
    Python,
    /// A linter of certificates, chains and lists against RFC 5280.
    Pkilint,
}

impl Judge {
    /// The judges that build and verify paths; pkilint only reads what is there.
    pub const OF_PATHS: [Self; 5] =
        [Self::OpenSsl, Self::GnuTls, Self::Java, Self::Go, Self::Python];

    /// Its verdict on a chain.
    ///
    /// # Panics
    /// If the judge is missing or reaches no verdict.
    pub fn verify(self, chain: &Chain) -> Verdict {
        self.verify_all(&[chain]).remove(0)
    }

    /// Its verdict on each of several chains; a judge that is slow to start is started once.
    ///
    /// # Panics
    /// As [`Judge::verify`].
    pub fn verify_all(self, chains: &[&Chain]) -> Vec<Verdict> {
        let each =
            |verify: fn(&Chain) -> Verdict| chains.iter().map(|chain| verify(chain)).collect();
        match self {
            Self::OpenSsl => each(openssl::verify),
            Self::GnuTls => each(gnutls::verify),
            Self::Java => java::verify_all(chains),
            Self::Go => each(go::verify),
            Self::Python => python::verify_all(chains),
            Self::Pkilint => each(pkilint::verify),
        }
    }

    /// Whether it can check signatures of this kind. OpenSSL 3.0, GnuTLS 3.7 and Java 17, the
    /// versions of Debian 12, are older than ML-DSA (RFC 9881), and pkilint reads its certificates
    /// without checking their signatures.
    pub fn knows(self, key: SampleKey) -> bool {
        match self {
            Self::OpenSsl | Self::GnuTls | Self::Java | Self::Pkilint => !key.is_ml_dsa(),
            Self::Go | Self::Python => true,
        }
    }

    /// The command that has to be there.
    fn command(self) -> &'static str {
        match self {
            Self::OpenSsl => "openssl",
            Self::GnuTls => "certtool",
            Self::Java => "javac",
            Self::Go => "go",
            Self::Python => "python",
            Self::Pkilint => "lint_pkix_cert",
        }
    }

    /// Whether its version matters so much that only the one in `.judges` will do.
    fn is_pinned(self) -> bool {
        matches!(self, Self::Go | Self::Python | Self::Pkilint)
    }

    fn is_here(self) -> bool {
        if self.is_pinned() { pinned(self.command()).is_file() } else { is_on_path(self.command()) }
    }
}

fn is_on_path(command: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join(command).is_file())
}

/// A command that `scripts/setup.sh` put into `.judges`, or into `RUSTMQ_JUDGES`.
pub(crate) fn pinned(command: &str) -> PathBuf {
    env::var_os("RUSTMQ_JUDGES")
        .map_or_else(|| build::workspace().join(".judges"), PathBuf::from)
        .join("bin")
        .join(command)
}

/// Whether a judge is here. Where it is not, the test skips and says so on standard error and in the
/// file that `RUSTMQ_SKIPPED` names, which `make test` prints at the end.
///
/// # Panics
/// If the judge is missing and `CI=true`: there, nothing may go unjudged.
pub fn require(judge: Judge) -> bool {
    judge.is_here() || skip(judge.command())
}

/// As [`require`], for a command on the path that judges nothing.
///
/// # Panics
/// As [`require`].
pub fn require_command(command: &str) -> bool {
    is_on_path(command) || skip(command)
}

/// Says that the test skips for want of `command`; returns false.
///
/// # Panics
/// If `CI=true`: there, nothing may go unjudged.
pub fn skip(command: &str) -> bool {
    let test = std::thread::current().name().unwrap_or("a test").to_owned();
    let notice = format!("skipped {test}: no {command} (run scripts/setup.sh test)");
    assert!(env::var("CI").as_deref() != Ok("true"), "{notice}");
    tell(&notice);
    false
}

/// Says something about a test that is skipped, on standard error and in the file that
/// `RUSTMQ_SKIPPED` names.
///
/// # Panics
/// If that file cannot be written.
#[expect(clippy::print_stderr, reason = "a skipped test has to be seen, and nothing else prints")]
pub fn tell(notice: &str) {
    eprintln!("{notice}");
    if let Some(file) = env::var_os("RUSTMQ_SKIPPED") {
        let list = OpenOptions::new().append(true).create(true).open(&file);
        list.and_then(|mut list| writeln!(list, "{notice}")).expect("RUSTMQ_SKIPPED is writable");
    }
}
