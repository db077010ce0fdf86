//! A certificate as the engine works on it: the view and its extensions, read once.

use std::cell::OnceCell;
use std::sync::Arc;

use rustmq_pki::read::SpkiRef;
use rustmq_pki::read::{CertificateRef, KnownExtensions, MAX_CERTIFICATE_SIZE, NameRef, ReadError};

use crate::budget::Budget;
use crate::error::{Detail, Label, Refusal, Rule};
use crate::path::names::{same_name, same_name_within};

/// A certificate with its extensions read.
#[derive(Clone, Debug)]
pub(crate) struct Certificate<'a> {
    pub(crate) view: CertificateRef<'a>,
    pub(crate) known: KnownExtensions<'a>,
    /// Found out when it is first asked for: a search asks for it again and again.
    self_issued: OnceCell<bool>,
    /// Made when it is first refused.
    label: OnceCell<Arc<Label>>,
}

impl<'a> Certificate<'a> {
    /// Reads a certificate, or says why it is none.
    pub(crate) fn read(der: &'a [u8]) -> Result<Self, Refusal> {
        let view = CertificateRef::read(der).map_err(unreadable)?;
        let known = view
            .extensions
            .known()
            .map_err(|error| unreadable(error).labelled(Arc::new(Label::of(&view))))?;
        Ok(Self::new(view, known))
    }

    pub(crate) fn new(view: CertificateRef<'a>, known: KnownExtensions<'a>) -> Self {
        Self { view, known, self_issued: OnceCell::new(), label: OnceCell::new() }
    }

    /// What it is called in a refusal.
    pub(crate) fn label(&self) -> &Arc<Label> {
        self.label.get_or_init(|| Arc::new(Label::of(&self.view)))
    }

    /// Whether subject and issuer are the same name (RFC 5280 3.2: self-issued).
    pub(crate) fn is_self_issued(&self) -> bool {
        *self.self_issued.get_or_init(|| same_name(&self.view.subject, &self.view.issuer))
    }

    /// The same, where it has not been found out yet at the cost of a budget.
    pub(crate) fn is_self_issued_within(&self, budget: &mut Budget) -> Result<bool, Refusal> {
        match self.self_issued.get() {
            Some(known) => Ok(*known),
            None => {
                let same = same_name_within(&self.view.subject, &self.view.issuer, budget)?;
                Ok(*self.self_issued.get_or_init(|| same))
            }
        }
    }
}

pub(crate) fn unreadable(error: ReadError) -> Refusal {
    match error {
        ReadError::TooLarge { found, .. } => Refusal::new(
            Rule::CertificateTooLarge,
            Detail::Count { found, limit: MAX_CERTIFICATE_SIZE },
        ),
        error => Refusal::new(Rule::Malformed, Detail::Read(error)),
    }
}

/// A trust anchor: a name and a key, and the certificate that they came in.
#[derive(Clone, Debug)]
pub(crate) struct Anchor<'a> {
    pub(crate) name: NameRef<'a>,
    pub(crate) spki: SpkiRef<'a>,
    pub(crate) certificate: Certificate<'a>,
}

impl<'a> Anchor<'a> {
    /// Reads the certificate of an anchor. Path validation takes its name and key only, so that an
    /// extension that cannot be read is no obstacle under the rule set `pkix`; it is kept as if it
    /// were absent, and the rule sets that look at anchors refuse it.
    pub(crate) fn read(der: &'a [u8]) -> Result<(Self, Option<ReadError>), Refusal> {
        let view = CertificateRef::read(der).map_err(unreadable)?;
        let (known, error) = match view.extensions.known() {
            Ok(known) => (known, None),
            Err(error) => (KnownExtensions::default(), Some(error)),
        };
        let anchor = Self {
            name: view.subject,
            spki: view.spki,
            certificate: Certificate::new(view, known),
        };
        Ok((anchor, error))
    }
}
