//! The server's share of a full mutual-TLS handshake in memory.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::rand::SystemRandom;
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs as provider};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};
use rustmq_auth::AuthenticationManager;
use rustmq_auth::rustls::{Verifier, server_config};
use rustmq_pki::read::CertificateRef;

use super::issue::{Holder, now};
use super::{HOST, World, agree, verify};
use crate::measure::{Table, Target, cpu_time};

type Manager = Arc<AuthenticationManager>;

#[derive(Debug)]
struct Clock;

impl rustls::time_provider::TimeProvider for Clock {
    fn current_time(&self) -> Option<rustls::pki_types::UnixTime> {
        let now = Duration::from_secs(u64::try_from(now().seconds()).ok()?);
        Some(rustls::pki_types::UnixTime::since_unix_epoch(now))
    }
}

/// X25519 and AES-128 alone, so that the primitive sum is the one that is done.
fn primitives_only() -> Arc<CryptoProvider> {
    let kx_groups = vec![provider::kx_group::X25519];
    Arc::new(CryptoProvider { kx_groups, ..provider::default_provider() })
}

fn server(world: &World, manager: &Manager) -> Arc<ServerConfig> {
    let (holder, leaf) = world.leaf(0);
    let chain = world.chain(leaf);
    let key = PrivatePkcs8KeyDer::from(holder.key.to_pkcs8v1().unwrap().as_ref().to_vec());
    let mut config =
        server_config(primitives_only(), Arc::clone(manager), chain, key.into()).unwrap();
    config.time_provider = Arc::new(Clock);
    config.send_tls13_tickets = 0;
    Arc::new(config)
}

fn client(
    holder: &Holder,
    chain: Vec<CertificateDer<'static>>,
    servers: &Manager,
) -> Arc<ClientConfig> {
    let key = PrivatePkcs8KeyDer::from(holder.key.to_pkcs8v1().unwrap().as_ref().to_vec());
    let mut config = ClientConfig::builder_with_details(primitives_only(), Arc::new(Clock))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier::new(Arc::clone(servers))))
        .with_client_auth_cert(chain, key.into())
        .unwrap();
    config.resumption = Resumption::disabled();
    Arc::new(config)
}

/// One handshake; returns the server's CPU time, `authenticate` after the handshake included.
fn handshake(
    manager: &Manager,
    server: &Arc<ServerConfig>,
    client: &Arc<ClientConfig>,
) -> Duration {
    let mut spent = Duration::ZERO;
    let name = ServerName::try_from(HOST).unwrap();
    let mut client = ClientConnection::new(Arc::clone(client), name).unwrap();
    let start = cpu_time();
    let mut server = ServerConnection::new(Arc::clone(server)).unwrap();
    spent += cpu_time() - start;
    let mut to_client = Vec::new();
    while client.is_handshaking() || server.is_handshaking() {
        let mut to_server = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut to_server).unwrap();
        }
        let start = cpu_time();
        let mut rest = to_server.as_slice();
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            server.process_new_packets().unwrap();
        }
        while server.wants_write() {
            server.write_tls(&mut to_client).unwrap();
        }
        spent += cpu_time() - start;
        let mut rest = to_client.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client.process_new_packets().unwrap();
        }
        to_client.clear();
    }
    let start = cpu_time();
    manager.authenticate(server.peer_certificates().unwrap(), now()).unwrap();
    spent + (cpu_time() - start)
}

/// The primitives of the server's side: its signature, the client's, the two on the client's chain,
/// and the key agreement.
fn primitives(world: &World, holder: &Holder, leaf: &CertificateRef<'_>) -> Duration {
    let read = |der| CertificateRef::read(der).unwrap();
    let (ca, root) = (read(&world.intermediate_der), read(&world.root_der));
    let start = cpu_time();
    holder.key.sign(&SystemRandom::new(), leaf.tbs).unwrap();
    verify(leaf, &ca);
    verify(&ca, &root);
    verify(leaf, &ca);
    agree();
    cpu_time() - start
}

pub(super) fn run(table: &mut Table, world: &World) {
    const ROUNDS: u32 = 300;
    let servers = Arc::new(AuthenticationManager::new(&world.trust(1, &[]), now()).unwrap());
    // The lists are verified as they are loaded; of the chain nothing is.
    let trust = world.trust(1, &[]);
    let (mut sum, mut cold, mut warm) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
    for number in 0..ROUNDS {
        let manager = Arc::new(AuthenticationManager::new(&trust, now()).unwrap());
        let server = server(world, &manager);
        let (holder, leaf) = world.leaf(number + 1);
        sum += primitives(world, &holder, &CertificateRef::read(&leaf).unwrap());
        let client = client(&holder, world.chain(leaf), &servers);
        cold += handshake(&manager, &server, &client);
        warm += handshake(&manager, &server, &client);
    }
    let each = |time: Duration| time.as_secs_f64() * 1e6 / f64::from(ROUNDS);
    let (sum, cold, warm) = (each(sum), each(cold), each(warm));
    let detail = format!("server's CPU {cold:.0} us / its primitives {sum:.0} us");
    table.add("full handshake in memory", cold / sum, detail, Target::AtMost(1.35));
    let detail = format!("server's CPU {warm:.0} us / {cold:.0} us");
    table.add("  the same, known client", warm / cold, detail, Target::AtMost(0.65));
}
