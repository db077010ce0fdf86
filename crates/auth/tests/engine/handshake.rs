//! Real handshakes of rustls, in memory: who is let in, who is not, and what the other side hears.

use std::sync::Arc;

use crate::issue::{Holder, Spec, extension, now, purposes, role};
use rustls::client::Resumption;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName};
use rustls::{
    AlertDescription, CertificateError, ClientConfig, ClientConnection, Error, HandshakeKind,
    ServerConfig, ServerConnection,
};
use rustls_pki_types as pki;
use rustmq_auth::rustls::{Verifier, server_config};
use rustmq_auth::{AuthenticationManager, ReferenceName, Rule, Trust};
use rustmq_pki::oid;
use rustmq_pki::role::Role;

/// rustls asks a clock; this one stands still where the test certificates are valid.
#[derive(Debug)]
struct Clock;

impl rustls::time_provider::TimeProvider for Clock {
    fn current_time(&self) -> Option<pki::UnixTime> {
        let seconds = u64::try_from(now().seconds()).ok()?;
        Some(pki::UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds)))
    }
}

pub(crate) struct World {
    pub(crate) root: Holder,
    broker: Holder,
    pub(crate) server: Arc<AuthenticationManager>,
}

pub(crate) type Credentials = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

pub(crate) fn credentials(holder: &Holder, chain: &[&[u8]]) -> Credentials {
    let key = holder.key.to_pkcs8v1().unwrap();
    let chain = chain.iter().map(|der| CertificateDer::from(der.to_vec())).collect();
    (chain, PrivatePkcs8KeyDer::from(key.as_ref().to_vec()).into())
}

impl World {
    pub(crate) fn new() -> Self {
        let (root, broker) = (Holder::new("Root"), Holder::new("broker-01"));
        let trust = Self::trust(&root, 1, &[]);
        let server = Arc::new(AuthenticationManager::new(&trust, now()).unwrap());
        Self { root, broker, server }
    }

    pub(crate) fn trust(root: &Holder, number: u8, revoked: &[&[u8]]) -> Trust {
        Trust {
            anchors: vec![root.self_signed()],
            crls: vec![root.crl(number, now().plus_days(-1), now().plus_days(1), revoked)],
            ..Trust::default()
        }
    }

    pub(crate) fn server_config(&self) -> Arc<ServerConfig> {
        self.server_config_with(&Spec::leaf("broker-01.example").with(role("broker")))
    }

    fn server_config_with(&self, spec: &Spec) -> Arc<ServerConfig> {
        let (chain, key) = credentials(&self.broker, &[&self.root.issue(&self.broker, spec)]);
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = server_config(provider, Arc::clone(&self.server), chain, key).unwrap();
        config.time_provider = Arc::new(Clock);
        config.ticketer = rustls::crypto::aws_lc_rs::Ticketer::new().unwrap();
        assert_eq!(config.max_early_data_size, 0);
        Arc::new(config)
    }

    pub(crate) fn client_config(
        &self,
        credentials: Option<Credentials>,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> Arc<ClientConfig> {
        let trust = Self::trust(&self.root, 1, &[]);
        let manager = Arc::new(AuthenticationManager::new(&trust, now()).unwrap());
        let builder = ClientConfig::builder_with_details(
            Arc::new(rustls::crypto::aws_lc_rs::default_provider()),
            Arc::new(Clock),
        )
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier::new(manager)));
        let mut config = match credentials {
            // Not by with_client_auth_cert, which would not send what a test must see refused.
            Some((chain, key)) => {
                let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key).unwrap();
                let certified = rustls::sign::CertifiedKey::new(chain, key);
                let resolver = rustls::sign::SingleCertAndKey::from(certified);
                builder.with_client_cert_resolver(Arc::new(resolver))
            }
            None => builder.with_no_client_auth(),
        };
        config.resumption = Resumption::in_memory_sessions(8);
        Arc::new(config)
    }

    /// A client with this certificate by the root, over both versions of TLS.
    fn client(&self, spec: &Spec) -> Arc<ClientConfig> {
        let holder = Holder::new("app");
        let der = self.root.issue(&holder, spec);
        self.client_config(Some(credentials(&holder, &[&der])), rustls::ALL_VERSIONS)
    }
}

