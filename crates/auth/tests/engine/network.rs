//! Mutual TLS over real sockets, TCP and QUIC alike.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::handshake::{World, client_spec, credentials};
use crate::issue::{Holder, Spec, extension, now, purposes, role};
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ServerConfig};
use rustmq_auth::AuthenticationManager;
use rustmq_auth::rustls::quic_peer_chain;
use rustmq_pki::oid;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const NAME: &str = "broker-01.example";

/// Principal and role as the manager sees them after the handshake, or nothing if there is none.
fn greeting(manager: &AuthenticationManager, chain: &[CertificateDer<'_>]) -> Option<String> {
    let context = manager.authenticate(chain, now()).ok()?;
    Some(format!("{} {}", context.principal, context.role))
}

/// Serves one TCP connection.
async fn serve_tcp(
    listener: TcpListener,
    config: Arc<ServerConfig>,
    manager: Arc<AuthenticationManager>,
) -> Option<String> {
    let (socket, _) = listener.accept().await.ok()?;
    let mut stream = tokio_rustls::TlsAcceptor::from(config).accept(socket).await.ok()?;
    let greeting = greeting(&manager, stream.get_ref().1.peer_certificates().unwrap_or(&[]))?;
    stream.write_all(greeting.as_bytes()).await.ok()?;
    stream.shutdown().await.ok()?;
    Some(greeting)
}

async fn ask_tcp(address: SocketAddr, config: Arc<ClientConfig>) -> Option<String> {
    let socket = TcpStream::connect(address).await.ok()?;
    let name = ServerName::try_from(NAME).ok()?;
    let mut stream = tokio_rustls::TlsConnector::from(config).connect(name, socket).await.ok()?;
    let mut said = String::new();
    stream.read_to_string(&mut said).await.ok()?;
    (!said.is_empty()).then_some(said)
}

async fn over_tcp(world: &World, client: Arc<ClientConfig>) -> (Option<String>, Option<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let served = serve_tcp(listener, world.server_config(), Arc::clone(&world.server));
    tokio::join!(served, ask_tcp(address, client))
}

async fn serve_quic(
    endpoint: quinn::Endpoint,
    manager: Arc<AuthenticationManager>,
) -> Option<String> {
    let connection = endpoint.accept().await?.await.ok()?;
    let chain = quic_peer_chain(connection.peer_identity());
    let greeting = greeting(&manager, &chain)?;
    let mut stream = connection.open_uni().await.ok()?;
    stream.write_all(greeting.as_bytes()).await.ok()?;
    stream.finish().ok()?;
    connection.closed().await;
    Some(greeting)
}

async fn ask_quic(address: SocketAddr, config: Arc<ClientConfig>) -> Option<String> {
    let mut endpoint = quinn::Endpoint::client("127.0.0.1:0".parse().ok()?).ok()?;
    let crypto = QuicClientConfig::try_from(config).ok()?;
    endpoint.set_default_client_config(quinn::ClientConfig::new(Arc::new(crypto)));
    let connection = endpoint.connect(address, NAME).ok()?.await.ok()?;
    let mut stream = connection.accept_uni().await.ok()?;
    let said = stream.read_to_end(1_000).await.ok()?;
    connection.close(0_u32.into(), b"");
    endpoint.wait_idle().await;
    String::from_utf8(said).ok()
}

async fn over_quic(world: &World, client: Arc<ClientConfig>) -> (Option<String>, Option<String>) {
    let config = Arc::unwrap_or_clone(world.server_config());
    let crypto = QuicServerConfig::try_from(config).unwrap();
    let config = quinn::ServerConfig::with_crypto(Arc::new(crypto));
    let endpoint = quinn::Endpoint::server(config, "127.0.0.1:0".parse().unwrap()).unwrap();
    let address = endpoint.local_addr().unwrap();
    let served = serve_quic(endpoint, Arc::clone(&world.server));
    tokio::join!(served, ask_quic(address, client))
}

/// A key and the certificate for it.
type Credential = (Holder, Vec<u8>);

/// Every kind of client that must not get in, and its certificate.
fn refused(world: &World) -> Vec<(&'static str, Option<Credential>)> {
    let by = |issuer: &Holder, spec: Spec| {
        let holder = Holder::new("app");
        let der = issuer.issue(&holder, &spec);
        Some((holder, der))
    };
    let root = |spec: Spec| by(&world.root, spec);
    let own = Holder::new("app");
    let self_signed = own.issue(&own, &client_spec());
    let mut server_only = client_spec();
    server_only.extensions[1] = purposes(&[oid::SERVER_AUTH]);
    let mut code_signing = client_spec();
    code_signing.extensions[1] = purposes(&[oid::CODE_SIGNING]);
    let (past, future) = (now().plus_days(-1), now().plus_days(1));
    vec![
        ("wrong CA", by(&Holder::new("Other"), client_spec())),
        ("forged by the root's name", by(&Holder::new("Root"), client_spec())),
        ("self-signed", Some((own, self_signed))),
        ("expired", root(client_spec().valid(past.plus_days(-9), past))),
        ("not yet valid", root(client_spec().valid(future, future.plus_days(9)))),
        ("revoked", root(client_spec().serial(&[0x66]))),
        ("wrong EKU", root(code_signing)),
        ("serverAuth only", root(server_only)),
        ("CA certificate", root(Spec::ca().with(role("client")))),
        ("unknown critical", root(client_spec().with(extension(&[0x2a, 3], true, &[5, 0])))),
        ("role not allowed", root(Spec::leaf("app.example").with(role("wizard")))),
        ("no certificate", None),
    ]
}

#[tokio::test]
async fn test_end_to_end_authentication_flow() {
    let world = World::new();
    let trust = World::trust(&world.root, 2, &[&[0x66]]);
    world.server.refresh(&trust, now()).unwrap();
    let config = |credential: Option<Credential>| {
        let credential = credential.map(|(holder, der)| credentials(&holder, &[&der]));
        world.client_config(credential, &[&rustls::version::TLS13])
    };
    let holder = Holder::new("app");
    let good = world.root.issue(&holder, &client_spec());
    let good = config(Some((holder, good)));
    let greeting = Some("app client".to_owned());
    assert_eq!(over_tcp(&world, Arc::clone(&good)).await, (greeting.clone(), greeting.clone()));
    assert_eq!(over_quic(&world, good).await, (greeting.clone(), greeting));
    for (what, credential) in refused(&world) {
        let client = config(credential);
        assert_eq!(over_tcp(&world, Arc::clone(&client)).await, (None, None), "TCP: {what}");
        assert_eq!(over_quic(&world, client).await, (None, None), "QUIC: {what}");
    }
}
