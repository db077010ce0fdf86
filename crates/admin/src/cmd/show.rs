//! How CAs and certificates are shown, the same in every command: what stands here was read back from
//! the certificate.

use rustmq_ca::{
    AbandonedSerial, CaInfo, CaStatus, CertificateInfo, CertificateStatus, CrlPublication,
};
use rustmq_pki::time::{DAY, UnixTime};
use serde::Serialize;
use serde_json::{Value, json};

use crate::output::{Card, Table, Tone, date_span, day, time_left};

/// Days before its end from which a certificate is shown as ending soon.
const SOON_DAYS: i64 = 14;

/// The CSV columns of a certificate: keys of its JSON object.
pub(crate) const CERTIFICATE_COLUMNS: &[&str] = &[
    "id",
    "principal",
    "role",
    "status",
    "ca_id",
    "serial",
    "fingerprint",
    "not_before",
    "not_after",
    "key_type",
    "sans",
    "profile",
    "revoked_at",
    "revocation_reason",
];

/// The CSV columns of a CA: keys of [`ca_record`].
pub(crate) const CA_COLUMNS: &[&str] = &[
    "id",
    "common_name",
    "parent_id",
    "status",
    "serial",
    "fingerprint",
    "not_before",
    "not_after",
    "key_type",
    "path_len",
    "base_url",
    "trust_domain",
    "crl_number",
    "crl_next_update",
];

