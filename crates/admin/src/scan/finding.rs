//! What a scan finds fault with: a stable code, how grave it is, and what to do about it.

use rustmq_pki::time::UnixTime;
use serde_json::{Value, json};

/// How grave a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Severity {
    /// Somebody can pretend to be somebody else, or a peer refuses the certificate.
    Error,
    /// It works now, and will not for long or not everywhere.
    Warning,
    /// Something was not looked at.
    Info,
}

impl Severity {
    /// The stable name, as in JSON output.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Info => "info",
        }
    }
}

/// What is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// No CA, and signed by its own key.
    #[error("an end entity's certificate that its own key signed: no CA vouches for it")]
    SelfSignedEndEntity,
    /// The name of the issuer is here, its key did not sign.
    #[error("the key of {issuer}, which it names as its issuer, did not sign it{}",
            if *.by_own_key { "; its own key did" } else { "" })]
    NotSignedByIssuer {
        /// The stated issuer.
        issuer: String,
        /// Whether the certificate's own key made the signature.
        by_own_key: bool,
    },
    /// Nothing here has the issuer's name.
    #[error("its issuer {issuer} is not here, so that its signature was not checked")]
    IssuerNotFound {
        /// The stated issuer.
        issuer: String,
    },
    /// The issuer's key or the algorithm is of a kind that is not known here.
    #[error(
        "its signature ({algorithm}) was not checked: the algorithm or its issuer's key is unknown here, or too many certificates may be its issuer's"
    )]
    SignatureNotChecked {
        /// The algorithm.
        algorithm: String,
    },
    /// It acts as a CA and does not say so.
    #[error("{}, but its basicConstraints does not make it a CA",
            if *.issued > 0 { format!("it signed {issued} of the certificates here") }
            else { "its keyUsage has keyCertSign".to_owned() })]
    CaWithoutFlag {
        /// How many certificates its key signed.
        issued: usize,
    },
    /// One of several self-signed CAs, and nothing here was signed by it.
    #[error("a self-signed CA that signed nothing here, and one of {roots} self-signed CAs")]
    UnconnectedCa {
        /// How many self-signed CAs there are.
        roots: usize,
    },
    /// No authorityKeyIdentifier.
    #[error("authorityKeyIdentifier is missing, which tells which key of its issuer signed it")]
    MissingAuthorityKeyId,
    /// No subjectKeyIdentifier in a CA.
    #[error("a CA without subjectKeyIdentifier, which its certificates refer to")]
    MissingSubjectKeyId,
    /// The key can be computed, or soon.
    #[error("its key is {key}, which is too weak")]
    WeakKey {
        /// Algorithm and size.
        key: String,
    },
    /// The signature can be forged, or soon.
    #[error("it is signed with {algorithm}, for which collisions are known")]
    WeakSignature {
        /// The algorithm.
        algorithm: String,
        /// Whether it is a self-signed CA, whose signature nobody relies on.
        own: bool,
    },
    /// After notAfter.
    #[error("it expired at {not_after}")]
    Expired {
        /// The last second of its validity.
        not_after: UnixTime,
    },
    /// Before notBefore.
    #[error("it is not valid before {not_before}")]
    NotYetValid {
        /// The first second of its validity.
        not_before: UnixTime,
    },
    /// Soon after notAfter.
    #[error("it expires at {not_after}")]
    ExpiresSoon {
        /// The last second of its validity.
        not_after: UnixTime,
    },
    /// A key and a certificate that belong together by their places do not fit.
    #[error("the private key does not fit the certificate in {certificate}")]
    KeyMismatch {
        /// The certificate's file.
        certificate: String,
    },
    /// One key under several names.
    #[error("its key is also that of {others}: each can pass for the other")]
    SharedKey {
        /// The other subjects.
        others: String,
    },
    /// Others may read a private key.
    #[error("a private key{} that others than its owner can open (mode {mode:04o})",
            if *.encrypted { ", encrypted," } else { "" })]
    OpenKey {
        /// The permission bits.
        mode: u32,
        /// Whether a passphrase is needed, too.
        encrypted: bool,
    },
    /// A private key in an archive, readable for whoever has that.
    #[error("an unencrypted private key in an archive: whoever gets the archive has the key")]
    ArchivedKey,
    /// An archive's entry that would be unpacked somewhere else.
    #[error("the entry's name leads out of the folder that the archive is unpacked in")]
    EscapingName,
    /// Not followed.
    #[error("a link: what it points to was not read")]
    Link,
    /// Not opened.
    #[error("a keystore (PKCS#12, JKS, JCEKS) or a PKCS#7 bundle, which was not opened")]
    Keystore,
    /// Not opened either.
    #[error("an archive, or compressed, and not opened")]
    Archive,
    /// Not read.
    #[error("larger than {} MiB, and not read", limit >> 20)]
    TooLarge {
        /// The limit in bytes.
        limit: u64,
    },
    /// Damaged, or not permitted to be read.
    #[error("it cannot be read: {why}")]
    Unreadable {
        /// What is wrong.
        why: String,
    },
}

