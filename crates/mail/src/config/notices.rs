//! Whom we write to by ourselves: senders whose message was refused or waits, and the reminder to
//! the administrator.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use host::config::Fields;

/// What is told to senders, and when a person is reminded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notices {
    /// A proved sender is told that the primary refused the contents, so long after it did: until
    /// then a person may decide otherwise. `None`: never.
    pub failure: Option<Duration>,
    /// Who asked for it is told that a message waits, after so long. `None`: never.
    pub delay: Option<Duration>,
    /// A person is reminded of mail that is kept longer, once in this time. `None`: never.
    pub reminder: Option<Duration>,
    /// Notifications leave through this host; `None`: straight to the sender's mail exchangers.
    pub relay: Option<SocketAddr>,
    /// Whether mail exchangers at loopback and private addresses are called.
    pub private: bool,
    /// The port of mail exchangers: 25, but in tests.
    pub port: u16,
}

/// Long enough for a person who watches a hand-back that goes wrong.
const FAILURE: Duration = Duration::from_secs(15 * 60);
const REMINDER: Duration = Duration::from_secs(30 * 24 * 3600);

impl Default for Notices {
    fn default() -> Self {
        Self {
            failure: Some(FAILURE),
            delay: None,
            reminder: Some(REMINDER),
            relay: None,
            private: false,
            port: 25,
        }
    }
}

impl Notices {
    /// Reads their keys of `[organisation.mail]`.
    pub(super) fn read(fields: &Fields<'_>) -> Self {
        let usual = Self::default();
        let want = "an address like \"198.51.100.25\" or \"198.51.100.25:2525\", never a name";
        let relay = fields.parse("dsn_relay", want, |text| {
            let alone = || {
                text.parse::<IpAddr>()
                    .ok()
                    .map(|ip| (ip, usual.port).into())
            };
            text.parse().ok().or_else(alone)
        });
        let failure = fields.duration_or_off("failure_dsn");
        let at_least = |key, least: u64, words: &str| {
            let span = fields.duration_or_off(key)?;
            if span.is_some_and(|span| span.as_secs() < least) {
                fields.problem(
                    key,
                    format_args!("is too short; at least \"{words}\", or \"off\""),
                );
            }
            Some(span)
        };
        Self {
            failure: failure.unwrap_or(usual.failure),
            delay: at_least("delay_dsn", 600, "10m").unwrap_or(usual.delay),
            reminder: at_least("reminder", 24 * 3600, "1d").unwrap_or(usual.reminder),
            relay,
            private: fields.boolean("dsn_private").unwrap_or(usual.private),
            port: usual.port,
        }
    }
}
