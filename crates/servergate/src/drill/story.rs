//! The day itself: what is done to the cables, what is waited for, and what came of it.

mod mail;

use std::time::Duration;

use anyhow::{Context, Result};
use model::outage::Outages;
use model::{Condition, OrderKind, Role, Timestamp};

use super::bench::{Bench, START};
use super::cable::Cable;
use super::checks::{self, Check, Evidence, Times, seconds};
use super::child::Instance;
use super::config::{HOST, ORGANISATION, PACE, STATUS_HOST, Server};
use super::ledger::{Ledger, Visit, Who};
use super::letters::Balance;
use super::picture::{Mark, Picture};
use super::resolver::Resolver;
use super::site::FILES;
use super::visitor::{self, Visitors};
use super::witness::{standing, verdicts};
use crate::protocol::{self, Request};

/// Visitors are watched so long before the first act. They ask for the name every TTL of five
/// seconds; this way the next time after the plug is 5.5 s later, which is about what somebody
/// waits on average, neither luck nor bad luck.
const BEFORE: Duration = Duration::from_millis(4500);
/// And so long after each act.
const CALM: Duration = Duration::from_millis(1500);
/// The primary's cable is out for at least so long.
const ACT_ONE: Duration = Duration::from_secs(12);
/// The observer's cable is out for so long: more than a TTL.
const ACT_TWO: Duration = Duration::from_secs(7);
/// What the organisation says in the drill.
const WORDS: &str = "Bei uns wurde ein Stecker gezogen. Wir wissen es und kümmern uns darum.";

/// What the day left behind, beside the ledger and the record.
pub(super) struct Day {
    first: Duration,
    times: Times,
    /// What counts of what visitors saw,
    counted: Ledger,
    /// and how many requests do not.
    left: usize,
    pulled_at: Timestamp,
    decided: Duration,
    spoke: bool,
    blind: bool,
    led_to: Option<Server>,
    mail: Balance,
}

impl Bench {
    /// The whole day.
    pub(super) async fn tell(&mut self) -> Result<Day> {
        self.start_primary().await?;
        self.start_standby().await?;
        self.begin_mail().await?;
        let first = self.time();
        let authority = self.files.authority();
        let visitors =
            Visitors::send_out(&self.plan, &authority, self.began, &self.clock, &self.tasks)?;
        self.visitors = Some(visitors);
        self.caption("all is well".to_owned());
        self.pass(BEFORE).await?;

        let pulled_at = self.clock.now().wall;
        let (pulled, decided, spoke) = self.go_dark().await?;
        let plugged = self.come_back().await?;
        let (cut, blind, led_to) = self.go_blind().await?;
        let rejoined = self.see_again().await?;
        self.let_go().await;
        let mail = self.end_mail(&[pulled, cut]).await?;
        let (counted, left) = self.ledger.counted();
        let times = Times {
            pulled,
            plugged,
            cut,
            rejoined,
        };
        Ok(Day {
            first,
            times,
            counted,
            left,
            pulled_at,
            decided,
            spoke,
            blind,
            led_to,
            mail,
        })
    }

    async fn start_primary(&mut self) -> Result<()> {
        let primary = Instance::start("primary", &self.files.primary(), self.files.folder())?;
        self.primary = Some(primary);
        let socket = self.files.primary_socket();
        self.until_answered(&socket).await.context("the primary")?;
        for service in ["web", "mail"] {
            let order = Request::Order {
                service: format!("{ORGANISATION}/{service}"),
                kind: OrderKind::Failover,
                by: "the drill".to_owned(),
            };
            protocol::ask(&socket, &order)
                .await
                .context("ordering the primary to act")?;
        }
        self.until_good(Who::Without).await?;
        self.event("the primary serves the site and its zone, and takes mail");
        Ok(())
    }

