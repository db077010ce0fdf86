//! Clients of five TLS libraries before a server that asks [`AuthenticationManager`] who they are:
//! let in by name and role, and turned away with the alert that says why.

use std::io::{self, Error, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use rustls::CertificateError::{Revoked, UnknownIssuer};
use rustls::Error::{InvalidCertificate, NoCertificatesPresented};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use rustls::{ProtocolVersion, ServerConfig, ServerConnection};
use rustmq_auth::rustls::server_config;
use rustmq_auth::{AuthenticationManager, Trust};
use rustmq_conformance::{Client, Issued, Output, Product, SampleKey, Visit};
use rustmq_pki::time::UnixTime;

const BROKER: &str = "broker-01.example.com";

/// No peer here takes long; a connection that hangs fails the test instead of blocking it.
const PATIENCE: Duration = Duration::from_secs(60);

/// The most octets of a peer that is being turned away which are read and thrown away: more than its
/// last flight with a chain of any sense.
const LAST_WORDS: u64 = 1 << 20;

fn now() -> UnixTime {
    let now = rustls::pki_types::UnixTime::now().as_secs();
    UnixTime::from_seconds(i64::try_from(now).expect("a date of this era"))
}

fn certificates(file: &Path) -> Vec<CertificateDer<'static>> {
    let all = CertificateDer::pem_file_iter(file).expect("a PEM file");
    all.map(|one| one.expect("a certificate")).collect()
}

fn lists(file: &Path) -> Vec<Vec<u8>> {
    let all = CertificateRevocationListDer::pem_file_iter(file).expect("a PEM file");
    all.map(|one| one.expect("a list").to_vec()).collect()
}

/// What the server saw of one client.
#[derive(Debug)]
struct Met {
    version: Option<ProtocolVersion>,
    /// What it was told, or why it was turned away.
    told: Result<String, Error>,
}

/// A server in a thread of its own, which meets one client after the other and ends when dropped.
struct Server {
    port: u16,
    met: Receiver<Met>,
    closing: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    fn start(broker: &Issued, manager: Arc<AuthenticationManager>) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let key = PrivateKeyDer::from_pem_file(broker.file("tls.key")).expect("a private key");
        let chain = certificates(&broker.file("tls.crt"));
        let config = server_config(provider, Arc::clone(&manager), chain, key);
        let config = Arc::new(config.expect("key and certificate match"));
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
        let port = listener.local_addr().expect("a bound address").port();
        let (closing, (report, met)) = (Arc::new(AtomicBool::new(false)), channel());
        let closed = Arc::clone(&closing);
        let thread =
            thread::spawn(move || meet_all(&listener, &config, &manager, &closed, &report));
        Self { port, met, closing, thread: Some(thread) }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::SeqCst);
        // A connection of our own wakes the thread, which then sees that it is to close.
        let woken = TcpStream::connect(("127.0.0.1", self.port));
        if let (Ok(_), Some(thread)) = (woken, self.thread.take()) {
            // A panic of the thread has been seen by the test, which waits for what it reports.
            let _panicked = thread.join();
        }
    }
}

fn meet_all(
    listener: &TcpListener,
    config: &Arc<ServerConfig>,
    manager: &AuthenticationManager,
    closing: &AtomicBool,
    report: &Sender<Met>,
) {
    for socket in listener.incoming().map_while(Result::ok) {
        if closing.load(Ordering::SeqCst) {
            break;
        }
        let met = meet(socket, config, manager);
        if report.send(met).is_err() {
            break;
        }
    }
}

/// One client, from the handshake to the end of the connection.
fn meet(mut socket: TcpStream, config: &Arc<ServerConfig>, manager: &AuthenticationManager) -> Met {
    let mut connection = ServerConnection::new(Arc::clone(config)).expect("a usable configuration");
    let told = greet(&mut connection, &mut socket, manager);
    let version = connection.protocol_version();
    // To close a socket that holds something unread would reset the connection, and the client might
    // never read its alert. It may be gone already; what it was told is decided.
    let _client_is_gone = socket.shutdown(Shutdown::Write);
    let _client_is_gone = io::copy(&mut socket.take(LAST_WORDS), &mut io::sink());
    Met { version, told }
}

/// Tells a client its principal and role.
fn greet(
    connection: &mut ServerConnection,
    socket: &mut TcpStream,
    manager: &AuthenticationManager,
) -> Result<String, Error> {
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    while connection.is_handshaking() {
        connection.complete_io(socket)?;
    }
    let chain = connection.peer_certificates().unwrap_or(&[]);
    let peer = manager.authenticate(chain, now()).map_err(Error::other)?;
    let line = format!("{} {}\n", peer.principal, peer.role);
    connection.writer().write_all(line.as_bytes())?;
    connection.send_close_notify();
    while connection.wants_write() {
        connection.write_tls(socket)?;
    }
    Ok(line)
}

/// A server of one authority, and those who come to it.
struct Place {
    product: Product,
    broker: Issued,
    member: Issued,
    fallen: Issued,
    stranger: Issued,
    manager: Arc<AuthenticationManager>,
    /// Keeps the stranger's files.
    _elsewhere: Product,
}