impl Fault {
    /// The stable code, as in JSON output.
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::SelfSignedEndEntity => "self_signed_end_entity",
            Self::NotSignedByIssuer { .. } => "not_signed_by_issuer",
            Self::IssuerNotFound { .. } => "issuer_not_found",
            Self::SignatureNotChecked { .. } => "signature_not_checked",
            Self::CaWithoutFlag { .. } => "ca_without_ca_flag",
            Self::UnconnectedCa { .. } => "unconnected_ca",
            Self::MissingAuthorityKeyId => "missing_authority_key_id",
            Self::MissingSubjectKeyId => "missing_subject_key_id",
            Self::WeakKey { .. } => "weak_key",
            Self::WeakSignature { .. } => "weak_signature",
            Self::Expired { .. } => "expired",
            Self::NotYetValid { .. } => "not_yet_valid",
            Self::ExpiresSoon { .. } => "expires_soon",
            Self::KeyMismatch { .. } => "key_mismatch",
            Self::SharedKey { .. } => "shared_key",
            Self::OpenKey { .. } => "open_key",
            Self::ArchivedKey => "key_in_archive",
            Self::EscapingName => "escaping_name",
            Self::Link => "link_not_read",
            Self::Keystore => "keystore_not_read",
            Self::Archive => "archive_not_read",
            Self::TooLarge { .. } => "too_large",
            Self::Unreadable { .. } => "unreadable",
        }
    }

    /// How grave it is.
    pub(crate) const fn severity(&self) -> Severity {
        match self {
            Self::SelfSignedEndEntity
            | Self::NotSignedByIssuer { .. }
            | Self::CaWithoutFlag { .. }
            | Self::WeakKey { .. }
            | Self::WeakSignature { own: false, .. }
            | Self::Expired { .. }
            | Self::NotYetValid { .. }
            | Self::KeyMismatch { .. }
            | Self::SharedKey { .. }
            | Self::OpenKey { encrypted: false, .. }
            | Self::ArchivedKey
            | Self::EscapingName => Severity::Error,
            Self::IssuerNotFound { .. }
            | Self::SignatureNotChecked { .. }
            | Self::UnconnectedCa { .. }
            | Self::MissingAuthorityKeyId
            | Self::MissingSubjectKeyId
            | Self::WeakSignature { own: true, .. }
            | Self::ExpiresSoon { .. }
            | Self::OpenKey { encrypted: true, .. }
            | Self::Unreadable { .. } => Severity::Warning,
            Self::Link | Self::Keystore | Self::Archive | Self::TooLarge { .. } => Severity::Info,
        }
    }

    /// Whether it says that something was not looked at.
    pub(crate) const fn is_unread(&self) -> bool {
        matches!(
            self,
            Self::Link
                | Self::Keystore
                | Self::Archive
                | Self::TooLarge { .. }
                | Self::Unreadable { .. }
        )
    }

    /// What to do about it.
    pub(crate) const fn remedy(&self) -> &'static str {
        match self {
            Self::SelfSignedEndEntity | Self::NotSignedByIssuer { .. } => {
                "replace it by one that a CA signed: rustmq-admin migrate plan"
            }
            Self::IssuerNotFound { .. } => "put the issuer's certificate beside it and scan again",
            Self::SignatureNotChecked { .. } => {
                "have its chain verified by a program that knows the algorithm"
            }
            Self::CaWithoutFlag { .. } => {
                "issue a CA certificate with CA:TRUE, or have a CA sign what it signed"
            }
            Self::UnconnectedCa { .. } => {
                "if it was to be an intermediate, make a new one that its root signs; if nothing \
                 uses it, take it out of the trust stores"
            }
            Self::MissingAuthorityKeyId | Self::MissingSubjectKeyId => {
                "issue it anew with the extension; some programs refuse it as it is"
            }
            Self::WeakKey { .. } => "issue it anew with a P-256 key, or RSA of 2048 bits or more",
            Self::WeakSignature { .. } => "issue it anew with SHA-256 or better",
            Self::Expired { .. } | Self::ExpiresSoon { .. } => "renew it",
            Self::NotYetValid { .. } => "wait until then, or set the clock right",
            Self::KeyMismatch { .. } => "find the key that it was issued for, or issue it anew",
            Self::SharedKey { .. } => "issue each of them with a key of its own",
            Self::OpenKey { .. } => "chmod 600, and take a new key if others had access",
            Self::ArchivedKey => "encrypt the archive or leave the key out, and take a new key",
            Self::EscapingName => "do not unpack the archive; ask where it comes from",
            Self::Link => "scan what it points to",
            Self::Keystore => "export its certificates as PEM and scan those",
            Self::Archive => "scan a tar or tar.gz by itself; unpack another, and scan that",
            Self::TooLarge { .. } => "if it holds certificates, split it",
            Self::Unreadable { .. } => "see whether it is whole, and who may read it",
        }
    }
}

