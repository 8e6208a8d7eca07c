//! `servergate drill`: a whole day on loopback, unprivileged, with nothing else installed.
//!
//! The primary is a second instance of this program that serves a folder and a zone file, takes
//! mail, and is ordered to act; the standby is an ordinary one with shortened intervals. Everybody
//! reaches the primary through a cable that can be pulled ([`cable`]). What is claimed at the end is
//! computed from what two visitors saw ([`visitor`], [`ledger`]), from what a sender heard and the
//! primary has ([`letters`]), and from the standby's record ([`witness`]), never from the standby's
//! opinion of itself ([`checks`]).

mod authority;
mod bench;
mod cable;
mod checks;
mod child;
mod config;
mod ledger;
mod letters;
mod picture;
mod resolver;
mod show;
mod site;
mod story;
mod visitor;
mod witness;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use host::{Clock, Tasks};
use owo_colors::Style;
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};

use self::bench::Bench;
use self::cable::{Cable, Cables};
use self::checks::{Check, seconds};
use self::config::{Files, PACE, Plan};
use self::show::Show;
use self::story::Day;
use crate::exit::{Fault, Said};

/// Rehearses a day; ends well only if all that was promised held. The files are kept in `keep`,
/// or somewhere else if anything went wrong; with `stay` the pages stay up until Enter is pressed.
pub(crate) async fn run(keep: Option<PathBuf>, stay: bool) -> Result<()> {
    let mut show = Show::new();
    let Some(mut folder) = Folder::prepare(keep, &mut show)? else {
        return Err(Said(Fault::Config).into());
    };
    let plan = Plan::find()?;
    let files = Files::write(&folder.path, folder.sockets.path(), &plan)?;
    introduce(&mut show, &plan, &files);
    let tasks = Tasks::default();
    let cables = lay(&plan, &tasks)
        .await
        .context("laying the cables on loopback")?;
    let mut bench = Bench::new(files, plan, cables, show, Clock::system(), tasks);
    let told = tokio::select! {
        biased;
        ended = interrupted() => Err(ended),
        told = Box::pin(bench.tell()) => told,
    };
    let outcome = match told {
        Ok(day) => conclude(&mut bench, &day, stay).await,
        Err(error) => Err(error),
    };
    close(&mut bench, &mut folder, outcome).await
}

/// Says what is about to happen, and where to look at it.
fn introduce(show: &mut Show, plan: &Plan, files: &Files) {
    let bold = Style::new().bold();
    let lines = [
        show.paint(
            "A rehearsal on loopback: the primary goes dark, and comes back.",
            bold,
        ),
        format!(
            "Shortened: probes every {} (else 10 s), confirmed {} apart (3 s),",
            seconds(PACE.interval),
            seconds(PACE.spacing),
        ),
        format!(
            "the return after {} of good probes (3 min). It takes about 40 seconds.",
            seconds(PACE.clean),
        ),
        String::new(),
        format!("  the site, plug pulled or not   {}", plan.site_url()),
        format!("  the public page                {}", plan.status_url()),
        format!(
            "  files and logs                 {}",
            files.folder().display()
        ),
        String::new(),
    ];
    for line in lines {
        show.say(&line);
    }
}

/// Everybody's lines to the primary, and the standby's own.
async fn lay(plan: &Plan, tasks: &Tasks) -> Result<Cables> {
    const PUBLIC: &[Cable] = &[Cable::Primary];
    const OBSERVED: &[Cable] = &[Cable::Primary, Cable::Observer];
    const SIGHT: &[Cable] = &[Cable::Observer];
    let mut cables = Cables::new(tasks.clone());
    let (web, dns, mail) = (plan.machine_web(), plan.machine_dns(), plan.machine_mail());
    cables.lay_tcp(plan.primary_web(), web, PUBLIC)?;
    cables.lay_tcp(plan.primary_dns(), dns, PUBLIC)?;
    cables.lay_udp(plan.primary_dns(), dns, PUBLIC).await?;
    cables.lay_tcp(plan.observed_web(), web, OBSERVED)?;
    cables.lay_tcp(plan.observed_dns(), dns, OBSERVED)?;
    cables.lay_udp(plan.observed_dns(), dns, OBSERVED).await?;
    cables.lay_tcp(plan.observed_mail(), mail, OBSERVED)?;
    cable::reference(plan.reference(), tasks)?;
    cables.lay_tcp(plan.observed_reference(), plan.reference(), SIGHT)?;
    Ok(cables)
}

