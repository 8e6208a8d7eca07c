//! Handing back to a primary that answers as the dice say: on the pure machines, without sockets.
//!
//! Whatever is answered, every recipient's copy ends once in delivered, waiting or quarantined,
//! under the envelope that it came with, and one message never stops the others.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use bytes::Bytes;
use proptest::prelude::*;

use super::attempt::{Attempt, RECIPIENTS};
use super::evidence::{About, Evidence};
use super::judge::Wait;
use crate::client::delivery::{Announcement, Delivery, Said, Step};
use crate::client::{Command, Protocol, Verb};
use crate::spool::Fate;
use crate::wire::reply::{Reply, ReplyReader};

/// The primary: it keeps order, and the dice decide the rest.
#[derive(Debug, Default)]
struct Primary {
    dice: VecDeque<u8>,
    /// It rolls them for this message only, and is good to all others.
    rude_to: Option<usize>,
    lmtp: bool,
    open: Option<usize>,
    /// Whom the message that is open is for: message and recipient.
    accepted: Vec<(usize, usize)>,
    /// Which message was announced last.
    last: usize,
    /// What it took: the envelope's sender, recipients, and whose contents.
    taken: Vec<(usize, (usize, usize), usize)>,
}

const TO_MAIL: [&str; 7] = [
    "550 5.7.1 no",
    "451 4.3.0 later",
    "501 5.5.4 what",
    "503 5.5.1 order",
    "421 4.3.2 bye",
    "552 5.3.4 large",
    "354 go on",
];
const TO_RCPT: [&str; 10] = [
    "550 5.1.1 nobody",
    "550 no such user",
    "554 5.7.1 blocked using zen",
    "450 4.2.0 greylisted",
    "552 5.2.2 full",
    "452 4.5.3 too many",
    "501 5.5.4 what",
    "503 5.5.1 order",
    "421 4.7.0 errors",
    "550 5.1.0 sender unknown",
];
const TO_DATA: [&str; 5] = [
    "451 4.3.0 later",
    "554 5.7.1 no",
    "503 5.5.1 order",
    "250 ok",
    "421 4.3.2 bye",
];
const TO_END: [&str; 6] = [
    "554 5.7.1 spam",
    "451 4.3.0 later",
    "552 5.2.2 full",
    "550 5.1.1 nobody",
    "500 5.5.2 what",
    "421 4.3.2 bye",
];

fn reply(line: &str) -> Reply {
    let mut bytes = bytes::BytesMut::from(format!("{line}\r\n").as_bytes());
    ReplyReader::default().read(&mut bytes).unwrap().unwrap()
}

impl Primary {
    /// What the dice say: one of these replies, or `good`.
    fn roll(&mut self, good: &'static str, bad: &[&'static str]) -> &'static str {
        if self.rude_to.is_some_and(|one| one != self.last) {
            return good;
        }
        let Some(die) = self.dice.pop_front().map(usize::from) else {
            return good;
        };
        bad.get(die % (bad.len() * 2)).copied().unwrap_or(good)
    }

    fn chance(&mut self) -> bool {
        self.roll("no", &["yes"]) == "yes"
    }

    fn hear(&mut self, line: &str) -> &'static str {
        let mut words = line.split_whitespace();
        let verb = words.next().unwrap();
        let numbers: Vec<usize> = words.map(|word| word.parse().unwrap()).collect();
        match (verb, self.open) {
            ("MAIL", open) => {
                self.last = numbers[0];
                if open.is_some() {
                    return "503 5.5.1 nested";
                }
                let said = self.roll("250 ok", &TO_MAIL);
                if said.starts_with('2') {
                    self.open = Some(numbers[0]);
                }
                said
            }
            ("RCPT", Some(_)) => {
                let said = self.roll("250 ok", &TO_RCPT);
                if said.starts_with('2') {
                    self.accepted.push((numbers[0], numbers[1]));
                }
                said
            }
            ("DATA", Some(_)) if !self.accepted.is_empty() => self.roll("354 go on", &TO_DATA),
            ("DATA", Some(_)) => self.roll("503 5.5.1 nobody", &["354 go on", "554 5.5.1 nobody"]),
            ("RSET", _) => {
                let said = self.roll("250 ok", &["421 4.3.2 bye"]);
                self.forget();
                said
            }
            _ => "503 5.5.1 order",
        }
    }

    fn forget(&mut self) {
        self.open = None;
        self.accepted.clear();
    }

    /// Contents ended; `None`: the connection breaks before the answer.
    fn end(&mut self, contents: Option<usize>) -> Option<Vec<&'static str>> {
        let each = self.accepted.clone();
        let count = if self.lmtp { each.len() } else { 1 };
        let mut said = Vec::new();
        let cut = self.chance() && self.chance();
        for place in 0..count {
            let one = self.roll("250 taken", &TO_END);
            said.push(one);
            if let (true, Some(sender), Some(whose)) = (one.starts_with('2'), self.open, contents) {
                let all = if self.lmtp {
                    &each[place..=place]
                } else {
                    &each[..]
                };
                self.taken.extend(all.iter().map(|to| (sender, *to, whose)));
            }
        }
        // Some go on with what they refused.
        let refused = said.iter().any(|one| !one.starts_with('2'));
        if !(refused && self.chance()) {
            self.forget();
        }
        (!cut).then_some(said)
    }
}

