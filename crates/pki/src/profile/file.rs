//! Profiles as their users write them: TOML, in which an unknown key is an error.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Profile, ProfileKind};
use crate::constraints::{IpNetwork, NameConstraints, Subtree};
use crate::fields::Purpose;
use crate::key::KeyType;
use crate::name::SanKind;
use crate::oid;
use crate::read::KeyUsage;
use crate::role::Role;

/// Why a file is no profile.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProfileError {
    /// Not TOML, an unknown key, or a value of the wrong type; the text says where.
    #[error("{0}")]
    Toml(String),
    /// A value that is well-formed and makes no sense.
    #[error("{key}: {why}")]
    Value {
        /// The key.
        key: &'static str,
        /// What is wrong, and what would be right.
        why: String,
    },
}

/// The file's shape.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileFile {
    kind: FileKind,
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<Role>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    key_usage: Vec<String>,
    #[serde(default)]
    extended_key_usage: Vec<Purpose>,
    validity_days: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_validity_days: Option<u32>,
    #[serde(default = "all_keys")]
    keys: Vec<KeyType>,
    #[serde(default)]
    san: Vec<SanKind>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_len: Option<u8>,
    #[serde(default = "yes")]
    crl_distribution_points: bool,
    #[serde(default = "yes")]
    authority_info_access: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    policies: Vec<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    ocsp_no_check: bool,
    #[serde(default, skip_serializing_if = "Patterns::is_empty")]
    patterns: Patterns,
    #[serde(default, skip_serializing_if = "Constraints::is_empty")]
    name_constraints: Constraints,
}