pub(crate) fn client_spec() -> Spec {
    Spec::leaf("app.example").with(role("client"))
}

struct Outcome {
    server: Result<ServerConnection, Error>,
    client: Result<ClientConnection, Error>,
}

fn handshake(server: &Arc<ServerConfig>, client: &Arc<ClientConfig>, name: &str) -> Outcome {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(Arc::clone(client), name).unwrap();
    let mut server = ServerConnection::new(Arc::clone(server)).unwrap();
    let (mut server_error, mut client_error) = (None, None);
    for _ in 0..8 {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut rest = wire.as_slice();
        while !rest.is_empty() {
            server.read_tls(&mut rest).unwrap();
            server_error = server_error.or(server.process_new_packets().err());
        }
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut rest = wire.as_slice();
        while !rest.is_empty() {
            client.read_tls(&mut rest).unwrap();
            client_error = client_error.or(client.process_new_packets().err());
        }
    }
    Outcome {
        server: server_error.map_or(Ok(server), Err),
        client: client_error.map_or(Ok(client), Err),
    }
}

/// The alert that a refused client hears.
fn alert(world: &World, client: &Arc<ClientConfig>) -> AlertDescription {
    let outcome = handshake(&world.server_config(), client, "broker-01.example");
    assert!(outcome.server.is_err(), "the server refuses");
    match outcome.client {
        Err(Error::AlertReceived(alert)) => alert,
        other => panic!("no alert: {other:?}"),
    }
}

#[test]
fn a_client_is_let_in_and_known_by_its_principal() {
    let world = World::new();
    for version in rustls::ALL_VERSIONS {
        let holder = Holder::new("app");
        let der = world.root.issue(&holder, &client_spec());
        let client = world.client_config(Some(credentials(&holder, &[&der])), &[version]);
        let outcome = handshake(&world.server_config(), &client, "broker-01.example");
        let server = outcome.server.unwrap();
        outcome.client.unwrap();
        let chain = server.peer_certificates().unwrap();
        let context = world.server.authenticate(chain, now()).unwrap();
        assert_eq!((&*context.principal, context.role), ("app", Role::Client));
    }
}

#[test]
fn refused_clients_hear_why() {
    let world = World::new();
    let heard = |spec: Spec| alert(&world, &world.client(&spec));
    let past = client_spec().valid(now().plus_days(-9), now().plus_days(-1));
    assert_eq!(heard(past), AlertDescription::CertificateExpired);
    let future = client_spec().valid(now().plus_days(1), now().plus_days(9));
    assert_eq!(heard(future), AlertDescription::CertificateExpired);
    let mut server_only = client_spec();
    server_only.extensions[1] = purposes(&[oid::SERVER_AUTH]);
    assert_eq!(heard(server_only), AlertDescription::UnsupportedCertificate);
    assert_eq!(heard(Spec::ca().with(role("client"))), AlertDescription::UnsupportedCertificate);
    let unknown = client_spec().with(extension(&[0x2a, 0x03, 0x04], true, &[0x05, 0x00]));
    assert_eq!(heard(unknown), AlertDescription::BadCertificate);
    assert_eq!(heard(Spec::leaf("app.example")), AlertDescription::AccessDenied);
    assert_eq!(heard(Spec::leaf("a.example").with(role("x"))), AlertDescription::AccessDenied);
}

#[test]
fn strangers_and_the_nameless_are_refused() {
    let world = World::new();
    let (other, holder) = (Holder::new("Other"), Holder::new("app"));
    let stranger = other.issue(&holder, &client_spec());
    let self_signed = holder.issue(&holder, &client_spec());
    for der in [stranger, self_signed] {
        let client = world.client_config(Some(credentials(&holder, &[&der])), rustls::ALL_VERSIONS);
        assert_eq!(alert(&world, &client), AlertDescription::UnknownCA);
    }
    let nobody = world.client_config(None, rustls::ALL_VERSIONS);
    assert_eq!(alert(&world, &nobody), AlertDescription::CertificateRequired);
}

