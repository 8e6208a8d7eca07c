//! What the primary's replies to one message mean. Pure.

use crate::spool::Fate;
use crate::wire::reply::{Capabilities, Reply};

/// Refusals of contents in a row after which a person should look.
pub const REFUSALS_IN_A_ROW: u32 = 20;

/// What was said of one message.
#[derive(Debug)]
pub struct Said<'a> {
    /// To MAIL.
    pub mail: &'a Reply,
    /// To each RCPT that was said: index of the recipient, whether we know that it exists, reply.
    pub recipients: &'a [(usize, bool, Reply)],
    /// To DATA.
    pub data: &'a Reply,
    /// To the end: one for all, or with LMTP one for each recipient that was accepted.
    pub end: &'a [Reply],
}

/// What follows from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// What became of recipients, with the primary's words.
    pub fates: Vec<(usize, Fate, String)>,
    /// Something stays and is tried again.
    pub deferred: bool,
    /// What stays, with the words that it stays for.
    pub waits: Vec<(usize, String)>,
    /// Nothing more goes out until a person has looked.
    pub pause: bool,
    /// The primary took it for somebody.
    pub taken: bool,
    /// The primary refused the contents, or the sender.
    pub refused: bool,
    /// For which recipients it refused the contents, once it had seen all of them.
    pub contents: Vec<usize>,
}

impl Judgement {
    /// Nothing became of it for these recipients: it is tried again.
    pub fn later(recipients: impl Iterator<Item = usize>, words: &str) -> Self {
        Self {
            deferred: true,
            waits: recipients.map(|index| (index, words.to_owned())).collect(),
            ..Self::default()
        }
    }

    fn keep(&mut self, index: usize, reply: &Reply) {
        self.deferred = true;
        self.waits.push((index, reply.to_string()));
    }

    fn quarantine(&mut self, index: usize, reply: &Reply) {
        self.refused = true;
        self.fates
            .push((index, Fate::Quarantined, reply.to_string()));
    }
}

/// What follows if the primary cannot take a message, whoever it is for: nothing was sent.
pub fn unfit(
    can: &Capabilities,
    utf8: bool,
    size: u64,
    waiting: impl Iterator<Item = usize>,
) -> Option<Judgement> {
    let reply = if utf8 && !can.smtputf8 {
        // RFC 6531 §3.2 knows a bounce only. A person sees it here, and can have it tried again
        // when the primary has learned it.
        let words = "not sent: it is addressed in UTF-8, and the primary does not offer SMTPUTF8";
        Reply::fixed(550, (5, 6, 7), words)
    } else {
        let largest = can.size.filter(|largest| size > *largest)?;
        let words = format!("not sent: {size} bytes, and the primary takes {largest} at the most");
        Reply::owned(552, Some((5, 3, 4)), words)
    };
    let mut judged = Judgement::default();
    waiting.for_each(|index| judged.quarantine(index, &reply));
    Some(judged)
}

/// Judges. `canary`: it was sent alone, to see whether the primary is whole. `released`: a person
/// has looked and said yes, so what is refused goes to quarantine.
pub fn judge(said: &Said<'_>, canary: bool, released: bool) -> Judgement {
    let mut judged = Judgement::default();
    let careful = canary && !released;
    match said.mail.code() / 100 {
        2 => {}
        5 => {
            judged.pause = careful;
            for (index, ..) in said.recipients {
                if careful {
                    judged.keep(*index, said.mail);
                } else {
                    judged.quarantine(*index, said.mail);
                }
            }
            return judged;
        }
        _ => {
            for (index, ..) in said.recipients {
                judged.keep(*index, said.mail);
            }
            return judged;
        }
    }
    let mut accepted = 0;
    for (index, known, reply) in said.recipients {
        match reply.code() / 100 {
            2 => {
                let end = match said.end {
                    [one] => Some(one),
                    each => each.get(accepted),
                };
                accepted += 1;
                judge_end(&mut judged, *index, said.data, end, careful);
            }
            // Someone who existed is refused: the primary may have come back empty. Nothing is
            // bounced for that (RFC 5321 §6.1: we are responsible).
            // RFC 3463 X.2.2: the mailbox is full, which has an end.
            5 if reply.enhanced() == Some((5, 2, 2)) => judged.keep(*index, reply),
            5 if (*known || canary) && !released => {
                judged.pause = true;
                judged.keep(*index, reply);
            }
            5 => judged.quarantine(*index, reply),
            _ => judged.keep(*index, reply),
        }
    }
    judged
}

