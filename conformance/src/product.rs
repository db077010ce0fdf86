//! `rustmq-admin`, run as a user runs it: by its command line, on a data directory of its own.

use std::env;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use crate::build;
use crate::chain::{Chain, Purpose};
use crate::pem;
use crate::process::{Output, run};
use crate::samples::SampleKey;

/// An authority in a temporary folder, which is also where its output goes.
#[derive(Debug)]
pub struct Product {
    program: PathBuf,
    folder: TempDir,
}

impl Product {
    /// An authority without a CA.
    ///
    /// # Panics
    /// If `rustmq-admin` cannot be built.
    pub fn empty() -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        let passphrase = folder.path().join("passphrase");
        fs::write(&passphrase, "correct horse battery staple\n").expect("the folder is writable");
        fs::set_permissions(&passphrase, Permissions::from_mode(0o600)).expect("the file is ours");
        Self { program: program(), folder }
    }

    /// A root and an intermediate, `root_ca_1` and `prod_ca_1`, with this kind of key.
    pub fn with_hierarchy(key: SampleKey) -> Self {
        let product = Self::empty();
        let kind = key.name();
        product.admin(["ca", "init", "--cn", "RustMQ Root CA", "--org", "YourOrg"], kind);
        let parent = ["ca", "intermediate", "--parent-ca", "root_ca_1", "--cn", "Production CA"];
        product.admin(parent, kind);
        product
    }

    fn admin<const N: usize>(&self, arguments: [&str; N], kind: &str) {
        self.ok(arguments.into_iter().chain(["--key-type", kind]));
    }

    /// Runs a command of `rustmq-admin`, whatever it says.
    pub fn run<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Output {
        self.run_by(Command::new(&self.program), arguments)
    }

    /// As [`Product::run`], at a moment of the past that `faketime` understands.
    pub fn run_at<'a>(&self, moment: &str, arguments: impl IntoIterator<Item = &'a str>) -> Output {
        let mut command = Command::new("faketime");
        command.arg(moment).arg(&self.program);
        self.run_by(command, arguments)
    }

    fn run_by<'a>(
        &self,
        mut command: Command,
        arguments: impl IntoIterator<Item = &'a str>,
    ) -> Output {
        command.current_dir(self.folder.path()).env("RUSTMQ_DATA_DIR", self.path("data"));
        command.args(["--passphrase-file", "passphrase"]).args(arguments);
        run(&mut command)
    }

    /// Runs a command that has to succeed.
    ///
    /// # Panics
    /// If it does not, with what it said.
    pub fn ok<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Output {
        let arguments: Vec<&str> = arguments.into_iter().collect();
        self.run(arguments.iter().copied()).expect_success(&arguments.join(" "))
    }

    /// Issues a certificate under `prod_ca_1` with a new key; `more` are further flags.
    pub fn issue(&self, principal: &str, role: &str, key: SampleKey, more: &[&str]) -> Issued {
        self.issue_under("prod_ca_1", principal, role, key, more)
    }

    /// Issues a certificate under any CA.
    pub fn issue_under(
        &self,
        ca: &str,
        principal: &str,
        role: &str,
        key: SampleKey,
        more: &[&str],
    ) -> Issued {
        let folder = format!("{ca}.{role}.{principal}");
        let fixed = [
            ["certs", "issue"],
            ["--ca-id", ca],
            ["--principal", principal],
            ["--role", role],
            ["--key-type", key.name()],
        ];
        self.deliver(&folder, fixed.into_iter().flatten().chain(more.iter().copied()))
    }

    /// Runs a command that has to deliver a certificate, into a folder of this name.
    ///
    /// # Panics
    /// If it is refused, or the answer is not the JSON that the command documents.
    pub fn deliver<'a>(
        &self,
        folder: &'a str,
        arguments: impl IntoIterator<Item = &'a str>,
    ) -> Issued {
        let places = ["--output-dir", folder, "--format", "json"];
        let arguments: Vec<&str> = arguments.into_iter().chain(places).collect();
        let output = self.ok(arguments);
        let answer: Value = serde_json::from_str(&output.stdout).expect("one JSON object");
        let text = |name: &str| answer[name].as_str().expect("a documented key").to_owned();
        Issued { id: text("id"), serial: text("serial"), folder: self.path(folder) }
    }

    /// What an earlier command wrote into a folder of this name, of which only the files are known.
    pub fn found(&self, folder: &str) -> Issued {
        Issued { id: String::new(), serial: String::new(), folder: self.path(folder) }
    }

    /// Fetches a CA's present revocation list.
    pub fn list_of(&self, ca: &str) -> PathBuf {
        let file = format!("{ca}.crl");
        self.ok(["ca", "crl", "--ca-id", ca, "--output", &file]);
        self.path(&file)
    }

    /// Fetches a CA's present certificate alone.
    pub fn certificate_of(&self, ca: &str) -> PathBuf {
        let file = format!("{ca}.crt");
        self.ok(["ca", "export", "--ca-id", ca, "--force", "--output", &file]);
        self.path(&file)
    }

    /// The folder that holds `rustmq-admin`, for a `PATH`.
    ///
    /// # Panics
    /// If the program is named without a folder.
    pub fn program_folder(&self) -> &Path {
        self.program.parent().expect("the program's path has a folder")
    }

    /// A file or folder below the current folder of the commands.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// What `certs issue` wrote.
#[derive(Clone, Debug)]
pub struct Issued {
    /// The certificate's id in the store.
    pub id: String,
    /// Its serial number in hexadecimal.
    pub serial: String,
    folder: PathBuf,
}

impl Issued {
    /// A file of the folder: `tls.crt`, `tls.key`, `ca.crt`, `root.crt` or `crl.pem`.
    pub fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The chain as the files have it: what a TLS peer shows, the anchor and the lists.
    ///
    /// # Panics
    /// If a file is missing or not PEM.
    pub fn chain(&self, purpose: Purpose) -> Chain {
        let mut presented = pem::split(&self.file("tls.crt")).into_iter();
        Chain {
            leaf: presented.next().expect("tls.crt begins with the leaf"),
            issuers: presented.collect(),
            root: self.file("root.crt"),
            crls: pem::split(&self.file("crl.pem")),
            purpose,
        }
    }
}

/// The program of this workspace, built from its present sources. `RUSTMQ_ADMIN` names one that is
/// built already; `make test` sets it, so that a run builds everything once.
///
/// # Panics
/// If it cannot be built.
pub fn program() -> PathBuf {
    if let Some(program) = env::var_os("RUSTMQ_ADMIN") {
        return PathBuf::from(program);
    }
    let folder = build::target().join("judges");
    fs::create_dir_all(&folder).expect("target/judges can be made");
    let lock = File::create(folder.join("rustmq-admin.lock")).expect("the lock can be made");
    lock.lock().expect("the lock can be taken");
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["build", "--quiet", "--package", "rustmq-admin"]);
    run(command.current_dir(build::workspace())).expect_success("cargo build");
    build::target().join("debug/rustmq-admin")
}

/// Whether a file is readable by its owner alone.
///
/// # Panics
/// If there is no such file.
pub fn is_private(file: &Path) -> bool {
    fs::metadata(file).expect("the file is there").permissions().mode() & 0o777 == 0o600
}
