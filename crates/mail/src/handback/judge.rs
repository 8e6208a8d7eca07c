//! What the primary's replies to one transaction mean for each of its recipients. Pure.

use super::meaning::{Meaning, meaning};
use crate::client::delivery::Said;
use crate::wire::reply::{Capabilities, Reply};

/// Why somebody's copy waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// The primary wants it later, or the mailbox is full.
    Later,
    /// The primary takes no more at present: of a sender, of a client, or of anybody.
    Limited,
    /// The primary did not understand us.
    Mistake,
    /// The connection broke before the end was sent.
    Broken,
    /// It broke after that: the primary may have it.
    Cut,
    /// The primary says that nobody of that name exists, and may be empty.
    Missing,
}

/// What the primary said about one recipient's copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It has it.
    Taken(String),
    /// It refuses it; whether for what it has seen of the contents.
    Refused {
        /// Its words.
        words: String,
        /// It had seen all of them.
        contents: bool,
    },
    /// It says that the recipient does not exist.
    Missing(String),
    /// It waits.
    Waits(Wait, String),
    /// It may be said at once in another transaction.
    TooMany(String),
}

/// Nothing was said, for the connection broke.
const SILENCE: &str = "no answer";

/// Judges: one outcome for each recipient that was named, in order. `per_recipient`: the end is
/// answered for each that was accepted (RFC 2033 §4.2).
pub fn judge(said: &Said, named: usize, per_recipient: bool) -> Vec<Outcome> {
    let all = |outcome: Outcome| vec![outcome; named];
    let Some(mail) = &said.mail else {
        return all(Outcome::Waits(Wait::Broken, SILENCE.to_owned()));
    };
    if said.void {
        return all(Outcome::Waits(Wait::Mistake, odd(said).to_string()));
    }
    if let Some(outcome) = outcome_of(mail) {
        // Whatever it says of a sender, it speaks of no recipient.
        return all(match outcome {
            Outcome::Missing(words) => Outcome::Refused {
                words,
                contents: false,
            },
            Outcome::TooMany(words) => Outcome::Waits(Wait::Later, words),
            // What it does not like of the sender's address has X.1 (RFC 3463 §3.2).
            Outcome::Waits(Wait::Later, words) if subject(mail) != Some(1) => {
                Outcome::Waits(Wait::Limited, words)
            }
            other => other,
        });
    }
    let accepted = said
        .recipients
        .iter()
        .filter(|reply| is_good(reply))
        .count();
    let mut order = 0;
    let each = (0..named).map(|index| match said.recipients.get(index) {
        None => Outcome::Waits(Wait::Broken, SILENCE.to_owned()),
        Some(reply) => match outcome_of(reply) {
            // Nobody else is in the way, and still there are too many.
            Some(Outcome::TooMany(words)) if accepted == 0 => Outcome::Waits(Wait::Later, words),
            Some(outcome) => outcome,
            None => {
                let place = if per_recipient { order } else { 0 };
                order += 1;
                end(said, place, per_recipient || accepted == 1)
            }
        },
    });
    each.collect()
}

/// What became of the copy of a recipient who was accepted.
fn end(said: &Said, place: usize, alone: bool) -> Outcome {
    let Some(data) = &said.data else {
        return Outcome::Waits(Wait::Broken, SILENCE.to_owned());
    };
    if data.code() != 354 {
        // What is said to DATA is about the conversation: nothing was seen of the contents.
        return match outcome_of(data) {
            Some(Outcome::Refused { words, .. } | Outcome::Missing(words)) => Outcome::Refused {
                words,
                contents: false,
            },
            Some(Outcome::Waits(why, words)) => Outcome::Waits(why, words),
            Some(Outcome::TooMany(words)) => Outcome::Waits(Wait::Later, words),
            Some(Outcome::Taken(_)) | None => Outcome::Waits(Wait::Mistake, data.to_string()),
        };
    }
    let Some(reply) = said.end.get(place) else {
        let why = if said.sent { Wait::Cut } else { Wait::Broken };
        return Outcome::Waits(why, SILENCE.to_owned());
    };
    match outcome_of(reply) {
        None => Outcome::Taken(reply.to_string()),
        // Who is meant, where one answer is for several?
        Some(Outcome::Missing(words)) if !alone => Outcome::Refused {
            words,
            contents: true,
        },
        Some(Outcome::Refused { words, .. }) => Outcome::Refused {
            words,
            contents: true,
        },
        Some(Outcome::TooMany(words)) => Outcome::Waits(Wait::Later, words),
        Some(other) => other,
    }
}

/// What a reply says; `None`: yes.
fn outcome_of(reply: &Reply) -> Option<Outcome> {
    let words = reply.to_string();
    Some(match meaning(reply) {
        Meaning::Taken => return None,
        Meaning::Later | Meaning::Full => Outcome::Waits(Wait::Later, words),
        Meaning::Limited => Outcome::Waits(Wait::Limited, words),
        Meaning::TooMany => Outcome::TooMany(words),
        Meaning::NoSuchRecipient => Outcome::Missing(words),
        Meaning::OurMistake => Outcome::Waits(Wait::Mistake, words),
        Meaning::Refused => Outcome::Refused {
            words,
            contents: false,
        },
    })
}

/// The reply that does not fit.
fn odd(said: &Said) -> Reply {
    let all = said.mail.iter().chain(&said.recipients).chain(&said.data);
    let mut odd = all.filter(|reply| meaning(reply) == Meaning::OurMistake);
    let words = "the replies belong to no transaction that was begun";
    odd.next().cloned().unwrap_or(Reply::plain(503, words))
}

