//! What a spam filter says of a message that was kept: asked in the background, written down
//! beside the message, told to the primary in a field of the header. It never decides here: what
//! becomes of spam is the primary's own rule.
//!
//! A filter that does not answer is left alone for a while, and mail goes on without it.

mod rspamd;

use serde::{Deserialize, Serialize};

pub use rspamd::{Question, Rspamd};

/// What the filter would have done (rspamd's actions, mildest first).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// Nothing: it is thought to be wanted.
    Nothing,
    /// Have the sender come again.
    Greylist,
    /// Mark it.
    AddHeader,
    /// Mark it where the reader sees it.
    RewriteSubject,
    /// Refuse it for now.
    SoftReject,
    /// Refuse it.
    Reject,
    /// Something that this version does not know.
    Other,
}

/// What the filter said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spam {
    /// What it would have done.
    pub action: Action,
    /// How much speaks for spam, in hundredths.
    pub score: i32,
    /// From where on it is spam, in hundredths.
    pub required: i32,
}

impl Spam {
    /// Whether it is thought to be spam: everything above asking the sender to come again.
    pub fn is_spam(&self) -> bool {
        matches!(
            self.action,
            Action::AddHeader | Action::RewriteSubject | Action::SoftReject | Action::Reject
        )
    }

    /// The field, with the line end, to be put on top of the message, as most filters write it.
    pub fn header(&self) -> String {
        let word = if self.is_spam() { "Yes" } else { "No" };
        let (score, required) = (Hundredths(self.score), Hundredths(self.required));
        format!("X-Spam-Status: {word}, score={score} required={required}\r\n")
    }
}

struct Hundredths(i32);

impl std::fmt::Display for Hundredths {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let all = self.0.unsigned_abs();
        write!(f, "{sign}{}.{:02}", all / 100, all % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_says_what_filters_say() {
        let spam = |action, score| Spam {
            action,
            score,
            required: 1500,
        };
        let cases = [
            (Action::Reject, 2345, "Yes, score=23.45 required=15.00"),
            (Action::AddHeader, 607, "Yes, score=6.07 required=15.00"),
            (Action::Greylist, 400, "No, score=4.00 required=15.00"),
            (Action::Nothing, -5, "No, score=-0.05 required=15.00"),
            (Action::Other, -310, "No, score=-3.10 required=15.00"),
        ];
        for (action, score, words) in cases {
            let field = spam(action, score).header();
            assert_eq!(field, format!("X-Spam-Status: {words}\r\n"));
        }
    }
}
