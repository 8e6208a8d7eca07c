//! How much the primary takes at a time. "Not now" is often said not of a message but of how many
//! there were: from one sender, from one client, from anybody (Postfix' `smtpd_client_*_rate_limit`,
//! Exim's `ratelimit`, a queue without space). Then all whom it concerns wait together, and go on
//! together as soon as one of them is taken; each for itself they would wait longer and longer.
//! Pure.
//!
//! One message decides nothing. Several of one sender in a row, with nothing taken between them,
//! speak for a limit of that sender; several senders in a row for one of their client; several
//! clients in a row for one of all.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use model::Mono;

/// So many different ones in a row speak for a limit that they share.
const SEVERAL: usize = 3;
/// The first wait; doubled while nothing is taken after it, up to the longest. Limits are usually
/// counted over a minute.
const FIRST: Duration = Duration::from_secs(5);
const LONGEST: Duration = Duration::from_secs(120);
/// Senders and clients that are remembered, each.
const NAMES: usize = 4096;

/// Who is put off until when.
#[derive(Debug, Default)]
pub struct Pace {
    senders: BTreeMap<String, Gate<u64>>,
    clients: BTreeMap<IpAddr, Gate<String>>,
    all: Gate<IpAddr>,
}

/// What lets pass or puts off.
#[derive(Debug)]
struct Gate<T> {
    /// Different ones that were put off since the last one was taken: several at the most.
    row: Vec<T>,
    until: Option<Mono>,
    /// The last wait, if nothing was taken since.
    wait: Option<Duration>,
}

impl<T> Default for Gate<T> {
    fn default() -> Self {
        Self {
            row: Vec::new(),
            until: None,
            wait: None,
        }
    }
}

impl<T: PartialEq> Gate<T> {
    fn closed(&self, now: Mono) -> Option<Mono> {
        self.until.filter(|until| *until > now)
    }

    fn close(&mut self, now: Mono) {
        // Whoever was under way when it closed says nothing new.
        if self.closed(now).is_some() {
            return;
        }
        let wait = self.wait.map_or(FIRST, |last| (last * 2).min(LONGEST));
        (self.wait, self.until) = (Some(wait), Some(now.after(wait)));
        self.row.clear();
    }

    fn put_off(&mut self, who: T, now: Mono) {
        if self.closed(now).is_none() && !self.row.contains(&who) {
            self.row.push(who);
        }
        if self.row.len() >= SEVERAL {
            self.close(now);
        }
    }

    fn taken(&mut self, now: Mono) {
        // What was announced before it closed may still be taken.
        if self.closed(now).is_none() {
            *self = Self::default();
        }
    }
}

impl Pace {
    /// Until when messages of this sender and client had better not be sent.
    pub fn until(&self, sender: &str, client: IpAddr, now: Mono) -> Option<Mono> {
        let sender = self.senders.get(sender).and_then(|gate| gate.closed(now));
        sender.max(self.shared(client, now))
    }

    /// Until when nobody's messages over this client had better be sent.
    fn shared(&self, client: IpAddr, now: Mono) -> Option<Mono> {
        let client = self.clients.get(&client).and_then(|gate| gate.closed(now));
        client.max(self.all.closed(now))
    }

    /// The primary took a message.
    pub fn taken(&mut self, sender: &str, client: IpAddr, now: Mono) {
        if let Some(gate) = self.senders.get_mut(sender) {
            gate.taken(now);
        }
        if let Some(gate) = self.clients.get_mut(&client) {
            gate.taken(now);
        }
        self.all.taken(now);
    }

    /// The primary put a client off, whoever sends. Until when.
    pub fn put_off_client(&mut self, client: IpAddr, now: Mono) -> Option<Mono> {
        if let Some(gate) = place(&mut self.clients, &client, now) {
            gate.close(now);
        }
        self.all.put_off(client, now);
        self.shared(client, now)
    }

    /// The primary put a message off because of how many there were. Until when, if that is not
    /// this sender's matter alone: then it was no attempt of the message's own.
    pub fn put_off(
        &mut self,
        message: u64,
        sender: &str,
        client: IpAddr,
        now: Mono,
    ) -> Option<Mono> {
        if let Some(gate) = place(&mut self.senders, &sender.to_owned(), now) {
            gate.put_off(message, now);
        }
        if let Some(gate) = place(&mut self.clients, &client, now) {
            gate.put_off(sender.to_owned(), now);
        }
        self.all.put_off(client, now);
        self.shared(client, now)
    }
}

