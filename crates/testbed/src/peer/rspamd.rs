//! rspamd: a spam filter that is asked over HTTP. It knows no rules but the test pattern
//! ([`GTUBE`]): what it says of others is that nothing is known against them.

use std::fs;
use std::net::IpAddr;

use anyhow::Result;

use super::{directory, socket, utf8, wait_listening};
use crate::lab::{Finished, Host, Process};

/// The port of its normal worker.
pub const PORT: u16 = 11_333;
/// The line by which every filter knows a message as a test of spam
/// (spamassassin.apache.org/gtube).
pub const GTUBE: &str = "XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X";

/// A running rspamd on one address of its host.
#[derive(Debug)]
pub struct Rspamd {
    /// Its main process; the workers end with it.
    pub process: Process,
}

impl Rspamd {
    /// Starts it.
    pub fn start(host: &Host) -> Result<Self> {
        let dir = directory(host, "rspamd")?;
        let path = dir.join("rspamd.conf");
        // The real list takes it many seconds to compile.
        fs::write(dir.join("suffixes"), "test\n")?;
        fs::write(&path, configuration(utf8(&dir)?, host.address()?))?;
        let words = ["-f", "-i", "-c", utf8(&path)?];
        let mut process = host.spawn("/usr/bin/rspamd", &words, &[])?;
        wait_listening(host, &mut process, PORT)?;
        Ok(Self { process })
    }

    /// How many messages it has looked at: its log has a line for each.
    #[must_use]
    pub fn looked_at(&self) -> usize {
        let said = self.process.stdout() + &self.process.stderr();
        said.matches("rspamd_task_write_log").count()
    }

    /// Ends it.
    pub fn stop(self) -> Result<Finished> {
        self.process.stop()
    }
}

fn configuration(dir: &str, address: IpAddr) -> String {
    let at = socket(address, PORT);
    // It asks no resolver: there is nothing to ask about.
    format!(
        r#"options {{
  pidfile = "{dir}/pid";
  tempdir = "{dir}";
  hs_cache_dir = "{dir}";
  url_tld = "{dir}/suffixes";
  filters = "";
  dns {{ nameserver = ["127.0.0.1"]; timeout = 1s; retransmits = 1; }}
}}
logging {{ type = "console"; level = "info"; }}
metric {{ name = "default"; actions {{ reject = 15; add_header = 6; greylist = 4; }} }}
worker "normal" {{ bind_socket = "{at}"; count = 1; }}
"#
    )
}
