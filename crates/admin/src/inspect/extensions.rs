//! Extensions in words.

use rustmq_pki::der::{DerError, Element, List, Reader, tag};
use rustmq_pki::hex;
use rustmq_pki::oid::{self, Oid};
use rustmq_pki::read::{
    AccessDescription, AuthorityKeyIdentifier, BasicConstraints, DirectoryAttribute,
    DistributionPoint, DistributionPointName, Extension, Extensions, GeneralName, GeneralNames,
    GeneralSubtree, IssuingDistributionPoint, KeyUsage, NameConstraints, PolicyConstraints,
    PolicyInformation, PolicyMapping, ReasonFlags, role_names,
};
use serde_json::{Value, json};

use super::words::name;
use crate::output::Tone;

/// The most lines that one extension is told in; a bundle of names may have thousands.
const MOST_LINES: usize = 100;

/// The most octets of an unknown extension that are shown.
const MOST_OCTETS: usize = 256;

/// An extension in words.
#[derive(Debug)]
pub(super) struct ExtensionWords {
    oid: String,
    name: String,
    critical: bool,
    says: Vec<String>,
    /// The octets, where no words are known or they could not be read.
    hex: Option<String>,
    malformed: Option<DerError>,
}

impl ExtensionWords {
    /// The extension for machines.
    pub(super) fn json(&self) -> Value {
        json!({
            "oid": self.oid,
            "name": self.name,
            "critical": self.critical,
            "value": self.says,
            "hex": self.hex,
            "error": self.malformed.map(|error| error.to_string()),
        })
    }

    /// The extension for people.
    pub(super) fn lines(&self) -> Vec<Vec<(String, Tone)>> {
        let mut head = vec![(format!("  {}", self.name), Tone::Strong)];
        if self.critical {
            head.push((", critical".to_owned(), Tone::Warning));
        }
        let mut lines = vec![head];
        let says = self.says.iter().map(|text| vec![(format!("    {text}"), Tone::Plain)]);
        lines.extend(says);
        if let Some(error) = self.malformed {
            lines.push(vec![(format!("    malformed: {error}"), Tone::Bad)]);
        }
        lines.extend(self.hex.iter().map(|hex| vec![(format!("    {hex}"), Tone::Faint)]));
        lines
    }
}

/// Every extension in words, in its order.
pub(super) fn all(extensions: &Extensions<'_>) -> Vec<ExtensionWords> {
    extensions.iter().map(|extension| one(&extension)).collect()
}

fn one(extension: &Extension<'_>) -> ExtensionWords {
    let (says, malformed) = match words(extension) {
        Some(Ok(says)) => (says, None),
        Some(Err(error)) => (Vec::new(), Some(error)),
        None => (Vec::new(), None),
    };
    let shown = &extension.value[..extension.value.len().min(MOST_OCTETS)];
    let dots = if shown.len() < extension.value.len() { "..." } else { "" };
    let hex = says.is_empty().then(|| format!("{}{dots}", hex::encode(shown)));
    ExtensionWords {
        oid: extension.oid.to_string(),
        name: name(extension.oid),
        critical: extension.critical,
        says: cut(says),
        hex,
        malformed,
    }
}

fn cut(mut lines: Vec<String>) -> Vec<String> {
    let more = lines.len().saturating_sub(MOST_LINES);
    lines.truncate(MOST_LINES);
    if more > 0 {
        lines.push(format!("and {more} more"));
    }
    lines
}

type Words = Result<Vec<String>, DerError>;

/// What an extension says; `None` for one that is not known here.
fn words(extension: &Extension<'_>) -> Option<Words> {
    let value = extension.value;
    Some(match extension.oid.as_bytes() {
        oid::SUBJECT_KEY_IDENTIFIER => {
            read(value, |r| r.octet_string()).map(|id| vec![hex::encode(id)])
        }
        oid::AUTHORITY_KEY_IDENTIFIER => read(value, AuthorityKeyIdentifier::read).map(authority),
        oid::BASIC_CONSTRAINTS => read(value, BasicConstraints::read).map(basic),
        oid::KEY_USAGE => read(value, KeyUsage::read).map(usage),
        oid::EXTENDED_KEY_USAGE => list::<Oid<'_>>(value, |purpose| name(purpose)),
        oid::SUBJECT_ALT_NAME | oid::ISSUER_ALT_NAME => {
            list::<GeneralName<'_>>(value, |name| name.to_string())
        }
        oid::NAME_CONSTRAINTS => read(value, NameConstraints::read).map(constraints),
        oid::CERTIFICATE_POLICIES => list::<PolicyInformation<'_>>(value, policy),
        oid::POLICY_MAPPINGS => list::<PolicyMapping<'_>>(value, |mapping| {
            format!("{} counts as {}", name(mapping.subject), name(mapping.issuer))
        }),
        oid::POLICY_CONSTRAINTS => read(value, PolicyConstraints::read).map(policy_constraints),
        oid::INHIBIT_ANY_POLICY => number(value, "anyPolicy counts for", "more certificates"),
        oid::CRL_DISTRIBUTION_POINTS | oid::FRESHEST_CRL => {
            list::<DistributionPoint<'_>>(value, |point| point_words(&point))
        }
        _ => return rarer(extension),
    })
}

