//! TLS: the chain is recorded and judged, never blindly accepted.
//!
//! The recorder asks the ordinary verifier first and keeps its word; beside that it notes the
//! fingerprint of the key that was shown, also where the chain is judged bad. A handshake whose
//! chain is bad goes no further (RFC 8446 §4.4.2.4), except between mail servers, where TLS is taken
//! as it comes. Resumption is off: each probe must see the
//! certificate itself.

use std::io;
use std::path::Path;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use host::Clock;
use host::net::Stream;
use model::{Failure, Identity, Phase, TlsFault};
use rustls::client::Resumption;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::time_provider::TimeProvider;
use rustls::{
    AlertDescription, CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore,
    SignatureScheme,
};
use sha2::{Digest, Sha256};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::fault;

/// Whom we trust. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Trust {
    provider: Arc<CryptoProvider>,
    verifier: Arc<WebPkiServerVerifier>,
    time: Arc<HostTime>,
}

/// Nobody can be trusted: the configuration's or the machine's fault.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TrustError {
    /// A file of authorities could not be read.
    #[error("{file} holds no certificates in PEM that can be read: {why}")]
    File { file: String, why: String },
    /// Neither the machine nor the configuration names an authority.
    #[error(
        "this machine knows no certificate authorities; install its package of them (ca-certificates) or name a file"
    )]
    Nobody,
}

impl Trust {
    /// The authorities of this machine, and those in the PEM file `extra`.
    pub(crate) fn load(clock: Clock, extra: Option<&Path>) -> Result<Self, TrustError> {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if let Some(file) = extra {
            add_file(&mut roots, file)?;
        }
        let provider = Arc::new(ring::default_provider());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .map_err(|_| TrustError::Nobody)?;
        Ok(Self {
            provider,
            verifier,
            time: Arc::new(HostTime(clock)),
        })
    }

    /// Shakes hands with who answers as `name`. `known` is the key that answered before.
    pub(crate) async fn handshake(
        &self,
        stream: Stream,
        name: &str,
        protocols: &[&[u8]],
        known: Option<&Identity>,
    ) -> Result<(TlsStream<Stream>, Identity), Failure> {
        let recorder = self.recorder(Unverified::Refused);
        match self.shake(stream, name, protocols, &recorder).await? {
            Ok(shaken) => Ok(shaken),
            Err(error) => Err(broken(&error, recorder.shown.get(), known)),
        }
    }

    /// The same where TLS is better than nothing and nobody asks for more (RFC 7435 §3): a chain
    /// that cannot be verified is taken, unless another key is `known`. `None` if nobody was ever
    /// known and no TLS came about that both ends speak; senders then do without.
    pub(crate) async fn opportunistic(
        &self,
        stream: Stream,
        name: &str,
        known: Option<&Identity>,
    ) -> Result<Option<(TlsStream<Stream>, Identity)>, Failure> {
        let known = known.cloned();
        let recorder = self.recorder(Unverified::Taken {
            known: known.clone(),
        });
        match self.shake(stream, name, &[], &recorder).await? {
            Ok(shaken) => Ok(Some(shaken)),
            Err(error) => match (reason(&error), known) {
                (Some(Error::InvalidCertificate(_)), Some(_)) => {
                    Err(Failure::Tls(TlsFault::Foreign))
                }
                (Some(Error::InvalidCertificate(_)), None) => Ok(None),
                (Some(inner), None) if disagrees(inner) => Ok(None),
                _ => Err(broken(&error, None, None)),
            },
        }
    }

    fn recorder(&self, unverified: Unverified) -> Arc<Recorder> {
        Arc::new(Recorder {
            verifier: Arc::clone(&self.verifier),
            unverified,
            shown: OnceLock::new(),
        })
    }

    async fn shake(
        &self,
        stream: Stream,
        name: &str,
        protocols: &[&[u8]],
        recorder: &Arc<Recorder>,
    ) -> Result<io::Result<(TlsStream<Stream>, Identity)>, Failure> {
        let config = self.client(Arc::clone(recorder), protocols)?;
        // A name that no certificate can bear was refused with the configuration.
        let name = ServerName::try_from(name.to_owned()).map_err(|_| Failure::Local)?;
        let connector = TlsConnector::from(Arc::new(config));
        match (connector.connect(name, stream).await, recorder.shown.get()) {
            (Ok(stream), Some(identity)) => Ok(Ok((stream, identity.clone()))),
            // No certificate was shown and the handshake is over: not a server we can prove.
            (Ok(_), None) => Err(Failure::Tls(TlsFault::Handshake)),
            (Err(error), _) => Ok(Err(error)),
        }
    }

