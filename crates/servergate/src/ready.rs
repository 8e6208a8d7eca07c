//! What would work if the primary went dark now: honest, green and silent about parts not wanted.

use std::time::Duration;

use model::{Cause, Condition, Doubt, Mode, Service, ServiceId, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::admin::Desk;
use crate::config::Organisation;

mod exchange;
mod mail;
mod names;
mod relay;
mod trial;
mod web;

/// How good or bad a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Light {
    /// It would work.
    Green,
    /// It would work, with a weakness.
    Yellow,
    /// It would not work.
    Red,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Line {
    /// How it stands.
    pub(crate) light: Light,
    /// Whose; empty for the standby itself.
    pub(crate) organisation: String,
    /// Of what it speaks: `names`, `web`, `watch`, `standby`.
    pub(crate) part: String,
    /// In words, with the mend where there is one.
    pub(crate) says: String,
}

/// Lines of one organisation (or of the standby itself) being collected.
pub(crate) struct Lines {
    organisation: String,
    all: Vec<Line>,
}

impl Lines {
    fn new(organisation: &str) -> Self {
        Self {
            organisation: organisation.to_owned(),
            all: Vec::new(),
        }
    }

    fn add(&mut self, light: Light, part: &str, says: impl Into<String>) {
        let (organisation, part) = (self.organisation.clone(), part.to_owned());
        self.all.push(Line {
            light,
            organisation,
            part,
            says: says.into(),
        });
    }
}

/// Looks at everything that an outage would need.
pub(crate) async fn of(desk: &Desk) -> Vec<Line> {
    let mut all = of_standby(desk).all;
    for organisation in &desk.config.organisations {
        let mut lines = Lines::new(organisation.id.as_str());
        watched(desk, organisation, &mut lines);
        web::look(desk, organisation, &mut lines);
        relay::look(desk, organisation, &mut lines).await;
        mail::look(desk, organisation, &mut lines);
        trial::look(desk, organisation, &mut lines).await;
        exchange::look(desk, organisation, &mut lines).await;
        names::look(desk, organisation, &mut lines).await;
        all.extend(lines.all);
    }
    all
}

fn of_standby(desk: &Desk) -> Lines {
    let mut lines = Lines::new("");
    if desk.config.mode == Mode::Observe {
        lines.add(
            Light::Yellow,
            "standby",
            "mode is observe: everything is decided and nothing moves; write `mode = \"act\"` when you trust it",
        );
    }
    if desk.config.standby.references.is_empty() {
        lines.add(
            Light::Red,
            "standby",
            "no references: we could not tell our own cut cable from a dark primary, so nothing \
             would move; write `references = [\"9.9.9.9:53\", \"1.1.1.1:53\"]`",
        );
    }
    if desk.config.standby.addresses.is_empty() {
        lines.add(
            Light::Red,
            "standby",
            "no addresses: names could not be led here; write `addresses`",
        );
    }
    if desk.config.alert.is_none() {
        lines.add(
            Light::Yellow,
            "standby",
            "nobody is told of an outage; write `[alert]`",
        );
    }
    alerts(desk, &mut lines);
    let keys = desk
        .config
        .organisations
        .iter()
        .filter_map(|one| one.web.as_ref()?.certificate.as_ref());
    let keys: Vec<_> = keys
        .map(|certificate| certificate.key.display().to_string())
        .collect();
    if !keys.is_empty() {
        let says = format!(
            "in clear on this machine's disk: TLS keys ({}); zones, the site's copy and the record \
             are public or about no person",
            keys.join(", ")
        );
        lines.add(Light::Green, "standby", says);
    }
    lines
}

/// Whether people would be told.
fn alerts(desk: &Desk, lines: &mut Lines) {
    let Some(state) = desk.alerts.as_ref().map(::watch::Alerts::state) else {
        return;
    };
    let (light, says) = alert_line(&state);
    lines.add(light, "standby", says);
}

fn alert_line(state: &::watch::AlertState) -> (Light, String) {
    match (state.failing_since, state.delivered) {
        (Some(since), _) => {
            let error = state.error.as_deref().unwrap_or("no reason was given");
            let says = format!(
                "alerts are not delivered since {since}: {error}; `servergate alert test` tries again"
            );
            (Light::Red, says)
        }
        (None, Some(at)) => (
            Light::Green,
            format!("the last alert was delivered at {at}"),
        ),
        (None, None) => (
            Light::Yellow,
            "no alert was delivered since the start; `servergate alert test` sends one".to_owned(),
        ),
    }
}

fn watched(desk: &Desk, organisation: &Organisation, lines: &mut Lines) {
    let standings = desk.standings.borrow();
    for service in [Service::Web, Service::Mail, Service::Names] {
        let Some(standing) = standings.get(&ServiceId::new(organisation.id.clone(), service))
        else {
            continue;
        };
        let target = match service {
            Service::Names => organisation.names_target(),
            Service::Mail => organisation.mail_target(),
            _ => organisation.web_target(),
        };
        if target.is_none() {
            continue;
        }
        if let Some(doubt) = standing.doubt {
            lines.add(
                Light::Red,
                "watch",
                format!(
                    "{service}: {doubt}; it would not be taken over without a person's yes{}",
                    mend(doubt)
                ),
            );
        }
        match standing.condition() {
            Some(Condition::Reachable) => lines.add(
                Light::Green,
                "watch",
                format!("{service}: reachable from here"),
            ),
            None => lines.add(
                Light::Yellow,
                "watch",
                format!("{service}: not observed yet"),
            ),
            Some(Condition::Blind) if standing.cause() == Some(Cause::NotMeasured) => lines.add(
                Light::Yellow,
                "watch",
                format!("{service}: not measured in time; this standby is too busy, or has too few open files"),
            ),
            Some(Condition::Blind) => lines.add(
                Light::Red,
                "watch",
                format!("{service}: we cannot judge; our references are silent"),
            ),
            Some(Condition::Unstable) => lines.add(
                Light::Red,
                "watch",
                format!("{service}: fails and answers in turn; see `servergate status`"),
            ),
            Some(_) => lines.add(
                Light::Red,
                "watch",
                format!("{service}: is failing now; see `servergate status`"),
            ),
        }
        if standing.held_by.is_some() {
            lines.add(Light::Yellow, "watch", format!("{service}: an order holds its role; `servergate auto {service}` lets measurements decide"));
        }
    }
}

/// What to look at while there is a doubt.
fn mend(doubt: Doubt) -> &'static str {
    match doubt {
        Doubt::NeverGood => {
            "; `servergate status` shows what was measured: look whether address, port, protocol, \
             name, `ca` and `expect` are right"
        }
        Doubt::NoCopy => "; see the copy below",
    }
}

