//! The two instances as child processes: started from this binary, ended on every way out.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::{Child, Command};
use tokio::time::timeout;

/// Told to end, an instance gets so long to do so in order.
const PATIENCE: Duration = Duration::from_secs(8);
/// So many last lines of a log say what was wrong.
const TAIL: usize = 15;

/// A running instance. Dropped without [`Instance::end`], it is killed.
pub(crate) struct Instance {
    name: &'static str,
    process: Child,
    log: PathBuf,
}

impl Instance {
    /// `servergate run -c CONFIG`, with what it says in `NAME.log` below `folder`.
    pub(crate) fn start(name: &'static str, config: &Path, folder: &Path) -> Result<Self> {
        let program = std::env::current_exe().context("this program does not find itself")?;
        let log = folder.join(format!("{name}.log"));
        let file = File::create(&log).with_context(|| format!("{}", log.display()))?;
        let process = Command::new(program)
            .arg("run")
            .arg("-c")
            .arg(config)
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            // A unit's notifications are about the unit, which this is not.
            .env_remove("NOTIFY_SOCKET")
            .env_remove("WATCHDOG_USEC")
            .env("NO_COLOR", "1")
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting the {name}"))?;
        Ok(Self { name, process, log })
    }

    /// An error with its last words if it has ended.
    pub(crate) fn must_live(&mut self) -> Result<()> {
        match self.process.try_wait()? {
            None => Ok(()),
            Some(status) => bail!(
                "the {} ended by itself ({status})\n{}",
                self.name,
                self.tail()
            ),
        }
    }

    /// The last lines it said.
    pub(crate) fn tail(&self) -> String {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        let from = lines.len().saturating_sub(TAIL);
        let last = lines.get(from..).unwrap_or_default().join("\n    ");
        format!("    last lines of {}:\n    {last}", self.log.display())
    }

    /// Tells it to end, and kills it if it does not.
    ///
    /// # Errors
    /// It did not end, or not in order.
    pub(crate) async fn end(mut self) -> Result<()> {
        if let Some(id) = self.process.id().and_then(|id| i32::try_from(id).ok()) {
            // Its own child is not reaped yet, so the number is still its own.
            let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
        }
        if let Ok(status) = timeout(PATIENCE, self.process.wait()).await {
            let status = status?;
            if status.success() {
                return Ok(());
            }
            bail!(
                "the {} did not end in order ({status})\n{}",
                self.name,
                self.tail()
            );
        }
        self.process.kill().await?;
        bail!(
            "the {} did not end within {} s and was killed",
            self.name,
            PATIENCE.as_secs()
        )
    }
}