#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum FileKind {
    RootCa,
    IntermediateCa,
    EndEntity,
    OcspResponder,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Patterns {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    principal: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dns: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ip: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    email: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    uri: Vec<String>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Constraints {
    #[serde(skip_serializing_if = "Subtrees::is_empty")]
    permitted: Subtrees,
    #[serde(skip_serializing_if = "Subtrees::is_empty")]
    excluded: Subtrees,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Subtrees {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dns: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ip: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    email: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    uri: Vec<String>,
}

const USAGES: [(&str, KeyUsage); 7] = [
    ("digitalSignature", KeyUsage::DIGITAL_SIGNATURE),
    ("nonRepudiation", KeyUsage::NON_REPUDIATION),
    ("keyEncipherment", KeyUsage::KEY_ENCIPHERMENT),
    ("dataEncipherment", KeyUsage::DATA_ENCIPHERMENT),
    ("keyAgreement", KeyUsage::KEY_AGREEMENT),
    ("keyCertSign", KeyUsage::KEY_CERT_SIGN),
    ("cRLSign", KeyUsage::CRL_SIGN),
];

/// A hundred years: further ahead no default makes sense.
const MAX_VALIDITY_DAYS: u32 = 36_525;

fn repeats<T: PartialEq>(list: &[T]) -> bool {
    list.iter().enumerate().any(|(index, item)| list[..index].contains(item))
}

fn all_keys() -> Vec<KeyType> {
    KeyType::ALL.to_vec()
}

const fn yes() -> bool {
    true
}

/// The parser's words with the place in front; its own form draws the line with a caret below.
fn on_one_line(error: &toml::de::Error, text: &str) -> String {
    let words = error.message().replace('\n', ", ");
    let Some(before) = error.span().and_then(|span| text.get(..span.start)) else { return words };
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    format!("line {line}, column {column}: {words}")
}

fn value(key: &'static str, why: impl Into<String>) -> ProfileError {
    ProfileError::Value { key, why: why.into() }
}

impl Profile {
    /// Reads a profile called `name` from TOML.
    pub fn from_toml(name: &str, text: &str) -> Result<Self, ProfileError> {
        let file: ProfileFile =
            toml::from_str(text).map_err(|error| ProfileError::Toml(on_one_line(&error, text)))?;
        check_name(name)?;
        let kind = file.profile_kind()?;
        let is_ca = matches!(file.kind, FileKind::RootCa | FileKind::IntermediateCa);
        file.check(is_ca)?;
        let key_usage = file.key_usage_bits(is_ca)?;
        let san_patterns = [
            (SanKind::Dns, file.patterns.dns),
            (SanKind::Ip, file.patterns.ip),
            (SanKind::Email, file.patterns.email),
            (SanKind::Uri, file.patterns.uri),
        ];
        Ok(Self {
            name: name.to_owned(),
            kind,
            key_usage,
            extended_key_usage: file.extended_key_usage,
            validity_days: file.validity_days,
            max_validity_days: file.max_validity_days,
            keys: file.keys,
            san: file.san,
            principal_patterns: file.patterns.principal,
            san_patterns: san_patterns.into_iter().filter(|(_, list)| !list.is_empty()).collect(),
            crl_distribution_points: file.crl_distribution_points,
            authority_info_access: file.authority_info_access,
            policies: file.policies,
            ocsp_no_check: file.ocsp_no_check,
        })
    }

    /// The profile as TOML, in one form whatever form it was read from.
    #[expect(clippy::missing_panics_doc, reason = "every field has a TOML form")]
    pub fn to_toml(&self) -> String {
        let no_constraints = NameConstraints::default();
        let (kind, role, path_len, constraints) = match &self.kind {
            ProfileKind::RootCa { path_len } => {
                (FileKind::RootCa, None, *path_len, &no_constraints)
            }
            ProfileKind::IntermediateCa { path_len, constraints } => {
                (FileKind::IntermediateCa, None, *path_len, constraints)
            }
            ProfileKind::EndEntity(role) => {
                (FileKind::EndEntity, Some(*role), None, &no_constraints)
            }
            ProfileKind::OcspResponder => (FileKind::OcspResponder, None, None, &no_constraints),
        };
        let patterns = |kind| self.san_patterns.get(&kind).cloned().unwrap_or_default();
        let has = |usage: KeyUsage| self.key_usage & usage.bits() != 0;
        let usages = USAGES.iter().filter(|(_, usage)| has(*usage));
        let file = ProfileFile {
            kind,
            role,
            key_usage: usages.map(|(name, _)| (*name).to_owned()).collect(),
            extended_key_usage: self.extended_key_usage.clone(),
            validity_days: self.validity_days,
            max_validity_days: self.max_validity_days,
            keys: self.keys.clone(),
            san: self.san.clone(),
            path_len,
            crl_distribution_points: self.crl_distribution_points,
            authority_info_access: self.authority_info_access,
            policies: self.policies.clone(),
            ocsp_no_check: self.ocsp_no_check,
            patterns: Patterns {
                principal: self.principal_patterns.clone(),
                dns: patterns(SanKind::Dns),
                ip: patterns(SanKind::Ip),
                email: patterns(SanKind::Email),
                uri: patterns(SanKind::Uri),
            },
            name_constraints: Constraints {
                permitted: Subtrees::of(&constraints.permitted),
                excluded: Subtrees::of(&constraints.excluded),
            },
        };
        toml::to_string(&file).expect("a profile has a TOML form")
    }
}

fn check_name(name: &str) -> Result<(), ProfileError> {
    let plain = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'-' | b'_');
    if name.is_empty() || name.len() > 64 || !name.bytes().all(plain) || name.starts_with('-') {
        return Err(value("name", "use 1 to 64 lower-case letters, digits, '-' and '_'"));
    }
    if Profile::BUILTIN.contains(&name) {
        return Err(value("name", format!("{name} is a built-in profile; choose another name")));
    }
    Ok(())
}

impl ProfileFile {
    fn profile_kind(&self) -> Result<ProfileKind, ProfileError> {
        let constraints = NameConstraints {
            permitted: self.name_constraints.permitted.subtrees()?,
            excluded: self.name_constraints.excluded.subtrees()?,
        };
        if self.kind != FileKind::IntermediateCa && !constraints.is_empty() {
            return Err(value("name_constraints", "only an intermediate-ca profile has them"));
        }
        let path_len = self.path_len;
        match (self.kind, self.role) {
            (FileKind::EndEntity, Some(role)) => Ok(ProfileKind::EndEntity(role)),
            (FileKind::EndEntity, None) => Err(value(
                "role",
                "an end-entity profile needs broker, controller, client or admin",
            )),
            (_, Some(_)) => Err(value("role", "only an end-entity profile has a role")),
            (FileKind::RootCa, None) => Ok(ProfileKind::RootCa { path_len }),
            (FileKind::IntermediateCa, None) => {
                Ok(ProfileKind::IntermediateCa { path_len: path_len.or(Some(0)), constraints })
            }
            (FileKind::OcspResponder, None) => Ok(ProfileKind::OcspResponder),
        }
    }

    fn check(&self, is_ca: bool) -> Result<(), ProfileError> {
        let purposes = &self.extended_key_usage;
        let responder = self.kind == FileKind::OcspResponder;
        if !(1..=MAX_VALIDITY_DAYS).contains(&self.validity_days) {
            return Err(value("validity_days", format!("give 1 to {MAX_VALIDITY_DAYS}")));
        }
        if self.max_validity_days.is_some_and(|most| most < self.validity_days) {
            return Err(value("max_validity_days", "it is less than validity_days"));
        }
        if self.keys.is_empty() {
            return Err(value("keys", "list at least one key type"));
        }
        if self.path_len.is_some() && !is_ca {
            return Err(value("path_len", "only CA profiles have a path length"));
        }
        if is_ca && !(purposes.is_empty() && self.san.is_empty()) {
            return Err(value("extended_key_usage", "a CA profile has no purposes and no names"));
        }
        if !is_ca && purposes.is_empty() {
            return Err(value("extended_key_usage", "list at least one purpose"));
        }
        if purposes.contains(&Purpose::OcspSigning) != responder
            || (responder && purposes.len() > 1)
        {
            let why = "OCSPSigning stands alone, and in profiles of kind ocsp-responder only";
            return Err(value("extended_key_usage", why));
        }
        if self.ocsp_no_check && !responder {
            return Err(value("ocsp_no_check", "only an ocsp-responder profile may set it"));
        }
        if purposes.contains(&Purpose::ServerAuth)
            && !self.san.contains(&SanKind::Dns)
            && !self.san.contains(&SanKind::Ip)
        {
            return Err(value("san", "a server needs names: list dns, ip or both"));
        }
        for (key, twice) in [
            ("extended_key_usage", repeats(purposes)),
            ("policies", repeats(&self.policies)),
            ("keys", repeats(&self.keys)),
            ("san", repeats(&self.san)),
        ] {
            if twice {
                return Err(value(key, "an entry stands there twice"));
            }
        }
        if let Some(bad) = self.policies.iter().find(|oid| oid::parse_dotted(oid).is_none()) {
            return Err(value(
                "policies",
                format!("{bad:?} is no OID such as 1.3.6.1.4.1.99999.1"),
            ));
        }
        self.check_patterns(is_ca)
    }

    fn check_patterns(&self, is_ca: bool) -> Result<(), ProfileError> {
        if is_ca && !self.patterns.is_empty() {
            return Err(value("patterns", "a CA profile has none: constrain names instead"));
        }
        let all = [&self.patterns.principal, &self.patterns.dns, &self.patterns.email];
        if all.into_iter().chain([&self.patterns.uri]).flatten().any(String::is_empty) {
            return Err(value("patterns", "an empty pattern matches nothing"));
        }
        let folded = |text: &&String| text.is_ascii() && !text.contains(|c: char| c.is_uppercase());
        if let Some(bad) = self.patterns.dns.iter().find(|text| !folded(text)) {
            let why = format!("{bad:?} never matches: names are lower-case ASCII (A-labels)");
            return Err(value("patterns.dns", why));
        }
        let is_ip = |text: &String| {
            IpNetwork::parse(text).is_some() || text.parse::<std::net::IpAddr>().is_ok()
        };
        if let Some(bad) = self.patterns.ip.iter().find(|pattern| !is_ip(pattern)) {
            let why = format!("{bad:?} is no address and no network such as 10.0.0.0/8");
            return Err(value("patterns.ip", why));
        }
        let lists: [(&str, SanKind, &Vec<String>); 4] = [
            ("dns", SanKind::Dns, &self.patterns.dns),
            ("ip", SanKind::Ip, &self.patterns.ip),
            ("email", SanKind::Email, &self.patterns.email),
            ("uri", SanKind::Uri, &self.patterns.uri),
        ];
        let idle =
            lists.iter().find(|(_, kind, list)| !list.is_empty() && !self.san.contains(kind));
        idle.map_or(Ok(()), |(name, ..)| {
            Err(value(
                "patterns",
                format!("{name} patterns have no effect: san does not list {name}"),
            ))
        })
    }

    fn key_usage_bits(&self, is_ca: bool) -> Result<u16, ProfileError> {
        let ca_bits = KeyUsage::KEY_CERT_SIGN.bits() | KeyUsage::CRL_SIGN.bits();
        if self.key_usage.is_empty() {
            return Ok(if is_ca { ca_bits } else { KeyUsage::DIGITAL_SIGNATURE.bits() });
        }
        let mut bits = 0;
        for name in &self.key_usage {
            let usage = USAGES.iter().find(|(known, _)| known == name).ok_or_else(|| {
                let known: Vec<_> = USAGES.iter().map(|(name, _)| *name).collect();
                value("key_usage", format!("{name:?} is not one of {}", known.join(", ")))
            })?;
            bits |= usage.1.bits();
        }
        if is_ca && bits & ca_bits != ca_bits {
            return Err(value("key_usage", "a CA needs keyCertSign and cRLSign"));
        }
        if !is_ca && bits & ca_bits != 0 {
            return Err(value("key_usage", "only a CA has keyCertSign or cRLSign"));
        }
        let enciphers = KeyUsage::KEY_ENCIPHERMENT.bits() | KeyUsage::DATA_ENCIPHERMENT.bits();
        let is_rsa =
            |key: &KeyType| matches!(key, KeyType::Rsa2048 | KeyType::Rsa3072 | KeyType::Rsa4096);
        if bits & enciphers != 0 && !self.keys.iter().all(is_rsa) {
            return Err(value("key_usage", "only RSA keys encipher: list only rsa types in keys"));
        }
        let is_curve = |key: &KeyType| matches!(key, KeyType::P256 | KeyType::P384 | KeyType::P521);
        if bits & KeyUsage::KEY_AGREEMENT.bits() != 0 && !self.keys.iter().all(is_curve) {
            return Err(value("key_usage", "only p256, p384 and p521 keys agree on keys"));
        }
        if !is_ca && bits & KeyUsage::DIGITAL_SIGNATURE.bits() == 0 {
            return Err(value("key_usage", "TLS and OCSP need digitalSignature"));
        }
        Ok(bits)
    }
}

impl Patterns {
    fn is_empty(&self) -> bool {
        [&self.principal, &self.dns, &self.ip, &self.email, &self.uri].iter().all(|l| l.is_empty())
    }
}

impl Constraints {
    fn is_empty(&self) -> bool {
        self.permitted.is_empty() && self.excluded.is_empty()
    }
}

impl Subtrees {
    fn is_empty(&self) -> bool {
        [&self.dns, &self.ip, &self.email, &self.uri].iter().all(|list| list.is_empty())
    }

    fn of(subtrees: &[Subtree]) -> Self {
        let mut lists: BTreeMap<SanKind, Vec<String>> = BTreeMap::new();
        for subtree in subtrees {
            lists.entry(subtree.kind()).or_default().push(subtree.base());
        }
        let mut take = |kind| lists.remove(&kind).unwrap_or_default();
        Self {
            dns: take(SanKind::Dns),
            ip: take(SanKind::Ip),
            email: take(SanKind::Email),
            uri: take(SanKind::Uri),
        }
    }

    fn subtrees(&self) -> Result<Vec<Subtree>, ProfileError> {
        let lists = [
            (SanKind::Dns, &self.dns),
            (SanKind::Ip, &self.ip),
            (SanKind::Email, &self.email),
            (SanKind::Uri, &self.uri),
        ];
        let bases = lists.iter().flat_map(|(kind, list)| list.iter().map(|text| (*kind, text)));
        bases
            .map(|(kind, text)| {
                Subtree::parse(kind, text)
                    .map_err(|error| value("name_constraints", error.to_string()))
            })
            .collect()
    }
}
