//! Whether the primary came back empty, or refuses everybody: what speaks for it over all messages
//! of a hand-back. One message never decides, whatever is said of it. Pure.

use std::collections::{BTreeSet, VecDeque};

use super::attempt::Judgement;
use super::judge::Wait;

/// So many different recipients whom we know, or so many senders' canaries, must be refused because
/// nobody of that name exists.
pub const SEVERAL: usize = 3;
/// So many refusals of the last `LAST` messages are looked at by a person if hardly one was taken.
const REFUSALS: usize = 20;
const LAST: usize = 40;
/// Names that are remembered.
const NAMES: usize = 4096;

/// Whom a message is from and for.
#[derive(Debug)]
pub struct About<'a> {
    /// Who sent it.
    pub sender: &'a str,
    /// To whom.
    pub recipients: &'a [String],
    /// One a recipient: whether we know that it exists.
    pub known: &'a [bool],
}

/// What speaks for and against.
#[derive(Debug, Default)]
pub struct Evidence {
    /// A person has looked: what is refused goes to quarantine.
    released: bool,
    /// Messages that were taken.
    taken: usize,
    /// Recipients whom we know and who are said not to exist.
    missing: BTreeSet<String>,
    /// Senders of messages for somebody who is said not to exist, before anything was taken.
    senders: BTreeSet<String>,
    /// The last messages: `None` for taken, the sender of a refused one.
    last: VecDeque<Option<String>>,
}

impl Evidence {
    /// Nothing speaks for anything yet.
    pub fn new(released: bool) -> Self {
        Self {
            released,
            ..Self::default()
        }
    }

    /// Whether the primary takes mail.
    pub fn is_proved(&self) -> bool {
        self.taken > 0
    }

    /// Whether the primary said of anybody that he does not exist, and took nothing.
    pub fn is_all_missing(&self) -> bool {
        self.taken == 0 && !self.senders.is_empty()
    }

    /// Whether a message could show more than those before it.
    pub fn would_show(&self, about: &About<'_>) -> bool {
        let new = |(name, known): (&String, &bool)| *known && !self.missing.contains(name);
        !self.senders.contains(about.sender) || about.recipients.iter().zip(about.known).any(new)
    }

    /// Takes a message in, and decides what becomes of those who are said not to exist.
    pub fn weigh(&mut self, about: &About<'_>, judged: &mut Judgement) {
        let refused = judged.refused();
        let taken = judged.taken();
        self.taken += usize::from(taken);
        let mut somebody_known = false;
        for (index, _) in &judged.missing {
            let known = about.known.get(*index).copied().unwrap_or(false);
            somebody_known |= known;
            if let Some(name) = about.recipients.get(*index).filter(|_| known) {
                remember(&mut self.missing, name);
            }
        }
        if !judged.missing.is_empty() && self.taken == 0 {
            remember(&mut self.senders, about.sender);
        }
        if taken || refused || somebody_known {
            self.last
                .push_back((!taken).then(|| about.sender.to_owned()));
            if self.last.len() > LAST {
                self.last.pop_front();
            }
        }
        // RFC 5321 §6.1: we are responsible. Nobody is given up while the primary may be empty.
        let wait = !self.released && (self.taken == 0 || self.speaks_for_a_pause());
        for (index, words) in std::mem::take(&mut judged.missing) {
            match wait {
                true => judged.waits.push((index, Wait::Missing, words)),
                false => judged.quarantine(index, words),
            }
        }
    }

    /// Whether nothing more should go out until a person has looked.
    pub fn speaks_for_a_pause(&self) -> bool {
        let missing = self.missing.len();
        let empty = missing >= SEVERAL && missing >= self.taken;
        let nobody = self.taken == 0 && self.senders.len() >= SEVERAL;
        !self.released && (empty || nobody || self.refuses_all())
    }

