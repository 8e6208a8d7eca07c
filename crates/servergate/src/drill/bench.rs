//! What the drill works with: cables, two instances, visitors, what is known of them, and ways to
//! wait that say what was waited for in vain. [`super::story`] plays on it.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use host::{Clock, Tasks};
use model::Mono;
use tokio::sync::oneshot;

use super::cable::Cables;
use super::checks::seconds;
use super::child::Instance;
use super::config::{Files, Plan};
use super::ledger::{Ledger, Visit, Who};
use super::letters::sender::Sender;
use super::letters::{Attempt, Letters};
use super::show::Show;
use super::visitor::{self, Visitors};
use super::witness::Witness;
use crate::protocol::{self, Request};

/// From one look at the record to the next.
const LOOK: Duration = Duration::from_millis(100);
/// A machine that is busy with other things starts an instance within this.
pub(super) const START: Duration = Duration::from_secs(30);

/// Everything that takes part.
pub(super) struct Bench {
    pub(super) show: Show,
    pub(super) files: Files,
    pub(super) plan: Plan,
    pub(super) cables: Cables,
    pub(super) clock: Clock,
    pub(super) tasks: Tasks,
    pub(super) began: Mono,
    pub(super) primary: Option<Instance>,
    pub(super) standby: Option<Instance>,
    pub(super) visitors: Option<Visitors>,
    pub(super) ledger: Ledger,
    pub(super) sender: Option<Sender>,
    pub(super) letters: Letters,
    pub(super) witness: Witness,
    pub(super) caption: String,
}

impl Bench {
    pub(super) fn new(
        files: Files,
        plan: Plan,
        cables: Cables,
        show: Show,
        clock: Clock,
        tasks: Tasks,
    ) -> Self {
        let began = clock.now().mono;
        let witness = Witness::new(files.standby_socket());
        Self {
            show,
            files,
            plan,
            cables,
            clock,
            tasks,
            began,
            primary: None,
            standby: None,
            visitors: None,
            ledger: Ledger::default(),
            sender: None,
            letters: Letters::default(),
            witness,
            caption: String::new(),
        }
    }

    /// Waits until an instance answers on its admin socket.
    pub(super) async fn until_answered(&mut self, socket: &Path) -> Result<()> {
        let deadline = self.clock.now().mono.after(START);
        loop {
            match protocol::ask(socket, &Request::Status).await {
                Ok(_) => return Ok(()),
                Err(error) if self.clock.now().mono >= deadline => {
                    return Err(error.context(self.tails()));
                }
                Err(_) => self.round().await?,
            }
        }
    }

    /// Waits until a visitor gets a right page.
    pub(super) async fn until_good(&mut self, who: Who) -> Result<()> {
        let deadline = self.clock.now().mono.after(START);
        let authority = self.files.authority();
        loop {
            let visit = visitor::once(&self.plan, &authority, who, &self.clock).await?;
            if visit.is_good() {
                return Ok(());
            }
            if self.clock.now().mono >= deadline {
                bail!(
                    "a visitor {who} got no right page: {}\n{}",
                    visit.outcome,
                    self.tails()
                );
            }
            self.round().await?;
        }
    }

    pub(super) async fn until(
        &mut self,
        what: &str,
        limit: Duration,
        ready: impl Fn(&Self) -> bool,
    ) -> Result<()> {
        let deadline = self.clock.now().mono.after(limit);
        while !ready(self) {
            if self.clock.now().mono >= deadline {
                bail!(
                    "waited {} for {what}, in vain\n{}",
                    seconds(limit),
                    self.tails()
                );
            }
            self.round().await?;
        }
        Ok(())
    }

    pub(super) async fn pass(&mut self, span: Duration) -> Result<()> {
        let end = self.clock.now().mono.after(span);
        while self.clock.now().mono < end {
            self.round().await?;
        }
        Ok(())
    }

    /// A moment passes: visits come in, the record is read on, everything is looked at.
    pub(super) async fn round(&mut self) -> Result<()> {
        let end = self.clock.now().mono.after(LOOK);
        loop {
            // All arms are cancel-safe.
            tokio::select! {
                Some(visit) = next(&mut self.visitors) => self.ledger.enter(visit),
                Some(attempt) = attempted(&mut self.sender) => self.letters.enter(attempt),
                () = self.clock.sleep_until(end) => break,
            }
        }
        for instance in [&mut self.primary, &mut self.standby].into_iter().flatten() {
            instance.must_live()?;
        }
        if self.standby.is_some() {
            // It may not answer yet; whoever waits for something has a deadline.
            let _ = self.witness.look().await;
        }
        if self.visitors.is_some() {
            let caption = format!("{}  {}", seconds(self.time()), self.caption);
            self.show.draw(&self.ledger, &caption);
        }
        Ok(())
    }

    pub(super) fn time(&self) -> Duration {
        self.clock.now().mono.since(self.began)
    }

    pub(super) fn event(&mut self, words: &str) {
        let time = self.time();
        self.show.event(time, words);
    }

    pub(super) fn caption(&mut self, caption: String) {
        self.caption = caption;
    }

    /// What both instances said last.
    pub(super) fn tails(&self) -> String {
        let tails = [&self.standby, &self.primary]
            .into_iter()
            .flatten()
            .map(Instance::tail);
        tails.collect::<Vec<_>>().join("\n")
    }

    /// Visitors go home; what they have under way still counts.
    pub(super) async fn let_go(&mut self) {
        let Some(mut visitors) = self.visitors.take() else {
            return;
        };
        visitors.stop();
        while let Some(visit) = visitors.next().await {
            self.ledger.enter(visit);
        }
        self.show.wipe();
    }

    /// Keeps the pages up until Enter is pressed.
    pub(super) async fn stay(&mut self) -> Result<()> {
        let (pressed, mut enter) = oneshot::channel();
        // A thread of its own: a blocking task would keep the program from ending.
        std::thread::spawn(move || {
            let _ = std::io::stdin().read_line(&mut String::new());
            let _ = pressed.send(());
        });
        while enter.try_recv() == Err(oneshot::error::TryRecvError::Empty) {
            self.round().await?;
        }
        Ok(())
    }

    /// Ends both instances and writes down what visitors saw and the sender heard.
    pub(super) async fn end(&mut self) -> Result<()> {
        self.show.wipe();
        if let Some(visitors) = &self.visitors {
            visitors.stop();
        }
        if let Some(sender) = &self.sender {
            sender.stop();
        }
        let written = std::fs::write(self.files.visits(), self.ledger.csv());
        let written = written.and(std::fs::write(self.files.letters(), self.letters.csv()));
        let mut ended = Ok(());
        for instance in [self.standby.take(), self.primary.take()]
            .into_iter()
            .flatten()
        {
            ended = ended.and(instance.end().await);
        }
        ended.and(written.with_context(|| self.files.folder().display().to_string()))
    }
}

async fn next(visitors: &mut Option<Visitors>) -> Option<Visit> {
    match visitors {
        Some(visitors) => visitors.next().await,
        None => std::future::pending().await,
    }
}

async fn attempted(sender: &mut Option<Sender>) -> Option<Attempt> {
    match sender {
        Some(sender) => sender.next().await,
        None => std::future::pending().await,
    }
}
