//! What became of a message, without a word about people: it lies in clear, so that a locked
//! standby knows how much it holds.

use model::Timestamp;
use serde::{Deserialize, Serialize};

use super::versioned;

/// What became of one recipient of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fate {
    /// It waits for the primary.
    Waiting,
    /// The primary took it.
    HandedBack,
    /// The primary refused it; a person looks at it.
    Quarantined,
    /// A person gave it up.
    Dropped,
}

/// The state of one message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// The message's name.
    pub id: String,
    /// When it was taken.
    pub at: Timestamp,
    /// Its size in bytes.
    pub size: u64,
    /// One a recipient, in the order of the envelope.
    pub fates: Vec<Fate>,
    /// How often it was tried in vain.
    #[serde(default)]
    pub tries: u32,
    /// When it was tried in vain for the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tried: Option<Timestamp>,
}

impl Row {
    pub(super) fn waiting(id: String, at: Timestamp, size: u64, recipients: usize) -> Self {
        Self {
            id,
            at,
            size,
            fates: vec![Fate::Waiting; recipients],
            tries: 0,
            tried: None,
        }
    }

    /// Whether any recipient waits.
    pub fn waits(&self) -> bool {
        self.fates.contains(&Fate::Waiting)
    }

    /// Whether there is nothing left to do, nor to look at.
    pub fn is_done(&self) -> bool {
        let done = |fate: &Fate| matches!(fate, Fate::HandedBack | Fate::Dropped);
        self.fates.iter().all(done)
    }

    pub(super) fn encode(&self) -> Result<Vec<u8>, serde_json::Error> {
        versioned::encode(self)
    }

    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        versioned::decode(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_of_the_version_before_is_read() {
        let old = br#"{"version":"1","id":"a","at":1750000000000,"size":9,"fates":["waiting"]}"#;
        let row = Row::decode(old).unwrap();
        assert!(row.waits());
        assert_eq!((row.tries, row.tried), (0, None));
    }
}
