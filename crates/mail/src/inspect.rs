//! The checks of what was kept, made in the background: accepting never waits for DNS.
//!
//! What [`crate::auth::queue`] says is done, and the verdicts are written down beside the message. A
//! message whose check did not fit is handed back without results; what is not known is never
//! guessed. A spam filter is asked at the same time, if there is one.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use host::{Drain, Held};
use tokio::sync::mpsc;

use crate::auth::check::{Checker, LIMIT, Subject, unknown};
use crate::auth::queue::{Limits, Offer, Queue, Work};
use crate::auth::resolver::{QUERY_LIMIT, Resolver};
use crate::auth::verdict::Heard;
use crate::metrics::Refusal;
use crate::post::{Post, ToCheck};
use crate::spam::{Question, Rspamd};
use crate::spool::{Message, MessageBody, Meta};
use crate::trace;
use crate::wire::path::ReversePath;

/// Larger messages are not checked: a part of one would look like a forgery.
const MOST: usize = 8 << 20;

/// Who is asked about messages.
#[derive(Clone)]
pub(crate) struct Asked {
    /// Who answers DNS questions; the machine's resolver if nothing is said.
    pub(crate) resolver: Option<SocketAddr>,
    /// The spam filter.
    pub(crate) filter: Option<Rspamd>,
}

/// Checks messages until the drain begins.
pub(crate) async fn run(
    post: Arc<Post>,
    asked: Asked,
    mut checks: Held<mpsc::Receiver<ToCheck>>,
    drain: Drain,
) {
    if post.offices().is_empty() {
        // Nobody's mail is taken: nothing is ever to be checked.
        return drain.begun().await;
    }
    let Asked { resolver, filter } = asked;
    let checker = match Resolver::new(resolver, QUERY_LIMIT) {
        Ok(resolver) => Checker::new(resolver, &post.name),
        Err(error) => {
            tracing::warn!(%error, "SPF, DKIM and DMARC are not checked");
            return drain.begun().await;
        }
    };
    let mut queue = Queue::new(Limits::default());
    let (done, mut ended) = mpsc::channel(Limits::default().at_once);
    loop {
        while let Some(work) = queue.next(post.host.clock.now().mono) {
            let (item, checker) = match work {
                Work::Check(item) => (item, Some(checker.clone())),
                Work::Unknown(item) => (item, None),
            };
            let turn = checker.is_some().then(|| Turn::new(done.clone()));
            let inner = Arc::clone(&post);
            let filter = filter.clone();
            let checking = one(inner, item, checker, filter, turn);
            post.host.tasks.spawn("mail check", checking);
        }
        // All arms are cancel-safe.
        tokio::select! {
            () = drain.begun() => return,
            heard = ended.recv() => {
                queue.ended(post.host.clock.now().mono, heard.unwrap_or_default());
            }
            next = checks.recv() => match next {
                None => return,
                Some(item) => if queue.offer(item) == Offer::Left {
                    post.metrics.refused(Refusal::Check);
                }
            },
        }
    }
}

/// A check that runs; its end is told also when it ends by a panic.
struct Turn {
    heard: Heard,
    done: mpsc::Sender<Heard>,
}

impl Turn {
    fn new(done: mpsc::Sender<Heard>) -> Self {
        Self {
            heard: Heard::NotAsked,
            done,
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        // There is room for all that run at once; nobody listens when the program ends.
        let _ = self.done.try_send(self.heard);
    }
}

/// Checks one message and writes down what came of it. `turn` ends with the questions to DNS, so
/// that a slow filter keeps back no checks.
async fn one(
    post: Arc<Post>,
    item: ToCheck,
    checker: Option<Checker>,
    filter: Option<Rspamd>,
    turn: Option<Turn>,
) {
    let ToCheck { office, position } = item;
    let reading = Arc::clone(&office);
    let read = move || {
        let message = reading.spool.read(position).ok()?;
        let bytes = bytes_of(&message)?;
        Some((message, bytes))
    };
    let read = post.host.tasks.blocking("mail check reading", read).await;
    // Gone already, or not readable now: there is nothing to say of it.
    let Ok(Some((message, bytes))) = read else {
        return;
    };
    let envelope = &message.meta.envelope;
    let sender = match &envelope.sender.path {
        ReversePath::Null => None,
        ReversePath::Mailbox(mailbox) => Some(mailbox.to_string()),
    };
    let subject = Subject {
        client: envelope.client.address.ip(),
        helo: &envelope.client.helo,
        mail_from: sender.as_deref(),
        message: trace::without(&bytes),
    };
    let checking = async {
        match &checker {
            Some(checker) => checker.check(subject, LIMIT).await,
            None => unknown(&subject),
        }
    };
    let asking = async {
        match &filter {
            Some(filter) => {
                filter
                    .ask(question(&message, bytes.slice_ref(subject.message)))
                    .await
            }
            None => None,
        }
    };
    let checking = async {
        let verdicts = checking.await;
        if let Some(mut turn) = turn {
            turn.heard = verdicts.heard;
        }
        verdicts
    };
    let (mut verdicts, spam) = tokio::join!(checking, asking);
    post.metrics.checked(verdicts.heard);
    verdicts.spam = spam;
    if let Err(error) = office.spool.checked(position, &verdicts).await {
        tracing::debug!(%error, "the checks of a message were not written down");
    }
}

fn question(message: &Message, bytes: Bytes) -> Question<'_> {
    let Meta { id, envelope, .. } = &message.meta;
    let sender = match &envelope.sender.path {
        ReversePath::Null => String::new(),
        ReversePath::Mailbox(mailbox) => mailbox.to_string(),
    };
    let recipients = envelope.recipients.iter();
    Question {
        id,
        client: envelope.client.address.ip(),
        helo: &envelope.client.helo,
        sender,
        recipients: recipients.map(|one| one.mailbox.to_string()).collect(),
        message: bytes,
    }
}

fn bytes_of(message: &Message) -> Option<Bytes> {
    match &message.body {
        MessageBody::Inline(bytes) => Some(bytes.clone()),
        MessageBody::Blob(blob) => {
            let length = usize::try_from(message.meta.size)
                .ok()
                .filter(|size| *size <= MOST)?;
            let mut bytes = vec![0; length];
            let read = blob.read_at(0, &mut bytes).ok()?;
            bytes.truncate(read);
            Some(bytes.into())
        }
    }
}
