//! STARTTLS, TLS from the first byte, and what goes wrong with either.

use std::sync::Arc;

use super::*;
use crate::metrics::Metrics;
use crate::tls::{CertificateFiles, Certificates, HopTls};

fn certificates() -> (tempfile::TempDir, Arc<rustls::ServerConfig>) {
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["mail.verein.test".to_owned()]).unwrap();
    let files = CertificateFiles {
        organisation: model::OrganisationId::new("verein.test"),
        chain: folder.path().join("chain.pem"),
        key: folder.path().join("key.pem"),
    };
    std::fs::write(&files.chain, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    let certificates = Certificates::open(vec![files], &Metrics::default()).unwrap();
    let config = certificates.server_config_for(&[], None).unwrap();
    (folder, config)
}

fn secured(
    stream: DuplexStream,
    config: &Arc<rustls::ServerConfig>,
    implicit_tls: bool,
) -> Connection<DuplexStream> {
    Connection {
        stream,
        side: Side::Server(Some(Arc::clone(config))),
        implicit_tls,
    }
}

async fn expect(guest: &mut (impl tokio::io::AsyncRead + Unpin), words: &str) {
    let mut read = vec![0; words.len()];
    guest.read_exact(&mut read).await.unwrap();
    assert_eq!(String::from_utf8_lossy(&read), words);
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_in_clear_behind_starttls_is_thrown_away() {
    let (_folder, config) = certificates();
    let mut scene = scene();
    let (mut guest, stream) = duplex(8192);
    let (ended, ()) = tokio::join!(
        scene.driver.drive(
            &mut scene.session,
            &mut scene.world,
            secured(stream, &config, false)
        ),
        async {
            guest
                .write_all(b"STARTTLS\r\nECHO injected\r\n")
                .await
                .unwrap();
            expect(&mut guest, "HELLO\r\nGO\r\n").await;
            let tls = HopTls::opportunistic().unwrap();
            let (mut guest, _key) = tls.connect("mail.verein.test", guest).await.unwrap();
            guest.write_all(b"ECHO one\r\nQUIT\r\n").await.unwrap();
            let mut text = String::new();
            // Without `close_notify` this would be an error.
            guest.read_to_string(&mut text).await.unwrap();
            assert_eq!(text, "one\r\nBYE\r\n");
        }
    );
    assert!(matches!(ended, Ended::BySession), "{ended:?}");
    let secured = scene.session.secured.unwrap();
    assert_eq!(secured.version, "TLSv1.3");
    assert!(secured.cipher.starts_with("TLS_AES_"), "{}", secured.cipher);
    assert_eq!(
        scene.driver.counters.plain_before_tls(),
        "ECHO injected\r\n".len() as u64
    );
}

#[tokio::test(start_paused = true)]
async fn tls_from_the_first_byte_comes_before_the_greeting() {
    let (_folder, config) = certificates();
    let mut scene = scene();
    let (guest, stream) = duplex(8192);
    let (ended, ()) = tokio::join!(
        scene.driver.drive(
            &mut scene.session,
            &mut scene.world,
            secured(stream, &config, true)
        ),
        async {
            let tls = HopTls::opportunistic().unwrap();
            let (mut guest, _key) = tls.connect("mail.verein.test", guest).await.unwrap();
            guest.write_all(b"GIVE 100\r\n").await.unwrap();
            let expected = format!("HELLO\r\n{}\r\nGIVEN\r\n", "x".repeat(100 * 1024));
            expect(&mut guest, &expected).await;
            // Gone without a word: the end of the stream is the end all the same.
        }
    );
    assert!(matches!(ended, Ended::ByPeer), "{ended:?}");
    assert_eq!(scene.session.closed, 1);
}

#[tokio::test(start_paused = true)]
async fn who_never_reads_stalls_within_tls_too() {
    let (_folder, config) = certificates();
    let mut scene = scene();
    let (guest, stream) = duplex(4096);
    let clock = scene.driver.clock.clone();
    let begun = clock.now();
    let (ended, _guest) = tokio::join!(
        scene.driver.drive(
            &mut scene.session,
            &mut scene.world,
            secured(stream, &config, true)
        ),
        async {
            let tls = HopTls::opportunistic().unwrap();
            let (mut guest, _key) = tls.connect("mail.verein.test", guest).await.unwrap();
            guest.write_all(b"GIVE 1000\r\n").await.unwrap();
            guest.flush().await.unwrap();
            guest
        }
    );
    assert!(matches!(ended, Ended::Stalled), "{ended:?}");
    let took = clock.now().mono.since(begun.mono);
    assert!(
        took >= Duration::from_secs(60) && took < Duration::from_secs(62),
        "{took:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_handshake_that_hangs_or_is_nonsense_ends_it() {
    let (_folder, config) = certificates();
    for (words, kind) in [
        (&b""[..], io::ErrorKind::TimedOut),
        (&b"ECHO not TLS\r\n"[..], io::ErrorKind::InvalidData),
    ] {
        let mut scene = scene();
        let (mut guest, stream) = duplex(8192);
        let (ended, _guest) = tokio::join!(
            scene.driver.drive(
                &mut scene.session,
                &mut scene.world,
                secured(stream, &config, false)
            ),
            async {
                guest.write_all(b"STARTTLS\r\n").await.unwrap();
                expect(&mut guest, "HELLO\r\nGO\r\n").await;
                guest.write_all(words).await.unwrap();
                guest
            }
        );
        match ended {
            Ended::Handshake(error) => assert_eq!(error.kind(), kind),
            other => panic!("{other:?}"),
        }
        assert_eq!(scene.session.closed, 1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_learns_whose_key_it_met() {
    let (_folder, config) = certificates();
    let (mut server, mut client) = (scene(), scene());
    let (near, far) = duplex(8192);
    let side = Side::Client {
        tls: Some(HopTls::opportunistic().unwrap()),
        name: "mail.verein.test".to_owned(),
    };
    let calls = Connection {
        stream: near,
        side,
        implicit_tls: true,
    };
    // Two toys would wonder at each other for ever.
    client.trigger.begin();
    let (theirs, ours) = tokio::join!(
        server.driver.drive(
            &mut server.session,
            &mut server.world,
            secured(far, &config, true)
        ),
        client
            .driver
            .drive(&mut client.session, &mut client.world, calls),
    );
    assert!(matches!(theirs, Ended::ByPeer), "{theirs:?}");
    assert!(matches!(ours, Ended::BySession), "{ours:?}");
    let key = client.session.secured.unwrap().peer;
    assert!(key.is_some());
    assert_eq!(server.session.secured.unwrap().peer, None);
}