    async fn start_standby(&mut self) -> Result<()> {
        let standby = Instance::start("standby", &self.files.standby(), self.files.folder())?;
        self.standby = Some(standby);
        let socket = self.files.standby_socket();
        self.until_answered(&socket).await.context("the standby")?;
        self.until("the zone's transfer", START, |bench| {
            bench.witness.has_zone()
        })
        .await?;
        let copied = |bench: &Self| bench.witness.copy(bench.clock.now().wall).is_some();
        self.until("a copy of the site", START, copied).await?;
        let reachable = |bench: &Self| bench.witness.condition() == Some(Condition::Reachable);
        self.until("the standby to see the primary", START, reachable)
            .await?;
        self.until_good(Who::With).await?;
        self.event("the standby has the zone and a copy of the site, and sees the primary");
        Ok(())
    }

    /// Act one: the primary's cable is pulled, the standby takes over, the organisation speaks.
    async fn go_dark(&mut self) -> Result<(Duration, Duration, bool)> {
        let before = self.witness.length();
        let pulled = self.time();
        self.cables.pull(Cable::Primary).await;
        let silent = self.time();
        self.event("the primary's cable is pulled");
        self.caption("the primary is dark".to_owned());
        let acting = move |bench: &Self| {
            let since = bench.witness.since(before).iter().filter_map(standing);
            since.map(|standing| standing.role).next_back() == Some(Role::Acting)
        };
        // The bound is checked from the visitors' log; here only the end of all patience counts.
        self.until("the standby to take over", PACE.recovered() * 2, acting)
            .await?;
        let decided = self.time().saturating_sub(pulled);
        self.event(&format!(
            "the standby takes over, {} after the plug",
            seconds(decided)
        ));
        self.caption("the standby serves its copy; the primary is dark".to_owned());
        let spoke = self.speak().await?;
        self.until_kept(silent).await?;
        let served = move |bench: &Self| {
            let visits = bench.ledger.between(Who::With, pulled, Duration::MAX);
            let served =
                |visit: &&&Visit| visit.is_good() && visit.server() == Some(Server::Standby);
            visits.iter().filter(served).count() > FILES.len()
        };
        self.until("the visitor to see the copy", PACE.recovered() * 3, served)
            .await?;
        self.pass(ACT_ONE.saturating_sub(self.time().saturating_sub(pulled)))
            .await?;
        Ok((pulled, decided, spoke))
    }

    /// Says something, and looks whether the public sees it.
    async fn speak(&mut self) -> Result<bool> {
        let say = Request::Say {
            organisation: Some(ORGANISATION.to_owned()),
            text: WORDS.to_owned(),
            language: Some("de".to_owned()),
            speaker: Some("Vorstand".to_owned()),
            reason: true,
        };
        protocol::ask(&self.files.standby_socket(), &say)
            .await
            .context("publishing a statement")?;
        let deadline = self.clock.now().mono.after(Duration::from_secs(5));
        while self.clock.now().mono < deadline {
            let page = visitor::plain(self.plan.standby_http(), STATUS_HOST, "/").await;
            if let Ok((200, page)) = page
                && String::from_utf8_lossy(&page).contains(WORDS)
            {
                self.event("the organisation speaks, and its public page shows the words");
                return Ok(true);
            }
            self.round().await?;
        }
        Ok(false)
    }

    /// The cable is back, and the standby returns the visitors by itself.
    async fn come_back(&mut self) -> Result<Duration> {
        let plugged = self.time();
        self.cables.plug_in(Cable::Primary).await;
        self.event("the primary's cable is back");
        self.caption("the primary is back; the standby makes sure".to_owned());
        let limit = (PACE.interval + PACE.clean + PACE.stage) * 2 + Duration::from_secs(20);
        let standby = |bench: &Self| bench.witness.role() == Some(Role::Standby);
        self.until("the standby to stand down", limit, standby)
            .await?;
        self.event("the standby stands down");
        let returned = |bench: &Self| {
            let last = bench.ledger.last(Who::With);
            last.is_some_and(|visit| visit.is_good() && visit.server() == Some(Server::Primary))
        };
        self.until("visitors to be led to the primary", limit, returned)
            .await?;
        self.event("visitors are at the primary again");
        self.until_handed_back(limit).await?;
        self.caption("all is well again".to_owned());
        self.pass(CALM).await?;
        Ok(plugged)
    }

