//! Keys and certificates of the simulated world, the same bytes every time.

use std::path::Path;
use std::sync::Arc;

use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};

/// RFC 8410 §7: what stands before the 32 bytes of an Ed25519 key in PKCS #8.
const BEFORE_KEY: [u8; 16] = [
    0x30, 0x2e, 0x02, 0x01, 0x00, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x04, 0x22, 0x04, 0x20,
];

/// A server's key and its certificate, which vouches for itself.
#[derive(Clone, Debug)]
pub(super) struct Papers {
    key: Vec<u8>,
    key_pem: String,
    certificate: CertificateDer<'static>,
    certificate_pem: String,
}

impl Papers {
    /// For the server called `name`; another `number` is another key.
    pub(super) fn new(name: &str, number: u8) -> Self {
        let mut key = BEFORE_KEY.to_vec();
        key.extend_from_slice(&[number; 32]);
        let der = PrivatePkcs8KeyDer::from(key.clone());
        let pair = KeyPair::try_from(&der).expect("a key");
        let params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        let certificate = params.self_signed(&pair).expect("a certificate");
        Self {
            key,
            key_pem: pair.serialize_pem(),
            certificate: certificate.der().clone(),
            certificate_pem: certificate.pem(),
        }
    }

    /// Writes `key.pem` and `chain.pem` into `folder`, and `ca.pem`, which vouches for `other` too.
    pub(super) fn write(&self, folder: &Path, other: &Self) -> std::io::Result<()> {
        let both = format!("{}{}", self.certificate_pem, other.certificate_pem);
        std::fs::write(folder.join("key.pem"), &self.key_pem)?;
        std::fs::write(folder.join("chain.pem"), &self.certificate_pem)?;
        std::fs::write(folder.join("ca.pem"), both)
    }

    /// What a server that shows them is set up with.
    pub(super) fn server(&self) -> Result<Arc<ServerConfig>, rustls::Error> {
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(self.key.clone()));
        let builder = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = builder
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![self.certificate.clone()], key)?;
        Ok(Arc::new(config))
    }
}
