//! One attempt to hand a message back: as many transactions as its recipients need, and what came
//! of it. Pure.

use std::time::Duration;

use super::judge::{Outcome, Wait, judge};
use super::meaning::{Meaning, meaning};
use crate::client::delivery::Said;
use crate::spool::Fate;
use crate::wire::reply::Reply;

/// RFC 5321 §4.5.3.1.8: so many recipients of one transaction everybody must take.
pub const RECIPIENTS: usize = 100;
/// Tried in vain so often for a reason that no time mends, a person looks at it.
const TRIES: u32 = 8;
/// So often where it may be the primary's fault alone.
const TRIES_IF_BROKEN: u32 = 40;
/// The primary wants it later for so long (RFC 5321 §4.5.4.1: four to five days), and so often.
const LATER: Duration = Duration::from_secs(5 * 24 * 3600);
const TRIES_LATER: u32 = 12;

/// What came of an attempt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// What became of recipients, with the primary's words.
    pub fates: Vec<(usize, Fate, String)>,
    /// What stays and is tried again, with the words that it stays for.
    pub waits: Vec<(usize, Wait, String)>,
    /// Of whom the primary says that they do not exist; what that means is not decided here.
    pub missing: Vec<(usize, String)>,
    /// For which recipients it refused the contents, once it had seen all of them.
    pub contents: Vec<usize>,
}

impl Judgement {
    /// Whether the primary took it for somebody.
    pub fn taken(&self) -> bool {
        let taken = |(_, fate, _): &(usize, Fate, String)| *fate == Fate::HandedBack;
        self.fates.iter().any(taken)
    }

    /// Whether something goes to quarantine.
    pub fn refused(&self) -> bool {
        let refused = |(_, fate, _): &(usize, Fate, String)| *fate == Fate::Quarantined;
        self.fates.iter().any(refused)
    }

    /// Whether the primary takes no more at present.
    pub fn limited(&self) -> bool {
        let limited = |(_, why, _): &(usize, Wait, String)| *why == Wait::Limited;
        !self.taken() && self.waits.iter().any(limited)
    }

    /// Refuses a recipient's copy.
    pub fn quarantine(&mut self, index: usize, words: String) {
        self.fates.push((index, Fate::Quarantined, words));
    }

    /// Leaves what waits in vain to a person: what no time mends after a few attempts, what the
    /// primary only wants later after some days. `tries`: attempts with this one; `proved`: the
    /// primary takes others.
    pub fn set_aside(&mut self, tries: u32, since: Duration, proved: bool) {
        let waits = std::mem::take(&mut self.waits);
        for (index, why, words) in waits {
            let in_vain = match why {
                Wait::Mistake | Wait::Missing => tries.is_multiple_of(TRIES),
                Wait::Broken | Wait::Cut if proved => tries.is_multiple_of(TRIES),
                Wait::Broken | Wait::Cut => tries.is_multiple_of(TRIES_IF_BROKEN),
                Wait::Later | Wait::Limited => tries >= TRIES_LATER && since >= LATER,
            };
            match in_vain {
                true => self.quarantine(index, format!("{words} (tried {tries} times)")),
                false => self.waits.push((index, why, words)),
            }
        }
    }
}

/// An attempt under way.
#[derive(Debug)]
pub struct Attempt {
    left: Vec<usize>,
    /// With the parameters of RFC 3461.
    dsn: bool,
    /// It was said once into a transaction that nobody knows.
    was_void: bool,
    broken: Vec<(usize, Wait)>,
    judged: Judgement,
}

impl Attempt {
    /// An attempt for these recipients.
    pub fn new(waiting: impl Iterator<Item = usize>) -> Self {
        Self {
            left: waiting.collect(),
            dsn: true,
            was_void: false,
            broken: Vec::new(),
            judged: Judgement::default(),
        }
    }

    /// Whom the next transaction names.
    pub fn next(&self, most: usize) -> Vec<usize> {
        self.left.iter().copied().take(most.max(1)).collect()
    }

    /// Whether the next transaction has the parameters of RFC 3461.
    pub fn with_dsn(&self) -> bool {
        self.dsn
    }

    /// Whether nobody else is to be named.
    pub fn is_over(&self) -> bool {
        self.left.is_empty()
    }

    /// Whether, as far as it was heard, another transaction follows this one, which names these.
    pub fn goes_on(&self, named: &[usize], said: &Said) -> bool {
        let again = |reply| matches!(meaning(reply), Meaning::TooMany | Meaning::OurMistake);
        self.left.len() > named.len() || said.recipients.iter().any(again)
    }

    /// Takes in what was said of a transaction that named these; `dsn`: its lines had parameters of
    /// RFC 3461. Whether the connection broke at it: then [`Self::again`] or [`Self::give_up`].
    pub fn said(&mut self, named: &[usize], said: &Said, per_recipient: bool, dsn: bool) -> bool {
        if said.void && !std::mem::replace(&mut self.was_void, true) {
            // The end of the message before was not one: once more, with nothing before it.
            return false;
        }
        self.left.retain(|index| !named.contains(index));
        let mut again = Vec::new();
        let outcomes = judge(said, named.len(), per_recipient);
        for (place, (index, outcome)) in named.iter().copied().zip(outcomes).enumerate() {
            let accepted = |reply: &Reply| reply.code() / 100 == 2;
            let odd = dsn && !said.void && !said.recipients.get(place).is_some_and(accepted);
            match outcome {
                Outcome::Taken(words) => self.judged.fates.push((index, Fate::HandedBack, words)),
                Outcome::Refused { words, contents } => {
                    self.judged.quarantine(index, words);
                    if contents {
                        self.judged.contents.push(index);
                    }
                }
                Outcome::Missing(words) => self.judged.missing.push((index, words)),
                Outcome::TooMany(_) => again.push(index),
                // Perhaps it is somebody's odd ORCPT or ENVID: once more without.
                Outcome::Waits(Wait::Mistake, _) if odd => {
                    again.push(index);
                    self.dsn = false;
                }
                Outcome::Waits(why @ (Wait::Broken | Wait::Cut), _) => {
                    self.broken.push((index, why));
                }
                Outcome::Waits(why, words) => self.judged.waits.push((index, why, words)),
            }
        }
        self.left.splice(0..0, again);
        !self.broken.is_empty()
    }

