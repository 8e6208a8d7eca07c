//! Certificates and keys for one drill, made at its start and good for nothing else.

use std::fs::{self, OpenOptions};
use std::io::{Read, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose,
};

/// The authority's certificate, which visitors and the standby trust.
pub(crate) const AUTHORITY: &str = "ca.pem";
/// The organisation's certificate.
pub(crate) const CHAIN: &str = "fullchain.pem";
/// Its key. Primary and standby show the same one, as one organisation's servers do.
pub(crate) const KEY: &str = "privkey.pem";
/// The secret that both name servers sign with.
pub(crate) const SECRET: &str = "tsig.key";

/// Writes a certificate for `hosts`, the authority behind it, and a secret for transfers.
pub(crate) fn write(folder: &Path, hosts: &[&str]) -> Result<()> {
    let issuer = authority()?;
    let hosts: Vec<String> = hosts.iter().map(|host| (*host).to_owned()).collect();
    let mut params = CertificateParams::new(hosts)?;
    params
        .distinguished_name
        .push(DnType::CommonName, "Verein Beispiel");
    params.use_authority_key_identifier_extension = true;
    let key = KeyPair::generate()?;
    let certificate = params.signed_by(&key, &issuer)?;
    fs::write(folder.join(AUTHORITY), issuer.pem())?;
    fs::write(folder.join(CHAIN), certificate.pem())?;
    secret_file(&folder.join(KEY), key.serialize_pem().as_bytes())?;
    secret_file(&folder.join(SECRET), secret()?.as_bytes())?;
    Ok(())
}

fn authority() -> Result<CertifiedIssuer<'static, KeyPair>> {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params
        .distinguished_name
        .push(DnType::CommonName, "Servergate drill");
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    Ok(CertifiedIssuer::self_signed(params, KeyPair::generate()?)?)
}

/// As long as the hash it is for (RFC 8945 §6).
/// A file for its owner alone.
pub(super) fn secret_file(path: &Path, bytes: &[u8]) -> Result<()> {
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path);
    let mut file = file.with_context(|| format!("{}", path.display()))?;
    file.write_all(bytes)?;
    Ok(())
}

fn secret() -> Result<String> {
    let mut bytes = [0; 32];
    fs::File::open("/dev/urandom")
        .and_then(|mut random| random.read_exact(&mut bytes))
        .context("no random numbers from /dev/urandom")?;
    Ok(domain::utils::base64::encode_string(&bytes))
}
