//! `migrate plan`.

use std::path::{Path, PathBuf};

use clap::Args;
use rustmq_pki::key::KeyType;
use rustmq_pki::role::Role;
use serde_json::{Value, json};

use crate::cmd::destination::Destination;
use crate::error::CliError;
use crate::files::Existing;
use crate::migrate::{AuthorityPlan, Draft, NewHierarchy, RoleRules};
use crate::output::{Report, Table, Tone, count};
use crate::scan::{self, Terms};
use crate::session::Session;
use crate::values;

/// Read a deployment, and write a plan for a person to review.
#[derive(Debug, Args)]
pub(crate) struct Plan {
    /// Directory of the old deployment; nothing in it is changed
    #[arg(long, value_name = "DIR")]
    from: PathBuf,
    /// File for the plan; - writes it to standard output
    #[arg(long, short, value_name = "FILE")]
    output: Destination,
    /// Replace the file if it exists
    #[arg(long)]
    force: bool,
    /// CA that issues the new certificates [default: a new hierarchy]
    #[arg(long, value_name = "CA", conflicts_with_all = ["root_cn", "intermediate_cn", "org", "base_url", "ca_key_type"])]
    ca_id: Option<String>,
    /// Common name of the new root
    #[arg(long, value_name = "NAME", default_value = "RustMQ Root CA")]
    root_cn: String,
    /// Common name of the new CA under it
    #[arg(long, value_name = "NAME", default_value = "Production CA")]
    intermediate_cn: String,
    /// Organisation (O) of the new root
    #[arg(long, value_name = "NAME")]
    org: Option<String>,
    /// HTTP address under which status will be found; it cannot be added later
    #[arg(long, value_name = "URL")]
    base_url: Option<String>,
    /// Type of the keys of the new hierarchy
    #[arg(long, value_name = "TYPE", value_parser = values::key_type(), default_value = "p256")]
    ca_key_type: KeyType,
    /// File of roles: lines such as  "broker-*" = "broker"
    #[arg(long, value_name = "FILE")]
    role_map: Option<PathBuf>,
    /// Role of the principals that the --match with the same position is for; any number of pairs
    #[arg(long, value_name = "ROLE", value_parser = values::role(), requires = "match")]
    role: Vec<Role>,
    /// Pattern of principals: * stands for any characters, ? for one
    #[arg(long, value_name = "GLOB", requires = "role")]
    r#match: Vec<String>,
}

impl Plan {
    /// Scans and writes the plan.
    pub(crate) fn run(&self, session: &Session) -> Result<Report, CliError> {
        let existing = Existing::by_force(self.force);
        self.output.check_free(existing, session)?;
        let rules = self.rules()?;
        let from = self.from.canonicalize().map_err(|error| self.unusable(error.to_string()))?;
        if from.to_str().is_none() {
            return Err(self.unusable("its name is not Unicode, and a plan is text".to_owned()));
        }
        if !from.is_dir() {
            let why = "it is no directory: unpack an archive first, so that its certificates can be \
                       moved aside in the end";
            return Err(self.unusable(why.to_owned()));
        }
        let survey = scan::scan(&from, Terms::UNDATED)?;
        let draft = Draft::new(from, self.authority(), &survey, &rules, session.now())?;
        let text = draft.text();
        self.output.write(text.as_bytes(), existing, session.output)?;
        let unread = survey.findings.iter().filter(|finding| finding.fault.is_unread()).count();
        let note = (unread > 0).then(|| {
            let files = count(unread as u64, "file");
            format!("{files} could not be read or followed: rustmq-admin certs scan  names them")
        });
        let none = "there is no certificate to replace in it".to_owned();
        let notes = note.into_iter().chain(draft.entries.is_empty().then_some(none));
        match self.output.file() {
            Some(file) => Ok(self.report(file, &draft, &rules).notes(notes)),
            None => {
                notes.for_each(|note| session.output.note(&note));
                Ok(Report::silent())
            }
        }
    }

    fn unusable(&self, why: String) -> CliError {
        CliError::Unusable { path: self.from.display().to_string(), why }
    }

    fn rules(&self) -> Result<RoleRules, CliError> {
        if self.role.len() != self.r#match.len() {
            return Err(CliError::Flags {
                what: "every --role goes with one --match",
                instead: "write them in pairs, such as  --role broker --match 'broker-*'",
            });
        }
        let mut rules = RoleRules::default();
        if let Some(file) = &self.role_map {
            rules.add_file(file)?;
        }
        for (role, pattern) in self.role.iter().zip(&self.r#match) {
            rules.add(pattern, *role);
        }
        Ok(rules)
    }

    fn authority(&self) -> AuthorityPlan {
        match &self.ca_id {
            Some(ca) => AuthorityPlan::Existing { ca: ca.clone() },
            None => AuthorityPlan::New(NewHierarchy {
                root_cn: self.root_cn.clone(),
                intermediate_cn: self.intermediate_cn.clone(),
                organization: self.org.clone(),
                base_url: self.base_url.clone(),
                key_type: self.ca_key_type,
            }),
        }
    }

    fn report(&self, file: &Path, draft: &Draft, rules: &RoleRules) -> Report {
        let plan = file.display().to_string();
        let unassigned = draft.unassigned();
        let records: Vec<Value> = draft
            .entries
            .iter()
            .map(|entry| {
                json!({
                    "path": entry.path,
                    "principal": entry.principal,
                    "role": entry.role.map(Role::as_str),
                    "remarks": entry.remarks,
                })
            })
            .collect();
        let anchors: Vec<_> = draft.anchors.iter().map(|anchor| &anchor.subject).collect();
        let principals: Vec<&str> =
            draft.entries.iter().map(|entry| entry.principal.as_str()).collect();
        let unused = rules.unused(&principals);
        let unused: Vec<_> = unused.map(|p| format!("no principal matches {p}")).collect();
        let summary = format!(
            "{plan}: {} to replace, {} to fill in",
            count(draft.entries.len() as u64, "certificate"),
            count(unassigned as u64, "role"),
        );
        let fill = if unassigned == 0 { "review it, then" } else { "fill in the roles, then" };
        let report =
            Report::many("certificates", records, &["path", "principal", "role", "remarks"])
                .with("plan", plan.clone())
                .with("unassigned", unassigned)
                .with("old_cas", json!(anchors))
                .table(table(draft))
                .lines(vec![vec![(summary, Tone::Strong)]])
                .notes(unused);
        match draft.entries.is_empty() {
            true => report,
            false => report
                .next(format!("{fill}  rustmq-admin migrate apply --plan {plan} --output DIR")),
        }
    }
}

fn table(draft: &Draft) -> Table {
    let mut table =
        Table::new(&["principal", "role", "old certificate", "remarks"], "no certificates");
    for entry in &draft.entries {
        let role = match entry.role {
            Some(role) => (role.to_string(), Tone::Plain),
            None => ("to be filled in".to_owned(), Tone::Warning),
        };
        table.push(vec![
            (entry.principal.clone(), Tone::Strong),
            role,
            (entry.path.clone(), Tone::Plain),
            (entry.remarks.join("; "), Tone::Warning),
        ]);
    }
    table
}
