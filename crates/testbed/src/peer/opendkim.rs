//! OpenDKIM: signs what a sender's Postfix sends, and checks signatures, also those of others
//! (RFC 6376). It asks the resolver of its host.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::{directory, utf8};
use crate::lab::{Finished, Host, Process, until_some};

/// How long it has to come up.
const START_LIMIT: Duration = crate::lab::CEILING;
/// The fields that are signed.
const FIELDS: &str =
    "From,To,Subject,Date,Message-ID,MIME-Version,Content-Type,Content-Transfer-Encoding";
/// So many messages are checked by one command.
const AT_ONCE: usize = 400;

/// A key of a domain.
#[derive(Clone, Debug)]
pub struct Key {
    /// The domain.
    pub domain: String,
    /// The selector.
    pub selector: String,
    /// File with the private half.
    pub private: PathBuf,
    /// The line of the domain's zone that publishes the public half.
    pub record: String,
}

impl Key {
    /// Makes one (RSA with 2048 bits); its files lie on the host.
    pub fn make(host: &Host, domain: &str, selector: &str) -> Result<Self> {
        let dir = directory(host, "opendkim")?;
        let words = [
            "-b",
            "2048",
            "-d",
            domain,
            "-s",
            selector,
            "-D",
            utf8(&dir)?,
        ];
        host.run_well("/usr/sbin/opendkim-genkey", &words)?;
        let record = dir.join(format!("{selector}.txt"));
        let record = fs::read_to_string(&record).context("the public key")?;
        Ok(Self {
            domain: domain.to_owned(),
            selector: selector.to_owned(),
            private: dir.join(format!("{selector}.private")),
            record,
        })
    }
}

/// A running OpenDKIM that signs what the Postfix of its host sends (see [`Signer::milter`]).
#[derive(Debug)]
pub struct Signer {
    /// The daemon.
    pub process: Process,
    socket: String,
}

impl Signer {
    /// Signs with this key for its domain and what is below. Nothing of header and body may be
    /// changed afterwards, not even a blank (RFC 6376 §3.4.1, §3.4.3: `simple`).
    pub fn start(host: &Host, key: &Key) -> Result<Self> {
        let dir = directory(host, "opendkim")?;
        let path = dir.join("opendkim.conf");
        // A socket's path must be short (108 bytes). By TCP its small writes would wait for each
        // other, 40 ms a message.
        let socket = format!("/run/opendkim-{}", host.name());
        match fs::remove_file(&socket) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
        let (domain, selector, private) = (&key.domain, &key.selector, utf8(&key.private)?);
        let text = format!(
            "Mode s\nBackground no\nSyslog no\nSocket local:{socket}\nUMask 000\nDomain {domain}\n\
             SubDomains yes\nSelector {selector}\nKeyFile {private}\nCanonicalization simple/simple\n\
             SignHeaders {FIELDS}\n\
             RequireSafeKeys no\nTemporaryDirectory {}\n",
            utf8(&dir)?
        );
        fs::write(&path, text)?;
        let words = ["-f", "-x", utf8(&path)?];
        let mut process = host.spawn("/usr/sbin/opendkim", &words, &[])?;
        until_some("the signer's socket", START_LIMIT, || {
            process.require_running()?;
            Ok(Path::new(&socket).exists().then_some(()))
        })?;
        Ok(Self { process, socket })
    }

    /// As a line of Postfix' `main.cf` names it.
    #[must_use]
    pub fn milter(&self) -> String {
        format!("unix:{}", self.socket)
    }

    /// Ends it.
    pub fn stop(self) -> Result<Finished> {
        self.process.stop()
    }
}

/// Checks the signatures of these messages on a host that can read them; returns what is wrong,
/// a line or two each.
pub fn complaints(host: &Host, messages: &[&Path]) -> Result<Vec<String>> {
    let dir = directory(host, "opendkim-check")?;
    // The copies it makes of each message.
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o700))?;
    let script = "dir=$1; shift\n\
                  for file; do /usr/sbin/opendkim-testmsg -t \"$dir\" < \"$file\" || echo \"$file\"; done 2>&1";
    let mut all = Vec::new();
    for some in messages.chunks(AT_ONCE) {
        let mut words = vec!["-c", script, "sh", utf8(&dir)?];
        for path in some {
            words.push(utf8(path)?);
        }
        let said = host.run_well("/bin/sh", &words)?;
        all.extend(said.lines().map(ToOwned::to_owned));
    }
    Ok(all)
}
