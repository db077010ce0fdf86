//! Whether a new certificate will be accepted: asked of its files, with the validator that brokers use.

use std::fs;
use std::path::Path;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use rustmq_auth::revocation::{Crl, StatusPolicy};
use rustmq_auth::{
    AuthenticationManager, MtlsPolicy, Purpose, Question, ReferenceName, Rule, Terms, Trust,
};
use rustmq_ca::Bundle;
use rustmq_pki::hex;
use rustmq_pki::key::Signer;
use rustmq_pki::name::SubjectAltName;
use rustmq_pki::read::CertificateRef;
use rustmq_pki::role::Role;
use rustmq_pki::time::UnixTime;

use super::error::NotAccepted;
use super::plan::Entry;
use crate::files::key_file;

/// What a peer with the new root and the newest CRLs, and nothing of the old, decides by.
pub(crate) struct Judge {
    clients: AuthenticationManager,
    root: Vec<u8>,
    crls: Vec<Crl>,
    at: UnixTime,
}

impl Judge {
    /// A judge that trusts the root of this bundle. None if the root or a CRL cannot be used, which
    /// the authority does not make.
    pub(crate) fn new(bundle: &Bundle, at: UnixTime) -> Option<Self> {
        let root = bundle.chain.last()?.der().to_vec();
        let trust = Trust {
            anchors: vec![root.clone()],
            crls: bundle.crls.iter().map(|crl| crl.der().to_vec()).collect(),
            ..Trust::default()
        };
        let clients = AuthenticationManager::new(&trust, at).ok()?;
        let crls = bundle.crls.iter().map(|crl| Crl::from_der(crl.der()).ok());
        Some(Self { clients, root, crls: crls.collect::<Option<_>>()?, at })
    }

    /// Judges what lies in a new certificate's folder.
    pub(crate) fn judge(&self, folder: &Path, entry: &Entry) -> Result<(), NotAccepted> {
        let place = folder.join("tls.crt");
        let pem =
            fs::read(&place).map_err(|error| NotAccepted::File { path: place.clone(), error })?;
        let chain: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok).collect();
        let Some((leaf, above)) = chain.split_first() else {
            return Err(NotAccepted::Refused(Rule::EmptyChain.into()));
        };
        let context = self.clients.authenticate(&chain, self.at).map_err(NotAccepted::Refused)?;
        if *context.principal != *entry.principal.as_str() {
            return Err(NotAccepted::Principal { found: context.principal.to_string() });
        }
        if context.role != entry.role {
            return Err(NotAccepted::Role { found: context.role });
        }
        let above: Vec<&[u8]> = above.iter().map(AsRef::as_ref).collect();
        self.judge_names(leaf, &above, entry)?;
        judge_key(folder, leaf)
    }

    /// The names, and for what accepts connections the purpose of a server.
    fn judge_names(&self, leaf: &[u8], above: &[&[u8]], entry: &Entry) -> Result<(), NotAccepted> {
        let purpose = match entry.role {
            Role::Broker | Role::Controller => Purpose::Server,
            Role::Client | Role::Admin => Purpose::Client,
        };
        let names: Vec<ReferenceName> = entry.sans.iter().filter_map(reference).collect();
        let anchors: [&[u8]; 1] = [&self.root];
        let mtls = MtlsPolicy { allowed_roles: vec![entry.role], ..MtlsPolicy::default() };
        let question = Question {
            untrusted: above,
            crls: &self.crls,
            status: StatusPolicy::Required,
            terms: Terms { at: self.at, purpose, ..Terms::default() },
            names: &names,
            mtls: Some(&mtls),
            ..Question::new(leaf, &anchors)
        };
        question.ask().result.map(drop).map_err(NotAccepted::Refused)?;
        let present = CertificateRef::read(leaf).and_then(|view| view.extensions.known());
        let present: Vec<SubjectAltName> = present.map_or_else(
            |_| Vec::new(),
            |known| {
                let names = known.alt_names();
                names.iter().filter_map(|name| name.to_string().parse().ok()).collect()
            },
        );
        match entry.sans.iter().find(|san| !present.contains(san)) {
            Some(missing) => Err(NotAccepted::Name(missing.to_string())),
            None => Ok(()),
        }
    }
}

/// The serial number of the certificate in a folder, lower-case hexadecimal.
pub(super) fn serial_in(folder: &Path) -> Option<String> {
    let pem = fs::read(folder.join("tls.crt")).ok()?;
    let leaf = CertificateDer::pem_slice_iter(&pem).next()?.ok()?;
    let view = CertificateRef::read(&leaf).ok()?;
    Some(hex::encode(view.serial.magnitude()))
}

/// The same where the private key that lies beside the certificate is its own.
pub(super) fn serial_with_key(folder: &Path) -> Option<String> {
    let pem = fs::read(folder.join("tls.crt")).ok()?;
    let leaf = CertificateDer::pem_slice_iter(&pem).next()?.ok()?;
    judge_key(folder, &leaf).ok()?;
    serial_in(folder)
}

/// A name that a peer can ask for; a wildcard is none.
fn reference(san: &SubjectAltName) -> Option<ReferenceName> {
    match san {
        SubjectAltName::Dns(name) if name.is_wildcard() => None,
        SubjectAltName::Dns(name) => Some(ReferenceName::Dns(name.as_str().to_owned())),
        SubjectAltName::Ip(address) => Some(ReferenceName::Ip(address.to_string())),
        SubjectAltName::Email(address) => Some(ReferenceName::Email(address.as_str().to_owned())),
        SubjectAltName::Uri(_) => Some(ReferenceName::Uri(san.value())),
    }
}

fn judge_key(folder: &Path, leaf: &[u8]) -> Result<(), NotAccepted> {
    let key = key_file::read(&folder.join("tls.key")).map_err(|_| NotAccepted::Key)?;
    let fits = CertificateRef::read(leaf).is_ok_and(|v| v.spki.der == key.public_key().spki());
    if fits { Ok(()) } else { Err(NotAccepted::Key) }
}
