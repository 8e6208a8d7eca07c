//! The end of a message that passes through, and what its replies mean for the one sender.
//!
//! SMTP has one answer for the message. LMTP has one for each recipient (RFC 2033 §4.2), and the
//! sender can be told one only. Whatever that is must neither lose the message for somebody nor
//! make the sender send it again to whom has it:
//!
//! | the primary's answers | the sender hears |
//! |---|---|
//! | all take it | the first answer |
//! | nobody has it, somebody may later | the first `4xx`: it comes again for all |
//! | nobody has it, for good | the first `5xx` |
//! | some have it, others not, or it broke off between them | `250`, once it is kept for the others |
//!
//! So a message for several recipients of an LMTP server is written down beside while it passes,
//! without being made durable; that happens if it is needed. What is kept is handed back as
//! anything that is kept: tried again, or put into quarantine and its sender told. In mode observe
//! nothing is kept: there such a server gets one recipient a message.

use std::sync::Arc;

use bytes::Bytes;

use super::super::{Course, Transaction, out_of_order};
use super::{Answered, failed, fitting, later, learn};
use crate::client::Verb;
use crate::client::caller::{CallError, Caller};
use crate::config::Protocol;
use crate::envelope::Recipient;
use crate::metrics::{Refusal, Taken};
use crate::office::Office;
use crate::post::Post;
use crate::session::Answer;
use crate::spool::Draft;
use crate::trace;
use crate::way::Otherwise;
use crate::wire::reply::Reply;

/// A message that is written down beside, under this name.
pub(in crate::desk) struct Beside {
    id: String,
    draft: Draft,
}

/// Whether a further recipient makes the answer to the end one that nobody could be told.
pub(super) fn is_one_too_many(office: &Office, otherwise: Otherwise, accepted: usize) -> bool {
    let lmtp = office.config.primary.protocol == Protocol::Lmtp;
    lmtp && otherwise == Otherwise::Never && accepted > 0
}

/// Begins what is written down beside, if it may be needed. `id` is the message's name.
pub(super) fn begin_beside(post: &Post, transaction: &mut Transaction, id: &str) {
    let several = transaction.recipients.len() > 1;
    let lmtp = transaction
        .office
        .as_ref()
        .is_some_and(|office| office.config.primary.protocol == Protocol::Lmtp);
    let envelope = transaction.envelope();
    if let Course::Through { beside, .. } = &mut transaction.course
        && several
        && lmtp
    {
        let now = post.host.clock.now().wall;
        let head = trace::kept(&post.name, &envelope, id, now);
        *beside = Some(Beside {
            id: id.to_owned(),
            draft: Draft::new(head),
        });
    }
}

/// Another piece of it. Where there is no room it is given up: then the sender comes again.
pub(super) fn write_beside(post: &Post, transaction: &mut Transaction, piece: &[u8]) {
    let (Course::Through { beside, .. }, Some(office)) =
        (&mut transaction.course, &transaction.office)
    else {
        return;
    };
    let written = match beside {
        None => return,
        Some(Beside { draft, .. }) => {
            let added = office.spool.add(draft, piece, post.memory.inline());
            added.is_ok() && transaction.share.hold(draft)
        }
    };
    if !written {
        *beside = None;
    }
}

/// The message is whole.
pub(in crate::desk) async fn end(
    post: Arc<Post>,
    mut transaction: Box<Transaction>,
    rest: Bytes,
) -> Answered {
    let rest = match fitting(&post, &mut transaction, rest, true) {
        Ok(rest) => rest,
        Err(reply) => return (Answer::Say(reply), None),
    };
    write_beside(&post, &mut transaction, &rest);
    let course = std::mem::replace(&mut transaction.course, Course::Undecided);
    let Course::Through {
        mut caller, beside, ..
    } = course
    else {
        return (Answer::Say(out_of_order()), None);
    };
    let heard = finish(&mut caller, rest, transaction.recipients.len()).await;
    match (&heard.broken, &transaction.office) {
        (None, _) => caller.quit().await,
        (Some(error), Some(office)) => failed(&post, office, error),
        (Some(_), None) => {}
    }
    for (index, recipient) in transaction.recipients.iter().enumerate() {
        if let (true, Some(office)) = (heard.has_it(index), &transaction.office) {
            learn(&post, office, &transaction.client, &recipient.mailbox, true);
        }
    }
    let answer = match heard.outcome() {
        Outcome::Say(reply) => {
            if is_good(&reply) {
                post.taken(Taken::Passed);
            }
            Answer::Say(reply)
        }
        // Whether the primary has it is not known: the sender still does.
        Outcome::Unknown => later(&post, &transaction),
        Outcome::Split => {
            post.taken(Taken::Passed);
            keep_rest(&post, *transaction, beside, &heard).await
        }
    };
    (answer, None)
}