/// A message in the queue.
#[derive(Debug)]
struct Letter {
    number: usize,
    attempt: Attempt,
    named: Vec<usize>,
    fates: Vec<Fate>,
    tries: u32,
    breaks: u32,
    cuts: Vec<usize>,
}

/// A connection: what we say, the replies under way, and whether the primary has gone.
type Line = (Delivery, VecDeque<(Verb, Reply)>, bool);

/// The hand-back over all that: what a lane does, without its sockets.
struct Hand {
    primary: Primary,
    pipelining: bool,
    line: Option<Line>,
    evidence: Evidence,
    one_by_one: bool,
}

impl Hand {
    fn announcement(letter: &mut Letter) -> Announcement {
        letter.named = letter.attempt.next(RECIPIENTS);
        let to = letter.named.iter();
        let to = to.map(|index| Bytes::from(format!("RCPT {} {index}\r\n", letter.number)));
        Announcement {
            mail: Bytes::from(format!("MAIL {}\r\n", letter.number)),
            recipients: to.collect(),
        }
    }

    fn begin(&mut self, letter: &mut Letter) {
        if self
            .line
            .as_ref()
            .is_none_or(|(delivery, ..)| delivery.is_closed())
        {
            self.primary.forget();
            let protocol = if self.primary.lmtp {
                Protocol::Lmtp
            } else {
                Protocol::Smtp
            };
            let delivery = Delivery::new(protocol, self.pipelining);
            self.line = Some((delivery, VecDeque::new(), false));
        }
        let (delivery, ..) = self.line.as_mut().unwrap();
        let what = Self::announcement(letter);
        delivery.begin(what);
    }

    /// Until the message at the front is over; whether the next was announced meanwhile.
    fn exchange(&mut self, letter: &Letter, next: Option<&mut Letter>) -> (Said, bool) {
        let (delivery, replies, gone) = self.line.as_mut().unwrap();
        let (mut next, mut announced) = (next, false);
        for _ in 0..10_000 {
            match delivery.step() {
                Some(Step::Over(said)) => return (*said, announced && !delivery.is_closed()),
                Some(Step::Say(_)) if *gone => {}
                Some(Step::Say(Command::Line(verb, line))) => {
                    let said = self.primary.hear(std::str::from_utf8(&line).unwrap());
                    replies.push_back((verb, reply(said)));
                    *gone |= said.starts_with("421");
                }
                Some(Step::Say(Command::End { .. })) => {
                    let contents = letter_of(delivery, letter);
                    match self.primary.end(contents) {
                        Some(said) => {
                            *gone |= said.contains(&"421 4.3.2 bye");
                            replies.extend(said.iter().map(|one| (Verb::End, reply(one))));
                        }
                        None => *gone = true,
                    }
                }
                Some(Step::Say(other)) => panic!("{other:?}"),
                Some(Step::Contents) => {
                    delivery.contents_sent();
                    let said = delivery.heard().unwrap();
                    let goes_on = letter.attempt.goes_on(&letter.named, said);
                    if let Some(next) = next.take()
                        && delivery.may_begin()
                        && !(goes_on || self.one_by_one)
                    {
                        delivery.begin(Self::announcement(next));
                        announced = true;
                    }
                }
                Some(Step::Close) => *gone = true,
                None => match replies.pop_front() {
                    Some((verb, reply)) => delivery.replied(verb, reply),
                    None => delivery.lost(),
                },
            }
        }
        panic!("it never ends: {delivery:?}");
    }

