//! A certificate authority of the laboratory, for servers whose visitors check certificates.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};

/// Signs certificates; its own is given to visitors as the only one they trust.
pub struct Authority {
    dir: PathBuf,
    issuer: CertifiedIssuer<'static, KeyPair>,
}

/// A server's certificate chain and key, as PEM files.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The chain, the server's own certificate first.
    pub chain: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

impl Authority {
    /// Makes a new authority that keeps its files in `dir`.
    pub fn new(dir: &Path) -> Result<Self> {
        fs::create_dir_all(dir)?;
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "Laboratory authority");
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        fs::write(dir.join("authority.pem"), issuer.pem())?;
        Ok(Self {
            dir: dir.to_path_buf(),
            issuer,
        })
    }

    /// The authority's own certificate, to be trusted.
    #[must_use]
    pub fn certificate(&self) -> PathBuf {
        self.dir.join("authority.pem")
    }

    /// A certificate for these names (or addresses); files are named after the first.
    pub fn sign(&self, names: &[&str]) -> Result<Identity> {
        let first = names.first().context("a certificate needs a name")?;
        let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
        let mut params = CertificateParams::new(names)?;
        params.distinguished_name.push(DnType::CommonName, *first);
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        let identity = Identity {
            chain: self.dir.join(format!("{first}.chain.pem")),
            key: self.dir.join(format!("{first}.key.pem")),
        };
        fs::write(&identity.chain, certificate.pem())?;
        fs::write(&identity.key, key.serialize_pem())?;
        Ok(identity)
    }
}
