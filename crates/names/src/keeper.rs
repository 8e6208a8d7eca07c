//! Keeps one transferred zone fresh: carries out what its timetable ([`Secondary`]) says, writes
//! each new version down, and only then lets it be served.

use std::future::{Future, pending};
use std::pin::Pin;
use std::sync::Arc;

use host::{Drain, Host};
use model::{Fact, Role, Service, ServiceId, Standings, TransferFact};
use tokio::sync::{Semaphore, mpsc, watch};

use crate::desk::{Desk, KNOCKS, Knock, Wish};
use crate::keep::{KeepFault, Place, Version};
use crate::notices::Notices;
use crate::publish::Report;
use crate::secondary::{Action, Fetch, Input, Saved, Secondary, Settings, is_newer};
use crate::story::{Ended, News, Story};
use crate::transfer::{self, Fault, Fetched};
use crate::wire::Name;
use crate::zone::Zone;

/// Talks to primaries at once, over all zones.
pub(crate) const TALKS: usize = 4;

/// Everything the keeper of one zone works with.
pub(crate) struct Keeper {
    pub(crate) story: Story,
    pub(crate) host: Host,
    pub(crate) desk: Arc<Desk>,
    pub(crate) organisation: model::OrganisationId,
    pub(crate) apex: Name,
    pub(crate) place: Place,
    /// What was written down last.
    pub(crate) restored: Option<Saved>,
    pub(crate) primary: transfer::Primary,
    pub(crate) settings: Settings,
    pub(crate) talks: Arc<Semaphore>,
    pub(crate) notices: Notices,
}

/// What a piece of work came to.
enum Done {
    Serial(Result<u32, Fault>),
    Fetched(Result<New, Fault>),
}

/// A transfer, made into the next version.
enum New {
    /// The primary's serial.
    UpToDate(u32),
    Whole(Arc<Zone>),
    Changes(Arc<Zone>, Vec<Arc<crate::zone::Diff>>),
}

/// What is held after a transfer.
enum Kept {
    /// What was held before; the primary's serial.
    UpToDate(u32),
    Version(Version),
}

type Work = Pin<Box<dyn Future<Output = Done> + Send>>;

impl Keeper {
    /// Keeps the zone until the drain begins. May be begun again: it goes on from what was written
    /// down last.
    pub(crate) async fn run(
        &mut self,
        mut standings: watch::Receiver<Standings>,
        door: &mut mpsc::Receiver<Knock>,
        drain: &Drain,
    ) {
        let mut machine = Secondary::new(self.host.clock.now(), self.settings);
        let mut actions = Vec::new();
        let mut work: Option<Work> = None;
        let mut inputs = Vec::new();
        if let (Some(saved), Some(version)) =
            (self.restored, self.desk.published.version(&self.apex))
        {
            let Saved { refreshed_at, dark } = saved;
            inputs.push(Input::Restored {
                soa: version.zone.soa(),
                refreshed_at,
                dark,
            });
        }
        inputs.extend(self.dark(&standings.borrow_and_update()).map(Input::Dark));
        let mut followed = true;
        let mut wishes: Vec<Wish> = Vec::new();
        let mut ended = None;
        loop {
            for input in inputs.drain(..) {
                machine.handle(self.host.clock.now(), input, &mut actions);
            }
            self.perform(&machine, &mut actions, &mut work).await;
            self.tell(&machine, &mut ended);
            self.report(&machine);
            self.story.answer();
            // What is under way ends first; a wish is about what comes after it was said.
            if machine.next_try().is_some() && !wishes.is_empty() {
                inputs.push(self.grant(wishes.drain(..)));
                continue;
            }
            let wakeup = machine.next_wakeup();
            // Every branch may be dropped at its await: knocks and standings stay where they are,
            // the work goes on in its box.
            let input = tokio::select! {
                () = drain.begun() => return,
                done = next(&mut work) => {
                    let (input, fault) = self.finished(done, &machine).await;
                    ended = Some(fault);
                    Some(input)
                }
                knock = door.recv(), if wishes.len() < KNOCKS => match knock {
                    Some(Knock::Notified(serial)) => Some(Input::Notified(serial)),
                    Some(Knock::Refresh(wish)) => {
                        wishes.push(wish);
                        None
                    }
                    None => return,
                },
                changed = standings.changed(), if followed => {
                    followed = changed.is_ok();
                    self.dark(&standings.borrow_and_update()).map(Input::Dark)
                }
                () = self.sleep(wakeup) => Some(Input::Tick),
            };
            inputs.extend(input);
        }
    }

