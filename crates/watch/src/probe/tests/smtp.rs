//! SMTP: servers that greet well, badly, late or not at all; TLS as it comes, and as it must be.

use model::{MailProtocol, TlsFault};
use rcgen::KeyPair;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;

use super::tls::{Authority, NAME, VALID, acceptor, identity, params};
use super::*;
use crate::target::SmtpProbe;

const PHASE: Phase = Phase::Greeting;

fn smtp(address: SocketAddr, verify: bool) -> Probe {
    mail(MailProtocol::Smtp, address, verify)
}

fn mail(protocol: MailProtocol, address: SocketAddr, verify: bool) -> Probe {
    Probe::Smtp(SmtpProbe {
        address,
        protocol,
        name: NAME.to_owned(),
        verify,
        ca: None,
    })
}

async fn greet(address: SocketAddr, limit: Duration) -> Measured {
    let prepared = Prepared::new(smtp(address, false), None, false);
    ask(&prepared, limit, None).await
}

/// Reads a command; empty when the guest has gone.
async fn command<S: AsyncRead + Unpin>(stream: &mut S) -> String {
    let mut line = Vec::new();
    while !line.ends_with(b"\r\n") {
        match stream.read_u8().await {
            Ok(byte) => line.push(byte),
            Err(_) => break,
        }
    }
    String::from_utf8_lossy(&line).trim_end().to_owned()
}

/// Says each line in its turn: the first at once, the others after a command each. Gives the
/// commands.
async fn converse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    lines: &[&str],
) -> Vec<String> {
    let mut heard = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        if index > 0 {
            heard.push(command(stream).await);
        }
        let _ = stream.write_all(line.as_bytes()).await;
        let _ = stream.flush().await;
    }
    heard
}

/// A server that says these lines, and then nothing.
async fn saying(lines: &[&'static str]) -> SocketAddr {
    let lines = lines.to_vec();
    serve(move |mut stream| {
        let lines = lines.clone();
        async move {
            converse(&mut stream, &lines).await;
            silence(stream).await;
        }
    })
    .await
}

/// A server whose commands can be looked at.
async fn listening(
    lines: &'static [&'static str],
) -> (SocketAddr, tokio::sync::mpsc::Receiver<Vec<String>>) {
    let (heard, commands) = tokio::sync::mpsc::channel(4);
    let address = serve(move |mut stream| {
        let heard = heard.clone();
        async move {
            let said = converse(&mut stream, lines).await;
            let _ = heard.send(said).await;
        }
    })
    .await;
    (address, commands)
}

const HELLO: &str = "220 mail.verein.test ESMTP\r\n";
const OFFER: &str = "250-mail.verein.test greets you\r\n250-SIZE 1000\r\n250 STARTTLS\r\n";
const GO: &str = "220 go ahead\r\n";
const BYE: &str = "221 bye\r\n";

