//! What each fuzz target does with its input. `cargo test` replays the kept corpus through the same
//! functions.

use rustmq_auth::revocation::{Crl, OcspResponse, StatusPolicy};
use rustmq_auth::{Purpose, Question, ReferenceName, RuleSet, Terms};
use rustmq_pki::oid::{Oid, parse_dotted};
use rustmq_pki::read::{CertificateRef, CrlRef, NameRef, OcspRef, RequestRef};
use rustmq_pki::time::UnixTime;

/// Reads a certificate and a request, and shows all that they hold.
pub fn certificate(data: &[u8]) {
    if let Ok(certificate) = CertificateRef::read(data) {
        let shown = format!("{} {}", certificate.subject, certificate.issuer);
        assert!(!shown.is_empty());
        if let Ok(known) = certificate.extensions.known() {
            let names: Vec<_> = known.alt_names().iter().map(|name| name.to_string()).collect();
            assert!(names.len() <= data.len());
            let _ = known.roles();
        }
    }
    if let Ok(request) = RequestRef::read(data) {
        let _ = request.extensions.known();
    }
}

/// Reads a CRL twice, lazily and into a set.
pub fn crl(data: &[u8]) {
    let entries = CrlRef::read(data).map(|crl| crl.entries().filter(Result::is_ok).count());
    if let (Ok(entries), Ok(loaded)) = (entries, Crl::from_der(data)) {
        // A serial number may be listed twice.
        assert!(loaded.len() <= entries && loaded.is_empty() == (entries == 0));
    }
}

/// Reads an OCSP response and the certificates in it.
pub fn ocsp(data: &[u8]) {
    if let Ok(response) = OcspRef::read(data) {
        assert!(response.certificates().count() <= data.len());
        assert!(response.responses.iter().count() <= data.len());
        assert!(OcspResponse::from_der(data).is_ok());
    }
}

/// Splits `data` into values, each after two octets of its length.
fn values(mut data: &[u8]) -> Vec<&[u8]> {
    let mut values = Vec::new();
    while let Some((length, rest)) = data.split_first_chunk::<2>() {
        let length = usize::from(u16::from_be_bytes(*length)).min(rest.len());
        values.push(&rest[..length]);
        data = &rest[length..];
    }
    values
}

/// Validates a chain: leaf, anchor, CRL, then intermediates; under every rule set. A refusal is an
/// answer, a panic or unbounded work is none.
pub fn chain(data: &[u8]) {
    let values = values(data);
    let [leaf, anchor, crl, untrusted @ ..] = values.as_slice() else { return };
    let (anchors, crls) = ([*anchor], Vec::from_iter(Crl::from_der(crl)));
    let names = [ReferenceName::Dns("example.com".to_owned())];
    for rules in [RuleSet::Pkix, RuleSet::Rfc5280, RuleSet::WebPki] {
        let at = UnixTime::from_seconds(1_302_825_600);
        let terms = Terms { at, rules, purpose: Purpose::Any, ..Terms::default() };
        for (names, status) in
            [(&names[..], StatusPolicy::NotChecked), (&[], StatusPolicy::Required)]
        {
            let question = Question {
                untrusted,
                crls: &crls,
                status,
                names,
                terms: terms.clone(),
                ..Question::new(leaf, &anchors)
            };
            let answer = question.ask();
            assert!(answer.explanation.work[0] <= 512);
            assert!(answer.explanation.work[1] <= 5_000);
        }
    }
}

/// Reads and shows names of every kind.
pub fn names(data: &[u8]) {
    let _ = NameRef::from_der(data).map(|name| name.to_string());
    if let Some(oid) = Oid::from_contents(data) {
        let dotted = oid.to_string();
        if let Some(contents) = parse_dotted(&dotted) {
            assert_eq!(contents, data);
        }
    }
    if let Ok(text) = std::str::from_utf8(data) {
        let text = text.to_owned();
        for name in
            [ReferenceName::Dns, ReferenceName::Ip, ReferenceName::Email, ReferenceName::Uri]
        {
            let _ = name(text.clone()).can_match();
        }
        let _ = parse_dotted(&text);
        let _ = text.parse::<UnixTime>();
    }
}
