//! TLS connections between issued certificates: OpenSSL on one end, rustls on the other, and both
//! ways round.

use std::io::{Error, ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustls::client::WebPkiServerVerifier;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer, ServerName};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, ServerConnection};
use rustmq_conformance::openssl::Server;
use rustmq_conformance::{Issued, Judge, Output, Product, SampleKey, require, run};

const BROKER: &str = "broker-01.example.com";

/// No peer here takes long; a connection that hangs fails the test instead of blocking it.
const PATIENCE: Duration = Duration::from_secs(60);

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// A broker and a client under one hierarchy.
struct Pair {
    product: Product,
    broker: Issued,
    client: Issued,
}

impl Pair {
    fn issue(key: SampleKey) -> Self {
        let product = Product::with_hierarchy(key);
        let broker = product.issue(BROKER, "broker", key, &[]);
        let client = product.issue("client@company.com", "client", key, &[]);
        Self { product, broker, client }
    }
}

fn certificates(file: &Path) -> Vec<CertificateDer<'static>> {
    let all = CertificateDer::pem_file_iter(file).expect("a PEM file");
    all.map(|one| one.expect("a certificate")).collect()
}

fn lists(file: &Path) -> Vec<CertificateRevocationListDer<'static>> {
    let all = CertificateRevocationListDer::pem_file_iter(file).expect("a PEM file");
    all.map(|one| one.expect("a list")).collect()
}

fn roots(issued: &Issued) -> Arc<RootCertStore> {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(certificates(&issued.file("root.crt")));
    Arc::new(store)
}

fn key(issued: &Issued) -> PrivateKeyDer<'static> {
    PrivateKeyDer::from_pem_file(issued.file("tls.key")).expect("a private key")
}

/// A client that checks the server against its own files, lists included.
fn client_config(issued: &Issued, identified: bool) -> Arc<ClientConfig> {
    let verifier = WebPkiServerVerifier::builder_with_provider(roots(issued), provider())
        .with_crls(lists(&issued.file("crl.pem")))
        .build()
        .expect("a verifier");
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("TLS 1.2 and 1.3")
        .with_webpki_verifier(verifier);
    Arc::new(if identified {
        let chain = certificates(&issued.file("tls.crt"));
        config.with_client_auth_cert(chain, key(issued)).expect("key and certificate match")
    } else {
        config.with_no_client_auth()
    })
}

/// A server that demands clients of its own root which are on none of these lists.
fn server_config(issued: &Issued, revoked: &[PathBuf]) -> Arc<ServerConfig> {
    let verifier = WebPkiClientVerifier::builder_with_provider(roots(issued), provider())
        .with_crls(revoked.iter().flat_map(|file| lists(file)))
        .build()
        .expect("a verifier");
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .expect("TLS 1.2 and 1.3")
        .with_client_cert_verifier(verifier)
        .with_single_cert(certificates(&issued.file("tls.crt")), key(issued));
    Arc::new(config.expect("key and certificate match"))
}

/// Says hello to a server under this name and returns what it answers.
fn hello(port: u16, name: &str, config: Arc<ClientConfig>) -> Result<String, Error> {
    let mut socket = TcpStream::connect(("127.0.0.1", port))?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let name = ServerName::try_from(name.to_owned()).expect("a DNS name");
    let mut connection = ClientConnection::new(config, name).map_err(Error::other)?;
    let mut stream = rustls::Stream::new(&mut connection, &mut socket);
    stream.write_all(b"hello\nCLOSE\n")?;
    let mut answer = Vec::new();
    match stream.read_to_end(&mut answer) {
        // s_server hangs up without a goodbye; what counts is what it said before.
        Err(error) if error.kind() != ErrorKind::UnexpectedEof => Err(error),
        _ => Ok(String::from_utf8_lossy(&answer).into_owned()),
    }
}

/// rustls meets `s_server`, which is not there without OpenSSL.
fn rustls_meets_openssl(key: SampleKey) {
    if !require(Judge::OpenSsl) {
        return;
    }
    let pair = Pair::issue(key);
    let server = Server::start(&pair.broker);
    let answer = hello(server.port(), BROKER, client_config(&pair.client, true));
    assert_eq!(answer.expect("a connection"), "olleh\n");
}

