//! How message brokers and their neighbours read the same certificate.
//!
//! Each takes another field, so that one certificate is a different user to each of them. Which field
//! was measured with NATS 2.9 to 2.15, RabbitMQ 3.10, Mosquitto 2.0 and 2.1, PostgreSQL 15, Kafka 4.3,
//! Redis 7.0 and etcd 3.4; which of several values in it counts is read from their sources.

use std::fmt::Write;

use rustmq_pki::oid;
use rustmq_pki::read::{
    Attribute, CertificateRef, GeneralName, KnownExtensions, NameRef, ReadError,
};

use crate::error::hex;

/// A program that takes its users from certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Broker {
    /// NATS server.
    Nats,
    /// RabbitMQ with the plugin rabbitmq_auth_mechanism_ssl.
    RabbitMq,
    /// Eclipse Mosquitto.
    Mosquitto,
    /// PostgreSQL.
    PostgreSql,
    /// Apache Kafka.
    Kafka,
    /// Redis.
    Redis,
    /// etcd.
    Etcd,
}

impl Broker {
    /// The program's name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nats => "NATS",
            Self::RabbitMq => "RabbitMQ",
            Self::Mosquitto => "Mosquitto",
            Self::PostgreSql => "PostgreSQL",
            Self::Kafka => "Kafka",
            Self::Redis => "Redis",
            Self::Etcd => "etcd",
        }
    }
}

/// Whom a broker sees in a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sees {
    /// This user. Where there are several names, they are tried in this order, and the first that
    /// the broker has a user for counts.
    Users(Vec<String>),
    /// Nobody, for this reason.
    Nobody(&'static str),
}

/// One broker, set up in one way, and whom it sees.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrokerView {
    /// The broker.
    pub broker: Broker,
    /// The setting on which it depends, as it is written in the broker's configuration.
    pub setting: &'static str,
    /// Whom it sees.
    pub sees: Sees,
    /// What to configure, in a sentence.
    pub configure: &'static str,
}

/// Whom each broker sees in a certificate, for showing to people: whether a broker believes it
/// depends on the CAs that it trusts.
pub fn views(certificate: &CertificateRef<'_>) -> Result<Vec<BrokerView>, ReadError> {
    let known = certificate.extensions.known()?;
    let names = Names { subject: certificate.subject, known: &known };
    Ok(VIEWS
        .iter()
        .map(|(broker, setting, configure, sees)| BrokerView {
            broker: *broker,
            setting,
            sees: sees(&names),
            configure,
        })
        .collect())
}

type View = (Broker, &'static str, &'static str, fn(&Names<'_, '_>) -> Sees);

const VIEWS: &[View] = &[
    (
        Broker::Nats,
        "verify_and_map: true",
        "write the first of these names as the user in `authorization.users`, and reload with SIGHUP",
        |names| names.nats(),
    ),
    (
        Broker::RabbitMq,
        "ssl_cert_login_from = common_name",
        "enable `rabbitmq_auth_mechanism_ssl`, set `auth_mechanisms.1 = EXTERNAL`, and add a user of this name",
        |names| names.joined_common_names(),
    ),
    (
        Broker::RabbitMq,
        "ssl_cert_login_from = subject_alternative_name, ssl_cert_login_san_type = email",
        "add a user of this name; `ssl_cert_login_san_index` picks another than the first",
        |names| first(names.alt(1), "subjectAltName has no e-mail address"),
    ),
    (
        Broker::RabbitMq,
        "ssl_cert_login_from = subject_alternative_name, ssl_cert_login_san_type = uri",
        "add a user of this name; `ssl_cert_login_san_index` picks another than the first",
        |names| first(names.alt(6), "subjectAltName has no URI"),
    ),
    (
        Broker::RabbitMq,
        "ssl_cert_login_from = distinguished_name",
        "add a user of this name, comma and all; it is the default of the plugin",
        |names| names.distinguished_name(),
    ),
    (
        Broker::Mosquitto,
        "use_identity_as_username true",
        "set `require_certificate true` and name the user in `acl_file`",
        |names| names.c_common_name(),
    ),
    (
        Broker::Mosquitto,
        "use_subject_as_username true",
        "set `require_certificate true` and name the user in `acl_file`, as it stands here",
        |names| names.openssl_name(),
    ),
    (
        Broker::PostgreSql,
        "hostssl ... cert map=mtls",
        "map the name to a database user in `pg_ident.conf`: `mtls NAME USER`",
        |names| names.c_common_name(),
    ),
    (
        Broker::PostgreSql,
        "hostssl ... cert clientname=DN map=mtls",
        "map the name to a database user in `pg_ident.conf`, in double quotes",
        |names| names.openssl_name(),
    ),
    (
        Broker::Kafka,
        "ssl.principal.mapping.rules=DEFAULT",
        "set `ssl.client.auth=required` and give rights to `User:` and this name; a rule such as `RULE:^CN=([^,]+).*$/$1/` shortens it",
        |names| names.distinguished_name(),
    ),
    (
        Broker::Redis,
        "tls-auth-clients yes",
        "the certificate only opens the door: give every application a user and a password in the ACL file as well",
        |_| Sees::Nobody("Redis takes no user from a certificate"),
    ),
    (
        Broker::Etcd,
        "--client-cert-auth",
        "add a user of this name with `etcdctl user add NAME --no-password`, and enable auth",
        |names| names.go_common_name(),
    ),
];