/// A server that shows this certificate after STARTTLS and waits for a farewell inside.
async fn encrypting(acceptor: TlsAcceptor) -> SocketAddr {
    serve(move |mut stream| {
        let acceptor = acceptor.clone();
        async move {
            converse(&mut stream, &[HELLO, OFFER, GO]).await;
            if let Ok(mut stream) = acceptor.accept(stream).await {
                command(&mut stream).await;
                let _ = stream.write_all(BYE.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        }
    })
    .await
}

async fn shake(
    address: SocketAddr,
    verify: bool,
    trust: Trust,
    known: Option<&Identity>,
) -> Measured {
    let prepared = Prepared::new(smtp(address, verify), Some(trust), false);
    ask(&prepared, LONG, known).await
}

#[tokio::test]
async fn a_sender_introduces_itself_and_leaves_politely() {
    let (address, mut commands) = listening(&[
        "220-mail.verein.test\r\n220 ESMTP\r\n",
        "250 mail.verein.test\r\n",
        BYE,
    ])
    .await;
    let measured = greet(address, LONG).await;
    assert_eq!(measured.finding, Finding::Good { identity: None });
    let want = [Phase::Connect, Phase::Greeting, Phase::Request];
    assert_eq!(phases(&measured), want);
    assert_eq!(commands.recv().await.unwrap(), ["EHLO [127.0.0.1]", "QUIT"]);
}

#[tokio::test]
async fn a_server_that_knows_no_ehlo_is_greeted_as_of_old() {
    let (address, mut commands) = listening(&[HELLO, "502 what?\r\n", "250\r\n", BYE]).await;
    assert!(greet(address, LONG).await.is_good());
    let want = ["EHLO [127.0.0.1]", "HELO [127.0.0.1]", "QUIT"];
    assert_eq!(commands.recv().await.unwrap(), want);
}

/// RFC 2033 section 4.1: an LMTP server must not take EHLO or HELO, nor an SMTP server LHLO.
#[tokio::test]
async fn each_protocol_is_asked_in_its_own_words_and_no_other() {
    let refusing = |verb: &'static str| {
        serve(move |mut stream| async move {
            let _ = stream.write_all(HELLO.as_bytes()).await;
            loop {
                let said = command(&mut stream).await;
                let answer = match said.split(' ').next().unwrap_or_default() {
                    "" => return,
                    "QUIT" => BYE,
                    heard if heard == verb => "250-mail.verein.test\r\n250 PIPELINING\r\n",
                    _ => "500 5.5.1 What?\r\n",
                };
                let _ = stream.write_all(answer.as_bytes()).await;
            }
        })
    };
    let good = Finding::Good { identity: None };
    let wrong = Finding::Failed(Failure::Reply(500));
    for (speaks, asked, finding) in [
        ("LHLO", MailProtocol::Lmtp, &good),
        ("EHLO", MailProtocol::Smtp, &good),
        ("HELO", MailProtocol::Smtp, &good),
        ("LHLO", MailProtocol::Smtp, &wrong),
        ("EHLO", MailProtocol::Lmtp, &wrong),
        ("HELO", MailProtocol::Lmtp, &wrong),
    ] {
        let address = refusing(speaks).await;
        let prepared = Prepared::new(mail(asked, address, false), None, false);
        let measured = ask(&prepared, LONG, None).await;
        assert_eq!(&measured.finding, finding, "{speaks} {asked:?}");
    }
}

#[tokio::test]
async fn lmtp_shakes_hands_as_smtp_does() {
    let (authority, key) = (Authority::new(), KeyPair::generate().unwrap());
    let address = encrypting(acceptor(authority.sign(NAME, &key, VALID), &key)).await;
    let probe = mail(MailProtocol::Lmtp, address, true);
    let prepared = Prepared::new(probe, Some(authority.trust()), false);
    assert!(ask(&prepared, LONG, None).await.is_good());
}

#[tokio::test]
async fn refusals_keep_their_code() {
    let table: [(&[&str], u16); 5] = [
        (&["421 too many\r\n", BYE], 421),
        (&["554-no\r\n554 service here\r\n", BYE], 554),
        (&["220-wait\r\n550 not you\r\n", BYE], 550),
        (&[HELLO, "421 too late\r\n", BYE], 421),
        (&[HELLO, "550 bad name\r\n", BYE], 550),
    ];
    for (lines, code) in table {
        let address = saying(lines).await;
        assert_eq!(failed(&greet(address, LONG).await), Failure::Reply(code));
    }
}

#[tokio::test]
async fn a_refusal_of_the_prober_is_no_failure_of_a_third_party() {
    for (greeting, good) in [
        ("421 busy\r\n", true),
        ("554 not you\r\n", true),
        ("521 no mail here\r\n", false),
    ] {
        let address = saying(&[greeting, BYE]).await;
        let prepared = Prepared::new(smtp(address, false), None, true);
        assert_eq!(
            ask(&prepared, LONG, None).await.is_good(),
            good,
            "{greeting}"
        );
    }
}

/// The standby's own connections, for guests, may reach a server's limit per client.
#[tokio::test]
async fn too_many_connections_of_our_own_are_no_failure_of_the_server() {
    use host::outbound::{For, Outbound};
    let table: [(&[&str], usize, bool); 7] = [
        (&["421 too many\r\n", BYE], 3, true),
        (&["220-wait\r\n450 later\r\n", BYE], 3, true),
        (&[HELLO, "421 too late\r\n", BYE], 3, true),
        // Few are no reason, and a refusal for good is none of that kind.
        (&["421 too many\r\n", BYE], 2, false),
        (&["421 too many\r\n", BYE], 0, false),
        (&["554 not you\r\n", BYE], 20, false),
        (&[HELLO, "550 bad name\r\n", BYE], 20, false),
    ];
    for (lines, own, good) in table {
        let address = saying(lines).await;
        let outbound = Outbound::default();
        let held: Vec<_> = (0..own)
            .filter_map(|_| outbound.take(address.ip(), For::Own))
            .collect();
        let prepared = Prepared::new(smtp(address, false), None, false).beside(outbound);
        let measured = ask(&prepared, LONG, None).await;
        assert_eq!(measured.is_good(), good, "{lines:?} {own}");
        assert_eq!(held.len(), own);
    }
    // A server that says nothing at all is silent, whoever is connected.
    let outbound = Outbound::default();
    let mute = serve(silence).await;
    let _held: Vec<_> = (0..9)
        .filter_map(|_| outbound.take(mute.ip(), For::Own))
        .collect();
    let prepared = Prepared::new(smtp(mute, false), None, false).beside(outbound);
    let measured = ask(&prepared, SHORT, None).await;
    assert_eq!(failed(&measured), Failure::Silent { phase: PHASE });
}

#[tokio::test]
async fn silence_belongs_to_the_phase_that_waited() {
    let mute = serve(silence).await;
    let measured = greet(mute, SHORT).await;
    assert_eq!(failed(&measured), Failure::Silent { phase: PHASE });
    assert_eq!(phases(&measured), [Phase::Connect, PHASE]);
    let deaf = saying(&[HELLO]).await;
    let phase = Phase::Request;
    assert_eq!(failed(&greet(deaf, SHORT).await), Failure::Silent { phase });
    let closing = serve(|stream| async move { drop(stream) }).await;
    let measured = greet(closing, LONG).await;
    assert_eq!(failed(&measured), Failure::Reset { phase: PHASE });
}

#[tokio::test]
async fn a_greeting_that_has_begun_shows_a_server_that_lives() {
    let slow = saying(&["220-mail.verein.test, have patience\r\n"]).await;
    let measured = greet(slow, SHORT).await;
    assert_eq!(measured.finding, Finding::Good { identity: None });
    assert_eq!(phases(&measured), [Phase::Connect, PHASE]);
    // What was heard in one phase says nothing about the next.
    let deaf = saying(&["220-mail.verein.test\r\n220 ESMTP\r\n"]).await;
    let phase = Phase::Request;
    assert_eq!(failed(&greet(deaf, SHORT).await), Failure::Silent { phase });
}

#[tokio::test]
async fn a_server_that_says_no_goodbye_is_good_all_the_same() {
    let rude = saying(&[HELLO, "250 mail.verein.test\r\n"]).await;
    assert!(greet(rude, LONG).await.is_good());
}

#[tokio::test]
async fn nonsense_and_endless_replies_are_malformed() {
    let long: &'static str = String::leak(format!("220 {}", "x".repeat(4000)));
    let many: &'static str = String::leak("220-x\r\n".repeat(200));
    for greeting in [
        "SSH-2.0-OpenSSH_9\r\n",
        "* OK IMAP ready\r\n",
        "220-a\r\n250 b\r\n",
        // It answers what nobody has asked yet.
        "220 a\r\n250 b\r\n",
        long,
        many,
    ] {
        let address = saying(&[greeting]).await;
        let failure = failed(&greet(address, LONG).await);
        let malformed = matches!(failure, Failure::Malformed { .. });
        assert!(malformed, "{failure:?}");
    }
}

#[tokio::test]
async fn starttls_proves_whose_key_it_is_also_of_a_chain_that_cannot_be_verified() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let key = KeyPair::generate().unwrap();
    let good = encrypting(acceptor(authority.sign(NAME, &key, VALID), &key)).await;
    let measured = shake(good, true, authority.trust(), None).await;
    let known = identity(&measured);
    let want = [Phase::Connect, Phase::Greeting, Phase::Request, Phase::Tls];
    assert_eq!(phases(&measured), want);
    let table = [
        (authority.sign(NAME, &key, (2019, 2020)), TlsFault::Expired),
        (
            authority.sign("x.test", &key, VALID),
            TlsFault::NameMismatch,
        ),
        (stranger.sign(NAME, &key, VALID), TlsFault::UnknownIssuer),
        (
            params(NAME, VALID).self_signed(&key).unwrap().der().clone(),
            TlsFault::UnknownIssuer,
        ),
    ];
    for (certificate, fault) in table {
        let address = encrypting(acceptor(certificate, &key)).await;
        for before in [None, Some(&known)] {
            let measured = shake(address, false, authority.trust(), before).await;
            assert_eq!(identity(&measured), known, "{fault:?}");
            let measured = shake(address, true, authority.trust(), before).await;
            let want = match (fault, before) {
                // The known key proves our own server, whose certificate lacks the name.
                (TlsFault::NameMismatch, Some(_)) => TlsFault::NameMissing,
                _ => fault,
            };
            assert_eq!(failed(&measured), Failure::Tls(want));
        }
    }
}

