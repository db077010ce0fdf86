//! An operation on a data directory in a process of its own, which its parent may kill or trace.
//!
//! The test binary starts itself again with the name of [`child_process`] as its only test. Without
//! the environment of a parent that test does nothing.

use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use rustmq_ca::faults::{Faults, SignerWatch};
use rustmq_ca::{
    CertificateManager, CrlRefresh, Error, Execution, IntermediateCaRequest, ListFilter, NewCa,
    OpenMode, Options, RevokeRequest, RootCaRequest,
};
use rustmq_pki::crl::RevocationReason;
use rustmq_pki::key::{Fingerprint, PublicKey, SignError, Signer};
use rustmq_pki::role::Role;
use rustmq_testkit::{
    FakeClock, FixedPassphrase, PASSPHRASE, issue_request, named, new_key, options,
};

use super::batches;

const OPERATION: &str = "RUSTMQ_TEST_OPERATION";
const DATA_DIR: &str = "RUSTMQ_TEST_DATA_DIR";
const MARKERS: &str = "RUSTMQ_TEST_MARKERS";
const DIE: &str = "RUSTMQ_TEST_DIE_AT_SIGNATURE";
const WITHOUT_FSYNC: &str = "RUSTMQ_TEST_WITHOUT_FSYNC";

/// How many certificates [`Operation::IssueMany`] issues.
pub(crate) const MANY: usize = 40;

/// Printed before the machine code of a refusal.
pub(crate) const REFUSED: &str = "REFUSED ";

/// Printed before what the operation acknowledges.
pub(crate) const ACKNOWLEDGED: &str = "ACKNOWLEDGED ";

/// Opened when the operation starts, the key already in memory.
pub(crate) const BEGIN: &str = "begin";

/// Starts the name of the file that is made just before the key is used: then comes the digest of
/// what it signs.
pub(crate) const SIGNING: &str = "signing-";

/// What the child does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Issues to client@company.com by prod_ca_1.
    Issue,
    /// Revokes cert-3 for keyCompromise.
    Revoke,
    /// Signs the CRL of prod_ca_1.
    Crl,
    /// Issues [`MANY`] times, one after the other.
    IssueMany,
    /// Makes a staging CA under root_ca_1.
    Intermediate,
    /// Makes a root, in a data directory that need not be there.
    Root,
    /// Issues 64 certificates at once.
    IssueAtOnce,
    /// Counts certificates; opened for reading.
    List,
    /// Finds cert-3 by its serial number; opened for reading.
    LookUp,
    /// Issues the job of [`batches`], all of its slices.
    Batch,
    /// Issues its first two slices.
    HalfBatch,
    /// Issues a job of the process's own.
    OwnBatch,
    /// Revokes all that prod_ca_1 issued, in slices of [`batches::SIZE`].
    RevokeBatch,
}

impl Operation {
    const fn name(self) -> &'static str {
        match self {
            Self::Issue => "issue",
            Self::Revoke => "revoke",
            Self::Crl => "crl",
            Self::IssueMany => "issue-many",
            Self::Intermediate => "intermediate",
            Self::Root => "root",
            Self::IssueAtOnce => "issue-at-once",
            Self::List => "list",
            Self::LookUp => "look-up",
            Self::Batch => "batch",
            Self::HalfBatch => "half-batch",
            Self::OwnBatch => "own-batch",
            Self::RevokeBatch => "revoke-batch",
        }
    }
}

/// How the child is run.
pub(crate) struct Child<'a> {
    pub(crate) operation: Operation,
    pub(crate) data_dir: &'a Path,
    pub(crate) markers: &'a Path,
    pub(crate) without_fsync: bool,
    /// Ends the process where it would sign.
    pub(crate) die_at_signature: bool,
    /// A program in front of the child, with its arguments.
    pub(crate) under: &'a [&'a str],
}

impl Child<'_> {
    /// Runs it to its end.
    pub(crate) fn run(&self) -> Output {
        self.command().output().expect("the child (under strace: apt-get install strace) starts")
    }

    /// Starts it and goes on.
    pub(crate) fn start(&self) -> std::process::Child {
        let mut command = self.command();
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().expect("the child starts")
    }

    fn command(&self) -> Command {
        let own = std::env::current_exe().expect("this test's path");
        let mut command = match self.under.split_first() {
            Some((program, arguments)) => {
                let mut command = Command::new(program);
                command.args(arguments).arg(own);
                command
            }
            None => Command::new(own),
        };
        command.args(["child::child_process", "--exact", "--nocapture"]);
        command.env(OPERATION, self.operation.name());
        command.env(DATA_DIR, self.data_dir).env(MARKERS, self.markers);
        for (wanted, name) in [(self.without_fsync, WITHOUT_FSYNC), (self.die_at_signature, DIE)] {
            if wanted {
                command.env(name, "1");
            }
        }
        command
    }
}

/// What the child acknowledged, if it came that far.
pub(crate) fn acknowledged(output: &Output) -> Option<String> {
    said(output, ACKNOWLEDGED)
}

/// The code of its refusal, if it was refused.
pub(crate) fn refused(output: &Output) -> Option<String> {
    said(output, REFUSED)
}

fn said(output: &Output, prefix: &str) -> Option<String> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines().find_map(|line| line.split(prefix).nth(1)).map(str::to_owned)
}

/// Makes a file for each signature, just before it.
struct Marking {
    directory: PathBuf,
}

