//! The program itself, run on a host of the laboratory as an operator would run it.

mod status;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::lab::{Finished, Host, Process, until_asked};
use crate::peer::wait_listening;

pub use status::Status;

/// Set by xtask: the release binary.
const BINARY: &str = "SERVERGATE_BIN";

/// A machine that runs `servergate run` from a configuration file in its own directory.
#[derive(Debug)]
pub struct Standby {
    host: Host,
    configuration: PathBuf,
    /// The running program; `None` between [`Standby::stop`] and [`Standby::start`].
    pub process: Option<Process>,
}

impl Standby {
    /// Writes `configuration` (TOML) as `servergate.toml` into the host's directory. The program
    /// is not started yet; relative paths in the text are relative to that directory.
    pub fn new(host: &Host, configuration: &str) -> Result<Self> {
        let path = host.dir().join("servergate.toml");
        fs::write(&path, configuration)?;
        Ok(Self {
            host: host.clone(),
            configuration: path,
            process: None,
        })
    }

    /// Starts the program and waits until it prints `mark` (for instance its line of readiness).
    pub fn start(&mut self, mark: &str, within: Duration) -> Result<()> {
        let mut process = self.spawn()?;
        process.wait_for(mark, within)?;
        self.process = Some(process);
        Ok(())
    }

    /// Starts the program and waits until it listens on a TCP port of its host.
    pub fn start_listening(&mut self, port: u16) -> Result<()> {
        let mut process = self.spawn()?;
        wait_listening(&self.host, &mut process, port)?;
        self.process = Some(process);
        Ok(())
    }

    fn spawn(&self) -> Result<Process> {
        let arguments = ["run", "-c", utf8(&self.configuration)?];
        self.host.spawn(utf8(&binary()?)?, &arguments, &[])
    }

    /// Ends the program as `systemctl stop` does; its last words come back.
    pub fn stop(&mut self) -> Result<Finished> {
        self.process
            .take()
            .context("the standby does not run")?
            .stop()
    }

    /// Ends the program as a power cut does.
    pub fn kill(&mut self) -> Result<()> {
        self.process
            .take()
            .context("the standby does not run")?
            .kill()
    }

    /// Runs another command of the program beside it: `["status", "--json"]` becomes
    /// `servergate status --json -c servergate.toml`.
    pub fn command(&self, words: &[&str]) -> Result<Finished> {
        let end = ["-c", utf8(&self.configuration)?];
        self.host.run(utf8(&binary()?)?, &[words, &end].concat())
    }

    /// Runs a command with `--json` and reads its answer, whatever its exit code says.
    pub fn json(&self, words: &[&str]) -> Result<Value> {
        let finished = self.command(&[words, &["--json"]].concat())?;
        serde_json::from_str(&finished.stdout).with_context(|| {
            let (out, err) = (finished.stdout.trim(), finished.stderr.trim());
            format!("`servergate {}` answered {out:?}, and said: {err}", words.join(" "))
        })
    }

    /// What `servergate status` shows.
    pub fn status(&self) -> Result<Status> {
        self.json(&["status"]).map(Status::new)
    }

    /// Asks for the status again and again until `wanted` says yes; the error holds the last one.
    pub fn wait_status(
        &mut self,
        what: &str,
        within: Duration,
        wanted: impl Fn(&Status) -> bool,
    ) -> Result<Status> {
        let mut last = String::from("no answer");
        let found = until_asked(what, within, || {
            if let Some(process) = &mut self.process {
                process.require_running()?;
            }
            match self.status() {
                Ok(status) if wanted(&status) => return Ok(Some(status)),
                Ok(status) => last = status.text(),
                // It may not listen yet.
                Err(error) => last = format!("{error:#}"),
            }
            Ok(None)
        });
        found.with_context(|| format!("the last status: {last}"))
    }

    /// The process number, while it runs.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        self.process.as_ref().map(Process::id)
    }

    /// The configuration file.
    #[must_use]
    pub fn configuration(&self) -> &Path {
        &self.configuration
    }

    /// The host it runs on.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.host
    }
}

/// The program's path, as xtask built it.
pub fn binary() -> Result<PathBuf> {
    let path =
        std::env::var(BINARY).with_context(|| format!("{BINARY} is not set (xtask sets it)"))?;
    Ok(PathBuf::from(path))
}

fn utf8(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is not UTF-8")
}
