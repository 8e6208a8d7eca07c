//! Dovecot: the primary's mailboxes. Takes mail by LMTP (port 24, every address of its host) or
//! from its own delivery program, and keeps each user's Maildir below its own directory.

use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::chown;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

use super::{directory, kill_family, open_to_others, require_many_users, utf8, wait_listening};
use crate::lab::{Finished, Host, Process, ground};

/// Port of the LMTP listener.
pub const LMTP_PORT: u16 = 24;
/// Every user's password.
pub const PASSWORD: &str = "secret";

const IMAP_PORT: u16 = 143;
const PROGRAM: &str = "/usr/sbin/dovecot";
const DIRECTORY: &str = "dovecot";
/// How long its daemons may take to be gone after SIGKILL.
const KILL_LIMIT: Duration = crate::lab::CEILING;

/// What a Dovecot is to do.
#[derive(Clone, Debug)]
pub struct Setting {
    users: Vec<String>,
    sieve_duplicate: bool,
    full: Option<String>,
}

impl Setting {
    /// Mailboxes for these addresses (`user@domain`, lower case). Each logs in to IMAP with its
    /// address and [`PASSWORD`].
    #[must_use]
    pub fn new(users: &[&str]) -> Self {
        Self {
            users: users.iter().map(|user| (*user).to_owned()).collect(),
            sieve_duplicate: false,
            full: None,
        }
    }

    /// This mailbox is full, which is said after the end of a message (`552 5.2.2`).
    #[must_use]
    pub fn full(mut self, user: &str) -> Self {
        self.full = Some(user.to_owned());
        self
    }

    /// Discards a message whose `X-Servergate-Id` the mailbox has seen (RFC 7352 `duplicate`).
    #[must_use]
    pub fn sieve_duplicate(mut self) -> Self {
        self.sieve_duplicate = true;
        self
    }
}

/// A message in a mailbox.
#[derive(Clone, Debug)]
pub struct Delivered {
    /// The mailbox: the user's address.
    pub user: String,
    /// The message's file.
    pub path: PathBuf,
    /// The file's bytes; Dovecot writes lines that end with LF.
    pub bytes: Vec<u8>,
}

/// A running Dovecot.
#[derive(Debug)]
pub struct Dovecot {
    host: Host,
    dir: PathBuf,
    users: Vec<String>,
    /// The master's process; what Dovecot logs is on its error output.
    pub process: Process,
}

impl Dovecot {
    /// Starts it. Mail that an earlier one left on this host stays.
    pub fn start(host: &Host, setting: &Setting) -> Result<Self> {
        require_many_users("Dovecot")?;
        let dir = directory(host, DIRECTORY)?;
        open_to_others("Dovecot", &dir)?;
        for below in ["mail", "state", "sieve"] {
            fs::create_dir_all(dir.join(below))?;
        }
        let mail = dir.join("mail");
        chown(&mail, Some(ground::VMAIL_UID), Some(ground::VMAIL_UID))?;
        // Its sockets have long names, and a socket's path must be short (108 bytes).
        let base = PathBuf::from(format!("/run/dovecot-{}", host.name()));
        if base.exists() {
            fs::remove_dir_all(&base)?;
        }
        fs::create_dir_all(&base)?;
        fs::write(dir.join("users"), users(setting, utf8(&mail)?)?)?;
        let path = configuration_file(host);
        fs::write(&path, configuration(setting, utf8(&dir)?, utf8(&base)?)?)?;
        if setting.sieve_duplicate {
            let script = dir.join("sieve/duplicate.sieve");
            fs::write(&script, SIEVE_DUPLICATE)?;
            // The mailboxes' user may not write the compiled script itself.
            host.run_well("/usr/bin/sievec", &["-c", utf8(&path)?, utf8(&script)?])?;
        }
        let mut process = host.spawn(PROGRAM, &["-F", "-c", utf8(&path)?], &[])?;
        for port in [LMTP_PORT, IMAP_PORT] {
            wait_listening(host, &mut process, port)?;
        }
        Ok(Self {
            host: host.clone(),
            dir,
            users: setting.users.clone(),
            process,
        })
    }

    /// Every message in every mailbox, by user and file name.
    pub fn delivered(&self) -> Result<Vec<Delivered>> {
        let mut all = Vec::new();
        for user in &self.users {
            for path in self.files(user)? {
                // A reader may move it from `new` to `cur` meanwhile; then it is asked again.
                let bytes = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
                all.push(Delivered {
                    user: user.clone(),
                    path,
                    bytes,
                });
            }
        }
        Ok(all)
    }

