//! One line of the output: a certificate as a JSON object, written by hand onto a byte buffer.
//!
//! A million lines are written with what a general serializer would spend on a tenth of them. What
//! all lines have in common is encoded once.

use rustmq_pki::certificate::Certificate;
use rustmq_pki::hex;
use rustmq_pki::role::Role;
use rustmq_pki::time::UnixTime;

use super::pem;

/// A line feed in a JSON string.
const LINE_FEED: &[u8] = b"\\n";

/// What every line starts with.
pub(crate) const LINE_START: &[u8] = b"{\"row\":";

/// What a line tells of one certificate beside what the certificate itself says.
pub(crate) struct Line<'a> {
    /// The row of the input, 1 for the first.
    pub(crate) row: u64,
    /// Whom it names.
    pub(crate) principal: &'a str,
    /// What it is for.
    pub(crate) role: Role,
    /// The certificate's number in the store.
    pub(crate) number: i64,
    /// The certificate.
    pub(crate) certificate: &'a Certificate,
    /// Its private key as PKCS#8, where it was made here.
    pub(crate) key: Option<&'a [u8]>,
}

/// Writes lines.
pub(crate) struct LineWriter {
    ca_id: Vec<u8>,
    /// The issuing CAs without the root, as PEM in a JSON string.
    issuers: Vec<u8>,
    /// The last times that were written, and how they read: most rows share theirs.
    times: [(UnixTime, String); 2],
}

impl LineWriter {
    /// Writes lines about certificates of the CA with this id; `chain` is its certificate and those
    /// above it, the root last.
    pub(crate) fn new(ca_id: &str, chain: &[Certificate]) -> Self {
        let mut issuers = Vec::new();
        // A root that issues itself stands in no peer's chain either.
        for ca in &chain[..chain.len().saturating_sub(1)] {
            pem::push(&mut issuers, "CERTIFICATE", ca.der(), LINE_FEED);
        }
        let mut quoted = Vec::new();
        push_string(&mut quoted, ca_id);
        let never = (UnixTime::MIN, UnixTime::MIN.to_string());
        Self { ca_id: quoted, issuers, times: [never.clone(), never] }
    }

    /// Appends a line.
    pub(crate) fn push(&mut self, out: &mut Vec<u8>, line: &Line<'_>) {
        let certificate = line.certificate;
        out.extend_from_slice(LINE_START);
        push_number(out, line.row);
        out.extend_from_slice(b",\"principal\":");
        push_string(out, line.principal);
        out.extend_from_slice(b",\"role\":\"");
        out.extend_from_slice(line.role.as_str().as_bytes());
        out.extend_from_slice(b"\",\"ca_id\":");
        out.extend_from_slice(&self.ca_id);
        out.extend_from_slice(b",\"id\":\"cert-");
        push_number(out, line.number.unsigned_abs());
        out.extend_from_slice(b"\",\"serial\":\"");
        hex::push(out, certificate.serial().as_bytes());
        out.extend_from_slice(b"\",\"fingerprint\":\"");
        hex::push(out, certificate.fingerprint().as_bytes());
        out.extend_from_slice(b"\",\"not_before\":\"");
        self.push_time(out, 0, certificate.not_before());
        out.extend_from_slice(b"\",\"not_after\":\"");
        self.push_time(out, 1, certificate.not_after());
        out.extend_from_slice(b"\",\"certificate\":\"");
        pem::push(out, "CERTIFICATE", certificate.der(), LINE_FEED);
        out.extend_from_slice(&self.issuers);
        if let Some(key) = line.key {
            out.extend_from_slice(b"\",\"key\":\"");
            pem::push(out, "PRIVATE KEY", key, LINE_FEED);
        }
        out.extend_from_slice(b"\"}\n");
    }

    fn push_time(&mut self, out: &mut Vec<u8>, which: usize, time: UnixTime) {
        let (last, text) = &mut self.times[which];
        if *last != time {
            (*last, *text) = (time, time.to_string());
        }
        out.extend_from_slice(text.as_bytes());
    }
}

/// A number in decimal.
pub(crate) fn push_number(out: &mut Vec<u8>, mut number: u64) {
    // u64::MAX has 20 digits.
    let mut digits = [0; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        // A remainder by ten fits in an octet.
        digits[at] = b'0' + u8::try_from(number % 10).unwrap_or_default();
        number /= 10;
        if number == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// A text as a JSON string with its quotes.
pub(crate) fn push_string(out: &mut Vec<u8>, text: &str) {
    let plain = text.bytes().all(|octet| octet >= 0x20 && octet != b'"' && octet != b'\\');
    if plain {
        out.push(b'"');
        out.extend_from_slice(text.as_bytes());
        out.push(b'"');
    } else {
        out.extend_from_slice(serde_json::Value::from(text).to_string().as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use rustmq_pki::key::software::SoftwareKey;
    use rustmq_pki::key::{KeyType, Signer};
    use serde_json::Value;

    use super::*;
    use crate::batch::fixture;

    #[test]
    fn a_line_reads_back_with_chain_and_key() {
        let (leaf, chain) = fixture::chain();
        let key = SoftwareKey::generate(KeyType::P256).unwrap();
        let pkcs8 = key.to_pkcs8().unwrap();
        let mut writer = LineWriter::new("prod_ca_1", &chain);
        let mut out = Vec::new();
        let mut line = Line {
            row: 7,
            principal: "quoted \" \\ and M\u{fc}ller",
            role: Role::Client,
            number: 1_000_042,
            certificate: &leaf,
            key: Some(&pkcs8),
        };
        writer.push(&mut out, &line);
        line.key = None;
        writer.push(&mut out, &line);
        let text = String::from_utf8(out).unwrap();
        let lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let first = &lines[0];
        assert_eq!((first["row"].as_u64(), first["id"].as_str()), (Some(7), Some("cert-1000042")));
        assert_eq!(first["principal"], "quoted \" \\ and M\u{fc}ller");
        assert_eq!(first["serial"], leaf.serial().to_string());
        assert_eq!(first["fingerprint"], leaf.fingerprint().to_string());
        assert_eq!(first["not_before"], leaf.not_before().to_string());
        assert_eq!(first["not_after"], leaf.not_after().to_string());
        let pem = leaf.to_pem() + &chain[0].to_pem();
        assert_eq!(first["certificate"], pem, "leaf and issuer, without the root");
        let read = SoftwareKey::from_pkcs8_pem(first["key"].as_str().unwrap()).unwrap();
        assert_eq!(read.public_key(), key.public_key());
        assert_eq!(lines[1].get("key"), None);
    }

    #[test]
    fn numbers_have_all_their_digits() {
        for number in [0, 9, 10, 4096, u64::MAX] {
            let mut out = Vec::new();
            push_number(&mut out, number);
            assert_eq!(String::from_utf8(out).unwrap(), number.to_string());
        }
    }
}
