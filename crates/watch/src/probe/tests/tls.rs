//! TLS: chains good and bad, keys known and foreign, handshakes that break.

use model::TlsFault;
use rcgen::{
    BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PublicKeyData, date_time_ymd,
};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest, Sha256};
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::target::{HttpProbe, TlsProbe};

pub(super) const NAME: &str = "verein.test";

/// An authority of the test, trusted through a file as an operator would.
pub(super) struct Authority {
    issuer: Issuer<'static, KeyPair>,
    file: tempfile::NamedTempFile,
}

impl Authority {
    pub(super) fn new() -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file.as_file(), certificate.pem().as_bytes()).unwrap();
        let issuer = Issuer::new(params, key);
        Self { issuer, file }
    }

    pub(super) fn trust(&self) -> Trust {
        Trust::load(Clock::system(), Some(self.file.path())).unwrap()
    }

    pub(super) fn sign(
        &self,
        name: &str,
        key: &KeyPair,
        years: (i32, i32),
    ) -> CertificateDer<'static> {
        let params = params(name, years);
        params.signed_by(key, &self.issuer).unwrap().der().clone()
    }
}

pub(super) fn params(name: &str, (from, to): (i32, i32)) -> CertificateParams {
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.not_before = date_time_ymd(from, 1, 1);
    params.not_after = date_time_ymd(to, 1, 1);
    params
}

pub(super) const VALID: (i32, i32) = (2020, 2090);

/// What shakes hands with this certificate.
pub(super) fn acceptor(certificate: CertificateDer<'static>, key: &KeyPair) -> TlsAcceptor {
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

/// A TLS server that shows this certificate and answers a request with a page.
async fn server(certificate: CertificateDer<'static>, key: &KeyPair) -> SocketAddr {
    let acceptor = acceptor(certificate, key);
    serve(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else {
                return;
            };
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            // No length, and no farewell in TLS: many servers end a page so.
            let page = b"HTTP/1.1 200 OK\r\n\r\nVerein Beispiel";
            let _ = stream.write_all(page).await;
            let _ = stream.flush().await;
        }
    })
    .await
}

fn tls(address: SocketAddr) -> Probe {
    let name = NAME.to_owned();
    Probe::Tls(TlsProbe {
        address,
        name,
        ca: None,
    })
}

async fn shake(address: SocketAddr, trust: Trust, known: Option<&Identity>) -> Measured {
    ask(
        &Prepared::new(tls(address), Some(trust), false),
        LONG,
        known,
    )
    .await
}

