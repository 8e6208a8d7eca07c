//! What the questions of an SMTP conversation go to: which way a message goes, who exists, and
//! whether it is durable.
//!
//! One [`Desk`] a connection. Answers that need nobody else are given at once; where the primary
//! or the disk must be waited for the answer comes later. While the primary lives a message is
//! passed *through*: each command goes to the primary and its answers are ours. While it is dark
//! a message is *kept*.

mod keep;
mod rules;
mod through;

pub(crate) use through::{attributes, call};

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use host::limits::Guests;
use host::session::{Inward, QuestionNumber, Surroundings};

use crate::client::caller::Caller;
use crate::envelope::{Client, Envelope, Recipient, Sender};
use crate::head::Head;
use crate::memory::Share;
use crate::metrics::Refusal;
use crate::office::Office;
use crate::post::Post;
use crate::session::{Answer, Inbound, Question};
use crate::spool::Draft;
use crate::way::{Otherwise, Way};
use crate::wire::reply::Reply;

/// A message on its way in.
pub(crate) struct Transaction {
    client: Client,
    sender: Sender,
    size: Option<u64>,
    /// Parameters of MAIL that we do not know.
    further: Vec<String>,
    /// Those of the RCPT that is asked about.
    asked_further: Vec<String>,
    office: Option<Arc<Office>>,
    recipients: Vec<Recipient>,
    course: Course,
    head: Head,
    /// What all that takes of the memory.
    share: Share,
}

enum Course {
    /// No recipient yet.
    Undecided,
    /// The primary did not answer a moment ago: what is done for every further recipient.
    Failed(Otherwise),
    /// The primary refused the sender: so is every recipient.
    Refused(Reply),
    Keep {
        id: String,
        draft: Draft,
    },
    Through {
        caller: Box<Caller>,
        otherwise: Otherwise,
        /// The message once more, where some of its recipients may get it and others not.
        beside: Option<through::Beside>,
    },
}

/// What a later answer comes with: the transaction goes on with it.
type Later = Pin<Box<dyn Future<Output = (Answer, Option<Box<Transaction>>)> + Send>>;

/// The surroundings of one conversation.
pub(crate) struct Desk {
    post: Arc<Post>,
    guests: Guests,
    transaction: Option<Box<Transaction>>,
    pending: Option<(QuestionNumber, Later)>,
}

impl Desk {
    pub(crate) fn new(post: Arc<Post>, guests: Guests) -> Self {
        Self {
            post,
            guests,
            transaction: None,
            pending: None,
        }
    }

    fn begin(
        &mut self,
        client: Client,
        sender: Sender,
        size: Option<u64>,
        further: Vec<String>,
    ) -> Answer {
        let now = self.post.host.clock.now().mono;
        if !self.post.within_budget(now, client.address.ip()) {
            self.post.metrics.refused(Refusal::Budget);
            return Answer::Say(Reply::fixed(
                451,
                (4, 7, 1),
                "Too many messages from your network, try again later",
            ));
        }
        self.transaction = Some(Box::new(Transaction {
            client,
            sender,
            size,
            further,
            asked_further: Vec::new(),
            office: None,
            recipients: Vec::new(),
            course: Course::Undecided,
            head: Head::default(),
            share: self.post.memory.share(),
        }));
        Answer::Go
    }

    /// `Ok`: the answer is known. `Err`: it comes later.
    fn recipient(&mut self, recipient: Recipient, further: Vec<String>) -> Result<Answer, Later> {
        let Some(mut transaction) = self.transaction.take() else {
            return Ok(Answer::Say(out_of_order()));
        };
        transaction.asked_further = further;
        if !transaction.share.add_to_envelope(size_of(&recipient)) {
            self.transaction = Some(transaction);
            self.post.metrics.refused(Refusal::Room);
            return Ok(Answer::Say(no_room()));
        }
        let office = match self.office_of(&transaction, &recipient) {
            Ok(office) => office,
            Err(reply) => {
                self.transaction = Some(transaction);
                return Ok(Answer::Say(reply));
            }
        };
        // Also if this recipient is refused: what is decided for one organisation now must not
        // hold for another.
        transaction.office = Some(Arc::clone(&office));
        let course = std::mem::replace(&mut transaction.course, Course::Undecided);
        let answer = match course {
            Course::Keep { .. } => {
                transaction.course = course;
                self.post
                    .keep_recipient(&mut transaction, &office, recipient)
            }
            Course::Failed(otherwise) => {
                self.post
                    .otherwise(&mut transaction, &office, recipient, otherwise)
            }
            Course::Refused(reply) => {
                transaction.course = Course::Refused(reply.clone());
                Answer::Say(reply)
            }
            Course::Through { .. } => {
                transaction.course = course;
                let post = Arc::clone(&self.post);
                return Err(Box::pin(through::recipient(
                    post,
                    transaction,
                    office,
                    recipient,
                )));
            }
            Course::Undecided => match office.way() {
                Way::Keep => self
                    .post
                    .begin_keeping(&mut transaction, &office, recipient),
                Way::Gate => self.post.gate(&mut transaction, &office, recipient),
                Way::Through { otherwise } => {
                    let post = Arc::clone(&self.post);
                    return Err(Box::pin(through::first_recipient(
                        post,
                        transaction,
                        office,
                        recipient,
                        otherwise,
                    )));
                }
            },
        };
        self.transaction = Some(transaction);
        Ok(answer)
    }

