//! A plan's text, written from what a scan found, for a person to review.

use std::collections::HashMap;
use std::fmt::Write;
use std::path::PathBuf;

use rustmq_pki::key::KeyType;
use rustmq_pki::name::{Principal, SubjectAltName};
use rustmq_pki::read::ROLE_URN_PREFIX;
use rustmq_pki::role::Role;
use rustmq_pki::time::UnixTime;

use super::error::MigrationError;
use super::plan::{AuthorityPlan, VERSION};
use super::roles::RoleRules;
use crate::output::{is_treacherous, visible};
use crate::scan::{Kind, Survey, Surveyed};

/// A plan that is being written.
#[derive(Debug)]
pub(crate) struct Draft {
    from: PathBuf,
    authority: AuthorityPlan,
    /// What peers trust now.
    pub(crate) anchors: Vec<DraftAnchor>,
    /// What is to be replaced.
    pub(crate) entries: Vec<DraftEntry>,
}

/// A certificate that peers trust now.
#[derive(Debug)]
pub(crate) struct DraftAnchor {
    path: String,
    /// RFC 4514.
    pub(crate) subject: String,
    fingerprint: String,
    expired: bool,
    end_entity: bool,
}

/// A certificate to replace.
#[derive(Debug)]
pub(crate) struct DraftEntry {
    /// The old file.
    pub(crate) path: String,
    subject: String,
    fingerprint: String,
    old_keys: Vec<String>,
    /// Whom it names; empty where the common name is no principal.
    pub(crate) principal: String,
    sans: Vec<String>,
    /// The role that the operator's patterns give.
    pub(crate) role: Option<Role>,
    key_type: KeyType,
    folder: String,
    /// What the reviewer should know.
    pub(crate) remarks: Vec<String>,
}

impl Draft {
    /// Drafts a plan.
    pub(crate) fn new(
        from: PathBuf,
        authority: AuthorityPlan,
        survey: &Survey,
        rules: &RoleRules,
        now: UnixTime,
    ) -> Result<Self, MigrationError> {
        // A system's roots are not this deployment's, and not to be retired with it.
        let trusted = |c: &&Surveyed| (c.kind != Kind::EndEntity || c.self_signed) && !c.in_store;
        let anchors = survey.certificates.iter().filter(trusted);
        let anchors = anchors.map(|certificate| DraftAnchor::of(certificate, now)).collect();
        let mut folders = HashMap::new();
        let ends = survey.certificates.iter().filter(|c| c.kind == Kind::EndEntity);
        let entries = ends
            .map(|certificate| DraftEntry::of(certificate, rules, &mut folders, now))
            .collect::<Result<_, _>>()?;
        Ok(Self { from, authority, anchors, entries })
    }

    /// How many roles are still to be filled in.
    pub(crate) fn unassigned(&self) -> usize {
        self.entries.iter().filter(|entry| entry.role.is_none()).count()
    }

    /// The text.
    pub(crate) fn text(&self) -> String {
        let mut text = HEAD.to_owned();
        // Writing to a String cannot fail.
        let _ = writeln!(text, "version = {VERSION}");
        let _ = writeln!(text, "from = {}\n", quoted(&self.from.to_string_lossy()));
        self.write_authority(&mut text);
        for anchor in &self.anchors {
            anchor.write(&mut text);
        }
        for entry in &self.entries {
            entry.write(&mut text);
        }
        text
    }

    fn write_authority(&self, text: &mut String) {
        text.push_str("[authority]\n");
        let _ = match &self.authority {
            AuthorityPlan::Existing { ca } => {
                writeln!(
                    text,
                    "# The CA of the data directory that issues the new certificates.\nca_id = {}",
                    quoted(ca)
                )
            }
            AuthorityPlan::New(new) => {
                text.push_str("# Step 1 makes this root, and this CA under it, which issues.\n");
                let _ = writeln!(text, "root_cn = {}", quoted(&new.root_cn));
                let _ = writeln!(text, "intermediate_cn = {}", quoted(&new.intermediate_cn));
                if let Some(organization) = &new.organization {
                    let _ = writeln!(text, "organization = {}", quoted(organization));
                }
                match &new.base_url {
                    Some(url) => _ = writeln!(text, "base_url = {}", quoted(url)),
                    None => text.push_str(NO_BASE_URL),
                }
                writeln!(text, "key_type = \"{}\"", new.key_type)
            }
        };
    }
}

