//! Notifications to senders (RFC 3464): the primary refused the contents of what was kept, or a
//! message waits for long.
//!
//! ```text
//!  refused, or waits ──▶ Undecided ──decide──▶ Outgoing ──taken──▶ Sent
//!                            │                  │    ▲ later: tried again for five days
//!                            └──▶ NotSent(why) ◀┘────┘
//! ```
//!
//! Whether anybody is told is decided in `decide`, once, after a while in which a person may say
//! otherwise: only a sender who was proved when the message was taken, so that no bystander hears
//! of what others send in his name. A notification leaves for the sender's mail exchangers, from the
//! null sender, in the same bytes in each try. What became of it is written down before anything
//! else follows; it is sent twice only if the connection, or we, broke after its end was sent.

mod decide;
mod delay;
mod quota;
mod record;
mod route;
mod send;
mod text;
mod words;
mod write;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use host::tls::HopTls;
use host::{Drain, chain};
use model::Timestamp;

use crate::auth::resolver::{QUERY_LIMIT, Resolver};
use crate::metrics::Told;
use crate::office::Office;
use crate::post::Post;
use crate::spool::{Place, SpoolError};

pub use record::{Kind, Notification, Outgoing, State, Why};

use decide::{About, Decision, decide, is_concerned};
use quota::Quota;
use send::Outcome;

/// Looked at in one go.
const BATCH: usize = 64;
/// On their way at once.
const AT_ONCE: usize = 4;
/// RFC 5321 §4.5.4.1: "generally … at least 4-5 days".
const GIVE_UP: Duration = Duration::from_secs(5 * 24 * 3600);
/// The first wait after a try in vain; doubled up to the longest.
const FIRST_RETRY: Duration = Duration::from_secs(15 * 60);
const LONGEST_RETRY: Duration = Duration::from_secs(4 * 3600);
/// The checks of a message that was handed back at once may still run.
const CHECKS: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_millis(200);
/// Nothing is looked at more seldom.
const LOOK: Duration = Duration::from_secs(60);
/// Between two tries to write down what the store did not take.
const WRITE_AGAIN: Duration = Duration::from_secs(5);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Who writes to senders, for one organisation.
struct Writer {
    post: Arc<Post>,
    office: Arc<Office>,
    resolver: Option<Resolver>,
    tls: HopTls,
    quota: Quota,
    /// What the store did not take: nothing is sent before it does.
    unwritten: Vec<(Place, Notification)>,
}

/// Decides about notifications and sends them, until the drain begins.
pub(crate) async fn run(
    post: Arc<Post>,
    office: Arc<Office>,
    resolver: Option<SocketAddr>,
    drain: Drain,
) {
    let seal = post.host.store.seal();
    // Both arms are cancel-safe.
    tokio::select! {
        () = drain.begun() => return,
        () = seal.unlocked() => {}
    }
    let mut writer = match Writer::open(post, office, resolver).await {
        Ok(writer) => writer,
        Err(error) => {
            tracing::error!(%error, "senders are not told of anything");
            return drain.begun().await;
        }
    };
    let mut follow = writer.office.follow();
    loop {
        follow.borrow_and_update();
        let wait = writer.round(&drain).await;
        let office = Arc::clone(&writer.office);
        // All arms are cancel-safe.
        tokio::select! {
            () = drain.begun() => return,
            changed = follow.changed() => if changed.is_err() {
                return drain.begun().await;
            },
            () = office.spool.notification_news() => {}
            () = writer.post.host.clock.sleep(wait) => {}
        }
    }
}

impl Writer {
    async fn open(
        post: Arc<Post>,
        office: Arc<Office>,
        resolver: Option<SocketAddr>,
    ) -> Result<Self, String> {
        let resolver = match office.config.notices.relay {
            Some(_) => None,
            None => Some(Resolver::new(resolver, QUERY_LIMIT).map_err(|error| chain(&error))?),
        };
        let tls = HopTls::opportunistic().map_err(|error| chain(&error))?;
        let (reading, now) = (Arc::clone(&office), post.host.clock.now().wall);
        let since = Timestamp::from_millis(now.millis() - DAY.as_millis() as i64);
        let reading = move || reading.spool.load_notifications(since);
        let reading = post.host.tasks.blocking("mail dsn reading", reading).await;
        let (decided, old) = reading
            .map_err(|error| error.to_string())?
            .map_err(|error| chain(&error))?;
        if let Err(error) = office.spool.forget(old).await {
            tracing::debug!(%error, "old notifications were not forgotten");
        }
        Ok(Self {
            post,
            office,
            resolver,
            tls,
            quota: Quota::of(decided),
            unwritten: Vec::new(),
        })
    }

