//! One observation: the probe, and beside a failing one the look at ourselves and the companions.
//!
//! Called by `run` for each start of the timetable. This is the only place in the program that
//! makes a measured fact.

use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use host::Clock;
use host::net::Net;
use model::{Failure, Finding, Identity, Now, Observation, Phase, PlaceId, Purpose, Sees};

use crate::companions::{Beside, SelfCheck};
use crate::probe::{Measured, Prepared, Tools};
use crate::target::TargetConfig;

/// After a failure companions that were just asked get so long to answer.
const GRACE: Duration = Duration::from_millis(500);

/// A target, made ready.
#[derive(Debug)]
pub(crate) struct Watched {
    pub(crate) config: TargetConfig,
    prepared: Prepared,
    known: Mutex<Option<Identity>>,
}

impl Watched {
    pub(crate) fn new(config: TargetConfig, prepared: Prepared, known: Option<Identity>) -> Self {
        Self {
            config,
            prepared,
            known: Mutex::new(known),
        }
    }

    /// Who answered last, where the protocol proves it.
    fn known(&self) -> Option<Identity> {
        self.known
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Whoever answers next is the one we know from then on.
    pub(crate) fn forget(&self) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Notes who answered; gives it back if it is somebody new.
    pub(crate) fn learn(&self, finding: &Finding) -> Option<Identity> {
        let Finding::Good {
            identity: Some(identity),
        } = finding
        else {
            return None;
        };
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.as_ref() == Some(identity) {
            return None;
        }
        *known = Some(identity.clone());
        Some(identity.clone())
    }
}

/// The place we look from.
#[derive(Debug)]
pub(crate) struct Place {
    name: PlaceId,
    clock: Clock,
    net: Net,
    check: SelfCheck,
}

impl Place {
    pub(crate) fn new(name: PlaceId, clock: Clock, net: Net, references: Vec<SocketAddr>) -> Self {
        Self {
            name,
            clock,
            net,
            check: SelfCheck::new(references),
        }
    }

    /// Asks the target once and says what was measured; `connected` is called as soon as its
    /// address has answered.
    pub(crate) async fn observe(
        &self,
        watched: &Watched,
        purpose: Purpose,
        connected: &(dyn Fn() + Send + Sync),
    ) -> Observation {
        let began = self.clock.now();
        let config = &watched.config;
        let tools = Tools {
            clock: &self.clock,
            net: self.net,
        };
        let known = watched.known();
        let asking = watched
            .prepared
            .ask(tools, config.timeout, known.as_ref(), connected);
        let mut probe = pin!(asking);
        // In a burst something is suspected already: evidence is gathered from the start. Else
        // it begins when a third of the time has passed, and is there when the time is over.
        let alone = match purpose {
            Purpose::Burst(_) => Duration::ZERO,
            Purpose::Scheduled => config.timeout / 3,
        };
        let early = tokio::time::timeout(alone, &mut probe).await.ok();
        let (measured, mut beside) = match early {
            Some(measured) if measured.is_good() => {
                return self.plain(config, began, purpose, measured);
            }
            Some(measured) => (measured, self.beside(tools, config, began)),
            None => {
                let mut beside = self.beside(tools, config, began);
                (both(probe.as_mut(), &mut beside).await, beside)
            }
        };
        if measured.is_good() {
            return self.plain(config, began, purpose, measured);
        }
        let _ = tokio::time::timeout(GRACE, poll_fn(|context| beside.poll_all(context))).await;
        let sees = poll_fn(|context| beside.poll_sees(context)).await;
        let companions = beside.replies(self.clock.now().mono);
        Observation::measured(
            self.name.clone(),
            config.target.clone(),
            began.wall,
            purpose,
            measured.phases,
            measured.finding,
            sees,
            companions,
        )
    }

    fn beside<'a>(&'a self, tools: Tools<'a>, config: &'a TargetConfig, began: Now) -> Beside<'a> {
        let spent = self.clock.now().mono.since(began.mono);
        let limit = config.timeout.saturating_sub(spent).max(GRACE);
        let look = self.check.look(&self.clock, self.net);
        let companions = config.steering.then_some(&config.companions);
        Beside::new(tools, &config.probe, companions, limit, look)
    }

    fn plain(
        &self,
        config: &TargetConfig,
        began: Now,
        purpose: Purpose,
        measured: Measured,
    ) -> Observation {
        Observation::measured(
            self.name.clone(),
            config.target.clone(),
            began.wall,
            purpose,
            measured.phases,
            measured.finding,
            Sees::NotAsked,
            Vec::new(),
        )
    }
}

/// Whether an observation says that nothing was heard of the address itself: no name, no
/// certificate and no page was in it yet.
pub(crate) fn is_of_the_address(observation: &Observation) -> bool {
    let phase = Phase::Connect;
    let silent = matches!(
        &observation.finding,
        Finding::Failed(failure) if *failure == Failure::Silent { phase } || *failure == Failure::Unreachable
    );
    silent && observation.phases.iter().all(|time| time.phase == phase)
}

/// What was found of an address, as the finding of another target that asks the same address:
/// all that was asked beside it is about the address as well.
pub(crate) fn shared(silence: &Observation, with: &Watched, purpose: Purpose) -> Observation {
    Observation::measured(
        silence.place.clone(),
        with.config.target.clone(),
        silence.at,
        purpose,
        silence.phases.clone(),
        silence.finding.clone(),
        silence.sees,
        silence.companions.clone(),
    )
}

/// Drives the probe to its end, and what is asked beside it meanwhile.
async fn both(
    mut probe: Pin<&mut impl Future<Output = Measured>>,
    beside: &mut Beside<'_>,
) -> Measured {
    poll_fn(|context| {
        let measured = probe.as_mut().poll(context);
        if measured.is_pending() {
            let _ = beside.poll_all(context);
        }
        measured
    })
    .await
}
