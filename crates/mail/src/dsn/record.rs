//! What is kept of one notification: about whom it is, and what became of it.

use model::Timestamp;
use serde::{Deserialize, Serialize};

/// What a notification says (RFC 3464 §2.3.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// `failed`: the primary refused the contents.
    Failure,
    /// `delayed`: the message waits.
    Delay,
}

/// Why a sender is told nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// The message has the null sender: it is a report itself.
    NullSender,
    /// Neither SPF nor DKIM passed for the sender when the message was taken.
    NotProved,
    /// It was sent by a machine, or to a list.
    Automatic,
    /// The sender asked for no such notification, or did not ask for it.
    NotWanted,
    /// The sender's address needs SMTPUTF8.
    Utf8,
    /// Enough notifications were sent.
    TooMany,
    /// A person decided, or the primary took it meanwhile.
    Settled,
    /// Nobody takes mail for the sender's domain.
    NoHost,
    /// The sender's server refused the notification.
    Refused,
    /// The sender's server took nothing for too long.
    GaveUp,
    /// The message cannot be read.
    Unreadable,
}

impl Why {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::NullSender => "null sender",
            Self::NotProved => "neither SPF nor DKIM passed for the sender",
            Self::Automatic => "sent by a machine or to a list",
            Self::NotWanted => "not asked for",
            Self::Utf8 => "the sender's address needs SMTPUTF8",
            Self::TooMany => "enough were sent",
            Self::Settled => "it was decided otherwise before",
            Self::NoHost => "nobody takes mail for the sender",
            Self::Refused => "the sender's server refused it",
            Self::GaveUp => "the sender's server did not take it",
            Self::Unreadable => "the message cannot be read",
        }
    }
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Whether it is sent is decided then.
    Undecided {
        /// Not before.
        next: Timestamp,
    },
    /// It is on its way.
    Outgoing(Box<Outgoing>),
    /// The sender's server has it.
    Sent {
        /// To whom.
        to: String,
        /// When it was decided to send it.
        decided: Timestamp,
        /// When it was taken.
        at: Timestamp,
    },
    /// It is not sent.
    NotSent {
        /// Why.
        why: Why,
        /// When that was decided.
        at: Timestamp,
        /// What the other end said, if there was one.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        said: String,
    },
}

/// A notification on its way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outgoing {
    /// To whom.
    pub to: String,
    /// When it was decided to send it.
    pub decided: Timestamp,
    /// All of it, the same in each try.
    pub text: String,
    /// How often it was tried in vain.
    pub tries: u32,
    /// Not before.
    pub next: Timestamp,
    /// What the other end said the last time.
    #[serde(default)]
    pub said: String,
}

/// One notification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notification {
    /// What it says.
    pub kind: Kind,
    /// About which recipients, by their place in the envelope.
    pub recipients: Vec<usize>,
    /// Those of them of whom nothing is said, and why.
    #[serde(default)]
    pub left_out: Vec<(usize, Why)>,
    /// How far it is.
    pub state: State,
}

impl Notification {
    /// One about which nothing is decided before `next`.
    pub fn new(kind: Kind, recipients: Vec<usize>, next: Timestamp) -> Self {
        Self {
            kind,
            recipients,
            left_out: Vec::new(),
            state: State::Undecided { next },
        }
    }

    /// When something is to be done about it; `None`: never more.
    pub fn next(&self) -> Option<Timestamp> {
        match &self.state {
            State::Undecided { next } => Some(*next),
            State::Outgoing(outgoing) => Some(outgoing.next),
            State::Sent { .. } | State::NotSent { .. } => None,
        }
    }

    /// To whom and when it was decided to send it.
    pub(crate) fn decided(&self) -> Option<(&str, Timestamp)> {
        match &self.state {
            State::Outgoing(outgoing) => Some((&outgoing.to, outgoing.decided)),
            State::Sent { to, decided, .. } => Some((to, *decided)),
            State::Undecided { .. } | State::NotSent { .. } => None,
        }
    }

    /// What became of it for one recipient, for the ledger: `failed: dsn sent`.
    pub fn words(&self, recipient: usize) -> Option<String> {
        if !self.recipients.contains(&recipient) {
            return None;
        }
        let left_out = self.left_out.iter().find(|(index, _)| *index == recipient);
        let became = match (left_out, &self.state) {
            (Some((_, why)), _) => format!("dsn not sent: {}", why.words()),
            (None, State::Undecided { next }) => format!("dsn decided at {next}"),
            (None, State::Outgoing(outgoing)) => match outgoing.said.as_str() {
                "" => "dsn on its way".to_owned(),
                said => format!("dsn on its way: {said}"),
            },
            (None, State::Sent { at, .. }) => format!("dsn sent at {at}"),
            (None, State::NotSent { why, said, .. }) => match said.as_str() {
                "" => format!("dsn not sent: {}", why.words()),
                said => format!("dsn not sent: {}: {said}", why.words()),
            },
        };
        let kind = match self.kind {
            Kind::Failure => "failed",
            Kind::Delay => "delayed",
        };
        Some(format!("{kind}: {became}"))
    }
}
