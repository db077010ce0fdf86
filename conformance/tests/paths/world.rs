//! A hierarchy as ideas instead of bytes: what the generator makes up, what the model judges, and
//! what is written as certificates for everybody else.

use std::net::IpAddr;

use rustmq_conformance::forge::{
    self, Aki, Certificate, Crl, Extension, GeneralName, Key, KeyKind, Name, key, usage,
};
use rustmq_pki::der::tag;
use rustmq_pki::oid;
use rustmq_pki::time::UnixTime;

use crate::case::{Case, Purpose, Question, policy_oid};

/// A distinguished name: organization, which may be missing, and common name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Dn(pub Vec<(&'static str, String)>);

impl Dn {
    pub(crate) fn new(organization: &str, common_name: &str) -> Self {
        Self(vec![("O", organization.to_owned()), ("CN", common_name.to_owned())])
    }

    pub(crate) fn organization(organization: &str) -> Self {
        Self(vec![("O", organization.to_owned())])
    }

    fn forge(&self, spelling: Spelling) -> Name {
        self.0.iter().fold(Name::empty(), |name, (kind, text)| {
            let kind = if *kind == "O" { oid::ORGANIZATION } else { oid::COMMON_NAME };
            match spelling {
                Spelling::Plain => name.with(kind, text),
                Spelling::Shouted => name.with(kind, &text.to_uppercase()),
            }
        })
    }
}

/// How a name is written: RFC 5280 7.1 compares without case.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Spelling {
    #[default]
    Plain,
    Shouted,
}

/// A key of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct KeyId(pub KeyKind, pub usize);

impl KeyId {
    pub(crate) fn key(self) -> &'static Key {
        key(self.0, self.1)
    }
}

/// Whether a key identifier is there and right.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Identifier {
    #[default]
    Right,
    Absent,
    Wrong,
}

/// An extended key usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Eku {
    Server,
    Client,
    CodeSigning,
    Any,
}

impl Eku {
    pub(crate) fn of(purpose: Purpose) -> Option<Self> {
        match purpose {
            Purpose::Any => None,
            Purpose::Server => Some(Self::Server),
            Purpose::Client => Some(Self::Client),
        }
    }

    fn oid(self) -> &'static [u8] {
        match self {
            Self::Server => oid::SERVER_AUTH,
            Self::Client => oid::CLIENT_AUTH,
            Self::CodeSigning => b"\x2b\x06\x01\x05\x05\x07\x03\x03",
            Self::Any => b"\x55\x1d\x25\x00",
        }
    }
}

/// A subjectAltName.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum San {
    Dns(String),
    Ip(IpAddr),
    Email {
        local: String,
        host: String,
    },
    /// `https://HOST/`.
    Uri(String),
    Directory(Dn),
}

/// The base of a name constraint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Constraint {
    /// The name and everything below it; empty is every name.
    Dns(String),
    Ip(IpAddr, u8),
    Mailbox {
        local: String,
        host: String,
    },
    /// Every mailbox of this host.
    EmailHost(String),
    /// Every mailbox of the hosts below this domain.
    EmailDomain(String),
    UriHost(String),
    /// The hosts below this domain.
    UriDomain(String),
    Directory(Dn),
}

/// nameConstraints.
#[derive(Clone, Debug, Default)]
pub(crate) struct Constraints {
    pub(crate) critical: bool,
    pub(crate) permitted: Vec<Constraint>,
    pub(crate) excluded: Vec<Constraint>,
}

/// The policy extensions. Policies are numbers; 0 is anyPolicy.
#[derive(Clone, Debug, Default)]
pub(crate) struct Policies {
    pub(crate) policies: Vec<u8>,
    pub(crate) mappings: Vec<(u8, u8)>,
    pub(crate) require_explicit: Option<u8>,
    pub(crate) inhibit_mapping: Option<u8>,
    pub(crate) inhibit_any: Option<u8>,
    /// Whether the last four are critical.
    pub(crate) critical: bool,
}

/// A certificate.
#[derive(Clone, Debug)]
pub(crate) struct Cert {
    pub(crate) subject: Dn,
    pub(crate) issuer: Dn,
    pub(crate) issuer_spelling: Spelling,
    pub(crate) key: KeyId,
    pub(crate) signed_by: KeyId,
    pub(crate) signature_broken: bool,
    pub(crate) serial: u16,
    pub(crate) not_before: i64,
    pub(crate) not_after: i64,
    /// cA of basicConstraints, if the extension is present.
    pub(crate) ca: Option<bool>,
    pub(crate) path_len: Option<u8>,
    pub(crate) key_usage: Option<u16>,
    pub(crate) ekus: Vec<Eku>,
    pub(crate) ski: Identifier,
    pub(crate) aki: Identifier,
    pub(crate) sans: Vec<San>,
    pub(crate) constraints: Constraints,
    pub(crate) policies: Policies,
    pub(crate) unknown_critical: bool,
}

