//! The authority as a batch sees it: rows in, what is wrong with them or their certificates out.

use rustmq_ca::batch::{Batch, BatchIssued, BatchRow, CheckedRow, RowKey};
use rustmq_ca::{Error, ErrorKind, RenewalKey};
use rustmq_pki::certificate::Certificate;
use rustmq_pki::der::{List, Reader, tag};
use rustmq_pki::key::PublicKey;
use rustmq_pki::oid;
use rustmq_pki::profile::{Note, Refusal, Validity};
use rustmq_pki::read::{GeneralName, role_names};
use rustmq_pki::role::Role;

use super::delivery::Certified;
use super::row::{Column, KeySource, Place, Row};
use super::row_errors::RowError;

/// What the command line says for rows that do not.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Defaults {
    /// `--validity-days`.
    pub(crate) validity: Validity,
}

/// A row with its key, ready for the authority.
pub(crate) fn request(row: Row, key: Option<PublicKey>, defaults: Defaults) -> Option<BatchRow> {
    let subject = match (row.key, key) {
        (KeySource::Made, Some(key)) => RowKey::PublicKey(key),
        (KeySource::Csr(csr), _) => RowKey::Csr(csr),
        (KeySource::Renews(certificate), Some(key)) => {
            RowKey::Renews { certificate, key: RenewalKey::New(key) }
        }
        (KeySource::Made | KeySource::Renews(_), None) => return None,
    };
    Some(BatchRow {
        row: row.place.row,
        principal: row.principal,
        role: row.role,
        profile: None,
        sans: row.sans,
        validity: row.validity_days.map_or(defaults.validity, Validity::Days),
        subject,
    })
}

/// What there is to say of a row that passed the authority's rules.
pub(crate) enum Passed {
    /// Its notes; its key is made later.
    Noted(Vec<Note>),
    /// The same, and what the store is asked about the key that it brought.
    Checked(CheckedRow),
}

/// A row that passed the authority's rules or what is wrong with it, or why none can be judged.
pub(crate) fn check(
    batch: &Batch,
    place: Place,
    row: BatchRow,
) -> Result<Result<Passed, RowError>, Error> {
    let key_column = key_column(&row.subject);
    let passed = match &row.subject {
        RowKey::Csr(_) => batch.check(&row).map(Passed::Checked),
        RowKey::PublicKey(_) | RowKey::Renews { .. } => batch.judge(row).map(Passed::Noted),
    };
    match passed {
        Ok(passed) => Ok(Ok(passed)),
        Err(error) if is_about_the_row(&error) => {
            let column = column(&error, key_column);
            let message = match help(&error) {
                Some(help) => format!("{error}; {help}"),
                None => error.to_string(),
            };
            Ok(Err(place.error(column, message)))
        }
        Err(error) => Err(error),
    }
}

/// Whether other rows may be good all the same.
pub(crate) fn is_about_the_row(error: &Error) -> bool {
    match error {
        Error::CaRetired { .. } | Error::CaRevoked { .. } | Error::CaExpired { .. } => false,
        Error::UnknownCertificate { .. } | Error::IsCaCertificate { .. } => true,
        Error::NoProfile | Error::ProfileRole { .. } | Error::NoPrincipal => true,
        other => other.kind() == ErrorKind::Refused,
    }
}

/// The column that a row's key comes from.
fn key_column(subject: &RowKey) -> Column {
    match subject {
        RowKey::Csr(_) => Column::Csr,
        RowKey::Renews { .. } => Column::Certificate,
        RowKey::PublicKey(_) => Column::Row,
    }
}

fn column(error: &Error, of_key: Column) -> Column {
    match error {
        _ if of_key == Column::Certificate => Column::Certificate,
        Error::Gate(refusal) => match refusal {
            Refusal::Principal { .. } | Refusal::SubjectIsIssuer(_) => Column::Principal,
            Refusal::ServerWithoutName { .. }
            | Refusal::SanKind { .. }
            | Refusal::SanPattern { .. }
            | Refusal::SanTwice(_)
            | Refusal::TooManySans(_)
            | Refusal::SpiffeIdAsked(_)
            | Refusal::SecondUri(..)
            | Refusal::NameConstraints(_)
            | Refusal::WildcardWithoutServer(_) => Column::San,
            Refusal::ValidityNotPositive(_)
            | Refusal::ValidityBeyondCalendar(_)
            | Refusal::ValidityBeyondProfile { .. }
            | Refusal::ValidityBeyondIssuer { .. }
            | Refusal::IssuerEndsTooSoon { .. } => Column::ValidityDays,
            _ => of_key,
        },
        Error::NoProfile | Error::ProfileRole { .. } => Column::Role,
        _ => of_key,
    }
}

/// What would be right, in the words of a file: there are no flags in a row.
fn help(error: &Error) -> Option<String> {
    let text = match error {
        Error::Gate(Refusal::ServerWithoutName { .. }) => {
            "write one in san, such as dns:broker-01.example.com; an application's role is client"
        }
        Error::Gate(Refusal::SanKind { allowed, .. }) if allowed.is_empty() => "leave san empty",
        Error::Gate(refusal) => return refusal.help(),
        Error::NoProfile => "write a role here, or give --role for all rows that have none",
        Error::UnknownCertificate { .. } => "certs list shows ids and serial numbers",
        _ => return None,
    };
    Some(text.to_owned())
}

/// What was issued; of a certificate that comes out of the store, as it tells itself.
pub(crate) fn certified(issued: BatchIssued) -> Option<Certified> {
    let BatchIssued { row, number, certificate, principal, role, replayed, .. } = issued;
    let (principal, role) = match replayed {
        true => identity(&certificate)?,
        false => (principal, role.of_end_entity()?),
    };
    Some(Certified { row, principal, role, number, certificate })
}

/// The principal and the role that a certificate of this authority names: the two values and no other,
/// since a million certificates may be read here.
fn identity(certificate: &Certificate) -> Option<(String, Role)> {
    let view = certificate.view();
    let name = view.subject.values_of(oid::COMMON_NAME).last()?.text()?.into_owned();
    let mut attributes =
        Reader::new(view.extensions.find(oid::SUBJECT_DIRECTORY_ATTRIBUTES)?.value);
    let attributes = List::from_contents(attributes.contents(tag::SEQUENCE).ok()?).ok()?;
    let role = role_names(attributes).ok()?.into_iter().find_map(|name| match name {
        GeneralName::Uri(uri) => Role::from_uri(std::str::from_utf8(uri).ok()?),
        _ => None,
    });
    Some((name, role?))
}
