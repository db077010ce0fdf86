//! Good and planted-bad certificates that the product had no hand in.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::build;
use crate::chain::{Chain, Purpose};
use crate::judges::pinned;
use crate::process::run;

mod minting;

pub use minting::Authority;

/// The DNS name of the sample server.
pub const SERVER: &str = "broker-01.example.com";

/// The kinds of key that certificates are made for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SampleKey {
    /// ECDSA on P-256.
    P256,
    /// ECDSA on P-384.
    P384,
    /// ECDSA on P-521.
    P521,
    /// Ed25519.
    Ed25519,
    /// RSA with 2048 bits.
    Rsa2048,
    /// RSA with 3072 bits.
    Rsa3072,
    /// RSA with 4096 bits.
    Rsa4096,
    /// ML-DSA-44 (RFC 9881).
    MlDsa44,
    /// ML-DSA-65.
    MlDsa65,
    /// ML-DSA-87.
    MlDsa87,
}

impl SampleKey {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::P256,
        Self::P384,
        Self::P521,
        Self::Ed25519,
        Self::Rsa2048,
        Self::Rsa3072,
        Self::Rsa4096,
        Self::MlDsa44,
        Self::MlDsa65,
        Self::MlDsa87,
    ];

    /// Its name on the command line of `rustmq-admin`.
    pub fn name(self) -> &'static str {
        match self {
            Self::P256 => "p256",
            Self::P384 => "p384",
            Self::P521 => "p521",
            Self::Ed25519 => "ed25519",
            Self::Rsa2048 => "rsa-2048",
            Self::Rsa3072 => "rsa-3072",
            Self::Rsa4096 => "rsa-4096",
            Self::MlDsa44 => "ml-dsa-44",
            Self::MlDsa65 => "ml-dsa-65",
            Self::MlDsa87 => "ml-dsa-87",
        }
    }

    /// Whether it is one of the lattice signatures that older programs cannot check.
    pub fn is_ml_dsa(self) -> bool {
        matches!(self, Self::MlDsa44 | Self::MlDsa65 | Self::MlDsa87)
    }
}

/// What is wrong with a planted-bad sample.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// One bit of the leaf's signature is turned.
    BrokenSignature,
    /// The leaf is signed by another key under the issuer's name.
    Impostor,
    /// The leaf is signed by another leaf.
    IssuedByLeaf,
    /// The leaf ended years ago.
    Expired,
    /// The leaf is on its issuer's list.
    Revoked,
    /// The intermediate is on the root's list.
    RevokedIssuer,
    /// The issuer's list is signed by another key under the issuer's name.
    ForgedList,
    /// The issuer's list ended years ago.
    StaleList,
    /// A client's certificate is shown by a server.
    ClientAsServer,
    /// A code signer's certificate is shown by a client.
    CodeSignerAsClient,
    /// The server is asked for under another name.
    OtherHost,
}

impl Fault {
    /// Every fault.
    pub const ALL: [Self; 11] = [
        Self::BrokenSignature,
        Self::Impostor,
        Self::IssuedByLeaf,
        Self::Expired,
        Self::Revoked,
        Self::RevokedIssuer,
        Self::ForgedList,
        Self::StaleList,
        Self::ClientAsServer,
        Self::CodeSignerAsClient,
        Self::OtherHost,
    ];
}

/// A hierarchy with a server, a client and everything that is needed to plant faults.
#[derive(Debug)]
pub struct Samples {
    folder: TempDir,
}

impl Samples {
    /// Makes the hierarchy with one kind of key throughout.
    ///
    /// # Panics
    /// If OpenSSL, or for ML-DSA Python, fails to.
    pub fn mint(key: SampleKey) -> Self {
        let folder = tempfile::tempdir().expect("a temporary folder can be made");
        if key.is_ml_dsa() {
            let mut command = Command::new(pinned("python"));
            command.arg(build::source("python").join("mint.py")).arg(folder.path());
            run(command.arg(key.name())).expect_success("mint.py");
        } else {
            minting::mint(folder.path(), key);
        }
        Self { folder }
    }

    /// The good server, with lists.
    pub fn server(&self) -> Chain {
        self.chain("server.crt", Purpose::Server(SERVER.to_owned()))
    }

    /// The good client, with lists.
    pub fn client(&self) -> Chain {
        self.chain("client.crt", Purpose::Client)
    }

    /// A chain with this fault and no other.
    pub fn planted(&self, fault: Fault) -> Chain {
        let server = self.server();
        let with_lists = |root: &str, intermediate: &str| Chain {
            crls: vec![self.path(root), self.path(intermediate)],
            ..self.server()
        };
        match fault {
            Fault::BrokenSignature => Chain { leaf: self.broken(&server.leaf), ..server },
            Fault::Impostor => Chain { leaf: self.path("impostor.crt"), ..server },
            Fault::IssuedByLeaf => self.nested(),
            Fault::Expired => Chain { leaf: self.path("expired.crt"), ..server },
            Fault::Revoked => with_lists("root.crl", "revoking.crl"),
            Fault::RevokedIssuer => with_lists("root-revoking.crl", "intermediate.crl"),
            Fault::ForgedList => with_lists("root.crl", "forged.crl"),
            Fault::StaleList => with_lists("root.crl", "stale.crl"),
            Fault::ClientAsServer => Chain { leaf: self.path("client.crt"), ..server },
            Fault::CodeSignerAsClient => self.chain("code.crt", Purpose::Client),
            Fault::OtherHost => {
                Chain { purpose: Purpose::Server("broker-02.example.com".to_owned()), ..server }
            }
        }
    }

    fn chain(&self, leaf: &str, purpose: Purpose) -> Chain {
        Chain {
            leaf: self.path(leaf),
            issuers: vec![self.path("intermediate.crt")],
            root: self.path("root.crt"),
            crls: vec![self.path("root.crl"), self.path("intermediate.crl")],
            purpose,
        }
    }

    /// A server under the client's certificate. No list could exist for that, so none is asked for.
    fn nested(&self) -> Chain {
        let issuers = vec![self.path("client.crt"), self.path("intermediate.crt")];
        Chain { leaf: self.path("nested.crt"), issuers, crls: Vec::new(), ..self.server() }
    }

    fn broken(&self, certificate: &Path) -> PathBuf {
        let copy = self.path("broken.crt");
        break_signature(certificate, &copy);
        copy
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

/// Copies a PEM certificate or list with one bit turned in the last octet, which is the signature's.
///
/// # Panics
/// If the file is not PEM, or the copy cannot be written.
pub fn break_signature(original: &Path, copy: &Path) {
    let text = fs::read(original).expect("the original can be read");
    let (label, mut der) = pem_rfc7468::decode_vec(&text).expect("one PEM block");
    *der.last_mut().expect("an object is not empty") ^= 1;
    let broken = pem_rfc7468::encode_string(label, pem_rfc7468::LineEnding::LF, &der);
    fs::write(copy, broken.expect("octets can be encoded")).expect("the copy can be written");
}
