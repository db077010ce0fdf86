//! Backup and restore: what comes back goes on, and what was touched does not come back at all.

mod altered;
mod false_cas;
mod fixture;
mod forged;
mod later_crls;
mod numbers;
mod older;
mod revoked_signer;
mod whole;
