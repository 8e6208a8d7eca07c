//! How we look at a next hop that takes mail: other rules than for the web.
//!
//! A web page that is not proved to be the right one is worth nothing, so [`ClientTls`] has no way
//! to switch verification off, and this is another type. Between mail servers it is different: most
//! certificates name nobody in particular, and the choice is not "TLS or nothing" but "TLS or clear
//! text". RFC 7435 (opportunistic security) then prefers TLS with whoever answers, which at least
//! nobody reads in passing. What is learned is kept: each handshake returns the fingerprint of the
//! other end's key, so that the caller can see whether it is the one from yesterday, and a key that
//! is known can be pinned. In every mode the other end proves that it holds the key it shows.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature_with_raw_key};
use rustls::pki_types::{CertificateDer, ServerName, SubjectPublicKeyInfoDer, UnixTime};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, DistinguishedName, Error,
    SignatureScheme,
};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::{ClientTls, TlsError, TlsStream, provider};

/// The SHA-256 of a public key (SubjectPublicKeyInfo in DER), as in a TLSA record `3 1 1`
/// (RFC 6698 §2.1). It outlives the certificate. Shown in hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpkiHash(pub [u8; 32]);

impl SpkiHash {
    /// Of a certificate's key; `None` if it is no certificate.
    pub fn of(certificate: &[u8]) -> Option<Self> {
        let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
        Some(Self(Sha256::digest(certificate.public_key().raw).into()))
    }
}

impl fmt::Display for SpkiHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for SpkiHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SpkiHash({self})")
    }
}

/// Whom to believe of those that take mail (see the module's head). Cheap to clone; one for all
/// hops of a mode, so that sessions are resumed.
#[derive(Clone, Debug)]
pub struct HopTls(Arc<ClientConfig>);

impl HopTls {
    /// The certificate must bear the host's name and lead to an authority (MTA-STS, RFC 8461 §4.1;
    /// smart hosts).
    pub fn verified(tls: &ClientTls) -> Self {
        Self(tls.config())
    }

    /// The key must be one of `keys`; names, dates and issuers do not count (RFC 7672 §3.1.1).
    ///
    /// # Errors
    /// The TLS library refuses.
    pub fn pinned(keys: impl Into<Vec<SpkiHash>>) -> Result<Self, TlsError> {
        Self::with(Some(keys.into()))
    }

    /// Anybody will do, as long as nobody reads in passing (RFC 7435).
    ///
    /// # Errors
    /// The TLS library refuses.
    pub fn opportunistic() -> Result<Self, TlsError> {
        Self::with(None)
    }

    /// The same trust with the protocols `alpn` offered (RFC 7301), for example `b"smtp"`.
    #[must_use]
    pub fn offering(&self, alpn: &[&[u8]]) -> Self {
        let mut config = ClientConfig::clone(&self.0);
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        Self(Arc::new(config))
    }

    fn with(pins: Option<Vec<SpkiHash>>) -> Result<Self, TlsError> {
        let provider = provider();
        let verifier = KeyOnly {
            pins,
            provider: Arc::clone(&provider),
        };
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(verifier))
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }

    /// Shakes hands over `stream` with the host called `name`, and says which key it holds. The
    /// caller bounds the time.
    ///
    /// # Errors
    /// `name` is no host name, the connection broke, or the other end is not to be believed.
    pub async fn connect<S>(&self, name: &str, stream: S) -> io::Result<(TlsStream<S>, SpkiHash)>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = ServerName::try_from(name.to_owned())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let connector = TlsConnector::from(Arc::clone(&self.0));
        let stream = connector.connect(name, stream).await?;
        // A resumed session remembers the certificate of the first one.
        let shown = stream.get_ref().1.peer_certificates();
        let key = shown.and_then(|chain| SpkiHash::of(chain.first()?));
        let key = key.ok_or_else(|| io::Error::other("the other end showed no certificate"))?;
        Ok((stream, key))
    }
}

/// Looks at nothing but the key.
#[derive(Debug)]
struct KeyOnly {
    /// Those that are believed; `None`: any.
    pins: Option<Vec<SpkiHash>>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for KeyOnly {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let key = SpkiHash::of(end_entity).ok_or(CertificateError::BadEncoding)?;
        match &self.pins {
            Some(pins) if !pins.contains(&key) => {
                Err(CertificateError::ApplicationVerificationFailure.into())
            }
            _ => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        // By the bare key: certificates between mail servers are often odd (version 1, extensions
        // that nobody knows), and nothing else in them counts here.
        let (_, certificate) =
            X509Certificate::from_der(certificate).map_err(|_| CertificateError::BadEncoding)?;
        let key = SubjectPublicKeyInfoDer::from(certificate.public_key().raw);
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature_with_raw_key(message, &key, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        None
    }
}
