//! A place to run the program in: its own data directory and working directory, and an environment
//! that holds nothing else.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use assert_cmd::Command;
use serde_json::Value;

/// The passphrase of every data directory here.
pub(crate) const PASSPHRASE: &str = "correct horse battery staple";

/// A temporary folder with a working directory and a data directory that does not exist yet.
pub(crate) struct Workbench {
    root: tempfile::TempDir,
}

/// What a run left: exit code and streams as text.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Workbench {
    /// An empty one.
    pub(crate) fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        fs::create_dir(root.path().join("work")).unwrap();
        Self { root }
    }

    /// One with `root_ca_1` and `prod_ca_1`.
    pub(crate) fn with_hierarchy() -> Self {
        let bench = Self::new();
        bench.ok(&["ca", "init", "--cn", "RustMQ Root CA", "--org", "YourOrg"]);
        bench.ok(&["ca", "intermediate", "--parent-ca", "root_ca_1", "--cn", "Production CA"]);
        bench
    }

    /// The data directory.
    pub(crate) fn data(&self) -> PathBuf {
        self.root.path().join("data")
    }

    /// A path in the working directory.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.root.path().join("work").join(name)
    }

    /// Writes a file into the working directory.
    pub(crate) fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        path
    }

    /// The names of what lies in the working directory, sorted.
    pub(crate) fn files(&self, dir: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(dir)).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// The program with an environment that names the data directory and no passphrase.
    pub(crate) fn bare(&self) -> Command {
        let mut command = Command::cargo_bin("rustmq-admin").unwrap();
        command.env_clear().env("RUSTMQ_DATA_DIR", self.data()).current_dir(self.path(""));
        command
    }

    /// The program with the passphrase in its environment.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.bare();
        command.env("RUSTMQ_CA_PASSPHRASE", PASSPHRASE).args(arguments);
        command
    }

    /// Runs it.
    pub(crate) fn run(&self, arguments: &[&str]) -> Run {
        Run::of(&mut self.command(arguments))
    }

    /// Runs it and expects success.
    #[track_caller]
    pub(crate) fn ok(&self, arguments: &[&str]) -> Run {
        let run = self.run(arguments);
        assert_eq!(run.code, 0, "{arguments:?}\n{}{}", run.stdout, run.stderr);
        run
    }

    /// Runs it with `--format json`, expects success, and reads its one object.
    #[track_caller]
    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let run = self.ok(&[arguments, &["--format", "json"]].concat());
        serde_json::from_str(&run.stdout).unwrap_or_else(|e| panic!("{e}: {}", run.stdout))
    }

    /// Issues a broker certificate and gives its JSON.
    #[track_caller]
    pub(crate) fn broker(&self, principal: &str) -> Value {
        let issue = ["certs", "issue", "--principal", principal, "--role", "broker"];
        self.json(&[&issue[..], &["--ca-id", "prod_ca_1"]].concat())
    }

    /// Every certificate in the store, by `certs list`.
    pub(crate) fn certificates(&self) -> Vec<Value> {
        self.json(&["certs", "list"])["certificates"].as_array().unwrap().clone()
    }
}

impl Run {
    /// Runs a command.
    pub(crate) fn of(command: &mut Command) -> Self {
        Self::from(command.output().unwrap())
    }

    /// Expects this exit code and, in the error, each of these texts.
    #[track_caller]
    pub(crate) fn refused(&self, code: i32, texts: &[&str]) {
        assert_eq!(self.code, code, "{}{}", self.stdout, self.stderr);
        for text in texts {
            assert!(self.stderr.contains(text), "{text:?} is not in:\n{}", self.stderr);
        }
        assert!(self.stderr.contains("error: "), "{}", self.stderr);
        assert_eq!(self.stdout, "", "a refusal writes nothing to standard output");
    }
}

impl From<Output> for Run {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).unwrap(),
            stderr: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// The text of a JSON value that is a string.
#[track_caller]
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no string"))
}

/// Runs OpenSSL and gives its standard output; `None` where it says no.
pub(crate) fn openssl(arguments: &[&str]) -> Option<String> {
    let output = std::process::Command::new("openssl").args(arguments).output().unwrap();
    output.status.success().then(|| String::from_utf8(output.stdout).unwrap())
}
