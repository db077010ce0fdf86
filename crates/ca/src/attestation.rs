//! A CA's signature under a statement, as it stands in files: with what is needed to check it later.

use base64ct::{Base64, Encoding};
use rustmq_pki::certificate::Certificate;
use rustmq_pki::key::PublicKey;
use rustmq_pki::statement::{Statement, StatementKind};
use serde::{Deserialize, Serialize};

use crate::names;

/// The most certificates of a chain: more levels than any hierarchy that can be made here has.
pub(crate) const MAX_CHAIN: usize = 64;

/// Who signed a statement, and the signature.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub struct Attestation {
    ca_id: String,
    /// The signer's certificate first, its root's last.
    chain: Vec<Certificate>,
    key: PublicKey,
    signature: Vec<u8>,
}

/// The same as it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    ca_id: String,
    signer: String,
    value: String,
    chain: Vec<String>,
}

impl Attestation {
    /// A statement of this kind, begun with who signs it: the id and the certificate of the CA.
    pub(crate) fn statement(kind: StatementKind, ca_id: &str, signer: &Certificate) -> Statement {
        Statement::new(kind).with("ca", ca_id).with("signer", signer.fingerprint())
    }

    /// Joins a signature and its signer. None for a chain without a certificate whose key can sign.
    pub(crate) fn new(
        ca_id: String,
        chain: Vec<Certificate>,
        signature: Vec<u8>,
    ) -> Result<Self, String> {
        let first = chain.first().ok_or("there is no certificate of the signer")?;
        let key = first.public_key().map_err(|error| error.to_string())?;
        Ok(Self { ca_id, chain, key, signature })
    }

    /// The id of the CA that signed.
    pub fn ca_id(&self) -> &str {
        &self.ca_id
    }

    /// The certificate of the CA that signed.
    pub fn signer(&self) -> &Certificate {
        &self.chain[0]
    }

    /// The signer's certificate and those above it, its root's last.
    pub(crate) fn chain(&self) -> &[Certificate] {
        &self.chain
    }

    /// The public key of the CA that signed.
    pub(crate) fn key(&self) -> &PublicKey {
        &self.key
    }

    /// A statement of this kind, begun with who is said to have signed it.
    pub(crate) fn begin(&self, kind: StatementKind) -> Statement {
        Self::statement(kind, &self.ca_id, self.signer())
    }

    /// Whether the signature is one over this statement by the signer's key.
    pub(crate) fn holds_for(&self, statement: &Statement) -> bool {
        statement.is_signed_by(&self.key, &self.signature)
    }
}

impl From<Attestation> for Written {
    fn from(attestation: Attestation) -> Self {
        Self {
            signer: attestation.signer().fingerprint().to_string(),
            value: Base64::encode_string(&attestation.signature),
            chain: attestation.chain.iter().map(Certificate::to_pem).collect(),
            ca_id: attestation.ca_id,
        }
    }
}

impl TryFrom<Written> for Attestation {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        if !names::is_ca_id(&written.ca_id) {
            return Err(format!("{:?} is no CA id", written.ca_id));
        }
        if written.chain.len() > MAX_CHAIN {
            return Err(format!("the signer's chain has more than {MAX_CHAIN} certificates"));
        }
        let read = |pem: &String| Certificate::from_pem(pem).map_err(|error| error.to_string());
        let chain = written.chain.iter().map(read).collect::<Result<Vec<_>, _>>()?;
        let signature = Base64::decode_vec(&written.value)
            .map_err(|_| "the signature is not base64".to_owned())?;
        let attestation = Self::new(written.ca_id, chain, signature)?;
        match attestation.signer().fingerprint().to_string() == written.signer {
            true => Ok(attestation),
            false => Err("the signer's certificate is not the one that is named".to_owned()),
        }
    }
}