impl Place {
    fn set_up() -> Self {
        let key = SampleKey::P256;
        let product = Product::with_hierarchy(key);
        let elsewhere = Product::empty();
        elsewhere.ok(["ca", "init", "--cn", "Other Root CA"]);
        elsewhere.ok(["ca", "intermediate", "--parent-ca", "root_ca_1", "--cn", "Other CA"]);
        let other_ca = "intermediate_ca_1";
        let broker = product.issue(BROKER, "broker", key, &[]);
        let trust = trust(&broker, lists(&broker.file("crl.pem")));
        Self {
            member: product.issue("client@company.com", "client", key, &[]),
            fallen: product.issue("alice@company.com", "admin", key, &[]),
            stranger: elsewhere.issue_under(other_ca, "client@company.com", "client", key, &[]),
            manager: Arc::new(AuthenticationManager::new(&trust, now()).expect("usable trust")),
            product,
            broker,
            _elsewhere: elsewhere,
        }
    }

    fn revoke_the_fallen(&self) {
        self.product.ok(["certs", "revoke", &self.fallen.id, "--reason", "key-compromise"]);
        let crls = ["root_ca_1", "prod_ca_1"].map(|ca| lists(&self.product.list_of(ca))).concat();
        self.manager.refresh(&trust(&self.broker, crls), now()).expect("usable trust");
    }

    /// Sends a client to the server; returns what both saw.
    fn send(&self, client: Client, server: &Server, identity: Option<&Issued>) -> (Output, Met) {
        let root = self.broker.file("root.crt");
        let visit = Visit { port: server.port, name: BROKER, root: &root, identity };
        let said = client.visit(&visit);
        let met = server.met.recv_timeout(PATIENCE);
        (said.clone(), met.unwrap_or_else(|_| panic!("{client:?} never came: {}", said.text())))
    }
}

fn trust(broker: &Issued, crls: Vec<Vec<u8>>) -> Trust {
    let anchors = certificates(&broker.file("root.crt"));
    let anchors = anchors.into_iter().map(|der| der.to_vec()).collect();
    Trust { anchors, crls, ..Trust::default() }
}

/// Asserts that a client got this answer, over the version of TLS that it is here for.
fn is_let_in((said, met): (Output, Met), client: Client, answer: &str) {
    assert_eq!(said.stdout, answer, "{client:?}: {}\n{met:?}", said.stderr);
    assert!(said.success, "{client:?}: {}", said.stderr);
    assert_eq!(met.told.expect("the server let it in"), answer);
    let version = match client {
        Client::OpenSslTls12 => ProtocolVersion::TLSv1_2,
        _ => ProtocolVersion::TLSv1_3,
    };
    assert_eq!(met.version, Some(version), "{client:?}");
}

/// Asserts that a client got no answer, for this reason, and that it heard the alert, which
/// libraries call by one of these names.
fn is_refused((said, met): (Output, Met), client: Client, why: &rustls::Error, alert: &[&str]) {
    assert_eq!(said.stdout, "", "{client:?} was answered");
    let error = met.told.expect_err("the server turned it away");
    let reason = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    assert_eq!(reason, Some(why), "{client:?}: {error}");
    assert!(!said.success, "{client:?} took silence for success: {}", said.stderr);
    let heard = said.stderr.to_lowercase().replace('_', " ");
    assert!(alert.iter().any(|name| heard.contains(name)), "{client:?} heard: {}", said.stderr);
}

fn meets_the_server(client: Client) {
    if !client.is_here() {
        return;
    }
    let place = Place::set_up();
    let server = Server::start(&place.broker, Arc::clone(&place.manager));
    let come = |identity| place.send(client, &server, identity);
    let member = "client@company.com client\n";
    is_let_in(come(Some(&place.member)), client, member);
    is_let_in(come(Some(&place.fallen)), client, "alice@company.com admin\n");

    is_refused(come(None), client, &NoCertificatesPresented, &["certificate required"]);
    let unknown = ["unknown ca", "unknown certificate authority"];
    let stranger = come(Some(&place.stranger));
    is_refused(stranger, client, &InvalidCertificate(UnknownIssuer), &unknown);
    place.revoke_the_fallen();
    let revoked = ["certificate revoked", "revoked certificate"];
    is_refused(come(Some(&place.fallen)), client, &InvalidCertificate(Revoked), &revoked);
    is_let_in(come(Some(&place.member)), client, member);
}

#[test]
fn openssl_meets_the_server() {
    meets_the_server(Client::OpenSsl);
}

#[test]
fn openssl_meets_the_server_over_tls_1_2() {
    meets_the_server(Client::OpenSslTls12);
}

#[test]
fn go_meets_the_server() {
    meets_the_server(Client::Go);
}

#[test]
fn java_meets_the_server() {
    meets_the_server(Client::Java);
}

#[test]
fn python_meets_the_server() {
    meets_the_server(Client::Python);
}

#[test]
fn node_meets_the_server() {
    meets_the_server(Client::Node);
}