/// What a list speaks of, by its issuingDistributionPoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Scope {
    #[default]
    Everything,
    /// onlyContainsUserCerts.
    Users,
    /// onlyContainsCACerts.
    Authorities,
}

impl Scope {
    pub(crate) fn covers(self, certificate: &Cert) -> bool {
        match self {
            Self::Everything => true,
            Self::Users => certificate.ca != Some(true),
            Self::Authorities => certificate.ca == Some(true),
        }
    }

    fn forge(self) -> Option<Extension> {
        let field = match self {
            Self::Everything => return None,
            Self::Users => tag::context(1),
            Self::Authorities => tag::context(2),
        };
        let value = forge::der(|out| {
            out.nested(tag::SEQUENCE, |point| _ = point.value(field, &[0xff]));
        });
        Some(Extension::new(oid::ISSUING_DISTRIBUTION_POINT, value).critical())
    }
}

/// A complete revocation list.
#[derive(Clone, Debug)]
pub(crate) struct List {
    pub(crate) issuer: Dn,
    pub(crate) signed_by: KeyId,
    pub(crate) signature_broken: bool,
    pub(crate) this_update: i64,
    pub(crate) next_update: i64,
    pub(crate) revoked: Vec<u16>,
    pub(crate) scope: Scope,
}

/// A hierarchy and a question about its leaf.
#[derive(Clone, Debug)]
pub(crate) struct World {
    pub(crate) seed: u64,
    /// The leaf first.
    pub(crate) certificates: Vec<Cert>,
    pub(crate) anchors: Vec<Cert>,
    pub(crate) lists: Vec<List>,
    pub(crate) question: Question,
}

impl World {
    /// The world in bytes.
    pub(crate) fn case(&self) -> Case {
        let all: Vec<_> = self.certificates.iter().map(Cert::forge).collect();
        Case {
            id: format!("seed-{}", self.seed),
            leaf: all[0].clone(),
            intermediates: all[1..].to_vec(),
            anchors: self.anchors.iter().map(Cert::forge).collect(),
            crls: self.lists.iter().map(List::forge).collect(),
            question: self.question.clone(),
        }
    }
}

fn identifier(kind: Identifier, key: KeyId) -> Option<Vec<u8>> {
    match kind {
        Identifier::Absent => None,
        Identifier::Right => Some(key.key().id()),
        Identifier::Wrong => Some(vec![0xee; 20]),
    }
}

impl Cert {
    pub(crate) fn is_self_issued(&self) -> bool {
        self.subject == self.issuer
    }

    fn forge(&self) -> Vec<u8> {
        let mut certificate = Certificate::new(
            self.issuer.forge(self.issuer_spelling),
            self.subject.forge(Spelling::Plain),
            self.key.key().spki(),
        );
        certificate.serial = serial(self.serial);
        certificate
            .valid(UnixTime::from_seconds(self.not_before), UnixTime::from_seconds(self.not_after));
        certificate.signature_broken = self.signature_broken;
        certificate.extensions = self.extensions();
        certificate.sign(self.signed_by.key())
    }

    fn extensions(&self) -> Vec<Extension> {
        let mut list = Vec::new();
        list.extend(self.ca.map(|ca| Extension::basic_constraints(ca, self.path_len)));
        list.extend(self.key_usage.map(Extension::key_usage));
        list.extend(identifier(self.ski, self.key).map(|id| Extension::subject_key_id(&id)));
        list.extend(
            identifier(self.aki, self.signed_by)
                .map(|id| Extension::authority_key_id(&Aki { key_id: Some(id), issuer: None })),
        );
        if !self.ekus.is_empty() {
            let purposes: Vec<_> = self.ekus.iter().map(|eku| eku.oid()).collect();
            list.push(Extension::extended_key_usage(&purposes));
        }
        if !self.sans.is_empty() {
            let names: Vec<_> = self.sans.iter().map(San::forge).collect();
            let critical = self.subject == Dn::default();
            list.push(Extension::subject_alt_name(&names).critical_if(critical));
        }
        list.extend(self.constraints.forge());
        list.extend(self.policies.forge());
        list.extend(self.unknown_critical.then(Extension::unknown));
        list
    }
}

fn serial(number: u16) -> Vec<u8> {
    let [high, low] = number.to_be_bytes();
    vec![0x01, high, low]
}

