//! That the standby's own disk takes nothing, and that it does again: told at once, both. Pure.

use std::fmt::Write as _;

use model::{Now, Timestamp};

use super::{About, Desk, Message};

/// What is known of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Trouble {
    news: Disk,
    /// A message said that it began.
    told: bool,
}

/// What a message says of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Disk {
    pub(crate) since: Timestamp,
    pub(crate) over: Option<Timestamp>,
}

impl Desk {
    /// Whether the disk takes what is decided.
    pub(crate) fn look_at_the_disk(&mut self, now: Now, failing: bool, out: &mut Vec<Message>) {
        match (&mut self.disk, failing) {
            (None, false) => return,
            (None, true) => {
                let (since, over) = (now.wall, None);
                let news = Disk { since, over };
                self.disk = Some(Trouble { news, told: false });
            }
            // It is one trouble as long as nobody heard that it is over.
            (Some(trouble), true) => trouble.news.over = None,
            (Some(trouble), false) => trouble.news.over = Some(now.wall),
        }
        self.news(now, About::Ourselves);
        self.wake(now, out);
    }

    /// What is to be told of it.
    pub(super) fn disk_news(&self) -> Option<Disk> {
        let Trouble { news, told } = self.disk?;
        (!told || news.over.is_some()).then_some(news)
    }

    pub(super) fn disk_told(&mut self, message: &Message) {
        let (Some(said), Some(trouble)) = (message.disk, &mut self.disk) else {
            return;
        };
        trouble.told = true;
        if said.over.is_some() && said.over == trouble.news.over {
            self.disk = None;
        }
    }
}

impl Disk {
    /// One line.
    pub(super) fn subject(self) -> &'static str {
        match self.over {
            None => "this standby's disk takes nothing",
            Some(_) => "this standby's disk takes writes again",
        }
    }

    pub(super) fn write(self, text: &mut String) {
        let since = self.since;
        let _ = match self.over {
            None => writeln!(
                text,
                "\nSince {since} the disk takes no write. Names and the public page are served all the same,\n\
                 and of the website's copy the start pages and what the disk still gives. What is\n\
                 decided holds in memory only, and a restart would forget it. No mail and no statement\n\
                 is taken: senders hear 451 and come again.\n  why: servergate status\n  \
                 free space on the disk, or mend it; Servergate goes on by itself"
            ),
            Some(over) => writeln!(
                text,
                "\nFrom {since} to {over} the disk took no write. What was decided meanwhile is written;\n\
                 mail and statements are taken again. Nothing that was acknowledged is lost."
            ),
        };
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use model::{Mono, Standings};

    use super::super::{Before, Phrasebook, words};
    use super::*;

    fn at(seconds: u64) -> Now {
        Now {
            mono: Mono::default().after(Duration::from_secs(seconds)),
            wall: Timestamp::from_millis(i64::try_from(seconds * 1000).unwrap()),
        }
    }

    fn text(message: &Message) -> String {
        let written = words::write(message, &Standings::default(), &Phrasebook::default());
        assert_eq!(written.kind, "disk");
        written.text
    }

    #[test]
    fn that_the_disk_fails_is_told_once_and_that_it_is_back_once() {
        let mut desk = Desk::new(Before::default(), Duration::from_secs(5));
        let mut out = Vec::new();
        desk.look_at_the_disk(at(10), false, &mut out);
        assert_eq!(desk.next_wakeup(at(10)), None);
        desk.look_at_the_disk(at(20), true, &mut out);
        desk.wake(at(25), &mut out);
        let message = out.pop().unwrap();
        assert!(text(&message).contains("takes nothing"));
        desk.sent(at(26), &message, &mut out);
        desk.wake(at(600), &mut out);
        assert_eq!(out, []);
        desk.look_at_the_disk(at(700), false, &mut out);
        desk.wake(at(705), &mut out);
        let message = out.pop().unwrap();
        assert!(text(&message).contains("takes writes again"));
        desk.sent(at(706), &message, &mut out);
        desk.wake(at(9000), &mut out);
        assert_eq!(out, []);
    }

    #[test]
    fn what_came_back_before_it_was_told_is_one_message() {
        let mut desk = Desk::new(Before::default(), Duration::from_secs(5));
        let mut out = Vec::new();
        desk.look_at_the_disk(at(20), true, &mut out);
        desk.look_at_the_disk(at(22), false, &mut out);
        desk.wake(at(40), &mut out);
        let [message] = &out[..] else {
            panic!("{out:?}")
        };
        assert!(text(message).contains("From 1970"));
        let message = message.clone();
        out.clear();
        desk.sent(at(41), &message, &mut out);
        assert_eq!(desk.next_wakeup(at(41)), None);
    }
}