/// A value as JSON. The types of the authority serialize without failing.
pub(crate) fn to_json(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// A CA as one flat record: its own fields and those of its present certificate that it lacks.
pub(crate) fn ca_record(ca: &CaInfo) -> Value {
    let mut record = to_json(ca);
    for key in ["serial", "fingerprint", "subject", "not_before", "not_after", "key_type"] {
        let value = record["certificate"][key].clone();
        record[key] = value;
    }
    record
}

/// The card of a certificate that was just issued.
pub(crate) fn issued_card(info: &CertificateInfo, sans_were_asked_for: bool) -> Card {
    let sans = match info.sans.join(", ") {
        none if none.is_empty() => "none".to_owned(),
        sans if sans_were_asked_for => sans,
        sans => format!("{sans}   (taken from the principal)"),
    };
    Card::new([info.principal.clone(), info.role.to_string(), format!("by {}", info.ca_id)])
        .line("id", &info.id)
        .line("SAN", sans)
        .line("uses", info.extended_key_usage.join(", "))
        .line("key", &info.key_type)
        .line("valid", date_span(info.not_before, info.not_after))
        .line("serial", &info.serial)
}

/// The card that tells all of a certificate.
pub(crate) fn certificate_card(info: &CertificateInfo, now: UnixTime) -> Card {
    let (status, tone) = status_words(info, now);
    Card::new([info.principal.clone(), info.role.to_string(), format!("by {}", info.ca_id)])
        .line("id", &info.id)
        .toned("status", status, tone)
        .line("subject", &info.subject)
        .line("issuer", &info.issuer)
        .maybe("SAN", Some(info.sans.join(", ")).filter(|sans| !sans.is_empty()))
        .maybe("uses", Some(info.extended_key_usage.join(", ")).filter(|uses| !uses.is_empty()))
        .line("key", &info.key_type)
        .line("profile", &info.profile)
        .line("not before", info.not_before.to_string())
        .line("not after", info.not_after.to_string())
        .line("serial", &info.serial)
        .line("fingerprint", format!("sha256 {}", info.fingerprint))
        .maybe("renews", info.renews.as_ref())
        .maybe("superseded", info.supersede_at.map(|at| format!("due at {at}")))
        .maybe("revoked", info.revoked_at.map(|at| at.to_string()))
        .maybe("reason", info.revocation_reason.as_ref())
        .maybe("invalid from", info.invalidity_date.map(|at| at.to_string()))
}

/// The card that tells whether a certificate stands.
pub(crate) fn status_card(info: &CertificateInfo, now: UnixTime) -> Card {
    let (status, tone) = status_words(info, now);
    Card::new([info.principal.clone(), info.role.to_string(), format!("by {}", info.ca_id)])
        .line("id", &info.id)
        .line("serial", &info.serial)
        .toned("status", status, tone)
        .maybe("since", info.revoked_at.map(|at| at.to_string()))
        .maybe("reason", info.revocation_reason.as_ref())
        .maybe("invalid from", info.invalidity_date.map(|at| at.to_string()))
}

fn status_words(info: &CertificateInfo, now: UnixTime) -> (String, Tone) {
    match info.status {
        CertificateStatus::Active => {
            let left = time_left(now, info.not_after);
            (format!("active, {left}"), end_tone(now, info.not_after))
        }
        CertificateStatus::Expired => ("expired".to_owned(), Tone::Faint),
        CertificateStatus::OnHold => ("on-hold".to_owned(), Tone::Warning),
        other => (other.to_string(), Tone::Bad),
    }
}

/// The tone of something that ends.
pub(crate) fn end_tone(now: UnixTime, end: UnixTime) -> Tone {
    match end.seconds() - now.seconds() {
        ..0 => Tone::Bad,
        left if left <= SOON_DAYS * DAY => Tone::Warning,
        _ => Tone::Good,
    }
}

/// The card of a CA.
pub(crate) fn ca_card(ca: &CaInfo) -> Card {
    let certificate = &ca.certificate;
    let tone = if ca.status == CaStatus::Active { Tone::Plain } else { Tone::Bad };
    let status = Some(ca.status.as_str()).filter(|_| ca.status != CaStatus::Active);
    let card = Card::new([ca.id.as_str(), ca.common_name.as_str()]);
    let card = match status {
        Some(status) => card.toned("status", status, tone),
        None => card,
    };
    card.line("subject", &certificate.subject)
        .maybe("issued by", ca.parent_id.as_ref())
        .line("key", format!("{}, encrypted with your passphrase", certificate.key_type))
        .line("valid", date_span(certificate.not_before, certificate.not_after))
        .line("serial", &certificate.serial)
        .line("fingerprint", format!("sha256 {}", certificate.fingerprint))
        .line("path length", path_length(ca.path_len))
        .maybe("trust domain", ca.trust_domain.as_ref())
        .line("status URL", status_url(ca))
}

fn path_length(limit: Option<u8>) -> String {
    match limit {
        None => "no limit on the CAs below it".to_owned(),
        Some(0) => "0: signs no CAs".to_owned(),
        Some(1) => "1: one more level of CAs may follow".to_owned(),
        Some(levels) => format!("{levels}: that many levels of CAs may follow"),
    }
}

fn status_url(ca: &CaInfo) -> String {
    ca.base_url.clone().unwrap_or_else(|| {
        "none: its certificates will carry no CRL or OCSP address (--base-url; it cannot be added \
         to certificates later)"
            .to_owned()
    })
}

/// The table of certificates.
pub(crate) fn certificate_table(certificates: &[CertificateInfo], now: UnixTime) -> Table {
    let header = ["id", "principal", "role", "status", "ca", "ends", "left", "serial"];
    let mut table = Table::new(&header, "no certificates");
    for info in certificates {
        let (_, tone) = status_words(info, now);
        let left = match info.status {
            CertificateStatus::Active => time_left(now, info.not_after),
            _ => String::new(),
        };
        table.push(vec![
            (info.id.clone(), Tone::Strong),
            (info.principal.clone(), Tone::Plain),
            (info.role.to_string(), Tone::Plain),
            (info.status.to_string(), tone),
            (info.ca_id.clone(), Tone::Plain),
            (day(info.not_after), Tone::Plain),
            (left, tone),
            (info.serial.clone(), Tone::Faint),
        ]);
    }
    table
}

/// The table of serial numbers whose process died.
pub(crate) fn abandoned_table(serials: &[AbandonedSerial]) -> Table {
    let mut table = Table::new(&["abandoned serial", "meant for", "role", "ca", "found"], "");
    for abandoned in serials {
        table.push(vec![
            (abandoned.serial.clone(), Tone::Warning),
            (abandoned.principal.clone(), Tone::Plain),
            (abandoned.role.to_string(), Tone::Plain),
            (abandoned.ca_id.clone().unwrap_or_default(), Tone::Plain),
            (abandoned.abandoned_at.to_string(), Tone::Plain),
        ]);
    }
    table
}

/// A CRL as JSON.
pub(crate) fn crl_json(publication: &CrlPublication) -> Value {
    let crl = &publication.crl;
    json!({
        "ca_id": publication.ca_id,
        "number": crl.number(),
        "this_update": crl.this_update().to_string(),
        "next_update": crl.next_update().to_string(),
        "revoked": publication.entries,
        "signed": publication.signed,
    })
}
