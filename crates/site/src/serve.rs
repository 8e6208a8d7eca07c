//! Answers for the hosts of one organisation: from the primary, from the copy, or honestly not.
//!
//! The part opens one [`SiteHandler`] for each organisation, registers it for its hosts, and
//! tells it of every change of the standings. Which way a request goes says `way`; what a page
//! of the copy becomes on the wire says `plan`; RFC 9110 throughout.

mod bodies;
mod condition;
mod counters;
mod notice;
mod plan;
mod range;
mod way;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use host::tls::ClientTls;
use host::web::{Body, Guest, Handler, Handling, Outcome, Request, Response, UploadError};
use host::{Clock, Hint, Host, Outlets};
use http::header::HeaderValue;
use http::request::Parts;
use http::{Method, StatusCode};
use model::{OrganisationId, Service, ServiceId, Standings};

use crate::config::Primary;
use crate::generation::{Copy, Generation};
use crate::relay::{self, Relay, Trouble, Urgency};
use crate::withhold::Withhold;
use bodies::BodyTrouble;
use counters::From;
use plan::Plan;
use way::{Sign, Way};

pub use bodies::Bodies;
pub use counters::ServeCounters;

pub(crate) use counters::Failure;

/// In an outage the page is worth another look after this many seconds.
const LATER: u32 = 60;
/// What was too much at once is worth another look after this many seconds.
const SOON: u32 = 5;
/// At most one hint in so many milliseconds.
const HINTS: i64 = 1000;
/// RFC 8555 §8.3: only the primary can answer it.
const ACME: &str = "/.well-known/acme-challenge/";

/// What a handler needs beside the host.
pub struct SiteSources {
    /// Whose site it is.
    pub organisation: OrganisationId,
    /// Where the primary is; `None` for a site that is only a folder.
    pub primary: Option<(Primary, ClientTls)>,
    /// The copy.
    pub copy: Arc<Copy>,
    /// What is withheld.
    pub withhold: Withhold,
    /// Whether guests who come to the copy by plain HTTP are led to HTTPS. For a primary that is
    /// asked by HTTPS, once there is a certificate: it does so itself, nearly always.
    pub lead_to_https: bool,
    /// Who demanded it, as a URL for `Link: rel="blocked-by"`, if that is to be said.
    pub blocked_by: Option<String>,
    /// The bytes of bodies, shared by all organisations.
    pub bodies: Bodies,
    /// The counters, shared by all organisations.
    pub counters: ServeCounters,
}

/// Answers for one organisation. Cheap to clone.
#[derive(Clone)]
pub struct SiteHandler(Arc<Desk>);

struct Desk {
    service: ServiceId,
    relay: Option<Relay>,
    copy: Arc<Copy>,
    withhold: Withhold,
    lead_to_https: bool,
    blocked_by: Option<HeaderValue>,
    bodies: Bodies,
    counters: ServeCounters,
    mark: ArcSwapOption<(u64, HeaderValue)>,
    sign: Sign,
    clock: Clock,
    outlets: Outlets,
    /// When the last hint was given, in milliseconds.
    hinted: AtomicI64,
}

impl SiteHandler {
    /// A handler that follows no standing yet: the primary first, as for a standby.
    pub fn new(sources: SiteSources, host: &Host) -> Self {
        let relay = sources
            .primary
            .map(|(primary, tls)| Relay::new(primary, &tls, host));
        Self(Arc::new(Desk {
            service: ServiceId::new(sources.organisation, Service::Web),
            relay,
            copy: sources.copy,
            withhold: sources.withhold,
            lead_to_https: sources.lead_to_https,
            blocked_by: sources.blocked_by.as_deref().and_then(notice::blocked_by),
            bodies: sources.bodies,
            counters: sources.counters,
            mark: ArcSwapOption::empty(),
            sign: Sign::new(),
            clock: host.clock.clone(),
            outlets: host.outlets.clone(),
            hinted: AtomicI64::new(i64::MIN),
        }))
    }

