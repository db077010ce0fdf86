//! A TCP server with mutual TLS: `tcp_server ROOT.der CRL.der CHAIN.pem KEY.pem [ADDRESS]` prints who
//! connects.
use std::io::Write;
use std::sync::Arc;

use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustmq_auth::{AuthenticationManager, Trust, rustls::server_config};
use rustmq_pki::time::UnixTime;
use tokio::{io::AsyncWriteExt, net::TcpListener};

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
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind(args.get(5).map_or("127.0.0.1:0", |a| a)).await?;
    writeln!(std::io::stdout(), "listening on {}", listener.local_addr()?)?;
    loop {
        let (socket, _) = listener.accept().await?;
        let Ok(mut stream) = acceptor.accept(socket).await else { continue };
        let chain = stream.get_ref().1.peer_certificates().unwrap_or(&[]);
        let said = match manager.authenticate(chain, now()) {
            Ok(peer) => format!("{} {}", peer.principal, peer.role),
            Err(refusal) => format!("refused: {refusal}"),
        };
        writeln!(std::io::stdout(), "{said}")?;
        stream.shutdown().await.ok();
    }
}
fn now() -> UnixTime {
    let now = std::time::UNIX_EPOCH.elapsed().map_or(0, |now| now.as_secs());
    UnixTime::from_seconds(i64::try_from(now).unwrap_or(i64::MAX))
}