/// The certificate that a finding is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Subject {
    /// Its subject as RFC 4514.
    pub(crate) subject: String,
    /// Lower-case hexadecimal.
    pub(crate) serial: String,
    /// SHA-256 of its DER, lower-case hexadecimal.
    pub(crate) fingerprint: String,
}

/// One finding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    /// What is wrong.
    pub(crate) fault: Fault,
    /// The file, as it is called in what was scanned.
    pub(crate) file: String,
    /// Further files with the same certificate.
    pub(crate) also_in: Vec<String>,
    /// The certificate, if it is about one.
    pub(crate) certificate: Option<Subject>,
}

impl Finding {
    /// The CSV columns: keys of [`Self::json`].
    pub(crate) const COLUMNS: &[&str] = &[
        "severity",
        "code",
        "file",
        "subject",
        "serial",
        "fingerprint",
        "message",
        "remedy",
        "also_in",
    ];

    /// About a file.
    pub(crate) fn of_file(file: impl Into<String>, fault: Fault) -> Self {
        Self { fault, file: file.into(), also_in: Vec::new(), certificate: None }
    }

    /// The object for machines.
    pub(crate) fn json(&self) -> Value {
        let certificate = self.certificate.as_ref();
        json!({
            "severity": self.fault.severity().as_str(),
            "code": self.fault.code(),
            "file": self.file,
            "also_in": self.also_in,
            "subject": certificate.map(|c| &c.subject),
            "serial": certificate.map(|c| &c.serial),
            "fingerprint": certificate.map(|c| &c.fingerprint),
            "message": self.fault.to_string(),
            "remedy": self.fault.remedy(),
        })
    }
}
