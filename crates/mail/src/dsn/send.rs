//! One try to send a notification.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use host::Drain;
use host::tls::HopTls;

use super::record::Outgoing;
use super::route::{self, Bounds, Route};
use crate::auth::resolver::Resolver;
use crate::client::caller::{CallError, Caller};
use crate::client::{Lost, Opening, TlsWish, Verb};
use crate::config::{NextHop, Protocol, Trust};
use crate::desk::call;
use crate::envelope::{Recipient, Sender};
use crate::handback::meaning::{Meaning, meaning};
use crate::office::Office;
use crate::post::Post;
use crate::wire::path::{Mailbox, ReversePath};
use crate::wire::reply::Reply;

/// How long a greeting is waited for.
const GREETING: Duration = Duration::from_secs(60);

/// How a try ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// The other end has it.
    Taken,
    /// The other end does not want it.
    Refused(String),
    /// There is no other end.
    NoHost(String),
    /// It is tried again.
    Later(String),
    /// The program ends, and nothing was sent of it.
    Stopped,
}

/// What a try needs.
pub(super) struct Way {
    pub(super) post: Arc<Post>,
    pub(super) office: Arc<Office>,
    pub(super) resolver: Option<Resolver>,
    pub(super) tls: HopTls,
}

/// Tries once.
pub(super) async fn send(way: Way, outgoing: Outgoing, drain: Drain) -> Outcome {
    let Some(to) = Mailbox::parse(&outgoing.to) else {
        return Outcome::NoHost("not an address".to_owned());
    };
    let announcing = announce(&way, &to, outgoing.text.len() as u64);
    // Nothing of it is sent before both arms are over, so it can be given up; afterwards the
    // answer is waited for.
    let announced = tokio::select! {
        () = drain.begun() => return Outcome::Stopped,
        announced = announcing => announced,
    };
    let mut caller = match announced {
        Ok(caller) => caller,
        Err(outcome) => return outcome,
    };
    let outcome = match body(&mut caller, outgoing.text).await {
        Ok(reply) => judged(&reply).map_or_else(|outcome| outcome, |()| Outcome::Taken),
        Err(error) => Outcome::Later(error.to_string()),
    };
    caller.quit().await;
    outcome
}

/// Calls whoever takes it, and says for whom it is, up to the answer to DATA.
async fn announce(way: &Way, to: &Mailbox, size: u64) -> Result<Caller, Outcome> {
    let Way { post, office, .. } = way;
    if let Some(own) = post.office(to) {
        // Its exchangers are the primary, and we.
        let caller = call(post, &own, None).await;
        let caller = caller.map_err(|error| Outcome::Later(error.to_string()))?;
        return envelope(caller, to, size).await;
    }
    let mut last = Outcome::Later("nobody to ask".to_owned());
    for (name, address) in hosts(way, to.domain()).await? {
        let called = match open(way, &name, address, TlsWish::Offered).await {
            // RFC 7435: better in clear than not at all.
            Err(CallError::Lost(Lost::Handshake)) => {
                open(way, &name, address, TlsWish::Never).await
            }
            called => called,
        };
        match called {
            Ok(caller) => match envelope(caller, to, size).await {
                Err(later @ Outcome::Later(_)) => last = later,
                end => return end,
            },
            Err(error) => last = Outcome::Later(format!("{name}: {error}")),
        }
    }
    tracing::debug!(organisation = %office.config.organisation, "a notification waits");
    Err(last)
}

async fn hosts(way: &Way, domain: &str) -> Result<Vec<(String, SocketAddr)>, Outcome> {
    let config = &way.office.config;
    if let Some(relay) = config.notices.relay {
        return Ok(vec![(relay.ip().to_string(), relay)]);
    }
    let Some(resolver) = &way.resolver else {
        return Err(Outcome::Later("nobody answers DNS".to_owned()));
    };
    let mut ours = vec![way.post.name.as_str()];
    ours.extend(config.mx.as_deref());
    let bounds = Bounds {
        ours: &ours,
        port: config.notices.port,
        private: config.notices.private,
    };
    match route::route(resolver, domain, bounds).await {
        Route::Hosts(hosts) => Ok(hosts),
        Route::Nowhere(why) => Err(Outcome::NoHost(why.to_owned())),
        Route::Unknown(why) => Err(Outcome::Later(why)),
    }
}

