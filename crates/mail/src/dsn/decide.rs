//! Whether a sender is told: a function of the message, its checks and what was sent before. Pure.

use model::Timestamp;

use super::quota::Quota;
use super::record::{Kind, Why};
use crate::auth::verdict::Verdicts;
use crate::envelope::{Envelope, Recipient};
use crate::spool::Fate;
use crate::wire::header;
use crate::wire::path::ReversePath;

/// What is known of the message.
pub(crate) struct About<'a> {
    pub(crate) envelope: &'a Envelope,
    /// What became of each recipient.
    pub(crate) fates: &'a [Fate],
    /// What its checks gave when it was taken, if they were made.
    pub(crate) verdicts: Option<&'a Verdicts>,
    /// Its header section.
    pub(crate) head: &'a [u8],
}

/// What is decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Decision {
    /// The sender is told, but for some recipients.
    Send {
        /// To whom it goes.
        to: String,
        /// Of whom it says nothing.
        left_out: Vec<(usize, Why)>,
    },
    /// The sender is told nothing.
    Leave(Why),
}

/// Decides about a notification of this kind about these recipients.
pub(crate) fn decide(
    now: Timestamp,
    kind: Kind,
    recipients: &[usize],
    about: &About<'_>,
    quota: &mut Quota,
) -> Decision {
    // RFC 5321 §4.5.5, RFC 3464 §2: nobody is told about a report.
    let ReversePath::Mailbox(sender) = &about.envelope.sender.path else {
        return Decision::Leave(Why::NullSender);
    };
    if !about.verdicts.is_some_and(Verdicts::passed_for_sender) {
        // RFC 5321 §6.2: whoever is named there may have nothing to do with it.
        return Decision::Leave(Why::NotProved);
    }
    if is_automatic(about.head) || sender.local().eq_ignore_ascii_case("mailer-daemon") {
        return Decision::Leave(Why::Automatic);
    }
    if sender.needs_utf8() {
        return Decision::Leave(Why::Utf8);
    }
    let mut left_out = Vec::new();
    for index in recipients {
        if let Some(why) = leave_out(kind, *index, about) {
            left_out.push((*index, why));
        }
    }
    if left_out.len() == recipients.len() {
        let why = left_out.first().map_or(Why::NotWanted, |(_, why)| *why);
        return Decision::Leave(why);
    }
    let to = sender.to_string();
    match quota.spend(now, &to) {
        true => Decision::Send { to, left_out },
        false => Decision::Leave(Why::TooMany),
    }
}

/// Why nothing is said of one recipient.
fn leave_out(kind: Kind, index: usize, about: &About<'_>) -> Option<Why> {
    let concerned = is_concerned(kind, about.fates.get(index).copied());
    match about.envelope.recipients.get(index) {
        Some(recipient) if concerned => (!wants(kind, recipient)).then_some(Why::NotWanted),
        _ => Some(Why::Settled),
    }
}

/// Whether it is (still) so with a recipient as the notification says.
pub(crate) fn is_concerned(kind: Kind, fate: Option<Fate>) -> bool {
    match kind {
        Kind::Failure => fate == Some(Fate::Quarantined),
        Kind::Delay => fate == Some(Fate::Waiting),
    }
}

/// RFC 3461 §4.1: without NOTIFY a failure is told; a delay is told here to who asks for it.
pub(crate) fn wants(kind: Kind, recipient: &Recipient) -> bool {
    let Some(notify) = &recipient.notify else {
        return kind == Kind::Failure;
    };
    let word = match kind {
        Kind::Failure => "FAILURE",
        Kind::Delay => "DELAY",
    };
    notify.split(',').any(|one| one.eq_ignore_ascii_case(word))
}

/// RFC 3834 §2: what a machine sent, and what goes to a list, is not answered by a machine.
fn is_automatic(head: &[u8]) -> bool {
    header::fields(head).any(|(name, range)| {
        let field = head.get(range).unwrap_or_default();
        let value = field.get(name.len()..).unwrap_or_default();
        let value = String::from_utf8_lossy(value).to_ascii_lowercase();
        let value = value.trim_start_matches([' ', '\t', ':', '\r', '\n']);
        let word = value.split([' ', '\t', ';', '\r', '\n', '(']).next();
        let word = word.unwrap_or_default();
        if name.eq_ignore_ascii_case(b"Auto-Submitted") {
            word != "no"
        } else if name.eq_ignore_ascii_case(b"Precedence") {
            matches!(word, "bulk" | "list" | "junk")
        } else {
            // RFC 2919 §3, RFC 2369: fields that lists add.
            name.eq_ignore_ascii_case(b"List-Id") || name.eq_ignore_ascii_case(b"List-Unsubscribe")
        }
    })
}

#[cfg(test)]
mod tests;