/// `s_client` meets rustls: one connection to a server that demands a client certificate. Returns what
/// rustls thought of it and what `s_client` said.
fn openssl_meets(config: Arc<ServerConfig>, client: &Issued) -> (Result<(), Error>, Output) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    let port = listener.local_addr().expect("a bound address").port();
    let server = thread::spawn(move || greet(&listener, config));
    let mut command = Command::new("openssl");
    command.args(["s_client", "-quiet", "-verify_return_error", "-no-CApath", "-no-CAstore"]);
    command.args(["-connect", &format!("127.0.0.1:{port}"), "-servername", BROKER]);
    command.args(["-verify_hostname", BROKER, "-CAfile"]).arg(client.file("root.crt"));
    command.arg("-cert").arg(client.file("tls.crt")).arg("-key").arg(client.file("tls.key"));
    let said = run(command.arg("-cert_chain").arg(client.file("ca.crt")));
    (server.join().expect("the server does not panic"), said)
}

/// Accepts one connection and greets the client, which is possible only after it was verified.
fn greet(listener: &TcpListener, config: Arc<ServerConfig>) -> Result<(), Error> {
    let (mut socket, _peer) = listener.accept()?;
    socket.set_read_timeout(Some(PATIENCE))?;
    let mut connection = ServerConnection::new(config).map_err(Error::other)?;
    while connection.is_handshaking() {
        connection.complete_io(&mut socket)?;
    }
    connection.writer().write_all(b"welcome\n")?;
    connection.send_close_notify();
    while connection.wants_write() {
        connection.write_tls(&mut socket)?;
    }
    Ok(())
}

fn openssl_meets_rustls(key: SampleKey) {
    if !require(Judge::OpenSsl) {
        return;
    }
    let pair = Pair::issue(key);
    let config = server_config(&pair.broker, &[pair.broker.file("crl.pem")]);
    let (met, said) = openssl_meets(config, &pair.client);
    met.expect("rustls accepts the client");
    assert_eq!(said.stdout, "welcome\n", "{}", said.stderr);
}

#[test]
fn rustls_client_meets_openssl_server() {
    for key in SampleKey::ALL.into_iter().filter(|key| Judge::OpenSsl.knows(*key)) {
        rustls_meets_openssl(key);
    }
}

#[test]
fn openssl_client_meets_rustls_server() {
    for key in SampleKey::ALL.into_iter().filter(|key| Judge::OpenSsl.knows(*key)) {
        openssl_meets_rustls(key);
    }
}

#[test]
fn rustls_meets_rustls_with_ml_dsa() {
    for key in SampleKey::ALL.into_iter().filter(|key| key.is_ml_dsa()) {
        let pair = Pair::issue(key);
        let config = server_config(&pair.broker, &[pair.broker.file("crl.pem")]);
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("a bound address").port();
        let server = thread::spawn(move || greet(&listener, config));
        let answer = hello(port, BROKER, client_config(&pair.client, true));
        server.join().expect("the server does not panic").expect("a client");
        assert_eq!(answer.expect("a connection"), "welcome\n", "{key:?}");
    }
}

#[test]
fn openssl_server_serves_no_stranger() {
    if !require(Judge::OpenSsl) {
        return;
    }
    let pair = Pair::issue(SampleKey::P256);
    let other = Pair::issue(SampleKey::P256);
    let server = Server::start(&pair.broker);
    let answered = |result: Result<String, Error>| result.is_ok_and(|text| text.contains("olleh"));
    let ask = |name: &str, config| hello(server.port(), name, config);

    let nameless = client_config(&pair.client, false);
    assert!(!answered(ask(BROKER, nameless)), "a client without a certificate was served");
    let wrong_name = ask("broker-02.example.com", client_config(&pair.client, true));
    assert!(wrong_name.is_err(), "rustls took the server for another");
    let stranger = ask(BROKER, client_config(&other.client, true));
    assert!(stranger.is_err(), "rustls trusted a server of another root");
    let welcome = ask(BROKER, client_config(&pair.client, true));
    assert!(answered(welcome), "the server still serves its own clients");
}

#[test]
fn rustls_server_serves_no_stranger_and_nobody_revoked() {
    if !require(Judge::OpenSsl) {
        return;
    }
    let pair = Pair::issue(SampleKey::P256);
    let other = Pair::issue(SampleKey::P256);
    let before = [pair.broker.file("crl.pem")];
    let (met, said) = openssl_meets(server_config(&pair.broker, &before), &other.client);
    assert!(met.is_err() && !said.stdout.contains("welcome"), "a stranger was served");

    pair.product.ok(["certs", "revoke", &pair.client.id, "--reason", "key-compromise"]);
    let after = [pair.product.list_of("root_ca_1"), pair.product.list_of("prod_ca_1")];
    let (met, said) = openssl_meets(server_config(&pair.broker, &after), &pair.client);
    let reason = met.expect_err("a revoked client was served").to_string();
    assert!(reason.contains("Revoked"), "{reason}");
    assert!(!said.stdout.contains("welcome"));
}
