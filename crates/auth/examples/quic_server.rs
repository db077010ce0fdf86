//! A QUIC server with mutual TLS: `quic_server ROOT.der CRL.der CHAIN.pem KEY.pem [ADDRESS]` prints who
//! connects.
use std::io::Write;
use std::sync::Arc;

use quinn::crypto::rustls::QuicServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustmq_auth::rustls::{quic_peer_chain, server_config};
use rustmq_auth::{AuthenticationManager, Trust};
use rustmq_pki::time::UnixTime;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().collect();
    let read = std::fs::read;
    let trust =
        Trust { anchors: vec![read(&args[1])?], crls: vec![read(&args[2])?], ..Trust::default() };
    let manager = Arc::new(AuthenticationManager::new(&trust, now())?);
    let chain = CertificateDer::pem_file_iter(&args[3])?.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_file(&args[4])?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = server_config(provider, Arc::clone(&manager), chain, key)?;
    let config = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(config)?));
    let address = args.get(5).map_or("127.0.0.1:0", |a| a).parse()?;
    let endpoint = quinn::Endpoint::server(config, address)?;
    writeln!(std::io::stdout(), "listening on {}", endpoint.local_addr()?)?;
    while let Some(incoming) = endpoint.accept().await {
        let Ok(connection) = incoming.await else { continue };
        let chain = quic_peer_chain(connection.peer_identity());
        match manager.authenticate(&chain, now()) {
            Ok(peer) => writeln!(std::io::stdout(), "{} {}", peer.principal, peer.role)?,
            Err(refusal) => connection.close(1_u32.into(), refusal.to_string().as_bytes()),
        }
    }
    Ok(())
}
fn now() -> UnixTime {
    let now = std::time::UNIX_EPOCH.elapsed().map_or(0, |now| now.as_secs());
    UnixTime::from_seconds(i64::try_from(now).unwrap_or(i64::MAX))
}