    /// Whether hardly anything was taken of the last messages, whoever sent them.
    fn refuses_all(&self) -> bool {
        let refused = self.last.iter().flatten();
        let senders: BTreeSet<&String> = refused.clone().collect();
        let refused = refused.count();
        let taken = self.last.len().saturating_sub(refused);
        refused >= REFUSALS && senders.len() >= SEVERAL && taken.saturating_mul(4) <= refused
    }
}

fn remember(names: &mut BTreeSet<String>, name: &str) {
    if names.len() < NAMES {
        names.insert(name.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::Fate;

    fn weigh(
        evidence: &mut Evidence,
        sender: &str,
        to: &str,
        known: bool,
        what: char,
    ) -> Judgement {
        let mut judged = Judgement::default();
        match what {
            'T' => judged.fates.push((0, Fate::HandedBack, String::new())),
            'R' => judged.quarantine(0, "554 5.7.1 no".to_owned()),
            _ => judged.missing.push((0, "550 5.1.1 nobody".to_owned())),
        }
        let about = About {
            sender,
            recipients: &[to.to_owned()],
            known: &[known],
        };
        evidence.weigh(&about, &mut judged);
        judged
    }

    #[test]
    fn several_who_must_exist_speak_for_an_empty_primary_and_one_never_does() {
        let mut evidence = Evidence::default();
        for _ in 0..30 {
            let judged = weigh(&mut evidence, "a", "anna", true, '0');
            assert_eq!(judged.waits.len(), 1, "nobody is given up for it");
            assert!(!evidence.speaks_for_a_pause());
        }
        weigh(&mut evidence, "a", "ben", true, '0');
        assert!(!evidence.speaks_for_a_pause());
        weigh(&mut evidence, "a", "cem", true, '0');
        assert!(evidence.speaks_for_a_pause());
    }

    #[test]
    fn the_canaries_of_several_senders_speak_for_it_too() {
        let mut evidence = Evidence::default();
        for (sender, pause) in [("a", false), ("a", false), ("b", false), ("c", true)] {
            weigh(&mut evidence, sender, "stranger", false, '0');
            assert_eq!(evidence.speaks_for_a_pause(), pause);
        }
        assert!(evidence.is_all_missing());
    }

    #[test]
    fn a_primary_that_takes_mail_is_not_empty() {
        let mut evidence = Evidence::default();
        for number in 0..100 {
            weigh(&mut evidence, "a", "anna", true, 'T');
            if number % 10 == 9 {
                let gone = format!("gone{number}");
                let judged = weigh(&mut evidence, "b", &gone, true, '0');
                assert!(judged.refused() && judged.waits.is_empty());
            }
            assert!(!evidence.speaks_for_a_pause());
        }
    }

    #[test]
    fn one_stranger_pauses_nobody_and_a_primary_that_refuses_all_is_looked_at() {
        let mut evidence = Evidence::default();
        for _ in 0..100 {
            weigh(&mut evidence, "spam", "anna", true, 'R');
        }
        assert!(!evidence.speaks_for_a_pause());
        let mut evidence = Evidence::default();
        for number in 0..20 {
            assert!(!evidence.speaks_for_a_pause());
            weigh(
                &mut evidence,
                &format!("s{}", number % 5),
                "anna",
                true,
                'R',
            );
        }
        assert!(evidence.speaks_for_a_pause());
        // Strangers who never existed are refused to whoever guesses names.
        let mut evidence = Evidence::default();
        weigh(&mut evidence, "a", "anna", true, 'T');
        for number in 0..100 {
            weigh(&mut evidence, &format!("s{number}"), "stranger", false, '0');
        }
        assert!(!evidence.speaks_for_a_pause());
    }

    #[test]
    fn after_a_persons_yes_refusals_go_to_quarantine() {
        let mut evidence = Evidence::new(true);
        for name in ["anna", "ben", "cem", "dora"] {
            assert!(weigh(&mut evidence, name, name, true, '0').refused());
        }
        assert!(!evidence.speaks_for_a_pause());
    }
}
