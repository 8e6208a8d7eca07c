//! The timetable of one transferred zone: when to ask the primary, what to fetch, how long to
//! serve without having reached it. Pure: (state, now, input) → actions; `keeper` carries them
//! out and reports back.
//!
//! ```text
//!            refresh due, NOTIFY, primary back           newer serial
//!   ┌──────┐ ─────────────────────────────▶ ┌────────┐ ──────────────▶ ┌──────────┐
//!   │ Idle │                                │ Asking │                 │ Fetching │──┐ IXFR does
//!   └──────┘ ◀───────────────────────────── └────────┘                 └──────────┘◀─┘ not work:
//!       ▲      same serial, or no answer                                    │          AXFR
//!       └───────────────────────────────────────────────────────────────────┘
//!                          new version kept, or failed (retry later)
//! ```
//!
//! Beside it stands whether the zone is served at all: from the first version on until EXPIRE
//! (RFC 1035 §3.3.13), and past it for as long as the verdict on the organisation's name servers
//! says dark and the option allows it. Refresh and retry: RFC 1035 §4.3.5; NOTIFY: RFC 1996;
//! IXFR: RFC 1995; serials: RFC 1982.

use std::time::Duration;

use model::{Mono, Now, Timestamp};

use crate::zone::Soa;

/// Nobody is asked more often than this, whatever the SOA says.
const SHORTEST_REFRESH: Duration = Duration::from_secs(10);
/// Nor more seldom.
const LONGEST_REFRESH: Duration = Duration::from_secs(24 * 3600);
/// The first wait while there is no version at all; doubled up to [`LONGEST_FIRST_WAIT`].
const FIRST_WAIT: Duration = Duration::from_secs(5);
const LONGEST_FIRST_WAIT: Duration = Duration::from_secs(600);
/// After an attempt that brought nothing new, a NOTIFY waits so long: it is easily forged.
const NOTIFY_PAUSE: Duration = Duration::from_secs(1);
/// When the primary is back and the zone is past EXPIRE, one refresh may take so long.
const GRACE: Duration = Duration::from_secs(60);
/// A connection that breaks is no reason to send everything; when as many incremental transfers in
/// a row broke off, the difference itself is to blame, and the whole zone is asked for.
const MOST_BROKEN: u8 = 2;
/// That the primary was reached is written down no more often than this.
const SAVE_EVERY: Duration = Duration::from_secs(300);

/// Whether serial `new` comes after `old` (RFC 1982 §3.2); for serials exactly half the circle
/// apart nothing is defined, and neither is newer.
pub fn is_newer(new: u32, old: u32) -> bool {
    let ahead = new.wrapping_sub(old);
    ahead != 0 && ahead < 0x8000_0000
}

/// What does not change while it runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Whether the zone is served past EXPIRE while its primary is dark.
    pub serve_past_expire: bool,
    /// 0 to 999, different for each zone, so that not all are refreshed in the same second.
    pub spread: u16,
}

/// What is transferred.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fetch {
    /// IXFR from this serial.
    Incremental(u32),
    /// AXFR; taken if it is newer than what is held.
    Whole,
    /// AXFR, by a person's word: taken whatever its serial is.
    Anew,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Input {
    /// The store held a version, last confirmed at the given time; and whether its primary was
    /// dark when that was written.
    Restored {
        /// The version's numbers.
        soa: Soa,
        /// When the primary last confirmed it.
        refreshed_at: Timestamp,
        /// Whether the primary was dark.
        dark: bool,
    },
    /// The primary says that something changed, perhaps with the serial.
    Notified(Option<u32>),
    /// The primary answered with its serial.
    Asked(u32),
    /// The primary did not answer, or wrongly.
    NotAnswered,
    /// A new version was transferred, is durable, and is served.
    Transferred(Soa),
    /// The transfer said that there is nothing newer than what is held; the primary's serial.
    UpToDate(u32),
    /// The primary did not do what was asked: IXFR is answered by AXFR next.
    Refused,
    /// The transfer broke off.
    Broken,
    /// The verdict on the organisation's name servers: dark or not.
    Dark(bool),
    /// A person wants to know whether there is anything new, now.
    Refresh,
    /// A person wants the whole zone again, whatever its serial is.
    Refetch,
    /// Time passed.
    Tick,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Ask the primary for its serial.
    Ask,
    /// Transfer.
    Fetch(Fetch),
    /// Serve what is held, or stop serving it.
    Serve(bool),
    /// Write down what [`Secondary::saved`] says.
    Save,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle { at: Mono },
    Asking,
    Fetching(Fetch),
}

