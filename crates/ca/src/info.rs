//! What the authority tells of its CAs and certificates: read back from the DER, ready for JSON.

use std::fmt;

use rustmq_pki::crl::RevocationReason;
use rustmq_pki::role::Role;
use rustmq_pki::time::UnixTime;
use serde::{Serialize, Serializer};

fn rfc3339<S: Serializer>(time: &UnixTime, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

fn optional_rfc3339<S: Serializer>(
    time: &Option<UnixTime>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match time {
        Some(time) => serializer.collect_str(time),
        None => serializer.serialize_none(),
    }
}

fn reason_name<S: Serializer>(reason: &RevocationReason, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(reason.name())
}

/// What a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CertificateRole {
    /// A self-signed CA.
    RootCa,
    /// A CA under another CA.
    IntermediateCa,
    /// A message broker.
    Broker,
    /// A controller of the cluster.
    Controller,
    /// An application.
    Client,
    /// An operator.
    Admin,
    /// A signer of OCSP responses.
    OcspSigner,
}

impl CertificateRole {
    /// The role's name: lower case, as it is typed and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RootCa => "root-ca",
            Self::IntermediateCa => "intermediate-ca",
            Self::Broker => "broker",
            Self::Controller => "controller",
            Self::Client => "client",
            Self::Admin => "admin",
            Self::OcspSigner => "ocsp-signer",
        }
    }

    /// The role that an end entity's certificate states; none of a CA and of a signer of OCSP
    /// responses.
    pub const fn of_end_entity(self) -> Option<Role> {
        match self {
            Self::Broker => Some(Role::Broker),
            Self::Controller => Some(Role::Controller),
            Self::Client => Some(Role::Client),
            Self::Admin => Some(Role::Admin),
            Self::RootCa | Self::IntermediateCa | Self::OcspSigner => None,
        }
    }
}

impl fmt::Display for CertificateRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// Whether a certificate is good at the time of asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CertificateStatus {
    /// Within its validity and not revoked.
    Active,
    /// Past notAfter, and never revoked.
    Expired,
    /// Suspended; a release makes it active again.
    OnHold,
    /// Revoked for good, for another reason than supersession.
    Revoked,
    /// Revoked because a rotation replaced it.
    Superseded,
}

impl CertificateStatus {
    /// The status's name: lower case, as it is typed and shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Expired => "expired",
            Self::OnHold => "on-hold",
            Self::Revoked => "revoked",
            Self::Superseded => "superseded",
        }
    }
}

impl fmt::Display for CertificateStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The text names no status or role.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is none of {known}")]
pub struct UnknownName {
    /// As the user wrote it.
    pub text: String,
    /// The names that there are.
    pub known: &'static str,
}

impl std::str::FromStr for CertificateStatus {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        [Self::Active, Self::Expired, Self::OnHold, Self::Revoked, Self::Superseded]
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| UnknownName {
                text: text.to_owned(),
                known: "active, expired, on-hold, revoked, superseded",
            })
    }
}

impl std::str::FromStr for CertificateRole {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        [
            Self::RootCa,
            Self::IntermediateCa,
            Self::Broker,
            Self::Controller,
            Self::Client,
            Self::Admin,
            Self::OcspSigner,
        ]
        .into_iter()
        .find(|role| role.as_str() == text)
        .ok_or_else(|| UnknownName {
            text: text.to_owned(),
            known: "root-ca, intermediate-ca, broker, controller, client, admin, ocsp-signer",
        })
    }
}