/// The gate of this name. Where there are too many, those that put nobody off make room; if there
/// are none, this one is not remembered.
fn place<'a, K: Ord + Clone, T: PartialEq>(
    gates: &'a mut BTreeMap<K, Gate<T>>,
    name: &K,
    now: Mono,
) -> Option<&'a mut Gate<T>> {
    if gates.len() >= NAMES && !gates.contains_key(name) {
        gates.retain(|_, gate| gate.closed(now).is_some());
        if gates.len() >= NAMES {
            return None;
        }
    }
    Some(gates.entry(name.clone()).or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const TWO: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    fn at(seconds: u64) -> Mono {
        Mono::default().after(Duration::from_secs(seconds))
    }

    fn client(number: u8) -> IpAddr {
        IpAddr::from([198, 51, 100, number])
    }

    #[test]
    fn one_message_that_is_put_off_stops_nothing_else() {
        let mut pace = Pace::default();
        for second in 0..500 {
            assert_eq!(pace.put_off(1, "a", ONE, at(second)), None);
            assert_eq!(pace.until("a", ONE, at(second)), None);
        }
    }

    #[test]
    fn several_messages_in_a_row_are_a_limit_of_their_sender() {
        let mut pace = Pace::default();
        for message in 0..500 {
            assert_eq!(pace.put_off(message, "a", ONE, at(message)), None);
            assert_eq!(pace.until("b", ONE, at(message)), None);
        }
        assert!(pace.until("a", ONE, at(499)).is_some());
    }

    #[test]
    fn several_senders_in_a_row_are_a_limit_of_their_client() {
        let mut pace = Pace::default();
        assert_eq!(pace.put_off(1, "a", ONE, at(0)), None);
        assert_eq!(pace.put_off(2, "b", ONE, at(0)), None);
        pace.taken("d", ONE, at(0));
        assert_eq!(pace.put_off(1, "a", ONE, at(0)), None);
        assert_eq!(pace.put_off(2, "b", ONE, at(0)), None);
        assert_eq!(pace.put_off(3, "c", ONE, at(0)), Some(at(5)));
        assert_eq!(pace.until("e", ONE, at(4)), Some(at(5)));
        assert_eq!(pace.until("e", TWO, at(4)), None);
        assert_eq!(pace.until("e", ONE, at(5)), None);
    }

    #[test]
    fn several_clients_in_a_row_are_a_limit_of_all() {
        let mut pace = Pace::default();
        assert_eq!(pace.put_off(1, "a", client(1), at(0)), None);
        assert_eq!(pace.put_off(2, "a", client(2), at(0)), None);
        assert_eq!(pace.put_off(3, "a", client(3), at(0)), Some(at(5)));
        assert_eq!(pace.until("z", client(9), at(1)), Some(at(5)));
    }

    #[test]
    fn a_client_who_is_put_off_before_he_named_a_sender_stops_no_other() {
        let mut pace = Pace::default();
        assert_eq!(pace.put_off_client(ONE, at(0)), Some(at(5)));
        assert_eq!(pace.until("a", ONE, at(0)), Some(at(5)));
        assert_eq!(pace.until("a", TWO, at(0)), None);
    }

    #[test]
    fn the_wait_grows_while_nothing_is_taken_and_only_then() {
        let mut pace = Pace::default();
        let close = |pace: &mut Pace, second| {
            let senders = ["a", "b", "c"];
            let until = senders.map(|sender| pace.put_off(1, sender, ONE, at(second)));
            until[2].unwrap()
        };
        let mut now = 0;
        for wait in [5, 10, 20, 40, 80, 120, 120] {
            assert_eq!(close(&mut pace, now), at(now + wait));
            // Those that were under way change nothing.
            assert_eq!(pace.put_off(4, "d", ONE, at(now + 1)), Some(at(now + wait)));
            pace.taken("e", ONE, at(now + 1));
            now += wait;
        }
        pace.taken("a", ONE, at(now));
        assert_eq!(close(&mut pace, now), at(now + 5));
    }

    #[test]
    fn names_that_are_remembered_are_bounded() {
        let mut pace = Pace::default();
        for number in 0..=NAMES as u64 * 3 {
            pace.put_off(number, &(number / 3).to_string(), ONE, at(0));
        }
        assert_eq!(pace.senders.len(), NAMES);
        pace.put_off(1, "later", ONE, at(1000));
        assert_eq!(pace.senders.len(), 1);
    }
}