/// What survives a restart, beside the zone itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Saved {
    /// When the primary last confirmed the version.
    pub refreshed_at: Timestamp,
    /// Whether the primary was dark.
    pub dark: bool,
}

#[derive(Clone, Copy, Debug)]
struct Held {
    soa: Soa,
    refreshed_at: Timestamp,
    expires: Mono,
}

/// The machine of one zone.
#[derive(Clone, Debug)]
pub struct Secondary {
    settings: Settings,
    state: State,
    held: Option<Held>,
    serving: bool,
    dark: bool,
    failures: u32,
    notified: Option<Option<u32>>,
    notify_from: Mono,
    behind: Option<u32>,
    /// How many incremental transfers broke off since the last success.
    broken: u8,
    /// The `refreshed_at` that was written down last.
    saved_at: Option<Timestamp>,
}

impl Secondary {
    /// A zone of which nothing is held yet; due at once.
    pub fn new(now: Now, settings: Settings) -> Self {
        Self {
            settings,
            state: State::Idle { at: now.mono },
            held: None,
            serving: false,
            dark: false,
            failures: 0,
            notified: None,
            notify_from: now.mono,
            behind: None,
            broken: 0,
            saved_at: None,
        }
    }

    /// When to call again with [`Input::Tick`], if nothing happens before.
    pub fn next_wakeup(&self) -> Option<Mono> {
        let due = match self.state {
            State::Idle { at } if self.notified.is_some() => Some(at.min(self.notify_from)),
            State::Idle { at } => Some(at),
            State::Asking | State::Fetching(_) => None,
        };
        let held = self.held.filter(|_| self.serving && !self.is_exempt());
        due.into_iter().chain(held.map(|held| held.expires)).min()
    }

    /// Whether the zone is answered from.
    pub fn is_serving(&self) -> bool {
        self.serving
    }

    /// When it will no longer be; `None` while nothing is served or no end is set.
    pub fn expires(&self) -> Option<Mono> {
        self.held.filter(|_| self.serving).map(|held| held.expires)
    }

    /// The primary's serial, where it is older than ours: nothing will be transferred then.
    pub fn behind(&self) -> Option<u32> {
        self.behind
    }

    /// When the primary is asked next; `None` while that is under way.
    pub fn next_try(&self) -> Option<Mono> {
        match self.state {
            State::Idle { at } => Some(at),
            State::Asking | State::Fetching(_) => None,
        }
    }

    /// Whether the primary is taken to be dark.
    pub(crate) fn is_dark(&self) -> bool {
        self.dark
    }

    /// What to write down at [`Action::Save`].
    pub fn saved(&self) -> Option<Saved> {
        self.held.map(|held| Saved {
            refreshed_at: held.refreshed_at,
            dark: self.dark,
        })
    }