    /// Act two: the standby alone is cut off. It must say so, and move nothing.
    async fn go_blind(&mut self) -> Result<(Duration, bool, Option<Server>)> {
        let before = self.witness.length();
        let cut = self.time();
        self.cables.pull(Cable::Observer).await;
        self.event("the observer's own cable is pulled; visitors still reach the primary");
        self.caption("only the standby is cut off".to_owned());
        self.pass(ACT_TWO).await?;
        let blind = verdicts(self.witness.since(before))
            .any(|(_, verdict)| verdict.condition == Condition::Blind);
        let resolver = Resolver::new(self.plan.standby_dns(), HOST, self.clock.clone())?;
        let led_to = resolver.ask().await.ok();
        let led_to = led_to.and_then(|(address, _)| Server::at(address.into()));
        Ok((cut, blind, led_to))
    }

    async fn see_again(&mut self) -> Result<Duration> {
        let rejoined = self.time();
        self.cables.plug_in(Cable::Observer).await;
        self.event("the observer's cable is back");
        self.caption("the standby sees again".to_owned());
        let reachable = |bench: &Self| bench.witness.condition() == Some(Condition::Reachable);
        self.until(
            "the standby to see the primary again",
            PACE.decided() * 3,
            reachable,
        )
        .await?;
        self.event("the standby sees the primary again");
        self.pass(CALM).await?;
        Ok(rejoined)
    }

    pub(super) fn picture(&self, day: &Day) -> Picture {
        let Times {
            pulled,
            plugged,
            cut,
            rejoined,
        } = day.times;
        let marks = [
            Mark {
                at: pulled,
                words: "the primary goes dark",
            },
            Mark {
                at: plugged,
                words: "it is back",
            },
            Mark {
                at: cut,
                words: "observer cut off",
            },
            Mark {
                at: rejoined,
                words: "sees again",
            },
        ];
        Picture::of(&day.counted, day.first, &marks, self.show.width())
    }

    pub(super) fn checks(&self, day: &Day) -> Vec<Check> {
        self.judged(day, checks::all)
    }

    fn judged<T>(&self, day: &Day, judge: impl Fn(&Evidence<'_>) -> T) -> T {
        let outages = Outages::of(self.witness.all());
        judge(&Evidence {
            ledger: &day.counted,
            times: day.times,
            outages: &outages,
            files: FILES.len(),
            spoke: day.spoke,
            blind: day.blind,
            led_to: day.led_to,
            mail: day.mail,
        })
    }

    /// Recovery time and recovery point.
    pub(super) fn figures(&self, day: &Day) -> Vec<String> {
        let dark = self
            .judged(day, checks::recovery)
            .map(|dark| dark.length())
            .unwrap_or_default();
        let missing = FILES
            .len()
            .saturating_sub(self.judged(day, checks::from_copy));
        let copy = self.witness.copy(day.pulled_at);
        let age = copy.map_or_else(String::new, |(_, at)| {
            format!(
                "; the copy was {} old when it began",
                seconds(day.pulled_at.since(at))
            )
        });
        let mut lines = vec![
            format!(
                "RTO  {} as the visitor saw it: {} to the decision, then the name's TTL",
                seconds(dark),
                seconds(day.decided)
            ),
            format!(
                "RPO  {missing} of {} files missing or different{age}",
                FILES.len()
            ),
        ];
        if day.left > 0 {
            lines.push(format!(
                "This machine itself stood still; {} unanswered requests of that time do not count.",
                day.left
            ));
        }
        lines
    }
}