    /// Whether others wait for this one's connection to the primary.
    fn is_waited_for(&self) -> bool {
        let Some(transaction) = &self.transaction else {
            return false;
        };
        let through = matches!(transaction.course, Course::Through { .. });
        let office = transaction.office.as_ref().filter(|_| through);
        office.is_some_and(|office| {
            let server = office.config.primary.address.ip();
            self.post.host.outbound.is_short(server)
        })
    }

    /// Whose a recipient is. One message is for one organisation.
    fn office_of(
        &self,
        transaction: &Transaction,
        recipient: &Recipient,
    ) -> Result<Arc<Office>, Reply> {
        let Some(office) = self.post.office(&recipient.mailbox) else {
            self.post.metrics.refused(Refusal::Relay);
            return Err(Reply::fixed(
                550,
                (5, 7, 1),
                "Mail is not passed on from here to elsewhere",
            ));
        };
        match &transaction.office {
            Some(first) if !Arc::ptr_eq(first, &office) => Err(Reply::fixed(
                452,
                (4, 5, 3),
                "Another organisation; send this recipient another message",
            )),
            _ => Ok(office),
        }
    }

    fn body(&mut self) -> Result<Answer, Later> {
        let Some(mut transaction) = self.transaction.take() else {
            return Ok(Answer::Say(out_of_order()));
        };
        match &transaction.course {
            Course::Through { .. } => {
                let post = Arc::clone(&self.post);
                Err(Box::pin(through::body(post, transaction)))
            }
            Course::Keep { .. } => {
                let answer = self.post.begin_draft(&mut transaction);
                self.transaction = Some(transaction);
                Ok(answer)
            }
            Course::Undecided | Course::Failed(_) | Course::Refused(_) => {
                Ok(Answer::Say(out_of_order()))
            }
        }
    }

    fn piece(&mut self, piece: Bytes) -> Result<Answer, Later> {
        let Some(mut transaction) = self.transaction.take() else {
            return Ok(Answer::Say(out_of_order()));
        };
        if matches!(transaction.course, Course::Through { .. }) {
            let post = Arc::clone(&self.post);
            return Err(Box::pin(through::piece(post, transaction, piece)));
        }
        let answer = self.post.add(&mut transaction, piece, false);
        self.transaction = Some(transaction);
        Ok(answer)
    }

    fn end(&mut self, rest: Bytes) -> Result<Answer, Later> {
        let Some(transaction) = self.transaction.take() else {
            return Ok(Answer::Say(out_of_order()));
        };
        let post = Arc::clone(&self.post);
        match transaction.course {
            Course::Through { .. } => Err(Box::pin(through::end(post, transaction, rest))),
            _ => Err(Box::pin(keep::end(post, transaction, rest))),
        }
    }
}

/// The session asks in order; anything else is a fault of ours, and the sender comes again.
fn out_of_order() -> Reply {
    Reply::fixed(451, (4, 3, 0), "Try again later")
}

fn no_room() -> Reply {
    Reply::fixed(452, (4, 3, 1), "No room now, try again later")
}

/// What a recipient takes of the memory, with what it is copied into.
fn size_of(recipient: &Recipient) -> usize {
    let said = [&recipient.notify, &recipient.orcpt];
    let said = said.into_iter().flatten().map(String::len).sum::<usize>();
    2 * std::mem::size_of::<Recipient>() + recipient.mailbox.to_string().len() + said
}

impl Transaction {
    fn envelope(&self) -> Envelope {
        Envelope {
            client: self.client.clone(),
            sender: self.sender.clone(),
            recipients: self.recipients.clone(),
        }
    }
}

impl Surroundings<Inbound> for Desk {
    fn ask(&mut self, number: QuestionNumber, question: Question) -> Option<Answer> {
        let answer = match question {
            Question::Begin {
                client,
                sender,
                size,
                further,
            } => Ok(self.begin(client, sender, size, further)),
            Question::Recipient(recipient, further) => self.recipient(recipient, further),
            Question::Body => self.body(),
            Question::Piece(piece) => self.piece(piece),
            Question::End(rest) => self.end(rest),
            Question::Stay => Ok(Answer::Stay(
                self.guests.pressure() == host::limits::Pressure::Easy && !self.is_waited_for(),
            )),
            Question::Abort => {
                // A conversation with the primary that was in the middle of it ends with it.
                self.transaction = None;
                self.pending = None;
                return None;
            }
        };
        match answer {
            Ok(answer) => Some(answer),
            Err(later) => {
                self.pending = Some((number, later));
                None
            }
        }
    }

    async fn next(&mut self) -> Inward<Answer, std::convert::Infallible> {
        let Some((number, later)) = &mut self.pending else {
            return std::future::pending().await;
        };
        // Cancel-safe: the future stays where it is until it is ready.
        let (answer, transaction) = later.as_mut().await;
        let number = *number;
        self.pending = None;
        self.transaction = transaction;
        Inward::Answer(number, answer)
    }
}