    /// One round over all that wait. Everything that is not over at its end waits.
    fn round(&mut self, letters: &mut [Letter]) {
        let mut todo: VecDeque<usize> = (0..letters.len()).collect();
        let mut announced = false;
        while let Some(at) = todo.pop_front() {
            if !announced {
                letters[at].attempt.again();
                if letters[at].attempt.is_over() {
                    continue;
                }
                self.begin(&mut letters[at]);
            }
            let next = todo.front().copied();
            let next_waits = next.filter(|next| !letters[*next].attempt.is_over());
            let (before, after) = letters.split_at_mut(at + 1);
            let letter = &mut before[at];
            let next = next_waits.and_then(|next| after.get_mut(next.checked_sub(at + 1)?));
            let (said, next_announced) = self.exchange(letter, next);
            announced = next_announced;
            self.one_by_one |= said.void;
            let named = std::mem::take(&mut letter.named);
            let broken = letter.attempt.said(&named, &said, self.primary.lmtp, false);
            letter.cuts.extend(letter.attempt.cut());
            if broken {
                letter.breaks += 1;
                match letter.breaks % 3 {
                    0 => letter.attempt.give_up(Wait::Broken, "broken"),
                    _ => letter.attempt.again(),
                }
            }
            if !letter.attempt.is_over() {
                // The next that was announced goes on behind it.
                assert!(!announced);
                todo.push_front(at);
                continue;
            }
            let mut judged = letter.attempt.take_judgement();
            let (sender, to) = (letter.number.to_string(), letter.fates.len());
            let names: Vec<String> = (0..to).map(|to| format!("{sender}-{to}")).collect();
            let about = About {
                sender: &sender,
                recipients: &names,
                known: &vec![true; to],
            };
            self.evidence.weigh(&about, &mut judged);
            letter.tries += u32::from(!judged.waits.is_empty());
            judged.set_aside(
                letter.tries,
                std::time::Duration::ZERO,
                self.evidence.is_proved(),
            );
            let mut spoken: BTreeSet<usize> = BTreeSet::new();
            for (index, fate, _) in judged.fates {
                assert_eq!(letter.fates[index], Fate::Waiting, "it had ended");
                assert!(spoken.insert(index), "two ends at once");
                letter.fates[index] = fate;
            }
            assert!(judged.waits.iter().all(|(index, ..)| spoken.insert(*index)));
        }
    }
}

/// Whose contents end here: the message's at the front, once they were sent.
fn letter_of(delivery: &Delivery, letter: &Letter) -> Option<usize> {
    let sent = delivery.heard().is_some_and(|said| said.sent);
    sent.then_some(letter.number)
}

fn letters(recipients: &[usize]) -> Vec<Letter> {
    let letter = |(number, to): (usize, &usize)| Letter {
        number,
        attempt: Attempt::new(0..*to),
        named: Vec::new(),
        fates: vec![Fate::Waiting; *to],
        tries: 0,
        breaks: 0,
        cuts: Vec::new(),
    };
    recipients.iter().enumerate().map(letter).collect()
}

fn hand(dice: Vec<u8>, pipelining: bool, lmtp: bool) -> Hand {
    Hand {
        primary: Primary {
            dice: dice.into(),
            lmtp,
            ..Primary::default()
        },
        pipelining,
        line: None,
        evidence: Evidence::default(),
        one_by_one: false,
    }
}

/// Rounds until the dice are used up, and one more.
fn rounds(hand: &mut Hand, letters: &mut [Letter]) {
    for _ in 0..4 {
        for letter in letters.iter_mut() {
            let fates = letter.fates.iter().enumerate();
            let waiting = fates.filter(|(_, fate)| **fate == Fate::Waiting);
            letter.attempt = Attempt::new(waiting.map(|(index, _)| index));
        }
        hand.round(letters);
    }
}

/// What must be true of the primary's messages, whatever it said.
fn check(hand: &Hand, letters: &[Letter]) {
    let mut copies: BTreeMap<(usize, usize), usize> = BTreeMap::new();
    for (sender, to, contents) in &hand.primary.taken {
        assert_eq!(
            (sender, &to.0),
            (contents, contents),
            "under another's envelope"
        );
        *copies.entry(*to).or_default() += 1;
    }
    for letter in letters {
        for (index, fate) in letter.fates.iter().enumerate() {
            let copies = copies.get(&(letter.number, index)).copied().unwrap_or(0);
            let cuts = letter.cuts.iter().filter(|cut| **cut == index).count();
            let said = usize::from(*fate == Fate::HandedBack);
            assert!(
                copies >= said,
                "said to be delivered, and is not: {letter:?}"
            );
            assert!(copies <= said + cuts, "{copies} copies: {letter:?}");
        }
    }
}

proptest! {
    #[test]
    fn whatever_is_answered_every_copy_ends_once_and_under_its_own_envelope(
        dice in proptest::collection::vec(any::<u8>(), 0..200),
        recipients in proptest::collection::vec(1_usize..4, 1..8),
        pipelining in any::<bool>(),
        lmtp in any::<bool>(),
    ) {
        let mut letters = letters(&recipients);
        let mut hand = hand(dice, pipelining, lmtp);
        rounds(&mut hand, &mut letters);
        check(&hand, &letters);
    }

    #[test]
    fn one_message_never_stops_the_others(
        dice in proptest::collection::vec(any::<u8>(), 0..100),
        others in 1_usize..8,
        rude_to in 0_usize..8,
        pipelining in any::<bool>(),
        lmtp in any::<bool>(),
    ) {
        let mut letters = letters(&vec![1; others + 1]);
        let mut hand = hand(dice, pipelining, lmtp);
        let bad = rude_to % (others + 1);
        hand.primary.rude_to = Some(bad);
        rounds(&mut hand, &mut letters);
        check(&hand, &letters);
        assert!(!hand.evidence.speaks_for_a_pause());
        for letter in letters.iter().filter(|letter| letter.number != bad) {
            assert_eq!(letter.fates, [Fate::HandedBack], "{letter:?}");
        }
    }
}
