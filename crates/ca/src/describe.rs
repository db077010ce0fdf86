//! From rows and DER to what is told.

use rustmq_pki::name::SubjectAltName;
use rustmq_pki::oid::{self, Oid};
use rustmq_pki::read::CertificateRef;
use rustmq_pki::role::Role;
use rustmq_pki::time::UnixTime;

use crate::info::{CertificateInfo, CertificateRole};
use crate::store::CertificateRow;

/// The id of the certificate with this number.
pub(crate) fn certificate_id(number: i64) -> String {
    format!("cert-{number}")
}

/// The number in a certificate's id.
pub(crate) fn certificate_number(id: &str) -> Option<i64> {
    id.strip_prefix("cert-")?.parse().ok().filter(|number| *number > 0)
}

/// What a row tells at `now`. What can be read from the DER is read from it; the row's own columns
/// only find it.
pub(crate) fn certificate(row: &CertificateRow, now: UnixTime) -> CertificateInfo {
    let view = row.certificate.view();
    CertificateInfo {
        id: certificate_id(row.number),
        serial: row.certificate.serial().to_string(),
        fingerprint: row.certificate.fingerprint().to_string(),
        principal: principal(&view),
        role: role(&view).unwrap_or(row.role),
        status: row.status(now),
        subject: view.subject.to_string(),
        issuer: view.issuer.to_string(),
        not_before: row.certificate.not_before(),
        not_after: row.certificate.not_after(),
        key_type: key_type(row),
        sans: sans(&view),
        extended_key_usage: extended_key_usage(&view),
        ca_id: row.ca_id.clone(),
        profile: row.profile.clone(),
        issued_at: row.issued_at,
        renews: row.renews.map(certificate_id),
        supersede_at: row.supersede_at,
        revoked_at: row.revoked_at,
        revocation_reason: row.reason.map(|reason| reason.name().to_owned()),
        invalidity_date: row.invalidity_date,
    }
}

fn principal(view: &CertificateRef<'_>) -> String {
    let name = view.subject.values_of(oid::COMMON_NAME).next();
    name.and_then(|name| name.text()).map(|text| text.to_string()).unwrap_or_default()
}

/// The role that the certificate itself states. CAs and OCSP signers state none.
fn role(view: &CertificateRef<'_>) -> Option<CertificateRole> {
    let known = view.extensions.known().ok()?;
    match known.roles().ok()?.first()?.parse().ok()? {
        Role::Broker => Some(CertificateRole::Broker),
        Role::Controller => Some(CertificateRole::Controller),
        Role::Client => Some(CertificateRole::Client),
        Role::Admin => Some(CertificateRole::Admin),
    }
}

fn key_type(row: &CertificateRow) -> String {
    match row.certificate.public_key() {
        Ok(key) => key.key_type().to_string(),
        Err(error) => error.to_string(),
    }
}

fn sans(view: &CertificateRef<'_>) -> Vec<String> {
    let Ok(known) = view.extensions.known() else { return Vec::new() };
    let text = |name| match SubjectAltName::from_view(&name) {
        Ok(san) => san.to_string(),
        Err(_) => name.to_string(),
    };
    known.alt_names().iter().map(text).collect()
}

fn extended_key_usage(view: &CertificateRef<'_>) -> Vec<String> {
    let Ok(known) = view.extensions.known() else { return Vec::new() };
    let purposes = known.extended_key_usage.map(|purposes| purposes.value);
    purposes.into_iter().flat_map(|purposes| purposes.iter()).map(purpose).collect()
}

fn purpose(purpose: Oid<'_>) -> String {
    let name = [
        (oid::SERVER_AUTH, "serverAuth"),
        (oid::CLIENT_AUTH, "clientAuth"),
        (oid::OCSP_SIGNING, "OCSPSigning"),
    ];
    name.into_iter()
        .find(|(known, _)| purpose == **known)
        .map_or_else(|| purpose.to_string(), |(_, name)| name.to_owned())
}

/// How many CAs may follow below the CA of this certificate.
pub(crate) fn path_len(row: &CertificateRow) -> Option<u8> {
    let known = row.certificate.view().extensions.known().ok()?;
    known.basic_constraints?.value.path_len.and_then(|length| u8::try_from(length).ok())
}
