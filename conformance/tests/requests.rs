//! Requests that OpenSSL made: the good are signed and hold, the bad are refused and leave nothing.

use std::fs;
use std::path::PathBuf;

use rustmq_conformance::openssl::openssl;
use rustmq_conformance::{Judge, Product, Purpose, SampleKey, Verdict, pkilint, require};

/// A CA and a place for keys and requests.
struct Desk {
    product: Product,
}

impl Desk {
    fn open() -> Option<Self> {
        let here = require(Judge::OpenSsl);
        here.then(|| Self { product: Product::with_hierarchy(SampleKey::P256) })
    }

    fn file(&self, name: &str) -> PathBuf {
        self.product.path(name)
    }

    fn name(&self, name: &str) -> String {
        self.file(name).display().to_string()
    }

    fn key(&self, algorithm: &[&str]) {
        let out = self.name("request.key");
        let made = openssl(["genpkey", "-out", &out].into_iter().chain(algorithm.iter().copied()));
        made.expect_success("openssl genpkey");
    }

    /// Makes `request.csr`; `more` are flags of `openssl req`.
    fn request(&self, algorithm: &[&str], subject: &str, more: &[&str]) {
        self.key(algorithm);
        let (key, out) = (self.name("request.key"), self.name("request.csr"));
        let fixed = ["req", "-new", "-key", &key, "-subj", subject, "-out", &out];
        openssl(fixed.into_iter().chain(more.iter().copied())).expect_success("openssl req");
    }

    /// Asserts that the request is refused with words of this kind, and that nothing was written.
    fn refuses(&self, role: &str, word: &str) {
        let fixed = ["certs", "sign", "--csr", "request.csr", "--ca-id", "prod_ca_1"];
        let output =
            self.product.run(fixed.into_iter().chain(["--role", role, "--output-dir", "no"]));
        assert_eq!(output.code, Some(1), "a refusal: {}", output.text());
        let words = output.stderr.to_lowercase();
        assert!(words.contains(&word.to_lowercase()), "{word:?} is not named: {}", output.stderr);
        assert!(!self.file("no").exists(), "a refusal writes nothing");
    }
}

const P256: [&str; 4] = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"];

/// Key flags of `openssl genpkey` for everything that it and the product know.
const KEYS: [&[&str]; 5] = [
    &P256,
    &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"],
    &["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-521"],
    &["-algorithm", "ED25519"],
    &["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"],
];

#[test]
fn requests_of_openssl_are_signed() {
    let Some(desk) = Desk::open() else { return };
    for (nth, algorithm) in KEYS.into_iter().enumerate() {
        let host = format!("broker-{nth}.example.com");
        let san = format!("subjectAltName=DNS:{host}");
        desk.request(algorithm, &format!("/CN={host}"), &["-addext", &san]);
        let sign = ["certs", "sign", "--csr", "request.csr", "--ca-id", "prod_ca_1"];
        let issued = desk.product.deliver(&host, sign.into_iter().chain(["--role", "broker"]));
        assert!(!issued.file("tls.key").exists(), "the key stays with whoever asks");
        let chain = issued.chain(Purpose::Server(host));
        assert_eq!(Judge::OpenSsl.verify(&chain), Verdict::Accepted, "{algorithm:?}");
        if require(Judge::Pkilint) {
            assert_eq!(pkilint::verify(&chain), Verdict::Accepted, "{algorithm:?}");
        }
    }
}

#[test]
fn a_request_for_an_authority_is_refused() {
    let Some(desk) = Desk::open() else { return };
    let more = ["-addext", "basicConstraints=critical,CA:TRUE"];
    desk.request(&P256, "/CN=client@company.com", &more);
    desk.refuses("client", "CA");
}

#[test]
fn a_request_for_wider_use_is_refused() {
    let Some(desk) = Desk::open() else { return };
    let more = ["-addext", "extendedKeyUsage=serverAuth,clientAuth"];
    desk.request(&P256, "/CN=client@company.com", &more);
    desk.refuses("client", "extended key usage");
}

#[test]
fn a_request_for_a_name_of_another_kind_is_refused() {
    let Some(desk) = Desk::open() else { return };
    let more = ["-addext", "subjectAltName=URI:spiffe://fleet.example/admin/root"];
    desk.request(&P256, "/CN=client@company.com", &more);
    desk.refuses("client", "URI");
}

#[test]
fn a_weak_key_is_refused() {
    let Some(desk) = Desk::open() else { return };
    let weak = ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:1024"];
    desk.request(&weak, "/CN=client@company.com", &[]);
    desk.refuses("client", "1024");
}

#[test]
fn a_curve_that_is_not_ours_is_refused() {
    let Some(desk) = Desk::open() else { return };
    let foreign = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:secp256k1"];
    desk.request(&foreign, "/CN=client@company.com", &[]);
    desk.refuses("client", "key");
}

#[test]
fn a_request_without_proof_of_possession_is_refused() {
    let Some(desk) = Desk::open() else { return };
    desk.request(&P256, "/CN=client@company.com", &[]);
    let csr = desk.file("request.csr");
    rustmq_conformance::samples::break_signature(&csr, &csr);
    desk.refuses("client", "signature");
}

#[test]
fn trailing_octets_are_refused() {
    let Some(desk) = Desk::open() else { return };
    desk.request(&P256, "/CN=client@company.com", &["-outform", "DER"]);
    let csr = desk.file("request.csr");
    let mut octets = fs::read(&csr).expect("the request");
    octets.push(0);
    fs::write(&csr, octets).expect("the folder is writable");
    desk.refuses("client", "follow the end");
}

#[test]
fn the_key_of_another_principal_is_refused() {
    let Some(desk) = Desk::open() else { return };
    desk.request(&P256, "/CN=client@company.com", &[]);
    let sign =
        ["certs", "sign", "--csr", "request.csr", "--ca-id", "prod_ca_1", "--role", "client"];
    desk.product.deliver("first", sign);
    // The same key again, for somebody else.
    let (key, out) = (desk.name("request.key"), desk.name("request.csr"));
    let subject = "/CN=other@company.com";
    openssl(["req", "-new", "-key", &key, "-subj", subject, "-out", &out])
        .expect_success("openssl req");
    desk.refuses("client", "a key has one holder");
}
