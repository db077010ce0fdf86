//! How CAs and certificates are called, and found again.

use rusqlite::Connection;
use rustmq_pki::serial::SerialNumber;

use crate::error::CaName;
use crate::store::{CaRow, CertificateRow, Fault, authorities, certificates};
use crate::{Error, describe};

/// The shortest beginning of a CA's fingerprint that is taken for one, in digits: shorter ones are
/// found by accident.
pub const SHORTEST_PREFIX: usize = 6;

/// How many near CAs an error names.
const NEAREST: usize = 3;

/// Whether `id` can be a CA's: it stands in URLs, file names and command lines.
pub(crate) fn is_ca_id(id: &str) -> bool {
    let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, b'_' | b'-');
    let first = id.bytes().next().is_some_and(|c| c.is_ascii_lowercase());
    first && id.len() <= 64 && id.bytes().all(allowed)
}

/// The prefix of an intermediate's id, by the word of its stage in its common name.
pub(crate) fn intermediate_prefix(common_name: &str) -> &'static str {
    let stages = [("production", "prod_ca"), ("staging", "staging_ca"), ("development", "dev_ca")];
    let lower = common_name.to_lowercase();
    let mut words = lower.split(|c: char| !c.is_alphanumeric());
    words
        .find_map(|word| stages.iter().find(|(stage, _)| *stage == word))
        .map_or("intermediate_ca", |(_, prefix)| prefix)
}

/// The CA that `name` means: an id, a common name, or a prefix of its certificate's fingerprint.
pub(crate) fn find_ca(connection: &Connection, name: &str) -> Result<CaRow, Fault> {
    if let Some(ca) = authorities::by_id(connection, name)? {
        return Ok(ca);
    }
    let all = authorities::all(connection)?;
    if all.is_empty() {
        return Err(Error::NoCa.into());
    }
    let by_name: Vec<_> = all.iter().filter(|ca| ca.common_name == name).collect();
    let found = match by_name.is_empty() {
        false => by_name,
        true => by_fingerprint(connection, &all, name)?,
    };
    match found.as_slice() {
        [ca] => Ok((*ca).clone()),
        [] => Err(Error::UnknownCa { name: name.to_owned(), nearest: nearest(&all, name) }.into()),
        several => {
            let candidates = several.iter().map(|ca| ca_name(ca)).collect();
            Err(Error::AmbiguousCa { name: name.to_owned(), candidates }.into())
        }
    }
}

fn by_fingerprint<'a>(
    connection: &Connection,
    all: &'a [CaRow],
    prefix: &str,
) -> Result<Vec<&'a CaRow>, Fault> {
    let prefix = prefix.to_ascii_lowercase();
    let mut found = Vec::new();
    if prefix.len() < SHORTEST_PREFIX || !prefix.bytes().all(|c| c.is_ascii_hexdigit()) {
        return Ok(found);
    }
    for ca in all {
        let row = certificates::by_number(connection, ca.certificate)?;
        let fingerprint = row.map(|row| row.certificate.fingerprint().to_string());
        found.extend(fingerprint.filter(|text| text.starts_with(&prefix)).map(|_| ca));
    }
    Ok(found)
}

fn ca_name(ca: &CaRow) -> CaName {
    CaName { id: ca.id.clone(), common_name: ca.common_name.clone() }
}

/// The CAs whose id or common name is nearest to what was typed.
fn nearest(all: &[CaRow], name: &str) -> Vec<CaName> {
    let wanted = name.to_lowercase();
    let distance = |text: &str| {
        let text = text.to_lowercase();
        if text.contains(&wanted) { 0 } else { edits(&text, &wanted) }
    };
    let mut ranked: Vec<_> =
        all.iter().map(|ca| (distance(&ca.id).min(distance(&ca.common_name)), ca)).collect();
    ranked.sort_by_key(|(distance, ca)| (*distance, ca.number));
    ranked.into_iter().take(NEAREST).map(|(_, ca)| ca_name(ca)).collect()
}

/// Levenshtein distance in characters. Names of CAs have at most 64.
fn edits(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().take(256).collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (at, c) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = at + 1;
        for (column, d) in other.iter().enumerate() {
            let replaced = diagonal + usize::from(c != *d);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[other.len()]
}

/// The certificate that `name` means: an id such as `cert-17`, or a serial number.
pub(crate) fn find_certificate(
    connection: &Connection,
    name: &str,
) -> Result<CertificateRow, Fault> {
    let unknown = || Fault::from(Error::UnknownCertificate { name: name.to_owned() });
    if let Some(number) = describe::certificate_number(name) {
        return certificates::by_number(connection, number)?.ok_or_else(unknown);
    }
    let serial: SerialNumber = name.parse().map_err(|_| unknown())?;
    if let Some(row) = certificates::by_serial(connection, &serial)? {
        return Ok(row);
    }
    match certificates::abandoned(connection, Some(&serial))?.pop() {
        None => Err(unknown()),
        Some(abandoned) => Err(Error::AbandonedSerial {
            serial: abandoned.serial,
            principal: abandoned.principal,
            at: abandoned.abandoned_at,
        }
        .into()),
    }
}

/// The same for an end entity's.
pub(crate) fn find_end_entity(
    connection: &Connection,
    name: &str,
) -> Result<CertificateRow, Fault> {
    let row = find_certificate(connection, name)?;
    let Some(subject) = row.subject_authority else { return Ok(row) };
    let ca = authorities::by_number(connection, subject)?.map(|ca| ca.id).unwrap_or_default();
    Err(Error::IsCaCertificate { serial: row.certificate.serial().to_string(), ca }.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_intermediates_prefix_follows_the_word_of_its_stage() {
        for (name, prefix) in [
            ("Production CA", "prod_ca"),
            ("RustMQ production", "prod_ca"),
            ("Staging-CA 2", "staging_ca"),
            ("Development CA", "dev_ca"),
            ("RustMQ Intermediate CA", "intermediate_ca"),
            ("Reproduction CA", "intermediate_ca"),
        ] {
            assert_eq!(intermediate_prefix(name), prefix, "{name}");
        }
    }

    #[test]
    fn ids_are_short_and_plain() {
        for id in ["root_ca_1", "a", "edge-2"] {
            assert!(is_ca_id(id), "{id}");
        }
        for id in ["", "1a", "Root", "a/b", "a b", "..", &"a".repeat(65)] {
            assert!(!is_ca_id(id), "{id}");
        }
    }

    #[test]
    fn edits_count_characters() {
        for (one, other, distance) in
            [("", "", 0), ("abc", "abc", 0), ("abc", "abd", 1), ("prod", "prood", 1), ("", "ab", 2)]
        {
            assert_eq!(edits(one, other), distance, "{one} {other}");
        }
    }
}
