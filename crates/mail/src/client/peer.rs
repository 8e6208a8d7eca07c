//! What the other end believes: the state of its transaction, as far as its replies tell it
//! (RFC 5321 §3.3, §4.1.4). [`super::delivery`] asks it what may be said next. Pure.

use super::Verb;
use crate::wire::reply::Reply;

/// The state of the other end's transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// There is no transaction.
    #[default]
    Idle,
    /// MAIL was taken, and so many recipients.
    Open {
        /// That were accepted.
        recipients: usize,
    },
    /// Whatever is said now is contents, for so many recipients.
    Contents {
        /// That were accepted.
        recipients: usize,
    },
    /// Its replies do not fit what it was told.
    Unknown,
    /// It is leaving, or takes everything for contents of a message that nobody knows.
    Lost,
}

/// How a connection is brought back to where MAIL may be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It is there.
    Ready,
    /// By RSET, which must be answered 250.
    Reset,
    /// Not at all.
    Close,
}

impl State {
    /// The state after this reply to this verb.
    #[must_use]
    pub fn replied(self, verb: Verb, reply: &Reply) -> Self {
        let (code, good) = (reply.code(), reply.code() / 100 == 2);
        match (self, verb) {
            (Self::Lost, _) => Self::Lost,
            // RFC 5321 §3.8: it closes the connection.
            _ if code == 421 => Self::Lost,
            (_, Verb::Data) => self.data_replied(code),
            // It waits for contents, and nobody asked it to.
            _ if code / 100 == 3 => Self::Lost,
            // RFC 5321 §4.1.1.5: RSET is answered 250, in every state.
            (_, Verb::Reset | Verb::Introduce) if good => Self::Idle,
            (_, Verb::Reset | Verb::Introduce) => Self::Lost,
            (Self::Idle, Verb::Mail) if good => Self::Open { recipients: 0 },
            // Nested: it believes in a transaction of which we know nothing.
            (Self::Idle, Verb::Mail) if code == 503 => Self::Unknown,
            (Self::Idle, Verb::Mail) => Self::Idle,
            (_, Verb::Mail) => Self::Unknown,
            (Self::Open { recipients }, Verb::Rcpt) if good => Self::Open {
                recipients: recipients.saturating_add(1),
            },
            // MAIL was taken, and it does not know of it any more.
            (Self::Open { .. }, Verb::Rcpt) if code == 503 => Self::Unknown,
            // MAIL was refused, and a recipient is taken all the same: for whose message?
            (Self::Idle, Verb::Rcpt) if good => Self::Unknown,
            // It took the contents for commands.
            (Self::Contents { .. }, Verb::End) if (500..=504).contains(&code) => Self::Unknown,
            // RFC 5321 §4.1.1.4: the end of the contents ends the transaction, whatever is answered.
            (Self::Contents { .. }, Verb::End) => Self::Idle,
            _ => self,
        }
    }

    fn data_replied(self, code: u16) -> Self {
        match (self, code) {
            (Self::Open { recipients }, 354) => Self::Contents { recipients },
            // Contents of a message that is not the one that was announced.
            (_, 354) => Self::Lost,
            (_, 400..=599) => self,
            _ => Self::Unknown,
        }
    }

    /// What leads from here to the next MAIL.
    pub fn exit(self) -> Exit {
        match self {
            Self::Idle => Exit::Ready,
            Self::Open { .. } | Self::Unknown => Exit::Reset,
            Self::Contents { .. } | Self::Lost => Exit::Close,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(said: &[(Verb, u16)]) -> State {
        let replied = |state: State, (verb, code): &(Verb, u16)| {
            state.replied(*verb, &Reply::plain(*code, "so"))
        };
        said.iter().fold(State::Idle, replied)
    }

    #[test]
    fn every_way_out_of_a_transaction_is_known() {
        use Verb::{Data, End, Introduce, Mail, Rcpt, Reset};
        for (said, exit) in [
            (
                &[(Mail, 250), (Rcpt, 250), (Data, 354), (End, 250)][..],
                Exit::Ready,
            ),
            (
                &[(Mail, 250), (Rcpt, 250), (Data, 354), (End, 554)],
                Exit::Ready,
            ),
            (&[(Mail, 550), (Rcpt, 503), (Data, 503)], Exit::Ready),
            // All were refused, and nothing has ended the transaction.
            (&[(Mail, 250), (Rcpt, 550), (Data, 554)], Exit::Reset),
            (&[(Mail, 250), (Rcpt, 250), (Data, 451)], Exit::Reset),
            (&[(Mail, 250), (Rcpt, 250), (Data, 250)], Exit::Reset),
            (
                &[(Mail, 250), (Rcpt, 250), (Data, 354), (End, 500)],
                Exit::Reset,
            ),
            (&[(Mail, 503), (Rcpt, 250), (Data, 503)], Exit::Reset),
            (&[(Mail, 250), (Rcpt, 503), (Data, 503)], Exit::Reset),
            (&[(Mail, 250), (Rcpt, 550), (Reset, 250)], Exit::Ready),
            (&[(Mail, 250), (Rcpt, 550), (Reset, 500)], Exit::Close),
            (&[(Introduce, 250)], Exit::Ready),
            (&[(Introduce, 550)], Exit::Close),
            // Contents are asked for that belong to somebody else's envelope.
            (&[(Mail, 503), (Rcpt, 250), (Data, 354)], Exit::Close),
            (&[(Mail, 550), (Rcpt, 250), (Data, 354)], Exit::Close),
            (&[(Mail, 354)], Exit::Close),
            (&[(Mail, 250), (Rcpt, 421)], Exit::Close),
        ] {
            assert_eq!(after(said).exit(), exit, "{said:?}");
        }
    }
}
