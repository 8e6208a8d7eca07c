//! Letters of the drill: what their sender heard, what the primary has, and the balance of both.
//!
//! What was accepted is what the sender got a `250` for, and what arrived lies in files that the
//! primary wrote. Neither is the standby's opinion. All of it is pure.

pub(super) mod sender;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};
use std::time::Duration;

/// Who writes.
pub(crate) const FROM: &str = "anna@absender.test";
/// And to whom.
pub(crate) const TO: &str = "post@verein.test";
/// The sender's own name.
pub(crate) const SENDER_HOST: &str = "mail.absender.test";
/// What a place keeps it looks at, and says so in its mail exchanger's name; what it passes on it
/// leaves to the primary. The name that it gives to what it keeps would say the same, but the
/// primary here is a Servergate too and takes out what it did not give itself.
const LOOKED_AT: &str = "Authentication-Results: ";

/// A cable that is being pulled is out within this.
const AT_ONCE: Duration = Duration::from_millis(500);

/// What a letter says, with its number in the `Message-ID` and in the body. One of its lines begins
/// with a dot, which has to arrive as it was written (RFC 5321 §4.5.2).
pub(crate) fn text(letter: usize) -> String {
    format!(
        "From: Anna <{FROM}>\r\nTo: <{TO}>\r\nSubject: Brief {letter}\r\n\
         Message-ID: <{letter}@{SENDER_HOST}>\r\n\r\n{}",
        body(letter)
    )
}

fn body(letter: usize) -> String {
    format!("Dies ist Brief {letter}.\r\n.profile beginnt mit einem Punkt.\r\nAnna\r\n")
}

/// What the sender heard in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// `250` to the whole letter: from here on somebody else is responsible.
    Taken,
    /// Come again.
    Later(u16),
    /// Never.
    Refused(u16),
    /// Nothing, or nothing that is SMTP.
    Silent,
}

impl Answer {
    /// What a code at the end of a conversation means.
    pub(crate) fn of(code: u16, whole: bool) -> Self {
        match code {
            250 if whole => Self::Taken,
            400..=499 => Self::Later(code),
            500..=599 => Self::Refused(code),
            _ => Self::Silent,
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Taken => f.write_str("250"),
            Self::Later(code) | Self::Refused(code) => write!(f, "{code}"),
            Self::Silent => f.write_str("silent"),
        }
    }
}

/// One try to send one letter. Times count from the start of the drill.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Attempt {
    pub(crate) letter: usize,
    pub(crate) at: Duration,
    pub(crate) took: Duration,
    /// The whole letter was sent, and its end.
    pub(crate) whole: bool,
    pub(crate) answer: Answer,
}

/// Everything the sender lived through.
#[derive(Debug, Default)]
pub(crate) struct Letters {
    attempts: Vec<Attempt>,
}

impl Letters {
    pub(crate) fn enter(&mut self, attempt: Attempt) {
        self.attempts.push(attempt);
    }

    /// Letters that were taken, and when that attempt began.
    pub(crate) fn taken(&self) -> BTreeMap<usize, Duration> {
        let taken = self.answered(|answer| answer == Answer::Taken);
        taken.map(|attempt| (attempt.letter, attempt.at)).collect()
    }

    fn answered(&self, which: impl Fn(Answer) -> bool) -> impl Iterator<Item = &Attempt> {
        self.attempts
            .iter()
            .filter(move |attempt| which(attempt.answer))
    }

    /// Letters that were refused for good.
    fn refused(&self) -> usize {
        self.answered(|answer| matches!(answer, Answer::Refused(_)))
            .count()
    }

    /// How often nobody knows whether a letter was taken: it had been sent whole when a cable was
    /// pulled, and the answer did not come through. Its sender has to send it again (RFC 5321
    /// §4.2.5), so it may arrive once more for each.
    fn in_doubt(&self, letter: usize, pulled: &[Duration]) -> usize {
        let cut = |attempt: &&Attempt| {
            let Attempt { at, took, .. } = **attempt;
            let mut pulled = pulled.iter();
            pulled.any(|pulled| at <= *pulled + AT_ONCE && at + took >= *pulled)
        };
        self.answered(|answer| matches!(answer, Answer::Later(_) | Answer::Silent))
            .filter(|attempt| attempt.letter == letter && attempt.whole)
            .filter(cut)
            .count()
    }

