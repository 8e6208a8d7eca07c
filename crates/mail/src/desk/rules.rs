//! What is decided without asking the primary: whether a message is kept, for whom, or later.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;

use super::{Course, Transaction};
use crate::envelope::Recipient;
use crate::head::{Head, HeadFault};
use crate::metrics::{Refusal, Taken};
use crate::office::Office;
use crate::post::Post;
use crate::recipients::Known;
use crate::session::Answer;
use crate::spool::Draft;
use crate::way::Otherwise;
use crate::wire::path::ReversePath;
use crate::wire::reply::Reply;

impl Post {
    /// A piece of a message without what is ours to write; `whole`: it was the last.
    pub(super) fn cleaned(
        &self,
        head: &mut Head,
        piece: Bytes,
        whole: bool,
    ) -> Result<Bytes, Reply> {
        let cleaned = head.feed(piece, &self.ours).map_err(|fault| match fault {
            HeadFault::Circles => self.in_circles(),
            HeadFault::TooLarge => {
                self.metrics.refused(Refusal::Header);
                Reply::fixed(
                    552,
                    (5, 3, 4),
                    "A field of the header is too large to be looked at",
                )
            }
        })?;
        if !whole {
            return Ok(cleaned);
        }
        let last = head.finish(&self.ours);
        self.metrics.forged(head.removed());
        match last.is_empty() {
            true => Ok(cleaned),
            false => Ok([&cleaned[..], &last[..]].concat().into()),
        }
    }

    /// A recipient of a message that is kept: only whoever exists.
    pub(super) fn keep_recipient(
        &self,
        transaction: &mut Transaction,
        office: &Arc<Office>,
        recipient: Recipient,
    ) -> Answer {
        if !transaction.further.is_empty() || !transaction.asked_further.is_empty() {
            // RFC 5321 §4.1.1.11: while there is nobody who may know it, nobody does.
            return Answer::Say(Reply::fixed(555, (5, 5, 4), "Parameter not known"));
        }
        if recipient.mailbox.local().is_empty() {
            return Answer::Say(Reply::fixed(501, (5, 1, 3), "Not an address"));
        }
        let known = office.known(&recipient.mailbox, self.host.clock.now().wall);
        let reply = match known {
            Some(Known::Valid { .. }) => None,
            _ if office.config.people.keep_unknown => None,
            Some(Known::Invalid | Known::Unknown { fresh: true }) => {
                self.metrics.refused(Refusal::Unknown);
                Some(Reply::fixed(550, (5, 1, 1), "No such recipient here"))
            }
            Some(Known::Doubtful) => {
                self.metrics.refused(Refusal::Doubtful);
                Some(Reply::fixed(
                    450,
                    (4, 2, 0),
                    "The primary mail server did not know this recipient, try again later",
                ))
            }
            Some(Known::Unknown { fresh: false }) => {
                self.metrics.refused(Refusal::Unverified);
                Some(Reply::fixed(
                    451,
                    (4, 3, 0),
                    "The recipient cannot be verified now, try again later",
                ))
            }
            // Nobody unlocked the list: mail is taken for the domain, within a quota.
            None if office.spool.tally().waiting < LOCKED_MOST => None,
            None => {
                self.metrics.refused(Refusal::Unverified);
                Some(Reply::fixed(451, (4, 3, 0), "Try again later"))
            }
        };
        if let Some(reply) = reply {
            return Answer::Say(reply);
        }
        // It is handed back under the name that every server knows.
        let mailbox = recipient.mailbox.without_root();
        transaction.recipients.push(Recipient {
            mailbox,
            ..recipient
        });
        Answer::Go
    }

    /// The first recipient of a message that will be kept.
    pub(super) fn begin_keeping(
        &self,
        transaction: &mut Transaction,
        office: &Arc<Office>,
        recipient: Recipient,
    ) -> Answer {
        let size = transaction.size.unwrap_or(0);
        if let Err(error) = office.spool.room(size) {
            // Before DATA, so that nothing is carried in vain.
            return Answer::Say(self.not_kept(&error));
        }
        let sender = std::mem::replace(&mut transaction.sender.path, ReversePath::Null);
        transaction.sender.path = sender.without_root();
        if !matches!(transaction.course, Course::Keep { .. }) {
            transaction.course = Course::Keep {
                id: self.new_id(),
                draft: Draft::new(Vec::new()),
            };
        }
        self.keep_recipient(transaction, office, recipient)
    }

    /// The primary lives and the sender shall go there; who comes back after a while stays.
    pub(super) fn gate(
        &self,
        transaction: &mut Transaction,
        office: &Arc<Office>,
        recipient: Recipient,
    ) -> Answer {
        if self.came_back(transaction, &recipient) {
            return self.begin_keeping(transaction, office, recipient);
        }
        self.metrics.refused(Refusal::Gate);
        Answer::Say(Reply::fixed(
            451,
            (4, 3, 2),
            "The primary mail server is available, try it first",
        ))
    }

    /// The primary does not answer.
    pub(super) fn otherwise(
        &self,
        transaction: &mut Transaction,
        office: &Arc<Office>,
        recipient: Recipient,
        otherwise: Otherwise,
    ) -> Answer {
        transaction.course = Course::Failed(otherwise);
        let keep = match otherwise {
            Otherwise::Keep => true,
            Otherwise::Later => self.came_back(transaction, &recipient),
            Otherwise::Never => false,
        };
        if keep {
            return self.begin_keeping(transaction, office, recipient);
        }
        self.metrics.refused(Refusal::Later);
        Answer::Say(Reply::fixed(
            451,
            (4, 4, 1),
            "The primary mail server does not answer, try again later",
        ))
    }

    /// All connections to the primary that this guest may have are taken. The primary is well, so
    /// this is no reason to keep mail that it would take in a moment; but where it is kept at the
    /// least failure, it is kept.
    pub(super) fn crowded(
        &self,
        transaction: &mut Transaction,
        office: &Arc<Office>,
        recipient: Recipient,
        otherwise: Otherwise,
    ) -> Answer {
        self.metrics.refused(Refusal::Places);
        if otherwise == Otherwise::Keep {
            return self.otherwise(transaction, office, recipient, otherwise);
        }
        Answer::Say(Reply::fixed(
            451,
            (4, 3, 2),
            "Too many messages are on their way to the primary mail server, try again later",
        ))
    }

    pub(super) fn came_back(&self, transaction: &Transaction, recipient: &Recipient) -> bool {
        let (sender, recipient) = (
            transaction.sender.path.to_string(),
            recipient.mailbox.to_string(),
        );
        self.note_deferral(transaction.client.address.ip(), &sender, &recipient)
    }

    pub(super) fn note_deferral(&self, client: IpAddr, sender: &str, recipient: &str) -> bool {
        let now = self.host.clock.now().mono;
        let mut escape = self
            .escape
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner);
        escape.came_back(now, client, sender, recipient)
    }

    pub(super) fn taken(&self, how: Taken) {
        self.metrics.taken(how);
    }
}

/// While the list of people is locked so much is taken for each organisation.
const LOCKED_MOST: usize = 100_000;
