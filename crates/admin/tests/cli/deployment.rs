//! Deployments from elsewhere, made with OpenSSL: sound ones and ones with a planted fault.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::workbench::{Workbench, openssl};

/// A folder of certificates and keys under the working directory.
pub(crate) struct Deployment {
    dir: PathBuf,
}

/// Extensions of a sound end entity.
pub(crate) const LEAF: &[&str] = &[
    "basicConstraints=critical,CA:FALSE",
    "keyUsage=critical,digitalSignature",
    "extendedKeyUsage=serverAuth,clientAuth",
    "subjectKeyIdentifier=hash",
    "authorityKeyIdentifier=keyid",
];

/// Extensions of a sound CA.
pub(crate) const CA: &[&str] = &[
    "basicConstraints=critical,CA:TRUE",
    "keyUsage=critical,keyCertSign,cRLSign",
    "subjectKeyIdentifier=hash",
];

impl Deployment {
    /// An empty folder of this name.
    pub(crate) fn empty(bench: &Workbench, name: &str) -> Self {
        let dir = bench.path(name);
        fs::create_dir(&dir).unwrap();
        Self { dir }
    }

    /// A root, and a broker and a client that it signed.
    pub(crate) fn sound(bench: &Workbench, name: &str) -> Self {
        let deployment = Self::empty(bench, name);
        deployment.key("root");
        deployment.self_signed("root", "/CN=Old Root", CA);
        for principal in ["broker-01", "app"] {
            deployment.key(principal);
            deployment.signed(principal, &format!("/CN={principal}"), "root", LEAF);
        }
        deployment
    }

    /// The fault that the specification tells of: root, intermediate and end entities, each signed by
    /// its own key.
    pub(crate) fn faulty(bench: &Workbench, name: &str) -> Self {
        let deployment = Self::empty(bench, name);
        for (ca, subject) in [("root", "/CN=Old Root"), ("intermediate", "/CN=Old Intermediate")] {
            deployment.key(ca);
            deployment.self_signed(ca, subject, CA);
        }
        let broker = [LEAF, &["subjectAltName=DNS:broker-01.example.com,IP:127.0.0.1"]].concat();
        let client = [LEAF, &["subjectAltName=email:client@company.com"]].concat();
        for (file, subject, extensions) in
            [("broker-01", "/CN=broker-01", broker), ("client", "/CN=client@company.com", client)]
        {
            deployment.key(file);
            deployment.self_signed(file, subject, &extensions);
        }
        deployment
    }

    /// A file of the folder.
    pub(crate) fn path(&self, name: impl AsRef<Path>) -> PathBuf {
        self.dir.join(name)
    }

    fn at(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// Makes `NAME.key`, P-256 in PKCS#8.
    pub(crate) fn key(&self, name: &str) {
        self.key_of(name, &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    }

    /// Makes `NAME.key` with these options of `openssl genpkey`.
    pub(crate) fn key_of(&self, name: &str, options: &[&str]) {
        let key = self.at(&format!("{name}.key"));
        run(&[&["genpkey", "-out", &key][..], options].concat());
        self.mode(&format!("{name}.key"), 0o600);
    }

    /// Sets a file's permissions.
    pub(crate) fn mode(&self, file: &str, mode: u32) {
        fs::set_permissions(self.path(file), fs::Permissions::from_mode(mode)).unwrap();
    }

    /// Makes `NAME.pem`, signed by `NAME.key`.
    pub(crate) fn self_signed(&self, name: &str, subject: &str, extensions: &[&str]) {
        self.certificate(name, subject, name, extensions, &["-sha256"]);
    }

    /// Makes `NAME.pem` for `NAME.key`, signed by the CA `issuer`.
    pub(crate) fn signed(&self, name: &str, subject: &str, issuer: &str, extensions: &[&str]) {
        self.certificate(name, subject, issuer, extensions, &["-sha256"]);
    }

    /// Makes `NAME.pem`, for a year unless `options` of `openssl x509` say otherwise.
    pub(crate) fn certificate(
        &self,
        name: &str,
        subject: &str,
        issuer: &str,
        extensions: &[&str],
        options: &[&str],
    ) {
        let [request, file, key] =
            [".csr", ".pem", ".key"].map(|end| self.at(&format!("{name}{end}")));
        let extensions_file = self.at(&format!("{name}.ext"));
        fs::write(&extensions_file, extensions.join("\n")).unwrap();
        run(&["req", "-new", "-key", &key, "-subj", subject, "-out", &request]);
        let [ca, ca_key] = [".pem", ".key"].map(|end| self.at(&format!("{issuer}{end}")));
        let by: &[&str] = if issuer == name {
            &["-signkey", &key]
        } else {
            &["-CA", &ca, "-CAkey", &ca_key, "-CAcreateserial"]
        };
        let fixed = ["x509", "-req", "-in", &request, "-days", "365", "-extfile", &extensions_file];
        run(&[&fixed[..], &["-out", &file], by, options].concat());
        for left in [request, extensions_file, self.at(&format!("{issuer}.srl"))] {
            let _not_made = fs::remove_file(left);
        }
    }
}

#[track_caller]
fn run(arguments: &[&str]) {
    assert!(openssl(arguments).is_some(), "openssl {arguments:?}");
}
