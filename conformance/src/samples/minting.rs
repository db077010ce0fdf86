//! Minting with `openssl ca`, one folder an authority.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::SampleKey;
use crate::build;
use crate::process::run;

/// A certificate authority made of OpenSSL's command line.
#[derive(Debug)]
pub struct Authority {
    folder: PathBuf,
    certificate: PathBuf,
    key: PathBuf,
    digest: &'static str,
}

impl Authority {
    /// An authority on this folder, of a certificate that is still to be made and a new key.
    ///
    /// # Panics
    /// If OpenSSL fails to make the key.
    pub fn create(folder: &Path, name: &str, kind: SampleKey) -> Self {
        let home = folder.join(format!("{name}.ca"));
        fs::create_dir(&home).expect("the authority's folder can be made");
        fs::write(home.join("index.txt"), "").expect("the folder is writable");
        fs::write(home.join("crlnumber"), "01\n").expect("the folder is writable");
        let key = folder.join(format!("{name}.key"));
        generate_key(&key, kind);
        let certificate = folder.join(format!("{name}.crt"));
        Self { folder: home, certificate, key, digest: digest(kind) }
    }

    /// Signs its own certificate under this name.
    ///
    /// # Panics
    /// As does every call here, if OpenSSL refuses.
    pub fn sign_itself(&self, subject: &str) {
        let request = request(&self.key);
        let mut command = self.ca();
        command.args(["-selfsign", "-extensions", "root", "-in"]).arg(request);
        self.finish(command.args(["-subj", &format!("/CN={subject}")]), &self.certificate);
    }

    /// Signs a certificate for a key; `section` of `samples.cnf` says what it may do.
    pub fn sign(&self, key: &Path, subject: &str, section: &str, out: &Path) {
        self.sign_for(key, subject, section, &[], out);
    }

    /// Signs a certificate that ended in 2021.
    pub fn sign_expired(&self, key: &Path, subject: &str, section: &str, out: &Path) {
        let dates = ["-startdate", "20200101000000Z", "-enddate", "20210101000000Z"];
        self.sign_for(key, subject, section, &dates, out);
    }

    fn sign_for(&self, key: &Path, subject: &str, section: &str, dates: &[&str], out: &Path) {
        let mut command = self.ca();
        command.arg("-cert").arg(&self.certificate).args(["-extensions", section]).args(dates);
        command.arg("-in").arg(request(key)).args(["-subj", &format!("/CN={subject}")]);
        self.finish(&mut command, out);
    }

    /// Puts a certificate of its own on its list.
    pub fn revoke(&self, certificate: &Path) {
        let mut command = self.ca();
        command.arg("-cert").arg(&self.certificate).arg("-revoke").arg(certificate);
        run(command.args(["-crl_reason", "keyCompromise"])).expect_success("openssl ca -revoke");
    }

    /// Signs its list; `more` are further flags of `openssl ca -gencrl`.
    pub fn list(&self, more: &[&str], out: &Path) {
        let mut command = self.ca();
        command.arg("-gencrl").arg("-cert").arg(&self.certificate).args(more).arg("-out").arg(out);
        run(&mut command).expect_success("openssl ca -gencrl");
    }

    /// The file of its key.
    pub fn key(&self) -> &Path {
        &self.key
    }

    /// The file of its certificate.
    pub fn certificate(&self) -> &Path {
        &self.certificate
    }

    fn ca(&self) -> Command {
        let mut command = Command::new("openssl");
        command.args(["ca", "-batch", "-notext", "-md", self.digest, "-config"]);
        command.arg(build::source("openssl").join("samples.cnf"));
        command.arg("-keyfile").arg(&self.key).current_dir(&self.folder);
        command
    }

    fn finish(&self, command: &mut Command, out: &Path) {
        run(command.arg("-out").arg(out)).expect_success("openssl ca");
    }
}

