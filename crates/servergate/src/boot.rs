//! The boot order, as a list: read [`stand_by`] from top to bottom.
//!
//! Everything is opened before anything serves, and what was opened first ends last.

mod upkeep;

use std::io::IsTerminal;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use host::metrics::Metrics;
use host::net::Net;
use host::tls::{CertificateFiles, Certificates};
use host::web::{self, Routes, WebLimits, WebListen};
use host::{
    Clock, Drain, Host, Outlets, Part, Progress, Reminder, RunError, Tasks, admin::AdminSocket,
    outlet,
};
use model::{Fact, Observation};
use sd_notify::NotifyState;
use store::{Options, Store};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch as channel};
use tokio::task::JoinSet;

use crate::admin::{Desk, Progresses};
use crate::assemble;
use crate::config::Config;
use crate::decide::task::{Inlets, Instruction, LastObservations, Outcomes, Task};
use crate::decide::writer::{Undurable, Writer};

/// How many things may wait in each outlet.
const WAITING: usize = 1024;

/// Stands by until a signal says otherwise.
pub(crate) async fn run(config: Config) -> Result<()> {
    log();
    stand_by(config, Surroundings::machine(), told()).await
}

/// What the standby finds around it: the machine, or a simulation of it.
#[derive(Clone, Debug)]
pub struct Surroundings {
    clock: Clock,
    net: Net,
    tasks: Tasks,
    store: Options,
    /// Whether the machine's own ways in and out are there: admin socket, service manager.
    machine: bool,
}

impl Surroundings {
    /// The machine.
    pub fn machine() -> Self {
        Self {
            clock: Clock::system(),
            net: Net::Real,
            tasks: Tasks::default(),
            store: Options::default(),
            machine: true,
        }
    }

    /// A simulation: its own time and network, and no threads.
    pub fn simulated(clock: Clock, net: Net, store: Options) -> Self {
        Self {
            clock,
            net,
            tasks: Tasks::simulated(),
            store,
            machine: false,
        }
    }
}

/// Stands by in these surroundings until `until` says otherwise, or something broke.
///
/// # Errors
/// The standby could not begin, or ended by itself.
pub async fn stand_by(
    config: Config,
    around: Surroundings,
    until: impl Future<Output = Result<()>>,
) -> Result<()> {
    let store = Store::open(&config.standby.data, around.store.clone())
        .with_context(|| format!("the data in {}", config.standby.data.display()))?;
    let (drain_trigger, drain) = Drain::new();
    let (host, ends, progress, reminders) = host(&config, &around, store);
    let certificates = certificates(&config, &host)?;

    // The one decision, with the standings as they were before the restart.
    let observed = LastObservations::default();
    let undurable = Undurable::default();
    let (standings, follow) = channel::channel(Arc::default());
    let targets = assemble::burst_targets(&config);
    // A mass outage asks for a burst of every service at once.
    let (bursts, asked) = mpsc::channel(targets.len().max(WAITING));
    let (shown, records) = mpsc::channel(WAITING);
    let outcomes = Outcomes {
        standings,
        bursts,
        targets,
        observed: observed.clone(),
    };
    let (instructions, instructed) = mpsc::channel(16);
    let writer = Writer::new(host.clone(), undurable.clone(), shown);
    let task = Task::new(host.clone(), config.decided(), outcomes, writer);

    // The parts: opened, not yet running.
    let names = names::Names::open(assemble::names(&config), host.clone()).await?;
    let site = site::Site::open(assemble::site(&config), host.clone()).await?;
    let tls = smtp_tls(&config, certificates.as_ref())?;
    let mail = mail::Setting {
        config: assemble::mail(&config),
        tls,
    };
    let mail = mail::Mail::open(mail, host.clone()).await?;
    let bulletin =
        bulletin::Bulletin::open(assemble::bulletin(&config, records), host.clone()).await?;
    let watching = assemble::watch(&config, asked, reminders);
    let looking = crate::honest::Looking {
        config: config.clone(),
        net: host.net,
        clock: host.clock.clone(),
        names: names.handle(),
        ways: watching.ways.clone(),
    };
    let watch = watch::Watch::open(watching, host.clone()).await?;
    let desk = Desk {
        config: config.clone(),
        host: host.clone(),
        started: host.clock.now().wall,
        standings: follow.clone(),
        observed,
        undurable,
        instructions,
        names: names.handle(),
        sites: site.handles(),
        mails: mail.handles(),
        alerts: watch.alerts(),
        progress: Progresses::follow(&host, progress, &drain),
        certificates: certificates.clone(),
    };

    // Beside everything else: it computes for a while, and nobody has to wait for it.
    if let Some(file) = config.standby.passphrase_file.clone() {
        let opening = crate::sealing::open(file, host.store.clone(), host.tasks.clone());
        host.tasks.spawn("unlocking", opening);
    }

    // From here on we are heard.
    let mut parts = Parts::new(host.tasks.clone());
    let (last_trigger, last) = Drain::new();
    let inlets = ends.inlets(instructed);
    let mut decision = host.tasks.spawn("decision", task.run(inlets, last));
    parts.spawn("names", names.run(follow.clone(), drain.clone()));
    parts.spawn("site", site.run(follow.clone(), drain.clone()));
    parts.spawn("mail", mail.run(follow.clone(), drain.clone()));
    parts.spawn("bulletin", bulletin.run(follow.clone(), drain.clone()));
    parts.spawn("watch", watch.run(follow, drain.clone()));
    let listen = web_listen(&config);
    let serving = web::serve(listen, &host, certificates.as_ref(), drain.clone()).await?;
    if let Some(certificates) = certificates {
        follow_certificates(certificates, &host, &drain);
    }
    if let Some(at) = config.listen.metrics {
        web::serve_metrics(at, &host, drain.clone()).await?;
    }
    if around.machine {
        upkeep::look_at_the_disk(&host, &drain);
        upkeep::sweep(&host, &drain);
        look_up_delegations(looking, &host, &drain);
        open_desk(&config, &host, desk, &drain).await?;
        tell_systemd(&host, &drain);
    }

    let end = until_told(until, &mut parts, &mut decision).await;
    if around.machine {
        let _ = sd_notify::notify(&[NotifyState::Stopping]);
    }
    drain_trigger.begin();
    // Guests are served to the end and parts finish what they write; the decision takes it down.
    serving.ended().await;
    while let Some(ended) = parts.next_end().await {
        ended?;
    }
    last_trigger.begin();
    if end.is_ok() {
        decision.await.context("the decision")??;
    }
    host.store.close();
    end
}

