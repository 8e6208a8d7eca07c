//! A primary by HTTPS: asked under its name, and believed only with a certificate for it.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use host::Tasks;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use site::CaptureOutcome;
use site::config::{Primary, Source, WebConfig};
use tokio_rustls::TlsAcceptor;

use crate::origin::{START, Standby, config};

/// A primary with a certificate for `name`; its authority's certificate is written to `ca`.
async fn primary(name: &str, ca: &Path) -> SocketAddr {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    std::fs::write(ca, params.self_signed(&key).unwrap().pem()).unwrap();
    let issuer = Issuer::new(params, key);
    let own = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let chain = vec![params.signed_by(&own, &issuer).unwrap().der().clone()];
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, PrivateKeyDer::try_from(own.serialize_der()).unwrap())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(tls));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    Tasks::default().spawn("primary", async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            // A guest that does not believe us goes away.
            let Ok(stream) = acceptor.accept(stream).await else {
                continue;
            };
            let named = stream.get_ref().1.server_name().map(str::to_owned);
            let service = service_fn(move |request: Request<Incoming>| {
                let host = request
                    .headers()
                    .get("host")
                    .and_then(|host| host.to_str().ok());
                let right = host == named.as_deref();
                let status = if right && request.uri() == "/" {
                    200
                } else {
                    404
                };
                let response = Response::builder()
                    .status(status)
                    .header("content-type", "text/html");
                let response = response.body(Full::new(Bytes::from(START))).unwrap();
                async move { Ok::<_, Infallible>(response) }
            });
            Tasks::default().spawn("primary connection", async move {
                let _ = http1::Builder::new()
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    address
}

fn secure(address: SocketAddr, ca: &Path) -> WebConfig {
    let source = Source::Primary(Primary {
        secure: true,
        address,
    });
    WebConfig {
        source,
        ca: Some(ca.to_owned()),
        ..config(address)
    }
}

#[tokio::test]
async fn a_primary_with_a_certificate_for_the_host_is_captured() {
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca.pem");
    let address = primary("verein.test", &ca).await;
    let standby = Standby::start(&dir.path().join("data"), secure(address, &ca)).await;
    let outcome = standby.first().await;
    assert_eq!(
        standby.body("/").as_deref(),
        Some(START.as_bytes()),
        "{outcome:?}"
    );
    standby.stop().await;
}

#[tokio::test]
async fn a_primary_with_somebody_elses_certificate_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let ca = dir.path().join("ca.pem");
    let address = primary("parked.example", &ca).await;
    let standby = Standby::start(&dir.path().join("data"), secure(address, &ca)).await;
    let outcome = standby.first().await;
    let CaptureOutcome::Stopped { reason } = outcome else {
        panic!("{outcome:?}")
    };
    assert!(reason.contains("certificate"), "{reason}");
    assert!(standby.number().is_none());
    standby.stop().await;
}