#[test]
fn revoked_clients_are_refused_also_on_resumption() {
    for version in rustls::ALL_VERSIONS {
        let world = World::new();
        let holder = Holder::new("app");
        let der = world.root.issue(&holder, &client_spec());
        let client = world.client_config(Some(credentials(&holder, &[&der])), &[version]);
        let config = world.server_config();
        handshake(&config, &client, "broker-01.example").server.unwrap();
        let resumed = handshake(&config, &client, "broker-01.example").server.unwrap();
        assert_eq!(resumed.handshake_kind(), Some(HandshakeKind::Resumed));
        let authenticate = |connection: &ServerConnection| {
            let chain = connection.peer_certificates().unwrap_or(&[]);
            world.server.authenticate(chain, now()).map_err(|refusal| refusal.rule.code())
        };
        assert!(authenticate(&resumed).is_ok());
        let revoked = World::trust(&world.root, 2, &[&[0x42]]);
        world.server.refresh(&revoked, now()).unwrap();
        // The handshake succeeds, because it asks no verifier; the manager is asked and refuses.
        let again = handshake(&config, &client, "broker-01.example").server.unwrap();
        assert_eq!(again.handshake_kind(), Some(HandshakeKind::Resumed));
        assert_eq!(authenticate(&again), Err("revoked"));
        let fresh = world.client_config(Some(credentials(&holder, &[&der])), &[version]);
        let outcome = handshake(&config, &fresh, "broker-01.example");
        assert!(outcome.server.is_err());
        assert_eq!(
            outcome.client.unwrap_err(),
            Error::AlertReceived(AlertDescription::CertificateRevoked)
        );
    }
}

#[test]
fn a_server_must_have_the_name_that_is_asked_for() {
    let world = World::new();
    let client = world.client(&client_spec());
    let outcome = handshake(&world.server_config(), &client, "broker-02.example");
    assert!(matches!(outcome.client, Err(Error::InvalidCertificate(_))));
    assert!(outcome.server.is_err());
}

#[test]
fn each_side_asks_for_the_purpose_of_the_other() {
    let world = World::new();
    let only = |purpose: &[u8], host: &str, of: &str| {
        let mut spec = Spec::leaf(host).with(role(of));
        spec.extensions[1] = purposes(&[purpose]);
        spec
    };
    let server = |purpose| world.server_config_with(&only(purpose, "broker-01.example", "broker"));
    let client = |purpose| world.client(&only(purpose, "app.example", "client"));
    let meet = |server, client| {
        let outcome = handshake(&server, &client, "broker-01.example");
        (outcome.server.err(), outcome.client.err())
    };
    assert_eq!(meet(server(oid::SERVER_AUTH), client(oid::CLIENT_AUTH)), (None, None));
    let (_, error) = meet(server(oid::CLIENT_AUTH), client(oid::CLIENT_AUTH));
    assert_eq!(error, Some(Error::InvalidCertificate(CertificateError::InvalidPurpose)));
    let (error, _) = meet(server(oid::SERVER_AUTH), client(oid::SERVER_AUTH));
    assert_eq!(error, Some(Error::InvalidCertificate(CertificateError::InvalidPurpose)));
}

#[test]
fn a_session_is_asked_again_for_what_it_was_asked_at_first() {
    let world = World::new();
    let mut spec = Spec::leaf("broker-01.example").with(role("broker"));
    spec.extensions[1] = purposes(&[oid::SERVER_AUTH]);
    let chain = [CertificateDer::from(world.root.issue(&world.broker, &spec))];
    let name = ReferenceName::Dns("broker-01.example".to_owned());
    let server = world.server.authenticate_server(&chain, &name, &[], now()).unwrap();
    let session = world.server.register(&chain, &server, now());
    let refreshed = world.server.refresh(&World::trust(&world.root, 2, &[]), now()).unwrap();
    assert_eq!((refreshed.ended, session.ended()), (0, None));
    let as_client = world.server.authenticate(&chain, now()).unwrap_err();
    assert_eq!(as_client.rule, Rule::PurposeNotAllowed);
}
