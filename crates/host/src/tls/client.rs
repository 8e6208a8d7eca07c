//! How we look at others: the machine's certificate authorities, never less.

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use super::{TlsError, provider};

pub use tokio_rustls::client::TlsStream;

/// Verifies whom we talk to. There is no way to switch that off. Cheap to clone.
#[derive(Clone, Debug)]
pub struct ClientTls(Arc<ClientConfig>);

impl ClientTls {
    /// Trusts the machine's authorities and, if given, those in the PEM file `extra` too.
    ///
    /// # Errors
    /// The file holds no authority, or there is none at all.
    pub fn new(extra: Option<&Path>) -> Result<Self, TlsError> {
        let mut roots = RootCertStore::empty();
        let native = rustls_native_certs::load_native_certs();
        for error in &native.errors {
            tracing::warn!("certificate authorities of this machine: {error}");
        }
        roots.add_parsable_certificates(native.certs);
        if let Some(file) = extra {
            add_file(&mut roots, file)?;
        }
        if roots.is_empty() {
            return Err(TlsError::NoAuthorities);
        }
        let config = ClientConfig::builder_with_provider(provider())
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self(Arc::new(config)))
    }

    /// The configuration, for who speaks something else than HTTP. It offers no ALPN.
    pub fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.0)
    }

    /// The same trust with the protocols `alpn` offered (RFC 7301), for example `b"http/1.1"`.
    #[must_use]
    pub fn offering(&self, alpn: &[&[u8]]) -> Self {
        let mut config = ClientConfig::clone(&self.0);
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        Self(Arc::new(config))
    }

    /// Shakes hands over `stream` with the host called `name`, which its certificate must bear.
    /// The caller bounds the time.
    ///
    /// # Errors
    /// `name` is no host name, the connection broke, or the other end is not `name`.
    pub async fn connect<S>(&self, name: &str, stream: S) -> io::Result<TlsStream<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = ServerName::try_from(name.to_owned())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        TlsConnector::from(self.config())
            .connect(name, stream)
            .await
    }
}

fn add_file(roots: &mut RootCertStore, file: &Path) -> Result<(), TlsError> {
    let wrong = |why: String| TlsError::Authorities {
        file: file.to_owned(),
        why,
    };
    let bytes = std::fs::read(file).map_err(|error| wrong(error.to_string()))?;
    let mut added = 0;
    for certificate in CertificateDer::pem_slice_iter(&bytes) {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots
            .add(certificate)
            .map_err(|error| wrong(error.to_string()))?;
        added += 1;
    }
    if added == 0 {
        return Err(wrong("no certificate in it".to_owned()));
    }
    Ok(())
}
