//! The servers that hold mail, behind one set of verbs.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::load::{self, Back, Sink, Traced};
use crate::bench::{TICK, config, ticks_of};
use crate::lab::{Host, until_asked};
use crate::peer::exim::{self, Exim};
use crate::peer::postfix::{NextHop, Postfix, Setting};
use crate::standby::{Memory, Standby, binary};

/// Where the primary would listen.
const PRIMARY: u16 = 2525;
const LIMIT: Duration = Duration::from_secs(60);

/// A server under load, and how many messages it holds.
pub(super) struct Server {
    pub(super) label: &'static str,
    host: Host,
    kind: Kind,
    held: u64,
}

enum Kind {
    Postfix(Postfix),
    Exim(Exim),
    Ours(Standby),
}

impl Server {
    /// Postfix as the distribution sets it up, relay for the domain.
    pub(super) fn postfix(host: &Host) -> Result<Self> {
        host.know("client.elsewhere.test", host.address()?)?;
        let next = NextHop::At(host.address()?, PRIMARY);
        let setting = Setting::holding("mx2.verein.test", "verein.test", next);
        let postfix = Postfix::start_with(host, &setting)?;
        Ok(Self::new("Postfix", host, Kind::Postfix(postfix)))
    }

    /// Exim as the distribution sets it up, told to keep what it is given for the domain.
    pub(super) fn exim(host: &Host) -> Result<Self> {
        host.know("client.elsewhere.test", host.address()?)?;
        let setting = exim::Setting::holding("mx2.verein.test", "verein.test");
        let exim = Exim::start(host, &setting)?;
        Ok(Self::new("Exim", host, Kind::Exim(exim)))
    }

    /// Ours, told to act.
    pub(super) fn ours(host: &Host) -> Result<Self> {
        host.know("client.elsewhere.test", host.address()?)?;
        let passphrase = host.dir().join("passphrase");
        fs::write(&passphrase, "a passphrase of a benchmark\n")?;
        fs::set_permissions(&passphrase, Permissions::from_mode(0o600))?;
        let text = config::mail(host.address()?, PRIMARY, &passphrase);
        let standby = Standby::new(host, &text)?;
        let mut server = Self::new("ours", host, Kind::Ours(standby));
        server.start()?;
        server.act()?;
        Ok(server)
    }

    fn new(label: &'static str, host: &Host, kind: Kind) -> Self {
        Self {
            label,
            host: host.clone(),
            kind,
            held: 0,
        }
    }

    fn standby(&mut self) -> Result<&mut Standby> {
        match &mut self.kind {
            Kind::Ours(standby) => Ok(standby),
            Kind::Postfix(_) | Kind::Exim(_) => bail!("this is {}", self.label),
        }
    }

    pub(super) fn start(&mut self) -> Result<()> {
        let standby = self.standby()?;
        standby.start_listening(25)?;
        standby.wait_status("it to answer", LIMIT, |_| true)?;
        Ok(())
    }

    /// Ends it for good.
    pub(super) fn end(self) -> Result<()> {
        match self.kind {
            Kind::Postfix(postfix) => postfix.stop().map(|_| ()),
            Kind::Exim(exim) => exim.stop().map(|_| ()),
            Kind::Ours(mut standby) => standby.stop().map(|_| ()),
        }
    }

    /// The most that the generator can leave anywhere: a program that keeps nothing and syncs
    /// nothing, in place of the server and on its host.
    pub(super) fn ceiling(&self, sessions: u64, messages: u64, kept: bool) -> Result<Duration> {
        let sink = Sink::start(&self.host, PRIMARY + 1)?;
        let took = load::one_sender(&self.host, PRIMARY + 1, [sessions, messages], kept)?;
        sink.stop()?;
        Ok(took)
    }

    pub(super) fn stop(&mut self) -> Result<()> {
        self.standby()?.stop().map(|_| ())
    }

    pub(super) fn memory(&mut self) -> Result<Memory> {
        self.standby()?.memory()
    }

    pub(super) fn act(&mut self) -> Result<()> {
        let standby = self.standby()?;
        let said = standby.command(&["failover", "mail"])?;
        ensure!(said.status.success(), "failover: {}", said.stderr);
        standby.wait_status("mail to act", LIMIT, |status| {
            status.role("mail") == "acting"
        })?;
        Ok(())
    }