#[tokio::test]
async fn another_key_is_foreign_unless_its_chain_can_be_verified() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let (ours, theirs) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let good = encrypting(acceptor(authority.sign(NAME, &ours, VALID), &ours)).await;
    let known = identity(&shake(good, false, authority.trust(), None).await);
    let foreign = Failure::Tls(TlsFault::Foreign);
    for certificate in [
        stranger.sign(NAME, &theirs, VALID),
        authority.sign("x.test", &theirs, VALID),
        authority.sign(NAME, &theirs, (2019, 2020)),
    ] {
        let address = encrypting(acceptor(certificate, &theirs)).await;
        let measured = shake(address, false, authority.trust(), Some(&known)).await;
        assert_eq!(failed(&measured), foreign);
        let measured = shake(address, false, authority.trust(), None).await;
        assert_ne!(identity(&measured), known);
    }
    let renewed = encrypting(acceptor(authority.sign(NAME, &theirs, VALID), &theirs)).await;
    let measured = shake(renewed, false, authority.trust(), Some(&known)).await;
    assert_ne!(identity(&measured), known);
}

#[tokio::test]
async fn without_tls_mail_flows_and_nobody_is_proved() {
    let trust = Authority::new().trust();
    let table: [&[&str]; 2] = [
        &[HELLO, "250-mail.verein.test\r\n250 SIZE\r\n", BYE],
        &[HELLO, OFFER, "454 not just now\r\n", BYE],
    ];
    for lines in table {
        let address = saying(lines).await;
        let measured = shake(address, false, trust.clone(), None).await;
        assert_eq!(measured.finding, Finding::Good { identity: None });
        let measured = shake(address, true, trust.clone(), None).await;
        assert_eq!(failed(&measured), Failure::Tls(TlsFault::NotOffered));
    }
}

