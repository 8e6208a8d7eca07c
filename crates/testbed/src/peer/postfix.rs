//! Postfix: the primary's mail server, with configuration, queue and log in its own directory.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::{directory, utf8, wait_listening};
use crate::lab::{Finished, Host, Process, ground};

/// How long its daemons may take to end.
const STOP_LIMIT: Duration = Duration::from_secs(20);

/// A running Postfix on port 25 of every address of its host.
#[derive(Debug)]
pub struct Postfix {
    host: Host,
    dir: PathBuf,
    /// The script that waits for the master.
    pub process: Process,
}

impl Postfix {
    /// Starts it as `name`, final destination for `domains`.
    pub fn start(host: &Host, name: &str, domains: &[&str]) -> Result<Self> {
        if !ground::has_many_users() {
            bail!(
                "Postfix gives its queue to a user of its own. Run this as root, or once: \
                 sudo apt-get install uidmap && \
                 sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 \"$USER\""
            );
        }
        let dir = directory(host, "postfix")?;
        for below in ["conf", "spool", "data"] {
            fs::create_dir_all(dir.join(below))?;
        }
        chown(
            dir.join("data"),
            Some(ground::POSTFIX_UID),
            Some(ground::POSTFIX_UID),
        )?;
        open_to_queue_owner(&dir)?;
        let conf = dir.join("conf");
        fs::write(conf.join("main.cf"), main_cf(&dir, name, domains)?)?;
        fs::write(conf.join("master.cf"), master_cf()?)?;
        fs::copy("/etc/postfix/postfix-files", conf.join("postfix-files"))
            .context("postfix-files")?;
        let mut process =
            host.spawn("/usr/sbin/postfix", &["-c", utf8(&conf)?, "start-fg"], &[])?;
        wait_listening(host, &mut process, 25)?;
        Ok(Self {
            host: host.clone(),
            dir,
            process,
        })
    }

    /// What Postfix has logged.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.dir.join("log")).unwrap_or_default()
    }

    /// Ends it with all its daemons, as `postfix stop` does (the process started is a script
    /// that waits for the master, so a signal to it would leave the master behind).
    pub fn stop(self) -> Result<Finished> {
        self.host.run_well(
            "/usr/sbin/postfix",
            &["-c", utf8(&self.dir.join("conf"))?, "stop"],
        )?;
        self.process.finish(STOP_LIMIT)
    }
}

/// The queue's owner has to reach the queue: every directory above lets others through, or
/// Postfix would only say "permission denied" much later.
fn open_to_queue_owner(dir: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    for above in dir.ancestors() {
        let mode = fs::metadata(above)?.permissions().mode();
        if mode & 0o001 == 0 {
            let place = above.display();
            bail!(
                "Postfix' own user cannot pass {place}: chmod o+x {place}, or check the project out elsewhere"
            );
        }
    }
    Ok(())
}

fn main_cf(dir: &Path, name: &str, domains: &[&str]) -> Result<String> {
    let dir = utf8(dir)?;
    let mut text = String::from("compatibility_level = 3.6\n");
    for (key, value) in [
        ("command_directory", "/usr/sbin"),
        ("daemon_directory", "/usr/lib/postfix/sbin"),
        ("shlib_directory", "/usr/lib/postfix"),
        ("sendmail_path", "/usr/sbin/sendmail"),
        ("newaliases_path", "/usr/bin/newaliases"),
        ("mailq_path", "/usr/bin/mailq"),
        ("manpage_directory", "/usr/share/man"),
        ("sample_directory", "no"),
        ("readme_directory", "no"),
        ("html_directory", "no"),
        ("mail_owner", "postfix"),
        ("setgid_group", "postdrop"),
        ("inet_interfaces", "all"),
        ("inet_protocols", "all"),
        ("alias_maps", ""),
        ("alias_database", ""),
        ("local_recipient_maps", ""),
        ("mailbox_transport", "discard"),
    ] {
        writeln!(text, "{key} = {value}")?;
    }
    writeln!(
        text,
        "myhostname = {name}\nmydestination = {}",
        domains.join(" ")
    )?;
    writeln!(
        text,
        "queue_directory = {dir}/spool\ndata_directory = {dir}/data\nmeta_directory = {dir}/conf"
    )?;
    writeln!(
        text,
        "maillog_file = {dir}/log\nmaillog_file_prefixes = {dir}"
    )?;
    Ok(text)
}

/// Postfix' own list of services, none of them in a chroot (there is none here).
fn master_cf() -> Result<String> {
    let theirs =
        fs::read_to_string("/usr/share/postfix/master.cf.dist").context("master.cf.dist")?;
    let mut text = String::new();
    for line in theirs.lines().filter(|line| !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [name, kind, private, unprivileged, _chroot, rest @ ..] if !line.starts_with(' ') => {
                writeln!(
                    text,
                    "{name} {kind} {private} {unprivileged} n {}",
                    rest.join(" ")
                )?;
            }
            _ => writeln!(text, "{line}")?,
        }
    }
    Ok(text)
}
