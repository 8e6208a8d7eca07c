//! A certificate chain with its key, as it lies in two PEM files (RFC 7468).

use std::path::{Path, PathBuf};

use model::Timestamp;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};

/// A PEM file longer than this is not a certificate.
const LONGEST: u64 = 1024 * 1024;

/// Why a certificate cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PairError {
    /// A file could not be read.
    #[error("{file} cannot be read: {why}")]
    Unreadable {
        /// Which.
        file: PathBuf,
        /// What the machine said.
        why: String,
    },
    /// A file is not what it should be.
    #[error("{file} is not {want}: {why}")]
    Malformed {
        /// Which.
        file: PathBuf,
        /// What it should be.
        want: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The key belongs to another certificate, or is of a kind we cannot use.
    #[error("{key} does not belong to {chain}: {why}")]
    Mismatch {
        /// The file with the key.
        key: PathBuf,
        /// The file with the chain.
        chain: PathBuf,
        /// What the library said.
        why: String,
    },
}

/// The bytes of both files, to see whether they changed.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Files {
    chain: Vec<u8>,
    key: Vec<u8>,
}

/// A chain and a key that belong together.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) key: CertifiedKey,
    /// DNS names, lower case, as in the subject alternative names; wildcards as `*.verein.test`.
    pub(super) names: Vec<String>,
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
}

impl Files {
    pub(super) fn read(chain: &Path, key: &Path) -> Result<Self, PairError> {
        Ok(Self {
            chain: read(chain)?,
            key: read(key)?,
        })
    }
}

impl Pair {
    /// Reads and compares; the names and dates are those of the first certificate of the chain.
    pub(super) fn parse(
        files: &Files,
        chain_path: &Path,
        key_path: &Path,
        provider: &CryptoProvider,
    ) -> Result<Self, PairError> {
        let malformed = |file: &Path, want, why: String| PairError::Malformed {
            file: file.to_owned(),
            want,
            why,
        };
        let chain: Vec<_> = CertificateDer::pem_slice_iter(&files.chain)
            .collect::<Result<_, _>>()
            .map_err(|error| malformed(chain_path, CHAIN, error.to_string()))?;
        let Some(first) = chain.first() else {
            return Err(malformed(chain_path, CHAIN, "it holds none".to_owned()));
        };
        let (names, not_before, not_after) =
            read_leaf(first).map_err(|why| malformed(chain_path, CHAIN, why))?;
        let key = PrivateKeyDer::from_pem_slice(&files.key)
            .map_err(|error| malformed(key_path, "a private key in PEM", error.to_string()))?;
        let key =
            CertifiedKey::from_der(chain, key, provider).map_err(|error| PairError::Mismatch {
                key: key_path.to_owned(),
                chain: chain_path.to_owned(),
                why: error.to_string(),
            })?;
        Ok(Self {
            key,
            names,
            not_before,
            not_after,
        })
    }
}

const CHAIN: &str = "a certificate chain in PEM";

fn read(path: &Path) -> Result<Vec<u8>, PairError> {
    use std::io::Read;

    let mut bytes = Vec::new();
    let read =
        std::fs::File::open(path).and_then(|file| file.take(LONGEST).read_to_end(&mut bytes));
    match read {
        Ok(_) => Ok(bytes),
        Err(error) => Err(PairError::Unreadable {
            file: path.to_owned(),
            why: error.to_string(),
        }),
    }
}

/// Names and dates of an end-entity certificate.
fn read_leaf(der: &[u8]) -> Result<(Vec<String>, Timestamp, Timestamp), String> {
    let (_, certificate) = X509Certificate::from_der(der).map_err(|error| error.to_string())?;
    let names = certificate
        .subject_alternative_name()
        .map_err(|error| error.to_string())?
        .map(|extension| {
            let names = extension.value.general_names.iter();
            names
                .filter_map(|name| match name {
                    GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
                    _ => None,
                })
                .collect::<Vec<_>>()
        })
        .unwrap_or_default();
    if names.is_empty() {
        // RFC 9525 §2: the common name is not looked at any more.
        return Err("its first certificate names no host (no subject alternative name)".to_owned());
    }
    let validity = certificate.validity();
    let moment = |seconds: i64| Timestamp::from_millis(seconds.saturating_mul(1000));
    Ok((
        names,
        moment(validity.not_before.timestamp()),
        moment(validity.not_after.timestamp()),
    ))
}