#[tokio::test]
async fn words_between_the_reply_and_the_handshake_are_a_fault() {
    let trust = Authority::new().trust();
    let injected = "220 go ahead\r\n250 and more\r\n";
    let address = saying(&[HELLO, OFFER, injected]).await;
    for verify in [false, true] {
        let measured = shake(address, verify, trust.clone(), None).await;
        let phase = Phase::Tls;
        assert_eq!(failed(&measured), Failure::Malformed { phase });
    }
}

#[tokio::test]
async fn a_handshake_that_breaks_is_a_fault_and_one_that_finds_no_common_ground_is_none() {
    let trust = Authority::new().trust();
    // `handshake_failure` as a fatal alert (RFC 8446 §6).
    let alert = b"\x15\x03\x03\x00\x02\x02\x28";
    for (bytes, known, want) in [
        (&alert[..], false, None),
        (&alert[..], true, Some(Failure::Tls(TlsFault::Handshake))),
        (
            b"not TLS at all",
            false,
            Some(Failure::Tls(TlsFault::Handshake)),
        ),
    ] {
        let address = serve(move |mut stream| async move {
            converse(&mut stream, &[HELLO, OFFER, GO]).await;
            let _ = stream.read_u8().await;
            let _ = stream.write_all(bytes).await;
            silence(stream).await;
        })
        .await;
        let known = known.then(|| Identity("spki:1".into()));
        let measured = shake(address, false, trust.clone(), known.as_ref()).await;
        match want {
            None => assert_eq!(measured.finding, Finding::Good { identity: None }),
            Some(want) => assert_eq!(failed(&measured), want),
        }
    }
}
