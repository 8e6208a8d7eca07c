//! Exim: another primary's mail server, another sender's (one that uses BDAT where it is offered,
//! RFC 3030), and another holding one for comparison. Debian's Exim 4.96 has no XCLIENT.
//!
//! It starts itself anew for each delivery and then believes only the configuration at its
//! compiled-in place; so each host has an `/etc/exim4` of its own.

mod setting;

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

pub use setting::Setting;

use super::dovecot;
use super::tools::dialogue;
use super::{directory, kill_family, open_to_others, require_many_users, utf8, wait_listening};
use crate::generated_mail::Mail;
use crate::lab::{Finished, Host, Process, ground, until};

const PROGRAM: &str = "/usr/sbin/exim4";
/// How long its processes may take to be gone after SIGKILL.
const KILL_LIMIT: Duration = crate::lab::CEILING;

/// A running Exim on port 25 of every address of its host.
#[derive(Debug)]
pub struct Exim {
    host: Host,
    dir: PathBuf,
    delivers: bool,
    /// The daemon.
    pub process: Process,
}

/// An Exim after a power cut: nothing runs, its queue is as it was.
#[derive(Debug)]
#[must_use = "a queue without its Exim"]
pub struct Fallen {
    host: Host,
    dir: PathBuf,
    delivers: bool,
}

impl Fallen {
    /// Starts it again on the same queue, with the same configuration.
    pub fn start(self) -> Result<Exim> {
        Exim::launch(self.host, self.dir, self.delivers)
    }
}

impl Exim {
    /// Starts it. A queue that an earlier one left on this host stays.
    pub fn start(host: &Host, setting: &Setting) -> Result<Self> {
        require_many_users("Exim")?;
        let mode = fs::metadata(PROGRAM)?.permissions().mode();
        ensure!(
            mode & 0o4000 != 0,
            "Exim becomes root by its set-user-ID bit, which unpacking as another user than root took away"
        );
        let dir = directory(host, "exim")?;
        open_to_others("Exim", &dir)?;
        for below in ["spool", "log"] {
            let path = dir.join(below);
            fs::create_dir_all(&path)?;
            chown(&path, Some(ground::EXIM_UID), Some(ground::EXIM_UID))?;
        }
        write_recipients(&dir, setting.recipients())?;
        for (file, name) in setting.secrets() {
            let own = dir.join(name);
            fs::copy(file, &own).with_context(|| format!("copy {}", file.display()))?;
            chown(&own, Some(ground::EXIM_UID), Some(ground::EXIM_UID))?;
        }
        // `ip netns exec` lays this directory over /etc/exim4 for what it starts.
        let conf = Path::new("/etc/netns").join(host.name()).join("exim4");
        fs::create_dir_all(&conf)?;
        let text = setting.configuration(utf8(&dir)?, utf8(&dovecot::configuration_file(host))?)?;
        fs::write(conf.join("exim4.conf"), &text)?;
        fs::write(dir.join("exim4.conf"), &text)?;
        Self::launch(host.clone(), dir, setting.delivers())
    }

    fn launch(host: Host, dir: PathBuf, delivers: bool) -> Result<Self> {
        // What lies in the queue is tried every two seconds, or never.
        let words: &[&str] = if delivers {
            &["-bdf", "-q2s"]
        } else {
            &["-bdf"]
        };
        let mut process = host.spawn(PROGRAM, words, &[])?;
        wait_listening(&host, &mut process, 25)?;
        Ok(Self {
            host,
            dir,
            delivers,
            process,
        })
    }

    /// From now on a primary knows these recipients only.
    pub fn know_only(&self, recipients: &[&str]) -> Result<()> {
        let owned: Vec<String> = recipients.iter().map(|word| (*word).to_owned()).collect();
        write_recipients(&self.dir, &owned)
    }

    /// From now on a primary refuses everybody: somebody emptied its list of recipients.
    pub fn reject_all(&self) -> Result<()> {
        self.know_only(&[])
    }

    /// Gives it many messages at once, and waits until it has taken all of them.
    pub fn inject_all(&self, mails: &[Mail]) -> Result<()> {
        let file = self.dir.join("injected");
        fs::write(&file, dialogue(mails, false))?;
        // Batched SMTP has no answers: the first message that is not taken ends the program.
        let script = "exec /usr/sbin/exim4 -bS < \"$1\"";
        self.host
            .run_well("/bin/sh", &["-c", script, "sh", utf8(&file)?])
            .map(|_| ())
    }

    /// How many messages are in its queue.
    pub fn queue_len(&self) -> Result<usize> {
        let count = self.host.run_well(PROGRAM, &["-bpc"])?;
        Ok(count.trim().parse()?)
    }

    /// What Exim has logged.
    #[must_use]
    pub fn log(&self) -> String {
        ["main", "reject", "panic"]
            .iter()
            .map(|which| {
                let path = self.dir.join(format!("log/{which}log"));
                let bytes = fs::read(path).unwrap_or_default();
                String::from_utf8_lossy(&bytes).into_owned()
            })
            .collect()
    }

    /// Ends the daemon, and waits for the deliveries under way.
    pub fn stop(self) -> Result<Finished> {
        let finished = self.process.stop()?;
        until("Exim's deliveries to end", KILL_LIMIT, || {
            programs(&self.host).is_empty()
        })?;
        Ok(finished)
    }

    /// Ends it with all its processes at once, as a power cut would.
    pub fn kill(self) -> Result<Fallen> {
        kill_family(&self.host, self.process, KILL_LIMIT)?;
        // Deliveries leave the daemon's family.
        until("Exim's deliveries to be gone", KILL_LIMIT, || {
            let left = programs(&self.host);
            for id in &left {
                let _ = kill(Pid::from_raw(*id), Signal::SIGKILL);
            }
            left.is_empty()
        })?;
        Ok(Fallen {
            host: self.host,
            dir: self.dir,
            delivers: self.delivers,
        })
    }
}

/// The process numbers of every Exim on a host.
fn programs(host: &Host) -> Vec<i32> {
    let all = host.process_ids().unwrap_or_default();
    all.into_iter()
        .filter(|id| {
            fs::read_to_string(format!("/proc/{id}/comm")).is_ok_and(|name| name.trim() == "exim4")
        })
        .collect()
}

fn write_recipients(dir: &Path, recipients: &[String]) -> Result<()> {
    let mut text = String::from("# whom this server knows\n");
    for recipient in recipients {
        writeln!(text, "{recipient}: {recipient}")?;
    }
    let fresh = dir.join("recipients.new");
    fs::write(&fresh, text)?;
    fs::rename(&fresh, dir.join("recipients"))?;
    Ok(())
}
