//! CRLs and OCSP responses in words.

use rustmq_pki::hex;
use rustmq_pki::read::{
    CertStatus, CrlEntry, CrlRef, OcspRef, ReadError, ResponderId, SingleResponse,
};
use rustmq_pki::time::UnixTime;
use serde_json::{Value, json};

use super::words::{name, name_or_empty};
use super::{Description, Kind, Terms, extensions};
use crate::output::{Tone, count, time_left};

/// A CRL. Every entry is read, so that a broken one is found; the first are shown.
pub(super) fn crl(der: &[u8], terms: Terms) -> Result<Description, ReadError> {
    let view = CrlRef::read(der)?;
    let mut d = Description::new(Kind::Crl, format!("CRL of {}", name_or_empty(&view.issuer)));
    d.put("issuer", "issuer", name_or_empty(&view.issuer));
    d.set("version", if view.is_v2 { 2 } else { 1 });
    d.put("this update", "this_update", view.this_update.at.to_string());
    next_update(&mut d, view.next_update.map(|time| time.at), terms.now);
    d.put("signed with", "signature_algorithm", name(view.signature_algorithm.oid));
    let mut shown = Vec::new();
    let mut revoked = 0_u64;
    for entry in view.entries() {
        let entry = entry?;
        revoked += 1;
        if shown.len() < terms.entries {
            shown.push(entry);
        }
    }
    d.set("revoked_count", revoked);
    d.say("revoked", count(revoked, "certificate"), Tone::Plain);
    for entry in &shown {
        d.say("", entry_words(entry), Tone::Plain);
    }
    more(&mut d, revoked, shown.len());
    d.set("revoked", shown.iter().map(entry_json).collect::<Vec<_>>());
    d.extensions(extensions::all(&view.extensions));
    Ok(d)
}

fn next_update(d: &mut Description, at: Option<UnixTime>, now: UnixTime) {
    d.set("next_update", at.map(|at| at.to_string()));
    match at {
        None => d.say("next update", "not said", Tone::Warning),
        Some(at) if at < now => d.say("next update", format!("{at}, overdue"), Tone::Bad),
        Some(at) => d.say("next update", format!("{at}, {}", time_left(now, at)), Tone::Good),
    }
}

fn more(d: &mut Description, all: u64, shown: usize) {
    let rest = all.saturating_sub(shown as u64);
    if rest > 0 {
        d.say("", format!("and {rest} more (--entries N shows more of them)"), Tone::Faint);
    }
}

fn entry_words(entry: &CrlEntry<'_>) -> String {
    let mut text = format!("{} at {}", hex::encode(entry.serial.magnitude()), entry.revoked_at);
    if let Some(reason) = entry.reason {
        text.push_str(&format!(", {}", reason.name()));
    }
    if let Some(date) = entry.invalidity_date {
        text.push_str(&format!(", invalid since {date}"));
    }
    if let Some(oid) = entry.unknown_critical {
        text.push_str(&format!(", with the unknown critical extension {oid}"));
    }
    text
}

fn entry_json(entry: &CrlEntry<'_>) -> Value {
    let issuer = entry
        .certificate_issuer
        .map(|names| names.iter().map(|name| Value::String(name.to_string())).collect::<Vec<_>>());
    json!({
        "serial": hex::encode(entry.serial.magnitude()),
        "revoked_at": entry.revoked_at.to_string(),
        "reason": entry.reason.map(|reason| reason.name()),
        "invalidity_date": entry.invalidity_date.map(|date| date.to_string()),
        "certificate_issuer": issuer,
    })
}

/// An OCSP response.
pub(super) fn ocsp(der: &[u8], terms: Terms) -> Result<Description, ReadError> {
    let view = OcspRef::read(der)?;
    let responder = match &view.responder {
        ResponderId::Name(name) => name_or_empty(name),
        ResponderId::KeyHash(hash) => format!("key {}", hex::encode(hash)),
    };
    let mut d = Description::new(Kind::Ocsp, format!("OCSP response of {responder}"));
    d.put("responder", "responder", responder);
    d.put("produced", "produced_at", view.produced_at.to_string());
    d.put("signed with", "signature_algorithm", name(view.signature_algorithm.oid));
    let certificates: Vec<_> = view.certificates().map(|c| name_or_empty(&c.subject)).collect();
    for subject in &certificates {
        d.say("comes with", subject.clone(), Tone::Plain);
    }
    d.set("certificates", json!(certificates));
    let all = view.responses.iter().count() as u64;
    let shown: Vec<_> = view.responses.iter().take(terms.entries).collect();
    for response in &shown {
        let (words, tone) = response_words(response, terms.now);
        d.say("status", words, tone);
    }
    more(&mut d, all, shown.len());
    d.set("responses", shown.iter().map(response_json).collect::<Vec<_>>());
    d.extensions(extensions::all(&view.extensions));
    Ok(d)
}

fn response_words(response: &SingleResponse<'_>, now: UnixTime) -> (String, Tone) {
    let serial = hex::encode(response.serial.magnitude());
    let (status, tone) = match response.status {
        CertStatus::Good => ("good".to_owned(), Tone::Good),
        CertStatus::Unknown => ("unknown".to_owned(), Tone::Warning),
        CertStatus::Revoked { at, reason } => {
            let why = reason.map_or_else(String::new, |reason| format!(", {}", reason.name()));
            (format!("revoked at {at}{why}"), Tone::Bad)
        }
    };
    let until = match response.next_update {
        None => "no next update".to_owned(),
        Some(at) if at < now => format!("next update {at}, overdue"),
        Some(at) => format!("next update {at}"),
    };
    (format!("{serial}: {status}; since {}, {until}", response.this_update), tone)
}

fn response_json(response: &SingleResponse<'_>) -> Value {
    let (status, at, reason) = match response.status {
        CertStatus::Good => ("good", None, None),
        CertStatus::Unknown => ("unknown", None, None),
        CertStatus::Revoked { at, reason } => ("revoked", Some(at.to_string()), reason),
    };
    json!({
        "serial": hex::encode(response.serial.magnitude()),
        "hash_algorithm": name(response.hash.oid),
        "issuer_name_hash": hex::encode(response.issuer_name_hash),
        "issuer_key_hash": hex::encode(response.issuer_key_hash),
        "status": status,
        "revoked_at": at,
        "reason": reason.map(|reason| reason.name()),
        "this_update": response.this_update.to_string(),
        "next_update": response.next_update.map(|at| at.to_string()),
    })
}