struct MarkingSigner {
    signer: Arc<dyn Signer>,
    directory: PathBuf,
}

impl SignerWatch for Marking {
    fn watch(&self, signer: Arc<dyn Signer>) -> Arc<dyn Signer> {
        Arc::new(MarkingSigner { signer, directory: self.directory.clone() })
    }
}

impl Signer for MarkingSigner {
    fn public_key(&self) -> &PublicKey {
        self.signer.public_key()
    }

    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SignError> {
        let name = format!("{SIGNING}{}", Fingerprint::of(message));
        File::create(self.directory.join(name)).expect("a marker");
        if std::env::var_os(DIE).is_some() {
            std::process::exit(9);
        }
        self.signer.sign(message)
    }
}

fn child_options(data_dir: &Path, markers: &Path) -> Options {
    let faults = Faults {
        slice_rows: Some(batches::SIZE),
        without_fsync: std::env::var_os(WITHOUT_FSYNC).is_some(),
        watch: Some(Arc::new(Marking { directory: markers.to_owned() })),
    };
    let passphrase = FixedPassphrase::new(PASSPHRASE);
    options(data_dir, &FakeClock::default(), passphrase).with_faults(faults)
}

async fn issue(manager: &CertificateManager) -> Result<String, Error> {
    let request = issue_request("prod_ca_1", "client@company.com", Role::Client, &new_key());
    let issuance = manager.issue_certificate(request).await?;
    Ok(issuance.issued.expect("no dry run").info().serial.clone())
}

async fn revoke(manager: &CertificateManager) -> Result<String, Error> {
    let request = RevokeRequest {
        certificate: "cert-3".to_owned(),
        reason: RevocationReason::KeyCompromise,
        invalidity_date: None,
        execution: Execution::Commit,
    };
    let revocation = manager.revoke_certificate(request).await?;
    Ok(revocation.crl.expect("no dry run").crl.number().to_string())
}

async fn perform(
    operation: &str,
    manager: &CertificateManager,
    markers: &Path,
) -> Result<String, Error> {
    // Not there: it is the attempt that the trace shows.
    drop(File::open(markers.join(BEGIN)));
    match operation {
        "issue" => issue(manager).await,
        "revoke" => revoke(manager).await,
        "crl" => {
            let publication = manager.generate_crl("prod_ca_1", CrlRefresh::Always).await?;
            Ok(publication.crl.number().to_string())
        }
        "issue-many" => {
            let mut serials = Vec::new();
            for _ in 0..MANY {
                serials.push(issue(manager).await?);
            }
            Ok(serials.join(" "))
        }
        "intermediate" => {
            let ca = NewCa::new(named("Staging CA"));
            let request = IntermediateCaRequest { parent: "root_ca_1".to_owned(), ca };
            let creation = manager.generate_intermediate_ca(request).await?;
            Ok(creation.ca.expect("no dry run").id)
        }
        "root" => {
            let request = RootCaRequest { ca: NewCa::new(named("RustMQ Root CA")) };
            let creation = manager.generate_root_ca(request).await?;
            Ok(creation.ca.expect("no dry run").id)
        }
        "issue-at-once" => {
            let tasks: Vec<_> = (0..64)
                .map(|_| {
                    let manager = manager.clone();
                    tokio::spawn(async move { issue(&manager).await })
                })
                .collect();
            for task in tasks {
                task.await.expect("no panic")?;
            }
            Ok("64".to_owned())
        }
        "look-up" => {
            let serial = manager.info("cert-3").await?.serial;
            manager.bundle(&serial).await?;
            let principal = Some("template@company.com".to_owned());
            manager.list(ListFilter { principal, ..ListFilter::default() }).await?;
            Ok(manager.find_ca("prod_ca_1").await?.id)
        }
        "batch" => batches::issue(manager, "job", batches::SLICES, markers).await,
        "half-batch" => batches::issue(manager, "job", 2, markers).await,
        "own-batch" => {
            let job = format!("job of {}", std::process::id());
            batches::issue(manager, &job, batches::SLICES, &markers.join(&job)).await
        }
        "revoke-batch" => {
            let revocation = batches::revoke_all(manager).await?;
            let crl = revocation.crls.first();
            Ok(crl.map_or_else(|| "0".to_owned(), |crl| crl.crl.number().to_string()))
        }
        "list" => Ok(manager.list(ListFilter::default()).await?.len().to_string()),
        other => panic!("no operation {other}"),
    }
}

#[test]
fn child_process() {
    let Ok(operation) = std::env::var(OPERATION) else { return };
    let path = |name| PathBuf::from(std::env::var_os(name).expect("set by the parent"));
    let (data_dir, markers) = (path(DATA_DIR), path(MARKERS));
    let mode = match operation.as_str() {
        "root" => OpenMode::Create,
        "list" | "look-up" => OpenMode::Read,
        _ => OpenMode::Write,
    };
    let options = child_options(&data_dir, &markers).mode(mode);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let answer = match CertificateManager::open(&options) {
            Ok(manager) => perform(&operation, &manager, &markers).await,
            Err(error) => Err(error),
        };
        let answer = match answer {
            Ok(answer) => format!("{ACKNOWLEDGED}{answer}"),
            Err(error) => {
                eprintln!("{error}");
                format!("{REFUSED}{}", error.code())
            }
        };
        let mut output = std::io::stdout();
        writeln!(output, "{answer}").expect("a parent that reads");
        output.flush().expect("a parent that reads");
    });
}