    /// Does what is due, and says how long there is nothing to do.
    async fn round(&mut self, drain: &Drain) -> Duration {
        let unwritten = std::mem::take(&mut self.unwritten);
        for (place, notification) in unwritten {
            self.write_down(place, notification).await;
        }
        if !self.unwritten.is_empty() {
            return WRITE_AGAIN;
        }
        if !self.office.acts() {
            return LOOK;
        }
        if let Some(after) = self.office.config.notices.delay
            && let Err(error) = delay::look(&self.post, &self.office, after).await
        {
            tracing::error!(%error, "whether messages wait for long is not known");
        }
        self.work_off(drain).await;
        let now = self.now();
        let next = self.office.spool.next_due();
        next.map_or(LOOK, |next| next.since(now).clamp(SOON, LOOK))
    }

    /// Does all that is due.
    async fn work_off(&mut self, drain: &Drain) {
        while !drain.has_begun() {
            let now = self.now();
            let due = self.office.spool.take_due(now, BATCH);
            if due.is_empty() || !self.unwritten.is_empty() {
                due.iter().for_each(|one| self.put_off(*one, SOON));
                break;
            }
            let mut outgoing = Vec::new();
            for place in due {
                self.look_at(place, &mut outgoing).await;
            }
            for some in outgoing.chunks(AT_ONCE) {
                self.send(some, drain).await;
            }
        }
    }

    fn now(&self) -> Timestamp {
        self.post.host.clock.now().wall
    }

    fn put_off(&self, place: Place, by: Duration) {
        self.office.spool.put_off(place, self.now().after(by));
    }

    /// Decides about one, or adds it to those that are to be sent.
    async fn look_at(&mut self, place: Place, outgoing: &mut Vec<(Place, Notification)>) {
        let office = Arc::clone(&self.office);
        let reading = move || write::Read::of(&office, place);
        let reading = self.post.host.tasks.blocking("mail dsn reading", reading);
        let read = match reading.await {
            Ok(Ok(Some(read))) => read,
            Ok(Ok(None)) => return,
            Ok(Err(error)) => {
                tracing::error!(%error, number = place.0, "a notification cannot be read");
                return self.put_off(place, LONGEST_RETRY);
            }
            // It panicked, which was counted.
            Err(_) => return self.put_off(place, LONGEST_RETRY),
        };
        let kind = read.notification.kind;
        if kind == Kind::Failure && self.office.asks_about_handback() {
            // The primary refuses what it should take: a person looks first.
            return self.put_off(place, LOOK);
        }
        if matches!(read.notification.state, State::Outgoing(_)) {
            let still = |index: &usize| is_concerned(kind, read.fates.get(*index).copied());
            match read.notification.recipients.iter().any(still) {
                true => outgoing.push((place, read.notification)),
                false => self.leave(place, read.notification, Why::Settled, "").await,
            }
            return;
        }
        let now = self.now();
        if read.is_being_checked(now) {
            return self.put_off(place, SOON);
        }
        self.decide(now, place, read).await;
    }

    async fn decide(&mut self, now: Timestamp, place: Place, read: write::Read) {
        let Some(message) = &read.message else {
            let why = match read.fates.is_empty() {
                true => Why::Settled,
                false => Why::Unreadable,
            };
            return self.leave(place, read.notification, why, "").await;
        };
        let about = About {
            envelope: &message.meta.envelope,
            fates: &read.fates,
            verdicts: read.verdicts.as_ref(),
            head: &read.bytes,
        };
        let (kind, recipients) = (read.notification.kind, &read.notification.recipients);
        match decide(now, kind, recipients, &about, &mut self.quota) {
            Decision::Leave(why) => self.leave(place, read.notification, why, "").await,
            Decision::Send { to, left_out } => {
                let id = self.post.new_id();
                let hop = &self.office.config.primary;
                let text = read.write(&left_out, now, &self.post.name, &id, &to, &hop.name);
                let outgoing = Outgoing {
                    to,
                    decided: now,
                    text,
                    tries: 0,
                    next: now,
                    said: String::new(),
                };
                let notification = Notification {
                    left_out,
                    state: State::Outgoing(Box::new(outgoing)),
                    ..read.notification
                };
                self.write_down(place, notification).await;
            }
        }
    }

