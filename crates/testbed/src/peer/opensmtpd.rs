//! OpenSMTPD: another primary's mail server. It knows its recipients by a table and gives their
//! mail to the Dovecot of the same host by LMTP. Its queue is at its compiled-in place, so that a
//! laboratory has one at a time.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use anyhow::{Context, Result};

use super::dovecot::LMTP_PORT;
use super::{directory, open_to_others, require_many_users, utf8, wait_listening};
use crate::lab::{Finished, Host, Process};

const QUEUE: &str = "/var/spool/smtpd";

/// A running OpenSMTPD on port 25 of every address of its host.
#[derive(Debug)]
pub struct OpenSmtpd {
    host: Host,
    dir: PathBuf,
    /// The server's process; what it logs is on its error output.
    pub process: Process,
}

impl OpenSmtpd {
    /// Starts it as `name`, final for `domain` and these recipients (whole addresses).
    pub fn start(host: &Host, name: &str, domain: &str, recipients: &[&str]) -> Result<Self> {
        require_many_users("OpenSMTPD")?;
        let dir = directory(host, "opensmtpd")?;
        open_to_others("OpenSMTPD", &dir)?;
        // What an earlier laboratory left there is not ours.
        match fs::remove_dir_all(QUEUE) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(error).context("the queue of an earlier OpenSMTPD");
            }
            _ => fs::create_dir_all(QUEUE)?,
        }
        fs::set_permissions(QUEUE, fs::Permissions::from_mode(0o711))?;
        fs::write(dir.join("recipients"), recipients.join("\n") + "\n")?;
        let path = dir.join("smtpd.conf");
        let place = utf8(&dir)?;
        let text = format!(
            "table recipients file:{place}/recipients\n\
             listen on 0.0.0.0 hostname {name}\n\
             action \"deliver\" relay host lmtp://127.0.0.1:{LMTP_PORT}\n\
             match from any for domain \"{domain}\" rcpt-to <recipients> action \"deliver\"\n"
        );
        fs::write(&path, text)?;
        let mut process = host.spawn("/usr/sbin/smtpd", &["-d", "-f", utf8(&path)?], &[])?;
        wait_listening(host, &mut process, 25)?;
        Ok(Self {
            host: host.clone(),
            dir,
            process,
        })
    }

    /// How many deliveries are in its queue.
    pub fn queue_len(&self) -> Result<usize> {
        let queue = self
            .host
            .run_well("/usr/sbin/smtpctl", &["show", "queue"])?;
        Ok(queue.lines().filter(|line| !line.is_empty()).count())
    }

    /// What it has logged.
    #[must_use]
    pub fn log(&self) -> String {
        [self.process.stdout(), self.process.stderr()].concat()
    }

    /// The directory of its configuration.
    #[must_use]
    pub fn dir(&self) -> &std::path::Path {
        &self.dir
    }

    /// Ends it.
    pub fn stop(self) -> Result<Finished> {
        self.process.stop()
    }
}
