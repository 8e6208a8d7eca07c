//! Cut-through: the sender waits while the primary decides, and hears the primary's own words.
//!
//! Nothing is kept and nothing bounces. When the primary fails in the middle, or its answer to the
//! end is unknown, the sender hears `451` and comes again (RFC 5321 §4.5.4.1): it has the message.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use host::Hint;
use host::outbound::{For, Permit};

mod ending;

pub(super) use ending::{Beside, end};

use super::{Course, Transaction, out_of_order};
use crate::client::caller::{CallError, Caller};
use crate::client::{Lost, Opening, TlsWish, Verb};
use crate::config::Trust;
use crate::envelope::{Client, Recipient};
use crate::metrics::Refusal;
use crate::office::Office;
use crate::post::Post;
use crate::recipients::denies;
use crate::session::Answer;
use crate::trace;
use crate::way::Otherwise;
use crate::wire::path::Mailbox;
use crate::wire::reply::Reply;
use crate::wire::xclient::Attributes;

type Answered = (Answer, Option<Box<Transaction>>);

/// RFC 6531 §3.5.
const NO_UTF8: Reply = Reply::fixed(
    553,
    (5, 6, 7),
    "The primary mail server does not take SMTPUTF8",
);

/// How long the primary's greeting is waited for; a sender waits meanwhile.
const GREETING: Duration = Duration::from_secs(10);
/// How long what the standby brings itself waits for a connection that others have.
const PLACE: Duration = Duration::from_secs(5);

/// Calls the primary for what the standby brings itself; `client` is whom it speaks for.
pub(crate) async fn call(
    post: &Post,
    office: &Office,
    client: Option<&Client>,
) -> Result<Caller, CallError> {
    let server = office.config.primary.address.ip();
    let waiting = post.host.outbound.wait(server, For::Own, PLACE);
    let Some(permit) = waiting.await else {
        let words = "all connections that it may have from here are taken";
        return Err(CallError::Unreachable(words.into()));
    };
    call_with(post, office, client, permit).await
}

/// The same over a connection that is counted already.
async fn call_with(
    post: &Post,
    office: &Office,
    client: Option<&Client>,
    permit: Permit,
) -> Result<Caller, CallError> {
    let hop = &office.config.primary;
    let required = !matches!(hop.trust, Trust::Opportunistic);
    let tls = match (required, office.without_tls(post.host.clock.now().mono)) {
        (true, _) => TlsWish::Required,
        (false, true) => TlsWish::Never,
        (false, false) => TlsWish::Offered,
    };
    let opening = Opening {
        name: post.name.clone(),
        protocol: hop.protocol,
        tls,
        xclient: client.filter(|_| hop.xclient).map(attributes),
        patience: GREETING,
    };
    let (host, driver) = (&post.host, &post.calls);
    let called = Caller::open(host, hop, &office.tls, opening, driver, Some(permit)).await;
    match called {
        // RFC 7435: better in clear than not at all, where nobody asked for more.
        Err(CallError::Lost(Lost::Handshake)) if tls == TlsWish::Offered => {
            office.note_no_tls(post.host.clock.now().mono);
            Err(CallError::Lost(Lost::Handshake))
        }
        called => called,
    }
}

/// What the primary is told of the true client.
pub(crate) fn attributes(client: &Client) -> Attributes {
    Attributes {
        address: client.address,
        helo: client.helo.clone(),
        esmtp: client.esmtp,
    }
}

/// The first recipient: the primary is called and told the sender.
pub(super) async fn first_recipient(
    post: Arc<Post>,
    mut transaction: Box<Transaction>,
    office: Arc<Office>,
    recipient: Recipient,
    otherwise: Otherwise,
) -> Answered {
    let server = office.config.primary.address.ip();
    let guest = For::Guest(transaction.client.address.ip());
    let patience = match otherwise {
        // What finds no place is kept, so nobody need wait for one.
        Otherwise::Keep => Duration::ZERO,
        Otherwise::Later | Otherwise::Never => office.config.place,
    };
    let places = &post.host.outbound;
    let Some(permit) = places.wait(server, guest, patience).await else {
        let answer = post.crowded(&mut transaction, &office, recipient, otherwise);
        return (answer, Some(transaction));
    };
    let called = call_with(&post, &office, Some(&transaction.client), permit).await;
    let begun = match called {
        Ok(caller) => begin(caller, &transaction).await,
        Err(error) => Err(error),
    };
    match begun {
        Ok((caller, None)) => {
            transaction.course = Course::Through {
                caller: Box::new(caller),
                otherwise,
                beside: None,
            };
            self::recipient(post, transaction, office, recipient).await
        }
        // The primary does not want this sender: that is its answer, and it is not asked again for
        // every recipient.
        Ok((caller, Some(reply))) => {
            caller.quit().await;
            transaction.course = Course::Refused(reply.clone());
            (Answer::Say(reply), Some(transaction))
        }
        Err(error) => {
            failed(&post, &office, &error);
            let answer = post.otherwise(&mut transaction, &office, recipient, otherwise);
            (answer, Some(transaction))
        }
    }
}

/// MAIL; gives the primary's refusal if it refuses.
async fn begin(
    mut caller: Caller,
    transaction: &Transaction,
) -> Result<(Caller, Option<Reply>), CallError> {
    // RFC 6531 §3.4: the flag is not the need. What has an ASCII envelope may pass; its header is
    // looked at while it does.
    let sender = &transaction.sender;
    if sender.utf8 && sender.path.needs_utf8() && !caller.capabilities().smtputf8 {
        return Ok((caller, Some(NO_UTF8)));
    }
    caller
        .send_mail_with(sender, transaction.size, &transaction.further)
        .await?;
    let reply = caller.reply(Verb::Mail).await?;
    let refused = (reply.code() / 100 != 2).then_some(reply);
    Ok((caller, refused))
}

