//! Data directories to start from, and OpenSSL's opinion.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustmq_ca::{Bundle, CertificateManager};
use rustmq_pki::role::Role;
use rustmq_pki::time::UnixTime;
use rustmq_testkit::{FakeClock, FixedPassphrase, PASSPHRASE, TestCa, options};

use super::batches;

/// Copies a data directory that nobody has open.
pub(crate) fn copy_directory(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy_directory(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).expect("a copy");
        }
    }
}

/// A root, an intermediate and one client certificate (cert-3), closed.
pub(crate) fn template(directory: &Path) -> PathBuf {
    let data_dir = directory.join("template");
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let ca = TestCa::with_hierarchy().await;
        let issued = ca.issue("template@company.com", Role::Client).await;
        assert_eq!(issued.info().id, "cert-3");
        let source = ca.data_dir();
        let (manager, directory) = ca.into_parts();
        drop(manager);
        copy_directory(&source, &data_dir);
        drop(directory);
    });
    data_dir
}

/// The same with the whole job of [`batches`] issued, whose markers lie beside it.
pub(crate) fn template_with_batch(directory: &Path) -> PathBuf {
    let data_dir = template(directory);
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let passphrase = FixedPassphrase::new(PASSPHRASE);
        let options = options(&data_dir, &FakeClock::default(), passphrase);
        let manager = CertificateManager::open(&options).expect("opens");
        let markers = directory.join("template-markers");
        batches::issue(&manager, "job", batches::SLICES, &markers).await.expect("a batch");
    });
    data_dir
}

/// OpenSSL's verdict on a certificate with its chain and CRLs, as it says it.
pub(crate) fn openssl_verdict(bundle: &Bundle, at: UnixTime, scratch: &Path) -> Result<(), String> {
    let file = |name: &str, contents: String| {
        let path = scratch.join(name);
        fs::write(&path, contents).expect("a file");
        path
    };
    let (root, intermediates) = bundle.chain.split_last().expect("a chain");
    let root = file("root.pem", root.to_pem());
    let intermediates =
        file("intermediates.pem", intermediates.iter().map(|c| c.to_pem()).collect());
    let crls = file("crls.pem", bundle.crls.iter().map(|crl| crl.to_pem()).collect());
    let leaf = file("leaf.pem", bundle.certificate.to_pem());
    let output = Command::new("openssl")
        .args(["verify", "-x509_strict", "-crl_check_all", "-attime"])
        .arg(at.seconds().to_string())
        .arg("-CAfile")
        .arg(root)
        .arg("-untrusted")
        .arg(intermediates)
        .arg("-CRLfile")
        .arg(crls)
        .arg(leaf)
        .output()
        .expect("openssl");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.success() { Ok(()) } else { Err(said) }
}

/// Asks OpenSSL about a stored certificate.
pub(crate) async fn judged(
    manager: &CertificateManager,
    certificate: &str,
    at: UnixTime,
    scratch: &Path,
) -> Result<(), String> {
    let bundle = manager.bundle(certificate).await.expect("a stored certificate");
    openssl_verdict(&bundle, at, scratch)
}
