//! `status.json`: the standings for machines, without anything about people.
//!
//! ```json
//! {
//!   "version": 1,                          // this shape; a new number where a reader could break
//!   "organisation": "verein.test",
//!   "name": "Verein Beispiel",
//!   "updated": "2026-05-20T09:14:20Z",     // when anything below changed last, UTC (RFC 3339)
//!   "mode": "act",                         // or "observe": nothing is moved
//!   "overall": "kept",                     // the gravest status of all services
//!   "services": [{
//!     "service": "web",                    // web, mail, chat, names
//!     "status": "kept",                    // reachable, unmeasured, suspect, blind, partial,
//!                                          // returning, kept (the standby serves), disturbed, dark
//!     "role": "acting",                    // of the standby: standby, acting, returning
//!     "since": "2026-05-20T09:14:03Z",     // of the status; null while unmeasured
//!     "cause": "silent",                   // what was measured, null while reachable
//!     "places": {"failing": 3, "voting": 3},
//!     "outage": "verein.test/web/2026-05-20T09:14:03Z"   // null while none runs
//!   }],
//!   "copy": "2026-05-20T09:00:00Z",        // of the copy of the website that is held, or null
//!   "reason_said": false                   // whether the organisation has named the reason
//! }
//! ```

use model::{Cause, Mode, OutageId, Role, Service, Standing};
use serde::Serialize;

use crate::view::Ground;
use crate::view::standing::{Public, order};

#[derive(Serialize)]
struct Status<'a> {
    version: u8,
    organisation: &'a str,
    name: &'a str,
    updated: String,
    mode: Mode,
    overall: &'static str,
    services: Vec<ServiceStatus<'a>>,
    copy: Option<String>,
    reason_said: bool,
}

#[derive(Serialize)]
struct ServiceStatus<'a> {
    service: Service,
    status: &'static str,
    role: Role,
    since: Option<String>,
    cause: Option<Cause>,
    places: Option<Places>,
    outage: Option<&'a OutageId>,
}

#[derive(Serialize)]
struct Places {
    failing: usize,
    voting: usize,
}

/// The standings as JSON.
pub(crate) fn status(ground: &Ground<'_>) -> Result<String, serde_json::Error> {
    let mut services: Vec<&Standing> = ground.standings.iter().collect();
    services.sort_by_key(|standing| order(standing.service.service));
    let overall = services.iter().map(|standing| Public::of(standing)).max();
    let observes = services
        .iter()
        .any(|standing| standing.mode == Mode::Observe);
    let status = Status {
        version: 1,
        organisation: ground.organisation.id.as_str(),
        name: ground.name(),
        updated: ground.changed().to_string(),
        mode: if observes { Mode::Observe } else { Mode::Act },
        overall: overall.unwrap_or(Public::Unmeasured).machine_word(),
        services: services.into_iter().map(service).collect(),
        copy: ground.chronicle.copy().map(|copy| copy.at.to_string()),
        reason_said: ground.chronicle.reason_said(),
    };
    serde_json::to_string(&status)
}

fn service(standing: &Standing) -> ServiceStatus<'_> {
    let public = Public::of(standing);
    ServiceStatus {
        service: standing.service.service,
        status: public.machine_word(),
        role: standing.role,
        since: public.since(standing).map(|since| since.to_string()),
        cause: standing.cause(),
        places: standing.verdict.as_ref().map(|verdict| Places {
            failing: verdict.failing(),
            voting: verdict.voting(),
        }),
        outage: standing.outage.as_ref(),
    }
}