/// One certificate. What it says of itself is read back from its DER.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CertificateInfo {
    /// Short, stable, unique in the data directory: `cert-17`.
    pub id: String,
    /// Lower-case hexadecimal without separators.
    pub serial: String,
    /// SHA-256 of the DER, lower-case hexadecimal.
    pub fingerprint: String,
    /// Whom it names: the subject's common name.
    pub principal: String,
    /// What it is for.
    pub role: CertificateRole,
    /// Whether it is good now.
    pub status: CertificateStatus,
    /// RFC 4514.
    pub subject: String,
    /// RFC 4514.
    pub issuer: String,
    /// First second of validity.
    #[serde(serialize_with = "rfc3339")]
    pub not_before: UnixTime,
    /// Last second of validity.
    #[serde(serialize_with = "rfc3339")]
    pub not_after: UnixTime,
    /// `p256`, `rsa-2048`, `ml-dsa-44`, ...
    pub key_type: String,
    /// `DNS:x`, `IP:y`, ... in the certificate's order.
    pub sans: Vec<String>,
    /// Uses of the key (RFC 5280 4.2.1.12), by name: `serverAuth`, `clientAuth`, ...
    pub extended_key_usage: Vec<String>,
    /// The CA that issued it; a root's own id.
    pub ca_id: String,
    /// The profile that admitted it.
    pub profile: String,
    /// When it was complete.
    #[serde(serialize_with = "rfc3339")]
    pub issued_at: UnixTime,
    /// The certificate that it renews, by id.
    pub renews: Option<String>,
    /// When a rotation will supersede it, unless it has.
    #[serde(serialize_with = "optional_rfc3339")]
    pub supersede_at: Option<UnixTime>,
    /// When it was revoked or put on hold.
    #[serde(serialize_with = "optional_rfc3339")]
    pub revoked_at: Option<UnixTime>,
    /// Why, by the name of RFC 5280 5.3.1; none where no reason is stated.
    pub revocation_reason: Option<String>,
    /// Since when its key is in doubt, where that was said.
    #[serde(serialize_with = "optional_rfc3339")]
    pub invalidity_date: Option<UnixTime>,
}

/// A serial number whose process ended between the reservation and the certificate.
///
/// A certificate with it may have been signed, so it is on its CA's next CRL.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AbandonedSerial {
    /// Lower-case hexadecimal.
    pub serial: String,
    /// The CA that would have issued it; a root that was never complete has no id.
    pub ca_id: Option<String>,
    /// Whom it was meant for.
    pub principal: String,
    /// What it was meant for.
    pub role: CertificateRole,
    /// When it would have ended.
    #[serde(serialize_with = "rfc3339")]
    pub not_after: UnixTime,
    /// When it was reserved.
    #[serde(serialize_with = "rfc3339")]
    pub reserved_at: UnixTime,
    /// When it was found abandoned.
    #[serde(serialize_with = "rfc3339")]
    pub abandoned_at: UnixTime,
}

/// Whether a CA issues.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum CaStatus {
    /// It issues.
    Active,
    /// It signs CRLs and nothing else.
    Retired,
    /// Its certificate is on hold.
    OnHold,
    /// Its certificate is revoked.
    Revoked,
    /// Its certificate has run out.
    Expired,
}

impl CaStatus {
    /// The status's name: lower case, as it is shown.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Retired => "retired",
            Self::OnHold => "on-hold",
            Self::Revoked => "revoked",
            Self::Expired => "expired",
        }
    }
}

impl fmt::Display for CaStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// One CA and its present certificate.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CaInfo {
    /// `root_ca_1`, `prod_ca_2`, or what was asked for.
    pub id: String,
    /// The subject's common name.
    pub common_name: String,
    /// The CA that issued its certificate; none for a root.
    pub parent_id: Option<String>,
    /// Whether it issues.
    pub status: CaStatus,
    /// Its present certificate.
    pub certificate: CertificateInfo,
    /// How many CAs may follow below it; none for no limit.
    pub path_len: Option<u8>,
    /// Where its certificates say that status is found; none when they say nothing.
    pub base_url: Option<String>,
    /// The SPIFFE trust domain of its certificates.
    pub trust_domain: Option<String>,
    /// Number of its newest CRL.
    pub crl_number: Option<u64>,
    /// When its newest CRL was signed.
    #[serde(serialize_with = "optional_rfc3339")]
    pub crl_this_update: Option<UnixTime>,
    /// Until when its newest CRL stands.
    #[serde(serialize_with = "optional_rfc3339")]
    pub crl_next_update: Option<UnixTime>,
    /// Certificates that it issued to end entities and CAs, by role.
    pub counts: Vec<RoleCount>,
}

/// How many certificates of a role a CA issued.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RoleCount {
    /// The role.
    pub role: CertificateRole,
    /// Good at the time of asking.
    pub active: u64,
    /// Of these, how many end within 14 days.
    pub expiring: u64,
    /// Revoked or on hold, ever.
    pub revoked: u64,
}

