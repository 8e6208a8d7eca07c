//! The program itself, run on a host of the laboratory as an operator would run it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::lab::{Finished, Host, Process};
use crate::peer::wait_listening;

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
