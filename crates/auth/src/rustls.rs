//! Adapters to rustls, and through it to tokio-rustls and quinn: no policy of their own.
//!
//! Build a configuration with [`server_config`] or put a [`Verifier`] into one's own. After every
//! handshake call [`AuthenticationManager::authenticate`] with the connection's certificates: a resumed
//! session never calls the verifier, and its peer may have been revoked since. Close the connection if
//! it refuses.

use std::any::Any;
use std::sync::Arc;

use ::rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use ::rustls::crypto::CryptoProvider;
use ::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use ::rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, PeerMisbehaved,
    ServerConfig, SignatureScheme,
};
use rustls_pki_types as pki;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustmq_pki::read::CertificateRef;
use rustmq_pki::time::UnixTime;

use crate::authentication::AuthenticationManager;
use crate::error::{Refusal, Rule};
use crate::path::ReferenceName;
use crate::signature::{self, Handshake};

/// Verifies peers of TLS by an [`AuthenticationManager`]: clients of a server, and the server of a
/// client. A client's certificate must be one for clients, and a server's one for servers: the same
/// manager does for both.
#[derive(Clone, Debug)]
pub struct Verifier {
    manager: Arc<AuthenticationManager>,
}

impl Verifier {
    /// A verifier that asks `manager`.
    pub const fn new(manager: Arc<AuthenticationManager>) -> Self {
        Self { manager }
    }
}

/// A server's configuration: clients must authenticate, and there is no early data, which would act
/// before [`AuthenticationManager::authenticate`] is asked.
pub fn server_config(
    provider: Arc<CryptoProvider>,
    manager: Arc<AuthenticationManager>,
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
) -> Result<ServerConfig, Error> {
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_client_cert_verifier(Arc::new(Verifier::new(manager)))
        .with_single_cert(chain, key)?;
    config.max_early_data_size = 0;
    Ok(config)
}

/// The certificates in what `quinn::Connection::peer_identity` returns; none if there is no identity.
pub fn quic_peer_chain(identity: Option<Box<dyn Any>>) -> Vec<CertificateDer<'static>> {
    identity
        .and_then(|identity| identity.downcast::<Vec<CertificateDer<'static>>>().ok())
        .map_or(Vec::new(), |chain| *chain)
}

/// rustls counts from 1970 without a sign.
fn time(now: pki::UnixTime) -> UnixTime {
    UnixTime::from_seconds(i64::try_from(now.as_secs()).unwrap_or(i64::MAX))
}

fn chain<'c>(
    end_entity: &'c CertificateDer<'_>,
    intermediates: &'c [CertificateDer<'_>],
) -> Vec<CertificateDer<'c>> {
    let all = std::iter::once(end_entity).chain(intermediates);
    all.map(|der| CertificateDer::from(der.as_ref())).collect()
}

impl ClientCertVerifier for Verifier {
    /// Empty: a list of roots would be sent to every client, and be stale after a refresh.
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &[]
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: pki::UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let chain = chain(end_entity, intermediates);
        self.manager.authenticate(&chain, time(now)).map_err(tls_error)?;
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_handshake(message, cert, dss, Handshake::Tls12)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_handshake(message, cert, dss, Handshake::Tls13)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        schemes()
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: pki::UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let name = match server_name {
            ServerName::DnsName(name) => ReferenceName::Dns(name.as_ref().to_owned()),
            ServerName::IpAddress(address) => {
                ReferenceName::Ip(std::net::IpAddr::from(*address).to_string())
            }
            _ => return Err(Error::InvalidCertificate(CertificateError::NotValidForName)),
        };
        let chain = chain(end_entity, intermediates);
        let answer = self.manager.authenticate_server(&chain, &name, ocsp_response, time(now));
        answer.map_err(tls_error)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_handshake(message, cert, dss, Handshake::Tls12)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_handshake(message, cert, dss, Handshake::Tls13)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        schemes()
    }
}

fn schemes() -> Vec<SignatureScheme> {
    vec![
        SignatureScheme::ED25519,
        SignatureScheme::ECDSA_NISTP256_SHA256,
        SignatureScheme::ECDSA_NISTP384_SHA384,
        SignatureScheme::ECDSA_NISTP521_SHA512,
        SignatureScheme::ML_DSA_44,
        SignatureScheme::ML_DSA_65,
        SignatureScheme::ML_DSA_87,
        SignatureScheme::RSA_PSS_SHA256,
        SignatureScheme::RSA_PSS_SHA384,
        SignatureScheme::RSA_PSS_SHA512,
        SignatureScheme::RSA_PKCS1_SHA256,
        SignatureScheme::RSA_PKCS1_SHA384,
        SignatureScheme::RSA_PKCS1_SHA512,
    ]
}

/// Verifies the handshake's signature over the certificate's SubjectPublicKeyInfo. The helper that
/// comes with rustls reads the whole certificate and refuses critical extensions that it does not
/// know; ours has been judged already.
fn verify_handshake(
    message: &[u8],
    certificate: &CertificateDer<'_>,
    signed: &DigitallySignedStruct,
    version: Handshake,
) -> Result<HandshakeSignatureValid, Error> {
    let bad = |error| Error::InvalidCertificate(error);
    let view = CertificateRef::read(certificate).map_err(|_| bad(CertificateError::BadEncoding))?;
    let scheme = u16::from(signed.scheme);
    let algorithm = signature::handshake_algorithm(scheme, &view.spki, version)
        .ok_or(PeerMisbehaved::SignedHandshakeWithUnadvertisedSigScheme)?;
    signature::verify_with(algorithm, &view.spki, message, signed.signature())
        .map_err(|_| bad(CertificateError::BadSignature))?;
    Ok(HandshakeSignatureValid::assertion())
}

/// One match from our refusals to what rustls tells the peer by an alert.
fn tls_error(refusal: Refusal) -> Error {
    let error = match refusal.rule {
        Rule::EmptyChain => return Error::NoCertificatesPresented,
        Rule::Malformed | Rule::CertificateTooLarge => CertificateError::BadEncoding,
        Rule::Expired => CertificateError::Expired,
        Rule::NotYetValid => CertificateError::NotValidYet,
        Rule::Revoked => CertificateError::Revoked,
        Rule::RevocationUnknown => CertificateError::UnknownRevocationStatus,
        Rule::UnknownCriticalExtension => CertificateError::UnhandledCriticalExtension,
        Rule::NoIssuer | Rule::NoAnchor | Rule::AnchorNotCa => CertificateError::UnknownIssuer,
        Rule::SignatureInvalid => CertificateError::BadSignature,
        Rule::NameMismatch | Rule::ReferenceNameInvalid => CertificateError::NotValidForName,
        Rule::PurposeNotAllowed
        | Rule::MtlsKeyUsage
        | Rule::MtlsEkuMissing
        | Rule::MtlsLeafIsCa => CertificateError::InvalidPurpose,
        Rule::MtlsRoleMissing
        | Rule::MtlsRoleNotAllowed
        | Rule::MtlsRoleAmbiguous
        | Rule::PrincipalMissing
        | Rule::PrincipalAmbiguous
        | Rule::PrincipalInvalid => CertificateError::ApplicationVerificationFailure,
        _ => CertificateError::Other(OtherError(Arc::new(refusal))),
    };
    Error::InvalidCertificate(error)
}