/// A CA and those below it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CaTree {
    /// The CA.
    #[serde(flatten)]
    pub ca: CaInfo,
    /// The CAs that it issued, by age.
    pub children: Vec<CaTree>,
}

/// A CA whose certificate is revoked or on hold, so that what it signed counts less or nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RevokedCa {
    /// Its id.
    pub ca_id: String,
    /// Why.
    #[serde(serialize_with = "reason_name")]
    pub reason: RevocationReason,
    /// When it was revoked or put on hold.
    #[serde(serialize_with = "rfc3339")]
    pub revoked_at: UnixTime,
    /// Since when its key is in doubt, if that was said.
    #[serde(serialize_with = "optional_rfc3339")]
    pub invalidity_date: Option<UnixTime>,
}

impl RevokedCa {
    /// Whether its key is in other hands: then anybody may have signed what it signed.
    pub fn is_compromised(&self) -> bool {
        matches!(self.reason, RevocationReason::KeyCompromise | RevocationReason::CaCompromise)
    }

    /// From when on nothing that it signed is to be believed.
    pub fn untrusted_since(&self) -> UnixTime {
        self.invalidity_date.map_or(self.revoked_at, |date| date.min(self.revoked_at))
    }
}

impl fmt::Display for RevokedCa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { ca_id, reason, revoked_at, .. } = self;
        match reason {
            RevocationReason::CertificateHold => write!(f, "{ca_id} is on hold since {revoked_at}"),
            _ => write!(f, "{ca_id} was revoked at {revoked_at} ({})", reason.name()),
        }?;
        match self.invalidity_date {
            Some(date) => write!(f, ", its key in doubt since {date}"),
            None => Ok(()),
        }
    }
}

/// One audit record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditRecord {
    /// 1 for the first; no number is left out.
    pub number: u64,
    /// Which row of a record that covers a slice of a batch, from 1 in each slice; such a record is shown
    /// as one a row, all with its number and hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub row: Option<u64>,
    /// When.
    #[serde(serialize_with = "rfc3339")]
    pub at: UnixTime,
    /// Who.
    pub actor: String,
    /// What: `certificate.reserve`, `certificate.issue`, `crl.sign`, ...
    pub action: String,
    /// `done`, `refused`, `abandoned`, ...
    pub outcome: String,
    /// The CA's id, where there is one.
    pub ca_id: Option<String>,
    /// The serial number, where there is one.
    pub serial: Option<String>,
    /// The principal, where there is one.
    pub principal: Option<String>,
    /// What else there is to say: of a refusal, the error's code and sentence.
    pub detail: String,
    /// SHA-256 over the previous record's hash and this record's fields, hexadecimal.
    pub hash: String,
}

/// What `verify` found in the audit chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct AuditVerdict {
    /// How many records stand in the chain.
    pub records: u64,
    /// The hash of the last, hexadecimal; none for an empty chain.
    pub head: Option<String>,
    /// The first fault; none when each record follows from the one before it.
    pub fault: Option<AuditFault>,
}

/// What is wrong with the chain, and with which record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum AuditFault {
    /// The record does not have the hash that it was written with.
    #[error("record {number} was edited")]
    Edited {
        /// The record's number.
        number: u64,
    },
    /// Numbers are missing.
    #[error("record {number} was dropped")]
    Dropped {
        /// The first number that is missing.
        number: u64,
    },
    /// The record stands under another number than it was written with.
    #[error("record {number} was moved: it was written as record {written_as}")]
    Reordered {
        /// Where it stands.
        number: u64,
        /// Where it was written.
        written_as: u64,
    },
    /// The chain is whole and ends before the record that a checkpoint names.
    #[error(
        "the end of the audit record was lost: the checkpoint covers {anchored} records, and the \
         store has {records}"
    )]
    TailLost {
        /// How many records there were when the checkpoint was made.
        anchored: u64,
        /// How many there are.
        records: u64,
    },
    /// The chain is whole and has another record where a checkpoint names one.
    #[error(
        "record {number} is not the one that the checkpoint names: the records before it were \
         rewritten, or the store was restored from before it and went on differently"
    )]
    Diverged {
        /// The number of the record that the checkpoint names.
        number: u64,
    },
    /// The certificates of a slice are not those that the record commits to.
    #[error("record {number} commits to other certificates than are stored")]
    Rows {
        /// The record's number.
        number: u64,
    },
}
