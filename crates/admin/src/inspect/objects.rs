//! Certificates and requests in words, and what our rules say of them.

use rustmq_auth::{MtlsPolicy, Purpose, Refusal, RuleSet, certificate_findings};
use rustmq_pki::hex;
use rustmq_pki::key::{Fingerprint, PublicKey};
use rustmq_pki::oid;
use rustmq_pki::read::{
    AlgorithmRef, CertificateRef, NameRef, ReadError, RequestRef, SpkiRef, Version,
};
use rustmq_pki::time::UnixTime;
use serde_json::{Value, json};

use super::words::{name, name_or_empty};
use super::{Description, Kind, Terms, extensions, keys};
use crate::output::{Tone, time_left};

/// A certificate.
pub(super) fn certificate(der: &[u8], terms: Terms) -> Result<Description, ReadError> {
    let view = CertificateRef::read(der)?;
    let mut d = Description::new(Kind::Certificate, title(&view.subject));
    d.put("subject", "subject", name_or_empty(&view.subject));
    d.put("issuer", "issuer", name_or_empty(&view.issuer));
    let negative = if view.serial.is_negative() { "-" } else { "" };
    d.put("serial", "serial", format!("{negative}{}", hex::encode(view.serial.magnitude())));
    let version = match view.version {
        Version::V1 => 1,
        Version::V2 => 2,
        Version::V3 => 3,
    };
    d.set("version", version);
    d.say("version", version.to_string(), Tone::Plain);
    d.put("not before", "not_before", view.validity.not_before.at.to_string());
    d.put("not after", "not_after", view.validity.not_after.at.to_string());
    validity(&mut d, &view, terms.now);
    keys::put(&mut d, &view.spki);
    d.put("signed with", "signature_algorithm", name(view.signature_algorithm.oid));
    let own = view.is_self_issued()
        && verifies(&view.spki, &view.signature_algorithm, view.tbs, view.signature);
    d.set("self_signed", own);
    if own {
        d.say("", "by its own key", Tone::Faint);
    }
    fingerprints(&mut d, der);
    rules(&mut d, der);
    d.extensions(extensions::all(&view.extensions));
    Ok(d)
}

fn title(subject: &NameRef<'_>) -> String {
    let names = subject.values_of(oid::COMMON_NAME);
    let last = names.last().and_then(|name| name.text().map(|text| text.into_owned()));
    last.unwrap_or_else(|| name_or_empty(subject))
}

fn validity(d: &mut Description, view: &CertificateRef<'_>, now: UnixTime) {
    let (from, to) = (view.validity.not_before.at, view.validity.not_after.at);
    let (code, words, tone) = if now < from {
        ("not_yet_valid", "not valid yet".to_owned(), Tone::Bad)
    } else if now > to {
        ("expired", "expired".to_owned(), Tone::Bad)
    } else {
        ("valid", time_left(now, to), Tone::Good)
    };
    d.set("validity", code);
    d.say("validity", words, tone);
}

fn fingerprints(d: &mut Description, der: &[u8]) {
    d.put("sha256", "fingerprint", Fingerprint::of(der).to_string());
}

/// Whether a signature verifies under a key; not if the key is of a type that is not taken.
fn verifies(
    spki: &SpkiRef<'_>,
    algorithm: &AlgorithmRef<'_>,
    signed: &[u8],
    signature: &[u8],
) -> bool {
    PublicKey::from_spki(spki.der).is_ok_and(|key| key.verifies(algorithm.der, signed, signature))
}

/// What each rule set says of the certificate alone, and whether it could be a peer's.
fn rules(d: &mut Description, der: &[u8]) {
    let mut record = serde_json::Map::new();
    for rules in [RuleSet::Rfc5280, RuleSet::WebPki] {
        let found = certificate_findings(der, rules).unwrap_or_else(|refusal| vec![refusal]);
        say_findings(d, rules.name(), &found);
        record.insert(rules.name().to_owned(), found.iter().map(finding).collect());
    }
    let peer = MtlsPolicy::default().judge_leaf(der, Purpose::Any);
    let found: Vec<Refusal> = peer.err().into_iter().collect();
    say_findings(d, "mtls", &found);
    record.insert("mtls".to_owned(), found.iter().map(finding).collect());
    d.set("rules", record);
}

fn say_findings(d: &mut Description, rules: &'static str, found: &[Refusal]) {
    if found.is_empty() {
        d.say(rules, "nothing to find fault with", Tone::Good);
    }
    for (nth, refusal) in found.iter().enumerate() {
        let label = if nth == 0 { rules } else { "" };
        d.say(label, format!("{refusal}   {}", refusal.rule.rfc()), Tone::Warning);
    }
}

fn finding(refusal: &Refusal) -> Value {
    json!({
        "reason": refusal.rule.code(),
        "message": refusal.to_string(),
        "rfc": refusal.rule.rfc(),
        "remedy": refusal.rule.remedy(),
    })
}

/// A certificate request.
pub(super) fn request(der: &[u8]) -> Result<Description, ReadError> {
    let view = RequestRef::read(der)?;
    let mut d = Description::new(Kind::Request, title(&view.subject));
    d.put("subject", "subject", name_or_empty(&view.subject));
    keys::put(&mut d, &view.spki);
    d.put("signed with", "signature_algorithm", name(view.signature_algorithm.oid));
    possession(&mut d, &view);
    for attribute in view.attributes.iter().filter(|a| a.oid != oid::EXTENSION_REQUEST) {
        // The value of a challengePassword is a secret, and others are not known here.
        d.say("attribute", format!("{}, not shown", name(attribute.oid)), Tone::Plain);
    }
    let attributes: Vec<_> = view.attributes.iter().map(|a| name(a.oid)).collect();
    d.set("attributes", json!(attributes));
    fingerprints(&mut d, der);
    d.extensions(extensions::all(&view.extensions));
    Ok(d)
}

fn possession(d: &mut Description, view: &RequestRef<'_>) {
    let (proven, words, tone) = match PublicKey::from_spki(view.spki.der) {
        Err(error) => (false, format!("not checked: {error}"), Tone::Warning),
        Ok(key) if key.verifies(view.signature_algorithm.der, view.info, view.signature) => {
            (true, "proven: the signature verifies under the key".to_owned(), Tone::Good)
        }
        Ok(_) => (false, "not proven: the signature does not verify".to_owned(), Tone::Bad),
    };
    d.set("proof_of_possession", proven);
    d.say("possession", words, tone);
}
