//! The plan of a migration: a file that a person reviews, and what it says when it is sound.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use rustmq_pki::key::{Fingerprint, KeyType};
use rustmq_pki::name::{Principal, SubjectAltName};
use rustmq_pki::role::Role;
use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::error::PlanError;
use crate::cmd::input::{self, toml_error};
use crate::error::CliError;

/// The version of the file's form.
pub(crate) const VERSION: u32 = 1;

/// A plan that can be carried out.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    /// The old deployment.
    pub(crate) from: PathBuf,
    /// Who issues.
    pub(crate) authority: AuthorityPlan,
    /// The old CAs, and self-signed certificates that peers trust as they trust CAs.
    pub(crate) anchors: Vec<AnchorPlan>,
    /// The certificates to replace.
    pub(crate) entries: Vec<Entry>,
}

/// Who issues the new certificates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum AuthorityPlan {
    /// A CA that is there.
    Existing {
        /// Its id, common name or beginning of its fingerprint.
        ca: String,
    },
    /// A root and a CA under it, which are made.
    New(NewHierarchy),
}

/// The names of a new hierarchy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NewHierarchy {
    /// Common name of the root.
    pub(crate) root_cn: String,
    /// Common name of the CA under it.
    pub(crate) intermediate_cn: String,
    /// Organisation of the root.
    pub(crate) organization: Option<String>,
    /// HTTP address for status; it cannot be added later.
    pub(crate) base_url: Option<String>,
    /// Type of both keys.
    pub(crate) key_type: KeyType,
}

/// A certificate that peers trust now.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct AnchorPlan {
    /// Its file, below the old deployment.
    pub(crate) path: String,
    /// RFC 4514; for the reader.
    #[serde(rename = "subject")]
    _subject: String,
    /// SHA-256 of its DER, lower-case hexadecimal.
    pub(crate) fingerprint: String,
    /// Whether the trust bundle has it until the old certificates are retired.
    pub(crate) in_bundle: bool,
}

/// A certificate to replace.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    /// Its file, below the old deployment.
    pub(crate) path: String,
    /// SHA-256 of its DER, lower-case hexadecimal.
    pub(crate) fingerprint: String,
    /// Whom the new certificate names.
    pub(crate) principal: Principal,
    /// Its names.
    pub(crate) sans: Vec<SubjectAltName>,
    /// What its owner may do.
    pub(crate) role: Role,
    /// The profile; none for the role's.
    pub(crate) profile: Option<String>,
    /// The type of the new key.
    pub(crate) key_type: KeyType,
    /// The folder for the new files.
    pub(crate) folder: String,
}

impl Plan {
    /// A digest of what cannot change once a migration was begun: the old deployment and who issues.
    pub(crate) fn frame(&self) -> String {
        let authority = match &self.authority {
            AuthorityPlan::Existing { ca } => serde_json::json!(ca),
            AuthorityPlan::New(new) => serde_json::json!(new),
        };
        let fields = serde_json::json!([self.from, authority]);
        Fingerprint::of(fields.to_string().as_bytes()).to_string()
    }
}

