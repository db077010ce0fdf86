//! Which role a principal shall have: said by the operator, never by the old certificate.

use std::collections::BTreeMap;
use std::path::Path;

use rustmq_pki::role::Role;

use super::error::MigrationError;
use crate::cmd::input::{self, toml_error};
use crate::error::CliError;

/// Patterns of principals, each with a role.
#[derive(Clone, Debug, Default)]
pub(crate) struct RoleRules(Vec<(String, Role)>);

impl RoleRules {
    /// Adds a pattern: `*` stands for any characters, `?` for one.
    pub(crate) fn add(&mut self, pattern: impl Into<String>, role: Role) {
        self.0.push((pattern.into(), role));
    }

    /// Adds the lines of a file: a TOML table of patterns and roles.
    pub(crate) fn add_file(&mut self, path: &Path) -> Result<(), CliError> {
        let unusable = |why: String| CliError::Unusable { path: path.display().to_string(), why };
        let text = input::text(path)?;
        let table: BTreeMap<String, Role> =
            toml::from_str(&text).map_err(|error| unusable(toml_error(&error, &text)))?;
        self.0.extend(table);
        Ok(())
    }

    /// The role of a principal; none where no pattern matches.
    pub(crate) fn role_of(&self, principal: &str) -> Result<Option<Role>, MigrationError> {
        let mut found: Option<(&str, Role)> = None;
        for (pattern, role) in self.0.iter().filter(|(pattern, _)| matches(pattern, principal)) {
            match found {
                Some((_, other)) if other != *role => {
                    return Err(MigrationError::TwoRoles {
                        principal: principal.to_owned(),
                        one: other,
                        other: *role,
                    });
                }
                _ => found = Some((pattern, *role)),
            }
        }
        Ok(found.map(|(_, role)| role))
    }

    /// The patterns that match none of these principals.
    pub(crate) fn unused<'a>(&'a self, principals: &'a [&str]) -> impl Iterator<Item = &'a str> {
        let idle = |pattern: &str| !principals.iter().any(|principal| matches(pattern, principal));
        self.0.iter().map(|(pattern, _)| pattern.as_str()).filter(move |pattern| idle(pattern))
    }
}

/// Whether a pattern matches a whole text. Of several `*` the last one alone is tried again, which is
/// enough, so that the work is at most the product of the two lengths.
fn matches(pattern: &str, text: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let text: Vec<char> = text.chars().collect();
    let (mut p, mut t) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        if pattern.get(p) == Some(&'*') {
            star = Some((p, t));
            p += 1;
        } else if pattern.get(p).is_some_and(|c| *c == '?' || *c == text[t]) {
            p += 1;
            t += 1;
        } else if let Some((at, from)) = star {
            star = Some((at, from + 1));
            p = at + 1;
            t = from + 1;
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns() {
        for (pattern, text) in [
            ("*", ""),
            ("*", "a"),
            ("broker-*", "broker-01"),
            ("b?oker", "broker"),
            ("*@*.com", "a@b.c.com"),
            ("a*b*c", "axbxbc"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in
            [("", "a"), ("broker-*", "abroker-1"), ("?", ""), ("a*b", "ab2"), ("A", "a")]
        {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn two_patterns_may_agree_and_not_disagree() {
        let mut rules = RoleRules::default();
        rules.add("broker-*", Role::Broker);
        rules.add("*-01", Role::Broker);
        rules.add("app-*", Role::Client);
        assert_eq!(rules.role_of("broker-01").unwrap(), Some(Role::Broker));
        assert_eq!(rules.role_of("else").unwrap(), None);
        assert!(matches!(rules.role_of("app-01"), Err(MigrationError::TwoRoles { .. })));
        assert_eq!(rules.unused(&["broker-7"]).collect::<Vec<_>>(), ["*-01", "app-*"]);
    }
}