fn rarer(extension: &Extension<'_>) -> Option<Words> {
    let value = extension.value;
    Some(match extension.oid.as_bytes() {
        oid::AUTHORITY_INFO_ACCESS | oid::SUBJECT_INFO_ACCESS => {
            list::<AccessDescription<'_>>(value, |access| {
                format!("{} at {}", name(access.method), access.location)
            })
        }
        oid::SUBJECT_DIRECTORY_ATTRIBUTES => read(value, directory_attributes),
        oid::OCSP_NO_CHECK => {
            read(value, |r| r.null()).map(|()| vec!["needs no status of its own".to_owned()])
        }
        oid::CRL_NUMBER => number(value, "number", ""),
        oid::DELTA_CRL_INDICATOR => number(value, "changes since the list with number", ""),
        oid::ISSUING_DISTRIBUTION_POINT => {
            read(value, IssuingDistributionPoint::read).map(|point| scope(&point))
        }
        oid::OCSP_NONCE => read(value, |r| r.octet_string()).map(|nonce| vec![hex::encode(nonce)]),
        oid::TLS_FEATURE => read(value, tls_features),
        oid::CT_POISON => read(value, |r| r.null())
            .map(|()| vec!["a precertificate: no TLS peer may accept it".to_owned()]),
        _ => return None,
    })
}

fn read<'a, T>(
    value: &'a [u8],
    read: impl FnOnce(&mut Reader<'a>) -> Result<T, DerError>,
) -> Result<T, DerError> {
    let mut reader = Reader::new(value);
    let read = read(&mut reader)?;
    reader.finish()?;
    Ok(read)
}

fn list<'a, T: Element<'a>>(value: &'a [u8], words: impl FnMut(T) -> String) -> Words {
    let elements: List<'a, T> = read(value, |r| List::from_contents(r.contents(tag::SEQUENCE)?))?;
    Ok(elements.iter().map(words).collect())
}

fn number(value: &[u8], before: &str, after: &str) -> Words {
    let number = read(value, |r| r.integer())?;
    let number = match number.to_u64() {
        Some(small) => small.to_string(),
        None => format!("0x{}", hex::encode(number.as_bytes())),
    };
    Ok(vec![format!("{before} {number} {after}").trim_end().to_owned()])
}

fn authority(id: AuthorityKeyIdentifier<'_>) -> Vec<String> {
    let mut says: Vec<String> = id.key_id.map(hex::encode).into_iter().collect();
    says.extend(id.cert_issuer.map(|names| format!("issuer {}", joined(names))));
    says.extend(id.cert_serial.map(|serial| format!("serial {}", hex::encode(serial.magnitude()))));
    says
}

fn joined(names: GeneralNames<'_>) -> String {
    names.iter().map(|name| name.to_string()).collect::<Vec<_>>().join(", ")
}

fn basic(constraints: BasicConstraints) -> Vec<String> {
    let mut says = vec![if constraints.ca { "a CA" } else { "no CA" }.to_owned()];
    says.extend(constraints.path_len.map(|limit| match limit {
        0 => "signs no further CAs".to_owned(),
        levels => format!("at most {levels} more levels of CAs may follow"),
    }));
    says
}

fn usage(usage: KeyUsage) -> Vec<String> {
    const NAMES: [(KeyUsage, &str); 9] = [
        (KeyUsage::DIGITAL_SIGNATURE, "digitalSignature"),
        (KeyUsage::NON_REPUDIATION, "nonRepudiation"),
        (KeyUsage::KEY_ENCIPHERMENT, "keyEncipherment"),
        (KeyUsage::DATA_ENCIPHERMENT, "dataEncipherment"),
        (KeyUsage::KEY_AGREEMENT, "keyAgreement"),
        (KeyUsage::KEY_CERT_SIGN, "keyCertSign"),
        (KeyUsage::CRL_SIGN, "cRLSign"),
        (KeyUsage::ENCIPHER_ONLY, "encipherOnly"),
        (KeyUsage::DECIPHER_ONLY, "decipherOnly"),
    ];
    let set = NAMES.iter().filter(|(bit, _)| usage.contains(*bit)).map(|(_, name)| *name);
    let set = set.collect::<Vec<_>>().join(", ");
    vec![if set.is_empty() { "no use at all".to_owned() } else { set }]
}

