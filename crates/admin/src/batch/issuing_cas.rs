//! The CAs above a batch's certificates, as its folders hold them.
//!
//! A CA that was renewed has another certificate for the same name and key, and a folder holds that of its
//! day. Each of the authority's own is right, in its place.

use rustmq_ca::{CertificateManager, ListFilter};
use rustmq_pki::certificate::Certificate;

use crate::error::CliError;

/// What may stand in each place of the chain, the issuing CA first, the root last.
#[derive(Clone)]
pub(super) struct IssuingCas {
    places: Vec<Place>,
    /// Whether those of earlier days are among them.
    are_all: bool,
}

#[derive(Clone)]
struct Place {
    today: Certificate,
    /// Its certificates, PEM.
    known: Vec<String>,
}

impl IssuingCas {
    /// Those of today.
    pub(super) fn of_today(chain: &[Certificate]) -> Self {
        let place = |ca: &Certificate| Place { today: ca.clone(), known: vec![ca.to_pem()] };
        Self { places: chain.iter().map(place).collect(), are_all: false }
    }

    /// Adds those of earlier days, as the store has them. Whether there were any that were not known.
    pub(super) async fn look_up_earlier(
        &mut self,
        manager: &CertificateManager,
    ) -> Result<bool, CliError> {
        if self.are_all {
            return Ok(false);
        }
        self.are_all = true;
        let mut found = false;
        for place in &mut self.places {
            let principal = manager.info(&place.today.serial().to_string()).await?.principal;
            let filter = ListFilter { principal: Some(principal), ..ListFilter::default() };
            for info in manager.list(filter).await? {
                let earlier = manager.bundle(&info.id).await?.certificate;
                let pem = earlier.to_pem();
                if place.is_same_ca(&earlier) && !place.known.contains(&pem) {
                    place.known.push(pem);
                    found = true;
                }
            }
        }
        Ok(found)
    }

    /// Whether this is the chain without the root, as it stands behind a certificate.
    pub(super) fn are_issuers(&self, pem: &[u8]) -> bool {
        are(&self.places[..self.places.len().saturating_sub(1)], pem)
    }

    /// Whether this is the whole chain.
    pub(super) fn are_chain(&self, pem: &[u8]) -> bool {
        are(&self.places, pem)
    }

    /// Whether this is the root.
    pub(super) fn are_root(&self, pem: &[u8]) -> bool {
        are(&self.places[self.places.len().saturating_sub(1)..], pem)
    }
}

impl Place {
    fn is_same_ca(&self, other: &Certificate) -> bool {
        let (today, other) = (self.today.view(), other.view());
        today.spki.der == other.spki.der && today.subject.der == other.subject.der
    }
}

/// Whether there is one certificate of each place, in their order, and nothing else.
fn are(places: &[Place], pem: &[u8]) -> bool {
    let rest = places.iter().try_fold(pem, |rest, place| {
        place.known.iter().find_map(|known| rest.strip_prefix(known.as_bytes()))
    });
    rest.is_some_and(<[u8]>::is_empty)
}