    async fn leave(&mut self, place: Place, before: Notification, why: Why, said: &str) {
        self.post.metrics.told(Told::Left(why));
        let state = State::NotSent {
            why,
            at: self.now(),
            said: said.to_owned(),
        };
        self.write_down(place, Notification { state, ..before })
            .await;
    }

    async fn write_down(&mut self, place: Place, notification: Notification) {
        if let Err(error) = self.office.spool.notify(place, &notification).await {
            tracing::error!(%error, "what became of a notification cannot be written down");
            self.unwritten.push((place, notification));
        }
    }

    /// Sends a few at once.
    async fn send(&mut self, some: &[(Place, Notification)], drain: &Drain) {
        let mut sending = Vec::new();
        for (place, notification) in some {
            let State::Outgoing(outgoing) = &notification.state else {
                continue;
            };
            if drain.has_begun() {
                self.put_off(*place, SOON);
                continue;
            }
            let way = send::Way {
                post: Arc::clone(&self.post),
                office: Arc::clone(&self.office),
                resolver: self.resolver.clone(),
                tls: self.tls.clone(),
            };
            let one = Outgoing::clone(outgoing);
            let sent = send::send(way, one, drain.clone());
            let task = self.post.host.tasks.spawn("mail dsn sending", sent);
            sending.push((*place, notification.clone(), task));
        }
        for (place, notification, task) in sending {
            match task.await {
                Ok(outcome) => self.sent(place, notification, outcome).await,
                // It panicked, which was counted.
                Err(_) => self.put_off(place, LONGEST_RETRY),
            }
        }
    }

    async fn sent(&mut self, place: Place, before: Notification, outcome: Outcome) {
        let now = self.now();
        let State::Outgoing(outgoing) = &before.state else {
            return;
        };
        let state = match outcome {
            Outcome::Taken => {
                self.post.metrics.told(Told::Sent);
                State::Sent {
                    to: outgoing.to.clone(),
                    decided: outgoing.decided,
                    at: now,
                }
            }
            Outcome::Refused(said) => return self.leave(place, before, Why::Refused, &said).await,
            Outcome::NoHost(said) => return self.leave(place, before, Why::NoHost, &said).await,
            Outcome::Stopped => return self.put_off(place, SOON),
            Outcome::Later(said) => match try_again(now, outgoing) {
                None => return self.leave(place, before, Why::GaveUp, &said).await,
                Some(next) => {
                    self.post.metrics.told(Told::Deferred);
                    let again = Outgoing {
                        tries: outgoing.tries.saturating_add(1),
                        next,
                        said,
                        ..Outgoing::clone(outgoing)
                    };
                    State::Outgoing(Box::new(again))
                }
            },
        };
        self.write_down(place, Notification { state, ..before })
            .await;
    }
}

/// When it is tried again; `None`: not any more.
fn try_again(now: Timestamp, outgoing: &Outgoing) -> Option<Timestamp> {
    let wait = FIRST_RETRY.saturating_mul(1 << outgoing.tries.min(8));
    let next = now.after(wait.min(LONGEST_RETRY));
    (next.since(outgoing.decided) < GIVE_UP).then_some(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_tried_for_five_days_and_then_given_up() {
        let decided = Timestamp::from_millis(1_779_268_443_000);
        let mut outgoing = Outgoing {
            to: "s@client.test".to_owned(),
            decided,
            text: String::new(),
            tries: 0,
            next: decided,
            said: String::new(),
        };
        let mut waits = Vec::new();
        let mut now = decided;
        while let Some(next) = try_again(now, &outgoing) {
            waits.push(next.since(now).as_secs() / 60);
            now = next;
            outgoing.tries += 1;
        }
        assert_eq!(&waits[..6], [15, 30, 60, 120, 240, 240]);
        let hours = now.since(decided).as_secs() / 3600;
        assert!((116..120).contains(&hours), "{hours}");
        assert!(waits.len() < 40, "{}", waits.len());
    }
}
