//! Every reply we give in our own words, with its code and the enhanced code of RFC 3463.

use super::Terms;
use crate::spool::Kept;
use crate::wire::reply::Reply;

/// What a guest for whom there is no seat hears before the end (RFC 5321 §3.8).
pub(crate) const NO_SEAT: &[u8] = b"421 4.3.2 Too many connections, try again later\r\n";

pub(super) const OK: Reply = Reply::fixed(250, (2, 0, 0), "Ok");
pub(super) const SENDER_OK: Reply = Reply::fixed(250, (2, 1, 0), "Ok");
pub(super) const RECIPIENT_OK: Reply = Reply::fixed(250, (2, 1, 5), "Ok");
pub(super) const CHUNK_OK: Reply = Reply::fixed(250, (2, 0, 0), "Ok, go on");
pub(super) const SEND_IT: Reply = Reply::plain(354, "End data with <CR><LF>.<CR><LF>");
pub(super) const CANNOT_VERIFY: Reply = Reply::fixed(
    252,
    (2, 0, 0),
    "Not told here; send a message and it is tried",
);
pub(super) const HELP: Reply = Reply::fixed(214, (2, 0, 0), "RFC 5321");
pub(super) const READY_FOR_TLS: Reply = Reply::fixed(220, (2, 0, 0), "Ready to start TLS");
pub(super) const LINE_TOO_LONG: Reply = Reply::fixed(500, (5, 5, 2), "Line too long");
pub(super) const BARE_LINE_END: Reply = Reply::fixed(
    550,
    (5, 5, 2),
    "Lines end with CR and LF, never with one alone",
);
pub(super) const BARE_IN_BODY: Reply = Reply::fixed(
    550,
    (5, 5, 2),
    "The message holds a CR or LF alone, which is not accepted",
);
pub(super) const TOO_EARLY: Reply = Reply::fixed(
    503,
    (5, 5, 0),
    "Sent before the answer that had to be waited for",
);
pub(super) const NOT_IMPLEMENTED: Reply = Reply::fixed(502, (5, 5, 1), "Command not implemented");
pub(super) const HELLO_FIRST: Reply = Reply::fixed(503, (5, 5, 1), "Say EHLO first");
pub(super) const MAIL_FIRST: Reply = Reply::fixed(503, (5, 5, 1), "Say MAIL first");
pub(super) const NESTED_MAIL: Reply = Reply::fixed(503, (5, 5, 1), "A message is already begun");
pub(super) const NO_RECIPIENTS: Reply = Reply::fixed(554, (5, 5, 1), "No valid recipients");
pub(super) const NO_TLS: Reply = Reply::fixed(502, (5, 5, 1), "TLS is not to be had now");
pub(super) const TOO_LARGE: Reply = Reply::fixed(
    552,
    (5, 3, 4),
    "The message is larger than is accepted here",
);
pub(super) const NO_RELAY: Reply = Reply::fixed(
    550,
    (5, 7, 1),
    "Mail is not passed on from here to elsewhere",
);
pub(super) const TOO_MANY_RECIPIENTS: Reply = Reply::fixed(
    452,
    (4, 5, 3),
    "Too many recipients; send the rest in another message",
);
pub(super) const TOO_MANY_MESSAGES: Reply =
    Reply::fixed(421, (4, 7, 0), "Enough for one connection, come again");
pub(super) const TOO_MANY_MISTAKES: Reply = Reply::fixed(421, (4, 7, 0), "Too many mistakes");
pub(super) const TOO_MANY_IDLE: Reply =
    Reply::fixed(421, (4, 7, 0), "Too many commands without a message");
pub(super) const TOO_MANY_STRANGERS: Reply =
    Reply::fixed(421, (4, 7, 0), "Too many unknown recipients");
pub(super) const NOT_KEPT: Reply = Reply::fixed(
    451,
    (4, 3, 0),
    "The message could not be made durable, send it again later",
);

/// The first line (RFC 5321 §4.2: the name first).
pub(super) fn greeting(name: &str) -> Reply {
    Reply::owned(220, None, format!("{name} ESMTP"))
}

pub(super) fn hello(name: &str) -> Reply {
    Reply::owned(250, None, name.to_owned())
}

pub(super) fn goodbye(name: &str) -> Reply {
    Reply::owned(221, Some((2, 0, 0)), format!("{name} closes"))
}

pub(super) fn too_slow(name: &str) -> Reply {
    Reply::owned(421, Some((4, 4, 2)), format!("{name} waited too long"))
}

pub(super) fn shutting_down(name: &str) -> Reply {
    Reply::owned(421, Some((4, 3, 2)), format!("{name} is about to restart"))
}

/// What we can do (RFC 5321 §4.1.1.1).
pub(super) fn extensions(terms: &Terms, starttls: bool) -> Reply {
    let mut lines = vec![
        terms.name.clone(),
        "PIPELINING".to_owned(),
        format!("SIZE {}", terms.message),
        "8BITMIME".to_owned(),
        "ENHANCEDSTATUSCODES".to_owned(),
        "DSN".to_owned(),
        "SMTPUTF8".to_owned(),
        "CHUNKING".to_owned(),
        // RFC 9422 §4.
        format!(
            "LIMITS RCPTMAX={} MAILMAX={}",
            terms.recipients, terms.messages
        ),
    ];
    if starttls {
        lines.insert(1, "STARTTLS".to_owned());
    }
    Reply::of_lines(250, lines)
}

/// The one reply that takes the responsibility (RFC 5321 §6.1). It cannot be built without the
/// receipt, which exists only after the sync.
pub(super) fn kept(kept: Kept) -> Reply {
    let Kept { receipt, id } = kept;
    drop(receipt);
    Reply::owned(250, Some((2, 0, 0)), format!("Kept as {id}"))
}
