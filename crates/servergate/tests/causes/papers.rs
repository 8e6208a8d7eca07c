//! An authority that the standby trusts, a stranger's, and certificates of every kind.

use std::path::Path;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::TlsAcceptor;

/// The name that every server of the table is asked for.
pub(super) const NAME: &str = "www.verein.test";

/// What a server shows for itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shows {
    /// What it always showed.
    Own,
    /// Another key, signed by the authority, for the right name.
    Renewed,
    Expired,
    NotYet,
    /// The authority's word for another name, on somebody else's key: a hoster's default host.
    OtherName,
    /// The same on the known key.
    NameMissing,
    /// The known key, signed by nobody we trust.
    UnknownIssuer,
    /// Another key, signed by nobody we trust.
    Foreign,
}

/// The keys and authorities of the table.
pub(crate) struct Papers {
    authority: Issuer<'static, KeyPair>,
    authority_pem: String,
    stranger: Issuer<'static, KeyPair>,
    own: KeyPair,
    other: KeyPair,
}

fn authority() -> (Issuer<'static, KeyPair>, String) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(Vec::new()).expect("no names");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2090, 1, 1);
    let pem = params.self_signed(&key).expect("a certificate").pem();
    (Issuer::new(params, key), pem)
}

impl Papers {
    pub(crate) fn new() -> Self {
        let (issuer, authority_pem) = authority();
        Self {
            authority: issuer,
            authority_pem,
            stranger: authority().0,
            own: KeyPair::generate().expect("a key"),
            other: KeyPair::generate().expect("a key"),
        }
    }

    pub(crate) fn write(&self, file: &Path) {
        std::fs::write(file, &self.authority_pem).expect("a file");
    }

    /// A server that shows it.
    pub(crate) fn acceptor(&self, shows: Shows) -> TlsAcceptor {
        let name = match shows {
            Shows::OtherName | Shows::NameMissing => "hoster.test",
            _ => NAME,
        };
        let (from, to) = match shows {
            Shows::Expired => (2020, 2026),
            Shows::NotYet => (2088, 2090),
            _ => (2020, 2090),
        };
        let issuer = match shows {
            Shows::UnknownIssuer | Shows::Foreign => &self.stranger,
            _ => &self.authority,
        };
        let key = match shows {
            Shows::Renewed | Shows::OtherName | Shows::Foreign => &self.other,
            _ => &self.own,
        };
        let mut params = CertificateParams::new(vec![name.to_owned()]).expect("a name");
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(to, 1, 1);
        let certificate = params.signed_by(key, issuer).expect("a certificate");
        let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .expect("a key that fits");
        TlsAcceptor::from(Arc::new(config))
    }
}
