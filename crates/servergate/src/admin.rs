//! The admin socket's other end: what is asked of the running standby, and what it answers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context, Result, anyhow, bail};
use host::admin::AdminSocket;
use host::tls::Certificates;
use host::{Drain, Held, Host, OutletReceiver, Progress};
use model::{
    Answer, Fact, Operator, Order, OrderKind, OrganisationId, QuestionId, ServiceId, Standings,
    Statement, Timestamp,
};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot, watch};

use crate::config::{Config, Organisation};
use crate::decide::Told;
use crate::decide::task::{Followed, Instruction, LastObservations};
use crate::decide::writer::Undurable;
use crate::protocol::Request;
use crate::{ready, record};

mod mail;
mod names;
mod private;
mod site;
mod status;

/// Everything that answers need.
pub(crate) struct Desk {
    pub(crate) config: Config,
    pub(crate) host: Host,
    pub(crate) started: Timestamp,
    pub(crate) standings: watch::Receiver<Standings>,
    pub(crate) observed: LastObservations,
    pub(crate) undurable: Undurable,
    pub(crate) instructions: mpsc::Sender<Instruction>,
    pub(crate) names: ::names::Handle,
    pub(crate) sites: BTreeMap<OrganisationId, ::site::SiteHandle>,
    pub(crate) mails: BTreeMap<OrganisationId, ::mail::MailHandle>,
    pub(crate) alerts: Option<::watch::Alerts>,
    pub(crate) progress: Progresses,
    pub(crate) certificates: Option<Certificates>,
}