fn first(names: Vec<String>, otherwise: &'static str) -> Sees {
    names.into_iter().next().map_or(Sees::Nobody(otherwise), |name| Sees::Users(vec![name]))
}

struct Names<'k, 'a> {
    subject: NameRef<'a>,
    known: &'k KnownExtensions<'a>,
}

impl<'a> Names<'_, 'a> {
    /// The names of one string form of subjectAltName, by its tag.
    fn alt(&self, form: u8) -> Vec<String> {
        let of_form = |name: GeneralName<'a>| match (form, name) {
            (1, GeneralName::Rfc822(text))
            | (2, GeneralName::Dns(text))
            | (6, GeneralName::Uri(text)) => Some(text.escape_ascii().to_string()),
            _ => None,
        };
        self.known.alt_names().iter().filter_map(of_form).collect()
    }

    /// NATS looks for each e-mail address, DNS name and URI in turn, then for the whole subject.
    fn nats(&self) -> Sees {
        let mut users = self.alt(1);
        users.extend(self.alt(2));
        users.extend(self.alt(6));
        if !self.subject.is_empty() {
            users.push(self.subject.to_string());
        }
        if users.is_empty() {
            return Sees::Nobody("the certificate has neither a subject nor such a name");
        }
        Sees::Users(users)
    }

    fn common_names(&self) -> Vec<String> {
        let names = self.subject.values_of(oid::COMMON_NAME);
        names.filter_map(|name| name.text().map(std::borrow::Cow::into_owned)).collect()
    }

    /// RabbitMQ joins several values with commas.
    fn joined_common_names(&self) -> Sees {
        match self.common_names() {
            none if none.is_empty() => Sees::Nobody("the subject has no common name"),
            names => Sees::Users(vec![names.join(",")]),
        }
    }

    /// Go keeps the last common name of a subject.
    fn go_common_name(&self) -> Sees {
        let last = self.common_names().pop().filter(|name| !name.is_empty());
        last.map_or(Sees::Nobody("the subject has no common name"), |name| Sees::Users(vec![name]))
    }

    /// Programs in C take the octets of the first common name as they are, and refuse one with a
    /// zero octet, as every name in two-octet characters has.
    fn c_common_name(&self) -> Sees {
        let Some(name) = self.subject.values_of(oid::COMMON_NAME).next() else {
            return Sees::Nobody("the subject has no common name");
        };
        match std::str::from_utf8(name.value) {
            Ok("") => Sees::Nobody("the common name is empty"),
            Ok(text) if text.contains('\0') => {
                Sees::Nobody("the common name has a zero octet, which this program refuses")
            }
            Ok(text) => Sees::Users(vec![text.to_owned()]),
            Err(_) if name.value.contains(&0) => {
                Sees::Nobody("the common name has a zero octet, which this program refuses")
            }
            Err(_) => {
                Sees::Nobody("the octets of the common name are not UTF-8, so no text matches")
            }
        }
    }

    fn distinguished_name(&self) -> Sees {
        if self.subject.is_empty() {
            return Sees::Nobody("the subject is empty");
        }
        Sees::Users(vec![self.subject.to_string()])
    }

    fn openssl_name(&self) -> Sees {
        if self.subject.is_empty() {
            return Sees::Nobody("the subject is empty");
        }
        Sees::Users(vec![openssl_rfc2253(&self.subject)])
    }
}

