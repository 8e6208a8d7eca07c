//! Postfix: the primary's mail server, a sender's, or the holding one of a comparison; with
//! configuration, queue and log in its own directory.

mod setting;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

pub use setting::{Delivery, NextHop, Setting};

use super::tools::dialogue;
use super::{
    directory, dovecot, kill_family, open_to_others, require_many_users, utf8, wait_listening,
};
use crate::generated_mail::Mail;
use crate::lab::{Finished, Host, Process, ground};

const PROGRAM: &str = "/usr/sbin/postfix";
/// How long its daemons may take to end.
const STOP_LIMIT: Duration = crate::lab::CEILING;

/// A running Postfix on port 25 of every address of its host.
#[derive(Debug)]
pub struct Postfix {
    host: Host,
    dir: PathBuf,
    /// The script that waits for the master.
    pub process: Process,
}

/// A Postfix after a power cut: nothing runs, its queue is as it was.
#[derive(Debug)]
#[must_use = "a queue without its Postfix"]
pub struct Fallen {
    host: Host,
    dir: PathBuf,
}

impl Fallen {
    /// Starts it again on the same queue, with the same configuration.
    pub fn start(self) -> Result<Postfix> {
        Postfix::launch(self.host, self.dir)
    }
}

impl Postfix {
    /// Starts it as `name`, final destination for `domains`, whose mail it throws away.
    pub fn start(host: &Host, name: &str, domains: &[&str]) -> Result<Self> {
        Self::start_with(host, &Setting::discarding(name, domains))
    }

    /// Starts it with this setting. A queue that an earlier one left on this host stays.
    pub fn start_with(host: &Host, setting: &Setting) -> Result<Self> {
        require_many_users("Postfix")?;
        let dir = directory(host, "postfix")?;
        for below in ["conf", "spool", "data"] {
            fs::create_dir_all(dir.join(below))?;
        }
        chown(
            dir.join("data"),
            Some(ground::POSTFIX_UID),
            Some(ground::POSTFIX_UID),
        )?;
        open_to_others("Postfix", &dir)?;
        let conf = dir.join("conf");
        fs::write(conf.join("main.cf"), setting.main_cf(&dir)?)?;
        let dovecot = dovecot::configuration_file(host);
        fs::write(conf.join("master.cf"), setting::master_cf(&dovecot)?)?;
        if let Some(recipients) = &setting.recipients {
            write_tables(&conf, recipients)?;
        }
        fs::copy("/etc/postfix/postfix-files", conf.join("postfix-files"))
            .context("postfix-files")?;
        Self::launch(host.clone(), dir)
    }

    fn launch(host: Host, dir: PathBuf) -> Result<Self> {
        let conf = dir.join("conf");
        let mut process = host.spawn(PROGRAM, &["-c", utf8(&conf)?, "start-fg"], &[])?;
        wait_listening(&host, &mut process, 25)?;
        Ok(Self { host, dir, process })
    }

    /// From now on a primary knows these recipients only.
    pub fn know_only(&self, recipients: &[&str]) -> Result<()> {
        let conf = self.dir.join("conf");
        if !conf.join("recipients").exists() {
            bail!(
                "the Postfix of {} has no list of recipients",
                self.host.name()
            );
        }
        write_tables(&conf, &setting::owned(recipients))?;
        self.host
            .run_well(PROGRAM, &["-c", utf8(&conf)?, "reload"])
            .map(|_| ())
    }

    /// From now on a primary refuses everybody: somebody emptied its list of recipients.
    pub fn reject_all(&self) -> Result<()> {
        self.know_only(&[])
    }

    /// Gives it a message as a program on its host does. Line ends may be LF or CRLF.
    pub fn inject(&self, from: &str, to: &str, message: &[u8]) -> Result<()> {
        let file = self.dir.join("injected");
        fs::write(&file, message)?;
        let script = "exec /usr/sbin/sendmail -C \"$1\" -i -f \"$2\" -- \"$3\" < \"$4\"";
        let conf = self.dir.join("conf");
        let words = ["-c", script, "sh", utf8(&conf)?, from, to, utf8(&file)?];
        self.host.run_well("/bin/sh", &words).map(|_| ())
    }

    /// Gives it many messages in one session, and waits until it has taken all of them.
    pub fn inject_all(&self, mails: &[Mail]) -> Result<()> {
        let file = self.dir.join("injected");
        fs::write(&file, dialogue(mails, true))?;
        let script = "exec /usr/sbin/sendmail -C \"$1\" -bs < \"$2\"";
        let conf = self.dir.join("conf");
        let words = ["-c", script, "sh", utf8(&conf)?, utf8(&file)?];
        let said = self.host.run_well("/bin/sh", &words)?;
        let taken = said.matches("queued as").count();
        ensure!(
            taken == mails.len(),
            "{taken} of {} messages were taken: {said}",
            mails.len()
        );
        Ok(())
    }

    /// How many messages are in its queue.
    pub fn queue_len(&self) -> Result<usize> {
        let conf = self.dir.join("conf");
        let queue = self
            .host
            .run_well("/usr/sbin/postqueue", &["-c", utf8(&conf)?, "-j"])?;
        // One that moves from queue to queue meanwhile is listed twice.
        let id = |line: &str| {
            Some(
                line.split_once("\"queue_id\":")?
                    .1
                    .split(',')
                    .next()?
                    .to_owned(),
            )
        };
        let ids: BTreeSet<String> = queue.lines().filter_map(id).collect();
        Ok(ids.len())
    }

    /// Tries everything in its queue now.
    pub fn flush(&self) -> Result<()> {
        let conf = self.dir.join("conf");
        self.host
            .run_well("/usr/sbin/postqueue", &["-c", utf8(&conf)?, "-f"])
            .map(|_| ())
    }

    /// What Postfix has logged.
    #[must_use]
    pub fn log(&self) -> String {
        let bytes = fs::read(self.dir.join("log")).unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// Ends it with all its daemons, as `postfix stop` does (the process started is a script
    /// that waits for the master, so a signal to it would leave the master behind).
    pub fn stop(self) -> Result<Finished> {
        self.host
            .run_well(PROGRAM, &["-c", utf8(&self.dir.join("conf"))?, "stop"])?;
        self.process.finish(STOP_LIMIT)
    }

    /// Ends it with all its daemons at once, as a power cut would.
    pub fn kill(self) -> Result<Fallen> {
        kill_family(&self.host, self.process, STOP_LIMIT)?;
        Ok(Fallen {
            host: self.host,
            dir: self.dir,
        })
    }
}

fn write_tables(conf: &Path, recipients: &[String]) -> Result<()> {
    let tables = [
        ("recipients", setting::recipients_table(recipients)?),
        ("transport", setting::transport_table(recipients)?),
    ];
    for (name, text) in tables {
        // A daemon that starts meanwhile reads the old table or the new one.
        let fresh = conf.join(format!("{name}.new"));
        fs::write(&fresh, text)?;
        fs::rename(&fresh, conf.join(name))?;
    }
    Ok(())
}