    /// Follows the standings from now on; called at every change.
    pub fn follow(&self, standings: &Standings) {
        let way = Way::of(standings.get(&self.0.service));
        self.0.sign.turn(way);
    }
}

impl Handler for SiteHandler {
    fn handle<'a>(&'a self, host: &'a str, request: Request) -> Handling<'a> {
        let desk = &*self.0;
        let (head, body) = request.into_parts();
        if let Some(entry) = desk.withhold.entry(host, target(&head)) {
            desk.counters.answer(From::Withheld);
            let response = notice::withheld(&entry, desk.blocked_by.as_ref());
            return Box::pin(std::future::ready(Outcome::Answer(response)));
        }
        let acme = head.uri.path().starts_with(ACME);
        let way = match &desk.relay {
            None => Way::CopyOnly,
            Some(_) => desk.sign.way(),
        };
        if let (true, Some(relay)) = (acme, &desk.relay) {
            return match way {
                Way::CopyOnly => Box::pin(std::future::ready(desk.no_challenge())),
                _ => Box::pin(desk.challenge(relay, host, head, body)),
            };
        }
        match (way, &desk.relay) {
            (Way::PrimaryFirst, Some(relay)) => {
                Box::pin(desk.primary_first(relay, host, head, body))
            }
            (Way::PrimaryOnly, Some(relay)) => Box::pin(desk.primary_only(relay, host, head, body)),
            (Way::CopyFirst, Some(relay)) => Box::pin(desk.copy_first(relay, host, head, body)),
            // The hot path of an outage: no task switch, no disk, a future of two words.
            _ => match desk.at_hand(host, &head, From::Copy) {
                Some(outcome) => Box::pin(std::future::ready(outcome)),
                None => Box::pin(async move { desk.copied(host, &head, From::Copy).await }),
            },
        }
    }
}

/// Path and query as they came.
fn target(head: &Parts) -> &str {
    head.uri
        .path_and_query()
        .map_or("/", |target| target.as_str())
}

fn is_safe(method: &Method) -> bool {
    matches!(*method, Method::GET | Method::HEAD)
}

impl Desk {
    async fn primary_first(&self, relay: &Relay, host: &str, head: Parts, body: Body) -> Outcome {
        let stands_in = is_safe(&head.method) && self.has(host, &head);
        let urgency = match stands_in {
            true => Urgency::CopyStandsIn,
            false => Urgency::NothingStandsIn,
        };
        match self.pass(relay, host, &head, body, urgency).await {
            Passed::Answer(response) if !stands_in => self.answered(From::Primary, response),
            Passed::Answer(response) if !response.status().is_server_error() => {
                self.answered(From::Primary, response)
            }
            // The answer of a primary that fails is dropped before its first byte of content.
            Passed::Answer(_) | Passed::Failed => self.copied(host, &head, From::Fallback).await,
            Passed::Busy if stands_in => self.copied(host, &head, From::Fallback).await,
            Passed::Busy => self.unavailable(From::Busy, SOON),
            Passed::Fault(response) => Outcome::Answer(response),
        }
    }

    async fn copy_first(&self, relay: &Relay, host: &str, head: Parts, body: Body) -> Outcome {
        if is_safe(&head.method) && self.has(host, &head) {
            return self.copied(host, &head, From::Copy).await;
        }
        match self
            .pass(relay, host, &head, body, Urgency::NothingStandsIn)
            .await
        {
            Passed::Answer(response) => self.answered(From::Primary, response),
            Passed::Failed => self.copied(host, &head, From::Fallback).await,
            Passed::Busy => self.unavailable(From::Busy, SOON),
            Passed::Fault(response) => Outcome::Answer(response),
        }
    }

