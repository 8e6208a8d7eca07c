//! The account of a message: one line a recipient, so that what was accepted and what became of it
//! add up.

use model::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Fate, Meta, versioned};

/// The account of one message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The message's name.
    pub id: String,
    /// When it was taken.
    pub at: Timestamp,
    /// From whom, empty for the null sender.
    pub sender: String,
    /// One a recipient, in the order of the envelope.
    pub lines: Vec<Line>,
}

/// What became of one recipient of one message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// To whom.
    pub recipient: String,
    /// What became of it.
    pub fate: Fate,
    /// When that was; while it waits, when the last attempt was.
    pub when: Timestamp,
    /// The primary's words; while it waits, those of the last attempt. Empty before the first.
    pub reply: String,
    /// How often the connection was cut before the primary's answer: so many copies more may have
    /// arrived.
    #[serde(default)]
    pub cut: u32,
}

impl Account {
    pub(super) fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        versioned::encode(self)
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        versioned::decode(bytes)
    }

    /// An account of a message of which nothing became yet.
    pub fn begin(meta: &Meta) -> Self {
        let line = |recipient: &crate::envelope::Recipient| Line {
            recipient: recipient.mailbox.to_string(),
            fate: Fate::Waiting,
            when: meta.at,
            reply: String::new(),
            cut: 0,
        };
        Self {
            id: meta.id.clone(),
            at: meta.at,
            sender: meta.envelope.sender.path.to_string(),
            lines: meta.envelope.recipients.iter().map(line).collect(),
        }
    }
}