    fn client(
        &self,
        recorder: Arc<Recorder>,
        protocols: &[&[u8]],
    ) -> Result<ClientConfig, Failure> {
        let time: Arc<dyn TimeProvider> = Arc::clone(&self.time) as _;
        let mut config = ClientConfig::builder_with_details(Arc::clone(&self.provider), time)
            .with_safe_default_protocol_versions()
            .map_err(|_| Failure::Local)?
            .dangerous()
            .with_custom_certificate_verifier(recorder)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        Ok(config)
    }
}

fn add_file(roots: &mut RootCertStore, file: &Path) -> Result<(), TrustError> {
    let failed = |why: String| TrustError::File {
        file: file.display().to_string(),
        why,
    };
    let mut any = false;
    for certificate in
        CertificateDer::pem_file_iter(file).map_err(|error| failed(error.to_string()))?
    {
        let certificate = certificate.map_err(|error| failed(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| failed(error.to_string()))?;
        any = true;
    }
    if any {
        Ok(())
    } else {
        Err(failed("the file is empty".to_owned()))
    }
}

/// What the handshake itself says, where it was not the connection.
fn reason(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

/// Both ends speak TLS, and have no version or cipher in common (RFC 8446 §6.2).
fn disagrees(error: &Error) -> bool {
    matches!(
        error,
        Error::PeerIncompatible(_)
            | Error::AlertReceived(
                AlertDescription::ProtocolVersion
                    | AlertDescription::HandshakeFailure
                    | AlertDescription::InsufficientSecurity
            )
    )
}

/// What a broken handshake shows. Handshake alerts and nonsense are [`TlsFault::Handshake`];
/// a connection cut during the handshake is a cut, which a censor's reset looks like.
fn broken(error: &io::Error, shown: Option<&Identity>, known: Option<&Identity>) -> Failure {
    let Some(inner) = reason(error) else {
        return fault::talking(error, Phase::Tls);
    };
    let Error::InvalidCertificate(certificate) = inner else {
        return Failure::Tls(TlsFault::Handshake);
    };
    let same = match (shown, known) {
        (Some(shown), Some(known)) => Some(shown == known),
        _ => None,
    };
    Failure::Tls(judge(certificate, same))
}

/// A chain we cannot trust, with another key than the one known, is somebody else's; so is one for
/// another name, unless the key is the one known (`same`): then it is our own that lacks the name.
fn judge(error: &CertificateError, same: Option<bool>) -> TlsFault {
    match error {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. }
            if same == Some(true) =>
        {
            TlsFault::NameMissing
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            TlsFault::NameMismatch
        }
        _ if same == Some(false) => TlsFault::Foreign,
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => TlsFault::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            TlsFault::NotYetValid
        }
        // Whatever else is wrong with a chain, a self-signed authority among it: nobody we trust
        // has signed for it.
        _ => TlsFault::UnknownIssuer,
    }
}

/// The host's clock as rustls wants it.
#[derive(Debug)]
struct HostTime(Clock);

impl TimeProvider for HostTime {
    fn current_time(&self) -> Option<UnixTime> {
        let millis = u64::try_from(self.0.now().wall.millis()).ok()?;
        Some(UnixTime::since_unix_epoch(Duration::from_millis(millis)))
    }
}

/// What becomes of a chain that cannot be verified.
#[derive(Debug)]
enum Unverified {
    /// The handshake goes no further.
    Refused,
    /// It goes on; also then the server has to prove that the key is its own.
    Taken {
        /// But not with another key than this one.
        known: Option<Identity>,
    },
}

/// Notes which key was shown, then lets the ordinary verifier judge.
#[derive(Debug)]
struct Recorder {
    verifier: Arc<WebPkiServerVerifier>,
    unverified: Unverified,
    shown: OnceLock<Identity>,
}

impl ServerCertVerifier for Recorder {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let identity = identity(end_entity)?;
        let shown = self.shown.get_or_init(|| identity);
        let judged = self
            .verifier
            .verify_server_cert(end_entity, intermediates, name, ocsp, now);
        match (&judged, &self.unverified) {
            (Err(Error::InvalidCertificate(_)), Unverified::Taken { known })
                if known.as_ref().is_none_or(|known| known == shown) =>
            {
                Ok(ServerCertVerified::assertion())
            }
            _ => judged,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.verifier
            .verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.verifier.supported_verify_schemes()
    }
}

/// `spki:` and the SHA-256 of the key as the certificate carries it, which outlives a renewal
/// with the same key and can be recomputed with common tools (RFC 7469 §2.4 pins the same bytes).
fn identity(certificate: &CertificateDer<'_>) -> Result<Identity, Error> {
    let parsed = ParsedCertificate::try_from(certificate)?;
    let digest = Sha256::digest(parsed.subject_public_key_info().as_ref());
    let mut text = String::with_capacity(5 + 64);
    text.push_str("spki:");
    for byte in digest {
        for nibble in [byte >> 4, byte & 15] {
            text.extend(char::from_digit(u32::from(nibble), 16));
        }
    }
    Ok(Identity(text.into()))
}