/// What was heard after the end.
struct Heard {
    replies: Vec<Reply>,
    /// So many were to come: one, or with LMTP one for each recipient.
    expected: usize,
    broken: Option<CallError>,
}

/// What the one sender is told.
enum Outcome {
    Say(Reply),
    Unknown,
    Split,
}

fn is_good(reply: &Reply) -> bool {
    reply.code() / 100 == 2
}

impl Heard {
    /// Whether the primary has it for the recipient of this number.
    fn has_it(&self, index: usize) -> bool {
        // One answer is that of everybody.
        let index = if self.expected == 1 { 0 } else { index };
        self.replies.get(index).is_some_and(is_good)
    }

    fn outcome(&self) -> Outcome {
        let mut good = self.replies.iter().filter(|reply| is_good(reply));
        let whole = self.replies.len() == self.expected;
        let of = |class| {
            let mut replies = self.replies.iter();
            replies.find(|reply| reply.code() / 100 == class)
        };
        match (good.next(), good.count() + 1 == self.expected) {
            (Some(first), true) => Outcome::Say(first.clone()),
            (Some(_), false) => Outcome::Split,
            (None, _) if !whole => Outcome::Unknown,
            (None, _) => {
                let said = of(4).or_else(|| of(5)).cloned();
                said.map_or(Outcome::Unknown, Outcome::Say)
            }
        }
    }
}

async fn finish(caller: &mut Caller, rest: Bytes, accepted: usize) -> Heard {
    let mut heard = Heard {
        replies: Vec::new(),
        expected: 1,
        broken: None,
    };
    let sent = match caller.send_piece(rest).await {
        Ok(()) => caller.send_end(accepted).await,
        Err(error) => Err(error),
    };
    match sent {
        Ok(expected) => heard.expected = expected,
        Err(error) => heard.broken = Some(error),
    }
    while heard.broken.is_none() && heard.replies.len() < heard.expected {
        match caller.reply(Verb::End).await {
            Ok(reply) => heard.replies.push(reply),
            Err(error) => heard.broken = Some(error),
        }
    }
    heard
}

/// Some have it: for the others the standby takes it, and only then the sender is told.
async fn keep_rest(
    post: &Arc<Post>,
    transaction: Transaction,
    beside: Option<Beside>,
    heard: &Heard,
) -> Answer {
    let mut envelope = transaction.envelope();
    let (Some(Beside { id, draft }), Some(office)) = (beside, transaction.office) else {
        // There was no room for it. Twice for some is better than never for the others.
        post.metrics.refused(Refusal::NotDurable);
        let words = "Taken for some recipients only, send it again";
        return Answer::Say(Reply::fixed(451, (4, 3, 0), words));
    };
    envelope.sender.path = envelope.sender.path.without_root();
    let all = std::mem::take(&mut envelope.recipients).into_iter();
    let without = all.enumerate().filter(|(index, _)| !heard.has_it(*index));
    envelope.recipients = without
        .map(|(_, recipient)| Recipient {
            mailbox: recipient.mailbox.without_root(),
            ..recipient
        })
        .collect();
    post.make_durable(&office, id, envelope, draft).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(codes: &[u16], expected: usize) -> String {
        let reply = |code: &u16| Reply::owned(*code, None, "words".to_owned());
        let heard = Heard {
            replies: codes.iter().map(reply).collect(),
            expected,
            broken: None,
        };
        match heard.outcome() {
            Outcome::Say(reply) => reply.code().to_string(),
            Outcome::Unknown => "unknown".to_owned(),
            Outcome::Split => "split".to_owned(),
        }
    }

    #[test]
    fn one_answer_stands_for_all_only_where_it_is_true() {
        for (codes, expected, meant) in [
            (&[250][..], 1, "250"),
            (&[250, 250], 2, "250"),
            (&[550, 554], 2, "550"),
            (&[550, 452], 2, "452"),
            (&[452, 550], 2, "452"),
            (&[250, 550], 2, "split"),
            (&[452, 250, 550], 3, "split"),
            (&[250], 2, "split"),
            (&[550], 2, "unknown"),
            (&[], 2, "unknown"),
            (&[], 1, "unknown"),
            (&[354], 1, "unknown"),
        ] {
            assert_eq!(told(codes, expected), meant, "{codes:?} of {expected}");
        }
    }
}
