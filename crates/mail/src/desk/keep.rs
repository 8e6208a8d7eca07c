//! Keeping: the trace fields, the draft, and the one commit that makes a message durable.

use std::sync::Arc;

use bytes::Bytes;

use super::{Course, Transaction, out_of_order};
use crate::envelope::Envelope;
use crate::metrics::{Refusal, Taken};
use crate::office::Office;
use crate::post::Post;
use crate::session::Answer;
use crate::spool::{Draft, KeepError};
use crate::trace;
use crate::wire::reply::Reply;

impl Post {
    /// The draft begins with our trace fields.
    pub(super) fn begin_draft(&self, transaction: &mut Transaction) -> Answer {
        let envelope = transaction.envelope();
        let Course::Keep { id, draft } = &mut transaction.course else {
            return Answer::Say(out_of_order());
        };
        let now = self.host.clock.now().wall;
        *draft = Draft::new(trace::kept(&self.name, &envelope, id, now));
        Answer::Go
    }

    pub(super) fn add(&self, transaction: &mut Transaction, piece: Bytes, whole: bool) -> Answer {
        let piece = match self.cleaned(&mut transaction.head, piece, whole) {
            Ok(piece) => piece,
            Err(reply) => return Answer::Say(reply),
        };
        let (Course::Keep { draft, .. }, Some(office)) =
            (&mut transaction.course, &transaction.office)
        else {
            return Answer::Say(out_of_order());
        };
        let inline = self.memory.inline();
        match office.spool.add(draft, &piece, inline) {
            Ok(()) if transaction.share.hold(draft) => Answer::Go,
            Ok(()) => Answer::Say(self.not_kept(&KeepError::NoRoom)),
            Err(error) => Answer::Say(self.not_kept(&error)),
        }
    }

    /// RFC 5321 §6.3.
    pub(super) fn in_circles(&self) -> Reply {
        self.metrics.refused(Refusal::Loop);
        Reply::fixed(554, (5, 4, 6), "Too many hops, the message goes in circles")
    }

    /// The one commit that takes the responsibility.
    pub(super) async fn make_durable(
        &self,
        office: &Arc<Office>,
        id: String,
        envelope: Envelope,
        draft: Draft,
    ) -> Answer {
        if let Err(error) = office.spool.room(draft.length()) {
            // What was said of its size, or nothing, was wrong.
            return Answer::Say(self.not_kept(&error));
        }
        let now = self.host.clock.now().wall;
        match office.spool.keep(now, id, envelope, draft).await {
            Ok(kept) => {
                self.taken(Taken::Kept);
                if let Some(position) = kept.receipt.positions().first() {
                    self.ask_for_checks(office, position.number());
                }
                Answer::Kept(kept)
            }
            Err(error) => Answer::Say(self.not_kept(&error)),
        }
    }

    /// Why a message is not kept, as its sender hears it.
    pub(super) fn not_kept(&self, error: &KeepError) -> Reply {
        tracing::debug!(%error, "a message was not kept");
        let room = matches!(
            error,
            KeepError::NoRoom
                | KeepError::Body(store::BlobError::NoSpace { .. })
                | KeepError::Commit(store::CommitError::NoSpace { .. })
        );
        if room {
            self.metrics.refused(Refusal::Room);
            // RFC 3463 X.3.1.
            return Reply::fixed(452, (4, 3, 1), "No room now, try again later");
        }
        self.metrics.refused(Refusal::NotDurable);
        Reply::fixed(
            451,
            (4, 3, 0),
            "The message could not be made durable, send it again later",
        )
    }
}

/// The message is whole: it is made durable, and only then is it answered.
pub(super) async fn end(
    post: Arc<Post>,
    mut transaction: Box<Transaction>,
    rest: Bytes,
) -> (Answer, Option<Box<Transaction>>) {
    if let Answer::Say(reply) = post.add(&mut transaction, rest, true) {
        return (Answer::Say(reply), None);
    }
    let envelope = transaction.envelope();
    let (Course::Keep { id, draft }, Some(office)) = (transaction.course, transaction.office)
    else {
        return (Answer::Say(out_of_order()), None);
    };
    (post.make_durable(&office, id, envelope, draft).await, None)
}
