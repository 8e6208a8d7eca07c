//! What a reply is about: a recipient who does not exist, a full mailbox, our own mistake, or
//! something else (RFC 5321 §4.2.3, RFC 3463). By the enhanced code; by code and words where there
//! is none. Pure.

use crate::wire::reply::Reply;

/// What a reply to a command or to the end of the contents means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// Yes.
    Taken,
    /// Not now.
    Later,
    /// Not now, and that is about how much there is, not about this message: it takes no more of a
    /// sender, of a client, or of anybody.
    Limited,
    /// Not now: the mailbox is full, which has an end.
    Full,
    /// Not in this transaction: it has recipients enough.
    TooMany,
    /// Nobody of that name exists.
    NoSuchRecipient,
    /// We said what it does not understand, or when it did not expect it: this judges nobody.
    OurMistake,
    /// No, for a reason of the other end's own.
    Refused,
}

/// RFC 3463: "no such mailbox", "no such domain", "moved and gone", "null MX", "disabled". Nothing
/// else says that a recipient does not exist: 5.1.0 and 5.7.1 are about senders as well.
const NO_SUCH: [(u16, u16); 5] = [(1, 1), (1, 2), (1, 6), (1, 10), (2, 1)];

const NO_SUCH_WORDS: [&str; 22] = [
    "user unknown",
    "unknown user",
    "unknown local",
    "unknown recipient",
    "unknown mailbox",
    "recipient unknown",
    "address unknown",
    "unknown address",
    "no such user",
    "no such mailbox",
    "no such recipient",
    "no such address",
    "no such person",
    "no mailbox",
    "user not found",
    "mailbox not found",
    "recipient not found",
    "user doesn't exist",
    "does not exist",
    "doesn't exist",
    "invalid recipient",
    "unrouteable address",
];

/// Of how much there is, in the words of those who limit it (Postfix, Exim, Sendmail, big providers).
const LIMIT_WORDS: [&str; 18] = [
    "too much mail",
    "too many messages",
    "too many mails",
    "too many emails",
    "too many connections",
    "too many concurrent",
    "too many sessions",
    "too many recipients from",
    "too many requests",
    "too many transactions",
    "rate limit",
    "ratelimit",
    "rate-limit",
    "rate exceeded",
    "unusual rate",
    "slow down",
    "too fast",
    "throttl",
];

const FULL_WORDS: [&str; 9] = [
    "mailbox full",
    "mailbox is full",
    "box is full",
    "mailbox for user is full",
    "over quota",
    "overquota",
    "quota exceeded",
    "exceeded storage",
    "out of storage",
];

/// What a reply means.
pub fn meaning(reply: &Reply) -> Meaning {
    let enhanced = reply
        .enhanced()
        .map(|(_, subject, detail)| (subject, detail));
    match reply.code() {
        200..=299 => Meaning::Taken,
        // RFC 5321 §4.5.3.1.10: 552 was once said where 452 is meant.
        400..=599 if enhanced == Some((5, 3)) => Meaning::TooMany,
        400..=499 => later(reply, enhanced),
        500..=599 => never(reply, enhanced),
        // 354 where nothing was asked for, or a code that the RFC does not know.
        _ => Meaning::OurMistake,
    }
}

fn later(reply: &Reply, enhanced: Option<(u16, u16)>) -> Meaning {
    match (reply.code(), enhanced) {
        (452, None) if says(reply, &["too many recipients"]) => Meaning::TooMany,
        (_, Some((2, 2))) => Meaning::Full,
        // RFC 3463: X.1 and X.2 are about an address or a mailbox, whatever is limited there.
        (_, Some((1 | 2, _))) => Meaning::Later,
        // X.3: its system is short of something; X.4.5: it is congested.
        (_, Some((3, _) | (4, 5))) => Meaning::Limited,
        _ if says(reply, &LIMIT_WORDS) => Meaning::Limited,
        _ => Meaning::Later,
    }
}

fn never(reply: &Reply, enhanced: Option<(u16, u16)>) -> Meaning {
    match (reply.code(), enhanced) {
        // X.2.2: the mailbox is full; X.3.1: the whole system is.
        (_, Some((2, 2) | (3, 1))) => Meaning::Full,
        (500..=504, _) => Meaning::OurMistake,
        // RFC 5321 §4.1.1.11: 555 is about parameters. RFC 3463 §3.6: X.5 is about the protocol.
        (555, _) | (_, Some((5, _))) => Meaning::OurMistake,
        (_, Some(code)) if NO_SUCH.contains(&code) => Meaning::NoSuchRecipient,
        (_, None) if says(reply, &["too many recipients"]) => Meaning::TooMany,
        _ if says(reply, &FULL_WORDS) => Meaning::Full,
        // COMPAT: qmail writes the enhanced code behind the words.
        (550 | 551 | 553, None) if says(reply, &["#5.1.1", "#5.1.2", "#5.2.1"]) => {
            Meaning::NoSuchRecipient
        }
        (550 | 551 | 553, None) if says(reply, &NO_SUCH_WORDS) && !says(reply, &["sender"]) => {
            Meaning::NoSuchRecipient
        }
        _ => Meaning::Refused,
    }
}

