//! One running program on a host: started, watched, ended by its number.

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::{CEILING, Host, until_some};

/// How long a program has to end itself after SIGTERM.
const TERM_LIMIT: Duration = Duration::from_secs(60);

/// A running program. Dropping it ends it: SIGTERM, then after a while SIGKILL.
#[derive(Debug)]
pub struct Process {
    label: String,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
    ended: Option<ExitStatus>,
    // A machine outlives its programs.
    _host: Host,
}

/// A program that has ended, and what it printed.
#[derive(Debug)]
pub struct Finished {
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed.
    pub stdout: String,
    /// What it complained.
    pub stderr: String,
}

impl Process {
    pub(super) fn spawn(
        host: &Host,
        number: u32,
        program: &str,
        arguments: &[&str],
        environment: &[(&str, &str)],
    ) -> Result<Self> {
        let short = Path::new(program)
            .file_name()
            .map_or(program.into(), |name| name.to_string_lossy());
        let file = |end: &str| host.dir().join(format!("{number:03}-{short}.{end}"));
        let (stdout, stderr) = (file("out"), file("err"));
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", host.name(), program])
            .args(arguments)
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .envs(environment.iter().copied())
            // Some masters (Postfix') end their children as a process group.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(File::create(&stdout)?)
            .stderr(File::create(&stderr)?);
        let what = format!("start {program} on {}", host.name());
        let child = until_some(&what, CEILING, || match command.spawn() {
            Ok(child) => Ok(Some(child)),
            // A busy machine has no process to give at the moment (fork's EAGAIN).
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(None),
            Err(error) => Err(error).context(what.clone()),
        })?;
        let label = format!("{short} on {}", host.name());
        Ok(Self {
            label,
            child,
            stdout,
            stderr,
            ended: None,
            _host: host.clone(),
        })
    }

    /// The process number (`ip netns exec` becomes the program, so it is the program's own).
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it still runs.
    pub fn is_running(&mut self) -> Result<bool> {
        if self.ended.is_none() {
            self.ended = self.child.try_wait()?;
        }
        Ok(self.ended.is_none())
    }

    /// An error with its last words when it does not run any more.
    pub fn require_running(&mut self) -> Result<()> {
        if self.is_running()? {
            return Ok(());
        }
        let status = self
            .ended
            .map(|status| status.to_string())
            .unwrap_or_default();
        bail!(
            "{} ended ({status}): {}",
            self.label,
            last_lines(&self.stderr(), &self.stdout())
        )
    }

    /// What it has printed so far.
    #[must_use]
    pub fn stdout(&self) -> String {
        lossy(&self.stdout)
    }

    /// What it has complained so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        lossy(&self.stderr)
    }

    /// Sends a signal.
    pub fn signal(&mut self, signal: Signal) -> Result<()> {
        self.require_running()?;
        let id = i32::try_from(self.child.id()).context("a process number")?;
        kill(Pid::from_raw(id), signal).with_context(|| format!("{signal} to {}", self.label))
    }

    /// Waits until it prints a line that contains `mark` (on either output), or fails when it
    /// ends or the time is over.
    pub fn wait_for(&mut self, mark: &str, within: Duration) -> Result<String> {
        let what = format!("{} to print {mark:?}", self.label);
        until_some(&what, within, || {
            let said = [self.stdout(), self.stderr()].concat();
            let line = said
                .lines()
                .find(|line| line.contains(mark))
                .map(ToOwned::to_owned);
            if line.is_none() {
                self.require_running()?;
            }
            Ok(line)
        })
    }

    /// Waits for its own end, at most `within`.
    pub fn finish(mut self, within: Duration) -> Result<Finished> {
        let status = self.wait(within)?;
        Ok(Finished {
            status,
            stdout: self.stdout(),
            stderr: self.stderr(),
        })
    }

    /// Asks it to end (SIGTERM) and waits; an error when it does not.
    pub fn stop(mut self) -> Result<Finished> {
        self.signal(Signal::SIGTERM)?;
        self.finish(TERM_LIMIT)
    }

    /// Ends it as a power cut would (SIGKILL).
    pub fn kill(mut self) -> Result<()> {
        self.signal(Signal::SIGKILL)?;
        self.wait(TERM_LIMIT).map(|_| ())
    }

    fn wait(&mut self, within: Duration) -> Result<ExitStatus> {
        let what = format!("{} to end", self.label);
        until_some(&what, within, || {
            self.is_running()?;
            Ok(self.ended)
        })
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.ended.is_some() || !self.is_running().unwrap_or(true) {
            return;
        }
        let _ = self.signal(Signal::SIGTERM);
        if self.wait(TERM_LIMIT).is_err() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

fn lossy(path: &Path) -> String {
    fs::read(path)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default()
}

fn last_lines(stderr: &str, stdout: &str) -> String {
    let said = if stderr.trim().is_empty() {
        stdout
    } else {
        stderr
    };
    let lines: Vec<&str> = said.trim().lines().collect();
    lines
        .get(lines.len().saturating_sub(12)..)
        .unwrap_or_default()
        .join("\n")
}
