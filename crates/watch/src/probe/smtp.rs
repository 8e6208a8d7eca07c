//! The probe of mail servers: greeting, EHLO, STARTTLS where it is offered, QUIT (RFC 5321, RFC 3207);
//! with LMTP the same with LHLO (RFC 2033).
//!
//! No mail is sent and nobody's address is asked for. Between mail servers TLS is opportunistic
//! (RFC 7435 §3): unless the configuration asks for a certificate that can be verified, one that
//! cannot is no failure, for mail flows all the same; whose key it is gets recorded.

use std::net::SocketAddr;
use std::time::Duration;

use host::net::Stream;
use host::outbound::Outbound;
use model::{Failure, Identity, MailProtocol, Phase, TlsFault};
use tokio::io::{AsyncRead, AsyncWrite};

use super::{Found, Stopwatch, Tools, Trust, tcp};
use crate::target::SmtpProbe;

mod talk;

use self::talk::{Reply, Talk};

/// How long a server gets to say goodbye. What it is, is known by then.
const FAREWELL: Duration = Duration::from_millis(250);

/// RFC 5321 §3.1: the server is ready.
const READY: u16 = 220;

/// What is asked, with all that was prepared once.
#[derive(Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) server: &'a SmtpProbe,
    pub(super) tolerant: bool,
    /// The connections that the standby itself has.
    pub(super) outbound: &'a Outbound,
    pub(super) trust: Option<&'a Trust>,
    pub(super) known: Option<&'a Identity>,
}

/// Talks to the server as a sender would, and leaves before any mail.
pub(super) async fn ask(tools: Tools<'_>, asked: Asked<'_>, watch: &mut Stopwatch<'_>) -> Found {
    let stream = tcp::ask(tools, asked.server.address, watch).await?;
    let name = own_name(stream.local_addr().ok());
    let mut talk = Talk::new(stream);
    if let Err(failure) = greeting(&mut talk, watch).await {
        let found = match failure {
            Failure::Reply(code) if asked.tolerant && refuses_us(code) => Ok(None),
            Failure::Reply(code) if is_our_doing(code, asked) => Ok(None),
            failure => Err(failure),
        };
        return leave(talk, found, watch).await;
    }
    watch.begin(Phase::Request);
    let protocol = asked.server.protocol;
    let offered = match introduce(&mut talk, protocol, &name).await {
        Ok(offered) => offered,
        Err(Failure::Reply(code)) if is_our_doing(code, asked) => {
            return leave(talk, Ok(None), watch).await;
        }
        Err(failure) => return leave(talk, Err(failure), watch).await,
    };
    // A machine without authorities verifies nothing, and need not.
    let Some(trust) = asked.trust.filter(|_| offered) else {
        return leave(talk, in_clear(asked.server), watch).await;
    };
    if talk.command("STARTTLS", Phase::Request).await?.code != READY {
        // RFC 3207 §4: 454, "not available due to temporary reason". A sender goes on in clear.
        return leave(talk, in_clear(asked.server), watch).await;
    }
    watch.begin(Phase::Tls);
    encrypted(talk, asked, trust, watch).await
}

/// RFC 5321 §4.1.3: who has no name introduces itself by its address; it names nobody.
fn own_name(local: Option<SocketAddr>) -> String {
    match local {
        Some(SocketAddr::V4(at)) => format!("[{}]", at.ip()),
        Some(SocketAddr::V6(at)) => format!("[IPv6:{}]", at.ip()),
        None => "[127.0.0.1]".to_owned(),
    }
}

/// Waits until the server is ready for us.
async fn greeting(talk: &mut Talk<Stream>, watch: &mut Stopwatch<'_>) -> Result<(), Failure> {
    let phase = Phase::Greeting;
    watch.begin(phase);
    let first = talk.line(phase).await?;
    if first.code == READY && first.more {
        // Who is unknown may be kept waiting after the first line, to tell senders of spam by
        // their haste; RFC 5321 §4.5.3.2.1 allows five minutes. A server that does so lives.
        watch.heard(Ok(None));
    }
    match talk.rest(first, phase).await?.code {
        READY => Ok(()),
        code => Err(Failure::Reply(code)),
    }
}

/// Whether a greeting refuses the client rather than its mail: too many connections, or an
/// address that is not liked (RFC 5321 §3.1).
fn refuses_us(code: u16) -> bool {
    matches!(code, 421 | 550 | 554)
}

/// So many connections of our own may be what a limit per client speaks of.
const MANY: usize = 3;

/// Whether a server that lives wants no further connection because this standby has so many
/// already, for guests whose messages it passes on (421, RFC 5321 §3.8, and what else says "later").
/// That says nothing about the server: were it believed, those guests could have mail taken over.
fn is_our_doing(code: u16, asked: Asked<'_>) -> bool {
    let later = (400..500).contains(&code);
    later && asked.outbound.held(asked.server.address.ip()) >= MANY
}

/// Says who we are; gives whether STARTTLS is offered.
async fn introduce(
    talk: &mut Talk<Stream>,
    protocol: MailProtocol,
    name: &str,
) -> Result<bool, Failure> {
    let phase = Phase::Request;
    let hello = format!("{} {name}", protocol.hello());
    let mut reply = talk.command(&hello, phase).await?;
    if matches!(reply.code, 500 | 502 | 504) && protocol.has_old_hello() {
        // RFC 5321 §3.2: an old server knows HELO only.
        reply = talk.command(&format!("HELO {name}"), phase).await?;
    }
    match reply.code {
        250 => Ok(reply.offers_starttls),
        code => Err(Failure::Reply(code)),
    }
}

/// Mail would flow in clear, which proves nobody.
fn in_clear(server: &SmtpProbe) -> Found {
    if server.verify {
        return Err(Failure::Tls(TlsFault::NotOffered));
    }
    Ok(None)
}

/// Shakes hands and leaves inside of TLS.
async fn encrypted(
    talk: Talk<Stream>,
    asked: Asked<'_>,
    trust: &Trust,
    watch: &mut Stopwatch<'_>,
) -> Found {
    let phase = Phase::Tls;
    // RFC 3207 §4: after the reply TLS begins at once. What lies before it was said in clear,
    // by whoever could, to be taken for words said inside.
    let stream = talk.end().ok_or(Failure::Malformed { phase })?;
    let SmtpProbe { name, verify, .. } = asked.server;
    let shaken = if *verify {
        let shaken = trust.handshake(stream, name, &[], asked.known).await;
        shaken.map(Some)
    } else {
        trust.opportunistic(stream, name, asked.known).await
    };
    match shaken? {
        Some((stream, identity)) => leave(Talk::new(stream), Ok(Some(identity)), watch).await,
        None => Ok(None),
    }
}

/// Says goodbye (RFC 5321 §4.1.1.10). It takes nothing from what was found, not even if the time
/// ends in it.
async fn leave<S: AsyncRead + AsyncWrite + Unpin>(
    mut talk: Talk<S>,
    found: Found,
    watch: &mut Stopwatch<'_>,
) -> Found {
    // Whoever broke the protocol or the connection is not talked to any more.
    if !matches!(found, Ok(_) | Err(Failure::Reply(_) | Failure::Tls(_))) {
        return found;
    }
    watch.rest();
    watch.heard(found.clone());
    let goodbye = talk.command("QUIT", Phase::Request);
    let _: Result<Result<Reply, Failure>, _> = tokio::time::timeout(FAREWELL, goodbye).await;
    found
}