fn says(reply: &Reply, words: &[&str]) -> bool {
    let said = reply.to_string().to_ascii_lowercase();
    words.iter().any(|one| said.contains(one))
}

#[cfg(test)]
mod tests {
    use bytes::BytesMut;

    use super::*;
    use crate::wire::reply::ReplyReader;

    fn read(line: &str) -> Reply {
        let mut bytes = BytesMut::from(format!("{line}\r\n").as_bytes());
        ReplyReader::default().read(&mut bytes).unwrap().unwrap()
    }

    #[test]
    fn a_reply_is_about_what_its_code_and_words_say() {
        use Meaning::{Full, Later, Limited, NoSuchRecipient, OurMistake, Refused, Taken, TooMany};
        for (line, meant) in [
            ("250 2.1.5 Ok", Taken),
            ("251 will forward", Taken),
            ("450 4.2.0 Greylisted", Later),
            (
                "451 4.7.1 Greylisted, please try again in 299 seconds",
                Later,
            ),
            ("451 4.1.8 Sender's domain does not resolve", Later),
            (
                "450 4.2.1 The user gets mail at too fast a rate limit",
                Later,
            ),
            ("421 4.7.0 Too many errors", Later),
            // About how much there is.
            ("451 4.7.1 Too many messages from you", Limited),
            ("450 4.7.1 Error: too much mail from 192.0.2.1", Limited),
            (
                "450 4.7.1 Error: too many recipients from 192.0.2.1",
                Limited,
            ),
            ("452 4.3.1 Insufficient system storage", Limited),
            (
                "452 4.4.5 Insufficient disk space; try again later",
                Limited,
            ),
            ("451 Sender rate limit exceeded", Limited),
            ("421 4.7.0 mx Too many connections from you", Limited),
            (
                "550 5.1.1 <a@b.test>: Recipient address rejected: User unknown",
                NoSuchRecipient,
            ),
            ("550 5.1.10 Null MX", NoSuchRecipient),
            ("551 5.1.6 Moved", NoSuchRecipient),
            ("554 5.2.1 Disabled", NoSuchRecipient),
            ("550 No such user here", NoSuchRecipient),
            ("550 Unknown user", NoSuchRecipient),
            (
                "553 sorry, no mailbox here by that name (#5.1.1)",
                NoSuchRecipient,
            ),
            ("550 Unrouteable address", NoSuchRecipient),
            // About the sender, or about nobody in particular.
            ("550 5.1.0 Sender address rejected: User unknown", Refused),
            ("550 Sender verify failed: unknown user", Refused),
            ("550 5.7.1 does not exist", Refused),
            ("550 Administrative prohibition", Refused),
            (
                "554 5.7.1 Service unavailable; Client host blocked using zen",
                Refused,
            ),
            ("554 No such user", Refused),
            ("521 no mail here", Refused),
            ("552 5.3.4 Message too big", Refused),
            ("552 Message size exceeds fixed limit", Refused),
            ("552 5.7.0 Illegal attachment", Refused),
            ("553 5.6.7 SMTPUTF8 needed", Refused),
            // Waits as the mailbox is emptied.
            ("552 5.2.2 Over quota", Full),
            ("522 5.2.2 Full", Full),
            ("452 4.2.2 Full", Full),
            ("554 5.2.2 Full", Full),
            (
                "552 Requested mail action aborted: exceeded storage allocation",
                Full,
            ),
            ("550 5.7.1 Mailbox is full", Full),
            ("554 Quota exceeded (mailbox for user is full)", Full),
            ("552 5.3.1 System full", Full),
            // Another transaction.
            ("452 4.5.3 Too many recipients", TooMany),
            ("452 Too many recipients", TooMany),
            ("552 5.5.3 Too many recipients", TooMany),
            ("552 Too many recipients", TooMany),
            // What we did.
            ("500 What?", OurMistake),
            ("501 5.5.4 Bad ORCPT", OurMistake),
            ("501 5.1.3 Bad recipient address syntax", OurMistake),
            ("502 5.5.1 Not implemented", OurMistake),
            ("503 5.5.1 Nested MAIL", OurMistake),
            ("504 5.5.2 Need a full name", OurMistake),
            ("555 5.5.4 Unsupported option", OurMistake),
            ("554 5.5.1 No valid recipients", OurMistake),
            ("354 go on", OurMistake),
        ] {
            assert_eq!(meaning(&read(line)), meant, "{line}");
        }
    }
}