    /// Who may have a copy that was not acknowledged.
    pub fn cut(&self) -> Vec<usize> {
        let cut = self.broken.iter().filter(|(_, why)| *why == Wait::Cut);
        cut.map(|(index, _)| *index).collect()
    }

    /// Those at whom the connection broke are named again.
    pub fn again(&mut self) {
        let broken = std::mem::take(&mut self.broken);
        self.left
            .splice(0..0, broken.into_iter().map(|(index, _)| index));
    }

    /// Whoever is left waits, for this reason.
    pub fn give_up(&mut self, why: Wait, words: &str) {
        let broken = std::mem::take(&mut self.broken);
        let left = std::mem::take(&mut self.left);
        let left = left.into_iter().map(|index| (index, why));
        for (index, why) in broken.into_iter().chain(left) {
            self.judged.waits.push((index, why, words.to_owned()));
        }
    }

    /// Whoever is left is refused: nothing was sent.
    pub fn refuse(&mut self, words: &str) {
        for index in std::mem::take(&mut self.left) {
            self.judged.quarantine(index, words.to_owned());
        }
    }

    /// That stays as it was judged before.
    pub fn put_back(&mut self, waits: Vec<(usize, Wait, String)>) {
        self.judged.waits.extend(waits);
    }

    /// What came of it so far.
    pub fn take_judgement(&mut self) -> Judgement {
        std::mem::take(&mut self.judged)
    }

    /// Whether something came of it that must be written down.
    pub fn is_judged(&self) -> bool {
        self.judged != Judgement::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(mail: &str, recipients: &[&str], data: u16, end: &[u16]) -> Said {
        let read = |line: &str| {
            let mut bytes = bytes::BytesMut::from(format!("{line}\r\n").as_bytes());
            let mut reader = crate::wire::reply::ReplyReader::default();
            reader.read(&mut bytes).unwrap().unwrap()
        };
        Said {
            mail: Some(read(mail)),
            recipients: recipients.iter().map(|line| read(line)).collect(),
            data: Some(Reply::plain(data, "so")),
            end: end.iter().map(|code| Reply::plain(*code, "so")).collect(),
            sent: data == 354,
            due: end.len(),
            void: false,
        }
    }

    #[test]
    fn as_many_transactions_as_the_recipients_need() {
        let mut attempt = Attempt::new(0..5);
        let many = "452 4.5.3 Too many recipients";
        let named = attempt.next(RECIPIENTS);
        let what = said("250", &["250", "250", many, many, many], 354, &[250]);
        assert!(!attempt.said(&named, &what, false, false));
        assert_eq!(attempt.next(2), [2, 3]);
        assert!(!attempt.said(
            &[2, 3],
            &said("250", &["250", "250"], 354, &[250]),
            false,
            false
        ));
        assert!(!attempt.said(&[4], &said("250", &["250"], 354, &[250]), false, false));
        assert!(attempt.is_over());
        assert_eq!(attempt.take_judgement().fates.len(), 5);
        // Nobody is taken: that is no matter of how many.
        let mut attempt = Attempt::new(0..2);
        attempt.said(&[0, 1], &said("250", &[many, many], 503, &[]), false, false);
        assert!(attempt.is_over());
        assert_eq!(attempt.take_judgement().waits.len(), 2);
    }

    #[test]
    fn odd_parameters_are_left_out_once() {
        let mut attempt = Attempt::new(0..2);
        let odd = said("250", &["501 5.5.4 Bad ORCPT", "250"], 354, &[250]);
        attempt.said(&[0, 1], &odd, false, true);
        assert_eq!(attempt.next(RECIPIENTS), [0]);
        assert!(!attempt.with_dsn());
        let odd = said("250", &["501 5.1.3 Bad address"], 503, &[]);
        attempt.said(&[0], &odd, false, false);
        assert!(attempt.is_over());
        let judged = attempt.take_judgement();
        let bad = "501 5.1.3 Bad address".to_owned();
        assert_eq!(judged.waits, [(0, Wait::Mistake, bad)]);
    }

    #[test]
    fn what_waits_in_vain_is_left_to_a_person() {
        let day = Duration::from_secs(24 * 3600);
        for (why, tries, since, proved, aside) in [
            (Wait::Mistake, 7, day, true, false),
            (Wait::Mistake, 8, day, true, true),
            // It was released, and has as many attempts again.
            (Wait::Mistake, 9, day, true, false),
            (Wait::Missing, 8, day, false, true),
            (Wait::Broken, 8, day, true, true),
            (Wait::Broken, 8, day, false, false),
            (Wait::Cut, 40, day, false, true),
            (Wait::Later, 500, day * 4, true, false),
            (Wait::Later, 500, day * 5, true, true),
            (Wait::Limited, 11, day * 5, true, false),
            (Wait::Limited, 12, day * 5, true, true),
        ] {
            let mut judged = Judgement::default();
            judged.waits.push((0, why, "no".to_owned()));
            judged.set_aside(tries, since, proved);
            assert_eq!(judged.refused(), aside, "{why:?} {tries}");
            assert_eq!(judged.waits.is_empty(), aside);
        }
    }
}