/// The far ends of the outlets that lead to the decision.
struct Ends {
    observations: host::OutletReceiver<Observation>,
    hints: host::OutletReceiver<host::Hint>,
    records: host::OutletReceiver<Fact>,
    handback: host::OutletReceiver<host::Handback>,
}

impl Ends {
    fn inlets(self, instructions: mpsc::Receiver<Instruction>) -> Inlets {
        let Self {
            observations,
            hints,
            records,
            handback,
        } = self;
        Inlets {
            observations,
            hints,
            records,
            handback,
            instructions,
        }
    }
}

/// What every part gets.
fn host(
    config: &Config,
    around: &Surroundings,
    store: Store,
) -> (
    Host,
    Ends,
    host::OutletReceiver<Progress>,
    host::OutletReceiver<Reminder>,
) {
    let (observations_out, observations) = outlet(WAITING);
    let (hints_out, hints) = outlet(WAITING);
    let (records_out, records) = outlet(WAITING);
    let (progress_out, progress) = outlet(WAITING);
    let (handback_out, handback) = outlet(WAITING);
    let (reminders_out, reminders) = outlet(WAITING);
    let metrics = Metrics::default();
    metrics.show_store(&store);
    metrics.show_tasks(&around.tasks);
    let host = Host {
        place: config.standby.name.clone(),
        clock: around.clock.clone(),
        net: around.net,
        store,
        tasks: around.tasks.clone(),
        metrics,
        outlets: Outlets {
            records: records_out,
            hints: hints_out,
            progress: progress_out,
            observations: observations_out,
            handback: handback_out,
            reminders: reminders_out,
        },
        routes: Routes::default(),
        outbound: host::outbound::Outbound::default(),
    };
    (
        host,
        Ends {
            observations,
            hints,
            records,
            handback,
        },
        progress,
        reminders,
    )
}

fn certificates(config: &Config, host: &Host) -> Result<Option<Certificates>> {
    let files = |organisation: &crate::config::Organisation| {
        let certificate = organisation.web.as_ref()?.certificate.as_ref()?;
        Some(CertificateFiles {
            organisation: organisation.id.clone(),
            chain: certificate.chain.clone(),
            key: certificate.key.clone(),
        })
    };
    let mail = |organisation: &crate::config::Organisation| {
        let certificate = organisation.mail.as_ref()?.certificate.as_ref()?;
        Some(CertificateFiles {
            organisation: organisation.id.clone(),
            chain: certificate.chain.clone(),
            key: certificate.key.clone(),
        })
    };
    let web = config.organisations.iter().filter_map(files);
    let files: Vec<_> = web
        .chain(config.organisations.iter().filter_map(mail))
        .collect();
    if files.is_empty() {
        return Ok(None);
    }
    Ok(Some(Certificates::open(files, &host.metrics)?))
}

/// Takes new ones up when their files change.
fn follow_certificates(certificates: Certificates, host: &Host, drain: &Drain) {
    let (clock, tasks, end) = (host.clock.clone(), host.tasks.clone(), drain.clone());
    let following = move || {
        let (clock, tasks, end) = (clock.clone(), tasks.clone(), end.clone());
        certificates.clone().follow(clock, tasks, end)
    };
    let clock = host.clock.clone();
    host.tasks
        .keep("certificates", clock, drain.clone(), following);
}

