//! Whether what a CA signed is to be believed: neither it nor a CA above it is revoked.

use rusqlite::Connection;
use rustmq_pki::crl::RevocationReason;

use super::authorities::{self, CaRow};
use super::certificates;
use super::fault::Fault;
use crate::info::RevokedCa;

/// The CA that takes most of the trust from what `ca` signs: it, or one above it. Of renewed CAs the
/// present certificate counts; a key that fell into other hands is the key of every one of them.
pub(crate) fn revoked_above(
    connection: &Connection,
    ca: &CaRow,
) -> Result<Option<RevokedCa>, Fault> {
    let mut found = Vec::new();
    let mut link = Some(ca.clone());
    while let Some(ca) = link {
        for row in certificates::of_authority(connection, ca.number)? {
            let Some(revoked_at) = row.revoked_at else { continue };
            let revoked = RevokedCa {
                ca_id: ca.id.clone(),
                reason: row.reason.unwrap_or(RevocationReason::Unspecified),
                revoked_at,
                invalidity_date: row.invalidity_date,
            };
            if row.number == ca.certificate || revoked.is_compromised() {
                found.push(revoked);
            }
        }
        link = match ca.parent {
            Some(parent) => authorities::by_number(connection, parent)?,
            None => None,
        };
    }
    Ok(worst(found))
}

/// A compromised key before any other, of those the one that was lost first.
pub(crate) fn worst(revoked: impl IntoIterator<Item = RevokedCa>) -> Option<RevokedCa> {
    revoked.into_iter().min_by_key(|ca| (!ca.is_compromised(), ca.untrusted_since()))
}