/// What the file says of itself.
const HEAD: &str = "\
# Plan of a migration, written by `rustmq-admin migrate plan`. Review it, then:
#   rustmq-admin migrate apply --plan THIS-FILE --output DIR
#
# 1. The new hierarchy is made, beside the old one, unless [authority] names a CA.
# 2. DIR/trust-bundle.pem gets the old anchors and the new root, for every peer to trust.
# 3. Each [[certificate]] gets a new one with a new key in DIR/certificates/FOLDER.
# 4. The validator verifies each new certificate, its path, its names and its role.
# The old files stay as they are. `migrate undo` goes back, until you run
#   rustmq-admin migrate apply --plan THIS-FILE --output DIR --retire
# 5. which moves the old certificates and keys to DIR/retired and takes the old anchors out of the
#    bundle.
#
# Fill in every empty role: broker, controller, client or admin. What an old certificate says of
# itself is no reason to give a role. action = \"skip\" leaves a certificate as it is.

";

const NO_BASE_URL: &str = "\
# No address for revocation lists will stand in the certificates, and it cannot be added later:
# base_url = \"http://pki.example.com\"
";

impl DraftAnchor {
    fn of(certificate: &Surveyed, now: UnixTime) -> Self {
        Self {
            path: first_file(certificate),
            subject: certificate.subject.clone(),
            fingerprint: certificate.fingerprint.clone(),
            expired: certificate.not_after < now,
            end_entity: certificate.kind == Kind::EndEntity,
        }
    }

    fn write(&self, text: &mut String) {
        text.push('\n');
        if self.end_entity {
            text.push_str(
                "# No CA: peers accept it now only if they trust this very certificate.\n",
            );
        }
        if self.expired {
            text.push_str("# Expired, and therefore left out of the bundle.\n");
        }
        let _ = writeln!(text, "[[old_ca]]\npath = {}", quoted(&self.path));
        let _ = writeln!(text, "subject = {}", quoted(&self.subject));
        let _ = writeln!(text, "fingerprint = \"{}\"", self.fingerprint);
        let _ = writeln!(text, "in_bundle = {}", !self.expired);
    }
}

impl DraftEntry {
    fn of(
        certificate: &Surveyed,
        rules: &RoleRules,
        folders: &mut HashMap<String, u32>,
        now: UnixTime,
    ) -> Result<Self, MigrationError> {
        let mut remarks = Vec::new();
        let name = certificate.common_name.as_deref().unwrap_or_default();
        let (principal, plain) = match Principal::parse(name) {
            Ok(principal) => (principal.to_string(), principal.folder_name()),
            Err(error) => {
                remarks.push(format!("its common name {name:?} cannot be the principal: {error}"));
                (String::new(), "unnamed".to_owned())
            }
        };
        let nth = folders.entry(plain.clone()).or_insert(0);
        *nth += 1;
        let folder = if *nth == 1 { plain } else { format!("{plain}~{nth}") };
        let sans = sans(certificate, &mut remarks);
        let key_type = certificate.key_type.unwrap_or_else(|| {
            remarks.push(
                "its key is of a type that is not certified here: the new one is P-256".to_owned(),
            );
            KeyType::P256
        });
        if certificate.not_after < now {
            remarks.push(format!("it expired at {}", certificate.not_after));
        }
        let role = rules.role_of(&principal)?.filter(|_| !principal.is_empty());
        Ok(Self {
            path: first_file(certificate),
            subject: certificate.subject.clone(),
            fingerprint: certificate.fingerprint.clone(),
            old_keys: certificate.key_files.clone(),
            principal,
            sans,
            role,
            key_type,
            folder,
            remarks,
        })
    }