    /// Takes one input.
    pub fn handle(&mut self, now: Now, input: Input, out: &mut Vec<Action>) {
        match input {
            Input::Restored {
                soa,
                refreshed_at,
                dark,
            } => {
                self.dark = dark;
                self.saved_at = Some(refreshed_at);
                self.restore(now, soa, refreshed_at);
                if !self.is_expired(now) {
                    self.serve(true, out);
                }
            }
            Input::Notified(serial) => self.notify(serial),
            Input::Asked(serial) => self.asked(now, serial, out),
            Input::Transferred(soa) => self.transferred(now, soa, out),
            Input::UpToDate(serial) => self.up_to_date(now, serial, out),
            Input::Refused => self.refused(now, out),
            Input::Broken => {
                if let State::Fetching(Fetch::Incremental(_)) = self.state {
                    self.broken = self.broken.saturating_add(1);
                }
                self.failed(now);
            }
            Input::NotAnswered => self.failed(now),
            Input::Dark(dark) => self.set_dark(now, dark, out),
            Input::Refresh => {
                if let State::Idle { at } = &mut self.state {
                    *at = now.mono;
                }
            }
            Input::Refetch => {
                if let State::Idle { .. } = self.state {
                    self.fetch(Fetch::Anew, out);
                }
            }
            Input::Tick => {}
        }
        self.start(now, out);
        if self.serving && self.is_expired(now) {
            self.serve(false, out);
        }
    }

    fn restore(&mut self, now: Now, soa: Soa, refreshed_at: Timestamp) {
        let age = now.wall.since(refreshed_at);
        let left = seconds(soa.expire).saturating_sub(age);
        self.held = Some(Held {
            soa,
            refreshed_at,
            expires: now.mono.after(left),
        });
        // The primary is asked right after a start, whatever the timetable says.
        self.state = State::Idle { at: now.mono };
    }

    fn notify(&mut self, serial: Option<u32>) {
        let held = self.held.map(|held| held.soa.serial);
        // RFC 1996 §3.7: a serial that we know the primary to have is no news. One that went
        // backwards is, although it will not be transferred.
        let known = self.behind.or(held);
        if serial.is_none() || serial != known {
            self.notified = Some(serial);
        }
    }

    /// Leaves Idle if something is due.
    fn start(&mut self, now: Now, out: &mut Vec<Action>) {
        let State::Idle { at } = self.state else {
            return;
        };
        let notified = self.notified.is_some() && now.mono >= self.notify_from;
        if now.mono < at && !notified {
            return;
        }
        let hint = self.notified.take().flatten();
        match self.held {
            None => self.fetch(Fetch::Whole, out),
            // The transfer says itself whether there is anything new.
            Some(held) if hint.is_some_and(|serial| is_newer(serial, held.soa.serial)) => {
                self.fetch_next(held, out);
            }
            Some(_) => {
                self.state = State::Asking;
                out.push(Action::Ask);
            }
        }
    }

    fn fetch(&mut self, what: Fetch, out: &mut Vec<Action>) {
        self.state = State::Fetching(what);
        out.push(Action::Fetch(what));
    }

    /// The version after the one held.
    fn fetch_next(&mut self, held: Held, out: &mut Vec<Action>) {
        let what = match self.broken {
            0..MOST_BROKEN => Fetch::Incremental(held.soa.serial),
            _ => Fetch::Whole,
        };
        self.fetch(what, out);
    }

    fn asked(&mut self, now: Now, serial: u32, out: &mut Vec<Action>) {
        if self.state != State::Asking {
            return;
        }
        match self.held {
            Some(held) if is_newer(serial, held.soa.serial) => self.fetch_next(held, out),
            Some(_) => self.up_to_date(now, serial, out),
            None => self.fetch(Fetch::Whole, out),
        }
    }

    /// The primary's serial is that of the version held, or older.
    fn up_to_date(&mut self, now: Now, serial: u32, out: &mut Vec<Action>) {
        let held = self.held.map(|held| held.soa.serial);
        self.behind = Some(serial).filter(|_| held.is_some_and(|held| held != serial));
        self.broken = 0;
        self.confirmed(now, out);
    }

    fn transferred(&mut self, now: Now, soa: Soa, out: &mut Vec<Action>) {
        let serial_changed = self.held.is_none_or(|held| held.soa.serial != soa.serial);
        self.restore(now, soa, now.wall);
        self.behind = None;
        self.broken = 0;
        self.settle(now);
        if serial_changed {
            self.notify_from = now.mono;
        }
        self.serve(true, out);
        // The version itself was written together with its time.
        self.saved_at = Some(now.wall);
    }