    /// Whether the organisation's own name servers are taken over: decided, acted on, and not
    /// ordered otherwise. `None` while nothing is known.
    fn dark(&self, standings: &Standings) -> Option<bool> {
        let service = ServiceId::new(self.organisation.clone(), Service::Names);
        standings
            .get(&service)
            .map(|standing| standing.role == Role::Acting)
    }

    async fn sleep(&self, wakeup: Option<model::Mono>) {
        match wakeup {
            Some(at) => self.host.clock.sleep_until(at).await,
            None => pending().await,
        }
    }

    /// Carries out what was decided.
    async fn perform(
        &mut self,
        machine: &Secondary,
        actions: &mut Vec<Action>,
        work: &mut Option<Work>,
    ) {
        for action in actions.drain(..) {
            match action {
                Action::Ask => {
                    let (primary, apex) = (self.primary.clone(), self.apex.clone());
                    let talks = Arc::clone(&self.talks);
                    *work = Some(Box::pin(async move {
                        let _talk = talks.acquire().await;
                        Done::Serial(transfer::ask_serial(&primary, &apex).await)
                    }));
                }
                Action::Fetch(what) => *work = Some(self.fetch(what)),
                Action::Serve(live) => {
                    self.desk.published.set_live(&self.apex, live);
                    self.count_unavailable();
                }
                Action::Save => {
                    let Some(saved) = machine.saved() else {
                        continue;
                    };
                    match self.place.keep_saved(saved).await {
                        Ok(()) => self.restored = Some(saved),
                        Err(error) => {
                            tracing::warn!(zone = %self.apex, %error, "the zone's state was not written");
                        }
                    }
                }
            }
        }
    }

    fn report(&self, machine: &Secondary) {
        let report = Report {
            expires: machine.expires(),
            behind: machine.behind(),
            trouble: self.story.trouble().cloned(),
        };
        self.desk.published.report(&self.apex, report);
    }

    /// Takes note of an attempt that came to its end, and logs what is news.
    fn tell(&mut self, machine: &Secondary, ended: &mut Option<Option<String>>) {
        let Some(next_try) = machine.next_try() else {
            // IXFR did not work, and AXFR is under way: no end yet.
            return;
        };
        let Some(fault) = ended.take() else { return };
        let now = self.host.clock.now();
        let zone = &self.apex;
        let reason = fault.clone().unwrap_or_default();
        let (serial, behind) = (self.serial(), machine.behind());
        let ended = Ended {
            fault,
            serial,
            behind,
            next_try,
        };
        let next_try = next_try.since(now.mono).as_secs();
        for news in self.story.ended(now, ended) {
            match news {
                News::Fails => {
                    tracing::warn!(%zone, reason, next_try, "the zone cannot be refreshed");
                }
                News::WorksAgain => tracing::info!(%zone, "the zone can be refreshed again"),
                News::Behind(primary) => tracing::warn!(%zone, ours = serial, primary,
                    "the primary's serial went backwards; nothing is transferred until it grows, \
                     or somebody says `servergate names refresh {zone} --take-older`"),
            }
        }
    }

    /// Begins what people wished, all of it at once.
    fn grant(&mut self, wishes: impl Iterator<Item = Wish>) -> Input {
        let serial = self.serial();
        let mut anew = false;
        for Wish { take_older, came } in wishes {
            anew |= take_older;
            self.story.waits(came, serial);
        }
        match anew {
            true => Input::Refetch,
            false => Input::Refresh,
        }
    }

    /// The serial of the version held.
    fn serial(&self) -> Option<u32> {
        let version = self.desk.published.version(&self.apex);
        version.map(|version| version.zone.soa().serial)
    }

    fn fetch(&self, what: Fetch) -> Work {
        let (primary, apex) = (self.primary.clone(), self.apex.clone());
        let talks = Arc::clone(&self.talks);
        let held = self.desk.published.version(&self.apex);
        Box::pin(async move {
            let _talk = talks.acquire().await;
            Done::Fetched(fetch(primary, apex, what, held).await)
        })
    }