async fn open(
    way: &Way,
    name: &str,
    address: SocketAddr,
    tls: TlsWish,
) -> Result<Caller, CallError> {
    let hop = NextHop {
        address,
        name: name.to_owned(),
        protocol: Protocol::Smtp,
        trust: Trust::Opportunistic,
        ca: None,
        xclient: false,
    };
    let opening = Opening {
        name: way.post.name.clone(),
        protocol: Protocol::Smtp,
        tls,
        xclient: None,
        patience: GREETING,
    };
    let driver = &way.post.calls;
    Caller::open(&way.post.host, &hop, &way.tls, opening, driver, None).await
}

/// MAIL, RCPT and DATA, one after the other.
async fn envelope(mut caller: Caller, to: &Mailbox, size: u64) -> Result<Caller, Outcome> {
    let said = async {
        // RFC 3464 §2: a notification is about nothing itself.
        let nobody = Sender {
            path: ReversePath::Null,
            eight_bit: false,
            utf8: false,
            ret: None,
            envid: None,
        };
        caller.send_mail(&nobody, Some(size)).await?;
        let mail = caller.reply(Verb::Mail).await?;
        if mail.code() / 100 != 2 {
            return Ok(mail);
        }
        let recipient = Recipient {
            mailbox: to.clone(),
            notify: Some("NEVER".to_owned()),
            orcpt: None,
        };
        caller.send_rcpt(&recipient).await?;
        let rcpt = caller.reply(Verb::Rcpt).await?;
        if rcpt.code() / 100 != 2 {
            return Ok(rcpt);
        }
        caller.send_verb(Verb::Data).await?;
        caller.reply(Verb::Data).await
    };
    let said: Result<Reply, CallError> = said.await;
    match said {
        Ok(reply) if reply.code() == 354 => Ok(caller),
        Ok(reply) => {
            caller.quit().await;
            Err(judged(&reply)
                .err()
                .unwrap_or_else(|| Outcome::Later(reply.to_string())))
        }
        Err(error) => Err(Outcome::Later(error.to_string())),
    }
}

async fn body(caller: &mut Caller, text: String) -> Result<Reply, CallError> {
    caller.send_piece(Bytes::from(text)).await?;
    caller.send_end(1).await?;
    caller.reply(Verb::End).await
}

/// What a reply means; fine, or the end of the try. What answers our own mistake judges nobody: a
/// notification is not given up for it before its days are over.
fn judged(reply: &Reply) -> Result<(), Outcome> {
    match meaning(reply) {
        Meaning::Taken => Ok(()),
        Meaning::Refused | Meaning::NoSuchRecipient => Err(Outcome::Refused(reply.to_string())),
        Meaning::Later
        | Meaning::Limited
        | Meaning::Full
        | Meaning::TooMany
        | Meaning::OurMistake => Err(Outcome::Later(reply.to_string())),
    }
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::wire::reply::ReplyReader;

    /// What a reply makes of the try: `+` taken, `-` refused, `~` later.
    fn of(line: &str) -> char {
        let mut bytes = BytesMut::from(format!("{line}\r\n").as_bytes());
        let reply = ReplyReader::default().read(&mut bytes).unwrap().unwrap();
        match judged(&reply) {
            Ok(()) => '+',
            Err(Outcome::Refused(said)) => {
                assert_eq!(said, line);
                '-'
            }
            Err(Outcome::Later(_)) => '~',
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn only_a_reply_about_the_notification_refuses_it() {
        for (line, want) in [
            ("250 2.0.0 Queued", '+'),
            ("550 5.1.1 User unknown", '-'),
            ("550 5.7.1 Blocked", '-'),
            ("554 5.6.0 Spam", '-'),
            ("552 5.3.4 Too big", '-'),
            ("450 4.2.0 Greylisted", '~'),
            ("421 4.3.2 Going down", '~'),
            ("450 4.7.1 too much mail", '~'),
            // What we did.
            ("500 What?", '~'),
            ("501 5.5.4 Bad parameter", '~'),
            ("502 5.5.1 Not implemented", '~'),
            ("503 5.5.1 Nested MAIL", '~'),
            ("504 5.5.4 No such parameter", '~'),
            ("555 5.5.4 Unsupported option", '~'),
            ("554 5.5.1 No valid recipients", '~'),
            ("354 go on", '~'),
            // What has an end.
            ("552 5.2.2 Over quota", '~'),
            ("552 5.5.3 Too many recipients", '~'),
        ] {
            assert_eq!(of(line), want, "{line}");
        }
    }
}