pub(super) fn identity(measured: &Measured) -> Identity {
    match &measured.finding {
        Finding::Good {
            identity: Some(identity),
        } => identity.clone(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_good_chain_gives_the_keys_fingerprint_and_outlives_a_renewal() {
    let authority = Authority::new();
    let key = KeyPair::generate().unwrap();
    let first = server(authority.sign(NAME, &key, VALID), &key).await;
    let renewed = server(authority.sign(NAME, &key, (2021, 2091)), &key).await;
    let measured = shake(first, authority.trust(), None).await;
    assert_eq!(phases(&measured), [Phase::Connect, Phase::Tls]);
    let seen = identity(&measured);
    let hex: String = Sha256::digest(key.subject_public_key_info())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(*seen.0, format!("spki:{hex}"));
    let measured = shake(renewed, authority.trust(), Some(&seen)).await;
    assert_eq!(identity(&measured), seen);
    let other = KeyPair::generate().unwrap();
    let rekeyed = server(authority.sign(NAME, &other, VALID), &other).await;
    let measured = shake(rekeyed, authority.trust(), Some(&seen)).await;
    assert_ne!(identity(&measured), seen);
}

#[tokio::test]
async fn a_page_over_tls_has_all_phases_and_an_identity() {
    let authority = Authority::new();
    let key = KeyPair::generate().unwrap();
    let address = server(authority.sign(NAME, &key, VALID), &key).await;
    let probe = Probe::Http(HttpProbe {
        address,
        tls: true,
        host: NAME.to_owned(),
        path: "/".to_owned(),
        expect: None,
        hosts: Vec::new(),
        ca: None,
    });
    let prepared = Prepared::new(probe, Some(authority.trust()), false);
    let measured = ask(&prepared, LONG, None).await;
    assert!(identity(&measured).0.starts_with("spki:"));
    let want = [Phase::Connect, Phase::Tls, Phase::Request, Phase::Body];
    assert_eq!(phases(&measured), want);
}

#[tokio::test]
async fn each_bad_chain_has_its_name() {
    let authority = Authority::new();
    let stranger = Authority::new();
    let key = KeyPair::generate().unwrap();
    let selfmade = params(NAME, VALID).self_signed(&key).unwrap();
    // What common tools make by default: an authority that shows itself.
    let mut ca = params(NAME, VALID);
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca = ca.self_signed(&key).unwrap();
    let table = [
        (ca.der().clone(), TlsFault::UnknownIssuer),
        (authority.sign(NAME, &key, (2019, 2020)), TlsFault::Expired),
        (
            authority.sign(NAME, &key, (2088, 2090)),
            TlsFault::NotYetValid,
        ),
        (
            authority.sign("other.test", &key, VALID),
            TlsFault::NameMismatch,
        ),
        (stranger.sign(NAME, &key, VALID), TlsFault::UnknownIssuer),
        (selfmade.der().clone(), TlsFault::UnknownIssuer),
    ];
    for (certificate, fault) in table {
        let address = server(certificate, &key).await;
        let measured = shake(address, authority.trust(), None).await;
        assert_eq!(failed(&measured), Failure::Tls(fault));
        assert_eq!(phases(&measured), [Phase::Connect, Phase::Tls]);
    }
}

#[tokio::test]
async fn an_untrusted_chain_is_foreign_only_with_another_key() {
    let authority = Authority::new();
    let stranger = Authority::new();
    let (ours, theirs) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let good = server(authority.sign(NAME, &ours, VALID), &ours).await;
    let known = identity(&shake(good, authority.trust(), None).await);
    let table = [
        (
            stranger.sign(NAME, &theirs, VALID),
            &theirs,
            TlsFault::Foreign,
        ),
        (
            stranger.sign(NAME, &ours, VALID),
            &ours,
            TlsFault::UnknownIssuer,
        ),
        (
            authority.sign(NAME, &ours, (2019, 2020)),
            &ours,
            TlsFault::Expired,
        ),
        (
            authority.sign("other.test", &theirs, VALID),
            &theirs,
            TlsFault::NameMismatch,
        ),
        // Our own key proves our own server, whose certificate lacks the name.
        (
            authority.sign("other.test", &ours, VALID),
            &ours,
            TlsFault::NameMissing,
        ),
    ];
    for (certificate, key, fault) in table {
        let address = server(certificate, key).await;
        let measured = shake(address, authority.trust(), Some(&known)).await;
        assert_eq!(failed(&measured), Failure::Tls(fault));
    }
}

#[tokio::test]
async fn broken_handshakes_are_told_apart() {
    let trust = Authority::new().trust();
    let phase = Phase::Tls;
    let plain = serve(|stream| say(stream, Vec::new())).await;
    // A server that waits for a request line and gets a ClientHello instead.
    let probe = Prepared::new(tls(plain), Some(trust.clone()), false);
    let measured = ask(&probe, SHORT, None).await;
    assert_eq!(failed(&measured), Failure::Silent { phase });
    let nonsense = serve(|mut stream| async move {
        let _ = stream.write_all(b"SSH-2.0-OpenSSH_9\r\n").await;
        silence(stream).await;
    })
    .await;
    let measured = shake(nonsense, trust.clone(), None).await;
    assert_eq!(failed(&measured), Failure::Tls(TlsFault::Handshake));
    let cutting = serve(|mut stream| async move {
        let _ = stream.read_u8().await;
        cut(stream);
    })
    .await;
    let measured = shake(cutting, trust, None).await;
    assert_eq!(failed(&measured), Failure::Reset { phase });
}