    /// What the timetable hears of it, and why it failed, if it did.
    async fn finished(&mut self, done: Done, machine: &Secondary) -> (Input, Option<String>) {
        let failed = |keeper: &Self, fault: &Fault| {
            keeper.desk.counters.transfers_failed.inc();
            tracing::debug!(zone = %keeper.apex, %fault, "the zone was not refreshed");
            Some(fault.to_string())
        };
        match done {
            Done::Serial(Ok(serial)) => (Input::Asked(serial), None),
            Done::Serial(Err(fault)) => (Input::NotAnswered, failed(self, &fault)),
            Done::Fetched(Ok(new)) => match self.install(new, machine.is_dark()).await {
                Ok(input) => (input, None),
                Err(error) => {
                    let fault = Fault::Keep(error.to_string());
                    (fault.input(), failed(self, &fault))
                }
            },
            Done::Fetched(Err(fault)) => (fault.input(), failed(self, &fault)),
        }
    }

    /// Durable first, served then, told last.
    async fn install(&mut self, new: New, dark: bool) -> Result<Input, KeepFault> {
        let saved = Saved {
            refreshed_at: self.host.clock.now().wall,
            dark,
        };
        match self.kept(new, saved).await? {
            Kept::UpToDate(serial) => Ok(Input::UpToDate(serial)),
            Kept::Version(version) => {
                let soa = version.zone.soa();
                self.restored = Some(saved);
                self.desk.published.put(&self.apex, version.clone(), true);
                self.desk.counters.transfers_in.inc();
                self.count_unavailable();
                let fact = TransferFact {
                    organisation: self.organisation.clone(),
                    zone: self.apex.to_string(),
                    serial: soa.serial,
                };
                self.host.outlets.records.send(Fact::Transfer(fact)).await;
                self.notices.tell(&self.apex, version.zone);
                Ok(Input::Transferred(soa))
            }
        }
    }

    async fn kept(&mut self, new: New, saved: Saved) -> Result<Kept, KeepFault> {
        let held = self.desk.published.version(&self.apex);
        let version = match (new, held) {
            (New::UpToDate(serial), _) => return Ok(Kept::UpToDate(serial)),
            (New::Changes(zone, diffs), Some(before)) => {
                self.place.keep_changes(&before, zone, diffs, saved).await
            }
            (New::Whole(zone) | New::Changes(zone, _), _) => {
                self.place.keep_whole(zone, saved).await
            }
        };
        version.map(Kept::Version)
    }

    fn count_unavailable(&self) {
        let count = self.desk.published.unavailable();
        self.desk
            .counters
            .unavailable
            .set(i64::try_from(count).unwrap_or(i64::MAX));
    }
}

async fn next(work: &mut Option<Work>) -> Done {
    match work {
        Some(running) => {
            let done = running.await;
            *work = None;
            done
        }
        None => pending().await,
    }
}

/// Transfers, and makes the next version of what came.
async fn fetch(
    primary: transfer::Primary,
    apex: Name,
    what: Fetch,
    held: Option<Version>,
) -> Result<New, Fault> {
    let soa = held
        .as_ref()
        .and_then(|version| version.zone.soa_record().map(|soa| soa.data.to_vec()));
    let fetched = transfer::fetch(&primary, &apex, what, soa.as_deref()).await?;
    let make = move || match fetched {
        Fetched::UpToDate(serial) => Ok(New::UpToDate(serial)),
        Fetched::Whole(records) => {
            let zone = Zone::from_records(apex, &records)?;
            let (new, held) = (zone.soa().serial, held.map(|held| held.zone.soa().serial));
            // One server behind the primary's address may lag: only a person takes an older one.
            match held.filter(|held| what != Fetch::Anew && !is_newer(new, *held)) {
                Some(_) => Ok(New::UpToDate(new)),
                None => Ok(New::Whole(Arc::new(zone))),
            }
        }
        Fetched::Changes(diffs) => {
            let Some(held) = held else {
                return Err(Fault::Malformed("differences to nothing".to_owned()));
            };
            let mut zone = Zone::clone(&held.zone);
            for diff in &diffs {
                zone = zone.apply(diff)?;
            }
            Ok(New::Changes(
                Arc::new(zone),
                diffs.into_iter().map(Arc::new).collect(),
            ))
        }
    };
    // A large zone takes a while to build; answers must not wait for it.
    tokio::task::spawn_blocking(make)
        .await
        .map_err(|_| Fault::Keep("no thread for the work".to_owned()))?
}
