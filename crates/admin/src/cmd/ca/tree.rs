//! `ca tree`: the hierarchy, drawn.

use clap::Args;
use rustmq_ca::{CaInfo, CaStatus, CaTree, CertificateRole};
use rustmq_pki::time::UnixTime;
use serde_json::Value;

use crate::cmd::show::{CA_COLUMNS, ca_record, end_tone};
use crate::error::CliError;
use crate::output::{Report, Tone, grouped, time_left};
use crate::session::Session;

/// Draw the hierarchy with what is left of each CA and what it issued.
#[derive(Debug, Args)]
pub(crate) struct Tree {}

impl Tree {
    /// Draws it.
    pub(crate) async fn run(&self, session: &Session) -> Result<Report, CliError> {
        let roots = session.reader()?.ca_tree().await?;
        let mut rows = Vec::new();
        let mut records = Vec::new();
        for root in &roots {
            draw(root, "", "", &mut rows);
            collect(root, &mut records);
        }
        let lines = align(&rows, session.now(), session.output.columns());
        let drawn = roots.iter().map(nested).collect();
        Ok(Report::many("cas", records, CA_COLUMNS)
            .replacing("cas", "roots", Value::Array(drawn))
            .lines(lines))
    }
}

/// A line of the drawing before its columns are aligned.
enum Row<'a> {
    /// `below` stands before what hangs from the CA, and before what did not fit beside it.
    Ca {
        drawn: String,
        below: String,
        ca: &'a CaInfo,
    },
    Role {
        drawn: String,
        active: u64,
    },
}

impl Row<'_> {
    fn drawn(&self) -> &str {
        match self {
            Self::Ca { drawn, .. } | Self::Role { drawn, .. } => drawn,
        }
    }
}

/// `lead` stands before the CA itself, `below` before what hangs from it.
fn draw<'a>(tree: &'a CaTree, lead: &str, below: &str, rows: &mut Vec<Row<'a>>) {
    use CertificateRole::{IntermediateCa, RootCa};
    let ca = &tree.ca;
    let drawn = format!("{lead}{} ({})", ca.common_name, ca.id);
    rows.push(Row::Ca { drawn, below: below.to_owned(), ca });
    let roles: Vec<_> = ca
        .counts
        .iter()
        .filter(|of| !matches!(of.role, RootCa | IntermediateCa) && of.active > 0)
        .collect();
    let last = roles.len() + tree.children.len();
    let branch =
        |nth: usize| if nth == last { ("└── ", "    ") } else { ("├── ", "│   ") };
    for (nth, of) in roles.iter().enumerate() {
        let drawn = format!("{below}{}{}", branch(nth + 1).0, of.role);
        rows.push(Row::Role { drawn, active: of.active });
    }
    for (nth, child) in tree.children.iter().enumerate() {
        let (corner, rest) = branch(roles.len() + nth + 1);
        draw(child, &format!("{below}{corner}"), &format!("{below}{rest}"), rows);
    }
}

fn align(rows: &[Row<'_>], now: UnixTime, columns: Option<u16>) -> Vec<Vec<(String, Tone)>> {
    let width = rows.iter().map(|row| row.drawn().chars().count()).max().unwrap_or(0) + 3;
    if rows.is_empty() {
        return vec![vec![("no CAs: rustmq-admin ca init creates the first".into(), Tone::Faint)]];
    }
    // Where the longest name leaves no room for what is said of it, nothing is aligned to it.
    let width = columns.map_or(width, |columns| width.min(usize::from(columns).saturating_sub(24)));
    rows.iter()
        .flat_map(|row| {
            let padded = format!("{:width$}", row.drawn());
            match row {
                Row::Ca { below, ca, .. } => fit(ca_line(padded, ca, now), below, columns),
                Row::Role { active, .. } => {
                    let count = (format!("{:>10}", grouped(*active)), Tone::Plain);
                    vec![vec![(padded, Tone::Plain), count]]
                }
            }
        })
        .collect()
}

/// Breaks a line between its pieces where it is wider than the terminal.
fn fit(pieces: Vec<(String, Tone)>, below: &str, columns: Option<u16>) -> Vec<Vec<(String, Tone)>> {
    let Some(columns) = columns.map(usize::from) else { return vec![pieces] };
    let (mut lines, mut line, mut used) = (Vec::new(), Vec::new(), 0);
    for (text, tone) in pieces {
        let needed = text.trim_end().chars().count();
        if used > 0 && used + needed > columns {
            lines.push(std::mem::take(&mut line));
            let rest = text.trim_start_matches([' ', '·']).to_owned();
            let lead = format!("{below}  ");
            used = lead.chars().count() + rest.chars().count();
            line.extend([(lead, Tone::Plain), (rest, tone)]);
        } else {
            used += text.chars().count();
            line.push((text, tone));
        }
    }
    lines.push(line);
    lines
}

fn ca_line(drawn: String, ca: &CaInfo, now: UnixTime) -> Vec<(String, Tone)> {
    let end = ca.certificate.not_after;
    let mut line = vec![
        (drawn, Tone::Strong),
        (format!("{:>10}", time_left(now, end)), end_tone(now, end)),
        (format!("   {:<9}", ca.certificate.key_type), Tone::Plain),
    ];
    let sum = |of: fn(&rustmq_ca::RoleCount) -> u64| ca.counts.iter().map(of).sum::<u64>();
    let (active, expiring, revoked) = (sum(|c| c.active), sum(|c| c.expiring), sum(|c| c.revoked));
    if ca.status != CaStatus::Active {
        line.push((format!("  {}", ca.status), Tone::Bad));
    }
    let counts = [
        (active, "active", Tone::Plain),
        (expiring, "end within 14 days", Tone::Warning),
        (revoked, "revoked", Tone::Plain),
    ];
    for (nth, (count, what, tone)) in counts.iter().filter(|of| of.0 > 0).enumerate() {
        let lead = if nth == 0 { "  " } else { " · " };
        line.push((format!("{lead}{} {what}", grouped(*count)), *tone));
    }
    line
}

/// A CA's record with those below it.
fn nested(tree: &CaTree) -> Value {
    let mut record = ca_record(&tree.ca);
    record["children"] = tree.children.iter().map(nested).collect();
    record
}

fn collect(tree: &CaTree, records: &mut Vec<Value>) {
    records.push(ca_record(&tree.ca));
    tree.children.iter().for_each(|child| collect(child, records));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_that_is_wider_than_the_terminal_is_broken_between_its_pieces() {
        let piece = |text: &str| (text.to_owned(), Tone::Plain);
        let pieces = vec![
            piece("├── Production CA (prod_ca_1)   "),
            piece(" 5 y left"),
            piece("   p256     "),
            piece("  1,204 active"),
            piece(" · 3 end within 14 days"),
        ];
        let text = |columns| -> Vec<String> {
            let lines = fit(pieces.clone(), "│   ", columns);
            let joined = |line: &Vec<(String, Tone)>| line.iter().map(|p| p.0.as_str()).collect();
            lines.iter().map(joined).collect()
        };
        assert_eq!(text(None).len(), 1);
        assert_eq!(text(Some(100)).len(), 1);
        let narrow = text(Some(44));
        assert!(narrow.len() > 1, "{narrow:?}");
        assert!(narrow.iter().all(|line| line.trim_end().chars().count() <= 44), "{narrow:?}");
        assert!(narrow[1].starts_with("│     "), "{narrow:?}");
        assert!(narrow.concat().contains("3 end within 14 days"), "{narrow:?}");
    }
}