    fn write(&self, text: &mut String) {
        text.push('\n');
        for remark in &self.remarks {
            let plain = visible(remark);
            let _ = writeln!(text, "# {plain}");
        }
        let _ = writeln!(text, "[[certificate]]\npath = {}", quoted(&self.path));
        let _ = writeln!(text, "subject = {}", quoted(&self.subject));
        let _ = writeln!(text, "fingerprint = \"{}\"", self.fingerprint);
        let _ = writeln!(text, "old_keys = {}", list(&self.old_keys));
        let _ = writeln!(text, "action = \"replace\"");
        let _ = writeln!(text, "principal = {}", quoted(&self.principal));
        let _ = writeln!(text, "sans = {}", list(&self.sans));
        let _ = writeln!(text, "role = \"{}\"", self.role.map_or("", Role::as_str));
        let _ = writeln!(text, "profile = \"\"  # the role's");
        let _ = writeln!(text, "key_type = \"{}\"", self.key_type);
        let _ = writeln!(text, "folder = {}", quoted(&self.folder));
    }
}

fn first_file(certificate: &Surveyed) -> String {
    certificate.places.first().map(|place| place.file.clone()).unwrap_or_default()
}

/// The names that a new certificate can have; the others are remarked.
fn sans(certificate: &Surveyed, remarks: &mut Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for san in &certificate.sans {
        // A name of another form has another prefix, and would be taken for a DNS name.
        if !["dns:", "ip:", "email:", "uri:"].iter().any(|prefix| san.starts_with(prefix)) {
            remarks.push(format!("its name {san} is of a form that is not issued"));
        } else if san.strip_prefix("uri:").is_some_and(|uri| uri.starts_with(ROLE_URN_PREFIX)) {
            remarks
                .push(format!("its name {san} is left out: the role is for the reviewer to say"));
        } else if let Some(why) = no_uri(san) {
            remarks.push(format!("its name {san} is left out: {why}"));
        } else {
            match SubjectAltName::parse(san).map(|san| san.to_string()) {
                Ok(san) if kept.contains(&san) => {}
                Ok(san) => kept.push(san),
                Err(error) => remarks.push(format!("its name {san} is left out: {error}")),
            }
        }
    }
    kept
}

/// Why a URI is not asked for.
fn no_uri(san: &str) -> Option<&'static str> {
    let uri = san.strip_prefix("uri:")?.to_ascii_lowercase();
    Some(match uri.starts_with("spiffe:") {
        true => "a SPIFFE identity comes from the CA's trust domain, the role and the principal",
        false => "no profile takes a URI, unless you write one that does",
    })
}

/// A text as a basic string of TOML, on one line whatever it holds: a name from elsewhere must not look
/// like a line of the plan to its reviewer.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        // Writing to a String cannot fail.
        let _ = match c {
            '"' | '\\' => write!(quoted, "\\{c}"),
            c if is_treacherous(c) => write!(quoted, "\\U{:08X}", u32::from(c)),
            c => write!(quoted, "{c}"),
        };
    }
    quoted + "\""
}

fn list(texts: &[String]) -> String {
    let items: Vec<_> = texts.iter().map(|text| quoted(text)).collect();
    format!("[{}]", items.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_from_elsewhere_stay_on_their_line() {
        for name in ["a", "a \"b\" \\ c", "a\nrole = \"admin\"\nb", "\u{1b}[0m\u{202e}\u{9b}\u{7f}"]
        {
            let text = quoted(name);
            assert!(!text.contains(is_treacherous), "{text:?}");
            let line = format!("name = {text}");
            let table: toml::Table = toml::from_str(&line).unwrap();
            assert_eq!(table["name"].as_str(), Some(name));
        }
    }
}
