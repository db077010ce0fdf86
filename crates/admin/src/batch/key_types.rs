//! The types of the keys that are made.

use rustmq_ca::batch::Batch;
use rustmq_pki::key::software::SoftwareKey;
use rustmq_pki::key::{KeyType, PublicKey};

use super::issuer::is_about_the_row;
use super::row::{KeySource, Row};

/// The types of the keys that are made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KeyTypes {
    /// One for all rows.
    One(KeyType),
    /// For each row that of the certificate which it renews.
    AsBefore,
}

impl KeyTypes {
    /// The type for a row whose key is made. The certificate that it renews is looked up on this thread.
    pub(crate) fn of(self, batch: &Batch, row: &Row) -> Result<KeyType, rustmq_ca::Error> {
        match (self, &row.key) {
            (Self::One(key_type), _) => Ok(key_type),
            (Self::AsBefore, KeySource::Renews(certificate)) => batch.key_type_of(certificate),
            (Self::AsBefore, KeySource::Made | KeySource::Csr(_)) => Ok(KeyType::P256),
        }
    }
}

/// Keys that stand for those that will be made: the rules for keys know types only.
#[derive(Debug)]
pub(crate) struct Samples {
    types: KeyTypes,
    made: Vec<PublicKey>,
}

impl Samples {
    /// None so far.
    pub(crate) fn new(types: KeyTypes) -> Self {
        Self { types, made: Vec::new() }
    }

    /// The sample for a row.
    pub(crate) fn of(&mut self, batch: &Batch, row: &Row) -> Result<PublicKey, rustmq_ca::Error> {
        let key_type = match self.types.of(batch, row) {
            // The check of the row tells what is wrong with it, whatever the key.
            Err(error) if is_about_the_row(&error) => KeyType::P256,
            found => found?,
        };
        if let Some(sample) = self.made.iter().find(|made| made.key_type() == key_type) {
            return Ok(sample.clone());
        }
        let sample = SoftwareKey::generate(key_type)?.into_public_key();
        self.made.push(sample.clone());
        Ok(sample)
    }
}