/// The last progress of every long work.
#[derive(Clone, Default)]
pub(crate) struct Progresses(Arc<Mutex<BTreeMap<(ServiceId, &'static str), Progress>>>);

impl Progresses {
    /// Keeps the last of each kind of what `receiver` brings.
    pub(crate) fn follow(host: &Host, receiver: OutletReceiver<Progress>, drain: &Drain) -> Self {
        let all = Self::default();
        let kept = all.clone();
        let work = move |receiver| kept.clone().keep(receiver);
        let clock = host.clock.clone();
        host.tasks
            .keep_with("progress", clock, drain.clone(), receiver, work);
        all
    }

    async fn keep(self, mut receiver: Held<OutletReceiver<Progress>>) {
        while let Some(progress) = receiver.recv().await {
            let key = (progress.service.clone(), progress.work);
            self.0
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(key, progress);
        }
    }

    fn json(&self) -> Vec<Value> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let line = |progress: &Progress| {
            json!({
                "service": progress.service.to_string(), "work": progress.work,
                "done": progress.done, "total": progress.total,
            })
        };
        all.values().map(line).collect()
    }
}

impl Desk {
    /// Answers until the drain begins.
    pub(crate) async fn serve(self: Arc<Self>, socket: Held<AdminSocket>, drain: Drain) {
        let tasks = self.host.tasks.clone();
        let desk = self;
        let answer = move |request| {
            let desk = Arc::clone(&desk);
            async move {
                let reply = match serde_json::from_value(request) {
                    Ok(request) => desk.answer(request).await,
                    Err(error) => Err(anyhow!("not understood: {error}")),
                };
                reply.unwrap_or_else(|error| json!({ "error": format!("{error:#}") }))
            }
        };
        socket.serve(answer, tasks, drain).await;
    }

    async fn answer(&self, request: Request) -> Result<Value> {
        match request {
            Request::Status => self.status().await,
            Request::Ready => Ok(json!({ "lines": ready::of(self).await })),
            Request::Order { service, kind, by } => self.order(&service, kind, by).await,
            Request::Answer { question, yes, by } => self.answered(&question, yes, by).await,
            Request::Say {
                organisation,
                text,
                language,
                speaker,
                reason,
            } => {
                let organisation = self.organisation(organisation.as_deref())?;
                self.say(organisation, text, language, speaker, reason)
                    .await
            }
            Request::AlertTest => self.test_alert().await,
            Request::Records { from } => {
                let store = self.host.store.clone();
                tokio::task::spawn_blocking(move || record::reply(&store, from)).await?
            }
            Request::Site { organisation, what } => {
                let organisation = self.organisation(organisation.as_deref())?;
                site::answer(self, organisation, what).await
            }
            Request::RefreshNames {
                zone,
                take_older,
                by,
            } => names::refresh(self, zone.as_deref(), take_older, &by).await,
            Request::Mail { organisation, what } => {
                let organisation = self.organisation(organisation.as_deref())?;
                mail::answer(self, organisation, what).await
            }
            Request::Unlock { passphrase } => {
                crate::sealing::unlock(&self.host.store, &self.host.tasks, passphrase.into_bytes())
                    .await?;
                Ok(json!({ "said": "What is about people is open until the next start." }))
            }
            Request::Sealing => Ok(json!({ "state": mail::sealing(self) })),
            Request::Held => {
                let (mails, sealing) = (self.mails.clone(), mail::sealing(self));
                tokio::task::spawn_blocking(move || mail::held(&mails, sealing)).await?
            }
            Request::Backup { to } => {
                private::folder(&to).with_context(|| format!("{}", to.display()))?;
                let report = self.host.store.backup(&to).await.context("the backup")?;
                let store::BackupReport {
                    items,
                    blobs,
                    bytes,
                    ..
                } = report;
                let to = to.display();
                let said =
                    format!("{to} holds a copy: {items} items, {blobs} blobs, {bytes} bytes.");
                Ok(json!({ "said": said }))
            }
        }
    }

    async fn test_alert(&self) -> Result<Value> {
        let Some(alerts) = &self.alerts else {
            bail!("nobody is told of an outage; write `[alert]` and start the standby again");
        };
        let tested = alerts.test().await;
        let took = u64::try_from(tested.took.as_millis()).unwrap_or(u64::MAX);
        Ok(json!({ "way": tested.way, "took_ms": took, "undelivered": tested.error }))
    }

    async fn order(&self, service: &str, kind: OrderKind, by: String) -> Result<Value> {
        let service = self.service(service)?;
        let order = Order {
            service: service.clone(),
            kind,
            by: Operator(by),
            at: self.now(),
        };
        let open = |standings: &Standings| {
            let standing = standings.get(&service);
            standing.and_then(|standing| standing.question.clone())
        };
        let before = open(&self.standings.borrow());
        let mut reply = self.instruct(Told::Order(order), &service).await?;
        // An order may take the place of a question: nobody shall wonder where it went.
        if let Some(question) = before
            && reply["standing"]["question"]["id"] != json!(question.id)
        {
            reply["withdrawn"] = json!(question);
        }
        reply["said"] = json!(self.primary_s_words().await?);
        Ok(reply)
    }

    async fn answered(&self, question: &str, yes: bool, by: String) -> Result<Value> {
        let open: Vec<_> = self
            .standings
            .borrow()
            .values()
            .filter_map(|s| s.question.clone())
            .collect();
        let named = open.iter().filter(|open| {
            open.id.as_str() == question
                || format!("{}:{}", open.service.organisation, open.id) == question
        });
        let named: Vec<_> = named.collect();
        let question = match named.as_slice() {
            [question] => (*question).clone(),
            [] => {
                bail!("no question `{question}` is open; `servergate status` shows those that are")
            }
            _ => bail!(
                "several organisations have a question `{question}`; say `ORGANISATION:{question}`"
            ),
        };
        let service = question.service.clone();
        let answer = Answer {
            question: QuestionId::new(question.id.as_str()),
            service: service.clone(),
            yes,
            by: Operator(by),
            at: self.now(),
        };
        self.instruct(Told::Answer(answer), &service).await
    }

    /// Tells the decision, and gives the standing that followed, durable or why not.
    async fn instruct(&self, told: Told, service: &ServiceId) -> Result<Value> {
        let followed = self.tell(told).await?;
        Ok(json!({
            "standing": followed.standings.get(service),
            "undurable": followed.undurable,
        }))
    }

    async fn tell(&self, told: Told) -> Result<Followed> {
        let (done, followed) = oneshot::channel();
        let sent = self.instructions.send(Instruction { told, done }).await;
        sent.map_err(|_| anyhow!("the standby is ending"))?;
        followed.await.context("the standby is ending")
    }

    async fn say(
        &self,
        organisation: &Organisation,
        text: String,
        language: Option<String>,
        speaker: Option<String>,
        reason: bool,
    ) -> Result<Value> {
        if let Some(language) = &language
            && !["de", "en"].contains(&language.as_str())
        {
            bail!("`{language}` is not a language of the page; say de or en, or nothing");
        }
        let now = self.now();
        let statement = Statement {
            organisation: organisation.id.clone(),
            id: format!("statement-{}", now.millis()),
            text,
            language,
            by: speaker,
            reason,
        };
        let followed = self.tell(Told::Fact(Fact::Statement(statement))).await?;
        if let Some(why) = followed.undurable {
            // The write that failed may have been its own.
            bail!(
                "not published: the disk takes nothing ({why}); once it does again look at the page \
                 before you say it again"
            );
        }
        let page = organisation.bulletin.url.clone().unwrap_or_default();
        Ok(json!({ "page": page, "at": now.to_string() }))
    }

    /// `web` or `verein.test/web`.
    fn service(&self, text: &str) -> Result<ServiceId> {
        let (organisation, service) = match text.split_once('/') {
            Some((organisation, service)) => (Some(organisation), service),
            None => (None, text),
        };
        let service = service.parse().map_err(|error| anyhow!("{error}"))?;
        let organisation = self.organisation(organisation)?;
        let id = ServiceId::new(organisation.id.clone(), service);
        if !self.standings.borrow().contains_key(&id) {
            bail!(
                "{} has no {service} here; `servergate status` shows what there is",
                organisation.id
            );
        }
        Ok(id)
    }

    fn organisation(&self, named: Option<&str>) -> Result<&Organisation> {
        let all = &self.config.organisations;
        let Some(named) = named else {
            return match all.as_slice() {
                [only] => Ok(only),
                _ => bail!(
                    "this standby serves several organisations; say which: {}",
                    list(all)
                ),
            };
        };
        let id = OrganisationId::new(named);
        let found = all
            .iter()
            .find(|one| one.id == id || one.domains.iter().any(|d| d == named));
        found.with_context(|| format!("no organisation `{named}` here; there is: {}", list(all)))
    }

    fn now(&self) -> Timestamp {
        self.host.clock.now().wall
    }
}

fn alerts_json(state: &::watch::AlertState) -> Value {
    let time = |at: Option<Timestamp>| at.map(|at| at.to_string());
    json!({
        "delivered": time(state.delivered), "failing_since": time(state.failing_since),
        "error": state.error, "failed": state.failed,
    })
}

fn list(organisations: &[Organisation]) -> String {
    let names: Vec<_> = organisations.iter().map(|one| one.id.as_str()).collect();
    names.join(", ")
}