/// Says what held and what did not.
async fn conclude(bench: &mut Bench, day: &Day, stay: bool) -> Result<()> {
    let picture = bench.picture(day);
    bench.show.picture(&picture);
    let checks = bench.checks(day);
    for check in &checks {
        say(&mut bench.show, check);
    }
    bench.show.say("");
    for line in bench.figures(day) {
        bench.show.say(&line);
    }
    if stay {
        bench.show.say("\nThe pages stay up; press Enter to end.");
        tokio::select! {
            biased;
            ended = interrupted() => return Err(ended),
            ended = bench.stay() => ended?,
        }
    }
    match checks.iter().filter(|check| !check.held).count() {
        0 => Ok(()),
        failed => bail!("{failed} of {} checks failed", checks.len()),
    }
}

fn say(show: &mut Show, check: &Check) {
    let (word, style) = match check.held {
        true => ("ok    ", Style::new().green()),
        false => ("FAILED", Style::new().red().bold()),
    };
    let word = show.paint(word, style);
    show.say(&format!("{word}  {}", check.what));
    let figure = show.paint(&check.figure, Style::new().dimmed());
    show.say(&format!("        {figure}"));
}

/// Ends what was started, whatever happened, and says where everything lies.
async fn close(bench: &mut Bench, folder: &mut Folder, outcome: Result<()>) -> Result<()> {
    let ended = bench.end().await;
    let outcome = outcome.and(ended);
    let show = &mut bench.show;
    let path = folder.path.display().to_string();
    match &outcome {
        Ok(()) => {
            show.say("");
            match folder.is_kept() {
                true => {
                    show.say(&format!(
                        "Visits, logs and the record lie in {path}; read it with"
                    ));
                    show.say(&format!(
                        "    servergate outage explain -c {path}/servergate.toml"
                    ));
                }
                false => {
                    show.say("With --keep DIR, visits, logs and the record of the drill are kept.")
                }
            }
            show.say(
                "Next: write servergate.toml for your servers (README.md); `servergate check`.",
            );
            Ok(())
        }
        Err(error) if error.is::<Interrupted>() => {
            show.say("Interrupted; all that was started has ended.");
            Err(Said(Fault::Failed).into())
        }
        Err(error) => {
            folder.keep();
            show.say("");
            let word = show.paint("The drill failed.", Style::new().red().bold());
            show.say(&format!("{word} {error:#}"));
            show.say(&format!("Visits, logs and the record lie in {path}"));
            Err(Said(Fault::Failed).into())
        }
    }
}

/// Somebody wanted the drill to end.
#[derive(Debug, thiserror::Error)]
#[error("it was interrupted")]
struct Interrupted;

/// Returns when somebody wants the drill to end.
async fn interrupted() -> anyhow::Error {
    let waiting = async {
        let mut interrupt = signal(SignalKind::interrupt())?;
        let mut terminate = signal(SignalKind::terminate())?;
        let mut hangup = signal(SignalKind::hangup())?;
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
        }
        Ok::<_, std::io::Error>(())
    };
    match waiting.await {
        Ok(()) => Interrupted.into(),
        Err(error) => anyhow::Error::new(error).context("listening for signals"),
    }
}

/// Where the files lie.
struct Folder {
    path: PathBuf,
    /// Taken away at the end, unless something went wrong.
    temporary: Option<TempDir>,
    sockets: TempDir,
}

/// With a longer path to temporary files than this, sockets do not fit.
const LONGEST: usize = 60;

impl Folder {
    /// `None` if `keep` cannot be used, which was said.
    fn prepare(keep: Option<PathBuf>, show: &mut Show) -> Result<Option<Self>> {
        let usual = std::env::temp_dir();
        let base = match usual.as_os_str().len() {
            ..=LONGEST => usual.as_path(),
            _ => Path::new("/tmp"),
        };
        let temporary = |name: &str| {
            let made = tempfile::Builder::new().prefix(name).tempdir_in(base);
            made.with_context(|| format!("a folder in {}", base.display()))
        };
        let sockets = temporary("servergate-")?;
        let Some(keep) = keep else {
            let folder = temporary("servergate-drill-")?;
            let path = folder.path().to_owned();
            return Ok(Some(Self {
                path,
                temporary: Some(folder),
                sockets,
            }));
        };
        let path = std::path::absolute(keep)?;
        std::fs::create_dir_all(&path).with_context(|| path.display().to_string())?;
        if std::fs::read_dir(&path)?.next().is_some() {
            show.say(&format!(
                "{} is not empty; name a new folder for the drill",
                path.display()
            ));
            return Ok(None);
        }
        Ok(Some(Self {
            path,
            temporary: None,
            sockets,
        }))
    }

    fn is_kept(&self) -> bool {
        self.temporary.is_none()
    }

    fn keep(&mut self) {
        if let Some(folder) = self.temporary.take() {
            // From here on it is the reader's.
            let _ = folder.keep();
        }
    }
}