/// Fills a folder with the files that [`super::Samples`] names.
pub(super) fn mint(folder: &Path, kind: SampleKey) {
    let file = |name: &str| folder.join(name);
    let root = Authority::create(folder, "root", kind);
    root.sign_itself("Sample Root");
    let intermediate = Authority::create(folder, "intermediate", kind);
    root.sign(
        intermediate.key(),
        "Sample Intermediate",
        "intermediate",
        intermediate.certificate(),
    );

    let leaf = file("leaf.key");
    generate_key(&leaf, kind);
    intermediate.sign(&leaf, super::SERVER, "server", &file("server.crt"));
    intermediate.sign(&leaf, "client@company.com", "client", &file("client.crt"));
    intermediate.sign(&leaf, "Code Signer", "code", &file("code.crt"));
    intermediate.sign_expired(&leaf, super::SERVER, "server", &file("expired.crt"));
    sign_under_client(folder, &leaf, kind);

    let impostor = Authority::create(folder, "impostor-authority", kind);
    impostor.sign_itself("Sample Intermediate");
    impostor.sign(&leaf, super::SERVER, "server", &file("impostor.crt"));
    impostor.list(&[], &file("forged.crl"));
    mint_lists(folder, &root, &intermediate);
}

fn mint_lists(folder: &Path, root: &Authority, intermediate: &Authority) {
    let file = |name: &str| folder.join(name);
    let past = ["-crl_lastupdate", "20200101000000Z", "-crl_nextupdate", "20200108000000Z"];
    root.list(&[], &file("root.crl"));
    intermediate.list(&[], &file("intermediate.crl"));
    intermediate.list(&past, &file("stale.crl"));
    intermediate.revoke(&file("server.crt"));
    intermediate.list(&[], &file("revoking.crl"));
    root.revoke(intermediate.certificate());
    root.list(&[], &file("root-revoking.crl"));
}

/// Uses the client's certificate as if it were an authority's.
fn sign_under_client(folder: &Path, leaf: &Path, kind: SampleKey) {
    let mut client = Authority::create(folder, "client-authority", kind);
    client.key = leaf.to_owned();
    client.certificate = folder.join("client.crt");
    client.sign(leaf, super::SERVER, "server", &folder.join("nested.crt"));
}

fn generate_key(path: &Path, kind: SampleKey) {
    let (algorithm, option) = match kind {
        SampleKey::P256 => ("EC", "ec_paramgen_curve:P-256"),
        SampleKey::P384 => ("EC", "ec_paramgen_curve:P-384"),
        SampleKey::P521 => ("EC", "ec_paramgen_curve:P-521"),
        SampleKey::Rsa2048 => ("RSA", "rsa_keygen_bits:2048"),
        SampleKey::Rsa3072 => ("RSA", "rsa_keygen_bits:3072"),
        SampleKey::Rsa4096 => ("RSA", "rsa_keygen_bits:4096"),
        SampleKey::Ed25519 => ("ED25519", ""),
        SampleKey::MlDsa44 | SampleKey::MlDsa65 | SampleKey::MlDsa87 => {
            panic!("OpenSSL 3.0 has no ML-DSA")
        }
    };
    let mut command = Command::new("openssl");
    command.args(["genpkey", "-algorithm", algorithm]);
    if !option.is_empty() {
        command.args(["-pkeyopt", option]);
    }
    run(command.arg("-out").arg(path)).expect_success("openssl genpkey");
}

/// The hash that goes with a key; Ed25519 has its own.
fn digest(kind: SampleKey) -> &'static str {
    match kind {
        SampleKey::P384 => "sha384",
        SampleKey::P521 => "sha512",
        SampleKey::Ed25519 => "null",
        _ => "sha256",
    }
}

/// A request for the key; the subject that counts is given when it is signed.
fn request(key: &Path) -> PathBuf {
    let path = key.with_extension("csr");
    let mut command = Command::new("openssl");
    command.args(["req", "-new", "-subj", "/CN=any", "-key"]).arg(key).arg("-out").arg(&path);
    run(&mut command).expect_success("openssl req");
    path
}