    /// The primary has nothing newer than what is held.
    fn confirmed(&mut self, now: Now, out: &mut Vec<Action>) {
        let Some(held) = self.held else {
            return self.failed(now);
        };
        self.restore(now, held.soa, now.wall);
        self.settle(now);
        self.serve(true, out);
        if self
            .saved_at
            .is_none_or(|at| now.wall.since(at) >= SAVE_EVERY)
        {
            self.save(out);
        }
    }

    /// Back to Idle after a success.
    fn settle(&mut self, now: Now) {
        self.failures = 0;
        let refresh = self
            .held
            .map_or(FIRST_WAIT, |held| seconds(held.soa.refresh));
        let refresh = refresh.clamp(SHORTEST_REFRESH, LONGEST_REFRESH);
        // Up to a tenth earlier, a different share for each zone.
        let early = refresh / 10 * u32::from(self.settings.spread.min(999)) / 1000;
        self.state = State::Idle {
            at: now.mono.after(refresh.saturating_sub(early)),
        };
        self.notify_from = now.mono.after(NOTIFY_PAUSE);
        if let (Some(Some(serial)), Some(held)) = (self.notified, self.held)
            && !is_newer(serial, held.soa.serial)
        {
            self.notified = None;
        }
    }

    fn refused(&mut self, now: Now, out: &mut Vec<Action>) {
        match self.state {
            State::Fetching(Fetch::Incremental(_)) => self.fetch(Fetch::Whole, out),
            _ => self.failed(now),
        }
    }

    fn failed(&mut self, now: Now) {
        self.failures = self.failures.saturating_add(1);
        let wait = match self.held {
            Some(held) => {
                let longest = seconds(held.soa.refresh).clamp(SHORTEST_REFRESH, LONGEST_REFRESH);
                seconds(held.soa.retry).clamp(SHORTEST_REFRESH, longest)
            }
            None => {
                let doubled =
                    FIRST_WAIT.saturating_mul(1 << self.failures.min(8).saturating_sub(1));
                doubled.min(LONGEST_FIRST_WAIT)
            }
        };
        self.state = State::Idle {
            at: now.mono.after(wait),
        };
        self.notify_from = now.mono.after(NOTIFY_PAUSE);
    }

    fn set_dark(&mut self, now: Now, dark: bool, out: &mut Vec<Action>) {
        if self.dark == dark {
            return;
        }
        let was_exempt = self.is_exempt();
        self.dark = dark;
        if let Some(held) = &mut self.held {
            if dark && self.settings.serve_past_expire {
                // Even where it had stopped: the verdict came later than EXPIRE.
                self.serve(true, out);
            } else if was_exempt && held.expires <= now.mono {
                held.expires = now.mono.after(GRACE);
            }
            self.save(out);
        }
        if let (false, State::Idle { at }) = (dark, &mut self.state) {
            *at = now.mono;
        }
    }

    fn save(&mut self, out: &mut Vec<Action>) {
        self.saved_at = self.held.map(|held| held.refreshed_at);
        out.push(Action::Save);
    }

    fn serve(&mut self, serve: bool, out: &mut Vec<Action>) {
        if self.serving != serve {
            self.serving = serve;
            out.push(Action::Serve(serve));
        }
    }

    fn is_exempt(&self) -> bool {
        self.dark && self.settings.serve_past_expire
    }

    fn is_expired(&self, now: Now) -> bool {
        !self.is_exempt() && self.held.is_some_and(|held| held.expires <= now.mono)
    }
}

fn seconds(count: u32) -> Duration {
    Duration::from_secs(u64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn serials_are_compared_around_the_circle() {
        assert!(is_newer(2, 1));
        assert!(is_newer(0, u32::MAX));
        assert!(!is_newer(1, 1));
        assert!(!is_newer(1, 2));
        assert!(!is_newer(0x8000_0001, 1) && !is_newer(1, 0x8000_0001));
    }
}
