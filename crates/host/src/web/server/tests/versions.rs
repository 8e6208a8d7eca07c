//! Both versions of HTTP, with and without TLS, and a certificate that changes while we serve.

use http_body_util::{BodyExt, Empty};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::TokioIo;
use rcgen::{CertificateParams, KeyPair};

use super::*;
use crate::tls::{CertificateFiles, ClientTls};

fn write_certificate(files: &CertificateFiles) {
    let key = KeyPair::generate().unwrap();
    let params = CertificateParams::new(vec!["verein.test".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    std::fs::write(&files.chain, certificate.pem()).unwrap();
    std::fs::write(&files.key, key.serialize_pem()).unwrap();
}

fn request(uri: &str) -> http::Request<Empty<Bytes>> {
    let request = http::Request::builder()
        .uri(uri)
        .header("host", "verein.test");
    request.body(Empty::new()).unwrap()
}

async fn text(response: http::Response<hyper::body::Incoming>) -> String {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    String::from_utf8_lossy(&body).into_owned()
}

#[tokio::test]
async fn many_streams_of_one_http_2_connection_are_answered() {
    let scene = Scene::with(quick()).await;
    let stream = TokioIo::new(scene.connect().await);
    let executor = connection::Streams(scene.host.tasks.clone());
    let (sender, connection) = http2::handshake(executor, stream).await.unwrap();
    scene.host.tasks.spawn("client", async move {
        let _ = connection.await;
    });
    let asked = (0..100).map(|n| {
        let mut sender = sender.clone();
        async move {
            sender.ready().await.unwrap();
            let uri = format!("http://verein.test/{n}");
            let response = sender.send_request(request(&uri)).await.unwrap();
            assert_eq!(response.version(), http::Version::HTTP_2);
            assert_eq!(text(response).await, format!("verein.test/{n}"));
        }
    });
    for asked in asked
        .map(|asked| scene.host.tasks.spawn("asking", asked))
        .collect::<Vec<_>>()
    {
        asked.await.unwrap();
    }
    drop(sender);
    scene.end().await;
}

#[tokio::test]
async fn both_versions_refuse_the_same_number_of_fields() {
    let scene = Scene::with(quick()).await;
    let stream = TokioIo::new(scene.connect().await);
    let executor = connection::Streams(scene.host.tasks.clone());
    let (mut sender, connection) = http2::handshake(executor, stream).await.unwrap();
    scene.host.tasks.spawn("client", async move {
        let _ = connection.await;
    });
    for (count, status) in [(90, 200), (120, 431)] {
        let mut many = request("http://verein.test/");
        let mut lines = String::new();
        for n in 0..count {
            let name = http::HeaderName::try_from(format!("x-{n}")).unwrap();
            many.headers_mut()
                .insert(name, HeaderValue::from_static("x"));
            lines.push_str(&format!("X-{n}: x\r\n"));
        }
        sender.ready().await.unwrap();
        let response = sender.send_request(many).await.unwrap();
        assert_eq!(response.status(), status, "{count}");
        let request =
            format!("GET / HTTP/1.1\r\nHost: verein.test\r\nConnection: close\r\n{lines}\r\n");
        let answer = scene.say(request).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{answer}"
        );
    }
    scene.counted(r#"servergate_web_requests_total{outcome="Head"} 1"#);
    // And the same length.
    let long = "x".repeat(quick().header_bytes * 2);
    let mut large = request("http://verein.test/");
    let value = HeaderValue::try_from(long.as_str()).unwrap();
    large.headers_mut().insert("x-long", value);
    sender.ready().await.unwrap();
    let response = sender.send_request(large).await.unwrap();
    assert_eq!(response.status(), 431);
    let request = format!("GET / HTTP/1.1\r\nHost: verein.test\r\nX-Long: {long}\r\n\r\n");
    let answer = scene.say(request).await;
    assert!(answer.starts_with("HTTP/1.1 431"), "{answer}");
    drop(sender);
    scene.end().await;
}

#[tokio::test]
async fn https_speaks_what_the_guest_offers_and_shows_the_newest_certificate() {
    let scene = Scene::with(quick()).await;
    let folder = tempfile::tempdir().unwrap();
    let files = CertificateFiles {
        organisation: OrganisationId::new("verein.test"),
        chain: folder.path().join("chain.pem"),
        key: folder.path().join("key.pem"),
    };
    write_certificate(&files);
    let certificates = Certificates::open(vec![files.clone()], &scene.host.metrics).unwrap();
    let listen = WebListen {
        https: vec!["127.0.0.1:0".parse().unwrap()],
        limits: quick(),
        ..WebListen::default()
    };
    let (trigger, drain) = Drain::new();
    let secure = serve(listen, &scene.host, Some(&certificates), drain)
        .await
        .unwrap();

    for round in 0..2 {
        let client = ClientTls::new(Some(&files.chain)).unwrap();
        for alpn in [b"h2".as_slice(), b"http/1.1"] {
            let stream = TcpStream::connect(secure.https()[0]).await.unwrap();
            let stream = client
                .offering(&[alpn])
                .connect("verein.test", stream)
                .await
                .unwrap();
            assert_eq!(stream.get_ref().1.alpn_protocol(), Some(alpn));
            let stream = TokioIo::new(stream);
            let response = if alpn == b"h2" {
                let executor = connection::Streams(scene.host.tasks.clone());
                let (mut sender, connection) = http2::handshake(executor, stream).await.unwrap();
                scene
                    .host
                    .tasks
                    .spawn("client", async move { drop(connection.await) });
                sender
                    .send_request(request("https://verein.test/who"))
                    .await
                    .unwrap()
            } else {
                let (mut sender, connection) = http1::handshake(stream).await.unwrap();
                scene
                    .host
                    .tasks
                    .spawn("client", async move { drop(connection.await) });
                sender.send_request(request("/who")).await.unwrap()
            };
            assert_eq!(text(response).await, "127.0.0.1 true");
        }
        if round == 0 {
            write_certificate(&files);
            assert_eq!(certificates.reload(), 1);
        }
    }

    let stream = TcpStream::connect(secure.https()[0]).await.unwrap();
    let client = ClientTls::new(Some(&files.chain)).unwrap();
    assert!(client.connect("stadt.test", stream).await.is_err());
    let mut plain = TcpStream::connect(secure.https()[0]).await.unwrap();
    plain
        .write_all(b"GET / HTTP/1.1\r\nHost: verein.test\r\n\r\n")
        .await
        .unwrap();
    let _ = plain.read_to_end(&mut Vec::new()).await;
    trigger.begin();
    secure.ended().await;
    scene.counted(r#"servergate_web_refusals_total{reason="Handshake"} 2"#);
    scene.end().await;
}

#[tokio::test]
async fn https_without_certificates_is_a_mistake_of_the_configuration() {
    let scene = Scene::with(quick()).await;
    let listen = WebListen {
        https: vec!["127.0.0.1:0".parse().unwrap()],
        ..WebListen::default()
    };
    let (_trigger, drain) = Drain::new();
    let error = serve(listen, &scene.host, None, drain).await.unwrap_err();
    assert!(matches!(error, OpenError::Config(_)), "{error}");
    scene.end().await;
}