    /// How many messages there are, without reading them.
    pub fn count(&self) -> Result<usize> {
        self.users
            .iter()
            .map(|user| Ok(self.files(user)?.len()))
            .sum()
    }

    fn files(&self, user: &str) -> Result<Vec<PathBuf>> {
        let mut files = Vec::new();
        for below in ["new", "cur"] {
            let dir = self.dir.join("mail").join(user).join("Maildir").join(below);
            // The first message makes the mailbox.
            if !dir.is_dir() {
                continue;
            }
            for entry in fs::read_dir(&dir)? {
                files.push(entry?.path());
            }
        }
        files.sort();
        Ok(files)
    }

    /// What Dovecot has logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.stderr()
    }

    /// Ends it.
    pub fn stop(self) -> Result<Finished> {
        self.process.stop()
    }

    /// Ends it with all its daemons, as a power cut would. [`Dovecot::start`] begins again.
    pub fn kill(self) -> Result<()> {
        kill_family(&self.host, self.process, KILL_LIMIT)
    }
}

/// The configuration of the Dovecot on a host, for its own tools.
pub(super) fn configuration_file(host: &Host) -> PathBuf {
    host.dir().join(DIRECTORY).join("dovecot.conf")
}

const SIEVE_DUPLICATE: &str = "require [\"duplicate\"];\n\
    if duplicate :header \"X-Servergate-Id\" {\n    discard;\n    stop;\n}\n";

fn users(setting: &Setting, mail: &str) -> Result<String> {
    let mut text = String::new();
    let number = ground::VMAIL_UID;
    for user in &setting.users {
        let more = match &setting.full {
            Some(full) if full == user => "userdb_quota_rule=*:storage=1K",
            _ => "",
        };
        writeln!(
            text,
            "{user}:{{PLAIN}}{PASSWORD}:{number}:{number}::{mail}/{user}::{more}"
        )?;
    }
    Ok(text)
}

fn configuration(setting: &Setting, dir: &str, base: &str) -> Result<String> {
    let listen = if ground::has_ipv6() { "*, ::" } else { "*" };
    let mut text = String::new();
    for (key, value) in [
        ("base_dir", base),
        ("state_dir", &format!("{dir}/state")),
        ("log_path", "/dev/stderr"),
        ("listen", listen),
        ("protocols", "imap lmtp"),
        ("ssl", "no"),
        ("disable_plaintext_auth", "no"),
        ("auth_mechanisms", "plain"),
        // Nothing is wrong with a user called müller.
        ("auth_username_chars", ""),
        ("mail_location", "maildir:~/Maildir"),
        ("mail_uid", "vmail"),
        ("mail_gid", "vmail"),
        ("postmaster_address", "postmaster@localhost"),
    ] {
        writeln!(text, "{key} = {value}")?;
    }
    for kind in ["passdb", "userdb"] {
        writeln!(
            text,
            "{kind} {{\n  driver = passwd-file\n  args = username_format=%Lu {dir}/users\n}}"
        )?;
    }
    writeln!(
        text,
        "service lmtp {{\n  inet_listener lmtp {{\n    port = {LMTP_PORT}\n  }}\n}}\n\
         service imap-login {{\n  inet_listener imap {{\n    port = {IMAP_PORT}\n  }}\n  \
         inet_listener imaps {{\n    port = 0\n  }}\n}}"
    )?;
    // Its delivery program, run as the mailboxes' user, counts there.
    writeln!(
        text,
        "service stats {{\n  unix_listener stats-writer {{\n    mode = 0666\n  }}\n}}"
    )?;
    if setting.full.is_some() {
        writeln!(
            text,
            "mail_plugins = $mail_plugins quota\nplugin {{\n  quota = maildir:User quota\n  quota_grace = 0\n}}"
        )?;
    }
    if setting.sieve_duplicate {
        for protocol in ["lmtp", "lda"] {
            writeln!(
                text,
                "protocol {protocol} {{\n  mail_plugins = $mail_plugins sieve\n}}"
            )?;
        }
        writeln!(
            text,
            "plugin {{\n  sieve_before = {dir}/sieve/duplicate.sieve\n}}"
        )?;
    }
    Ok(text)
}