fn subject(reply: &Reply) -> Option<u16> {
    reply.enhanced().map(|(_, subject, _)| subject)
}

fn is_good(reply: &Reply) -> bool {
    reply.code() / 100 == 2
}

/// Why the primary, which can do so much, cannot take a message, whoever it is for.
pub fn unfit(can: &Capabilities, utf8: bool, size: u64) -> Option<String> {
    if utf8 && !can.smtputf8 {
        // RFC 6531 §3.2 knows a bounce only. A person sees it here, and can have it tried again
        // when the primary has learned it.
        let words =
            "not sent: addresses or header are in UTF-8, and the primary does not offer SMTPUTF8";
        return Some(Reply::fixed(550, (5, 6, 7), words).to_string());
    }
    let largest = can.size.filter(|largest| size > *largest)?;
    let words = format!("not sent: {size} bytes, and the primary takes {largest} at the most");
    Some(Reply::owned(552, Some((5, 3, 4)), words).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(code: u16) -> Reply {
        Reply::plain(code, "as said")
    }

    fn said(mail: u16, recipients: &[u16], data: u16, end: &[u16]) -> Said {
        Said {
            mail: Some(reply(mail)),
            recipients: recipients.iter().copied().map(reply).collect(),
            data: Some(reply(data)),
            end: end.iter().copied().map(reply).collect(),
            sent: data == 354,
            due: end.len(),
            void: false,
        }
    }

    /// T taken, R refused, C for its contents, W waits, M our mistake, L limited, X cut, 0 missing, + too
    /// many.
    fn judged(said: &Said, per_recipient: bool) -> String {
        let outcomes = judge(said, said.recipients.len(), per_recipient);
        let letter = |outcome: &Outcome| match outcome {
            Outcome::Taken(_) => 'T',
            Outcome::Refused { contents: true, .. } => 'C',
            Outcome::Refused { .. } => 'R',
            Outcome::Missing(_) => '0',
            Outcome::Waits(Wait::Later, _) => 'W',
            Outcome::Waits(Wait::Limited, _) => 'L',
            Outcome::Waits(Wait::Mistake, _) => 'M',
            Outcome::Waits(Wait::Cut, _) => 'X',
            Outcome::Waits(..) => 'B',
            Outcome::TooMany(_) => '+',
        };
        outcomes.iter().map(letter).collect()
    }

    #[test]
    fn each_recipient_has_the_outcome_that_was_said() {
        for (what, outcome) in [
            (said(250, &[250, 250], 354, &[250]), "TT"),
            (said(250, &[250, 450], 354, &[250]), "TW"),
            (said(250, &[250, 554], 354, &[250]), "TR"),
            (said(250, &[250, 250], 354, &[554]), "CC"),
            (said(250, &[250, 250], 354, &[451]), "WW"),
            (said(250, &[250], 354, &[501]), "M"),
            (said(250, &[250], 451, &[]), "W"),
            (said(250, &[250], 554, &[]), "R"),
            (said(250, &[250], 503, &[]), "M"),
            // An answer to DATA that nobody knows is no yes.
            (said(250, &[250], 250, &[]), "M"),
            (said(550, &[503, 503], 503, &[]), "RR"),
            (said(451, &[503], 503, &[]), "L"),
            (said(501, &[503], 503, &[]), "M"),
            (said(250, &[554], 354, &[250]), "R"),
            (said(250, &[250], 354, &[]), "X"),
        ] {
            assert_eq!(judged(&what, false), outcome, "{what:?}");
        }
    }

    #[test]
    fn what_is_said_later_to_mail_is_about_how_much_there_is_unless_it_names_the_address() {
        for (line, outcome) in [
            ((450, (4, 7, 1)), "L"),
            ((452, (4, 3, 1)), "L"),
            ((450, (4, 1, 8)), "W"),
        ] {
            let mut what = said(450, &[503], 503, &[]);
            what.mail = Some(Reply::fixed(line.0, line.1, "not now"));
            assert_eq!(judged(&what, false), outcome, "{line:?}");
        }
    }

    #[test]
    fn lmtp_answers_for_each_accepted_recipient() {
        for (what, outcome) in [
            (said(250, &[250, 250], 354, &[250, 550]), "TC"),
            (said(250, &[250, 250], 354, &[554, 250]), "CT"),
            (said(250, &[250, 450, 250], 354, &[250, 452]), "TWW"),
            // The connection broke between the answers: the second may have it.
            (said(250, &[250, 250], 354, &[250]), "TX"),
        ] {
            assert_eq!(judged(&what, true), outcome, "{what:?}");
        }
    }

    #[test]
    fn what_belongs_to_no_transaction_judges_nobody() {
        let mut nested = said(503, &[250, 550], 354, &[250]);
        nested.void = true;
        assert_eq!(judged(&nested, false), "MM");
    }

    #[test]
    fn one_answer_for_several_says_of_none_that_he_is_missing() {
        let gone = |recipients: &[u16]| {
            let mut what = said(250, recipients, 354, &[]);
            what.end = vec![Reply::fixed(550, (5, 1, 1), "Nobody")];
            what
        };
        assert_eq!(judged(&gone(&[250]), false), "0");
        assert_eq!(judged(&gone(&[250, 250]), false), "CC");
    }

    #[test]
    fn what_the_primary_cannot_take_is_not_sent() {
        let mut can = Capabilities::default();
        assert_eq!(unfit(&can, false, 10), None);
        assert!(unfit(&can, true, 10).unwrap().contains("SMTPUTF8"));
        can.size = Some(9);
        assert!(unfit(&can, false, 10).unwrap().contains("takes 9"));
    }
}