fn judge_end(
    judged: &mut Judgement,
    index: usize,
    data: &Reply,
    end: Option<&Reply>,
    careful: bool,
) {
    let last = match (data.code(), end) {
        (354, Some(end)) => end,
        (400..=599, _) => data,
        // No answer to the end, or one to DATA that the RFC does not know.
        _ => return judged.keep(index, data),
    };
    match last.code() / 100 {
        2 => {
            judged.taken = true;
            judged
                .fates
                .push((index, Fate::HandedBack, last.to_string()));
        }
        5 if careful => {
            judged.pause = true;
            judged.keep(index, last);
        }
        5 => {
            judged.quarantine(index, last);
            // What is said to DATA is about the conversation: nothing was seen of the contents.
            if data.code() == 354 {
                judged.contents.push(index);
            }
        }
        _ => judged.keep(index, last),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply(code: u16) -> Reply {
        Reply::plain(code, "as said")
    }

    fn judged(
        mail: u16,
        recipients: &[(bool, u16)],
        data: u16,
        end: &[u16],
        canary: bool,
        released: bool,
    ) -> Judgement {
        let recipients: Vec<_> = recipients
            .iter()
            .enumerate()
            .map(|(index, (known, code))| (index, *known, reply(*code)))
            .collect();
        let end: Vec<_> = end.iter().copied().map(reply).collect();
        let (mail, data) = (reply(mail), reply(data));
        let said = Said {
            mail: &mail,
            recipients: &recipients,
            data: &data,
            end: &end,
        };
        judge(&said, canary, released)
    }

    fn fates(judgement: &Judgement) -> Vec<(usize, Fate)> {
        judgement
            .fates
            .iter()
            .map(|(index, fate, _)| (*index, *fate))
            .collect()
    }

    #[test]
    fn what_is_taken_is_handed_back() {
        let all = judged(250, &[(true, 250), (true, 250)], 354, &[250], false, false);
        assert_eq!(fates(&all), [(0, Fate::HandedBack), (1, Fate::HandedBack)]);
        assert!(all.taken && !all.pause && !all.deferred);
    }

    #[test]
    fn an_empty_primary_gets_the_canary_and_nothing_bounces() {
        for known in [true, false] {
            let canary = judged(250, &[(known, 550)], 554, &[], true, false);
            assert!(canary.pause && canary.deferred && canary.fates.is_empty());
        }
        for (mail, end) in [(550, 0), (250, 554)] {
            let canary = judged(mail, &[(true, 250)], 354, &[end], true, false);
            assert!(canary.pause && canary.fates.is_empty());
        }
    }

    #[test]
    fn known_people_refused_pause_the_bulk_and_strangers_do_not() {
        let known = judged(250, &[(true, 250), (true, 550)], 354, &[250], false, false);
        assert_eq!(fates(&known), [(0, Fate::HandedBack)]);
        assert!(known.pause && known.deferred);
        let stranger = judged(250, &[(false, 550)], 554, &[], false, false);
        assert_eq!(fates(&stranger), [(0, Fate::Quarantined)]);
        assert!(!stranger.pause);
    }

    #[test]
    fn after_a_persons_yes_refusals_go_to_quarantine() {
        let canary = judged(250, &[(true, 550)], 554, &[], true, true);
        assert_eq!(fates(&canary), [(0, Fate::Quarantined)]);
        assert!(!canary.pause);
    }

    #[test]
    fn contents_refused_are_quarantined_and_temporary_troubles_wait() {
        let refused = judged(250, &[(true, 250)], 354, &[554], false, false);
        assert_eq!(fates(&refused), [(0, Fate::Quarantined)]);
        assert!(refused.refused);
        assert_eq!(refused.contents, [0]);
        // The sender, an unknown recipient, the whole conversation: not the contents.
        for (mail, rcpt, data) in [(550, 503, 503), (250, 550, 554), (250, 250, 554)] {
            let other = judged(mail, &[(false, rcpt)], data, &[], false, false);
            assert_eq!(fates(&other), [(0, Fate::Quarantined)]);
            assert_eq!(other.contents, [0; 0]);
        }
        for (mail, rcpt, data, end) in [
            (451, 503, 503, 0),
            (250, 450, 554, 0),
            (250, 250, 451, 0),
            (250, 250, 354, 451),
        ] {
            let later = judged(mail, &[(true, rcpt)], data, &[end], false, false);
            assert!(later.deferred && later.fates.is_empty() && !later.pause);
        }
    }

    #[test]
    fn a_full_mailbox_waits_and_stops_nobody() {
        let full = [(0, true, Reply::fixed(552, (5, 2, 2), "full"))];
        let (mail, data) = (reply(250), reply(554));
        let said = Said {
            mail: &mail,
            recipients: &full,
            data: &data,
            end: &[],
        };
        let waits = Judgement::later(0..1, "552 5.2.2 full");
        assert_eq!(judge(&said, false, false), waits);
    }

    #[test]
    fn an_answer_to_data_that_nobody_knows_is_no_yes() {
        let odd = judged(250, &[(true, 250)], 250, &[], false, false);
        assert_eq!(odd, Judgement::later(0..1, "250 as said"));
    }

    #[test]
    fn what_the_primary_cannot_take_is_not_sent() {
        let mut can = Capabilities::default();
        assert_eq!(unfit(&can, false, 10, 0..2), None);
        let utf8 = unfit(&can, true, 10, 0..2).unwrap();
        can.size = Some(9);
        let large = unfit(&can, false, 10, 0..2).unwrap();
        for (unfit, why) in [(utf8, "SMTPUTF8"), (large, "takes 9")] {
            let both = [(0, Fate::Quarantined), (1, Fate::Quarantined)];
            assert_eq!(fates(&unfit), both);
            assert!(unfit.fates.iter().all(|(.., words)| words.contains(why)));
        }
    }

    #[test]
    fn lmtp_answers_for_each_accepted_recipient() {
        let said = judged(
            250,
            &[(true, 250), (true, 450), (true, 250)],
            354,
            &[250, 452],
            false,
            false,
        );
        assert_eq!(fates(&said), [(0, Fate::HandedBack)]);
        assert!(said.deferred);
    }
}
