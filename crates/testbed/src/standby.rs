//! The program itself, run on a host of the laboratory as an operator would run it.

mod status;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::lab::{CEILING, Finished, Host, Process, until_asked};
use crate::peer::wait_listening;

pub use status::Status;

/// Set by xtask: the release binary.
const BINARY: &str = "SERVERGATE_BIN";

/// Gives commands to the standby of a host; cheap to clone, so that several people can.
#[derive(Clone, Debug)]
pub struct Console {
    host: Host,
    configuration: PathBuf,
}

/// A machine that runs `servergate run` from a configuration file in its own directory.
#[derive(Debug)]
pub struct Standby {
    console: Console,
    /// The running program; `None` between [`Standby::stop`] and [`Standby::start`].
    pub process: Option<Process>,
}

impl Console {
    /// Runs another command of the program beside it: `["status"]` becomes
    /// `servergate status -c servergate.toml`.
    pub fn command(&self, words: &[&str]) -> Result<Finished> {
        let end = ["-c", utf8(&self.configuration)?];
        self.host.run(utf8(&binary()?)?, &[words, &end].concat())
    }

    /// Runs a command with `--json` and reads its answer, whatever its exit code says.
    pub fn json(&self, words: &[&str]) -> Result<Value> {
        let finished = self.command(&[words, &["--json"]].concat())?;
        serde_json::from_str(&finished.stdout).with_context(|| {
            let (out, err) = (finished.stdout.trim(), finished.stderr.trim());
            let words = words.join(" ");
            format!("`servergate {words}` answered {out:?}, and said: {err}")
        })
    }
}

impl Standby {
    /// Writes `configuration` (TOML) as `servergate.toml` into the host's directory. The program
    /// is not started yet; relative paths in the text are relative to that directory.
    pub fn new(host: &Host, configuration: &str) -> Result<Self> {
        let path = host.dir().join("servergate.toml");
        fs::write(&path, configuration)?;
        let console = Console {
            host: host.clone(),
            configuration: path,
        };
        Ok(Self {
            console,
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
        wait_listening(self.host(), &mut process, port)?;
        self.process = Some(process);
        Ok(())
    }

    /// Starts the program and waits for nothing; returns the moment before.
    pub fn launch(&mut self) -> Result<Instant> {
        let begun = Instant::now();
        self.process = Some(self.spawn()?);
        Ok(begun)
    }

    fn spawn(&self) -> Result<Process> {
        let arguments = ["run", "-c", utf8(self.configuration())?];
        self.host().spawn(utf8(&binary()?)?, &arguments, &[])
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

    /// See [`Console::command`].
    pub fn command(&self, words: &[&str]) -> Result<Finished> {
        self.console.command(words)
    }

    /// See [`Console::json`].
    pub fn json(&self, words: &[&str]) -> Result<Value> {
        self.console.json(words)
    }

    /// Somebody else who gives commands.
    #[must_use]
    pub fn console(&self) -> Console {
        self.console.clone()
    }

    /// Answers the question that is open.
    pub fn answer(&self, word: &str) -> Result<()> {
        let status = self.status()?;
        let (id, _) = status.question().context("no question is open")?;
        let finished = self.command(&["answer", id, word])?;
        ensure!(finished.status.success(), "answer: {}", finished.stderr);
        Ok(())
    }

    /// Teaches it these recipients (whole addresses). Right after a start what is about people may
    /// still be under way to be opened, which is waited for; every other answer is an error at once.
    pub fn import_recipients<T: AsRef<str>>(&self, recipients: &[T]) -> Result<()> {
        let list = self.host().dir().join("recipients.txt");
        let lines: Vec<&str> = recipients.iter().map(AsRef::as_ref).collect();
        fs::write(&list, lines.join("\n"))?;
        let mut last = String::new();
        let imported = until_asked("the list of recipients to be taken", CEILING, || match self
            .json(&["import", "recipients", utf8(&list)?])
        {
            Ok(said) => Ok(Some(said)),
            Err(error) => {
                last = format!("{error:#}");
                match is_being_opened(&last) {
                    true => Ok(None),
                    false => Err(error),
                }
            }
        });
        let imported = imported.with_context(|| last)?;
        ensure!(
            imported["recipients"] == lines.len(),
            "imported: {imported}"
        );
        Ok(())
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

    /// The memory of the running program: resident now, and at its highest, in bytes.
    pub fn memory(&self) -> Result<Memory> {
        let id = self
            .process
            .as_ref()
            .context("the standby does not run")?
            .id();
        let text = fs::read_to_string(format!("/proc/{id}/status"))?;
        let bytes = |key: &str| -> Result<u64> {
            let line = text.lines().find_map(|line| line.strip_prefix(key));
            let number = line.and_then(|rest| rest.split_whitespace().next());
            let kilobytes: u64 = number.with_context(|| format!("no {key}"))?.parse()?;
            Ok(kilobytes * 1024)
        };
        Ok(Memory {
            resident: bytes("VmRSS:")?,
            highest: bytes("VmHWM:")?,
        })
    }

    /// The configuration file.
    #[must_use]
    pub fn configuration(&self) -> &Path {
        &self.console.configuration
    }

    /// The host it runs on.
    #[must_use]
    pub fn host(&self) -> &Host {
        &self.console.host
    }
}

/// What a program takes of the machine's memory, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Now.
    pub resident: u64,
    /// At its highest since it began.
    pub highest: u64,
}

impl std::fmt::Display for Memory {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mega = |bytes: u64| bytes as f64 / f64::from(1 << 20);
        let (now, highest) = (mega(self.resident), mega(self.highest));
        write!(out, "{now:.0} MB resident, {highest:.0} MB at its highest")
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

/// Whether a refused command says that what is about people is about to be open. Locked is another
/// answer, and stays one.
fn is_being_opened(said: &str) -> bool {
    said.contains("what is about people is being opened")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_opening_that_is_under_way_is_waited_for() {
        let said = |words: &str| format!("`servergate import` answered \"\", and said: {words}");
        assert!(is_being_opened(&said(
            "servergate: what is about people is being opened, which takes longer than 20 s here; \
             nothing was done. Try again, and see `servergate status`"
        )));
        for words in [
            "servergate: what is about people is locked; `servergate unlock` opens it",
            "servergate: no standby runs here (/run/admin.sock does not answer); start it with \
             `servergate run`",
            "servergate: most of recipients.txt is not understood",
            "",
        ] {
            assert!(!is_being_opened(&said(words)), "{words}");
        }
    }
}
