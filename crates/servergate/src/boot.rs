//! The boot order, as a list: read [`run`] from top to bottom.
//!
//! Everything is opened before anything serves, and what was opened first ends last.

use std::io::IsTerminal;
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use host::metrics::Metrics;
use host::net::Net;
use host::tls::{CertificateFiles, Certificates};
use host::web::{self, Routes, WebLimits, WebListen};
use host::{
    Clock, Drain, Host, Outlets, Part, Progress, RunError, Tasks, admin::AdminSocket, outlet,
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

/// How many things may wait in each outlet.
const WAITING: usize = 1024;

/// Stands by until a signal says otherwise.
pub(crate) async fn run(config: Config) -> Result<()> {
    log();
    let store = Store::open(&config.standby.data, Options::default())
        .with_context(|| format!("the data in {}", config.standby.data.display()))?;
    let (drain_trigger, drain) = Drain::new();
    let (host, ends, progress) = surroundings(&config, store);
    let certificates = certificates(&config, &host)?;

    // The one decision, with the standings as they were before the restart.
    let observed = LastObservations::default();
    let (standings, follow) = channel::channel(Arc::default());
    let (bursts, asked) = mpsc::channel(WAITING);
    let (shown, records) = mpsc::channel(WAITING);
    let outcomes = Outcomes {
        standings,
        bursts,
        targets: assemble::burst_targets(&config),
        records: shown,
        observed: observed.clone(),
    };
    let (instructions, instructed) = mpsc::channel(16);
    let task = Task::new(host.clone(), config.decided(), outcomes);

    // The parts: opened, not yet running.
    let names = names::Names::open(assemble::names(&config), host.clone()).await?;
    let site = site::Site::open(assemble::site(&config), host.clone()).await?;
    let bulletin =
        bulletin::Bulletin::open(assemble::bulletin(&config, records), host.clone()).await?;
    let watch = watch::Watch::open(assemble::watch(&config, asked), host.clone()).await?;
    let desk = Desk {
        config: config.clone(),
        host: host.clone(),
        started: host.clock.now().wall,
        standings: follow.clone(),
        observed,
        instructions,
        names: names.handle(),
        sites: site.handles(),
        progress: Progresses::follow(&host, progress),
        certificates: certificates.clone(),
    };

    // From here on we are heard.
    let mut running = JoinSet::new();
    let (last_trigger, last) = Drain::new();
    let inlets = ends.inlets(instructed);
    let mut decision = host.tasks.spawn("decision", task.run(inlets, last));
    spawn(
        &mut running,
        &host,
        "names",
        names.run(follow.clone(), drain.clone()),
    );
    spawn(
        &mut running,
        &host,
        "site",
        site.run(follow.clone(), drain.clone()),
    );
    spawn(
        &mut running,
        &host,
        "bulletin",
        bulletin.run(follow.clone(), drain.clone()),
    );
    spawn(
        &mut running,
        &host,
        "watch",
        watch.run(follow.clone(), drain.clone()),
    );
    let serving = web::serve(
        web_listen(&config),
        &host,
        certificates.as_ref(),
        drain.clone(),
    )
    .await?;
    if let Some(certificates) = certificates {
        host.tasks.spawn(
            "certificates",
            certificates.follow(host.clock.clone(), drain.clone()),
        );
    }
    if let Some(at) = config.listen.metrics {
        web::serve_metrics(at, &host, drain.clone()).await?;
    }
    let socket = AdminSocket::bind(&config.listen.admin)
        .await
        .with_context(|| format!("the admin socket {}", config.listen.admin.display()))?;
    host.tasks.spawn(
        "admin",
        desk.serve(socket, host.tasks.clone(), drain.clone()),
    );
    tell_systemd(&host, &drain);

    let end = until_told(&mut running, &mut decision).await;
    let _ = sd_notify::notify(&[NotifyState::Stopping]);
    drain_trigger.begin();
    // Guests are served to the end and parts finish what they write; the decision takes it down.
    serving.ended().await;
    while let Some(ended) = running.join_next().await {
        report(ended)?;
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
}

impl Ends {
    fn inlets(self, instructions: mpsc::Receiver<Instruction>) -> Inlets {
        let Self {
            observations,
            hints,
            records,
        } = self;
        Inlets {
            observations,
            hints,
            records,
            instructions,
        }
    }
}

/// What every part gets.
fn surroundings(config: &Config, store: Store) -> (Host, Ends, host::OutletReceiver<Progress>) {
    let (observations_out, observations) = outlet(WAITING);
    let (hints_out, hints) = outlet(WAITING);
    let (records_out, records) = outlet(WAITING);
    let (progress_out, progress) = outlet(WAITING);
    let host = Host {
        place: config.standby.name.clone(),
        clock: Clock::system(),
        net: Net::Real,
        store,
        tasks: Tasks::default(),
        metrics: Metrics::default(),
        outlets: Outlets {
            records: records_out,
            hints: hints_out,
            progress: progress_out,
            observations: observations_out,
        },
        routes: Routes::default(),
    };
    (
        host,
        Ends {
            observations,
            hints,
            records,
        },
        progress,
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
    let files: Vec<_> = config.organisations.iter().filter_map(files).collect();
    if files.is_empty() {
        return Ok(None);
    }
    Ok(Some(Certificates::open(files, &host.metrics)?))
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

/// Runs a part under its name. A part ends by itself only with an error.
fn spawn(
    running: &mut JoinSet<Result<()>>,
    host: &Host,
    name: &'static str,
    part: impl Future<Output = Result<(), RunError>> + Send + 'static,
) {
    let task = host.tasks.spawn(name, part);
    running.spawn(async move {
        match task.await {
            Ok(ended) => ended.with_context(|| format!("the part {name} ended")),
            Err(panic) => Err(anyhow!("the part {name} broke: {panic}")),
        }
    });
}

/// Returns when a signal asks us to end, or when something ended that never should.
async fn until_told(
    running: &mut JoinSet<Result<()>>,
    decision: &mut tokio::task::JoinHandle<Result<(), RunError>>,
) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        ended = decision => Err(match ended {
            Ok(Ok(())) => anyhow!("the decision ended by itself"),
            Ok(Err(error)) => anyhow!(error).context("the decision ended"),
            Err(panic) => anyhow!("the decision broke: {panic}"),
        }),
        Some(ended) = running.join_next() => {
            report(ended).and_then(|()| Err(anyhow!("a part ended by itself")))
        }
    }
}

fn report(ended: Result<Result<()>, tokio::task::JoinError>) -> Result<()> {
    ended.context("a task")?
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
