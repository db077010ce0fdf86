//! A question about a path, as bytes: what every judge is given.

use std::fmt::Write;
use std::net::IpAddr;

/// What the leaf is to be used for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    Any,
    Server,
    Client,
}

/// A name that the leaf must have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Reference {
    Dns(String),
    Ip(IpAddr),
    Email(String),
}

/// The inputs of policy processing (RFC 5280 6.1.1). Policies are numbers; 0 is anyPolicy.
#[derive(Clone, Debug, Default)]
pub(crate) struct PolicyInputs {
    /// The user-initial-policy-set; empty is any-policy.
    pub(crate) policies: Vec<u8>,
    pub(crate) require_explicit: bool,
    pub(crate) inhibit_mapping: bool,
    pub(crate) inhibit_any: bool,
}

/// On what terms the path is sought.
#[derive(Clone, Debug)]
pub(crate) struct Question {
    /// Seconds since 1970.
    pub(crate) at: i64,
    pub(crate) purpose: Purpose,
    pub(crate) names: Vec<Reference>,
    pub(crate) policy: PolicyInputs,
    /// The most intermediates that are not self-issued.
    pub(crate) max_depth: Option<usize>,
    /// Whether every certificate but the anchor needs a status.
    pub(crate) revocation: bool,
}

/// A case: certificates, lists and the question.
#[derive(Clone, Debug)]
pub(crate) struct Case {
    pub(crate) id: String,
    pub(crate) leaf: Vec<u8>,
    pub(crate) intermediates: Vec<Vec<u8>>,
    pub(crate) anchors: Vec<Vec<u8>>,
    pub(crate) crls: Vec<Vec<u8>>,
    pub(crate) question: Question,
}

/// The contents of the object identifier of a policy: 1.3.6.1.4.1.99999.3.N, or anyPolicy.
pub(crate) fn policy_oid(policy: u8) -> Vec<u8> {
    match policy {
        0 => rustmq_pki::oid::ANY_POLICY.to_vec(),
        n => [b"\x2b\x06\x01\x04\x01\x86\x8d\x1f\x03".as_slice(), &[n]].concat(),
    }
}

/// The same as dotted decimals.
pub(crate) fn policy_dotted(policy: u8) -> String {
    match policy {
        0 => "2.5.29.32.0".to_owned(),
        n => format!("1.3.6.1.4.1.99999.3.{n}"),
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().fold(String::new(), |mut text, octet| {
        let _ = write!(text, "{octet:02x}");
        text
    })
}

impl Case {
    /// The case as lines of `key value`, from `case ID` to `run`, for judges in other processes.
    pub(crate) fn to_text(&self) -> String {
        let question = &self.question;
        let mut lines = vec![format!("case {}", self.id), format!("at {}", question.at)];
        lines.push(match question.purpose {
            Purpose::Any => "purpose any".to_owned(),
            Purpose::Server => "purpose server".to_owned(),
            Purpose::Client => "purpose client".to_owned(),
        });
        lines.extend(question.names.iter().map(|name| match name {
            Reference::Dns(name) => format!("host {name}"),
            Reference::Ip(address) => format!("ip {address}"),
            Reference::Email(address) => format!("email {address}"),
        }));
        lines.extend(
            question.policy.policies.iter().map(|p| format!("policy {}", policy_dotted(*p))),
        );
        for (set, flag) in [
            (question.policy.require_explicit, "explicit"),
            (question.policy.inhibit_mapping, "nomap"),
            (question.policy.inhibit_any, "noany"),
            (question.revocation, "crls"),
        ] {
            lines.extend(set.then(|| format!("flag {flag}")));
        }
        lines.extend(question.max_depth.map(|depth| format!("depth {depth}")));
        lines.push(format!("leaf {}", hex(&self.leaf)));
        for (key, all) in
            [("inter", &self.intermediates), ("anchor", &self.anchors), ("crl", &self.crls)]
        {
            lines.extend(all.iter().map(|der| format!("{key} {}", hex(der))));
        }
        lines.push("run\n".to_owned());
        lines.join("\n")
    }

    /// The case as PEM files and a command line, to replay it with any tool.
    pub(crate) fn dump(&self) -> std::path::PathBuf {
        let folder = std::env::temp_dir().join("rustmq-paths").join(self.id.replace('/', "_"));
        std::fs::create_dir_all(&folder).expect("the temporary folder is writable");
        for (file, label, all) in [
            ("leaf.pem", "CERTIFICATE", std::slice::from_ref(&self.leaf)),
            ("inter.pem", "CERTIFICATE", &self.intermediates),
            ("roots.pem", "CERTIFICATE", &self.anchors),
            ("crls.pem", "X509 CRL", &self.crls),
        ] {
            let encode = |der: &Vec<u8>| {
                pem_rfc7468::encode_string(label, pem_rfc7468::LineEnding::LF, der)
                    .expect("PEM takes any octets")
            };
            let text: String = all.iter().map(encode).collect();
            std::fs::write(folder.join(file), text).expect("the temporary folder is writable");
        }
        let question = format!("{:#?}\n", self.question);
        std::fs::write(folder.join("question.txt"), question).expect("the folder is writable");
        std::fs::write(folder.join("case.txt"), self.to_text()).expect("the folder is writable");
        folder
    }
}
