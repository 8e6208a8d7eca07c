//! TLS on both sides: who is believed, and that nothing goes out to anybody else.

use std::path::PathBuf;
use std::sync::Arc;

use host::HandbackOutcome;
use host::tls::{HopTls, SpkiHash};
use mail::config::Trust;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::back::keep;
use crate::guest::ANNA;
use crate::primary::{Primary, Script, nobody};
use crate::stage::{Phase, Set, Stage, within};

/// A server's certificate, the authority behind it, and the fingerprint of its key.
struct Papers {
    config: Arc<ServerConfig>,
    key: SpkiHash,
    ca: PathBuf,
    _folder: tempfile::TempDir,
}

fn papers(name: &str) -> Papers {
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority_key = KeyPair::generate().unwrap();
    let root = authority.self_signed(&authority_key).unwrap();
    let issuer = Issuer::new(authority, authority_key);
    let key = KeyPair::generate().unwrap();
    let leaf = CertificateParams::new(vec![name.to_owned()]).unwrap();
    let leaf = leaf.signed_by(&key, &issuer).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    std::fs::write(&ca, root.pem()).unwrap();
    let private = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![leaf.der().clone()], private)
        .unwrap();
    Papers {
        config: Arc::new(config),
        key: SpkiHash::of(leaf.der()).unwrap(),
        ca,
        _folder: folder,
    }
}

/// A primary that shows `papers`, and a part that trusts it so and holds one message.
async fn holding(papers: Option<&Papers>, trust: Trust, ca: Option<PathBuf>) -> (Primary, Stage) {
    let primary = Primary::start(Script {
        offers: vec!["PIPELINING"],
        tls: papers.map(|papers| Arc::clone(&papers.config)),
        ..Script::default()
    })
    .await;
    let mut set = Set::new(primary.address);
    (set.trust, set.ca) = (trust, ca);
    let stage = Stage::open(set, Phase::Acting).await;
    keep(&stage, &[("one", &ANNA)]).await;
    (primary, stage)
}

async fn handed_over(primary: &Primary, stage: &mut Stage, secure: bool) {
    stage.stand(Phase::HandingBack).await;
    assert_eq!(stage.ended().await, HandbackOutcome::Done);
    let messages = primary.messages();
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].secure, secure);
}

/// It hears nothing of the message, and the message stays.
async fn kept_back(primary: &Primary, stage: &mut Stage, heard: &str) {
    stage.stand(Phase::HandingBack).await;
    primary
        .until(|| !primary.commands(heard).is_empty(), heard)
        .await;
    stage.idle().await;
    assert_eq!(stage.handle.tally().waiting, 1);
    assert_eq!(primary.commands("MAIL"), Vec::<String>::new());
}

#[tokio::test]
async fn a_verified_primary_gets_everything_over_tls() {
    let papers = papers("mail.verein.test");
    let ca = Some(papers.ca.clone());
    let (primary, mut stage) = holding(Some(&papers), Trust::Verified, ca).await;
    handed_over(&primary, &mut stage, true).await;
}

#[tokio::test]
async fn another_name_or_authority_gets_nothing() {
    let other = papers("mail.elsewhere.test");
    let ca = Some(other.ca.clone());
    let (primary, mut stage) = holding(Some(&other), Trust::Verified, ca).await;
    kept_back(&primary, &mut stage, "STARTTLS").await;

    let (named, foreign) = (papers("mail.verein.test"), papers("mail.verein.test"));
    let ca = Some(foreign.ca.clone());
    let (primary, mut stage) = holding(Some(&named), Trust::Verified, ca).await;
    kept_back(&primary, &mut stage, "STARTTLS").await;
}

#[tokio::test]
async fn a_pinned_key_is_believed_and_no_other() {
    let (papers, others) = (papers("whoever.test"), papers("whoever.test"));
    let right = Trust::Pinned(vec![others.key, papers.key]);
    let (primary, mut stage) = holding(Some(&papers), right, None).await;
    handed_over(&primary, &mut stage, true).await;

    let wrong = Trust::Pinned(vec![others.key]);
    let (primary, mut stage) = holding(Some(&papers), wrong, None).await;
    kept_back(&primary, &mut stage, "STARTTLS").await;
}

#[tokio::test]
async fn whoever_should_shake_hands_and_does_not_offer_it_gets_nothing() {
    let pinned = Trust::Pinned(vec![papers("whoever.test").key]);
    let (primary, mut stage) = holding(None, pinned, None).await;
    kept_back(&primary, &mut stage, "EHLO").await;
}

#[tokio::test]
async fn any_certificate_will_do_where_nobody_asked_for_more() {
    let papers = papers("whoever.test");
    let (primary, mut stage) = holding(Some(&papers), Trust::Opportunistic, None).await;
    handed_over(&primary, &mut stage, true).await;
    let (primary, mut stage) = holding(None, Trust::Opportunistic, None).await;
    handed_over(&primary, &mut stage, false).await;
}

/// RFC 3207 section 4.2: what was said in clear counts for nothing afterwards.
#[tokio::test]
async fn what_a_guest_injects_before_the_handshake_is_thrown_away() {
    let papers = papers("mx2.verein.test");
    let mut set = Set::new(nobody());
    set.shown = Some(Arc::clone(&papers.config));
    let stage = Stage::open(set, Phase::Acting).await;
    let mut stream = TcpStream::connect(stage.address).await.unwrap();
    said(&mut stream, "", "ESMTP\r\n").await;
    said(&mut stream, "EHLO client.test\r\n", "250 LIMITS").await;
    let both = "STARTTLS\r\nMAIL FROM:<injected@client.test>\r\n";
    said(&mut stream, both, "220 2.0.0 Ready to start TLS\r\n").await;
    let hop = HopTls::opportunistic().unwrap();
    let (mut stream, key) = hop.connect("mx2.verein.test", stream).await.unwrap();
    assert_eq!(key, papers.key);
    let recipient = "RCPT TO:<anna@verein.test>\r\n";
    said(&mut stream, recipient, "503 5.5.1 ").await;
    let offers = said(&mut stream, "EHLO client.test\r\n", "250 LIMITS").await;
    assert!(!offers.contains("STARTTLS"), "{offers}");
    said(&mut stream, recipient, "503 5.5.1 ").await;
}

/// Says `words` and hears all until `end` stands there.
async fn said<S>(stream: &mut S, words: &str, end: &str) -> String
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    stream.write_all(words.as_bytes()).await.unwrap();
    stream.flush().await.unwrap();
    let mut heard = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&heard).into_owned();
        if text.contains(end) {
            return text;
        }
        let read = within(stream.read_buf(&mut heard)).await.unwrap();
        assert!(read > 0, "{words:?}: {text}");
    }
}