    /// What the primary says is shown, whatever it is; what it does not answer is nobody's.
    async fn primary_only(&self, relay: &Relay, host: &str, head: Parts, body: Body) -> Outcome {
        let urgency = Urgency::NothingStandsIn;
        match self.pass(relay, host, &head, body, urgency).await {
            Passed::Answer(response) => self.answered(From::Primary, response),
            Passed::Failed => self.unavailable(From::NotInCopy, LATER),
            Passed::Busy => self.unavailable(From::Busy, SOON),
            Passed::Fault(response) => Outcome::Answer(response),
        }
    }

    /// The primary is not to be asked now. Whoever holds its address could have a certificate for
    /// the organisation's name made out otherwise, for names lead here and the question comes
    /// through us (RFC 8555 §10.1).
    fn no_challenge(&self) -> Outcome {
        let text = "There is no such token here.\n";
        self.answered(From::Challenge, notice::plain(StatusCode::NOT_FOUND, text))
    }

    /// Whoever certifies the primary's name asks the primary, as long as it may be asked at all.
    async fn challenge(&self, relay: &Relay, host: &str, head: Parts, body: Body) -> Outcome {
        match self.pass(relay, host, &head, body, Urgency::Always).await {
            Passed::Answer(response) => self.answered(From::Primary, response),
            Passed::Failed => self.unavailable(From::NotInCopy, LATER),
            Passed::Busy => self.unavailable(From::Busy, SOON),
            Passed::Fault(response) => Outcome::Answer(response),
        }
    }

    async fn pass(
        &self,
        relay: &Relay,
        host: &str,
        head: &Parts,
        body: Body,
        urgency: Urgency,
    ) -> Passed {
        if relay::is_loop(&head.headers) {
            // RFC 5842 §7.2 for the status; the primary's address leads back to us.
            self.counters.answer(From::Loop);
            let text = "The primary's address leads back to this standby.\n";
            return Passed::Fault(notice::plain(StatusCode::LOOP_DETECTED, text));
        }
        let trouble = match relay.pass(host, head, body, urgency).await {
            Ok(response) => {
                if response.status().is_server_error() {
                    self.counters.failure(Failure::Status);
                    self.hint();
                }
                return Passed::Answer(response);
            }
            Err(trouble) => trouble,
        };
        self.failed(trouble)
    }

    fn failed(&self, trouble: Trouble) -> Passed {
        let status = match trouble.upload {
            Some(UploadError::TooLarge) => Some(StatusCode::PAYLOAD_TOO_LARGE),
            Some(UploadError::TooSlow) => Some(StatusCode::REQUEST_TIMEOUT),
            // RFC 9112 §6.3: a body that is no body; of a guest who left nobody hears the answer.
            Some(_) => Some(StatusCode::BAD_REQUEST),
            None => None,
        };
        if let Some(status) = status {
            return Passed::Fault(notice::plain(status, "The body could not be taken.\n"));
        }
        self.counters.failure(trouble.failure);
        match trouble.failure {
            Failure::Busy => Passed::Busy,
            Failure::Spared => Passed::Failed,
            _ => {
                self.hint();
                Passed::Failed
            }
        }
    }

    /// Starts a confirmation burst, but not a burst of bursts.
    fn hint(&self) {
        let at = self.clock.now().wall;
        let last = self.hinted.load(Ordering::Relaxed);
        if at.millis().saturating_sub(last) < HINTS {
            return;
        }
        self.hinted.store(at.millis(), Ordering::Relaxed);
        let service = self.service.clone();
        self.outlets.hints.offer(Hint { service, at });
    }

    fn has(&self, host: &str, head: &Parts) -> bool {
        let generation = self.copy.current();
        generation.is_some_and(|generation| generation.page(host, target(head)).is_some())
    }

    /// The answer, if it needs neither the disk nor the notice.
    fn at_hand(&self, host: &str, head: &Parts, from: From) -> Option<Outcome> {
        if !is_safe(&head.method) {
            return None;
        }
        if self.leads(head) {
            return Some(self.answered(From::Https, notice::to_https(host, target(head))));
        }
        let generation = self.copy.current()?;
        let plan = self.plan(&generation, host, head)?;
        let body = match &plan.send {
            None => Bytes::new(),
            Some((stored, part)) => self.bodies.at_hand(&generation, stored, part)?,
        };
        Some(self.answered(from, assemble(plan, body.into())))
    }