/// What is held for whom, for `status`.
pub(crate) fn held(desk: &Desk) -> Vec<Value> {
    let mut held = Vec::new();
    for organisation in &desk.config.organisations {
        for what in web::held(desk, organisation)
            .into_iter()
            .chain(mail::held(desk, organisation))
            .chain(names::held(desk, organisation))
        {
            held.push(json!({ "organisation": organisation.id, "what": what }));
        }
    }
    held
}

/// `3 min`, `14 h`, `12 d`: for ages and runways.
pub(crate) fn rough(span: Duration) -> String {
    match span.as_secs() {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7200 => format!("{} min", seconds / 60),
        seconds @ 7200..172_800 => format!("{} h", seconds / 3600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

fn now(desk: &Desk) -> Timestamp {
    desk.host.clock.now().wall
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whether_people_would_be_told_is_a_line() {
        let at = Timestamp::from_millis(1_779_268_443_000);
        let state = |delivered, failing_since, error: Option<&str>| ::watch::AlertState {
            delivered,
            failing_since,
            error: error.map(str::to_owned),
            failed: u64::from(failing_since.is_some()),
        };
        for (state, light, words) in [
            (
                state(None, None, None),
                Light::Yellow,
                "no alert was delivered since the start; `servergate alert test` sends one",
            ),
            (
                state(Some(at), None, None),
                Light::Green,
                "the last alert was delivered at 2026-05-20T09:14:03Z",
            ),
            // That one was delivered before is no comfort.
            (
                state(Some(at), Some(at), Some("the webhook answered 500")),
                Light::Red,
                "alerts are not delivered since 2026-05-20T09:14:03Z: the webhook answered 500; `servergate alert test` tries again",
            ),
            (
                state(None, Some(at), None),
                Light::Red,
                "alerts are not delivered since 2026-05-20T09:14:03Z: no reason was given; `servergate alert test` tries again",
            ),
        ] {
            assert_eq!(alert_line(&state), (light, words.to_owned()));
        }
    }
}
