//! Messages handed over to another end that answers as it likes.

use super::*;

/// Plays a delivery of messages that follow each other, against lines as the other end says them;
/// gives what was said to it, and what was heard of each message.
struct Play {
    delivery: Delivery,
    waiting: VecDeque<usize>,
    asked: VecDeque<Verb>,
    said: Vec<String>,
    over: Vec<Said>,
}

impl Play {
    fn new(protocol: Protocol, pipelining: bool, recipients: &[usize]) -> Self {
        let mut play = Self {
            delivery: Delivery::new(protocol, pipelining),
            waiting: recipients.iter().copied().collect(),
            asked: VecDeque::new(),
            said: Vec::new(),
            over: Vec::new(),
        };
        play.begin();
        play
    }

    fn begin(&mut self) {
        if !self.delivery.may_begin() {
            return;
        }
        if let Some(recipients) = self.waiting.pop_front() {
            let line = |text: &str| Bytes::from(format!("{text}\r\n"));
            self.delivery.begin(Announcement {
                mail: line("MAIL"),
                recipients: vec![line("RCPT"); recipients],
            });
        }
        self.steps();
    }

    fn steps(&mut self) {
        while let Some(step) = self.delivery.step() {
            match step {
                Step::Say(Command::Line(verb, line)) => {
                    self.asked.push_back(verb);
                    self.said
                        .push(String::from_utf8_lossy(&line).trim_end().to_owned());
                }
                Step::Say(Command::End { replies }) => {
                    self.asked.extend(std::iter::repeat_n(Verb::End, replies));
                    self.said.push(".".to_owned());
                }
                Step::Say(other) => panic!("{other:?}"),
                Step::Contents => {
                    self.said.push("contents".to_owned());
                    self.delivery.contents_sent();
                    self.begin();
                }
                Step::Over(said) => {
                    self.over.push(*said);
                    self.begin();
                }
                Step::Close => self.said.push("close".to_owned()),
            }
        }
    }

    /// The other end says these, one after the other.
    fn hear(&mut self, codes: &[u16]) -> String {
        for code in codes {
            let verb = self.asked.pop_front().unwrap();
            self.delivery.replied(verb, Reply::plain(*code, "so"));
            self.steps();
        }
        std::mem::take(&mut self.said).join(" ")
    }
}

#[test]
fn a_message_costs_one_round_trip() {
    let mut play = Play::new(Protocol::Smtp, true, &[1, 2]);
    assert_eq!(play.hear(&[]), "MAIL RCPT DATA");
    // The next is announced with the end.
    assert_eq!(
        play.hear(&[250, 250, 354]),
        "contents . MAIL RCPT RCPT DATA"
    );
    assert_eq!(play.hear(&[250, 250, 250, 450, 354]), "contents .");
    assert_eq!(play.hear(&[250]), "");
    assert!(play.delivery.is_idle());
    assert_eq!(play.over.len(), 2);
}

#[test]
fn every_way_out_of_a_transaction_leads_to_the_next_mail() {
    for (pipelining, heard, said) in [
        // All recipients refused, whatever is said to DATA.
        (true, &[250, 550, 503][..], "RSET MAIL RCPT DATA"),
        (true, &[250, 550, 554], "RSET MAIL RCPT DATA"),
        // DATA taken for nobody: a lone dot, and RSET after its answer.
        (true, &[250, 550, 354], "."),
        (true, &[250, 550, 354, 250], ". RSET MAIL RCPT DATA"),
        (true, &[250, 550, 354, 554], ". RSET MAIL RCPT DATA"),
        // DATA refused though somebody was accepted.
        (true, &[250, 250, 451], "RSET MAIL RCPT DATA"),
        // The sender refused: nothing was begun.
        (true, &[550, 503, 503], "MAIL RCPT DATA"),
        // A transaction of which nobody knows.
        (true, &[503, 503, 503], "RSET MAIL RCPT DATA"),
        (true, &[503, 250, 354], "close"),
        (true, &[550, 250, 354], "close"),
        (true, &[250, 250, 421], "close"),
        // Without PIPELINING nothing is said that is in vain.
        (false, &[550], "MAIL"),
        (false, &[250, 550], "RCPT RSET"),
        (false, &[250, 550, 250], "RCPT RSET MAIL"),
        (false, &[250, 550, 500], "RCPT RSET close"),
        (false, &[250, 250, 451], "RCPT DATA RSET"),
    ] {
        let mut play = Play::new(Protocol::Smtp, pipelining, &[1, 1]);
        play.hear(&[]);
        assert_eq!(play.hear(heard), said, "{heard:?}");
        assert!(play.over.iter().all(|one| !one.sent), "{heard:?}");
    }
}

#[test]
fn after_contents_were_refused_rset_goes_before_what_is_not_announced_yet() {
    let mut play = Play::new(Protocol::Smtp, true, &[1]);
    play.hear(&[250, 250, 354]);
    assert_eq!(play.hear(&[554]), "RSET");
    assert!(!play.delivery.is_idle());
    play.hear(&[250]);
    assert!(play.delivery.is_idle());
}

#[test]
fn a_transaction_that_was_kept_open_gets_no_contents_of_the_next_message() {
    let mut play = Play::new(Protocol::Smtp, true, &[1, 1, 1]);
    play.hear(&[250, 250, 354]);
    // The contents are refused, and the transaction goes on: it takes the next recipient into it.
    assert_eq!(play.hear(&[554, 503, 250, 354]), "close");
    let [first, second] = &play.over[..] else {
        panic!("{:?}", play.over)
    };
    assert!(first.sent && !second.sent && second.void);
}

#[test]
fn lmtp_has_an_end_for_each_who_was_accepted() {
    let mut play = Play::new(Protocol::Lmtp, true, &[3, 1]);
    play.hear(&[250, 250, 550, 250, 354]);
    play.hear(&[250]);
    assert!(play.over.is_empty());
    play.hear(&[550, 250]);
    let ends: Vec<u16> = play.over[0].end.iter().map(Reply::code).collect();
    assert_eq!(ends, [250, 550]);
    // RFC 2033 §4.2 knows no answer to contents for nobody.
    let mut play = Play::new(Protocol::Lmtp, true, &[1]);
    play.hear(&[]);
    assert_eq!(play.hear(&[250, 550, 354]), "close");
}

#[test]
fn what_was_under_way_when_the_connection_broke_is_over_once() {
    for (heard, sent) in [
        (&[][..], false),
        (&[250, 250], false),
        (&[250, 250, 354], true),
    ] {
        let mut play = Play::new(Protocol::Smtp, true, &[1, 1]);
        play.hear(heard);
        play.delivery.lost();
        play.delivery.lost();
        play.steps();
        assert_eq!(play.over[0].sent, sent);
        assert_eq!(play.over.len(), if sent { 2 } else { 1 });
        assert!(play.over[0].end.is_empty());
    }
}