    async fn copied(&self, host: &str, head: &Parts, from: From) -> Outcome {
        if head.method == Method::OPTIONS {
            return self.answered(from, notice::methods(StatusCode::NO_CONTENT));
        }
        if !is_safe(&head.method) {
            if self.relay.is_none() {
                // Files take nothing in, today or later.
                let response = notice::methods(StatusCode::METHOD_NOT_ALLOWED);
                return self.answered(From::Method, response);
            }
            return self.unavailable(From::Method, LATER);
        }
        if self.leads(head) {
            return self.answered(From::Https, notice::to_https(host, target(head)));
        }
        let Some(generation) = self.copy.current() else {
            return self.unavailable(From::NotInCopy, LATER);
        };
        let Some(mut plan) = self.plan(&generation, host, head) else {
            if self.relay.is_none() {
                // A folder is the whole site: what is not in it is nowhere else either.
                let response = notice::plain(StatusCode::NOT_FOUND, "There is no such page.\n");
                return self.answered(From::NotInCopy, response);
            }
            return self.unavailable(From::NotInCopy, LATER);
        };
        let at_hand = |(stored, part): &_| self.bodies.at_hand(&generation, stored, part);
        if let Some(bytes) = plan.send.as_ref().and_then(at_hand) {
            return self.answered(from, assemble(plan, bytes.into()));
        }
        let body = match plan.send.take() {
            None => Body::empty(),
            Some((stored, part)) => match self.bodies.get(stored, part).await {
                Ok(body) => body,
                Err(BodyTrouble::Busy) => return self.unavailable(From::Busy, SOON),
                Err(error) => {
                    tracing::error!("a page of the copy of {}: {error}", self.service);
                    return self.unavailable(From::Store, LATER);
                }
            },
        };
        self.answered(from, assemble(plan, body))
    }

    /// Only from the usual port: where HTTPS is served is not known for any other.
    fn leads(&self, head: &Parts) -> bool {
        self.lead_to_https
            && head
                .extensions
                .get::<Guest>()
                .is_some_and(|guest| !guest.secure)
            && relay::authority(head).is_some_and(|it| !it.as_bytes().contains(&b':'))
    }

    fn plan(&self, generation: &Generation, host: &str, head: &Parts) -> Option<Plan> {
        let page = generation.page(host, target(head))?;
        let mark = self.mark(generation.number)?;
        let now = self.clock.now().wall;
        Some(plan::plan(page, mark, &head.method, &head.headers, now))
    }

    /// What says that an answer is from this generation; made once for each.
    fn mark(&self, number: u64) -> Option<HeaderValue> {
        if let Some(mark) = &*self.mark.load()
            && mark.0 == number
        {
            return Some(mark.1.clone());
        }
        let mark = HeaderValue::try_from(format!("copy; generation={number}")).ok()?;
        self.mark.store(Some(Arc::new((number, mark.clone()))));
        Some(mark)
    }

    fn answered(&self, from: From, response: Response) -> Outcome {
        self.counters.answer(from);
        Outcome::Answer(response)
    }

    fn unavailable(&self, why: From, retry_after: u32) -> Outcome {
        self.counters.answer(why);
        Outcome::Unavailable {
            organisation: self.service.organisation.clone(),
            retry_after,
        }
    }
}

/// What came of passing a request on.
enum Passed {
    Answer(Response),
    Failed,
    Busy,
    /// The guest's own fault, with our words.
    Fault(Response),
}

fn assemble(plan: Plan, body: Body) -> Response {
    let mut response = Response::new(body);
    *response.status_mut() = plan.status;
    *response.headers_mut() = plan.headers;
    response
}

#[cfg(test)]
mod tests;