/// RFC 2253 as OpenSSL's XN_FLAG_RFC2253 prints it: as RFC 4514, but octets outside of ASCII as
/// `\XX`, and short names for more types.
fn openssl_rfc2253(name: &NameRef<'_>) -> String {
    let rdns: Vec<_> = name.rdns.iter().collect();
    let mut text = String::new();
    for (nth, rdn) in rdns.iter().rev().enumerate() {
        text.push_str(if nth > 0 { "," } else { "" });
        for (nth, attribute) in rdn.attributes.iter().enumerate() {
            text.push_str(if nth > 0 { "+" } else { "" });
            push_openssl_attribute(&mut text, &attribute);
        }
    }
    text
}

fn push_openssl_attribute(text: &mut String, attribute: &Attribute<'_>) {
    let short = openssl_short_name(attribute.oid.as_bytes());
    // Writing to a String cannot fail.
    let _ = match short {
        Some(short) => write!(text, "{short}="),
        None => write!(text, "{}=", attribute.oid),
    };
    match attribute.text().filter(|_| short.is_some()) {
        Some(value) => push_openssl_escaped(text, &value),
        None => {
            text.push('#');
            text.push_str(&hex(attribute.der).to_ascii_uppercase());
        }
    }
}

fn push_openssl_escaped(text: &mut String, value: &str) {
    let last = value.len().saturating_sub(1);
    for (at, byte) in value.bytes().enumerate() {
        match byte {
            b',' | b'+' | b'"' | b'\\' | b'<' | b'>' | b';' => {
                text.push('\\');
                text.push(char::from(byte));
            }
            b' ' if at == 0 || at == last => text.push_str("\\ "),
            b'#' if at == 0 => text.push_str("\\#"),
            0x20..=0x7e => text.push(char::from(byte)),
            other => {
                // Writing to a String cannot fail.
                let _ = write!(text, "\\{other:02X}");
            }
        }
    }
}