/// The primary could not be asked: said to whoever watches, as a hint and no more.
fn failed(post: &Post, office: &Office, error: &CallError) {
    post.metrics.refused(Refusal::Primary);
    tracing::debug!(%error, "the primary could not be asked");
    post.host.outlets.hints.offer(Hint {
        service: office.service.clone(),
        at: post.host.clock.now().wall,
    });
}

/// A recipient is asked of the primary, and its answer learned.
pub(super) async fn recipient(
    post: Arc<Post>,
    mut transaction: Box<Transaction>,
    office: Arc<Office>,
    recipient: Recipient,
) -> Answered {
    let further = std::mem::take(&mut transaction.asked_further);
    let Course::Through {
        caller, otherwise, ..
    } = &mut transaction.course
    else {
        return (Answer::Say(out_of_order()), None);
    };
    let otherwise = *otherwise;
    if ending::is_one_too_many(&office, otherwise, transaction.recipients.len()) {
        let words = "One recipient a message; send the rest in another message";
        let reply = Reply::fixed(452, (4, 5, 3), words);
        return (Answer::Say(reply), Some(transaction));
    }
    let asked = match caller.send_rcpt_with(&recipient, &further).await {
        Ok(()) => caller.reply(Verb::Rcpt).await,
        Err(error) => Err(error),
    };
    match asked {
        Ok(reply) => {
            let mailbox = &recipient.mailbox;
            if denies(&reply, mailbox.local(), mailbox.domain()) {
                learn(&post, &office, &transaction.client, mailbox, false);
            }
            if reply.code() / 100 == 2 {
                transaction.recipients.push(recipient);
            }
            (Answer::Say(reply), Some(transaction))
        }
        Err(error) => {
            failed(&post, &office, &error);
            if otherwise == Otherwise::Keep && transaction.recipients.is_empty() {
                let answer = post.otherwise(&mut transaction, &office, recipient, otherwise);
                return (answer, Some(transaction));
            }
            transaction.recipients.push(recipient);
            (later(&post, &transaction), None)
        }
    }
}

/// The sender comes again; if it does so after a while and the primary is still silent it is kept.
fn later(post: &Post, transaction: &Transaction) -> Answer {
    post.metrics.refused(Refusal::Later);
    let sender = transaction.sender.path.to_string();
    for recipient in &transaction.recipients {
        let client = transaction.client.address.ip();
        post.note_deferral(client, &sender, &recipient.mailbox.to_string());
    }
    let words = "The primary mail server broke off, try again later";
    Answer::Say(Reply::fixed(451, (4, 4, 2), words))
}

/// The primary said whether somebody exists. A yes is one of a message that it took: one to RCPT alone
/// is not believed, since anybody can ask for it.
fn learn(post: &Post, office: &Office, client: &Client, mailbox: &Mailbox, valid: bool) {
    let now = post.host.clock.now().wall;
    let may = || post.may_teach(client.address.ip());
    office.learn(mailbox, valid, now, may);
}

/// DATA; our own trace field goes first.
pub(super) async fn body(post: Arc<Post>, mut transaction: Box<Transaction>) -> Answered {
    let envelope = transaction.envelope();
    let Course::Through { caller, .. } = &mut transaction.course else {
        return (Answer::Say(out_of_order()), None);
    };
    let asked = match caller.send_verb(Verb::Data).await {
        Ok(()) => caller.reply(Verb::Data).await,
        Err(error) => Err(error),
    };
    match asked {
        Ok(reply) if reply.code() == 354 => {
            let id = post.new_id();
            let trace = trace::passed(&post.name, &envelope, &id, post.host.clock.now().wall);
            match caller.send_piece(trace.into()).await {
                Ok(()) => {
                    ending::begin_beside(&post, &mut transaction, &id);
                    (Answer::Go, Some(transaction))
                }
                Err(_) => (later(&post, &transaction), None),
            }
        }
        Ok(reply) if reply.code() >= 400 => (Answer::Say(reply), Some(transaction)),
        // Broken off, or an answer to DATA that the RFC does not know.
        Ok(_) | Err(_) => (later(&post, &transaction), None),
    }
}

/// A piece of the body as the primary gets it; a refusal if its header is not for it.
fn fitting(
    post: &Post,
    transaction: &mut Transaction,
    piece: Bytes,
    whole: bool,
) -> Result<Bytes, Reply> {
    let piece = post.cleaned(&mut transaction.head, piece, whole)?;
    let Course::Through { caller, .. } = &transaction.course else {
        return Err(out_of_order());
    };
    let needs_utf8 = transaction.sender.utf8 && transaction.head.is_eight_bit();
    match needs_utf8 && !caller.capabilities().smtputf8 {
        true => Err(NO_UTF8),
        false => Ok(piece),
    }
}

pub(super) async fn piece(
    post: Arc<Post>,
    mut transaction: Box<Transaction>,
    piece: Bytes,
) -> Answered {
    let piece = match fitting(&post, &mut transaction, piece, false) {
        Ok(piece) => piece,
        // The primary is left in the middle of the message, and so never has it.
        Err(reply) => return (Answer::Say(reply), None),
    };
    ending::write_beside(&post, &mut transaction, &piece);
    let Course::Through { caller, .. } = &mut transaction.course else {
        return (Answer::Say(out_of_order()), None);
    };
    match caller.send_piece(piece).await {
        Ok(()) => (Answer::Go, Some(transaction)),
        Err(_) => (later(&post, &transaction), None),
    }
}
