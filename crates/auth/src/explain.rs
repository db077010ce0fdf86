//! What each rule would make of a certificate's names, and how brokers see the same certificate.

use rustmq_pki::oid;
use rustmq_pki::read::GeneralName;
use serde::Serialize;

use crate::certificate::Certificate;
use crate::error::Refusal;
use crate::mtls::role_of;
use crate::principal::{PrincipalRule, PrincipalSource};

/// What a certificate's names amount to.
#[derive(Clone, Debug, Serialize)]
pub struct PrincipalView {
    /// What each rule yields.
    pub rules: Vec<RuleView>,
    /// The role of our extension, if there is one.
    pub role: Option<String>,
    /// Why the role is refused, if it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role_refused: Option<String>,
    /// The identity that other brokers take.
    pub brokers: Vec<BrokerView>,
}

/// What one rule yields.
#[derive(Clone, Debug, Serialize)]
pub struct RuleView {
    /// The rule's name in configuration.
    pub rule: &'static str,
    /// Every value that it finds.
    pub values: Vec<String>,
    /// The principal, if there is exactly one that is acceptable.
    pub principal: Option<String>,
    /// The code of the refusal, if there is none.
    pub refused: Option<&'static str>,
}

/// What one broker takes for the identity.
#[derive(Clone, Debug, Serialize)]
pub struct BrokerView {
    /// The broker and the setting that this holds for.
    pub broker: &'static str,
    /// The identity; none if it lets nobody in by this certificate's names.
    pub identity: Option<String>,
}

/// Explains a certificate's names. It need not be valid, only readable.
pub fn explain_principal(der: &[u8]) -> Result<PrincipalView, Refusal> {
    let leaf = Certificate::read(der)?;
    let rules = PrincipalSource::ALL.into_iter().map(|source| rule_view(&leaf, source)).collect();
    let role = role_of(&leaf);
    Ok(PrincipalView {
        rules,
        role_refused: role.as_ref().err().map(ToString::to_string),
        role: role.ok().flatten().map(str::to_owned),
        brokers: brokers(&leaf),
    })
}

fn rule_view(leaf: &Certificate<'_>, source: PrincipalSource) -> RuleView {
    let rule = PrincipalRule { source, ..PrincipalRule::default() };
    let principal = rule.principal(leaf);
    RuleView {
        rule: source.name(),
        values: rule.values(leaf),
        refused: principal.as_ref().err().map(|refusal| refusal.rule.code()),
        principal: principal.ok().map(Into::into),
    }
}

/// As measured with NATS 2.9 and 2.15, Mosquitto 2.0 and 2.1, RabbitMQ 3.10, PostgreSQL 15 and the
/// TLS classes of Kafka 4.3.
fn brokers(leaf: &Certificate<'_>) -> Vec<BrokerView> {
    let first = |source| {
        let rule = PrincipalRule { source, ..PrincipalRule::default() };
        rule.values(leaf).into_iter().next()
    };
    let dn = || first(PrincipalSource::DistinguishedName);
    let cn = || {
        let mut names = leaf.view.subject.values_of(oid::COMMON_NAME);
        names.next().and_then(|name| name.text().map(|text| text.into_owned()))
    };
    let email = || first(PrincipalSource::Email);
    let nats = email().or_else(|| first(PrincipalSource::Dns)).or_else(|| uri(leaf)).or_else(dn);
    let view = |broker, identity| BrokerView { broker, identity };
    vec![
        view("NATS (verify_and_map: SAN email, DNS, URI, else the DN)", nats),
        view("RabbitMQ (ssl_cert_login_from = common_name)", cn()),
        view("RabbitMQ (subject_alternative_name, email)", email()),
        view("RabbitMQ (subject_alternative_name, uri)", uri(leaf)),
        view("Mosquitto (use_identity_as_username)", cn()),
        view("Mosquitto (use_subject_as_username)", dn()),
        view("PostgreSQL (cert, clientname=CN)", cn()),
        view("PostgreSQL (cert, clientname=DN)", dn()),
        view("Kafka (ssl.principal.mapping.rules = DEFAULT)", dn()),
    ]
}

fn uri(leaf: &Certificate<'_>) -> Option<String> {
    leaf.known.alt_names().iter().find_map(|name| match name {
        GeneralName::Uri(uri) => Some(String::from_utf8_lossy(uri).into_owned()),
        _ => None,
    })
}
