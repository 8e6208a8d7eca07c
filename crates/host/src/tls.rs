//! TLS: certificates by path and reload; verification of the primary.
//!
//! [`Certificates`] is what the web listeners show (RFC 8446, RFC 6066 §3 for the server name),
//! [`ClientTls`] is how we look at others: the relay, the capture, the probes; [`HopTls`] is how we
//! look at servers that take mail, where other rules hold. The crypto provider is always named, so that no other crate's features can change it.

use std::sync::Arc;

use rustls::crypto::CryptoProvider;

mod certificates;
mod client;
mod hop;
mod pair;

pub use certificates::{CertificateFiles, CertificateReport, Certificates};
pub use client::{ClientTls, TlsStream};
pub use hop::{HopTls, SpkiHash};
pub use pair::PairError;

/// Something about TLS that cannot be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// The machine has no list of certificate authorities, and none was given.
    #[error(
        "no certificate authorities found; install the package ca-certificates or name a file \
         with them"
    )]
    NoAuthorities,
    /// The file with further authorities could not be used.
    #[error("{file} holds no certificate authority: {why}")]
    Authorities {
        /// Which file.
        file: std::path::PathBuf,
        /// What was wrong with it.
        why: String,
    },
    /// The library refused.
    #[error("TLS cannot be set up")]
    Library(#[from] rustls::Error),
}

/// The one crypto provider.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