    /// For people and their tools.
    pub(crate) fn csv(&self) -> String {
        let mut text = String::from("letter,at_ms,took_ms,whole,answer\n");
        for attempt in &self.attempts {
            let Attempt {
                letter,
                at,
                took,
                whole,
                answer,
            } = attempt;
            let (at, took) = (at.as_millis(), took.as_millis());
            // Writing to a string does not fail.
            let _ = writeln!(text, "{letter},{at},{took},{whole},{answer}");
        }
        text
    }
}

/// One letter as the primary has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Arrived {
    pub(crate) letter: usize,
    /// The standby kept it meanwhile.
    pub(crate) kept: bool,
    /// Header fields and body are what was sent.
    pub(crate) whole: bool,
}

impl Arrived {
    /// Reads a letter; `None` if it is none of ours. `exchanger`: the standby's name among the MX records.
    pub(crate) fn read(message: &str, exchanger: &str) -> Option<Self> {
        let (header, _) = message.split_once("\r\n\r\n")?;
        let mut lines = header.split("\r\n");
        let number = lines.clone().find_map(|line| {
            let id = line.strip_prefix("Message-ID: <")?;
            id.strip_suffix(&format!("@{SENDER_HOST}>"))
        });
        let letter = number?.parse().ok()?;
        let kept = lines.any(|line| {
            let by = line.strip_prefix(LOOKED_AT);
            by.is_some_and(|by| by.starts_with(&format!("{exchanger};")))
        });
        Some(Self {
            letter,
            kept,
            // Trace fields are put in front; nothing below them changes.
            whole: message.ends_with(&format!("\r\n{}", text(letter))),
        })
    }
}

/// The balance of a day: what was accepted, and what arrived.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Balance {
    /// Letters for which the sender got a `250`.
    pub(crate) accepted: usize,
    /// Letters that the primary has, each counted once.
    pub(crate) arrived: usize,
    /// Of these, kept by the standby meanwhile.
    pub(crate) kept: usize,
    /// Accepted, and not there.
    pub(crate) lost: usize,
    /// There once too often, and no cut answer explains it.
    pub(crate) twice: usize,
    /// There once more because an answer was cut off.
    pub(crate) again: usize,
    /// There, and not accepted, not whole, or none of ours.
    pub(crate) strange: usize,
    /// Refused for good.
    pub(crate) refused: usize,
    /// Still with the sender.
    pub(crate) open: usize,
}

impl Balance {
    /// `sent`: letters were begun; `pulled`: when cables were. `None` in `arrived` is something that
    /// is no letter of ours.
    pub(crate) fn of(
        letters: &Letters,
        sent: usize,
        arrived: &[Option<Arrived>],
        pulled: &[Duration],
    ) -> Self {
        let taken = letters.taken();
        let mut copies: BTreeMap<usize, usize> = BTreeMap::new();
        let mut kept = BTreeSet::new();
        let mut balance = Self {
            accepted: taken.len(),
            refused: letters.refused(),
            ..Self::default()
        };
        for one in arrived {
            match one {
                Some(one) if one.whole && taken.contains_key(&one.letter) => {
                    *copies.entry(one.letter).or_default() += 1;
                    if one.kept {
                        kept.insert(one.letter);
                    }
                }
                _ => balance.strange += 1,
            }
        }
        for (letter, copies) in &copies {
            let more = copies.saturating_sub(1);
            let explained = more.min(letters.in_doubt(*letter, pulled));
            balance.again += explained;
            balance.twice += more - explained;
        }
        balance.arrived = copies.len();
        balance.kept = kept.len();
        balance.lost = balance.accepted.saturating_sub(balance.arrived);
        balance.open = sent.saturating_sub(balance.accepted + balance.refused);
        balance
    }

    /// Nothing was lost, doubled, changed, refused or left, and all three ways were walked.
    pub(crate) fn holds(&self) -> bool {
        let wrong = [self.lost, self.twice, self.strange, self.refused, self.open];
        wrong.iter().all(|count| *count == 0) && self.kept > 0 && self.kept < self.arrived
    }
}

impl fmt::Display for Balance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            accepted,
            arrived,
            kept,
            ..
        } = self;
        write!(
            f,
            "{accepted} accepted, {arrived} at the primary; {kept} of them were kept while it was dark"
        )?;
        let more = [
            (self.again, "there again, since the answer was cut off"),
            (self.lost, "lost"),
            (self.twice, "there twice"),
            (self.strange, "changed or never accepted"),
            (self.refused, "refused"),
            (self.open, "still with the sender"),
        ];
        for (count, words) in more.iter().filter(|(count, _)| *count > 0) {
            write!(f, "; {count} {words}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