impl Entry {
    /// A digest of what is asked for: while it stays the same, so does the certificate.
    pub(crate) fn digest(&self) -> String {
        let sans: Vec<String> = self.sans.iter().map(ToString::to_string).collect();
        let fields = serde_json::json!([
            self.fingerprint,
            self.principal.as_str(),
            sans,
            self.role,
            self.profile,
            self.key_type,
            self.folder,
        ]);
        Fingerprint::of(fields.to_string().as_bytes()).to_string()
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanFile {
    version: u32,
    from: PathBuf,
    authority: Spanned<AuthorityFile>,
    #[serde(default)]
    old_ca: Vec<AnchorPlan>,
    #[serde(default)]
    certificate: Vec<Spanned<EntryFile>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AuthorityFile {
    ca_id: Option<String>,
    root_cn: Option<String>,
    intermediate_cn: Option<String>,
    organization: Option<String>,
    base_url: Option<String>,
    key_type: Option<KeyType>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct EntryFile {
    path: String,
    #[serde(rename = "subject")]
    _subject: String,
    fingerprint: String,
    /// The files of its private key; for the reader.
    #[serde(rename = "old_keys")]
    _old_keys: Vec<String>,
    action: Action,
    principal: String,
    sans: Vec<String>,
    role: Spanned<String>,
    profile: String,
    key_type: KeyType,
    folder: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Action {
    /// A new certificate takes its place.
    Replace,
    /// It stays as it is.
    Skip,
}

impl Plan {
    /// Reads and checks a plan.
    pub(crate) fn read(path: &Path) -> Result<Self, CliError> {
        let text = input::large_text(path)?;
        Self::parse(&text)
            .map_err(|error| CliError::Plan { path: path.display().to_string(), error })
    }

    fn parse(text: &str) -> Result<Self, PlanError> {
        let file: PlanFile =
            toml::from_str(text).map_err(|error| PlanError::Toml(toml_error(&error, text)))?;
        if file.version != VERSION {
            return Err(PlanError::Version(file.version));
        }
        let line = |offset: usize| 1 + text[..offset].matches('\n').count();
        let at = line(file.authority.span().start);
        let authority = authority(file.authority.into_inner(), at)?;
        let mut entries = Vec::new();
        let (mut folders, mut known) = (HashSet::new(), HashSet::new());
        for spanned in file.certificate {
            let start = line(spanned.span().start);
            let raw = spanned.into_inner();
            if !known.insert(raw.fingerprint.clone()) {
                return Err(PlanError::Twice { line: start, fingerprint: raw.fingerprint });
            }
            if raw.action == Action::Skip {
                continue;
            }
            let role_line = line(raw.role.span().start);
            let entry = entry(raw, start, role_line)?;
            if !folders.insert(entry.folder.clone()) || !is_plain(&entry.folder) {
                return Err(PlanError::Folder { line: start, folder: entry.folder });
            }
            entries.push(entry);
        }
        Ok(Self { from: file.from, authority, anchors: file.old_ca, entries })
    }
}

fn authority(file: AuthorityFile, line: usize) -> Result<AuthorityPlan, PlanError> {
    match (file.ca_id, file.root_cn, file.intermediate_cn) {
        (Some(ca), None, None)
            if file.organization.is_none()
                && file.base_url.is_none()
                && file.key_type.is_none() =>
        {
            Ok(AuthorityPlan::Existing { ca })
        }
        (None, Some(root_cn), Some(intermediate_cn)) => Ok(AuthorityPlan::New(NewHierarchy {
            root_cn,
            intermediate_cn,
            organization: file.organization,
            base_url: file.base_url,
            key_type: file.key_type.unwrap_or(KeyType::P256),
        })),
        _ => Err(PlanError::Authority { line }),
    }
}

fn entry(raw: EntryFile, line: usize, role_line: usize) -> Result<Entry, PlanError> {
    let path = raw.path.clone();
    let principal = Principal::parse(&raw.principal).map_err(|error| PlanError::Principal {
        line,
        path: path.clone(),
        error,
    })?;
    let text = raw.role.into_inner();
    if text.is_empty() {
        let principal = principal.to_string();
        return Err(PlanError::EmptyRole { line: role_line, principal, path });
    }
    let Ok(role) = text.parse() else {
        return Err(PlanError::UnknownRole { line: role_line, role: text });
    };
    let sans = raw.sans.iter().map(|san| SubjectAltName::parse(san)).collect::<Result<_, _>>();
    Ok(Entry {
        sans: sans.map_err(|error| PlanError::San {
            line,
            principal: principal.to_string(),
            error,
        })?,
        path,
        fingerprint: raw.fingerprint,
        principal,
        role,
        profile: Some(raw.profile).filter(|profile| !profile.is_empty()),
        key_type: raw.key_type,
        folder: raw.folder,
    })
}

/// Whether a name is one part of a path that stays where it is put.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && name.chars().all(|c| c != '/' && c != '\\' && !c.is_control())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SOUND: &str = r#"version = 1
from = "/old"
[authority]
ca_id = "prod_ca_1"

[[certificate]]
path = "a.pem"
subject = "CN=a"
fingerprint = "00"
old_keys = []
action = "replace"
principal = "a"
sans = ["dns:a"]
role = "client"
profile = ""
key_type = "p256"
folder = "a"
"#;

    fn error(text: &str) -> String {
        Plan::parse(text).unwrap_err().to_string()
    }

    #[test]
    fn a_sound_plan_is_read() {
        let plan = Plan::parse(SOUND).unwrap();
        assert_eq!(plan.authority, AuthorityPlan::Existing { ca: "prod_ca_1".to_owned() });
        assert_eq!(
            (plan.entries[0].role, plan.entries[0].profile.as_deref()),
            (Role::Client, None)
        );
        let skipped = SOUND.replace("replace", "skip").replace("\"client\"", "\"\"");
        assert!(Plan::parse(&skipped).unwrap().entries.is_empty(), "no role is needed to skip one");
    }

    #[test]
    fn faults_are_named_with_their_lines() {
        assert!(
            error(&SOUND.replace("\"client\"", "\"\""))
                .starts_with("line 14: the role of a (a.pem)")
        );
        assert!(error(&SOUND.replace("\"client\"", "\"boss\"")).contains("line 14: \"boss\""));
        assert!(
            error(&SOUND.replace("\"dns:a\"", "\"dns:a b\"")).starts_with("line 6: a name of a")
        );
        assert!(error(&SOUND.replace("principal = \"a\"", "principal = \"\"")).contains("a.pem"));
        assert!(error(&SOUND.replace("folder = \"a\"", "folder = \"../a\"")).contains("\"../a\""));
        assert!(error(&SOUND.replace("version = 1", "version = 2")).contains("version 2"));
        assert!(
            error(&SOUND.replace("ca_id = \"prod_ca_1\"", "")).starts_with("line 3: [authority]")
        );
        assert!(error(&SOUND.replace("profile", "profil")).contains("profil"));
        let twice =
            SOUND.replace("[[certificate]]", "").split_once("path").map(|(_, e)| e.to_owned());
        let twice = format!("{SOUND}\n[[certificate]]\npath{}", twice.unwrap());
        assert!(error(&twice).contains("twice"));
    }
}
