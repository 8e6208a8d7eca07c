//! Who answers: another key than the known one is somebody else's, until a person vouches for it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use host::net::{Listener, Stream};
use model::{
    Epoch, Failure, Finding, Mode, Operator, Role, ServiceId, Standing, Standings, StateName,
    Timestamp, TlsFault,
};
use rcgen::generate_simple_self_signed;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio_rustls::TlsAcceptor;
use watch::{Probe, SmtpProbe};

use crate::{Standby, listen, target, web};

const NAME: &str = "mail.verein.test";

/// A new self-signed certificate, as an installation makes it.
fn installed() -> Arc<ServerConfig> {
    let made = generate_simple_self_signed([NAME.to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key);
    Arc::new(config.unwrap())
}

/// A mail server that shows what lies in `shown`.
async fn serve(listener: Listener, shown: Arc<Mutex<Arc<ServerConfig>>>) {
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        let config = Arc::clone(&shown.lock().unwrap());
        // Whoever has seen enough leaves.
        let _ = converse(stream, config).await;
    }
}

async fn converse(stream: Stream, config: Arc<ServerConfig>) -> std::io::Result<()> {
    let mut stream = BufReader::new(stream);
    let mut line = String::new();
    for said in [
        "220 mail ESMTP\r\n",
        "250-mail\r\n250 STARTTLS\r\n",
        "220 go\r\n",
    ] {
        stream.write_all(said.as_bytes()).await?;
        if said != "220 go\r\n" {
            stream.read_line(&mut line).await?;
        }
    }
    let mut stream = BufReader::new(
        TlsAcceptor::from(config)
            .accept(stream.into_inner())
            .await?,
    );
    while stream.read_line(&mut line).await? > 0 {
        stream.write_all(b"250 mail\r\n").await?;
    }
    Ok(())
}

/// A person ordered that the primary has its traffic.
fn vouched(service: ServiceId) -> Standings {
    let at = Timestamp::from_millis(1);
    let standing = Standing {
        service: service.clone(),
        role: Role::Standby,
        epoch: Epoch(1),
        since: at,
        state: StateName::Held,
        mode: Mode::Act,
        would: None,
        effect: None,
        relay: true,
        handback: false,
        doubt: None,
        verdict: None,
        outage: None,
        held_by: Some((Operator("root".into()), at)),
        question: None,
    };
    Arc::new(BTreeMap::from([(service, standing)]))
}

#[tokio::test]
async fn another_key_is_foreign_until_a_person_gives_the_service_back() {
    let mut standby = Standby::new();
    let (listener, address) = listen().await;
    let shown = Arc::new(Mutex::new(installed()));
    let serving = serve(listener, Arc::clone(&shown));
    standby.host.tasks.spawn("mail server", serving);
    let probe = Probe::Smtp(SmtpProbe {
        protocol: model::MailProtocol::Smtp,
        address,
        name: NAME.to_owned(),
        verify: false,
        ca: None,
    });
    let running = standby
        .run(|config| config.targets.push(target(probe)))
        .await;
    let foreign = Finding::Failed(Failure::Tls(TlsFault::Foreign));
    let first = known(&mut standby, &foreign).await;

    *shown.lock().unwrap() = installed();
    // What was under way may still have seen the first one.
    while standby.observed().await.finding != foreign {}
    for _ in 0..3 {
        assert_eq!(standby.observed().await.finding, foreign);
    }
    running.standings.send_replace(vouched(web()));
    let second = known(&mut standby, &foreign).await;
    assert_ne!(first, second);
    // From then on it is the one that is known.
    running.standings.send_replace(Standings::default());
    for _ in 0..3 {
        assert!(standby.observed().await.finding.is_good());
    }
    running.end().await;
}

/// Who answers as soon as somebody is believed.
async fn known(standby: &mut Standby, foreign: &Finding) -> model::Identity {
    loop {
        match standby.observed().await.finding {
            Finding::Good { identity } => return identity.unwrap(),
            other => assert_eq!(&other, foreign),
        }
    }
}
