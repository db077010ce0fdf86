//! What is to be known of rows although nothing is wrong with them: one line a kind, not one a row.

use rustmq_ca::CertificateStatus;
use rustmq_ca::batch::BatchIssued;
use rustmq_pki::profile::Note;
use serde_json::{Value, json};

use crate::output::count;

/// What a note is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NoteKind {
    /// A name was taken from the principal.
    SanFromPrincipal,
    /// The issuer ends before the profile's default validity would.
    ShortenedToIssuer,
    /// Something that a request asks for is left out.
    Overridden,
    /// Something that a request does not ask for is added.
    Added,
    /// The certificates do not say where their status can be asked.
    NoStatusAddresses,
    /// Issued by an earlier run, and revoked or put on hold before it was delivered.
    RevokedSince,
    /// Issued by an earlier run, and over before it was delivered.
    EndedSince,
}

impl NoteKind {
    fn of(note: &Note) -> Self {
        match note {
            Note::SanFromPrincipal(_) => Self::SanFromPrincipal,
            Note::ShortenedToIssuer { .. } => Self::ShortenedToIssuer,
            Note::Overridden(_) => Self::Overridden,
            Note::Added(_) => Self::Added,
            Note::NoStatusAddresses => Self::NoStatusAddresses,
        }
    }

    /// A name for machines that stays as it is.
    const fn code(self) -> &'static str {
        match self {
            Self::SanFromPrincipal => "san_from_principal",
            Self::ShortenedToIssuer => "shortened_to_issuer",
            Self::Overridden => "overridden",
            Self::Added => "added",
            Self::NoStatusAddresses => "no_status_addresses",
            Self::RevokedSince => "revoked_since",
            Self::EndedSince => "ended_since",
        }
    }
}

/// The notes of all rows.
#[derive(Debug, Default)]
pub(crate) struct RowNotes {
    /// A handful of kinds, in the order in which they were met.
    kinds: Vec<NotesOfKind>,
}

/// The notes of one kind.
#[derive(Debug)]
struct NotesOfKind {
    kind: NoteKind,
    rows: u64,
    /// The first row that has one, and what it says.
    first: u64,
    message: String,
}

impl RowNotes {
    /// Adds the notes of a row that was checked.
    pub(crate) fn add(&mut self, row: u64, notes: &[Note]) {
        for (nth, note) in notes.iter().enumerate() {
            let kind = NoteKind::of(note);
            // A request with several things left out is one row.
            if !notes[..nth].iter().any(|before| NoteKind::of(before) == kind) {
                self.note(row, kind, || note.to_string());
            }
        }
    }

    /// Adds a note of a row.
    pub(crate) fn note(&mut self, row: u64, kind: NoteKind, message: impl FnOnce() -> String) {
        match self.kinds.iter_mut().find(|known| known.kind == kind) {
            Some(known) => known.rows += 1,
            None => self.kinds.push(NotesOfKind { kind, rows: 1, first: row, message: message() }),
        }
    }

    /// Adds what became of a certificate that an earlier run had issued.
    pub(crate) fn since(&mut self, issued: &BatchIssued) {
        let (kind, what) = match issued.status {
            CertificateStatus::Active => return,
            CertificateStatus::Expired => (NoteKind::EndedSince, "has ended"),
            CertificateStatus::OnHold => (NoteKind::RevokedSince, "was put on hold"),
            CertificateStatus::Revoked | CertificateStatus::Superseded => {
                (NoteKind::RevokedSince, "was revoked")
            }
        };
        let number = issued.number;
        self.note(issued.row, kind, || {
            format!("cert-{number} {what} since it was issued; it is delivered all the same")
        });
    }

    /// Adds the notes of later rows.
    pub(crate) fn extend(&mut self, later: Self) {
        for new in later.kinds {
            match self.kinds.iter_mut().find(|known| known.kind == new.kind) {
                Some(known) => known.rows += new.rows,
                None => self.kinds.push(new),
            }
        }
    }

    /// A line a kind.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        self.kinds.iter().map(|of| {
            let NotesOfKind { rows, first, message, .. } = of;
            match rows {
                1 => format!("row {first}: {message}"),
                _ => format!("{}, the first is row {first}: {message}", count(*rows, "row")),
            }
        })
    }

    /// The same for machines.
    pub(crate) fn to_json(&self) -> Vec<Value> {
        let object = |of: &NotesOfKind| {
            json!({
                "code": of.kind.code(),
                "rows": of.rows,
                "first_row": of.first,
                "message": of.message,
            })
        };
        self.kinds.iter().map(object).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kind_is_one_line_with_its_rows_and_the_first_of_them() {
        let mut notes = RowNotes::default();
        let left_out = |what: &str| Note::Overridden(what.to_owned());
        notes.add(3, &[left_out("an e-mail address"), left_out("a key usage")]);
        notes.add(4, &[Note::NoStatusAddresses, left_out("a lifetime")]);
        notes.add(9, &[]);
        let mut later = RowNotes::default();
        later.add(1_200, &[Note::NoStatusAddresses]);
        notes.extend(later);
        let lines: Vec<_> = notes.lines().collect();
        let said = "left out, as the profile decides: an e-mail address";
        assert_eq!(lines[0], format!("2 rows, the first is row 3: {said}"));
        assert!(lines[1].starts_with("2 rows, the first is row 4: no CRL or OCSP address"));
        assert_eq!(lines.len(), 2);
        assert_eq!(notes.to_json()[0]["code"], "overridden");
        assert_eq!(
            (&notes.to_json()[0]["rows"], &notes.to_json()[0]["message"]),
            (&2.into(), &said.into())
        );
    }
}