fn openssl_short_name(kind: &[u8]) -> Option<&'static str> {
    Some(match kind {
        oid::COMMON_NAME => "CN",
        oid::SURNAME => "SN",
        oid::SERIAL_NUMBER => "serialNumber",
        oid::COUNTRY => "C",
        oid::LOCALITY => "L",
        oid::STATE => "ST",
        oid::STREET => "street",
        oid::ORGANIZATION => "O",
        oid::ORGANIZATIONAL_UNIT => "OU",
        oid::TITLE => "title",
        oid::GIVEN_NAME => "GN",
        oid::ORGANIZATION_IDENTIFIER => "organizationIdentifier",
        oid::USER_ID => "UID",
        oid::DOMAIN_COMPONENT => "DC",
        oid::EMAIL_ADDRESS => "emailAddress",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustmq_pki::der::tag;

    use crate::principal::testing::Draft;

    fn seen(draft: &Draft, broker: Broker, setting: &str) -> Sees {
        let der = draft.build();
        let all = views(&CertificateRef::read(&der).unwrap()).unwrap();
        let found = all.into_iter().find(|v| v.broker == broker && v.setting.contains(setting));
        found.unwrap().sees
    }

    fn users(names: &[&str]) -> Sees {
        Sees::Users(names.iter().map(|name| (*name).to_owned()).collect())
    }

    #[test]
    fn each_broker_takes_another_name() {
        let draft = Draft::default()
            .attribute(oid::ORGANIZATION, tag::UTF8_STRING, b"Example")
            .ou("client")
            .cn("orders-svc")
            .uri("spiffe://example.org/client/orders-svc")
            .dns("orders.example")
            .email("orders-svc@brokers.example");
        let dn = "CN=orders-svc,OU=client,O=Example";
        let uri = "spiffe://example.org/client/orders-svc";
        let nats = ["orders-svc@brokers.example", "orders.example", uri, dn];
        assert_eq!(seen(&draft, Broker::Nats, ""), users(&nats));
        assert_eq!(seen(&draft, Broker::RabbitMq, "common_name"), users(&["orders-svc"]));
        assert_eq!(seen(&draft, Broker::RabbitMq, "email"), users(&nats[..1]));
        assert_eq!(seen(&draft, Broker::RabbitMq, "uri"), users(&[uri]));
        assert_eq!(seen(&draft, Broker::RabbitMq, "distinguished"), users(&[dn]));
        assert_eq!(seen(&draft, Broker::Mosquitto, "identity"), users(&["orders-svc"]));
        assert_eq!(seen(&draft, Broker::Mosquitto, "subject"), users(&[dn]));
        assert_eq!(seen(&draft, Broker::PostgreSql, "cert map"), users(&["orders-svc"]));
        assert_eq!(seen(&draft, Broker::PostgreSql, "clientname=DN"), users(&[dn]));
        assert_eq!(seen(&draft, Broker::Kafka, ""), users(&[dn]));
        assert!(matches!(seen(&draft, Broker::Redis, ""), Sees::Nobody(_)));
        assert_eq!(seen(&draft, Broker::Etcd, ""), users(&["orders-svc"]));
    }

    #[test]
    fn nats_never_takes_a_bare_common_name() {
        let draft = Draft::default().cn("orders-svc");
        assert_eq!(seen(&draft, Broker::Nats, ""), users(&["CN=orders-svc"]));
    }

    #[test]
    fn of_two_common_names_each_takes_its_own() {
        let draft = Draft::default().cn("first").cn("second");
        assert_eq!(seen(&draft, Broker::Mosquitto, "identity"), users(&["first"]));
        assert_eq!(seen(&draft, Broker::PostgreSql, "cert map"), users(&["first"]));
        assert_eq!(seen(&draft, Broker::Etcd, ""), users(&["second"]));
        assert_eq!(seen(&draft, Broker::RabbitMq, "common_name"), users(&["first,second"]));
    }

    #[test]
    fn octets_that_c_programs_do_not_take() {
        let nul = Draft::default().cn("admin\0.example");
        assert!(matches!(seen(&nul, Broker::Mosquitto, "identity"), Sees::Nobody(_)));
        let bmp = Draft::default().attribute(oid::COMMON_NAME, tag::BMP_STRING, &[0, b'a']);
        assert!(matches!(seen(&bmp, Broker::PostgreSql, "cert map"), Sees::Nobody(_)));
        assert_eq!(seen(&bmp, Broker::Etcd, ""), users(&["a"]));
    }

    /// The text is OpenSSL's own, of `openssl x509 -subject -nameopt RFC2253`.
    #[test]
    fn subjects_are_written_as_openssl_writes_them() {
        let text = |kind, value: &str| (kind, tag::UTF8_STRING, value.as_bytes().to_vec());
        let attributes = [
            (oid::COUNTRY, tag::PRINTABLE_STRING, b"DE".to_vec()),
            text(oid::ORGANIZATION, "Example, Inc."),
            text(oid::ORGANIZATIONAL_UNIT, "#x"),
            text(oid::USER_ID, "u1"),
            (oid::EMAIL_ADDRESS, tag::IA5_STRING, b"a@b.c".to_vec()),
            (oid::SERIAL_NUMBER, tag::PRINTABLE_STRING, b"17".to_vec()),
            text(oid::SURNAME, "Sur"),
            text(oid::GIVEN_NAME, "Giv"),
            text(oid::TITLE, "T"),
            text(oid::ORGANIZATION_IDENTIFIER, "VAT-1"),
            text(oid::STREET, "S 1"),
            text(oid::COMMON_NAME, " Zo\u{eb} "),
        ];
        let draft = attributes
            .into_iter()
            .fold(Draft::default(), |draft, (kind, tag, value)| draft.attribute(kind, tag, &value));
        let expected = r"CN=\ Zo\C3\AB\ ,street=S 1,organizationIdentifier=VAT-1,title=T,GN=Giv,SN=Sur,serialNumber=17,emailAddress=a@b.c,UID=u1,OU=\#x,O=Example\, Inc.,C=DE";
        assert_eq!(seen(&draft, Broker::Mosquitto, "subject"), users(&[expected]));
    }
}