impl San {
    fn forge(&self) -> GeneralName {
        match self {
            Self::Dns(name) => GeneralName::Dns(name.clone()),
            Self::Ip(IpAddr::V4(address)) => GeneralName::Ip(address.octets().to_vec()),
            Self::Ip(IpAddr::V6(address)) => GeneralName::Ip(address.octets().to_vec()),
            Self::Email { local, host } => GeneralName::Email(format!("{local}@{host}")),
            Self::Uri(host) => GeneralName::Uri(format!("https://{host}/")),
            Self::Directory(name) => GeneralName::Directory(name.forge(Spelling::Plain)),
        }
    }
}

impl Constraint {
    fn forge(&self) -> GeneralName {
        match self {
            Self::Dns(name) => GeneralName::Dns(name.clone()),
            Self::Ip(address, prefix) => GeneralName::Ip(range(*address, *prefix)),
            Self::Mailbox { local, host } => GeneralName::Email(format!("{local}@{host}")),
            Self::EmailHost(host) => GeneralName::Email(host.clone()),
            Self::EmailDomain(domain) => GeneralName::Email(format!(".{domain}")),
            Self::UriHost(host) => GeneralName::Uri(host.clone()),
            Self::UriDomain(domain) => GeneralName::Uri(format!(".{domain}")),
            Self::Directory(name) => GeneralName::Directory(name.forge(Spelling::Plain)),
        }
    }
}

/// Address and mask (RFC 5280 4.2.1.10).
fn range(address: IpAddr, prefix: u8) -> Vec<u8> {
    let octets = match address {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => address.octets().to_vec(),
    };
    let mask = (0..octets.len() * 8).collect::<Vec<_>>();
    let mask = mask.chunks(8).map(|bits| {
        bits.iter().fold(0, |octet, bit| octet << 1 | u8::from(*bit < usize::from(prefix)))
    });
    octets.iter().copied().chain(mask).collect()
}

impl Constraints {
    pub(crate) fn is_empty(&self) -> bool {
        self.permitted.is_empty() && self.excluded.is_empty()
    }

    fn forge(&self) -> Option<Extension> {
        let subtrees = |list: &[Constraint]| -> Vec<forge::Subtree> {
            list.iter().map(|base| base.forge().into()).collect()
        };
        let (permitted, excluded) = (subtrees(&self.permitted), subtrees(&self.excluded));
        (!self.is_empty())
            .then(|| Extension::name_constraints(&permitted, &excluded).critical_if(self.critical))
    }
}

impl Policies {
    fn forge(&self) -> Vec<Extension> {
        let mut list = Vec::new();
        if !self.policies.is_empty() {
            let oids: Vec<_> = self.policies.iter().map(|policy| policy_oid(*policy)).collect();
            list.push(Extension::policies(&oids));
        }
        if !self.mappings.is_empty() {
            let pairs: Vec<_> =
                self.mappings.iter().map(|(a, b)| (policy_oid(*a), policy_oid(*b))).collect();
            list.push(Extension::policy_mappings(&pairs).critical_if(self.critical));
        }
        if self.require_explicit.is_some() || self.inhibit_mapping.is_some() {
            let both = Extension::policy_constraints(self.require_explicit, self.inhibit_mapping);
            list.push(both.critical_if(self.critical));
        }
        let inhibit = self.inhibit_any.map(Extension::inhibit_any_policy);
        list.extend(inhibit.map(|extension| extension.critical_if(self.critical)));
        list
    }

    /// Whether an extension is critical that those who know no policies do not know.
    pub(crate) fn critical_extension(&self) -> bool {
        let present = !self.mappings.is_empty()
            || self.require_explicit.is_some()
            || self.inhibit_mapping.is_some()
            || self.inhibit_any.is_some();
        self.critical && present
    }
}

impl List {
    fn forge(&self) -> Vec<u8> {
        let at = UnixTime::from_seconds;
        let issuer = self.issuer.forge(Spelling::Plain);
        let mut crl = Crl::new(issuer, at(self.this_update), at(self.next_update));
        for number in &self.revoked {
            crl = crl.revoking(&serial(*number));
        }
        let aki = Aki { key_id: Some(self.signed_by.key().id()), issuer: None };
        crl.extensions.insert(0, Extension::authority_key_id(&aki));
        crl.extensions.extend(self.scope.forge());
        crl.signature_broken = self.signature_broken;
        crl.sign(self.signed_by.key())
    }
}

/// The keyUsage of a certificate authority.
pub(crate) const CA_USAGE: u16 = usage::KEY_CERT_SIGN | usage::CRL_SIGN;