fn constraints(constraints: NameConstraints<'_>) -> Vec<String> {
    let words = |verb: &str, trees: Option<List<'_, GeneralSubtree<'_>>>| -> Vec<String> {
        trees.into_iter().flatten().map(|tree| format!("{verb} {}", tree.base)).collect()
    };
    let mut says = words("permits", constraints.permitted);
    says.extend(words("excludes", constraints.excluded));
    says
}

fn policy(policy: PolicyInformation<'_>) -> String {
    let qualified = if policy.qualifiers.is_some() { ", with qualifiers" } else { "" };
    format!("{}{qualified}", name(policy.policy))
}

fn policy_constraints(constraints: PolicyConstraints) -> Vec<String> {
    let require = constraints.require_explicit_policy;
    let inhibit = constraints.inhibit_policy_mapping;
    let mut says = Vec::new();
    says.extend(require.map(|n| format!("an explicit policy is required after {n} certificates")));
    says.extend(inhibit.map(|n| format!("no mappings after {n} certificates")));
    says
}

fn point_words(point: &DistributionPoint<'_>) -> String {
    let mut says = point.name.map_or_else(|| "no address".to_owned(), |name| point_name(&name));
    if let Some(reasons) = point.reasons {
        says.push_str(&format!(", for {}", reason_words(reasons)));
    }
    if let Some(issuer) = point.crl_issuer {
        says.push_str(&format!(", signed by {}", joined(issuer)));
    }
    says
}

fn point_name(name: &DistributionPointName<'_>) -> String {
    match name {
        DistributionPointName::Full(names) => joined(*names),
        DistributionPointName::Relative(attributes) => {
            attributes.iter().map(|attribute| attribute.to_string()).collect::<Vec<_>>().join("+")
        }
    }
}

fn reason_words(reasons: ReasonFlags) -> String {
    const NAMES: [&str; 9] = [
        "unused",
        "keyCompromise",
        "cACompromise",
        "affiliationChanged",
        "superseded",
        "cessationOfOperation",
        "certificateHold",
        "privilegeWithdrawn",
        "aACompromise",
    ];
    let set = NAMES.iter().enumerate().filter(|(bit, _)| reasons.bits() & (1 << bit) != 0);
    set.map(|(_, name)| *name).collect::<Vec<_>>().join(", ")
}

fn scope(point: &IssuingDistributionPoint<'_>) -> Vec<String> {
    let flags = [
        (point.only_user_certs, "end entities only"),
        (point.only_ca_certs, "CAs only"),
        (point.only_attribute_certs, "attribute certificates only"),
        (point.indirect, "indirect: certificates of other issuers, too"),
    ];
    let mut says: Vec<String> = point.name.iter().map(point_name).collect();
    says.extend(flags.iter().filter(|(set, _)| *set).map(|(_, words)| (*words).to_owned()));
    says.extend(point.only_some_reasons.map(|r| format!("only for {}", reason_words(r))));
    says
}

fn directory_attributes(reader: &mut Reader<'_>) -> Words {
    let attributes: List<'_, DirectoryAttribute<'_>> =
        List::from_contents(reader.contents(tag::SEQUENCE)?)?;
    let mut says: Vec<String> =
        role_names(attributes)?.iter().map(|role| format!("role {role}")).collect();
    let others = attributes.iter().filter(|attribute| attribute.oid != oid::ROLE);
    says.extend(others.map(|attribute| {
        let values: Vec<_> =
            attribute.values.iter().map(|value| hex::encode(value.whole)).collect();
        format!("{} {}", name(attribute.oid), values.join(" "))
    }));
    Ok(says)
}

/// TLS features (RFC 7633): 5 is the staple that the server must send.
fn tls_features(reader: &mut Reader<'_>) -> Words {
    let mut features = reader.sequence()?;
    let mut says = Vec::new();
    while !features.is_empty() {
        says.push(match features.integer()?.to_u64() {
            Some(5) => "status_request: the server must staple its status".to_owned(),
            Some(17) => "status_request_v2".to_owned(),
            other => format!("TLS extension {}", other.unwrap_or(u64::MAX)),
        });
    }
    Ok(says)
}