/// Keeps true what alerts say of steering.
fn look_up_delegations(looking: crate::honest::Looking, host: &Host, drain: &Drain) {
    let (looking, end) = (Arc::new(looking), drain.clone());
    let work = move || Arc::clone(&looking).run(end.clone());
    let clock = host.clock.clone();
    host.tasks.keep("delegations", clock, drain.clone(), work);
}

/// What guests of the mail part are shown: no ALPN, and a certificate also for who names no host.
fn smtp_tls(
    config: &Config,
    certificates: Option<&Certificates>,
) -> Result<Option<Arc<rustls::ServerConfig>>> {
    let Some(certificates) = certificates else {
        return Ok(None);
    };
    let name = assemble::mail(config).name;
    let shown = certificates.server_config_for(&[], Some(&name))?;
    Ok(Some(shown))
}

fn web_listen(config: &Config) -> WebListen {
    WebListen {
        http: config.listen.http.clone(),
        https: config.listen.https.clone(),
        trusted_proxies: config.listen.trusted_proxies.clone(),
        proxy_protocol: config.listen.proxy_protocol,
        limits: WebLimits::default(),
    }
}

/// Answers on the admin socket.
async fn open_desk(config: &Config, host: &Host, desk: Desk, drain: &Drain) -> Result<()> {
    let socket = AdminSocket::bind(&config.listen.admin)
        .await
        .with_context(|| format!("the admin socket {}", config.listen.admin.display()))?;
    let (desk, end) = (Arc::new(desk), drain.clone());
    let answering = move |socket| Arc::clone(&desk).serve(socket, end.clone());
    let clock = host.clock.clone();
    host.tasks
        .keep_with("admin", clock, drain.clone(), socket, answering);
    Ok(())
}

/// The parts that run. A part ends by itself only with an error.
struct Parts {
    tasks: Tasks,
    running: JoinSet<Result<()>>,
}

impl Parts {
    fn new(tasks: Tasks) -> Self {
        let running = JoinSet::new();
        Self { tasks, running }
    }

    /// Runs a part under its name.
    fn spawn(
        &mut self,
        name: &'static str,
        part: impl Future<Output = Result<(), RunError>> + Send + 'static,
    ) {
        let task = self.tasks.spawn(name, part);
        self.running.spawn(async move {
            match task.await {
                Ok(ended) => {
                    if let Err(error) = &ended {
                        // Only the first end that is seen is shown at the end; this one may be why.
                        tracing::error!(part = name, %error, "a part ended");
                    }
                    ended.with_context(|| format!("the part {name} ended"))
                }
                Err(panic) => Err(anyhow!("the part {name} broke: {panic}")),
            }
        });
    }

    /// How the next of them ended; `None` when all have. Cancel-safe.
    async fn next_end(&mut self) -> Option<Result<()>> {
        let ended = self.running.join_next().await?;
        Some(ended.context("a task").flatten())
    }
}

/// Returns when a signal asks us to end.
async fn told() -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Returns when we are told to end, or when something ended that never should.
async fn until_told(
    until: impl Future<Output = Result<()>>,
    parts: &mut Parts,
    decision: &mut tokio::task::JoinHandle<Result<(), RunError>>,
) -> Result<()> {
    tokio::select! {
        told = until => told,
        ended = decision => Err(match ended {
            Ok(Ok(())) => anyhow!("the decision ended by itself"),
            Ok(Err(error)) => anyhow!(error).context("the decision ended"),
            Err(panic) => anyhow!("the decision broke: {panic}"),
        }),
        Some(ended) = parts.next_end() => {
            ended.and_then(|()| Err(anyhow!("a part ended by itself")))
        }
    }
}

/// Logs go to standard error; `SERVERGATE_LOG=site=debug,names=trace` says more of a part.
fn log() {
    use tracing_subscriber::filter::{LevelFilter, Targets};
    use tracing_subscriber::layer::SubscriberExt;
    use tracing_subscriber::util::SubscriberInitExt;
    let wanted = std::env::var("SERVERGATE_LOG").ok();
    let parsed = wanted
        .as_deref()
        .and_then(|wanted| wanted.parse::<Targets>().ok());
    let targets = parsed.unwrap_or_default().with_default(LevelFilter::INFO);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(true);
    // A second `run` in one process (the simulation) keeps the first one's log.
    let _ = tracing_subscriber::registry()
        .with(targets)
        .with(lines)
        .try_init();
}

/// Says that we are ready, and then that we live, as often as the unit asks for.
fn tell_systemd(host: &Host, drain: &Drain) {
    let _ = sd_notify::notify(&[NotifyState::Ready]);
    let Some(interval) = sd_notify::watchdog_enabled() else {
        return;
    };
    let (clock, drain) = (host.clock.clone(), drain.clone());
    host.tasks.spawn("watchdog", async move {
        while !drain.has_begun() {
            let _ = sd_notify::notify(&[NotifyState::Watchdog]);
            clock.sleep(interval / 2).await;
        }
    });
}

#[cfg(test)]
mod tests;
