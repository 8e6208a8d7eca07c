//! A trial of the primary before it matters: does it take us for one guest, or see who they are?
//!
//! What is relayed reaches the primary from the standby's address. A primary that counts by client
//! soon limits or bans that address, unless it believes the header fields in which the true guest
//! stands. Asked for many guests, one question each, a primary that sees them limits none.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use host::web::{Body, Guest};
use http::request::Parts;
use http::{Method, Request};

use crate::relay::{Relay, Urgency};

/// Questions in a row. A visitor's first page is about as many.
const QUESTIONS: u8 = 24;
/// How long all of it may take; a person waits.
const LIMIT: Duration = Duration::from_secs(20);

/// What the primary answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trial {
    /// Requests that were answered.
    pub answered: u8,
    /// How many of them were refused although the first was not, and with which status first.
    pub refused: Option<(u8, u16)>,
    /// The first request was refused already, with this status.
    pub denied: Option<u16>,
    /// The primary stopped answering, or all of it took too long.
    pub broke_off: bool,
}

/// Asks the primary for its start page on behalf of many guests.
pub(crate) async fn run(relay: &Relay, host: &str) -> Trial {
    let mut trial = Trial::default();
    let asking = async {
        for number in 1..=QUESTIONS {
            let Some(head) = question(host, number) else {
                return;
            };
            let passed = relay.pass(host, &head, Body::empty(), Urgency::Always);
            match passed.await {
                Ok(response) => trial.take(response.status().as_u16()),
                Err(_) => {
                    trial.broke_off = true;
                    return;
                }
            }
        }
    };
    if tokio::time::timeout(LIMIT, asking).await.is_err() {
        trial.broke_off = true;
    }
    trial
}

impl Trial {
    fn take(&mut self, status: u16) {
        // RFC 9110 §15.5.4, RFC 6585 §4; many servers say 503 of their limits.
        let refusal = matches!(status, 403 | 429 | 503);
        match (refusal, self.answered) {
            (true, 0) => self.denied = Some(status),
            (true, _) if self.denied.is_none() => {
                let (count, first) = self.refused.unwrap_or((0, status));
                self.refused = Some((count + 1, first));
            }
            _ => {}
        }
        self.answered += 1;
    }
}

/// A question of a guest who is nobody (RFC 5737: addresses for documentation).
fn question(host: &str, number: u8) -> Option<Parts> {
    let request = Request::builder()
        .method(Method::HEAD)
        .uri("/")
        .header("host", host)
        .header("user-agent", "servergate (ready)");
    let (mut head, ()) = request.body(()).ok()?.into_parts();
    let address = SocketAddr::from((Ipv4Addr::new(203, 0, 113, number), 0));
    head.extensions.insert(Guest {
        address,
        secure: true,
    });
    Some(head)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(statuses: &[u16]) -> Trial {
        let mut trial = Trial::default();
        statuses.iter().for_each(|status| trial.take(*status));
        trial
    }

    #[test]
    fn what_is_refused_after_a_yes_is_a_limit_and_before_it_a_refusal() {
        let good = judged(&[200; 24]);
        assert_eq!((good.answered, good.refused, good.denied), (24, None, None));
        let limited = judged(&[301, 301, 429, 503, 301]);
        assert_eq!((limited.refused, limited.denied), (Some((2, 429)), None));
        let banned = judged(&[403, 403]);
        assert_eq!((banned.refused, banned.denied), (None, Some(403)));
        let honest = judged(&[200, 404, 500]);
        assert_eq!((honest.refused, honest.denied), (None, None));
    }

    #[test]
    fn each_question_is_another_guests() {
        let guest = |number| question("verein.test", number)?.extensions.get().copied();
        let (first, second): (Option<Guest>, Option<Guest>) = (guest(1), guest(2));
        assert!(first.is_some() && first != second);
    }
}