    pub(super) fn require_held(&mut self, messages: u64) -> Result<()> {
        let mark = format!("mail: {messages} messages wait");
        self.standby()?.wait_status(&mark, LIMIT, |status| {
            status.held().iter().any(|line| line.starts_with(&mark))
        })?;
        Ok(())
    }

    /// Cut off as by a power cut and started again: from the start to the first 250.
    pub(super) fn restart(&mut self) -> Result<Duration> {
        self.standby()?.kill()?;
        let begun = self.standby()?.launch()?;
        let took = load::first_accepted(&self.host, begun)?;
        self.held += 1;
        Ok(took)
    }

    /// One sender, `sessions` connections.
    pub(super) fn fill(&mut self, sessions: u64, messages: u64, kept: bool) -> Result<Duration> {
        let took = load::one_sender(&self.host, 25, [sessions, messages], kept)?;
        self.held += messages;
        Ok(took)
    }

    /// As many senders as connections, which are kept.
    pub(super) fn fill_of_many(&mut self, sessions: u64, messages: u64) -> Result<Duration> {
        let took = load::many_senders(&self.host, sessions, messages)?;
        self.held += messages;
        Ok(took)
    }

    /// Syncs a message.
    pub(super) fn syncs(&mut self, sessions: u64, messages: u64, kept: bool) -> Result<f64> {
        self.quiet()?;
        let host = self.host.clone();
        let calls = match &self.kind {
            Kind::Postfix(_) | Kind::Exim(_) => load::syncs(&host, &host.process_ids()?, || {
                self.fill(sessions, messages, kept).map(|_| ())
            })?,
            Kind::Ours(_) => self.traced_syncs(sessions, messages, kept)?,
        };
        Ok(calls as f64 / messages as f64)
    }

    fn traced_syncs(&mut self, sessions: u64, messages: u64, kept: bool) -> Result<u64> {
        self.stop()?;
        let program = binary()?;
        let configuration = self.standby()?.configuration().to_path_buf();
        let [program, configuration] = [&program, &configuration]
            .map(|path| path.to_str().context("a path that is not UTF-8"));
        let words = [program?, "run", "-c", configuration?];
        let mut traced = Traced::start(&self.host, &words)?;
        load::first_accepted(&self.host, Instant::now())?;
        self.held += 1;
        self.quiet()?;
        let before = traced.calls()?;
        self.fill(sessions, messages, kept)?;
        self.quiet()?;
        let calls = traced.calls()? - before;
        self.host.kill_all()?;
        self.start()?;
        self.act()?;
        Ok(calls)
    }

    /// Everything that is held goes to a primary that has come back; afterwards it is gone again.
    pub(super) fn hand_back(&mut self) -> Result<Back> {
        let before = self.quiet()?;
        let mut sink = Sink::start(&self.host, PRIMARY)?;
        let begun = Instant::now();
        match &self.kind {
            Kind::Postfix(postfix) => postfix.flush()?,
            Kind::Exim(_) => bail!("Exim is not measured handing back"),
            Kind::Ours(standby) => {
                let said = standby.command(&["failback", "mail"])?;
                ensure!(said.status.success(), "failback: {}", said.stderr);
            }
        }
        let (rate, first) = sink.wait(self.held, begun)?;
        sink.stop()?;
        let spent = self.quiet()?.saturating_sub(before);
        let micros = spent.as_secs_f64() * 1e6 / self.held as f64;
        self.held = 0;
        if matches!(self.kind, Kind::Ours(_)) {
            self.require_held(0)?;
            self.act()?;
        }
        Ok(Back {
            rate,
            first,
            micros,
        })
    }

    /// Waits until the server has nothing to do any more; returns the CPU time it took so far,
    /// with that of its processes that have ended meanwhile.
    pub(super) fn quiet(&self) -> Result<Duration> {
        let (mut last, mut calm) = (self.cpu()?, 0);
        until_asked("the server to be quiet", LIMIT, || {
            let now = self.cpu()?;
            calm = if now <= last + TICK { calm + 1 } else { 0 };
            last = now;
            Ok((calm >= 8).then_some(now))
        })
        .with_context(|| self.label)
    }

    fn cpu(&self) -> Result<Duration> {
        let mut ticks = 0;
        for id in self.host.process_ids()? {
            // One that ends just now is in its parent's account the next time.
            if let Ok(text) = fs::read_to_string(format!("/proc/{id}/stat")) {
                ticks +=
                    ticks_of(&text, 4).with_context(|| format!("/proc/{id}/stat: {text:?}"))?;
            }
        }
        Ok(TICK * ticks)
    }
}
